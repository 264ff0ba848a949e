//! The attestation keys and certificates of the W3C's vectors.

use std::sync::Arc;

use ciborium::Value;
use countersign::{
    attestation::{Attester, KeyAttester},
    cose::CoseAlgorithm,
    crypto::{CryptoProvider, KeyPair, RustCrypto},
    secret::SecretBytes,
};

use super::vectors::{bytes, hex, list, vectors};

/// The W3C ceremony of that name.
pub(crate) fn ceremony(id: &str) -> serde_json::Value {
    let all = vectors("webauthn_l3_ceremonies");
    list(&all, "vectors").iter().find(|vector| vector["id"] == id).unwrap().clone()
}

/// The attestation key of a ceremony.
pub(crate) fn attestation_key(ceremony: &serde_json::Value) -> KeyPair {
    let private = SecretBytes::new(bytes(ceremony, "attestation_private_key_p256"));
    RustCrypto.import(CoseAlgorithm::Es256, private).unwrap()
}

/// `x5c` of a ceremony's attestation object, by ciborium.
pub(crate) fn certificates(ceremony: &serde_json::Value) -> Vec<Vec<u8>> {
    let object = hex(&ceremony["registration"]["attestation_object"]);
    let object: Value = ciborium::from_reader(object.as_slice()).unwrap();
    let member = |map: &Value, name: &str| {
        let map = map.as_map().unwrap().iter();
        map.clone().find(|(key, _)| key.as_text() == Some(name)).unwrap().1.clone()
    };
    let certificates = member(&member(&object, "attStmt"), "x5c").into_array().unwrap();
    certificates.into_iter().map(|certificate| certificate.into_bytes().unwrap()).collect()
}

/// The attester of a ceremony with packed attestation.
pub(crate) fn attester(id: &str) -> Arc<dyn Attester> {
    let ceremony = ceremony(id);
    let (key, certificates) = (attestation_key(&ceremony), certificates(&ceremony));
    Arc::new(KeyAttester::new(&key, certificates, &RustCrypto).unwrap())
}
