//! Whatever happens to the medium, at whatever moment: the old state or the new one, and nothing confirmed is lost.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

mod common;
#[path = "common/medium.rs"]
mod medium;

use std::{io::ErrorKind, path::Path};

use common::new_vault;
use countersign::{
    crypto::OsRng,
    rand_core::Rng,
    time::Moment,
    time::UnixTime,
    vault::{
        Administration, Envelope, ItemSource, Opening, Prepared, SlotId, SlotPrivate, SlotSecret, SlotStatus,
        StorageError, StoredVault, Vault, VaultStorage,
    },
};
use countersign_host::{HostError, VaultDatabase};
use medium::{Failure, Medium, Op, apply};

fn name() -> &'static Path {
    Path::new("medium")
}

/// A database with a vault, and a vault that can draft on it.
fn begin() -> (Medium, VaultDatabase, Vault) {
    let medium = Medium::default();
    let mut database = VaultDatabase::create(medium.clone(), name()).unwrap();
    let prepared = new_vault();
    database.write(prepared.write()).unwrap();
    (medium, database, prepared.into_vault(None, Moment::default()).unwrap())
}

fn add_item(vault: &Vault, length: usize) -> Prepared {
    let mut rng = OsRng::default();
    let mut draft = vault.administer(&vault.opening_proof(), Moment::default()).unwrap();
    draft.add_item(64, &vec![5; length], &mut rng).unwrap();
    draft.finish(UnixTime(2), &mut rng).unwrap()
}

/// What a medium with these bytes holds: opened, with every item there and as its row says.
fn state_of(bytes: Vec<u8>) -> StoredVault {
    let database = VaultDatabase::open(Medium::holding(bytes), name()).expect("it opens after a cut");
    let parts = database.parts().unwrap().expect("a vault");
    Envelope::export(&database).expect("every row has its item");
    common::unlock(&database);
    for row in &parts.rows {
        let tags = common::unlock(&database).tag("type", &64u64.to_be_bytes());
        assert!(database.tagged(&tags).unwrap().contains(&row.item_id), "the index belongs to the items");
    }
    parts
}

#[test]
fn a_cut_at_any_operation_leaves_the_old_state_or_the_new_one() {
    let (medium, mut database, mut vault) = begin();
    let mut cuts = 0;
    for round in 0..6 {
        let before = database.parts().unwrap().unwrap();
        let bytes_before = medium.bytes();
        medium.take_log();
        let prepared = add_item(&vault, 3000 * round + 10);
        database.write(prepared.write()).unwrap();
        vault.written(prepared, None).unwrap();
        let after = database.parts().unwrap().unwrap();
        assert_ne!(before, after);
        let log = medium.take_log();
        for cut in 0..=log.len() {
            for lost in [Lost::Nothing, Lost::Torn, Lost::SomeUnflushed, Lost::SomeUnflushed] {
                let found = state_of(after_cut(&bytes_before, &log[..cut], lost));
                assert!(found == before || found == after, "round {round}, cut {cut} of {}", log.len());
                assert!(cut < log.len() || found == after, "what was confirmed is there");
                cuts += 1;
            }
        }
    }
    assert!(cuts > 100, "{cuts}");
}

