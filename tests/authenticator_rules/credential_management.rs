//! authenticatorCredentialManagement (CTAP 2.3 section 6.8).

use countersign::{
    authenticator::{Channel, LargeBlobs, Purpose, Settings, Step},
    cbor::Writer,
    credential::{CredentialRecord, Query, StoreError},
    ctap2::{
        CredentialManagement, CredentialManagementResponse, ManageCredentials, ManagedCredential, PinUvAuth,
        Request, Response, Status,
    },
    webauthn::{CredentialId, RpEntity, RpIdHash, UserEntity},
};

use crate::{
    common::{
        platform::{ACFG, CM, GA, MC, PCMR, Token},
        world::{CHANNEL, Person, World},
    },
    requests::*,
};

const OTHER_RP: &str = "other.example";

fn settings() -> Settings {
    Settings {
        client_pin: true,
        credential_management: true,
        persistent_read_only: true,
        authenticator_config: true,
        ..Settings::security_key()
    }
}

fn empty() -> World {
    let mut world = World::new(settings());
    world.set_pin();
    world
}

/// Three accounts of [`RP`], one of [`OTHER_RP`], and a credential of [`RP`] that is not discoverable.
fn filled() -> World {
    let mut world = empty();
    for number in 1..=3 {
        world.register(create_verified(number));
    }
    let mut other = create_verified(9);
    other.rp = RpEntity { id: rp_id(OTHER_RP), name: Some("Other".into()) };
    world.register(other);
    let mut hidden = create();
    hidden.options.uv = Some(true);
    world.register(hidden);
    world
}

fn signed(subcommand: ManageCredentials, token: &Token) -> CredentialManagement {
    let mut request = CredentialManagement::new(subcommand);
    request.pin_uv_auth = token.auth(&[&request.signed]);
    request
}

fn credentials_of(rp: &str) -> ManageCredentials {
    ManageCredentials::EnumerateCredentialsBegin { rp_id_hash: rp_id(rp).hash() }
}

fn delete(id: &CredentialId) -> ManageCredentials {
    ManageCredentials::Delete { credential: Some(id.clone()) }
}

fn update(id: &CredentialId, user: UserEntity) -> ManageCredentials {
    ManageCredentials::UpdateUser { credential: Some(id.clone()), user }
}

fn unknown_id() -> CredentialId {
    CredentialId::new(&[0xEE; 32]).unwrap()
}

/// The sub-commands that begin something, and so need a token.
fn beginnings() -> Vec<ManageCredentials> {
    vec![
        ManageCredentials::GetMetadata,
        ManageCredentials::EnumerateRpsBegin,
        credentials_of(RP),
        delete(&unknown_id()),
        update(&unknown_id(), user(1)),
    ]
}

impl World {
    fn manage(&mut self, subcommand: ManageCredentials, token: &Token) -> Response {
        self.call(Request::CredentialManagement(signed(subcommand, token)), Person::Absent)
    }

    /// A sub-command without a pinUvAuthParam.
    fn manage_bare(&mut self, subcommand: ManageCredentials) -> Response {
        self.call(Request::CredentialManagement(CredentialManagement::new(subcommand)), Person::Absent)
    }

    fn manage_on(&mut self, channel: Channel, subcommand: ManageCredentials) -> Response {
        let request = Request::CredentialManagement(CredentialManagement::new(subcommand));
        let step = self.authenticator.begin(channel, request, self.now, &mut self.rng);
        self.finish(step, Person::Absent).response
    }

    /// The discoverable record of a user.
    fn of_user(&self, number: u8) -> CredentialRecord {
        let of_user = |record: &CredentialRecord| {
            record.credential.discoverable && record.credential.user.id == user(number).id
        };
        self.records().into_iter().find(of_user).expect("registered")
    }
}

#[track_caller]
fn metadata(response: Response) -> (u64, u64) {
    match response {
        Response::CredentialManagement(CredentialManagementResponse::Metadata { existing, remaining }) => {
            (existing, remaining)
        }
        other => panic!("no metadata: {other:?}"),
    }
}

#[track_caller]
fn relying_party(response: Response) -> (RpEntity, RpIdHash, Option<u64>) {
    match response {
        Response::CredentialManagement(CredentialManagementResponse::RelyingParty {
            rp,
            rp_id_hash,
            total,
        }) => (rp, rp_id_hash, total),
        other => panic!("no relying party: {other:?}"),
    }
}

