//! How far each runbook can be trusted.

use stanch_service::control::types::{Readiness, Report, Tone};
use stanch_service::report::{Page, Piece, Style, words};

/// Where what is said of a runbook begins.
const COLUMN: usize = 11;

/// The report: for each runbook what it is ready for and why, then the counts.
pub fn report(report: &Report, width: usize) -> Page {
    let mut page = Page::new(width);
    let since = words::date(report.since);
    if report.runbooks.is_empty() {
        page.text(0, &format!("no runs since {since}"), Style::Plain);
        return page;
    }
    page.text(0, &format!("runs that were open since {since}"), Style::Faint);
    if report.left_out {
        let text = "there are more runs than are looked at; the oldest are left out";
        page.text(0, text, Style::State(Tone::Attention));
    }
    for runbook in &report.runbooks {
        of(&mut page, runbook);
    }
    page
}

fn of(page: &mut Page, readiness: &Readiness) {
    page.heading(&readiness.runbook);
    let (said, tone) = readiness.verdict();
    page.text(2, &said, Style::State(tone));
    for (label, text) in readiness.counts() {
        page.beside(2, Piece::new(label, Style::Faint), COLUMN, &text, Style::Plain);
    }
}

#[cfg(test)]
mod tests {
    use stanch_contract::Timestamp;

    use stanch_service::control::types::{Acted, Answers, Ready, Shadowed};

    use super::*;

    #[test]
    fn a_runbook_is_told_with_what_it_is_ready_for_first_and_nothing_that_did_not_happen() {
        let readiness = Readiness {
            runbook: "pod-hangs".into(),
            shadow: Shadowed::default(),
            acted: Acted {
                runs: 3,
                healed: 2,
                ..Acted::default()
            },
            answers: Answers {
                yes: 2,
                no: 1,
                half_within: Some(60_000),
                slowest: Some(125_000),
                ..Answers::default()
            },
            ready: Ready::NotYet,
            why: "1 of 3 questions was no".into(),
        };
        let shown = |runbooks| {
            let (since, now) = (Timestamp(0), Timestamp(0));
            let report_of = Report {
                since,
                now,
                runbooks,
                left_out: false,
            };
            report(&report_of, 100).to_plain()
        };
        assert_eq!(
            shown(vec![readiness]).lines().skip(1).collect::<Vec<_>>(),
            [
                "",
                "pod-hangs",
                "  not yet: 1 of 3 questions was no",
                "  acted      3 runs: 2 healed",
                "  asked      3 questions: 2 yes, 1 no; half answered within 1m, the slowest in 2m 5s",
            ]
        );
        assert!(shown(Vec::new()).starts_with("no runs since "));
    }
}
