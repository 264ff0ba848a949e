//! The upkeep record.

mod common;

use common::{seeded_rng::SeededRng, vault::private, world::TODAY};
use countersign::{
    secret::Secret,
    time::{Moment, UnixTime},
    upkeep::{BackupNote, Coverage, KitNote, KitState, MAX_BACKUPS, UpkeepRecord},
    vault::{
        Administration, ItemId, ItemSource, MemoryStorage, PasskeyStore, SlotId, SlotKind, StorageError,
        StoredVault, Tag, VaultError, VaultId, VaultStorage, Write,
    },
    webauthn::RpId,
};
use proptest::prelude::*;

fn store() -> PasskeyStore<MemoryStorage, SeededRng> {
    let mut rng = SeededRng(4);
    let mut draft = Administration::new_vault(VaultId::make(&mut rng), None, &mut rng).unwrap();
    draft.enrol_device(&Secret::make_random(&mut rng), private("device"), &mut rng).unwrap();
    let prepared = draft.finish(TODAY, &mut rng).unwrap();
    PasskeyStore::create(prepared, MemoryStorage::default(), None, rng, Moment::default()).unwrap()
}

fn backup(number: u8) -> BackupNote {
    BackupNote {
        backup_vault: VaultId([number; 16]),
        created: TODAY,
        source_epoch: 3,
        items: 40,
        opens_by: vec![SlotKind::RecoveryCode, SlotKind::Passphrase],
        verified: Some(UnixTime(TODAY.0 + 1)),
        restored: None,
        place: Some("bank, Anna knows".into()),
    }
}

fn record() -> UpkeepRecord {
    UpkeepRecord {
        backups: vec![backup(1)],
        kit: Some(KitNote {
            revision: 2,
            printed: TODAY,
            slots: vec![(SlotId([1; 16]), 1), (SlotId([2; 16]), 7)],
            place: None,
        }),
        reviewed: Some(TODAY),
        coverage: vec![Coverage {
            rp_id: RpId::new("example.org").unwrap(),
            second_authenticator: Some(false),
            recovery_codes: None,
            note: Some("by telephone".into()),
        }],
    }
}

#[test]
fn a_kit_is_outdated_before_it_is_incomplete_and_that_before_it_is_renewed() {
    let (one, other, third) = (SlotId([1; 16]), SlotId([2; 16]), SlotId([3; 16]));
    let kit = KitNote { revision: 1, printed: TODAY, slots: vec![(one, 1), (other, 7)], place: None };
    assert_eq!(kit.state(&[(other, 7), (one, 1)]), KitState::Current);
    assert_eq!(kit.state(&[(one, 2), (other, 7)]), KitState::Renewed);
    assert_eq!(kit.state(&[(one, 2), (other, 7), (third, 1)]), KitState::Incomplete);
    assert_eq!(kit.state(&[(one, 1), (third, 1)]), KitState::Outdated);
    assert_eq!(kit.state(&[]), KitState::Outdated);
}

#[test]
fn the_record_is_one_item_of_the_vault_however_often_it_is_saved() {
    let mut store = store();
    assert_eq!(UpkeepRecord::load(&store).unwrap(), UpkeepRecord::default());
    record().save(&mut store).unwrap();
    let mut newer = record();
    newer.reviewed = Some(UnixTime(TODAY.0 + 5));
    newer.save(&mut store).unwrap();
    assert_eq!(UpkeepRecord::load(&store).unwrap(), newer);
    assert_eq!(store.vault().item_count(), 1);
}

/// A storage whose index says of everything that it is what is asked for.
struct Lying(MemoryStorage);

impl ItemSource for Lying {
    fn item(&self, id: &ItemId) -> Result<Option<Vec<u8>>, StorageError> {
        self.0.item(id)
    }
}

impl VaultStorage for Lying {
    fn parts(&self) -> Result<Option<StoredVault>, StorageError> {
        self.0.parts()
    }

    fn index_id(&self) -> Result<Option<Tag>, StorageError> {
        self.0.index_id()
    }

    fn tagged(&self, _: &Tag) -> Result<Vec<ItemId>, StorageError> {
        Ok(self.0.parts()?.unwrap().rows.iter().map(|row| row.item_id).collect())
    }

    fn write(&mut self, write: &Write) -> Result<(), StorageError> {
        self.0.write(write)
    }

    fn reindex(&mut self, index_id: Tag, tags: &[(ItemId, Vec<Tag>)]) -> Result<(), StorageError> {
        self.0.reindex(index_id, tags)
    }
}

#[test]
fn an_index_that_lies_costs_no_other_item() {
    let mut rng = SeededRng(5);
    let mut draft = Administration::new_vault(VaultId::make(&mut rng), None, &mut rng).unwrap();
    draft.enrol_device(&Secret::make_random(&mut rng), private("device"), &mut rng).unwrap();
    let note = draft.add_item(64, b"a note", &mut rng).unwrap();
    let prepared = draft.finish(TODAY, &mut rng).unwrap();
    let storage = Lying(MemoryStorage::default());
    let mut store = PasskeyStore::create(prepared, storage, None, rng, Moment::default()).unwrap();
    let lies = VaultError::Tampered("local index");
    assert_eq!(UpkeepRecord::load(&store), Err(lies));
    assert_eq!(record().save(&mut store), Err(lies));
    assert_eq!(store.get(&note).unwrap().plaintext.expose(), b"a note");
}

#[test]
fn what_the_format_cannot_express_is_refused_and_nothing_is_lost() {
    let mut store = store();
    record().save(&mut store).unwrap();
    let never = UpkeepRecord { reviewed: Some(UnixTime(u64::MAX)), ..record() };
    assert!(matches!(never.save(&mut store), Err(VaultError::InvalidInput(_))));
    assert_eq!(UpkeepRecord::load(&store).unwrap(), record());
}

#[test]
fn of_many_backups_the_newest_are_remembered_and_a_renewed_one_once() {
    let mut record = UpkeepRecord::default();
    (0..20).for_each(|number| record.note_backup(backup(number)));
    record.note_backup(BackupNote { items: 41, ..backup(10) });
    assert_eq!(record.backups.len(), MAX_BACKUPS);
    assert_eq!(record.backups[0], backup(4));
    assert_eq!(record.backups.last(), Some(&BackupNote { items: 41, ..backup(10) }));
}

#[test]
fn a_later_version_is_unsupported_and_anything_else_malformed() {
    let mut bytes = record().encode().expose().to_vec();
    assert_eq!(&bytes[1..3], [1, 1], "key 1, version 1");
    bytes[2] = 2;
    assert_eq!(UpkeepRecord::decode(&bytes), Err(VaultError::Unsupported("upkeep record")));
    for cut in 0..bytes.len() {
        assert!(matches!(UpkeepRecord::decode(&bytes[..cut]), Err(VaultError::Malformed(_))));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..150) {
        let mut record = record().encode().expose().to_vec();
        let at = at.min(record.len());
        record.splice(at..at, bytes.iter().copied());
        _ = UpkeepRecord::decode(&record);
        _ = UpkeepRecord::decode(&bytes);
    }
}
