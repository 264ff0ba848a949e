//! Tags of the local index: how an item is found without decrypting another.

use alloc::{vec, vec::Vec};

use super::{item::item_type::PASSKEY, storage::Tag};
use crate::{cbor::Writer, credential::CredentialRecord, crypto::hmac_sha256, secret::Secret};

/// Kind of the tag by an item's type (8 bytes, big endian).
pub(super) const TYPE: &str = "type";
/// Kind of the tag by a passkey's RP ID, of which the hash is what is tagged.
pub(super) const RP: &str = "rp";
/// Kind of the tag by a passkey's credential ID.
pub(super) const CREDENTIAL: &str = "credential";

/// HMAC-SHA256(index key, C\[kind, value]).
pub(super) fn tag(index_key: &Secret<32>, kind: &str, value: &[u8]) -> Tag {
    let mut message = Writer::new();
    message.array(2).text(kind).bytes(value);
    hmac_sha256(index_key.expose(), &[&message.finish()])
}

/// What is tagged, and how: an index of another form is rebuilt.
const FORM: &[u8] = &[2];

/// The tag that stands for the key itself and the form of the index.
pub(super) fn index_id(index_key: &Secret<32>) -> Tag {
    tag(index_key, "index", FORM)
}

/// By what an item can be found.
pub(super) struct Terms(Vec<(&'static str, Vec<u8>)>);

impl Terms {
    /// Every item is found by its type, a passkey also by its RP ID and its credential ID. A passkey record of a form
    /// that this build does not know is found by its type alone.
    pub(super) fn of(item_type: u64, plaintext: &[u8]) -> Self {
        let mut terms = vec![(TYPE, item_type.to_be_bytes().to_vec())];
        let record = (item_type == PASSKEY).then(|| CredentialRecord::decode(plaintext));
        if let Some(Ok(record)) = record {
            terms.push((RP, record.credential.rp.id.hash().0.to_vec()));
            terms.push((CREDENTIAL, record.credential.id.as_bytes().to_vec()));
        }
        Self(terms)
    }

    /// Whether it is found by this.
    pub(super) fn has(&self, kind: &str, value: &[u8]) -> bool {
        self.0.iter().any(|(own_kind, own_value)| *own_kind == kind && own_value == value)
    }

    pub(super) fn tags(&self, index_key: &Secret<32>) -> Vec<Tag> {
        self.0.iter().map(|(kind, value)| tag(index_key, kind, value)).collect()
    }
}
