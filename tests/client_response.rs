//! Credential JSON out: RegistrationResponseJSON, AuthenticationResponseJSON, attestation conveyance, prf, credProps.

mod common;

use base64ct::{Base64UrlUnpadded, Encoding};
use ciborium::Value as Cbor;
use common::{
    client::{base64url, caller, create_options, get_options},
    vectors::{hex, list, vectors},
};
use countersign::{
    client::{
        AssertionResult, Authentication, CreationOptions, Registration, RegistrationResult, RequestOptions,
        ResultError,
    },
    ctap2::{GetAssertionResponse, MakeCredentialResponse},
    secret::Secret,
    webauthn::{
        AuthenticatorAttachment, AuthenticatorDataView, CredentialId, PrfOutputs, Transport, UserEntity,
        UserHandle,
    },
};
use serde_json::{Value, json};

/// The UV bit of authenticator data.
const UV: u8 = 0x04;
/// Where the flags stand in authenticator data, and where the AAGUID does.
const FLAGS: usize = 32;
const AAGUID: std::ops::Range<usize> = 37..53;

fn registration(attestation: &str, extensions: Value) -> Registration {
    let mut options = create_options();
    options["attestation"] = json!(attestation);
    options["extensions"] = extensions;
    CreationOptions::from_json(options.to_string().as_bytes())
        .unwrap()
        .prepare(&caller())
        .unwrap()
        .registration
}

fn authentication(extensions: Value) -> Authentication {
    let mut options = get_options();
    options["extensions"] = extensions;
    RequestOptions::from_json(options.to_string().as_bytes())
        .unwrap()
        .prepare(&caller())
        .unwrap()
        .authentication
}

fn registration_result(response: MakeCredentialResponse) -> RegistrationResult {
    let attachment = Some(AuthenticatorAttachment::Platform);
    RegistrationResult {
        response,
        transports: vec![],
        attachment,
        prf_enabled: false,
        prf: None,
        discoverable: None,
    }
}

fn finish(registration: &Registration, result: RegistrationResult) -> Value {
    serde_json::from_str(registration.finish(result).unwrap_or_else(|error| panic!("{error}")).expose())
        .unwrap()
}

fn decoded(member: &Value) -> Vec<u8> {
    Base64UrlUnpadded::decode_vec(member.as_str().expect("base64url")).unwrap()
}

fn ceremonies() -> Vec<Value> {
    list(&vectors("webauthn_l3_ceremonies"), "vectors").to_vec()
}

fn ceremony(id: &str) -> Value {
    ceremonies().into_iter().find(|ceremony| ceremony["id"] == id).unwrap()
}

/// What the authenticator of a ceremony answered, taken out of its attestation object.
fn answer(ceremony: &Value) -> MakeCredentialResponse {
    let object = hex(&ceremony["registration"]["attestation_object"]);
    let object: Cbor = ciborium::from_reader(object.as_slice()).unwrap();
    let entries = object.into_map().unwrap();
    let member = |name: &str| entries.iter().find(|(key, _)| key.as_text() == Some(name)).unwrap().1.clone();
    MakeCredentialResponse {
        fmt: member("fmt").into_text().unwrap().leak(),
        auth_data: member("authData").into_bytes().unwrap(),
        att_stmt: member("attStmt"),
        ep_att: false,
        large_blob_key: None,
        large_blob_supported: false,
    }
}

#[test]
fn attestation_that_is_conveyed_makes_the_attestation_objects_of_the_w3c() {
    let ceremonies = ceremonies();
    assert_eq!(ceremonies.len(), 15);
    for ceremony in ceremonies {
        for attestation in ["direct", "indirect", "enterprise"] {
            let json = finish(&registration(attestation, json!({})), registration_result(answer(&ceremony)));
            let expected = hex(&ceremony["registration"]["attestation_object"]);
            assert_eq!(decoded(&json["response"]["attestationObject"]), expected, "{}", ceremony["id"]);
        }
    }
}

