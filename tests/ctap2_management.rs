//! Requests that manage: clientPIN, credential management, large blobs, configuration. What is read from them, what is
//! passed over, which status a malformed one gets, and what a pinUvAuthParam is made over.

mod common;

use ciborium::{Value, cbor};
use common::commands::{RP_ID, X, Y, sample, samples};
use countersign::{
    cose::P256Point,
    ctap2::{
        ClientPin, Config, Configure, CredentialManagement, LargeBlobs, Limits, ManageCredentials, PinUvAuth,
        PlatformKey, Request, SetMinPinLength, Status,
    },
    webauthn::{CredentialId, RpId, RpIdHash, UserEntity, UserHandle},
};
use proptest::prelude::*;

const LIMITS: Limits = Limits { max_message: 7609, max_list: 8 };

fn decode(message: &[u8]) -> Result<Request, Status> {
    Request::decode(message, &LIMITS)
}

fn read(name: &str) -> Request {
    decode(&sample(name).message()).unwrap_or_else(|status| panic!("{name}: {status:?}"))
}

fn bytes(bytes: impl AsRef<[u8]>) -> Value {
    Value::Bytes(bytes.as_ref().to_vec())
}

// --- every sample ----------------------------------------------------------------------------------------------------

#[test]
fn messages_are_written_as_they_were_read() {
    for sample in samples() {
        let request = decode(&sample.message()).unwrap();
        assert_eq!(hex::encode(request.encode()), hex::encode(sample.message()), "{}", sample.name);
    }
}

#[test]
fn a_missing_member_is_missing_parameter() {
    for sample in samples() {
        for variant in sample.without_members() {
            let status = decode(&variant.message).err();
            assert_eq!(status, (!variant.allowed).then_some(Status::MissingParameter), "{}", variant.name);
        }
    }
}

#[test]
fn a_member_of_another_type_is_cbor_unexpected_type() {
    for sample in samples() {
        for variant in sample.with_wrong_types() {
            let status = decode(&variant.message).err();
            assert_eq!(status, Some(Status::CborUnexpectedType), "{}", variant.name);
        }
    }
}

#[test]
fn parameters_that_are_no_map_are_refused() {
    for sample in samples() {
        for parameters in [Value::Null, Value::Array(vec![]), 1.into(), bytes([0xa0])] {
            assert_eq!(decode(&sample.with(&parameters)), Err(Status::CborUnexpectedType), "{}", sample.name);
        }
        assert_eq!(decode(&[sample.command]), Err(Status::InvalidCbor), "{}", sample.name);
        let and_more = [sample.message(), vec![0]].concat();
        assert_eq!(decode(&and_more), Err(Status::InvalidCbor), "{}", sample.name);
    }
}

#[test]
fn members_that_are_not_known_are_passed_over() {
    let anything = || cbor!([{}, "anything", null]).unwrap();
    for sample in samples() {
        let mut parameters = sample.parameters.clone();
        let members = parameters.as_map_mut().unwrap();
        members.insert(0, (0.into(), anything()));
        members.push((0x1234.into(), anything()));
        members.push(((-1).into(), anything()));
        members.push(("subCommand".into(), anything()));
        assert_eq!(decode(&sample.with(&parameters)), decode(&sample.message()), "{}", sample.name);
    }
}

#[test]
fn a_message_longer_than_announced_is_too_large() {
    for sample in samples() {
        let message = sample.message();
        let limits = |max_message| Limits { max_message, max_list: 8 };
        assert!(Request::decode(&message, &limits(message.len())).is_ok());
        let refused = Request::decode(&message, &limits(message.len() - 1));
        assert_eq!(refused, Err(Status::RequestTooLarge), "{}", sample.name);
    }
}

// --- clientPIN -------------------------------------------------------------------------------------------------------

fn platform(pin_uv_auth_protocol: u64) -> PlatformKey {
    PlatformKey { pin_uv_auth_protocol, key_agreement: P256Point { x: X, y: Y } }
}

