//! What a command costs beside the cryptography in it. Run with `cargo bench -p countersign --features tables`; the figures
//! that count are ratios within one run.

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;

use common::{Person, ScriptedRng, World};
use countersign::{
    authenticator::{Channel, CounterPolicy, ProviderRequest, Settings, UserVerification},
    cose::CoseAlgorithm,
    credential::{
        Backup, ChangeSet, CredProtect, Credential, CredentialRecord, CredentialSecret, CredentialStore,
        MemoryStore,
    },
    crypto::{CryptoProvider, RustCrypto},
    ctap2::{
        GetAssertion, GetAssertionExtensions, GetAssertionOptions, HmacSecretInput, MakeCredential,
        MakeCredentialExtensions, MakeCredentialOptions, Request, Response,
    },
    pin_uv::{PinUvAuthProtocol, encapsulate},
    secret::Secret,
    webauthn::{
        Aaguid, ClientDataHash, CredentialDescriptor, CredentialId, PrfInputs, PrfSalt, PrfSalts, RpEntity,
        RpId, UserEntity, UserHandle,
    },
};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

const RP: &str = "example.org";

fn world() -> World {
    // No counter and no date of use: what is measured is the command, not the store.
    World::new(Settings {
        sign_count: CounterPolicy::Zero,
        user_verification: UserVerification::Host,
        ..Settings::security_key()
    })
}

fn make_credential(algorithm: CoseAlgorithm) -> MakeCredential {
    MakeCredential {
        client_data_hash: ClientDataHash([7; 32]),
        rp: RpEntity { id: RpId::new(RP).unwrap(), name: None },
        user: user(0),
        algorithms: vec![algorithm.identifier()],
        exclude_list: Vec::new(),
        extensions: MakeCredentialExtensions { hmac_secret: Some(true), ..Default::default() },
        options: MakeCredentialOptions { rk: Some(true), up: None, uv: Some(true) },
        pin_uv_auth: None,
        enterprise_attestation: None,
        attestation_formats_preference: Vec::new(),
    }
}

fn user(number: u64) -> UserEntity {
    let id = UserHandle::new(&number.to_be_bytes()).unwrap();
    UserEntity { id, name: Some("alice".into()), display_name: Some("Alice".into()) }
}

fn get_assertion(id: Option<&CredentialId>, hmac_secret: Option<HmacSecretInput>) -> GetAssertion {
    GetAssertion {
        rp_id: RpId::new(RP).unwrap(),
        client_data_hash: ClientDataHash([8; 32]),
        allow_list: id.map(|id| vec![CredentialDescriptor { id: id.clone() }]),
        extensions: GetAssertionExtensions { hmac_secret },
        options: GetAssertionOptions { rk: None, up: None, uv: None },
        pin_uv_auth: None,
    }
}

fn registered(world: &mut World, algorithm: CoseAlgorithm) -> CredentialId {
    let response = world.call(Request::MakeCredential(make_credential(algorithm)), Person::Willing);
    assert!(matches!(response, Response::MakeCredential(_)), "{response:?}");
    world.store.records().next().unwrap().credential.id.clone()
}

fn sign(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sign");
    for (name, algorithm) in [("es256", CoseAlgorithm::Es256), ("eddsa", CoseAlgorithm::EdDsa)] {
        let pair = RustCrypto.make_key_pair(algorithm, &mut ScriptedRng::new(&[]));
        let signer = RustCrypto.signer(&pair).unwrap();
        group.bench_function(format!("{name}/sign"), |b| b.iter(|| signer.sign(&[&[1; 37], &[2; 32]])));
        group.bench_function(format!("{name}/load and sign"), |b| {
            b.iter(|| RustCrypto.signer(black_box(&pair)).unwrap().sign(&[&[1; 37], &[2; 32]]));
        });
        group.bench_function(format!("{name}/make key pair"), |b| {
            let mut rng = ScriptedRng::new(&[]);
            b.iter(|| RustCrypto.make_key_pair(algorithm, &mut rng));
        });
    }
    group.finish();
}

fn make(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("makeCredential");
    for (name, algorithm) in [("es256", CoseAlgorithm::Es256), ("eddsa", CoseAlgorithm::EdDsa)] {
        let mut world = world();
        group.bench_function(format!("{name}/typed"), |b| {
            b.iter(|| world.call(Request::MakeCredential(make_credential(algorithm)), Person::Willing));
        });
    }
    group.finish();
}

