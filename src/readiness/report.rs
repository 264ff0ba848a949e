//! The report as a whole.

use alloc::{string::String, vec::Vec};

use super::{
    care, dependence,
    facts::{Facts, Limits},
    finding::{Finding, Reason, Severity, Subject},
    passkeys, ways,
};
use crate::time::UnixTime;

/// How many next steps are shown to somebody who has just enrolled something.
const FEW: usize = 3;

/// What after an enrolment makes the vault safer than it is.
const STEPS: [Reason; 12] = [
    Reason::NoWayIn,
    Reason::SinglePointOfFailure,
    Reason::NoAuthenticator,
    Reason::SingleAuthenticator,
    Reason::NoFallback,
    Reason::FallbackUntested,
    Reason::SameModel,
    Reason::SameProvider,
    Reason::NotBackedUp,
    Reason::BackupMissing,
    Reason::KitMissing,
    Reason::KitStale,
];

/// How the owner could be locked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadinessReport {
    /// What was found: the worst first, then by reason.
    pub findings: Vec<Finding>,
    /// Where the owner said that what helps is kept.
    pub kept: Vec<Kept>,
    /// When the whole is to be reviewed next.
    pub next_review: UnixTime,
}

/// Where something is kept and by whom, in the owner's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What.
    pub what: Subject,
    /// Where.
    pub place: String,
}

impl ReadinessReport {
    /// Makes the report of today.
    pub fn of(facts: &Facts, limits: &Limits, now: UnixTime) -> Self {
        let mut findings = Vec::new();
        dependence::check(facts, &mut findings);
        ways::check(facts, limits, now, &mut findings);
        care::check(facts, limits, now, &mut findings);
        passkeys::check(facts, &mut findings);
        findings.sort_by_key(|finding| (core::cmp::Reverse(finding.severity), finding.reason));
        Self { findings, kept: care::kept(facts), next_review: care::next_review(facts, limits, now) }
    }

    /// The severity of the worst finding; none where there is nothing to say.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.first().map(|finding| finding.severity)
    }

    /// What to offer somebody who has just enrolled something: three steps at most, the most useful first.
    pub fn next_steps(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| STEPS.contains(&finding.reason)).take(FEW)
    }
}
