//! The reference store, in memory and indexed.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    model::CredentialRecord,
    store::{ChangeSet, CredentialStore, Overview, Query, Records, StateRecord, StateStore, StoreError},
};
use crate::webauthn::{CredentialId, RpId};

/// A store that is gone when it is dropped: for tests, and as the plainest reading of what a store has to do.
pub struct MemoryStore {
    records: BTreeMap<CredentialId, Arc<CredentialRecord>>,
    by_rp: BTreeMap<RpId, BTreeSet<CredentialId>>,
    state: Option<StateRecord>,
    capacity: usize,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::with_capacity(usize::MAX)
    }
}

impl MemoryStore {
    /// An empty store that holds at most `capacity` credentials.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { records: BTreeMap::new(), by_rp: BTreeMap::new(), state: None, capacity }
    }

    /// All credentials, in the order of their identifiers.
    pub fn records(&self) -> impl Iterator<Item = &CredentialRecord> {
        self.records.values().map(|record| &**record)
    }

    fn remove(&mut self, id: &CredentialId) {
        let Some(record) = self.records.remove(id) else { return };
        if let Some(ids) = self.by_rp.get_mut(&record.credential.rp.id) {
            ids.remove(id);
            if ids.is_empty() {
                self.by_rp.remove(&record.credential.rp.id);
            }
        }
    }

    fn insert(&mut self, record: CredentialRecord) {
        let id = record.credential.id.clone();
        self.remove(&id);
        self.by_rp.entry(record.credential.rp.id.clone()).or_default().insert(id.clone());
        self.records.insert(id, Arc::new(record));
    }

    /// Whether a credential is there, and `changes` leave it there.
    fn stays(&self, id: &CredentialId, changes: &ChangeSet) -> bool {
        self.records.contains_key(id) && !changes.clear && !changes.delete.contains(id)
    }

    /// How many credentials there would be after `changes`.
    fn count_after(&self, changes: &ChangeSet) -> usize {
        let put: BTreeSet<_> = changes.put.iter().map(|record| &record.credential.id).collect();
        if changes.clear {
            return put.len();
        }
        let deleted: BTreeSet<_> = changes.delete.iter().filter(|id| self.records.contains_key(id)).collect();
        let added = put.iter().filter(|id| !self.records.contains_key(id) || deleted.contains(*id)).count();
        self.records.len().saturating_sub(deleted.len()).saturating_add(added)
    }
}

impl CredentialStore for MemoryStore {
    fn load(&self, query: &Query) -> Result<Records, StoreError> {
        let found =
            |id: &CredentialId| self.records.get(id).filter(|record| query.matches(record)).map(Arc::clone);
        Ok(match query {
            Query::Named(_, ids) => ids.iter().filter_map(found).collect(),
            Query::Discoverable(rp) | Query::Account(rp, _) => {
                self.by_rp.get(rp).into_iter().flatten().filter_map(found).collect()
            }
            Query::OfHash(hash) => {
                let of_hash = self.by_rp.iter().filter(|(rp, _)| rp.hash() == *hash);
                of_hash.flat_map(|(_, ids)| ids).filter_map(found).collect()
            }
            Query::Identified(id) => found(id).into_iter().collect(),
        })
    }

    fn survey(&self) -> Result<Overview, StoreError> {
        let room = self.capacity.saturating_sub(self.records.len());
        let remaining = u64::try_from(room).unwrap_or(u64::MAX);
        Ok(Overview::of(self.records.values().map(|record| &record.credential), remaining))
    }

    fn commit(&mut self, changes: ChangeSet) -> Result<(), StoreError> {
        if !changes.update.iter().all(|record| self.stays(&record.credential.id, &changes)) {
            return Err(StoreError::NotFound);
        }
        if self.count_after(&changes) > self.capacity.max(self.records.len()) {
            return Err(StoreError::Full);
        }
        if changes.clear {
            self.records.clear();
            self.by_rp.clear();
            self.state = None;
        }
        changes.delete.iter().for_each(|id| self.remove(id));
        changes.update.into_iter().chain(changes.put).for_each(|record| self.insert(record));
        if changes.state.is_some() {
            self.state = changes.state;
        }
        Ok(())
    }
}

impl StateStore for MemoryStore {
    fn load_state(&self) -> Result<Option<StateRecord>, StoreError> {
        Ok(self.state.as_ref().map(|state| StateRecord::new(state.encoded().clone_secret())))
    }
}
