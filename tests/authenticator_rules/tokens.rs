//! What pinUvAuthTokens are good for, and for how long (CTAP 2.3 sections 6.5.2.1, 6.1.2 step 11 and 6.2.2 step 6), and the
//! persistent one with what getInfo encrypts under it.

use std::sync::Arc;

use countersign::{
    authenticator::{Answer, Authenticator, CannotStart, Settings, UserVerification, epoch_of},
    credential::{CredentialStore, StateStore, StoreError},
    crypto::{Aes128CbcNoPadding, RustCrypto, hmac_sha256},
    ctap2::{
        CredentialManagement, GetAssertion, GetInfoResponse, MakeCredential, ManageCredentials, Options,
        Request, Response, Status,
    },
    pin_uv::PinUvAuthProtocol,
    rand_core::CryptoRng,
};

use crate::{
    common::{
        platform::*,
        scripted_rng::ScriptedRng,
        world::{PIN, Person, World},
    },
    requests::*,
};

const OTHER_RP: &str = "other.example";

fn settings() -> Settings {
    Settings { credential_management: true, persistent_read_only: true, ..Settings::security_key() }
}

/// With a PIN, and one passkey of [`RP`].
fn key() -> World {
    let mut world = World::new(settings());
    world.set_pin();
    world.register(create_verified(1));
    world
}

fn make_with(token: &Token) -> MakeCredential {
    MakeCredential { pin_uv_auth: token.auth(&[&HASH.0]), ..create_discoverable(2) }
}

fn get_with(token: &Token) -> GetAssertion {
    GetAssertion { pin_uv_auth: token.auth(&[&HASH.0]), ..get() }
}

/// A sign-in that spends nothing: it is silent.
fn use_silently(world: &mut World, token: &Token) -> Result<(), Status> {
    let options = Options { up: Some(false), ..Options::default() };
    match world.get(GetAssertion { options, ..get_with(token) }, Person::Absent) {
        Response::GetAssertion(_) => Ok(()),
        Response::Failed(status) => Err(status),
        other => panic!("{other:?}"),
    }
}

const INVALID: Result<(), Status> = Err(Status::PinAuthInvalid);

/// A token by built-in user verification.
fn token_by_uv(world: &mut World, permissions: u64) -> Token {
    let platform = Platform::connect(world, PinUvAuthProtocol::Two);
    let response = world.client_pin(platform.token_using_uv(permissions, Some(RP)), Person::Willing);
    platform.token_of(response).unwrap()
}

fn pin_token(world: &mut World, protocol: PinUvAuthProtocol) -> Token {
    let platform = Platform::connect(world, protocol);
    let response = world.client_pin(platform.get_pin_token(PIN), Person::Willing);
    platform.token_of(response).unwrap()
}

fn change_pin(world: &mut World, new: &str) {
    let platform = Platform::connect(world, PinUvAuthProtocol::Two);
    assert_eq!(world.client_pin(platform.change_pin(PIN, new), Person::Absent), Response::Empty);
}

// What a token does

#[test]
fn token_verifies_the_user_of_registrations_and_sign_ins() {
    for protocol in PROTOCOLS {
        let mut world = key();
        let token = pin_token(&mut world, protocol);
        // Option uv counts as absent beside a token.
        let mut request = make_with(&token);
        request.options.uv = Some(true);
        let (response, asked) = world.questions_of(|world| world.make(request, Person::OnlyTouches));
        let data = made(response).auth_data;
        assert!(flags(&data).user_present() && flags(&data).user_verified());
        assert_eq!(asked.len(), 1, "presence, which a PIN that is sent does not prove");
        let token = pin_token(&mut world, protocol);
        let (response, asked) = world.questions_of(|world| world.get(get_with(&token), Person::OnlyTouches));
        let data = asserted(response).auth_data;
        assert!(flags(&data).user_present() && flags(&data).user_verified());
        assert_eq!(asked.len(), 1);
    }
}

