//! The functions that expressions can call: CEL's own, its string library, and `text` and `raw`.

use std::sync::{Arc, LazyLock};

use cel::common::types::{BOOL_TYPE, CelString, DOUBLE_TYPE, INT_TYPE, STRING_TYPE, Type, UINT_TYPE};
use cel::common::value::CowVal;
use cel::{Env, ExecutionError, Value, extensions};
use stanch_contract::text;

/// The longest that `text(…)` lets an outside value be, in characters.
pub(crate) const TEXT_MOST: usize = 1_000;

/// The table of functions. It never changes: the same for every runbook.
pub(crate) fn environment() -> Arc<Env> {
    static TABLE: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(build()));
    Arc::clone(&TABLE)
}

fn build() -> Env {
    // Without optional values: `a.?yes.orValue(true)` would make an answer of none.
    let mut env = Env::stdlib().with_optional_support(false);
    // The names below are not in the standard library, so adding them cannot fail; were one to be, calls of it would say so.
    let _ = env.add_extension(extensions::strings);
    let scalars: [(&str, &Type); 5] = [
        ("string", &STRING_TYPE),
        ("bool", &BOOL_TYPE),
        ("int", &INT_TYPE),
        ("uint", &UINT_TYPE),
        ("double", &DOUBLE_TYPE),
    ];
    for (name, scalar) in scalars {
        let _ = env.add_overload("text", &format!("text_{name}"), vec![scalar.to_owned()], as_text);
        let _ = env.add_overload("raw", &format!("raw_{name}"), vec![scalar.to_owned()], as_it_is);
    }
    env
}

/// `text(x)`: one line, without control and direction characters, at most [`TEXT_MOST`] characters.
fn as_text<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = args
        .into_iter()
        .next()
        .ok_or(ExecutionError::MissingArgumentOrTarget)?;
    let words = match Value::try_from(value.as_ref())? {
        Value::String(words) => text::clean_line_to(&words, TEXT_MOST),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        _ => {
            return Err(ExecutionError::function_error(
                "text",
                "takes text, a number, or true or false",
            ));
        }
    };
    Ok(CowVal::owned(CelString::from(words)))
}

/// `raw(x)`: the value itself.
fn as_it_is<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    args.into_iter()
        .next()
        .ok_or(ExecutionError::MissingArgumentOrTarget)
}

/// Functions that an expression may call, as CEL spells them, for messages.
pub(crate) const FUNCTIONS: &[&str] = &[
    "text",
    "raw",
    "double",
    "int",
    "uint",
    "string",
    "bool",
    "bytes",
    "size",
    "type",
    "dyn",
    "duration",
    "timestamp",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "charAt",
    "indexOf",
    "lastIndexOf",
    "join",
    "lowerAscii",
    "upperAscii",
    "replace",
    "split",
    "substring",
    "trim",
    "reverse",
    "format",
    "has",
    "all",
    "exists",
    "exists_one",
    "map",
    "filter",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
];

/// Those of them whose value is a number, a time or true or false, whatever they are given.
pub(crate) const NEVER_TEXT: &[&str] = &[
    "double",
    "int",
    "uint",
    "bool",
    "size",
    "duration",
    "timestamp",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "indexOf",
    "lastIndexOf",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
    "type",
];
