//! authenticatorGetInfo (CTAP 2.3 section 6.4) and the settings behind it.

use std::sync::Arc;

use countersign::{
    attestation::AttestationFormat,
    authenticator::{
        Argon2Cost, Authenticator, CannotStart, CounterPolicy, InvalidSettings, InvalidState, LargeBlobs,
        NewCredentialBackup, ResetPolicy, Settings, UserVerification,
    },
    cbor::{Item, Profile},
    cose::CoseAlgorithm,
    credential::StateRecord,
    crypto::RustCrypto,
    secret::SecretBytes,
};

use crate::common::{
    platform::PCMR,
    world::{Person, World},
};

fn info(world: &mut World) -> Vec<u8> {
    let response = world.ctap(&[0x04], Person::Absent);
    assert_eq!(response[0], 0);
    response[1..].to_vec()
}

fn options(body: &[u8]) -> Vec<(String, bool)> {
    let map = Item::parse(body, Profile::CTAP2).unwrap().map().unwrap();
    let options = map.at(0x04).unwrap().map().unwrap();
    options.map(|(name, on)| (name.text().unwrap().to_owned(), on.boolean().unwrap())).collect()
}

fn texts(body: &[u8], key: u64) -> Vec<String> {
    let map = Item::parse(body, Profile::CTAP2).unwrap().map().unwrap();
    let Some(list) = map.at(key) else { return Vec::new() };
    list.array().unwrap().map(|item| item.text().unwrap().to_owned()).collect()
}

fn roles() -> [Settings; 3] {
    [Settings::security_key(), Settings::platform(), Settings::credential_manager()]
}

#[test]
fn info_is_canonical_and_asks_nobody() {
    for settings in roles() {
        let mut world = World::new(settings);
        let body = info(&mut world);
        assert!(world.asked.is_empty());
        let names: Vec<_> = options(&body).into_iter().map(|(name, _)| name).collect();
        let mut sorted = names.clone();
        sorted.sort_by_key(|name| (name.len(), name.clone()));
        assert_eq!(names, sorted);
        assert_eq!(world.authenticator.info(), world.authenticator.info());
    }
}

#[test]
fn info_names_no_version_that_is_not_kept() {
    let all = &["FIDO_2_0", "FIDO_2_1", "FIDO_2_3"][..];
    let unmanaged =
        |settings| Settings { credential_management: false, persistent_read_only: false, ..settings };
    let unverified =
        Settings { client_pin: false, user_verification: UserVerification::None, ..Settings::security_key() };
    for (settings, expected) in [
        (Settings::security_key(), all),
        (Settings::platform(), all),
        (Settings::credential_manager(), &["FIDO_2_0"]),
        (unmanaged(Settings::security_key()), &["FIDO_2_0"]),
        (unverified, &["FIDO_2_0"]),
    ] {
        let versions = texts(&info(&mut World::new(settings)), 0x01);
        assert_eq!(versions, expected);
        assert!(!versions.contains(&"FIDO_2_2".to_owned()), "never");
    }
}

#[test]
fn info_does_not_list_none_as_an_attestation_format() {
    for (attestation, listed) in
        [(AttestationFormat::None, vec![]), (AttestationFormat::Packed, vec!["packed"])]
    {
        let mut world = World::new(Settings { attestation, ..Settings::security_key() });
        assert_eq!(texts(&info(&mut world), 0x16), listed);
    }
}

#[test]
fn info_option_uv_is_absent_false_or_true() {
    let uv = |world: &mut World| {
        options(&info(world)).into_iter().find(|(name, _)| name == "uv").map(|(_, configured)| configured)
    };
    assert_eq!(uv(&mut World::fresh()), None);
    let mut world = World::new(Settings::security_key());
    assert_eq!(uv(&mut world), Some(false));
    world.set_pin();
    assert_eq!(uv(&mut world), Some(true));
    assert_eq!(uv(&mut World::with_host_verifier()), Some(true));
}

