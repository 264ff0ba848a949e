//! What a change does, apart from the state that it was made for (vault-format.md, "Concurrent writers"): taken out of a
//! write that came too late, so that it can be done again on the state that came first.
//!
//! Nothing is logged while a change is drafted. A finished change holds the state that it would have made, with its key;
//! what it does is the difference between that state and its base. Two heads of a folder are compared in the same way.

use alloc::{boxed::Box, vec::Vec};

use super::{
    draft::Prepared,
    error::VaultError,
    ids::{ItemId, SlotId, VaultId},
    item::{Row, StoredItem},
    manifest::Policy,
    private::SlotPrivate,
    rotate::{LastFallback, OldSeal, Removal},
    slot::{EnabledSlot, Slot},
    storage::{Base, ItemSource},
    vault::{State, Vault},
};
use crate::secret::{Secret, SecretBytes};

/// What one write of a vault does: pending, until [`Vault::replay`] does it on a newer state. It holds contents of items
/// and keys of slots, which are wiped when it is dropped.
pub struct Operations {
    pub(super) vault_id: VaultId,
    /// The state that the change was made for, and its key generation.
    pub(super) base: Base,
    pub(super) base_key_gen: u64,
    /// The state that the write would have made. Where it did arrive after all, nothing is pending.
    pub(super) written: Base,
    pub(super) rotated: bool,
    /// Whether the rotation encrypted every item anew.
    pub(super) reencrypted: bool,
    /// The policy before and after, where it was changed.
    pub(super) policy: Option<(Option<Policy>, Option<Policy>)>,
    /// The suite floor that it was raised to.
    pub(super) floor: Option<u64>,
    pub(super) items: Vec<ItemOperation>,
    pub(super) slots: Vec<SlotOperation>,
}

/// What happens to an item.
pub(super) struct ItemOperation {
    pub(super) item_id: ItemId,
    /// Its version in the base; none: it is new, or its past is not known.
    pub(super) base_version: Option<u64>,
    pub(super) change: ItemChange,
}

pub(super) enum ItemChange {
    Put { item_type: u64, plaintext: SecretBytes },
    Delete,
}

/// What happens to a slot.
pub(super) struct SlotOperation {
    pub(super) slot_id: SlotId,
    pub(super) change: SlotChange,
}

pub(super) enum SlotChange {
    /// Enrolled; in place of an idle slot of that generation, or new.
    Enrol { slot: Box<EnabledSlot>, sak: Secret<32>, private: SlotPrivate, idle_gen: Option<u64> },
    /// Refreshed or resalted, from that generation.
    Renew { slot: Box<EnabledSlot>, sak: Secret<32>, base_gen: u64 },
    /// Removed, with the words that were given then.
    Remove(Removal),
    /// An enabled passkey that became idle.
    Disable { could_encrypt: bool, old_seal: OldSeal },
    /// An idle slot was added, or its status changed.
    Idle { could_encrypt: bool, slot_gen: u64, private: SlotPrivate, new: bool },
    /// An idle slot was taken out.
    Forget,
    /// What the owner knows of it was changed; the slot was of that generation then.
    Private { before: SlotPrivate, after: SlotPrivate, base_gen: u64 },
}

impl Prepared {
    /// What the write does, to be replayed on a newer state after the storage answered
    /// [`StorageError::Conflict`](super::StorageError::Conflict). `vault` is the one that the change was drafted on,
    /// still in the state of then; [`VaultError::StaleWrite`] otherwise, and for the first write of a vault.
    pub fn into_operations(self, vault: &Vault) -> Result<Operations, VaultError> {
        vault.require_key()?;
        let base = vault.state();
        let (write, state, rewritten) = self.into_parts();
        if write.vault_id != vault.vault_id() || write.base != Some(base.base()) {
            return Err(VaultError::StaleWrite);
        }
        let mut operations = Operations::of_slots(base, &state)?;
        operations.reencrypted = !rewritten.is_empty();
        for put in write.put.iter().filter(|put| !rewritten.contains(&put.row.item_id)) {
            operations.note_item(base, &state, &put.row, &put.bytes)?;
        }
        operations.note_deleted(base, &write.delete);
        Ok(operations)
    }
}

impl Operations {
    /// The vault that they belong to.
    pub fn vault_id(&self) -> VaultId {
        self.vault_id
    }

    /// The state that they were made for.
    pub fn base(&self) -> Base {
        self.base
    }

    /// How many items they add, change and delete.
    pub fn item_count(&self) -> usize {
        self.items.len()
    }

    /// The slots that they touch; one may be named twice.
    pub fn slots(&self) -> impl Iterator<Item = SlotId> {
        self.slots.iter().map(|operation| operation.slot_id)
    }

    /// Whether they give the vault a new key.
    pub fn rotates(&self) -> bool {
        self.rotated
    }

