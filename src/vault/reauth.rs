//! The proof that somebody brought a slot's secret just now: enrolment, removal, rotation and export ask for it
//! (requirement B15), so that an unlocked vault that was left alone does not let a stranger in for good.

use super::{
    draft::Draft,
    envelope::Envelope,
    error::VaultError,
    ids::{SlotId, VaultId},
    open,
    private::SlotPrivate,
    slot_key::SlotSecret,
    vault::Vault,
};
use crate::time::{Moment, UnixTime};

/// How old a proof may be, in milliseconds, where the host sets nothing else: five minutes.
pub const DEFAULT_REAUTH_LIMIT: u64 = 5 * 60 * 1000;

/// Somebody opened a vault through one of its slots, or showed that they could. It is of that vault and its key alone, and
/// grows old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reauth {
    pub(super) vault_id: VaultId,
    pub(super) slot_id: Option<SlotId>,
    /// The lineage public key of the root key that was reached. What a vault calls itself says nothing: whoever likes can
    /// make another one of that name.
    pub(super) key: [u8; 32],
    pub(super) ticks: u64,
}

impl Reauth {
    /// The slot whose secret was brought; none for the vault's maker.
    pub fn slot_id(&self) -> Option<SlotId> {
        self.slot_id
    }

    /// How long ago, in milliseconds.
    pub fn age(&self, now: Moment) -> u64 {
        now.ticks.saturating_sub(self.ticks)
    }

    /// Whether it is of that time, and no older than the limit. One of a time to come has ticks of another power-up.
    fn is_fresh(&self, now: Moment, limit: u64) -> bool {
        self.ticks <= now.ticks && self.age(now) <= limit
    }
}

impl Vault {
    /// The proof that lies in having opened this vault, as old as the opening.
    pub fn opening_proof(&self) -> Reauth {
        self.opened
    }

    /// A proof as of now, for who has the root key in hand: of a backup, out of the vault that keeps it.
    pub(crate) fn proof_at(&self, now: Moment) -> Reauth {
        Reauth { ticks: now.ticks, ..self.opened }
    }

    /// Sets how old a proof may be, in milliseconds; [`DEFAULT_REAUTH_LIMIT`] otherwise.
    pub fn set_reauth_limit(&mut self, milliseconds: u64) {
        self.reauth_limit = milliseconds;
    }

    /// A fresh proof: brings the secret of a slot of the open vault again. `envelope` is the state that is open, as the
    /// storage has it. Nothing is changed by it, so it also serves as a test of a slot that is seldom used
    /// ([`Draft::mark_verified`]).
    ///
    /// Errors: as [`Envelope::open`] up to the vault root key; [`VaultError::StaleWrite`]: the envelope is of another
    /// state than the open one; [`VaultError::Tampered`]: the slot opens to another key.
    pub fn reauthenticate(
        &self,
        envelope: &Envelope,
        slot_id: &SlotId,
        secret: &SlotSecret<'_>,
        now: Moment,
    ) -> Result<Reauth, VaultError> {
        self.require_key()?;
        if crate::crypto::sha256(&envelope.manifest_bytes) != self.state().hash {
            return Err(VaultError::StaleWrite);
        }
        let root = open::unseal(envelope, slot_id, secret, self.argon2_ceiling_kib)?;
        if !root.secret().ct_eq(self.state().root.secret().expose()) {
            return Err(VaultError::Tampered("sealed vault key"));
        }
        let key = self.state().seen()?.lineage_key;
        Ok(Reauth { vault_id: self.vault_id(), slot_id: Some(*slot_id), key, ticks: now.ticks })
    }

    /// Starts a change that may touch who opens the vault, and its key. [`VaultError::ReauthNeeded`]: the proof is of
    /// another vault, of a copy from before a rotation that others made, by a slot that opens the vault no longer, or
    /// too old.
    pub fn administer(&self, proof: &Reauth, now: Moment) -> Result<Administration<'_>, VaultError> {
        self.require_key()?;
        if self.is_proven(proof, now) {
            Ok(Administration { draft: self.draft() })
        } else {
            Err(VaultError::ReauthNeeded)
        }
    }

    /// Whether a proof is of this vault, by a key that it had while it was open, and fresh.
    pub(super) fn is_proven(&self, proof: &Reauth, now: Moment) -> bool {
        // A slot that was removed meanwhile opens old copies still.
        let opens = |slot_id: SlotId| self.state().manifest.enabled_slot(&slot_id).is_some();
        let of_this_vault = proof.vault_id == self.vault_id() && self.has_had_key(&proof.key);
        of_this_vault && proof.slot_id.is_none_or(opens) && proof.is_fresh(now, self.reauth_limit)
    }
}

impl Draft<'_> {
    /// Notes in the slot of a proof that it was used, `time` being today: what opened the vault also works.
    /// [`VaultError::NotFound`]: the proof names no slot (the vault's maker), or one that is gone.
    pub fn mark_used(&mut self, proof: &Reauth, time: UnixTime) -> Result<(), VaultError> {
        self.stamp(proof, |private| {
            private.last_used = private.last_used.max(Some(time.0));
            private.last_verified = private.last_verified.max(Some(time.0));
        })
    }

    /// Notes in the slot of a proof that it was tested: it opens the vault, and was not used for that.
    /// [`VaultError::NotFound`]: the proof names no slot, or one that is gone.
    pub fn mark_verified(&mut self, proof: &Reauth, time: UnixTime) -> Result<(), VaultError> {
        self.stamp(proof, |private| private.last_verified = private.last_verified.max(Some(time.0)))
    }

    fn stamp(&mut self, proof: &Reauth, edit: impl FnOnce(&mut SlotPrivate)) -> Result<(), VaultError> {
        let of_this_vault = self.vault.is_some_and(|vault| vault.has_had_key(&proof.key));
        let slot_id = proof.slot_id.filter(|_| of_this_vault && proof.vault_id == self.manifest.vault_id);
        let slot_id = slot_id.filter(|slot_id| self.manifest.enabled_slot(slot_id).is_some());
        self.edit_slot_private(&slot_id.ok_or(VaultError::NotFound)?, edit)
    }
}

/// A [`Draft`] whose author has just shown a slot's secret: it can also enrol, remove and rotate.
pub struct Administration<'v> {
    pub(super) draft: Draft<'v>,
}

impl<'v> core::ops::Deref for Administration<'v> {
    type Target = Draft<'v>;

    fn deref(&self) -> &Self::Target {
        &self.draft
    }
}

impl core::ops::DerefMut for Administration<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.draft
    }
}
