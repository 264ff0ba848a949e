//! thirdPartyPayment (CTAP 2.3 section 12.9): a credential is marked at creation, and assertions say whether it is. A
//! registration says nothing of it.

use crate::{
    credential::ExtensionData,
    ctap2::{GetAssertionExtensions, MakeCredentialExtensions},
};

/// Whether a new credential is marked.
pub(super) fn is_marked(inputs: &MakeCredentialExtensions) -> bool {
    inputs.third_party_payment == Some(true)
}

/// Whether the credential is marked, where it was asked.
pub(super) fn assertion_output(inputs: &GetAssertionExtensions, data: &ExtensionData) -> Option<bool> {
    (inputs.third_party_payment == Some(true)).then_some(data.third_party_payment)
}
