//! Opening an envelope (vault-format.md, "Opening, in this order").

use super::{
    envelope::Envelope,
    error::VaultError,
    ids::{SlotId, VaultId},
    keys::RootKey,
    manifest::Manifest,
    memory::{self, Freshness, RollbackStore},
    slot_key::{SlotKeyInput, SlotOwnKeys, SlotSecret, input_key_material},
    suite::{SealContext, require_suite},
    vault::{State, Vault},
};
use crate::time::Moment;

/// What the opener knows and wants.
#[derive(Default)]
pub struct Opening<'a> {
    /// The vault that the host expects, where it knows.
    pub expected_vault_id: Option<VaultId>,
    /// What this client remembers of vaults; without it an old copy cannot be told from the newest.
    pub memory: Option<&'a mut dyn RollbackStore>,
    /// Whether a backup is to be opened; a live vault is refused then, and otherwise a backup.
    pub backup: bool,
    /// Now: from it on the opening is proof of who is there ([`Vault::opening_proof`]). Left out, it is power-up, and the
    /// proof has grown old already.
    pub now: Moment,
    /// The most memory that Argon2 may ask for, in KiB, where the host gives less than the format's bound; in changes of
    /// the open vault, too.
    pub argon2_ceiling_kib: Option<u64>,
}

pub(super) fn open(
    envelope: &Envelope,
    slot_id: &SlotId,
    secret: &SlotSecret<'_>,
    opening: Opening<'_>,
) -> Result<(Vault, Freshness), VaultError> {
    let manifest = &envelope.manifest;
    // 1. The schema was checked by `decode`.
    if opening.expected_vault_id.is_some_and(|expected| expected != manifest.vault_id) {
        return Err(VaultError::Tampered("it is another vault"));
    }
    // 2 and the first half of 3.
    let root = unseal(envelope, slot_id, secret, opening.argon2_ceiling_kib)?;
    // 3. "Nothing of the manifest is acted upon before this point but what steps 1-3 need."
    let state = State::authenticate(root, envelope)?;
    // 4.
    check_kind_and_policy(manifest, opening.backup)?;
    // 5.
    let (now, ceiling) = (opening.now, opening.argon2_ceiling_kib);
    let freshness = recall(&state, opening.memory)?;
    let mut vault = Vault::new(state, freshness, Some(*slot_id), now);
    vault.argon2_ceiling_kib = ceiling;
    Ok((vault, freshness))
}

/// Step 4.
pub(super) fn check_kind_and_policy(manifest: &Manifest, backup: bool) -> Result<(), VaultError> {
    if manifest.backup.is_some() != backup {
        return Err(VaultError::PolicyViolation(if backup {
            "this is no backup"
        } else {
            "this is a backup, not the vault"
        }));
    }
    manifest.check_policy()
}

/// Steps 2 and 3 as far as the vault root key: slot keys, wrapped, slot_pk, seal.
pub(super) fn unseal(
    envelope: &Envelope,
    slot_id: &SlotId,
    secret: &SlotSecret<'_>,
    ceiling: Option<u64>,
) -> Result<RootKey, VaultError> {
    let manifest = &envelope.manifest;
    let slot = manifest.enabled_slot(slot_id).ok_or(VaultError::WrongSecret)?;
    require_suite(slot.suite)?;
    let ikm = input_key_material(&slot.unlock, secret, ceiling)?;
    let keys = SlotKeyInput::of(&manifest.vault_id, slot).derive(&ikm);
    if !keys.commits_to(&slot.k_com) {
        return Err(VaultError::WrongSecret);
    }
    let own = SlotOwnKeys::unwrap(&manifest.vault_id, slot, &keys)?;
    let context = SealContext {
        vault_id: &manifest.vault_id,
        key_gen: manifest.key_gen,
        vrk_commit: &manifest.vrk_commit,
    };
    let vault_key = context.open(slot, &own.slot_sk, &own.sak)?;
    Ok(RootKey::new(manifest.vault_id, vault_key))
}

/// Compares with memory, and writes it once nothing can fail any more.
pub(super) fn recall(state: &State, memory: Option<&mut dyn RollbackStore>) -> Result<Freshness, VaultError> {
    let Some(store) = memory else { return Ok(Freshness::Unchecked) };
    let vault_id = state.manifest.vault_id;
    let seen = store.get(&vault_id)?;
    let freshness = match &seen {
        None => Freshness::FirstUse,
        Some(seen) => memory::check(seen, &state.manifest, &state.hash)?,
    };
    let now = state.seen()?;
    if seen != Some(now) {
        store.put(&vault_id, &now)?;
    }
    Ok(freshness)
}
