//! `vectors/vault/states.json`: states that `vault-v1-envelope` does not cover, made here and read by the reference reader
//! (`tests/reference/`); and `vectors/vault/python.json`, made there and read here.

mod common;

use common::{
    seeded_rng::SeededRng,
    vault::{Admin, Given, evaluate, private},
    vectors::{array, hex, list, text, vectors},
    world::TODAY,
};
use countersign::{
    backup::{BackupFile, Export, Lineage},
    cbor::{Item, Profile},
    secret::Secret,
    time::{Moment, UnixTime},
    upkeep::{BackupNote, UpkeepRecord},
    vault::{
        Administration, EncryptionSetup, Envelope, ExtraPin, Head, ItemId, MemoryStorage, OldSeal, Opening,
        PasskeyEnrolment, PassphraseCost, Policy, PrfAbility, PrfSaltMode, RecoveryCode, Removal, Resalt,
        SlotId, SlotKind, UsersWord, Vault, VaultId, VaultStorage, item_type, prf_input, reconcile,
    },
    webauthn::{CredentialId, RpId, UvPrfOutput},
};
use serde_json::{Value, json};

/// The least that the format allows.
const CHEAP: PassphraseCost = PassphraseCost { memory_kib: 19_456, passes: 2, lanes: 1 };
const CRED_RANDOM: [u8; 32] = [0xc1; 32];
const OTHER_CRED_RANDOM: [u8; 32] = [0xc2; 32];
const PIN: &str = "0123";
const NOTE: u64 = 64;
/// All randomness is drawn from `tests/common/seeded_rng.rs`, from here on.
const SEED: u64 = 0x5eed;

/// A vault that goes from state to state, each of which is written down.
struct Maker {
    rng: SeededRng,
    storage: MemoryStorage,
    vault: Vault,
    /// How each enabled slot is opened, as the vectors have it.
    unlock: Vec<(SlotId, Value)>,
    states: Vec<Value>,
    time: u64,
}

fn device() -> Secret<32> {
    Secret::init_with(|secret| secret.fill(0xd5))
}

fn salt(number: u8) -> PrfSaltMode {
    PrfSaltMode::PerSlot([number; 32])
}

fn answer(vault: &VaultId, cred_random: &[u8; 32], salt: PrfSaltMode) -> UvPrfOutput {
    evaluate(cred_random, &prf_input(vault, &salt))
}

fn rp_id() -> RpId {
    RpId::new("vault.example").unwrap()
}

impl Maker {
    fn new() -> Self {
        let mut rng = SeededRng(SEED);
        let vault_id = VaultId::make(&mut rng);
        let mut draft = Administration::new_vault(vault_id, None, &mut rng).unwrap();
        let first = draft.enrol_device(&device(), private("Laptop"), &mut rng).unwrap();
        let output = || answer(&vault_id, &CRED_RANDOM, salt(1));
        let enrolment = PasskeyEnrolment {
            rp_id: &rp_id(),
            credential_id: &CredentialId::new(b"with a PIN").unwrap(),
            salt: salt(1),
            transports: &["usb", "nfc"],
            pin: Some(ExtraPin { pin: PIN, cost: CHEAP }),
            private: private("Key with PIN"),
        };
        let key = draft.enrol_passkey(enrolment, &output(), &output(), &mut rng).unwrap();
        let (shared, shares) = draft.enrol_shares(3, 5, private("Family"), &mut rng).unwrap();
        let shares: Vec<Value> =
            [4, 0, 2].map(|index: usize| json!(shares[index].to_text().as_str())).to_vec();
        let code = RecoveryCode::make(&mut rng);
        let printed = draft.enrol_recovery_code(&code, private("Printed"), &mut rng).unwrap();
        draft.add_item(NOTE, b"a note", &mut rng).unwrap();
        draft.add_item(NOTE + 1, &[7; 100], &mut rng).unwrap();
        let prepared = draft.finish(TODAY, &mut rng).unwrap();
        let mut storage = MemoryStorage::default();
        storage.write(prepared.write()).unwrap();
        let unlock = vec![
            (first, json!({ "device_secret": hex::encode(device().expose()) })),
            (key, json!({ "cred_random_with_uv": hex::encode(CRED_RANDOM), "pin": PIN })),
            (shared, json!({ "shares": shares })),
            (printed, json!({ "code": code.to_text(&vault_id).as_str() })),
        ];
        let vault = prepared.into_vault(None, Moment::default()).unwrap();
        let mut maker = Self { rng, storage, vault, unlock, states: Vec::new(), time: TODAY.0 };
        maker.note("extra PIN, shares 3 of 5, recovery code");
        maker
    }

