//! authenticatorClientPIN (CTAP 2.3 section 6.5.5): the PIN of a platform, its tries, and what it gets tokens for. What the
//! tokens are good for, and for how long, is in `tokens.rs`.

use std::sync::Arc;

use countersign::{
    authenticator::{
        Answer, Authenticator, LargeBlobs, PinEntry, PinPolicy, Purpose, Settings, Step, UserVerification,
        Verification,
    },
    cbor::{Item, Profile},
    credential::{ChangeSet, CredentialStore, StateRecord, StateStore, StoreError},
    crypto::{RustCrypto, sha256},
    ctap2::{ClientPin, ClientPinResponse, PlatformKey, Request, Response, Status},
    pin_uv::PinUvAuthProtocol,
    secret::SecretBytes,
};

use crate::{
    common::{
        platform::*,
        scripted_rng::ScriptedRng,
        vectors::{array, bytes, list, vectors},
        world::{PIN, Person, World},
    },
    requests::*,
};

const TWO: PinUvAuthProtocol = PinUvAuthProtocol::Two;

/// A security key that a platform alone sends PINs to, without a PIN yet.
fn new_key() -> World {
    World::new(by_platform())
}

fn by_platform() -> Settings {
    Settings { user_verification: UserVerification::None, ..Settings::security_key() }
}

/// As [`new_key`], with the PIN [`PIN`].
fn key() -> World {
    let mut world = new_key();
    world.set_pin();
    world
}

/// getPINRetries: the tries, and whether a power cycle is needed.
fn retries(world: &mut World) -> (u8, bool) {
    match world.client_pin(ClientPin::GetPinRetries, Person::Absent) {
        Response::ClientPin(ClientPinResponse::PinRetries { retries, power_cycle }) => (retries, power_cycle),
        other => panic!("no retries: {other:?}"),
    }
}

fn uv_retries(world: &mut World) -> u8 {
    match world.client_pin(ClientPin::GetUvRetries, Person::Absent) {
        Response::ClientPin(ClientPinResponse::UvRetries(retries)) => retries,
        other => panic!("no retries: {other:?}"),
    }
}

fn info(world: &mut World) -> countersign::ctap2::GetInfoResponse {
    match world.call(Request::GetInfo, Person::Absent) {
        Response::GetInfo(info) => *info,
        other => panic!("no info: {other:?}"),
    }
}

fn option(world: &mut World, name: &str) -> Option<bool> {
    info(world).options.into_iter().find(|(found, _)| *found == name).map(|(_, on)| on)
}

/// Starts again with `{ .., 6: true }` in the stored state: authenticatorConfig asked for another PIN.
fn force_pin_change(world: &mut World) {
    let mut state = world.kept().1.unwrap();
    let epoch = state.split_off(state.len() - 2);
    assert_eq!(epoch[0], 18, "the epoch is the last member");
    state[0] += 1;
    state.extend([0x06, 0xf5]);
    state.extend(epoch);
    let state = Some(StateRecord::new(SecretBytes::new(state)));
    world.store.commit(ChangeSet { state, ..ChangeSet::default() }).unwrap();
    world.power_cycle();
    assert_eq!(info(world).force_pin_change, Some(true));
}

/// A wrong PIN, sent by a platform.
fn wrong_once(world: &mut World) -> Status {
    world.try_token("0000", CM_OR_NONE, None).err().expect("the wrong PIN")
}

/// A permission that exists nowhere and is ignored: what is asked for is a token that is good for nothing.
const CM_OR_NONE: u64 = 0x80;

// setPIN and changePIN

#[test]
fn cp_pin_is_set_changed_and_used_by_both_protocols() {
    for protocol in PROTOCOLS {
        let mut world = new_key();
        assert_eq!(option(&mut world, "clientPin"), Some(false));
        let platform = Platform::connect(&mut world, protocol);
        assert_eq!(world.client_pin(platform.set_pin("caf\u{e9}"), Person::Absent), Response::Empty);
        assert_eq!(option(&mut world, "clientPin"), Some(true));
        world.power_cycle();
        for other in PROTOCOLS {
            let platform = Platform::connect(&mut world, other);
            let response = world.client_pin(platform.get_pin_token("caf\u{e9}"), Person::Absent);
            assert!(platform.token_of(response).is_ok());
        }
        let platform = Platform::connect(&mut world, protocol);
        let response = world.client_pin(platform.change_pin("caf\u{e9}", "9876"), Person::Absent);
        assert_eq!(response, Response::Empty);
        assert_eq!(world.try_token("caf\u{e9}", CM_OR_NONE, None).err(), Some(Status::PinInvalid));
        assert!(world.try_token("9876", CM_OR_NONE, None).is_ok());
        assert!(world.asked.is_empty(), "nobody is asked");
    }
}

#[test]
fn cp_pin_that_a_platform_set_is_entered_on_the_authenticator_too() {
    let mut world = World::new(Settings::security_key());
    let platform = Platform::connect(&mut world, TWO);
    world.client_pin(platform.set_pin(PIN), Person::Absent);
    assert!(flags(&made(world.make(create_verified(1), Person::Willing)).auth_data).user_verified());
}

#[test]
fn cp_set_pin_when_one_is_set_is_pin_auth_invalid() {
    for protocol in PROTOCOLS {
        let mut world = key();
        let kept = world.kept();
        let platform = Platform::connect(&mut world, protocol);
        assert_failed(&world.client_pin(platform.set_pin("9876"), Person::Absent), Status::PinAuthInvalid);
        assert!(world.kept() == kept);
    }
}

