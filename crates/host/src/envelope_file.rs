//! A vault on its way in or out: an envelope in a file.

use std::{fs::File, io::Read, path::Path};

use countersign::vault::{Envelope, VaultError, VaultStorage};

use crate::{error::HostError, fresh_file};

/// The largest envelope that is read, in bytes: 256 MiB.
pub const MAX_LENGTH: u64 = 256 * 1024 * 1024;

/// Writes the vault of a storage to a file, in whole form: 0600, durable, in place of an earlier file as a whole or not at
/// all. [`VaultError::NotFound`]: the storage has no vault.
pub fn export(storage: &dyn VaultStorage, path: &Path) -> Result<(), HostError> {
    fresh_file::write_over(path, &encoded(storage)?)
}

/// As [`export`], to a new file only. [`HostError::AlreadyExists`]: there is a file of that name; it was left alone.
pub fn export_new(storage: &dyn VaultStorage, path: &Path) -> Result<(), HostError> {
    fresh_file::write_new(path, &encoded(storage)?)
}

/// Reads an envelope; only its form is checked. [`HostError::WrongFile`]: it is longer than [`MAX_LENGTH`].
pub fn read(path: &Path) -> Result<Envelope, HostError> {
    let at = |error| HostError::io(path, error);
    let file = File::open(path).map_err(at)?;
    let mut bytes = Vec::new();
    file.take(MAX_LENGTH + 1).read_to_end(&mut bytes).map_err(at)?;
    if bytes.len() as u64 > MAX_LENGTH {
        return Err(HostError::WrongFile(path.to_path_buf(), "an envelope of at most 256 MiB"));
    }
    Ok(Envelope::decode(&bytes)?)
}

fn encoded(storage: &dyn VaultStorage) -> Result<Vec<u8>, HostError> {
    Ok(Envelope::export(storage)?.ok_or(VaultError::NotFound)?.encode())
}
