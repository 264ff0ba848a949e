//! A whole session: commands, answers, time, power and store failures out of any bytes, against one authenticator.
//!
//! The first byte says what kind of authenticator it is, and whether a platform manages it (`session_platform.rs`).
//! Operations are read from the front of the rest, decisions (what a person answers, what a store does) from its back; where
//! the two meet, whoever is asked is willing.

#[path = "session_platform.rs"]
mod platform;

use std::{collections::BTreeSet, mem, sync::Arc};

use countersign::{
    authenticator::{
        Answer, Argon2Cost, Authenticator, Channel, LargeBlobs, NewCredentialBackup, NonDiscoverable,
        Outcome, Pending, PinEntry, ProviderRequest, Purpose, Question, Settings, Step, UserVerification,
        Verification,
    },
    cbor::{Item, Profile},
    credential::{ChangeSet, CredentialRecord, CredentialStore, MemoryStore, Query, StateStore, StoreError},
    crypto::CryptoProvider,
    ctap2::{
        ClientPin, ClientPinResponse, GetAssertion, GetAssertionExtensions, HmacSecretInput, MakeCredential,
        MakeCredentialExtensions, Options, PinUvAuth, Request, Response,
    },
    pin_uv::{PinUvAuthProtocol, encapsulate},
    time::{Moment, UnixTime},
    webauthn::{
        AuthenticatorDataView, ClientDataHash, CredentialDescriptor, CredentialId, PrfInputs, PrfSalt,
        PrfSalts, RpEntity, RpId, UserEntity, UserHandle,
    },
};

use super::{quick_crypto::QuickCrypto, seeded_rng::SeededRng};
use platform::{About, Held};

/// The body of the fuzz target. Real curves would take all of its time, and their branches all of its corpus.
pub fn session(data: &[u8]) {
    let _ = session_with(Arc::new(QuickCrypto), data);
}

/// The same, with the cryptography of choice. Which commands succeeded, by their first byte.
pub fn session_with(crypto: Arc<dyn CryptoProvider>, data: &[u8]) -> BTreeSet<u8> {
    let Some((kind, rest)) = data.split_first() else { return BTreeSet::new() };
    let mut session = Session::new(crypto, *kind, rest);
    while let Some(operation) = session.input.operation(session.operations) {
        session.operate(operation);
        session.check_pin();
    }
    session.succeeded
}

/// A seed: the commands as they are, everybody willing.
pub fn seed(kind: u8, commands: &[Vec<u8>]) -> Vec<u8> {
    let mut seed = vec![kind];
    for command in commands {
        let length = u16::try_from(command.len()).expect("a command of at most 65535 bytes");
        seed.push(RAW);
        seed.extend_from_slice(&length.to_be_bytes());
        seed.extend_from_slice(command);
    }
    // Enough decisions for all of them.
    seed.resize(seed.len() + 16 * commands.len(), 0);
    seed
}

/// A seed: a platform that sets a PIN, and does with it whatever a token allows; then everything once more with tokens that
/// are over.
pub fn managing_seed(kind: u8) -> Vec<u8> {
    let token = |permissions: u8| vec![19, 0, permissions, 0, 3];
    let (mc_ga, cm, lbw, acfg, pcmr) = (token(0), token(1), token(2), token(3), token(4));
    let register = vec![27, 6, 0, 0, 0];
    let sign_in = vec![28, 0, 0, 0];
    let manage = vec![22, 0, 0, 22, 1, 0, 22, 2, 15, 23, 0, 0, 23, 2, 15, 24, 2, 0, 0, 24, 0, 0];
    let blobs = vec![25, 1, 3, 0, 0, 25, 2, 3, 1, 0, 25, 3, 3, 1, 0, 25, 4, 0, 15];
    let configure = vec![26, 20, 0, 26, 20, 0, 26, 80, 0, 26, 133, 0, 26, 80, 0];
    let change = vec![17, 0, 3, 2, 26, 80, 0];
    let with_tokens_that_are_over = vec![22, 0, 0xE0, 22, 0, 0xF0, 25, 1, 3, 0, 0xF0];
    let managing = [
        vec![16, 0, 0],
        [mc_ga.clone(), register, mc_ga, sign_in].concat(),
        [cm, manage, lbw, blobs, acfg, configure].concat(),
        change,
        [pcmr.clone(), vec![22, 0, 0, 29, 5, 30, 1, 12, 22, 0, 0], pcmr, vec![21, 0, 21, 1]].concat(),
        with_tokens_that_are_over,
    ];
    let mut seed = [vec![kind | MANAGED], managing.concat()].concat();
    seed.resize(seed.len() + 200, 0);
    seed
}

