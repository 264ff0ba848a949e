//! The authenticator against the W3C vectors and the CTAP2 transcripts, byte exact, through the public API and a
//! scripted RNG whose order of draws is documented at `Authenticator::begin`.

mod common;

use std::sync::Arc;

use ciborium::Value;
use common::{
    attesters::attester,
    scripted_rng::ScriptedRng,
    vectors::{hex, list, vectors},
    world::{CHANNEL, Person, World},
};
use countersign::{
    attestation::AttestationFormat,
    authenticator::{
        Authenticator, CounterPolicy, NewCredentialBackup, ProviderRequest, Settings, UserVerification,
    },
    cose::{CoseAlgorithm, PublicKey},
    crypto::{CryptoProvider, RustCrypto},
    ctap2::{GetAssertion, HmacSecretInput, MakeCredential, MakeCredentialResponse, Request, Response},
    secret::SecretBytes,
    webauthn::{
        Aaguid, AuthenticatorDataView, ClientDataHash, CredentialDescriptor, CredentialId, PrfInputs,
        PrfSalt, PrfSalts, RpEntity, RpId, UserEntity, UserHandle,
    },
};
use sha2::{Digest, Sha256};

const UV: u8 = 0x04;
const BE: u8 = 0x08;
const BS: u8 = 0x10;

/// An authenticator that behaves as the vector's did: flags come from settings and from what the person does.
fn settings_for(inject: &serde_json::Value, flags: u8) -> Settings {
    let verified = flags & UV != 0;
    Settings {
        aaguid: Aaguid(hex(&inject["aaguid"]).try_into().unwrap()),
        attestation: match inject["attestation"].as_str().unwrap() {
            "none" => AttestationFormat::None,
            _ => AttestationFormat::Packed,
        },
        credential_id_length: hex(&inject["credential_id"]).len(),
        backup: match flags & BE {
            0 => NewCredentialBackup::DeviceBound,
            _ => NewCredentialBackup::Eligible { backed_up: flags & BS != 0 },
        },
        sign_count: CounterPolicy::Zero,
        // The requests have no option "uv": under alwaysUv the user is verified all the same.
        always_uv: verified,
        user_verification: if verified { UserVerification::Host } else { UserVerification::None },
        ..Settings::security_key()
    }
}

fn private_key(inject: &serde_json::Value) -> Vec<u8> {
    let key = &inject["credential_private_key"];
    hex(key.get("d").or(key.get("seed")).unwrap())
}

/// The draws of a makeCredential; no vector says what the two CredRandoms are.
fn registration(key: &[u8], credential_id: &[u8]) -> ScriptedRng {
    ScriptedRng::new([key, credential_id, &[1; 32], &[2; 32]])
}

fn flag(inject: &serde_json::Value, name: &str) -> u8 {
    u8::from_str_radix(inject[name].as_str().unwrap(), 16).unwrap()
}

#[test]
fn transcripts_of_our_algorithms_are_byte_exact() {
    let mut compared = 0;
    for vector in list(&vectors("ctap2_transcripts"), "vectors") {
        let inject = &vector["inject"];
        if !matches!(vector["alg"].as_i64(), Some(-7 | -8 | -35)) {
            continue;
        }
        let (mc_flags, ga_flags) = (flag(inject, "mc_flags"), flag(inject, "ga_flags"));
        let script = registration(&private_key(inject), &hex(&inject["credential_id"]));
        let mut world = World::with_rng(settings_for(inject, mc_flags), script);
        if inject["attestation"].as_str().unwrap().starts_with("batch") {
            attested_by_batch(&mut world, vector["id"].as_str().unwrap());
        }
        let made = world.ctap(&hex(&vector["mc_request"]), Person::Willing);
        assert_eq!(hex::encode(made), vector["mc_response"].as_str().unwrap(), "{}", vector["id"]);
        // The assertion has user verification and a backup state of its own.
        let mut record = world.store.records().next().unwrap().clone_secret();
        let mut later = World::new(settings_for(inject, ga_flags));
        if ga_flags & BE != 0 {
            record.credential.set_backed_up(ga_flags & BS != 0).unwrap();
        }
        put(&mut later, record);
        let asserted = later.ctap(&hex(&vector["ga_request"]), Person::Willing);
        let expected = with_user(vector["ga_response"].as_str().unwrap(), ga_flags & UV != 0);
        assert_eq!(hex::encode(asserted), expected, "{}", vector["id"]);
        compared += 1;
    }
    assert_eq!(compared, 8, "the vectors that have these algorithms");
}

