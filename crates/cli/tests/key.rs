//! `countersign key`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking; clippy knows test functions only")]

mod common;

use common::{Home, PIN, WRONG_PIN, hid::Plugged, repository};

/// Registers a passkey with the bundled options; its identifier comes back.
fn register(home: &Home) -> String {
    let options = repository("crates/cli/data/quickstart-create.json");
    let response =
        home.as_person(&["webauthn", "create", "--origin", "https://vault.example", &options]).json();
    response["id"].as_str().unwrap().to_owned()
}

fn sign_in_with(home: &Home, pin: &str) -> common::Run {
    let pin = home.write("other-pin", pin.as_bytes());
    let options = repository("crates/cli/data/quickstart-get.json");
    let origin = "https://vault.example";
    home.json(&["webauthn", "get", "--origin", origin, "--yes", "--pin-file", &pin, &options])
}

#[test]
fn a_new_key_has_a_pin_and_eight_tries() {
    let home = Home::with_key();
    let info = home.json(&["key", "info"]).json();
    assert_eq!((&info["pinSet"], &info["pinTriesLeft"]), (&true.into(), &8.into()));
    assert_eq!(info["options"]["uv"], true);
    let provider = countersign_host::provider().name();
    assert_eq!(info["cryptoProvider"], provider);
    assert!(home.run(&["key", "info"]).text().contains(provider));
    assert_eq!(info["role"], "credential-manager");
}

#[test]
fn a_key_is_made_once() {
    let home = Home::with_key();
    let before = std::fs::read(home.base().join("key/vault.redb")).unwrap();
    home.json(&["key", "init", "--pin-file", &home.pin_file()]).fails(1, "exists");
    assert_eq!(std::fs::read(home.base().join("key/vault.redb")).unwrap(), before);
}

#[test]
fn a_pin_comes_from_a_file_a_descriptor_or_a_terminal() {
    let home = Home::new();
    home.json(&["key", "init"]).fails(3, "no-terminal");
    let short = home.write("short", b"123");
    home.json(&["key", "init", "--pin-file", &short]).fails(2, "bad-pin");
    let empty = home.write("empty", b"");
    home.json(&["key", "init", "--pin-file", &empty]).fails(2, "bad-secret");
    home.json(&["key", "init", "--pin-file", "/nonexistent/pin"]).fails(5, "no-file");
    home.json(&["key", "init", "--pin-file", &format!("{short}/pin")]).fails(2, "bad-path");
    home.json(&["key", "init", "--pin", "1234"]).fails(2, "usage");
    assert!(!home.base().join("key").exists());
    let by_descriptor = home.run_with_input(&["key", "init", "--pin-fd", "0", "--json"], PIN.as_bytes());
    assert_eq!(by_descriptor.json()["pinSet"], true);
}

/// As `countersign device` makes it; it is told what else is to be sent to it.
fn without_a_pin(home: &Home, commands: &[&[u8]]) {
    let mut plugged = Plugged::new(home, &[]);
    for command in commands {
        assert_eq!(plugged.client().cbor(command)[0], 0);
    }
    plugged.order("quit");
    plugged.exit_code();
}

#[test]
fn a_key_without_a_pin_gets_its_first_one_which_verifies_from_then_on() {
    let home = Home::new();
    without_a_pin(&home, &[]);
    home.json(&["key", "set-pin"]).fails(3, "no-terminal");
    let short = home.write("short", b"123");
    home.json(&["key", "set-pin", "--pin-file", &short]).fails(2, "bad-pin");
    assert_eq!(home.json(&["key", "info"]).json()["pinSet"], false);
    let set = home.json(&["key", "set-pin", "--pin-file", &home.pin_file()]).json();
    assert_eq!(
        (&set["pinSet"], &set["pinTriesLeft"], &set["role"]),
        (&true.into(), &8.into(), &"security-key".into())
    );
    assert_eq!(home.json(&["key", "info"]).json()["pinSet"], true, "it is stored");
    register(&home);
    sign_in_with(&home, WRONG_PIN).fails(4, "wrong-pin");
    sign_in_with(&home, PIN).json();
}

#[test]
fn a_pin_that_is_set_is_left_alone() {
    let home = Home::with_key();
    register(&home);
    let other = home.write("other", WRONG_PIN.as_bytes());
    let message = home.json(&["key", "set-pin", "--pin-file", &other]).fails(1, "pin-set");
    assert!(message.contains("countersign device"), "{message}");
    // Without a terminal too: nobody is asked for a PIN that would not be taken.
    home.json(&["key", "set-pin"]).fails(1, "pin-set");
    sign_in_with(&home, PIN).json();
}

#[test]
fn a_first_pin_is_as_long_as_a_platform_has_demanded() {
    let home = Home::new();
    // authenticatorConfig setMinPINLength: newMinPINLength 19.
    without_a_pin(&home, &[&[0x0d, 0xa2, 0x01, 0x03, 0x02, 0xa1, 0x01, 0x13]]);
    assert_eq!(PIN.len(), 18);
    let message = home.json(&["key", "set-pin", "--pin-file", &home.pin_file()]).fails(2, "bad-pin");
    assert!(message.contains("19"), "{message}");
    let longer = home.write("longer", format!("{PIN}!").as_bytes());
    home.json(&["key", "set-pin", "--pin-file", &longer]).json();
}

