//! ECDSA (FIPS 186-5) with the nonces of RFC 6979 on the curves P-256 and P-384, each with the hash of its length, and
//! key agreement on P-256.

use alloc::{boxed::Box, vec::Vec};
use core::ops::Add;

use ::ecdsa::{
    DigestAlgorithm, Signature, der,
    elliptic_curve::{
        AffinePoint, CurveArithmetic, FieldBytes, FieldBytesSize, NonZeroScalar, PublicKey,
        array::ArraySize,
        ecdh::diffie_hellman,
        sec1::{FromSec1Point, ModulusSize, ToSec1Point},
    },
    hazmat::{sign_prehashed_rfc6979, verify_prehashed},
};
use p256::NistP256;
use sha2::Digest;
use zeroize::Zeroizing;

use crate::{
    cose::{EcPoint, P256Point},
    crypto::provider::{AgreementKey, CryptoError, Signer},
    secret::Secret,
};

/// A private key. Refused: zero, what is not below the group order, another length.
pub(super) fn scalar<C: CurveArithmetic>(private: &[u8]) -> Result<NonZeroScalar<C>, CryptoError> {
    let bytes = FieldBytes::<C>::try_from(private).map_err(|_| CryptoError)?;
    Option::from(NonZeroScalar::from_repr(bytes)).ok_or(CryptoError)
}

pub(super) fn public_point<C, const N: usize>(scalar: &NonZeroScalar<C>) -> Result<EcPoint<N>, CryptoError>
where
    C: CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let encoded = PublicKey::<C>::from_secret_scalar(scalar).to_sec1_point(false);
    // SEC 1 section 2.3.3: 04 || x || y.
    let (_, coordinates) = encoded.as_bytes().split_first().ok_or(CryptoError)?;
    EcPoint::from_raw(coordinates).ok_or(CryptoError)
}

/// Refuses coordinates beyond the field and points off the curve.
fn public_key<C, const N: usize>(point: &EcPoint<N>) -> Result<PublicKey<C>, CryptoError>
where
    C: CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let encoded = [&[4], point.x.as_slice(), &point.y].concat();
    PublicKey::from_sec1_bytes(&encoded).map_err(|_| CryptoError)
}

/// The hash of a message in parts.
fn digest<D: Digest>(message: &[&[u8]]) -> impl AsRef<[u8]> {
    message.iter().fold(D::new(), |hash, part| hash.chain_update(part)).finalize()
}

struct EcdsaSigner<C: CurveArithmetic>(Zeroizing<NonZeroScalar<C>>);

pub(super) fn signer<C>(private: &[u8]) -> Result<impl Signer + 'static, CryptoError>
where
    C: CurveArithmetic + DigestAlgorithm,
    der::MaxSize<C>: ArraySize,
    <FieldBytesSize<C> as Add>::Output: Add<der::MaxOverhead> + ArraySize,
{
    Ok(EcdsaSigner::<C>(Zeroizing::new(scalar(private)?)))
}

impl<C> Signer for EcdsaSigner<C>
where
    C: CurveArithmetic + DigestAlgorithm,
    der::MaxSize<C>: ArraySize,
    <FieldBytesSize<C> as Add>::Output: Add<der::MaxOverhead> + ArraySize,
{
    fn sign(&self, message: &[&[u8]]) -> Result<Vec<u8>, CryptoError> {
        let digest = digest::<C::Digest>(message);
        let (signature, _) = sign_prehashed_rfc6979::<C, C::Digest>(&self.0, digest.as_ref(), &[]);
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

pub(super) fn verify<C, const N: usize>(
    key: &EcPoint<N>,
    message: &[&[u8]],
    signature: &[u8],
) -> Result<(), CryptoError>
where
    C: CurveArithmetic + DigestAlgorithm,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    der::MaxSize<C>: ArraySize,
    FieldBytesSize<C>: ModulusSize,
    <FieldBytesSize<C> as Add>::Output: Add<der::MaxOverhead> + ArraySize,
{
    let key = public_key::<C, N>(key)?;
    let signature = Signature::<C>::from_der(signature).map_err(|_| CryptoError)?;
    let digest = digest::<C::Digest>(message);
    verify_prehashed(&key.to_projective(), digest.as_ref(), &signature).map_err(|_| CryptoError)
}

struct P256Agreement {
    scalar: Zeroizing<NonZeroScalar<NistP256>>,
    public: P256Point,
}

pub(super) fn agreement_key(private: &Secret<32>) -> Result<Box<dyn AgreementKey>, CryptoError> {
    let scalar = Zeroizing::new(scalar(private.expose())?);
    let public = public_point(&scalar)?;
    Ok(Box::new(P256Agreement { scalar, public }))
}

impl AgreementKey for P256Agreement {
    fn public(&self) -> P256Point {
        self.public
    }

    fn agree(&self, peer: &P256Point) -> Result<Secret<32>, CryptoError> {
        let shared = diffie_hellman(*self.scalar, public_key::<NistP256, 32>(peer)?.as_affine());
        Secret::from_slice(shared.raw_secret_bytes()).ok_or(CryptoError)
    }
}
