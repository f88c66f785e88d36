//! Does a health page answer 200?

use stanch_plugin::prelude::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The health page.
    url: Url,
}

struct Plugin;

impl Diagnosis for Plugin {
    type Params = Params;
    type Data = Nothing;
    const ABOUT: About = about!("Says whether a health page answers 200");

    fn asks() -> Value {
        json!({ "http": [{ "url": "https://api.example/health", "read": ["GET"] }] })
    }

    fn diagnose(_: &Context, params: Params) -> Result<Finding<Nothing>, Failure> {
        let status = http::get(&params.url).send()?.status;
        let summary = format!("`{}` answers {status}", params.url);
        Ok(Finding::judged(status == 200, summary))
    }
}

stanch_plugin::export!(Plugin as diagnosis);
