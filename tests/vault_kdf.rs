//! `vault-v1-kdf.json`, through the public API: slot keys by what a slot made with scripted randomness holds, derived keys
//! by what a manifest and an item made with a scripted vault root key can be opened with.

mod common;

use common::{
    scripted_rng::ScriptedRng,
    seeded_rng::SeededRng,
    vault::{Admin, private, uv_output},
    vectors::{array, hex, list, vectors},
    world::TODAY,
};
use countersign::{
    cbor::{Item, Profile, Writer},
    crypto::{aead_open, hmac_sha256},
    secret::Secret,
    time::Moment,
    vault::{
        Administration, CodeError, ItemId, MemoryStorage, PasskeyEnrolment, PrfSaltMode, RecoveryCode,
        SlotId, SlotSecret, Suite, Vault, VaultId, VaultStorage, Write, item_type, prf_input,
    },
    webauthn::{CredentialId, PrfSalt, RpId},
};
use serde_json::Value;

/// The enabled slot of a manifest, as a CBOR map.
fn slot<'a>(manifest: &'a [u8], id: &SlotId) -> Item<'a> {
    let manifest = Item::parse(manifest, Profile::VAULT).unwrap();
    let mut slots = manifest.map().unwrap().at(8).unwrap().array().unwrap();
    slots.find(|slot| slot.map().unwrap().at(1).unwrap().bytes() == Some(id.as_bytes())).unwrap()
}

fn member<'a>(item: Item<'a>, key: u64) -> Item<'a> {
    item.map().unwrap().at(key).unwrap()
}

/// Opens a box {1: nonce, 2: ciphertext} with a key of the vectors.
fn open_box(sealed: Item<'_>, key: &Value, aad: &[u8]) -> Option<Vec<u8>> {
    let nonce = member(sealed, 1).bytes().unwrap().try_into().unwrap();
    let ciphertext = member(sealed, 2).bytes().unwrap();
    let key = Secret::from_slice(&hex(key)).unwrap();
    aead_open(&key, nonce, ciphertext, aad).ok().map(|plaintext| plaintext.expose().to_vec())
}

/// Starts the associated data of a ciphertext.
fn aad(name: &str, count: usize, vault_id: &VaultId) -> Writer {
    let mut aad = Writer::new();
    aad.array(count).text(&format!("countersign/v1/{name}")).bytes(&vault_id.0);
    aad
}

fn check_slot_keys(vector: &Value, write: &Write, slot_id: &SlotId) {
    let slot = slot(&write.manifest, slot_id);
    assert_eq!(member(slot, 9).bytes().unwrap(), hex(&vector["k_com"]), "K_com of {}", vector["name"]);
    let mut aad = aad("slot", 9, &write.vault_id);
    aad.unsigned(vector["suite"].as_u64().unwrap())
        .bytes(&slot_id.0)
        .unsigned(vector["kind"].as_u64().unwrap())
        .raw(member(slot, 7).raw());
    aad.bytes(&hex(&vector["kdf_salt"])).bytes(member(slot, 11).bytes().unwrap()).unsigned(1);
    let opened = open_box(member(slot, 10), &vector["k_enc"], &aad.finish());
    assert!(opened.is_some_and(|keys| keys.len() == 64), "K_enc of {}", vector["name"]);
}

/// slot_id and kdf_salt are the vector's; what else is drawn is of no importance.
fn slot_rng(vector: &Value) -> ScriptedRng {
    let rest = [32, 32, 12].map(|length| vec![0x42; length]);
    ScriptedRng::new([hex(&vector["slot_id"]), hex(&vector["kdf_salt"])].into_iter().chain(rest))
}

#[test]
fn a_passkey_slot_has_the_keys_of_the_vector() {
    check_passkey_slot(&list(&vectors("vault-v1-kdf"), "slot_keys")[0], Suite::X25519);
}

#[cfg(feature = "pq")]
#[test]
fn a_passkey_slot_of_suite_2_has_the_keys_of_the_vector() {
    check_passkey_slot(&list(&vectors("vault-v1-kdf"), "slot_keys")[1], Suite::XWing);
}

