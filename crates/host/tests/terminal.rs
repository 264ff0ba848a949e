//! The person at the terminal: another process on a pseudo-terminal, with this one as the person.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

mod common;
#[path = "common/pseudo_terminal.rs"]
mod pseudo_terminal;

use common::{myself, part, passkey};
use countersign::{
    authenticator::{Account, Answer, PinEntry, Purpose, Question, Verification},
    webauthn::RpId,
};
use countersign_host::{Clock, Person, SecretSource, TerminalPerson};

const ME: &str = "the_other_process";
const PIN: &str = "27182";

fn question(purpose: Purpose, verification: Verification, deadline: u64) -> Question {
    Question { purpose, verification, deadline }
}

fn accounts(choose: bool) -> Purpose {
    let accounts = (1..=3).map(|number| Account::from(&passkey("example.com", number).credential));
    Purpose::SignIn { rp_id: RpId::new("example.com").unwrap(), accounts: accounts.collect(), choose }
}

fn pin(wrong: bool) -> Verification {
    Verification::Pin { tries_left: if wrong { 7 } else { 8 }, wrong }
}

/// What the other process is asked, by the part that it plays.
fn questions(part: &str) -> Vec<Question> {
    let soon = 600_000;
    match part {
        "consent" => vec![question(accounts(false), Verification::None, soon)],
        "reset" => vec![question(Purpose::Reset { long_touch: false }, Verification::None, soon)],
        "choice" => vec![question(accounts(true), Verification::None, soon)],
        "pin" => vec![question(accounts(false), pin(false), soon)],
        "wrong" => {
            vec![question(accounts(true), pin(false), soon), question(accounts(true), pin(true), soon)]
        }
        "host" => vec![question(accounts(false), Verification::Host, soon)],
        "deadline" => vec![question(accounts(false), Verification::None, 300)],
        "pin deadline" => vec![question(accounts(false), pin(false), 300)],
        "unlock" => vec![question(Purpose::Unlock, Verification::None, soon)],
        other => panic!("{other}"),
    }
}

/// Not a test of its own: what [`Terminal::start`] runs.
#[test]
fn the_other_process() {
    let Some(part) = part() else { return };
    match part.to_str().unwrap() {
        "new" => {
            let text = SecretSource::Prompt.read_new("Passphrase");
            common::say(&format!(
                "ANSWER {}",
                text.map_or_else(|error| error.to_string(), |text| text.expose().into())
            ));
        }
        "confirm" => {
            let answer = countersign_host::confirm("Sure?").unwrap();
            common::say(&format!("ANSWER {answer}"));
        }
        part => {
            let mut person = TerminalPerson::new(Clock::start()).unwrap();
            for question in questions(part) {
                common::say(&format!("ANSWER {}", told(&person.answer(&question))));
            }
        }
    }
}

fn told(answer: &Answer) -> String {
    let number = |choice: &Option<countersign::webauthn::CredentialId>| {
        choice.as_ref().map(|id| *id.as_bytes().last().unwrap())
    };
    match answer {
        Answer::Approved { choice } => format!("approved {:?}", number(choice)),
        Answer::Pin { choice, .. } => format!("pin {:?}", number(choice)),
        Answer::Verified { .. } => "verified".into(),
        Answer::Declined => "declined".into(),
        Answer::TimedOut => "timed out".into(),
        _ => "something else".into(),
    }
}

/// The other process on its terminal.
struct Terminal(pseudo_terminal::Terminal);

impl Terminal {
    fn start(part: &str) -> Self {
        Self(pseudo_terminal::Terminal::start(myself(ME, part.as_ref())))
    }

    fn until(&mut self, text: &str) -> &mut Self {
        self.0.until(text);
        self
    }

    fn type_in(&mut self, keys: &str) -> &mut Self {
        self.0.type_in(keys);
        self
    }

    /// What the other process answered, and all that the screen showed.
    fn answers(mut self) -> (Vec<String>, String) {
        let output = self.0.output();
        assert!(self.0.child.wait().unwrap().success(), "{output}");
        let answers =
            output.lines().filter_map(|line| line.split_once("ANSWER ")).map(|(_, answer)| answer.to_owned());
        (answers.collect(), self.0.seen())
    }
}