#[track_caller]
fn credential(response: Response) -> ManagedCredential {
    match response {
        Response::CredentialManagement(CredentialManagementResponse::Credential(credential)) => *credential,
        other => panic!("no credential: {other:?}"),
    }
}

#[test]
fn cm_without_pin_uv_auth_param_is_puat_required() {
    let mut world = filled();
    for subcommand in beginnings() {
        assert_failed(&world.manage_bare(subcommand), Status::PuatRequired);
    }
}

#[test]
fn cm_protocol_is_needed_and_known() {
    let mut world = filled();
    let token = world.token(CM, None);
    let request = signed(ManageCredentials::GetMetadata, &token);
    for (protocol, status) in [
        (None, Status::MissingParameter),
        (Some(0), Status::InvalidParameter),
        (Some(3), Status::InvalidParameter),
        (Some(1), Status::PinAuthInvalid),
    ] {
        let auth = request.pin_uv_auth.clone().map(|auth| PinUvAuth { protocol, ..auth });
        let request = CredentialManagement { pin_uv_auth: auth, ..request.clone() };
        assert_failed(&world.call(Request::CredentialManagement(request), Person::Absent), status);
    }
}

#[test]
fn cm_off_is_an_invalid_command_and_so_is_its_preview() {
    let token = filled().token(CM, None);
    let mut request = signed(ManageCredentials::GetMetadata, &token);
    for (managed, preview, ok, preview_ok) in
        [(false, false, false, false), (true, false, true, false), (true, true, true, true)]
    {
        let mut world = World::new(Settings {
            credential_management: managed,
            credential_management_preview: preview,
            persistent_read_only: false,
            ..settings()
        });
        for (sent_as_preview, ok) in [(false, ok), (true, preview_ok)] {
            request.preview = sent_as_preview;
            let response = world.call(Request::CredentialManagement(request.clone()), Person::Absent);
            // Where the command exists, this authenticator does not know the token.
            assert_failed(&response, if ok { Status::PinAuthInvalid } else { Status::InvalidCommand });
        }
        let info = world.authenticator.info();
        assert_eq!(info.options.contains(&("credMgmt", true)), managed);
        assert_eq!(info.options.contains(&("credentialMgmtPreview", true)), preview);
        assert_eq!(info.versions.contains(&"FIDO_2_1_PRE"), preview);
    }
}

#[test]
fn cm_preview_is_the_same_command() {
    let mut world = World::new(Settings { credential_management_preview: true, ..settings() });
    world.set_pin();
    world.register(create_verified(1));
    let token = world.token(CM, None);
    let preview = |subcommand, token: Option<&Token>| {
        let mut request = CredentialManagement { preview: true, ..CredentialManagement::new(subcommand) };
        request.pin_uv_auth = token.and_then(|token| token.auth(&[&request.signed]));
        Request::CredentialManagement(request).encode()
    };
    let message = preview(ManageCredentials::GetMetadata, Some(&token));
    assert_eq!(message[0], 0x41);
    assert_eq!(world.ctap(&message, Person::Absent)[..4], [0, 0xA2, 0x01, 0x01]);
    assert_eq!(world.ctap(&preview(ManageCredentials::GetMetadata, None), Person::Absent), [0x36]);
    let id = world.of_user(1).credential.id;
    assert_eq!(world.ctap(&preview(delete(&id), Some(&token)), Person::Absent), [0]);
    assert!(world.records().is_empty());
}

#[test]
fn cm_param_is_over_the_parameters_as_they_were_received() {
    let mut world = filled();
    let token = world.token(CM, None);
    let hash = rp_id(RP).hash().0;
    let parameters = |unknown: bool| {
        let mut writer = Writer::new();
        writer.map(if unknown { 2 } else { 1 }).unsigned(1).bytes(&hash);
        if unknown {
            // Not known, and tolerated.
            writer.unsigned(9).boolean(true);
        }
        writer.finish()
    };
    let mut send = |signed: &[u8]| {
        let auth = token.auth(&[&[0x04], signed]).unwrap();
        let mut message = Writer::after(0x0A);
        message.map(4).unsigned(1).unsigned(4).unsigned(2).raw(&parameters(true));
        message.unsigned(3).unsigned(2).unsigned(4).bytes(&auth.param);
        world.ctap(&message.finish(), Person::Absent)[0]
    };
    assert_eq!(send(&parameters(false)), Status::PinAuthInvalid.byte());
    assert_eq!(send(&[]), Status::PinAuthInvalid.byte());
    assert_eq!(send(&parameters(true)), 0);
}

