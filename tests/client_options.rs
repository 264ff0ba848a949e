//! Options in: WebAuthn "Create a New Credential", "Use an Existing Credential", prf, credProtect.

mod common;

use std::time::Duration;

use common::{
    client::{base64url, caller, create_options, get_options},
    vectors::{hex, list, vectors},
};
use countersign::{
    client::{
        AttestationConveyance, Caller, CreationOptions, ErrorKind, Hint, OptionsError, Origin,
        PreparedCreation, PreparedGet, RequestOptions, Requirement,
    },
    webauthn::{AuthenticatorAttachment, PrfSalt, PrfSalts},
};
use serde_json::{Value, json};

fn prepare_creation(options: &Value) -> Result<PreparedCreation, OptionsError> {
    CreationOptions::from_json(options.to_string().as_bytes())?.prepare(&caller())
}

fn prepare_get(options: &Value) -> Result<PreparedGet, OptionsError> {
    RequestOptions::from_json(options.to_string().as_bytes())?.prepare(&caller())
}

fn creation_with(path: &str, value: Value) -> Result<PreparedCreation, OptionsError> {
    prepare_creation(&replaced(create_options(), path, value))
}

fn get_with(path: &str, value: Value) -> Result<PreparedGet, OptionsError> {
    prepare_get(&replaced(get_options(), path, value))
}

/// The options with the member at the JSON pointer put in, or taken out for the string "absent".
fn replaced(mut options: Value, path: &str, value: Value) -> Value {
    let (parent, name) = path.rsplit_once('/').expect("a pointer");
    let parent = options.pointer_mut(parent).expect("a parent").as_object_mut().expect("an object");
    if value == json!("absent") {
        parent.remove(name);
    } else {
        parent.insert(name.to_owned(), value);
    }
    options
}

fn creation_error(path: &str, value: Value) -> (ErrorKind, String) {
    failed(creation_with(path, value).map(drop))
}

fn get_error(path: &str, value: Value) -> (ErrorKind, String) {
    failed(get_with(path, value).map(drop))
}

fn failed(result: Result<(), OptionsError>) -> (ErrorKind, String) {
    let error = result.expect_err("refused");
    (error.kind(), error.place().to_owned())
}

fn error(kind: ErrorKind, place: &str) -> (ErrorKind, String) {
    (kind, place.to_owned())
}

#[test]
fn client_data_of_the_w3c_ceremonies_are_byte_exact() {
    let mut compared = 0;
    for ceremony in list(&vectors("webauthn_l3_ceremonies"), "vectors") {
        let origin = |name: &str| Some(Origin::parse(ceremony[name].as_str()?).unwrap());
        let own = origin("origin").unwrap();
        let caller = match ceremony["cross_origin"].as_bool().unwrap() {
            true => Caller::cross_origin(own, origin("top_origin")),
            false => Caller::same_origin(own),
        };
        let challenge = |half: &str| json!(base64url(&hex(&ceremony[half]["challenge"])));
        let mut check = |half: &str, ours: &[u8]| {
            let theirs = hex(&ceremony[half]["client_data_json"]);
            let theirs: &[u8] = match ceremony[half]["extra_data_random"].is_null() {
                true => &theirs,
                // Members that only the vectors have stand at the end.
                false => {
                    let position =
                        theirs.windows(13).position(|window| window == b",\"extraData\":").unwrap();
                    &[&theirs[..position], b"}"].concat()
                }
            };
            assert_eq!(ours, theirs, "{} {half}", ceremony["id"]);
            compared += 1;
        };
        let options = replaced(create_options(), "/challenge", challenge("registration"));
        let prepared =
            CreationOptions::from_json(options.to_string().as_bytes()).unwrap().prepare(&caller).unwrap();
        check("registration", prepared.registration.client_data_json());
        let options = replaced(get_options(), "/challenge", challenge("authentication"));
        let prepared =
            RequestOptions::from_json(options.to_string().as_bytes()).unwrap().prepare(&caller).unwrap();
        check("authentication", prepared.authentication.client_data_json());
    }
    assert_eq!(compared, 30);
}

