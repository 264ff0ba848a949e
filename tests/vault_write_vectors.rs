//! Writing: the states of vaults A and B, each made from the one before it with the randomness that the vectors name, in our
//! documented order of draws, and compared byte for byte.

mod common;

use common::{
    vault::{Admin, Given, TestMemory, evaluate, named_draws, open},
    vectors::{array, hex, list, vectors},
};
use countersign::{
    cbor::{Item, Profile},
    rand_core::CryptoRng,
    secret::Secret,
    time::{Moment, UnixTime},
    vault::{
        Administration, Envelope, ExtraPin, ItemId, MemoryStorage, Opening, PasskeyEnrolment, PassphraseCost,
        Policy, Prepared, PrfAbility, PrfSaltMode, RecoveryCode, Resalt, SlotId, SlotKind, SlotPrivate,
        SlotStatus, Vault, VaultError, VaultId, VaultStorage, prf_input,
    },
    webauthn::{CredentialId, RpId},
};
use serde_json::Value;

/// What the vectors' extra PIN costs.
const PIN_COST: PassphraseCost = PassphraseCost { memory_kib: 19_456, passes: 2, lanes: 1 };

fn vault_a(vectors: &Value) -> &Value {
    &vectors["vaults"][0]
}

fn state(vault: &Value, index: usize) -> &Value {
    &list(vault, "states")[index]
}

/// The state opened by the first slot it lists, as seen before, and stored.
fn open_state(state: &Value) -> (Vault, MemoryStorage) {
    let unlock = list(state, "unlock_with").iter().find(|unlock| unlock.get("passphrase").is_none()).unwrap();
    let slot_id = SlotId(array(unlock, "slot_id"));
    let bytes = hex(&state["envelope"]);
    let mut memory = TestMemory::default();
    for _ in 0..2 {
        let opening = Opening { memory: Some(&mut memory), ..Opening::default() };
        open(&bytes, &slot_id, unlock, opening).unwrap();
    }
    let opening = Opening { memory: Some(&mut memory), ..Opening::default() };
    let (envelope, vault, _) = open(&bytes, &slot_id, unlock, opening).unwrap();
    (vault, MemoryStorage::import(&envelope).unwrap())
}

/// The time of a state, from its manifest's key 11.
fn time_of(state: &Value) -> UnixTime {
    let manifest = hex(&state["manifest"]);
    let item = Item::parse(&manifest, Profile::VAULT).unwrap();
    UnixTime(item.map().unwrap().at(11).unwrap().unsigned().unwrap())
}

fn stored(storage: &mut MemoryStorage, prepared: &Prepared) -> Vec<u8> {
    storage.write(prepared.write()).unwrap();
    Envelope::export(storage).unwrap().unwrap().encode()
}

fn assert_same(made: &[u8], expected: &Value) {
    let expected = hex(&expected["envelope"]);
    let expected = Envelope::decode(&expected).unwrap();
    let made = Envelope::decode(made).unwrap();
    assert_eq!(made.to_stored().rows, expected.to_stored().rows, "index");
    assert_eq!(
        hex::encode(made.to_stored().manifest),
        hex::encode(expected.to_stored().manifest),
        "manifest"
    );
    assert_eq!(made.to_stored().mac, expected.to_stored().mac, "mac");
    if expected.items().next().is_some() {
        assert_eq!(made.encode(), expected.encode());
    }
}

fn private(label: &str, created: u64) -> SlotPrivate {
    SlotPrivate { label: label.into(), created, ..SlotPrivate::default() }
}

fn enrol_passkey(
    draft: &mut Administration<'_>,
    vault: &Value,
    (vault_id, number, transports): (VaultId, &str, &[&str]),
    private: SlotPrivate,
    rng: &mut dyn CryptoRng,
) -> Result<SlotId, VaultError> {
    let random = |name: &str| hex(&vault["randomness"][format!("{name}.{number}")]);
    let salt = PrfSaltMode::PerSlot(random("prf_salt").try_into().unwrap());
    let input = prf_input(&vault_id, &salt);
    let output = || evaluate(&random("cred_random"), &input);
    let enrolment = PasskeyEnrolment {
        rp_id: &RpId::new("vault.example").unwrap(),
        credential_id: &CredentialId::new(&random("credential")).unwrap(),
        salt,
        transports,
        pin: None,
        private,
    };
    draft.enrol_passkey(enrolment, &output(), &output(), rng)
}

