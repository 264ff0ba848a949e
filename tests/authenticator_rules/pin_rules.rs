//! minPinLength and pinComplexityPolicy (CTAP 2.3 sections 12.5 and 12.6): who may learn the rules for PINs.

use std::sync::Arc;

use countersign::{
    authenticator::{Authenticator, PinPolicy, Settings},
    cbor::Item,
    crypto::RustCrypto,
    ctap2::{Config, Configure, MakeCredential, Request, Response, SetMinPinLength},
    webauthn::RpEntity,
};

use crate::{
    common::world::{Person, World},
    requests::*,
};

fn configurable() -> Settings {
    Settings { client_pin: true, authenticator_config: true, ..Settings::security_key() }
}

/// Without a PIN, the configuration needs no token.
fn set(world: &mut World, parameters: SetMinPinLength) {
    let request = Request::Config(Config::new(Configure::SetMinPinLength(parameters)));
    assert_eq!(world.call(request, Person::Absent), Response::Empty);
}

/// An authenticator whose configuration raised the minimum PIN length to 6 and allowed [`RP`] to learn it.
fn configured() -> World {
    let mut world = World::new(configurable());
    set(
        &mut world,
        SetMinPinLength {
            new_min_pin_length: Some(6),
            min_pin_length_rp_ids: Some(vec![rp_id(RP)]),
            ..Default::default()
        },
    );
    world
}

/// The same with other settings, or a policy: switched off and on again.
fn again(mut world: World, settings: Settings, policy: Option<Policy>) -> World {
    let settings = Settings { pin_cost: world.authenticator.settings().pin_cost, ..settings };
    let state = countersign::credential::StateStore::load_state(&world.store).unwrap();
    let authenticator = Authenticator::new(settings, state.as_ref(), Arc::new(RustCrypto)).unwrap();
    world.authenticator = match policy {
        Some(policy) => authenticator.with_pin_policy(Arc::new(policy)),
        None => authenticator,
    };
    world
}

struct Policy {
    always_on: bool,
}

impl PinPolicy for Policy {
    fn accepts(&self, _: &str) -> bool {
        true
    }

    fn is_always_on(&self) -> bool {
        self.always_on
    }
}

fn of(rp: &str) -> MakeCredential {
    MakeCredential { rp: RpEntity { id: rp_id(rp), name: None }, ..create() }
}

/// One output of a registration.
fn output<T>(
    world: &mut World,
    request: MakeCredential,
    name: &str,
    read: impl Fn(Item<'_>) -> Option<T>,
) -> Option<T> {
    let response = made(world.make(request, Person::Willing));
    let output = view(&response.auth_data).extensions()?.named(name)?;
    Some(read(output).expect("of its type"))
}

fn min_pin_length(world: &mut World, mut request: MakeCredential, wanted: Option<bool>) -> Option<u64> {
    request.extensions.min_pin_length = wanted;
    output(world, request, "minPinLength", |item| item.unsigned())
}

fn complexity(world: &mut World, mut request: MakeCredential, wanted: Option<bool>) -> Option<bool> {
    request.extensions.pin_complexity_policy = wanted;
    output(world, request, "pinComplexityPolicy", |item| item.boolean())
}

fn lists(world: &mut World, name: &str) -> bool {
    match world.call(Request::GetInfo, Person::Absent) {
        Response::GetInfo(info) => info.extensions.contains(&name),
        other => panic!("{other:?}"),
    }
}

#[test]
fn min_pin_length_is_told_to_relying_parties_on_the_list_only() {
    let mut world = configured();
    assert!(lists(&mut world, "minPinLength"));
    assert_eq!(min_pin_length(&mut world, of(RP), Some(true)), Some(6));
    for other in ["example.org", "sub.example.com", "com", "Example.com"] {
        assert_eq!(min_pin_length(&mut world, of(other), Some(true)), None, "{other}");
    }
    let mut world = World::new(configurable());
    let told = min_pin_length(&mut world, of(RP), Some(true));
    assert_eq!(told, None, "nobody is on the list of a new authenticator");
}

#[test]
fn min_pin_length_is_told_only_to_who_asks() {
    for wanted in [None, Some(false)] {
        assert_eq!(min_pin_length(&mut configured(), of(RP), wanted), None);
    }
}

#[test]
fn min_pin_length_is_unknown_where_nobody_can_be_put_on_the_list() {
    for settings in [
        Settings { authenticator_config: false, ..configurable() },
        Settings { client_pin: false, ..configurable() },
        Settings { max_rp_ids_for_set_min_pin_length: 0, ..configurable() },
    ] {
        let mut world = again(configured(), settings, Some(Policy { always_on: true }));
        assert_eq!(min_pin_length(&mut world, of(RP), Some(true)), None);
        assert_eq!(complexity(&mut world, of(RP), Some(true)), None);
        assert!(!lists(&mut world, "minPinLength") && !lists(&mut world, "pinComplexityPolicy"));
    }
}

#[test]
fn pin_complexity_policy_says_whether_one_is_enforced() {
    let mut world = again(configured(), configurable(), Some(Policy { always_on: true }));
    assert!(lists(&mut world, "pinComplexityPolicy"));
    assert_eq!(complexity(&mut world, of(RP), Some(true)), Some(true));

    let mut world = again(configured(), configurable(), Some(Policy { always_on: false }));
    assert_eq!(complexity(&mut world, of(RP), Some(true)), Some(false));
    set(&mut world, SetMinPinLength { pin_complexity_policy: Some(true), ..Default::default() });
    assert_eq!(complexity(&mut world, of(RP), Some(true)), Some(true), "turned on by the configuration");
}

#[test]
fn pin_complexity_policy_is_told_to_relying_parties_on_the_list_only_and_only_where_they_ask() {
    let mut world = again(configured(), configurable(), Some(Policy { always_on: true }));
    assert_eq!(complexity(&mut world, of("example.org"), Some(true)), None);
    for wanted in [None, Some(false)] {
        assert_eq!(complexity(&mut world, of(RP), wanted), None);
    }
}

#[test]
fn pin_complexity_policy_is_unknown_where_there_is_none() {
    let mut world = configured();
    assert!(!lists(&mut world, "pinComplexityPolicy"));
    assert_eq!(complexity(&mut world, of(RP), Some(true)), None);
}
