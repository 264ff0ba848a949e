//! Several devices and one storage (docs/vault-format.md, "Concurrent writers", its table, and "Opening", last
//! paragraph).

mod common;

use std::collections::BTreeSet;

use ciborium::Value;
use common::{
    seeded_rng::SeededRng,
    shared_storage::SharedStorage,
    vault::{Admin, TestMemory, private, uv_output},
    world::TODAY,
};
use countersign::{
    cose::CoseAlgorithm,
    credential::{
        Backup, ChangeSet, CredProtect, Credential, CredentialRecord, CredentialSecret, CredentialStore,
        Query, StateRecord, StateStore, StoreError,
    },
    crypto::{CryptoProvider, RustCrypto, sha256},
    secret::{Secret, SecretBytes},
    time::Moment,
    vault::{
        Administration, CatchUp, Clash, Conflict, Draft, EncryptionSetup, Envelope, Freshness, Head, ItemId,
        ItemSource, LastFallback, MemoryStorage, Merge, OldSeal, Opening, Operations, PasskeyEnrolment,
        PasskeyStore, Policy, PrfAbility, PrfSaltMode, RecoveryCode, Removal, RollbackStore, SlotId,
        SlotKind, SlotPrivate, SlotSecret, SlotStatus, StorageError, StoredVault, Tag, UsersWord, Vault,
        VaultError, VaultId, VaultStorage, Write, item_type, reconcile,
    },
    webauthn::{Aaguid, CredentialId, RpEntity, RpId, UserEntity, UserHandle},
};

type Store = PasskeyStore<SharedStorage, SeededRng>;
const NOTE: u64 = 64;

fn secret(number: u8) -> Secret<32> {
    Secret::from_slice(&[number; 32]).unwrap()
}

/// Two devices with one vault, each opened by its own slot.
struct Pair {
    storage: SharedStorage,
    slots: [SlotId; 2],
    a: Store,
    b: Store,
}

impl Pair {
    fn new(seed: u64) -> Self {
        Self::with_policy(seed, None)
    }

    fn with_policy(seed: u64, policy: Option<Policy>) -> Self {
        let mut rng = SeededRng(seed << 32);
        let mut draft = Administration::new_vault(VaultId::make(&mut rng), policy, &mut rng).unwrap();
        let slots = [1, 2].map(|number| {
            draft.enrol_device(&secret(number), private(&format!("device {number}")), &mut rng).unwrap()
        });
        let prepared = draft.finish(TODAY, &mut rng).unwrap();
        let mut storage = SharedStorage::default();
        storage.write(prepared.write()).unwrap();
        let [a, b] = [0, 1].map(|which| open_store(&storage, &slots[which], which as u8 + 1, seed));
        Self { storage, slots, a, b }
    }

    /// An item that both know.
    fn note(&mut self, text: &[u8]) -> ItemId {
        let id = self.a.put(NOTE, text).unwrap();
        let _ = self.b.catch_up().unwrap();
        id
    }

    /// The second device opens the vault anew.
    fn reopen_b(&mut self) {
        self.b = open_store(&self.storage, &self.slots[1], 2, 77);
    }

    fn vault(&self) -> Vault {
        open_at(&self.storage.snapshot(), &self.slots[0], 1)
    }
}

fn open_at(storage: &dyn VaultStorage, slot: &SlotId, number: u8) -> Vault {
    let envelope = Envelope::from_stored(storage.parts().unwrap().unwrap()).unwrap();
    let (mut vault, _) =
        envelope.open(slot, &SlotSecret::Device(&secret(number)), Opening::default()).unwrap();
    vault.accept_as_is();
    vault
}

fn open_store(storage: &SharedStorage, slot: &SlotId, number: u8, seed: u64) -> Store {
    let vault = open_at(storage, slot, number);
    PasskeyStore::new(vault, storage.clone(), None, SeededRng(seed * 1000 + u64::from(number))).unwrap()
}

/// Every note's text, sorted.
fn texts(store: &mut Store) -> Vec<Vec<u8>> {
    let _ = store.catch_up().unwrap();
    let ids = store.list(NOTE).unwrap();
    let mut texts: Vec<_> = ids.iter().map(|id| store.get(id).unwrap().plaintext.expose().to_vec()).collect();
    texts.sort();
    texts
}

fn text(store: &Store, id: &ItemId) -> Vec<u8> {
    store.get(id).unwrap().plaintext.expose().to_vec()
}

/// As an editor does that has read the item before.
fn edit(store: &mut Store, id: &ItemId, text: &[u8]) {
    store.change(|draft, _, rng| draft.change_item(id, NOTE, text, rng)).unwrap();
}

fn conflicts(store: &mut Store) -> Vec<Conflict> {
    store.take_report().conflicts().to_vec()
}

fn rotate(store: &mut Store) -> Result<(), VaultError> {
    let proof = store.vault().opening_proof();
    store.rotate(&proof, Moment::default())
}

fn remove(store: &mut Store, slot: &SlotId) -> Result<(), VaultError> {
    let proof = store.vault().opening_proof();
    store.administer(&proof, Moment::default(), |draft, items, rng| draft.remove(slot, items, rng))
}

fn enrol(store: &mut Store, number: u8) -> Result<SlotId, VaultError> {
    let proof = store.vault().opening_proof();
    store.administer(&proof, Moment::default(), |draft, _, rng| {
        draft.enrol_device(&secret(number), private("another"), rng)
    })
}

fn refresh(store: &mut Store, slot: &SlotId, number: u8) -> Result<(), VaultError> {
    store.change(|draft, _, rng| draft.refresh(slot, &SlotSecret::Device(&secret(number)), rng))
}

fn describe(store: &mut Store, slot: &SlotId, edit: impl Fn(&mut SlotPrivate)) {
    let mut private = store.vault().slot_private(slot).unwrap().unwrap();
    edit(&mut private);
    store.change(|draft, _, _| draft.set_slot_private(slot, private)).unwrap();
}

fn slot_gen(vault: &Vault, slot: &SlotId) -> u64 {
    vault.slots().find(|view| view.slot_id() == *slot).unwrap().slot_gen()
}

fn status(vault: &Vault, slot: &SlotId) -> SlotStatus {
    vault.slots().find(|view| view.slot_id() == *slot).unwrap().status()
}

// Items

#[test]
fn changes_of_different_items_all_stand() {
    let mut pair = Pair::new(1);
    let [one, two, three] = [b"one", b"two", b"tri"].map(|text| pair.note(text));
    pair.a.replace(&one, b"one of a").unwrap();
    pair.a.put(NOTE, b"new of a").unwrap();
    edit(&mut pair.b, &two, b"two of b");
    pair.b.put(NOTE, b"new of b").unwrap();
    pair.b.delete(&three).unwrap();
    let expected: [&[u8]; 4] = [b"new of a", b"new of b", b"one of a", b"two of b"];
    assert_eq!(texts(&mut pair.a), expected);
    assert_eq!(texts(&mut pair.b), expected);
    assert_eq!(conflicts(&mut pair.b), []);
    assert_eq!(pair.a.vault().row(&two).unwrap().version, 2);
    assert_eq!(pair.a.vault().epoch(), 9, "one epoch a write");
}

#[test]
fn an_item_changed_on_both_sides_stays_as_theirs_and_ours_is_a_new_one() {
    let mut pair = Pair::new(2);
    let id = pair.note(b"was");
    pair.a.replace(&id, b"of a").unwrap();
    edit(&mut pair.b, &id, b"of b");
    let report = conflicts(&mut pair.b);
    let [Conflict::ItemCopied { item, copy }] = report[..] else { panic!("{report:?}") };
    assert_eq!((item, text(&pair.b, &id), text(&pair.b, &copy)), (id, b"of a".to_vec(), b"of b".to_vec()));
    assert_eq!(pair.b.vault().row(&id).unwrap().version, 2);
    assert_eq!(pair.b.vault().row(&copy).unwrap().version, 1);
}

#[test]
fn the_same_change_on_both_sides_is_no_conflict() {
    let mut pair = Pair::new(3);
    let id = pair.note(b"was");
    pair.a.replace(&id, b"is").unwrap();
    edit(&mut pair.b, &id, b"is");
    assert_eq!(conflicts(&mut pair.b), []);
    assert_eq!(texts(&mut pair.a), [b"is"]);
    assert_eq!(pair.a.vault().epoch(), 3, "nothing was left to write");
}

#[test]
fn what_was_changed_there_is_not_deleted_from_here() {
    let mut pair = Pair::new(4);
    let id = pair.note(b"was");
    pair.a.replace(&id, b"of a").unwrap();
    // What has to look at the item first meets a conflict, and is to look again.
    assert_eq!(pair.b.delete(&id), Err(StorageError::Conflict.into()));
    assert_eq!(pair.b.catch_up(), Ok(CatchUp::Newer(Freshness::Unchecked)));
    pair.a.replace(&id, b"again").unwrap();
    pair.b.change(|draft, _, _| draft.delete_item(&id)).unwrap();
    assert_eq!(conflicts(&mut pair.b), [Conflict::DeletionDropped(id)]);
    assert_eq!(texts(&mut pair.a), [b"again"]);
}