#[test]
fn cm_wrong_token_costs_no_pin_try() {
    let mut world = filled();
    let good = world.token(CM, None);
    let mut others = vec![world.token(MC | GA | ACFG, Some(RP))];
    others.push(good);
    for token in &others {
        for subcommand in beginnings() {
            assert_failed(&world.manage(subcommand, token), Status::PinAuthInvalid);
        }
    }
    assert_eq!(world.authenticator.pin_tries_left(), Some(8));
    assert_eq!(world.records().len(), 5);
}

#[test]
fn cm_metadata_counts_what_can_be_discovered() {
    let mut world = empty();
    let token = world.token(CM, None);
    let (existing, remaining) = metadata(world.manage(ManageCredentials::GetMetadata, &token));
    assert_eq!(existing, 0, "none is no error");
    assert_eq!(remaining, u64::from(u32::MAX), "a store without a limit");
    let mut world = filled();
    let token = world.token(CM, None);
    assert_eq!(metadata(world.manage(ManageCredentials::GetMetadata, &token)).0, 4);
}

#[test]
fn cm_metadata_tells_the_room_of_the_store() {
    let mut world = empty();
    world.store = countersign::credential::MemoryStore::with_capacity(7);
    world.register(create_verified(1));
    world.register(create_verified(2));
    let token = world.token(CM, None);
    assert_eq!(metadata(world.manage(ManageCredentials::GetMetadata, &token)), (2, 5));
}

#[test]
fn cm_enumeration_of_nothing_is_no_credentials() {
    let mut world = empty();
    let mut hidden = create();
    hidden.options.uv = Some(true);
    world.register(hidden);
    let token = world.token(CM, None);
    assert_failed(&world.manage(ManageCredentials::EnumerateRpsBegin, &token), Status::NoCredentials);
    assert_failed(&world.manage(credentials_of(RP), &token), Status::NoCredentials);
}

#[test]
fn cm_enumerates_each_relying_party_once() {
    let mut world = filled();
    let token = world.token(CM, None);
    let first = relying_party(world.manage(ManageCredentials::EnumerateRpsBegin, &token));
    let second = relying_party(world.manage_bare(ManageCredentials::EnumerateRpsNext));
    assert_failed(&world.manage_bare(ManageCredentials::EnumerateRpsNext), Status::NotAllowed);
    assert_eq!((first.2, second.2), (Some(2), None));
    for ((rp, hash, _), id) in [first, second].into_iter().zip([RP, OTHER_RP]) {
        assert_eq!((rp.id, hash), (rp_id(id), rp_id(id).hash()));
    }
}

#[test]
fn cm_enumerates_credentials_newest_first_with_all_there_is_to_know() {
    let mut world = filled();
    let mut strict = protected(create_verified(4), 3);
    strict.algorithms = vec![EDDSA];
    world.now.ticks += 1;
    world.register(strict);
    let token = world.token(CM, None);
    let mut found = vec![credential(world.manage(credentials_of(RP), &token))];
    for _ in 1..4 {
        found.push(credential(world.manage_bare(ManageCredentials::EnumerateCredentialsNext)));
    }
    assert_failed(&world.manage_bare(ManageCredentials::EnumerateCredentialsNext), Status::NotAllowed);
    for (index, (found, number)) in found.iter().zip([4, 3, 2, 1]).enumerate() {
        let record = world.of_user(number);
        assert_eq!(found.total, (index == 0).then_some(4));
        assert_eq!(found.user, user(number), "with its names");
        assert_eq!(found.credential, record.credential.id);
        assert_eq!(found.cred_protect, if number == 4 { 3 } else { 1 });
        let (algorithm, key) = &found.public_key;
        assert_eq!(algorithm.identifier(), if number == 4 { EDDSA } else { ES256 });
        // The key that was told signs.
        let mut request = get_named(&[&found.credential]);
        request.options.uv = Some(true);
        let assertion = asserted(world.get(request, Person::Willing));
        assert_signed(key, &[&assertion.auth_data, &HASH.0], &assertion.signature);
    }
}

#[test]
fn cm_tells_what_extensions_keep() {
    let mut world = World::new(Settings { large_blobs: LargeBlobs::Array { max_bytes: 1024 }, ..settings() });
    world.set_pin();
    let mut request = create_verified(1);
    request.extensions.large_blob_key = Some(true);
    request.extensions.third_party_payment = Some(true);
    let key = made(world.make(request, Person::Willing)).large_blob_key;
    world.register(create_verified(2));
    let token = world.token(CM, None);
    let plain = credential(world.manage(credentials_of(RP), &token));
    let extended = credential(world.manage_bare(ManageCredentials::EnumerateCredentialsNext));
    assert!(key.is_some() && extended.large_blob_key == key && plain.large_blob_key.is_none());
    assert_eq!((extended.third_party_payment, plain.third_party_payment), (Some(true), Some(false)));
}

