//! A vault file: what it promises about creating, opening, locking, modes, and what it answers.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

mod common;

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Stdio,
};

use common::{create, credential_id, mode, myself, names, new_vault, part, passkey, reopen, start, unlock};
use countersign::{
    credential::{ChangeSet, CredentialStore, Query},
    crypto::{OsRng, sha256},
    rand_core::Rng,
    time::Moment,
    vault::{
        Administration, Envelope, ItemSource, Opening, PasskeyStore, SlotSecret, StorageError, VaultError,
        VaultStorage, Write, item_type,
    },
    webauthn::RpId,
};
use countersign_host::{HostError, VaultFile, envelope_file};
use redb::ReadableTable;
use tempfile::{TempDir, tempdir};

fn put(store: &mut impl CredentialStore, numbers: std::ops::Range<u32>) {
    let put = numbers.map(|number| passkey("example.com", number)).collect();
    store.commit(ChangeSet { put, ..ChangeSet::default() }).unwrap();
}

fn count(store: &impl CredentialStore) -> usize {
    store.load(&Query::Discoverable(RpId::new("example.com").unwrap())).unwrap().len()
}

/// A file with a vault of three passkeys, closed.
fn closed_vault() -> (TempDir, std::path::PathBuf) {
    let directory = tempdir().unwrap();
    let path = directory.path().join("vault.redb");
    put(&mut create(VaultFile::create(&path).unwrap()), 0..3);
    (directory, path)
}

#[test]
fn what_was_written_is_there_after_reopening() {
    let (_directory, path) = closed_vault();
    let mut store = reopen(VaultFile::open(&path).unwrap());
    assert_eq!(count(&store), 3);
    let delete = vec![credential_id(1)];
    store.commit(ChangeSet { delete, ..ChangeSet::default() }).unwrap();
    drop(store);
    assert_eq!(count(&reopen(VaultFile::open(&path).unwrap())), 2);
}

#[test]
fn a_file_answers_as_the_reference_storage_does() {
    use countersign::vault::MemoryStorage;
    let directory = tempdir().unwrap();
    let mut file = VaultFile::create(&directory.path().join("v")).unwrap();
    let mut memory = MemoryStorage::default();
    let mut rng = OsRng::default();
    let prepared = new_vault();
    file.write(prepared.write()).unwrap();
    memory.write(prepared.write()).unwrap();
    let mut vault = prepared.into_vault(None, Moment::default()).unwrap();
    let mut ids = Vec::new();
    let mut tags = Vec::new();
    for step in 0..60 {
        let mut draft = vault.administer(&vault.opening_proof(), Moment::default()).unwrap();
        match rng.next_u32() % 4 {
            0 if !ids.is_empty() => {
                let id = ids.swap_remove(rng.next_u32() as usize % ids.len());
                draft.delete_item(&id).unwrap();
            }
            1 if !ids.is_empty() => {
                let id = ids[rng.next_u32() as usize % ids.len()];
                draft.change_item(&id, 64 + u64::from(rng.next_u32() % 3), &[step; 9], &mut rng).unwrap();
            }
            2 if step % 7 == 0 => draft.rotate(&memory, &mut rng).unwrap(),
            _ => ids.push(draft.add_item(64 + u64::from(step % 3), &[step], &mut rng).unwrap()),
        }
        let prepared = draft.finish(countersign::time::UnixTime(9), &mut rng).unwrap();
        file.write(prepared.write()).unwrap();
        memory.write(prepared.write()).unwrap();
        tags.extend(prepared.write().put.iter().flat_map(|put| put.tags.clone()));
        vault.written(prepared, None).unwrap();
        same(&file, &memory, &tags);
    }
    let index_id = [9; 32];
    let new_tags: Vec<_> = ids.iter().map(|id| (*id, vec![[1; 32], [2; 32]])).collect();
    file.reindex(index_id, &new_tags).unwrap();
    memory.reindex(index_id, &new_tags).unwrap();
    tags.extend([[1; 32], [2; 32]]);
    same(&file, &memory, &tags);
}

