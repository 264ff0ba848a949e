//! Backup files: what goes in, who opens them, what is noticed, what comes back.

mod common;

use std::cell::Cell;

use common::{
    seeded_rng::SeededRng,
    shared_storage::SharedStorage,
    vault::{evaluate, private},
    world::TODAY,
};
use countersign::{
    backup::{
        BackupDue, BackupFile, BackupSchedule, Changes, Destination, Export, Exported, Fault, ItemName,
        LeftOut, Lineage, OpenBackup, Refused, RestoreReport, Verification, backup_due, changes_since,
        restore, verify_backup,
    },
    cbor::{Item, Profile, Writer},
    cose::CoseAlgorithm,
    credential::{
        Backup, ChangeSet, CredProtect, Credential, CredentialRecord, CredentialSecret, CredentialStore,
        Query, StateRecord,
    },
    crypto::{CryptoProvider, KeyPair, RustCrypto},
    secret::{Secret, SecretBytes},
    time::{Moment, UnixTime},
    vault::{
        Administration, DEFAULT_REAUTH_LIMIT, Envelope, ItemId, ItemSource, JoinedShares, MemoryStorage,
        Opening, PasskeyEnrolment, PasskeyStore, PassphraseCost, Policy, PrfSaltMode, RecoveryCode, SlotId,
        SlotKind, SlotPrivate, SlotSecret, StorageError, StoredVault, Tag, Vault, VaultError, VaultId,
        VaultStorage, Write, item_type, prf_input,
    },
    webauthn::{Aaguid, CredentialId, RpEntity, RpId, UserEntity, UserHandle},
};

type Store = PasskeyStore<MemoryStorage, SeededRng>;

const NOTE: u64 = item_type::FIRST_OF_HOST;
const CHEAP: PassphraseCost = PassphraseCost { memory_kib: 19_456, passes: 2, lanes: 1 };
const NOW: Moment = Moment { ticks: 0, date: None };

fn device() -> Secret<32> {
    Secret::from_slice(&[0x5a; 32]).unwrap()
}

fn new_store() -> Store {
    store_with(None, 1)
}

fn store_with(policy: Option<Policy>, seed: u64) -> Store {
    let mut rng = SeededRng(seed);
    let mut draft = Administration::new_vault(VaultId::make(&mut rng), policy, &mut rng).unwrap();
    draft.enrol_device(&device(), private("Laptop"), &mut rng).unwrap();
    let prepared = draft.finish(TODAY, &mut rng).unwrap();
    let mut store = PasskeyStore::create(prepared, MemoryStorage::default(), None, rng, NOW).unwrap();
    store.set_time(TODAY);
    store
}

fn record(rp: &str, number: u8) -> CredentialRecord {
    let mut rng = SeededRng(u64::from(number) << 32);
    let algorithm =
        [CoseAlgorithm::Es256, CoseAlgorithm::EdDsa, CoseAlgorithm::Es384][usize::from(number % 3)];
    CredentialRecord::new(
        Credential {
            id: CredentialId::new(&[number; 32]).unwrap(),
            rp: RpEntity { id: RpId::new(rp).unwrap(), name: None },
            user: UserEntity {
                id: UserHandle::new(&[number]).unwrap(),
                name: Some(format!("user {number}").into()),
                display_name: None,
            },
            discoverable: true,
            cred_protect: CredProtect::UserVerificationOptional,
            backup: Backup::Eligible { backed_up: false },
            sign_count: 0,
            aaguid: Aaguid::ZERO,
            order: u64::from(number),
            created: Some(TODAY),
            last_used: None,
        },
        CredentialSecret {
            key: RustCrypto.make_key_pair(algorithm, &mut rng),
            cred_random_with_uv: Secret::make_random(&mut rng),
            cred_random_without_uv: Secret::make_random(&mut rng),
        },
    )
}

fn put(store: &mut Store, record: CredentialRecord) {
    store.commit(ChangeSet { put: vec![record], ..ChangeSet::default() }).unwrap();
}

/// A vault with three passkeys and two items of the host's.
fn filled() -> Store {
    let mut store = new_store();
    (1..=3).for_each(|number| put(&mut store, record("example.org", number)));
    store.put(NOTE, b"a note").unwrap();
    store.put(NOTE + 1, &[7; 1000]).unwrap();
    store
}

/// A backup of a store that a device's secret opens, with the slot.
fn export(store: &Store) -> (Exported, SlotId) {
    let mut rng = SeededRng(77);
    let mut export =
        Export::new(store.vault(), (&store.vault().opening_proof(), NOW), store.storage(), &mut rng).unwrap();
    let slot = export.enrol_device(&device(), private("New phone"), &mut rng).unwrap();
    (export.finish(TODAY, &mut rng).unwrap(), slot)
}

fn keep(store: &mut Store, exported: &Exported) {
    store.change(|draft, storage, rng| exported.keep(draft, storage, rng)).unwrap();
}

fn next(store: &Store, time: UnixTime) -> Result<Exported, VaultError> {
    let lineage = Lineage::load(store.vault(), store.storage())?.ok_or(VaultError::NotFound)?;
    lineage.export(store.vault(), store.storage(), (NOW, time), &mut SeededRng(99))
}

fn open<'f>(file: &'f BackupFile, slot: &SlotId) -> Result<OpenBackup<'f>, VaultError> {
    file.open(slot, &SlotSecret::Device(&device()), Opening::default())
}

fn reread(exported: &Exported) -> BackupFile {
    BackupFile::decode(&exported.file().encode()).unwrap()
}