#[test]
fn token_by_uv_proves_presence_as_well_for_30_seconds() {
    for mut world in [key(), World::with_host_verifier()] {
        world.register(create_verified(1));
        for (later, questions) in [(0, 0), (29_999, 0), (30_000, 1)] {
            let token = token_by_uv(&mut world, MC | GA);
            world.now.ticks += 1;
            use_silently(&mut world, &token).unwrap();
            world.now.ticks += later - later.min(1);
            let (response, asked) =
                world.questions_of(|world| world.get(get_with(&token), Person::OnlyTouches));
            let data = asserted(response).auth_data;
            assert!(flags(&data).user_present() && flags(&data).user_verified());
            assert_eq!(asked.len(), questions, "{later} ms");
        }
        let token = token_by_uv(&mut world, MC);
        let (response, asked) = world.questions_of(|world| world.make(make_with(&token), Person::Absent));
        assert!(flags(&made(response).auth_data).user_present());
        assert!(asked.is_empty());
    }
}

#[test]
fn token_of_a_silent_sign_in_claims_no_presence() {
    let mut world = key();
    let token = token_by_uv(&mut world, GA);
    let options = Options { up: Some(false), ..Options::default() };
    let response = world.get(GetAssertion { options, ..get_with(&token) }, Person::Absent);
    let data = asserted(response).auth_data;
    assert!(!flags(&data).user_present() && flags(&data).user_verified());
    // And none is spent.
    use_silently(&mut world, &token).unwrap();
}

#[test]
fn token_is_spent_by_one_operation_with_presence() {
    type Spend = fn(&mut World, &Token) -> Response;
    let spends: [Spend; 2] = [
        |world, token| world.make(make_with(token), Person::Willing),
        |world, token| world.get(get_with(token), Person::Willing),
    ];
    for spend in spends {
        let mut world = key();
        let token = world.token(MC | GA, Some(RP));
        assert!(!matches!(spend(&mut world, &token), Response::Failed(_)));
        assert_eq!(use_silently(&mut world, &token), INVALID);
        assert_failed(&world.make(make_with(&token), Person::Willing), Status::PinAuthInvalid);
        assert_failed(&world.get(get_with(&token), Person::Willing), Status::PinAuthInvalid);
    }
}

#[test]
fn token_is_not_spent_by_an_operation_that_nobody_approved() {
    let mut world = key();
    let token = world.token(MC | GA, Some(RP));
    assert_failed(&world.make(make_with(&token), Person::Declines), Status::OperationDenied);
    assert_failed(&world.get(get_with(&token), Person::Absent), Status::OperationDenied);
    made(world.make(make_with(&token), Person::Willing));
}

#[test]
fn token_is_good_for_its_permissions_only() {
    let mut world = key();
    let token = world.token(MC, Some(RP));
    assert_failed(&world.get(get_with(&token), Person::Willing), Status::PinAuthInvalid);
    let token = world.token(GA, Some(RP));
    assert_failed(&world.make(make_with(&token), Person::Willing), Status::PinAuthInvalid);
    let token = world.token(CM, None);
    assert_eq!(use_silently(&mut world, &token), INVALID);
    assert_failed(&world.make(make_with(&token), Person::Willing), Status::PinAuthInvalid);
}

#[test]
fn token_of_get_pin_token_has_no_permissions_where_they_are_for_uv_alone() {
    let mut world = World::new(Settings { no_mc_ga_permissions_with_client_pin: true, ..settings() });
    world.set_pin();
    world.register(create_verified(1));
    let token = pin_token(&mut world, PinUvAuthProtocol::Two);
    assert_eq!(use_silently(&mut world, &token), INVALID);
    assert_failed(&world.make(make_with(&token), Person::Willing), Status::PinAuthInvalid);
}

#[test]
fn token_is_bound_to_its_relying_party_at_birth_or_by_its_first_use() {
    let mut world = key();
    let other = |token: &Token| {
        let mut request = make_with(token);
        request.rp.id = rp_id(OTHER_RP);
        request
    };
    let bound = world.token(MC | GA, Some(RP));
    assert_failed(&world.make(other(&bound), Person::Willing), Status::PinAuthInvalid);
    made(world.make(make_with(&bound), Person::Willing));
    let unbound = pin_token(&mut world, PinUvAuthProtocol::Two);
    use_silently(&mut world, &unbound).unwrap();
    assert_failed(&world.make(other(&unbound), Person::Willing), Status::PinAuthInvalid);
    let unbound = pin_token(&mut world, PinUvAuthProtocol::Two);
    made(world.make(other(&unbound), Person::Willing));
}

