//! Power cuts: each command is cut at each of its writes, just before the store has it and just after, before the
//! authenticator learned of it. Afterwards the authenticator starts from what is stored, no credential is lost, no PIN try
//! is refilled, and everything is as it was before the command or as the command was to leave it.

mod common;

use std::{collections::BTreeMap, sync::Arc};

use common::{
    attesters::attester,
    platform::{ACFG, CM, GA, LBW, PCMR, Platform, Token},
    seeded_rng::SeededRng,
    world::{PIN, Person, World, answer},
};
use countersign::{
    attestation::EnterpriseAttester,
    authenticator::{Answer, Authenticator, LargeBlobs as LargeBlobsSetting, PinEntry, Settings, Step, Turn},
    credential::{CredentialRecord, CredentialStore, StateStore},
    crypto::{RustCrypto, sha256},
    ctap2::{
        ClientPin, ClientPinResponse, Config, Configure, CredentialManagement, GetAssertion,
        GetAssertionExtensions, LargeBlobInput, LargeBlobs, LargeBlobsResponse, MakeCredential,
        MakeCredentialExtensions, ManageCredentials, Options, Request, Response, SetMinPinLength, Status,
    },
    pin_uv::PinUvAuthProtocol,
    webauthn::{
        AuthenticatorDataView, ClientDataHash, CredentialDescriptor, CredentialId, RpEntity, RpId,
        UserEntity, UserHandle,
    },
};

const HASH: ClientDataHash = ClientDataHash([0xcd; 32]);
const NEW_PIN: &str = "98765";
const ARRAY: LargeBlobsSetting = LargeBlobsSetting::Array { max_bytes: 4096 };
/// A large blob of a credential's own.
const BLOB: &[u8] = &[0xb1; 100];
/// Left of the 8 when the command begins.
const TRIES: u8 = 6;

/// The power went.
#[derive(Debug)]
struct Cut;

/// A world whose power goes at one of its writes.
struct Rig {
    world: World,
    /// How many writes there were.
    writes: usize,
    /// At which write the power goes, and whether that one is still stored.
    cut: Option<(usize, bool)>,
    /// The credential that is nowhere but in its identifier.
    wrapped: CredentialId,
    token: Option<Token>,
}

fn rp_id() -> RpId {
    RpId::new("example.com").unwrap()
}

fn user(number: u8) -> UserEntity {
    UserEntity { id: UserHandle::new(&[number; 8]).unwrap(), name: Some("name".into()), display_name: None }
}

fn create(number: u8, rk: bool) -> Request {
    Request::MakeCredential(MakeCredential {
        client_data_hash: HASH,
        rp: RpEntity { id: rp_id(), name: None },
        user: user(number),
        algorithms: vec![-7],
        exclude_list: Vec::new(),
        extensions: MakeCredentialExtensions::default(),
        options: Options { rk: Some(rk), uv: Some(true), ..Options::default() },
        pin_uv_auth: None,
        enterprise_attestation: None,
        attestation_formats_preference: Vec::new(),
    })
}

fn get(named: Option<&CredentialId>, uv: bool) -> Request {
    Request::GetAssertion(GetAssertion {
        rp_id: rp_id(),
        client_data_hash: HASH,
        allow_list: named.map(|id| vec![CredentialDescriptor { id: id.clone() }]),
        extensions: GetAssertionExtensions::default(),
        options: Options { uv: Some(uv), ..Options::default() },
        pin_uv_auth: None,
    })
}

/// An assertion that writes a large blob of the credential's own.
fn write_blob(named: &CredentialId) -> Request {
    let Request::GetAssertion(mut request) = get(Some(named), false) else { unreachable!() };
    let write = LargeBlobInput::Write { blob: BLOB.to_vec(), original_size: 500 };
    request.extensions.large_blob = Some(write);
    Request::GetAssertion(request)
}

fn made(response: &Response) -> CredentialId {
    let Response::MakeCredential(response) = response else { panic!("no registration: {response:?}") };
    AuthenticatorDataView::parse(&response.auth_data).unwrap().attested.unwrap().1
}

fn counter(response: &Response) -> u32 {
    let Response::GetAssertion(response) = response else { panic!("no assertion: {response:?}") };
    AuthenticatorDataView::parse(&response.auth_data).unwrap().sign_count
}

