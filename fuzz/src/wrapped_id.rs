//! Wrapped credential IDs: nothing panics, nothing opens but what the wrap key sealed, and what opens is exactly what
//! was sealed.

use std::sync::OnceLock;

use countersign::{
    cose::CoseAlgorithm,
    credential::{Backup, CredProtect, WrappedFacts, Wrapper},
    crypto::{CryptoProvider, Hkdf, RustCrypto, xaes_seal},
    secret::Secret,
    webauthn::{CredentialId, RpIdHash},
};

use super::seeded_rng::SeededRng;

const DOMAIN: &[u8; 32] = b"countersign wrapped credential 1";
const WRAP_KEY: [u8; 32] = [7; 32];
const RP: RpIdHash = RpIdHash([5; 32]);

struct Known {
    wrapper: Wrapper,
    seal: Secret<32>,
    /// One ID of each algorithm.
    genuine: Vec<CredentialId>,
}

/// The body of the fuzz target. The first byte chooses: the rest is an ID, a payload that the wrap key's holder sealed, or
/// what to change in a genuine ID.
pub fn wrapped_id(data: &[u8]) {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    let known = KNOWN.get_or_init(Known::make);
    match data {
        [0, id @ ..] => known.any(id),
        [1, payload @ ..] => known.sealed(payload),
        [2, which, changes @ ..] => known.changed(usize::from(*which), changes),
        _ => {}
    }
}

impl Known {
    fn make() -> Self {
        let wrapper = Wrapper::new(&Secret::init_with(|key| *key = WRAP_KEY));
        let algorithms = [CoseAlgorithm::Es256, CoseAlgorithm::EdDsa];
        let genuine = algorithms.map(|algorithm| {
            let facts = WrappedFacts {
                cred_protect: CredProtect::UserVerificationOptional,
                backup: Backup::DeviceBound,
                third_party_payment: false,
            };
            let key = RustCrypto.make_key_pair(algorithm, &mut SeededRng(1));
            wrapper.wrap(&RP, key, facts, &mut SeededRng(2)).expect("a wrapped credential").id
        });
        let seal = Hkdf::extract(DOMAIN, &WRAP_KEY).expand(&[b"seal"]);
        Self { wrapper, seal, genuine: genuine.to_vec() }
    }

    fn any(&self, id: &[u8]) {
        let Ok(id) = CredentialId::new(id) else { return };
        let opened = self.wrapper.unwrap(&RP, &id, &RustCrypto).is_some();
        assert!(!opened || self.genuine.contains(&id), "an ID that nobody sealed");
    }

    /// What is sealed by hand opens only if it is what the wrapper would have sealed.
    fn sealed(&self, payload: &[u8]) {
        let aad = [DOMAIN.as_slice(), &RP.0].concat();
        let sealed = xaes_seal(&self.seal, &[9; 24], payload, &aad).expect("sealed");
        let Ok(id) = CredentialId::new(&[&[9; 24], sealed.as_slice()].concat()) else { return };
        let Some(wrapped) = self.wrapper.unwrap(&RP, &id, &RustCrypto) else { return };
        let (facts, key) = (wrapped.facts, wrapped.secret.key);
        let again = self.wrapper.wrap(&RP, key, facts, &mut Nines).expect("a wrapped credential");
        assert_eq!(again.id, id, "one credential has one payload");
    }

    /// Each two bytes of `changes` are a place and what to turn there.
    fn changed(&self, which: usize, changes: &[u8]) {
        let genuine = &self.genuine[which % self.genuine.len()];
        let mut id = genuine.as_bytes().to_vec();
        for (place, mask) in changes.as_chunks::<2>().0.iter().map(|[place, mask]| (*place, *mask)) {
            let length = id.len();
            id[usize::from(place) % length] ^= mask;
        }
        let id = CredentialId::new(&id).expect("of the same length");
        let opened = self.wrapper.unwrap(&RP, &id, &RustCrypto).is_some();
        assert_eq!(opened, id == *genuine);
    }
}

/// The nonce that the hand-made IDs have.
struct Nines;

impl countersign::rand_core::TryRng for Nines {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(0x0909_0909)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(0x0909_0909_0909_0909)
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Self::Error> {
        target.fill(9);
        Ok(())
    }
}

impl countersign::rand_core::TryCryptoRng for Nines {}

/// Payloads of every shape, and changes of genuine IDs.
pub(crate) fn seeds() -> Vec<super::Seed> {
    let mut seeds = Vec::new();
    for (name, algorithm) in [("es256", 0x26), ("eddsa", 0x27)] {
        for level in 1..=3 {
            for flags in [0, 1, 3, 7] {
                let payload =
                    [&[1, 0x84, algorithm, 0x58, 0x20], [1; 32].as_slice(), &[level, flags]].concat();
                seeds.push((format!("payload-{name}-{level}-{flags}"), payload));
            }
        }
    }
    seeds.push(("foreign-id".to_owned(), [&[0], [0x42; 78].as_slice()].concat()));
    seeds.push(("unchanged".to_owned(), vec![2, 0]));
    seeds.push(("one-bit".to_owned(), vec![2, 1, 77, 1]));
    seeds
}
