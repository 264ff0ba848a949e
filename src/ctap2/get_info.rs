//! authenticatorGetInfo (CTAP 2.3 section 6.4).

use alloc::vec::Vec;

use super::{entity, write::Members};
use crate::{cbor::Writer, webauthn::Aaguid};

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

impl GetInfoResponse {
    pub(super) fn write(&self, writer: &mut Writer) {
        let mut members = Members::default();
        members.at_list(0x01, &self.versions, |w, version| _ = w.text(version));
        members.at_list(0x02, &self.extensions, |w, extension| _ = w.text(extension));
        members.at(0x03, |w| _ = w.bytes(&self.aaguid.0));
        members.at(0x04, |w| _ = w.sorted_map(self.encoded_options()));
        members.at(0x05, |w| _ = w.unsigned(self.max_msg_size));
        members.at_list(0x06, &self.pin_uv_auth_protocols, |w, number| _ = w.unsigned(*number));
        members.at_some(0x07, self.max_credential_count_in_list, |w, count| _ = w.unsigned(count));
        members.at_some(0x08, self.max_credential_id_length, |w, length| _ = w.unsigned(length));
        members.at_list(0x09, &self.transports, |w, transport| _ = w.text(transport));
        members.at_list(0x0A, &self.algorithms, |w, identifier| entity::write_algorithm(w, *identifier));
        members.at_some(0x0E, self.firmware_version, |w, version| _ = w.unsigned(version));
        members.at_list(0x16, &self.attestation_formats, |w, format| _ = w.text(format));
        members.finish(writer);
    }

    fn encoded_options(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let encoded = |write: &dyn Fn(&mut Writer)| {
            let mut writer = Writer::new();
            write(&mut writer);
            writer.finish()
        };
        let option = |(name, on): &(&'static str, bool)| {
            (encoded(&|w| _ = w.text(name)), encoded(&|w| _ = w.boolean(*on)))
        };
        self.options.iter().map(option).collect()
    }
}
