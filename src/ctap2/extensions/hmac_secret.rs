//! The input of `hmac-secret` and of `hmac-secret-mc` (CTAP 2.3 sections 12.7 and 12.8).

use alloc::vec::Vec;

use crate::{
    cbor::{Item, Writer},
    cose::P256Point,
    ctap2::{
        client_pin::read_key_agreement,
        read::{self, optional, required},
        status::Status,
        write::Members,
    },
};

/// One or two salts, encrypted.
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

impl HmacSecretInput {
    pub(super) fn read(item: Item<'_>) -> Result<Self, Status> {
        let input = read::map(item)?;
        Ok(Self {
            key_agreement: required(input.at(0x01), read_key_agreement)?,
            salt_enc: required(input.at(0x02), read::bytes)?.to_vec(),
            salt_auth: required(input.at(0x03), read::bytes)?.to_vec(),
            pin_uv_auth_protocol: optional(input.at(0x04), read::unsigned)?,
        })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        let mut members = Members::of(writer);
        members.at(0x01, |w| self.key_agreement.write_key_agreement(w));
        members.at(0x02, |w| _ = w.bytes(&self.salt_enc));
        members.at(0x03, |w| _ = w.bytes(&self.salt_auth));
        members.at_some(0x04, self.pin_uv_auth_protocol, |w, number| _ = w.unsigned(number));
        members.finish();
    }
}
