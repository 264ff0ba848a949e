//! The vectors, as their file has them.

use std::path::Path;

use serde::Deserialize;

use crate::{failure::Failure, input::read_input};

/// Malformed and forbidden commands, and controls that must succeed.
const BUILT_IN: &[u8] = include_bytes!("../../../../vectors/ctap2_wire_negative.json");

/// The longest file that is read.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// A file of vectors.
pub(super) struct VectorSet {
    pub(super) name: String,
    pub(super) vectors: Vec<Vector>,
}

/// A command, and the status codes that are right for it.
pub(super) struct Vector {
    pub(super) name: String,
    pub(super) why: String,
    pub(super) precondition: Precondition,
    pub(super) command: Vec<u8>,
    /// The recommended code, and others that are acceptable.
    pub(super) expected: Vec<u8>,
}

/// What an authenticator must be like before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Precondition {
    /// Reset.
    Fresh,
    /// Reset, and with a passkey for example.com.
    RkExample,
    /// Reset, and with the PIN 1234.
    PinSet,
}

#[derive(Deserialize)]
struct File {
    set: String,
    vectors: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    why: String,
    precondition: Precondition,
    command: String,
    expected: Vec<String>,
}

impl VectorSet {
    /// Those of the file, or those that are built in.
    pub(super) fn load(file: Option<&Path>) -> Result<Self, Failure> {
        match file {
            None => Self::parse(BUILT_IN),
            Some(path) => Self::parse(&read_input(Some(path), MAX_FILE)?),
        }
    }

    fn parse(json: &[u8]) -> Result<Self, Failure> {
        let unusable =
            |why: &str| Failure::usage("bad-vectors", format!("the vectors cannot be used: {why}"));
        let file: File = serde_json::from_slice(json).map_err(|error| unusable(&error.to_string()))?;
        let vectors = file.vectors.into_iter().map(Vector::read).collect::<Option<Vec<_>>>();
        let vectors = vectors.filter(|vectors| !vectors.is_empty());
        let vectors = vectors.ok_or_else(|| unusable("no vectors, or one with digits that are none"))?;
        Ok(Self { name: file.set, vectors })
    }
}

impl Vector {
    fn read(entry: Entry) -> Option<Self> {
        let code = |text: &String| u8::from_str_radix(text.strip_prefix("0x")?, 16).ok();
        let expected = entry.expected.iter().map(code).collect::<Option<Vec<_>>>()?;
        if expected.is_empty() {
            return None;
        }
        let Entry { name, why, precondition, command, .. } = entry;
        Some(Self { name, why, precondition, command: unhex(&command)?, expected })
    }

    /// Whether the right answer to it changes what is stored: a passkey is made, a PIN try is spent.
    pub(super) fn changes_something(&self) -> bool {
        const MAKE_CREDENTIAL: u8 = 0x01;
        const PIN_INVALID: u8 = 0x31;
        let makes = self.command.first() == Some(&MAKE_CREDENTIAL) && self.expected.contains(&0);
        makes || self.expected.contains(&PIN_INVALID)
    }
}

/// A status code, as the vectors write it.
pub(super) fn code(status: u8) -> String {
    format!("0x{status:02x}")
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    if !digits.is_ascii() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let byte = |place| u8::from_str_radix(digits.get(place..place + 2)?, 16).ok();
    (0..digits.len()).step_by(2).map(byte).collect()
}
