//! What a plugin saw and what it did, with what that rests on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stanch_contract::{Point, Verdict};

use crate::Failure;

/// No data. An empty JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Nothing {}

/// Something a person would look at: a value, a link, or a curve.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence(pub(crate) stanch_contract::Evidence);

impl Evidence {
    /// A value with a label.
    pub fn value(label: impl Into<String>, value: impl ToString) -> Self {
        Self(stanch_contract::Evidence {
            label: label.into(),
            value: value.to_string(),
            ..Default::default()
        })
    }

    /// A curve, oldest first, of (milliseconds since 1970, value); its last value is the evidence's value. What is not
    /// finite is left out.
    pub fn curve(label: impl Into<String>, points: impl IntoIterator<Item = (i64, f64)>) -> Self {
        let points: Vec<Point> = points
            .into_iter()
            .filter(|(_, value)| value.is_finite())
            .map(|(at_ms, value)| Point {
                at_ms: at_ms as f64,
                value,
            })
            .collect();
        let value = points
            .last()
            .map(|point| point.value.to_string())
            .unwrap_or_default();
        Self(stanch_contract::Evidence {
            label: label.into(),
            value,
            points,
            ..Default::default()
        })
    }

    /// With the unit of the value and of the points.
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.0.unit = Some(unit.into());
        self
    }

    /// With where to look further: an `http` or `https` URL.
    pub fn link(mut self, url: impl Into<String>) -> Self {
        self.0.link = Some(url.into());
        self
    }
}

macro_rules! said {
    ($name:ident) => {
        impl<Data> $name<Data> {
            /// With one more thing that it rests on.
            pub fn evidence(mut self, evidence: Evidence) -> Self {
                self.evidence.push(evidence);
                self
            }

            /// With more things that it rests on.
            pub fn evidences(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
                self.evidence.extend(evidence);
                self
            }

            /// With what later steps can read.
            pub fn data(mut self, data: Data) -> Self {
                self.data = Some(data);
                self
            }
        }
    };
}

/// The answer to one question: yes, no, or that it could not be found out, in one sentence.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding<Data> {
    /// Yes, no or unknown. What could not be found out is unknown, never no.
    pub verdict: Verdict,
    /// One sentence.
    pub summary: String,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
    /// What later steps can read; none stands for the default.
    pub data: Option<Data>,
}

impl<Data> Finding<Data> {
    /// A verdict and one sentence.
    pub fn new(verdict: Verdict, summary: impl Into<String>) -> Self {
        Self {
            verdict,
            summary: summary.into(),
            evidence: Vec::new(),
            data: None,
        }
    }

    /// Yes where it holds, else no. Only where it was seen either way.
    pub fn judged(holds: bool, summary: impl Into<String>) -> Self {
        Self::new(if holds { Verdict::Yes } else { Verdict::No }, summary)
    }

    /// It is so.
    pub fn yes(summary: impl Into<String>) -> Self {
        Self::new(Verdict::Yes, summary)
    }

    /// It is not so.
    pub fn no(summary: impl Into<String>) -> Self {
        Self::new(Verdict::No, summary)
    }

    /// It could not be found out.
    pub fn unknown(summary: impl Into<String>) -> Self {
        Self::new(Verdict::Unknown, summary)
    }
}

said!(Finding);

impl<Data: Serialize + Default> Finding<Data> {
    pub(crate) fn into_wire(self) -> Result<stanch_contract::Finding, Failure> {
        Ok(stanch_contract::Finding {
            verdict: self.verdict,
            summary: self.summary,
            evidence: self.evidence.into_iter().map(|evidence| evidence.0).collect(),
            data: data_to_wire(self.data)?,
            extra: Value::Null,
        })
    }
}

/// What an application did.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome<Data> {
    /// One sentence.
    pub summary: String,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
    /// What later steps can read; none stands for the default.
    pub data: Option<Data>,
}

impl<Data> Outcome<Data> {
    /// One sentence.
    pub fn new(summary: impl Into<String>) -> Self {
        Self {
            summary: summary.into(),
            evidence: Vec::new(),
            data: None,
        }
    }
}

said!(Outcome);

impl<Data: Serialize + Default> Outcome<Data> {
    pub(crate) fn into_wire(self) -> Result<stanch_contract::Outcome, Failure> {
        Ok(stanch_contract::Outcome {
            summary: self.summary,
            evidence: self.evidence.into_iter().map(|evidence| evidence.0).collect(),
            data: data_to_wire(self.data)?,
            extra: Value::Null,
        })
    }
}

impl<Data: for<'de> Deserialize<'de>> Outcome<Data> {
    pub(crate) fn from_wire(wire: stanch_contract::Outcome) -> Self {
        Self {
            summary: wire.summary,
            evidence: wire.evidence.into_iter().map(Evidence).collect(),
            data: data_from_wire(wire.data),
        }
    }
}

/// The default where there is nothing to say: what is sent has to fit the schema that the manifest gives.
pub(crate) fn data_to_wire<Data: Serialize + Default>(data: Option<Data>) -> Result<Value, Failure> {
    Ok(serde_json::to_value(data.unwrap_or_default())?)
}

/// None where there was nothing to say, or something that another version of the plugin said.
pub(crate) fn data_from_wire<Data: for<'de> Deserialize<'de>>(data: Value) -> Option<Data> {
    serde_json::from_value(data).ok()
}
