//! `countersign vault`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking; clippy knows test functions only")]

mod common;

use common::{Home, PIN, contains, files_below, mode};
use countersign::{
    authenticator::Settings,
    credential::{ChangeSet, CredentialStore, Query},
    crypto::OsRng,
    vault::{Opening, PasskeyStore, RecoveryCode, SlotSecret},
    webauthn::RpId,
};
use countersign_host::{KeyDirectory, SeenFile, VaultFile};

/// A home with a key and a vault that a passkey of the key opens.
fn enrolled() -> (Home, String) {
    let home = Home::with_key();
    let code = home.make_vault();
    let pin = home.pin_file();
    home.by_code(&["vault", "enroll", "--yes", "--pin-file", &pin]).json();
    (home, code)
}

#[test]
fn a_new_vault_opens_by_its_recovery_code() {
    let (home, code) = Home::with_vault();
    let opened = home.by_code(&["vault", "unlock"]).json();
    assert_eq!(opened["openedBy"], "recovery code");
    assert_eq!(opened["freshness"], "checked");
    // As a person types it.
    home.write("code.txt", code.to_lowercase().replace('-', " ").as_bytes());
    home.by_code(&["vault", "unlock"]).json();
    assert_eq!(mode(&home.base().join("vault/vault.redb")), 0o600);
}

#[test]
fn a_wrong_code_is_not_let_in() {
    let (home, code) = Home::with_vault();
    let last = code.chars().last().unwrap();
    let mistyped = format!("{}{}", &code[..code.len() - 1], if last == '0' { '1' } else { '0' });
    home.write("code.txt", mistyped.as_bytes());
    home.by_code(&["vault", "unlock"]).fails(4, "wrong-code");
    home.write("code.txt", b"open sesame");
    home.by_code(&["vault", "unlock"]).fails(4, "wrong-code");
    let (_other, foreign) = Home::with_vault();
    home.write("code.txt", foreign.as_bytes());
    home.by_code(&["vault", "unlock"]).fails(4, "wrong-code");
}

#[test]
fn a_vault_is_made_once() {
    let (home, _) = Home::with_vault();
    home.json(&["vault", "init"]).fails(1, "exists");
    home.by_code(&["vault", "unlock"]).json();
}

#[test]
fn without_a_vault_every_verb_says_so() {
    let home = Home::new();
    home.write("code.txt", b"CS1-0000");
    for verb in [&["unlock"][..], &["list"], &["get", "x"], &["put", "x"], &["rotate"], &["status"]] {
        let message = home.by_code(&[&["vault"], verb].concat()).fails(5, "no-vault");
        assert!(message.contains("countersign vault init"), "{message}");
    }
}

#[test]
fn a_passkey_of_the_key_is_enrolled_and_opens_the_vault() {
    let (home, _) = enrolled();
    let opened = home.as_person(&["vault", "unlock"]).json();
    assert_eq!((&opened["openedBy"], &opened["freshness"]), (&"passkey".into(), &"checked".into()));
    let list = home.json(&["key", "list"]).json();
    assert_eq!(list["passkeys"][0]["rpId"], "vault.example");
}

#[test]
fn a_key_is_enrolled_once_and_its_passkey_stays() {
    let (home, _) = enrolled();
    let pin = home.pin_file();
    home.by_code(&["vault", "enroll", "--yes", "--pin-file", &pin]).fails(1, "already-enrolled");
    home.as_person(&["vault", "unlock"]).json();
}

#[test]
fn an_existing_passkey_can_be_enrolled() {
    let home = Home::with_key();
    home.make_vault();
    let options = common::repository("crates/cli/data/quickstart-create.json");
    let made = home.as_person(&["webauthn", "create", "--origin", "https://vault.example", &options]).json();
    let (id, pin) = (made["id"].as_str().unwrap(), home.pin_file());
    let enrol = ["vault", "enroll", "--existing", id, "--yes", "--pin-file", &pin];
    assert_eq!(home.by_code(&enrol).json()["credentialId"], id);
    home.as_person(&["vault", "unlock"]).json();
    assert_eq!(home.json(&["key", "info"]).json()["passkeys"], 1);
    let unknown = ["vault", "enroll", "--existing", "AAAA", "--yes", "--pin-file", &pin];
    home.by_code(&unknown).fails(5, "no-passkey");
}

