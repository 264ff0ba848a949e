//! Attestation statements.

use alloc::{borrow::ToOwned, vec, vec::Vec};

use ciborium::Value;

use crate::{cose::CoseAlgorithm, crypto::Signer, webauthn::ClientDataHash};

/// The kinds of attestation there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AttestationFormat {
    /// `none`: an empty statement.
    #[default]
    None,
    /// `packed`, self attestation: signed by the new credential itself, no certificate.
    PackedSelf,
}

/// An attestation statement with its format.
#[derive(Debug, Clone, PartialEq)]
pub struct AttestationStatement {
    /// The format's identifier.
    pub fmt: &'static str,
    /// The statement, a map.
    pub att_stmt: Value,
}

impl AttestationFormat {
    /// The format's identifier (IANA "WebAuthn Attestation Statement Format Identifiers").
    pub const fn identifier(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::PackedSelf => "packed",
        }
    }

    /// Makes the statement over authenticatorData || clientDataHash.
    pub fn attest(
        self,
        algorithm: CoseAlgorithm,
        signer: &dyn Signer,
        auth_data: &[u8],
        client_data_hash: &ClientDataHash,
    ) -> AttestationStatement {
        let members: Vec<(Value, Value)> = match self {
            Self::None => Vec::new(),
            // "alg" is the credential's own algorithm, as negotiated; "x5c" is absent in self attestation.
            Self::PackedSelf => vec![
                (Value::Text("alg".to_owned()), Value::from(algorithm.identifier())),
                (Value::Text("sig".to_owned()), Value::Bytes(signer.sign(&[auth_data, &client_data_hash.0]))),
            ],
        };
        AttestationStatement { fmt: self.identifier(), att_stmt: Value::Map(members) }
    }
}
