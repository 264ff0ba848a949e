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

/// What becomes of the seal of a slot that is not to open the vault any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OldSeal {
    /// The vault gets a new root key in the same write; the old seal opens nothing of it.
    #[default]
    Revoke,
    /// The root key stays: whoever has the slot's secret and a copy of an earlier envelope reads on.
    LeaveValid,
}

/// What becomes of the last slot that was seen to open the vault without a passkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LastFallback {
    /// It is not removed ([`VaultError::LastFallback`]).
    #[default]
    Keep,
    /// It is removed: from then on passkeys and devices alone open the vault.
    GiveUp,
}

/// How a slot is removed. The default is what is right nearly always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removal {
    /// Its seal.
    pub old_seal: OldSeal,
    /// The guard of the last fallback.
    pub last_fallback: LastFallback,
}

/// What a removal leaves to do. Nothing of it is urgent; all of it shortens what the removed slot's owner can do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RemovalAdvice {
    /// The enabled slots whose keys are older than the vault's: refresh each when it is next used.
    pub refresh: Vec<SlotId>,
    /// The enabled codes and shares that the removed slot's owner may have seen: enrol new ones in their place.
    pub renew: Vec<SlotId>,
}

/// What a rotation does with the contents of items.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bodies {
    /// Only their keys are wrapped anew.
    Keep,
    /// Each is encrypted anew, as its next version.
    Renew,
}

