//! U2F (CTAP 2.3 section 7; FIDO U2F Raw Message Formats v1.2), rule 59, and rule 9 as far as U2F goes.

use std::sync::Arc;

use countersign::{
    authenticator::{
        Answer, Authenticator, CounterPolicy, NewCredentialBackup, Purpose, Settings, Step, UserVerification,
    },
    cose::{CoseAlgorithm, P256Point, PublicKey},
    credential::{StateStore, StoreError},
    crypto::{CryptoProvider, RustCrypto},
    ctap1::{self, Register, Registered, StatusWord},
    ctap2::{MakeCredential, Status},
    webauthn::{CredentialId, RpIdHash},
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::{
    common::{
        attesters::{attestation_key, attester, ceremony, certificates},
        vectors::{array, bytes, hex},
        world::{Person, World},
    },
    requests::*,
};

const VECTOR: &str = "fido-u2f.ES256";
const CHALLENGE: [u8; 32] = [0xc4; 32];
const REGISTER: u8 = 1;
const AUTHENTICATE: u8 = 2;
const VERSION: u8 = 3;
const SIGN: u8 = 0x03;
const CHECK: u8 = 0x07;
const SILENT: u8 = 0x08;

/// A security key with a batch certificate.
fn key(settings: Settings) -> World {
    let mut world = World::exactly(settings.clone(), crate::common::seeded_rng::SeededRng(0));
    plug_in(&mut world, settings);
    world
}

/// Powers up, with the attester and what is stored.
fn plug_in(world: &mut World, settings: Settings) {
    let state = world.store.load_state().unwrap();
    world.authenticator = Authenticator::new(settings, state.as_ref(), Arc::new(RustCrypto))
        .unwrap()
        .with_attester(attester(VECTOR))
        .unwrap();
}

fn plain() -> Settings {
    Settings { user_verification: UserVerification::None, ..Settings::security_key() }
}

fn u2f(world: &mut World, apdu: &[u8], person: Person) -> Vec<u8> {
    let step = world.authenticator.begin_u2f(apdu, world.now);
    loop_to_end(world, step, person)
}

fn loop_to_end(world: &mut World, mut step: countersign::authenticator::Step, person: Person) -> Vec<u8> {
    loop {
        match world.turn(step) {
            countersign::authenticator::Turn::Done(outcome) => return ctap1::encode(&outcome.response),
            countersign::authenticator::Turn::Ask(question, pending) => {
                let answer = crate::common::world::answer(&question, person);
                world.asked.push(question);
                step = world.authenticator.answer(pending, answer, world.now, &mut world.rng);
            }
        }
    }
}

/// A command APDU with extended lengths, as every HID client sends it.
fn extended(instruction: u8, p1: u8, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u16).to_be_bytes();
    let lc = if data.is_empty() { vec![0] } else { [&[0], length.as_slice()].concat() };
    [&[0, instruction, p1, 0], lc.as_slice(), data, &[0, 0]].concat()
}

fn register(application: &[u8; 32]) -> Vec<u8> {
    extended(REGISTER, 0, &[CHALLENGE, *application].concat())
}

fn authenticate(control: u8, application: &[u8; 32], handle: &[u8]) -> Vec<u8> {
    let data = [&CHALLENGE, application.as_slice(), &[handle.len() as u8], handle].concat();
    extended(AUTHENTICATE, control, &data)
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

#[track_caller]
fn assert_word(response: &[u8], word: u16) {
    assert_eq!(hex::encode(response), format!("{word:04x}"));
}

#[track_caller]
fn data(response: Vec<u8>) -> Vec<u8> {
    let (data, word) = response.split_at(response.len() - 2);
    assert_eq!(word, [0x90, 0x00], "SW_NO_ERROR");
    data.to_vec()
}

/// Registers; the public key, uncompressed, and the key handle.
fn registered(world: &mut World, application: &[u8; 32]) -> (Vec<u8>, Vec<u8>) {
    let response = data(u2f(world, &register(application), Person::Willing));
    assert_eq!(response[0], 0x05);
    let length = usize::from(response[66]);
    (response[1..66].to_vec(), response[67..67 + length].to_vec())
}

fn verify(key: &[u8], message: &[u8], signature: &[u8]) {
    use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier};
    let key = VerifyingKey::from_sec1_bytes(key).expect("a point on P-256");
    key.verify(message, &Signature::from_der(signature).expect("DER")).expect("the signature verifies");
}