#[test]
fn what_simplewebauthn_generated_for_the_quickstart_is_understood() {
    let own = Caller::same_origin(Origin::parse("https://vault.example").unwrap());
    let text = common::vectors::file("crates/cli/data/quickstart-create.json");
    let options: Value = serde_json::from_slice(&text).unwrap();
    let prepared = CreationOptions::from_json(&text).unwrap().prepare(&own).unwrap();
    let request = &prepared.request;
    assert_eq!(request.rp.id.as_str(), "vault.example");
    assert_eq!(request.algorithms, [-8, -7, -257]);
    assert_eq!(base64url(request.user.id.as_bytes()), options["user"]["id"]);
    assert_eq!(request.user.name.as_deref(), Some("alex@vault.example"));
    assert_eq!(request.options.rk, Some(true));
    assert_eq!(request.options.uv, Some(true));
    assert_eq!(request.attestation_formats_preference, ["none"]);
    assert_eq!(prepared.timeout, Some(Duration::from_secs(300)));
    let text = common::vectors::file("crates/cli/data/quickstart-get.json");
    let get = RequestOptions::from_json(&text).unwrap().prepare(&own).unwrap();
    assert_eq!(get.request.rp_id.as_str(), "vault.example");
    assert_eq!(get.request.allow_list, None);
    let salt = |prf: Option<countersign::webauthn::PrfInputs>| *prf.unwrap().eval.unwrap().first.as_bytes();
    let expected = PrfSalt::from_input(&[b"countersign/v1/prf\0".as_slice(), &[0; 48]].concat());
    assert_eq!(&salt(prepared.prf), expected.as_bytes());
    assert_eq!(&salt(get.prf), expected.as_bytes());
}

#[test]
fn what_py_webauthn_generated_is_understood() {
    let create = |name: &str| {
        let text = common::vectors::file(&format!("vectors/options/{name}.json"));
        CreationOptions::from_json(&text).unwrap().prepare(&caller()).unwrap()
    };
    let get = |name: &str| {
        let text = common::vectors::file(&format!("vectors/options/{name}.json"));
        RequestOptions::from_json(&text).unwrap().prepare(&caller()).unwrap()
    };
    let known: Vec<u8> = (0..32).collect();

    let defaults = create("create-defaults");
    assert_eq!(defaults.request.user.id.as_bytes(), (0..64).collect::<Vec<u8>>());
    assert_eq!(defaults.request.algorithms, [-8, -7, -257]);
    assert_eq!(defaults.resident_key, Requirement::Discouraged);
    assert_eq!(defaults.user_verification, Requirement::Preferred);
    assert!(defaults.prf.is_none());

    let everything = create("create-everything");
    assert_eq!(everything.request.rp.name.as_deref(), Some("Exämple \"quoted\" \\ 例え"));
    assert_eq!(everything.request.user.id.as_bytes(), [0x00, 0xff]);
    assert_eq!(everything.request.user.display_name.as_deref(), Some("Алекс"));
    assert_eq!(everything.request.algorithms, [-8, -7]);
    assert_eq!(everything.request.exclude_list[0].id.as_bytes(), known);
    assert_eq!(everything.attachment, Some(AuthenticatorAttachment::CrossPlatform));
    assert_eq!(everything.resident_key, Requirement::Required);
    assert_eq!(everything.user_verification, Requirement::Required);
    assert_eq!(everything.attestation, AttestationConveyance::Direct);
    assert_eq!(everything.hints, [Hint::SecurityKey, Hint::ClientDevice]);
    assert_eq!(everything.timeout, Some(Duration::from_secs(120)));

    assert_eq!(get("get-defaults").request.allow_list, None);
    let everything = get("get-everything");
    assert_eq!(everything.request.allow_list.unwrap()[0].id.as_bytes(), known);
    assert_eq!(everything.user_verification, Requirement::Discouraged);
    assert_eq!(everything.request.options.uv, None);
}

#[test]
fn only_the_required_members_are_needed() {
    let create = prepare_creation(&json!({
        "rp": { "name": "Example" },
        "user": { "id": "AA", "name": "", "displayName": "" },
        "challenge": "",
        "pubKeyCredParams": [],
    }))
    .unwrap();
    assert_eq!(create.request.rp.id.as_str(), "example.org");
    assert_eq!(create.timeout, None);
    assert!(create.hints.is_empty());
    let get = prepare_get(&json!({ "challenge": "AA" })).unwrap();
    assert_eq!(get.request.rp_id.as_str(), "example.org");
    assert_eq!(get.user_verification, Requirement::Preferred);
}

