//! **countersign** is the passkey engine that credential managers link in: a software FIDO2 authenticator (CTAP 2.3,
//! WebAuthn Level 3) whose `hmac-secret`/PRF output unlocks an encrypted vault.
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
pub mod cbor;
pub mod client;
pub mod cose;
pub mod credential;
pub mod crypto;
pub mod ctap2;
pub mod extension;
pub mod pin_uv;
pub mod provider;
pub mod secret;
pub mod time;
pub mod user;
pub mod vault;
pub mod webauthn;

pub use rand_core;
