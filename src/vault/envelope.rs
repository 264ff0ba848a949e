//! The envelope: a vault as it travels, whole or as an index (vault-format.md, "Bytes").

use alloc::{vec, vec::Vec};

use super::{
    error::VaultError,
    fields::{Fields, parse},
    ids::{SlotId, VaultId},
    item::{Row, StoredItem},
    manifest::{BackupInfo, MAX_ITEMS, Manifest, Policy, ascending, read_list},
    memory::Freshness,
    open::{self, Opening},
    share::ShareSet,
    slot::{EnabledSlot, PrfSaltMode, Slot, SlotKind, SlotStatus, Suite, Unlock},
    slot_key::{SlotSecret, prf_input},
    storage::{StoredVault, VaultStorage, Write},
    vault::Vault,
};
use crate::cbor::Writer;

/// A decoded envelope. Its form was checked and nothing else: nobody has vouched for its contents until
/// [`Envelope::open`] succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub(super) manifest: Manifest,
    pub(super) manifest_bytes: Vec<u8>,
    pub(super) mac: [u8; 32],
    contents: Contents,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Contents {
    Whole(Vec<(Row, Vec<u8>)>),
    Index(Vec<Row>),
}

impl Envelope {
    /// Reads the whole form or the index form. Refused: [`VaultError::Malformed`], [`VaultError::Unsupported`]. How large
    /// an envelope may be is the host's to say before it calls.
    pub fn decode(bytes: &[u8]) -> Result<Self, VaultError> {
        let item = parse(bytes)?;
        // The manifest before the rest: an envelope of another version may have other keys.
        let manifest_bytes =
            item.map().and_then(|entries| entries.at(1)).and_then(|manifest| manifest.bytes());
        let manifest_bytes = manifest_bytes.ok_or(VaultError::Malformed("no manifest"))?;
        let manifest = Manifest::decode(manifest_bytes)?;
        let fields = Fields::of(item, &[1, 2, 3, 4], "envelope")?;
        let contents = match (fields.optional(3), fields.optional(4)) {
            (Some(items), None) => Contents::Whole(read_list(items, 0, MAX_ITEMS, read_item)?),
            (None, Some(rows)) => Contents::Index(read_list(rows, 0, MAX_ITEMS, Row::read)?),
            _ => return Err(VaultError::Malformed("items or index: exactly one of them")),
        };
        let envelope =
            Self { manifest, manifest_bytes: manifest_bytes.to_vec(), mac: fields.array(2)?, contents };
        if !ascending(&envelope.rows().collect::<Vec<_>>(), |row| row.item_id) {
            return Err(VaultError::Malformed("items out of order"));
        }
        Ok(envelope)
    }

    /// Puts the index form together from the parts that a storage keeps.
    pub fn from_stored(stored: StoredVault) -> Result<Self, VaultError> {
        let StoredVault { manifest: manifest_bytes, mac, mut rows } = stored;
        rows.sort_unstable_by_key(|row| row.item_id);
        if rows.len() > MAX_ITEMS || !ascending(&rows, |row| row.item_id) {
            return Err(VaultError::Malformed("index"));
        }
        let manifest = Manifest::decode(&manifest_bytes)?;
        Ok(Self { manifest, manifest_bytes, mac, contents: Contents::Index(rows) })
    }

    /// The parts that a storage keeps, without the items.
    pub fn to_stored(&self) -> StoredVault {
        StoredVault { manifest: self.manifest_bytes.clone(), mac: self.mac, rows: self.rows().collect() }
    }

    /// The whole form of what a storage holds; none where it holds no vault. [`VaultError::Tampered`]: an item is missing
    /// or is not the one that its row names.
    pub fn export(storage: &dyn VaultStorage) -> Result<Option<Self>, VaultError> {
        let Some(stored) = storage.parts()? else { return Ok(None) };
        let mut envelope = Self::from_stored(stored)?;
        let whole: Result<Vec<_>, VaultError> = envelope
            .rows()
            .map(|row| {
                let bytes = storage.item(&row.item_id)?.ok_or(VaultError::Tampered("item missing"))?;
                let stored = StoredItem::decode(&bytes)?;
                if stored.row(&bytes) == row { Ok((row, bytes)) } else { Err(VaultError::Tampered("item")) }
            })
            .collect();
        envelope.contents = Contents::Whole(whole?);
        Ok(Some(envelope))
    }

