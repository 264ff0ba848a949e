//! The new vault root key: rotation, and removal of slots (vault-format.md, "Operations").

use alloc::{collections::btree_map::Entry, vec::Vec};

use rand_core::CryptoRng;

use super::{
    draft::{Draft, DraftItem},
    error::VaultError,
    ids::SlotId,
    item::UnwrappedItem,
    keys::RootKey,
    reauth::Administration,
    slot::{EnabledSlot, Slot, SlotKind},
    slot_key::sak_aad,
    storage::ItemSource,
    suite::require_suite,
    tags::Terms,
    vault::State,
};
use crate::secret::Secret;

const MAX_TOMBSTONES: usize = 32;

impl Administration<'_> {
    /// Gives the vault a new root key, with no authenticator at hand: seals it to every enabled slot, encrypts every
    /// private part anew and wraps every content key anew; contents stay as they are. Draws the root key (32).
    ///
    /// The state must have been checked against memory ([`VaultError::Unchecked`]). [`VaultError::Unsupported`]: a slot
    /// is of a suite that this build cannot seal to. [`VaultError::Tampered`]: an item is missing or altered.
    pub fn rotate(&mut self, items: &dyn ItemSource, rng: &mut dyn CryptoRng) -> Result<(), VaultError> {
        self.require_checked()?;
        let base = self.base().filter(|_| !self.rotated);
        let base = base.ok_or(VaultError::InvalidInput("this key is new already"))?;
        for slot in self.manifest.enabled() {
            require_suite(slot.suite)?;
        }
        let root = RootKey::make(self.manifest.vault_id, rng);
        self.take_up_slots(base)?;
        self.take_up_items(base, items)?;
        // Last: a draft that could not take up everything must not be finished under the new key.
        self.root = root;
        self.rotated = true;
        Ok(())
    }

    /// Removes an enabled slot: it becomes a tombstone, and the vault gets a new root key in the same write, since the
    /// old seal would still open the vault. Draws as [`Administration::rotate`], unless this draft has rotated already.
    ///
    /// What the slot's owner knows by then stays known; new codes, and a refresh of the other slots, are advised.
    /// [`VaultError::LastSlot`]: no other slot is enabled, or it is the last verified fallback.
    pub fn remove(
        &mut self,
        id: &SlotId,
        items: &dyn ItemSource,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), VaultError> {
        let base = self.base().ok_or(VaultError::NotFound)?;
        let removed = self.manifest.enabled_slot(id).ok_or(VaultError::NotFound)?;
        let tombstone = Slot::Tombstone {
            slot_id: *id,
            kind: removed.unlock.kind(),
            slot_gen: removed.slot_gen,
            last_enabled: base.manifest.key_gen,
        };
        if self.manifest.enabled().count() < 2 || self.is_last_verified_fallback(removed)? {
            return Err(VaultError::LastSlot);
        }
        if !self.rotated {
            self.rotate(items, rng)?;
        }
        if let Some(place) = self.manifest.slots.iter_mut().find(|slot| slot.slot_id() == *id) {
            *place = tombstone;
        }
        self.drop_old_tombstones();
        Ok(())
    }
}

impl Draft<'_> {
    /// The SAKs and private parts that this draft does not have already, by the old key.
    fn take_up_slots(&mut self, base: &State) -> Result<(), VaultError> {
        for slot in &self.manifest.slots {
            let slot_id = slot.slot_id();
            if let (Some(slot), Entry::Vacant(place)) = (slot.enabled(), self.seals.entry(slot_id)) {
                place.insert(base.unwrap_sak(slot)?);
            }
            if let (Some(_), Entry::Vacant(place)) = (slot.private(), self.privates.entry(slot_id)) {
                place.insert(base.private(&slot_id)?.ok_or(VaultError::NotFound)?);
            }
        }
        Ok(())
    }

    /// The items that this draft neither changes nor deletes, by the old key.
    fn take_up_items(&mut self, base: &State, source: &dyn ItemSource) -> Result<(), VaultError> {
        for row in base.rows.rows() {
            let id = row.item_id;
            if self.deleted.contains(&id) || self.items.contains_key(&id) {
                continue;
            }
            let bytes = source.item(&id)?.ok_or(VaultError::Tampered("item missing"))?;
            let stored = base.checked_item(&id, &bytes)?;
            let content_key = stored.content_key(&base.root, base.manifest.key_gen)?;
            let terms = Terms::of(
                stored.item_type,
                stored.plaintext(&base.manifest.vault_id, &content_key)?.expose(),
            );
            let item = UnwrappedItem {
                item_id: id,
                version: stored.version,
                item_type: stored.item_type,
                content_key,
                body: stored.body,
            };
            self.items.insert(id, DraftItem { item, terms });
        }
        Ok(())
    }

    /// Whether it is the one slot that opens the vault without a passkey and was once seen to do so.
    fn is_last_verified_fallback(&self, slot: &EnabledSlot) -> Result<bool, VaultError> {
        let mut others = false;
        for other in self.manifest.enabled().filter(|other| other.slot_id != slot.slot_id) {
            others |= self.is_verified_fallback(other)?;
        }
        Ok(!others && self.is_verified_fallback(slot)?)
    }

    fn is_verified_fallback(&self, slot: &EnabledSlot) -> Result<bool, VaultError> {
        if matches!(slot.unlock.kind(), SlotKind::Passkey | SlotKind::Device) {
            return Ok(false);
        }
        if let Some(private) = self.privates.get(&slot.slot_id) {
            return Ok(private.last_verified.is_some());
        }
        let private = self.base().map(|base| base.private(&slot.slot_id)).transpose()?.flatten();
        Ok(private.is_some_and(|private| private.last_verified.is_some()))
    }

    /// Of more than 32 tombstones, the oldest go.
    fn drop_old_tombstones(&mut self) {
        let mut tombstones: Vec<(u64, SlotId)> = self
            .manifest
            .slots
            .iter()
            .filter_map(|slot| match slot {
                Slot::Tombstone { last_enabled, slot_id, .. } => Some((*last_enabled, *slot_id)),
                _ => None,
            })
            .collect();
        tombstones.sort_unstable();
        tombstones.truncate(tombstones.len().saturating_sub(MAX_TOMBSTONES));
        self.manifest.slots.retain(|slot| !tombstones.iter().any(|(_, id)| *id == slot.slot_id()));
    }
}

impl State {
    /// A slot's SAK, as the vault keeps it for rotations.
    fn unwrap_sak(&self, slot: &EnabledSlot) -> Result<Secret<32>, VaultError> {
        let key = self.root.sak_wrap(&slot.slot_id, slot.slot_gen);
        let aad = sak_aad(&self.manifest.vault_id, slot, self.manifest.key_gen);
        let sak = slot.sak_wrap.open(&key, &aad, "wrapped SAK")?;
        Secret::from_slice(sak.expose()).ok_or(VaultError::Tampered("wrapped SAK"))
    }
}