#[test]
fn cp_new_pin_is_64_bytes_of_text_of_the_least_number_of_code_points() {
    let text = |text: &str| padded(text).to_vec();
    let cases = [
        (vec![0x31; 48], Some(Status::InvalidParameter)),
        (vec![0x31; 80], Some(Status::InvalidParameter)),
        (Vec::new(), Some(Status::InvalidParameter)),
        (vec![0; 64], Some(Status::PinPolicyViolation)),
        (text("123"), Some(Status::PinPolicyViolation)),
        // Three code points of twelve bytes; then four.
        (text("\u{1f511}\u{1f511}\u{1f511}"), Some(Status::PinPolicyViolation)),
        (text("\u{1f511}\u{1f511}\u{1f511}\u{1f511}"), None),
        // No text, and no zero after it.
        ([&[0xff; 8][..], &[0; 56]].concat(), Some(Status::PinPolicyViolation)),
        (vec![0x31; 64], Some(Status::PinPolicyViolation)),
        ([&[0x31; 63][..], &[0]].concat(), None),
        (text("9876"), None),
    ];
    for (padded, refused) in cases {
        for protocol in PROTOCOLS {
            let expected = refused.map_or(Response::Empty, Response::Failed);
            let mut world = new_key();
            let platform = Platform::connect(&mut world, protocol);
            let response = world.client_pin(platform.set_padded(&padded), Person::Absent);
            assert_eq!(response, expected, "setPIN {padded:02x?}");
            assert_eq!(world.authenticator.has_pin(), refused.is_none());
            let mut world = key();
            let platform = Platform::connect(&mut world, protocol);
            let response = world.client_pin(platform.change_padded(PIN, &padded), Person::Absent);
            assert_eq!(response, expected, "changePIN {padded:02x?}");
            assert_eq!(
                world.try_token(PIN, CM_OR_NONE, None).is_ok(),
                refused.is_some(),
                "the PIN is the old one"
            );
        }
    }
}

#[test]
fn cp_new_pin_is_as_long_as_the_settings_ask() {
    let settings = Settings { min_pin_length: 6, ..by_platform() };
    let mut world = World::new(settings);
    let platform = Platform::connect(&mut world, TWO);
    assert_failed(&world.client_pin(platform.set_pin("12345"), Person::Absent), Status::PinPolicyViolation);
    let step = world.authenticator.set_pin(&PinEntry::new("12345").unwrap(), &mut world.rng);
    assert_failed(&done(step), Status::PinPolicyViolation);
    assert_eq!(world.client_pin(platform.set_pin("123456"), Person::Absent), Response::Empty);
}

#[test]
fn cp_altered_parameters_are_pin_auth_invalid_and_cost_no_try() {
    for protocol in PROTOCOLS {
        let mut world = new_key();
        let platform = Platform::connect(&mut world, protocol);
        let ClientPin::SetPin { platform: of, mut new_pin_enc, pin_uv_auth_param } = platform.set_pin(PIN)
        else {
            unreachable!()
        };
        new_pin_enc[20] ^= 1;
        let altered = ClientPin::SetPin { platform: of, new_pin_enc, pin_uv_auth_param };
        assert_failed(&world.client_pin(altered, Person::Absent), Status::PinAuthInvalid);
        assert!(!world.authenticator.has_pin());

        let mut world = key();
        let kept = world.kept();
        let platform = Platform::connect(&mut world, protocol);
        for index in [0, 1] {
            let ClientPin::ChangePin { platform: of, mut new_pin_enc, mut pin_hash_enc, pin_uv_auth_param } =
                platform.change_pin(PIN, "9876")
            else {
                unreachable!()
            };
            [&mut new_pin_enc, &mut pin_hash_enc][index][3] ^= 1;
            let altered = ClientPin::ChangePin { platform: of, new_pin_enc, pin_hash_enc, pin_uv_auth_param };
            assert_failed(&world.client_pin(altered, Person::Absent), Status::PinAuthInvalid);
        }
        assert!(world.kept() == kept);
    }
}

#[test]
fn cp_change_that_is_refused_has_counted_and_given_back_its_try() {
    let mut world = key();
    wrong_once(&mut world);
    let platform = Platform::connect(&mut world, TWO);
    assert_failed(
        &world.client_pin(platform.change_pin(PIN, "123"), Person::Absent),
        Status::PinPolicyViolation,
    );
    assert_eq!(retries(&mut world), (8, false));
}

#[test]
fn cp_change_whose_commit_fails_leaves_the_old_pin() {
    let mut world = key();
    let platform = Platform::connect(&mut world, TWO);
    let mut step = world.begin(Request::ClientPin(platform.change_pin(PIN, "9876")));
    for _ in 0..2 {
        let (changes, pending) = world.until_commit(step, Person::Absent);
        step = world.commit(changes, pending);
    }
    let (_, pending) = world.until_commit(step, Person::Absent);
    let failed = world.authenticator.committed(pending, Err(StoreError::Full), world.now, &mut world.rng);
    assert_failed(&done(failed), Status::KeyStoreFull);
    assert!(world.try_token(PIN, CM_OR_NONE, None).is_ok());
}

// Tries

#[test]
fn cp_wrong_pin_is_invalid_then_needs_a_power_cycle_then_is_blocked() {
    type Send = fn(&Platform) -> ClientPin;
    let sends: [Send; 3] = [
        |platform| platform.get_pin_token("0000"),
        |platform| platform.token_using_pin("0000", CM_OR_NONE, None),
        |platform| platform.change_pin("0000", "9876"),
    ];
    for send in sends {
        let mut world = key();
        assert_eq!(retries(&mut world), (8, false));
        for used in 1..=8 {
            let platform = Platform::connect(&mut world, TWO);
            let response = world.client_pin(send(&platform), Person::Absent);
            let expected = match used {
                8 => Status::PinBlocked,
                3 | 6 => Status::PinAuthBlocked,
                _ => Status::PinInvalid,
            };
            assert_failed(&response, expected);
            assert_eq!(retries(&mut world), (8 - used, used % 3 == 0));
            if used % 3 == 0 {
                // Not even the right PIN, and it costs nothing.
                assert_eq!(world.try_token(PIN, CM_OR_NONE, None).err(), Some(Status::PinAuthBlocked));
                assert_eq!(retries(&mut world), (8 - used, true));
                world.power_cycle();
                assert_eq!(retries(&mut world), (8 - used, false));
            }
        }
        world.power_cycle();
        assert_eq!(world.try_token(PIN, CM_OR_NONE, None).err(), Some(Status::PinBlocked));
        let platform = Platform::connect(&mut world, TWO);
        assert_failed(
            &world.client_pin(platform.change_pin(PIN, "9876"), Person::Absent),
            Status::PinBlocked,
        );
        let platform = Platform::connect(&mut world, TWO);
        assert_failed(&world.client_pin(platform.get_pin_token(PIN), Person::Absent), Status::PinBlocked);
    }
}

