//! Cryptography against the RFCs' own vectors.

mod common;

use common::{
    scripted_rng::ScriptedRng,
    vectors::{array, bytes, list, text, vectors},
};
use countersign::{
    cose::{CoseAlgorithm, P256Point, PublicKey},
    crypto::{CryptoProvider, Hkdf, KeyPair, RustCrypto},
    secret::Secret,
};

fn secret(bytes: &[u8]) -> Secret<32> {
    Secret::from_slice(bytes).unwrap()
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
fn keys_are_made_from_32_drawn_bytes() {
    let drawn = [0x42; 32];
    for algorithm in [CoseAlgorithm::Es256, CoseAlgorithm::EdDsa] {
        let made = RustCrypto.make_key_pair(algorithm, &mut ScriptedRng::new([&drawn]));
        assert_eq!(made.private().expose(), &drawn);
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
        assert_eq!(made.private().expose(), &good);
        let agreement = RustCrypto.make_agreement_key(&mut ScriptedRng::new([bad, &good]));
        assert_eq!(PublicKey::P256(agreement.public()), *made.public());
    }
}

#[test]
fn the_halves_of_a_pair_are_of_one_algorithm() {
    let ed25519 = PublicKey::Ed25519([0; 32]);
    let p256 = PublicKey::P256(P256Point { x: [0; 32], y: [0; 32] });
    assert!(KeyPair::from_parts(CoseAlgorithm::Es256, secret(&[1; 32]), ed25519).is_err());
    assert!(KeyPair::from_parts(CoseAlgorithm::EdDsa, secret(&[1; 32]), p256).is_err());
    assert!(RustCrypto.verify(CoseAlgorithm::EdDsa, &p256, &[b""], &[0; 64]).is_err());
}
