//! Attestation: who vouches for a new credential (WebAuthn sections "Attestation", "Packed Attestation Statement Format",
//! "None Attestation Statement Format"). Nobody (`none`) or the credential itself (`packed` self attestation); neither
//! claims anything about the model.

mod statement;

pub use statement::{AttestationFormat, AttestationStatement};