#[test]
fn token_is_of_the_protocol_that_gave_it_out() {
    for (protocol, other) in [(0, 1), (1, 0)] {
        let mut world = key();
        let mut token = pin_token(&mut world, PROTOCOLS[protocol]);
        token.protocol = PROTOCOLS[other];
        assert_eq!(use_silently(&mut world, &token), INVALID);
        token.protocol = PROTOCOLS[protocol];
        assert_eq!(use_silently(&mut world, &token), Ok(()));
    }
}

// How long it lives

#[test]
fn token_that_is_not_used_within_30_seconds_is_over() {
    for (later, expected) in [(29_999, Ok(())), (30_000, INVALID), (u64::MAX - 5_000, INVALID)] {
        let mut world = key();
        let token = world.token(GA, Some(RP));
        world.now.ticks += later;
        assert_eq!(use_silently(&mut world, &token), expected, "{later} ms");
    }
}

#[test]
fn token_is_over_after_10_minutes_however_it_is_used() {
    for rolling_token_timer in [false, true] {
        let mut world = World::new(Settings { rolling_token_timer, ..settings() });
        world.set_pin();
        world.register(create_verified(1));
        let token = world.token(GA, Some(RP));
        let begun = world.now.ticks;
        for later in (20_000..600_000).step_by(20_000).chain([599_999]) {
            world.now.ticks = begun + later;
            assert_eq!(use_silently(&mut world, &token), Ok(()), "{later} ms");
        }
        world.now.ticks = begun + 600_000;
        assert_eq!(use_silently(&mut world, &token), INVALID);
    }
}

#[test]
fn token_with_a_rolling_timer_is_over_30_seconds_after_its_last_use() {
    for (rolling_token_timer, later, expected) in
        [(true, 29_999, Ok(())), (true, 30_000, INVALID), (false, 30_000, Ok(())), (false, 500_000, Ok(()))]
    {
        let mut world = World::new(Settings { rolling_token_timer, ..settings() });
        world.set_pin();
        world.register(create_verified(1));
        let token = world.token(GA, Some(RP));
        world.now.ticks += 10_000;
        use_silently(&mut world, &token).unwrap();
        // A use that does not verify is none.
        world.now.ticks += 5_000;
        let mut forged = get_with(&token);
        forged.pin_uv_auth.as_mut().unwrap().param[0] ^= 1;
        assert_failed(&world.get(forged, Person::Willing), Status::PinAuthInvalid);
        world.now.ticks += later - 5_000;
        assert_eq!(use_silently(&mut world, &token), expected, "{later} ms");
    }
}

#[test]
fn tick_says_when_the_token_ends_and_drops_it_then() {
    let mut world = key();
    assert_eq!(world.authenticator.tick(world.now), None);
    world.token(GA, Some(RP));
    let end = world.now.ticks + 30_000;
    assert_eq!(world.authenticator.tick(world.now), Some(end));
    world.now.ticks = end - 1;
    assert_eq!(world.authenticator.tick(world.now), Some(end));
    world.now.ticks = end;
    assert_eq!(world.authenticator.tick(world.now), None);
}

#[test]
fn token_that_ends_while_the_person_is_asked_was_verified_in_time() {
    let mut world = key();
    let token = world.token(MC, Some(RP));
    world.now.ticks += 29_999;
    let step = world.begin(Request::MakeCredential(make_with(&token)));
    let (_, pending) = world.until_asked(step);
    world.now.ticks += 20_000;
    let answer = Answer::Approved { choice: None };
    let step = world.authenticator.answer(pending, answer, world.now, &mut world.rng);
    assert!(flags(&made(world.finish(step, Person::Absent).response).auth_data).user_verified());
}

