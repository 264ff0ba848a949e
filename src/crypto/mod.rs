//! Cryptography, all of it from well-kept crates.
//!
//! What is worth exchanging (signatures and key agreement, where accelerated implementations differ by factors) goes
//! through [`CryptoProvider`], which hands out loaded keys. Small symmetric work does not: the functions beside it are
//! RustCrypto's and are the fastest there are for a few blocks. Every function that needs randomness takes an RNG.

#[cfg(feature = "getrandom")]
mod os;
mod provider;
mod rustcrypto;
mod symmetric;

#[cfg(feature = "getrandom")]
pub use os::OsRng;
pub use provider::{AgreementKey, CryptoError, CryptoProvider, KeyPair, ProviderConstants, Signer};
pub use rustcrypto::RustCrypto;
pub use symmetric::{
    Aes128CbcNoPadding, Aes256CbcNoPadding, Hkdf, aead_open, aead_seal, hmac_sha256, hmac_sha256_secret,
    hmac_sha256_verify, sha256, sha256_parts, xaes_open, xaes_seal,
};
