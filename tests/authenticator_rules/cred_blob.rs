//! credBlob (CTAP 2.3 section 12.2).

use countersign::ctap2::{GetAssertion, MakeCredential};

use crate::{
    common::world::{Person, World},
    requests::*,
};

/// What settings give a security key.
const MAX_LENGTH: usize = 64;

fn with_blob(mut request: MakeCredential, blob: &[u8]) -> MakeCredential {
    request.extensions.cred_blob = Some(blob.to_vec());
    request
}

fn asking(mut request: GetAssertion, wanted: bool) -> GetAssertion {
    request.extensions.cred_blob = Some(wanted);
    request
}

/// Whether the blob was kept, as the registration says.
fn kept(world: &mut World, request: MakeCredential) -> bool {
    let response = made(world.make(request, Person::Willing));
    let outputs = view(&response.auth_data).extensions().expect("ED is set");
    outputs.named("credBlob").unwrap().boolean().unwrap()
}

/// The blob that an assertion says.
fn said(world: &mut World, request: GetAssertion) -> Option<Vec<u8>> {
    let response = asserted(world.get(request, Person::Willing));
    let outputs = view(&response.auth_data).extensions()?;
    Some(outputs.named("credBlob")?.bytes().unwrap().to_vec())
}

#[test]
fn cred_blob_of_exactly_the_maximum_is_kept_and_a_longer_one_is_no_error() {
    for (length, fits) in [(0, true), (1, true), (MAX_LENGTH, true), (MAX_LENGTH + 1, false), (1000, false)] {
        let mut world = World::fresh();
        let blob = vec![0xb1; length];
        assert_eq!(kept(&mut world, with_blob(create_discoverable(1), &blob)), fits, "{length}");
        let expected = if fits { blob } else { Vec::new() };
        assert_eq!(said(&mut world, asking(get(), true)), Some(expected), "{length}");
    }
}

#[test]
fn cred_blob_of_a_credential_without_one_is_empty() {
    let mut world = World::fresh();
    world.register(create_discoverable(1));
    assert_eq!(said(&mut world, asking(get(), true)), Some(Vec::new()));
}

#[test]
fn cred_blob_is_said_only_to_who_asks() {
    let mut world = World::fresh();
    world.register(with_blob(create_discoverable(1), b"blob"));
    assert_eq!(said(&mut world, asking(get(), false)), None);
    assert_eq!(said(&mut world, get()), None);
    let response = made(world.make(create_discoverable(2), Person::Willing));
    assert!(view(&response.auth_data).extensions().is_none());
}

#[test]
fn cred_blob_of_a_credential_that_is_not_discoverable_is_not_kept() {
    let mut world = World::fresh();
    assert!(!kept(&mut world, with_blob(create(), b"blob")));
    let id = world.records().remove(0).credential.id;
    assert_eq!(said(&mut world, asking(get_named(&[&id]), true)), Some(Vec::new()));
}

#[test]
fn cred_blob_ends_with_the_credential_that_had_it() {
    let mut world = World::fresh();
    world.register(with_blob(create_discoverable(1), b"old"));
    world.register(create_discoverable(1));
    assert_eq!(said(&mut world, asking(get(), true)), Some(Vec::new()));
}

#[test]
fn each_leg_says_the_cred_blob_of_its_own_credential() {
    let mut world = World::fresh();
    for number in [1, 2] {
        world.register(with_blob(create_discoverable(number), &[number]));
    }
    assert_eq!(said(&mut world, asking(get(), true)), Some(vec![2]));
    let second = asserted(world.next());
    let outputs = view(&second.auth_data).extensions().unwrap();
    assert_eq!(outputs.named("credBlob").unwrap().bytes().unwrap(), [1]);
}
