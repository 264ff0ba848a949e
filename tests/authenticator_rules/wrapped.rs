//! Non-discoverable credentials that are wrapped into their own identifiers (WebAuthn section "Terminology", "server-side
//! public key credential source"; CTAP 2.3 sections 6.1.2, 6.2.2 and 6.6).

use countersign::{
    authenticator::{CounterPolicy, NonDiscoverable, Settings, Step, UserVerification},
    cbor::{Item, Profile},
    credential::{CredentialStore, StateStore, StoreError, WrappedCredential, Wrapper},
    crypto::RustCrypto,
    ctap2::{GetAssertion, MakeCredential, Request, Response, Status},
    secret::Secret,
    webauthn::CredentialId,
};

use crate::{
    common::{
        seeded_rng::SeededRng,
        world::{Person, World},
    },
    requests::*,
};

fn wrapping(settings: Settings) -> World {
    World::exactly(settings, SeededRng(0))
}

/// A security key as it comes, but for user verification.
fn fresh() -> World {
    wrapping(Settings { user_verification: UserVerification::None, ..Settings::security_key() })
}

fn verifying() -> World {
    wrapping(host_verified(Settings::security_key()))
}

fn register(world: &mut World, request: MakeCredential) -> CredentialId {
    let made = made(world.make(request, Person::Willing));
    view(&made.auth_data).attested.unwrap().1
}

/// What the store knows of the wrap key.
fn wrap_key(world: &World) -> Option<Secret<32>> {
    let state = world.store.load_state().unwrap()?;
    let item = Item::parse(state.encoded().expose(), Profile::CTAP2).unwrap();
    Secret::from_slice(item.map().unwrap().at(12)?.bytes().unwrap())
}

fn opened(world: &World, id: &CredentialId) -> WrappedCredential {
    let wrapper = Wrapper::new(&wrap_key(world).expect("a wrap key"));
    wrapper.unwrap(&rp_id(RP).hash(), id, &RustCrypto).expect("a wrapped credential")
}

fn verified(mut request: GetAssertion) -> GetAssertion {
    request.options.uv = Some(true);
    request
}

#[test]
fn wrapped_is_the_default_of_hardware_and_stored_that_of_a_credential_manager() {
    assert_eq!(Settings::security_key().non_discoverable, NonDiscoverable::Wrapped);
    assert_eq!(Settings::platform().non_discoverable, NonDiscoverable::Wrapped);
    assert_eq!(Settings::credential_manager().non_discoverable, NonDiscoverable::Stored);
}

#[test]
fn wrapped_credential_is_in_no_store_and_signs_when_it_is_named() {
    let mut world = fresh();
    let registration = made(world.make(create(), Person::Willing));
    let (_, id, key) = {
        let attested = view(&registration.auth_data).attested.unwrap();
        (attested.0, attested.1, attested.2)
    };
    assert!(world.records().is_empty());
    world.power_cycle();
    let assertion = asserted(world.get(get_named(&[&id]), Person::Willing));
    assert_eq!(assertion.credential, id);
    assert_eq!(flags(&assertion.auth_data).byte(), 0x01);
    let (algorithm, public) = countersign::cose::PublicKey::from_cose(&key).unwrap();
    assert_eq!(algorithm.identifier(), ES256);
    assert_signed(&public, &[&assertion.auth_data, &HASH.0], &assertion.signature);
    assert_eq!(opened(&world, &id).secret.key.public(), &public);
}

#[test]
fn wrapped_any_number_of_credentials_takes_no_room() {
    let mut world = fresh();
    world.store = countersign::credential::MemoryStore::with_capacity(0);
    let ids: Vec<_> = (0..20).map(|_| register(&mut world, create())).collect();
    assert_failed(&world.make(create_discoverable(1), Person::Willing), Status::KeyStoreFull);
    for id in &ids {
        assert_eq!(asserted(world.get(get_named(&[id]), Person::Willing)).credential, *id);
    }
}

#[test]
fn wrapped_credential_is_not_discovered() {
    let mut world = fresh();
    register(&mut world, create());
    assert_failed(&world.get(get(), Person::Willing), Status::NoCredentials);
}

#[test]
fn wrapped_discoverable_credentials_are_stored_all_the_same() {
    let mut world = fresh();
    let id = register(&mut world, create_discoverable(1));
    assert_eq!(world.records().len(), 1);
    assert_eq!(id.as_bytes().len(), Settings::security_key().credential_id_length);
    assert!(wrap_key(&world).is_none());
}

/// Rule 23.
#[test]
fn wrapped_credential_answers_without_user_even_after_verification() {
    let mut world = verifying();
    let id = register(&mut world, create());
    assert_eq!(asserted(world.get(get_named(&[&id]), Person::Willing)).user, None);
    assert_eq!(asserted(world.get(verified(get_named(&[&id])), Person::Willing)).user, None);
}

