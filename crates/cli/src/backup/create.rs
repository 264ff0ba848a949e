//! `countersign backup create`.

use std::path::PathBuf;

use clap::Args;
use countersign::{
    backup::{Export, Exported, Lineage},
    crypto::OsRng,
    vault::{PassphraseCost, RecoveryCode, SlotPrivate},
};
use countersign_host::{HostError, SecretSource, SecretText, backup_file};
use serde_json::json;
use zeroize::Zeroizing;

use super::{note, reasons_json, reasons_text};
use crate::{
    failure::Failure,
    outcome::Outcome,
    places::{Places, VaultStore, today},
    secrets,
    text::count,
    vault::{WayArgs, open},
};

const AFTER_HELP: &str = "\
Examples:
  countersign backup create vault.backup                            asks for a passphrase, twice
  countersign backup create vault.backup --backup-recovery-code     shows a code, once
  countersign backup create vault.backup --backup-passphrase-file words.txt --code-file code.txt
  countersign backup create \"$(date +%F).backup\" --unattended --code-file code.txt

The file is new (0600); one that is there is left alone. The passphrase and the code are the
backup's own, and may both be given: each opens it. --unattended makes the next backup for whom
the last one was made for, so that a scheduled job needs none of their secrets, only what opens
the vault. Passkeys that go in say from then on that they are backed up (BS). Those that are
bound to their device stay, and are named.

Exit code 1 and a report: the backup is good, but the vault could not take note of it.";

const RECIPIENT_NEEDED: &str = "the backup's passphrase is needed, and there is no terminal to ask on; pass \
                                --backup-passphrase-file, --backup-passphrase-fd, --backup-recovery-code or \
                                --unattended";

/// Make a backup file
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct CreateArgs {
    /// The new file
    file: PathBuf,
    /// Read the backup's new passphrase from a file that only you can read
    #[arg(long, value_name = "FILE", conflicts_with = "backup_passphrase_fd")]
    backup_passphrase_file: Option<PathBuf>,
    /// Read the backup's new passphrase from an open descriptor, one line
    #[arg(long, value_name = "N")]
    backup_passphrase_fd: Option<u32>,
    /// Let a new recovery code open the backup; it is shown once
    #[arg(long)]
    backup_recovery_code: bool,
    /// Make it for whom the last one was made for
    #[arg(long, conflicts_with_all = ["backup_passphrase_file", "backup_passphrase_fd", "backup_recovery_code"])]
    unattended: bool,
    /// Where it will be kept and by whom, to be noted in the vault, encrypted
    #[arg(long, value_name = "TEXT")]
    place: Option<String>,
    #[command(flatten)]
    way: WayArgs,
}

/// A backup that was made, and the code that opens it.
struct Made {
    exported: Exported,
    recovery_code: Option<Zeroizing<String>>,
}

pub(super) fn run(places: &Places, arguments: CreateArgs) -> Result<Outcome, Failure> {
    let path = arguments.file;
    if path.symlink_metadata().is_ok() {
        return Err(HostError::AlreadyExists(path).into());
    }
    let (mut open, _) = open(places, arguments.way)?;
    let made = if arguments.unattended {
        Made { exported: again(places, &open.store)?, recovery_code: None }
    } else {
        let source = secrets::source(arguments.backup_passphrase_file, arguments.backup_passphrase_fd);
        attended(places, &open.store, source, arguments.backup_recovery_code)?
    };
    backup_file::write_new(&path, made.exported.file())?;
    let kept = open.store.change(|draft, storage, rng| made.exported.keep(draft, storage, rng));
    let kept = kept.and_then(|()| note::made(&mut open.store, made.exported.file(), arguments.place));
    Ok(report(&path.display().to_string(), &made, kept.map_err(|error| places.explain(error.into())).err()))
}

/// For the recipients of the last backup.
fn again(places: &Places, store: &VaultStore) -> Result<Exported, Failure> {
    let lineage = Lineage::load(store.vault(), store.storage())?.ok_or_else(|| {
        Failure::not_found("no-recipients", "no backup was made before, so nobody is known to make it for")
            .hint("make the first one without --unattended")
    })?;
    let when = (places.now(), today());
    Ok(lineage.export(store.vault(), store.storage(), when, &mut OsRng::default())?)
}

/// For recipients that are named now.
fn attended(
    places: &Places,
    store: &VaultStore,
    source: Option<SecretSource>,
    with_code: bool,
) -> Result<Made, Failure> {
    let passphrase = match source {
        Some(source) => Some(new_passphrase(Some(source))?),
        None if with_code => None,
        None => Some(new_passphrase(None)?),
    };
    // The wait at the prompt does not count: the vault was opened for this very command.
    let proof = (&store.vault().opening_proof(), places.now());
    let mut rng = OsRng::default();
    let mut export = Export::new(store.vault(), proof, store.storage(), &mut rng)?;
    let private =
        |label: &str| SlotPrivate { label: label.to_owned(), created: today().0, ..SlotPrivate::default() };
    if let Some(text) = passphrase {
        places.printer.working("Sealing to the passphrase (Argon2id) ...");
        let cost = PassphraseCost::default();
        export.set_passphrase_policy(&secrets::LongEnough);
        export.enrol_passphrase(text.expose(), cost, private("backup's passphrase"), &mut rng)?;
    }
    let recovery_code = with_code.then(|| RecoveryCode::make(&mut rng));
    if let Some(code) = &recovery_code {
        export.enrol_recovery_code(code, private("backup's recovery code"), &mut rng)?;
    }
    let recovery_code = recovery_code.map(|code| code.to_text(&export.vault_id()));
    Ok(Made { exported: export.finish(today(), &mut rng)?, recovery_code })
}

fn new_passphrase(source: Option<SecretSource>) -> Result<SecretText, Failure> {
    secrets::read_new(source, "New passphrase of the backup", RECIPIENT_NEEDED)
}

fn report(path: &str, made: &Made, not_kept: Option<Failure>) -> Outcome {
    let (file, report) = (made.exported.file(), made.exported.report());
    let passkeys = usize::try_from(report.passkeys).unwrap_or(usize::MAX);
    let host_items = usize::try_from(report.host_items).unwrap_or(usize::MAX);
    let mut text = format!(
        "Made the backup {} in {path}: {}, {}.",
        file.backup_id(),
        count(passkeys, "passkey"),
        count(host_items, "other item"),
    );
    if let Some(code) = &made.recovery_code {
        text.push_str(&format!(
            "\n\n  Recovery code of the backup: {}\n\n\
             It is shown this once: write it down, and keep it apart from the backup.",
            **code,
        ));
    }
    let stayed: Vec<_> = report.left_out.iter().filter(|(item, _)| item.passkey.is_some()).collect();
    if !stayed.is_empty() {
        text.push_str(&format!("\nNot in it:{}", reasons_text(stayed.iter().copied())));
    }
    if let Some(failure) = &not_kept {
        text.push_str(&format!("\nThe backup is good, but the vault could not take note of it: {failure}"));
    }
    text.push_str(&format!("\nNext: countersign backup verify {path}"));
    let json = json!({
        "backupId": file.backup_id().to_string(),
        "path": path,
        "passkeys": report.passkeys,
        "items": report.host_items,
        "leftOut": reasons_json(&report.left_out),
        "recoveryCode": made.recovery_code.as_ref().map(|code| code.as_str()),
        "noted": not_kept.is_none(),
    });
    Outcome::Verdict { text, json, passed: not_kept.is_none() }
}
