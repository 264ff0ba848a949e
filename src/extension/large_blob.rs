//! largeBlob (CTAP 2.3 section 12.4): a blob for each credential, written and read with an assertion. Every discoverable
//! credential has room for one, whether it was asked for at creation or not.

use crate::{
    credential::{CredentialRecord, LargeBlob},
    ctap2::{LargeBlobInput, LargeBlobOutput, LargeBlobSupport, MakeCredentialExtensions, Status},
    secret::SecretBytes,
    user::UserPresent,
};

/// Whether a registration says that the new credential has room for a blob: only where it was asked. Where it is required
/// and there is no room: LARGE_BLOB_STORAGE_FULL.
pub(super) fn registration_output(
    inputs: &MakeCredentialExtensions,
    discoverable: bool,
) -> Result<bool, Status> {
    match inputs.large_blob {
        Some(_) if discoverable => Ok(true),
        Some(LargeBlobSupport::Required) => Err(Status::LargeBlobStorageFull),
        Some(LargeBlobSupport::Preferred) | None => Ok(false),
    }
}

/// What decides whether a blob is read or written.
#[derive(Debug, Clone, Copy)]
pub struct LargeBlobTerms {
    /// The request names credentials: "the authenticatorGetAssertion request included a non-empty allowList".
    pub named: bool,
    /// Whether a person is present. The standard leaves it to the authenticator which blobs it can store; here none is
    /// overwritten without a touch.
    pub present: Option<UserPresent>,
    /// The longest blob that is written, in bytes.
    pub longest: usize,
    /// How many bytes the response has left for one.
    pub room: usize,
}

/// Reads or writes the blob of the credential that an assertion is made with. A blob that is written is in `record`
/// afterwards, which has to be stored before the output leaves. Where there is nothing to read, or it does not fit into the
/// response (it was imported, or settings changed since it was written), there is no output.
pub fn process_large_blob(
    input: &LargeBlobInput,
    record: &mut CredentialRecord,
    terms: LargeBlobTerms,
) -> Option<LargeBlobOutput> {
    match input {
        LargeBlobInput::Read => {
            let kept = record.extensions.large_blob.as_ref();
            let fitting = kept.filter(|kept| kept.data.expose().len() <= terms.room);
            fitting.map(|kept| LargeBlobOutput::Blob {
                blob: kept.data.expose().to_vec(),
                original_size: kept.uncompressed_size,
            })
        }
        LargeBlobInput::Write { blob, original_size } => {
            let discoverable = record.credential.discoverable;
            let written =
                discoverable && terms.named && terms.present.is_some() && blob.len() <= terms.longest;
            if written {
                let data = SecretBytes::new(blob.clone());
                record.extensions.large_blob = Some(LargeBlob { data, uncompressed_size: *original_size });
            }
            Some(LargeBlobOutput::Written(written))
        }
    }
}
