//! WebAuthn's data: client data, authenticator data, COSE keys, identifiers, PRF values.

mod common;

use common::vectors::{array, bytes, list, text, vectors};
use countersign::{
    cbor::{Item, Profile},
    cose::{CoseAlgorithm, P256Point, PublicKey},
    webauthn::{
        Aaguid, AttestedCredential, AuthenticatorData, AuthenticatorDataView, ClientData, ClientDataType,
        CredentialId, PrfInputs, PrfRefused, PrfSalt, PrfSalts, RpId, RpIdHash, UserHandle, UvPrfOutput,
        truncate_name,
    },
};
use serde_json::Value;

// --- client data -----------------------------------------------------------------------------------------------------

#[test]
fn client_data_of_the_w3c_ceremonies_is_serialised_byte_for_byte() {
    let (mut whole, mut extended) = (0, 0);
    for vector in list(&vectors("webauthn_l3_ceremonies"), "vectors") {
        for (ceremony, kind) in
            [("registration", ClientDataType::Create), ("authentication", ClientDataType::Get)]
        {
            let challenge = bytes(&vector[ceremony], "challenge");
            let data = ClientData {
                kind,
                challenge: &challenge,
                origin: text(vector, "origin"),
                top_origin: vector["top_origin"].as_str(),
                cross_origin: vector["cross_origin"].as_bool().unwrap(),
            };
            let (json, expected) = (data.to_json(), bytes(&vector[ceremony], "client_data_json"));
            // Some vectors carry a member of the future at the end; up to there the bytes are ours.
            let extension = expected.windows(13).position(|window| window == b",\"extraData\":");
            match extension {
                Some(end) => {
                    assert_eq!(json, [&expected[..end], b"}"].concat(), "{} {ceremony}", vector["id"]);
                    extended += 1;
                }
                None => {
                    assert_eq!(json, expected, "{} {ceremony}", vector["id"]);
                    let hash = array(&vector["derived_by_us"], &format!("{ceremony}_client_data_hash"));
                    assert_eq!(ClientData::hash(&json).0, hash);
                    whole += 1;
                }
            }
        }
    }
    assert_eq!((whole, extended), (15, 15));
}

#[test]
fn origins_are_escaped_as_ccd_to_string_says() {
    let origin = "https://\"quoted\"\\\u{1}\n\u{1f}\u{7f}\u{e9}\u{1f511}/";
    let data = ClientData {
        kind: ClientDataType::Get,
        challenge: &[0xff],
        origin,
        top_origin: Some("\"\\"),
        cross_origin: true,
    };
    let json = String::from_utf8(data.to_json()).unwrap();
    let escaped = "https://\\\"quoted\\\"\\\\\\u0001\\u000a\\u001f\u{7f}\u{e9}\u{1f511}/";
    assert_eq!(
        json,
        format!(
            "{{\"type\":\"webauthn.get\",\"challenge\":\"_w\",\"origin\":\"{escaped}\",\
             \"crossOrigin\":true,\"topOrigin\":\"\\\"\\\\\"}}"
        )
    );
    let read: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((text(&read, "origin"), text(&read, "topOrigin")), (origin, "\"\\"));
}

// --- authenticator data ----------------------------------------------------------------------------------------------

#[test]
fn authenticator_data_of_the_w3c_ceremonies_is_read_field_by_field() {
    for vector in list(&vectors("webauthn_l3_ceremonies"), "vectors") {
        let derived = &vector["derived_by_us"];
        let data = bytes(derived, "registration_auth_data");
        let view = AuthenticatorDataView::parse(&data).unwrap();
        assert_eq!(view.rp_id_hash, RpId::new(text(vector, "rp_id")).unwrap().hash());
        assert_eq!(hex::encode([view.flags.byte()]), text(derived, "registration_flags"));
        assert_eq!(u64::from(view.sign_count), derived["sign_count"].as_u64().unwrap());
        assert!(view.flags.attested() && !view.flags.extensions() && view.extensions().is_none());
        let (aaguid, id, key) = view.attested.unwrap();
        assert_eq!((aaguid.0, id.as_bytes()), (array(vector, "aaguid"), &bytes(vector, "credential_id")[..]));
        assert_eq!(key.raw(), bytes(derived, "cose_public_key"), "{}", vector["id"]);

        let data = bytes(&vector["authentication"], "authenticator_data");
        let view = AuthenticatorDataView::parse(&data).unwrap();
        assert_eq!(hex::encode([view.flags.byte()]), text(derived, "authentication_flags"));
        assert!(view.attested.is_none());
    }
}

#[test]
fn cose_keys_of_our_algorithms_are_read_and_written_back() {
    let mut read = Vec::new();
    for vector in list(&vectors("webauthn_l3_ceremonies"), "vectors") {
        let encoded = bytes(&vector["derived_by_us"], "cose_public_key");
        let key = PublicKey::from_cose(&Item::parse(&encoded, Profile::CTAP2).unwrap());
        let Some((algorithm, key)) = key else { continue };
        assert_eq!(Some(algorithm.identifier()), vector["alg"].as_i64());
        assert_eq!(key.to_cose(algorithm), encoded, "{}", vector["id"]);
        read.push(algorithm.identifier());
    }
    let all = vectors("webauthn_l3_ceremonies");
    let ours = list(&all, "vectors").iter().filter_map(|vector| vector["alg"].as_i64());
    assert_eq!(read, ours.filter(|alg| [-7, -8, -35].contains(alg)).collect::<Vec<_>>());
}

