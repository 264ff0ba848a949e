//! When an open vault is to be locked because nobody uses it (requirement B20).

use crate::time::Moment;

/// The time that an unused vault stays open. It has no timer: the host asks it, wakes up at the deadline, and locks
/// ([`Vault::lock`](super::Vault::lock)). Ticks count sleep, so a machine that was closed finds its vault locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AutoLock {
    limit: u64,
    last_use: u64,
}

impl AutoLock {
    /// Begins at the opening; `limit` is in milliseconds.
    pub fn begin(limit: u64, now: Moment) -> Self {
        Self { limit, last_use: now.ticks }
    }

    /// Somebody used the vault. A time that has run out is not begun anew.
    pub fn used(&mut self, now: Moment) {
        if !self.is_due(now) {
            self.last_use = self.last_use.max(now.ticks);
        }
    }

    /// The tick at which the vault is to be locked, unless it is used before.
    pub fn deadline(&self) -> u64 {
        self.last_use.saturating_add(self.limit)
    }

    /// Whether it is to be locked now. Ticks of another power-up, before the last use, count as run out.
    pub fn is_due(&self, now: Moment) -> bool {
        now.ticks >= self.deadline() || now.ticks < self.last_use
    }
}