#[test]
fn only_passkeys_of_the_named_rp_id_are_asked_for() {
    let (home, _) = enrolled();
    let run = home.as_person(&["vault", "unlock", "--rp-id", "other.example"]);
    // No passkey slot is of that RP ID, so the recovery code is asked for, and nobody is there.
    run.fails(3, "no-terminal");
    assert_eq!(home.json(&["key", "info"]).json()["pinTriesLeft"], 8);
    let pin = home.pin_file();
    let bad = ["vault", "enroll", "--rp-id", "Not A Domain", "--yes", "--pin-file", &pin];
    home.by_code(&bad).fails(2, "bad-rp-id");
}

#[test]
fn enrolment_needs_a_key_consent_and_the_pin() {
    let (home, _) = Home::with_vault();
    home.by_code(&["vault", "enroll", "--yes"]).fails(5, "no-key");
    let pin = home.pin_file();
    home.json(&["key", "init", "--pin-file", &pin]).json();
    home.by_code(&["vault", "enroll", "--pin-file", &pin]).fails(3, "no-terminal");
    home.by_code(&["vault", "enroll", "--yes"]).fails(3, "no-terminal");
    let slots = home.json(&["vault", "status"]).json()["slots"].as_array().unwrap().len();
    assert_eq!(slots, 1);
}

#[test]
fn items_come_back_as_they_were() {
    let (home, _) = Home::with_vault();
    let contents: Vec<u8> = (0..=255).collect();
    let file = home.write("file", &contents);
    let put = home.by_code(&["vault", "put", "bytes", &file]).json();
    assert_eq!((&put["version"], &put["size"]), (&1.into(), &256.into()));
    let code = home.code_file();
    assert_eq!(home.run(&["vault", "get", "bytes", "--code-file", &code]).stdout, contents);
    let id = put["id"].as_str().unwrap();
    assert_eq!(home.run(&["vault", "get", id, "--code-file", &code]).stdout, contents);
    let json = home.by_code(&["vault", "get", "bytes"]).json();
    assert!(json["contents"].as_str().unwrap().starts_with("AAECAwQ"));
}

#[test]
fn an_item_of_the_same_name_is_a_new_version() {
    let (home, _) = Home::with_vault();
    let code = home.code_file();
    let put = ["vault", "put", "note", "--json", "--code-file", &code];
    let first = home.run_with_input(&put, b"one").json();
    let second = home.run_with_input(&put, b"two").json();
    assert_eq!((&first["id"], &second["version"]), (&second["id"], &2.into()));
    let list = home.by_code(&["vault", "list"]).json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(home.run(&["vault", "get", "note", "--code-file", &code]).text(), "two");
}

#[test]
fn an_item_that_is_not_there_is_not_found() {
    let (home, _) = Home::with_vault();
    home.by_code(&["vault", "get", "nothing"]).fails(5, "no-item");
    home.by_code(&["vault", "put", ""]).fails(2, "bad-name");
    home.by_code(&["vault", "put", "x", "/nonexistent/file"]).fails(5, "no-file");
}

