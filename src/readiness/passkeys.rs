//! The passkeys in the vault, by the accounts that they are for.

use alloc::{collections::BTreeMap, format, string::String, vec::Vec};

use super::{
    facts::Facts,
    finding::{Finding, Reason, Severity, Subject, list},
};
use crate::{
    credential::Credential,
    time::UnixTime,
    upkeep::Coverage,
    webauthn::{CredentialId, RpId},
};

/// What is lost with a passkey (requirement A20).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletionImpact {
    /// There is no such passkey here.
    Unknown,
    /// As many others are left for the same account.
    OthersRemain(usize),
    /// It is the last one here for the account; the relying party is known to offer a recovery code, and one is kept.
    LastButCovered,
    /// It is the last one here for the account: without another way, the account is lost.
    Last,
}

/// Whether the password of a relying party can go (requirements E4 and E7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordAdvice {
    /// There is no passkey for it here.
    KeepNoPasskey,
    /// No passkey of it was used yet: nobody knows whether it works.
    KeepUntried,
    /// Its one passkey is on this device alone.
    KeepSingle,
    /// The password was used after the passkey: something still needs it.
    KeepInUse,
    /// It has several passkeys, or one that is backed up, and they are what is used.
    MayRetire,
}

/// What deleting a passkey would cost.
pub fn deletion_impact(facts: &Facts, id: &CredentialId) -> DeletionImpact {
    let Some(passkey) = facts.passkeys.iter().find(|passkey| passkey.id == *id) else {
        return DeletionImpact::Unknown;
    };
    match (count(facts, passkey).saturating_sub(1), is_covered(facts, &passkey.rp.id)) {
        (0, true) => DeletionImpact::LastButCovered,
        (0, false) => DeletionImpact::Last,
        (others, _) => DeletionImpact::OthersRemain(others),
    }
}

/// Whether the password of a relying party can be retired; `password_used`: when it was last used, where that is known.
pub fn can_retire_password(facts: &Facts, rp: &RpId, password_used: Option<UnixTime>) -> PasswordAdvice {
    let passkeys: Vec<&Credential> = facts.passkeys.iter().filter(|passkey| passkey.rp.id == *rp).collect();
    if passkeys.is_empty() {
        return PasswordAdvice::KeepNoPasskey;
    }
    let Some(used) = passkeys.iter().filter_map(|passkey| passkey.last_used).max() else {
        return PasswordAdvice::KeepUntried;
    };
    let is_safe = |passkey: &&&Credential| passkey.backup.backed_up() || count(facts, passkey) > 1;
    if passkeys.iter().filter(is_safe).count() < passkeys.len() {
        PasswordAdvice::KeepSingle
    } else if password_used.is_some_and(|password| password > used) {
        PasswordAdvice::KeepInUse
    } else {
        PasswordAdvice::MayRetire
    }
}

/// How many passkeys the account of this one has, as far as is known.
fn count(facts: &Facts, passkey: &Credential) -> usize {
    let (rp, user) = (&passkey.rp.id, &passkey.user.id);
    let here = facts.passkeys.iter().filter(|other| other.rp.id == *rp && other.user.id == *user).count();
    let elsewhere =
        facts.host.elsewhere.iter().filter(|(other, account)| other == rp && account == user).count();
    here.saturating_add(elsewhere)
}

fn coverage<'a>(facts: &'a Facts, rp: &RpId) -> Option<&'a Coverage> {
    facts.upkeep.coverage.iter().find(|coverage| coverage.rp_id == *rp)
}

/// Whether recovery codes of the relying party are kept.
fn is_covered(facts: &Facts, rp: &RpId) -> bool {
    coverage(facts, rp).is_some_and(|coverage| coverage.recovery_codes == Some(true))
}

/// The accounts with one passkey, by what that means for them: one finding for each reason.
pub(super) fn check(facts: &Facts, findings: &mut Vec<Finding>) {
    let mut alone: BTreeMap<(Severity, Reason), Vec<RpId>> = BTreeMap::new();
    for passkey in facts.passkeys.iter().filter(|passkey| count(facts, passkey) == 1) {
        let rp = &passkey.rp.id;
        if let Some(kind) = judge(facts, passkey) {
            let rps = alone.entry(kind).or_default();
            if !rps.contains(rp) {
                rps.push(rp.clone());
            }
        }
    }
    findings.extend(alone.into_iter().map(|((severity, reason), rps)| finding(severity, reason, rps)));
}

/// What it means for an account that this is its one passkey; none where recovery codes are kept.
fn judge(facts: &Facts, passkey: &Credential) -> Option<(Severity, Reason)> {
    let coverage = coverage(facts, &passkey.rp.id);
    if is_covered(facts, &passkey.rp.id) {
        None
    } else if coverage.is_some_and(|coverage| coverage.second_authenticator == Some(false)) {
        Some((Severity::Warning, Reason::UncoveredRelyingParty))
    } else if !passkey.backup.eligible() {
        Some((Severity::Warning, Reason::DeviceBoundAlone))
    } else if passkey.backup.backed_up() {
        Some((Severity::Info, Reason::SinglePasskey))
    } else {
        Some((Severity::Advice, Reason::SinglePasskey))
    }
}

fn finding(severity: Severity, reason: Reason, mut rps: Vec<RpId>) -> Finding {
    rps.sort();
    let names = list(&rps.iter().map(|rp| String::from(rp.as_str())).collect::<Vec<_>>());
    let (sentence, next_step) = match reason {
        Reason::DeviceBoundAlone => (
            format!(
                "Your only passkey for {names} is bound to one device and in no backup. If the device is lost, so is \
                 that way to sign in."
            ),
            "Sign in there and add a second passkey on another device.",
        ),
        Reason::UncoveredRelyingParty => (
            format!(
                "{names} takes no second passkey, and none of its recovery codes is kept. If the passkey is lost, only \
                 its support can help."
            ),
            "Sign in there, make recovery codes, and keep them on paper.",
        ),
        _ => (
            format!("You have one passkey for {names}. If the vault is lost, so is that way to sign in."),
            "Sign in there and add a second passkey on another device, or keep its recovery codes on paper.",
        ),
    };
    Finding::new(reason, severity, sentence, next_step).about(rps.into_iter().map(Subject::RelyingParty))
}
