//! Who signs: accelerated implementations of the core's provider joint, the choice among those that were built in, and
//! the cache of loaded keys.
//!
//! Each implementation serves what its library has, and hands the rest to [`RustCrypto`](countersign::crypto::RustCrypto).

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
mod choice;
#[cfg(all(feature = "graviola", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod graviola;
mod key_cache;
#[cfg(any(feature = "aws-lc-rs", feature = "graviola"))]
mod sec1;

#[cfg(feature = "aws-lc-rs")]
pub use aws_lc::AwsLc;
pub use choice::{fastest_provider, provider};
#[cfg(all(feature = "graviola", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub use graviola::Graviola;
pub use key_cache::KeyCache;