/// The operation that sends the bytes that follow.
const RAW: u8 = 15;
const OPERATIONS: u8 = 16;
/// With those of a platform.
const MANAGED_OPERATIONS: u8 = 32;
/// In the first byte: a platform manages the authenticator; and everything about it is the other way round.
const MANAGED: u8 = 64;
const OTHERWISE: u8 = 128;
const MAKE_CREDENTIAL: u8 = 0x01;
const RESET: u8 = 0x07;
const GET_NEXT_ASSERTION: u8 = 0x08;
/// The PINs that there are; the first one is what the host sets.
const PINS: [&str; 3] = ["1234", "4321", "0123456789"];
/// A command may be interrupted by another, which may not be interrupted again.
const MAX_DEPTH: u8 = 1;

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn operation(&mut self, operations: u8) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first % operations)
    }

    /// A byte from the front; zero when there is none.
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken.to_vec()
    }

    /// A byte from the back; zero, the willing one, when there is none.
    fn decision(&mut self) -> u8 {
        let Some((last, rest)) = self.0.split_last() else { return 0 };
        self.0 = rest;
        *last
    }
}

/// What the answers to one command gave.
#[derive(Clone, Copy, Default)]
struct Given {
    present: bool,
    verified: bool,
}

struct Session<'a> {
    crypto: Arc<dyn CryptoProvider>,
    input: Input<'a>,
    authenticator: Authenticator,
    store: MemoryStore,
    rng: SeededRng,
    now: Moment,
    operations: u8,
    depth: u8,
    /// Which of [`PINS`] is set, as the store has it.
    current: usize,
    /// Which commands succeeded.
    succeeded: BTreeSet<u8>,
    /// Every token that was given out, and which of them is in use.
    held: Vec<Held>,
    live: Option<usize>,
    /// What was given to the command whose assertions getNextAssertion goes on with.
    first_leg: Given,
    /// What may happen to the PIN until the next check: its tries may grow, it may come, it may go.
    right_pin: bool,
    pin_may_come: bool,
    pin_may_go: bool,
    kept_tries: Option<u8>,
    stored_tries: Option<u8>,
    /// A right PIN gave the machine its tries back, and the commit of that failed: the next one brings them to the store.
    tries_owed: bool,
    /// Wrong entries in a row that were compared since power-up.
    wrong_in_a_row: u8,
}

impl<'a> Session<'a> {
    fn new(crypto: Arc<dyn CryptoProvider>, kind: u8, rest: &'a [u8]) -> Self {
        let settings = Settings {
            user_verification: match kind & 3 {
                0 | 3 => UserVerification::Pin,
                1 => UserVerification::Host,
                _ => UserVerification::None,
            },
            always_uv: kind & 4 != 0,
            backup: match kind & 8 {
                0 => NewCredentialBackup::DeviceBound,
                _ => NewCredentialBackup::Eligible { backed_up: true },
            },
            record_last_use: kind & 16 != 0,
            no_credentials_before_touch: kind & 32 != 0,
            pin_cost: Argon2Cost { memory: 8, passes: 1, lanes: 1 },
            ..if kind & OTHERWISE == 0 { Settings::security_key() } else { otherwise() }
        };
        let mut session = Self {
            authenticator: Authenticator::new(settings, None, crypto.clone()).expect("valid settings"),
            crypto,
            input: Input(rest),
            store: MemoryStore::with_capacity(6),
            rng: SeededRng(0),
            now: Moment { ticks: 0, date: Some(UnixTime(1_800_000_000)) },
            operations: if kind & MANAGED == 0 { OPERATIONS } else { MANAGED_OPERATIONS },
            depth: 0,
            current: 0,
            succeeded: BTreeSet::new(),
            held: Vec::new(),
            live: None,
            first_leg: Given::default(),
            right_pin: false,
            pin_may_come: false,
            pin_may_go: false,
            kept_tries: None,
            stored_tries: None,
            tries_owed: false,
            wrong_in_a_row: 0,
        };
        if kind & 3 == 0 {
            session.set_pin();
            session.check_pin();
        }
        session
    }

