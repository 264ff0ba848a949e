//! hmac-secret and hmac-secret-mc (CTAP 2.3 sections 12.7 and 12.8) with an independent computation of their output.

use countersign::{
    authenticator::Settings,
    cose::P256Point,
    credential::CredentialRecord,
    crypto::RustCrypto,
    ctap2::{
        ClientPin, ClientPinResponse, GetAssertion, HmacSecretInput, MakeCredential, Request, Response,
        Status,
    },
    pin_uv::{PinUvAuthProtocol, SharedSecret, encapsulate},
};
use hmac::{Hmac, Mac, digest::KeyInit};
use sha2::Sha256;

use crate::{
    common::{
        seeded_rng::SeededRng,
        world::{Person, World},
    },
    requests::*,
};

const SALTS: [[u8; 32]; 2] = [[0x51; 32], [0x52; 32]];

/// The platform's half of one exchange.
pub struct Platform {
    key: P256Point,
    shared: SharedSecret,
    rng: SeededRng,
}

impl Platform {
    pub fn new(world: &mut World, protocol: PinUvAuthProtocol) -> Self {
        let mut rng = SeededRng(3);
        let (key, shared) =
            encapsulate(&RustCrypto, protocol, &key_agreement(world, protocol.number()), &mut rng).unwrap();
        Self { key, shared, rng }
    }

    pub fn input(&mut self, plaintext: &[u8]) -> HmacSecretInput {
        let salt_enc = self.shared.encrypt(plaintext, &mut self.rng).unwrap();
        let salt_auth = self.shared.authenticate(&[&salt_enc]);
        let pin_uv_auth_protocol = Some(self.shared.protocol().number());
        HmacSecretInput { key_agreement: self.key, salt_enc, salt_auth, pin_uv_auth_protocol }
    }

    fn output(&self, auth_data: &[u8]) -> Vec<u8> {
        self.output_of("hmac-secret", auth_data)
    }

    fn output_of(&self, name: &str, auth_data: &[u8]) -> Vec<u8> {
        let outputs = view(auth_data).extensions().expect("ED is set");
        let encrypted = outputs.named(name).unwrap().bytes().unwrap();
        self.shared.decrypt(encrypted).unwrap().expose().to_vec()
    }
}

fn key_agreement(world: &mut World, protocol: u64) -> P256Point {
    let request = ClientPin::GetKeyAgreement { pin_uv_auth_protocol: protocol };
    match world.call(Request::ClientPin(request), Person::Absent) {
        Response::ClientPin(ClientPinResponse::KeyAgreement(key)) => key,
        other => panic!("{other:?}"),
    }
}

fn with(request: GetAssertion, input: HmacSecretInput) -> GetAssertion {
    let mut request = request;
    request.extensions.hmac_secret = Some(input);
    request
}

/// HMAC-SHA-256 by its own crate.
fn hmac(key: &[u8; 32], salt: &[u8; 32]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(salt);
    mac.finalize().into_bytes().to_vec()
}

fn registered() -> (World, CredentialRecord) {
    let mut world = World::with_host_verifier();
    // hmac-secret was not asked for: the secrets are there all the same.
    let record = world.register(create_verified(1));
    (world, record)
}

#[test]
fn hmac_secret_output_is_hmac_of_the_cred_random_that_belongs_to_this_operations_uv_bit() {
    for protocol in [PinUvAuthProtocol::One, PinUvAuthProtocol::Two] {
        let (mut world, record) = registered();
        let mut platform = Platform::new(&mut world, protocol);
        for (request, key) in [
            (get(), &record.secret.cred_random_without_uv),
            (get_verified(), &record.secret.cred_random_with_uv),
        ] {
            let one = platform.input(&SALTS[0]);
            let assertion = asserted(world.get(with(request.clone(), one), Person::Willing));
            assert_eq!(platform.output(&assertion.auth_data), hmac(key.expose(), &SALTS[0]));
            assert_assertion_signed(&record, &assertion);
            let two = platform.input(&SALTS.concat());
            let assertion = asserted(world.get(with(request, two), Person::Willing));
            let expected = SALTS.map(|salt| hmac(key.expose(), &salt)).concat();
            assert_eq!(platform.output(&assertion.auth_data), expected);
        }
    }
}

#[test]
fn hmac_secret_protocol_absent_means_1() {
    let (mut world, record) = registered();
    let mut platform = Platform::new(&mut world, PinUvAuthProtocol::One);
    let input = HmacSecretInput { pin_uv_auth_protocol: None, ..platform.input(&SALTS[0]) };
    let assertion = asserted(world.get(with(get(), input), Person::Willing));
    let expected = hmac(record.secret.cred_random_without_uv.expose(), &SALTS[0]);
    assert_eq!(platform.output(&assertion.auth_data), expected);
    let mut platform = Platform::new(&mut world, PinUvAuthProtocol::Two);
    let input = HmacSecretInput { pin_uv_auth_protocol: None, ..platform.input(&SALTS[0]) };
    assert_failed(&world.get(with(get(), input), Person::Willing), Status::PinAuthInvalid);
}

