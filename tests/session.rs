//! The fuzz target `session` as an ordinary test: over the vectors' commands, and over pseudo-random bytes.

mod common;
#[path = "../fuzz/src/session.rs"]
mod session;

use common::{hex, vectors};
use session::{seed, session};

/// First bytes: each kind of user verification, plain and with everything else switched on.
const KINDS: [u8; 8] = [0, 1, 2, 3, 60, 61, 62, 63];

#[test]
fn session_of_all_vectors_keeps_the_invariants() {
    let mut commands = Vec::new();
    for vector in vectors("ctap2_transcripts.json")["vectors"].as_array().unwrap() {
        commands.push(hex(&vector["mc_request"]));
        commands.push(hex(&vector["ga_request"]));
        commands.push(vec![0x08]);
    }
    for vector in vectors("ctap2_hmac_secret.json")["vectors"].as_array().unwrap() {
        commands.push(hex(&vector["request"]));
    }
    for vector in vectors("ctap2_wire_negative.json")["vectors"].as_array().unwrap() {
        commands.push(hex(&vector["command"]));
    }
    for kind in KINDS {
        session(&seed(kind, &commands));
    }
}

/// SplitMix64.
fn pseudo_random(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
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
