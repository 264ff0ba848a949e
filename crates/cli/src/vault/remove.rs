//! `countersign vault remove`.

use clap::Args;
use countersign::{
    rand_core::CryptoRng,
    vault::{Administration, LastFallback, OldSeal, Removal, RemovalAdvice, SlotStatus, VaultError},
};
use countersign_host::VaultFile;
use serde_json::{Value, json};

use super::{
    open::{OpenVault, open},
    slots::{SlotLine, find},
    way::WayArgs,
};
use crate::{
    failure::Failure,
    outcome::{Outcome, Printer},
    person::consent_to,
    places::Places,
    text::count,
};

const AFTER_HELP: &str = "\
Examples:
  countersign vault remove 3f2a --code-file code.txt
  countersign vault remove \"recovery code\" --yes --pin-file pin.txt --json
  countersign vault remove 3f2a --sign-in-only           the passkey signs in, and opens nothing

SLOT is the slot's identifier, the beginning of it, or its label (vault slots). What will be lost
is said, and asked about; --yes agrees. The vault gets a new key in the same write, so that the
slot's secret opens nothing of it any more, not even together with an old copy of the slot. A
passkey itself stays in its authenticator.

Refused: the last slot; and the last way that was seen to open the vault without a passkey,
unless --give-up-last-fallback says so (vault test tries another one out first).";

/// Let a slot open the vault no longer
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct RemoveArgs {
    /// The slot
    slot: String,
    #[command(flatten)]
    how: HowArgs,
    /// Keep the record of a passkey, as one that signs in only
    #[arg(long)]
    sign_in_only: bool,
    /// Go on although this machine has not seen the vault before
    #[arg(long)]
    accept_as_is: bool,
    #[command(flatten)]
    way: WayArgs,
}

/// What must be said in so many words.
#[derive(Args, Default)]
pub(super) struct HowArgs {
    /// Leave the vault's key as it is: with the slot's secret and an old copy, all of it can be read on
    #[arg(long)]
    keep_old_seal: bool,
    /// Remove even the last tested way into the vault without a passkey
    #[arg(long)]
    give_up_last_fallback: bool,
}

impl HowArgs {
    fn old_seal(&self) -> OldSeal {
        if self.keep_old_seal { OldSeal::LeaveValid } else { OldSeal::Revoke }
    }

    fn removal(&self) -> Removal {
        let last_fallback =
            if self.give_up_last_fallback { LastFallback::GiveUp } else { LastFallback::Keep };
        Removal { old_seal: self.old_seal(), last_fallback }
    }
}

pub(super) fn run(places: &Places, arguments: RemoveArgs) -> Result<Outcome, Failure> {
    let yes = arguments.way.person.yes;
    let (mut open, _) = open(places, arguments.way)?;
    if arguments.accept_as_is {
        open.store.accept_as_is();
    }
    let slot = find(open.store.vault(), &arguments.slot)?;
    let how = &arguments.how;
    if arguments.sign_in_only && (slot.status != SlotStatus::Enabled || slot.credential_id.is_none()) {
        return Err(Failure::usage("usage", "--sign-in-only is for passkeys that open the vault"));
    }
    agree(&open, &slot, how, yes)?;
    let removed = if arguments.sign_in_only {
        disable(&mut open, &slot, how, places.printer)?
    } else {
        remove(&mut open, &slot, how, places.printer)?
    };
    let text = format!("{}{}", removed.text(&open), removed.next(&open)?);
    let mut json = removed.json();
    json["vaultId"] = open.store.vault().vault_id().to_string().into();
    json["keyGeneration"] = open.store.vault().key_gen().into();
    Ok(Outcome::Report { text, json })
}

/// A slot that opens the vault no longer.
pub(super) struct Removed {
    slot: SlotLine,
    advice: RemovalAdvice,
    lost: String,
}

/// Removes a slot; somebody has agreed to what is lost by that.
pub(super) fn remove(
    open: &mut OpenVault,
    slot: &SlotLine,
    how: &HowArgs,
    printer: Printer,
) -> Result<Removed, Failure> {
    take_away(open, slot, how, printer, |administration, items, rng| {
        administration.remove_with(&slot.id, how.removal(), items, rng)
    })
}

/// Takes the vault's key away from a passkey, and keeps its record.
fn disable(
    open: &mut OpenVault,
    slot: &SlotLine,
    how: &HowArgs,
    printer: Printer,
) -> Result<Removed, Failure> {
    take_away(open, slot, how, printer, |administration, items, rng| {
        administration.disable_encryption(&slot.id, how.old_seal(), items, rng)?;
        Ok(RemovalAdvice::default())
    })
}

