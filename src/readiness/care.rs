//! What was done against lockout, and when it is to be done again.

use alloc::{format, string::String, vec::Vec};

use super::{
    facts::{Facts, Limits, SlotFacts, is_over},
    finding::{Finding, Reason, Severity, Subject, list, name},
    report::Kept,
};
use crate::{
    time::UnixTime,
    upkeep::{BackupNote, KitState},
    vault::SlotKind,
};

/// From how many times the limit on, a backup is not just late.
const MUCH_TOO_OLD: u64 = 4;

pub(super) fn check(facts: &Facts, limits: &Limits, now: UnixTime, findings: &mut Vec<Finding>) {
    if facts.items > 0 {
        match newest(facts) {
            Some(backup) => check_backup(facts, backup, limits, now, findings),
            None => findings.push(Finding::new(
                Reason::BackupMissing,
                Severity::Warning,
                "There is no backup. If the vault itself is lost or damaged, all your passkeys and notes are gone, and no \
                 code brings them back.",
                "Make a backup, and keep it on a drive that is not in this computer.",
            )),
        }
    }
    findings.extend(kit(facts));
    findings.extend(unknown_places(facts));
    if next_review(facts, limits, now) <= now {
        findings.push(Finding::new(
            Reason::ReviewDue,
            Severity::Advice,
            "You have not gone through this list for half a year. Devices, addresses and people change meanwhile.",
            "Go through it with the paper and the devices at hand, and note that you have.",
        ));
    }
}

/// The last review, or the making of the vault, and the limit; never further away than the limit from now.
pub(super) fn next_review(facts: &Facts, limits: &Limits, now: UnixTime) -> UnixTime {
    let made = facts.slots.iter().map(|slot| slot.private.created).min().map(UnixTime);
    let reviewed = facts.upkeep.reviewed.filter(|reviewed| *reviewed <= now);
    let last = reviewed.or(made).unwrap_or(now).min(now);
    UnixTime(last.0.saturating_add(limits.review))
}

fn newest(facts: &Facts) -> Option<&BackupNote> {
    facts.upkeep.backups.iter().max_by_key(|backup| backup.created)
}

fn check_backup(
    facts: &Facts,
    backup: &BackupNote,
    limits: &Limits,
    now: UnixTime,
    findings: &mut Vec<Finding>,
) {
    let mut push = |reason, severity, sentence, next_step| {
        let finding = Finding::new(reason, severity, sentence, next_step);
        findings.push(finding.about([Subject::Backup(backup.backup_vault)]));
    };
    let made = Some(backup.created);
    if facts.host.changes_since_backup != Some(0) && is_over(made, limits.backup, now) {
        let much = is_over(made, limits.backup.saturating_mul(MUCH_TOO_OLD), now);
        push(
            Reason::BackupStale,
            if much { Severity::Warning } else { Severity::Advice },
            "The last backup is old. What you have saved since then is not in it.",
            "Make a new backup.",
        );
    }
    let tried = facts.upkeep.backups.iter().filter_map(|backup| backup.verified.max(backup.restored)).max();
    if is_over(tried, limits.backup_test, now) {
        push(
            Reason::BackupUntested,
            if tried.is_none() { Severity::Warning } else { Severity::Advice },
            "Nobody has tried lately whether your backup can be read. A backup that cannot be read is none.",
            "Try the newest backup out. That changes nothing.",
        );
    }
    let by_itself = |kind: &SlotKind| !matches!(kind, SlotKind::Passkey | SlotKind::Device);
    if !backup.opens_by.iter().any(by_itself) {
        push(
            Reason::BackupNeedsDevice,
            Severity::Advice,
            "Your last backup opens by a device alone. If the device is lost together with the vault, the backup is of \
             no use.",
            "Make a backup that also opens by a recovery code or a passphrase.",
        );
    }
}

fn kit(facts: &Facts) -> Option<Finding> {
    let (reason, about) = (Reason::KitStale, [Subject::Kit]);
    let enabled: Vec<_> = facts.enabled().map(|slot| (slot.slot_id, slot.slot_gen)).collect();
    let Some(kit) = &facts.upkeep.kit else {
        return Some(Finding::new(
            Reason::KitMissing,
            Severity::Advice,
            "You have no recovery kit: one sheet of paper that says, to you or to somebody you trust, how this vault is \
             opened in an emergency.",
            "Print a recovery kit, and keep it in a safe place that one other person knows.",
        ));
    };
    let (severity, sentence) = match kit.state(&enabled) {
        KitState::Current => return None,
        KitState::Renewed => (
            Severity::Info,
            "Locks of the vault were renewed after your recovery kit was printed. What is on the paper still opens it.",
        ),
        KitState::Incomplete => (
            Severity::Advice,
            "There is a new way to open this vault that your printed recovery kit does not tell of.",
        ),
        KitState::Outdated => (
            Severity::Warning,
            "Your printed recovery kit tells of a way to open this vault that is gone. Whoever relies on the paper may \
             stand before a closed door.",
        ),
    };
    let next_step = "Print a new recovery kit, put it in the place of the old one, and destroy the old one.";
    Some(Finding::new(reason, severity, sentence, next_step).about(about))
}

/// What helps in an emergency, with the owner's word on where it is.
fn helpers(facts: &Facts) -> impl Iterator<Item = (Subject, Option<&String>)> {
    let written = |slot: &&SlotFacts| !matches!(slot.kind, SlotKind::Device | SlotKind::Passphrase);
    let slots =
        facts.usable().filter(written).map(|slot| (Subject::Slot(slot.slot_id), slot.private.note.as_ref()));
    let backup = newest(facts).map(|backup| (Subject::Backup(backup.backup_vault), backup.place.as_ref()));
    let kit = facts.upkeep.kit.as_ref().map(|kit| (Subject::Kit, kit.place.as_ref()));
    slots.chain(backup).chain(kit)
}

/// Where the owner said that these are.
pub(super) fn kept(facts: &Facts) -> Vec<Kept> {
    let known = helpers(facts).filter_map(|(what, place)| Some(Kept { what, place: place?.clone() }));
    known.collect()
}

fn call(facts: &Facts, what: &Subject) -> String {
    match what {
        Subject::Slot(id) => {
            facts.slots.iter().find(|slot| slot.slot_id == *id).map(name).unwrap_or_default()
        }
        Subject::Backup(_) => "the backup".into(),
        Subject::Kit => "the recovery kit".into(),
        Subject::RelyingParty(rp) => rp.as_str().into(),
    }
}

/// A passkey is where its device is; of the rest, nobody but the owner knows.
fn unknown_places(facts: &Facts) -> Option<Finding> {
    let is_passkey = |what: &Subject| {
        facts.slots.iter().any(|slot| slot.kind == SlotKind::Passkey && *what == Subject::Slot(slot.slot_id))
    };
    let unknown: Vec<Subject> = helpers(facts)
        .filter(|(what, place)| place.is_none() && !is_passkey(what))
        .map(|(what, _)| what)
        .collect();
    let names: Vec<String> = unknown.iter().map(|what| call(facts, what)).collect();
    let finding = Finding::new(
        Reason::PlaceUnknown,
        Severity::Info,
        format!("Nobody noted where to find this in an emergency: {}.", list(&names)),
        "Note where each is, and who knows of it. The note is encrypted.",
    );
    (!unknown.is_empty()).then(|| finding.about(unknown))
}