    /// Stores a change and writes the new state down.
    fn step(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Administration<'_>, &MemoryStorage, &mut SeededRng),
    ) {
        self.quietly(change);
        self.note(name);
    }

    fn quietly(&mut self, change: impl FnOnce(&mut Administration<'_>, &MemoryStorage, &mut SeededRng)) {
        self.time += 60;
        let mut draft = self.vault.admin();
        change(&mut draft, &self.storage, &mut self.rng);
        let prepared = draft.finish(UnixTime(self.time), &mut self.rng).unwrap();
        self.storage.write(prepared.write()).unwrap();
        self.vault.written(prepared, None).unwrap();
        let vault = &self.vault;
        self.unlock
            .retain(|(id, _)| vault.slots().any(|slot| slot.slot_id() == *id && slot.born().is_some()));
    }

    fn note(&mut self, name: &str) {
        let envelope = Envelope::export(&self.storage).unwrap().unwrap();
        let state = describe(name, &envelope, &self.vault, &self.unlock);
        self.states.push(state);
    }
}

/// A state as the vectors have it.
fn describe(name: &str, envelope: &Envelope, vault: &Vault, unlock: &[(SlotId, Value)]) -> Value {
    let slots: Vec<Value> = vault
        .slots()
        .map(|slot| {
            let private = vault.slot_private(&slot.slot_id()).unwrap();
            json!({
                "slot_id": hex::encode(slot.slot_id().0),
                "kind": slot.kind().number(),
                "slot_gen": slot.slot_gen(),
                "born": slot.born(),
                "label": private.as_ref().map(|private| private.label.clone()),
                "idle_credential_id": private.and_then(|private| private.credential_id).map(hex::encode),
            })
        })
        .collect();
    let items: Vec<Value> = envelope
        .items()
        .map(|(row, bytes)| {
            let item = vault.open_item(&row.item_id, bytes).unwrap();
            json!({
                "item_id": hex::encode(row.item_id.0),
                "type": item.item_type,
                "version": item.version,
                "plain": hex::encode(item.plaintext.expose()),
            })
        })
        .collect();
    let with = unlock.iter().map(|(id, secret)| {
        let mut secret = secret.clone();
        secret["slot_id"] = json!(hex::encode(id.0));
        secret
    });
    json!({
        "name": name,
        "epoch": vault.epoch(),
        "key_gen": vault.key_gen(),
        "manifest_hash": hex::encode(vault.base().hash),
        "slots": slots,
        "items": items,
        "unlock_with": with.collect::<Vec<_>>(),
        "envelope": hex::encode(envelope.encode()),
    })
}

fn find(vault: &Vault, kind: SlotKind) -> SlotId {
    vault.slots().find(|slot| slot.kind() == kind && slot.born().is_some()).unwrap().slot_id()
}

/// All states, in order.
fn make() -> Value {
    let mut maker = Maker::new();
    idle_slots(&mut maker);
    new_keys(&mut maker);
    removals_and_policy(&mut maker);
    backups(&mut maker);
    heads(&mut maker);
    a_long_past(&mut maker);
    let states = maker.states;
    json!({
        "set": "vault/states",
        "description": "One vault in states that vault-v1-envelope does not cover, its backups, and two heads that were \
                        reconciled; made by countersign with the randomness of tests/common/seeded_rng.rs",
        "source": { "document": "docs/vault-format.md", "section": "Operations; Backup file; Rulings" },
        "encoding": "lower-case hex",
        "seed": SEED,
        "count": states.len(),
        "states": states,
    })
}

fn idle_slots(maker: &mut Maker) {
    let vault_id = maker.vault.vault_id();
    let credential = |name: &[u8]| CredentialId::new(name).unwrap();
    maker.step("two passkeys that sign in only", |draft, _, rng| {
        let could = ("Could open it", PrfAbility::Observed, credential(b"could"));
        let cannot = ("Signs in only", PrfAbility::NotObserved, credential(b"cannot"));
        for (label, ability, id) in [could, cannot] {
            draft.add_passkey(&rp_id(), &id, ability, private(label), rng).unwrap();
        }
    });
    let idle = |vault: &Vault| {
        let mut idle = vault.slots().filter(|slot| slot.status() == countersign::vault::SlotStatus::Idle);
        idle.next().unwrap().slot_id()
    };
    let id = idle(&maker.vault);
    maker.unlock.push((id, json!({ "cred_random_with_uv": hex::encode(OTHER_CRED_RANDOM) })));
    maker.step("a passkey enabled in place", |draft, _, rng| {
        let setup = EncryptionSetup { salt: salt(2), transports: &["internal"], pin: None };
        let output = || answer(&vault_id, &OTHER_CRED_RANDOM, salt(2));
        draft.enable_encryption(&id, setup, &output(), &output(), rng).unwrap();
    });
}

fn new_keys(maker: &mut Maker) {
    let vault_id = maker.vault.vault_id();
    let printed = find(&maker.vault, SlotKind::RecoveryCode);
    maker.step("the code tested", |draft, _, _| {
        draft.edit_slot_private(&printed, |private| private.last_verified = Some(TODAY.0 + 60)).unwrap();
    });
    let key = maker.unlock[1].0;
    maker.step("a slot with a PIN resalted", |draft, _, rng| {
        let (first, second) =
            (answer(&vault_id, &CRED_RANDOM, salt(1)), answer(&vault_id, &CRED_RANDOM, salt(3)));
        let resalt = Resalt { candidate: [3; 32], first: &first, second: &second, pin: Some(PIN) };
        draft.resalt(&key, resalt, rng).unwrap();
    });
    maker.step("rotated, every item encrypted anew", |draft, items, rng| {
        draft.rotate_and_reencrypt(items, rng).unwrap();
    });
}

fn removals_and_policy(maker: &mut Maker) {
    let shares = find(&maker.vault, SlotKind::Shares);
    maker.step("shares removed without a rotation", |draft, items, rng| {
        let removal = Removal { old_seal: OldSeal::LeaveValid, ..Removal::default() };
        draft.remove_with(&shares, removal, items, rng).unwrap();
    });
    let last = maker.unlock.last().unwrap().0;
    maker.step("a passkey that signs in only again", |draft, items, rng| {
        draft.disable_encryption(&last, OldSeal::Revoke, items, rng).unwrap();
    });
    maker.step("a policy", |draft, _, _| {
        let kinds = [SlotKind::Passkey, SlotKind::RecoveryCode, SlotKind::Shares, SlotKind::Device];
        let policy = Policy {
            most_passkeys: Some(3),
            least_slots: Some(2),
            no_fallback: false,
            allowed_kinds: Some(kinds.to_vec()),
        };
        draft.set_policy(Some(policy)).unwrap();
    });
}

/// A backup with a recipient of its own, what the vault keeps of it, an unattended one, and the upkeep record.
fn backups(maker: &mut Maker) {
    let proof = maker.vault.opening_proof();
    let now = Moment::default();
    let mut export = Export::new(&maker.vault, (&proof, now), &maker.storage, &mut maker.rng).unwrap();
    let code = RecoveryCode::make(&mut maker.rng);
    let text = code.to_text(&export.vault_id());
    let slot = export.enrol_recovery_code(&code, private("Backup code"), &mut maker.rng).unwrap();
    let (shared, shares) = export.enrol_shares(2, 2, private("Two friends"), &mut maker.rng).unwrap();
    let shares: Vec<Value> = shares.iter().map(|share| json!(share.to_text().as_str())).collect();
    let first = export.finish(UnixTime(maker.time), &mut maker.rng).unwrap();
    let unlock = [(slot, json!({ "code": text.as_str() })), (shared, json!({ "shares": shares }))];
    note_backup(maker, "a backup file", first.file(), &unlock);
    maker.step("what a vault keeps of its backup", |draft, items, rng| {
        first.keep(draft, items, rng).unwrap();
    });
    let lineage = Lineage::load(&maker.vault, &maker.storage).unwrap().unwrap();
    let when = (now, UnixTime(maker.time + 60));
    let next = lineage.export(&maker.vault, &maker.storage, when, &mut maker.rng).unwrap();
    note_backup(maker, "a backup file made unattended", next.file(), &unlock);
    let record = UpkeepRecord {
        backups: vec![BackupNote {
            backup_vault: first.file().backup_id(),
            created: UnixTime(maker.time),
            source_epoch: 9,
            items: 2,
            opens_by: vec![SlotKind::RecoveryCode],
            verified: None,
            restored: None,
            place: Some("bank".into()),
        }],
        ..UpkeepRecord::default()
    };
    maker.step("an upkeep record", |draft, _, rng| {
        draft.add_item(item_type::UPKEEP, record.encode().expose(), rng).unwrap();
    });
}

fn note_backup(maker: &mut Maker, name: &str, file: &BackupFile, unlock: &[(SlotId, Value)]) {
    let given = Given::of(&unlock[0].1, &file.backup_id(), None).unwrap();
    let backup = file.open(&unlock[0].0, &given.secret(), Opening::default()).unwrap();
    let bytes = file.encode();
    let entries = Item::parse(&bytes, Profile::VAULT).unwrap().map().unwrap();
    let envelope = Envelope::decode(entries.at(1).unwrap().bytes().unwrap()).unwrap();
    let mut state = describe(name, &envelope, backup.vault(), unlock);
    state["envelope"] = Value::Null;
    state["backup_file"] = json!(hex::encode(&bytes));
    maker.states.push(state);
}

/// Two devices wrote apart; on their owner's word the heads are brought together.
fn heads(maker: &mut Maker) {
    let (ancestor, items) = reopened(&maker.storage);
    let mut apart = Maker {
        rng: SeededRng(SEED + 1),
        storage: maker.storage.clone(),
        vault: reopened(&maker.storage).0,
        unlock: maker.unlock.clone(),
        states: Vec::new(),
        time: maker.time,
    };
    apart.vault.accept_as_is();
    maker.step("one head", |draft, _, rng| {
        draft.add_item(NOTE, b"written here", rng).unwrap();
    });
    apart.step("the other head", |draft, items, rng| {
        draft.rotate(items, rng).unwrap();
        draft.add_item(NOTE, b"written there", rng).unwrap();
    });
    maker.states.append(&mut apart.states);
    let heads = [
        Head { vault: &maker.vault, items: &maker.storage },
        Head { vault: &apart.vault, items: &apart.storage },
    ];
    let proof = maker.vault.opening_proof();
    let (draft, _) =
        reconcile(UsersWord::given(), heads, Some(&ancestor), (&proof, Moment::default()), &mut maker.rng)
            .unwrap();
    drop(items);
    let prepared = draft.finish(UnixTime(maker.time + 60), &mut maker.rng).unwrap();
    // The base is the head of the higher key generation.
    apart.storage.write(prepared.write()).unwrap();
    maker.vault = {
        apart.vault.written(prepared, None).unwrap();
        apart.vault
    };
    maker.storage = apart.storage;
    maker.note("both heads reconciled");
}

fn reopened(storage: &MemoryStorage) -> (Vault, MemoryStorage) {
    let envelope = Envelope::export(storage).unwrap().unwrap();
    let slot =
        envelope.slots().find(|slot| slot.kind() == SlotKind::Device && slot.born().is_some()).unwrap();
    let secret = device();
    let secret = countersign::vault::SlotSecret::Device(&secret);
    (envelope.open(&slot.slot_id(), &secret, Opening::default()).unwrap().0, storage.clone())
}

/// More than 32 states, generations and removals.
fn a_long_past(maker: &mut Maker) {
    // The key of the last state that is written down stays in the list of links, and its epoch falls out of the ancestors.
    for _ in 0..29 {
        maker.quietly(|draft, items, rng| draft.rotate(items, rng).unwrap());
    }
    for number in 0..5 {
        maker.quietly(|draft, _, rng| {
            draft.add_item(NOTE, &[number], rng).unwrap();
        });
    }
    maker.quietly(|draft, _, _| draft.set_policy(None).unwrap());
    let mut gone = Vec::new();
    maker.quietly(|draft, _, rng| {
        let mut enrol = || draft.enrol_device(&Secret::make_random(rng), private("Gone"), rng).unwrap();
        gone.extend((0..34).map(|_| enrol()));
    });
    maker.step("more than 32 ancestors, links and tombstones", |draft, items, rng| {
        gone.iter().for_each(|slot| draft.remove(slot, items, rng).unwrap());
    });
}

const FILE: &str = "vectors/vault/states.json";

/// Writes them: `cargo test --test vault_state_vectors write -- --ignored`.
#[test]
#[ignore = "writes a file of the repository"]
fn write_the_states() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    std::fs::write(path, serde_json::to_string_pretty(&make()).unwrap() + "\n").unwrap();
}

