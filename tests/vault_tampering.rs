//! Tampering, systematically: each byte string of an envelope is altered, cut, and replaced by one that is genuine elsewhere,
//! and every opening says which error answers. The tables of SECURITY.md are made here.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use ciborium::Value;
use common::{
    seeded_rng::SeededRng,
    vault::{Admin, TestMemory, at, encode, evaluate, item_root, private, row},
    vectors::file,
    world::TODAY,
};
use countersign::{
    backup::Export,
    cbor::Writer,
    crypto::{Hkdf, aead_open, hmac_sha256, sha256},
    rand_core::CryptoRng,
    secret::Secret,
    time::Moment,
    vault::{
        Administration, Envelope, ExtraPin, Freshness, JoinedShares, MemoryStorage, Opening,
        PasskeyEnrolment, PassphraseCost, PrfAbility, PrfSaltMode, RecoveryCode, Resalt, Row, SlotId,
        SlotPrivate, SlotSecret, SlotView, Vault, VaultError, VaultId, VaultStorage, prf_input,
    },
    webauthn::{CredentialId, RpId},
};
use hpke::{
    Deserializable, OpModeS, PskBundle, Serializable, aead::AesGcm256, kdf::HkdfSha256,
    kem::X25519HkdfSha256 as X25519, single_shot_seal_with_rng,
};

/// The least that the format allows.
const CHEAP: PassphraseCost = PassphraseCost { memory_kib: 19_456, passes: 2, lanes: 1 };
const PIN: &str = "0123";

// --- Two vaults, each in an older and in its present state ---

/// A slot's secret, as its owner has it.
enum Kept {
    Passkey { cred_random: [u8; 32], pin: Option<&'static str> },
    Code(RecoveryCode),
    Passphrase(&'static str),
    Shares(JoinedShares),
    Device(Secret<32>),
}

impl Kept {
    /// Lends the secret as a client would bring it: a passkey evaluates whatever input the slot names.
    fn lend<T>(&self, slot: Option<SlotView<'_>>, open: impl FnOnce(&SlotSecret<'_>) -> T) -> T {
        match self {
            Self::Passkey { cred_random, pin } => {
                let output =
                    evaluate(cred_random, &slot.and_then(|slot| slot.prf_input()).unwrap_or_default());
                match pin {
                    Some(pin) => open(&SlotSecret::PasskeyWithPin(&output, pin)),
                    None => open(&SlotSecret::Passkey(&output)),
                }
            }
            Self::Code(code) => open(&SlotSecret::Code(code)),
            Self::Passphrase(text) => open(&SlotSecret::Passphrase(text)),
            Self::Shares(joined) => open(&SlotSecret::Shares(joined)),
            Self::Device(secret) => open(&SlotSecret::Device(secret)),
        }
    }

    fn is_slow(&self) -> bool {
        matches!(self, Self::Passkey { pin: Some(_), .. } | Self::Passphrase(_))
    }
}

/// A vault with two slots of each kind, each status, and two items; every key and ciphertext of the present state is newer
/// than the older state's.
struct Sample {
    slots: BTreeMap<SlotId, (&'static str, Option<Kept>)>,
    /// The devices, one of which reads what the other one's slot has to say about itself.
    devices: [SlotId; 2],
    vrk: [u8; 32],
    older: MemoryStorage,
    storage: MemoryStorage,
}

/// Finishes a change and stores it.
fn store(draft: Administration<'_>, storage: &mut MemoryStorage, rng: &mut dyn CryptoRng) -> Vault {
    let prepared = draft.finish(TODAY, rng).unwrap();
    storage.write(prepared.write()).unwrap();
    let envelope = Envelope::from_stored(storage.parts().unwrap().unwrap()).unwrap();
    drop(prepared);
    let device = envelope.slots().find(|slot| slot.kind().number() == 6 && slot.born().is_some()).unwrap();
    let mut memory = TestMemory::default();
    let opening = Opening { memory: Some(&mut memory), ..Opening::default() };
    let (mut vault, _) =
        envelope.open(&device.slot_id(), &SlotSecret::Device(&the_device()), opening).unwrap();
    vault.accept_as_is();
    vault
}

/// One secret for all devices: what keeps their slots apart is what stands in them.
fn the_device() -> Secret<32> {
    Secret::init_with(|secret| secret.fill(0xd5))
}

impl Sample {
    fn new(seed: u64) -> Self {
        let rng = &mut SeededRng(seed << 40);
        let mut slots = BTreeMap::new();
        let mut draft = Administration::new_vault(VaultId::make(rng), None, rng).unwrap();
        let gone = enrol_all(&mut draft, &mut slots, rng);
        draft.add_item(64, b"short", rng).unwrap();
        draft.add_item(65, &[7; 100], rng).unwrap();
        let mut storage = MemoryStorage::default();
        let vault = store(draft, &mut storage, rng);
        let mut draft = vault.admin();
        gone.iter().for_each(|slot| draft.remove(slot, &storage, rng).unwrap());
        let vault = store(draft, &mut storage, rng);
        let mut draft = vault.admin();
        draft.rotate(&storage, rng).unwrap();
        let vault = store(draft, &mut storage, rng);
        let older = storage.clone();
        let vrk = *Secret::<32>::make_random(rng).expose();
        let mut draft = vault.admin();
        refresh_all(&mut draft, &vault, &slots, rng);
        // The root key is drawn first; then what every item is encrypted with.
        let mut scripted = KeyThen(Some(vrk), rng);
        draft.rotate_and_reencrypt(&storage, &mut scripted).unwrap();
        store(draft, &mut storage, rng);
        let devices: Vec<_> =
            slots.iter().filter(|(_, (kind, _))| *kind == "device").map(|(id, _)| *id).collect();
        Self { slots, devices: [devices[0], devices[1]], vrk, older, storage }
    }

    fn envelope(&self) -> Envelope {
        Envelope::export(&self.storage).unwrap().unwrap()
    }

    fn vault_id(&self) -> VaultId {
        self.envelope().vault_id()
    }