/// The attestation key and the certificate are those of the W3C's ceremony of that name.
fn attested_by_batch(world: &mut World<ScriptedRng>, id: &str) {
    let settings = world.authenticator.settings().clone();
    let authenticator = Authenticator::new(settings, None, Arc::new(RustCrypto)).unwrap();
    world.authenticator = authenticator.with_attester(attester(id)).unwrap();
}

fn put(world: &mut World, record: countersign::credential::CredentialRecord) {
    use countersign::credential::{ChangeSet, CredentialStore};
    world.store.commit(ChangeSet { put: vec![record], ..ChangeSet::default() }).unwrap();
}

/// The transcripts leave out the account. For a discoverable credential CTAP demands at least `user.id`, however it was
/// found, and allows its names after user verification (section 6.2.2; rule 23 of the design notes), so that this is what
/// stands between them and us: member 4, and the map's head.
fn with_user(response: &str, verified: bool) -> String {
    let members = response.strip_prefix("00a3").expect("status 0 and three members");
    let names = "646e616d6565616c6963656b646973706c61794e616d6565416c696365";
    let (head, names) = if verified { ("a3", names) } else { ("a1", "") };
    format!("00a4{members}04{head}6269644401020304{names}")
}

#[test]
fn hmac_secret_exchanges_are_byte_exact() {
    let file = vectors("ctap2_hmac_secret");
    let ceremonies = vectors("webauthn_l3_ceremonies");
    let none = &ceremonies["vectors"][0];
    let cred_random = hex(&vectors("webauthn_l3_prf")["shared"]["authenticator_cred_random"]);
    let agreement = hex(&file["inject"]["authenticator_key_agreement_private_key"]);
    let transcript = &vectors("ctap2_transcripts")["vectors"][0];
    for vector in list(&file, "vectors") {
        let iv =
            vector["inject"]["iv_output_enc"].as_str().map(|iv| hex::decode(iv).unwrap()).unwrap_or_default();
        let script = ScriptedRng::new([
            &hex(&none["credential_private_key"]["d"]),
            &hex(&none["credential_id"]),
            &cred_random,
            &cred_random,
            &agreement,
            &iv,
        ]);
        let mut settings = settings_for(&transcript["inject"], flag(&transcript["inject"], "mc_flags"));
        let mut world = World::with_rng(settings.clone(), script);
        world.ctap(&hex(&transcript["mc_request"]), Person::Willing);
        if vector["uv"].as_bool().unwrap() {
            // The same store under an authenticator whose host verifies users.
            settings.user_verification = UserVerification::Host;
            let state = countersign::credential::StateStore::load_state(&world.store).unwrap();
            let provider = Arc::new(RustCrypto);
            world.authenticator = Authenticator::new(settings, state.as_ref(), provider).unwrap();
        }
        let response = world.ctap(&hex(&vector["request"]), Person::Willing);
        assert_eq!(
            hex::encode(response),
            with_user(vector["response"].as_str().unwrap(), vector["uv"].as_bool().unwrap()),
            "{}",
            vector["id"]
        );
        assert!(world.rng.is_exhausted(), "{}: draws as documented", vector["id"]);
    }
}

