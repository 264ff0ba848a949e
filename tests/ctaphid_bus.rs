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
            *byte %= 11;
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