fn take_away(
    open: &mut OpenVault,
    slot: &SlotLine,
    how: &HowArgs,
    printer: Printer,
    edit: impl FnOnce(
        &mut Administration<'_>,
        &VaultFile,
        &mut dyn CryptoRng,
    ) -> Result<RemovalAdvice, VaultError>,
) -> Result<Removed, Failure> {
    let lost = what_is_lost(slot, how, &ways_left(open, slot)?);
    say_work(open, printer);
    let (proof, now) = open.proof();
    let advice = open.store.administer(&proof, now, edit).map_err(explain)?;
    Ok(Removed { slot: slot.clone(), advice, lost })
}

/// Says what will be lost, and asks.
pub(super) fn agree(open: &OpenVault, slot: &SlotLine, how: &HowArgs, yes: bool) -> Result<(), Failure> {
    let lost = what_is_lost(slot, how, &ways_left(open, slot)?);
    consent_to(&format!("{lost}\nRemove the slot {} ({})?", slot.id, slot.name()), yes)
}

fn say_work(open: &OpenVault, printer: Printer) {
    let items = count(open.store.vault().item_count(), "item");
    printer.working(&format!("Giving the vault a new key: {items} ..."));
}

/// The slots that open the vault when this one does not.
fn ways_left(open: &OpenVault, slot: &SlotLine) -> Result<Vec<String>, Failure> {
    let slots = SlotLine::all(open.store.vault())?;
    let left = slots.iter().filter(|other| other.status == SlotStatus::Enabled && other.id != slot.id);
    Ok(left.map(SlotLine::name).collect())
}

fn what_is_lost(slot: &SlotLine, how: &HowArgs, left: &[String]) -> String {
    if slot.status != SlotStatus::Enabled {
        return format!("The record of the {} goes; it opens nothing as it is.", slot.name());
    }
    let mut lost = format!("The {} will not open the vault any more.", slot.name());
    if slot.credential_id.is_some() {
        lost.push_str(" The passkey itself stays in its authenticator.");
    }
    lost.push_str(if how.keep_old_seal {
        "\nThe vault keeps its key: whoever has the slot's secret and an old copy of the vault reads on."
    } else {
        "\nWhat it opened may be known to whoever had it; of what is written from now on it opens nothing."
    });
    lost.push_str(&match left {
        [] => "\nNothing else opens the vault.".to_owned(),
        left => format!("\nWhat still opens the vault: {}.", left.join(", ")),
    });
    lost
}

fn explain(error: VaultError) -> Failure {
    let failure = Failure::from(error);
    match error {
        VaultError::LastSlot => failure.hint("countersign vault enroll adds another one first"),
        VaultError::LastFallback => {
            failure.hint("countersign vault test does that; or pass --give-up-last-fallback to do without")
        }
        _ => failure,
    }
}

impl Removed {
    pub(super) fn text(&self, open: &OpenVault) -> String {
        let generation = open.store.vault().key_gen();
        format!(
            "Removed the slot {} ({}). Key generation {generation}.\n{}",
            self.slot.id,
            self.slot.name(),
            self.lost
        )
    }

    /// What is advised afterwards.
    pub(super) fn next(&self, open: &OpenVault) -> Result<String, Failure> {
        let mut next = String::new();
        let slots = SlotLine::all(open.store.vault())?;
        let names = |ids: &[_]| {
            let named = slots.iter().filter(|slot| ids.contains(&slot.id)).map(SlotLine::name);
            named.collect::<Vec<_>>().join(", ")
        };
        if !self.advice.renew.is_empty() {
            next.push_str(&format!(
                "\nIf its owner may have seen them, put new ones in their place: {}.",
                names(&self.advice.renew)
            ));
        }
        if !self.advice.refresh.is_empty() {
            next.push_str(&format!(
                "\nOpen the vault by each, which renews their keys: {}.",
                names(&self.advice.refresh)
            ));
        }
        Ok(next)
    }

    pub(super) fn json(&self) -> Value {
        let ids =
            |ids: &[countersign::vault::SlotId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        json!({
            "removed": self.slot.id.to_string(),
            "kind": self.slot.kind,
            "renew": ids(&self.advice.renew),
            "refresh": ids(&self.advice.refresh),
        })
    }
}
