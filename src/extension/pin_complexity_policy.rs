//! pinComplexityPolicy (CTAP 2.3 section 12.6): the same relying parties that may learn the minimum PIN length learn
//! whether PINs have to fit a policy beyond it.

use super::pin_rules::PinRules;
use crate::ctap2::MakeCredentialExtensions;

/// Whether a policy is enforced. Nothing is said to a relying party that may not know.
pub(super) fn output(inputs: &MakeCredentialExtensions, rules: &PinRules) -> Option<bool> {
    (inputs.pin_complexity_policy == Some(true) && rules.may_be_told).then_some(rules.complexity)
}
