//! A change of a vault: collected, finished into one write, and given up without a trace.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use rand_core::CryptoRng;

use super::{
    error::VaultError,
    fields::MAX_NUMBER,
    ids::{ItemId, SlotId, VaultId},
    item::{Sealed, UnwrappedItem},
    keys::RootKey,
    manifest::{BackupInfo, MAX_ITEMS, MAX_MANIFEST, MAX_PAST, Manifest, Past, Policy},
    memory::{Freshness, RollbackStore},
    private::{PrivatePlace, SlotPrivate},
    reauth::Administration,
    slot::{EnabledSlot, Slot, Suite},
    slot_key::sak_aad,
    slots::PassphrasePolicy,
    storage::{ItemPut, Write},
    suite::SealContext,
    tags::{CREDENTIAL, Terms, index_id},
    trie::Trie,
    vault::{State, Vault},
};
use crate::{
    crypto::sha256,
    secret::Secret,
    time::{Moment, UnixTime},
};

/// A change in the making. Nothing of it exists until [`Draft::finish`], the storage, and [`Vault::written`] have all
/// done their part; dropping it drops the change.
///
/// Randomness is drawn where each method says, in that order; what depends on the final vault root key is drawn by
/// [`Draft::finish`].
pub struct Draft<'v> {
    pub(super) vault: Option<&'v Vault>,
    pub(super) root: RootKey,
    pub(super) manifest: Manifest,
    /// The SAK of each slot to which the vault root key is to be sealed.
    pub(super) seals: BTreeMap<SlotId, Secret<32>>,
    /// Each private part that is to be encrypted.
    pub(super) privates: BTreeMap<SlotId, SlotPrivate>,
    pub(super) items: BTreeMap<ItemId, DraftItem>,
    pub(super) deleted: BTreeSet<ItemId>,
    pub(super) rotated: bool,
    /// Items that a rotation encrypted anew, whose contents nobody changed.
    pub(super) rewritten: BTreeSet<ItemId>,
    pub(super) argon2_ceiling_kib: Option<u64>,
    pub(super) passphrase_policy: Option<&'static dyn PassphrasePolicy>,
    /// Of new slots, and the least of refreshed ones.
    pub(super) suite: Suite,
    /// Where two heads are brought together: what the new state descends from, beside its base.
    pub(super) joined: Option<Joined>,
}

/// The past of a state that brings two heads together.
pub(super) struct Joined {
    /// The higher epoch of the two.
    pub(super) epoch: u64,
    /// In order, not yet cut.
    pub(super) ancestors: Vec<Past>,
}

/// An item version that will be written, and how it will be found.
pub(super) struct DraftItem {
    pub(super) item: UnwrappedItem,
    pub(super) terms: Terms,
}

/// A finished change: what to store, and the state that the vault will have once it is stored.
pub struct Prepared {
    write: Write,
    state: State,
    rewritten: BTreeSet<ItemId>,
    argon2_ceiling_kib: Option<u64>,
}

impl Prepared {
    /// What to store, as a whole or not at all.
    pub fn write(&self) -> &Write {
        &self.write
    }

    pub(super) fn into_state(self) -> State {
        self.state
    }

    pub(super) fn into_parts(self) -> (Write, State, BTreeSet<ItemId>) {
        (self.write, self.state, self.rewritten)
    }

    /// The vault root key of the new state, for whoever keeps it under another vault (the lineage of backups).
    pub(crate) fn root_secret(&self) -> &Secret<32> {
        self.state.root.secret()
    }

    /// The vault that was just created, once the storage has confirmed the write; it is remembered. Its maker counts as
    /// authenticated `now`.
    /// [`VaultError::StaleWrite`]: the write changes an existing vault ([`Vault::written`]). [`VaultError::Memory`]: the
    /// memory failed; the vault is stored all the same and can be opened.
    pub fn into_vault(
        self,
        memory: Option<&mut dyn RollbackStore>,
        now: Moment,
    ) -> Result<Vault, VaultError> {
        if self.write.base.is_some() {
            return Err(VaultError::StaleWrite);
        }
        // One's own first state needs nobody to vouch for it.
        let mut vault = Vault::new(self.state, Freshness::Checked, None, now);
        vault.argon2_ceiling_kib = self.argon2_ceiling_kib;
        vault.remember(memory)?;
        Ok(vault)
    }
}