    fn operate(&mut self, operation: u8) {
        match operation {
            0 | 1 => {
                let request = Request::MakeCredential(self.make_credential());
                self.ctap(&request);
            }
            2 | 3 => {
                let request = Request::GetAssertion(self.get_assertion());
                self.ctap(&request);
            }
            4 => self.ctap(&Request::GetNextAssertion),
            5 => self.ctap(&Request::GetInfo),
            6 => self.ctap(&Request::Selection),
            7 => self.ctap(&Request::ClientPin(ClientPin::GetKeyAgreement { pin_uv_auth_protocol: 2 })),
            8 => self.ctap(&Request::Reset),
            9 => self.provider(),
            10 => self.mutated(),
            11 => {
                self.now.ticks += u64::from(self.input.byte()) * 1_000;
                let next = self.authenticator.tick(self.now);
                assert!(next.is_none_or(|next| next > self.now.ticks), "a deadline that is over was kept");
            }
            12 => self.power_cycle(),
            13 => {
                self.authenticator.lock();
                self.live = None;
            }
            14 => self.set_pin(),
            16.. => self.manage(operation),
            _ => {
                let length = usize::from(u16::from_be_bytes([self.input.byte(), self.input.byte()]));
                let message = self.input.bytes(length);
                self.message(&message);
            }
        }
    }

    fn set_pin(&mut self) {
        self.pin_may_come = true;
        let step = self.authenticator.set_pin(&PinEntry::new(PINS[0]).expect("a PIN"), &mut self.rng);
        self.drive(step, About { new_pin: Some(0), ..About::default() });
    }

    fn power_cycle(&mut self) {
        let settings = self.authenticator.settings().clone();
        let state = self.store.load_state().expect("memory does not fail");
        self.authenticator =
            Authenticator::new(settings, state.as_ref(), self.crypto.clone()).expect("a state of our own");
        self.now.ticks = 0;
        self.wrong_in_a_row = 0;
        self.first_leg = Given::default();
        self.live = None;
        // A try whose commit failed was counted in the machine alone, and never compared.
        self.kept_tries = self.authenticator.pin_tries_left();
    }

    fn ctap(&mut self, request: &Request) {
        self.message(&request.encode());
    }

    fn mutated(&mut self) {
        let request = match self.input.byte() % 2 {
            0 => Request::MakeCredential(self.make_credential()),
            _ => Request::GetAssertion(self.get_assertion()),
        };
        let mut message = request.encode();
        for _ in 0..=self.input.byte() % 3 {
            let position =
                usize::from(u16::from_be_bytes([self.input.byte(), self.input.byte()])) % message.len();
            message[position] ^= self.input.byte();
        }
        self.message(&message);
    }

    fn message(&mut self, message: &[u8]) {
        self.message_about(message, About::default());
    }

    fn message_about(&mut self, message: &[u8], mut about: About) {
        if message.first() == Some(&GET_NEXT_ASSERTION) {
            about.given = self.first_leg;
        }
        about.command = message.first().copied();
        about.may_delete |= message.first() == Some(&MAKE_CREDENTIAL);
        about.may_clear = message.first() == Some(&RESET);
        self.pin_may_go |= about.may_clear;
        let from = Channel(u32::from(self.input.decision() > 250));
        let step = self.authenticator.begin_ctap(from, message, self.now, &mut self.rng);
        self.drive(step, about);
    }

    fn provider(&mut self) {
        let (first, second) = (PrfSalt::from_input(&[self.input.byte()]), None);
        let eval = self.input.byte().is_multiple_of(2).then_some(PrfSalts { first, second });
        let prf = PrfInputs { eval, ..PrfInputs::default() };
        let request = match self.input.byte() % 2 {
            0 => ProviderRequest::Create { request: self.make_credential(), prf },
            _ => ProviderRequest::Get { request: self.get_assertion(), prf },
        };
        let step = self.authenticator.begin_provider(Channel(0), request, self.now, &mut self.rng);
        self.drive(step, About { may_delete: true, ..About::default() });
    }