fn same(file: &VaultFile, memory: &dyn VaultStorage, tags: &[[u8; 32]]) {
    let parts = memory.parts().unwrap().unwrap();
    assert_eq!(file.parts().unwrap().unwrap(), parts);
    assert_eq!(file.index_id().unwrap(), memory.index_id().unwrap());
    for row in parts.rows {
        assert_eq!(file.item(&row.item_id).unwrap(), memory.item(&row.item_id).unwrap());
    }
    for tag in tags {
        let mut found = file.tagged(tag).unwrap();
        let mut expected = memory.tagged(tag).unwrap();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }
}

#[test]
fn a_write_on_another_base_is_a_conflict_and_changes_nothing() {
    let (_directory, path) = closed_vault();
    let mut file = VaultFile::open(&path).unwrap();
    let vault = unlock(&file);
    let mut rng = OsRng::default();
    let mut prepare = || {
        let mut draft = vault.administer(&vault.opening_proof(), Moment::default()).unwrap();
        draft.add_item(64, b"mine", &mut rng).unwrap();
        draft.finish(countersign::time::UnixTime(9), &mut rng).unwrap()
    };
    let (first, second) = (prepare(), prepare());
    file.write(first.write()).unwrap();
    let after_first = file.parts().unwrap();
    assert_eq!(file.write(second.write()), Err(StorageError::Conflict));
    let off_by_an_epoch = Write {
        base: second.write().base.map(|base| countersign::vault::Base { epoch: base.epoch + 2, ..base }),
        ..second.write().clone()
    };
    assert_eq!(file.write(&off_by_an_epoch), Err(StorageError::Conflict));
    assert_eq!(file.write(new_vault().write()), Err(StorageError::Conflict));
    assert_eq!(file.parts().unwrap(), after_first);
    for put in &second.write().put {
        assert_eq!(file.item(&put.row.item_id).unwrap(), None);
    }
}

#[test]
fn a_new_file_and_directory_are_the_owners_alone_whatever_the_umask() {
    if let Some(path) = part() {
        create(VaultFile::create(&path).unwrap());
        return;
    }
    for umask in ["000", "022", "377"] {
        let directory = tempdir().unwrap();
        let path = directory.path().join("new").join("vault.redb");
        if umask == "377" {
            // Nobody but root could make a file in a directory that this umask leaves.
            fs::create_dir(directory.path().join("new")).unwrap();
        }
        let mut shell = std::process::Command::new("sh");
        let me = myself("a_new_file_and_directory_are_the_owners_alone_whatever_the_umask", &path);
        let script = format!("umask {umask}; exec \"$0\" \"$@\"");
        shell
            .args(["-c", script.as_str()])
            .arg(me.get_program())
            .args(me.get_args())
            .env(common::PART, &path);
        assert!(shell.stdout(Stdio::null()).status().unwrap().success());
        assert_eq!(mode(&path), 0o600, "umask {umask}");
        if umask != "377" {
            assert_eq!(mode(path.parent().unwrap()), 0o700, "umask {umask}");
        }
    }
}

#[test]
fn a_file_gets_its_name_with_its_first_write_and_never_replaces_another() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("vault.redb");
    let file = VaultFile::create(&path).unwrap();
    assert!(!path.exists());
    assert_eq!(mode(&directory.path().join(&names(directory.path())[0])), 0o600, "from the start");
    assert!(file.size().unwrap() > 0);
    assert!(file.envelope().unwrap().is_none());
    drop(file);
    assert_eq!(names(directory.path()), [""; 0], "dropped without a write it is gone");

    let late = VaultFile::create(&path).unwrap();
    let store = create(VaultFile::create(&path).unwrap());
    assert!(matches!(VaultFile::create(&path), Err(HostError::AlreadyExists(_))));
    let refused = PasskeyStore::create(new_vault(), late, None, OsRng::default(), Moment::default());
    assert_eq!(refused.err(), Some(VaultError::Storage(StorageError::Conflict)), "somebody came first");
    let parts = store.storage().parts().unwrap();
    drop(store);
    assert_eq!(VaultFile::open(&path).unwrap().parts().unwrap(), parts);
    assert_eq!(names(directory.path()), ["vault.redb"]);
}

