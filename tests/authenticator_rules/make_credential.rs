//! authenticatorMakeCredential (CTAP 2.3 section 6.1.2).

use ciborium::Value;
use countersign::{
    attestation::AttestationFormat,
    authenticator::{NewCredentialBackup, Purpose, Settings, UserVerification, Verification},
    cose::{CoseAlgorithm, PublicKey},
    credential::CredProtect,
    ctap2::{Limits, MakeCredential, Request, Status},
    webauthn::{RpEntity, UserEntity, UserHandle},
};

use crate::{
    common::world::{Person, World},
    requests::*,
};

#[test]
fn mc_empty_pin_uv_auth_param_asks_for_a_touch_and_says_whether_a_pin_is_set() {
    for (mut world, status) in [(World::fresh(), Status::PinNotSet), (World::with_pin(), Status::PinInvalid)]
    {
        // Nothing else is looked at: neither the algorithms nor the options would be accepted.
        let mut request = MakeCredential { algorithms: vec![], pin_uv_auth: param(0, None), ..create() };
        request.options.up = Some(false);
        let (response, asked) = world.questions_of(|world| world.make(request.clone(), Person::Willing));
        assert_failed(&response, status);
        assert_eq!(asked.len(), 1);
        assert_eq!((&asked[0].purpose, asked[0].verification), (&Purpose::Select, Verification::None));
        for person in [Person::Declines, Person::Absent] {
            assert_failed(&world.make(request.clone(), person), Status::OperationDenied);
        }
    }
}

#[test]
fn mc_pin_uv_auth_param_needs_a_supported_protocol() {
    let mut world = World::with_pin();
    let with = |protocol| MakeCredential { pin_uv_auth: param(32, protocol), ..create() };
    for (protocol, status) in [
        (None, Status::MissingParameter),
        (Some(0), Status::InvalidParameter),
        (Some(3), Status::InvalidParameter),
        (Some(1), Status::PinAuthInvalid),
        (Some(2), Status::PinAuthInvalid),
    ] {
        let (response, asked) = world.questions_of(|world| world.make(with(protocol), Person::Willing));
        assert_failed(&response, status);
        assert!(asked.is_empty());
    }
}

#[test]
fn mc_first_supported_algorithm_in_the_relying_partys_order_wins() {
    for (order, algorithm) in [
        (vec![ES256, EDDSA], CoseAlgorithm::Es256),
        (vec![EDDSA, ES256], CoseAlgorithm::EdDsa),
        (vec![-257, EDDSA, ES256], CoseAlgorithm::EdDsa),
        (vec![ES256, EDDSA, ES256], CoseAlgorithm::Es256),
        // One that getInfo does not list.
        (vec![-36, -35, ES256], CoseAlgorithm::Es384),
    ] {
        // Not our order: the settings prefer another one.
        let ours = CoseAlgorithm::ALL.to_vec();
        for preferred in [ours.clone(), ours.into_iter().rev().collect()] {
            let settings =
                Settings { algorithms: preferred, ..World::fresh().authenticator.settings().clone() };
            let record =
                World::new(settings).register(MakeCredential { algorithms: order.clone(), ..create() });
            assert_eq!(record.secret.key.algorithm(), algorithm, "{order:?}");
        }
    }
}

#[test]
fn mc_no_supported_algorithm_is_unsupported_algorithm() {
    let mut world = World::fresh();
    for algorithms in [vec![], vec![-257], vec![-36, -53, -257, 7, i64::MIN]] {
        let (response, asked) = world
            .questions_of(|world| world.make(MakeCredential { algorithms, ..create() }, Person::Willing));
        assert_failed(&response, Status::UnsupportedAlgorithm);
        assert!(asked.is_empty());
    }
    // An algorithm that exists, but is not enabled.
    let only = vec![CoseAlgorithm::EdDsa];
    let settings = Settings {
        algorithms: only.clone(),
        advertised_algorithms: only,
        ..world.authenticator.settings().clone()
    };
    assert_failed(&World::new(settings).make(create(), Person::Willing), Status::UnsupportedAlgorithm);
}

