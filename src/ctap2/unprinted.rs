//! What is a person's and no business of a log: printed by its length.

/// Stands for bytes in `Debug`.
pub(in crate::ctap2) struct Unprinted<'a>(pub(in crate::ctap2) &'a [u8]);

impl core::fmt::Debug for Unprinted<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}
