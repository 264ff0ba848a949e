//! Why a command ended without its outcome: an exit code for scripts, a word for programs, a sentence for people that
//! says what to do next.

use std::{fmt, io, path::Path};

use countersign::{
    client::{ErrorKind, OptionsError, OriginError},
    credential::StoreError,
    ctap2::Status,
    provider::CeremonyError,
    vault::{CodeError, ShareError, StorageError, VaultError},
};
use countersign_host::HostError;

/// The exit codes; the crate's documentation has the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Failed = 1,
    Usage = 2,
    Declined = 3,
    WrongSecret = 4,
    NotFound = 5,
    Tampered = 6,
    Busy = 7,
    Disk = 8,
}

/// A failure. It never carries a secret or the contents of an item.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, code: &'static str, message: impl Into<String>) -> Self {
        Self { exit, code, message: message.into() }
    }

    pub(crate) fn failed(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, code, message)
    }

    pub(crate) fn usage(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, code, message)
    }

    pub(crate) fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::NotFound, code, message)
    }

    /// Nobody can be asked, and the arguments do not answer either.
    pub(crate) fn no_terminal(message: impl Into<String>) -> Self {
        Self::new(Exit::Declined, "no-terminal", message)
    }

    pub(crate) fn declined() -> Self {
        Self::new(Exit::Declined, "declined", "declined; nothing was changed")
    }

    /// A file that could not be read or written, by its name.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        let (exit, code) = io_code(error);
        Self::new(exit, code, format!("{}: {error}", path.display()))
    }

    /// The same failure, with a hint after its sentence.
    pub(crate) fn hint(mut self, hint: &str) -> Self {
        self.message.push_str("; ");
        self.message.push_str(hint);
        self
    }
}

/// What the operating system's refusal is to whoever gave the command: only the last two are the disk's.
fn io_code(error: &io::Error) -> (Exit, &'static str) {
    match error.kind() {
        io::ErrorKind::NotFound => (Exit::NotFound, "no-file"),
        io::ErrorKind::IsADirectory
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::InvalidFilename
        // No place for a Unix socket.
        | io::ErrorKind::InvalidInput => (Exit::Usage, "bad-path"),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (Exit::Failed, "no-permission")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => (Exit::Disk, "disk-full"),
        _ => (Exit::Disk, "io"),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        let (exit, code) = match error {
            VaultError::WrongSecret => (Exit::WrongSecret, "wrong-secret"),
            VaultError::Tampered(_) => (Exit::Tampered, "tampered"),
            VaultError::Malformed(_) => (Exit::Tampered, "malformed"),
            VaultError::Rollback => (Exit::Tampered, "rollback"),
            VaultError::Fork => (Exit::Tampered, "fork"),
            VaultError::NotFound => (Exit::NotFound, "not-found"),
            VaultError::StaleWrite => (Exit::Busy, "conflict"),
            VaultError::KeyChanged => (Exit::Busy, "key-changed"),
            VaultError::Storage(error) => storage_code(error),
            VaultError::Memory => (Exit::Disk, "memory"),
            VaultError::Unsupported(_) => (Exit::Failed, "unsupported"),
            VaultError::PolicyViolation(_) => (Exit::Failed, "policy"),
            VaultError::ReauthNeeded => (Exit::Declined, "reauth-needed"),
            VaultError::UnstablePrf => (Exit::Failed, "unstable-prf"),
            VaultError::Circular => (Exit::Failed, "circular"),
            VaultError::LastSlot => (Exit::Failed, "last-slot"),
            VaultError::LastFallback => (Exit::Failed, "last-fallback"),
            VaultError::AlreadyEnrolled => (Exit::Failed, "already-enrolled"),
            VaultError::TooLarge => (Exit::Failed, "too-large"),
            VaultError::Unchecked => {
                let hint = "pass --accept-as-is if you trust this copy of the vault";
                return Self::failed("unchecked", error.to_string()).hint(hint);
            }
            _ => (Exit::Failed, "vault"),
        };
        let failure = Self::new(exit, code, error.to_string());
        match error.help() {
            Some(help) => failure.hint(help),
            None => failure,
        }
    }
}

fn storage_code(error: StorageError) -> (Exit, &'static str) {
    match error {
        StorageError::Conflict => (Exit::Busy, "conflict"),
        StorageError::Full => (Exit::Disk, "disk-full"),
        _ => (Exit::Disk, "io"),
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let (exit, code) = match error {
            StoreError::Tampered => (Exit::Tampered, "tampered"),
            StoreError::Conflict => (Exit::Busy, "conflict"),
            StoreError::Full => (Exit::Disk, "disk-full"),
            StoreError::Refused => (Exit::Failed, "circular"),
            StoreError::NotFound => (Exit::NotFound, "not-found"),
            _ => (Exit::Disk, "io"),
        };
        Self::new(exit, code, format!("the key's store: {error}"))
    }
}

