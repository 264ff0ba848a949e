//! Attestation statements.

use alloc::{borrow::ToOwned, vec, vec::Vec};

use ciborium::Value;

use crate::cose::CoseAlgorithm;

/// The formats of attestation statements that there are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AttestationFormat {
    /// `none`: an empty statement.
    #[default]
    None,
    /// `packed`: signed by an attester with a certificate, or by the new credential itself where there is none.
    Packed,
}

impl AttestationFormat {
    /// The format's identifier (IANA "WebAuthn Attestation Statement Format Identifiers").
    pub const fn identifier(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Packed => "packed",
        }
    }
}

/// An attestation statement with its format.
#[derive(Debug, Clone, PartialEq)]
pub struct AttestationStatement {
    /// The format's identifier.
    pub fmt: &'static str,
    /// The statement, a map.
    pub att_stmt: Value,
}

impl AttestationStatement {
    /// WebAuthn section "None Attestation Statement Format": { }.
    pub fn none() -> Self {
        Self { fmt: AttestationFormat::None.identifier(), att_stmt: Value::Map(Vec::new()) }
    }

    /// WebAuthn section "Packed Attestation Statement Format": { alg, sig, ? x5c }; without certificates it is self
    /// attestation.
    pub fn packed(algorithm: CoseAlgorithm, signature: Vec<u8>, certificates: &[Vec<u8>]) -> Self {
        let text = |name: &str| Value::Text(name.to_owned());
        let mut members =
            vec![(text("alg"), Value::from(algorithm.identifier())), (text("sig"), Value::Bytes(signature))];
        if !certificates.is_empty() {
            let certificates = certificates.iter().cloned().map(Value::Bytes);
            members.push((text("x5c"), Value::Array(certificates.collect())));
        }
        Self { fmt: AttestationFormat::Packed.identifier(), att_stmt: Value::Map(members) }
    }
}
