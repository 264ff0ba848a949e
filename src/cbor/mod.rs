//! Canonical CBOR, read and written strictly.
//!
//! [`Item::parse`] checks a whole message once, against a [`Profile`], and hands out a borrowed view that can only hold
//! canonical CBOR; [`Writer`] produces it. Two profiles exist: [`Profile::CTAP2`] (CTAP 2.3 section 8, "Message
//! Encoding") and [`Profile::VAULT`], the smaller dCBOR of the vault format (`docs/vault-format.md`, RFC 8949
//! section 4.2.1). Nothing here knows what a message means.

mod read;
mod value;
mod write;

pub use read::{Entries, Invalid, Item, Items, Kind, Profile};
pub use value::write_value;
pub(crate) use write::OpenMap;
pub use write::Writer;
