//! credProtect (CTAP 2.3 section 12.1).

use crate::{
    credential::CredProtect,
    ctap2::{MakeCredentialExtensions, Status},
};

/// The policy of a new credential: the one asked for, else level 1. A value outside 1 to 3 is INVALID_OPTION.
pub fn cred_protect_policy(input: &MakeCredentialExtensions) -> Result<CredProtect, Status> {
    match input.cred_protect {
        None => Ok(CredProtect::default()),
        Some(level) => CredProtect::from_level(level).ok_or(Status::InvalidOption),
    }
}
