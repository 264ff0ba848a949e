//! Enrolment and refresh of slots (vault-format.md, "Operations").

use alloc::{boxed::Box, vec::Vec};

use rand_core::CryptoRng;

use super::{
    code::RecoveryCode,
    draft::Draft,
    envelope::transport_bits,
    error::VaultError,
    ids::SlotId,
    item::Sealed,
    manifest::{DEFAULT_MOST_PASSKEYS, MAX_SLOTS},
    private::SlotPrivate,
    reauth::Administration,
    share::{self, Share, ShareSet},
    slot::{Argon, EnabledSlot, PasskeyUnlock, PrfSaltMode, Seal, Slot, SlotKind, Unlock},
    slot_key::{SlotKeyInput, SlotKeys, SlotOwnKeys, SlotSecret, input_key_material},
    suite::{public_key, require_suite},
    tags::CREDENTIAL,
};
use crate::{
    secret::{Secret, SecretBytes},
    webauthn::{CredentialId, RpId, UvPrfOutput},
};

/// A passkey that is to open a vault.
pub struct PasskeyEnrolment<'a> {
    /// Its relying party.
    pub rp_id: &'a RpId,
    /// Its identifier.
    pub credential_id: &'a CredentialId,
    /// The salt that both assertions were evaluated on ([`prf_input`](super::prf_input)): random in modes 1 and 2, and
    /// in mode 2 the one that the vault has already, if it has one.
    pub salt: PrfSaltMode,
    /// Its transports, by their WebAuthn names.
    pub transports: &'a [&'a str],
    /// An extra PIN to open the slot with, where there is to be one: more guessing for a thief of PRF outputs.
    pub pin: Option<ExtraPin<'a>>,
    /// What the owner is to know about the slot.
    pub private: SlotPrivate,
}

/// A PIN that a passkey's slot asks for beside the passkey; nothing counts its tries.
pub struct ExtraPin<'a> {
    /// 1 to 1024 bytes in NFC.
    pub pin: &'a str,
    /// What trying one costs.
    pub cost: PassphraseCost,
}

/// What trying one passphrase costs (Argon2id).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassphraseCost {
    /// Memory in KiB, 19456 to 1048576.
    pub memory_kib: u64,
    /// Passes, 2 to 16; memory times passes is at most 4194304.
    pub passes: u64,
    /// Lanes, 1 to 16.
    pub lanes: u64,
}

/// What a host asks of new passphrases: a length, a word list, an organisation's rules. It is asked at enrolment alone: what
/// opens a vault already goes on doing so.
pub trait PassphrasePolicy: Sync {
    /// Refuses a passphrase, and says why in words for the person who chose it.
    fn judge(&self, passphrase: &str) -> Result<(), &'static str>;
}

impl Default for PassphraseCost {
    /// 64 MiB, 3 passes, 4 lanes (RFC 9106 section 4, second recommended option).
    fn default() -> Self {
        Self { memory_kib: 65_536, passes: 3, lanes: 4 }
    }
}

