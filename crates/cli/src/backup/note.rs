//! What the vault remembers of its backups ([`UpkeepRecord`]), for the readiness report.

use countersign::{
    backup::BackupFile,
    time::UnixTime,
    upkeep::{BackupNote, UpkeepRecord},
    vault::{BackupInfo, SlotKind, SlotStatus, VaultError},
};

use crate::places::{VaultStore, today};

/// Notes that a backup was made. Of the one before in its line stays where it is kept, and when it was tried out: that is
/// how the line's recipients are known to open it.
pub(super) fn made(
    store: &mut VaultStore,
    file: &BackupFile,
    place: Option<String>,
) -> Result<(), VaultError> {
    let Some(info) = file.info() else { return Ok(()) };
    let mut record = UpkeepRecord::load(store)?;
    let mut noted = note(file, info);
    if let Some(before) = record.backups.iter().find(|note| note.backup_vault == file.backup_id()) {
        (noted.verified, noted.restored) = (before.verified, before.restored);
        noted.place.clone_from(&before.place);
    }
    noted.place = place.or(noted.place);
    record.note_backup(noted);
    record.save(store)
}

/// Notes that a backup was tried out or restored today. Only of a backup of this vault; whether it was.
pub(super) fn tried(store: &mut VaultStore, file: &BackupFile, restored: bool) -> Result<bool, VaultError> {
    let info = file.info().filter(|info| info.source_vault == store.vault().vault_id());
    let Some(info) = info else { return Ok(false) };
    let mut record = UpkeepRecord::load(store)?;
    let known = record.backups.iter().find(|note| note.backup_vault == file.backup_id());
    let mut noted = match known {
        // A newer one of its line is noted; that this one was good says nothing of it.
        Some(known) if known.created != UnixTime(info.created) => return Ok(false),
        Some(known) => known.clone(),
        None => note(file, info),
    };
    noted.verified = Some(today());
    if restored {
        noted.restored = Some(today());
    }
    record.note_backup(noted);
    record.save(store)?;
    Ok(true)
}

fn note(file: &BackupFile, info: &BackupInfo) -> BackupNote {
    let mut opens_by: Vec<SlotKind> =
        file.slots().filter(|slot| slot.status() == SlotStatus::Enabled).map(|slot| slot.kind()).collect();
    opens_by.sort_unstable();
    opens_by.dedup();
    BackupNote {
        backup_vault: file.backup_id(),
        created: UnixTime(info.created),
        source_epoch: info.source_epoch,
        items: info.item_count,
        opens_by,
        verified: None,
        restored: None,
        place: None,
    }
}
