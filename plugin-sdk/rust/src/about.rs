//! What a plugin says of itself, and the manifest made of it.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use stanch_contract::{Manifest, canonical};

/// A plugin's name, version, one sentence, and what it promises. Made with [`about!`](crate::about!).
#[derive(Debug, Clone, Copy)]
pub struct About {
    name: &'static str,
    version: &'static str,
    summary: &'static str,
    idempotent: bool,
    reversible: bool,
    verifies: bool,
    verifies_undo: bool,
}

/// An [`About`](crate::About) with the crate's own name and version, and one sentence: what the plugin does, on what.
#[macro_export]
macro_rules! about {
    ($summary:expr) => {
        $crate::About::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"), $summary)
    };
}

impl About {
    /// A name (kebab-case), a version (semver) and one sentence.
    pub const fn new(name: &'static str, version: &'static str, summary: &'static str) -> Self {
        Self {
            name,
            version,
            summary,
            idempotent: false,
            reversible: false,
            verifies: false,
            verifies_undo: false,
        }
    }

    /// Remediation: a repeat of an action under one idempotency key has no second effect, so that the engine may send an
    /// action again whose answer was lost. Say it only where the other side keeps the promise.
    pub const fn idempotent(mut self, is: bool) -> Self {
        self.idempotent = is;
        self
    }

    /// Remediation: `plan_undo` gives the way back.
    pub const fn reversible(mut self) -> Self {
        self.reversible = true;
        self
    }

    /// Remediation: `verify` can answer yes and no.
    pub const fn verifies(mut self) -> Self {
        self.verifies = true;
        self
    }

    /// Remediation: asked again after the way back was applied, `plan_undo` looks at the world and gives an empty plan where
    /// all is as before. The engine then asks until it is so, and never takes a change for put back that is not.
    pub const fn verifies_undo(mut self) -> Self {
        self.verifies_undo = true;
        self
    }

    /// The manifest as one JSON document: the text that `describe` gives and that the custom section holds.
    pub(crate) fn manifest<Params: JsonSchema, Data: JsonSchema>(&self, asks: Value) -> String {
        let manifest = Manifest {
            name: self.name.to_owned(),
            version: self.version.to_owned(),
            summary: self.summary.to_owned(),
            params: params_schema::<Params>(),
            data: schema::<Data>(SchemaSettings::draft2020_12().for_serialize()),
            idempotent: self.idempotent,
            reversible: self.reversible,
            verifies: self.verifies,
            verifies_undo: self.verifies_undo,
            asks,
        };
        canonical::to_string(&json!(manifest))
    }
}

fn schema<T: JsonSchema>(settings: SchemaSettings) -> Value {
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// The schema of parameters. An object that names its members takes no others, even where the type forgot to say
/// `deny_unknown_fields`: a misspelt parameter must not be taken for an absent one.
fn params_schema<T: JsonSchema>() -> Value {
    let mut schema = schema::<T>(SchemaSettings::draft2020_12().for_deserialize());
    if let Some(object) = schema.as_object_mut()
        && object.contains_key("properties")
        && !is_composed(object)
    {
        object.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    schema
}

/// Whether other members may come from elsewhere in the schema.
fn is_composed(schema: &Map<String, Value>) -> bool {
    ["allOf", "anyOf", "oneOf", "$ref"]
        .iter()
        .any(|word| schema.contains_key(*word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Nothing;
    use crate::params::{Promql, Span, Url};

    #[derive(serde::Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema matters")]
    struct Params {
        /// What to ask.
        query: Promql,
        url: Option<Url>,
        range: Option<Span>,
    }

    #[test]
    fn a_manifest_is_read_by_the_engine_and_its_schema_is_closed() {
        let text = About::new("a-plugin", "1.2.3", "Does a thing")
            .idempotent(true)
            .manifest::<Params, Nothing>(json!({"http": []}));
        let manifest: Manifest = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (manifest.name.as_str(), manifest.idempotent, manifest.reversible),
            ("a-plugin", true, false)
        );
        assert_eq!(manifest.params["additionalProperties"], false);
        assert_eq!(manifest.params["required"], json!(["query"]));
        assert_eq!(
            manifest.params["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
        let query = &manifest.params["properties"]["query"];
        assert_eq!(query["x-stanch-format"], "promql");
        assert_eq!(query["description"], "What to ask.");
        // What may be left out keeps its format.
        assert_eq!(manifest.params["properties"]["url"]["x-stanch-format"], "url");
        assert_eq!(manifest.asks, json!({"http": []}));
    }

    #[test]
    fn an_object_composed_of_others_is_left_open() {
        #[derive(serde::Deserialize, JsonSchema)]
        #[serde(untagged)]
        #[expect(dead_code, reason = "only its schema matters")]
        enum Either {
            One { a: u32 },
            Other { b: u32 },
        }
        assert_eq!(params_schema::<Either>().get("additionalProperties"), None);
    }
}
