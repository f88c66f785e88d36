//! The patches of an API server: merge (RFC 7386), JSON (RFC 6902), and the strategic merge of the common kinds.

use serde_json::{Map, Value};

use super::kinds::text;

/// Why a patch does not fit: the message of the server's 4xx, and whether it is a 422.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unfit {
    pub(super) why: String,
    pub(super) invalid: bool,
}

impl Unfit {
    fn bad(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            invalid: false,
        }
    }
}

/// RFC 7386.
pub(super) fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(members) = patch else {
        object.clone_from(patch);
        return;
    };
    let mut into = members_of(object);
    for (name, value) in members {
        if value.is_null() {
            into.remove(name);
        } else {
            merge(into.entry(name).or_insert(Value::Null), value);
        }
    }
    *object = into.into();
}

/// Its members, taken out of it; none where it is no object.
fn members_of(value: &mut Value) -> Map<String, Value> {
    match value.take() {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// By what the members of a list are told apart, as the common kinds have it. Other lists are replaced whole.
fn merge_key(field: &str, within: &str) -> Option<&'static str> {
    Some(match (field, within) {
        ("containers" | "initContainers" | "ephemeralContainers" | "volumes" | "imagePullSecrets", _) => {
            "name"
        }
        ("env", _) => "name",
        ("volumeMounts", _) => "mountPath",
        ("volumeDevices", _) => "devicePath",
        ("hostAliases", _) => "ip",
        ("topologySpreadConstraints", _) => "topologyKey",
        ("ports", "containers" | "initContainers") => "containerPort",
        ("ports", _) => "port",
        ("secrets", _) => "name",
        _ => return None,
    })
}

/// A strategic merge. What it says with directives other than `$patch` is refused, as is what cannot be told apart.
pub(super) fn strategic(object: &mut Value, patch: &Value) -> Result<(), Unfit> {
    merge_strategically(object, patch, "", "")
}

fn merge_strategically(object: &mut Value, patch: &Value, field: &str, within: &str) -> Result<(), Unfit> {
    match patch {
        Value::Object(members) => {
            match members.get("$patch").and_then(Value::as_str) {
                Some("replace") => {
                    let mut members = members.clone();
                    members.remove("$patch");
                    *object = members.into();
                    return Ok(());
                }
                Some("delete") => {
                    *object = Value::Object(Map::new());
                    return Ok(());
                }
                _ => {}
            }
            if let Some(directive) = members.keys().find(|name| name.starts_with('$')) {
                return Err(Unfit::bad(format!(
                    "a recorded cluster does not know the directive `{directive}` of strategic merge patches"
                )));
            }
            let mut into = members_of(object);
            for (name, value) in members {
                if value.is_null() {
                    into.remove(name);
                } else {
                    merge_strategically(into.entry(name).or_insert(Value::Null), value, name, field)?;
                }
            }
            *object = into.into();
            Ok(())
        }
        Value::Array(items) => match merge_key(field, within) {
            Some(key) if items.iter().all(Value::is_object) => merge_list(object, items, key, field),
            _ => {
                object.clone_from(patch);
                Ok(())
            }
        },
        _ => {
            object.clone_from(patch);
            Ok(())
        }
    }
}

fn merge_list(list: &mut Value, items: &[Value], key: &str, field: &str) -> Result<(), Unfit> {
    if !list.is_array() {
        *list = Value::Array(Vec::new());
    }
    let Value::Array(have) = list else { return Ok(()) };
    // New members come before those that are there, as the server has it.
    let mut new = Vec::new();
    for item in items {
        let Some(of) = item.get(key) else {
            return Err(Unfit::bad(format!(
                "map: {item} does not contain declared merge key: {key}"
            )));
        };
        let at = have.iter().position(|one| one.get(key) == Some(of));
        let is_deleted = text(item, "/$patch") == "delete";
        match at {
            Some(at) if is_deleted => drop(have.remove(at)),
            None if is_deleted => {}
            Some(at) => {
                if let Some(one) = have.get_mut(at) {
                    merge_strategically(one, item, field, field)?;
                }
            }
            None => new.push(item.clone()),
        }
    }
    new.append(have);
    *have = new;
    Ok(())
}

/// RFC 6902.
pub(super) fn json(object: &mut Value, operations: &Value) -> Result<(), Unfit> {
    for operation in operations.as_array().into_iter().flatten() {
        let (op, path) = (text(operation, "/op"), text(operation, "/path"));
        let missing = || Unfit {
            why: "the server rejected our request due to an error in our request".to_owned(),
            invalid: true,
        };
        let value = operation.get("value").cloned().unwrap_or_default();
        let done = match op {
            "add" => add(object, path, value),
            "remove" => remove(object, path).map(drop),
            "replace" => replace(object, path, value),
            "test" => (object.pointer(path).unwrap_or(&Value::Null) == &value).then_some(()),
            "move" => remove(object, text(operation, "/from")).and_then(|value| add(object, path, value)),
            "copy" => {
                let value = object.pointer(text(operation, "/from")).cloned();
                value.and_then(|value| add(object, path, value))
            }
            other => return Err(Unfit::bad(format!("Unexpected kind: {other}"))),
        };
        done.ok_or_else(missing)?;
    }
    Ok(())
}

fn parent<'o>(object: &'o mut Value, path: &str) -> Option<(&'o mut Value, String)> {
    let (above, name) = path.rsplit_once('/')?;
    Some((
        object.pointer_mut(above)?,
        name.replace("~1", "/").replace("~0", "~"),
    ))
}