    /// All that was done between two states of one line.
    pub(super) fn between(base: &State, new: &State, items: &dyn ItemSource) -> Result<Self, VaultError> {
        let mut operations = Self::of_slots(base, new)?;
        for row in new.rows.rows() {
            if base.rows.get(&row.item_id).map(|before| before.version) != Some(row.version) {
                operations.note_item(base, new, &row, &read_item(items, &row.item_id)?)?;
            }
        }
        let gone = base.rows.rows().into_iter().filter(|row| new.rows.get(&row.item_id).is_none());
        operations.note_deleted(base, &gone.map(|row| row.item_id).collect::<Vec<_>>());
        Ok(operations)
    }

    /// What `other` has that `base` has not, where nobody knows the state they parted from. Nothing that one of them lost
    /// can be told from what the other one added, so it stays, but for slots, of which a tombstone tells, and of a passkey
    /// that is idle the generation: where it may have been disabled, it does not open the vault again.
    pub(super) fn apart(base: &State, other: &State, items: &dyn ItemSource) -> Result<Self, VaultError> {
        let mut operations = Self::of_slots(base, other)?;
        operations.rotated = false;
        operations.policy = None;
        operations.base = Base { epoch: 0, hash: [0; 32] };
        operations.slots.retain_mut(|operation| match &mut operation.change {
            SlotChange::Remove(removal) => {
                *removal = Removal::default();
                other.manifest.slot(&operation.slot_id).is_some()
            }
            SlotChange::Disable { old_seal, .. } => {
                *old_seal = OldSeal::Revoke;
                // Enabled after it was idle, it would be of a later one.
                let slot_gen = |state: &State| state.manifest.slot(&operation.slot_id).map(Slot::slot_gen);
                slot_gen(other) >= slot_gen(base)
            }
            SlotChange::Enrol { idle_gen: None, .. } | SlotChange::Idle { new: true, .. } => true,
            _ => false,
        });
        for row in other.rows.rows() {
            let bytes = read_item(items, &row.item_id)?;
            operations.note_item_of(None, other, &row, &bytes)?;
        }
        Ok(operations)
    }

    fn of_slots(base: &State, new: &State) -> Result<Self, VaultError> {
        let mut slots = Vec::new();
        let gone = base.manifest.slots.iter().filter(|slot| new.manifest.slot(&slot.slot_id()).is_none());
        for slot in gone {
            let change = match slot {
                // A tombstone may have been dropped by the very write that made it.
                Slot::Enabled(slot) => SlotChange::Remove(removal(base, new, slot)?),
                Slot::Idle { .. } => SlotChange::Forget,
                Slot::Tombstone { .. } => continue,
            };
            slots.push(SlotOperation { slot_id: slot.slot_id(), change });
        }
        for slot in &new.manifest.slots {
            let slot_id = slot.slot_id();
            let changes = SlotChange::of(base, new, slot)?;
            slots.extend(changes.into_iter().map(|change| SlotOperation { slot_id, change }));
        }
        Ok(Self {
            vault_id: new.manifest.vault_id,
            base: base.base(),
            base_key_gen: base.manifest.key_gen,
            written: new.base(),
            rotated: new.manifest.key_gen > base.manifest.key_gen,
            reencrypted: false,
            policy: (base.manifest.policy != new.manifest.policy)
                .then(|| (base.manifest.policy.clone(), new.manifest.policy.clone())),
            floor: Some(new.manifest.floor).filter(|floor| *floor > base.manifest.floor),
            items: Vec::new(),
            slots,
        })
    }

    fn note_item(&mut self, base: &State, new: &State, row: &Row, bytes: &[u8]) -> Result<(), VaultError> {
        let before = base.rows.get(&row.item_id).map(|before| before.version);
        // The same version is the same contents, with its key wrapped anew.
        if before == Some(row.version) { Ok(()) } else { self.note_item_of(before, new, row, bytes) }
    }

    fn note_item_of(
        &mut self,
        base_version: Option<u64>,
        new: &State,
        row: &Row,
        bytes: &[u8],
    ) -> Result<(), VaultError> {
        let (item_type, plaintext) = new.open_item(&row.item_id, bytes)?;
        let change = ItemChange::Put { item_type, plaintext };
        self.items.push(ItemOperation { item_id: row.item_id, base_version, change });
        Ok(())
    }

    fn note_deleted(&mut self, base: &State, deleted: &[ItemId]) {
        self.items.extend(deleted.iter().map(|id| ItemOperation {
            item_id: *id,
            base_version: base.rows.get(id).map(|row| row.version),
            change: ItemChange::Delete,
        }));
    }
}

