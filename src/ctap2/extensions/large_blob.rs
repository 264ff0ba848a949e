//! `largeBlob` (CTAP 2.3 section 12.4): a blob for each credential, written and read within an assertion. Not to be taken
//! for WebAuthn's client extension of that name, nor for `largeBlobKey`, the older way to the same end.
//!
//! ```text
//! makeCredential input:   { "support": "required" / "preferred" }
//!   unsigned output:      { "supported": true }
//! getAssertion input:     { "read": true }
//!                       / { "write": bstr, "originalSize": uint }
//!   unsigned output:      { "blob": bstr, "originalSize": uint }
//!                       / { "written": bool }
//! ```
//!
//! The blob is compressed (DEFLATE) by the platform and opaque to the authenticator, which hands `originalSize` back as
//! it came. Where this form comes from, since the standard's text was not at hand: Chromium (`device/fido`: the names,
//! the two shapes of each map, 0x06 and 0x08 as the places of the unsigned outputs) and RS-Key's account of the section
//! (the same, and: whatever does not conform is INVALID_CBOR, wrong types too; `read` is `true` or absent). The two are
//! independent and agree in everything that both say. That members beyond these do not conform either is RS-Key's
//! reading of the CDDL alone; Chromium passes them over.

use alloc::vec::Vec;

use crate::{
    cbor::{Entries, Item, Writer},
    ctap2::{status::Status, unprinted::Unprinted, write::Members},
};

/// The input of makeCredential: how much the relying party wants a credential with room for a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LargeBlobSupport {
    /// `required`: no credential without it.
    Required,
    /// `preferred`
    Preferred,
}

/// The input of getAssertion.
#[derive(Clone, PartialEq, Eq)]
pub enum LargeBlobInput {
    /// `read`
    Read,
    /// `write` with `originalSize`
    Write {
        /// The blob as it is to be stored: compressed.
        blob: Vec<u8>,
        /// Its length before it was compressed, in bytes.
        original_size: u64,
    },
}

/// The unsigned output of getAssertion.
#[derive(Clone, PartialEq, Eq)]
pub enum LargeBlobOutput {
    /// `blob` with `originalSize`
    Blob {
        /// The blob as it was written.
        blob: Vec<u8>,
        /// The `originalSize` that came with it.
        original_size: u64,
    },
    /// `written`: whether the blob is stored.
    Written(bool),
}

const LARGE_BLOB: &str = "largeBlob";
const REQUIRED: &str = "required";
const PREFERRED: &str = "preferred";

impl LargeBlobSupport {
    pub(super) fn read(item: Item<'_>) -> Result<Self, Status> {
        conforming(item, |input| match (input.announced(), input.named("support")?.text()?) {
            (1, REQUIRED) => Some(Self::Required),
            (1, PREFERRED) => Some(Self::Preferred),
            _ => None,
        })
    }

    pub(super) fn write(self, writer: &mut Writer) {
        writer.map(1).text("support").text(match self {
            Self::Required => REQUIRED,
            Self::Preferred => PREFERRED,
        });
    }
}

impl core::fmt::Debug for LargeBlobInput {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Read => f.write_str("Read"),
            Self::Write { blob, original_size } => f
                .debug_struct("Write")
                .field("blob", &Unprinted(blob))
                .field("original_size", original_size)
                .finish(),
        }
    }
}

impl core::fmt::Debug for LargeBlobOutput {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Blob { blob, original_size } => f
                .debug_struct("Blob")
                .field("blob", &Unprinted(blob))
                .field("original_size", original_size)
                .finish(),
            Self::Written(written) => f.debug_tuple("Written").field(written).finish(),
        }
    }
}

impl LargeBlobInput {
    pub(super) fn read(item: Item<'_>) -> Result<Self, Status> {
        conforming(item, |input| match (input.announced(), input.named("read"), input.named("write")) {
            (1, Some(read), None) => read.boolean()?.then_some(Self::Read),
            (2, None, Some(blob)) => {
                let original_size = input.named("originalSize")?.unsigned()?;
                Some(Self::Write { blob: blob.bytes()?.to_vec(), original_size })
            }
            _ => None,
        })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        match self {
            Self::Read => writer.map(1).text("read").boolean(true),
            Self::Write { blob, original_size } => {
                writer.map(2).text("write").bytes(blob).text("originalSize").unsigned(*original_size)
            }
        };
    }
}

impl LargeBlobOutput {
    /// unsignedExtensionOutputs of getAssertion (0x08), of which this is the only one.
    pub(in crate::ctap2) fn write(&self, writer: &mut Writer) {
        let mut members = Members::of(writer);
        members.named(LARGE_BLOB, |writer| match self {
            Self::Blob { blob, original_size } => {
                writer.map(2).text("blob").bytes(blob).text("originalSize").unsigned(*original_size);
            }
            Self::Written(written) => _ = writer.map(1).text("written").boolean(*written),
        });
        members.finish();
    }
}

/// unsignedExtensionOutputs of makeCredential (0x06), of which this is the only one.
pub(in crate::ctap2) fn write_supported(writer: &mut Writer) {
    writer.map(1).text(LARGE_BLOB).map(1).text("supported").boolean(true);
}

/// "If the input does not conform to the given CDDL, return CTAP2_ERR_INVALID_CBOR": a wrong type as well, which has a
/// status of its own elsewhere.
fn conforming<'a, T>(item: Item<'a>, read: impl FnOnce(Entries<'a>) -> Option<T>) -> Result<T, Status> {
    item.map().and_then(read).ok_or(Status::InvalidCbor)
}
