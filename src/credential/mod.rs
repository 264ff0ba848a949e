//! The credential model and the two joints for what is kept: [`CredentialStore`] for passkeys, [`StateStore`] for the
//! authenticator's one small record of its own. A store looks up and commits; it decides nothing, and the machine checks
//! the RP ID of whatever comes back again. ("Public key credential source" in WebAuthn section "Terminology".)

mod memory;
mod model;
mod record;
mod store;

pub use memory::MemoryStore;
pub use model::{Backup, CredProtect, Credential, CredentialRecord, CredentialSecret, NotBackupEligible};
pub use record::InvalidRecord;
pub use store::{ChangeSet, CredentialStore, Query, StateRecord, StateStore, StoreError};
