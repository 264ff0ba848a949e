//! Making a backup with somebody there.

use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

use rand_core::CryptoRng;

use super::{
    contents::{Contents, ItemName, LeftOut},
    file::BackupFile,
    lineage::{Covered, Kept, keep},
};
use crate::{
    secret::Secret,
    time::{Moment, UnixTime},
    vault::{
        Administration, BackupInfo, Base, Draft, Envelope, ItemId, ItemSource, OpenItem, Policy, Reauth,
        Vault, VaultError, VaultId, VaultStorage,
    },
};

/// A backup in the making. It is a vault that does not exist yet ([`Administration`]), and has all that goes in already:
/// enrol its recipients, then finish it.
pub struct Export {
    backup: Administration<'static>,
    taken: Taken,
}

/// What became of the items of a vault.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExportReport {
    /// How many passkeys went in.
    pub passkeys: u64,
    /// How many items of the host's went in.
    pub host_items: u64,
    /// What was left out, and why.
    pub left_out: Vec<(ItemName, LeftOut)>,
}

/// A finished backup.
pub struct Exported {
    file: BackupFile,
    kept: Kept,
    taken: Taken,
}

/// What was taken in from a vault.
pub(super) struct Taken {
    source: (VaultId, Base),
    policy: Option<Policy>,
    report: ExportReport,
    pub(super) covered: Vec<Covered>,
    /// The passkeys that did not say yet that they are backed up.
    newly_backed_up: Vec<ItemId>,
}

impl Export {
    /// Starts a backup of a live vault, with keys of its own, and takes in what may leave.
    ///
    /// The kinds of recipients are bound by the vault's policy ([`Policy::no_fallback`], [`Policy::allowed_kinds`]),
    /// and their suite by its floor. Draws the backup's vault_id (16), its root key (32), then for each item that goes
    /// in, ascending by identifier, as [`Draft::change_item`].
    ///
    /// [`VaultError::ReauthNeeded`]: the proof is of another vault, or too old. [`VaultError::Tampered`]: an item is missing
    /// or altered. [`VaultError::InvalidInput`]: it is a backup.
    pub fn new(
        vault: &Vault,
        (proof, now): (&Reauth, Moment),
        items: &dyn ItemSource,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, VaultError> {
        vault.administer(proof, now)?;
        let mut backup = Administration::new_vault(VaultId::make(rng), None, rng)?;
        backup.raise_floor(vault.floor())?;
        let taken = Taken::from(vault, items, &mut backup, rng)?;
        Ok(Self { backup, taken })
    }

    /// What went in and what did not.
    pub fn report(&self) -> &ExportReport {
        &self.taken.report
    }

    /// Finishes the backup. Draws as [`Draft::finish`]. [`VaultError::LastSlot`]: it has no recipient;
    /// [`VaultError::PolicyViolation`]: it has one that the vault's policy forbids; [`VaultError::TooLarge`].
    pub fn finish(self, time: UnixTime, rng: &mut dyn CryptoRng) -> Result<Exported, VaultError> {
        self.taken.finish(self.backup, time, rng)
    }
}

impl Deref for Export {
    type Target = Administration<'static>;

    fn deref(&self) -> &Self::Target {
        &self.backup
    }
}

impl DerefMut for Export {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.backup
    }
}

impl Exported {
    /// The file, to be written where its owner says.
    pub fn file(&self) -> &BackupFile {
        &self.file
    }

    /// What went in and what did not.
    pub fn report(&self) -> &ExportReport {
        &self.taken.report
    }

    /// Lets the live vault know of the backup, once the file is where it belongs: remembers how to make the next one
    /// unattended and what was in this one, and says of each passkey in it that it is backed up (BS).
    ///
    /// For each passkey that did not say so, and then for the lineage, draws as [`Draft::change_item`] or
    /// [`Draft::add_item`]. [`VaultError::StaleWrite`]: the vault has changed since the backup was made; make another one.
    pub fn keep(
        &self,
        draft: &mut Draft<'_>,
        storage: &dyn VaultStorage,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), VaultError> {
        let vault = draft.vault().filter(|vault| (vault.vault_id(), vault.base()) == self.taken.source);
        let vault = vault.ok_or(VaultError::StaleWrite)?;
        for id in &self.taken.newly_backed_up {
            let mut item = open(vault, storage, id)?;
            mark_backed_up(&mut item)?;
            draft.change_item(id, item.item_type, item.plaintext.expose(), rng)?;
        }
        keep(&self.kept, &self.taken.covered, draft, (vault, storage), rng)
    }
}

