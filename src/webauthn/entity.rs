//! Relying parties, users and credential descriptors (WebAuthn section "Options for Credential Creation").

use alloc::sync::Arc;

use super::id::{CredentialId, RpId, UserHandle};

/// A relying party (`PublicKeyCredentialRpEntity`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpEntity {
    /// Its identifier.
    pub id: RpId,
    /// Its name for people.
    pub name: Option<Arc<str>>,
}

/// A user's account at a relying party (`PublicKeyCredentialUserEntity`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserEntity {
    /// The account's handle.
    pub id: UserHandle,
    /// What tells accounts apart, such as an e-mail address.
    pub name: Option<Arc<str>>,
    /// The person's name; may be empty.
    pub display_name: Option<Arc<str>>,
}

/// A public-key credential that a request names (`PublicKeyCredentialDescriptor` of type `public-key`; those of unknown
/// type are passed over when a request is read). Its transports are hints for clients and are not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialDescriptor {
    /// The credential's identifier.
    pub id: CredentialId,
}

/// Cuts a name to at most `limit` bytes, at a UTF-8 boundary (CTAP 2.3 section 6.1.2, "truncation").
pub fn truncate_name(name: &str, limit: usize) -> &str {
    let mut end = limit.min(name.len());
    while !name.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    name.get(..end).unwrap_or_default()
}
