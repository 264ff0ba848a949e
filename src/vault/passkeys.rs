//! Passkeys of a vault's owner, whether or not they open the vault (vault-format.md: Idle, and "Operations").
//!
//! A credential manager signs its user in with passkeys, and lets some of them open the vault as well. What a passkey can
//! do is what was observed of it, on this machine and in this browser; no name of a model or a maker decides it.

use alloc::boxed::Box;

use rand_core::CryptoRng;

use super::{
    draft::Draft,
    envelope::{SlotView, transport_bits},
    error::VaultError,
    ids::SlotId,
    item::Sealed,
    manifest::MAX_SLOTS,
    private::SlotPrivate,
    reauth::Administration,
    rotate::OldSeal,
    slot::{PrfSaltMode, Slot, SlotKind, SlotStatus},
    slots::{ExtraPin, passkey_secret, require_stable},
    storage::ItemSource,
};
use crate::webauthn::{CredentialId, PrfRefused, RpId, UvPrfOutput};

/// What a passkey does for a vault, as its owner is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionStatus {
    /// It opens the vault.
    UsedForEncryption,
    /// It signs in, and could open the vault once that is set up ([`Administration::enable_encryption`]).
    SupportedNotActive,
    /// It signs in only: no PRF was observed of it.
    NotSupported,
}

/// What was seen of a passkey's PRF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrfAbility {
    /// It said that it has one, or gave an output.
    Observed,
    /// It said that it has none, or gave no output where one was asked for.
    NotObserved,
}

/// How a passkey that signs in already is to open the vault.
pub struct EncryptionSetup<'a> {
    /// As in [`PasskeyEnrolment`](super::PasskeyEnrolment).
    pub salt: PrfSaltMode,
    /// Its transports, by their WebAuthn names.
    pub transports: &'a [&'a str],
    /// As in [`PasskeyEnrolment`](super::PasskeyEnrolment).
    pub pin: Option<ExtraPin<'a>>,
}

impl PrfAbility {
    /// What a registration says by `prf.enabled`.
    pub fn of_registration(prf_enabled: bool) -> Self {
        if prf_enabled { Self::Observed } else { Self::NotObserved }
    }

    /// What an assertion shows in which the PRF was asked for. None: its output was refused for a reason that says nothing
    /// about the passkey (no user verification, a value that is none); ask again.
    pub fn of_assertion(outcome: &Result<UvPrfOutput, PrfRefused>) -> Option<Self> {
        match outcome {
            Ok(_) => Some(Self::Observed),
            Err(PrfRefused::Empty) => Some(Self::NotObserved),
            Err(_) => None,
        }
    }
}

impl SlotView<'_> {
    /// What the passkey of this slot does for the vault; none for a slot of another kind, and for a removed one.
    pub fn encryption_status(&self) -> Option<EncryptionStatus> {
        match (self.kind(), self.status()) {
            (SlotKind::Passkey, SlotStatus::Enabled) => Some(EncryptionStatus::UsedForEncryption),
            (SlotKind::Passkey, SlotStatus::Idle) => Some(EncryptionStatus::SupportedNotActive),
            (SlotKind::Passkey, SlotStatus::SignInOnly) => Some(EncryptionStatus::NotSupported),
            _ => None,
        }
    }
}

