//! Randomness that was written down beforehand.

use std::{collections::VecDeque, convert::Infallible};

use countersign::rand_core::{TryCryptoRng, TryRng};

/// Hands out what was scripted, draw by draw. Panics when more is drawn or another length is asked for, and when something
/// is left by the time it is dropped.
pub(crate) struct ScriptedRng(VecDeque<Vec<u8>>);

impl ScriptedRng {
    /// An empty draw is none: a protocol that has no IV draws nothing for it.
    pub(crate) fn new(draws: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        let draws = draws.into_iter().map(|draw| draw.as_ref().to_vec());
        Self(draws.filter(|draw| !draw.is_empty()).collect())
    }

    /// Nothing may be drawn.
    pub(crate) fn silent() -> Self {
        Self(VecDeque::new())
    }

    /// Whether everything was drawn.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for ScriptedRng {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.is_exhausted(), "{} scripted draws were never made", self.0.len());
        }
    }
}

impl TryRng for ScriptedRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("only bytes are drawn")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("only bytes are drawn")
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Infallible> {
        let next = self.0.pop_front().unwrap_or_else(|| panic!("{} bytes more than scripted", target.len()));
        assert_eq!(next.len(), target.len(), "another length than scripted");
        target.copy_from_slice(&next);
        Ok(())
    }
}

impl TryCryptoRng for ScriptedRng {}
