//! `kubernetes-job`: makes a Job of a CronJob's template, once for a run, and is done when the Job has run to its end.
//!
//! What runs is the team's: the CronJob says it, and the operator grants which CronJobs those may be. The Job's name is made of the
//! run and the step, so that an answer that was lost cannot make a second one. **Irreversible**: what a Job has done stays done.

use stanch_plugin::Digest;
use stanch_plugin::kubernetes::{CRON_JOB, JOB, Named, Object, age};
use stanch_plugin::prelude::*;

/// Of the CronJob's name in the Job's: a label has 63 characters, and a pod's name adds some.
const ROOM: usize = 40;
/// Of the digest of run and step in the Job's name.
const TOLD_APART: usize = 10;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Where it is.
    #[schemars(length(min = 1))]
    namespace: String,
    /// Which CronJob the Job is made of; it may be suspended.
    #[schemars(length(min = 1))]
    cron_job: String,
}

/// The Job, and what it was made of.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Data {
    /// What the Job is called.
    job: String,
    /// What its pods are found by, for a step that keeps their logs.
    selector: String,
    /// The images that it runs.
    images: Vec<String>,
}

struct KubernetesJob;

impl Remediation for KubernetesJob {
    type Params = Params;
    type Data = Data;
    const ABOUT: About =
        about!("Makes a Job of a CronJob's template and waits for its end; cannot be undone")
            // A second one would have the same name.
            .idempotent(true)
            .verifies();

    fn asks() -> Value {
        json!({ "kubernetes": [
            { "clusters": ["eu"], "verbs": ["get"], "resources": ["cronjobs.batch"], "namespaces": ["inference"], "names": ["reindex"] },
            { "clusters": ["eu"], "verbs": ["get", "create"], "resources": ["jobs.batch"], "namespaces": ["inference"], "names": ["reindex-*"] },
        ] })
    }

    fn plan(ctx: &Context, params: &Params) -> Result<Plan<Data>, Failure> {
        let cron = kubernetes::get(&CRON_JOB.named(&params.namespace, &params.cron_job))?;
        let named = cron.named();
        if cron.gone_by().is_some() {
            return Err(Failure::failed(format!("{named} is being deleted")));
        }
        let job = the_job(ctx, params);
        let data = Data {
            job: job.name.clone(),
            selector: format!("batch.kubernetes.io/job-name={}", job.name),
            images: images(&cron),
        };
        if kubernetes::look(&job)?.is_some() {
            return Ok(
                Plan::new(format!("{job} is there already: this step of this run made it")).data(data),
            );
        }
        let runs = cron.at("/status/active").as_array().map_or(0, Vec::len);
        if runs > 0 && cron.text("/spec/concurrencyPolicy") == "Forbid" {
            let message =
                format!("{named} allows one at a time (concurrencyPolicy: Forbid), and {runs} of it runs");
            return Err(Failure::unavailable(message));
        }
        let summary = format!("Make {job} of {named}, running {}", data.images.join(", "));
        let action = Action::create_object(&JOB, body(ctx, &cron, &job))?;
        let when = cron.time("/status/lastSuccessfulTime").map_or_else(
            || "it has never run to its end by itself".to_owned(),
            |at| {
                format!(
                    "it last ran to its end {} ago",
                    age(host::now().since(at).as_millis())
                )
            },
        );
        Ok(Plan::new(summary)
            .action(action.because(format!("{named} says what runs; {when}")))
            .data(data))
    }

    fn verify(ctx: &Context, params: &Params, made: &Attempt<Data>) -> Result<Finding<Data>, Failure> {
        let data = made.plan.data.clone().unwrap_or_default();
        let job = the_job(ctx, params);
        let Some(there) = kubernetes::look(&job)? else {
            return Ok(Finding::no(format!("{job} is not there")).data(data));
        };
        let count = |of: &str| there.number(&format!("/status/{of}")).unwrap_or(0);
        let (active, failed) = (count("active"), count("failed"));
        let finding = match (is(&there, "Complete"), is(&there, "Failed")) {
            (Some(_), _) => {
                let took = there
                    .time("/status/startTime")
                    .zip(there.time("/status/completionTime"));
                let took = took.map_or_else(String::new, |(from, to)| {
                    format!(" in {}", age(to.since(from).as_millis()))
                });
                Finding::yes(format!("{job} has run to its end{took}"))
            }
            (None, Some(why)) => Finding::no(format!("{job} has failed: {why}")),
            (None, None) if active == 0 && failed == 0 => Finding::no(format!("{job} has not started yet")),
            (None, None) => Finding::no(format!(
                "{job} runs: {active} pods at work, {failed} failed so far"
            )),
        };
        Ok(finding
            .evidence(Evidence::value("Its pods", &data.selector))
            .data(data))
    }
}

/// The Job of this step of this run.
fn the_job(ctx: &Context, params: &Params) -> Named {
    let beginning: String = params.cron_job.chars().take(ROOM).collect();
    let beginning = beginning.trim_end_matches(['-', '.']);
    let digest = Digest::of(format!("{}/{}", ctx.run, ctx.step).as_bytes()).to_string();
    let apart: String = digest.chars().take(TOLD_APART).collect();
    JOB.named(&params.namespace, format!("{beginning}-{apart}"))
}

/// As `kubectl create job --from` makes it, but for the owner: what a person starts is not the schedule's to clean up.
fn body(ctx: &Context, cron: &Object, job: &Named) -> Value {
    let template = cron.at("/spec/jobTemplate");
    let of_template = |what: &str| template.pointer(&format!("/metadata/{what}")).cloned();
    let mut annotations = match of_template("annotations") {
        Some(Value::Object(annotations)) => annotations,
        _ => serde_json::Map::new(),
    };
    annotations.insert("cronjob.kubernetes.io/instantiate".to_owned(), json!("manual"));
    annotations.insert("stanch/run".to_owned(), json!(ctx.run));
    json!({
        "apiVersion": JOB.api_version(),
        "kind": JOB.name(),
        "metadata": {
            "namespace": cron.namespace(),
            "name": job.name,
            "labels": of_template("labels").unwrap_or_else(|| json!({})),
            "annotations": annotations,
        },
        "spec": template.get("spec").cloned().unwrap_or_default(),
    })
}

fn images(cron: &Object) -> Vec<String> {
    let containers = cron
        .at("/spec/jobTemplate/spec/template/spec/containers")
        .as_array();
    let images = containers
        .into_iter()
        .flatten()
        .filter_map(|one| one.get("image")?.as_str());
    images.map(str::to_owned).collect()
}

/// Why a condition is true; `None` where it is not.
fn is(job: &Object, condition: &str) -> Option<String> {
    let conditions = job.at("/status/conditions").as_array()?;
    let found = conditions.iter().find(|one| {
        let text = |name: &str| one.get(name).and_then(Value::as_str);
        text("type") == Some(condition) && text("status") == Some("True")
    })?;
    let text = |name: &str| found.get(name).and_then(Value::as_str).unwrap_or_default();
    Some(format!("{} ({})", text("message"), text("reason")))
}

stanch_plugin::export!(KubernetesJob as remediation);

#[cfg(test)]
mod tests;
