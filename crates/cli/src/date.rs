//! Dates as people read them.

use countersign::time::UnixTime;

const DAY: u64 = 86_400;
/// 1 March of the year 0, so that a leap day is a year's last, counted in days before 1970-01-01.
const MARCH_0: u64 = 719_468;
/// Days in 400, 100 and 4 Gregorian years, and in a year.
const CYCLES: [u64; 4] = [146_097, 36_524, 1_461, 365];

/// RFC 3339 in UTC, to the second.
pub(crate) fn rfc3339(time: UnixTime) -> String {
    let (days, second) = (time.0 / DAY + MARCH_0, time.0 % DAY);
    let (year, day) = year_from_march(days);
    // Months from March: 31, 30, 31, 30, 31 days, over and over, so 153 days each five.
    let month_from_march = (5 * day + 2) / 153;
    let day = day - (153 * month_from_march + 2) / 5 + 1;
    let (year, month) =
        if month_from_march < 10 { (year, month_from_march + 3) } else { (year + 1, month_from_march - 9) };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The year that began in March, and the day in it, from 0.
fn year_from_march(days: u64) -> (u64, u64) {
    let [era, century, four, one] = CYCLES;
    let (eras, rest) = (days / era, days % era);
    // The last day of the last century, and of the last year, is the leap day.
    let centuries = (rest / century).min(3);
    let rest = rest - centuries * century;
    let (fours, rest) = (rest / four, rest % four);
    let ones = (rest / one).min(3);
    (eras * 400 + centuries * 100 + fours * 4 + ones, rest - ones * one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_gregorian_and_utc() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_740_787_200, "2025-03-01T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(UnixTime(seconds)), expected);
        }
    }
}
