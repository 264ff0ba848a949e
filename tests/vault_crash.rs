//! A write of a vault, cut at every step of a storage that keeps items as objects and swaps one head (docs/vault-format.md:
//! "immutable items first, one swap, memory last"): the vault opens with the old or the new keys, never neither.

mod common;

use std::{cell::Cell, collections::BTreeMap};

use common::{
    seeded_rng::SeededRng,
    vault::{Admin, TestMemory, private},
    world::TODAY,
};
use countersign::{
    crypto::sha256,
    secret::Secret,
    time::Moment,
    vault::{
        Administration, CatchUp, Envelope, Freshness, ItemId, ItemSource, OldSeal, Opening, Operations,
        Prepared, RecoveryCode, Removal, Row, SlotId, SlotSecret, SlotStatus, StorageError, StoredVault, Tag,
        Vault, VaultError, VaultId, VaultStorage, Write,
    },
};

const NOTE: u64 = 64;

#[derive(Clone)]
struct Head {
    manifest: Vec<u8>,
    mac: [u8; 32],
    rows: Vec<Row>,
}

/// Objects by their hash, and a head that is swapped. After as many steps as it has strength for, the power is gone.
#[derive(Clone, Default)]
struct Folder {
    objects: BTreeMap<[u8; 32], Vec<u8>>,
    head: Option<Head>,
    strength: Option<Cell<usize>>,
    /// Whether the step at which the power goes is still done.
    late: bool,
}

impl Folder {
    fn step(&mut self, act: impl FnOnce(&mut Self)) -> Result<(), StorageError> {
        let left = self.strength.as_ref().map(Cell::get);
        if let (Some(strength), Some(left)) = (&self.strength, left) {
            strength.set(left.saturating_sub(1));
        }
        match left {
            Some(0) => Err(StorageError::Io),
            Some(1) => {
                if self.late {
                    act(self);
                }
                Err(StorageError::Io)
            }
            _ => {
                act(self);
                Ok(())
            }
        }
    }
}

impl ItemSource for Folder {
    fn item(&self, id: &ItemId) -> Result<Option<Vec<u8>>, StorageError> {
        let row = self.head.iter().flat_map(|head| &head.rows).find(|row| row.item_id == *id);
        Ok(row.and_then(|row| self.objects.get(&row.hash)).cloned())
    }
}

impl VaultStorage for Folder {
    fn parts(&self) -> Result<Option<StoredVault>, StorageError> {
        Ok(self.head.clone().map(|Head { manifest, mac, rows }| StoredVault { manifest, mac, rows }))
    }

    fn index_id(&self) -> Result<Option<Tag>, StorageError> {
        Ok(None)
    }

    fn tagged(&self, _: &Tag) -> Result<Vec<ItemId>, StorageError> {
        Ok(Vec::new())
    }

    fn write(&mut self, write: &Write) -> Result<(), StorageError> {
        let hash = self.head.as_ref().map(|head| sha256(&head.manifest));
        if hash != write.base.map(|base| base.hash) {
            return Err(StorageError::Conflict);
        }
        let mut rows = self.head.as_ref().map_or_else(Vec::new, |head| head.rows.clone());
        let put = |id| write.put.iter().any(|put| put.row.item_id == id);
        rows.retain(|row| !write.delete.contains(&row.item_id) && !put(row.item_id));
        for put in &write.put {
            self.step(|folder| _ = folder.objects.insert(put.row.hash, put.bytes.clone()))?;
            rows.push(put.row);
        }
        let head = Head { manifest: write.manifest.clone(), mac: write.mac, rows };
        let kept = head.rows.iter().map(|row| row.hash).collect::<Vec<_>>();
        self.step(|folder| folder.head = Some(head))?;
        // What the new state does not name. A folder that others read would keep the previous one's for a while.
        let old: Vec<_> = self.objects.keys().filter(|hash| !kept.contains(hash)).copied().collect();
        for hash in old {
            self.step(|folder| _ = folder.objects.remove(&hash))?;
        }
        Ok(())
    }

    fn reindex(&mut self, _: Tag, _: &[(ItemId, Vec<Tag>)]) -> Result<(), StorageError> {
        Ok(())
    }
}

/// A vault of two devices and a recovery code with three items.
struct Sample {
    folder: Folder,
    slots: Vec<(SlotId, Opener)>,
    memory: TestMemory,
}

enum Opener {
    Device(Secret<32>),
    Code(RecoveryCode),
}