// What ends it

#[test]
fn token_is_one_and_a_new_one_of_any_protocol_ends_it() {
    for protocol in PROTOCOLS {
        for other in PROTOCOLS {
            let mut world = key();
            let old = pin_token(&mut world, protocol);
            let new = pin_token(&mut world, other);
            assert_eq!(use_silently(&mut world, &old), INVALID);
            assert_eq!(use_silently(&mut world, &new), Ok(()));
        }
    }
    let mut world = key();
    let old = world.token(GA, Some(RP));
    token_by_uv(&mut world, GA);
    assert_eq!(use_silently(&mut world, &old), INVALID);
}

#[test]
fn token_outlives_what_failed() {
    let mut world = key();
    let token = world.token(GA, Some(RP));
    assert_eq!(world.try_token("0000", GA, Some(RP)).err(), Some(Status::PinInvalid));
    let platform = Platform::connect(&mut world, PinUvAuthProtocol::One);
    let response = world.client_pin(platform.change_pin(PIN, "1"), Person::Absent);
    assert_failed(&response, Status::PinPolicyViolation);
    assert_failed(&world.client_pin(platform.set_pin("9876"), Person::Absent), Status::PinAuthInvalid);
    assert_eq!(use_silently(&mut world, &token), Ok(()));
}

#[test]
fn token_ends_with_its_pin_a_reset_a_lock_and_a_power_cycle() {
    type End = fn(&mut World);
    let ends: [End; 4] = [
        |world| change_pin(world, "9876"),
        |world| {
            world.now.ticks = 0;
            assert_eq!(world.call(Request::Reset, Person::Willing), Response::Empty);
        },
        |world| world.authenticator.lock(),
        |world| world.power_cycle(),
    ];
    for protocol in PROTOCOLS {
        for end in ends {
            let mut world = key();
            let token = pin_token(&mut world, protocol);
            end(&mut world);
            assert_eq!(use_silently(&mut world, &token), INVALID);
        }
    }
}

#[test]
fn token_by_uv_outlives_a_first_pin() {
    let mut world = World::new(host_verified(settings()));
    world.register(create_verified(1));
    let token = token_by_uv(&mut world, GA);
    let platform = Platform::connect(&mut world, PinUvAuthProtocol::Two);
    assert_eq!(world.client_pin(platform.set_pin(PIN), Person::Absent), Response::Empty);
    assert_eq!(use_silently(&mut world, &token), Ok(()));
}

// The persistent token

fn metadata(world: &mut World, token: &Token) -> Response {
    let mut request = CredentialManagement::new(ManageCredentials::GetMetadata);
    request.pin_uv_auth = token.auth(&[&request.signed]);
    world.call(Request::CredentialManagement(request), Person::Absent)
}

#[test]
fn persistent_token_is_one_and_outlives_power_cycles_and_time() {
    let mut world = key();
    let usual = world.token(GA, Some(RP));
    let first = world.token(PCMR, None);
    assert_eq!(use_silently(&mut world, &usual), Ok(()), "it ends no other");
    for protocol in PROTOCOLS {
        let platform = Platform::connect(&mut world, protocol);
        for request in [platform.token_using_pin(PIN, PCMR, None), platform.token_using_uv(PCMR, None)] {
            let response = world.client_pin(request, Person::Willing);
            let again = platform.token_of(response).unwrap();
            assert!(again.value.ct_eq(first.value.expose()), "there is one");
        }
    }
    world.power_cycle();
    world.now.ticks = 86_400_000;
    assert!(matches!(metadata(&mut world, &first), Response::CredentialManagement(_)));
    // It is good for reading only.
    assert_eq!(use_silently(&mut world, &first), INVALID);
    assert_failed(&world.make(make_with(&first), Person::Willing), Status::PinAuthInvalid);
}