#[test]
fn a_file_that_another_process_holds_is_busy() {
    if let Some(path) = part() {
        let _file = VaultFile::open(&path).unwrap();
        common::say("\nREADY");
        std::io::stdin().read_line(&mut String::new()).unwrap();
        return;
    }
    let (_directory, path) = closed_vault();
    let (mut child, _output) = start(myself("a_file_that_another_process_holds_is_busy", &path));
    let refused = VaultFile::open(&path);
    assert!(matches!(&refused, Err(HostError::Busy(busy)) if *busy == path));
    assert!(refused.err().unwrap().to_string().contains("another process"));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(count(&reopen(VaultFile::open(&path).unwrap())), 3);
}

#[test]
fn a_file_that_this_process_holds_is_busy_too() {
    let (_directory, path) = closed_vault();
    let held = VaultFile::open(&path).unwrap();
    assert!(matches!(VaultFile::open(&path), Err(HostError::Busy(_))));
    drop(held);
    VaultFile::open(&path).unwrap();
}

#[test]
fn a_file_that_is_not_there_or_is_something_else_is_said_so() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("vault.redb");
    assert!(matches!(VaultFile::open(&path), Err(HostError::NotFound(_))));
    for contents in [&b""[..], b"redb", b"some text that is longer than a header", &[0; 65536]] {
        fs::write(&path, contents).unwrap();
        assert!(matches!(VaultFile::open(&path), Err(HostError::WrongFile(..))), "{}", contents.len());
        assert_eq!(fs::read(&path).unwrap(), contents, "it is left alone");
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(VaultFile::open(&path), Err(HostError::Io(..))), "a directory");
}

#[test]
fn a_database_of_somebody_else_is_no_vault() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("theirs.redb");
    let table = redb::TableDefinition::<&str, &[u8]>::new("meta");
    let database = redb::Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(table).unwrap().insert("something", [1].as_slice()).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(matches!(VaultFile::open(&path), Err(HostError::WrongFile(..))));
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_left_alone() {
    let (_directory, path) = closed_vault();
    let table = redb::TableDefinition::<&str, &[u8]>::new("meta");
    let database = redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(table).unwrap().insert("format", 2u32.to_be_bytes().as_slice()).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let refused = VaultFile::open(&path);
    assert!(matches!(&refused, Err(HostError::NewerVersion(_))));
    assert!(refused.err().unwrap().to_string().contains("newer version"));
}

#[test]
fn a_read_only_file_is_an_io_error_or_opens_for_root() {
    let (_directory, path) = closed_vault();
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    match VaultFile::open(&path) {
        Ok(_) => {
            assert!(fs::OpenOptions::new().write(true).open(&path).is_ok(), "only who may write opens it")
        }
        Err(error) => assert!(matches!(error, HostError::Io(..))),
    }
}

#[test]
fn an_envelope_goes_out_and_comes_back_as_the_same_vault() {
    let (directory, path) = closed_vault();
    let file = VaultFile::open(&path).unwrap();
    let exported = directory.path().join("vault.cbor");
    fs::write(&exported, b"an earlier export").unwrap();
    fs::set_permissions(&exported, Permissions::from_mode(0o644)).unwrap();
    envelope_file::export(&file, &exported).unwrap();
    assert_eq!(mode(&exported), 0o600);
    let (before, once) = (fs::read(&exported).unwrap(), envelope_file::export_new(&file, &exported));
    assert!(matches!(once, Err(HostError::AlreadyExists(_))));
    assert_eq!(fs::read(&exported).unwrap(), before);
    fs::remove_file(&exported).unwrap();
    envelope_file::export_new(&file, &exported).unwrap();
    assert_eq!((mode(&exported), fs::read(&exported).unwrap()), (0o600, before));
    let envelope = envelope_file::read(&exported).unwrap();
    assert_eq!(envelope, Envelope::export(&file).unwrap().unwrap());

    let copy_path = directory.path().join("copy.redb");
    let copy = VaultFile::import(&copy_path, &envelope).unwrap();
    assert_eq!(copy.parts().unwrap(), file.parts().unwrap());
    assert_eq!(copy.index_id().unwrap(), None);
    let store = reopen(copy);
    assert_eq!(count(&store), 3, "the index is made when the vault is opened");
    assert!(store.storage().index_id().unwrap().is_some());
    assert!(matches!(VaultFile::import(&copy_path, &envelope), Err(HostError::AlreadyExists(_))));
    assert_eq!(names(directory.path()), ["copy.redb", "vault.cbor", "vault.redb"]);

    let without_items = Envelope::from_stored(file.parts().unwrap().unwrap()).unwrap();
    let refused = VaultFile::import(&directory.path().join("index.redb"), &without_items);
    assert!(matches!(refused, Err(HostError::Vault(VaultError::InvalidInput(_)))));
    assert_eq!(names(directory.path()), ["copy.redb", "vault.cbor", "vault.redb"]);
}

