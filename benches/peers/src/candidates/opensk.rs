//! `opensk` 0.1 with its software cryptography, and an environment that costs it as little as possible: a map for its
//! persistent storage, a clock that stands still, no signature counter.

use std::collections::BTreeMap;

use opensk::{
    api::{
        clock::Clock,
        connection::{HidConnection, RecvStatus, UsbEndpoint},
        crypto::software_crypto::SoftwareCrypto,
        customization::{CustomizationImpl, DEFAULT_CUSTOMIZATION},
        key_store::Helper,
        persist::{Persist, PersistIter},
        rng::Rng,
        user_presence::{UserPresence, UserPresenceWaitResult},
    },
    ctap::{Channel, CtapState, status_code::CtapResult},
    env::Env,
};
use rand08::{CryptoRng, Error, RngCore, SeedableRng, rngs::StdRng};

use crate::messages::Ctap;

/// The authenticator with its environment.
pub struct Device {
    environment: Memory,
    state: CtapState<Memory>,
}

impl Device {
    /// Nothing registered.
    pub fn new() -> Self {
        let mut environment = Memory {
            rng: Randomness(StdRng::seed_from_u64(0)),
            stored: BTreeMap::new(),
            person: Person,
            clock: StoppedClock,
            customization: CustomizationImpl { use_signature_counter: false, ..DEFAULT_CUSTOMIZATION },
        };
        let state = CtapState::new(&mut environment);
        Self { environment, state }
    }
}

impl Ctap for Device {
    fn call(&mut self, message: &[u8]) -> Vec<u8> {
        self.state.process_command(&mut self.environment, message, Channel::MainHid([0, 0, 0, 1]))
    }
}

/// The environment. It is the persistent storage, too, and the connection, which is never used.
struct Memory {
    rng: Randomness,
    stored: BTreeMap<usize, Vec<u8>>,
    person: Person,
    clock: StoppedClock,
    customization: CustomizationImpl,
}

impl Env for Memory {
    type Rng = Randomness;
    type UserPresence = Person;
    type Persist = Self;
    type KeyStore = Self;
    type Write = Silence;
    type Customization = CustomizationImpl;
    type HidConnection = Self;
    type Clock = StoppedClock;
    type Crypto = SoftwareCrypto;

    fn rng(&mut self) -> &mut Randomness {
        &mut self.rng
    }

    fn user_presence(&mut self) -> &mut Person {
        &mut self.person
    }

    fn persist(&mut self) -> &mut Self {
        self
    }

    fn key_store(&mut self) -> &mut Self {
        self
    }

    fn clock(&mut self) -> &mut StoppedClock {
        &mut self.clock
    }

    fn write(&mut self) -> Silence {
        Silence
    }

    fn customization(&self) -> &CustomizationImpl {
        &self.customization
    }

    fn hid_connection(&mut self) -> &mut Self {
        self
    }

    fn boots_after_soft_reset(&self) -> bool {
        false
    }
}

impl Helper for Memory {}

impl Persist for Memory {
    fn find(&self, key: usize) -> CtapResult<Option<Vec<u8>>> {
        Ok(self.stored.get(&key).cloned())
    }

    fn insert(&mut self, key: usize, value: &[u8]) -> CtapResult<()> {
        self.stored.insert(key, value.to_vec());
        Ok(())
    }

    fn remove(&mut self, key: usize) -> CtapResult<()> {
        self.stored.remove(&key);
        Ok(())
    }

    fn iter(&self) -> CtapResult<PersistIter<'_>> {
        Ok(Box::new(self.stored.keys().copied().map(Ok)))
    }
}

impl HidConnection for Memory {
    fn send(&mut self, _: &[u8; 64], _: UsbEndpoint) -> CtapResult<()> {
        Ok(())
    }

    fn recv(&mut self, _: &mut [u8; 64], _: usize) -> CtapResult<RecvStatus> {
        Ok(RecvStatus::Timeout)
    }
}

struct Person;

impl UserPresence for Person {
    fn check_init(&mut self) {}

    fn wait_with_timeout(&mut self, _: &mut [u8; 64], _: usize) -> UserPresenceWaitResult {
        Ok((Ok(()), RecvStatus::Timeout))
    }

    fn check_complete(&mut self) {}
}

/// A clock that stands still.
struct StoppedClock;

/// When a timer ends, in milliseconds. The default has ended.
#[derive(Default)]
struct Timer(usize);

impl Clock for StoppedClock {
    type Timer = Timer;

    fn make_timer(&mut self, milliseconds: usize) -> Timer {
        Timer(milliseconds)
    }

    fn is_elapsed(&mut self, timer: &Timer) -> bool {
        timer.0 == 0
    }
}

struct Silence;

impl std::fmt::Write for Silence {
    fn write_str(&mut self, _: &str) -> std::fmt::Result {
        Ok(())
    }
}

/// The generator that its own tests use.
struct Randomness(StdRng);

impl Rng for Randomness {}

impl CryptoRng for Randomness {}

impl RngCore for Randomness {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, target: &mut [u8]) {
        self.0.fill_bytes(target);
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Error> {
        self.0.try_fill_bytes(target)
    }
}