fn ids(store: &Store, item_type: u64) -> Vec<ItemId> {
    let mut ids = store.list(item_type).unwrap();
    ids.sort_unstable();
    ids
}

fn passkeys(store: &Store, rp: &str) -> Vec<CredentialRecord> {
    let found = store.load(&Query::Discoverable(RpId::new(rp).unwrap())).unwrap();
    found.iter().map(|record| record.clone_secret()).collect()
}

fn to(items: &dyn ItemSource) -> Destination<'_> {
    Destination { items, provider: &RustCrypto, own_accounts: &[] }
}

/// A new vault with all that a backup holds.
fn restored(backup: &OpenBackup<'_>) -> (Store, RestoreReport) {
    let mut rng = SeededRng(5);
    let mut draft = Administration::new_vault(VaultId::make(&mut rng), None, &mut rng).unwrap();
    draft.enrol_device(&device(), private("New laptop"), &mut rng).unwrap();
    let nothing = MemoryStorage::default();
    let report = restore(backup, &mut draft, &to(&nothing), &mut rng, |_| ()).unwrap();
    let prepared = draft.finish(TODAY, &mut rng).unwrap();
    (PasskeyStore::create(prepared, nothing, None, rng, NOW).unwrap(), report)
}

fn restore_into(store: &mut Store, backup: &OpenBackup<'_>) -> RestoreReport {
    store.change(|draft, items, rng| restore(backup, draft, &to(items), rng, |_| ())).unwrap()
}

#[test]
fn what_was_in_the_vault_comes_back_onto_an_empty_machine() {
    let store = filled();
    let (exported, slot) = export(&store);
    assert_eq!((exported.report().passkeys, exported.report().host_items), (3, 2));
    let file = reread(&exported);
    let backup = open(&file, &slot).unwrap();
    let info = backup.info();
    assert_eq!((info.created, info.item_count), (TODAY.0, 5));
    assert_eq!((info.source_vault, info.source_epoch), (store.vault().vault_id(), store.vault().epoch()));

    let (new, report) = restored(&backup);
    assert_eq!((report.restored.len(), report.already_there.len(), report.refused.len()), (5, 0, 0));
    assert_eq!((new.vault().epoch(), new.vault().item_count()), (1, 5), "one write");
    assert_ne!(new.vault().vault_id(), store.vault().vault_id());
    assert_ne!(new.vault().vault_id(), file.backup_id());
    for kind in [item_type::PASSKEY, NOTE, NOTE + 1] {
        assert_eq!(ids(&new, kind), ids(&store, kind), "items keep their identifiers");
    }
    for id in ids(&store, NOTE) {
        assert_eq!(new.get(&id).unwrap().plaintext.expose(), b"a note");
    }
    for (mut was, is) in passkeys(&store, "example.org").into_iter().zip(passkeys(&new, "example.org")) {
        was.credential.set_backed_up(true).unwrap();
        assert!(was.encode().expose() == is.encode().expose(), "PRF secrets and all; BS is set");
    }
}

#[test]
fn each_recipient_opens_the_backup_and_none_of_them_the_vault() {
    let store = filled();
    let mut rng = SeededRng(7);
    let (rp, id) = (RpId::new("vault.example").unwrap(), CredentialId::new(&[9; 16]).unwrap());
    let mut export =
        Export::new(store.vault(), (&store.vault().opening_proof(), NOW), store.storage(), &mut rng).unwrap();
    let words = export.enrol_passphrase("correct horse", CHEAP, private("safe"), &mut rng).unwrap();
    let code = RecoveryCode::make(&mut rng);
    let code_slot = export.enrol_recovery_code(&code, private("drawer"), &mut rng).unwrap();
    let phone = export.enrol_device(&device(), private("phone"), &mut rng).unwrap();
    let salt = PrfSaltMode::PerSlot([3; 32]);
    let exported = {
        // The PRF input has the backup's identifier, which its maker knows before the file exists.
        let input = prf_input(&export.vault_id(), &salt);
        let (first, second) = (evaluate(&[1; 32], &input), evaluate(&[1; 32], &input));
        let enrolment = PasskeyEnrolment {
            rp_id: &rp,
            credential_id: &id,
            salt,
            transports: &[],
            pin: None,
            private: private("key"),
        };
        export.enrol_passkey(enrolment, &first, &second, &mut rng).unwrap();
        export.finish(TODAY, &mut rng).unwrap()
    };
    let file = reread(&exported);
    let passkey = file.slots().find(|slot| slot.kind() == SlotKind::Passkey).unwrap();
    let output = evaluate(&[1; 32], &passkey.prf_input().unwrap());
    let secrets = [
        (words, SlotSecret::Passphrase("correct horse")),
        (code_slot, SlotSecret::Code(&code)),
        (phone, SlotSecret::Device(&device())),
        (passkey.slot_id(), SlotSecret::Passkey(&output)),
    ];
    let live = Envelope::export(store.storage()).unwrap().unwrap();
    for (slot, secret) in &secrets {
        let backup = file.open(slot, secret, Opening::default()).unwrap();
        assert!(verify_backup(&backup, &RustCrypto, |_| ()).is_sound());
        assert_eq!(live.open(slot, secret, Opening::default()).err(), Some(VaultError::WrongSecret));
    }
    let wrong = SlotSecret::Passphrase("correct house");
    assert_eq!(file.open(&words, &wrong, Opening::default()).err(), Some(VaultError::WrongSecret));
}