#[test]
fn what_was_deleted_there_is_back_when_it_was_changed_here() {
    let mut pair = Pair::new(5);
    let id = pair.note(b"was");
    pair.a.delete(&id).unwrap();
    pair.b.change(|draft, _, rng| draft.change_item(&id, NOTE, b"of b", rng)).unwrap();
    assert_eq!(conflicts(&mut pair.b), [Conflict::DeletionUndone(id)]);
    assert_eq!((texts(&mut pair.a), text(&pair.a, &id)), (vec![b"of b".to_vec()], b"of b".to_vec()));
    assert_eq!(pair.a.vault().row(&id).unwrap().version, 2, "no version twice");
}

#[test]
fn what_both_deleted_is_gone_without_a_word() {
    let mut pair = Pair::new(6);
    let id = pair.note(b"was");
    pair.a.delete(&id).unwrap();
    pair.b.change(|draft, _, _| draft.delete_item(&id)).unwrap();
    assert_eq!((conflicts(&mut pair.b), texts(&mut pair.b).len()), (vec![], 0));
}

#[test]
fn one_write_with_many_changes_is_replayed_as_a_whole() {
    let mut pair = Pair::new(7);
    let [one, two, three] = [b"one", b"two", b"tri"].map(|text| pair.note(text));
    pair.a.replace(&one, b"one of a").unwrap();
    pair.a.delete(&two).unwrap();
    let edit = |draft: &mut Draft<'_>, _: &SharedStorage, rng: &mut dyn countersign::rand_core::CryptoRng| {
        draft.delete_item(&one)?;
        draft.change_item(&two, NOTE, b"two of b", rng)?;
        draft.change_item(&three, NOTE, b"tri of b", rng)?;
        draft.add_item(NOTE, b"new of b", rng)
    };
    let new = pair.b.change(edit).unwrap();
    let reported: BTreeSet<String> =
        conflicts(&mut pair.b).iter().map(|conflict| format!("{conflict:?}")).collect();
    let expected = [Conflict::DeletionDropped(one), Conflict::DeletionUndone(two)];
    assert_eq!(reported, expected.map(|conflict| format!("{conflict:?}")).into());
    assert_eq!(text(&pair.b, &new), b"new of b", "under the identifier that its author was told");
    assert_eq!(texts(&mut pair.b).len(), 4);
}

#[test]
fn the_host_may_merge_into_their_next_version() {
    let mut pair = Pair::new(8);
    let id = pair.note(b"was");
    let (mut rng, vault) = (SeededRng(80), pair.vault());
    let mut draft = vault.draft();
    draft.change_item(&id, NOTE, b"of b", &mut rng).unwrap();
    let prepared = draft.finish(TODAY, &mut rng).unwrap();
    pair.a.replace(&id, b"of a").unwrap();
    assert_eq!(pair.storage.write(prepared.write()), Err(StorageError::Conflict));
    let operations = prepared.into_operations(&vault).unwrap();
    assert_eq!((operations.item_count(), operations.slots().count(), operations.rotates()), (1, 0, false));
    let newer = pair.vault();
    let mut merge = |clash: &Clash<'_>| {
        assert_eq!((clash.item_id, clash.item_type), (id, NOTE));
        Merge::Into(SecretBytes::new([clash.theirs, b" and ", clash.ours].concat()))
    };
    let (draft, report) = newer.replay_with(&operations, &pair.storage, &mut merge, &mut rng).unwrap();
    assert_eq!(report.conflicts(), [Conflict::ItemMerged(id)]);
    assert_eq!(report.not_kept()[0].1.expose(), b"of b");
    let prepared = draft.finish(TODAY, &mut rng).unwrap();
    pair.storage.write(prepared.write()).unwrap();
    assert_eq!(texts(&mut pair.a), [b"of a and of b"]);
    assert_eq!(pair.a.vault().row(&id).unwrap().version, 3, "theirs + 1");
}

fn record(id: &[u8], sign_count: u32) -> CredentialRecord {
    let mut rng = SeededRng(1 << 40);
    CredentialRecord::new(
        Credential {
            id: CredentialId::new(id).unwrap(),
            rp: RpEntity { id: RpId::new("a.example").unwrap(), name: None },
            user: UserEntity { id: UserHandle::new(&[1]).unwrap(), name: None, display_name: None },
            discoverable: true,
            cred_protect: CredProtect::UserVerificationOptional,
            backup: Backup::Eligible { backed_up: false },
            sign_count,
            aaguid: Aaguid::ZERO,
            order: 1,
            created: Some(TODAY),
            last_used: None,
        },
        CredentialSecret {
            key: RustCrypto.make_key_pair(CoseAlgorithm::Es256, &mut rng),
            cred_random_with_uv: Secret::make_random(&mut rng),
            cred_random_without_uv: Secret::make_random(&mut rng),
        },
    )
}

fn store_passkey(store: &mut Store, item: Option<&ItemId>, record: &CredentialRecord) -> ItemId {
    let bytes = record.encode();
    let change = |draft: &mut Draft<'_>,
                  _: &SharedStorage,
                  rng: &mut dyn countersign::rand_core::CryptoRng| {
        match item {
            Some(id) => draft.change_item(id, item_type::PASSKEY, bytes.expose(), rng).map(|()| *id),
            None => draft.add_item(item_type::PASSKEY, bytes.expose(), rng),
        }
    };
    store.change(change).unwrap()
}

#[test]
fn a_passkey_changed_on_both_sides_stays_one_with_the_higher_counter() {
    for (here, there, kept) in [(9, 5, 9), (5, 9, 9), (5, 5, 5)] {
        let mut pair = Pair::new(9);
        let id = store_passkey(&mut pair.a, None, &record(&[1; 16], 4));
        let _ = pair.b.catch_up().unwrap();
        store_passkey(&mut pair.a, Some(&id), &record(&[1; 16], there));
        let mut ours = record(&[1; 16], here);
        ours.credential.user.name = Some("renamed here".into());
        store_passkey(&mut pair.b, Some(&id), &ours);
        let report = pair.b.take_report();
        let merged = if here > there { Conflict::ItemMerged(id) } else { Conflict::ItemNotKept(id) };
        assert_eq!(report.conflicts(), [merged]);
        assert_eq!(report.not_kept()[0].1.expose(), ours.encode().expose(), "handed back, not lost");
        let query = Query::Identified(CredentialId::new(&[1; 16]).unwrap());
        let found: Vec<u32> =
            pair.b.load(&query).unwrap().iter().map(|record| record.credential.sign_count).collect();
        assert_eq!(found, [kept]);
    }
}

#[test]
fn of_what_a_vault_has_one_there_is_one_afterwards() {
    let mut pair = Pair::new(10);
    let add = |store: &mut Store, text: &[u8]| {
        store.change(|draft, _, rng| draft.add_item(item_type::UPKEEP, text, rng)).unwrap()
    };
    let theirs = add(&mut pair.a, b"record of a");
    let ours = add(&mut pair.b, b"record of b");
    let report = pair.b.take_report();
    assert_eq!(report.conflicts(), [Conflict::ItemNotKept(ours)]);
    assert_eq!(report.not_kept()[0].1.expose(), b"record of b");
    assert_eq!(pair.b.list(item_type::UPKEEP).unwrap(), [theirs]);
}

// The authenticator's own commits

#[test]
fn a_commit_that_was_overtaken_is_a_conflict_and_is_never_replayed() {
    let mut pair = Pair::new(11);
    let counted = |sign_count| ChangeSet { put: vec![record(&[1; 16], sign_count)], ..ChangeSet::default() };
    pair.a.commit(counted(1)).unwrap();
    let _ = pair.b.catch_up().unwrap();
    pair.a.commit(counted(2)).unwrap();
    let before = pair.storage.parts().unwrap();
    assert_eq!(pair.b.commit(counted(2)), Err(StoreError::Conflict), "it would have met a counter of 2");
    let state =
        ChangeSet { state: Some(StateRecord::new(SecretBytes::new(vec![1]))), ..ChangeSet::default() };
    assert_eq!(pair.b.commit(state), Err(StoreError::Conflict));
    assert_eq!(pair.storage.parts().unwrap(), before);
    assert!(pair.b.take_pending().is_none() && conflicts(&mut pair.b).is_empty());
    // Until the host goes on, what was changed there is a conflict, not tampering.
    let query = Query::Identified(CredentialId::new(&[1; 16]).unwrap());
    assert_eq!(pair.b.load(&query).map(|_| ()), Err(StoreError::Conflict));
    let _ = pair.b.catch_up().unwrap();
    assert_eq!(pair.b.load(&query).unwrap()[0].credential.sign_count, 2);
    pair.b.commit(counted(3)).unwrap();
}

// Slots

#[test]
fn an_enrolment_is_sealed_again_to_the_state_that_came_first() {
    let mut pair = Pair::new(12);
    pair.a.put(NOTE, b"first").unwrap();
    let slot = enrol(&mut pair.b, 3).unwrap();
    assert_eq!(conflicts(&mut pair.b), []);
    assert_eq!(open_at(&pair.storage, &slot, 3).slot_private(&slot).unwrap().unwrap().label, "another");
}

#[test]
fn an_enrolment_is_sealed_again_to_a_new_key_after_the_vault_was_opened_anew() {
    let mut pair = Pair::new(13);
    pair.a.put(NOTE, b"kept").unwrap();
    rotate(&mut pair.a).unwrap();
    assert_eq!(enrol(&mut pair.b, 3).err(), Some(VaultError::KeyChanged));
    let pending = pair.b.take_pending().unwrap();
    let slot = pending.slots().next().unwrap();
    pair.reopen_b();
    // The proof was given for the original write and stays valid for this one, however late it comes.
    pair.b.replay(pending).unwrap();
    let vault = open_at(&pair.storage, &slot, 3);
    assert_eq!((vault.key_gen(), conflicts(&mut pair.b)), (2, vec![]));
    let view = vault.slots().find(|view| view.slot_id() == slot).unwrap();
    assert_eq!((view.born(), vault.refresh_due().any(|due| due == slot)), (Some(2), false));
}