impl Opener {
    fn secret(&self) -> SlotSecret<'_> {
        match self {
            Self::Device(secret) => SlotSecret::Device(secret),
            Self::Code(code) => SlotSecret::Code(code),
        }
    }
}

/// What a change may draft, and by what a slot that it enrols opens.
type Change = fn(&mut Administration<'_>, &Sample, &mut SeededRng) -> Option<(SlotId, Opener)>;

const CHANGES: [(&str, Change); 7] = [
    ("rotation", |draft, sample, rng| {
        draft.rotate(&sample.folder, rng).unwrap();
        None
    }),
    ("rotation with every item anew", |draft, sample, rng| {
        draft.rotate_and_reencrypt(&sample.folder, rng).unwrap();
        None
    }),
    ("refresh", |draft, sample, rng| {
        draft.refresh(&sample.slots[0].0, &sample.slots[0].1.secret(), rng).unwrap();
        None
    }),
    ("refresh with a rotation", |draft, sample, rng| {
        draft.refresh(&sample.slots[0].0, &sample.slots[0].1.secret(), rng).unwrap();
        draft.rotate(&sample.folder, rng).unwrap();
        None
    }),
    ("enrolment", |draft, _, rng| {
        let secret = Secret::make_random(rng);
        let slot = draft.enrol_device(&secret, private("new"), rng).unwrap();
        Some((slot, Opener::Device(secret)))
    }),
    ("removal", |draft, sample, rng| {
        draft.remove(&sample.slots[0].0, &sample.folder, rng).unwrap();
        None
    }),
    ("removal without a rotation", |draft, sample, rng| {
        let removal = Removal { old_seal: OldSeal::LeaveValid, ..Removal::default() };
        draft.remove_with(&sample.slots[0].0, removal, &sample.folder, rng).unwrap();
        draft.add_item(NOTE, b"beside it", rng).unwrap();
        None
    }),
];

impl Sample {
    fn new(rng: &mut SeededRng) -> Self {
        let mut draft = Administration::new_vault(VaultId::make(rng), None, rng).unwrap();
        let mut slots = Vec::new();
        for label in ["one", "two"] {
            let secret = Secret::make_random(rng);
            slots.push((draft.enrol_device(&secret, private(label), rng).unwrap(), Opener::Device(secret)));
        }
        let code = RecoveryCode::make(rng);
        slots.push((draft.enrol_recovery_code(&code, private("code"), rng).unwrap(), Opener::Code(code)));
        for text in [&b"one"[..], b"two", b"three"] {
            draft.add_item(NOTE, text, rng).unwrap();
        }
        let prepared = draft.finish(TODAY, rng).unwrap();
        let mut folder = Folder::default();
        folder.write(prepared.write()).unwrap();
        let mut memory = TestMemory::default();
        prepared.into_vault(Some(&mut memory), Moment::default()).unwrap();
        Self { folder, slots, memory }
    }

    fn open(&self) -> Vault {
        let mut memory = self.memory.clone();
        self.open_by(&self.folder, 1, &mut memory).unwrap()
    }

    fn open_by(&self, folder: &Folder, which: usize, memory: &mut TestMemory) -> Result<Vault, VaultError> {
        let envelope = Envelope::from_stored(folder.parts().unwrap().unwrap())?;
        let opening = Opening { memory: Some(memory), ..Opening::default() };
        let (slot, opener) = &self.slots[which];
        let (vault, freshness) = envelope.open(slot, &opener.secret(), opening)?;
        assert_eq!(freshness, Freshness::Checked);
        Ok(vault)
    }
}

/// Every slot of the state in the folder opens it, every item can be read, and the memory of before knows it.
fn assert_whole(sample: &Sample, folder: &Folder, new: Option<&(SlotId, Opener)>) -> Vault {
    let envelope = Envelope::from_stored(folder.parts().unwrap().unwrap()).unwrap();
    let enabled: Vec<SlotId> = envelope
        .slots()
        .filter(|slot| slot.status() == SlotStatus::Enabled)
        .map(|slot| slot.slot_id())
        .collect();
    assert!(enabled.len() >= 2);
    let mut last = None;
    for id in enabled {
        let (_, opener) = sample.slots.iter().chain(new).find(|(slot, _)| *slot == id).expect("a known slot");
        let mut memory = sample.memory.clone();
        let opening = Opening { memory: Some(&mut memory), ..Opening::default() };
        let (vault, freshness) = envelope.open(&id, &opener.secret(), opening).expect("every slot opens it");
        assert_eq!(freshness, Freshness::Checked);
        for row in vault.rows() {
            let bytes = folder.item(&row.item_id).unwrap().expect("every item is there");
            vault.open_item(&row.item_id, &bytes).expect("and can be read");
        }
        last = Some(vault);
    }
    last.unwrap()
}

fn prepare(sample: &Sample, vault: &Vault, change: Change) -> (Prepared, Option<(SlotId, Opener)>) {
    let mut rng = SeededRng(900);
    let mut draft = vault.admin();
    let new = change(&mut draft, sample, &mut rng);
    (draft.finish(TODAY, &mut rng).unwrap(), new)
}

#[test]
fn a_vault_opens_with_the_old_or_the_new_keys_wherever_a_write_is_cut() {
    let sample = Sample::new(&mut SeededRng(1));
    for (name, change) in CHANGES {
        let vault = sample.open();
        let (old, mut olds, mut news) = (vault.base(), 0, 0);
        for late in [false, true] {
            for strength in 0.. {
                let (prepared, new) = prepare(&sample, &vault, change);
                let mut folder =
                    Folder { strength: Some(Cell::new(strength)), late, ..sample.folder.clone() };
                let written = folder.write(prepared.write());
                let found = assert_whole(&sample, &folder, new.as_ref());
                if found.base() == old {
                    olds += 1;
                } else {
                    assert_eq!(found.epoch(), old.epoch + 1, "{name}");
                    assert_eq!(
                        sha256(&prepared.write().manifest),
                        found.base().hash,
                        "{name}: that very one"
                    );
                    news += 1;
                }
                if written.is_ok() {
                    assert_ne!(found.base(), old, "{name}: what was confirmed is there");
                    break;
                }
            }
        }
        assert!(olds >= 1 && news >= 2, "{name}: {olds} old, {news} new");
    }
}

#[test]
fn a_write_that_arrived_unconfirmed_is_met_again_and_not_repeated() {
    let sample = Sample::new(&mut SeededRng(2));
    for (name, change) in CHANGES {
        let mut vault = sample.open();
        let (prepared, _) = prepare(&sample, &vault, change);
        let mut folder = sample.folder.clone();
        // As many steps as there are up to the swap, which is done although the answer is a failure.
        let steps = prepared.write().put.len() + 1;
        (folder.strength, folder.late) = (Some(Cell::new(steps)), true);
        assert_eq!(folder.write(prepared.write()), Err(StorageError::Io), "{name}");
        folder.strength = None;
        assert_eq!(folder.write(prepared.write()), Err(StorageError::Conflict), "{name}");
        let operations: Operations = prepared.into_operations(&vault).unwrap();
        let mut memory = sample.memory.clone();
        let newer = Envelope::from_stored(folder.parts().unwrap().unwrap()).unwrap();
        match vault.catch_up(&newer, Some(&mut memory)).unwrap() {
            CatchUp::KeyChanged => vault = sample.open_by(&folder, 1, &mut memory).unwrap(),
            caught_up => assert_eq!(caught_up, CatchUp::Newer(Freshness::Checked), "{name}"),
        }
        let (draft, report) = vault.replay(&operations, &folder, &mut SeededRng(3)).unwrap();
        assert!(report.had_arrived() && draft.is_empty(), "{name}");
    }
}

/// A memory that cannot be written.
struct Full(TestMemory);

impl countersign::vault::RollbackStore for Full {
    fn get(&self, vault: &VaultId) -> Result<Option<countersign::vault::Seen>, VaultError> {
        self.0.get(vault)
    }

    fn put(&mut self, _: &VaultId, _: &countersign::vault::Seen) -> Result<(), VaultError> {
        Err(VaultError::Memory)
    }
}

#[test]
fn a_cut_between_the_write_and_the_memory_costs_nothing() {
    let sample = Sample::new(&mut SeededRng(4));
    for (name, change) in CHANGES {
        let mut vault = sample.open();
        let (prepared, new) = prepare(&sample, &vault, change);
        let mut folder = sample.folder.clone();
        folder.write(prepared.write()).unwrap();
        // The memory of before vouches for the new state.
        assert_whole(&sample, &folder, new.as_ref());
        let mut memory = Full(sample.memory.clone());
        assert_eq!(vault.written(prepared, Some(&mut memory)), Err(VaultError::Memory), "{name}");
        let stored = folder.parts().unwrap().unwrap();
        assert_eq!(vault.base().hash, sha256(&stored.manifest), "{name}: taken over all the same");
    }
}
