//! The schemas of a manifest, compiled.
//!
//! A schema comes from the plugin, so it is data from outside: it may refer only to itself, its patterns run in linear
//! time, and a reference that leads back to itself without going deeper into the value is refused, because checking
//! with it would never end.

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;
use stanch_contract::text;

use crate::error::InstallError;

/// Members of a schema that apply other schemas to the same value.
const IN_PLACE_ONE: [&str; 4] = ["not", "if", "then", "else"];
const IN_PLACE_MANY: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// How many schemas are applied in place, all counted, before a schema is taken for one without end.
const MOST_STEPS: u32 = 20_000;

/// Compiles `schema`; `None` where there is none.
pub(crate) fn compile(schema: &Value, which: &'static str) -> Result<Option<Validator>, InstallError> {
    let bad = |why: String| InstallError::BadSchema {
        which,
        why: text::clean_line_to(&why, 300),
    };
    if schema.is_null() {
        return Ok(None);
    }
    Look {
        root: schema,
        steps: 0,
        under_way: Vec::new(),
    }
    .references(schema, 0)
    .map_err(bad)?;
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(PatternOptions::regex().size_limit(1 << 20))
        .offline()
        .build(schema)
        .map(Some)
        .map_err(|error| bad(format!("{error} at `{}`", error.schema_path())))
}

/// Why `value` is not what the schema says: the first few places, in one line.
pub(crate) fn violations(schema: &Validator, value: &Value) -> Option<String> {
    let found: Vec<String> = schema
        .iter_errors(value)
        .take(3)
        .map(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() {
                "the whole".to_owned()
            } else {
                format!("`{place}`")
            };
            text::clean_line_to(&format!("{place}: {error}"), 200)
        })
        .collect();
    if found.is_empty() {
        None
    } else {
        Some(found.join("; "))
    }
}

/// A look through a schema, with an end: a schema whose references fan out is refused before checking with it takes forever.
struct Look<'a> {
    root: &'a Value,
    steps: u32,
    under_way: Vec<&'a Value>,
}

impl<'a> Look<'a> {
    /// Every reference must be local and must not lead back to itself in place.
    fn references(&mut self, at: &'a Value, depth: u32) -> Result<(), String> {
        if depth > 64 {
            return Err("it is nested deeper than 64".into());
        }
        match at {
            Value::Object(members) => {
                for name in ["$dynamicRef", "$recursiveRef", "$dynamicAnchor", "$anchor", "$id"] {
                    if members.get(name).is_some_and(Value::is_string) {
                        return Err(format!("`{name}` is not supported; refer to `#/$defs/NAME`"));
                    }
                }
                if let Some(Value::String(reference)) = members.get("$ref")
                    && !reference.starts_with('#')
                {
                    return Err(format!(
                        "`$ref` to `{reference}` leads out of the manifest; refer to `#/$defs/NAME`"
                    ));
                }
                self.ends(at)?;
                members
                    .values()
                    .try_for_each(|member| self.references(member, depth + 1))
            }
            Value::Array(items) => items.iter().try_for_each(|item| self.references(item, depth + 1)),
            _ => Ok(()),
        }
    }

    /// Whether applying the schema at `at` to a value comes to an end, as far as the same value goes.
    fn ends(&mut self, at: &'a Value) -> Result<(), String> {
        let Value::Object(members) = at else { return Ok(()) };
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return Err("its references fan out too far".into());
        }
        if self.under_way.len() > 64 || self.under_way.iter().any(|one| std::ptr::eq(*one, at)) {
            return Err("a `$ref` leads back to itself without going deeper into the value".into());
        }
        self.under_way.push(at);
        if let Some(Value::String(reference)) = members.get("$ref") {
            let to = self.root.pointer(reference.trim_start_matches('#'));
            self.ends(to.ok_or_else(|| format!("`$ref` to `{reference}`, which is not there"))?)?;
        }
        for name in IN_PLACE_ONE {
            members.get(name).map_or(Ok(()), |schema| self.ends(schema))?;
        }
        for name in IN_PLACE_MANY {
            if let Some(Value::Array(schemas)) = members.get(name) {
                schemas.iter().try_for_each(|schema| self.ends(schema))?;
            }
        }
        if let Some(Value::Object(schemas)) = members.get("dependentSchemas") {
            schemas.values().try_for_each(|schema| self.ends(schema))?;
        }
        self.under_way.pop();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_schema_says_where_a_value_is_wrong() {
        let schema = compile(
            &json!({"type": "object", "properties": {"n": {"type": "integer"}}}),
            "data",
        )
        .unwrap()
        .unwrap();
        assert_eq!(violations(&schema, &json!({"n": 1})), None);
        assert_eq!(
            violations(&schema, &json!({"n": "x"})).unwrap(),
            r#"`/n`: "x" is not of type "integer""#
        );
        assert_eq!(
            violations(&schema, &json!(3)).unwrap(),
            r#"the whole: 3 is not of type "object""#
        );
    }

    #[test]
    fn a_schema_that_would_never_end_is_refused() {
        for schema in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}}),
        ] {
            let error = compile(&schema, "params").unwrap_err();
            assert!(error.to_string().contains("leads back to itself"), "{error}");
        }
    }

    #[test]
    fn a_schema_that_fans_out_is_refused() {
        let mut defs = serde_json::Map::new();
        for level in 0..20 {
            let next = json!({"$ref": format!("#/$defs/l{}", level + 1)});
            defs.insert(format!("l{level}"), json!({"allOf": [next, next]}));
        }
        defs.insert("l20".into(), json!({"type": "string"}));
        let error = compile(&json!({"$defs": defs, "$ref": "#/$defs/l0"}), "data").unwrap_err();
        assert!(error.to_string().contains("fan out"), "{error}");
    }

    #[test]
    fn a_tree_may_refer_to_itself_one_level_deeper() {
        let tree =
            json!({"type": "object", "properties": {"child": {"$ref": "#"}}, "additionalProperties": false});
        let schema = compile(&tree, "data").unwrap().unwrap();
        assert_eq!(violations(&schema, &json!({"child": {"child": {}}})), None);
        assert!(violations(&schema, &json!({"child": {"other": {}}})).is_some());
    }

    #[test]
    fn a_schema_refers_to_nothing_outside_and_is_a_schema() {
        for schema in [
            json!({"$ref": "https://example.com/schema.json"}),
            json!({"$ref": "file:///etc/passwd"}),
            json!({"$dynamicRef": "#node"}),
            json!({"$ref": "#/$defs/missing"}),
            json!({"type": "strnig"}),
            json!({"pattern": "("}),
            json!(3),
        ] {
            assert!(compile(&schema, "params").is_err(), "{schema}");
        }
        assert!(compile(&Value::Null, "data").unwrap().is_none());
    }

    #[test]
    fn a_pattern_runs_in_linear_time() {
        let schema = compile(&json!({"pattern": "^(a+)+$"}), "data").unwrap().unwrap();
        assert!(violations(&schema, &json!(format!("{}b", "a".repeat(10_000)))).is_some());
        assert!(
            compile(&json!({"pattern": "(?=a)b"}), "data").is_err(),
            "no look-around"
        );
    }
}