#[test]
fn cp_lock_does_not_stand_for_a_power_cycle() {
    let mut world = key();
    for _ in 0..3 {
        wrong_once(&mut world);
    }
    world.authenticator.lock();
    assert_eq!(world.try_token(PIN, CM_OR_NONE, None).err(), Some(Status::PinAuthBlocked));
}

#[test]
fn cp_right_pin_gives_all_tries_back() {
    let mut world = key();
    for _ in 0..2 {
        wrong_once(&mut world);
        wrong_once(&mut world);
        assert_eq!(retries(&mut world), (6, false));
        world.token(CM_OR_NONE, None);
        assert_eq!(retries(&mut world), (8, false));
    }
    world.power_cycle();
    assert_eq!(retries(&mut world), (8, false));
}

#[test]
fn cp_typed_and_sent_pins_are_one_budget() {
    let mut world = World::with_pin();
    wrong_once(&mut world);
    assert_failed(&world.get(get_verified(), Person::Declines), Status::PuatRequired);
    let step = world.begin(Request::MakeCredential(create_verified(1)));
    let (question, pending) = world.until_asked(step);
    assert_eq!(question.verification, Verification::Pin { tries_left: 7, wrong: false });
    let answer = Answer::Pin { pin: PinEntry::new("0000").unwrap(), choice: None };
    let step = world.authenticator.answer(pending, answer, world.now, &mut world.rng);
    world.until_asked(step);
    assert_eq!((retries(&mut world), uv_retries(&mut world)), ((6, false), 6));
    assert_eq!(wrong_once(&mut world), Status::PinAuthBlocked);
    assert_eq!((retries(&mut world), uv_retries(&mut world)), ((5, true), 0));
    assert_failed(&world.make(create_verified(1), Person::Willing), Status::PinAuthBlocked);
}

#[test]
fn cp_try_is_committed_before_the_comparison_and_survives_a_power_cut() {
    let mut world = key();
    for (pin, left) in [("0000", 7), (PIN, 6), ("0000", 5)] {
        let platform = Platform::connect(&mut world, TWO);
        let step = world.begin(Request::ClientPin(platform.token_using_pin(pin, CM_OR_NONE, None)));
        let (changes, pending) = world.until_commit(step, Person::Absent);
        assert!(!changes.clear && changes.put.is_empty() && changes.delete.is_empty());
        world.store.commit(changes).unwrap();
        drop(pending);
        world.power_cycle();
        assert_eq!(retries(&mut world), (left, false));
    }
}

#[test]
fn cp_try_that_cannot_be_counted_is_not_compared() {
    let mut world = key();
    let kept = world.kept();
    let platform = Platform::connect(&mut world, TWO);
    let step = world.begin(Request::ClientPin(platform.get_pin_token(PIN)));
    let (_, pending) = world.until_commit(step, Person::Absent);
    let failed =
        world.authenticator.committed(pending, Err(StoreError::Unavailable), world.now, &mut world.rng);
    assert_failed(&done(failed), Status::Other);
    assert!(world.kept() == kept);
}

#[test]
fn cp_right_pin_whose_tries_cannot_be_given_back_gives_no_token() {
    let mut world = key();
    let old = world.token(MC, Some(RP));
    let platform = Platform::connect(&mut world, TWO);
    let step = world.begin(Request::ClientPin(platform.get_pin_token(PIN)));
    let (changes, pending) = world.until_commit(step, Person::Absent);
    let step = world.commit(changes, pending);
    let (_, pending) = world.until_commit(step, Person::Absent);
    let failed =
        world.authenticator.committed(pending, Err(StoreError::Unavailable), world.now, &mut world.rng);
    assert_failed(&done(failed), Status::Other);
    // A failed step leaves no trace: the token before is good yet.
    let request = with_token(create(), &old);
    made(world.make(request, Person::Willing));
}

fn with_token(
    mut request: countersign::ctap2::MakeCredential,
    token: &Token,
) -> countersign::ctap2::MakeCredential {
    request.pin_uv_auth = token.auth(&[&HASH.0]);
    request
}

#[test]
fn cp_overtaken_try_stays_counted() {
    let mut world = key();
    let platform = Platform::connect(&mut world, TWO);
    let step = world.begin(Request::ClientPin(platform.token_using_pin("0000", CM_OR_NONE, None)));
    let (changes, pending) = world.until_commit(step, Person::Absent);
    // Another command begins, and commits, before the store says that it is done.
    world.store.commit(changes).unwrap();
    world.register(create());
    let step = world.authenticator.committed(pending, Ok(()), world.now, &mut world.rng);
    assert_failed(&done(step), Status::KeepaliveCancel);
    world.power_cycle();
    assert_eq!(retries(&mut world), (7, false));
}

/// Else whoever overtakes tries of his own, or sends them to a locked store, blocks the PIN for good without one power
/// cycle.
#[test]
fn cp_three_tries_that_are_never_compared_need_a_power_cycle_too() {
    for locked in [false, true] {
        let mut world = key();
        let platform = Platform::connect(&mut world, TWO);
        for _ in 0..3 {
            let step = world.begin(Request::ClientPin(platform.token_using_pin("0000", CM_OR_NONE, None)));
            let (changes, pending) = world.until_commit(step, Person::Absent);
            if locked {
                let locked = Err(StoreError::Locked);
                let step = world.authenticator.committed(pending, locked, world.now, &mut world.rng);
                world.until_asked(step);
            } else {
                world.store.commit(changes).unwrap();
            }
        }
        let response = world.client_pin(platform.token_using_pin(PIN, CM_OR_NONE, None), Person::Absent);
        assert_failed(&response, Status::PinAuthBlocked);
        assert_eq!(retries(&mut world), (5, true));
        world.power_cycle();
        assert!(world.try_token(PIN, CM_OR_NONE, None).is_ok());
    }
}

