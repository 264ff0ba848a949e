//! `cargo xtask metadata`: the FIDO Metadata Statement (version 3.0) of an authenticator, from the settings that its getInfo
//! comes from.

use std::{fs, path::PathBuf, sync::Arc};

use base64ct::{Base64, Encoding as _};
use countersign::{
    attestation::AttestationFormat,
    authenticator::{Authenticator, Settings, UserVerification},
    cbor::{Item, Kind, Profile},
    crypto::RustCrypto,
    ctap2::{GetInfoResponse, Response},
    webauthn::{AuthenticatorAttachment, Transport},
};
use serde_json::{Map, Value, json};
use x509_cert::{Certificate, der::Decode as _};

/// The agreement that whoever submits a statement accepts.
const LEGAL_HEADER: &str = "https://fidoalliance.org/metadata/metadata-statement-legal-header/";

/// How often a PIN may be wrong before only a reset helps (CTAP 2.3 section 6.5.1).
const PIN_TRIES: u64 = 8;

/// getInfo's members, by the names that the metadata statement has for them (section "AuthenticatorGetInfo dictionary";
/// those that are newer, as CTAP 2.3 section 6.4 calls them).
const MEMBERS: &[(u64, &str)] = &[
    (0x01, "versions"),
    (0x02, "extensions"),
    (0x03, "aaguid"),
    (0x04, "options"),
    (0x05, "maxMsgSize"),
    (0x06, "pinUvAuthProtocols"),
    (0x07, "maxCredentialCountInList"),
    (0x08, "maxCredentialIdLength"),
    (0x09, "transports"),
    (0x0A, "algorithms"),
    (0x0B, "maxSerializedLargeBlobArray"),
    (0x0C, "forcePINChange"),
    (0x0D, "minPINLength"),
    (0x0E, "firmwareVersion"),
    (0x0F, "maxCredBlobLength"),
    (0x10, "maxRPIDsForSetMinPINLength"),
    (0x11, "preferredPlatformUvAttempts"),
    (0x12, "uvModality"),
    (0x13, "certifications"),
    (0x14, "remainingDiscoverableCredentials"),
    (0x15, "vendorPrototypeConfigCommands"),
    (0x16, "attestationFormats"),
    (0x17, "uvCountSinceLastPinEntry"),
    (0x18, "longTouchForReset"),
    (0x1A, "transportsForReset"),
    (0x1B, "pinComplexityPolicy"),
    (0x1C, "pinComplexityPolicyURL"),
    (0x1D, "maxPINLength"),
    (0x1F, "authenticatorConfigCommands"),
];

pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let (settings, root) = read(words)?;
    let statement = statement(settings, root.as_deref())?;
    println!("{}", serde_json::to_string_pretty(&statement).map_err(|error| error.to_string())?);
    Ok(())
}

/// The settings, and the root of the attestation certificates.
fn read(words: &[&str]) -> Result<(Settings, Option<Vec<u8>>), String> {
    let (role, options) = match words {
        [role, options @ ..] if !role.starts_with('-') => (*role, options),
        options => ("security-key", options),
    };
    let settings = match role {
        "security-key" => Settings::security_key(),
        "device" => Settings::security_key().served_to_platforms(),
        "platform" => Settings::platform(),
        "credential-manager" => Settings::credential_manager(),
        _ => return Err(format!("unknown role {role}")),
    };
    match options {
        [] => Ok((settings, None)),
        ["--attestation-root", file] => {
            let file = PathBuf::from(file);
            let root = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            Certificate::from_der(&root)
                .map_err(|_| format!("{}: this is no certificate in DER", file.display()))?;
            Ok((Settings { attestation: AttestationFormat::Packed, ..settings }, Some(root)))
        }
        [option, ..] => Err(format!("unknown option {option}, or it has no value")),
    }
}

