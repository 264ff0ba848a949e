//! An open vault as the authenticator's own store, and as a store of the host's items.

mod common;

use common::{
    seeded_rng::SeededRng,
    vault::{Admin, TestMemory, private, record, uv_output},
    world::TODAY,
};
use countersign::{
    credential::{
        ChangeSet, CredentialRecord, CredentialStore, MemoryStore, Query, StateRecord, StateStore, StoreError,
    },
    secret::{Secret, SecretBytes},
    time::Moment,
    vault::{
        Administration, DEFAULT_REAUTH_LIMIT, Envelope, Freshness, ItemId, ItemSource, MemoryStorage,
        Opening, PasskeyEnrolment, PasskeyStore, PrfSaltMode, RecoveryCode, SlotId, SlotPrivate, SlotSecret,
        StorageError, StoredVault, Tag, VaultError, VaultId, VaultStorage, Write, item_type,
    },
    webauthn::{CredentialId, RpId, UserHandle},
};
use proptest::prelude::*;

type Store = PasskeyStore<MemoryStorage, SeededRng>;

fn device() -> Secret<32> {
    Secret::from_slice(&[0x5a; 32]).unwrap()
}

/// A vault with one device slot.
fn new_store(seed: u64) -> (Store, SlotId) {
    let mut rng = SeededRng(seed);
    let mut draft = Administration::new_vault(VaultId::make(&mut rng), None, &mut rng).unwrap();
    let slot = draft.enrol_device(&device(), private("Laptop"), &mut rng).unwrap();
    let prepared = draft.finish(TODAY, &mut rng).unwrap();
    (PasskeyStore::create(prepared, MemoryStorage::default(), None, rng, Moment::default()).unwrap(), slot)
}

fn reopen(storage: MemoryStorage, slot: &SlotId) -> Store {
    let envelope = Envelope::from_stored(storage.parts().unwrap().unwrap()).unwrap();
    let (vault, _) = envelope.open(slot, &SlotSecret::Device(&device()), Opening::default()).unwrap();
    PasskeyStore::new(vault, storage, None, SeededRng(1_000_000)).unwrap()
}

fn put(record: CredentialRecord) -> ChangeSet {
    ChangeSet { put: vec![record], ..ChangeSet::default() }
}

fn users(store: &Store, query: &Query) -> Vec<u8> {
    let mut users: Vec<u8> =
        store.load(query).unwrap().iter().map(|record| record.credential.user.id.as_bytes()[0]).collect();
    users.sort_unstable();
    users
}

fn at(rp: &str) -> Query {
    Query::Discoverable(RpId::new(rp).unwrap())
}

#[test]
fn passkeys_are_found_by_relying_party_by_identifier_and_by_account() {
    let (mut store, slot) = new_store(1);
    for (rp, id, user) in [("a.example", [1; 16], 1), ("a.example", [2; 16], 2), ("b.example", [3; 16], 3)] {
        store.commit(put(record(rp, &id, user))).unwrap();
    }
    let store = reopen(store.lock(), &slot);
    assert_eq!(users(&store, &at("a.example")), [1, 2]);
    assert_eq!(users(&store, &at("b.example")), [3]);
    assert!(users(&store, &at("c.example")).is_empty());
    let ids = [[2; 16], [3; 16], [9; 16]].map(|id| CredentialId::new(&id).unwrap()).to_vec();
    assert_eq!(users(&store, &Query::Named(RpId::new("a.example").unwrap(), ids.into())), [2]);
    let account = Query::Account(RpId::new("a.example").unwrap(), UserHandle::new(&[1]).unwrap());
    assert_eq!(users(&store, &account), [1]);
    let whole = store.load(&account).unwrap();
    assert_eq!(whole[0].encode().expose(), record("a.example", &[1; 16], 1).encode().expose());
}

/// The identifiers that a store finds, sorted; an error as it is.
fn ids(store: &dyn CredentialStore, query: &Query) -> Result<Vec<CredentialId>, StoreError> {
    let mut ids: Vec<_> = store.load(query)?.iter().map(|record| record.credential.id.clone()).collect();
    ids.sort();
    Ok(ids)
}

/// Identifier, relying party, user, whether it is discoverable.
type Key = (u8, u8, u8, bool);

