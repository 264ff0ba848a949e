//! The provider door: the question is consent and choice, PRF on plain salts.

use countersign::{
    authenticator::{
        Answer, NewCredentialBackup, Outcome, ProviderRequest, Purpose, Settings, Step, UserVerification,
        Verification,
    },
    ctap2::{GetAssertion, MakeCredential, Request, Status},
    webauthn::{CredentialId, PrfInputs, PrfOutputs, PrfSalt, PrfSalts},
};
use hmac::{Hmac, Mac, digest::KeyInit};
use sha2::{Digest, Sha256};

use crate::{
    common::world::{CHANNEL, Person, World, answer},
    requests::*,
};

fn manager() -> World {
    World::new(Settings::credential_manager())
}

fn salts(first: &[u8], second: Option<&[u8]>) -> PrfSalts {
    PrfSalts { first: PrfSalt::from_input(first), second: second.map(PrfSalt::from_input) }
}

fn eval(first: &[u8], second: Option<&[u8]>) -> PrfInputs {
    PrfInputs { eval: Some(salts(first, second)), ..PrfInputs::default() }
}

/// The PRF as WebAuthn and CTAP define it, by the crates of its parts.
fn prf(cred_random: &[u8; 32], input: &[u8]) -> [u8; 32] {
    let salt = Sha256::new().chain_update(b"WebAuthn PRF\0").chain_update(input).finalize();
    let mut mac = Hmac::<Sha256>::new_from_slice(cred_random).unwrap();
    mac.update(&salt);
    mac.finalize().into_bytes().into()
}

fn exposed(outputs: &PrfOutputs) -> (Vec<u8>, Option<Vec<u8>>) {
    (outputs.first.expose().to_vec(), outputs.second.as_ref().map(|second| second.expose().to_vec()))
}

impl World {
    fn begin_create(&mut self, request: MakeCredential, prf: PrfInputs) -> Step {
        let request = ProviderRequest::Create { request, prf };
        self.authenticator.begin_provider(CHANNEL, request, self.now, &mut self.rng)
    }

    fn begin_get(&mut self, request: GetAssertion, prf: PrfInputs) -> Step {
        let request = ProviderRequest::Get { request, prf };
        self.authenticator.begin_provider(CHANNEL, request, self.now, &mut self.rng)
    }

    fn provider_get(&mut self, request: GetAssertion, prf: PrfInputs, person: Person) -> Outcome {
        let step = self.begin_get(request, prf);
        self.finish(step, person)
    }
}

#[test]
fn provider_several_accounts_need_a_choice() {
    let mut world = manager();
    let ids: Vec<_> = (1..=3).map(|n| world.register(create_verified(n)).credential.id).collect();
    for request in [get(), get_named(&[&ids[0], &ids[1], &ids[2]])] {
        let step = world.begin_get(request.clone(), PrfInputs::default());
        let (question, pending) = world.until_asked(step);
        let Purpose::SignIn { accounts, choose, .. } = &question.purpose else { panic!("a sign-in") };
        assert!(*choose);
        let offered: Vec<_> = accounts.iter().map(|account| account.credential.clone()).collect();
        assert_eq!(offered, [&ids[2], &ids[1], &ids[0]].map(Clone::clone), "newest first");
        assert_eq!(accounts[0].user, user(3));
        let answer = Answer::Approved { choice: Some(ids[1].clone()) };
        let step = world.authenticator.answer(pending, answer, world.now, &mut world.rng);
        let assertion = asserted(world.finish(step, Person::Absent).response);
        assert_eq!(assertion.credential, ids[1]);
        assert!(assertion.user_selected);
        assert_eq!(assertion.number_of_credentials, None);
        assert_failed(&world.next(), Status::NotAllowed);
        // Nobody chose, or something that was not offered.
        for choice in [None, Some(CredentialId::new(&[8; 32]).unwrap())] {
            let step = world.begin_get(request.clone(), PrfInputs::default());
            let (_, pending) = world.until_asked(step);
            let answer = Answer::Approved { choice };
            let step = world.authenticator.answer(pending, answer, world.now, &mut world.rng);
            assert_failed(&world.finish(step, Person::Absent).response, Status::OperationDenied);
        }
    }
}