/// The statement of an authenticator as it leaves the factory; with the root's certificate, DER, of one that attests by
/// certificate.
fn statement(settings: Settings, root: Option<&[u8]>) -> Result<Value, String> {
    let authenticator = Authenticator::new(settings.clone(), None, Arc::new(RustCrypto));
    let info = authenticator.map_err(|error| error.to_string())?.info();
    let aaguid = hex(&settings.aaguid.0);
    let groups = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    let uuid: Vec<&str> = groups.iter().filter_map(|(start, end)| aaguid.get(*start..*end)).collect();
    Ok(json!({
        "legalHeader": LEGAL_HEADER,
        "aaguid": uuid.join("-"),
        "description": "countersign, a FIDO2 authenticator in software",
        // The lowest version that the statement is for: getInfo's firmwareVersion, where there is one.
        "authenticatorVersion": settings.firmware_version.unwrap_or(1),
        "protocolFamily": "fido2",
        "schema": 3,
        "upv": info.versions.iter().filter_map(|version| protocol_version(version)).collect::<Vec<_>>(),
        "authenticationAlgorithms": authentication_algorithms(&info.algorithms),
        "publicKeyAlgAndEncodings": ["cose"],
        "attestationTypes": [attestation_type(settings.attestation, root.is_some())],
        "userVerificationDetails": user_verification_details(&settings, &info),
        // All of it is software, whatever the host keeps the store in.
        "keyProtection": ["software"],
        "matcherProtection": ["software"],
        "cryptoStrength": 128,
        "attachmentHint": attachment_hints(&settings),
        "tcDisplay": [],
        "attestationRootCertificates": root.iter().map(|root| Base64::encode_string(root)).collect::<Vec<_>>(),
        "authenticatorGetInfo": get_info(info)?,
    }))
}

/// `upv`: of the versions of getInfo, those of the FIDO2 family. U2F_V2 has none.
fn protocol_version(version: &str) -> Option<Value> {
    let minor = match version {
        "FIDO_2_0" => 0,
        "FIDO_2_1" => 1,
        "FIDO_2_3" => 3,
        _ => return None,
    };
    Some(json!({ "major": 1, "minor": minor }))
}

