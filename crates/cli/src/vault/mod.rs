//! `countersign vault`: an encrypted vault that passkeys, codes, passphrases and shares open.

mod enroll;
mod envelope;
mod init;
mod items;
mod new_slot;
mod open;
mod passkey;
mod recover;
mod refresh;
mod remove;
mod rotate;
mod slots;
mod status;
mod test;
mod way;

use clap::{Args, Subcommand};

use crate::{failure::Failure, outcome::Outcome, places::Places};

pub(crate) use {
    init::{NewVault, create, create_with},
    open::{OpenVault, freshness_name, open, open_by_passkey, passkey_origin},
    passkey::passkey_private,
    way::WayArgs,
};

/// The RP ID of the passkeys that open vaults here, where no option says otherwise. `.example` is nobody's (RFC 2606),
/// so no site can ever ask for these passkeys; the quickstart's bundled options name the same.
pub(crate) const DEFAULT_RP_ID: &str = "vault.example";

const AFTER_HELP: &str = "\
Examples:
  countersign vault init                              make the vault; shows its recovery code, once
  countersign vault enroll --code-file code.txt       let a passkey of the key open it
  countersign vault enroll --shares 2/3               or any two of three people
  countersign vault slots                             what opens it, when it was last used and tried out
  countersign vault put note.txt note.txt             store a file
  countersign vault get note.txt                      print it
  countersign vault rotate --code-file code.txt       a new vault key, without the authenticator
  countersign vault recover                           every passkey is lost

What opens the vault: what --code-file, --passphrase-file, --share-file (once for each share) or
the same with -fd bring; what --by asks for; else a passkey of DIR/key; else what the vault has,
codes first, at a prompt. A passkey is used only if its RP ID is the one of --rp-id
(vault.example). That a slot opened the vault is noted in it, once a day.

The vault is DIR/vault. If you hand that to a storage, keep what was last seen of it from the
storage (countersign --help: Files).";

/// An encrypted vault that passkeys, codes, passphrases and shares open
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
    Slots(slots::SlotsArgs),
    Label(slots::LabelArgs),
    Enroll(enroll::EnrollArgs),
    Recover(recover::RecoverArgs),
    Test(test::TestArgs),
    Unlock(open::UnlockArgs),
    Put(items::PutArgs),
    Get(items::GetArgs),
    List(items::ListArgs),
    Remove(remove::RemoveArgs),
    Refresh(refresh::RefreshArgs),
    Rotate(rotate::RotateArgs),
    Export(envelope::ExportArgs),
    Import(envelope::ImportArgs),
}

/// Carries one out.
pub(crate) fn run(places: &Places, verb: VaultVerb) -> Result<Outcome, Failure> {
    match verb {
        VaultVerb::Init(arguments) => init::run(places, arguments),
        VaultVerb::Status(arguments) => status::run(places, arguments),
        VaultVerb::Slots(arguments) => slots::run(places, arguments),
        VaultVerb::Label(arguments) => slots::label(places, arguments),
        VaultVerb::Enroll(arguments) => enroll::run(places, arguments),
        VaultVerb::Recover(arguments) => recover::run(places, arguments),
        VaultVerb::Test(arguments) => test::run(places, arguments),
        VaultVerb::Unlock(arguments) => open::run(places, arguments),
        VaultVerb::Put(arguments) => items::put(places, arguments),
        VaultVerb::Get(arguments) => items::get(places, arguments),
        VaultVerb::List(arguments) => items::list(places, arguments),
        VaultVerb::Remove(arguments) => remove::run(places, arguments),
        VaultVerb::Refresh(arguments) => refresh::run(places, arguments),
        VaultVerb::Rotate(arguments) => rotate::run(places, arguments),
        VaultVerb::Export(arguments) => envelope::export(places, &arguments),
        VaultVerb::Import(arguments) => envelope::import(places, &arguments),
    }
}
