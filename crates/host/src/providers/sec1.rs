//! Uncompressed points (SEC 1 section 2.3.3): 04 || x || y.

use countersign::{cose::EcPoint, crypto::CryptoError};

pub(super) fn encode<const N: usize>(point: &EcPoint<N>) -> Vec<u8> {
    [&[4], point.x.as_slice(), &point.y].concat()
}

pub(super) fn decode<const N: usize>(encoded: &[u8]) -> Result<EcPoint<N>, CryptoError> {
    let coordinates = encoded.strip_prefix(&[4]).ok_or(CryptoError)?;
    EcPoint::from_raw(coordinates).ok_or(CryptoError)
}
