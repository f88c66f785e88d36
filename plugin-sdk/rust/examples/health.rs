//! A whole diagnosis plugin: does a health page answer 200?

use stanch_plugin::prelude::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The health page.
    url: Url,
}

struct Health;

impl Diagnosis for Health {
    type Params = Params;
    type Data = Nothing;
    const ABOUT: About = About::new("health", "0.1.0", "Says whether a health page answers 200");

    fn diagnose(_: &Context, params: Params) -> Result<Finding<Nothing>, Failure> {
        let status = http::get(&params.url).send()?.status;
        let summary = format!("`{}` answers {status}", params.url);
        Ok(Finding::judged(status == 200, summary))
    }
}

stanch_plugin::export!(Health as diagnosis);