#[test]
fn client_pin_is_read_member_by_member() {
    let (new_pin_enc, pin_hash_enc) = (vec![0xe5; 64], vec![0xe6; 16]);
    let rp_id = RpId::new(RP_ID).ok();
    for (name, expected) in [
        ("getPINRetries", ClientPin::GetPinRetries),
        ("getKeyAgreement", ClientPin::GetKeyAgreement { pin_uv_auth_protocol: 2 }),
        (
            "setPIN",
            ClientPin::SetPin {
                platform: platform(1),
                new_pin_enc: new_pin_enc.clone(),
                pin_uv_auth_param: vec![0xa4; 16],
            },
        ),
        (
            "changePIN",
            ClientPin::ChangePin {
                platform: platform(2),
                new_pin_enc,
                pin_hash_enc: pin_hash_enc.clone(),
                pin_uv_auth_param: vec![0xa4; 32],
            },
        ),
        (
            "getPinToken",
            ClientPin::GetPinToken {
                platform: platform(1),
                pin_hash_enc: pin_hash_enc.clone(),
                permissions: None,
                rp_id: None,
            },
        ),
        (
            "getPinUvAuthTokenUsingUvWithPermissions",
            ClientPin::GetTokenUsingUv { platform: platform(2), permissions: 3, rp_id: rp_id.clone() },
        ),
        ("getUVRetries", ClientPin::GetUvRetries),
        (
            "getPinUvAuthTokenUsingPinWithPermissions",
            ClientPin::GetTokenUsingPin { platform: platform(2), pin_hash_enc, permissions: 0x7f, rp_id },
        ),
    ] {
        assert_eq!(read(name), Request::ClientPin(expected), "{name}");
    }
}

/// They do not belong there, and the handler says so (INVALID_PARAMETER).
#[test]
fn what_does_not_belong_into_get_pin_token_is_kept_for_saying_so() {
    let mut sample = sample("getPinToken");
    sample.parameters.as_map_mut().unwrap().extend([(9.into(), 0.into()), (10.into(), RP_ID.into())]);
    let Ok(Request::ClientPin(ClientPin::GetPinToken { permissions, rp_id, .. })) = decode(&sample.message())
    else {
        panic!()
    };
    assert_eq!((permissions, rp_id), (Some(0), RpId::new(RP_ID).ok()));
}

/// A sub-command's own parameters are needed, and those of others may be there.
#[test]
fn a_parameter_of_another_sub_command_has_its_type_and_is_passed_over() {
    let retries = |parameters: Result<Value, _>| decode(&sample("getPINRetries").with(&parameters.unwrap()));
    let plain = Ok(Request::ClientPin(ClientPin::GetPinRetries));
    assert_eq!(retries(cbor!({ 1 => 99, 2 => 1, 5 => bytes([0]), 9 => 0 })), plain);
    assert_eq!(retries(cbor!({ 1 => 99, 2 => 1, 5 => "", 9 => 0 })), Err(Status::CborUnexpectedType));
}

#[test]
fn sub_commands_that_do_not_exist_are_refused_as_each_command_has_it() {
    let subcommand = |command, key: u64, number: u64| {
        let mut sample = sample("getPINRetries");
        sample.command = command;
        decode(&sample.with(&cbor!({ key => number }).unwrap())).unwrap_err()
    };
    for number in [0, 8, 10, 0xff, 0x101, u64::MAX] {
        assert_eq!(subcommand(0x06, 2, number), Status::InvalidSubcommand, "clientPIN {number}");
    }
    for number in [0, 8, 0xff, 0x101, u64::MAX] {
        assert_eq!(subcommand(0x0a, 1, number), Status::InvalidSubcommand, "management {number}");
        assert_eq!(subcommand(0x41, 1, number), Status::InvalidSubcommand, "preview {number}");
    }
    // Among them vendorPrototype.
    for number in [0, 5, 0xff, 0x101, u64::MAX] {
        assert_eq!(subcommand(0x0d, 1, number), Status::InvalidParameter, "config {number}");
    }
}

// --- credential management -------------------------------------------------------------------------------------------

fn auth(length: usize, protocol: u64) -> Option<PinUvAuth> {
    Some(PinUvAuth { param: vec![0xa4; length], protocol: Some(protocol) })
}