impl Administration<'_> {
    /// Enrols a passkey. `first` and `second` are the PRF outputs of two separate assertions: where they differ, nothing
    /// is enrolled, since the passkey would not open the vault again.
    ///
    /// Draws, where there is an extra PIN, its Argon2id salt (16); then slot_id (16), kdf_salt (32), slot_sk (32), SAK
    /// (32), a nonce (12); so do the other enrolments.
    ///
    /// Errors: [`VaultError::UnstablePrf`], [`VaultError::AlreadyEnrolled`], [`VaultError::PolicyViolation`],
    /// [`VaultError::InvalidInput`], [`VaultError::Unchecked`], [`VaultError::TooLarge`], and for the extra PIN those of
    /// [`Administration::enrol_passphrase`]. [`VaultError::Circular`]: this draft puts the passkey into the vault; whether it
    /// lives there already is for the caller to see who knows the items (`PasskeyStore` does).
    pub fn enrol_passkey(
        &mut self,
        enrolment: PasskeyEnrolment<'_>,
        first: &UvPrfOutput,
        second: &UvPrfOutput,
        rng: &mut dyn CryptoRng,
    ) -> Result<SlotId, VaultError> {
        let PasskeyEnrolment { rp_id, credential_id, salt, transports, pin, private } = enrolment;
        self.check_passkey(rp_id, credential_id, &salt)?;
        if self.idle_slot_of(rp_id, credential_id)?.is_some() {
            return Err(VaultError::AlreadyEnrolled);
        }
        require_stable(first, second)?;
        let unlock = self.passkey_unlock((rp_id, credential_id), salt, pin.as_ref(), rng)?;
        let slot_id = self.enrol(unlock, private, &passkey_secret(first, pin.map(|pin| pin.pin)), rng)?;
        if let Some(slot) = self.drafted_slot(&slot_id) {
            slot.transports = transport_bits(transports);
        }
        Ok(slot_id)
    }

    /// Enrols a recovery code. Draws as [`Administration::enrol_passkey`].
    pub fn enrol_recovery_code(
        &mut self,
        code: &RecoveryCode,
        private: SlotPrivate,
        rng: &mut dyn CryptoRng,
    ) -> Result<SlotId, VaultError> {
        self.enrol(Unlock::RecoveryCode, private, &SlotSecret::Code(code), rng)
    }

    /// Enrols a device by 32 random bytes in its key store. Draws as [`Administration::enrol_passkey`].
    pub fn enrol_device(
        &mut self,
        secret: &Secret<32>,
        private: SlotPrivate,
        rng: &mut dyn CryptoRng,
    ) -> Result<SlotId, VaultError> {
        self.enrol(Unlock::Device, private, &SlotSecret::Device(secret), rng)
    }

    /// Enrols a passphrase: 1 to 1024 bytes in NFC ([`VaultError::InvalidInput`]), good enough for the host
    /// ([`Administration::set_passphrase_policy`]) and at a cost within the format's bounds
    /// ([`VaultError::PolicyViolation`]) and the host's ceiling ([`VaultError::Unsupported`]). Draws the salt of Argon2id
    /// (16), then as [`Administration::enrol_passkey`].
    pub fn enrol_passphrase(
        &mut self,
        passphrase: &str,
        cost: PassphraseCost,
        private: SlotPrivate,
        rng: &mut dyn CryptoRng,
    ) -> Result<SlotId, VaultError> {
        if let Some(policy) = self.passphrase_policy {
            policy.judge(passphrase).map_err(VaultError::PolicyViolation)?;
        }
        let argon = Argon::make(passphrase, cost, self.argon2_ceiling_kib, rng)?;
        self.enrol(Unlock::Passphrase(argon), private, &SlotSecret::Passphrase(passphrase), rng)
    }

    /// Sets what passphrases that are enrolled from now on have to be. Without it any is taken.
    pub fn set_passphrase_policy(&mut self, policy: &'static dyn PassphrasePolicy) {
        self.draft.passphrase_policy = Some(policy);
    }

    /// Enrols a set of shares, any `needed` of which open the vault: 2 to `made`, which is at most 16
    /// ([`VaultError::InvalidInput`]). The shares are shown once and kept nowhere; each is for one holder. Draws set_id (8),
    /// the secret (32), `needed` - 1 times the coefficients (32), then as [`Administration::enrol_passkey`].
    pub fn enrol_shares(
        &mut self,
        needed: u8,
        made: u8,
        private: SlotPrivate,
        rng: &mut dyn CryptoRng,
    ) -> Result<(SlotId, Vec<Share>), VaultError> {
        if !(ShareSet { set_id: [0; 8], needed, made }).is_valid() {
            return Err(VaultError::InvalidInput("2 to 16 shares, of which at least 2 are needed"));
        }
        let (set, joined, shares) = share::make(needed, made, rng);
        let slot_id = self.enrol(Unlock::Shares(set), private, &SlotSecret::Shares(&joined), rng)?;
        Ok((slot_id, shares))
    }

    /// Enrols a contact's code: it opens the vault for whoever has the envelope, too; where contact and storage might join
    /// hands, shares are better. Draws as [`Administration::enrol_passkey`].
    pub fn enrol_contact_code(
        &mut self,
        code: &RecoveryCode,
        private: SlotPrivate,
        rng: &mut dyn CryptoRng,
    ) -> Result<SlotId, VaultError> {
        self.enrol(Unlock::ContactCode, private, &SlotSecret::Code(code), rng)
    }

    fn enrol(
        &mut self,
        unlock: Unlock,
        private: SlotPrivate,
        secret: &SlotSecret<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<SlotId, VaultError> {
        self.require_checked()?;
        if self.manifest.slots.len() >= MAX_SLOTS {
            return Err(VaultError::TooLarge);
        }
        let slot_id = SlotId::make(rng);
        let slot = self.make_slot((slot_id, 1), unlock, secret, rng)?;
        let position = self.manifest.slots.partition_point(|other| other.slot_id() < slot_id);
        self.manifest.slots.insert(position, Slot::Enabled(Box::new(slot)));
        self.privates.insert(slot_id, private);
        Ok(slot_id)
    }
}

