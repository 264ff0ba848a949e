//! Measures countersign beside other software authenticators and raw cryptography, and prints the figures as JSON.
//! `cargo xtask bench-peers` runs it and makes tables and a plot of them.
#![allow(clippy::print_stdout, reason = "its results go there")]

mod candidates;
mod floor;
mod measure;
mod messages;

use ::countersign::{
    attestation::AttestationFormat,
    cose::CoseAlgorithm,
    ctap2::{Request, Response},
};
use candidates::{
    countersign::{Provider, World, providers},
    opensk, passkey,
};
use measure::{Candidate, Figure, Kind, RUNS, compare};
use messages::{Ctap, OTHER_RP, Platform, RP, check, get_assertion, make_credential, register};
use passkey_crypto::{CryptoBackend, aws_lc_rs::AwsLcRsBackend, iana, rust_crypto::RustCryptoBackend};
use serde_json::{Value, json};

const ROUNDS: usize = 400;

/// What an assertion's signature covers: authenticator data and a hash.
const ASSERTED: [u8; 69] = [1; 69];
/// The same of a registration with self attestation.
const ATTESTED: [u8; 196] = [1; 196];

const PASSKEY: &str = "passkey 0.6, RustCrypto (its default)";
const PASSKEY_AWS: &str = "passkey 0.6, aws-lc-rs";
const OPENSK: &str = "opensk 0.1";
#[cfg(feature = "fido-authenticator")]
const FIDO_AUTHENTICATOR: &str = "fido-authenticator 0.4.0-rc.4";

fn main() {
    #[cfg(feature = "fido-authenticator")]
    candidates::fido_authenticator::with_device(|device| all(Peers(vec![(FIDO_AUTHENTICATOR, device)])));
    #[cfg(not(feature = "fido-authenticator"))]
    all(Peers(Vec::new()));
}

/// Authenticators by CTAP bytes that live in a closure.
struct Peers<'a>(Vec<(&'static str, &'a mut dyn Ctap)>);

fn all(mut peers: Peers<'_>) {
    let groups = [
        raw(),
        assertion_typed("getAssertion ES256, typed", CoseAlgorithm::Es256, iana::Algorithm::ES256),
        assertion_bytes(&mut peers),
        hmac_secret(&mut peers),
        registration_typed(),
        registration_bytes(&mut peers),
        assertion_typed("getAssertion Ed25519, typed", CoseAlgorithm::EdDsa, iana::Algorithm::EdDSA),
        stored("getAssertion by passkeys of distinct relying parties", 1_000_000, |number| {
            format!("{number}.example")
        }),
        stored("getAssertion by passkeys of one relying party, allowList", 10_000, |_| RP.to_owned()),
    ];
    println!("{:#}", json!({ "runs": RUNS, "rounds": ROUNDS, "groups": groups }));
}

/// A library's operations alone.
fn raw() -> Value {
    let peer = floor::peer();
    let mut symmetric = floor::HmacSecret::new();
    let mut candidates = vec![
        Candidate::floor("protocol 2 key derivation: RustCrypto", floor::derive_keys),
        Candidate::floor("hmac-secret's symmetric part: RustCrypto", move || symmetric.answer()),
    ];
    for mut library in floor::libraries() {
        let named = |operation| format!("{operation}: {}", library.name);
        candidates.push(Candidate::floor(named("sign ES256"), move || (library.sign)(&ASSERTED)));
        candidates.push(Candidate::floor(named("sign Ed25519"), move || (library.sign_ed25519)(&ASSERTED)));
        candidates.push(Candidate::floor(named("P-256 key agreement"), move || (library.agree)(&peer)));
        candidates.push(Candidate::floor(named("P-256 key pair"), library.make));
    }
    candidates.sort_by(|one, other| one.name().cmp(other.name()));
    group("raw operations, keys loaded", candidates)
}