#[test]
fn create_with_a_passkey_and_a_recovery_code() {
    let vectors = vectors("vault-v1-envelope");
    let (vault, expected) = (vault_a(&vectors), state(vault_a(&vectors), 0));
    let names = [
        "vault_id",
        "vrk.1",
        "slot_id.passkey-1",
        "kdf_salt.4bdc.1",
        "slot_sk.4bdc.1",
        "sak.4bdc.1",
        "wrapped.nonce.4bdc.1",
        "code.1",
        "slot_id.code-1",
        "kdf_salt.9fec.1",
        "slot_sk.9fec.1",
        "sak.9fec.1",
        "wrapped.nonce.9fec.1",
        "seal.ikmE.4bdc.1.1",
        "sak.nonce.4bdc.1.1",
        "private.nonce.1",
        "seal.ikmE.9fec.1.1",
        "sak.nonce.9fec.1.1",
        "private.nonce.2",
    ];
    let mut rng = named_draws(vault, &names);
    let time = time_of(expected);
    // The vectors' slots are a minute older than the state that first has them.
    let created = time.0 - 60;
    let vault_id = VaultId::make(&mut rng);
    let mut draft = Administration::new_vault(vault_id, None, &mut rng).unwrap();
    let phone =
        SlotPrivate { backup_eligible: Some(true), backed_up: Some(true), ..private("Phone", created) };
    let view = Envelope::decode(&hex(&expected["envelope"])).unwrap();
    let transports = view.slots().next().unwrap().transports();
    enrol_passkey(&mut draft, vault, (vault_id, "1", &transports), phone, &mut rng).unwrap();
    let code = RecoveryCode::make(&mut rng);
    assert_eq!(code.to_text(&vault_id).as_str(), list(expected, "unlock_with")[1]["code"].as_str().unwrap());
    draft.enrol_recovery_code(&code, private("Printed code", created), &mut rng).unwrap();
    let prepared = draft.finish(time, &mut rng).unwrap();
    drop(rng);
    let mut storage = MemoryStorage::default();
    assert_same(&stored(&mut storage, &prepared), expected);
    assert_eq!(prepared.into_vault(None, Moment::default()).unwrap().epoch(), 1);
}

#[test]
fn enrol_a_passphrase_and_a_second_passkey_and_add_two_items() {
    let vectors = vectors("vault-v1-envelope");
    let (vault, expected) = (vault_a(&vectors), state(vault_a(&vectors), 1));
    let (open, mut storage) = open_state(state(vault, 0));
    let names = [
        "argon2.salt",
        "slot_id.passphrase-1",
        "kdf_salt.dfdd.1",
        "slot_sk.dfdd.1",
        "sak.dfdd.1",
        "wrapped.nonce.dfdd.1",
        "slot_id.passkey-2",
        "kdf_salt.47f8.1",
        "slot_sk.47f8.1",
        "sak.47f8.1",
        "wrapped.nonce.47f8.1",
        "item_id.1",
        "cek.8456.1",
        "item.nonce.8456.1",
        "item_id.2",
        "cek.7815.1",
        "item.nonce.7815.1",
        "seal.ikmE.47f8.1.1",
        "sak.nonce.47f8.1.1",
        "private.nonce.4",
        "seal.ikmE.dfdd.1.1",
        "sak.nonce.dfdd.1.1",
        "private.nonce.3",
        "cek.nonce.7815.1.1",
        "cek.nonce.8456.1.1",
    ];
    let mut rng = named_draws(vault, &names);
    let time = time_of(expected);
    // The vectors' slots are a minute older than the state that first has them.
    let created = time.0 - 60;
    let view = Envelope::decode(&hex(&expected["envelope"])).unwrap();
    let transports = view.slots().next().unwrap().transports();
    let unlock = list(expected, "unlock_with");
    let passphrase = unlock.iter().find_map(|unlock| unlock.get("passphrase")).unwrap().as_str().unwrap();
    let mut draft = open.admin();
    draft
        .enrol_passphrase(passphrase, PassphraseCost::default(), private("Passphrase", created), &mut rng)
        .unwrap();
    let key = private("Security key", created);
    enrol_passkey(&mut draft, vault, (open.vault_id(), "2", &transports), key, &mut rng).unwrap();
    for item in list(expected, "items").iter().rev() {
        draft.add_item(item["type"].as_u64().unwrap(), &hex(&item["plain"]), &mut rng).unwrap();
    }
    let prepared = draft.finish(time, &mut rng).unwrap();
    drop(rng);
    assert_same(&stored(&mut storage, &prepared), expected);
}

