//! COSE algorithms and public keys (RFC 9052, RFC 9053; CTAP 2.3 section 6.5.6 for key agreement).

use alloc::vec::Vec;

use crate::cbor::{Item, Writer};

/// A COSE algorithm that this crate signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CoseAlgorithm {
    /// -7: ECDSA with SHA-256; on P-256, as WebAuthn fixes it.
    Es256,
    /// -8: EdDSA; on Ed25519, as WebAuthn fixes it.
    EdDsa,
}

impl CoseAlgorithm {
    /// The identifier in the IANA COSE registry.
    pub const fn identifier(self) -> i64 {
        match self {
            Self::Es256 => -7,
            Self::EdDsa => -8,
        }
    }

    /// The algorithm of that identifier, if it is one of ours.
    pub const fn from_identifier(identifier: i64) -> Option<Self> {
        match identifier {
            -7 => Some(Self::Es256),
            -8 => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// A point on P-256, affine and uncompressed. Not yet checked to be on the curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct P256Point {
    /// The x coordinate, big endian.
    pub x: [u8; 32],
    /// The y coordinate, big endian.
    pub y: [u8; 32],
}

/// The public half of a credential key pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicKey {
    /// For [`CoseAlgorithm::Es256`].
    P256(P256Point),
    /// For [`CoseAlgorithm::EdDsa`]: the 32-byte encoding of RFC 8032.
    Ed25519([u8; 32]),
}

impl PublicKey {
    /// Writes the COSE_Key with the algorithm that was negotiated: {1: kty, 3: alg, -1: crv, -2: x, -3: y}.
    pub fn write_cose(&self, algorithm: CoseAlgorithm, writer: &mut Writer) {
        match self {
            Self::P256(point) => write_ec2(writer, algorithm.identifier(), point),
            Self::Ed25519(x) => {
                writer.map(4).unsigned(1).unsigned(KTY_OKP);
                writer.unsigned(3).integer(algorithm.identifier());
                writer.integer(-1).unsigned(CRV_ED25519);
                writer.integer(-2).bytes(x);
            }
        }
    }

    /// The COSE_Key as bytes.
    pub fn to_cose(&self, algorithm: CoseAlgorithm) -> Vec<u8> {
        let mut writer = Writer::with_capacity(96);
        self.write_cose(algorithm, &mut writer);
        writer.finish()
    }

    /// Reads a COSE_Key of one of our algorithms.
    pub fn from_cose(key: &Item<'_>) -> Option<(CoseAlgorithm, Self)> {
        let entries = key.map()?;
        let algorithm = CoseAlgorithm::from_identifier(entries.at(3)?.integer()?)?;
        let x: [u8; 32] = entries.at_integer(-2)?.bytes()?.try_into().ok()?;
        let (kty, crv) = (entries.at(1)?.unsigned()?, entries.at_integer(-1)?.unsigned()?);
        let key = match (algorithm, kty, crv) {
            (CoseAlgorithm::Es256, KTY_EC2, CRV_P256) => {
                let y = entries.at_integer(-3)?.bytes()?.try_into().ok()?;
                Self::P256(P256Point { x, y })
            }
            (CoseAlgorithm::EdDsa, KTY_OKP, CRV_ED25519) => Self::Ed25519(x),
            _ => return None,
        };
        Some((algorithm, key))
    }
}

/// -25: ECDH-ES + HKDF-256. CTAP puts it into key-agreement keys "although this is NOT the algorithm actually used".
pub const KEY_AGREEMENT_ALGORITHM: i64 = -25;

/// Key type EC2 (RFC 9053 section 7.1).
pub(crate) const KTY_EC2: u64 = 2;
/// Curve P-256.
pub(crate) const CRV_P256: u64 = 1;
const KTY_OKP: u64 = 1;
const CRV_ED25519: u64 = 6;

impl P256Point {
    /// Writes the point as a CTAP key-agreement COSE_Key.
    pub fn write_key_agreement(&self, writer: &mut Writer) {
        write_ec2(writer, KEY_AGREEMENT_ALGORITHM, self);
    }
}

fn write_ec2(writer: &mut Writer, algorithm: i64, point: &P256Point) {
    writer.map(5).unsigned(1).unsigned(KTY_EC2);
    writer.unsigned(3).integer(algorithm);
    writer.integer(-1).unsigned(CRV_P256);
    writer.integer(-2).bytes(&point.x);
    writer.integer(-3).bytes(&point.y);
}
