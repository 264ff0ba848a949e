//! A credential manager in one struct: WebAuthn JSON in, JSON out, questions out (the provider door).
//!
//! [`Provider`] joins the WebAuthn client and the authenticator. Like the authenticator it does no input or output: each
//! [`ProviderStep`] that is not done says what is needed, and the [`Ceremony`] in it is eaten by the answer. Programs and
//! bindings use this and add nothing.

use alloc::boxed::Box;

use rand_core::CryptoRng;

use crate::{
    authenticator::{Answer, Authenticator, Channel, Outcome, Pending, ProviderRequest, Question, Step},
    client::{
        AssertionResult, Authentication, Caller, CreationOptions, OptionsError, Registration,
        RegistrationResult, RequestOptions, Requirement, ResponseJson, ResultError,
    },
    credential::{ChangeSet, CredentialStore, Query, Records, StoreError},
    ctap2::{Response, Status},
    time::Moment,
    webauthn::AuthenticatorAttachment,
};

/// A WebAuthn client on top of an authenticator of its own.
pub struct Provider {
    authenticator: Authenticator,
}

/// What a ceremony came to, or needs.
pub enum ProviderStep {
    /// The ceremony is over.
    Done(Result<ResponseJson, CeremonyError>),
    /// A person must answer: go on with [`Provider::answer`].
    Ask(Question, Ceremony),
    /// The store must look up: go on with [`Provider::loaded`].
    Load(Query, Ceremony),
    /// The store must commit: go on with [`Provider::committed`].
    Commit(ChangeSet, Ceremony),
}

/// A ceremony that waits for an answer: what the authenticator is at, and what makes the JSON in the end.
pub struct Ceremony {
    pending: Pending,
    second_half: SecondHalf,
}

enum SecondHalf {
    Registration { registration: Box<Registration>, discoverable: bool },
    Authentication(Box<Authentication>),
}

/// Why a ceremony failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CeremonyError {
    /// The options cannot be used, or the caller may not use them.
    Options(OptionsError),
    /// The options ask for something that this authenticator is or can not: another attachment, or user verification
    /// where none is set up.
    Unfit(&'static str),
    /// The authenticator ended the ceremony.
    Authenticator(Status),
    /// The authenticator's answer cannot be handed on.
    Result(ResultError),
}

impl CeremonyError {
    /// The name of the `DOMException` that a browser would throw (WebAuthn sections "Create a New Credential" and "Use
    /// an Existing Credential").
    pub fn exception_name(&self) -> &'static str {
        match self {
            Self::Options(error) => error.kind().exception_name(),
            Self::Authenticator(Status::CredentialExcluded) => "InvalidStateError",
            Self::Authenticator(Status::UnsupportedAlgorithm) => "NotSupportedError",
            // Whether nothing fits, nobody was there or somebody declined is for nobody to know.
            _ => "NotAllowedError",
        }
    }
}

impl core::fmt::Display for CeremonyError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Options(error) => error.fmt(f),
            Self::Unfit(reason) => f.write_str(reason),
            Self::Authenticator(status) => f.write_str(explain(*status)),
            Self::Result(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for CeremonyError {}

fn explain(status: Status) -> &'static str {
    match status {
        Status::CredentialExcluded => "there is a passkey for this account already",
        Status::NoCredentials => "there is no passkey for this site",
        Status::OperationDenied => "declined, or not answered",
        Status::UserActionTimeout => "not answered in time",
        Status::UnsupportedAlgorithm => "the site asks for algorithms that are not supported",
        Status::KeyStoreFull => "there is no room for another passkey",
        Status::PinBlocked => "the PIN is blocked: no tries are left",
        Status::PinAuthBlocked => "too many wrong PINs in a row: start again and try then",
        Status::KeepaliveCancel => "cancelled, or overtaken by another command",
        Status::Other => "the store failed",
        _ => "the authenticator refused the command",
    }
}