#[test]
fn hmac_secret_salt_auth_that_does_not_verify_is_pin_auth_invalid() {
    for protocol in [PinUvAuthProtocol::One, PinUvAuthProtocol::Two] {
        let (mut world, _) = registered();
        let mut platform = Platform::new(&mut world, protocol);
        let good = platform.input(&SALTS[0]);
        let mut wrong = vec![Vec::new(), good.salt_auth[..8].to_vec(), [&good.salt_auth[..], &[0]].concat()];
        wrong.push(good.salt_auth.iter().map(|byte| byte ^ 1).collect());
        for salt_auth in wrong {
            let input = HmacSecretInput { salt_auth, ..good.clone() };
            assert_failed(&world.get(with(get(), input), Person::Willing), Status::PinAuthInvalid);
        }
        let mut salt_enc = good.salt_enc.clone();
        salt_enc[0] ^= 1;
        let input = HmacSecretInput { salt_enc, ..good.clone() };
        assert_failed(&world.get(with(get(), input), Person::Willing), Status::PinAuthInvalid);
        asserted(world.get(with(get(), good), Person::Willing));
    }
}

#[test]
fn hmac_secret_plaintext_of_another_length_than_32_or_64_is_invalid_parameter() {
    for protocol in [PinUvAuthProtocol::One, PinUvAuthProtocol::Two] {
        let (mut world, _) = registered();
        let mut platform = Platform::new(&mut world, protocol);
        for length in [0, 16, 48, 80, 96] {
            let input = platform.input(&vec![7; length]);
            assert_failed(&world.get(with(get(), input), Person::Willing), Status::InvalidParameter);
        }
        // No whole blocks: authenticated, and no ciphertext.
        for length in [1, 31, 33] {
            let salt_enc = vec![7; length];
            let salt_auth = platform.shared.authenticate(&[&salt_enc]);
            let input = HmacSecretInput { salt_enc, salt_auth, ..platform.input(&SALTS[0]) };
            assert_failed(&world.get(with(get(), input), Person::Willing), Status::InvalidParameter);
        }
    }
}

#[test]
fn hmac_secret_of_an_unknown_protocol_or_with_no_point_is_invalid_parameter() {
    let (mut world, _) = registered();
    let mut platform = Platform::new(&mut world, PinUvAuthProtocol::Two);
    let good = platform.input(&SALTS[0]);
    for number in [0, 3, u64::MAX] {
        let input = HmacSecretInput { pin_uv_auth_protocol: Some(number), ..good.clone() };
        assert_failed(&world.get(with(get(), input), Person::Willing), Status::InvalidParameter);
    }
    let key_agreement = P256Point { x: [0; 32], y: [0; 32] };
    let input = HmacSecretInput { key_agreement, ..good };
    assert_failed(&world.get(with(get(), input), Person::Willing), Status::InvalidParameter);
}

#[test]
fn hmac_secret_needs_presence() {
    let (mut world, _) = registered();
    let mut platform = Platform::new(&mut world, PinUvAuthProtocol::Two);
    let input = platform.input(&SALTS[0]);
    // Also where the user would be verified, and where there is no credential.
    let mut verified = get_silently();
    verified.options.uv = Some(true);
    let elsewhere = GetAssertion { rp_id: rp_id("example.org"), ..get_silently() };
    for request in [get_silently(), verified, elsewhere] {
        let (response, asked) =
            world.questions_of(|world| world.get(with(request, input.clone()), Person::Willing));
        assert_failed(&response, Status::UnsupportedOption);
        assert!(asked.is_empty());
    }
}

#[test]
fn hmac_secret_answers_in_every_leg_with_that_credentials_secret() {
    let (mut world, first) = registered();
    let second = world.register(create_verified(2));
    let mut platform = Platform::new(&mut world, PinUvAuthProtocol::Two);
    let input = platform.input(&SALTS[0]);
    let legs = [world.get(with(get_verified(), input), Person::Willing), world.next()].map(asserted);
    for (leg, record) in legs.iter().zip([second, first]) {
        let expected = hmac(record.secret.cred_random_with_uv.expose(), &SALTS[0]);
        assert_eq!(platform.output(&leg.auth_data), expected);
    }
    let raw = |leg: usize| {
        let data = view(&legs[leg].auth_data);
        data.extensions().unwrap().named("hmac-secret").unwrap().bytes().unwrap()[..16].to_vec()
    };
    assert_ne!(raw(0), raw(1), "an IV of its own");
}

