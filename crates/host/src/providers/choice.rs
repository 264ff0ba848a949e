//! Which provider this machine gets.

use std::sync::Arc;

use countersign::crypto::{CryptoProvider, RustCrypto};

#[cfg(feature = "aws-lc-rs")]
use super::AwsLc;
#[cfg(all(feature = "graviola", any(target_arch = "x86_64", target_arch = "aarch64")))]
use super::Graviola;
use super::KeyCache;

/// Looks whether the machine has what a provider needs, and makes it if so.
type Detect = fn() -> Option<Arc<dyn CryptoProvider>>;

/// What was built in, best first: graviola and AWS-LC sign alike fast, but graviola loads an ES256 key for nothing, and makes
/// one in two thirds of the time.
const BUILT_IN: &[Detect] = &[
    #[cfg(all(feature = "graviola", any(target_arch = "x86_64", target_arch = "aarch64")))]
    || Graviola::detect().map(|provider| -> Arc<dyn CryptoProvider> { Arc::new(provider) }),
    #[cfg(feature = "aws-lc-rs")]
    || Some(Arc::new(AwsLc)),
];

/// The provider for one authenticator: the fastest of those that were built in and that this machine supports, behind a
/// [`KeyCache`] of its own, so that its keys go with it.
pub fn provider() -> Arc<dyn CryptoProvider> {
    Arc::new(KeyCache::new(fastest_provider()))
}

/// As [`provider`], without a cache, for what uses a key once.
pub fn fastest_provider() -> Arc<dyn CryptoProvider> {
    first_supported(BUILT_IN)
}

fn first_supported(candidates: &[Detect]) -> Arc<dyn CryptoProvider> {
    candidates.iter().find_map(|detect| detect()).unwrap_or_else(|| Arc::new(RustCrypto))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    static FIRST: LazyLock<Arc<dyn CryptoProvider>> = LazyLock::new(|| Arc::new(RustCrypto));
    static SECOND: LazyLock<Arc<dyn CryptoProvider>> = LazyLock::new(|| Arc::new(RustCrypto));

    fn is(chosen: &Arc<dyn CryptoProvider>, expected: &Arc<dyn CryptoProvider>) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(chosen), Arc::as_ptr(expected))
    }

    #[test]
    fn the_first_that_the_machine_supports_is_taken() {
        let (missing, first, second): (Detect, Detect, Detect) =
            (|| None, || Some(Arc::clone(&FIRST)), || Some(Arc::clone(&SECOND)));
        assert!(is(&first_supported(&[missing, first, missing, second]), &FIRST));
        assert!(is(&first_supported(&[second, first]), &SECOND));
    }

    #[test]
    fn a_machine_that_supports_none_gets_the_portable_one() {
        let missing: Detect = || None;
        for candidates in [&[][..], &[missing, missing]] {
            assert_eq!(first_supported(candidates).name(), RustCrypto.name());
        }
    }
}