fn passkey<'a>(
    rp_id: &'a RpId,
    credential_id: &'a CredentialId,
) -> (PasskeyEnrolment<'a>, countersign::webauthn::UvPrfOutput) {
    let salt = PrfSaltMode::PerSlot(sha256(credential_id.as_bytes()));
    let enrolment = PasskeyEnrolment {
        rp_id,
        credential_id,
        salt,
        transports: &[],
        pin: None,
        private: private("passkey"),
    };
    (enrolment, uv_output(&[7; 32]).unwrap())
}

fn enrol_passkey(store: &mut Store, id: &[u8]) -> Result<SlotId, VaultError> {
    let (rp_id, id) = (RpId::new("rp.example").unwrap(), CredentialId::new(id).unwrap());
    let (enrolment, output) = passkey(&rp_id, &id);
    let proof = store.vault().opening_proof();
    store.administer(&proof, Moment::default(), |draft, _, rng| {
        draft.enrol_passkey(enrolment, &output, &output, rng)
    })
}

fn refusals(store: &mut Store) -> Vec<VaultError> {
    let refused = |conflict: Conflict| match conflict {
        Conflict::EnrolmentRefused(_, error) => error,
        other => panic!("{other:?}"),
    };
    conflicts(store).into_iter().map(refused).collect()
}

#[test]
fn the_guards_of_an_enrolment_are_checked_again() {
    let policy = Policy { most_passkeys: Some(2), ..Policy::default() };
    let mut pair = Pair::with_policy(14, Some(policy));
    enrol_passkey(&mut pair.a, &[1; 16]).unwrap();
    enrol_passkey(&mut pair.b, &[1; 16]).unwrap();
    assert_eq!(refusals(&mut pair.b), [VaultError::AlreadyEnrolled]);
    store_passkey(&mut pair.a, None, &record(&[5; 16], 1));
    enrol_passkey(&mut pair.b, &[5; 16]).unwrap();
    assert_eq!(refusals(&mut pair.b), [VaultError::Circular], "it lives in the vault by now");
    let _ = pair.a.catch_up().unwrap();
    enrol_passkey(&mut pair.a, &[2; 16]).unwrap();
    enrol_passkey(&mut pair.b, &[3; 16]).unwrap();
    assert_eq!(refusals(&mut pair.b), [VaultError::PolicyViolation("too many passkeys")]);
    let passkeys = pair.vault().slots().filter(|slot| slot.credential_id().is_some()).count();
    assert_eq!(passkeys, 2);
}

#[test]
fn no_replay_leads_a_passkey_into_the_vault_that_it_opens() {
    let mut pair = Pair::new(16);
    let slot = enrol_passkey(&mut pair.a, &[5; 16]).unwrap();
    let item = store_passkey(&mut pair.b, None, &record(&[5; 16], 1));
    assert_eq!(conflicts(&mut pair.b), [Conflict::ItemNotKept(item)], "it opens the vault by now");
    assert_eq!((pair.b.vault().item_count(), status(pair.b.vault(), &slot)), (0, SlotStatus::Enabled));
    // One that leaves the vault in the same write may open it.
    let item = store_passkey(&mut pair.b, None, &record(&[6; 16], 1));
    let (rp_id, id) = (RpId::new("rp.example").unwrap(), CredentialId::new(&[6; 16]).unwrap());
    let vault = pair.vault();
    let exchanged = pending(&vault, |draft, rng| {
        let (enrolment, output) = passkey(&rp_id, &id);
        draft.delete_item(&item).unwrap();
        draft.enrol_passkey(enrolment, &output, &output, rng).unwrap();
    });
    pair.b.put(NOTE, b"first").unwrap();
    pair.b.replay(exchanged).unwrap();
    assert_eq!((conflicts(&mut pair.b), pair.b.vault().item_count()), (vec![], 1));
    // What became an account of the vault's own meanwhile.
    let vault = pair.vault();
    let bytes = record(&[7; 16], 1).encode();
    let put = pending(&vault, |draft, rng| {
        draft.add_item(item_type::PASSKEY, bytes.expose(), rng).unwrap();
    });
    pair.b.set_own_accounts(vec![RpId::new("a.example").unwrap()]);
    assert_eq!(pair.b.replay(put), Err(VaultError::Circular));
    assert!(pair.b.take_pending().is_some(), "nothing is lost");
}

#[test]
fn a_full_vault_can_still_exchange_one_passkey_for_another() {
    let policy = Policy { most_passkeys: Some(1), ..Policy::default() };
    let mut pair = Pair::with_policy(15, Some(policy));
    let old = enrol_passkey(&mut pair.a, &[1; 16]).unwrap();
    let _ = pair.b.catch_up().unwrap();
    pair.a.put(NOTE, b"first").unwrap();
    let (rp_id, id) = (RpId::new("rp.example").unwrap(), CredentialId::new(&[2; 16]).unwrap());
    let proof = pair.b.vault().opening_proof();
    pair.b
        .administer(&proof, Moment::default(), |draft, _, rng| {
            let (enrolment, output) = passkey(&rp_id, &id);
            // Of a state that nobody has changed since; the replay reads the newer one.
            draft.remove(&old, &MemoryStorage::default(), rng)?;
            draft.enrol_passkey(enrolment, &output, &output, rng)
        })
        .unwrap();
    assert_eq!((conflicts(&mut pair.b), status(&pair.vault(), &old)), (vec![], SlotStatus::Tombstone));
    assert_eq!(texts(&mut pair.b), [b"first"]);
}

#[test]
fn a_refresh_stands_unless_the_slot_or_the_key_was_changed() {
    let mut pair = Pair::new(16);
    let [one, two] = pair.slots;
    refresh(&mut pair.a, &one, 1).unwrap();
    refresh(&mut pair.b, &two, 2).unwrap();
    assert_eq!(conflicts(&mut pair.b), []);
    assert_eq!((slot_gen(&pair.vault(), &one), slot_gen(&pair.vault(), &two)), (2, 2));
    open_at(&pair.storage, &two, 2);
    let _ = pair.a.catch_up().unwrap();
    refresh(&mut pair.a, &two, 2).unwrap();
    refresh(&mut pair.b, &two, 2).unwrap();
    assert_eq!(conflicts(&mut pair.b), [Conflict::RenewalDropped(two)]);
    assert_eq!(slot_gen(&pair.vault(), &two), 3);
    open_at(&pair.storage, &two, 2);
    rotate(&mut pair.a).unwrap();
    assert_eq!(refresh(&mut pair.b, &two, 2), Err(VaultError::KeyChanged));
    let pending = pair.b.take_pending().unwrap();
    pair.reopen_b();
    pair.b.replay(pending).unwrap();
    assert_eq!(conflicts(&mut pair.b), [Conflict::RenewalDropped(two)]);
    assert!(pair.b.vault().refresh_due().any(|due| due == two), "it is still due");
}

#[test]
fn last_used_is_dropped_if_the_slot_was_changed_and_a_label_is_merged() {
    let mut pair = Pair::new(17);
    let two = pair.slots[1];
    pair.a.put(NOTE, b"first").unwrap();
    describe(&mut pair.b, &two, |private| private.last_used = Some(TODAY.0));
    let known = |pair: &Pair| pair.vault().slot_private(&two).unwrap().unwrap();
    assert_eq!((conflicts(&mut pair.b), known(&pair).last_used), (vec![], Some(TODAY.0)));
    let _ = pair.a.catch_up().unwrap();
    describe(&mut pair.a, &two, |private| private.note = Some("of a".into()));
    describe(&mut pair.b, &two, |private| {
        private.label = "of b".into();
        private.last_used = Some(TODAY.0 + 1);
    });
    assert_eq!(conflicts(&mut pair.b), [Conflict::LastUsedDropped(two)]);
    let expected = SlotPrivate {
        label: "of b".into(),
        note: Some("of a".into()),
        last_used: Some(TODAY.0),
        ..known(&pair)
    };
    assert_eq!(known(&pair), expected);
    let _ = pair.a.catch_up().unwrap();
    describe(&mut pair.a, &two, |private| private.label = "a says".into());
    describe(&mut pair.b, &two, |private| private.label = "b says".into());
    assert_eq!(
        (conflicts(&mut pair.b), known(&pair).label),
        (vec![Conflict::PrivateKept(two)], "a says".into())
    );
    let _ = pair.a.catch_up().unwrap();
    refresh(&mut pair.a, &two, 2).unwrap();
    describe(&mut pair.b, &two, |private| private.last_verified = Some(TODAY.0));
    assert_eq!(
        (conflicts(&mut pair.b), known(&pair).last_verified),
        (vec![Conflict::LastUsedDropped(two)], None)
    );
}

