//! An open vault with its storage, serving as the authenticator's own store.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

use rand_core::CryptoRng;

use super::{
    catch_up::CatchUp,
    ceremony::PasskeyCeremony,
    draft::{Draft, Prepared},
    envelope::Envelope,
    error::VaultError,
    ids::{ItemId, SlotId},
    item::item_type::{AUTHENTICATOR_STATE, FIRST_OF_HOST, PASSKEY},
    manifest::MAX_ITEMS,
    memory::RollbackStore,
    operation::Operations,
    passkeys::{EncryptionStatus, PrfAbility},
    private::SlotPrivate,
    reauth::{Administration, Reauth},
    replay::Report,
    slot_key::SlotSecret,
    slots::PasskeyEnrolment,
    storage::{StorageError, Tag, VaultStorage},
    tags::{CREDENTIAL, RP, TYPE, Terms, tag},
    vault::{OpenItem, Vault},
};
use crate::{
    credential::{
        ChangeSet, CredentialRecord, CredentialStore, Overview, Query, Records, StateRecord, StateStore,
        StoreError,
    },
    crypto::sha256,
    time::{Moment, UnixTime},
    webauthn::{CredentialId, RpId, UvPrfOutput},
};

/// A vault that keeps passkeys, the authenticator's state and a host's own items over a storage `S`.
///
/// Look-ups go through the tags of the local index, so that nothing but the answer is decrypted; what the storage
/// answers is checked all the same. Each change is one [`Write`](super::Write). Randomness comes from `R`, and the date
/// that writes carry from [`PasskeyStore::set_time`].
///
/// Several devices may share a storage. A host's change that comes too late is replayed ([`PasskeyStore::change`]); a
/// commit of the authenticator ([`CredentialStore::commit`]) never is: what it stores was decided by the passkeys and the
/// state record of before (a signature counter that another device has raised meanwhile, PIN tries that it has counted),
/// and a response may go out only for what was decided on the newest. It ends in [`StoreError::Conflict`] with nothing
/// stored, as does whatever else meets items that another device has changed; the host calls [`PasskeyStore::catch_up`],
/// makes the authenticator anew from the state record, and the command is asked for again.
pub struct PasskeyStore<S, R> {
    vault: Vault,
    storage: S,
    memory: Option<Box<dyn RollbackStore + Send>>,
    rng: R,
    time: UnixTime,
    own_accounts: Vec<RpId>,
    /// What could not be stored although it was replayed.
    pending: Option<Operations>,
    report: Report,
}

/// How often a change is replayed on what others have stored meanwhile, before its author is told.
const MOST_REPLAYS: usize = 8;

impl<S: VaultStorage, R: CryptoRng> PasskeyStore<S, R> {
    /// Joins an open vault with the storage it was opened from, and makes the local index where it is missing or of
    /// another key. `memory` is told of every write.
    pub fn new(
        vault: Vault,
        storage: S,
        memory: Option<Box<dyn RollbackStore + Send>>,
        rng: R,
    ) -> Result<Self, VaultError> {
        let time = UnixTime(vault.time());
        let (pending, report) = (None, Report::default());
        let mut store = Self { vault, storage, memory, rng, time, own_accounts: Vec::new(), pending, report };
        store.keep_index()?;
        Ok(store)
    }

    fn keep_index(&mut self) -> Result<(), VaultError> {
        if self.storage.index_id()? == Some(self.vault.index_id()) { Ok(()) } else { self.reindex() }
    }

    /// Stores a vault that was just drafted ([`Administration::new_vault`]) in an empty storage.
    pub fn create(
        prepared: Prepared,
        mut storage: S,
        mut memory: Option<Box<dyn RollbackStore + Send>>,
        rng: R,
        now: Moment,
    ) -> Result<Self, VaultError> {
        storage.write(prepared.write())?;
        let vault = prepared.into_vault(lend(&mut memory), now)?;
        Self::new(vault, storage, memory, rng)
    }

    /// The date that the next writes carry.
    pub fn set_time(&mut self, time: UnixTime) {
        self.time = time;
    }

    /// Names the relying parties at which the owner signs in to reach this vault: the credential manager's own account.
    /// A passkey for one of them is not kept here from now on ([`VaultError::Circular`], to the authenticator
    /// [`StoreError::Refused`]): it could not be reached when it is needed. Those that are here already stay, and may
    /// change. The host's setting; no part of the vault.
    pub fn set_own_accounts(&mut self, rp_ids: Vec<RpId>) {
        self.own_accounts = rp_ids;
    }

