//! The fuzz target `ctaphid` as an ordinary test: over pseudo-random bytes, and over the vectors' commands cut short.

mod common;
#[path = "../fuzz/src/ctaphid.rs"]
mod ctaphid;
#[path = "../fuzz/src/quick_crypto.rs"]
mod quick_crypto;

use common::{
    seeded_rng::{self, SeededRng},
    vectors::{bytes, list, vectors},
};
use countersign::rand_core::Rng;

#[test]
fn bus_of_any_bytes_keeps_the_invariants() {
    for seed in 0..3_000 {
        let mut data = vec![0; 50 + (seed as usize % 11) * 60];
        SeededRng(seed).fill_bytes(&mut data);
        // Small numbers name channels that were given out.
        for byte in data.iter_mut().filter(|byte| **byte >= 0x60) {
            *byte %= 13;
        }
        ctaphid::ctaphid(&data);
    }
}

#[test]
fn bus_of_vectors_cut_anywhere_keeps_the_invariants() {
    let vectors = vectors("ctap2_transcripts");
    let commands: Vec<_> =
        list(&vectors, "vectors").iter().take(2).map(|vector| bytes(vector, "mc_request")).collect();
    let seed = ctaphid::seed(&commands);
    for end in 0..seed.len() {
        ctaphid::ctaphid(&seed[..end]);
    }
}

/// Where U2F is not built in, its messages are refused, and nothing else changes.
#[test]
fn bus_of_u2f_cut_anywhere_keeps_the_invariants() {
    let seed = ctaphid::u2f_seed(&[ctaphid::u2f_command(1, 0, &ctaphid::PARAMETERS)]);
    let all = if cfg!(feature = "u2f") { [1, 2] } else { [0, 0] };
    assert_eq!(ctaphid::u2f_successes(&seed), all);
    for end in 0..seed.len() {
        let [registered, authenticated] = ctaphid::u2f_successes(&seed[..end]);
        assert!(registered <= all[0] && authenticated <= all[1], "{end}");
    }
}