#[test]
fn a_removal_is_repeated_with_a_rotation_of_its_own() {
    let mut pair = Pair::new(18);
    let three = enrol(&mut pair.a, 3).unwrap();
    let _ = pair.b.catch_up().unwrap();
    let note = pair.a.put(NOTE, b"first").unwrap();
    pair.b.catch_up().map(|_| ()).unwrap();
    pair.a.replace(&note, b"second").unwrap();
    // Without having seen the newest state; the draft reads no item that has changed since.
    let proof = pair.b.vault().opening_proof();
    let refused =
        pair.b.administer(&proof, Moment::default(), |draft, items, rng| draft.remove(&three, items, rng));
    assert_eq!(refused, Err(StorageError::Conflict.into()), "the draft itself met what has changed");
    let _ = pair.b.catch_up().unwrap();
    pair.a.put(NOTE, b"third").unwrap();
    remove(&mut pair.b, &three).unwrap();
    assert_eq!((conflicts(&mut pair.b), pair.b.vault().key_gen()), (vec![], 2));
    assert_eq!(status(pair.b.vault(), &three), SlotStatus::Tombstone);
    assert_eq!(texts(&mut pair.b), [&b"second"[..], b"third"]);
}

#[test]
fn a_removal_comes_with_its_own_rotation_after_theirs() {
    let mut pair = Pair::new(19);
    let three = enrol(&mut pair.a, 3).unwrap();
    let _ = pair.b.catch_up().unwrap();
    rotate(&mut pair.a).unwrap();
    assert_eq!(remove(&mut pair.b, &three), Err(VaultError::KeyChanged));
    let pending = pair.b.take_pending().unwrap();
    pair.reopen_b();
    pair.b.replay(pending).unwrap();
    assert_eq!((conflicts(&mut pair.b), pair.b.vault().key_gen()), (vec![], 3));
    assert_eq!(status(pair.b.vault(), &three), SlotStatus::Tombstone);
}

#[test]
fn a_slot_that_both_removed_is_removed_once() {
    let mut pair = Pair::new(20);
    let three = enrol(&mut pair.a, 3).unwrap();
    let _ = pair.b.catch_up().unwrap();
    remove(&mut pair.a, &three).unwrap();
    assert_eq!(remove(&mut pair.b, &three), Err(VaultError::KeyChanged));
    let pending = pair.b.take_pending().unwrap();
    pair.reopen_b();
    pair.b.replay(pending).unwrap();
    assert_eq!((conflicts(&mut pair.b), pair.b.vault().key_gen(), pair.b.vault().epoch()), (vec![], 2, 3));
}

#[test]
fn removals_of_each_other_never_remove_the_last_slot() {
    let mut pair = Pair::new(21);
    let [one, two] = pair.slots;
    // Each device removes the other one's slot; the second to arrive has lost its own.
    let vault = open_at(&pair.storage, &two, 2);
    let mut rng = SeededRng(5);
    let mut draft = vault.admin();
    draft.remove(&one, &pair.storage, &mut rng).unwrap();
    let prepared = draft.finish(TODAY, &mut rng).unwrap();
    remove(&mut pair.a, &two).unwrap();
    let operations = prepared.into_operations(&vault).unwrap();
    pair.a.replay(operations).unwrap();
    assert_eq!(conflicts(&mut pair.a), [Conflict::RemovalRefused(one, VaultError::LastSlot)]);
    open_at(&pair.storage, &one, 1);
}

#[test]
fn a_rotation_is_dropped_if_theirs_came_first_and_repeated_otherwise() {
    let mut pair = Pair::new(22);
    pair.a.put(NOTE, b"first").unwrap();
    rotate(&mut pair.b).unwrap();
    assert_eq!((conflicts(&mut pair.b), pair.b.vault().key_gen()), (vec![], 2));
    assert_eq!(texts(&mut pair.b), [b"first"]);
    let (vault, mut rng) = (pair.vault(), SeededRng(5));
    let mut draft = vault.admin();
    draft.rotate(&pair.storage, &mut rng).unwrap();
    let pending = draft.finish(TODAY, &mut rng).unwrap().into_operations(&vault).unwrap();
    assert!(pending.rotates());
    rotate(&mut pair.b).unwrap();
    pair.b.replay(pending).unwrap();
    assert_eq!((conflicts(&mut pair.b), pair.b.vault().key_gen()), (vec![Conflict::RotationDropped], 3));
}

#[test]
fn a_slot_changed_here_and_removed_there_stays_removed() {
    let mut pair = Pair::new(23);
    let three = enrol(&mut pair.a, 3).unwrap();
    let _ = pair.b.catch_up().unwrap();
    let mut rng = SeededRng(5);
    let vault = pair.vault();
    let mut draft = vault.draft();
    draft.refresh(&three, &SlotSecret::Device(&secret(3)), &mut rng).unwrap();
    draft.set_slot_private(&three, private("renamed")).unwrap();
    let operations = draft.finish(TODAY, &mut rng).unwrap().into_operations(&vault).unwrap();
    remove(&mut pair.a, &three).unwrap();
    pair.a.replay(operations).unwrap();
    assert_eq!(conflicts(&mut pair.a), [Conflict::SlotRemoved(three), Conflict::SlotRemoved(three)]);
    assert_eq!(status(pair.a.vault(), &three), SlotStatus::Tombstone);
}

/// What a draft on this state does, finished but not stored.
fn pending<T>(vault: &Vault, edit: impl FnOnce(&mut Administration<'_>, &mut SeededRng) -> T) -> Operations {
    let mut rng = SeededRng(500);
    let mut draft = vault.admin();
    edit(&mut draft, &mut rng);
    draft.finish(TODAY, &mut rng).unwrap().into_operations(vault).unwrap()
}

#[test]
fn a_passkey_that_signs_in_only_is_noted_changed_and_forgotten_again() {
    let mut pair = Pair::new(60);
    let (rp_id, id) = (RpId::new("rp.example").unwrap(), CredentialId::new(&[1; 16]).unwrap());
    let add = |draft: &mut Administration<'_>, rng: &mut SeededRng| {
        draft.add_passkey(&rp_id, &id, PrfAbility::NotObserved, private("key"), rng).unwrap()
    };
    let [first, second] = [1, 2].map(|seed| {
        let vault = pair.vault();
        pending(&vault, |draft, rng| {
            rng.0 += seed;
            add(draft, rng)
        })
    });
    pair.a.put(NOTE, b"first").unwrap();
    pair.a.replay(first).unwrap();
    let slot = pair.a.vault().slots().find(|view| view.status() == SlotStatus::SignInOnly).unwrap().slot_id();
    pair.a.replay(second).unwrap();
    assert_eq!(refusals(&mut pair.a), [VaultError::AlreadyEnrolled], "one slot a passkey");
    // Seen to have a PRF here, renamed there.
    let vault = pair.vault();
    let seen = pending(&vault, |draft, _| draft.set_prf_support(&slot, PrfAbility::Observed).unwrap());
    let forgotten = pending(&vault, |draft, rng| draft.remove(&slot, &pair.storage, rng).unwrap());
    describe(&mut pair.a, &slot, |private| private.label = "renamed".into());
    pair.a.replay(seen).unwrap();
    assert_eq!((conflicts(&mut pair.a), status(pair.a.vault(), &slot)), (vec![], SlotStatus::Idle));
    assert_eq!(pair.a.vault().slot_private(&slot).unwrap().unwrap().label, "renamed");
    pair.a.replay(forgotten).unwrap();
    assert!(pair.a.vault().slots().all(|view| view.slot_id() != slot));
}

#[test]
fn encryption_set_up_and_given_up_is_replayed_in_its_place() {
    let mut pair = Pair::new(61);
    let (rp_id, id) = (RpId::new("rp.example").unwrap(), CredentialId::new(&[1; 16]).unwrap());
    let proof = pair.a.vault().opening_proof();
    let slot = pair
        .a
        .administer(&proof, Moment::default(), |draft, _, rng| {
            draft.add_passkey(&rp_id, &id, PrfAbility::Observed, private("key"), rng)
        })
        .unwrap();
    let vault = pair.vault();
    let output = uv_output(&[7; 32]).unwrap();
    let enable = |vault: &Vault| {
        pending(vault, |draft, rng| {
            let setup = EncryptionSetup { salt: PrfSaltMode::PerSlot([9; 32]), transports: &[], pin: None };
            draft.enable_encryption(&slot, setup, &output, &output, rng).unwrap();
        })
    };
    let (first, second) = (enable(&vault), enable(&vault));
    pair.a.put(NOTE, b"first").unwrap();
    pair.a.replay(first).unwrap();
    assert_eq!((conflicts(&mut pair.a), status(pair.a.vault(), &slot)), (vec![], SlotStatus::Enabled));
    let opened = envelope(&pair.storage).open(&slot, &SlotSecret::Passkey(&output), Opening::default());
    assert!(opened.is_ok());
    pair.a.put(NOTE, b"second").unwrap();
    pair.a.replay(second).unwrap();
    assert_eq!(refusals(&mut pair.a), [VaultError::AlreadyEnrolled], "they were quicker");
    let vault = pair.vault();
    let disabled = pending(&vault, |draft, rng| {
        draft.disable_encryption(&slot, OldSeal::Revoke, &pair.storage, rng).unwrap();
    });
    rotate(&mut pair.a).unwrap();
    pair.a.replay(disabled).unwrap();
    assert_eq!((conflicts(&mut pair.a), pair.a.vault().key_gen()), (vec![], 3), "with a rotation of its own");
    assert_eq!(status(pair.a.vault(), &slot), SlotStatus::Idle);
    let known = pair.a.vault().slot_private(&slot).unwrap().unwrap();
    assert_eq!((known.label.as_str(), known.rp_id.as_deref()), ("key", Some("rp.example")));
}

