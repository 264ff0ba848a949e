//! Files that appear whole or not at all, for their owner alone.

use std::{
    fs::{DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use countersign::{crypto::OsRng, rand_core::Rng};

use crate::error::HostError;

/// A file under a temporary name beside its target; gone when it is dropped before it was published.
pub(crate) struct FreshFile {
    temporary: PathBuf,
    target: PathBuf,
}

impl FreshFile {
    /// Makes the file, empty, mode 0600, and its directory where that is missing (0700).
    pub(crate) fn make(target: &Path) -> Result<(Self, File), HostError> {
        let directory = directory_of(target);
        make_directory(directory)?;
        let Some(name) = target.file_name() else {
            return Err(HostError::WrongFile(target.to_path_buf(), "a file name"));
        };
        let random = OsRng::default().next_u64();
        let temporary = directory.join(format!(".{}.{random:016x}.new", name.to_string_lossy()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&temporary);
        let file = file.map_err(|error| HostError::io(&temporary, error))?;
        let fresh = Self { temporary, target: target.to_path_buf() };
        // The umask has taken bits away, perhaps too many. A file system without modes, as memory sticks have, refuses.
        match file.set_permissions(Permissions::from_mode(0o600)) {
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(fresh.error(error)),
            _ => {}
        }
        Ok((fresh, file))
    }

    /// Where the file lies as long as it is not published.
    pub(crate) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Gives the file its name, and fails if there is one of that name.
    pub(crate) fn publish_new(&self) -> Result<(), HostError> {
        // A link, unlike a plain renaming, never replaces. The file systems of memory sticks have none.
        let linked = match std::fs::hard_link(&self.temporary, &self.target) {
            Err(error) if lacks_links(&error) => rename_new(&self.temporary, &self.target),
            linked => linked,
        };
        linked.map_err(|error| self.error(error))?;
        self.finish()
    }

    /// Gives the file its name, in place of one of that name.
    pub(crate) fn replace(&self) -> Result<(), HostError> {
        std::fs::rename(&self.temporary, &self.target).map_err(|error| self.error(error))?;
        self.finish()
    }

    fn finish(&self) -> Result<(), HostError> {
        _ = std::fs::remove_file(&self.temporary);
        sync_directory(directory_of(&self.target))
    }

    fn error(&self, error: io::Error) -> HostError {
        HostError::io(&self.target, error)
    }
}

/// link(2): "EPERM The filesystem containing oldpath and newpath does not support the creation of hard links."
fn lacks_links(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported)
}

/// Renames, and fails if there is a file of the new name.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_new(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Drop for FreshFile {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.temporary);
    }
}

/// Writes a new file; [`HostError::AlreadyExists`] where there is one.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), HostError> {
    write_fresh(path, bytes)?.publish_new()
}

/// Writes a file in place of the one that is there, if any.
pub(crate) fn write_over(path: &Path, bytes: &[u8]) -> Result<(), HostError> {
    write_fresh(path, bytes)?.replace()
}

fn write_fresh(path: &Path, bytes: &[u8]) -> Result<FreshFile, HostError> {
    let (fresh, mut file) = FreshFile::make(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|error| HostError::io(path, error))?;
    Ok(fresh)
}

/// Makes a directory, 0700, with those above it, where they are missing, each durably: a power cut must not take a new
/// directory with all that was confirmed in it. What is there keeps its mode.
pub(crate) fn make_directory(path: &Path) -> Result<(), HostError> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = directory_of(path);
    make_directory(parent)?;
    match DirBuilder::new().mode(0o700).create(path) {
        // Another process was first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made.map_err(|error| HostError::io(path, error))?,
    }
    sync_directory(parent)
}

fn sync_directory(path: &Path) -> Result<(), HostError> {
    let synced = File::open(path).and_then(|directory| directory.sync_all());
    synced.map_err(|error| HostError::io(path, error))
}

/// The directory that a file is in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn where_there_are_no_links_a_new_file_replaces_none_either() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        std::fs::write(&from, b"new").unwrap();
        std::fs::write(&to, b"old").unwrap();
        assert_eq!(rename_new(&from, &to).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&to).unwrap(), b"old");
        std::fs::remove_file(&to).unwrap();
        rename_new(&from, &to).unwrap();
        assert_eq!(std::fs::read(&to).unwrap(), b"new");
        assert!(!from.exists());
    }

    #[test]
    fn a_link_that_is_refused_for_another_reason_is_not_made_by_renaming() {
        assert!(lacks_links(&io::Error::from_raw_os_error(rustix::io::Errno::PERM.raw_os_error())));
        assert!(lacks_links(&io::Error::from_raw_os_error(rustix::io::Errno::OPNOTSUPP.raw_os_error())));
        assert!(!lacks_links(&io::Error::from_raw_os_error(rustix::io::Errno::EXIST.raw_os_error())));
        assert!(!lacks_links(&io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error())));
    }
}
