//! `countersign vault status`.

use clap::Args;
use countersign::{time::UnixTime, vault::Vault};
use serde_json::{Value, json};

use super::{
    open::{envelope, freshness_name, open},
    slots::SlotLine,
    way::WayArgs,
};
use crate::{
    date::rfc3339,
    failure::Failure,
    outcome::Outcome,
    places::Places,
    text::{count, printable},
};

const AFTER_HELP: &str = "\
Examples:
  countersign vault status                              what the file says of itself, not verified
  countersign vault status --unlock                     verified, with labels and freshness
  countersign vault status --code-file code.txt --json

Slots: used = opens the vault; supported = a passkey that signs in and could open it once
enrolled; not supported = a passkey that signs in only; removed. Refresh due: its keys are older
than the vault key, and are renewed when it next opens the vault.";

/// Show the vault's slots and state
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct StatusArgs {
    /// Open the vault first, so that what is shown is verified
    #[arg(long)]
    unlock: bool,
    #[command(flatten)]
    way: WayArgs,
}

/// What is shown of a vault, opened or not.
struct Status {
    vault_id: String,
    epoch: u64,
    key_gen: u64,
    freshness: &'static str,
    items: usize,
    written: Option<u64>,
    slots: Vec<SlotLine>,
}

pub(super) fn run(places: &Places, arguments: StatusArgs) -> Result<Outcome, Failure> {
    let way = arguments.way;
    let status = if arguments.unlock || way.is_named() {
        opened(open(places, way)?.0.store.vault())?
    } else {
        let file = places.open_vault_file()?;
        let envelope = envelope(&file, places)?;
        let key_gen = envelope.key_gen();
        Status {
            vault_id: envelope.vault_id().to_string(),
            epoch: envelope.epoch(),
            key_gen,
            freshness: "not verified",
            items: envelope.rows().count(),
            written: None,
            slots: envelope.slots().map(|slot| SlotLine::of(&slot, key_gen, None)).collect(),
        }
    };
    Ok(Outcome::Report { text: text(&status, places), json: json(&status, places) })
}

fn opened(vault: &Vault) -> Result<Status, Failure> {
    Ok(Status {
        vault_id: vault.vault_id().to_string(),
        epoch: vault.epoch(),
        key_gen: vault.key_gen(),
        freshness: freshness_name(vault.freshness()),
        items: vault.item_count(),
        written: Some(vault.time()),
        slots: SlotLine::all(vault)?,
    })
}

fn text(status: &Status, places: &Places) -> String {
    let mut text = format!(
        "Vault {} in {}\n  epoch {}, key generation {}, {}\n  freshness: {}",
        status.vault_id,
        places.vault_file().display(),
        status.epoch,
        status.key_gen,
        count(status.items, "item"),
        status.freshness,
    );
    if let Some(written) = status.written {
        text.push_str(&format!("\n  last written {}", rfc3339(UnixTime(written))));
    }
    for slot in &status.slots {
        let due = if slot.refresh_due { ", refresh due" } else { "" };
        text.push_str(&format!("\n  slot {}: {}, {}{due}", slot.id, slot.kind, slot.status_name()));
        if let (Some(rp_id), Some(credential)) = (&slot.rp_id, &slot.credential_id) {
            text.push_str(&format!("\n    {}, credential {credential}", printable(rp_id)));
        }
        if let Some(private) = &slot.private {
            let created = rfc3339(UnixTime(private.created));
            text.push_str(&format!("\n    {}, since {created}", slot.label()));
        }
    }
    text
}

fn json(status: &Status, places: &Places) -> Value {
    json!({
        "vaultId": status.vault_id,
        "path": places.vault_file().display().to_string(),
        "epoch": status.epoch,
        "keyGeneration": status.key_gen,
        "items": status.items,
        "freshness": status.freshness,
        "lastWritten": status.written.map(|time| rfc3339(UnixTime(time))),
        "slots": status.slots.iter().map(SlotLine::json).collect::<Vec<_>>(),
    })
}
