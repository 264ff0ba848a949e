//! What opens a backup.

use std::path::{Path, PathBuf};

use clap::Args;
use countersign::{
    backup::{BackupFile, OpenBackup},
    vault::{Opening, RecoveryCode, SlotId, SlotKind, SlotSecret, SlotStatus, VaultError},
};
use countersign_host::{HostError, SecretSource, SecretText, backup_file};

use crate::{
    failure::{Exit, Failure},
    places::Places,
    secrets,
};

/// Where the secret of a backup comes from, if not from a prompt.
#[derive(Args)]
pub(super) struct BackupSecretArgs {
    /// Read the backup's passphrase from a file that only you can read
    #[arg(long, value_name = "FILE", conflicts_with_all = ["backup_passphrase_fd", "backup_code_file", "backup_code_fd"])]
    backup_passphrase_file: Option<PathBuf>,
    /// Read the backup's passphrase from an open descriptor, one line
    #[arg(long, value_name = "N", conflicts_with_all = ["backup_code_file", "backup_code_fd"])]
    backup_passphrase_fd: Option<u32>,
    /// Read the backup's recovery code from a file that only you can read
    #[arg(long, value_name = "FILE", conflicts_with = "backup_code_fd")]
    backup_code_file: Option<PathBuf>,
    /// Read the backup's recovery code from an open descriptor, one line
    #[arg(long, value_name = "N")]
    backup_code_fd: Option<u32>,
}

/// Reads a backup; nobody has vouched for it.
pub(super) fn read(path: &Path) -> Result<BackupFile, Failure> {
    let file = backup_file::read(path).map_err(|error| match error {
        HostError::Vault(VaultError::Malformed(what)) => {
            let message = format!("{}: cannot be read as a backup: {what}", path.display());
            Failure::new(Exit::Tampered, "malformed", message)
        }
        HostError::Vault(VaultError::Unsupported(what)) => {
            Failure::failed("unsupported", format!("{}: {what}", path.display()))
        }
        other => other.into(),
    })?;
    if file.info().is_none() {
        let message = format!("{}: this is a vault dressed up as a backup", path.display());
        return Err(Failure::new(Exit::Tampered, "no-backup", message));
    }
    Ok(file)
}

/// What was brought.
enum Brought {
    Passphrase(SecretText),
    Code(RecoveryCode),
}

impl BackupSecretArgs {
    /// Opens a backup by what the arguments name or the person types. A secret does not say whose it is: each slot of its
    /// kind is tried.
    pub(super) fn open<'f>(self, places: &Places, file: &'f BackupFile) -> Result<OpenBackup<'f>, Failure> {
        let brought = self.bring(file)?;
        let (kind, secret) = match &brought {
            Brought::Passphrase(text) => {
                places.printer.working("Checking the passphrase (Argon2id) ...");
                (SlotKind::Passphrase, SlotSecret::Passphrase(text.expose()))
            }
            Brought::Code(code) => (SlotKind::RecoveryCode, SlotSecret::Code(code)),
        };
        for slot in slots_of(file, kind) {
            match file.open(&slot, &secret, Opening { now: places.now(), ..Opening::default() }) {
                Err(VaultError::WrongSecret) => {}
                Err(VaultError::Tampered(what)) => return Err(altered(what)),
                opened => return Ok(opened?),
            }
        }
        Err(wrong_secret())
    }

    fn bring(self, file: &BackupFile) -> Result<Brought, Failure> {
        let passphrase = secrets::source(self.backup_passphrase_file, self.backup_passphrase_fd);
        let code = secrets::source(self.backup_code_file, self.backup_code_fd);
        if let Some(source) = code {
            return self::code(file, &ask(Some(source), "Backup's recovery code")?);
        }
        if let Some(source) = passphrase {
            return Ok(Brought::Passphrase(ask(Some(source), "Backup's passphrase")?));
        }
        let by = |kind| !slots_of(file, kind).is_empty();
        match (by(SlotKind::Passphrase), by(SlotKind::RecoveryCode)) {
            (true, false) => Ok(Brought::Passphrase(ask(None, "Backup's passphrase")?)),
            (false, true) => code_of(file),
            (true, true) => {
                let text = ask(None, "Backup's passphrase or recovery code")?;
                // A passphrase that happens to be a code of this very backup: nobody has that.
                match RecoveryCode::parse(text.expose(), &file.backup_id()) {
                    Ok(code) => Ok(Brought::Code(code)),
                    Err(_) => Ok(Brought::Passphrase(text)),
                }
            }
            (false, false) => {
                let message = "the backup opens neither by a passphrase nor by a recovery code";
                Err(Failure::failed("unsupported", message))
            }
        }
    }
}

fn code_of(file: &BackupFile) -> Result<Brought, Failure> {
    code(file, &ask(None, "Backup's recovery code")?)
}

fn code(file: &BackupFile, text: &SecretText) -> Result<Brought, Failure> {
    Ok(Brought::Code(RecoveryCode::parse(text.expose(), &file.backup_id())?))
}

fn slots_of(file: &BackupFile, kind: SlotKind) -> Vec<SlotId> {
    let enabled = file.slots().filter(|slot| slot.kind() == kind && slot.status() == SlotStatus::Enabled);
    enabled.map(|slot| slot.slot_id()).collect()
}

fn altered(what: &str) -> Failure {
    let message = format!("the secret is right, but the backup was altered or is damaged: {what}");
    Failure::new(Exit::Tampered, "tampered", message).hint("try another copy of it")
}

fn wrong_secret() -> Failure {
    Failure::new(Exit::WrongSecret, "wrong-secret", "the secret is wrong, or the backup was altered")
}

const SECRET_NEEDED: &str = "the secret of the backup is needed, and there is no terminal to ask on; pass \
                             --backup-passphrase-file, --backup-code-file or the same with -fd";

fn ask(source: Option<SecretSource>, prompt: &str) -> Result<SecretText, Failure> {
    secrets::read(source, prompt, SECRET_NEEDED)
}
