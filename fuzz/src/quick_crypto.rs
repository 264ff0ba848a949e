//! A provider that costs next to nothing: what it computes has the shape of keys, signatures and shared secrets, and the
//! properties that the authenticator relies on, but no security. What is fuzzed with it is the state machine.

use std::sync::Arc;

use countersign::{
    cose::{CoseAlgorithm, P256Point, PublicKey},
    crypto::{AgreementKey, CryptoError, CryptoProvider, KeyPair, Signer, sha256, sha256_parts},
    rand_core::CryptoRng,
    secret::{Secret, SecretBytes},
};

/// Hashes in the place of curves.
pub(crate) struct QuickCrypto;

struct QuickKey([u8; 32]);

impl CryptoProvider for QuickCrypto {
    fn name(&self) -> &'static str {
        "quick"
    }

    fn make_key_pair(&self, algorithm: CoseAlgorithm, rng: &mut dyn CryptoRng) -> KeyPair {
        pair(algorithm, SecretBytes::make_random(algorithm.private_length(), rng))
    }

    fn import(&self, algorithm: CoseAlgorithm, private: SecretBytes) -> Result<KeyPair, CryptoError> {
        if private.expose().len() != algorithm.private_length() {
            return Err(CryptoError);
        }
        Ok(pair(algorithm, private))
    }

    fn signer(&self, pair: &KeyPair) -> Result<Arc<dyn Signer>, CryptoError> {
        Ok(Arc::new(QuickKey(sha256(&pair.public().to_raw()))))
    }

    fn verify(
        &self,
        _: CoseAlgorithm,
        key: &PublicKey,
        message: &[&[u8]],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        let expected = QuickKey(sha256(&key.to_raw())).sign(message)?;
        if expected == signature { Ok(()) } else { Err(CryptoError) }
    }

    fn make_agreement_key(&self, rng: &mut dyn CryptoRng) -> Box<dyn AgreementKey> {
        let private = Secret::make_random(rng);
        Box::new(QuickKey(*private.expose()))
    }
}

/// The public key's bytes are a hash of the private key's, as often as the algorithm has room for it.
fn pair(algorithm: CoseAlgorithm, private: SecretBytes) -> KeyPair {
    let mut raw = sha256_parts(&[b"public", private.expose()]).to_vec();
    let public = loop {
        if let Some(public) = PublicKey::from_raw(algorithm, &raw) {
            break public;
        }
        raw.extend_from_within(..32);
    };
    KeyPair::from_parts(algorithm, private, public).expect("halves of one algorithm")
}

impl Signer for QuickKey {
    fn sign(&self, message: &[&[u8]]) -> Result<Vec<u8>, CryptoError> {
        let parts = [&[self.0.as_slice()], message].concat();
        Ok(sha256_parts(&parts).repeat(2))
    }
}

impl AgreementKey for QuickKey {
    fn public(&self) -> P256Point {
        let x = sha256_parts(&[b"agreement", &self.0]);
        P256Point { x, y: x }
    }

    /// The same for both halves; a point with two different coordinates counts as off the curve.
    fn agree(&self, peer: &P256Point) -> Result<Secret<32>, CryptoError> {
        if peer.x != peer.y {
            return Err(CryptoError);
        }
        let own = self.public().x;
        Ok(Secret::init_with(|shared| *shared = std::array::from_fn(|index| own[index] ^ peer.x[index])))
    }
}
