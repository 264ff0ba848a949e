//! An open vault.

use alloc::vec::Vec;

use super::{
    draft::{Draft, Prepared},
    envelope::{Envelope, SlotView},
    error::VaultError,
    ids::{ItemId, SlotId, VaultId},
    item::{Row, StoredItem},
    keys::RootKey,
    manifest::{BackupInfo, Manifest, Past, Policy},
    memory::{Freshness, RollbackStore, Seen},
    private::{PrivatePlace, SlotPrivate},
    reauth::{DEFAULT_REAUTH_LIMIT, Reauth},
    slot::Suite,
    storage::{Base, Tag},
    tags,
    trie::Trie,
};
use crate::{
    crypto::sha256,
    secret::{Secret, SecretBytes, scrub_stack},
    time::Moment,
};

/// One authenticated state of a vault, with its key.
pub(super) struct State {
    pub(super) root: RootKey,
    pub(super) manifest: Manifest,
    pub(super) hash: [u8; 32],
    pub(super) rows: Trie,
}

impl State {
    /// Step 3 of opening, from vrk_commit on: each failure is tampering.
    pub(super) fn authenticate(root: RootKey, envelope: &Envelope) -> Result<Self, VaultError> {
        let manifest = &envelope.manifest;
        let ensure = |holds: bool, what| if holds { Ok(()) } else { Err(VaultError::Tampered(what)) };
        ensure(root.commitment(manifest.key_gen).ct_eq(&manifest.vrk_commit), "vault key commitment")?;
        ensure(root.verify_manifest(&envelope.manifest_bytes, &envelope.mac), "manifest")?;
        let rows = Trie::from_rows(envelope.rows());
        ensure(rows.root_hash() == manifest.item_root, "items")?;
        let own_link = manifest.lineage.last().map(|link| link.public_key);
        ensure(own_link == Some(root.lineage_public()?), "lineage")?;
        Ok(Self { root, manifest: manifest.clone(), hash: sha256(&envelope.manifest_bytes), rows })
    }

    pub(super) fn seen(&self) -> Result<Seen, VaultError> {
        let link = self.manifest.lineage.last().ok_or(VaultError::Malformed("lineage"))?;
        Ok(Seen {
            epoch: self.manifest.epoch,
            hash: self.hash,
            key_gen: self.manifest.key_gen,
            lineage_key: link.public_key,
            floor: self.manifest.floor,
        })
    }

    pub(super) fn base(&self) -> Base {
        Base { epoch: self.manifest.epoch, hash: self.hash }
    }

    /// The state itself, then its ancestors.
    pub(super) fn line(&self) -> Vec<Past> {
        let own = Past { epoch: self.manifest.epoch, hash: self.hash };
        core::iter::once(own).chain(self.manifest.ancestors.iter().copied()).collect()
    }

    /// The stored item, if its bytes are those that the index names.
    pub(super) fn checked_item(&self, id: &ItemId, bytes: &[u8]) -> Result<StoredItem, VaultError> {
        let row = self.rows.get(id).ok_or(VaultError::NotFound)?;
        if sha256(bytes) != row.hash {
            return Err(VaultError::Tampered("item"));
        }
        let item = StoredItem::decode(bytes)?;
        if item.item_id == row.item_id && item.version == row.version {
            Ok(item)
        } else {
            Err(VaultError::Tampered("item"))
        }
    }

    pub(super) fn private(&self, id: &SlotId) -> Result<Option<SlotPrivate>, VaultError> {
        let slot = self.manifest.slot(id).ok_or(VaultError::NotFound)?;
        let place =
            PrivatePlace { vault_id: &self.manifest.vault_id, slot_id: id, key_gen: self.manifest.key_gen };
        slot.private().map(|sealed| SlotPrivate::open(sealed, &self.root.meta(), &place)).transpose()
    }
}

/// An item, decrypted.
pub struct OpenItem {
    /// Its type: [`item_type`](super::item_type), or the host's.
    pub item_type: u64,
    /// Its version.
    pub version: u64,
    /// Its contents.
    pub plaintext: SecretBytes,
}

