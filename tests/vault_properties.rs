//! Properties: random changes against a plain model, every field swapped, every byte altered.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use ciborium::Value;
use common::{
    scripted_rng::ScriptedRng,
    seeded_rng::SeededRng,
    vault::{Admin, TestMemory, at, encode, evaluate, item_root, private, row},
    world::TODAY,
};
use countersign::{
    backup::{BackupFile, Destination, restore},
    cbor::Writer,
    crypto::{Hkdf, RustCrypto, aead_open, aead_seal, hmac_sha256, sha256},
    secret::Secret,
    time::Moment,
    vault::{
        Administration, EncryptionSetup, Envelope, Freshness, Head, ItemId, ItemSource, MemoryStorage,
        OldSeal, Opening, PassphraseCost, Policy, PrfAbility, PrfSaltMode, RecoveryCode, Resalt, Row, Seen,
        SlotId, SlotKind, SlotPrivate, SlotSecret, SlotStatus, StorageError, UsersWord, Vault, VaultError,
        VaultId, VaultStorage, prf_input, reconcile,
    },
    webauthn::{CredentialId, RpId, UvPrfOutput},
};
use proptest::{collection::vec, prelude::*};

// --- Random changes against a plain model ---

#[derive(Debug, Clone)]
enum Op {
    Add(u64, Vec<u8>),
    Change(usize, Vec<u8>),
    Delete(usize),
    EnrolDevice,
    EnrolCode,
    Refresh(usize),
    Rotate,
    Reencrypt,
    Remove(usize),
    AddPasskey,
    Enable(usize),
    Disable(usize),
    Resalt(usize),
    RemoveIdle(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let contents = || vec(any::<u8>(), 0..200);
    prop_oneof![
        4 => (64u64..70, contents()).prop_map(|(kind, bytes)| Op::Add(kind, bytes)),
        3 => (any::<usize>(), contents()).prop_map(|(index, bytes)| Op::Change(index, bytes)),
        2 => any::<usize>().prop_map(Op::Delete),
        1 => Just(Op::EnrolDevice),
        1 => Just(Op::EnrolCode),
        2 => any::<usize>().prop_map(Op::Refresh),
        2 => Just(Op::Rotate),
        1 => Just(Op::Reencrypt),
        1 => any::<usize>().prop_map(Op::Remove),
        2 => Just(Op::AddPasskey),
        3 => any::<usize>().prop_map(Op::Enable),
        2 => any::<usize>().prop_map(Op::Disable),
        2 => any::<usize>().prop_map(Op::Resalt),
        1 => any::<usize>().prop_map(Op::RemoveIdle),
    ]
}

enum Key {
    Device(Secret<32>),
    Code(RecoveryCode),
    /// Its CredRandom; what it answers depends on the slot's salt.
    Passkey([u8; 32]),
}

impl Key {
    /// `output` is what the passkey answers, if it is one.
    fn secret<'a>(&'a self, output: Option<&'a UvPrfOutput>) -> SlotSecret<'a> {
        match self {
            Self::Device(secret) => SlotSecret::Device(secret),
            Self::Code(code) => SlotSecret::Code(code),
            Self::Passkey(_) => SlotSecret::Passkey(output.unwrap()),
        }
    }
}

fn answer(vault_id: &VaultId, cred_random: &[u8; 32], salt: [u8; 32]) -> UvPrfOutput {
    evaluate(cred_random, &prf_input(vault_id, &PrfSaltMode::PerSlot(salt)))
}

/// What a vault should hold.
#[derive(Clone, Default)]
struct Model {
    items: BTreeMap<ItemId, (u64, u64, Vec<u8>)>,
    /// The enabled slots, with their generations.
    slots: BTreeMap<SlotId, u64>,
    /// The salts of those that are passkeys.
    salts: BTreeMap<SlotId, [u8; 32]>,
    /// The passkeys that sign in only, with their generations.
    idle: BTreeMap<SlotId, u64>,
    /// The slots that were seen to open the vault.
    verified: BTreeSet<SlotId>,
    key_gen: u64,
}

impl Model {
    fn output(&self, vault_id: &VaultId, slot: &SlotId, key: &Key) -> Option<UvPrfOutput> {
        match key {
            Key::Passkey(cred_random) => Some(answer(vault_id, cred_random, self.salts[slot])),
            _ => None,
        }
    }

    /// One slot at least stays enabled.
    fn retire(&mut self, slot: &SlotId) -> bool {
        let last = self.slots.len() == 1;
        if !last {
            self.slots.remove(slot);
            self.salts.remove(slot);
            self.verified.remove(slot);
        }
        !last
    }
}

fn pick<K: Copy, V>(map: &BTreeMap<K, V>, index: usize) -> Option<K> {
    map.keys().nth(index.checked_rem(map.len())?).copied()
}

struct World {
    vault: Vault,
    storage: MemoryStorage,
    memory: TestMemory,
    keys: BTreeMap<SlotId, Key>,
    model: Model,
    rng: SeededRng,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = SeededRng(seed);
        let mut draft = Administration::new_vault(VaultId::make(&mut rng), None, &mut rng).unwrap();
        let secret = Secret::make_random(&mut rng);
        let slot = draft.enrol_device(&secret, private("first"), &mut rng).unwrap();
        let prepared = draft.finish(TODAY, &mut rng).unwrap();
        let (mut storage, mut memory) = (MemoryStorage::default(), TestMemory::default());
        storage.write(prepared.write()).unwrap();
        let vault = prepared.into_vault(Some(&mut memory), Moment::default()).unwrap();
        let model = Model { slots: BTreeMap::from([(slot, 1)]), key_gen: 1, ..Model::default() };
        Self { vault, storage, memory, keys: BTreeMap::from([(slot, Key::Device(secret))]), model, rng }
    }

