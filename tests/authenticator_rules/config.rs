//! authenticatorConfig (CTAP 2.3 section 6.11).

use std::sync::Arc;

use countersign::{
    attestation::EnterpriseAttester,
    authenticator::{Authenticator, PinPolicy, Purpose, ResetPolicy, Settings, UserVerification},
    cbor::{Item, Profile, Writer},
    credential::StoreError,
    crypto::RustCrypto,
    ctap2::{
        Config, Configure, CredentialManagement, ManageCredentials, PinUvAuth, Request, Response,
        SetMinPinLength, Status,
    },
    pin_uv::PinUvAuthProtocol,
};

use crate::{
    common::{
        attesters::attester,
        platform::{ACFG, MC, PCMR, Platform, Token},
        world::{PIN, Person, World},
    },
    requests::*,
};

fn settings() -> Settings {
    Settings { client_pin: true, authenticator_config: true, ..Settings::security_key() }
}

fn protected() -> World {
    let mut world = World::new(settings());
    world.set_pin();
    world
}

fn unprotected() -> World {
    World::new(settings())
}

fn request(subcommand: Configure, token: Option<&Token>) -> Config {
    let mut request = Config::new(subcommand);
    request.pin_uv_auth = token.and_then(|token| token.auth(&[&[0xFF; 32], &[0x0D], &request.signed]));
    request
}

fn min_length(new: u64) -> Configure {
    Configure::SetMinPinLength(SetMinPinLength { new_min_pin_length: Some(new), ..Default::default() })
}

fn force() -> Configure {
    Configure::SetMinPinLength(SetMinPinLength { force_change_pin: Some(true), ..Default::default() })
}

fn rp_ids(count: usize) -> Configure {
    let ids = (0..count).map(|index| rp_id(&format!("rp{index}.example"))).collect();
    Configure::SetMinPinLength(SetMinPinLength { min_pin_length_rp_ids: Some(ids), ..Default::default() })
}

impl World {
    fn config(&mut self, subcommand: Configure, token: Option<&Token>) -> Response {
        self.call(Request::Config(request(subcommand, token)), Person::Absent)
    }

    /// With a token that is got for it.
    fn configure(&mut self, subcommand: Configure) -> Response {
        let token = self.token(ACFG, None);
        self.config(subcommand, Some(&token))
    }

    fn option(&mut self, name: &str) -> Option<bool> {
        let response = self.ctap(&[0x04], Person::Absent);
        let map = Item::parse(&response[1..], Profile::CTAP2).unwrap().map().unwrap();
        map.at(0x04).unwrap().map().unwrap().named(name).map(|on| on.boolean().unwrap())
    }

    fn commands(&mut self) -> Option<Vec<u64>> {
        let response = self.ctap(&[0x04], Person::Absent);
        let map = Item::parse(&response[1..], Profile::CTAP2).unwrap().map().unwrap();
        map.at(0x1F).map(|list| list.array().unwrap().map(|number| number.unsigned().unwrap()).collect())
    }
}

#[test]
fn config_off_is_an_invalid_command() {
    let mut world = World::new(Settings { authenticator_config: false, ..settings() });
    assert_failed(&world.config(Configure::ToggleAlwaysUv, None), Status::InvalidCommand);
    assert_eq!((world.option("authnrCfg"), world.commands()), (None, None));
}

#[test]
fn config_unsupported_subcommand_is_an_invalid_parameter_before_the_token_is_looked_at() {
    let mut world = protected();
    for number in [0x00, 0x05, 0x20, 0xFF] {
        let mut message = Writer::after(0x0D);
        message.map(1).unsigned(1).unsigned(number);
        assert_eq!(world.ctap(&message.finish(), Person::Absent), [Status::InvalidParameter.byte()]);
    }
    // Known, and not supported by these settings.
    assert_failed(&world.config(Configure::EnableEnterpriseAttestation, None), Status::InvalidParameter);
    let mut world = World::new(Settings { reset: ResetPolicy::Off, client_pin: false, ..settings() });
    assert_failed(&world.config(Configure::EnableLongTouchForReset, None), Status::InvalidParameter);
    assert_failed(&world.config(min_length(6), None), Status::InvalidParameter);
}