#[test]
fn the_last_fallback_stays_unless_its_owner_gave_it_up() {
    for (word, removed) in [(LastFallback::Keep, false), (LastFallback::GiveUp, true)] {
        let mut pair = Pair::new(62);
        let code = RecoveryCode::make(&mut SeededRng(1));
        let proof = pair.a.vault().opening_proof();
        let codes = pair
            .a
            .administer(&proof, Moment::default(), |draft, _, rng| {
                let verified = SlotPrivate { last_verified: Some(TODAY.0), ..private("code") };
                Ok([1, 2].map(|_| draft.enrol_recovery_code(&code, verified.clone(), rng).unwrap()))
            })
            .unwrap();
        if word == LastFallback::GiveUp {
            remove(&mut pair.a, &codes[1]).unwrap();
        }
        let vault = pair.vault();
        let removal = Removal { last_fallback: word, ..Removal::default() };
        let pending = pending(&vault, |draft, rng| {
            draft.remove_with(&codes[0], removal, &pair.storage, rng).unwrap();
        });
        match word {
            LastFallback::Keep => remove(&mut pair.a, &codes[1]).unwrap(),
            LastFallback::GiveUp => drop(pair.a.put(NOTE, b"first").unwrap()),
        }
        pair.a.replay(pending).unwrap();
        let refused = Conflict::RemovalRefused(codes[0], VaultError::LastFallback);
        assert_eq!(conflicts(&mut pair.a), if removed { vec![] } else { vec![refused] });
        assert_eq!(status(pair.a.vault(), &codes[0]) == SlotStatus::Tombstone, removed);
    }
}

#[test]
fn a_removal_or_disabling_that_the_policy_refuses_leaves_the_slot_whole() {
    let policy = Policy { least_slots: Some(2), ..Policy::default() };
    for disables in [false, true] {
        let mut pair = Pair::with_policy(66, Some(policy.clone()));
        let ours = enrol_passkey(&mut pair.a, &[1; 16]).unwrap();
        let vault = pair.vault();
        let pending = pending(&vault, |draft, rng| {
            match disables {
                true => draft.disable_encryption(&ours, OldSeal::Revoke, &pair.storage, rng),
                false => draft.remove(&ours, &pair.storage, rng),
            }
            .unwrap();
        });
        remove(&mut pair.a, &pair.slots[1]).unwrap();
        pair.a.replay(pending).unwrap();
        let too_few = VaultError::PolicyViolation("too few slots");
        assert_eq!(conflicts(&mut pair.a), [Conflict::RemovalRefused(ours, too_few)]);
        let output = uv_output(&[7; 32]).unwrap();
        let opened = envelope(&pair.storage).open(&ours, &SlotSecret::Passkey(&output), Opening::default());
        let vault = opened.map(|(vault, _)| vault).unwrap_or_else(|error| panic!("{disables}: {error:?}"));
        let private = vault.slot_private(&ours).unwrap().unwrap();
        assert_eq!((private.rp_id, private.credential_id), (None, None), "an enabled slot names itself");
    }
}

#[test]
fn a_slot_that_is_disabled_again_keeps_the_generation_it_has_there() {
    let mut pair = Pair::new(67);
    let slot = enrol_passkey(&mut pair.a, &[1; 16]).unwrap();
    let vault = pair.vault();
    let pending = pending(&vault, |draft, rng| {
        draft.disable_encryption(&slot, OldSeal::Revoke, &pair.storage, rng).unwrap();
    });
    let output = uv_output(&[7; 32]).unwrap();
    pair.a.change(|draft, _, rng| draft.refresh(&slot, &SlotSecret::Passkey(&output), rng)).unwrap();
    describe(&mut pair.a, &slot, |private| private.label = "renamed".into());
    pair.a.replay(pending).unwrap();
    assert_eq!((conflicts(&mut pair.a), status(pair.a.vault(), &slot)), (vec![], SlotStatus::Idle));
    assert_eq!(slot_gen(pair.a.vault(), &slot), 2, "no generation twice");
    let known = pair.a.vault().slot_private(&slot).unwrap().unwrap();
    assert_eq!((known.label.as_str(), known.rp_id.as_deref()), ("renamed", Some("rp.example")));
}

#[test]
fn a_removal_that_no_guard_asked_about_meets_the_guard_at_a_replay() {
    let mut pair = Pair::new(68);
    let code = RecoveryCode::make(&mut SeededRng(1));
    let proof = pair.a.vault().opening_proof();
    let slot = pair
        .a
        .administer(&proof, Moment::default(), |draft, _, rng| {
            let verified = SlotPrivate { last_verified: Some(TODAY.0), ..private("code") };
            draft.enrol_recovery_code(&code, verified, rng)
        })
        .unwrap();
    // Here no fallback is wanted any more, so that the removal needs no word; there the policy became another one.
    let vault = pair.vault();
    let pending = pending(&vault, |draft, rng| {
        draft.set_policy(Some(Policy { no_fallback: true, ..Policy::default() })).unwrap();
        draft.remove(&slot, &pair.storage, rng).unwrap();
    });
    let other = Some(Policy { least_slots: Some(1), ..Policy::default() });
    pair.a.administer(&proof, Moment::default(), |draft, _, _| draft.set_policy(other)).unwrap();
    pair.a.replay(pending).unwrap();
    let refused = Conflict::RemovalRefused(slot, VaultError::LastFallback);
    assert!(conflicts(&mut pair.a).contains(&refused));
    assert_eq!(status(pair.a.vault(), &slot), SlotStatus::Enabled);
}

#[test]
fn a_vault_without_room_still_enables_in_place() {
    let mut pair = Pair::new(69);
    let rp_id = RpId::new("rp.example").unwrap();
    let id = |number: u8| CredentialId::new(&[number; 16]).unwrap();
    let proof = pair.a.vault().opening_proof();
    let slots = pair
        .a
        .administer(&proof, Moment::default(), |draft, _, rng| {
            (1..=62)
                .map(|number| {
                    draft.add_passkey(&rp_id, &id(number), PrfAbility::Observed, private("key"), rng)
                })
                .collect::<Result<Vec<_>, _>>()
        })
        .unwrap();
    let (vault, output) = (pair.vault(), uv_output(&[7; 32]).unwrap());
    let pending = pending(&vault, |draft, rng| {
        let setup = EncryptionSetup { salt: PrfSaltMode::PerSlot([9; 32]), transports: &[], pin: None };
        draft.enable_encryption(&slots[0], setup, &output, &output, rng).unwrap();
    });
    pair.a.put(NOTE, b"first").unwrap();
    pair.a.replay(pending).unwrap();
    assert_eq!((conflicts(&mut pair.a), status(pair.a.vault(), &slots[0])), (vec![], SlotStatus::Enabled));
}

#[test]
fn items_that_were_encrypted_anew_are_no_changes() {
    let mut pair = Pair::new(63);
    let [one, two] = [b"one", b"two"].map(|text| pair.note(text));
    let vault = pair.vault();
    let pending = pending(&vault, |draft, rng| {
        draft.change_item(&two, NOTE, b"two here", rng).unwrap();
        draft.rotate_and_reencrypt(&pair.storage, rng).unwrap();
    });
    assert_eq!((pending.item_count(), pending.rotates()), (1, true));
    pair.a.replace(&one, b"one there").unwrap();
    pair.a.replay(pending).unwrap();
    assert_eq!((conflicts(&mut pair.a), pair.a.vault().key_gen()), (vec![], 2));
    assert_eq!(texts(&mut pair.a), [&b"one there"[..], b"two here"]);
    // Encrypted anew on the newer state, too: every item has its next version.
    let versions = [one, two].map(|id| pair.a.vault().row(&id).unwrap().version);
    assert_eq!(versions, [3, 2]);
}

#[test]
fn a_policy_stands_unless_both_changed_it_or_their_slots_break_it() {
    let passkeys = |most| Some(Policy { most_passkeys: Some(most), ..Policy::default() });
    let mut pair = Pair::new(64);
    let set = |vault: &Vault, policy: Option<Policy>| {
        pending(vault, |draft, _| draft.set_policy(policy.clone()).unwrap())
    };
    let vault = pair.vault();
    let (ours, other, narrow) = (
        set(&vault, passkeys(3)),
        set(&vault, passkeys(4)),
        set(&vault, Some(Policy { allowed_kinds: Some(vec![SlotKind::Device]), ..Policy::default() })),
    );
    pair.a.put(NOTE, b"first").unwrap();
    pair.a.replay(ours).unwrap();
    assert_eq!((conflicts(&mut pair.a), pair.a.vault().policy().cloned()), (vec![], passkeys(3)));
    pair.a.replay(other).unwrap();
    assert_eq!(conflicts(&mut pair.a), [Conflict::PolicyDropped]);
    assert_eq!(pair.a.vault().policy().cloned(), passkeys(3));
    let mut pair = Pair::new(64);
    enrol_passkey(&mut pair.a, &[1; 16]).unwrap();
    pair.a.replay(narrow).unwrap();
    assert_eq!((conflicts(&mut pair.a), pair.a.vault().policy()), (vec![Conflict::PolicyDropped], None));
}

// How often, and what was written after all

/// A storage into which a rival writes before each write of this device.
struct Contended {
    inner: SharedStorage,
    rival: Store,
    writes: usize,
}

impl ItemSource for Contended {
    fn item(&self, id: &ItemId) -> Result<Option<Vec<u8>>, StorageError> {
        self.inner.item(id)
    }
}

impl VaultStorage for Contended {
    fn parts(&self) -> Result<Option<StoredVault>, StorageError> {
        self.inner.parts()
    }