    /// Carries out one draft; where it is cut, the storage never sees the write.
    fn change(&mut self, ops: &[Op], cut: bool) {
        let mut model = self.model.clone();
        let mut rotated = false;
        let mut touched = BTreeSet::new();
        let vault_id = self.vault.vault_id();
        let mut draft = self.vault.admin();
        for op in ops {
            let rng = &mut self.rng;
            match op {
                Op::Add(kind, bytes) => {
                    let id = draft.add_item(*kind, bytes, rng).unwrap();
                    model.items.insert(id, (*kind, 1, bytes.clone()));
                    touched.insert(id);
                }
                Op::Change(index, bytes) => {
                    let Some(id) = pick(&model.items, *index) else { continue };
                    let (kind, version, contents) = model.items.get_mut(&id).unwrap();
                    draft.change_item(&id, *kind, bytes, rng).unwrap();
                    // However often one draft changes an item, its version rises by one.
                    *version += u64::from(touched.insert(id));
                    contents.clone_from(bytes);
                }
                Op::Delete(index) => {
                    let Some(id) = pick(&model.items, *index) else { continue };
                    draft.delete_item(&id).unwrap();
                    model.items.remove(&id);
                    assert_eq!(draft.change_item(&id, 64, b"gone", rng), Err(VaultError::NotFound));
                }
                Op::EnrolDevice if model.slots.len() < 6 => {
                    let secret = Secret::make_random(rng);
                    let private = SlotPrivate { last_verified: Some(TODAY.0), ..private("device") };
                    let slot = draft.enrol_device(&secret, private, rng).unwrap();
                    self.keys.insert(slot, Key::Device(secret));
                    model.slots.insert(slot, 1);
                    model.verified.insert(slot);
                }
                Op::EnrolCode if model.slots.len() < 6 => {
                    let code = RecoveryCode::make(rng);
                    let slot = draft.enrol_recovery_code(&code, private("code"), rng).unwrap();
                    self.keys.insert(slot, Key::Code(code));
                    model.slots.insert(slot, 1);
                }
                Op::EnrolDevice | Op::EnrolCode => {}
                Op::Refresh(index) => {
                    let slot = pick(&model.slots, *index).unwrap();
                    let output = model.output(&vault_id, &slot, &self.keys[&slot]);
                    draft.refresh(&slot, &self.keys[&slot].secret(output.as_ref()), rng).unwrap();
                    *model.slots.get_mut(&slot).unwrap() += 1;
                }
                Op::Rotate => {
                    assert_eq!(draft.rotate(&self.storage, rng).is_ok(), !rotated);
                    rotated = true;
                }
                Op::Reencrypt => {
                    assert_eq!(draft.rotate_and_reencrypt(&self.storage, rng).is_ok(), !rotated);
                    for (id, (_, version, _)) in model.items.iter_mut().filter(|_| !rotated) {
                        *version += u64::from(touched.insert(*id));
                    }
                    rotated = true;
                }
                Op::Remove(index) => {
                    let slot = pick(&model.slots, *index).unwrap();
                    let goes = model.retire(&slot);
                    let removed = draft.remove(&slot, &self.storage, rng);
                    assert_eq!(removed, if goes { Ok(()) } else { Err(VaultError::LastSlot) });
                    rotated |= goes;
                }
                Op::AddPasskey if model.idle.len() < 3 => {
                    let cred_random = *Secret::<32>::make_random(rng).expose();
                    let id = CredentialId::new(&cred_random[..16]).unwrap();
                    let (rp, seen) = (RpId::new("vault.example").unwrap(), PrfAbility::Observed);
                    let slot = draft.add_passkey(&rp, &id, seen, private("passkey"), rng).unwrap();
                    self.keys.insert(slot, Key::Passkey(cred_random));
                    model.idle.insert(slot, 1);
                }
                Op::AddPasskey => {}
                Op::Enable(index) => {
                    let Some(slot) = pick(&model.idle, *index) else { continue };
                    let Key::Passkey(cred_random) = &self.keys[&slot] else { unreachable!() };
                    let salt = *Secret::<32>::make_random(rng).expose();
                    let output = || answer(&vault_id, cred_random, salt);
                    let setup =
                        EncryptionSetup { salt: PrfSaltMode::PerSlot(salt), transports: &[], pin: None };
                    let enabled = draft.enable_encryption(&slot, setup, &output(), &output(), rng);
                    assert_eq!(enabled.is_ok(), model.salts.len() < 5);
                    if enabled.is_ok() {
                        let slot_gen = model.idle.remove(&slot).unwrap();
                        model.slots.insert(slot, slot_gen + 1);
                        model.salts.insert(slot, salt);
                    }
                }
                Op::Disable(index) => {
                    let Some(slot) = pick(&model.salts, *index) else { continue };
                    let slot_gen = model.slots[&slot];
                    let goes = model.retire(&slot);
                    let disabled = draft.disable_encryption(&slot, OldSeal::Revoke, &self.storage, rng);
                    assert_eq!(disabled, if goes { Ok(()) } else { Err(VaultError::LastSlot) });
                    if goes {
                        model.idle.insert(slot, slot_gen);
                        rotated = true;
                    }
                }
                Op::Resalt(index) => {
                    let Some(slot) = pick(&model.salts, *index) else { continue };
                    let Key::Passkey(cred_random) = &self.keys[&slot] else { unreachable!() };
                    let candidate = *Secret::<32>::make_random(rng).expose();
                    let first = answer(&vault_id, cred_random, model.salts[&slot]);
                    let second = answer(&vault_id, cred_random, candidate);
                    let resalt = Resalt { candidate, first: &first, second: &second, pin: None };
                    let resalted = draft.resalt(&slot, resalt, rng);
                    assert_eq!(resalted.is_ok(), model.verified.iter().any(|other| *other != slot));
                    if resalted.is_ok() {
                        model.salts.insert(slot, candidate);
                        *model.slots.get_mut(&slot).unwrap() += 1;
                    }
                }
                Op::RemoveIdle(index) => {
                    let Some(slot) = pick(&model.idle, *index) else { continue };
                    draft.remove(&slot, &self.storage, rng).unwrap();
                    model.idle.remove(&slot);
                }
            }
        }
        let prepared = draft.finish(TODAY, &mut self.rng).unwrap();
        if cut {
            return;
        }
        model.key_gen += u64::from(rotated);
        self.storage.write(prepared.write()).unwrap();
        self.vault.written(prepared, Some(&mut self.memory)).unwrap();
        self.model = model;
    }

    /// Reads everything back from the bytes of an export, by every slot, and compares with the model.
    fn check(&mut self) {
        let exported = Envelope::export(&self.storage).unwrap().unwrap().encode();
        let envelope = Envelope::decode(&exported).unwrap();
        let enabled: BTreeMap<SlotId, u64> = envelope
            .slots()
            .filter(|slot| slot.born().is_some())
            .map(|slot| (slot.slot_id(), slot.slot_gen()))
            .collect();
        assert_eq!(enabled, self.model.slots);
        let idle: BTreeMap<SlotId, u64> = envelope
            .slots()
            .filter(|slot| slot.status() == SlotStatus::Idle)
            .map(|slot| (slot.slot_id(), slot.slot_gen()))
            .collect();
        assert_eq!(idle, self.model.idle);
        for slot in enabled.keys() {
            let opening = Opening { memory: Some(&mut self.memory), ..Opening::default() };
            let output = self.model.output(&envelope.vault_id(), slot, &self.keys[slot]);
            let secret = self.keys[slot].secret(output.as_ref());
            let (vault, freshness) = envelope.open(slot, &secret, opening).unwrap();
            assert_eq!(freshness, Freshness::Checked);
            assert_eq!((vault.epoch(), vault.key_gen()), (self.vault.epoch(), self.model.key_gen));
            for known in self.model.slots.keys().chain(self.model.idle.keys()) {
                let private = vault.slot_private(known).unwrap().unwrap();
                assert_eq!(private.rp_id.is_some(), self.model.idle.contains_key(known));
                assert_eq!(private.credential_id.is_some(), self.model.idle.contains_key(known));
                assert_eq!(private.last_verified.is_some(), self.model.verified.contains(known));
            }
            let items: BTreeMap<_, _> = envelope
                .items()
                .map(|(row, bytes)| {
                    let item = vault.open_item(&row.item_id, bytes).unwrap();
                    (row.item_id, (item.item_type, item.version, item.plaintext.expose().to_vec()))
                })
                .collect();
            assert_eq!(items, self.model.items);
        }
        let rows: Vec<Row> = envelope.rows().collect();
        assert_eq!(rows, self.vault.rows());
        assert_eq!(item_root(&rows, 0).as_slice(), manifest_bytes_at(&envelope, 9));
    }
}

