//! The setting `display`: the person chooses the account on the authenticator (CTAP 2.3 section 6.2.2, step 12.2.3).

use countersign::{
    authenticator::{Answer, Purpose, Question, Settings, UserVerification},
    credential::CredentialRecord,
    ctap2::{GetAssertion, Request, Response, Status},
    webauthn::CredentialId,
};

use crate::{
    common::world::{Person, World},
    requests::*,
};

/// An authenticator with a display and two accounts, the older one first.
fn world() -> (World, [CredentialRecord; 2]) {
    let settings =
        Settings { display: true, user_verification: UserVerification::None, ..Settings::security_key() };
    let mut world = World::new(settings);
    let records = [1, 2].map(|number| world.register(create_discoverable(number)));
    (world, records)
}

/// The question of a sign-in, and what comes of the answer.
fn choose(world: &mut World, request: GetAssertion, choice: Option<CredentialId>) -> (Question, Response) {
    let step = world.begin(Request::GetAssertion(request));
    let (question, pending) = world.until_asked(step);
    let answer = Answer::Approved { choice };
    let step = world.authenticator.answer(pending, answer, world.now, &mut world.rng);
    let response = world.finish(step, Person::Absent).response;
    (question, response)
}

#[test]
fn ga_display_lets_the_person_choose_instead_of_get_next_assertion() {
    let (mut world, [older, newer]) = world();
    let (question, response) = choose(&mut world, get(), Some(older.credential.id.clone()));
    let Purpose::SignIn { accounts, choose: true, .. } = &question.purpose else { panic!("{question:?}") };
    let shown: Vec<_> = accounts.iter().map(|account| &account.credential).collect();
    assert_eq!(shown, [&newer.credential.id, &older.credential.id], "newest first");
    let assertion = asserted(response);
    assert_eq!(assertion.credential, older.credential.id);
    assert!(assertion.user_selected);
    assert_eq!(assertion.number_of_credentials, None);
    assert_assertion_signed(&older, &assertion);
    assert_failed(&world.next(), Status::NotAllowed);
}

#[test]
fn ga_display_without_a_choice_is_denied() {
    let (mut world, [older, _]) = world();
    assert_failed(&choose(&mut world, get(), None).1, Status::OperationDenied);
    world.delete(&older.credential.id);
    let stranger = Some(older.credential.id.clone());
    assert_failed(&choose(&mut world, get(), stranger).1, Status::OperationDenied);
    let (question, response) = choose(&mut world, get(), None);
    assert!(matches!(question.purpose, Purpose::SignIn { choose: false, .. }), "one account is no choice");
    assert!(!asserted(response).user_selected);
}

#[test]
fn ga_display_shows_nothing_where_the_allow_list_picks_or_nobody_is_asked() {
    let (mut world, [older, newer]) = world();
    let named = get_named(&[&older.credential.id, &newer.credential.id]);
    let (question, response) = choose(&mut world, named, None);
    assert!(matches!(question.purpose, Purpose::SignIn { choose: false, .. }));
    assert!(!asserted(response).user_selected);
    // "the "uv" and "up" options are false": as without a display.
    let (response, asked) = world.questions_of(|world| world.get(get_silently(), Person::Absent));
    assert!(asked.is_empty());
    let assertion = asserted(response);
    assert_eq!((assertion.number_of_credentials, assertion.user_selected), (Some(2), false));
}
