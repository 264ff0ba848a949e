//! Randomness of the operating system: a convenience behind the feature `getrandom`. Nothing in this crate calls it;
//! every function that needs randomness takes an RNG.

use getrandom::SysRng;
use rand_core::UnwrapErr;

/// The operating system's generator; `OsRng::default()` makes one. It has no state, so copies are as good as the first.
///
/// Draws cannot fail softly: where the system has no randomness to give (which no supported system does after it has
/// started up) it panics, since nothing that follows would be secure.
pub type OsRng = UnwrapErr<SysRng>;