#[test]
fn a_cose_key_of_another_type_curve_or_length_is_refused() {
    let read = |hex_digits: String| {
        let encoded = hex::decode(hex_digits).unwrap();
        PublicKey::from_cose(&Item::parse(&encoded, Profile::CTAP2).unwrap())
    };
    let (x, y) = ("11".repeat(32), "22".repeat(32));
    let ec2 = |head: &str| read(format!("a5{head}215820{x}225820{y}"));
    assert!(ec2("010203262001").is_some());
    assert!(ec2("010103262001").is_none(), "kty OKP with -7");
    assert!(ec2("010203272001").is_none(), "EC2 with -8");
    assert!(ec2("010203262002").is_none(), "P-384");
    assert!(ec2("010203282001").is_some(), "-9 is ES256 on P-256");
    assert!(ec2("01020338222001").is_none(), "-35 with P-256");
    assert!(ec2("01020338222002").is_none(), "-35 with 32 bytes");
    let p384 = |head: &str| read(format!("a5{head}215830{0}225830{0}", "11".repeat(48)));
    assert!(p384("01020338222002").is_some() && p384("01020338322002").is_some(), "-35 and -51");
    assert!(p384("010203262001").is_none(), "-7 with 48 bytes");
    assert!(p384("01020338222001").is_none(), "-35 with the curve's name of P-256");
    assert!(read(format!("a4010203262001215820{x}")).is_none(), "no y");
    assert!(read(format!("a4010103272006215820{x}")).is_some());
    assert!(read(format!("a4010103322006215820{x}")).is_some(), "-19");
    assert!(read(format!("a4010103272004215820{x}")).is_none(), "X25519");
    assert!(read(format!("a401010327200621581f{}", &x[2..])).is_none(), "31 bytes");
    assert!(read("00".into()).is_none());
}

#[test]
fn what_is_written_is_read_back() {
    let id = CredentialId::new(&[7; 1023]).unwrap();
    let key = PublicKey::P256(P256Point { x: [1; 32], y: [2; 32] });
    let attested = AttestedCredential {
        aaguid: Aaguid([3; 16]),
        id: &id,
        algorithm: CoseAlgorithm::Es256,
        public_key: &key,
    };
    let extensions = hex::decode("a16b6372656450726f7465637402").unwrap();
    let data = |attested, extensions| AuthenticatorData {
        rp_id_hash: RpIdHash([9; 32]),
        user_present: None,
        user_verified: None,
        backup_eligible: true,
        backup_state: true,
        sign_count: 0x0102_0304,
        attested,
        extensions,
    };
    for (attested, extensions, flags) in [
        (None, [].as_slice(), 0x18),
        (Some(attested), &[], 0x58),
        (None, &extensions, 0x98),
        (Some(attested), &extensions, 0xd8),
    ] {
        let encoded = data(attested, extensions).encode();
        let view = AuthenticatorDataView::parse(&encoded).unwrap();
        assert_eq!((view.rp_id_hash, view.sign_count), (RpIdHash([9; 32]), 0x0102_0304));
        assert_eq!(view.flags.byte(), flags);
        assert!(view.flags.backup_eligible() && view.flags.backup_state());
        // Nobody answered anything.
        assert!(!view.flags.user_present() && !view.flags.user_verified());
        let level =
            view.extensions().map(|outputs| outputs.named("credProtect").unwrap().unsigned().unwrap());
        assert_eq!(level, (!extensions.is_empty()).then_some(2));
        let read = view.attested.map(|(aaguid, id, item)| (aaguid, id, PublicKey::from_cose(&item).unwrap()));
        let written = attested.map(|_| (Aaguid([3; 16]), id.clone(), (CoseAlgorithm::Es256, key.clone())));
        assert_eq!(read, written);
    }
}

#[test]
fn backup_state_is_never_written_without_backup_eligibility() {
    let data = AuthenticatorData {
        rp_id_hash: RpIdHash([0; 32]),
        user_present: None,
        user_verified: None,
        backup_eligible: false,
        backup_state: true,
        sign_count: 0,
        attested: None,
        extensions: &[],
    };
    assert_eq!(data.encode()[32], 0x00);
}