    /// The whole form of a write that names every item there is.
    pub(crate) fn of_write(write: &Write) -> Result<Self, VaultError> {
        let manifest = Manifest::decode(&write.manifest)?;
        let items = write.put.iter().map(|put| (put.row, put.bytes.clone())).collect();
        let contents = Contents::Whole(items);
        Ok(Self { manifest, manifest_bytes: write.manifest.clone(), mac: write.mac, contents })
    }

    /// Whether it has its items with it.
    pub fn is_whole(&self) -> bool {
        matches!(self.contents, Contents::Whole(_))
    }

    /// The bytes, in the form that was read.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(self.manifest_bytes.len().saturating_add(1024));
        writer.map(3).unsigned(1).bytes(&self.manifest_bytes).unsigned(2).bytes(&self.mac);
        match &self.contents {
            Contents::Whole(items) => {
                writer.unsigned(3).array(items.len());
                for (_, bytes) in items {
                    writer.raw(bytes);
                }
            }
            Contents::Index(rows) => {
                writer.unsigned(4).array(rows.len());
                rows.iter().for_each(|row| row.write(&mut writer));
            }
        }
        writer.finish()
    }

    /// The vault it says to be.
    pub fn vault_id(&self) -> VaultId {
        self.manifest.vault_id
    }

    /// The number of its state; each write adds one.
    pub fn epoch(&self) -> u64 {
        self.manifest.epoch
    }

    /// The number of its vault root key; each rotation adds one.
    pub fn key_gen(&self) -> u64 {
        self.manifest.key_gen
    }

    /// What it says about itself as a backup; none for a live vault.
    pub fn backup(&self) -> Option<&BackupInfo> {
        self.manifest.backup.as_ref()
    }

    /// The policy it carries.
    pub fn policy(&self) -> Option<&Policy> {
        self.manifest.policy.as_ref()
    }

    /// Its slots, as the storage presents them.
    pub fn slots(&self) -> impl Iterator<Item = SlotView<'_>> {
        self.manifest.slots.iter().map(|slot| SlotView { vault_id: &self.manifest.vault_id, slot })
    }

    /// The enabled passkey slot of the credential that answered an assertion.
    pub fn slot_of_credential(&self, credential_id: &[u8]) -> Option<SlotView<'_>> {
        self.slots().find(|slot| slot.credential_id() == Some(credential_id))
    }

    /// The rows, ascending by item.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        let (whole, index): (&[(Row, Vec<u8>)], &[Row]) = match &self.contents {
            Contents::Whole(items) => (items, &[]),
            Contents::Index(rows) => (&[], rows),
        };
        whole.iter().map(|(row, _)| *row).chain(index.iter().copied())
    }

    /// The items with their rows; none in the index form.
    pub fn items(&self) -> impl Iterator<Item = (Row, &[u8])> {
        let items: &[(Row, Vec<u8>)] = match &self.contents {
            Contents::Whole(items) => items,
            Contents::Index(_) => &[],
        };
        items.iter().map(|(row, bytes)| (*row, bytes.as_slice()))
    }

    /// Opens the vault through one of its slots, in the order of vault-format.md, "Opening".
    ///
    /// Errors, first one first: [`VaultError::Tampered`] for another vault than expected;
    /// [`VaultError::WrongSecret`] when the slot is not enabled or the secret is not its secret;
    /// [`VaultError::PolicyViolation`] for Argon2 parameters out of bounds; [`VaultError::Unsupported`] for suite 2
    /// without feature `pq` and for costs above the host's ceiling; [`VaultError::Tampered`] for whatever does not fit together behind the
    /// right secret; [`VaultError::PolicyViolation`] for a backup in place of a vault (or the reverse), a suite below
    /// the floor, or slots that break the vault's policy; [`VaultError::Rollback`] and [`VaultError::Fork`] by memory.
    /// The memory is written last, and only if all of that went well.
    pub fn open(
        &self,
        slot_id: &SlotId,
        secret: &SlotSecret<'_>,
        opening: Opening<'_>,
    ) -> Result<(Vault, Freshness), VaultError> {
        open::open(self, slot_id, secret, opening)
    }
}