    /// The vault.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The storage.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// [`Vault::accept_as_is`].
    pub fn accept_as_is(&mut self) {
        self.vault.accept_as_is();
    }

    /// Closes the vault and gives the storage back.
    pub fn lock(self) -> S {
        self.vault.lock();
        self.storage
    }

    /// Makes one change: `edit` fills the draft, and it is stored as one write. Whatever fails, the vault stays as it was;
    /// [`VaultError::Memory`] and [`VaultError::Fork`] alone, which the memory answers, come after the write.
    ///
    /// Where another device has stored something meanwhile, its state is checked and taken over, and the change is
    /// replayed on it ([`Vault::replay`]), at most 8 times; what did not go as meant then stands in
    /// [`PasskeyStore::take_report`]. If that does not help ([`StorageError::Conflict`]), or the vault's key was changed
    /// there ([`VaultError::KeyChanged`]), or the storage fails on the way, [`PasskeyStore::take_pending`] has the change.
    /// A conflict with nothing pending: `edit` itself met items that another device has changed; after
    /// [`PasskeyStore::catch_up`] it can be asked for again.
    pub fn change<T>(
        &mut self,
        edit: impl FnOnce(&mut Draft<'_>, &S, &mut dyn CryptoRng) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let (prepared, outcome) = self.prepare(edit)?;
        self.store(prepared)?;
        Ok(outcome)
    }

    fn prepare<T>(
        &mut self,
        edit: impl FnOnce(&mut Draft<'_>, &S, &mut dyn CryptoRng) -> Result<T, VaultError>,
    ) -> Result<(Prepared, T), VaultError> {
        self.vault.require_key()?;
        let mut draft = self.vault.draft();
        let outcome = edit(&mut draft, &self.storage, &mut self.rng).map_err(|error| self.explain(error))?;
        self.refuse_circles(&draft)?;
        Ok((draft.finish(self.time, &mut self.rng)?, outcome))
    }

    /// As [`PasskeyStore::change`], for changes of slots and keys ([`Vault::administer`]).
    pub fn administer<T>(
        &mut self,
        proof: &Reauth,
        now: Moment,
        edit: impl FnOnce(&mut Administration<'_>, &S, &mut dyn CryptoRng) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let mut administration = self.vault.administer(proof, now)?;
        let outcome = edit(&mut administration, &self.storage, &mut self.rng);
        let outcome = outcome.map_err(|error| self.explain(error))?;
        self.refuse_circles(&administration)?;
        let prepared = administration.finish(self.time, &mut self.rng)?;
        self.store(prepared)?;
        Ok(outcome)
    }

    /// Stores a write, or what it does on the state that came first.
    fn store(&mut self, prepared: Prepared) -> Result<(), VaultError> {
        match self.storage.write(prepared.write()) {
            Ok(()) => self.vault.written(prepared, lend(&mut self.memory)),
            Err(StorageError::Conflict) => {
                let operations = prepared.into_operations(&self.vault)?;
                self.replay_until_stored(operations)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Stores what is pending from an earlier change ([`PasskeyStore::take_pending`]), of this store or of the one before
    /// the vault was opened anew. As [`PasskeyStore::change`] otherwise.
    pub fn replay(&mut self, operations: Operations) -> Result<(), VaultError> {
        self.replay_until_stored(operations)
    }

    fn replay_until_stored(&mut self, operations: Operations) -> Result<(), VaultError> {
        for _ in 0..MOST_REPLAYS {
            match self.replay_once(&operations) {
                Ok((report, remembered)) => {
                    self.report.append(report);
                    return remembered;
                }
                Err(VaultError::Storage(StorageError::Conflict)) => {}
                Err(error) => {
                    self.pending = Some(operations);
                    return Err(error);
                }
            }
        }
        self.pending = Some(operations);
        Err(StorageError::Conflict.into())
    }

    /// The report, once all is stored, and what the memory said to that.
    fn replay_once(
        &mut self,
        operations: &Operations,
    ) -> Result<(Report, Result<(), VaultError>), VaultError> {
        if self.catch_up()? == CatchUp::KeyChanged {
            return Err(VaultError::KeyChanged);
        }
        let replayed = self.vault.replay(operations, &self.storage, &mut self.rng);
        let (draft, report) = replayed.map_err(|error| self.explain(error))?;
        if draft.is_empty() {
            return Ok((report, Ok(())));
        }
        self.refuse_circles(&draft)?;
        let prepared = draft.finish(self.time, &mut self.rng)?;
        self.storage.write(prepared.write())?;
        Ok((report, self.vault.written(prepared, lend(&mut self.memory))))
    }

    /// Goes on to what the storage holds now ([`Vault::catch_up`]). After [`CatchUp::KeyChanged`] this store is locked:
    /// [`PasskeyStore::take_pending`], [`PasskeyStore::lock`], and open the vault again.
    ///
    /// An authenticator that runs on this store is to be made anew after [`CatchUp::Newer`]: it still holds the state record
    /// and the passkeys of before.
    pub fn catch_up(&mut self) -> Result<CatchUp, VaultError> {
        let stored = self.storage.parts()?.ok_or(VaultError::Tampered("the vault is gone"))?;
        let outcome = self.vault.catch_up(&Envelope::from_stored(stored)?, lend(&mut self.memory))?;
        if let CatchUp::Newer(_) = outcome {
            self.keep_index()?;
        }
        Ok(outcome)
    }

    /// The change that could not be stored, if there is one.
    pub fn take_pending(&mut self) -> Option<Operations> {
        self.pending.take()
    }

    /// What replays since the last call did otherwise than was meant; empty most of the time.
    pub fn take_report(&mut self) -> Report {
        core::mem::take(&mut self.report)
    }

    /// An item that is not as the vault names it is no tampering where another device has just changed it.
    fn explain(&self, error: VaultError) -> VaultError {
        match error {
            VaultError::Tampered(_) | VaultError::NotFound if self.overtaken() => {
                StorageError::Conflict.into()
            }
            error => error,
        }
    }

    /// Whether the storage holds another state than the open one.
    fn overtaken(&self) -> bool {
        let Ok(Some(stored)) = self.storage.parts() else { return false };
        sha256(&stored.manifest) != self.vault.base().hash
    }

    /// [`Administration::enrol_passkey`]; refused with [`VaultError::Circular`] if the passkey is an item of this vault.
    pub fn enrol_passkey(
        &mut self,
        (proof, now): (&Reauth, Moment),
        enrolment: PasskeyEnrolment<'_>,
        first: &UvPrfOutput,
        second: &UvPrfOutput,
    ) -> Result<SlotId, VaultError> {
        self.refuse_item(enrolment.credential_id)?;
        self.administer(proof, now, |draft, _, rng| draft.enrol_passkey(enrolment, first, second, rng))
    }

    /// Ends a ceremony with one write: the passkey opens the vault, or it is noted as one that signs in only, and could
    /// open it (two assertions gave two outputs), or could not (it gave none). Tells the slot and what it does.
    ///
    /// [`VaultError::Circular`]: the passkey is an item of this vault; [`VaultError::InvalidInput`]: the ceremony is not at
    /// its end; else as [`Administration::enrol_passkey`].
    pub fn admit(
        &mut self,
        (proof, now): (&Reauth, Moment),
        ceremony: PasskeyCeremony,
    ) -> Result<(SlotId, EncryptionStatus), VaultError> {
        self.refuse_item(ceremony.credential_id())?;
        let time = self.time;
        self.administer(proof, now, |administration, _, rng| ceremony.admit(administration, time, rng))
    }

    /// [`Administration::add_passkey`]; refused with [`VaultError::Circular`] if the passkey is an item of this vault.
    pub fn add_passkey(
        &mut self,
        (proof, now): (&Reauth, Moment),
        (rp_id, credential_id): (&RpId, &CredentialId),
        prf: PrfAbility,
        private: SlotPrivate,
    ) -> Result<SlotId, VaultError> {
        self.refuse_item(credential_id)?;
        self.administer(proof, now, |administration, _, rng| {
            administration.add_passkey(rp_id, credential_id, prf, private, rng)
        })
    }

    /// Tests a slot: brings its secret, opens the stored vault by it, and notes the day. Nothing else changes. The proof
    /// serves as one of who is there, as well.
    pub fn test_slot(
        &mut self,
        slot_id: &SlotId,
        secret: &SlotSecret<'_>,
        now: Moment,
    ) -> Result<Reauth, VaultError> {
        let stored = self.storage.parts()?.ok_or(VaultError::StaleWrite)?;
        let proof = self.vault.reauthenticate(&Envelope::from_stored(stored)?, slot_id, secret, now)?;
        let time = self.time;
        self.change(|draft, _, _| draft.mark_verified(&proof, time))?;
        Ok(proof)
    }

    /// Notes the day in the slot that this vault was opened by ([`Draft::mark_used`]).
    pub fn mark_used(&mut self) -> Result<(), VaultError> {
        let (proof, time) = (self.vault.opening_proof(), self.time);
        self.change(|draft, _, _| draft.mark_used(&proof, time))
    }

    /// [`Administration::rotate`].
    pub fn rotate(&mut self, proof: &Reauth, now: Moment) -> Result<(), VaultError> {
        self.administer(proof, now, |draft, storage, rng| draft.rotate(storage, rng))
    }

    /// Stores an item of the host's own; `item_type` is 64 or above.
    pub fn put(&mut self, item_type: u64, plaintext: &[u8]) -> Result<ItemId, VaultError> {
        require_host_type(item_type)?;
        self.change(|draft, _, rng| draft.add_item(item_type, plaintext, rng))
    }

    /// Replaces the contents of an item of the host's own.
    pub fn replace(&mut self, id: &ItemId, plaintext: &[u8]) -> Result<(), VaultError> {
        let item_type = self.get(id)?.item_type;
        require_host_type(item_type)?;
        self.change(|draft, _, rng| draft.change_item(id, item_type, plaintext, rng))
    }

    /// Deletes an item of the host's own.
    pub fn delete(&mut self, id: &ItemId) -> Result<(), VaultError> {
        require_host_type(self.get(id)?.item_type)?;
        self.change(|draft, _, _| draft.delete_item(id))
    }

    /// Decrypts an item of any type. [`VaultError::NotFound`]: the vault has none such. [`StorageError::Conflict`]: another
    /// device has changed it ([`PasskeyStore::catch_up`]). [`VaultError::Tampered`]: the storage has lost or altered it.
    pub fn get(&self, id: &ItemId) -> Result<OpenItem, VaultError> {
        self.vault.require_key()?;
        let open = || self.vault.open_item(id, &self.stored(id)?);
        open().map_err(|error| self.explain(error))
    }

    fn stored(&self, id: &ItemId) -> Result<Vec<u8>, VaultError> {
        self.vault.row(id).ok_or(VaultError::NotFound)?;
        self.storage.item(id)?.ok_or(VaultError::Tampered("item missing"))
    }

    /// An item's type. It stands beside what is encrypted, and the index vouches for it.
    fn item_type(&self, id: &ItemId) -> Result<u64, VaultError> {
        let read = || Ok(self.vault.state().checked_item(id, &self.stored(id)?)?.item_type);
        read().map_err(|error| self.explain(error))
    }

    /// The items of a type, in any order.
    pub fn list(&self, item_type: u64) -> Result<Vec<ItemId>, VaultError> {
        self.vault.require_key()?;
        Ok(self.storage.tagged(&self.vault.tag(TYPE, &item_type.to_be_bytes()))?)
    }

    fn reindex(&mut self) -> Result<(), VaultError> {
        let index_key = self.vault.index_key();
        let rows = self.vault.rows();
        let tags: Result<Vec<(ItemId, Vec<Tag>)>, VaultError> = rows
            .iter()
            .map(|row| {
                let item = self.get(&row.item_id)?;
                let terms = Terms::of(item.item_type, item.plaintext.expose());
                Ok((row.item_id, terms.tags(&index_key)))
            })
            .collect();
        Ok(self.storage.reindex(self.vault.index_id(), &tags?)?)
    }

    /// The passkeys that carry a tag, decrypted. A tag on anything else is the storage's lie.
    fn passkeys_tagged(
        &self,
        kind: &str,
        value: &[u8],
    ) -> Result<Vec<(ItemId, CredentialRecord)>, VaultError> {
        self.vault.require_key()?;
        let ids = self.storage.tagged(&self.vault.tag(kind, value))?;
        ids.into_iter().map(|id| Ok((id, self.passkey(&id)?))).collect()
    }

    fn passkey(&self, id: &ItemId) -> Result<CredentialRecord, VaultError> {
        let item = self.get(id)?;
        match CredentialRecord::decode(item.plaintext.expose()) {
            Ok(record) if item.item_type == PASSKEY => Ok(record),
            _ => Err(VaultError::Tampered("local index")),
        }
    }

    fn find_passkey(&self, id: &CredentialId) -> Result<Option<ItemId>, VaultError> {
        let found = self.passkeys_tagged(CREDENTIAL, id.as_bytes())?;
        Ok(found.into_iter().find(|(_, record)| record.credential.id == *id).map(|(id, _)| id))
    }

    /// Refuses a draft by which a passkey that is needed to reach the vault would lie in it.
    fn refuse_circles(&self, draft: &Draft<'_>) -> Result<(), VaultError> {
        refuse_own_accounts(draft, &self.own_accounts, &self.storage)?;
        let opened_before = |id: &[u8]| {
            draft.base().is_some_and(|base| base.manifest.passkeys().any(|old| old.credential_id == id))
        };
        for passkey in draft.manifest.passkeys().filter(|passkey| !opened_before(&passkey.credential_id)) {
            let id =
                CredentialId::new(&passkey.credential_id).map_err(|_| VaultError::InvalidInput("passkey"))?;
            match self.find_passkey(&id) {
                Ok(Some(item)) if !draft.deleted.contains(&item) => return Err(VaultError::Circular),
                // The storage holds a newer state, so that this write will be replayed, and the guards with it.
                Ok(_) | Err(VaultError::Storage(StorageError::Conflict)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn refuse_item(&self, id: &CredentialId) -> Result<(), VaultError> {
        if self.find_passkey(id)?.is_some() { Err(VaultError::Circular) } else { Ok(()) }
    }

    /// The authenticator's state. It counts the tries of the PIN, so a storage must not be able to hide it: where the index
    /// has none, every item that the manifest vouches for is looked at. That is the case until there is a state.
    fn find_state(&self) -> Result<Option<ItemId>, VaultError> {
        if let Some(id) = self.list(AUTHENTICATOR_STATE)?.first() {
            // What the caller writes there replaces the item: a tag that lies must not cost a passkey.
            return match self.item_type(id)? {
                AUTHENTICATOR_STATE => Ok(Some(*id)),
                _ => Err(VaultError::Tampered("local index")),
            };
        }
        for row in self.vault.rows() {
            if self.item_type(&row.item_id)? == AUTHENTICATOR_STATE {
                return Err(VaultError::Tampered("local index"));
            }
        }
        Ok(None)
    }

    fn find_all(&self, query: &Query) -> Result<Records, VaultError> {
        let mut records = Vec::new();
        match query {
            Query::Discoverable(rp) | Query::Account(rp, _) => {
                records = self.passkeys_tagged(RP, &rp.hash().0)?;
            }
            Query::OfHash(hash) => records = self.passkeys_tagged(RP, &hash.0)?,
            Query::Identified(id) => records = self.passkeys_tagged(CREDENTIAL, id.as_bytes())?,
            Query::Named(_, ids) => {
                for id in ids {
                    records.extend(self.passkeys_tagged(CREDENTIAL, id.as_bytes())?);
                }
            }
        }
        Ok(records.into_iter().map(|(_, record)| record).filter(|record| query.matches(record)).collect())
    }

    /// What there is, from the public parts of all passkeys. One is decrypted at a time, and none is kept.
    fn overview(&self) -> Result<Overview, VaultError> {
        let room = MAX_ITEMS.saturating_sub(self.vault.item_count());
        let mut failed = None;
        let credentials = self.list(PASSKEY)?.into_iter().map_while(|id| {
            self.passkey(&id).map_err(|error| failed = Some(error)).ok().map(|record| record.credential)
        });
        let overview = Overview::of(credentials, u64::try_from(room).unwrap_or(u64::MAX));
        failed.map_or(Ok(overview), Err)
    }

    /// The items that a reset removes: read from the index that the manifest vouches for, not from the tags, so that a
    /// storage cannot keep one back.
    fn passkeys_and_state(&self) -> Result<Vec<ItemId>, VaultError> {
        let mut ids = Vec::new();
        for row in self.vault.rows() {
            if matches!(self.item_type(&row.item_id)?, PASSKEY | AUTHENTICATOR_STATE) {
                ids.push(row.item_id);
            }
        }
        Ok(ids)
    }

    fn plan<'c>(&self, changes: &'c ChangeSet) -> Result<Plan<'c>, StoreError> {
        let mut delete = Vec::new();
        if changes.clear {
            delete = self.passkeys_and_state().map_err(store_error)?;
        } else {
            for id in &changes.delete {
                let item = self.find_passkey(id).map_err(store_error)?;
                delete.extend(item.filter(|item| !delete.contains(item)));
            }
        }
        let keep = |found: Option<ItemId>| found.filter(|item| !delete.contains(item));
        let place = |record: &CredentialRecord| {
            self.find_passkey(&record.credential.id).map(keep).map_err(store_error)
        };
        let mut write = BTreeMap::new();
        // Of two records with one identifier the later one replaces the earlier one.
        for record in &changes.update {
            let found = place(record)?.ok_or(StoreError::NotFound)?;
            write.insert(&record.credential.id, (record, Some(found)));
        }
        for record in &changes.put {
            write.insert(&record.credential.id, (record, place(record)?));
        }
        let state = match changes.state {
            Some(_) => keep(self.find_state().map_err(store_error)?),
            None => None,
        };
        Ok(Plan { write: write.into_values().collect(), state, delete })
    }
}

fn lend(memory: &mut Option<Box<dyn RollbackStore + Send>>) -> Option<&mut dyn RollbackStore> {
    match memory {
        Some(memory) => Some(&mut **memory),
        None => None,
    }
}

/// Refuses a draft by which a passkey of one of the vault's own accounts would come into it.
fn refuse_own_accounts(
    draft: &Draft<'_>,
    own_accounts: &[RpId],
    storage: &dyn VaultStorage,
) -> Result<(), VaultError> {
    for rp_id in own_accounts {
        let hash = rp_id.hash().0;
        let there = match draft.base() {
            Some(base) => storage.tagged(&tag(&base.root.index(), RP, &hash))?,
            None => Vec::new(),
        };
        if draft.items.iter().any(|(id, item)| item.terms.has(RP, &hash) && !there.contains(id)) {
            return Err(VaultError::Circular);
        }
    }
    Ok(())
}

/// Which items a change set touches.
struct Plan<'c> {
    delete: Vec<ItemId>,
    /// A record of the set, and the item it replaces.
    write: Vec<(&'c CredentialRecord, Option<ItemId>)>,
    state: Option<ItemId>,
}

fn store(
    draft: &mut Draft<'_>,
    place: Option<&ItemId>,
    item_type: u64,
    plaintext: &[u8],
    rng: &mut dyn CryptoRng,
) -> Result<(), VaultError> {
    match place {
        Some(id) => draft.change_item(id, item_type, plaintext, rng),
        None => draft.add_item(item_type, plaintext, rng).map(|_| ()),
    }
}

fn require_host_type(item_type: u64) -> Result<(), VaultError> {
    if item_type >= FIRST_OF_HOST {
        Ok(())
    } else {
        Err(VaultError::InvalidInput("an item type below 64 is the format's own"))
    }
}

impl<S: VaultStorage, R: CryptoRng> CredentialStore for PasskeyStore<S, R> {
    fn load(&self, query: &Query) -> Result<Records, StoreError> {
        self.find_all(query).map_err(store_error)
    }

    fn survey(&self) -> Result<Overview, StoreError> {
        self.overview().map_err(store_error)
    }

    fn commit(&mut self, changes: ChangeSet) -> Result<(), StoreError> {
        let plan = self.plan(&changes)?;
        let prepared = self.prepare(|draft, _, rng| {
            plan.delete.iter().try_for_each(|id| draft.delete_item(id))?;
            for (record, place) in &plan.write {
                store(draft, place.as_ref(), PASSKEY, record.encode().expose(), rng)?;
            }
            if let Some(state) = &changes.state {
                store(draft, plan.state.as_ref(), AUTHENTICATOR_STATE, state.encoded().expose(), rng)?;
            }
            Ok(())
        });
        // Never replayed: see the store's documentation.
        let stored = prepared.and_then(|(prepared, ())| {
            self.storage.write(prepared.write())?;
            self.vault.written(prepared, lend(&mut self.memory))
        });
        stored.map_err(store_error)
    }
}

impl<S: VaultStorage, R: CryptoRng> StateStore for PasskeyStore<S, R> {
    fn load_state(&self) -> Result<Option<StateRecord>, StoreError> {
        let Some(id) = self.find_state().map_err(store_error)? else { return Ok(None) };
        let item = self.get(&id).map_err(store_error)?;
        Ok(Some(StateRecord::new(item.plaintext)))
    }
}

/// What the authenticator is told.
fn store_error(error: VaultError) -> StoreError {
    match error {
        VaultError::Storage(StorageError::Conflict) | VaultError::StaleWrite => StoreError::Conflict,
        VaultError::Storage(StorageError::Full) | VaultError::TooLarge => StoreError::Full,
        VaultError::Circular => StoreError::Refused,
        VaultError::Tampered(_) | VaultError::Malformed(_) | VaultError::NotFound => StoreError::Tampered,
        _ => StoreError::Unavailable,
    }
}