#[test]
fn info_always_uv_turns_make_cred_uv_not_required_off() {
    let option = |settings: Settings, name: &str| {
        options(&info(&mut World::new(settings)))
            .into_iter()
            .find(|(found, _)| found == name)
            .map(|(_, on)| on)
    };
    let settings = Settings::security_key();
    assert_eq!(option(settings.clone(), "makeCredUvNotRqd"), Some(true));
    assert_eq!(option(settings.clone(), "alwaysUv"), Some(false), "authenticatorConfig can toggle it");
    let fixed = Settings { authenticator_config: false, ..settings.clone() };
    assert_eq!(option(fixed, "alwaysUv"), None);
    let always = Settings { always_uv: true, ..settings };
    assert_eq!(option(always.clone(), "makeCredUvNotRqd"), Some(false));
    assert_eq!(option(always.clone(), "alwaysUv"), Some(true));
    let required = Settings { make_cred_uv_not_required: false, ..always };
    assert_eq!(option(required, "makeCredUvNotRqd"), None);
}

fn members(body: &[u8]) -> Vec<u64> {
    let map = Item::parse(body, Profile::CTAP2).unwrap().map().unwrap();
    map.map(|(key, _)| key.unsigned().unwrap()).collect()
}

#[test]
fn info_has_the_members_that_mean_something_in_canonical_order() {
    let key = Settings { firmware_version: Some(1), ..Settings::security_key() };
    for (settings, expected) in [
        (
            key.clone(),
            &[
                0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F,
                0x10, 0x12, 0x16, 0x18, 0x1A, 0x1D, 0x1F,
            ][..],
        ),
        (
            Settings { host_uv_modality: Some(0x12), ..Settings::platform() },
            &[0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0F, 0x11, 0x12],
        ),
        (
            Settings::credential_manager(),
            &[0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0F, 0x11],
        ),
    ] {
        assert_eq!(members(&info(&mut World::new(settings))), expected);
    }
    // Of the rest, a persistent token brings two and a policy for PINs two.
    let mut world = World::new(key);
    world.set_pin();
    world.token(PCMR, None);
    let told = members(&info(&mut world));
    assert!(told.contains(&0x19) && told.contains(&0x1E));
}

#[test]
fn info_tells_by_what_users_are_verified() {
    let modality = |settings: Settings| World::new(settings).authenticator.info().uv_modality;
    let host = |host_uv_modality| Settings { host_uv_modality, ..Settings::platform() };
    assert_eq!(modality(Settings::security_key()), Some(0x04), "USER_VERIFY_PASSCODE_INTERNAL");
    assert_eq!((modality(host(None)), modality(host(Some(0x12)))), (None, Some(0x12)));
    let nobody = Settings { user_verification: UserVerification::None, ..host(Some(0x12)) };
    assert_eq!(modality(nobody), None);
}

#[test]
fn info_tells_by_which_transports_a_reset_is_possible() {
    let body = |settings| info(&mut World::new(settings));
    assert_eq!(texts(&body(Settings::security_key()), 0x1A), ["usb"]);
    let off = Settings { reset: ResetPolicy::Off, ..Settings::security_key() };
    assert!(!members(&body(off)).contains(&0x1A));
}

#[test]
fn info_options_of_the_roles() {
    for (settings, expected) in [
        (
            Settings::security_key(),
            &[
                ("rk", true),
                ("up", true),
                ("uv", false),
                ("plat", false),
                ("uvAcfg", true),
                ("alwaysUv", false),
                ("credMgmt", true),
                ("authnrCfg", true),
                ("clientPin", false),
                ("largeBlobs", true),
                ("perCredMgmtRO", true),
                ("pinUvAuthToken", true),
                ("setMinPINLength", true),
                ("makeCredUvNotRqd", true),
            ][..],
        ),
        (
            Settings::platform(),
            &[
                ("rk", true),
                ("up", true),
                ("uv", true),
                ("plat", true),
                ("credMgmt", true),
                ("pinUvAuthToken", true),
                ("makeCredUvNotRqd", true),
            ],
        ),
        (
            Settings::credential_manager(),
            &[
                ("rk", true),
                ("up", true),
                ("uv", true),
                ("plat", true),
                ("pinUvAuthToken", true),
                ("makeCredUvNotRqd", true),
            ],
        ),
    ] {
        let options = options(&info(&mut World::new(settings)));
        let options: Vec<_> = options.iter().map(|(name, on)| (name.as_str(), *on)).collect();
        assert_eq!(options, expected);
    }
}

