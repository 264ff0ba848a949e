//! Bytes in, bytes out: the wire negatives, and what is tolerated.

use countersign::{
    authenticator::{Settings, UserVerification},
    ctap2::{Request, Status},
};

use crate::{
    common::{
        vectors::{hex, list, vectors},
        world::{Person, World},
    },
    requests::*,
};

/// Why we answer another of the acceptable codes than the one that is recommended.
const OTHER_THAN_FIRST: &[(&str, u8, &str)] = &[];

/// PIN tries are counted before the comparison: that trace is meant.
const COUNTS_A_TRY: &str = "cp-getPinToken-wrong-pin";

fn world_for(precondition: &str) -> World {
    match precondition {
        "fresh" => World::fresh(),
        "rk_example" => {
            let mut world = World::fresh();
            let mut request = create_discoverable(0x1d);
            request.extensions.hmac_secret = Some(true);
            world.register(request);
            world
        }
        "pin_set" => World::with_pin(),
        other => panic!("precondition {other}"),
    }
}

#[test]
fn wire_negatives_have_their_codes_and_leave_the_store_as_it_was() {
    let file = vectors("ctap2_wire_negative");
    let mut compared = 0;
    for vector in list(&file, "vectors") {
        let name = vector["name"].as_str().unwrap();
        let mut world = world_for(vector["precondition"].as_str().unwrap());
        let kept = world.kept();
        let response = world.ctap(&hex(&vector["command"]), Person::Willing);
        let code = |text: &str| u8::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap();
        let acceptable: Vec<u8> =
            list(vector, "expected").iter().map(|text| code(text.as_str().unwrap())).collect();
        let expected = match OTHER_THAN_FIRST.iter().find(|(other, ..)| *other == name) {
            Some((_, status, why)) => {
                assert!(acceptable.contains(status), "{name}: {why}");
                *status
            }
            None => acceptable[0],
        };
        assert_eq!(response[0], expected, "{name}: {}", vector["why"]);
        if expected != 0 {
            assert_eq!(response.len(), 1, "{name}: an error has no body");
            assert_eq!(
                world.kept() == kept,
                name != COUNTS_A_TRY,
                "{name}: a failed command leaves no trace"
            );
        }
        compared += 1;
    }
    // None is skipped silently.
    assert_eq!(compared, 185);
}

#[test]
fn wire_message_over_max_msg_size_is_request_too_large() {
    let settings = Settings {
        max_msg_size: 1024,
        user_verification: UserVerification::None,
        ..Settings::security_key()
    };
    let mut world = World::new(settings);
    let mut request = create();
    let base = Request::MakeCredential(request.clone()).encode().len();
    // A longer name takes two bytes more for its length, and the member's key.
    request.rp.name = Some("n".repeat(1024 - base - 1 - 4 - 3).into());
    let exact = Request::MakeCredential(request.clone()).encode();
    assert_eq!(exact.len(), 1024);
    assert_eq!(world.ctap(&exact, Person::Willing)[0], 0);
    request.rp.name = Some("n".repeat(1024 - base - 1 - 4 - 3 + 1).into());
    let over = Request::MakeCredential(request).encode();
    assert_eq!(world.ctap(&over, Person::Willing), [Status::RequestTooLarge.byte()]);
}

#[test]
fn wire_unknown_map_keys_are_tolerated_everywhere() {
    let mut world = World::fresh();
    let mut create = Request::MakeCredential(create_discoverable(1)).encode();
    create[1] += 2;
    // 0x18: 1 and "new": {}
    create.extend_from_slice(&[0x18, 0x18, 0x01, 0x63, b'n', b'e', b'w', 0xa0]);
    assert_eq!(world.ctap(&create, Person::Willing)[0], 0);
    let mut get = Request::GetAssertion(get()).encode();
    get[1] += 1;
    get.extend_from_slice(&[0x09, 0x80]);
    assert_eq!(world.ctap(&get, Person::Willing)[0], 0);
}
