//! What one command may cost: its peak of heap, beyond what was live before it, is at most 8 x maxMsgSize + 16 KiB,
//! whatever the input says. The message itself is the transport's and live before; what Argon2id works in is apart.

mod common;

#[cfg(feature = "u2f")]
use std::sync::Arc;

use allocation_counter::measure;
#[cfg(feature = "u2f")]
use common::attesters::attester;
use common::{
    platform::CM,
    seeded_rng::SeededRng,
    vectors::{hex, list, vectors},
    world::{CHANNEL, CHEAP, Person, World, answer},
};
#[cfg(feature = "u2f")]
use countersign::{authenticator::Authenticator, crypto::RustCrypto};
use countersign::{
    authenticator::{LargeBlobs, NonDiscoverable, Settings, Turn, UserVerification, run},
    cbor::Writer,
    cose::{CoseAlgorithm, P256Point},
    credential::{ChangeSet, CredentialStore},
    crypto::sha256,
    ctap2::{
        Config, Configure, CredentialManagement, LargeBlobs as LargeBlobsRequest, ManageCredentials, Request,
        Response, SetMinPinLength,
    },
    webauthn::{CredentialId, RpId},
};

/// The peak of one command, from the first byte that is read to the last that is written, with the store's look-ups and
/// commits; and its status.
fn peak(world: &mut World, message: &[u8], person: Person) -> (u64, u8) {
    let mut status = None;
    let info = measure(|| {
        let World { authenticator, store, rng, now, .. } = world;
        let mut step = authenticator.begin_ctap(CHANNEL, message, *now, rng);
        loop {
            match run(authenticator, store, step, *now, rng) {
                Turn::Done(outcome) => {
                    status = outcome.response.encode().first().copied();
                    break;
                }
                Turn::Ask(question, pending) => {
                    step = authenticator.answer(pending, answer(&question, person), *now, rng);
                }
            }
        }
    });
    (info.bytes_max, status.expect("a status"))
}

/// The promise.
fn budget(world: &World) -> u64 {
    let argon2 = u64::from(CHEAP.memory) * 1024;
    8 * world.authenticator.settings().max_msg_size as u64
        + 16 * 1024
        + if world.authenticator.has_pin() { argon2 } else { 0 }
}

#[track_caller]
fn assert_within(world: &mut World, message: &[u8], what: &str) -> u8 {
    within(world, message, 0, what)
}

#[track_caller]
fn within(world: &mut World, message: &[u8], apart: u64, what: &str) -> u8 {
    assert!(message.len() <= world.authenticator.settings().max_msg_size, "{what}: {}", message.len());
    let (peak, status) = peak(world, message, Person::Willing);
    let budget = budget(world) + apart;
    println!("{what}: {peak} of {budget}, status {status:#04x}");
    assert!(peak <= budget, "{what}: {peak} bytes, and {budget} are the budget; status {status:#04x}");
    status
}

fn world(max_msg_size: usize) -> World {
    World::new(Settings {
        max_msg_size,
        user_verification: UserVerification::None,
        ..Settings::security_key()
    })
}

const SIZES: [usize; 2] = [1024, 7609];
const LONGEST_LIST: usize = 32;

/// makeCredential with these members beside clientDataHash, rp, user and ES256; `fill` gets what room is left.
fn make_credential(size: usize, key: u64, fill: impl Fn(&mut Writer, usize)) -> Vec<u8> {
    let build = |room| {
        let mut writer = Writer::after(1);
        writer.map(if key > 4 { 5 } else { 4 }).unsigned(1).bytes(&[1; 32]);
        writer.unsigned(2).map(1).text("id").text("example.com");
        writer.unsigned(3);
        match key {
            3 => fill(&mut writer, room),
            _ => _ = writer.map(1).text("id").bytes(&[1; 64]),
        }
        writer.unsigned(4);
        match key {
            4 => fill(&mut writer, room),
            _ => _ = writer.array(1).map(2).text("alg").integer(-7).text("type").text("public-key"),
        }
        if key > 4 {
            fill(writer.unsigned(key), room);
        }
        writer.finish()
    };
    build(size - build(0).len() - 8)
}

