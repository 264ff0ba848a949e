//! Requests: what is read, what is passed over, and which status a malformed one gets.

mod common;

use common::vectors::{bytes, list, text, vectors};
use countersign::{
    cbor::{Item, Profile, Writer},
    cose::P256Point,
    ctap2::{
        ClientPin, GetAssertion, GetAssertionExtensions, HmacSecretInput, LargeBlobInput, LargeBlobSupport,
        Limits, MakeCredential, MakeCredentialExtensions, Options, PinUvAuth, Request, Status,
    },
    webauthn::{ClientDataHash, CredentialDescriptor, CredentialId, RpEntity, RpId, UserEntity, UserHandle},
};
use proptest::prelude::*;

const LIMITS: Limits = Limits { max_message: 7609, max_list: 8 };

fn decode(message: &[u8]) -> Result<Request, Status> {
    Request::decode(message, &LIMITS)
}

// --- the wire vectors ------------------------------------------------------------------------------------------------

fn parameters(message: &[u8]) -> Option<Item<'_>> {
    Item::parse(message.get(1..)?, Profile::CTAP2).ok()
}

#[test]
fn malformed_requests_get_the_recommended_status() {
    let set = vectors("ctap2_wire_negative");
    for vector in list(&set, "vectors") {
        let (name, command) = (text(vector, "name"), bytes(vector, "command"));
        let outcome = decode(&command);
        match outcome {
            Err(status) => assert_eq!(format!("{:#04x}", status.byte()), vector["expected"][0], "{name}"),
            Ok(_) => {
                let judged_by_handlers = ["semantic", "crypto", "control"].contains(&text(vector, "kind"))
                    // CTAP 2.1 made it optional.
                    || name == "cp-getRetries-missing-protocol";
                assert!(judged_by_handlers, "{name} was read: {}", vector["why"]);
            }
        }
    }
}

#[test]
fn what_has_to_succeed_is_read() {
    let set = vectors("ctap2_wire_negative");
    for vector in list(&set, "vectors").iter().filter(|vector| vector["kind"] == "control") {
        let command = bytes(vector, "command");
        assert!(decode(&command).is_ok(), "{}", vector["name"]);
    }
}

#[test]
fn a_key_agreement_key_gets_the_recommended_status_in_hmac_secret_too() {
    let set = vectors("ctap2_wire_negative");
    let cose = list(&set, "vectors").iter().filter(|vector| text(vector, "name").starts_with("cp-cose-"));
    let mut seen = 0;
    for vector in cose {
        let command = bytes(vector, "command");
        let key = parameters(&command).unwrap().map().unwrap().at(0x03).unwrap();
        let status =
            decode(&hmac_secret_with_key(key.raw())).map_err(|status| format!("{:#04x}", status.byte()));
        match text(vector, "kind") {
            // Whether it is a point of the curve shows when it is used.
            "crypto" => assert!(status.is_ok(), "{}", vector["name"]),
            _ => assert_eq!(status.unwrap_err(), vector["expected"][0], "{}", vector["name"]),
        }
        seen += 1;
    }
    assert_eq!(seen, 10);
}

fn hmac_secret_with_key(cose_key: &[u8]) -> Vec<u8> {
    let mut writer = Writer::after(0x02);
    writer.map(3).unsigned(1).text("example.com").unsigned(2).bytes(&[0xcd; 32]).unsigned(4);
    writer.map(1).text("hmac-secret").map(3).unsigned(1).raw(cose_key);
    writer.unsigned(2).bytes(&[1; 32]).unsigned(3).bytes(&[2; 16]);
    writer.finish()
}

// --- what is in a request --------------------------------------------------------------------------------------------

#[test]
fn requests_of_the_transcripts_are_written_as_they_were_read() {
    for (set, names) in
        [("ctap2_transcripts", ["mc_request", "ga_request"].as_slice()), ("ctap2_hmac_secret", &["request"])]
    {
        for vector in list(&vectors(set), "vectors") {
            for name in names {
                let message = bytes(vector, name);
                assert_eq!(decode(&message).unwrap().encode(), message, "{} {name}", vector["id"]);
            }
        }
    }
}

