//! Pending operations, done again on a newer state (vault-format.md, "Concurrent writers" and its table).

use alloc::{boxed::Box, vec::Vec};

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;

use super::{
    draft::{Draft, Joined},
    error::VaultError,
    ids::{ItemId, SlotId},
    item::{
        Sealed, StoredItem,
        item_type::{FIRST_OF_HOST, PASSKEY},
    },
    manifest::MAX_SLOTS,
    memory,
    operation::{ItemChange, ItemOperation, Operations, SlotChange, SlotOperation, read_item},
    passkeys::PrfAbility,
    private::SlotPrivate,
    reauth::Administration,
    slot::{EnabledSlot, Slot},
    storage::ItemSource,
    vault::{State, Vault},
};
use crate::{
    credential::CredentialRecord,
    secret::{Secret, SecretBytes},
    webauthn::{CredentialId, RpId},
};

/// What of a replay did not go as it was first meant. Nothing else is lost or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Conflict {
    /// The item was changed on both sides: theirs stays, ours is a new item.
    ItemCopied {
        /// The item.
        item: ItemId,
        /// The new one, with our contents.
        copy: ItemId,
    },
    /// The item was changed on both sides, and both were merged into their version + 1. Ours is in
    /// [`Report::not_kept`], too.
    ItemMerged(ItemId),
    /// The item was changed on both sides, and there may be but one of it: theirs stays, ours is in
    /// [`Report::not_kept`]. Or ours is a passkey that opens the vault by now.
    ItemNotKept(ItemId),
    /// The item was deleted here and changed there: it stays, as they changed it.
    DeletionDropped(ItemId),
    /// The item was changed here and deleted there: it is back, as we changed it.
    DeletionUndone(ItemId),
    /// The enrolment did not pass the guards any more.
    EnrolmentRefused(SlotId, VaultError),
    /// The removal did not pass the guards any more: it would have locked the vault.
    RemovalRefused(SlotId, VaultError),
    /// The refresh or resalt was dropped: the slot, or the vault's key, was changed there. Where it is still due,
    /// [`Vault::refresh_due`] says so.
    RenewalDropped(SlotId),
    /// When the slot was last used or verified was dropped: the slot, or the vault's key, was changed there.
    LastUsedDropped(SlotId),
    /// What is known of the slot (its label and so on) was changed on both sides: theirs stays where both differ.
    PrivateKept(SlotId),
    /// The slot was changed here and removed there: the removal wins.
    SlotRemoved(SlotId),
    /// The rotation was dropped: theirs came first.
    RotationDropped,
    /// The policy was dropped: theirs was changed, too, or their slots do not keep to ours.
    PolicyDropped,
    /// The raise of the suite floor was dropped: a slot of theirs is below it.
    FloorDropped,
}

/// What became of a replay.
#[derive(Default)]
pub struct Report {
    pub(super) conflicts: Vec<Conflict>,
    pub(super) not_kept: Vec<(ItemId, SecretBytes)>,
    pub(super) arrived: bool,
}

impl Report {
    /// What did not go as meant, in the order of the operations: items first.
    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }

    /// Our contents of items where theirs stayed, or where both were merged.
    pub fn not_kept(&self) -> &[(ItemId, SecretBytes)] {
        &self.not_kept
    }

    /// Whether the write had arrived after all, so that there was nothing to replay.
    pub fn had_arrived(&self) -> bool {
        self.arrived
    }

    pub(super) fn append(&mut self, other: Self) {
        self.conflicts.extend(other.conflicts);
        self.not_kept.extend(other.not_kept);
        self.arrived |= other.arrived;
    }
}

/// An item that was changed on both sides.
pub struct Clash<'a> {
    /// Which one.
    pub item_id: ItemId,
    /// Its type as they have it: [`item_type`](super::item_type), or the host's.
    pub item_type: u64,
    /// What they made of it.
    pub theirs: &'a [u8],
    /// What we made of it.
    pub ours: &'a [u8],
}

