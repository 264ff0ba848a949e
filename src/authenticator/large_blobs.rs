//! authenticatorLargeBlobs (CTAP 2.3 section 6.10): one array for all platforms, kept as the bytes that it was sent as.
//! What it says is sealed by platforms under the keys of the extension `largeBlobKey`; here, only its hash is looked at.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use super::{
    machine::{Authenticator, Stateful},
    settings,
    state::State,
    step::{After, Channel, Outcome, Step},
};
use crate::{
    crypto::sha256,
    ctap2::{LargeBlobs, LargeBlobsResponse, PinUvAuth, Response, Status},
    pin_uv::Permissions,
    time::Moment,
};

/// "The initial serialized large-blob array is the value of the serialized large-blob array on a fresh authenticator [...]
/// 0x80 (an empty CBOR array) and LEFT(SHA-256(0x80), 16)".
const INITIAL: [u8; 17] =
    [0x80, 0x76, 0xBE, 0x8B, 0x52, 0x8D, 0x00, 0x75, 0xF7, 0xAA, 0xE9, 0x8D, 0x6F, 0xA5, 0x7A, 0x6D, 0x3C];
/// How much shorter than maxMsgSize a fragment is: `maxFragmentLength = maxMsgSize - 64`.
const ENVELOPE: usize = 64;
/// The truncated hash at the end of the array.
const HASH_LENGTH: usize = 16;
/// For how long the next fragment may come, in milliseconds (section 6: "the time between such commands exceeds 30
/// seconds").
const FRAGMENT_TIMEOUT: u64 = 30_000;

/// An array that is on its way.
pub(super) struct Upload {
    from: Channel,
    /// The tick after which it is over if nothing more comes.
    deadline: u64,
    /// `expectedLength`
    length: usize,
    /// As long as `expectedNextOffset`.
    received: Vec<u8>,
}

impl Upload {
    /// The first tick at which it is over.
    pub(super) fn over_at(&self) -> u64 {
        self.deadline.saturating_add(1)
    }
}

impl Authenticator {
    pub(super) fn large_blobs(
        &mut self,
        from: Channel,
        request: LargeBlobs,
        remembered: Option<Stateful>,
        now: Moment,
    ) -> Result<Step, Status> {
        let settings::LargeBlobs::Array { max_bytes } = self.settings.large_blobs else {
            return Err(Status::InvalidCommand);
        };
        // Steps 1 to 3: offset, and either get or set.
        let offset = request.offset.ok_or(Status::InvalidParameter)?;
        match (request.get, request.set) {
            (Some(_), None) if request.length.is_some() || request.pin_uv_auth.is_some() => {
                Err(Status::InvalidParameter)
            }
            (Some(count), None) => self.read_large_blobs(count, offset),
            (None, Some(fragment)) => {
                // Step 5.1.
                if fragment.len() > self.max_fragment_length() {
                    return Err(Status::InvalidLength);
                }
                let upload = match (offset, request.length) {
                    // Step 5.2.
                    (0, length) => {
                        let length = length.ok_or(Status::InvalidParameter)?;
                        Upload {
                            from,
                            deadline: 0,
                            length: array_length(length, max_bytes)?,
                            received: Vec::new(),
                        }
                    }
                    // Step 5.3.
                    (_, Some(_)) => return Err(Status::InvalidParameter),
                    // Step 5.4: nothing is expected but what follows the fragment before.
                    (_, None) => expected_upload(from, offset, remembered, now)?,
                };
                self.authorize_fragment(request.pin_uv_auth.as_ref(), offset, &fragment, now)?;
                self.take_fragment(upload, &fragment, now)
            }
            _ => Err(Status::InvalidParameter),
        }
    }

    fn max_fragment_length(&self) -> usize {
        self.settings.max_msg_size.saturating_sub(ENVELOPE)
    }

