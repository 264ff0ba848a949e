//! One provider against another.

use countersign::{
    cose::{CoseAlgorithm, PublicKey},
    crypto::{CryptoProvider, ProviderConstants, RustCrypto},
};

use super::pair_of;
use crate::scripted_rng::ScriptedRng;

pub(crate) fn what_one_signs_the_portable_one_verifies_and_the_other_way_round<P: ProviderConstants>(
    provider: &P,
) {
    what_one_signs_the_other_verifies(provider, &RustCrypto);
}

pub(crate) fn agreement_agrees_with_the_portable_one(provider: &impl CryptoProvider) {
    agreement_agrees(provider, &RustCrypto);
}

/// Messages of the lengths at which the hashes' blocks end.
pub(crate) fn what_one_signs_the_other_verifies(one: &impl CryptoProvider, other: &impl CryptoProvider) {
    for algorithm in CoseAlgorithm::ALL.iter().copied() {
        let pair = pair_of(algorithm, 7);
        for (signs, verifies) in [(one as &dyn CryptoProvider, other as &dyn CryptoProvider), (other, one)] {
            let signer = signs.signer(&pair).unwrap();
            for length in [0, 1, 55, 56, 63, 64, 65, 111, 112, 119, 127, 128, 129] {
                let message = vec![0x5a; length];
                let signature = signer.sign(&[&message]).unwrap();
                let verified = verifies.verify(algorithm, pair.public(), &[&message], &signature);
                assert!(
                    verified.is_ok(),
                    "{} signs {algorithm:?}, {} does not",
                    signs.name(),
                    verifies.name()
                );
            }
        }
    }
}

/// The same draw gives the same key, and both ends the same secret, whoever computes which.
pub(crate) fn agreement_agrees(one: &impl CryptoProvider, other: &impl CryptoProvider) {
    for byte in 1..=40 {
        let key = |provider: &dyn CryptoProvider, byte| {
            provider.make_agreement_key(&mut ScriptedRng::new([[byte; 32]]))
        };
        let (here, there) = (key(one, byte), key(other, byte + 40));
        assert_eq!(here.public(), key(other, byte).public());
        assert_eq!(PublicKey::P256(here.public()), *pair_of(CoseAlgorithm::Es256, byte).public());
        let shared = here.agree(&there.public()).unwrap();
        assert!(there.agree(&here.public()).unwrap().ct_eq(shared.expose()));
        // The key is reused for its lifetime.
        assert!(here.agree(&there.public()).unwrap().ct_eq(shared.expose()));
    }
}
