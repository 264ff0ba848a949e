//! `countersign vault export` and `import`: the vault as one envelope, as encrypted as it is.

use std::path::{Path, PathBuf};

use clap::Args;
use countersign::vault::{Envelope, VaultError};
use countersign_host::{HostError, VaultFile, envelope_file};
use serde_json::{Value, json};

use super::open::envelope;
use crate::{
    failure::{Exit, Failure},
    outcome::Outcome,
    places::Places,
    text::count,
};

const EXPORT_HELP: &str = "\
Examples:
  countersign vault export vault.envelope
  countersign vault export copy/vault.envelope --json

The envelope (docs/vault-format.md) has the whole vault: slots and items, as encrypted as they
are, so no secret is needed, and whatever opens the vault opens the copy. Nothing is verified.
The file is new (0600); one that is there is left alone. It is a copy, not yet a backup with
checks and a recovery kit: those come later.";

const IMPORT_HELP: &str = "\
Examples:
  countersign vault import vault.envelope
  countersign vault import vault.envelope --dir elsewhere --json

Makes DIR/vault from an envelope. Only its form is checked, and no secret is needed: whether it
was altered or is older than what this machine has seen, opening it tells (countersign vault
unlock). A vault that is there is left alone.";

/// Copy the vault, encrypted as it is, to a file
#[derive(Args)]
#[command(after_help = EXPORT_HELP)]
pub(crate) struct ExportArgs {
    /// The new file
    file: PathBuf,
}

/// Make the vault from a file that export has written
#[derive(Args)]
#[command(after_help = IMPORT_HELP)]
pub(crate) struct ImportArgs {
    /// The envelope
    file: PathBuf,
}

pub(super) fn export(places: &Places, arguments: &ExportArgs) -> Result<Outcome, Failure> {
    let vault = places.open_vault_file()?;
    let envelope = envelope(&vault, places)?;
    envelope_file::export_new(&vault, &arguments.file)?;
    let text = format!(
        "Copied the vault {} to {}, as encrypted as it is ({}).",
        envelope.vault_id(),
        arguments.file.display(),
        state(&envelope),
    );
    Ok(Outcome::Report { text, json: report(&envelope, &arguments.file) })
}

pub(super) fn import(places: &Places, arguments: &ImportArgs) -> Result<Outcome, Failure> {
    let (file, envelope) = (places.vault_file(), read(&arguments.file)?);
    VaultFile::import(&file, &envelope).map_err(|error| match error {
        HostError::AlreadyExists(_) => Failure::from(error).hint("pass another --dir"),
        other => other.into(),
    })?;
    let text = format!(
        "Made the vault {} in {} ({}).\nNothing is verified yet. Next: countersign vault unlock",
        envelope.vault_id(),
        file.display(),
        state(&envelope),
    );
    Ok(Outcome::Report { text, json: report(&envelope, &file) })
}

fn read(path: &Path) -> Result<Envelope, Failure> {
    envelope_file::read(path).map_err(|error| match error {
        HostError::Vault(VaultError::Malformed(what)) => {
            let message = format!("{}: this is not an envelope of a vault: {what}", path.display());
            Failure::new(Exit::Tampered, "malformed", message).hint("vault export writes such files")
        }
        other => other.into(),
    })
}

fn state(envelope: &Envelope) -> String {
    let items = count(envelope.rows().count(), "item");
    format!("epoch {}, key generation {}, {items}", envelope.epoch(), envelope.key_gen())
}

fn report(envelope: &Envelope, path: &Path) -> Value {
    json!({
        "vaultId": envelope.vault_id().to_string(),
        "path": path.display().to_string(),
        "epoch": envelope.epoch(),
        "keyGeneration": envelope.key_gen(),
        "items": envelope.rows().count(),
    })
}