impl From<CeremonyError> for Failure {
    fn from(error: CeremonyError) -> Self {
        match &error {
            CeremonyError::Options(options) => options_failure(options),
            CeremonyError::Authenticator(Status::PinBlocked) => {
                let hint = "passkeys that need it cannot be used any more: make a new key with countersign key init in \
                            another --dir; a vault still opens by its recovery code";
                Self::new(Exit::WrongSecret, "pin-blocked", error.to_string()).hint(hint)
            }
            CeremonyError::Authenticator(status) => {
                let (exit, code) = status_code(*status);
                Self::new(exit, code, error.to_string())
            }
            CeremonyError::Unfit(_) => Self::failed("unfit", error.to_string()),
            _ => Self::failed("ceremony", error.to_string()),
        }
    }
}

fn options_failure(error: &OptionsError) -> Failure {
    match error.kind() {
        ErrorKind::Security => {
            let hint =
                "--origin is the origin of the page that asks, and the RP ID its host or a parent of it";
            Failure::failed("origin-not-allowed", error.to_string()).hint(hint)
        }
        ErrorKind::NotSupported => Failure::failed("not-supported", error.to_string()),
        ErrorKind::NotJson => Failure::usage("not-json", format!("the options cannot be used: {error}")),
        _ => Failure::usage("bad-options", format!("the options cannot be used: {error}")),
    }
}

fn status_code(status: Status) -> (Exit, &'static str) {
    match status {
        Status::OperationDenied | Status::UserActionTimeout | Status::KeepaliveCancel => {
            (Exit::Declined, "declined")
        }
        Status::PinBlocked | Status::PinAuthBlocked => (Exit::WrongSecret, "pin-blocked"),
        Status::CredentialExcluded => (Exit::Failed, "already-registered"),
        Status::UnsupportedAlgorithm => (Exit::Failed, "not-supported"),
        Status::NoCredentials => (Exit::NotFound, "no-passkey"),
        Status::KeyStoreFull => (Exit::Disk, "disk-full"),
        Status::Other => (Exit::Disk, "store"),
        _ => (Exit::Failed, "refused"),
    }
}

impl From<OriginError> for Failure {
    fn from(error: OriginError) -> Self {
        Self::usage("bad-origin", error.to_string())
    }
}

impl From<CodeError> for Failure {
    fn from(error: CodeError) -> Self {
        Self::new(Exit::WrongSecret, "wrong-code", error.to_string())
    }
}

impl From<ShareError> for Failure {
    fn from(error: ShareError) -> Self {
        Self::new(Exit::WrongSecret, "wrong-share", error.to_string())
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        let (exit, code) = match error {
            HostError::Vault(error) => return error.into(),
            HostError::Store(error) => return error.into(),
            HostError::NotFound(_) => (Exit::NotFound, "no-file"),
            HostError::AlreadyExists(_) => (Exit::Failed, "exists"),
            HostError::Busy(_) => (Exit::Busy, "busy"),
            HostError::WrongFile(..) => (Exit::Tampered, "wrong-file"),
            HostError::Damaged(_) => {
                return Self::new(Exit::Tampered, "damaged", error.to_string()).hint("put a copy of it back");
            }
            HostError::NewerVersion(_) => (Exit::Failed, "newer-version"),
            HostError::Full(_) => (Exit::Disk, "disk-full"),
            HostError::Io(_, ref error) => io_code(error),
            HostError::Exposed(..) => (Exit::Failed, "exposed"),
            HostError::NotLoopback(_) => (Exit::Usage, "not-loopback"),
            HostError::Socket(_, ref error) if error.kind() == io::ErrorKind::AddrInUse => {
                (Exit::Busy, "busy")
            }
            HostError::Socket(..) => (Exit::Failed, "socket"),
            HostError::NoTerminal => (Exit::Declined, "no-terminal"),
            HostError::NoAnswer => (Exit::Declined, "declined"),
            HostError::UnusableSecret(_) => (Exit::Usage, "bad-secret"),
            HostError::Pin(_) => (Exit::Usage, "bad-pin"),
            HostError::NoSuchPasskey => (Exit::NotFound, "no-passkey"),
            HostError::Attester(_) => (Exit::Failed, "bad-attestation"),
            HostError::CannotStart(_) => (Exit::Tampered, "cannot-start"),
            _ => (Exit::Disk, "io"),
        };
        Self::new(exit, code, error.to_string())
    }
}
