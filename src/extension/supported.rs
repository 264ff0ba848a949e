//! Which extensions an authenticator has.

use alloc::vec::Vec;

use crate::ctap2::{GetAssertionExtensions, MakeCredentialExtensions};

/// Which extensions an authenticator has beside those that all have: credProtect, hmac-secret, hmac-secret-mc and
/// thirdPartyPayment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supported {
    /// The longest credBlob, in bytes.
    pub max_cred_blob_length: usize,
    /// largeBlobKey. "Authenticators MUST NOT support both extensions" (CTAP 2.3 section 12.4): this and `large_blob`.
    pub large_blob_key: bool,
    /// largeBlob: the longest blob as it is stored, in bytes.
    pub large_blob: Option<usize>,
    /// minPinLength.
    pub min_pin_length: bool,
    /// pinComplexityPolicy.
    pub pin_complexity_policy: bool,
}

impl Supported {
    /// getInfo's `extensions` (0x02).
    pub fn names(&self) -> Vec<&'static str> {
        let names = [
            ("credBlob", true),
            ("credProtect", true),
            ("hmac-secret", true),
            ("hmac-secret-mc", true),
            ("largeBlob", self.large_blob.is_some()),
            ("largeBlobKey", self.large_blob_key),
            ("minPinLength", self.min_pin_length),
            ("pinComplexityPolicy", self.pin_complexity_policy),
            ("thirdPartyPayment", true),
        ];
        names.into_iter().filter_map(|(name, supported)| supported.then_some(name)).collect()
    }

    /// Takes out of a registration what is not supported: it is ignored, as every unknown extension is.
    pub fn retain_in_registration(&self, inputs: &mut MakeCredentialExtensions) {
        retain(&mut inputs.large_blob, self.large_blob.is_some());
        retain(&mut inputs.large_blob_key, self.large_blob_key);
        retain(&mut inputs.min_pin_length, self.min_pin_length);
        retain(&mut inputs.pin_complexity_policy, self.pin_complexity_policy);
    }

    /// As [`Supported::retain_in_registration`], of an assertion.
    pub fn retain_in_assertion(&self, inputs: &mut GetAssertionExtensions) {
        retain(&mut inputs.large_blob, self.large_blob.is_some());
        retain(&mut inputs.large_blob_key, self.large_blob_key);
    }
}

fn retain<T>(input: &mut Option<T>, supported: bool) {
    if !supported {
        *input = None;
    }
}
