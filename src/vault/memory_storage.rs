//! The reference storage, in memory: the plainest reading of what a [`VaultStorage`] has to do.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use super::{
    envelope::Envelope,
    error::VaultError,
    ids::ItemId,
    item::Row,
    storage::{Base, ItemSource, StorageError, StoredVault, Tag, VaultStorage, Write},
};
use crate::crypto::sha256;

/// One vault in memory; gone when it is dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryStorage {
    head: Option<Head>,
    items: BTreeMap<ItemId, StoredItem>,
    tags: BTreeMap<Tag, BTreeSet<ItemId>>,
    index_id: Option<Tag>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Head {
    manifest: Vec<u8>,
    mac: [u8; 32],
    base: Base,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct StoredItem {
    row: Row,
    bytes: Vec<u8>,
    tags: Vec<Tag>,
}

impl MemoryStorage {
    /// Takes in an envelope in whole form. There are no tags before somebody opens the vault and makes them.
    /// [`VaultError::InvalidInput`]: the index form has no items to store.
    pub fn import(envelope: &Envelope) -> Result<Self, VaultError> {
        let StoredVault { manifest, mac, rows } = envelope.to_stored();
        let items: BTreeMap<_, _> = envelope
            .items()
            .map(|(row, bytes)| (row.item_id, StoredItem { row, bytes: bytes.to_vec(), tags: Vec::new() }))
            .collect();
        if items.len() != rows.len() {
            return Err(VaultError::InvalidInput("an envelope without its items"));
        }
        let base = Base { epoch: envelope.epoch(), hash: sha256(&manifest) };
        Ok(Self { head: Some(Head { manifest, mac, base }), items, ..Self::default() })
    }

    fn drop_item(&mut self, id: &ItemId) {
        let Some(item) = self.items.remove(id) else { return };
        self.untag(id, &item.tags);
    }

    fn untag(&mut self, id: &ItemId, tags: &[Tag]) {
        for tag in tags {
            if let Some(ids) = self.tags.get_mut(tag) {
                ids.remove(id);
                if ids.is_empty() {
                    self.tags.remove(tag);
                }
            }
        }
    }

    fn put_item(&mut self, item: StoredItem) {
        let id = item.row.item_id;
        self.drop_item(&id);
        for tag in &item.tags {
            self.tags.entry(*tag).or_default().insert(id);
        }
        self.items.insert(id, item);
    }
}

impl ItemSource for MemoryStorage {
    fn item(&self, id: &ItemId) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.items.get(id).map(|item| item.bytes.clone()))
    }
}

impl VaultStorage for MemoryStorage {
    fn parts(&self) -> Result<Option<StoredVault>, StorageError> {
        Ok(self.head.as_ref().map(|head| StoredVault {
            manifest: head.manifest.clone(),
            mac: head.mac,
            rows: self.items.values().map(|item| item.row).collect(),
        }))
    }

    fn index_id(&self) -> Result<Option<Tag>, StorageError> {
        Ok(self.index_id)
    }

    fn tagged(&self, tag: &Tag) -> Result<Vec<ItemId>, StorageError> {
        Ok(self.tags.get(tag).into_iter().flatten().copied().collect())
    }

    fn write(&mut self, write: &Write) -> Result<(), StorageError> {
        if self.head.as_ref().map(|head| head.base) != write.base {
            return Err(StorageError::Conflict);
        }
        write.delete.iter().for_each(|id| self.drop_item(id));
        for put in &write.put {
            self.put_item(StoredItem { row: put.row, bytes: put.bytes.clone(), tags: put.tags.clone() });
        }
        let base = Base { epoch: write.epoch, hash: sha256(&write.manifest) };
        self.head = Some(Head { manifest: write.manifest.clone(), mac: write.mac, base });
        self.index_id = Some(write.index_id);
        Ok(())
    }

    fn reindex(&mut self, index_id: Tag, tags: &[(ItemId, Vec<Tag>)]) -> Result<(), StorageError> {
        self.tags.clear();
        self.items.values_mut().for_each(|item| item.tags.clear());
        for (id, tags) in tags {
            let Some(mut item) = self.items.remove(id) else { continue };
            item.tags.clone_from(tags);
            self.put_item(item);
        }
        self.index_id = Some(index_id);
        Ok(())
    }
}
