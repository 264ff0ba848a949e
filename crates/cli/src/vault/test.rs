//! `countersign vault test`.

use clap::Args;
use serde_json::json;

use super::{open::open, slots::find, way::WayArgs};
use crate::{failure::Failure, outcome::Outcome, places::Places, places::today};

const AFTER_HELP: &str = "\
Examples:
  countersign vault test --by code                  types the recovery code
  countersign vault test --by shares
  countersign vault test --passphrase-file words.txt --json
  countersign vault test --by passkey               the passkey of DIR/key

Tries out one way into the vault, and notes the day in its slot (vault slots: last verified). Try
each of them now and then: a code that was written down wrong shows here, and not when everything
else is lost.";

/// Try out a way into the vault, and note that it works
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct TestArgs {
    #[command(flatten)]
    way: WayArgs,
}

pub(super) fn run(places: &Places, arguments: TestArgs) -> Result<Outcome, Failure> {
    let (mut open, _) = open(places, arguments.way)?;
    let (proof, _) = open.proof();
    open.store.change(|draft, _, _| draft.mark_verified(&proof, today()))?;
    let slot = find(open.store.vault(), &open.slot.to_string())?;
    let text = format!("It works: {} (slot {}) opens the vault. Noted for today.", slot.name(), slot.id);
    let mut json = slot.json();
    json["vaultId"] = open.store.vault().vault_id().to_string().into();
    json["openedBy"] = json!(open.kind.name());
    Ok(Outcome::Report { text, json })
}