#[test]
fn info_says_what_the_settings_say() {
    let settings = Settings {
        advertised_algorithms: vec![CoseAlgorithm::EdDsa],
        max_msg_size: 2048,
        max_credential_count_in_list: 7,
        firmware_version: Some(77),
        ..Settings::platform()
    };
    let body = info(&mut World::new(settings.clone()));
    let map = Item::parse(&body, Profile::CTAP2).unwrap().map().unwrap();
    let number = |key| map.at(key).unwrap().unsigned();
    assert_eq!(map.at(0x03).unwrap().bytes(), Some(settings.aaguid.0.as_slice()));
    assert_eq!(
        (number(0x05), number(0x07), number(0x08), number(0x0e)),
        (Some(2048), Some(7), Some(1023), Some(77))
    );
    let algorithms: Vec<_> = map.at(0x0a).unwrap().array().unwrap().collect();
    assert_eq!(algorithms.len(), 1);
    assert_eq!(algorithms[0].map().unwrap().named("alg").unwrap().integer(), Some(-8));
    assert_eq!(texts(&body, 0x09), ["internal"]);
    assert_eq!(
        texts(&body, 0x02),
        ["credBlob", "credProtect", "hmac-secret", "hmac-secret-mc", "thirdPartyPayment"]
    );
    assert!(options(&body).contains(&("plat".to_owned(), true)));
    assert!(options(&body).contains(&("rk".to_owned(), true)));
}

#[test]
fn info_lists_the_advertised_algorithms_and_no_others_that_can_be_negotiated() {
    for (advertised, expected) in [
        (vec![CoseAlgorithm::Es256, CoseAlgorithm::EdDsa], vec![-7, -8]),
        (vec![CoseAlgorithm::Esp384, CoseAlgorithm::Es256], vec![-51, -7]),
    ] {
        let settings = Settings { advertised_algorithms: advertised, ..Settings::security_key() };
        let body = info(&mut World::new(settings));
        let listed = Item::parse(&body, Profile::CTAP2).unwrap().map().unwrap().at(0x0a).unwrap();
        let listed =
            listed.array().unwrap().map(|entry| entry.map().unwrap().named("alg").unwrap().integer());
        assert_eq!(listed.map(Option::unwrap).collect::<Vec<_>>(), expected);
    }
    let defaults = Settings::security_key();
    assert_eq!(defaults.advertised_algorithms, [CoseAlgorithm::Es256, CoseAlgorithm::EdDsa]);
    assert_eq!(defaults.algorithms, CoseAlgorithm::ALL);
}

