//! Extension inputs as they stand in requests (CTAP 2.3 section 12). Unknown extensions were passed over.

use alloc::vec::Vec;

use crate::cose::P256Point;

/// Extension inputs of authenticatorMakeCredential.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MakeCredentialExtensions {
    /// `credProtect`: a policy value, not yet checked to be 1 to 3.
    pub cred_protect: Option<u64>,
    /// `hmac-secret`.
    pub hmac_secret: Option<bool>,
}

/// Extension inputs of authenticatorGetAssertion.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GetAssertionExtensions {
    /// `hmac-secret`.
    pub hmac_secret: Option<HmacSecretInput>,
}

/// The input of `hmac-secret` (CTAP 2.3 section 12.7): one or two salts, encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HmacSecretInput {
    /// 0x01: the platform's key-agreement key.
    pub key_agreement: P256Point,
    /// 0x02
    pub salt_enc: Vec<u8>,
    /// 0x03
    pub salt_auth: Vec<u8>,
    /// 0x04: absent means 1.
    pub pin_uv_auth_protocol: Option<u64>,
}
