//! The portable provider: p256, p384, ed25519-dalek and ml-dsa. Pure Rust, `no_std`.

mod ecdsa;
mod eddsa;
#[cfg(feature = "ml-dsa")]
mod mldsa;

use alloc::{boxed::Box, sync::Arc, vec::Vec};

#[cfg(feature = "ml-dsa")]
use ml_dsa::{MlDsa44, MlDsa65};
use p256::NistP256;
use p384::NistP384;
use rand_core::CryptoRng;

use super::provider::{AgreementKey, CryptoError, CryptoProvider, KeyPair, ProviderConstants, Signer};
use crate::{
    cose::{CoseAlgorithm, PublicKey},
    secret::{Secret, SecretBytes},
};

/// The default provider. All its signatures are deterministic: a signer takes no randomness, and bad randomness gives no
/// key away. ECDSA nonces are those of RFC 6979, and ML-DSA signs in its deterministic variant (FIPS 204 section 3.4;
/// the hedged one resists faults and side channels of hardware better). ECDSA signatures are not low-S normalised:
/// WebAuthn asks for neither form, and the standard's own vectors carry high-S values.
#[derive(Debug, Clone, Copy, Default)]
pub struct RustCrypto;

impl ProviderConstants for RustCrypto {
    const ECDSA_DRAWS_OWN_NONCES: bool = false;
    const ML_DSA_IS_HEDGED: bool = false;
}

impl CryptoProvider for RustCrypto {
    fn name(&self) -> &'static str {
        "RustCrypto (portable)"
    }

    fn import(&self, algorithm: CoseAlgorithm, private: SecretBytes) -> Result<KeyPair, CryptoError> {
        let bytes = private.expose();
        let public = match algorithm {
            CoseAlgorithm::Es256 | CoseAlgorithm::Esp256 => {
                PublicKey::P256(ecdsa::public_point(&ecdsa::scalar::<NistP256>(bytes)?)?)
            }
            CoseAlgorithm::Es384 | CoseAlgorithm::Esp384 => {
                PublicKey::P384(Box::new(ecdsa::public_point(&ecdsa::scalar::<NistP384>(bytes)?)?))
            }
            CoseAlgorithm::EdDsa | CoseAlgorithm::Ed25519 => PublicKey::Ed25519(eddsa::public_key(bytes)?),
            #[cfg(feature = "ml-dsa")]
            CoseAlgorithm::MlDsa44 => PublicKey::MlDsa44(mldsa::public_key::<MlDsa44, _>(bytes)?),
            #[cfg(feature = "ml-dsa")]
            CoseAlgorithm::MlDsa65 => PublicKey::MlDsa65(mldsa::public_key::<MlDsa65, _>(bytes)?),
        };
        KeyPair::from_parts(algorithm, private, public)
    }

    fn signer(&self, pair: &KeyPair) -> Result<Arc<dyn Signer>, CryptoError> {
        let private = pair.private().expose();
        Ok(match pair.public() {
            PublicKey::P256(_) => Arc::new(ecdsa::signer::<NistP256>(private)?),
            PublicKey::P384(_) => Arc::new(ecdsa::signer::<NistP384>(private)?),
            PublicKey::Ed25519(public) => Arc::new(eddsa::signer(private, public)?),
            #[cfg(feature = "ml-dsa")]
            PublicKey::MlDsa44(_) => Arc::new(mldsa::signer::<MlDsa44>(private)?),
            #[cfg(feature = "ml-dsa")]
            PublicKey::MlDsa65(_) => Arc::new(mldsa::signer::<MlDsa65>(private)?),
        })
    }

    /// Without a handle, which would be on the heap.
    fn sign(&self, pair: &KeyPair, message: &[&[u8]]) -> Result<Vec<u8>, CryptoError> {
        let private = pair.private().expose();
        match pair.public() {
            PublicKey::P256(_) => ecdsa::signer::<NistP256>(private)?.sign(message),
            PublicKey::P384(_) => ecdsa::signer::<NistP384>(private)?.sign(message),
            PublicKey::Ed25519(public) => eddsa::signer(private, public)?.sign(message),
            #[cfg(feature = "ml-dsa")]
            PublicKey::MlDsa44(_) => mldsa::signer::<MlDsa44>(private)?.sign(message),
            #[cfg(feature = "ml-dsa")]
            PublicKey::MlDsa65(_) => mldsa::signer::<MlDsa65>(private)?.sign(message),
        }
    }

    fn verify(
        &self,
        algorithm: CoseAlgorithm,
        key: &PublicKey,
        message: &[&[u8]],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        match key {
            _ if !key.is_for(algorithm) => Err(CryptoError),
            PublicKey::P256(point) => ecdsa::verify::<NistP256, _>(point, message, signature),
            PublicKey::P384(point) => ecdsa::verify::<NistP384, _>(point, message, signature),
            PublicKey::Ed25519(key) => eddsa::verify(key, message, signature),
            #[cfg(feature = "ml-dsa")]
            PublicKey::MlDsa44(key) => mldsa::verify::<MlDsa44>(key.as_slice(), message, signature),
            #[cfg(feature = "ml-dsa")]
            PublicKey::MlDsa65(key) => mldsa::verify::<MlDsa65>(key.as_slice(), message, signature),
        }
    }

    fn make_agreement_key(&self, rng: &mut dyn CryptoRng) -> Box<dyn AgreementKey> {
        loop {
            if let Ok(key) = ecdsa::agreement_key(&Secret::make_random(rng)) {
                return key;
            }
        }
    }
}
