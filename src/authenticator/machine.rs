//! The machine itself: what is begun, what is answered, what is forgotten.

use alloc::{boxed::Box, sync::Arc};

use rand_core::CryptoRng;

use super::{
    credential_management::{CredentialWalk, Survey, Walk},
    get_assertion::{self, Cursor},
    get_info,
    large_blobs::Upload,
    make_credential,
    pin::{PinEntry, PinPolicy},
    question::{Answer, Purpose, Question, Verification},
    settings::{InvalidSettings, Settings, UserVerification},
    state::{InvalidState, State},
    step::{After, Approval, Channel, Job, Outcome, Pending, ProviderRequest, Refusal, Step, Work},
};
use crate::{
    attestation::{Attester, Attesters, EnterpriseAttester, InvalidAttester},
    credential::{ChangeSet, Overview, Query, Records, StateRecord, StoreError},
    crypto::CryptoProvider,
    ctap2::{GetInfoResponse, Request, Response, Status},
    pin_uv::{KeyAgreement, PinUvAuthToken},
    time::Moment,
    user::{UserPresent, UserVerified},
    webauthn::RpId,
};

/// Which door a command came through. Both run the same handlers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// Bytes of a CTAP peer: one touch, newest first, encrypted hmac-secret.
    Ctap,
    /// A WebAuthn client of ours: the question is consent and choice, plain PRF.
    Provider,
}

/// What is remembered from one command to the next, and ends with whatever comes in between (CTAP 2.3 section 6, "Stateful
/// commands"). One thing at a time.
pub(super) enum Stateful {
    /// For getNextAssertion.
    Assertions(Box<Cursor>),
    /// For enumerateRPsGetNextRP.
    RelyingParties(Box<Walk<RpId>>),
    /// For enumerateCredentialsGetNextCredential.
    Credentials(Box<CredentialWalk>),
    /// For the next fragment of a large-blob array.
    LargeBlobs(Box<Upload>),
}

impl Stateful {
    /// The first tick at which it is over.
    fn over_at(&self) -> u64 {
        match self {
            Self::Assertions(cursor) => cursor.over_at(),
            Self::RelyingParties(walk) => walk.over_at(),
            Self::Credentials(walk) => walk.over_at(),
            Self::LargeBlobs(upload) => upload.over_at(),
        }
    }
}

/// A software authenticator.
///
/// It holds no credential: those are in the host's store, reached by [`Step::Load`] and [`Step::Commit`].
pub struct Authenticator {
    pub(super) settings: Settings,
    pub(super) provider: Arc<dyn CryptoProvider>,
    pub(super) state: State,
    /// What new PINs have to be.
    pub(super) pin_policy: Option<Arc<dyn PinPolicy>>,
    /// Made when first needed after power-up.
    agreement: Option<KeyAgreement>,
    /// The pinUvAuthToken in use.
    pub(super) token: Option<Box<PinUvAuthToken>>,
    /// What a stateful command remembers for the next one.
    stateful: Option<Stateful>,
    /// PIN tries in a row since power-up, typed or sent, that did not come to the right PIN.
    pub(super) consecutive_failures: u8,
    /// Counts what took the floor, so that older pending commands are known to be stale.
    generation: u64,
    /// Marks what is pending as this machine's own.
    identity: Arc<()>,
    /// Who vouches for new credentials by certificate.
    pub(super) attesters: Attesters,
    /// A new PIN, a reset or a persistent token is being committed: what the state is shows when that commit is reported.
    unsettled: bool,
}

/// Why an authenticator cannot start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CannotStart {
    /// A setting is outside its range.
    Settings(InvalidSettings),
    /// The stored state cannot be used.
    State(InvalidState),
    /// The stored state is older than one that the host remembers: an old copy was put back, or the state was removed.
    RolledBack {
        /// The epoch of the stored state; 0 where there is none.
        epoch: u64,
        /// The epoch that the host remembers.
        remembered: u64,
    },
}

