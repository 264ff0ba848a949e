//! Public keys as `getPublicKey()` returns them: DER SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).

use alloc::vec::Vec;

use crate::{cbor::Item, cose::PublicKey};

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;

// The contents of AlgorithmIdentifiers.
/// RFC 5480: id-ecPublicKey, prime256v1.
const P256: &[u8] = &[
    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07,
];
/// RFC 5480: id-ecPublicKey, secp384r1.
const P384: &[u8] =
    &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
/// RFC 8410: id-Ed25519.
const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];
/// RFC 9881: id-ml-dsa-44.
#[cfg(feature = "ml-dsa")]
const ML_DSA_44: &[u8] = &[0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x11];
/// RFC 9881: id-ml-dsa-65.
#[cfg(feature = "ml-dsa")]
const ML_DSA_65: &[u8] = &[0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x12];

/// SEC 1 section 2.3.3: what stands before the coordinates of an uncompressed point.
const UNCOMPRESSED: &[u8] = &[0x04];

/// The SubjectPublicKeyInfo of a COSE_Key; `None` for algorithms that are not ours, for which WebAuthn allows `null`.
pub(super) fn subject_public_key_info(key: &Item<'_>) -> Option<Vec<u8>> {
    let (_, key) = PublicKey::from_cose(key)?;
    let (algorithm, before) = match key {
        PublicKey::P256(_) => (P256, UNCOMPRESSED),
        PublicKey::P384(_) => (P384, UNCOMPRESSED),
        PublicKey::Ed25519(_) => (ED25519, &[][..]),
        #[cfg(feature = "ml-dsa")]
        PublicKey::MlDsa44(_) => (ML_DSA_44, &[][..]),
        #[cfg(feature = "ml-dsa")]
        PublicKey::MlDsa65(_) => (ML_DSA_65, &[][..]),
    };
    let algorithm = der(SEQUENCE, &[algorithm])?;
    // A bit string begins with the number of bits that its last byte has too many.
    let key = der(BIT_STRING, &[&[0], before, &key.to_raw()])?;
    der(SEQUENCE, &[&algorithm, &key])
}

/// A DER element (X.690 section 8.1); `None` if it is longer than 65535 bytes.
fn der(tag: u8, content: &[&[u8]]) -> Option<Vec<u8>> {
    let content = content.concat();
    let [high, low] = u16::try_from(content.len()).ok()?.to_be_bytes();
    let length = match (high, low) {
        (0, 0..=0x7f) => &[low][..],
        (0, _) => &[0x81, low],
        _ => &[0x82, high, low],
    };
    Some([&[tag], length, &content].concat())
}
