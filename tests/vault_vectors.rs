//! Reading: `vault-v1-envelope.json`, every state by every slot, every memory case and every negative.

mod common;

use common::{
    seeded_rng::SeededRng,
    vault::{Admin, Given, TestMemory, open, seen},
    vectors::{array, hex, list, vectors},
};
use countersign::{
    backup::BackupFile,
    cbor::Writer,
    secret::Secret,
    time::UnixTime,
    vault::{
        Envelope, Freshness, ItemId, MemoryStorage, Opening, SlotId, SlotKind, SlotPrivate, SlotStatus,
        Vault, VaultError, VaultId, VaultStorage,
    },
};
use serde_json::Value;

/// Every state of every vault, with the vault's and its own name.
fn states(vectors: &Value) -> impl Iterator<Item = (String, &Value)> {
    list(vectors, "vaults").iter().flat_map(|vault| {
        list(vault, "states")
            .iter()
            .map(move |state| (format!("{} / {}", vault["name"], state["name"]), state))
    })
}

/// A state may have none.
fn items(state: &Value) -> &[Value] {
    state["items"].as_array().unwrap()
}

fn is_backup(name: &str) -> bool {
    name.contains("backup of A")
}

#[test]
fn every_state_decodes_and_encodes_to_the_same_bytes() {
    let vectors = vectors("vault-v1-envelope");
    for (name, state) in states(&vectors) {
        let bytes = hex(&state["envelope"]);
        let envelope = Envelope::decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(envelope.encode(), bytes, "{name}");
        assert_eq!(envelope.epoch(), state["epoch"].as_u64().unwrap(), "{name}");
        assert_eq!(envelope.key_gen(), state["key_gen"].as_u64().unwrap(), "{name}");
        assert_eq!(envelope.to_stored().manifest, hex(&state["manifest"]), "{name}");
        assert_eq!(envelope.to_stored().mac.to_vec(), hex(&state["mac"]), "{name}");
        let kinds: Vec<u64> = envelope.slots().map(|slot| slot.kind().number()).collect();
        let expected: Vec<u64> =
            list(state, "slots").iter().map(|slot| slot["kind"].as_u64().unwrap()).collect();
        assert_eq!(kinds, expected, "{name}");
        for (slot, expected) in envelope.slots().zip(list(state, "slots")) {
            assert_eq!(slot.slot_id().0, array(expected, "slot_id"), "{name}");
            assert_eq!(slot.prf_input(), expected.get("prf_input").map(hex), "{name}");
        }
    }
}