    /// A device other than this slot.
    fn reader(&self, slot: Option<SlotId>) -> SlotId {
        self.devices.into_iter().find(|device| Some(*device) != slot).unwrap()
    }
}

/// A first draw that is given, then another's.
struct KeyThen<'a>(Option<[u8; 32]>, &'a mut SeededRng);

impl countersign::rand_core::TryRng for KeyThen<'_> {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        self.1.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        self.1.try_next_u64()
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Self::Error> {
        match self.0.take() {
            Some(key) => target.copy_from_slice(&key),
            None => self.1.try_fill_bytes(target)?,
        }
        Ok(())
    }
}

impl countersign::rand_core::TryCryptoRng for KeyThen<'_> {}

/// Two slots of each kind and status; answers the devices that are to be removed.
fn enrol_all(
    draft: &mut Administration<'_>,
    slots: &mut BTreeMap<SlotId, (&'static str, Option<Kept>)>,
    rng: &mut SeededRng,
) -> [SlotId; 2] {
    let vault_id = draft.vault_id();
    for number in 0..4u8 {
        let cred_random: [u8; 32] = *Secret::make_random(rng).expose();
        let salt = PrfSaltMode::PerSlot(*Secret::make_random(rng).expose());
        let output = || evaluate(&cred_random, &prf_input(&vault_id, &salt));
        let pin = (number >= 2).then_some(PIN);
        let enrolment = PasskeyEnrolment {
            rp_id: &RpId::new("vault.example").unwrap(),
            credential_id: &CredentialId::new(&sha256(&cred_random)).unwrap(),
            salt,
            transports: &["internal"],
            pin: pin.map(|pin| ExtraPin { pin, cost: CHEAP }),
            private: private("passkey"),
        };
        let id = draft.enrol_passkey(enrolment, &output(), &output(), rng).unwrap();
        let kind = if pin.is_some() { "passkey with PIN" } else { "passkey" };
        slots.insert(id, (kind, Some(Kept::Passkey { cred_random, pin })));
    }
    for text in ["correct horse", "battery staple"] {
        let code = RecoveryCode::make(rng);
        let id = draft.enrol_recovery_code(&code, private("code"), rng).unwrap();
        slots.insert(id, ("recovery code", Some(Kept::Code(code))));
        let id = draft.enrol_passphrase(text, CHEAP, private("passphrase"), rng).unwrap();
        slots.insert(id, ("passphrase", Some(Kept::Passphrase(text))));
        let (id, shares) = draft.enrol_shares(2, 3, private("shares"), rng).unwrap();
        let joined = JoinedShares::join(&shares[..2]).unwrap();
        slots.insert(id, ("shares", Some(Kept::Shares(joined))));
        let code = RecoveryCode::make(rng);
        let id = draft.enrol_contact_code(&code, private("contact"), rng).unwrap();
        slots.insert(id, ("contact's code", Some(Kept::Code(code))));
        let verified = SlotPrivate { last_verified: Some(TODAY.0), ..private("device") };
        let id = draft.enrol_device(&the_device(), verified, rng).unwrap();
        slots.insert(id, ("device", Some(Kept::Device(the_device()))));
        let credential = CredentialId::new(text.as_bytes()).unwrap();
        let rp_id = RpId::new("vault.example").unwrap();
        let id = draft.add_passkey(&rp_id, &credential, PrfAbility::Observed, private("idle"), rng).unwrap();
        slots.insert(id, ("idle passkey", None));
    }
    [(); 2].map(|()| {
        let id = draft.enrol_device(&Secret::make_random(rng), private("gone"), rng).unwrap();
        slots.insert(id, ("removed", None));
        id
    })
}

/// New keys for every slot, and new salts where that can be.
fn refresh_all(
    draft: &mut Administration<'_>,
    vault: &Vault,
    slots: &BTreeMap<SlotId, (&'static str, Option<Kept>)>,
    rng: &mut SeededRng,
) {
    for (id, (_, kept)) in slots {
        let Some(kept) = kept else { continue };
        let slot = vault.slots().find(|slot| slot.slot_id() == *id);
        let Kept::Passkey { cred_random, pin } = kept else {
            kept.lend(slot, |secret| draft.refresh(id, secret, rng)).unwrap();
            continue;
        };
        let candidate = *Secret::make_random(rng).expose();
        let first = evaluate(cred_random, &slot.unwrap().prf_input().unwrap());
        let second = evaluate(cred_random, &prf_input(&vault.vault_id(), &PrfSaltMode::PerSlot(candidate)));
        let resalt = Resalt { candidate, first: &first, second: &second, pin: *pin };
        draft.resalt(id, resalt, rng).unwrap();
    }
}

// --- Byte strings, by their way through the envelope ---

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Key(u64),
    Index(usize),
    /// Into the CBOR that a byte string holds.
    Inside,
}

type Way = Vec<Step>;

/// The tag that marks a byte string which is held as the CBOR in it (RFC 8949 section 3.4.5.1); the format has no tags.
const EMBEDDED: u64 = 24;

/// An envelope with its manifest laid open.
fn lay_open(envelope: &[u8]) -> Value {
    let mut envelope: Value = ciborium::from_reader(envelope).unwrap();
    let manifest: Value = ciborium::from_reader(at(&mut envelope, 1).as_bytes().unwrap().as_slice()).unwrap();
    *at(&mut envelope, 1) = Value::Tag(EMBEDDED, Box::new(manifest));
    envelope
}

fn manifest_of(envelope: &mut Value) -> &mut Value {
    at(envelope, 1).as_tag_mut().unwrap().1
}

/// The bytes of an envelope whose manifest may be laid open.
fn close(envelope: &Value) -> Vec<u8> {
    let closed = envelope.as_map().unwrap().iter().map(|(key, value)| {
        let value = match value {
            Value::Tag(EMBEDDED, manifest) => Value::Bytes(encode(manifest)),
            other => other.clone(),
        };
        (key.clone(), value)
    });
    encode(&Value::Map(closed.collect()))
}

/// Every byte string there is, the manifest's own included.
fn byte_strings(value: &Value, way: &Way, found: &mut Vec<Way>) {
    let further = |step| way.iter().copied().chain([step]).collect::<Way>();
    match value {
        Value::Bytes(_) => found.push(way.clone()),
        Value::Tag(EMBEDDED, manifest) => {
            found.push(way.clone());
            byte_strings(manifest, &further(Step::Inside), found);
        }
        Value::Array(list) => list
            .iter()
            .enumerate()
            .for_each(|(index, value)| byte_strings(value, &further(Step::Index(index)), found)),
        Value::Map(entries) => entries.iter().for_each(|(key, value)| {
            let key = u64::try_from(key.as_integer().unwrap()).unwrap();
            byte_strings(value, &further(Step::Key(key)), found);
        }),
        _ => {}
    }
}

fn dig<'a>(value: &'a Value, way: &[Step]) -> Option<&'a Value> {
    way.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => {
            let name = Value::Integer((*key).into());
            value.as_map()?.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
        }
        Step::Index(index) => value.as_array()?.get(*index),
        Step::Inside => value.as_tag().map(|(_, inner)| inner),
    })
}

