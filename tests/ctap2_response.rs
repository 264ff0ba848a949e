//! Responses: written canonically, member by member. The expected bytes are the vectors', read by ciborium.

mod common;

use ciborium::{Value, cbor};
use common::vectors::{bytes, list, vectors};
use countersign::{
    cbor::{Item, Profile},
    cose::{CoseAlgorithm, P256Point, PublicKey},
    ctap2::{
        ClientPinResponse, CredentialManagementResponse, GetAssertionResponse, GetInfoResponse,
        LargeBlobInput, LargeBlobKey, LargeBlobOutput, LargeBlobsResponse, MakeCredentialExtensions,
        MakeCredentialResponse, ManagedCredential, Response, Status,
    },
    secret::Secret,
    webauthn::{Aaguid, CredentialId, RpEntity, RpId, RpIdHash, UserEntity, UserHandle},
};

/// What follows the status byte of a success, canonical for certain and read by somebody else.
fn body(response: &[u8]) -> Value {
    let (status, body) = response.split_first().unwrap();
    assert_eq!(*status, 0x00);
    assert!(Item::parse(body, Profile::CTAP2).is_ok(), "not canonical: {}", hex::encode(body));
    ciborium::from_reader(body).unwrap()
}

fn at(map: &Value, key: u64) -> &Value {
    let entries = map.as_map().unwrap();
    &entries.iter().find(|(k, _)| *k == Value::from(key)).unwrap_or_else(|| panic!("no {key}")).1
}

fn format(name: &str) -> &'static str {
    ["none", "packed"].into_iter().find(|format| *format == name).unwrap()
}

#[test]
fn creation_responses_are_written_byte_for_byte() {
    for vector in list(&vectors("ctap2_transcripts"), "vectors") {
        let expected = bytes(vector, "mc_response");
        let parts = body(&expected);
        let response = Response::MakeCredential(MakeCredentialResponse {
            fmt: format(at(&parts, 1).as_text().unwrap()),
            auth_data: at(&parts, 2).as_bytes().unwrap().clone(),
            att_stmt: at(&parts, 3).clone(),
            ep_att: false,
            large_blob_key: None,
            large_blob_supported: false,
        });
        assert_eq!(response.encode(), expected, "{}", vector["id"]);
    }
}

fn creation(att_stmt: Value) -> MakeCredentialResponse {
    MakeCredentialResponse {
        fmt: "packed",
        auth_data: vec![],
        att_stmt,
        ep_att: false,
        large_blob_key: None,
        large_blob_supported: false,
    }
}

#[test]
fn a_large_blob_key_and_unsigned_outputs_have_their_places() {
    let key = || LargeBlobKey(Secret::init_with(|bytes| *bytes = [7; 32]));
    let mut made = creation(cbor!({}).unwrap());
    made.large_blob_key = Some(key());
    let whole = body(&Response::MakeCredential(made.clone()).encode());
    assert_eq!(at(&whole, 5), &Value::Bytes(vec![7; 32]));
    assert_eq!(whole.as_map().unwrap().len(), 4);
    (made.large_blob_key, made.large_blob_supported) = (None, true);
    let whole = body(&Response::MakeCredential(made).encode());
    assert_eq!(at(&whole, 6), &cbor!({ "largeBlob" => { "supported" => true } }).unwrap());
    assert_eq!(whole.as_map().unwrap().len(), 4);

    let set = vectors("ctap2_transcripts");
    let mut asserted = assertion(&body(&bytes(&list(&set, "vectors")[0], "ga_response")));
    asserted.large_blob_key = Some(key());
    let encoded = |response: &GetAssertionResponse| body(&Response::GetAssertion(response.clone()).encode());
    assert_eq!(at(&encoded(&asserted), 7), &Value::Bytes(vec![7; 32]));
    asserted.large_blob_key = None;
    for (output, expected) in [
        (
            LargeBlobOutput::Blob { blob: b"blob".into(), original_size: 777 },
            cbor!({ "largeBlob" => { "blob" => Value::Bytes(b"blob".into()), "originalSize" => 777 } }),
        ),
        (LargeBlobOutput::Written(true), cbor!({ "largeBlob" => { "written" => true } })),
        (LargeBlobOutput::Written(false), cbor!({ "largeBlob" => { "written" => false } })),
    ] {
        asserted.large_blob = Some(output);
        assert_eq!(at(&encoded(&asserted), 8), &expected.unwrap());
    }
}

