//! Identifiers. Each has its type; past the codec no bare bytes or texts travel. Clones share the bytes: a command hands
//! its identifiers from the request to the store, to the person and to the response.

use alloc::sync::Arc;

use crate::crypto::sha256;

/// An identifier is too short or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidId;

impl core::fmt::Display for InvalidId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("identifier of a length that does not exist")
    }
}

impl core::error::Error for InvalidId {}

/// A relying party's identifier: a domain in the WebAuthn client, any text of 1 to 253 bytes in CTAP (`ssh:` and others
/// are in use). Compared byte for byte; never normalised here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RpId(Arc<str>);

impl RpId {
    /// The longest identifier, in bytes (the longest domain name).
    pub const MAX_LENGTH: usize = 253;

    /// Takes a text of 1 to 253 bytes.
    pub fn new(id: &str) -> Result<Self, InvalidId> {
        if id.is_empty() || id.len() > Self::MAX_LENGTH {
            return Err(InvalidId);
        }
        Ok(Self(id.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the text, the first 32 bytes of authenticator data.
    pub fn hash(&self) -> RpIdHash {
        RpIdHash(sha256(self.0.as_bytes()))
    }
}

/// SHA-256 of an [`RpId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RpIdHash(pub [u8; 32]);

/// SHA-256 of the client data JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientDataHash(pub [u8; 32]);

/// An authenticator model's identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Aaguid(pub [u8; 16]);

impl Aaguid {
    /// All zero: no statement about the model.
    pub const ZERO: Self = Self([0; 16]);
}

/// A relying party's handle of an account (`user.id`): 0 to 64 bytes. WebAuthn clients refuse the empty one; CTAP does
/// not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserHandle(Arc<[u8]>);

impl UserHandle {
    /// The longest handle, in bytes.
    pub const MAX_LENGTH: usize = 64;

    /// Takes up to 64 bytes.
    pub fn new(handle: &[u8]) -> Result<Self, InvalidId> {
        if handle.len() > Self::MAX_LENGTH {
            return Err(InvalidId);
        }
        Ok(Self(handle.into()))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A credential's identifier: 1 to 1023 bytes. Those that we make have at least 16 (WebAuthn section "Terminology":
/// at least 100 bits of entropy); a request may name shorter foreign ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialId(Arc<[u8]>);

impl CredentialId {
    /// The longest identifier, in bytes.
    pub const MAX_LENGTH: usize = 1023;

    /// Takes 1 to 1023 bytes.
    pub fn new(id: &[u8]) -> Result<Self, InvalidId> {
        if id.is_empty() || id.len() > Self::MAX_LENGTH {
            return Err(InvalidId);
        }
        Ok(Self(id.into()))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
