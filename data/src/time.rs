//! Time as i64 nanoseconds since 1970-01-01T00:00:00 UTC, without leap seconds.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Nanoseconds in a second.
pub const SECOND_NS: i64 = 1_000_000_000;
/// Nanoseconds in a UTC day.
pub const DAY_NS: i64 = 86_400 * SECOND_NS;

/// Half-open span of time, `start_ns <= t < end_ns`, in ns UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TimeSpan {
    /// First nanosecond inside.
    pub start_ns: i64,
    /// First nanosecond after.
    pub end_ns: i64,
}

impl TimeSpan {
    /// All time that can be represented.
    pub const ALL: Self = Self {
        start_ns: i64::MIN,
        end_ns: i64::MAX,
    };

    /// Span from its two ends.
    pub fn new(start_ns: i64, end_ns: i64) -> Self {
        Self { start_ns, end_ns }
    }

    /// The UTC day that holds `ns`.
    pub fn day_of(ns: i64) -> Self {
        let start_ns = day_start_ns(ns);
        Self::new(start_ns, start_ns.saturating_add(DAY_NS))
    }

    /// True if no time is inside.
    pub fn is_empty(&self) -> bool {
        self.start_ns >= self.end_ns
    }

    /// Length in ns, 0 for an empty span; saturates.
    pub fn duration_ns(&self) -> i64 {
        self.end_ns.saturating_sub(self.start_ns).max(0)
    }

    /// True if `ns` is inside.
    pub fn contains(&self, ns: i64) -> bool {
        self.start_ns <= ns && ns < self.end_ns
    }

    /// True if the two spans share any time.
    pub fn overlaps(&self, other: &Self) -> bool {
        !self.intersection(other).is_empty()
    }

    /// The time in both spans; may be empty.
    pub fn intersection(&self, other: &Self) -> Self {
        Self::new(
            self.start_ns.max(other.start_ns),
            self.end_ns.min(other.end_ns),
        )
    }
}

/// Duration in ns of `n` sample steps at `sampling_rate` Hz, rounded to the nearest ns; saturates.
pub fn steps_ns(n: usize, sampling_rate: f64) -> i64 {
    (n as f64 * 1e9 / sampling_rate).round() as i64
}

/// Start of the UTC day that holds `ns`; saturates in the first day of the range.
pub fn day_start_ns(ns: i64) -> i64 {
    ns.div_euclid(DAY_NS).saturating_mul(DAY_NS)
}

/// Year and day of the year (from 1) of `ns`.
pub fn year_day(ns: i64) -> (i32, u32) {
    let days = ns.div_euclid(DAY_NS);
    let (year, _, _) = civil_from_days(days);
    (year as i32, (days - days_from_civil(year, 1, 1) + 1) as u32)
}

/// ISO 8601 with 9 decimals and Z, `2019-06-05T00:00:00.010000000Z`.
pub fn format_utc(ns: i64) -> String {
    let (year, month, day) = civil_from_days(ns.div_euclid(DAY_NS));
    let of_day = ns.rem_euclid(DAY_NS);
    let seconds = of_day / SECOND_NS;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:09}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        of_day % SECOND_NS
    )
}

/// Reads a UTC time: `2019-06-05`, `2019-06-05T01:02`, `2019-06-05T01:02:03.123456789Z`, and the same with a
/// day of the year (`2019-156T01:02`). Z may be left out; a second of 60 is the next minute's first.
///
/// # Errors
/// [`Error::Time`] for any other text, for dates that do not exist and for times outside 1677 to 2262.
pub fn parse_utc(text: &str) -> Result<i64> {
    let fail = |reason| Error::Time {
        text: text.to_owned(),
        reason,
    };
    let body = text.trim();
    let body = body.strip_suffix(['Z', 'z']).unwrap_or(body);
    let (date, clock) = match body.split_once(['T', 't', ' ']) {
        Some((date, clock)) => (date, Some(clock)),
        None => (body, None),
    };
    let days = parse_date(date).map_err(fail)?;
    let (seconds, ns) = match clock {
        Some(clock) => parse_clock(clock).map_err(fail)?,
        None => (0, 0),
    };
    let total = i128::from(days * 86_400 + seconds) * i128::from(SECOND_NS) + i128::from(ns);
    i64::try_from(total).map_err(|_| fail("it is outside 1677 to 2262"))
}

/// Time of a year (1 to 9999), day of the year (from 1) and a time of day, as record headers give it.
///
/// A second of 60 is allowed. `None` if a field is out of range or the time cannot be represented.
pub fn from_ordinal(
    year: i32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    ns: i64,
) -> Option<i64> {
    let days_in_year = if is_leap(i64::from(year)) { 366 } else { 365 };
    let in_range = (1..=9999).contains(&year)
        && (1..=days_in_year).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !in_range {
        return None;
    }
    let days = days_from_civil(i64::from(year), 1, 1) + i64::from(day) - 1;
    let seconds = days * 86_400 + i64::from(hour * 3600 + minute * 60 + second);
    i64::try_from(i128::from(seconds) * i128::from(SECOND_NS) + i128::from(ns)).ok()
}