#[test]
fn shares_alone_bring_everything_back_onto_an_empty_machine() {
    let mut store = filled();
    let mut rng = SeededRng(7);
    let mut export =
        Export::new(store.vault(), (&store.vault().opening_proof(), NOW), store.storage(), &mut rng).unwrap();
    let (slot, shares) = export.enrol_shares(2, 3, private("friends"), &mut rng).unwrap();
    let first = export.finish(TODAY, &mut rng).unwrap();
    keep(&mut store, &first);
    for exported in [&first, &next(&store, TODAY).unwrap()] {
        let file = reread(exported);
        let joined = JoinedShares::join(&shares[1..]).unwrap();
        let backup = file.open(&slot, &SlotSecret::Shares(&joined), Opening::default()).unwrap();
        assert_eq!(restored(&backup).1.restored.len(), 5);
    }
}

/// A vault whose floor is suite 2 lets no backup be sealed in suite 1.
#[cfg(feature = "pq")]
#[test]
fn the_floor_of_the_vault_is_the_floor_of_its_backups() {
    use countersign::vault::Suite;

    let mut store = filled();
    let (first, _) = export(&store);
    keep(&mut store, &first);
    assert_eq!(first.file().slots().next().unwrap().suite(), Some(Suite::X25519));
    let (slot, proof) = (store.vault().slots().next().unwrap().slot_id(), store.vault().opening_proof());
    store
        .administer(&proof, NOW, |administration, _, rng| {
            administration.raise_floor(Suite::XWing)?;
            administration.refresh(&slot, &SlotSecret::Device(&device()), rng)
        })
        .unwrap();
    assert!(
        matches!(next(&store, TODAY), Err(VaultError::PolicyViolation(_))),
        "its recipient is of suite 1"
    );
    let (second, slot) = export(&store);
    let file = reread(&second);
    assert_eq!(file.slots().next().unwrap().suite(), Some(Suite::XWing));
    keep(&mut store, &second);
    let third = reread(&next(&store, TODAY).unwrap());
    assert_eq!(open(&third, &slot).unwrap().vault().floor(), Suite::XWing);
}

#[test]
fn a_backup_needs_a_recipient() {
    let store = filled();
    let proof = store.vault().opening_proof();
    let export = Export::new(store.vault(), (&proof, NOW), store.storage(), &mut SeededRng(7)).unwrap();
    assert_eq!(export.finish(TODAY, &mut SeededRng(8)).err(), Some(VaultError::LastSlot));
}

#[test]
fn who_is_there_must_have_shown_a_secret_a_short_while_ago() {
    let store = filled();
    let proof = store.vault().opening_proof();
    let later = Moment { ticks: DEFAULT_REAUTH_LIMIT + 1, date: None };
    let stale = Export::new(store.vault(), (&proof, later), store.storage(), &mut SeededRng(7));
    assert_eq!(stale.err(), Some(VaultError::ReauthNeeded));
    let other = restored(&open(&reread(&export(&store).0), &export(&store).1).unwrap()).0;
    let foreign = other.vault().opening_proof();
    let foreign = Export::new(store.vault(), (&foreign, NOW), store.storage(), &mut SeededRng(7));
    assert_eq!(foreign.err(), Some(VaultError::ReauthNeeded));
}

#[test]
fn device_bound_passkeys_and_the_authenticators_state_stay_and_are_listed() {
    let mut store = filled();
    let mut bound = record("bank.example", 40);
    bound.credential.backup = Backup::DeviceBound;
    put(&mut store, bound);
    let state = StateRecord::new(SecretBytes::new(b"PIN verifier".to_vec()));
    store.commit(ChangeSet { state: Some(state), ..ChangeSet::default() }).unwrap();
    store.change(|draft, _, rng| draft.add_item(item_type::PASSKEY, &[0xa1, 0x01, 0x02], rng)).unwrap();

    let (exported, slot) = export(&store);
    let left_out = &exported.report().left_out;
    assert_eq!(left_out.len(), 3);
    let named = left_out.iter().find(|(_, why)| *why == LeftOut::DeviceBound).unwrap();
    let passkey = named.0.passkey.as_ref().unwrap();
    assert_eq!((passkey.rp_id.as_str(), passkey.account.as_deref()), ("bank.example", Some("user 40")));
    assert!(left_out.iter().any(|(_, why)| *why == LeftOut::OfItsVault));
    assert!(left_out.iter().any(|(_, why)| matches!(why, LeftOut::UnknownRecord(_))));
    let file = reread(&exported);
    assert_eq!((file.item_count(), exported.report().passkeys), (5, 3));
    assert!(verify_backup(&open(&file, &slot).unwrap(), &RustCrypto, |_| ()).is_sound());
}

#[test]
fn what_may_open_the_vault_bounds_what_may_open_its_backups() {
    let policy = Policy { no_fallback: true, least_slots: Some(1), ..Policy::default() };
    let store = store_with(Some(policy), 1);
    let mut rng = SeededRng(7);
    let begin = |rng: &mut SeededRng| {
        Export::new(store.vault(), (&store.vault().opening_proof(), NOW), store.storage(), rng).unwrap()
    };
    let mut refused = begin(&mut rng);
    refused.enrol_recovery_code(&RecoveryCode::make(&mut SeededRng(2)), private(""), &mut rng).unwrap();
    assert!(matches!(refused.finish(TODAY, &mut rng), Err(VaultError::PolicyViolation(_))));
    let mut allowed = begin(&mut rng);
    allowed.enrol_device(&device(), private(""), &mut rng).unwrap();
    allowed.finish(TODAY, &mut rng).unwrap();
}

