//! A curve as inline SVG: no script, no image to load, and read out as a sentence by who cannot see it.

use std::fmt::Write as _;

use maud::{Markup, html};
use stanch_contract::Evidence;

use crate::report::curve::{Curve, HEIGHT, WIDTH};
use crate::report::words;

/// The curve of a piece of evidence; nothing for fewer than two points.
pub(super) fn curve(evidence: &Evidence) -> Option<Markup> {
    let curve = Curve::of(evidence)?;
    let mut line = String::new();
    for (at, (x, y)) in curve.points.iter().enumerate() {
        let _ = write!(line, "{}{x:.1} {y:.1}", if at == 0 { "M" } else { " L" });
    }
    Some(html! {
        figure {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(curve.said) {
                path.area d={ (line) " V" (HEIGHT) " H0 Z" } {}
                path.lineplot d=(line) {}
            }
            figcaption {
                span { (words::clock(curve.time.0)) }
                span { (curve.range.0) " to " (curve.range.1) }
                span { (words::clock(curve.time.1)) }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use stanch_contract::Point;

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
