//! authenticatorGetAssertion and authenticatorGetNextAssertion (CTAP 2.3 sections 6.2 and 6.3).

use alloc::vec::Vec;

use super::{extensions::GetAssertionExtensions, request::PinUvAuth};
use crate::webauthn::{ClientDataHash, CredentialDescriptor, CredentialId, RpId, UserEntity};

/// The request. Every element of it has its shape; nothing was judged yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetAssertion {
    /// 0x01
    pub rp_id: RpId,
    /// 0x02
    pub client_data_hash: ClientDataHash,
    /// 0x03: the descriptors of type `public-key`. `None` when the list is absent or empty on the wire (decision for
    /// rule 27); `Some` and empty when it named only credentials of types that do not exist: those match nothing.
    pub allow_list: Option<Vec<CredentialDescriptor>>,
    /// 0x04
    pub extensions: GetAssertionExtensions,
    /// 0x05
    pub options: GetAssertionOptions,
    /// 0x06 and 0x07
    pub pin_uv_auth: Option<PinUvAuth>,
}

/// The options that exist for this command; unknown ones were passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GetAssertionOptions {
    /// `rk`: not allowed here; kept so that the handler can say so.
    pub rk: Option<bool>,
    /// `up`: `false` asks for a silent assertion.
    pub up: Option<bool>,
    /// `uv`: built-in user verification.
    pub uv: Option<bool>,
}

/// The response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetAssertionResponse {
    /// 0x01: which credential answered.
    pub credential: CredentialId,
    /// 0x02: authenticator data.
    pub auth_data: Vec<u8>,
    /// 0x03
    pub signature: Vec<u8>,
    /// 0x04: the account; names only after user verification.
    pub user: Option<UserEntity>,
    /// 0x05: only in the first of several.
    pub number_of_credentials: Option<u64>,
    /// 0x06: the person chose the account on the authenticator.
    pub user_selected: bool,
}
