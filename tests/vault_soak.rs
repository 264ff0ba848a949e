//! Random operations over several vaults, each with two devices on one storage whose only primitive is to put an envelope
//! in place of an expected base. Against a naive model: nothing is lost, and every conflict is reported as the table in
//! docs/vault-format.md, "Concurrent writers", says.
//!
//! `COUNTERSIGN_SOAK_OPERATIONS` sets how many (10,000), `COUNTERSIGN_SOAK_SEED` where the randomness begins.

mod common;

use std::collections::BTreeMap;

use common::{
    seeded_rng::SeededRng,
    vault::{TestMemory, private},
    world::TODAY,
};
use countersign::{
    rand_core::Rng,
    secret::Secret,
    time::Moment,
    vault::{
        Administration, CatchUp, Conflict, Envelope, Freshness, ItemId, MemoryStorage, Opening, Operations,
        Prepared, Report, SlotId, SlotSecret, SlotStatus, StorageError, Vault, VaultError, VaultId,
        VaultStorage, Write,
    },
};

const VAULTS: u64 = 4;
const NOTE: u64 = 64;
const MOST_ITEMS: usize = 24;
const MOST_SLOTS: usize = 5;

// The model: what a vault is, and what the table makes of a change that comes too late.

#[derive(Clone, PartialEq, Debug)]
struct ModelItem {
    version: u64,
    text: Vec<u8>,
}

#[derive(Clone, PartialEq, Debug)]
struct ModelSlot {
    slot_gen: u64,
    born: u64,
    label: String,
    last_used: Option<u64>,
}

#[derive(Clone, PartialEq, Debug)]
struct Model {
    epoch: u64,
    key_gen: u64,
    items: BTreeMap<ItemId, ModelItem>,
    slots: BTreeMap<SlotId, ModelSlot>,
}

/// One thing that a device does; a draft has up to three, each on something else.
#[derive(Clone, Debug)]
enum Act {
    Add(ItemId, Vec<u8>),
    Change(ItemId, Vec<u8>),
    Delete(ItemId),
    Enrol(SlotId, String),
    Refresh(SlotId),
    Label(SlotId, String),
    Used(SlotId, u64),
    Remove(SlotId),
    Rotate,
}

/// A conflict as the table has it. The name of a copy is not known beforehand.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Expected {
    Copied(ItemId, Vec<u8>),
    DeletionDropped(ItemId),
    DeletionUndone(ItemId),
    RemovalRefused(SlotId),
    RenewalDropped(SlotId),
    LastUsedDropped(SlotId),
    PrivateKept(SlotId),
    SlotRemoved(SlotId),
    RotationDropped,
}

impl Model {
    /// The table, row by row. `base` is what the author of the acts knew.
    fn apply(&mut self, base: &Model, acts: &[Act]) -> Vec<Expected> {
        let before = self.clone();
        let mut conflicts = Vec::new();
        let mut rotate = false;
        for act in acts {
            conflicts.extend(self.apply_one(base, &before, act, &mut rotate));
        }
        let changed =
            rotate || *self != before || conflicts.iter().any(|c| matches!(c, Expected::Copied(..)));
        self.key_gen += u64::from(rotate);
        for slot in self.slots.values_mut().filter(|slot| slot.born == 0) {
            slot.born = self.key_gen;
        }
        self.epoch += u64::from(changed);
        conflicts
    }

