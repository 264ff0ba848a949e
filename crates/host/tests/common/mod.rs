//! What the tests of the host share.
// Each test program uses its own part of this module.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared by several test programs, none of which uses all of it"
)]

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use countersign::{
    authenticator::{Argon2Cost, Settings},
    cose::CoseAlgorithm,
    credential::{Backup, CredProtect, Credential, CredentialRecord, CredentialSecret},
    crypto::{CryptoProvider, OsRng, RustCrypto},
    secret::Secret,
    time::Moment,
    time::UnixTime,
    vault::{
        Administration, Envelope, Opening, PasskeyStore, Prepared, SlotKind, SlotPrivate, SlotSecret,
        SlotStatus, SlotView, Vault, VaultId, VaultStorage,
    },
    webauthn::{Aaguid, CredentialId, RpEntity, RpId, UserEntity, UserHandle},
};

pub type Store<S> = PasskeyStore<S, OsRng>;

/// A security key whose PIN costs what a test can afford.
pub fn cheap_key() -> Settings {
    Settings { pin_cost: Argon2Cost { memory: 8, passes: 1, lanes: 1 }, ..Settings::security_key() }
}

pub fn secret() -> Secret<32> {
    Secret::init_with(|bytes| bytes.fill(7))
}

/// A vault that the device secret opens.
pub fn new_vault() -> Prepared {
    let mut rng = OsRng::default();
    let mut draft = Administration::new_vault(VaultId::make(&mut rng), None, &mut rng).unwrap();
    draft.enrol_device(&secret(), SlotPrivate::default(), &mut rng).unwrap();
    draft.finish(UnixTime(1), &mut rng).unwrap()
}

pub fn create<S: VaultStorage>(storage: S) -> Store<S> {
    PasskeyStore::create(new_vault(), storage, None, OsRng::default(), Moment::default()).unwrap()
}

pub fn unlock(storage: &dyn VaultStorage) -> Vault {
    let envelope = Envelope::from_stored(storage.parts().unwrap().expect("a vault")).unwrap();
    let enabled =
        |slot: &SlotView<'_>| (slot.kind(), slot.status()) == (SlotKind::Device, SlotStatus::Enabled);
    let slot = envelope.slots().find(enabled).unwrap().slot_id();
    envelope.open(&slot, &SlotSecret::Device(&secret()), Opening::default()).unwrap().0
}

pub fn reopen<S: VaultStorage>(storage: S) -> Store<S> {
    let vault = unlock(&storage);
    PasskeyStore::new(vault, storage, None, OsRng::default()).unwrap()
}

pub fn passkey(rp: &str, number: u32) -> CredentialRecord {
    let mut rng = OsRng::default();
    let key = RustCrypto.make_key_pair(CoseAlgorithm::EdDsa, &mut rng);
    let credential = Credential {
        id: credential_id(number),
        rp: RpEntity { id: RpId::new(rp).unwrap(), name: None },
        user: UserEntity {
            id: UserHandle::new(&number.to_be_bytes()).unwrap(),
            name: Some(format!("user {number}").into()),
            display_name: None,
        },
        discoverable: true,
        cred_protect: CredProtect::default(),
        backup: Backup::DeviceBound,
        sign_count: 0,
        aaguid: Aaguid([1; 16]),
        order: number.into(),
        created: None,
        last_used: None,
    };
    let random = |rng: &mut OsRng| Secret::make_random(rng);
    let secret = CredentialSecret {
        key,
        cred_random_with_uv: random(&mut rng),
        cred_random_without_uv: random(&mut rng),
    };
    CredentialRecord::new(credential, secret)
}

pub fn credential_id(number: u32) -> CredentialId {
    CredentialId::new(&[[0xc1; 12].as_slice(), &number.to_be_bytes()].concat()).unwrap()
}

pub fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

/// A PIN, passphrase or code as a file gives it.
pub fn secret_text(text: &str) -> countersign_host::SecretText {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("text");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    countersign_host::SecretSource::File(path).read("PIN").unwrap()
}

/// Names in a directory, sorted.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Set where a test program runs itself as another process: which part it plays.
pub const PART: &str = "COUNTERSIGN_TEST_PART";

/// Runs one test of this very program as another process that plays a part on a path.
pub fn myself(test: &str, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(PART, path);
    command
}

/// Starts it and waits until it says that it is ready.
pub fn start(mut command: Command) -> (Child, std::io::BufReader<ChildStdout>) {
    use std::io::BufRead;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("READY") {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "the other process ended early");
    }
    (child, output)
}

/// What another process tells the one that started it.
pub fn say(text: &str) {
    use std::io::Write;
    std::io::stdout().write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// The path that this process was started for as another one, if it was.
pub fn part() -> Option<std::path::PathBuf> {
    std::env::var_os(PART).map(Into::into)
}
