//! Client data (WebAuthn section "Client Data Used in WebAuthn Signatures").

use alloc::{string::String, vec::Vec};
use core::fmt::Write;

use base64ct::{Base64UrlUnpadded, Encoding};

use super::id::ClientDataHash;
use crate::crypto::sha256;

/// Which ceremony the client data belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientDataType {
    /// `webauthn.create`.
    Create,
    /// `webauthn.get`.
    Get,
}

/// CollectedClientData, to be serialised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientData<'a> {
    /// The ceremony.
    pub kind: ClientDataType,
    /// The relying party's challenge, as raw bytes.
    pub challenge: &'a [u8],
    /// The caller's origin, serialised.
    pub origin: &'a str,
    /// The top-level origin, where the caller is a frame of another origin; `crossOrigin` is true then.
    pub top_origin: Option<&'a str>,
    /// Whether the caller is not same-origin with its ancestors.
    pub cross_origin: bool,
}

impl ClientData<'_> {
    /// WebAuthn section "Serialization": type, challenge, origin, crossOrigin, and topOrigin if it is there, in this
    /// order, without white space, strings by CCDToString.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = String::with_capacity(256);
        json.push_str(match self.kind {
            ClientDataType::Create => "{\"type\":\"webauthn.create\",\"challenge\":\"",
            ClientDataType::Get => "{\"type\":\"webauthn.get\",\"challenge\":\"",
        });
        json.push_str(&Base64UrlUnpadded::encode_string(self.challenge));
        json.push_str("\",\"origin\":");
        push_ccd_string(&mut json, self.origin);
        json.push_str(if self.cross_origin { ",\"crossOrigin\":true" } else { ",\"crossOrigin\":false" });
        if let Some(top_origin) = self.top_origin {
            json.push_str(",\"topOrigin\":");
            push_ccd_string(&mut json, top_origin);
        }
        json.push('}');
        json.into_bytes()
    }

    /// The hash of the serialisation, which the authenticator signs.
    pub fn hash(json: &[u8]) -> ClientDataHash {
        ClientDataHash(sha256(json))
    }
}

/// CCDToString: quotation mark and backslash are escaped with a backslash, control characters below U+0020 as \uXXXX,
/// everything else stays.
fn push_ccd_string(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\0'..='\x1f' => {
                // Writing to a String cannot fail.
                let _ = write!(json, "\\u{:04x}", u32::from(character));
            }
            _ => json.push(character),
        }
    }
    json.push('"');
}
