//! `config-switch`: sets one key of a ConfigMap to another value.
//!
//! It is made for switches: a mode, a flag, an address. It is planned for the very version of the ConfigMap that was read, so
//! nothing that somebody else writes meanwhile is lost. The way back puts the old value back, or takes the key away where
//! there was none, and only while the value is still the one that was set here.
//!
//! What it cannot know is who reads it and when: a mounted ConfigMap arrives in the pods after a minute or so, one that is read
//! as environment only when they are started again.

use stanch_plugin::kubernetes::{Object, Patch};
use stanch_plugin::place::{LONGEST, quoted};
use stanch_plugin::prelude::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Where it is.
    #[schemars(length(min = 1))]
    namespace: String,
    /// What it is called.
    #[schemars(length(min = 1))]
    name: String,
    /// Which key.
    #[schemars(regex(pattern = "^[-._a-zA-Z0-9]{1,253}$"))]
    key: String,
    /// Its value then.
    value: String,
    /// Only where its value now is one of these.
    #[serde(default)]
    from: Vec<String>,
    /// Also where there is no such key yet; else that is taken for a mistake.
    #[serde(default)]
    add: bool,
}

/// What was there, and what is set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Data {
    /// Which ConfigMap it was: another of the same name has another.
    uid: String,
    /// The value before; none where there was no such key.
    old: Option<String>,
    /// The value then.
    new: String,
}

struct ConfigSwitch;

impl Remediation for ConfigSwitch {
    type Params = Params;
    type Data = Data;
    const ABOUT: About = about!("Switches the value of a key of a ConfigMap")
        // Each action is for one version: a repeat finds another.
        .idempotent(true)
        .reversible()
        .verifies()
        .verifies_undo();

    fn asks() -> Value {
        json!({ "kubernetes": [
            { "clusters": ["eu"], "verbs": ["get", "patch"], "resources": ["configmaps"], "namespaces": ["inference"], "names": ["flags"] },
        ] })
    }

    fn plan(_: &Context, params: &Params) -> Result<Plan<Data>, Failure> {
        let Params { key, value, .. } = params;
        let map = kubernetes::config_map(&params.namespace, &params.name)?;
        let named = map.named();
        let old = value_of(&map, key)?;
        let data = Data {
            uid: map.uid().to_owned(),
            old: old.map(str::to_owned),
            new: value.clone(),
        };
        if value.len() > LONGEST || old.is_some_and(|old| old.len() > LONGEST) {
            let message = format!("A value of `{key}` is longer than 16 KiB: that is a file and no switch");
            return Err(Failure::invalid_params(message));
        }
        match old {
            Some(old) if old == value => {
                return Ok(Plan::new(format!("`{key}` of {named} is {} already", quoted(value))).data(data));
            }
            Some(old) if !params.from.is_empty() && !params.from.iter().any(|from| from == old) => {
                let message = format!(
                    "`{key}` of {named} is {}, and the runbook switches it from {} only",
                    quoted(old),
                    params
                        .from
                        .iter()
                        .map(|from| quoted(from))
                        .collect::<Vec<_>>()
                        .join(" or ")
                );
                return Err(Failure::failed(message));
            }
            None if !params.add => return Err(no_such_key(&map, key)),
            _ => {}
        }
        let summary = match old {
            Some(old) => format!(
                "Switch `{key}` of {named} from {} to {}",
                quoted(old),
                quoted(value)
            ),
            None => format!("Add `{key}` to {named}, as {}", quoted(value)),
        };
        let patch = Patch::merge(json!({ "data": { key: value } }));
        Ok(Plan::new(summary)
            .action(Action::patch_object(&map, patch))
            .data(data))
    }

    fn verify(_: &Context, params: &Params, made: &Attempt<Data>) -> Result<Finding<Data>, Failure> {
        let data = made.plan.data.clone().unwrap_or_default();
        let map = kubernetes::config_map(&params.namespace, &params.name)?;
        let now = value_of(&map, &params.key)?;
        let said = now.map_or_else(|| "not there".to_owned(), quoted);
        let summary = format!("`{}` of {} is {said}", params.key, map.named());
        let well = map.uid() == data.uid && now == Some(data.new.as_str());
        Ok(Finding::judged(well, summary).data(data))
    }

    fn plan_undo(_: &Context, params: &Params, made: &Attempt<Data>) -> Result<Plan<Data>, Failure> {
        let data = made.before()?;
        if made.maybe_done().next().is_none() {
            return Ok(Plan::new("Nothing was switched").data(data));
        }
        let key = &params.key;
        let map = kubernetes::config_map(&params.namespace, &params.name)?;
        let named = map.named();
        if map.uid() != data.uid {
            return Err(Failure::conflict(format!(
                "{named} is another one by now, and is left as it is"
            )));
        }
        let (now, old) = (value_of(&map, key)?, data.old.as_deref());
        if now == old {
            return Ok(Plan::new(format!("`{key}` of {named} is as it was before already")).data(data));
        }
        if now != Some(data.new.as_str()) {
            let message = format!(
                "`{key}` of {named} is {}, which was not set here. Somebody changed it, and it is left as it is",
                now.map_or_else(|| "gone".to_owned(), quoted)
            );
            return Err(Failure::conflict(message));
        }
        let summary = match old {
            Some(old) => format!("Switch `{key}` of {named} back to {}", quoted(old)),
            None => format!("Take `{key}` away from {named} again"),
        };
        let patch = Patch::merge(json!({ "data": { key: old } }));
        let action = Action::patch_object(&map, patch).because("It is still the value that was set here");
        Ok(Plan::new(summary).action(action).data(data))
    }
}

fn value_of<'a>(map: &'a Object, key: &str) -> Result<Option<&'a str>, Failure> {
    if map.at("/binaryData").get(key).is_some() {
        let message = format!("`{key}` of {} is binary, and only text is switched", map.named());
        return Err(Failure::failed(message));
    }
    Ok(map.at("/data").get(key).and_then(Value::as_str))
}

fn no_such_key(map: &Object, key: &str) -> Failure {
    let keys: Vec<&str> = map
        .at("/data")
        .as_object()
        .into_iter()
        .flatten()
        .take(20)
        .map(|(key, _)| key.as_str())
        .collect();
    Failure::not_found(format!(
        "{} has no key `{key}`; it has `{}`. Where it is to be added, say `add = true`",
        map.named(),
        keys.join("`, `")
    ))
}

stanch_plugin::export!(ConfigSwitch as remediation);

#[cfg(test)]
mod tests;
