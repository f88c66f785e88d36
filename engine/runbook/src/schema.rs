//! JSON Schema (2020-12): do parameters fit what a plugin says that it takes? Nothing is fetched: a schema that refers
//! outside of itself is refused.

use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind};
use jsonschema::{Draft, JsonType, Validator};
use serde_json::Value;

use crate::expr::Params;

/// How a value does not fit its schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", at(.path))]
pub struct SchemaError {
    /// Where in the value: names and indexes, outermost first; empty for the whole.
    pub path: Vec<String>,
    /// What does not fit, and what would.
    pub message: String,
}

fn at(path: &[String]) -> String {
    if path.is_empty() {
        String::new()
    } else {
        format!("`{}`: ", path.join("."))
    }
}

/// A schema, ready to check with.
#[derive(Debug)]
pub struct Schema {
    validator: Validator,
}

/// A [`SchemaError`] with what the loader needs to know of it.
#[derive(Debug)]
pub(crate) struct Misfit {
    pub(crate) error: SchemaError,
    /// It is about the names of members or the type of the value itself: true whatever the members' values are.
    pub(crate) of_names: bool,
    pub(crate) of_type: bool,
    /// Members that are not known, for underlining them.
    pub(crate) unknown: Vec<String>,
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// Where it is not a JSON Schema of draft 2020-12, or refers outside of itself.
    pub fn new(schema: &Value) -> Result<Self, SchemaError> {
        // A plugin without parameters may say nothing of them.
        let empty = Value::Object(serde_json::Map::new());
        let schema = if schema.is_null() { &empty } else { schema };
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .build(schema)
            .map_err(|error| SchemaError {
                path: Vec::new(),
                message: format!("the schema cannot be used: {error}"),
            })?;
        Ok(Self { validator })
    }

    /// Whether `value` fits.
    ///
    /// # Errors
    /// Everything that does not.
    pub fn check(&self, value: &Value) -> Result<(), Vec<SchemaError>> {
        let errors: Vec<SchemaError> = self.misfits(value).map(|misfit| misfit.error).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    pub(crate) fn misfits<'v>(&'v self, value: &'v Value) -> impl Iterator<Item = Misfit> + 'v {
        self.validator.iter_errors(value).map(|error| misfit(&error))
    }
}

/// Whether `value` fits `schema`; to check many values, make one [`Schema`].
///
/// # Errors
/// Everything that does not fit, or that the schema itself cannot be used.
pub fn validate(value: &Value, schema: &Value) -> Result<(), Vec<SchemaError>> {
    Schema::new(schema).map_err(|error| vec![error])?.check(value)
}

impl Params {
    /// Whether the parameters as written fit `schema`; only those without `${…}` can be told before they are rendered.
    ///
    /// # Errors
    /// As [`validate`].
    pub fn check(&self, schema: &Value) -> Result<(), Vec<SchemaError>> {
        validate(self.source(), schema)
    }
}

fn misfit(error: &ValidationError<'_>) -> Misfit {
    use ValidationErrorKind as Kind;
    let path: Vec<String> = error
        .instance_path()
        .as_str()
        .split('/')
        .skip(1)
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect();
    let mut unknown_names = Vec::new();
    let message = match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            unknown_names.clone_from(unexpected);
            format!("there is no parameter `{}`", unexpected.join("`, `"))
        }
        Kind::Required { property } => format!(
            "the parameter `{}` is missing",
            property.as_str().unwrap_or_default()
        ),
        Kind::Type { kind } => {
            let wanted: Vec<&str> = match kind {
                TypeKind::Single(one) => vec![type_word(*one)],
                TypeKind::Multiple(several) => several.iter().map(type_word).collect(),
            };
            format!(
                "it is {}, and has to be {}",
                crate::expr::kind(error.instance()),
                wanted.join(" or ")
            )
        }
        Kind::Enum { options } => {
            let options: Vec<String> = options
                .as_array()
                .into_iter()
                .flatten()
                .map(|o| format!("`{}`", bare(o)))
                .collect();
            format!(
                "`{}` is not one of {}",
                bare(error.instance()),
                options.join(", ")
            )
        }
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
            "it fits none of the forms that the plugin takes".to_owned()
        }
        Kind::OneOfMultipleValid { .. } => {
            "it fits several of the forms that the plugin takes, and has to fit one".to_owned()
        }
        Kind::Maximum { limit } => format!("it is more than {limit}"),
        Kind::Minimum { limit } => format!("it is less than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("it has to be less than {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("it has to be more than {limit}"),
        Kind::Pattern { pattern } => format!("it does not match `{pattern}`"),
        _ => error.to_string(),
    };
    let of_names = matches!(
        error.kind(),
        Kind::AdditionalProperties { .. }
            | Kind::UnevaluatedProperties { .. }
            | Kind::Required { .. }
            | Kind::PropertyNames { .. }
            | Kind::MaxProperties { .. }
            | Kind::MinProperties { .. }
            | Kind::MaxItems { .. }
            | Kind::MinItems { .. }
    );
    let of_type = matches!(error.kind(), Kind::Type { .. });
    Misfit {
        error: SchemaError { path, message },
        of_names,
        of_type,
        unknown: unknown_names,
    }
}

fn type_word(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Array => "a list",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "a whole number",
        JsonType::Null => "nothing",
        JsonType::Number => "a number",
        JsonType::Object => "an object",
        JsonType::String => "text",
    }
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {"above": {"type": "number", "minimum": 0}, "kind": {"enum": ["a", "b"]}},
            "required": ["above"],
            "additionalProperties": false,
        })
    }

    #[test]
    fn a_value_that_fits_passes_and_every_misfit_is_named() {
        assert_eq!(validate(&json!({"above": 1}), &schema()), Ok(()));
        let errors = validate(&json!({"kind": "c", "abvoe": 1}), &schema()).unwrap_err();
        let mut told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        told.sort();
        assert_eq!(
            told,
            [
                "`kind`: `c` is not one of `a`, `b`",
                "the parameter `above` is missing",
                "there is no parameter `abvoe`"
            ]
        );
    }

    #[test]
    fn a_schema_that_refers_elsewhere_is_refused_without_fetching_it() {
        let error = Schema::new(&json!({"$ref": "https://example.org/schema.json"})).unwrap_err();
        assert!(error.message.contains("cannot be used"), "{error}");
    }
}
