//! Instant queries of Prometheus.

use std::collections::BTreeMap;

use stanch_plugin::prelude::*;

/// One series' value of now.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// Where Prometheus is.
pub(crate) struct Prometheus(String);

#[derive(Deserialize)]
struct Answer {
    data: Found,
}

#[derive(Deserialize)]
struct Found {
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    /// The time in seconds, and the value as text.
    value: (f64, String),
}

impl Prometheus {
    pub(crate) fn new(url: &str) -> Self {
        Self(url.trim_end_matches('/').to_owned())
    }

    /// The samples of now; what is not a number is none.
    pub(crate) fn ask(&self, query: &str) -> Result<Vec<Sample>, Failure> {
        let request = http::get(format!("{}/api/v1/query", self.0)).query("query", query);
        let response = request
            .send()
            .context(format!("asking Prometheus at `{}`", self.0))?;
        let answer: Answer = response.ok()?.json()?;
        let samples = answer.data.result.into_iter().filter_map(|series| {
            let value: f64 = series.value.1.parse().ok()?;
            value.is_finite().then_some(Sample {
                labels: series.metric,
                value,
            })
        });
        Ok(samples.collect())
    }
}