fn manifest_bytes_at(envelope: &Envelope, key: u64) -> Vec<u8> {
    let manifest = envelope.to_stored().manifest;
    let item = countersign::cbor::Item::parse(&manifest, countersign::cbor::Profile::VAULT).unwrap();
    item.map().unwrap().at(key).unwrap().bytes().unwrap().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_changes_do_what_the_model_does(
        seed in 1u64..1_000_000,
        drafts in vec((vec(op(), 1..5), prop::bool::weighted(0.2)), 1..12),
    ) {
        let mut world = World::new(seed << 24);
        for (ops, cut) in drafts {
            world.change(&ops, cut);
            world.check();
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused_without_panic(bytes in vec(any::<u8>(), 0..400)) {
        prop_assert!(Envelope::decode(&bytes).is_err());
    }

    #[test]
    fn a_spliced_envelope_is_refused_without_panic(
        start in any::<prop::sample::Index>(),
        length in 0usize..40,
        replacement in vec(any::<u8>(), 0..40),
    ) {
        let sample = Sample::new(7);
        let mut bytes = sample.envelope().encode();
        let start = start.index(bytes.len());
        let end = (start + length).min(bytes.len());
        prop_assume!(bytes[start..end] != replacement[..]);
        bytes.splice(start..end, replacement);
        prop_assert!(sample.open(&bytes).is_err());
    }
}

// --- A small vault whose keys the test knows ---

struct Sample {
    vault_id: VaultId,
    vrk: [u8; 32],
    /// Two device slots.
    slots: [(SlotId, Secret<32>); 2],
    storage: MemoryStorage,
}

impl Sample {
    fn new(seed: u64) -> Self {
        let mut rng = SeededRng(seed << 40);
        let vault_id = VaultId::make(&mut rng);
        let vrk = *Secret::<32>::make_random(&mut rng).expose();
        let mut draft =
            Administration::new_vault(vault_id, None, &mut ScriptedRng::new([vrk.to_vec()])).unwrap();
        let slots = ["one", "two"].map(|label| {
            let secret = Secret::make_random(&mut rng);
            (draft.enrol_device(&secret, private(label), &mut rng).unwrap(), secret)
        });
        for text in [b"item one", b"item two"] {
            draft.add_item(64, text, &mut rng).unwrap();
        }
        let prepared = draft.finish(TODAY, &mut rng).unwrap();
        let mut storage = MemoryStorage::default();
        storage.write(prepared.write()).unwrap();
        Self { vault_id, vrk, slots, storage }
    }

    fn envelope(&self) -> Envelope {
        Envelope::export(&self.storage).unwrap().unwrap()
    }

    /// Opens by both slots, and reads everything there is, through a rotation.
    fn open(&self, bytes: &[u8]) -> Result<(), VaultError> {
        let envelope = Envelope::decode(bytes)?;
        for (slot, secret) in &self.slots {
            let opening = Opening { expected_vault_id: Some(self.vault_id), ..Opening::default() };
            let (mut vault, _) = envelope.open(slot, &SlotSecret::Device(secret), opening)?;
            vault.slot_private(slot)?;
            for (row, bytes) in envelope.items() {
                vault.open_item(&row.item_id, bytes)?;
            }
            vault.accept_as_is();
            vault.admin().rotate(&MemoryStorage::import(&envelope)?, &mut SeededRng(1))?;
        }
        Ok(())
    }

    fn key(&self, name: &str) -> Secret<32> {
        let label = format!("countersign/v1/{name}\0");
        Hkdf::extract(&self.vault_id.0, &self.vrk).expand(&[label.as_bytes(), &[0x80]])
    }

    /// The envelope with an altered manifest or altered items, its item_root and MAC made right, as whoever knows the
    /// vault root key could.
    fn forge(&self, alter: impl FnOnce(&mut Value, &mut Vec<Value>)) -> Vec<u8> {
        let envelope = self.envelope();
        let mut manifest: Value = ciborium::from_reader(envelope.to_stored().manifest.as_slice()).unwrap();
        let mut items: Vec<Value> =
            envelope.items().map(|(_, bytes)| ciborium::from_reader(bytes).unwrap()).collect();
        alter(&mut manifest, &mut items);
        let items: Vec<Vec<u8>> = items.iter().map(encode).collect();
        let rows: Vec<Row> = items.iter().map(|bytes| row(bytes)).collect();
        *at(&mut manifest, 9) = Value::Bytes(item_root(&rows, 0).to_vec());
        let manifest = encode(&manifest);
        let mac = hmac_sha256(self.key("manifest-mac").expose(), &[b"countersign/v1/manifest\0", &manifest]);
        let entry = |key: u64, value| (Value::Integer(key.into()), value);
        let items = items.iter().map(|bytes| ciborium::from_reader(bytes.as_slice()).unwrap()).collect();
        encode(&Value::Map(vec![
            entry(1, Value::Bytes(manifest)),
            entry(2, Value::Bytes(mac.to_vec())),
            entry(3, Value::Array(items)),
        ]))
    }
}

fn slot(manifest: &mut Value, index: usize) -> &mut Value {
    &mut at(manifest, 8).as_array_mut().unwrap()[index]
}

#[test]
fn a_forgery_that_changes_nothing_opens() {
    let sample = Sample::new(1);
    let forged = sample.forge(|_, _| {});
    assert_eq!(forged, sample.envelope().encode(), "the tests below forge the right bytes");
    sample.open(&forged).unwrap();
}

#[test]
fn every_byte_matters() {
    let sample = Sample::new(2);
    let bytes = sample.envelope().encode();
    sample.open(&bytes).unwrap();
    for position in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[position] ^= 1 << (position % 8);
        assert!(sample.open(&altered).is_err(), "byte {position}");
        assert!(Envelope::decode(&bytes[..position]).is_err(), "cut at {position}");
    }
}

/// The keys of a slot that hold ciphertexts, keys and salts; kdf_salt to private.
const SLOT_FIELDS: [u64; 7] = [8, 9, 10, 11, 12, 13, 14];

#[test]
fn no_field_of_a_slot_can_stand_in_another_slot_even_with_the_mac_made_right() {
    let sample = Sample::new(3);
    for key in SLOT_FIELDS {
        let forged = sample.forge(|manifest, _| {
            let first = at(slot(manifest, 0), key).clone();
            let second = std::mem::replace(at(slot(manifest, 1), key), first);
            *at(slot(manifest, 0), key) = second;
        });
        let refused = sample.open(&forged);
        assert!(
            matches!(refused, Err(VaultError::WrongSecret | VaultError::Tampered(_))),
            "{key}: {refused:?}"
        );
    }
}

#[test]
fn no_field_of_another_vault_can_stand_in_this_one_even_with_the_mac_made_right() {
    let (sample, other) = (Sample::new(4), Sample::new(5));
    let mut foreign: Value = ciborium::from_reader(other.envelope().to_stored().manifest.as_slice()).unwrap();
    for key in SLOT_FIELDS {
        for index in 0..2 {
            let value = at(slot(&mut foreign, index), key).clone();
            let forged = sample.forge(|manifest, _| *at(slot(manifest, index), key) = value);
            assert!(sample.open(&forged).is_err(), "slot {index}, key {key}");
        }
    }
    // vault_id, vrk_commit, lineage; key_gen alone and epoch alone break the lineage and the ancestors.
    for key in [2, 6, 10] {
        let value = at(&mut foreign, key).clone();
        let forged = sample.forge(|manifest, _| *at(manifest, key) = value);
        assert!(sample.open(&forged).is_err(), "manifest key {key}");
    }
    for key in [3, 4] {
        let forged = sample.forge(|manifest, _| *at(manifest, key) = Value::Integer(2.into()));
        assert!(sample.open(&forged).is_err(), "manifest key {key}");
    }
    let foreign_items: Vec<Value> =
        other.envelope().items().map(|(_, bytes)| ciborium::from_reader(bytes).unwrap()).collect();
    for key in [4, 5] {
        let value = at(&mut foreign_items[0].clone(), key).clone();
        let forged = sample.forge(|_, items| *at(&mut items[0], key) = value);
        assert!(matches!(sample.open(&forged), Err(VaultError::Tampered(_))), "item key {key}");
    }
}

#[test]
fn no_field_of_an_item_can_stand_in_another_item_even_with_the_index_made_right() {
    let sample = Sample::new(6);
    for key in [4, 5] {
        let forged = sample.forge(|_, items| {
            let first = at(&mut items[0], key).clone();
            let second = std::mem::replace(at(&mut items[1], key), first);
            *at(&mut items[0], key) = second;
        });
        assert!(matches!(sample.open(&forged), Err(VaultError::Tampered(_))), "key {key}");
    }
    for (key, number) in [(2, 2), (3, 65)] {
        let forged = sample.forge(|_, items| *at(&mut items[0], key) = Value::Integer(number.into()));
        assert!(matches!(sample.open(&forged), Err(VaultError::Tampered(_))), "key {key}");
    }
}

#[test]
fn ephemeral_keys_of_low_order_are_refused() {
    let sample = Sample::new(8);
    let forged = sample.forge(|manifest, _| {
        *at(at(slot(manifest, 0), 12), 1) = Value::Bytes(vec![0; 32]);
    });
    assert!(matches!(sample.open(&forged), Err(VaultError::Tampered(_))));
}

fn insert(manifest: &mut Value, key: u64, value: Value) {
    manifest.as_map_mut().unwrap().push((Value::Integer(key.into()), value));
}

fn map(entries: Vec<(u64, Value)>) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (Value::Integer(key.into()), value)).collect())
}

