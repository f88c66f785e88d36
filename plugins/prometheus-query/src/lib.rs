//! `prometheus-query`: asks Prometheus and compares the answer with a bound; the curve is the evidence.
//!
//! No data is unknown, never no: a query that matches nothing looks the same for a healthy service and for one that is gone.
//! So are a sample that is not a number, and several series where the runbook does not say which of them decide.

mod answer;

use answer::Series;
use stanch_plugin::prelude::*;

/// Series beyond these are not shown as evidence; they still decide.
const SHOWN: usize = 5;
/// Points of one curve.
const MAX_POINTS: i64 = 1000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// What to ask. Best a query that gives one series: `max(…)`, `sum(…)`.
    query: Promql,
    /// Yes where the value is greater than this.
    above: Option<f64>,
    /// Yes where the value is less than this.
    below: Option<f64>,
    /// Yes where the value is this.
    equals: Option<f64>,
    /// Ask for the curve over this time until now, and not only for the value of now.
    range: Option<Span>,
    /// The time between two points of the curve; a hundredth of `range` where it is not said.
    step: Option<Span>,
    /// Which points of the curve decide.
    #[serde(default)]
    points: Points,
    /// With several series: whether one that holds is enough, or all have to. Several without it are unknown.
    series: Option<Quantifier>,
}

#[derive(Clone, Copy, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Points {
    #[default]
    Last,
    Any,
    All,
}

#[derive(Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Quantifier {
    Any,
    All,
}

/// The operator's settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Where Prometheus is, such as `http://prometheus:9090`.
    url: String,
}

/// The values that decided.
#[derive(Default, Serialize, JsonSchema)]
struct Data {
    /// The last value, where there is one series and its value is a finite number.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    /// Each series with its last value.
    series: Vec<Last>,
}

/// One series.
#[derive(Serialize, JsonSchema)]
struct Last {
    labels: std::collections::BTreeMap<String, String>,
    /// None where it is not a finite number.
    value: Option<f64>,
}

struct PrometheusQuery;

impl Diagnosis for PrometheusQuery {
    type Params = Params;
    type Data = Data;
    const ABOUT: About = about!("Asks Prometheus and compares the answer with a bound");

    fn asks() -> Value {
        json!({ "http": [{ "url": "http://prometheus:9090/api/v1/*", "read": ["GET"], "addresses": ["10.0.0.0/8"] }] })
    }

    fn diagnose(_: &Context, params: Params) -> Result<Finding<Data>, Failure> {
        if params.above.is_none() && params.below.is_none() && params.equals.is_none() {
            return Err(Failure::invalid_params(
                "Give a bound: `above`, `below` or `equals`",
            ));
        }
        let settings: Settings = host::settings()?;
        let base = settings.url.trim_end_matches('/');
        let now = host::now();
        let (request, step) = request(base, &params, now)?;
        let answer = answer::read(request.send().context(format!("asking Prometheus at `{base}`"))?)?;

        let series = &answer.series;
        let verdict = judge(&params, series, now, step);
        let summary = summary(&params, series, verdict);
        let link = format!("{base}/graph?g0.expr={}", http::encode(&params.query));
        let curves = series.iter().take(SHOWN).map(|series| {
            let evidence = Evidence::curve(series.name(), series.samples.iter().copied()).link(&link);
            match series.samples.last() {
                Some((_, value)) if !value.is_finite() => Evidence::value(series.name(), value).link(&link),
                _ => evidence,
            }
        });
        let hidden = series.len().saturating_sub(SHOWN);
        let mut finding = Finding::new(verdict, summary)
            .evidences(curves)
            .data(data(series));
        if hidden > 0 {
            finding = finding.evidence(Evidence::value("More series", hidden));
        }
        let warnings = answer.warnings.into_iter().take(SHOWN);
        Ok(finding.evidences(warnings.map(|warning| Evidence::value("Prometheus warns", warning))))
    }
}

/// The request, and the time between two points where it asks for a curve.
fn request(base: &str, params: &Params, now: Timestamp) -> Result<(http::Request, Option<i64>), Failure> {
    let Some(range) = params.range else {
        if params.step.is_some() || params.points != Points::Last {
            return Err(Failure::invalid_params(
                "`step` and `points` are about a curve: give `range`, too",
            ));
        }
        let url = format!("{base}/api/v1/query");
        return Ok((
            http::get(url)
                .query("query", &params.query)
                .query("time", seconds(now.0)),
            None,
        ));
    };
    let range = range.as_millis();
    let step = params.step.map_or((range / 100).max(1000), Span::as_millis);
    if step == 0 || range < step || range / step > MAX_POINTS {
        let message =
            format!("`range` divided by `step` is the number of points, and must be from 1 to {MAX_POINTS}");
        return Err(Failure::invalid_params(message));
    }
    let request = http::get(format!("{base}/api/v1/query_range"))
        .query("query", &params.query)
        .query("start", seconds(now.0 - range))
        .query("end", seconds(now.0))
        .query("step", seconds(step));
    Ok((request, Some(step)))
}