#[test]
fn the_index_form_has_the_rows_of_the_whole_form_and_opens_alike() {
    let vectors = vectors("vault-v1-envelope");
    for (name, state) in states(&vectors) {
        let whole = Envelope::decode(&hex(&state["envelope"])).unwrap();
        let index = Envelope::from_stored(whole.to_stored()).unwrap();
        let bytes = index.encode();
        assert!(bytes.ends_with(&hex(&state["index"])), "{name}");
        assert_eq!(Envelope::decode(&bytes).unwrap(), index, "{name}");
        let unlock = &list(state, "unlock_with")[0];
        let opening = Opening { backup: is_backup(&name), ..Opening::default() };
        open(&bytes, &SlotId(array(unlock, "slot_id")), unlock, opening)
            .unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

#[test]
fn every_state_opens_by_every_slot_and_yields_its_items() {
    let vectors = vectors("vault-v1-envelope");
    for (name, state) in states(&vectors) {
        for unlock in list(state, "unlock_with") {
            let slot_id = SlotId(array(unlock, "slot_id"));
            let opening = Opening { backup: is_backup(&name), ..Opening::default() };
            let opened = open(&hex(&state["envelope"]), &slot_id, unlock, opening);
            let (envelope, vault, freshness) =
                opened.unwrap_or_else(|error| panic!("{name} {slot_id}: {error}"));
            assert_eq!(freshness, Freshness::Unchecked);
            assert_eq!(vault.opened_by(), Some(slot_id));
            // One state comes in index form; its items lie beside it.
            let stored = items(state).iter().map(|item| hex(&item["bytes"]));
            let plain: Vec<_> = envelope
                .rows()
                .zip(stored)
                .map(|(row, bytes)| {
                    let item = vault.open_item(&row.item_id, &bytes).unwrap();
                    (row.item_id.0.to_vec(), item.version, item.item_type, item.plaintext.expose().to_vec())
                })
                .collect();
            let expected: Vec<_> = items(state)
                .iter()
                .map(|item| {
                    let number = |key: &str| item[key].as_u64().unwrap();
                    (hex(&item["item_id"]), number("version"), number("type"), hex(&item["plain"]))
                })
                .collect();
            assert_eq!(plain, expected, "{name}");
        }
    }
}

#[test]
fn the_backup_file_reads_and_writes_and_opens() {
    let vectors = vectors("vault-v1-envelope");
    let vault = list(&vectors, "vaults").iter().find(|vault| vault.get("backup_file").is_some()).unwrap();
    let (bytes, state) = (hex(&vault["backup_file"]), &list(vault, "states")[0]);
    let file = BackupFile::decode(&bytes).unwrap();
    assert_eq!(file.encode(), bytes);
    assert!(bytes.ends_with(&hex(&state["envelope"])));
    for unlock in list(state, "unlock_with") {
        let given = Given::of(unlock, &file.backup_id(), None).unwrap();
        let opened =
            file.open(&SlotId(array(unlock, "slot_id")), &given.secret(), Opening::default()).unwrap();
        for item in items(state) {
            let plaintext = opened.open_item(&ItemId(array(item, "item_id"))).unwrap().plaintext;
            assert_eq!(plaintext.expose(), hex(&item["plain"]));
        }
        assert_eq!(file.item_count(), items(state).len());
    }
}

#[test]
fn private_parts_are_read() {
    let vectors = vectors("vault-v1-envelope");
    let mut compared = 0;
    for (name, state) in states(&vectors) {
        let unlock = &list(state, "unlock_with")[0];
        let opening = Opening { backup: is_backup(&name), ..Opening::default() };
        let (_, vault, _) =
            open(&hex(&state["envelope"]), &SlotId(array(unlock, "slot_id")), unlock, opening).unwrap();
        for slot in list(state, "slots").iter().filter(|slot| slot.get("private_plain").is_some()) {
            let private = vault.slot_private(&SlotId(array(slot, "slot_id"))).unwrap().unwrap();
            // The label is a text of less than 24 bytes, or one with a length byte, right after the key 1.
            let plain = hex(&slot["private_plain"]);
            let (head, text) =
                if plain[2] == 0x78 { (4, plain[3] as usize) } else { (3, (plain[2] & 0x1f) as usize) };
            assert_eq!(private.label.as_bytes(), &plain[head..head + text], "{name}");
            compared += 1;
        }
    }
    assert_eq!(compared, 32);
}

#[test]
fn an_idle_passkey_is_listed_and_opens_nothing() {
    let vectors = vectors("vault-v1-envelope");
    let state = &vectors["vaults"][1]["states"][0];
    let envelope = Envelope::decode(&hex(&state["envelope"])).unwrap();
    let idle = envelope.slots().find(|slot| slot.status() == countersign::vault::SlotStatus::Idle).unwrap();
    assert_eq!(idle.kind(), SlotKind::Passkey);
    let given = Given::of(
        &serde_json::json!({"cred_random_with_uv": "11".repeat(32)}),
        &envelope.vault_id(),
        Some(idle),
    );
    let opened = envelope.open(&idle.slot_id(), &given.unwrap().secret(), Opening::default());
    assert_eq!(opened.err(), Some(VaultError::WrongSecret));
}

/// The whole form of a state, from its parts; its items are listed in the order of their identifiers.
fn whole_form(state: &Value) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.map(3).unsigned(1).bytes(&hex(&state["manifest"])).unsigned(2).bytes(&hex(&state["mac"]));
    let items = list(state, "items");
    writer.unsigned(3).array(items.len());
    for item in items {
        writer.raw(&hex(&item["bytes"]));
    }
    writer.finish()
}

#[test]
fn idle_passkeys_and_slots_of_every_kind_are_kept_through_every_change() {
    let vectors = vectors("vault-v1-envelope");
    let state = &vectors["vaults"][1]["states"][0];
    let envelope = whole_form(state);
    let mut rng = SeededRng(1);
    for unlock in list(state, "unlock_with") {
        let opened_by = SlotId(array(unlock, "slot_id"));
        let (envelope, mut vault, _) = open(&envelope, &opened_by, unlock, Opening::default()).unwrap();
        let mut storage = MemoryStorage::import(&envelope).unwrap();
        vault.accept_as_is();
        let shape = |vault: &Vault| -> Vec<_> {
            let slots = vault.slots().filter(|slot| slot.status() != SlotStatus::Tombstone);
            slots.map(|slot| (slot.slot_id(), slot.kind(), slot.status())).collect()
        };
        let privates = |vault: &Vault| -> Vec<_> {
            shape(vault).iter().map(|(id, ..)| vault.slot_private(id).unwrap().unwrap()).collect()
        };
        let before = (shape(&vault), privates(&vault));
        assert!(before.0.iter().any(|(_, _, status)| *status == SlotStatus::Idle));
        let given = Given::of(unlock, &vault.vault_id(), envelope.slots().find(|s| s.slot_id() == opened_by));
        let given = given.unwrap();
        let mut added = None;
        for step in 0..5 {
            let mut draft = vault.admin();
            match step {
                0 => _ = draft.add_item(64, b"new", &mut rng).unwrap(),
                1 => draft.refresh(&opened_by, &given.secret(), &mut rng).unwrap(),
                2 => draft.rotate(&storage, &mut rng).unwrap(),
                3 => {
                    let secret = Secret::from_slice(&[3; 32]).unwrap();
                    let private = SlotPrivate { label: "added".into(), ..SlotPrivate::default() };
                    added = Some(draft.enrol_device(&secret, private, &mut rng).unwrap());
                }
                _ => draft.remove(&added.unwrap(), &storage, &mut rng).unwrap(),
            }
            let prepared = draft.finish(UnixTime(2_000_000_000), &mut rng).unwrap();
            storage.write(prepared.write()).unwrap();
            vault.written(prepared, None).unwrap();
            // By the slot's own secret, from what is stored, not from what the writer has in hand.
            let stored = Envelope::from_stored(storage.parts().unwrap().unwrap()).unwrap();
            let (again, _) = stored.open(&opened_by, &given.secret(), Opening::default()).unwrap();
            if step != 3 {
                assert_eq!((shape(&again), privates(&again)), before, "step {step}");
            }
        }
        assert_eq!(vault.key_gen(), envelope.key_gen() + 2);
    }
}

#[test]
fn memory_cases_say_what_they_must() {
    let vectors = vectors("vault-v1-envelope");
    for case in list(&vectors, "memory") {
        let name = case["name"].as_str().unwrap();
        let envelope = hex(&case["envelope"]);
        let vault_id = Envelope::decode(&envelope).unwrap().vault_id();
        let mut memory = TestMemory::default();
        if !case["memory"].is_null() {
            memory.seen.insert(vault_id, seen(&case["memory"]));
        }
        let opening = Opening { memory: Some(&mut memory), ..Opening::default() };
        let (_, vault, freshness) = open(&envelope, &SlotId(array(case, "slot_id")), &case["given"], opening)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(format!("{freshness:?}"), case["state"].as_str().unwrap(), "{name}");
        assert_eq!(memory.seen[&vault_id].epoch, vault.epoch(), "{name}: remembered afterwards");
    }
}

/// The class of an error, by the names of the vectors.
fn class(error: VaultError) -> &'static str {
    match error {
        VaultError::Malformed(_) => "Malformed",
        VaultError::Unsupported(_) => "Unsupported",
        VaultError::WrongSecret => "WrongSecret",
        VaultError::Tampered(_) => "Tampered",
        VaultError::PolicyViolation(_) => "PolicyViolation",
        VaultError::Rollback => "Rollback",
        VaultError::Fork => "Fork",
        _ => "another class",
    }
}

#[test]
fn every_negative_is_refused_with_its_class() {
    let vectors = vectors("vault-v1-envelope");
    let negatives = list(&vectors, "negative");
    assert_eq!(negatives.len(), 45);
    for case in negatives {
        let name = case["name"].as_str().unwrap();
        let mut memory = TestMemory::default();
        if !case["memory"].is_null() {
            let vault_id = Envelope::decode(&hex(&case["envelope"])).unwrap().vault_id();
            memory.seen.insert(vault_id, seen(&case["memory"]));
        }
        let before = memory.seen.clone();
        let expected_vault_id =
            (!case["expect_vault_id"].is_null()).then(|| VaultId(array(case, "expect_vault_id")));
        let opening = Opening { expected_vault_id, memory: Some(&mut memory), ..Opening::default() };
        let opened = open(&hex(&case["envelope"]), &SlotId(array(case, "slot_id")), &case["given"], opening);
        let error = opened.err().unwrap_or_else(|| panic!("{name}: was opened"));
        assert_eq!(class(error), case["error"].as_str().unwrap(), "{name}: {error}");
        assert_eq!(memory.seen, before, "{name}: memory was written");
    }
}