#[test]
fn wrapped_credential_of_another_relying_party_or_authenticator_or_of_nobody_is_none() {
    let mut world = fresh();
    let id = register(&mut world, create());
    let mut elsewhere = get_named(&[&id]);
    elsewhere.rp_id = rp_id("example.org");
    assert_failed(&world.get(elsewhere, Person::Willing), Status::NoCredentials);
    let mut other = World::exactly(world.authenticator.settings().clone(), SeededRng(77));
    register(&mut other, create());
    assert_failed(&other.get(get_named(&[&id]), Person::Willing), Status::NoCredentials);
    let mut garbled = id.as_bytes().to_vec();
    *garbled.last_mut().unwrap() ^= 1;
    let garbled = CredentialId::new(&garbled).unwrap();
    assert_failed(&world.get(get_named(&[&garbled]), Person::Willing), Status::NoCredentials);
    assert_eq!(asserted(world.get(get_named(&[&garbled, &id]), Person::Willing)).credential, id);
}

#[test]
fn wrapped_id_that_is_named_twice_counts_once_and_a_stored_one_beside_it_too() {
    let mut world = fresh();
    let wrapped = register(&mut world, create());
    let stored = register(&mut world, create_discoverable(1));
    let (response, asked) = world
        .questions_of(|world| world.get(get_named(&[&wrapped, &stored, &wrapped, &stored]), Person::Willing));
    // The stored one has a date, and so is the newer.
    assert_eq!(asserted(response).credential, stored);
    let countersign::authenticator::Purpose::SignIn { accounts, choose, .. } = &asked[0].purpose else {
        panic!("{:?}", asked[0])
    };
    assert_eq!((accounts.len(), choose), (2, &false));
}

/// Rules 13 and 14.
#[test]
fn wrapped_credential_in_an_exclude_list_excludes_by_its_level() {
    for (level, without_uv, with_uv) in [(1, true, true), (2, true, true), (3, false, true)] {
        let mut world = verifying();
        let id = register(&mut world, protected(create(), level));
        let excluding = || MakeCredential { exclude_list: descriptors(&[&id]), ..create() };
        for (uv, excluded) in [(None, without_uv), (Some(true), with_uv)] {
            let mut request = excluding();
            request.options.uv = uv;
            let response = world.make(request, Person::Willing);
            if excluded {
                assert_failed(&response, Status::CredentialExcluded);
            } else {
                made(response);
            }
        }
        let mut elsewhere = excluding();
        elsewhere.rp.id = rp_id("example.org");
        made(world.make(elsewhere, Person::Willing));
    }
}

/// Rule 21.
#[test]
fn wrapped_credential_is_used_as_its_level_allows() {
    for level in 1..=3 {
        let mut world = verifying();
        let id = register(&mut world, protected(create(), level));
        let response = world.get(get_named(&[&id]), Person::Willing);
        if level == 3 {
            assert_failed(&response, Status::NoCredentials);
        } else {
            asserted(response);
        }
        asserted(world.get(verified(get_named(&[&id])), Person::Willing));
        assert_eq!(u64::from(opened(&world, &id).facts.cred_protect.level()), level);
    }
}

/// Rule 52.
#[test]
fn wrapped_credentials_are_gone_after_a_reset() {
    let mut world = fresh();
    let id = register(&mut world, create());
    let before = wrap_key(&world).unwrap();
    assert_eq!(world.call(Request::Reset, Person::Willing), Response::Empty);
    assert!(wrap_key(&world).is_none());
    assert_failed(&world.get(get_named(&[&id]), Person::Willing), Status::NoCredentials);
    let new = register(&mut world, create());
    assert!(!wrap_key(&world).unwrap().ct_eq(before.expose()));
    assert_failed(&world.get(get_named(&[&id]), Person::Willing), Status::NoCredentials);
    asserted(world.get(get_named(&[&new]), Person::Willing));
}

#[test]
fn wrapped_registration_whose_commit_fails_ends_in_an_error_and_the_next_commits_the_wrap_key_again() {
    let mut world = fresh();
    let step = world.begin(Request::MakeCredential(create()));
    let (changes, pending) = world.until_commit(step, Person::Willing);
    assert!(changes.put.is_empty() && changes.delete.is_empty() && !changes.clear);
    let (now, rng) = (world.now, &mut world.rng);
    let step = world.authenticator.committed(pending, Err(StoreError::Unavailable), now, rng);
    assert_failed(&done(step), Status::Other);
    assert!(wrap_key(&world).is_none());
    let id = register(&mut world, create());
    world.power_cycle();
    asserted(world.get(get_named(&[&id]), Person::Willing));
}

