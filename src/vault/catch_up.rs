//! An open vault that meets a newer envelope (vault-format.md, "Opening", last paragraph).

use super::{
    envelope::Envelope,
    error::VaultError,
    memory::{self, Freshness, RollbackStore, Seen},
    open,
    vault::{State, Vault},
};
use crate::crypto::sha256;

/// What an open vault made of an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "after KeyChanged the vault is locked"]
pub enum CatchUp {
    /// It is the state that is open.
    Unchanged,
    /// It is newer, and from now on the open state; this fresh it is known to be.
    Newer(Freshness),
    /// The vault root key was changed elsewhere, by a line of keys that continues the open one. The vault is locked:
    /// its key is wiped, and whatever needs it answers [`VaultError::KeyChanged`]. A slot's secret opens the envelope.
    KeyChanged,
}

impl Vault {
    /// Goes on to the state in `envelope`, which another device has written, without asking for a secret again.
    ///
    /// Where the vault root key is the same, the envelope is checked from its MAC on as in [`Envelope::open`], and against
    /// the memory; beside the memory, the open state itself counts as seen. Where the key is a later one, the lineage is
    /// all that can be checked; the rest is, when the envelope is opened. An [accepted](Vault::accept_as_is) vault stays
    /// so, as long as nothing between the two states is missing.
    ///
    /// Errors, after which the vault is as it was: [`VaultError::Tampered`], [`VaultError::PolicyViolation`],
    /// [`VaultError::Rollback`], [`VaultError::Fork`], [`VaultError::Memory`]; [`VaultError::KeyChanged`]: it was locked
    /// before.
    pub fn catch_up(
        &mut self,
        envelope: &Envelope,
        memory: Option<&mut dyn RollbackStore>,
    ) -> Result<CatchUp, VaultError> {
        self.require_key()?;
        let manifest = &envelope.manifest;
        if manifest.vault_id != self.vault_id() {
            return Err(VaultError::Tampered("it is another vault"));
        }
        let known = self.state().seen()?;
        let hash = sha256(&envelope.manifest_bytes);
        if hash == known.hash {
            // A memory that other processes share may know of a later one.
            open::recall(self.state(), memory)?;
            return Ok(CatchUp::Unchanged);
        }
        if manifest.key_gen > known.key_gen {
            check_successor(&known, envelope, memory.as_deref())?;
            self.forget_key();
            return Ok(CatchUp::KeyChanged);
        }
        if manifest.key_gen < known.key_gen {
            return Err(VaultError::Rollback);
        }
        let state = State::authenticate(self.state().root.clone_secret(), envelope)?;
        open::check_kind_and_policy(manifest, self.state().manifest.backup.is_some())?;
        let descent = memory::check(&known, manifest, &hash)?;
        let remembered = memory.is_some();
        let recalled = open::recall(&state, memory)?;
        let freshness = match (remembered, self.freshness(), descent) {
            (true, ..) => recalled,
            (false, Freshness::Checked, descent) => descent,
            (false, freshness, _) => freshness,
        };
        self.go_on(state, freshness, descent == Freshness::Checked);
        Ok(CatchUp::Newer(freshness))
    }
}

/// Under a key that is not known: a later state, by a key that the known ones have signed.
fn check_successor(
    known: &Seen,
    envelope: &Envelope,
    memory: Option<&dyn RollbackStore>,
) -> Result<(), VaultError> {
    let manifest = &envelope.manifest;
    let remembered = memory.map(|memory| memory.get(&manifest.vault_id)).transpose()?.flatten();
    for seen in [Some(known), remembered.as_ref()].into_iter().flatten() {
        if manifest.epoch <= seen.epoch || manifest.key_gen < seen.key_gen {
            return Err(VaultError::Rollback);
        }
        memory::check_lineage(seen.key_gen, &seen.lineage_key, manifest)?;
    }
    Ok(())
}
