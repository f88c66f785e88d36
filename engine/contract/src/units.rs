//! Spans of time, sizes, rates and shares, as runbooks and stanch.toml write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A length of time, whole milliseconds, never negative. Written `250ms`, `30s`, `5m`, `2h`, `90d`, or several from large
/// to small: `1h30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, examples("90s")))]
pub struct Span(i64);

/// The units of [`Span`], from large to small, in milliseconds.
const SPAN_UNITS: [(&str, i64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// This many milliseconds; negative is none.
    pub const fn from_millis(ms: i64) -> Self {
        Self(if ms < 0 { 0 } else { ms })
    }

    /// This many seconds.
    pub const fn from_secs(s: i64) -> Self {
        Self::from_millis(s.saturating_mul(1_000))
    }

    /// In milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// As the standard library has it.
    pub fn to_std(self) -> Duration {
        Duration::from_millis(u64::try_from(self.0).unwrap_or(0))
    }
}

/// Why a text is not a span, a size or a rate. Says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}: write {example}")]
pub struct UnitError {
    text: String,
    what: &'static str,
    example: &'static str,
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || UnitError {
            text: text.chars().take(40).collect(),
            what: "a length of time",
            example: "a whole number and one of ms, s, m, h, d, as in `90s` or `1h30m`",
        };
        let mut rest = text;
        let mut total: i64 = 0;
        let mut next_unit = 0;
        while !rest.is_empty() {
            let (count, after) = leading_integer(rest).ok_or_else(wrong)?;
            let letters = after
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(after.len());
            let (unit, after) = after.split_at_checked(letters).ok_or_else(wrong)?;
            let (index, (_, size)) = SPAN_UNITS
                .iter()
                .enumerate()
                .skip(next_unit)
                .find(|(_, (name, _))| *name == unit)
                .ok_or_else(wrong)?;
            next_unit = index + 1;
            total = count
                .checked_mul(*size)
                .and_then(|ms| total.checked_add(ms))
                .ok_or_else(wrong)?;
            rest = after;
        }
        if text.is_empty() {
            Err(wrong())
        } else {
            Ok(Self(total))
        }
    }
}

fn leading_integer(text: &str) -> Option<(i64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, rest))
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (name, size) in SPAN_UNITS {
            if rest >= size {
                write!(f, "{}{name}", rest / size)?;
                rest %= size;
            }
        }
        Ok(())
    }
}

/// A number of bytes. Written `64MiB`: a whole number and one of B, KiB, MiB, GiB, TiB (powers of 1,024).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ByteSize(pub u64);

/// The units of [`ByteSize`], from large to small.
const SIZE_UNITS: [(&str, u64); 5] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || UnitError {
            text: text.chars().take(40).collect(),
            what: "a size",
            example: "a whole number and one of B, KiB, MiB, GiB, TiB, as in `64MiB`",
        };
        let (count, unit) = leading_integer(text).ok_or_else(wrong)?;
        let (_, size) = SIZE_UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(wrong)?;
        u64::try_from(count)
            .ok()
            .and_then(|n| n.checked_mul(*size))
            .map(Self)
            .ok_or_else(wrong)
    }
}

impl fmt::Display for ByteSize {
    /// With one decimal in the largest unit that fits: `12.5 MiB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, size) in SIZE_UNITS {
            if self.0 >= size && size > 1 {
                return write!(f, "{:.1} {name}", self.0 as f64 / size as f64);
            }
        }
        write!(f, "{} B", self.0)
    }
}

/// At most `count` in any window of `per`. Written `3/1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many; at least 1.
    pub count: u32,
    /// In how long; more than nothing.
    pub per: Span,
}

impl FromStr for Rate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || UnitError {
            text: text.chars().take(40).collect(),
            what: "a rate",
            example: "how many, a slash and a length of time, as in `3/1h`",
        };
        let (count, per) = text.split_once('/').ok_or_else(wrong)?;
        let rate = Self {
            count: count.parse().map_err(|_| wrong())?,
            per: per.parse().map_err(|_| wrong())?,
        };
        if rate.count == 0 || rate.per == Span::ZERO {
            Err(wrong())
        } else {
            Ok(rate)
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.per)
    }
}