fn descriptor(writer: &mut Writer, id: &[u8]) {
    writer.map(2).text("id").bytes(id).text("type").text("public-key");
}

fn descriptors(writer: &mut Writer, room: usize, id_length: usize) {
    let count = (room / (id_length + 25)).min(LONGEST_LIST);
    writer.array(count);
    (0..count).for_each(|number| descriptor(writer, &vec![number as u8; id_length]));
}

#[test]
fn wire_vectors_stay_within_the_budget() {
    for vector in list(&vectors("ctap2_wire_negative"), "vectors") {
        let mut world = match vector["precondition"].as_str().unwrap() {
            "pin_set" => World::with_pin(),
            _ => world(7609),
        };
        assert_within(&mut world, &hex(&vector["command"]), vector["name"].as_str().unwrap());
    }
}

#[test]
fn lists_of_the_longest_and_of_the_most_ids_stay_within_the_budget() {
    for size in SIZES {
        for id_length in [1, 32, 80, size.min(1023) / 2, 1023] {
            let mut world = world(size);
            let exclude = make_credential(size, 5, |writer, room| descriptors(writer, room, id_length));
            assert_eq!(assert_within(&mut world, &exclude, &format!("{size}: exclude {id_length}")), 0);
            let mut allow = Writer::after(2);
            allow.map(3).unsigned(1).text("example.com").unsigned(2).bytes(&[1; 32]);
            descriptors(allow.unsigned(3), size - 60, id_length);
            let what = format!("{size}: allow {id_length}");
            let status = assert_within(&mut world, &allow.finish(), &what);
            assert!([0x2e, 0].contains(&status), "{what}");
        }
    }
}

#[test]
fn every_id_of_an_allow_list_may_be_one_of_ours() {
    for size in SIZES {
        for non_discoverable in [NonDiscoverable::Stored, NonDiscoverable::Wrapped] {
            let settings = Settings { non_discoverable, ..world(size).authenticator.settings().clone() };
            let mut world = World::exactly(settings, SeededRng(0));
            assert_eq!(world.authenticator.settings().max_credential_count_in_list, LONGEST_LIST);
            let numbers = 0..LONGEST_LIST as u8;
            let ids: Vec<_> = numbers.map(|number| register(&mut world, number, false)).collect();
            let room = size - 320;
            let count = (room / (ids[0].len() + 23)).min(LONGEST_LIST);
            let list = |writer: &mut Writer| {
                writer.array(count);
                ids.iter().take(count).for_each(|id| descriptor(writer, id));
            };
            let mut allow = Writer::after(2);
            allow.map(3).unsigned(1).text(&"r".repeat(253)).unsigned(2).bytes(&[1; 32]);
            list(allow.unsigned(3));
            let what = format!("{size}: {count} of ours, {non_discoverable:?}");
            assert_eq!(assert_within(&mut world, &allow.finish(), &what), 0);
            let mut exclude = Writer::after(1);
            exclude.map(5).unsigned(1).bytes(&[1; 32]);
            exclude.unsigned(2).map(1).text("id").text(&"r".repeat(253));
            exclude.unsigned(3).map(1).text("id").bytes(&[1; 64]);
            exclude.unsigned(4).array(1).map(2).text("alg").integer(-7).text("type").text("public-key");
            list(exclude.unsigned(5));
            let exclude = exclude.finish();
            if exclude.len() <= size {
                assert_eq!(assert_within(&mut world, &exclude, &format!("{what}, excluded")), 0x19);
            }
        }
    }
}