#[test]
fn change_an_item() {
    let vectors = vectors("vault-v1-envelope");
    let (vault, expected) = (vault_a(&vectors), state(vault_a(&vectors), 2));
    let (open, mut storage) = open_state(state(vault, 1));
    let mut rng = named_draws(vault, &["cek.8456.2", "item.nonce.8456.2", "cek.nonce.8456.2.1"]);
    let item = list(expected, "items").iter().find(|item| item["version"] == 2).unwrap();
    let mut draft = open.admin();
    draft.change_item(&ItemId(array(item, "item_id")), 1, &hex(&item["plain"]), &mut rng).unwrap();
    let prepared = draft.finish(time_of(expected), &mut rng).unwrap();
    drop(rng);
    assert_same(&stored(&mut storage, &prepared), expected);
}

#[test]
fn rotate_with_no_authenticator() {
    let vectors = vectors("vault-v1-envelope");
    let (vault, expected) = (vault_a(&vectors), state(vault_a(&vectors), 3));
    let (open, mut storage) = open_state(state(vault, 2));
    let names = [
        "vrk.2",
        "seal.ikmE.47f8.1.2",
        "sak.nonce.47f8.1.2",
        "private.nonce.8",
        "seal.ikmE.4bdc.1.2",
        "sak.nonce.4bdc.1.2",
        "private.nonce.5",
        "seal.ikmE.9fec.1.2",
        "sak.nonce.9fec.1.2",
        "private.nonce.6",
        "seal.ikmE.dfdd.1.2",
        "sak.nonce.dfdd.1.2",
        "private.nonce.7",
        "cek.nonce.7815.1.2",
        "cek.nonce.8456.2.2",
    ];
    let mut rng = named_draws(vault, &names);
    let mut draft = open.admin();
    draft.rotate(&storage, &mut rng).unwrap();
    let prepared = draft.finish(time_of(expected), &mut rng).unwrap();
    drop(rng);
    assert_same(&stored(&mut storage, &prepared), expected);
}

#[test]
fn refresh_a_passkey_slot() {
    let vectors = vectors("vault-v1-envelope");
    let (vault, expected) = (vault_a(&vectors), state(vault_a(&vectors), 4));
    let (open, mut storage) = open_state(state(vault, 3));
    let names = [
        "kdf_salt.4bdc.2",
        "slot_sk.4bdc.2",
        "sak.4bdc.2",
        "wrapped.nonce.4bdc.2",
        "seal.ikmE.4bdc.2.2",
        "sak.nonce.4bdc.2.2",
        "private.nonce.9",
    ];
    let mut rng = named_draws(vault, &names);
    let unlock = list(expected, "unlock_with")
        .iter()
        .find(|unlock| unlock["slot_id"].as_str().unwrap().starts_with("4bdc"));
    let unlock = unlock.unwrap();
    let slot_id = SlotId(array(unlock, "slot_id"));
    assert!(open.refresh_due().any(|due| due == slot_id));
    let given =
        Given::of(unlock, &open.vault_id(), open.slots().find(|slot| slot.slot_id() == slot_id)).unwrap();
    let mut draft = open.admin();
    draft.refresh(&slot_id, &given.secret(), &mut rng).unwrap();
    let prepared = draft.finish(time_of(expected), &mut rng).unwrap();
    drop(rng);
    assert_same(&stored(&mut storage, &prepared), expected);
}

