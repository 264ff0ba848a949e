//! PIN/UV auth protocols 1 and 2, against the W3C PRF vectors, our own, and each half against the other.

mod common;

use common::{
    scripted_rng::ScriptedRng,
    vectors::{array, bytes, list, text, vectors},
};
use countersign::{
    cose::P256Point,
    crypto::{CryptoError, RustCrypto, hmac_sha256},
    pin_uv::{KeyAgreement, PinUvAuthProtocol, SharedSecret, encapsulate},
};
use serde_json::Value;

const PROTOCOLS: [PinUvAuthProtocol; 2] = [PinUvAuthProtocol::One, PinUvAuthProtocol::Two];

fn point(vector: &Value, name: &str) -> P256Point {
    P256Point { x: array(&vector[name], "x"), y: array(&vector[name], "y") }
}

fn protocol(vector: &Value) -> PinUvAuthProtocol {
    PinUvAuthProtocol::from_number(vector["pin_protocol"].as_u64().unwrap()).unwrap()
}

/// Both halves of the W3C PRF vectors: the authenticator's key pair is injected, and so is the platform's.
fn w3c_halves(protocol: PinUvAuthProtocol) -> (SharedSecret, SharedSecret) {
    let set = vectors("webauthn_l3_prf");
    let shared = &set["shared"];
    let authenticator_key = bytes(shared, "authenticator_key_agreement_private_key");
    let platform_key = bytes(shared, "platform_key_agreement_private_key");
    let authenticator = KeyAgreement::make(&RustCrypto, &mut ScriptedRng::new([&authenticator_key]));
    assert_eq!(authenticator.public_key(), point(shared, "authenticator_key_agreement_public_key"));
    let (public, platform) = encapsulate(
        &RustCrypto,
        protocol,
        &authenticator.public_key(),
        &mut ScriptedRng::new([&platform_key]),
    )
    .unwrap();
    (authenticator.decapsulate(protocol, &public).unwrap(), platform)
}

/// The shared secret of the protocol 2 vectors of ours, agreed on by the platform's half.
fn own_protocol_two(set: &Value) -> SharedSecret {
    let vector = list(set, "vectors").iter().find(|vector| vector["op"] == "ecdh_kdf").unwrap();
    let key = bytes(vector, "platform_private_key");
    let peer = point(vector, "authenticator_public_key");
    let (public, shared) =
        encapsulate(&RustCrypto, protocol(vector), &peer, &mut ScriptedRng::new([&key])).unwrap();
    assert_eq!(public, point(vector, "platform_public_key"));
    // The HMAC key is the first half.
    let expected = bytes(vector, "shared_secret");
    assert_eq!(shared.authenticate(&[b"message"]), hmac_sha256(&expected[..32], &[b"message"]));
    shared
}

#[test]
fn w3c_prf_salts_and_outputs_are_encrypted_byte_for_byte() {
    let set = vectors("webauthn_l3_prf");
    for vector in list(&set, "vectors") {
        let protocol = protocol(vector);
        let (authenticator, platform) = w3c_halves(protocol);
        let two = protocol == PinUvAuthProtocol::Two;
        let iv = |name| if two { bytes(vector, name) } else { Vec::new() };
        let joined = |first, second| {
            let mut joined = bytes(vector, first);
            joined.extend(vector[second].as_str().map(|hex| hex::decode(hex).unwrap()).unwrap_or_default());
            joined
        };
        let (salts, outputs) = (joined("salt1", "salt2"), joined("output1", "output2"));

        let salt_enc = platform.encrypt(&salts, &mut ScriptedRng::new([&iv("iv_salt_enc")])).unwrap();
        assert_eq!(salt_enc, bytes(vector, "salt_enc"), "{}", vector["id"]);
        assert_eq!(authenticator.decrypt(&salt_enc).unwrap().expose(), salts);

        let output_enc =
            authenticator.encrypt(&outputs, &mut ScriptedRng::new([&iv("iv_output_enc")])).unwrap();
        assert_eq!(output_enc, bytes(vector, "output_enc"), "{}", vector["id"]);
        assert_eq!(platform.decrypt(&output_enc).unwrap().expose(), outputs);
    }
}

#[test]
fn hmac_secret_salt_auth_verifies_and_is_made_byte_for_byte() {
    let set = vectors("ctap2_hmac_secret");
    let salts = vectors("webauthn_l3_prf");
    for vector in list(&set, "vectors") {
        let (authenticator, platform) = w3c_halves(protocol(vector));
        let salt_auth = bytes(vector, "salt_auth");
        let of_same_salts = |prf: &&Value| text(vector, "request").contains(text(prf, "salt_enc"));
        let salt_enc = bytes(list(&salts, "vectors").iter().find(of_same_salts).unwrap(), "salt_enc");
        assert_eq!(platform.authenticate(&[&salt_enc]), salt_auth, "{}", vector["id"]);
        assert!(authenticator.verify(&[&salt_enc], &salt_auth));
    }
}

