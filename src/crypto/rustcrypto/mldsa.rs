//! ML-DSA (FIPS 204): pure, with an empty context (RFC 9964), in the deterministic variant.

use alloc::{boxed::Box, vec::Vec};

use ml_dsa::{
    MlDsaParams, Signature, SigningKey, VerifyingKey,
    signature::{Keypair, MultipartSigner, MultipartVerifier},
};

use crate::crypto::provider::{CryptoError, Signer};

/// The public key of a 32-byte seed (KeyGen_internal), encoded.
pub(super) fn public_key<P: MlDsaParams, const N: usize>(seed: &[u8]) -> Result<Box<[u8; N]>, CryptoError> {
    let encoded = signing_key::<P>(seed)?.verifying_key().encode();
    Ok(Box::new(encoded.as_slice().try_into().map_err(|_| CryptoError)?))
}

struct MlDsaSigner<P: MlDsaParams>(SigningKey<P>);

pub(super) fn signer<P: MlDsaParams + 'static>(seed: &[u8]) -> Result<impl Signer + 'static, CryptoError> {
    Ok(MlDsaSigner::<P>(signing_key(seed)?))
}

impl<P: MlDsaParams> Signer for MlDsaSigner<P> {
    fn sign(&self, message: &[&[u8]]) -> Result<Vec<u8>, CryptoError> {
        // It fails for a context that is too long, and ours is empty; or when more nonces in a row are rejected than FIPS
        // 204 appendix C bounds, with a probability below 2^-256.
        let signature = self.0.try_multipart_sign(message).map_err(|_| CryptoError)?;
        Ok(signature.encode().to_vec())
    }
}

pub(super) fn verify<P: MlDsaParams>(
    key: &[u8],
    message: &[&[u8]],
    signature: &[u8],
) -> Result<(), CryptoError> {
    let key = VerifyingKey::<P>::decode(key.try_into().map_err(|_| CryptoError)?);
    let signature = Signature::<P>::try_from(signature).map_err(|_| CryptoError)?;
    key.multipart_verify(message, &signature).map_err(|_| CryptoError)
}

fn signing_key<P: MlDsaParams>(seed: &[u8]) -> Result<SigningKey<P>, CryptoError> {
    Ok(SigningKey::from_seed(seed.try_into().map_err(|_| CryptoError)?))
}