#[test]
fn provider_single_account_needs_no_choice() {
    let mut world = manager();
    let id = world.register(create_verified(1)).credential.id;
    for choice in [None, Some(id.clone())] {
        let step = world.begin_get(get(), PrfInputs::default());
        let (question, pending) = world.until_asked(step);
        assert!(matches!(question.purpose, Purpose::SignIn { choose: false, .. }));
        let step =
            world.authenticator.answer(pending, Answer::Approved { choice }, world.now, &mut world.rng);
        let assertion = asserted(world.finish(step, Person::Absent).response);
        assert!(!assertion.user_selected);
        assert_eq!(assertion.credential, id);
    }
}

#[test]
fn provider_choice_that_is_deleted_meanwhile_does_not_sign() {
    let mut world = manager();
    let ids: Vec<_> = (1..=2).map(|n| world.register(create_verified(n)).credential.id).collect();
    let step = world.begin_get(get(), PrfInputs::default());
    let (_, pending) = world.until_asked(step);
    world.delete(&ids[0]);
    let answer = Answer::Approved { choice: Some(ids[0].clone()) };
    let step = world.authenticator.answer(pending, answer, world.now, &mut world.rng);
    assert_failed(&world.finish(step, Person::Absent).response, Status::NoCredentials);
}

#[test]
fn provider_prf_is_hmac_of_cred_random_with_uv_and_never_in_authenticator_data() {
    let mut world = manager();
    let record = world.register(create_verified(1));
    let key = record.secret.cred_random_with_uv.expose();
    for second in [None, Some(&b"two"[..])] {
        let outcome = world.provider_get(get(), eval(b"one", second), Person::Willing);
        let (first, other) = exposed(outcome.prf.as_ref().unwrap());
        assert_eq!(first, prf(key, b"one"));
        assert_eq!(other, second.map(|input| prf(key, input).to_vec()));
        let assertion = asserted(outcome.response);
        // Nobody asked for verification but the PRF.
        assert!(flags(&assertion.auth_data).user_verified());
        assert!(!flags(&assertion.auth_data).extensions());
        assert!(!assertion.auth_data.windows(32).any(|window| window == first));
        assert_assertion_signed(&record, &assertion);
    }
}

#[test]
fn provider_prf_is_evaluated_only_with_verification() {
    let mut world = manager();
    world.register(create_verified(1));
    let outcome = world.provider_get(get(), eval(b"one", None), Person::OnlyTouches);
    assert_failed(&outcome.response, Status::OperationDenied);
    assert!(outcome.prf.is_none());
    // Where nobody can be verified, the sign-in works and PRF does not.
    let mut helpless =
        World::new(Settings { user_verification: UserVerification::None, ..Settings::credential_manager() });
    let record = helpless.register(create_discoverable(1));
    let outcome = helpless.provider_get(get(), eval(b"one", None), Person::Willing);
    assert!(outcome.prf.is_none());
    assert_assertion_signed(&record, &asserted(outcome.response));
    let step = helpless.begin_create(create_discoverable(2), eval(b"one", None));
    let outcome = helpless.finish(step, Person::Willing);
    assert!(outcome.prf.is_none());
    made(outcome.response);
}

#[test]
fn provider_prf_at_creation_is_that_of_the_new_credential() {
    let mut world = manager();
    let step = world.begin_create(create_discoverable(1), eval(b"one", Some(b"two")));
    let outcome = world.finish(step, Person::Willing);
    let data = made(outcome.response).auth_data;
    assert!(flags(&data).user_verified() && !flags(&data).extensions());
    let record = world.record(&view(&data).attested.unwrap().1).unwrap();
    let key = record.secret.cred_random_with_uv.expose();
    let (first, second) = exposed(&outcome.prf.unwrap());
    assert_eq!((first, second), (prf(key, b"one").to_vec(), Some(prf(key, b"two").to_vec())));
    // And it is what a later sign-in gives.
    let later = world.provider_get(get(), eval(b"one", None), Person::Willing);
    assert_eq!(exposed(&later.prf.unwrap()).0, prf(key, b"one"));
}

