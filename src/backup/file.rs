//! The backup file: { 0: "countersign/v1/backup", 1: bstr .cbor Envelope }.

use alloc::vec::Vec;

use crate::{
    cbor::{Item, Profile, Writer},
    vault::{
        BackupInfo, Envelope, ItemId, OpenItem, Opening, Row, SlotId, SlotSecret, SlotView, Vault,
        VaultError, VaultId,
    },
};

const NAME: &str = "countersign/v1/backup";
/// What every version of the format begins with, after the head of the map: key 0, a text of 21 bytes.
const HEAD: &[u8] = b"\x00\x75countersign/v";

/// A backup file, read. Its form was checked and nothing else: nobody has vouched for its contents until
/// [`BackupFile::open`] succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupFile {
    envelope: Envelope,
}

impl BackupFile {
    pub(super) fn new(envelope: Envelope) -> Self {
        Self { envelope }
    }

    /// Reads a file. How long it may be is the host's to say before it calls.
    ///
    /// [`VaultError::Malformed`]: it is no backup file, or it is one that was cut short or damaged; the text says which.
    /// [`VaultError::Unsupported`]: of a later version.
    pub fn decode(bytes: &[u8]) -> Result<Self, VaultError> {
        let damaged = VaultError::Malformed(if bytes.get(1..).is_some_and(|bytes| bytes.starts_with(HEAD)) {
            "a backup file that was cut short or damaged"
        } else {
            "not a backup file"
        });
        let entries = Item::parse(bytes, Profile::VAULT).ok().and_then(|item| item.map()).ok_or(damaged)?;
        let name = entries.at(0).and_then(|name| name.text()).ok_or(damaged)?;
        if name != NAME {
            let of_another_version = name.starts_with("countersign/v") && name.ends_with("/backup");
            return Err(if of_another_version {
                VaultError::Unsupported("a backup file of another version")
            } else {
                damaged
            });
        }
        let envelope = entries.at(1).and_then(|envelope| envelope.bytes());
        let envelope = envelope.filter(|_| entries.announced() == 2).ok_or(damaged)?;
        let envelope = Envelope::decode(envelope)?;
        if !envelope.is_whole() {
            return Err(VaultError::Malformed("a backup without its items"));
        }
        Ok(Self { envelope })
    }

    /// The bytes; those that were read, for a file that was.
    pub fn encode(&self) -> Vec<u8> {
        let envelope = self.envelope.encode();
        let mut writer = Writer::with_capacity(envelope.len().saturating_add(64));
        writer.map(2).unsigned(0).text(NAME).unsigned(1).bytes(&envelope);
        writer.finish()
    }

    /// The identifier of the backup, which it shares with the unattended backups made from it.
    pub fn backup_id(&self) -> VaultId {
        self.envelope.vault_id()
    }

    /// What it says about itself, before anybody vouched for it. None: it holds a live vault and will not open.
    pub fn info(&self) -> Option<&BackupInfo> {
        self.envelope.backup()
    }

    /// Its slots, as the file presents them: whom it was made for.
    pub fn slots(&self) -> impl Iterator<Item = SlotView<'_>> {
        self.envelope.slots()
    }

    /// How many items it has.
    pub fn item_count(&self) -> usize {
        self.envelope.rows().count()
    }

    /// Opens it through one of its slots. `opening.backup` is taken as set. A memory makes older backups of one line a
    /// [`VaultError::Rollback`]; without one, any of them may be restored.
    ///
    /// Errors: as [`Envelope::open`], of which [`VaultError::PolicyViolation`] says that it is a live vault;
    /// [`VaultError::Unsupported`]: its items are in the exchange format; [`VaultError::Malformed`]: it does not have as
    /// many items as it says.
    pub fn open(
        &self,
        slot_id: &SlotId,
        secret: &SlotSecret<'_>,
        opening: Opening<'_>,
    ) -> Result<OpenBackup<'_>, VaultError> {
        let (vault, _) = self.envelope.open(slot_id, secret, Opening { backup: true, ..opening })?;
        let info = *vault.backup().ok_or(VaultError::PolicyViolation("this is no backup"))?;
        if info.exchange_format {
            return Err(VaultError::Unsupported("a backup in the exchange format"));
        }
        if u64::try_from(vault.item_count()) != Ok(info.item_count) {
            return Err(VaultError::Malformed("the number of items of a backup"));
        }
        Ok(OpenBackup { file: self, vault, info })
    }
}

/// An open backup: authentic as a whole, and readable. It cannot be changed, and does not open as a vault.
pub struct OpenBackup<'f> {
    file: &'f BackupFile,
    vault: Vault,
    info: BackupInfo,
}

impl OpenBackup<'_> {
    /// When and of what it was made.
    pub fn info(&self) -> &BackupInfo {
        &self.info
    }

    /// The identifier of the backup.
    pub fn backup_id(&self) -> VaultId {
        self.vault.vault_id()
    }

    /// The slots: whom it was made for. Their private parts are [`OpenBackup::vault`]'s.
    pub fn slots(&self) -> impl Iterator<Item = SlotView<'_>> {
        self.vault.slots()
    }

    /// The backup as a vault that nobody can write.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Decrypts an item. [`VaultError::NotFound`], [`VaultError::Tampered`].
    pub fn open_item(&self, id: &ItemId) -> Result<OpenItem, VaultError> {
        let found = self.items().find(|(row, _)| row.item_id == *id);
        self.vault.open_item(id, found.ok_or(VaultError::NotFound)?.1)
    }

    /// Its items, ascending by identifier.
    pub(super) fn items(&self) -> impl Iterator<Item = (Row, &[u8])> {
        self.file.envelope.items()
    }
}
