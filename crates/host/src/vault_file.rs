//! A vault in a file.

use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
};

use countersign::vault::{Envelope, ItemId, ItemSource, StorageError, StoredVault, Tag, VaultStorage, Write};
use redb::{DatabaseError, backends::FileBackend};

use crate::{database::VaultDatabase, error::HostError, fresh_file::FreshFile};

/// One vault in one file: a crash-safe database, held by one process at a time.
///
/// A write is confirmed once it has reached the medium. A full disk, a crash or a power cut in the middle leaves the old
/// state or the new one, and never loses what was confirmed. One case is open: when the very last flush of a write
/// fails, that write is reported as failed but may have arrived; the next one is then refused as
/// [`StorageError::Conflict`], and the open vault has to catch up ([`Vault::catch_up`]).
///
/// [`Vault::catch_up`]: countersign::vault::Vault::catch_up
///
/// A new file gets its name with its first write, so a file of that name always holds a vault.
pub struct VaultFile {
    path: PathBuf,
    /// None: the database failed and could not be opened again.
    database: Option<VaultDatabase>,
    unpublished: Option<FreshFile>,
}

impl VaultFile {
    /// A new file (0600, in a directory that is made 0700 where it is missing) without a vault. It has no name before its
    /// first write; dropped before that, it is gone. [`HostError::AlreadyExists`]: nothing is ever replaced.
    pub fn create(path: &Path) -> Result<Self, HostError> {
        if std::fs::symlink_metadata(path).is_ok() {
            return Err(HostError::AlreadyExists(path.to_path_buf()));
        }
        let (fresh, file) = FreshFile::make(path)?;
        let database = VaultDatabase::create(backend(file, path)?, path)?;
        Ok(Self { path: path.to_path_buf(), database: Some(database), unpublished: Some(fresh) })
    }

    /// Opens a file. [`HostError::NotFound`], [`HostError::Busy`], [`HostError::WrongFile`],
    /// [`HostError::NewerVersion`], [`HostError::Damaged`].
    ///
    /// The vault inside is not looked at; whoever opens it with a secret ([`Envelope::open`]) finds out whether it was
    /// altered.
    pub fn open(path: &Path) -> Result<Self, HostError> {
        let database = Some(open_database(path)?);
        Ok(Self { path: path.to_path_buf(), database, unpublished: None })
    }

    /// Makes a new file that holds the vault of an envelope in whole form. Nobody has vouched for it yet.
    pub fn import(path: &Path, envelope: &Envelope) -> Result<Self, HostError> {
        let mut file = Self::create(path)?;
        file.database_mut()?.import(envelope)?;
        file.publish()?;
        Ok(file)
    }

    /// The vault in index form, to be opened; none where nothing was written yet.
    pub fn envelope(&self) -> Result<Option<Envelope>, HostError> {
        self.parts()?.map(|stored| Ok(Envelope::from_stored(stored)?)).transpose()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's size in bytes, unused room included.
    pub fn size(&self) -> Result<u64, HostError> {
        let path = self.unpublished.as_ref().map_or(self.path.as_path(), FreshFile::temporary);
        Ok(std::fs::metadata(path).map_err(|error| HostError::io(path, error))?.len())
    }

    /// Gives unused room back to the file system. Whether there was any.
    pub fn compact(&mut self) -> Result<bool, HostError> {
        Ok(self.attempt(VaultDatabase::compact)?)
    }

    /// [`VaultDatabase::check`].
    pub fn check(&mut self) -> Result<bool, HostError> {
        Ok(self.attempt(VaultDatabase::check)?)
    }

    fn publish(&mut self) -> Result<(), HostError> {
        if let Some(fresh) = &self.unpublished {
            fresh.publish_new()?;
        }
        self.unpublished = None;
        Ok(())
    }

    fn database(&self) -> Result<&VaultDatabase, StorageError> {
        self.database.as_ref().ok_or(StorageError::Io)
    }

    fn database_mut(&mut self) -> Result<&mut VaultDatabase, StorageError> {
        if self.database.is_none() {
            self.reopen();
        }
        self.database.as_mut().ok_or(StorageError::Io)
    }

    /// After an I/O error the database answers nothing more until it is opened again, which also drops what the failed
    /// write left behind.
    fn reopen(&mut self) {
        // The lock goes with the old one; it must go first.
        self.database = None;
        let path = self.unpublished.as_ref().map_or(self.path.as_path(), FreshFile::temporary);
        self.database = open_database(path).ok();
    }

    fn attempt<T>(
        &mut self,
        action: impl FnOnce(&mut VaultDatabase) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let outcome = action(self.database_mut()?);
        if matches!(outcome, Err(StorageError::Io | StorageError::Full)) {
            self.reopen();
        }
        outcome
    }
}

fn open_database(path: &Path) -> Result<VaultDatabase, HostError> {
    let at = |error| HostError::io(path, error);
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(at)?;
    if !file.metadata().map_err(at)?.is_file() {
        return Err(HostError::WrongFile(path.to_path_buf(), "a vault file"));
    }
    VaultDatabase::open(backend(file, path)?, path)
}

fn backend(file: File, path: &Path) -> Result<FileBackend, HostError> {
    FileBackend::new(file).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => HostError::Busy(path.to_path_buf()),
        _ => HostError::Damaged(path.to_path_buf()),
    })
}

impl ItemSource for VaultFile {
    fn item(&self, id: &ItemId) -> Result<Option<Vec<u8>>, StorageError> {
        self.database()?.item(id)
    }
}

impl VaultStorage for VaultFile {
    fn parts(&self) -> Result<Option<StoredVault>, StorageError> {
        self.database()?.parts()
    }

    fn index_id(&self) -> Result<Option<Tag>, StorageError> {
        self.database()?.index_id()
    }

    fn tagged(&self, tag: &Tag) -> Result<Vec<ItemId>, StorageError> {
        self.database()?.tagged(tag)
    }

    fn write(&mut self, write: &Write) -> Result<(), StorageError> {
        self.attempt(|database| database.write(write))?;
        self.publish().map_err(|error| match error {
            HostError::AlreadyExists(_) => StorageError::Conflict,
            HostError::Full(_) => StorageError::Full,
            _ => StorageError::Io,
        })
    }

    fn reindex(&mut self, index_id: Tag, tags: &[(ItemId, Vec<Tag>)]) -> Result<(), StorageError> {
        self.attempt(|database| database.reindex(index_id, tags))
    }
}