/// A whole large-blob array.
fn blob_array(length: usize) -> Vec<u8> {
    let mut array = vec![0x80; length - 16];
    let hash = sha256(&array);
    array.extend_from_slice(&hash[..16]);
    array
}

impl Rig {
    /// A security key with a PIN of which two tries are spent, two accounts, and a wrapped credential.
    fn new(cut: Option<(usize, bool)>, large_blobs: LargeBlobsSetting) -> Self {
        let settings = Settings { max_msg_size: 1024, large_blobs, ..Settings::security_key() };
        let mut world = World::exactly(settings, SeededRng(0));
        world.set_pin();
        for number in [1, 2] {
            made(&world.call(create(number, true), Person::Willing));
        }
        let wrapped = made(&world.call(create(3, false), Person::Willing));
        assert_eq!(world.store.records().count(), 2, "the third is wrapped");
        for _ in TRIES..8 {
            assert_eq!(world.try_token("0000", GA, Some("example.com")).err(), Some(Status::PinInvalid));
        }
        world.power_cycle();
        let mut rig = Self { world, writes: 0, cut, wrapped, token: None };
        rig.plug_in_attesters();
        assert_eq!(rig.world.authenticator.pin_tries_left(), Some(TRIES));
        rig
    }

    /// Gets a token before anything is cut. It gives the tries back; they are spent again.
    fn with_token(mut self, permissions: u64) -> Self {
        let token = self.world.token(permissions, None);
        for _ in TRIES..8 {
            assert_eq!(self.world.try_token("0000", PCMR, None).err(), Some(Status::PinInvalid));
        }
        self.token = Some(token);
        self
    }

    /// Powers up with attesters, which enterprise attestation and U2F need.
    fn plug_in_attesters(&mut self) {
        let settings = self.world.authenticator.settings().clone();
        let state = self.world.store.load_state().unwrap();
        let vouching = attester("fido-u2f.ES256");
        let enterprise = EnterpriseAttester {
            attester: Arc::clone(&vouching),
            vendor_facilitated: vec![],
            platform_managed: true,
        };
        let authenticator = Authenticator::new(settings, state.as_ref(), Arc::new(RustCrypto)).unwrap();
        self.world.authenticator = authenticator
            .with_attester(vouching)
            .and_then(|authenticator| authenticator.with_enterprise_attester(enterprise))
            .unwrap();
    }

    fn call(&mut self, request: Request, person: Person) -> Result<Response, Cut> {
        let step = self.world.begin(request);
        self.drive(step, person)
    }

    fn drive(&mut self, mut step: Step, person: Person) -> Result<Response, Cut> {
        let World { authenticator, store, rng, now, .. } = &mut self.world;
        loop {
            step = match step {
                Step::Done(outcome) => return Ok(outcome.response),
                Step::Ask(question, pending) => {
                    authenticator.answer(pending, answer(&question, person), *now, rng)
                }
                Step::Load(query, pending) => authenticator.loaded(pending, store.load(&query), *now, rng),
                Step::Survey(pending) => authenticator.surveyed(pending, store.survey(), *now),
                Step::Commit(changes, pending) => {
                    let this = self.writes;
                    self.writes += 1;
                    match self.cut {
                        Some((at, stored)) if at == this => {
                            if stored {
                                store.commit(changes).unwrap();
                            }
                            return Err(Cut);
                        }
                        _ => authenticator.committed(pending, store.commit(changes), *now, rng),
                    }
                }
            };
        }
    }

    /// A command that is to succeed.
    fn succeed(&mut self, request: Request) -> Result<(), Cut> {
        let response = self.call(request, Person::Willing)?;
        assert!(!matches!(response, Response::Failed(_)), "{response:?}");
        Ok(())
    }

    fn fail(&mut self, request: Request, person: Person, status: Status) -> Result<(), Cut> {
        let response = self.call(request, person)?;
        assert_eq!(response, Response::Failed(status));
        Ok(())
    }

