//! What the report finds.

use alloc::{format, string::String, vec::Vec};

use super::facts::SlotFacts;
use crate::{
    vault::{SlotId, SlotKind, VaultId},
    webauthn::RpId,
};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Better done.
    Advice,
    /// One more mishap, and something is lost.
    Warning,
    /// A single mishap loses everything.
    Critical,
}

impl Severity {
    /// Its name: `info`, `advice`, `warning`, `critical`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Advice => "advice",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// Why there is something to say. The codes never change their meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// All there are.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code for programs.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }
        }
    };
}

reasons! {
    /// Everything that opens the vault is inside it.
    NoWayIn = "no-way-in",
    /// One device, provider, code or person, without which nothing opens the vault.
    SinglePointOfFailure = "single-point-of-failure",
    /// No authenticator opens the vault.
    NoAuthenticator = "no-authenticator",
    /// One authenticator opens the vault.
    SingleAuthenticator = "single-authenticator",
    /// All authenticators are of one model.
    SameModel = "same-model",
    /// All authenticators are kept by one provider.
    SameProvider = "same-provider",
    /// All authenticators are built into devices.
    AllBuiltIn = "all-built-in",
    /// A passkey that could be synced is on one device only.
    NotBackedUp = "not-backed-up",
    /// Nothing but authenticators opens the vault.
    NoFallback = "no-fallback",
    /// A code, passphrase or set of shares was never tried.
    FallbackUntested = "fallback-untested",
    /// A slot was not tried for long.
    SlotUntested = "slot-untested",
    /// A recovery code, passphrase or set of shares is kept in the vault that it opens, and nowhere else that is known.
    CodeInOwnVault = "code-in-own-vault",
    /// A passkey that opens the vault is an item of the vault.
    CircularPasskey = "circular-passkey",
    /// A slot's keys are older than the vault's.
    RefreshDue = "refresh-due",
    /// A passkey could open the vault and does not.
    EncryptionNotSetUp = "encryption-not-set-up",
    /// The slots break the vault's policy.
    PolicyViolation = "policy-violation",
    /// There is no backup.
    BackupMissing = "backup-missing",
    /// The last backup is old.
    BackupStale = "backup-stale",
    /// No backup was tried out, or not for long.
    BackupUntested = "backup-untested",
    /// The last backup opens by a device alone.
    BackupNeedsDevice = "backup-needs-device",
    /// There is no recovery kit.
    KitMissing = "kit-missing",
    /// The recovery kit does not tell of the slots as they are.
    KitStale = "kit-stale",
    /// Nobody wrote down where something is kept.
    PlaceUnknown = "place-unknown",
    /// The whole was not reviewed for long.
    ReviewDue = "review-due",
    /// An account has one passkey, bound to one device.
    DeviceBoundAlone = "device-bound-alone",
    /// An account has one passkey.
    SinglePasskey = "single-passkey",
    /// A relying party takes no second authenticator and no recovery code of it is kept.
    UncoveredRelyingParty = "uncovered-relying-party",
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A slot.
    Slot(SlotId),
    /// A relying party.
    RelyingParty(RpId),
    /// A backup.
    Backup(VaultId),
    /// The recovery kit.
    Kit,
}

/// Something that the owner should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Why.
    pub reason: Reason,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about; empty where that is the vault as a whole.
    pub subjects: Vec<Subject>,
    /// What follows from it, in plain words. It may quote what the owner wrote: escape it where it is shown.
    pub sentence: String,
    /// What to do.
    pub next_step: String,
}

impl Finding {
    pub(super) fn new(
        reason: Reason,
        severity: Severity,
        sentence: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        Self {
            reason,
            severity,
            subjects: Vec::new(),
            sentence: sentence.into(),
            next_step: next_step.into(),
        }
    }

    pub(super) fn about(mut self, subjects: impl IntoIterator<Item = Subject>) -> Self {
        self.subjects.extend(subjects);
        self
    }
}

/// What a slot is called in a sentence.
pub(super) fn name(slot: &SlotFacts) -> String {
    let kind = match slot.kind {
        SlotKind::Passkey => "passkey",
        SlotKind::RecoveryCode => "recovery code",
        SlotKind::Passphrase => "passphrase",
        SlotKind::Shares => "set of shares",
        SlotKind::ContactCode => "code of your contact",
        SlotKind::Device => "device",
    };
    if slot.private.label.is_empty() { kind.into() } else { format!("{kind} \"{}\"", slot.private.label) }
}

/// "a", "a and b", "a, b and 3 more".
pub(super) fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [one, other] => format!("{one} and {other}"),
        [one, other, more @ ..] => format!("{one}, {other} and {} more", more.len()),
    }
}
