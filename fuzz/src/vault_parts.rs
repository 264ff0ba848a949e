//! A manifest, a slot or an item out of any bytes, each put where it belongs among genuine parts, which a fuzzer rarely
//! keeps whole: nothing panics, what decodes is kept byte for byte, and nothing opens that no key holder made.

use std::sync::OnceLock;

use countersign::{
    cbor::{Item, Profile, Writer},
    secret::Secret,
    vault::{
        Envelope, JoinedShares, Opening, RecoveryCode, Share, SlotId, SlotSecret, StoredVault, VaultError,
    },
    webauthn::UvPrfOutput,
};

use super::{
    seeds::{self, Seed},
    vault_open::members,
};

const MANIFEST: u8 = 0;
const SLOT: u8 = 1;
const ITEM: u8 = 2;

/// The body of the fuzz target: the first byte says what the others are.
pub fn vault_parts(data: &[u8]) {
    static GENUINE: OnceLock<Vec<u8>> = OnceLock::new();
    let Some((kind, bytes)) = data.split_first() else { return };
    let genuine = GENUINE.get_or_init(manifest);
    match kind % 3 {
        MANIFEST => decode_manifest(bytes),
        SLOT => decode_manifest(&with_slot(genuine, bytes)),
        _ => decode_item(genuine, bytes),
    }
}

fn decode_manifest(bytes: &[u8]) {
    let stored = StoredVault { manifest: bytes.to_vec(), mac: [0; 32], rows: Vec::new() };
    let Ok(envelope) = Envelope::from_stored(stored) else { return };
    assert_eq!(envelope.to_stored().manifest, bytes);
    let again = Envelope::decode(&envelope.encode()).expect("what was encoded decodes");
    assert_eq!(again, envelope);
    for slot in envelope.slots() {
        let _ = (slot.rp_id(), slot.credential_id(), slot.transports(), slot.born(), slot.prf_input());
        let _ = (slot.share_set(), slot.suite(), slot.wants_pin(), slot.status(), slot.slot_gen());
        try_to_open(&envelope, &slot.slot_id());
    }
}

/// Secrets of every kind. A cost within the bounds is refused by the host, or an Argon2id per input would leave no time for
/// anything else.
fn try_to_open(envelope: &Envelope, slot: &SlotId) {
    static SHARES: OnceLock<Vec<String>> = OnceLock::new();
    let texts = SHARES.get_or_init(|| {
        let file = seeds::vectors("vault-v1-envelope");
        let texts = members(&file["vaults"][1], "share_texts").take(2);
        texts.filter_map(|text| Some(text.as_str()?.to_owned())).collect()
    });
    let shares: Vec<Share> = texts.iter().filter_map(|text| Share::parse(text).ok()).collect();
    let joined = JoinedShares::join(&shares).expect("two of three");
    let authenticator_data = [[0; 32].as_slice(), &[0x05, 0, 0, 0, 0]].concat();
    let output = UvPrfOutput::from_assertion(&authenticator_data, &[7; 32]).expect("user verified");
    let code = RecoveryCode::make(&mut super::seeded_rng::SeededRng(1));
    let device = Secret::init_with(|bytes: &mut [u8; 32]| bytes.fill(7));
    for secret in [
        SlotSecret::Passkey(&output),
        SlotSecret::PasskeyWithPin(&output, "0123"),
        SlotSecret::Code(&code),
        SlotSecret::Passphrase("correct horse"),
        SlotSecret::Shares(&joined),
        SlotSecret::Device(&device),
    ] {
        let opening = Opening { argon2_ceiling_kib: Some(0), ..Opening::default() };
        let refused = envelope.open(slot, &secret, opening).err().expect("nobody made the MAC");
        assert!(
            matches!(
                refused,
                VaultError::WrongSecret
                    | VaultError::Tampered(_)
                    | VaultError::PolicyViolation(_)
                    | VaultError::Unsupported(_)
            ),
            "{refused}"
        );
    }
}

fn decode_item(manifest: &[u8], bytes: &[u8]) {
    let mut writer = Writer::new();
    writer.map(3).unsigned(1).bytes(manifest).unsigned(2).bytes(&[0; 32]).unsigned(3).array(1).raw(bytes);
    let whole = writer.finish();
    let Ok(envelope) = Envelope::decode(&whole) else { return };
    assert_eq!(envelope.encode(), whole, "one value has one encoding");
    assert!(envelope.items().map(|(_, item)| item).eq([bytes]));
}

/// A genuine manifest with one slot, whatever it is, in place of its own.
fn with_slot(manifest: &[u8], slot: &[u8]) -> Vec<u8> {
    let entries = Item::parse(manifest, Profile::VAULT).ok().and_then(|item| item.map()).expect("a map");
    let mut writer = Writer::new();
    writer.map(entries.clone().count());
    for (key, value) in entries {
        writer.raw(key.raw());
        match key.unsigned() {
            Some(8) => writer.array(1).raw(slot),
            _ => writer.raw(value.raw()),
        };
    }
    writer.finish()
}

/// The manifest of the vault with slots of every kind.
fn manifest() -> Vec<u8> {
    let file = seeds::vectors("vault-v1-envelope");
    let state = &file["vaults"][1]["states"][0];
    hex::decode(state["manifest"].as_str().expect("a manifest")).expect("digits")
}

/// The manifests, slots and items of the vault vectors, those of suite 2 included.
pub(crate) fn seeds() -> Vec<Seed> {
    let file = seeds::vectors("vault-v1-envelope");
    let mut parts = Vec::new();
    for state in members(&file, "vaults").flat_map(|vault| members(vault, "states")) {
        let bytes = hex::decode(state["manifest"].as_str().expect("a manifest")).expect("digits");
        parts.extend(slots(&bytes).into_iter().map(|slot| (SLOT, slot)));
        parts.push((MANIFEST, bytes));
        let items = members(state, "items").filter_map(|item| hex::decode(item["bytes"].as_str()?).ok());
        parts.extend(items.map(|item| (ITEM, item)));
    }
    for (_, bytes) in seeds::of_states("envelope") {
        let envelope = Envelope::decode(&bytes).expect("an envelope");
        let manifest = envelope.to_stored().manifest;
        parts.extend(slots(&manifest).into_iter().map(|slot| (SLOT, slot)));
        parts.push((MANIFEST, manifest));
        parts.extend(envelope.items().map(|(_, item)| (ITEM, item.to_vec())));
    }
    let suites =
        hex::decode(seeds::vectors("vault/suite-2")["envelope"].as_str().expect("a vault")).expect("digits");
    let suites = Envelope::decode(&suites).expect("an envelope").to_stored().manifest;
    parts.extend(slots(&suites).into_iter().map(|slot| (SLOT, slot)));
    parts.push((MANIFEST, suites));
    let seeds = (0..).zip(parts);
    seeds
        .map(|(number, (kind, bytes)): (usize, _)| (format!("part-{number}"), [vec![kind], bytes].concat()))
        .collect()
}

fn slots(manifest: &[u8]) -> Vec<Vec<u8>> {
    let manifest = Item::parse(manifest, Profile::VAULT).ok();
    let slots = manifest.and_then(|item| item.map()?.at(8)?.array());
    slots.into_iter().flatten().map(|slot| slot.raw().to_vec()).collect()
}
