//! What a command comes to, step by step.

use alloc::{boxed::Box, sync::Arc};

use super::{
    client_pin,
    credential_management::{Survey, Task},
    get_assertion,
    machine::Stateful,
    make_credential,
    question::Question,
    state::State,
};
use crate::{
    credential::{ChangeSet, Query},
    ctap2::{GetAssertion, MakeCredential, Response, Status},
    secret::Secret,
    webauthn::{CredentialId, PrfInputs, PrfOutputs},
};

/// Where a command came from: a CTAPHID channel, a connection, a browser tab. Stateful commands are bound to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Channel(
    /// The transport's number for it.
    pub u32,
);

/// A command of the provider door, where a WebAuthn client of ours sits right on top of the authenticator. PRF travels as
/// plain salts, is evaluated with the user-verified secret only, and never enters authenticator data.
pub enum ProviderRequest {
    /// Make a passkey.
    Create {
        /// As on the CTAP door.
        request: MakeCredential,
        /// PRF inputs; where there are salts for the new credential, the user is verified.
        prf: PrfInputs,
    },
    /// Sign in.
    Get {
        /// As on the CTAP door.
        request: GetAssertion,
        /// PRF inputs; where there are salts for the credential that answers, the user is verified.
        prf: PrfInputs,
    },
}

/// What the machine came to, or needs.
///
/// A store carries look-ups and commits out in the order in which they were asked for, also when another command began
/// in between: each later one is built on the earlier ones. A commit whose [`Pending`] is lost leaves the machine unsure of
/// what is stored; make a new one from the stored state then.
pub enum Step {
    /// The command is done.
    Done(Outcome),
    /// A person must answer: go on with [`super::Authenticator::answer`].
    Ask(Question, Pending),
    /// The store must look up: go on with [`super::Authenticator::loaded`].
    Load(Query, Pending),
    /// The store must say what it holds: go on with [`super::Authenticator::surveyed`].
    Survey(Pending),
    /// The store must commit: go on with [`super::Authenticator::committed`].
    Commit(ChangeSet, Pending),
}

/// A command's outcome.
pub struct Outcome {
    /// The response; [`Response::encode`] gives the bytes of the CTAP door.
    pub response: Response,
    /// PRF results, on the provider door only.
    pub prf: Option<PrfOutputs>,
}

/// A command that waits for an answer. It owns all it needs, is wiped when dropped, and is good for one answer; after
/// another command took the floor, or after a reset or a lock, that answer is KEEPALIVE_CANCEL and has no effect. So it is
/// with any machine but the one that handed it out.
pub struct Pending {
    /// Whose it is: one allocation per machine, which cannot be another's as long as this holds it.
    pub(super) machine: Arc<()>,
    pub(super) generation: u64,
    pub(super) work: Work,
}

/// What is waited for.
pub(super) enum Work {
    /// A person's answer.
    Approve { job: Job, verify: bool, deadline: u64 },
    /// The store's unlocking, after which what it was locked for is tried again.
    Unlock { blocked: Box<Work>, deadline: u64 },
    /// A look-up.
    Find { query: Query, job: Job },
    /// What the store holds.
    Survey(Box<Survey>),
    /// The commit of a PIN try, before the PIN is compared.
    CountTry { pin: Secret<16>, choice: Option<CredentialId>, job: Job, deadline: u64 },
    /// The commit of the try of a PIN that a platform sent, before it is compared.
    CountSentTry(Box<client_pin::Job>),
    /// The commit that gives the tries back after the right PIN, or after the host's verifier recognised the user.
    RestoreTries { choice: Option<CredentialId>, job: Job },
    /// The commit that gives the tries back after the right PIN of a platform.
    RestoreSentTries(Box<client_pin::Job>),
    /// The commit of a failure of the host's verifier.
    CountUvFailure(Job),
    /// The command's own commit: after it the response leaves, and what the next command goes on from is remembered.
    Respond { outcome: Box<Outcome>, remember: Option<Stateful> },
    /// The commit of a new PIN, of a reset, or of whatever else must be stored before it counts.
    ReplaceState { state: Box<State>, after: After },
}

/// What follows when a state was replaced.
pub(super) enum After {
    /// Nothing more.
    Configured,
    /// The tokens of a PIN before are over.
    NewPin,
    /// The tokens of a PIN that must not be used any more are over.
    ForcedPinChange,
    /// Everything goes that a power cycle would forget.
    Reset,
    /// The persistent token is stored, and given out.
    Grant(Box<client_pin::Job>),
}

/// The commands that take more than one step.
pub(super) enum Job {
    MakeCredential(Box<make_credential::Job>),
    GetAssertion(get_assertion::Job),
    GetNextAssertion(Box<get_assertion::Cursor>),
    /// authenticatorCredentialManagement, with the records that it needs.
    Manage(Box<Task>),
    #[cfg(feature = "u2f")]
    U2f(Box<super::u2f::Job>),
    Select,
    /// The zero-length pinUvAuthParam; ends in the status.
    Probe(Status),
    ClientPin(Box<client_pin::Job>),
    Reset,
}

/// How a person's answer was accepted.
#[derive(Debug)]
pub(super) struct Approval {
    pub(super) present: crate::user::UserPresent,
    pub(super) verified: Option<crate::user::UserVerified>,
    pub(super) choice: Option<CredentialId>,
}

/// Why there was no approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Declined,
    TimedOut,
    /// User verification was needed and failed.
    Unverified,
    /// User verification was needed, and no tries are left.
    Blocked,
}

impl Step {
    pub(super) fn failed(status: Status) -> Self {
        Self::respond(Response::Failed(status))
    }

    pub(super) fn respond(response: Response) -> Self {
        Self::Done(Outcome { response, prf: None })
    }
}

impl From<Result<Step, Status>> for Step {
    fn from(result: Result<Step, Status>) -> Self {
        result.unwrap_or_else(Step::failed)
    }
}
