//! All extensions of one assertion.

use alloc::vec::Vec;

use super::{cred_blob, large_blob_key, outputs::Outputs, supported::Supported, third_party_payment};
use crate::{
    credential::ExtensionData,
    ctap2::{GetAssertionExtensions, LargeBlobKey, Status},
};

/// Judges the inputs before anybody is asked, and takes out those that are not supported.
///
/// # Errors
/// - UNSUPPORTED_OPTION: hmac-secret without user presence (CTAP 2.3 section 12.7).
/// - INVALID_OPTION: largeBlobKey `false`.
pub fn judge_assertion(
    inputs: &mut GetAssertionExtensions,
    supported: &Supported,
    wants_presence: bool,
) -> Result<(), Status> {
    supported.retain_in_assertion(inputs);
    if !wants_presence && inputs.hmac_secret.is_some() {
        return Err(Status::UnsupportedOption);
    }
    large_blob_key::check_assertion(inputs)
}

/// The outputs in authenticator data: a canonical map, or nothing at all, so that the ED flag is set only if there are
/// outputs. `hmac_secret` is what [`super::evaluate_encrypted`] made of its input.
pub fn assertion_outputs(
    inputs: &GetAssertionExtensions,
    data: &ExtensionData,
    hmac_secret: Option<&[u8]>,
) -> Vec<u8> {
    // In canonical order: the shorter name first.
    let mut outputs = Outputs::default();
    outputs.bytes("credBlob", cred_blob::assertion_output(inputs, data));
    outputs.bytes("hmac-secret", hmac_secret);
    outputs.boolean("thirdPartyPayment", third_party_payment::assertion_output(inputs, data));
    outputs.finish()
}

/// The response's largeBlobKey.
pub fn assertion_large_blob_key(
    inputs: &GetAssertionExtensions,
    data: &ExtensionData,
) -> Option<LargeBlobKey> {
    large_blob_key::assertion_output(inputs, data)
}