fn get(value: &Value, way: &[Step]) -> Option<Vec<u8>> {
    match dig(value, way)? {
        Value::Bytes(bytes) => Some(bytes.clone()),
        Value::Tag(EMBEDDED, manifest) => Some(encode(manifest)),
        _ => None,
    }
}

fn set(value: &mut Value, way: &[Step], bytes: &[u8]) {
    let target = way.iter().fold(value, |value, step| match step {
        Step::Key(key) => at(value, *key),
        Step::Index(index) => &mut value.as_array_mut().unwrap()[*index],
        Step::Inside => value.as_tag_mut().unwrap().1,
    });
    *target = Value::Bytes(bytes.to_vec());
}

/// What a byte string is called, and whose it is: names of docs/vault-format.md.
fn name(way: &[Step]) -> String {
    use Step::{Index, Inside, Key};
    let boxed = |name: &str, rest: &[Step]| match rest {
        [Key(1)] => format!("{name}, nonce"),
        [Key(2)] => format!("{name}, ciphertext"),
        _ => panic!("{name} {rest:?}"),
    };
    match way {
        [Key(1)] => "the manifest as a whole".into(),
        [Key(2)] => "mac".into(),
        [Key(3), Index(_), Key(1)] => "item: item_id".into(),
        [Key(3), Index(_), Key(4), rest @ ..] => boxed("item: wrapped content key", rest),
        [Key(3), Index(_), Key(5), rest @ ..] => boxed("item: body", rest),
        [Key(4), Index(_), Index(0)] => "row: item_id".into(),
        [Key(4), Index(_), Index(2)] => "row: hash".into(),
        [Key(1), Inside, Key(2)] => "vault_id".into(),
        [Key(1), Inside, Key(5), Index(_), Index(1)] => "ancestors: hash".into(),
        [Key(1), Inside, Key(6)] => "vrk_commit".into(),
        [Key(1), Inside, Key(9)] => "item_root".into(),
        [Key(1), Inside, Key(10), Index(_), Key(2)] => "lineage: public key".into(),
        [Key(1), Inside, Key(10), Index(_), Key(3)] => "lineage: signature".into(),
        [Key(1), Inside, Key(13), Key(2)] => "backup: source vault_id".into(),
        [Key(1), Inside, Key(8), Index(_), field @ ..] => match field {
            [Key(1)] => "slot: slot_id".into(),
            [Key(7), Key(2)] => "slot: unlock, credential_id".into(),
            [Key(7), Key(3)] => "slot: unlock, prf_salt or set_id".into(),
            [Key(7), Key(4)] | [Key(7), Key(5), Key(4)] => "slot: unlock, Argon2id salt".into(),
            [Key(8)] => "slot: kdf_salt".into(),
            [Key(9)] => "slot: k_com".into(),
            [Key(10), rest @ ..] => boxed("slot: wrapped", rest),
            [Key(11)] => "slot: slot_pk".into(),
            [Key(12), Key(1)] => "slot: seal, enc".into(),
            [Key(12), Key(2)] => "slot: seal, ciphertext".into(),
            [Key(13), rest @ ..] => boxed("slot: sak_wrap", rest),
            [Key(14), rest @ ..] => boxed("slot: private", rest),
            _ => panic!("{field:?}"),
        },
        _ => panic!("a byte string that no table knows: {way:?}"),
    }
}

/// The list in which a byte string has twins, and its place there.
fn place(way: &[Step]) -> Option<(usize, usize)> {
    let depth = way.iter().position(|step| matches!(step, Step::Index(_)))?;
    let Step::Index(index) = way[depth] else { return None };
    Some((depth, index))
}

fn moved(way: &[Step], depth: usize, index: usize) -> Way {
    let mut other = way.to_vec();
    other[depth] = Step::Index(index);
    other
}

fn slot_way(index: usize, field: &[Step]) -> Way {
    [&[Step::Key(1), Step::Inside, Step::Key(8), Step::Index(index)], field].concat()
}

// --- Attacks ---

const ATTACKS: [&str; 5] =
    ["a bit flipped", "cut short", "its twin's, same vault", "another vault's", "an older state's"];

/// What stands in the place of a byte string after each attack; what would change nothing is left out.
struct Attacker {
    sample: Sample,
    present: Value,
    other_vault: Value,
    older: Value,
}

impl Attacker {
    fn new(form: impl Fn(&MemoryStorage) -> Value) -> Self {
        let sample = Sample::new(1);
        let present = form(&sample.storage);
        let older = form(&sample.older);
        Self { present, other_vault: form(&Sample::new(2).storage), older, sample }
    }