/// Registers for the longest RP ID, with the longest user handle and names; the credential ID.
fn register(world: &mut World, number: u8, discoverable: bool) -> Vec<u8> {
    let mut writer = Writer::after(1);
    writer.map(if discoverable { 5 } else { 4 }).unsigned(1).bytes(&[1; 32]);
    writer.unsigned(2).map(2).text("id").text(&"r".repeat(253)).text("name").text(&"n".repeat(64));
    writer.unsigned(3).map(3).text("id").bytes(&[number; 64]).text("name").text(&"u".repeat(64));
    writer.text("displayName").text(&"d".repeat(64));
    writer.unsigned(4).array(1).map(2).text("alg").integer(-7).text("type").text("public-key");
    if discoverable {
        writer.unsigned(7).map(1).text("rk").boolean(true);
    }
    let step = world.authenticator.begin_ctap(CHANNEL, &writer.finish(), world.now, &mut world.rng);
    let Response::MakeCredential(made) = world.finish(step, Person::Willing).response else {
        panic!("no credential");
    };
    let length = usize::from(u16::from_be_bytes([made.auth_data[53], made.auth_data[54]]));
    made.auth_data[55..55 + length].to_vec()
}

#[test]
fn many_accounts_with_the_longest_names_stay_within_the_budget() {
    let mut world = world(7609);
    (0..32).for_each(|number| _ = register(&mut world, number, true));
    let mut get = Writer::after(2);
    get.map(2).unsigned(1).text(&"r".repeat(253)).unsigned(2).bytes(&[1; 32]);
    assert_eq!(assert_within(&mut world, &get.finish(), "32 accounts"), 0);
    assert_eq!(assert_within(&mut world, &Request::GetNextAssertion.encode(), "the next"), 0);
}

#[test]
fn long_lists_of_small_things_stay_within_the_budget() {
    for size in SIZES {
        let algorithms = make_credential(size, 4, |writer, room| {
            writer.array(room / 24);
            for number in 0..room / 24 {
                let identifier = if number == 0 { -7 } else { -8 };
                writer.map(2).text("alg").integer(identifier).text("type").text("public-key");
            }
        });
        assert_eq!(assert_within(&mut world(size), &algorithms, &format!("{size}: algorithms")), 0);
        let foreign = make_credential(size, 4, |writer, room| {
            writer.array(room / 16);
            (0..room / 16).for_each(|_| _ = writer.map(2).text("alg").integer(-7).text("type").text("x"));
        });
        assert_eq!(assert_within(&mut world(size), &foreign, &format!("{size}: foreign types")), 0x26);
        let formats = make_credential(size, 11, |writer, room| {
            writer.array(room);
            (0..room).for_each(|_| _ = writer.text(""));
        });
        assert_eq!(assert_within(&mut world(size), &formats, &format!("{size}: formats")), 0);
        // Nothing protects it yet, so that anybody may send this.
        let rp_ids = |count: usize| {
            let mut config = Writer::after(0x0D);
            config.map(2).unsigned(1).unsigned(3);
            config.unsigned(2).map(1).unsigned(2).array(count);
            (0..count).for_each(|_| _ = config.text("r"));
            config.finish()
        };
        let many = rp_ids((size - 16) / 2);
        assert_eq!(assert_within(&mut world(size), &many, &format!("{size}: RP IDs")), 0x28);
    }
}

#[test]
fn huge_names_and_foreign_members_stay_within_the_budget() {
    for size in SIZES {
        for name in ["name", "displayName"] {
            let huge = make_credential(size, 3, |writer, room| {
                let room = room.saturating_sub(24);
                writer.map(2).text("id").bytes(&[1]).text(name).text(&"n".repeat(room));
            });
            assert_eq!(assert_within(&mut world(size), &huge, &format!("{size}: {name}")), 0);
        }
        let extensions = make_credential(size, 6, |writer, room| {
            let count = room / 6;
            writer.map(count);
            (0..count).for_each(|number| _ = writer.text(&format!("{number:04}")).boolean(true));
        });
        assert_eq!(assert_within(&mut world(size), &extensions, &format!("{size}: extensions")), 0);
        let deep = make_credential(size, 12, |writer, room| {
            writer.array(room / 3);
            (0..room / 3).for_each(|_| _ = writer.array(1).array(1).array(0));
        });
        assert_eq!(assert_within(&mut world(size), &deep, &format!("{size}: deep")), 0x12);
        let wide = make_credential(size, 12, |writer, room| {
            writer.array(room / 2);
            (0..room / 2).for_each(|_| _ = writer.array(1).array(0));
        });
        assert_eq!(assert_within(&mut world(size), &wide, &format!("{size}: wide")), 0);
    }
}

