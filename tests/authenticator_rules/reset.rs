//! authenticatorReset and authenticatorSelection (CTAP 2.3 sections 6.6 and 6.9).

use countersign::{
    authenticator::{Purpose, ResetPolicy, Settings, Verification},
    credential::StoreError,
    crypto::sha256,
    ctap2::{
        ClientPin, Config, Configure, CredentialManagement, GetInfoResponse, LargeBlobs, ManageCredentials,
        Request, Response, SetMinPinLength, Status,
    },
};

use crate::{
    common::{
        platform::{ACFG, LBW, PCMR},
        seeded_rng::SeededRng,
        world::{Person, World},
    },
    requests::*,
};

fn used() -> World {
    let mut world = World::with_pin();
    world.register(create_verified(1));
    world.register(create());
    world
}

#[test]
fn reset_removes_every_passkey_and_the_pin() {
    let mut world = used();
    let (response, asked) = world.questions_of(|world| world.call(Request::Reset, Person::Willing));
    assert_eq!(response, Response::Empty);
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (&asked[0].purpose, asked[0].verification),
        (&Purpose::Reset { long_touch: false }, Verification::None)
    );
    assert!(world.records().is_empty() && !world.authenticator.has_pin());
    assert_eq!(world.authenticator.pin_tries_left(), None);
    world.power_cycle();
    assert!(!world.authenticator.has_pin());
    assert_failed(&world.get(get(), Person::Willing), Status::NoCredentials);
}

#[test]
fn reset_leaves_nothing_of_what_was_before() {
    let settings = Settings { max_msg_size: 1024, ..Settings::security_key() };
    let mut world = World::exactly(settings, SeededRng(0));
    let fresh = world.authenticator.info();
    world.set_pin();
    let wrapped = {
        let mut request = create();
        request.options.uv = Some(true);
        let made = made(world.make(request, Person::Willing));
        view(&made.auth_data).attested.unwrap().1
    };
    assert!(world.records().is_empty(), "wrapped");
    world.register(create_verified(1));
    let persistent = world.token(PCMR, None);
    let identified = world.ctap(&[0x04], Person::Absent);
    assert!(identified.len() > fresh_length(&fresh) + 64, "encIdentifier and encCredStoreState are told");

    let token = world.token(ACFG | LBW, None);
    let configured = [
        Configure::ToggleAlwaysUv,
        Configure::EnableLongTouchForReset,
        Configure::SetMinPinLength(SetMinPinLength {
            min_pin_length_rp_ids: Some(vec![rp_id(RP)]),
            new_min_pin_length: Some(4),
            ..Default::default()
        }),
    ];
    for subcommand in configured {
        let mut request = Config::new(subcommand);
        request.pin_uv_auth = token.auth(&[&[0xFF; 32], &[0x0D], &request.signed]);
        assert_eq!(world.call(Request::Config(request), Person::Absent), Response::Empty);
    }
    let array = [&[0x80; 20][..], &sha256(&[0x80; 20])[..16]].concat();
    let request = LargeBlobs {
        set: Some(array.clone()),
        offset: Some(0),
        length: Some(array.len() as u64),
        pin_uv_auth: token.auth(&[&[0xFF; 32], &[0x0C, 0x00], &[0; 4], &sha256(&array)]),
        ..LargeBlobs::default()
    };
    assert_eq!(world.call(Request::LargeBlobs(request), Person::Absent), Response::Empty);

    assert_eq!(world.call(Request::Reset, Person::Willing), Response::Empty);
    assert_eq!(world.authenticator.info(), fresh);
    assert_eq!(world.ctap(&[0x04], Person::Absent).len(), fresh_length(&fresh), "no identifier");
    // Of the state, only the epoch is left, which never goes back: { 1: 2, 2: 0, 18: epoch }.
    let (records, state) = world.kept();
    let state = state.unwrap();
    assert!(records.is_empty() && state.len() == 7 && state[..6] == [0xA3, 0x01, 0x02, 0x02, 0x00, 0x12]);
    // The wrap key, the token in use, and the persistent one.
    assert_failed(&world.get(get_named(&[&wrapped]), Person::Willing), Status::NoCredentials);
    for token in [persistent, token] {
        let mut request = CredentialManagement::new(ManageCredentials::GetMetadata);
        request.pin_uv_auth = token.auth(&[&request.signed]);
        let response = world.call(Request::CredentialManagement(request), Person::Absent);
        assert_failed(&response, Status::PinAuthInvalid);
    }
    // And a new one is another.
    world.set_pin();
    world.token(PCMR, None);
    assert!(world.ctap(&[0x04], Person::Absent) != identified);
}

