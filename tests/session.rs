//! The fuzz target `session` as an ordinary test: over the vectors' commands, and over pseudo-random bytes.

mod common;
#[path = "../fuzz/src/session.rs"]
mod session;

use common::{
    seeded_rng::{self, SeededRng},
    vectors::{bytes, list, vectors},
};
use countersign::rand_core::Rng;
use session::{seed, session};

/// First bytes: each kind of user verification, plain and with everything else switched on.
const KINDS: [u8; 8] = [0, 1, 2, 3, 60, 61, 62, 63];

#[test]
fn session_of_all_vectors_keeps_the_invariants() {
    let mut commands = Vec::new();
    for vector in list(&vectors("ctap2_transcripts"), "vectors") {
        commands.push(bytes(vector, "mc_request"));
        commands.push(bytes(vector, "ga_request"));
        commands.push(vec![0x08]);
    }
    for vector in list(&vectors("ctap2_hmac_secret"), "vectors") {
        commands.push(bytes(vector, "request"));
    }
    for vector in list(&vectors("ctap2_wire_negative"), "vectors") {
        commands.push(bytes(vector, "command"));
    }
    for kind in KINDS {
        session(&seed(kind, &commands));
    }
}

fn pseudo_random(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    SeededRng(seed).fill_bytes(&mut bytes);
    bytes
}

#[test]
fn session_of_any_bytes_keeps_the_invariants() {
    for seed in 0..300 {
        session(&pseudo_random(seed, 40 + (seed as usize % 7) * 100));
    }
}

#[test]
fn session_of_willing_people_keeps_the_invariants() {
    // The decisions are read from the back: half of the input answers for a person who says yes.
    for seed in 0..100 {
        let mut data = pseudo_random(1_000 + seed, 300);
        data.resize(900, 0);
        session(&data);
    }
}
