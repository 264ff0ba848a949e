//! A backup on its way out or in: a file.

use std::{fs::File, io::Read, path::Path};

use countersign::{backup::BackupFile, vault::VaultError};

use crate::{error::HostError, fresh_file};

/// The largest backup that is written and read, in bytes: 1 GiB. It is in memory as a whole, more than once.
pub const MAX_LENGTH: u64 = 1024 * 1024 * 1024;

/// Writes a backup to a new file: 0600, durable, whole or not at all. [`HostError::AlreadyExists`]: there is a file of that
/// name; it was left alone. [`VaultError::TooLarge`]: it is longer than [`MAX_LENGTH`], and could not be read again.
pub fn write_new(path: &Path, backup: &BackupFile) -> Result<(), HostError> {
    let bytes = backup.encode();
    if bytes.len() as u64 > MAX_LENGTH {
        return Err(VaultError::TooLarge.into());
    }
    fresh_file::write_new(path, &bytes)
}

/// Reads a backup; only its form is checked. [`HostError::WrongFile`]: it is longer than [`MAX_LENGTH`].
pub fn read(path: &Path) -> Result<BackupFile, HostError> {
    let at = |error| HostError::io(path, error);
    let file = File::open(path).map_err(at)?;
    let mut bytes = Vec::new();
    file.take(MAX_LENGTH + 1).read_to_end(&mut bytes).map_err(at)?;
    if bytes.len() as u64 > MAX_LENGTH {
        return Err(HostError::WrongFile(path.to_path_buf(), "a backup of at most 1 GiB"));
    }
    Ok(BackupFile::decode(&bytes)?)
}