    /// Runs a command to its end and holds it to the invariants.
    fn drive(&mut self, mut step: Step, about: About) {
        let mut command = Command {
            given: about.given,
            passkeys: self.passkeys(),
            state: self.configured(),
            entry: about.entry,
            about,
        };
        loop {
            let next = match step {
                Step::Done(outcome) => return self.check_outcome(&outcome, &mut command),
                Step::Ask(question, pending) => {
                    assert!(
                        !asks_pin(&question) || self.wrong_in_a_row < 3,
                        "asked for the PIN after three wrong"
                    );
                    self.interrupt(&mut command);
                    self.ask(&question, pending, &mut command)
                }
                Step::Load(query, pending) => {
                    self.interrupt(&mut command);
                    Some(self.load(&query, pending))
                }
                Step::Survey(pending) => {
                    self.interrupt(&mut command);
                    let found = self.store.survey();
                    Some(self.authenticator.surveyed(pending, found, self.now))
                }
                Step::Commit(changes, pending) => self.commit(changes, pending, &mut command),
            };
            match next {
                Some(next) => step = next,
                None => return,
            }
        }
    }

    /// Another command in between, sometimes. What it changes is its own.
    fn interrupt(&mut self, command: &mut Command) {
        if self.depth >= MAX_DEPTH || self.input.decision() < 230 {
            return;
        }
        let Some(operation) = self.input.operation(self.operations) else { return };
        self.depth += 1;
        self.operate(operation);
        self.depth -= 1;
        command.passkeys = self.passkeys();
        command.state = self.configured();
    }

    /// Answers, cancels, or leaves the question open for ever.
    fn ask(&mut self, question: &Question, pending: Pending, command: &mut Command) -> Option<Step> {
        let choice = match &question.purpose {
            Purpose::SignIn { accounts, .. } => {
                let account = accounts.get(usize::from(self.input.decision() % 4));
                account.map(|account| account.credential.clone())
            }
            _ => None,
        };
        let pin = |text| PinEntry::new(text).expect("a PIN");
        let reaction = match self.input.decision() {
            0..=119 => Reaction::willing(question),
            120..=139 => Reaction::Approve,
            140..=169 => Reaction::WrongPin,
            170..=184 => Reaction::RightPin,
            192..=199 if self.operations == MANAGED_OPERATIONS => Reaction::Stranger,
            185..=199 => Reaction::Verify,
            200..=207 => Reaction::Unlock,
            208..=223 => Reaction::Decline,
            224..=231 => Reaction::Absent,
            232..=239 => {
                self.now.ticks = question.deadline + 1;
                Reaction::Late
            }
            240..=247 => {
                let step = self.authenticator.cancel(pending);
                assert!(matches!(step, Step::Done(_)), "cancelled is over");
                return Some(step);
            }
            _ => return None,
        };
        let answer = match reaction {
            Reaction::Approve => Answer::Approved { choice },
            Reaction::RightPin => Answer::Pin { pin: pin(PINS[self.current]), choice },
            Reaction::WrongPin => Answer::Pin { pin: pin(PINS[(self.current + 1) % 2]), choice },
            Reaction::Stranger => Answer::NotRecognised,
            Reaction::Verify | Reaction::Late => Answer::Verified { choice },
            Reaction::Unlock => Answer::Unlocked,
            Reaction::Decline => Answer::Declined,
            Reaction::Absent => Answer::TimedOut,
        };
        let is_pin = matches!(reaction, Reaction::RightPin | Reaction::WrongPin);
        let before = self.authenticator.pin_tries_left();
        let step = self.authenticator.answer(pending, answer, self.now, &mut self.rng);
        if asks_pin(question) && is_pin && matches!(step, Step::Commit(..)) {
            // The command in between may have heard the third wrong one after this question was asked.
            assert!(self.wrong_in_a_row < 3, "took a PIN after three wrong");
            assert_eq!(self.authenticator.pin_tries_left(), before.map(|tries| tries - 1), "counted first");
            command.entry = Some(reaction == Reaction::RightPin);
        } else if question.purpose != Purpose::Unlock {
            command.given.add(reaction, question.verification);
        }
        Some(step)
    }