    /// All byte strings, but of the second of two slots that cost Argon2.
    fn ways(&self) -> Vec<Way> {
        let mut found = Vec::new();
        byte_strings(&self.present, &Way::new(), &mut found);
        let mut first = BTreeMap::new();
        found.retain(|way| {
            let slot = self.slot_at(way).filter(|_| self.is_slow(way));
            slot.is_none_or(|slot| *first.entry(self.kind(way)).or_insert(slot) == slot)
        });
        found
    }

    /// Which slot a byte string is in.
    fn slot_at(&self, way: &[Step]) -> Option<SlotId> {
        match way {
            [Step::Key(1), Step::Inside, Step::Key(8), Step::Index(index), ..] => {
                let id = get(&self.present, &slot_way(*index, &[Step::Key(1)])).unwrap();
                Some(SlotId(id.try_into().unwrap()))
            }
            _ => None,
        }
    }

    fn replacements(&self, way: &Way) -> [Vec<Vec<u8>>; 5] {
        let genuine = get(&self.present, way).unwrap();
        let flipped = [0, genuine.len() / 2, genuine.len() - 1].map(|position| {
            let mut bytes = genuine.clone();
            bytes[position] ^= 1;
            bytes
        });
        let cut = [&genuine[..genuine.len() - 1], &genuine[..genuine.len() / 2], &[]].map(<[u8]>::to_vec);
        let other = get(&self.other_vault, &self.counterpart(way, &self.other_vault));
        let older = get(&self.older, way);
        let unlike = |bytes: &Vec<u8>| *bytes != genuine;
        let flips = if self.is_slow(way) { 1 } else { 3 };
        [
            flipped[..flips].to_vec(),
            cut.to_vec(),
            self.twins(way).into_iter().filter(unlike).collect(),
            other.into_iter().filter(unlike).collect(),
            older.into_iter().filter(unlike).collect(),
        ]
    }

    /// The same field of the other slot of that kind, of the next slot that has it, or of the other entries of a list.
    fn twins(&self, way: &Way) -> Vec<Vec<u8>> {
        let Some((depth, index)) = place(way) else { return Vec::new() };
        let others = (0..64).filter(|other| *other != index);
        let fields = others.filter_map(|other| {
            let twin = moved(way, depth, other);
            let bytes = get(&self.present, &twin)?;
            Some((self.kind(&twin), bytes))
        });
        let (same, differing): (Vec<_>, Vec<_>) = fields.partition(|(kind, _)| *kind == self.kind(way));
        same.into_iter().take(2).chain(differing.into_iter().take(1)).map(|(_, bytes)| bytes).collect()
    }

    /// Whether its owner has to compute Argon2 every time.
    fn is_slow(&self, way: &[Step]) -> bool {
        let kept = self.slot_at(way).and_then(|slot| self.sample.slots[&slot].1.as_ref());
        kept.is_some_and(Kept::is_slow)
    }

    fn kind(&self, way: &[Step]) -> Option<&'static str> {
        self.slot_at(way).map(|slot| self.sample.slots[&slot].0)
    }

    /// The same field in another vault: of the first slot there of this kind, the slots of two vaults being in another order.
    fn counterpart(&self, way: &Way, other: &Value) -> Way {
        let Some(kind) = self.kind(way) else { return way.clone() };
        let field = &way[4..];
        let sort = sort_of(&self.present, &way[..4]);
        let mut candidates = (0..64).map(|index| slot_way(index, field));
        let fits =
            |candidate: &Way| get(other, candidate).is_some() && sort_of(other, &candidate[..4]) == sort;
        candidates.find(fits).unwrap_or_else(|| panic!("no {kind} elsewhere"))
    }

    /// The envelope with one byte string replaced.
    fn strike(&self, way: &Way, bytes: &[u8]) -> Value {
        let mut envelope = self.present.clone();
        set(&mut envelope, way, bytes);
        envelope
    }

    /// Opens by a slot, with its own secret, and reads everything there is to read; `take_up` includes what a rotation
    /// reads.
    fn open(&self, bytes: &[u8], by: SlotId, secret_of: SlotId, take_up: bool) -> Result<(), VaultError> {
        let envelope = Envelope::decode(bytes)?;
        let (_, kept) = &self.sample.slots[&secret_of];
        let slot = envelope.slots().find(|slot| slot.slot_id() == by);
        let opened = kept
            .as_ref()
            .unwrap()
            .lend(slot, |secret| envelope.open(&by, secret, Opening::default()).map(|(vault, _)| vault));
        let mut vault = opened?;
        for slot in envelope.slots() {
            vault.slot_private(&slot.slot_id())?;
        }
        for (row, bytes) in envelope.items() {
            vault.open_item(&row.item_id, bytes)?;
        }
        if take_up {
            vault.accept_as_is();
            vault.admin().rotate(&MemoryStorage::import(&envelope)?, &mut SeededRng(1))?;
        }
        Ok(())
    }

    /// What an owner gets who comes by the slot in question, under its old or its new identifier, and who comes by another.
    fn outcomes(&self, way: &Way, envelope: &Value, take_up: bool) -> Outcome {
        let bytes = close(envelope);
        let slot = self.slot_at(way);
        let mut outcome = Outcome::default();
        if let Some(id) = slot.filter(|id| self.sample.slots[id].1.is_some()) {
            let mut names = BTreeSet::from([id]);
            let now = get(envelope, &way[..4].iter().copied().chain([Step::Key(1)]).collect::<Way>());
            names.extend(now.and_then(|id| id.try_into().ok()).map(SlotId));
            // Under the identifier of another slot, that slot's owner comes.
            let by = names.iter().filter(|name| **name == id || !self.sample.slots.contains_key(*name));
            outcome.own.extend(by.map(|name| class(&self.open(&bytes, *name, id, take_up))));
        }
        // With the MAC made right, who comes by another slot may get in: it is the altered one that must not open.
        if take_up && !outcome.own.is_empty() {
            return outcome;
        }
        let reader = self.sample.reader(slot);
        outcome.other.insert(class(&self.open(&bytes, reader, reader, take_up)));
        outcome
    }
}