fn check_passkey_slot(vector: &Value, suite: Suite) {
    assert_eq!(vector["suite"], suite.number());
    let vault_id = VaultId(array(vector, "vault_id"));
    let salt = PrfSaltMode::PerSlot(array(vector, "prf_salt"));
    let input = prf_input(&vault_id, &salt);
    assert_eq!(input, hex(&vector["prf_eval_first"]));
    let hashed = PrfSalt::from_input(&input);
    assert_eq!(hashed.as_bytes().to_vec(), hex(&vector["hmac_secret_salt1"]));
    let output = hmac_sha256(&hex(&vector["cred_random_with_uv"]), &[hashed.as_bytes()]);
    assert_eq!(output.to_vec(), hex(&vector["secret"]));
    let mut draft = Administration::new_vault(vault_id, None, &mut SeededRng(1)).unwrap();
    draft.use_suite(suite).unwrap();
    let enrolment = PasskeyEnrolment {
        rp_id: &RpId::new(vector["rp_id"].as_str().unwrap()).unwrap(),
        credential_id: &CredentialId::new(&hex(&vector["credential_id"])).unwrap(),
        salt,
        transports: &[],
        pin: None,
        private: private("slot"),
    };
    let (first, second) = (uv_output(&output).unwrap(), uv_output(&output).unwrap());
    let slot_id = draft.enrol_passkey(enrolment, &first, &second, &mut slot_rng(vector)).unwrap();
    let prepared = draft.finish(TODAY, &mut SeededRng(2)).unwrap();
    check_slot_keys(vector, prepared.write(), &slot_id);
}

#[test]
fn a_recovery_code_slot_has_the_keys_of_the_vector() {
    let vectors = vectors("vault-v1-kdf");
    let vector = &list(&vectors, "slot_keys")[2];
    let vault_id = VaultId(array(vector, "vault_id"));
    let code = RecoveryCode::make(&mut ScriptedRng::new([hex(&vector["secret"])]));
    let mut draft = Administration::new_vault(vault_id, None, &mut SeededRng(1)).unwrap();
    let slot_id = draft.enrol_recovery_code(&code, private("slot"), &mut slot_rng(vector)).unwrap();
    let prepared = draft.finish(TODAY, &mut SeededRng(2)).unwrap();
    check_slot_keys(vector, prepared.write(), &slot_id);
}

#[test]
fn a_shares_slot_has_the_keys_of_the_vector() {
    let vectors = vectors("vault-v1-kdf");
    let vector = &list(&vectors, "slot_keys")[3];
    let mut draft =
        Administration::new_vault(VaultId(array(vector, "vault_id")), None, &mut SeededRng(1)).unwrap();
    // set_id, the secret, one coefficient for each byte; then the slot's.
    let draws = [vec![0x42; 8], hex(&vector["secret"]), vec![0x42; 32]];
    let rest = [32, 32, 12].map(|length| vec![0x42; length]);
    let slot = [hex(&vector["slot_id"]), hex(&vector["kdf_salt"])];
    let mut rng = ScriptedRng::new(draws.into_iter().chain(slot).chain(rest));
    let (slot_id, _) = draft.enrol_shares(2, 2, private("slot"), &mut rng).unwrap();
    let prepared = draft.finish(TODAY, &mut SeededRng(2)).unwrap();
    check_slot_keys(vector, prepared.write(), &slot_id);
}