#[test]
fn a_missing_or_null_required_member_is_a_type_error_that_names_it() {
    for path in ["/rp", "/rp/name", "/user", "/user/id", "/user/name", "/user/displayName", "/challenge"] {
        let place = path[1..].replace('/', ".");
        assert_eq!(creation_error(path, json!("absent")), error(ErrorKind::Type, &place));
        assert_eq!(creation_error(path, Value::Null), error(ErrorKind::Type, &place));
    }
    assert_eq!(
        creation_error("/pubKeyCredParams", json!("absent")),
        error(ErrorKind::Type, "pubKeyCredParams")
    );
    assert_eq!(get_error("/challenge", json!("absent")), error(ErrorKind::Type, "challenge"));
}

#[test]
fn a_member_of_the_wrong_type_is_a_type_error_that_names_it() {
    for (path, value, place) in [
        ("/rp", json!([]), "rp"),
        ("/rp/id", json!(7), "rp.id"),
        ("/user/name", json!({}), "user.name"),
        ("/user/id", json!(1), "user.id"),
        ("/challenge", json!([1, 2]), "challenge"),
        ("/pubKeyCredParams", json!({}), "pubKeyCredParams"),
        ("/pubKeyCredParams", json!([{ "type": "public-key" }]), "pubKeyCredParams[0].alg"),
        ("/pubKeyCredParams", json!([{ "alg": -7 }]), "pubKeyCredParams[0].type"),
        (
            "/pubKeyCredParams",
            json!([{ "alg": -7, "type": "public-key" }, { "alg": "-7", "type": "public-key" }]),
            "pubKeyCredParams[1].alg",
        ),
        ("/pubKeyCredParams", json!([{ "alg": -7.5, "type": "public-key" }]), "pubKeyCredParams[0].alg"),
        (
            "/pubKeyCredParams",
            json!([{ "alg": 2147483648u32, "type": "public-key" }]),
            "pubKeyCredParams[0].alg",
        ),
        ("/timeout", json!("60000"), "timeout"),
        ("/timeout", json!(-1), "timeout"),
        ("/timeout", json!(4294967296u64), "timeout"),
        ("/timeout", json!(u64::MAX), "timeout"),
        ("/excludeCredentials", json!("AA"), "excludeCredentials"),
        ("/excludeCredentials", json!([{ "type": "public-key" }]), "excludeCredentials[0].id"),
        ("/excludeCredentials", json!([{ "type": "public-key", "id": "" }]), "excludeCredentials[0].id"),
        (
            "/excludeCredentials",
            json!([{ "type": "public-key", "id": "AA", "transports": ["usb", 1] }]),
            "excludeCredentials[0].transports[1]",
        ),
        ("/authenticatorSelection", json!([]), "authenticatorSelection"),
        ("/authenticatorSelection", json!({ "residentKey": true }), "authenticatorSelection.residentKey"),
        (
            "/authenticatorSelection",
            json!({ "requireResidentKey": "true" }),
            "authenticatorSelection.requireResidentKey",
        ),
        ("/hints", json!("hybrid"), "hints"),
        ("/attestation", json!(0), "attestation"),
        ("/attestationFormats", json!([1]), "attestationFormats[0]"),
        ("/extensions", json!([]), "extensions"),
        ("/extensions", json!({ "credProps": 1 }), "extensions.credProps"),
        ("/extensions", json!({ "prf": true }), "extensions.prf"),
        ("/extensions", json!({ "prf": { "eval": {} } }), "extensions.prf.eval.first"),
    ] {
        assert_eq!(creation_error(path, value.clone()), error(ErrorKind::Type, place), "{path} {value}");
    }
    assert_eq!(failed(prepare_creation(&json!([])).map(drop)), error(ErrorKind::Type, ""));
}

#[test]
fn options_inside_public_key_are_told_apart_from_missing_members() {
    let wrapped = json!({ "publicKey": create_options() });
    let error = prepare_creation(&wrapped).map(drop).unwrap_err();
    assert_eq!((error.kind(), error.place()), (ErrorKind::Type, "publicKey"));
    assert_eq!(error.to_string(), "publicKey: holds the options; pass what is inside it");
}

#[test]
fn a_user_handle_has_1_to_64_bytes() {
    for (length, allowed) in [(0, false), (1, true), (64, true), (65, false)] {
        let result = creation_with("/user/id", json!(base64url(&vec![7; length]))).map(drop);
        match allowed {
            true => assert!(result.is_ok(), "{length}"),
            false => assert_eq!(failed(result), error(ErrorKind::Type, "user.id"), "{length}"),
        }
    }
}

