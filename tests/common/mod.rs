//! A world for tests: a seeded or scripted RNG, a clock that is set by hand, a person who follows a script.
// Each test program uses its own part of this module.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared by several test programs, none of which uses all of it"
)]

use std::{convert::Infallible, path::PathBuf, sync::Arc};

use countersign::{
    authenticator::{
        Answer, Argon2Cost, Authenticator, Channel, Outcome, PinEntry, Question, Settings, Step, Turn,
        UserVerification, Verification, run,
    },
    cbor::{Item, Profile},
    credential::{CredentialRecord, MemoryStore, StateStore},
    crypto::RustCrypto,
    ctap2::{Request, Response},
    rand_core::{TryCryptoRng, TryRng},
    time::{Moment, UnixTime},
};

/// A vector file as JSON.
pub fn vectors(name: &str) -> serde_json::Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("vectors are JSON")
}

/// The bytes of a hexadecimal member.
pub fn hex(value: &serde_json::Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("a hexadecimal text")).expect("hexadecimal digits")
}

/// Hands out the given bytes in order, then counts upwards, so that a test that draws more than it scripted still runs
/// but cannot match its vector.
pub struct ScriptedRng {
    script: std::collections::VecDeque<u8>,
    counter: u64,
}

impl ScriptedRng {
    pub fn new(parts: &[&[u8]]) -> Self {
        Self { script: parts.concat().into(), counter: 0 }
    }

    /// Whether every scripted byte was drawn.
    pub fn is_exhausted(&self) -> bool {
        self.script.is_empty() && self.counter == 0
    }
}

impl TryRng for ScriptedRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Infallible> {
        for byte in target {
            *byte = self.script.pop_front().unwrap_or_else(|| {
                // SplitMix64: well spread, and not secret.
                self.counter = self.counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (self.counter ^ (self.counter >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                (mixed ^ (mixed >> 31)) as u8
            });
        }
        Ok(())
    }
}

impl TryCryptoRng for ScriptedRng {}

pub const PIN: &str = "1234";
pub const CHANNEL: Channel = Channel(1);
/// 2026-11-21T00:00:00Z.
pub const TODAY: UnixTime = UnixTime(1_795_219_200);

/// An Argon2 cost that tests can afford.
pub const CHEAP: Argon2Cost = Argon2Cost { memory: 8, passes: 1, lanes: 1 };

/// An authenticator with its store, its clock and its randomness.
pub struct World {
    pub authenticator: Authenticator,
    pub store: MemoryStore,
    pub rng: ScriptedRng,
    pub now: Moment,
    /// Every question that was asked.
    pub asked: Vec<Question>,
}

/// What a scripted person does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Person {
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
    pub fn new(settings: Settings) -> Self {
        Self::with_rng(settings, ScriptedRng::new(&[]))
    }

    pub fn with_rng(mut settings: Settings, rng: ScriptedRng) -> Self {
        settings.pin_cost = CHEAP;
        let authenticator = Authenticator::new(settings, None, Arc::new(RustCrypto)).expect("valid settings");
        let now = Moment { ticks: 1_000, date: Some(TODAY) };
        Self { authenticator, store: MemoryStore::default(), rng, now, asked: Vec::new() }
    }

    /// A security key without user verification.
    pub fn fresh() -> Self {
        Self::new(Settings { user_verification: UserVerification::None, ..Settings::security_key() })
    }

    /// A security key whose PIN is [`PIN`].
    pub fn with_pin() -> Self {
        let mut world = Self::new(Settings::security_key());
        world.set_pin();
        world
    }

    /// A security key whose host verifies users.
    pub fn with_host_verifier() -> Self {
        Self::new(Settings { user_verification: UserVerification::Host, ..Settings::security_key() })
    }

    pub fn set_pin(&mut self) {
        let step = self.authenticator.set_pin(&PinEntry::new(PIN).unwrap(), &mut self.rng);
        assert_eq!(self.finish(step, Person::Absent).response, Response::Empty);
    }

    /// Switches off and on again: what is stored stays.
    pub fn power_cycle(&mut self) {
        let settings = self.authenticator.settings().clone();
        let state = self.store.load_state().unwrap();
        self.authenticator = Authenticator::new(settings, state.as_ref(), Arc::new(RustCrypto)).unwrap();
        self.now.ticks = 0;
    }

    pub fn begin(&mut self, request: Request) -> Step {
        self.authenticator.begin(CHANNEL, request, self.now, &mut self.rng)
    }

    /// One command as bytes, answered by `person`; the response as bytes.
    pub fn ctap(&mut self, message: &[u8], person: Person) -> Vec<u8> {
        let step = self.authenticator.begin_ctap(CHANNEL, message, self.now, &mut self.rng);
        self.finish(step, person).response.encode()
    }

    /// One typed command, answered by `person`.
    pub fn call(&mut self, request: Request, person: Person) -> Response {
        let step = self.begin(request);
        self.finish(step, person).response
    }

    pub fn turn(&mut self, step: Step) -> Turn {
        run(&mut self.authenticator, &mut self.store, step, self.now, &mut self.rng)
    }

    /// Everything that is kept, encoded: passkeys in the order of their identifiers, and the state.
    pub fn kept(&self) -> (Vec<Vec<u8>>, Option<Vec<u8>>) {
        let records = self.store.records().map(|record| record.encode().expose().to_vec()).collect();
        let state = self.store.load_state().unwrap().map(|state| state.encoded().expose().to_vec());
        (records, state)
    }

    /// The passkeys that are kept.
    pub fn records(&self) -> Vec<CredentialRecord> {
        self.store.records().map(CredentialRecord::clone_secret).collect()
    }

    /// Runs a command to its end; whatever it answers is canonical.
    pub fn finish(&mut self, mut step: Step, person: Person) -> Outcome {
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
pub fn assert_canonical(response: &[u8]) {
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

pub fn answer(question: &Question, person: Person) -> Answer {
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
