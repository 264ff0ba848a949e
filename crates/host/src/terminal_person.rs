//! The person at the terminal.

use std::time::Duration;

use countersign::{
    authenticator::{Account, Answer, PinEntry, Purpose, Question, Verification},
    webauthn::CredentialId,
};

use crate::{
    clock::Clock,
    error::HostError,
    hid::Withdrawal,
    person::{Person, account_name, describe},
    secret_source::{SecretSource, SecretText},
    terminal::{Reply, Terminal},
};

/// Asks on the terminal: what for, which relying party, which account, and the PIN where it is needed. Entering the PIN,
/// or choosing an account, is consent. It waits no longer than the question's deadline.
pub struct TerminalPerson {
    terminal: Terminal,
    clock: Clock,
    pin: SecretSource,
    /// The account chosen before a wrong PIN was entered, so that it need not be chosen again.
    chosen: Option<CredentialId>,
}

impl TerminalPerson {
    /// `clock` is the authenticator's, by which deadlines count. [`HostError::NoTerminal`]: standard input or standard
    /// error is no terminal.
    pub fn new(clock: Clock) -> Result<Self, HostError> {
        let terminal = Terminal::open()?;
        Ok(Self { terminal, clock, pin: SecretSource::Prompt, chosen: None })
    }

    /// Stops asking when the question is withdrawn; the answer is a refusal then.
    #[must_use]
    pub fn until(self, withdrawal: Withdrawal) -> Self {
        Self { terminal: self.terminal.until(withdrawal), ..self }
    }

    /// Takes the PIN from elsewhere; consent is still asked for. A PIN that was wrong is not offered again.
    #[must_use]
    pub fn with_pin_from(self, pin: SecretSource) -> Self {
        Self { pin, ..self }
    }

    fn time_left(&self, question: &Question) -> Duration {
        Duration::from_millis(question.deadline.saturating_sub(self.clock.now().ticks))
    }

    /// An account by its number; consent by choosing.
    fn choose(&self, accounts: &[Account], question: &Question) -> Result<CredentialId, Answer> {
        for (number, account) in (1..).zip(accounts) {
            self.terminal.say(&format!("  {number}: {}", account_name(account)));
        }
        loop {
            let prompt = format!("Number (1-{}), or nothing to refuse: ", accounts.len());
            let line = self.line(&prompt, question)?;
            if line.is_empty() {
                return Err(Answer::Declined);
            }
            let account = line.parse().ok().and_then(|number: usize| accounts.get(number.checked_sub(1)?));
            if let Some(account) = account {
                return Ok(account.credential.clone());
            }
        }
    }

    fn confirm(&self, question: &Question) -> Result<(), Answer> {
        // What cannot be undone wants more than one key.
        let agreed = match question.purpose {
            Purpose::Reset { .. } => {
                self.line("Type \"reset\" to confirm: ", question)?.to_lowercase() == "reset"
            }
            _ => is_yes(&self.line("[y/N] ", question)?),
        };
        if agreed { Ok(()) } else { Err(Answer::Declined) }
    }

    fn line(&self, prompt: &str, question: &Question) -> Result<String, Answer> {
        match self.terminal.ask(prompt, Some(self.time_left(question))) {
            Reply::Line(line) => Ok(line),
            Reply::TimedOut => Err(Answer::TimedOut),
            Reply::GaveUp => Err(Answer::Declined),
        }
    }

    /// The PIN. A text that cannot be one costs no try and is asked for again.
    fn enter_pin(&self, tries_left: u8, question: &Question) -> Result<PinEntry, Answer> {
        loop {
            let text = self.pin_text(tries_left, question)?;
            match PinEntry::new(text.expose()) {
                Ok(pin) => return Ok(pin),
                Err(refused) => self.terminal.say(&refused.to_string()),
            }
            if self.pin != SecretSource::Prompt {
                return Err(Answer::Declined);
            }
        }
    }

    fn pin_text(&self, tries_left: u8, question: &Question) -> Result<SecretText, Answer> {
        let declined = |error: HostError| {
            self.terminal.say(&error.to_string());
            Answer::Declined
        };
        if self.pin != SecretSource::Prompt {
            return self.pin.read("PIN").map_err(declined);
        }
        let tries =
            if tries_left == 1 { "the last try".to_owned() } else { format!("{tries_left} tries left") };
        let prompt = format!("PIN ({tries}; nothing to refuse): ");
        let reply = self.terminal.ask_secret(&prompt, Some(self.time_left(question))).map_err(declined)?;
        match reply {
            Reply::Line(line) if line.is_empty() => Err(Answer::Declined),
            Reply::Line(line) => SecretText::of_line(line).map_err(declined),
            Reply::TimedOut => Err(Answer::TimedOut),
            Reply::GaveUp => Err(Answer::Declined),
        }
    }

    /// Says what is asked, and lets an account be chosen where that must be.
    fn introduce(&mut self, question: &Question) -> Result<Option<CredentialId>, Answer> {
        if is_wrong(question) {
            self.terminal.say("Wrong PIN.");
            return Ok(self.chosen.take());
        }
        self.terminal.say(&describe(&question.purpose));
        match &question.purpose {
            Purpose::SignIn { accounts, choose: true, .. } if accounts.len() > 1 => {
                self.choose(accounts, question).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn try_answer(&mut self, question: &Question) -> Result<Answer, Answer> {
        let prompts_for_pin = self.pin == SecretSource::Prompt;
        if (is_wrong(question) && !prompts_for_pin) || question.purpose == Purpose::Unlock {
            return Err(Answer::Declined);
        }
        let choice = self.introduce(question)?;
        self.chosen.clone_from(&choice);
        let enters_pin = prompts_for_pin && matches!(question.verification, Verification::Pin { .. });
        if choice.is_none() && !enters_pin {
            self.confirm(question)?;
        }
        match question.verification {
            Verification::None => Ok(Answer::Approved { choice }),
            Verification::Pin { tries_left, .. } => {
                Ok(Answer::Pin { pin: self.enter_pin(tries_left, question)?, choice })
            }
            Verification::Host => {
                self.terminal.say("This program cannot verify who you are in the way that was asked for.");
                Err(Answer::Declined)
            }
        }
    }
}

/// Asks yes or no, for what no authenticator asks; anything but yes is no. [`HostError::NoTerminal`].
pub fn confirm(what: &str) -> Result<bool, HostError> {
    let reply = Terminal::open()?.ask(&format!("{what} [y/N] "), None);
    Ok(matches!(reply, Reply::Line(line) if is_yes(&line)))
}

fn is_yes(line: &str) -> bool {
    matches!(line.to_lowercase().as_str(), "y" | "yes")
}

fn is_wrong(question: &Question) -> bool {
    matches!(question.verification, Verification::Pin { wrong: true, .. })
}

impl Person for TerminalPerson {
    fn answer(&mut self, question: &Question) -> Answer {
        self.try_answer(question).unwrap_or_else(|refusal| refusal)
    }
}