/// As Prometheus takes times and steps.
fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

fn judge(params: &Params, series: &[Series], now: Timestamp, step: Option<i64>) -> Verdict {
    let each = series
        .iter()
        .map(|series| judge_series(params, series, now, step));
    match (params.series, series.len()) {
        (_, 0) => Verdict::Unknown,
        (None, 2..) => Verdict::Unknown,
        (Some(Quantifier::All), _) => all(each),
        _ => any(each),
    }
}

fn judge_series(params: &Params, series: &Series, now: Timestamp, step: Option<i64>) -> Verdict {
    // A curve that ended before now is of something that is gone: its last point says nothing of now.
    let fresh = |at: i64| step.is_none_or(|step| at >= now.0 - 2 * step);
    let judged = series.samples.iter().map(|(_, value)| holds(params, *value));
    match params.points {
        Points::Any => any(judged),
        Points::All => all(judged),
        Points::Last => match series.samples.last() {
            Some((at, value)) if fresh(*at) => holds(params, *value),
            _ => Verdict::Unknown,
        },
    }
}

/// Every bound that is given has to hold.
fn holds(params: &Params, value: f64) -> Verdict {
    if value.is_nan() {
        return Verdict::Unknown;
    }
    let holds = params.above.is_none_or(|bound| value > bound)
        && params.below.is_none_or(|bound| value < bound)
        && params.equals.is_none_or(|bound| value == bound);
    if holds { Verdict::Yes } else { Verdict::No }
}

/// Yes where one is; else unknown where one is, or where there is none at all.
fn any(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    decide(verdicts, Verdict::Yes, Verdict::No)
}

/// No where one is; else unknown where one is, or where there is none at all.
fn all(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    decide(verdicts, Verdict::No, Verdict::Yes)
}

fn decide(verdicts: impl Iterator<Item = Verdict>, at_once: Verdict, else_: Verdict) -> Verdict {
    let mut result = None;
    for verdict in verdicts {
        if verdict == at_once {
            return at_once;
        }
        if verdict == Verdict::Unknown || result.is_none() {
            result = Some(if verdict == Verdict::Unknown {
                Verdict::Unknown
            } else {
                else_
            });
        }
    }
    result.unwrap_or(Verdict::Unknown)
}

fn summary(params: &Params, series: &[Series], verdict: Verdict) -> String {
    let bounds = [
        ("above", params.above),
        ("below", params.below),
        ("equal to", params.equals),
    ];
    let bounds: Vec<String> = bounds
        .iter()
        .filter_map(|(word, bound)| bound.map(|bound| format!("{word} {bound}")))
        .collect();
    let bounds = bounds.join(" and ");
    match series {
        [] => format!("`{}` gives no data", params.query),
        [one] => match one.samples.last() {
            None => format!("`{}` gives a series without a number", params.query),
            Some((_, value)) => format!("`{}` is {value}, asked for {bounds}", params.query),
        },
        several if params.series.is_none() => format!(
            "`{}` gives {} series: aggregate it (`max(…)`), or say `series = \"any\"` or `\"all\"`",
            params.query,
            several.len()
        ),
        several => {
            let word = if params.series == Some(Quantifier::All) {
                "all"
            } else {
                "any"
            };
            format!(
                "Whether {word} of the {} series of `{}` is {bounds}: {}",
                several.len(),
                params.query,
                verdict.as_str()
            )
        }
    }
}

fn data(series: &[Series]) -> Data {
    let last = |series: &Series| {
        series
            .samples
            .last()
            .map(|(_, value)| *value)
            .filter(|value| value.is_finite())
    };
    Data {
        value: match series {
            [one] => last(one),
            _ => None,
        },
        series: series
            .iter()
            .take(100)
            .map(|series| Last {
                labels: series.labels.clone(),
                value: last(series),
            })
            .collect(),
    }
}

stanch_plugin::export!(PrometheusQuery as diagnosis);

#[cfg(test)]
mod tests;