impl Administration<'_> {
    /// A vault that does not exist yet. It needs at least one slot before it is finished. Draws the vault root key (32).
    pub fn new_vault(
        vault_id: VaultId,
        policy: Option<Policy>,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, VaultError> {
        if vault_id.0 == [0; 16] {
            return Err(VaultError::InvalidInput("a vault id of zero"));
        }
        require_valid(policy.as_ref())?;
        let manifest = Manifest {
            vault_id,
            epoch: 0,
            key_gen: 1,
            ancestors: Vec::new(),
            vrk_commit: [0; 32],
            floor: 1,
            slots: Vec::new(),
            item_root: [0; 32],
            lineage: Vec::new(),
            time: 0,
            policy,
            backup: None,
        };
        Ok(Self { draft: Draft::with(None, RootKey::make(vault_id, rng), manifest) })
    }

    /// Sets, replaces or removes the vault's policy. The slots that this change leaves are held against it when the change
    /// is finished: what they violate ([`VaultError::PolicyViolation`]) is not written. A person's organisation sets it;
    /// whoever opens the vault is a peer, so it binds clients that keep to it.
    pub fn set_policy(&mut self, policy: Option<Policy>) -> Result<(), VaultError> {
        require_valid(policy.as_ref())?;
        self.draft.manifest.policy = policy;
        Ok(())
    }

    /// [`Draft::finish`].
    pub fn finish(self, time: UnixTime, rng: &mut dyn CryptoRng) -> Result<Prepared, VaultError> {
        self.draft.finish(time, rng)
    }
}

impl<'v> Draft<'v> {
    /// A change of an open vault.
    pub(super) fn change(vault: &'v Vault) -> Self {
        let state = vault.state();
        Self::with(Some(vault), state.root.clone_secret(), state.manifest.clone())
    }

    fn with(vault: Option<&'v Vault>, root: RootKey, manifest: Manifest) -> Self {
        Self {
            vault,
            root,
            suite: Suite::read(manifest.floor).unwrap_or(Suite::X25519),
            manifest,
            seals: BTreeMap::new(),
            privates: BTreeMap::new(),
            items: BTreeMap::new(),
            deleted: BTreeSet::new(),
            rotated: false,
            rewritten: BTreeSet::new(),
            argon2_ceiling_kib: vault.and_then(|vault| vault.argon2_ceiling_kib),
            passphrase_policy: None,
            joined: None,
        }
    }

    /// Whether finishing it would change nothing but the epoch.
    pub fn is_empty(&self) -> bool {
        let same = |base: &State| {
            let (before, after) = (&base.manifest, &self.manifest);
            before.slots == after.slots && before.policy == after.policy && before.floor == after.floor
        };
        let kept = self.base().is_some_and(same);
        let quiet = self.seals.is_empty() && self.privates.is_empty() && !self.rotated;
        kept && quiet && self.items.is_empty() && self.deleted.is_empty() && self.joined.is_none()
    }

