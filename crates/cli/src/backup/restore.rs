//! `countersign backup restore`.

use std::path::PathBuf;

use clap::Args;
use countersign::backup::{Destination, OpenBackup, RestoreReport, restore};
use countersign_host::fastest_provider;
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    item_json, note, reasons_json, reasons_text, say_progress,
    secret::{BackupSecretArgs, read},
};
use crate::{
    failure::Failure,
    outcome::Outcome,
    places::{Places, VaultStore},
    text::count,
    vault::{NewVault, WayArgs, create_with, open},
};

const AFTER_HELP: &str = "\
Examples:
  countersign backup restore vault.backup --dir new     onto an empty machine: makes the vault there
  countersign backup restore vault.backup               into the vault that is there
  countersign backup restore vault.backup --backup-code-file words.txt --code-file code.txt --json

On an empty machine the new vault has keys of its own and a new recovery code, shown once; the
backup's secret does not open it. In a vault that is there, what it has stays, and nothing is
replaced or deleted. Each item is tried out first and goes in whole or not at all, and all of it
is one write: cut at any moment, the vault is as before, or has everything. The backup stays as
it is.

Exit code 1 and a report: something was refused; the rest is restored.";

/// Put what a backup has into the vault, or make a vault of it
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct RestoreArgs {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    secret: BackupSecretArgs,
    #[command(flatten)]
    way: WayArgs,
}

/// A vault with what was restored.
struct Restored {
    store: VaultStore,
    report: RestoreReport,
    /// Of a vault that was made.
    recovery_code: Option<Zeroizing<String>>,
}

pub(super) fn run(places: &Places, arguments: RestoreArgs) -> Result<Outcome, Failure> {
    let file = read(&arguments.file)?;
    let backup = arguments.secret.open(places, &file)?;
    let mut restored = if places.vault_file().symlink_metadata().is_ok() {
        into_vault(places, &backup, arguments.way)?
    } else {
        onto_nothing(places, &backup)?
    };
    let tried = if restored.recovery_code.is_none() && restored.report.refused.is_empty() {
        note::tried(&mut restored.store, &file, true)?
    } else {
        false
    };
    Ok(report(places, &arguments.file.display().to_string(), &restored, tried))
}

fn into_vault(places: &Places, backup: &OpenBackup<'_>, way: WayArgs) -> Result<Restored, Failure> {
    let (mut open, _) = open(places, way)?;
    let (provider, say) = (fastest_provider(), say_progress(places.printer, "Restoring"));
    let report = open.store.change(|draft, items, rng| {
        let to = Destination { items, provider: provider.as_ref(), own_accounts: &[] };
        restore(backup, draft, &to, rng, say)
    })?;
    Ok(Restored { store: open.store, report, recovery_code: None })
}

/// A new vault that a new recovery code opens, made and filled in one write.
fn onto_nothing(places: &Places, backup: &OpenBackup<'_>) -> Result<Restored, Failure> {
    let (provider, say) = (fastest_provider(), say_progress(places.printer, "Restoring"));
    let (NewVault { store, recovery_code }, report) = create_with(places, |draft, file, rng| {
        let to = Destination { items: file, provider: provider.as_ref(), own_accounts: &[] };
        Ok(restore(backup, draft, &to, rng, say)?)
    })?;
    Ok(Restored { store, report, recovery_code: Some(recovery_code) })
}

fn report(places: &Places, path: &str, restored: &Restored, tried: bool) -> Outcome {
    let (report, vault) = (&restored.report, restored.store.vault());
    let passkeys = report.restored.iter().filter(|item| item.passkey.is_some()).count();
    let others = report.restored.len() - passkeys;
    let mut text = format!(
        "Restored {}, {} from {path} into {} vault {} in {}.",
        count(passkeys, "passkey"),
        count(others, "other item"),
        if restored.recovery_code.is_some() { "the new" } else { "the" },
        vault.vault_id(),
        places.vault_file().display(),
    );
    if let Some(code) = &restored.recovery_code {
        text.push_str(&format!(
            "\n\n  Recovery code: {}\n\n\
             It is shown this once and opens everything: write it down, and keep it apart from this machine.",
            **code,
        ));
    }
    if !report.already_there.is_empty() {
        text.push_str(&format!("\nThere already: {}.", count(report.already_there.len(), "item")));
    }
    if !report.refused.is_empty() {
        text.push_str(&format!("\nNot restored:{}", reasons_text(&report.refused)));
    }
    let json = json!({
        "path": path,
        "vaultId": vault.vault_id().to_string(),
        "made": restored.recovery_code.is_some(),
        "recoveryCode": restored.recovery_code.as_ref().map(|code| code.as_str()),
        "restored": report.restored.iter().map(item_json).collect::<Vec<_>>(),
        "alreadyThere": report.already_there.iter().map(item_json).collect::<Vec<_>>(),
        "refused": reasons_json(&report.refused),
        "noted": tried,
    });
    Outcome::Verdict { text, json, passed: report.refused.is_empty() }
}
