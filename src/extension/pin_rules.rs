//! What minPinLength and pinComplexityPolicy tell of.

/// What a relying party may learn of the rules for PINs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinRules {
    /// It is on the list that authenticatorConfig set.
    pub may_be_told: bool,
    /// The minimum PIN length, in code points.
    pub min_length: u8,
    /// PINs have to fit a policy beyond their length.
    pub complexity: bool,
}