#[test]
fn remove_a_slot_which_rotates() {
    let vectors = vectors("vault-v1-envelope");
    let (vault, expected) = (vault_a(&vectors), state(vault_a(&vectors), 6));
    let (open, mut storage) = open_state(state(vault, 5));
    let names = [
        "vrk.3",
        "seal.ikmE.47f8.1.3",
        "sak.nonce.47f8.1.3",
        "private.nonce.13",
        "seal.ikmE.4bdc.3.3",
        "sak.nonce.4bdc.3.3",
        "private.nonce.11",
        "seal.ikmE.9fec.1.3",
        "sak.nonce.9fec.1.3",
        "private.nonce.12",
        "cek.nonce.7815.1.3",
        "cek.nonce.8456.2.3",
    ];
    let mut rng = named_draws(vault, &names);
    let passphrase = list(state(vault, 5), "slots").iter().find(|slot| slot["kind"] == 3).unwrap();
    let mut draft = open.admin();
    draft.remove(&SlotId(array(passphrase, "slot_id")), &storage, &mut rng).unwrap();
    let prepared = draft.finish(time_of(expected), &mut rng).unwrap();
    drop(rng);
    assert_same(&stored(&mut storage, &prepared), expected);
}

/// A slot of a manifest, byte for byte.
fn raw_slot(manifest: &[u8], id: &SlotId) -> Vec<u8> {
    let manifest = Item::parse(manifest, Profile::VAULT).unwrap();
    let mut slots = manifest.map().unwrap().at(8).unwrap().array().unwrap();
    let is = |slot: &Item<'_>| slot.map().unwrap().at(1).unwrap().bytes() == Some(id.as_bytes());
    slots.find(is).unwrap().raw().to_vec()
}

/// Here another slot must have been verified, which no slot of the vectors was: that is noted in the same write, and the
/// slot that was resalted is compared alone.
#[test]
fn resalt_a_passkey_slot() {
    let vectors = vectors("vault-v1-envelope");
    let (vault, expected) = (vault_a(&vectors), state(vault_a(&vectors), 5));
    let (open, _) = open_state(state(vault, 4));
    let slot_id = SlotId(array(&vault["randomness"], "slot_id.passkey-1"));
    let other = SlotId(array(&vault["randomness"], "slot_id.code-1"));
    let names = [
        "kdf_salt.4bdc.3",
        "slot_sk.4bdc.3",
        "sak.4bdc.3",
        "wrapped.nonce.4bdc.3",
        "seal.ikmE.4bdc.3.2",
        "sak.nonce.4bdc.3.2",
        "private.nonce.10",
        // Of the other slot; it is in no vector.
        "private.nonce.11",
    ];
    let mut rng = named_draws(vault, &names);
    let candidate: [u8; 32] = array(&vault["randomness"], "prf_salt.1b");
    let output = |salt: [u8; 32]| {
        let input = prf_input(&open.vault_id(), &PrfSaltMode::PerSlot(salt));
        evaluate(&hex(&vault["randomness"]["cred_random.1"]), &input)
    };
    let before = array(&vault["randomness"], "prf_salt.1");
    let mut draft = open.admin();
    let verified = SlotPrivate { last_verified: Some(1), ..open.slot_private(&other).unwrap().unwrap() };
    draft.set_slot_private(&other, verified).unwrap();
    let resalt = Resalt { candidate, first: &output(before), second: &output(candidate), pin: None };
    draft.resalt(&slot_id, resalt, &mut rng).unwrap();
    let prepared = draft.finish(time_of(expected), &mut rng).unwrap();
    drop(rng);
    let expected = raw_slot(&hex(&expected["manifest"]), &slot_id);
    assert_eq!(raw_slot(&prepared.write().manifest, &slot_id), expected);
}

