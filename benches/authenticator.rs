//! What a command costs beside the cryptography in it. Run with `cargo bench -p countersign --features tables`; the figures
//! that count are ratios within one run (`benches/ratios.rs`).

#[path = "../tests/common/seeded_rng.rs"]
mod seeded_rng;
#[allow(unreachable_pub, dead_code, reason = "shared by two benches")]
mod support;

use std::hint::black_box;

use countersign::{
    authenticator::ProviderRequest,
    cose::CoseAlgorithm,
    crypto::{CryptoProvider, RustCrypto},
    ctap2::Request,
    pin_uv::PinUvAuthProtocol,
    webauthn::{PrfInputs, PrfSalt, PrfSalts},
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use seeded_rng::SeededRng;
use support::{Plugged, World, fill, get_assertion, hmac_secret_input, make_credential, registered};

fn sign(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sign");
    for (name, algorithm) in [("es256", CoseAlgorithm::Es256), ("eddsa", CoseAlgorithm::EdDsa)] {
        let pair = RustCrypto.make_key_pair(algorithm, &mut SeededRng(0));
        let signer = RustCrypto.signer(&pair).unwrap();
        group.bench_function(format!("{name}/sign"), |b| b.iter(|| signer.sign(&[&[1; 37], &[2; 32]])));
        group.bench_function(format!("{name}/load and sign"), |b| {
            b.iter(|| RustCrypto.signer(black_box(&pair)).unwrap().sign(&[&[1; 37], &[2; 32]]));
        });
        group.bench_function(format!("{name}/make key pair"), |b| {
            let mut rng = SeededRng(0);
            b.iter(|| RustCrypto.make_key_pair(algorithm, &mut rng));
        });
    }
    group.finish();
}

fn make(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("makeCredential");
    for (name, algorithm) in [("es256", CoseAlgorithm::Es256), ("eddsa", CoseAlgorithm::EdDsa)] {
        let mut world = World::new();
        group.bench_function(format!("{name}/typed"), |b| {
            b.iter(|| world.call(Request::MakeCredential(make_credential(algorithm))));
        });
    }
    group.finish();
}

fn get(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("getAssertion");
    for (name, algorithm) in [("es256", CoseAlgorithm::Es256), ("eddsa", CoseAlgorithm::EdDsa)] {
        let mut world = World::new();
        let id = registered(&mut world, algorithm);
        group.bench_function(format!("{name}/typed"), |b| {
            b.iter_batched(
                || Request::GetAssertion(get_assertion(Some(&id), None)),
                |request| world.call(request),
                BatchSize::SmallInput,
            );
        });
        let message = Request::GetAssertion(get_assertion(Some(&id), None)).encode();
        group.bench_function(format!("{name}/ctap bytes"), |b| {
            b.iter(|| world.ctap(black_box(&message)));
        });
    }
    group.finish();
}

fn get_with_prf(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("getAssertion with PRF");
    let mut world = World::new();
    let id = registered(&mut world, CoseAlgorithm::Es256);
    group.bench_function("typed, provider door", |b| {
        b.iter(|| {
            let eval = Some(PrfSalts { first: PrfSalt::from_input(b"salt"), second: None });
            let prf = PrfInputs { eval, ..Default::default() };
            let request = ProviderRequest::Get { request: get_assertion(Some(&id), None), prf };
            assert!(world.provider(request).prf.is_some());
        });
    });
    for protocol in [PinUvAuthProtocol::One, PinUvAuthProtocol::Two] {
        let input = hmac_secret_input(&mut world, protocol);
        let message = Request::GetAssertion(get_assertion(Some(&id), Some(input))).encode();
        group.bench_function(format!("ctap bytes, protocol {}", protocol.number()), |b| {
            b.iter(|| world.ctap(black_box(&message)));
        });
    }
    group.finish();
}

/// A whole getAssertion over CTAPHID, in this process: the request's reports in, the response's out.
fn device(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("getAssertion over CTAPHID");
    group.throughput(Throughput::Elements(1));
    for (name, algorithm) in [("es256", CoseAlgorithm::Es256), ("eddsa", CoseAlgorithm::EdDsa)] {
        let mut world = World::new();
        let id = registered(&mut world, algorithm);
        let message = Request::GetAssertion(get_assertion(Some(&id), None)).encode();
        let mut plugged = Plugged::new(world);
        let reports = plugged.reports(&message);
        group.bench_function(name, |b| b.iter(|| plugged.transact(black_box(&reports))));
    }
    group.finish();
}

/// An assertion must not depend on how many passkeys are stored.
fn many(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("getAssertion by stored passkeys");
    for count in [1, 100_000] {
        let mut world = World::new();
        let id = registered(&mut world, CoseAlgorithm::Es256);
        fill(&mut world.store, count - 1);
        for (name, allow) in [("allowList", Some(&id)), ("discovery", None)] {
            group.bench_function(format!("{name}/{count}"), |b| {
                b.iter_batched(
                    || Request::GetAssertion(get_assertion(allow, None)),
                    |request| world.call(request),
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}

criterion_group!(benches, sign, make, get, get_with_prf, device, many);
criterion_main!(benches);
