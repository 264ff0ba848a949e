//! `countersign check`: how the vault's owner could be locked out.

use clap::Args;
use countersign::{
    backup::{Lineage, changes_since},
    readiness::{Facts, Finding, HostFacts, Limits, ReadinessReport, Reason, Severity, Subject},
    time::UnixTime,
    upkeep::UpkeepRecord,
    vault::{Envelope, RecoveryCode, SlotId, SlotKind, SlotSecret, SlotStatus, VaultId},
};
use serde_json::{Value, json};

use crate::{
    date::rfc3339,
    failure::Failure,
    item,
    outcome::Outcome,
    places::{Places, VaultStore, today},
    text::{count, printable, wrapped},
    vault::{WayArgs, open},
};

const AFTER_HELP: &str = "\
Examples:
  countersign check                                 opens the vault by a passkey, at the terminal
  countersign check --code-file code.txt --json     for a scheduled job
  countersign check --reviewed                      notes that you have gone through it today

Each finding has a code (docs/recovery.md has the list), says what follows from it, and what to do.
What was printed or noted elsewhere is believed: nobody looks whether the paper is still there.

Exit codes: 0 nothing, or nothing worse than advice; 9 a warning: one more mishap, and something is
lost; 10 critical: a single mishap loses everything. Where the vault does not open, as always.";

/// Say how you could be locked out of the vault, and what to do about it
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct CheckArgs {
    /// Note in the vault that you have gone through the whole report today
    #[arg(long)]
    reviewed: bool,
    #[command(flatten)]
    way: WayArgs,
}

pub(crate) fn run(places: &Places, arguments: CheckArgs) -> Result<Outcome, Failure> {
    let (mut open, _) = open(places, arguments.way)?;
    if arguments.reviewed {
        let mut upkeep = UpkeepRecord::load(&open.store)?;
        upkeep.reviewed = Some(today());
        upkeep.save(&mut open.store)?;
    }
    let facts = Facts::of(&open.store, host_facts(places, &open.store)?)?;
    let report = ReadinessReport::of(&facts, &Limits::default(), today());
    let vault_id = open.store.vault().vault_id();
    let text = text(&report, &facts, vault_id);
    let json = json(&report, &facts, vault_id);
    let exit = match report.worst() {
        Some(Severity::Critical) => 10,
        Some(Severity::Warning) => 9,
        _ => 0,
    };
    Ok(Outcome::Graded { text, json, exit })
}

/// What the vault does not know of itself.
fn host_facts(places: &Places, store: &VaultStore) -> Result<HostFacts, Failure> {
    let lineage = Lineage::load(store.vault(), store.storage())?;
    let changes = changes_since(lineage.as_ref(), store.vault(), store.storage())?;
    Ok(HostFacts {
        kept_within: codes_within(places, store)?,
        changes_since_backup: lineage.map(|_| changes.total()),
        ..HostFacts::default()
    })
}

/// The slots that open by a code that stands in a file of the vault.
fn codes_within(places: &Places, store: &VaultStore) -> Result<Vec<SlotId>, Failure> {
    let vault = store.vault();
    let mut found = Vec::new();
    let Some(envelope) = Envelope::export(store.storage())? else { return Ok(found) };
    for stored in item::list(store)? {
        for code in codes(&stored.file.contents, &vault.vault_id()) {
            for slot in vault.slots().filter(|slot| slot.status() == SlotStatus::Enabled) {
                let (id, secret) = (slot.slot_id(), SlotSecret::Code(&code));
                let is_code = matches!(slot.kind(), SlotKind::RecoveryCode | SlotKind::ContactCode);
                if is_code && vault.reauthenticate(&envelope, &id, &secret, places.now()).is_ok() {
                    found.push(id);
                }
            }
        }
    }
    Ok(found)
}

/// What reads as a code of this vault, anywhere in the bytes: `CS1` and the 34 letters and digits after it.
fn codes(bytes: &[u8], vault: &VaultId) -> Vec<RecoveryCode> {
    let begins = |at: &usize| bytes.get(*at..*at + 3).is_some_and(|start| start.eq_ignore_ascii_case(b"CS1"));
    let code_at = |at: usize| {
        let mut symbols = 0;
        let end = bytes.get(at..)?.iter().position(|byte| {
            symbols += usize::from(byte.is_ascii_alphanumeric());
            symbols == 37
        })?;
        let text = std::str::from_utf8(bytes.get(at..=at + end)?).ok()?;
        RecoveryCode::parse(text, vault).ok()
    };
    (0..bytes.len()).filter(begins).filter_map(code_at).collect()
}