#[test]
fn mc_negotiated_algorithm_stands_in_the_cose_key_and_in_self_attestation() {
    for algorithm in CoseAlgorithm::ALL.iter().copied() {
        let identifier = algorithm.identifier();
        let mut world = World::fresh();
        let response =
            made(world.make(MakeCredential { algorithms: vec![identifier], ..create() }, Person::Willing));
        let data = view(&response.auth_data);
        let (_, id, key) = data.attested.unwrap();
        let (named, public) = PublicKey::from_cose(&key).unwrap();
        assert_eq!(named, algorithm);
        assert_eq!(response.fmt, "packed");
        let Value::Map(statement) = &response.att_stmt else { panic!("a map") };
        assert_eq!(statement.len(), 2, "alg and sig, no x5c");
        let member = |name: &str| &statement.iter().find(|(key, _)| key.as_text() == Some(name)).unwrap().1;
        assert_eq!(member("alg"), &Value::from(identifier));
        let signature = member("sig").as_bytes().unwrap();
        assert_signed(&public, &[&response.auth_data, &HASH.0], signature);
        assert_eq!(*world.record(&id).unwrap().secret.key.public(), public);
    }
}

#[test]
fn mc_attestation_none_has_an_empty_statement() {
    let settings = Settings {
        attestation: AttestationFormat::None,
        user_verification: UserVerification::None,
        ..Settings::security_key()
    };
    let response = made(World::new(settings).make(create(), Person::Willing));
    assert_eq!((response.fmt, response.att_stmt), ("none", Value::Map(Vec::new())));
}

#[test]
fn mc_pin_uv_auth_param_overrides_option_uv() {
    // Option uv alone would be INVALID_OPTION here, and a question where users are verified.
    for mut world in [World::fresh(), World::with_host_verifier()] {
        let mut request = MakeCredential { pin_uv_auth: param(16, Some(1)), ..create() };
        request.options.uv = Some(true);
        let (response, asked) = world.questions_of(|world| world.make(request, Person::Willing));
        assert_failed(&response, Status::PinAuthInvalid);
        assert!(asked.is_empty());
    }
}

#[test]
fn mc_pin_uv_auth_param_is_verified_after_algorithms_options_and_enterprise_attestation() {
    let mut world = World::with_pin();
    let wrong = |mend: fn(&mut MakeCredential)| {
        let mut request = MakeCredential { pin_uv_auth: param(32, Some(2)), ..create_discoverable(1) };
        mend(&mut request);
        request
    };
    for (request, status) in [
        (wrong(|request| request.algorithms = vec![-257]), Status::UnsupportedAlgorithm),
        (wrong(|request| request.options.up = Some(false)), Status::InvalidOption),
        (wrong(|request| request.enterprise_attestation = Some(1)), Status::InvalidParameter),
        // Not OPERATION_DENIED of step 7: there is a parameter.
        (wrong(|_| ()), Status::PinAuthInvalid),
    ] {
        let (response, asked) = world.questions_of(|world| world.make(request, Person::Willing));
        assert_failed(&response, status);
        assert!(asked.is_empty());
    }
}

#[test]
fn mc_option_uv_without_configured_verification_is_invalid_option() {
    // No verification at all, and a PIN that is not set yet.
    for mut world in [World::fresh(), World::new(Settings::security_key())] {
        assert_failed(&world.make(create_verified(1), Person::Willing), Status::InvalidOption);
        let mut request = create();
        request.options.uv = Some(false);
        made(world.make(request, Person::Willing));
    }
}

#[test]
fn mc_option_up_may_only_be_true() {
    let mut world = World::fresh();
    let mut request = create();
    request.options.up = Some(false);
    assert_failed(&world.make(request.clone(), Person::Willing), Status::InvalidOption);
    request.options.up = Some(true);
    made(world.make(request, Person::Willing));
}

#[test]
fn mc_option_rk_is_supported_both_ways() {
    let mut world = World::fresh();
    for rk in [None, Some(false), Some(true)] {
        let mut request = create();
        request.options.rk = rk;
        assert_eq!(world.register(request).credential.discoverable, rk == Some(true));
    }
}

#[test]
fn mc_always_uv_verifies_though_the_request_does_not_ask() {
    let settings = Settings { always_uv: true, ..Settings::security_key() };
    let mut world = World::new(host_verified(settings.clone()));
    for request in [create(), create_discoverable(2)] {
        assert!(flags(&made(world.make(request.clone(), Person::Willing)).auth_data).user_verified());
        assert_failed(&world.make(request, Person::OnlyTouches), Status::OperationDenied);
    }
    // Nobody can be verified here; where a platform could set a PIN and get a token, it is sent for one.
    for user_verification in [UserVerification::None, UserVerification::Pin] {
        for (client_pin, status) in [(false, Status::OperationDenied), (true, Status::PuatRequired)] {
            let mut world = World::new(Settings { user_verification, client_pin, ..settings.clone() });
            assert_failed(&world.make(create(), Person::Willing), status);
        }
    }
}

