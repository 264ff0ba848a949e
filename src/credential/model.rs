//! What a passkey is.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use super::extension_data::BoxedExtensionData;
use crate::{
    crypto::KeyPair,
    secret::Secret,
    time::UnixTime,
    webauthn::{Aaguid, CredentialId, RpEntity, UserEntity},
};

/// How far a credential is protected from use without user verification (CTAP 2.3 section 12.1, credProtect).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum CredProtect {
    /// 1: may be discovered and used without user verification.
    #[default]
    UserVerificationOptional,
    /// 2: without user verification only when a request names it.
    UserVerificationOptionalWithCredentialIdList,
    /// 3: never without user verification.
    UserVerificationRequired,
}

impl CredProtect {
    /// The value on the wire.
    pub const fn level(self) -> u8 {
        match self {
            Self::UserVerificationOptional => 1,
            Self::UserVerificationOptionalWithCredentialIdList => 2,
            Self::UserVerificationRequired => 3,
        }
    }

    /// The policy of that value, if it is 1 to 3.
    pub const fn from_level(level: u64) -> Option<Self> {
        match level {
            1 => Some(Self::UserVerificationOptional),
            2 => Some(Self::UserVerificationOptionalWithCredentialIdList),
            3 => Some(Self::UserVerificationRequired),
            _ => None,
        }
    }
}

/// Whether a credential may leave its device, fixed at creation, and whether it has a copy now (WebAuthn section
/// "Credential Backup State"). A device-bound credential that is backed up cannot be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backup {
    /// BE = 0, BS = 0.
    DeviceBound,
    /// BE = 1, BS as given.
    Eligible {
        /// BS.
        backed_up: bool,
    },
}

impl Backup {
    /// BE.
    pub const fn eligible(self) -> bool {
        matches!(self, Self::Eligible { .. })
    }

    /// BS.
    pub const fn backed_up(self) -> bool {
        matches!(self, Self::Eligible { backed_up: true })
    }
}

/// A device-bound credential has no backup state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotBackupEligible;

impl core::fmt::Display for NotBackupEligible {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the credential is bound to its device and has no backup state")
    }
}

impl core::error::Error for NotBackupEligible {}

/// The public part of a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its identifier.
    pub id: CredentialId,
    /// The relying party.
    pub rp: RpEntity,
    /// The account.
    pub user: UserEntity,
    /// Whether it answers requests that name no credential.
    pub discoverable: bool,
    /// How far it is protected.
    pub cred_protect: CredProtect,
    /// Whether it may leave its device, and has.
    pub backup: Backup,
    /// The signature counter that the last assertion carried.
    pub sign_count: u32,
    /// The model that made it.
    pub aaguid: Aaguid,
    /// Its place in the order of creation in its authenticator, for "newest first".
    pub order: u64,
    /// When it was made, where a date was known.
    pub created: Option<UnixTime>,
    /// When it last signed, where that is recorded.
    pub last_used: Option<UnixTime>,
}

impl Credential {
    /// Sets BS. The only change of it there is; BE never changes. It counts once the record is stored
    /// ([`super::ChangeSet::update`]; the module's documentation has an example).
    pub fn set_backed_up(&mut self, backed_up: bool) -> Result<(), NotBackupEligible> {
        match &mut self.backup {
            Backup::DeviceBound => Err(NotBackupEligible),
            Backup::Eligible { backed_up: state } => {
                *state = backed_up;
                Ok(())
            }
        }
    }

    /// The key of "newest first": the date of creation, then the order.
    pub fn age(&self) -> (Option<UnixTime>, u64) {
        (self.created, self.order)
    }
}

/// The secret part of a credential.
pub struct CredentialSecret {
    /// The key pair. Both halves are sealed together (EdDSA signs with this public key and no other).
    pub key: KeyPair,
    /// CredRandomWithUV (CTAP 2.3 section 12.7, hmac-secret). Always made, asked for or not.
    pub cred_random_with_uv: Secret<32>,
    /// CredRandomWithoutUV.
    pub cred_random_without_uv: Secret<32>,
}

/// Keys, each with its encoded value, in the order of the keys.
pub(super) type UnknownMembers = Box<[(u64, Vec<u8>)]>;

/// A credential as it is stored, exported and restored: one versioned form for all, so that no field is ever lost.
/// [`CredentialRecord::encode`] gives the bytes.
pub struct CredentialRecord {
    /// What may be shown.
    pub credential: Credential,
    /// What may not.
    pub secret: CredentialSecret,
    /// What extensions keep with it. It may not be shown either.
    pub extensions: BoxedExtensionData,
    /// Members of the encoded form that this version does not know, kept as they came.
    pub(super) unknown: UnknownMembers,
    /// Whether it is in no store.
    pub(super) wrapped: bool,
}

impl CredentialRecord {
    /// Joins the parts. Extensions keep nothing with it yet.
    pub fn new(credential: Credential, secret: CredentialSecret) -> Self {
        Self {
            credential,
            secret,
            extensions: BoxedExtensionData::default(),
            unknown: Box::default(),
            wrapped: false,
        }
    }

    /// Whether it came out of its own credential ID ([`super::Wrapper`]) and is in no store. Its encoded form does not say
    /// so: it is not meant to be stored.
    pub fn is_wrapped(&self) -> bool {
        self.wrapped
    }

    /// The record itself, to be changed: a second copy only if somebody else holds it, too.
    pub fn unshare(shared: Arc<Self>) -> Self {
        Arc::try_unwrap(shared).unwrap_or_else(|shared| shared.clone_secret())
    }

    /// A second copy.
    pub fn clone_secret(&self) -> Self {
        Self {
            credential: self.credential.clone(),
            secret: CredentialSecret {
                key: self.secret.key.clone_secret(),
                cred_random_with_uv: self.secret.cred_random_with_uv.clone_secret(),
                cred_random_without_uv: self.secret.cred_random_without_uv.clone_secret(),
            },
            extensions: self.extensions.clone_secret(),
            unknown: self.unknown.clone(),
            wrapped: self.wrapped,
        }
    }
}
