//! Who was given which channel.

use super::report::BROADCAST;

/// The channels that were allocated since power-up: so many in a row, from a first one on. That takes no memory, however
/// many a stranger asks for. The first one is as random as the host makes it, so that a client which missed a power
/// cycle does not find its channel in use by another.
#[derive(Debug, Clone)]
pub(super) struct Channels {
    first: u64,
    allocated: u64,
}

/// "Channel ID 0 is reserved and 0xffffffff is reserved for broadcast commands": all others can be allocated.
const ALLOCATABLE: u64 = 0xffff_fffe;

impl Channels {
    /// Nobody has one yet.
    pub(super) fn new(seed: u32) -> Self {
        Self { first: u64::from(seed).checked_rem(ALLOCATABLE).unwrap_or(0), allocated: 0 }
    }

    /// A fresh channel. After 2^32 - 2 of them the numbers begin anew.
    pub(super) fn allocate(&mut self) -> u32 {
        let place = self.first.saturating_add(self.allocated).checked_rem(ALLOCATABLE).unwrap_or(0);
        self.allocated = self.allocated.saturating_add(1);
        u32::try_from(place.saturating_add(1)).unwrap_or(BROADCAST)
    }

    /// Whether somebody was given it.
    pub(super) fn contains(&self, channel: u32) -> bool {
        let Some(place) = channel.checked_sub(1).filter(|_| channel != BROADCAST) else { return false };
        // How far it is behind the first one, in a ring.
        let distance = u64::from(place).saturating_add(ALLOCATABLE).saturating_sub(self.first);
        let distance = distance.checked_rem(ALLOCATABLE);
        distance.is_some_and(|distance| distance < self.allocated)
    }
}