#[test]
fn mc_without_uv_makes_only_what_make_cred_uv_not_required_allows() {
    // What needs verification is sent for a token where a platform can get one.
    for (client_pin, status) in [(false, Status::OperationDenied), (true, Status::PuatRequired)] {
        let settings = Settings { client_pin, ..Settings::security_key() };
        let mut world = World::new(settings.clone());
        world.set_pin();
        assert_failed(&world.make(create_discoverable(1), Person::Willing), status);
        let data = made(world.make(create(), Person::Willing)).auth_data;
        assert!(flags(&data).user_present() && !flags(&data).user_verified());
        let mut strict = World::new(Settings { make_cred_uv_not_required: false, ..settings });
        strict.set_pin();
        assert_failed(&strict.make(create(), Person::Willing), status);
    }
    // Without a PIN nothing is protected.
    assert!(World::new(Settings::security_key()).register(create_discoverable(1)).credential.discoverable);
}

#[test]
fn mc_enterprise_attestation_is_not_enabled() {
    let mut world = World::fresh();
    for kind in [0, 1, 2, 3] {
        let request = MakeCredential { enterprise_attestation: Some(kind), ..create() };
        assert_failed(&world.make(request, Person::Willing), Status::InvalidParameter);
    }
}

#[test]
fn mc_excluded_is_said_after_user_presence_whether_or_not_it_is_given() {
    let mut world = World::fresh();
    for discoverable in [false, true] {
        let mut first = create();
        first.options.rk = Some(discoverable);
        let id = world.register(first).credential.id;
        let kept = world.kept();
        let request = MakeCredential { exclude_list: descriptors(&[&id]), ..create() };
        for person in [Person::Willing, Person::Declines, Person::Absent] {
            let (response, asked) = world.questions_of(|world| world.make(request.clone(), person));
            assert_failed(&response, Status::CredentialExcluded);
            assert_eq!(asked.len(), 1);
            assert!(matches!(asked[0].purpose, Purpose::AlreadyRegistered { .. }));
            assert!(world.kept() == kept);
        }
    }
}

#[test]
fn mc_exclude_list_of_foreign_credentials_and_relying_parties_excludes_nothing() {
    let mut world = World::fresh();
    let mut elsewhere = create();
    elsewhere.rp.id = rp_id("example.org");
    let foreign = world.register(elsewhere).credential.id;
    let unknown = countersign::webauthn::CredentialId::new(&[9; 32]).unwrap();
    let request = MakeCredential { exclude_list: descriptors(&[&unknown, &foreign]), ..create() };
    made(world.make(request, Person::Willing));
}

#[test]
fn mc_excluded_level3_credential_is_absent_without_uv_and_level2_is_not() {
    for (level, verified, excluded) in
        [(3, false, false), (3, true, true), (2, false, true), (2, true, true), (1, false, true)]
    {
        let settings = Settings::security_key();
        let mut world = World::new(host_verified(settings));
        let id = world.register(protected(create(), level)).credential.id;
        let mut request = MakeCredential { exclude_list: descriptors(&[&id]), ..create() };
        request.options.uv = Some(verified);
        let response = world.make(request, Person::Willing);
        if excluded {
            assert_failed(&response, Status::CredentialExcluded);
        } else {
            made(response);
        }
    }
}

#[test]
fn mc_presence_that_verification_proved_is_not_asked_again() {
    for mut world in [World::with_host_verifier(), World::with_pin()] {
        let (response, asked) = world.questions_of(|world| world.make(create_verified(1), Person::Willing));
        let data = made(response).auth_data;
        assert!(flags(&data).user_present() && flags(&data).user_verified());
        assert_eq!(asked.len(), 1);
        let id = view(&data).attested.unwrap().1;
        let request = MakeCredential { exclude_list: descriptors(&[&id]), ..create_verified(1) };
        let (response, asked) = world.questions_of(|world| world.make(request, Person::Willing));
        assert_failed(&response, Status::CredentialExcluded);
        assert_eq!(asked.len(), 1, "verified, hence present: excluded at once");
    }
}

#[test]
fn mc_needs_presence_without_a_token_and_refusals_are_operation_denied() {
    let mut world = World::fresh();
    let (response, asked) = world.questions_of(|world| world.make(create(), Person::Willing));
    assert!(flags(&made(response).auth_data).user_present());
    assert_eq!(asked.len(), 1);
    for person in [Person::Declines, Person::Absent] {
        assert_failed(&world.make(create(), person), Status::OperationDenied);
    }
    assert_eq!(world.records().len(), 1);
}

