//! The person: consent, PIN, choice of an account.

use std::path::PathBuf;

use clap::Args;
use countersign::{
    authenticator::{Answer, PinEntry, Purpose, Question, Verification},
    webauthn::CredentialId,
};
use countersign_host::{AssentingPerson, Clock, Person as _, SecretSource, SecretText, TerminalPerson};

use crate::{
    failure::{Exit, Failure},
    outcome::Printer,
    secrets,
    text::from_base64url,
};

/// How consent and PIN are given where not at a prompt.
#[derive(Args, Default)]
pub(crate) struct PersonArgs {
    /// Consent to what this command asks for, without being asked
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) pin: PinArgs,
}

/// Where the PIN comes from, if not from a prompt.
#[derive(Args, Default)]
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
        secrets::source(self.pin_file, self.pin_fd)
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
    account: Option<CredentialId>,
    /// Has the PIN from `pin`, which a descriptor gives once.
    verified: Option<AssentingPerson>,
    /// Whom the last question was put to; remembers the account that was chosen before a wrong PIN.
    terminal: Option<TerminalPerson>,
    printer: Printer,
}

impl Operator {
    pub(crate) fn new(arguments: PersonArgs, printer: Printer) -> Self {
        let (yes, pin) = (arguments.yes, arguments.pin.source());
        Self { yes, pin, account: None, verified: None, terminal: None, printer }
    }

    /// The account to sign in with where several fit, by its credential ID (base64url).
    pub(crate) fn with_account(mut self, id: Option<&str>) -> Result<Self, Failure> {
        self.account = id.map(credential_id).transpose()?;
        Ok(self)
    }

    /// The question, about the account alone that `--credential` names where several fit; and that account.
    fn narrowed(&self, question: &Question) -> Result<(Question, Option<CredentialId>), Failure> {
        let (mut question, Some(wanted)) = (question.clone(), &self.account) else {
            return Ok((question.clone(), None));
        };
        let Purpose::SignIn { accounts, choose: true, .. } = &mut question.purpose else {
            return Ok((question, None));
        };
        if accounts.len() < 2 {
            return Ok((question, None));
        }
        accounts.retain(|account| account.credential == *wanted);
        if accounts.is_empty() {
            let message = "the passkey that --credential names does not fit";
            return Err(
                Failure::not_found("no-passkey", message).hint("countersign key list names those that do")
            );
        }
        Ok((question, Some(wanted.clone())))
    }

    /// Asks at the terminal; `otherwise` says what to do without one.
    fn ask(&mut self, question: &Question, clock: Clock, otherwise: &str) -> Result<Answer, Failure> {
        let again = matches!(question.verification, Verification::Pin { wrong: true, .. });
        let person = match self.terminal.take().filter(|_| again) {
            Some(person) => person,
            None => TerminalPerson::new(clock).map_err(|_| Failure::no_terminal(otherwise))?,
        };
        Ok(self.terminal.insert(person).answer(question))
    }

    /// Answers what was consented to, with the PIN that the arguments name where one is needed.
    fn assent(&mut self, question: &Question) -> Result<Answer, Failure> {
        let Some(source) = self.pin.as_ref().filter(|_| question.verification != Verification::None) else {
            return Ok(AssentingPerson::new().answer(question));
        };
        let mut person = match self.verified.take() {
            Some(person) => person,
            None => {
                let text = source.read("PIN")?;
                pin_entry(&text)?;
                AssentingPerson::with_pin(text)
            }
        };
        self.printer.working("Checking the PIN (Argon2id) ...");
        let answer = person.answer(question);
        self.verified = Some(person);
        Ok(answer)
    }

    fn try_answer(&mut self, question: &Question, clock: Clock) -> Result<Answer, Failure> {
        if self.pin.is_none() && question.verification != Verification::None {
            // Entering the PIN is consent.
            return self.ask(question, clock, PIN_NEEDED);
        }
        if let Verification::Pin { wrong: true, tries_left } = question.verification {
            // The same wrong PIN again would cost a try for nothing.
            return Err(wrong_pin(Some(tries_left)));
        }
        let several =
            matches!(&question.purpose, Purpose::SignIn { accounts, choose: true, .. } if accounts.len() > 1);
        if self.yes && !several {
            return self.assent(question);
        }
        let consent = Question { verification: Verification::None, ..question.clone() };
        match self.ask(&consent, clock, if self.yes { CHOICE_NEEDED } else { CONSENT_NEEDED })? {
            Answer::Approved { choice } => Ok(with_choice(self.assent(question)?, choice)),
            refusal => Ok(refusal),
        }
    }
}

const CHOICE_NEEDED: &str =
    "several passkeys fit, and there is no terminal to choose on; name one with --credential ID";
const CONSENT_NEEDED: &str = "consent is needed, and there is no terminal to ask on; pass --yes to consent";
const PIN_NEEDED: &str = "the PIN is needed, and there is no terminal to ask on; pass --pin-file or --pin-fd";

impl Person for Operator {
    fn answer(&mut self, question: &Question, clock: Clock) -> Result<Answer, Failure> {
        let (question, account) = self.narrowed(question)?;
        Ok(with_choice(self.try_answer(&question, clock)?, account))
    }
}

/// The answer, with the account that was chosen elsewhere, if one was.
fn with_choice(answer: Answer, chosen: Option<CredentialId>) -> Answer {
    match answer {
        Answer::Approved { choice } => Answer::Approved { choice: chosen.or(choice) },
        Answer::Pin { pin, choice } => Answer::Pin { pin, choice: chosen.or(choice) },
        other => other,
    }
}

/// Asks for consent to something that no authenticator asks for, unless `yes` gave it.
pub(crate) fn consent_to(what: &str, yes: bool) -> Result<(), Failure> {
    let agreed = yes || countersign_host::confirm(what).map_err(|_| Failure::no_terminal(CONSENT_NEEDED))?;
    if agreed { Ok(()) } else { Err(Failure::declined()) }
}

/// A credential ID as it stands in WebAuthn JSON.
pub(crate) fn credential_id(text: &str) -> Result<CredentialId, Failure> {
    let id = from_base64url(text).and_then(|bytes| CredentialId::new(&bytes).ok());
    id.ok_or_else(|| Failure::usage("bad-id", "a credential ID is 1 to 1023 bytes in base64url"))
}

/// The PIN of a new key.
pub(crate) fn new_pin(source: Option<SecretSource>) -> Result<PinEntry, Failure> {
    pin_entry(&secrets::read_new(source, "New PIN", PIN_NEEDED)?)
}

fn pin_entry(text: &SecretText) -> Result<PinEntry, Failure> {
    PinEntry::new(text.expose()).map_err(|error| Failure::usage("bad-pin", error.to_string()))
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
