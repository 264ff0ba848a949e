//! AWS-LC: C around the formally verified assembler of s2n-bignum.
//!
//! It serves ECDSA on P-256 and P-384, key agreement on P-256, Ed25519 signatures and, with feature `ml-dsa`, ML-DSA-44 and
//! ML-DSA-65. The verification of Ed25519 is `RustCrypto`'s, which does it more strictly (no key and no R of small order),
//! so that all providers call the same signatures valid.

use std::sync::Arc;

#[cfg(feature = "ml-dsa")]
use aws_lc_rs::signature::{ML_DSA_44, ML_DSA_44_SIGNING, ML_DSA_65, ML_DSA_65_SIGNING, PqdsaKeyPair};
use aws_lc_rs::{
    agreement::{self, ECDH_P256, ECDH_P384, UnparsedPublicKey as Peer},
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1,
        ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
        UnparsedPublicKey, VerificationAlgorithm,
    },
};
use countersign::{
    cose::{CoseAlgorithm, EcPoint, P256Point, PublicKey},
    crypto::{AgreementKey, CryptoError, CryptoProvider, KeyPair, ProviderConstants, RustCrypto, Signer},
    rand_core::CryptoRng,
    secret::{Secret, SecretBytes},
};

use super::sec1;

/// The provider on top of AWS-LC. It finds out by itself what the processor has.
///
/// ECDSA nonces and the randomness of hedged ML-DSA are AWS-LC's own; where the operating system gives it none, it ends
/// the process. AWS-LC wipes all memory that it gives back, keys and what it computed from them included.
#[derive(Debug, Clone, Copy, Default)]
pub struct AwsLc;

impl ProviderConstants for AwsLc {
    const ECDSA_DRAWS_OWN_NONCES: bool = true;
    const ML_DSA_IS_HEDGED: bool = true;
}

