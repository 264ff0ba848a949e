//! Options to start from.

use base64ct::{Base64UrlUnpadded, Encoding};
use countersign::client::{Caller, Origin};
use serde_json::{Value, json};

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