    fn apply_one(&mut self, base: &Model, before: &Model, act: &Act, rotate: &mut bool) -> Option<Expected> {
        let same_key = before.key_gen == base.key_gen;
        match act {
            Act::Add(id, text) => {
                self.items.insert(*id, ModelItem { version: 1, text: text.clone() });
                None
            }
            Act::Change(id, text) => {
                let known = base.items[id].version;
                match self.items.get_mut(id) {
                    None => {
                        self.items.insert(*id, ModelItem { version: known + 1, text: text.clone() });
                        Some(Expected::DeletionUndone(*id))
                    }
                    Some(item) if item.version == known => {
                        *item = ModelItem { version: known + 1, text: text.clone() };
                        None
                    }
                    Some(item) if item.text == *text => None,
                    Some(_) => Some(Expected::Copied(*id, text.clone())),
                }
            }
            Act::Delete(id) => match self.items.get(id) {
                Some(item) if item.version == base.items[id].version => {
                    self.items.remove(id);
                    None
                }
                Some(_) => Some(Expected::DeletionDropped(*id)),
                None => None,
            },
            Act::Enrol(id, label) => {
                let slot = ModelSlot { slot_gen: 1, born: 0, label: label.clone(), last_used: None };
                self.slots.insert(*id, slot);
                None
            }
            Act::Refresh(id) => match self.slots.get_mut(id) {
                None => Some(Expected::SlotRemoved(*id)),
                Some(slot) if same_key && slot.slot_gen == base.slots[id].slot_gen => {
                    (slot.slot_gen, slot.born) = (slot.slot_gen + 1, 0);
                    None
                }
                Some(_) => Some(Expected::RenewalDropped(*id)),
            },
            Act::Label(id, label) => match self.slots.get_mut(id) {
                None => Some(Expected::SlotRemoved(*id)),
                Some(slot) if slot.label == base.slots[id].label => {
                    slot.label = label.clone();
                    None
                }
                Some(_) => Some(Expected::PrivateKept(*id)),
            },
            Act::Used(id, time) => {
                let known = &base.slots[id];
                match self.slots.get_mut(id) {
                    None => Some(Expected::SlotRemoved(*id)),
                    Some(slot)
                        if same_key
                            && (slot.slot_gen, &slot.label, slot.last_used)
                                == (known.slot_gen, &known.label, known.last_used) =>
                    {
                        slot.last_used = Some(*time);
                        None
                    }
                    Some(_) => Some(Expected::LastUsedDropped(*id)),
                }
            }
            Act::Remove(id) => {
                if !self.slots.contains_key(id) {
                    return None;
                }
                if self.slots.len() == 1 {
                    return Some(Expected::RemovalRefused(*id));
                }
                self.slots.remove(id);
                *rotate = true;
                None
            }
            Act::Rotate if same_key => {
                *rotate = true;
                None
            }
            Act::Rotate => Some(Expected::RotationDropped),
        }
    }
}

// The devices.

struct Device {
    vault: Vault,
    /// What the device has of the storage: the items of its own state.
    cache: MemoryStorage,
    memory: TestMemory,
    known: Model,
}

struct World {
    day: u64,
    storage: MemoryStorage,
    model: Model,
    devices: Vec<Device>,
    /// Every slot has a secret of its own; a device can use any of them.
    secrets: BTreeMap<SlotId, Secret<32>>,
    /// Some write of the past, to be put again.
    old_write: Option<Write>,
    rng: SeededRng,
    counts: BTreeMap<&'static str, usize>,
}

