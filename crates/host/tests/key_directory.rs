//! The software authenticator on disk.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

mod common;

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use common::{cheap_key, mode, myself, names, part, secret_text};
use countersign::{
    authenticator::{
        Answer, Channel, PinEntry, ProviderRequest, Purpose, Question, Step, Turn, Verification, run,
    },
    cose::CoseAlgorithm,
    credential::CredentialStore,
    ctap2::{
        GetAssertion, GetAssertionExtensions, MakeCredential, MakeCredentialExtensions, Options, Request,
        Response, Status,
    },
    pin_uv::Permissions,
    vault::{VaultError, VaultStorage},
    webauthn::{
        AuthenticatorDataView, ClientDataHash, PrfInputs, PrfSalt, PrfSalts, RpEntity, RpId, UserEntity,
        UserHandle,
    },
};
use countersign_host::{AssentingPerson, HostError, KeyDirectory, Person, SeenFile};
use tempfile::{TempDir, tempdir};

const CHANNEL: Channel = Channel(1);
const PIN: &str = "27182";

struct Key {
    directory: TempDir,
}

impl Key {
    fn init() -> Self {
        let key = Self { directory: tempdir().unwrap() };
        key.make(PIN).unwrap();
        key
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("key")
    }

    fn seen(&self) -> SeenFile {
        SeenFile::at(self.directory.path().join("state").join("seen"))
    }

    fn make(&self, pin: &str) -> Result<KeyDirectory, HostError> {
        KeyDirectory::init(&self.path(), cheap_key(), &PinEntry::new(pin).unwrap(), self.seen())
    }