#[test]
fn persistent_token_ends_with_its_pin_and_with_a_reset() {
    let mut world = key();
    let token = world.token(PCMR, None);
    change_pin(&mut world, "9876");
    assert_failed(&metadata(&mut world, &token), Status::PinAuthInvalid);
    let token = world.try_token("9876", PCMR, None).unwrap();
    world.now.ticks = 0;
    assert_eq!(world.call(Request::Reset, Person::Willing), Response::Empty);
    world.set_pin();
    assert_failed(&metadata(&mut world, &token), Status::PinAuthInvalid);
    assert!(!world.token(PCMR, None).value.ct_eq(token.value.expose()));
}

#[test]
fn persistent_token_leaves_after_its_commit_or_not_at_all() {
    let mut world = key();
    let platform = Platform::connect(&mut world, PinUvAuthProtocol::Two);
    let mut step = world.begin(Request::ClientPin(platform.token_using_pin(PIN, PCMR, None)));
    for _ in 0..2 {
        let (changes, pending) = world.until_commit(step, Person::Absent);
        step = world.commit(changes, pending);
    }
    let (_, pending) = world.until_commit(step, Person::Absent);
    assert_eq!(info(&mut world).enc_identifier, None, "there is none yet");
    let failed =
        world.authenticator.committed(pending, Err(StoreError::Unavailable), world.now, &mut world.rng);
    assert_failed(&done(failed), Status::Other);
    assert_eq!(info(&mut world).enc_identifier, None);
    let token = world.token(PCMR, None);
    world.power_cycle();
    assert!(matches!(metadata(&mut world, &token), Response::CredentialManagement(_)));
}

fn info<R: CryptoRng>(world: &mut World<R>) -> GetInfoResponse {
    match world.call(Request::GetInfo, Person::Absent) {
        Response::GetInfo(info) => *info,
        other => panic!("no info: {other:?}"),
    }
}

/// As a platform does it: HKDF-SHA-256 with a salt of zeros, from its definition.
fn decrypt(token: &[u8], name: &str, encrypted: Option<[u8; 32]>) -> [u8; 16] {
    let prk = hmac_sha256(&[0; 32], &[token]);
    let key = hmac_sha256(&prk, &[name.as_bytes(), &[1]]);
    let encrypted = encrypted.expect("encrypted");
    let (iv, block) = encrypted.split_at(16);
    let mut block: [u8; 16] = block.try_into().unwrap();
    Aes128CbcNoPadding::decrypt(&key[..16].try_into().unwrap(), iv.try_into().unwrap(), &mut block).unwrap();
    block
}

/// Identifier and store state, as whoever holds the token sees them.
fn seen(world: &mut World, token: &Token) -> ([u8; 16], [u8; 16]) {
    let info = info(world);
    let token = token.value.expose();
    (
        decrypt(token, "encIdentifier", info.enc_identifier),
        decrypt(token, "encCredStoreState", info.enc_cred_store_state),
    )
}

#[test]
fn info_decrypts_as_python_fido2_derives_the_keys() {
    // python-fido2's Info._decrypt, with the token 00 01 .. 1f.
    let token: Vec<u8> = (0..32).collect();
    let encrypted = |ciphertext: &str| {
        let iv: Vec<u8> = (0x40..0x50).collect();
        Some([iv, hex::decode(ciphertext).unwrap()].concat().try_into().unwrap())
    };
    for (name, ciphertext) in [
        ("encIdentifier", "5ef43526e82ff36138341a3038694a27"),
        ("encCredStoreState", "4642aae07237fccc4451f7cf18f3d712"),
    ] {
        assert_eq!(&decrypt(&token, name, encrypted(ciphertext)), b"0123456789abcdef");
    }
}