#[test]
fn a_secret_file_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let pin = home.pin_file();
    std::fs::set_permissions(&pin, std::fs::Permissions::from_mode(0o644)).unwrap();
    home.json(&["key", "init", "--pin-file", &pin]).fails(1, "exposed");
}

#[test]
fn the_role_is_kept() {
    let home = Home::new();
    home.json(&["key", "init", "--role", "security-key", "--pin-file", &home.pin_file()]).json();
    let info = home.json(&["key", "info"]).json();
    assert_eq!((&info["role"], &info["transports"][0]), (&"security-key".into(), &"usb".into()));
}

#[test]
fn without_a_key_every_verb_says_so() {
    let home = Home::new();
    for verb in [&["info"][..], &["set-pin"], &["list"], &["show", "AAAA"], &["delete", "AAAA", "--yes"]] {
        let message = home.json(&[&["key"], verb].concat()).fails(5, "no-key");
        assert!(message.contains("countersign key init"), "{message}");
    }
}

#[test]
fn passkeys_are_listed_shown_and_deleted() {
    let home = Home::with_key();
    let id = register(&home);
    let list = home.json(&["key", "list"]).json();
    assert_eq!(list["passkeys"][0]["id"], id.as_str());
    let passkey = home.json(&["key", "show", &id]).json();
    assert_eq!(passkey["rpId"], "vault.example");
    assert_eq!(passkey["userName"], "alex@vault.example");
    assert_eq!(passkey["discoverable"], true);
    let text = home.run(&["key", "show", &id]).text();
    assert!(text.contains("alex@vault.example"));
    assert!(home.run(&["key", "list"]).text().contains(&id));

    home.json(&["key", "delete", &id]).fails(3, "no-terminal");
    assert_eq!(home.json(&["key", "info"]).json()["passkeys"], 1);
    home.json(&["key", "delete", &id, "--yes"]).json();
    home.json(&["key", "show", &id]).fails(5, "no-passkey");
    home.json(&["key", "delete", &id, "--yes"]).fails(5, "no-passkey");
    home.json(&["key", "show", "!"]).fails(2, "bad-id");
}

#[test]
fn an_identifier_that_begins_with_a_hyphen_is_no_option() {
    let home = Home::with_key();
    // 32 bytes that no passkey has; the first is 0xf8, which is a hyphen in base64url.
    let id = "-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    home.json(&["key", "show", id]).fails(5, "no-passkey");
    home.json(&["key", "delete", id, "--yes"]).fails(5, "no-passkey");
}

#[test]
fn what_is_shown_of_a_passkey_has_no_secret() {
    let home = Home::with_key();
    let id = register(&home);
    let passkey = home.json(&["key", "show", &id]).json();
    let members: Vec<&String> = passkey.as_object().unwrap().keys().collect();
    for member in members {
        assert!(!member.to_lowercase().contains("private") && !member.to_lowercase().contains("random"));
    }
}

#[test]
fn a_wrong_pin_costs_one_try_and_the_right_one_gives_them_back() {
    let home = Home::with_key();
    register(&home);
    let tries = || home.json(&["key", "info"]).json()["pinTriesLeft"].clone();
    let message = sign_in_with(&home, WRONG_PIN).fails(4, "wrong-pin");
    assert!(message.contains("7 tries"), "{message}");
    assert_eq!(tries(), 7);
    sign_in_with(&home, WRONG_PIN).fails(4, "wrong-pin");
    assert_eq!(tries(), 6);
    sign_in_with(&home, PIN).json();
    assert_eq!(tries(), 8);
}

#[test]
fn eight_wrong_pins_block_it_for_good() {
    let home = Home::with_key();
    register(&home);
    for _ in 0..8 {
        assert_eq!(sign_in_with(&home, WRONG_PIN).code, 4);
    }
    let message = sign_in_with(&home, PIN).fails(4, "pin-blocked");
    assert!(message.contains("countersign key init") && message.contains("recovery code"), "{message}");
    assert!(home.run(&["key", "info"]).text().contains("set, blocked"));
}

#[test]
fn one_passkey_is_one() {
    let home = Home::with_key();
    let options = repository("crates/cli/data/quickstart-create.json");
    register(&home);
    assert!(home.run(&["key", "list"]).text().starts_with("1 passkey:"));
    let other = std::fs::read_to_string(options).unwrap().replace("TGIarauzNm", "AAAAAAAAAA");
    let other = home.write("other.json", other.as_bytes());
    home.as_person(&["webauthn", "create", "--origin", "https://vault.example", &other]).json();
    assert!(home.run(&["key", "list"]).text().starts_with("2 passkeys:"));
}

#[test]
fn a_key_whose_device_secret_is_gone_or_wrong_does_not_open() {
    let home = Home::with_key();
    let secret = home.base().join("key/device.secret");
    let bytes = std::fs::read(&secret).unwrap();
    std::fs::remove_file(&secret).unwrap();
    let message = home.json(&["key", "list"]).fails(5, "no-secret");
    assert!(message.contains("device.secret") && !message.contains("key init"), "{message}");
    let other: Vec<u8> = bytes.iter().map(|byte| byte ^ 1).collect();
    home.write("base/key/device.secret", &other);
    let message = home.json(&["key", "list"]).fails(4, "wrong-secret");
    assert!(message.contains("device.secret"), "{message}");
}