#[test]
fn bytes_that_are_no_request_stay_within_the_budget() {
    for size in SIZES {
        for command in 0..=0x41 {
            for byte in [0x00, 0x5b, 0x81, 0x9b, 0xa1, 0xbb, 0xff] {
                let message = [&[command], vec![byte; size - 1].as_slice()].concat();
                assert_within(&mut world(size), &message, &format!("{size}: {command:#04x} {byte:#04x}"));
            }
        }
    }
}

#[test]
fn blobs_and_salts_as_long_as_a_message_stay_within_the_budget() {
    for size in SIZES {
        let cred_blob = make_credential(size, 6, |writer, room| {
            writer.map(1).text("credBlob").bytes(&vec![1; room.saturating_sub(16)]);
        });
        assert_eq!(assert_within(&mut world(size), &cred_blob, &format!("{size}: credBlob")), 0);
        // The key is no point, which shows when everything else was done.
        let salts = make_credential(size, 6, |writer, room| {
            writer.map(2).text("hmac-secret").boolean(true).text("hmac-secret-mc").map(3).unsigned(1);
            P256Point { x: [1; 32], y: [2; 32] }.write_key_agreement(writer);
            writer.unsigned(2).bytes(&vec![3; room.saturating_sub(160)]).unsigned(3).bytes(&[4; 32]);
        });
        assert_eq!(assert_within(&mut world(size), &salts, &format!("{size}: hmac-secret-mc")), 0x02);
    }
}

#[test]
fn the_longest_large_blob_is_written_and_read_within_the_budget() {
    for size in SIZES {
        let large_blobs = LargeBlobs::PerCredential { max_bytes: 65_536 };
        let settings = Settings {
            max_msg_size: size,
            user_verification: UserVerification::None,
            ..Settings::security_key()
        };
        let mut world = World::new(Settings { large_blobs, ..settings });
        let id = register(&mut world, 1, true);
        let assertion = |input: &dyn Fn(&mut Writer)| {
            let mut get = Writer::after(2);
            get.map(4).unsigned(1).text(&"r".repeat(253)).unsigned(2).bytes(&[1; 32]);
            descriptor(get.unsigned(3).array(1), &id);
            input(get.unsigned(4).map(1).text("largeBlob"));
            get.finish()
        };
        let write = |length: usize| {
            assertion(&|w| {
                _ = w.map(2).text("write").bytes(&vec![1; length]).text("originalSize").unsigned(1)
            })
        };
        let room = size - write(0).len() - 4;
        for what in ["the first", "over the first"] {
            // More than is written, and about the most that is.
            for length in [room, room.saturating_sub(800)] {
                assert_eq!(
                    assert_within(&mut world, &write(length), &format!("{size}: {length}, {what}")),
                    0
                );
            }
        }
        assert!(world.records()[0].extensions.large_blob.is_some() || size == 1024);
        let read = assertion(&|w| _ = w.map(1).text("read").boolean(true));
        assert_eq!(assert_within(&mut world, &read, &format!("{size}: read")), 0);
    }
}