#[test]
fn a_passkey_in_a_backup_says_that_it_is_backed_up() {
    let mut store = filled();
    let (exported, _) = export(&store);
    assert!(passkeys(&store, "example.org").iter().all(|record| !record.credential.backup.backed_up()));
    keep(&mut store, &exported);
    assert!(passkeys(&store, "example.org").iter().all(|record| record.credential.backup.backed_up()));
}

#[test]
fn the_next_backup_needs_nobody_and_has_the_items_of_today() {
    let mut store = filled();
    assert_eq!(next(&store, TODAY).err(), Some(VaultError::NotFound), "no recipients were fixed");
    let (first, slot) = export(&store);
    keep(&mut store, &first);
    put(&mut store, record("new.example", 50));
    let gone = ids(&store, NOTE)[0];
    store.delete(&gone).unwrap();

    let time = UnixTime(TODAY.0 + 1);
    let second = next(&store, time).unwrap();
    keep(&mut store, &second);
    let third = next(&store, time).unwrap();
    for (exported, key_gen) in [(&second, 2), (&third, 3)] {
        let file = reread(exported);
        assert_eq!(file.backup_id(), first.file().backup_id());
        let backup = open(&file, &slot).unwrap();
        assert_eq!(backup.vault().key_gen(), key_gen, "a rotation");
        assert_eq!(backup.vault().slot_private(&slot).unwrap().unwrap().label, "New phone");
        let report = verify_backup(&backup, &RustCrypto, |_| ());
        assert_eq!((report.passkeys, report.host_items, report.is_sound()), (4, 1, true));
        assert_eq!(backup.open_item(&gone).err(), Some(VaultError::NotFound));
    }
    assert_eq!(ids(&store, item_type::BACKUP_LINEAGE).len(), 1, "one is kept, the last");
}

#[test]
fn the_next_backup_wants_a_state_that_was_checked_or_a_word() {
    let mut store = filled();
    let (first, _) = export(&store);
    keep(&mut store, &first);
    // An old copy of the vault may name recipients that were dropped since.
    let mut vault = reopen(store.storage());
    let lineage = Lineage::load(&vault, store.storage()).unwrap().unwrap();
    let next = |vault: &Vault| {
        lineage.export(vault, store.storage(), (NOW, TODAY), &mut SeededRng(99)).map(|_| ()).err()
    };
    assert_eq!(next(&vault), Some(VaultError::Unchecked));
    vault.accept_as_is();
    assert_eq!(next(&vault), None);
}

#[test]
fn of_two_lineages_the_newest_counts_and_the_next_backup_leaves_one() {
    let mut store = filled();
    let (first, _) = export(&store);
    keep(&mut store, &first);
    // What another device wrote at the same time stands beside it, after both were reconciled.
    let id = ids(&store, item_type::BACKUP_LINEAGE)[0];
    let older = store.get(&id).unwrap().plaintext;
    let second = next(&store, UnixTime(TODAY.0 + 60)).unwrap();
    keep(&mut store, &second);
    store.change(|draft, _, rng| draft.add_item(item_type::BACKUP_LINEAGE, older.expose(), rng)).unwrap();
    let lineage = Lineage::load(store.vault(), store.storage()).unwrap().unwrap();
    assert_eq!(lineage.info().created, TODAY.0 + 60);
    let third = next(&store, TODAY).unwrap();
    keep(&mut store, &third);
    assert_eq!(ids(&store, item_type::BACKUP_LINEAGE).len(), 1);
}

#[test]
fn the_lineage_is_found_where_the_storage_has_no_index() {
    let mut store = filled();
    let (first, _) = export(&store);
    keep(&mut store, &first);
    let bare = MemoryStorage::import(&Envelope::export(store.storage()).unwrap().unwrap()).unwrap();
    let lineage = Lineage::load(store.vault(), &bare).unwrap().unwrap();
    assert_eq!(lineage.backup_id(), first.file().backup_id());
    assert_eq!(lineage.recipients().count(), 1);
    assert_eq!(lineage.info().created, TODAY.0);
}

#[test]
fn a_backup_of_a_state_that_has_passed_is_not_kept() {
    let mut store = filled();
    let (exported, _) = export(&store);
    store.put(NOTE, b"meanwhile").unwrap();
    let late = store.change(|draft, storage, rng| exported.keep(draft, storage, rng));
    assert_eq!(late.err(), Some(VaultError::StaleWrite));
}

#[test]
fn changes_since_the_last_backup_are_counted() {
    let mut store = filled();
    let count = |store: &Store| {
        let lineage = Lineage::load(store.vault(), store.storage()).unwrap();
        changes_since(lineage.as_ref(), store.vault(), store.storage()).unwrap()
    };
    let changes = |added, changed, deleted| Changes { added, changed, deleted };
    assert_eq!(count(&store), changes(5, 0, 0));
    let (exported, _) = export(&store);
    keep(&mut store, &exported);
    assert_eq!(count(&store), Changes::default(), "keeping it is no change");

    put(&mut store, record("new.example", 50));
    let mut bound = record("bank.example", 40);
    bound.credential.backup = Backup::DeviceBound;
    put(&mut store, bound);
    assert_eq!(count(&store), changes(1, 0, 0), "what stays here does not count");
    store.replace(&ids(&store, NOTE)[0], b"another note").unwrap();
    store.delete(&ids(&store, NOTE + 1)[0]).unwrap();
    assert_eq!((count(&store), count(&store).total()), (changes(1, 1, 1), 3));
    let second = next(&store, TODAY).unwrap();
    keep(&mut store, &second);
    assert_eq!(count(&store), Changes::default());
}

