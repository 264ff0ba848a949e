//! The PIN: tries that are counted before the comparison, blocking, and who may say that a user is verified.

use countersign::{
    authenticator::{Answer, PinEntry, PinRefused, Purpose, Settings, UserVerification, Verification},
    credential::StoreError,
    ctap2::{Request, Response, Status},
};

use crate::{
    common::world::{PIN, Person, World, answer},
    requests::*,
};

fn pin(text: &str) -> Answer {
    Answer::Pin { pin: PinEntry::new(text).unwrap(), choice: None }
}

fn wrong_once(world: &mut World) {
    let step = world.begin(Request::GetAssertion(get_verified()));
    let (_, pending) = world.until_asked(step);
    let step = world.authenticator.answer(pending, pin("0000"), world.now, &mut world.rng);
    let turn = world.turn(step);
    if let countersign::authenticator::Turn::Ask(_, pending) = turn {
        let _ = world.authenticator.cancel(pending);
    }
}

fn registered() -> World {
    let mut world = World::with_pin();
    world.register(create_verified(1));
    world
}

#[test]
fn pin_right_sets_uv_and_is_one_question() {
    let mut world = registered();
    let (response, asked) = world.questions_of(|world| world.get(get_verified(), Person::Willing));
    assert!(flags(&asserted(response).auth_data).user_verified());
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].verification, Verification::Pin { tries_left: 8, wrong: false });
}

#[test]
fn pin_try_is_committed_before_the_comparison() {
    let mut world = registered();
    for entry in [PIN, "0000"] {
        let step = world.begin(Request::GetAssertion(get_verified()));
        let (_, pending) = world.until_asked(step);
        let step = world.authenticator.answer(pending, pin(entry), world.now, &mut world.rng);
        // Before anybody could know whether it is right, the lower count is on its way to the store.
        let (changes, pending) = world.until_commit(step, Person::Absent);
        assert!(changes.put.is_empty() && changes.delete.is_empty() && !changes.clear);
        let state = changes.state.as_ref().unwrap().encoded().expose().to_vec();
        // { .., 3: { .., 6: tries, 7: length }, 18: epoch }
        assert_eq!(state[state.len() - 6..][..5], [0x06, 7, 0x07, 4, 18]);
        let step = world.commit(changes, pending);
        let response = match entry {
            PIN => world.finish(step, Person::Absent).response,
            _ => {
                let (question, pending) = world.until_asked(step);
                assert_eq!(question.verification, Verification::Pin { tries_left: 7, wrong: true });
                assert!(matches!(question.purpose, Purpose::SignIn { .. }), "the same question again");
                done(world.authenticator.cancel(pending))
            }
        };
        assert_eq!(matches!(response, Response::GetAssertion(_)), entry == PIN);
    }
}

#[test]
fn pin_try_survives_a_power_cut_between_commit_and_comparison() {
    let mut world = registered();
    for left in (4..8).rev() {
        let step = world.begin(Request::GetAssertion(get_verified()));
        let (_, pending) = world.until_asked(step);
        let step = world.authenticator.answer(pending, pin("0000"), world.now, &mut world.rng);
        let (changes, pending) = world.until_commit(step, Person::Absent);
        use countersign::credential::CredentialStore;
        world.store.commit(changes).unwrap();
        drop(pending);
        world.power_cycle();
        assert_eq!(world.authenticator.pin_tries_left(), Some(left));
    }
}

#[test]
fn pin_that_cannot_be_counted_is_not_compared() {
    let mut world = registered();
    let kept = world.kept();
    let step = world.begin(Request::GetAssertion(get_verified()));
    let (_, pending) = world.until_asked(step);
    let step = world.authenticator.answer(pending, pin(PIN), world.now, &mut world.rng);
    let (_, pending) = world.until_commit(step, Person::Absent);
    let step =
        world.authenticator.committed(pending, Err(StoreError::Unavailable), world.now, &mut world.rng);
    assert_failed(&done(step), Status::Other);
    assert!(world.kept() == kept);
}

#[test]
fn pin_right_gives_the_tries_back_before_the_command_goes_on() {
    let mut world = registered();
    wrong_once(&mut world);
    assert_eq!(world.authenticator.pin_tries_left(), Some(7));
    asserted(world.get(get_verified(), Person::Willing));
    assert_eq!(world.authenticator.pin_tries_left(), Some(8));
    world.power_cycle();
    assert_eq!(world.authenticator.pin_tries_left(), Some(8));
    // Two wrong ones in a row, a right one, and two wrong ones again: never three in a row.
    for _ in 0..3 {
        wrong_once(&mut world);
        wrong_once(&mut world);
        asserted(world.get(get_verified(), Person::Willing));
    }
}

#[test]
fn pin_right_whose_tries_cannot_be_given_back_verifies_nobody() {
    let mut world = registered();
    let step = world.begin(Request::GetAssertion(get_verified()));
    let (_, pending) = world.until_asked(step);
    let step = world.authenticator.answer(pending, pin(PIN), world.now, &mut world.rng);
    let (changes, pending) = world.until_commit(step, Person::Absent);
    let step = world.commit(changes, pending);
    let (_, pending) = world.until_commit(step, Person::Absent);
    let step =
        world.authenticator.committed(pending, Err(StoreError::Unavailable), world.now, &mut world.rng);
    assert_failed(&done(step), Status::Other);
}