#[test]
fn management_of_many_long_accounts_stays_within_the_budget() {
    let mut world = World::new(Settings { pin_cost: CHEAP, ..world(7609).authenticator.settings().clone() });
    (0..32).for_each(|number| _ = register(&mut world, number, true));
    // 32 more relying parties, each with a long name.
    let of_others: Vec<_> = (0..32u8)
        .map(|number| {
            let mut record = world.records()[0].clone_secret();
            record.credential.id = CredentialId::new(&[number; 32]).unwrap();
            record.credential.rp.id = RpId::new(&format!("{number:02}{}", "r".repeat(251))).unwrap();
            record
        })
        .collect();
    world.store.commit(ChangeSet { put: of_others, ..ChangeSet::default() }).unwrap();
    world.set_pin();
    let token = world.token(CM, None);
    let rp_id_hash = RpId::new(&"r".repeat(253)).unwrap().hash();
    for (begin, next, count) in [
        (ManageCredentials::GetMetadata, None, 0),
        (ManageCredentials::EnumerateRpsBegin, Some(ManageCredentials::EnumerateRpsNext), 32),
        (
            ManageCredentials::EnumerateCredentialsBegin { rp_id_hash },
            Some(ManageCredentials::EnumerateCredentialsNext),
            31,
        ),
    ] {
        let mut request = CredentialManagement::new(begin);
        request.pin_uv_auth = token.auth(&[&request.signed]);
        let what = format!("{:?}", request.subcommand);
        let message = Request::CredentialManagement(request).encode();
        assert_eq!(assert_within(&mut world, &message, &what), 0);
        for _ in 0..count {
            let next = CredentialManagement::new(next.clone().unwrap());
            let message = Request::CredentialManagement(next).encode();
            assert_eq!(assert_within(&mut world, &message, &format!("{what}, the next")), 0);
        }
    }
}

#[test]
fn the_longest_large_blob_array_is_within_the_budget_of_its_own_and_every_other_command() {
    for size in SIZES {
        let max_bytes = 4 * size;
        let large_blobs = LargeBlobs::Array { max_bytes };
        let mut world = World::new(Settings { large_blobs, ..world(size).authenticator.settings().clone() });
        let mut array = vec![1; max_bytes - 16];
        let hash = sha256(&array);
        array.extend_from_slice(&hash[..16]);
        for what in ["the first", "over the first"] {
            for (index, fragment) in array.chunks(size - 64).enumerate() {
                let request = LargeBlobsRequest {
                    set: Some(fragment.to_vec()),
                    offset: Some((index * (size - 64)) as u64),
                    length: (index == 0).then_some(max_bytes as u64),
                    ..LargeBlobsRequest::default()
                };
                let message = Request::LargeBlobs(request).encode();
                assert_eq!(assert_within(&mut world, &message, &format!("{size}: array, {what}")), 0);
            }
        }
        let get = LargeBlobsRequest {
            get: Some((size - 64) as u64),
            offset: Some(0),
            ..LargeBlobsRequest::default()
        };
        let message = Request::LargeBlobs(get).encode();
        assert_eq!(assert_within(&mut world, &message, &format!("{size}: array, read")), 0);
        let rp_ids =
            (0..3).map(|number| RpId::new(&format!("{number}{}", "r".repeat(252))).unwrap()).collect();
        let parameters =
            SetMinPinLength { min_pin_length_rp_ids: Some(rp_ids), ..SetMinPinLength::default() };
        let config = Config::new(Configure::SetMinPinLength(parameters));
        let message = Request::Config(config).encode();
        assert_eq!(assert_within(&mut world, &message, &format!("{size}: array, config")), 0);
        // The heaviest of the others that commit the state.
        let exclude = make_credential(size, 5, |writer, room| descriptors(writer, room, 1));
        assert_eq!(assert_within(&mut world, &exclude, &format!("{size}: array, exclude")), 0);
        let name = make_credential(size, 3, |writer, room| {
            let room = room.saturating_sub(24);
            writer.map(2).text("id").bytes(&[1]).text("name").text(&"n".repeat(room));
        });
        assert_eq!(assert_within(&mut world, &name, &format!("{size}: array, name")), 0);
        let formats = make_credential(size, 11, |writer, room| {
            writer.array(room);
            (0..room).for_each(|_| _ = writer.text(""));
        });
        assert_eq!(assert_within(&mut world, &formats, &format!("{size}: array, formats")), 0);
        (0..16).for_each(|number| _ = register(&mut world, number, true));
        let mut get = Writer::after(2);
        get.map(2).unsigned(1).text(&"r".repeat(253)).unsigned(2).bytes(&[1; 32]);
        assert_eq!(assert_within(&mut world, &get.finish(), &format!("{size}: array, 16 accounts")), 0);
    }
}

/// What an algorithm works in is apart, as with Argon2id: ML-DSA expands its seed to matrices, whatever the input says.
fn working_memory(algorithm: CoseAlgorithm) -> u64 {
    if matches!(algorithm.identifier(), -48 | -49) { 100 * 1024 } else { 0 }
}

