//! When the next backup is due.

use super::lineage::Changes;
use crate::time::UnixTime;

/// How often a vault is to be backed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupSchedule {
    /// How old, in seconds, the last backup may grow while something has changed.
    pub every: u64,
    /// How many changes are too many to wait for that.
    pub most_changes: Option<u64>,
}

impl BackupSchedule {
    /// Once a week, and never mind how much has changed.
    pub const WEEKLY: Self = Self { every: 7 * 86_400, most_changes: None };
}

impl Default for BackupSchedule {
    fn default() -> Self {
        Self::WEEKLY
    }
}

/// Whether a backup is due, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupDue {
    /// Nothing has changed since the last one, or there is nothing yet to back up.
    NothingNew,
    /// Something has changed, and there is time until then.
    At(UnixTime),
    /// There is no backup.
    NeverMade,
    /// The last one has grown too old.
    TooOld,
    /// Too much has changed.
    TooManyChanges,
}

impl BackupDue {
    /// Whether it is due now.
    pub fn is_due(self) -> bool {
        matches!(self, Self::NeverMade | Self::TooOld | Self::TooManyChanges)
    }
}

/// Says whether a backup is due at `now`, by the date of the last one and by what has changed since
/// ([`changes_since`](super::changes_since)). A last one that was made in the future is too old: the clock was wrong then,
/// or is now.
pub fn backup_due(
    schedule: &BackupSchedule,
    last: Option<UnixTime>,
    changes: &Changes,
    now: UnixTime,
) -> BackupDue {
    if changes.total() == 0 {
        return BackupDue::NothingNew;
    }
    let Some(UnixTime(last)) = last else { return BackupDue::NeverMade };
    if schedule.most_changes.is_some_and(|most| changes.total() > most) {
        return BackupDue::TooManyChanges;
    }
    match now.0.checked_sub(last) {
        Some(age) if age < schedule.every => BackupDue::At(UnixTime(last.saturating_add(schedule.every))),
        _ => BackupDue::TooOld,
    }
}