#[test]
fn rotation_needs_no_authenticator_and_locks_nobody_out() {
    let (home, _) = enrolled();
    let code = home.code_file();
    home.run_with_input(&["vault", "put", "note", "--code-file", &code], b"kept");
    std::fs::rename(home.base().join("key"), home.base().join("elsewhere")).unwrap();
    let rotated = home.by_code(&["vault", "rotate"]).json();
    assert_eq!((&rotated["keyGenerationBefore"], &rotated["keyGeneration"]), (&1.into(), &2.into()));
    assert_eq!(rotated["refreshDue"].as_array().unwrap().len(), 2);
    std::fs::rename(home.base().join("elsewhere"), home.base().join("key")).unwrap();

    let opened = home.as_person(&["vault", "unlock"]).json();
    assert_eq!((&opened["keyGeneration"], &opened["slotRefreshed"]), (&2.into(), &true.into()));
    let opened = home.as_person(&["vault", "unlock"]).json();
    assert_eq!(opened["slotRefreshed"], false);
    assert_eq!(home.run(&["vault", "get", "note", "--code-file", &code]).text(), "kept");
}

#[test]
fn the_status_shows_what_is_used_and_what_is_due() {
    let (home, _) = enrolled();
    home.by_code(&["vault", "rotate"]).json();
    let status = home.json(&["vault", "status"]).json();
    assert_eq!((&status["freshness"], &status["keyGeneration"]), (&"not verified".into(), &2.into()));
    let slots = status["slots"].as_array().unwrap();
    assert!(slots.iter().all(|slot| slot["status"] == "used" && slot["refreshDue"] == true));
    assert!(slots.iter().all(|slot| slot["label"].is_null()), "labels are encrypted");

    let verified = home.by_code(&["vault", "status"]).json();
    assert_eq!(verified["freshness"], "checked");
    let labels: Vec<_> = verified["slots"].as_array().unwrap().iter().map(|slot| &slot["label"]).collect();
    assert!(labels.contains(&&"recovery code".into()));
    let due = |slot: &&serde_json::Value| slot["refreshDue"] == true;
    assert_eq!(
        verified["slots"].as_array().unwrap().iter().filter(due).count(),
        1,
        "the one used was renewed"
    );
    assert!(home.run(&["vault", "status"]).text().contains("refresh due"));
}

#[test]
fn an_older_copy_of_the_vault_is_refused() {
    let (home, _) = Home::with_vault();
    let (vault, copy) = (home.base().join("vault/vault.redb"), home.path("copy"));
    std::fs::copy(&vault, &copy).unwrap();
    home.by_code(&["vault", "rotate"]).json();
    std::fs::copy(&copy, &vault).unwrap();
    let message = home.by_code(&["vault", "unlock"]).fails(6, "rollback");
    assert!(message.contains("newest copy") && message.contains("memory/seen"), "{message}");
}

#[test]
fn another_future_of_the_vault_is_refused() {
    let (home, _) = Home::with_vault();
    let (vault, memory) = (home.base().join("vault/vault.redb"), home.base().join("memory/seen"));
    for file in [&vault, &memory] {
        std::fs::copy(file, home.path(file.file_name().unwrap().to_str().unwrap())).unwrap();
    }
    let code = home.code_file();
    assert_eq!(home.run_with_input(&["vault", "put", "a", "--code-file", &code], b"1").code, 0);
    let seen = std::fs::read(&memory).unwrap();
    std::fs::copy(home.path("vault.redb"), &vault).unwrap();
    std::fs::copy(home.path("seen"), &memory).unwrap();
    assert_eq!(home.run_with_input(&["vault", "put", "b", "--code-file", &code], b"1").code, 0);
    std::fs::write(&memory, seen).unwrap();
    home.by_code(&["vault", "unlock"]).fails(6, "fork");
}

#[test]
fn an_unseen_vault_is_rotated_on_an_explicit_word_only() {
    let (home, _) = Home::with_vault();
    std::fs::remove_dir_all(home.base().join("memory")).unwrap();
    let code = home.code_file();
    let message = home.by_code(&["vault", "rotate"]).fails(1, "unchecked");
    assert!(message.contains("--accept-as-is"), "{message}");
    std::fs::remove_dir_all(home.base().join("memory")).unwrap();
    let opened = home.by_code(&["vault", "unlock"]).json();
    assert_eq!(opened["freshness"], "first use");
    std::fs::remove_dir_all(home.base().join("memory")).unwrap();
    home.json(&["vault", "rotate", "--accept-as-is", "--code-file", &code]).json();
}

