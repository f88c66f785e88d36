//! A curve as a drawing: what a page makes inline SVG of, and Slack an image. One shape and one sentence for both.

use stanch_contract::{Evidence, Point, Timestamp};

use super::words;

/// How wide the drawing is.
pub(crate) const WIDTH: f64 = 400.0;
/// How high.
pub(crate) const HEIGHT: f64 = 72.0;
/// Between the highest point and the top.
const HEADROOM: f64 = 6.0;

/// The curve of a piece of evidence.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Curve {
    /// What it shows, in a sentence, for who cannot see it.
    pub(crate) said: String,
    /// The lowest and the highest value, with their unit.
    pub(crate) range: (String, String),
    /// From when to when.
    pub(crate) time: (Timestamp, Timestamp),
    /// From the left edge to the right one, down from the top.
    pub(crate) points: Vec<(f64, f64)>,
}

impl Curve {
    /// Nothing for fewer than two points.
    pub(crate) fn of(evidence: &Evidence) -> Option<Self> {
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
        let length = words::length((last.at_ms - first.at_ms) as i64);
        Some(Self {
            said: format!(
                "{}: {} at last, between {} and {} over {length}",
                evidence.label,
                number(last.value),
                number(low),
                number(high)
            ),
            range: (number(low), number(high)),
            time: (Timestamp(first.at_ms as i64), Timestamp(last.at_ms as i64)),
            points: placed(points, (first.at_ms, last.at_ms), (low, high)),
        })
    }
}

/// A level curve lies in the middle.
fn placed(points: &[Point], (from, to): (f64, f64), (low, high): (f64, f64)) -> Vec<(f64, f64)> {
    let share = |value: f64, low: f64, high: f64| {
        if high > low {
            (value - low) / (high - low)
        } else {
            0.5
        }
    };
    let place = |point: &Point| {
        let x = share(point.at_ms, from, to) * WIDTH;
        let y = HEIGHT - share(point.value, low, high) * (HEIGHT - HEADROOM);
        (x, y)
    };
    points.iter().map(place).collect()
}
