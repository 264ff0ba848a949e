//! The memory of the vault states that this machine has seen, in a file.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use countersign::{
    cbor::{Item, Items, Profile, Writer},
    vault::{RollbackStore, Seen, VaultError, VaultId},
};

use crate::{error::HostError, fresh_file};

/// What the file says to be, and its version.
const MAGIC: &str = "countersign/v1/seen";

/// A [`RollbackStore`] in one small file for all vaults of a user. Each change replaces the file as a whole, durably.
///
/// Nothing in it is secret, but who can write it can make an old copy of a vault pass for the newest: it belongs in
/// another place than the vaults. A missing file is an empty memory; one that cannot be read is an error
/// ([`VaultError::Memory`]), not a first use.
///
/// The file, canonical CBOR: `{ 0: "countersign/v1/seen", 1: [* [vault_id, epoch, hash, key_gen, lineage_key, floor]] }`.
#[derive(Debug, Clone)]
pub struct SeenFile {
    path: PathBuf,
}

impl SeenFile {
    /// The memory in a file of one's own choice. Neither the file nor its directory need exist.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The memory in its usual place: `$XDG_STATE_HOME/countersign/seen`, or `~/.local/state/countersign/seen`.
    pub fn in_state_directory() -> Result<Self, HostError> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
        Ok(Self::at(state.ok_or(HostError::NoStateDirectory)?.join("countersign").join("seen")))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Forgets a vault: the next opening is a first use. For when its owner accepts a state that was refused as a
    /// rollback or a fork.
    pub fn forget(&mut self, vault: &VaultId) -> Result<(), HostError> {
        self.update(|all| _ = all.remove(&vault.0))
    }

    fn update(&self, edit: impl FnOnce(&mut BTreeMap<[u8; 16], Seen>)) -> Result<(), HostError> {
        let _lock = self.lock()?;
        let mut all = self.load()?;
        edit(&mut all);
        fresh_file::write_over(&self.path, &encode(&all))
    }

    /// Other processes wait while one changes the file. The lock has a file of its own, since the memory itself is
    /// replaced.
    fn lock(&self) -> Result<File, HostError> {
        fresh_file::make_directory(fresh_file::directory_of(&self.path))?;
        let mut path = self.path.clone().into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let locked = file.and_then(|file| file.lock().map(|()| file));
        locked.map_err(|error| HostError::io(&path, error))
    }

    fn load(&self) -> Result<BTreeMap<[u8; 16], Seen>, HostError> {
        match std::fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(HostError::io(&self.path, error)),
            Ok(bytes) => decode(&bytes).ok_or_else(|| HostError::Damaged(self.path.clone())),
        }
    }
}

impl RollbackStore for SeenFile {
    fn get(&self, vault: &VaultId) -> Result<Option<Seen>, VaultError> {
        Ok(self.load().map_err(|_| VaultError::Memory)?.remove(&vault.0))
    }

    /// Another process may have remembered a state since this one asked: the newer of the two stays.
    /// [`VaultError::Fork`]: the two cannot both be of one line; the one that was there stays.
    fn put(&mut self, vault: &VaultId, seen: &Seen) -> Result<(), VaultError> {
        let mut outcome = Ok(());
        let updated = self.update(|all| match all.get(&vault.0).map(|known| newer(known, seen)) {
            Some(Ok(false)) => {}
            Some(Err(fork)) => outcome = Err(fork),
            Some(Ok(true)) | None => _ = all.insert(vault.0, *seen),
        });
        updated.map_err(|_| VaultError::Memory)?;
        outcome
    }
}

/// Whether `seen` comes after `known`.
fn newer(known: &Seen, seen: &Seen) -> Result<bool, VaultError> {
    let (older, younger) = if seen.epoch < known.epoch { (seen, known) } else { (known, seen) };
    let one_line = older.key_gen <= younger.key_gen && older.floor <= younger.floor;
    if !one_line || (older.epoch == younger.epoch && older.hash != younger.hash) {
        return Err(VaultError::Fork);
    }
    Ok(seen.epoch > known.epoch)
}

fn encode(all: &BTreeMap<[u8; 16], Seen>) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.map(2).unsigned(0).text(MAGIC).unsigned(1).array(all.len());
    for (vault, seen) in all {
        writer.array(6).bytes(vault).unsigned(seen.epoch).bytes(&seen.hash);
        writer.unsigned(seen.key_gen).bytes(&seen.lineage_key).unsigned(seen.floor);
    }
    writer.finish()
}

fn decode(bytes: &[u8]) -> Option<BTreeMap<[u8; 16], Seen>> {
    let file = Item::parse(bytes, Profile::VAULT).ok()?.map()?;
    if file.at(0)?.text()? != MAGIC {
        return None;
    }
    file.at(1)?.array()?.map(|entry| decode_entry(entry.array()?)).collect()
}

fn decode_entry(mut fields: Items<'_>) -> Option<([u8; 16], Seen)> {
    let vault = fields.next()?.bytes()?.try_into().ok()?;
    let seen = Seen {
        epoch: fields.next()?.unsigned()?,
        hash: fields.next()?.bytes()?.try_into().ok()?,
        key_gen: fields.next()?.unsigned()?,
        lineage_key: fields.next()?.bytes()?.try_into().ok()?,
        floor: fields.next()?.unsigned()?,
    };
    Some((vault, seen))
}
