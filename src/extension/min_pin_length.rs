//! minPinLength (CTAP 2.3 section 12.5): relying parties that authenticatorConfig allows learn the minimum PIN length.

use super::pin_rules::PinRules;
use crate::ctap2::MakeCredentialExtensions;

/// The minimum PIN length in code points. Nothing is said to a relying party that may not know.
pub(super) fn output(inputs: &MakeCredentialExtensions, rules: &PinRules) -> Option<u64> {
    (inputs.min_pin_length == Some(true) && rules.may_be_told).then(|| rules.min_length.into())
}