#[test]
fn base64url_is_unpadded_canonical_and_without_white_space() {
    let bad =
        ["AA==", "A", "AAA+", "AAA/", " AAA", "AAA\n", "AA AA", "AB", "A\u{435}AA", "*", "AAAA=", "AAAA===="];
    for text in bad {
        assert_eq!(
            creation_error("/challenge", json!(text)),
            error(ErrorKind::Encoding, "challenge"),
            "{text:?}"
        );
        assert_eq!(
            creation_error("/user/id", json!(text)),
            error(ErrorKind::Encoding, "user.id"),
            "{text:?}"
        );
        let list = json!([{ "type": "public-key", "id": text }]);
        let place = "allowCredentials[0].id";
        assert_eq!(get_error("/allowCredentials", list), error(ErrorKind::Encoding, place), "{text:?}");
        let prf = json!({ "prf": { "eval": { "first": "AA", "second": text } } });
        let place = "extensions.prf.eval.second";
        assert_eq!(get_error("/extensions", prf), error(ErrorKind::Encoding, place), "{text:?}");
    }
}

#[test]
fn an_empty_list_of_parameters_means_es256_and_rs256() {
    assert_eq!(creation_with("/pubKeyCredParams", json!([])).unwrap().request.algorithms, [-7, -257]);
}

#[test]
fn parameters_of_unknown_type_are_passed_over_and_order_is_kept() {
    let parameters = json!([
        { "type": "public-key", "alg": -8 },
        { "type": "other", "alg": -7 },
        { "type": "public-key", "alg": -65535 },
        { "type": "public-key", "alg": -7 },
    ]);
    assert_eq!(creation_with("/pubKeyCredParams", parameters).unwrap().request.algorithms, [-8, -65535, -7]);
}

#[test]
fn parameters_of_unknown_type_only_are_not_supported() {
    let parameters = json!([{ "type": "Public-Key", "alg": -7 }]);
    let expected = error(ErrorKind::NotSupported, "pubKeyCredParams");
    assert_eq!(creation_error("/pubKeyCredParams", parameters), expected);
}