#[test]
fn cp_locked_store_is_unlocked_for_each_commit() {
    let mut world = key();
    wrong_once(&mut world);
    let platform = Platform::connect(&mut world, TWO);
    let mut step = world.begin(Request::ClientPin(platform.change_pin(PIN, "9876")));
    for _ in 0..3 {
        let (_, pending) = world.until_commit(step, Person::Absent);
        let locked =
            world.authenticator.committed(pending, Err(StoreError::Locked), world.now, &mut world.rng);
        let (question, pending) = world.until_asked(locked);
        assert_eq!(question.purpose, Purpose::Unlock);
        step = world.authenticator.answer(pending, Answer::Unlocked, world.now, &mut world.rng);
        let (changes, pending) = world.until_commit(step, Person::Absent);
        step = world.commit(changes, pending);
    }
    assert_eq!(done(step), Response::Empty);
    world.power_cycle();
    assert!(world.try_token("9876", CM_OR_NONE, None).is_ok());
}

#[test]
fn cp_wrong_pin_regenerates_the_key_agreement_key() {
    for protocol in PROTOCOLS {
        let mut world = key();
        let before = Platform::connect(&mut world, protocol);
        let key = |world: &mut World| {
            world.client_pin(ClientPin::GetKeyAgreement { pin_uv_auth_protocol: 2 }, Person::Absent)
        };
        let first = key(&mut world);
        let right = world.client_pin(before.get_pin_token(PIN), Person::Absent);
        assert!(before.token_of(right).is_ok());
        assert_eq!(key(&mut world), first, "the right PIN leaves it");
        assert_failed(&world.client_pin(before.get_pin_token("0000"), Person::Absent), Status::PinInvalid);
        // The old secret is shared no more: even the right PIN is a wrong one under it.
        assert_failed(&world.client_pin(before.get_pin_token(PIN), Person::Absent), Status::PinInvalid);
        assert_ne!(key(&mut world), first);
    }
}

#[test]
fn cp_hash_of_another_length_is_a_wrong_pin() {
    let mut world = key();
    let platform = Platform::connect(&mut world, TWO);
    let long = platform.encrypt(&sha256(PIN.as_bytes()));
    for (pin_hash_enc, left) in [(long, 7), (vec![1; 33], 6)] {
        let request =
            ClientPin::GetPinToken { platform: platform.key, pin_hash_enc, permissions: None, rp_id: None };
        assert_failed(&world.client_pin(request, Person::Absent), Status::PinInvalid);
        assert_eq!(retries(&mut world), (left, false));
    }
}

#[test]
fn cp_failed_authentication_of_other_commands_costs_no_try() {
    for protocol in PROTOCOLS {
        let mut world = key();
        let platform = Platform::connect(&mut world, protocol);
        let response = world.client_pin(platform.get_pin_token(PIN), Person::Absent);
        let token = platform.token_of(response).unwrap();
        let kept = world.kept();
        for _ in 0..20 {
            let mut request = with_token(create(), &token);
            request.pin_uv_auth.as_mut().unwrap().param[7] ^= 1;
            assert_failed(&world.make(request, Person::Willing), Status::PinAuthInvalid);
            let forged = GetAssertionAuth::forged(&token);
            assert_failed(&world.get(forged, Person::Willing), Status::PinAuthInvalid);
        }
        assert_eq!(retries(&mut world), (8, false));
        assert!(world.kept() == kept);
        // And the token is what it was.
        made(world.make(with_token(create(), &token), Person::Willing));
    }
}

/// getAssertion with a pinUvAuthParam over something else.
struct GetAssertionAuth;

impl GetAssertionAuth {
    fn forged(token: &Token) -> countersign::ctap2::GetAssertion {
        countersign::ctap2::GetAssertion { pin_uv_auth: token.auth(&[&[0; 32]]), ..get() }
    }
}

// Parameters and their order

#[test]
fn cp_without_a_pin_is_pin_not_set() {
    let mut world = new_key();
    assert_eq!(retries(&mut world), (8, false));
    let platform = Platform::connect(&mut world, TWO);
    for request in [
        platform.change_pin(PIN, "9876"),
        platform.get_pin_token(PIN),
        platform.token_using_pin(PIN, MC, Some(RP)),
    ] {
        assert_failed(&world.client_pin(request, Person::Absent), Status::PinNotSet);
    }
}

#[test]
fn cp_protocol_that_does_not_exist_is_invalid_parameter_before_anything_else() {
    for mut world in [new_key(), key(), World::with_host_verifier()] {
        let mut platform = Platform::connect(&mut world, TWO);
        for number in [0, 3, u64::MAX] {
            platform.key.pin_uv_auth_protocol = number;
            for request in [
                platform.set_pin("9876"),
                platform.change_pin(PIN, "9876"),
                platform.get_pin_token(PIN),
                platform.token_using_pin(PIN, MC | BE, None),
                ClientPin::GetKeyAgreement { pin_uv_auth_protocol: number },
            ] {
                assert_failed(&world.client_pin(request, Person::Willing), Status::InvalidParameter);
            }
            if world.authenticator.settings().user_verification == UserVerification::Host {
                let request = platform.token_using_uv(MC | BE, None);
                assert_failed(&world.client_pin(request, Person::Willing), Status::InvalidParameter);
            }
        }
    }
}

#[test]
fn cp_key_that_is_no_point_is_invalid_parameter_and_costs_no_try() {
    for protocol in PROTOCOLS {
        let mut world = World::with_pin();
        let kept = world.kept();
        let mut platform = Platform::connect(&mut world, protocol);
        platform.key.key_agreement.y[31] ^= 1;
        for request in [
            platform.change_pin(PIN, "9876"),
            platform.get_pin_token(PIN),
            platform.token_using_pin(PIN, MC, Some(RP)),
            platform.token_using_uv(MC, Some(RP)),
        ] {
            assert_failed(&world.client_pin(request, Person::Willing), Status::InvalidParameter);
        }
        assert!(world.kept() == kept && world.asked.is_empty());
    }
}

