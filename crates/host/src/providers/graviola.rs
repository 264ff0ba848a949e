//! Graviola: Rust around the formally verified assembler of s2n-bignum.
//!
//! It serves ECDSA on P-256 and P-384, key agreement on P-256, and Ed25519 signatures. Two things are `RustCrypto`'s:
//! ML-DSA, which it does not have, and the verification of Ed25519, which the portable provider does more strictly (no key
//! and no R of small order), so that all providers call the same signatures valid.

use std::{marker::PhantomData, sync::Arc};

use countersign::{
    cose::{CoseAlgorithm, P256Point, PublicKey},
    crypto::{AgreementKey, CryptoError, CryptoProvider, KeyPair, ProviderConstants, RustCrypto, Signer},
    rand_core::CryptoRng,
    secret::{Secret, SecretBytes},
};
use graviola::{
    hashing::{Hash, Sha256, Sha384},
    key_agreement::{p256, p384},
    signing::{
        ecdsa::{Curve, P256, P384, SigningKey, VerifyingKey},
        eddsa::Ed25519SigningKey,
    },
    util::is_cpu_supported,
};

use super::sec1;

/// The provider on top of graviola. A value of it is the proof that this processor has what the assembler needs: every
/// function of graviola panics on another one.
///
/// ECDSA nonces are those of RFC 6979 with 16 bytes of the operating system's randomness mixed in (its section 3.6), so
/// bad randomness gives no key away. If there is none at all, the signature is empty, and nobody accepts it. Scalars, seeds
/// and shared secrets are wiped when dropped, and vector registers when a function that saw a secret returns.
#[derive(Debug, Clone, Copy)]
pub struct Graviola(());

impl Graviola {
    /// The provider, if this processor has AES, PCLMULQDQ, BMI1, ADX, AVX and AVX2 (x86-64), or AES, SHA-2, PMULL and NEON
    /// (aarch64).
    pub fn detect() -> Option<Self> {
        is_cpu_supported().then_some(Self(()))
    }
}

impl ProviderConstants for Graviola {
    const ECDSA_DRAWS_OWN_NONCES: bool = true;
    const ML_DSA_IS_HEDGED: bool = RustCrypto::ML_DSA_IS_HEDGED;
}

impl CryptoProvider for Graviola {
    fn name(&self) -> &'static str {
        "graviola"
    }

    fn import(&self, algorithm: CoseAlgorithm, private: SecretBytes) -> Result<KeyPair, CryptoError> {
        let bytes = private.expose();
        let public = match algorithm {
            CoseAlgorithm::Es256 | CoseAlgorithm::Esp256 => {
                PublicKey::P256(sec1::decode(&p256_key(bytes)?.public_key_uncompressed())?)
            }
            CoseAlgorithm::Es384 | CoseAlgorithm::Esp384 => {
                PublicKey::P384(Box::new(sec1::decode(&p384_key(bytes)?.public_key_uncompressed())?))
            }
            CoseAlgorithm::EdDsa | CoseAlgorithm::Ed25519 => {
                PublicKey::Ed25519(ed25519_key(bytes)?.public_key().as_bytes())
            }
            _ => return RustCrypto.import(algorithm, private),
        };
        KeyPair::from_parts(algorithm, private, public)
    }

    fn signer(&self, pair: &KeyPair) -> Result<Arc<dyn Signer>, CryptoError> {
        let private = pair.private().expose();
        match pair.public() {
            PublicKey::P256(_) => {
                Ok(Arc::new(EcdsaSigner::<P256, Sha256>::new(SigningKey { private_key: p256_key(private)? })))
            }
            PublicKey::P384(_) => {
                Ok(Arc::new(EcdsaSigner::<P384, Sha384>::new(SigningKey { private_key: p384_key(private)? })))
            }
            PublicKey::Ed25519(public) => {
                // It signs with the public key that it derives; a pair whose halves do not belong together is none.
                let key = ed25519_key(private)?;
                if key.public_key().as_bytes() != *public {
                    return Err(CryptoError);
                }
                Ok(Arc::new(EdDsaSigner(key)))
            }
            _ => RustCrypto.signer(pair),
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
            PublicKey::P256(point) => verify::<P256, Sha256>(&sec1::encode(point), message, signature),
            PublicKey::P384(point) => verify::<P384, Sha384>(&sec1::encode(point), message, signature),
            _ => RustCrypto.verify(algorithm, key, message, signature),
        }
    }

    fn make_agreement_key(&self, rng: &mut dyn CryptoRng) -> Box<dyn AgreementKey> {
        loop {
            if let Ok(key) = P256Agreement::new(&Secret::make_random(rng)) {
                return Box::new(key);
            }
        }
    }
}

/// Refused: zero, and what is not below the group order.
fn p256_key(private: &[u8]) -> Result<p256::StaticPrivateKey, CryptoError> {
    p256::StaticPrivateKey::from_bytes(private).map_err(|_| CryptoError)
}

fn p384_key(private: &[u8]) -> Result<p384::StaticPrivateKey, CryptoError> {
    p384::StaticPrivateKey::from_bytes(private).map_err(|_| CryptoError)
}

fn ed25519_key(seed: &[u8]) -> Result<Ed25519SigningKey, CryptoError> {
    Ed25519SigningKey::from_bytes(seed).map_err(|_| CryptoError)
}

fn verify<C: Curve, H: Hash>(key: &[u8], message: &[&[u8]], signature: &[u8]) -> Result<(), CryptoError> {
    let key = VerifyingKey::<C>::from_x962_uncompressed(key).map_err(|_| CryptoError)?;
    key.verify_asn1::<H>(message, signature).map_err(|_| CryptoError)
}

/// The longest ECDSA-Sig-Value on P-384.
const LONGEST_SIGNATURE: usize = 104;

struct EcdsaSigner<C: Curve, H>(SigningKey<C>, PhantomData<fn() -> H>);

impl<C: Curve, H> EcdsaSigner<C, H> {
    fn new(key: SigningKey<C>) -> Self {
        Self(key, PhantomData)
    }
}

impl<C: Curve, H: Hash> Signer for EcdsaSigner<C, H>
where
    C::PrivateKey: Send + Sync,
{
    fn sign(&self, message: &[&[u8]]) -> Result<Vec<u8>, CryptoError> {
        let mut signature = [0; LONGEST_SIGNATURE];
        // Fails when the operating system has no randomness to give.
        self.0.sign_asn1::<H>(message, &mut signature).map(<[u8]>::to_vec).map_err(|_| CryptoError)
    }
}

struct EdDsaSigner(Ed25519SigningKey);

impl Signer for EdDsaSigner {
    fn sign(&self, message: &[&[u8]]) -> Result<Vec<u8>, CryptoError> {
        Ok(self.0.sign(&message.concat()).to_vec())
    }
}

struct P256Agreement {
    key: p256::StaticPrivateKey,
    public: P256Point,
}

impl P256Agreement {
    fn new(private: &Secret<32>) -> Result<Self, CryptoError> {
        let key = p256_key(private.expose())?;
        let public = sec1::decode(&key.public_key_uncompressed())?;
        Ok(Self { key, public })
    }
}

impl AgreementKey for P256Agreement {
    fn public(&self) -> P256Point {
        self.public
    }

    fn agree(&self, peer: &P256Point) -> Result<Secret<32>, CryptoError> {
        let peer = p256::PublicKey::from_x962_uncompressed(&sec1::encode(peer)).map_err(|_| CryptoError)?;
        let shared = self.key.diffie_hellman(&peer).map_err(|_| CryptoError)?;
        Secret::from_slice(&shared.0).ok_or(CryptoError)
    }
}