fn number(number: u64) -> Value {
    Value::Integer(number.into())
}

#[test]
fn a_policy_that_the_slots_break_is_a_violation_at_opening() {
    let sample = Sample::new(9);
    let broken: [Vec<(u64, Value)>; 2] =
        [vec![(2, number(3))], vec![(4, Value::Array(vec![number(1), number(2)]))]];
    for policy in broken {
        let forged = sample.forge(|manifest, _| insert(manifest, 12, map(policy.clone())));
        assert!(matches!(sample.open(&forged), Err(VaultError::PolicyViolation(_))), "{policy:?}");
    }
    let kept =
        vec![(1, number(1)), (2, number(2)), (3, Value::Bool(true)), (4, Value::Array(vec![number(6)]))];
    sample.open(&sample.forge(|manifest, _| insert(manifest, 12, map(kept)))).unwrap();
    let malformed: [Vec<(u64, Value)>; 4] = [
        vec![(1, number(17))],
        vec![(3, Value::Bool(false))],
        vec![(4, Value::Array(vec![]))],
        vec![(4, Value::Array(vec![number(6), number(1)]))],
    ];
    for policy in malformed {
        let forged = sample.forge(|manifest, _| insert(manifest, 12, map(policy.clone())));
        assert!(matches!(sample.open(&forged), Err(VaultError::Malformed(_))), "{policy:?}");
    }
}

#[test]
fn a_suite_below_the_floor_is_a_violation_and_a_floor_above_2_unsupported() {
    let sample = Sample::new(10);
    let floor = |floor| sample.forge(|manifest, _| *at(manifest, 7) = number(floor));
    assert!(matches!(sample.open(&floor(2)), Err(VaultError::PolicyViolation(_))));
    assert!(matches!(sample.open(&floor(3)), Err(VaultError::Unsupported(_))));
    assert!(matches!(sample.open(&floor(0)), Err(VaultError::Malformed(_))));
}

#[test]
fn a_vault_is_no_backup_and_a_backup_no_vault() {
    let sample = Sample::new(11);
    let (slot, secret) = &sample.slots[0];
    let open = |bytes: &[u8], backup| {
        let opening = Opening { backup, ..Opening::default() };
        Envelope::decode(bytes).unwrap().open(slot, &SlotSecret::Device(secret), opening).map(|_| ())
    };
    let live = sample.envelope().encode();
    assert_eq!(open(&live, false), Ok(()));
    assert!(matches!(open(&live, true), Err(VaultError::PolicyViolation(_))));
    let info =
        vec![(1, number(0)), (2, Value::Bytes(vec![1; 16])), (3, number(1)), (4, number(2)), (5, number(1))];
    let backup = sample.forge(|manifest, _| insert(manifest, 13, map(info)));
    assert_eq!(open(&backup, true), Ok(()));
    assert!(matches!(open(&backup, false), Err(VaultError::PolicyViolation(_))));
}

#[cfg(not(feature = "pq"))]
#[test]
fn a_slot_of_suite_2_is_kept_and_neither_opened_nor_rotated() {
    let sample = Sample::new(12);
    let forged = sample.forge(|manifest, _| {
        let second = slot(manifest, 1);
        *at(second, 5) = number(2);
        *at(second, 11) = Value::Bytes(vec![7; 1216]);
        *at(at(second, 12), 1) = Value::Bytes(vec![7; 1120]);
    });
    let envelope = Envelope::decode(&forged).unwrap();
    let order: Vec<SlotId> = envelope.slots().map(|slot| slot.slot_id()).collect();
    let key = |id: &SlotId| &sample.slots.iter().find(|(slot, _)| slot == id).unwrap().1;
    let by_it = envelope.open(&order[1], &SlotSecret::Device(key(&order[1])), Opening::default());
    assert!(matches!(by_it.err(), Some(VaultError::Unsupported(_))));
    let (mut vault, _) =
        envelope.open(&order[0], &SlotSecret::Device(key(&order[0])), Opening::default()).unwrap();
    vault.accept_as_is();
    let storage = MemoryStorage::import(&envelope).unwrap();
    let mut draft = vault.admin();
    assert!(matches!(draft.rotate(&storage, &mut SeededRng(1)), Err(VaultError::Unsupported(_))));
    let mut draft = vault.admin();
    draft.add_item(64, b"still writable", &mut SeededRng(2)).unwrap();
    let prepared = draft.finish(TODAY, &mut SeededRng(3)).unwrap();
    let raw = encode(slot(&mut ciborium::from_reader(envelope.to_stored().manifest.as_slice()).unwrap(), 1));
    assert!(prepared.write().manifest.windows(raw.len()).any(|window| window == raw), "kept byte for byte");
}

#[test]
fn a_policy_guards_enrolment() {
    let mut rng = SeededRng(1);
    let policy = Policy {
        no_fallback: true,
        allowed_kinds: Some(vec![SlotKind::Passkey, SlotKind::Device]),
        ..Policy::default()
    };
    let vault_id = VaultId::make(&mut rng);
    let secret = Secret::make_random(&mut rng);
    let mut draft = Administration::new_vault(vault_id, Some(policy.clone()), &mut rng).unwrap();
    draft.enrol_device(&secret, private("device"), &mut rng).unwrap();
    let vault = draft.finish(TODAY, &mut rng).unwrap().into_vault(None, Moment::default()).unwrap();
    assert_eq!(vault.policy(), Some(&policy));
    let mut draft = vault.admin();
    draft.enrol_recovery_code(&RecoveryCode::make(&mut rng), private("code"), &mut rng).unwrap();
    assert!(matches!(draft.finish(TODAY, &mut rng).err(), Some(VaultError::PolicyViolation(_))));
    let empty = Policy { allowed_kinds: Some(vec![]), ..Policy::default() };
    assert!(matches!(
        Administration::new_vault(vault_id, Some(empty), &mut rng).err(),
        Some(VaultError::InvalidInput(_))
    ));
    assert_eq!(
        Administration::new_vault(vault_id, None, &mut rng).unwrap().finish(TODAY, &mut rng).err(),
        Some(VaultError::LastSlot)
    );
}

#[test]
fn forty_epochs_list_the_last_32_and_forty_rotations_link_the_last_32() {
    let mut world = World::new(1 << 50);
    for _ in 0..40 {
        world.change(&[Op::Rotate], false);
    }
    world.check();
    let manifest: Value =
        ciborium::from_reader(world.storage.parts().unwrap().unwrap().manifest.as_slice()).unwrap();
    let length = |key| at(&mut manifest.clone(), key).as_array().unwrap().len();
    assert_eq!((length(5), length(10)), (32, 32));
}

/// What a holder of every secret could put into a slot: its keys wrapped anew, and a vault key sealed anew.
struct Reforged {
    vrk: [u8; 32],
    vrk_commit: Option<[u8; 32]>,
    slot_pk: Option<[u8; 32]>,
}