fn keyed((id, rp, user, discoverable): Key) -> CredentialRecord {
    let mut record = record(&format!("{rp}.example"), &[id; 16], user);
    record.credential.discoverable = discoverable;
    record
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The memory store is the plainest reading of what a store has to do.
    #[test]
    fn the_vault_answers_every_query_as_the_memory_store_does(
        commits in prop::collection::vec(
            (
                prop::bool::weighted(0.1),
                prop::collection::vec(0u8..6, 0..3),
                prop::collection::vec((0u8..6, 0u8..3, 0u8..3, any::<bool>()), 0..3),
                prop::collection::vec((0u8..6, 0u8..3, 0u8..3, any::<bool>()), 0..2),
            ),
            1..6,
        ),
    ) {
        let (mut vault, _) = new_store(11);
        let mut memory = MemoryStore::default();
        let room = vault.survey().unwrap().remaining;
        for (clear, deleted, put, update) in commits {
            let changes = || ChangeSet {
                clear,
                delete: deleted.iter().map(|id| CredentialId::new(&[*id; 16]).unwrap()).collect(),
                put: put.iter().copied().map(keyed).collect(),
                update: update.iter().copied().map(keyed).collect(),
                state: None,
            };
            prop_assert_eq!(vault.commit(changes()), memory.commit(changes()));
            let (told, expected) = (vault.survey().unwrap(), memory.survey().unwrap());
            prop_assert_eq!((told.discoverable, &told.relying_parties), (expected.discoverable, &expected.relying_parties));
            prop_assert_eq!(room - told.remaining, memory.records().count() as u64);
            let all: Vec<_> = (0..6).map(|id| CredentialId::new(&[id; 16]).unwrap()).collect();
            for rp in 0..3 {
                let rp = RpId::new(&format!("{rp}.example")).unwrap();
                let mut queries = vec![
                    Query::Discoverable(rp.clone()),
                    Query::OfHash(rp.hash()),
                    Query::Named(rp.clone(), all.clone().into()),
                ];
                queries.extend((0..3).map(|user| Query::Account(rp.clone(), UserHandle::new(&[user]).unwrap())));
                queries.extend(all.iter().cloned().map(Query::Identified));
                for query in queries {
                    prop_assert_eq!(ids(&vault, &query), ids(&memory, &query), "{:?}", query);
                }
            }
        }
    }
}

#[test]
fn one_change_set_is_one_write_and_clear_comes_first() {
    let (mut store, _) = new_store(2);
    let host_item = store.put(item_type::FIRST_OF_HOST, b"note").unwrap();
    store.commit(put(record("a.example", &[1; 16], 1))).unwrap();
    let epoch = store.vault().epoch();
    let state = StateRecord::new(SecretBytes::new(b"state".to_vec()));
    let changes = ChangeSet {
        clear: true,
        delete: vec![CredentialId::new(&[1; 16]).unwrap()],
        put: vec![record("a.example", &[1; 16], 4), record("a.example", &[5; 16], 5)],
        state: Some(state),
        ..ChangeSet::default()
    };
    store.commit(changes).unwrap();
    assert_eq!(store.vault().epoch(), epoch + 1);
    assert_eq!(users(&store, &at("a.example")), [4, 5]);
    assert_eq!(store.load_state().unwrap().unwrap().encoded().expose(), b"state");
    assert_eq!(store.get(&host_item).unwrap().plaintext.expose(), b"note", "a reset leaves the host's items");
}

#[test]
fn a_record_is_replaced_by_its_identifier() {
    let (mut store, _) = new_store(3);
    store.commit(put(record("a.example", &[1; 16], 1))).unwrap();
    store.commit(put(record("b.example", &[1; 16], 2))).unwrap();
    assert!(users(&store, &at("a.example")).is_empty());
    assert_eq!(users(&store, &at("b.example")), [2]);
    assert_eq!(store.list(item_type::PASSKEY).unwrap().len(), 1);
    let twice = ChangeSet {
        put: vec![record("c.example", &[7; 16], 7), record("c.example", &[7; 16], 8)],
        ..ChangeSet::default()
    };
    store.commit(twice).unwrap();
    assert_eq!(users(&store, &at("c.example")), [8]);
    store
        .commit(ChangeSet { delete: vec![CredentialId::new(&[7; 16]).unwrap()], ..ChangeSet::default() })
        .unwrap();
    assert!(users(&store, &at("c.example")).is_empty());
}

