//! The person: consent, PIN, choice of an account.

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
};

use clap::Args;
use countersign::{
    authenticator::{Account, Answer, PinEntry, Purpose, Question, Verification},
    webauthn::CredentialId,
};
use countersign_host::{Clock, Person as _, SecretSource, SecretText, TerminalPerson};

use crate::{
    failure::{Exit, Failure},
    input,
    outcome::Printer,
    text::from_base64url,
};

/// How consent and PIN are given where not at a prompt.
#[derive(Args)]
pub(crate) struct PersonArgs {
    /// Consent to what this command asks for, without being asked
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) pin: PinArgs,
}

/// Where the PIN comes from, if not from a prompt.
#[derive(Args)]
pub(crate) struct PinArgs {
    /// Read the key's PIN from a file that only you can read
    #[arg(long, value_name = "FILE", conflicts_with = "pin_fd")]
    pin_file: Option<PathBuf>,
    /// Read the key's PIN from an open descriptor, one line
    #[arg(long, value_name = "N")]
    pin_fd: Option<u32>,
}

impl PinArgs {
    pub(crate) fn source(self) -> Option<SecretSource> {
        input::source(self.pin_file, self.pin_fd)
    }
}

/// Whoever answers an authenticator's questions.
pub(crate) trait Person {
    /// Answers, by the authenticator's clock. A failure cancels the ceremony.
    fn answer(&mut self, question: &Question, clock: Clock) -> Result<Answer, Failure>;
}

/// Whoever runs the command: by its arguments, and at the terminal where those do not say.
pub(crate) struct Operator {
    yes: bool,
    pin: Option<SecretSource>,
    /// What was read from there; a descriptor gives it once.
    read: Option<SecretText>,
    account: Option<CredentialId>,
    printer: Printer,
}

impl Operator {
    pub(crate) fn new(arguments: PersonArgs, printer: Printer) -> Self {
        Self { yes: arguments.yes, pin: arguments.pin.source(), read: None, account: None, printer }
    }

    /// Somebody who gives no PIN.
    pub(crate) fn consenting(yes: bool, printer: Printer) -> Self {
        Self { yes, pin: None, read: None, account: None, printer }
    }

    /// The account to sign in with where several fit, by its credential ID (base64url).
    pub(crate) fn with_account(mut self, id: Option<&str>) -> Result<Self, Failure> {
        self.account = id.map(credential_id).transpose()?;
        Ok(self)
    }

    /// Asks for consent to something that no authenticator asks for.
    pub(crate) fn consent_to(&self, what: &str) -> Result<(), Failure> {
        if self.yes || confirm(what)? { Ok(()) } else { Err(Failure::declined()) }
    }

    /// Consent to a question, and the account where several fit.
    fn consent(&self, question: &Question, clock: Clock) -> Result<Answer, Failure> {
        let accounts = accounts(&question.purpose);
        if let Some(wanted) = self.account.as_ref().filter(|_| accounts.len() > 1) {
            let fits = accounts.iter().any(|account| account.credential == *wanted);
            if !fits {
                return Err(Failure::not_found(
                    "no-passkey",
                    "the passkey that --credential names does not fit",
                ));
            }
        }
        if self.yes && (accounts.len() < 2 || self.account.is_some()) {
            return Ok(Answer::Approved { choice: self.account.clone().filter(|_| accounts.len() > 1) });
        }
        let hint = if self.yes {
            "several passkeys fit, and there is no terminal to choose on; name one with --credential ID"
        } else {
            "consent is needed, and there is no terminal to ask on; pass --yes to consent"
        };
        let mut person = TerminalPerson::new(clock).map_err(|_| Failure::no_terminal(hint))?;
        Ok(person.answer(&Question { verification: Verification::None, ..question.clone() }))
    }

    /// The PIN from a file or a descriptor.
    fn entry(&mut self, source: &SecretSource) -> Result<PinEntry, Failure> {
        let text = match self.read.take() {
            Some(text) => text,
            None => source.read("PIN")?,
        };
        self.printer.progress("Checking the PIN (Argon2id) ...");
        pin_entry(self.read.insert(text))
    }

    /// The PIN that was given with the arguments, after consent.
    fn verify(
        &mut self,
        question: &Question,
        (tries_left, wrong): (u8, bool),
        clock: Clock,
    ) -> Result<Answer, Failure> {
        let Some(source) = self.pin.clone() else {
            let mut person = TerminalPerson::new(clock).map_err(|_| pin_needed())?;
            return Ok(person.answer(question));
        };
        if wrong {
            // The same wrong PIN again would cost a try for nothing.
            return Err(wrong_pin(Some(tries_left)));
        }
        match self.consent(question, clock)? {
            Answer::Approved { choice } => Ok(Answer::Pin { pin: self.entry(&source)?, choice }),
            refusal => Ok(refusal),
        }
    }
}

impl Person for Operator {
    fn answer(&mut self, question: &Question, clock: Clock) -> Result<Answer, Failure> {
        match question.verification {
            Verification::None => self.consent(question, clock),
            Verification::Pin { tries_left, wrong } => self.verify(question, (tries_left, wrong), clock),
            // The keys of this program verify by PIN alone.
            Verification::Host => Ok(Answer::Declined),
        }
    }
}

fn accounts(purpose: &Purpose) -> &[Account] {
    match purpose {
        Purpose::SignIn { accounts, choose: true, .. } => accounts,
        _ => &[],
    }
}

/// Asks yes or no on the terminal.
fn confirm(what: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let message = "consent is needed, and there is no terminal to ask on; pass --yes to consent";
        return Err(Failure::no_terminal(message));
    }
    let at_terminal = |error: io::Error| Failure::file("terminal".as_ref(), &error);
    write!(io::stderr(), "{what} [y/N] ").map_err(at_terminal)?;
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(at_terminal)?;
    Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// A credential ID as it stands in WebAuthn JSON.
pub(crate) fn credential_id(text: &str) -> Result<CredentialId, Failure> {
    let id = from_base64url(text).and_then(|bytes| CredentialId::new(&bytes).ok());
    id.ok_or_else(|| Failure::usage("bad-id", "a credential ID is 1 to 1023 bytes in base64url"))
}

/// The PIN of a new key.
pub(crate) fn new_pin(source: Option<SecretSource>) -> Result<PinEntry, Failure> {
    let source = source.unwrap_or(SecretSource::Prompt);
    pin_entry(&source.read_new("New PIN").map_err(no_terminal_for_pin)?)
}

fn no_terminal_for_pin(error: countersign_host::HostError) -> Failure {
    match error {
        countersign_host::HostError::NoTerminal => pin_needed(),
        other => other.into(),
    }
}

fn pin_entry(text: &SecretText) -> Result<PinEntry, Failure> {
    PinEntry::new(text.expose()).map_err(|error| Failure::usage("bad-pin", error.to_string()))
}

fn pin_needed() -> Failure {
    Failure::no_terminal("the PIN is needed, and there is no terminal to ask on; pass --pin-file or --pin-fd")
}

/// The PIN was wrong; how many tries are left, where a PIN is set.
pub(crate) fn wrong_pin(tries_left: Option<u8>) -> Failure {
    let message = match tries_left {
        Some(0) | None => "wrong PIN; no tries are left".to_owned(),
        Some(1) => "wrong PIN; one try is left".to_owned(),
        Some(tries) => format!("wrong PIN; {tries} tries are left"),
    };
    Failure::new(Exit::WrongSecret, "wrong-pin", message)
}
