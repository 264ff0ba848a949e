//! The program with a person at a terminal: the real binary on a pseudo-terminal.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking; clippy knows test functions only")]

mod common;

use common::{
    Home, PIN, WRONG_PIN,
    hid::{CANCEL, CBOR, Client, create, ready},
    repository,
    terminal::Terminal,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Two passkeys for vault.example; their identifiers, the newest last.
fn two_accounts(home: &Home) -> [String; 2] {
    let options = std::fs::read_to_string(repository("crates/cli/data/quickstart-create.json")).unwrap();
    ["AAAA", "BBBB"].map(|handle| {
        let mut options: Value = serde_json::from_str(&options).unwrap();
        options["user"] = serde_json::json!({ "id": handle, "name": handle, "displayName": "" });
        let file = home.write("options.json", options.to_string().as_bytes());
        let made = home.as_person(&["webauthn", "create", "--origin", "https://vault.example", &file]).json();
        made["id"].as_str().unwrap().to_owned()
    })
}

fn sign_in(home: &Home, more: &[&str]) -> Terminal {
    let request = repository("crates/cli/data/quickstart-get.json");
    let arguments = ["webauthn", "get", "--origin", "https://vault.example", &request];
    Terminal::start(home, &[&arguments, more].concat())
}

fn id(output: &str) -> Value {
    serde_json::from_str::<Value>(output).unwrap()["id"].clone()
}

#[test]
fn the_account_that_was_chosen_stays_chosen_after_a_wrong_pin() {
    let home = Home::with_key();
    let [oldest, _] = two_accounts(&home);
    let mut terminal = sign_in(&home, &[]);
    terminal
        .at("1: BBBB", "")
        .at("nothing to refuse: ", "2\n")
        .enter_pin(WRONG_PIN)
        .at("Wrong PIN", "")
        .enter_pin(PIN);
    let (code, output, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    assert_eq!(id(&output), oldest.as_str());
    assert!(!screen.contains(PIN) && !screen.contains(WRONG_PIN));
}

#[test]
fn an_account_that_is_named_is_not_asked_for() {
    let home = Home::with_key();
    for named in two_accounts(&home) {
        let mut terminal = sign_in(&home, &["--credential", &named]);
        terminal.enter_pin(PIN);
        let (_, output, screen) = terminal.end();
        assert_eq!(id(&output), named.as_str());
        assert!(!screen.contains("which account"), "{screen}");
    }
}

#[test]
fn who_refuses_is_told_nothing_else() {
    let home = Home::with_key();
    two_accounts(&home);
    for keys in ["\n", "\x03", "\x04"] {
        let mut terminal = sign_in(&home, &[]);
        terminal.at("nothing to refuse: ", "1\n").at("refuse): ", keys);
        let (code, output, screen) = terminal.end();
        assert_eq!((code, output.as_str()), (3, ""), "{screen}");
        assert!(screen.contains("declined") && !screen.contains("secret"), "{screen}");
    }
    assert_eq!(home.json(&["key", "info"]).json()["pinTriesLeft"], 8);
}

#[test]
fn the_steps_of_an_enrolment_are_numbered() {
    let home = Home::with_key();
    home.make_vault();
    let mut terminal = Terminal::start(&home, &["vault", "enroll", "--code-file", &home.code_file()]);
    for step in ["Step 1 of 3", "Step 2 of 3", "Step 3 of 3"] {
        terminal.at(step, "").enter_pin(PIN);
    }
    let (code, _, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
}

#[test]
fn the_passphrase_of_a_backup_is_typed_twice_and_unseen() {
    let home = Home::new();
    home.make_vault();
    let file = home.path("vault.backup").display().to_string();
    let create = ["backup", "create", &file, "--code-file", &home.code_file()];
    for (again, code) in [("green umbrellb", 2), ("green umbrella", 0)] {
        let mut terminal = Terminal::start(&home, &create);
        terminal.at("New passphrase of the backup: ", "green umbrella\n");
        terminal.at("New passphrase of the backup again: ", &format!("{again}\n"));
        let (ended, _, screen) = terminal.end();
        assert_eq!(ended, code, "{screen}");
        assert!(!screen.contains("umbrell"), "{screen}");
    }
    let mut terminal = Terminal::start(&home, &["backup", "verify", &file]);
    terminal.at("Backup's passphrase: ", "green umbrella\n");
    let (code, output, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    assert!(output.contains("the backup is sound"), "{output}");
}

#[test]
fn a_passkey_is_deleted_after_a_yes() {
    let home = Home::with_key();
    let [id, _] = two_accounts(&home);
    for (keys, code) in [("n\n", 3), ("\n", 3), ("y\n", 0)] {
        let mut terminal = Terminal::start(&home, &["key", "delete", &id]);
        terminal.at("for good? [y/N] ", keys);
        assert_eq!(terminal.end().0, code);
    }
    assert_eq!(home.json(&["key", "info"]).json()["passkeys"], 1);
}

#[test]
fn the_security_keys_questions_are_asked_and_go_away_when_they_are_cancelled() {
    let home = Home::new();
    let mut terminal = Terminal::start(&home, &["device", "--udp", "127.0.0.1:0"]);
    let client = Client::connect(&ready(&mut terminal.program.child));
    client.send(CBOR, &create(1));
    terminal.at("Make a passkey for example.com", "").at("[y/N] ", "");
    client.send(CANCEL, &[]);
    assert_eq!(client.response().1, (CBOR, vec![0x2d]));
    terminal.at("That question is over.", "");
    client.send(CBOR, &create(1));
    terminal.at("[y/N] ", "y\n");
    assert_eq!(client.response().1.1[0], 0);
    client.send(CBOR, &create(1));
    terminal.at("[y/N] ", "n\n");
    assert_eq!(client.response().1, (CBOR, vec![0x27]));
    kill_process(Pid::from_child(&terminal.program.child), Signal::INT).unwrap();
    assert_eq!(terminal.end().0, 0);
}