    fn index_id(&self) -> Result<Option<Tag>, StorageError> {
        self.inner.index_id()
    }

    fn tagged(&self, tag: &Tag) -> Result<Vec<ItemId>, StorageError> {
        self.inner.tagged(tag)
    }

    fn write(&mut self, write: &Write) -> Result<(), StorageError> {
        if self.writes > 0 {
            self.writes -= 1;
            self.rival.put(NOTE, b"rival").unwrap();
        }
        self.inner.write(write)
    }

    fn reindex(&mut self, index_id: Tag, tags: &[(ItemId, Vec<Tag>)]) -> Result<(), StorageError> {
        self.inner.reindex(index_id, tags)
    }
}

#[test]
fn a_change_is_replayed_eight_times_and_then_reported() {
    for (writes, stored) in [(8, true), (9, false)] {
        let pair = Pair::new(24);
        let Pair { storage, slots, a: rival, .. } = pair;
        let vault = open_at(&storage, &slots[1], 2);
        let contended = Contended { inner: storage.clone(), rival, writes };
        let mut store = PasskeyStore::new(vault, contended, None, SeededRng(240)).unwrap();
        let outcome = store.put(NOTE, b"mine");
        assert_eq!(outcome.is_ok(), stored, "{writes}");
        let mut reader = open_store(&storage, &slots[0], 1, 9);
        assert_eq!(texts(&mut reader).len(), writes + usize::from(stored));
        if !stored {
            assert_eq!(outcome, Err(StorageError::Conflict.into()));
            // Nothing is lost: what was meant is still there to be replayed.
            let pending = store.take_pending().unwrap();
            store.replay(pending).unwrap();
            assert!(texts(&mut reader).contains(&b"mine".to_vec()));
        }
    }
}

#[test]
fn a_write_whose_confirmation_was_lost_is_not_done_twice() {
    let mut pair = Pair::new(25);
    let vault = pair.vault();
    let mut rng = SeededRng(5);
    let mut draft = vault.draft();
    draft.add_item(NOTE, b"once", &mut rng).unwrap();
    let prepared = draft.finish(TODAY, &mut rng).unwrap();
    // It arrives, the answer does not; another device goes on from it.
    pair.storage.write(prepared.write()).unwrap();
    let _ = pair.b.catch_up().unwrap();
    pair.b.put(NOTE, b"more").unwrap();
    let operations = prepared.into_operations(&vault).unwrap();
    let newer = pair.vault();
    let (draft, report) = newer.replay(&operations, &pair.storage, &mut rng).unwrap();
    assert!(report.had_arrived() && report.conflicts().is_empty() && draft.is_empty());
    pair.a.replay(operations).unwrap();
    assert_eq!(texts(&mut pair.a), [&b"more"[..], b"once"]);
}

#[test]
fn operations_are_of_one_vault_and_of_one_line() {
    let mut pair = Pair::new(26);
    let before = pair.storage.snapshot();
    let vault = pair.vault();
    let mut rng = SeededRng(5);
    let operations = |vault: &Vault| -> Operations {
        let mut draft = vault.draft();
        draft.add_item(NOTE, b"x", &mut SeededRng(6)).unwrap();
        draft.finish(TODAY, &mut SeededRng(6)).unwrap().into_operations(vault).unwrap()
    };
    let stranger = Pair::new(27).vault();
    let replayed = |on: &Vault, operations: &Operations, items: &dyn ItemSource| {
        on.replay(operations, items, &mut SeededRng(7)).map(|_| ()).err()
    };
    assert_eq!(replayed(&stranger, &operations(&vault), &pair.storage), Some(VaultError::StaleWrite));
    pair.a.put(NOTE, b"one line").unwrap();
    let one = pair.vault();
    let older = vault.replay(&operations(&one), &pair.storage, &mut rng).map(|_| ()).err();
    assert_eq!(older, Some(VaultError::Rollback));
    pair.storage.restore(before);
    let mut other = pair.vault();
    for text in [b"other line", b"goes ahead"] {
        let mut draft = other.draft();
        draft.add_item(NOTE, text, &mut rng).unwrap();
        let prepared = draft.finish(TODAY, &mut rng).unwrap();
        assert!(replayed(&other, &operations(&one), &pair.storage).is_some());
        pair.storage.write(prepared.write()).unwrap();
        other.written(prepared, None).unwrap();
    }
    assert_eq!(replayed(&other, &operations(&one), &pair.storage), Some(VaultError::Fork));
    let stale = {
        let mut draft = other.draft();
        draft.add_item(NOTE, b"x", &mut rng).unwrap();
        draft.finish(TODAY, &mut rng).unwrap()
    };
    assert_eq!(stale.into_operations(&one).err(), Some(VaultError::StaleWrite));
}

// Catching up

fn envelope(storage: &SharedStorage) -> Envelope {
    Envelope::from_stored(storage.parts().unwrap().unwrap()).unwrap()
}

#[test]
fn an_open_vault_catches_up_with_the_keys_it_has() {
    let mut pair = Pair::new(28);
    let mut vault = pair.vault();
    let mut memory = TestMemory::default();
    assert_eq!(vault.catch_up(&envelope(&pair.storage), None), Ok(CatchUp::Unchanged));
    pair.a.put(NOTE, b"newer").unwrap();
    let newer = envelope(&pair.storage);
    assert_eq!(vault.catch_up(&newer, Some(&mut memory)), Ok(CatchUp::Newer(Freshness::FirstUse)));
    assert_eq!((vault.epoch(), memory.seen[&vault.vault_id()].epoch), (2, 2));
    pair.a.put(NOTE, b"newest").unwrap();
    let newest = envelope(&pair.storage);
    assert_eq!(vault.catch_up(&newest, Some(&mut memory)), Ok(CatchUp::Newer(Freshness::Checked)));
    // The open state counts as seen, without any memory.
    assert_eq!(vault.catch_up(&newer, None), Err(VaultError::Rollback));
    assert_eq!(vault.epoch(), 3, "it is as it was");
    let stranger = envelope(&Pair::new(29).storage);
    assert!(matches!(vault.catch_up(&stranger, None), Err(VaultError::Tampered(_))));
}

#[test]
fn a_memory_that_others_share_knows_of_later_states() {
    let mut pair = Pair::new(30);
    let mut vault = pair.vault();
    let first = envelope(&pair.storage);
    let mut memory = TestMemory::default();
    assert_eq!(vault.catch_up(&first, Some(&mut memory)), Ok(CatchUp::Unchanged));
    pair.a.put(NOTE, b"newer").unwrap();
    let mut other = pair.vault();
    assert_eq!(other.catch_up(&envelope(&pair.storage), Some(&mut memory)), Ok(CatchUp::Unchanged));
    assert_eq!(vault.catch_up(&first, Some(&mut memory)), Err(VaultError::Rollback));
}

#[test]
fn a_newer_envelope_is_checked_from_its_mac_on() {
    let mut pair = Pair::new(31);
    let mut vault = pair.vault();
    let id = pair.note(b"newer");
    let stored = pair.storage.parts().unwrap().unwrap();
    let mut catch_up = |stored: StoredVault| {
        let outcome = vault.catch_up(&Envelope::from_stored(stored).unwrap(), None);
        assert_eq!(vault.epoch(), 1);
        outcome
    };
    let with = |edit: &dyn Fn(&mut StoredVault)| {
        let mut stored = stored.clone();
        edit(&mut stored);
        stored
    };
    let tampered = |what| Err(VaultError::Tampered(what));
    assert_eq!(catch_up(with(&|stored| stored.mac[0] ^= 1)), tampered("manifest"));
    assert_eq!(catch_up(with(&|stored| stored.rows.clear())), tampered("items"));
    assert_eq!(catch_up(with(&|stored| stored.rows[0].version += 1)), tampered("items"));
    let time = with(&|stored| {
        let mut manifest: Value = ciborium::from_reader(stored.manifest.as_slice()).unwrap();
        for (key, value) in manifest.as_map_mut().unwrap() {
            if *key == Value::Integer(11.into()) {
                *value = Value::Integer(1.into());
            }
        }
        stored.manifest.clear();
        ciborium::into_writer(&manifest, &mut stored.manifest).unwrap();
    });
    assert_eq!(catch_up(time), tampered("manifest"));
    assert_eq!(vault.catch_up(&envelope(&pair.storage), None), Ok(CatchUp::Newer(Freshness::Unchecked)));
    assert!(vault.row(&id).is_some());
}

#[test]
fn another_head_of_the_same_line_is_a_fork() {
    let mut pair = Pair::new(32);
    let mut vault = pair.vault();
    let before = pair.storage.snapshot();
    pair.a.put(NOTE, b"one head").unwrap();
    assert_eq!(vault.catch_up(&envelope(&pair.storage), None), Ok(CatchUp::Newer(Freshness::Unchecked)));
    pair.storage.restore(before);
    pair.b.put(NOTE, b"other head").unwrap();
    assert_eq!(vault.catch_up(&envelope(&pair.storage), None), Err(VaultError::Fork));
    pair.b.put(NOTE, b"goes ahead").unwrap();
    assert_eq!(vault.catch_up(&envelope(&pair.storage), None), Err(VaultError::Fork));
    assert_eq!(vault.epoch(), 2);
}

