//! From a secret to the keys of a slot (vault-format.md, "Slot key derivation").

use alloc::vec::Vec;

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;

use super::{
    code::RecoveryCode,
    error::VaultError,
    ids::{SlotId, VaultId},
    item::Sealed,
    keys::{self, label},
    share::JoinedShares,
    slot::{EnabledSlot, PrfSaltMode, Suite, Unlock},
    suite,
};
use crate::{
    cbor::Writer,
    crypto::{Hkdf, sha256},
    secret::{Secret, SecretBytes},
    webauthn::UvPrfOutput,
};

/// What a person, a device or an authenticator brings to open a slot.
#[non_exhaustive]
pub enum SlotSecret<'a> {
    /// The PRF output of the passkey, evaluated with user verification on the slot's input.
    Passkey(&'a UvPrfOutput),
    /// The same, for a slot that also asks for an extra PIN.
    PasskeyWithPin(&'a UvPrfOutput, &'a str),
    /// A recovery code, or a contact's code.
    Code(&'a RecoveryCode),
    /// A passphrase.
    Passphrase(&'a str),
    /// As many shares of one set as it needs, joined.
    Shares(&'a JoinedShares),
    /// The 32 bytes in a device's key store.
    Device(&'a Secret<32>),
}

/// The PRF input of a passkey slot, to be given as `eval.first`: L("prf") || vault_id || prf_salt, and in the static mode
/// L("prf") || zero(48).
pub fn prf_input(vault_id: &VaultId, salt: &PrfSaltMode) -> Vec<u8> {
    let mut input = label("prf");
    match salt {
        PrfSaltMode::Static => input.extend_from_slice(&[0; 48]),
        PrfSaltMode::PerSlot(salt) | PrfSaltMode::PerVault(salt) => {
            input.extend_from_slice(&vault_id.0);
            input.extend_from_slice(salt);
        }
    }
    input
}

/// What of a slot goes into its keys.
pub(super) struct SlotKeyInput<'a> {
    pub(super) vault_id: &'a VaultId,
    pub(super) slot_id: &'a SlotId,
    pub(super) suite: Suite,
    pub(super) unlock: &'a Unlock,
    pub(super) kdf_salt: &'a [u8; 32],
}

/// K_enc || K_com.
pub(super) struct SlotKeys(Secret<64>);

impl SlotKeys {
    /// K_enc, which encrypts the slot's own keys.
    fn encryption(&self) -> Secret<32> {
        let (first, _) = self.halves();
        Secret::init_with(|key| key.copy_from_slice(first))
    }

    /// K_com, which stands in the slot.
    pub(super) fn commitment(&self) -> [u8; 32] {
        *self.halves().1
    }

    /// Whether the slot's commitment is this one, in constant time.
    pub(super) fn commits_to(&self, k_com: &[u8; 32]) -> bool {
        self.halves().1.ct_eq(k_com).into()
    }

    fn halves(&self) -> (&[u8; 32], &[u8; 32]) {
        let (halves, _) = self.0.expose().as_chunks::<32>();
        match halves {
            [first, second] => (first, second),
            _ => (&[0; 32], &[0; 32]),
        }
    }
}

impl SlotKeyInput<'_> {
    pub(super) fn of<'a>(vault_id: &'a VaultId, slot: &'a EnabledSlot) -> SlotKeyInput<'a> {
        SlotKeyInput {
            vault_id,
            slot_id: &slot.slot_id,
            suite: slot.suite,
            unlock: &slot.unlock,
            kdf_salt: &slot.kdf_salt,
        }
    }

    /// PRK = Extract(kdf_salt, IKM); OKM = Expand(PRK, L("slot-key") || ctx, 64).
    pub(super) fn derive(&self, ikm: &SecretBytes) -> SlotKeys {
        let prk = Hkdf::extract(self.kdf_salt, ikm.expose());
        SlotKeys(prk.expand(&[&label("slot-key"), &self.context()]))
    }

    /// ctx = C\[vault_id, slot_id, kind, suite, h(rp_id), h(credential_id), uv].
    fn context(&self) -> Vec<u8> {
        let mut context = Writer::with_capacity(160);
        context.array(7).bytes(&self.vault_id.0).bytes(&self.slot_id.0);
        context.unsigned(self.unlock.kind().number()).unsigned(self.suite.number());
        match self.unlock {
            Unlock::Passkey(passkey) => context
                .bytes(&sha256(passkey.rp_id.as_bytes()))
                .bytes(&sha256(&passkey.credential_id))
                .boolean(true),
            _ => context.bytes(&[]).bytes(&[]).boolean(false),
        };
        context.finish()
    }
}

/// The IKM column of the table of kinds. It does not depend on kdf_salt: who gives a slot new keys computes it once.
pub(super) fn input_key_material(
    unlock: &Unlock,
    secret: &SlotSecret<'_>,
    ceiling: Option<u64>,
) -> Result<SecretBytes, VaultError> {
    let copy = |bytes: &[u8]| SecretBytes::new(bytes.to_vec());
    match (unlock, secret) {
        (Unlock::Passkey(passkey), SlotSecret::Passkey(prf)) if passkey.pin.is_none() => {
            Ok(copy(prf.secret().expose()))
        }
        (Unlock::Passkey(passkey), SlotSecret::PasskeyWithPin(prf, pin)) => {
            let argon = passkey.pin.as_ref().ok_or(VaultError::WrongSecret)?;
            let stretched = argon.hash(pin, ceiling)?;
            Ok(join(prf.secret(), &stretched))
        }
        (Unlock::RecoveryCode | Unlock::ContactCode, SlotSecret::Code(code)) => {
            Ok(copy(code.secret().expose()))
        }
        (Unlock::Passphrase(argon), SlotSecret::Passphrase(text)) => {
            Ok(copy(argon.hash(text, ceiling)?.expose()))
        }
        // Which set they are of does not matter: K_com judges.
        (Unlock::Shares(_), SlotSecret::Shares(joined)) => Ok(copy(joined.secret().expose())),
        (Unlock::Device, SlotSecret::Device(device)) => Ok(copy(device.expose())),
        _ => Err(VaultError::WrongSecret),
    }
}

/// Two secrets, one after the other; room for both, so that growing leaves no copy behind.
fn join(first: &Secret<32>, second: &Secret<32>) -> SecretBytes {
    let mut joined = Vec::with_capacity(64);
    joined.extend_from_slice(first.expose());
    joined.extend_from_slice(second.expose());
    SecretBytes::new(joined)
}

/// A slot's own keys: slot_sk || SAK.
pub(super) struct SlotOwnKeys {
    pub(super) slot_sk: Secret<32>,
    pub(super) sak: Secret<32>,
}

impl SlotOwnKeys {
    /// New keys; draws slot_sk (32), then SAK (32).
    pub(super) fn make(suite: Suite, rng: &mut dyn CryptoRng) -> Self {
        let slot_sk = suite::make_slot_key(suite, rng);
        Self { slot_sk, sak: Secret::make_random(rng) }
    }

    /// Wraps them for the slot, whose slot_pk is set already; draws a nonce (12).
    pub(super) fn wrap(
        &self,
        vault_id: &VaultId,
        slot: &EnabledSlot,
        keys: &SlotKeys,
        rng: &mut dyn CryptoRng,
    ) -> Result<Sealed, VaultError> {
        let plaintext = join(&self.slot_sk, &self.sak);
        Sealed::seal(&keys.encryption(), plaintext.expose(), &wrapped_aad(vault_id, slot), rng)
    }

    /// Opens what [`SlotOwnKeys::wrap`] made; slot_pk must be the public key of slot_sk.
    pub(super) fn unwrap(
        vault_id: &VaultId,
        slot: &EnabledSlot,
        keys: &SlotKeys,
    ) -> Result<Self, VaultError> {
        let wrapped = VaultError::Tampered("wrapped slot key");
        let plaintext =
            slot.wrapped.open(&keys.encryption(), &wrapped_aad(vault_id, slot), "wrapped slot key")?;
        let (slot_sk, sak) = plaintext.expose().split_at_checked(32).ok_or(wrapped)?;
        let slot_sk = Secret::from_slice(slot_sk).ok_or(wrapped)?;
        if suite::public_key(slot.suite, &slot_sk)? != slot.slot_pk {
            return Err(VaultError::Tampered("slot public key"));
        }
        Ok(Self { slot_sk, sak: Secret::from_slice(sak).ok_or(wrapped)? })
    }
}

/// C\["countersign/v1/slot", vault_id, suite, slot_id, kind, unlock, kdf_salt, slot_pk, slot_gen].
fn wrapped_aad(vault_id: &VaultId, slot: &EnabledSlot) -> Vec<u8> {
    let mut aad = keys::aad("slot", 9, vault_id);
    aad.unsigned(slot.suite.number()).bytes(&slot.slot_id.0).unsigned(slot.unlock.kind().number());
    slot.unlock.write(&mut aad);
    aad.bytes(&slot.kdf_salt).bytes(&slot.slot_pk).unsigned(slot.slot_gen);
    aad.finish()
}

/// C\["countersign/v1/sak", vault_id, slot_id, slot_gen, key_gen].
pub(super) fn sak_aad(vault_id: &VaultId, slot: &EnabledSlot, key_gen: u64) -> Vec<u8> {
    let mut aad = keys::aad("sak", 5, vault_id);
    aad.bytes(&slot.slot_id.0).unsigned(slot.slot_gen).unsigned(key_gen);
    aad.finish()
}
