//! `countersign webauthn`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking; clippy knows test functions only")]

mod common;

use common::{Home, PIN, contains, repository};
use serde_json::{Value, json};

const ORIGIN: &str = "https://vault.example";

fn creation() -> String {
    repository("crates/cli/data/quickstart-create.json")
}

fn request() -> String {
    repository("crates/cli/data/quickstart-get.json")
}

fn edited(home: &Home, path: &str, edit: impl FnOnce(&mut Value)) -> String {
    let mut options: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    edit(&mut options);
    home.write("edited.json", options.to_string().as_bytes())
}

#[test]
fn a_passkey_signs_in_with_the_same_prf_result_each_time() {
    let home = Home::with_key();
    let made = home.as_person(&["webauthn", "create", "--origin", ORIGIN, &creation()]).json();
    let first = home.as_person(&["webauthn", "get", "--origin", ORIGIN, &request()]).json();
    let second = home.as_person(&["webauthn", "get", "--origin", ORIGIN, &request()]).json();
    assert_eq!(first["id"], made["id"]);
    let result = |response: &Value| response["clientExtensionResults"]["prf"]["results"]["first"].clone();
    assert_eq!(result(&made).as_str().unwrap().len(), 43);
    assert_eq!(result(&first), result(&made));
    assert_eq!(result(&second), result(&made));
}

#[test]
fn options_may_come_from_standard_input() {
    let home = Home::with_key();
    let options = std::fs::read(creation()).unwrap();
    let pin = home.pin_file();
    let arguments = ["webauthn", "create", "--origin", ORIGIN, "--yes", "--pin-file", &pin];
    let response = home.run_with_input(&arguments, &options);
    assert_eq!(response.json()["type"], "public-key");
    let response = home.run_with_input(&[&arguments[..], &["-"]].concat(), &options);
    assert_eq!(response.code, 0, "{}", response.stderr);
}

#[test]
fn consent_needs_a_terminal_or_a_word() {
    let home = Home::with_key();
    let pin = home.pin_file();
    let refused = home.json(&["webauthn", "create", "--origin", ORIGIN, "--pin-file", &pin, &creation()]);
    assert!(refused.fails(3, "no-terminal").contains("--yes"));
    let refused = home.json(&["webauthn", "create", "--origin", ORIGIN, "--yes", &creation()]);
    assert!(refused.fails(3, "no-terminal").contains("--pin-file"));
    let info = home.json(&["key", "info"]).json();
    assert_eq!((&info["passkeys"], &info["pinTriesLeft"]), (&0.into(), &8.into()));
}

#[test]
fn user_verification_is_what_the_pin_proves() {
    let home = Home::with_key();
    let without = edited(&home, &creation(), |options| {
        options["authenticatorSelection"]["userVerification"] = json!("discouraged");
        options["extensions"] = json!({});
    });
    // Consent alone: no PIN is asked for, and the UV bit (0x04) stays clear.
    let response = home.json(&["webauthn", "create", "--origin", ORIGIN, "--yes", &without]).json();
    assert_eq!(flags(&response) & 0x05, 0x01);
    let response = home.as_person(&["webauthn", "create", "--origin", ORIGIN, &creation()]).json();
    assert_eq!(flags(&response) & 0x05, 0x05);
}

fn flags(response: &Value) -> u8 {
    use base64ct::{Base64UrlUnpadded, Encoding};
    let data = response["response"]["authenticatorData"].as_str().unwrap();
    Base64UrlUnpadded::decode_vec(data).unwrap()[32]
}

#[test]
fn an_origin_gets_its_own_passkeys_only() {
    let home = Home::with_key();
    for (origin, code, name) in [
        ("https://other.example", 1, "origin-not-allowed"),
        ("https://vault.example.evil.test", 1, "origin-not-allowed"),
        ("http://vault.example", 2, "bad-origin"),
        ("vault.example", 2, "bad-origin"),
        ("https://vault.example/", 2, "bad-origin"),
    ] {
        home.as_person(&["webauthn", "create", "--origin", origin, &creation()]).fails(code, name);
        home.as_person(&["webauthn", "get", "--origin", origin, &request()]).fails(code, name);
    }
    assert_eq!(home.json(&["key", "info"]).json()["passkeys"], 0);
}