/// What is to become of an item that was changed on both sides.
pub enum Merge {
    /// Theirs stays, ours becomes a new item.
    Copy,
    /// Theirs stays, ours is handed back in [`Report::not_kept`].
    Theirs,
    /// These contents become their version + 1.
    Into(SecretBytes),
}

impl Clash<'_> {
    /// What becomes of it where nobody else decides: ours becomes a new item, but for what there may be only one of.
    /// Of two versions of one passkey theirs stays, with the higher signature counter and the later date of use of the
    /// two; of the format's other items, of which a vault has one of each type, theirs stays.
    pub fn by_type(&self) -> Merge {
        match self.item_type {
            PASSKEY => self.merge_passkeys().unwrap_or(Merge::Copy),
            FIRST_OF_HOST.. => Merge::Copy,
            _ => Merge::Theirs,
        }
    }

    /// None: two passkeys, or records of a form that this build does not know.
    fn merge_passkeys(&self) -> Option<Merge> {
        let ours = CredentialRecord::decode(self.ours).ok()?;
        let mut merged = CredentialRecord::decode(self.theirs).ok()?;
        if ours.credential.id != merged.credential.id {
            return None;
        }
        let (mine, kept) = (&ours.credential, &mut merged.credential);
        if mine.sign_count <= kept.sign_count && mine.last_used <= kept.last_used {
            return Some(Merge::Theirs);
        }
        kept.sign_count = kept.sign_count.max(mine.sign_count);
        kept.last_used = kept.last_used.max(mine.last_used);
        Some(Merge::Into(merged.encode()))
    }
}

impl Vault {
    /// Does pending operations again on this state, which is newer than the one that they were made for: after
    /// [`Vault::catch_up`], or after the vault was opened anew. `items` has the items of this state. The draft that comes
    /// back is finished and stored like any other; where it [is empty](Draft::is_empty) nothing is left to store. It may
    /// change slots and keys although nobody shows a proof: the one that the operations were drafted with is theirs to keep.
    ///
    /// What is done with each operation says the table in `docs/vault-format.md`; the report has whatever did not go as
    /// meant. Draws what each operation drew from the contents of an item on; for a rotation the root key (32).
    ///
    /// Errors: [`VaultError::StaleWrite`]: operations of another vault; [`VaultError::Rollback`],
    /// [`VaultError::Fork`]: this state does not continue the one that they were made for; [`VaultError::Unchecked`]:
    /// they enrol or rotate, and this state was neither checked nor [accepted](Vault::accept_as_is);
    /// [`VaultError::Tampered`]: an item is missing or altered; [`VaultError::KeyChanged`].
    pub fn replay(
        &self,
        operations: &Operations,
        items: &dyn ItemSource,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Draft<'_>, Report), VaultError> {
        self.replay_with(operations, items, &mut |clash| clash.by_type(), rng)
    }

    /// As [`Vault::replay`], where the host decides about items that were changed on both sides.
    pub fn replay_with(
        &self,
        operations: &Operations,
        items: &dyn ItemSource,
        merge: &mut dyn FnMut(&Clash<'_>) -> Merge,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Draft<'_>, Report), VaultError> {
        self.require_key()?;
        if operations.vault_id != self.vault_id() {
            return Err(VaultError::StaleWrite);
        }
        let (state, base) = (self.state(), operations.base);
        if state.base() != base {
            // "its epoch must be above e"
            if state.manifest.epoch < base.epoch {
                return Err(VaultError::Rollback);
            }
            if state.manifest.epoch == base.epoch {
                return Err(VaultError::Fork);
            }
            memory::ancestry(base, &state.manifest)?;
        }
        let Operations { written, .. } = operations;
        if state.line().iter().any(|past| past.epoch == written.epoch && past.hash == written.hash) {
            return Ok((self.draft(), Report { arrived: true, ..Report::default() }));
        }
        replay_on(self, None, operations, Grounds { items, merge }, rng)
    }
}

/// From where contents are read, and who decides about those that clash.
pub(super) struct Grounds<'g> {
    pub(super) items: &'g dyn ItemSource,
    pub(super) merge: &'g mut dyn FnMut(&Clash<'_>) -> Merge,
}

