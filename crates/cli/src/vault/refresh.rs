//! `countersign vault refresh`.

use clap::Args;
use countersign::{
    vault::{PrfSaltMode, Resalt, SlotId, prf_input},
    webauthn::{CredentialId, UvPrfOutput},
};
use serde_json::json;

use super::{
    open::{OpenVault, Passkeys, open_with, passkey_origin, passkey_request_for_two},
    way::{Brought, WayArgs},
};
use crate::{
    failure::Failure,
    key::Key,
    outcome::Outcome,
    person::Operator,
    places::{Places, random},
    relying_party::read_assertion,
};

const AFTER_HELP: &str = "\
Examples:
  countersign vault refresh                          the passkey's slot, at the terminal
  countersign vault refresh --code-file code.txt     the recovery code's
  countersign vault refresh --resalt                 the passkey gets a new PRF salt, too

The slot that opens the vault gets new keys under the same secret: what somebody learned of its
old ones is worth nothing in what is written from now on. Slots that a rotation left behind are
refreshed by any command that opens the vault by them (vault slots: refresh due).

--resalt asks the passkey once more, for the PRF outputs of the old salt and of a new one; an
output of the old salt that somebody kept opens nothing written from now on. Another slot must
have been verified before (vault test): a passkey that answers differently next time would lock
you out.";

/// Give the slot that opens the vault new keys
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct RefreshArgs {
    /// Give a passkey's slot a new PRF salt as well
    #[arg(long)]
    resalt: bool,
    #[command(flatten)]
    way: WayArgs,
}

pub(super) fn run(places: &Places, arguments: RefreshArgs) -> Result<Outcome, Failure> {
    let rp_id = arguments.way.rp_id.clone();
    let (mut open, brought, mut operator) = open_with(places, arguments.way, Passkeys::Allowed)?;
    let slot = open.slot;
    if arguments.resalt {
        let Brought::Passkey(_, _, pin) = &brought else {
            return Err(Failure::usage("usage", "--resalt is for a passkey; open the vault by it"));
        };
        let candidate = random::<32>();
        let (first, second) = evaluate_two(places, &open, (&rp_id, &candidate), &mut operator)?;
        let pin = pin.as_ref().map(|pin| pin.expose());
        let resalt = Resalt { candidate, first: &first, second: &second, pin };
        open.store.change(|draft, _, rng| draft.resalt(&slot, resalt, rng))?;
    } else if !open.refreshed {
        if brought.is_slow() {
            places.printer.working("Sealing to it anew (Argon2id) ...");
        }
        open.store.change(|draft, _, rng| draft.refresh(&slot, &brought.secret(), rng))?;
    }
    Ok(report(&open, &slot, arguments.resalt))
}

/// One ceremony, both outputs: on the slot's own salt and on the candidate.
fn evaluate_two(
    places: &Places,
    open: &OpenVault,
    (rp_id, candidate): (&str, &[u8; 32]),
    operator: &mut Operator,
) -> Result<(UvPrfOutput, UvPrfOutput), Failure> {
    let vault = open.store.vault();
    let no_passkey = || Failure::not_found("no-passkey", "the slot is no passkey's any more");
    let slot = vault.slots().find(|slot| slot.slot_id() == open.slot).ok_or_else(no_passkey)?;
    let credential = slot.credential_id().and_then(|id| CredentialId::new(id).ok()).ok_or_else(no_passkey)?;
    let current = slot.prf_input().ok_or_else(no_passkey)?;
    let next = prf_input(&vault.vault_id(), &PrfSaltMode::PerSlot(*candidate));
    let request = passkey_request_for_two(rp_id, &credential, (&current, &next));
    places.printer.progress("The passkey is asked once more, for the old salt and the new one.");
    let mut key = Key::open(places)?;
    let response = key.get(&passkey_origin(rp_id)?, request.to_string().as_bytes(), operator)?;
    let asserted = read_assertion(&response)?;
    Ok((asserted.prf()?, asserted.second_prf()?))
}

fn report(open: &OpenVault, slot: &SlotId, resalted: bool) -> Outcome {
    let vault = open.store.vault();
    let kind = open.kind.name();
    let salt = if resalted { " and a new PRF salt" } else { "" };
    let text = format!("The {kind}'s slot {slot} has new keys{salt}. Epoch {}.", vault.epoch());
    let json = json!({
        "vaultId": vault.vault_id().to_string(),
        "slotId": slot.to_string(),
        "kind": kind,
        "resalted": resalted,
        "epoch": vault.epoch(),
    });
    Outcome::Report { text, json }
}