impl CryptoProvider for AwsLc {
    fn name(&self) -> &'static str {
        if cfg!(feature = "aws-lc-rs-fips") { "aws-lc-rs (FIPS)" } else { "aws-lc-rs" }
    }

    fn import(&self, algorithm: CoseAlgorithm, private: SecretBytes) -> Result<KeyPair, CryptoError> {
        let bytes = private.expose();
        let public = match algorithm {
            CoseAlgorithm::Es256 | CoseAlgorithm::Esp256 => {
                PublicKey::P256(public_point(&ec_key(&ECDH_P256, bytes)?)?)
            }
            CoseAlgorithm::Es384 | CoseAlgorithm::Esp384 => {
                PublicKey::P384(Box::new(public_point(&ec_key(&ECDH_P384, bytes)?)?))
            }
            CoseAlgorithm::EdDsa | CoseAlgorithm::Ed25519 => {
                let key = Ed25519KeyPair::from_seed_unchecked(bytes).map_err(|_| CryptoError)?;
                PublicKey::Ed25519(key.public_key().as_ref().try_into().map_err(|_| CryptoError)?)
            }
            #[cfg(feature = "ml-dsa")]
            CoseAlgorithm::MlDsa44 => ml_dsa_public(algorithm, &ML_DSA_44_SIGNING, bytes)?,
            #[cfg(feature = "ml-dsa")]
            CoseAlgorithm::MlDsa65 => ml_dsa_public(algorithm, &ML_DSA_65_SIGNING, bytes)?,
            _ => return RustCrypto.import(algorithm, private),
        };
        KeyPair::from_parts(algorithm, private, public)
    }

    fn signer(&self, pair: &KeyPair) -> Result<Arc<dyn Signer>, CryptoError> {
        let private = pair.private().expose();
        match pair.public() {
            PublicKey::P256(public) => ecdsa_signer(&P256, private, public),
            PublicKey::P384(public) => ecdsa_signer(&P384, private, public),
            PublicKey::Ed25519(public) => {
                // Refuses a pair whose halves do not belong together.
                let key = Ed25519KeyPair::from_seed_and_public_key(private, public);
                Ok(Arc::new(EdDsaSigner(key.map_err(|_| CryptoError)?)))
            }
            #[cfg(feature = "ml-dsa")]
            PublicKey::MlDsa44(_) => ml_dsa_signer(&ML_DSA_44_SIGNING, private),
            #[cfg(feature = "ml-dsa")]
            PublicKey::MlDsa65(_) => ml_dsa_signer(&ML_DSA_65_SIGNING, private),
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
            PublicKey::P256(point) => {
                verify(&ECDSA_P256_SHA256_ASN1, &sec1::encode(point), message, signature)
            }
            PublicKey::P384(point) => {
                verify(&ECDSA_P384_SHA384_ASN1, &sec1::encode(point), message, signature)
            }
            #[cfg(feature = "ml-dsa")]
            PublicKey::MlDsa44(key) => verify(&ML_DSA_44, key.as_slice(), message, signature),
            #[cfg(feature = "ml-dsa")]
            PublicKey::MlDsa65(key) => verify(&ML_DSA_65, key.as_slice(), message, signature),
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
fn ec_key(
    algorithm: &'static agreement::Algorithm,
    private: &[u8],
) -> Result<agreement::PrivateKey, CryptoError> {
    agreement::PrivateKey::from_private_key(algorithm, private).map_err(|_| CryptoError)
}

fn public_point<const N: usize>(key: &agreement::PrivateKey) -> Result<EcPoint<N>, CryptoError> {
    sec1::decode(key.compute_public_key().map_err(|_| CryptoError)?.as_ref())
}

fn verify(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    message: &[&[u8]],
    signature: &[u8],
) -> Result<(), CryptoError> {
    UnparsedPublicKey::new(algorithm, key).verify(&message.concat(), signature).map_err(|_| CryptoError)
}

/// ECDSA on one curve, and the frame of its RFC 5915 private keys: what stands before the
/// scalar, and what stands between it and the point.
struct Ecdsa {
    algorithm: &'static EcdsaSigningAlgorithm,
    before_scalar: &'static [u8],
    before_point: &'static [u8],
}

const P256: Ecdsa = Ecdsa {
    algorithm: &ECDSA_P256_SHA256_ASN1_SIGNING,
    // ECPrivateKey { version 1, privateKey, parameters [0] prime256v1, publicKey [1] }
    before_scalar: b"\x30\x77\x02\x01\x01\x04\x20",
    before_point: b"\xa0\x0a\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\xa1\x44\x03\x42\x00",
};

const P384: Ecdsa = Ecdsa {
    algorithm: &ECDSA_P384_SHA384_ASN1_SIGNING,
    // Likewise, with secp384r1.
    before_scalar: b"\x30\x81\xa4\x02\x01\x01\x04\x30",
    before_point: b"\xa0\x07\x06\x05\x2b\x81\x04\x00\x22\xa1\x64\x03\x62\x00",
};

struct EcdsaSigner(EcdsaKeyPair);

/// Refuses a pair whose halves do not belong together. In this form AWS-LC computes the public half once, for that check;
/// from the halves apart it does so twice.
fn ecdsa_signer<const N: usize>(
    curve: &Ecdsa,
    private: &[u8],
    public: &EcPoint<N>,
) -> Result<Arc<dyn Signer>, CryptoError> {
    let point = sec1::encode(public);
    let framed = SecretBytes::new([curve.before_scalar, private, curve.before_point, &point].concat());
    let key = EcdsaKeyPair::from_private_key_der(curve.algorithm, framed.expose());
    Ok(Arc::new(EcdsaSigner(key.map_err(|_| CryptoError)?)))
}

impl Signer for EcdsaSigner {
    fn sign(&self, message: &[&[u8]]) -> Result<Vec<u8>, CryptoError> {
        // The source of randomness that it wants is ignored. Fails without memory.
        let signature = self.0.sign(&SystemRandom::new(), &message.concat());
        signature.map(|signature| signature.as_ref().to_vec()).map_err(|_| CryptoError)
    }
}

struct EdDsaSigner(Ed25519KeyPair);

impl Signer for EdDsaSigner {
    fn sign(&self, message: &[&[u8]]) -> Result<Vec<u8>, CryptoError> {
        // Fails without memory.
        self.0
            .try_sign(&message.concat())
            .map(|signature| signature.as_ref().to_vec())
            .map_err(|_| CryptoError)
    }
}

#[cfg(feature = "ml-dsa")]
type MlDsaAlgorithm = &'static aws_lc_rs::signature::PqdsaSigningAlgorithm;

#[cfg(feature = "ml-dsa")]
fn ml_dsa_key(with: MlDsaAlgorithm, seed: &[u8]) -> Result<PqdsaKeyPair, CryptoError> {
    PqdsaKeyPair::from_seed(with, seed).map_err(|_| CryptoError)
}

#[cfg(feature = "ml-dsa")]
fn ml_dsa_public(
    algorithm: CoseAlgorithm,
    with: MlDsaAlgorithm,
    seed: &[u8],
) -> Result<PublicKey, CryptoError> {
    let key = ml_dsa_key(with, seed)?;
    PublicKey::from_raw(algorithm, key.public_key().as_ref()).ok_or(CryptoError)
}

#[cfg(feature = "ml-dsa")]
fn ml_dsa_signer(with: MlDsaAlgorithm, seed: &[u8]) -> Result<Arc<dyn Signer>, CryptoError> {
    Ok(Arc::new(MlDsaSigner(ml_dsa_key(with, seed)?)))
}

#[cfg(feature = "ml-dsa")]
struct MlDsaSigner(PqdsaKeyPair);

#[cfg(feature = "ml-dsa")]
impl Signer for MlDsaSigner {
    fn sign(&self, message: &[&[u8]]) -> Result<Vec<u8>, CryptoError> {
        let mut signature = vec![0; self.0.algorithm().signature_len()];
        // Fails without memory, or when more nonces in a row are rejected than there ever are.
        match self.0.sign(&message.concat(), &mut signature) {
            Ok(_) => Ok(signature),
            Err(_) => Err(CryptoError),
        }
    }
}

struct P256Agreement {
    key: agreement::PrivateKey,
    public: P256Point,
}

impl P256Agreement {
    fn new(private: &Secret<32>) -> Result<Self, CryptoError> {
        let key = ec_key(&ECDH_P256, private.expose())?;
        let public = public_point(&key)?;
        Ok(Self { key, public })
    }
}

impl AgreementKey for P256Agreement {
    fn public(&self) -> P256Point {
        self.public
    }

    fn agree(&self, peer: &P256Point) -> Result<Secret<32>, CryptoError> {
        let peer = Peer::new(&ECDH_P256, sec1::encode(peer));
        agreement::agree(&self.key, peer, CryptoError, |shared| Secret::from_slice(shared).ok_or(CryptoError))
    }
}