/// The FIDO Registry of Predefined Values (section "Authentication Algorithms") has one name for two identifiers, and none
/// for ML-DSA.
fn authentication_algorithms(identifiers: &[i64]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for identifier in identifiers {
        let name = match identifier {
            -7 | -9 => "secp256r1_ecdsa_sha256_raw",
            -8 | -19 => "ed25519_eddsa_sha512_raw",
            -35 | -51 => "secp384r1_ecdsa_sha384_raw",
            _ => continue,
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn attestation_type(attestation: AttestationFormat, by_certificate: bool) -> &'static str {
    match (attestation, by_certificate) {
        (AttestationFormat::None, _) => "none",
        (_, true) => "basic_full",
        (_, false) => "basic_surrogate",
    }
}

/// The ways in which a person can be verified, one list for each: presence alone, and with each that there is.
fn user_verification_details(settings: &Settings, info: &GetInfoResponse) -> Value {
    let presence = || json!({ "userVerificationMethod": "presence_internal" });
    let passcode = |method: &str| {
        json!([
            {
                "userVerificationMethod": method,
                "caDesc": {
                    "base": 64,
                    "minLength": info.min_pin_length.unwrap_or(settings.min_pin_length.into()),
                    "maxRetries": PIN_TRIES,
                    "blockSlowdown": 0,
                },
            },
            presence(),
        ])
    };
    let mut ways = vec![json!([presence()])];
    if settings.client_pin {
        ways.push(passcode("passcode_external"));
    }
    match settings.user_verification {
        UserVerification::None => {}
        UserVerification::Pin => ways.push(passcode("passcode_internal")),
        // The host's own: the system's password, or what stands for it. Its accuracy is the host's to declare.
        UserVerification::Host => {
            ways.push(json!([{ "userVerificationMethod": "passcode_internal" }, presence()]));
        }
    }
    Value::Array(ways)
}

fn attachment_hints(settings: &Settings) -> Vec<&'static str> {
    if settings.attachment == AuthenticatorAttachment::Platform {
        return vec!["internal"];
    }
    let mut hints = vec!["external"];
    for transport in &settings.transports {
        let more: &[&str] = match transport {
            Transport::Usb => &["wired"],
            Transport::Nfc => &["wireless", "nfc"],
            Transport::Ble => &["wireless", "bluetooth"],
            Transport::Hybrid => &["wireless", "network"],
            _ => &[],
        };
        hints.extend(more.iter().filter(|hint| !hints.contains(hint)).collect::<Vec<_>>());
    }
    hints
}

/// authenticatorGetInfo: the response as it stands on the wire, with names instead of numbers.
fn get_info(info: GetInfoResponse) -> Result<Value, String> {
    let message = Response::GetInfo(Box::new(info)).encode();
    let body = message.get(1..).unwrap_or_default();
    let item = Item::parse(body, Profile::CTAP2).map_err(|_| "getInfo is no CBOR".to_owned())?;
    let mut members = Map::new();
    for (key, value) in item.map().ok_or("getInfo is no map")? {
        let known = |(number, _): &&(u64, &str)| key.unsigned() == Some(*number);
        let (_, name) = MEMBERS.iter().find(known).ok_or("getInfo has a member without a name here")?;
        let value = match (*name, value.bytes()) {
            // A URL in a byte string.
            ("pinComplexityPolicyURL", Some(url)) => Value::from(String::from_utf8_lossy(url)),
            _ => to_json(&value)?,
        };
        members.insert((*name).to_owned(), value);
    }
    Ok(Value::Object(members))
}

fn to_json(item: &Item<'_>) -> Result<Value, String> {
    let value = match item.kind() {
        Kind::Unsigned | Kind::Negative => item.integer().map(Value::from),
        Kind::Bytes => item.bytes().map(|bytes| Value::from(hex(bytes))),
        Kind::Text => item.text().map(Value::from),
        Kind::Array => match item.array() {
            Some(items) => Some(Value::Array(items.map(|item| to_json(&item)).collect::<Result<_, _>>()?)),
            None => None,
        },
        Kind::Map => match item.map() {
            Some(entries) => {
                let entry = |(key, value): (Item<'_>, Item<'_>)| {
                    let name = key.text().ok_or("getInfo has a map whose keys are no texts")?;
                    Ok::<_, String>((name.to_owned(), to_json(&value)?))
                };
                Some(Value::Object(entries.map(entry).collect::<Result<_, _>>()?))
            }
            None => None,
        },
        _ => item.boolean().map(Value::from),
    };
    value.ok_or_else(|| "getInfo has a value that JSON has not".to_owned())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use countersign::{authenticator::LargeBlobs, cose::CoseAlgorithm};

    use super::*;

    /// The roles, and one with everything that there is.
    fn various() -> Vec<Settings> {
        let everything = Settings {
            client_pin: true,
            credential_management: true,
            credential_management_preview: true,
            persistent_read_only: true,
            authenticator_config: true,
            large_blobs: LargeBlobs::Array { max_bytes: 2048 },
            always_uv: true,
            no_mc_ga_permissions_with_client_pin: true,
            user_verification: UserVerification::Host,
            advertised_algorithms: CoseAlgorithm::ALL.to_vec(),
            transports: vec![Transport::Usb, Transport::Nfc, Transport::Ble],
            firmware_version: Some(77),
            ..Settings::security_key()
        };
        let nothing = Settings {
            client_pin: false,
            user_verification: UserVerification::None,
            attestation: AttestationFormat::None,
            ..Settings::security_key()
        };
        vec![
            Settings::security_key(),
            Settings::security_key().served_to_platforms(),
            Settings::platform(),
            Settings::credential_manager(),
            everything,
            nothing,
        ]
    }

    fn real(settings: &Settings) -> GetInfoResponse {
        Authenticator::new(settings.clone(), None, Arc::new(RustCrypto)).unwrap().info()
    }

    /// The typed response with the statement's names: written by hand, member by member, so that a new member of the
    /// response is missed here when it is forgotten.
    fn expected(info: GetInfoResponse) -> Value {
        let GetInfoResponse {
            versions,
            extensions,
            aaguid,
            options,
            max_msg_size,
            pin_uv_auth_protocols,
            max_credential_count_in_list,
            max_credential_id_length,
            transports,
            algorithms,
            max_serialized_large_blob_array,
            force_pin_change,
            min_pin_length,
            firmware_version,
            max_cred_blob_length,
            max_rp_ids_for_set_min_pin_length,
            preferred_platform_uv_attempts,
            uv_modality,
            remaining_discoverable_credentials,
            attestation_formats,
            uv_count_since_last_pin_entry,
            long_touch_for_reset,
            enc_identifier,
            transports_for_reset,
            pin_complexity_policy,
            pin_complexity_policy_url,
            max_pin_length,
            enc_cred_store_state,
            authenticator_config_commands,
        } = info;
        assert!(
            enc_identifier.is_none() && enc_cred_store_state.is_none(),
            "these tell one device from another"
        );
        let algorithm = |identifier: i64| json!({ "type": "public-key", "alg": identifier });
        let members = json!({
            "versions": versions,
            "extensions": extensions,
            "aaguid": hex(&aaguid.0),
            "options": options.into_iter().map(|(name, on)| (name.to_owned(), on.into())).collect::<Map<_, _>>(),
            "maxMsgSize": max_msg_size,
            "pinUvAuthProtocols": pin_uv_auth_protocols,
            "maxCredentialCountInList": max_credential_count_in_list,
            "maxCredentialIdLength": max_credential_id_length,
            "transports": transports,
            "algorithms": algorithms.into_iter().map(algorithm).collect::<Vec<_>>(),
            "maxSerializedLargeBlobArray": max_serialized_large_blob_array,
            "forcePINChange": force_pin_change,
            "minPINLength": min_pin_length,
            "firmwareVersion": firmware_version,
            "maxCredBlobLength": max_cred_blob_length,
            "maxRPIDsForSetMinPINLength": max_rp_ids_for_set_min_pin_length,
            "preferredPlatformUvAttempts": preferred_platform_uv_attempts,
            "uvModality": uv_modality,
            "remainingDiscoverableCredentials": remaining_discoverable_credentials,
            "attestationFormats": attestation_formats,
            "uvCountSinceLastPinEntry": uv_count_since_last_pin_entry,
            "longTouchForReset": long_touch_for_reset,
            "transportsForReset": transports_for_reset,
            "pinComplexityPolicy": pin_complexity_policy,
            "pinComplexityPolicyURL": pin_complexity_policy_url,
            "maxPINLength": max_pin_length,
            "authenticatorConfigCommands": authenticator_config_commands,
        });
        // What is absent on the wire is absent here; empty lists are absent on the wire, but for the last.
        let present = |(name, value): &(String, Value)| {
            !value.is_null() && (*value != json!([]) || name == "authenticatorConfigCommands")
        };
        Value::Object(members.as_object().unwrap().clone().into_iter().filter(present).collect())
    }

    #[test]
    fn the_statement_has_the_authenticators_own_get_info() {
        for settings in various() {
            let info = real(&settings);
            let statement = statement(settings, None).unwrap();
            assert_eq!(statement["authenticatorGetInfo"], expected(info));
        }
    }

    #[test]
    fn the_statement_agrees_with_its_get_info() {
        for settings in various() {
            let statement = statement(settings.clone(), None).unwrap();
            let info = &statement["authenticatorGetInfo"];
            let compact = statement["aaguid"].as_str().unwrap().replace('-', "");
            assert_eq!(info["aaguid"], compact);
            assert_eq!(statement["aaguid"].as_str().unwrap().len(), 36);
            assert_eq!(
                statement["authenticatorVersion"],
                info.get("firmwareVersion").cloned().unwrap_or(json!(1))
            );
            let versions = info["versions"].as_array().unwrap().iter();
            // A preview (FIDO_2_1_PRE) and U2F are no versions of their own here.
            let minors =
                versions.filter_map(|version| version.as_str()?.strip_prefix("FIDO_2_")?.parse::<u8>().ok());
            let upv: Vec<Value> = minors.map(|minor| json!({ "major": 1, "minor": minor })).collect();
            assert!(!upv.is_empty(), "{info}");
            assert_eq!(statement["upv"], json!(upv));
            let ways = statement["userVerificationDetails"].as_array().unwrap();
            let names = |method: &str| {
                ways.iter().any(|way| {
                    way.as_array().unwrap().iter().any(|one| one["userVerificationMethod"] == method)
                })
            };
            assert_eq!(names("passcode_external"), info["options"].get("clientPin").is_some());
            assert_eq!(names("passcode_internal"), info["options"].get("uv").is_some());
            assert!(names("presence_internal") && info["options"]["up"] == true);
            let internal = statement["attachmentHint"] == json!(["internal"]);
            assert_eq!(info["options"]["plat"], internal);
            let attests = info.get("attestationFormats").is_some();
            assert_eq!(statement["attestationTypes"] == json!(["none"]), !attests);
            for way in ways.iter().flat_map(|way| way.as_array().unwrap()) {
                if let Some(code) = way.get("caDesc") {
                    assert_eq!(code["minLength"], info["minPINLength"]);
                    assert_eq!(code["maxRetries"], 8);
                }
            }
        }
    }

    #[test]
    fn a_security_key_is_described_in_the_registrys_words() {
        let mut settings = Settings::security_key();
        let described = statement(settings.clone(), None).unwrap();
        assert_eq!(described["aaguid"], "636f756e-7465-7273-6967-6e2061757468");
        assert_eq!(
            described["authenticationAlgorithms"],
            json!(["secp256r1_ecdsa_sha256_raw", "ed25519_eddsa_sha512_raw"])
        );
        assert_eq!(described["publicKeyAlgAndEncodings"], json!(["cose"]));
        assert_eq!(described["attestationTypes"], json!(["basic_surrogate"]));
        assert_eq!(described["attestationRootCertificates"], json!([]));
        assert_eq!(
            (&described["keyProtection"], &described["matcherProtection"]),
            (&json!(["software"]), &json!(["software"]))
        );
        assert_eq!(described["attachmentHint"], json!(["external", "wired"]));
        assert_eq!((&described["schema"], &described["protocolFamily"]), (&json!(3), &json!("fido2")));
        let certified = statement(settings.clone(), Some(&[0x30, 0x00])).unwrap();
        assert_eq!(certified["attestationTypes"], json!(["basic_full"]));
        assert_eq!(certified["attestationRootCertificates"], json!(["MAA="]));
        settings.credential_management = true;
        let newest = statement(settings.clone(), None).unwrap();
        let version = |minor| json!({ "major": 1, "minor": minor });
        assert_eq!(newest["upv"], json!([version(0), version(1), version(3)]));
        settings.advertised_algorithms =
            vec![CoseAlgorithm::Esp256, CoseAlgorithm::Es256, CoseAlgorithm::Esp384];
        let others = statement(settings, None).unwrap();
        assert_eq!(
            others["authenticationAlgorithms"],
            json!(["secp256r1_ecdsa_sha256_raw", "secp384r1_ecdsa_sha384_raw"])
        );
    }

    #[test]
    fn a_device_for_platforms_verifies_by_the_pin_that_they_send_alone() {
        let (settings, _) = read(&["device"]).unwrap();
        let described = statement(settings, None).unwrap();
        let method = |way: &Value| way[0]["userVerificationMethod"].clone();
        let ways: Vec<Value> =
            described["userVerificationDetails"].as_array().unwrap().iter().map(method).collect();
        assert_eq!(ways, ["presence_internal", "passcode_external"]);
        let options = &described["authenticatorGetInfo"]["options"];
        assert_eq!((options.get("uv"), &options["clientPin"]), (None, &json!(false)));
        // What platforms manage and configure through it.
        for option in ["credMgmt", "perCredMgmtRO", "authnrCfg", "largeBlobs", "pinUvAuthToken"] {
            assert_eq!(options[option], true, "{option}");
        }
    }

    #[test]
    fn roles_and_options_are_read() {
        assert_eq!(read(&[]).unwrap().0, Settings::security_key());
        assert_eq!(read(&["device"]).unwrap().0, Settings::security_key().served_to_platforms());
        assert_eq!(read(&["platform"]).unwrap().0, Settings::platform());
        assert_eq!(read(&["credential-manager"]).unwrap().0, Settings::credential_manager());
        for wrong in [&["toaster"][..], &["--attestation-root"], &["--attestation-root", "/nowhere/root.der"]]
        {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_root_is_a_certificate_in_der() {
        let directory = tempfile::tempdir().unwrap();
        let made = directory.path().join("made");
        crate::attestation_cert::run(&[made.to_str().unwrap()]).unwrap();
        let root = |name| read(&["platform", "--attestation-root", made.join(name).to_str().unwrap()]);
        assert_eq!(root("root.der").unwrap().1, Some(fs::read(made.join("root.der")).unwrap()));
        for none in ["root.pem", "root.key.pem"] {
            assert!(root(none).unwrap_err().ends_with("this is no certificate in DER"), "{none}");
        }
    }
}
