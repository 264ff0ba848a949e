//! Backup files: a vault's passkeys and items under keys of their own (vault-format.md, "Backup file").
//!
//! A backup is an envelope in whole form with a vault_id, a root key and slots of its own, so that whoever gets at a
//! backup's passphrase does not open the live vault, and the reverse. It is made in one of two ways:
//!
//! - [`Export`], by somebody who has just shown a slot's secret ([`Reauth`](crate::vault::Reauth)): it names the
//!   recipients, who are the slots of the backup, and is enrolled like any vault.
//! - [`Lineage::export`], unattended: the live vault keeps the last backup's manifest and root key, and what is made is a
//!   rotation of that backup onto the items of today. Its recipients are those that were named with a proof; no secret of
//!   theirs is needed, and nobody can be added.
//!
//! What goes in: passkeys with their PRF secrets, and the host's items, under the identifiers they have. What does not:
//! device-bound passkeys (BE = 0), which may not leave their vault, the authenticator's state, and what the vault
//! keeps for itself; each is in the report. A passkey that is in a backup is backed up: its copy there says so (BS), and
//! [`Exported::keep`] says so in the live vault.
//!
//! ```
//! use countersign::{
//!     backup::{BackupFile, Destination, Export, OpenBackup, restore, verify_backup},
//!     crypto::RustCrypto,
//!     time::{Moment, UnixTime},
//!     vault::{
//!         Administration, MemoryStorage, Opening, PassphraseCost, RecoveryCode, SlotPrivate, SlotSecret, Vault,
//!         VaultError, VaultId,
//!     },
//! };
//! # use countersign::rand_core::CryptoRng;
//!
//! /// Makes a backup, verifies it, and restores it into a new vault.
//! fn there_and_back(
//!     vault: &Vault,
//!     storage: &MemoryStorage,
//!     now: Moment,
//!     rng: &mut dyn CryptoRng,
//! ) -> Result<(), VaultError> {
//!     let mut export = Export::new(vault, (&vault.opening_proof(), now), storage, rng)?;
//!     let words = "correct horse battery staple";
//!     let slot = export.enrol_passphrase(words, PassphraseCost::default(), SlotPrivate::default(), rng)?;
//!     let exported = export.finish(UnixTime(1_795_219_200), rng)?;
//!     let bytes = exported.file().encode();
//!
//!     let file = BackupFile::decode(&bytes)?;
//!     let backup = file.open(&slot, &SlotSecret::Passphrase(words), Opening::default())?;
//!     assert!(verify_backup(&backup, &RustCrypto, |_| ()).is_sound());
//!
//!     let mut draft = Administration::new_vault(VaultId::make(rng), None, rng)?;
//!     draft.enrol_recovery_code(&RecoveryCode::make(rng), SlotPrivate::default(), rng)?;
//!     let to = Destination { items: storage, provider: &RustCrypto, own_accounts: &[] };
//!     let report = restore(&backup, &mut draft, &to, rng, |_| ())?;
//!     assert!(report.refused.is_empty());
//!     draft.finish(UnixTime(1_795_219_200), rng)?; // One write: the new vault with all of it, or nothing.
//!     Ok(())
//! }
//! ```

mod contents;
mod export;
mod file;
mod lineage;
mod restore;
mod schedule;
mod verify;

pub use contents::{ItemName, LeftOut, PasskeyName};
pub use export::{Export, ExportReport, Exported};
pub use file::{BackupFile, OpenBackup};
pub use lineage::{Changes, Lineage, changes_since};
pub use restore::{Destination, Refused, RestoreReport, restore};
pub use schedule::{BackupDue, BackupSchedule, backup_due};
pub use verify::{Fault, ItemCheck, Progress, Verification, VerifyReport, verify_backup};