type Change = fn(&mut Administration<'_>, &VaultDatabase, SlotId);

/// What gives a vault or a slot new keys.
const CHANGES: [(&str, Change); 4] = [
    ("rotation", |draft, database, _| draft.rotate(database, &mut OsRng::default()).unwrap()),
    ("refresh", |draft, _, slot| {
        let secret = common::secret();
        draft.refresh(&slot, &SlotSecret::Device(&secret), &mut OsRng::default()).unwrap();
    }),
    ("enrolment", |draft, _, _| {
        let private = SlotPrivate::default();
        draft.enrol_device(&common::secret(), private, &mut OsRng::default()).unwrap();
    }),
    ("removal", |draft, database, slot| draft.remove(&slot, database, &mut OsRng::default()).unwrap()),
];

/// Every slot of it opens the vault, and every item can be read with the key that it gives.
fn assert_whole(bytes: Vec<u8>) -> StoredVault {
    let parts = state_of(bytes.clone());
    let database = VaultDatabase::open(Medium::holding(bytes), name()).unwrap();
    let envelope = Envelope::from_stored(parts.clone()).unwrap();
    let enabled = envelope.slots().filter(|slot| slot.status() == SlotStatus::Enabled);
    for slot in enabled {
        let secret = common::secret();
        let opened = envelope.open(&slot.slot_id(), &SlotSecret::Device(&secret), Opening::default());
        let (vault, _) = opened.expect("old keys or new ones");
        for row in &parts.rows {
            vault.open_item(&row.item_id, &database.item(&row.item_id).unwrap().unwrap()).unwrap();
        }
    }
    parts
}

#[test]
fn a_cut_while_keys_change_leaves_the_old_ones_or_the_new_ones() {
    for (what, change) in CHANGES {
        let (medium, mut database, mut vault) = begin();
        vault.accept_as_is();
        let mut rng = OsRng::default();
        let mut draft = vault.administer(&vault.opening_proof(), Moment::default()).unwrap();
        let slot = draft.enrol_device(&common::secret(), SlotPrivate::default(), &mut rng).unwrap();
        draft.add_item(64, b"an item", &mut rng).unwrap();
        let prepared = draft.finish(UnixTime(2), &mut rng).unwrap();
        database.write(prepared.write()).unwrap();
        vault.written(prepared, None).unwrap();
        let (before, bytes_before) = (database.parts().unwrap().unwrap(), medium.bytes());
        medium.take_log();
        let mut draft = vault.administer(&vault.opening_proof(), Moment::default()).unwrap();
        change(&mut draft, &database, slot);
        database.write(draft.finish(UnixTime(3), &mut rng).unwrap().write()).unwrap();
        let after = database.parts().unwrap().unwrap();
        let (log, mut found_before) = (medium.take_log(), 0);
        for cut in 0..=log.len() {
            for lost in [Lost::Nothing, Lost::Torn, Lost::SomeUnflushed] {
                let found = assert_whole(after_cut(&bytes_before, &log[..cut], lost));
                assert!(found == before || found == after, "{what}, cut {cut} of {}", log.len());
                assert!(cut < log.len() || found == after, "{what}: what was confirmed is there");
                found_before += usize::from(found == before);
            }
        }
        assert!(found_before > 0, "{what}");
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Lost {
    Nothing,
    /// The last write arrived by half.
    Torn,
    /// Of what was written since the last flush, some arrived and some did not, in any order.
    SomeUnflushed,
}

fn after_cut(before: &[u8], log: &[Op], lost: Lost) -> Vec<u8> {
    let mut bytes = before.to_vec();
    let flushed = log.iter().rposition(|op| matches!(op, Op::Sync)).map_or(0, |last| last + 1);
    for (index, op) in log.iter().enumerate() {
        let unflushed = index >= flushed;
        match op {
            Op::Write(offset, data) if lost == Lost::Torn && index + 1 == log.len() => {
                apply(&mut bytes, &Op::Write(*offset, data[..data.len() / 2].to_vec()));
            }
            Op::Write(..) if lost == Lost::SomeUnflushed && unflushed && coin() => {}
            op => apply(&mut bytes, op),
        }
    }
    bytes
}

fn coin() -> bool {
    OsRng::default().next_u32() & 1 == 0
}

#[test]
fn a_full_medium_says_so_and_loses_nothing() {
    failing_medium(ErrorKind::StorageFull, StorageError::Full);
}

#[test]
fn a_failing_medium_says_so_and_loses_nothing() {
    failing_medium(ErrorKind::Other, StorageError::Io);
}

/// Fails at each operation of a write in turn, with and without half of it done, and goes on after opening anew.
fn failing_medium(kind: ErrorKind, expected: StorageError) {
    let (medium, mut database, mut vault) = begin();
    let mut failures = 0;
    for torn in [false, true] {
        for after in 0.. {
            let before = database.parts().unwrap().unwrap();
            let prepared = add_item(&vault, 40_000);
            medium.fail(Some(Failure { after, error: kind, torn }));
            let written = database.write(prepared.write());
            medium.fail(None);
            if written.is_ok() {
                assert_eq!(state_of(medium.bytes()).rows.len(), before.rows.len() + 1);
                vault.written(prepared, None).unwrap();
                break;
            }
            assert_eq!(written, Err(expected), "operation {after}");
            failures += 1;
            drop(database);
            database = VaultDatabase::open(medium.clone(), name()).unwrap();
            let found = database.parts().unwrap().unwrap();
            if found != before {
                // It arrived although its last flush failed: the whole of it, and the vault says that it is stale.
                assert_eq!(found.manifest, prepared.write().manifest);
                let again = database.write(add_item(&vault, 10).write());
                assert_eq!(again, Err(StorageError::Conflict));
                vault = common::unlock(&database);
            }
            assert_eq!(state_of(medium.bytes()), found);
        }
    }
    assert!(failures >= 6, "{failures}");
}

#[test]
fn a_cut_while_the_database_is_made_is_never_taken_for_a_vault() {
    let medium = Medium::default();
    drop(VaultDatabase::create(medium.clone(), name()).unwrap());
    let log = medium.take_log();
    for cut in 0..log.len() {
        let bytes = after_cut(&[], &log[..cut], Lost::Nothing);
        match VaultDatabase::open(Medium::holding(bytes), name()) {
            Ok(database) => assert_eq!(database.parts().unwrap(), None),
            Err(error) => {
                assert!(matches!(error, HostError::WrongFile(..) | HostError::Damaged(_)), "{error}")
            }
        }
    }
}
