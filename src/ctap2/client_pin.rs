//! authenticatorClientPIN (CTAP 2.3 section 6.5).

use crate::cose::P256Point;

/// The request, as far as a sub-command exists that reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientPin {
    /// 0x01
    pub pin_uv_auth_protocol: Option<u64>,
    /// 0x02
    pub sub_command: u64,
}

/// The sub-commands that exist here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientPinSubCommand {
    /// 0x02: the authenticator's key-agreement key.
    GetKeyAgreement,
}

/// The response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientPinResponse {
    /// 0x01: the key-agreement key, written as a COSE_Key.
    KeyAgreement(KeyAgreementKey),
}

/// A P-256 public key for key agreement.
pub type KeyAgreementKey = P256Point;
