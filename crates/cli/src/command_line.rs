//! The command line: nouns and what is common to them. Each noun's verbs stand in the noun's own file.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, error::ErrorKind};

use crate::{
    backup::BackupNoun, check::CheckArgs, device::DeviceArgs, failure::Failure, key::KeyNoun, kit::KitNoun,
    outcome::Printer, quickstart::QuickstartArgs, vault::VaultNoun, vectors::VectorsNoun,
    webauthn::WebauthnNoun,
};

const AFTER_HELP: &str = "\
Examples:
  countersign quickstart                     the whole story in seconds, in a temporary directory
  countersign key init                       a software authenticator with a PIN
  countersign webauthn create --origin https://example.org options.json
  countersign vault init                     an encrypted vault with a recovery code
  countersign vault enroll                   let a passkey of the key open the vault
  countersign vault recover                  open it with every passkey lost, and make new ways in
  countersign backup create vault.backup     what is in the vault, under a passphrase of its own
  countersign backup status                  whether the next backup is due
  countersign kit print --html kit.html      the sheet of paper for an emergency
  countersign check                          how you could be locked out, and what to do about it
  countersign device --udp 127.0.0.1:8111    let programs on this machine use it as a security key
  countersign vectors run --udp HOST:PORT    try our conformance vectors on any authenticator

Exit codes:
  0  done
  1  the operation failed or was refused, wholly or in part; a backup is due or not sound
  2  usage: arguments or input that cannot be used
  3  declined, or nobody there to consent (no terminal and no --yes)
  4  wrong PIN, code or other secret
  5  not found
  6  altered, rolled back or forked
  7  in use by another process
  8  the disk failed or is full
  9  check: a warning
  10  check: critical

Files: DIR/key (the authenticator) and DIR/vault (the vault). DIR is --dir, else
COUNTERSIGN_DIR, else $XDG_DATA_HOME/countersign, else ~/.local/share/countersign. What was last
seen of vaults, by which an old copy is noticed, is in DIR/memory if --dir or COUNTERSIGN_DIR
names DIR, else in $XDG_STATE_HOME/countersign, else ~/.local/state/countersign. Whatever stores
or synchronises the vault must not be able to write there.

Secrets come from a prompt, a file or a descriptor, never from arguments. Prompts need standard
input and standard error to be a terminal.";

/// A software security key and a reference credential manager: passkeys whose PRF opens an encrypted vault.
#[derive(Parser)]
#[command(name = "countersign", version, after_help = AFTER_HELP, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args)]
pub(crate) struct Common {
    /// Where `key`, `vault` and `memory` are [default: see countersign --help]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// One JSON document on standard output; errors as JSON on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// The nouns.
#[derive(Subcommand)]
pub(crate) enum Command {
    Quickstart(QuickstartArgs),
    Key(KeyNoun),
    Webauthn(WebauthnNoun),
    Vault(VaultNoun),
    Backup(BackupNoun),
    Kit(KitNoun),
    Check(CheckArgs),
    Device(DeviceArgs),
    Vectors(VectorsNoun),
}

/// Reads the command line; help, version and mistakes are printed and end in their exit code.
pub(crate) fn parse() -> Result<CommandLine, ExitCode> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    CommandLine::try_parse_from(&arguments).map_err(|error| {
        let json = arguments.iter().any(|argument| argument == "--json");
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                // A reader that has gone needs no help.
                let _ = error.print();
                ExitCode::SUCCESS
            }
            _ if json => {
                let text = error.render().to_string();
                let reason = text.split("\n\n").next().unwrap_or_default();
                let reason = reason.trim().trim_start_matches("error: ");
                let failure = Failure::usage("usage", reason);
                Printer::new(true).print_failure(&failure);
                ExitCode::from(failure.exit as u8)
            }
            _ => {
                let _ = error.print();
                ExitCode::from(2)
            }
        }
    })
}
