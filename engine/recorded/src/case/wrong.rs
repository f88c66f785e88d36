//! What came out otherwise than a case expects.

use std::fmt;

use serde_json::Value;

use crate::like;

/// Something that is wrong with what came out.
#[derive(Debug, Clone, PartialEq)]
pub enum Wrong {
    /// A value is another one.
    Differs {
        /// Where, as in `plan.actions[0].target`.
        at: String,
        /// What was expected, as JSON.
        expected: String,
        /// What was found, as JSON; nothing where there is none.
        found: Option<String>,
    },
    /// Anything else, in a sentence.
    Said(String),
}

impl fmt::Display for Wrong {
    /// As the lines of a diff.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(why) => f.write_str(why),
            Self::Differs { at, expected, found } => {
                write!(
                    f,
                    "{at}\n- {expected}\n+ {}",
                    found.as_deref().unwrap_or("nothing")
                )
            }
        }
    }
}

/// What differs in a value that is called `at`.
pub(super) fn differences(at: &str, expected: &Value, found: &Value) -> Vec<Wrong> {
    let differs = |difference: like::Difference| Wrong::Differs {
        at: match difference.at.as_str() {
            "" => at.to_owned(),
            of_list if of_list.starts_with('[') => format!("{at}{of_list}"),
            of_table => format!("{at}.{of_table}"),
        },
        expected: difference.expected.to_string(),
        found: difference.found.map(|found| found.to_string()),
    };
    like::differences(expected, found)
        .into_iter()
        .map(differs)
        .collect()
}

/// What differs in a list of texts.
pub(super) fn list(at: &str, expected: &[String], found: &[String]) -> Vec<Wrong> {
    differences(at, &Value::from(expected), &Value::from(found))
}
