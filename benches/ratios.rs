//! The figures that are promises, as ratios: candidates take turns in one process, and their medians are compared, so that
//! the machine's speed and its drift cancel out. `cargo bench -p countersign --features tables --bench ratios`.

#[path = "../tests/common/seeded_rng.rs"]
mod seeded_rng;
#[allow(unreachable_pub, dead_code, reason = "shared by two benches")]
mod support;

use std::time::{Duration, Instant};

use countersign::{
    cose::CoseAlgorithm,
    crypto::{CryptoProvider, RustCrypto},
    ctap2::Request,
};
use seeded_rng::SeededRng;
use support::{Plugged, World, fill, fill_party, get_assertion, make_credential, registered};

const ROUNDS: usize = 4_000;

/// Something to be timed: a name and one run of it, which says how long the part took that counts.
type Candidate<'a> = (&'a str, Box<dyn FnMut() -> Duration + 'a>);

fn main() {
    println!("medians of {ROUNDS} interleaved rounds");
    for (name, algorithm) in [("ES256", CoseAlgorithm::Es256), ("EdDSA", CoseAlgorithm::EdDsa)] {
        signature(name, algorithm);
        registration(name, algorithm);
        device(name, algorithm);
    }
    stored();
}

/// getAssertion against what it cannot do without: loading the key and signing.
fn signature(name: &str, algorithm: CoseAlgorithm) {
    let pair = RustCrypto.make_key_pair(algorithm, &mut SeededRng(0));
    let (mut typed, mut bytes) = (World::new(), World::new());
    let typed_id = registered(&mut typed, algorithm);
    let bytes_id = registered(&mut bytes, algorithm);
    let message = Request::GetAssertion(get_assertion(Some(&bytes_id), None)).encode();
    let auth_data = [1; 37];
    compare(
        &mut [
            (
                "load key and sign",
                Box::new(|| timed(|| RustCrypto.signer(&pair).unwrap().sign(&[&auth_data, &[2; 32]]))),
            ),
            (
                "getAssertion, typed",
                Box::new(|| {
                    let request = Request::GetAssertion(get_assertion(Some(&typed_id), None));
                    timed(|| typed.call(request))
                }),
            ),
            ("getAssertion, CTAP bytes", Box::new(|| timed(|| bytes.ctap(&message)))),
        ],
        name,
    );
}

/// makeCredential against making a key pair and self-attesting.
fn registration(name: &str, algorithm: CoseAlgorithm) {
    let mut world = World::new();
    let mut rng = SeededRng(0);
    let auth_data = [1; 164];
    compare(
        &mut [
            (
                "make key pair and sign",
                Box::new(|| {
                    timed(|| {
                        let pair = RustCrypto.make_key_pair(algorithm, &mut rng);
                        RustCrypto.signer(&pair).unwrap().sign(&[&auth_data, &[2; 32]])
                    })
                }),
            ),
            (
                "makeCredential, typed",
                Box::new(|| {
                    let request = Request::MakeCredential(make_credential(algorithm));
                    timed(|| world.call(request))
                }),
            ),
        ],
        name,
    );
}

/// A whole getAssertion over CTAPHID, in this process: the request's reports in, the response's out.
fn device(name: &str, algorithm: CoseAlgorithm) {
    let (mut bytes, mut world) = (World::new(), World::new());
    let message = |world: &mut World| {
        let id = registered(world, algorithm);
        Request::GetAssertion(get_assertion(Some(&id), None)).encode()
    };
    let (plain, framed) = (message(&mut bytes), message(&mut world));
    let mut plugged = Plugged::new(world);
    let reports = plugged.reports(&framed);
    compare(
        &mut [
            ("getAssertion, CTAP bytes", Box::new(|| timed(|| bytes.ctap(&plain)))),
            ("getAssertion, CTAPHID", Box::new(|| timed(|| plugged.transact(&reports)))),
        ],
        name,
    );
}

/// getAssertion with an allowList, by the number of stored passkeys.
fn stored() {
    let (mut one, mut many, mut party) = (World::new(), World::new(), World::new());
    let one_id = registered(&mut one, CoseAlgorithm::Es256);
    let many_id = registered(&mut many, CoseAlgorithm::Es256);
    let party_id = registered(&mut party, CoseAlgorithm::Es256);
    fill(&mut many.store, 999_999);
    fill_party(&mut party.store, 9_999);
    compare(
        &mut [
            (
                "1 stored passkey",
                Box::new(|| {
                    let request = Request::GetAssertion(get_assertion(Some(&one_id), None));
                    timed(|| one.call(request))
                }),
            ),
            (
                "1,000,000 of as many RPs",
                Box::new(|| {
                    let request = Request::GetAssertion(get_assertion(Some(&many_id), None));
                    timed(|| many.call(request))
                }),
            ),
            (
                "10,000 of one RP",
                Box::new(|| {
                    let request = Request::GetAssertion(get_assertion(Some(&party_id), None));
                    timed(|| party.call(request))
                }),
            ),
        ],
        "getAssertion",
    );
}

fn timed<T>(run: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    std::hint::black_box(run());
    start.elapsed()
}

/// Prints each candidate's median, and its ratio to the first one's.
fn compare(candidates: &mut [Candidate<'_>], title: &str) {
    let mut times = vec![Vec::with_capacity(ROUNDS); candidates.len()];
    for round in 0..ROUNDS {
        for turn in 0..candidates.len() {
            // Nobody is always first.
            let index = (round + turn) % candidates.len();
            times[index].push((candidates[index].1)());
        }
    }
    let medians: Vec<Duration> = times.iter_mut().map(|times| median(times)).collect();
    println!("{title}");
    for ((name, _), time) in candidates.iter().zip(&medians) {
        let ratio = time.as_secs_f64() / medians[0].as_secs_f64();
        println!("  {name:26} {:8.2} µs  {ratio:.3} x", time.as_secs_f64() * 1e6);
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