#[test]
fn a_memory_that_cannot_be_used_is_named() {
    let (home, _) = Home::with_vault();
    std::fs::write(home.base().join("memory/seen"), b"rot").unwrap();
    let message = home.by_code(&["vault", "unlock"]).fails(8, "memory");
    assert!(message.contains("memory/seen"), "{message}");
}

#[test]
fn where_the_memory_cannot_be_written_nothing_is_made() {
    let home = Home::new();
    // A directory where the file should be.
    std::fs::create_dir_all(home.base().join("memory/seen")).unwrap();
    let message = home.json(&["vault", "init"]).fails(2, "bad-path");
    assert!(message.contains("memory"), "{message}");
    home.json(&["key", "init", "--pin-file", &home.pin_file()]).fails(2, "bad-path");
    assert!(!home.base().join("vault/vault.redb").exists() && !home.base().join("key").exists());
}

#[test]
fn an_exported_vault_is_the_same_vault_elsewhere() {
    let (home, code) = enrolled();
    let code_file = home.code_file();
    home.run_with_input(&["vault", "put", "note", "--code-file", &code_file], b"kept");
    let envelope = home.path("copy/vault.envelope");
    let file = envelope.to_str().unwrap();
    let exported = home.json(&["vault", "export", file]).json();
    assert_eq!((&exported["items"], mode(&envelope)), (&1.into(), 0o600));
    let bytes = std::fs::read(&envelope).unwrap();
    assert!(!contains(&bytes, b"note") && !contains(&bytes, b"kept") && !contains(&bytes, code.as_bytes()));
    home.json(&["vault", "export", file]).fails(1, "exists");
    assert_eq!(std::fs::read(&envelope).unwrap(), bytes);

    home.json(&["vault", "import", file]).fails(1, "exists");
    let elsewhere = Home::new();
    elsewhere.write("code.txt", code.as_bytes());
    let imported = elsewhere.json(&["vault", "import", file]).json();
    assert_eq!((&imported["vaultId"], &imported["epoch"]), (&exported["vaultId"], &exported["epoch"]));
    assert_eq!(mode(&elsewhere.base().join("vault/vault.redb")), 0o600);
    assert_eq!(elsewhere.by_code(&["vault", "unlock"]).json()["freshness"], "first use");
    let get = ["vault", "get", "note", "--code-file", &elsewhere.code_file()];
    assert_eq!(elsewhere.run(&get).text(), "kept");
}

#[test]
fn an_export_that_is_older_than_what_was_seen_is_refused_where_it_was_seen() {
    let (home, _) = Home::with_vault();
    let file = home.path("vault.envelope");
    home.json(&["vault", "export", file.to_str().unwrap()]).json();
    home.by_code(&["vault", "rotate"]).json();
    std::fs::remove_dir_all(home.base().join("vault")).unwrap();
    home.json(&["vault", "import", file.to_str().unwrap()]).json();
    home.by_code(&["vault", "unlock"]).fails(6, "rollback");
}

#[test]
fn what_cannot_be_exported_or_imported_leaves_nothing_behind() {
    let home = Home::new();
    let file = home.path("vault.envelope");
    home.json(&["vault", "export", file.to_str().unwrap()]).fails(5, "no-vault");
    home.json(&["vault", "import", file.to_str().unwrap()]).fails(5, "no-file");
    let rubbish = home.write("rubbish", b"not an envelope");
    assert!(home.json(&["vault", "import", &rubbish]).fails(6, "malformed").contains("rubbish"));
    let directory = home.directory.path().to_str().unwrap();
    home.json(&["vault", "import", directory]).fails(2, "bad-path");
    let empty = home.write("nothing", b"");
    home.json(&["vault", "import", &empty]).fails(6, "malformed");
    assert!(!file.exists() && !home.base().exists());
}