/// The W3C's own registration over U2F, its signature byte for byte.
#[test]
fn u2f_registration_signs_what_the_w3c_vector_signs() {
    let vector = ceremony(VECTOR);
    let credential = bytes(&vector, "credential_id");
    let private = countersign::secret::SecretBytes::new(hex(&vector["credential_private_key"]["d"]));
    let pair = RustCrypto.import(CoseAlgorithm::Es256, private).unwrap();
    let PublicKey::P256(point) = pair.public() else { panic!("another key") };
    let challenge = Sha256::digest(hex(&vector["registration"]["client_data_json"])).into();
    let request = Register { challenge, application: RpIdHash(hash("example.org")) };
    let id = CredentialId::new(&credential).unwrap();
    let message = Registered { public_key: point, key_handle: &id }.message(&request);
    let signature = attester(VECTOR).sign(&[&message]).unwrap();
    let object = hex(&vector["registration"]["attestation_object"]);
    assert!(object.windows(signature.len()).any(|window| window == signature));
    assert_eq!(array::<32>(&vector, "credential_id").as_slice(), credential);
}

#[test]
fn u2f_register_gives_key_handle_certificate_and_a_signature_by_it() {
    let mut world = key(plain());
    let application = hash("https://example.com/app-id.json");
    let response = data(u2f(&mut world, &register(&application), Person::Willing));
    assert_eq!(
        world.asked.pop().unwrap().purpose,
        Purpose::U2f { application: RpIdHash(application), registers: true }
    );
    let (public, rest) = (&response[1..66], &response[66..]);
    let (handle, rest) = rest[1..].split_at(usize::from(rest[0]));
    let certificate = certificates(&ceremony(VECTOR)).remove(0);
    let signature = rest.strip_prefix(certificate.as_slice()).expect("the certificate");
    let message = [&[0], application.as_slice(), &CHALLENGE, handle, public].concat();
    let PublicKey::P256(P256Point { x, y }) = *attestation_key(&ceremony(VECTOR)).public() else { panic!() };
    verify(&[&[4], x.as_slice(), &y].concat(), &message, signature);
    assert!(world.records().is_empty(), "wrapped");
}

#[test]
fn u2f_authenticate_signs_with_presence_and_counter() {
    let mut world = key(plain());
    let application = hash("https://example.com");
    let (public, handle) = registered(&mut world, &application);
    for (control, present, expected) in [(SIGN, 1, 1u32), (SILENT, 0, 2), (SIGN, 1, 3)] {
        world.asked.clear();
        let response = data(u2f(&mut world, &authenticate(control, &application, &handle), Person::Willing));
        assert_eq!(world.asked.len(), usize::from(present), "{control:#x}");
        assert_eq!(response[0], present);
        assert_eq!(response[1..5], expected.to_be_bytes());
        let message = [application.as_slice(), &response[..5], &CHALLENGE].concat();
        verify(&public, &message, &response[5..]);
        plug_in(&mut world, plain());
    }
}

#[test]
fn u2f_check_only_says_whose_handle_it_is_and_asks_nobody() {
    let mut world = key(plain());
    let application = hash("https://example.com");
    let (_, handle) = registered(&mut world, &application);
    world.asked.clear();
    assert_word(&u2f(&mut world, &authenticate(CHECK, &application, &handle), Person::Willing), 0x6985);
    assert_word(&u2f(&mut world, &authenticate(CHECK, &hash("other"), &handle), Person::Willing), 0x6a80);
    assert_word(&u2f(&mut world, &authenticate(CHECK, &application, &[7; 64]), Person::Willing), 0x6a80);
    assert!(world.asked.is_empty());
}

#[test]
fn u2f_foreign_key_handle_is_wrong_data_whatever_its_length() {
    let mut world = key(plain());
    registered(&mut world, &hash("https://example.com"));
    for length in [0, 1, 40, 78, 255] {
        for control in [SIGN, CHECK, SILENT] {
            let apdu = authenticate(control, &hash("https://example.com"), &vec![9; length]);
            assert_word(&u2f(&mut world, &apdu, Person::Willing), 0x6a80);
        }
    }
}