#[test]
fn config_commands_are_those_that_work() {
    let cases: [(Settings, &[u64]); 3] = [
        (settings(), &[2, 3, 4]),
        (Settings { reset: ResetPolicy::Off, ..settings() }, &[2, 3]),
        (Settings { client_pin: false, ..settings() }, &[2, 4]),
    ];
    for (settings, listed) in cases {
        let mut world = World::new(settings);
        assert_eq!(world.commands().as_deref(), Some(listed));
        let all = [
            Configure::EnableEnterpriseAttestation,
            Configure::ToggleAlwaysUv,
            min_length(4),
            Configure::EnableLongTouchForReset,
        ];
        for subcommand in all {
            let works = listed.contains(&subcommand.number().into());
            let response = world.config(subcommand.clone(), None);
            assert_eq!(response == Response::Empty, works, "{subcommand:?}");
            // Back again, since with alwaysUv the others need a token.
            if works && subcommand == Configure::ToggleAlwaysUv {
                assert_eq!(world.config(subcommand, None), Response::Empty);
            }
        }
    }
}

#[test]
fn config_needs_no_token_while_nothing_verifies_users() {
    for subcommand in
        [min_length(6), rp_ids(2), Configure::EnableLongTouchForReset, Configure::ToggleAlwaysUv]
    {
        assert_eq!(unprotected().config(subcommand, None), Response::Empty);
    }
}

#[test]
fn config_of_a_protected_authenticator_needs_a_token() {
    for subcommand in [min_length(6), force(), Configure::EnableLongTouchForReset, Configure::ToggleAlwaysUv]
    {
        assert_failed(&protected().config(subcommand, None), Status::PuatRequired);
    }
    let host = UserVerification::Host;
    let mut world = World::new(Settings { user_verification: host, ..settings() });
    assert_failed(&world.config(Configure::ToggleAlwaysUv, None), Status::PuatRequired);
}

#[test]
fn config_under_always_uv_without_protection_lets_it_be_toggled_and_nothing_else() {
    let mut world = World::new(Settings { always_uv: true, ..settings() });
    assert_failed(&world.config(min_length(6), None), Status::PuatRequired);
    assert_failed(&world.config(Configure::EnableLongTouchForReset, None), Status::PuatRequired);
    assert_eq!(world.config(Configure::ToggleAlwaysUv, None), Response::Empty);
    assert_eq!(world.option("alwaysUv"), Some(false));
    assert_eq!(world.config(min_length(6), None), Response::Empty);
}

#[test]
fn config_token_is_checked() {
    let mut world = protected();
    let token = world.token(ACFG, None);
    let good = request(Configure::ToggleAlwaysUv, Some(&token));
    let with = |pin_uv_auth| Request::Config(Config { pin_uv_auth, ..good.clone() });
    let auth = good.pin_uv_auth.clone().unwrap();
    for (protocol, status) in [
        (None, Status::MissingParameter),
        (Some(3), Status::InvalidParameter),
        (Some(1), Status::PinAuthInvalid),
    ] {
        let auth = PinUvAuth { protocol, ..auth.clone() };
        assert_failed(&world.call(with(Some(auth)), Person::Absent), status);
    }
    // Another sub-command's, another command's, one without the 32 bytes 0xFF.
    for message in [&[0x0D, 0x03][..], &[0x0C, 0x02], &[0x0D]] {
        let auth = token.auth(&[&[0xFF; 32], message]);
        assert_failed(&world.call(with(auth), Person::Absent), Status::PinAuthInvalid);
    }
    assert_failed(&world.call(with(token.auth(&[&[0x0D, 0x02]])), Person::Absent), Status::PinAuthInvalid);
    assert_eq!(world.authenticator.pin_tries_left(), Some(8), "no PIN try is counted");
    assert_eq!(world.call(with(Some(auth)), Person::Absent), Response::Empty);
    let other = world.token(MC, Some(RP));
    assert_failed(&world.config(Configure::ToggleAlwaysUv, Some(&other)), Status::PinAuthInvalid);
}

