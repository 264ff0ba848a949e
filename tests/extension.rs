//! Extensions by themselves, where an authenticator does not show all of what they can say.

use countersign::{
    cbor::{Item, Profile},
    credential::ExtensionData,
    ctap2::MakeCredentialExtensions,
    extension::{PinRules, Registration, Supported},
};

const SUPPORTED: Supported = Supported {
    max_cred_blob_length: 32,
    large_blob_key: false,
    large_blob: None,
    min_pin_length: true,
    pin_complexity_policy: true,
};

fn outputs(inputs: MakeCredentialExtensions, supported: Supported, rules: PinRules) -> Vec<u8> {
    let registration = Registration::judge(inputs, supported, true).unwrap();
    registration.outputs(&ExtensionData::default(), &rules, None)
}

/// `pinComplexityPolicy` as a relying party is told it.
fn told(wanted: Option<bool>, supported: Supported, rules: PinRules) -> Option<bool> {
    let inputs = MakeCredentialExtensions { pin_complexity_policy: wanted, ..Default::default() };
    let outputs = outputs(inputs, supported, rules);
    if outputs.is_empty() {
        return None;
    }
    let map = Item::parse(&outputs, Profile::CTAP2).unwrap().map().unwrap();
    assert_eq!(map.announced(), 1);
    Some(map.named("pinComplexityPolicy").unwrap().boolean().unwrap())
}

/// CTAP 2.3 section 12.6.
#[test]
fn pin_complexity_policy_is_told_as_it_is_to_who_may_know_and_asks() {
    for complexity in [true, false] {
        let rules = PinRules { may_be_told: true, min_length: 4, complexity };
        assert_eq!(told(Some(true), SUPPORTED, rules), Some(complexity));
        for wanted in [None, Some(false)] {
            assert_eq!(told(wanted, SUPPORTED, rules), None);
        }
        assert_eq!(told(Some(true), SUPPORTED, PinRules { may_be_told: false, ..rules }), None);
        let unsupported = Supported { pin_complexity_policy: false, ..SUPPORTED };
        assert_eq!(told(Some(true), unsupported, rules), None);
    }
}

#[test]
fn outputs_of_a_registration_stand_in_canonical_order() {
    let inputs = MakeCredentialExtensions {
        cred_blob: Some(vec![1; 33]),
        cred_protect: Some(3),
        hmac_secret: Some(true),
        min_pin_length: Some(true),
        third_party_payment: Some(true),
        pin_complexity_policy: Some(true),
        ..Default::default()
    };
    let registration = Registration::judge(inputs, SUPPORTED, true).unwrap();
    let rules = PinRules { may_be_told: true, min_length: 63, complexity: true };
    let outputs = registration.outputs(&ExtensionData::default(), &rules, Some(&[7; 32]));
    let map = Item::parse(&outputs, Profile::CTAP2).expect("canonical").map().unwrap();
    let names: Vec<_> = map.clone().map(|(name, _)| name.text().unwrap()).collect();
    let expected =
        ["credBlob", "credProtect", "hmac-secret", "minPinLength", "hmac-secret-mc", "pinComplexityPolicy"];
    assert_eq!(names, expected);
    assert_eq!(map.named("credBlob").unwrap().boolean(), Some(false), "one byte too long");
    assert_eq!(map.named("minPinLength").unwrap().unsigned(), Some(63));
}

#[test]
fn the_names_are_those_of_what_is_supported() {
    let all = Supported { large_blob: Some(1024), large_blob_key: true, ..SUPPORTED };
    let least = Supported { min_pin_length: false, pin_complexity_policy: false, ..SUPPORTED };
    let mut names = all.names();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 9);
    let always = ["credBlob", "credProtect", "hmac-secret", "hmac-secret-mc", "thirdPartyPayment"];
    assert_eq!(least.names(), always);
}
