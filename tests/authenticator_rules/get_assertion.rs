//! authenticatorGetAssertion (CTAP 2.3 section 6.2.2).

use countersign::{
    authenticator::{CounterPolicy, NewCredentialBackup, Purpose, Settings, UserVerification, Verification},
    credential::{CredProtect, CredentialStore, Query},
    ctap2::{GetAssertion, GetAssertionResponse, MakeCredential, Options, Request, Response, Status},
    time::Moment,
    webauthn::CredentialId,
};

use crate::{
    common::{
        platform::{GA, LBW},
        world::{Person, TODAY, World},
    },
    requests::*,
};

fn unverified(settings: Settings) -> World {
    World::new(Settings { user_verification: UserVerification::None, ..settings })
}

#[test]
fn ga_signature_verifies_with_the_registered_key() {
    for algorithm in [ES256, EDDSA] {
        let mut world = World::fresh();
        let record = world.register(MakeCredential { algorithms: vec![algorithm], ..create_discoverable(1) });
        let assertion = asserted(world.get(get(), Person::Willing));
        assert_assertion_signed(&record, &assertion);
        assert_eq!(view(&assertion.auth_data).rp_id_hash, rp_id(RP).hash());
        assert!(view(&assertion.auth_data).attested.is_none());
    }
}

#[test]
fn ga_empty_pin_uv_auth_param_asks_for_a_touch_and_says_whether_a_pin_is_set() {
    for (mut world, status) in [(World::fresh(), Status::PinNotSet), (World::with_pin(), Status::PinInvalid)]
    {
        // Neither the option nor the absence of credentials is looked at.
        let mut request = GetAssertion { pin_uv_auth: param(0, Some(9)), ..get() };
        request.options.rk = Some(true);
        let (response, asked) = world.questions_of(|world| world.get(request.clone(), Person::Willing));
        assert_failed(&response, status);
        assert_eq!(asked.len(), 1);
        assert_eq!((&asked[0].purpose, asked[0].verification), (&Purpose::Select, Verification::None));
        for person in [Person::Declines, Person::Absent] {
            assert_failed(&world.get(request.clone(), person), Status::OperationDenied);
        }
    }
}

#[test]
fn ga_pin_uv_auth_param_needs_a_supported_protocol_and_overrides_option_uv() {
    let mut world = World::fresh();
    world.register(create_discoverable(1));
    for (protocol, status) in [
        (None, Status::MissingParameter),
        (Some(3), Status::InvalidParameter),
        (Some(1), Status::PinAuthInvalid),
        (Some(2), Status::PinAuthInvalid),
    ] {
        let mut request = GetAssertion { pin_uv_auth: param(32, protocol), ..get() };
        request.options.uv = Some(true);
        let (response, asked) = world.questions_of(|world| world.get(request, Person::Willing));
        assert_failed(&response, status);
        assert!(asked.is_empty());
    }
}

#[test]
fn ga_pin_uv_auth_param_is_verified_after_options() {
    let mut world = World::with_pin();
    let mut request = GetAssertion { pin_uv_auth: param(32, Some(2)), ..get() };
    request.options.rk = Some(false);
    assert_failed(&world.get(request, Person::Willing), Status::UnsupportedOption);
}

#[test]
fn ga_option_uv_without_configured_verification_is_invalid_option() {
    for mut world in [World::fresh(), World::new(Settings::security_key())] {
        world.register(create_discoverable(1));
        assert_failed(&world.get(get_verified(), Person::Willing), Status::InvalidOption);
    }
}

#[test]
fn ga_option_rk_is_unsupported_option_whatever_its_value() {
    let mut world = World::fresh();
    world.register(create_discoverable(1));
    for rk in [false, true] {
        let mut request = get();
        request.options.rk = Some(rk);
        assert_failed(&world.get(request, Person::Willing), Status::UnsupportedOption);
    }
}