fn read_item(item: crate::cbor::Item<'_>) -> Result<(Row, Vec<u8>), VaultError> {
    let row = StoredItem::read(item)?.row(item.raw());
    Ok((row, item.raw().to_vec()))
}

/// A slot as the storage presents it; nothing of it is authenticated before the vault is open.
#[derive(Clone, Copy)]
pub struct SlotView<'a> {
    vault_id: &'a VaultId,
    slot: &'a Slot,
}

/// The transports of a passkey, as bits.
const TRANSPORTS: [&str; 6] = ["usb", "nfc", "ble", "hybrid", "internal", "smart-card"];

impl<'a> SlotView<'a> {
    pub(super) fn new(vault_id: &'a VaultId, slot: &'a Slot) -> Self {
        Self { vault_id, slot }
    }

    /// Its identifier.
    pub fn slot_id(&self) -> SlotId {
        self.slot.slot_id()
    }

    /// What opens it.
    pub fn kind(&self) -> SlotKind {
        self.slot.kind()
    }

    /// What it can do.
    pub fn status(&self) -> SlotStatus {
        self.slot.status()
    }

    /// The suite of an enabled slot.
    pub fn suite(&self) -> Option<Suite> {
        self.slot.enabled().map(|slot| slot.suite)
    }

    /// How often its keys were made.
    pub fn slot_gen(&self) -> u64 {
        self.slot.slot_gen()
    }

    /// The key generation in which its keys were made, of an enabled slot. Lower than the vault's: a refresh is due.
    pub fn born(&self) -> Option<u64> {
        self.slot.enabled().map(|slot| slot.born)
    }

    /// The RP ID of an enabled passkey slot. It must be one that the host itself named before an assertion is asked
    /// for: the storage could have put any other here.
    pub fn rp_id(&self) -> Option<&'a str> {
        self.passkey().map(|passkey| passkey.rp_id.as_str())
    }

    /// The credential ID of an enabled passkey slot.
    pub fn credential_id(&self) -> Option<&'a [u8]> {
        self.passkey().map(|passkey| passkey.credential_id.as_slice())
    }

    /// Whether a passkey slot asks for an extra PIN.
    pub fn wants_pin(&self) -> bool {
        self.passkey().is_some_and(|passkey| passkey.pin.is_some())
    }

    /// The set of shares that opens an enabled slot.
    pub fn share_set(&self) -> Option<ShareSet> {
        match self.slot.enabled()?.unlock {
            Unlock::Shares(set) => Some(set),
            _ => None,
        }
    }

    /// The salt of an enabled passkey slot's PRF input, with its mode.
    pub fn salt(&self) -> Option<PrfSaltMode> {
        self.passkey().map(|passkey| passkey.salt)
    }

    /// The PRF input of an enabled passkey slot, for `eval.first` or `evalByCredential`.
    pub fn prf_input(&self) -> Option<Vec<u8>> {
        self.passkey().map(|passkey| prf_input(self.vault_id, &passkey.salt))
    }

    /// The transports of an enabled passkey slot, by their WebAuthn names.
    pub fn transports(&self) -> Vec<&'static str> {
        let Some(bits) = self.slot.enabled().and_then(|slot| slot.transports) else { return vec![] };
        let present = |index: u32| bits.checked_shr(index).is_some_and(|shifted| shifted & 1 == 1);
        TRANSPORTS.iter().zip(0u32..).filter(|(_, index)| present(*index)).map(|(name, _)| *name).collect()
    }

    fn passkey(&self) -> Option<&'a super::slot::PasskeyUnlock> {
        self.slot.enabled().and_then(|slot: &'a EnabledSlot| slot.unlock.passkey())
    }
}

/// The bits of transports by their WebAuthn names; names that the format has not are left out. None: no bit is set.
pub(super) fn transport_bits(names: &[&str]) -> Option<u8> {
    let bits = TRANSPORTS.iter().zip(0u32..).filter(|(name, _)| names.contains(name));
    let bits = bits.fold(0u8, |bits, (_, index)| bits | 1u8.checked_shl(index).unwrap_or(0));
    (bits != 0).then_some(bits)
}
