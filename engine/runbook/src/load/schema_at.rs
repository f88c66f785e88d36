//! Where in a plugin's schema a parameter is, to find what its string is (`x-stanch-format`).

use serde_json::Value;

use crate::escape::Format;

/// References that are followed one after the other; a schema that needs more refers to itself.
const MOST_REFERENCES: usize = 8;

/// The parts of a schema that speak of one value.
#[derive(Debug, Clone)]
pub(crate) struct SchemaAt<'s> {
    root: &'s Value,
    here: Vec<&'s Value>,
}

impl<'s> SchemaAt<'s> {
    pub(crate) fn root(root: &'s Value) -> Self {
        let mut at = Self {
            root,
            here: Vec::new(),
        };
        at.add(root, 0);
        at
    }

    fn add(&mut self, schema: &'s Value, depth: usize) {
        if depth > MOST_REFERENCES {
            return;
        }
        self.here.push(schema);
        if let Some(pointer) = schema
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|to| to.strip_prefix('#'))
            && let Some(target) = self.root.pointer(pointer)
        {
            self.add(target, depth + 1);
        }
        for word in ["allOf", "anyOf", "oneOf"] {
            for schema in schema.get(word).and_then(Value::as_array).into_iter().flatten() {
                self.add(schema, depth + 1);
            }
        }
        for word in ["if", "then", "else"] {
            if let Some(schema) = schema.get(word) {
                self.add(schema, depth + 1);
            }
        }
    }

    fn under(&self, find: impl Fn(&'s Value) -> Option<&'s Value>) -> Self {
        let mut at = Self {
            root: self.root,
            here: Vec::new(),
        };
        for schema in &self.here {
            if let Some(inner) = find(schema) {
                at.add(inner, 0);
            }
        }
        at
    }

    /// Of a member of an object.
    pub(crate) fn member(&self, name: &str) -> Self {
        self.under(|schema| {
            schema
                .get("properties")
                .and_then(|members| members.get(name))
                .or_else(|| schema.get("additionalProperties"))
                .or_else(|| {
                    schema
                        .get("patternProperties")
                        .and_then(|patterns| patterns.as_object()?.values().next())
                })
        })
    }

    /// Of an item of a list.
    pub(crate) fn item(&self, index: usize) -> Self {
        self.under(|schema| {
            schema
                .get("prefixItems")
                .and_then(|items| items.get(index))
                .or_else(|| schema.get("items"))
        })
    }

    /// The members that are named here.
    pub(crate) fn members(&self) -> Vec<String> {
        let named = self
            .here
            .iter()
            .filter_map(|schema| schema.get("properties").and_then(Value::as_object));
        named.flat_map(|members| members.keys().cloned()).collect()
    }

    /// What a string is here.
    pub(crate) fn format(&self) -> Format {
        let mut words = self
            .here
            .iter()
            .filter_map(|schema| schema.get("x-stanch-format").and_then(Value::as_str));
        match words.next() {
            None => Format::Text,
            Some(first) if words.all(|word| word == first) => Format::from_word(first),
            Some(_) => Format::Unclear,
        }
    }

    /// Whether a string within this value is more than text: then a whole list or object from outside cannot be checked.
    pub(crate) fn has_formats_within(&self) -> bool {
        fn within(root: &Value, schema: &Value, depth: usize) -> bool {
            match schema {
                _ if depth > 32 => true,
                Value::Object(members) => members.iter().any(|(key, value)| match (key.as_str(), value) {
                    ("x-stanch-format", _) => true,
                    ("$ref", Value::String(to)) => to
                        .strip_prefix('#')
                        .and_then(|pointer| root.pointer(pointer))
                        .is_some_and(|target| within(root, target, depth + 4)),
                    ("enum" | "const" | "default" | "examples" | "description" | "title" | "$defs", _) => {
                        false
                    }
                    (_, value) => within(root, value, depth + 1),
                }),
                Value::Array(items) => items.iter().any(|item| within(root, item, depth + 1)),
                _ => false,
            }
        }
        self.here.iter().any(|schema| within(self.root, schema, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_format_is_found_through_references_lists_and_choices() {
        let schema = json!({
            "properties": {
                "query": {"type": "string", "x-stanch-format": "promql"},
                "pages": {"items": {"$ref": "#/$defs/page"}},
                "either": {"anyOf": [{"x-stanch-format": "url"}, {"type": "null"}]},
                "both": {"anyOf": [{"x-stanch-format": "url"}, {"x-stanch-format": "regex"}]},
            },
            "$defs": {"page": {"properties": {"url": {"x-stanch-format": "url"}}}},
        });
        let root = SchemaAt::root(&schema);
        assert_eq!(root.member("query").format(), Format::Promql);
        assert_eq!(root.member("pages").item(0).member("url").format(), Format::Url);
        assert_eq!(root.member("either").format(), Format::Url);
        assert_eq!(root.member("both").format(), Format::Unclear);
        assert_eq!(root.member("other").format(), Format::Text);
        assert!(root.member("pages").has_formats_within());
        assert!(!root.member("other").has_formats_within());
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "string"}]}}});
        let root = SchemaAt::root(&schema);
        assert_eq!(root.format(), Format::Text);
        root.has_formats_within();
    }
}
