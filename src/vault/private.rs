//! The private part of a slot (vault-format.md, "Bytes": Private), encrypted under K_meta.

use alloc::{string::String, vec::Vec};

use rand_core::CryptoRng;

use super::{
    error::VaultError,
    fields::{ANY, Fields, MAX_NUMBER, parse},
    ids::{SlotId, VaultId},
    item::{Sealed, pad, unpad},
    keys,
};
use crate::{
    cbor::Writer,
    secret::{Secret, SecretBytes},
};

const MAX_PADDED: usize = 4096;

/// What the owner knows about a slot, and the storage does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SlotPrivate {
    /// What a person calls it.
    pub label: String,
    /// The RP ID, of an idle slot.
    pub rp_id: Option<String>,
    /// The credential ID, of an idle slot.
    pub credential_id: Option<Vec<u8>>,
    /// The passkey's public key (COSE_Key).
    pub public_key: Option<Vec<u8>>,
    /// The authenticator's AAGUID.
    pub aaguid: Option<[u8; 16]>,
    /// Whether the passkey may be backed up.
    pub backup_eligible: Option<bool>,
    /// Whether the passkey is backed up.
    pub backed_up: Option<bool>,
    /// When the slot was made (Unix seconds).
    pub created: u64,
    /// When it was last used (Unix seconds).
    pub last_used: Option<u64>,
    /// When it was last verified (Unix seconds).
    pub last_verified: Option<u64>,
    /// Anything else, in the owner's words.
    pub note: Option<String>,
}

impl SlotPrivate {
    /// Encrypts it; draws a nonce (12).
    pub(super) fn seal(
        &self,
        meta: &Secret<32>,
        place: &PrivatePlace<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<Sealed, VaultError> {
        let padded = pad(self.encode()?.expose());
        if padded.expose().len() > MAX_PADDED {
            return Err(VaultError::TooLarge);
        }
        Sealed::seal(meta, padded.expose(), &place.aad(), rng)
    }

    pub(super) fn open(
        sealed: &Sealed,
        meta: &Secret<32>,
        place: &PrivatePlace<'_>,
    ) -> Result<Self, VaultError> {
        Self::decode(unpad(sealed.open(meta, &place.aad(), "private part of a slot")?)?.expose())
    }

    fn decode(bytes: &[u8]) -> Result<Self, VaultError> {
        let fields =
            Fields::of(parse(bytes)?, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], "private part of a slot")?;
        let optional_bytes = |key| -> Result<Option<Vec<u8>>, VaultError> {
            fields.optional(key).map(|_| fields.bytes(key, 0..=MAX_PADDED).map(<[u8]>::to_vec)).transpose()
        };
        Ok(Self {
            label: fields.text(1)?.into(),
            rp_id: fields.optional_text(2)?,
            credential_id: optional_bytes(3)?,
            public_key: optional_bytes(4)?,
            aaguid: fields.optional(5).map(|_| fields.array(5)).transpose()?,
            backup_eligible: fields.optional_flag(6)?,
            backed_up: fields.optional_flag(7)?,
            created: fields.number(8, ANY)?,
            last_used: fields.optional_number(9, ANY)?,
            last_verified: fields.optional_number(10, ANY)?,
            note: fields.optional_text(11)?,
        })
    }

    fn encode(&self) -> Result<SecretBytes, VaultError> {
        let times = [Some(self.created), self.last_used, self.last_verified];
        if times.iter().flatten().any(|time| *time > MAX_NUMBER) {
            return Err(VaultError::InvalidInput("a time after the year 292 billion"));
        }
        // Keys 1 and 8 are always there.
        let present = [
            self.rp_id.is_some(),
            self.credential_id.is_some(),
            self.public_key.is_some(),
            self.aaguid.is_some(),
            self.backup_eligible.is_some(),
            self.backed_up.is_some(),
            self.last_used.is_some(),
            self.last_verified.is_some(),
            self.note.is_some(),
        ];
        let count = present.iter().filter(|present| **present).count().saturating_add(2);
        let mut writer = Writer::with_capacity(MAX_PADDED);
        writer.map(count).unsigned(1).text(&self.label);
        if let Some(id) = &self.rp_id {
            writer.unsigned(2).text(id);
        }
        if let Some(id) = &self.credential_id {
            writer.unsigned(3).bytes(id);
        }
        if let Some(key) = &self.public_key {
            writer.unsigned(4).bytes(key);
        }
        if let Some(aaguid) = &self.aaguid {
            writer.unsigned(5).bytes(aaguid);
        }
        if let Some(flag) = &self.backup_eligible {
            writer.unsigned(6).boolean(*flag);
        }
        if let Some(flag) = &self.backed_up {
            writer.unsigned(7).boolean(*flag);
        }
        writer.unsigned(8).unsigned(self.created);
        if let Some(time) = &self.last_used {
            writer.unsigned(9).unsigned(*time);
        }
        if let Some(time) = &self.last_verified {
            writer.unsigned(10).unsigned(*time);
        }
        if let Some(note) = &self.note {
            writer.unsigned(11).text(note);
        }
        Ok(SecretBytes::new(writer.finish()))
    }
}

/// Where a private part belongs: C\["countersign/v1/private", vault_id, slot_id, key_gen].
pub(super) struct PrivatePlace<'a> {
    pub(super) vault_id: &'a VaultId,
    pub(super) slot_id: &'a SlotId,
    pub(super) key_gen: u64,
}

impl PrivatePlace<'_> {
    fn aad(&self) -> Vec<u8> {
        let mut aad = keys::aad("private", 4, self.vault_id);
        aad.bytes(&self.slot_id.0).unsigned(self.key_gen);
        aad.finish()
    }
}
