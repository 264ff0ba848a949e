//! The storage joint: where the bytes of a vault lie. It is not trusted; whatever it answers is checked.

use alloc::vec::Vec;
use core::fmt;

use super::{
    ids::{ItemId, VaultId},
    item::Row,
};

/// Why a storage did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageError {
    /// It holds another state than the write is based on; nothing was written.
    Conflict,
    /// No room is left; nothing was written.
    Full,
    /// It could not be reached, read or written; nothing was written.
    Io,
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Conflict => "it holds a newer or another state",
            Self::Full => "no room is left",
            Self::Io => "it could not be read or written",
        })
    }
}

impl core::error::Error for StorageError {}

/// Whoever can hand out the bytes of items.
pub trait ItemSource {
    /// The bytes of an item, if there is one.
    fn item(&self, id: &ItemId) -> Result<Option<Vec<u8>>, StorageError>;
}

/// A vault as it is stored, without its items: the index form, in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVault {
    /// The manifest bytes, as written.
    pub manifest: Vec<u8>,
    /// Its MAC.
    pub mac: [u8; 32],
    /// All rows; in any order.
    pub rows: Vec<Row>,
}

/// The tag of an item in the local index: an HMAC under a key of the vault, which says nothing to who has not that
/// key.
pub type Tag = [u8; 32];

/// The state that a write replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// Its epoch.
    pub epoch: u64,
    /// SHA-256 of its manifest bytes.
    pub hash: [u8; 32],
}

/// An item to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemPut {
    /// Its row in the index.
    pub row: Row,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its tags, in place of all that it had.
    pub tags: Vec<Tag>,
}

/// One change of a vault, complete: to be stored as a whole or not at all. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Which vault.
    pub vault_id: VaultId,
    /// The state that must still be stored for the write to happen (compare and swap); none: there must be no vault.
    pub base: Option<Base>,
    /// The number of the new state; with the hash of its manifest, the base of the next write.
    pub epoch: u64,
    /// The new manifest bytes.
    pub manifest: Vec<u8>,
    /// Their MAC.
    pub mac: [u8; 32],
    /// New and changed items. After a rotation these are all items.
    pub put: Vec<ItemPut>,
    /// Items that go, with their tags.
    pub delete: Vec<ItemId>,
    /// Which key the tags are made with: [`VaultStorage::index_id`] answers this afterwards. When it changes, every
    /// item is in `put`, so no tag of the old key is left.
    pub index_id: Tag,
}

/// Where one vault lies: its manifest, its items, and a local index of tags beside them.
pub trait VaultStorage: ItemSource {
    /// The vault, if there is one.
    fn parts(&self) -> Result<Option<StoredVault>, StorageError>;
    /// Under which key the stored tags were made ([`Write::index_id`]); none where there are no tags, as after an
    /// import.
    fn index_id(&self) -> Result<Option<Tag>, StorageError>;
    /// The items that carry a tag, in any order.
    fn tagged(&self, tag: &Tag) -> Result<Vec<ItemId>, StorageError>;
    /// Stores a write as a whole or not at all; [`StorageError::Conflict`] unless the stored manifest is the base.
    fn write(&mut self, write: &Write) -> Result<(), StorageError>;
    /// Replaces all tags. The vault itself stays as it is.
    fn reindex(&mut self, index_id: Tag, tags: &[(ItemId, Vec<Tag>)]) -> Result<(), StorageError>;
}