impl Sample {
    /// The slot's own keys, and the key that wraps them, by the device secret.
    fn slot_keys(&self, slot: &mut Value) -> (Secret<32>, Vec<u8>) {
        let id = at(slot, 1).as_bytes().unwrap().clone();
        let secret = &self.slots.iter().find(|(slot, _)| slot.0.as_slice() == id).unwrap().1;
        let kdf_salt = at(slot, 8).as_bytes().unwrap().clone();
        let mut context = Writer::new();
        context
            .array(7)
            .bytes(&self.vault_id.0)
            .bytes(&id)
            .unsigned(6)
            .unsigned(1)
            .bytes(&[])
            .bytes(&[])
            .boolean(false);
        let okm: Secret<64> = Hkdf::extract(&kdf_salt, secret.expose())
            .expand(&[b"countersign/v1/slot-key\0", &context.finish()]);
        let k_enc = Secret::from_slice(&okm.expose()[..32]).unwrap();
        let nonce = at(at(slot, 10), 1).as_bytes().unwrap().as_slice().try_into().unwrap();
        let wrapped = at(at(slot, 10), 2).as_bytes().unwrap().clone();
        let keys = aead_open(&k_enc, &nonce, &wrapped, &self.wrapped_aad(slot)).unwrap();
        (k_enc, keys.expose().to_vec())
    }

    fn wrapped_aad(&self, slot: &mut Value) -> Vec<u8> {
        let bytes = |value: &mut Value| value.as_bytes().unwrap().clone();
        let mut aad = Writer::new();
        aad.array(9)
            .text("countersign/v1/slot")
            .bytes(&self.vault_id.0)
            .unsigned(1)
            .bytes(&bytes(at(slot, 1)));
        aad.unsigned(6).map(0).bytes(&bytes(at(slot, 8))).bytes(&bytes(at(slot, 11))).unsigned(1);
        aad.finish()
    }

    fn reforge(&self, manifest: &mut Value, index: usize, with: &Reforged) {
        use hpke::{Deserializable, Kem, OpModeS, PskBundle, Serializable, kem::X25519HkdfSha256 as X25519};
        let (k_enc, keys) = self.slot_keys(slot(manifest, index));
        let private = <X25519 as Kem>::PrivateKey::from_bytes(&keys[..32]).unwrap();
        if let Some(slot_pk) = with.slot_pk {
            *at(slot(manifest, index), 11) = Value::Bytes(slot_pk.to_vec());
            let aad = self.wrapped_aad(slot(manifest, index));
            *at(at(slot(manifest, index), 10), 1) = Value::Bytes(vec![3; 12]);
            *at(at(slot(manifest, index), 10), 2) =
                Value::Bytes(aead_seal(&k_enc, &[3; 12], &keys, &aad).unwrap());
        }
        if let Some(vrk_commit) = with.vrk_commit {
            *at(manifest, 6) = Value::Bytes(vrk_commit.to_vec());
        }
        let vrk_commit = at(manifest, 6).as_bytes().unwrap().clone();
        let slot = slot(manifest, index);
        let id = at(slot, 1).as_bytes().unwrap().clone();
        let mut info = Writer::new();
        info.raw(b"countersign/v1/vrk\0").array(2).bytes(&self.vault_id.0).unsigned(1);
        let mut aad = Writer::new();
        aad.array(5).bytes(&id).unsigned(1).unsigned(1).bytes(&vrk_commit);
        aad.bytes(&sha256(at(slot, 11).as_bytes().unwrap()));
        let psk = PskBundle::new(&keys[32..], &id).unwrap();
        let (enc, ciphertext) =
            hpke::single_shot_seal_with_rng::<hpke::aead::AesGcm256, hpke::kdf::HkdfSha256, X25519>(
                &OpModeS::Psk(psk),
                &X25519::sk_to_pk(&private),
                &info.finish(),
                &with.vrk,
                &aad.finish(),
                &mut SeededRng(31),
            )
            .unwrap();
        *at(at(slot, 12), 1) = Value::Bytes(enc.to_bytes().to_vec());
        *at(at(slot, 12), 2) = Value::Bytes(ciphertext);
    }

    fn open_first(&self, bytes: &[u8]) -> Result<(), VaultError> {
        let envelope = Envelope::decode(bytes)?;
        let first = envelope.slots().next().unwrap().slot_id();
        let secret = &self.slots.iter().find(|(slot, _)| *slot == first).unwrap().1;
        envelope.open(&first, &SlotSecret::Device(secret), Opening::default()).map(|_| ())
    }
}

#[test]
fn a_vault_key_that_is_not_the_committed_one_is_refused_even_sealed_by_the_sak() {
    let sample = Sample::new(13);
    let right = Reforged { vrk: sample.vrk, vrk_commit: None, slot_pk: None };
    sample.open_first(&sample.forge(|manifest, _| sample.reforge(manifest, 0, &right))).unwrap();
    let wrong = Reforged { vrk_commit: Some([1; 32]), ..right };
    let forged = sample.forge(|manifest, _| sample.reforge(manifest, 0, &wrong));
    assert_eq!(sample.open_first(&forged), Err(VaultError::Tampered("vault key commitment")));
}

#[test]
fn a_slot_public_key_that_is_not_the_slots_is_refused_even_wrapped_by_its_secret() {
    let sample = Sample::new(14);
    let wrong = Reforged { vrk: sample.vrk, vrk_commit: None, slot_pk: Some([9; 32]) };
    let forged = sample.forge(|manifest, _| sample.reforge(manifest, 0, &wrong));
    assert_eq!(sample.open_first(&forged), Err(VaultError::Tampered("slot public key")));
}

#[test]
fn padding_that_is_none_is_malformed() {
    let sample = Sample::new(15);
    // Nothing but zeros; a marker in the block before the last; a marker that is none.
    let mut early = vec![0; 128];
    early[10] = 0x80;
    for padded in [vec![0; 64], early, vec![0x81; 64]] {
        let forged = sample.forge(|manifest, _| {
            let slot = slot(manifest, 0);
            let mut aad = Writer::new();
            aad.array(4).text("countersign/v1/private").bytes(&sample.vault_id.0);
            aad.bytes(at(slot, 1).as_bytes().unwrap()).unsigned(1);
            let sealed = aead_seal(&sample.key("meta"), &[5; 12], &padded, &aad.finish()).unwrap();
            *at(at(slot, 14), 1) = Value::Bytes(vec![5; 12]);
            *at(at(slot, 14), 2) = Value::Bytes(sealed);
        });
        assert_eq!(sample.open(&forged), Err(VaultError::Malformed("padding")));
    }
}

#[test]
fn slots_from_the_future_are_malformed() {
    let sample = Sample::new(16);
    let forged = sample.forge(|manifest, _| *at(slot(manifest, 0), 6) = number(2));
    assert!(matches!(sample.open(&forged), Err(VaultError::Malformed(_))));
}

#[test]
fn a_lower_floor_than_the_one_seen_is_a_rollback() {
    let sample = Sample::new(17);
    let (slot, secret) = &sample.slots[0];
    let mut memory = TestMemory::default();
    let open = |memory: &mut TestMemory| {
        let opening = Opening { memory: Some(memory), ..Opening::default() };
        sample.envelope().open(slot, &SlotSecret::Device(secret), opening).map(|(_, freshness)| freshness)
    };
    assert_eq!(open(&mut memory), Ok(Freshness::FirstUse));
    assert_eq!((open(&mut memory), memory.puts), (Ok(Freshness::Checked), 1));
    memory.seen.get_mut(&sample.vault_id).unwrap().floor = 2;
    assert_eq!(open(&mut memory), Err(VaultError::Rollback));
}

