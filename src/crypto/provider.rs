//! The provider joint.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use rand_core::CryptoRng;

use crate::{
    cose::{CoseAlgorithm, P256Point, PublicKey},
    secret::{Secret, SecretBytes},
};

/// An operation failed because of its input: a key that is no key, a point off the curve, an algorithm that the provider
/// does not have. Without detail on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CryptoError;

impl core::fmt::Display for CryptoError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("cryptographic operation refused its input")
    }
}

impl core::error::Error for CryptoError {}

/// A credential key pair as it is stored: the private half and the public half that was derived from it. They stay
/// together: EdDSA signs with this public key, and one that came from elsewhere would give the seed away.
pub struct KeyPair {
    algorithm: CoseAlgorithm,
    /// Invariant: as long as the algorithm demands.
    private: SecretBytes,
    /// Invariant: of the algorithm.
    public: PublicKey,
}

impl KeyPair {
    /// Joins the halves of a pair that was made or stored together. Refused when `private` has not the length of the
    /// algorithm ([`CoseAlgorithm::private_length`]), or the public key is of another algorithm; whether it belongs to
    /// the private key is checked by [`CryptoProvider::import`], which is what keys from outside must go through.
    pub fn from_parts(
        algorithm: CoseAlgorithm,
        private: SecretBytes,
        public: PublicKey,
    ) -> Result<Self, CryptoError> {
        if private.expose().len() == algorithm.private_length() && public.is_for(algorithm) {
            Ok(Self { algorithm, private, public })
        } else {
            Err(CryptoError)
        }
    }

    /// The algorithm that was negotiated for the pair.
    pub fn algorithm(&self) -> CoseAlgorithm {
        self.algorithm
    }

    /// The ECDSA scalar (big endian) or the seed, of the length of the algorithm.
    pub fn private(&self) -> &SecretBytes {
        &self.private
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// A second copy, for stores that hand out records.
    pub fn clone_secret(&self) -> Self {
        Self { algorithm: self.algorithm, private: self.private.clone_secret(), public: self.public.clone() }
    }
}

/// A key that is ready to sign: all that can be computed before the message is known has been. Worth keeping for as long
/// as its store is open; what it holds is wiped when the last handle goes.
pub trait Signer: Send + Sync {
    /// Signs the concatenation of `message`. ECDSA returns a DER `ECDSA-Sig-Value` (RFC 3279; at most 72 bytes on P-256
    /// and 104 on P-384), EdDSA 64 bytes, ML-DSA-44 2420 and ML-DSA-65 3309, as WebAuthn section "Signature Formats for
    /// Packed Attestation" has them.
    ///
    /// Refused: by a library that draws nonces of its own, where the system gives it no randomness.
    fn sign(&self, message: &[&[u8]]) -> Result<Vec<u8>, CryptoError>;
}

/// One P-256 key-agreement key pair.
pub trait AgreementKey: Send {
    /// The public half.
    fn public(&self) -> P256Point;
    /// The x coordinate of the shared point (SEC 1 section 3.3.1). Refused: a peer that is not on the curve.
    fn agree(&self, peer: &P256Point) -> Result<Secret<32>, CryptoError>;
}

/// Signatures and key agreement.
pub trait CryptoProvider: Send + Sync {
    /// What it is called in `key info`.
    fn name(&self) -> &'static str;

    /// Makes a credential key pair. Draws [`CoseAlgorithm::private_length`] bytes from `rng`: for ECDSA they are the
    /// scalar, big endian, and are drawn again in the 2^-32 case (P-384: 2^-194) that they are zero or not below the
    /// group order; for EdDSA and ML-DSA they are the seed.
    fn make_key_pair(&self, algorithm: CoseAlgorithm, rng: &mut dyn CryptoRng) -> KeyPair {
        loop {
            let private = SecretBytes::make_random(algorithm.private_length(), rng);
            if let Ok(pair) = self.import(algorithm, private) {
                return pair;
            }
        }
    }

    /// Takes a private key from outside and derives its public half. Refused: another length than the algorithm's, and
    /// what is no scalar.
    fn import(&self, algorithm: CoseAlgorithm, private: SecretBytes) -> Result<KeyPair, CryptoError>;

    /// Loads a stored pair for signing, into a handle that can be shared and kept.
    fn signer(&self, pair: &KeyPair) -> Result<Arc<dyn Signer>, CryptoError>;

    /// Signs once, in the form that [`Signer::sign`] returns. A provider that keeps handles signs with the one it has; one
    /// that can sign without making a handle does.
    fn sign(&self, pair: &KeyPair, message: &[&[u8]]) -> Result<Vec<u8>, CryptoError> {
        self.signer(pair)?.sign(message)
    }

    /// Forgets the handles that it keeps, if it keeps any. The authenticator calls this when the host locks it, when it is
    /// reset, and when a command deletes a credential.
    fn forget_signers(&self) {}

    /// Verifies a signature in the form that [`Signer::sign`] returns.
    fn verify(
        &self,
        algorithm: CoseAlgorithm,
        key: &PublicKey,
        message: &[&[u8]],
        signature: &[u8],
    ) -> Result<(), CryptoError>;

    /// Makes a key-agreement key pair; draws as [`CryptoProvider::make_key_pair`] does for ES256.
    fn make_agreement_key(&self, rng: &mut dyn CryptoRng) -> Box<dyn AgreementKey>;
}

/// What is fixed about a provider, for code that is generic over providers (a trait object has no constants).
pub trait ProviderConstants: CryptoProvider {
    /// Whether ECDSA signatures are made with nonces that the provider draws itself. Where it is false they are those of
    /// RFC 6979, and the same message gives the same signature.
    const ECDSA_DRAWS_OWN_NONCES: bool;
    /// Whether ML-DSA signatures are made in the hedged variant (FIPS 204 section 3.4), with randomness that the provider
    /// draws itself. Where it is false they are made in the deterministic one.
    const ML_DSA_IS_HEDGED: bool;
}
