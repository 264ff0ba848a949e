//! `countersign backup`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking; clippy knows test functions only")]

mod common;

use common::{Home, contains, files_below, mode};
use countersign::{
    authenticator::Settings,
    credential::{Backup, ChangeSet, CredentialStore, Query},
    crypto::OsRng,
    vault::{Opening, PasskeyStore, RecoveryCode, SlotSecret},
    webauthn::RpId,
};
use countersign_host::{KeyDirectory, SeenFile, VaultFile};
use serde_json::Value;

const WORDS: &str = "seven green umbrellas";

/// A home with a vault that has a file and two passkeys, one of which is bound to its device.
fn filled() -> Home {
    let (home, code) = Home::with_vault();
    let put = home.run_with_input(&["vault", "put", "note", "--code-file", &home.code_file()], b"kept");
    assert_eq!(put.code, 0, "{}", put.stderr);
    add_passkeys(&home, &code);
    home.write("words.txt", WORDS.as_bytes());
    home
}

fn add_passkeys(home: &Home, code: &str) {
    let maker = Home::with_key();
    let options = common::repository("crates/cli/data/quickstart-create.json");
    maker.as_person(&["webauthn", "create", "--origin", "https://vault.example", &options]).json();
    let memory = SeenFile::at(maker.base().join("memory/seen"));
    let key = KeyDirectory::open(&maker.base().join("key"), Settings::credential_manager(), memory).unwrap();
    let found = key.store().load(&Query::Discoverable(RpId::new("vault.example").unwrap())).unwrap();
    let free = found[0].clone_secret();
    let mut bound = found[0].clone_secret();
    bound.credential.id = countersign::webauthn::CredentialId::new(&[1; 32]).unwrap();
    bound.credential.rp.id = RpId::new("bank.example").unwrap();
    bound.credential.backup = Backup::DeviceBound;

    let file = VaultFile::open(&home.base().join("vault/vault.redb")).unwrap();
    let envelope = file.envelope().unwrap().unwrap();
    let code = RecoveryCode::parse(code, &envelope.vault_id()).unwrap();
    let slot = envelope.slots().next().unwrap().slot_id();
    let memory = || SeenFile::at(home.base().join("memory/seen"));
    let mut seen = memory();
    let opening = Opening { memory: Some(&mut seen), ..Opening::default() };
    let (vault, ..) = envelope.open(&slot, &SlotSecret::Code(&code), opening).unwrap();
    let mut store = PasskeyStore::new(vault, file, Some(Box::new(memory())), OsRng::default()).unwrap();
    store.commit(ChangeSet { put: vec![free, bound], ..ChangeSet::default() }).unwrap();
}

fn file(home: &Home) -> String {
    home.path("vault.backup").to_str().unwrap().to_owned()
}

fn words(home: &Home) -> String {
    home.path("words.txt").to_str().unwrap().to_owned()
}

/// Makes a backup that the words open.
fn create(home: &Home) -> (String, Value) {
    let path = file(home);
    let made = home.by_code(&["backup", "create", &path, "--backup-passphrase-file", &words(home)]).json();
    (path, made)
}

fn verify(home: &Home, path: &str) -> common::Run {
    home.json(&["backup", "verify", path, "--backup-passphrase-file", &words(home)])
}

#[test]
fn a_backup_is_made_tried_out_and_restored_onto_an_empty_machine() {
    let home = filled();
    let (path, made) = create(&home);
    assert_eq!((&made["passkeys"], &made["items"], &made["noted"]), (&1.into(), &1.into(), &true.into()));
    let stayed = made["leftOut"].as_array().unwrap();
    assert!(stayed.iter().any(|item| item["rpId"] == "bank.example"), "{stayed:?}");
    assert_eq!(mode(path.as_ref()), 0o600);

    let report = verify(&home, &path).json();
    assert_eq!((&report["sound"], &report["passkeys"]), (&true.into(), &1.into()));
    assert_eq!(report["wouldRestore"].as_array().unwrap().len(), 2);

    let machine = Home::new();
    machine.write("words.txt", WORDS.as_bytes());
    let restore = ["backup", "restore", &path, "--backup-passphrase-file", &words(&machine)];
    let restored = machine.json(&restore).json();
    assert_eq!((&restored["made"], restored["restored"].as_array().unwrap().len()), (&true.into(), 2));
    let code = restored["recoveryCode"].as_str().unwrap();
    machine.write("code.txt", code.as_bytes());
    assert_eq!(machine.by_code(&["vault", "unlock"]).json()["freshness"], "checked");
    let get = ["vault", "get", "note", "--code-file", &machine.code_file()];
    assert_eq!(machine.run(&get).text(), "kept");
    assert_eq!(machine.by_code(&["vault", "list"]).json()["passkeys"], 1);
    assert_eq!(mode(&machine.base().join("vault/vault.redb")), 0o600);

    // Once more, into the vault that is there now.
    let code_file = machine.code_file();
    let again = machine.json(&[&restore[..], &["--code-file", &code_file]].concat()).json();
    assert_eq!(again["alreadyThere"].as_array().unwrap().len(), 2);
    assert_eq!((&again["made"], &again["recoveryCode"]), (&false.into(), &Value::Null));
}

