//! `countersign vault status`.

use clap::Args;
use countersign::{
    time::UnixTime,
    vault::{SlotPrivate, SlotStatus, SlotView, Vault},
};
use serde_json::{Value, json};

use super::open::{WayArgs, envelope, freshness_name, kind_name, open};
use crate::{
    date::rfc3339,
    failure::Failure,
    outcome::Outcome,
    places::Places,
    text::{base64url, count, printable},
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
    slots: Vec<SlotStatusLine>,
}

struct SlotStatusLine {
    id: String,
    kind: &'static str,
    status: &'static str,
    refresh_due: bool,
    rp_id: Option<String>,
    credential_id: Option<String>,
    private: Option<SlotPrivate>,
}

pub(super) fn run(places: &Places, arguments: StatusArgs) -> Result<Outcome, Failure> {
    let way = arguments.way;
    let status = if arguments.unlock || way.code || way.code_file.is_some() || way.code_fd.is_some() {
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
            slots: envelope.slots().map(|slot| line(&slot, key_gen, None)).collect(),
        }
    };
    Ok(Outcome::Report { text: text(&status, places), json: json(&status, places) })
}

fn opened(vault: &Vault) -> Result<Status, Failure> {
    let slots: Result<Vec<_>, Failure> = vault
        .slots()
        .map(|slot| Ok(line(&slot, vault.key_gen(), vault.slot_private(&slot.slot_id())?)))
        .collect();
    Ok(Status {
        vault_id: vault.vault_id().to_string(),
        epoch: vault.epoch(),
        key_gen: vault.key_gen(),
        freshness: freshness_name(vault.freshness()),
        items: vault.item_count(),
        written: Some(vault.time()),
        slots: slots?,
    })
}

fn line(slot: &SlotView<'_>, key_gen: u64, private: Option<SlotPrivate>) -> SlotStatusLine {
    SlotStatusLine {
        id: slot.slot_id().to_string(),
        kind: kind_name(slot.kind()),
        status: match slot.status() {
            SlotStatus::Enabled => "used",
            SlotStatus::Idle => "supported",
            SlotStatus::SignInOnly => "not supported",
            SlotStatus::Tombstone => "removed",
        },
        refresh_due: slot.born().is_some_and(|born| born < key_gen),
        rp_id: slot.rp_id().map(str::to_owned),
        credential_id: slot.credential_id().map(base64url),
        private,
    }
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
        text.push_str(&format!("\n  slot {}: {}, {}{due}", slot.id, slot.kind, slot.status));
        if let (Some(rp_id), Some(credential)) = (&slot.rp_id, &slot.credential_id) {
            text.push_str(&format!("\n    {}, credential {credential}", printable(rp_id)));
        }
        if let Some(private) = &slot.private {
            let (label, created) = (printable(&private.label), rfc3339(UnixTime(private.created)));
            text.push_str(&format!("\n    {label}, since {created}"));
        }
    }
    text
}

fn json(status: &Status, places: &Places) -> Value {
    let slots: Vec<Value> = status
        .slots
        .iter()
        .map(|slot| {
            json!({
                "slotId": slot.id,
                "kind": slot.kind,
                "status": slot.status,
                "refreshDue": slot.refresh_due,
                "rpId": slot.rp_id,
                "credentialId": slot.credential_id,
                "label": slot.private.as_ref().map(|private| &private.label),
                "created": slot.private.as_ref().map(|private| rfc3339(UnixTime(private.created))),
            })
        })
        .collect();
    json!({
        "vaultId": status.vault_id,
        "path": places.vault_file().display().to_string(),
        "epoch": status.epoch,
        "keyGeneration": status.key_gen,
        "items": status.items,
        "freshness": status.freshness,
        "lastWritten": status.written.map(|time| rfc3339(UnixTime(time))),
        "slots": slots,
    })
}
