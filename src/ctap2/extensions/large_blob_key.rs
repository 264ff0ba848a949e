//! The largeBlobKey of a response (CTAP 2.3 section 12.3).

use crate::secret::Secret;

/// A credential's largeBlobKey on its way to the platform. It is compared in constant time and not printed.
pub struct LargeBlobKey(pub Secret<32>);

impl Clone for LargeBlobKey {
    fn clone(&self) -> Self {
        Self(self.0.clone_secret())
    }
}

impl PartialEq for LargeBlobKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(other.0.expose())
    }
}

impl Eq for LargeBlobKey {}

impl core::fmt::Debug for LargeBlobKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("LargeBlobKey(..)")
    }
}