#[test]
fn config_token_signs_the_parameters_as_they_were_received() {
    let mut world = protected();
    let token = world.token(ACFG, None);
    // { 1: 6, 9: true }: the second member is unknown and tolerated.
    let parameters = [0xA2, 0x01, 0x06, 0x09, 0xF5];
    let known = [0xA1, 0x01, 0x06];
    let mut message = |signed: &[u8]| {
        let auth = token.auth(&[&[0xFF; 32], &[0x0D, 0x03], signed]).unwrap();
        let mut message = Writer::after(0x0D);
        message.map(4).unsigned(1).unsigned(3).unsigned(2).raw(&parameters);
        message.unsigned(3).unsigned(2).unsigned(4).bytes(&auth.param);
        world.ctap(&message.finish(), Person::Absent)
    };
    assert_eq!(message(&known), [Status::PinAuthInvalid.byte()]);
    assert_eq!(message(&parameters), [0]);
}

#[test]
fn config_always_uv_toggles_with_what_hangs_on_it() {
    let mut world = protected();
    assert_eq!((world.option("alwaysUv"), world.option("makeCredUvNotRqd")), (Some(false), Some(true)));
    assert_eq!(world.configure(Configure::ToggleAlwaysUv), Response::Empty);
    assert_eq!((world.option("alwaysUv"), world.option("makeCredUvNotRqd")), (Some(true), Some(false)));
    world.power_cycle();
    assert_eq!(world.option("alwaysUv"), Some(true));
    // Without a token, the key's own PIN is asked for.
    let (response, asked) = world.questions_of(|world| world.make(create(), Person::Willing));
    made(response);
    assert!(
        asked.iter().any(|question| question.verification != countersign::authenticator::Verification::None)
    );
    assert_eq!(world.configure(Configure::ToggleAlwaysUv), Response::Empty);
    assert_eq!((world.option("alwaysUv"), world.option("makeCredUvNotRqd")), (Some(false), Some(true)));
}

#[cfg(feature = "u2f")]
#[test]
fn config_always_uv_turns_u2f_off_and_on_again() {
    let mut world = unprotected();
    world.authenticator =
        Authenticator::new(world.authenticator.settings().clone(), None, Arc::new(RustCrypto))
            .unwrap()
            .with_attester(attester("packed.ES256"))
            .unwrap();
    for offered in [true, false, true] {
        assert_eq!(world.authenticator.info().versions.contains(&"U2F_V2"), offered);
        assert_eq!(world.config(Configure::ToggleAlwaysUv, None), Response::Empty);
    }
}

#[test]
fn config_min_pin_length_only_grows() {
    let mut world = unprotected();
    let length = |world: &World| world.authenticator.info().min_pin_length;
    assert_eq!(length(&world), Some(4));
    for (new, result) in [
        (6, Ok(6)),
        (5, Err(6)),
        (0, Err(6)),
        (6, Ok(6)),
        (63, Ok(63)),
        (64, Err(63)),
        (256 + 63, Err(63)),
        (u64::MAX, Err(63)),
    ] {
        let response = world.config(min_length(new), None);
        match result {
            Ok(_) => assert_eq!(response, Response::Empty),
            Err(_) => assert_failed(&response, Status::PinPolicyViolation),
        }
        let (Ok(expected) | Err(expected)) = result;
        assert_eq!(length(&world), Some(expected));
    }
    world.power_cycle();
    assert_eq!(length(&world), Some(63));
}

#[test]
fn config_forced_pin_change_needs_a_pin() {
    assert_failed(&unprotected().config(force(), None), Status::PinNotSet);
    let mut world = protected();
    assert_eq!(world.authenticator.info().force_pin_change, Some(false));
    assert_eq!(world.configure(force()), Response::Empty);
    assert_eq!(world.authenticator.info().force_pin_change, Some(true));
    assert_eq!(world.try_token(PIN, ACFG, None).err(), Some(Status::PinPolicyViolation));
}