#[test]
fn an_update_replaces_and_never_adds() {
    let (mut store, slot) = new_store(3);
    let update = |records: Vec<CredentialRecord>| ChangeSet { update: records, ..ChangeSet::default() };
    store.commit(put(record("a.example", &[1; 16], 1))).unwrap();
    store.commit(update(vec![record("b.example", &[1; 16], 2)])).unwrap();
    assert_eq!((users(&store, &at("a.example")), users(&store, &at("b.example"))), (vec![], vec![2]));
    let epoch = store.vault().epoch();
    let both = || vec![record("b.example", &[1; 16], 3), record("b.example", &[4; 16], 4)];
    let id = CredentialId::new(&[1; 16]).unwrap();
    for refused in [
        update(both()),
        ChangeSet { delete: vec![id.clone()], ..update(vec![record("b.example", &[1; 16], 3)]) },
        ChangeSet { clear: true, ..update(vec![record("b.example", &[1; 16], 3)]) },
    ] {
        assert_eq!(store.commit(refused), Err(StoreError::NotFound));
        assert_eq!(store.vault().epoch(), epoch, "nothing was written");
    }
    let store = reopen(store.lock(), &slot);
    assert_eq!(users(&store, &at("b.example")), [2]);
}

#[test]
fn the_state_is_kept_once_and_replaced() {
    let (mut store, slot) = new_store(4);
    assert!(store.load_state().unwrap().is_none());
    for text in [b"one", b"two"] {
        let state = Some(StateRecord::new(SecretBytes::new(text.to_vec())));
        store.commit(ChangeSet { state, ..ChangeSet::default() }).unwrap();
    }
    let store = reopen(store.lock(), &slot);
    assert_eq!(store.load_state().unwrap().unwrap().encoded().expose(), b"two");
    assert_eq!(store.list(item_type::AUTHENTICATOR_STATE).unwrap().len(), 1);
}

#[test]
fn after_a_rotation_tags_are_of_the_new_key_and_passkeys_are_found() {
    let (mut store, slot) = new_store(5);
    store.commit(put(record("a.example", &[1; 16], 1))).unwrap();
    let old = store.vault().tag("rp", &RpId::new("a.example").unwrap().hash().0);
    assert_eq!(store.storage().tagged(&old).unwrap().len(), 1);
    store.rotate(&store.vault().opening_proof(), Moment::default()).unwrap();
    assert_eq!(store.storage().tagged(&old).unwrap(), []);
    assert_eq!(users(&store, &at("a.example")), [1]);
    assert_eq!(store.vault().refresh_due().collect::<Vec<_>>(), [slot]);
    store.change(|draft, _, rng| draft.refresh(&slot, &SlotSecret::Device(&device()), rng)).unwrap();
    assert_eq!(store.vault().refresh_due().count(), 0);
    let mut store = reopen(store.lock(), &slot);
    assert_eq!(users(&store, &at("a.example")), [1]);
    assert_eq!(
        store.rotate(&store.vault().opening_proof(), Moment::default()),
        Err(VaultError::Unchecked),
        "nobody vouched for this state"
    );
    store.accept_as_is();
    store.rotate(&store.vault().opening_proof(), Moment::default()).unwrap();
    assert_eq!(store.vault().key_gen(), 3);
}

#[test]
fn an_imported_vault_gets_its_index_when_it_is_opened() {
    let (mut store, slot) = new_store(6);
    store.commit(put(record("a.example", &[1; 16], 1))).unwrap();
    let exported = Envelope::export(store.storage()).unwrap().unwrap();
    let storage = MemoryStorage::import(&Envelope::decode(&exported.encode()).unwrap()).unwrap();
    assert_eq!(storage.index_id().unwrap(), None);
    let imported = reopen(storage, &slot);
    assert_eq!(users(&imported, &at("a.example")), [1]);
    assert_eq!(imported.lock(), store.lock());
}

#[test]
fn host_items_are_put_replaced_listed_and_deleted_and_the_formats_own_are_not() {
    let (mut store, _) = new_store(7);
    let id = store.put(70, b"one").unwrap();
    assert_eq!(
        store.put(item_type::PASSKEY, b"x").err().map(|e| matches!(e, VaultError::InvalidInput(_))),
        Some(true)
    );
    store.replace(&id, b"two").unwrap();
    let item = store.get(&id).unwrap();
    assert_eq!((item.item_type, item.version, item.plaintext.expose()), (70, 2, &b"two"[..]));
    assert_eq!(store.list(70).unwrap(), [id]);
    store.commit(put(record("a.example", &[1; 16], 1))).unwrap();
    let passkey = store.list(item_type::PASSKEY).unwrap()[0];
    assert!(matches!(store.delete(&passkey), Err(VaultError::InvalidInput(_))));
    store.delete(&id).unwrap();
    assert_eq!(store.get(&id).err(), Some(VaultError::NotFound));
    assert_eq!(store.delete(&ItemId([0; 16])).err(), Some(VaultError::NotFound));
    assert_eq!(store.list(70).unwrap(), []);
}

