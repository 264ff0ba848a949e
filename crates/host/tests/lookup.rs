//! A look-up among many passkeys reads and decrypts its answer and nothing else.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

mod common;

use std::{cell::RefCell, path::Path};

use common::{create, credential_id, passkey, reopen};
use countersign::{
    credential::{ChangeSet, CredentialRecord, CredentialStore, Query, StateRecord, StateStore, StoreError},
    secret::SecretBytes,
    vault::{ItemId, ItemSource, StorageError, StoredVault, Tag, VaultStorage, Write, item_type},
    webauthn::{RpId, UserHandle},
};
use countersign_host::VaultFile;
use tempfile::tempdir;

/// Notes which items are read. What was not read was not decrypted.
struct Counting {
    file: VaultFile,
    reads: RefCell<Vec<ItemId>>,
    /// An item that the medium has altered.
    altered: Option<ItemId>,
}

impl Counting {
    fn open(path: &Path) -> Self {
        Self { file: VaultFile::open(path).unwrap(), reads: RefCell::default(), altered: None }
    }
}

impl ItemSource for Counting {
    fn item(&self, id: &ItemId) -> Result<Option<Vec<u8>>, StorageError> {
        self.reads.borrow_mut().push(*id);
        let mut bytes = self.file.item(id)?;
        if self.altered == Some(*id) {
            *bytes.as_mut().unwrap().last_mut().unwrap() ^= 1;
        }
        Ok(bytes)
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

    let store = reopen(Counting::open(&path));
    assert!(store.storage().reads.borrow().is_empty(), "opening reads no item");
    let rp = RpId::new("rp1234.example").unwrap();
    let look = |query: Query, expected: usize| {
        store.storage().reads.borrow_mut().clear();
        let found = store.load(&query).unwrap().len();
        assert_eq!((found, store.storage().reads.borrow().len()), (expected, expected), "{query:?}");
    };
    look(Query::Discoverable(rp.clone()), 2);
    look(Query::Named(rp.clone(), vec![credential_id(1234), credential_id(99_999)].into()), 1);
    look(Query::Discoverable(RpId::new("unknown.example").unwrap()), 0);
}

/// A power-up opens the vault and takes the authenticator's state.
#[test]
fn power_up_reads_the_state_alone_and_an_altered_passkey_is_found_when_it_is_asked_for() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("vault.redb");
    let mut store = create(VaultFile::create(&path).unwrap());
    let names = ["one.example", "two.example", "three.example"];
    let put = names.into_iter().zip(1..).map(|(rp, number)| passkey(rp, number)).collect();
    let state = Some(StateRecord::new(SecretBytes::new(b"state".to_vec())));
    store.commit(ChangeSet { put, state, ..ChangeSet::default() }).unwrap();
    let victim = store.list(item_type::PASSKEY).unwrap()[0];
    let record = CredentialRecord::decode(store.get(&victim).unwrap().plaintext.expose()).unwrap();
    let victim_rp = record.credential.rp.id.as_str();
    let [state_id] = store.list(item_type::AUTHENTICATOR_STATE).unwrap()[..] else { panic!("one state") };
    drop(store);

    let store = reopen(Counting { altered: Some(victim), ..Counting::open(&path) });
    assert_eq!(store.load_state().unwrap().unwrap().encoded().expose(), b"state");
    assert!(store.storage().reads.borrow().iter().all(|id| *id == state_id));
    for rp in names {
        let found = store.load(&Query::Discoverable(RpId::new(rp).unwrap()));
        let expected = if rp == victim_rp { Err(StoreError::Tampered) } else { Ok(1) };
        assert_eq!(found.map(|found| found.len()), expected, "{rp}");
    }
    assert_eq!(store.survey().unwrap_err(), StoreError::Tampered, "nothing is counted that was not read");
}
