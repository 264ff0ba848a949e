//! The reader's tools. The message was checked once and wholly by [`Item::parse`]; here its members get their types.

use alloc::{sync::Arc, vec::Vec};

use super::status::Status;
use crate::cbor::{Entries, Item, Items, Profile};

/// What a request may ask of us before anything in it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `maxMsgSize` of getInfo: the longest message in bytes, its command byte counted.
    pub max_message: usize,
    /// `maxCredentialCountInList` of getInfo: the longest allowList or excludeList. The other lists are bounded by
    /// the message.
    pub max_list: usize,
}

/// The parameters of a command: one canonical CBOR map and nothing after it.
pub(super) fn parameters(bytes: &[u8]) -> Result<Entries<'_>, Status> {
    map(Item::parse(bytes, Profile::CTAP2).map_err(|_| Status::InvalidCbor)?)
}

/// A member that has to be there.
pub(super) fn required<'a, T>(
    member: Option<Item<'a>>,
    read: impl FnOnce(Item<'a>) -> Result<T, Status>,
) -> Result<T, Status> {
    read(member.ok_or(Status::MissingParameter)?)
}

/// A member that may be absent, but not of another type.
pub(super) fn optional<'a, T>(
    member: Option<Item<'a>>,
    read: impl FnOnce(Item<'a>) -> Result<T, Status>,
) -> Result<Option<T>, Status> {
    member.map(read).transpose()
}

pub(super) fn map(item: Item<'_>) -> Result<Entries<'_>, Status> {
    item.map().ok_or(Status::CborUnexpectedType)
}

pub(super) fn array(item: Item<'_>) -> Result<Items<'_>, Status> {
    item.array().ok_or(Status::CborUnexpectedType)
}

pub(super) fn bytes(item: Item<'_>) -> Result<&[u8], Status> {
    item.bytes().ok_or(Status::CborUnexpectedType)
}

pub(super) fn owned_bytes(item: Item<'_>) -> Result<Vec<u8>, Status> {
    bytes(item).map(<[u8]>::to_vec)
}

pub(super) fn text(item: Item<'_>) -> Result<&str, Status> {
    item.text().ok_or(Status::CborUnexpectedType)
}

pub(super) fn shared_text(item: Item<'_>) -> Result<Arc<str>, Status> {
    text(item).map(Arc::from)
}

pub(super) fn boolean(item: Item<'_>) -> Result<bool, Status> {
    item.boolean().ok_or(Status::CborUnexpectedType)
}

pub(super) fn unsigned(item: Item<'_>) -> Result<u64, Status> {
    item.unsigned().ok_or(Status::CborUnexpectedType)
}

/// An integer of either sign. Those beyond 64 bits with sign exist in CBOR, but not among the numbers of any registry.
pub(super) fn integer(item: Item<'_>) -> Result<i64, Status> {
    item.integer().ok_or(Status::CborUnexpectedType)
}