/// getAssertion by types; the floor is a signature.
fn assertion_typed(title: &str, algorithm: CoseAlgorithm, passkeys: iana::Algorithm) -> Value {
    let mut candidates = floors(|library| {
        let mut sign = if algorithm == CoseAlgorithm::Es256 { library.sign } else { library.sign_ed25519 };
        Box::new(move || sign(&ASSERTED))
    });
    for provider in providers() {
        let mut world = World::new(&provider, AttestationFormat::None);
        let id = register(&mut world, algorithm);
        candidates.push(asserting(provider.name, world, id));
    }
    candidates.push(passkey_asserting(PASSKEY, RustCryptoBackend, passkeys));
    candidates.push(passkey_asserting(PASSKEY_AWS, AwsLcRsBackend, passkeys));
    group(title, candidates)
}

fn asserting(name: impl Into<String>, mut world: World, id: Vec<u8>) -> Candidate<'static> {
    let prepare = move || Request::GetAssertion(get_assertion(&id, None));
    Candidate::new(name, Kind::Own, prepare, move |request| {
        let response = world.typed(request);
        assert!(matches!(response, Response::GetAssertion(_)), "an assertion");
        response
    })
}

fn passkey_asserting<C: CryptoBackend + 'static>(
    name: &str,
    crypto: C,
    algorithm: iana::Algorithm,
) -> Candidate<'static> {
    let mut device = passkey::Device::new(crypto);
    let id = device.register(algorithm);
    let prepare = move || passkey::get_assertion(&id);
    Candidate::new(name, Kind::Peer, prepare, move |request| device.get_assertion(request))
}

/// getAssertion by CTAP bytes; the floor is a signature.
fn assertion_bytes(peers: &mut Peers<'_>) -> Value {
    let mut candidates = floors(|mut library| Box::new(move || (library.sign)(&ASSERTED)));
    let request = |id: &[u8]| Request::GetAssertion(get_assertion(id, None)).encode();
    for (name, kind, mut device) in by_bytes(peers) {
        let message = request(&register(&mut *device, CoseAlgorithm::Es256));
        candidates.push(Candidate::new(name, kind, || (), move |()| answered(&mut *device, &message)));
    }
    group("getAssertion ES256, CTAP bytes", candidates)
}

/// getAssertion with hmac-secret; the floor is a signature, a key agreement and the symmetric rest.
fn hmac_secret(peers: &mut Peers<'_>) -> Value {
    let point = floor::peer();
    let mut candidates = floors(|mut library| {
        let mut symmetric = floor::HmacSecret::new();
        Box::new(move || {
            (library.agree)(&point);
            symmetric.answer();
            (library.sign)(&ASSERTED);
        })
    });
    for (name, kind, mut device) in by_bytes(peers) {
        let id = register(&mut *device, CoseAlgorithm::Es256);
        let mut platform = Platform::meet(&mut *device);
        let prepare = move || platform.request(&id);
        candidates.push(Candidate::new(name, kind, prepare, move |message| answered(&mut *device, &message)));
    }
    group("getAssertion ES256 with hmac-secret, CTAP bytes", candidates)
}

/// makeCredential by types without attestation; the floor is a key pair.
fn registration_typed() -> Value {
    let mut candidates = floors(|library| library.make);
    for provider in providers() {
        let mut world = World::new(&provider, AttestationFormat::None);
        let prepare = || Request::MakeCredential(make_credential(OTHER_RP, CoseAlgorithm::Es256, false));
        candidates.push(Candidate::new(provider.name, Kind::Own, prepare, move |request| {
            let response = world.typed(request);
            assert!(matches!(response, Response::MakeCredential(_)), "a credential");
            response
        }));
    }
    candidates.push(passkey_registering(PASSKEY, RustCryptoBackend));
    candidates.push(passkey_registering(PASSKEY_AWS, AwsLcRsBackend));
    group("makeCredential ES256, attestation none, typed", candidates)
}