impl Administration<'_> {
    /// Gives the vault a new root key, with no authenticator at hand: seals it to every enabled slot, encrypts every
    /// private part anew and wraps every content key anew; contents stay as they are. Draws the root key (32).
    ///
    /// The state must have been checked against memory ([`VaultError::Unchecked`]). [`VaultError::Unsupported`]: a slot
    /// is of a suite that this build cannot seal to. [`VaultError::Tampered`]: an item is missing or altered.
    pub fn rotate(&mut self, items: &dyn ItemSource, rng: &mut dyn CryptoRng) -> Result<(), VaultError> {
        self.renew_root_key(items, Bodies::Keep, rng)
    }

    /// As [`Administration::rotate`], and encrypts every item anew, as its next version: what somebody kept of content
    /// keys opens no version from now on. Old copies stay readable to who could read them. Draws the root key (32), then
    /// for each item that this draft does not change, ascending by identifier, as [`Draft::change_item`].
    pub fn rotate_and_reencrypt(
        &mut self,
        items: &dyn ItemSource,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), VaultError> {
        self.renew_root_key(items, Bodies::Renew, rng)
    }

    fn renew_root_key(
        &mut self,
        items: &dyn ItemSource,
        bodies: Bodies,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), VaultError> {
        self.require_checked()?;
        let base = self.base().filter(|_| !self.rotated);
        let base = base.ok_or(VaultError::InvalidInput("this key is new already"))?;
        for slot in self.manifest.enabled() {
            require_suite(slot.suite)?;
        }
        let root = RootKey::make(self.manifest.vault_id, rng);
        self.take_up_slots(base)?;
        self.take_up_items(base, items, bodies, rng)?;
        // Last: a draft that could not take up everything must not be finished under the new key.
        self.root = root;
        self.rotated = true;
        Ok(())
    }

    /// Removes a slot. An enabled one becomes a tombstone, and the vault gets a new root key in the same write, since the
    /// old seal would still open the vault. Draws as [`Administration::rotate`], unless this draft has rotated already.
    ///
    /// What the slot's owner knows by then stays known; [`Administration::remove_with`] says what is advised.
    /// [`VaultError::LastSlot`]: no other slot is enabled. [`VaultError::LastFallback`]: it is the last slot that was seen
    /// to open the vault without a passkey.
    pub fn remove(
        &mut self,
        id: &SlotId,
        items: &dyn ItemSource,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), VaultError> {
        self.remove_with(id, Removal::default(), items, rng).map(|_| ())
    }

    /// As [`Administration::remove`], with the caller's explicit word where it leaves out the rotation or gives up the
    /// last fallback, and tells what to do afterwards. A passkey that only signs in had no seal: it goes without a
    /// tombstone and without a rotation, and nothing is advised.
    pub fn remove_with(
        &mut self,
        id: &SlotId,
        removal: Removal,
        items: &dyn ItemSource,
        rng: &mut dyn CryptoRng,
    ) -> Result<RemovalAdvice, VaultError> {
        if matches!(self.manifest.slot(id), Some(Slot::Idle { .. })) {
            self.manifest.slots.retain(|slot| slot.slot_id() != *id);
            self.privates.remove(id);
            return Ok(RemovalAdvice::default());
        }
        let removed = self.manifest.enabled_slot(id).ok_or(VaultError::NotFound)?;
        let tombstone = Slot::Tombstone {
            slot_id: *id,
            kind: removed.unlock.kind(),
            slot_gen: removed.slot_gen,
            last_enabled: self.base().ok_or(VaultError::NotFound)?.manifest.key_gen,
        };
        let alone = self.manifest.enabled().count() < 2;
        let guarded = removal.last_fallback == LastFallback::Keep && !alone;
        if guarded && self.is_last_verified_fallback(removed)? {
            return Err(VaultError::LastFallback);
        }
        self.retire(id, tombstone, removal.old_seal, items, rng)?;
        self.drop_old_tombstones();
        Ok(self.advice())
    }

    /// Puts `successor` in the place of an enabled slot, and takes the vault root key away from it.
    pub(super) fn retire(
        &mut self,
        id: &SlotId,
        successor: Slot,
        old_seal: OldSeal,
        items: &dyn ItemSource,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), VaultError> {
        self.require_checked()?;
        // A slot that is not enabled is retired already.
        let position =
            self.manifest.slots.iter().position(|slot| slot.slot_id() == *id && slot.enabled().is_some());
        if position.is_some() && self.manifest.enabled().count() < 2 {
            return Err(VaultError::LastSlot);
        }
        let place = position.and_then(|position| self.manifest.slots.get_mut(position));
        // Before the rotation, which would seal the new key to it.
        let retired = core::mem::replace(place.ok_or(VaultError::NotFound)?, successor);
        if old_seal == OldSeal::LeaveValid || self.rotated {
            return Ok(());
        }
        let rotated = self.rotate(items, rng);
        let place = position.and_then(|position| self.manifest.slots.get_mut(position));
        if let (Err(_), Some(place)) = (&rotated, place) {
            *place = retired;
        }
        rotated
    }

    fn advice(&self) -> RemovalAdvice {
        let older = |slot: &&EnabledSlot| {
            slot.born != EnabledSlot::BORN_WITH_WRITE && (self.rotated || slot.born < self.manifest.key_gen)
        };
        let shown = |slot: &&EnabledSlot| {
            let kind = slot.unlock.kind();
            slot.born != EnabledSlot::BORN_WITH_WRITE
                && matches!(kind, SlotKind::RecoveryCode | SlotKind::Shares | SlotKind::ContactCode)
        };
        RemovalAdvice {
            refresh: self.manifest.enabled().filter(older).map(|slot| slot.slot_id).collect(),
            renew: self.manifest.enabled().filter(shown).map(|slot| slot.slot_id).collect(),
        }
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
    fn take_up_items(
        &mut self,
        base: &State,
        source: &dyn ItemSource,
        bodies: Bodies,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), VaultError> {
        for row in base.rows.rows() {
            let id = row.item_id;
            if self.deleted.contains(&id) || self.items.contains_key(&id) {
                continue;
            }
            let bytes = source.item(&id)?.ok_or(VaultError::Tampered("item missing"))?;
            let stored = base.checked_item(&id, &bytes)?;
            let content_key = stored.content_key(&base.root, base.manifest.key_gen)?;
            let plaintext = stored.plaintext(&base.manifest.vault_id, &content_key)?;
            if bodies == Bodies::Renew {
                self.change_item(&id, stored.item_type, plaintext.expose(), rng)?;
                self.rewritten.insert(id);
                continue;
            }
            let terms = Terms::of(stored.item_type, plaintext.expose());
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

    /// Whether it is the one slot that opens the vault without a passkey and was once seen to do so. Where the policy
    /// wants no fallback, none is guarded.
    fn is_last_verified_fallback(&self, slot: &EnabledSlot) -> Result<bool, VaultError> {
        if self.manifest.policy.as_ref().is_some_and(|policy| policy.no_fallback) {
            return Ok(false);
        }
        let mut others = false;
        for other in self.manifest.enabled().filter(|other| other.slot_id != slot.slot_id) {
            others |= self.is_verified_fallback(other)?;
        }
        Ok(!others && self.is_verified_fallback(slot)?)
    }

    fn is_verified_fallback(&self, slot: &EnabledSlot) -> Result<bool, VaultError> {
        match (self.privates.get(&slot.slot_id), self.base()) {
            (Some(private), _) => Ok(is_fallback(slot) && private.last_verified.is_some()),
            (None, Some(base)) => base.is_verified_fallback(slot),
            (None, None) => Ok(false),
        }
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

/// Whether it opens the vault without a passkey, and for a person.
fn is_fallback(slot: &EnabledSlot) -> bool {
    !matches!(slot.unlock.kind(), SlotKind::Passkey | SlotKind::Device)
}

impl State {
    pub(super) fn is_verified_fallback(&self, slot: &EnabledSlot) -> Result<bool, VaultError> {
        if !is_fallback(slot) {
            return Ok(false);
        }
        Ok(self.private(&slot.slot_id)?.is_some_and(|private| private.last_verified.is_some()))
    }

    pub(super) fn has_verified_fallback(&self) -> Result<bool, VaultError> {
        for slot in self.manifest.enabled() {
            if self.is_verified_fallback(slot)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A slot's SAK, as the vault keeps it for rotations.
    pub(super) fn unwrap_sak(&self, slot: &EnabledSlot) -> Result<Secret<32>, VaultError> {
        let key = self.root.sak_wrap(&slot.slot_id, slot.slot_gen);
        let aad = sak_aad(&self.manifest.vault_id, slot, self.manifest.key_gen);
        let sak = slot.sak_wrap.open(&key, &aad, "wrapped SAK")?;
        Secret::from_slice(sak.expose()).ok_or(VaultError::Tampered("wrapped SAK"))
    }
}
