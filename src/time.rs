//! Time as the host tells it. The core has no clock.

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);

/// Now, as the host sees it at the moment of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// Milliseconds since power-up, counting sleep; never goes back.
    pub ticks: u64,
    /// The date, where the host has one.
    pub date: Option<UnixTime>,
}

impl Moment {
    /// The tick at which `milliseconds` from now have passed.
    pub fn after(&self, milliseconds: u64) -> u64 {
        self.ticks.saturating_add(milliseconds)
    }
}
