//! Where PINs, passphrases and codes come from. Never from arguments, which every process may read.

use std::{
    fs::File,
    io::{self, Read, stdin},
    path::{Path, PathBuf},
    str::FromStr,
};

use zeroize::{Zeroize, Zeroizing};

use crate::{
    error::HostError,
    secret_file,
    terminal::{MAX_LENGTH, Reply, Terminal},
};

/// A PIN, passphrase or code as it was typed; wiped when dropped.
///
/// It is one line of 1 to 1024 bytes of UTF-8, without its line end (`\n` or `\r\n`). Nothing else is trimmed: spaces
/// count. It is not normalised here; who takes it in brings it into NFC ([`PinEntry::new`] and the vault's passphrases
/// do), so that it does not matter how a keyboard composes its characters.
///
/// [`PinEntry::new`]: countersign::authenticator::PinEntry::new
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// A text that was made here. [`HostError::UnusableSecret`]: it is not one line of 1 to 1024 bytes.
    pub fn new(text: &str) -> Result<Self, HostError> {
        Self::of_line(Zeroizing::new(text.as_bytes().to_vec()))
    }

    /// The text itself. The name is loud on purpose: whoever calls this answers for where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn of_line(mut line: Zeroizing<Vec<u8>>) -> Result<Self, HostError> {
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if line.is_empty() {
            return Err(HostError::UnusableSecret("it is empty"));
        }
        if line.len() > MAX_LENGTH {
            return Err(HostError::UnusableSecret("it is longer than 1024 bytes"));
        }
        if line.contains(&b'\n') {
            return Err(HostError::UnusableSecret("it is more than one line"));
        }
        match String::from_utf8(core::mem::take(&mut *line)) {
            Ok(text) => Ok(Self(Zeroizing::new(text))),
            Err(error) => {
                error.into_bytes().zeroize();
                Err(HostError::UnusableSecret("it is not UTF-8"))
            }
        }
    }
}

/// Where a secret text is to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// Asked for on the terminal, unseen.
    Prompt,
    /// A file with nothing but this text, readable by its owner alone ([`HostError::Exposed`]).
    File(PathBuf),
    /// A file descriptor that this program was started with: the next line of it. 0 is standard input. Several secrets in
    /// one pipe are several lines; of a regular file, some systems give the first line every time.
    Descriptor(u32),
}

impl SecretSource {
    /// Takes the text from there. `prompt` is what a person is asked on the terminal, such as "PIN".
    pub fn read(&self, prompt: &str) -> Result<SecretText, HostError> {
        let line = match self {
            Self::Prompt => match Terminal::open()?.ask_secret(&format!("{prompt}: "), None)? {
                Reply::Line(line) => line,
                Reply::TimedOut | Reply::GaveUp => return Err(HostError::NoAnswer),
            },
            Self::File(path) => read_all(secret_file::open(path)?, path)?,
            Self::Descriptor(0) => next_line(StandardInput, Path::new("standard input"))?,
            Self::Descriptor(number) => {
                let path = PathBuf::from(format!("/dev/fd/{number}"));
                next_line(File::open(&path).map_err(|error| HostError::io(&path, error))?, &path)?
            }
        };
        SecretText::of_line(line)
    }

    /// As [`SecretSource::read`], for a secret that is being chosen: on the terminal it is asked for twice.
    /// [`HostError::UnusableSecret`]: the two are not the same.
    pub fn read_new(&self, prompt: &str) -> Result<SecretText, HostError> {
        let text = self.read(prompt)?;
        if *self == Self::Prompt && self.read(&format!("{prompt} again"))?.expose() != text.expose() {
            return Err(HostError::UnusableSecret("the two entries are not the same"));
        }
        Ok(text)
    }
}

impl FromStr for SecretSource {
    type Err = &'static str;

    /// `prompt`, `fd:3`, or a file's name; `file:NAME` for a file that has one of those names.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            _ if text == "prompt" => Ok(Self::Prompt),
            Some(("fd", number)) => {
                number.parse().map(Self::Descriptor).map_err(|_| "fd: wants the number of a descriptor")
            }
            Some(("file", name)) => Ok(Self::File(name.into())),
            _ if text.is_empty() => Err("the name of a file is empty"),
            _ => Ok(Self::File(text.into())),
        }
    }
}

/// At most one byte more than a secret with its line end may have; room for it is made at once, so that no copy is left
/// behind.
const READ_LIMIT: usize = MAX_LENGTH + 3;

fn read_all(file: File, path: &Path) -> Result<Zeroizing<Vec<u8>>, HostError> {
    let mut bytes = Zeroizing::new(vec![0; READ_LIMIT]);
    let mut length = 0;
    let mut file = file;
    loop {
        match file.read(&mut bytes[length..]).map_err(|error| HostError::io(path, error))? {
            0 => break,
            read => length += read,
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Standard input without the buffer of the standard library, which would keep a copy and read too far.
struct StandardInput;

impl Read for StandardInput {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(stdin(), bytes)?)
    }
}

/// Byte by byte: what follows the line is left to who reads next.
fn next_line(mut input: impl Read, path: &Path) -> Result<Zeroizing<Vec<u8>>, HostError> {
    let mut line = Zeroizing::new(Vec::with_capacity(READ_LIMIT));
    let mut byte = Zeroizing::new([0]);
    while line.len() < READ_LIMIT && line.last() != Some(&b'\n') {
        match input.read(byte.as_mut_slice()).map_err(|error| HostError::io(path, error))? {
            0 => break,
            _ => line.push(byte[0]),
        }
    }
    Ok(line)
}
