//! largeBlobKey (CTAP 2.3 section 12.3).

use countersign::{
    authenticator::{LargeBlobs, Settings, UserVerification},
    ctap2::{GetAssertion, LargeBlobKey, MakeCredential, Status},
};

use crate::{
    common::world::{Person, World},
    requests::*,
};

fn world(large_blobs: LargeBlobs) -> World {
    World::new(Settings {
        large_blobs,
        user_verification: UserVerification::None,
        ..Settings::security_key()
    })
}

fn with_array() -> World {
    world(LargeBlobs::Array { max_bytes: 1024 })
}

fn with_key(mut request: MakeCredential, wanted: bool) -> MakeCredential {
    request.extensions.large_blob_key = Some(wanted);
    request
}

fn asking(mut request: GetAssertion, wanted: bool) -> GetAssertion {
    request.extensions.large_blob_key = Some(wanted);
    request
}

fn bytes(key: Option<LargeBlobKey>) -> Option<[u8; 32]> {
    key.map(|key| *key.0.expose())
}

#[test]
fn large_blob_key_is_made_at_creation_for_each_credential_its_own() {
    let mut world = with_array();
    let mut keys = Vec::new();
    for number in [1, 2] {
        let response = made(world.make(with_key(create_discoverable(number), true), Person::Willing));
        assert!(view(&response.auth_data).extensions().is_none(), "nothing in authenticator data");
        let key = bytes(response.large_blob_key).expect("0x05");
        let record = world.record(&view(&response.auth_data).attested.unwrap().1).unwrap();
        assert_eq!(record.extensions.large_blob_key.as_ref().unwrap().expose(), &key);
        assert!(![*record.secret.cred_random_with_uv.expose(), [0; 32]].contains(&key));
        keys.push(key);
    }
    assert_ne!(keys[0], keys[1]);

    let first = asserted(world.get(asking(get(), true), Person::Willing));
    assert!(view(&first.auth_data).extensions().is_none());
    assert_eq!(bytes(first.large_blob_key), Some(keys[1]), "0x07");
    assert_eq!(bytes(asserted(world.next()).large_blob_key), Some(keys[0]), "the next one's own");
}

#[test]
fn large_blob_key_is_given_only_where_it_is_asked_for_and_there_is_one() {
    let mut world = with_array();
    let response = made(world.make(create_discoverable(1), Person::Willing));
    assert_eq!(response.large_blob_key, None);
    assert_eq!(asserted(world.get(asking(get(), true), Person::Willing)).large_blob_key, None);
    world.register(with_key(create_discoverable(1), true));
    assert_eq!(asserted(world.get(get(), Person::Willing)).large_blob_key, None);
}

#[test]
fn large_blob_key_false_or_without_rk_is_invalid_option() {
    let mut world = with_array();
    let requests =
        [with_key(create_discoverable(1), false), with_key(create(), false), with_key(create(), true)];
    for request in requests {
        let (response, asked) = world.questions_of(|world| world.make(request, Person::Willing));
        assert_failed(&response, Status::InvalidOption);
        assert!(asked.is_empty());
    }
    world.register(with_key(create_discoverable(1), true));
    let (response, asked) = world.questions_of(|world| world.get(asking(get(), false), Person::Willing));
    assert_failed(&response, Status::InvalidOption);
    assert!(asked.is_empty());
}

#[test]
fn large_blob_key_is_ignored_where_large_blobs_are_kept_in_another_way_or_not_at_all() {
    for large_blobs in [LargeBlobs::None, LargeBlobs::PerCredential { max_bytes: 1024 }] {
        let mut world = world(large_blobs);
        for request in [with_key(create_discoverable(1), false), with_key(create_discoverable(1), true)] {
            assert_eq!(made(world.make(request, Person::Willing)).large_blob_key, None);
        }
        assert!(world.records()[0].extensions.large_blob_key.is_none());
        for wanted in [false, true] {
            assert_eq!(asserted(world.get(asking(get(), wanted), Person::Willing)).large_blob_key, None);
        }
    }
}
