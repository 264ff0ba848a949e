//! authenticatorLargeBlobs (CTAP 2.3 section 6.10).

use countersign::{
    authenticator::{Channel, LargeBlobs as Kind, ResetPolicy, Settings, UserVerification},
    cbor::{Item, Profile},
    credential::StoreError,
    crypto::sha256,
    ctap2::{LargeBlobs, LargeBlobsResponse, PinUvAuth, Request, Response, Status},
};

use crate::{
    common::{
        platform::{CM, LBW, Token},
        world::{CHANNEL, Person, World},
    },
    requests::*,
};

/// maxMsgSize 1024.
const MAX_FRAGMENT: usize = 960;
const MAX_ARRAY: usize = 2048;

fn settings() -> Settings {
    Settings {
        client_pin: true,
        credential_management: true,
        large_blobs: Kind::Array { max_bytes: MAX_ARRAY },
        max_msg_size: 1024,
        ..Settings::security_key()
    }
}

fn unprotected() -> World {
    World::new(Settings { user_verification: UserVerification::None, ..settings() })
}

fn protected() -> World {
    let mut world = World::new(settings());
    world.set_pin();
    world
}

/// An array with so much in it that it has this length, its hash included.
fn array(length: usize, filling: u8) -> Vec<u8> {
    let mut array = vec![filling; length - 16];
    array[0] = 0x80;
    let hash = sha256(&array);
    array.extend_from_slice(&hash[..16]);
    array
}

fn get(count: u64, offset: u64) -> LargeBlobs {
    LargeBlobs { get: Some(count), offset: Some(offset), ..LargeBlobs::default() }
}

fn set(fragment: &[u8], offset: usize, length: Option<usize>) -> LargeBlobs {
    LargeBlobs {
        set: Some(fragment.to_vec()),
        offset: Some(offset as u64),
        length: length.map(|length| length as u64),
        ..LargeBlobs::default()
    }
}

fn signed(mut request: LargeBlobs, token: &Token) -> LargeBlobs {
    let offset = (request.offset.unwrap() as u32).to_le_bytes();
    let hash = sha256(request.set.as_deref().unwrap());
    request.pin_uv_auth = token.auth(&[&[0xFF; 32], &[0x0C, 0x00], &offset, &hash]);
    request
}

impl World {
    fn blobs(&mut self, request: LargeBlobs) -> Response {
        self.call(Request::LargeBlobs(request), Person::Absent)
    }

    fn blobs_on(&mut self, channel: Channel, request: LargeBlobs) -> Response {
        let request = Request::LargeBlobs(request);
        let step = self.authenticator.begin(channel, request, self.now, &mut self.rng);
        self.finish(step, Person::Absent).response
    }

    /// Reads it all, fragment by fragment, as platforms do.
    fn blob_array(&mut self) -> Vec<u8> {
        let mut array = Vec::new();
        loop {
            let response = self.blobs(get(MAX_FRAGMENT as u64, array.len() as u64));
            let Response::LargeBlobs(LargeBlobsResponse { config }) = response else {
                panic!("no array: {response:?}")
            };
            array.extend_from_slice(&config);
            if config.len() < MAX_FRAGMENT {
                return array;
            }
        }
    }
}

#[test]
fn blobs_off_is_an_invalid_command() {
    for large_blobs in [Kind::None, Kind::PerCredential { max_bytes: 1024 }] {
        let mut world = World::new(Settings { large_blobs, ..settings() });
        assert_failed(&world.blobs(get(17, 0)), Status::InvalidCommand);
    }
}

#[test]
fn blobs_begin_as_an_empty_array_with_its_hash() {
    let initial = unprotected().blob_array();
    assert_eq!(initial, array(17, 0x80));
    // The standard's own bytes: section 6.10.
    assert_eq!(hex::encode(initial), "8076be8b528d0075f7aae98d6fa57a6d3c");
}

#[test]
fn blobs_reads_what_is_there_from_the_offset_on() {
    let mut world = unprotected();
    let mut read = |count, offset| match world.blobs(get(count, offset)) {
        Response::LargeBlobs(response) => Ok(response.config),
        Response::Failed(status) => Err(status),
        other => panic!("{other:?}"),
    };
    let initial = array(17, 0x80);
    assert_eq!(read(17, 0), Ok(initial.clone()));
    assert_eq!(read(5, 3), Ok(initial[3..8].to_vec()));
    assert_eq!(read(100, 10), Ok(initial[10..].to_vec()));
    assert_eq!((read(0, 0), read(1, 17)), (Ok(vec![]), Ok(vec![])));
    assert_eq!(read(1, 18), Err(Status::InvalidParameter));
    assert_eq!(read(1, u64::MAX), Err(Status::InvalidParameter));
    assert_eq!(read(1, 1 << 32), Err(Status::InvalidParameter), "no offset is cut to 32 bits");
    assert_eq!(read(MAX_FRAGMENT as u64, 0), Ok(initial));
    assert_eq!(read(MAX_FRAGMENT as u64 + 1, 0), Err(Status::InvalidLength));
    assert_eq!(read(u64::MAX, 0), Err(Status::InvalidLength));
}

