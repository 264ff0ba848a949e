//! Items and their rows (vault-format.md, "Bytes": Item, Row, item key, item body), and the boxes that every ciphertext
//! stands in.

use alloc::vec::Vec;
use core::ops::RangeInclusive;

use rand_core::CryptoRng;

use super::{
    error::VaultError,
    fields::{Fields, POSITIVE, parse},
    ids::{ItemId, VaultId},
    keys::{self, RootKey},
};
use crate::{
    cbor::Writer,
    crypto::{aead_open, aead_seal, sha256},
    secret::{Secret, SecretBytes},
};

/// The largest item ciphertext, in bytes.
pub(super) const MAX_ITEM_CIPHERTEXT: usize = 16 * 1024 * 1024;
const ITEM_CIPHERTEXT: RangeInclusive<usize> = 80..=MAX_ITEM_CIPHERTEXT;
const PADDING_BLOCK: usize = 64;

/// What an item is: a number of the format below 64, or the host's.
pub mod item_type {
    /// A passkey: an encoded `CredentialRecord`.
    pub const PASSKEY: u64 = 1;
    /// The lineage of backups.
    pub const BACKUP_LINEAGE: u64 = 2;
    /// The authenticator's state record.
    pub const AUTHENTICATOR_STATE: u64 = 3;
    /// What was done for the vault's upkeep: backups, kits, reviews.
    pub const UPKEEP: u64 = 4;
    /// The first type that is the host's; those below are the format's.
    pub const FIRST_OF_HOST: u64 = 64;
}

/// One line of the index: which version of an item belongs to a state of the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The item.
    pub item_id: ItemId,
    /// Its version; 1 for a new item.
    pub version: u64,
    /// SHA-256 of the bytes of the item.
    pub hash: [u8; 32],
}

impl Row {
    pub(super) fn read(item: crate::cbor::Item<'_>) -> Result<Self, VaultError> {
        let malformed = VaultError::Malformed("index row");
        let mut elements = item.array().filter(|elements| elements.announced() == 3).ok_or(malformed)?;
        let mut next = || elements.next().ok_or(malformed);
        let item_id = next()?.bytes().and_then(|id| id.try_into().ok()).ok_or(malformed)?;
        let version = next()?.unsigned().filter(|version| POSITIVE.contains(version)).ok_or(malformed)?;
        let hash = next()?.bytes().and_then(|hash| hash.try_into().ok()).ok_or(malformed)?;
        Ok(Self { item_id: ItemId(item_id), version, hash })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.array(3).bytes(&self.item_id.0).unsigned(self.version).bytes(&self.hash);
    }
}

/// A nonce and a ciphertext with its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sealed {
    nonce: [u8; 12],
    ciphertext: Vec<u8>,
}

impl Sealed {
    /// In a slot of a draft, until the draft is finished.
    pub(super) const EMPTY: Self = Self { nonce: [0; 12], ciphertext: Vec::new() };

    /// Encrypts under a fresh nonce; draws 12 bytes.
    pub(super) fn seal(
        key: &Secret<32>,
        plaintext: &[u8],
        aad: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, VaultError> {
        let mut nonce = [0; 12];
        rng.fill_bytes(&mut nonce);
        let ciphertext = aead_seal(key, &nonce, plaintext, aad).map_err(|_| VaultError::TooLarge)?;
        Ok(Self { nonce, ciphertext })
    }

    /// Decrypts; `what` names the ciphertext in the error.
    pub(super) fn open(
        &self,
        key: &Secret<32>,
        aad: &[u8],
        what: &'static str,
    ) -> Result<SecretBytes, VaultError> {
        aead_open(key, &self.nonce, &self.ciphertext, aad).map_err(|_| VaultError::Tampered(what))
    }

    pub(super) fn read(
        item: crate::cbor::Item<'_>,
        lengths: RangeInclusive<usize>,
        what: &'static str,
    ) -> Result<Self, VaultError> {
        let fields = Fields::of(item, &[1, 2], what)?;
        Ok(Self { nonce: fields.array(1)?, ciphertext: fields.bytes(2, lengths)?.to_vec() })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.map(2).unsigned(1).bytes(&self.nonce).unsigned(2).bytes(&self.ciphertext);
    }
}

/// One version of an item, as it is stored.
pub(super) struct StoredItem {
    pub(super) item_id: ItemId,
    pub(super) version: u64,
    pub(super) item_type: u64,
    pub(super) wrapped_key: Sealed,
    pub(super) body: Sealed,
}

impl StoredItem {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, VaultError> {
        Self::read(parse(bytes)?)
    }