#[test]
fn config_pin_shorter_than_the_new_minimum_has_to_be_changed() {
    let mut world = protected();
    let four = PIN.chars().count() as u64;
    assert_eq!(world.configure(min_length(four)), Response::Empty);
    assert_eq!(world.authenticator.info().force_pin_change, Some(false));
    assert_eq!(world.configure(min_length(four + 1)), Response::Empty);
    assert_eq!(world.authenticator.info().force_pin_change, Some(true));
    // Changing it ends that.
    let platform = Platform::connect(&mut world, PinUvAuthProtocol::Two);
    assert_eq!(world.client_pin(platform.change_pin(PIN, "54321"), Person::Absent), Response::Empty);
    assert_eq!(world.authenticator.info().force_pin_change, Some(false));
}

#[test]
fn config_forced_pin_change_ends_the_tokens_that_the_pin_gave_out() {
    let mut world = protected();
    let persistent = world.token(PCMR, None);
    let token = world.token(ACFG, None);
    assert_eq!(world.config(force(), Some(&token)), Response::Empty);
    assert_failed(&world.config(Configure::ToggleAlwaysUv, Some(&token)), Status::PinAuthInvalid);
    let mut request = CredentialManagement::new(ManageCredentials::GetMetadata);
    request.pin_uv_auth = persistent.auth(&[&request.signed]);
    let response = world.call(Request::CredentialManagement(request), Person::Absent);
    assert_failed(&response, Status::PinAuthInvalid);
}

#[test]
fn config_list_of_relying_parties_is_replaced_and_bounded() {
    let mut world = unprotected();
    let most = world.authenticator.settings().max_rp_ids_for_set_min_pin_length;
    assert_eq!(world.authenticator.info().max_rp_ids_for_set_min_pin_length, Some(most as u64));
    let stored = |world: &World, name: &str| {
        let state = world.kept().1.unwrap_or_default();
        state.windows(name.len()).any(|window| window == name.as_bytes())
    };
    assert_eq!(world.config(rp_ids(most), None), Response::Empty);
    assert_failed(&world.config(rp_ids(most + 1), None), Status::KeyStoreFull);
    assert!(stored(&world, "rp0.example") && stored(&world, "rp7.example"));
    assert_eq!(world.config(rp_ids(1), None), Response::Empty);
    assert!(stored(&world, "rp0.example") && !stored(&world, "rp7.example"));
    // "present and contains at least one string": an empty list changes nothing.
    assert_eq!(world.config(rp_ids(0), None), Response::Empty);
    assert!(stored(&world, "rp0.example"));
}

/// A policy that authenticatorConfig has to turn on.
struct NoRuns;

impl PinPolicy for NoRuns {
    fn accepts(&self, pin: &str) -> bool {
        !pin.as_bytes().windows(2).all(|pair| pair[0] == pair[1])
    }

    fn is_always_on(&self) -> bool {
        false
    }
}

#[test]
fn config_pin_complexity_policy_is_turned_on_where_there_is_one() {
    let complexity = |on| {
        let parameters = SetMinPinLength { pin_complexity_policy: Some(on), ..Default::default() };
        Configure::SetMinPinLength(parameters)
    };
    assert_failed(&unprotected().config(complexity(true), None), Status::InvalidParameter);
    assert_eq!(unprotected().config(complexity(false), None), Response::Empty);

    let mut world = unprotected();
    world.authenticator =
        Authenticator::new(world.authenticator.settings().clone(), None, Arc::new(RustCrypto))
            .unwrap()
            .with_pin_policy(Arc::new(NoRuns));
    world.set_pin();
    assert_eq!(world.authenticator.info().pin_complexity_policy, Some(false));
    assert_eq!(world.configure(complexity(true)), Response::Empty);
    let info = world.authenticator.info();
    assert_eq!(info.pin_complexity_policy, Some(true));
    // Whether the PIN fits it, nobody knows.
    assert_eq!(info.force_pin_change, Some(true));
    let platform = Platform::connect(&mut world, PinUvAuthProtocol::Two);
    let refused = world.client_pin(platform.change_pin(PIN, "7777"), Person::Absent);
    assert_failed(&refused, Status::PinPolicyViolation);
    assert_eq!(world.client_pin(platform.change_pin(PIN, "7778"), Person::Absent), Response::Empty);
    // It is not turned off again, nor does it force another change.
    let token = world.try_token("7778", ACFG, None).unwrap();
    assert_eq!(world.config(complexity(false), Some(&token)), Response::Empty);
    assert_eq!(world.config(complexity(true), Some(&token)), Response::Empty);
    let info = world.authenticator.info();
    assert_eq!((info.pin_complexity_policy, info.force_pin_change), (Some(true), Some(false)));
}