fn passkey_registering<C: CryptoBackend + 'static>(name: &str, crypto: C) -> Candidate<'static> {
    let mut device = passkey::Device::new(crypto);
    let prepare = || passkey::make_credential(OTHER_RP, iana::Algorithm::ES256);
    Candidate::new(name, Kind::Peer, prepare, move |request| device.make_credential(request))
}

/// makeCredential by CTAP bytes with self attestation; the floor is a key pair and a signature.
fn registration_bytes(peers: &mut Peers<'_>) -> Value {
    let message = Request::MakeCredential(make_credential(OTHER_RP, CoseAlgorithm::Es256, false)).encode();
    let mut candidates = floors(|mut library| {
        Box::new(move || {
            (library.make)();
            (library.sign)(&ATTESTED);
        })
    });
    for (name, kind, mut device) in by_bytes(peers) {
        let prepare = || &*message;
        candidates.push(Candidate::new(name, kind, prepare, move |message| answered(&mut *device, message)));
    }
    group("makeCredential ES256, self attestation, CTAP bytes", candidates)
}

/// getAssertion with one stored passkey and with `count` more, of the relying parties that `rp` says.
fn stored(title: &str, count: u64, rp: impl Fn(u64) -> String) -> Value {
    let mut candidates = Vec::new();
    for provider in providers() {
        for more in [0, count] {
            let mut world = World::new(&provider, AttestationFormat::None);
            let id = register(&mut world, CoseAlgorithm::Es256);
            world.multiply(more.saturating_sub(1), &rp);
            candidates.push(asserting(format!("{}: {}", provider.name, more.max(1)), world, id));
        }
    }
    group(title, candidates)
}

/// One candidate for each library.
fn floors(work: impl Fn(floor::Library) -> Box<dyn FnMut()>) -> Vec<Candidate<'static>> {
    let libraries = floor::libraries().into_iter();
    libraries
        .map(|library| {
            let name = library.name;
            Candidate::floor(name, work(library))
        })
        .collect()
}

/// Everybody who takes CTAP bytes. countersign attests by itself, as the others do.
fn by_bytes<'a>(peers: &'a mut Peers<'_>) -> Vec<(&'static str, Kind, Box<dyn Ctap + 'a>)> {
    let mut devices: Vec<(&'static str, Kind, Box<dyn Ctap + 'a>)> = Vec::new();
    for provider in providers() {
        devices.push((provider.name, Kind::Own, Box::new(World::new(&provider, AttestationFormat::Packed))));
    }
    devices.push((OPENSK, Kind::Peer, Box::new(opensk::Device::new())));
    for (name, device) in &mut peers.0 {
        devices.push((name, Kind::Peer, Box::new(Borrowed(&mut **device))));
    }
    devices
}

/// An authenticator that is somebody else's.
struct Borrowed<'a>(&'a mut dyn Ctap);

impl Ctap for Borrowed<'_> {
    fn call(&mut self, message: &[u8]) -> Vec<u8> {
        self.0.call(message)
    }
}

/// The answer, which must be one.
fn answered(device: &mut dyn Ctap, message: &[u8]) -> Vec<u8> {
    let response = device.call(message);
    check(&response);
    response
}

fn group(title: &str, candidates: Vec<Candidate<'_>>) -> Value {
    let rows: Vec<Value> = compare(candidates, ROUNDS).into_iter().map(row).collect();
    json!({ "title": title, "rows": rows })
}

/// Microseconds; of countersign also the floor that its provider stands on.
fn row(figure: Figure) -> Value {
    let microseconds = figure.runs.map(|run| (run.as_nanos() as f64 / 10.0).round() / 100.0);
    let is_of = |provider: &&Provider| figure.name.starts_with(provider.name);
    let floor = providers().iter().find(is_of).map(|provider| provider.floor);
    json!({
        "candidate": figure.name,
        "kind": figure.kind.name(),
        "floor": floor,
        "microseconds": microseconds[RUNS / 2],
        "lowest": microseconds[0],
        "highest": microseconds[RUNS - 1],
    })
}
