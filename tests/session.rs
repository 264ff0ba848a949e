//! The fuzz target `session` as an ordinary test: over the vectors' commands, and over pseudo-random bytes.

mod common;
#[path = "../fuzz/src/quick_crypto.rs"]
mod quick_crypto;
#[path = "../fuzz/src/session.rs"]
mod session;

use std::sync::Arc;

use common::{
    seeded_rng::{self, SeededRng},
    vectors::{bytes, list, vectors},
};
use countersign::{crypto::RustCrypto, rand_core::Rng};
use session::{managing_seed, seed, session, session_with};

/// First bytes: each kind of user verification, plain and with everything else switched on; and with a platform that
/// manages it, as a security key and the other way round.
const KINDS: [u8; 12] = [0, 1, 2, 3, 60, 61, 62, 63, 64, 65, 188, 253];

/// With the quick cryptography of the fuzz target, and with real curves.
fn both(data: &[u8]) {
    session(data);
    session_with(Arc::new(RustCrypto), data);
}

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
        both(&seed(kind, &commands));
    }
}

#[test]
fn session_of_a_platform_that_manages_reaches_what_it_manages() {
    for kind in [1, 2] {
        let succeeded = session_with(Arc::new(RustCrypto), &managing_seed(kind));
        let all = [0x01, 0x02, 0x04, 0x06, 0x0A, 0x0C, 0x0D];
        assert!(all.iter().all(|command| succeeded.contains(command)), "{kind}: {succeeded:02x?}");
    }
}

fn pseudo_random(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    SeededRng(seed).fill_bytes(&mut bytes);
    bytes
}

/// Found by fuzzing: a right PIN, the commit that gives the tries back fails, and the next command's brings them along.
#[test]
fn session_with_a_failed_commit_after_the_right_pin_keeps_the_invariants() {
    both(&[0, 2, 29, 100, 163, 1, 240, 179, 67, 205, 205, 67, 205, 67]);
    // The power is cut right after that commit.
    both(&[
        3, 117, 56, 14, 23, 146, 109, 0, 1, 0, 0, 15, 4, 121, 7, 162, 98, 0, 0, 1, 0, 0, 17, 107, 56, 253,
        99, 2, 3, 117, 56, 236, 146, 2, 1, 1, 2, 165, 1, 2, 3, 117, 56, 1, 1, 2, 1, 2, 165, 1, 2, 3, 117, 56,
    ]);
}

/// Found by fuzzing: a question for the PIN is open while another command hears the third wrong one.
#[test]
fn session_with_a_question_overtaken_by_the_third_wrong_pin_keeps_the_invariants() {
    both(&[36, 0, 0, 0, 0, 0, 0, 0, 205, 154, 255, 255, 224, 155, 24, 224, 155, 24, 155, 24]);
}

#[test]
fn session_of_any_bytes_keeps_the_invariants() {
    for seed in 0..300 {
        both(&pseudo_random(seed, 40 + (seed as usize % 7) * 100));
    }
}

#[test]
fn session_of_willing_people_keeps_the_invariants() {
    // The decisions are read from the back: half of the input answers for a person who says yes.
    for seed in 0..100 {
        let mut data = pseudo_random(1_000 + seed, 300);
        data.resize(900, 0);
        both(&data);
    }
}
