//! The suites (vault-format.md, "Suites"): HPKE (RFC 9180) in mode_psk with HKDF-SHA256 and AES-256-GCM, over
//! DHKEM(X25519, HKDF-SHA256) or, with feature `pq`, X-Wing.

use alloc::vec::Vec;

#[cfg(feature = "pq")]
use hpke::kem::XWing;
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, PskBundle, Serializable, aead::AesGcm256, kdf::HkdfSha256,
    kem::X25519HkdfSha256, single_shot_open, single_shot_seal_with_rng,
};
use rand_core::CryptoRng;

use super::{
    draft::Draft,
    error::VaultError,
    ids::{SlotId, VaultId},
    keys::label,
    reauth::Administration,
    slot::{EnabledSlot, Seal, Suite},
};
use crate::{
    cbor::Writer,
    crypto::sha256,
    secret::{Secret, SecretBytes},
};

const SEAL: VaultError = VaultError::Tampered("sealed vault key");
#[cfg(not(feature = "pq"))]
const LACKING: VaultError = VaultError::Unsupported("suite 2 (X-Wing)");

impl Draft<'_> {
    /// Sets the suite of slots that are enrolled from here on, and to which a refresh from here on raises a slot of a lower
    /// one. Without it, that is the vault's floor. A rotation cannot raise a slot: only its owner can make its key.
    ///
    /// Errors: [`VaultError::Unsupported`] for [`Suite::XWing`] without feature `pq`; [`VaultError::PolicyViolation`] below
    /// the vault's floor.
    pub fn use_suite(&mut self, suite: Suite) -> Result<(), VaultError> {
        require_suite(suite)?;
        if suite.number() < self.manifest.floor {
            return Err(VaultError::PolicyViolation("a suite below the floor"));
        }
        self.suite = suite;
        Ok(())
    }
}

impl Administration<'_> {
    /// Raises the vault's floor: from then on it opens only while every enabled slot is of this suite or a higher one, so
    /// that nobody can lead it back. There is no way down. New slots are of this suite at least.
    ///
    /// Errors: [`VaultError::Unsupported`] for [`Suite::XWing`] without feature `pq`; [`VaultError::PolicyViolation`] below
    /// the floor, and by [`Draft::finish`] while a slot is below it; [`VaultError::Unchecked`].
    pub fn raise_floor(&mut self, floor: Suite) -> Result<(), VaultError> {
        self.require_checked()?;
        let suite = floor.max(self.suite);
        self.use_suite(floor)?;
        self.suite = suite;
        self.manifest.floor = floor.number();
        Ok(())
    }
}

/// A new slot key; draws 32 bytes. In suite 1 it is clamped as it is stored (RFC 9180 section 7.1.2), in suite 2 a seed.
pub(super) fn make_slot_key(suite: Suite, rng: &mut dyn CryptoRng) -> Secret<32> {
    Secret::init_with(|key: &mut [u8; 32]| {
        rng.fill_bytes(key);
        if suite == Suite::X25519 {
            let [first, .., last] = key;
            *first &= 0xf8;
            *last = (*last & 0x7f) | 0x40;
        }
    })
}

/// The public key of a slot key.
pub(super) fn public_key(suite: Suite, slot_sk: &Secret<32>) -> Result<Vec<u8>, VaultError> {
    match suite {
        Suite::X25519 => public_key_with::<X25519HkdfSha256>(slot_sk),
        #[cfg(feature = "pq")]
        Suite::XWing => public_key_with::<XWing>(slot_sk),
        #[cfg(not(feature = "pq"))]
        Suite::XWing => Err(LACKING),
    }
}

fn public_key_with<K: Kem>(slot_sk: &Secret<32>) -> Result<Vec<u8>, VaultError> {
    Ok(K::sk_to_pk(&private_key::<K>(slot_sk)?).to_bytes().to_vec())
}

fn private_key<K: Kem>(slot_sk: &Secret<32>) -> Result<K::PrivateKey, VaultError> {
    K::PrivateKey::from_bytes(slot_sk.expose()).map_err(|_| SEAL)
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

    /// Seals the vault root key to a slot. Draws, in suite 1, 32 bytes, the input of DeriveKeyPair for the ephemeral key; in
    /// suite 2, 64 bytes, the randomness of EncapsulateDerand.
    pub(super) fn seal(
        &self,
        slot: &EnabledSlot,
        sak: &Secret<32>,
        vault_key: &Secret<32>,
        rng: &mut dyn CryptoRng,
    ) -> Result<Seal, VaultError> {
        match slot.suite {
            Suite::X25519 => self.seal_with::<X25519HkdfSha256>(slot, sak, vault_key, rng),
            #[cfg(feature = "pq")]
            Suite::XWing => self.seal_with::<XWing>(slot, sak, vault_key, rng),
            #[cfg(not(feature = "pq"))]
            Suite::XWing => Err(LACKING),
        }
    }

    /// Opens a slot's seal.
    pub(super) fn open(
        &self,
        slot: &EnabledSlot,
        slot_sk: &Secret<32>,
        sak: &Secret<32>,
    ) -> Result<Secret<32>, VaultError> {
        match slot.suite {
            Suite::X25519 => self.open_with::<X25519HkdfSha256>(slot, slot_sk, sak),
            #[cfg(feature = "pq")]
            Suite::XWing => self.open_with::<XWing>(slot, slot_sk, sak),
            #[cfg(not(feature = "pq"))]
            Suite::XWing => Err(LACKING),
        }
    }

    /// mode_psk and no other: `hpke`'s X-Wing panics in the modes with a sender's key.
    fn seal_with<K: Kem>(
        &self,
        slot: &EnabledSlot,
        sak: &Secret<32>,
        vault_key: &Secret<32>,
        mut rng: &mut dyn CryptoRng,
    ) -> Result<Seal, VaultError> {
        let recipient = K::PublicKey::from_bytes(&slot.slot_pk).map_err(|_| SEAL)?;
        let (enc, ciphertext) = single_shot_seal_with_rng::<AesGcm256, HkdfSha256, K>(
            &OpModeS::Psk(psk(sak, &slot.slot_id)?),
            &recipient,
            &self.info(slot.suite),
            vault_key.expose(),
            &self.aad(slot),
            &mut rng,
        )
        .map_err(|_| SEAL)?;
        Ok(Seal { enc: enc.to_bytes().to_vec(), ciphertext })
    }

    fn open_with<K: Kem>(
        &self,
        slot: &EnabledSlot,
        slot_sk: &Secret<32>,
        sak: &Secret<32>,
    ) -> Result<Secret<32>, VaultError> {
        let enc = K::EncappedKey::from_bytes(&slot.seal.enc).map_err(|_| SEAL)?;
        let opened = single_shot_open::<AesGcm256, HkdfSha256, K>(
            &OpModeR::Psk(psk(sak, &slot.slot_id)?),
            &private_key::<K>(slot_sk)?,
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
        #[cfg(feature = "pq")]
        Suite::XWing => Ok(()),
        #[cfg(not(feature = "pq"))]
        Suite::XWing => Err(LACKING),
    }
}