#[test]
fn a_creation_request_is_read_member_by_member() {
    let set = vectors("ctap2_transcripts");
    let vector = list(&set, "vectors").iter().find(|vector| vector["id"] == "packed-self.ES256").unwrap();
    let Ok(Request::MakeCredential(request)) = decode(&bytes(vector, "mc_request")) else { panic!() };
    let expected = MakeCredential {
        client_data_hash: ClientDataHash(
            hex::decode("dba5494aa6958e286220403054776b48578239a1fd3bb5233a0e170bec926dce")
                .unwrap()
                .try_into()
                .unwrap(),
        ),
        rp: RpEntity { id: RpId::new("example.org").unwrap(), name: Some("Example".into()) },
        user: UserEntity {
            id: UserHandle::new(&[1, 2, 3, 4]).unwrap(),
            name: Some("alice".into()),
            display_name: Some("Alice".into()),
        },
        algorithms: vec![-7],
        exclude_list: vec![],
        extensions: MakeCredentialExtensions::default(),
        options: Options { rk: Some(true), up: None, uv: Some(true) },
        pin_uv_auth: None,
        enterprise_attestation: None,
        attestation_formats_preference: vec![],
    };
    assert_eq!(request, expected);
}

#[test]
fn an_hmac_secret_input_is_read_member_by_member() {
    let set = vectors("ctap2_hmac_secret");
    let prf = vectors("webauthn_l3_prf");
    for vector in list(&set, "vectors") {
        let Ok(Request::GetAssertion(request)) = decode(&bytes(vector, "request")) else { panic!() };
        let input = request.extensions.hmac_secret.unwrap();
        assert_eq!(input.salt_auth, bytes(vector, "salt_auth"));
        // Protocol 1 goes without saying, and these requests do not say it.
        assert_eq!(input.pin_uv_auth_protocol, vector["pin_protocol"].as_u64().filter(|number| *number != 1));
        assert!(list(&prf, "vectors").iter().any(|prf| bytes(prf, "salt_enc") == input.salt_enc));
        assert_eq!(request.options.uv, vector["uv"].as_bool().filter(|uv| *uv));
        assert_eq!(request.allow_list.unwrap().len(), 1);
    }
}

// --- requests by hand ------------------------------------------------------------------------------------------------

type Write<'a> = &'a dyn Fn(&mut Writer);

fn encoded(write: Write<'_>) -> Vec<u8> {
    let mut writer = Writer::new();
    write(&mut writer);
    writer.finish()
}

/// A message with the given members in place of, or beside, those of a plain request.
fn message(command: u8, plain: &[(u64, Write<'_>)], members: &[(u64, Write<'_>)]) -> Vec<u8> {
    let given = members.iter().chain(plain.iter().filter(|(key, _)| members.iter().all(|(k, _)| k != key)));
    let entries = given.map(|(key, value)| (encoded(&|w| _ = w.unsigned(*key)), encoded(value))).collect();
    let mut writer = Writer::after(command);
    writer.sorted_map(entries);
    writer.finish()
}