/// What tells the slots of one kind from those of another: kind, status, and for passkeys whether there is a PIN.
fn sort_of(value: &Value, slot: &[Step]) -> [Option<Value>; 3] {
    let field = |keys: &[u64]| {
        let way: Way = slot.iter().copied().chain(keys.iter().map(|key| Step::Key(*key))).collect();
        dig(value, &way)
    };
    let number = |key| field(&[key]).cloned();
    [number(2), number(3), field(&[7, 5]).map(|_| Value::Null)]
}

fn class(result: &Result<(), VaultError>) -> &'static str {
    match result {
        Ok(()) => "opens",
        Err(VaultError::Malformed(_)) => "Malformed",
        Err(VaultError::Unsupported(_)) => "Unsupported",
        Err(VaultError::WrongSecret) => "WrongSecret",
        Err(VaultError::Tampered(_)) => "Tampered",
        Err(VaultError::PolicyViolation(_)) => "PolicyViolation",
        Err(VaultError::Rollback) => "Rollback",
        Err(VaultError::Fork) => "Fork",
        Err(error) => panic!("{error}"),
    }
}

/// The errors that one attack on one byte string was answered with.
#[derive(Default, Clone, PartialEq, Eq)]
struct Outcome {
    own: BTreeSet<&'static str>,
    other: BTreeSet<&'static str>,
}

impl Outcome {
    fn add(&mut self, more: &Self) {
        self.own.extend(&more.own);
        self.other.extend(&more.other);
    }

    fn all(&self) -> impl Iterator<Item = &'static str> {
        self.own.iter().chain(&self.other).copied()
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |set: &BTreeSet<&str>| set.iter().copied().collect::<Vec<_>>().join(" or ");
        match (self.own.is_empty(), self.other.is_empty()) {
            (true, true) => f.write_str("–"),
            (true, false) => f.write_str(&list(&self.other)),
            (false, true) => f.write_str(&list(&self.own)),
            _ if self.own == self.other => f.write_str(&list(&self.own)),
            _ => write!(f, "{}; {}", list(&self.own), list(&self.other)),
        }
    }
}

