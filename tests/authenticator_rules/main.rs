//! The authenticator by its rules: one test for each rule of CTAP 2.3, WebAuthn and the machine itself, with the exact
//! status. Vectors are in `authenticator_vectors.rs`.

#[path = "../common/mod.rs"]
mod common;

mod attestation;
mod client_pin;
mod config;
mod cred_blob;
mod credential_management;
mod display;
mod extensions;
mod get_assertion;
mod get_info;
mod hmac_secret;
mod large_blob;
mod large_blob_key;
mod large_blobs;
mod machine;
mod make_credential;
mod next_assertion;
mod pin;
mod pin_rules;
mod provider;
mod requests;
mod reset;
mod tokens;
#[cfg(feature = "u2f")]
mod u2f;
mod wire;
mod wrapped;
