//! COSE algorithms and public keys (RFC 9052, RFC 9053, RFC 9864, RFC 9964; CTAP 2.3 section 6.5.6 for key agreement).
//!
//! RS256 (-257) is not here and not planned: an RSA key costs seconds to make, no passkey needs one, and the one pure
//! Rust implementation is open to a timing attack (RUSTSEC-2023-0071).

use alloc::{boxed::Box, vec::Vec};

use crate::cbor::{Entries, Item, Writer};

/// A COSE algorithm that this crate signs with. Which ones there are depends on the features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CoseAlgorithm {
    /// -7: ECDSA with SHA-256; on P-256, as WebAuthn fixes it.
    Es256,
    /// -8: EdDSA; on Ed25519, as WebAuthn fixes it.
    EdDsa,
    /// -9: ECDSA on P-256 with SHA-256, by its fully specified name (RFC 9864).
    Esp256,
    /// -19: EdDSA on Ed25519, by its fully specified name (RFC 9864).
    Ed25519,
    /// -35: ECDSA with SHA-384; on P-384, as WebAuthn fixes it.
    Es384,
    /// -51: ECDSA on P-384 with SHA-384, by its fully specified name (RFC 9864).
    Esp384,
    /// -48: ML-DSA-44 (FIPS 204, RFC 9964), pure and with an empty context.
    #[cfg(feature = "ml-dsa")]
    MlDsa44,
    /// -49: ML-DSA-65, likewise.
    #[cfg(feature = "ml-dsa")]
    MlDsa65,
}

impl CoseAlgorithm {
    /// Every algorithm of this build, the ones that most relying parties know first.
    pub const ALL: &[Self] = &[
        Self::Es256,
        Self::EdDsa,
        Self::Es384,
        Self::Esp256,
        Self::Ed25519,
        Self::Esp384,
        #[cfg(feature = "ml-dsa")]
        Self::MlDsa65,
        #[cfg(feature = "ml-dsa")]
        Self::MlDsa44,
    ];

    /// The identifier in the IANA COSE registry.
    pub const fn identifier(self) -> i64 {
        match self {
            Self::Es256 => -7,
            Self::EdDsa => -8,
            Self::Esp256 => -9,
            Self::Ed25519 => -19,
            Self::Es384 => -35,
            Self::Esp384 => -51,
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa44 => -48,
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa65 => -49,
        }
    }

    /// The algorithm of that identifier, if it is one of ours.
    pub fn from_identifier(identifier: i64) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.identifier() == identifier)
    }

    /// The length of a private key in bytes: an ECDSA scalar (big endian), or the 32-byte seed of Ed25519 or ML-DSA.
    pub const fn private_length(self) -> usize {
        match self {
            Self::Es384 | Self::Esp384 => 48,
            _ => 32,
        }
    }
}

/// A point on a curve with coordinates of `N` bytes, affine and uncompressed. Not yet checked to be on the curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EcPoint<const N: usize> {
    /// The x coordinate, big endian.
    pub x: [u8; N],
    /// The y coordinate, big endian.
    pub y: [u8; N],
}

/// A point on P-256.
pub type P256Point = EcPoint<32>;
/// A point on P-384.
pub type P384Point = EcPoint<48>;

/// The public half of a credential key pair. What is longer than a point on P-256 has a box, since keys are held by the
/// dozen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicKey {
    /// For [`CoseAlgorithm::Es256`] and [`CoseAlgorithm::Esp256`].
    P256(P256Point),
    /// For [`CoseAlgorithm::Es384`] and [`CoseAlgorithm::Esp384`].
    P384(Box<P384Point>),
    /// For [`CoseAlgorithm::EdDsa`] and [`CoseAlgorithm::Ed25519`]: the 32-byte encoding of RFC 8032.
    Ed25519([u8; 32]),
    /// For `CoseAlgorithm::MlDsa44`: the encoding of FIPS 204 (pkEncode).
    #[cfg(feature = "ml-dsa")]
    MlDsa44(Box<[u8; 1312]>),
    /// For `CoseAlgorithm::MlDsa65`, likewise.
    #[cfg(feature = "ml-dsa")]
    MlDsa65(Box<[u8; 1952]>),
}

