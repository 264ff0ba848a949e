//! A world for an authenticator: a clock that is set by hand, a person who follows a script.

use std::sync::Arc;

use countersign::{
    authenticator::{
        Answer, Argon2Cost, Authenticator, Channel, NonDiscoverable, Outcome, PinEntry, Question, Settings,
        Step, Turn, UserVerification, Verification, run,
    },
    cbor::{Item, Profile},
    credential::{CredentialRecord, MemoryStore, StateStore},
    crypto::RustCrypto,
    ctap2::{Request, Response},
    rand_core::CryptoRng,
    time::{Moment, UnixTime},
};

use super::seeded_rng::SeededRng;

pub(crate) const PIN: &str = "1234";
pub(crate) const CHANNEL: Channel = Channel(1);
/// 2026-11-21T00:00:00Z.
pub(crate) const TODAY: UnixTime = UnixTime(1_795_219_200);

/// An Argon2 cost that tests can afford.
pub(crate) const CHEAP: Argon2Cost = Argon2Cost { memory: 8, passes: 1, lanes: 1 };

/// An authenticator with its store, its clock and its randomness.
pub(crate) struct World<R = SeededRng> {
    pub(crate) authenticator: Authenticator,
    pub(crate) store: MemoryStore,
    pub(crate) rng: R,
    pub(crate) now: Moment,
    /// Every question that was asked.
    pub(crate) asked: Vec<Question>,
}

/// What a scripted person does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Person {
    /// Approves, and verifies as asked: the right PIN, or the host's verifier.
    Willing,
    /// Approves without verification, whatever was asked.
    OnlyTouches,
    /// Types a wrong PIN, every time.
    Forgetful,
    Declines,
    Absent,
}

impl World {
    pub(crate) fn new(settings: Settings) -> Self {
        Self::with_rng(settings, SeededRng(0))
    }

    /// A security key without user verification.
    pub(crate) fn fresh() -> Self {
        Self::new(Settings { user_verification: UserVerification::None, ..Settings::security_key() })
    }

    /// A security key whose PIN is [`PIN`].
    pub(crate) fn with_pin() -> Self {
        let mut world = Self::new(Settings::security_key());
        world.set_pin();
        world
    }

    /// A security key whose host verifies users.
    pub(crate) fn with_host_verifier() -> Self {
        Self::new(Settings { user_verification: UserVerification::Host, ..Settings::security_key() })
    }
}

impl<R: CryptoRng> World<R> {
    pub(crate) fn with_rng(mut settings: Settings, rng: R) -> Self {
        // Tests look at what was stored.
        settings.non_discoverable = NonDiscoverable::Stored;
        Self::exactly(settings, rng)
    }

    /// With wrapped credentials, where the settings say so.
    pub(crate) fn exactly(mut settings: Settings, rng: R) -> Self {
        settings.pin_cost = CHEAP;
        let authenticator = Authenticator::new(settings, None, Arc::new(RustCrypto)).expect("valid settings");
        let now = Moment { ticks: 1_000, date: Some(TODAY) };
        Self { authenticator, store: MemoryStore::default(), rng, now, asked: Vec::new() }
    }

    pub(crate) fn set_pin(&mut self) {
        let step = self.authenticator.set_pin(&PinEntry::new(PIN).unwrap(), &mut self.rng);
        assert_eq!(self.finish(step, Person::Absent).response, Response::Empty);
    }

    /// Switches off and on again: what is stored stays.
    pub(crate) fn power_cycle(&mut self) {
        let settings = self.authenticator.settings().clone();
        let state = self.store.load_state().unwrap();
        self.authenticator = Authenticator::new(settings, state.as_ref(), Arc::new(RustCrypto)).unwrap();
        self.now.ticks = 0;
    }

    pub(crate) fn begin(&mut self, request: Request) -> Step {
        self.authenticator.begin(CHANNEL, request, self.now, &mut self.rng)
    }

    /// One command as bytes, answered by `person`; the response as bytes.
    pub(crate) fn ctap(&mut self, message: &[u8], person: Person) -> Vec<u8> {
        let step = self.authenticator.begin_ctap(CHANNEL, message, self.now, &mut self.rng);
        self.finish(step, person).response.encode()
    }

    /// One typed command, answered by `person`.
    pub(crate) fn call(&mut self, request: Request, person: Person) -> Response {
        let step = self.begin(request);
        self.finish(step, person).response
    }

    pub(crate) fn turn(&mut self, step: Step) -> Turn {
        run(&mut self.authenticator, &mut self.store, step, self.now, &mut self.rng)
    }

    /// Everything that is kept, encoded: passkeys in the order of their identifiers, and the state.
    pub(crate) fn kept(&self) -> (Vec<Vec<u8>>, Option<Vec<u8>>) {
        let records = self.store.records().map(|record| record.encode().expose().to_vec()).collect();
        let state = self.store.load_state().unwrap().map(|state| state.encoded().expose().to_vec());
        (records, state)
    }

    /// The passkeys that are kept.
    pub(crate) fn records(&self) -> Vec<CredentialRecord> {
        self.store.records().map(CredentialRecord::clone_secret).collect()
    }

    /// Runs a command to its end; whatever it answers is canonical.
    pub(crate) fn finish(&mut self, mut step: Step, person: Person) -> Outcome {
        loop {
            match self.turn(step) {
                Turn::Done(outcome) => {
                    assert_canonical(&outcome.response.encode());
                    return outcome;
                }
                Turn::Ask(question, pending) => {
                    let answer = answer(&question, person);
                    self.asked.push(question);
                    step = self.authenticator.answer(pending, answer, self.now, &mut self.rng);
                }
            }
        }
    }
}

/// A response is a status byte and at most one canonical CBOR map, for our reader and for ciborium, which writes the same
/// bytes again.
pub(crate) fn assert_canonical(response: &[u8]) {
    let (status, body) = response.split_first().expect("a status byte");
    if body.is_empty() {
        return;
    }
    assert_eq!(*status, 0, "only success has a body");
    let item = Item::parse(body, Profile::CTAP2).expect("canonical CTAP2 CBOR");
    assert!(item.map().is_some());
    let value: ciborium::Value = ciborium::from_reader(body).expect("CBOR");
    let mut again = Vec::new();
    ciborium::into_writer(&value, &mut again).unwrap();
    assert_eq!(again, body);
}

pub(crate) fn answer(question: &Question, person: Person) -> Answer {
    let choice = None;
    match (person, question.verification) {
        (Person::Absent, _) => Answer::TimedOut,
        (Person::Declines, _) => Answer::Declined,
        (Person::Willing, Verification::Pin { .. }) => {
            Answer::Pin { pin: PinEntry::new(PIN).unwrap(), choice }
        }
        (Person::Forgetful, Verification::Pin { .. }) => {
            Answer::Pin { pin: PinEntry::new("4321").unwrap(), choice }
        }
        (Person::Willing | Person::Forgetful, Verification::Host) => Answer::Verified { choice },
        (Person::OnlyTouches, _) | (_, Verification::None) => Answer::Approved { choice },
    }
}
