//! The ways into the vault: how many, how different, and whether they were tried.

use alloc::{format, string::String, vec::Vec};

use super::{
    dependence::provider,
    facts::{Facts, Limits, SlotFacts, is_over},
    finding::{Finding, Reason, Severity, Subject, list, name},
};
use crate::{
    time::UnixTime,
    vault::{Policy, SlotKind, SlotStatus},
};

/// How many passkeys open a vault whose policy says nothing.
const DEFAULT_MOST_PASSKEYS: u8 = 5;

pub(super) fn check(facts: &Facts, limits: &Limits, now: UnixTime, findings: &mut Vec<Finding>) {
    let authenticators: Vec<&SlotFacts> = facts.usable().filter(|slot| slot.is_authenticator()).collect();
    let fallbacks: Vec<&SlotFacts> = facts.usable().filter(|slot| !slot.is_authenticator()).collect();
    findings.extend(how_many(&authenticators));
    findings.extend(how_different(facts, &authenticators));
    findings.extend(not_backed_up(&authenticators));
    findings.extend(no_fallback(facts, &fallbacks));
    findings.extend(untested_fallbacks(&fallbacks, now));
    findings.extend(untested(facts, limits, now));
    findings.extend(circles(facts));
    findings.extend(refresh_due(facts));
    findings.extend(not_set_up(facts));
    findings.extend(facts.policy.as_ref().and_then(|policy| violation(facts, policy)));
}

fn subjects<'a>(slots: &'a [&SlotFacts]) -> impl Iterator<Item = Subject> + 'a {
    slots.iter().map(|slot| Subject::Slot(slot.slot_id))
}

fn names(slots: &[&SlotFacts]) -> String {
    list(&slots.iter().map(|slot| name(slot)).collect::<Vec<_>>())
}

fn how_many(authenticators: &[&SlotFacts]) -> Option<Finding> {
    match authenticators {
        [] => Some(Finding::new(
            Reason::NoAuthenticator,
            Severity::Advice,
            "No phone, computer or security key opens this vault yet. You have to type a code or a passphrase each time, \
             and whoever reads it can open the vault, too.",
            "Let a passkey open the vault, and then a second one on another device.",
        )),
        [one] => Some(
            Finding::new(
                Reason::SingleAuthenticator,
                Severity::Warning,
                format!(
                    "Your {} is the only device that opens this vault. If it is lost or breaks, only what you have \
                     written down still opens it.",
                    name(one)
                ),
                "Add a second one, today if you can: another phone or computer, or a security key that you keep elsewhere.",
            )
            .about(subjects(authenticators)),
        ),
        _ => None,
    }
}

fn how_different(facts: &Facts, authenticators: &[&SlotFacts]) -> Option<Finding> {
    let (first, others) = authenticators.split_first()?;
    if others.is_empty() {
        return None;
    }
    let same = others.iter().all(|slot| slot.aaguid() == first.aaguid());
    let finding = match first.aaguid().filter(|_| same) {
        Some(aaguid) if authenticators.iter().all(|slot| slot.is_synced()) => Finding::new(
            Reason::SameProvider,
            Severity::Warning,
            format!(
                "All your passkeys for this vault hang on {}. If you are locked out of that account, all of them are \
                 gone at once.",
                provider(facts, &aaguid)
            ),
            "Add a passkey that has nothing to do with that account, for example a security key.",
        ),
        Some(_) => Finding::new(
            Reason::SameModel,
            Severity::Advice,
            "All your devices for this vault are of the same model. A fault of that model would hit all of them.",
            "Let the next one be of another make.",
        ),
        None if authenticators.iter().all(|slot| slot.built_in) => Finding::new(
            Reason::AllBuiltIn,
            Severity::Advice,
            "All passkeys for this vault are built into phones or computers. On a new device none of them is there.",
            "Add a security key, which works on any device.",
        ),
        None => return None,
    };
    Some(finding.about(subjects(authenticators)))
}

fn not_backed_up(authenticators: &[&SlotFacts]) -> Option<Finding> {
    let apart = |slot: &&&SlotFacts| {
        slot.private.backup_eligible == Some(true) && slot.private.backed_up == Some(false)
    };
    let slots: Vec<&SlotFacts> = authenticators.iter().filter(apart).copied().collect();
    let finding = Finding::new(
        Reason::NotBackedUp,
        Severity::Advice,
        format!("Could be kept in sync between devices, and is on one only: {}.", names(&slots)),
        "Switch on the syncing of passkeys on that device, or add a second passkey.",
    );
    (!slots.is_empty()).then(|| finding.about(subjects(&slots)))
}

fn no_fallback(facts: &Facts, fallbacks: &[&SlotFacts]) -> Option<Finding> {
    if !fallbacks.is_empty() {
        return None;
    }
    let wanted = facts.policy.as_ref().is_some_and(|policy| policy.no_fallback);
    Some(if wanted {
        Finding::new(
            Reason::NoFallback,
            Severity::Info,
            "By your own rule, nothing but your devices opens this vault. If all of them are lost, all is lost.",
            "Have more devices than you think you need, in different places.",
        )
    } else {
        Finding::new(
            Reason::NoFallback,
            Severity::Warning,
            "Only your devices open this vault. If they are all lost, stolen or broken, you are locked out for ever.",
            "Make a recovery code, write it on paper, and keep the paper in a safe place.",
        )
    })
}

