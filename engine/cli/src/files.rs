//! What a command reads from files: where the engine is, alerts, inputs.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use serde_json::{Map, Value};

use crate::error::CliError;

/// The most that is read of a file that is handed to the engine.
const MOST: u64 = 16 << 20;

/// A file's text; `-` is the standard input.
pub fn text(path: &Path) -> Result<String, CliError> {
    let failed = |why: String| CliError::File {
        path: path.display().to_string(),
        why,
    };
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(MOST + 1).read_to_string(&mut text)
    } else {
        fs::File::open(path).and_then(|file| file.take(MOST + 1).read_to_string(&mut text))
    };
    let length = read.map_err(|error| failed(error.to_string()))?;
    if u64::try_from(length).is_ok_and(|length| length > MOST) {
        return Err(failed("it is larger than 16 MiB".to_owned()));
    }
    Ok(text)
}

/// A file's JSON; `-` is the standard input.
pub fn json(path: &Path) -> Result<Value, CliError> {
    serde_json::from_str(&text(path)?).map_err(|error| CliError::File {
        path: path.display().to_string(),
        why: format!("it is not JSON: {error}"),
    })
}

/// `JSON` or `@FILE`, an object; an empty one where nothing is given.
pub fn object(flag: &str, given: Option<&str>) -> Result<Value, CliError> {
    let value = match given {
        None => Value::Object(Map::new()),
        Some(given) => match given.strip_prefix('@') {
            Some(path) => json(Path::new(path))?,
            None => serde_json::from_str(given).map_err(|error| CliError::Usage {
                message: format!("{flag} is not JSON: {error}"),
                hint: "write it as '{\"url\": \"https://…\"}', or @FILE".into(),
            })?,
        },
    };
    if value.is_object() {
        return Ok(value);
    }
    Err(CliError::Usage {
        message: format!("{flag} is not a JSON object"),
        hint: "write it as '{\"url\": \"https://…\"}', or @FILE".into(),
    })
}

/// Inputs as they are given: `NAME=VALUE` as text, which the engine converts to the input's type, and `@FILE` as a JSON
/// object. Later ones take the place of earlier ones.
pub fn inputs(given: &[String]) -> Result<BTreeMap<String, Value>, CliError> {
    let mut inputs = BTreeMap::new();
    for input in given {
        if let Some(file) = input.strip_prefix('@') {
            let Value::Object(members) = json(Path::new(file))? else {
                return Err(CliError::File {
                    path: file.to_owned(),
                    why: "it is not a JSON object".to_owned(),
                });
            };
            inputs.extend(members);
        } else if let Some((name, value)) = input.split_once('=').filter(|(name, _)| !name.is_empty()) {
            inputs.insert(name.to_owned(), Value::String(value.to_owned()));
        } else {
            return Err(CliError::Usage {
                message: format!("`{input}` is not an input"),
                hint: "write NAME=VALUE, or @FILE for a JSON object of inputs".to_owned(),
            });
        }
    }
    Ok(inputs)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn given(words: &[&str]) -> Result<BTreeMap<String, Value>, CliError> {
        inputs(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn inputs_come_from_words_and_files_and_later_ones_win() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in.json");
        fs::File::create(&path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, br#"{"tail": 7, "node": "b"}"#))
            .unwrap();
        let file = format!("@{}", path.display());
        let inputs = given(&["node=a=b", &file, "empty="]).unwrap();
        assert_eq!(
            Value::from_iter(inputs),
            json!({"node": "b", "tail": 7, "empty": ""})
        );
    }

    #[test]
    fn what_is_no_input_is_refused() {
        for words in ["node", "=a", "@/nowhere.json"] {
            assert!(given(&[words]).is_err(), "{words}");
        }
    }
}