#[test]
fn protocol_two_pin_computations_match_the_vectors() {
    let set = vectors("pin_protocols");
    let shared = own_protocol_two(&set);
    let (mut encryptions, mut params) = (0, 0);
    for vector in list(&set, "vectors").iter().filter(|vector| vector["pin_protocol"] == 2) {
        let mut authenticated = Vec::new();
        for (plain, encrypted) in [
            ("new_pin_padded", "new_pin_enc"),
            ("pin_hash16", "pin_hash_enc"),
            ("pin_token", "pin_token_enc"),
        ] {
            let Some(ciphertext) = vector[encrypted].as_str().map(|hex| hex::decode(hex).unwrap()) else {
                continue;
            };
            if vector[plain].is_string() {
                let plaintext = bytes(vector, plain);
                assert_eq!(shared.decrypt(&ciphertext).unwrap().expose(), plaintext, "{}", vector["id"]);
                let mut iv = ScriptedRng::new([&ciphertext[..16]]);
                assert_eq!(shared.encrypt(&plaintext, &mut iv).unwrap(), ciphertext);
                encryptions += 1;
            }
            authenticated.push(ciphertext);
        }
        if vector["pin_uv_auth_param"].is_string() {
            let parts: Vec<&[u8]> = authenticated.iter().map(Vec::as_slice).collect();
            let param = bytes(vector, "pin_uv_auth_param");
            assert_eq!(shared.authenticate(&parts), param, "{}", vector["id"]);
            assert!(shared.verify(&parts, &param));
            params += 1;
        }
    }
    assert_eq!((encryptions, params), (4, 2));
}

#[test]
fn protocols_do_not_understand_each_other() {
    let (_, one) = w3c_halves(PinUvAuthProtocol::One);
    let (_, two) = w3c_halves(PinUvAuthProtocol::Two);
    assert!(!two.verify(&[b"message"], &one.authenticate(&[b"message"])));
    assert!(!one.verify(&[b"message"], &two.authenticate(&[b"message"])));
}

#[test]
fn a_signature_has_exactly_the_length_of_its_protocol() {
    for protocol in PROTOCOLS {
        let (authenticator, platform) = w3c_halves(protocol);
        let signature = platform.authenticate(&[b"mes", b"sage"]);
        assert_eq!(signature.len(), if protocol == PinUvAuthProtocol::One { 16 } else { 32 });
        assert!(authenticator.verify(&[b"message"], &signature));
        for length in 0..signature.len() {
            assert!(!authenticator.verify(&[b"message"], &signature[..length]), "{length} bytes");
        }
        let longer = [signature.as_slice(), &[0]].concat();
        assert!(!authenticator.verify(&[b"message"], &longer));
        for index in 0..signature.len() {
            let mut altered = signature.clone();
            altered[index] ^= 1;
            assert!(!authenticator.verify(&[b"message"], &altered));
        }
        assert!(!authenticator.verify(&[b"massage"], &signature));
    }
}

#[test]
fn protocol_one_refuses_the_untruncated_hmac() {
    // The 16-byte signature is a prefix of the 32-byte one; the rest must not be ignored.
    let (authenticator, _) = w3c_halves(PinUvAuthProtocol::One);
    let set = vectors("webauthn_l3_prf");
    let one = list(&set, "vectors").iter().find(|vector| vector["pin_protocol"] == 1).unwrap();
    let whole = hmac_sha256(&bytes(one, "shared_secret"), &[b"message"]);
    assert!(authenticator.verify(&[b"message"], &whole[..16]));
    assert!(!authenticator.verify(&[b"message"], &whole));
}

#[test]
fn only_whole_blocks_are_encrypted_and_decrypted() {
    for protocol in PROTOCOLS {
        let (shared, _) = w3c_halves(protocol);
        // Nothing is drawn for a plaintext that is refused.
        assert_eq!(shared.encrypt(&[0; 15], &mut ScriptedRng::silent()).unwrap_err(), CryptoError);
        assert_eq!(shared.encrypt(&[0; 33], &mut ScriptedRng::silent()).unwrap_err(), CryptoError);
        for length in [1, 15, 17, 31, 33, 47, 49] {
            assert!(shared.decrypt(&vec![0; length]).is_err(), "{length} bytes");
        }
    }
    let (two, _) = w3c_halves(PinUvAuthProtocol::Two);
    assert!(two.decrypt(&[]).is_err(), "no IV");
    assert!(two.decrypt(&[0; 16]).unwrap().expose().is_empty(), "an IV and nothing else");
}

#[test]
fn each_protocol_two_encryption_draws_its_iv() {
    let (_, two) = w3c_halves(PinUvAuthProtocol::Two);
    let mut rng = ScriptedRng::new([&[1; 16], &[2; 16]]);
    let (first, second) =
        (two.encrypt(&[7; 32], &mut rng).unwrap(), two.encrypt(&[7; 32], &mut rng).unwrap());
    assert_eq!((&first[..16], &second[..16]), ([1; 16].as_slice(), [2; 16].as_slice()));
    assert_ne!(first[16..], second[16..]);
}

#[test]
fn a_peer_off_the_curve_is_refused_by_both_halves() {
    let set = vectors("webauthn_l3_prf");
    let good = point(&set["shared"], "authenticator_key_agreement_public_key");
    let beyond_field = P256Point { x: [0xff; 32], y: good.y };
    let mut off_curve = good;
    off_curve.y[31] ^= 1;
    for peer in [P256Point { x: [0; 32], y: [0; 32] }, beyond_field, off_curve] {
        for protocol in PROTOCOLS {
            let key = [1; 32];
            let authenticator = KeyAgreement::make(&RustCrypto, &mut ScriptedRng::new([&key]));
            assert!(authenticator.decapsulate(protocol, &peer).is_err());
            assert!(encapsulate(&RustCrypto, protocol, &peer, &mut ScriptedRng::new([&key])).is_err());
        }
    }
}

#[test]
fn only_protocols_one_and_two_have_a_number() {
    for protocol in PROTOCOLS {
        assert_eq!(PinUvAuthProtocol::from_number(protocol.number()), Some(protocol));
    }
    for number in [0, 3, 255, u64::MAX] {
        assert_eq!(PinUvAuthProtocol::from_number(number), None);
    }
}