#[test]
fn cm_bound_token_sees_and_changes_its_relying_party_only() {
    let mut world = filled();
    let (mine, others) = (world.of_user(1).credential.id, world.of_user(9).credential.id);
    let token = world.token(CM, Some(RP));
    for refused in [
        ManageCredentials::GetMetadata,
        ManageCredentials::EnumerateRpsBegin,
        credentials_of(OTHER_RP),
        delete(&others),
        update(&others, user(9)),
    ] {
        assert_failed(&world.manage(refused, &token), Status::PinAuthInvalid);
    }
    assert_failed(&world.manage(delete(&unknown_id()), &token), Status::NoCredentials);
    assert_eq!(credential(world.manage(credentials_of(RP), &token)).total, Some(3));
    assert_eq!(world.manage(update(&mine, user(1)), &token), Response::Empty);
    assert_eq!(world.manage(delete(&mine), &token), Response::Empty);
    assert_eq!(world.records().len(), 4);
}

#[test]
fn cm_persistent_token_reads_and_changes_nothing() {
    let mut world = filled();
    let id = world.of_user(1).credential.id;
    let token = world.token(PCMR, None);
    assert_eq!(metadata(world.manage(ManageCredentials::GetMetadata, &token)).0, 4);
    assert_failed(&world.manage(delete(&id), &token), Status::PinAuthInvalid);
    assert_failed(&world.manage(update(&id, user(1)), &token), Status::PinAuthInvalid);
    // It outlives power-down, and time.
    world.power_cycle();
    world.now.ticks = 3_600_000;
    relying_party(world.manage(ManageCredentials::EnumerateRpsBegin, &token));
    relying_party(world.manage_bare(ManageCredentials::EnumerateRpsNext));
    credential(world.manage(credentials_of(RP), &token));
    credential(world.manage_bare(ManageCredentials::EnumerateCredentialsNext));
    assert_eq!(world.records().len(), 5);
}

#[test]
fn cm_enumeration_cursor_dies_with_any_other_command() {
    let interruptions: [fn(&mut World); 8] = [
        |world| _ = world.ctap(&[0x04], Person::Absent),
        |world| _ = world.ctap(&[0xFF], Person::Absent),
        |world| _ = world.call(Request::Selection, Person::Willing),
        |world| _ = world.get(get(), Person::Willing),
        |world| _ = world.manage_bare(ManageCredentials::GetMetadata),
        |world| _ = world.token(CM, None),
        |world| world.authenticator.lock(),
        |world| world.now.ticks += 30_001,
    ];
    for interrupt in interruptions {
        let mut world = filled();
        for (begin, next) in [
            (ManageCredentials::EnumerateRpsBegin, ManageCredentials::EnumerateRpsNext),
            (credentials_of(RP), ManageCredentials::EnumerateCredentialsNext),
        ] {
            let token = world.token(CM, None);
            assert!(matches!(world.manage(begin, &token), Response::CredentialManagement(_)));
            interrupt(&mut world);
            assert_failed(&world.manage_bare(next), Status::NotAllowed);
        }
    }
}

#[test]
fn cm_enumeration_goes_on_with_its_own_kind_and_on_its_own_channel() {
    let mut world = filled();
    let token = world.token(CM, None);
    let (rps, credentials) =
        (ManageCredentials::EnumerateRpsNext, ManageCredentials::EnumerateCredentialsNext);
    for next in [rps.clone(), credentials.clone()] {
        assert_failed(&world.manage_bare(next), Status::NotAllowed);
    }
    relying_party(world.manage(ManageCredentials::EnumerateRpsBegin, &token));
    assert_failed(&world.manage_bare(credentials.clone()), Status::NotAllowed);
    assert_failed(&world.manage_bare(rps.clone()), Status::NotAllowed);
    credential(world.manage(credentials_of(RP), &token));
    assert_failed(&world.manage_bare(rps.clone()), Status::NotAllowed);
    let stranger = Channel(CHANNEL.0 + 1);
    for (begin, next) in [(ManageCredentials::EnumerateRpsBegin, rps), (credentials_of(RP), credentials)] {
        assert!(matches!(world.manage(begin, &token), Response::CredentialManagement(_)));
        assert_failed(&world.manage_on(stranger, next.clone()), Status::NotAllowed);
        assert_failed(&world.manage_bare(next), Status::NotAllowed);
    }
}

