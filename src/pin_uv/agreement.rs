//! Key agreement: the authenticator's half and the platform's.

use alloc::boxed::Box;

use rand_core::CryptoRng;

use super::protocol::{PinUvAuthProtocol, SharedSecret};
use crate::{
    cose::P256Point,
    crypto::{AgreementKey, CryptoError, CryptoProvider},
};

/// The authenticator's key-agreement key pair. One pair serves both protocols.
pub struct KeyAgreement(Box<dyn AgreementKey>);

impl KeyAgreement {
    /// `regenerate()`: "Generate a fresh, random P-256 private key, x, and compute the associated public point." Draws
    /// as [`CryptoProvider::make_agreement_key`] does.
    pub fn make(provider: &dyn CryptoProvider, rng: &mut dyn CryptoRng) -> Self {
        Self(provider.make_agreement_key(rng))
    }

    /// `getPublicKey()`: the point that `xB` is; [`P256Point::write_key_agreement`] writes its COSE_Key.
    pub fn public_key(&self) -> P256Point {
        self.0.public()
    }

    /// `decapsulate(peerCoseKey)`: "Return `ecdh(peerCoseKey)`." Refused: a peer that is not on the curve.
    pub fn decapsulate(
        &self,
        protocol: PinUvAuthProtocol,
        peer: &P256Point,
    ) -> Result<SharedSecret, CryptoError> {
        // ecdh(peerCoseKey):
        // 1. Parse peerCoseKey [...] to produce a P-256 point, Y. If unsuccessful, or if the resulting point is not on
        //    the curve, return error.
        // 2. Calculate xY, the shared point.
        // 3. Let Z be the 32-byte, big-endian encoding of the x-coordinate of the shared point.
        // 4. Return kdf(Z).
        Ok(protocol.kdf(&self.0.agree(peer)?))
    }
}

/// The platform's half, `encapsulate(peerCoseKey)`: makes a key pair, of which the public key goes to the authenticator,
/// and the secret that both will share. Draws as [`CryptoProvider::make_agreement_key`] does. Refused: a peer that is
/// not on the curve.
pub fn encapsulate(
    provider: &dyn CryptoProvider,
    protocol: PinUvAuthProtocol,
    peer: &P256Point,
    rng: &mut dyn CryptoRng,
) -> Result<(P256Point, SharedSecret), CryptoError> {
    // 1. Let sharedSecret be the result of calling ecdh(peerCoseKey). Any resulting error is returned as the result of
    //    encapsulate().
    // 2. Return (getPublicKey(), sharedSecret).
    let key = KeyAgreement::make(provider, rng);
    let shared_secret = key.decapsulate(protocol, peer)?;
    Ok((key.public_key(), shared_secret))
}
