//! The authenticator against the W3C vectors and the CTAP2 transcripts, byte exact, through the public API and a
//! scripted RNG whose order of draws is documented at `Authenticator::begin`.

mod common;

use common::{Person, ScriptedRng, World, hex, vectors};
use countersign::{
    attestation::AttestationFormat,
    authenticator::{CounterPolicy, NewCredentialBackup, Settings, UserVerification},
    webauthn::Aaguid,
};

const UV: u8 = 0x04;
const BE: u8 = 0x08;
const BS: u8 = 0x10;

/// An authenticator that behaves as the vector's did: flags come from settings and from what the person does.
fn settings_for(inject: &serde_json::Value, flags: u8) -> Settings {
    let verified = flags & UV != 0;
    Settings {
        aaguid: Aaguid(hex(&inject["aaguid"]).try_into().unwrap()),
        attestation: match inject["attestation"].as_str().unwrap() {
            "self (packed, no x5c)" => AttestationFormat::PackedSelf,
            _ => AttestationFormat::None,
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

fn flag(inject: &serde_json::Value, name: &str) -> u8 {
    u8::from_str_radix(inject[name].as_str().unwrap(), 16).unwrap()
}

#[test]
fn transcripts_of_es256_and_eddsa_are_byte_exact() {
    let mut compared = 0;
    for vector in vectors("ctap2_transcripts.json")["vectors"].as_array().unwrap() {
        let inject = &vector["inject"];
        if !matches!(vector["alg"].as_i64(), Some(-7 | -8)) {
            continue;
        }
        let (mc_flags, ga_flags) = (flag(inject, "mc_flags"), flag(inject, "ga_flags"));
        let script = ScriptedRng::new(&[&private_key(inject), &hex(&inject["credential_id"])]);
        let mut world = World::with_rng(settings_for(inject, mc_flags), script);
        let made = world.ctap(&hex(&vector["mc_request"]), Person::Willing);
        let by_certificate = inject["attestation"].as_str().unwrap().starts_with("batch");
        if !by_certificate {
            assert_eq!(hex::encode(made), vector["mc_response"].as_str().unwrap(), "{}", vector["id"]);
        }
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
    assert_eq!(compared, 7, "the vectors that have these algorithms");
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
    let file = vectors("ctap2_hmac_secret.json");
    let ceremonies = vectors("webauthn_l3_ceremonies.json");
    let none = &ceremonies["vectors"][0];
    let cred_random = hex(&vectors("webauthn_l3_prf.json")["shared"]["authenticator_cred_random"]);
    let agreement = hex(&file["inject"]["authenticator_key_agreement_private_key"]);
    let transcript = &vectors("ctap2_transcripts.json")["vectors"][0];
    for vector in file["vectors"].as_array().unwrap() {
        let iv =
            vector["inject"]["iv_output_enc"].as_str().map(|iv| hex::decode(iv).unwrap()).unwrap_or_default();
        let script = ScriptedRng::new(&[
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
            let provider = std::sync::Arc::new(countersign::crypto::RustCrypto);
            world.authenticator =
                countersign::authenticator::Authenticator::new(settings, state.as_ref(), provider).unwrap();
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