#[test]
fn a_backup_is_due_by_age_and_by_changes() {
    let some = Changes { added: 2, changed: 1, deleted: 0 };
    let day = 86_400;
    let due = |last: Option<u64>, changes, now| {
        backup_due(&BackupSchedule::default(), last.map(UnixTime), &changes, UnixTime(now))
    };
    assert_eq!(due(None, Changes::default(), 0), BackupDue::NothingNew);
    assert_eq!(due(None, some, 0), BackupDue::NeverMade);
    assert_eq!(due(Some(day), some, day), BackupDue::At(UnixTime(8 * day)));
    assert_eq!(due(Some(day), some, 8 * day - 1), BackupDue::At(UnixTime(8 * day)));
    assert_eq!(due(Some(day), some, 8 * day), BackupDue::TooOld);
    assert_eq!(due(Some(day), Changes::default(), 80 * day), BackupDue::NothingNew);
    assert_eq!(due(Some(day), some, day - 1), BackupDue::TooOld, "a clock that went back");
    let often = BackupSchedule { most_changes: Some(2), ..BackupSchedule::WEEKLY };
    let due = backup_due(&often, Some(UnixTime(day)), &some, UnixTime(day));
    assert_eq!((due, due.is_due()), (BackupDue::TooManyChanges, true));
}

/// A backup with broken passkeys, each broken in its own way.
fn broken() -> (Exported, SlotId) {
    let mut store = new_store();
    put(&mut store, record("good.example", 1));
    let mut swapped = record("swapped.example", 4);
    let stranger = record("x", 7).secret.key;
    let private = swapped.secret.key.private().clone_secret();
    swapped.secret.key =
        KeyPair::from_parts(swapped.secret.key.algorithm(), private, stranger.public().clone()).unwrap();
    put(&mut store, swapped);
    let mut blank = record("blank.example", 2);
    blank.secret.cred_random_with_uv = Secret::init_with(|_| ());
    put(&mut store, blank);
    let mut twins = record("twins.example", 3);
    twins.secret.cred_random_without_uv = twins.secret.cred_random_with_uv.clone_secret();
    put(&mut store, twins);
    // One passkey, twice.
    let double = record("good.example", 1);
    store.change(|draft, _, rng| draft.add_item(item_type::PASSKEY, double.encode().expose(), rng)).unwrap();

    let mut rng = SeededRng(77);
    let mut export =
        Export::new(store.vault(), (&store.vault().opening_proof(), NOW), store.storage(), &mut rng).unwrap();
    let slot = export.enrol_device(&device(), SlotPrivate::default(), &mut rng).unwrap();
    (export.finish(TODAY, &mut rng).unwrap(), slot)
}

#[test]
fn verification_names_what_would_not_come_back() {
    let (exported, slot) = broken();
    let file = reread(&exported);
    let backup = open(&file, &slot).unwrap();
    let mut seen = Vec::new();
    let report = verify_backup(&backup, &RustCrypto, |progress| seen.push((progress.done, progress.of)));
    assert_eq!(seen, [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]);
    assert_eq!((report.passkeys, report.is_sound()), (1, false));
    let fault = |rp: &str| {
        let of = |item: &ItemName| item.passkey.as_ref().is_some_and(|passkey| passkey.rp_id.as_str() == rp);
        report.faults.iter().find(|(item, _)| of(item)).unwrap().1
    };
    assert_eq!(fault("swapped.example"), Fault::PublicKey);
    assert_eq!(fault("blank.example"), Fault::PrfSeed);
    assert_eq!(fault("twins.example"), Fault::PrfSeed);
    assert_eq!(fault("good.example"), Fault::Duplicate);

    let steps: Vec<_> = Verification::new(&backup, &RustCrypto).collect();
    assert_eq!(steps.iter().filter(|step| step.outcome.is_err()).count(), 4);
    assert_eq!(reread(&exported), file, "nothing has changed");
}

#[test]
fn a_device_bound_passkey_in_a_backup_is_not_restored() {
    // Somebody else's program put it there.
    let store = filled();
    let mut rng = SeededRng(77);
    let mut export =
        Export::new(store.vault(), (&store.vault().opening_proof(), NOW), store.storage(), &mut rng).unwrap();
    let slot = export.enrol_device(&device(), SlotPrivate::default(), &mut rng).unwrap();
    let mut bound = record("bank.example", 40);
    bound.credential.backup = Backup::DeviceBound;
    export.delete_item(&ids(&store, NOTE)[0]).unwrap();
    export.delete_item(&ids(&store, NOTE + 1)[0]).unwrap();
    export.add_item(item_type::PASSKEY, bound.encode().expose(), &mut rng).unwrap();
    export.add_item(item_type::AUTHENTICATOR_STATE, b"state", &mut rng).unwrap();
    let file = reread(&export.finish(TODAY, &mut rng).unwrap());
    let backup = open(&file, &slot).unwrap();
    let (new, report) = restored(&backup);
    let mut why: Vec<_> = report.refused.iter().map(|(_, why)| *why).collect();
    why.sort_by_key(|why| format!("{why:?}"));
    let unfit = |why| Refused::Faulty(Fault::Unfit(why));
    assert_eq!(why, [unfit(LeftOut::DeviceBound), unfit(LeftOut::OfItsVault)]);
    assert_eq!(new.vault().item_count(), 3);
}