    fn open(&self) -> KeyDirectory {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<KeyDirectory, HostError> {
        KeyDirectory::open(&self.path(), cheap_key(), self.seen())
    }

    fn tries_left(&self) -> Option<u8> {
        self.open().authenticator().pin_tries_left()
    }
}

fn registration(user: u8, uv: bool) -> MakeCredential {
    MakeCredential {
        client_data_hash: ClientDataHash([3; 32]),
        rp: RpEntity { id: RpId::new("example.com").unwrap(), name: None },
        user: UserEntity {
            id: UserHandle::new(&[user]).unwrap(),
            name: Some(format!("user {user}").into()),
            display_name: None,
        },
        algorithms: vec![CoseAlgorithm::Es256.identifier()],
        exclude_list: Vec::new(),
        extensions: MakeCredentialExtensions::default(),
        options: Options { rk: Some(true), up: None, uv: Some(uv) },
        pin_uv_auth: None,
        enterprise_attestation: None,
        attestation_formats_preference: Vec::new(),
    }
}

fn sign_in(uv: bool) -> GetAssertion {
    GetAssertion {
        rp_id: RpId::new("example.com").unwrap(),
        client_data_hash: ClientDataHash([4; 32]),
        allow_list: None,
        extensions: GetAssertionExtensions::default(),
        options: Options { rk: None, up: None, uv: Some(uv) },
        pin_uv_auth: None,
    }
}

fn call(key: &mut KeyDirectory, request: Request, person: &mut dyn Person) -> Response {
    key.perform(|authenticator, now, rng| authenticator.begin(CHANNEL, request, now, rng), person).response
}

fn register(key: &mut KeyDirectory, user: u8) {
    let made = call(key, Request::MakeCredential(registration(user, true)), &mut with_pin(PIN));
    assert!(matches!(made, Response::MakeCredential(_)), "{made:?}");
}

fn assert(key: &mut KeyDirectory, uv: bool, person: &mut dyn Person) -> Result<u8, Status> {
    match call(key, Request::GetAssertion(sign_in(uv)), person) {
        Response::GetAssertion(response) => {
            Ok(AuthenticatorDataView::parse(&response.auth_data).unwrap().flags.byte())
        }
        Response::Failed(status) => Err(status),
        _ => panic!("another response"),
    }
}

fn with_pin(pin: &str) -> AssentingPerson {
    AssentingPerson::with_pin(secret_text(pin))
}

/// Answers as told, and remembers what it was asked.
struct Scripted(Vec<Question>, fn(&Question) -> Answer);

impl Person for Scripted {
    fn answer(&mut self, question: &Question) -> Answer {
        self.0.push(question.clone());
        (self.1)(question)
    }
}

const UP: u8 = 1;
const UV: u8 = 4;

#[test]
fn a_key_is_two_files_for_its_owner_alone_and_works_again_after_power_up() {
    let key = Key::init();
    assert_eq!(names(&key.path()), ["device.secret", "vault.redb"]);
    for name in ["device.secret", "vault.redb"] {
        assert_eq!(mode(&key.path().join(name)), 0o600);
    }
    assert_eq!(mode(&key.path()), 0o700);
    assert_eq!(fs::read(key.path().join("device.secret")).unwrap().len(), 32);

    register(&mut key.open(), 1);
    let mut again = key.open();
    assert_eq!(assert(&mut again, true, &mut with_pin(PIN)).unwrap() & (UP | UV), UP | UV);
    assert_eq!(assert(&mut again, false, &mut AssentingPerson::new()).unwrap() & (UP | UV), UP);
    assert!(again.info().options.contains(&("uv", true)), "a PIN is set");
}

#[test]
fn messages_of_a_transport_are_answered_in_bytes() {
    let key = Key::init();
    let mut open = key.open();
    let info = open.ctap(CHANNEL, &[0x04], &mut AssentingPerson::new());
    assert_eq!((info[0], info[1] >> 5), (0x00, 5), "success, then a map");
    let made =
        open.ctap(CHANNEL, &Request::MakeCredential(registration(1, true)).encode(), &mut with_pin(PIN));
    assert_eq!(made[0], 0x00);
    assert_eq!(open.ctap(CHANNEL, &[0x0b], &mut Scripted(Vec::new(), |_| Answer::Declined)), [0x27]);
    assert_eq!(open.passkeys().unwrap().len(), 1);
}

#[test]
fn the_provider_door_gives_prf_results_that_stay_the_same() {
    let key = Key::init();
    let mut results = Vec::new();
    for _ in 0..2 {
        let mut open = key.open();
        if results.is_empty() {
            register(&mut open, 1);
        }
        let salts = PrfSalts { first: PrfSalt::from_input(b"first"), second: None };
        let prf = PrfInputs { eval: Some(salts), ..PrfInputs::default() };
        let request = ProviderRequest::Get { request: sign_in(false), prf };
        let outcome = open.provider(CHANNEL, request, &mut with_pin(PIN));
        assert!(matches!(outcome.response, Response::GetAssertion(_)));
        results.push(outcome.prf.unwrap().first.expose().to_vec());
    }
    assert_eq!(results[0], results[1]);
}

#[test]
fn a_key_is_never_made_over_another() {
    let key = Key::init();
    register(&mut key.open(), 1);
    assert!(matches!(key.make("99999"), Err(HostError::AlreadyExists(_))));
    assert_eq!(names(&key.path()), ["device.secret", "vault.redb"]);
    assert!(assert(&mut key.open(), true, &mut with_pin(PIN)).is_ok());
}

#[test]
fn an_interrupted_init_can_be_made_again() {
    let key = Key::init();
    let secret = fs::read(key.path().join("device.secret")).unwrap();
    fs::remove_file(key.path().join("vault.redb")).unwrap();
    assert!(matches!(key.try_open(), Err(HostError::NotFound(_))));
    key.make("31415").unwrap();
    assert_eq!(fs::read(key.path().join("device.secret")).unwrap(), secret, "a secret is never thrown away");
    register_with(&mut key.open(), "31415");
}

#[test]
fn a_secret_that_somebody_else_has_put_there_is_not_taken_up() {
    let key = Key::init();
    fs::remove_file(key.path().join("vault.redb")).unwrap();
    let secret = key.path().join("device.secret");
    let elsewhere = key.path().join("elsewhere");
    fs::rename(&secret, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &secret).unwrap();
    assert!(matches!(key.make("31415"), Err(HostError::UnusableSecret(_))), "a link");
    fs::remove_file(&secret).unwrap();
    fs::rename(&elsewhere, &secret).unwrap();
    // Only root can read, and give away, what is another user's.
    if std::os::unix::fs::chown(&secret, Some(12_345), None).is_ok() {
        assert!(matches!(key.make("31415"), Err(HostError::UnusableSecret(_))), "another user's");
    }
    assert_eq!(names(&key.path()), ["device.secret"]);
}

fn register_with(key: &mut KeyDirectory, pin: &str) {
    let made = call(key, Request::MakeCredential(registration(1, true)), &mut with_pin(pin));
    assert!(matches!(made, Response::MakeCredential(_)));
}

#[test]
fn a_key_that_is_open_is_busy() {
    let key = Key::init();
    let open = key.open();
    assert!(matches!(key.try_open(), Err(HostError::Busy(_))));
    drop(open);
    key.open();
}

#[test]
fn a_secret_that_is_exposed_or_another_is_refused() {
    let key = Key::init();
    let path = key.path().join("device.secret");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(key.try_open(), Err(HostError::Exposed(_, 0o644))));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, [0; 32]).unwrap();
    assert!(matches!(key.try_open(), Err(HostError::Vault(VaultError::WrongSecret))));
}

