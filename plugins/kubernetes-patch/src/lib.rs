//! `kubernetes-patch`: changes the fields of one object that the runbook writes down, and puts back what was there.
//!
//! The runbook says what the fields are to be, as a JSON merge patch; the plan says for each what it is now. It is planned for the very
//! version that was read. The way back is the same for the values before, and only while each field is still what was set here.

mod merge;

use stanch_plugin::kubernetes::{Change, Kind, Named, Object, Patch};
use stanch_plugin::prelude::*;

use crate::merge::{Fields, difference, holds, inverse};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Where it is; not said of what is in no namespace.
    namespace: Option<String>,
    /// As in its manifest: `apps/v1`.
    #[schemars(length(min = 1))]
    api_version: String,
    /// As in its manifest: `Deployment`.
    #[schemars(length(min = 1))]
    kind: String,
    /// Its plural, as a grant names it; needed of kinds that the kit does not know.
    resource: Option<String>,
    /// What it is called.
    #[schemars(length(min = 1))]
    name: String,
    /// The fields and what they are to be: members replace members, null takes one away, a list replaces the whole list.
    #[schemars(extend("minProperties" = 1))]
    patch: Fields,
    /// Only where these fields are so now, in the same words.
    #[serde(default)]
    only_if: Fields,
}

/// What was there, and what is set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Data {
    /// Which object it was: another of the same name has another.
    uid: String,
    /// The fields as they were, as a merge patch: null is one that was not there.
    before: Fields,
    /// The fields as they are then.
    after: Fields,
}

struct KubernetesPatch;

impl Remediation for KubernetesPatch {
    type Params = Params;
    type Data = Data;
    const ABOUT: About = about!("Changes the fields of an object that the runbook says")
        // Each action is for one version: a repeat finds another.
        .idempotent(true)
        .reversible()
        .verifies()
        .verifies_undo();

    fn asks() -> Value {
        json!({ "kubernetes": [
            { "clusters": ["eu"], "verbs": ["get", "patch"], "resources": ["deployments.apps"], "namespaces": ["inference"], "names": ["worker"] },
        ] })
    }

    fn plan(_: &Context, params: &Params) -> Result<Plan<Data>, Failure> {
        fits(&params.patch)?;
        let object = read(params)?;
        let named = object.named();
        let wrong = difference(object.value(), &params.only_if);
        if let Some(first) = wrong.first() {
            let message = format!(
                "{named} is not as the runbook says that it has to be: {}",
                first.told()
            );
            return Err(Failure::failed(message));
        }
        let changes = difference(object.value(), &params.patch);
        let data = Data {
            uid: object.uid().to_owned(),
            before: inverse(object.value(), &params.patch),
            after: params.patch.clone(),
        };
        if changes.is_empty() {
            return Ok(Plan::new(format!("{named} is so already")).data(data));
        }
        let told: Vec<String> = changes.iter().map(merge::Changed::told).collect();
        let summary = format!("Change {} of {named}: {}", fields(told.len()), told.join("; "));
        let patch = Patch::merge(Value::Object(params.patch.clone()));
        Ok(Plan::new(summary)
            .action(Action::patch_object(&object, patch))
            .data(data))
    }

    fn verify(_: &Context, params: &Params, made: &Attempt<Data>) -> Result<Finding<Data>, Failure> {
        let data = made.plan.data.clone().unwrap_or_default();
        let object = read(params)?;
        // Of the way back the plan's data says the same as of the way there: the action says which.
        let wanted = made
            .plan
            .actions
            .iter()
            .find_map(body)
            .unwrap_or_else(|| data.after.clone());
        let named = object.named();
        let finding = match difference(object.value(), &wanted).first() {
            _ if object.uid() != data.uid => Finding::no(format!("{named} is another one by now")),
            Some(first) => Finding::no(format!("{named} is not so: {}", first.told())),
            None => Finding::yes(format!("{named} is as it was to be")),
        };
        Ok(finding.data(data))
    }

    fn plan_undo(_: &Context, params: &Params, made: &Attempt<Data>) -> Result<Plan<Data>, Failure> {
        let data = made.before()?;
        if made.maybe_done().next().is_none() {
            return Ok(Plan::new("Nothing was changed").data(data));
        }
        let object = read(params)?;
        let named = object.named();
        if object.uid() != data.uid {
            return Err(Failure::conflict(format!(
                "{named} is another one by now, and is left as it is"
            )));
        }
        let back = difference(object.value(), &data.before);
        if back.is_empty() {
            return Ok(Plan::new(format!("{named} is as it was before already")).data(data));
        }
        if !holds(object.value(), &data.after) {
            let first = difference(object.value(), &data.after)
                .first()
                .map(merge::Changed::told);
            let message = format!(
                "{named} was changed by somebody since, and is left as it is: {}",
                first.unwrap_or_default()
            );
            return Err(Failure::conflict(message));
        }
        let told: Vec<String> = back.iter().map(merge::Changed::told).collect();
        let summary = format!("Put {} of {named} back: {}", fields(told.len()), told.join("; "));
        let patch = Patch::merge(Value::Object(data.before.clone()));
        let action = Action::patch_object(&object, patch).because("They are still what was set here");
        Ok(Plan::new(summary).action(action).data(data))
    }
}

fn read(params: &Params) -> Result<Object, Failure> {
    let object = kubernetes::get(&named(params)?)?;
    match object.gone_by() {
        Some(_) => Err(Failure::failed(format!("{} is being deleted", object.named()))),
        None => Ok(object),
    }
}

fn named(params: &Params) -> Result<Named, Failure> {
    let Params {
        api_version, kind, ..
    } = params;
    if kind == "Secret" {
        let message =
            "A Secret is not patched: what is written would be shown to people and kept in the journal";
        return Err(Failure::invalid_params(message));
    }
    let kind = match &params.resource {
        Some(plural) => Kind::of(api_version, kind, plural),
        None => Kind::known(api_version, kind).ok_or_else(|| {
            let message = format!("`{kind}` of `{api_version}` is not known here: say its plural, as in `resource = \"httproutes\"`");
            Failure::invalid_params(message)
        })?,
    };
    Ok(match &params.namespace {
        Some(namespace) => kind.named(namespace, &params.name),
        None => kind.named_anywhere(&params.name),
    })
}

/// What the gate would refuse anyway, said before anything is looked at.
fn fits(patch: &Fields) -> Result<(), Failure> {
    let of_metadata = patch.get("metadata").and_then(Value::as_object);
    let wrong = patch
        .keys()
        .find(|key| matches!(key.as_str(), "status" | "apiVersion" | "kind"))
        .cloned();
    let wrong = wrong.or_else(|| {
        let mut keys = of_metadata.into_iter().flat_map(Fields::keys);
        let other = keys.find(|key| !matches!(key.as_str(), "labels" | "annotations"))?;
        Some(format!("metadata.{other}"))
    });
    match wrong {
        Some(what) => Err(Failure::invalid_params(format!(
            "`{what}` is not a runbook's to change"
        ))),
        None => Ok(()),
    }
}

fn body(action: &Action) -> Option<Fields> {
    match action.change()? {
        Change::Patch(patch) => patch.body.as_object().cloned(),
        _ => None,
    }
}

fn fields(count: usize) -> String {
    match count {
        1 => "1 field".to_owned(),
        count => format!("{count} fields"),
    }
}

stanch_plugin::export!(KubernetesPatch as remediation);

#[cfg(test)]
mod tests;
