//! Attestation by certificate and enterprise attestation (CTAP 2.3 sections 6.1.2 and 7.1).

use std::sync::Arc;

use ciborium::Value;
use countersign::{
    attestation::{AttestationFormat, EnterpriseAttester},
    authenticator::{Authenticator, Purpose, Settings, UserVerification},
    cose::CoseAlgorithm,
    credential::StateRecord,
    crypto::{CryptoProvider, RustCrypto},
    ctap2::{MakeCredential, MakeCredentialResponse, Request, Response, Status},
    secret::SecretBytes,
};

use crate::{
    common::{
        attesters::{attestation_key, attester, ceremony, certificates},
        world::{Person, World},
    },
    requests::*,
};

const BATCH: &str = "packed.ES256";
const ENTERPRISE: &str = "packed.EdDSA";

/// A security key with a batch attester, and with an enterprise attester that vouches for `listed`, platform-managed too
/// if it says so. The state says whether it is enabled.
fn world(attestation: AttestationFormat, listed: &[&str], platform_managed: bool, enabled: bool) -> World {
    let settings =
        Settings { attestation, user_verification: UserVerification::None, ..Settings::security_key() };
    let enterprise = EnterpriseAttester {
        attester: attester(ENTERPRISE),
        vendor_facilitated: listed.iter().copied().map(rp_id).collect(),
        platform_managed,
    };
    // The documented form of the state: version 2, next order 0, enterprise attestation.
    let state = if enabled { "a30102020008f5" } else { "a201020200" };
    let state = StateRecord::new(SecretBytes::new(hex::decode(state).unwrap()));
    let mut world = World::fresh();
    world.authenticator = Authenticator::new(settings, Some(&state), Arc::new(RustCrypto))
        .unwrap()
        .with_attester(attester(BATCH))
        .unwrap()
        .with_enterprise_attester(enterprise)
        .unwrap();
    world
}

fn asking(enterprise: Option<u64>, preference: &[&str]) -> MakeCredential {
    MakeCredential {
        enterprise_attestation: enterprise,
        attestation_formats_preference: preference.iter().copied().map(str::to_owned).collect(),
        ..create()
    }
}

/// By whose certificate a statement is; it verifies with its key.
fn vouched_by(response: &MakeCredentialResponse) -> Option<&'static str> {
    assert_eq!(response.fmt, "packed");
    let statement = response.att_stmt.as_map().unwrap();
    let member =
        |name: &str| statement.iter().find(|(key, _)| key.as_text() == Some(name)).map(|pair| &pair.1);
    let chain = member("x5c")?.as_array().unwrap();
    let owner = [BATCH, ENTERPRISE]
        .into_iter()
        .find(|id| *chain == certificates(&ceremony(id)).into_iter().map(Value::Bytes).collect::<Vec<_>>());
    let key = attestation_key(&ceremony(owner.expect("a certificate of ours")));
    assert_eq!(member("alg"), Some(&Value::from(ES256)), "of the attestation key");
    let signature = member("sig").unwrap().as_bytes().unwrap();
    let message: [&[u8]; 2] = [&response.auth_data, &HASH.0];
    RustCrypto.verify(CoseAlgorithm::Es256, key.public(), &message, signature).unwrap();
    owner
}

#[test]
fn mc_attester_signs_with_its_own_algorithm_whatever_the_credentials_is() {
    for algorithm in CoseAlgorithm::ALL {
        let mut world = world(AttestationFormat::Packed, &[], false, false);
        let request = MakeCredential { algorithms: vec![algorithm.identifier()], ..create() };
        let response = made(world.make(request, Person::Willing));
        assert_eq!(vouched_by(&response), Some(BATCH));
        assert!(!response.ep_att);
    }
}

#[test]
fn mc_enterprise_attestation_where_none_is_enabled_is_invalid_parameter() {
    for kind in [0, 1, 2, 3] {
        let mut world = world(AttestationFormat::Packed, &[RP], true, false);
        let response = world.make(asking(Some(kind), &[]), Person::Willing);
        assert_failed(&response, Status::InvalidParameter);
        assert!(world.asked.is_empty());
    }
}

#[test]
fn mc_enterprise_attestation_of_another_kind_than_1_or_2_is_invalid_option() {
    for kind in [0, 3, u64::MAX] {
        let mut world = world(AttestationFormat::Packed, &[RP], true, true);
        assert_failed(&world.make(asking(Some(kind), &[]), Person::Willing), Status::InvalidOption);
        assert!(world.asked.is_empty());
    }
}

