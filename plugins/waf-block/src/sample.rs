//! How many ordinary prompts a signature would stop: asked of a file of them that the operator gives.

use regex_lite::Regex;
use stanch_plugin::prelude::*;

/// Fewer say too little of how many of all would be hit.
const LEAST: usize = 1_000;
/// Of the file.
const MOST_BYTES: u32 = 4 << 20;

/// What the operator says of it.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sample {
    /// The file, one ordinary prompt a line, in a granted folder.
    pub file: String,
    /// The largest share of it that may be hit.
    #[serde(default = "tenth_of_a_percent")]
    pub most: f64,
}

fn tenth_of_a_percent() -> f64 {
    0.001
}

/// What was counted.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Hits {
    /// How many were asked.
    pub of: usize,
    /// How many it would stop.
    pub hit: usize,
}

impl Sample {
    /// Counts, and refuses what hits too many.
    pub(crate) fn ask(&self, pattern: &str) -> Result<Hits, Failure> {
        if !(0.0..=0.1).contains(&self.most) {
            let why = "The setting `sample.most` is a share between 0 and 0.1: more than a tenth of ordinary prompts is no blocklist";
            return Err(Failure::invalid_params(why));
        }
        let expression = Regex::new(pattern).context("the signature, to be tried on ordinary prompts")?;
        let bytes = files::read(&self.file, MOST_BYTES)
            .context(format!("the ordinary prompts of `{}`", self.file))?;
        let text = String::from_utf8_lossy(&bytes);
        let prompts = || text.lines().filter(|line| !line.trim().is_empty());
        let hits = Hits {
            of: prompts().count(),
            hit: prompts().filter(|prompt| expression.is_match(prompt)).count(),
        };
        if hits.of < LEAST {
            return Err(Failure::invalid_params(format!(
                "`{}` has {} prompts, and {LEAST} are needed to say how many ordinary ones a signature hits",
                self.file, hits.of
            )));
        }
        if hits.hit as f64 > self.most * hits.of as f64 {
            return Err(Failure::denied(format!(
                "The signature would hit {}, and at most {} % may be: it is too broad and is not blocked",
                hits.told(),
                self.most * 100.0
            )));
        }
        Ok(hits)
    }
}

impl Hits {
    pub(crate) fn told(self) -> String {
        format!("{} of {} ordinary prompts", self.hit, self.of)
    }
}