fn add(object: &mut Value, path: &str, value: Value) -> Option<()> {
    if path.is_empty() {
        *object = value;
        return Some(());
    }
    match parent(object, path)? {
        (Value::Object(members), name) => drop(members.insert(name, value)),
        (Value::Array(items), name) if name == "-" => items.push(value),
        (Value::Array(items), name) => {
            let at = name.parse::<usize>().ok().filter(|at| *at <= items.len())?;
            items.insert(at, value);
        }
        _ => return None,
    }
    Some(())
}

/// As the server has it: a member that is not there is added, which RFC 6902 has as an error.
fn replace(object: &mut Value, path: &str, value: Value) -> Option<()> {
    if object.pointer(path).is_none() {
        let (Value::Object(members), name) = parent(object, path)? else {
            return None;
        };
        members.insert(name, value);
    } else {
        *object.pointer_mut(path)? = value;
    }
    Some(())
}

fn remove(object: &mut Value, path: &str) -> Option<Value> {
    match parent(object, path)? {
        (Value::Object(members), name) => members.remove(&name),
        (Value::Array(items), name) => {
            let at = name.parse::<usize>().ok().filter(|at| *at < items.len())?;
            Some(items.remove(at))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_json_patch_does_what_each_operation_says_or_nothing_fits() {
        let mut object = json!({ "a": { "b/c": 1 }, "list": [1, 3] });
        let all = json!([
            { "op": "test", "path": "/a/b~1c", "value": 1 },
            { "op": "add", "path": "/list/1", "value": 2 },
            { "op": "add", "path": "/list/-", "value": 4 },
            { "op": "move", "from": "/a/b~1c", "path": "/d" },
            { "op": "copy", "from": "/list/0", "path": "/e" },
            { "op": "replace", "path": "/list/0", "value": 0 },
            { "op": "remove", "path": "/list/3" },
            { "op": "replace", "path": "/f", "value": 5 },
        ]);
        json(&mut object, &all).unwrap();
        assert_eq!(
            object,
            json!({ "a": {}, "d": 1, "e": 1, "f": 5, "list": [0, 2, 3] })
        );
        for operation in [
            json!({ "op": "test", "path": "/d", "value": 2 }),
            json!({ "op": "remove", "path": "/none" }),
            json!({ "op": "replace", "path": "/none/at", "value": 1 }),
            json!({ "op": "add", "path": "/list/9", "value": 1 }),
            json!({ "op": "fold", "path": "/d" }),
        ] {
            assert!(
                json(&mut object.clone(), &json!([operation])).is_err(),
                "{operation}"
            );
        }
    }

    #[test]
    fn a_strategic_merge_tells_members_of_lists_apart_and_refuses_what_it_does_not_know() {
        let object = json!({ "spec": { "containers": [
            { "name": "main", "env": [{ "name": "A", "value": "1" }, { "name": "B", "value": "2" }], "args": ["x", "y"] },
            { "name": "side" },
        ] } });
        let patch = json!({ "spec": { "containers": [
            { "name": "main", "env": [{ "name": "A", "value": "3" }, { "name": "B", "$patch": "delete" }], "args": ["z"] },
            { "name": "side", "$patch": "delete" }, { "name": "new" },
        ] } });
        let mut merged = object.clone();
        strategic(&mut merged, &patch).unwrap();
        assert_eq!(
            merged,
            json!({ "spec": { "containers": [
                { "name": "new" }, { "name": "main", "env": [{ "name": "A", "value": "3" }], "args": ["z"] },
            ] } })
        );
        for patch in [
            json!({ "spec": { "$setElementOrder/containers": [] } }),
            json!({ "spec": { "containers": [{ "image": "x" }] } }),
        ] {
            assert!(strategic(&mut object.clone(), &patch).is_err(), "{patch}");
        }
    }
}