pub(super) fn replay_on<'v, 'g>(
    vault: &'v Vault,
    joined: Option<Joined>,
    operations: &'g Operations,
    grounds: Grounds<'g>,
    rng: &mut dyn CryptoRng,
) -> Result<(Draft<'v>, Report), VaultError> {
    let mut draft = vault.draft();
    draft.joined = joined;
    let administration = Administration { draft };
    let theirs = vault.state();
    let mut replay = Replay { administration, theirs, operations, grounds, report: Report::default() };
    for operation in &operations.items {
        replay.item(operation, rng)?;
    }
    // Where it encrypts every item anew, it comes before one that only removes a slot.
    if operations.reencrypted {
        replay.rotation(rng)?;
    }
    let later = !replay.policy(false);
    replay.slots(rng)?;
    if later {
        replay.policy(true);
    }
    replay.floor();
    if !operations.reencrypted {
        replay.rotation(rng)?;
    }
    let Replay { administration, report, .. } = replay;
    Ok((administration.draft, report))
}

struct Replay<'v, 'g> {
    administration: Administration<'v>,
    theirs: &'v State,
    operations: &'g Operations,
    grounds: Grounds<'g>,
    report: Report,
}

impl Replay<'_, '_> {
    fn note(&mut self, conflict: Conflict) {
        self.report.conflicts.push(conflict);
    }

    fn item(&mut self, operation: &ItemOperation, rng: &mut dyn CryptoRng) -> Result<(), VaultError> {
        let (id, before) = (operation.item_id, operation.base_version);
        let theirs = self.theirs.rows.get(&id).map(|row| row.version);
        match (&operation.change, theirs) {
            (ItemChange::Delete, None) => Ok(()),
            (ItemChange::Delete, Some(_)) if theirs == before => self.administration.delete_item(&id),
            (ItemChange::Delete, Some(_)) => {
                self.note(Conflict::DeletionDropped(id));
                Ok(())
            }
            (ItemChange::Put { item_type, plaintext }, None) => {
                self.put_missing(operation, *item_type, plaintext, rng)
            }
            (ItemChange::Put { item_type, plaintext }, Some(_)) if theirs == before => {
                self.administration.change_item(&id, *item_type, plaintext.expose(), rng)
            }
            (ItemChange::Put { item_type, plaintext }, Some(_)) => {
                self.put_changed(&id, *item_type, plaintext, rng)
            }
        }
    }

    /// An item that they do not have: new here, or changed here and deleted there.
    fn put_missing(
        &mut self,
        operation: &ItemOperation,
        item_type: u64,
        plaintext: &SecretBytes,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), VaultError> {
        let id = operation.item_id;
        let only_one = item_type < FIRST_OF_HOST && item_type != PASSKEY;
        if only_one && self.have_type(item_type)? {
            self.keep_theirs(id, plaintext);
            return Ok(());
        }
        let version = operation.base_version.unwrap_or(0).checked_add(1).ok_or(VaultError::TooLarge)?;
        match self.administration.seal_item((id, version, item_type), plaintext.expose(), rng) {
            // A passkey that opens the vault by now.
            Err(VaultError::Circular) => self.keep_theirs(id, plaintext),
            sealed => {
                sealed?;
                if operation.base_version.is_some() {
                    self.note(Conflict::DeletionUndone(id));
                }
            }
        }
        Ok(())
    }

    fn keep_theirs(&mut self, id: ItemId, ours: &SecretBytes) {
        self.report.not_kept.push((id, ours.clone_secret()));
        self.note(Conflict::ItemNotKept(id));
    }