fn enrolment<'a>(rp_id: &'a RpId, credential_id: &'a CredentialId) -> PasskeyEnrolment<'a> {
    let salt = PrfSaltMode::PerSlot([9; 32]);
    let transports = &["usb", "nfc"];
    PasskeyEnrolment { rp_id, credential_id, salt, transports, pin: None, private: private("Key") }
}

#[test]
fn two_different_outputs_enable_nothing() {
    let (mut store, _) = new_store(8);
    let (rp, id) = (RpId::new("vault.example").unwrap(), CredentialId::new(&[4; 16]).unwrap());
    let (first, second) = (uv_output(&[1; 32]).unwrap(), uv_output(&[2; 32]).unwrap());
    let before = store.storage().clone();
    let refused = store.enrol_passkey(
        (&store.vault().opening_proof(), Moment::default()),
        enrolment(&rp, &id),
        &first,
        &second,
    );
    assert_eq!(refused, Err(VaultError::UnstablePrf));
    assert_eq!(*store.storage(), before);
    let slot = store
        .enrol_passkey(
            (&store.vault().opening_proof(), Moment::default()),
            enrolment(&rp, &id),
            &first,
            &first,
        )
        .unwrap();
    let view = store.vault().slots().find(|view| view.slot_id() == slot).unwrap();
    assert_eq!(view.transports(), ["usb", "nfc"]);
    assert_eq!(view.rp_id(), Some("vault.example"));
    assert_eq!(store.vault().slot_private(&slot).unwrap(), Some(private("Key")));
    let again = store.enrol_passkey(
        (&store.vault().opening_proof(), Moment::default()),
        enrolment(&rp, &id),
        &first,
        &first,
    );
    assert_eq!(again, Err(VaultError::AlreadyEnrolled));
}

#[test]
fn a_passkey_of_this_very_vault_is_refused_as_circular() {
    let (mut store, _) = new_store(9);
    store.commit(put(record("vault.example", &[4; 16], 1))).unwrap();
    let (rp, id) = (RpId::new("vault.example").unwrap(), CredentialId::new(&[4; 16]).unwrap());
    let output = uv_output(&[1; 32]).unwrap();
    assert_eq!(
        store.enrol_passkey(
            (&store.vault().opening_proof(), Moment::default()),
            enrolment(&rp, &id),
            &output,
            &output
        ),
        Err(VaultError::Circular)
    );
}

#[test]
fn at_most_five_passkeys_where_no_policy_says_otherwise() {
    let (mut store, _) = new_store(10);
    let rp = RpId::new("vault.example").unwrap();
    let output = uv_output(&[1; 32]).unwrap();
    for number in 1..=5 {
        let id = CredentialId::new(&[number; 16]).unwrap();
        store
            .enrol_passkey(
                (&store.vault().opening_proof(), Moment::default()),
                enrolment(&rp, &id),
                &output,
                &output,
            )
            .unwrap();
    }
    let sixth = CredentialId::new(&[6; 16]).unwrap();
    let refused = store.enrol_passkey(
        (&store.vault().opening_proof(), Moment::default()),
        enrolment(&rp, &sixth),
        &output,
        &output,
    );
    assert!(matches!(refused, Err(VaultError::PolicyViolation(_))));
}

