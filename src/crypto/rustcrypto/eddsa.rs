//! Ed25519 (RFC 8032).

use alloc::vec::Vec;

use ed25519_dalek::{
    Signature, SigningKey, VerifyingKey,
    hazmat::{ExpandedSecretKey, raw_sign_byupdate},
};
use sha2::{Digest, Sha512};

use crate::crypto::provider::{CryptoError, Signer};

pub(super) fn public_key(seed: &[u8]) -> Result<[u8; 32], CryptoError> {
    let signing = SigningKey::try_from(seed).map_err(|_| CryptoError)?;
    Ok(signing.verifying_key().to_bytes())
}

/// The key is expanded once. So is the public key, for which a square root is taken: worth a kept handle
/// ([`Signer`]) where many signatures follow.
struct EdDsaSigner {
    expanded: ExpandedSecretKey,
    public: VerifyingKey,
}

pub(super) fn signer(seed: &[u8], public: &[u8; 32]) -> Result<impl Signer + 'static, CryptoError> {
    let seed: &[u8; 32] = seed.try_into().map_err(|_| CryptoError)?;
    Ok(EdDsaSigner {
        expanded: ExpandedSecretKey::from(seed),
        public: VerifyingKey::from_bytes(public).map_err(|_| CryptoError)?,
    })
}

impl Signer for EdDsaSigner {
    fn sign(&self, message: &[&[u8]]) -> Result<Vec<u8>, CryptoError> {
        let update = |hash: &mut Sha512| {
            message.iter().for_each(|part| hash.update(part));
            Ok(())
        };
        // `update` never fails, and nothing else in it can.
        raw_sign_byupdate::<Sha512, _>(&self.expanded, update, &self.public)
            .map(|signature| signature.to_bytes().to_vec())
            .map_err(|_| CryptoError)
    }
}

pub(super) fn verify(key: &[u8; 32], message: &[&[u8]], signature: &[u8]) -> Result<(), CryptoError> {
    let key = VerifyingKey::from_bytes(key).map_err(|_| CryptoError)?;
    let signature = Signature::from_slice(signature).map_err(|_| CryptoError)?;
    key.verify_strict(&message.concat(), &signature).map_err(|_| CryptoError)
}