/// The ceremonies whose algorithm we have, whoever attested them: authenticator data of both halves, the assertion's
/// signature, and the whole attestation object where it is none or packed, with the certificate and key of the vector.
#[test]
fn w3c_ceremonies_of_our_algorithms_are_byte_exact() {
    let (mut ceremonies, mut attested) = (Vec::new(), 0);
    for vector in list(&vectors("webauthn_l3_ceremonies"), "vectors") {
        if !matches!(vector["alg"].as_i64(), Some(-7 | -8 | -35)) {
            continue;
        }
        let id = vector["id"].as_str().unwrap();
        let derived = &vector["derived_by_us"];
        let (made_flags, signed_flags) =
            (flag(derived, "registration_flags"), flag(derived, "authentication_flags"));
        let inject = serde_json::json!({
            "aaguid": if vector["aaguid"].is_null() { "00".repeat(16).into() } else { vector["aaguid"].clone() },
            "attestation": if id.starts_with("packed") { "packed" } else { "none" },
            "credential_id": vector["credential_id"],
        });
        let key = private_key(vector);
        let script = registration(&key, &hex(&vector["credential_id"]));
        let mut world = World::with_rng(settings_for(&inject, made_flags), script);
        if id.starts_with("packed.") {
            attested_by_batch(&mut world, id);
        }
        let made = world.call(Request::MakeCredential(creation(vector)), Person::Willing);
        let Response::MakeCredential(made) = made else { panic!("{id}: {made:?}") };
        assert_eq!(hex::encode(&made.auth_data), derived["registration_auth_data"].as_str().unwrap(), "{id}");
        if id.starts_with("none") || id.starts_with("packed") {
            let expected = vector["registration"]["attestation_object"].as_str().unwrap();
            assert_eq!(hex::encode(attestation_object(&made)), expected, "{id}");
            attested += 1;
        }
        // The assertion has user verification and a backup state of its own.
        let mut record = world.store.records().next().unwrap().clone_secret();
        if record.credential.backup.eligible() {
            record.credential.set_backed_up(signed_flags & BS != 0).unwrap();
        }
        let mut later = World::new(settings_for(&inject, signed_flags));
        put(&mut later, record);
        let asserted = later.call(Request::GetAssertion(request(vector)), Person::Willing);
        let Response::GetAssertion(asserted) = asserted else { panic!("{id}: {asserted:?}") };
        let expected = &vector["authentication"];
        assert_eq!(hex::encode(asserted.auth_data), expected["authenticator_data"].as_str().unwrap(), "{id}");
        assert_eq!(hex::encode(asserted.signature), expected["signature"].as_str().unwrap(), "{id}");
        ceremonies.push(id.to_owned());
    }
    assert_eq!((ceremonies.len(), attested), (12, 8), "{ceremonies:?}");
}

fn client_data_hash(ceremony: &serde_json::Value) -> ClientDataHash {
    ClientDataHash(Sha256::digest(hex(&ceremony["client_data_json"])).into())
}

fn creation(vector: &serde_json::Value) -> MakeCredential {
    MakeCredential {
        client_data_hash: client_data_hash(&vector["registration"]),
        rp: RpEntity { id: RpId::new(vector["rp_id"].as_str().unwrap()).unwrap(), name: None },
        user: UserEntity { id: UserHandle::new(&[1]).unwrap(), name: None, display_name: None },
        algorithms: vec![vector["alg"].as_i64().unwrap()],
        exclude_list: Vec::new(),
        extensions: Default::default(),
        options: Default::default(),
        pin_uv_auth: None,
        enterprise_attestation: None,
        attestation_formats_preference: Vec::new(),
    }
}

fn request(vector: &serde_json::Value) -> GetAssertion {
    let id = CredentialId::new(&hex(&vector["credential_id"])).unwrap();
    GetAssertion {
        rp_id: RpId::new(vector["rp_id"].as_str().unwrap()).unwrap(),
        client_data_hash: client_data_hash(&vector["authentication"]),
        allow_list: Some(vec![CredentialDescriptor { id }]),
        extensions: Default::default(),
        options: Default::default(),
        pin_uv_auth: None,
    }
}

/// The response with WebAuthn's keys, by ciborium, in canonical order.
fn attestation_object(response: &MakeCredentialResponse) -> Vec<u8> {
    let text = |text: &str| Value::Text(text.to_owned());
    let object = Value::Map(vec![
        (text("fmt"), text(response.fmt)),
        (text("attStmt"), response.att_stmt.clone()),
        (text("authData"), Value::Bytes(response.auth_data.clone())),
    ]);
    let mut bytes = Vec::new();
    ciborium::into_writer(&object, &mut bytes).unwrap();
    bytes
}