#[test]
fn consent_is_yes_and_nothing_else() {
    for (keys, answer) in [
        ("y\n", "approved None"),
        ("YES\n", "approved None"),
        ("\n", "declined"),
        ("no\n", "declined"),
        ("\x04", "declined"),
    ] {
        let mut terminal = Terminal::start("consent");
        terminal.until("Sign in to example.com as user 1?").until("[y/N] ").type_in(keys);
        assert_eq!(terminal.answers().0, [answer], "{keys:?}");
    }
}

#[test]
fn a_program_asks_for_a_word_of_its_own() {
    for (keys, answer) in
        [("y\n", "true"), ("Yes\n", "true"), ("\n", "false"), ("yep\n", "false"), ("\x04", "false")]
    {
        let mut terminal = Terminal::start("confirm");
        terminal.until("Sure? [y/N] ").type_in(keys);
        assert_eq!(terminal.answers().0, [answer], "{keys:?}");
    }
}

#[test]
fn a_reset_wants_the_word() {
    for (keys, answer) in [("y\n", "declined"), ("reset\n", "approved None")] {
        let mut terminal = Terminal::start("reset");
        terminal.until("EVERY passkey").until("confirm: ").type_in(keys);
        assert_eq!(terminal.answers().0, [answer]);
    }
}

#[test]
fn an_account_is_chosen_by_its_number() {
    let mut terminal = Terminal::start("choice");
    terminal.until("2: user 2").until("Number (1-3)").until(": ").type_in("4\n");
    terminal.until("Number").until(": ").type_in("2\n");
    assert_eq!(terminal.answers().0, ["approved Some(2)"]);
    let mut terminal = Terminal::start("choice");
    terminal.until("Number").until(": ").type_in("\n");
    assert_eq!(terminal.answers().0, ["declined"]);
}

#[test]
fn a_pin_is_asked_for_unseen_and_is_consent() {
    let mut terminal = Terminal::start("pin");
    terminal.until("Sign in to example.com").until("PIN (8 tries left").until("refuse): ");
    terminal.type_in("123\n").until("at least 4 characters").until("refuse): ");
    terminal.type_in("999\x7f\x7f\x7f").type_in(PIN).type_in("\n");
    let (answers, screen) = terminal.answers();
    assert_eq!(answers, ["pin None"]);
    assert!(!screen.contains("123") && !screen.contains("999") && !screen.contains(PIN), "{screen}");
    for refusal in ["\n", "\x03", "\x04"] {
        let mut terminal = Terminal::start("pin");
        terminal.until("refuse): ").type_in(refusal);
        let (answers, screen) = terminal.answers();
        assert_eq!(answers, ["declined"]);
        assert!(!screen.contains("secret"), "to refuse is no mistake: {screen}");
    }
}

#[test]
fn after_a_wrong_pin_only_the_pin_is_asked_for_again() {
    let mut terminal = Terminal::start("wrong");
    terminal.until("Number").until(": ").type_in("3\n").until("8 tries").until("): ").type_in("00000\n");
    terminal.until("Wrong PIN.").until("7 tries").until("): ").type_in("27182\n");
    let (answers, screen) = terminal.answers();
    assert_eq!(answers, ["pin Some(3)", "pin Some(3)"]);
    assert_eq!(screen.matches("Number").count(), 1, "the choice stands");
}

#[test]
fn nobody_is_verified_in_a_way_that_there_is_not() {
    let mut terminal = Terminal::start("host");
    terminal.until("[y/N] ").type_in("y\n");
    assert_eq!(terminal.answers().0, ["declined"]);
    assert_eq!(Terminal::start("unlock").answers().0, ["declined"]);
}

#[test]
fn a_question_ends_at_its_deadline() {
    assert_eq!(Terminal::start("deadline").answers().0, ["timed out"]);
    assert_eq!(Terminal::start("pin deadline").answers().0, ["timed out"]);
}

#[test]
fn a_new_secret_is_asked_for_twice() {
    let mut terminal = Terminal::start("new");
    terminal.until("Passphrase: ").type_in("dog dog\n").until("Passphrase again: ").type_in("dog dog\n");
    let (answers, screen) = terminal.answers();
    assert_eq!(answers, ["dog dog"]);
    assert!(!screen.contains("dog"), "{screen}");
    let mut terminal = Terminal::start("new");
    terminal.until("Passphrase: ").type_in("dog\n").until("again: ").type_in("cat\n");
    assert!(terminal.answers().0[0].contains("not the same"));
}

#[test]
fn a_pin_is_one() {
    assert!(PinEntry::new(PIN).is_ok(), "or the tests above test nothing");
}