#[test]
fn provider_prf_of_a_commit_that_failed_does_not_leave() {
    let mut world = manager();
    let step = world.begin_create(create_discoverable(1), eval(b"one", None));
    let (_, pending) = world.until_commit(step, Person::Willing);
    let failed = Err(countersign::credential::StoreError::Full);
    let Step::Done(outcome) = world.authenticator.committed(pending, failed, world.now, &mut world.rng)
    else {
        panic!("done")
    };
    assert_failed(&outcome.response, Status::KeyStoreFull);
    assert!(outcome.prf.is_none());
}

#[test]
fn provider_eval_by_credential_goes_before_eval() {
    let mut world = manager();
    let named = world.register(create_verified(1));
    let other = world.register(create_verified(2));
    let inputs = || PrfInputs {
        eval: Some(salts(b"any", None)),
        eval_by_credential: vec![(named.credential.id.clone(), salts(b"named", None))],
    };
    for (record, input) in [(&named, &b"named"[..]), (&other, b"any")] {
        let request = get_named(&[&record.credential.id]);
        let outcome = world.provider_get(request, inputs(), Person::Willing);
        let expected = prf(record.secret.cred_random_with_uv.expose(), input);
        assert_eq!(exposed(&outcome.prf.unwrap()).0, expected);
    }
    // Without "eval", the other credential has no salts and no result.
    let inputs = PrfInputs { eval: None, ..inputs() };
    let outcome = world.provider_get(get_named(&[&other.credential.id]), inputs, Person::Willing);
    assert!(outcome.prf.is_none());
    asserted(outcome.response);
}

#[test]
fn provider_prf_and_hmac_secret_with_uv_are_the_same_function() {
    // Both doors of one credential; the CTAP door is held to its own vectors in `hmac_secret`.
    let mut world = manager();
    let record = world.register(create_verified(1));
    let outcome = world.provider_get(get(), eval(b"one", None), Person::Willing);
    let plain = exposed(&outcome.prf.unwrap()).0;
    assert_eq!(plain, prf(record.secret.cred_random_with_uv.expose(), b"one"));
    assert_ne!(plain, prf(record.secret.cred_random_without_uv.expose(), b"one"));
}

#[test]
fn provider_without_prf_gives_none() {
    let mut world = manager();
    world.register(create_verified(1));
    let mut request = get_verified();
    request.options.up = Some(true);
    let outcome = world.provider_get(request, PrfInputs::default(), Person::Willing);
    assert!(outcome.prf.is_none());
    // And the CTAP door gives none ever.
    let step = world.begin(Request::GetAssertion(get_verified()));
    assert!(world.finish(step, Person::Willing).prf.is_none());
}

#[test]
fn provider_registration_asks_once_and_names_are_kept_longer() {
    let mut world = manager();
    let mut request = create_discoverable(1);
    request.user.name = Some("n".repeat(300).into());
    request.user.display_name = Some("d".repeat(100_000).into());
    world.asked.clear();
    let step = world.begin_create(request, PrfInputs::default());
    let data = made(world.finish(step, Person::Willing).response).auth_data;
    assert_eq!(world.asked.len(), 1);
    assert_eq!(world.asked[0].verification, Verification::None, "the client asks for uv where it is wanted");
    assert!(!flags(&data).user_verified() && flags(&data).backup_eligible());
    let record = world.record(&view(&data).attested.unwrap().1).unwrap();
    assert_eq!(record.credential.user.name.as_ref().unwrap().len(), 300);
    assert_eq!(record.credential.user.display_name.as_ref().unwrap().len(), 1024, "a budget");
    let Purpose::Register { rp, user, identified: false } = &world.asked[0].purpose else {
        panic!("a registration")
    };
    assert_eq!((rp, user), (&record.credential.rp, &record.credential.user), "shown is what is kept");
    assert_eq!(world.authenticator.settings().backup, NewCredentialBackup::Eligible { backed_up: false });
}

#[test]
fn provider_nothing_found_is_said_after_presence() {
    let mut world = manager();
    let step = world.begin_get(get(), eval(b"one", None));
    let (question, pending) = world.until_asked(step);
    assert!(matches!(question.purpose, Purpose::NotRegistered { .. }));
    let step =
        world.authenticator.answer(pending, answer(&question, Person::Willing), world.now, &mut world.rng);
    assert_failed(&world.finish(step, Person::Absent).response, Status::NoCredentials);
}