#[test]
fn compacting_gives_room_back_and_keeps_everything() {
    let directory = tempdir().unwrap();
    let mut file = VaultFile::create(&directory.path().join("vault.redb")).unwrap();
    let mut rng = OsRng::default();
    let prepared = new_vault();
    file.write(prepared.write()).unwrap();
    let mut vault = prepared.into_vault(None, Moment::default()).unwrap();
    let mut change = |file: &mut VaultFile, edit: &dyn Fn(&mut Administration<'_>, &mut OsRng)| {
        let mut draft = vault.administer(&vault.opening_proof(), Moment::default()).unwrap();
        edit(&mut draft, &mut rng);
        let prepared = draft.finish(countersign::time::UnixTime(9), &mut rng).unwrap();
        file.write(prepared.write()).unwrap();
        vault.written(prepared, None).unwrap();
        vault.rows()
    };
    let kept = change(&mut file, &|draft, rng| _ = draft.add_item(64, b"kept", rng).unwrap());
    let all = change(&mut file, &|draft, rng| {
        for _ in 0..40 {
            draft.add_item(64, &[0; 100_000], rng).unwrap();
        }
    });
    change(&mut file, &|draft, _| {
        let big = all.iter().filter(|row| !kept.contains(row));
        big.for_each(|row| draft.delete_item(&row.item_id).unwrap());
    });
    let before = file.size().unwrap();
    assert!(file.compact().unwrap());
    assert!(file.size().unwrap() < before / 2, "{} of {before}", file.size().unwrap());
    assert_eq!(file.parts().unwrap().unwrap().rows, kept);
    assert!(file.check().unwrap());
    assert_eq!(unlock(&file).item_count(), 1);
}

#[test]
fn an_altered_item_is_refused_and_a_missing_index_is_rebuilt() {
    let (_directory, path) = closed_vault();
    let items = redb::TableDefinition::<[u8; 16], &[u8]>::new("items");
    let alter = |edit: &dyn Fn(&redb::WriteTransaction)| {
        let database = redb::Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        edit(&transaction);
        transaction.commit().unwrap();
    };

    // The index gone: tables, id and all.
    alter(&|transaction| {
        let tags = redb::MultimapTableDefinition::<[u8; 32], [u8; 16]>::new("tags");
        let tags_of = redb::MultimapTableDefinition::<[u8; 16], [u8; 32]>::new("tags of");
        transaction.delete_multimap_table(tags).unwrap();
        transaction.delete_multimap_table(tags_of).unwrap();
        let meta = redb::TableDefinition::<&str, &[u8]>::new("meta");
        transaction.open_table(meta).unwrap().remove("index").unwrap();
    });
    assert_eq!(count(&reopen(VaultFile::open(&path).unwrap())), 3);

    // One bit of one item.
    let file = VaultFile::open(&path).unwrap();
    let id = reopen(file).list(item_type::PASSKEY).unwrap()[0];
    alter(&|transaction| {
        let mut table = transaction.open_table(items).unwrap();
        let mut bytes = table.get(id.as_bytes()).unwrap().unwrap().value().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        table.insert(id.as_bytes(), bytes.as_slice()).unwrap();
    });
    let store = reopen(VaultFile::open(&path).unwrap());
    assert!(matches!(store.get(&id), Err(VaultError::Tampered(_))));
    let query = Query::Discoverable(RpId::new("example.com").unwrap());
    assert!(store.load(&query).is_err(), "what was altered is not passed over in silence");
    drop(store);

    // A row that says otherwise: the manifest vouches for the rows as a whole.
    alter(&|transaction| {
        let rows = redb::TableDefinition::<[u8; 16], (u64, [u8; 32])>::new("rows");
        let mut table = transaction.open_table(rows).unwrap();
        let hash = table.get(id.as_bytes()).unwrap().unwrap().value().1;
        table.insert(id.as_bytes(), (2, hash)).unwrap();
    });
    let envelope = VaultFile::open(&path).unwrap().envelope().unwrap().unwrap();
    let slot = envelope.slots().next().unwrap().slot_id();
    let opened = envelope.open(&slot, &SlotSecret::Device(&common::secret()), Opening::default());
    assert!(matches!(opened, Err(VaultError::Tampered(_))));
}