/// Ceremonies of one provider share one floor: a later one makes an earlier one stale.
const CHANNEL: Channel = Channel(0);

impl Provider {
    /// Puts a client on top of an authenticator.
    pub fn new(authenticator: Authenticator) -> Self {
        Self { authenticator }
    }

    /// The authenticator.
    pub fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// The authenticator, for its other door and its own commands.
    pub fn authenticator_mut(&mut self) -> &mut Authenticator {
        &mut self.authenticator
    }

    /// Begins a registration: `PublicKeyCredentialCreationOptionsJSON` in, `RegistrationResponseJSON` out in the end.
    /// Draws as [`Authenticator::begin`] does.
    pub fn create(
        &mut self,
        caller: &Caller,
        options: &[u8],
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> ProviderStep {
        self.begin_create(caller, options, now, rng).unwrap_or_else(|error| ProviderStep::Done(Err(error)))
    }

    fn begin_create(
        &mut self,
        caller: &Caller,
        options: &[u8],
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Result<ProviderStep, CeremonyError> {
        let prepared = CreationOptions::from_json(options).and_then(|options| options.prepare(caller));
        let prepared = prepared.map_err(CeremonyError::Options)?;
        self.check_fitness(prepared.attachment, prepared.user_verification)?;
        let mut request = prepared.request;
        let discoverable = prepared.resident_key.effective(true);
        request.options.rk = Some(discoverable);
        request.options.uv = Some(prepared.user_verification.effective(self.authenticator.verifies_users()));
        let request = ProviderRequest::Create { request, prf: prepared.prf.unwrap_or_default() };
        let step = self.authenticator.begin_provider(CHANNEL, request, now, rng);
        let registration = Box::new(prepared.registration);
        Ok(self.wrap(step, SecondHalf::Registration { registration, discoverable }))
    }

    /// Begins a sign-in: `PublicKeyCredentialRequestOptionsJSON` in, `AuthenticationResponseJSON` out in the end.
    pub fn get(
        &mut self,
        caller: &Caller,
        options: &[u8],
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> ProviderStep {
        self.begin_get(caller, options, now, rng).unwrap_or_else(|error| ProviderStep::Done(Err(error)))
    }

    fn begin_get(
        &mut self,
        caller: &Caller,
        options: &[u8],
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Result<ProviderStep, CeremonyError> {
        let prepared = RequestOptions::from_json(options).and_then(|options| options.prepare(caller));
        let prepared = prepared.map_err(CeremonyError::Options)?;
        self.check_fitness(None, prepared.user_verification)?;
        let mut request = prepared.request;
        request.options.uv = Some(prepared.user_verification.effective(self.authenticator.verifies_users()));
        let request = ProviderRequest::Get { request, prf: prepared.prf.unwrap_or_default() };
        let step = self.authenticator.begin_provider(CHANNEL, request, now, rng);
        Ok(self.wrap(step, SecondHalf::Authentication(Box::new(prepared.authentication))))
    }

    /// Goes on with a person's answer.
    pub fn answer(
        &mut self,
        ceremony: Ceremony,
        answer: Answer,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> ProviderStep {
        let step = self.authenticator.answer(ceremony.pending, answer, now, rng);
        self.wrap(step, ceremony.second_half)
    }

    /// Goes on with what the store found.
    pub fn loaded(
        &mut self,
        ceremony: Ceremony,
        found: Result<Records, StoreError>,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> ProviderStep {
        let step = self.authenticator.loaded(ceremony.pending, found, now, rng);
        self.wrap(step, ceremony.second_half)
    }

    /// Goes on after a commit, done or not.
    pub fn committed(
        &mut self,
        ceremony: Ceremony,
        result: Result<(), StoreError>,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> ProviderStep {
        let step = self.authenticator.committed(ceremony.pending, result, now, rng);
        self.wrap(step, ceremony.second_half)
    }

    /// Ends a ceremony that waits for an answer.
    pub fn cancel(&mut self, ceremony: Ceremony) -> ProviderStep {
        let step = self.authenticator.cancel(ceremony.pending);
        self.wrap(step, ceremony.second_half)
    }

    /// Carries out every look-up and commit over a synchronous store, up to the end or to a question.
    pub fn run(
        &mut self,
        store: &mut dyn CredentialStore,
        mut step: ProviderStep,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> ProviderTurn {
        loop {
            step = match step {
                ProviderStep::Done(result) => return ProviderTurn::Done(result),
                ProviderStep::Ask(question, ceremony) => return ProviderTurn::Ask(question, ceremony),
                ProviderStep::Load(query, ceremony) => self.loaded(ceremony, store.load(&query), now, rng),
                ProviderStep::Commit(changes, ceremony) => {
                    self.committed(ceremony, store.commit(changes), now, rng)
                }
            };
        }
    }

    /// What a client leaves an authenticator out for.
    fn check_fitness(
        &self,
        attachment: Option<AuthenticatorAttachment>,
        user_verification: Requirement,
    ) -> Result<(), CeremonyError> {
        if attachment.is_some_and(|wanted| wanted != self.attachment()) {
            return Err(CeremonyError::Unfit("the site asks for an authenticator of another attachment"));
        }
        if user_verification == Requirement::Required && !self.authenticator.verifies_users() {
            return Err(CeremonyError::Unfit("the site asks for user verification, and no PIN is set"));
        }
        Ok(())
    }

    fn attachment(&self) -> AuthenticatorAttachment {
        self.authenticator.settings().attachment
    }

    fn wrap(&self, step: Step, second_half: SecondHalf) -> ProviderStep {
        match step {
            Step::Done(outcome) => ProviderStep::Done(self.finish(outcome, &second_half)),
            Step::Ask(question, pending) => ProviderStep::Ask(question, Ceremony { pending, second_half }),
            Step::Load(query, pending) => ProviderStep::Load(query, Ceremony { pending, second_half }),
            Step::Commit(changes, pending) => {
                ProviderStep::Commit(changes, Ceremony { pending, second_half })
            }
            // Only authenticatorCredentialManagement asks for it, which no ceremony is.
            Step::Survey(_) => ProviderStep::Done(Err(CeremonyError::Authenticator(Status::Other))),
        }
    }

    fn finish(&self, outcome: Outcome, second_half: &SecondHalf) -> Result<ResponseJson, CeremonyError> {
        match (outcome.response, second_half) {
            (Response::MakeCredential(response), SecondHalf::Registration { registration, discoverable }) => {
                let result = RegistrationResult {
                    response,
                    transports: self.authenticator.settings().transports.clone(),
                    attachment: Some(self.attachment()),
                    prf_enabled: self.authenticator.verifies_users(),
                    prf: outcome.prf,
                    discoverable: Some(*discoverable),
                };
                registration.finish(result).map_err(CeremonyError::Result)
            }
            (Response::GetAssertion(response), SecondHalf::Authentication(authentication)) => {
                let attachment = Some(self.attachment());
                let result = AssertionResult { response, attachment, prf: outcome.prf };
                authentication.finish(result).map_err(CeremonyError::Result)
            }
            (Response::Failed(status), _) => Err(CeremonyError::Authenticator(status)),
            _ => Err(CeremonyError::Authenticator(Status::Other)),
        }
    }
}

/// Where [`Provider::run`] stops: at the end, or at a person.
#[allow(clippy::large_enum_variant, reason = "a ceremony waits in here once; nothing keeps many")]
pub enum ProviderTurn {
    /// The ceremony is over.
    Done(Result<ResponseJson, CeremonyError>),
    /// A person must answer; the step that [`Provider::answer`] returns is given to [`Provider::run`] again.
    Ask(Question, Ceremony),
}
