//! authenticatorMakeCredential (CTAP 2.3 section 6.1).

use alloc::{string::String, vec::Vec};

use ciborium::Value;

use super::{extensions::MakeCredentialExtensions, request::PinUvAuth};
use crate::webauthn::{ClientDataHash, CredentialDescriptor, RpEntity, UserEntity};

/// The request. Every element of it has its shape; nothing was judged yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MakeCredential {
    /// 0x01
    pub client_data_hash: ClientDataHash,
    /// 0x02
    pub rp: RpEntity,
    /// 0x03
    pub user: UserEntity,
    /// 0x04: the COSE algorithm identifiers of the elements of type `public-key`, in the relying party's order.
    pub algorithms: Vec<i64>,
    /// 0x05: the descriptors of type `public-key`; empty when absent.
    pub exclude_list: Vec<CredentialDescriptor>,
    /// 0x06
    pub extensions: MakeCredentialExtensions,
    /// 0x07
    pub options: MakeCredentialOptions,
    /// 0x08 and 0x09
    pub pin_uv_auth: Option<PinUvAuth>,
    /// 0x0A
    pub enterprise_attestation: Option<u64>,
    /// 0x0B
    pub attestation_formats_preference: Vec<String>,
}

/// The options that exist for this command; unknown ones were passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MakeCredentialOptions {
    /// `rk`: make it discoverable.
    pub rk: Option<bool>,
    /// `up`: only `true` is allowed.
    pub up: Option<bool>,
    /// `uv`: built-in user verification.
    pub uv: Option<bool>,
}

/// The response.
#[derive(Debug, Clone, PartialEq)]
pub struct MakeCredentialResponse {
    /// 0x01: the attestation statement format.
    pub fmt: &'static str,
    /// 0x02: authenticator data.
    pub auth_data: Vec<u8>,
    /// 0x03: the attestation statement, a map.
    pub att_stmt: Value,
}
