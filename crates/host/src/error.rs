//! What can go wrong between the core and the machine.

use std::{
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use countersign::{
    attestation::InvalidAttester,
    authenticator::{CannotStart, PinRefused},
    credential::StoreError,
    vault::{StorageError, VaultError},
};

/// Why something was not done. The texts name files and reasons, never contents.
#[derive(Debug)]
#[non_exhaustive]
pub enum HostError {
    /// There is no such file.
    NotFound(PathBuf),
    /// There is such a file already; it was left alone.
    AlreadyExists(PathBuf),
    /// Another process, or this one, holds it open.
    Busy(PathBuf),
    /// It is no vault file, no envelope, or whatever else it should be.
    WrongFile(PathBuf, &'static str),
    /// It was written by a newer version of this program.
    NewerVersion(PathBuf),
    /// It was altered or has rotted.
    Damaged(PathBuf),
    /// No room is left; nothing was written.
    Full(PathBuf),
    /// Others than its owner may read or write it: its mode (the lowest nine bits).
    Exposed(PathBuf, u32),
    /// The operating system refused something else.
    Io(PathBuf, io::Error),
    /// A security key is for programs on this machine only; this address is not.
    NotLoopback(SocketAddr),
    /// The operating system refused a socket at this address.
    Socket(SocketAddr, io::Error),
    /// A question would need a terminal, and there is none.
    NoTerminal,
    /// Input ended, or the person gave up, before there was an answer.
    NoAnswer,
    /// What was read is no PIN, passphrase or code; the text says why.
    UnusableSecret(&'static str),
    /// The environment does not say where files of this kind belong.
    NoStateDirectory,
    /// There is no such passkey.
    NoSuchPasskey,
    /// The vault refused.
    Vault(VaultError),
    /// The authenticator's store refused.
    Store(StoreError),
    /// The authenticator cannot start.
    CannotStart(CannotStart),
    /// What should vouch for the authenticator cannot.
    Attester(InvalidAttester),
    /// A text is no PIN.
    Pin(PinRefused),
}

impl HostError {
    /// What an I/O error at `path` means.
    pub(crate) fn io(path: &Path, error: io::Error) -> Self {
        let path = path.to_path_buf();
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound(path),
            io::ErrorKind::AlreadyExists => Self::AlreadyExists(path),
            _ if is_full(&error) => Self::Full(path),
            _ => Self::Io(path, error),
        }
    }
}

/// Whether an error says that no room is left: on the disk, in the quota, or under the process's limit.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(path) => write!(f, "{}: there is no such file", path.display()),
            Self::AlreadyExists(path) => write!(f, "{}: exists already and was left alone", path.display()),
            Self::Busy(path) => write!(f, "{}: another process is using it; try again later", path.display()),
            Self::WrongFile(path, what) => write!(f, "{}: this is not {what}", path.display()),
            Self::NewerVersion(path) => {
                write!(f, "{}: written by a newer version of this program", path.display())
            }
            Self::Damaged(path) => write!(f, "{}: the file is damaged", path.display()),
            Self::Full(path) => write!(f, "{}: no room is left; nothing was written", path.display()),
            Self::Exposed(path, mode) => write!(
                f,
                "{}: others may read or write it (mode {mode:04o}); make it yours alone with: chmod 600",
                path.display()
            ),
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::NotLoopback(address) => {
                write!(f, "{address}: not an address of the loopback interface, as 127.0.0.1 or [::1] is")
            }
            Self::Socket(address, error) => write!(f, "{address}: {error}"),
            Self::NoTerminal => f.write_str("there is no terminal to ask on"),
            Self::NoAnswer => f.write_str("there was no answer"),
            Self::UnusableSecret(why) => write!(f, "the secret cannot be used: {why}"),
            Self::NoStateDirectory => f.write_str(
                "neither XDG_STATE_HOME nor HOME says where to remember the vaults that were seen",
            ),
            Self::NoSuchPasskey => f.write_str("there is no such passkey"),
            Self::Vault(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::CannotStart(error) => error.fmt(f),
            Self::Attester(error) => error.fmt(f),
            Self::Pin(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for HostError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, error) | Self::Socket(_, error) => Some(error),
            _ => None,
        }
    }
}

impl From<VaultError> for HostError {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}

impl From<StorageError> for HostError {
    fn from(error: StorageError) -> Self {
        Self::Vault(VaultError::Storage(error))
    }
}

impl From<StoreError> for HostError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<CannotStart> for HostError {
    fn from(error: CannotStart) -> Self {
        Self::CannotStart(error)
    }
}

impl From<InvalidAttester> for HostError {
    fn from(error: InvalidAttester) -> Self {
        Self::Attester(error)
    }
}

impl From<PinRefused> for HostError {
    fn from(error: PinRefused) -> Self {
        Self::Pin(error)
    }
}
