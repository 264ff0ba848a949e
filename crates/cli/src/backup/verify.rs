//! `countersign backup verify`.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use countersign::{
    backup::{ItemName, Verification, VerifyReport},
    time::UnixTime,
};
use countersign_host::fastest_provider;
use serde_json::{Value, json};

use super::{
    item_json, note, reasons_json, reasons_text, say_progress,
    secret::{BackupSecretArgs, read},
};
use crate::{
    date::rfc3339,
    failure::Failure,
    outcome::Outcome,
    places::Places,
    text::{count, printable},
    vault::{WayArgs, open},
};

const AFTER_HELP: &str = "\
Examples:
  countersign backup verify vault.backup                            asks for its secret
  countersign backup verify vault.backup --backup-passphrase-file words.txt --json
  countersign backup verify vault.backup --note --code-file code.txt

Decrypts everything, derives every public key, signs and verifies once with each passkey,
evaluates each PRF secret, compares the counts, and says what would be restored. Nothing is
changed, and no vault is needed. With --note the vault is opened, too, and remembers that the
backup was tried out today.

Exit code 1 and a report: something would not come back.";

/// Try a backup out, without changing anything
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct VerifyArgs {
    /// The backup
    file: PathBuf,
    /// Note in the vault that the backup was tried out
    #[arg(long)]
    note: bool,
    #[command(flatten)]
    secret: BackupSecretArgs,
    #[command(flatten)]
    way: WayArgs,
}

pub(super) fn run(places: &Places, arguments: VerifyArgs) -> Result<Outcome, Failure> {
    let file = read(&arguments.file)?;
    let backup = arguments.secret.open(places, &file)?;
    let provider = fastest_provider();
    let mut verification = Verification::new(&backup, provider.as_ref());
    let mut say = say_progress(places.printer, "Verifying");
    let mut sound: Vec<ItemName> = Vec::new();
    while let Some(check) = verification.next() {
        if check.outcome.is_ok() {
            sound.push(check.item);
        }
        say(verification.progress());
    }
    let report = verification.finish();
    let noted = if arguments.note && report.is_sound() {
        let (mut open, _) = open(places, arguments.way)?;
        note::tried(&mut open.store, &file, false)?
    } else {
        false
    };
    let path = arguments.file.display().to_string();
    let id = file.backup_id().to_string();
    let text = text(&path, &report, &sound, arguments.note.then_some(noted));
    Ok(Outcome::Verdict { text, json: json((&id, &path), &report, &sound, noted), passed: report.is_sound() })
}

fn text(path: &str, report: &VerifyReport, sound: &[ItemName], noted: Option<bool>) -> String {
    let info = &report.info;
    let mut text = format!(
        "{path}: {}.\nMade {} of the vault {} (epoch {}).\nWould come back: {}, {}.",
        if report.is_sound() {
            "the backup is sound"
        } else {
            "NOT everything in the backup would come back"
        },
        rfc3339(UnixTime(info.created)),
        info.source_vault,
        info.source_epoch,
        count(usize::try_from(report.passkeys).unwrap_or(usize::MAX), "passkey"),
        count(usize::try_from(report.host_items).unwrap_or(usize::MAX), "other item"),
    );
    let mut by_relying_party: BTreeMap<&str, usize> = BTreeMap::new();
    for passkey in sound.iter().filter_map(|item| item.passkey.as_ref()) {
        *by_relying_party.entry(passkey.rp_id.as_str()).or_default() += 1;
    }
    for (rp_id, number) in by_relying_party {
        text.push_str(&format!("\n  {}: {}", printable(rp_id), count(number, "passkey")));
    }
    if !report.faults.is_empty() {
        text.push_str(&format!("\nWould not:{}", reasons_text(&report.faults)));
    }
    match noted {
        Some(true) => text.push_str("\nThe vault has taken note."),
        Some(false) => text.push_str(
            "\nThe vault did not take note: it is not the last backup of this vault, or not sound.",
        ),
        None => {}
    }
    text
}

fn json((id, path): (&str, &str), report: &VerifyReport, sound: &[ItemName], noted: bool) -> Value {
    json!({
        "backupId": id,
        "path": path,
        "sound": report.is_sound(),
        "created": rfc3339(UnixTime(report.info.created)),
        "sourceVault": report.info.source_vault.to_string(),
        "sourceEpoch": report.info.source_epoch,
        "passkeys": report.passkeys,
        "items": report.host_items,
        "wouldRestore": sound.iter().map(item_json).collect::<Vec<_>>(),
        "faults": reasons_json(&report.faults),
        "noted": noted,
    })
}