/// An open vault: one authenticated state and the key to it. Its secrets are wiped when it is dropped.
///
/// It changes by [`Vault::draft`], which yields a [`Prepared`] write; once the storage has confirmed that,
/// [`Vault::written`] takes it over. A write that fails leaves the vault as it was.
pub struct Vault {
    state: State,
    freshness: Freshness,
    accepted: bool,
    /// The key was changed elsewhere and is wiped here.
    ended: bool,
    pub(super) opened: Reauth,
    /// The lineage public keys that it had while it was open.
    keys: Vec<[u8; 32]>,
    pub(super) reauth_limit: u64,
    pub(super) argon2_ceiling_kib: Option<u64>,
}

impl Vault {
    pub(super) fn new(state: State, freshness: Freshness, slot_id: Option<SlotId>, now: Moment) -> Self {
        let key = state.manifest.lineage.last().map_or([0; 32], |link| link.public_key);
        let opened = Reauth { vault_id: state.manifest.vault_id, slot_id, key, ticks: now.ticks };
        Self {
            state,
            freshness,
            accepted: false,
            ended: false,
            opened,
            keys: Vec::from([key]),
            reauth_limit: DEFAULT_REAUTH_LIMIT,
            argon2_ceiling_kib: None,
        }
    }

    /// A state that was kept inside another vault, by its manifest and root key, without its items: to be rotated onto
    /// others. [`VaultError::Tampered`]: the two do not belong together.
    pub(crate) fn from_kept(manifest: &[u8], key: Secret<32>) -> Result<Self, VaultError> {
        let hash = sha256(manifest);
        let manifest = Manifest::decode(manifest)?;
        let root = RootKey::new(manifest.vault_id, key);
        if !root.commitment(manifest.key_gen).ct_eq(&manifest.vrk_commit) {
            return Err(VaultError::Tampered("vault key commitment"));
        }
        let state = State { root, manifest, hash, rows: Trie::EMPTY };
        // The vault that kept it is its memory.
        Ok(Self::new(state, Freshness::Checked, None, Moment::default()))
    }

    /// What it says about itself as a backup; none for a live vault.
    pub fn backup(&self) -> Option<&BackupInfo> {
        self.state.manifest.backup.as_ref()
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// Its identifier.
    pub fn vault_id(&self) -> VaultId {
        self.state.manifest.vault_id
    }

    /// The number of its state.
    pub fn epoch(&self) -> u64 {
        self.state.manifest.epoch
    }

    /// The number of its vault root key.
    pub fn key_gen(&self) -> u64 {
        self.state.manifest.key_gen
    }

    /// When it was last written, as the writer said (Unix seconds); a hint.
    pub fn time(&self) -> u64 {
        self.state.manifest.time
    }

    /// Its floor: the lowest suite that an enabled slot may be of.
    pub fn floor(&self) -> Suite {
        // A floor that is no suite was refused when it was read.
        Suite::read(self.state.manifest.floor).unwrap_or(Suite::X25519)
    }

    /// Its policy.
    pub fn policy(&self) -> Option<&Policy> {
        self.state.manifest.policy.as_ref()
    }

    /// The state that the next write replaces.
    pub fn base(&self) -> Base {
        self.state.base()
    }

    /// The slot it was opened by; none where it was just created.
    pub fn opened_by(&self) -> Option<SlotId> {
        self.opened.slot_id
    }

    /// How fresh the state was known to be when it was opened.
    pub fn freshness(&self) -> Freshness {
        self.freshness
    }

    /// The caller's explicit word that the state is to be trusted although memory could not vouch for it: enrolment and
    /// rotation seal the vault key to whatever slots this state names.
    pub fn accept_as_is(&mut self) {
        self.accepted = true;
    }

    /// Goes on to a newer state under the same key. What was accepted stays so if the new state is known to descend from it.
    pub(super) fn go_on(&mut self, state: State, freshness: Freshness, descends: bool) {
        self.accepted &= descends;
        (self.state, self.freshness) = (state, freshness);
    }

    /// Locks in place: the key is worth nothing for the states to come.
    pub(super) fn forget_key(&mut self) {
        self.state.root.forget();
        self.ended = true;
        scrub_stack();
    }

    /// Whether its key was changed elsewhere ([`CatchUp::KeyChanged`](super::CatchUp::KeyChanged)), so that it has to be
    /// opened again.
    pub fn key_changed(&self) -> bool {
        self.ended
    }

    /// Whether a lineage public key is that of the root key, or of one that was changed here.
    pub(super) fn has_had_key(&self, key: &[u8; 32]) -> bool {
        self.keys.contains(key)
    }

    pub(super) fn require_key(&self) -> Result<(), VaultError> {
        if self.ended { Err(VaultError::KeyChanged) } else { Ok(()) }
    }

    /// Whether enrolment and rotation may go on from here.
    pub(crate) fn require_checked(&self) -> Result<(), VaultError> {
        if self.accepted || self.freshness == Freshness::Checked {
            Ok(())
        } else {
            Err(VaultError::Unchecked)
        }
    }

    /// Its slots.
    pub fn slots(&self) -> impl Iterator<Item = SlotView<'_>> {
        self.state.manifest.slots.iter().map(|slot| SlotView::new(&self.state.manifest.vault_id, slot))
    }