impl PublicKey {
    /// Whether it is a key for `algorithm`.
    pub fn is_for(&self, algorithm: CoseAlgorithm) -> bool {
        match self {
            Self::P256(_) => matches!(algorithm, CoseAlgorithm::Es256 | CoseAlgorithm::Esp256),
            Self::P384(_) => matches!(algorithm, CoseAlgorithm::Es384 | CoseAlgorithm::Esp384),
            Self::Ed25519(_) => matches!(algorithm, CoseAlgorithm::EdDsa | CoseAlgorithm::Ed25519),
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa44(_) => algorithm == CoseAlgorithm::MlDsa44,
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa65(_) => algorithm == CoseAlgorithm::MlDsa65,
        }
    }

    /// The key without its frame: x || y of a point, the encoding of an Ed25519 or ML-DSA key.
    pub fn to_raw(&self) -> Vec<u8> {
        match self {
            Self::P256(point) => point.to_raw(),
            Self::P384(point) => point.to_raw(),
            Self::Ed25519(key) => key.to_vec(),
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa44(key) => key.to_vec(),
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa65(key) => key.to_vec(),
        }
    }

    /// The length of [`PublicKey::to_raw`].
    pub(crate) const fn raw_length(&self) -> usize {
        match self {
            Self::P256(_) => 64,
            Self::P384(_) => 96,
            Self::Ed25519(_) => 32,
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa44(key) => key.len(),
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa65(key) => key.len(),
        }
    }

    /// Reads what [`PublicKey::to_raw`] gives, for a key of `algorithm`; `None` if it is of another length.
    pub fn from_raw(algorithm: CoseAlgorithm, raw: &[u8]) -> Option<Self> {
        Some(match algorithm {
            CoseAlgorithm::Es256 | CoseAlgorithm::Esp256 => Self::P256(EcPoint::from_raw(raw)?),
            CoseAlgorithm::Es384 | CoseAlgorithm::Esp384 => Self::P384(Box::new(EcPoint::from_raw(raw)?)),
            CoseAlgorithm::EdDsa | CoseAlgorithm::Ed25519 => Self::Ed25519(raw.try_into().ok()?),
            #[cfg(feature = "ml-dsa")]
            CoseAlgorithm::MlDsa44 => Self::MlDsa44(Box::new(raw.try_into().ok()?)),
            #[cfg(feature = "ml-dsa")]
            CoseAlgorithm::MlDsa65 => Self::MlDsa65(Box::new(raw.try_into().ok()?)),
        })
    }

    /// Writes the COSE_Key with the algorithm that was negotiated: {1: kty, 3: alg, -1: crv, -2: x, -3: y}, or
    /// {1: 7, 3: alg, -1: pub} for ML-DSA (RFC 9964).
    pub fn write_cose(&self, algorithm: CoseAlgorithm, writer: &mut Writer) {
        let algorithm = algorithm.identifier();
        match self {
            Self::P256(point) => write_ec2(writer, algorithm, CRV_P256, point),
            Self::P384(point) => write_ec2(writer, algorithm, CRV_P384, point),
            Self::Ed25519(x) => {
                writer.map(4).unsigned(1).unsigned(KTY_OKP);
                writer.unsigned(3).integer(algorithm);
                writer.integer(-1).unsigned(CRV_ED25519);
                writer.integer(-2).bytes(x);
            }
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa44(key) => write_akp(writer, algorithm, key.as_slice()),
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa65(key) => write_akp(writer, algorithm, key.as_slice()),
        }
    }