#[test]
fn blobs_request_has_an_offset_and_either_get_or_set() {
    let mut world = unprotected();
    let whole = array(17, 0x80);
    for request in [
        LargeBlobs { offset: None, ..get(1, 0) },
        LargeBlobs { offset: None, ..set(&whole, 0, Some(17)) },
        LargeBlobs { offset: Some(0), ..LargeBlobs::default() },
        LargeBlobs { get: Some(1), ..set(&whole, 0, Some(17)) },
        LargeBlobs { length: Some(17), ..get(17, 0) },
        LargeBlobs { pin_uv_auth: Some(PinUvAuth { param: vec![0; 32], protocol: Some(2) }), ..get(17, 0) },
    ] {
        assert_failed(&world.blobs(request.clone()), Status::InvalidParameter);
    }
    // pinUvAuthProtocol alone: { 1: 17, 3: 0, 6: 2 }
    let message = [0x0C, 0xA3, 0x01, 0x11, 0x03, 0x00, 0x06, 0x02];
    assert_eq!(world.ctap(&message, Person::Absent), [Status::InvalidParameter.byte()]);
}

#[test]
fn blobs_written_whole_or_in_fragments_are_read_back() {
    let mut world = unprotected();
    for length in [17, MAX_FRAGMENT - 1, MAX_FRAGMENT, MAX_FRAGMENT + 1, MAX_ARRAY] {
        let array = array(length, length as u8);
        for (index, fragment) in array.chunks(MAX_FRAGMENT).enumerate() {
            let length = (index == 0).then_some(length);
            assert_eq!(world.blobs(set(fragment, index * MAX_FRAGMENT, length)), Response::Empty);
        }
        assert_eq!(world.blob_array(), array);
    }
    let kept = world.blob_array();
    world.power_cycle();
    assert_eq!(world.blob_array(), kept);
}

#[test]
fn blobs_set_is_refused_by_length_and_sequence() {
    let mut world = unprotected();
    let whole = array(100, 1);
    for (request, status) in [
        // Longer than maxFragmentLength.
        (set(&[0; MAX_FRAGMENT + 1], 0, Some(MAX_ARRAY)), Status::InvalidLength),
        (set(&whole, 0, None), Status::InvalidParameter),
        (set(&whole, 0, Some(MAX_ARRAY + 1)), Status::LargeBlobStorageFull),
        (LargeBlobs { length: Some(1 << 32 | 100), ..set(&whole, 0, None) }, Status::LargeBlobStorageFull),
        (set(&whole[..16], 0, Some(16)), Status::InvalidParameter),
        (set(&whole, 0, Some(99)), Status::InvalidParameter),
        (set(&whole, 50, Some(100)), Status::InvalidParameter),
        // Nothing was begun.
        (set(&whole[50..], 50, None), Status::InvalidSeq),
    ] {
        assert_failed(&world.blobs(request), status);
    }
    for offset in [0usize, 39, 41, 100] {
        assert_eq!(world.blobs(set(&whole[..40], 0, Some(100))), Response::Empty);
        let next = LargeBlobs { length: (offset == 0).then_some(16), ..set(&whole[40..], offset, None) };
        let expected = if offset == 0 { Status::InvalidParameter } else { Status::InvalidSeq };
        assert_failed(&world.blobs(next), expected);
    }
    // More than was announced.
    assert_eq!(world.blobs(set(&whole[..40], 0, Some(99))), Response::Empty);
    assert_failed(&world.blobs(set(&whole[40..], 40, None)), Status::InvalidParameter);
    assert_eq!(world.blob_array(), array(17, 0x80));
}

#[test]
fn blobs_with_a_wrong_hash_are_an_integrity_failure() {
    let mut world = unprotected();
    for position in [0, 83, 84, 99] {
        let mut altered = array(100, 1);
        altered[position] ^= 1;
        assert_failed(&world.blobs(set(&altered, 0, Some(100))), Status::IntegrityFailure);
    }
    assert_eq!(world.blob_array(), array(17, 0x80));
}

#[test]
fn blobs_upload_ends_with_any_other_command_channel_or_pause() {
    let whole = array(100, 1);
    let end: [fn(&mut World); 6] = [
        |world| _ = world.ctap(&[0x04], Person::Absent),
        |world| _ = world.ctap(&[0xFF], Person::Absent),
        |world| _ = world.call(Request::Selection, Person::Willing),
        |world| _ = world.blobs(get(17, 0)),
        |world| world.now.ticks += 30_001,
        |world| world.power_cycle(),
    ];
    for end in end {
        let mut world = unprotected();
        assert_eq!(world.blobs(set(&whole[..40], 0, Some(100))), Response::Empty);
        end(&mut world);
        assert_failed(&world.blobs(set(&whole[40..], 40, None)), Status::InvalidSeq);
        assert_eq!(world.blob_array(), array(17, 0x80), "the old array is whole");
    }
    let mut world = unprotected();
    assert_eq!(world.blobs(set(&whole[..40], 0, Some(100))), Response::Empty);
    let other = Channel(CHANNEL.0 + 1);
    assert_failed(&world.blobs_on(other, set(&whole[40..], 40, None)), Status::InvalidSeq);
    // Each fragment has its 30 seconds.
    assert_eq!(world.blobs(set(&whole[..40], 0, Some(100))), Response::Empty);
    for byte in 40..100 {
        world.now.ticks += 30_000;
        assert_eq!(world.blobs(set(&whole[byte..=byte], byte, None)), Response::Empty);
    }
    assert_eq!(world.blob_array(), whole);
}