fn store(
    vault: &mut Vault,
    storage: &mut MemoryStorage,
    edit: impl FnOnce(&mut Administration<'_>, &MemoryStorage),
) -> Write {
    let mut draft = vault.admin();
    edit(&mut draft, storage);
    let prepared = draft.finish(TODAY, &mut SeededRng(9_000)).unwrap();
    let write = prepared.write().clone();
    storage.write(&write).unwrap();
    vault.written(prepared, None).unwrap();
    write
}

/// The vector's key is of generation 7, its slot of generation 3, its item of version 5: a vault is led there.
#[test]
fn derived_keys_are_those_of_the_vector() {
    let vectors = vectors("vault-v1-kdf");
    let vector = &vectors["vrk"];
    let derived = &vector["derived"];
    let vault_id = VaultId(array(vector, "vault_id"));
    let slot_id = SlotId(core::array::from_fn(|index| 0x10 + index as u8));
    let item_id = ItemId(core::array::from_fn(|index| 0x20 + index as u8));
    let mut rng = SeededRng(10);
    let device = Secret::make_random(&mut rng);
    let mut draft = Administration::new_vault(vault_id, None, &mut rng).unwrap();
    let rest = [32, 32, 32, 12].map(|length| vec![0x42; length]);
    let mut slot_rng = ScriptedRng::new([slot_id.0.to_vec()].into_iter().chain(rest));
    draft.enrol_device(&device, private("slot"), &mut slot_rng).unwrap();
    let mut item_rng = ScriptedRng::new([item_id.0.to_vec(), vec![0x42; 32], vec![0x42; 12]]);
    draft.add_item(item_type::FIRST_OF_HOST, b"item", &mut item_rng).unwrap();
    let prepared = draft.finish(TODAY, &mut rng).unwrap();
    let mut storage = MemoryStorage::default();
    storage.write(prepared.write()).unwrap();
    let mut vault = prepared.into_vault(None, Moment::default()).unwrap();
    for _ in 0..4 {
        store(&mut vault, &mut storage, |draft, _| {
            draft.change_item(&item_id, item_type::FIRST_OF_HOST, b"item", &mut SeededRng(500)).unwrap();
        });
    }
    for _ in 0..2 {
        store(&mut vault, &mut storage, |draft, _| {
            draft.refresh(&slot_id, &SlotSecret::Device(&device), &mut SeededRng(600)).unwrap();
        });
    }
    for _ in 0..5 {
        store(&mut vault, &mut storage, |draft, items| draft.rotate(items, &mut SeededRng(700)).unwrap());
    }
    let write = store(&mut vault, &mut storage, |draft, items| {
        draft.rotate(items, &mut ScriptedRng::new([hex(&vector["vrk"])])).unwrap();
    });

    assert_eq!(vault.key_gen(), vector["key_gen"].as_u64().unwrap());
    let manifest = Item::parse(&write.manifest, Profile::VAULT).unwrap();
    assert_eq!(member(manifest, 6).bytes().unwrap(), hex(&vector["vrk_commit"]));
    let mac =
        hmac_sha256(&hex(&derived["manifest-mac []"]), &[b"countersign/v1/manifest\0", &write.manifest]);
    assert_eq!(write.mac, mac);
    let slot = slot(&write.manifest, &slot_id);
    let mut private_aad = aad("private", 4, &vault_id);
    private_aad.bytes(&slot_id.0).unsigned(7);
    assert!(open_box(member(slot, 14), &derived["meta []"], &private_aad.finish()).is_some());
    let mut sak_aad = aad("sak", 5, &vault_id);
    sak_aad.bytes(&slot_id.0).unsigned(3).unsigned(7);
    let sak_wrap = &derived["sak-wrap [slot_id 10..1f, slot_gen 3]"];
    assert!(open_box(member(slot, 13), sak_wrap, &sak_aad.finish()).is_some());
    let item = Item::parse(&write.put[0].bytes, Profile::VAULT).unwrap();
    let mut key_aad = aad("item-key", 6, &vault_id);
    key_aad.bytes(&item_id.0).unsigned(5).unsigned(64).unsigned(7);
    let kek = &derived["item-kek [item_id 20..2f, version 5]"];
    assert!(open_box(member(item, 4), kek, &key_aad.finish()).is_some());
}

#[test]
fn the_recovery_code_of_the_format_reads_both_ways() {
    let vectors = vectors("vault-v1-envelope");
    let vector = &vectors["recovery_code"];
    let vault_id = VaultId(array(vector, "vault_id"));
    let text = vector["text"].as_str().unwrap();
    let code = RecoveryCode::make(&mut ScriptedRng::new([hex(&vector["code"])]));
    assert_eq!(code.to_text(&vault_id).as_str(), text);
    let as_typed = text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
    let read = RecoveryCode::parse(&as_typed, &vault_id).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(read.to_text(&vault_id).as_str(), text);
}

#[test]
fn a_recovery_code_of_another_vault_or_mistyped_is_told_from_what_is_no_code() {
    let vault_id = VaultId([7; 16]);
    let text = RecoveryCode::make(&mut SeededRng(1)).to_text(&vault_id);
    let refused = |text: &str, vault_id: &VaultId| RecoveryCode::parse(text, vault_id).err();
    assert_eq!(refused(&text, &VaultId([8; 16])), Some(CodeError::MistypedOrOtherVault));
    for no_code in ["", "CS1-", &text[..text.len() - 1], &format!("{}0", *text), &text.replace("CS1", "CS2")]
    {
        assert_eq!(refused(no_code, &vault_id), Some(CodeError::NotACode), "{no_code}");
    }
    let with_u = format!("{}U{}", &text[..10], &text[11..]);
    assert_eq!(refused(&with_u, &vault_id), Some(CodeError::NotACode));
}