#[test]
fn a_file_that_is_there_is_left_alone() {
    let home = filled();
    let (path, _) = create(&home);
    let bytes = std::fs::read(&path).unwrap();
    let again = ["backup", "create", &path, "--backup-passphrase-file", &words(&home)];
    home.by_code(&again).fails(1, "exists");
    home.by_code(&["backup", "create", &path, "--unattended"]).fails(1, "exists");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_recovery_code_of_the_backup_is_shown_once_and_opens_it() {
    let home = filled();
    let path = file(&home);
    let made = home.by_code(&["backup", "create", &path, "--backup-recovery-code"]).json();
    let code = home.write("backup-code.txt", made["recoveryCode"].as_str().unwrap().as_bytes());
    let report = home.json(&["backup", "verify", &path, "--backup-code-file", &code]).json();
    assert_eq!(report["sound"], true);
    // The vault's code is not the backup's, nor the reverse.
    home.json(&["backup", "verify", &path, "--backup-code-file", &home.code_file()]).fails(4, "wrong-code");
    home.json(&["vault", "unlock", "--code-file", &code]).fails(4, "wrong-code");
    let shown = home.run(&[
        "backup",
        "create",
        &home.path("b").display().to_string(),
        "--backup-recovery-code",
        "--code-file",
        &home.code_file(),
    ]);
    assert!(shown.text().contains("Recovery code of the backup: CS1-"), "{}", shown.text());
}

#[test]
fn the_next_backup_needs_no_secret_of_its_recipients() {
    let home = filled();
    let second = home.path("second.backup").display().to_string();
    let unattended = ["backup", "create", &second, "--unattended"];
    let message = home.by_code(&unattended).fails(5, "no-recipients");
    assert!(message.contains("--unattended"), "{message}");
    let (_, first) = create(&home);
    home.run_with_input(&["vault", "put", "more", "--code-file", &home.code_file()], b"more");
    let made = home.by_code(&unattended).json();
    assert_eq!((&made["backupId"], &made["items"]), (&first["backupId"], &2.into()));
    assert_eq!(verify(&home, &second).json()["items"], 2);
}

#[test]
fn the_status_counts_what_has_changed_and_its_exit_code_says_what_is_due() {
    let home = filled();
    let status = |more: &[&str]| {
        let run = home.by_code(&[&["backup", "status"], more].concat());
        let report: Value = serde_json::from_slice(&run.stdout).unwrap();
        (run.code, report)
    };
    let (code, report) = status(&[]);
    assert_eq!((code, &report["why"], &report["last"]), (1, &"never-made".into(), &Value::Null));
    assert_eq!(report["changes"]["added"], 2);
    create(&home);
    let (code, report) = status(&[]);
    assert_eq!((code, &report["why"], &report["due"]), (0, &"nothing-new".into(), &false.into()));
    assert_eq!(report["last"]["opensBy"][0], "passphrase");
    home.run_with_input(&["vault", "put", "more", "--code-file", &home.code_file()], b"more");
    let (code, report) = status(&[]);
    assert_eq!((code, &report["why"], &report["changes"]["added"]), (0, &"later".into(), &1.into()));
    let (code, report) = status(&["--most-changes", "0"]);
    assert_eq!((code, &report["why"]), (1, &"too-many-changes".into()));
}

#[test]
fn what_was_done_with_a_backup_is_noted() {
    let home = filled();
    let path = file(&home);
    let place = ["--backup-passphrase-file", &words(&home), "--place", "in the safe; Ada has the key"];
    home.by_code(&[&["backup", "create", &path][..], &place].concat()).json();
    let notes = || home.by_code(&["backup", "status"]).json()["backups"].clone();
    assert_eq!(notes()[0]["place"], "in the safe; Ada has the key");
    assert_eq!((&notes()[0]["verified"], &notes()[0]["opensBy"][0]), (&Value::Null, &"passphrase".into()));
    let verify = ["backup", "verify", &path, "--note", "--backup-passphrase-file", &words(&home)];
    assert_eq!(home.by_code(&verify).json()["noted"], true);
    assert!(notes()[0]["verified"].is_string() && notes()[0]["restored"].is_null());
    let restore = ["backup", "restore", &path, "--backup-passphrase-file", &words(&home)];
    assert_eq!(home.by_code(&restore).json()["noted"], true);
    assert!(notes()[0]["restored"].is_string());
    assert_eq!(home.by_code(&["backup", "status"]).json()["changes"]["added"], 0, "notes are no changes");
    // The next one of the line is kept at the same place, and its recipients were seen to open the one before.
    let (first, second) = (notes()[0].clone(), home.path("second.backup").display().to_string());
    home.by_code(&["backup", "create", &second, "--unattended"]).json();
    assert_eq!(notes().as_array().unwrap().len(), 1);
    for member in ["backupId", "place", "verified", "restored"] {
        assert_eq!(notes()[0][member], first[member]);
    }
}

#[test]
fn a_wrong_secret_and_an_altered_file_are_told_apart_and_cost_nothing() {
    let home = filled();
    let (path, _) = create(&home);
    let wrong = home.write("wrong.txt", b"seven green umbrella");
    home.json(&["backup", "verify", &path, "--backup-passphrase-file", &wrong]).fails(4, "wrong-secret");
    let bytes = std::fs::read(&path).unwrap();

    let half = home.write("half", &bytes[..bytes.len() / 2]);
    let message = verify(&home, &half).fails(6, "malformed");
    assert!(message.contains("cut short") && message.contains("half"), "{message}");
    let note = home.write("a-note", b"dear diary");
    assert!(verify(&home, &note).fails(6, "malformed").contains("not a backup file"));
    let mut flipped = bytes.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    let flipped = home.write("flipped", &flipped);
    let message = verify(&home, &flipped).fails(6, "tampered");
    assert!(message.contains("another copy"), "{message}");

    // Nothing was made or changed by any of that.
    let machine = Home::new();
    machine.write("words.txt", WORDS.as_bytes());
    for damaged in [&half, &flipped] {
        let restore = ["backup", "restore", damaged, "--backup-passphrase-file", &words(&machine)];
        assert_eq!(machine.json(&restore).code, 6);
    }
    let restore = ["backup", "restore", &path, "--backup-passphrase-file", &wrong];
    machine.json(&restore).fails(4, "wrong-secret");
    assert!(!machine.base().exists());
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_vault_is_no_backup_and_a_backup_no_vault() {
    let home = filled();
    let (backup, _) = create(&home);
    let envelope = home.path("vault.envelope").display().to_string();
    home.json(&["vault", "export", &envelope]).json();
    verify(&home, &envelope).fails(6, "malformed");
    let elsewhere = Home::new();
    elsewhere.json(&["vault", "import", &backup]).fails(6, "malformed");
}

#[test]
fn without_a_terminal_it_is_said_what_to_pass() {
    let home = filled();
    let (path, _) = create(&home);
    let message =
        home.by_code(&["backup", "create", &home.path("b").display().to_string()]).fails(3, "no-terminal");
    assert!(message.contains("--backup-passphrase-file"), "{message}");
    let message = home.json(&["backup", "verify", &path]).fails(3, "no-terminal");
    assert!(message.contains("--backup-passphrase-file"), "{message}");
    home.json(&["backup", "verify", "/nonexistent"]).fails(5, "no-file");
    Home::new().json(&["backup", "status"]).fails(5, "no-vault");
}

#[test]
fn no_output_and_no_file_has_a_secret() {
    let home = filled();
    let code = std::fs::read(home.path("code.txt")).unwrap();
    let (path, _) = create(&home);
    let runs = [
        home.run(&["backup", "verify", &path, "--backup-passphrase-file", &words(&home)]),
        home.run(&["backup", "status", "--code-file", &home.code_file()]),
    ];
    let secrets = [WORDS.as_bytes(), &code, b"kept"];
    for run in runs {
        assert!(secrets.iter().all(|s| !contains(&run.stdout, s) && !contains(run.stderr.as_bytes(), s)));
    }
    for file in files_below(&home.base()).into_iter().chain([path.into()]) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(secrets.iter().all(|secret| !contains(&bytes, secret)), "{}", file.display());
    }
}