/// A share of a whole, in millionths: more than nothing, at most all of it. Written `25%` or `12.5%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    /// All of it.
    pub const WHOLE: Self = Self(1_000_000);

    /// This many hundredths, at most 100; 0 is 1.
    pub const fn percent(percent: u32) -> Self {
        let percent = if percent == 0 { 1 } else { percent };
        Self(if percent > 100 {
            1_000_000
        } else {
            percent * 10_000
        })
    }

    /// How many whole ones of `total` it is, rounded down.
    pub fn of(self, total: u32) -> u32 {
        let part = u64::from(total) * u64::from(self.0) / 1_000_000;
        u32::try_from(part).unwrap_or(u32::MAX)
    }
}

impl FromStr for Share {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || UnitError {
            text: text.chars().take(40).collect(),
            what: "a share",
            example: "a percentage of more than 0 and at most 100, as in `25%`",
        };
        let number = text.strip_suffix('%').ok_or_else(wrong)?;
        let (whole, rest) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(rest) || rest.len() > 4 || whole.len() > 3 {
            return Err(wrong());
        }
        let whole: u32 = whole.parse().map_err(|_| wrong())?;
        let rest: u32 = format!("{rest:0<4}").parse().map_err(|_| wrong())?;
        let millionths = whole * 10_000 + rest;
        if millionths == 0 || millionths > Self::WHOLE.0 {
            return Err(wrong());
        }
        Ok(Self(millionths))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 10_000, self.0 % 10_000);
        if rest == 0 {
            return write!(f, "{whole}%");
        }
        write!(f, "{whole}.{}%", format!("{rest:04}").trim_end_matches('0'))
    }
}

macro_rules! as_text {
    ($($name:ident, $to_text:expr;)*) => {$(
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                let to_text: fn(&$name) -> String = $to_text;
                to.serialize_str(&to_text(self))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

as_text! {
    Span, |span| span.to_string();
    ByteSize, |size| format!("{}B", size.0);
    Rate, |rate| rate.to_string();
    Share, |share| share.to_string();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written() {
        for (text, ms) in [
            ("0s", 0),
            ("250ms", 250),
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            ("90d", 7_776_000_000),
        ] {
            assert_eq!(text.parse::<Span>().unwrap().as_millis(), ms, "{text}");
        }
        assert_eq!(Span::from_millis(90_250).to_string(), "1m30s250ms");
        assert_eq!(Span::from_millis(5_400_000).to_string(), "1h30m");
    }

    #[test]
    fn what_is_not_a_span_is_refused() {
        for text in [
            "",
            "5",
            "m",
            "5x",
            "-5s",
            "1.5h",
            "30m1h",
            "5m5m",
            "99999999999999999999s",
            "9999999999999d",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_and_rates_are_read_and_written() {
        assert_eq!("64MiB".parse::<ByteSize>().unwrap(), ByteSize(64 << 20));
        assert!("64MB".parse::<ByteSize>().is_err());
        assert_eq!(ByteSize(13_107_200).to_string(), "12.5 MiB");
        assert_eq!(
            "3/1h".parse::<Rate>().unwrap(),
            Rate {
                count: 3,
                per: Span::from_secs(3600)
            }
        );
        assert!("0/1h".parse::<Rate>().is_err());
        assert!("3/0s".parse::<Rate>().is_err());
    }

    #[test]
    fn a_share_is_read_written_and_rounded_down() {
        for text in ["25%", "12.5%", "100%", "0.0001%"] {
            assert_eq!(text.parse::<Share>().unwrap().to_string(), text);
        }
        for text in [
            "", "25", "0%", "0.0%", "100.1%", "-5%", ".5%", "5.%", "1e1%", "0.00001%",
        ] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
        let quarter = Share::percent(25);
        assert_eq!([0, 3, 4, 8, 11].map(|total| quarter.of(total)), [0, 0, 1, 2, 2]);
        assert_eq!(Share::WHOLE.of(u32::MAX), u32::MAX);
    }
}
