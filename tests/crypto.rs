//! Cryptography against the RFCs' own vectors.

mod common;

use common::{
    scripted_rng::ScriptedRng,
    vectors::{array, bytes, list, text, vectors},
};
use countersign::{
    cose::{CoseAlgorithm, P256Point, PublicKey},
    crypto::{Aes128CbcNoPadding, CryptoProvider, Hkdf, KeyPair, RustCrypto, xaes_open, xaes_seal},
    secret::{Secret, SecretBytes},
};

fn secret(bytes: &[u8]) -> SecretBytes {
    SecretBytes::new(bytes.to_vec())
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

/// ECDSA-Sig-Value (RFC 3279 section 2.2.3), written by hand.
fn der(r: &[u8; 32], s: &[u8; 32]) -> Vec<u8> {
    let integer = |value: &[u8]| {
        let value: Vec<u8> = value.iter().copied().skip_while(|byte| *byte == 0).collect();
        let pad = if value[0] & 0x80 != 0 { vec![0] } else { vec![] };
        [&[0x02, (pad.len() + value.len()) as u8], pad.as_slice(), &value].concat()
    };
    let body = [integer(r), integer(s)].concat();
    [&[0x30, body.len() as u8], body.as_slice()].concat()
}

#[test]
fn rfc_6979_signatures_are_deterministic_and_not_low_s_normalised() {
    let set = vectors("rfc6979_p256_sha256");
    let pair = RustCrypto.import(CoseAlgorithm::Es256, secret(&bytes(&set, "private_key"))).unwrap();
    let public =
        PublicKey::P256(P256Point { x: array(&set["public_key"], "x"), y: array(&set["public_key"], "y") });
    assert_eq!(*pair.public(), public);
    let signer = RustCrypto.signer(&pair).unwrap();
    for vector in list(&set, "vectors") {
        let message = text(vector, "message").as_bytes();
        let expected = der(&array(vector, "r"), &array(vector, "s"));
        assert_eq!(signer.sign(&[message]), expected, "{}", vector["id"]);
        assert_eq!(signer.sign(&[&message[..1], &message[1..]]), expected, "in parts");
        assert!(RustCrypto.verify(CoseAlgorithm::Es256, &public, &[message], &expected).is_ok());
        assert!(RustCrypto.verify(CoseAlgorithm::Es256, &public, &[b"other"], &expected).is_err());
    }
}

#[test]
fn rfc_8032_signatures() {
    for vector in list(&vectors("rfc8032_ed25519"), "vectors") {
        let pair = RustCrypto.import(CoseAlgorithm::EdDsa, secret(&bytes(vector, "seed"))).unwrap();
        let public = PublicKey::Ed25519(array(vector, "public_key"));
        assert_eq!(*pair.public(), public);
        let (message, expected) = (bytes(vector, "message"), bytes(vector, "signature"));
        let signer = RustCrypto.signer(&pair).unwrap();
        assert_eq!(signer.sign(&[&message]), expected, "{}", vector["id"]);
        let (head, tail) = message.split_at(message.len() / 2);
        assert_eq!(signer.sign(&[head, tail]), expected, "in parts");
        assert!(RustCrypto.verify(CoseAlgorithm::EdDsa, &public, &[head, tail], &expected).is_ok());
        let other = [&message, [0].as_slice()].concat();
        assert!(RustCrypto.verify(CoseAlgorithm::EdDsa, &public, &[&other], &expected).is_err());
    }
}

#[test]
fn keys_are_made_from_as_many_drawn_bytes_as_their_algorithm_has() {
    for (algorithm, length) in
        [(CoseAlgorithm::Es256, 32), (CoseAlgorithm::Esp384, 48), (CoseAlgorithm::Ed25519, 32)]
    {
        assert_eq!(algorithm.private_length(), length);
    }
    for algorithm in CoseAlgorithm::ALL.iter().copied() {
        let drawn = vec![0x42; algorithm.private_length()];
        let made = RustCrypto.make_key_pair(algorithm, &mut ScriptedRng::new([&drawn]));
        assert_eq!(made.algorithm(), algorithm);
        assert_eq!(made.private().expose(), drawn);
        assert_eq!(made.public(), RustCrypto.import(algorithm, secret(&drawn)).unwrap().public());
    }
}

#[test]
fn a_scalar_that_does_not_exist_is_refused_and_drawn_again() {
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let (order, good) = (hex::decode(order).unwrap(), [1; 32]);
    for bad in [[0; 32].as_slice(), &order, &[0xff; 32]] {
        assert!(RustCrypto.import(CoseAlgorithm::Es256, secret(bad)).is_err());
        let made = RustCrypto.make_key_pair(CoseAlgorithm::Es256, &mut ScriptedRng::new([bad, &good]));
        assert_eq!(made.private().expose(), good);
        let agreement = RustCrypto.make_agreement_key(&mut ScriptedRng::new([bad, &good]));
        assert_eq!(PublicKey::P256(agreement.public()), *made.public());
    }
}

#[test]
fn a_p384_scalar_that_does_not_exist_is_refused_and_drawn_again() {
    let order =
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973";
    let (order, good) = (hex::decode(order).unwrap(), [1; 48]);
    for bad in [[0; 48].as_slice(), &order, &[0xff; 48]] {
        assert!(RustCrypto.import(CoseAlgorithm::Es384, secret(bad)).is_err());
        let made = RustCrypto.make_key_pair(CoseAlgorithm::Es384, &mut ScriptedRng::new([bad, &good]));
        assert_eq!(made.private().expose(), good);
    }
}

#[test]
fn private_keys_of_another_length_than_their_algorithms_are_refused() {
    for algorithm in CoseAlgorithm::ALL.iter().copied() {
        for length in [0, 31, 32, 33, 47, 48, 49] {
            let taken = RustCrypto.import(algorithm, secret(&vec![1; length])).is_ok();
            assert_eq!(taken, length == algorithm.private_length(), "{algorithm:?}, {length} bytes");
        }
    }
}

#[test]
fn a_signature_verifies_under_its_own_key_message_and_algorithm_only() {
    for algorithm in CoseAlgorithm::ALL.iter().copied() {
        let pair =
            |byte| RustCrypto.import(algorithm, secret(&vec![byte; algorithm.private_length()])).unwrap();
        let (pair, other) = (pair(1), pair(2));
        let signer = RustCrypto.signer(&pair).unwrap();
        let signature = signer.sign(&[b"mess", b"age"]);
        assert_eq!(signature, signer.sign(&[b"message"]), "{algorithm:?} is deterministic");
        let verify = |algorithm, key: &PublicKey, message: &[u8], signature: &[u8]| {
            RustCrypto.verify(algorithm, key, &[message], signature).is_ok()
        };
        assert!(verify(algorithm, pair.public(), b"message", &signature), "{algorithm:?}");
        assert!(!verify(algorithm, other.public(), b"message", &signature), "{algorithm:?}");
        assert!(!verify(algorithm, pair.public(), b"massage", &signature), "{algorithm:?}");
        assert!(!verify(algorithm, pair.public(), b"message", &signature[1..]), "{algorithm:?}");
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
    assert!(KeyPair::from_parts(CoseAlgorithm::Es256, secret(&[1; 32]), ed25519).is_err());
    assert!(KeyPair::from_parts(CoseAlgorithm::EdDsa, secret(&[1; 32]), p256.clone()).is_err());
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
