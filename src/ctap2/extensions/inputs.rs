//! The extension inputs of the two commands that have them.

use alloc::vec::Vec;

use super::{
    hmac_secret::HmacSecretInput,
    large_blob::{LargeBlobInput, LargeBlobSupport},
};
use crate::{
    cbor::Item,
    ctap2::{
        read::{self, optional},
        status::Status,
        unprinted::Unprinted,
        write::Members,
    },
};

/// Extension inputs of authenticatorMakeCredential.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct MakeCredentialExtensions {
    /// `credBlob`: the blob, of whatever length; not printed.
    pub cred_blob: Option<Vec<u8>>,
    /// `largeBlob`.
    pub large_blob: Option<LargeBlobSupport>,
    /// `credProtect`: a policy value, not yet checked to be 1 to 3.
    pub cred_protect: Option<u64>,
    /// `hmac-secret`.
    pub hmac_secret: Option<bool>,
    /// `largeBlobKey`.
    pub large_blob_key: Option<bool>,
    /// `minPinLength`.
    pub min_pin_length: Option<bool>,
    /// `hmac-secret-mc`.
    pub hmac_secret_mc: Option<HmacSecretInput>,
    /// `thirdPartyPayment`.
    pub third_party_payment: Option<bool>,
    /// `pinComplexityPolicy`.
    pub pin_complexity_policy: Option<bool>,
}

impl core::fmt::Debug for MakeCredentialExtensions {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("MakeCredentialExtensions")
            .field("cred_blob", &self.cred_blob.as_deref().map(Unprinted))
            .field("large_blob", &self.large_blob)
            .field("cred_protect", &self.cred_protect)
            .field("hmac_secret", &self.hmac_secret)
            .field("large_blob_key", &self.large_blob_key)
            .field("min_pin_length", &self.min_pin_length)
            .field("hmac_secret_mc", &self.hmac_secret_mc)
            .field("third_party_payment", &self.third_party_payment)
            .field("pin_complexity_policy", &self.pin_complexity_policy)
            .finish()
    }
}

/// Extension inputs of authenticatorGetAssertion.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GetAssertionExtensions {
    /// `credBlob`: whether the blob is asked for.
    pub cred_blob: Option<bool>,
    /// `largeBlob`.
    pub large_blob: Option<LargeBlobInput>,
    /// `hmac-secret`.
    pub hmac_secret: Option<HmacSecretInput>,
    /// `largeBlobKey`.
    pub large_blob_key: Option<bool>,
    /// `thirdPartyPayment`.
    pub third_party_payment: Option<bool>,
}

const CRED_BLOB: &str = "credBlob";
const LARGE_BLOB: &str = "largeBlob";
const CRED_PROTECT: &str = "credProtect";
const HMAC_SECRET: &str = "hmac-secret";
const LARGE_BLOB_KEY: &str = "largeBlobKey";
const MIN_PIN_LENGTH: &str = "minPinLength";
const HMAC_SECRET_MC: &str = "hmac-secret-mc";
const THIRD_PARTY_PAYMENT: &str = "thirdPartyPayment";
const PIN_COMPLEXITY_POLICY: &str = "pinComplexityPolicy";

impl MakeCredentialExtensions {
    pub(in crate::ctap2) fn read(item: Item<'_>) -> Result<Self, Status> {
        let inputs = read::map(item)?;
        Ok(Self {
            cred_blob: optional(inputs.named(CRED_BLOB), read::bytes)?.map(<[u8]>::to_vec),
            large_blob: optional(inputs.named(LARGE_BLOB), LargeBlobSupport::read)?,
            cred_protect: optional(inputs.named(CRED_PROTECT), read::unsigned)?,
            hmac_secret: optional(inputs.named(HMAC_SECRET), read::boolean)?,
            large_blob_key: optional(inputs.named(LARGE_BLOB_KEY), read::boolean)?,
            min_pin_length: optional(inputs.named(MIN_PIN_LENGTH), read::boolean)?,
            hmac_secret_mc: optional(inputs.named(HMAC_SECRET_MC), HmacSecretInput::read)?,
            third_party_payment: optional(inputs.named(THIRD_PARTY_PAYMENT), read::boolean)?,
            pin_complexity_policy: optional(inputs.named(PIN_COMPLEXITY_POLICY), read::boolean)?,
        })
    }

    /// In canonical order: the shorter name first.
    pub(in crate::ctap2) fn write(&self, members: &mut Members<'_>) {
        members.named_some(CRED_BLOB, self.cred_blob.as_deref(), |w, blob| _ = w.bytes(blob));
        members.named_some(LARGE_BLOB, self.large_blob, |w, support| support.write(w));
        members.named_some(CRED_PROTECT, self.cred_protect, |w, level| _ = w.unsigned(level));
        members.named_some(HMAC_SECRET, self.hmac_secret, |w, wanted| _ = w.boolean(wanted));
        members.named_some(LARGE_BLOB_KEY, self.large_blob_key, |w, wanted| _ = w.boolean(wanted));
        members.named_some(MIN_PIN_LENGTH, self.min_pin_length, |w, wanted| _ = w.boolean(wanted));
        members.named_some(HMAC_SECRET_MC, self.hmac_secret_mc.as_ref(), |w, input| input.write(w));
        members.named_some(THIRD_PARTY_PAYMENT, self.third_party_payment, |w, wanted| _ = w.boolean(wanted));
        members
            .named_some(PIN_COMPLEXITY_POLICY, self.pin_complexity_policy, |w, wanted| _ = w.boolean(wanted));
    }
}

impl GetAssertionExtensions {
    pub(in crate::ctap2) fn read(item: Item<'_>) -> Result<Self, Status> {
        let inputs = read::map(item)?;
        Ok(Self {
            cred_blob: optional(inputs.named(CRED_BLOB), read::boolean)?,
            large_blob: optional(inputs.named(LARGE_BLOB), LargeBlobInput::read)?,
            hmac_secret: optional(inputs.named(HMAC_SECRET), HmacSecretInput::read)?,
            large_blob_key: optional(inputs.named(LARGE_BLOB_KEY), read::boolean)?,
            third_party_payment: optional(inputs.named(THIRD_PARTY_PAYMENT), read::boolean)?,
        })
    }

    /// In canonical order: the shorter name first.
    pub(in crate::ctap2) fn write(&self, members: &mut Members<'_>) {
        members.named_some(CRED_BLOB, self.cred_blob, |w, wanted| _ = w.boolean(wanted));
        members.named_some(LARGE_BLOB, self.large_blob.as_ref(), |w, input| input.write(w));
        members.named_some(HMAC_SECRET, self.hmac_secret.as_ref(), |w, input| input.write(w));
        members.named_some(LARGE_BLOB_KEY, self.large_blob_key, |w, wanted| _ = w.boolean(wanted));
        members.named_some(THIRD_PARTY_PAYMENT, self.third_party_payment, |w, wanted| _ = w.boolean(wanted));
    }
}