#[test]
fn create_with_slots_of_the_other_kinds() {
    let vectors = vectors("vault-v1-envelope");
    let (vault, expected) = (&vectors["vaults"][1], state(&vectors["vaults"][1], 0));
    let random = |name: &str| hex(&vault["randomness"][name]);
    let slot =
        |id: &str| ["kdf_salt", "slot_sk", "sak", "wrapped.nonce"].map(|name| format!("{name}.{id}.1"));
    let seal = |id: &str, private: u8| {
        [format!("seal.ikmE.{id}.1.1"), format!("sak.nonce.{id}.1.1"), format!("private.nonce.{private}")]
    };
    let named = |before: &[&str], rest: &[String]| -> Vec<String> {
        before.iter().map(|name| (*name).to_owned()).chain(rest.iter().cloned()).collect()
    };
    let names = [
        named(&["vault_id", "vrk.1", "pin.salt", "slot_id.static"], &slot("d76c")),
        named(&["slot_id.vault-1"], &slot("ab0c")),
        named(&["slot_id.vault-2"], &slot("4577")),
        named(&["set_id", "share.secret", "share.coeff", "slot_id.shares"], &slot("eacc")),
        named(&["code.contact", "slot_id.contact"], &slot("f28e")),
        named(&["device.secret", "slot_id.device"], &slot("048e")),
        named(&["slot_id.idle"], &[]),
        named(&["item.1", "cek.e761.1", "item.nonce.e761.1"], &[]),
        named(&["item.2", "cek.1910.1", "item.nonce.1910.1"], &[]),
        seal("048e", 6).to_vec(),
        seal("4577", 3).to_vec(),
        named(&["private.nonce.7"], &seal("ab0c", 2)),
        seal("d76c", 1).to_vec(),
        seal("eacc", 4).to_vec(),
        seal("f28e", 5).to_vec(),
        named(&["cek.nonce.1910.1.1", "cek.nonce.e761.1.1"], &[]),
    ]
    .concat();
    let mut rng = named_draws(vault, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let created = time_of(expected).0 - 60;
    let vault_id = VaultId::make(&mut rng);
    let kinds = vec![SlotKind::Passkey, SlotKind::Shares, SlotKind::ContactCode, SlotKind::Device];
    let policy = Policy {
        most_passkeys: Some(3),
        least_slots: Some(2),
        allowed_kinds: Some(kinds),
        ..Policy::default()
    };
    let mut draft = Administration::new_vault(vault_id, Some(policy), &mut rng).unwrap();
    let vault_salt = PrfSaltMode::PerVault(random("prf_salt.vault").try_into().unwrap());
    let view = Envelope::decode(&hex(&expected["envelope"])).unwrap();
    for (name, salt, label, pin) in [
        ("s", PrfSaltMode::Static, "Static salt with extra PIN", Some("0123")),
        ("v1", vault_salt, "Per-vault salt 1", None),
        ("v2", vault_salt, "Per-vault salt 2", None),
    ] {
        let credential = random(&format!("cred.{name}"));
        let output = || evaluate(&random(&format!("cred_random.{name}")), &prf_input(&vault_id, &salt));
        let slot = view.slot_of_credential(&credential).unwrap();
        let enrolment = PasskeyEnrolment {
            rp_id: &RpId::new(slot.rp_id().unwrap()).unwrap(),
            credential_id: &CredentialId::new(&credential).unwrap(),
            salt,
            transports: &slot.transports(),
            pin: pin.map(|pin| ExtraPin { pin, cost: PIN_COST }),
            private: private(label, created),
        };
        draft.enrol_passkey(enrolment, &output(), &output(), &mut rng).unwrap();
    }
    draft.enrol_shares(2, 3, private("2 of 3", created), &mut rng).unwrap();
    let code = RecoveryCode::make(&mut rng);
    draft.enrol_contact_code(&code, private("A friend", created), &mut rng).unwrap();
    let device = Secret::make_random(&mut rng);
    draft.enrol_device(&device, private("Laptop", created), &mut rng).unwrap();
    // What the vectors say of the idle slot is sealed in it.
    let idle = view.slots().find(|slot| slot.status() == SlotStatus::Idle).unwrap().slot_id();
    let opened = &list(expected, "unlock_with")[0];
    let (_, reader, _) =
        open(&hex(&expected["envelope"]), &SlotId(array(opened, "slot_id")), opened, Opening::default())
            .unwrap();
    let known = reader.slot_private(&idle).unwrap().unwrap();
    let rp_id = RpId::new(known.rp_id.as_deref().unwrap()).unwrap();
    let credential = CredentialId::new(&random("cred.idle")).unwrap();
    let idle_private = SlotPrivate { rp_id: None, credential_id: None, ..known };
    draft.add_passkey(&rp_id, &credential, PrfAbility::Observed, idle_private, &mut rng).unwrap();
    for item in list(expected, "items").iter().rev() {
        draft.add_item(item["type"].as_u64().unwrap(), &hex(&item["plain"]), &mut rng).unwrap();
    }
    let prepared = draft.finish(time_of(expected), &mut rng).unwrap();
    drop(rng);
    assert_same(&stored(&mut MemoryStorage::default(), &prepared), expected);
}
