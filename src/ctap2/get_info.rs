//! authenticatorGetInfo (CTAP 2.3 section 6.4).

use alloc::{string::String, vec::Vec};

use super::{
    entity,
    write::{Members, array},
};
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
    /// 0x0B, in bytes.
    pub max_serialized_large_blob_array: Option<u64>,
    /// 0x0C
    pub force_pin_change: Option<bool>,
    /// 0x0D, in code points.
    pub min_pin_length: Option<u64>,
    /// 0x0E
    pub firmware_version: Option<u64>,
    /// 0x0F, in bytes.
    pub max_cred_blob_length: Option<u64>,
    /// 0x10
    pub max_rp_ids_for_set_min_pin_length: Option<u64>,
    /// 0x11
    pub preferred_platform_uv_attempts: Option<u64>,
    /// 0x12: bits of the FIDO Registry section 3.1.
    pub uv_modality: Option<u64>,
    /// 0x14: at least this many more discoverable credentials fit, where it is known.
    pub remaining_discoverable_credentials: Option<u64>,
    /// 0x16
    pub attestation_formats: Vec<&'static str>,
    /// 0x17
    pub uv_count_since_last_pin_entry: Option<u64>,
    /// 0x18
    pub long_touch_for_reset: Option<bool>,
    /// 0x19: `IV || AES-128-CBC(key of the persistent token, device identifier)`, 32 bytes.
    pub enc_identifier: Option<[u8; 32]>,
    /// 0x1A
    pub transports_for_reset: Vec<&'static str>,
    /// 0x1B
    pub pin_complexity_policy: Option<bool>,
    /// 0x1C
    pub pin_complexity_policy_url: Option<String>,
    /// 0x1D, in code points.
    pub max_pin_length: Option<u64>,
    /// 0x1E: as encIdentifier, the state of the stored credentials.
    pub enc_cred_store_state: Option<[u8; 32]>,
    /// 0x1F: the sub-commands of authenticatorConfig that work. Empty where there are none; absent without the command.
    pub authenticator_config_commands: Option<Vec<u8>>,
}

impl GetInfoResponse {
    pub(super) fn write(&self, writer: &mut Writer) {
        let mut members = Members::of(writer);
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
        self.write_limits(&mut members);
        members.at_list(0x16, &self.attestation_formats, |w, format| _ = w.text(format));
        members.at_some(0x17, self.uv_count_since_last_pin_entry, |w, count| _ = w.unsigned(count));
        members.at_some(0x18, self.long_touch_for_reset, |w, on| _ = w.boolean(on));
        members.at_some(0x19, self.enc_identifier, |w, encrypted| _ = w.bytes(&encrypted));
        members.at_list(0x1A, &self.transports_for_reset, |w, transport| _ = w.text(transport));
        members.at_some(0x1B, self.pin_complexity_policy, |w, on| _ = w.boolean(on));
        members
            .at_some(0x1C, self.pin_complexity_policy_url.as_deref(), |w, url| _ = w.bytes(url.as_bytes()));
        members.at_some(0x1D, self.max_pin_length, |w, length| _ = w.unsigned(length));
        members.at_some(0x1E, self.enc_cred_store_state, |w, encrypted| _ = w.bytes(&encrypted));
        members.at_some(0x1F, self.authenticator_config_commands.as_deref(), |w, commands| {
            array(w, commands, |w, command| _ = w.unsigned((*command).into()));
        });
        members.finish();
    }

    /// 0x0B to 0x14.
    fn write_limits(&self, members: &mut Members<'_>) {
        members.at_some(0x0B, self.max_serialized_large_blob_array, |w, bytes| _ = w.unsigned(bytes));
        members.at_some(0x0C, self.force_pin_change, |w, force| _ = w.boolean(force));
        members.at_some(0x0D, self.min_pin_length, |w, length| _ = w.unsigned(length));
        members.at_some(0x0E, self.firmware_version, |w, version| _ = w.unsigned(version));
        members.at_some(0x0F, self.max_cred_blob_length, |w, bytes| _ = w.unsigned(bytes));
        members.at_some(0x10, self.max_rp_ids_for_set_min_pin_length, |w, count| _ = w.unsigned(count));
        members.at_some(0x11, self.preferred_platform_uv_attempts, |w, count| _ = w.unsigned(count));
        members.at_some(0x12, self.uv_modality, |w, bits| _ = w.unsigned(bits));
        members.at_some(0x14, self.remaining_discoverable_credentials, |w, count| _ = w.unsigned(count));
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