#[test]
fn ga_always_uv_verifies_though_the_request_does_not_ask_but_not_silent_assertions() {
    let settings = Settings { always_uv: true, ..Settings::security_key() };
    let mut world = World::new(host_verified(settings.clone()));
    let record = world.register(create_discoverable(1));
    assert!(flags(&asserted(world.get(get(), Person::Willing)).auth_data).user_verified());
    assert_failed(&world.get(get(), Person::OnlyTouches), Status::OperationDenied);
    let (response, asked) = world.questions_of(|world| world.get(get_silently(), Person::Declines));
    assert!(!flags(&asserted(response).auth_data).user_verified());
    assert!(asked.is_empty());
    // Nobody can be verified here; where a platform could set a PIN and get a token, it is sent for one.
    for (client_pin, status) in [(false, Status::OperationDenied), (true, Status::PuatRequired)] {
        let mut helpless = unverified(Settings { client_pin, ..settings.clone() });
        helpless.put(record.clone_secret());
        assert_failed(&helpless.get(get(), Person::Willing), status);
        asserted(helpless.get(get_silently(), Person::Absent));
    }
}

#[test]
fn ga_asks_once_for_presence_and_refusals_are_operation_denied() {
    let mut world = World::fresh();
    world.register(create_discoverable(1));
    let (response, asked) = world.questions_of(|world| world.get(get(), Person::Willing));
    let flags = flags(&asserted(response).auth_data);
    assert!(flags.user_present() && !flags.user_verified() && !flags.extensions());
    assert_eq!(asked.len(), 1);
    for person in [Person::Declines, Person::Absent] {
        assert_failed(&world.get(get(), person), Status::OperationDenied);
    }
}

#[test]
fn ga_verification_and_presence_are_one_question() {
    for mut world in [World::with_host_verifier(), World::with_pin()] {
        world.register(create_verified(1));
        let (response, asked) = world.questions_of(|world| world.get(get_verified(), Person::Willing));
        let flags = flags(&asserted(response).auth_data);
        assert!(flags.user_present() && flags.user_verified());
        assert_eq!(asked.len(), 1);
    }
}

#[test]
fn ga_timed_out_verification_is_action_timeout_and_failed_verification_is_denied() {
    let mut world = World::with_host_verifier();
    world.register(create_verified(1));
    assert_failed(&world.get(get_verified(), Person::Absent), Status::UserActionTimeout);
    for person in [Person::Declines, Person::OnlyTouches] {
        assert_failed(&world.get(get_verified(), person), Status::OperationDenied);
    }
}

#[test]
fn ga_of_a_protected_authenticator_needs_only_presence() {
    let mut world = World::with_pin();
    world.register(create_verified(1));
    let flags = flags(&asserted(world.get(get(), Person::Willing)).auth_data);
    assert!(flags.user_present() && !flags.user_verified());
}

#[test]
fn ga_level1_credential_is_discovered_without_uv() {
    assert!(found(1, false, false) && found(1, true, false) && found(1, false, true));
}

#[test]
fn ga_level2_credential_is_hidden_in_discovery_and_found_when_named() {
    assert!(!found(2, false, false));
    assert!(found(2, true, false) && found(2, false, true) && found(2, true, true));
}

#[test]
fn ga_level3_credential_is_never_used_without_uv() {
    assert!(!found(3, false, false) && !found(3, true, false));
    assert!(found(3, false, true) && found(3, true, true));
}