#[test]
fn making_the_states_again_gives_the_same_bytes() {
    let (made, kept) = (make(), vectors("vault/states"));
    for (made, kept) in list(&made, "states").iter().zip(list(&kept, "states")) {
        assert_eq!(made, kept, "{}", text(made, "name"));
    }
    assert_eq!(made, kept);
}

/// Opens a state of either file by every secret, reads everything, and compares.
fn check(state: &Value) -> Vault {
    let name = text(state, "name");
    let backup = state["backup_file"].is_string();
    let bytes = if backup {
        let file = hex(&state["backup_file"]);
        assert_eq!(BackupFile::decode(&file).unwrap().encode(), file);
        let entries = Item::parse(&file, Profile::VAULT).unwrap().map().unwrap();
        entries.at(1).unwrap().bytes().unwrap().to_vec()
    } else {
        hex(&state["envelope"])
    };
    let envelope = Envelope::decode(&bytes).unwrap();
    assert_eq!(envelope.encode(), bytes, "{name}");
    let mut last = None;
    for unlock in list(state, "unlock_with") {
        let slot_id = SlotId(array(unlock, "slot_id"));
        let slot = envelope.slots().find(|slot| slot.slot_id() == slot_id);
        let given = Given::of(unlock, &envelope.vault_id(), slot).unwrap();
        let opening = Opening { backup, ..Opening::default() };
        let (vault, _) = envelope.open(&slot_id, &given.secret(), opening).unwrap();
        assert_eq!((vault.epoch(), vault.key_gen()), (number(state, "epoch"), number(state, "key_gen")));
        assert_eq!(hex::encode(vault.base().hash), text(state, "manifest_hash"), "{name}");
        for slot in list(state, "slots") {
            let id = SlotId(array(slot, "slot_id"));
            let label = vault.slot_private(&id).unwrap().map(|private| private.label);
            assert_eq!(label.as_deref(), slot["label"].as_str(), "{name}");
        }
        assert_eq!(envelope.rows().count(), state["items"].as_array().unwrap().len(), "{name}");
        for item in state["items"].as_array().unwrap() {
            let id = ItemId(array(item, "item_id"));
            let (_, bytes) = envelope.items().find(|(row, _)| row.item_id == id).unwrap();
            let opened = vault.open_item(&id, bytes).unwrap();
            assert_eq!((opened.item_type, opened.version), (number(item, "type"), number(item, "version")));
            assert_eq!(opened.plaintext.expose(), hex(&item["plain"]), "{name}");
        }
        last = Some(vault);
    }
    last.unwrap()
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap()
}

