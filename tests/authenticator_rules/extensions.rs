//! Extensions together: which there are, and what they say where several are asked for. Each has a file of its own, but for
//! thirdPartyPayment (CTAP 2.3 section 12.9), which is here.

use countersign::{
    authenticator::{LargeBlobs, NonDiscoverable, Settings, UserVerification},
    ctap2::{
        GetAssertion, LargeBlobInput, LargeBlobOutput, LargeBlobSupport, MakeCredential, Request, Response,
    },
    pin_uv::PinUvAuthProtocol,
};

use crate::{
    common::{
        seeded_rng::SeededRng,
        world::{Person, World},
    },
    hmac_secret::Platform,
    requests::*,
};

fn world(large_blobs: LargeBlobs) -> World {
    World::new(Settings {
        large_blobs,
        user_verification: UserVerification::None,
        ..Settings::security_key()
    })
}

/// The names of the outputs in authenticator data, in their order.
fn names(auth_data: &[u8]) -> Vec<String> {
    let outputs = view(auth_data).extensions().into_iter().flatten();
    outputs.map(|(name, _)| name.text().unwrap().to_owned()).collect()
}

fn advertised(world: &mut World) -> Vec<&'static str> {
    match world.call(Request::GetInfo, Person::Absent) {
        Response::GetInfo(info) => info.extensions,
        other => panic!("{other:?}"),
    }
}

/// Every extension asked for at once.
fn creation(platform: &mut Platform) -> MakeCredential {
    let mut request = protected(create_discoverable(1), 1);
    request.extensions.cred_blob = Some(b"blob".into());
    request.extensions.large_blob = Some(LargeBlobSupport::Required);
    request.extensions.hmac_secret = Some(true);
    request.extensions.large_blob_key = Some(true);
    request.extensions.min_pin_length = Some(true);
    request.extensions.hmac_secret_mc = Some(platform.input(&[1; 32]));
    request.extensions.third_party_payment = Some(true);
    request.extensions.pin_complexity_policy = Some(true);
    request
}

#[test]
fn get_info_lists_the_extensions_that_work_and_never_both_ways_to_large_blobs() {
    let always = ["credBlob", "credProtect", "hmac-secret", "hmac-secret-mc", "thirdPartyPayment"];
    for (large_blobs, way) in [
        (LargeBlobs::None, None),
        (LargeBlobs::Array { max_bytes: 1024 }, Some("largeBlobKey")),
        (LargeBlobs::PerCredential { max_bytes: 1024 }, Some("largeBlob")),
    ] {
        let mut world = world(large_blobs);
        let advertised = advertised(&mut world);
        for name in always.into_iter().chain(way) {
            assert!(advertised.contains(&name), "{name}");
        }
        // What is listed does something, and what is not listed does nothing.
        let mut platform = Platform::new(&mut world, PinUvAuthProtocol::Two);
        let request = creation(&mut platform);
        let response = made(world.make(request, Person::Willing));
        assert_eq!(response.large_blob_key.is_some(), advertised.contains(&"largeBlobKey"));
        assert_eq!(response.large_blob_supported, advertised.contains(&"largeBlob"));
        let mut request = get();
        request.extensions.large_blob_key = Some(true);
        request.extensions.large_blob = Some(LargeBlobInput::Write { blob: vec![1], original_size: 1 });
        let response = asserted(world.get(request, Person::Willing));
        assert_eq!(response.large_blob_key.is_some(), advertised.contains(&"largeBlobKey"));
        assert_eq!(response.large_blob.is_some(), advertised.contains(&"largeBlob"));
    }
}

#[test]
fn outputs_stand_in_canonical_order() {
    let mut world = world(LargeBlobs::Array { max_bytes: 1024 });
    let mut platform = Platform::new(&mut world, PinUvAuthProtocol::Two);
    let request = creation(&mut platform);
    let response = made(world.make(request, Person::Willing));
    assert_eq!(names(&response.auth_data), ["credBlob", "credProtect", "hmac-secret", "hmac-secret-mc"]);
    let mut request = get();
    request.extensions.cred_blob = Some(true);
    request.extensions.hmac_secret = Some(platform.input(&[1; 32]));
    request.extensions.third_party_payment = Some(true);
    let response = asserted(world.get(request, Person::Willing));
    assert_eq!(names(&response.auth_data), ["credBlob", "hmac-secret", "thirdPartyPayment"]);
}

/// They have no room but their identifiers, in which the mark for payments is.
#[test]
fn wrapped_credentials_keep_no_blobs_and_their_mark_for_payments() {
    let settings = Settings {
        large_blobs: LargeBlobs::PerCredential { max_bytes: 1024 },
        user_verification: UserVerification::None,
        non_discoverable: NonDiscoverable::Wrapped,
        ..Settings::security_key()
    };
    let mut world = World::exactly(settings, SeededRng(0));
    for marked in [true, false] {
        let mut request = for_payments(create(), marked);
        request.extensions.cred_blob = Some(b"blob".into());
        request.extensions.large_blob = Some(LargeBlobSupport::Preferred);
        let response = made(world.make(request, Person::Willing));
        let outputs = view(&response.auth_data).extensions().unwrap();
        assert_eq!(outputs.named("credBlob").unwrap().boolean(), Some(false));
        assert!(!response.large_blob_supported);
        assert!(world.records().is_empty(), "nothing is stored");

        let id = view(&response.auth_data).attested.unwrap().1;
        let mut request = asking(get_named(&[&id]), true);
        request.extensions.cred_blob = Some(true);
        request.extensions.large_blob = Some(LargeBlobInput::Write { blob: vec![1], original_size: 1 });
        let response = asserted(world.get(request, Person::Willing));
        let outputs = view(&response.auth_data).extensions().unwrap();
        assert_eq!(outputs.named("credBlob").unwrap().bytes(), Some(&[][..]));
        assert_eq!(outputs.named("thirdPartyPayment").unwrap().boolean(), Some(marked));
        assert_eq!(response.large_blob, Some(LargeBlobOutput::Written(false)));
    }
}

// --- thirdPartyPayment -----------------------------------------------------------------------------------------------

fn for_payments(mut request: MakeCredential, marked: bool) -> MakeCredential {
    request.extensions.third_party_payment = Some(marked);
    request
}

fn asking(mut request: GetAssertion, wanted: bool) -> GetAssertion {
    request.extensions.third_party_payment = Some(wanted);
    request
}

#[test]
fn third_party_payment_is_told_by_assertions_and_not_by_the_registration() {
    for make in [create, || create_discoverable(1)] {
        for (request, marked) in
            [(make(), false), (for_payments(make(), false), false), (for_payments(make(), true), true)]
        {
            let mut world = World::fresh();
            let response = made(world.make(request, Person::Willing));
            assert!(names(&response.auth_data).is_empty(), "no output at creation");
            let id = view(&response.auth_data).attested.unwrap().1;
            // Twice: the record was written in between.
            for _ in 0..2 {
                let request = asking(get_named(&[&id]), true);
                let response = asserted(world.get(request, Person::Willing));
                let outputs = view(&response.auth_data).extensions().unwrap();
                assert_eq!(outputs.named("thirdPartyPayment").unwrap().boolean(), Some(marked));
            }
        }
    }
}

#[test]
fn third_party_payment_is_said_only_to_who_asks() {
    let mut world = World::fresh();
    world.register(for_payments(create_discoverable(1), true));
    for request in [get(), asking(get(), false)] {
        assert!(names(&asserted(world.get(request, Person::Willing)).auth_data).is_empty());
    }
}