fn management(name: &str) -> CredentialManagement {
    match read(name) {
        Request::CredentialManagement(request) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn credential_management_is_read_member_by_member() {
    let credential = CredentialId::new(&[0xc1; 16]).ok();
    let user = UserEntity {
        id: UserHandle::new(&[0x1d; 8]).unwrap(),
        name: Some("alex".into()),
        display_name: Some("Alex".into()),
    };
    for (name, expected, pin_uv_auth) in [
        ("getCredsMetadata", ManageCredentials::GetMetadata, auth(16, 1)),
        ("enumerateRPsBegin", ManageCredentials::EnumerateRpsBegin, auth(32, 2)),
        ("enumerateRPsGetNextRP", ManageCredentials::EnumerateRpsNext, None),
        (
            "enumerateCredentialsBegin",
            ManageCredentials::EnumerateCredentialsBegin { rp_id_hash: RpIdHash([0x4a; 32]) },
            auth(16, 1),
        ),
        ("enumerateCredentialsGetNextCredential", ManageCredentials::EnumerateCredentialsNext, None),
        ("deleteCredential", ManageCredentials::Delete { credential: credential.clone() }, auth(16, 1)),
        ("updateUserInformation", ManageCredentials::UpdateUser { credential, user }, auth(16, 1)),
    ] {
        let request = management(name);
        assert_eq!(request.subcommand, expected, "{name}");
        assert_eq!(request.pin_uv_auth, pin_uv_auth, "{name}");
        assert!(!request.preview, "{name}");
    }
}

#[test]
fn the_preview_of_credential_management_is_the_same_request_under_another_number() {
    for mut sample in samples().into_iter().filter(|sample| sample.command == 0x0a) {
        let Ok(Request::CredentialManagement(plain)) = decode(&sample.message()) else { panic!() };
        sample.command = 0x41;
        let preview = CredentialManagement { preview: true, ..plain };
        assert_eq!(decode(&sample.message()), Ok(Request::CredentialManagement(preview.clone())));
        assert_eq!(Request::CredentialManagement(preview).encode(), sample.message());
    }
}

#[test]
fn lengths_that_do_not_exist_are_refused_in_management() {
    let begin = |length: usize| {
        let parameters = cbor!({ 1 => 4, 2 => { 1 => bytes(vec![0; length]) } }).unwrap();
        decode(&sample("enumerateCredentialsBegin").with(&parameters)).err()
    };
    assert_eq!([begin(0), begin(31), begin(33)], [Some(Status::InvalidLength); 3]);
    assert_eq!(begin(32), None);
    let update = |length: usize| {
        let descriptor = cbor!({ "id" => bytes([1]), "type" => "public-key" }).unwrap();
        let parameters = cbor!({ 1 => 7, 2 => { 2 => descriptor, 3 => { "id" => bytes(vec![0; length]) } } });
        decode(&sample("updateUserInformation").with(&parameters.unwrap())).err()
    };
    assert_eq!(update(65), Some(Status::InvalidLength));
    assert_eq!([update(0), update(64)], [None; 2]);
}

/// Which the handler answers with NO_CREDENTIALS, and not as a malformed request.
#[test]
fn a_credential_that_cannot_be_ours_is_read_as_none() {
    let named = |id: &[u8], kind: &str| {
        let parameters = cbor!({ 1 => 6, 2 => { 2 => { "id" => bytes(id), "type" => kind } } }).unwrap();
        match decode(&sample("deleteCredential").with(&parameters)) {
            Ok(Request::CredentialManagement(request)) => request.subcommand,
            other => panic!("{other:?}"),
        }
    };
    let none = ManageCredentials::Delete { credential: None };
    assert_eq!(named(&[7; 1024], "public-key"), none);
    assert_eq!(named(&[], "public-key"), none);
    assert_eq!(named(&[7; 16], "other"), none);
    let longest = ManageCredentials::Delete { credential: CredentialId::new(&[7; 1023]).ok() };
    assert_eq!(named(&[7; 1023], "public-key"), longest);
}

// --- large blobs -----------------------------------------------------------------------------------------------------

#[test]
fn large_blobs_are_read_member_by_member() {
    let get = LargeBlobs { get: Some(960), offset: Some(0), ..LargeBlobs::default() };
    assert_eq!(read("largeBlobs-get"), Request::LargeBlobs(get));
    let set = LargeBlobs {
        set: Some(vec![0xb1; 17]),
        offset: Some(0),
        length: Some(17),
        pin_uv_auth: auth(32, 2),
        get: None,
    };
    assert_eq!(read("largeBlobs-set"), Request::LargeBlobs(set));
}

/// Which of them go together is the handler's business, and what is too much, too.
#[test]
fn large_blobs_may_name_any_number() {
    let max = u64::MAX;
    let parameters = cbor!({ 1 => max, 2 => bytes([]), 3 => max, 4 => max }).unwrap();
    let all = LargeBlobs {
        get: Some(max),
        set: Some(vec![]),
        offset: Some(max),
        length: Some(max),
        pin_uv_auth: None,
    };
    assert_eq!(decode(&sample("largeBlobs-get").with(&parameters)), Ok(Request::LargeBlobs(all)));
    assert_eq!(decode(&[0x0c, 0xa0]), Ok(Request::LargeBlobs(LargeBlobs::default())));
    // But for a protocol where nothing is authenticated.
    let reading = cbor!({ 1 => max, 3 => max, 6 => max }).unwrap();
    assert_eq!(decode(&sample("largeBlobs-get").with(&reading)), Err(Status::InvalidParameter));
}

// --- configuration ---------------------------------------------------------------------------------------------------

fn configure(name: &str) -> Config {
    match read(name) {
        Request::Config(request) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn config_is_read_member_by_member() {
    let length = SetMinPinLength {
        new_min_pin_length: Some(6),
        min_pin_length_rp_ids: Some(vec![RpId::new(RP_ID).unwrap(), RpId::new("b.example").unwrap()]),
        force_change_pin: Some(true),
        pin_complexity_policy: None,
    };
    let policy = SetMinPinLength { pin_complexity_policy: Some(true), ..SetMinPinLength::default() };
    for (name, expected, pin_uv_auth) in [
        ("enableEnterpriseAttestation", Configure::EnableEnterpriseAttestation, auth(16, 1)),
        ("toggleAlwaysUv", Configure::ToggleAlwaysUv, auth(16, 1)),
        ("setMinPINLength", Configure::SetMinPinLength(length), auth(16, 1)),
        ("setMinPINLength-policy", Configure::SetMinPinLength(policy), auth(16, 1)),
        ("enableLongTouchForReset", Configure::EnableLongTouchForReset, auth(32, 2)),
    ] {
        let request = configure(name);
        assert_eq!((request.subcommand, request.pin_uv_auth), (expected, pin_uv_auth), "{name}");
    }
}

#[test]
fn config_without_parameters_is_written_without_them() {
    let plain = Config::new(Configure::SetMinPinLength(SetMinPinLength::default()));
    assert_eq!(plain.signed, [3]);
    assert_eq!(hex::encode(Request::Config(plain).encode()), "0da10103");
}

#[test]
fn rp_ids_of_a_length_that_does_not_exist_are_refused_in_config() {
    let listed = |ids: &[&str]| {
        let ids: Vec<Value> = ids.iter().map(|id| (*id).into()).collect();
        decode(&sample("setMinPINLength").with(&cbor!({ 1 => 3, 2 => { 2 => ids } }).unwrap())).err()
    };
    let (longest, longer) = ("r".repeat(253), "r".repeat(254));
    assert_eq!(listed(&["a.example", &longer]), Some(Status::InvalidLength));
    assert_eq!(listed(&["a.example", ""]), Some(Status::InvalidLength));
    assert_eq!([listed(&[&longest]), listed(&[])], [None; 2]);
}

// --- what is signed --------------------------------------------------------------------------------------------------

/// CTAP 2.3 section 6.8: over `subCommand || subCommandParams`, and nobody else's reading of them.
#[test]
fn what_is_signed_are_the_bytes_as_received() {
    let parameters = cbor!({
        2 => { "id" => bytes([0xc1; 16]), "type" => "public-key", "transports" => ["usb"] },
        0x7f => "unknown",
    });
    let mut raw = Vec::new();
    ciborium::into_writer(&parameters.unwrap(), &mut raw).unwrap();
    let message = [&[0x0a, 0xa2, 0x01, 0x06, 0x02], raw.as_slice()].concat();
    let Ok(Request::CredentialManagement(request)) = decode(&message) else { panic!() };
    assert_eq!(request.signed, [&[0x06], raw.as_slice()].concat());

    let raw = hex::decode("a20106187f00").unwrap();
    let message = [&[0x0d, 0xa2, 0x01, 0x03, 0x02], raw.as_slice()].concat();
    let Ok(Request::Config(request)) = decode(&message) else { panic!() };
    assert_eq!(request.signed, [&[0x03], raw.as_slice()].concat());
}

#[test]
fn parameters_that_a_sub_command_does_not_have_are_signed_all_the_same() {
    for (message, signed) in [("0aa2010102a0", "01a0"), ("0aa2010102a10000", "01a10000"), ("0aa10101", "01")]
    {
        let Ok(Request::CredentialManagement(request)) = decode(&hex::decode(message).unwrap()) else {
            panic!()
        };
        assert_eq!(hex::encode(request.signed), signed, "{message}");
    }
    for (message, signed) in [("0da2010202a0", "02a0"), ("0da2010402a10000", "04a10000"), ("0da10103", "03")]
    {
        let Ok(Request::Config(request)) = decode(&hex::decode(message).unwrap()) else { panic!() };
        assert_eq!(hex::encode(request.signed), signed, "{message}");
    }
}

#[test]
fn a_platform_signs_what_it_will_send() {
    for name in ["getCredsMetadata", "enumerateCredentialsBegin", "deleteCredential", "updateUserInformation"]
    {
        let received = management(name);
        let sent = CredentialManagement::new(received.subcommand.clone());
        assert_eq!(sent.signed, received.signed, "{name}");
    }
    for name in ["toggleAlwaysUv", "setMinPINLength", "setMinPINLength-policy", "enableLongTouchForReset"] {
        let received = configure(name);
        assert_eq!(Config::new(received.subcommand.clone()).signed, received.signed, "{name}");
    }
}

// --- any request at all ----------------------------------------------------------------------------------------------

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..80)
}

fn any_rp_id() -> impl Strategy<Value = RpId> {
    "\\PC{1,50}".prop_map(|id| RpId::new(&id).unwrap())
}

fn any_auth() -> impl Strategy<Value = Option<PinUvAuth>> {
    prop::option::of(
        (any_bytes(), any::<Option<u64>>()).prop_map(|(param, protocol)| PinUvAuth { param, protocol }),
    )
}

fn any_platform() -> impl Strategy<Value = PlatformKey> {
    (any::<u64>(), any::<[u8; 32]>(), any::<[u8; 32]>()).prop_map(|(pin_uv_auth_protocol, x, y)| {
        PlatformKey { pin_uv_auth_protocol, key_agreement: P256Point { x, y } }
    })
}

fn any_client_pin() -> impl Strategy<Value = ClientPin> {
    let set = (any_platform(), any_bytes(), any_bytes());
    let change = (any_platform(), any_bytes(), any_bytes(), any_bytes());
    let rp_id = || prop::option::of(any_rp_id());
    prop_oneof![
        Just(ClientPin::GetPinRetries),
        Just(ClientPin::GetUvRetries),
        any::<u64>().prop_map(|pin_uv_auth_protocol| ClientPin::GetKeyAgreement { pin_uv_auth_protocol }),
        set.prop_map(|(platform, new_pin_enc, pin_uv_auth_param)| ClientPin::SetPin {
            platform,
            new_pin_enc,
            pin_uv_auth_param
        }),
        change.prop_map(|(platform, new_pin_enc, pin_hash_enc, pin_uv_auth_param)| ClientPin::ChangePin {
            platform,
            new_pin_enc,
            pin_hash_enc,
            pin_uv_auth_param
        }),
        (any_platform(), any_bytes(), any::<Option<u64>>(), rp_id()).prop_map(
            |(platform, pin_hash_enc, permissions, rp_id)| ClientPin::GetPinToken {
                platform,
                pin_hash_enc,
                permissions,
                rp_id
            }
        ),
        (any_platform(), any::<u64>(), rp_id()).prop_map(|(platform, permissions, rp_id)| {
            ClientPin::GetTokenUsingUv { platform, permissions, rp_id }
        }),
        (any_platform(), any_bytes(), any::<u64>(), rp_id()).prop_map(
            |(platform, pin_hash_enc, permissions, rp_id)| ClientPin::GetTokenUsingPin {
                platform,
                pin_hash_enc,
                permissions,
                rp_id
            }
        ),
    ]
}

fn any_management() -> impl Strategy<Value = CredentialManagement> {
    let credential = || {
        let id = prop::collection::vec(any::<u8>(), 1..100);
        id.prop_map(|id| CredentialId::new(&id).ok())
    };
    let handle = prop::collection::vec(any::<u8>(), 0..65);
    let user =
        (handle, any::<Option<String>>(), any::<Option<String>>()).prop_map(|(id, name, display_name)| {
            UserEntity {
                id: UserHandle::new(&id).unwrap(),
                name: name.map(Into::into),
                display_name: display_name.map(Into::into),
            }
        });
    let subcommand = prop_oneof![
        Just(ManageCredentials::GetMetadata),
        Just(ManageCredentials::EnumerateRpsBegin),
        Just(ManageCredentials::EnumerateRpsNext),
        Just(ManageCredentials::EnumerateCredentialsNext),
        any::<[u8; 32]>()
            .prop_map(|hash| ManageCredentials::EnumerateCredentialsBegin { rp_id_hash: RpIdHash(hash) }),
        credential().prop_map(|credential| ManageCredentials::Delete { credential }),
        (credential(), user)
            .prop_map(|(credential, user)| ManageCredentials::UpdateUser { credential, user }),
    ];
    (subcommand, any_auth(), any::<bool>()).prop_map(|(subcommand, pin_uv_auth, preview)| {
        CredentialManagement { pin_uv_auth, preview, ..CredentialManagement::new(subcommand) }
    })
}

fn any_large_blobs() -> impl Strategy<Value = LargeBlobs> {
    (
        any::<Option<u64>>(),
        prop::option::of(any_bytes()),
        any::<Option<u64>>(),
        any::<Option<u64>>(),
        any_auth(),
    )
        .prop_map(|(get, set, offset, length, pin_uv_auth)| LargeBlobs {
            get,
            set,
            offset,
            length,
            pin_uv_auth: pin_uv_auth.filter(|_| get.is_none()),
        })
}

fn any_config() -> impl Strategy<Value = Config> {
    let ids = prop::option::of(prop::collection::vec(any_rp_id(), 0..9));
    let length = (any::<Option<u64>>(), ids, any::<Option<bool>>(), any::<Option<bool>>());
    let subcommand = prop_oneof![
        Just(Configure::EnableEnterpriseAttestation),
        Just(Configure::ToggleAlwaysUv),
        Just(Configure::EnableLongTouchForReset),
        length.prop_map(|(new_min_pin_length, min_pin_length_rp_ids, force_change_pin, policy)| {
            Configure::SetMinPinLength(SetMinPinLength {
                new_min_pin_length,
                min_pin_length_rp_ids,
                force_change_pin,
                pin_complexity_policy: policy,
            })
        }),
    ];
    (subcommand, any_auth())
        .prop_map(|(subcommand, pin_uv_auth)| Config { pin_uv_auth, ..Config::new(subcommand) })
}

fn any_request() -> impl Strategy<Value = Request> {
    prop_oneof![
        any_client_pin().prop_map(Request::ClientPin),
        any_management().prop_map(Request::CredentialManagement),
        any_large_blobs().prop_map(Request::LargeBlobs),
        any_config().prop_map(Request::Config),
    ]
}

/// Canonical maps of parameters that no sub-command knows, beside the ones it needs.
fn any_parameters() -> impl Strategy<Value = Value> {
    let unknown = prop::collection::btree_map(5u64..2000, any_bytes(), 0..6);
    unknown.prop_map(|unknown| {
        let entries = unknown.into_iter().map(|(key, value)| (key.into(), bytes(value)));
        Value::Map(entries.collect())
    })
}

proptest! {
    #[test]
    fn any_managing_request_that_is_written_is_read_back_equal(request in any_request()) {
        let limits = Limits { max_message: usize::MAX, max_list: 8 };
        prop_assert_eq!(Request::decode(&request.encode(), &limits), Ok(request));
    }

    #[test]
    fn any_parameters_are_signed_as_received(parameters in any_parameters(), number in 1u8..=3) {
        let mut raw = Vec::new();
        ciborium::into_writer(&parameters, &mut raw).unwrap();
        let limits = Limits { max_message: usize::MAX, max_list: 8 };
        for command in [0x0a, 0x0d] {
            let message = [&[command, 0xa2, 0x01, number, 0x02], raw.as_slice()].concat();
            let signed = match Request::decode(&message, &limits) {
                Ok(Request::CredentialManagement(request)) => request.signed,
                Ok(Request::Config(request)) => request.signed,
                other => panic!("{other:?}"),
            };
            prop_assert_eq!(signed, [&[number], raw.as_slice()].concat());
        }
    }

    #[test]
    fn no_altered_managing_request_makes_the_reader_panic(request in any_request(), index: prop::sample::Index, byte: u8) {
        let mut message = request.encode();
        *index.get_mut(&mut message) = byte;
        let _ = decode(&message);
    }
}
