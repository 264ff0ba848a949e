//! `countersign backup`: what is in the vault, in a file with keys of its own.

mod create;
mod note;
mod restore;
mod secret;
mod status;
mod verify;

use clap::{Args, Subcommand};
use countersign::backup::{ItemName, Progress};
use serde_json::{Value, json};

use crate::{
    failure::Failure,
    outcome::{Outcome, Printer},
    places::Places,
    text::{base64url, printable},
};

const AFTER_HELP: &str = "\
Examples:
  countersign backup create /media/drive/vault.backup       asks for a passphrase of the backup's own
  countersign backup verify /media/drive/vault.backup       would everything come back? changes nothing
  countersign backup restore /media/drive/vault.backup      into the vault, or onto an empty machine
  countersign backup create --unattended weekly.backup      for a scheduled job: as the last one
  countersign backup status                                 what has changed since; is one due?

A backup has the passkeys of the vault with their PRF secrets, and its items. It has keys of its
own: what opens the vault does not open it, nor the reverse. Passkeys that are bound to their
device stay; each is named. The software authenticator's own passkeys (DIR/key) are in no
backup of the vault.";

/// What is in the vault, in a file with keys of its own: make, try out, restore
#[derive(Args)]
#[command(after_help = AFTER_HELP, arg_required_else_help = true)]
pub(crate) struct BackupNoun {
    #[command(subcommand)]
    pub(crate) verb: BackupVerb,
}

/// What can be done with backups.
#[derive(Subcommand)]
pub(crate) enum BackupVerb {
    Create(create::CreateArgs),
    Verify(verify::VerifyArgs),
    Restore(restore::RestoreArgs),
    Status(status::StatusArgs),
}

/// Carries one out.
pub(crate) fn run(places: &Places, verb: BackupVerb) -> Result<Outcome, Failure> {
    match verb {
        BackupVerb::Create(arguments) => create::run(places, arguments),
        BackupVerb::Verify(arguments) => verify::run(places, arguments),
        BackupVerb::Restore(arguments) => restore::run(places, arguments),
        BackupVerb::Status(arguments) => status::run(places, arguments),
    }
}

/// An item in a report, for people.
fn item_text(item: &ItemName) -> String {
    match (&item.passkey, item.item_type) {
        (Some(passkey), _) => {
            let account = passkey.account.as_deref().unwrap_or("no name");
            format!("passkey of {} ({})", printable(passkey.rp_id.as_str()), printable(account))
        }
        (None, Some(item_type)) => format!("item {} of type {item_type}", item.item_id),
        (None, None) => format!("item {}", item.item_id),
    }
}

/// An item in a report, for programs.
fn item_json(item: &ItemName) -> Value {
    let mut json = json!({ "id": item.item_id.to_string(), "type": item.item_type });
    if let Some(passkey) = &item.passkey {
        json["rpId"] = passkey.rp_id.as_str().into();
        json["credentialId"] = base64url(passkey.credential_id.as_bytes()).into();
        json["account"] = passkey.account.as_deref().into();
    }
    json
}

/// Items with the reason that each has, for people: one line each.
fn reasons_text<'a, R: std::fmt::Display + 'a>(items: impl IntoIterator<Item = &'a (ItemName, R)>) -> String {
    items.into_iter().map(|(item, why)| format!("\n  {}: {why}", item_text(item))).collect()
}

/// The same, for programs.
fn reasons_json<'a, R: std::fmt::Display + 'a>(items: impl IntoIterator<Item = &'a (ItemName, R)>) -> Value {
    let one = |(item, why): &(ItemName, R)| {
        let mut json = item_json(item);
        json["reason"] = why.to_string().into();
        json
    };
    items.into_iter().map(one).collect()
}

/// Says now and then how far long work on a large backup has come.
fn say_progress(printer: Printer, what: &'static str) -> impl FnMut(Progress) {
    const MANY: usize = 1_000;
    move |Progress { done, of }| {
        if of > MANY && done.is_multiple_of(of / 10) {
            printer.working(&format!("{what}: {done} of {of} items ..."));
        }
    }
}
