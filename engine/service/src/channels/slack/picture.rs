//! A curve as an image, for a place that shows no SVG: what a page draws of the same evidence, on paper of its own.
//!
//! Drawn here and not by a service, because what a metric shows leaves the engine for nobody but Slack. It has no letters in it, so it
//! needs no font; what it shows is said beside it.

use tiny_skia::{Color, FillRule, Paint, PathBuilder, Pixmap, Stroke, Transform};

use crate::report::curve::{Curve, HEIGHT, WIDTH};

/// Pixels for each unit of the drawing: sharp where a phone shows it large.
const SCALE: f32 = 2.5;
/// Around the drawing, in pixels.
const MARGIN: f32 = 20.0;

/// A PNG of the curve.
pub(super) fn png(curve: &Curve) -> Option<Vec<u8>> {
    let side = |length: f64| length as f32 * SCALE + 2.0 * MARGIN;
    let (width, height) = (side(WIDTH), side(HEIGHT));
    let mut paper = Pixmap::new(width as u32, height as u32)?;
    // White, because Slack puts it on a dark ground too.
    paper.fill(Color::WHITE);
    let place = |(x, y): &(f64, f64)| (MARGIN + *x as f32 * SCALE, MARGIN + *y as f32 * SCALE);
    let floor = height - MARGIN;
    let mut line = PathBuilder::new();
    for (at, point) in curve.points.iter().enumerate() {
        match (at, place(point)) {
            (0, (x, y)) => line.move_to(x, y),
            (_, (x, y)) => line.line_to(x, y),
        }
    }
    let mut area = line.clone();
    let (first, last) = (curve.points.first()?, curve.points.last()?);
    area.line_to(place(last).0, floor);
    area.line_to(place(first).0, floor);
    area.close();
    let mut ground = PathBuilder::new();
    ground.move_to(MARGIN, floor);
    ground.line_to(width - MARGIN, floor);

    let ink = |red, green, blue, alpha| {
        let mut paint = Paint::default();
        paint.set_color_rgba8(red, green, blue, alpha);
        paint
    };
    let still = Transform::identity();
    let thick = |width| Stroke {
        width,
        ..Stroke::default()
    };
    paper.stroke_path(
        &ground.finish()?,
        &ink(120, 120, 120, 255),
        &thick(1.5),
        still,
        None,
    );
    // A level curve has no area to fill.
    if let Some(area) = area.finish() {
        paper.fill_path(&area, &ink(20, 90, 200, 40), FillRule::Winding, still, None);
    }
    paper.stroke_path(&line.finish()?, &ink(20, 90, 200, 255), &thick(4.0), still, None);
    paper.encode_png().ok()
}

#[cfg(test)]
mod tests {
    use stanch_contract::{Evidence, Point};

    use super::*;

    fn curve(values: &[f64]) -> Curve {
        let points = values.iter().enumerate().map(|(at, value)| Point {
            at_ms: 1_790_000_000_000.0 + 60_000.0 * at as f64,
            value: *value,
        });
        let evidence = Evidence {
            label: "GPU memory".into(),
            points: points.collect(),
            ..Evidence::default()
        };
        Curve::of(&evidence).unwrap()
    }

    fn drawn(values: &[f64]) -> Pixmap {
        Pixmap::decode_png(&png(&curve(values)).unwrap()).unwrap()
    }

    /// Whether there is ink of the curve near this place of the drawing, which goes from 0 to 1 either way, up from the ground.
    fn ink(paper: &Pixmap, x: f32, y: f32) -> bool {
        let (width, height) = (paper.width() as f32, paper.height() as f32);
        let at = (
            (MARGIN + x * (width - 2.0 * MARGIN)) as u32,
            (height - MARGIN - y * (height - 2.0 * MARGIN)) as u32,
        );
        let near = |at: u32| at.saturating_sub(6)..=at + 6;
        near(at.0).any(|x| {
            near(at.1).any(|y| {
                let pixel = paper.pixel(x, y).map(|pixel| pixel.demultiply());
                pixel.is_some_and(|pixel| pixel.blue() > 150 && pixel.red() < 60)
            })
        })
    }

    #[test]
    fn a_curve_that_rises_is_drawn_from_the_lower_left_to_the_upper_right() {
        let paper = drawn(&[0.0, 50.0, 100.0]);
        assert_eq!((paper.width(), paper.height()), (1040, 220));
        for (x, y, there) in [
            (0.0, 0.0, true),
            (0.5, 0.46, true),
            (1.0, 0.92, true),
            (0.0, 0.9, false),
            (1.0, 0.1, false),
            (0.5, 0.9, false),
        ] {
            assert_eq!(ink(&paper, x, y), there, "{x} {y}");
        }
        let falling = drawn(&[100.0, 0.0]);
        assert!(ink(&falling, 0.0, 0.92) && !ink(&falling, 0.0, 0.0));
    }

    #[test]
    fn a_level_curve_lies_in_the_middle_and_what_no_number_is_breaks_nothing() {
        let level = drawn(&[5.0, 5.0]);
        assert!(ink(&level, 0.5, 0.46) && !ink(&level, 0.5, 0.05));
        // A plugin says what it likes.
        for values in [
            &[f64::NAN, 1.0][..],
            &[f64::INFINITY, 1.0, 2.0],
            &[f64::MAX, f64::MIN],
        ] {
            let _ = png(&curve(values));
        }
        let many: Vec<f64> = (0..5_000).map(f64::from).collect();
        assert!(ink(&drawn(&many), 0.5, 0.46));
    }
}
