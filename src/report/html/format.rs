//! Numbers, times and text as the page prints them.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// Appends formatted text to a `String`, which cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{
        use std::fmt::Write as _;
        let _ = write!($out, $($arg)*);
    }};
}
pub(crate) use put;

/// Text for a missing value.
pub(crate) const MISSING: &str = "–";

/// A length in a drawing, to a tenth of a unit.
pub(crate) fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0")
        .map_or_else(|| text.clone(), str::to_owned)
}

/// A whole number with its thousands set apart: `1 234 567` (narrow no-break spaces).
pub(crate) fn count(n: u64) -> String {
    group(&n.to_string())
}

fn group(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() * 2);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) && digits.len() > 4 {
            out.push('\u{202f}');
        }
        out.push(c);
    }
    out
}

/// `1 gap`, `3 gaps`, `2 stretches`.
pub(crate) fn plural(n: u64, noun: &str) -> String {
    let ending = match (n, noun.ends_with("ch")) {
        (1, _) => "",
        (_, true) => "es",
        _ => "s",
    };
    format!("{} {noun}{ending}", count(n))
}

/// `a, b and c`.
pub(crate) fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [start @ .., last] => format!("{} and {last}", start.join(", ")),
    }
}

/// Median of the finite values.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.filter(|v| v.is_finite()).collect();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (Some(upper), 0) => Some((values[middle - 1] + upper) / 2.0),
        (upper, _) => upper.copied(),
    }
}

/// The last part of a stream id, such as `BHU`.
pub(crate) fn channel_code(id: &str) -> &str {
    id.rsplit('.').next().unwrap_or(id)
}

/// A number with a fixed count of decimals and a true minus sign; `–` if not finite.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return MISSING.to_owned();
    }
    let text = format!("{:.*}", decimals, value.abs());
    let negative = value < 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b));
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    format!("{}{}{rest}", if negative { "−" } else { "" }, group(whole))
}

/// A number with about three significant digits, as `0.0123`, `1.23`, `12 345` or `1.23×10⁶`.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return MISSING.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let exponent = value.abs().log10().floor() as i32;
    match exponent {
        3..=5 => fixed(value, 0),
        -3..=2 => fixed(value, (2 - exponent) as usize),
        _ => scientific(value, 2),
    }
}

/// A number with at most three decimals: `20`, `16.667`.
pub(crate) fn short(value: f64) -> String {
    let text = fixed(value, 3);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// `1.23×10⁶`.
pub(crate) fn scientific(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return MISSING.to_owned();
    }
    let text = format!("{value:.decimals$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: String = exponent
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '0' => '⁰',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '4' => '⁴',
            '5' => '⁵',
            '6' => '⁶',
            '7' => '⁷',
            '8' => '⁸',
            _ => '⁹',
        })
        .collect();
    format!("{}×10{exponent}", mantissa.replace('-', "−"))
}

/// A share of one as per cent: `12.3 %`, `0.4 %`, `100 %`.
pub(crate) fn percent(share: f64) -> String {
    if !share.is_finite() {
        return MISSING.to_owned();
    }
    let value = share * 100.0;
    let decimals = usize::from(value > 0.0 && value < 99.95);
    format!("{}\u{202f}%", fixed(value, decimals))
}

/// Decibels with a sign: `+6.1 dB`.
pub(crate) fn decibel(value: f64) -> String {
    if !value.is_finite() {
        return MISSING.to_owned();
    }
    let sign = if value > 0.0 { "+" } else { "" };
    format!("{sign}{}\u{202f}dB", fixed(value, 1))
}

/// A length of time in the unit that suits it: `51.2 s`, `54.6 min`, `7.5 h`, `3.0 d`.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return MISSING.to_owned();
    }
    let (value, unit) = match seconds.abs() {
        s if s < 120.0 => (seconds, "s"),
        s if s < 2.0 * 3600.0 => (seconds / 60.0, "min"),
        s if s < 2.0 * 86_400.0 => (seconds / 3600.0, "h"),
        _ => (seconds / 86_400.0, "d"),
    };
    let text = fixed(value, if value.abs() < 10.0 { 2 } else { 1 });
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    };
    format!("{text}\u{202f}{unit}")
}