#[test]
fn mc_failed_verification_is_denied_and_timed_out_verification_is_action_timeout() {
    let mut world = World::with_host_verifier();
    assert_failed(&world.make(create_verified(1), Person::Absent), Status::UserActionTimeout);
    for person in [Person::Declines, Person::OnlyTouches] {
        assert_failed(&world.make(create_verified(1), person), Status::OperationDenied);
    }
    assert!(world.records().is_empty());
}

#[test]
fn mc_same_rp_and_user_replaces_the_discoverable_credential() {
    let mut world = World::fresh();
    let first = world.register(create_discoverable(1)).credential.id;
    let other_user = world.register(create_discoverable(2)).credential.id;
    let mut elsewhere = create_discoverable(1);
    elsewhere.rp.id = rp_id("example.org");
    let other_rp = world.register(elsewhere).credential.id;
    let unlisted = world.register(create()).credential.id;
    let second = world.register(create_discoverable(1)).credential.id;
    assert_ne!(first, second);
    let kept: Vec<_> = world.records().into_iter().map(|record| record.credential.id).collect();
    assert!(!kept.contains(&first));
    for id in [&second, &other_user, &other_rp, &unlisted] {
        assert!(kept.contains(id));
    }
    assert_failed(&world.get(get_named(&[&first]), Person::Willing), Status::NoCredentials);
}

#[test]
fn mc_non_discoverable_credential_replaces_nothing() {
    let mut world = World::fresh();
    let listed = world.register(create_discoverable(1)).credential.id;
    world.register(create());
    world.register(create());
    assert_eq!(world.records().len(), 3);
    assert!(world.record(&listed).is_some());
}

#[test]
fn mc_no_room_is_key_store_full_and_replacing_still_works() {
    let mut world = World::fresh();
    world.store = countersign::credential::MemoryStore::with_capacity(1);
    world.register(create_discoverable(1));
    let kept = world.kept();
    assert_failed(&world.make(create_discoverable(2), Person::Willing), Status::KeyStoreFull);
    assert_failed(&world.make(create(), Person::Willing), Status::KeyStoreFull);
    assert!(world.kept() == kept);
    world.register(create_discoverable(1));
}

#[test]
fn mc_extension_outputs_answer_inputs_and_ed_is_set_only_with_outputs() {
    let mut world = World::fresh();
    let data = made(world.make(create(), Person::Willing)).auth_data;
    assert!(!flags(&data).extensions());
    let mut request = create();
    request.extensions.hmac_secret = Some(false);
    let data = made(world.make(request.clone(), Person::Willing)).auth_data;
    assert!(!flags(&data).extensions(), "hmac-secret: false has no output");
    request.extensions.hmac_secret = Some(true);
    let data = made(world.make(request.clone(), Person::Willing)).auth_data;
    let outputs = view(&data).extensions().unwrap();
    assert_eq!(outputs.named("hmac-secret").unwrap().boolean(), Some(true));
    assert!(outputs.named("credProtect").is_none());
    request.extensions.cred_protect = Some(2);
    let data = made(world.make(request, Person::Willing)).auth_data;
    let outputs = view(&data).extensions().unwrap();
    assert_eq!(outputs.named("credProtect").unwrap().unsigned(), Some(2));
}

#[test]
fn mc_cred_protect_outside_1_to_3_is_invalid_option() {
    let mut world = World::fresh();
    for level in [0, 4, 255, u64::MAX] {
        let (response, asked) =
            world.questions_of(|world| world.make(protected(create(), level), Person::Willing));
        assert_failed(&response, Status::InvalidOption);
        assert!(asked.is_empty());
    }
    for (level, policy) in [
        (1, CredProtect::UserVerificationOptional),
        (2, CredProtect::UserVerificationOptionalWithCredentialIdList),
        (3, CredProtect::UserVerificationRequired),
    ] {
        assert_eq!(level_of(&mut world, level), policy);
    }
}

fn level_of(world: &mut World, asked: u64) -> CredProtect {
    level(&world.register(protected(create(), asked)))
}

#[test]
fn mc_empty_exclude_list_is_no_list() {
    let mut world = World::fresh();
    let mut bytes = Request::MakeCredential(create()).encode();
    // One member more: 5, the empty list.
    bytes[1] += 1;
    bytes.extend_from_slice(&[0x05, 0x80]);
    assert_eq!(world.ctap(&bytes, Person::Willing)[0], 0);
}

