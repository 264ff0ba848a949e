//! What touches the machine, so that the core need not: files, clock, terminal. For Unix systems.
//!
//! - [`VaultFile`] keeps one vault in one crash-safe database file; [`envelope_file`] takes a vault in and out whole,
//!   [`backup_file`] a backup of it.
//! - [`SeenFile`] remembers which states of vaults this machine has seen; [`secret_file`] keeps a secret for one user.
//! - [`Clock`] tells the time that the core is handed; randomness is [`countersign::crypto::OsRng`].
//! - [`SecretSource`] is where PINs, passphrases and codes come from, and [`Person`] who answers the authenticator.
//! - [`attestation_directory`] reads an attestation key and its certificates.
//! - [`provider()`] is who signs: the fastest of the providers that were built in, with a [`KeyCache`].
//! - [`KeyDirectory`] is a software authenticator on disk; [`hid`] lets other programs use it as a security key.
//!
//! Every file and directory that is made here is for its owner alone (0600, 0700), whatever the umask. Everything is
//! synchronous and blocks.
#![forbid(unsafe_code)]

#[cfg(not(unix))]
compile_error!("countersign-host is for Unix systems");

mod assenting;
pub mod attestation_directory;
pub mod backup_file;
mod clock;
mod contained;
mod database;
pub mod envelope_file;
mod error;
mod fresh_file;
pub mod hid;
mod key_directory;
mod person;
mod providers;
pub mod secret_file;
mod secret_source;
mod seen_file;
mod terminal;
mod terminal_person;
mod vault_file;

pub use assenting::AssentingPerson;
pub use clock::Clock;
pub use contained::silence_contained_panics;
pub use database::VaultDatabase;
pub use error::HostError;
pub use key_directory::{KeyDirectory, KeyParts, KeyStore};
pub use person::{Person, describe};
#[cfg(feature = "aws-lc-rs")]
pub use providers::AwsLc;
#[cfg(all(feature = "graviola", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub use providers::Graviola;
pub use providers::{KeyCache, fastest_provider, provider};
pub use secret_source::{SecretSource, SecretText};
pub use seen_file::SeenFile;
pub use terminal_person::{TerminalPerson, confirm};
pub use vault_file::VaultFile;