#[test]
fn settings_outside_their_invariants_are_refused_by_name() {
    let base = Settings::security_key();
    let repeated = vec![CoseAlgorithm::Es256, CoseAlgorithm::EdDsa, CoseAlgorithm::Es256];
    let unmanaged = |credential_management_preview, persistent_read_only| Settings {
        credential_management: false,
        credential_management_preview,
        persistent_read_only,
        ..base.clone()
    };
    let blobs = |large_blobs| Settings { large_blobs, ..base.clone() };
    let huge = Argon2Cost { memory: 1_048_577, passes: 1, lanes: 1 };
    for (settings, field) in [
        (Settings { algorithms: vec![], ..base.clone() }, "algorithms"),
        (Settings { algorithms: repeated.clone(), ..base.clone() }, "algorithms"),
        (Settings { advertised_algorithms: vec![], ..base.clone() }, "advertised_algorithms"),
        (Settings { advertised_algorithms: repeated, ..base.clone() }, "advertised_algorithms"),
        (Settings { algorithms: vec![CoseAlgorithm::Es256], ..base.clone() }, "advertised_algorithms"),
        (Settings { credential_id_length: 15, ..base.clone() }, "credential_id_length"),
        (Settings { credential_id_length: 1024, ..base.clone() }, "credential_id_length"),
        (Settings { question_timeout: 999, ..base.clone() }, "question_timeout"),
        (Settings { question_timeout: 600_001, ..base.clone() }, "question_timeout"),
        (Settings { name_limit: 63, ..base.clone() }, "name_limit"),
        (Settings { max_msg_size: 1023, ..base.clone() }, "max_msg_size"),
        (Settings { max_credential_count_in_list: 0, ..base.clone() }, "max_credential_count_in_list"),
        (Settings { max_credential_count_in_list: 1025, ..base.clone() }, "max_credential_count_in_list"),
        (Settings { pin_cost: huge, ..base.clone() }, "pin_cost"),
        (Settings { pin_cost: Argon2Cost { memory: 7, passes: 1, lanes: 1 }, ..base.clone() }, "pin_cost"),
        (Settings { pin_cost: Argon2Cost { memory: 8, passes: 0, lanes: 1 }, ..base.clone() }, "pin_cost"),
        (Settings { min_pin_length: 3, ..base.clone() }, "min_pin_length"),
        (Settings { min_pin_length: 64, ..base.clone() }, "min_pin_length"),
        (unmanaged(true, false), "credential_management_preview"),
        (unmanaged(false, true), "persistent_read_only"),
        (blobs(LargeBlobs::Array { max_bytes: 1023 }), "large_blobs"),
        (blobs(LargeBlobs::Array { max_bytes: 4 * base.max_msg_size + 1 }), "large_blobs"),
        (blobs(LargeBlobs::PerCredential { max_bytes: 1023 }), "large_blobs"),
        (blobs(LargeBlobs::PerCredential { max_bytes: 65_537 }), "large_blobs"),
    ] {
        let refused = Authenticator::new(settings, None, Arc::new(RustCrypto)).err();
        assert_eq!(refused, Some(CannotStart::Settings(InvalidSettings(field))));
    }
}

#[test]
fn settings_of_the_roles_are_valid_and_as_documented() {
    for settings in roles() {
        assert!(Authenticator::new(settings, None, Arc::new(RustCrypto)).is_ok());
    }
    let manager = Settings::credential_manager();
    assert!(matches!(manager.backup, NewCredentialBackup::Eligible { .. }));
    assert_eq!((manager.sign_count, manager.attestation), (CounterPolicy::Zero, AttestationFormat::None));
    assert_eq!(Settings::security_key().backup, NewCredentialBackup::DeviceBound);
    assert_eq!(Settings::platform().user_verification, UserVerification::Host);
}

#[test]
fn state_that_was_altered_is_refused() {
    let good = [&[0xa2, 0x01, 0x01, 0x02, 0x05][..]].concat();
    let start = |bytes: &[u8]| {
        let state = StateRecord::new(SecretBytes::new(bytes.to_vec()));
        Authenticator::new(Settings::security_key(), Some(&state), Arc::new(RustCrypto)).err()
    };
    assert_eq!(start(&good), None);
    let refused = Some(CannotStart::State(InvalidState));
    for bytes in [
        &[][..],
        &[0x80],
        &[0xa1, 0x02, 0x05],
        &[0xa1, 0x01, 0x01],
        // Another version.
        &[0xa2, 0x01, 0x03, 0x02, 0x05],
        // Trailing bytes, and a PIN that is none.
        &[0xa2, 0x01, 0x01, 0x02, 0x05, 0x00],
        &[0xa3, 0x01, 0x01, 0x02, 0x05, 0x03, 0xf6],
        &[0xa3, 0x01, 0x01, 0x02, 0x05, 0x03, 0xa0],
    ] {
        assert_eq!(start(bytes), refused, "{bytes:02x?}");
    }
}

#[test]
fn state_with_more_tries_than_there_are_is_refused() {
    let world = World::with_pin();
    let mut state = world.kept().1.unwrap();
    let start = |bytes: &[u8]| {
        let state = StateRecord::new(SecretBytes::new(bytes.to_vec()));
        Authenticator::new(Settings::security_key(), Some(&state), Arc::new(RustCrypto)).err()
    };
    let tries = state.len() - 5;
    assert_eq!(state[tries - 1..][..4], [0x06, 8, 0x07, 4], "the tries stand before the length of the PIN");
    assert_eq!(start(&state), None);
    state[tries] = 9;
    assert_eq!(start(&state), Some(CannotStart::State(InvalidState)));
}