#[test]
fn the_number_of_items_must_be_the_one_that_was_said() {
    let store = filled();
    let mut rng = SeededRng(77);
    let mut export =
        Export::new(store.vault(), (&store.vault().opening_proof(), NOW), store.storage(), &mut rng).unwrap();
    let slot = export.enrol_device(&device(), SlotPrivate::default(), &mut rng).unwrap();
    export.delete_item(&ids(&store, NOTE)[0]).unwrap();
    let file = reread(&export.finish(TODAY, &mut rng).unwrap());
    assert!(matches!(open(&file, &slot).err(), Some(VaultError::Malformed(_))));
}

#[test]
fn broken_items_are_refused_one_by_one_and_the_others_come_back() {
    let (exported, slot) = broken();
    let file = reread(&exported);
    let (new, report) = restored(&open(&file, &slot).unwrap());
    assert_eq!((report.restored.len(), report.refused.len()), (1, 4));
    assert!(report.refused.iter().all(|(_, why)| matches!(why, Refused::Faulty(_))));
    assert_eq!(passkeys(&new, "good.example").len(), 1);
    assert_eq!(new.vault().item_count(), 1);
}

#[test]
fn an_open_vault_takes_what_it_has_not_and_keeps_what_it_has() {
    let mut store = filled();
    let (exported, slot) = export(&store);
    keep(&mut store, &exported);
    let file = reread(&exported);
    let backup = open(&file, &slot).unwrap();
    // A passkey was used, one deleted, one replaced by another key of that ID; a note was changed.
    let used_id = CredentialId::new(&[1; 32]).unwrap();
    let mut used = store.load(&Query::Identified(used_id.clone())).unwrap()[0].clone_secret();
    used.credential.last_used = Some(TODAY);
    put(&mut store, used);
    let delete = vec![CredentialId::new(&[2; 32]).unwrap()];
    store.commit(ChangeSet { delete, ..ChangeSet::default() }).unwrap();
    let mut other = record("example.org", 60);
    other.credential.id = CredentialId::new(&[3; 32]).unwrap();
    put(&mut store, other);
    let note = ids(&store, NOTE)[0];
    store.replace(&note, b"a better note").unwrap();

    let report = restore_into(&mut store, &backup);
    assert_eq!((report.restored.len(), report.already_there.len()), (1, 2));
    let mut why: Vec<_> = report.refused.iter().map(|(_, why)| *why).collect();
    why.sort_by_key(|why| format!("{why:?}"));
    assert_eq!(why, [Refused::CredentialTaken, Refused::DiffersHere]);
    assert_eq!(store.get(&note).unwrap().plaintext.expose(), b"a better note");
    let used = store.load(&Query::Identified(used_id)).unwrap()[0].clone_secret();
    assert_eq!(used.credential.last_used, Some(TODAY), "what is there stays");
    assert_eq!(passkeys(&store, "example.org").len(), 3);
    let back = report.restored[0].item_id;
    assert_eq!(store.vault().row(&back).unwrap().version, 3, "the one after that in the backup");

    let again = restore_into(&mut store, &backup);
    assert_eq!((again.restored.len(), again.already_there.len()), (0, 3));
}

#[test]
fn a_passkey_that_opens_the_vault_is_not_restored_into_it() {
    let mut store = filled();
    let own = record("vault.example", 70);
    let own_id = own.credential.id.clone();
    put(&mut store, own);
    let (exported, slot) = export(&store);
    let file = reread(&exported);
    let backup = open(&file, &slot).unwrap();

    let mut rng = SeededRng(5);
    let vault_id = VaultId::make(&mut rng);
    let mut draft = Administration::new_vault(vault_id, None, &mut rng).unwrap();
    let (rp_id, salt) = (RpId::new("vault.example").unwrap(), PrfSaltMode::PerSlot([3; 32]));
    let output = || evaluate(&[1; 32], &prf_input(&vault_id, &salt));
    let enrolment = PasskeyEnrolment {
        rp_id: &rp_id,
        credential_id: &own_id,
        salt,
        transports: &[],
        pin: None,
        private: private("key"),
    };
    draft.enrol_passkey(enrolment, &output(), &output(), &mut rng).unwrap();
    let nothing = MemoryStorage::default();
    let report = restore(&backup, &mut draft, &to(&nothing), &mut rng, |_| ()).unwrap();
    let refused: Vec<_> = report.refused.iter().map(|(item, why)| (item.item_id, *why)).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].1, Refused::Circular);
    assert_eq!(report.restored.len(), 5);
}

#[test]
fn passkeys_of_the_vaults_own_account_are_refused_alone() {
    let mut store = filled();
    put(&mut store, record("vault.example", 70));
    let (exported, slot) = export(&store);
    let file = reread(&exported);
    let backup = open(&file, &slot).unwrap();
    let own_accounts = [RpId::new("vault.example").unwrap()];
    let mut new = store_with(None, 2);
    new.set_own_accounts(own_accounts.to_vec());
    let report = new
        .change(|draft, items, rng| {
            let to = Destination { own_accounts: &own_accounts, ..to(items) };
            restore(&backup, draft, &to, rng, |_| ())
        })
        .unwrap();
    assert_eq!(report.restored.len(), 5);
    assert_eq!(report.refused.iter().map(|(_, why)| *why).collect::<Vec<_>>(), [Refused::OwnAccount]);
}

