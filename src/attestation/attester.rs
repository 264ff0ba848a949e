//! The joint to whoever vouches by certificate.

use alloc::{sync::Arc, vec::Vec};

use super::certificate::Leaf;
use crate::{
    cose::CoseAlgorithm,
    crypto::{CryptoProvider, KeyPair, Signer},
    webauthn::Aaguid,
};

/// Vouches for new credentials with a key of its own and certificates for it. It answers at once: what waits for a
/// network has no place here.
///
/// The first certificate is of that key and fulfils WebAuthn section "Certificate Requirements for Packed Attestation
/// Statements"; the root that relying parties know is left out, as is customary.
pub trait Attester: Send + Sync {
    /// The algorithm of the attestation key, whatever the algorithm of the credential.
    fn algorithm(&self) -> CoseAlgorithm;

    /// `x5c`: DER certificates, that of the attestation key first.
    fn certificates(&self) -> &[Vec<u8>];

    /// Signs the concatenation of `message`, in the form that [`crate::crypto::Signer::sign`] has for the algorithm.
    fn sign(&self, message: &[&[u8]]) -> Result<Vec<u8>, CannotAttest>;
}

/// The attestation key cannot be used now. Without detail: the peer learns of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CannotAttest;

impl core::fmt::Display for CannotAttest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the attestation key cannot be used")
    }
}

impl core::error::Error for CannotAttest {}

/// The parts do not make an attester.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidAttester {
    /// There is no certificate, or the first one is no DER certificate.
    NoCertificate,
    /// The first certificate is of another key.
    AnotherKey,
    /// The key is of no use to the provider.
    UnusableKey,
    /// The certificates have more than [`KeyAttester::MAX_CHAIN`] bytes.
    TooLong,
    /// The first certificate names another AAGUID than the authenticator's.
    AnotherAaguid(Aaguid),
}

impl core::fmt::Display for InvalidAttester {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NoCertificate => "the attestation certificate is missing or is no certificate",
            Self::AnotherKey => "the attestation certificate is of another key",
            Self::UnusableKey => "the attestation key is none that the provider can sign with",
            Self::TooLong => "the attestation certificates are too long for a message",
            Self::AnotherAaguid(_) => "the attestation certificate is of another AAGUID",
        })
    }
}

impl core::error::Error for InvalidAttester {}

/// An attester that has its key in memory, ready to sign.
pub struct KeyAttester {
    algorithm: CoseAlgorithm,
    signer: Arc<dyn Signer>,
    certificates: Vec<Vec<u8>>,
}

impl KeyAttester {
    /// The most bytes of all certificates together: signed by ECDSA, with the longest credential ID and the longest public
    /// key, the response still fits into a CTAPHID message. One that does not fit into `max_msg_size` fails the command.
    pub const MAX_CHAIN: usize = 4096;

    /// Joins a key (ES256, for a FIDO certification) and its certificates, the key's own first. Refused: certificates
    /// that are too long, a first one that is of another key, and a key that the provider does not take.
    pub fn new(
        key: &KeyPair,
        certificates: Vec<Vec<u8>>,
        provider: &dyn CryptoProvider,
    ) -> Result<Self, InvalidAttester> {
        let leaf = certificates.first().and_then(|certificate| Leaf::parse(certificate));
        let leaf = leaf.ok_or(InvalidAttester::NoCertificate)?;
        if !leaf.is_of(key.public()) {
            return Err(InvalidAttester::AnotherKey);
        }
        if certificates.iter().map(Vec::len).fold(0, usize::saturating_add) > Self::MAX_CHAIN {
            return Err(InvalidAttester::TooLong);
        }
        let signer = provider.signer(key).map_err(|_| InvalidAttester::UnusableKey)?;
        Ok(Self { algorithm: key.algorithm(), signer, certificates })
    }
}

impl Attester for KeyAttester {
    fn algorithm(&self) -> CoseAlgorithm {
        self.algorithm
    }

    fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }

    fn sign(&self, message: &[&[u8]]) -> Result<Vec<u8>, CannotAttest> {
        self.signer.sign(message).map_err(|_| CannotAttest)
    }
}

/// Checks that whoever vouches for an authenticator has a certificate, and that it names no other AAGUID: relying
/// parties refuse that (WebAuthn section "Packed Attestation Statement Format", verification procedure).
pub(super) fn check(attester: &dyn Attester, aaguid: Aaguid) -> Result<(), InvalidAttester> {
    let leaf = attester.certificates().first().and_then(|certificate| Leaf::parse(certificate));
    match leaf.ok_or(InvalidAttester::NoCertificate)?.aaguid {
        Some(other) if other != aaguid => Err(InvalidAttester::AnotherAaguid(other)),
        _ => Ok(()),
    }
}
