//! Cryptography against known answers: the portable provider in the suite of all providers, and what stands beside it.

mod common;
mod provider_suite;

use common::{
    scripted_rng,
    vectors::{array, bytes, list, vectors},
};
use countersign::{
    cose::{CoseAlgorithm, P256Point, PublicKey},
    crypto::{Aes128CbcNoPadding, CryptoProvider, Hkdf, KeyPair, RustCrypto, xaes_open, xaes_seal},
    secret::{Secret, SecretBytes},
};

mod portable {
    crate::provider_suite::provider_suite!(Some(countersign::crypto::RustCrypto));
}

#[test]
fn rfc_5869_hkdf_sha256() {
    for vector in list(&vectors("rfc5869_hkdf_sha256"), "vectors") {
        let hkdf = Hkdf::extract(&bytes(vector, "salt"), &bytes(vector, "ikm"));
        assert_eq!(hkdf.prk().expose(), &array(vector, "prk"), "{}", vector["id"]);
        // The output is a prefix of any longer output for the same info.
        let okm = bytes(vector, "okm");
        let info = bytes(vector, "info");
        assert_eq!(hkdf.expand::<96>(&[&info]).expose()[..okm.len()], okm, "{}", vector["id"]);
        let (head, tail) = info.split_at(info.len() / 2);
        assert_eq!(hkdf.expand::<96>(&[head, tail]).expose()[..okm.len()], okm, "info in parts");
    }
}

#[test]
fn identifiers_are_those_of_the_cose_registry() {
    let identifiers = |list: &[CoseAlgorithm]| list.iter().map(|a| a.identifier()).collect::<Vec<_>>();
    assert_eq!(identifiers(&CoseAlgorithm::ALL[..6]), [-7, -8, -35, -9, -19, -51]);
    for algorithm in CoseAlgorithm::ALL.iter().copied() {
        assert_eq!(CoseAlgorithm::from_identifier(algorithm.identifier()), Some(algorithm));
    }
    for other in [-36, -53, -257, -50, 0, 7, i64::MIN] {
        assert_eq!(CoseAlgorithm::from_identifier(other), None);
    }
}

#[test]
fn the_halves_of_a_pair_are_of_one_algorithm() {
    let ed25519 = PublicKey::Ed25519([0; 32]);
    let p256 = PublicKey::P256(P256Point { x: [0; 32], y: [0; 32] });
    assert!(KeyPair::from_parts(CoseAlgorithm::Es256, SecretBytes::new(vec![1; 32]), ed25519).is_err());
    assert!(KeyPair::from_parts(CoseAlgorithm::EdDsa, SecretBytes::new(vec![1; 32]), p256.clone()).is_err());
    assert!(RustCrypto.verify(CoseAlgorithm::EdDsa, &p256, &[b""], &[0; 64]).is_err());
}

/// The two vectors of C2SP XAES-256-GCM: the one or the other branch of its key derivation's doubling.
#[test]
fn c2sp_xaes_256_gcm() {
    let nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX";
    let vectors: [(u8, &[u8], &str); 2] = [
        (1, b"", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
        (3, b"c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
    ];
    for (byte, aad, sealed) in vectors {
        let key = Secret::from_slice(&[byte; 32]).unwrap();
        assert_eq!(hex::encode(xaes_seal(&key, nonce, b"XAES-256-GCM", aad).unwrap()), sealed);
        let mut sealed = hex::decode(sealed).unwrap();
        assert_eq!(xaes_open(&key, nonce, &sealed, aad).unwrap().expose(), b"XAES-256-GCM");
        assert!(xaes_open(&key, nonce, &sealed, b"other").is_err());
        sealed[0] ^= 1;
        assert!(xaes_open(&key, nonce, &sealed, aad).is_err());
    }
}

/// NIST SP 800-38A, F.2.1 and F.2.2, the first two blocks.
#[test]
fn sp_800_38a_aes_128_cbc() {
    let block = |digits: &str| -> [u8; 16] { hex::decode(digits).unwrap().try_into().unwrap() };
    let key = block("2b7e151628aed2a6abf7158809cf4f3c");
    let iv = block("000102030405060708090a0b0c0d0e0f");
    let plaintext =
        [block("6bc1bee22e409f96e93d7e117393172a"), block("ae2d8a571e03ac9c9eb76fac45af8e51")].concat();
    let mut data = plaintext.clone();
    Aes128CbcNoPadding::encrypt(&key, &iv, &mut data).unwrap();
    assert_eq!(hex::encode(&data), "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2");
    Aes128CbcNoPadding::decrypt(&key, &iv, &mut data).unwrap();
    assert_eq!(data, plaintext);
    assert!(Aes128CbcNoPadding::encrypt(&key, &iv, &mut [0; 17]).is_err());
    assert!(Aes128CbcNoPadding::decrypt(&key, &iv, &mut [0; 15]).is_err());
}
