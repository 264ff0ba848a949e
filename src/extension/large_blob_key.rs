//! largeBlobKey (CTAP 2.3 section 12.3): the key under which a platform seals a credential's entry in the large-blob array.

use crate::{
    credential::ExtensionData,
    ctap2::{GetAssertionExtensions, LargeBlobKey, MakeCredentialExtensions, Status},
};

/// Whether a new credential gets a key. Only `true` may be asked, and only of a discoverable credential; all else is
/// INVALID_OPTION.
pub(super) fn is_wanted(inputs: &MakeCredentialExtensions, discoverable: bool) -> Result<bool, Status> {
    match inputs.large_blob_key {
        None => Ok(false),
        Some(true) if discoverable => Ok(true),
        Some(_) => Err(Status::InvalidOption),
    }
}

/// Only `true` may be asked; `false` is INVALID_OPTION.
pub(super) fn check_assertion(inputs: &GetAssertionExtensions) -> Result<(), Status> {
    match inputs.large_blob_key {
        Some(false) => Err(Status::InvalidOption),
        Some(true) | None => Ok(()),
    }
}

/// The key for an assertion's response: where it was asked for, and the credential has one.
pub(super) fn assertion_output(
    inputs: &GetAssertionExtensions,
    data: &ExtensionData,
) -> Option<LargeBlobKey> {
    let key = data.large_blob_key.as_ref().filter(|_| inputs.large_blob_key == Some(true));
    key.map(|key| LargeBlobKey(key.clone_secret()))
}
