//! What a guest answered, judged.
//!
//! An answer is data from outside. Its size and number of parts are bounded, its JSON parsed with bounded depth, its text
//! cleaned, its links kept only where they are http or https, points that are not numbers left out, and `data` checked
//! against the schema that the plugin's own manifest gives. What does not fit is an error that names the place.

use jsonschema::Validator;
use serde_json::Value;
use stanch_contract::{Action, ChangePlan, Evidence, Finding, Outcome, Point, Verdict, text};

use crate::bindings::{common, remedy};
use crate::error::{CallFault, LimitHit};
use crate::limits::Limit;
use crate::schema;

/// How deep JSON may be nested.
const DEPTH: u32 = 32;
/// Characters of a sentence: summaries and reasons.
const SENTENCE: usize = 2_000;
/// Characters of a value of evidence.
const VALUE: usize = 8_000;
/// Characters of a label or unit.
const LABEL: usize = 200;
/// Pieces of evidence.
const EVIDENCE: usize = 100;
/// Points of all curves together.
const POINTS: usize = 20_000;
/// Actions of a plan.
const ACTIONS: usize = 1_000;
/// Members of one action.
const ITEMS: usize = 20_000;

/// A judge of one answer.
pub(crate) struct Judge<'a> {
    /// How many bytes it may have.
    pub(crate) most: usize,
    /// The schema of `data`, where the manifest gives one.
    pub(crate) data: Option<&'a Validator>,
}

impl Judge<'_> {
    pub(crate) fn finding(&self, finding: common::Finding) -> Result<Finding, CallFault> {
        let bytes = finding.summary.len()
            + finding.data.len()
            + finding.extra.len()
            + evidence_bytes(&finding.evidence);
        self.size(bytes)?;
        Ok(Finding {
            verdict: match finding.verdict {
                common::Verdict::Yes => Verdict::Yes,
                common::Verdict::No => Verdict::No,
                common::Verdict::Unknown => Verdict::Unknown,
            },
            summary: text::clean_line_to(&finding.summary, SENTENCE),
            evidence: evidence(finding.evidence)?,
            data: self.data(&finding.data)?,
            extra: extra(&finding.extra).map_err(|why| wrong("extra", &why))?,
        })
    }

    pub(crate) fn outcome(&self, outcome: remedy::Outcome) -> Result<Outcome, CallFault> {
        let bytes = outcome.summary.len()
            + outcome.data.len()
            + outcome.extra.len()
            + evidence_bytes(&outcome.evidence);
        self.size(bytes)?;
        Ok(Outcome {
            summary: text::clean_line_to(&outcome.summary, SENTENCE),
            evidence: evidence(outcome.evidence)?,
            data: self.data(&outcome.data)?,
            extra: extra(&outcome.extra).map_err(|why| wrong("extra", &why))?,
        })
    }

    /// A plan. Its targets and contents are not cleaned: the gate compares them byte for byte and refuses what is odd.
    pub(crate) fn plan(&self, plan: remedy::ChangePlan) -> Result<ChangePlan, CallFault> {
        let bytes = plan.summary.len()
            + plan.data.len()
            + plan.extra.len()
            + plan.population.as_ref().map_or(0, String::len);
        self.size(
            plan.actions
                .iter()
                .fold(bytes, |sum, action| sum.saturating_add(action_bytes(action))),
        )?;
        count("actions", plan.actions.len(), ACTIONS)?;
        Ok(ChangePlan {
            summary: text::clean_line_to(&plan.summary, SENTENCE),
            actions: plan
                .actions
                .into_iter()
                .enumerate()
                .map(|(at, action)| self::action(at, action))
                .collect::<Result<_, _>>()?,
            population: plan.population,
            // The schema is of findings' and outcomes' data; a plan's is the plugin's own.
            data: json(&plan.data).map_err(|why| wrong("data", &why))?,
            extra: extra(&plan.extra).map_err(|why| wrong("extra", &why))?,
        })
    }

    fn size(&self, bytes: usize) -> Result<(), CallFault> {
        if bytes <= self.most {
            return Ok(());
        }
        let allowed = stanch_contract::ByteSize(self.most as u64).to_string();
        Err(CallFault::Limit(LimitHit {
            limit: Limit::Output,
            allowed,
        }))
    }

    fn data(&self, data: &str) -> Result<Value, CallFault> {
        let value = json(data).map_err(|why| wrong("data", &why))?;
        match self.data.and_then(|schema| schema::violations(schema, &value)) {
            None => Ok(value),
            Some(why) => Err(wrong(
                "data",
                &format!("it is not what the manifest's schema says: {why}"),
            )),
        }
    }
}

