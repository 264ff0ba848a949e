//! The program with a person at a terminal: the real binary on a pseudo-terminal.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking; clippy knows test functions only")]

mod common;

use std::{
    fs::{File, OpenOptions},
    io::{BufReader, Read, Write},
    os::fd::OwnedFd,
    process::{Child, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use common::{
    Home, PIN, WRONG_PIN,
    hid::{CANCEL, CBOR, Client, create, ready},
    program, repository,
};
use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, tcgetattr},
};
use serde_json::Value;

/// The program, and the person's side of it: keyboard and screen. Its results go elsewhere.
struct Terminal {
    child: Child,
    keyboard: File,
    screen: Receiver<u8>,
    seen: String,
}

impl Terminal {
    fn start(home: &Home, arguments: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = || OwnedFd::from(OpenOptions::new().read(true).write(true).open(&name).unwrap());
        let mut command = program();
        command.arg("--dir").arg(home.base()).args(arguments);
        let child = command.stdin(slave()).stderr(slave()).stdout(Stdio::piped()).spawn().unwrap();
        let keyboard = File::from(master);
        let screen = keyboard.try_clone().unwrap();
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            BufReader::new(screen).bytes().map_while(Result::ok).try_for_each(|byte| sender.send(byte))
        });
        Self { child, keyboard, screen: receiver, seen: String::new() }
    }

    /// Waits until the screen shows a text after what was waited for before, and types.
    fn at(&mut self, text: &str, keys: &str) -> &mut Self {
        let mut shown = String::new();
        while !shown.contains(text) {
            let byte = self.screen.recv_timeout(Duration::from_secs(60));
            shown.push(byte.unwrap_or_else(|_| panic!("no {text:?} in {shown:?}")).into());
        }
        self.seen += &shown;
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self
    }

    fn enter_pin(&mut self, pin: &str) -> &mut Self {
        self.at("refuse): ", &format!("{pin}\n"))
    }

    fn echoes(&self) -> bool {
        tcgetattr(&self.keyboard).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    /// Exit code, standard output, and all that the screen showed.
    fn end(mut self) -> (i32, String, String) {
        let mut output = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        let code = self.child.wait().unwrap().code().unwrap();
        assert!(self.echoes(), "the terminal is as it was");
        while let Ok(byte) = self.screen.recv_timeout(Duration::from_millis(200)) {
            self.seen.push(byte.into());
        }
        (code, output, self.seen)
    }
}

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
    let client = Client::connect(&ready(&mut terminal.child));
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
    kill_process(Pid::from_child(&terminal.child), Signal::INT).unwrap();
    assert_eq!(terminal.end().0, 0);
}
