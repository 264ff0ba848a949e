//! `countersign vault`: an encrypted vault that a recovery code or a passkey opens.

mod enroll;
mod envelope;
mod init;
mod items;
mod open;
mod rotate;
mod status;

use clap::{Args, Subcommand};

use crate::{failure::Failure, outcome::Outcome, places::Places};

pub(crate) use {
    enroll::passkey_private,
    init::{NewVault, create},
    open::{OpenVault, WayArgs, freshness_name, kind_name, open, open_by_passkey, passkey_origin},
};

/// The RP ID of the passkeys that open vaults here, where no option says otherwise. `.example` is nobody's (RFC 2606),
/// so no site can ever ask for these passkeys; the quickstart's bundled options name the same.
pub(crate) const DEFAULT_RP_ID: &str = "vault.example";

const AFTER_HELP: &str = "\
Examples:
  countersign vault init                              make the vault; shows its recovery code, once
  countersign vault enroll --code-file code.txt       let a passkey of the key open it
  countersign vault put note.txt note.txt             store a file
  countersign vault get note.txt                      print it
  countersign vault rotate --code-file code.txt       a new vault key, without the authenticator

What opens the vault: the recovery code, if --code-file, --code-fd or --code is given; else a
passkey of DIR/key; else the recovery code at a prompt. A passkey is used only if its RP ID is
the one of --rp-id (vault.example). The vault is DIR/vault. If you hand that to a storage, keep
what was last seen of it from the storage (countersign --help: Files).";

/// An encrypted vault that a recovery code or a passkey opens
#[derive(Args)]
#[command(after_help = AFTER_HELP, arg_required_else_help = true)]
pub(crate) struct VaultNoun {
    #[command(subcommand)]
    pub(crate) verb: VaultVerb,
}

/// What can be done with a vault.
#[derive(Subcommand)]
pub(crate) enum VaultVerb {
    Init(init::InitArgs),
    Status(status::StatusArgs),
    Enroll(enroll::EnrollArgs),
    Unlock(open::UnlockArgs),
    Put(items::PutArgs),
    Get(items::GetArgs),
    List(items::ListArgs),
    Rotate(rotate::RotateArgs),
    Export(envelope::ExportArgs),
    Import(envelope::ImportArgs),
}

/// Carries one out.
pub(crate) fn run(places: &Places, verb: VaultVerb) -> Result<Outcome, Failure> {
    match verb {
        VaultVerb::Init(arguments) => init::run(places, arguments),
        VaultVerb::Status(arguments) => status::run(places, arguments),
        VaultVerb::Enroll(arguments) => enroll::run(places, arguments),
        VaultVerb::Unlock(arguments) => open::run(places, arguments),
        VaultVerb::Put(arguments) => items::put(places, arguments),
        VaultVerb::Get(arguments) => items::get(places, arguments),
        VaultVerb::List(arguments) => items::list(places, arguments),
        VaultVerb::Rotate(arguments) => rotate::run(places, arguments),
        VaultVerb::Export(arguments) => envelope::export(places, &arguments),
        VaultVerb::Import(arguments) => envelope::import(places, &arguments),
    }
}