#[test]
fn u2f_without_touch_is_conditions_not_satisfied() {
    let mut world = key(plain());
    let application = hash("https://example.com");
    let (_, handle) = registered(&mut world, &application);
    let kept = world.kept();
    for person in [Person::Declines, Person::Absent] {
        assert_word(&u2f(&mut world, &register(&application), person), 0x6985);
        assert_word(&u2f(&mut world, &authenticate(SIGN, &application, &handle), person), 0x6985);
    }
    assert!(world.kept() == kept);
}

#[test]
fn u2f_unknown_control_byte_is_incorrect_p1() {
    let mut world = key(plain());
    let application = hash("https://example.com");
    let (_, handle) = registered(&mut world, &application);
    for control in (0..=255).filter(|control| ![SIGN, CHECK, SILENT].contains(control)) {
        let apdu = authenticate(control, &application, &handle);
        assert_word(&u2f(&mut world, &apdu, Person::Willing), 0x6a86);
    }
}

#[test]
fn u2f_version_has_its_answer_in_every_encoding_without_data() {
    let mut world = key(plain());
    // No Le; short; extended; and what the first U2F clients sent: an extended Lc of zero.
    for tail in [&[][..], &[0], &[0, 0, 0], &[0, 0, 0, 0, 0]] {
        let apdu = [&[0, VERSION, 0, 0], tail].concat();
        assert_eq!(data(u2f(&mut world, &apdu, Person::Absent)), b"U2F_V2", "{tail:?}");
    }
    assert_word(&u2f(&mut world, &extended(VERSION, 0, &[1]), Person::Absent), 0x6700);
}

#[test]
fn u2f_lengths_are_read_in_both_encodings_and_wrong_ones_refused() {
    let mut world = key(plain());
    let application = hash("https://example.com");
    let parameters = [CHALLENGE, application].concat();
    let short = |le: &[u8]| [&[0, REGISTER, 0, 0, 64], parameters.as_slice(), le].concat();
    let long = |le: &[u8]| [&[0, REGISTER, 0, 0, 0, 0, 64], parameters.as_slice(), le].concat();
    for apdu in [short(&[]), short(&[0]), long(&[]), long(&[0, 0]), long(&[1, 0])] {
        data(u2f(&mut world, &apdu, Person::Willing));
    }
    let (_, handle) = registered(&mut world, &application);
    let body = [parameters.as_slice(), &[handle.len() as u8], &handle].concat();
    let short_sign = [&[0, AUTHENTICATE, SIGN, 0, body.len() as u8], body.as_slice(), &[0]].concat();
    data(u2f(&mut world, &short_sign, Person::Willing));

    world.asked.clear();
    let wrong = [
        vec![],
        vec![0, REGISTER, 0],
        vec![0, REGISTER, 0, 0, 0, 0],
        short(&[0, 0]),
        long(&[0]),
        long(&[0, 0, 0]),
        short(&[])[..68].to_vec(),
        long(&[])[..70].to_vec(),
        extended(REGISTER, 0, &parameters[..63]),
        extended(REGISTER, 0, &[parameters.as_slice(), &[0]].concat()),
        extended(AUTHENTICATE, SIGN, &parameters),
        extended(AUTHENTICATE, SIGN, &[body.as_slice(), &[0]].concat()),
        extended(AUTHENTICATE, SIGN, &body[..body.len() - 1]),
    ];
    for apdu in wrong {
        assert_word(&u2f(&mut world, &apdu, Person::Willing), 0x6700);
    }
    assert!(world.asked.is_empty());
}

#[test]
fn u2f_unknown_class_and_instruction_have_their_words() {
    let mut world = key(plain());
    for class in [0x01, 0x80, 0xff] {
        assert_word(&u2f(&mut world, &[class, VERSION, 0, 0], Person::Absent), 0x6e00);
    }
    for instruction in [0x00, 0x04, 0x10, 0x40, 0xc0, 0xff] {
        assert_word(&u2f(&mut world, &[0, instruction, 0, 0], Person::Absent), 0x6d00);
    }
}

