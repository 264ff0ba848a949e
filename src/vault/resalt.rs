//! A new PRF salt for a passkey slot (vault-format.md, "Operations": resalt).

use rand_core::CryptoRng;

use super::{
    draft::Draft,
    error::VaultError,
    ids::SlotId,
    slot::{EnabledSlot, PrfSaltMode},
    slot_key::input_key_material,
    slots::passkey_secret,
    suite::require_suite,
};
use crate::webauthn::UvPrfOutput;

/// What one ceremony brought that was asked for two PRF values: `eval.first` on the slot's own input, `eval.second` on
/// [`prf_input`](super::prf_input) with the candidate as a salt of mode 1.
pub struct Resalt<'a> {
    /// 32 random bytes, the salt to come.
    pub candidate: [u8; 32],
    /// `results.first`.
    pub first: &'a UvPrfOutput,
    /// `results.second`. An authenticator that gave none leaves the salt as it is: nothing is to be done then.
    pub second: &'a UvPrfOutput,
    /// The extra PIN, of a slot that asks for one.
    pub pin: Option<&'a str>,
}

impl Draft<'_> {
    /// Gives a passkey slot of salt mode 1 a new PRF salt, and new keys as [`Draft::refresh`] does: who once had its PRF
    /// output can do nothing with it in states sealed from now on. Draws as [`Draft::refresh`].
    ///
    /// Errors: [`VaultError::NotFound`]; [`VaultError::WrongSecret`] by the first output; [`VaultError::InvalidInput`]: the
    /// slot is of another mode, the candidate is no new salt, or both outputs are one; [`VaultError::PolicyViolation`]: no
    /// other enabled slot was ever verified, so that a passkey which answers differently next time would lock its owner
    /// out.
    pub fn resalt(
        &mut self,
        id: &SlotId,
        resalt: Resalt<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), VaultError> {
        let Resalt { candidate, first, second, pin } = resalt;
        let slot = self.manifest.enabled_slot(id).ok_or(VaultError::NotFound)?;
        require_suite(slot.suite)?;
        let salt = PrfSaltMode::PerSlot(candidate);
        self.check_candidate(slot, &salt)?;
        if first.secret().ct_eq(second.secret().expose()) {
            return Err(VaultError::InvalidInput("both PRF outputs are one"));
        }
        if !self.is_another_verified(id)? {
            return Err(VaultError::PolicyViolation("no other slot was ever verified"));
        }
        let ikm =
            |output| input_key_material(&slot.unlock, &passkey_secret(output, pin), self.argon2_ceiling_kib);
        let (current, next) = (ikm(first)?, ikm(second)?);
        self.rekey(id, (&current, &next), Some(salt), rng)
    }

    /// Mode 1 to mode 1; a salt that is none, or in use, is no candidate.
    fn check_candidate(&self, slot: &EnabledSlot, candidate: &PrfSaltMode) -> Result<(), VaultError> {
        let current = slot.unlock.passkey().map(|passkey| passkey.salt);
        if !matches!(current, Some(PrfSaltMode::PerSlot(_))) {
            return Err(VaultError::InvalidInput("a slot without a PRF salt of its own"));
        }
        let is_new = current != Some(*candidate) && !self.manifest.salt_in_other_mode(candidate);
        if is_new && candidate.salt() != [0; 32] { Ok(()) } else { Err(VaultError::InvalidInput("PRF salt")) }
    }

    fn is_another_verified(&self, id: &SlotId) -> Result<bool, VaultError> {
        for other in self.manifest.enabled().filter(|other| other.slot_id != *id) {
            if self.load_private(&other.slot_id)?.last_verified.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