/// The W3C's PRF vectors on both doors: encrypted through getAssertion, byte exact, and plain on the provider door.
#[test]
fn w3c_prf_vectors_hold_on_both_doors() {
    let file = vectors("webauthn_l3_prf");
    let shared = &file["shared"];
    let (cred_random, agreement) =
        (hex(&shared["authenticator_cred_random"]), hex(&shared["authenticator_key_agreement_private_key"]));
    let platform = SecretBytes::new(hex(&shared["platform_key_agreement_private_key"]));
    let platform = RustCrypto.import(CoseAlgorithm::Es256, platform).unwrap();
    let PublicKey::P256(key_agreement) = platform.public().clone() else { panic!("a point") };
    let ceremony = &vectors("webauthn_l3_ceremonies")["vectors"][0];
    for vector in list(&file, "vectors") {
        let id = vector["id"].as_str().unwrap();
        let number = vector["pin_protocol"].as_u64().unwrap();
        // Protocol 1 has a zero IV, and draws none.
        let iv = if number == 2 { hex(&vector["iv_output_enc"]) } else { Vec::new() };
        let settings = Settings { user_verification: UserVerification::Host, ..Settings::security_key() };
        // The same secret with and without UV, as in the vectors.
        let script = [&[1; 32][..], &[2; 32], &cred_random, &cred_random, &agreement, &iv];
        let mut world = World::with_rng(settings, ScriptedRng::new(script));
        world.call(Request::MakeCredential(creation(ceremony)), Person::Willing);
        let credential = world.store.records().next().unwrap().credential.id.clone();
        let allow_list = Some(vec![CredentialDescriptor { id: credential }]);
        let salt_enc = hex(&vector["salt_enc"]);
        // The key that authenticates is the first half of the secret, or all of it.
        let mac = countersign::crypto::hmac_sha256(&hex(&vector["shared_secret"])[..32], &[&salt_enc]);
        let mut encrypted = GetAssertion { allow_list: allow_list.clone(), ..request(ceremony) };
        encrypted.extensions.hmac_secret = Some(HmacSecretInput {
            key_agreement,
            salt_auth: if number == 1 { mac[..16].to_vec() } else { mac.to_vec() },
            salt_enc,
            pin_uv_auth_protocol: Some(number),
        });
        let Response::GetAssertion(response) = world.call(Request::GetAssertion(encrypted), Person::Willing)
        else {
            panic!("{id}")
        };
        assert!(world.rng.is_exhausted(), "{id}: draws as documented");
        let outputs = AuthenticatorDataView::parse(&response.auth_data).unwrap().extensions().unwrap();
        let output = outputs.named("hmac-secret").unwrap().bytes().unwrap();
        assert_eq!(hex::encode(output), vector["output_enc"].as_str().unwrap(), "{id}");
        // Plain, from the inputs as a web page gives them.
        let salt =
            |name: &str| vector[name].as_str().map(|input| PrfSalt::from_input(&hex::decode(input).unwrap()));
        let salts = PrfSalts { first: salt("prf_eval_first").unwrap(), second: salt("prf_eval_second") };
        let plain = ProviderRequest::Get {
            request: GetAssertion { allow_list, ..request(ceremony) },
            prf: PrfInputs { eval: Some(salts), ..PrfInputs::default() },
        };
        let step = world.authenticator.begin_provider(CHANNEL, plain, world.now, &mut world.rng);
        let outputs = world.finish(step, Person::Willing).prf.unwrap();
        let expected = |name: &str| vector[name].as_str().map(str::to_owned);
        assert_eq!(Some(hex::encode(outputs.first.expose())), expected("prf_results_first"), "{id}");
        let second = outputs.second.map(|second| hex::encode(second.expose()));
        assert_eq!(second, expected("prf_results_second"), "{id}");
    }
    assert_eq!(list(&file, "vectors").len(), 3);
}
