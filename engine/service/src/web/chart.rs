//! A curve as inline SVG: no script, no image to load, and read out as a sentence by who cannot see it.

use std::fmt::Write as _;

use maud::{Markup, html};
use stanch_contract::{Evidence, Point, Timestamp};

use crate::report::words;

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 72.0;
/// Between the highest point and the top.
const HEADROOM: f64 = 6.0;

/// The curve of a piece of evidence; nothing for fewer than two points.
pub(super) fn curve(evidence: &Evidence) -> Option<Markup> {
    let points = &evidence.points;
    let (first, last) = match points.as_slice() {
        [first, .., last] => (first, last),
        _ => return None,
    };
    let (low, high) = points
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), point| {
            (low.min(point.value), high.max(point.value))
        });
    let unit = evidence.unit.as_deref().filter(|unit| !unit.is_empty());
    let number = |value: f64| match unit {
        Some(unit) => format!("{} {unit}", words::number(value)),
        None => words::number(value),
    };
    let minutes = words::length((last.at_ms - first.at_ms) as i64);
    let said = format!(
        "{}: {} at last, between {} and {} over {minutes}",
        evidence.label,
        number(last.value),
        number(low),
        number(high)
    );
    let line = path(points, low, high);
    Some(html! {
        figure {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(said) {
                path.area d={ (line) " V" (HEIGHT) " H0 Z" } {}
                path.lineplot d=(line) {}
            }
            figcaption {
                span { (words::clock(Timestamp(first.at_ms as i64))) }
                span { (number(low)) " to " (number(high)) }
                span { (words::clock(Timestamp(last.at_ms as i64))) }
            }
        }
    })
}

/// From the left edge to the right one. A level curve lies in the middle.
fn path(points: &[Point], low: f64, high: f64) -> String {
    let (from, to) = match points {
        [first, .., last] => (first.at_ms, last.at_ms),
        _ => return String::new(),
    };
    let share = |value: f64, low: f64, high: f64| {
        if high > low {
            (value - low) / (high - low)
        } else {
            0.5
        }
    };
    let mut out = String::new();
    for (at, point) in points.iter().enumerate() {
        let x = share(point.at_ms, from, to) * WIDTH;
        let y = HEIGHT - share(point.value, low, high) * (HEIGHT - HEADROOM);
        let _ = write!(out, "{}{x:.1} {y:.1}", if at == 0 { "M" } else { " L" });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(values: &[f64]) -> Evidence {
        let points = values.iter().enumerate().map(|(at, value)| Point {
            at_ms: 1_790_000_000_000.0 + 60_000.0 * at as f64,
            value: *value,
        });
        Evidence {
            label: "GPU memory".into(),
            value: "97".into(),
            unit: Some("%".into()),
            points: points.collect(),
            ..Evidence::default()
        }
    }

    #[test]
    fn a_curve_goes_from_edge_to_edge_and_is_said_in_words() {
        let svg = curve(&evidence(&[71.0, 80.0, 97.0])).unwrap().into_string();
        assert!(svg.contains(r#"d="M0.0 72.0 L200.0 49.2 L400.0 6.0""#), "{svg}");
        assert!(
            svg.contains("GPU memory: 97 % at last, between 71 % and 97 % over 2m"),
            "{svg}"
        );
    }

    #[test]
    fn a_level_curve_lies_in_the_middle_and_one_point_is_none() {
        let svg = curve(&evidence(&[5.0, 5.0])).unwrap().into_string();
        assert!(svg.contains("M0.0 39.0 L400.0 39.0"), "{svg}");
        assert!(curve(&evidence(&[5.0])).is_none());
        assert!(curve(&evidence(&[])).is_none());
    }
}
