//! One more passkey, in one go (requirement D13): from its registration to a slot that opens the vault, or, where it
//! cannot, to a note that it signs in.

use alloc::{string::String, vec::Vec};

use rand_core::CryptoRng;

use super::{
    error::VaultError,
    ids::{SlotId, VaultId},
    passkeys::{EncryptionSetup, EncryptionStatus, PrfAbility},
    private::SlotPrivate,
    reauth::Administration,
    slot::PrfSaltMode,
    slot_key::prf_input,
    slots::PasskeyEnrolment,
    vault::Vault,
};
use crate::{
    secret::Secret,
    time::UnixTime,
    webauthn::{CredentialId, PrfRefused, RpId, UvPrfOutput},
};

/// A passkey that was registered for a vault's owner.
pub struct NewPasskey<'a> {
    /// Its relying party.
    pub rp_id: &'a RpId,
    /// Its identifier.
    pub credential_id: &'a CredentialId,
    /// Its transports, by their WebAuthn names.
    pub transports: &'a [&'a str],
    /// What the owner is to know about it.
    pub private: SlotPrivate,
}

/// A passkey on its way into a vault. While [`PasskeyCeremony::wants_assertion`], the host asks the passkey for an
/// assertion of its own, with user verification and [`PasskeyCeremony::prf_input`] as `eval.first`, and hands what came of
/// it to [`PasskeyCeremony::take`]; then `PasskeyStore::admit` writes the outcome. Until that nothing is changed, and
/// dropping it gives up without a trace.
pub struct PasskeyCeremony {
    vault_id: VaultId,
    rp_id: RpId,
    credential_id: CredentialId,
    transports: Vec<String>,
    place: Place,
    salt: PrfSaltMode,
    progress: Progress,
}

/// Where the passkey goes.
enum Place {
    New(SlotPrivate),
    Idle(SlotId),
}

enum Progress {
    Nothing,
    First(UvPrfOutput),
    Both(UvPrfOutput, UvPrfOutput),
    /// One output, and none the next time.
    Unsteady,
    NoPrf,
}