#[test]
fn cp_get_pin_token_takes_neither_permissions_nor_rp_id() {
    let mut world = key();
    let kept = world.kept();
    let platform = Platform::connect(&mut world, TWO);
    for (permissions, rp_id) in [(Some(MC), None), (Some(0), None), (None, Some(rp_id(RP)))] {
        let pin_hash_enc = platform.pin_hash_enc(PIN);
        let request = ClientPin::GetPinToken { platform: platform.key, pin_hash_enc, permissions, rp_id };
        assert_failed(&world.client_pin(request, Person::Absent), Status::InvalidParameter);
    }
    assert!(world.kept() == kept);
}

/// A key that has every feature that a permission needs.
fn full() -> Settings {
    Settings {
        credential_management: true,
        persistent_read_only: true,
        authenticator_config: true,
        large_blobs: LargeBlobs::Array { max_bytes: 1024 },
        user_verification: UserVerification::Host,
        ..Settings::security_key()
    }
}

#[test]
fn cp_permissions_follow_the_options() {
    let off = |settings: Settings| Settings { client_pin: true, ..settings };
    let cases = [
        (full(), CM, true, true),
        (
            off(Settings { credential_management: false, persistent_read_only: false, ..full() }),
            CM,
            false,
            false,
        ),
        (full(), BE, false, false),
        (full(), LBW, true, true),
        (Settings { large_blobs: LargeBlobs::None, ..full() }, LBW, false, false),
        (
            Settings { large_blobs: LargeBlobs::PerCredential { max_bytes: 1024 }, ..full() },
            LBW,
            false,
            false,
        ),
        (full(), ACFG, true, true),
        (Settings { authenticator_config: false, ..full() }, ACFG, false, false),
        (full(), MC | GA, true, true),
        (Settings { no_mc_ga_permissions_with_client_pin: true, ..full() }, MC, false, true),
        (Settings { no_mc_ga_permissions_with_client_pin: true, ..full() }, GA, false, true),
        (Settings { no_mc_ga_permissions_with_client_pin: true, ..full() }, CM, true, true),
        (full(), PCMR, true, true),
        (Settings { persistent_read_only: false, ..full() }, PCMR, false, false),
        (full(), PCMR | CM, false, false),
        (full(), PCMR | MC, false, false),
        (full(), MC | GA | CM | LBW | ACFG, true, true),
        (full(), MC | BE, false, false),
        // Undefined ones are ignored, alone and beside others.
        (full(), 0x80, true, true),
        (full(), 0xffff_ff00 | PCMR, true, true),
    ];
    for (settings, permissions, by_pin, by_uv) in cases {
        let mut world = World::new(settings);
        world.set_pin();
        let kept = world.kept();
        let platform = Platform::connect(&mut world, TWO);
        let requests = [
            (platform.token_using_pin(PIN, permissions, Some(RP)), by_pin),
            (platform.token_using_uv(permissions, Some(RP)), by_uv),
        ];
        for (request, allowed) in requests {
            let response = world.client_pin(request.clone(), Person::Willing);
            if allowed {
                assert!(platform.token_of(response).is_ok(), "{request:?}");
            } else {
                assert_failed(&response, Status::UnauthorizedPermission);
            }
        }
        assert!(by_pin || world.kept() == kept, "no try was counted");
    }
}

#[test]
fn cp_permission_zero_and_mc_or_ga_without_rp_id_are_invalid_parameter() {
    let mut world = World::new(full());
    world.set_pin();
    let kept = world.kept();
    let platform = Platform::connect(&mut world, TWO);
    for permissions in [0, MC, GA, MC | CM] {
        for request in
            [platform.token_using_pin("0000", permissions, None), platform.token_using_uv(permissions, None)]
        {
            assert_failed(&world.client_pin(request, Person::Willing), Status::InvalidParameter);
        }
    }
    assert!(world.kept() == kept && world.asked.is_empty());
}

#[test]
fn cp_permissions_are_judged_before_the_pin_and_its_tries() {
    let mut world =
        World::new(Settings { credential_management: false, persistent_read_only: false, ..by_platform() });
    let platform = Platform::connect(&mut world, TWO);
    let request = platform.token_using_pin(PIN, CM, None);
    assert_failed(&world.client_pin(request, Person::Absent), Status::UnauthorizedPermission);
}

#[test]
fn cp_without_client_pin_only_key_agreement_and_built_in_uv_are_there() {
    let settings = Settings { client_pin: false, ..Settings::security_key() };
    for user_verification in [UserVerification::None, UserVerification::Pin, UserVerification::Host] {
        let mut world = World::new(Settings { user_verification, ..settings.clone() });
        let platform = Platform::connect(&mut world, TWO);
        for request in [
            ClientPin::GetPinRetries,
            platform.set_pin(PIN),
            platform.change_pin(PIN, "9876"),
            platform.get_pin_token(PIN),
            platform.token_using_pin(PIN, MC, Some(RP)),
        ] {
            assert_failed(&world.client_pin(request, Person::Willing), Status::InvalidSubcommand);
        }
        let none = user_verification == UserVerification::None;
        let response = world.client_pin(ClientPin::GetUvRetries, Person::Willing);
        assert_eq!(response == Response::Failed(Status::InvalidSubcommand), none);
        let response = world.client_pin(platform.token_using_uv(MC, Some(RP)), Person::Willing);
        assert_eq!(response == Response::Failed(Status::InvalidSubcommand), none);
        assert_eq!(option(&mut world, "pinUvAuthToken"), (!none).then_some(true));
        assert_eq!(option(&mut world, "clientPin"), None);
    }
}

// forcePINChange

#[test]
fn cp_forced_change_stops_tokens_after_the_right_pin_and_ends_with_another_pin() {
    let mut world = key();
    force_pin_change(&mut world);
    let platform = Platform::connect(&mut world, TWO);
    wrong_once(&mut world);
    assert_eq!(retries(&mut world), (7, false));
    let platform_after = Platform::connect(&mut world, TWO);
    assert_failed(&world.client_pin(platform_after.get_pin_token(PIN), Person::Absent), Status::PinInvalid);
    assert_eq!(retries(&mut world), (8, false), "the PIN was right");
    let request = platform_after.token_using_pin(PIN, MC, Some(RP));
    assert_failed(&world.client_pin(request, Person::Absent), Status::PinPolicyViolation);
    assert_eq!(world.try_token("0000", MC, Some(RP)).err(), Some(Status::PinInvalid));
    drop(platform);
    let platform = Platform::connect(&mut world, TWO);
    // The same PIN is no change.
    assert_failed(
        &world.client_pin(platform.change_pin(PIN, PIN), Person::Absent),
        Status::PinPolicyViolation,
    );
    assert_eq!(info(&mut world).force_pin_change, Some(true));
    assert_eq!(world.client_pin(platform.change_pin(PIN, "9876"), Person::Absent), Response::Empty);
    assert_eq!(info(&mut world).force_pin_change, Some(false));
    assert!(world.try_token("9876", MC, Some(RP)).is_ok());
    world.power_cycle();
    assert_eq!(info(&mut world).force_pin_change, Some(false));
}

