//! What the machine asks a person, and what comes back.

use super::pin::PinEntry;
use crate::{
    credential::Credential,
    few::Few,
    pin_uv::Permissions,
    webauthn::{CredentialId, RpEntity, RpId, RpIdHash, UserEntity},
};

/// A question for a person. The host shows it until it is answered or its deadline has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What the person is asked to allow.
    pub purpose: Purpose,
    /// Whether, and how, the person must be verified.
    pub verification: Verification,
    /// The tick after which an answer is too late.
    pub deadline: u64,
}

/// What a person is asked to allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// Make a passkey.
    Register {
        /// The relying party.
        rp: RpEntity,
        /// The account.
        user: UserEntity,
        /// Whether the relying party will learn which authenticator this is (enterprise attestation). People are warned:
        /// CTAP 2.3 section 6.1.2 step 9.
        identified: bool,
    },
    /// Confirm that there is a passkey for this account already; none is made. On the provider door the website learns it
    /// from consent only; on the CTAP door the answer changes nothing but when the peer learns it.
    AlreadyRegistered {
        /// The relying party.
        rp: RpEntity,
    },
    /// Sign in.
    SignIn {
        /// The relying party.
        rp_id: RpId,
        /// The passkeys that fit, newest first. On the provider door, where they are several, the answer must choose; on
        /// the CTAP door the first one answers.
        accounts: Few<Account>,
        /// Whether the answer must choose one of several.
        choose: bool,
    },
    /// Confirm that there is no passkey for this relying party.
    NotRegistered {
        /// The relying party.
        rp_id: RpId,
    },
    /// Show which authenticator a platform should use (authenticatorSelection, or the zero-length pinUvAuthParam).
    Select,
    /// Let a platform act for the user without further questions, for minutes at most: give it a pinUvAuthToken (CTAP 2.3
    /// section 6.5.5.7).
    Authorize {
        /// What the platform may do. With [`Permissions::PERSISTENT_READ_ONLY`], for good: until the PIN is changed.
        permissions: Permissions,
        /// The relying party that it is for, where it is for one.
        rp_id: Option<RpId>,
    },
    /// Register, or sign in, over U2F: the site is known by a hash only.
    U2f {
        /// SHA-256 of its RP ID or application identity.
        application: RpIdHash,
        /// Whether a credential is made, and not used.
        registers: bool,
    },
    /// Delete every passkey and the PIN.
    Reset {
        /// Whether an authenticator that has a button waits until it was held for some seconds; authenticatorConfig demanded
        /// it. A host that asks otherwise takes care in its own way that nobody agrees by accident.
        long_touch: bool,
    },
    /// Unlock the store.
    Unlock,
}

/// One passkey, as a person is shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The passkey.
    pub credential: CredentialId,
    /// The account.
    pub user: UserEntity,
}

impl From<&Credential> for Account {
    fn from(credential: &Credential) -> Self {
        Self { credential: credential.id.clone(), user: credential.user.clone() }
    }
}

/// Whether, and how, the person must be verified for an answer to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// Consent is enough.
    None,
    /// The PIN is needed: [`Answer::Pin`].
    Pin {
        /// How many wrong PINs are left before only a reset helps.
        tries_left: u8,
        /// Whether the last entry to this command was wrong.
        wrong: bool,
    },
    /// The host's own verifier is needed: [`Answer::Verified`].
    Host,
}

/// What a person answered. `choice` names one of the accounts of a [`Purpose::SignIn`]; it may be left out where there is
/// one.
pub enum Answer {
    /// Consent, without verification. Not enough where verification is needed.
    Approved {
        /// The account.
        choice: Option<CredentialId>,
    },
    /// Consent, and the PIN.
    Pin {
        /// What was entered.
        pin: PinEntry,
        /// The account.
        choice: Option<CredentialId>,
    },
    /// Consent, and the host's own verifier recognised the user. Counts only where [`Verification::Host`] was asked for.
    Verified {
        /// The account.
        choice: Option<CredentialId>,
    },
    /// The host's own verifier did not recognise the user, as often as it tries for one question. Costs one of 5 tries
    /// where [`Verification::Host`] was asked for; when they are used up, only the PIN helps. Where no PIN is set that a
    /// platform can send, a power cycle gives them back, since nothing else could.
    NotRecognised,
    /// The store was unlocked.
    Unlocked,
    /// No.
    Declined,
    /// Nobody answered in time. Any answer after the deadline counts as this one.
    TimedOut,
}
