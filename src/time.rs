//! Time as the host tells it. The core has no clock.

use core::fmt;

const SECONDS_OF_DAY: u64 = 86_400;
/// 1 March of the year 0, so that a leap day is a year's last, counted in days before 1970-01-01.
const MARCH_0: u64 = 719_468;
/// Days in 400, 100 and 4 Gregorian years, and in a year.
const FOUR_CENTURIES: u64 = 146_097;
const CENTURY: u64 = 36_524;
const FOUR_YEARS: u64 = 1_461;
const YEAR: u64 = 365;

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);

/// A day of the Gregorian calendar, in UTC. Displayed as in RFC 3339: `2026-11-21`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day {
    year: u64,
    month: u64,
    day: u64,
}

impl UnixTime {
    /// The day that it falls on.
    pub fn day(self) -> Day {
        let (year, day) = year_from_march((self.0 / SECONDS_OF_DAY).saturating_add(MARCH_0));
        // Months from March: 31, 30, 31, 30, 31 days, over and over, so 153 days each five.
        let month_from_march = day.saturating_mul(5).saturating_add(2) / 153;
        let first = month_from_march.saturating_mul(153).saturating_add(2) / 5;
        let day = day.saturating_sub(first).saturating_add(1);
        match month_from_march.checked_sub(10) {
            Some(from_january) => {
                Day { year: year.saturating_add(1), month: from_january.saturating_add(1), day }
            }
            None => Day { year, month: month_from_march.saturating_add(3), day },
        }
    }
}

/// The year that began in March, and the day in it, from 0.
fn year_from_march(days: u64) -> (u64, u64) {
    let (eras, rest) = (days / FOUR_CENTURIES, days % FOUR_CENTURIES);
    // The last day of the last century, and of the last year, is the leap day.
    let centuries = (rest / CENTURY).min(3);
    let rest = rest.saturating_sub(centuries.saturating_mul(CENTURY));
    let (fours, rest) = (rest / FOUR_YEARS, rest % FOUR_YEARS);
    let ones = (rest / YEAR).min(3);
    let year = [(eras, 400), (centuries, 100), (fours, 4), (ones, 1)];
    let year =
        year.iter().fold(0u64, |year, (count, years)| year.saturating_add(count.saturating_mul(*years)));
    (year, rest.saturating_sub(ones.saturating_mul(YEAR)))
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

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