#[test]
fn attestation_nobody_asked_for_is_replaced_by_none() {
    for ceremony in ceremonies() {
        let answer = answer(&ceremony);
        let auth_data = answer.auth_data.clone();
        let json = finish(&registration("none", json!({})), registration_result(answer));
        let object: Cbor =
            ciborium::from_reader(decoded(&json["response"]["attestationObject"]).as_slice()).unwrap();
        let expected = [
            (Cbor::from("fmt"), Cbor::from("none")),
            (Cbor::from("attStmt"), Cbor::Map(vec![])),
            (Cbor::from("authData"), Cbor::from(auth_data)),
        ];
        assert_eq!(object.as_map().unwrap(), &expected, "{}", ceremony["id"]);
        if ceremony["fmt"] == "none" {
            let expected = hex(&ceremony["registration"]["attestation_object"]);
            assert_eq!(decoded(&json["response"]["attestationObject"]), expected);
        }
    }
}

fn format_for_none(id: &str, zero_aaguid: bool) -> String {
    let mut answer = answer(&ceremony(id));
    if zero_aaguid {
        answer.auth_data[AAGUID].fill(0);
    }
    let json = finish(&registration("none", json!({})), registration_result(answer));
    let object: Cbor =
        ciborium::from_reader(decoded(&json["response"]["attestationObject"]).as_slice()).unwrap();
    object.as_map().unwrap()[0].1.as_text().unwrap().to_owned()
}

#[test]
fn a_self_attestation_without_aaguid_is_kept_and_no_other() {
    assert_eq!(format_for_none("packed-self.ES256", true), "packed");
    assert_eq!(format_for_none("packed-self.ES256", false), "none");
    // A certificate identifies whatever the AAGUID says; another format is no self attestation.
    assert_eq!(format_for_none("packed.ES256", true), "none");
    assert_eq!(format_for_none("fido-u2f.ES256", true), "none");
}

#[test]
fn a_registration_response_has_the_members_of_the_standard() {
    let ceremony = ceremony("none.ES256");
    let registration = registration("none", json!({}));
    let mut result = registration_result(answer(&ceremony));
    result.transports = vec![Transport::Usb, Transport::Internal, Transport::Hybrid, Transport::Usb];
    let id = base64url(&hex(&ceremony["credential_id"]));
    let expected = json!({
        "id": id,
        "rawId": id,
        "type": "public-key",
        "authenticatorAttachment": "platform",
        "response": {
            "clientDataJSON": base64url(registration.client_data_json()),
            "attestationObject": base64url(&hex(&ceremony["registration"]["attestation_object"])),
            "authenticatorData": base64url(&result.response.auth_data),
            "transports": ["hybrid", "internal", "usb"],
            "publicKey": NONE_ES256_SPKI,
            "publicKeyAlgorithm": -7,
        },
        "clientExtensionResults": {},
    });
    assert_eq!(finish(&registration, result), expected);
}

/// SubjectPublicKeyInfo of the ceremonies' private keys, made with Python `cryptography`.
const NONE_ES256_SPKI: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEr--hb5fKmy0j64bMtkCY0g25CFYGLrJJwzqbZy8m32GTCla4ei_KZjNLA0\
     WKv4eXF8Esxo7XMpCvLiZkeWuSIA";
const PACKED_ES384_SPKI: &str = "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAESGa9iwHaeJ6euAbl6rBa5aY4VCKWqwV6Lxu86bWPigi5FxOQtYo3rH__\
     wsX0WFfaKgsCTH9LcgcqH5a9MKcmGq6Vcd05hw6ynlXAlBxrCOiWKaHqEhaqZM5XwoB785Aa";
const PACKED_EDDSA_SPKI: &str = "MCowBQYDK2VwAyEAROBt3TMcNqjcZnurUryuY0hskWql4znmrOuqhJNL-DI";

#[test]
fn the_public_key_is_told_for_our_algorithms_and_its_algorithm_for_all() {
    for ceremony in ceremonies() {
        let json = finish(&registration("direct", json!({})), registration_result(answer(&ceremony)));
        let response = &json["response"];
        assert_eq!(response["publicKeyAlgorithm"], ceremony["alg"], "{}", ceremony["id"]);
        let ours = [json!(-7), json!(-8), json!(-35)].contains(&ceremony["alg"]);
        assert_eq!(response.get("publicKey").is_some(), ours, "{}", ceremony["id"]);
    }
    for (id, expected) in [("packed.EdDSA", PACKED_EDDSA_SPKI), ("packed.ES384", PACKED_ES384_SPKI)] {
        let json = finish(&registration("direct", json!({})), registration_result(answer(&ceremony(id))));
        assert_eq!(json["response"]["publicKey"], expected);
    }
}

