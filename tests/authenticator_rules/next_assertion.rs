//! authenticatorGetNextAssertion (CTAP 2.3 section 6.3).

use countersign::{
    authenticator::Channel,
    credential::CredProtect,
    ctap2::{ClientPin, GetAssertion, Request, Response, Status},
};

use crate::{
    common::world::{CHANNEL, Person, World},
    requests::*,
};

/// A world with credentials of users 1 to `count`, of which the newest has just answered.
fn begun(count: u8) -> World {
    let mut world = World::fresh();
    for number in 1..=count {
        world.register(create_discoverable(number));
    }
    asserted(world.get(get(), Person::Willing));
    world
}

#[test]
fn gna_without_a_get_assertion_is_not_allowed() {
    assert_failed(&World::fresh().next(), Status::NotAllowed);
}

#[test]
fn gna_goes_on_until_the_last_and_is_then_not_allowed() {
    let mut world = begun(3);
    for user_number in [2, 1] {
        let (response, asked) = world.questions_of(World::next);
        let assertion = asserted(response);
        assert!(asked.is_empty(), "one touch for all");
        assert_eq!(assertion.user.as_ref().unwrap().id, user(user_number).id);
        assert!(flags(&assertion.auth_data).user_present());
        let record = world.record(&assertion.credential).unwrap();
        assert_assertion_signed(&record, &assertion);
        assert_eq!(view(&assertion.auth_data).sign_count, 1);
    }
    assert_failed(&world.next(), Status::NotAllowed);
}

#[test]
fn gna_after_one_or_a_failed_assertion_is_not_allowed() {
    let mut world = begun(1);
    assert_failed(&world.next(), Status::NotAllowed);
    let mut world = begun(2);
    assert_failed(&world.get(get(), Person::Declines), Status::OperationDenied);
    assert_failed(&world.next(), Status::NotAllowed);
}

#[test]
fn gna_keeps_the_bits_of_the_first_leg() {
    let mut world = World::with_host_verifier();
    world.register(create_verified(1));
    world.register(create_verified(2));
    let verified = |world: &mut World, request: GetAssertion| {
        world.get(request, Person::Willing);
        let next = asserted(world.next());
        assert_eq!(next.user.unwrap().name.is_some(), flags(&next.auth_data).user_verified());
        (flags(&next.auth_data).user_present(), flags(&next.auth_data).user_verified())
    };
    assert_eq!(verified(&mut world, get()), (true, false));
    assert_eq!(verified(&mut world, get_verified()), (true, true));
    assert_eq!(verified(&mut world, get_silently()), (false, false));
}

#[test]
fn gna_of_another_channel_is_not_allowed() {
    let mut world = begun(3);
    let step = world.authenticator.begin(
        Channel(CHANNEL.0 + 1),
        Request::GetNextAssertion,
        world.now,
        &mut world.rng,
    );
    assert_failed(&done(step), Status::NotAllowed);
    // Being a command in between, it has ended the sequence for everybody.
    assert_failed(&world.next(), Status::NotAllowed);
}

#[test]
fn gna_later_than_30_seconds_after_the_last_leg_is_not_allowed() {
    let mut world = begun(4);
    // Each leg starts the time anew.
    for _ in 0..2 {
        world.now.ticks += 30_000;
        asserted(world.next());
    }
    world.now.ticks += 30_001;
    assert_failed(&world.next(), Status::NotAllowed);
}

#[test]
fn gna_is_ended_by_any_command_in_between() {
    let mut other = get();
    other.rp_id = rp_id("example.org");
    for command in [
        Request::GetInfo,
        Request::Selection,
        Request::Reset,
        Request::ClientPin(ClientPin::GetKeyAgreement { pin_uv_auth_protocol: 1 }),
        Request::MakeCredential(create()),
        Request::GetAssertion(other),
    ] {
        let mut world = begun(3);
        world.call(command.clone(), Person::Declines);
        assert_failed(&world.next(), Status::NotAllowed);
    }
    for malformed in [&[][..], &[0x00], &[0x01], &[0x40, 0xa0], &[0x06, 0xa0]] {
        let mut world = begun(3);
        assert_ne!(world.ctap(malformed, Person::Willing)[0], 0);
        assert_failed(&world.next(), Status::NotAllowed);
    }
}

#[test]
fn gna_passes_over_what_was_deleted_meanwhile() {
    let mut world = World::fresh();
    let ids: Vec<_> = (1..=3).map(|n| world.register(create_discoverable(n)).credential.id).collect();
    asserted(world.get(get(), Person::Willing));
    world.delete(&ids[1]);
    assert_eq!(asserted(world.next()).credential, ids[0]);
    asserted(world.get(get(), Person::Willing));
    world.delete(&ids[0]);
    assert_failed(&world.next(), Status::NotAllowed);
}

#[test]
fn gna_passes_over_what_became_protected_meanwhile() {
    for level in
        [CredProtect::UserVerificationOptionalWithCredentialIdList, CredProtect::UserVerificationRequired]
    {
        let mut world = World::fresh();
        let mut oldest = world.register(create_discoverable(1));
        world.register(create_discoverable(2));
        asserted(world.get(get(), Person::Willing));
        oldest.credential.cred_protect = level;
        world.put(oldest);
        assert_failed(&world.next(), Status::NotAllowed);
    }
}

#[test]
fn gna_is_forgotten_by_tick_which_says_when() {
    let mut world = begun(2);
    let wake = world.authenticator.tick(world.now).expect("something runs out");
    assert!(wake > world.now.ticks);
    // At the tick that was named, something has run out; before it, nothing has.
    world.now.ticks = wake - 1;
    assert_eq!(world.authenticator.tick(world.now), Some(wake));
    world.now.ticks = wake;
    assert_eq!(world.authenticator.tick(world.now), None);
    assert_failed(&world.next(), Status::NotAllowed);
    let mut world = begun(2);
    world.now.ticks = world.authenticator.tick(world.now).unwrap() - 1;
    asserted(world.next());
}

#[test]
fn gna_whose_commit_fails_ends_the_sequence() {
    let mut world = begun(3);
    let step = world.begin(Request::GetNextAssertion);
    let (_, pending) = world.until_commit(step, Person::Absent);
    let failed = Err(countersign::credential::StoreError::Unavailable);
    let step = world.authenticator.committed(pending, failed, world.now, &mut world.rng);
    assert_failed(&done(step), Status::Other);
    assert_failed(&world.next(), Status::NotAllowed);
}

#[test]
fn gna_is_ended_by_lock() {
    let mut world = begun(2);
    world.authenticator.lock();
    assert_eq!(world.authenticator.tick(world.now), None);
    assert!(matches!(world.next(), Response::Failed(Status::NotAllowed)));
}
