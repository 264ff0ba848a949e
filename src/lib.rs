//! **countersign** is the passkey engine that credential managers link in: a software FIDO2 authenticator (CTAP 2.3,
//! WebAuthn Level 3) whose `hmac-secret`/PRF output unlocks an encrypted vault.
//!
//! It opens no file, socket, clock, thread or window. Bytes and answers go in; bytes and questions come out:
//!
//! ```text
//!    options JSON ─▶ ┌──────────┐ ─▶ credential JSON
//!                    │ provider │ ─▶ questions to a person     ◀─ answers
//! commands, bytes ─▶ │          │ ─▶ look-ups and commits      ◀─ what a store found, done
//!                    └──────────┘ ─▶ responses, PRF results ──▶ vault ─▶ items
//! ```
//!
//! Top floor first:
//! - [`provider`]: a credential manager in one struct. WebAuthn JSON in, JSON out. Start here.
//! - [`device`]: a security key in one struct. HID reports in, reports out.
//! - [`authenticator`]: the CTAP2 state machine, with a bytes door, a typed door and a provider door.
//! - [`client`]: the WebAuthn client. Whose RP ID it may be, what is signed, what the PRF is evaluated on.
//! - [`vault`]: a key that passkeys, codes and devices open, and the items under it; storage that is not trusted.
//! - [`upkeep`], [`readiness`], [`kit`]: what was done against lockout, how the owner could be locked out all the same, and
//!   the sheet of paper for that day.
//! - [`ctaphid`]: messages over 64-byte reports.
//! - `ctap1`, with the feature `u2f`: U2F messages.
//! - [`extension`], [`pin_uv`], [`ctap2`], [`attestation`]: the parts of CTAP that the machine is made of.
//! - [`credential`]: what a passkey is, and the joints to whoever keeps it.
//! - [`webauthn`], [`crypto`], [`cose`], [`cbor`], [`secret`], [`user`], [`time`], [`few`]: the ground floor.
//!
//! A room imports from rooms below it only. `ARCHITECTURE.md` has the plan, `SECURITY.md` the threat model.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs, unreachable_pub)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented
)]

extern crate alloc;

pub mod attestation;
pub mod authenticator;
pub mod backup;
pub mod cbor;
pub mod client;
pub mod cose;
pub mod credential;
pub mod crypto;
#[cfg(feature = "u2f")]
pub mod ctap1;
pub mod ctap2;
pub mod ctaphid;
pub mod device;
pub mod extension;
pub mod few;
pub mod kit;
pub mod pin_uv;
pub mod provider;
pub mod readiness;
pub mod secret;
pub mod time;
pub mod upkeep;
pub mod user;
pub mod vault;
pub mod webauthn;

pub use rand_core;

/// The README's example, compiled and run with the documentation tests (it draws from the operating system).
#[cfg(all(doctest, feature = "getrandom"))]
#[doc = include_str!("../README.md")]
struct Readme;