#[test]
fn a_gap_that_nobody_lists_ends_what_was_accepted() {
    let mut pair = Pair::new(33);
    let mut vault = pair.vault();
    for _ in 0..40 {
        pair.a.put(NOTE, b"on").unwrap();
    }
    assert_eq!(vault.catch_up(&envelope(&pair.storage), None), Ok(CatchUp::Newer(Freshness::Unchecked)));
    let rotated = vault.admin().rotate(&pair.storage, &mut SeededRng(1));
    assert_eq!(rotated, Err(VaultError::Unchecked));
    // With a memory the gap itself is told.
    let mut other = Pair::new(34);
    let mut memory = TestMemory::default();
    let mut vault = other.vault();
    assert_eq!(vault.catch_up(&envelope(&other.storage), Some(&mut memory)), Ok(CatchUp::Unchanged));
    for _ in 0..40 {
        other.a.put(NOTE, b"on").unwrap();
    }
    let newest = envelope(&other.storage);
    assert_eq!(vault.catch_up(&newest, Some(&mut memory)), Ok(CatchUp::Newer(Freshness::CheckedGap)));
}

#[test]
fn a_new_key_locks_an_open_vault_until_a_secret_is_brought() {
    let mut pair = Pair::new(35);
    let id = pair.note(b"kept");
    let bytes = pair.storage.item(&id).unwrap().unwrap();
    let mut vault = pair.vault();
    rotate(&mut pair.a).unwrap();
    let newer = envelope(&pair.storage);
    let key = vault.index_key();
    assert_eq!(vault.catch_up(&newer, None), Ok(CatchUp::KeyChanged));
    assert!(vault.key_changed() && !vault.index_key().ct_eq(key.expose()), "the key is gone");
    let locked = Some(VaultError::KeyChanged);
    assert_eq!(vault.open_item(&id, &bytes).map(|_| ()).err(), locked);
    assert_eq!(vault.slot_private(&pair.slots[0]).err(), locked);
    assert_eq!(vault.catch_up(&newer, None).err(), locked);
    assert_eq!(vault.administer(&vault.opening_proof(), Moment::default()).map(|_| ()).err(), locked);
    assert_eq!(vault.draft().finish(TODAY, &mut SeededRng(1)).map(|_| ()).err(), locked);
    let again =
        vault.reauthenticate(&newer, &pair.slots[0], &SlotSecret::Device(&secret(1)), Moment::default());
    assert_eq!(again.err(), locked);
    // A store over it finds nothing rather than the wrong thing.
    assert_eq!(pair.b.catch_up(), Ok(CatchUp::KeyChanged));
    assert_eq!(pair.b.get(&id).map(|_| ()).err(), locked);
    assert_eq!(pair.b.list(NOTE).err(), locked);
    assert_eq!(pair.b.put(NOTE, b"more").err(), locked);
    let query = Query::Identified(CredentialId::new(&[1; 16]).unwrap());
    assert_eq!(pair.b.load(&query).map(|_| ()), Err(StoreError::Unavailable));
    assert_eq!(pair.b.load_state().map(|_| ()), Err(StoreError::Unavailable));
    pair.reopen_b();
    assert_eq!(text(&pair.b, &id), b"kept");
}

#[test]
fn a_key_that_the_line_has_not_signed_does_not_even_lock() {
    let mut pair = Pair::new(36);
    let mut vault = pair.vault();
    let before = pair.storage.snapshot();
    rotate(&mut pair.a).unwrap();
    let genuine = pair.storage.parts().unwrap().unwrap();
    // Another successor of the same generation, rotated twice, met by who knows the first one.
    pair.storage.restore(before);
    let mut other = open_store(&pair.storage, &pair.slots[1], 2, 9);
    rotate(&mut other).unwrap();
    rotate(&mut other).unwrap();
    let mut knowing = vault_of(&genuine, &pair.slots[0]);
    assert_eq!(knowing.catch_up(&envelope(&pair.storage), None), Err(VaultError::Fork));
    assert!(!knowing.key_changed());
    // A link whose signature is altered.
    let mut forged = genuine.clone();
    let mut manifest: Value = ciborium::from_reader(forged.manifest.as_slice()).unwrap();
    for (key, value) in manifest.as_map_mut().unwrap() {
        if *key == Value::Integer(10.into()) {
            let link = value.as_array_mut().unwrap()[1].as_map_mut().unwrap();
            link[2].1.as_bytes_mut().unwrap()[5] ^= 1;
        }
    }
    forged.manifest.clear();
    ciborium::into_writer(&manifest, &mut forged.manifest).unwrap();
    assert_eq!(vault.catch_up(&Envelope::from_stored(forged).unwrap(), None), Err(VaultError::Fork));
    assert!(!vault.key_changed());
    assert_eq!(vault.catch_up(&Envelope::from_stored(genuine).unwrap(), None), Ok(CatchUp::KeyChanged));
}

fn vault_of(stored: &StoredVault, slot: &SlotId) -> Vault {
    let envelope = Envelope::from_stored(stored.clone()).unwrap();
    envelope.open(slot, &SlotSecret::Device(&secret(1)), Opening::default()).unwrap().0
}

// Two heads

/// Two heads that parted from one state, each with its storage.
struct Heads {
    slots: [SlotId; 2],
    old: MemoryStorage,
    one: SharedStorage,
    two: SharedStorage,
    a: Store,
    b: Store,
    ids: Vec<ItemId>,
}

impl Heads {
    fn new(seed: u64, notes: &[&[u8]]) -> Self {
        let mut pair = Pair::new(seed);
        let ids = notes.iter().map(|text| pair.note(text)).collect();
        let old = pair.storage.snapshot();
        let two = SharedStorage::holding(old.clone());
        let b = open_store(&two, &pair.slots[1], 2, seed + 50);
        Self { slots: pair.slots, old, one: pair.storage, two, a: pair.a, b, ids }
    }

    /// Brings both heads together; what the folder then holds, and the report.
    fn reconcile(&self, ancestor: bool) -> (SharedStorage, Vec<Conflict>) {
        let [one, two] = [&self.one, &self.two].map(|storage| open_at(storage, &self.slots[0], 1));
        let old = open_at(&self.old, &self.slots[0], 1);
        let heads = [Head { vault: &one, items: &self.one }, Head { vault: &two, items: &self.two }];
        let proof = (&one.opening_proof(), Moment::default());
        let mut rng = SeededRng(99);
        let ancestor = ancestor.then_some(&old);
        let (draft, report) = reconcile(UsersWord::given(), heads, ancestor, proof, &mut rng).unwrap();
        let first = draft.vault().unwrap().base() == one.base();
        let mut storage = if first { self.one.clone() } else { self.two.clone() };
        let prepared = draft.finish(TODAY, &mut rng).unwrap();
        storage.write(prepared.write()).unwrap();
        (storage, report.conflicts().to_vec())
    }

    fn refused(&self, heads: [&Vault; 2], ancestor: Option<&Vault>, now: Moment) -> Option<VaultError> {
        let [one, two] = heads;
        let heads = [Head { vault: one, items: &self.one }, Head { vault: two, items: &self.two }];
        let proof = (&one.opening_proof(), now);
        reconcile(UsersWord::given(), heads, ancestor, proof, &mut SeededRng(1)).map(|_| ()).err()
    }
}

fn all_texts(storage: &SharedStorage, slot: &SlotId) -> Vec<Vec<u8>> {
    texts(&mut open_store(storage, slot, 1, 3))
}

#[test]
fn two_heads_become_one_with_what_was_done_on_both() {
    let mut heads = Heads::new(40, &[b"both", b"gone", b"mine"]);
    let [both, gone, mine] = heads.ids[..] else { panic!() };
    heads.a.put(NOTE, b"new of a").unwrap();
    heads.a.replace(&both, b"both of a").unwrap();
    heads.a.put(NOTE, b"so that a is ahead").unwrap();
    heads.a.put(NOTE, b"of b by one epoch").unwrap();
    heads.b.replace(&both, b"both of b").unwrap();
    heads.b.delete(&gone).unwrap();
    heads.b.replace(&mine, b"mine of b").unwrap();
    let (storage, conflicts) = heads.reconcile(true);
    let [Conflict::ItemCopied { item, .. }] = conflicts[..] else { panic!("{conflicts:?}") };
    assert_eq!(item, both);
    let expected: [&[u8]; 6] =
        [b"both of a", b"both of b", b"mine of b", b"new of a", b"of b by one epoch", b"so that a is ahead"];
    assert_eq!(all_texts(&storage, &heads.slots[0]), expected);
    // Who saw either head sees one that continues it.
    let joined = envelope(&storage);
    assert_eq!(joined.epoch(), 9, "the higher epoch, 8, and one");
    for head in [&heads.a, &heads.b] {
        let mut vault = open_at(head.storage(), &heads.slots[0], 1);
        if vault.epoch() < joined.epoch() {
            let mut memory = TestMemory::default();
            vault.catch_up(&envelope(head.storage()), Some(&mut memory)).map(|_| ()).unwrap();
            assert_eq!(vault.catch_up(&joined, Some(&mut memory)), Ok(CatchUp::Newer(Freshness::Checked)));
        }
    }
}

