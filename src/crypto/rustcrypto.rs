//! The portable provider: p256 and ed25519-dalek. Pure Rust, `no_std`.

use alloc::{boxed::Box, vec::Vec};

use ed25519_dalek::{VerifyingKey, hazmat};
use p256::{
    NistP256, NonZeroScalar,
    elliptic_curve::{ecdh::diffie_hellman, sec1::ToSec1Point},
};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroizing;

use super::{
    provider::{AgreementKey, CryptoError, CryptoProvider, KeyPair, Signer},
    symmetric::sha256_parts,
};
use crate::{
    cose::{CoseAlgorithm, P256Point, PublicKey},
    secret::Secret,
};

/// The default provider. ECDSA nonces are those of RFC 6979, and signatures are not low-S normalised: WebAuthn asks for
/// neither form, and the standard's own vectors carry high-S values.
#[derive(Debug, Clone, Copy, Default)]
pub struct RustCrypto;

impl CryptoProvider for RustCrypto {
    fn name(&self) -> &'static str {
        "RustCrypto (portable)"
    }

    fn make_key_pair(&self, algorithm: CoseAlgorithm, rng: &mut dyn CryptoRng) -> KeyPair {
        loop {
            if let Ok(pair) = self.import(algorithm, Secret::make_random(rng)) {
                return pair;
            }
        }
    }

    fn import(&self, algorithm: CoseAlgorithm, private: Secret<32>) -> Result<KeyPair, CryptoError> {
        let public = match algorithm {
            CoseAlgorithm::Es256 => PublicKey::P256(public_point(&scalar(&private)?)?),
            CoseAlgorithm::EdDsa => {
                let signing = ed25519_dalek::SigningKey::from_bytes(private.expose());
                PublicKey::Ed25519(signing.verifying_key().to_bytes())
            }
        };
        KeyPair::from_parts(algorithm, private, public)
    }

    fn signer(&self, pair: &KeyPair) -> Result<Box<dyn Signer>, CryptoError> {
        Ok(match pair.public() {
            PublicKey::P256(_) => Box::new(Es256Signer(Zeroizing::new(scalar(pair.private())?))),
            PublicKey::Ed25519(public) => Box::new(EdDsaSigner {
                expanded: hazmat::ExpandedSecretKey::from(pair.private().expose()),
                public: VerifyingKey::from_bytes(public).map_err(|_| CryptoError)?,
            }),
        })
    }

    fn verify(
        &self,
        algorithm: CoseAlgorithm,
        key: &PublicKey,
        message: &[&[u8]],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        match (algorithm, key) {
            (CoseAlgorithm::Es256, PublicKey::P256(point)) => {
                let key = public_key(point)?;
                let signature = ecdsa::Signature::<NistP256>::from_der(signature).map_err(|_| CryptoError)?;
                let digest = sha256_parts(message);
                ecdsa::hazmat::verify_prehashed::<NistP256>(&key.to_projective(), &digest, &signature)
                    .map_err(|_| CryptoError)
            }
            (CoseAlgorithm::EdDsa, PublicKey::Ed25519(key)) => {
                let key = VerifyingKey::from_bytes(key).map_err(|_| CryptoError)?;
                let signature = ed25519_dalek::Signature::from_slice(signature).map_err(|_| CryptoError)?;
                key.verify_strict(&message.concat(), &signature).map_err(|_| CryptoError)
            }
            _ => Err(CryptoError),
        }
    }

    fn make_agreement_key(&self, rng: &mut dyn CryptoRng) -> Box<dyn AgreementKey> {
        loop {
            let secret = Secret::make_random(rng);
            let Ok(scalar) = scalar(&secret) else { continue };
            if let Ok(public) = public_point(&scalar) {
                return Box::new(P256Agreement { scalar: Zeroizing::new(scalar), public });
            }
        }
    }
}

struct Es256Signer(Zeroizing<NonZeroScalar>);

impl Signer for Es256Signer {
    fn sign(&self, message: &[&[u8]]) -> Vec<u8> {
        let digest = sha256_parts(message);
        let (signature, _) = ecdsa::hazmat::sign_prehashed_rfc6979::<NistP256, Sha256>(&self.0, &digest, &[]);
        signature.to_der().as_bytes().to_vec()
    }
}

struct EdDsaSigner {
    expanded: hazmat::ExpandedSecretKey,
    public: VerifyingKey,
}

impl Signer for EdDsaSigner {
    fn sign(&self, message: &[&[u8]]) -> Vec<u8> {
        let update = |hash: &mut Sha512| {
            message.iter().for_each(|part| hash.update(part));
            Ok(())
        };
        // `update` never fails, and nothing else in it can.
        hazmat::raw_sign_byupdate::<Sha512, _>(&self.expanded, update, &self.public)
            .map_or_else(|_| Vec::new(), |signature| signature.to_bytes().to_vec())
    }
}

struct P256Agreement {
    scalar: Zeroizing<NonZeroScalar>,
    public: P256Point,
}

impl AgreementKey for P256Agreement {
    fn public(&self) -> P256Point {
        self.public
    }

    fn agree(&self, peer: &P256Point) -> Result<Secret<32>, CryptoError> {
        let shared = diffie_hellman(*self.scalar, public_key(peer)?.as_affine());
        Secret::from_slice(shared.raw_secret_bytes()).ok_or(CryptoError)
    }
}

fn scalar(private: &Secret<32>) -> Result<NonZeroScalar, CryptoError> {
    Option::from(NonZeroScalar::from_repr((*private.expose()).into())).ok_or(CryptoError)
}

fn public_point(scalar: &NonZeroScalar) -> Result<P256Point, CryptoError> {
    let encoded = p256::PublicKey::from_secret_scalar(scalar).to_sec1_point(false);
    match (encoded.x(), encoded.y()) {
        (Some(x), Some(y)) => Ok(P256Point { x: (*x).into(), y: (*y).into() }),
        _ => Err(CryptoError),
    }
}

/// Refuses coordinates beyond the field and points off the curve.
fn public_key(point: &P256Point) -> Result<p256::PublicKey, CryptoError> {
    let mut encoded = [4u8; 65];
    for (target, byte) in encoded.iter_mut().skip(1).zip(point.x.iter().chain(&point.y)) {
        *target = *byte;
    }
    p256::PublicKey::from_sec1_bytes(&encoded).map_err(|_| CryptoError)
}
