//! The smallest security key that could be: one registration and one assertion, given as bytes, against a store in
//! memory. What is not reached from the bytes of a CTAP2 message is not in the image.
#![no_std]
#![no_main]

extern crate alloc;

mod requests;
mod rng;

use alloc::{sync::Arc, vec::Vec};
use core::{hint::black_box, mem::MaybeUninit, panic::PanicInfo};

use cortex_m_rt::entry;
use countersign::{
    authenticator::{Answer, Argon2Cost, Authenticator, Channel, Settings, Turn, run},
    credential::MemoryStore,
    crypto::RustCrypto,
    time::Moment,
};
use embedded_alloc::LlffHeap;
use rng::Counter;

const HEAP_LENGTH: usize = 64 * 1024;

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

#[entry]
fn main() -> ! {
    static mut MEMORY: [MaybeUninit<u8>; HEAP_LENGTH] = [MaybeUninit::uninit(); HEAP_LENGTH];
    // SAFETY: called once, before anything is allocated, with memory that nothing else uses.
    unsafe { HEAP.init(MEMORY.as_mut_ptr() as usize, HEAP_LENGTH) };
    let (registration, assertion) = sign_up_and_in();
    report(&registration, &assertion);
    loop {
        cortex_m::asm::wfi();
    }
}

/// The two responses.
fn sign_up_and_in() -> (Vec<u8>, Vec<u8>) {
    let settings =
        Settings { pin_cost: Argon2Cost::BARE_METAL, max_msg_size: 2048, ..Settings::security_key() };
    let Ok(mut authenticator) = Authenticator::new(settings, None, Arc::new(RustCrypto)) else {
        return Default::default();
    };
    let mut store = MemoryStore::with_capacity(16);
    let mut call = |message| answer(&mut authenticator, &mut store, black_box(message));
    (call(requests::MAKE_CREDENTIAL), call(requests::GET_ASSERTION))
}

/// One command; whoever is asked is there and agrees.
fn answer(authenticator: &mut Authenticator, store: &mut MemoryStore, message: &[u8]) -> Vec<u8> {
    let now = Moment { ticks: 20_000, date: None };
    let mut rng = Counter(message.len().try_into().unwrap_or(0));
    let mut step = authenticator.begin_ctap(Channel(1), message, now, &mut rng);
    loop {
        match run(authenticator, store, step, now, &mut rng) {
            Turn::Done(outcome) => return outcome.response.encode(),
            Turn::Ask(_, pending) => {
                let answer = black_box(Answer::Approved { choice: None });
                step = authenticator.answer(pending, answer, now, &mut rng);
            }
        }
    }
}

#[cfg(not(feature = "semihosting"))]
fn report(registration: &[u8], assertion: &[u8]) {
    black_box((registration, assertion));
}

#[cfg(feature = "semihosting")]
fn report(registration: &[u8], assertion: &[u8]) {
    use cortex_m_semihosting::{debug, hprintln};
    for (name, response) in [("registration", registration), ("assertion", assertion)] {
        hprintln!("{} {}", name, Hex(response));
    }
    let succeeded = registration.first() == Some(&0) && assertion.first() == Some(&0);
    debug::exit(if succeeded { debug::EXIT_SUCCESS } else { debug::EXIT_FAILURE });
}

#[cfg(feature = "semihosting")]
struct Hex<'a>(&'a [u8]);

#[cfg(feature = "semihosting")]
impl core::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    #[cfg(feature = "semihosting")]
    cortex_m_semihosting::debug::exit(cortex_m_semihosting::debug::EXIT_FAILURE);
    cortex_m::asm::udf()
}