#[test]
fn transports_are_unique_and_in_lexicographical_order() {
    let mut result = registration_result(answer(&ceremony("none.ES256")));
    let (usb, nfc, ble) = (Transport::Usb, Transport::Nfc, Transport::Ble);
    result.transports =
        vec![usb, Transport::SmartCard, nfc, Transport::Internal, Transport::Hybrid, ble, nfc, ble];
    let json = finish(&registration("none", json!({})), result);
    let expected = ["ble", "hybrid", "internal", "nfc", "smart-card", "usb"];
    assert_eq!(json["response"]["transports"], json!(expected));
}

#[test]
fn an_unknown_attachment_is_left_out() {
    let mut result = registration_result(answer(&ceremony("none.ES256")));
    result.attachment = Some(AuthenticatorAttachment::CrossPlatform);
    assert_eq!(finish(&registration("none", json!({})), result)["authenticatorAttachment"], "cross-platform");
    let mut result = registration_result(answer(&ceremony("none.ES256")));
    result.attachment = None;
    assert!(finish(&registration("none", json!({})), result).get("authenticatorAttachment").is_none());
}

fn assertion(ceremony: &Value) -> GetAssertionResponse {
    GetAssertionResponse {
        credential: CredentialId::new(&hex(&ceremony["credential_id"])).unwrap(),
        auth_data: hex(&ceremony["authentication"]["authenticator_data"]),
        signature: hex(&ceremony["authentication"]["signature"]),
        user: None,
        number_of_credentials: None,
        user_selected: false,
        large_blob_key: None,
        large_blob: None,
    }
}

fn finish_assertion(extensions: Value, prf: Option<PrfOutputs>) -> Value {
    let response = assertion(&ceremony("none.ES256"));
    let result = AssertionResult { response, attachment: None, prf };
    serde_json::from_str(authentication(extensions).finish(result).unwrap().expose()).unwrap()
}

#[test]
fn an_authentication_response_has_the_members_of_the_standard() {
    for ceremony in ceremonies() {
        let authentication = authentication(json!({}));
        let mut response = assertion(&ceremony);
        let id = UserHandle::new(&[1, 2, 3]).unwrap();
        response.user = Some(UserEntity { id, name: Some("alex".into()), display_name: None });
        let id = base64url(response.credential.as_bytes());
        let expected = json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "authenticatorAttachment": "cross-platform",
            "response": {
                "clientDataJSON": base64url(authentication.client_data_json()),
                "authenticatorData": base64url(&response.auth_data),
                "signature": base64url(&response.signature),
                "userHandle": "AQID",
            },
            "clientExtensionResults": {},
        });
        let attachment = Some(AuthenticatorAttachment::CrossPlatform);
        let json = authentication.finish(AssertionResult { response, attachment, prf: None }).unwrap();
        assert_eq!(serde_json::from_str::<Value>(json.expose()).unwrap(), expected, "{}", ceremony["id"]);
    }
}

#[test]
fn an_unknown_user_handle_is_left_out() {
    assert!(finish_assertion(json!({}), None)["response"].get("userHandle").is_none());
}

/// PRF results of which each has its own bytes.
fn outputs(both: bool) -> PrfOutputs {
    let output = |fill: u8| Secret::init_with(|bytes: &mut [u8; 32]| bytes.fill(fill));
    PrfOutputs { first: output(0xf1), second: both.then(|| output(0xf2)) }
}

/// The extension inputs of a shape vector, with base64url in place of its hex.
fn shape_input(input: &Value) -> Value {
    match input {
        Value::String(text) => json!(base64url(&hex::decode(text).unwrap())),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), shape_input(value))).collect()
        }
        other => other.clone(),
    }
}

/// Whether an output is one of the shapes; "<32 bytes>" stands for any value, and so do the placeholders in hex.
fn has_shape(output: &Value, shapes: &Value) -> bool {
    fn matches(output: &Value, shape: &Value) -> bool {
        match (output, shape) {
            (Value::String(text), Value::String(_)) => {
                Base64UrlUnpadded::decode_vec(text).unwrap().len() == 32
            }
            (Value::Object(output), Value::Object(shape)) => {
                output.len() == shape.len()
                    && output
                        .iter()
                        .all(|(name, value)| shape.get(name).is_some_and(|shape| matches(value, shape)))
            }
            _ => output == shape,
        }
    }
    shapes.as_array().expect("shapes").iter().any(|shape| matches(output, shape))
}