/// `extra` of anything: JSON, and nothing where it is `{}`.
pub(crate) fn extra(text: &str) -> Result<Value, String> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    let value = json(text)?;
    let empty = value.as_object().is_some_and(serde_json::Map::is_empty);
    Ok(if empty { Value::Null } else { value })
}

fn json(text: &str) -> Result<Value, String> {
    // Counted before it is parsed: the parser's own bound is not ours to rely on.
    if nested_deeper_than(text, DEPTH) {
        return Err(format!("its JSON is nested deeper than {DEPTH}"));
    }
    serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))
}

fn nested_deeper_than(text: &str, most: u32) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_u32, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > most {
            return true;
        }
    }
    false
}

fn evidence(all: Vec<common::Evidence>) -> Result<Vec<Evidence>, CallFault> {
    count("pieces of evidence", all.len(), EVIDENCE)?;
    count("points", all.iter().map(|one| one.points.len()).sum(), POINTS)?;
    all.into_iter()
        .enumerate()
        .map(|(at, one)| {
            Ok(Evidence {
                label: text::clean_line_to(&one.label, LABEL),
                value: text::clean_to(&one.value, VALUE),
                link: one.link.and_then(link),
                unit: one.unit.map(|unit| text::clean_line_to(&unit, LABEL)),
                points: points(&one.points),
                extra: extra(&one.extra).map_err(|why| wrong(&format!("evidence[{at}].extra"), &why))?,
            })
        })
        .collect()
}

/// A link that a page may show: absolute, http or https, without a user name. Others are left out.
fn link(link: String) -> Option<String> {
    let url = url::Url::parse(&link).ok()?;
    let plain =
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    (plain && link.len() <= SENTENCE).then(|| url.to_string())
}

fn points(points: &[common::Point]) -> Vec<Point> {
    points
        .iter()
        .filter(|point| point.at_ms.is_finite() && point.value.is_finite())
        .map(|point| Point {
            at_ms: point.at_ms.trunc(),
            value: point.value,
        })
        .collect()
}

fn action(at: usize, action: remedy::Action) -> Result<Action, CallFault> {
    count("items of one action", action.items.len(), ITEMS)?;
    Ok(Action {
        verb: action.verb,
        target: action.target,
        expect: action.expect,
        content: action.content,
        items: action.items,
        reason: text::clean_line_to(&action.reason, SENTENCE),
        extra: extra(&action.extra).map_err(|why| wrong(&format!("actions[{at}].extra"), &why))?,
    })
}

fn evidence_bytes(all: &[common::Evidence]) -> usize {
    all.iter()
        .map(|one| {
            one.label.len()
                + one.value.len()
                + one.link.as_ref().map_or(0, String::len)
                + one.unit.as_ref().map_or(0, String::len)
                + one.points.len() * size_of::<common::Point>()
                + one.extra.len()
        })
        .sum()
}

fn action_bytes(action: &remedy::Action) -> usize {
    action.verb.len()
        + action.target.len()
        + action.expect.as_ref().map_or(0, String::len)
        + action.content.as_ref().map_or(0, String::len)
        + action.items.iter().map(String::len).sum::<usize>()
        + action.reason.len()
        + action.extra.len()
}

fn count(what: &str, count: usize, most: usize) -> Result<(), CallFault> {
    if count <= most {
        return Ok(());
    }
    Err(CallFault::Limit(LimitHit {
        limit: Limit::Output,
        allowed: format!("{most} {what}"),
    }))
}

