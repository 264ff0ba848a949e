//! The authenticators that are compared, each with a store in memory and somebody who consents at once. Where it can be
//! switched off, nobody counts signatures.

pub mod countersign;
#[cfg(feature = "fido-authenticator")]
pub mod fido_authenticator;
pub mod opensk;
pub mod passkey;