    fn load(&mut self, query: &Query, pending: Pending) -> Step {
        let found = match self.input.decision() {
            0..=219 => self.store.load(query),
            220..=229 => Err(StoreError::Locked),
            230..=239 => Err(StoreError::Unavailable),
            // A store that hands out whatever it has.
            _ => Ok(self.store.records().map(CredentialRecord::clone_secret).collect()),
        };
        self.authenticator.loaded(pending, found, self.now, &mut self.rng)
    }

    /// Carries a commit out, fails it, or cuts the power before or after it.
    fn commit(&mut self, changes: ChangeSet, pending: Pending, command: &mut Command) -> Option<Step> {
        let decision = self.input.decision();
        let clears = changes.clear;
        assert!(!clears || command.about.may_clear, "everything is removed by a reset alone");
        assert!(
            changes.delete.is_empty() || command.about.may_delete,
            "passkeys are removed by who replaces or deletes them alone"
        );
        if let (Some(_), true) = (command.entry, command.about.sent) {
            assert!(self.wrong_in_a_row < 3, "took a PIN that was sent after three wrong");
        }
        let before = self.stored();
        let result = match decision {
            0..=225 | 250.. => self.store.commit(changes),
            226..=233 => Err(StoreError::Unavailable),
            234..=241 => Err(StoreError::Locked),
            _ => Err(StoreError::Conflict),
        };
        // A store that was locked is asked to count the same entry again.
        if result.is_ok()
            && let Some(right) = command.entry.take()
        {
            self.wrong_in_a_row = if right { 0 } else { self.wrong_in_a_row + 1 };
            self.right_pin |= right;
            command.given.present |= right;
            command.given.verified |= right;
        }
        if clears && result.is_ok() {
            self.wrong_in_a_row = 0;
        }
        if result.is_ok() {
            self.take_note(before, command.about.new_pin);
        }
        if result.is_err() {
            assert!(self.passkeys() == command.passkeys, "a failed commit changed a passkey");
        }
        if decision >= 246 {
            self.power_cycle();
            return None;
        }
        Some(self.authenticator.committed(pending, result, self.now, &mut self.rng))
    }

    fn check_outcome(&mut self, outcome: &Outcome, command: &mut Command) {
        let response = outcome.response.encode();
        check_canonical(&response);
        assert!(response.len() <= self.authenticator.settings().max_msg_size, "longer than maxMsgSize");
        if !matches!(outcome.response, Response::Failed(_)) {
            self.check_token(command);
            self.succeeded.extend(command.about.command);
            self.receive_token(&outcome.response, &command.about);
        }
        let flags = match &outcome.response {
            Response::GetAssertion(response) => AuthenticatorDataView::parse(&response.auth_data),
            Response::MakeCredential(response) => AuthenticatorDataView::parse(&response.auth_data),
            Response::Failed(_) => {
                assert!(self.passkeys() == command.passkeys, "a failed command changed a passkey");
                assert!(self.configured() == command.state, "a failed command changed the state");
                assert!(outcome.prf.is_none(), "a failed command gave a PRF result");
                return;
            }
            _ => return,
        }
        .expect("authenticator data")
        .flags;
        let claimed = Given { present: flags.user_present(), verified: flags.user_verified() };
        assert!(!claimed.present || command.given.present, "UP that no answer gave");
        assert!(!claimed.verified || command.given.verified, "UV that no answer gave");
        assert!(outcome.prf.is_none() || claimed.verified, "PRF without UV");
        assert!(!flags.backup_state() || flags.backup_eligible());
        if let Response::GetAssertion(response) = &outcome.response {
            let record = self.store.records().find(|record| record.credential.id == response.credential);
            assert!(
                record.is_some() || response.user.is_none(),
                "a discoverable credential that is not kept signed"
            );
            if let Some(record) = record {
                let rp_id_hash = record.credential.rp.id.hash();
                assert_eq!(response.auth_data[..32], rp_id_hash.0, "signed for another relying party");
            }
        }
        if flags.attested() {
            assert!(claimed.present, "a credential that nobody consented to");
        } else {
            self.first_leg = claimed;
        }
    }