fn parse_date(text: &str) -> std::result::Result<i64, &'static str> {
    let fields: Vec<&str> = text.split('-').collect();
    match fields.as_slice() {
        [year, month, day] => {
            let year = number(year, 4, 4).ok_or("the year needs four digits")?;
            let month = number(month, 1, 2).ok_or("the month must be a number")?;
            let day = number(day, 1, 2).ok_or("the day must be a number")?;
            if !(1..=12).contains(&month) {
                return Err("the month must be 1 to 12");
            }
            if day < 1 || day > days_in_month(year, month) {
                return Err("the month has no such day");
            }
            Ok(days_from_civil(year, month, day))
        }
        [year, day] if day.len() == 3 => {
            let year = number(year, 4, 4).ok_or("the year needs four digits")?;
            let day = number(day, 3, 3).ok_or("the day of the year must be a number")?;
            if day < 1 || day > if is_leap(year) { 366 } else { 365 } {
                return Err("the year has no such day");
            }
            Ok(days_from_civil(year, 1, 1) + day - 1)
        }
        _ => Err("the date must be year-month-day or year-day"),
    }
}

fn parse_clock(text: &str) -> std::result::Result<(i64, i64), &'static str> {
    const MALFORMED: &str = "the time of day must be hour:minute:second";
    let fields: Vec<&str> = text.split(':').collect();
    let (hour, minute, rest) = match fields.as_slice() {
        [hour] => (*hour, "0", "0"),
        [hour, minute] => (*hour, *minute, "0"),
        [hour, minute, second] => (*hour, *minute, *second),
        _ => return Err(MALFORMED),
    };
    let (second, fraction) = match rest.split_once('.') {
        Some((second, fraction)) => (second, fraction),
        None => (rest, ""),
    };
    let hour = number(hour, 1, 2).ok_or(MALFORMED)?;
    let minute = number(minute, 1, 2).ok_or(MALFORMED)?;
    let second = number(second, 1, 2).ok_or(MALFORMED)?;
    if hour > 23 || minute > 59 || second > 60 {
        return Err("the hour must be 0 to 23, the minute 0 to 59, the second 0 to 60");
    }
    let ns = if fraction.is_empty() {
        0
    } else {
        let digits = number(fraction, 1, 9).ok_or("a fraction has 1 to 9 digits")?;
        digits * 10_i64.pow(9 - fraction.len() as u32)
    };
    Ok((hour * 3600 + minute * 60 + second, ns))
}

fn number(text: &str, min_digits: usize, max_digits: usize) -> Option<i64> {
    let right = (min_digits..=max_digits).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit());
    if right { text.parse().ok() } else { None }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar (years are counted from March).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_times() {
        let ns = 1_559_692_800_010_000_000;
        assert_eq!(format_utc(ns), "2019-06-05T00:00:00.010000000Z");
        assert_eq!(parse_utc("2019-06-05T00:00:00.010Z").unwrap(), ns);
        assert_eq!(parse_utc("2019-156T00:00:00.01").unwrap(), ns);
        assert_eq!(parse_utc("2019-06-05").unwrap(), ns - 10_000_000);
        assert_eq!(year_day(ns), (2019, 156));
        assert_eq!(day_start_ns(ns), ns - 10_000_000);
        assert_eq!(format_utc(-1), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(year_day(-1), (1969, 365));
        assert_eq!(from_ordinal(2019, 156, 0, 0, 0, 10_000_000), Some(ns));
        assert_eq!(from_ordinal(2019, 366, 0, 0, 0, 0), None);
        assert_eq!(from_ordinal(2500, 1, 0, 0, 0, 0), None);
    }

    #[test]
    fn wrong_times_say_why() {
        for (text, reason) in [
            ("yesterday", "the date must be year-month-day or year-day"),
            ("2019-02-29", "the month has no such day"),
            ("2019-13-01", "the month must be 1 to 12"),
            ("2019-366", "the year has no such day"),
            ("2019-06-05T24:00", "the hour must be 0 to 23"),
            (
                "2019-06-05T00:00:00.0123456789",
                "a fraction has 1 to 9 digits",
            ),
            ("3000-01-01", "it is outside 1677 to 2262"),
        ] {
            let message = parse_utc(text).unwrap_err().to_string();
            assert!(message.contains(reason), "{text}: {message}");
        }
    }

    #[test]
    fn extremes_do_not_overflow() {
        for ns in [i64::MIN, i64::MAX] {
            let _ = (
                format_utc(ns),
                year_day(ns),
                day_start_ns(ns),
                TimeSpan::day_of(ns),
            );
        }
        assert_eq!(TimeSpan::ALL.duration_ns(), i64::MAX);
        assert_eq!(steps_ns(10, 20.0), 500_000_000);
    }

    #[test]
    fn spans_are_half_open() {
        let a = TimeSpan::new(0, 10);
        assert!(a.contains(0) && !a.contains(10));
        assert!(!a.overlaps(&TimeSpan::new(10, 20)));
        assert_eq!(a.intersection(&TimeSpan::new(5, 20)), TimeSpan::new(5, 10));
    }

    proptest! {
        #[test]
        fn text_round_trips(ns in any::<i64>()) {
            prop_assert_eq!(parse_utc(&format_utc(ns)).unwrap(), ns);
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC*") {
            let _ = parse_utc(&text);
        }
    }
}