#[test]
fn prf_outputs_have_the_shapes_of_the_w3c_vectors() {
    let set = vectors("webauthn_l3_prf");
    let created = |input: &Value, enabled: bool, prf: Option<PrfOutputs>| {
        let mut result = registration_result(answer(&ceremony("none.ES256")));
        (result.prf_enabled, result.prf) = (enabled, prf);
        finish(&registration("none", input.clone()), result)["clientExtensionResults"].clone()
    };
    let shapes = list(&set, "js_shape_vectors");
    let shape = |id: &str| shapes.iter().find(|shape| shape["id"] == id).unwrap();

    let only = shape("enabled-only");
    let input = shape_input(&only["input"]);
    assert_eq!(created(&input, true, None), only["create_outputs_allowed"][0]);
    assert_eq!(created(&input, false, None), only["create_outputs_allowed"][1]);
    assert_eq!(finish_assertion(input, None)["clientExtensionResults"], only["get_outputs_allowed"][0]);

    let eval = shape("eval-first");
    let input = shape_input(&eval["input"]);
    for (enabled, prf) in [(true, None), (false, None), (true, Some(outputs(false)))] {
        assert!(has_shape(&created(&input, enabled, prf), &eval["create_outputs_allowed"]));
    }
    for prf in [None, Some(outputs(false))] {
        let output = finish_assertion(input.clone(), prf);
        assert!(has_shape(&output["clientExtensionResults"], &eval["get_outputs_allowed"]));
    }
    assert!(!has_shape(&created(&input, true, Some(outputs(true))), &eval["create_outputs_allowed"]));

    let both = shape("eval-both-and-evalByCredential");
    let key = set["credential_id_b64url"].as_str().unwrap();
    let mut options = get_options();
    options["extensions"] = shape_input(&both["input"]);
    options["allowCredentials"] = json!([
        { "type": "public-key", "id": key },
        { "type": "public-key", "id": "AAAA" },
    ]);
    let prepared =
        RequestOptions::from_json(options.to_string().as_bytes()).unwrap().prepare(&caller()).unwrap();
    let prf = prepared.prf.unwrap();
    for (index, shapes) in [(0, "get_outputs_if_that_credential"), (1, "get_outputs_if_other_credential")] {
        let credential = &prepared.request.allow_list.as_ref().unwrap()[index].id;
        let second = prf.for_credential(credential).unwrap().second.is_some();
        let mut response = assertion(&ceremony("none.ES256"));
        response.credential = credential.clone();
        let result = AssertionResult { response, attachment: None, prf: Some(outputs(second)) };
        let json = prepared.authentication.finish(result).unwrap();
        let json: Value = serde_json::from_str(json.expose()).unwrap();
        assert!(has_shape(&json["clientExtensionResults"], &both[shapes]), "{shapes}");
    }

    let equal = shape("equal-inputs-equal-outputs");
    let mut options = get_options();
    options["extensions"] = shape_input(&equal["input"]);
    options["allowCredentials"] = json!([{ "type": "public-key", "id": key }]);
    let prepared =
        RequestOptions::from_json(options.to_string().as_bytes()).unwrap().prepare(&caller()).unwrap();
    let prf = prepared.prf.unwrap();
    let salts = prf.for_credential(&prepared.request.allow_list.unwrap()[0].id).unwrap();
    assert_eq!(salts.first.as_bytes(), salts.second.as_ref().unwrap().as_bytes());
}

#[test]
fn prf_results_are_base64url_and_each_stands_under_its_name() {
    let output = finish_assertion(
        json!({ "prf": { "eval": { "first": "AA", "second": "AQ" } } }),
        Some(outputs(true)),
    );
    let results = &output["clientExtensionResults"]["prf"]["results"];
    assert_eq!(results["first"], base64url(&[0xf1; 32]));
    assert_eq!(results["second"], base64url(&[0xf2; 32]));
}

#[test]
fn extension_outputs_are_for_who_asked() {
    let mut result = registration_result(answer(&ceremony("none.ES256")));
    (result.prf_enabled, result.prf, result.discoverable) = (true, Some(outputs(true)), Some(true));
    assert_eq!(finish(&registration("none", json!({})), result)["clientExtensionResults"], json!({}));
    assert_eq!(finish_assertion(json!({}), Some(outputs(true)))["clientExtensionResults"], json!({}));
    // credProps is a registration extension.
    assert_eq!(finish_assertion(json!({ "credProps": true }), None)["clientExtensionResults"], json!({}));
}