/// Rule 9.
#[test]
fn u2f_is_off_under_always_uv() {
    let mut world = key(host_verified(plain()));
    let application = hash("https://example.com");
    let (_, handle) = registered(&mut world, &application);
    assert!(world.authenticator.info().versions.contains(&"U2F_V2"));
    plug_in(&mut world, Settings { always_uv: true, ..host_verified(plain()) });
    assert!(!world.authenticator.info().versions.contains(&"U2F_V2"));
    world.asked.clear();
    for apdu in [
        register(&application),
        authenticate(SIGN, &application, &handle),
        authenticate(CHECK, &application, &handle),
        extended(VERSION, 0, &[]),
    ] {
        assert_word(&u2f(&mut world, &apdu, Person::Willing), 0x6986);
    }
    assert!(world.asked.is_empty());
}

#[test]
fn u2f_is_not_there_without_an_attestation_certificate() {
    let mut world = World::fresh();
    assert!(!world.authenticator.info().versions.contains(&"U2F_V2"));
    for apdu in [register(&[1; 32]), authenticate(SIGN, &[1; 32], &[1; 64]), extended(VERSION, 0, &[])] {
        assert_word(&u2f(&mut world, &apdu, Person::Willing), 0x6d00);
    }
}

#[test]
fn u2f_credential_signs_over_ctap2_for_its_app_id() {
    let mut world = key(plain());
    let app_id = "https://example.com/app-id.json";
    let (public, handle) = registered(&mut world, &hash(app_id));
    let id = CredentialId::new(&handle).unwrap();
    let mut request = get_named(&[&id]);
    request.rp_id = rp_id(app_id);
    let assertion = asserted(world.get(request, Person::Willing));
    assert_eq!(view(&assertion.auth_data).rp_id_hash.0, hash(app_id));
    verify(&public, &[assertion.auth_data.as_slice(), &HASH.0].concat(), &assertion.signature);
    // And it excludes there, by the extension appidExclude.
    let mut request = MakeCredential { exclude_list: descriptors(&[&id]), ..create() };
    request.rp.id = rp_id(app_id);
    assert_failed(&world.make(request, Person::Willing), Status::CredentialExcluded);
}

#[test]
fn u2f_serves_credentials_of_ctap2_wrapped_or_stored() {
    for request in [create(), create_discoverable(1)] {
        let mut world = key(plain());
        let made = made(world.make(request, Person::Willing));
        let (_, id, public) = view(&made.auth_data).attested.map(|a| (a.0, a.1, a.2)).unwrap();
        let (_, PublicKey::P256(P256Point { x, y })) = PublicKey::from_cose(&public).unwrap() else {
            panic!("another key")
        };
        let application = hash(RP);
        let apdu = authenticate(SIGN, &application, id.as_bytes());
        for expected in 1..=2u32 {
            let response = data(u2f(&mut world, &apdu, Person::Willing));
            assert_eq!(response[1..5], expected.to_be_bytes());
            let message = [application.as_slice(), &response[..5], &CHALLENGE].concat();
            verify(&[&[4], x.as_slice(), &y].concat(), &message, &response[5..]);
        }
        let elsewhere = authenticate(SIGN, &hash("example.org"), id.as_bytes());
        assert_word(&u2f(&mut world, &elsewhere, Person::Willing), 0x6a80);
    }
}

/// Rule 59.
#[test]
fn u2f_serves_no_credential_above_level_1_and_none_of_another_algorithm() {
    for request in [create(), create_discoverable(1)] {
        for (level, algorithm, served) in [
            (1, ES256, true),
            (1, -9, true),
            (2, ES256, false),
            (3, ES256, false),
            (1, EDDSA, false),
            (1, -35, false),
        ] {
            let mut world = key(plain());
            let request = MakeCredential { algorithms: vec![algorithm], ..protected(request.clone(), level) };
            let made = made(world.make(request, Person::Willing));
            let id = view(&made.auth_data).attested.unwrap().1;
            let apdu = authenticate(CHECK, &hash(RP), id.as_bytes());
            let expected = if served { 0x6985 } else { 0x6a80 };
            assert_word(&u2f(&mut world, &apdu, Person::Willing), expected);
        }
    }
}