#[test]
fn a_large_blob_key_is_not_printed() {
    let key = LargeBlobKey(Secret::init_with(|bytes| *bytes = [0xab; 32]));
    let response = MakeCredentialResponse { large_blob_key: Some(key), ..creation(cbor!({}).unwrap()) };
    let printed = format!("{response:?}").to_lowercase();
    assert!(printed.contains("largeblobkey(..)") && !printed.contains("171") && !printed.contains("ab, "));
}

#[test]
fn blobs_are_not_printed() {
    let blob = vec![0xab; 16];
    let input = MakeCredentialExtensions { cred_blob: Some(blob.clone()), ..Default::default() };
    let write = LargeBlobInput::Write { blob: blob.clone(), original_size: 40 };
    let output = LargeBlobOutput::Blob { blob: blob.clone(), original_size: 40 };
    let response = GetAssertionResponse {
        credential: CredentialId::new(&[1]).unwrap(),
        auth_data: blob,
        signature: vec![1; 8],
        user: None,
        number_of_credentials: None,
        user_selected: false,
        large_blob_key: None,
        large_blob: None,
    };
    for printed in
        [format!("{input:?}"), format!("{write:?}"), format!("{output:?}"), format!("{response:?}")]
    {
        assert!(printed.contains("[16 bytes]") && !printed.contains("171"), "{printed}");
    }
}

#[test]
fn an_attestation_statement_is_sorted_when_written() {
    let att_stmt = cbor!({ "x5c" => [], "sig" => "s", "alg" => -7 }).unwrap();
    let response = creation(att_stmt);
    let names: Vec<_> = at(&body(&Response::MakeCredential(response).encode()), 3).as_map().unwrap().clone();
    let names: Vec<_> = names.iter().map(|(name, _)| name.as_text().unwrap()).collect();
    assert_eq!(names, ["alg", "sig", "x5c"]);
}

#[test]
fn an_attestation_statement_that_ctap2_cannot_hold_is_our_failure() {
    let tagged = Value::Tag(0, Box::new(Value::Text("2026-01-01T00:00:00Z".into())));
    let repeated = Value::Map(vec![(1.into(), 1.into()), (1.into(), 2.into())]);
    for att_stmt in [tagged, repeated] {
        let response = creation(att_stmt);
        assert_eq!(Response::MakeCredential(response).encode(), [0x7f]);
    }
}

fn assertion(response: &Value) -> GetAssertionResponse {
    let credential = at(response, 1).as_map().unwrap()[0].1.as_bytes().unwrap().clone();
    GetAssertionResponse {
        credential: CredentialId::new(&credential).unwrap(),
        auth_data: at(response, 2).as_bytes().unwrap().clone(),
        signature: at(response, 3).as_bytes().unwrap().clone(),
        user: None,
        number_of_credentials: None,
        user_selected: false,
        large_blob_key: None,
        large_blob: None,
    }
}

#[test]
fn assertion_responses_are_written_byte_for_byte() {
    for (set, name) in [("ctap2_transcripts", "ga_response"), ("ctap2_hmac_secret", "response")] {
        for vector in list(&vectors(set), "vectors") {
            let expected = bytes(vector, name);
            let response = Response::GetAssertion(assertion(&body(&expected)));
            assert_eq!(response.encode(), expected, "{}", vector["id"]);
        }
    }
}

#[test]
fn an_assertion_names_the_account_and_how_many_there_are() {
    let mut response = GetAssertionResponse {
        credential: CredentialId::new(b"id").unwrap(),
        auth_data: vec![1],
        signature: vec![2],
        user: Some(UserEntity {
            id: UserHandle::new(b"u").unwrap(),
            name: Some("n".into()),
            display_name: Some("d".into()),
        }),
        number_of_credentials: Some(2),
        user_selected: true,
        large_blob_key: None,
        large_blob: None,
    };
    let whole = cbor!({
        1 => { "id" => Value::Bytes(b"id".into()), "type" => "public-key" },
        2 => Value::Bytes(vec![1]),
        3 => Value::Bytes(vec![2]),
        4 => { "id" => Value::Bytes(b"u".into()), "name" => "n", "displayName" => "d" },
        5 => 2,
        6 => true,
    });
    assert_eq!(body(&Response::GetAssertion(response.clone()).encode()), whole.unwrap());

    let user = response.user.as_mut().unwrap();
    (user.name, user.display_name) = (None, None);
    (response.number_of_credentials, response.user_selected) = (None, false);
    let least = cbor!({
        1 => { "id" => Value::Bytes(b"id".into()), "type" => "public-key" },
        2 => Value::Bytes(vec![1]),
        3 => Value::Bytes(vec![2]),
        4 => { "id" => Value::Bytes(b"u".into()) },
    });
    assert_eq!(body(&Response::GetAssertion(response).encode()), least.unwrap());
}

