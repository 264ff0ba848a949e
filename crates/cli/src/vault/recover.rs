//! `countersign vault recover`.

use clap::Args;
use countersign::vault::{Freshness, SlotKind, SlotStatus};
use serde_json::{Value, json};

use super::{
    new_slot::{self, Enrolled, NewArgs, NewSecret},
    open::{OpenVault, Passkeys, freshness_name, open_with},
    passkey::{self, PasskeyArgs},
    remove::{HowArgs, Removed, agree, remove},
    slots::{SlotLine, find},
    way::WayArgs,
};
use crate::{
    failure::Failure,
    key::Key,
    outcome::Outcome,
    person::{Operator, consent_to},
    places::Places,
    text::count,
};

const AFTER_HELP: &str = "\
Examples:
  countersign vault recover                              asks for the recovery code, and what to do
  countersign vault recover --by shares --passkey --recovery-code --lost laptop
  countersign vault recover --code-file code.txt --passkey --yes --pin-file pin.txt --json
  countersign vault recover --dir new --passphrase-file words.txt --accept-as-is --passkey

For the day on which no authenticator is at hand: the vault is opened by a recovery code, a
contact's code, a passphrase or shares, never by a passkey. Then what is named is enrolled (as
vault enroll does), what is named as --lost is removed (as vault remove does), and the next steps
are told. On a new machine: countersign vault import first, or countersign backup restore; and
countersign key init before --passkey.

A machine that has not seen the vault before cannot tell an old copy from the newest; it asks
whether to go on, or wants --accept-as-is.

Exit code 1 and a report: a part of it was done; the report has the codes that were made.";

/// Open the vault without any authenticator, and put new ways in place of lost ones
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct RecoverArgs {
    #[command(flatten)]
    new: NewArgs,
    /// Remove this slot, whose secret or passkey is lost; may be given several times
    #[arg(long, value_name = "SLOT")]
    lost: Vec<String>,
    #[command(flatten)]
    how: HowArgs,
    /// Go on although this machine has not seen the vault before
    #[arg(long)]
    accept_as_is: bool,
    #[command(flatten)]
    way: WayArgs,
}

/// What is to be done with the open vault.
struct Plan {
    rp_id: String,
    passkey: bool,
    secrets: Vec<NewSecret>,
    lost: Vec<SlotLine>,
    how: HowArgs,
}

/// What was done of it, and what went wrong then.
#[derive(Default)]
struct Done {
    enrolled: Vec<Enrolled>,
    removed: Vec<Removed>,
    failure: Option<Failure>,
}

pub(super) fn run(places: &Places, arguments: RecoverArgs) -> Result<Outcome, Failure> {
    let RecoverArgs { new, lost, how, accept_as_is, way } = arguments;
    if new.passkey {
        drop(Key::open(places)?);
    }
    let (rp_id, yes) = (way.rp_id.clone(), way.person.yes);
    let (mut open, _, mut operator) = open_with(places, way, Passkeys::Refused)?;
    let lost: Result<Vec<_>, _> = lost.iter().map(|slot| find(open.store.vault(), slot)).collect();
    let mut plan = Plan { rp_id, passkey: new.passkey, secrets: Vec::new(), lost: lost?, how };
    if new.count() == 0 && plan.lost.is_empty() {
        ask_what_to_do(places, &mut plan)?;
    } else {
        plan.secrets = new.secrets()?;
    }
    let changes = plan.passkey || !plan.secrets.is_empty() || !plan.lost.is_empty();
    if changes {
        accept(&mut open, accept_as_is)?;
    }
    for slot in &plan.lost {
        agree(&open, slot, &plan.how, yes)?;
    }
    let mut done = Done::default();
    let failure = carry_out(places, &mut open, plan, (&mut operator, &mut done)).err();
    match failure {
        Some(failure) if done.enrolled.is_empty() && done.removed.is_empty() => Err(failure),
        failure => report(&open, &Done { failure, ..done }),
    }
}

/// Asks, where nothing was named and somebody is there.
fn ask_what_to_do(places: &Places, plan: &mut Plan) -> Result<(), Failure> {
    let ask = |what| match consent_to(what, false) {
        Ok(()) => Ok(true),
        Err(failure) if matches!(failure.code, "declined" | "no-terminal") => Ok(false),
        Err(failure) => Err(failure),
    };
    if places.has_key() && ask("The vault is open. Let a new passkey of this machine's key open it?")? {
        plan.passkey = true;
    }
    if ask("Make a new recovery code?")? {
        plan.secrets.push(NewSecret::RecoveryCode);
    }
    Ok(())
}

