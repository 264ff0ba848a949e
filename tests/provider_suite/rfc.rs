//! The RFCs' own vectors.

use countersign::{
    cose::{CoseAlgorithm, P256Point, PublicKey},
    crypto::ProviderConstants,
};
use serde_json::Value;

use super::{assert_signs, secret};

const RFC_6979: &str = include_str!("../../vectors/rfc6979_p256_sha256.json");
const RFC_8032: &str = include_str!("../../vectors/rfc8032_ed25519.json");

fn bytes(vector: &Value, name: &str) -> Vec<u8> {
    hex::decode(vector[name].as_str().unwrap()).unwrap()
}

fn array<const N: usize>(vector: &Value, name: &str) -> [u8; N] {
    bytes(vector, name).try_into().unwrap()
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

/// They are not low-S normalised: one of the two is high. A provider with nonces of its own knows the key.
pub(crate) fn rfc_6979_signatures_on_p256<P: ProviderConstants>(provider: &P) {
    let set: Value = serde_json::from_str(RFC_6979).unwrap();
    let pair = provider.import(CoseAlgorithm::Es256, secret(&bytes(&set, "private_key"))).unwrap();
    let public =
        PublicKey::P256(P256Point { x: array(&set["public_key"], "x"), y: array(&set["public_key"], "y") });
    assert_eq!(*pair.public(), public);
    let vectors = set["vectors"].as_array().unwrap();
    assert!(!vectors.is_empty());
    for vector in vectors {
        let message = vector["message"].as_str().unwrap().as_bytes();
        let expected = der(&array(vector, "r"), &array(vector, "s"));
        assert_signs(provider, &pair, message, &expected);
        assert!(provider.verify(CoseAlgorithm::Es256, &public, &[message], &expected).is_ok());
        assert!(provider.verify(CoseAlgorithm::Es256, &public, &[b"other"], &expected).is_err());
    }
}

pub(crate) fn rfc_8032_signatures<P: ProviderConstants>(provider: &P) {
    let set: Value = serde_json::from_str(RFC_8032).unwrap();
    let vectors = set["vectors"].as_array().unwrap();
    assert!(!vectors.is_empty());
    for vector in vectors {
        let pair = provider.import(CoseAlgorithm::EdDsa, secret(&bytes(vector, "seed"))).unwrap();
        let public = PublicKey::Ed25519(array(vector, "public_key"));
        assert_eq!(*pair.public(), public);
        let (message, expected) = (bytes(vector, "message"), bytes(vector, "signature"));
        assert_signs(provider, &pair, &message, &expected);
        let other = [&message, [0].as_slice()].concat();
        assert!(provider.verify(CoseAlgorithm::EdDsa, &public, &[&other], &expected).is_err());
    }
}