fn envelope(storage: &MemoryStorage) -> Envelope {
    Envelope::from_stored(storage.parts().unwrap().unwrap()).unwrap()
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = SeededRng(seed);
        let mut draft = Administration::new_vault(VaultId::make(&mut rng), None, &mut rng).unwrap();
        let mut secrets = BTreeMap::new();
        let mut slots = BTreeMap::new();
        for number in 0..2 {
            let secret = Secret::make_random(&mut rng);
            let label = format!("device {number}");
            let id = draft.enrol_device(&secret, private(&label), &mut rng).unwrap();
            secrets.insert(id, secret);
            slots.insert(id, ModelSlot { slot_gen: 1, born: 1, label, last_used: None });
        }
        let prepared = draft.finish(TODAY, &mut rng).unwrap();
        let mut storage = MemoryStorage::default();
        storage.write(prepared.write()).unwrap();
        let model = Model { epoch: 1, key_gen: 1, items: BTreeMap::new(), slots };
        let mut world = Self {
            day: 0,
            storage,
            model,
            devices: Vec::new(),
            secrets,
            old_write: None,
            rng,
            counts: BTreeMap::new(),
        };
        for _ in 0..2 {
            let device = world.open(TestMemory::default());
            world.devices.push(device);
        }
        world
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.rng.next_u64() % limit as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Opens what is stored, by any slot.
    fn open(&mut self, mut memory: TestMemory) -> Device {
        let slots: Vec<SlotId> = self.model.slots.keys().copied().collect();
        let slot = slots[self.below(slots.len())];
        let opening = Opening { memory: Some(&mut memory), ..Opening::default() };
        let secret = SlotSecret::Device(&self.secrets[&slot]);
        let (mut vault, freshness) = envelope(&self.storage).open(&slot, &secret, opening).unwrap();
        if freshness != Freshness::Checked {
            vault.accept_as_is();
        }
        Device { vault, cache: self.storage.clone(), memory, known: self.model.clone() }
    }

    /// The device goes on to what is stored; with a new key, by a slot's secret.
    fn catch_up(&mut self, which: usize) {
        let newer = envelope(&self.storage);
        let device = &mut self.devices[which];
        match device.vault.catch_up(&newer, Some(&mut device.memory)).unwrap() {
            CatchUp::KeyChanged => {
                let memory = std::mem::take(&mut self.devices[which].memory);
                self.devices[which] = self.open(memory);
                self.count("opened anew");
            }
            CatchUp::Newer(freshness) => {
                if freshness != Freshness::Checked {
                    device.vault.accept_as_is();
                }
                (device.cache, device.known) = (self.storage.clone(), self.model.clone());
            }
            CatchUp::Unchanged => assert_eq!(device.known, self.model),
        }
    }

    fn text(&mut self) -> Vec<u8> {
        let length = self.below(90);
        let mut text = vec![0; length];
        self.rng.fill_bytes(&mut text);
        // Few enough for both devices to make the same change now and then.
        if self.chance(20) { vec![7; self.below(2)] } else { text }
    }

    /// Up to three acts, each on something else, that are possible in the state that the device knows.
    fn choose(&mut self, which: usize) -> Vec<Act> {
        let known = self.devices[which].known.clone();
        let mut items: Vec<ItemId> = known.items.keys().copied().collect();
        let mut slots: Vec<SlotId> = known.slots.keys().copied().collect();
        let mut acts: Vec<Act> = Vec::new();
        for _ in 0..1 + self.below(3) {
            let kind = self.below(100);
            let (item, slot) = (!items.is_empty(), !slots.is_empty());
            let rotated = acts.iter().any(|act| matches!(act, Act::Remove(_) | Act::Rotate));
            acts.push(match kind {
                0..22 if known.items.len() < MOST_ITEMS => Act::Add(ItemId([0; 16]), self.text()),
                22..55 if item => {
                    let id = items.swap_remove(self.below(items.len()));
                    Act::Change(id, self.text())
                }
                0..22 | 55..70 if item => Act::Delete(items.swap_remove(self.below(items.len()))),
                70..75 if known.slots.len() < MOST_SLOTS => {
                    Act::Enrol(SlotId([0; 16]), format!("slot {}", self.rng.next_u32()))
                }
                75..81 if slot => Act::Refresh(slots.swap_remove(self.below(slots.len()))),
                81..87 if slot => {
                    let id = slots.swap_remove(self.below(slots.len()));
                    Act::Label(id, format!("label {}", self.rng.next_u32()))
                }
                87..92 if slot => {
                    let id = slots.swap_remove(self.below(slots.len()));
                    // Days of use only rise.
                    self.day += 1;
                    Act::Used(id, self.day)
                }
                92..97 if slot && known.slots.len() > 1 && !rotated => {
                    Act::Remove(slots.swap_remove(self.below(slots.len())))
                }
                97..100 if !rotated => Act::Rotate,
                _ => continue,
            });
        }
        acts
    }

    /// Drafts the acts on what the device has, and finishes; identifiers that were drawn are filled in.
    fn prepare(&mut self, which: usize, acts: &mut [Act]) -> Prepared {
        let device = &self.devices[which];
        let rng = &mut self.rng;
        // The slot that it was opened by may be gone.
        let slot = device.known.slots.keys().next().unwrap();
        let (secret, now) = (SlotSecret::Device(&self.secrets[slot]), Moment::default());
        let proof = device.vault.reauthenticate(&envelope(&device.cache), slot, &secret, now).unwrap();
        let mut draft = device.vault.administer(&proof, now).unwrap();
        for act in acts {
            match act {
                Act::Add(id, text) => *id = draft.add_item(NOTE, text, rng).unwrap(),
                Act::Change(id, text) => draft.change_item(id, NOTE, text, rng).unwrap(),
                Act::Delete(id) => draft.delete_item(id).unwrap(),
                Act::Enrol(id, label) => {
                    let secret = Secret::make_random(rng);
                    *id = draft.enrol_device(&secret, private(label), rng).unwrap();
                    self.secrets.insert(*id, secret);
                }
                Act::Refresh(id) => {
                    draft.refresh(id, &SlotSecret::Device(&self.secrets[id]), rng).unwrap();
                }
                Act::Label(id, label) => {
                    let mut known = device.vault.slot_private(id).unwrap().unwrap();
                    known.label.clone_from(label);
                    draft.set_slot_private(id, known).unwrap();
                }
                Act::Used(id, time) => {
                    let mut known = device.vault.slot_private(id).unwrap().unwrap();
                    known.last_used = Some(*time);
                    draft.set_slot_private(id, known).unwrap();
                }
                Act::Remove(id) => draft.remove(id, &device.cache, rng).unwrap(),
                Act::Rotate => draft.rotate(&device.cache, rng).unwrap(),
            }
        }
        draft.finish(TODAY, rng).unwrap()
    }

    /// One device does something, whatever the other one has done since.
    fn step(&mut self) {
        let which = self.below(2);
        match self.below(100) {
            0..40 => self.catch_up(which),
            40..43 => {
                let memory = std::mem::take(&mut self.devices[which].memory);
                self.devices[which] = self.open(memory);
            }
            _ => {}
        }
        let mut acts = self.choose(which);
        if acts.is_empty() {
            return;
        }
        let base = self.devices[which].known.clone();
        let prepared = self.prepare(which, &mut acts);
        let fresh = base == self.model;
        let written = self.storage.write(prepared.write());
        if !fresh {
            assert_eq!(written, Err(StorageError::Conflict), "a stale write");
            let operations = prepared.into_operations(&self.devices[which].vault).unwrap();
            self.replay(which, &base, &acts, operations);
        } else {
            written.unwrap();
            self.count("fresh");
            assert_eq!(self.model.apply(&base, &acts), [], "nobody came between");
            if self.chance(3) {
                // It arrived, and nobody said so; the other device may go on from it first.
                if self.chance(50) {
                    self.interlude(1 - which);
                }
                let operations = prepared.into_operations(&self.devices[which].vault).unwrap();
                self.catch_up(which);
                let (report, write) = self.try_replay(which, &operations);
                assert!(report.had_arrived() && report.conflicts().is_empty() && write.is_none());
                self.count("confirmation lost");
            } else {
                if self.chance(10) {
                    self.old_write = Some(prepared.write().clone());
                }
                let device = &mut self.devices[which];
                device.vault.written(prepared, Some(&mut device.memory)).unwrap();
                (device.cache, device.known) = (self.storage.clone(), self.model.clone());
            }
        }
    }

    /// The other device is quicker.
    fn interlude(&mut self, other: usize) {
        self.catch_up(other);
        let base = self.model.clone();
        let mut acts = vec![Act::Add(ItemId([0; 16]), self.text())];
        let prepared = self.prepare(other, &mut acts);
        self.storage.write(prepared.write()).unwrap();
        assert_eq!(self.model.apply(&base, &acts), []);
        let device = &mut self.devices[other];
        device.vault.written(prepared, Some(&mut device.memory)).unwrap();
        (device.cache, device.known) = (self.storage.clone(), self.model.clone());
        self.count("interlude");
    }

    fn try_replay(&mut self, which: usize, operations: &Operations) -> (Report, Option<Prepared>) {
        let vault = &self.devices[which].vault;
        let (draft, report) = vault.replay(operations, &self.storage, &mut self.rng).unwrap();
        let prepared =
            if draft.is_empty() { None } else { Some(draft.finish(TODAY, &mut self.rng).unwrap()) };
        (report, prepared)
    }

    fn replay(&mut self, which: usize, base: &Model, acts: &[Act], operations: Operations) {
        self.count("replayed");
        let (report, prepared) = loop {
            self.catch_up(which);
            let (report, prepared) = self.try_replay(which, &operations);
            if self.chance(10) {
                self.interlude(1 - which);
            }
            let Some(prepared) = prepared else { break (report, None) };
            match self.storage.write(prepared.write()) {
                Ok(()) => break (report, Some(prepared)),
                Err(error) => assert_eq!(error, StorageError::Conflict),
            }
        };
        let mut expected = self.model.apply(base, acts);
        expected.sort();
        let mut reported: Vec<Expected> =
            report.conflicts().iter().map(|conflict| self.recognise(conflict, acts)).collect();
        reported.sort();
        assert_eq!(reported, expected, "{acts:?}");
        for conflict in &reported {
            self.count("conflict");
            self.count(match conflict {
                Expected::Copied(..) => "copied",
                Expected::DeletionDropped(_) => "deletion dropped",
                Expected::DeletionUndone(_) => "deletion undone",
                Expected::RemovalRefused(_) => "removal refused",
                Expected::RenewalDropped(_) => "renewal dropped",
                Expected::LastUsedDropped(_) => "last used dropped",
                Expected::PrivateKept(_) => "private kept",
                Expected::SlotRemoved(_) => "slot removed",
                Expected::RotationDropped => "rotation dropped",
            });
        }
        if let Some(prepared) = prepared {
            let device = &mut self.devices[which];
            device.vault.written(prepared, Some(&mut device.memory)).unwrap();
            (device.cache, device.known) = (self.storage.clone(), self.model.clone());
        }
    }

    /// The conflict as the model names it; a copy enters the model under the name that it got.
    fn recognise(&mut self, conflict: &Conflict, acts: &[Act]) -> Expected {
        match *conflict {
            Conflict::ItemCopied { item, copy } => {
                let ours = acts.iter().find_map(|act| match act {
                    Act::Change(id, text) if *id == item => Some(text.clone()),
                    _ => None,
                });
                let text = ours.expect("a copy of what was changed");
                assert!(
                    self.model.items.insert(copy, ModelItem { version: 1, text: text.clone() }).is_none()
                );
                Expected::Copied(item, text)
            }
            Conflict::DeletionDropped(id) => Expected::DeletionDropped(id),
            Conflict::DeletionUndone(id) => Expected::DeletionUndone(id),
            Conflict::RemovalRefused(id, error) => {
                assert_eq!(error, VaultError::LastSlot);
                Expected::RemovalRefused(id)
            }
            Conflict::RenewalDropped(id) => Expected::RenewalDropped(id),
            Conflict::LastUsedDropped(id) => Expected::LastUsedDropped(id),
            Conflict::PrivateKept(id) => Expected::PrivateKept(id),
            Conflict::SlotRemoved(id) => Expected::SlotRemoved(id),
            Conflict::RotationDropped => Expected::RotationDropped,
            ref other => panic!("{other:?}"),
        }
    }

    /// What is stored is what the model says, read by a stranger with a slot's secret alone.
    fn check(&mut self) {
        if let Some(write) = &self.old_write {
            assert_eq!(self.storage.write(write), Err(StorageError::Conflict), "an old write put again");
        }
        let stored = envelope(&self.storage);
        let reader = self.open(TestMemory::default());
        let vault = &reader.vault;
        assert_eq!((vault.epoch(), vault.key_gen()), (self.model.epoch, self.model.key_gen));
        let mut items = BTreeMap::new();
        for row in vault.rows() {
            let bytes = countersign::vault::ItemSource::item(&self.storage, &row.item_id).unwrap().unwrap();
            let item = vault.open_item(&row.item_id, &bytes).unwrap();
            assert_eq!(item.item_type, NOTE);
            let text = item.plaintext.expose().to_vec();
            items.insert(row.item_id, ModelItem { version: item.version, text });
        }
        assert_eq!(items, self.model.items);
        let mut slots = BTreeMap::new();
        for slot in vault.slots() {
            if slot.status() != SlotStatus::Enabled {
                continue;
            }
            let known = vault.slot_private(&slot.slot_id()).unwrap().unwrap();
            let (slot_gen, born) = (slot.slot_gen(), slot.born().unwrap());
            let (label, last_used) = (known.label, known.last_used);
            slots.insert(slot.slot_id(), ModelSlot { slot_gen, born, label, last_used });
        }
        assert_eq!(slots, self.model.slots);
        for (id, secret) in &self.secrets {
            let opened = stored.open(id, &SlotSecret::Device(secret), Opening::default());
            assert_eq!(opened.is_ok(), self.model.slots.contains_key(id), "{id}");
        }
        // The secrets of slots that are gone are not tried for ever.
        let model = &self.model;
        let devices = &self.devices;
        self.secrets.retain(|id, _| {
            model.slots.contains_key(id) || devices.iter().any(|device| device.known.slots.contains_key(id))
        });
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect(name))
}