impl Taken {
    /// Takes into a backup what may leave a vault.
    pub(super) fn from(
        vault: &Vault,
        items: &dyn ItemSource,
        backup: &mut Draft<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, VaultError> {
        if vault.backup().is_some() {
            return Err(VaultError::InvalidInput("a backup of a backup"));
        }
        let mut taken = Self {
            source: (vault.vault_id(), vault.base()),
            policy: vault.policy().and_then(kinds_of_recipients),
            report: ExportReport::default(),
            covered: Vec::new(),
            newly_backed_up: Vec::new(),
        };
        for row in vault.rows() {
            taken.item(row.item_id, open(vault, items, &row.item_id)?, backup, rng)?;
        }
        Ok(taken)
    }

    fn item(
        &mut self,
        id: ItemId,
        mut item: OpenItem,
        backup: &mut Draft<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), VaultError> {
        let count = match Contents::of(&item) {
            Ok(Contents::Passkey(record)) => {
                if !record.credential.backup.backed_up() {
                    mark_backed_up(&mut item)?;
                    self.newly_backed_up.push(id);
                }
                &mut self.report.passkeys
            }
            Ok(Contents::OfHost) => &mut self.report.host_items,
            Err(why) => {
                self.report.left_out.push((ItemName::of(id, &item), why));
                return Ok(());
            }
        };
        *count = count.saturating_add(1);
        self.covered.push(Covered::new(&id, item.version));
        backup.place_item((id, item.version, item.item_type), item.plaintext.expose(), rng)
    }

    pub(super) fn finish(
        self,
        mut backup: Administration<'_>,
        time: UnixTime,
        rng: &mut dyn CryptoRng,
    ) -> Result<Exported, VaultError> {
        let (source_vault, base) = self.source;
        let info = BackupInfo {
            created: time.0,
            source_vault,
            source_epoch: base.epoch,
            item_count: self.report.passkeys.saturating_add(self.report.host_items),
            exchange_format: false,
        };
        backup.describe_backup(info, self.policy.clone());
        let prepared = backup.finish(time, rng)?;
        let kept = Kept {
            manifest: prepared.write().manifest.clone(),
            key: Secret::init_with(|key| key.copy_from_slice(prepared.root_secret().expose())),
        };
        Ok(Exported { file: BackupFile::new(Envelope::of_write(prepared.write())?), kept, taken: self })
    }
}

/// What a vault's policy says about who opens it holds for its backups; how many there must be does not.
fn kinds_of_recipients(policy: &Policy) -> Option<Policy> {
    let Policy { no_fallback, allowed_kinds, .. } = policy.clone();
    (no_fallback || allowed_kinds.is_some()).then(|| Policy {
        no_fallback,
        allowed_kinds,
        ..Policy::default()
    })
}

pub(super) fn open(vault: &Vault, items: &dyn ItemSource, id: &ItemId) -> Result<OpenItem, VaultError> {
    let bytes = items.item(id)?.ok_or(VaultError::Tampered("item missing"))?;
    vault.open_item(id, &bytes)
}

/// The next version of a passkey, with BS set.
fn mark_backed_up(item: &mut OpenItem) -> Result<(), VaultError> {
    let unfit = VaultError::InvalidInput("a passkey that may not be backed up");
    let Ok(Contents::Passkey(mut record)) = Contents::of(item) else { return Err(unfit) };
    record.credential.set_backed_up(true).map_err(|_| unfit)?;
    item.plaintext = record.encode();
    item.version = item.version.checked_add(1).ok_or(VaultError::TooLarge)?;
    Ok(())
}
