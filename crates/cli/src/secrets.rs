//! Secrets that people bring or choose: from a prompt, a file or a descriptor, never from an argument.

use std::path::PathBuf;

use countersign::vault::PassphrasePolicy;
use countersign_host::{HostError, SecretSource, SecretText};

use crate::failure::Failure;

/// Where a secret comes from, of two options that exclude each other.
pub(crate) fn source(file: Option<PathBuf>, descriptor: Option<u32>) -> Option<SecretSource> {
    file.map(SecretSource::File).or(descriptor.map(SecretSource::Descriptor))
}

/// Takes a secret from where the options say, else from a prompt; `otherwise` says what to pass where there is no
/// terminal.
pub(crate) fn read(
    source: Option<SecretSource>,
    prompt: &str,
    otherwise: &str,
) -> Result<SecretText, Failure> {
    let text = source.unwrap_or(SecretSource::Prompt).read(prompt);
    text.map_err(|error| needed(error, otherwise))
}

/// As [`read`], for a secret that is being chosen: a prompt asks for it twice.
pub(crate) fn read_new(
    source: Option<SecretSource>,
    prompt: &str,
    otherwise: &str,
) -> Result<SecretText, Failure> {
    let text = source.unwrap_or(SecretSource::Prompt).read_new(prompt);
    text.map_err(|error| needed(error, otherwise))
}

/// What this program asks of new passphrases. Each guess costs an Argon2id, so length is what counts.
pub(crate) struct LongEnough;

impl PassphrasePolicy for LongEnough {
    fn judge(&self, passphrase: &str) -> Result<(), &'static str> {
        if passphrase.chars().count() < SHORTEST_PASSPHRASE {
            return Err(
                "a passphrase has at least 10 characters; four or five words that nobody would guess are better",
            );
        }
        Ok(())
    }
}

const SHORTEST_PASSPHRASE: usize = 10;

/// Says what to pass where there is no terminal.
fn needed(error: HostError, otherwise: &str) -> Failure {
    match error {
        HostError::NoTerminal => Failure::no_terminal(otherwise),
        other => other.into(),
    }
}
