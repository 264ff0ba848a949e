//! Two heads of one vault, as a folder leaves them that synced two devices apart, brought together on the user's word
//! (vault-format.md, "Concurrent writers").

use alloc::vec::Vec;

use rand_core::CryptoRng;

use super::{
    draft::{Draft, Joined},
    error::VaultError,
    manifest::{Link, Manifest, Past},
    memory,
    operation::Operations,
    reauth::Reauth,
    replay::{Clash, Grounds, Report, replay_on},
    storage::ItemSource,
    vault::{State, Vault},
};
use crate::time::Moment;

/// The user's word: whoever calls [`UsersWord::given`] has shown both heads to the vault's owner, who knows both and
/// wants them to be one.
pub struct UsersWord(());

impl UsersWord {
    /// The user has said so.
    pub fn given() -> Self {
        Self(())
    }
}

/// One head: opened, so verified, and where its items are.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    /// The vault in this state.
    pub vault: &'a Vault,
    /// Its items.
    pub items: &'a dyn ItemSource,
}

/// Brings two heads together: a change of one of them, its base, in which everything happens again that was done on the
/// other one. The base is the head of the higher key generation, then epoch, then hash; [`Draft::vault`] is that one,
/// and the write belongs where it lies. Both heads were opened, which verified them; a memory that has seen one of them
/// refuses the other, so at least that one is opened without.
///
/// With the `ancestor`, a state that both continue (an old copy, opened), what happened since is known. Without it the
/// heads are compared with each other: whatever only one of them has stays, so that deletions are undone; of an item that
/// differs, the other head's version is kept as a new item ([`Conflict::ItemCopied`](super::Conflict)), whichever side
/// changed it; slots that were enrolled or removed there are so here, and what else differs of slots stays as the base
/// has it.
///
/// Whoever saw a rotation that the other head had, and that is lost here, keeps reporting a [`VaultError::Fork`] until
/// its user drops that memory. The proof, of either head, and its age are as in [`Vault::administer`]; draws as
/// [`Vault::replay`].
///
/// Errors: [`VaultError::ReauthNeeded`]; [`VaultError::Tampered`]: two vaults; [`VaultError::Fork`]: no key of the two
/// lines is the same, or one of them is not signed from there on; [`VaultError::InvalidInput`]: one head continues the
/// other, or the ancestor is none of both; those of [`Vault::replay`].
pub fn reconcile<'a>(
    _: UsersWord,
    heads: [Head<'a>; 2],
    ancestor: Option<&Vault>,
    (proof, now): (&Reauth, Moment),
    rng: &mut dyn CryptoRng,
) -> Result<(Draft<'a>, Report), VaultError> {
    let [mut base, mut other] = heads;
    if rank(base.vault.state()) < rank(other.vault.state()) {
        core::mem::swap(&mut base, &mut other);
    }
    let (ours, theirs) = (base.vault.state(), other.vault.state());
    check_heads(base.vault, other.vault, ancestor)?;
    if !base.vault.is_proven(proof, now) && !other.vault.is_proven(proof, now) {
        return Err(VaultError::ReauthNeeded);
    }
    let operations = match ancestor {
        Some(ancestor) => Operations::between(ancestor.state(), theirs, other.items)?,
        None => Operations::apart(ours, theirs, other.items)?,
    };
    let epoch = ours.manifest.epoch.max(theirs.manifest.epoch);
    let joined = Joined { epoch, ancestors: join(ours, theirs) };
    let merge = &mut |clash: &Clash<'_>| clash.by_type();
    replay_on(base.vault, Some(joined), &operations, Grounds { items: base.items, merge }, rng)
}

/// The key generation, then the epoch, then the hash.
fn rank(state: &State) -> (u64, u64, &[u8; 32]) {
    (state.manifest.key_gen, state.manifest.epoch, &state.hash)
}

fn check_heads(base: &Vault, other: &Vault, ancestor: Option<&Vault>) -> Result<(), VaultError> {
    for vault in [Some(base), Some(other), ancestor].into_iter().flatten() {
        vault.require_key()?;
        if vault.vault_id() != base.vault_id() {
            return Err(VaultError::Tampered("it is another vault"));
        }
    }
    let (ours, theirs) = (base.state(), other.state());
    if continues(ours, theirs) || continues(theirs, ours) {
        return Err(VaultError::InvalidInput("one head continues the other"));
    }
    check_lines(&ours.manifest, &theirs.manifest)?;
    let of_both = |state| continues(ours, state) && continues(theirs, state);
    if ancestor.is_none_or(|ancestor| of_both(ancestor.state())) {
        Ok(())
    } else {
        Err(VaultError::InvalidInput("the ancestor is none of both heads"))
    }
}

/// Two lines are of one vault where they have a key in common and each goes on from it, signature by signature: a copy of
/// the vault's public keys in front of another one is no line.
fn check_lines(ours: &Manifest, theirs: &Manifest) -> Result<(), VaultError> {
    let same = |one: &Link, other: &Link| (one.key_gen, one.public_key) == (other.key_gen, other.public_key);
    let shared = |link: &&Link| theirs.lineage.iter().any(|other| same(link, other));
    let parted = ours.lineage.iter().rev().find(shared).ok_or(VaultError::Fork)?;
    memory::check_lineage(parted.key_gen, &parted.public_key, ours)?;
    memory::check_lineage(parted.key_gen, &parted.public_key, theirs)
}

/// Whether `later` is, or lists among its ancestors, the earlier state.
fn continues(later: &State, earlier: &State) -> bool {
    later.line().iter().any(|past| past.epoch == earlier.manifest.epoch && past.hash == earlier.hash)
}

/// "both heads and both their ancestors, less all below the higher of the two lists' lowest epochs": below that, one
/// of the lists is silent, and silence must not be taken for a fork.
fn join(ours: &State, theirs: &State) -> Vec<Past> {
    let (mut joined, other) = (ours.line(), theirs.line());
    let lowest = |list: &[Past]| list.last().map_or(0, |past| past.epoch);
    let silent_below = lowest(&joined).max(lowest(&other));
    joined.extend(other);
    joined.retain(|past| past.epoch >= silent_below);
    joined.sort_unstable_by(Past::order);
    joined.dedup();
    joined
}
