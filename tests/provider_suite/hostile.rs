//! Keys and signatures that are none.

use countersign::{
    cose::{CoseAlgorithm, EcPoint, P256Point, PublicKey},
    crypto::{CryptoProvider, ProviderConstants, RustCrypto},
};

use super::{assert_signs, is_deterministic, pair_of, secret};
use crate::scripted_rng::ScriptedRng;

const P256_ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const P256_PRIME: &str = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
const P384_ORDER: &str =
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973";

pub(crate) fn keys_are_made_from_as_many_drawn_bytes_as_their_algorithm_has(provider: &impl CryptoProvider) {
    for (algorithm, length) in
        [(CoseAlgorithm::Es256, 32), (CoseAlgorithm::Esp384, 48), (CoseAlgorithm::Ed25519, 32)]
    {
        assert_eq!(algorithm.private_length(), length);
    }
    for algorithm in CoseAlgorithm::ALL.iter().copied() {
        let drawn = vec![0x42; algorithm.private_length()];
        let made = provider.make_key_pair(algorithm, &mut ScriptedRng::new([&drawn]));
        assert_eq!(made.algorithm(), algorithm);
        assert_eq!(made.private().expose(), drawn);
        assert_eq!(made.public(), provider.import(algorithm, secret(&drawn)).unwrap().public());
        assert_eq!(made.public(), RustCrypto.import(algorithm, secret(&drawn)).unwrap().public());
    }
}

pub(crate) fn a_scalar_that_does_not_exist_is_refused_and_drawn_again(provider: &impl CryptoProvider) {
    for (algorithm, order) in [(CoseAlgorithm::Es256, P256_ORDER), (CoseAlgorithm::Es384, P384_ORDER)] {
        let (length, order) = (algorithm.private_length(), hex::decode(order).unwrap());
        let good = vec![1; length];
        for bad in [vec![0; length], order.clone(), vec![0xff; length]] {
            assert!(provider.import(algorithm, secret(&bad)).is_err());
            let made = provider.make_key_pair(algorithm, &mut ScriptedRng::new([&bad, &good]));
            assert_eq!(made.private().expose(), good);
            if algorithm == CoseAlgorithm::Es256 {
                let agreement = provider.make_agreement_key(&mut ScriptedRng::new([&bad, &good]));
                assert_eq!(PublicKey::P256(agreement.public()), *made.public());
            }
        }
        let mut greatest = order;
        *greatest.last_mut().unwrap() -= 1;
        assert!(provider.import(algorithm, secret(&greatest)).is_ok(), "{algorithm:?}: one below the order");
    }
}

pub(crate) fn private_keys_of_another_length_than_their_algorithms_are_refused(
    provider: &impl CryptoProvider,
) {
    for algorithm in CoseAlgorithm::ALL.iter().copied() {
        for length in [0, 31, 32, 33, 47, 48, 49] {
            let taken = provider.import(algorithm, secret(&vec![1; length])).is_ok();
            assert_eq!(taken, length == algorithm.private_length(), "{algorithm:?}, {length} bytes");
        }
        // Leading zeros that leave the number as it is.
        let padded = [vec![0], vec![1; algorithm.private_length()]].concat();
        assert!(provider.import(algorithm, secret(&padded)).is_err(), "{algorithm:?}");
    }
}

pub(crate) fn points_off_the_curve_are_refused(provider: &impl CryptoProvider) {
    let pair = pair_of(CoseAlgorithm::Es256, 1);
    let PublicKey::P256(good) = pair.public().clone() else { panic!() };
    let signature = RustCrypto.sign(&pair, &[b"message"]).unwrap();
    let agreement = provider.make_agreement_key(&mut ScriptedRng::new([[2; 32]]));
    let accepted = |point: P256Point| {
        let verified =
            provider.verify(CoseAlgorithm::Es256, &PublicKey::P256(point), &[b"message"], &signature);
        (agreement.agree(&point).is_ok(), verified.is_ok())
    };
    assert_eq!(accepted(good), (true, true));
    let prime: [u8; 32] = hex::decode(P256_PRIME).unwrap().try_into().unwrap();
    let mut off = good;
    off.y[31] ^= 1;
    let bad = [
        off,
        EcPoint { x: good.y, y: good.x },
        EcPoint { x: [0; 32], y: [0; 32] },
        EcPoint { x: prime, y: good.y },
        EcPoint { x: good.x, y: prime },
        EcPoint { x: [0xff; 32], y: [0xff; 32] },
    ];
    for point in bad {
        assert_eq!(accepted(point), (false, false), "{point:?}");
    }
}

pub(crate) fn keys_of_another_algorithm_are_refused(provider: &impl CryptoProvider) {
    for algorithm in CoseAlgorithm::ALL.iter().copied() {
        let pair = pair_of(algorithm, 1);
        let signature = RustCrypto.sign(&pair, &[b"message"]).unwrap();
        for other in CoseAlgorithm::ALL.iter().copied().filter(|other| !pair.public().is_for(*other)) {
            let verified = provider.verify(other, pair.public(), &[b"message"], &signature);
            assert!(verified.is_err(), "{algorithm:?} as {other:?}");
        }
    }
}

/// The neutral point as key and as R, with S = 0, solves the equation of RFC 8032 section 5.1.7 for every message.
pub(crate) fn an_ed25519_key_of_small_order_verifies_nothing(provider: &impl CryptoProvider) {
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let signature = [neutral, [0; 32]].concat();
    let key = PublicKey::Ed25519(neutral);
    assert!(provider.verify(CoseAlgorithm::EdDsa, &key, &[b"message"], &signature).is_err());
}

pub(crate) fn a_signature_verifies_under_its_own_key_message_and_algorithm_only<P: ProviderConstants>(
    provider: &P,
) {
    for algorithm in CoseAlgorithm::ALL.iter().copied() {
        let (pair, other) = (pair_of(algorithm, 1), pair_of(algorithm, 2));
        let signature = provider.signer(&pair).unwrap().sign(&[b"mess", b"age"]).unwrap();
        if is_deterministic::<P>(algorithm) {
            assert_eq!(signature, RustCrypto.sign(&pair, &[b"message"]).unwrap(), "{algorithm:?}");
        }
        assert_signs(provider, &pair, b"message", &signature);
        let verify = |algorithm, key: &PublicKey, message: &[u8], signature: &[u8]| {
            provider.verify(algorithm, key, &[message], signature).is_ok()
        };
        assert!(!verify(algorithm, other.public(), b"message", &signature), "{algorithm:?}");
        assert!(!verify(algorithm, pair.public(), b"massage", &signature), "{algorithm:?}");
        assert!(!verify(algorithm, pair.public(), b"message", &signature[1..]), "{algorithm:?}");
        assert!(!verify(algorithm, pair.public(), b"message", &[]), "{algorithm:?}");
        // -7 and -9 name the same signature, as do -8 and -19, -35 and -51.
        for second in CoseAlgorithm::ALL.iter().copied() {
            let same = pair.public().is_for(second);
            assert_eq!(
                verify(second, pair.public(), b"message", &signature),
                same,
                "{algorithm:?} as {second:?}"
            );
        }
    }
}