#[test]
fn cm_enumeration_has_30_seconds_for_each_step_and_ends_with_its_token() {
    let mut world = filled();
    let token = world.token(CM, None);
    credential(world.manage(credentials_of(RP), &token));
    for _ in 0..2 {
        world.now.ticks += 30_000;
        credential(world.manage_bare(ManageCredentials::EnumerateCredentialsNext));
    }
    // The token is over 10 minutes after it was made.
    let begun = world.now.ticks;
    let token = world.token(CM, None);
    for seconds in (20..=580).step_by(20) {
        world.now.ticks = begun + seconds * 1000;
        assert_eq!(metadata(world.manage(ManageCredentials::GetMetadata, &token)).0, 4);
    }
    world.now.ticks = begun + 599_000;
    credential(world.manage(credentials_of(RP), &token));
    credential(world.manage_bare(ManageCredentials::EnumerateCredentialsNext));
    world.now.ticks = begun + 600_000;
    assert_failed(&world.manage_bare(ManageCredentials::EnumerateCredentialsNext), Status::NotAllowed);
}

#[test]
fn cm_enumeration_passes_over_what_the_host_deleted_meanwhile() {
    let mut world = filled();
    let token = world.token(CM, None);
    credential(world.manage(credentials_of(RP), &token));
    let second = world.of_user(2).credential.id;
    world.delete(&second);
    let next = credential(world.manage_bare(ManageCredentials::EnumerateCredentialsNext));
    assert_eq!(next.user.id, user(1).id);
    // And ends where nothing is left.
    credential(world.manage(credentials_of(RP), &token));
    let first = world.of_user(1).credential.id;
    world.delete(&first);
    assert_failed(&world.manage_bare(ManageCredentials::EnumerateCredentialsNext), Status::NotAllowed);
}

#[test]
fn cm_delete_removes_the_credential_in_one_commit() {
    let mut world = filled();
    let id = world.of_user(2).credential.id;
    let token = world.token(CM, None);
    let step = world.begin(Request::CredentialManagement(signed(delete(&id), &token)));
    let (changes, pending) = world.until_commit(step, Person::Absent);
    assert_eq!(changes.delete, std::slice::from_ref(&id));
    assert!(changes.put.is_empty() && changes.update.is_empty() && !changes.clear);
    let step =
        world.authenticator.committed(pending, Err(StoreError::Unavailable), world.now, &mut world.rng);
    assert_failed(&done(step), Status::Other);
    assert!(world.record(&id).is_some());
    assert_eq!(world.manage(delete(&id), &token), Response::Empty);
    assert!(world.record(&id).is_none() && world.records().len() == 4);
    assert_failed(&world.manage(delete(&id), &token), Status::NoCredentials);
}

#[test]
fn cm_finds_no_credential_that_is_unknown_or_not_discoverable() {
    let mut world = filled();
    let hidden = world.records().into_iter().find(|record| !record.credential.discoverable).unwrap();
    let token = world.token(CM, None);
    for id in [hidden.credential.id, unknown_id()] {
        assert_failed(&world.manage(delete(&id), &token), Status::NoCredentials);
        assert_failed(&world.manage(update(&id, user(1)), &token), Status::NoCredentials);
    }
    // An identifier that none can have: { 2: { "id": h'', "type": "public-key" } }.
    let none = ManageCredentials::Delete { credential: None };
    let parameters = hex::decode("a102a26269644064747970656a7075626c69632d6b6579").unwrap();
    let mut request = CredentialManagement::new(none);
    request.signed = [&[0x06][..], &parameters].concat();
    request.pin_uv_auth = token.auth(&[&request.signed]);
    assert_failed(&world.call(Request::CredentialManagement(request), Person::Absent), Status::NoCredentials);
    assert_eq!(world.records().len(), 5);
}