#[test]
fn info_names_device_and_store_to_holders_of_the_persistent_token() {
    let mut world = key();
    assert_eq!((info(&mut world).enc_identifier, info(&mut world).enc_cred_store_state), (None, None));
    let token = world.token(PCMR, None);
    let before = seen(&mut world, &token);
    assert_ne!(before.0, before.1);
    // Fresh IVs, the same contents; also after a power cycle.
    let (one, two) = (info(&mut world), info(&mut world));
    assert_ne!(one.enc_identifier, two.enc_identifier);
    assert_ne!(one.enc_cred_store_state, two.enc_cred_store_state);
    assert_ne!(one.enc_identifier.unwrap()[..16], one.enc_cred_store_state.unwrap()[..16]);
    world.power_cycle();
    assert_eq!(seen(&mut world, &token), before);
    // After another PIN: encrypted for the new token, about the same device.
    change_pin(&mut world, "9876");
    assert_eq!(info(&mut world).enc_identifier, None);
    let token = world.try_token("9876", PCMR, None).unwrap();
    assert_eq!(seen(&mut world, &token), before);
    // After a reset: another device.
    world.now.ticks = 0;
    world.call(Request::Reset, Person::Willing);
    assert_eq!(info(&mut world).enc_identifier, None);
    world.set_pin();
    let token = world.token(PCMR, None);
    let after = seen(&mut world, &token);
    assert!(after.0 != before.0 && after.1 != before.1);
}

#[test]
fn info_has_another_store_state_after_each_change_of_stored_credentials() {
    let mut world = key();
    let token = world.token(PCMR, None);
    let mut known = vec![seen(&mut world, &token)];
    let mut expect = |world: &mut World, changed: bool| {
        let now = seen(world, &token);
        assert_eq!(now.0, known[0].0);
        assert_eq!(!known.contains(&now), changed);
        assert_eq!(known.last() == Some(&now), !changed);
        known.push(now);
    };
    let record = world.register(create_verified(2));
    expect(&mut world, true);
    // Using a credential changes its counter, and nothing that a platform lists.
    asserted(world.get(get_verified(), Person::Willing));
    expect(&mut world, false);
    let manage = world.token(CM, None);
    let subcommand = ManageCredentials::Delete { credential: Some(record.credential.id.clone()) };
    let mut request = CredentialManagement::new(subcommand);
    request.pin_uv_auth = manage.auth(&[&request.signed]);
    assert_eq!(world.call(Request::CredentialManagement(request), Person::Willing), Response::Empty);
    expect(&mut world, true);
    // The host changes its store by itself.
    let step = world.authenticator.credentials_changed();
    assert_eq!(world.finish(step, Person::Absent).response, Response::Empty);
    expect(&mut world, true);
    world.power_cycle();
    expect(&mut world, false);
}

#[test]
fn credentials_changed_disturbs_no_pending_command_and_costs_nothing_without_listeners() {
    let mut world = key();
    let step = world.authenticator.credentials_changed();
    assert_eq!(done(step), Response::Empty, "nothing is committed");
    world.token(PCMR, None);
    let step = world.begin(Request::MakeCredential(create_verified(2)));
    let (question, pending) = world.until_asked(step);
    let step = world.authenticator.credentials_changed();
    world.finish(step, Person::Absent);
    let answer = crate::common::world::answer(&question, Person::Willing);
    let step = world.authenticator.answer(pending, answer, world.now, &mut world.rng);
    made(world.finish(step, Person::Absent).response);
}

#[test]
fn persistent_token_draws_are_as_documented() {
    let agreement = vec![0x77; 32];
    let (token, identity) = ((0..32).collect::<Vec<u8>>(), vec![5; 32]);
    let (iv, identifier_iv, state_iv) = (vec![6; 16], vec![7; 16], vec![8; 16]);
    let draws = [vec![1; 16], agreement, token.clone(), identity, iv.clone(), identifier_iv, state_iv];
    let settings = Settings { user_verification: UserVerification::None, ..settings() };
    let mut world = World::with_rng(settings, ScriptedRng::new(draws));
    world.set_pin();
    let platform = Platform::connect(&mut world, PinUvAuthProtocol::Two);
    let response = world.client_pin(platform.token_using_pin(PIN, PCMR, None), Person::Absent);
    assert!(platform.token_of(response).unwrap().value.ct_eq(&token));
    let info = info(&mut world);
    assert_eq!(info.enc_identifier.unwrap()[..16], [7; 16]);
    assert_eq!(info.enc_cred_store_state.unwrap()[..16], [8; 16]);
    // No IV is drawn where there is nobody to read it.
    assert!(world.rng.is_exhausted());
}

// Old states