#[test]
fn authenticator_data_is_read_to_the_last_byte_or_not_at_all() {
    let set = vectors("webauthn_l3_ceremonies");
    let registration = bytes(&list(&set, "vectors")[0]["derived_by_us"], "registration_auth_data");
    let hmac = vectors("ctap2_hmac_secret");
    let assertion = bytes(&list(&hmac, "vectors")[0], "auth_data");
    for whole in [registration, assertion] {
        assert!(AuthenticatorDataView::parse(&whole).is_some());
        for end in 0..whole.len() {
            assert!(AuthenticatorDataView::parse(&whole[..end]).is_none(), "{end} of {} bytes", whole.len());
        }
        assert!(AuthenticatorDataView::parse(&[whole.as_slice(), &[0]].concat()).is_none());
    }
    let with_extensions = |item: &[u8]| [[0; 32].as_slice(), &[0x80], &[0; 4], item].concat();
    assert!(AuthenticatorDataView::parse(&with_extensions(&[0xa0])).is_some());
    assert!(AuthenticatorDataView::parse(&with_extensions(&[0x80])).is_none(), "an array");
    assert!(AuthenticatorDataView::parse(&with_extensions(&[])).is_none());
}

// --- identifiers -----------------------------------------------------------------------------------------------------

#[test]
fn identifiers_have_their_lengths() {
    assert!(RpId::new("").is_err() && RpId::new(&"r".repeat(254)).is_err());
    assert_eq!(RpId::new(&"r".repeat(253)).unwrap().as_str().len(), 253);
    assert!(UserHandle::new(&[0; 65]).is_err());
    assert!(UserHandle::new(&[0; 64]).is_ok() && UserHandle::new(&[]).is_ok());
    assert!(CredentialId::new(&[]).is_err() && CredentialId::new(&[0; 1024]).is_err());
    assert!(CredentialId::new(&[0; 1023]).is_ok() && CredentialId::new(&[0]).is_ok());
}

#[test]
fn names_are_cut_between_characters() {
    assert_eq!(truncate_name("abc", 3), "abc");
    assert_eq!(truncate_name("abcd", 3), "abc");
    assert_eq!(truncate_name("ab\u{e9}", 3), "ab");
    assert_eq!(truncate_name("\u{1f511}\u{1f511}", 7), "\u{1f511}");
    assert_eq!(truncate_name("\u{1f511}", 3), "");
    assert_eq!(truncate_name("", 64), "");
}

// --- PRF -------------------------------------------------------------------------------------------------------------

#[test]
fn prf_inputs_are_hashed_to_the_w3c_salts() {
    for vector in list(&vectors("webauthn_l3_prf"), "vectors") {
        for (input, salt) in [("prf_eval_first", "salt1"), ("prf_eval_second", "salt2")] {
            if vector[input].is_string() {
                let salted = PrfSalt::from_input(&bytes(vector, input));
                assert_eq!(salted.as_bytes(), &array(vector, salt), "{} {salt}", vector["id"]);
            }
        }
    }
}

#[test]
fn eval_by_credential_goes_before_eval() {
    let salts = |input: &[u8]| PrfSalts { first: PrfSalt::from_input(input), second: None };
    let (named, other) = (CredentialId::new(b"named").unwrap(), CredentialId::new(b"other").unwrap());
    let mut inputs = PrfInputs {
        eval: Some(salts(b"eval")),
        eval_by_credential: vec![(named.clone(), salts(b"by credential"))],
    };
    let first = |inputs: &PrfInputs, id| inputs.for_credential(id).map(|salts| *salts.first.as_bytes());
    assert_eq!(first(&inputs, &named), Some(*PrfSalt::from_input(b"by credential").as_bytes()));
    assert_eq!(first(&inputs, &other), Some(*PrfSalt::from_input(b"eval").as_bytes()));
    inputs.eval = None;
    assert_eq!(first(&inputs, &other), None);
}

fn assertion_data(flags: u8) -> Vec<u8> {
    [[0; 32].as_slice(), &[flags], &[0; 4]].concat()
}

#[test]
fn a_prf_output_opens_a_vault_only_if_the_user_was_verified() {
    let taken = UvPrfOutput::from_assertion(&assertion_data(0x05), &[7; 32]).unwrap();
    assert_eq!(taken.secret().expose(), &[7; 32]);
    let one_bit = [[0; 31].as_slice(), &[1]].concat();
    assert!(UvPrfOutput::from_assertion(&assertion_data(0x04), &one_bit).is_ok());
}

#[test]
fn every_other_value_is_refused_with_its_reason() {
    let refused = |data: &[u8], output: &[u8]| UvPrfOutput::from_assertion(data, output).err();
    let verified = assertion_data(0x05);
    for flags in [0x00, 0x01, 0xfb & !0xc0] {
        assert_eq!(refused(&assertion_data(flags), &[7; 32]), Some(PrfRefused::NotUserVerified));
    }
    assert_eq!(refused(&verified[..36], &[7; 32]), Some(PrfRefused::MalformedAuthenticatorData));
    assert_eq!(refused(&[], &[7; 32]), Some(PrfRefused::MalformedAuthenticatorData));
    assert_eq!(refused(&verified, &[]), Some(PrfRefused::Empty));
    for length in [1, 31, 33, 64] {
        assert_eq!(refused(&verified, &vec![7; length]), Some(PrfRefused::WrongLength), "{length}");
    }
    assert_eq!(refused(&verified, &[0; 32]), Some(PrfRefused::AllZero));
}