impl SlotChange {
    /// What happened to a slot that the new state has.
    fn of(base: &State, new: &State, slot: &Slot) -> Result<Vec<Self>, VaultError> {
        let slot_id = slot.slot_id();
        let private = || new.private(&slot_id)?.ok_or(VaultError::NotFound);
        Ok(match (base.manifest.slot(&slot_id), slot) {
            (Some(Slot::Enabled(before)), Slot::Enabled(after)) => {
                let renewed = (before.slot_gen != after.slot_gen).then(|| {
                    let (slot, base_gen) = (after.clone(), before.slot_gen);
                    Ok::<_, VaultError>(Self::Renew { sak: new.unwrap_sak(after)?, slot, base_gen })
                });
                let changed = Self::of_private(base, new, &slot_id)?;
                renewed.transpose()?.into_iter().chain(changed).collect()
            }
            (Some(Slot::Enabled(before)), Slot::Tombstone { .. }) => {
                [Self::Remove(removal(base, new, before)?)].into()
            }
            (Some(Slot::Enabled(_)), Slot::Idle { could_encrypt, .. }) => {
                let disabled = Self::Disable { could_encrypt: *could_encrypt, old_seal: old_seal(base, new) };
                let changed = Self::of_private(base, new, &slot_id)?;
                core::iter::once(disabled).chain(changed).collect()
            }
            (before @ (None | Some(Slot::Idle { .. })), Slot::Enabled(after)) => [Self::Enrol {
                slot: after.clone(),
                sak: new.unwrap_sak(after)?,
                private: private()?,
                idle_gen: before.map(Slot::slot_gen),
            }]
            .into(),
            (None, Slot::Idle { could_encrypt, slot_gen, .. }) => {
                let (could_encrypt, slot_gen) = (*could_encrypt, *slot_gen);
                [Self::Idle { could_encrypt, slot_gen, private: private()?, new: true }].into()
            }
            (Some(before @ Slot::Idle { .. }), Slot::Idle { could_encrypt, slot_gen, .. }) => {
                let (could_encrypt, slot_gen) = (*could_encrypt, *slot_gen);
                let moved = before.status() != slot.status() || before.slot_gen() != slot_gen;
                let moved = moved.then(|| {
                    let private = private()?;
                    Ok::<_, VaultError>(Self::Idle { could_encrypt, slot_gen, private, new: false })
                });
                let changed = Self::of_private(base, new, &slot_id)?;
                moved.transpose()?.into_iter().chain(changed).collect()
            }
            (Some(Slot::Idle { .. }), Slot::Tombstone { .. }) => [Self::Forget].into(),
            (None | Some(Slot::Tombstone { .. }), _) => Vec::new(),
        })
    }

    fn of_private(base: &State, new: &State, slot_id: &SlotId) -> Result<Option<Self>, VaultError> {
        let base_gen = base.manifest.slot(slot_id).map_or(0, Slot::slot_gen);
        let (before, mut after) = (base.private(slot_id)?, new.private(slot_id)?);
        if let (Some(before), Some(after)) = (&before, &mut after) {
            // Which passkey it is goes with the status and is no change of its own.
            (after.rp_id, after.credential_id) = (before.rp_id.clone(), before.credential_id.clone());
        }
        match (before, after) {
            (Some(before), Some(after)) if before != after => {
                Ok(Some(Self::Private { before, after, base_gen }))
            }
            _ => Ok(None),
        }
    }
}

/// By which words a slot was removed: what is not the default was asked for. Where the policy wants no fallback, nothing
/// was asked.
fn removal(base: &State, new: &State, slot: &EnabledSlot) -> Result<Removal, VaultError> {
    let guarded = new.manifest.policy.as_ref().is_none_or(|policy| !policy.no_fallback);
    let gone = guarded && base.is_verified_fallback(slot)? && !new.has_verified_fallback()?;
    let last_fallback = if gone { LastFallback::GiveUp } else { LastFallback::Keep };
    Ok(Removal { old_seal: old_seal(base, new), last_fallback })
}

fn old_seal(base: &State, new: &State) -> OldSeal {
    if new.manifest.key_gen > base.manifest.key_gen { OldSeal::Revoke } else { OldSeal::LeaveValid }
}

pub(super) fn read_item(items: &dyn ItemSource, id: &ItemId) -> Result<Vec<u8>, VaultError> {
    items.item(id)?.ok_or(VaultError::Tampered("item missing"))
}

impl State {
    /// Type and contents of an item whose bytes are those that the index names.
    pub(super) fn open_item(&self, id: &ItemId, bytes: &[u8]) -> Result<(u64, SecretBytes), VaultError> {
        let item: StoredItem = self.checked_item(id, bytes)?;
        let content_key = item.content_key(&self.root, self.manifest.key_gen)?;
        Ok((item.item_type, item.plaintext(&self.manifest.vault_id, &content_key)?))
    }
}