#[test]
fn a_passkey_that_lives_in_the_vault_cannot_open_it() {
    let (home, id) = with_a_passkey_in_the_vault();
    let pin = home.write("wrong", common::WRONG_PIN.as_bytes());
    let enrol = ["vault", "enroll", "--existing", &id, "--yes", "--pin-file", &pin];
    home.by_code(&enrol).fails(1, "circular");
    let info = home.json(&["key", "info"]).json();
    assert_eq!(info["pinTriesLeft"], 8, "it is refused before anybody is asked");
}

/// One and the same passkey in the key and in the vault, as after a move from one to the other.
fn with_a_passkey_in_the_vault() -> (Home, String) {
    let home = Home::with_key();
    let code = home.make_vault();
    let options = common::repository("crates/cli/data/quickstart-create.json");
    let made = home.as_person(&["webauthn", "create", "--origin", "https://vault.example", &options]).json();

    let memory = || SeenFile::at(home.base().join("memory/seen"));
    let key = KeyDirectory::open(&home.base().join("key"), Settings::credential_manager(), memory()).unwrap();
    let found = key.store().load(&Query::Discoverable(RpId::new("vault.example").unwrap())).unwrap();
    let record = found[0].clone_secret();
    let file = VaultFile::open(&home.base().join("vault/vault.redb")).unwrap();
    let envelope = file.envelope().unwrap().unwrap();
    let code = RecoveryCode::parse(&code, &envelope.vault_id()).unwrap();
    let slot = envelope.slots().next().unwrap().slot_id();
    let mut seen = memory();
    let opening = Opening { memory: Some(&mut seen), ..Opening::default() };
    let (vault, ..) = envelope.open(&slot, &SlotSecret::Code(&code), opening).unwrap();
    let mut store = PasskeyStore::new(vault, file, Some(Box::new(memory())), OsRng::default()).unwrap();
    store.commit(ChangeSet { put: vec![record], ..ChangeSet::default() }).unwrap();
    (home, made["id"].as_str().unwrap().to_owned())
}

#[test]
fn a_vault_in_use_is_busy() {
    let (home, _) = Home::with_vault();
    let _held = VaultFile::open(&home.base().join("vault/vault.redb")).unwrap();
    home.by_code(&["vault", "list"]).fails(7, "busy");
}

#[test]
fn a_file_that_is_no_vault_is_said_to_be_none() {
    let home = Home::new();
    std::fs::create_dir_all(home.base().join("vault")).unwrap();
    home.write("base/vault/vault.redb", b"not a database");
    home.by_code(&["vault", "status"]).fails(6, "wrong-file");
}

#[test]
fn no_output_and_no_file_repeats_a_secret() {
    let (home, code) = enrolled();
    let (code_file, pin) = (home.code_file(), home.pin_file());
    let contents = b"contents of an item";
    let put = home.run_with_input(&["vault", "put", "secret-name", "--code-file", &code_file], contents);
    assert_eq!(put.code, 0, "{}", put.stderr);
    let runs = [
        home.run(&["vault", "list", "--code-file", &code_file]),
        home.run(&["vault", "status", "--code-file", &code_file]),
        home.run(&["vault", "rotate", "--code-file", &code_file]),
        home.run(&["vault", "unlock", "--yes", "--pin-file", &pin]),
        home.run(&["vault", "get", "nothing", "--yes", "--pin-file", &pin]),
        put,
    ];
    let secrets = [PIN.as_bytes(), code.as_bytes(), contents];
    for run in runs {
        for secret in secrets {
            assert!(!contains(&run.stdout, secret) && !contains(run.stderr.as_bytes(), secret));
        }
    }
    for file in files_below(&home.base()) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!contains(&bytes, b"secret-name"), "names are encrypted");
        assert!(secrets.iter().all(|secret| !contains(&bytes, secret)), "{}", file.display());
    }
}
