//! The shape that authenticatorCredentialManagement and authenticatorConfig share: a sub-command with parameters, which
//! pinUvAuthParam is made over.

use alloc::vec::Vec;

use super::{
    pin_uv_auth::PinUvAuth,
    read::{self, optional, required},
    status::Status,
    write::Members,
};
use crate::cbor::{Entries, Writer};

/// The members of such a request, as they came.
pub(super) struct Received<'a> {
    /// 0x01
    pub(super) number: u64,
    /// 0x02
    pub(super) parameters: Option<Entries<'a>>,
    /// 0x02, byte for byte; empty when absent.
    raw: &'a [u8],
    /// 0x03 and 0x04
    pub(super) pin_uv_auth: Option<PinUvAuth>,
}

impl<'a> Received<'a> {
    pub(super) fn read(members: &Entries<'a>) -> Result<Self, Status> {
        let number = required(members.at(0x01), read::unsigned)?;
        let raw = members.at(0x02);
        Ok(Self {
            number,
            parameters: optional(raw, read::map)?,
            raw: raw.map_or(&[], |raw| raw.raw()),
            pin_uv_auth: PinUvAuth::read(members.at(0x04), members.at(0x03))?,
        })
    }

    /// `subCommand (1 byte) || subCommandParams` as it was received.
    pub(super) fn signed(&self, number: u8) -> Vec<u8> {
        signed(number, self.raw)
    }
}

/// `subCommand (1 byte) || subCommandParams`.
pub(super) fn signed(number: u8, parameters: &[u8]) -> Vec<u8> {
    [&[number], parameters].concat()
}

/// Writes such a request. Parameters that are empty are left out.
pub(super) fn write(writer: &mut Writer, number: u8, parameters: &[u8], auth: Option<&PinUvAuth>) {
    let mut members = Members::of(writer);
    members.at(0x01, |w| _ = w.unsigned(number.into()));
    members.at_some(0x02, (!parameters.is_empty()).then_some(parameters), |w, raw| _ = w.raw(raw));
    members.at_some(0x03, auth.and_then(|auth| auth.protocol), |w, number| _ = w.unsigned(number));
    members.at_some(0x04, auth, |w, auth| _ = w.bytes(&auth.param));
    members.finish();
}