fn get_info() -> GetInfoResponse {
    GetInfoResponse {
        versions: vec!["FIDO_2_0", "FIDO_2_3"],
        extensions: vec!["credProtect", "hmac-secret"],
        aaguid: Aaguid([0xaa; 16]),
        options: vec![("rk", true), ("makeCredUvNotRqd", true), ("up", true), ("plat", false)],
        max_msg_size: 7609,
        pin_uv_auth_protocols: vec![2, 1],
        max_credential_count_in_list: Some(8),
        max_credential_id_length: Some(128),
        transports: vec!["usb"],
        algorithms: vec![-7, -8],
        firmware_version: Some(1),
        attestation_formats: vec!["packed"],
        max_serialized_large_blob_array: None,
        force_pin_change: None,
        min_pin_length: None,
        max_cred_blob_length: None,
        max_rp_ids_for_set_min_pin_length: None,
        preferred_platform_uv_attempts: None,
        uv_modality: None,
        remaining_discoverable_credentials: None,
        uv_count_since_last_pin_entry: None,
        long_touch_for_reset: None,
        enc_identifier: None,
        transports_for_reset: Vec::new(),
        pin_complexity_policy: None,
        pin_complexity_policy_url: None,
        max_pin_length: None,
        enc_cred_store_state: None,
        authenticator_config_commands: None,
    }
}

#[test]
fn get_info_is_written_member_by_member_and_its_options_in_canonical_order() {
    let expected = cbor!({
        1 => ["FIDO_2_0", "FIDO_2_3"],
        2 => ["credProtect", "hmac-secret"],
        3 => Value::Bytes(vec![0xaa; 16]),
        4 => { "rk" => true, "up" => true, "plat" => false, "makeCredUvNotRqd" => true },
        5 => 7609,
        6 => [2, 1],
        7 => 8,
        8 => 128,
        9 => ["usb"],
        10 => [{ "alg" => -7, "type" => "public-key" }, { "alg" => -8, "type" => "public-key" }],
        14 => 1,
        22 => ["packed"],
    });
    assert_eq!(body(&Response::GetInfo(Box::new(get_info())).encode()), expected.unwrap());
}

#[test]
fn get_info_leaves_out_what_would_say_nothing() {
    let least = GetInfoResponse {
        versions: vec!["FIDO_2_3"],
        extensions: vec![],
        pin_uv_auth_protocols: vec![],
        max_credential_count_in_list: None,
        max_credential_id_length: None,
        transports: vec![],
        algorithms: vec![],
        firmware_version: None,
        attestation_formats: vec![],
        ..get_info()
    };
    let response = body(&Response::GetInfo(Box::new(least)).encode());
    let keys: Vec<_> = response.as_map().unwrap().iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(keys, [1, 3, 4, 5].map(Value::from));
}