#[test]
fn cp_same_pin_is_a_change_where_none_is_forced() {
    let mut world = key();
    let platform = Platform::connect(&mut world, TWO);
    assert_eq!(world.client_pin(platform.change_pin(PIN, PIN), Person::Absent), Response::Empty);
}

#[test]
fn cp_forced_change_makes_the_pin_useless_where_it_is_typed() {
    let mut world = World::with_pin();
    let record = world.register(create_verified(1));
    assert_eq!(option(&mut world, "uv"), Some(true));
    force_pin_change(&mut world);
    world.asked.clear();
    assert_eq!((option(&mut world, "uv"), option(&mut world, "clientPin")), (Some(false), Some(true)));
    assert_failed(&world.make(create_verified(2), Person::Willing), Status::InvalidOption);
    assert_failed(&world.make(create_discoverable(2), Person::Willing), Status::PuatRequired);
    let platform = Platform::connect(&mut world, TWO);
    let request = platform.token_using_uv(MC, Some(RP));
    assert_failed(&world.client_pin(request, Person::Willing), Status::NotAllowed);
    assert!(world.asked.iter().all(|question| question.verification == Verification::None));
    world.client_pin(platform.change_pin(PIN, "9876"), Person::Absent);
    assert_eq!(option(&mut world, "uv"), Some(true));
    assert!(world.record(&record.credential.id).is_some());
}

// Consent

#[test]
fn cp_display_asks_for_consent_to_the_permissions_before_a_try_is_counted() {
    let mut world = World::new(Settings { display: true, ..by_platform() });
    world.set_pin();
    let platform = Platform::connect(&mut world, TWO);
    let requests = [
        (platform.get_pin_token(PIN), MC | GA, None),
        (platform.token_using_pin(PIN, MC, Some(RP)), MC, Some(rp_id(RP))),
    ];
    for (request, bits, rp_id) in requests {
        let kept = world.kept();
        for person in [Person::Declines, Person::Absent] {
            assert_failed(&world.client_pin(request.clone(), person), Status::OperationDenied);
        }
        assert!(world.kept() == kept);
        let (response, asked) =
            world.questions_of(|world| world.client_pin(request.clone(), Person::Willing));
        assert!(platform.token_of(response).is_ok());
        let permissions = countersign::pin_uv::Permissions::from_bits(bits);
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].purpose, Purpose::Authorize { permissions, rp_id });
        assert_eq!(asked[0].verification, Verification::None);
    }
}

// Built-in user verification

fn not_recognised(world: &mut World, request: Request) -> Response {
    let step = world.begin(request);
    let (question, pending) = world.until_asked(step);
    assert_eq!(question.verification, Verification::Host);
    let step = world.authenticator.answer(pending, Answer::NotRecognised, world.now, &mut world.rng);
    world.finish(step, Person::Absent).response
}

fn uv_request(world: &mut World) -> Request {
    Request::ClientPin(Platform::connect(world, TWO).token_using_uv(MC, Some(RP)))
}

#[test]
fn cp_token_by_uv_is_one_question_with_consent_and_verification() {
    for mut world in [World::with_host_verifier(), World::with_pin()] {
        for protocol in PROTOCOLS {
            let platform = Platform::connect(&mut world, protocol);
            let request = platform.token_using_uv(MC, Some(RP));
            let (response, asked) = world.questions_of(|world| world.client_pin(request, Person::Willing));
            assert!(platform.token_of(response).is_ok());
            assert_eq!(asked.len(), 1);
            let permissions = countersign::pin_uv::Permissions::MAKE_CREDENTIAL;
            assert_eq!(asked[0].purpose, Purpose::Authorize { permissions, rp_id: Some(rp_id(RP)) });
            assert_ne!(asked[0].verification, Verification::None);
        }
    }
}

#[test]
fn cp_token_by_uv_has_a_status_for_each_failure() {
    // Unconfigured.
    let mut world = World::new(Settings::security_key());
    let request = uv_request(&mut world);
    assert_failed(&world.call(request, Person::Willing), Status::NotAllowed);
    for mut world in [World::with_host_verifier(), World::with_pin()] {
        for (person, status) in [
            (Person::Declines, Status::OperationDenied),
            (Person::OnlyTouches, Status::OperationDenied),
            (Person::Absent, Status::UserActionTimeout),
        ] {
            let request = uv_request(&mut world);
            assert_failed(&world.call(request, person), status);
        }
    }
    let mut world = World::with_host_verifier();
    let request = uv_request(&mut world);
    assert_failed(&not_recognised(&mut world, request), Status::UvInvalid);
}

#[test]
fn cp_pin_typed_wrong_for_a_token_is_asked_again_and_blocks_uv_until_a_power_cycle() {
    let mut world = World::with_pin();
    let request = uv_request(&mut world);
    let (response, asked) = world.questions_of(|world| world.call(request, Person::Forgetful));
    assert_failed(&response, Status::UvBlocked);
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|question| question.purpose == asked[0].purpose));
    assert_eq!((uv_retries(&mut world), retries(&mut world)), (0, (5, true)));
    let request = uv_request(&mut world);
    assert_failed(&world.call(request, Person::Willing), Status::UvBlocked);
    world.power_cycle();
    assert_eq!(uv_retries(&mut world), 5);
}