#[test]
fn config_relying_parties_need_the_extension() {
    let mut world = World::new(Settings { max_rp_ids_for_set_min_pin_length: 0, ..settings() });
    assert_failed(&world.config(rp_ids(1), None), Status::InvalidParameter);
    assert_eq!(world.config(min_length(5), None), Response::Empty);
}

#[test]
fn config_that_is_refused_changes_nothing() {
    let mut world = unprotected();
    let kept = world.kept();
    let both = SetMinPinLength {
        new_min_pin_length: Some(8),
        min_pin_length_rp_ids: Some((0..9).map(|index| rp_id(&format!("rp{index}.example"))).collect()),
        ..Default::default()
    };
    assert_failed(&world.config(Configure::SetMinPinLength(both), None), Status::KeyStoreFull);
    assert!(world.kept() == kept && world.authenticator.info().min_pin_length == Some(4));
    let step = world.begin(Request::Config(request(Configure::ToggleAlwaysUv, None)));
    let (changes, pending) = world.until_commit(step, Person::Absent);
    assert!(changes.state.is_some());
    let step =
        world.authenticator.committed(pending, Err(StoreError::Unavailable), world.now, &mut world.rng);
    assert_failed(&done(step), Status::Other);
    assert_eq!(world.option("alwaysUv"), Some(false));
}

#[test]
fn config_long_touch_for_reset_is_told_to_the_person_until_the_reset() {
    let mut world = unprotected();
    assert_eq!(world.authenticator.info().long_touch_for_reset, Some(false));
    assert_eq!(world.config(Configure::EnableLongTouchForReset, None), Response::Empty);
    assert_eq!(
        world.config(Configure::EnableLongTouchForReset, None),
        Response::Empty,
        "once more is no mistake"
    );
    world.power_cycle();
    assert_eq!(world.authenticator.info().long_touch_for_reset, Some(true));
    let (response, asked) = world.questions_of(|world| world.call(Request::Reset, Person::Willing));
    assert_eq!(response, Response::Empty);
    assert_eq!(asked[0].purpose, Purpose::Reset { long_touch: true });
    assert_eq!(world.authenticator.info().long_touch_for_reset, Some(false));
}

#[test]
fn config_enterprise_attestation_is_enabled_where_there_is_one() {
    let mut world = unprotected();
    let enterprise = EnterpriseAttester {
        attester: attester("packed.EdDSA"),
        vendor_facilitated: vec![rp_id(RP)],
        platform_managed: false,
    };
    world.authenticator = Authenticator::new(settings(), None, Arc::new(RustCrypto))
        .unwrap()
        .with_enterprise_attester(enterprise)
        .unwrap();
    assert_eq!((world.option("ep"), world.commands()), (Some(false), Some(vec![1, 2, 3, 4])));
    let mut registration = create();
    registration.enterprise_attestation = Some(1);
    assert_failed(&world.make(registration.clone(), Person::Willing), Status::InvalidParameter);
    assert_eq!(world.config(Configure::EnableEnterpriseAttestation, None), Response::Empty);
    assert_eq!(world.option("ep"), Some(true));
    assert!(made(world.make(registration, Person::Willing)).ep_att);
    assert_eq!(
        world.config(Configure::EnableEnterpriseAttestation, None),
        Response::Empty,
        "once more is no mistake"
    );
}