/// One vault of its own, so that the run is the same in whatever order the threads are.
fn soak(seed: u64, operations: u64) -> World {
    let mut world = World::new(seed);
    for number in 0..operations {
        world.step();
        if number % 100 == 0 {
            world.check();
        }
    }
    world.check();
    world
}

#[test]
fn nothing_is_lost_and_every_conflict_is_reported_as_the_table_says() {
    let operations = setting("COUNTERSIGN_SOAK_OPERATIONS", 10_000);
    let seed = setting("COUNTERSIGN_SOAK_SEED", 1);
    println!("seed {seed}");
    let soaked: Vec<World> = std::thread::scope(|scope| {
        let soak = |number: u64| soak(seed << 32 | number << 16, operations / VAULTS);
        let threads: Vec<_> = (0..VAULTS).map(|number| scope.spawn(move || soak(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut counts = BTreeMap::new();
    for (what, count) in soaked.iter().flat_map(|world| &world.counts) {
        *counts.entry(*what).or_insert(0) += count;
    }
    println!("{counts:?}");
    // A soak in which nobody comes too late would show nothing.
    for what in ["fresh", "replayed", "conflict", "interlude", "opened anew", "confirmation lost"] {
        assert!(counts[what] as u64 >= operations / 200, "{what}: {counts:?}");
    }
    for row in [
        "copied",
        "deletion dropped",
        "deletion undone",
        "renewal dropped",
        "last used dropped",
        "private kept",
        "slot removed",
        "rotation dropped",
    ] {
        assert!(operations < 5000 || counts.contains_key(row), "{row}: {counts:?}");
    }
}
