//! largeBlob (CTAP 2.3 section 12.4): a blob for each credential.

use countersign::{
    authenticator::{LargeBlobs, Settings, UserVerification},
    credential::{CredentialRecord, LargeBlob, MemoryStore},
    ctap2::{
        GetAssertion, LargeBlobInput, LargeBlobOutput, LargeBlobSupport, MakeCredential, Request, Response,
        Status,
    },
    secret::SecretBytes,
};

use crate::{
    common::world::{Person, World},
    requests::*,
};

const MAX_BYTES: usize = 1024;

fn settings() -> Settings {
    Settings {
        large_blobs: LargeBlobs::PerCredential { max_bytes: MAX_BYTES },
        user_verification: UserVerification::None,
        ..Settings::security_key()
    }
}

fn registered() -> (World, CredentialRecord) {
    let mut world = World::new(settings());
    let record = world.register(create_discoverable(1));
    (world, record)
}

fn wishing(mut request: MakeCredential, support: LargeBlobSupport) -> MakeCredential {
    request.extensions.large_blob = Some(support);
    request
}

fn reading(mut request: GetAssertion) -> GetAssertion {
    request.extensions.large_blob = Some(LargeBlobInput::Read);
    request
}

fn writing(mut request: GetAssertion, blob: &[u8], original_size: u64) -> GetAssertion {
    request.extensions.large_blob = Some(LargeBlobInput::Write { blob: blob.to_vec(), original_size });
    request
}

fn output(world: &mut World, request: GetAssertion) -> Option<LargeBlobOutput> {
    let response = asserted(world.get(request, Person::Willing));
    assert!(view(&response.auth_data).extensions().is_none(), "its outputs are unsigned");
    response.large_blob
}

fn written(yes: bool) -> Option<LargeBlobOutput> {
    Some(LargeBlobOutput::Written(yes))
}

fn blob(blob: &[u8], original_size: u64) -> Option<LargeBlobOutput> {
    Some(LargeBlobOutput::Blob { blob: blob.to_vec(), original_size })
}

#[test]
fn large_blob_support_is_said_only_where_it_is_asked() {
    let mut world = World::new(settings());
    for support in [LargeBlobSupport::Required, LargeBlobSupport::Preferred] {
        let response = made(world.make(wishing(create_discoverable(1), support), Person::Willing));
        assert!(response.large_blob_supported);
        assert!(view(&response.auth_data).extensions().is_none(), "its outputs are unsigned");
    }
    assert!(!made(world.make(create_discoverable(1), Person::Willing)).large_blob_supported);
}

#[test]
fn large_blob_required_without_rk_is_large_blob_storage_full_and_preferred_is_not() {
    let mut world = World::new(settings());
    let required = wishing(create(), LargeBlobSupport::Required);
    let (response, asked) = world.questions_of(|world| world.make(required, Person::Willing));
    assert_failed(&response, Status::LargeBlobStorageFull);
    assert_eq!(response.encode(), [0x18]);
    assert!(asked.is_empty() && world.records().is_empty());
    let preferred = wishing(create(), LargeBlobSupport::Preferred);
    assert!(!made(world.make(preferred, Person::Willing)).large_blob_supported);
}

#[test]
fn large_blob_is_read_as_it_was_written_last() {
    let (mut world, record) = registered();
    let named = || get_named(&[&record.credential.id]);
    assert_eq!(output(&mut world, reading(named())), None, "there is none yet");
    for (bytes, size) in [(&b"first"[..], 777), (b"", 0), (&[0xb1; MAX_BYTES], u64::MAX)] {
        assert_eq!(output(&mut world, writing(named(), bytes, size)), written(true));
        world.power_cycle();
        assert_eq!(output(&mut world, reading(named())), blob(bytes, size));
        assert_eq!(output(&mut world, reading(get())), blob(bytes, size), "reading names nothing");
    }
}