#[test]
fn options_that_cannot_be_used_say_where() {
    let home = Home::with_key();
    let create = |file: &str| home.as_person(&["webauthn", "create", "--origin", ORIGIN, file]);
    create(&home.write("not-json", b"{")).fails(2, "not-json");
    create(&home.write("empty", b"")).fails(2, "not-json");
    create("/nonexistent/options").fails(5, "no-file");
    let no_challenge = edited(&home, &creation(), |options| {
        options.as_object_mut().unwrap().remove("challenge");
    });
    assert!(create(&no_challenge).fails(2, "bad-options").contains("challenge"));
    let foreign = edited(&home, &creation(), |options| {
        options["pubKeyCredParams"] = json!([{ "type": "public-key", "alg": -257 }]);
    });
    create(&foreign).fails(1, "not-supported");
    let roaming = edited(&home, &creation(), |options| {
        options["authenticatorSelection"]["authenticatorAttachment"] = json!("cross-platform");
    });
    create(&roaming).fails(1, "unfit");
    home.json(&["webauthn", "create", &creation()]).fails(2, "usage");
}

#[test]
fn an_excluded_or_a_missing_passkey_has_its_own_code() {
    let home = Home::with_key();
    home.as_person(&["webauthn", "get", "--origin", ORIGIN, &request()]).fails(5, "no-passkey");
    let made = home.as_person(&["webauthn", "create", "--origin", ORIGIN, &creation()]).json();
    let again = edited(&home, &creation(), |options| {
        options["excludeCredentials"] = json!([{ "type": "public-key", "id": made["id"] }]);
    });
    home.as_person(&["webauthn", "create", "--origin", ORIGIN, &again]).fails(1, "already-registered");
}

#[test]
fn one_of_several_accounts_is_named() {
    let home = Home::with_key();
    let mut ids = Vec::new();
    for handle in ["AAAA", "BBBB"] {
        let options = edited(&home, &creation(), |options| options["user"]["id"] = json!(handle));
        let made = home.as_person(&["webauthn", "create", "--origin", ORIGIN, &options]).json();
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    home.as_person(&["webauthn", "get", "--origin", ORIGIN, &request()]).fails(3, "no-terminal");
    for id in &ids {
        let named = ["webauthn", "get", "--origin", ORIGIN, "--credential", id, &request()];
        assert_eq!(home.as_person(&named).json()["id"], id.as_str());
    }
    let named = ["webauthn", "get", "--origin", ORIGIN, "--credential", "AAAA", &request()];
    home.as_person(&named).fails(5, "no-passkey");
}

#[test]
fn without_a_key_there_is_nothing_to_register_with() {
    let home = Home::new();
    home.as_person(&["webauthn", "create", "--origin", ORIGIN, &creation()]).fails(5, "no-key");
}

#[test]
fn no_output_repeats_the_pin() {
    let home = Home::with_key();
    let pin = home.pin_file();
    let commands: [&[&str]; 4] = [
        &["webauthn", "create", "--origin", ORIGIN, &creation(), "--yes", "--pin-file", &pin],
        &["webauthn", "get", "--origin", ORIGIN, &request(), "--yes", "--pin-file", &pin],
        &["webauthn", "get", "--origin", "https://other.example", &request(), "--yes", "--pin-file", &pin],
        &["key", "init", "--pin-file", &pin],
    ];
    for arguments in commands {
        let run = home.run(arguments);
        assert!(!contains(&run.stdout, PIN.as_bytes()) && !run.stderr.contains(PIN), "{arguments:?}");
    }
}
