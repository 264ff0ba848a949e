//! What the ways into a vault hang on, and whether one loss takes them all (requirement D15).

use alloc::{collections::BTreeSet, format, string::String, vec, vec::Vec};

use super::{
    facts::{Facts, SlotFacts},
    finding::{Finding, Reason, Severity, Subject, name},
};
use crate::vault::{SlotId, SlotKind};

/// Something that can be lost as a whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Dependence {
    /// What opens one slot: an authenticator, a code, a passphrase.
    Slot(SlotId),
    /// The account at a provider that syncs passkeys, by the AAGUID.
    Provider([u8; 16]),
    /// What the host named.
    Named(String),
}

pub(super) fn check(facts: &Facts, findings: &mut Vec<Finding>) {
    let usable: Vec<&SlotFacts> = facts.usable().collect();
    let Some((first, others)) = usable.split_first() else {
        findings.push(Finding::new(
            Reason::NoWayIn,
            Severity::Critical,
            "Everything that opens this vault is kept inside this vault. Once it is closed, nothing opens it again.",
            "Make a recovery code now, while the vault is open, and keep it outside of the vault, on paper.",
        ));
        return;
    };
    let common = others.iter().fold(dependences(facts, first), |common, slot| {
        common.intersection(&dependences(facts, slot)).cloned().collect()
    });
    // One finding is enough: what is lost together is named by the widest of its names.
    if let Some(dependence) = common.last() {
        findings.push(finding(facts, dependence, &usable));
    }
}

/// What must not be lost for this slot to open the vault. A synced passkey outlives its devices, not the account that
/// syncs it; shares outlive one holder where more were made than are needed.
fn dependences(facts: &Facts, slot: &SlotFacts) -> BTreeSet<Dependence> {
    let own = Dependence::Slot(slot.slot_id);
    let first = match (slot.kind, slot.aaguid()) {
        (SlotKind::Passkey, Some(aaguid)) if slot.is_synced() => vec![own, Dependence::Provider(aaguid)],
        (SlotKind::Shares, _) if slot.shares.is_some_and(|set| set.made > set.needed) => vec![],
        _ => vec![own],
    };
    let named = facts.host.hangs_on.iter().filter(|(id, _)| *id == slot.slot_id);
    first.into_iter().chain(named.map(|(_, words)| Dependence::Named(words.clone()))).collect()
}

fn finding(facts: &Facts, dependence: &Dependence, usable: &[&SlotFacts]) -> Finding {
    let what = match dependence {
        Dependence::Slot(id) => {
            let slot = usable.iter().find(|slot| slot.slot_id == *id);
            format!("your {}", slot.map(|slot| name(slot)).unwrap_or_default())
        }
        Dependence::Provider(aaguid) => provider(facts, aaguid),
        Dependence::Named(words) => format!("\"{words}\""),
    };
    let sentence = format!(
        "Everything that opens this vault hangs on {what}. If you lose that, you lose all that is in the vault, and \
         nobody can get it back."
    );
    let next_step = "Add a way in that has nothing to do with it: a recovery code on paper, or a security key that you \
                     keep elsewhere.";
    let subjects = usable.iter().map(|slot| Subject::Slot(slot.slot_id));
    Finding::new(Reason::SinglePointOfFailure, Severity::Critical, sentence, next_step).about(subjects)
}

/// The name of a provider in a sentence.
pub(super) fn provider(facts: &Facts, aaguid: &[u8; 16]) -> String {
    match facts.host.providers.iter().find(|(id, _)| id == aaguid) {
        Some((_, name)) => format!("your account with {name}"),
        None => "the one account that keeps your passkeys in sync".into(),
    }
}