#[test]
fn cm_update_replaces_both_names_and_nothing_else() {
    let mut world = filled();
    let before = world.of_user(2);
    let id = before.credential.id.clone();
    let token = world.token(CM, None);
    let names = |name: Option<&str>, display: Option<&str>| UserEntity {
        id: user(2).id,
        name: name.map(Into::into),
        display_name: display.map(Into::into),
    };
    let long = "é".repeat(60);
    for (sent, stored) in [
        (names(Some("new"), Some("New Name")), names(Some("new"), Some("New Name"))),
        // "If a field is not present in the passed-in user details, or it is present and empty, remove it".
        (names(Some("new"), None), names(Some("new"), None)),
        (names(Some(""), Some("Only this")), names(None, Some("Only this"))),
        (names(Some(&long), Some(&long)), names(Some(&long[..64]), Some(&long[..64]))),
        (names(None, None), names(None, None)),
    ] {
        assert_eq!(world.manage(update(&id, sent), &token), Response::Empty);
        let after = world.record(&id).unwrap();
        assert_eq!(after.credential.user, stored);
        let mut expected = before.clone_secret();
        expected.credential.user = stored;
        assert_eq!(after.encode().expose(), expected.encode().expose());
    }
}

#[test]
fn cm_update_of_another_user_is_an_invalid_parameter() {
    let mut world = filled();
    let id = world.of_user(2).credential.id;
    let kept = world.kept();
    let token = world.token(CM, None);
    assert_failed(&world.manage(update(&id, user(3)), &token), Status::InvalidParameter);
    assert!(world.kept().0 == kept.0);
}

#[test]
fn cm_update_does_not_bring_back_what_was_deleted_meanwhile() {
    let mut world = filled();
    let id = world.of_user(2).credential.id;
    let token = world.token(CM, None);
    let step = world.begin(Request::CredentialManagement(signed(update(&id, user(2)), &token)));
    let (changes, pending) = world.until_commit(step, Person::Absent);
    world.delete(&id);
    let step = world.commit(changes, pending);
    assert_failed(&done(step), Status::NoCredentials);
    assert!(world.record(&id).is_none());
}

#[test]
fn cm_changes_the_state_of_stored_credentials() {
    // Member 15 of the state counts, once a persistent token was given out.
    let mut world = filled();
    world.token(PCMR, None);
    let token = world.token(CM, None);
    let (first, second) = (world.of_user(1).credential.id, world.of_user(2).credential.id);
    let mut seen = vec![world.kept().1];
    assert_eq!(world.manage(update(&first, user(1)), &token), Response::Empty);
    seen.push(world.kept().1);
    assert_eq!(world.manage(delete(&second), &token), Response::Empty);
    seen.push(world.kept().1);
    assert_failed(&world.manage(delete(&second), &token), Status::NoCredentials);
    assert!(seen[0] != seen[1] && seen[1] != seen[2]);
    assert!(world.kept().1 == seen[2], "a refused one changes nothing");
}

#[test]
fn cm_over_a_locked_store_asks_to_unlock_it() {
    let mut world = filled();
    let token = world.token(CM, None);
    let step = world.begin(Request::CredentialManagement(signed(ManageCredentials::GetMetadata, &token)));
    let Step::Survey(pending) = step else { panic!("no survey") };
    let step = world.authenticator.surveyed(pending, Err(StoreError::Locked), world.now);
    let Step::Ask(question, pending) = step else { panic!("no question") };
    assert_eq!(question.purpose, Purpose::Unlock);
    let unlocked = countersign::authenticator::Answer::Unlocked;
    let step = world.authenticator.answer(pending, unlocked, world.now, &mut world.rng);
    assert!(matches!(step, Step::Survey(_)));
    assert_eq!(metadata(world.finish(step, Person::Absent).response).0, 4);

    let step = world.begin(Request::CredentialManagement(signed(credentials_of(RP), &token)));
    let Step::Load(Query::OfHash(_), pending) = step else { panic!("no look-up") };
    let step = world.authenticator.loaded(pending, Err(StoreError::Locked), world.now, &mut world.rng);
    let Step::Ask(_, pending) = step else { panic!("no question") };
    let declined = countersign::authenticator::Answer::Declined;
    let step = world.authenticator.answer(pending, declined, world.now, &mut world.rng);
    assert_failed(&done(step), Status::OperationDenied);
}

#[test]
fn cm_survey_of_an_overtaken_command_is_stale() {
    let mut world = filled();
    let token = world.token(CM, None);
    let step = world.begin(Request::CredentialManagement(signed(ManageCredentials::GetMetadata, &token)));
    let Step::Survey(pending) = step else { panic!("no survey") };
    world.call(Request::Selection, Person::Willing);
    let step = world.authenticator.surveyed(pending, Ok(Default::default()), world.now);
    assert_failed(&done(step), Status::KeepaliveCancel);
}