#[test]
fn wrapped_credentials_keep_one_wrap_key() {
    let mut world = fresh();
    register(&mut world, create());
    let first = wrap_key(&world).unwrap();
    world.power_cycle();
    register(&mut world, create());
    assert!(wrap_key(&world).unwrap().ct_eq(first.expose()));
}

#[test]
fn wrapped_credentials_stay_good_when_the_setting_changes() {
    let mut world = fresh();
    let id = register(&mut world, create());
    let state = world.store.load_state().unwrap();
    let settings =
        Settings { non_discoverable: NonDiscoverable::Stored, ..world.authenticator.settings().clone() };
    world.authenticator = countersign::authenticator::Authenticator::new(
        settings,
        state.as_ref(),
        std::sync::Arc::new(RustCrypto),
    )
    .unwrap();
    asserted(world.get(get_named(&[&id]), Person::Willing));
}

#[test]
fn wrapped_counter_is_shared_and_committed_before_the_response_leaves() {
    let mut world = fresh();
    let ids = [register(&mut world, create()), register(&mut world, create())];
    for expected in 1..=4 {
        let id = &ids[expected as usize % 2];
        let step = world.begin(Request::GetAssertion(get_named(&[id])));
        let (changes, pending) = world.until_commit(step, Person::Willing);
        assert!(changes.update.is_empty() && changes.put.is_empty(), "nothing of it is stored");
        assert!(changes.state.is_some());
        let Step::Done(outcome) = world.commit(changes, pending) else { panic!("not done") };
        assert_eq!(view(&asserted(outcome.response).auth_data).sign_count, expected);
        world.power_cycle();
    }
}

#[test]
fn wrapped_counter_is_zero_by_policy_and_nothing_is_committed() {
    let settings = fresh().authenticator.settings().clone();
    let mut world = wrapping(Settings { sign_count: CounterPolicy::Zero, ..settings });
    let id = register(&mut world, create());
    let kept = world.kept();
    let assertion = asserted(world.get(get_named(&[&id]), Person::Willing));
    assert_eq!(view(&assertion.auth_data).sign_count, 0);
    assert!(world.kept() == kept);
}

#[test]
fn wrapped_silent_assertion_asks_nobody() {
    let mut world = fresh();
    let id = register(&mut world, create());
    let silent = GetAssertion { options: get_silently().options, ..get_named(&[&id]) };
    let (response, asked) = world.questions_of(|world| world.get(silent, Person::Absent));
    assert!(asked.is_empty());
    assert_eq!(flags(&asserted(response).auth_data).byte(), 0);
}

#[test]
fn wrapped_credential_is_made_with_every_algorithm() {
    for algorithm in [ES256, EDDSA, -9, -19, -35, -51] {
        let mut world = fresh();
        let id = register(&mut world, MakeCredential { algorithms: vec![algorithm], ..create() });
        assert!(id.as_bytes().len() <= 255);
        let assertion = asserted(world.get(get_named(&[&id]), Person::Willing));
        let key = opened(&world, &id).secret.key;
        assert_eq!(key.algorithm().identifier(), algorithm);
        if [ES256, EDDSA, -35].contains(&algorithm) {
            assert_signed(key.public(), &[&assertion.auth_data, &HASH.0], &assertion.signature);
        }
    }
}

#[test]
fn wrapped_credential_of_a_locked_store_waits_for_its_unlocking() {
    let mut world = fresh();
    let id = register(&mut world, create());
    let Step::Load(query, pending) = world.begin(Request::GetAssertion(get_named(&[&id]))) else {
        panic!("no look-up")
    };
    assert!(world.store.load(&query).unwrap().is_empty(), "the store has never heard of it");
    let (now, rng) = (world.now, &mut world.rng);
    let step = world.authenticator.loaded(pending, Err(StoreError::Locked), now, rng);
    let (question, _) = world.until_asked(step);
    assert_eq!(question.purpose, countersign::authenticator::Purpose::Unlock);
}

/// thirdPartyPayment and hmac-secret are all that extensions can do for it; credBlob is not stored.
#[test]
fn wrapped_credential_keeps_what_extensions_need() {
    let mut world = fresh();
    let mut request = create();
    request.extensions.third_party_payment = Some(true);
    request.extensions.cred_blob = Some(vec![1; 16]);
    let made = made(world.make(request, Person::Willing));
    let outputs = view(&made.auth_data);
    assert_eq!(outputs.extensions().unwrap().named("credBlob").unwrap().boolean(), Some(false));
    let id = outputs.attested.unwrap().1;
    assert!(opened(&world, &id).facts.third_party_payment);
    let mut request = get_named(&[&id]);
    request.extensions.third_party_payment = Some(true);
    let assertion = asserted(world.get(request, Person::Willing));
    let outputs = view(&assertion.auth_data).extensions().unwrap();
    assert_eq!(outputs.named("thirdPartyPayment").unwrap().boolean(), Some(true));
}