#[test]
fn mc_enterprise_attestation_is_returned_with_ep_att_and_a_warning() {
    for (listed, platform_managed, kind) in [(&[RP][..], false, 1), (&[RP], false, 2), (&[], true, 2)] {
        // Also where the authenticator would not attest by itself.
        for attestation in [AttestationFormat::Packed, AttestationFormat::None] {
            let mut world = world(attestation, listed, platform_managed, true);
            let response = made(world.make(asking(Some(kind), &[]), Person::Willing));
            assert_eq!(vouched_by(&response), Some(ENTERPRISE));
            assert!(response.ep_att);
            assert!(matches!(world.asked[0].purpose, Purpose::Register { identified: true, .. }));
            let encoded = Response::MakeCredential(response).encode();
            assert!(encoded.ends_with(&[0x04, 0xf5]), "member 0x04 is true");
            assert_eq!(encoded[1], 0xa4, "and the last of four");
        }
    }
}

#[test]
fn mc_enterprise_attestation_that_is_not_permitted_is_treated_as_absent() {
    for (listed, platform_managed, kind) in
        [(&["other.example"][..], false, 1), (&["other.example"], false, 2), (&[], true, 1)]
    {
        let mut world = world(AttestationFormat::Packed, listed, platform_managed, true);
        let response = made(world.make(asking(Some(kind), &[]), Person::Willing));
        assert_eq!(vouched_by(&response), Some(BATCH), "a non-enterprise attestation");
        assert!(!response.ep_att);
        assert!(matches!(world.asked[0].purpose, Purpose::Register { identified: false, .. }));
        assert_eq!(Response::MakeCredential(response).encode()[1], 0xa3, "no member 0x04");
    }
}

#[test]
fn mc_attestation_none_is_made_on_request() {
    for enterprise in [None, Some(1), Some(2)] {
        let mut world = world(AttestationFormat::Packed, &[RP], true, true);
        let response = made(world.make(asking(enterprise, &["none"]), Person::Willing));
        assert_eq!((response.fmt, response.att_stmt), ("none", Value::Map(Vec::new())));
        assert!(!response.ep_att);
        assert!(matches!(world.asked[0].purpose, Purpose::Register { identified: false, .. }));
    }
}

#[test]
fn mc_first_format_of_the_preference_that_there_is_wins() {
    for (attestation, preference, fmt) in [
        (AttestationFormat::Packed, &["tpm", "packed", "none"][..], "packed"),
        (AttestationFormat::Packed, &["none", "packed"], "none"),
        (AttestationFormat::Packed, &["tpm"], "packed"),
        (AttestationFormat::None, &["tpm", "packed"], "packed"),
        (AttestationFormat::None, &["tpm"], "none"),
        (AttestationFormat::None, &[], "none"),
    ] {
        let mut world = world(attestation, &[], false, false);
        let response = made(world.make(asking(None, preference), Person::Willing));
        assert_eq!(response.fmt, fmt, "{attestation:?}, {preference:?}");
        if fmt == "packed" {
            assert_eq!(vouched_by(&response), Some(BATCH));
        }
    }
    // Without an attester it is self attestation.
    let response = made(World::fresh().make(asking(None, &["packed"]), Person::Willing));
    assert_eq!(vouched_by(&response), None);
}

#[test]
fn info_option_ep_is_absent_false_or_true() {
    let ep = |world: &World| {
        let info = world.authenticator.info();
        info.options.iter().find(|(name, _)| *name == "ep").map(|(_, enabled)| *enabled)
    };
    assert_eq!(ep(&World::fresh()), None);
    assert_eq!(ep(&world(AttestationFormat::None, &[RP], true, false)), Some(false));
    assert_eq!(ep(&world(AttestationFormat::None, &[RP], true, true)), Some(true));
}

#[test]
fn info_lists_the_formats_that_a_preference_can_get() {
    let plain = Settings { attestation: AttestationFormat::None, ..Settings::security_key() };
    assert!(World::new(plain).authenticator.info().attestation_formats.is_empty());
    let world = world(AttestationFormat::None, &[], true, false);
    assert_eq!(world.authenticator.info().attestation_formats, ["packed"]);
}

#[test]
fn reset_disables_enterprise_attestation() {
    let mut world = world(AttestationFormat::Packed, &[RP], true, true);
    assert_eq!(world.call(Request::Reset, Person::Willing), Response::Empty);
    assert!(world.authenticator.info().options.contains(&("ep", false)));
    assert_failed(&world.make(asking(Some(1), &[]), Person::Willing), Status::InvalidParameter);
    let response = made(world.make(create(), Person::Willing));
    assert_eq!(vouched_by(&response), Some(BATCH), "the batch attester stays");
}
