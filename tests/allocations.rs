//! What a sign-in takes from the heap, counted: at most 2 allocations through the typed door, which are the authenticator
//! data and the signature, and at most 6 through bytes, which are those, what is kept of the request (its RP ID, its
//! allowList and the identifier in it), and the response. So it is after the first one, over the memory store, without a
//! counter and without a date of use: nothing is committed then. What a commit adds is counted as well.

mod common;

use allocation_counter::measure;
use common::{
    seeded_rng::SeededRng,
    world::{CHANNEL, Person, World, answer},
};
use countersign::{
    authenticator::{CounterPolicy, Settings, Step, Turn, UserVerification, run},
    cose::CoseAlgorithm,
    ctap2::{GetAssertion, MakeCredential, Options, Request, Response},
    webauthn::{ClientDataHash, CredentialDescriptor, CredentialId, RpEntity, RpId, UserEntity, UserHandle},
};

const ALGORITHMS: [CoseAlgorithm; 3] = [CoseAlgorithm::Es256, CoseAlgorithm::Es384, CoseAlgorithm::EdDsa];

/// Nothing is kept of a sign-in.
fn unrecorded() -> Settings {
    Settings {
        sign_count: CounterPolicy::Zero,
        record_last_use: false,
        algorithms: ALGORITHMS.to_vec(),
        user_verification: UserVerification::Host,
        ..Settings::security_key()
    }
}

fn registered(settings: Settings, algorithm: CoseAlgorithm) -> (World, CredentialId) {
    let mut world = World::new(settings);
    let request = MakeCredential {
        client_data_hash: ClientDataHash([7; 32]),
        rp: RpEntity { id: RpId::new("example.org").unwrap(), name: Some("Example".into()) },
        user: UserEntity {
            id: UserHandle::new(&[1; 64]).unwrap(),
            name: Some("alice@example.org".into()),
            display_name: Some("Alice".into()),
        },
        algorithms: vec![algorithm.identifier()],
        exclude_list: Vec::new(),
        extensions: Default::default(),
        options: Options { rk: Some(true), up: None, uv: Some(true) },
        pin_uv_auth: None,
        enterprise_attestation: None,
        attestation_formats_preference: Vec::new(),
    };
    let response = world.call(Request::MakeCredential(request), Person::Willing);
    assert!(matches!(response, Response::MakeCredential(_)), "{response:?}");
    let id = world.store.records().next().unwrap().credential.id.clone();
    (world, id)
}

/// By an allowList of one, or by discovery; with user verification, or without.
fn requests(id: &CredentialId) -> Vec<GetAssertion> {
    let request = |named: bool, uv: bool| GetAssertion {
        rp_id: RpId::new("example.org").unwrap(),
        client_data_hash: ClientDataHash([8; 32]),
        allow_list: named.then(|| vec![CredentialDescriptor { id: id.clone() }]),
        extensions: Default::default(),
        options: Options { rk: None, up: None, uv: Some(uv) },
        pin_uv_auth: None,
    };
    [(true, true), (true, false), (false, true), (false, false)]
        .map(|(named, uv)| request(named, uv))
        .to_vec()
}

/// A command to its end, answered by somebody willing.
fn finish(world: &mut World<SeededRng>, mut step: Step) -> Response {
    let World { authenticator, store, rng, now, .. } = world;
    loop {
        match run(authenticator, store, step, *now, rng) {
            Turn::Done(outcome) => return outcome.response,
            Turn::Ask(question, pending) => {
                let answer = answer(&question, Person::Willing);
                step = authenticator.answer(pending, answer, *now, rng);
            }
        }
    }
}

/// The allocations of one sign-in through the typed door. The request is made before, and the response is dropped.
fn typed(world: &mut World, request: &GetAssertion) -> u64 {
    let request = Request::GetAssertion(request.clone());
    let mut response = None;
    let info = measure(|| {
        let step = world.authenticator.begin(CHANNEL, request, world.now, &mut world.rng);
        response = Some(finish(world, step));
    });
    assert!(matches!(response, Some(Response::GetAssertion(_))), "{response:?}");
    info.count_total
}

/// The same through bytes, the bytes of the response included.
fn bytes(world: &mut World, request: &GetAssertion) -> u64 {
    let message = Request::GetAssertion(request.clone()).encode();
    let mut response = Vec::new();
    let info = measure(|| {
        let step = world.authenticator.begin_ctap(CHANNEL, &message, world.now, &mut world.rng);
        response = finish(world, step).encode();
    });
    assert_eq!(response.first(), Some(&0));
    info.count_total
}

/// What every way to sign in takes after the first time, at most: through the typed door and through bytes.
fn most(settings: &Settings, algorithm: CoseAlgorithm) -> (u64, u64) {
    let (mut world, id) = registered(settings.clone(), algorithm);
    let mut most = (0, 0);
    for request in requests(&id) {
        typed(&mut world, &request);
        let counted = (typed(&mut world, &request), bytes(&mut world, &request));
        println!("{algorithm:?} {:?} {:?}: {counted:?}", request.allow_list.is_some(), request.options.uv);
        most = (most.0.max(counted.0), most.1.max(counted.1));
    }
    most
}

#[test]
fn ga_that_records_nothing_takes_2_allocations_typed_and_6_through_bytes() {
    for algorithm in ALGORITHMS {
        assert_eq!(most(&unrecorded(), algorithm), (2, 6), "{algorithm:?}");
    }
}

/// With the date of its last use, which is the default of a credential manager, and with a counter, which is that of a
/// security key, the record is changed: the store's own one is copied, and committed.
#[test]
fn ga_that_records_its_use_takes_as_many_more_as_its_commit_does() {
    let counting = Settings { sign_count: CounterPolicy::PerCredential, ..unrecorded() };
    let dated = Settings { record_last_use: true, ..unrecorded() };
    for settings in [counting, dated] {
        for algorithm in ALGORITHMS {
            let (typed, bytes) = most(&settings, algorithm);
            assert!(typed <= 10 && bytes <= 14, "{algorithm:?}: {typed} typed, {bytes} through bytes");
        }
    }
}