    /// PIN tries never grow without the right PIN; the PIN comes by set_pin and goes by reset.
    fn check_pin(&mut self) {
        let (right, come, go) = (
            mem::take(&mut self.right_pin),
            mem::take(&mut self.pin_may_come),
            mem::take(&mut self.pin_may_go),
        );
        self.tries_owed |= right;
        let allowed = |before: Option<u8>, after: Option<u8>, right: bool| match (before, after) {
            (Some(before), Some(after)) => after <= before || right || (come && go),
            (None, Some(_)) => come,
            (Some(_), None) => go,
            (None, None) => true,
        };
        let (kept, stored) = (self.authenticator.pin_tries_left(), stored_tries(&self.store));
        assert!(allowed(self.kept_tries, kept, right), "{:?} -> {kept:?} in the machine", self.kept_tries);
        assert!(
            allowed(self.stored_tries, stored, self.tries_owed),
            "{:?} -> {stored:?} in the store",
            self.stored_tries
        );
        (self.kept_tries, self.stored_tries) = (kept, stored);
        self.tries_owed &= kept != stored;
    }

    fn passkeys(&self) -> Vec<Vec<u8>> {
        self.store.records().map(|record| record.encode().expose().to_vec()).collect()
    }

    // --- requests ----------------------------------------------------------------------------------------------------

    fn make_credential(&mut self) -> MakeCredential {
        let (options, extras) = (self.input.byte(), self.input.byte());
        let number = self.input.byte() % 3;
        let user = user(number, extras);
        MakeCredential {
            client_data_hash: ClientDataHash([options; 32]),
            rp: RpEntity { id: rp_id(options), name: None },
            user,
            algorithms: if extras & 4 != 0 { vec![-8, -7] } else { vec![-257, -7] },
            exclude_list: if extras & 8 != 0 { self.descriptors() } else { Vec::new() },
            extensions: MakeCredentialExtensions {
                cred_protect: (extras & 16 != 0).then(|| u64::from(self.input.byte() % 5)),
                hmac_secret: (extras & 32 != 0).then_some(extras & 64 != 0),
                ..Default::default()
            },
            options: Options {
                rk: (options & 2 != 0).then_some(options & 4 != 0),
                up: (options & 128 != 0).then_some(options & 64 != 0),
                uv: (options & 8 != 0).then_some(options & 16 != 0),
            },
            pin_uv_auth: self.pin_uv_auth(options & 32 != 0),
            enterprise_attestation: (extras == 0xff).then_some(1),
            attestation_formats_preference: Vec::new(),
        }
    }

    fn get_assertion(&mut self) -> GetAssertion {
        let (options, extras) = (self.input.byte(), self.input.byte());
        let hmac_secret = if extras & 3 == 3 { self.hmac_secret() } else { None };
        GetAssertion {
            rp_id: rp_id(options),
            client_data_hash: ClientDataHash([extras; 32]),
            allow_list: (extras & 4 != 0).then(|| self.descriptors()),
            extensions: GetAssertionExtensions { hmac_secret, ..Default::default() },
            options: Options {
                rk: (extras & 0xf0 == 0xf0).then_some(true),
                up: (options & 2 != 0).then_some(options & 4 != 0),
                uv: (options & 8 != 0).then_some(options & 16 != 0),
            },
            pin_uv_auth: self.pin_uv_auth(options & 0xe0 == 0xe0),
        }
    }

    fn pin_uv_auth(&mut self, there: bool) -> Option<PinUvAuth> {
        there.then(|| {
            let length = [0, 16, 32, 7][usize::from(self.input.byte() % 4)];
            PinUvAuth { param: vec![1; length], protocol: Some(u64::from(self.input.byte() % 4)) }
        })
    }

    /// Some that exist, of whatever relying party, and one that does not.
    fn descriptors(&mut self) -> Vec<CredentialDescriptor> {
        let picked = self.input.byte();
        let ids = self.store.records().map(|record| record.credential.id.clone()).enumerate();
        let mut ids: Vec<_> = ids.filter(|(n, _)| picked & (1 << (n % 8)) != 0).map(|(_, id)| id).collect();
        ids.push(CredentialId::new(&[picked; 32]).expect("an identifier"));
        ids.into_iter().map(|id| CredentialDescriptor { id }).collect()
    }