#[test]
fn every_state_opens_by_every_secret() {
    let file = vectors("vault/states");
    list(&file, "states").iter().for_each(|state| drop(check(state)));
}

#[test]
fn what_the_reference_writer_made_opens_and_is_gone_on_with() {
    let file = vectors("vault/python");
    assert_eq!(file["count"], json!(list(&file, "states").len()));
    for state in list(&file, "states") {
        let mut vault = check(state);
        if state["backup_file"].is_string() {
            continue;
        }
        // Rotated here, by what stands in sak_wrap, it opens by the same secrets.
        vault.accept_as_is();
        let mut storage =
            MemoryStorage::import(&Envelope::decode(&hex(&state["envelope"])).unwrap()).unwrap();
        let mut draft = vault.admin();
        draft.rotate(&storage, &mut SeededRng(1)).unwrap();
        let prepared = draft.finish(TODAY, &mut SeededRng(2)).unwrap();
        storage.write(prepared.write()).unwrap();
        let envelope = Envelope::export(&storage).unwrap().unwrap();
        for unlock in list(state, "unlock_with") {
            let slot_id = SlotId(array(unlock, "slot_id"));
            let slot = envelope.slots().find(|slot| slot.slot_id() == slot_id);
            let given = Given::of(unlock, &envelope.vault_id(), slot).unwrap();
            envelope.open(&slot_id, &given.secret(), Opening::default()).unwrap();
        }
    }
}

#[test]
fn a_backup_that_the_reference_writer_made_is_sound() {
    let file = vectors("vault/python");
    let state = list(&file, "states").iter().find(|state| state["backup_file"].is_string()).unwrap();
    let backup = BackupFile::decode(&hex(&state["backup_file"])).unwrap();
    let unlock = &list(state, "unlock_with")[0];
    let given = Given::of(unlock, &backup.backup_id(), None).unwrap();
    let open = backup.open(&SlotId(array(unlock, "slot_id")), &given.secret(), Opening::default()).unwrap();
    let report = countersign::backup::verify_backup(&open, &countersign::crypto::RustCrypto, |_| ());
    assert!(report.is_sound());
}