    pub(super) fn read(item: crate::cbor::Item<'_>) -> Result<Self, VaultError> {
        let fields = Fields::of(item, &[1, 2, 3, 4, 5], "item")?;
        Ok(Self {
            item_id: ItemId(fields.array(1)?),
            version: fields.number(2, POSITIVE)?,
            item_type: fields.number(3, POSITIVE)?,
            wrapped_key: Sealed::read(fields.item(4)?, 48..=48, "item key")?,
            body: Sealed::read(fields.item(5)?, ITEM_CIPHERTEXT, "item body")?,
        })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(self.body.ciphertext.len().saturating_add(160));
        writer.map(5).unsigned(1).bytes(&self.item_id.0).unsigned(2).unsigned(self.version);
        writer.unsigned(3).unsigned(self.item_type).unsigned(4);
        self.wrapped_key.write(&mut writer);
        writer.unsigned(5);
        self.body.write(&mut writer);
        writer.finish()
    }

    /// The row that names exactly these bytes.
    pub(super) fn row(&self, bytes: &[u8]) -> Row {
        Row { item_id: self.item_id, version: self.version, hash: sha256(bytes) }
    }

    /// The content key of this version.
    pub(super) fn content_key(&self, root: &RootKey, key_gen: u64) -> Result<Secret<32>, VaultError> {
        let kek = root.item_kek(&self.item_id, self.version);
        let aad = key_aad(root.vault_id(), &self.item_id, self.version, self.item_type, key_gen);
        let key = self.wrapped_key.open(&kek, &aad, "item key")?;
        Secret::from_slice(key.expose()).ok_or(VaultError::Tampered("item key"))
    }

    /// The contents.
    pub(super) fn plaintext(
        &self,
        vault: &VaultId,
        content_key: &Secret<32>,
    ) -> Result<SecretBytes, VaultError> {
        let aad = body_aad(vault, &self.item_id, self.version, self.item_type);
        unpad(self.body.open(content_key, &aad, "item body")?)
    }
}

/// An item version on its way into a write: its body is sealed, its content key not yet wrapped.
pub(super) struct UnwrappedItem {
    pub(super) item_id: ItemId,
    pub(super) version: u64,
    pub(super) item_type: u64,
    pub(super) content_key: Secret<32>,
    pub(super) body: Sealed,
}

impl UnwrappedItem {
    /// Seals a new version; draws the content key (32) and the nonce of the body (12).
    pub(super) fn seal(
        vault: &VaultId,
        (item_id, version, item_type): (ItemId, u64, u64),
        plaintext: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, VaultError> {
        let padded = pad(plaintext);
        if padded.expose().len() > MAX_ITEM_CIPHERTEXT.saturating_sub(16) {
            return Err(VaultError::TooLarge);
        }
        let content_key = Secret::make_random(rng);
        let aad = body_aad(vault, &item_id, version, item_type);
        let body = Sealed::seal(&content_key, padded.expose(), &aad, rng)?;
        Ok(Self { item_id, version, item_type, content_key, body })
    }

    /// Wraps the content key; draws its nonce (12).
    pub(super) fn wrap(
        self,
        root: &RootKey,
        key_gen: u64,
        rng: &mut dyn CryptoRng,
    ) -> Result<StoredItem, VaultError> {
        let Self { item_id, version, item_type, content_key, body } = self;
        let kek = root.item_kek(&item_id, version);
        let aad = key_aad(root.vault_id(), &item_id, version, item_type, key_gen);
        let wrapped_key = Sealed::seal(&kek, content_key.expose(), &aad, rng)?;
        Ok(StoredItem { item_id, version, item_type, wrapped_key, body })
    }
}

fn key_aad(vault: &VaultId, id: &ItemId, version: u64, item_type: u64, key_gen: u64) -> Vec<u8> {
    let mut aad = keys::aad("item-key", 6, vault);
    aad.bytes(&id.0).unsigned(version).unsigned(item_type).unsigned(key_gen);
    aad.finish()
}

fn body_aad(vault: &VaultId, id: &ItemId, version: u64, item_type: u64) -> Vec<u8> {
    let mut aad = keys::aad("item", 5, vault);
    aad.bytes(&id.0).unsigned(version).unsigned(item_type);
    aad.finish()
}

/// x || 80 || zero bytes up to the next multiple of 64 (ISO 7816-4).
pub(super) fn pad(plaintext: &[u8]) -> SecretBytes {
    let length = plaintext.len().saturating_add(1).next_multiple_of(PADDING_BLOCK);
    let mut padded = Vec::with_capacity(length);
    padded.extend_from_slice(plaintext);
    padded.push(0x80);
    padded.resize(length, 0);
    SecretBytes::new(padded)
}

/// What was padded; anything but the padding of [`pad`] is malformed. The padding was authenticated before, and its
/// length is not secret from who has the key.
pub(super) fn unpad(padded: SecretBytes) -> Result<SecretBytes, VaultError> {
    let bytes = padded.expose();
    let marker = bytes.iter().rposition(|byte| *byte != 0);
    let length = marker.filter(|marker| bytes.get(*marker) == Some(&0x80));
    let length =
        length.filter(|length| bytes.len() == length.saturating_add(1).next_multiple_of(PADDING_BLOCK));
    let plaintext = length.and_then(|length| bytes.get(..length)).ok_or(VaultError::Malformed("padding"))?;
    Ok(SecretBytes::new(plaintext.to_vec()))
}