#[test]
fn an_older_copy_of_the_vault_is_refused() {
    let key = Key::init();
    let vault = key.path().join("vault.redb");
    let older = fs::read(&vault).unwrap();
    register(&mut key.open(), 1);
    fs::write(&vault, older).unwrap();
    assert!(matches!(key.try_open(), Err(HostError::Vault(VaultError::Rollback))));
    // A thief of tries who has no memory to write to gets them back in no other way.
    let forgetful = SeenFile::at(key.directory.path().join("elsewhere"));
    assert!(KeyDirectory::open(&key.path(), cheap_key(), forgetful).is_ok());
}

#[test]
fn passkeys_are_listed_in_order_shown_and_deleted() {
    let key = Key::init();
    let mut open = key.open();
    for user in 1..=4 {
        register(&mut open, user);
    }
    let passkeys = open.passkeys().unwrap();
    let users: Vec<_> = passkeys.iter().map(|passkey| passkey.user.id.as_bytes()[0]).collect();
    assert_eq!(users, [1, 2, 3, 4]);
    assert_eq!(open.passkey(&passkeys[1].id).unwrap(), passkeys[1]);
    open.delete_passkey(&passkeys[1].id).unwrap();
    assert!(matches!(open.delete_passkey(&passkeys[1].id), Err(HostError::NoSuchPasskey)));
    assert!(matches!(open.passkey(&passkeys[1].id), Err(HostError::NoSuchPasskey)));
    drop(open);
    assert_eq!(key.open().passkeys().unwrap().len(), 3);
}

#[test]
fn a_wrong_pin_costs_a_try_that_power_cycles_do_not_give_back() {
    let key = Key::init();
    register(&mut key.open(), 1);
    assert_eq!(key.tries_left(), Some(8));
    for left in (5..8).rev() {
        let refused = assert(&mut key.open(), true, &mut with_pin("00000"));
        assert_eq!(refused, Err(Status::PuatRequired));
        assert_eq!(key.tries_left(), Some(left), "one per command");
    }
    assert!(assert(&mut key.open(), true, &mut with_pin(PIN)).is_ok());
    assert_eq!(key.tries_left(), Some(8));
    for _ in 0..8 {
        assert!(assert(&mut key.open(), true, &mut with_pin("00000")).is_err());
    }
    assert_eq!(key.tries_left(), Some(0));
    assert_eq!(assert(&mut key.open(), true, &mut with_pin(PIN)), Err(Status::PinBlocked));
}

#[test]
fn who_kills_the_process_between_commit_and_comparison_has_spent_the_try() {
    let name = "who_kills_the_process_between_commit_and_comparison_has_spent_the_try";
    if let Some(path) = part() {
        return die_after_the_first_commit(&path);
    }
    let key = Key::init();
    register(&mut key.open(), 1);
    let mut left = key.tries_left().unwrap();
    for _ in 0..3 {
        let killed = myself(name, key.directory.path()).output().unwrap();
        assert!(!killed.status.success());
        assert!(String::from_utf8_lossy(&killed.stdout).contains("COUNTED"), "{killed:?}");
        left -= 1;
        assert_eq!(key.tries_left(), Some(left));
    }
}

fn die_after_the_first_commit(directory: &Path) {
    let seen = SeenFile::at(directory.join("state").join("seen"));
    let mut key = KeyDirectory::open(&directory.join("key"), cheap_key(), seen).unwrap();
    let now = key.clock().now();
    let (authenticator, store, rng) = key.parts_mut();
    let step = authenticator.begin(CHANNEL, Request::GetAssertion(sign_in(true)), now, rng);
    let Turn::Ask(question, pending) = run(authenticator, store, step, now, rng) else {
        panic!("no question")
    };
    assert!(matches!(question.verification, Verification::Pin { .. }));
    // The right PIN, even: what is not compared does not count as right.
    let answer = Answer::Pin { pin: PinEntry::new(PIN).unwrap(), choice: None };
    let Step::Commit(changes, _pending) = authenticator.answer(pending, answer, now, rng) else {
        panic!("no commit before the comparison")
    };
    store.commit(changes).unwrap();
    common::say("COUNTED");
    std::process::abort();
}