#[test]
fn an_epoch_that_the_cut_would_split_leaves_the_ancestors_whole() {
    let sample = Sample::new(18);
    // 32 ancestors of epoch 100, the last two of them two heads of one epoch that were reconciled.
    let forged = sample.forge(|manifest, _| {
        *at(manifest, 3) = number(100);
        let past = |epoch: u64, hash: u8| Value::Array(vec![number(epoch), Value::Bytes(vec![hash; 32])]);
        let ancestors = (0..31).map(|age| past(99 - age, 1)).chain([past(69, 2)]).collect();
        *at(manifest, 5) = Value::Array(ancestors);
    });
    sample.open(&forged).unwrap();
    let (slot, secret) = &sample.slots[0];
    let envelope = Envelope::decode(&forged).unwrap();
    let (vault, _) = envelope.open(slot, &SlotSecret::Device(secret), Opening::default()).unwrap();
    let prepared = vault.admin().finish(TODAY, &mut SeededRng(1)).unwrap();
    let mut manifest: Value = ciborium::from_reader(prepared.write().manifest.as_slice()).unwrap();
    let ancestors = at(&mut manifest, 5).as_array().unwrap();
    let epochs: Vec<Value> = ancestors.iter().map(|past| past.as_array().unwrap()[0].clone()).collect();
    assert_eq!(epochs, (70..=100).rev().map(number).collect::<Vec<_>>());
}

#[test]
fn reconciled_heads_list_no_ancestor_of_an_epoch_of_which_one_of_them_is_silent() {
    let sample = Sample::new(26);
    let past = |(epoch, hash): (u64, u8)| Value::Array(vec![number(epoch), Value::Bytes(vec![hash; 32])]);
    let head = |epoch, ancestors: &[(u64, u8)]| {
        let forged = sample.forge(|manifest, _| {
            *at(manifest, 3) = number(epoch);
            *at(manifest, 5) = Value::Array(ancestors.iter().copied().map(past).collect());
        });
        let (slot, secret) = &sample.slots[0];
        let envelope = Envelope::decode(&forged).unwrap();
        envelope.open(slot, &SlotSecret::Device(secret), Opening::default()).unwrap().0
    };
    let one = head(100, &[(99, 1), (98, 1), (95, 1)]);
    let two = head(97, &[(96, 2), (95, 1), (95, 2), (94, 1), (90, 1)]);
    let items: &dyn ItemSource = &sample.storage;
    let heads = [Head { vault: &one, items }, Head { vault: &two, items }];
    let mut rng = SeededRng(1);
    let proof = (&one.opening_proof(), Moment::default());
    let (draft, _) = reconcile(UsersWord::given(), heads, None, proof, &mut rng).unwrap();
    let prepared = draft.finish(TODAY, &mut rng).unwrap();
    let mut manifest: Value = ciborium::from_reader(prepared.write().manifest.as_slice()).unwrap();
    assert_eq!(*at(&mut manifest, 3), number(101));
    let hash = |vault: &Vault| Value::Bytes(vault.base().hash.to_vec());
    let mut expected = vec![
        Value::Array(vec![number(100), hash(&one)]),
        past((99, 1)),
        past((98, 1)),
        Value::Array(vec![number(97), hash(&two)]),
        past((96, 2)),
    ];
    expected.extend([(95, 1), (95, 2)].map(past));
    assert_eq!(*at(&mut manifest, 5), Value::Array(expected));
}

#[test]
fn a_fifth_passphrase_is_refused() {
    let sample = Sample::new(19);
    let (slot, secret) = &sample.slots[0];
    let envelope = sample.envelope();
    let (mut vault, _) = envelope.open(slot, &SlotSecret::Device(secret), Opening::default()).unwrap();
    vault.accept_as_is();
    let cost = PassphraseCost { memory_kib: 19_456, passes: 2, lanes: 1 };
    let enrol = |number: u64| {
        let mut rng = SeededRng(90);
        let mut draft = vault.admin();
        for _ in 0..number {
            draft.enrol_passphrase("correct horse", cost, private("passphrase"), &mut rng).unwrap();
        }
        draft.finish(TODAY, &mut rng).map(|_| ())
    };
    assert_eq!(enrol(4), Ok(()));
    assert!(matches!(enrol(5), Err(VaultError::InvalidInput(_))));
    let cheap = PassphraseCost { memory_kib: 1024, ..cost };
    let refused = vault.admin().enrol_passphrase("x", cheap, private("cheap"), &mut SeededRng(1));
    assert!(matches!(refused, Err(VaultError::PolicyViolation(_))));
}

/// A source that has lost every item.
struct Lost;

impl ItemSource for Lost {
    fn item(&self, _: &ItemId) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(None)
    }
}

#[test]
fn a_draft_that_failed_to_rotate_or_remove_can_be_finished_without_harm() {
    let mut sample = Sample::new(20);
    let (slot, secret) = &sample.slots[0];
    let envelope = sample.envelope();
    let (mut vault, _) = envelope.open(slot, &SlotSecret::Device(secret), Opening::default()).unwrap();
    vault.accept_as_is();
    let mut rng = SeededRng(40);
    let mut draft = vault.admin();
    assert_eq!(draft.rotate(&Lost, &mut rng), Err(VaultError::Tampered("item missing")));
    assert_eq!(draft.remove(slot, &Lost, &mut rng), Err(VaultError::Tampered("item missing")));
    let prepared = draft.finish(TODAY, &mut rng).unwrap();
    sample.storage.write(prepared.write()).unwrap();
    vault.written(prepared, None).unwrap();
    assert_eq!((vault.epoch(), vault.key_gen()), (2, 1));
    sample.open(&sample.envelope().encode()).unwrap();
}

#[test]
fn an_envelope_of_another_version_is_unsupported_whatever_else_it_has() {
    let sample = Sample::new(20);
    let forged = sample.forge(|manifest, _| {
        *at(manifest, 1) = number(2);
        insert(manifest, 14, number(1));
    });
    let mut envelope: Value = ciborium::from_reader(forged.as_slice()).unwrap();
    insert(&mut envelope, 5, number(1));
    let unsupported = VaultError::Unsupported("format version");
    for bytes in [forged, encode(&envelope)] {
        assert_eq!(Envelope::decode(&bytes).err(), Some(unsupported));
    }
    // A version that is none, and an envelope of this version with a key that it has not.
    let none = sample.forge(|manifest, _| *at(manifest, 1) = Value::Text("1".into()));
    assert!(matches!(Envelope::decode(&none), Err(VaultError::Malformed(_))));
    let mut envelope: Value = ciborium::from_reader(sample.envelope().encode().as_slice()).unwrap();
    insert(&mut envelope, 5, number(1));
    assert!(matches!(Envelope::decode(&encode(&envelope)), Err(VaultError::Malformed(_))));
}

fn past(epoch: u64, hash: u8) -> Value {
    Value::Array(vec![number(epoch), Value::Bytes(vec![hash; 32])])
}

fn set_history(manifest: &mut Value, epoch: u64, ancestors: Vec<Value>) {
    *at(manifest, 3) = number(epoch);
    *at(manifest, 5) = Value::Array(ancestors);
}

#[test]
fn ancestors_are_below_the_epoch_in_order_and_none_is_repeated() {
    let sample = Sample::new(21);
    let decode = |epoch, ancestors: &[(u64, u8)]| {
        let ancestors = ancestors.iter().map(|(epoch, hash)| past(*epoch, *hash)).collect();
        Envelope::decode(&sample.forge(|manifest, _| set_history(manifest, epoch, ancestors))).map(|_| ())
    };
    // One epoch twice is two heads that were reconciled; it is the pair that may not be repeated.
    assert_eq!(decode(9, &[(8, 1), (7, 1), (7, 2), (3, 1)]), Ok(()));
    assert_eq!(decode(1, &[]), Ok(()));
    let malformed = Err(VaultError::Malformed("ancestors"));
    assert_eq!(decode(1, &[(1, 1)]), malformed, "of the first state");
    assert_eq!(decode(2, &[]), malformed, "none of a later one");
    for bad in [&[(9, 1)][..], &[(8, 1), (8, 1)], &[(8, 2), (8, 1)], &[(7, 1), (8, 1)], &[(8, 1), (0, 1)]] {
        assert_eq!(decode(9, bad), malformed, "{bad:?}");
    }
    let many: Vec<_> = (0..33).map(|age| (99 - age, 1)).collect();
    assert_eq!(decode(100, &many[..32]), Ok(()));
    assert!(matches!(decode(100, &many), Err(VaultError::Malformed(_))));
}