impl Administration<'_> {
    /// Notes a passkey that signs in and does not open the vault: its owner declined that, or it has no PRF. The two
    /// identifiers go into the private part. Draws slot_id (16).
    ///
    /// Errors: [`VaultError::AlreadyEnrolled`], [`VaultError::TooLarge`]. Whether the passkey lives in this very vault is
    /// for the caller to see who knows the items (`PasskeyStore` does).
    pub fn add_passkey(
        &mut self,
        rp_id: &RpId,
        credential_id: &CredentialId,
        prf: PrfAbility,
        private: SlotPrivate,
        rng: &mut dyn CryptoRng,
    ) -> Result<SlotId, VaultError> {
        let enabled = self.manifest.has_passkey(rp_id.as_str(), credential_id.as_bytes());
        if enabled || self.idle_slot_of(rp_id, credential_id)?.is_some() {
            return Err(VaultError::AlreadyEnrolled);
        }
        if self.manifest.slots.len() >= MAX_SLOTS {
            return Err(VaultError::TooLarge);
        }
        let slot_id = SlotId::make(rng);
        let could_encrypt = prf == PrfAbility::Observed;
        let slot = Slot::Idle { slot_id, could_encrypt, slot_gen: 1, private: Sealed::EMPTY };
        let position = self.manifest.slots.partition_point(|other| other.slot_id() < slot_id);
        self.manifest.slots.insert(position, slot);
        let rp_id = Some(rp_id.as_str().into());
        let credential_id = Some(credential_id.as_bytes().to_vec());
        self.privates.insert(slot_id, SlotPrivate { rp_id, credential_id, ..private });
        Ok(slot_id)
    }

    /// Lets a passkey open the vault that has signed in only so far: its slot is enrolled in place, as its next
    /// generation. `first` and `second` are the PRF outputs of two separate assertions, as in
    /// [`Administration::enrol_passkey`]. Whatever is refused, the slot stays what it was. Draws, where there is an
    /// extra PIN, its Argon2id salt (16); then kdf_salt (32), slot_sk (32), SAK (32), a nonce (12).
    ///
    /// Errors: [`VaultError::NotFound`]: no such slot, or it is not idle; else as [`Administration::enrol_passkey`].
    pub fn enable_encryption(
        &mut self,
        id: &SlotId,
        setup: EncryptionSetup<'_>,
        first: &UvPrfOutput,
        second: &UvPrfOutput,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), VaultError> {
        self.require_checked()?;
        let EncryptionSetup { salt, transports, pin } = setup;
        let (rp_id, credential_id) = self.idle_identifiers(id)?;
        self.check_passkey(&rp_id, &credential_id, &salt)?;
        require_stable(first, second)?;
        let slot_gen = self.manifest.slot(id).map(Slot::slot_gen).and_then(|current| current.checked_add(1));
        let name = (*id, slot_gen.ok_or(VaultError::TooLarge)?);
        let private = SlotPrivate { rp_id: None, credential_id: None, ..self.load_private(id)? };
        let unlock = self.passkey_unlock((&rp_id, &credential_id), salt, pin.as_ref(), rng)?;
        let secret = passkey_secret(first, pin.map(|pin| pin.pin));
        let mut slot = self.make_slot(name, unlock, &secret, rng)?;
        slot.transports = transport_bits(transports);
        self.replace_slot(Slot::Enabled(Box::new(slot)));
        self.privates.insert(*id, private);
        Ok(())
    }

    /// A passkey that opened the vault signs in only from now on; it can be enabled again. As at a removal, the vault gets
    /// a new root key in the same write, unless `old_seal` says otherwise. Draws as [`Administration::rotate`].
    ///
    /// Errors: [`VaultError::NotFound`]: no enabled passkey; [`VaultError::LastSlot`]; else as [`Administration::rotate`].
    pub fn disable_encryption(
        &mut self,
        id: &SlotId,
        old_seal: OldSeal,
        items: &dyn ItemSource,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), VaultError> {
        let slot = self.manifest.enabled_slot(id).ok_or(VaultError::NotFound)?;
        let passkey = slot.unlock.passkey().ok_or(VaultError::NotFound)?;
        let (rp_id, credential_id) = (Some(passkey.rp_id.clone()), Some(passkey.credential_id.clone()));
        let private = SlotPrivate { rp_id, credential_id, ..self.load_private(id)? };
        let idle =
            Slot::Idle { slot_id: *id, could_encrypt: true, slot_gen: slot.slot_gen, private: Sealed::EMPTY };
        self.retire(id, idle, old_seal, items, rng)?;
        self.privates.insert(*id, private);
        Ok(())
    }
}

impl Draft<'_> {
    /// Notes what was observed of the PRF of a passkey that signs in. [`VaultError::NotFound`]: there is no such slot, or
    /// it opens the vault, which says more than any observation.
    pub fn set_prf_support(&mut self, id: &SlotId, prf: PrfAbility) -> Result<(), VaultError> {
        let slot = self.manifest.slots.iter_mut().find(|slot| slot.slot_id() == *id);
        match slot {
            Some(Slot::Idle { could_encrypt, .. }) => {
                *could_encrypt = prf == PrfAbility::Observed;
                Ok(())
            }
            _ => Err(VaultError::NotFound),
        }
    }

    /// Changes what the owner knows about a slot: its label, its note, what was seen of the passkey. The identifiers of a
    /// passkey that signs in only stay as they are.
    pub fn edit_slot_private(
        &mut self,
        id: &SlotId,
        edit: impl FnOnce(&mut SlotPrivate),
    ) -> Result<(), VaultError> {
        let mut private = self.load_private(id)?;
        edit(&mut private);
        self.set_slot_private(id, private)
    }

    /// The slot of a passkey that signs in only.
    pub(super) fn idle_slot_of(
        &self,
        rp_id: &RpId,
        credential_id: &CredentialId,
    ) -> Result<Option<SlotId>, VaultError> {
        for slot in self.manifest.slots.iter().filter(|slot| matches!(slot, Slot::Idle { .. })) {
            let private = self.load_private(&slot.slot_id())?;
            let same_rp = private.rp_id.as_deref() == Some(rp_id.as_str());
            if same_rp && private.credential_id.as_deref() == Some(credential_id.as_bytes()) {
                return Ok(Some(slot.slot_id()));
            }
        }
        Ok(None)
    }

    /// Which passkey an idle slot stands for.
    pub(super) fn idle_identifiers(&self, id: &SlotId) -> Result<(RpId, CredentialId), VaultError> {
        if !matches!(self.manifest.slot(id), Some(Slot::Idle { .. })) {
            return Err(VaultError::NotFound);
        }
        let SlotPrivate { rp_id, credential_id, .. } = self.load_private(id)?;
        let rp_id = rp_id.and_then(|rp_id| RpId::new(&rp_id).ok());
        let credential_id = credential_id.and_then(|id| CredentialId::new(&id).ok());
        rp_id.zip(credential_id).ok_or(VaultError::Malformed("a passkey without its identifiers"))
    }

    fn replace_slot(&mut self, slot: Slot) {
        let place = self.manifest.slots.iter_mut().find(|other| other.slot_id() == slot.slot_id());
        if let Some(place) = place {
            *place = slot;
        }
    }
}
