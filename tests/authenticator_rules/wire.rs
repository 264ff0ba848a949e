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

/// Vectors that need a later issue (clientPIN beyond getKeyAgreement), with what we answer until then: the sub-command
/// does not exist here, whatever else is in the request.
const LATER: &[(&str, u8)] = &[
    ("cp-getRetries-missing-protocol", 0x3e),
    ("cp-setPIN-missing-04", 0x3e),
    ("cp-setPIN-missing-05", 0x3e),
    ("cp-type-pinUvAuthParam-text", 0x3e),
    ("cp-type-newPinEnc-text", 0x3e),
    ("cp-type-pinHashEnc-text", 0x3e),
    ("cp-type-rpId-bytes", 0x3e),
    ("cp-cose-missing-kty", 0x3e),
    ("cp-cose-missing-crv", 0x3e),
    ("cp-cose-missing-y", 0x3e),
    ("cp-cose-missing-alg", 0x3e),
    ("cp-cose-alg-rs256", 0x3e),
    ("cp-cose-crv-2", 0x3e),
    ("cp-cose-x-31-bytes", 0x3e),
    ("cp-cose-y-33-bytes", 0x3e),
    ("cp-cose-zero-point", 0x3e),
    ("cp-cose-x-ge-p", 0x3e),
    ("cp-setPIN-bad-pinUvAuthParam", 0x3e),
    ("cp-setPIN-pinUvAuthParam-15-bytes", 0x3e),
    ("cp-changePIN-no-pin", 0x3e),
    ("cp-getPinToken-no-pin", 0x3e),
    ("ok-cp-getRetries", 0x3e),
];

/// The same for the vectors with a PIN. Those without clientPIN are answered as an authenticator without option
/// clientPin has to, and the PIN is entered on it: 27 where 36 would send the platform for a token.
const LATER_WITH_PIN: &[(&str, u8)] = &[
    ("cp-changePIN-missing-03", 0x3e),
    ("cp-changePIN-missing-05", 0x3e),
    ("cp-changePIN-missing-06", 0x3e),
    ("cp-getPinToken-missing-03", 0x3e),
    ("cp-getPinUvAuthTokenUsingPin-missing-03", 0x3e),
    ("cp-getPinUvAuthTokenUsingPin-missing-06", 0x3e),
    ("cp-getPinUvAuthTokenUsingPin-missing-09", 0x3e),
    ("cp-getPinToken-with-permissions", 0x3e),
    ("cp-getPinToken-wrong-pin", 0x3e),
    ("cp-token-permissions-0", 0x3e),
    ("cp-token-mc-without-rpid", 0x3e),
    ("mc-rk-no-pinauth-pin-set", 0x27),
];

/// Why we answer another of the acceptable codes than the one that is recommended.
const OTHER_THAN_FIRST: &[(&str, u8, &str)] = &[];

fn world_for(precondition: &str) -> (World, &'static [(&'static str, u8)]) {
    match precondition {
        "fresh" => (World::fresh(), LATER),
        "rk_example" => {
            let mut world = World::fresh();
            let mut request = create_discoverable(0x1d);
            request.extensions.hmac_secret = Some(true);
            world.register(request);
            (world, LATER)
        }
        "pin_set" => (World::with_pin(), LATER_WITH_PIN),
        other => panic!("precondition {other}"),
    }
}

#[test]
fn wire_negatives_have_their_codes_and_leave_the_store_as_it_was() {
    let file = vectors("ctap2_wire_negative");
    let (mut compared, mut later) = (0, Vec::new());
    for vector in list(&file, "vectors") {
        let name = vector["name"].as_str().unwrap();
        let (mut world, known_later) = world_for(vector["precondition"].as_str().unwrap());
        let kept = world.kept();
        let response = world.ctap(&hex(&vector["command"]), Person::Willing);
        let code = |text: &str| u8::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap();
        let acceptable: Vec<u8> =
            list(vector, "expected").iter().map(|text| code(text.as_str().unwrap())).collect();
        if let Some((name, status)) = known_later.iter().find(|(later, _)| *later == name) {
            assert_eq!(response, [*status], "{name}");
            later.push(*name);
            continue;
        }
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
            assert!(world.kept() == kept, "{name}: a failed command leaves no trace");
        }
        compared += 1;
    }
    // None is skipped silently, and none is in a table for nothing.
    assert_eq!(later.len(), LATER.len() + LATER_WITH_PIN.len());
    assert_eq!(compared + later.len(), 185);
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
    request.rp.name = Some("n".repeat(1024 - base - 1 - 4 - 3));
    let exact = Request::MakeCredential(request.clone()).encode();
    assert_eq!(exact.len(), 1024);
    assert_eq!(world.ctap(&exact, Person::Willing)[0], 0);
    request.rp.name.as_mut().unwrap().push('n');
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