impl core::fmt::Display for CannotStart {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Settings(error) => error.fmt(f),
            Self::State(error) => error.fmt(f),
            Self::RolledBack { epoch, remembered } => {
                write!(
                    f,
                    "the authenticator's stored state is an old one: {epoch}, and {remembered} was seen"
                )
            }
        }
    }
}

impl core::error::Error for CannotStart {}

impl Authenticator {
    /// Powers up, with the state that was last committed (`None` in a new store). No randomness is drawn.
    pub fn new(
        settings: Settings,
        state: Option<&StateRecord>,
        provider: Arc<dyn CryptoProvider>,
    ) -> Result<Self, CannotStart> {
        settings.check().map_err(CannotStart::Settings)?;
        let mut state = state.map(State::decode).transpose().map_err(CannotStart::State)?.unwrap_or_default();
        if !(settings.client_pin && state.pin.is_some()) {
            // No platform can send the PIN that would give these tries back: a power cycle does.
            state.uv_failures = 0;
        }
        Ok(Self {
            settings,
            provider,
            state,
            pin_policy: None,
            agreement: None,
            token: None,
            stateful: None,
            consecutive_failures: 0,
            generation: 0,
            identity: Arc::default(),
            attesters: Attesters::default(),
            unsettled: false,
        })
    }

    /// Has new credentials vouched for by a batch certificate wherever their statement is `packed`: always, if
    /// [`Settings::attestation`] says so, or where a relying party prefers it. Refused: certificates of another AAGUID.
    pub fn with_attester(mut self, attester: Arc<dyn Attester>) -> Result<Self, InvalidAttester> {
        self.attesters.set_batch(attester, self.settings.aaguid)?;
        Ok(self)
    }

    /// Makes it capable of enterprise attestation (option `ep`), which authenticatorConfig has to enable yet. Refused:
    /// certificates of another AAGUID.
    pub fn with_enterprise_attester(mut self, attester: EnterpriseAttester) -> Result<Self, InvalidAttester> {
        self.attesters.set_enterprise(attester, self.settings.aaguid)?;
        Ok(self)
    }

    /// As it is, if the state that it was made from is not older than the one that the host remembers: `remembered` is what
    /// [`super::epoch_of`] said of the latest record that was committed (0 where nothing is remembered).
    ///
    /// PIN tries and tokens that ended are in the state, and an old copy of it brings them back. Only a host that keeps this
    /// one number where the store's attacker cannot write notices that.
    pub fn not_before(self, remembered: u64) -> Result<Self, CannotStart> {
        let epoch = self.state.epoch;
        if epoch < remembered { Err(CannotStart::RolledBack { epoch, remembered }) } else { Ok(self) }
    }

    /// With a policy for new PINs, beyond their length.
    #[must_use]
    pub fn with_pin_policy(mut self, policy: Arc<dyn PinPolicy>) -> Self {
        self.pin_policy = Some(policy);
        self
    }

    /// What it was told to be.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Who signs for it.
    pub fn provider(&self) -> &dyn CryptoProvider {
        &*self.provider
    }

    /// Whether a PIN is set.
    pub fn has_pin(&self) -> bool {
        self.state.pin.is_some()
    }

    /// How many PIN tries are left, where a PIN is set.
    pub fn pin_tries_left(&self) -> Option<u8> {
        self.state.pin.as_ref().map(|pin| pin.tries)
    }

    /// authenticatorGetInfo, without a command, and without what takes randomness: encIdentifier and encCredStoreState.
    pub fn info(&self) -> GetInfoResponse {
        get_info::response(self)
    }