#[test]
fn cred_props_says_whether_the_credential_is_discoverable_where_that_is_known() {
    let cred_props = |asked: bool, discoverable: Option<bool>| {
        let mut result = registration_result(answer(&ceremony("none.ES256")));
        result.discoverable = discoverable;
        let registration = registration("none", json!({ "credProps": asked }));
        finish(&registration, result)["clientExtensionResults"].clone()
    };
    assert_eq!(cred_props(true, Some(true)), json!({ "credProps": { "rk": true } }));
    assert_eq!(cred_props(true, Some(false)), json!({ "credProps": { "rk": false } }));
    assert_eq!(cred_props(true, None), json!({ "credProps": {} }));
    assert_eq!(cred_props(false, Some(true)), json!({}));
}

fn failure(registration: &Registration, response: MakeCredentialResponse) -> ResultError {
    registration.finish(registration_result(response)).map(drop).expect_err("refused")
}

#[test]
fn an_answer_for_another_relying_party_is_refused() {
    let mut response = answer(&ceremony("none.ES256"));
    response.auth_data[0] ^= 1;
    assert_eq!(failure(&registration("none", json!({})), response), ResultError::WrongRelyingParty);
    let mut response = assertion(&ceremony("none.ES256"));
    response.auth_data[31] ^= 1;
    let result = AssertionResult { response, attachment: None, prf: None };
    assert_eq!(authentication(json!({})).finish(result).map(drop), Err(ResultError::WrongRelyingParty));
}

#[test]
fn required_user_verification_that_was_not_done_is_refused() {
    let mut options = create_options();
    options["authenticatorSelection"] = json!({ "userVerification": "required" });
    let registration = CreationOptions::from_json(options.to_string().as_bytes())
        .unwrap()
        .prepare(&caller())
        .unwrap()
        .registration;
    let mut response = answer(&ceremony("none.ES256"));
    response.auth_data[FLAGS] &= !UV;
    assert_eq!(failure(&registration, response.clone()), ResultError::NotUserVerified);
    response.auth_data[FLAGS] |= UV;
    assert!(registration.finish(registration_result(response)).is_ok());

    let mut options = get_options();
    options["userVerification"] = json!("required");
    let prepared =
        RequestOptions::from_json(options.to_string().as_bytes()).unwrap().prepare(&caller()).unwrap();
    let mut response = assertion(&ceremony("none.ES256"));
    response.auth_data[FLAGS] &= !UV;
    let result = AssertionResult { response, attachment: None, prf: None };
    assert_eq!(prepared.authentication.finish(result).map(drop), Err(ResultError::NotUserVerified));
}

#[test]
fn authenticator_data_that_are_none_are_refused() {
    let good = answer(&ceremony("none.ES256"));
    for length in 0..good.auth_data.len() {
        let mut response = good.clone();
        response.auth_data.truncate(length);
        assert_eq!(
            failure(&registration("none", json!({})), response),
            ResultError::MalformedAuthenticatorData,
            "{length}"
        );
    }
    // An assertion's authenticator data hold no credential.
    let mut response = good;
    response.auth_data = hex(&ceremony("none.ES256")["authentication"]["authenticator_data"]);
    assert!(AuthenticatorDataView::parse(&response.auth_data).is_some());
    assert_eq!(failure(&registration("none", json!({})), response), ResultError::MalformedAuthenticatorData);
}

#[test]
fn an_attestation_statement_is_a_map_of_canonical_cbor() {
    let twice = Cbor::Map(vec![(Cbor::from("a"), Cbor::from(1)), (Cbor::from("a"), Cbor::from(2))]);
    for statement in [Cbor::Null, Cbor::from("none"), Cbor::Array(vec![]), twice] {
        let mut response = answer(&ceremony("packed-self.ES256"));
        response.att_stmt = statement;
        assert_eq!(failure(&registration("direct", json!({})), response), ResultError::MalformedAttestation);
    }
}

#[test]
fn a_long_response_keeps_all_of_itself() {
    // More than the first buffer holds, so that it grows.
    let ceremony = ceremony("none.ES256.long-credential-id");
    let json = finish(&registration("none", json!({})), registration_result(answer(&ceremony)));
    assert_eq!(decoded(&json["rawId"]), hex(&ceremony["credential_id"]));
    let expected = hex(&ceremony["registration"]["attestation_object"]);
    assert_eq!(decoded(&json["response"]["attestationObject"]), expected);
    assert!(json.to_string().len() > 4096);
}
