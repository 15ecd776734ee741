//! Time as i64 nanoseconds since 1970-01-01T00:00:00 UTC, without leap seconds.

use jiff::civil::{Date, DateTime};
use jiff::{Timestamp, tz::Offset};
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
    let date = civil(ns).date();
    (i32::from(date.year()), date.day_of_year() as u32)
}

/// ISO 8601 with 9 decimals and Z, `2019-06-05T00:00:00.010000000Z`.
pub fn format_utc(ns: i64) -> String {
    format!("{:.9}Z", civil(ns))
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
    let date = parse_date(date).map_err(fail)?;
    let (seconds, ns) = match clock {
        Some(clock) => parse_clock(clock).map_err(fail)?,
        None => (0, 0),
    };
    epoch_ns(date, seconds, ns).ok_or_else(|| fail("it is outside 1677 to 2262"))
}

/// Time of a year (1 to 9999), day of the year (from 1) and a time of day, as record headers give it.
///
/// A second of 60 is allowed. `None` if a field is out of range or the time cannot be represented.
pub fn from_ordinal(year: i32, day: u32, [hour, minute, second]: [u32; 3], ns: i64) -> Option<i64> {
    let in_range = (1..=9999).contains(&year) && hour < 24 && minute < 60 && second <= 60;
    let date = ordinal_date(year.try_into().ok()?, day.try_into().ok()?)?;
    if in_range {
        epoch_ns(date, i64::from(hour * 3600 + minute * 60 + second), ns)
    } else {
        None
    }
}

/// Date and time of day of `ns`. Every i64 lies in the range of [`Timestamp`], so the default is never taken.
fn civil(ns: i64) -> DateTime {
    let time = Timestamp::from_nanosecond(i128::from(ns)).unwrap_or_default();
    Offset::UTC.to_datetime(time)
}

/// Time of a date, seconds of that day and ns. The seconds may reach 86,400, for a leap second at the end of the day.
fn epoch_ns(date: Date, seconds: i64, ns: i64) -> Option<i64> {
    let midnight = Offset::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight()));
    let seconds = i128::from(midnight.ok()?.as_second() + seconds);
    i64::try_from(seconds * i128::from(SECOND_NS) + i128::from(ns)).ok()
}

fn ordinal_date(year: i16, day: i16) -> Option<Date> {
    let first = Date::new(year, 1, 1).ok()?;
    first.with().day_of_year(day).build().ok()
}

fn parse_date(text: &str) -> Result<Date, &'static str> {
    const YEAR: &str = "the year needs four digits";
    let fields: Vec<&str> = text.split('-').collect();
    match fields.as_slice() {
        [year, month, day] => {
            let year = number(year, 4, 4).ok_or(YEAR)?;
            let month = number(month, 1, 2).ok_or("the month must be a number")?;
            let day = number(day, 1, 2).ok_or("the day must be a number")?;
            if !(1..=12).contains(&month) {
                return Err("the month must be 1 to 12");
            }
            // At most four and two digits, so no value is cut.
            Date::new(year as i16, month as i8, day as i8).map_err(|_| "the month has no such day")
        }
        [year, day] if day.len() == 3 => {
            let year = number(year, 4, 4).ok_or(YEAR)?;
            let day = number(day, 3, 3).ok_or("the day of the year must be a number")?;
            ordinal_date(year as i16, day as i16).ok_or("the year has no such day")
        }
        _ => Err("the date must be year-month-day or year-day"),
    }
}

fn parse_clock(text: &str) -> Result<(i64, i64), &'static str> {
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
        assert_eq!(from_ordinal(2019, 156, [0; 3], 10_000_000), Some(ns));
        assert_eq!(from_ordinal(2019, 366, [0; 3], 0), None);
        assert_eq!(from_ordinal(2500, 1, [0; 3], 0), None);
    }

    #[test]
    fn a_leap_second_is_the_next_minutes_first() {
        let midnight = parse_utc("2017-01-01").unwrap();
        assert_eq!(
            parse_utc("2016-12-31T23:59:60.5").unwrap(),
            midnight + SECOND_NS / 2
        );
        assert_eq!(from_ordinal(2016, 366, [23, 59, 60], 0), Some(midnight));
        assert_eq!(from_ordinal(2016, 366, [23, 59, 61], 0), None);
    }

    #[test]
    fn every_day_of_the_range_has_its_ordinal() {
        let mut ns = day_start_ns(i64::MIN / DAY_NS * DAY_NS);
        let mut last = year_day(ns);
        while let Some(next) = ns.checked_add(DAY_NS) {
            ns = next;
            let (year, day) = year_day(ns);
            let follows = (year, day) == (last.0, last.1 + 1) || (year, day) == (last.0 + 1, 1);
            assert!(follows && last.1 <= 366, "{year} {day}");
            assert_eq!(from_ordinal(year, day, [0; 3], 0), Some(ns));
            last = (year, day);
        }
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