    /// Begins one CTAP2 command given as bytes (command byte and CBOR). The outcome's [`Response::encode`] gives the
    /// bytes of the answer.
    pub fn begin_ctap(
        &mut self,
        from: Channel,
        message: &[u8],
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Step {
        match Request::decode(message, &self.settings.limits()) {
            Ok(request) => self.begin(from, request, now, rng),
            Err(status) => Step::failed(self.claim_floor().err().unwrap_or(status)),
        }
    }

    /// Begins one CTAP2 command. While a reset, a new PIN or a persistent token is being committed, every command but getInfo
    /// is NOT_ALLOWED.
    ///
    /// Order of draws from `rng`, over all the steps of one command. makeCredential: 32 bytes private key (again in the
    /// 2^-32 case that they are no P-256 scalar), the credential ID, 32 bytes CredRandomWithUV, 32 bytes
    /// CredRandomWithoutUV, 32 bytes largeBlobKey, if it gets one; or, for a wrapped credential, the private key, 32 bytes
    /// wrap key, if there is none yet, and 24 bytes nonce. Then what hmac-secret-mc draws, as in getAssertion.
    ///
    /// getAssertion with hmac-secret: 32 bytes key-agreement key, if it is needed for the first time since power-up or since
    /// a wrong PIN was sent; then 16 bytes IV, with protocol 2. getInfo, once there is a persistent token: 16 bytes IV of
    /// encIdentifier, 16 bytes IV of encCredStoreState.
    ///
    /// clientPIN: the key-agreement key likewise; then for setPIN and changePIN 16 bytes salt; for a token its 32 bytes, or
    /// those of the persistent one when it is first asked for, with 32 bytes that identifiers are derived from if there
    /// are none yet; then 16 bytes IV, with protocol 2.
    pub fn begin(&mut self, from: Channel, request: Request, now: Moment, rng: &mut dyn CryptoRng) -> Step {
        let remembered = self.stateful.take();
        self.tick(now);
        if matches!(request, Request::GetInfo) {
            return self.get_info(rng);
        }
        if let Err(status) = self.claim_floor() {
            return Step::failed(status);
        }
        match request {
            Request::MakeCredential(request) => {
                self.make_credential(Door::Ctap, request, None, now, rng).into()
            }
            Request::GetAssertion(request) => self.get_assertion(from, Door::Ctap, request, None, now).into(),
            Request::GetNextAssertion => self.get_next_assertion(from, remembered, now).into(),
            Request::ClientPin(request) => self.client_pin(request, now, rng).into(),
            Request::Reset => self.reset(now).into(),
            Request::Selection => self.ask(Job::Select, Purpose::Select, false, now),
            Request::GetInfo => self.get_info(rng),
            Request::CredentialManagement(request) => {
                self.credential_management(from, request, remembered, now).into()
            }
            Request::LargeBlobs(request) => self.large_blobs(from, request, remembered, now).into(),
            Request::Config(request) => self.configure(&request, now).into(),
        }
    }

    /// Begins one command of the provider door. Draws as [`Authenticator::begin`] does, but nothing for PRF.
    pub fn begin_provider(
        &mut self,
        from: Channel,
        request: ProviderRequest,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Step {
        if let Err(status) = self.claim_floor() {
            return Step::failed(status);
        }
        match request {
            ProviderRequest::Create { request, prf } => {
                self.make_credential(Door::Provider, request, Some(prf), now, rng).into()
            }
            ProviderRequest::Get { request, prf } => {
                self.get_assertion(from, Door::Provider, request, Some(prf), now).into()
            }
        }
    }

    /// Sets the first PIN; a host's own command, since the person types it there. PIN_AUTH_INVALID if one is set,
    /// PIN_POLICY_VIOLATION if it is too short or the policy refuses it. Draws 16 bytes (the salt).
    pub fn set_pin(&mut self, pin: &PinEntry, rng: &mut dyn CryptoRng) -> Step {
        if let Err(status) = self.claim_floor() {
            return Step::failed(status);
        }
        if self.state.pin.is_some() {
            return Step::failed(Status::PinAuthInvalid);
        }
        if !self.takes_pin(pin) {
            return Step::failed(Status::PinPolicyViolation);
        }
        self.keep_pin(pin, rng).into()
    }

    /// Takes notice that the host changed stored credentials by itself (a deletion in its own window, a synchronisation), so
    /// that platforms see it in encCredStoreState. What is pending stays pending. NOT_ALLOWED while a reset, a new PIN or a
    /// persistent token is being committed.
    pub fn credentials_changed(&mut self) -> Step {
        if self.unsettled {
            return Step::failed(Status::NotAllowed);
        }
        let outcome = Outcome { response: Response::Empty, prf: None };
        if self.state.identity.is_none() {
            return Step::Done(outcome);
        }
        self.commit(ChangeSet::default(), Some(self.state.with_changed_store()), outcome, None)
    }

    /// Goes on with a person's answer.
    pub fn answer(&mut self, pending: Pending, answer: Answer, now: Moment, rng: &mut dyn CryptoRng) -> Step {
        match self.still_current(pending) {
            Some(Work::Approve { job, verify, deadline }) => {
                let answer = if now.ticks > deadline { Answer::TimedOut } else { answer };
                self.take_answer(job, verify, answer, deadline, now, rng)
            }
            Some(Work::Unlock { blocked, deadline }) => match answer {
                Answer::Unlocked if now.ticks <= deadline => self.retry(*blocked),
                _ => Step::failed(Status::OperationDenied),
            },
            _ => Step::failed(Status::KeepaliveCancel),
        }
    }

    /// Goes on with what the store found.
    pub fn loaded(
        &mut self,
        pending: Pending,
        found: Result<Records, StoreError>,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Step {
        let Some(Work::Find { query, job }) = self.still_current(pending) else {
            return Step::failed(Status::KeepaliveCancel);
        };
        let mut records = match found {
            Ok(records) => records,
            Err(StoreError::Locked) => return self.ask_to_unlock(Work::Find { query, job }, now),
            Err(error) => return Step::failed(store_status(error)),
        };
        // The store is trusted to keep, not to judge: what it hands out is checked against what was asked for, and what it
        // hands out twice counts once.
        records.retain(|record| query.matches(record));
        // In place: a stable sort would take as much memory again.
        records.sort_unstable_by(|left, right| left.credential.id.cmp(&right.credential.id));
        records.dedup_by(|later, earlier| later.credential.id == earlier.credential.id);
        self.add_wrapped(&query, &mut records);
        match job {
            Job::MakeCredential(job) => self.make_credential_found(job, records, now, rng).into(),
            Job::GetAssertion(job) => self.get_assertion_found(job, records, now, rng).into(),
            Job::GetNextAssertion(cursor) => self.get_next_assertion_found(cursor, records, now, rng).into(),
            Job::Manage(task) => self.managed_found(*task, records, now).into(),
            #[cfg(feature = "u2f")]
            Job::U2f(job) => self.u2f_found(*job, records, now).into(),
            Job::Select | Job::Probe(_) | Job::Reset | Job::ClientPin(_) => Step::failed(Status::Other),
        }
    }

    /// Goes on with what the store holds.
    pub fn surveyed(&mut self, pending: Pending, found: Result<Overview, StoreError>, now: Moment) -> Step {
        let Some(Work::Survey(survey)) = self.still_current(pending) else {
            return Step::failed(Status::KeepaliveCancel);
        };
        match found {
            Ok(overview) => self.surveyed_for(*survey, overview, now).into(),
            Err(StoreError::Locked) => self.ask_to_unlock(Work::Survey(survey), now),
            Err(error) => Step::failed(store_status(error)),
        }
    }

    /// Goes on after a commit, done or not. A commit is reported even if its command is over by now.
    pub fn committed(
        &mut self,
        pending: Pending,
        result: Result<(), StoreError>,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Step {
        if !self.is_own(&pending) {
            return stale();
        }
        let current = self.is_current(&pending);
        self.settle(&pending);
        match (pending.work, result) {
            // What is stored counts, whoever has the floor by now.
            (Work::ReplaceState { state, after }, Ok(())) => self.state_replaced(*state, after, current, rng),
            _ if !current => stale(),
            (work, Ok(())) => self.go_on(work, now, rng),
            // These change the state alone, and can be made again.
            (
                work @ (Work::CountTry { .. }
                | Work::CountSentTry(_)
                | Work::RestoreTries { .. }
                | Work::RestoreSentTries(_)
                | Work::CountUvFailure(_)
                | Work::ReplaceState { .. }),
                Err(StoreError::Locked),
            ) => self.ask_to_unlock(work, now),
            (_, Err(error)) => Step::failed(store_status(error)),
        }
    }

    /// After a commit.
    fn go_on(&mut self, work: Work, now: Moment, rng: &mut dyn CryptoRng) -> Step {
        match work {
            Work::CountTry { pin, choice, job, deadline } => {
                self.compare_pin(pin, choice, job, deadline, now)
            }
            Work::RestoreTries { choice, job } => {
                let verified = Some(UserVerified::from_verified_answer());
                let approval = Approval { present: UserPresent::from_accepted_answer(), verified, choice };
                self.approved(job, approval, now, rng)
            }
            Work::CountSentTry(job) => self.compare_sent_pin(job).into(),
            Work::RestoreSentTries(job) => self.sent_pin_accepted(job, now, rng).into(),
            Work::CountUvFailure(job) => self.not_recognised(job),
            Work::Respond { outcome, remember } => self.finish(*outcome, remember),
            Work::Approve { .. }
            | Work::Unlock { .. }
            | Work::Find { .. }
            | Work::Survey(_)
            | Work::ReplaceState { .. } => stale(),
        }
    }

    /// Ends a command that waits for an answer. Nothing that it would have done is done. A [`Step::Commit`] can be cancelled
    /// as long as the store has not begun it; after that, [`Authenticator::committed`] has to learn what became of it.
    pub fn cancel(&mut self, pending: Pending) -> Step {
        if self.is_own(&pending) {
            self.settle(&pending);
        }
        if self.is_current(&pending) {
            self.take_floor();
        }
        stale()
    }

    /// Drops what ran out, and says at which tick something will have run out next: called then, it drops that.
    pub fn tick(&mut self, now: Moment) -> Option<u64> {
        self.stateful.take_if(|stateful| now.ticks >= stateful.over_at());
        self.token.take_if(|token| now.ticks >= token.over_at());
        let stateful = self.stateful.as_ref().map(Stateful::over_at);
        let token = self.token.as_ref().map(|token| token.over_at());
        stateful.into_iter().chain(token).min()
    }

    /// Forgets everything that outlives a command: for when the host locks its store. What the stored state holds stays at
    /// hand, among it the verifier of the PIN, the wrap key and the persistent token: no command uses a credential without
    /// the store, but who wants them out of memory drops the machine and makes a new one from the unlocked store.
    pub fn lock(&mut self) {
        self.take_floor();
        self.agreement = None;
        self.token = None;
        self.provider.forget_signers();
    }

    /// Whether built-in user verification is configured (option `uv` is true): the host verifies, or the person enters the
    /// PIN on this authenticator, and it is set. A PIN that has to be changed is none until then, wherever it is entered: a
    /// platform is told so (forcePINChange) and changes it.
    pub fn verifies_users(&self) -> bool {
        match self.settings.user_verification {
            UserVerification::None => false,
            UserVerification::Pin => {
                self.has_pin() && !(self.settings.client_pin && self.state.force_pin_change)
            }
            UserVerification::Host => true,
        }
    }

    /// "protected by some form of user verification": built-in, or by a PIN that a platform collects.
    pub(super) fn is_protected(&self) -> bool {
        self.verifies_users() || (self.settings.client_pin && self.has_pin())
    }

    /// "the clientPin option ID is present and the noMcGaPermissionsWithClientPin option ID is absent or false"
    pub(super) fn client_pin_for_mc_and_ga(&self) -> bool {
        self.settings.client_pin && !self.settings.no_mc_ga_permissions_with_client_pin
    }

    /// Whether a platform can get tokens (option `pinUvAuthToken`): by the PIN, or by built-in user verification.
    pub(super) fn gives_tokens(&self) -> bool {
        self.settings.client_pin || self.settings.user_verification != UserVerification::None
    }

    /// Whether tokens that built-in user verification gives are good for authenticatorConfig (option `uvAcfg`).
    pub(super) fn has_uv_config(&self) -> bool {
        self.settings.authenticator_config && self.settings.user_verification != UserVerification::None
    }

    /// The fewest code points of a new PIN, as set or raised.
    pub(super) fn min_pin_length(&self) -> u8 {
        self.state
            .min_pin_length
            .map_or(self.settings.min_pin_length, |raised| raised.max(self.settings.min_pin_length))
    }

    /// Option alwaysUv, as set or toggled.
    pub(super) fn always_uv(&self) -> bool {
        self.state.always_uv.unwrap_or(self.settings.always_uv)
    }

    /// The key-agreement key, made when first needed after power-up.
    pub(super) fn key_agreement(&mut self, rng: &mut dyn CryptoRng) -> &KeyAgreement {
        let provider = &self.provider;
        self.agreement.get_or_insert_with(|| KeyAgreement::make(&**provider, rng))
    }

    /// `regenerate()`: the next key agreement makes a new key.
    pub(super) fn forget_agreement(&mut self) {
        self.agreement = None;
    }

    pub(super) fn load(&mut self, query: Query, job: Job) -> Step {
        let pending = self.pending(Work::Find { query: query.clone(), job });
        Step::Load(query, pending)
    }

    pub(super) fn survey(&self, survey: Survey) -> Step {
        Step::Survey(self.pending(Work::Survey(Box::new(survey))))
    }

    /// Commits `changes` and, if it moves on, the state: one transaction, after which the response leaves.
    ///
    /// The new state counts from here on, not from the commit's success: should another command overtake the commit, what
    /// it commits is built on this one and cannot undo it. A counted try or a used-up place in the order is then at
    /// worst counted for nothing.
    pub(super) fn commit(
        &mut self,
        mut changes: ChangeSet,
        state: Option<State>,
        outcome: Outcome,
        remember: Option<Stateful>,
    ) -> Step {
        if let Some(mut state) = state {
            changes.state = Some(state.next_record());
            self.state = state;
        }
        if !changes.delete.is_empty() {
            self.provider.forget_signers();
        }
        Step::Commit(changes, self.pending(Work::Respond { outcome: Box::new(outcome), remember }))
    }

    /// Commits a state that must be stored before it counts: a new PIN, a reset, a persistent token. No command may begin
    /// until then: what such a command commits would be built on a state that may never come to be, or bring back one that
    /// is gone.
    pub(super) fn replace_state(&mut self, mut state: State, after: After) -> Step {
        self.unsettled = true;
        // While the store was being unlocked, the host may have told of changed credentials.
        state.epoch = self.state.epoch;
        state.store_changes = self.state.store_changes;
        let clear = matches!(after, After::Reset);
        let changes = ChangeSet { clear, state: Some(state.next_record()), ..ChangeSet::default() };
        Step::Commit(changes, self.pending(Work::ReplaceState { state: Box::new(state), after }))
    }

    fn state_replaced(&mut self, state: State, after: After, current: bool, rng: &mut dyn CryptoRng) -> Step {
        let had_pin = self.has_pin();
        self.state = state;
        match after {
            After::Reset => self.forget(),
            // "The authenticator calls resetPinUvAuthToken() for all pinUvAuthProtocols": when the PIN is changed.
            After::NewPin if had_pin => self.token = None,
            After::ForcedPinChange => self.token = None,
            After::Grant(job) if current => return self.give_persistent_token(&job, rng).into(),
            After::Configured | After::NewPin | After::Grant(_) => {}
        }
        if current { Step::respond(Response::Empty) } else { stale() }
    }

    /// The commit that everything waits for has come to its end, one way or the other.
    fn settle(&mut self, pending: &Pending) {
        if matches!(pending.work, Work::ReplaceState { .. }) {
            self.unsettled = false;
        }
    }

    /// Lets the response leave.
    pub(super) fn finish(&mut self, outcome: Outcome, remember: Option<Stateful>) -> Step {
        self.stateful = remember;
        Step::Done(outcome)
    }

    fn ask_to_unlock(&mut self, blocked: Work, now: Moment) -> Step {
        let deadline = now.after(self.settings.question_timeout);
        let question = Question { purpose: Purpose::Unlock, verification: Verification::None, deadline };
        Step::Ask(question, self.pending(Work::Unlock { blocked: Box::new(blocked), deadline }))
    }

    /// Asks the store once more for what it was locked for.
    fn retry(&mut self, blocked: Work) -> Step {
        match blocked {
            Work::Find { query, job } => self.load(query, job),
            Work::Survey(survey) => Step::Survey(self.pending(Work::Survey(survey))),
            Work::ReplaceState { state, after } => self.replace_state(*state, after),
            Work::CountTry { .. }
            | Work::CountSentTry(_)
            | Work::RestoreTries { .. }
            | Work::RestoreSentTries(_)
            | Work::CountUvFailure(_) => Step::Commit(self.change_state(), self.pending(blocked)),
            Work::Approve { .. } | Work::Unlock { .. } | Work::Respond { .. } => stale(),
        }
    }

    pub(super) fn pending(&self, work: Work) -> Pending {
        Pending { machine: Arc::clone(&self.identity), generation: self.generation, work }
    }

    /// Whether this machine handed it out, and not one before it or beside it.
    fn is_own(&self, pending: &Pending) -> bool {
        Arc::ptr_eq(&pending.machine, &self.identity)
    }

    fn is_current(&self, pending: &Pending) -> bool {
        self.is_own(pending) && pending.generation == self.generation
    }

    fn still_current(&self, pending: Pending) -> Option<Work> {
        self.is_current(&pending).then_some(pending.work)
    }

    /// A command takes the floor, unless a commit has to be reported first.
    pub(super) fn claim_floor(&mut self) -> Result<(), Status> {
        if self.unsettled {
            return Err(Status::NotAllowed);
        }
        self.take_floor();
        Ok(())
    }

    /// Makes everything that is pending stale.
    fn take_floor(&mut self) {
        self.stateful = None;
        self.generation = self.generation.wrapping_add(1);
    }

    pub(super) fn approved(
        &mut self,
        job: Job,
        approval: Approval,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Step {
        match job {
            Job::MakeCredential(job) => self.make_credential_approved(job, &approval, now, rng).into(),
            Job::GetAssertion(job) => self.get_assertion_approved(job, approval).into(),
            Job::ClientPin(job) => self.client_pin_approved(job, &approval, now, rng).into(),
            #[cfg(feature = "u2f")]
            Job::U2f(job) => self.u2f_approved(*job, &approval, rng).into(),
            Job::Select => Step::respond(Response::Empty),
            Job::Probe(status) => Step::failed(status),
            Job::Reset => self.reset_approved(),
            Job::GetNextAssertion(_) | Job::Manage(_) => Step::failed(Status::Other),
        }
    }

    pub(super) fn refused(&mut self, job: Job, verify: bool, refusal: Refusal) -> Step {
        Step::failed(match (job, refusal) {
            (Job::MakeCredential(job), refusal) => make_credential::refusal_status(&job, verify, refusal),
            (Job::GetAssertion(job), refusal) => {
                let another_way = self.client_pin_for_mc_and_ga() && self.check_tries().is_ok();
                get_assertion::refusal_status(&job, verify, another_way, refusal)
            }
            (Job::ClientPin(_), refusal) => self.client_pin_refusal(verify, refusal),
            // CTAP 2.3 section 6.9 and 6.6: a time-out is USER_ACTION_TIMEOUT.
            (Job::Select | Job::Reset, Refusal::TimedOut) => Status::UserActionTimeout,
            (_, Refusal::Blocked) => Status::PinBlocked,
            _ => Status::OperationDenied,
        })
    }

    /// Forgets what a power cycle would, after a reset.
    fn forget(&mut self) {
        self.take_floor();
        self.agreement = None;
        self.token = None;
        self.consecutive_failures = 0;
        self.provider.forget_signers();
    }
}

pub(super) fn stale() -> Step {
    Step::failed(Status::KeepaliveCancel)
}

/// What a peer learns of a failing store: that it is full, that nobody unlocked it or it refuses, that the credential is
/// gone, or nothing.
fn store_status(error: StoreError) -> Status {
    match error {
        StoreError::Full => Status::KeyStoreFull,
        StoreError::Locked | StoreError::Refused => Status::OperationDenied,
        StoreError::NotFound => Status::NoCredentials,
        _ => Status::Other,
    }
}