    /// The private part of a slot; none for a tombstone.
    pub fn slot_private(&self, id: &SlotId) -> Result<Option<SlotPrivate>, VaultError> {
        self.require_key()?;
        self.state.private(id)
    }

    /// The enabled slots whose keys are older than the last rotation: refresh each when it is next used.
    pub fn refresh_due(&self) -> impl Iterator<Item = SlotId> {
        let key_gen = self.key_gen();
        self.state.manifest.enabled().filter(move |slot| slot.born < key_gen).map(|slot| slot.slot_id)
    }

    /// The salt that passkey slots of mode 2 share, if there is one yet.
    pub fn vault_salt(&self) -> Option<[u8; 32]> {
        self.state.manifest.vault_salt()
    }

    /// How many items it has.
    pub fn item_count(&self) -> usize {
        self.state.rows.len()
    }

    /// The rows of its items, ascending by item.
    pub fn rows(&self) -> Vec<Row> {
        self.state.rows.rows()
    }

    /// The row of an item.
    pub fn row(&self, id: &ItemId) -> Option<Row> {
        self.state.rows.get(id).copied()
    }

    /// Decrypts an item. [`VaultError::NotFound`]: the index has no such item. [`VaultError::Tampered`]: the bytes are not
    /// exactly those that the index names.
    pub fn open_item(&self, id: &ItemId, bytes: &[u8]) -> Result<OpenItem, VaultError> {
        self.require_key()?;
        let item = self.state.checked_item(id, bytes)?;
        let content_key = item.content_key(&self.state.root, self.key_gen())?;
        let plaintext = item.plaintext(&self.vault_id(), &content_key)?;
        Ok(OpenItem { item_type: item.item_type, version: item.version, plaintext })
    }

    /// The key of the local index (of no use once [`Vault::key_changed`]): derived by the label `index` and the empty context.
    pub fn index_key(&self) -> Secret<32> {
        self.state.root.index()
    }

    /// The tag of a look-up in the local index: HMAC-SHA256(index key, C\[kind, value]).
    pub fn tag(&self, kind: &str, value: &[u8]) -> Tag {
        tags::tag(&self.index_key(), kind, value)
    }

    /// The tag that says by which key the tags of an index were made.
    pub fn index_id(&self) -> Tag {
        tags::index_id(&self.index_key())
    }

    /// Starts a change of items. Who opens the vault, and its key, are changed by [`Vault::administer`].
    pub fn draft(&self) -> Draft<'_> {
        Draft::change(self)
    }

    /// Takes over a write that the storage has confirmed, and remembers it. [`VaultError::StaleWrite`]: it is not based
    /// on this state. When only the memory fails ([`VaultError::Memory`], [`VaultError::Fork`]), the write has been taken
    /// over all the same.
    pub fn written(
        &mut self,
        prepared: Prepared,
        memory: Option<&mut dyn RollbackStore>,
    ) -> Result<(), VaultError> {
        if prepared.write().vault_id != self.vault_id() || prepared.write().base != Some(self.base()) {
            return Err(VaultError::StaleWrite);
        }
        self.state = prepared.into_state();
        let key = self.state.manifest.lineage.last().map(|link| link.public_key);
        self.keys.extend(key.filter(|key| !self.has_had_key(key)));
        self.remember(memory)
    }

    pub(super) fn remember(&self, memory: Option<&mut dyn RollbackStore>) -> Result<(), VaultError> {
        match memory {
            Some(memory) => memory.put(&self.vault_id(), &self.state.seen()?),
            None => Ok(()),
        }
    }

    /// Closes the vault: wipes the vault root key, from which everything else is derived when it is needed, and what is left
    /// of derived keys on this thread's stack (64 KiB of it, 8 KiB on machines of 32 bits). Dropping it wipes the root key alone.
    pub fn lock(self) {
        drop(self);
        scrub_stack();
    }
}