    /// The COSE_Key as bytes.
    pub fn to_cose(&self, algorithm: CoseAlgorithm) -> Vec<u8> {
        let mut writer = Writer::with_capacity(128);
        self.write_cose(algorithm, &mut writer);
        writer.finish()
    }

    /// Reads a COSE_Key of one of our algorithms.
    pub fn from_cose(key: &Item<'_>) -> Option<(CoseAlgorithm, Self)> {
        let entries = key.map()?;
        let algorithm = CoseAlgorithm::from_identifier(entries.at(3)?.integer()?)?;
        let kty = entries.at(1)?.unsigned()?;
        let key = match algorithm {
            CoseAlgorithm::Es256 | CoseAlgorithm::Esp256 => Self::P256(read_ec2(&entries, kty, CRV_P256)?),
            CoseAlgorithm::Es384 | CoseAlgorithm::Esp384 => {
                Self::P384(Box::new(read_ec2(&entries, kty, CRV_P384)?))
            }
            CoseAlgorithm::EdDsa | CoseAlgorithm::Ed25519 => {
                has_type(&entries, (kty, KTY_OKP), CRV_ED25519)?;
                Self::Ed25519(entries.at_integer(-2)?.bytes()?.try_into().ok()?)
            }
            #[cfg(feature = "ml-dsa")]
            CoseAlgorithm::MlDsa44 | CoseAlgorithm::MlDsa65 => {
                let key = (kty == KTY_AKP).then_some(entries.at_integer(-1)?.bytes()?)?;
                Self::from_raw(algorithm, key)?
            }
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
const CRV_P384: u64 = 2;
const KTY_OKP: u64 = 1;
const CRV_ED25519: u64 = 6;
/// Key type AKP, "algorithm key pair" (RFC 9964).
#[cfg(feature = "ml-dsa")]
const KTY_AKP: u64 = 7;

impl<const N: usize> EcPoint<N> {
    /// x || y.
    pub fn to_raw(&self) -> Vec<u8> {
        [self.x, self.y].concat()
    }

    /// Reads x || y; `None` if it is of another length.
    pub fn from_raw(raw: &[u8]) -> Option<Self> {
        let (x, y) = raw.split_at_checked(N)?;
        Some(Self { x: x.try_into().ok()?, y: y.try_into().ok()? })
    }
}

impl P256Point {
    /// Writes the point as a CTAP key-agreement COSE_Key.
    pub fn write_key_agreement(&self, writer: &mut Writer) {
        write_ec2(writer, KEY_AGREEMENT_ALGORITHM, CRV_P256, self);
    }
}

fn write_ec2<const N: usize>(writer: &mut Writer, algorithm: i64, curve: u64, point: &EcPoint<N>) {
    writer.map(5).unsigned(1).unsigned(KTY_EC2);
    writer.unsigned(3).integer(algorithm);
    writer.integer(-1).unsigned(curve);
    writer.integer(-2).bytes(&point.x);
    writer.integer(-3).bytes(&point.y);
}

fn read_ec2<const N: usize>(entries: &Entries<'_>, kty: u64, curve: u64) -> Option<EcPoint<N>> {
    has_type(entries, (kty, KTY_EC2), curve)?;
    let coordinate = |label| entries.at_integer(label)?.bytes()?.try_into().ok();
    Some(EcPoint { x: coordinate(-2)?, y: coordinate(-3)? })
}

/// Whether the key is of the type and on the curve that its algorithm demands.
fn has_type(entries: &Entries<'_>, (kty, expected): (u64, u64), curve: u64) -> Option<()> {
    (kty == expected && entries.at_integer(-1)?.unsigned()? == curve).then_some(())
}

#[cfg(feature = "ml-dsa")]
fn write_akp(writer: &mut Writer, algorithm: i64, key: &[u8]) {
    writer.map(3).unsigned(1).unsigned(KTY_AKP);
    writer.unsigned(3).integer(algorithm);
    writer.integer(-1).bytes(key);
}