impl PasskeyCeremony {
    /// For a passkey that the vault does not know. It gets a PRF salt of its own (mode 1); draws it (32).
    ///
    /// Refused before a person is bothered: [`VaultError::AlreadyEnrolled`] (one that signs in only goes on by
    /// [`PasskeyCeremony::resume`]), and what enrolment would refuse: [`VaultError::PolicyViolation`],
    /// [`VaultError::Unchecked`]. [`VaultError::KeyChanged`]: the vault is to be opened anew.
    pub fn begin(
        vault: &Vault,
        passkey: NewPasskey<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, VaultError> {
        let NewPasskey { rp_id, credential_id, transports, private } = passkey;
        vault.require_key()?;
        if vault.draft().idle_slot_of(rp_id, credential_id)?.is_some() {
            return Err(VaultError::AlreadyEnrolled);
        }
        Self::start(vault, (rp_id.clone(), credential_id.clone()), transports, Place::New(private), rng)
    }

    /// For a passkey that signs in only so far, by its slot; else as [`PasskeyCeremony::begin`].
    /// [`VaultError::NotFound`]: the slot is no such.
    pub fn resume(
        vault: &Vault,
        slot_id: &SlotId,
        transports: &[&str],
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, VaultError> {
        vault.require_key()?;
        let passkey = vault.draft().idle_identifiers(slot_id)?;
        Self::start(vault, passkey, transports, Place::Idle(*slot_id), rng)
    }

    fn start(
        vault: &Vault,
        (rp_id, credential_id): (RpId, CredentialId),
        transports: &[&str],
        place: Place,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, VaultError> {
        vault.require_checked()?;
        let salt = PrfSaltMode::PerSlot(*Secret::<32>::make_random(rng).expose());
        vault.draft().check_passkey(&rp_id, &credential_id, &salt)?;
        Ok(Self {
            vault_id: vault.vault_id(),
            rp_id,
            credential_id,
            transports: transports.iter().map(|name| (*name).into()).collect(),
            place,
            salt,
            progress: Progress::Nothing,
        })
    }

    /// The relying party of the assertions.
    pub fn rp_id(&self) -> &RpId {
        &self.rp_id
    }

    /// The passkey of the assertions, alone in `allowCredentials`.
    pub fn credential_id(&self) -> &CredentialId {
        &self.credential_id
    }

    /// What both assertions are to evaluate.
    pub fn prf_input(&self) -> Vec<u8> {
        prf_input(&self.vault_id, &self.salt)
    }

    /// Whether another assertion is needed: two of them, unless the first shows that there is no PRF.
    pub fn wants_assertion(&self) -> bool {
        matches!(self.progress, Progress::Nothing | Progress::First(_))
    }

    /// Takes what [`UvPrfOutput::from_assertion`] made of an assertion. An error is what it was, and the ceremony stands
    /// where it stood: the assertion may be made again. No output at all ([`PrfRefused::Empty`]) is an observation about a
    /// passkey that is new, and ends its ceremony; of one that the vault knows it says as much about this browser, and
    /// changes nothing. What comes after the end is passed over.
    pub fn take(&mut self, outcome: Result<UvPrfOutput, PrfRefused>) -> Result<(), PrfRefused> {
        let seen = PrfAbility::of_assertion(&outcome);
        let known = matches!(self.place, Place::Idle(_));
        let progress = core::mem::replace(&mut self.progress, Progress::NoPrf);
        let (progress, told) = match (progress, outcome) {
            (Progress::Nothing, Ok(output)) => (Progress::First(output), Ok(())),
            (Progress::First(first), Ok(second)) => (Progress::Both(first, second), Ok(())),
            (Progress::Nothing, Err(_)) if seen.is_some() && !known => (Progress::NoPrf, Ok(())),
            (Progress::First(_), Err(_)) if seen.is_some() => (Progress::Unsteady, Ok(())),
            (progress @ (Progress::Nothing | Progress::First(_)), Err(refused)) => (progress, Err(refused)),
            (ended, _) => (ended, Ok(())),
        };
        self.progress = progress;
        told
    }

    /// Carries the outcome out. `time` stands in the slot as the day on which it was verified.
    pub(super) fn admit(
        self,
        administration: &mut Administration<'_>,
        time: UnixTime,
        rng: &mut dyn CryptoRng,
    ) -> Result<(SlotId, EncryptionStatus), VaultError> {
        // Its assertions were evaluated on another input than a slot of this vault would ask for.
        if self.vault_id != administration.vault_id() {
            return Err(VaultError::InvalidInput("the ceremony of another vault"));
        }
        let (seen, both) = match &self.progress {
            Progress::Nothing | Progress::First(_) => {
                return Err(VaultError::InvalidInput("the passkey's ceremony is not at its end"));
            }
            Progress::NoPrf => (PrfAbility::NotObserved, None),
            Progress::Unsteady => (PrfAbility::Observed, None),
            Progress::Both(first, second) => (PrfAbility::Observed, Some((first, second))),
        };
        if let Some((first, second)) = both {
            match self.enable(administration, first, second, rng) {
                Err(VaultError::UnstablePrf) => {}
                enabled => {
                    let slot_id = enabled?;
                    let verified = |private: &mut SlotPrivate| private.last_verified = Some(time.0);
                    administration.edit_slot_private(&slot_id, verified)?;
                    return Ok((slot_id, EncryptionStatus::UsedForEncryption));
                }
            }
        }
        let slot_id = self.note(administration, seen, rng)?;
        Ok((
            slot_id,
            match seen {
                PrfAbility::Observed => EncryptionStatus::SupportedNotActive,
                PrfAbility::NotObserved => EncryptionStatus::NotSupported,
            },
        ))
    }

    fn enable(
        &self,
        administration: &mut Administration<'_>,
        first: &UvPrfOutput,
        second: &UvPrfOutput,
        rng: &mut dyn CryptoRng,
    ) -> Result<SlotId, VaultError> {
        let names: Vec<&str> = self.transports.iter().map(String::as_str).collect();
        let (salt, transports) = (self.salt, names.as_slice());
        match &self.place {
            Place::Idle(slot_id) => {
                let setup = EncryptionSetup { salt, transports, pin: None };
                administration.enable_encryption(slot_id, setup, first, second, rng)?;
                Ok(*slot_id)
            }
            Place::New(private) => {
                let (rp_id, credential_id, private) = (&self.rp_id, &self.credential_id, private.clone());
                let enrolment =
                    PasskeyEnrolment { rp_id, credential_id, salt, transports, private, pin: None };
                administration.enrol_passkey(enrolment, first, second, rng)
            }
        }
    }

    fn note(
        self,
        administration: &mut Administration<'_>,
        seen: PrfAbility,
        rng: &mut dyn CryptoRng,
    ) -> Result<SlotId, VaultError> {
        match self.place {
            Place::Idle(slot_id) => administration.set_prf_support(&slot_id, seen).map(|()| slot_id),
            Place::New(private) => {
                administration.add_passkey(&self.rp_id, &self.credential_id, seen, private, rng)
            }
        }
    }
}