    /// U2F_AUTHENTICATE of the wrapped credential, with presence.
    #[cfg(feature = "u2f")]
    fn u2f_authenticate(&mut self) -> Result<(), Cut> {
        let handle = self.wrapped.as_bytes();
        let application = sha256(b"example.com");
        let data = [&[0xc4; 32], &application[..], &[handle.len() as u8], handle].concat();
        let length = (data.len() as u16).to_be_bytes();
        let command = [&[0x00, 0x02, 0x03, 0x00, 0x00], &length[..], &data, &[0, 0]].concat();
        let step = self.world.authenticator.begin_u2f(&command, self.world.now);
        let response = countersign::ctap1::encode(&self.drive(step, Person::Willing)?);
        assert!(response.ends_with(&[0x90, 0x00]), "{response:02x?}");
        Ok(())
    }

    fn platform(&mut self) -> Platform {
        Platform::connect(&mut self.world, PinUvAuthProtocol::Two)
    }

    fn config(&mut self, subcommand: Configure) -> Result<(), Cut> {
        let mut request = Config::new(subcommand);
        let message: [&[u8]; 3] = [&[0xFF; 32], &[0x0D], &request.signed];
        request.pin_uv_auth = self.token.as_ref().unwrap().auth(&message);
        self.succeed(Request::Config(request))
    }

    fn manage(&mut self, subcommand: ManageCredentials) -> Result<(), Cut> {
        let mut request = CredentialManagement::new(subcommand);
        request.pin_uv_auth = self.token.as_ref().unwrap().auth(&[&request.signed]);
        self.succeed(Request::CredentialManagement(request))
    }

    fn of_user(&self, number: u8) -> CredentialRecord {
        let of_user = |record: &&CredentialRecord| record.credential.user.id == user(number).id;
        self.world.store.records().find(of_user).expect("stored").clone_secret()
    }

    fn blobs(&mut self) -> Vec<u8> {
        let mut array = Vec::new();
        loop {
            let get =
                LargeBlobs { get: Some(960), offset: Some(array.len() as u64), ..LargeBlobs::default() };
            let response = self.world.call(Request::LargeBlobs(get), Person::Absent);
            let Response::LargeBlobs(LargeBlobsResponse { config }) = response else {
                panic!("{response:?}")
            };
            array.extend_from_slice(&config);
            if config.len() < 960 {
                return array;
            }
        }
    }

    /// Private key, user and counter of each credential.
    fn credentials(&self) -> BTreeMap<CredentialId, (Vec<u8>, UserHandle, u32)> {
        let seen = |record: &CredentialRecord| {
            let credential = &record.credential;
            let private = record.secret.key.private().expose().to_vec();
            (credential.id.clone(), (private, credential.user.id.clone(), credential.sign_count))
        };
        self.world.store.records().map(seen).collect()
    }
}

/// What is cut.
struct Script {
    name: &'static str,
    /// Permissions of the token that is got beforehand, if one is needed.
    token: Option<u64>,
    large_blobs: LargeBlobsSetting,
    run: fn(&mut Rig) -> Result<(), Cut>,
    /// The user whose old credential it takes away.
    takes: Option<u8>,
    /// What it does to the PIN.
    pin: Pin,
}

/// What a command has to do with the PIN.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pin {
    /// Nothing: its tries stay.
    Untouched,
    /// Gets the right one: a try is spent, and all are given back.
    Right,
    /// Gets wrong ones, so many.
    Wrong(u8),
    /// Gets the right one and a new one.
    Changed,
    /// Takes it away, with everything else.
    Gone,
}

const fn script(name: &'static str, pin: Pin, run: fn(&mut Rig) -> Result<(), Cut>) -> Script {
    Script { name, token: None, large_blobs: ARRAY, run, takes: None, pin }
}

