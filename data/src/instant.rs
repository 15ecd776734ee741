//! Times as people and programs write them: with an offset from UTC, or beyond the range of i64 nanoseconds.

use seismix_core::Error;

use crate::time::{SECOND_NS, parse_utc};

/// Last whole year that i64 nanoseconds hold.
const LAST_YEAR: u32 = 2261;

/// Reads a time as [`parse_utc`] does, and also with an offset from UTC at its end: `+00:00`, `-0330`, `+01`, ` UTC`.
///
/// # Errors
/// Those of [`parse_utc`], for the text without the offset.
pub(crate) fn parse_instant(text: &str) -> Result<i64, Error> {
    let text = text.trim();
    let (body, offset_s) = split_offset(text);
    let local_ns = parse_utc(body)?;
    let utc_ns = local_ns.checked_sub(offset_s * SECOND_NS);
    // Only within hours of the ends of the range; the whole text then has no valid form.
    utc_ns.map_or_else(|| parse_utc(text), Ok)
}

/// Reads the end of an epoch; one after 2261, which catalogues use for "still open", is the last time there is.
///
/// # Errors
/// Those of [`parse_instant`].
pub(crate) fn parse_epoch_end(text: &str) -> Result<i64, Error> {
    let text = text.trim();
    let year = text.split('-').next().unwrap_or_default();
    let rest = &text[year.len()..];
    if year.len() == 4 && year.parse().is_ok_and(|y: u32| y > LAST_YEAR) {
        // The rest of the text has to be right in any case; 2000 has a 29th of February as a leap year has.
        return parse_instant(&format!("2000{rest}")).map(|_| i64::MAX);
    }
    parse_instant(text)
}

/// The text without its offset, and the offset in seconds east of UTC; text without a valid one is returned unchanged.
fn split_offset(text: &str) -> (&str, i64) {
    if let Some(body) = text.strip_suffix("UTC") {
        return (body.trim_end(), 0);
    }
    // A sign before the time of day belongs to the date.
    let Some(clock) = text.find(['T', 't', ' ']) else {
        return (text, 0);
    };
    let Some(sign) = text[clock..].rfind(['+', '-']) else {
        return (text, 0);
    };
    let (body, offset) = text.split_at(clock + sign);
    // A time has either Z or an offset.
    let seconds = offset_seconds(offset).filter(|_| !body.trim_end().ends_with(['Z', 'z']));
    match seconds {
        Some(seconds) => (body.trim_end(), seconds),
        None => (text, 0),
    }
}

fn offset_seconds(text: &str) -> Option<i64> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits = text.get(1..)?.replacen(':', "", 1);
    let all_digits = digits.bytes().all(|b| b.is_ascii_digit());
    if !all_digits || !matches!(digits.len(), 2 | 4) {
        return None;
    }
    let hours: i64 = digits[..2].parse().ok()?;
    let minutes: i64 = digits
        .get(2..)
        .filter(|m| !m.is_empty())
        .map_or(Some(0), |m| m.parse().ok())?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_taken_off() {
        let utc = parse_utc("2019-05-22T23:47:03.849Z").unwrap();
        for text in [
            "2019-05-22T23:47:03.849000",
            "2019-05-22 23:47:03.849+00:00",
            "2019-05-23T01:47:03.849+02:00",
            "2019-05-22T20:17:03.849-0330",
            "2019-05-22 22:47:03.849 -01",
            "2019-142T23:47:03.849000Z",
            " 2019-05-22 23:47:03.849 UTC ",
        ] {
            assert_eq!(parse_instant(text).unwrap(), utc, "{text}");
        }
        assert_eq!(
            parse_instant("2019-05-22").unwrap(),
            parse_utc("2019-05-22").unwrap()
        );
        for text in [
            "2019-05-22T23:47+25:00",
            "2019-05-22T23:47+1",
            "2019-05-22T23:47Z+01",
            "2019-05-22T23:47+",
            "",
            "+02:00",
            "2019-05-22Té+02",
        ] {
            assert!(parse_instant(text).is_err(), "{text}");
        }
    }

    #[test]
    fn epochs_beyond_the_range_are_open() {
        assert_eq!(parse_epoch_end("2599-12-31T23:59:59").unwrap(), i64::MAX);
        assert_eq!(
            parse_epoch_end("3000-01-01T00:00:00+00:00").unwrap(),
            i64::MAX
        );
        assert_eq!(
            parse_epoch_end("2020-01-01").unwrap(),
            parse_utc("2020-01-01").unwrap()
        );
        for text in ["2599-13-31T23:59:59", "2599", "25999-01-01", "é599-01-01"] {
            assert!(parse_epoch_end(text).is_err(), "{text}");
        }
    }
}
