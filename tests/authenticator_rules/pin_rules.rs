//! minPinLength (CTAP 2.3 section 12.5), and pinComplexityPolicy (section 12.6) where there is no policy: who may learn the
//! rules for PINs.

use countersign::{
    authenticator::Settings,
    cbor::Writer,
    credential::{ChangeSet, CredentialStore, StateRecord},
    ctap2::MakeCredential,
    secret::SecretBytes,
    webauthn::RpEntity,
};

use crate::{
    common::world::{Person, World},
    requests::*,
};

/// An authenticator whose configuration raised the minimum PIN length to 6 and allowed [`RP`] to learn it. The state is
/// written as it is documented.
fn configured(settings: Settings) -> World {
    let mut world = World::new(Settings { make_cred_uv_not_required: true, ..settings });
    let mut writer = Writer::new();
    writer.map(4).unsigned(1).unsigned(2).unsigned(2).unsigned(0);
    writer.unsigned(4).unsigned(6).unsigned(5).array(1).text(RP);
    let state = Some(StateRecord::new(SecretBytes::new(writer.finish())));
    world.store.commit(ChangeSet { state, ..ChangeSet::default() }).unwrap();
    world.power_cycle();
    world
}

fn configurable() -> Settings {
    Settings { authenticator_config: true, ..Settings::security_key() }
}

fn of(rp: &str) -> MakeCredential {
    MakeCredential { rp: RpEntity { id: rp_id(rp), name: None }, ..create() }
}

fn told(world: &mut World, mut request: MakeCredential, wanted: Option<bool>) -> Option<u64> {
    request.extensions.min_pin_length = wanted;
    let response = made(world.make(request, Person::Willing));
    view(&response.auth_data).extensions()?.named("minPinLength")?.unsigned()
}

#[test]
fn min_pin_length_is_told_to_relying_parties_on_the_list_only() {
    let mut world = configured(configurable());
    assert_eq!(told(&mut world, of(RP), Some(true)), Some(6));
    for other in ["example.org", "sub.example.com", "com", "Example.com"] {
        assert_eq!(told(&mut world, of(other), Some(true)), None, "{other}");
    }
    let mut world = World::new(configurable());
    assert_eq!(told(&mut world, of(RP), Some(true)), None, "nobody is on the list of a new authenticator");
}

#[test]
fn min_pin_length_is_told_only_to_who_asks() {
    let mut world = configured(configurable());
    for wanted in [None, Some(false)] {
        assert_eq!(told(&mut world, of(RP), wanted), None);
    }
}

#[test]
fn min_pin_length_is_unknown_where_nobody_can_be_put_on_the_list() {
    let fixed = Settings { authenticator_config: false, ..configurable() };
    let none = Settings { max_rp_ids_for_set_min_pin_length: 0, ..configurable() };
    for settings in [fixed, none] {
        assert_eq!(told(&mut configured(settings), of(RP), Some(true)), None);
    }
}

#[test]
fn pin_complexity_policy_is_unknown_where_there_is_none() {
    let mut world = configured(configurable());
    let mut request = of(RP);
    request.extensions.pin_complexity_policy = Some(true);
    let response = made(world.make(request, Person::Willing));
    assert!(view(&response.auth_data).extensions().is_none());
}