/// A size in bytes: `512 B`, `1.5 MB`.
pub(crate) fn bytes(n: u64) -> String {
    let value = n as f64;
    match n {
        0..1_000 => format!("{n}\u{202f}B"),
        1_000..1_000_000 => format!("{}\u{202f}kB", fixed(value / 1e3, 1)),
        1_000_000..1_000_000_000 => format!("{}\u{202f}MB", fixed(value / 1e6, 1)),
        _ => format!("{}\u{202f}GB", fixed(value / 1e9, 1)),
    }
}

/// Civil UTC time of nanoseconds since 1970.
pub(crate) fn civil(ns: i64) -> DateTime {
    Timestamp::from_nanosecond(i128::from(ns))
        .map(|t| Offset::UTC.to_datetime(t))
        .unwrap_or_default()
}

/// `2019-06-05`.
pub(crate) fn date(ns: i64) -> String {
    let t = civil(ns);
    format!("{:04}-{:02}-{:02}", t.year(), t.month(), t.day())
}

/// `12:34:56`.
pub(crate) fn clock(ns: i64) -> String {
    let t = civil(ns);
    format!("{:02}:{:02}:{:02}", t.hour(), t.minute(), t.second())
}

/// `2019-06-05 12:34:56`.
pub(crate) fn stamp(ns: i64) -> String {
    format!("{} {}", date(ns), clock(ns))
}

/// Day of the year, 1 to 366.
pub(crate) fn day_of_year(ns: i64) -> i16 {
    civil(ns).date().day_of_year()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_sensible_digits() {
        assert_eq!(number(0.0), "0");
        assert_eq!(number(0.012345), "0.0123");
        assert_eq!(number(-1.2345), "−1.23");
        assert_eq!(number(123.4), "123");
        assert_eq!(number(12_345.6), "12\u{202f}346");
        assert_eq!(number(1.234e7), "1.23×10⁷");
        assert_eq!(number(-1.234e-7), "−1.23×10⁻⁷");
        assert_eq!(number(f64::NAN), MISSING);
        assert_eq!(
            (short(20.0), short(50.0 / 3.0)),
            ("20".into(), "16.667".into())
        );
        assert_eq!(fixed(-0.001, 2), "0.00");
        assert_eq!(count(1234), "1234");
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(percent(0.1234), "12.3\u{202f}%");
        assert_eq!(percent(1.0), "100\u{202f}%");
        assert_eq!(decibel(6.04), "+6.0\u{202f}dB");
        assert_eq!(bytes(1_500_000), "1.5\u{202f}MB");
    }

    #[test]
    fn durations_and_times_read_well() {
        assert_eq!(duration(51.2), "51.2\u{202f}s");
        assert_eq!(duration(3276.8), "54.6\u{202f}min");
        assert_eq!(duration(86_400.0), "24\u{202f}h");
        assert_eq!(duration(f64::INFINITY), MISSING);
        let ns = 1_559_692_800_000_000_000 + 45_296_500_000_000;
        assert_eq!(stamp(ns), "2019-06-05 12:34:56");
        assert_eq!(day_of_year(ns), 156);
        assert_eq!(stamp(-1), "1969-12-31 23:59:59");
        assert_eq!(date(i64::MAX), "2262-04-11");
        assert_eq!(date(i64::MIN), "1677-09-21");
    }

    #[test]
    fn words_are_joined() {
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
        assert_eq!(plural(1, "stretch"), "1 stretch");
        assert_eq!(plural(2, "stretch"), "2 stretches");
        assert_eq!(plural(0, "gap"), "0 gaps");
        assert_eq!(median([3.0, f64::NAN, 1.0].into_iter()), Some(2.0));
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median(std::iter::empty()), None);
        assert_eq!((px(3.0), px(-0.25)), ("3".into(), "-0.2".into()));
    }
}