#[test]
fn get_info_has_every_member_that_it_is_given_at_its_number() {
    let info = GetInfoResponse {
        max_serialized_large_blob_array: Some(1024),
        force_pin_change: Some(false),
        min_pin_length: Some(4),
        max_cred_blob_length: Some(32),
        max_rp_ids_for_set_min_pin_length: Some(0),
        preferred_platform_uv_attempts: Some(3),
        uv_modality: Some(0x0800),
        remaining_discoverable_credentials: Some(100),
        uv_count_since_last_pin_entry: Some(0),
        long_touch_for_reset: Some(true),
        enc_identifier: Some([0x19; 32]),
        transports_for_reset: vec!["usb"],
        pin_complexity_policy: Some(false),
        pin_complexity_policy_url: Some("https://a.example".into()),
        max_pin_length: Some(63),
        enc_cred_store_state: Some([0x1e; 32]),
        authenticator_config_commands: Some(vec![1, 2, 3, 4]),
        ..get_info()
    };
    let expected = cbor!({
        1 => ["FIDO_2_0", "FIDO_2_3"],
        2 => ["credProtect", "hmac-secret"],
        3 => Value::Bytes(vec![0xaa; 16]),
        4 => { "rk" => true, "up" => true, "plat" => false, "makeCredUvNotRqd" => true },
        5 => 7609,
        6 => [2, 1],
        7 => 8,
        8 => 128,
        9 => ["usb"],
        0x0A => [{ "alg" => -7, "type" => "public-key" }, { "alg" => -8, "type" => "public-key" }],
        0x0B => 1024,
        0x0C => false,
        0x0D => 4,
        0x0E => 1,
        0x0F => 32,
        0x10 => 0,
        0x11 => 3,
        0x12 => 0x0800,
        0x14 => 100,
        0x16 => ["packed"],
        0x17 => 0,
        0x18 => true,
        0x19 => Value::Bytes(vec![0x19; 32]),
        0x1A => ["usb"],
        0x1B => false,
        0x1C => Value::Bytes(b"https://a.example".into()),
        0x1D => 63,
        0x1E => Value::Bytes(vec![0x1e; 32]),
        0x1F => [1, 2, 3, 4],
    });
    assert_eq!(body(&Response::GetInfo(Box::new(info)).encode()), expected.unwrap());
}

/// CTAP 2.3 section 6.4: absent says that there is no authenticatorConfig, empty that it can do nothing.
#[test]
fn get_info_tells_no_config_commands_from_none_that_work() {
    let info = GetInfoResponse { authenticator_config_commands: Some(vec![]), ..get_info() };
    let response = body(&Response::GetInfo(Box::new(info)).encode());
    assert_eq!(*at(&response, 0x1F), Value::Array(vec![]));
}

#[test]
fn client_pin_responses_are_written_member_by_member() {
    let token = cbor!({ 2 => Value::Bytes(vec![7; 48]) });
    let retries = cbor!({ 3 => 8, 4 => false });
    let after_power_cycle = cbor!({ 3 => 5, 4 => true });
    for (response, expected) in [
        (ClientPinResponse::Token(vec![7; 48]), token),
        (ClientPinResponse::PinRetries { retries: 8, power_cycle: false }, retries),
        (ClientPinResponse::PinRetries { retries: 5, power_cycle: true }, after_power_cycle),
        (ClientPinResponse::UvRetries(3), cbor!({ 5 => 3 })),
    ] {
        assert_eq!(body(&Response::ClientPin(response).encode()), expected.unwrap());
    }
}

#[test]
fn the_counts_and_relying_parties_of_management_are_written_member_by_member() {
    let metadata = CredentialManagementResponse::Metadata { existing: 0, remaining: 1000 };
    let first = CredentialManagementResponse::RelyingParty {
        rp: RpEntity { id: RpId::new("a.example").unwrap(), name: Some("A".into()) },
        rp_id_hash: RpIdHash([4; 32]),
        total: Some(2),
    };
    let next = CredentialManagementResponse::RelyingParty {
        rp: RpEntity { id: RpId::new("b.example").unwrap(), name: None },
        rp_id_hash: RpIdHash([5; 32]),
        total: None,
    };
    for (response, expected) in [
        (metadata, cbor!({ 1 => 0, 2 => 1000 })),
        (
            first,
            cbor!({ 3 => { "id" => "a.example", "name" => "A" }, 4 => Value::Bytes(vec![4; 32]), 5 => 2 }),
        ),
        (next, cbor!({ 3 => { "id" => "b.example" }, 4 => Value::Bytes(vec![5; 32]) })),
    ] {
        assert_eq!(body(&Response::CredentialManagement(response).encode()), expected.unwrap());
    }
}