#[test]
fn large_blob_that_is_too_long_is_not_written_and_no_error() {
    let (mut world, record) = registered();
    let named = || get_named(&[&record.credential.id]);
    assert_eq!(output(&mut world, writing(named(), b"old", 3)), written(true));
    let long = [0xb1; MAX_BYTES + 1];
    assert_eq!(output(&mut world, writing(named(), &long, 9999)), written(false));
    assert_eq!(output(&mut world, reading(named())), blob(b"old", 3));
}

#[test]
fn large_blob_is_written_to_a_credential_that_the_request_names() {
    let (mut world, record) = registered();
    assert_eq!(output(&mut world, writing(get(), b"blob", 4)), written(false));
    assert_eq!(output(&mut world, reading(get())), None);
    // The next one in a row was not named either.
    world.register(create_discoverable(2));
    assert_eq!(output(&mut world, writing(get(), b"blob", 4)), written(false));
    assert_eq!(asserted(world.next()).large_blob, written(false));
    // Named are both; written to is the one that signs.
    let second = world.register(create_discoverable(2));
    let both = get_named(&[&record.credential.id, &second.credential.id]);
    assert_eq!(output(&mut world, writing(both, b"blob", 4)), written(true));
    assert_eq!(output(&mut world, reading(get_named(&[&record.credential.id]))), None);
    assert_eq!(output(&mut world, reading(get_named(&[&second.credential.id]))), blob(b"blob", 4));
}

#[test]
fn large_blob_is_read_but_not_written_without_a_touch() {
    let (mut world, record) = registered();
    let named = || get_named(&[&record.credential.id]);
    let silent = || GetAssertion { allow_list: named().allow_list, ..get_silently() };
    assert_eq!(output(&mut world, writing(named(), b"old", 3)), written(true));
    assert_eq!(output(&mut world, writing(silent(), b"new", 3)), written(false));
    assert_eq!(output(&mut world, reading(silent())), blob(b"old", 3));
}

#[test]
fn large_blob_of_a_credential_that_is_not_discoverable_is_not_written() {
    let mut world = World::new(settings());
    let record = world.register(create());
    let named = || get_named(&[&record.credential.id]);
    assert_eq!(output(&mut world, writing(named(), b"blob", 4)), written(false));
    assert_eq!(output(&mut world, reading(named())), None);
}

#[test]
fn large_blob_is_committed_before_written_is_said() {
    let (mut world, record) = registered();
    let kept = world.kept();
    let request = writing(get_named(&[&record.credential.id]), b"blob", 4);
    let step = world.begin(Request::GetAssertion(request));
    let (changes, pending) = world.until_commit(step, Person::Willing);
    assert!(world.kept() == kept, "nothing yet");
    let [update] = changes.update.as_slice() else { panic!() };
    assert_eq!(update.extensions.large_blob.as_ref().unwrap().data.expose(), b"blob");
    assert!(changes.put.is_empty() && changes.delete.is_empty());
    let response = asserted(done(world.commit(changes, pending)));
    assert_eq!(response.large_blob, written(true));
    assert_assertion_signed(&record, &response);
}

#[test]
fn large_blob_is_committed_where_nothing_else_of_an_assertion_is() {
    let mut world = World::new(host_verified(Settings {
        large_blobs: settings().large_blobs,
        ..Settings::credential_manager()
    }));
    world.now.date = None;
    let record = world.register(create_verified(1));
    let named = || get_named(&[&record.credential.id]);
    assert_eq!(output(&mut world, writing(named(), b"blob", 4)), written(true));
    let kept = world.record(&record.credential.id).unwrap();
    assert_eq!(kept.credential, record.credential, "the rest of the record stays as it was");
    let before = world.kept();
    assert_eq!(output(&mut world, reading(named())), blob(b"blob", 4));
    assert_eq!(output(&mut world, writing(named(), &[0; MAX_BYTES + 1], 4)), written(false));
    assert!(world.kept() == before, "reading, and writing in vain, commit nothing");
}

