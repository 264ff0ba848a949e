//! One storage, many devices: whoever has a copy writes to the same vault, by compare and swap.

use std::sync::{Arc, Mutex, MutexGuard};

use countersign::vault::{
    ItemId, ItemSource, MemoryStorage, StorageError, StoredVault, Tag, VaultStorage, Write,
};

/// Copies share what they hold.
#[derive(Clone, Default)]
pub(crate) struct SharedStorage(Arc<Mutex<MemoryStorage>>);

impl SharedStorage {
    pub(crate) fn holding(storage: MemoryStorage) -> Self {
        Self(Arc::new(Mutex::new(storage)))
    }

    /// What it holds now, for looking back at it later or for a second head.
    pub(crate) fn snapshot(&self) -> MemoryStorage {
        self.inner().clone()
    }

    /// Puts back what a snapshot held.
    pub(crate) fn restore(&self, snapshot: MemoryStorage) {
        *self.inner() = snapshot;
    }

    fn inner(&self) -> MutexGuard<'_, MemoryStorage> {
        self.0.lock().unwrap()
    }
}

impl ItemSource for SharedStorage {
    fn item(&self, id: &ItemId) -> Result<Option<Vec<u8>>, StorageError> {
        self.inner().item(id)
    }
}

impl VaultStorage for SharedStorage {
    fn parts(&self) -> Result<Option<StoredVault>, StorageError> {
        self.inner().parts()
    }

    fn index_id(&self) -> Result<Option<Tag>, StorageError> {
        self.inner().index_id()
    }

    fn tagged(&self, tag: &Tag) -> Result<Vec<ItemId>, StorageError> {
        self.inner().tagged(tag)
    }

    fn write(&mut self, write: &Write) -> Result<(), StorageError> {
        self.inner().write(write)
    }

    fn reindex(&mut self, index_id: Tag, tags: &[(ItemId, Vec<Tag>)]) -> Result<(), StorageError> {
        self.inner().reindex(index_id, tags)
    }
}
