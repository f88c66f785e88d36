//! Figures, their goals, and how they are printed.

use std::fmt;
use std::time::Duration;

use crate::shell::TaskError;

/// What a figure should be; with its unit.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goal {
    /// This or less.
    AtMost(f64, &'static str),
    /// This or more.
    AtLeast(f64, &'static str),
    /// Shown only.
    None(&'static str),
}

impl Goal {
    fn unit(self) -> &'static str {
        match self {
            Self::AtMost(_, unit) | Self::AtLeast(_, unit) | Self::None(unit) => unit,
        }
    }

    fn reached(self, value: f64) -> Option<bool> {
        match self {
            Self::AtMost(most, _) => Some(value <= most),
            Self::AtLeast(least, _) => Some(value >= least),
            Self::None(_) => None,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::AtMost(most, unit) => format!("≤ {most} {unit}"),
            Self::AtLeast(least, unit) => format!("≥ {least} {unit}"),
            Self::None(_) => String::new(),
        };
        f.pad(&text)
    }
}

#[derive(Debug)]
struct Figure {
    name: String,
    goal: Goal,
    value: f64,
    probe: Option<Duration>,
}

/// All figures, in the order in which they were taken.
#[derive(Debug, Default)]
pub(super) struct Table {
    figures: Vec<Figure>,
}

impl Table {
    /// A figure that has nothing to do with the disk.
    pub(super) fn add(&mut self, name: &str, goal: Goal, value: f64) {
        self.figures.push(Figure {
            name: name.to_owned(),
            goal,
            value,
            probe: None,
        });
    }

    /// What another program measured: on each line a figure's name, its value and its unit, with tabs between.
    pub(super) fn read(
        &mut self,
        program: &str,
        said: &str,
        goal: impl Fn(&'static str) -> Goal,
    ) -> Result<(), TaskError> {
        for line in said.lines() {
            let (name, value, unit) = told(line)
                .ok_or_else(|| TaskError::Other(format!("`{program}` says `{line}`, which is no figure")))?;
            self.add(name, goal(unit), value);
        }
        Ok(())
    }

    /// A figure that waits for the disk, with what the probe took beside it.
    pub(super) fn probed(&mut self, name: &str, goal: Goal, value: f64, probe: Duration) {
        self.figures.push(Figure {
            name: name.to_owned(),
            goal,
            value,
            probe: Some(probe),
        });
    }
}

fn told(line: &str) -> Option<(&str, f64, &'static str)> {
    let mut parts = line.split('\t');
    let (name, value, unit) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
    let unit = ["ms", "×"].into_iter().find(|known| *known == unit)?;
    Some((name, value, unit))
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self
            .figures
            .iter()
            .map(|figure| figure.name.chars().count())
            .max()
            .unwrap_or(0);
        writeln!(
            f,
            "\n{:width$}  {:>14}  {:>16}  {:<8}  probe p50",
            "figure", "measured", "goal", "reached"
        )?;
        for Figure {
            name,
            goal,
            value,
            probe,
        } in &self.figures
        {
            let measured = format!("{} {}", rounded(*value), goal.unit());
            let reached = match goal.reached(*value) {
                Some(true) => "yes",
                Some(false) => "NO",
                None => "",
            };
            let probe = probe.map_or(String::new(), |probe| {
                format!("{:.0} µs", probe.as_secs_f64() * 1e6)
            });
            writeln!(
                f,
                "{name:width$}  {measured:>14}  {goal:>16}  {reached:<8}  {probe}"
            )?;
        }
        Ok(())
    }
}

/// Three figures that count.
fn rounded(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        middle if middle >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// The value below which this part of the values is; nothing of none.
pub(super) fn quantile(values: &mut [Duration], part: f64) -> Duration {
    values.sort_unstable();
    let last = values.len().saturating_sub(1);
    values
        .get((last as f64 * part).round() as usize)
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_program_measured_is_a_name_a_value_and_a_unit() {
        assert_eq!(
            told("alert to recycle\t12.5\tms"),
            Some(("alert to recycle", 12.5, "ms"))
        );
        for odd in ["", "alert", "alert\tmany\tms", "alert\t1\tparsecs"] {
            assert_eq!(told(odd), None, "{odd}");
        }
        let mut table = Table::default();
        let why = table.read("it", "alert\t1\tparsecs", Goal::None).unwrap_err();
        assert!(why.to_string().contains("`it` says `alert"), "{why}");
    }

    #[test]
    fn a_figure_is_beside_its_goal_and_says_where_that_is_missed() {
        let mut table = Table::default();
        table.add("start", Goal::AtMost(150.0, "ms"), 90.25);
        table.probed(
            "alerts",
            Goal::AtLeast(8_000.0, "/s"),
            7_999.0,
            Duration::from_micros(80),
        );
        let text = table.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[2].contains("90.2 ms") && lines[2].contains("≤ 150 ms") && lines[2].contains("yes"),
            "{text}"
        );
        assert!(
            lines[3].contains("7999 /s") && lines[3].contains("NO") && lines[3].contains("80 µs"),
            "{text}"
        );
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let mut values: Vec<Duration> = (1..=101).rev().map(Duration::from_millis).collect();
        assert_eq!(quantile(&mut values, 0.5), Duration::from_millis(51));
        assert_eq!(quantile(&mut values, 0.99), Duration::from_millis(100));
        assert_eq!(quantile(&mut [], 0.5), Duration::ZERO);
    }
}