#[test]
fn the_last_slot_and_the_last_verified_fallback_stay() {
    let (mut store, slot) = new_store(11);
    let now = Moment::default();
    let remove = |store: &mut Store, id: SlotId| {
        store.administer(&store.vault().opening_proof(), now, |draft, items, rng| {
            draft.remove(&id, items, rng)
        })
    };
    assert_eq!(remove(&mut store, slot), Err(VaultError::LastSlot));
    let code = RecoveryCode::make(&mut SeededRng(77));
    let verified = SlotPrivate { last_verified: Some(TODAY.0), ..private("Code") };
    let proof = store.vault().opening_proof();
    let enrolled =
        store.administer(&proof, now, |draft, _, rng| draft.enrol_recovery_code(&code, verified, rng));
    let code_slot = enrolled.unwrap();
    assert_eq!(remove(&mut store, code_slot), Err(VaultError::LastFallback));
    let key_gen = store.vault().key_gen();
    remove(&mut store, slot).unwrap();
    assert_eq!(store.vault().key_gen(), key_gen + 1, "a removal rotates");
    let envelope = Envelope::from_stored(store.lock().parts().unwrap().unwrap()).unwrap();
    let device = device();
    let removed = envelope.open(&slot, &SlotSecret::Device(&device), Opening::default());
    assert_eq!(removed.err(), Some(VaultError::WrongSecret));
    envelope.open(&code_slot, &SlotSecret::Code(&code), Opening::default()).unwrap();
}

/// A storage that fails, or lies, as it is told.
struct Unreliable {
    inner: MemoryStorage,
    fail_write: Option<StorageError>,
    lie_about: Option<(Tag, ItemId)>,
    lose: Option<ItemId>,
    hide: Option<Tag>,
}

impl Unreliable {
    fn new(inner: MemoryStorage) -> Self {
        Self { inner, fail_write: None, lie_about: None, lose: None, hide: None }
    }
}

impl ItemSource for Unreliable {
    fn item(&self, id: &ItemId) -> Result<Option<Vec<u8>>, StorageError> {
        if self.lose == Some(*id) { Ok(None) } else { self.inner.item(id) }
    }
}

impl VaultStorage for Unreliable {
    fn parts(&self) -> Result<Option<StoredVault>, StorageError> {
        self.inner.parts()
    }
    fn index_id(&self) -> Result<Option<Tag>, StorageError> {
        self.inner.index_id()
    }
    fn tagged(&self, tag: &Tag) -> Result<Vec<ItemId>, StorageError> {
        match self.lie_about {
            Some((lied, id)) if lied == *tag => Ok(vec![id]),
            _ if self.hide == Some(*tag) => Ok(vec![]),
            _ => self.inner.tagged(tag),
        }
    }
    fn write(&mut self, write: &Write) -> Result<(), StorageError> {
        match self.fail_write {
            Some(error) => Err(error),
            None => self.inner.write(write),
        }
    }
    fn reindex(&mut self, index_id: Tag, tags: &[(ItemId, Vec<Tag>)]) -> Result<(), StorageError> {
        self.inner.reindex(index_id, tags)
    }
}

fn unreliable(store: Store, slot: &SlotId) -> PasskeyStore<Unreliable, SeededRng> {
    let storage = store.lock();
    let envelope = Envelope::from_stored(storage.parts().unwrap().unwrap()).unwrap();
    let (vault, _) = envelope.open(slot, &SlotSecret::Device(&device()), Opening::default()).unwrap();
    PasskeyStore::new(vault, Unreliable::new(storage), None, SeededRng(2_000_000)).unwrap()
}

fn set(
    store: PasskeyStore<Unreliable, SeededRng>,
    slot: &SlotId,
    change: impl FnOnce(&mut Unreliable),
) -> PasskeyStore<Unreliable, SeededRng> {
    let mut storage = store.lock();
    let envelope = Envelope::from_stored(storage.parts().unwrap().unwrap()).unwrap();
    let (vault, _) = envelope.open(slot, &SlotSecret::Device(&device()), Opening::default()).unwrap();
    change(&mut storage);
    PasskeyStore::new(vault, storage, None, SeededRng(3_000_000)).unwrap()
}

#[test]
fn a_failed_write_leaves_the_open_vault_and_the_storage_as_they_were() {
    let (mut store, slot) = new_store(12);
    store.commit(put(record("a.example", &[1; 16], 1))).unwrap();
    let before = store.storage().clone();
    let failures = [
        (StorageError::Full, StoreError::Full),
        (StorageError::Conflict, StoreError::Conflict),
        (StorageError::Io, StoreError::Unavailable),
    ];
    let mut store = unreliable(store, &slot);
    for (failure, expected) in failures {
        store = set(store, &slot, |storage| storage.fail_write = Some(failure));
        store.accept_as_is();
        let epoch = store.vault().epoch();
        assert_eq!(store.commit(put(record("a.example", &[2; 16], 2))).err(), Some(expected));
        assert_eq!(
            store.rotate(&store.vault().opening_proof(), Moment::default()),
            Err(VaultError::Storage(failure))
        );
        assert_eq!(store.vault().epoch(), epoch);
        assert_eq!(store.storage().inner, before);
        assert_eq!(store.load(&at("a.example")).unwrap().len(), 1);
    }
    let mut store = set(store, &slot, |storage| storage.fail_write = None);
    store.commit(put(record("a.example", &[2; 16], 2))).unwrap();
    assert_eq!(store.load(&at("a.example")).unwrap().len(), 2);
}

