//! The machine's own promises: what is stale, what is locked, what is committed, what is checked again.

use countersign::{
    authenticator::{
        Answer, Authenticator, Channel, Outcome, Pending, PinEntry, Purpose, Question, Settings, Step, Turn,
        Verification,
    },
    credential::{ChangeSet, CredentialStore, Query, Records, StateStore, StoreError},
    ctap2::{MakeCredential, Request, Response, Status},
};

use crate::{
    common::world::{CHANNEL, PIN, Person, World, answer},
    requests::*,
};

const APPROVED: Answer = Answer::Approved { choice: None };

fn begin_other(world: &mut World) {
    let step = world.authenticator.begin(Channel(77), Request::Selection, world.now, &mut world.rng);
    world.until_asked(step);
}

type Interruption = (&'static str, fn(&mut World));

/// Everything that makes what is pending stale.
const INTERRUPTIONS: &[Interruption] = &[
    ("another command", begin_other),
    ("a malformed command", |world| _ = world.ctap(&[0x01, 0xff], Person::Absent)),
    ("a getNextAssertion", |world| _ = world.next()),
    ("a lock", |world| world.authenticator.lock()),
    ("a reset", |world| assert_eq!(world.call(Request::Reset, Person::Willing), Response::Empty)),
    ("a cancelled command", |world| {
        let step = world.begin(Request::Selection);
        let (_, pending) = world.until_asked(step);
        assert_failed(&done(world.authenticator.cancel(pending)), Status::KeepaliveCancel);
    }),
];

#[test]
fn pending_outlives_its_borrow_and_may_change_threads() {
    fn is_owned_and_sent<T: Send + 'static>() {}
    is_owned_and_sent::<Pending>();
    is_owned_and_sent::<Step>();
    is_owned_and_sent::<Outcome>();
    is_owned_and_sent::<Authenticator>();
}

#[test]
fn stale_answer_is_keepalive_cancel_without_effect() {
    for (name, interrupt) in INTERRUPTIONS {
        for request in [Request::MakeCredential(create()), Request::Selection, Request::Reset] {
            let mut world = World::fresh();
            world.register(create_discoverable(1));
            let step = world.begin(request);
            let (_, pending) = world.until_asked(step);
            interrupt(&mut world);
            let kept = world.kept();
            let step = world.authenticator.answer(pending, APPROVED, world.now, &mut world.rng);
            assert_failed(&done(step), Status::KeepaliveCancel);
            assert!(world.kept() == kept, "{name}");
        }
    }
}

#[test]
fn stale_answer_does_not_disturb_the_command_that_took_the_floor() {
    let mut world = World::fresh();
    let step = world.begin(Request::MakeCredential(create()));
    let (_, stale) = world.until_asked(step);
    let step = world.begin(Request::MakeCredential(create_discoverable(2)));
    let (_, current) = world.until_asked(step);
    let step = world.authenticator.answer(stale, APPROVED, world.now, &mut world.rng);
    assert_failed(&done(step), Status::KeepaliveCancel);
    let step = world.authenticator.answer(current, APPROVED, world.now, &mut world.rng);
    made(world.finish(step, Person::Absent).response);
    assert_eq!(world.records().len(), 1);
}

#[test]
fn stale_pending_that_is_cancelled_does_not_disturb_the_command_that_took_the_floor() {
    let mut world = World::fresh();
    let step = world.begin(Request::Selection);
    let (_, stale) = world.until_asked(step);
    let step = world.begin(Request::Selection);
    let (_, current) = world.until_asked(step);
    assert_failed(&done(world.authenticator.cancel(stale)), Status::KeepaliveCancel);
    let step = world.authenticator.answer(current, APPROVED, world.now, &mut world.rng);
    assert_eq!(done(step), Response::Empty);
}

#[test]
fn stale_loaded_is_keepalive_cancel_without_effect() {
    for (name, interrupt) in INTERRUPTIONS {
        let mut world = World::fresh();
        world.register(create_discoverable(1));
        let Step::Load(query, pending) = world.begin(Request::GetAssertion(get())) else { panic!("loads") };
        interrupt(&mut world);
        let kept = world.kept();
        assert_failed(&done(world.loaded(&query, pending)), Status::KeepaliveCancel);
        assert!(world.kept() == kept, "{name}");
    }
}

#[test]
fn stale_commit_gives_no_response() {
    for (name, interrupt) in INTERRUPTIONS {
        let mut world = World::fresh();
        let step = world.begin(Request::MakeCredential(create()));
        let (changes, pending) = world.until_commit(step, Person::Willing);
        interrupt(&mut world);
        assert_eq!(done(world.commit(changes, pending)), Response::Failed(Status::KeepaliveCancel), "{name}");
    }
}

#[test]
fn get_info_takes_nobodys_floor() {
    let mut world = World::fresh();
    let step = world.begin(Request::Selection);
    let (_, pending) = world.until_asked(step);
    assert!(matches!(world.call(Request::GetInfo, Person::Absent), Response::GetInfo(_)));
    let step = world.authenticator.answer(pending, APPROVED, world.now, &mut world.rng);
    assert_eq!(done(step), Response::Empty);
}

#[test]
fn cancelled_command_does_nothing() {
    let mut world = World::with_pin();
    let kept = world.kept();
    for request in [Request::MakeCredential(create_verified(1)), Request::Reset, Request::GetAssertion(get())]
    {
        let step = world.begin(request);
        let (_, pending) = world.until_asked(step);
        assert_failed(&done(world.authenticator.cancel(pending)), Status::KeepaliveCancel);
        assert!(world.kept() == kept);
    }
    // What is cancelled at its commit was not carried out.
    let step = world.begin(Request::MakeCredential(create()));
    let (_, pending) = world.until_commit(step, Person::Willing);
    assert_failed(&done(world.authenticator.cancel(pending)), Status::KeepaliveCancel);
    assert!(world.kept() == kept);
}

#[test]
fn late_answer_counts_as_none() {
    let mut world = World::with_host_verifier();
    world.register(create_verified(1));
    for (request, status) in [
        (Request::MakeCredential(create()), Status::OperationDenied),
        (Request::MakeCredential(create_verified(2)), Status::UserActionTimeout),
        (Request::GetAssertion(get()), Status::OperationDenied),
        (Request::GetAssertion(get_verified()), Status::UserActionTimeout),
        (Request::Selection, Status::UserActionTimeout),
    ] {
        for (late, accepted) in [(0, true), (1, false)] {
            let step = world.begin(request.clone());
            let (question, pending) = world.until_asked(step);
            assert_eq!(question.deadline, world.now.ticks + 30_000);
            world.now.ticks = question.deadline + late;
            let step = world.authenticator.answer(
                pending,
                answer(&question, Person::Willing),
                world.now,
                &mut world.rng,
            );
            let response = world.finish(step, Person::Willing).response;
            if accepted {
                assert!(!matches!(response, Response::Failed(_)), "{response:?}");
            } else {
                assert_failed(&response, status);
            }
        }
    }
}

#[test]
fn question_deadline_is_the_setting() {
    let mut world = World::new(Settings { question_timeout: 5_000, ..Settings::security_key() });
    let step = world.begin(Request::Selection);
    let (question, _) = world.until_asked(step);
    assert_eq!(question.deadline, world.now.ticks + 5_000);
}

#[test]
fn answer_to_another_kind_of_pending_is_keepalive_cancel() {
    let mut world = World::fresh();
    let Step::Load(_, pending) = world.begin(Request::GetAssertion(get())) else { panic!("loads") };
    let step = world.authenticator.answer(pending, APPROVED, world.now, &mut world.rng);
    assert_failed(&done(step), Status::KeepaliveCancel);
    let step = world.begin(Request::Selection);
    let (_, pending) = world.until_asked(step);
    let step = world.authenticator.committed(pending, Ok(()), world.now, &mut world.rng);
    assert_failed(&done(step), Status::KeepaliveCancel);
    let step = world.begin(Request::Selection);
    let (_, pending) = world.until_asked(step);
    let step = world.authenticator.loaded(pending, Ok(Records::default()), world.now, &mut world.rng);
    assert_failed(&done(step), Status::KeepaliveCancel);
}

#[test]
fn unlocked_is_no_consent() {
    let mut world = World::fresh();
    for request in [Request::Selection, Request::MakeCredential(create())] {
        let step = world.begin(request);
        let (_, pending) = world.until_asked(step);
        let step = world.authenticator.answer(pending, Answer::Unlocked, world.now, &mut world.rng);
        assert_failed(&done(step), Status::OperationDenied);
    }
}

/// Runs a command over a store that is locked until somebody unlocks it; `unlock` answers each question to do so.
fn over_locked(world: &mut World, request: Request, unlock: fn() -> Answer) -> (Response, Vec<Question>) {
    let step = world.begin(request);
    go_on_over_locked(world, step, unlock)
}

fn go_on_over_locked(world: &mut World, mut step: Step, unlock: fn() -> Answer) -> (Response, Vec<Question>) {
    let (mut locked, mut asked) = (true, Vec::new());
    loop {
        step = match step {
            Step::Done(outcome) => return (outcome.response, asked),
            Step::Ask(question, pending) => {
                let answer = match question.purpose {
                    Purpose::Unlock => unlock(),
                    _ => answer(&question, Person::Willing),
                };
                locked &= !matches!(answer, Answer::Unlocked);
                asked.push(question);
                world.authenticator.answer(pending, answer, world.now, &mut world.rng)
            }
            Step::Load(query, pending) => {
                let found = if locked { Err(StoreError::Locked) } else { world.store.load(&query) };
                world.authenticator.loaded(pending, found, world.now, &mut world.rng)
            }
            Step::Survey(pending) => {
                let found = if locked { Err(StoreError::Locked) } else { world.store.survey() };
                world.authenticator.surveyed(pending, found, world.now)
            }
            Step::Commit(changes, pending) => {
                let result = if locked { Err(StoreError::Locked) } else { world.store.commit(changes) };
                world.authenticator.committed(pending, result, world.now, &mut world.rng)
            }
        };
    }
}

#[test]
fn locked_store_asks_to_be_unlocked_and_goes_on() {
    let mut world = World::fresh();
    let id = world.register(create_discoverable(1)).credential.id;
    let excluded = MakeCredential { exclude_list: descriptors(&[&id]), ..create() };
    for (request, status) in [
        (Request::GetAssertion(get()), 0),
        (Request::MakeCredential(create_discoverable(2)), 0),
        (Request::MakeCredential(create()), 0),
        (Request::MakeCredential(excluded), Status::CredentialExcluded.byte()),
    ] {
        let (response, asked) = over_locked(&mut world, request, || Answer::Unlocked);
        assert_eq!(response.encode()[0], status);
        let unlocks: Vec<_> = asked.iter().filter(|question| question.purpose == Purpose::Unlock).collect();
        assert_eq!(unlocks.len(), 1);
        assert_eq!(unlocks[0].verification, Verification::None);
        assert_eq!(asked.len(), 2, "unlocking is no consent to the command");
    }
}

#[test]
fn locked_store_asks_to_be_unlocked_for_a_commit_of_the_state() {
    // A PIN try, counted before anything is looked up.
    let mut world = World::with_pin();
    for discoverable in [true, false] {
        let mut request = create_verified(1);
        request.options.rk = Some(discoverable);
        let (response, asked) =
            over_locked(&mut world, Request::MakeCredential(request), || Answer::Unlocked);
        assert!(view(&made(response).auth_data).flags.user_verified());
        assert_eq!(asked.len(), 2, "the PIN and the unlocking, each once");
        assert_eq!(world.authenticator.pin_tries_left(), Some(8));
    }
    let step = world.begin(Request::Reset);
    let (response, _) = go_on_over_locked(&mut world, step, || Answer::Unlocked);
    assert_eq!(response, Response::Empty);
    assert!(world.records().is_empty() && !world.authenticator.has_pin());
    let step = world.authenticator.set_pin(&PinEntry::new(PIN).unwrap(), &mut world.rng);
    let (response, asked) = go_on_over_locked(&mut world, step, || Answer::Unlocked);
    assert_eq!((response, asked.len()), (Response::Empty, 1));
    assert!(world.authenticator.has_pin());
    world.power_cycle();
    assert_eq!(world.authenticator.pin_tries_left(), Some(8));
}

#[test]
fn locked_store_that_nobody_unlocks_takes_no_commit_of_the_state() {
    let mut world = World::with_pin();
    let kept = world.kept();
    let begin: [fn(&mut World) -> Step; 2] = [
        |world| world.begin(Request::MakeCredential(create_verified(1))),
        |world| world.begin(Request::Reset),
    ];
    for begin in begin {
        let step = begin(&mut world);
        let (response, _) = go_on_over_locked(&mut world, step, || Answer::Declined);
        assert_failed(&response, Status::OperationDenied);
        assert!(world.kept() == kept && world.authenticator.has_pin());
    }
    // Another command may begin while the question is open, and makes it stale.
    let step = world.begin(Request::Reset);
    let (_, pending) = world.until_commit(step, Person::Willing);
    let locked = Err(StoreError::Locked);
    let step = world.authenticator.committed(pending, locked, world.now, &mut world.rng);
    let Step::Ask(_, pending) = step else { panic!("asks") };
    made(world.make(create_verified(1), Person::Willing));
    let step = world.authenticator.answer(pending, Answer::Unlocked, world.now, &mut world.rng);
    assert_failed(&done(step), Status::KeepaliveCancel);
    assert_eq!(world.records().len(), 1);
}

#[test]
fn pending_of_another_machine_is_stale() {
    let mut world = World::fresh();
    world.register(create_discoverable(1));
    let (kept, mut other) = (world.kept(), World::fresh());
    other.register(create_discoverable(1));
    // Each has taken the floor equally often: it is not the count that tells them apart.
    let begin: [fn(&mut World) -> Step; 2] =
        [|world| world.begin(Request::Selection), |world| world.begin(Request::GetAssertion(get()))];
    for begin in begin {
        let (theirs, ours) = (begin(&mut other), begin(&mut world));
        let response = match theirs {
            Step::Ask(_, pending) => world.authenticator.answer(pending, APPROVED, world.now, &mut world.rng),
            Step::Load(query, pending) => world.loaded(&query, pending),
            _ => panic!("asks or loads"),
        };
        assert_failed(&done(response), Status::KeepaliveCancel);
        // What it had begun goes on.
        assert_eq!(world.finish(ours, Person::Willing).response.encode()[0], 0);
    }
    // Not even a commit of theirs counts, nor does its cancelling: a reset there is none here.
    for cancelled in [false, true] {
        world.authenticator.set_pin(&PinEntry::new(PIN).unwrap(), &mut world.rng);
        let step = other.begin(Request::Reset);
        let (_, pending) = other.until_commit(step, Person::Willing);
        let step = match cancelled {
            true => world.authenticator.cancel(pending),
            false => world.authenticator.committed(pending, Ok(()), world.now, &mut world.rng),
        };
        assert_failed(&done(step), Status::KeepaliveCancel);
        assert_failed(&done(world.begin(Request::Selection)), Status::NotAllowed);
        world.power_cycle();
        other.power_cycle();
    }
    assert!(world.kept().0.len() == kept.0.len());
}

#[test]
fn locked_store_that_nobody_unlocks_is_operation_denied() {
    let mut world = World::fresh();
    world.register(create_discoverable(1));
    let kept = world.kept();
    let refusals: [fn() -> Answer; 4] = [
        || Answer::Declined,
        || Answer::TimedOut,
        || Answer::Approved { choice: None },
        || Answer::Verified { choice: None },
    ];
    for refusal in refusals {
        for request in [
            Request::GetAssertion(get()),
            Request::MakeCredential(create_discoverable(2)),
            Request::MakeCredential(create()),
        ] {
            let (response, _) = over_locked(&mut world, request, refusal);
            assert_failed(&response, Status::OperationDenied);
            assert!(world.kept() == kept);
        }
    }
}

#[test]
fn late_unlocking_is_operation_denied() {
    let mut world = World::fresh();
    let Step::Load(_, pending) = world.begin(Request::GetAssertion(get())) else { panic!("loads") };
    let locked = Err(StoreError::Locked);
    let Step::Ask(question, pending) = world.authenticator.loaded(pending, locked, world.now, &mut world.rng)
    else {
        panic!("asks")
    };
    world.now.ticks = question.deadline + 1;
    let step = world.authenticator.answer(pending, Answer::Unlocked, world.now, &mut world.rng);
    assert_failed(&done(step), Status::OperationDenied);
}

#[test]
fn store_errors_have_their_statuses_and_leave_nothing_behind() {
    for (error, status) in [
        (StoreError::Full, Status::KeyStoreFull),
        (StoreError::Locked, Status::OperationDenied),
        (StoreError::Refused, Status::OperationDenied),
        (StoreError::NotFound, Status::NoCredentials),
        (StoreError::Conflict, Status::Other),
        (StoreError::Tampered, Status::Other),
        (StoreError::Unavailable, Status::Other),
    ] {
        let mut world = World::fresh();
        world.register(create_discoverable(1));
        let kept = world.kept();
        let step = world.begin(Request::MakeCredential(create_discoverable(2)));
        let (_, pending) = world.until_commit(step, Person::Willing);
        let step = world.authenticator.committed(pending, Err(error), world.now, &mut world.rng);
        assert_failed(&done(step), status);
        assert!(world.kept() == kept);
        // The machine goes on.
        made(world.make(create_discoverable(2), Person::Willing));
        if error != StoreError::Locked {
            let Step::Load(_, pending) = world.begin(Request::GetAssertion(get())) else { panic!("loads") };
            let step = world.authenticator.loaded(pending, Err(error), world.now, &mut world.rng);
            assert_failed(&done(step), status);
        }
    }
}

#[test]
fn registration_is_one_transaction_and_answers_after_it() {
    let mut world = World::fresh();
    let old = world.register(create_discoverable(1)).credential.id;
    let step = world.begin(Request::MakeCredential(create_discoverable(1)));
    let (changes, pending) = world.until_commit(step, Person::Willing);
    assert_eq!((changes.delete.as_slice(), changes.put.len()), ([old].as_slice(), 1));
    assert!(changes.state.is_some() && !changes.clear);
    made(done(world.commit(changes, pending)));
}

#[test]
fn foreign_records_that_a_store_hands_out_are_filtered() {
    let mut world = World::fresh();
    let unlisted = world.register(create());
    let mut elsewhere = create_discoverable(1);
    elsewhere.rp.id = rp_id("example.org");
    let foreign = world.register(elsewhere);
    let id = foreign.credential.id.clone();
    let with_everything = |world: &mut World, step: Step| {
        let Step::Load(_, pending) = step else { panic!("loads") };
        let all = Ok(world.records().into());
        world.authenticator.loaded(pending, all, world.now, &mut world.rng)
    };
    // Discovery: neither what is not discoverable nor another relying party's.
    for request in [get(), get_named(&[&id]), get_silently()] {
        let silent = request.options.up == Some(false);
        let step = world.begin(Request::GetAssertion(request));
        let step = with_everything(&mut world, step);
        if silent {
            assert_failed(&done(step), Status::NoCredentials);
            continue;
        }
        let (question, _) = world.until_asked(step);
        assert!(matches!(question.purpose, Purpose::NotRegistered { .. }));
    }
    // The excludeList: nothing that it does not name.
    let unknown = countersign::webauthn::CredentialId::new(&[5; 32]).unwrap();
    let request = MakeCredential { exclude_list: descriptors(&[&unknown]), ..create_discoverable(1) };
    let step = world.begin(Request::MakeCredential(request));
    let step = with_everything(&mut world, step);
    let (question, pending) = world.until_asked(step);
    assert!(matches!(question.purpose, Purpose::Register { .. }));
    // The account: only its own old credential is replaced, so here none.
    let step = world.authenticator.answer(pending, APPROVED, world.now, &mut world.rng);
    let step = with_everything(&mut world, step);
    let step = with_everything(&mut world, step);
    let (changes, _) = world.until_commit(step, Person::Absent);
    assert!(changes.delete.is_empty());
    drop((unlisted, foreign));
}

#[test]
fn store_that_answers_twice_counts_once() {
    let mut world = World::fresh();
    world.register(create_discoverable(1));
    let Step::Load(query, pending) = world.begin(Request::GetAssertion(get())) else { panic!("loads") };
    let mut twice = world.store.load(&query).unwrap();
    twice.extend(world.store.load(&query).unwrap());
    let step = world.authenticator.loaded(pending, Ok(twice), world.now, &mut world.rng);
    let (question, pending) = world.until_asked(step);
    let Purpose::SignIn { accounts, .. } = question.purpose else { panic!("a sign-in") };
    assert_eq!(accounts.len(), 1);
    let step = world.authenticator.answer(pending, APPROVED, world.now, &mut world.rng);
    assert_eq!(asserted(world.finish(step, Person::Absent).response).number_of_credentials, None);
}

#[test]
fn credential_that_is_deleted_while_the_question_is_open_does_not_sign() {
    let mut world = World::fresh();
    let id = world.register(create_discoverable(1)).credential.id;
    for request in [get(), get_named(&[&id])] {
        let record = world.record(&id).unwrap();
        let step = world.begin(Request::GetAssertion(request));
        let (_, pending) = world.until_asked(step);
        world.delete(&id);
        let step = world.authenticator.answer(pending, APPROVED, world.now, &mut world.rng);
        assert_failed(&world.finish(step, Person::Absent).response, Status::NoCredentials);
        assert!(world.records().is_empty());
        world.put(record);
    }
}

#[test]
fn excluded_credential_that_appears_while_the_question_is_open_excludes() {
    for verified in [false, true] {
        let mut world = World::with_host_verifier();
        let record = world.register(create());
        let id = record.credential.id.clone();
        world.delete(&id);
        let mut request = MakeCredential { exclude_list: descriptors(&[&id]), ..create() };
        request.options.uv = Some(verified);
        let step = world.begin(Request::MakeCredential(request));
        let (question, pending) = world.until_asked(step);
        world.put(record);
        let step = world.authenticator.answer(
            pending,
            answer(&question, Person::Willing),
            world.now,
            &mut world.rng,
        );
        let (response, asked) = world.questions_of(|world| world.finish(step, Person::Willing).response);
        assert_failed(&response, Status::CredentialExcluded);
        assert!(asked.is_empty(), "presence was given already");
        assert_eq!(world.records().len(), 1);
    }
}

#[test]
fn account_is_replaced_as_it_is_after_the_answer() {
    let mut world = World::fresh();
    let step = world.begin(Request::MakeCredential(create_discoverable(1)));
    let (_, pending) = world.until_asked(step);
    // Another registration of the same account came in through a second authenticator on the same store.
    let mut other = World::fresh();
    let _ = other.register(create());
    world.put(other.register(create_discoverable(1)));
    let step = world.authenticator.answer(pending, APPROVED, world.now, &mut world.rng);
    made(world.finish(step, Person::Absent).response);
    assert_eq!(world.records().len(), 1);
}

#[test]
fn no_bit_is_set_that_no_answer_gave() {
    let mut world = World::with_host_verifier();
    world.register(create_verified(1));
    for (request, person, bits) in [
        (get(), Person::OnlyTouches, (true, false)),
        // More than was asked for is not claimed either.
        (get(), Person::Willing, (true, false)),
        (get_silently(), Person::Willing, (false, false)),
        (get_verified(), Person::Willing, (true, true)),
    ] {
        let flags = flags(&asserted(world.get(request, person)).auth_data);
        assert_eq!((flags.user_present(), flags.user_verified()), bits);
    }
    let step = world.begin(Request::GetAssertion(get()));
    let (_, pending) = world.until_asked(step);
    let step =
        world.authenticator.answer(pending, Answer::Verified { choice: None }, world.now, &mut world.rng);
    let flags = flags(&asserted(world.finish(step, Person::Absent).response).auth_data);
    assert!(flags.user_present() && !flags.user_verified());
}

#[test]
fn overtaken_registration_and_its_successor_both_keep_the_pin_and_its_tries() {
    let mut world = World::with_pin();
    // One try is used up.
    let step = world.begin(Request::MakeCredential(create_verified(1)));
    let (question, pending) = world.until_asked(step);
    let wrong = answer(&question, Person::Forgetful);
    let step = world.authenticator.answer(pending, wrong, world.now, &mut world.rng);
    let (_, pending) = world.until_asked(step);
    let _ = world.authenticator.cancel(pending);
    assert_eq!(world.authenticator.pin_tries_left(), Some(7));
    // A registration is being committed when another one begins; then both are committed, in order.
    let step = world.begin(Request::MakeCredential(create()));
    let (first, first_pending) = world.until_commit(step, Person::Willing);
    let step = world.begin(Request::MakeCredential(create()));
    let (second, second_pending) = world.until_commit(step, Person::Willing);
    assert_failed(&done(world.commit(first, first_pending)), Status::KeepaliveCancel);
    made(done(world.commit(second, second_pending)));
    world.power_cycle();
    assert_eq!(world.authenticator.pin_tries_left(), Some(7));
    let orders: std::collections::BTreeSet<_> =
        world.records().into_iter().map(|record| record.credential.order).collect();
    assert_eq!(orders.len(), 2, "each has a place of its own");
}

#[test]
fn overtaken_pin_try_stays_counted() {
    let mut world = World::with_pin();
    let mut tries = 8;
    for _ in 0..2 {
        let step = world.begin(Request::MakeCredential(create_verified(1)));
        let (first, first_pending) = world.until_commit(step, Person::Forgetful);
        let step = world.begin(Request::MakeCredential(create_verified(1)));
        let (second, second_pending) = world.until_commit(step, Person::Forgetful);
        assert_failed(&done(world.commit(first, first_pending)), Status::KeepaliveCancel);
        let step = world.commit(second, second_pending);
        let (_, pending) = world.until_asked(step);
        let _ = world.authenticator.cancel(pending);
        tries -= 2;
        assert_eq!(world.authenticator.pin_tries_left(), Some(tries));
        let settings = world.authenticator.settings().clone();
        let state = world.store.load_state().unwrap();
        let again = Authenticator::new(
            settings,
            state.as_ref(),
            std::sync::Arc::new(countersign::crypto::RustCrypto),
        );
        assert_eq!(again.unwrap().pin_tries_left(), Some(tries));
        world.power_cycle();
    }
}

#[test]
fn reset_or_first_pin_that_is_being_committed_cannot_be_overtaken() {
    let mut world = World::with_pin();
    world.register(create_verified(1));
    let step = world.begin(Request::Reset);
    let (_, pending) = world.until_commit(step, Person::Willing);
    // Whatever would be committed now would be built on a state that may never come to be.
    for request in [
        Request::MakeCredential(create()),
        Request::GetAssertion(get()),
        Request::GetNextAssertion,
        Request::Selection,
        Request::Reset,
    ] {
        assert_failed(&done(world.begin(request)), Status::NotAllowed);
    }
    assert_eq!(world.ctap(&[0x01], Person::Willing).len(), 1);
    let pin = countersign::authenticator::PinEntry::new("9876").unwrap();
    assert_failed(&done(world.authenticator.set_pin(&pin, &mut world.rng)), Status::NotAllowed);
    assert!(matches!(world.call(Request::GetInfo, Person::Absent), Response::GetInfo(_)));
    // The reset fails: the PIN is still there, in the machine and in the store.
    let failed = Err(StoreError::Unavailable);
    let step = world.authenticator.committed(pending, failed, world.now, &mut world.rng);
    assert_failed(&done(step), Status::Other);
    assert!(world.authenticator.has_pin());
    world.register(create_verified(2));
    world.power_cycle();
    assert!(world.authenticator.has_pin());
    // The first PIN likewise.
    let mut world = World::new(Settings::security_key());
    let step = world.authenticator.set_pin(&pin, &mut world.rng);
    let (changes, pending) = world.until_commit(step, Person::Absent);
    assert_failed(&done(world.begin(Request::MakeCredential(create()))), Status::NotAllowed);
    assert!(!world.authenticator.has_pin(), "not before it is committed");
    assert_eq!(done(world.commit(changes, pending)), Response::Empty);
    assert!(world.authenticator.has_pin());
}

#[test]
fn reset_that_is_cancelled_or_locked_away_at_its_commit_keeps_the_pin_that_the_store_keeps() {
    let mut world = World::with_pin();
    let step = world.begin(Request::Reset);
    let (_, pending) = world.until_commit(step, Person::Willing);
    assert_failed(&done(world.authenticator.cancel(pending)), Status::KeepaliveCancel);
    assert!(world.authenticator.has_pin());
    made(world.make(create_verified(1), Person::Willing));
    // Locked in between, and then carried out.
    let step = world.begin(Request::Reset);
    let (changes, pending) = world.until_commit(step, Person::Willing);
    world.authenticator.lock();
    assert_failed(&done(world.commit(changes, pending)), Status::KeepaliveCancel);
    assert!(!world.authenticator.has_pin() && world.records().is_empty());
    made(world.make(create_discoverable(1), Person::Willing));
}

#[test]
fn lock_forgets_what_outlives_a_command_but_not_failed_pin_entries() {
    let mut world = World::with_pin();
    world.register(create_verified(1));
    assert_failed(&world.get(get_verified(), Person::Forgetful), Status::OperationDenied);
    world.authenticator.lock();
    assert_failed(&world.get(get_verified(), Person::Willing), Status::PinAuthBlocked);
}

#[test]
fn run_stops_at_people_and_at_the_end() {
    let mut world = World::fresh();
    let step = world.begin(Request::MakeCredential(create()));
    let Turn::Ask(question, pending) = world.turn(step) else { panic!("asks") };
    let step =
        world.authenticator.answer(pending, answer(&question, Person::Willing), world.now, &mut world.rng);
    assert!(matches!(world.turn(step), Turn::Done(_)));
}

#[test]
fn channels_are_only_numbers() {
    let mut world = World::fresh();
    world.register(create_discoverable(1));
    let step =
        world.authenticator.begin(Channel(u32::MAX), Request::GetAssertion(get()), world.now, &mut world.rng);
    asserted(world.finish(step, Person::Willing).response);
    assert_ne!(CHANNEL, Channel(u32::MAX));
}

#[test]
fn query_of_the_machine_names_the_relying_party() {
    let mut world = World::fresh();
    let Step::Load(query, _) = world.begin(Request::GetAssertion(get())) else { panic!("loads") };
    assert_eq!(query, Query::Discoverable(rp_id(RP)));
    drop(ChangeSet::default());
}
