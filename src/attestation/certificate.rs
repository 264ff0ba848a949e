//! As much of X.509 (RFC 5280 section 4.1) as it takes to see that a certificate belongs to a key and to a model.

use crate::{cose::PublicKey, webauthn::Aaguid};

const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// \[0\], the version, and \[3\], the extensions of a TBSCertificate.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

/// id-fido-gen-ce-aaguid, 1.3.6.1.4.1.45724.1.1.4.
const ID_FIDO_GEN_CE_AAGUID: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xe5, 0x1c, 0x01, 0x01, 0x04];

/// What is read of the certificate of an attestation key.
pub(super) struct Leaf<'a> {
    /// subjectPublicKey: the bit string's bytes.
    public_key: &'a [u8],
    /// The extension id-fido-gen-ce-aaguid, if it is there.
    pub(super) aaguid: Option<Aaguid>,
}

impl<'a> Leaf<'a> {
    pub(super) fn parse(certificate: &'a [u8]) -> Option<Self> {
        let (certificate, []) = expect(certificate, SEQUENCE)? else { return None };
        let (mut rest, _) = expect(certificate, SEQUENCE)?;
        if let Some((_, after)) = expect(rest, VERSION) {
            rest = after;
        }
        // serialNumber, signature, issuer, validity, subject.
        for _ in 0..5 {
            (_, _, rest) = element(rest)?;
        }
        let (key, mut rest) = expect(rest, SEQUENCE)?;
        let (_, key) = expect(key, SEQUENCE)?;
        let (public_key, _) = expect(key, BIT_STRING)?;
        // A bit string begins with the number of bits that its last byte has too many.
        let public_key = public_key.strip_prefix(&[0])?;
        let mut aaguid = None;
        while let Some((tag, content, after)) = element(rest) {
            if tag == EXTENSIONS {
                aaguid = aaguid_of(expect(content, SEQUENCE)?.0);
            }
            rest = after;
        }
        Some(Self { public_key, aaguid })
    }

    /// Whether it is the certificate of that key; on a curve with the point uncompressed.
    pub(super) fn is_of(&self, key: &PublicKey) -> bool {
        let raw = key.to_raw();
        match key {
            PublicKey::P256(_) | PublicKey::P384(_) => self.public_key.strip_prefix(&[0x04]) == Some(&raw),
            _ => self.public_key == raw,
        }
    }
}

/// The AAGUID among the extensions: an OCTET STRING of 16 bytes, wrapped into the one that every extension has.
fn aaguid_of(mut extensions: &[u8]) -> Option<Aaguid> {
    while let Some((extension, rest)) = expect(extensions, SEQUENCE) {
        let (identifier, mut value) = expect(extension, OBJECT_IDENTIFIER)?;
        if identifier == ID_FIDO_GEN_CE_AAGUID {
            // `critical` may stand between them.
            while let Some((tag, content, after)) = element(value) {
                if tag == OCTET_STRING {
                    return expect(content, OCTET_STRING)?.0.try_into().ok().map(Aaguid);
                }
                value = after;
            }
        }
        extensions = rest;
    }
    None
}

/// The content of the element that comes first, if it has that tag, and what follows.
fn expect(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    element(bytes).filter(|(found, ..)| *found == tag).map(|(_, content, rest)| (content, rest))
}

/// A DER element (X.690 section 8.1) of at most 65535 bytes: tag, content, and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (length, tag, rest) = match bytes {
        [tag, length @ 0..=0x7f, rest @ ..] => (usize::from(*length), tag, rest),
        [tag, 0x81, length, rest @ ..] => (usize::from(*length), tag, rest),
        [tag, 0x82, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), tag, rest),
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}
