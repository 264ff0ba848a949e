//! Extension inputs as they stand in requests (CTAP 2.3 section 12). Unknown extensions were passed over.

use alloc::vec::Vec;

use super::{
    client_pin::read_key_agreement,
    read::{self, optional, required},
    status::Status,
    write::Members,
};
use crate::{
    cbor::{Item, Writer},
    cose::P256Point,
};

/// Extension inputs of authenticatorMakeCredential.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MakeCredentialExtensions {
    /// `credProtect`: a policy value, not yet checked to be 1 to 3.
    pub cred_protect: Option<u64>,
    /// `hmac-secret`.
    pub hmac_secret: Option<bool>,
}

/// Extension inputs of authenticatorGetAssertion.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GetAssertionExtensions {
    /// `hmac-secret`.
    pub hmac_secret: Option<HmacSecretInput>,
}

/// The input of `hmac-secret` (CTAP 2.3 section 12.7): one or two salts, encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HmacSecretInput {
    /// 0x01: the platform's key-agreement key.
    pub key_agreement: P256Point,
    /// 0x02
    pub salt_enc: Vec<u8>,
    /// 0x03
    pub salt_auth: Vec<u8>,
    /// 0x04: absent means 1.
    pub pin_uv_auth_protocol: Option<u64>,
}

const CRED_PROTECT: &str = "credProtect";
const HMAC_SECRET: &str = "hmac-secret";

impl MakeCredentialExtensions {
    pub(super) fn read(item: Item<'_>) -> Result<Self, Status> {
        let inputs = read::map(item)?;
        Ok(Self {
            cred_protect: optional(inputs.named(CRED_PROTECT), read::unsigned)?,
            hmac_secret: optional(inputs.named(HMAC_SECRET), read::boolean)?,
        })
    }

    pub(super) fn members(&self) -> Members {
        let mut members = Members::default();
        members.named_some(CRED_PROTECT, self.cred_protect, |w, level| _ = w.unsigned(level));
        members.named_some(HMAC_SECRET, self.hmac_secret, |w, wanted| _ = w.boolean(wanted));
        members
    }
}

impl GetAssertionExtensions {
    pub(super) fn read(item: Item<'_>) -> Result<Self, Status> {
        let inputs = read::map(item)?;
        Ok(Self { hmac_secret: optional(inputs.named(HMAC_SECRET), HmacSecretInput::read)? })
    }

    pub(super) fn members(&self) -> Members {
        let mut members = Members::default();
        members.named_some(HMAC_SECRET, self.hmac_secret.as_ref(), |w, input| input.write(w));
        members
    }
}

impl HmacSecretInput {
    fn read(item: Item<'_>) -> Result<Self, Status> {
        let input = read::map(item)?;
        Ok(Self {
            key_agreement: required(input.at(0x01), read_key_agreement)?,
            salt_enc: required(input.at(0x02), read::bytes)?.to_vec(),
            salt_auth: required(input.at(0x03), read::bytes)?.to_vec(),
            pin_uv_auth_protocol: optional(input.at(0x04), read::unsigned)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        let mut members = Members::default();
        members.at(0x01, |w| self.key_agreement.write_key_agreement(w));
        members.at(0x02, |w| _ = w.bytes(&self.salt_enc));
        members.at(0x03, |w| _ = w.bytes(&self.salt_auth));
        members.at_some(0x04, self.pin_uv_auth_protocol, |w, number| _ = w.unsigned(number));
        members.finish(writer);
    }
}