fn get(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("getAssertion");
    for (name, algorithm) in [("es256", CoseAlgorithm::Es256), ("eddsa", CoseAlgorithm::EdDsa)] {
        let mut world = world();
        let id = registered(&mut world, algorithm);
        group.bench_function(format!("{name}/typed"), |b| {
            b.iter_batched(
                || Request::GetAssertion(get_assertion(Some(&id), None)),
                |request| world.call(request, Person::Willing),
                BatchSize::SmallInput,
            );
        });
        let message = Request::GetAssertion(get_assertion(Some(&id), None)).encode();
        group.bench_function(format!("{name}/ctap bytes"), |b| {
            b.iter(|| world.ctap(black_box(&message), Person::Willing));
        });
    }
    group.finish();
}

fn get_with_prf(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("getAssertion with PRF");
    let mut world = world();
    let id = registered(&mut world, CoseAlgorithm::Es256);
    group.bench_function("typed, provider door", |b| {
        b.iter(|| {
            let eval = Some(PrfSalts { first: PrfSalt::from_input(b"salt"), second: None });
            let prf = PrfInputs { eval, ..Default::default() };
            let request = ProviderRequest::Get { request: get_assertion(Some(&id), None), prf };
            let step = world.authenticator.begin_provider(Channel(1), request, world.now, &mut world.rng);
            let outcome = world.finish(step, Person::Willing);
            assert!(outcome.prf.is_some());
        });
    });
    for protocol in [PinUvAuthProtocol::One, PinUvAuthProtocol::Two] {
        let input = hmac_secret_input(&mut world, protocol);
        let message = Request::GetAssertion(get_assertion(Some(&id), Some(input))).encode();
        group.bench_function(format!("ctap bytes, protocol {}", protocol.number()), |b| {
            b.iter(|| world.ctap(black_box(&message), Person::Willing));
        });
    }
    group.finish();
}

fn hmac_secret_input(world: &mut World, protocol: PinUvAuthProtocol) -> HmacSecretInput {
    use countersign::ctap2::{ClientPin, ClientPinResponse};
    let request = Request::ClientPin(ClientPin::GetKeyAgreement { pin_uv_auth_protocol: protocol.number() });
    let Response::ClientPin(ClientPinResponse::KeyAgreement(peer)) = world.call(request, Person::Willing)
    else {
        panic!("getKeyAgreement answers a key");
    };
    let (key_agreement, shared) = encapsulate(&RustCrypto, protocol, &peer, &mut world.rng).unwrap();
    let salt_enc = shared.encrypt(&[5; 32], &mut world.rng).unwrap();
    let salt_auth = shared.authenticate(&[&salt_enc]);
    HmacSecretInput { key_agreement, salt_enc, salt_auth, pin_uv_auth_protocol: Some(protocol.number()) }
}

/// An assertion must not depend on how many passkeys are stored.
fn many(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("getAssertion by stored passkeys");
    for count in [1, 100_000] {
        let mut world = world();
        let id = registered(&mut world, CoseAlgorithm::Es256);
        fill(&mut world.store, count - 1);
        for (name, allow) in [("allowList", Some(&id)), ("discovery", None)] {
            group.bench_function(format!("{name}/{count}"), |b| {
                b.iter_batched(
                    || Request::GetAssertion(get_assertion(allow, None)),
                    |request| world.call(request, Person::Willing),
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}

/// Passkeys of as many other relying parties. One key pair serves them all: it is never used.
fn fill(store: &mut MemoryStore, count: u64) {
    let pair = RustCrypto.make_key_pair(CoseAlgorithm::Es256, &mut ScriptedRng::new(&[]));
    for number in 0..count {
        let credential = Credential {
            id: CredentialId::new(&[&number.to_be_bytes()[..], &[0; 24]].concat()).unwrap(),
            rp: RpEntity { id: RpId::new(&format!("{number}.example")).unwrap(), name: None },
            user: user(number),
            discoverable: true,
            cred_protect: CredProtect::UserVerificationOptional,
            backup: Backup::DeviceBound,
            sign_count: 0,
            aaguid: Aaguid::ZERO,
            order: number,
            created: None,
            last_used: None,
        };
        let secret = CredentialSecret {
            key: pair.clone_secret(),
            cred_random_with_uv: Secret::init_with(|_| ()),
            cred_random_without_uv: Secret::init_with(|_| ()),
        };
        let put = vec![CredentialRecord::new(credential, secret)];
        store.commit(ChangeSet { put, ..ChangeSet::default() }).unwrap();
    }
}

criterion_group!(benches, sign, make, get, get_with_prf, many);
criterion_main!(benches);