#[test]
fn a_lying_index_and_a_lost_item_are_tampering() {
    let (mut store, slot) = new_store(13);
    let note = store.put(64, b"note").unwrap();
    store.commit(put(record("a.example", &[1; 16], 1))).unwrap();
    let passkey = store.list(item_type::PASSKEY).unwrap()[0];
    let tag = store.vault().tag("rp", &RpId::new("b.example").unwrap().hash().0);
    let store = unreliable(store, &slot);
    let store = set(store, &slot, |storage| storage.lie_about = Some((tag, note)));
    assert_eq!(store.load(&at("b.example")).err(), Some(StoreError::Tampered));
    let store = set(store, &slot, |storage| storage.lie_about = Some((tag, passkey)));
    assert_eq!(store.load(&at("b.example")).unwrap().len(), 0, "another party's passkey is not handed out");
    let store = set(store, &slot, |storage| storage.lie_about = Some((tag, ItemId([1; 16]))));
    assert_eq!(store.load(&at("b.example")).err(), Some(StoreError::Tampered));
    let mut store = set(store, &slot, |storage| storage.lose = Some(passkey));
    assert_eq!(store.load(&at("a.example")).err(), Some(StoreError::Tampered));
    store.accept_as_is();
    assert!(matches!(
        store.rotate(&store.vault().opening_proof(), Moment::default()),
        Err(VaultError::Tampered(_))
    ));
}

#[test]
fn memory_follows_the_writes_and_catches_the_storage_going_back() {
    let (store, slot) = new_store(14);
    let old = store.storage().clone();
    let mut memory = TestMemory::default();
    let open = |storage: &MemoryStorage, memory: &mut TestMemory| {
        let envelope = Envelope::from_stored(storage.parts().unwrap().unwrap()).unwrap();
        let opening = Opening { memory: Some(memory), ..Opening::default() };
        envelope.open(&slot, &SlotSecret::Device(&device()), opening)
    };
    assert_eq!(open(&old, &mut memory).unwrap().1, Freshness::FirstUse);
    let (vault, freshness) = open(&old, &mut memory).unwrap();
    assert_eq!(freshness, Freshness::Checked);
    let vault_id = vault.vault_id();
    let mut store =
        PasskeyStore::new(vault, old.clone(), Some(Box::new(memory.clone())), SeededRng(15)).unwrap();
    store.rotate(&store.vault().opening_proof(), Moment::default()).unwrap();
    let new = store.lock();
    assert_eq!(open(&new, &mut memory).unwrap().1, Freshness::Checked);
    assert_eq!(memory.seen[&vault_id].key_gen, 2);
    assert_eq!(open(&old, &mut memory).err(), Some(VaultError::Rollback));
}

#[test]
fn a_write_belongs_to_one_state() {
    let (store, slot) = new_store(16);
    let storage = store.lock();
    let mut first = reopen(storage.clone(), &slot);
    let mut rng = SeededRng(99);
    let mut draft = first.vault().admin();
    draft.add_item(64, b"late", &mut rng).unwrap();
    let late = draft.finish(TODAY, &mut rng).unwrap();
    first.put(64, b"early").unwrap();
    let mut storage = first.lock();
    assert_eq!(storage.write(late.write()), Err(StorageError::Conflict));
    let envelope = Envelope::from_stored(storage.parts().unwrap().unwrap()).unwrap();
    let (mut vault, _) = envelope.open(&slot, &SlotSecret::Device(&device()), Opening::default()).unwrap();
    assert_eq!(vault.written(late, None), Err(VaultError::StaleWrite));
}