#[test]
fn whoever_only_assents_is_not_verified() {
    let key = Key::init();
    let mut open = key.open();
    register(&mut open, 1);
    let refused = assert(&mut open, true, &mut AssentingPerson::new());
    assert_eq!(refused, Err(Status::PuatRequired));
    assert_eq!(open.authenticator().pin_tries_left(), Some(8), "no try was spent");
    assert_eq!(assert(&mut open, true, &mut with_pin("1")), Err(Status::PuatRequired), "that is no PIN");
    assert_eq!(open.authenticator().pin_tries_left(), Some(8));

    let question = |purpose, verification| Question { purpose, verification, deadline: 0 };
    let host = question(Purpose::Select, Verification::Host);
    assert!(matches!(with_pin(PIN).answer(&host), Answer::Declined));
    let reset = question(Purpose::Reset { long_touch: false }, Verification::None);
    assert!(matches!(with_pin(PIN).answer(&reset), Answer::Declined));
}

#[test]
fn whoever_only_assents_takes_the_newest_of_several_accounts() {
    let key = Key::init();
    let mut open = key.open();
    (1..=3).for_each(|user| register(&mut open, user));
    let newest = open.passkeys().unwrap()[2].id.clone();
    let request = ProviderRequest::Get { request: sign_in(true), prf: PrfInputs::default() };
    let Response::GetAssertion(response) = open.provider(CHANNEL, request, &mut with_pin(PIN)).response
    else {
        panic!("no assertion")
    };
    assert_eq!(response.credential, newest);
}

#[test]
fn a_wrong_pin_is_asked_for_again_with_the_tries_that_are_left() {
    let key = Key::init();
    let mut open = key.open();
    register(&mut open, 1);
    let pin = |question: &Question| {
        let right = matches!(question.verification, Verification::Pin { tries_left: 6, wrong: true });
        let pin = PinEntry::new(if right { PIN } else { "00000" }).unwrap();
        Answer::Pin { pin, choice: None }
    };
    let mut person = Scripted(Vec::new(), pin);
    assert!(assert(&mut open, true, &mut person).is_ok());
    let tries: Vec<_> = person.0.iter().map(|question| question.verification).collect();
    let asked = |tries_left, wrong| Verification::Pin { tries_left, wrong };
    assert_eq!(tries, [asked(8, false), asked(7, true), asked(6, true)]);
}

#[test]
fn a_reset_leaves_no_passkey_and_no_pin() {
    let key = Key::init();
    let mut open = key.open();
    register(&mut open, 1);
    let done =
        call(&mut open, Request::Reset, &mut Scripted(Vec::new(), |_| Answer::Approved { choice: None }));
    assert_eq!(done, Response::Empty);
    drop(open);
    let again = key.open();
    assert!(again.passkeys().unwrap().is_empty());
    assert!(!again.authenticator().has_pin());
    assert!(again.store().storage().parts().unwrap().unwrap().rows.len() <= 1, "nothing but a state");
}

#[test]
fn a_person_is_shown_no_control_characters_of_a_relying_party() {
    let key = Key::init();
    let mut open = key.open();
    let mut request = registration(1, true);
    request.user.name = Some("bob\u{1b}[2J\u{202e}\nmoc.elpmaxe".into());
    let mut person = Scripted(Vec::new(), |_| Answer::Declined);
    call(&mut open, Request::MakeCredential(request), &mut person);
    let shown = countersign_host::describe(&person.0[0].purpose);
    assert!(shown.contains("example.com") && shown.contains("bob"), "{shown}");
    assert!(!shown.contains(['\u{1b}', '\n', '\u{202e}']), "{shown:?}");
}

#[test]
fn a_person_is_told_what_a_platform_would_be_allowed_to_do() {
    let describe = |permissions, rp_id: Option<&str>| {
        let rp_id = rp_id.map(|rp_id| RpId::new(rp_id).unwrap());
        countersign_host::describe(&Purpose::Authorize { permissions, rp_id })
    };
    let both = Permissions::MAKE_CREDENTIAL.and(Permissions::GET_ASSERTION);
    let shown = describe(both, Some("example.com"));
    assert_eq!(shown, "Let the computer make passkeys, sign in for example.com on your behalf?");
    let shown = describe(Permissions::CREDENTIAL_MANAGEMENT, None);
    assert_eq!(shown, "Let the computer list, change and delete passkeys on your behalf?");
    assert!(describe(Permissions::PERSISTENT_READ_ONLY, None).contains("until the PIN is changed"));
}