fn scripts() -> Vec<Script> {
    use Pin::{Changed, Gone, Right, Untouched, Wrong};
    let with_token = |permissions, script| Script { token: Some(permissions), ..script };
    vec![
        script("makeCredential, discoverable", Right, |rig| rig.succeed(create(9, true))),
        Script {
            takes: Some(1),
            ..script("makeCredential in place of another", Right, |rig| rig.succeed(create(1, true)))
        },
        script("makeCredential, wrapped", Right, |rig| rig.succeed(create(9, false))),
        script("makeCredential, wrong PINs typed", Wrong(3), |rig| {
            rig.fail(create(9, true), Person::Forgetful, Status::OperationDenied)
        }),
        script("getAssertion with a counter", Untouched, |rig| rig.succeed(get(None, false))),
        script("getAssertion of a wrapped credential", Untouched, |rig| {
            let id = rig.wrapped.clone();
            rig.succeed(get(Some(&id), false))
        }),
        Script {
            large_blobs: LargeBlobsSetting::PerCredential { max_bytes: 1024 },
            ..script("getAssertion that writes a large blob", Untouched, |rig| {
                let request = write_blob(&rig.of_user(2).credential.id);
                rig.succeed(request)
            })
        },
        #[cfg(feature = "u2f")]
        script("U2F_AUTHENTICATE", Untouched, Rig::u2f_authenticate),
        script("getAssertion, PIN typed, and the next", Right, |rig| {
            rig.succeed(get(None, true))?;
            rig.succeed(Request::GetNextAssertion)
        }),
        script("changePIN", Changed, |rig| {
            let request = rig.platform().change_pin(PIN, NEW_PIN);
            rig.succeed(Request::ClientPin(request))
        }),
        script("changePIN, wrong", Wrong(1), |rig| {
            let request = rig.platform().change_pin("0000", NEW_PIN);
            rig.fail(Request::ClientPin(request), Person::Absent, Status::PinInvalid)
        }),
        script("getPinUvAuthToken", Right, |rig| {
            let request = rig.platform().token_using_pin(PIN, CM, None);
            rig.succeed(Request::ClientPin(request))
        }),
        script("getPinUvAuthToken, wrong", Wrong(2), |rig| {
            for _ in 0..2 {
                let request = rig.platform().token_using_pin("0000", CM, None);
                rig.fail(Request::ClientPin(request), Person::Absent, Status::PinInvalid)?;
            }
            Ok(())
        }),
        script("getPinUvAuthToken, persistent", Right, |rig| {
            let request = rig.platform().token_using_pin(PIN, PCMR, None);
            rig.succeed(Request::ClientPin(request))
        }),
        script("getPinUvAuthToken, PIN typed", Right, |rig| {
            let request = rig.platform().token_using_uv(CM, None);
            rig.succeed(Request::ClientPin(request))
        }),
        Script {
            takes: Some(1),
            ..with_token(
                CM,
                script("deleteCredential", Untouched, |rig| {
                    let credential = Some(rig.of_user(1).credential.id);
                    rig.manage(ManageCredentials::Delete { credential })
                }),
            )
        },
        with_token(
            CM,
            script("updateUserInformation", Untouched, |rig| {
                let credential = Some(rig.of_user(1).credential.id);
                let user = UserEntity { name: Some("new".into()), ..user(1) };
                rig.manage(ManageCredentials::UpdateUser { credential, user })
            }),
        ),
        with_token(
            LBW,
            script("authenticatorLargeBlobs", Untouched, |rig| {
                let array = blob_array(1500);
                for (offset, length) in [(0, Some(1500)), (960, None)] {
                    let fragment = array[offset..].iter().copied().take(960).collect::<Vec<_>>();
                    let at = (offset as u32).to_le_bytes();
                    let message: [&[u8]; 4] = [&[0xFF; 32], &[0x0C, 0x00], &at, &sha256(&fragment)];
                    let pin_uv_auth = rig.token.as_ref().unwrap().auth(&message);
                    let offset = Some(offset as u64);
                    let request = LargeBlobs { get: None, set: Some(fragment), offset, length, pin_uv_auth };
                    rig.succeed(Request::LargeBlobs(request))?;
                }
                Ok(())
            }),
        ),
        with_token(ACFG, script("toggleAlwaysUv", Untouched, |rig| rig.config(Configure::ToggleAlwaysUv))),
        with_token(
            ACFG,
            script("setMinPINLength", Untouched, |rig| {
                rig.config(Configure::SetMinPinLength(SetMinPinLength {
                    min_pin_length_rp_ids: Some(vec![rp_id()]),
                    force_change_pin: Some(true),
                    ..SetMinPinLength::default()
                }))
            }),
        ),
        with_token(
            ACFG,
            script("enableLongTouchForReset", Untouched, |rig| {
                rig.config(Configure::EnableLongTouchForReset)
            }),
        ),
        with_token(
            ACFG,
            script("enableEnterpriseAttestation", Untouched, |rig| {
                rig.config(Configure::EnableEnterpriseAttestation)
            }),
        ),
        script("authenticatorReset", Gone, |rig| rig.succeed(Request::Reset)),
    ]
}