#[test]
fn every_algorithm_stays_within_the_budget() {
    for algorithm in CoseAlgorithm::ALL {
        let mut world = world(7609);
        let mut writer = Writer::after(1);
        writer.map(4).unsigned(1).bytes(&[1; 32]);
        writer.unsigned(2).map(1).text("id").text("example.com");
        writer.unsigned(3).map(1).text("id").bytes(&[1; 64]);
        writer.unsigned(4).array(1).map(2).text("alg").integer(algorithm.identifier());
        writer.text("type").text("public-key");
        let message = writer.finish();
        let what = format!("{algorithm:?}");
        assert_eq!(within(&mut world, &message, working_memory(*algorithm), &what), 0);
        let id = world.records().remove(0).credential.id;
        let mut get = Writer::after(2);
        get.map(3).unsigned(1).text("example.com").unsigned(2).bytes(&[1; 32]);
        descriptor(get.unsigned(3).array(1), id.as_bytes());
        assert_eq!(within(&mut world, &get.finish(), working_memory(*algorithm), &what), 0);
    }
}

/// Registrations, assertions with stored and wrapped credentials, and what is none, up to the longest message.
#[cfg(feature = "u2f")]
#[test]
fn u2f_messages_stay_within_the_budget() {
    for size in SIZES {
        let mut world = world(size);
        let settings = world.authenticator.settings().clone();
        let settings = Settings { non_discoverable: NonDiscoverable::Wrapped, ..settings };
        let authenticator = Authenticator::new(settings, None, Arc::new(RustCrypto)).unwrap();
        world.authenticator = authenticator.with_attester(attester("fido-u2f.ES256")).unwrap();
        let registered = assert_u2f_within(&mut world, &u2f(1, 0, &[7; 64]), "register");
        assert!(registered.ends_with(&[0x90, 0x00]));
        let handle = registered[67..][..usize::from(registered[66])].to_vec();
        let authenticate = |handle: &[u8]| [&[7; 64][..], &[handle.len() as u8], handle].concat();
        for control in [0x03, 0x07, 0x08] {
            for handle in [handle.clone(), vec![1; 255], vec![1; 32]] {
                let what = format!("authenticate {control:#04x}, {} bytes", handle.len());
                assert_u2f_within(&mut world, &u2f(2, control, &authenticate(&handle)), &what);
            }
        }
        for length in [0, 64, 65, 255, size - 9] {
            for instruction in [1, 2, 3, 0xff] {
                let what = format!("instruction {instruction:#04x}, {length} bytes");
                assert_u2f_within(&mut world, &u2f(instruction, 3, &vec![0xff; length]), &what);
            }
        }
        assert_u2f_within(&mut world, &vec![0xff; size], "no command");
    }
}

/// A command APDU with extended lengths.
#[cfg(feature = "u2f")]
fn u2f(instruction: u8, p1: u8, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u16).to_be_bytes();
    [&[0, instruction, p1, 0, 0], &length[..], data, &[0, 0]].concat()
}

#[cfg(feature = "u2f")]
fn assert_u2f_within(world: &mut World, apdu: &[u8], what: &str) -> Vec<u8> {
    let mut answered = Vec::new();
    let info = measure(|| {
        let World { authenticator, store, rng, now, .. } = world;
        let mut step = authenticator.begin_u2f(apdu, *now);
        loop {
            match run(authenticator, store, step, *now, rng) {
                Turn::Done(outcome) => {
                    answered = countersign::ctap1::encode(&outcome.response);
                    break;
                }
                Turn::Ask(question, pending) => {
                    step = authenticator.answer(pending, answer(&question, Person::Willing), *now, rng);
                }
            }
        }
    });
    let (peak, budget) = (info.bytes_max, budget(world));
    println!("U2F {what}: {peak} of {budget}, {:02x?}", answered.last_chunk::<2>());
    assert!(peak <= budget, "U2F {what}: {peak} bytes, and {budget} are the budget");
    answered
}
