//! The vault: a key that passkeys, recovery codes and devices open, and the items under it.
//!
//! Implements `docs/vault-format.md`, version 1, byte for byte. The storage is not trusted: it learns no key,
//! and whatever it changes, mixes, replays or plants is refused, as far as that document promises. Nothing here does
//! input or output: an [`Envelope`] is decoded and opened into a [`Vault`]; a [`Draft`] collects changes and finishes into
//! one [`Write`], which the host stores as a whole or not at all. [`PasskeyStore`] does that over a [`VaultStorage`], and
//! serves as the authenticator's own store.
//!
//! Several devices may write to one storage, each naming the state that it replaces. An open vault goes on to what another
//! device has stored by [`Vault::catch_up`]; a write that came too late becomes [`Operations`], which [`Vault::replay`]
//! does again on the newer state, with a [`Report`] of every [`Conflict`]. [`reconcile()`] brings two heads together.
//!
//! Slots of all kinds can be enrolled, opened and refreshed, and are kept through a rotation. A passkey that signs in only
//! has a slot as well ([`EncryptionStatus`]), can open the vault later, and stop doing so; [`PasskeyCeremony`] takes a new one
//! through its two assertions. Who opens the vault, and its policy, are changed by an [`Administration`].
//!
//! Suite 2 (X-Wing) is behind feature `pq`, and experimental ([`Draft::use_suite`], [`Administration::raise_floor`]); without
//! it such slots are read and kept, and opening by one or rotating a vault that has one is [`VaultError::Unsupported`].

mod argon;
mod auto_lock;
mod catch_up;
mod ceremony;
mod code;
mod draft;
mod envelope;
mod error;
mod fields;
mod ids;
mod item;
mod keys;
mod manifest;
mod memory;
mod memory_storage;
mod open;
mod operation;
mod passkey_store;
mod passkeys;
mod private;
mod reauth;
mod reconcile;
mod replay;
mod resalt;
mod rotate;
mod share;
mod slot;
mod slot_key;
mod slots;
mod storage;
mod suite;
mod symbols;
mod tags;
mod trie;
#[allow(clippy::module_inception, reason = "the open vault is the main value of this room")]
mod vault;

pub use auto_lock::AutoLock;
pub use catch_up::CatchUp;
pub use ceremony::{NewPasskey, PasskeyCeremony};
pub use code::{CodeError, RecoveryCode};
pub use draft::{Draft, Prepared};
pub use envelope::{Envelope, SlotView};
pub use error::VaultError;
pub use ids::{ItemId, SlotId, VaultId};
pub use item::{Row, item_type};
pub(crate) use manifest::MAX_ITEMS;
pub use manifest::{BackupInfo, Policy};
pub use memory::{Freshness, RollbackStore, Seen};
pub use memory_storage::MemoryStorage;
pub use open::Opening;
pub use operation::Operations;
pub use passkey_store::PasskeyStore;
pub use passkeys::{EncryptionSetup, EncryptionStatus, PrfAbility};
pub use private::SlotPrivate;
pub use reauth::{Administration, DEFAULT_REAUTH_LIMIT, Reauth};
pub use reconcile::{Head, UsersWord, reconcile};
pub use replay::{Clash, Conflict, Merge, Report};
pub use resalt::Resalt;
pub use rotate::{LastFallback, OldSeal, Removal, RemovalAdvice};
pub use share::{JoinedShares, Share, ShareError, ShareSet};
pub use slot::{PrfSaltMode, SlotKind, SlotStatus, Suite};
pub use slot_key::{SlotSecret, prf_input};
pub use slots::{ExtraPin, PasskeyEnrolment, PassphraseCost, PassphrasePolicy};
pub use storage::{Base, ItemPut, ItemSource, StorageError, StoredVault, Tag, VaultStorage, Write};
pub use vault::{OpenItem, Vault};
