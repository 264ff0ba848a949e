//! credProtect (CTAP 2.3 section 12.1).

use crate::{
    credential::CredProtect,
    ctap2::{MakeCredentialExtensions, Status},
};

/// The policy of a new credential: the one asked for, else level 1. A value outside 1 to 3 is INVALID_OPTION.
pub(super) fn policy(inputs: &MakeCredentialExtensions) -> Result<CredProtect, Status> {
    match inputs.cred_protect {
        None => Ok(CredProtect::default()),
        Some(level) => CredProtect::from_level(level).ok_or(Status::InvalidOption),
    }
}