#[test]
fn a_storage_that_hides_the_authenticators_state_is_noticed() {
    let (mut store, slot) = new_store(17);
    assert!(store.load_state().unwrap().is_none(), "there is none yet");
    store.commit(put(record("a.example", &[1; 16], 1))).unwrap();
    let state = || StateRecord::new(SecretBytes::new(b"tries left: 1".to_vec()));
    store.commit(ChangeSet { state: Some(state()), ..ChangeSet::default() }).unwrap();
    let tag = store.vault().tag("type", &item_type::AUTHENTICATOR_STATE.to_be_bytes());
    let passkey = store.list(item_type::PASSKEY).unwrap()[0];
    let store = unreliable(store, &slot);
    let store = set(store, &slot, |storage| storage.hide = Some(tag));
    // Otherwise the tries of the PIN would begin anew.
    assert_eq!(store.load_state().err(), Some(StoreError::Tampered));
    let mut store = set(store, &slot, |storage| storage.lie_about = Some((tag, passkey)));
    assert_eq!(store.load_state().err(), Some(StoreError::Tampered));
    let again = ChangeSet { state: Some(state()), ..ChangeSet::default() };
    assert_eq!(store.commit(again), Err(StoreError::Tampered), "no passkey is overwritten by the state");
    assert_eq!(store.get(&passkey).unwrap().item_type, item_type::PASSKEY);
    let mut store = set(store, &slot, |storage| (storage.lie_about, storage.hide) = (None, Some(tag)));
    let again = ChangeSet { state: Some(state()), ..ChangeSet::default() };
    assert_eq!(store.commit(again), Err(StoreError::Tampered), "no second state beside the first");
    store.commit(put(record("b.example", &[2; 16], 2))).unwrap();
}

#[test]
fn a_salt_of_one_mode_is_not_taken_for_another() {
    let (mut store, _) = new_store(18);
    let (rp, salt) = (RpId::new("example.com").unwrap(), [7; 32]);
    let mut enrol = |number: u8, salt| {
        let id = CredentialId::new(&[number; 16]).unwrap();
        let output = || uv_output(&[number; 32]).unwrap();
        let enrolment = PasskeyEnrolment { salt, ..enrolment(&rp, &id) };
        store
            .enrol_passkey(
                (&store.vault().opening_proof(), Moment::default()),
                enrolment,
                &output(),
                &output(),
            )
            .map(|_| ())
    };
    let refused = Err(VaultError::InvalidInput("PRF salt"));
    assert_eq!(enrol(1, PrfSaltMode::PerSlot([0; 32])), refused);
    assert_eq!(enrol(1, PrfSaltMode::PerSlot(salt)), Ok(()));
    assert_eq!(enrol(2, PrfSaltMode::PerVault(salt)), refused);
    assert_eq!(enrol(2, PrfSaltMode::PerVault([8; 32])), Ok(()));
    assert_eq!(enrol(3, PrfSaltMode::PerSlot([8; 32])), refused);
    assert_eq!(enrol(3, PrfSaltMode::PerVault([9; 32])), refused, "one salt for the whole vault");
    assert_eq!(enrol(3, PrfSaltMode::Static), Ok(()));
}

#[test]
fn enrolment_removal_and_rotation_need_a_fresh_proof_of_who_is_there() {
    let (mut store, slot) = new_store(12);
    let proof = store.vault().opening_proof();
    let at = |ticks| Moment { ticks, date: None };
    assert_eq!(store.rotate(&proof, at(DEFAULT_REAUTH_LIMIT + 1)), Err(VaultError::ReauthNeeded));
    store.rotate(&proof, at(DEFAULT_REAUTH_LIMIT)).unwrap();

    let (stranger, _) = new_store(13);
    assert_eq!(store.rotate(&stranger.vault().opening_proof(), at(0)), Err(VaultError::ReauthNeeded));

    let envelope = Envelope::from_stored(store.storage().parts().unwrap().unwrap()).unwrap();
    let later = at(DEFAULT_REAUTH_LIMIT * 9);
    let vault = store.vault();
    let wrong = Secret::from_slice(&[1; 32]).unwrap();
    let refused = vault.reauthenticate(&envelope, &slot, &SlotSecret::Device(&wrong), later);
    assert_eq!(refused, Err(VaultError::WrongSecret));
    let again = vault.reauthenticate(&envelope, &slot, &SlotSecret::Device(&device()), later).unwrap();
    assert_eq!(store.rotate(&again, at(0)), Err(VaultError::ReauthNeeded), "of a time to come");
    store.rotate(&again, later).unwrap();
    let stale = store.vault().reauthenticate(&envelope, &slot, &SlotSecret::Device(&device()), later);
    assert_eq!(stale, Err(VaultError::StaleWrite));
}
