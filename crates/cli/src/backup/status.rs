//! `countersign backup status`.

use clap::Args;
use countersign::{
    backup::{BackupDue, BackupSchedule, Changes, Lineage, backup_due, changes_since},
    time::UnixTime,
    upkeep::{BackupNote, UpkeepRecord},
};
use serde_json::{Value, json};

use crate::{
    date::rfc3339,
    failure::Failure,
    outcome::Outcome,
    places::{Places, today},
    text::{count, printable},
    vault::{WayArgs, open},
};

const AFTER_HELP: &str = "\
Examples:
  countersign backup status
  countersign backup status --every 1 --most-changes 10 --code-file code.txt
  countersign backup status --code-file code.txt > /dev/null || countersign backup create ...

Opens the vault and says when its last backup was made, for whom, and what has changed since: only
what would go into the next one counts.

Exit code 0: no backup is due. Exit code 1 and a report: one is due.";

const DAY: u64 = 86_400;

/// Say what has changed since the last backup, and whether one is due
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct StatusArgs {
    /// How many days old the last backup may grow while something has changed
    #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=36_500))]
    every: u64,
    /// How many changes are too many to wait for that
    #[arg(long, value_name = "N")]
    most_changes: Option<u64>,
    #[command(flatten)]
    way: WayArgs,
}

pub(super) fn run(places: &Places, arguments: StatusArgs) -> Result<Outcome, Failure> {
    let (open, _) = open(places, arguments.way)?;
    let (vault, storage) = (open.store.vault(), open.store.storage());
    let lineage = Lineage::load(vault, storage)?;
    let changes = changes_since(lineage.as_ref(), vault, storage)?;
    let schedule = BackupSchedule { every: arguments.every * DAY, most_changes: arguments.most_changes };
    let last = lineage.as_ref().map(|lineage| UnixTime(lineage.info().created));
    let due = backup_due(&schedule, last, &changes, today());
    let notes = UpkeepRecord::load(&open.store)?.backups;
    let text = text(lineage.as_ref(), &changes, due, &notes);
    Ok(Outcome::Verdict { text, json: json(lineage.as_ref(), &changes, due, &notes), passed: !due.is_due() })
}

fn due_text(due: BackupDue) -> String {
    match due {
        BackupDue::NothingNew => "nothing new: no backup is due".to_owned(),
        BackupDue::At(time) => format!("the next backup is due at {}", rfc3339(time)),
        BackupDue::NeverMade => "a backup is due: none was ever made".to_owned(),
        BackupDue::TooOld => "a backup is due: the last one is too old".to_owned(),
        BackupDue::TooManyChanges => "a backup is due: much has changed".to_owned(),
    }
}

fn due_name(due: BackupDue) -> &'static str {
    match due {
        BackupDue::NothingNew => "nothing-new",
        BackupDue::At(_) => "later",
        BackupDue::NeverMade => "never-made",
        BackupDue::TooOld => "too-old",
        BackupDue::TooManyChanges => "too-many-changes",
    }
}

/// Of a line of unattended backups, one is tried out now and then.
fn tried_text(at: UnixTime, created: UnixTime) -> String {
    let which = if at < created { "one before it was " } else { "" };
    format!("{which}tried out {}", rfc3339(at))
}

fn recipients(lineage: &Lineage) -> Vec<&'static str> {
    lineage.recipients().map(|slot| slot.kind().name()).collect()
}

fn text(lineage: Option<&Lineage>, changes: &Changes, due: BackupDue, notes: &[BackupNote]) -> String {
    let last = match lineage {
        Some(lineage) => format!(
            "Last backup: {}, {}, opened by {}",
            rfc3339(UnixTime(lineage.info().created)),
            count(usize::try_from(lineage.info().item_count).unwrap_or(usize::MAX), "item"),
            recipients(lineage).join(", "),
        ),
        None => "Last backup: none".to_owned(),
    };
    let Changes { added, changed, deleted } = changes;
    let mut text = format!(
        "{last}\nSince then: {added} added, {changed} changed, {deleted} deleted\nSo {}.",
        due_text(due)
    );
    for note in notes {
        let verified = note.verified.map_or("never tried out".to_owned(), |at| tried_text(at, note.created));
        let place = note.place.as_deref().map(|place| format!(", kept at: {}", printable(place)));
        let created = rfc3339(note.created);
        text.push_str(&format!(
            "\n  {}: {created}, {verified}{}",
            note.backup_vault,
            place.unwrap_or_default()
        ));
    }
    text
}

fn json(lineage: Option<&Lineage>, changes: &Changes, due: BackupDue, notes: &[BackupNote]) -> Value {
    let backups: Vec<Value> = notes
        .iter()
        .map(|note| {
            json!({
                "backupId": note.backup_vault.to_string(),
                "created": rfc3339(note.created),
                "items": note.items,
                "opensBy": note.opens_by.iter().map(|kind| kind.name()).collect::<Vec<_>>(),
                "verified": note.verified.map(rfc3339),
                "restored": note.restored.map(rfc3339),
                "place": note.place,
            })
        })
        .collect();
    json!({
        "last": lineage.map(|lineage| json!({
            "backupId": lineage.backup_id().to_string(),
            "created": rfc3339(UnixTime(lineage.info().created)),
            "items": lineage.info().item_count,
            "opensBy": recipients(lineage),
        })),
        "changes": { "added": changes.added, "changed": changes.changed, "deleted": changes.deleted },
        "due": due.is_due(),
        "why": due_name(due),
        "dueAt": match due { BackupDue::At(time) => Some(rfc3339(time)), _ => None },
        "backups": backups,
    })
}
