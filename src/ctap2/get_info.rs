//! authenticatorGetInfo (CTAP 2.3 section 6.4).

use alloc::vec::Vec;

use crate::webauthn::Aaguid;

/// The response; members that would say nothing are absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetInfoResponse {
    /// 0x01
    pub versions: Vec<&'static str>,
    /// 0x02
    pub extensions: Vec<&'static str>,
    /// 0x03
    pub aaguid: Aaguid,
    /// 0x04: written in canonical order, whatever the order here.
    pub options: Vec<(&'static str, bool)>,
    /// 0x05, in bytes.
    pub max_msg_size: u64,
    /// 0x06, the preferred one first.
    pub pin_uv_auth_protocols: Vec<u64>,
    /// 0x07
    pub max_credential_count_in_list: Option<u64>,
    /// 0x08, in bytes.
    pub max_credential_id_length: Option<u64>,
    /// 0x09
    pub transports: Vec<&'static str>,
    /// 0x0A: COSE identifiers, the preferred one first.
    pub algorithms: Vec<i64>,
    /// 0x0E
    pub firmware_version: Option<u64>,
    /// 0x16
    pub attestation_formats: Vec<&'static str>,
}