#[test]
fn a_managed_credential_is_written_member_by_member() {
    let whole = ManagedCredential {
        user: UserEntity {
            id: UserHandle::new(b"u").unwrap(),
            name: Some("n".into()),
            display_name: Some("d".into()),
        },
        credential: CredentialId::new(b"id").unwrap(),
        public_key: (CoseAlgorithm::Es256, PublicKey::P256(P256Point { x: [1; 32], y: [2; 32] })),
        total: Some(3),
        cred_protect: 2,
        large_blob_key: Some(LargeBlobKey(Secret::from_slice(&[0xb; 32]).unwrap())),
        third_party_payment: Some(true),
    };
    let expected = cbor!({
        6 => { "id" => Value::Bytes(b"u".into()), "name" => "n", "displayName" => "d" },
        7 => { "id" => Value::Bytes(b"id".into()), "type" => "public-key" },
        8 => { 1 => 2, 3 => -7, -1 => 1, -2 => Value::Bytes(vec![1; 32]), -3 => Value::Bytes(vec![2; 32]) },
        9 => 3,
        10 => 2,
        11 => Value::Bytes(vec![0xb; 32]),
        12 => true,
    });
    let encoded = |credential: ManagedCredential| {
        Response::CredentialManagement(CredentialManagementResponse::Credential(Box::new(credential)))
            .encode()
    };
    assert_eq!(body(&encoded(whole.clone())), expected.unwrap());
    let least = ManagedCredential {
        user: UserEntity { name: None, display_name: None, ..whole.user.clone() },
        total: None,
        large_blob_key: None,
        third_party_payment: None,
        ..whole
    };
    let keys: Vec<_> = body(&encoded(least)).as_map().unwrap().iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(keys, [6, 7, 8, 10].map(Value::from));
}

#[test]
fn a_part_of_the_large_blob_array_is_written_as_config() {
    for part in [vec![], vec![0xb1; 17], vec![0xb1; 960]] {
        let response = Response::LargeBlobs(LargeBlobsResponse { config: part.clone() });
        assert_eq!(body(&response.encode()), cbor!({ 1 => Value::Bytes(part) }).unwrap());
    }
}

#[test]
fn a_key_agreement_key_is_written_as_a_cose_key() {
    let key = P256Point { x: [1; 32], y: [2; 32] };
    let expected = cbor!({
        1 => { 1 => 2, 3 => -25, -1 => 1, -2 => Value::Bytes(vec![1; 32]), -3 => Value::Bytes(vec![2; 32]) },
    });
    let response = Response::ClientPin(ClientPinResponse::KeyAgreement(key));
    assert_eq!(body(&response.encode()), expected.unwrap());
}

#[test]
fn success_without_a_body_and_failure_are_one_byte() {
    assert_eq!(Response::Empty.encode(), [0x00]);
    for (status, byte) in [
        (Status::InvalidCommand, 0x01),
        (Status::InvalidParameter, 0x02),
        (Status::InvalidLength, 0x03),
        (Status::InvalidSeq, 0x04),
        (Status::CborUnexpectedType, 0x11),
        (Status::InvalidCbor, 0x12),
        (Status::MissingParameter, 0x14),
        (Status::LimitExceeded, 0x15),
        (Status::LargeBlobStorageFull, 0x18),
        (Status::CredentialExcluded, 0x19),
        (Status::UnsupportedAlgorithm, 0x26),
        (Status::OperationDenied, 0x27),
        (Status::KeyStoreFull, 0x28),
        (Status::UnsupportedOption, 0x2b),
        (Status::InvalidOption, 0x2c),
        (Status::KeepaliveCancel, 0x2d),
        (Status::NoCredentials, 0x2e),
        (Status::UserActionTimeout, 0x2f),
        (Status::NotAllowed, 0x30),
        (Status::PinInvalid, 0x31),
        (Status::PinBlocked, 0x32),
        (Status::PinAuthInvalid, 0x33),
        (Status::PinAuthBlocked, 0x34),
        (Status::PinNotSet, 0x35),
        (Status::PuatRequired, 0x36),
        (Status::PinPolicyViolation, 0x37),
        (Status::RequestTooLarge, 0x39),
        (Status::UvBlocked, 0x3c),
        (Status::IntegrityFailure, 0x3d),
        (Status::InvalidSubcommand, 0x3e),
        (Status::UvInvalid, 0x3f),
        (Status::UnauthorizedPermission, 0x40),
        (Status::Other, 0x7f),
    ] {
        assert_eq!(Response::Failed(status).encode(), [byte]);
    }
}