#[test]
fn an_rp_id_that_the_origin_may_not_claim_is_a_security_error() {
    for rp_id in ["example.com", "org", "login.example.org", "", "Example.org"] {
        assert_eq!(creation_error("/rp/id", json!(rp_id)), error(ErrorKind::Security, "rp.id"), "{rp_id}");
        assert_eq!(get_error("/rpId", json!(rp_id)), error(ErrorKind::Security, "rpId"), "{rp_id}");
    }
    let address = Caller::same_origin(Origin::parse("https://192.0.2.1").unwrap());
    let get = RequestOptions::from_json(br#"{"challenge":"AA"}"#).unwrap().prepare(&address);
    assert_eq!(failed(get.map(drop)), error(ErrorKind::Security, "rpId"));
}

#[test]
fn the_rp_id_is_what_was_claimed_and_not_the_host() {
    let login = Caller::same_origin(Origin::parse("https://login.example.org").unwrap());
    let text = create_options().to_string();
    let prepared = CreationOptions::from_json(text.as_bytes()).unwrap().prepare(&login).unwrap();
    assert_eq!(prepared.request.rp.id.as_str(), "example.org");
    let client_data: Value = serde_json::from_slice(prepared.registration.client_data_json()).unwrap();
    assert_eq!(client_data["origin"], "https://login.example.org");
}

#[test]
fn unknown_values_mean_the_defaults() {
    let create = prepare_creation(&replaced(
        create_options(),
        "/authenticatorSelection",
        json!({ "userVerification": "always", "residentKey": "maybe", "authenticatorAttachment": "implanted" }),
    ))
    .unwrap();
    assert_eq!(create.user_verification, Requirement::Preferred);
    assert_eq!(create.resident_key, Requirement::Discouraged);
    assert_eq!(create.attachment, None);
    assert_eq!(
        creation_with("/attestation", json!("best")).unwrap().attestation,
        AttestationConveyance::None
    );
    let hints = json!(["telepathy", "hybrid", "security-key"]);
    assert_eq!(creation_with("/hints", hints).unwrap().hints, [Hint::Hybrid, Hint::SecurityKey]);
    assert_eq!(get_with("/userVerification", json!("")).unwrap().user_verification, Requirement::Preferred);
    assert!(get_with("/extensions", json!({ "appid": 5, "largeBlob": null, "x": [{}] })).is_ok());
}

#[test]
fn resident_key_falls_back_to_require_resident_key() {
    for (criteria, expected) in [
        (json!({}), Requirement::Discouraged),
        (json!({ "requireResidentKey": false }), Requirement::Discouraged),
        (json!({ "requireResidentKey": true }), Requirement::Required),
        (json!({ "residentKey": "unknown", "requireResidentKey": true }), Requirement::Required),
        (json!({ "residentKey": "preferred", "requireResidentKey": true }), Requirement::Preferred),
        (json!({ "residentKey": "discouraged", "requireResidentKey": true }), Requirement::Discouraged),
        (json!({ "residentKey": "required", "requireResidentKey": false }), Requirement::Required),
    ] {
        let prepared = creation_with("/authenticatorSelection", criteria.clone()).unwrap();
        assert_eq!(prepared.resident_key, expected, "{criteria}");
        assert_eq!(prepared.request.options.rk, (expected == Requirement::Required).then_some(true));
    }
}

#[test]
fn an_effective_requirement_follows_from_what_can_be_done() {
    for (requirement, possible, effective) in [
        (Requirement::Required, false, true),
        (Requirement::Required, true, true),
        (Requirement::Preferred, false, false),
        (Requirement::Preferred, true, true),
        (Requirement::Discouraged, true, false),
    ] {
        assert_eq!(requirement.effective(possible), effective, "{requirement:?} {possible}");
    }
}

#[test]
fn without_attestation_the_format_asked_for_is_none() {
    let formats = |attestation: &str| {
        let options = replaced(create_options(), "/attestationFormats", json!(["packed", "tpm"]));
        let options = replaced(options, "/attestation", json!(attestation));
        prepare_creation(&options).unwrap().request.attestation_formats_preference
    };
    assert_eq!(formats("none"), ["none"]);
    assert_eq!(formats("direct"), ["packed", "tpm"]);
    assert_eq!(formats("enterprise"), ["packed", "tpm"]);
}

#[test]
fn a_list_of_unknown_credential_types_allows_nothing_and_an_empty_one_everything() {
    let allow_list = |list: Value| get_with("/allowCredentials", list).unwrap().request.allow_list;
    assert_eq!(allow_list(json!([])), None);
    assert_eq!(allow_list(Value::Null), None);
    assert_eq!(allow_list(json!([{ "type": "other", "id": "AA" }])), Some(vec![]));
    let list =
        allow_list(json!([{ "type": "other", "id": "AA" }, { "type": "public-key", "id": "AQ" }])).unwrap();
    assert_eq!(list.iter().map(|descriptor| descriptor.id.as_bytes()).collect::<Vec<_>>(), [[1]]);
}

fn salts(salts: &PrfSalts) -> (String, Option<String>) {
    (hex::encode(salts.first.as_bytes()), salts.second.as_ref().map(|second| hex::encode(second.as_bytes())))
}

#[test]
fn prf_inputs_become_the_salts_of_the_w3c_vectors() {
    let set = vectors("webauthn_l3_prf");
    for case in list(&set, "vectors") {
        let input = |name: &str| case[name].as_str().map(|_| base64url(&hex(&case[name])));
        let mut eval = json!({ "first": input("prf_eval_first").unwrap() });
        if let Some(second) = input("prf_eval_second") {
            eval["second"] = json!(second);
        }
        let extensions = json!({ "prf": { "eval": eval } });
        let expected =
            (case["salt1"].as_str().unwrap().to_owned(), case["salt2"].as_str().map(str::to_owned));
        let prf = creation_with("/extensions", extensions.clone()).unwrap().prf.unwrap();
        assert_eq!(salts(prf.eval.as_ref().unwrap()), expected, "{}", case["id"]);
        let prf = get_with("/extensions", extensions).unwrap().prf.unwrap();
        assert_eq!(salts(prf.eval.as_ref().unwrap()), expected, "{}", case["id"]);
    }
}

#[test]
fn prf_without_inputs_only_asks_whether_there_is_one() {
    let prf = creation_with("/extensions", json!({ "prf": {} })).unwrap().prf.unwrap();
    assert!(prf.eval.is_none());
    assert!(creation_with("/extensions", json!({})).unwrap().prf.is_none());
}

#[test]
fn eval_by_credential_does_not_exist_at_creation() {
    for record in [json!({}), json!({ "AA": { "first": "AA" } })] {
        let extensions = json!({ "prf": { "evalByCredential": record } });
        let expected = error(ErrorKind::NotSupported, "extensions.prf.evalByCredential");
        assert_eq!(creation_error("/extensions", extensions), expected);
    }
}

#[test]
fn eval_by_credential_needs_allow_credentials() {
    let extensions = json!({ "prf": { "evalByCredential": { "AA": { "first": "AA" } } } });
    let place = "extensions.prf.evalByCredential";
    assert_eq!(get_error("/extensions", extensions.clone()), error(ErrorKind::NotSupported, place));
    let options = replaced(get_options(), "/extensions", extensions);
    let options = replaced(options, "/allowCredentials", json!([]));
    assert_eq!(failed(prepare_get(&options).map(drop)), error(ErrorKind::NotSupported, place));
    assert!(get_with("/extensions", json!({ "prf": { "evalByCredential": {} } })).is_ok());
}

fn get_with_keys(allowed: &[&str], keys: Value) -> Result<PreparedGet, OptionsError> {
    let list: Vec<Value> = allowed.iter().map(|id| json!({ "type": "public-key", "id": id })).collect();
    let options = replaced(get_options(), "/allowCredentials", json!(list));
    prepare_get(&replaced(options, "/extensions", json!({ "prf": { "evalByCredential": keys } })))
}

#[test]
fn a_key_of_eval_by_credential_names_an_allowed_credential() {
    for key in ["", "AA==", "*", "Ag", "AAAA", "AB"] {
        let mut keys = json!({ "AA": { "first": "AA" } });
        keys[key] = json!({ "first": "AA" });
        let expected = error(ErrorKind::Syntax, "extensions.prf.evalByCredential");
        assert_eq!(failed(get_with_keys(&["AA", "AQ"], keys).map(drop)), expected, "{key:?}");
    }
}

#[test]
fn eval_by_credential_goes_before_eval() {
    let options = json!({
        "challenge": "AA",
        "allowCredentials": [{ "type": "public-key", "id": "AA" }, { "type": "public-key", "id": "AQ" }],
        "extensions": { "prf": { "eval": { "first": "AA" }, "evalByCredential": { "AQ": { "first": "AQ" } } } },
    });
    let prepared = prepare_get(&options).unwrap();
    let prf = prepared.prf.unwrap();
    let allowed = prepared.request.allow_list.unwrap();
    let first = |index: usize| *prf.for_credential(&allowed[index].id).unwrap().first.as_bytes();
    assert_eq!(&first(0), PrfSalt::from_input(&[0]).as_bytes());
    assert_eq!(&first(1), PrfSalt::from_input(&[1]).as_bytes());
}

#[test]
fn a_credential_protection_policy_becomes_cred_protect() {
    for (policy, level, enforced) in [
        ("userVerificationOptional", 1, false),
        ("userVerificationOptionalWithCredentialIDList", 2, true),
        ("userVerificationRequired", 3, true),
    ] {
        let extensions =
            json!({ "credentialProtectionPolicy": policy, "enforceCredentialProtectionPolicy": true });
        let prepared = creation_with("/extensions", extensions).unwrap();
        assert_eq!(prepared.request.extensions.cred_protect, Some(level));
        assert_eq!(prepared.enforce_cred_protect, enforced, "{policy}");
    }
    let alone = creation_with("/extensions", json!({ "enforceCredentialProtectionPolicy": true })).unwrap();
    assert!(!alone.enforce_cred_protect);
    assert_eq!(alone.request.extensions.cred_protect, None);
    let unknown = json!({ "credentialProtectionPolicy": "userVerificationrequired" });
    let place = "extensions.credentialProtectionPolicy";
    assert_eq!(creation_error("/extensions", unknown), error(ErrorKind::Type, place));
}

#[test]
fn every_class_has_the_name_that_a_browser_throws() {
    assert_eq!(ErrorKind::Type.exception_name(), "TypeError");
    assert_eq!(ErrorKind::Encoding.exception_name(), "EncodingError");
    assert_eq!(ErrorKind::Security.exception_name(), "SecurityError");
    assert_eq!(ErrorKind::NotSupported.exception_name(), "NotSupportedError");
    assert_eq!(ErrorKind::Syntax.exception_name(), "SyntaxError");
}