fn fresh_length(info: &GetInfoResponse) -> usize {
    Response::GetInfo(Box::new(info.clone())).encode().len()
}

#[test]
fn reset_later_than_its_window_is_not_allowed() {
    for (ticks, allowed) in [(0, true), (10_000, true), (10_001, false), (u64::MAX, false)] {
        let mut world = used();
        world.now.ticks = ticks;
        let (response, asked) = world.questions_of(|world| world.call(Request::Reset, Person::Willing));
        if allowed {
            assert_eq!(response, Response::Empty);
        } else {
            assert_failed(&response, Status::NotAllowed);
            assert!(asked.is_empty());
        }
    }
}

#[test]
fn reset_off_is_not_allowed_and_is_the_credential_managers_default() {
    assert_eq!(Settings::credential_manager().reset, ResetPolicy::Off);
    let mut world = World::new(Settings::credential_manager());
    world.register(create_verified(1));
    world.now.ticks = 0;
    assert_failed(&world.call(Request::Reset, Person::Willing), Status::NotAllowed);
    assert_eq!(world.records().len(), 1);
}

#[test]
fn reset_refused_is_denied_and_timed_out_is_action_timeout() {
    for (person, status) in
        [(Person::Declines, Status::OperationDenied), (Person::Absent, Status::UserActionTimeout)]
    {
        let mut world = used();
        let kept = world.kept();
        assert_failed(&world.call(Request::Reset, person), status);
        assert!(world.kept() == kept && world.authenticator.has_pin());
    }
}

#[test]
fn reset_is_one_transaction_and_a_failing_one_changes_nothing() {
    let mut world = used();
    let kept = world.kept();
    let step = world.begin(Request::Reset);
    let (changes, pending) = world.until_commit(step, Person::Willing);
    assert!(changes.clear && changes.put.is_empty() && changes.state.is_some());
    let step =
        world.authenticator.committed(pending, Err(StoreError::Unavailable), world.now, &mut world.rng);
    assert_failed(&done(step), Status::Other);
    assert!(world.kept() == kept && world.authenticator.has_pin());
    assert_eq!(world.authenticator.pin_tries_left(), Some(8));
    made(world.make(create_verified(2), Person::Willing));
}

#[test]
fn reset_renews_the_key_agreement_key_and_forgets_failures() {
    let mut world = used();
    let key = world
        .call(Request::ClientPin(ClientPin::GetKeyAgreement { pin_uv_auth_protocol: 2 }), Person::Absent);
    assert_failed(&world.get(get_verified(), Person::Forgetful), Status::OperationDenied);
    assert_failed(&world.get(get_verified(), Person::Willing), Status::PinAuthBlocked);
    assert_eq!(world.call(Request::Reset, Person::Willing), Response::Empty);
    let other = world
        .call(Request::ClientPin(ClientPin::GetKeyAgreement { pin_uv_auth_protocol: 2 }), Person::Absent);
    assert_ne!(key, other);
    world.set_pin();
    made(world.make(create_verified(1), Person::Willing));
}

#[test]
fn selection_asks_for_a_touch() {
    let mut world = World::fresh();
    let (response, asked) = world.questions_of(|world| world.call(Request::Selection, Person::Willing));
    assert_eq!(response, Response::Empty);
    assert_eq!(response.encode(), [0]);
    assert_eq!((asked.len(), &asked[0].purpose), (1, &Purpose::Select));
    assert_failed(&world.call(Request::Selection, Person::Declines), Status::OperationDenied);
    assert_failed(&world.call(Request::Selection, Person::Absent), Status::UserActionTimeout);
}