fn make_credential(members: &[(u64, Write<'_>)]) -> Vec<u8> {
    let plain: [(u64, Write<'_>); 4] = [
        (1, &|w| _ = w.bytes(&[0xcd; 32])),
        (2, &|w| _ = w.map(1).text("id").text("example.com")),
        (3, &|w| _ = w.map(1).text("id").bytes(&[0x1d; 32])),
        (4, &|w| algorithms(w, &[(-7, "public-key")])),
    ];
    message(0x01, &plain, members)
}

fn get_assertion(members: &[(u64, Write<'_>)]) -> Vec<u8> {
    let plain: [(u64, Write<'_>); 2] =
        [(1, &|w| _ = w.text("example.com")), (2, &|w| _ = w.bytes(&[0xcd; 32]))];
    message(0x02, &plain, members)
}

fn algorithms(writer: &mut Writer, elements: &[(i64, &str)]) {
    writer.array(elements.len());
    for (identifier, kind) in elements {
        writer.map(2).text("alg").integer(*identifier).text("type").text(kind);
    }
}

fn descriptors(writer: &mut Writer, elements: &[(&[u8], &str)]) {
    writer.array(elements.len());
    for (id, kind) in elements {
        writer.map(2).text("id").bytes(id).text("type").text(kind);
    }
}

fn read_make_credential(members: &[(u64, Write<'_>)]) -> Result<MakeCredential, Status> {
    decode(&make_credential(members)).map(|request| match request {
        Request::MakeCredential(request) => request,
        other => panic!("{other:?}"),
    })
}

fn read_get_assertion(members: &[(u64, Write<'_>)]) -> Result<GetAssertion, Status> {
    decode(&get_assertion(members)).map(|request| match request {
        Request::GetAssertion(request) => request,
        other => panic!("{other:?}"),
    })
}

fn allow_list(elements: &[(&[u8], &str)]) -> Result<Option<Vec<CredentialDescriptor>>, Status> {
    read_get_assertion(&[(3, &|w| descriptors(w, elements))]).map(|request| request.allow_list)
}

fn exclude_list(elements: &[(&[u8], &str)]) -> Result<Vec<CredentialDescriptor>, Status> {
    read_make_credential(&[(5, &|w| descriptors(w, elements))]).map(|request| request.exclude_list)
}

fn ids(ids: &[&[u8]]) -> Vec<CredentialDescriptor> {
    ids.iter().map(|id| CredentialDescriptor { id: CredentialId::new(id).unwrap() }).collect()
}

#[test]
fn algorithms_keep_the_order_of_the_relying_party() {
    let read = |elements: &[(i64, &str)]| {
        read_make_credential(&[(4, &|w| algorithms(w, elements))]).map(|request| request.algorithms)
    };
    let keyed = "public-key";
    assert_eq!(read(&[(-8, keyed), (-257, keyed), (-7, keyed)]), Ok(vec![-8, -257, -7]));
    assert_eq!(read(&[(-7, "other"), (-8, keyed)]), Ok(vec![-8]), "an unknown type is passed over");
    assert_eq!(read(&[(-7, "other")]), Ok(vec![]));
    assert_eq!(read(&[]), Ok(vec![]));
    assert_eq!(read(&[(i64::MIN, keyed), (i64::MAX, keyed)]), Ok(vec![i64::MIN, i64::MAX]));
}

#[test]
fn every_element_of_pub_key_cred_params_is_checked() {
    let after_a_good_one = |write: Write<'_>| {
        let write = |w: &mut Writer| {
            w.array(2).map(2).text("alg").integer(-7).text("type").text("public-key");
            write(w);
        };
        read_make_credential(&[(4, &write)]).map(|_| ())
    };
    assert_eq!(after_a_good_one(&|w| _ = w.unsigned(0)), Err(Status::CborUnexpectedType));
    assert_eq!(after_a_good_one(&|w| _ = w.map(1).text("alg").integer(-7)), Err(Status::MissingParameter));
    assert_eq!(after_a_good_one(&|w| _ = w.map(1).text("type").text("x")), Err(Status::MissingParameter));
    let alg_beyond_64_bits: Write<'_> =
        &|w| _ = w.map(2).text("alg").unsigned(u64::MAX).text("type").text("x");
    assert_eq!(after_a_good_one(alg_beyond_64_bits), Err(Status::CborUnexpectedType));
}

#[test]
fn an_empty_list_is_no_list() {
    assert_eq!(allow_list(&[]), Ok(None));
    assert_eq!(read_get_assertion(&[]).unwrap().allow_list, None);
    assert_eq!(exclude_list(&[]), Ok(vec![]));
}

#[test]
fn a_list_of_unknown_types_is_a_list_that_matches_nothing() {
    assert_eq!(allow_list(&[(b"id", "other")]), Ok(Some(vec![])));
    assert_eq!(allow_list(&[(b"id", "other"), (b"ours", "public-key")]), Ok(Some(ids(&[b"ours"]))));
    assert_eq!(exclude_list(&[(b"id", "other"), (b"ours", "public-key")]), Ok(ids(&[b"ours"])));
}

#[test]
fn identifiers_that_no_credential_has_are_passed_over() {
    let (longest, longer) = ([7; 1023], [7; 1024]);
    let key = "public-key";
    let listed: &[(&[u8], &str)] = &[(&longer, key), (&[], key), (&longest, key)];
    assert_eq!(allow_list(listed), Ok(Some(ids(&[&longest]))));
    assert_eq!(exclude_list(listed), Ok(ids(&[&longest])));
    assert_eq!(allow_list(&[(&longer, key)]), Ok(Some(vec![])), "which is not the same as no list");
}

#[test]
fn elements_of_unknown_type_are_checked_all_the_same() {
    for (write, status) in [
        (&|w: &mut Writer| _ = w.map(1).text("type").text("other"), Status::MissingParameter),
        (&|w: &mut Writer| _ = w.map(1).text("id").bytes(b"id"), Status::MissingParameter),
        (
            &|w: &mut Writer| _ = w.map(2).text("id").text("id").text("type").text("other"),
            Status::CborUnexpectedType,
        ),
    ] as [(Write<'_>, Status); 3]
    {
        let list = |w: &mut Writer| write(w.array(1));
        assert_eq!(read_get_assertion(&[(3, &list)]), Err(status));
        assert_eq!(read_make_credential(&[(5, &list)]), Err(status));
    }
}

#[test]
fn a_list_may_be_as_long_as_announced_and_no_longer() {
    let listed = |count| vec![(b"id".as_slice(), "public-key"); count];
    assert_eq!(allow_list(&listed(8)).unwrap().unwrap().len(), 8);
    assert_eq!(allow_list(&listed(9)), Err(Status::LimitExceeded));
    assert_eq!(exclude_list(&listed(8)).unwrap().len(), 8);
    assert_eq!(exclude_list(&listed(9)), Err(Status::LimitExceeded));
    assert_eq!(exclude_list(&vec![(b"id".as_slice(), "other"); 9]), Err(Status::LimitExceeded));
}

#[test]
fn a_message_may_be_as_long_as_announced_and_no_longer() {
    let request = make_credential(&[]);
    let limits = |max_message| Limits { max_message, max_list: 8 };
    assert!(Request::decode(&request, &limits(request.len())).is_ok());
    let shorter = Request::decode(&request, &limits(request.len() - 1));
    assert_eq!(shorter, Err(Status::RequestTooLarge));
    // Before anything in it is looked at.
    assert_eq!(Request::decode(&[0xdf; 2], &limits(1)), Err(Status::RequestTooLarge));
}

#[test]
fn identifiers_of_a_length_that_does_not_exist_are_refused() {
    let hash = |length: usize| read_make_credential(&[(1, &|w| _ = w.bytes(&vec![0; length]))]).map(|_| ());
    let rp = |length: usize| {
        let id = "r".repeat(length);
        let created = read_make_credential(&[(2, &|w| _ = w.map(1).text("id").text(&id))]).map(|_| ());
        assert_eq!(read_get_assertion(&[(1, &|w| _ = w.text(&id))]).map(|_| ()), created);
        created
    };
    let user = |length: usize| {
        read_make_credential(&[(3, &|w| _ = w.map(1).text("id").bytes(&vec![0; length]))]).map(|_| ())
    };
    for refused in [hash(0), hash(31), hash(33), rp(0), rp(254), user(65)] {
        assert_eq!(refused, Err(Status::InvalidLength));
    }
    for read in [hash(32), rp(1), rp(253), user(0), user(64)] {
        assert_eq!(read, Ok(()));
    }
    let hash_in_assertion = read_get_assertion(&[(2, &|w| _ = w.bytes(&[0; 31]))]);
    assert_eq!(hash_in_assertion, Err(Status::InvalidLength));
}

#[test]
fn names_may_be_absent_empty_or_long() {
    let long = "n".repeat(2000);
    let user: Write<'_> =
        &|w| _ = w.map(3).text("id").bytes(b"u").text("name").text(&long).text("displayName").text("");
    let request = read_make_credential(&[(3, user)]).unwrap();
    assert_eq!(request.user.name.as_deref(), Some(long.as_str()));
    assert_eq!(request.user.display_name.as_deref(), Some(""));
    assert_eq!(request.rp.name, None);
}

#[test]
fn what_is_not_known_is_passed_over() {
    let plain = read_make_credential(&[]).unwrap();
    let anything: Write<'_> = &|w| _ = w.array(2).map(0).bytes(b"anything");
    assert_eq!(read_make_credential(&[(0, anything), (0x0c, anything), (u64::MAX, anything)]), Ok(plain));

    let text_key = encoded(&|w| {
        w.map(3).unsigned(1).text("example.com").unsigned(2).bytes(&[0xcd; 32]);
        w.text("rpId").unsigned(0);
    });
    let text_key = [&[0x02], text_key.as_slice()].concat();
    assert_eq!(decode(&text_key), decode(&get_assertion(&[])));

    let rp: Write<'_> = &|w| _ = w.map(2).text("id").text("example.com").text("icon").unsigned(0);
    let options: Write<'_> = &|w| _ = w.map(2).text("rk").boolean(true).text("plat").unsigned(0);
    let extensions: Write<'_> = &|w| _ = w.map(1).text("uvm").unsigned(0);
    let request = read_make_credential(&[(2, rp), (6, extensions), (7, options)]).unwrap();
    assert_eq!(request.options, Options { rk: Some(true), up: None, uv: None });
    assert_eq!(request.extensions, MakeCredentialExtensions::default());

    let descriptor: Write<'_> = &|w| {
        w.array(1).map(3).text("id").bytes(b"id").text("type").text("public-key");
        w.text("transports").unsigned(0);
    };
    assert_eq!(read_get_assertion(&[(3, descriptor)]).unwrap().allow_list, Some(ids(&[b"id"])));
}

#[test]
fn a_pin_uv_auth_param_is_kept_as_it_came() {
    let auth = |members: &[(u64, Write<'_>)]| read_make_credential(members).unwrap().pin_uv_auth;
    let (param, empty): (Write<'_>, Write<'_>) = (&|w| _ = w.bytes(&[9; 17]), &|w| _ = w.bytes(&[]));
    let protocol: Write<'_> = &|w| _ = w.unsigned(123_456);
    assert_eq!(auth(&[(8, param)]), Some(PinUvAuth { param: vec![9; 17], protocol: None }));
    assert_eq!(
        auth(&[(8, empty), (9, protocol)]),
        Some(PinUvAuth { param: vec![], protocol: Some(123_456) })
    );
    assert_eq!(auth(&[(9, protocol)]), None, "a protocol alone says nothing");
    let ill_typed: Write<'_> = &|w| _ = w.text("1");
    assert_eq!(read_make_credential(&[(9, ill_typed)]), Err(Status::CborUnexpectedType));
}

#[test]
fn attestation_wishes_are_kept_as_they_came() {
    let formats: Write<'_> = &|w| _ = w.array(2).text("packed").text("none");
    let request = read_make_credential(&[(0x0a, &|w| _ = w.unsigned(3)), (0x0b, formats)]).unwrap();
    assert_eq!(request.enterprise_attestation, Some(3));
    assert_eq!(request.attestation_formats_preference, ["packed", "none"]);
    let ill_typed: Write<'_> = &|w| _ = w.array(1).unsigned(0);
    assert_eq!(read_make_credential(&[(0x0b, ill_typed)]), Err(Status::CborUnexpectedType));
    assert_eq!(read_make_credential(&[(0x0a, &|w| _ = w.text("1"))]), Err(Status::CborUnexpectedType));
}

#[test]
fn commands_without_parameters_do_not_look_at_any() {
    for (command, request) in [
        (0x04, Request::GetInfo),
        (0x07, Request::Reset),
        (0x08, Request::GetNextAssertion),
        (0x0b, Request::Selection),
    ] {
        assert_eq!(decode(&[command]), Ok(request.clone()));
        assert_eq!(decode(&[command, 0xff, 0x00]), Ok(request.clone()));
        assert_eq!(request.encode(), [command]);
    }
}

#[test]
fn commands_that_do_not_exist_here_are_invalid() {
    let here = [0x01, 0x02, 0x04, 0x06, 0x07, 0x08, 0x0a, 0x0b, 0x0c, 0x0d, 0x41];
    for command in (0..=u8::MAX).filter(|command| !here.contains(command)) {
        assert_eq!(decode(&[command, 0xa0]), Err(Status::InvalidCommand), "{command:#04x}");
    }
    assert_eq!(decode(&[]), Err(Status::InvalidLength));
}

#[test]
fn get_key_agreement_names_its_protocol() {
    let request =
        |protocol| Request::ClientPin(ClientPin::GetKeyAgreement { pin_uv_auth_protocol: protocol });
    assert_eq!(decode(&hex::decode("06a201020202").unwrap()), Ok(request(2)));
    assert_eq!(request(2).encode(), hex::decode("06a201020202").unwrap());
    // Which protocols exist is for the handler to say.
    assert_eq!(decode(&hex::decode("06a20118ff0202").unwrap()), Ok(request(255)));
    assert_eq!(decode(&hex::decode("06a10202").unwrap()), Err(Status::MissingParameter));
}

// --- extension inputs ------------------------------------------------------------------------------------------------

type Extensions<'a> = &'a [(&'a str, Write<'a>)];

fn extensions(inputs: Extensions<'_>) -> Vec<u8> {
    encoded(&|w| {
        _ = w.map(inputs.len());
        inputs.iter().for_each(|(name, write)| write(w.text(name)));
    })
}

fn creation_inputs(inputs: Extensions<'_>) -> Result<MakeCredentialExtensions, Status> {
    let inputs = extensions(inputs);
    read_make_credential(&[(6, &|w| _ = w.raw(&inputs))]).map(|request| request.extensions)
}

fn assertion_inputs(inputs: Extensions<'_>) -> Result<GetAssertionExtensions, Status> {
    let inputs = extensions(inputs);
    read_get_assertion(&[(4, &|w| _ = w.raw(&inputs))]).map(|request| request.extensions)
}

const NO_POINT: P256Point = P256Point { x: [1; 32], y: [2; 32] };

fn salts(writer: &mut Writer) {
    writer.map(3).unsigned(1);
    NO_POINT.write_key_agreement(writer);
    writer.unsigned(2).bytes(&[3; 48]).unsigned(3).bytes(&[4; 32]);
}

fn read_salts() -> HmacSecretInput {
    HmacSecretInput {
        key_agreement: NO_POINT,
        salt_enc: vec![3; 48],
        salt_auth: vec![4; 32],
        pin_uv_auth_protocol: None,
    }
}

/// The strict reader takes them in this order only: it is the canonical one.
#[test]
fn creation_inputs_of_every_extension_are_read() {
    let read = creation_inputs(&[
        ("credBlob", &|w| _ = w.bytes(b"blob")),
        ("largeBlob", &|w| _ = w.map(1).text("support").text("preferred")),
        ("credProtect", &|w| _ = w.unsigned(2)),
        ("hmac-secret", &|w| _ = w.boolean(true)),
        ("largeBlobKey", &|w| _ = w.boolean(true)),
        ("minPinLength", &|w| _ = w.boolean(true)),
        ("hmac-secret-mc", &salts),
        ("thirdPartyPayment", &|w| _ = w.boolean(true)),
        ("pinComplexityPolicy", &|w| _ = w.boolean(false)),
    ]);
    let expected = MakeCredentialExtensions {
        cred_blob: Some(b"blob".into()),
        large_blob: Some(LargeBlobSupport::Preferred),
        cred_protect: Some(2),
        hmac_secret: Some(true),
        large_blob_key: Some(true),
        min_pin_length: Some(true),
        hmac_secret_mc: Some(read_salts()),
        third_party_payment: Some(true),
        pin_complexity_policy: Some(false),
    };
    assert_eq!(read, Ok(expected));
}

#[test]
fn assertion_inputs_of_every_extension_are_read() {
    let read = assertion_inputs(&[
        ("credBlob", &|w| _ = w.boolean(true)),
        ("largeBlob", &|w| _ = w.map(1).text("read").boolean(true)),
        ("hmac-secret", &salts),
        ("largeBlobKey", &|w| _ = w.boolean(false)),
        ("thirdPartyPayment", &|w| _ = w.boolean(true)),
    ]);
    let expected = GetAssertionExtensions {
        cred_blob: Some(true),
        large_blob: Some(LargeBlobInput::Read),
        hmac_secret: Some(read_salts()),
        large_blob_key: Some(false),
        third_party_payment: Some(true),
    };
    assert_eq!(read, Ok(expected));
}

#[test]
fn an_extension_input_of_another_type_is_refused() {
    let integer: Write<'_> = &|w| _ = w.unsigned(1);
    let text: Write<'_> = &|w| _ = w.text("true");
    for name in [
        "credBlob",
        "hmac-secret",
        "largeBlobKey",
        "minPinLength",
        "hmac-secret-mc",
        "thirdPartyPayment",
        "pinComplexityPolicy",
    ] {
        assert_eq!(creation_inputs(&[(name, integer)]), Err(Status::CborUnexpectedType), "{name}");
    }
    assert_eq!(creation_inputs(&[("credProtect", text)]), Err(Status::CborUnexpectedType));
    for name in ["credBlob", "hmac-secret", "largeBlobKey", "thirdPartyPayment"] {
        assert_eq!(assertion_inputs(&[(name, integer)]), Err(Status::CborUnexpectedType), "{name}");
    }
    // What a creation is given is not what an assertion is given.
    assert!(creation_inputs(&[("credBlob", &|w| _ = w.boolean(true))]).is_err());
    assert!(assertion_inputs(&[("credBlob", &|w| _ = w.bytes(b"blob"))]).is_err());
    // These belong to creation alone; elsewhere they are unknown.
    for name in ["credProtect", "minPinLength", "hmac-secret-mc", "pinComplexityPolicy"] {
        assert_eq!(assertion_inputs(&[(name, text)]), Ok(GetAssertionExtensions::default()), "{name}");
    }
}

#[test]
fn hmac_secret_mc_without_its_parts_is_missing_parameter() {
    let short: Write<'_> = &|w| {
        w.map(2).unsigned(1);
        NO_POINT.write_key_agreement(w);
        w.unsigned(2).bytes(&[3; 48]);
    };
    for input in [short, &|w| _ = w.map(0)] {
        assert_eq!(creation_inputs(&[("hmac-secret-mc", input)]), Err(Status::MissingParameter));
    }
}

#[test]
fn large_blob_input_that_does_not_conform_is_invalid_cbor() {
    let creations: [(&str, Write<'_>); 6] = [
        ("nothing", &|w| _ = w.map(0)),
        ("no map", &|w| _ = w.boolean(true)),
        ("an unknown wish", &|w| _ = w.map(1).text("support").text("discouraged")),
        ("a wish of another type", &|w| _ = w.map(1).text("support").boolean(true)),
        ("more than the wish", &|w| _ = w.map(2).text("extra").unsigned(0).text("support").text("required")),
        ("another member", &|w| _ = w.map(1).text("read").boolean(true)),
    ];
    for (what, write) in creations {
        assert_eq!(creation_inputs(&[("largeBlob", write)]), Err(Status::InvalidCbor), "{what}");
    }
    let assertions: [(&str, Write<'_>); 10] = [
        ("nothing", &|w| _ = w.map(0)),
        ("no map", &|w| _ = w.text("read")),
        ("read false", &|w| _ = w.map(1).text("read").boolean(false)),
        ("read of another type", &|w| _ = w.map(1).text("read").unsigned(1)),
        ("write without size", &|w| _ = w.map(1).text("write").bytes(b"b")),
        ("size without write", &|w| _ = w.map(1).text("originalSize").unsigned(1)),
        ("write of another type", &|w| _ = w.map(2).text("write").text("b").text("originalSize").unsigned(1)),
        ("a negative size", &|w| _ = w.map(2).text("write").bytes(b"b").text("originalSize").integer(-1)),
        ("both", &|w| _ = w.map(2).text("read").boolean(true).text("write").bytes(b"b")),
        ("both and a size", &|w| {
            let w = w.map(3).text("read").boolean(true);
            w.text("write").bytes(b"b").text("originalSize").unsigned(1);
        }),
    ];
    for (what, write) in assertions {
        assert_eq!(assertion_inputs(&[("largeBlob", write)]), Err(Status::InvalidCbor), "{what}");
    }
}

#[test]
fn large_blob_write_is_read_with_its_size() {
    let write: Write<'_> = &|w| _ = w.map(2).text("write").bytes(b"blob").text("originalSize").unsigned(777);
    let read = assertion_inputs(&[("largeBlob", write)]).unwrap().large_blob;
    assert_eq!(read, Some(LargeBlobInput::Write { blob: b"blob".into(), original_size: 777 }));
}

// --- any request at all ----------------------------------------------------------------------------------------------

fn any_descriptors() -> impl Strategy<Value = Vec<CredentialDescriptor>> {
    let id = prop::collection::vec(any::<u8>(), 1..40);
    let descriptor = id.prop_map(|id| CredentialDescriptor { id: CredentialId::new(&id).unwrap() });
    prop::collection::vec(descriptor, 0..8)
}

fn any_pin_uv_auth() -> impl Strategy<Value = Option<PinUvAuth>> {
    let param = prop::collection::vec(any::<u8>(), 0..33);
    prop::option::of(
        (param, any::<Option<u64>>()).prop_map(|(param, protocol)| PinUvAuth { param, protocol }),
    )
}

fn any_rp_id() -> impl Strategy<Value = RpId> {
    "\\PC{1,50}".prop_map(|id| RpId::new(&id).unwrap())
}

fn any_creation_inputs() -> impl Strategy<Value = MakeCredentialExtensions> {
    let support = prop::sample::select(vec![LargeBlobSupport::Required, LargeBlobSupport::Preferred]);
    (
        (any::<Option<Vec<u8>>>(), prop::option::of(support), any::<Option<u64>>()),
        prop::option::of(any_hmac_secret()),
        any::<[Option<bool>; 5]>(),
    )
        .prop_map(|((cred_blob, large_blob, cred_protect), hmac_secret_mc, booleans)| {
            let [hmac_secret, large_blob_key, min_pin_length, third_party_payment, pin_complexity_policy] =
                booleans;
            MakeCredentialExtensions {
                cred_blob,
                large_blob,
                cred_protect,
                hmac_secret,
                large_blob_key,
                min_pin_length,
                hmac_secret_mc,
                third_party_payment,
                pin_complexity_policy,
            }
        })
}

fn any_assertion_inputs() -> impl Strategy<Value = GetAssertionExtensions> {
    let write = (any::<Vec<u8>>(), any::<u64>())
        .prop_map(|(blob, original_size)| LargeBlobInput::Write { blob, original_size });
    let large_blob = prop::option::of(prop_oneof![Just(LargeBlobInput::Read), write]);
    (large_blob, prop::option::of(any_hmac_secret()), any::<[Option<bool>; 3]>()).prop_map(
        |(large_blob, hmac_secret, [cred_blob, large_blob_key, third_party_payment])| {
            GetAssertionExtensions { cred_blob, large_blob, hmac_secret, large_blob_key, third_party_payment }
        },
    )
}

fn any_make_credential() -> impl Strategy<Value = MakeCredential> {
    let user = (prop::collection::vec(any::<u8>(), 0..65), any::<Option<String>>(), any::<Option<String>>());
    let options = (any::<Option<bool>>(), any::<Option<bool>>(), any::<Option<bool>>());
    let formats = prop::collection::vec(any::<String>(), 0..4);
    (
        (any::<[u8; 32]>(), any_rp_id(), any::<Option<String>>(), user),
        (prop::collection::vec(any::<i64>(), 0..8), any_descriptors(), any_creation_inputs(), options),
        (any_pin_uv_auth(), any::<Option<u64>>(), formats),
    )
        .prop_map(
            |(
                (hash, rp_id, rp_name, user),
                (algorithms, exclude_list, extensions, opt),
                (auth, ep, formats),
            )| {
                MakeCredential {
                    client_data_hash: ClientDataHash(hash),
                    rp: RpEntity { id: rp_id, name: rp_name.map(Into::into) },
                    user: UserEntity {
                        id: UserHandle::new(&user.0).unwrap(),
                        name: user.1.map(Into::into),
                        display_name: user.2.map(Into::into),
                    },
                    algorithms,
                    exclude_list,
                    extensions,
                    options: Options { rk: opt.0, up: opt.1, uv: opt.2 },
                    pin_uv_auth: auth,
                    enterprise_attestation: ep,
                    attestation_formats_preference: formats,
                }
            },
        )
}

fn any_hmac_secret() -> impl Strategy<Value = HmacSecretInput> {
    let salt = || prop::collection::vec(any::<u8>(), 0..100);
    (any::<[u8; 32]>(), any::<[u8; 32]>(), salt(), salt(), any::<Option<u64>>()).prop_map(
        |(x, y, salt_enc, salt_auth, pin_uv_auth_protocol)| HmacSecretInput {
            key_agreement: P256Point { x, y },
            salt_enc,
            salt_auth,
            pin_uv_auth_protocol,
        },
    )
}

fn any_get_assertion() -> impl Strategy<Value = GetAssertion> {
    let options = (any::<Option<bool>>(), any::<Option<bool>>(), any::<Option<bool>>());
    let lists = (any_descriptors(), any_assertion_inputs());
    (any_rp_id(), any::<[u8; 32]>(), lists, options, any_pin_uv_auth()).prop_map(
        |(rp_id, hash, (allow_list, extensions), (rk, up, uv), pin_uv_auth)| GetAssertion {
            rp_id,
            client_data_hash: ClientDataHash(hash),
            allow_list: Some(allow_list).filter(|list| !list.is_empty()),
            extensions,
            options: Options { rk, up, uv },
            pin_uv_auth,
        },
    )
}

proptest! {
    #[test]
    fn any_request_that_is_written_is_read_back_equal(
        create in any_make_credential(),
        get in any_get_assertion(),
        pin_uv_auth_protocol: u64,
    ) {
        let limits = Limits { max_message: usize::MAX, max_list: 8 };
        for request in [
            Request::MakeCredential(create),
            Request::GetAssertion(get),
            Request::ClientPin(ClientPin::GetKeyAgreement { pin_uv_auth_protocol }),
        ] {
            prop_assert_eq!(Request::decode(&request.encode(), &limits), Ok(request));
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(command: u8, body: Vec<u8>) {
        let message = [&[command], body.as_slice()].concat();
        let _ = decode(&message);
    }

    #[test]
    fn no_altered_request_makes_the_reader_panic(create in any_make_credential(), index: prop::sample::Index, byte: u8) {
        let mut message = Request::MakeCredential(create).encode();
        *index.get_mut(&mut message) = byte;
        let _ = decode(&message);
    }
}