/// What to type, where this program has a command for the next step.
fn command(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::NoAuthenticator | Reason::SingleAuthenticator | Reason::CircularPasskey => {
            "countersign vault enroll"
        }
        Reason::NoWayIn | Reason::NoFallback | Reason::SinglePointOfFailure | Reason::CodeInOwnVault => {
            "countersign kit print --new-code --html kit.html --place \"where it is, and who knows of it\""
        }
        Reason::KitMissing | Reason::KitStale => {
            "countersign kit print --html kit.html --place \"where it is, and who knows of it\""
        }
        Reason::FallbackUntested => "countersign vault test --by code",
        Reason::SlotUntested | Reason::RefreshDue => "countersign vault unlock",
        Reason::BackupMissing | Reason::BackupStale | Reason::BackupNeedsDevice => {
            "countersign backup create FILE --place \"where it is, and who knows of it\""
        }
        Reason::BackupUntested => "countersign backup verify FILE --note",
        Reason::PlaceUnknown => "countersign vault label SLOT --note \"where it is, and who knows of it\"",
        Reason::EncryptionNotSetUp => "countersign vault enroll --existing ID",
        Reason::ReviewDue => "countersign check --reviewed",
        _ => return None,
    })
}

fn text(report: &ReadinessReport, facts: &Facts, vault_id: VaultId) -> String {
    let mut text = format!("The vault {vault_id}, {}: {}.\n", today().day(), summary(report));
    for finding in &report.findings {
        text.push_str(&format!("\n{}: {}\n", finding.severity.name(), finding.reason.code()));
        text.push_str(&wrapped(&printable(&finding.sentence), "  "));
        text.push_str(&wrapped(&printable(&finding.next_step), "  > "));
        if let Some(command) = command(finding.reason) {
            text.push_str(&format!("    {command}\n"));
        }
    }
    if !report.kept.is_empty() {
        text.push_str("\nWhere things are kept:\n");
    }
    for kept in &report.kept {
        let line = format!("{}: {}", printable(&subject(facts, &kept.what)), printable(&kept.place));
        text.push_str(&wrapped(&line, "  "));
    }
    text.push_str(&format!("\nNext review: {}", report.next_review.day()));
    text
}

fn summary(report: &ReadinessReport) -> String {
    let number = |severity| report.findings.iter().filter(|finding| finding.severity == severity).count();
    match (number(Severity::Critical), number(Severity::Warning), number(Severity::Advice)) {
        (0, 0, 0) => "nothing to warn of".to_owned(),
        (critical, warnings, advice) => {
            format!("{critical} critical, {}, {advice} to advise", count(warnings, "warning"))
        }
    }
}

/// What a finding is about, in words.
fn subject(facts: &Facts, subject: &Subject) -> String {
    match subject {
        Subject::Slot(id) => {
            let slot = facts.slots.iter().find(|slot| slot.slot_id == *id);
            slot.map_or_else(|| id.to_string(), |slot| slot.private.label.clone())
        }
        Subject::RelyingParty(rp_id) => rp_id.as_str().to_owned(),
        Subject::Backup(id) => format!("backup {id}"),
        Subject::Kit => "recovery kit".to_owned(),
    }
}

fn subject_json(facts: &Facts, about: &Subject) -> Value {
    let name = subject(facts, about);
    match about {
        Subject::Slot(id) => json!({ "type": "slot", "id": id.to_string(), "name": name }),
        Subject::RelyingParty(rp_id) => {
            json!({ "type": "relying-party", "id": rp_id.as_str(), "name": name })
        }
        Subject::Backup(id) => json!({ "type": "backup", "id": id.to_string(), "name": name }),
        Subject::Kit => json!({ "type": "kit", "name": name }),
    }
}

fn json(report: &ReadinessReport, facts: &Facts, vault_id: VaultId) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "reason": finding.reason.code(),
            "severity": finding.severity.name(),
            "sentence": finding.sentence,
            "nextStep": finding.next_step,
            "command": command(finding.reason),
            "about": finding.subjects.iter().map(|about| subject_json(facts, about)).collect::<Vec<_>>(),
        })
    };
    let kept = report.kept.iter();
    let kept = kept.map(|kept| json!({ "what": subject_json(facts, &kept.what), "place": kept.place }));
    json!({
        "vaultId": vault_id.to_string(),
        "worst": report.worst().map(Severity::name),
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "kept": kept.collect::<Vec<_>>(),
        "reviewed": facts.upkeep.reviewed.map(rfc3339),
        "nextReview": rfc3339(UnixTime(report.next_review.0)),
    })
}