fn restart(world: &World, remembered: u64) -> Result<Authenticator, CannotStart> {
    let settings = world.authenticator.settings().clone();
    let state = world.store.load_state().unwrap();
    Authenticator::new(settings, state.as_ref(), Arc::new(RustCrypto))?.not_before(remembered)
}

#[test]
fn every_committed_state_has_a_higher_epoch() {
    let mut world = World::new(settings());
    let mut last = 0;
    let mut higher = |world: &World| {
        let epoch = epoch_of(&world.store.load_state().unwrap().unwrap()).unwrap();
        assert!(epoch > last, "{epoch} after {last}");
        last = epoch;
    };
    world.set_pin();
    higher(&world);
    world.register(create_verified(1));
    higher(&world);
    world.try_token("0000", GA, Some(RP)).err().unwrap();
    higher(&world);
    world.token(PCMR, None);
    higher(&world);
    change_pin(&mut world, "9876");
    higher(&world);
    world.power_cycle();
    assert_eq!(world.call(Request::Reset, Person::Willing), Response::Empty);
    higher(&world);
    world.set_pin();
    higher(&world);
}

#[test]
fn state_that_is_older_than_remembered_does_not_start() {
    let mut world = key();
    let old = world.store.load_state().unwrap().unwrap();
    world.try_token("0000", GA, Some(RP)).err().unwrap();
    let remembered = epoch_of(&world.store.load_state().unwrap().unwrap()).unwrap();
    assert!(restart(&world, remembered).is_ok());
    assert!(restart(&world, remembered - 1).is_ok(), "the host may be cut off before it remembers");
    let epoch = epoch_of(&old).unwrap();
    // An old copy would have the try again.
    let state = Some(old);
    world.store.commit(countersign::credential::ChangeSet { state, ..Default::default() }).unwrap();
    assert_eq!(restart(&world, remembered).err(), Some(CannotStart::RolledBack { epoch, remembered }));
    assert!(restart(&world, 0).is_ok(), "who remembers nothing notices nothing");
    // Nor does none at all.
    let empty = World::new(settings());
    let refused = restart(&empty, remembered).err();
    assert_eq!(refused, Some(CannotStart::RolledBack { epoch: 0, remembered }));
}

#[test]
fn store_state_does_not_go_back_when_the_host_changes_its_store_during_an_unlocking() {
    let mut world = World::new(host_verified(settings()));
    world.set_pin();
    let token = world.token(PCMR, None);
    let before = seen(&mut world, &token);
    let step = world.authenticator.credentials_changed();
    world.finish(step, Person::Absent);
    let first = seen(&mut world, &token);
    // A first request for a persistent token, after the old one ended with its PIN.
    change_pin(&mut world, "9876");
    let platform = Platform::connect(&mut world, PinUvAuthProtocol::Two);
    let step = world.begin(Request::ClientPin(platform.token_using_uv(PCMR, None)));
    let (_, pending) = world.until_commit(step, Person::Willing);
    let locked = world.authenticator.committed(pending, Err(StoreError::Locked), world.now, &mut world.rng);
    let (_, pending) = world.until_asked(locked);
    let changed = world.authenticator.credentials_changed();
    world.finish(changed, Person::Absent);
    let step = world.authenticator.answer(pending, Answer::Unlocked, world.now, &mut world.rng);
    let token = platform.token_of(world.finish(step, Person::Absent).response).unwrap();
    let second = seen(&mut world, &token);
    assert!(before != first && first != second && second != before);
}

#[test]
fn persistent_token_is_none_where_the_setting_is_turned_off() {
    let mut world = key();
    let token = world.token(PCMR, None);
    let off = Settings { persistent_read_only: false, ..world.authenticator.settings().clone() };
    let state = world.store.load_state().unwrap();
    world.authenticator = Authenticator::new(off, state.as_ref(), Arc::new(RustCrypto)).unwrap();
    assert_failed(&metadata(&mut world, &token), Status::PinAuthInvalid);
    assert_eq!((info(&mut world).enc_identifier, info(&mut world).enc_cred_store_state), (None, None));
}