#[test]
fn mc_exclude_list_over_the_announced_limit_is_limit_exceeded() {
    let settings = Settings {
        max_credential_count_in_list: 2,
        user_verification: UserVerification::None,
        ..Settings::security_key()
    };
    let mut world = World::new(settings);
    let ids: Vec<_> = (0..3).map(|n| countersign::webauthn::CredentialId::new(&[n; 32]).unwrap()).collect();
    let list = |count: usize| descriptors(&ids.iter().take(count).collect::<Vec<_>>());
    let request =
        |count| Request::MakeCredential(MakeCredential { exclude_list: list(count), ..create() }).encode();
    assert_eq!(world.ctap(&request(2), Person::Willing)[0], 0);
    assert_eq!(world.ctap(&request(3), Person::Willing), [Status::LimitExceeded.byte()]);
}

#[test]
fn mc_names_are_cut_at_a_character_and_never_refused() {
    let mut world = World::fresh();
    // 63 bytes and then a character of three.
    let long = format!("{}\u{20ac}uro", "n".repeat(63));
    let mut request = create_discoverable(1);
    request.rp.name = Some(long.as_str().into());
    request.user.name = Some(long.into());
    request.user.display_name = Some("\u{1f511}".repeat(40).into());
    let credential = world.register(request).credential;
    assert_eq!(credential.rp.name.as_deref(), Some("n".repeat(63).as_str()));
    assert_eq!(credential.user.name.as_deref(), Some("n".repeat(63).as_str()));
    assert_eq!(credential.user.display_name.as_deref(), Some("\u{1f511}".repeat(16).as_str()));
}

#[test]
fn mc_names_may_be_empty_or_missing() {
    let mut world = World::fresh();
    let mut request = create_discoverable(1);
    request.user = UserEntity { display_name: Some("".into()), name: None, ..request.user };
    request.rp = RpEntity { name: Some("".into()), ..request.rp };
    let credential = world.register(request.clone()).credential;
    assert_eq!(credential.user, request.user);
    assert_eq!(credential.rp, request.rp);
    request.user.id = UserHandle::new(&[]).unwrap();
    world.register(request);
}

#[test]
fn mc_both_cred_randoms_are_made_asked_for_or_not() {
    let mut world = World::fresh();
    for wanted in [None, Some(false), Some(true)] {
        let mut request = create();
        request.extensions.hmac_secret = wanted;
        let secret = world.register(request).secret;
        let (with, without) = (secret.cred_random_with_uv.expose(), secret.cred_random_without_uv.expose());
        assert_ne!(with, without);
        assert!(with != &[0; 32] && without != &[0; 32]);
    }
}

#[test]
fn mc_be_and_bs_are_as_the_settings_say() {
    for (backup, be, bs) in [
        (NewCredentialBackup::DeviceBound, false, false),
        (NewCredentialBackup::Eligible { backed_up: false }, true, false),
        (NewCredentialBackup::Eligible { backed_up: true }, true, true),
    ] {
        let settings =
            Settings { backup, user_verification: UserVerification::None, ..Settings::security_key() };
        let mut world = World::new(settings);
        let data = made(world.make(create(), Person::Willing)).auth_data;
        assert_eq!((flags(&data).backup_eligible(), flags(&data).backup_state()), (be, bs));
        assert_eq!(view(&data).sign_count, 0);
    }
}

#[test]
fn mc_credential_id_has_the_length_of_the_settings_and_is_fresh() {
    for length in [16, 32, 1023] {
        let settings = Settings {
            credential_id_length: length,
            user_verification: UserVerification::None,
            ..Settings::security_key()
        };
        let mut world = World::new(settings);
        let (first, second) = (world.register(create()), world.register(create()));
        assert_eq!(first.credential.id.as_bytes().len(), length);
        assert_ne!(first.credential.id, second.credential.id);
    }
}

#[test]
fn mc_is_read_as_it_is_written() {
    let limits = Limits { max_message: 7609, max_list: 64 };
    let request = Request::MakeCredential(protected(create_verified(1), 3));
    assert_eq!(Request::decode(&request.encode(), &limits), Ok(request));
}

#[test]
fn mc_whose_response_no_message_holds_makes_no_credential() {
    // The identifier alone is as long as the message.
    let settings = Settings {
        user_verification: UserVerification::None,
        max_msg_size: 1024,
        credential_id_length: 1023,
        ..Settings::security_key()
    };
    let mut world = World::new(settings);
    let kept = world.kept();
    assert_failed(&world.make(create_discoverable(1), Person::Willing), Status::Other);
    assert!(world.kept() == kept, "what cannot be told is not stored");
}