/// Rule 60: the byte that U2F signs has no bit for BE, so that a relying party would see it flip.
#[test]
fn u2f_makes_and_serves_no_backup_eligible_credential() {
    let eligible = Settings { backup: NewCredentialBackup::Eligible { backed_up: false }, ..plain() };
    for request in [create(), create_discoverable(1)] {
        let mut world = key(eligible.clone());
        assert_word(&u2f(&mut world, &register(&hash(RP)), Person::Willing), 0x6d00);
        assert!(!world.authenticator.has_u2f());
        let made = made(world.make(request, Person::Willing));
        let id = view(&made.auth_data).attested.unwrap().1;
        plug_in(&mut world, plain());
        for control in [SIGN, CHECK, SILENT] {
            let apdu = authenticate(control, &hash(RP), id.as_bytes());
            assert_word(&u2f(&mut world, &apdu, Person::Willing), 0x6a80);
        }
    }
}

/// The wrap key is at hand, and that a store is locked shows only to who asks it.
#[test]
fn u2f_serves_no_wrapped_credential_over_a_locked_store() {
    let mut world = key(Settings { sign_count: CounterPolicy::Zero, ..plain() });
    let application = hash(RP);
    let (_, handle) = registered(&mut world, &application);
    for control in [SIGN, CHECK, SILENT] {
        let step = world.authenticator.begin_u2f(&authenticate(control, &application, &handle), world.now);
        let Step::Load(_, pending) = step else { panic!("the store is not asked") };
        let locked = Err(StoreError::Locked);
        let step = world.authenticator.loaded(pending, locked, world.now, &mut world.rng);
        let Step::Ask(question, pending) = step else { panic!("nobody is asked to unlock it") };
        assert_eq!(question.purpose, Purpose::Unlock);
        let declined = world.authenticator.answer(pending, Answer::Declined, world.now, &mut world.rng);
        assert_word(&loop_to_end(&mut world, declined, Person::Absent), 0x6985);
    }
    world.authenticator.lock();
    data(u2f(&mut world, &authenticate(SIGN, &application, &handle), Person::Willing));
}

#[test]
fn u2f_ends_what_stateful_commands_remember() {
    let mut world = key(plain());
    for number in 1..=3 {
        made(world.make(create_discoverable(number), Person::Willing));
    }
    asserted(world.get(get(), Person::Willing));
    data(u2f(&mut world, &extended(VERSION, 0, &[]), Person::Absent));
    assert_failed(&world.next(), Status::NotAllowed);
}

#[test]
fn u2f_credential_that_goes_while_the_question_is_open_is_wrong_data() {
    let mut world = key(plain());
    let made = made(world.make(create_discoverable(1), Person::Willing));
    let id = view(&made.auth_data).attested.unwrap().1;
    let step = world.authenticator.begin_u2f(&authenticate(SIGN, &hash(RP), id.as_bytes()), world.now);
    let (question, pending) = world.until_asked(step);
    world.delete(&id);
    let answer = crate::common::world::answer(&question, Person::Willing);
    let step = world.authenticator.answer(pending, answer, world.now, &mut world.rng);
    assert_word(&loop_to_end(&mut world, step, Person::Willing), StatusWord::WRONG_DATA.0);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the bytes are: a status word that U2F has, data only with SW_NO_ERROR, and nothing stored but by consent.
    #[test]
    fn u2f_any_bytes_have_a_status_word(
        header in prop::collection::vec(prop::sample::select(vec![0u8, 1, 2, 3, 7, 8, 0x80]), 0..=4),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut world = key(plain());
        let kept = world.kept();
        let response = u2f(&mut world, &[header, body].concat(), Person::Declines);
        let (data, word) = response.split_at(response.len() - 2);
        let word = u16::from_be_bytes([word[0], word[1]]);
        prop_assert!([0x9000, 0x6700, 0x6985, 0x6a80, 0x6a86, 0x6d00, 0x6e00].contains(&word), "{word:04x}");
        prop_assert!(word == 0x9000 || data.is_empty());
        prop_assert!(world.kept() == kept);
    }
}