#[test]
fn a_state_is_a_fork_unless_the_list_no_longer_reaches_back_to_the_one_seen() {
    let sample = Sample::new(22);
    let forged = sample.forge(|manifest, _| {
        set_history(manifest, 100, (0..32).map(|age| past(99 - age, 1)).collect());
    });
    let envelope = Envelope::decode(&forged).unwrap();
    let (slot, secret) = &sample.slots[0];
    let mut first = TestMemory::default();
    let opening = Opening { memory: Some(&mut first), ..Opening::default() };
    envelope.open(slot, &SlotSecret::Device(secret), opening).unwrap();
    let known = first.seen[&sample.vault_id];
    let open = |seen: Seen| {
        let mut memory = TestMemory::default();
        memory.seen.insert(sample.vault_id, seen);
        let opening = Opening { memory: Some(&mut memory), ..Opening::default() };
        let opened =
            envelope.open(slot, &SlotSecret::Device(secret), opening).map(|(_, freshness)| freshness);
        assert_eq!(
            memory.puts,
            usize::from(opened.is_ok() && seen != known),
            "only what was checked is remembered"
        );
        opened
    };
    let at_epoch = |epoch, hash| Seen { epoch, hash: [hash; 32], ..known };
    assert_eq!(open(known), Ok(Freshness::Checked));
    assert_eq!(open(at_epoch(68, 1)), Ok(Freshness::Checked), "the lowest that is listed");
    assert_eq!(open(at_epoch(68, 2)), Err(VaultError::Fork), "another state of the lowest epoch");
    assert_eq!(open(at_epoch(80, 2)), Err(VaultError::Fork));
    assert_eq!(open(at_epoch(67, 2)), Ok(Freshness::CheckedGap), "below the list");
    assert_eq!(open(Seen { hash: [0; 32], ..known }), Err(VaultError::Fork), "the same epoch");
    assert_eq!(open(Seen { epoch: 101, ..known }), Err(VaultError::Rollback));
    // The lineage is checked on every path, and a lower generation is a rollback before it is a fork.
    let other_line = |seen: Seen| Seen { lineage_key: [3; 32], ..seen };
    for seen in [known, at_epoch(68, 1), at_epoch(67, 2)] {
        assert_eq!(open(other_line(seen)), Err(VaultError::Fork));
        assert_eq!(open(Seen { key_gen: 2, ..other_line(seen) }), Err(VaultError::Rollback));
    }
}

#[test]
fn argon2_bounds_hold_for_the_slot_in_use_alone() {
    let sample = Sample::new(23);
    let forged = sample.forge(|manifest, _| {
        let second = slot(manifest, 1);
        let huge = number(i64::MAX as u64);
        *at(second, 2) = number(3);
        *at(second, 7) =
            map(vec![(1, huge.clone()), (2, huge.clone()), (3, huge), (4, Value::Bytes(vec![1; 16]))]);
    });
    let envelope = Envelope::decode(&forged).unwrap();
    let order: Vec<SlotId> = envelope.slots().map(|slot| slot.slot_id()).collect();
    let secret = &sample.slots.iter().find(|(slot, _)| *slot == order[0]).unwrap().1;
    envelope.open(&order[0], &SlotSecret::Device(secret), Opening::default()).unwrap();
    let opened = envelope.open(&order[1], &SlotSecret::Passphrase("any"), Opening::default());
    assert!(matches!(opened.err(), Some(VaultError::PolicyViolation(_))));
}

#[test]
fn what_the_schema_cannot_say_is_malformed_all_the_same() {
    let sample = Sample::new(24);
    let malformed = |what: &str, alter: &dyn Fn(&mut Value)| {
        let decoded = Envelope::decode(&sample.forge(|manifest, _| alter(manifest)));
        assert!(matches!(decoded, Err(VaultError::Malformed(_))), "{what}: {:?}", decoded.err());
    };
    let shares = |k, n| map(vec![(1, number(k)), (2, number(n)), (3, Value::Bytes(vec![1; 8]))]);
    let as_shares = |manifest: &mut Value, unlock| {
        *at(slot(manifest, 0), 2) = number(4);
        *at(slot(manifest, 0), 7) = unlock;
    };
    let tombstone = |manifest: &mut Value, last_enabled| {
        let id = at(slot(manifest, 0), 1).clone();
        let fields = vec![(1, id), (2, number(6)), (3, number(4)), (4, number(1)), (6, number(last_enabled))];
        *slot(manifest, 0) = map(fields);
    };
    Envelope::decode(&sample.forge(|manifest, _| as_shares(manifest, shares(3, 3)))).unwrap();
    Envelope::decode(&sample.forge(|manifest, _| tombstone(manifest, 1))).unwrap();
    malformed("k above n", &|manifest| as_shares(manifest, shares(4, 3)));
    malformed("k of one", &|manifest| as_shares(manifest, shares(1, 3)));
    malformed("a tombstone from the future", &|manifest| tombstone(manifest, 2));
    malformed("no vault id", &|manifest| *at(manifest, 2) = Value::Bytes(vec![0; 16]));
    malformed("transports of a device", &|manifest| insert(slot(manifest, 0), 15, number(1)));
    malformed("a short public key", &|manifest| *at(slot(manifest, 0), 11) = Value::Bytes(vec![1; 31]));
    malformed("a long enc", &|manifest| *at(at(slot(manifest, 0), 12), 1) = Value::Bytes(vec![1; 1120]));
    malformed("a seal of 49", &|manifest| *at(at(slot(manifest, 0), 12), 2) = Value::Bytes(vec![1; 49]));
    malformed("a short private part", &|manifest| {
        *at(at(slot(manifest, 0), 14), 2) = Value::Bytes(vec![1; 79])
    });
    malformed("a long private part", &|manifest| {
        *at(at(slot(manifest, 0), 14), 2) = Value::Bytes(vec![1; 4113])
    });
    malformed("an idle device", &|manifest| {
        let (id, private) = (at(slot(manifest, 0), 1).clone(), at(slot(manifest, 0), 14).clone());
        *slot(manifest, 0) =
            map(vec![(1, id), (2, number(6)), (3, number(2)), (4, number(1)), (14, private)]);
    });
    malformed("a link too many", &|manifest| {
        let links = at(manifest, 10).as_array_mut().unwrap();
        links.push(links[0].clone());
    });
    malformed("no slot", &|manifest| *at(manifest, 8) = Value::Array(vec![]));
    malformed("a number of 64 bits", &|manifest| *at(manifest, 11) = Value::Integer(u64::MAX.into()));
}

#[test]
fn a_tombstone_names_the_generation_before_its_removal_and_the_oldest_go() {
    let mut rng = SeededRng(1 << 51);
    let secret = Secret::make_random(&mut rng);
    let mut draft = Administration::new_vault(VaultId::make(&mut rng), None, &mut rng).unwrap();
    draft.enrol_device(&secret, private("stays"), &mut rng).unwrap();
    let prepared = draft.finish(TODAY, &mut rng).unwrap();
    let mut storage = MemoryStorage::default();
    storage.write(prepared.write()).unwrap();
    let mut vault = prepared.into_vault(None, Moment::default()).unwrap();
    let mut removed = Vec::new();
    for _ in 0..17 {
        // Two slots of one generation go in one write: among equals the lower slot_id is the older one.
        let mut draft = vault.admin();
        let mut enrol = || draft.enrol_device(&secret, private("goes"), &mut rng).unwrap();
        let two = [enrol(), enrol()];
        let prepared = draft.finish(TODAY, &mut rng).unwrap();
        storage.write(prepared.write()).unwrap();
        vault.written(prepared, None).unwrap();
        removed.extend(two.map(|id| (vault.key_gen(), id.0.to_vec())));
        let mut draft = vault.admin();
        two.iter().for_each(|id| draft.remove(id, &storage, &mut rng).unwrap());
        let prepared = draft.finish(TODAY, &mut rng).unwrap();
        storage.write(prepared.write()).unwrap();
        vault.written(prepared, None).unwrap();
    }
    assert_eq!(vault.key_gen(), 18);
    let mut manifest: Value =
        ciborium::from_reader(storage.parts().unwrap().unwrap().manifest.as_slice()).unwrap();
    let mut found = Vec::new();
    for slot in at(&mut manifest, 8).as_array_mut().unwrap() {
        if *at(slot, 3) == number(4) {
            let key_gen = u64::try_from(at(slot, 6).as_integer().unwrap()).unwrap();
            found.push((key_gen, at(slot, 1).as_bytes().unwrap().clone()));
        }
    }
    found.sort();
    removed.sort();
    assert_eq!(found, removed[2..]);
}