/// Has somebody's word for a state that this machine cannot vouch for.
fn accept(open: &mut OpenVault, accept_as_is: bool) -> Result<(), Failure> {
    if open.store.vault().freshness() == Freshness::Checked {
        return Ok(());
    }
    let what = format!(
        "This machine has not seen the vault before ({}, epoch {}), so an old copy would look the same. \
         Go on with it?",
        count(open.store.vault().item_count(), "item"),
        open.store.vault().epoch(),
    );
    consent_to(&what, accept_as_is).map_err(|failure| match failure.code {
        "no-terminal" => Failure::failed("unchecked", "this machine has not seen the vault before")
            .hint("pass --accept-as-is if you trust this copy of the vault"),
        _ => failure,
    })?;
    open.store.accept_as_is();
    Ok(open.store.mark_used()?)
}

/// First the ways into the vault that are new, so that there is always one.
fn carry_out(
    places: &Places,
    open: &mut OpenVault,
    plan: Plan,
    (operator, done): (&mut Operator, &mut Done),
) -> Result<(), Failure> {
    if plan.passkey {
        let rp_id = passkey::checked_rp_id(&plan.rp_id)?;
        let new = (&rp_id, PasskeyArgs::NEW);
        done.enrolled.push(passkey::enrol(places, open, new, (None, None), operator)?);
    }
    for secret in &plan.secrets {
        done.enrolled.push(new_slot::enrol(open, secret, (None, None), places.printer)?);
    }
    for slot in &plan.lost {
        done.removed.push(remove(open, slot, &plan.how, places.printer)?);
    }
    Ok(())
}

/// What is left to do, each with the command that does it.
fn next_steps(open: &OpenVault, done: &Done, slots: &[SlotLine]) -> Vec<String> {
    let enabled = |slot: &&SlotLine| slot.status == SlotStatus::Enabled;
    let mut steps = Vec::new();
    let has_new = |kind| done.enrolled.iter().any(|new| new.kind == kind);
    if !has_new(SlotKind::Passkey) {
        steps.push(
            "let a passkey open the vault: countersign key init, then countersign vault enroll".to_owned(),
        );
    }
    if has_new(SlotKind::RecoveryCode) {
        steps.push("write the new code down, then try it out: countersign vault test --by code".to_owned());
    }
    let used = slots.iter().filter(enabled).find(|slot| slot.id == open.slot);
    if let (Some(used), true) = (used, open.kind != SlotKind::Passphrase) {
        let again = match open.kind {
            SlotKind::Shares => " --shares K/N",
            SlotKind::ContactCode => " --contact-code",
            _ => " --recovery-code",
        };
        let first = if has_new(open.kind) {
            String::new()
        } else {
            format!("countersign vault enroll{again}, then ")
        };
        steps.push(format!(
            "what was used now has been typed or shown; put a new one in its place: {first}countersign vault \
             remove {}",
            used.id
        ));
    }
    let is_new = |slot: &SlotLine| done.enrolled.iter().any(|new| new.slot == slot.id);
    for slot in slots.iter().filter(enabled).filter(|slot| slot.credential_id.is_some() && !is_new(slot)) {
        steps.push(format!("if the {} is lost: countersign vault remove {}", slot.name(), slot.id));
    }
    steps.push("make a new backup: countersign backup create FILE".to_owned());
    steps
}

fn report(open: &OpenVault, done: &Done) -> Result<Outcome, Failure> {
    let vault = open.store.vault();
    let slots = SlotLine::all(vault)?;
    let steps = next_steps(open, done, &slots);
    let mut text = format!(
        "The vault {} opens by the {} (slot {}): epoch {}, {}, freshness {}.",
        vault.vault_id(),
        open.kind.name(),
        open.slot,
        vault.epoch(),
        count(vault.item_count(), "item"),
        freshness_name(vault.freshness()),
    );
    for enrolled in &done.enrolled {
        text.push_str(&format!("\n\n{}", enrolled.text()));
    }
    for removed in &done.removed {
        text.push_str(&format!("\n\n{}{}", removed.text(open), removed.next(open)?));
    }
    if let Some(failure) = &done.failure {
        text.push_str(&format!("\n\nThe rest was not done: {failure}"));
    }
    text.push_str("\n\nNext:");
    steps.iter().for_each(|step| text.push_str(&format!("\n  - {step}")));
    let json = json!({
        "vaultId": vault.vault_id().to_string(),
        "openedBy": open.kind.name(),
        "slotId": open.slot.to_string(),
        "freshness": freshness_name(vault.freshness()),
        "epoch": vault.epoch(),
        "items": vault.item_count(),
        "enrolled": done.enrolled.iter().map(Enrolled::json).collect::<Vec<Value>>(),
        "removed": done.removed.iter().map(Removed::json).collect::<Vec<Value>>(),
        "failed": done.failure.as_ref().map(|failure| json!({ "code": failure.code, "message": failure.message })),
        "nextSteps": steps,
    });
    Ok(Outcome::Verdict { text, json, passed: done.failure.is_none() })
}