/// Whether a credential of that level signs, once asked aloud and once silently.
fn found(level: u64, named: bool, verified: bool) -> bool {
    let mut world = World::with_host_verifier();
    let id = world.register(protected(create_verified(1), level)).credential.id;
    let ask = |up| {
        let mut request = if named { get_named(&[&id]) } else { get() };
        request.options.uv = verified.then_some(true);
        request.options.up = up;
        request
    };
    let outcomes = [Some(true), Some(false)].map(|up| world.get(ask(up), Person::Willing));
    match outcomes {
        [Response::GetAssertion(_), Response::GetAssertion(_)] => true,
        [Response::Failed(Status::NoCredentials), Response::Failed(Status::NoCredentials)] => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn ga_nothing_found_is_said_after_presence_was_given() {
    let mut world = World::with_pin();
    let id = world.register(protected(create_verified(1), 3)).credential.id;
    let mut elsewhere = get();
    elsewhere.rp_id = rp_id("example.org");
    for request in [elsewhere, get(), get_named(&[&id])] {
        let (response, asked) = world.questions_of(|world| world.get(request.clone(), Person::Willing));
        assert_failed(&response, Status::NoCredentials);
        assert_eq!(asked.len(), 1);
        assert!(matches!(asked[0].purpose, Purpose::NotRegistered { .. }));
        // No oracle: who does not touch learns the same as where there is a credential.
        for person in [Person::Declines, Person::Absent] {
            assert_failed(&world.get(request.clone(), person), Status::OperationDenied);
        }
        // Silently there is nobody to ask.
        let silent = GetAssertion { options: get_silently().options, ..request };
        let (response, asked) = world.questions_of(|world| world.get(silent, Person::Declines));
        assert_failed(&response, Status::NoCredentials);
        assert!(asked.is_empty());
    }
}

#[test]
fn ga_nothing_found_is_said_at_once_where_the_setting_says_so() {
    let mut world = unverified(Settings { no_credentials_before_touch: true, ..Settings::security_key() });
    let (response, asked) = world.questions_of(|world| world.get(get(), Person::Willing));
    assert_failed(&response, Status::NoCredentials);
    assert!(asked.is_empty());
    world.register(create_discoverable(1));
    let (response, asked) = world.questions_of(|world| world.get(get(), Person::Willing));
    asserted(response);
    assert_eq!(asked.len(), 1);
}

/// Step 6.2 stands before step 7.6: whether there are credentials is for those to know who are verified.
#[test]
fn ga_nothing_found_is_not_said_before_the_verification_that_was_asked_for() {
    let early = Settings { no_credentials_before_touch: true, ..Settings::security_key() };
    let mut world = World::new(host_verified(early));
    assert_failed(&world.get(get_verified(), Person::Absent), Status::UserActionTimeout);
    assert_failed(&world.get(get_verified(), Person::OnlyTouches), Status::OperationDenied);
    assert_failed(&world.get(get_verified(), Person::Willing), Status::NoCredentials);
}

#[test]
fn ga_allow_list_gives_one_answer_without_number_of_credentials() {
    let mut world = World::fresh();
    let first = world.register(create_discoverable(1)).credential.id;
    let second = world.register(create_discoverable(2)).credential.id;
    let assertion = asserted(world.get(get_named(&[&first, &second]), Person::Willing));
    assert_eq!(assertion.number_of_credentials, None);
    assert_eq!(assertion.credential, second, "the newest of those that are named");
    assert_failed(&world.next(), Status::NotAllowed);
    // A repeated descriptor is one credential.
    let assertion = asserted(world.get(get_named(&[&first, &first]), Person::Willing));
    assert_eq!((assertion.credential, assertion.number_of_credentials), (first, None));
}

#[test]
fn ga_discovery_answers_newest_first_and_says_how_many() {
    let mut world = World::fresh();
    for (number, day) in [(1, 3), (2, 1), (3, 2)] {
        world.now = Moment { date: Some(countersign::time::UnixTime(TODAY.0 + day * 86_400)), ..world.now };
        world.register(create_discoverable(number));
    }
    // Of the same date the one that was made later is newer.
    world.register(create_discoverable(4));
    world.register(create());
    let first = asserted(world.get(get(), Person::Willing));
    assert_eq!(first.number_of_credentials, Some(4), "the one that is not discoverable does not count");
    let mut order = vec![user_of(&first)];
    for _ in 0..3 {
        let next = asserted(world.next());
        assert_eq!(next.number_of_credentials, None);
        order.push(user_of(&next));
    }
    assert_eq!(order, [1, 4, 3, 2]);
}

fn user_of(assertion: &GetAssertionResponse) -> u8 {
    assertion.user.as_ref().unwrap().id.as_bytes()[0]
}

#[test]
fn ga_single_discovered_credential_has_no_number() {
    let mut world = World::fresh();
    world.register(create_discoverable(1));
    assert_eq!(asserted(world.get(get(), Person::Willing)).number_of_credentials, None);
}

#[test]
fn ga_names_are_shown_only_after_verification() {
    let mut world = World::with_host_verifier();
    let id = world.register(create_verified(1)).credential.id;
    for mut request in [get(), get_named(&[&id])] {
        let shown = asserted(world.get(request.clone(), Person::Willing)).user.unwrap();
        assert_eq!((shown.id, shown.name, shown.display_name), (user(1).id, None, None));
        request.options.uv = Some(true);
        assert_eq!(asserted(world.get(request, Person::Willing)).user, Some(user(1)));
    }
}

#[test]
fn ga_non_discoverable_credential_has_no_user() {
    let mut world = World::with_host_verifier();
    let id = world.register(create()).credential.id;
    for verified in [false, true] {
        let mut request = get_named(&[&id]);
        request.options.uv = Some(verified);
        assert_eq!(asserted(world.get(request, Person::Willing)).user, None);
    }
}

#[test]
fn ga_allow_list_that_matches_nothing_does_not_fall_back_to_discovery() {
    let mut world = World::fresh();
    world.register(create_discoverable(1));
    let unknown = CredentialId::new(&[7; 32]).unwrap();
    assert_failed(&world.get(get_named(&[&unknown]), Person::Willing), Status::NoCredentials);
    // Only descriptors of a type that does not exist: named, and matching nothing.
    let request = GetAssertion { allow_list: Some(Vec::new()), ..get() };
    assert_failed(&world.get(request, Person::Willing), Status::NoCredentials);
}

#[test]
fn ga_named_credential_of_another_relying_party_is_none() {
    let mut world = World::fresh();
    let id = world.register(create_discoverable(1)).credential.id;
    let request = GetAssertion { rp_id: rp_id("example.org"), ..get_named(&[&id]) };
    assert_failed(&world.get(request, Person::Willing), Status::NoCredentials);
}

#[test]
fn ga_silent_assertion_asks_nobody_and_claims_nothing() {
    let mut world = World::with_pin();
    let record = world.register(create_verified(1));
    let (response, asked) = world.questions_of(|world| world.get(get_silently(), Person::Declines));
    let assertion = asserted(response);
    let flags = flags(&assertion.auth_data);
    assert!(!flags.user_present() && !flags.user_verified());
    assert!(asked.is_empty());
    assert_assertion_signed(&record, &assertion);
}

#[test]
fn ga_up_false_with_uv_true_verifies_and_does_not_claim_presence() {
    let mut world = World::with_host_verifier();
    world.register(create_verified(1));
    let mut request = get_verified();
    request.options.up = Some(false);
    let (response, asked) = world.questions_of(|world| world.get(request, Person::Willing));
    let flags = flags(&asserted(response).auth_data);
    assert!(!flags.user_present() && flags.user_verified());
    assert_eq!(asked.len(), 1);
}

#[test]
fn ga_empty_allow_list_is_no_list() {
    let mut world = World::fresh();
    world.register(create_discoverable(1));
    world.register(create_discoverable(2));
    let mut bytes = Request::GetAssertion(get()).encode();
    bytes[1] += 1;
    bytes.extend_from_slice(&[0x03, 0x80]);
    assert_eq!(world.ctap(&bytes, Person::Willing)[0], 0);
    asserted(world.next());
}

#[test]
fn ga_allow_list_over_the_announced_limit_is_limit_exceeded() {
    let mut world = unverified(Settings { max_credential_count_in_list: 2, ..Settings::security_key() });
    let id = world.register(create()).credential.id;
    let request = |count| Request::GetAssertion(get_named(&vec![&id; count])).encode();
    assert_eq!(world.ctap(&request(2), Person::Willing)[0], 0);
    assert_eq!(world.ctap(&request(3), Person::Willing), [Status::LimitExceeded.byte()]);
}

#[test]
fn ga_counter_of_a_device_bound_credential_counts_its_own_assertions() {
    let mut world = World::fresh();
    let first = world.register(create()).credential.id;
    let second = world.register(create()).credential.id;
    for expected in [1, 2, 3] {
        let assertion = asserted(world.get(get_named(&[&first]), Person::Willing));
        assert_eq!(view(&assertion.auth_data).sign_count, expected);
        assert_eq!(world.record(&first).unwrap().credential.sign_count, expected);
    }
    let assertion = asserted(world.get(get_named(&[&second]), Person::Willing));
    assert_eq!(view(&assertion.auth_data).sign_count, 1);
}

#[test]
fn ga_counter_stops_at_its_end() {
    let mut world = World::fresh();
    let mut record = world.register(create());
    record.credential.sign_count = u32::MAX - 1;
    let id = record.credential.id.clone();
    world.put(record);
    for _ in 0..2 {
        let assertion = asserted(world.get(get_named(&[&id]), Person::Willing));
        assert_eq!(view(&assertion.auth_data).sign_count, u32::MAX);
    }
}

#[test]
fn ga_counter_is_constant_zero_for_backup_eligible_credentials_and_under_the_zero_policy() {
    let eligible = NewCredentialBackup::Eligible { backed_up: true };
    for settings in [
        Settings { backup: eligible, ..Settings::security_key() },
        Settings { sign_count: CounterPolicy::Zero, ..Settings::security_key() },
    ] {
        let mut world = unverified(settings);
        let id = world.register(create()).credential.id;
        let kept = world.kept();
        for _ in 0..2 {
            let assertion = asserted(world.get(get_named(&[&id]), Person::Willing));
            assert_eq!(view(&assertion.auth_data).sign_count, 0);
        }
        assert!(world.kept() == kept, "nothing to commit");
    }
}

#[test]
fn ga_counter_is_committed_before_the_response_leaves() {
    let mut world = World::fresh();
    let id = world.register(create_discoverable(1)).credential.id;
    let step = world.begin(Request::GetAssertion(get()));
    let (changes, pending) = world.until_commit(step, Person::Willing);
    assert_eq!((changes.update.len(), changes.put.len()), (1, 0));
    assert_eq!(changes.update[0].credential.sign_count, 1);
    let kept = world.kept();
    let failed = Err(countersign::credential::StoreError::Unavailable);
    let step = world.authenticator.committed(pending, failed, world.now, &mut world.rng);
    assert_failed(&done(step), Status::Other);
    assert!(world.kept() == kept);
    let assertion = asserted(world.get(get_named(&[&id]), Person::Willing));
    assert_eq!(view(&assertion.auth_data).sign_count, 1, "the failed one left no trace");
}

#[test]
fn ga_credential_deleted_before_its_counter_is_committed_stays_deleted() {
    let mut world = World::fresh();
    let id = world.register(create_discoverable(1)).credential.id;
    world.register(create_discoverable(2));
    for request in [get_named(&[&id]), get()] {
        let step = world.begin(Request::GetAssertion(request));
        let (changes, pending) = world.until_commit(step, Person::Willing);
        let signer = changes.update[0].credential.id.clone();
        world.delete(&signer);
        assert_failed(&done(world.commit(changes, pending)), Status::NoCredentials);
        assert!(world.record(&signer).is_none());
        assert_failed(&world.next(), Status::NotAllowed);
    }
    assert!(world.records().is_empty());
}

#[test]
fn ga_backup_state_that_was_set_shows_in_the_next_assertion_and_be_never_changes() {
    let settings =
        Settings { backup: NewCredentialBackup::Eligible { backed_up: false }, ..Settings::security_key() };
    let mut world = unverified(settings);
    let mut record = world.register(create_discoverable(1));
    for backed_up in [false, true, false] {
        let query = Query::Discoverable(record.credential.rp.id.clone());
        record = world.store.load(&query).unwrap()[0].clone_secret();
        record.credential.set_backed_up(backed_up).unwrap();
        world.update(record.clone_secret()).unwrap();
        let flags = flags(&asserted(world.get(get(), Person::Willing)).auth_data);
        assert!(flags.backup_eligible());
        assert_eq!(flags.backup_state(), backed_up);
    }
    // BE stays, though new credentials of this authenticator would be bound to the device.
    let mut upgraded = World::fresh();
    upgraded.put(record);
    assert!(flags(&asserted(upgraded.get(get(), Person::Willing)).auth_data).backup_eligible());
    let mut bound = World::fresh().register(create()).credential;
    assert!(bound.set_backed_up(true).is_err());
    assert!(!bound.backup.backed_up());
}

#[test]
fn ga_date_of_use_is_recorded_where_the_setting_says_so() {
    for (recorded, expected) in [(true, Some(TODAY)), (false, None)] {
        let mut world = unverified(Settings { record_last_use: recorded, ..Settings::security_key() });
        let id = world.register(create_discoverable(1)).credential.id;
        asserted(world.get(get(), Person::Willing));
        assert_eq!(world.record(&id).unwrap().credential.last_used, expected);
        assert_eq!(world.record(&id).unwrap().credential.created, Some(TODAY));
    }
}

#[test]
fn ga_ctap_door_never_says_user_selected() {
    let mut world = World::fresh();
    world.register(create_discoverable(1));
    world.register(create_discoverable(2));
    let (response, asked) = world.questions_of(|world| world.get(get(), Person::Willing));
    assert!(!asserted(response).user_selected);
    let Purpose::SignIn { accounts, choose, .. } = &asked[0].purpose else { panic!("a sign-in") };
    assert_eq!((accounts.len(), *choose), (2, false));
}

#[test]
fn ga_cred_protect_of_the_store_counts_not_that_of_the_question() {
    // The level was raised while the question was open.
    let mut world = World::fresh();
    let mut record = world.register(create_discoverable(1));
    let step = world.begin(Request::GetAssertion(get()));
    let (question, pending) = world.until_asked(step);
    record.credential.cred_protect = CredProtect::UserVerificationRequired;
    world.put(record);
    let answer = crate::common::world::answer(&question, Person::Willing);
    let step = world.authenticator.answer(pending, answer, world.now, &mut world.rng);
    assert_failed(&world.finish(step, Person::Willing).response, Status::NoCredentials);
}

/// Step 9.4 is for whoever proved presence, with a token or without; step 8 leaves it out after built-in verification.
#[test]
fn presence_without_a_token_spends_the_token_too() {
    let mut world = World::new(host_verified(Settings::security_key()));
    world.set_pin();
    world.register(create_verified(1));
    let registration = || MakeCredential { options: Options::default(), ..create() };
    type Act<'a> = &'a dyn Fn(&mut World) -> Response;
    let acts: [(Act<'_>, bool); 6] = [
        (&|world| world.get(get(), Person::Willing), true),
        (&|world| world.make(registration(), Person::Willing), true),
        (&|world| world.get(get(), Person::Declines), false),
        (&|world| world.get(get_silently(), Person::Willing), false),
        (&|world| world.get(get_verified(), Person::Willing), false),
        (&|world| world.make(create_verified(2), Person::Willing), false),
    ];
    for (number, (act, spends)) in acts.into_iter().enumerate() {
        let token = world.token(GA | LBW, Some(RP));
        act(&mut world);
        let mut request = get_silently();
        request.pin_uv_auth = token.auth(&[&HASH.0]);
        match world.get(request, Person::Willing) {
            Response::Failed(status) => assert!(spends && status == Status::PinAuthInvalid, "{number}"),
            response => assert!(!spends && flags(&asserted(response).auth_data).user_verified(), "{number}"),
        }
    }
}
