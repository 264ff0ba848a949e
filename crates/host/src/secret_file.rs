//! A secret in a file of its own, raw bytes, that nobody but its owner may read.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use countersign::secret::Secret;
use zeroize::Zeroize;

use crate::{
    error::HostError,
    fresh_file::{self, FreshFile},
};

/// Writes a secret to a new file (0600), durably. [`HostError::AlreadyExists`]: an existing file is never replaced.
pub fn create<const N: usize>(path: &Path, secret: &Secret<N>) -> Result<(), HostError> {
    fresh_file::write_new(path, secret.expose())
}

/// A new file for text that nobody but its owner may read (0600). It is made before the text is: that it cannot be made is
/// known before there is a secret. Until it is published there is no file of its name; dropped before, it never existed.
pub struct NewText {
    fresh: FreshFile,
    file: File,
}

impl NewText {
    /// [`HostError::AlreadyExists`]: an existing file is never replaced.
    pub fn make(path: &Path) -> Result<Self, HostError> {
        if path.symlink_metadata().is_ok() {
            return Err(HostError::AlreadyExists(path.to_path_buf()));
        }
        let (fresh, file) = FreshFile::make(path)?;
        Ok(Self { fresh, file })
    }

    /// Writes the text, durably.
    pub fn write(&mut self, text: &str) -> Result<(), HostError> {
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all());
        written.map_err(|error| HostError::io(self.fresh.temporary(), error))
    }

    /// Gives the file its name. [`HostError::AlreadyExists`]: there is one by now.
    pub fn publish(self) -> Result<(), HostError> {
        self.fresh.publish_new()
    }
}

/// Reads a secret of exactly `N` bytes. [`HostError::Exposed`]: others than the owner may read or write the file.
/// [`HostError::UnusableSecret`]: it has another length.
pub fn read<const N: usize>(path: &Path) -> Result<Secret<N>, HostError> {
    let mut file = open(path)?;
    let at = |error| HostError::io(path, error);
    let wrong_length = HostError::UnusableSecret("the file has another length than the secret");
    let secret = Secret::try_init_with(|bytes: &mut [u8; N]| match file.read_exact(bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(HostError::UnusableSecret("the file has another length than the secret"))
        }
        other => other.map_err(at),
    })?;
    let mut surplus = [0];
    let more = file.read(&mut surplus).map_err(at)?;
    surplus.zeroize();
    if more == 0 { Ok(secret) } else { Err(wrong_length) }
}

/// Refuses a file that another user has put there, or a link to one: what is in it may be known to somebody. For a secret
/// that is taken up before anything vouches for it; one that opens a vault has proved itself.
pub(crate) fn require_own(path: &Path) -> Result<(), HostError> {
    let metadata = std::fs::symlink_metadata(path).map_err(|error| HostError::io(path, error))?;
    if metadata.is_file() && metadata.uid() == rustix::process::geteuid().as_raw() {
        Ok(())
    } else {
        Err(HostError::UnusableSecret("the file is another user's, or no file"))
    }
}

/// Opens a file with a secret, if it is its owner's alone.
pub(crate) fn open(path: &Path) -> Result<File, HostError> {
    let file = File::open(path).map_err(|error| HostError::io(path, error))?;
    let metadata = file.metadata().map_err(|error| HostError::io(path, error))?;
    let mode = metadata.permissions().mode() & 0o777;
    // Pipes and devices (`/dev/fd/3`, `<(…)`) have no readers but those that hold them.
    if metadata.is_file() && mode & 0o077 != 0 {
        return Err(HostError::Exposed(path.to_path_buf(), mode));
    }
    Ok(file)
}