/// Never tried: nobody knows whether it was written down rightly.
fn untested_fallbacks(fallbacks: &[&SlotFacts], now: UnixTime) -> Option<Finding> {
    let (tested, untested): (Vec<&SlotFacts>, Vec<&SlotFacts>) =
        fallbacks.iter().partition(|slot| slot.last_seen(now).is_some());
    let severity = if tested.is_empty() { Severity::Warning } else { Severity::Advice };
    let finding = Finding::new(
        Reason::FallbackUntested,
        severity,
        format!(
            "Never tried: {}. A slip of the pen would show only when you need it most.",
            names(&untested)
        ),
        "Open the vault with it once, from the paper.",
    );
    (!untested.is_empty()).then(|| finding.about(subjects(&untested)))
}

/// Not seen to work for long. A new authenticator worked when it was enrolled.
fn untested(facts: &Facts, limits: &Limits, now: UnixTime) -> Option<Finding> {
    let over = |slot: &&SlotFacts| match slot.last_seen(now) {
        Some(last) => is_over(Some(last), limits.slot_test, now),
        None => {
            slot.is_authenticator() && is_over(Some(UnixTime(slot.private.created)), limits.slot_test, now)
        }
    };
    let slots: Vec<&SlotFacts> = facts.usable().filter(over).collect();
    let severity = if slots.len() == facts.usable().count() { Severity::Warning } else { Severity::Advice };
    let finding = Finding::new(
        Reason::SlotUntested,
        severity,
        format!(
            "Not used to open this vault for half a year or longer: {}. It may no longer work.",
            names(&slots)
        ),
        "Open the vault with each of them once, the spare ones, too.",
    );
    (!slots.is_empty()).then(|| finding.about(subjects(&slots)))
}

/// What is kept in the vault that it opens. That nothing else opens it, [`super::dependence`] says.
fn circles(facts: &Facts) -> Vec<Finding> {
    let passkeys: Vec<&SlotFacts> = facts.enabled().filter(|slot| facts.is_circular(slot)).collect();
    let codes: Vec<&SlotFacts> = facts.enabled().filter(|slot| facts.is_only_within(slot)).collect();
    let mut findings = Vec::new();
    if !passkeys.is_empty() {
        let sentence = format!(
            "Kept in the very vault that it opens, like a key that is locked in its own safe: {}.",
            names(&passkeys)
        );
        let next_step = "Let a passkey open the vault that is kept on a device or a security key instead.";
        let finding = Finding::new(Reason::CircularPasskey, Severity::Warning, sentence, next_step);
        findings.push(finding.about(subjects(&passkeys)));
    }
    if !codes.is_empty() {
        let sentence = format!(
            "Kept in the very vault that it opens, and nobody noted another place: {}. When you need it, you cannot \
             get at it.",
            names(&codes)
        );
        let next_step = "Write it on paper, keep the paper in a safe place, and note that place.";
        let finding = Finding::new(Reason::CodeInOwnVault, Severity::Warning, sentence, next_step);
        findings.push(finding.about(subjects(&codes)));
    }
    findings
}

fn refresh_due(facts: &Facts) -> Option<Finding> {
    let slots: Vec<&SlotFacts> = facts.enabled().filter(|slot| slot.refresh_due).collect();
    let finding = Finding::new(
        Reason::RefreshDue,
        Severity::Info,
        format!("Locks from before the vault got its new key: {}. They open it all the same.", names(&slots)),
        "Open the vault with each of them once, which renews its lock.",
    );
    (!slots.is_empty()).then(|| finding.about(subjects(&slots)))
}

fn not_set_up(facts: &Facts) -> Option<Finding> {
    let idle: Vec<&SlotFacts> = facts.slots.iter().filter(|slot| slot.status == SlotStatus::Idle).collect();
    let finding = Finding::new(
        Reason::EncryptionNotSetUp,
        Severity::Info,
        format!("Signs you in and could open the vault as well, but does not yet: {}.", names(&idle)),
        "Set it up for encryption if you want one more way in.",
    );
    (!idle.is_empty()).then(|| finding.about(subjects(&idle)))
}

fn violation(facts: &Facts, policy: &Policy) -> Option<Finding> {
    let enabled: Vec<&SlotFacts> = facts.enabled().collect();
    let passkeys = enabled.iter().filter(|slot| slot.kind == SlotKind::Passkey).count();
    let most = usize::from(policy.most_passkeys.unwrap_or(DEFAULT_MOST_PASSKEYS));
    let least = usize::from(policy.least_slots.unwrap_or(0));
    let is_allowed = |slot: &&SlotFacts| {
        let kinds = policy.allowed_kinds.as_ref();
        kinds.is_none_or(|kinds| kinds.contains(&slot.kind))
            && (!policy.no_fallback || slot.is_authenticator())
    };
    let (sentence, next_step) = if enabled.len() < least {
        let has = enabled.len();
        (
            format!("The rules of this vault ask for {least} ways to open it, and there are {has}."),
            "Add another way to open it.",
        )
    } else if passkeys > most {
        (format!("The rules of this vault allow {most} passkeys, and there are {passkeys}."), "Remove one.")
    } else if !enabled.iter().all(is_allowed) {
        ("The rules of this vault forbid one of the ways that open it.".into(), "Remove it.")
    } else {
        return None;
    };
    Some(Finding::new(Reason::PolicyViolation, Severity::Warning, sentence, next_step))
}