fn wrong(place: &str, why: &str) -> CallFault {
    CallFault::Output {
        message: format!("`{place}`: {}", text::clean_line_to(why, 400)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn finding(data: &str) -> common::Finding {
        common::Finding {
            verdict: common::Verdict::Yes,
            summary: "full".into(),
            evidence: vec![],
            data: data.into(),
            extra: "{}".into(),
        }
    }

    fn judge(most: usize) -> Judge<'static> {
        Judge { most, data: None }
    }

    fn one_piece(link: Option<&str>, points: &[(f64, f64)]) -> common::Evidence {
        common::Evidence {
            label: "a\u{202e}b".into(),
            value: "v".into(),
            link: link.map(str::to_owned),
            unit: None,
            points: points
                .iter()
                .map(|(at_ms, value)| common::Point {
                    at_ms: *at_ms,
                    value: *value,
                })
                .collect(),
            extra: "{}".into(),
        }
    }

    #[test]
    fn an_answer_within_its_limits_is_handed_over_clean() {
        let mut guest = finding(r#"{"used":0.97}"#);
        guest.summary = "the disk is\u{1b}[2J full\nreally".into();
        guest.evidence = vec![one_piece(
            Some("https://grafana.example/d/1"),
            &[(1.0, 2.0), (f64::NAN, 1.0), (2.0, f64::INFINITY)],
        )];
        let finding = judge(1000).finding(guest).unwrap();
        assert_eq!(finding.summary, "the disk is[2J full really");
        assert_eq!(finding.data, json!({"used": 0.97}));
        assert_eq!(finding.evidence[0].label, "ab");
        assert_eq!(
            finding.evidence[0].points,
            [Point {
                at_ms: 1.0,
                value: 2.0
            }]
        );
        assert_eq!(
            finding.evidence[0].link.as_deref(),
            Some("https://grafana.example/d/1")
        );
        assert!(finding.extra.is_null());
    }

    #[test]
    fn an_answer_over_its_size_is_the_limit_output() {
        let fault = judge(100)
            .finding(finding(&format!("\"{}\"", "x".repeat(100))))
            .unwrap_err();
        assert!(
            matches!(
                fault,
                CallFault::Limit(LimitHit {
                    limit: Limit::Output,
                    ..
                })
            ),
            "{fault}"
        );
        assert!(
            judge(106)
                .finding(finding(&format!("\"{}\"", "x".repeat(98))))
                .is_ok()
        );
    }

    #[test]
    fn too_many_parts_are_the_limit_output_too() {
        let mut guest = finding("{}");
        guest.evidence = (0..=EVIDENCE).map(|_| one_piece(None, &[])).collect();
        let fault = judge(1 << 20).finding(guest).unwrap_err();
        assert!(fault.to_string().contains("100 pieces of evidence"), "{fault}");
    }

    #[test]
    fn json_that_is_none_or_too_deep_names_its_place() {
        for (data, why) in [("", "not JSON"), ("{", "not JSON"), ("NaN", "not JSON")] {
            let fault = judge(1 << 20).finding(finding(data)).unwrap_err().to_string();
            assert!(fault.contains("`data`") && fault.contains(why), "{fault}");
        }
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(judge(1 << 20).finding(finding(&deep(DEPTH as usize))).is_ok());
        let fault = judge(1 << 20)
            .finding(finding(&deep(100_000)))
            .unwrap_err()
            .to_string();
        assert!(fault.contains("nested deeper than 32"), "{fault}");
        assert!(
            judge(1 << 20)
                .finding(finding(r#""[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[[""#))
                .is_ok(),
            "brackets in a string"
        );
    }

    #[test]
    fn data_must_be_what_the_manifest_says() {
        let schema = schema::compile(&json!({"required": ["used"]}), "data").unwrap();
        let judge = Judge {
            most: 1000,
            data: schema.as_ref(),
        };
        assert!(judge.finding(finding(r#"{"used":1}"#)).is_ok());
        let fault = judge.finding(finding("{}")).unwrap_err().to_string();
        assert!(fault.contains("schema"), "{fault}");
    }

    #[test]
    fn a_link_that_is_not_for_a_page_is_left_out() {
        for bad in [
            "javascript:alert(1)",
            "file:///etc/passwd",
            "//x",
            "https://user@host/",
            "nonsense",
            "data:text/html,x",
        ] {
            assert_eq!(link(bad.to_owned()), None, "{bad}");
        }
        assert_eq!(
            link("HTTP://Host/a b".into()).as_deref(),
            Some("http://host/a%20b")
        );
    }
}
