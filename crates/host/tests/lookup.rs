//! A look-up among many passkeys reads and decrypts its answer and nothing else.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

mod common;

use std::cell::Cell;

use common::{create, credential_id, passkey, reopen};
use countersign::{
    credential::{ChangeSet, CredentialStore, Query},
    vault::{ItemId, ItemSource, StorageError, StoredVault, Tag, VaultStorage, Write},
    webauthn::{RpId, UserHandle},
};
use countersign_host::VaultFile;
use tempfile::tempdir;

/// Counts the items that are read. What was not read was not decrypted.
struct Counting {
    file: VaultFile,
    reads: Cell<usize>,
}

impl ItemSource for Counting {
    fn item(&self, id: &ItemId) -> Result<Option<Vec<u8>>, StorageError> {
        self.reads.set(self.reads.get() + 1);
        self.file.item(id)
    }
}

impl VaultStorage for Counting {
    fn parts(&self) -> Result<Option<StoredVault>, StorageError> {
        self.file.parts()
    }
    fn index_id(&self) -> Result<Option<Tag>, StorageError> {
        self.file.index_id()
    }
    fn tagged(&self, tag: &Tag) -> Result<Vec<ItemId>, StorageError> {
        self.file.tagged(tag)
    }
    fn write(&mut self, write: &Write) -> Result<(), StorageError> {
        self.file.write(write)
    }
    fn reindex(&mut self, index_id: Tag, tags: &[(ItemId, Vec<Tag>)]) -> Result<(), StorageError> {
        self.file.reindex(index_id, tags)
    }
}

#[test]
fn among_ten_thousand_passkeys_only_the_answer_is_read() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("vault.redb");
    let mut store = create(VaultFile::create(&path).unwrap());
    let example = passkey("rp0.example", 0);
    let put = (0..10_000u32).map(|number| {
        let mut record = example.clone_secret();
        record.credential.id = credential_id(number);
        record.credential.rp.id = RpId::new(&format!("rp{}.example", number % 5000)).unwrap();
        record.credential.user.id = UserHandle::new(&number.to_be_bytes()).unwrap();
        record
    });
    store.commit(ChangeSet { put: put.collect(), ..ChangeSet::default() }).unwrap();
    drop(store);

    let store = reopen(Counting { file: VaultFile::open(&path).unwrap(), reads: Cell::new(0) });
    assert_eq!(store.storage().reads.get(), 0, "opening reads no item");
    let rp = RpId::new("rp1234.example").unwrap();
    let look = |query: Query, expected: usize| {
        store.storage().reads.set(0);
        let found = store.load(&query).unwrap().len();
        assert_eq!((found, store.storage().reads.get()), (expected, expected), "{query:?}");
    };
    look(Query::Discoverable(rp.clone()), 2);
    look(Query::Named(rp.clone(), vec![credential_id(1234), credential_id(99_999)].into()), 1);
    look(Query::Discoverable(RpId::new("unknown.example").unwrap()), 0);
}