impl Script {
    fn rig(&self, cut: Option<(usize, bool)>) -> Rig {
        let rig = Rig::new(cut, self.large_blobs);
        match self.token {
            Some(permissions) => rig.with_token(permissions),
            None => rig,
        }
    }

    /// How many tries there may be after this cut.
    fn tries_after(&self, at: usize, stored: bool) -> Vec<u8> {
        // Writes of the PIN's tries that are stored.
        let counted = at + usize::from(stored);
        match self.pin {
            Pin::Untouched => vec![TRIES],
            Pin::Wrong(_) => vec![TRIES - counted as u8],
            // The first write spends a try; a later one gives them back.
            Pin::Right | Pin::Changed if counted == 0 => vec![TRIES],
            Pin::Right | Pin::Changed if counted == 1 => vec![TRIES - 1],
            Pin::Right | Pin::Changed => vec![8],
            Pin::Gone if counted == 0 => vec![TRIES],
            Pin::Gone => vec![],
        }
    }
}

/// What holds after a cut, whatever was cut.
fn assert_sound(script: &Script, at: usize, stored: bool) {
    let what = format!("{}, write {at}, {}", script.name, if stored { "stored" } else { "not stored" });
    let mut rig = script.rig(Some((at, stored)));
    let before = rig.credentials();
    let taken = script.takes.map(|number| rig.of_user(number).credential.id);
    assert!((script.run)(&mut rig).is_err(), "{what}: not cut");

    // It starts.
    rig.world.power_cycle();
    let gone = script.pin == Pin::Gone && stored;
    let tries = rig.world.authenticator.pin_tries_left();
    assert_eq!(tries.into_iter().collect::<Vec<_>>(), script.tries_after(at, stored), "{what}: tries");
    // No credential is lost but those that the command takes away, and that one is there before its write.
    let after = rig.credentials();
    for (id, (private, user, count)) in &before {
        let kept = after.get(id);
        if gone {
            assert!(kept.is_none(), "{what}: all are gone");
        } else if Some(id) != taken.as_ref() {
            let kept = kept.unwrap_or_else(|| panic!("{what}: a credential is lost"));
            assert!(kept.0 == *private && kept.1 == *user && kept.2 >= *count, "{what}");
        }
    }
    if let Some(number) = script.takes {
        // The account never is without a credential while one takes the other's place.
        let of_user = after.values().filter(|seen| seen.1 == user(number).id).count();
        let deleted = script.name == "deleteCredential" && stored;
        assert_eq!(of_user, usize::from(!deleted), "{what}");
    }
    if script.large_blobs != ARRAY {
        let record = rig.of_user(2);
        let blob = record.extensions.large_blob.as_ref();
        let seen = blob.map(|blob| (blob.data.expose(), blob.uncompressed_size));
        assert!(seen == stored.then_some((BLOB, 500)), "{what}: the blob is whole, or not there");
    }
    if gone {
        assert!(!rig.world.authenticator.has_pin(), "{what}");
        let wrapped = get(Some(&rig.wrapped.clone()), false);
        let response = rig.world.call(wrapped, Person::Willing);
        assert_eq!(response, Response::Failed(Status::NoCredentials), "{what}: the wrap key is gone");
        return;
    }
    assert_works(&mut rig, script, &what);
}

/// One PIN is right, and with it everything can be used; counters go on from where they were.
fn assert_works(rig: &mut Rig, script: &Script, what: &str) {
    if script.large_blobs == ARRAY {
        let array = rig.blobs();
        assert!(array == blob_array(array.len()), "{what}: the large-blob array is whole");
        assert!([17, 1500].contains(&array.len()), "{what}");
    }

    let right = |rig: &mut Rig, pin| match rig.world.try_token(pin, GA, Some("example.com")) {
        // The PIN is right, and has to be changed.
        Ok(_) | Err(Status::PinPolicyViolation) => true,
        Err(Status::PinInvalid) => false,
        Err(status) => panic!("{what}: {status}"),
    };
    let (old, new) = (right(rig, PIN), right(rig, NEW_PIN));
    assert!(old != new, "{what}: one PIN is right");
    assert!(old || script.pin == Pin::Changed, "{what}");
    // The person on the key itself: what is typed there goes through the same verifier.
    rig.world.power_cycle();
    let typed = |rig: &mut Rig, request| {
        let mut step = rig.world.begin(request);
        loop {
            match rig.world.turn(step) {
                Turn::Done(outcome) => return outcome.response,
                Turn::Ask(_, pending) => {
                    let pin = PinEntry::new(if old { PIN } else { NEW_PIN }).unwrap();
                    let answer = Answer::Pin { pin, choice: None };
                    let World { authenticator, rng, now, .. } = &mut rig.world;
                    step = authenticator.answer(pending, answer, *now, rng);
                }
            }
        }
    };
    if rig.world.authenticator.info().force_pin_change == Some(true) {
        return;
    }
    for id in [Some(rig.of_user(2).credential.id), Some(rig.wrapped.clone())] {
        let counts = [0; 2].map(|_| counter(&typed(rig, get(id.as_ref(), true))));
        assert!(counts[0] < counts[1], "{what}: counters grow");
    }
    made(&typed(rig, create(7, true)));
}