    /// Step 4.
    fn read_large_blobs(&self, count: u64, offset: u64) -> Result<Step, Status> {
        let count = usize::try_from(count).ok().filter(|count| *count <= self.max_fragment_length());
        let count = count.ok_or(Status::InvalidLength)?;
        let array = self.state.large_blobs.as_deref().unwrap_or(&INITIAL);
        let rest = usize::try_from(offset).ok().and_then(|offset| array.get(offset..));
        let rest = rest.ok_or(Status::InvalidParameter)?;
        let config = rest.get(..count).unwrap_or(rest).to_vec();
        Ok(Step::respond(Response::LargeBlobs(LargeBlobsResponse { config })))
    }

    /// Step 5.5: "If the authenticator is protected by some form of user verification or the alwaysUv option ID is present
    /// and true".
    fn authorize_fragment(
        &mut self,
        auth: Option<&PinUvAuth>,
        offset: u64,
        fragment: &[u8],
        now: Moment,
    ) -> Result<(), Status> {
        if !self.is_protected() && !self.always_uv() {
            return Ok(());
        }
        let auth = auth.ok_or(Status::PuatRequired)?;
        let offset = u32::try_from(offset).map_err(|_| Status::InvalidSeq)?;
        // 32×0xff || h'0c00' || uint32LittleEndian(offset) || SHA-256(contents of set byte string)
        let message: [&[u8]; 4] = [&[0xFF; 32], &[0x0C, 0x00], &offset.to_le_bytes(), &sha256(fragment)];
        self.verify_token(auth, &message, Permissions::LARGE_BLOB_WRITE, now).map(|_| ())
    }

    /// Steps 5.6 to 5.10. The array before stays until the whole new one is here, and stored.
    fn take_fragment(&mut self, mut upload: Upload, fragment: &[u8], now: Moment) -> Result<Step, Status> {
        let missing = upload.length.saturating_sub(upload.received.len());
        if fragment.len() > missing {
            return Err(Status::InvalidParameter);
        }
        // In one piece from the start: a buffer that grew would at times be there twice.
        upload.received.reserve_exact(missing);
        upload.received.extend_from_slice(fragment);
        if fragment.len() < missing {
            upload.deadline = now.after(FRAGMENT_TIMEOUT);
            let outcome = Outcome { response: Response::Empty, prf: None };
            return Ok(self.finish(outcome, Some(Stateful::LargeBlobs(Box::new(upload)))));
        }
        if !carries_its_hash(&upload.received) {
            return Err(Status::IntegrityFailure);
        }
        let large_blobs = Some(Arc::from(upload.received));
        Ok(self.replace_state(State { large_blobs, ..self.state.clone_secret() }, After::Configured))
    }
}

/// Steps 5.2.2 and 5.2.3.
fn array_length(length: u64, max_bytes: usize) -> Result<usize, Status> {
    let length = usize::try_from(length).ok().filter(|length| *length <= max_bytes);
    let length = length.ok_or(Status::LargeBlobStorageFull)?;
    if length < INITIAL.len() { Err(Status::InvalidParameter) } else { Ok(length) }
}

/// Step 5.4: "If offset is not equal to expectedNextOffset, return CTAP1_ERR_INVALID_SEQ". Without an array on its way,
/// from this channel and lately, zero is expected.
fn expected_upload(
    from: Channel,
    offset: u64,
    remembered: Option<Stateful>,
    now: Moment,
) -> Result<Upload, Status> {
    match remembered {
        Some(Stateful::LargeBlobs(upload))
            if upload.from == from
                && now.ticks < upload.over_at()
                && u64::try_from(upload.received.len()) == Ok(offset) =>
        {
            Ok(*upload)
        }
        _ => Err(Status::InvalidSeq),
    }
}

/// "the final 16 bytes are the truncated SHA-256 digest of the preceding bytes"
fn carries_its_hash(array: &[u8]) -> bool {
    let Some((body, hash)) = array.split_last_chunk::<HASH_LENGTH>() else { return false };
    sha256(body).first_chunk() == Some(hash)
}
