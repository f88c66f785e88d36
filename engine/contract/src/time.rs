//! Points in time. Nothing here reads a clock.
//!
//! The calendar is written out because every plugin carries it: as a library it was a fifth of a plugin's size.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units::Span;

/// Milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This long after.
    pub fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.as_millis()))
    }

    /// How long after `earlier`; nothing where it is not after.
    pub fn since(self, earlier: Self) -> Span {
        Span::from_millis(self.0.saturating_sub(earlier.0).max(0))
    }

    /// From RFC 3339, as alerts and clusters carry it; what is finer than a millisecond is cut off.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let (time, rest) = rest.strip_prefix(['T', 't', ' '])?.split_at_checked(8)?;
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
        let (fraction, zone) = match rest.strip_prefix('.') {
            Some(rest) => {
                let digits = rest.find(|c: char| !c.is_ascii_digit())?;
                let (fraction, zone) = rest.split_at_checked(digits)?;
                (millis(fraction)?, zone)
            }
            None => (0, rest),
        };
        // A leap second (23:59:60) is the first of the next day, as POSIX counts.
        let real = (1..=12).contains(&month)
            && (1..=days_of(year, month)).contains(&day)
            && hour <= 23
            && minute <= 59
            && second <= 60;
        let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        real.then_some(Self((seconds - offset(zone)?) * 1000 + fraction))
    }
}

/// Numbers of so many digits, with a separator between.
fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let numbers = digits.map(|digits| number(parts.next()?, digits));
    match (numbers, parts.next()) {
        ([Some(first), Some(second), Some(third)], None) => Some([first, second, third]),
        _ => None,
    }
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// The digits after the point, as milliseconds.
fn millis(fraction: &str) -> Option<i64> {
    let digits = fraction.get(..3).unwrap_or(fraction);
    let scale = [0, 100, 10, 1].get(digits.len()).filter(|scale| **scale > 0)?;
    Some(digits.parse::<i64>().ok()? * scale)
}

/// `Z` or `+01:00`, in seconds.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let sign = if zone.starts_with('+') { 1 } else { -1 };
    let (hours, minutes) = zone.strip_prefix(['+', '-'])?.split_once(':')?;
    let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Days of a month of the Gregorian calendar.
fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years are counted from March, so that the leap day is the last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date so many days after 1970-01-01, the other way round.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = (march + 2) % 12 + 1;
    (era * 400 + year + i64::from(month <= 2), month, day)
}

impl fmt::Display for Timestamp {
    /// RFC 3339 with milliseconds, UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0.div_euclid(1000), self.0.rem_euclid(1000));
        let (year, month, day) = date(seconds.div_euclid(86_400));
        if !(0..=9999).contains(&year) {
            return write!(f, "{} ms", self.0);
        }
        let of_day = seconds.rem_euclid(86_400);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> Option<i64> {
        Timestamp::parse_rfc3339(text).map(|at| at.0)
    }

    #[test]
    fn a_time_is_read_however_rfc_3339_writes_it() {
        let table = [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-24T00:12:19.568Z", 1_795_479_139_568),
            ("2026-11-24t00:12:19.5z", 1_795_479_139_500),
            ("2026-11-24 00:12:19.568123456Z", 1_795_479_139_568),
            ("2026-11-24T01:12:19.568+01:00", 1_795_479_139_568),
            ("2026-11-23T18:42:19.568-05:30", 1_795_479_139_568),
            ("2024-02-29T23:59:60Z", 1_709_251_200_000),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        ];
        for (text, ms) in table {
            assert_eq!(parsed(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "soon",
            "",
            "2026-11-24",
            "2026-11-24T00:12:19",
            "2026-11-24T00:12Z",
            "2026-13-24T00:12:19Z",
            "2026-02-29T00:12:19Z",
            "1900-02-29T00:00:00Z",
            "2026-11-00T00:12:19Z",
            "2026-11-24T24:12:19Z",
            "2026-11-24T00:60:19Z",
            "2026-11-24T00:12:61Z",
            "2026-11-24T00:12:19.Z",
            "2026-11-24T00:12:19.5",
            "2026-11-24T00:12:19+1:00",
            "2026-11-24T00:12:19+24:00",
            "2026-11-24T00:12:19+0100",
            "+026-11-24T00:12:19Z",
            "2026-11-24T-1:12:19Z",
            "2026/11/24T00:12:19Z",
            "2026-11-24T00:12:19Zz",
            "2026-11-2\u{fc}T00:12:19Z",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn what_has_no_year_of_four_digits_is_written_as_a_number() {
        assert_eq!(Timestamp(i64::MAX).to_string(), "9223372036854775807 ms");
        assert_eq!(Timestamp(-62_167_219_200_001).to_string(), "-62167219200001 ms");
        assert_eq!(
            Timestamp(-62_167_219_200_000).to_string(),
            "0000-01-01T00:00:00.000Z"
        );
    }

    proptest! {
        /// An established calendar says the same, over all years that have four digits.
        #[test]
        fn a_time_is_written_and_read_as_jiff_does(ms in -62_167_219_200_000_i64..253_402_300_800_000) {
            let at = Timestamp(ms);
            let other = jiff::Timestamp::from_millisecond(ms).unwrap();
            prop_assert_eq!(at.to_string(), format!("{other:.3}"));
            prop_assert_eq!(Timestamp::parse_rfc3339(&at.to_string()), Some(at));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = Timestamp::parse_rfc3339(&text);
        }

        #[test]
        fn what_looks_like_a_time_is_read_as_jiff_does(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-][01][0-9]:[0-5][0-9])",
        ) {
            let other = text.parse::<jiff::Timestamp>().ok();
            // Before 1970 a cut to milliseconds goes the other way there.
            let exact = other.is_none_or(|at| at.as_nanosecond() % 1_000_000 == 0 || at.as_nanosecond() > 0);
            prop_assume!(exact);
            prop_assert_eq!(parsed(&text), other.map(|at| at.as_millisecond()));
        }
    }
}
