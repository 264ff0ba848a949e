//! The credential model and the two joints for what is kept: [`CredentialStore`] for passkeys, [`StateStore`] for the
//! authenticator's one small record of its own. A store looks up and commits; it decides nothing, and the machine checks
//! the RP ID of whatever comes back again. ("Public key credential source" in WebAuthn section "Terminology".)
//!
//! A host that backs its store up, or stops to, says so in the credentials; each one's next assertion carries the new BS
//! bit. BE is fixed at creation:
//!
//! ```
//! use countersign::credential::{ChangeSet, CredentialRecord, CredentialStore, Query, StoreError};
//!
//! /// Sets BS of every credential of `query` that may be backed up, in one transaction.
//! fn set_backed_up(store: &mut dyn CredentialStore, query: &Query, backed_up: bool) -> Result<(), StoreError> {
//!     let mut update: Vec<_> = store.load(query)?.into_iter().map(CredentialRecord::unshare).collect();
//!     update.retain_mut(|record| record.credential.set_backed_up(backed_up).is_ok());
//!     store.commit(ChangeSet { update, ..ChangeSet::default() })
//! }
//! ```

mod extension_data;
mod memory;
mod model;
mod record;
mod store;
mod wrapped;

pub use extension_data::{BoxedExtensionData, ExtensionData, LargeBlob};
pub use memory::MemoryStore;
pub use model::{Backup, CredProtect, Credential, CredentialRecord, CredentialSecret, NotBackupEligible};
pub use record::InvalidRecord;
pub use store::{ChangeSet, CredentialStore, Overview, Query, Records, StateRecord, StateStore, StoreError};
pub use wrapped::{WrappedCredential, WrappedFacts, Wrapper};