impl Draft<'_> {
    /// Whether the format and the policy let this passkey open the vault.
    pub(super) fn check_passkey(
        &self,
        rp_id: &RpId,
        credential_id: &CredentialId,
        salt: &PrfSaltMode,
    ) -> Result<(), VaultError> {
        let mut characters = rp_id.as_str().bytes();
        if !characters.all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()) {
            return Err(VaultError::InvalidInput("an RP ID is ASCII in lower case"));
        }
        if self.manifest.has_passkey(rp_id.as_str(), credential_id.as_bytes()) {
            return Err(VaultError::AlreadyEnrolled);
        }
        if self.items.values().any(|item| item.terms.has(CREDENTIAL, credential_id.as_bytes())) {
            return Err(VaultError::Circular);
        }
        let salt_fits = match salt {
            PrfSaltMode::PerSlot(salt) => *salt != [0; 32],
            PrfSaltMode::PerVault(salt) => {
                *salt != [0; 32] && self.manifest.vault_salt().is_none_or(|present| present == *salt)
            }
            PrfSaltMode::Static => true,
        };
        if !salt_fits || self.manifest.salt_in_other_mode(salt) {
            return Err(VaultError::InvalidInput("PRF salt"));
        }
        let policy = self.manifest.policy.as_ref();
        let most = policy.and_then(|policy| policy.most_passkeys).map_or(DEFAULT_MOST_PASSKEYS, usize::from);
        let enrolled = self.manifest.enabled().filter(|slot| slot.unlock.kind() == SlotKind::Passkey).count();
        if enrolled >= most { Err(VaultError::PolicyViolation("too many passkeys")) } else { Ok(()) }
    }

    /// How the passkey is asked for. Draws, where there is an extra PIN, its Argon2id salt (16).
    pub(super) fn passkey_unlock(
        &self,
        (rp_id, credential_id): (&RpId, &CredentialId),
        salt: PrfSaltMode,
        pin: Option<&ExtraPin<'_>>,
        rng: &mut dyn CryptoRng,
    ) -> Result<Unlock, VaultError> {
        let argon = pin.map(|pin| Argon::make(pin.pin, pin.cost, self.argon2_ceiling_kib, rng));
        Ok(Unlock::Passkey(PasskeyUnlock {
            rp_id: rp_id.as_str().into(),
            credential_id: credential_id.as_bytes().to_vec(),
            salt,
            pin: argon.transpose()?,
        }))
    }

    /// A slot with new keys under the secret.
    pub(super) fn make_slot(
        &mut self,
        (slot_id, slot_gen): (SlotId, u64),
        unlock: Unlock,
        secret: &SlotSecret<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<EnabledSlot, VaultError> {
        let mut slot = EnabledSlot {
            slot_id,
            slot_gen,
            suite: self.suite,
            born: EnabledSlot::BORN_WITH_WRITE,
            unlock,
            kdf_salt: [0; 32],
            k_com: [0; 32],
            wrapped: Sealed::EMPTY,
            slot_pk: Vec::new(),
            seal: Seal { enc: Vec::new(), ciphertext: Vec::new() },
            sak_wrap: Sealed::EMPTY,
            private: Sealed::EMPTY,
            transports: None,
        };
        let ikm = input_key_material(&slot.unlock, secret, self.argon2_ceiling_kib)?;
        let keys = self.key_slot(&mut slot, &ikm, rng);
        self.wrap_slot(&mut slot, &keys, rng)?;
        Ok(slot)
    }

    /// A new kdf_salt (drawn: 32) and the keys that the secret gives with it.
    fn key_slot(&self, slot: &mut EnabledSlot, ikm: &SecretBytes, rng: &mut dyn CryptoRng) -> SlotKeys {
        rng.fill_bytes(&mut slot.kdf_salt);
        let keys = SlotKeyInput::of(&self.manifest.vault_id, slot).derive(ikm);
        slot.k_com = keys.commitment();
        keys
    }

    /// New keys of the slot's own (drawn: 32, 32), wrapped (drawn: 12), and noted for sealing.
    fn wrap_slot(
        &mut self,
        slot: &mut EnabledSlot,
        keys: &SlotKeys,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), VaultError> {
        let own = SlotOwnKeys::make(slot.suite, rng);
        slot.slot_pk = public_key(slot.suite, &own.slot_sk)?;
        slot.wrapped = own.wrap(&self.manifest.vault_id, slot, keys, rng)?;
        self.seals.insert(slot.slot_id, own.sak);
        Ok(())
    }

    pub(super) fn drafted_slot(&mut self, id: &SlotId) -> Option<&mut EnabledSlot> {
        self.manifest.slots.iter_mut().find(|slot| slot.slot_id() == *id).and_then(|slot| match slot {
            Slot::Enabled(slot) => Some(&mut **slot),
            _ => None,
        })
    }

    pub(super) fn require_checked(&self) -> Result<(), VaultError> {
        // Who brings two heads together has given that word already.
        self.vault.filter(|_| self.joined.is_none()).map_or(Ok(()), |vault| vault.require_checked())
    }

    /// Sets the most memory that Argon2 may ask for, in KiB; otherwise it is what [`Opening`](super::Opening) said, and
    /// for a new vault the format's bound.
    pub fn set_argon2_ceiling(&mut self, ceiling_kib: Option<u64>) {
        self.argon2_ceiling_kib = ceiling_kib;
    }

    /// Replaces the private part of a slot. Of a passkey that signs in only, the two identifiers stay: nothing else says
    /// which passkey it is. The days of use and of a test only rise: guards go by them.
    pub fn set_slot_private(&mut self, id: &SlotId, private: SlotPrivate) -> Result<(), VaultError> {
        let slot = self.manifest.slot(id).filter(|slot| slot.private().is_some());
        let is_idle = matches!(slot.ok_or(VaultError::NotFound)?, Slot::Idle { .. });
        let SlotPrivate { rp_id, credential_id, last_used, last_verified, .. } = self.load_private(id)?;
        let mut private = private;
        private.last_used = private.last_used.max(last_used);
        private.last_verified = private.last_verified.max(last_verified);
        if is_idle {
            private = SlotPrivate { rp_id, credential_id, ..private };
        }
        self.privates.insert(*id, private);
        Ok(())
    }

    /// Gives the slot new keys under the same secret, in the suite of [`Draft::use_suite`] if that is a higher one: what the
    /// holder of an older vault root key knows of it is worth nothing in states sealed from now on. The PRF salt stays. Due
    /// after a rotation ([`Vault::refresh_due`]); may share one write with it. Draws kdf_salt (32), slot_sk (32), SAK (32),
    /// a nonce (12).
    ///
    /// Errors: [`VaultError::NotFound`], [`VaultError::WrongSecret`], [`VaultError::Unsupported`] for a cost above the
    /// host's ceiling and for a suite that this build has not.
    ///
    /// [`Vault::refresh_due`]: super::Vault::refresh_due
    pub fn refresh(
        &mut self,
        id: &SlotId,
        secret: &SlotSecret<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), VaultError> {
        let slot = self.manifest.enabled_slot(id).ok_or(VaultError::NotFound)?;
        require_suite(slot.suite.max(self.suite))?;
        let ikm = input_key_material(&slot.unlock, secret, self.argon2_ceiling_kib)?;
        self.rekey(id, (&ikm, &ikm), None, rng)
    }

    /// New keys for a slot: the input keying material of now, that to come, and the PRF salt to come if it changes.
    pub(super) fn rekey(
        &mut self,
        id: &SlotId,
        (current, next): (&SecretBytes, &SecretBytes),
        salt: Option<PrfSaltMode>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), VaultError> {
        let mut slot = self.manifest.enabled_slot(id).cloned().ok_or(VaultError::NotFound)?;
        let keys = SlotKeyInput::of(&self.manifest.vault_id, &slot).derive(current);
        if !keys.commits_to(&slot.k_com) {
            return Err(VaultError::WrongSecret);
        }
        let private = self.load_private(id)?;
        slot.suite = slot.suite.max(self.suite);
        slot.born = EnabledSlot::BORN_WITH_WRITE;
        slot.slot_gen = slot.slot_gen.checked_add(1).ok_or(VaultError::TooLarge)?;
        if let (Unlock::Passkey(passkey), Some(salt)) = (&mut slot.unlock, salt) {
            passkey.salt = salt;
        }
        let keys = self.key_slot(&mut slot, next, rng);
        self.wrap_slot(&mut slot, &keys, rng)?;
        self.privates.insert(*id, private);
        if let Some(place) = self.drafted_slot(id) {
            *place = slot;
        }
        Ok(())
    }

    /// The private part as this draft has it.
    pub(super) fn load_private(&self, id: &SlotId) -> Result<SlotPrivate, VaultError> {
        if let Some(private) = self.privates.get(id) {
            return Ok(private.clone());
        }
        self.base().and_then(|base| base.private(id).transpose()).unwrap_or(Err(VaultError::NotFound))
    }
}

/// The secret of a passkey's slot, with the extra PIN where it has one.
pub(super) fn passkey_secret<'a>(output: &'a UvPrfOutput, pin: Option<&'a str>) -> SlotSecret<'a> {
    match pin {
        Some(pin) => SlotSecret::PasskeyWithPin(output, pin),
        None => SlotSecret::Passkey(output),
    }
}

/// Two assertions of one passkey: as good as comparing K_com, which is made of the output and of what both have in common.
pub(super) fn require_stable(first: &UvPrfOutput, second: &UvPrfOutput) -> Result<(), VaultError> {
    if first.secret().ct_eq(second.secret().expose()) { Ok(()) } else { Err(VaultError::UnstablePrf) }
}