/// Rows by byte string, then by the kind of slot where that makes a difference.
#[derive(Default)]
struct Table(Vec<(String, BTreeMap<&'static str, [Outcome; 5]>)>);

impl Table {
    fn note(&mut self, name: &str, kind: Option<&'static str>, attack: usize, outcome: &Outcome) {
        let position = self.0.iter().position(|(row, _)| row == name).unwrap_or_else(|| {
            self.0.push((name.to_owned(), BTreeMap::new()));
            self.0.len() - 1
        });
        let cells = self.0[position].1.entry(kind.unwrap_or_default()).or_default();
        cells[attack].add(outcome);
    }

    fn print(&self) -> String {
        let mut text = format!("| byte string | {} |\n|---|---|---|---|---|---|\n", ATTACKS.join(" | "));
        for (name, kinds) in &self.0 {
            let mut groups: Vec<(Vec<&str>, [String; 5])> = Vec::new();
            for (kind, cells) in kinds {
                let cells = cells.each_ref().map(ToString::to_string);
                match groups.iter_mut().find(|(_, other)| *other == cells) {
                    Some((kinds, _)) => kinds.push(kind),
                    None => groups.push((vec![kind], cells)),
                }
            }
            let alone = groups.len() == 1;
            for (kinds, cells) in groups {
                let whose = if alone { String::new() } else { format!(" ({})", kinds.join(", ")) };
                text.push_str(&format!("| {name}{whose} | {} |\n", cells.join(" | ")));
            }
        }
        text
    }
}

/// Compares with what stands in SECURITY.md between two marks, and prints what should.
fn expect_in_security(mark: &str, made: &str) {
    let paper = String::from_utf8(file("SECURITY.md")).unwrap();
    let begin = format!("<!-- {mark}: made by tests/vault_tampering.rs -->\n");
    let end = format!("<!-- end of {mark} -->");
    let kept = paper.split_once(&begin).and_then(|(_, rest)| rest.split_once(&end)).map(|(table, _)| table);
    assert!(kept == Some(made), "SECURITY.md should have, between its marks:\n{begin}{made}{end}");
}

fn whole(storage: &MemoryStorage) -> Value {
    lay_open(&Envelope::export(storage).unwrap().unwrap().encode())
}

fn index(storage: &MemoryStorage) -> Value {
    lay_open(&Envelope::from_stored(storage.parts().unwrap().unwrap()).unwrap().encode())
}

// --- The storage alone ---

/// What a slot's owner may be told is a wrong secret: without the secret, an altered one of these cannot be told from it.
fn looks_like_a_wrong_secret(name: &str) -> bool {
    let these = ["vault_id", "the manifest as a whole", "slot: slot_id", "slot: kdf_salt", "slot: k_com"];
    these.contains(&name) || name.starts_with("slot: unlock")
}

fn strike_all(attacker: &Attacker, table: &mut Table, with: impl Fn(&Way) -> bool) {
    for way in attacker.ways().iter().filter(|way| with(way)) {
        let name = name(way);
        for (attack, replacements) in attacker.replacements(way).into_iter().enumerate() {
            for bytes in replacements {
                let outcome = attacker.outcomes(way, &attacker.strike(way, &bytes), false);
                for class in outcome.all() {
                    let fits = ["Malformed", "Tampered"].contains(&class)
                        || class == "WrongSecret" && looks_like_a_wrong_secret(&name);
                    assert!(fits, "{name}, {}: {class}", ATTACKS[attack]);
                }
                table.note(&name, attacker.kind(way), attack, &outcome);
            }
        }
    }
}

#[test]
fn no_byte_string_of_an_envelope_can_be_altered_cut_or_replaced_by_the_storage() {
    let mut table = Table::default();
    let attacker = Attacker::new(whole);
    let bytes = close(&attacker.present);
    for (slot, (_, kept)) in attacker.sample.slots.iter().filter(|(_, (_, kept))| kept.is_some()) {
        assert_eq!(attacker.open(&bytes, *slot, *slot, true), Ok(()), "{:?}", kept.is_some());
    }
    strike_all(&attacker, &mut table, |_| true);
    // The manifest is read by the same code in both forms: of the slots, the devices' are enough.
    let attacker = Attacker::new(index);
    strike_all(&attacker, &mut table, |way| attacker.kind(way).is_none_or(|kind| kind == "device"));
    strike_fetched_items(&attacker, &mut table);
    strike_backup(&mut table);
    expect_in_security("tampering by the storage", &table.print());
}

/// Items that come one by one, for the index form.
fn strike_fetched_items(attacker: &Attacker, table: &mut Table) {
    let items = Attacker::new(whole);
    let envelope = Envelope::decode(&close(&attacker.present)).unwrap();
    let reader = attacker.sample.reader(None);
    let (vault, _) = envelope.open(&reader, &SlotSecret::Device(&the_device()), Opening::default()).unwrap();
    for way in items.ways() {
        let [Step::Key(3), Step::Index(index), ..] = way[..] else { continue };
        let id = envelope.rows().nth(index).unwrap().item_id;
        for (attack, replacements) in items.replacements(&way).into_iter().enumerate() {
            for bytes in replacements {
                let mut struck = items.strike(&way, &bytes);
                let item = encode(&at(&mut struck, 3).as_array().unwrap()[index]);
                let class = class(&vault.open_item(&id, &item).map(|_| ()));
                assert_eq!(class, "Tampered");
                let outcome = Outcome { other: [class].into(), ..Outcome::default() };
                let name = name(&way).replace("item:", "item, fetched by its row:");
                table.note(&name, None, attack, &outcome);
            }
        }
    }
}

/// What only the manifest of a backup has; its twins are another vault's backup and the one before.
fn strike_backup(table: &mut Table) {
    let way = vec![Step::Key(1), Step::Inside, Step::Key(13), Step::Key(2)];
    let envelopes = [1, 2].map(backup_of);
    let genuine = &envelopes[0];
    let present = get(genuine, &way).unwrap();
    let mut flipped = present.clone();
    flipped[0] ^= 1;
    let tries = [(0, flipped), (1, present[1..].to_vec()), (3, get(&envelopes[1], &way).unwrap())];
    for (attack, bytes) in tries {
        let mut struck = genuine.clone();
        set(&mut struck, &way, &bytes);
        let opened = Envelope::decode(&close(&struck)).and_then(|envelope| {
            let slot = envelope.slots().next().unwrap().slot_id();
            let opening = Opening { backup: true, ..Opening::default() };
            envelope.open(&slot, &SlotSecret::Device(&the_device()), opening).map(|_| ())
        });
        let outcome = Outcome { other: [class(&opened)].into(), ..Outcome::default() };
        assert!(opened.is_err());
        table.note(&name(&way), None, attack, &outcome);
    }
}

fn backup_of(seed: u64) -> Value {
    let rng = &mut SeededRng(seed);
    let mut draft = Administration::new_vault(VaultId::make(rng), None, rng).unwrap();
    draft.enrol_device(&the_device(), private("device"), rng).unwrap();
    let mut storage = MemoryStorage::default();
    let vault = store(draft, &mut storage, rng);
    let mut export = Export::new(&vault, (&vault.opening_proof(), Moment::default()), &storage, rng).unwrap();
    export.enrol_device(&the_device(), private("device"), rng).unwrap();
    let file = export.finish(TODAY, rng).unwrap().file().encode();
    let mut file: Value = ciborium::from_reader(file.as_slice()).unwrap();
    lay_open(at(&mut file, 1).as_bytes().unwrap())
}

// --- The storage with somebody who knows the vault's key ---

/// The key derived from a vault's root key by a label, without context.
fn derive(vault_id: &[u8], vrk: &[u8; 32], label: &str) -> Secret<32> {
    derive_with(vault_id, vrk, label, &[0x80])
}

fn derive_with(vault_id: &[u8], vrk: &[u8; 32], label: &str, context: &[u8]) -> Secret<32> {
    Hkdf::extract(vault_id, vrk).expand(&[format!("countersign/v1/{label}\0").as_bytes(), context])
}

/// Makes item_root and the MAC right again, as whoever knows the vault root key can.
fn make_right(envelope: &mut Value, vrk: &[u8; 32]) {
    let mut rows: Vec<Row> =
        at(envelope, 3).as_array().unwrap().iter().map(|item| row(&encode(item))).collect();
    // One item twice has no root, and is malformed.
    rows.dedup_by_key(|row| row.item_id);
    *at(manifest_of(envelope), 9) = Value::Bytes(item_root(&rows, 0).to_vec());
    seal_manifest(envelope, vrk);
}

fn seal_manifest(envelope: &mut Value, vrk: &[u8; 32]) {
    let manifest = manifest_of(envelope);
    let key = derive(at(manifest, 2).as_bytes().unwrap(), vrk, "manifest-mac");
    let mac = hmac_sha256(key.expose(), &[b"countersign/v1/manifest\0", &encode(manifest)]);
    *at(envelope, 2) = Value::Bytes(mac.to_vec());
}

/// Who knows the vault's key may write what any owner may: the past, but for the last link, and names that nothing was
/// sealed under. A memory judges the past.
fn is_every_owners_to_write(name: &str, kind: Option<&str>) -> bool {
    ["ancestors: hash", "lineage: public key", "lineage: signature"].contains(&name)
        || name == "slot: slot_id" && kind == Some("removed")
}

#[test]
fn every_field_is_bound_to_its_place_even_with_item_root_and_mac_made_right() {
    let attacker = Attacker::new(whole);
    let mut unaltered = attacker.present.clone();
    make_right(&mut unaltered, &attacker.sample.vrk);
    assert_eq!(unaltered, attacker.present, "what is made right is right");
    let mut table = Table::default();
    // Cutting leaves no schema to make right; the manifest, its MAC and item_root are what is made right.
    let bare = ["the manifest as a whole", "mac", "item_root"];
    for way in attacker.ways().iter().filter(|way| !bare.contains(&name(way).as_str())) {
        let (name, kind) = (name(way), attacker.kind(way));
        for (attack, replacements) in attacker.replacements(way).into_iter().enumerate() {
            if attack == 1 {
                continue;
            }
            for bytes in replacements {
                let mut struck = attacker.strike(way, &bytes);
                make_right(&mut struck, &attacker.sample.vrk);
                let outcome = attacker.outcomes(way, &struck, true);
                let bound = outcome.all().all(|class| class != "opens");
                assert!(
                    bound || is_every_owners_to_write(&name, kind),
                    "{name} ({kind:?}), {}: {outcome}",
                    ATTACKS[attack]
                );
                table.note(&name, kind, attack, &outcome);
            }
        }
    }
    expect_in_security("tampering with the vault's key", &table.print());
}

// --- Keys of the storage's own ---

const AN_OWN_KEY: [u8; 32] = [0xee; 32];

/// How a vault key is sealed to a slot.
#[derive(Clone, Copy)]
enum Mode<'a> {
    Base,
    Psk(&'a [u8]),
}

/// Seals a vault key to the slot as the format has it, but for the mode and the PSK.
fn seal_to(manifest: &mut Value, index: usize, vrk: &[u8; 32], mode: Mode<'_>) {
    let bytes = |value: &mut Value| value.as_bytes().unwrap().clone();
    let number = |value: &mut Value| u64::try_from(value.as_integer().unwrap()).unwrap();
    let (vault_id, key_gen) = (bytes(at(manifest, 2)), number(at(manifest, 4)));
    let vrk_commit = bytes(at(manifest, 6));
    let slot = &mut at(manifest, 8).as_array_mut().unwrap()[index];
    let (id, slot_pk) = (bytes(at(slot, 1)), bytes(at(slot, 11)));
    let mut info = Writer::new();
    info.raw(b"countersign/v1/vrk\0").array(2).bytes(&vault_id).unsigned(1);
    let mut aad = Writer::new();
    aad.array(5).bytes(&id).unsigned(number(at(slot, 4))).unsigned(key_gen);
    aad.bytes(&vrk_commit).bytes(&sha256(&slot_pk));
    let mode = match mode {
        Mode::Base => OpModeS::Base,
        Mode::Psk(psk) => OpModeS::Psk(PskBundle::new(psk, &id).unwrap()),
    };
    let public = <X25519 as hpke::Kem>::PublicKey::from_bytes(&slot_pk).unwrap();
    let sealed = single_shot_seal_with_rng::<AesGcm256, HkdfSha256, X25519>(
        &mode,
        &public,
        &info.finish(),
        vrk,
        &aad.finish(),
        &mut SeededRng(5),
    );
    let (enc, ciphertext) = sealed.unwrap();
    *at(at(slot, 12), 1) = Value::Bytes(enc.to_bytes().to_vec());
    *at(at(slot, 12), 2) = Value::Bytes(ciphertext);
}

/// vrk_commit of a vault key.
fn commitment(vault_id: &[u8], vrk: &[u8; 32], key_gen: u64) -> Vec<u8> {
    let prk = Hkdf::extract(&[0; 32], vrk);
    let made: Secret<32> = prk.expand(&[b"countersign/v1/vrk-commit\0", vault_id, &key_gen.to_be_bytes()]);
    made.expose().to_vec()
}

/// Rewrites the manifest, as the storage or an owner would, and makes it right under a vault key.
fn rewrite(envelope: &Value, vrk: &[u8; 32], rewrite: impl FnOnce(&mut Value)) -> Value {
    let mut envelope = envelope.clone();
    rewrite(manifest_of(&mut envelope));
    seal_manifest(&mut envelope, vrk);
    envelope
}

fn enabled(attacker: &Attacker) -> Vec<(usize, SlotId)> {
    let envelope = attacker.sample.envelope();
    let slots = envelope.slots().enumerate();
    slots.filter(|(_, slot)| slot.born().is_some()).map(|(index, slot)| (index, slot.slot_id())).collect()
}

/// The SAK of a slot, by the vault's key.
fn sak_of(manifest: &mut Value, index: usize, vrk: &[u8; 32]) -> Vec<u8> {
    let bytes = |value: &mut Value| value.as_bytes().unwrap().clone();
    let number = |value: &mut Value| u64::try_from(value.as_integer().unwrap()).unwrap();
    let (vault_id, key_gen) = (bytes(at(manifest, 2)), number(at(manifest, 4)));
    let slot = &mut at(manifest, 8).as_array_mut().unwrap()[index];
    let (id, slot_gen) = (bytes(at(slot, 1)), number(at(slot, 4)));
    let mut context = Writer::new();
    context.array(2).bytes(&id).unsigned(slot_gen);
    let key = derive_with(&vault_id, vrk, "sak-wrap", &context.finish());
    let mut aad = Writer::new();
    aad.array(5).text("countersign/v1/sak").bytes(&vault_id).bytes(&id).unsigned(slot_gen).unsigned(key_gen);
    let nonce = bytes(at(at(slot, 13), 1)).try_into().unwrap();
    let wrapped = bytes(at(at(slot, 13), 2));
    aead_open(&key, &nonce, &wrapped, &aad.finish()).unwrap().expose().to_vec()
}

#[test]
fn a_server_cannot_seal_a_key_of_its_own_to_a_slot() {
    let attacker = Attacker::new(whole);
    // All that it can guess of the PSK; and no PSK at all.
    let public = sha256(b"anything that the envelope says");
    for mode in [Mode::Base, Mode::Psk(&[0; 32]), Mode::Psk(&public)] {
        let planted = rewrite(&attacker.present, &AN_OWN_KEY, |manifest| {
            let vault_id = at(manifest, 2).as_bytes().unwrap().clone();
            let key_gen = u64::try_from(at(manifest, 4).as_integer().unwrap()).unwrap();
            *at(manifest, 6) = Value::Bytes(commitment(&vault_id, &AN_OWN_KEY, key_gen));
            for (index, _) in enabled(&attacker) {
                seal_to(manifest, index, &AN_OWN_KEY, mode);
            }
        });
        for (_, slot) in enabled(&attacker) {
            let opened = attacker.open(&close(&planted), slot, slot, false);
            assert_eq!(opened, Err(VaultError::Tampered("sealed vault key")));
        }
    }
}

#[test]
fn a_seal_in_base_mode_is_refused_even_of_the_right_key_by_a_peer() {
    let attacker = Attacker::new(whole);
    let vrk = &attacker.sample.vrk;
    for (index, slot) in enabled(&attacker) {
        let open = |envelope: &Value| attacker.open(&close(envelope), slot, slot, false);
        let base = rewrite(&attacker.present, vrk, |manifest| seal_to(manifest, index, vrk, Mode::Base));
        assert_eq!(open(&base), Err(VaultError::Tampered("sealed vault key")));
        // The same by its SAK opens: it is the mode that was refused.
        let psk = rewrite(&attacker.present, vrk, |manifest| {
            let sak = sak_of(manifest, index, vrk);
            seal_to(manifest, index, vrk, Mode::Psk(&sak));
        });
        assert_eq!(open(&psk), Ok(()));
    }
}

#[test]
fn two_slots_that_would_open_to_different_keys_are_refused() {
    let attacker = Attacker::new(whole);
    let vrk = &attacker.sample.vrk;
    let [first, second, ..] = enabled(&attacker)[..] else { panic!("two slots") };
    let open =
        |envelope: &Value, (_, slot): (usize, SlotId)| attacker.open(&close(envelope), slot, slot, false);
    // Under the vault's own manifest, the slot that opens to another key; and the reverse.
    let two_keys = |manifest: &mut Value| {
        let sak = sak_of(manifest, second.0, vrk);
        seal_to(manifest, second.0, &AN_OWN_KEY, Mode::Psk(&sak));
    };
    let under_ours = rewrite(&attacker.present, vrk, two_keys);
    assert_eq!(open(&under_ours, first), Ok(()));
    assert_eq!(open(&under_ours, second), Err(VaultError::Tampered("vault key commitment")));
    let under_theirs = rewrite(&attacker.present, &AN_OWN_KEY, two_keys);
    assert_eq!(open(&under_theirs, first), Err(VaultError::Tampered("manifest")));
    assert_eq!(open(&under_theirs, second), Err(VaultError::Tampered("vault key commitment")));
}

// --- Whole states ---

#[test]
fn a_whole_genuine_state_out_of_place_is_noticed_by_memory_and_said_without() {
    let sample = Sample::new(1);
    let (older, present) = (Envelope::export(&sample.older).unwrap().unwrap(), sample.envelope());
    let mut forked = sample.older.clone();
    let (reader, rng) = (sample.devices[0], &mut SeededRng(9));
    let secret = the_device();
    let open = |envelope: &Envelope, opening: Opening<'_>| {
        envelope.open(&reader, &SlotSecret::Device(&secret), opening).map(|(_, freshness)| freshness)
    };
    let (mut vault, _) = older.open(&reader, &SlotSecret::Device(&secret), Opening::default()).unwrap();
    vault.accept_as_is();
    store(vault.admin(), &mut forked, rng);
    let forked = Envelope::export(&forked).unwrap().unwrap();
    let mut newest = TestMemory::default();
    let opening = Opening { memory: Some(&mut newest), ..Opening::default() };
    assert_eq!(open(&present, opening), Ok(Freshness::FirstUse));
    let mut sibling = TestMemory::default();
    let opening = Opening { memory: Some(&mut sibling), ..Opening::default() };
    assert_eq!(open(&forked, opening), Ok(Freshness::FirstUse));
    let other = Sample::new(2).envelope();
    let by_its_own_slot = |envelope: &Envelope, opening: Opening<'_>| {
        let slot = envelope.slots().find(|slot| slot.kind().number() == 6 && slot.born().is_some()).unwrap();
        envelope.open(&slot.slot_id(), &SlotSecret::Device(&secret), opening).map(|(_, freshness)| freshness)
    };
    let backup = Envelope::decode(&close(&backup_of(1))).unwrap();
    let expected_vault_id = Some(sample.vault_id());
    let mut text = String::from("| what the storage shows | answer |\n|---|---|\n");
    let mut say = |what: &str, answer: Result<Freshness, VaultError>, expected: &str| {
        let said = match &answer {
            Ok(freshness) => format!("opens, {freshness:?}"),
            Err(_) => class(&answer.map(|_| ())).to_owned(),
        };
        assert_eq!(said, expected, "{what}");
        text.push_str(&format!("| {what} | {said} |\n"));
    };
    let with = |envelope: &Envelope, memory: &TestMemory| {
        let mut memory = memory.clone();
        open(envelope, Opening { memory: Some(&mut memory), ..Opening::default() })
    };
    say("an older state, to a client that remembers a newer one", with(&older, &newest), "Rollback");
    say("another line of states, to a client that remembers one", with(&present, &sibling), "Fork");
    let nothing = TestMemory::default();
    say("an older state, to a client with an empty memory", with(&older, &nothing), "opens, FirstUse");
    let unchecked = open(&older, Opening::default());
    say("an older state, to a client without a memory", unchecked, "opens, Unchecked");
    say("the present state, to a client that remembers it", with(&present, &newest), "opens, Checked");
    let expecting = Opening { expected_vault_id, ..Opening::default() };
    let answer = by_its_own_slot(&other, expecting);
    say("another vault that the same secret opens, where the vault is known", answer, "Tampered");
    let answer = open(&other, Opening::default());
    say("another vault, by the slot of this one", answer, "WrongSecret");
    let answer = by_its_own_slot(&backup, Opening::default());
    say("a backup, where a vault is opened", answer, "PolicyViolation");
    let answer = open(&present, Opening { backup: true, ..Opening::default() });
    say("a vault, where a backup is opened", answer, "PolicyViolation");
    expect_in_security("replay of whole states", &text);
}
