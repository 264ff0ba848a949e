//! The client's memory of the states it has seen (vault-format.md, "Opening", step 5): what makes rollback, forks and
//! planted keys visible.

use super::{
    error::VaultError,
    ids::VaultId,
    keys,
    manifest::{Link, Manifest},
    storage::Base,
};

/// The newest state of a vault that a client has seen. Nothing of it is secret, but it must be kept where the storage
/// of the vault cannot write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Its epoch.
    pub epoch: u64,
    /// SHA-256 of its manifest bytes.
    pub hash: [u8; 32],
    /// Its key generation.
    pub key_gen: u64,
    /// The lineage public key of that generation (Ed25519).
    pub lineage_key: [u8; 32],
    /// Its suite floor.
    pub floor: u64,
}

/// Where a client remembers what it has seen.
pub trait RollbackStore {
    /// The state last seen, if any. [`VaultError::Memory`] when it cannot be read: that is not the same as none.
    fn get(&self, vault: &VaultId) -> Result<Option<Seen>, VaultError>;
    /// Remembers a state in place of the earlier one. A memory that several processes share keeps the newer one of two
    /// that were checked at the same time; [`VaultError::Fork`]: they are not of one line.
    fn put(&mut self, vault: &VaultId, seen: &Seen) -> Result<(), VaultError>;
}

/// How fresh an opened state is known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// There is no memory: an old copy or a fork would not be noticed.
    Unchecked,
    /// The first time this client sees the vault: from now on it will notice.
    FirstUse,
    /// Newer than what was seen, by the same line of keys, but so much newer that the states between are not listed.
    CheckedGap,
    /// It is the state last seen, or descends from it.
    Checked,
}

/// Compares an authenticated manifest with what was seen.
pub(super) fn check(seen: &Seen, manifest: &Manifest, hash: &[u8; 32]) -> Result<Freshness, VaultError> {
    if manifest.epoch < seen.epoch || manifest.key_gen < seen.key_gen || manifest.floor < seen.floor {
        return Err(VaultError::Rollback);
    }
    let freshness = if manifest.epoch == seen.epoch {
        if *hash != seen.hash {
            return Err(VaultError::Fork);
        }
        Freshness::Checked
    } else {
        ancestry(Base { epoch: seen.epoch, hash: seen.hash }, manifest)?
    };
    check_lineage(seen.key_gen, &seen.lineage_key, manifest)?;
    Ok(freshness)
}

/// Higher epoch: the state seen must be among the ancestors, unless the list no longer reaches back so far.
pub(super) fn ancestry(seen: Base, manifest: &Manifest) -> Result<Freshness, VaultError> {
    if manifest.ancestors.iter().any(|past| past.epoch == seen.epoch && past.hash == seen.hash) {
        return Ok(Freshness::Checked);
    }
    match manifest.ancestors.last() {
        Some(lowest) if lowest.epoch > seen.epoch => Ok(Freshness::CheckedGap),
        _ => Err(VaultError::Fork),
    }
}

/// The known key must be in the line, and each later key signed by the one before it.
pub(super) fn check_lineage(key_gen: u64, key: &[u8; 32], manifest: &Manifest) -> Result<(), VaultError> {
    let mut links = manifest.lineage.iter().skip_while(|link| link.key_gen != key_gen);
    let mut signer: &Link = links.next().ok_or(VaultError::Fork)?;
    if signer.public_key != *key {
        return Err(VaultError::Fork);
    }
    for link in links {
        keys::verify_link(&manifest.vault_id, link, &signer.public_key).map_err(|_| VaultError::Fork)?;
        signer = link;
    }
    Ok(())
}
