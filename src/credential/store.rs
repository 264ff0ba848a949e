//! The joints to what keeps passkeys and state.

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use core::borrow::Borrow;

use super::model::{Credential, CredentialRecord};
use crate::{
    few::Few,
    secret::SecretBytes,
    webauthn::{CredentialId, RpEntity, RpId, RpIdHash, UserHandle},
};

/// What the machine wants to know from the store. Whatever comes back is checked against the query again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// The discoverable credentials of a relying party.
    Discoverable(RpId),
    /// Those of the named credentials that exist and belong to the relying party.
    Named(RpId, Few<CredentialId>),
    /// The discoverable credential of one account.
    Account(RpId, UserHandle),
    /// The discoverable credentials of the relying party whose identifier has that hash.
    OfHash(RpIdHash),
    /// The credential of that identifier, whosever it is.
    Identified(CredentialId),
}

impl Query {
    /// Whether a record is among what the query asks for.
    pub fn matches(&self, record: &CredentialRecord) -> bool {
        let credential = &record.credential;
        match self {
            Self::Discoverable(rp) => credential.rp.id == *rp && credential.discoverable,
            Self::Named(rp, ids) => credential.rp.id == *rp && ids.contains(&credential.id),
            Self::Account(rp, user) => {
                credential.rp.id == *rp && credential.discoverable && credential.user.id == *user
            }
            Self::OfHash(hash) => credential.discoverable && credential.rp.id.hash() == *hash,
            Self::Identified(id) => credential.id == *id,
        }
    }
}

/// What a store holds, as authenticatorCredentialManagement tells it (CTAP 2.3 section 6.8).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overview {
    /// How many discoverable credentials there are.
    pub discoverable: u64,
    /// At least how many more fit.
    pub remaining: u64,
    /// The relying parties of the discoverable ones, each once, in the order of their identifiers.
    pub relying_parties: Vec<RpEntity>,
}

impl Overview {
    /// Counts `credentials` in; those that are not discoverable do not count. Of each, nothing is kept but a relying
    /// party's first one's entity, so they may be made one by one.
    pub fn of<C: Borrow<Credential>>(credentials: impl Iterator<Item = C>, remaining: u64) -> Self {
        let mut parties: BTreeMap<RpId, RpEntity> = BTreeMap::new();
        let mut discoverable = 0u64;
        for credential in credentials {
            let credential = credential.borrow();
            if credential.discoverable {
                discoverable = discoverable.saturating_add(1);
                if !parties.contains_key(&credential.rp.id) {
                    parties.insert(credential.rp.id.clone(), credential.rp.clone());
                }
            }
        }
        Self { discoverable, remaining, relying_parties: parties.into_values().collect() }
    }
}

/// The authenticator's own record (PIN verifier and retries, order counter), in its encoded form. Secret: the PIN
/// verifier can be tried offline.
pub struct StateRecord(SecretBytes);

impl StateRecord {
    /// Takes the encoded form over.
    pub fn new(encoded: SecretBytes) -> Self {
        Self(encoded)
    }

    /// The encoded form.
    pub fn encoded(&self) -> &SecretBytes {
        &self.0
    }
}

/// Everything that one command changes; committed as one atomic transaction or not at all.
#[derive(Default)]
pub struct ChangeSet {
    /// Removes every passkey and the state, before anything else in this set (authenticatorReset).
    pub clear: bool,
    /// Credentials to remove.
    pub delete: Vec<CredentialId>,
    /// Credentials to replace by their identifier. One that is not there, or not any more, fails the whole set with
    /// [`StoreError::NotFound`]: what somebody deleted meanwhile must not come back. A store in which others change
    /// credentials as well can answer [`StoreError::Conflict`] where one was changed since it was looked up.
    pub update: Vec<CredentialRecord>,
    /// Credentials to add, or to replace by their identifier.
    pub put: Vec<CredentialRecord>,
    /// The new state record.
    pub state: Option<StateRecord>,
}

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// The store is locked; a person can unlock it.
    Locked,
    /// No room for another credential.
    Full,
    /// A credential of [`ChangeSet::update`] is not there.
    NotFound,
    /// The store keeps no credential of this relying party.
    Refused,
    /// Somebody changed the store in between; the command may be tried again.
    Conflict,
    /// Stored data were altered, or are of a form that this build does not know.
    Tampered,
    /// The medium failed.
    Unavailable,
}

impl core::fmt::Display for StoreError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Locked => "the store is locked",
            Self::Full => "the store is full",
            Self::NotFound => "the credential is not in the store",
            Self::Refused => "the store keeps no credential of this relying party",
            Self::Conflict => "the store was changed by somebody else meanwhile",
            Self::Tampered => "stored data were altered or are of an unknown form",
            Self::Unavailable => "the store cannot be read or written",
        })
    }
}

impl core::error::Error for StoreError {}

/// What a store found. The records are shared: a store that holds them decoded hands out what it has, and one that decodes
/// them collects what it decoded ([`CredentialRecord`]s collect into it, too). A machine that changes one changes its own
/// ([`CredentialRecord::unshare`]); the last holder wipes it.
pub type Records = Few<Arc<CredentialRecord>>;

impl From<Vec<CredentialRecord>> for Records {
    fn from(records: Vec<CredentialRecord>) -> Self {
        records.into_iter().collect()
    }
}

impl FromIterator<CredentialRecord> for Records {
    fn from_iter<I: IntoIterator<Item = CredentialRecord>>(records: I) -> Self {
        records.into_iter().map(Arc::new).collect()
    }
}

/// Where passkeys are kept. Nothing found is `Ok` and empty, never an error.
pub trait CredentialStore {
    /// Looks up.
    fn load(&self, query: &Query) -> Result<Records, StoreError>;

    /// What there is, for authenticatorCredentialManagement.
    fn survey(&self) -> Result<Overview, StoreError>;

    /// Carries out all of `changes`, durably, or nothing.
    fn commit(&mut self, changes: ChangeSet) -> Result<(), StoreError>;
}

/// Where the authenticator's own record is kept. It is written by [`CredentialStore::commit`], so that a command's
/// changes stay one transaction.
pub trait StateStore {
    /// The record as last committed; `None` in a new store.
    fn load_state(&self) -> Result<Option<StateRecord>, StoreError>;
}