#[test]
fn hmac_secret_that_fails_leaves_the_credential_as_it_was() {
    let (mut world, _) = registered();
    let mut platform = Platform::new(&mut world, PinUvAuthProtocol::Two);
    let input = platform.input(&[7; 48]);
    let kept = world.kept();
    assert_failed(&world.get(with(get(), input), Person::Willing), Status::InvalidParameter);
    assert!(world.kept() == kept);
}

#[test]
fn key_agreement_key_serves_both_protocols_until_power_down_or_lock() {
    let mut world = World::new(Settings::security_key());
    let key = key_agreement(&mut world, 1);
    assert_eq!(key_agreement(&mut world, 2), key);
    for protocol in [0, 3] {
        let request = ClientPin::GetKeyAgreement { pin_uv_auth_protocol: protocol };
        assert_failed(&world.call(Request::ClientPin(request), Person::Absent), Status::InvalidParameter);
    }
    world.power_cycle();
    let second = key_agreement(&mut world, 2);
    assert_ne!(second, key);
    world.authenticator.lock();
    assert_ne!(key_agreement(&mut world, 2), second);
}

// --- hmac-secret-mc --------------------------------------------------------------------------------------------------

fn at_creation(mut request: MakeCredential, input: HmacSecretInput) -> MakeCredential {
    request.extensions.hmac_secret = Some(true);
    request.extensions.hmac_secret_mc = Some(input);
    request
}

#[test]
fn hmac_secret_mc_output_is_hmac_of_the_cred_random_that_belongs_to_this_operations_uv_bit() {
    for protocol in [PinUvAuthProtocol::One, PinUvAuthProtocol::Two] {
        let mut world = World::with_host_verifier();
        let mut platform = Platform::new(&mut world, protocol);
        for (request, verified) in [(create(), false), (create_verified(2), true)] {
            for salts in [&SALTS[..1], &SALTS] {
                let input = platform.input(&salts.concat());
                let response = made(world.make(at_creation(request.clone(), input), Person::Willing));
                let (id, record) = (view(&response.auth_data).attested.unwrap().1, world.records());
                let record = record.into_iter().find(|record| record.credential.id == id).unwrap();
                let key = match verified {
                    true => &record.secret.cred_random_with_uv,
                    false => &record.secret.cred_random_without_uv,
                };
                let expected: Vec<u8> = salts.iter().flat_map(|salt| hmac(key.expose(), salt)).collect();
                assert_eq!(platform.output_of("hmac-secret-mc", &response.auth_data), expected);
                let outputs = view(&response.auth_data).extensions().unwrap();
                assert_eq!(outputs.named("hmac-secret").unwrap().boolean(), Some(true));
            }
        }
    }
}

#[test]
fn hmac_secret_mc_without_hmac_secret_true_is_missing_parameter() {
    let mut world = World::with_host_verifier();
    let mut platform = Platform::new(&mut world, PinUvAuthProtocol::Two);
    let mut request = at_creation(create_verified(1), platform.input(&SALTS[0]));
    for hmac_secret in [None, Some(false)] {
        request.extensions.hmac_secret = hmac_secret;
        let (response, asked) = world.questions_of(|world| world.make(request.clone(), Person::Willing));
        assert_failed(&response, Status::MissingParameter);
        assert!(asked.is_empty(), "said before anybody is asked");
    }
    assert!(world.records().is_empty());
}

#[test]
fn hmac_secret_mc_that_fails_makes_no_credential() {
    for protocol in [PinUvAuthProtocol::One, PinUvAuthProtocol::Two] {
        let mut world = World::with_host_verifier();
        let mut platform = Platform::new(&mut world, protocol);
        let good = platform.input(&SALTS[0]);
        let wrong_auth = HmacSecretInput { salt_auth: vec![0; 32], ..good.clone() };
        let unknown = HmacSecretInput { pin_uv_auth_protocol: Some(3), ..good.clone() };
        let no_point = HmacSecretInput { key_agreement: P256Point { x: [0; 32], y: [0; 32] }, ..good };
        let lengths = [0, 16, 48, 96].map(|length| platform.input(&vec![7; length]));
        let cases = [
            (wrong_auth, Status::PinAuthInvalid),
            (unknown, Status::InvalidParameter),
            (no_point, Status::InvalidParameter),
        ];
        let lengths = lengths.map(|input| (input, Status::InvalidParameter));
        for (input, status) in cases.into_iter().chain(lengths) {
            let request = at_creation(create_verified(1), input);
            assert_failed(&world.make(request, Person::Willing), status);
        }
        assert!(world.records().is_empty());
    }
}