    /// The vault that it changes; none for one that is about to be created.
    pub fn vault(&self) -> Option<&'v Vault> {
        self.vault
    }

    pub(super) fn base(&self) -> Option<&'v State> {
        self.vault.map(Vault::state)
    }

    /// Adds an item. Draws its identifier (16), then as [`Draft::change_item`]. [`VaultError::Circular`]: it is a passkey
    /// that opens this very vault.
    pub fn add_item(
        &mut self,
        item_type: u64,
        plaintext: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<ItemId, VaultError> {
        let id = ItemId::make(rng);
        self.seal_item((id, 1, item_type), plaintext, rng)?;
        Ok(id)
    }

    /// Replaces the contents of an item; its version rises by one, however often one draft changes it. Draws the content
    /// key (32), then a nonce (12).
    pub fn change_item(
        &mut self,
        id: &ItemId,
        item_type: u64,
        plaintext: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<(), VaultError> {
        let version = match self.current_version(id) {
            Some(version) => Some(version.checked_add(1).ok_or(VaultError::TooLarge)?),
            None => self.items.get(id).map(|drafted| drafted.item.version),
        };
        if self.deleted.contains(id) {
            return Err(VaultError::NotFound);
        }
        self.seal_item((*id, version.ok_or(VaultError::NotFound)?, item_type), plaintext, rng)
    }

    /// Deletes an item.
    pub fn delete_item(&mut self, id: &ItemId) -> Result<(), VaultError> {
        let stored = self.current_version(id).is_some();
        let drafted = self.items.remove(id).is_some();
        let fresh = if stored { self.deleted.insert(*id) } else { drafted };
        if fresh { Ok(()) } else { Err(VaultError::NotFound) }
    }

    fn current_version(&self, id: &ItemId) -> Option<u64> {
        self.base().and_then(|base| base.rows.get(id)).map(|row| row.version)
    }

    pub(super) fn seal_item(
        &mut self,
        name: (ItemId, u64, u64),
        plaintext: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<(), VaultError> {
        let (id, version, item_type) = name;
        if version > MAX_NUMBER {
            return Err(VaultError::TooLarge);
        }
        if item_type == 0 || item_type > MAX_NUMBER {
            return Err(VaultError::InvalidInput("item type"));
        }
        let terms = Terms::of(item_type, plaintext);
        // One that is here already stays and may change.
        let is_new = self.current_version(&id).is_none();
        let opens = |terms: &Terms| {
            self.manifest.passkeys().any(|passkey| terms.has(CREDENTIAL, &passkey.credential_id))
        };
        if is_new && opens(&terms) {
            return Err(VaultError::Circular);
        }
        let item = UnwrappedItem::seal(&self.manifest.vault_id, name, plaintext, rng)?;
        self.rewritten.remove(&id);
        self.items.insert(id, DraftItem { item, terms });
        Ok(())
    }

    /// Says that the vault is a backup, and under which policy.
    pub(crate) fn describe_backup(&mut self, info: BackupInfo, policy: Option<Policy>) {
        self.manifest.backup = Some(info);
        self.manifest.policy = policy;
    }

    /// Places an item of another vault, under its own identifier and at a version; this vault must not have it. Draws as
    /// [`Draft::change_item`].
    pub(crate) fn place_item(
        &mut self,
        (id, version, item_type): (ItemId, u64, u64),
        plaintext: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<(), VaultError> {
        if self.current_version(&id).is_some() || self.items.contains_key(&id) {
            return Err(VaultError::InvalidInput("the vault has this item already"));
        }
        self.seal_item((id, version, item_type), plaintext, rng)
    }

    /// The vault: part of the PRF inputs of its slots ([`prf_input`](super::prf_input)).
    pub fn vault_id(&self) -> VaultId {
        self.manifest.vault_id
    }

    /// How many items the vault will have at most.
    pub(crate) fn item_bound(&self) -> usize {
        self.base().map_or(0, |base| base.rows.len()).saturating_add(self.items.len())
    }

    /// Whether an enabled slot of the draft carries this passkey.
    pub(crate) fn opens_by(&self, credential_id: &[u8]) -> bool {
        self.manifest.passkeys().any(|passkey| passkey.credential_id == credential_id)
    }

    /// Finishes the change. `time` is stored as a hint.
    ///
    /// Draws, for each slot ascending by identifier: where the vault key is sealed to it, 32 bytes for HPKE's ephemeral
    /// key (64 in suite 2) and a nonce (12) for the SAK; where its private part is encrypted, a nonce (12). Then for each
    /// written item ascending by identifier: a nonce (12) for its content key.
    ///
    /// Errors: [`VaultError::LastSlot`] without an enabled slot, [`VaultError::PolicyViolation`],
    /// [`VaultError::TooLarge`], [`VaultError::KeyChanged`].
    pub fn finish(mut self, time: UnixTime, rng: &mut dyn CryptoRng) -> Result<Prepared, VaultError> {
        self.vault.map_or(Ok(()), Vault::require_key)?;
        if self.manifest.enabled().next().is_none() {
            return Err(VaultError::LastSlot);
        }
        self.advance(time)?;
        self.renew_root()?;
        self.seal_slots(rng)?;
        let (put, rows) = self.write_items(rng)?;
        self.manifest.item_root = rows.root_hash();
        self.manifest.check_policy()?;
        // Whatever a caller brought that the format refuses is refused here, not by the next reader.
        self.manifest
            .check()
            .map_err(|_| VaultError::InvalidInput("slots that the format does not allow"))?;
        let manifest_bytes = self.manifest.encode();
        if manifest_bytes.len() > MAX_MANIFEST {
            return Err(VaultError::TooLarge);
        }
        let hash = sha256(&manifest_bytes);
        let write = Write {
            vault_id: self.manifest.vault_id,
            base: self.base().map(State::base),
            epoch: self.manifest.epoch,
            mac: self.root.manifest_mac(&manifest_bytes),
            manifest: manifest_bytes,
            put,
            delete: self.deleted.iter().copied().collect(),
            index_id: index_id(&self.root.index()),
        };
        let Self { root, manifest, rewritten, argon2_ceiling_kib, .. } = self;
        Ok(Prepared { write, state: State { root, manifest, hash, rows }, rewritten, argon2_ceiling_kib })
    }

    /// The next epoch, with the base first among its ancestors.
    fn advance(&mut self, time: UnixTime) -> Result<(), VaultError> {
        let next = |number: u64| number.checked_add(1).filter(|next| *next <= MAX_NUMBER);
        if time.0 > MAX_NUMBER {
            return Err(VaultError::InvalidInput("time"));
        }
        if let Some(Joined { epoch, ancestors }) = self.joined.take() {
            self.manifest.epoch = epoch;
            self.manifest.ancestors = cut(ancestors);
        } else if let Some(base) = self.base() {
            self.manifest.ancestors = cut(base.line());
        }
        self.manifest.epoch = next(self.manifest.epoch).ok_or(VaultError::TooLarge)?;
        if self.rotated {
            self.manifest.key_gen = next(self.manifest.key_gen).ok_or(VaultError::TooLarge)?;
        }
        self.manifest.time = time.0;
        Ok(())
    }

    /// A new root key brings its commitment and its link, signed by the key before it or, for the first, by itself.
    fn renew_root(&mut self) -> Result<(), VaultError> {
        let signer = match self.base() {
            Some(base) if self.rotated => &base.root,
            Some(_) => return Ok(()),
            None => &self.root,
        };
        let link = signer.sign_link(self.manifest.key_gen, self.root.lineage_public()?)?;
        self.manifest.lineage.push(link);
        let surplus = self.manifest.lineage.len().saturating_sub(MAX_PAST);
        self.manifest.lineage.drain(..surplus);
        self.manifest.vrk_commit = *self.root.commitment(self.manifest.key_gen).expose();
        Ok(())
    }

    fn seal_slots(&mut self, rng: &mut dyn CryptoRng) -> Result<(), VaultError> {
        let Manifest { vault_id, key_gen, vrk_commit, .. } = self.manifest;
        let context = SealContext { vault_id: &vault_id, key_gen, vrk_commit: &vrk_commit };
        let meta = self.root.meta();
        for slot in &mut self.manifest.slots {
            let slot_id = slot.slot_id();
            match (&mut *slot, self.seals.get(&slot_id)) {
                (Slot::Enabled(slot), Some(sak)) => seal_slot(slot, sak, &self.root, &context, rng)?,
                // It would open nothing any more, and nobody could tell before its owner tries.
                (Slot::Enabled(_), None) if self.rotated => {
                    return Err(VaultError::InvalidInput("a slot without the new key"));
                }
                _ => {}
            }
            if let (Some(sealed), Some(private)) = (slot.private_mut(), self.privates.get(&slot_id)) {
                let place = PrivatePlace { vault_id: &vault_id, slot_id: &slot_id, key_gen };
                *sealed = private.seal(&meta, &place, rng)?;
            }
        }
        Ok(())
    }

    /// The items that are written, and the index after them.
    fn write_items(&mut self, rng: &mut dyn CryptoRng) -> Result<(Vec<ItemPut>, Trie), VaultError> {
        let mut rows = self.base().map_or(Trie::EMPTY, |base| base.rows.clone());
        self.deleted.iter().for_each(|id| rows.remove(id));
        let index_key = self.root.index();
        let mut put = Vec::with_capacity(self.items.len());
        for DraftItem { item, terms } in core::mem::take(&mut self.items).into_values() {
            let stored = item.wrap(&self.root, self.manifest.key_gen, rng)?;
            let bytes = stored.encode();
            let row = stored.row(&bytes);
            put.push(ItemPut { row, bytes, tags: terms.tags(&index_key) });
        }
        if put.len() >= rows.len() {
            // As after a rotation: building the trie at once takes a fraction of the hashes.
            let put: BTreeMap<_, _> = put.iter().map(|put| (put.row.item_id, put.row)).collect();
            let kept = rows.rows().into_iter().filter(|row| !put.contains_key(&row.item_id));
            rows = Trie::from_rows(kept.chain(put.values().copied()));
        } else {
            put.iter().for_each(|put| rows.insert(put.row));
        }
        if rows.len() > MAX_ITEMS { Err(VaultError::TooLarge) } else { Ok((put, rows)) }
    }
}

/// Refuses what the format cannot express.
fn require_valid(policy: Option<&Policy>) -> Result<(), VaultError> {
    if policy.is_none_or(Policy::is_valid) { Ok(()) } else { Err(VaultError::InvalidInput("policy")) }
}

/// Seals the vault root key to the slot, and wraps its SAK for the next rotation.
fn seal_slot(
    slot: &mut EnabledSlot,
    sak: &Secret<32>,
    root: &RootKey,
    context: &SealContext<'_>,
    rng: &mut dyn CryptoRng,
) -> Result<(), VaultError> {
    if slot.born == EnabledSlot::BORN_WITH_WRITE {
        slot.born = context.key_gen;
    }
    slot.seal = context.seal(slot, sak, root.secret(), rng)?;
    let key = root.sak_wrap(&slot.slot_id, slot.slot_gen);
    let aad = sak_aad(context.vault_id, slot, context.key_gen);
    slot.sak_wrap = Sealed::seal(&key, sak.expose(), &aad, rng)?;
    Ok(())
}

/// At most 32 ancestors: if more, the 32 first less any epoch that the cut would split.
fn cut(mut ancestors: Vec<Past>) -> Vec<Past> {
    let split = match (ancestors.get(MAX_PAST.saturating_sub(1)), ancestors.get(MAX_PAST)) {
        (Some(last), Some(beyond)) if last.epoch == beyond.epoch => Some(last.epoch),
        _ => None,
    };
    ancestors.truncate(MAX_PAST);
    ancestors.retain(|past| Some(past.epoch) != split);
    ancestors
}