    /// Whether they have an item of this type. It is asked for types of which a vault has one, when ours is new.
    fn have_type(&self, item_type: u64) -> Result<bool, VaultError> {
        for row in self.theirs.rows.rows() {
            let bytes = read_item(self.grounds.items, &row.item_id)?;
            if StoredItem::decode(&bytes)?.item_type == item_type {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// An item that was changed on both sides. The same contents on both sides are no conflict.
    fn put_changed(
        &mut self,
        id: &ItemId,
        item_type: u64,
        ours: &SecretBytes,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), VaultError> {
        let (their_type, theirs) = self.theirs.open_item(id, &read_item(self.grounds.items, id)?)?;
        if their_type == item_type && bool::from(theirs.expose().ct_eq(ours.expose())) {
            return Ok(());
        }
        let clash =
            Clash { item_id: *id, item_type: their_type, theirs: theirs.expose(), ours: ours.expose() };
        match (self.grounds.merge)(&clash) {
            Merge::Copy => {
                let copy = self.administration.add_item(item_type, ours.expose(), rng)?;
                self.note(Conflict::ItemCopied { item: *id, copy });
            }
            Merge::Theirs => self.keep_theirs(*id, ours),
            Merge::Into(merged) => {
                self.administration.change_item(id, their_type, merged.expose(), rng)?;
                self.report.not_kept.push((*id, ours.clone_secret()));
                self.note(Conflict::ItemMerged(*id));
            }
        }
        Ok(())
    }

    /// Enrolments before removals, so that the last slot can be replaced; those that were refused again after them, so that
    /// a full vault can exchange one for another; then what needs the slots as they will be.
    fn slots(&mut self, rng: &mut dyn CryptoRng) -> Result<(), VaultError> {
        let operations = self.operations;
        let mut refused = Vec::new();
        for operation in &operations.slots {
            if let SlotChange::Enrol { .. } = operation.change
                && self.enrol(operation)?.is_err()
            {
                refused.push(operation);
            }
        }
        for operation in &operations.slots {
            self.remove(operation, rng)?;
        }
        for operation in refused {
            if let Err(conflict) = self.enrol(operation)? {
                self.note(conflict);
            }
        }
        for operation in &operations.slots {
            self.alter(operation)?;
        }
        Ok(())
    }

    /// Outer errors end the replay; the inner one is why this enrolment did not pass.
    fn enrol(&mut self, operation: &SlotOperation) -> Result<Result<(), Conflict>, VaultError> {
        let SlotChange::Enrol { slot, sak, private, idle_gen } = &operation.change else { return Ok(Ok(())) };
        let id = operation.slot_id;
        self.administration.require_checked()?;
        let place = self.administration.manifest.slot(&id);
        let free = match (place, idle_gen) {
            (None, None) => Ok(()),
            (Some(Slot::Idle { slot_gen, .. }), Some(_)) if *slot_gen < slot.slot_gen => Ok(()),
            (None | Some(Slot::Tombstone { .. }), _) => Err(Conflict::SlotRemoved(id)),
            (Some(_), _) => Err(Conflict::EnrolmentRefused(id, VaultError::AlreadyEnrolled)),
        };
        if let Err(conflict) = free {
            return Ok(Err(conflict));
        }
        if let Err(error) = self.guard_enrolment(slot)? {
            return Ok(Err(Conflict::EnrolmentRefused(id, error)));
        }
        let before = self.administration.manifest.slots.clone();
        let mut slot = slot.clone();
        slot.born = EnabledSlot::BORN_WITH_WRITE;
        self.place(Slot::Enabled(slot));
        let manifest = &self.administration.manifest;
        let form = |_| VaultError::InvalidInput("slots that the format does not allow");
        if let Err(error) = manifest.check_policy().and_then(|()| manifest.check().map_err(form)) {
            self.administration.manifest.slots = before;
            return Ok(Err(Conflict::EnrolmentRefused(id, error)));
        }
        self.administration.seals.insert(id, sak.clone_secret());
        self.administration.privates.insert(id, private.clone());
        Ok(Ok(()))
    }

    /// The guards of an enrolment, by what the vault is now.
    fn guard_enrolment(&self, slot: &EnabledSlot) -> Result<Result<(), VaultError>, VaultError> {
        let manifest = &self.administration.manifest;
        if manifest.slot(&slot.slot_id).is_none() && manifest.slots.len() >= MAX_SLOTS {
            return Ok(Err(VaultError::TooLarge));
        }
        let Some(passkey) = slot.unlock.passkey() else { return Ok(Ok(())) };
        let ids = (RpId::new(&passkey.rp_id), CredentialId::new(&passkey.credential_id));
        let (Ok(rp_id), Ok(credential_id)) = ids else { return Ok(Err(VaultError::InvalidInput("passkey"))) };
        if let Err(error) = self.administration.check_passkey(&rp_id, &credential_id, &passkey.salt) {
            return Ok(Err(error));
        }
        let idle = self.administration.idle_slot_of(&rp_id, &credential_id)?;
        if idle.is_some_and(|idle| idle != slot.slot_id) {
            return Ok(Err(VaultError::AlreadyEnrolled));
        }
        Ok(if self.holds_passkey(&credential_id)? { Err(VaultError::Circular) } else { Ok(()) })
    }

    /// Whether the passkey is an item of theirs.
    fn holds_passkey(&self, credential_id: &CredentialId) -> Result<bool, VaultError> {
        let rows = self.theirs.rows.rows();
        for row in rows.iter().filter(|row| !self.administration.deleted.contains(&row.item_id)) {
            let bytes = read_item(self.grounds.items, &row.item_id)?;
            let (item_type, plaintext) = self.theirs.open_item(&row.item_id, &bytes)?;
            let record = (item_type == PASSKEY).then(|| CredentialRecord::decode(plaintext.expose()));
            if matches!(record, Some(Ok(record)) if record.credential.id == *credential_id) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Puts a slot in its place, in order.
    fn place(&mut self, slot: Slot) {
        let slots = &mut self.administration.manifest.slots;
        match slots.binary_search_by_key(&slot.slot_id(), Slot::slot_id) {
            Ok(position) => {
                if let Some(place) = slots.get_mut(position) {
                    *place = slot;
                }
            }
            Err(position) => slots.insert(position, slot),
        }
    }

    /// A removal is repeated with a rotation of its own. One that they have done already is done.
    fn remove(&mut self, operation: &SlotOperation, rng: &mut dyn CryptoRng) -> Result<(), VaultError> {
        let id = operation.slot_id;
        let taken = matches!(operation.change, SlotChange::Remove(_) | SlotChange::Disable { .. });
        if !taken || self.administration.manifest.enabled_slot(&id).is_none() {
            return Ok(());
        }
        // Before the rotation: a slot that it has not sealed the new key to could not be put back.
        if let Err(error) = self.check_policy_without(&id) {
            self.note(Conflict::RemovalRefused(id, error));
            return Ok(());
        }
        let items = self.grounds.items;
        let outcome = match &operation.change {
            SlotChange::Disable { could_encrypt, old_seal } => {
                let seen = if *could_encrypt { PrfAbility::Observed } else { PrfAbility::NotObserved };
                let disabled = self.administration.disable_encryption(&id, *old_seal, items, rng);
                disabled.and_then(|()| self.administration.set_prf_support(&id, seen))
            }
            SlotChange::Remove(removal) => {
                self.administration.remove_with(&id, *removal, items, rng).map(|_| ())
            }
            _ => Ok(()),
        };
        match outcome {
            Err(error @ (VaultError::LastSlot | VaultError::LastFallback)) => {
                self.note(Conflict::RemovalRefused(id, error));
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Whether the policy lets the other slots stay alone. That the last one stays is for another guard.
    fn check_policy_without(&self, id: &SlotId) -> Result<(), VaultError> {
        let mut left = self.administration.manifest.clone();
        left.slots.retain(|slot| slot.slot_id() != *id);
        if left.enabled().next().is_none() { Ok(()) } else { left.check_policy() }
    }

    /// What changes a slot that stays.
    fn alter(&mut self, operation: &SlotOperation) -> Result<(), VaultError> {
        let id = operation.slot_id;
        match &operation.change {
            SlotChange::Renew { slot, sak, base_gen } => self.renew(id, slot, sak, *base_gen),
            SlotChange::Private { before, after, base_gen } => self.private(id, before, after, *base_gen),
            SlotChange::Idle { could_encrypt, slot_gen, private, new } => {
                self.idle(id, (*could_encrypt, *slot_gen, *new), private)
            }
            SlotChange::Forget => {
                let slots = &mut self.administration.manifest.slots;
                slots.retain(|slot| slot.slot_id() != id || !matches!(slot, Slot::Idle { .. }));
                Ok(())
            }
            SlotChange::Enrol { .. } | SlotChange::Remove(_) | SlotChange::Disable { .. } => Ok(()),
        }
    }

    fn renew(
        &mut self,
        id: SlotId,
        slot: &EnabledSlot,
        sak: &Secret<32>,
        base_gen: u64,
    ) -> Result<(), VaultError> {
        let Some(theirs) = self.administration.manifest.enabled_slot(&id) else {
            self.note(Conflict::SlotRemoved(id));
            return Ok(());
        };
        if theirs.slot_gen != base_gen || self.theirs.manifest.key_gen != self.operations.base_key_gen {
            self.note(Conflict::RenewalDropped(id));
            return Ok(());
        }
        let private = self.administration.load_private(&id)?;
        let mut slot = slot.clone();
        slot.born = EnabledSlot::BORN_WITH_WRITE;
        self.place(Slot::Enabled(Box::new(slot)));
        self.administration.seals.insert(id, sak.clone_secret());
        self.administration.privates.insert(id, private);
        Ok(())
    }

    fn private(
        &mut self,
        id: SlotId,
        before: &SlotPrivate,
        after: &SlotPrivate,
        base_gen: u64,
    ) -> Result<(), VaultError> {
        if self.administration.manifest.slot(&id).and_then(Slot::private).is_none() {
            self.note(Conflict::SlotRemoved(id));
            return Ok(());
        }
        let theirs = self.administration.load_private(&id)?;
        let (mut merged, kept) = SlotPrivate::merge(before, after, &theirs);
        // last-used: "dropped, if that slot or key_gen changed"
        let used = |private: &SlotPrivate| (private.last_used, private.last_verified);
        if used(before) != used(after) {
            let same_key = self.theirs.manifest.key_gen == self.operations.base_key_gen;
            let same_slot = self.theirs.manifest.slot(&id).map(Slot::slot_gen) == Some(base_gen);
            if same_key && same_slot && theirs == *before {
                (merged.last_used, merged.last_verified) = used(after);
            } else {
                self.note(Conflict::LastUsedDropped(id));
            }
        }
        if kept {
            self.note(Conflict::PrivateKept(id));
        }
        if merged != theirs {
            self.administration.set_slot_private(&id, merged)?;
        }
        Ok(())
    }

    fn idle(
        &mut self,
        id: SlotId,
        (could_encrypt, slot_gen, new): (bool, u64, bool),
        private: &SlotPrivate,
    ) -> Result<(), VaultError> {
        let place = self.administration.manifest.slot(&id);
        match (place, new) {
            (None, true) => {
                if let Err(error) = self.guard_idle(private)? {
                    self.note(Conflict::EnrolmentRefused(id, error));
                    return Ok(());
                }
                self.place(Slot::Idle { slot_id: id, could_encrypt, slot_gen, private: Sealed::EMPTY });
                self.administration.privates.insert(id, private.clone());
            }
            (Some(Slot::Idle { private: sealed, slot_gen, .. }), false) => {
                let (private, slot_gen) = (sealed.clone(), *slot_gen);
                self.place(Slot::Idle { slot_id: id, could_encrypt, slot_gen, private });
            }
            // That it opens the vault says more than any observation.
            (Some(Slot::Enabled(_)), _) => {}
            _ => self.note(Conflict::SlotRemoved(id)),
        }
        Ok(())
    }

    /// One slot a passkey.
    fn guard_idle(&self, private: &SlotPrivate) -> Result<Result<(), VaultError>, VaultError> {
        let manifest = &self.administration.manifest;
        if manifest.slots.len() >= MAX_SLOTS {
            return Ok(Err(VaultError::TooLarge));
        }
        let (Some(rp_id), Some(credential_id)) = (&private.rp_id, &private.credential_id) else {
            return Ok(Ok(()));
        };
        let ids = (RpId::new(rp_id), CredentialId::new(credential_id));
        let (Ok(rp), Ok(credential)) = ids else { return Ok(Err(VaultError::InvalidInput("passkey"))) };
        let known = manifest.has_passkey(rp_id, credential_id)
            || self.administration.idle_slot_of(&rp, &credential)?.is_some();
        Ok(if known { Err(VaultError::AlreadyEnrolled) } else { Ok(()) })
    }

    /// A changed policy stands where they have changed theirs not, or in the same way, and keep to ours. It is tried before
    /// the slots, which may need it, and, `last`, after them; whether it is settled.
    fn policy(&mut self, last: bool) -> bool {
        let Some((before, after)) = &self.operations.policy else { return true };
        let theirs = self.theirs.manifest.policy.clone();
        if theirs == *after {
            return true;
        }
        if theirs == *before {
            self.administration.manifest.policy.clone_from(after);
            if self.administration.manifest.check_policy().is_ok() {
                return true;
            }
            self.administration.manifest.policy = theirs;
        }
        if last {
            self.note(Conflict::PolicyDropped);
        }
        false
    }

    /// The floor rises as far as the slots of both sides let it; nobody ever lowers it.
    fn floor(&mut self) {
        let Some(floor) = self.operations.floor else { return };
        let manifest = &mut self.administration.manifest;
        if manifest.enabled().all(|slot| slot.suite.number() >= floor) {
            manifest.floor = manifest.floor.max(floor);
        } else {
            self.note(Conflict::FloorDropped);
        }
    }

    /// A rotation is done again, unless theirs came first; a removal has brought its own.
    fn rotation(&mut self, rng: &mut dyn CryptoRng) -> Result<(), VaultError> {
        if !self.operations.rotated || self.administration.rotated {
            return Ok(());
        }
        if self.theirs.manifest.key_gen == self.operations.base_key_gen {
            return match self.operations.reencrypted {
                true => self.administration.rotate_and_reencrypt(self.grounds.items, rng),
                false => self.administration.rotate(self.grounds.items, rng),
            };
        }
        let removes = |operation: &SlotOperation| {
            matches!(operation.change, SlotChange::Remove(_) | SlotChange::Disable { .. })
        };
        if !self.operations.slots.iter().any(removes) {
            self.note(Conflict::RotationDropped);
        }
        Ok(())
    }
}

impl SlotPrivate {
    /// Theirs with our changes, and whether theirs stayed where both sides changed one thing. When the slot was used is
    /// left to the caller.
    fn merge(before: &Self, after: &Self, theirs: &Self) -> (Self, bool) {
        let mut kept = false;
        let merged = Self {
            label: pick(&before.label, &after.label, &theirs.label, &mut kept),
            rp_id: pick(&before.rp_id, &after.rp_id, &theirs.rp_id, &mut kept),
            credential_id: pick(
                &before.credential_id,
                &after.credential_id,
                &theirs.credential_id,
                &mut kept,
            ),
            public_key: pick(&before.public_key, &after.public_key, &theirs.public_key, &mut kept),
            aaguid: pick(&before.aaguid, &after.aaguid, &theirs.aaguid, &mut kept),
            backup_eligible: pick(
                &before.backup_eligible,
                &after.backup_eligible,
                &theirs.backup_eligible,
                &mut kept,
            ),
            backed_up: pick(&before.backed_up, &after.backed_up, &theirs.backed_up, &mut kept),
            created: pick(&before.created, &after.created, &theirs.created, &mut kept),
            last_used: theirs.last_used,
            last_verified: theirs.last_verified,
            note: pick(&before.note, &after.note, &theirs.note, &mut kept),
        };
        (merged, kept)
    }
}

fn pick<T: Clone + PartialEq>(before: &T, after: &T, theirs: &T, kept: &mut bool) -> T {
    if before == after || theirs == after {
        return theirs.clone();
    }
    if theirs == before {
        return after.clone();
    }
    *kept = true;
    theirs.clone()
}