#[test]
fn pin_wrong_three_times_in_a_row_blocks_until_power_cycle() {
    let mut world = registered();
    let (response, asked) = world.questions_of(|world| world.get(get_verified(), Person::Forgetful));
    assert_failed(&response, Status::OperationDenied);
    let left: Vec<_> = asked.iter().map(|question| question.verification).collect();
    assert_eq!(
        left,
        [
            Verification::Pin { tries_left: 8, wrong: false },
            Verification::Pin { tries_left: 7, wrong: true },
            Verification::Pin { tries_left: 6, wrong: true },
        ]
    );
    for request in [Request::GetAssertion(get_verified()), Request::MakeCredential(create_verified(2))] {
        let (response, asked) = world.questions_of(|world| world.call(request, Person::Willing));
        assert_failed(&response, Status::PinAuthBlocked);
        assert!(asked.is_empty());
    }
    assert_eq!(world.authenticator.pin_tries_left(), Some(5), "blocked tries cost nothing");
    // What needs no verification goes on.
    asserted(world.get(get(), Person::Willing));
    world.power_cycle();
    assert_eq!(world.authenticator.pin_tries_left(), Some(5));
    asserted(world.get(get_verified(), Person::Willing));
    assert_eq!(world.authenticator.pin_tries_left(), Some(8));
}

#[test]
fn pin_wrong_three_times_over_three_commands_blocks_too() {
    let mut world = registered();
    for _ in 0..3 {
        wrong_once(&mut world);
    }
    assert_failed(&world.get(get_verified(), Person::Willing), Status::PinAuthBlocked);
}

#[test]
fn pin_wrong_eight_times_is_blocked_for_good() {
    let mut world = registered();
    for used in 1..=8 {
        if used % 3 == 1 {
            world.power_cycle();
        }
        wrong_once(&mut world);
        assert_eq!(world.authenticator.pin_tries_left(), Some(8 - used));
    }
    for _ in 0..2 {
        let (response, asked) = world.questions_of(|world| world.get(get_verified(), Person::Willing));
        assert_failed(&response, Status::PinBlocked);
        assert!(asked.is_empty());
        assert_failed(&world.make(create_verified(2), Person::Willing), Status::PinBlocked);
        world.power_cycle();
    }
    // Only a reset helps.
    assert_eq!(world.call(Request::Reset, Person::Willing), Response::Empty);
    world.set_pin();
    made(world.make(create_verified(1), Person::Willing));
}

#[test]
fn pin_eighth_wrong_entry_itself_is_pin_blocked() {
    for request in [Request::GetAssertion(get_verified()), Request::MakeCredential(create_verified(2))] {
        let mut world = registered();
        for used in 0..7 {
            if used % 2 == 0 {
                world.power_cycle();
            }
            wrong_once(&mut world);
        }
        world.power_cycle();
        let (response, asked) = world.questions_of(|world| world.call(request, Person::Forgetful));
        assert_failed(&response, Status::PinBlocked);
        assert_eq!(asked.len(), 1);
    }
}

#[test]
fn pin_question_is_answered_by_the_pin_alone() {
    let mut world = registered();
    let kept = world.kept();
    for answer in [
        Answer::Verified { choice: None },
        Answer::Approved { choice: None },
        Answer::NotRecognised,
        Answer::Unlocked,
        Answer::Declined,
    ] {
        let step = world.begin(Request::GetAssertion(get_verified()));
        let (_, pending) = world.until_asked(step);
        let step = world.authenticator.answer(pending, answer, world.now, &mut world.rng);
        // Step 6.2.3.2: a platform may send the PIN instead.
        assert_failed(&done(step), Status::PuatRequired);
        assert!(world.kept() == kept);
    }
}

#[test]
fn host_question_is_answered_by_the_host_alone() {
    let mut world = World::with_host_verifier();
    world.set_pin();
    world.register(create_verified(1));
    let step = world.begin(Request::GetAssertion(get_verified()));
    let (question, pending) = world.until_asked(step);
    assert_eq!(question.verification, Verification::Host);
    let step = world.authenticator.answer(pending, pin(PIN), world.now, &mut world.rng);
    assert_failed(&done(step), Status::PuatRequired);
    assert_eq!(world.authenticator.pin_tries_left(), Some(8), "nothing was tried");
}

#[test]
fn pin_that_nobody_asked_for_is_only_consent() {
    let mut world = registered();
    for entry in [PIN, "0000"] {
        let kept = world.kept().1;
        let step = world.begin(Request::GetAssertion(get()));
        let (question, pending) = world.until_asked(step);
        assert_eq!(question.verification, Verification::None);
        let step = world.authenticator.answer(pending, pin(entry), world.now, &mut world.rng);
        let flags = flags(&asserted(world.finish(step, Person::Absent).response).auth_data);
        assert!(flags.user_present() && !flags.user_verified());
        assert!(world.kept().1 == kept, "no try was spent");
    }
}