#[test]
fn a_file_whose_bytes_were_altered_is_refused_or_the_same_vault_and_never_panics() {
    let name = "a_file_whose_bytes_were_altered_is_refused_or_the_same_vault_and_never_panics";
    if part().is_none() {
        // In a process of its own: nothing may end it, and nothing of a panic may reach its standard error.
        let output = myself(name, "x".as_ref()).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !errors.contains("panicked"), "{errors}");
        return;
    }
    let (directory, path) = closed_vault();
    let pristine = fs::read(&path).unwrap();
    let whole = opened_whole(&path).unwrap();
    // Where something stands that counts, and as many places where anything stands: most of the file is room for more.
    let mut places = live_places(&pristine, &whole);
    let anything: Vec<_> = (0..pristine.len()).filter(|place| pristine[*place] != 0).collect();
    places.extend(anything.iter().step_by(anything.len() / places.len()));
    let mut state = 0x76;
    countersign_host::silence_contained_panics();
    let mut refused = 0;
    for round in 0..300 {
        let mut bytes = pristine.clone();
        for _ in 0..=round % 3 {
            let place = places[next(&mut state) as usize % places.len()];
            bytes[place] ^= 1 << (next(&mut state) % 8);
        }
        // Some are cut short as well.
        if round % 50 == 49 {
            bytes.truncate(next(&mut state) as usize % bytes.len());
        }
        let altered = directory.path().join(format!("altered{round}"));
        fs::write(&altered, bytes).unwrap();
        match opened_whole(&altered) {
            Some(found) => assert!(found == whole, "authenticated, so unchanged"),
            None => refused += 1,
        }
        change(&altered);
        fs::remove_file(altered).unwrap();
    }
    assert!(refused > 60, "only {refused} of 300 files were refused");
}

/// A generator whose failures come again (splitmix64).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Everything else that can be asked of a file: whatever it answers, it answers.
fn change(path: &Path) {
    let Ok(mut file) = VaultFile::open(path) else { return };
    let Ok(Some(envelope)) = file.envelope() else { return };
    let base = envelope.to_stored();
    let write = Write {
        vault_id: envelope.vault_id(),
        base: Some(countersign::vault::Base { epoch: envelope.epoch(), hash: sha256(&base.manifest) }),
        epoch: envelope.epoch() + 1,
        manifest: base.manifest,
        mac: base.mac,
        put: Vec::new(),
        delete: base.rows.iter().map(|row| row.item_id).collect(),
        index_id: [1; 32],
    };
    _ = (file.index_id(), file.tagged(&[0; 32]), file.reindex([2; 32], &[]), file.write(&write));
    _ = (file.check(), file.compact());
}

/// The header of the database, and wherever the manifest and the items stand in it.
fn live_places(file: &[u8], whole: &Envelope) -> Vec<usize> {
    let manifest = whole.to_stored().manifest;
    let mut places: Vec<_> = (0..320).filter(|place| file[*place] != 0).collect();
    for live in whole.items().map(|(_, bytes)| bytes).chain([manifest.as_slice()]) {
        let start = file.windows(live.len()).rposition(|window| window == live);
        places.extend(start.into_iter().flat_map(|start| start..start + live.len()));
    }
    places
}

/// The vault in a file, if it opens, with all its items, to who has the secret.
fn opened_whole(path: &Path) -> Option<Envelope> {
    let envelope = Envelope::export(&VaultFile::open(path).ok()?).ok()??;
    let slot = envelope.slots().next()?.slot_id();
    envelope.open(&slot, &SlotSecret::Device(&common::secret()), Opening::default()).ok()?;
    Some(envelope)
}