#[test]
fn cp_pin_typed_wrong_once_too_late_is_uv_invalid() {
    let mut world = World::with_pin();
    let request = uv_request(&mut world);
    let step = world.begin(request);
    let (question, pending) = world.until_asked(step);
    let answer = Answer::Pin { pin: PinEntry::new("0000").unwrap(), choice: None };
    let step = world.authenticator.answer(pending, answer, world.now, &mut world.rng);
    let (changes, pending) = world.until_commit(step, Person::Absent);
    // The store takes longer than the question's time.
    world.now.ticks = question.deadline + 1;
    assert_failed(&done(world.commit(changes, pending)), Status::UvInvalid);
}

#[test]
fn uv_failures_of_the_host_are_committed_and_block_after_five() {
    let mut world = World::with_host_verifier();
    world.set_pin();
    assert_eq!(uv_retries(&mut world), 5);
    for left in (0..5).rev() {
        let request = uv_request(&mut world);
        let status = if left == 0 { Status::UvBlocked } else { Status::UvInvalid };
        assert_failed(&not_recognised(&mut world, request), status);
        // Where a platform can send the PIN, a power cycle changes nothing.
        world.power_cycle();
        assert_eq!(uv_retries(&mut world), left);
    }
    let (response, asked) = world.questions_of(|world| {
        let request = uv_request(world);
        world.call(request, Person::Willing)
    });
    assert_failed(&response, Status::UvBlocked);
    assert!(asked.is_empty());
    // makeCredential has no way around it; getAssertion says that the PIN is one, while it is.
    assert_failed(&world.make(create_verified(1), Person::Willing), Status::PinBlocked);
    assert_failed(&world.get(get_verified(), Person::Willing), Status::PuatRequired);
    for _ in 0..3 {
        wrong_once(&mut world);
    }
    assert_failed(&world.get(get_verified(), Person::Willing), Status::PinBlocked);
    world.power_cycle();
    world.token(CM_OR_NONE, None);
    assert_eq!(uv_retries(&mut world), 5, "the right PIN gives them back");
    made(world.make(create_verified(1), Person::Willing));
}

#[test]
fn uv_failures_are_forgotten_after_a_success_which_is_committed_first() {
    let mut world = World::with_host_verifier();
    world.set_pin();
    let request = uv_request(&mut world);
    not_recognised(&mut world, request);
    let request = Request::MakeCredential(create_verified(1));
    assert_failed(&not_recognised(&mut world, request), Status::OperationDenied);
    assert_eq!(uv_retries(&mut world), 3);
    let step = world.begin(Request::MakeCredential(create_verified(1)));
    let (changes, pending) = world.until_commit(step, Person::Willing);
    assert!(changes.put.is_empty() && changes.state.is_some());
    let step = world.commit(changes, pending);
    made(world.finish(step, Person::Absent).response);
    assert_eq!(uv_retries(&mut world), 5);
    world.power_cycle();
    assert_eq!(uv_retries(&mut world), 5);
}

#[test]
fn uv_failures_end_with_a_power_cycle_where_no_platform_can_send_a_pin() {
    for client_pin in [false, true] {
        // clientPin is off, or no PIN is set.
        let settings = Settings { client_pin, ..Settings::security_key() };
        let mut world = World::new(host_verified(settings));
        for _ in 0..5 {
            let request = uv_request(&mut world);
            not_recognised(&mut world, request);
        }
        assert_failed(&world.make(create_verified(1), Person::Willing), Status::PinBlocked);
        assert_failed(&world.get(get_verified(), Person::Willing), Status::PinBlocked);
        world.power_cycle();
        assert_eq!(uv_retries(&mut world), 5);
        made(world.make(create_verified(1), Person::Willing));
    }
}

#[test]
fn uv_failure_that_nobody_asked_for_is_a_refusal() {
    let mut world = World::with_host_verifier();
    let step = world.begin(Request::MakeCredential(create()));
    let (_, pending) = world.until_asked(step);
    let step = world.authenticator.answer(pending, Answer::NotRecognised, world.now, &mut world.rng);
    assert_failed(&done(step), Status::OperationDenied);
    assert_eq!(uv_retries(&mut world), 5);
}

#[test]
fn uv_failure_is_counted_in_a_store_that_has_to_be_unlocked_first() {
    let mut world = World::with_host_verifier();
    let request = uv_request(&mut world);
    let step = world.begin(request);
    let (_, pending) = world.until_asked(step);
    let step = world.authenticator.answer(pending, Answer::NotRecognised, world.now, &mut world.rng);
    let (_, pending) = world.until_commit(step, Person::Absent);
    let locked = world.authenticator.committed(pending, Err(StoreError::Locked), world.now, &mut world.rng);
    let (question, pending) = world.until_asked(locked);
    assert_eq!(question.purpose, Purpose::Unlock);
    let step = world.authenticator.answer(pending, Answer::Unlocked, world.now, &mut world.rng);
    assert_failed(&world.finish(step, Person::Absent).response, Status::UvInvalid);
    assert_eq!(uv_retries(&mut world), 4);
}

// The host's policy

struct NoDigits {
    always_on: bool,
}

impl PinPolicy for NoDigits {
    fn accepts(&self, pin: &str) -> bool {
        !pin.contains(|character: char| character.is_ascii_digit())
    }

    fn url(&self) -> Option<&str> {
        Some("https://example.com/pins")
    }

    fn is_always_on(&self) -> bool {
        self.always_on
    }
}

fn with_policy(mut world: World, always_on: bool) -> World {
    let state = world.store.load_state().unwrap();
    let settings = world.authenticator.settings().clone();
    let authenticator = Authenticator::new(settings, state.as_ref(), Arc::new(RustCrypto)).unwrap();
    world.authenticator = authenticator.with_pin_policy(Arc::new(NoDigits { always_on }));
    world
}

#[test]
fn pin_policy_refuses_new_pins_wherever_they_come_from() {
    let mut world = with_policy(new_key(), true);
    let platform = Platform::connect(&mut world, TWO);
    assert_failed(&world.client_pin(platform.set_pin("abc4"), Person::Absent), Status::PinPolicyViolation);
    let step = world.authenticator.set_pin(&PinEntry::new("abc4").unwrap(), &mut world.rng);
    assert_failed(&done(step), Status::PinPolicyViolation);
    assert_eq!(world.client_pin(platform.set_pin("abcd"), Person::Absent), Response::Empty);
    // A PIN from before the policy is good until it is changed.
    let mut world = with_policy(key(), true);
    world.token(CM_OR_NONE, None);
    let platform = Platform::connect(&mut world, TWO);
    assert_failed(
        &world.client_pin(platform.change_pin(PIN, "9876"), Person::Absent),
        Status::PinPolicyViolation,
    );
    assert_eq!(world.client_pin(platform.change_pin(PIN, "abcd"), Person::Absent), Response::Empty);
}