#[test]
fn a_backup_is_no_vault_and_a_vault_no_backup() {
    let store = filled();
    let (exported, slot) = export(&store);
    let live = Envelope::export(store.storage()).unwrap().unwrap();
    let device = device();
    let secret = SlotSecret::Device(&device);
    // The envelope inside a backup, put where the vault is.
    let bytes = exported.file().encode();
    let inside = Item::parse(&bytes, Profile::VAULT).unwrap().map().unwrap().at(1).unwrap().bytes().unwrap();
    let inside = Envelope::decode(inside).unwrap();
    let opened = inside.open(&slot, &secret, Opening::default());
    assert_eq!(opened.err(), Some(VaultError::PolicyViolation("this is a backup, not the vault")));
    // The vault, dressed up as a backup.
    let mut writer = Writer::new();
    writer.map(2).unsigned(0).text("countersign/v1/backup").unsigned(1).bytes(&live.encode());
    let file = BackupFile::decode(&writer.finish()).unwrap();
    assert_eq!(file.info(), None);
    let slot = live.slots().next().unwrap().slot_id();
    let opened = file.open(&slot, &secret, Opening::default());
    assert_eq!(opened.err(), Some(VaultError::PolicyViolation("this is no backup")));
}

fn wrapped(name: &str, envelope: &[u8], more: bool) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.map(if more { 3 } else { 2 }).unsigned(0).text(name).unsigned(1).bytes(envelope);
    if more {
        writer.unsigned(2).boolean(true);
    }
    writer.finish()
}

#[test]
fn a_file_that_is_no_backup_of_this_version_is_said_to_be_what_it_is() {
    let (exported, _) = export(&filled());
    let bytes = exported.file().encode();
    let item = Item::parse(&bytes, Profile::VAULT).unwrap();
    let envelope = item.map().unwrap().at(1).unwrap().bytes().unwrap();
    let name = "countersign/v1/backup";
    assert_eq!(wrapped(name, envelope, false), bytes);
    let decode = |bytes: &[u8]| BackupFile::decode(bytes).err();
    let foreign = Some(VaultError::Malformed("not a backup file"));
    let damaged = Some(VaultError::Malformed("a backup file that was cut short or damaged"));
    assert_eq!(decode(b""), foreign);
    assert_eq!(decode(b"PK\x03\x04"), foreign);
    assert_eq!(decode(envelope), foreign);
    assert_eq!(decode(&wrapped(name, envelope, true)), damaged);
    assert_eq!(decode(&[bytes.as_slice(), b"\0"].concat()), damaged);
    let newer = wrapped("countersign/v2/backup", envelope, false);
    assert_eq!(decode(&newer), Some(VaultError::Unsupported("a backup file of another version")));
    let index = Envelope::from_stored(Envelope::decode(envelope).unwrap().to_stored()).unwrap();
    let bare = wrapped(name, &index.encode(), false);
    assert_eq!(decode(&bare), Some(VaultError::Malformed("a backup without its items")));
    for length in 24..bytes.len() {
        assert_eq!(decode(&bytes[..length]), damaged, "{length}");
    }
}

#[test]
fn no_bit_of_a_backup_can_be_changed_unnoticed() {
    let mut store = new_store();
    put(&mut store, record("example.org", 1));
    let (exported, slot) = export(&store);
    let bytes = exported.file().encode();
    for place in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[place] ^= 1 << (place % 8);
        let outcome = BackupFile::decode(&altered).and_then(|file| open(&file, &slot).map(|_| ()));
        let error = outcome.expect_err("an altered backup");
        use VaultError::{Malformed, PolicyViolation, Tampered, Unsupported, WrongSecret};
        let expected =
            matches!(error, Malformed(_) | Tampered(_) | WrongSecret | Unsupported(_) | PolicyViolation(_));
        assert!(expected, "{place}: {error:?}");
    }
}

#[test]
fn items_of_two_backups_of_one_line_do_not_mix() {
    let mut store = new_store();
    let note = store.put(NOTE, b"first").unwrap();
    let (first, slot) = export(&store);
    keep(&mut store, &first);
    store.replace(&note, b"second").unwrap();
    let second = next(&store, TODAY).unwrap();
    let envelope_of = |exported: &Exported| {
        let bytes = exported.file().encode();
        let item = Item::parse(&bytes, Profile::VAULT).unwrap();
        Envelope::decode(item.map().unwrap().at(1).unwrap().bytes().unwrap()).unwrap()
    };
    let (old, new) = (envelope_of(&first), envelope_of(&second));
    let mut mixed = Writer::new();
    let stored = new.to_stored();
    mixed.map(3).unsigned(1).bytes(&stored.manifest).unsigned(2).bytes(&stored.mac).unsigned(3).array(1);
    mixed.raw(old.items().next().unwrap().1);
    let file = BackupFile::decode(&wrapped("countersign/v1/backup", &mixed.finish(), false)).unwrap();
    assert_eq!(open(&file, &slot).err(), Some(VaultError::Tampered("items")));
}

/// A storage whose power goes at its writes: before they are stored, or after, with the answer lost.
struct Cutting {
    inner: MemoryStorage,
    stored: bool,
    writes: Cell<usize>,
}

impl ItemSource for Cutting {
    fn item(&self, id: &ItemId) -> Result<Option<Vec<u8>>, StorageError> {
        self.inner.item(id)
    }
}

impl VaultStorage for &mut Cutting {
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
        self.writes.set(self.writes.get() + 1);
        if self.stored {
            self.inner.write(write)?;
        }
        Err(StorageError::Io)
    }

    fn reindex(&mut self, id: Tag, tags: &[(ItemId, Vec<Tag>)]) -> Result<(), StorageError> {
        self.inner.reindex(id, tags)
    }
}

