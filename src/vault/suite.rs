//! Suite 1 (vault-format.md, "Suites"): HPKE (RFC 9180) DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, mode_psk.

use alloc::vec::Vec;

use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, PskBundle, Serializable, aead::AesGcm256, kdf::HkdfSha256,
    kem::X25519HkdfSha256, single_shot_open, single_shot_seal_with_rng,
};
use rand_core::CryptoRng;

use super::{
    error::VaultError,
    ids::{SlotId, VaultId},
    keys::label,
    slot::{EnabledSlot, Seal, Suite},
};
use crate::{
    cbor::Writer,
    crypto::sha256,
    secret::{Secret, SecretBytes},
};

const SEAL: VaultError = VaultError::Tampered("sealed vault key");

/// A new slot key, clamped as it is stored (RFC 9180 section 7.1.2); draws 32 bytes.
pub(super) fn make_slot_key(rng: &mut dyn CryptoRng) -> Secret<32> {
    Secret::init_with(|key: &mut [u8; 32]| {
        rng.fill_bytes(key);
        let [first, .., last] = key;
        *first &= 0xf8;
        *last = (*last & 0x7f) | 0x40;
    })
}

/// The public key of a slot key.
pub(super) fn public_key(slot_sk: &Secret<32>) -> Result<Vec<u8>, VaultError> {
    Ok(X25519HkdfSha256::sk_to_pk(&private_key(slot_sk)?).to_bytes().to_vec())
}

fn private_key(slot_sk: &Secret<32>) -> Result<<X25519HkdfSha256 as Kem>::PrivateKey, VaultError> {
    <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(slot_sk.expose()).map_err(|_| SEAL)
}

/// What a seal is bound to.
pub(super) struct SealContext<'a> {
    pub(super) vault_id: &'a VaultId,
    pub(super) key_gen: u64,
    pub(super) vrk_commit: &'a [u8; 32],
}

impl SealContext<'_> {
    /// L("vrk") || C\[vault_id, suite].
    fn info(&self, suite: Suite) -> Vec<u8> {
        let mut info = Writer::new();
        info.raw(&label("vrk")).array(2).bytes(&self.vault_id.0).unsigned(suite.number());
        info.finish()
    }

    /// C\[slot_id, slot_gen, key_gen, vrk_commit, h(slot_pk)].
    fn aad(&self, slot: &EnabledSlot) -> Vec<u8> {
        let mut aad = Writer::new();
        aad.array(5).bytes(&slot.slot_id.0).unsigned(slot.slot_gen).unsigned(self.key_gen);
        aad.bytes(self.vrk_commit).bytes(&sha256(&slot.slot_pk));
        aad.finish()
    }

    /// Seals the vault root key to a slot; draws 32 bytes, the input of DeriveKeyPair for the ephemeral key.
    pub(super) fn seal(
        &self,
        slot: &EnabledSlot,
        sak: &Secret<32>,
        vault_key: &Secret<32>,
        rng: &mut dyn CryptoRng,
    ) -> Result<Seal, VaultError> {
        require_suite(slot.suite)?;
        let recipient = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&slot.slot_pk).map_err(|_| SEAL)?;
        let mode = OpModeS::Psk(psk(sak, &slot.slot_id)?);
        let (info, aad) = (self.info(slot.suite), self.aad(slot));
        let mut rng = rng;
        let (enc, ciphertext) = single_shot_seal_with_rng::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &mode,
            &recipient,
            &info,
            vault_key.expose(),
            &aad,
            &mut rng,
        )
        .map_err(|_| SEAL)?;
        Ok(Seal { enc: enc.to_bytes().to_vec(), ciphertext })
    }

    /// Opens a slot's seal.
    pub(super) fn open(
        &self,
        slot: &EnabledSlot,
        slot_sk: &Secret<32>,
        sak: &Secret<32>,
    ) -> Result<Secret<32>, VaultError> {
        require_suite(slot.suite)?;
        let enc = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(&slot.seal.enc).map_err(|_| SEAL)?;
        let opened = single_shot_open::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Psk(psk(sak, &slot.slot_id)?),
            &private_key(slot_sk)?,
            &enc,
            &self.info(slot.suite),
            &slot.seal.ciphertext,
            &self.aad(slot),
        );
        let vault_key = SecretBytes::new(opened.map_err(|_| SEAL)?);
        Secret::from_slice(vault_key.expose()).ok_or(SEAL)
    }
}

fn psk<'a>(sak: &'a Secret<32>, slot_id: &'a SlotId) -> Result<PskBundle<'a>, VaultError> {
    PskBundle::new(sak.expose(), &slot_id.0).map_err(|_| SEAL)
}

/// Refuses what this build cannot seal or open.
pub(super) fn require_suite(suite: Suite) -> Result<(), VaultError> {
    match suite {
        Suite::X25519 => Ok(()),
        Suite::XWing => Err(VaultError::Unsupported("suite 2 (X-Wing)")),
    }
}