#[test]
fn pin_policy_is_told_by_get_info() {
    let shown = |world: &mut World| {
        let info = info(world);
        (info.pin_complexity_policy, info.pin_complexity_policy_url)
    };
    assert_eq!(shown(&mut new_key()), (None, None));
    let url = Some("https://example.com/pins".to_owned());
    assert_eq!(shown(&mut with_policy(new_key(), true)), (Some(true), url.clone()));
    let mut off = with_policy(new_key(), false);
    assert_eq!(shown(&mut off), (Some(false), url));
    let platform = Platform::connect(&mut off, TWO);
    assert_eq!(off.client_pin(platform.set_pin(PIN), Person::Absent), Response::Empty);
}

// Vectors

/// The keys of the vectors, with the roles of authenticator and platform exchanged, of which one private key is known: what
/// both share is the same.
fn vector_platform(set: &serde_json::Value) -> (Vec<u8>, PlatformKey) {
    let vector = list(set, "vectors").iter().find(|vector| vector["op"] == "ecdh_kdf").unwrap();
    let point = &vector["authenticator_public_key"];
    let key_agreement = countersign::cose::P256Point { x: array(point, "x"), y: array(point, "y") };
    (bytes(vector, "platform_private_key"), PlatformKey { pin_uv_auth_protocol: 2, key_agreement })
}

#[test]
fn cp_protocol_two_vectors_go_through_the_machine_byte_for_byte() {
    let set = vectors("pin_protocols");
    let (private, platform) = vector_platform(&set);
    let find = |op: &str| {
        let mut all = list(&set, "vectors").iter();
        all.find(|vector| vector["op"] == op && vector["pin_protocol"] == 2).unwrap()
    };
    let (set_pin, get_token, change_pin) = (find("set_pin"), find("get_pin_token"), find("change_pin"));
    let token_enc = bytes(get_token, "pin_token_enc");
    // Draws: key agreement, salt; token and IV; salt.
    let draws = [private, vec![1; 16], bytes(get_token, "pin_token"), token_enc[..16].to_vec(), vec![2; 16]];
    let mut world = World::with_rng(by_platform(), ScriptedRng::new(draws));
    let request = ClientPin::SetPin {
        platform,
        new_pin_enc: bytes(set_pin, "new_pin_enc"),
        pin_uv_auth_param: bytes(set_pin, "pin_uv_auth_param"),
    };
    assert_eq!(world.client_pin(request, Person::Absent), Response::Empty);
    let pin_hash_enc = bytes(get_token, "pin_hash_enc");
    let request = ClientPin::GetPinToken { platform, pin_hash_enc, permissions: None, rp_id: None };
    let response = world.client_pin(request.clone(), Person::Absent);
    assert_eq!(response, Response::ClientPin(ClientPinResponse::Token(token_enc)));
    let change = ClientPin::ChangePin {
        platform,
        new_pin_enc: bytes(change_pin, "new_pin_enc"),
        pin_hash_enc: bytes(change_pin, "pin_hash_enc"),
        pin_uv_auth_param: bytes(change_pin, "pin_uv_auth_param"),
    };
    assert_eq!(world.client_pin(change, Person::Absent), Response::Empty);
    assert_failed(&world.client_pin(request, Person::Absent), Status::PinInvalid);
}

#[test]
fn cp_responses_have_their_members() {
    let mut world = key();
    let response = world.ctap(&[0x06, 0xa1, 0x02, 0x01], Person::Absent);
    assert_eq!(response, [0x00, 0xa2, 0x03, 0x08, 0x04, 0xf4]);
    let mut world = World::with_host_verifier();
    assert_eq!(world.ctap(&[0x06, 0xa1, 0x02, 0x07], Person::Absent), [0x00, 0xa1, 0x05, 0x05]);
    let mut world = key();
    let platform = Platform::connect(&mut world, TWO);
    let message = Request::ClientPin(platform.get_pin_token(PIN)).encode();
    let response = world.ctap(&message, Person::Absent);
    let map = Item::parse(&response[1..], Profile::CTAP2).unwrap().map().unwrap();
    assert_eq!(map.at(0x02).unwrap().bytes().unwrap().len(), 48);
}

// Power cuts

#[test]
fn cp_power_cut_at_any_commit_leaves_one_pin_and_refills_no_try() {
    type Send = fn(&Platform) -> ClientPin;
    // The tries after so many commits, of 7 before.
    let (right, wrong) = ([7, 6, 8, 8], [7, 6, 6, 6]);
    let sends: [(Send, [u8; 4], bool); 4] = [
        (|platform| platform.change_pin(PIN, "9876"), right, true),
        (|platform| platform.change_pin("0000", "9876"), wrong, false),
        (|platform| platform.get_pin_token("0000"), wrong, false),
        (|platform| platform.token_using_pin(PIN, CM_OR_NONE, None), right, false),
    ];
    for (send, tries, changes_pin) in sends {
        for (commits, tries) in tries.into_iter().enumerate() {
            let mut world = key();
            wrong_once(&mut world);
            let platform = Platform::connect(&mut world, TWO);
            let mut step = world.begin(Request::ClientPin(send(&platform)));
            for _ in 0..commits {
                let Step::Commit(changes, pending) = step else { break };
                step = world.commit(changes, pending);
            }
            world.power_cycle();
            assert_eq!(world.authenticator.pin_tries_left(), Some(tries), "after {commits} commits");
            let is_pin = |world: &mut World, pin| world.try_token(pin, CM_OR_NONE, None).is_ok();
            let changed = changes_pin && commits == 3;
            assert_eq!((is_pin(&mut world, PIN), is_pin(&mut world, "9876")), (!changed, changed));
        }
    }
}
