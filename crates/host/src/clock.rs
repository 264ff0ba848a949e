//! The clock.

use std::time::{SystemTime, UNIX_EPOCH};

use countersign::time::{Moment, UnixTime};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// The clock that goes on while the machine sleeps. Apple's monotonic clock does so itself.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "openbsd"))]
const COUNTING_SLEEP: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "openbsd")))]
const COUNTING_SLEEP: ClockId = ClockId::Monotonic;

/// Tells an authenticator the time. Its power-up is the moment at which the clock was started; copies go on together.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Timespec,
}

impl Clock {
    /// Powers up now.
    pub fn start() -> Self {
        Self { start: clock_gettime(COUNTING_SLEEP) }
    }

    /// Now: milliseconds since power-up, counting sleep, and the date by the system's clock (none where that stands before
    /// 1970).
    pub fn now(&self) -> Moment {
        let elapsed = clock_gettime(COUNTING_SLEEP) - self.start;
        let seconds = u64::try_from(elapsed.tv_sec).unwrap_or(0);
        let milliseconds = u64::try_from(elapsed.tv_nsec / 1_000_000).unwrap_or(0);
        Moment { ticks: seconds.saturating_mul(1000).saturating_add(milliseconds), date: Self::date() }
    }

    /// The date by the system's clock.
    pub fn date() -> Option<UnixTime> {
        SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| UnixTime(since.as_secs()))
    }
}