#[test]
fn a_vault_without_fallback_by_policy_opens_with_none() {
    let sample = Sample::new(30);
    for (kind, fallback) in [(2, true), (5, true), (6, false)] {
        let forged = sample.forge(|manifest, _| {
            *at(slot(manifest, 0), 2) = number(kind);
            insert(manifest, 12, map(vec![(3, Value::Bool(true))]));
        });
        let envelope = Envelope::decode(&forged).unwrap();
        let intact = envelope.slots().last().unwrap().slot_id();
        let secret = &sample.slots.iter().find(|(slot, _)| *slot == intact).unwrap().1;
        let opened = envelope.open(&intact, &SlotSecret::Device(secret), Opening::default()).err();
        let violation = VaultError::PolicyViolation("no slot but passkeys and devices");
        assert_eq!(opened, fallback.then_some(violation), "kind {kind}");
    }
}

#[test]
fn heads_whose_lines_nobody_signed_are_not_brought_together() {
    let mut sample = Sample::new(30);
    let open = |sample: &Sample, bytes: &[u8]| {
        let (slot, secret) = &sample.slots[0];
        let envelope = Envelope::decode(bytes).unwrap();
        let (mut vault, _) = envelope.open(slot, &SlotSecret::Device(secret), Opening::default()).unwrap();
        vault.accept_as_is();
        vault
    };
    let old = open(&sample, &sample.envelope().encode());
    let (mut first, mut rng) = (sample.storage.clone(), SeededRng(1));
    let mut draft = old.draft();
    draft.add_item(64, b"item three", &mut rng).unwrap();
    first.write(draft.finish(TODAY, &mut rng).unwrap().write()).unwrap();
    let one = open(&sample, &Envelope::export(&first).unwrap().unwrap().encode());
    // The other head has a key that is not known to come after the first one.
    let vrk = [0x77; 32];
    let mut draft = old.admin();
    draft.rotate(&sample.storage, &mut ScriptedRng::new([vrk.to_vec()])).unwrap();
    sample.storage.write(draft.finish(TODAY, &mut rng).unwrap().write()).unwrap();
    sample.vrk = vrk;
    let mut join = |two: &Vault| {
        let heads = [Head { vault: &one, items: &first }, Head { vault: two, items: &sample.storage }];
        let proof = (&one.opening_proof(), Moment::default());
        reconcile(UsersWord::given(), heads, None, proof, &mut rng).map(|_| ()).err()
    };
    assert_eq!(join(&open(&sample, &sample.forge(|_, _| {}))), None);
    let unsigned = sample.forge(|manifest, _| {
        let link = &mut at(manifest, 10).as_array_mut().unwrap()[1];
        at(link, 3).as_bytes_mut().unwrap()[5] ^= 1;
    });
    assert_eq!(join(&open(&sample, &unsigned)), Some(VaultError::Fork));
}

#[test]
fn an_item_whose_version_cannot_rise_is_not_restored_and_the_vault_stays_readable() {
    for highest in [(1 << 63) - 1, (1 << 63) - 2] {
        restore_an_item_of_version(highest);
    }
}

fn restore_an_item_of_version(highest: u64) {
    let sample = Sample::new(31);
    let aad = |name: &str, item: &mut Value, version: u64, with_key_gen: bool| {
        let id = at(item, 1).as_bytes().unwrap().clone();
        let mut writer = Writer::new();
        writer.array(if with_key_gen { 6 } else { 5 }).text(&format!("countersign/v1/{name}"));
        writer.bytes(&sample.vault_id.0).bytes(&id).unsigned(version).unsigned(64);
        if with_key_gen {
            writer.unsigned(1);
        }
        writer.finish()
    };
    let kek = |item: &mut Value, version: u64| {
        let mut context = Writer::new();
        context.array(2).bytes(at(item, 1).as_bytes().unwrap()).unsigned(version);
        let prk = Hkdf::extract(&sample.vault_id.0, &sample.vrk);
        let kek: Secret<32> = prk.expand(&[b"countersign/v1/item-kek\0", &context.finish()]);
        kek
    };
    let open = |boxed: &mut Value, key: &Secret<32>, aad: &[u8]| {
        let nonce = at(boxed, 1).as_bytes().unwrap().as_slice().try_into().unwrap();
        aead_open(key, &nonce, at(boxed, 2).as_bytes().unwrap(), aad).unwrap()
    };
    let seal = |boxed: &mut Value, key: &Secret<32>, plaintext: &[u8], aad: &[u8]| {
        let nonce = at(boxed, 1).as_bytes().unwrap().as_slice().try_into().unwrap();
        *at(boxed, 2) = Value::Bytes(aead_seal(key, &nonce, plaintext, aad).unwrap());
    };
    let forged = sample.forge(|manifest, items| {
        let item = &mut items[0];
        let (key_aad, body_aad) = (aad("item-key", item, 1, true), aad("item", item, 1, false));
        let (old, new) = (kek(item, 1), kek(item, highest));
        let content_key: Secret<32> = Secret::from_slice(open(at(item, 4), &old, &key_aad).expose()).unwrap();
        let body = open(at(item, 5), &content_key, &body_aad);
        let (key_aad, body_aad) = (aad("item-key", item, highest, true), aad("item", item, highest, false));
        seal(at(item, 4), &new, content_key.expose(), &key_aad);
        seal(at(item, 5), &content_key, body.expose(), &body_aad);
        *at(item, 2) = number(highest);
        let info =
            [(1, number(7)), (2, Value::Bytes(vec![1; 16])), (3, number(1)), (4, number(2)), (5, number(1))];
        insert(manifest, 13, map(info.to_vec()));
    });
    let mut file = Writer::new();
    file.map(2).unsigned(0).text("countersign/v1/backup").unsigned(1).bytes(&forged);
    let file = BackupFile::decode(&file.finish()).unwrap();
    let (slot, secret) = &sample.slots[0];
    let backup = file.open(slot, &SlotSecret::Device(secret), Opening::default()).unwrap();
    let other = Sample::new(32);
    let (slot, secret) = &other.slots[0];
    let (vault, _) = other.envelope().open(slot, &SlotSecret::Device(secret), Opening::default()).unwrap();
    let (mut draft, mut storage, mut rng) = (vault.draft(), other.storage.clone(), SeededRng(1));
    let to = Destination { items: &other.storage, provider: &RustCrypto, own_accounts: &[] };
    let report = restore(&backup, &mut draft, &to, &mut rng, |_| ()).unwrap();
    storage.write(draft.finish(TODAY, &mut rng).unwrap().write()).unwrap();
    assert_eq!((report.restored.len(), report.refused.len()), (1, 1));
    let after = Envelope::decode(&Envelope::export(&storage).unwrap().unwrap().encode()).unwrap();
    assert_eq!(after.rows().count(), 3);
}