    fn hmac_secret(&mut self) -> Option<HmacSecretInput> {
        let byte = self.input.byte();
        let protocol = if byte & 1 == 0 { PinUvAuthProtocol::One } else { PinUvAuthProtocol::Two };
        let request =
            Request::ClientPin(ClientPin::GetKeyAgreement { pin_uv_auth_protocol: protocol.number() });
        let step = self.authenticator.begin(Channel(0), request, self.now, &mut self.rng);
        let Step::Done(Outcome { response: Response::ClientPin(answer), .. }) = step else { return None };
        let ClientPinResponse::KeyAgreement(peer) = answer else { panic!("no key") };
        let (key_agreement, shared) =
            encapsulate(&*self.crypto, protocol, &peer, &mut self.rng).expect("a point of ours");
        let salts = vec![byte; [32, 64, 16, 48][usize::from(byte >> 6)]];
        let salt_enc = shared.encrypt(&salts, &mut self.rng).expect("whole blocks");
        let mut salt_auth = shared.authenticate(&[&salt_enc]);
        if byte & 2 != 0 {
            salt_auth[0] ^= 1;
        }
        let pin_uv_auth_protocol = (byte & 4 == 0).then_some(protocol.number());
        Some(HmacSecretInput { key_agreement, salt_enc, salt_auth, pin_uv_auth_protocol })
    }
}

/// One command on its way.
struct Command {
    about: About,
    given: Given,
    /// The configuration before it changed any.
    state: Vec<(u64, Vec<u8>)>,
    /// The passkeys before it changed any.
    passkeys: Vec<Vec<u8>>,
    /// The PIN entry whose try is being counted: whether it is right.
    entry: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reaction {
    Approve,
    RightPin,
    WrongPin,
    Verify,
    Stranger,
    Unlock,
    Decline,
    Absent,
    Late,
}

impl Reaction {
    fn willing(question: &Question) -> Self {
        match question.verification {
            _ if question.purpose == Purpose::Unlock => Self::Unlock,
            Verification::Pin { .. } => Self::RightPin,
            Verification::Host => Self::Verify,
            Verification::None => Self::Approve,
        }
    }
}

impl Given {
    /// What an answer in time gives, to a question that did not ask for a PIN or was not answered by one.
    fn add(&mut self, reaction: Reaction, asked: Verification) {
        let consents = matches!(
            reaction,
            Reaction::Approve | Reaction::RightPin | Reaction::WrongPin | Reaction::Verify
        );
        self.present |= consents && asked == Verification::None;
        if (reaction, asked) == (Reaction::Verify, Verification::Host) {
            self.present = true;
            self.verified = true;
        }
    }
}

/// The settings that are not a security key's.
fn otherwise() -> Settings {
    Settings {
        no_mc_ga_permissions_with_client_pin: true,
        rolling_token_timer: true,
        persistent_read_only: false,
        credential_management_preview: true,
        large_blobs: LargeBlobs::PerCredential { max_bytes: 1024 },
        non_discoverable: NonDiscoverable::Stored,
        display: true,
        make_cred_uv_not_required: false,
        ..Settings::security_key()
    }
}

fn asks_pin(question: &Question) -> bool {
    matches!(question.verification, Verification::Pin { .. })
}

fn user(number: u8, extras: u8) -> UserEntity {
    UserEntity {
        id: UserHandle::new(&[number]).expect("a handle"),
        name: (extras & 1 != 0).then(|| "n\u{e4}me".repeat(usize::from(extras)).into()),
        display_name: (extras & 2 != 0).then(|| "".into()),
    }
}

fn rp_id(byte: u8) -> RpId {
    RpId::new(if byte & 1 == 0 { "example.com" } else { "example.org" }).expect("an RP ID")
}

/// The tries that a power cycle would find.
fn stored_tries(store: &MemoryStore) -> Option<u8> {
    let state = store.load_state().expect("memory does not fail")?;
    let item = Item::parse(state.encoded().expose(), Profile::CTAP2).expect("canonical");
    let tries = item.map()?.at(3)?.map()?.at(6)?.unsigned()?;
    Some(u8::try_from(tries).expect("a few tries"))
}

fn check_canonical(response: &[u8]) {
    let (status, body) = response.split_first().expect("a status byte");
    if *status != 0 {
        assert!(body.is_empty(), "an error has no body");
    } else if !body.is_empty() {
        let item = Item::parse(body, Profile::CTAP2).expect("canonical CBOR");
        assert!(item.map().is_some());
    }
}