#[test]
fn the_ancestors_of_reconciled_heads_are_both_and_all_of_theirs() {
    let mut heads = Heads::new(41, &[b"x"]);
    heads.a.put(NOTE, b"a").unwrap();
    heads.b.put(NOTE, b"b").unwrap();
    let hashes = |storage: &SharedStorage| sha256(&storage.parts().unwrap().unwrap().manifest);
    let mut of_three = [hashes(&heads.one), hashes(&heads.two)];
    of_three.sort();
    let (storage, _) = heads.reconcile(true);
    let manifest: Value =
        ciborium::from_reader(storage.parts().unwrap().unwrap().manifest.as_slice()).unwrap();
    let ancestors = &manifest.as_map().unwrap()[4].1;
    let listed: Vec<(u64, Vec<u8>)> = ancestors
        .as_array()
        .unwrap()
        .iter()
        .map(|past| {
            let past = past.as_array().unwrap();
            (u64::try_from(past[0].as_integer().unwrap()).unwrap(), past[1].as_bytes().unwrap().clone())
        })
        .collect();
    let epochs: Vec<u64> = listed.iter().map(|(epoch, _)| *epoch).collect();
    assert_eq!(epochs, [3, 3, 2, 1]);
    assert_eq!([&listed[0].1, &listed[1].1], [&of_three[0], &of_three[1]]);
}

#[test]
fn ancestors_end_where_one_of_the_two_lists_is_silent() {
    let mut heads = Heads::new(42, &[b"x"]);
    for _ in 0..40 {
        heads.a.put(NOTE, b"a").unwrap();
    }
    heads.b.put(NOTE, b"b").unwrap();
    let seen_by_b = {
        let mut memory = TestMemory::default();
        let mut vault = open_at(&heads.two, &heads.slots[0], 1);
        vault.catch_up(&envelope(&heads.two), Some(&mut memory)).map(|_| ()).unwrap();
        memory
    };
    let (storage, _) = heads.reconcile(false);
    let joined = envelope(&storage);
    // a's list ends at 10; b's 3, 2 and 1 lie below: they are left out, so that no old state looks like a fork.
    let mut memory = seen_by_b;
    let opening = Opening { memory: Some(&mut memory), ..Opening::default() };
    let opened = joined.open(&heads.slots[0], &SlotSecret::Device(&secret(1)), opening);
    assert_eq!(opened.map(|(_, freshness)| freshness).ok(), Some(Freshness::CheckedGap));
}

#[test]
fn without_the_ancestor_everything_is_kept() {
    let mut heads = Heads::new(43, &[b"both", b"gone", b"mine", b"same"]);
    let [both, gone, mine, _] = heads.ids[..] else { panic!() };
    heads.a.replace(&both, b"both of a").unwrap();
    heads.a.put(NOTE, b"new of a").unwrap();
    heads.b.replace(&both, b"both of b").unwrap();
    heads.b.delete(&gone).unwrap();
    heads.b.replace(&mine, b"mine of b").unwrap();
    let (storage, conflicts) = heads.reconcile(false);
    let copied: BTreeSet<ItemId> = conflicts
        .iter()
        .map(|conflict| match conflict {
            Conflict::ItemCopied { item, .. } => *item,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(copied, [both, mine].into());
    let expected: [&[u8]; 7] =
        [b"both of a", b"both of b", b"gone", b"mine", b"mine of b", b"new of a", b"same"];
    assert_eq!(all_texts(&storage, &heads.slots[0]), expected);
}

#[test]
fn slots_of_the_other_head_are_enrolled_and_removed_again() {
    for ancestor in [true, false] {
        let mut heads = Heads::new(44, &[b"x"]);
        let of_a = enrol(&mut heads.a, 3).unwrap();
        rotate(&mut heads.a).unwrap();
        let of_b = enrol(&mut heads.b, 4).unwrap();
        remove(&mut heads.b, &heads.slots[1]).unwrap();
        heads.a.put(NOTE, b"so that a is the base").unwrap();
        // Both rotated once: the epoch decides, and b's rotation is lost.
        let (storage, conflicts) = heads.reconcile(ancestor);
        assert_eq!(conflicts, []);
        let vault = open_at(&storage, &of_b, 4);
        assert_eq!((vault.key_gen(), status(&vault, &heads.slots[1])), (3, SlotStatus::Tombstone));
        assert_eq!(vault.slots().filter(|slot| slot.status() == SlotStatus::Enabled).count(), 3);
        open_at(&storage, &of_a, 3);
        // Who saw the rotation that lost keeps reporting a fork.
        let mut memory = TestMemory::default();
        let lost = open_at(&heads.two, &heads.slots[0], 1);
        let mut lost = lost;
        lost.catch_up(&envelope(&heads.two), Some(&mut memory)).map(|_| ()).unwrap();
        let opening = Opening { memory: Some(&mut memory), ..Opening::default() };
        let opened = envelope(&storage).open(&heads.slots[0], &SlotSecret::Device(&secret(1)), opening);
        assert_eq!(opened.map(|_| ()).err(), Some(VaultError::Fork));
    }
}

#[test]
fn without_the_ancestor_no_passkey_that_was_disabled_opens_the_vault_again() {
    let output = uv_output(&[7; 32]).unwrap();
    for (refreshed, disabled_on_base) in [(false, false), (false, true), (true, true)] {
        let mut pair = Pair::new(49);
        let slot = enrol_passkey(&mut pair.a, &[1; 16]).unwrap();
        let old = pair.storage.snapshot();
        let two = SharedStorage::holding(old.clone());
        let mut other = open_store(&two, &pair.slots[1], 2, 51);
        let Pair { storage: one, slots, a: mut base, .. } = pair;
        let disabling = if disabled_on_base { &mut base } else { &mut other };
        let proof = disabling.vault().opening_proof();
        disabling
            .administer(&proof, Moment::default(), |draft, items, rng| {
                draft.disable_encryption(&slot, OldSeal::LeaveValid, items, rng)
            })
            .unwrap();
        if refreshed {
            other.change(|draft, _, rng| draft.refresh(&slot, &SlotSecret::Passkey(&output), rng)).unwrap();
        } else {
            other.put(NOTE, b"of the other head").unwrap();
        }
        // The higher epoch makes the base.
        for _ in 0..3 {
            base.put(NOTE, b"of the base").unwrap();
        }
        let heads = Heads { slots, old, one, two, a: base, b: other, ids: vec![] };
        let (storage, _) = heads.reconcile(false);
        let joined = open_at(&storage, &slots[0], 1);
        assert_eq!(status(&joined, &slot), SlotStatus::Idle, "{refreshed} {disabled_on_base}");
    }
}

#[test]
fn the_head_of_the_higher_key_generation_is_the_base() {
    let mut heads = Heads::new(45, &[b"x"]);
    for _ in 0..3 {
        heads.a.put(NOTE, b"a").unwrap();
    }
    rotate(&mut heads.b).unwrap();
    let (storage, conflicts) = heads.reconcile(true);
    assert_eq!((conflicts, envelope(&storage).key_gen()), (vec![], 2));
    assert_eq!(sha256(&storage.parts().unwrap().unwrap().manifest), {
        sha256(&heads.two.parts().unwrap().unwrap().manifest)
    });
    assert_eq!(all_texts(&storage, &heads.slots[0]).len(), 4);
}

#[test]
fn reconciling_wants_two_heads_of_one_vault_and_a_fresh_proof() {
    let mut heads = Heads::new(46, &[b"x"]);
    heads.b.put(NOTE, b"b").unwrap();
    let open = |storage: &dyn VaultStorage| open_at(storage, &heads.slots[0], 1);
    let (one, two) = (open(&heads.one), open(&heads.two));
    let now = Moment::default();
    let one_continues = Some(VaultError::InvalidInput("one head continues the other"));
    assert_eq!(heads.refused([&one, &two], None, now), one_continues);
    assert_eq!(heads.refused([&two, &two], None, now), one_continues);
    heads.a.put(NOTE, b"a").unwrap();
    let one = open_at(&heads.one, &heads.slots[0], 1);
    let late = Moment { ticks: countersign::vault::DEFAULT_REAUTH_LIMIT + 1, ..Moment::default() };
    assert_eq!(heads.refused([&one, &two], None, late), Some(VaultError::ReauthNeeded));
    let stranger = Pair::new(47).vault();
    let another = Some(VaultError::Tampered("it is another vault"));
    assert_eq!(heads.refused([&one, &stranger], None, now), another);
    assert_eq!(heads.refused([&one, &two], Some(&stranger), now), another);
    let no_ancestor = Some(VaultError::InvalidInput("the ancestor is none of both heads"));
    assert_eq!(heads.refused([&one, &two], Some(&two), now), no_ancestor);
}

/// A memory that is told of every write, as a device's own.
struct Boxed(std::sync::Arc<std::sync::Mutex<TestMemory>>);

impl RollbackStore for Boxed {
    fn get(&self, vault: &VaultId) -> Result<Option<countersign::vault::Seen>, VaultError> {
        self.0.lock().unwrap().get(vault)
    }

    fn put(&mut self, vault: &VaultId, seen: &countersign::vault::Seen) -> Result<(), VaultError> {
        self.0.lock().unwrap().put(vault, seen)
    }
}

#[test]
fn a_replay_is_remembered_like_any_write() {
    let mut pair = Pair::new(48);
    let memory = std::sync::Arc::new(std::sync::Mutex::new(TestMemory::default()));
    let vault = open_at(&pair.storage, &pair.slots[1], 2);
    let boxed = Some(Box::new(Boxed(memory.clone())) as Box<dyn RollbackStore + Send>);
    let mut store = PasskeyStore::new(vault, pair.storage.clone(), boxed, SeededRng(4)).unwrap();
    pair.a.put(NOTE, b"first").unwrap();
    store.put(NOTE, b"second").unwrap();
    let seen = memory.lock().unwrap().seen[&store.vault().vault_id()];
    assert_eq!((seen.epoch, seen.hash), (3, store.vault().base().hash));
}