#[test]
fn only_touches_never_set_uv() {
    for mut world in [World::with_pin(), World::with_host_verifier()] {
        world.register(create_verified(1));
        for request in [get(), get_verified(), get_silently()] {
            if let Response::GetAssertion(assertion) = world.get(request, Person::OnlyTouches) {
                assert!(!flags(&assertion.auth_data).user_verified());
            }
        }
        for request in [create(), create_verified(2)] {
            if let Response::MakeCredential(response) = world.make(request, Person::OnlyTouches) {
                assert!(!flags(&response.auth_data).user_verified());
            }
        }
    }
}

#[test]
fn pin_entry_after_the_deadline_is_not_tried() {
    let mut world = registered();
    let step = world.begin(Request::GetAssertion(get_verified()));
    let (question, pending) = world.until_asked(step);
    world.now.ticks = question.deadline + 1;
    let step = world.authenticator.answer(pending, pin(PIN), world.now, &mut world.rng);
    assert_failed(&done(step), Status::UserActionTimeout);
    assert_eq!(world.authenticator.pin_tries_left(), Some(8));
}

#[test]
fn pin_question_after_a_wrong_entry_keeps_its_deadline() {
    let mut world = registered();
    let step = world.begin(Request::GetAssertion(get_verified()));
    let (first, pending) = world.until_asked(step);
    world.now.ticks += 5_000;
    let step = world.authenticator.answer(pending, pin("0000"), world.now, &mut world.rng);
    let (second, _) = world.until_asked(step);
    assert_eq!(second.deadline, first.deadline);
    assert_eq!(second.purpose, first.purpose);
}

#[test]
fn pin_can_be_set_once() {
    let mut world = World::with_pin();
    let kept = world.kept();
    let step = world.authenticator.set_pin(&PinEntry::new("9876").unwrap(), &mut world.rng);
    assert_failed(&done(step), Status::PinAuthInvalid);
    assert!(world.kept() == kept);
}

#[test]
fn pin_whose_commit_fails_is_not_set() {
    let mut world = World::new(Settings::security_key());
    let step = world.authenticator.set_pin(&PinEntry::new(PIN).unwrap(), &mut world.rng);
    let (_, pending) = world.until_commit(step, Person::Absent);
    let step = world.authenticator.committed(pending, Err(StoreError::Full), world.now, &mut world.rng);
    assert_failed(&done(step), Status::KeyStoreFull);
    assert!(!world.authenticator.has_pin());
    assert_failed(&world.make(create_verified(1), Person::Willing), Status::InvalidOption);
    world.set_pin();
    made(world.make(create_verified(1), Person::Willing));
}

#[test]
fn pin_is_not_kept_in_the_clear() {
    let world = World::with_pin();
    let state = world.kept().1.unwrap();
    let hash = countersign::crypto::sha256(PIN.as_bytes());
    let holds = |part: &[u8]| state.windows(part.len()).any(|window| window == part);
    assert!(!holds(PIN.as_bytes()) && !holds(&hash[..16]));
}

#[test]
fn pin_has_4_code_points_to_63_bytes_after_normalisation() {
    for (text, refused) in [
        ("", Some(PinRefused::TooShort)),
        ("123", Some(PinRefused::TooShort)),
        ("1234", None),
        // Four code points, composed to two.
        ("e\u{301}e\u{301}", Some(PinRefused::TooShort)),
        ("\u{1f511}\u{1f511}\u{1f511}\u{1f511}", None),
        (&"1".repeat(63), None),
        (&"1".repeat(64), Some(PinRefused::TooLong)),
    ] {
        assert_eq!(PinEntry::new(text).err(), refused, "{text:?}");
    }
}

#[test]
fn pin_is_the_same_in_every_normalisation() {
    let mut world = World::new(Settings::security_key());
    let composed = PinEntry::new("caf\u{e9}s").unwrap();
    let step = world.authenticator.set_pin(&composed, &mut world.rng);
    world.finish(step, Person::Absent);
    world.register(create());
    let step = world.begin(Request::MakeCredential(create_verified(1)));
    let (_, pending) = world.until_asked(step);
    let step = world.authenticator.answer(pending, pin("cafe\u{301}s"), world.now, &mut world.rng);
    made(world.finish(step, Person::Absent).response);
}

#[test]
fn pin_is_asked_for_by_always_uv_and_by_option_uv_alike() {
    let mut world = World::new(Settings { always_uv: true, ..Settings::security_key() });
    world.set_pin();
    let (_, asked) = world.questions_of(|world| made(world.make(create_discoverable(1), Person::Willing)));
    assert!(matches!(asked[0].verification, Verification::Pin { .. }));
    assert!(matches!(answer(&asked[0], Person::Willing), Answer::Pin { .. }));
    assert_eq!(world.authenticator.settings().user_verification, UserVerification::Pin);
}
