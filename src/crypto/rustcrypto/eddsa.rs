//! Ed25519 (RFC 8032).

use alloc::vec::Vec;

use curve25519_dalek::{EdwardsPoint, Scalar};
use ed25519_dalek::{Signature, SigningKey, VerifyingKey, hazmat::ExpandedSecretKey};
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use crate::crypto::provider::{CryptoError, Signer};

pub(super) fn public_key(seed: &[u8]) -> Result<[u8; 32], CryptoError> {
    let signing = SigningKey::try_from(seed).map_err(|_| CryptoError)?;
    Ok(signing.verifying_key().to_bytes())
}

/// Signing needs the public key as bytes only, and takes those that were sealed together with the seed. The crate's own
/// signing would have them as a point, for which a square root is taken each time that a key is loaded.
struct EdDsaSigner {
    expanded: ExpandedSecretKey,
    public: [u8; 32],
}

pub(super) fn signer(seed: &[u8], public: &[u8; 32]) -> Result<impl Signer + 'static, CryptoError> {
    let seed: &[u8; 32] = seed.try_into().map_err(|_| CryptoError)?;
    Ok(EdDsaSigner { expanded: ExpandedSecretKey::from(seed), public: *public })
}

impl Signer for EdDsaSigner {
    /// RFC 8032 section 5.1.6, steps 2 to 6, with an empty dom2 and PH the identity.
    #[allow(
        clippy::arithmetic_side_effects,
        reason = "scalars are added and multiplied modulo the group order"
    )]
    fn sign(&self, message: &[&[u8]]) -> Vec<u8> {
        let nonce = Zeroizing::new(hash_to_scalar(&[&self.expanded.hash_prefix], message));
        let commitment = EdwardsPoint::mul_base(&nonce).compress().to_bytes();
        let challenge = hash_to_scalar(&[&commitment, &self.public], message);
        let response = challenge * self.expanded.scalar + *nonce;
        [commitment, response.to_bytes()].concat()
    }
}

/// SHA-512 of the parts, as a little-endian integer modulo the group order.
fn hash_to_scalar(prefix: &[&[u8; 32]], message: &[&[u8]]) -> Scalar {
    let hash = prefix.iter().fold(Sha512::new(), |hash, part| hash.chain_update(part));
    let hash = message.iter().fold(hash, |hash, part| hash.chain_update(part));
    let wide = Zeroizing::new(<[u8; 64]>::from(hash.finalize()));
    Scalar::from_bytes_mod_order_wide(&wide)
}

pub(super) fn verify(key: &[u8; 32], message: &[&[u8]], signature: &[u8]) -> Result<(), CryptoError> {
    let key = VerifyingKey::from_bytes(key).map_err(|_| CryptoError)?;
    let signature = Signature::from_slice(signature).map_err(|_| CryptoError)?;
    key.verify_strict(&message.concat(), &signature).map_err(|_| CryptoError)
}