#[test]
fn blobs_are_replaced_in_one_commit_or_stay() {
    let mut world = unprotected();
    let whole = array(100, 1);
    let step = world.begin(Request::LargeBlobs(set(&whole, 0, Some(100))));
    let (changes, pending) = world.until_commit(step, Person::Absent);
    assert!(changes.state.is_some() && changes.put.is_empty() && changes.update.is_empty() && !changes.clear);
    let step =
        world.authenticator.committed(pending, Err(StoreError::Unavailable), world.now, &mut world.rng);
    assert_failed(&done(step), Status::Other);
    assert_eq!(world.blob_array(), array(17, 0x80));
}

#[test]
fn blobs_are_gone_after_a_reset() {
    let mut world = unprotected();
    assert!(matches!(world.authenticator.settings().reset, ResetPolicy::Window(_)));
    assert_eq!(world.blobs(set(&array(100, 1), 0, Some(100))), Response::Empty);
    assert_eq!(world.call(Request::Reset, Person::Willing), Response::Empty);
    assert_eq!(world.blob_array(), array(17, 0x80));
}

#[test]
fn blobs_are_written_with_a_token_once_there_is_a_pin_or_always_uv() {
    let whole = array(100, 1);
    let mut world = protected();
    assert_failed(&world.blobs(set(&whole, 0, Some(100))), Status::PuatRequired);
    assert_eq!(world.blob_array(), array(17, 0x80), "reading needs none");
    let mut always =
        World::new(Settings { always_uv: true, user_verification: UserVerification::None, ..settings() });
    assert_failed(&always.blobs(set(&whole, 0, Some(100))), Status::PuatRequired);
}

#[test]
fn blobs_token_signs_offset_and_hash_of_each_fragment() {
    let whole = array(1500, 1);
    let mut world = protected();
    let token = world.token(LBW, None);
    let first = signed(set(&whole[..MAX_FRAGMENT], 0, Some(1500)), &token);
    assert_eq!(world.blobs(first.clone()), Response::Empty);
    let second = signed(set(&whole[MAX_FRAGMENT..], MAX_FRAGMENT, None), &token);
    assert_eq!(world.blobs(second.clone()), Response::Empty);
    assert_eq!(world.blob_array(), whole);
    // What signs one fragment is good for no other, and not at another place.
    let swapped = LargeBlobs { pin_uv_auth: second.pin_uv_auth.clone(), ..first.clone() };
    assert_failed(&world.blobs(swapped), Status::PinAuthInvalid);
    assert_eq!(world.blobs(first.clone()), Response::Empty);
    let swapped = LargeBlobs { pin_uv_auth: first.pin_uv_auth.clone(), ..second };
    assert_failed(&world.blobs(swapped), Status::PinAuthInvalid);
    assert_eq!(world.authenticator.pin_tries_left(), Some(8), "no PIN try is counted");
    // The protocol: missing, unknown, another.
    for (protocol, status) in [
        (None, Status::MissingParameter),
        (Some(3), Status::InvalidParameter),
        (Some(1), Status::PinAuthInvalid),
    ] {
        let auth = first.pin_uv_auth.clone().map(|auth| PinUvAuth { protocol, ..auth });
        assert_failed(&world.blobs(LargeBlobs { pin_uv_auth: auth, ..first.clone() }), status);
    }
}

#[test]
fn blobs_token_needs_permission_lbw_and_keeps_it_when_presence_is_spent() {
    let whole = array(100, 1);
    let mut world = protected();
    let token = world.token(CM, None);
    let request = signed(set(&whole, 0, Some(100)), &token);
    assert_failed(&world.blobs(request), Status::PinAuthInvalid);
    let token = world.token(LBW | 0x01, Some(RP));
    let mut registration = create_discoverable(1);
    registration.pin_uv_auth = token.auth(&[&HASH.0]);
    made(world.make(registration, Person::Willing));
    assert_eq!(world.blobs(signed(set(&whole, 0, Some(100)), &token)), Response::Empty);
    assert_eq!(world.blob_array(), whole);
}

#[test]
fn blobs_are_announced_with_their_longest_array() {
    let mut world = unprotected();
    let response = world.ctap(&[0x04], Person::Absent);
    let map = Item::parse(&response[1..], Profile::CTAP2).unwrap().map().unwrap();
    assert_eq!(map.at(0x0B).unwrap().unsigned(), Some(MAX_ARRAY as u64));
    let options = map.at(0x04).unwrap().map().unwrap();
    assert_eq!(options.named("largeBlobs").unwrap().boolean(), Some(true));
}
