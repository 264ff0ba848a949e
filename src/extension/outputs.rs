//! The extension outputs in authenticator data: a canonical map, or nothing at all, so that the ED flag is set only if
//! there are outputs.

use alloc::vec::Vec;

use crate::{cbor::Writer, credential::CredProtect, ctap2::MakeCredentialExtensions};

/// The outputs of a registration: what was asked for and done.
pub fn make_credential_outputs(input: &MakeCredentialExtensions, policy: CredProtect) -> Vec<u8> {
    let cred_protect = input.cred_protect.is_some();
    let hmac_secret = input.hmac_secret == Some(true);
    let mut writer = Writer::new();
    let count = usize::from(cred_protect).saturating_add(usize::from(hmac_secret));
    if count == 0 {
        return Vec::new();
    }
    writer.map(count);
    if cred_protect {
        writer.text("credProtect").unsigned(policy.level().into());
    }
    if hmac_secret {
        writer.text("hmac-secret").boolean(true);
    }
    writer.finish()
}

/// The outputs of an assertion.
pub fn get_assertion_outputs(hmac_secret: Option<&[u8]>) -> Vec<u8> {
    let mut writer = Writer::new();
    if let Some(output) = hmac_secret {
        writer.map(1).text("hmac-secret").bytes(output);
    }
    writer.finish()
}
