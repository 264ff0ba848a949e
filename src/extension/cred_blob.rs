//! credBlob (CTAP 2.3 section 12.2): a few bytes that the relying party gives at creation and gets back with assertions.

use crate::{
    credential::ExtensionData,
    ctap2::{GetAssertionExtensions, MakeCredentialExtensions},
    secret::SecretBytes,
};

/// The blob that a new credential keeps, if it is short enough and the credential is discoverable: one that is not may
/// have no room but its identifier.
pub(super) fn kept(
    inputs: &MakeCredentialExtensions,
    discoverable: bool,
    max_length: usize,
) -> Option<SecretBytes> {
    let blob = inputs.cred_blob.as_ref()?;
    (discoverable && blob.len() <= max_length).then(|| SecretBytes::new(blob.clone()))
}

/// Whether the blob was kept. One that was not is said to be lost, and is no error.
pub(super) fn registration_output(inputs: &MakeCredentialExtensions, data: &ExtensionData) -> Option<bool> {
    inputs.cred_blob.as_ref().map(|_| data.cred_blob.is_some())
}

/// The blob, or the empty string where none was kept.
pub(super) fn assertion_output<'a>(
    inputs: &GetAssertionExtensions,
    data: &'a ExtensionData,
) -> Option<&'a [u8]> {
    let blob = data.cred_blob.as_ref().map_or(&[][..], SecretBytes::expose);
    (inputs.cred_blob == Some(true)).then_some(blob)
}
