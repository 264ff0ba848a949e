//! Secrets: born in a zeroizing box, never printed, never cloned by accident, compared in constant time only.

use alloc::{boxed::Box, vec, vec::Vec};

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// `N` secret bytes on the heap, wiped when dropped. They are born there: moving a `Secret` moves a pointer and leaves
/// no copy behind. No `Debug`, no `Clone`, no `PartialEq`.
pub struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// Fills a fresh box in place.
    pub fn init_with(fill: impl FnOnce(&mut [u8; N])) -> Self {
        let mut secret = Self(Box::new([0; N]));
        fill(&mut secret.0);
        secret
    }

    /// As [`Secret::init_with`], where filling can fail; a half-filled box is wiped.
    pub fn try_init_with<E>(fill: impl FnOnce(&mut [u8; N]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self(Box::new([0; N]));
        fill(&mut secret.0)?;
        Ok(secret)
    }

    /// `N` random bytes.
    pub fn make_random(rng: &mut dyn CryptoRng) -> Self {
        Self::init_with(|bytes| rng.fill_bytes(bytes))
    }

    /// A copy of `bytes`, if they are exactly `N`. The original stays the caller's to wipe.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; N] = bytes.try_into().ok()?;
        Some(Self::init_with(|secret| secret.copy_from_slice(bytes)))
    }

    /// The bytes themselves. The name is loud on purpose: whoever calls this answers for where they go.
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }

    /// A second box with the same bytes, for the rare owner who needs one.
    pub fn clone_secret(&self) -> Self {
        Self::init_with(|secret| secret.copy_from_slice(self.expose()))
    }

    /// The same bytes where their number is not part of the type. They are not copied.
    pub fn into_bytes(mut self) -> SecretBytes {
        let bytes: Box<[u8]> = core::mem::replace::<Box<[u8; N]>>(&mut self.0, Box::new([0; N]));
        SecretBytes::new(bytes.into_vec())
    }

    /// Whether both hold the same bytes, in constant time.
    pub fn ct_eq(&self, other: &[u8]) -> bool {
        self.0.as_slice().ct_eq(other).into()
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<const N: usize> ZeroizeOnDrop for Secret<N> {}

/// Secret bytes whose number is known at run time only; wiped when dropped.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes the bytes over; they are not copied.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// `length` random bytes.
    pub fn make_random(length: usize, rng: &mut dyn CryptoRng) -> Self {
        let mut bytes = Self::new(vec![0; length]);
        rng.fill_bytes(&mut bytes.0);
        bytes
    }

    /// The bytes themselves. The name is loud on purpose: whoever calls this answers for where they go.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// A second copy, for the rare owner who needs one.
    pub fn clone_secret(&self) -> Self {
        Self::new(self.0.to_vec())
    }
}

impl ZeroizeOnDrop for SecretBytes {}

/// How much of the stack [`scrub_stack`] overwrites: more than opening and rotating a vault use. Small machines have less to
/// overwrite, and to overwrite it with.
const SCRUBBED: usize = if usize::BITS == 64 { 64 * 1024 } else { 8 * 1024 };

/// Overwrites the stack below its caller. Ciphers and hashes of other crates are wiped where they end, but not everywhere
/// they were moved on the way; what they left behind lies there until something else happens to be written over it.
#[inline(never)]
pub(crate) fn scrub_stack() {
    let mut area = [0u8; SCRUBBED];
    // Writes that the compiler does not leave out.
    area.zeroize();
}
