//! Shared by the tests of the client: vectors, and options to start from.
#![allow(dead_code, reason = "each test program uses a part")]

use std::{fs, path::Path};

use base64ct::{Base64UrlUnpadded, Encoding};
use countersign::client::{Caller, Origin};
use serde_json::{Value, json};

pub(crate) fn file(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn base64url(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

pub(crate) fn caller() -> Caller {
    Caller::same_origin(Origin::parse("https://example.org").unwrap())
}

pub(crate) fn create_options() -> Value {
    json!({
        "rp": { "id": "example.org", "name": "Example" },
        "user": { "id": "AQID", "name": "alex", "displayName": "Alex" },
        "challenge": "AAECAwQFBgcICQoLDA0ODw",
        "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }],
    })
}

pub(crate) fn get_options() -> Value {
    json!({ "challenge": "AAECAwQFBgcICQoLDA0ODw", "rpId": "example.org" })
}
