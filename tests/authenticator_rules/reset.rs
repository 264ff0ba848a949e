//! authenticatorReset and authenticatorSelection (CTAP 2.3 sections 6.6 and 6.9).

use countersign::{
    authenticator::{Purpose, ResetPolicy, Settings, Verification},
    credential::StoreError,
    ctap2::{ClientPin, Request, Response, Status},
};

use crate::{
    common::world::{Person, World},
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
