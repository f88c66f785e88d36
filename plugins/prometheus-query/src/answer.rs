//! Prometheus' answers (HTTP API, `/api/v1/query` and `/api/v1/query_range`), made one shape: series of samples.

use std::collections::BTreeMap;

use stanch_plugin::http::Response;
use stanch_plugin::prelude::*;

/// One series: a single sample of an instant query, a curve of a range query.
#[derive(Debug, PartialEq)]
pub(crate) struct Series {
    /// Its labels; empty for a scalar.
    pub(crate) labels: BTreeMap<String, String>,
    /// (milliseconds since 1970, value), oldest first. May be NaN or infinite.
    pub(crate) samples: Vec<(i64, f64)>,
}

/// What Prometheus said.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) series: Vec<Series>,
    /// For example that some servers behind it did not answer.
    pub(crate) warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    status: String,
    data: Option<Found>,
    error_type: Option<String>,
    error: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    result_type: String,
    result: Value,
}

#[derive(Deserialize)]
struct Sampled {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    value: Option<Sample>,
    values: Option<Vec<Sample>>,
}

/// Seconds, and the value as text.
#[derive(Deserialize)]
struct Sample(f64, String);

impl Sample {
    fn read(&self) -> Result<(i64, f64), Failure> {
        let value = match self.1.as_str() {
            "NaN" => f64::NAN,
            "+Inf" | "Inf" => f64::INFINITY,
            "-Inf" => f64::NEG_INFINITY,
            number => number.parse().context("a sample of Prometheus")?,
        };
        Ok(((self.0 * 1000.0).round() as i64, value))
    }
}

/// Reads an answer; an error of Prometheus becomes the failure that it means.
pub(crate) fn read(response: Response) -> Result<Answer, Failure> {
    let Ok(body) = response.json::<Body>() else {
        response.ok()?;
        return Err(Failure::failed(
            "The answer is not Prometheus': is `url` in the plugin's settings right?",
        ));
    };
    if body.status != "success" {
        let error = body.error.unwrap_or_default();
        return Err(match body.error_type.as_deref() {
            Some("bad_data") => Failure::invalid_params(format!("Prometheus cannot read the query: {error}")),
            Some("timeout") => Failure::timeout(format!("Prometheus gave up the query: {error}")),
            Some("unavailable") => Failure::unavailable(format!("Prometheus is not ready: {error}")),
            _ => Failure::failed(format!("Prometheus could not answer: {error}")),
        });
    }
    let found = body.data.context("Prometheus' answer has no data")?;
    let series = match found.result_type.as_str() {
        "vector" | "matrix" => {
            let all: Vec<Sampled> = serde_json::from_value(found.result).context("Prometheus' answer")?;
            all.into_iter().map(series).collect::<Result<_, _>>()?
        }
        "scalar" => {
            let sample: Sample = serde_json::from_value(found.result).context("Prometheus' answer")?;
            vec![Series {
                labels: BTreeMap::new(),
                samples: vec![sample.read()?],
            }]
        }
        other => {
            return Err(Failure::invalid_params(format!(
                "The query gives a {other}, which has no number"
            )));
        }
    };
    Ok(Answer {
        series,
        warnings: body.warnings,
    })
}

/// Native histograms have no `value`: no sample that could be compared.
fn series(sampled: Sampled) -> Result<Series, Failure> {
    let samples = sampled
        .values
        .unwrap_or_default()
        .into_iter()
        .chain(sampled.value);
    Ok(Series {
        labels: sampled.metric,
        samples: samples.map(|sample| sample.read()).collect::<Result<_, _>>()?,
    })
}

impl Series {
    /// `up{instance="a"}`, as PromQL writes it.
    pub(crate) fn name(&self) -> String {
        let name = self.labels.get("__name__").cloned().unwrap_or_default();
        let labels = self.labels.iter().filter(|(name, _)| *name != "__name__");
        let labels: Vec<String> = labels.map(|(name, value)| format!("{name}={value:?}")).collect();
        match (name.is_empty(), labels.is_empty()) {
            (true, true) => "value".to_owned(),
            (false, true) => name,
            _ => format!("{name}{{{}}}", labels.join(", ")),
        }
    }
}
