//! `countersign vault rotate`.

use clap::Args;
use serde_json::json;

use super::{open::open, way::WayArgs};
use crate::{failure::Failure, outcome::Outcome, places::Places, text::count};

const AFTER_HELP: &str = "\
Examples:
  countersign vault rotate --code-file code.txt     the authenticator can be anywhere
  countersign vault rotate                          opened by a passkey; the rotation itself needs none
  countersign vault rotate --reencrypt              every item gets new keys, too

The new key is sealed to every slot, so that all that opened the vault still do; an old key
opens nothing new. Item bodies are not encrypted anew, unless --reencrypt says so: then keys of
items that somebody may have kept open nothing of the new state, and every item counts as its next
version. Each slot's own keys are renewed when it next opens the vault (vault slots: refresh due).";

/// Give the vault a new key, with no authenticator at hand
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct RotateArgs {
    /// Encrypt every item anew, under a new key of its own
    #[arg(long)]
    reencrypt: bool,
    /// Go on although this machine has not seen the vault before
    #[arg(long)]
    accept_as_is: bool,
    #[command(flatten)]
    way: WayArgs,
}

pub(super) fn run(places: &Places, arguments: RotateArgs) -> Result<Outcome, Failure> {
    let (mut open, _) = open(places, arguments.way)?;
    if arguments.accept_as_is {
        open.store.accept_as_is();
    }
    let before = open.store.vault().key_gen();
    let (slots, items) = (open.store.vault().slots().count(), open.store.vault().item_count());
    let (slots, wrapped) = (count(slots, "slot"), count(items, "item"));
    places.printer.working(&format!("Rotating: {slots}, {wrapped} ..."));
    let (proof, now) = open.proof();
    open.store.administer(&proof, now, |administration, items, rng| match arguments.reencrypt {
        true => administration.rotate_and_reencrypt(items, rng),
        false => administration.rotate(items, rng),
    })?;
    let encrypted = if arguments.reencrypt { "encrypted" } else { "wrapped" };
    let vault = open.store.vault();
    let due: Vec<String> = vault.refresh_due().map(|slot| slot.to_string()).collect();
    let text = format!(
        "The vault {} has a new key: generation {before} -> {}, epoch {}.\n\
         {wrapped} {encrypted} anew. Slots whose own keys are renewed when they next open the vault: {}.",
        vault.vault_id(),
        vault.key_gen(),
        vault.epoch(),
        due.len(),
    );
    let json = json!({
        "vaultId": vault.vault_id().to_string(),
        "keyGenerationBefore": before,
        "keyGeneration": vault.key_gen(),
        "epoch": vault.epoch(),
        "items": items,
        "reencrypted": arguments.reencrypt,
        "refreshDue": due,
    });
    Ok(Outcome::Report { text, json })
}