#[test]
fn large_blob_of_a_credential_that_vanishes_is_not_said_to_be_written() {
    let (mut world, record) = registered();
    let request = writing(get_named(&[&record.credential.id]), b"blob", 4);
    let step = world.begin(Request::GetAssertion(request));
    let (changes, pending) = world.until_commit(step, Person::Willing);
    world.store = MemoryStore::default();
    assert!(matches!(done(world.commit(changes, pending)), Response::Failed(_)));
}

/// Whatever is written can be read again in one message, with everything else that an assertion may say.
#[test]
fn large_blob_that_could_not_be_read_again_is_not_written() {
    let settings = host_verified(Settings {
        large_blobs: LargeBlobs::PerCredential { max_bytes: 65_536 },
        max_msg_size: 2048,
        ..Settings::security_key()
    });
    let mut world = World::new(settings);
    let mut request = create_verified(1);
    request.user.name = Some("n".repeat(64).into());
    request.user.display_name = Some("d".repeat(64).into());
    request.extensions.cred_blob = Some(vec![7; 64]);
    let record = world.register(request);
    let named = || get_named(&[&record.credential.id]);
    let fits = |world: &mut World, length: usize| {
        output(world, writing(named(), &vec![0xb1; length], 1)) == written(true)
    };
    let longest = (0..2048).rev().find(|length| fits(&mut world, *length)).unwrap();
    assert!(longest > 1024, "{longest}");
    let mut most = GetAssertion { options: get_verified().options, ..reading(named()) };
    most.extensions.cred_blob = Some(true);
    most.extensions.third_party_payment = Some(true);
    let mut platform =
        crate::hmac_secret::Platform::new(&mut world, countersign::pin_uv::PinUvAuthProtocol::Two);
    most.extensions.hmac_secret = Some(platform.input(&[5; 64]));
    let response = world.get(most, Person::Willing);
    assert!(asserted(response.clone()).user.unwrap().name.is_some(), "names and all");
    assert_eq!(asserted(response.clone()).large_blob, blob(&vec![0xb1; longest], 1));
    assert!(response.encode().len() <= 2048, "{}", response.encode().len());
}

#[test]
fn large_blob_that_does_not_fit_into_a_message_is_not_said() {
    let mut world = World::new(Settings { max_msg_size: 2048, ..settings() });
    let mut record = world.register(create_discoverable(1));
    for (length, fits) in [(1024, true), (2048, false)] {
        let data = SecretBytes::new(vec![0xb1; length]);
        record.extensions.large_blob = Some(LargeBlob { data, uncompressed_size: 1 });
        world.update(record.clone_secret()).unwrap();
        assert_eq!(output(&mut world, reading(get())).is_some(), fits, "{length}");
    }
}

#[test]
fn large_blob_ends_with_its_credential() {
    let (mut world, record) = registered();
    let request = writing(get_named(&[&record.credential.id]), b"blob", 4);
    assert_eq!(output(&mut world, request), written(true));
    world.register(create_discoverable(1));
    assert_eq!(output(&mut world, reading(get())), None);
}

#[test]
fn large_blob_is_ignored_where_large_blobs_are_kept_in_another_way_or_not_at_all() {
    for large_blobs in [LargeBlobs::None, LargeBlobs::Array { max_bytes: 1024 }] {
        let mut world = World::new(Settings { large_blobs, ..settings() });
        let required = wishing(create(), LargeBlobSupport::Required);
        assert!(!made(world.make(required, Person::Willing)).large_blob_supported);
        let required = wishing(create_discoverable(1), LargeBlobSupport::Required);
        assert!(!made(world.make(required, Person::Willing)).large_blob_supported);
        let id = world.records().remove(0).credential.id;
        assert_eq!(output(&mut world, writing(get_named(&[&id]), b"blob", 4)), None);
        assert_eq!(output(&mut world, reading(get_named(&[&id]))), None);
    }
}