#[test]
fn a_power_cut_at_any_write_of_any_command_loses_nothing_and_refills_no_try() {
    for script in scripts() {
        let mut whole = script.rig(None);
        assert!((script.run)(&mut whole).is_ok(), "{}: cut", script.name);
        println!("{}: {} writes", script.name, whole.writes);
        assert!(whole.writes > 0, "{}: nothing is written", script.name);
        for at in 0..whole.writes {
            for stored in [false, true] {
                assert_sound(&script, at, stored);
            }
        }
    }
}

/// The first PIN, set by a platform: it is there or it is not, with all its tries.
#[test]
fn a_power_cut_while_the_first_pin_is_set_leaves_none_or_all_of_it() {
    for stored in [false, true] {
        let world = World::new(Settings::security_key());
        let wrapped = CredentialId::new(&[0; 16]).unwrap();
        let mut rig = Rig { world, writes: 0, cut: Some((0, stored)), wrapped, token: None };
        let request = rig.platform().set_pin(PIN);
        assert!(rig.call(Request::ClientPin(request), Person::Absent).is_err());
        rig.world.power_cycle();
        assert_eq!(rig.world.authenticator.pin_tries_left(), stored.then_some(8));
        let token = rig.world.try_token(PIN, GA, Some("example.com"));
        assert_eq!(token.err(), (!stored).then_some(Status::PinNotSet));
    }
}

/// No wrong PIN is compared before the write that counts it: cut at that write again and again, tries run out.
#[test]
fn a_power_cut_after_each_wrong_pin_spends_the_tries_to_the_last() {
    let mut rig = Rig::new(None, ARRAY);
    for left in (0..TRIES).rev() {
        rig.cut = Some((rig.writes, true));
        let request = rig.platform().token_using_pin("0000", CM, None);
        assert!(rig.call(Request::ClientPin(request), Person::Absent).is_err());
        rig.world.power_cycle();
        assert_eq!(rig.world.authenticator.pin_tries_left(), Some(left));
    }
    rig.cut = None;
    let request = rig.platform().token_using_pin(PIN, CM, None);
    let response = rig.call(Request::ClientPin(request), Person::Absent).unwrap();
    assert_eq!(response, Response::Failed(Status::PinBlocked));
}

/// As with the PIN, failures of the host's verifier are counted for good.
#[test]
fn a_power_cut_after_each_failure_of_the_hosts_verifier_spends_its_tries_to_the_last() {
    let mut world = World::with_host_verifier();
    // It is the PIN that gives them back; without one, the power cycle itself does.
    world.set_pin();
    let retries = |world: &mut World| match world.client_pin(ClientPin::GetUvRetries, Person::Absent) {
        Response::ClientPin(ClientPinResponse::UvRetries(retries)) => retries,
        other => panic!("{other:?}"),
    };
    let all = retries(&mut world);
    assert!(all > 1);
    for left in (0..all).rev() {
        let platform = Platform::connect(&mut world, PinUvAuthProtocol::Two);
        let step = world.begin(Request::ClientPin(platform.token_using_uv(CM, None)));
        let Step::Ask(_, pending) = step else { panic!("nobody is asked") };
        let answer = Answer::NotRecognised;
        let step = world.authenticator.answer(pending, answer, world.now, &mut world.rng);
        let Step::Commit(changes, _) = step else { panic!("not counted") };
        world.store.commit(changes).unwrap();
        world.power_cycle();
        assert_eq!(retries(&mut world), left);
    }
}
