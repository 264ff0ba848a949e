//! hmac-secret-mc (CTAP 2.3 section 12.8): hmac-secret's evaluation at creation already.

use crate::ctap2::{MakeCredentialExtensions, Status};

/// It needs `hmac-secret: true` beside it, else MISSING_PARAMETER.
pub(super) fn check(inputs: &MakeCredentialExtensions) -> Result<(), Status> {
    match (&inputs.hmac_secret_mc, inputs.hmac_secret) {
        (None, _) | (Some(_), Some(true)) => Ok(()),
        (Some(_), _) => Err(Status::MissingParameter),
    }
}
