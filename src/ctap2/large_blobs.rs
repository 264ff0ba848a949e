//! authenticatorLargeBlobs (CTAP 2.3 section 6.10).

use alloc::vec::Vec;

use super::{
    pin_uv_auth::PinUvAuth,
    read::{self, optional},
    status::Status,
    write::Members,
};
use crate::cbor::{Entries, Writer};

/// The request. Which members go together is judged by the handler.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LargeBlobs {
    /// 0x01: how many bytes to read.
    pub get: Option<u64>,
    /// 0x02: a fragment to write.
    pub set: Option<Vec<u8>>,
    /// 0x03: where to read or write.
    pub offset: Option<u64>,
    /// 0x04: the whole length of what is written.
    pub length: Option<u64>,
    /// 0x05 and 0x06
    pub pin_uv_auth: Option<PinUvAuth>,
}

impl LargeBlobs {
    pub(super) fn read(parameters: &Entries<'_>) -> Result<Self, Status> {
        // Section 6.10.2 step 4.2, judged here because of a protocol without a parameter nothing is kept.
        if parameters.at(0x01).is_some() && parameters.at(0x06).is_some() {
            return Err(Status::InvalidParameter);
        }
        Ok(Self {
            get: optional(parameters.at(0x01), read::unsigned)?,
            set: optional(parameters.at(0x02), read::owned_bytes)?,
            offset: optional(parameters.at(0x03), read::unsigned)?,
            length: optional(parameters.at(0x04), read::unsigned)?,
            pin_uv_auth: PinUvAuth::read(parameters.at(0x05), parameters.at(0x06))?,
        })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        let mut members = Members::of(writer);
        members.at_some(0x01, self.get, |w, count| _ = w.unsigned(count));
        members.at_some(0x02, self.set.as_deref(), |w, fragment| _ = w.bytes(fragment));
        members.at_some(0x03, self.offset, |w, offset| _ = w.unsigned(offset));
        members.at_some(0x04, self.length, |w, length| _ = w.unsigned(length));
        PinUvAuth::write(self.pin_uv_auth.as_ref(), 0x05, 0x06, &mut members);
        members.finish();
    }
}

/// The response to `get`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LargeBlobsResponse {
    /// 0x01: a part of the serialized large-blob array.
    pub config: Vec<u8>,
}

impl LargeBlobsResponse {
    pub(super) fn write(&self, writer: &mut Writer) {
        let mut members = Members::of(writer);
        members.at(0x01, |w| _ = w.bytes(&self.config));
        members.finish();
    }
}