impl ItemSource for &mut Cutting {
    fn item(&self, id: &ItemId) -> Result<Option<Vec<u8>>, StorageError> {
        self.inner.item(id)
    }
}

fn reopen(storage: &MemoryStorage) -> Vault {
    let envelope = Envelope::from_stored(storage.parts().unwrap().unwrap()).unwrap();
    let slot = envelope.slots().next().unwrap().slot_id();
    envelope.open(&slot, &SlotSecret::Device(&device()), Opening::default()).unwrap().0
}

#[test]
fn a_restoration_that_is_cut_leaves_all_of_it_or_nothing() {
    let (exported, slot) = export(&filled());
    let file = reread(&exported);
    let backup = open(&file, &slot).unwrap();
    for stored in [false, true] {
        // Onto an empty machine.
        let mut storage = Cutting { inner: MemoryStorage::default(), stored, writes: Cell::new(0) };
        let mut rng = SeededRng(5);
        let mut draft = Administration::new_vault(VaultId::make(&mut rng), None, &mut rng).unwrap();
        draft.enrol_device(&device(), private("New laptop"), &mut rng).unwrap();
        restore(&backup, &mut draft, &to(&storage), &mut rng, |_| ()).unwrap();
        let prepared = draft.finish(TODAY, &mut rng).unwrap();
        assert!(PasskeyStore::create(prepared, &mut storage, None, rng, NOW).is_err());
        assert_eq!(storage.writes.get(), 1, "there is one write to cut");
        match stored {
            true => assert_eq!(reopen(&storage.inner).item_count(), 5),
            false => assert!(storage.inner.parts().unwrap().is_none()),
        }

        // Into a vault that is there.
        let mut here = store_with(None, 2);
        here.put(NOTE, b"here before").unwrap();
        let mut storage = Cutting { inner: here.lock(), stored, writes: Cell::new(0) };
        let vault = reopen(&storage.inner);
        let mut store = PasskeyStore::new(vault, &mut storage, None, SeededRng(6)).unwrap();
        let cut = store.change(|draft, items, rng| restore(&backup, draft, &to(items), rng, |_| ()));
        assert_eq!(cut.err(), Some(VaultError::Storage(StorageError::Io)));
        drop(store);
        assert_eq!(storage.writes.get(), 1);
        assert_eq!(reopen(&storage.inner).item_count(), if stored { 6 } else { 1 });
    }
}

#[test]
fn a_backup_that_could_not_be_kept_is_a_backup_all_the_same() {
    let store = filled();
    let (exported, slot) = export(&store);
    for stored in [false, true] {
        let mut storage = Cutting { inner: store.storage().clone(), stored, writes: Cell::new(0) };
        let vault = reopen(&storage.inner);
        let mut cut = PasskeyStore::new(vault, &mut storage, None, SeededRng(6)).unwrap();
        assert!(cut.change(|draft, storage, rng| exported.keep(draft, storage, rng)).is_err());
        drop(cut);
        let vault = reopen(&storage.inner);
        let lineage = Lineage::load(&vault, &storage.inner).unwrap();
        assert_eq!(lineage.is_some(), stored);
        let backed_up = u64::from(stored) + 1;
        assert!(vault.rows().iter().filter(|row| row.version == backed_up).count() >= 3);
    }
    assert!(verify_backup(&open(&reread(&exported), &slot).unwrap(), &RustCrypto, |_| ()).is_sound());
}

/// Two devices with one storage, both in its newest state.
fn two_devices(store: Store) -> [PasskeyStore<SharedStorage, SeededRng>; 2] {
    let shared = SharedStorage::holding(store.lock());
    [11, 12].map(|seed| {
        let vault = reopen(&shared.snapshot());
        let mut device = PasskeyStore::new(vault, shared.clone(), None, SeededRng(seed)).unwrap();
        device.accept_as_is();
        device
    })
}

#[test]
fn what_another_device_wrote_meanwhile_is_new_to_the_next_backup() {
    let [mut here, mut there] = two_devices(filled());
    let mut rng = SeededRng(7);
    let proof = here.vault().opening_proof();
    let mut export = Export::new(here.vault(), (&proof, NOW), here.storage(), &mut rng).unwrap();
    export.enrol_device(&device(), private("phone"), &mut rng).unwrap();
    let exported = export.finish(TODAY, &mut rng).unwrap();
    there.put(NOTE, b"meanwhile").unwrap();
    here.change(|draft, storage, rng| exported.keep(draft, storage, rng)).unwrap();
    let lineage = Lineage::load(here.vault(), here.storage()).unwrap();
    let changes = changes_since(lineage.as_ref(), here.vault(), here.storage()).unwrap();
    assert_eq!(changes, Changes { added: 1, changed: 0, deleted: 0 });
}

#[test]
fn two_devices_that_restore_at_once_restore_each_item_once() {
    let (exported, slot) = export(&filled());
    let file = reread(&exported);
    let backup = open(&file, &slot).unwrap();
    let [mut here, mut there] = two_devices(store_with(None, 2));
    let into = |store: &mut PasskeyStore<SharedStorage, SeededRng>| {
        store.change(|draft, items, rng| restore(&backup, draft, &to(items), rng, |_| ())).unwrap()
    };
    assert_eq!(into(&mut there).restored.len(), 5);
    into(&mut here);
    assert_eq!(here.vault().item_count(), 5);
    assert_eq!(into(&mut here).already_there.len(), 5);
}
