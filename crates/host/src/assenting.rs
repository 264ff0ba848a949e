//! The person who has said yes beforehand.

use countersign::authenticator::{Answer, PinEntry, Purpose, Question, Verification};

use crate::{person::Person, secret_source::SecretText};

/// Consents to everything without being asked (`--yes`), for programs that run without a terminal.
///
/// Among several accounts it takes the first, which is the newest passkey. It never claims to have verified anybody:
/// where the PIN is needed it gives the one it was made with, once per command, and refuses without one or after it was
/// wrong; where another verifier is asked for it refuses. It refuses a reset, too: what cannot be undone is not meant by
/// a general yes.
pub struct AssentingPerson {
    pin: Option<SecretText>,
}

impl AssentingPerson {
    /// Consents, and cannot be verified.
    pub fn new() -> Self {
        Self { pin: None }
    }

    /// Consents, and enters this PIN where it is asked for.
    pub fn with_pin(pin: SecretText) -> Self {
        Self { pin: Some(pin) }
    }
}

impl Default for AssentingPerson {
    fn default() -> Self {
        Self::new()
    }
}

impl Person for AssentingPerson {
    fn answer(&mut self, question: &Question) -> Answer {
        let choice = match &question.purpose {
            Purpose::SignIn { accounts, choose: true, .. } => {
                accounts.first().map(|account| account.credential.clone())
            }
            Purpose::Reset { .. } | Purpose::Unlock => return Answer::Declined,
            _ => None,
        };
        match question.verification {
            Verification::None => Answer::Approved { choice },
            Verification::Pin { wrong: false, .. } => {
                let pin = self.pin.as_ref().and_then(|pin| PinEntry::new(pin.expose()).ok());
                pin.map_or(Answer::Declined, |pin| Answer::Pin { pin, choice })
            }
            Verification::Pin { .. } | Verification::Host => Answer::Declined,
        }
    }
}
