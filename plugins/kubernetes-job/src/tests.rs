use super::*;
use stanch_plugin::testing::Host;

fn cron(extra: Value) -> Value {
    let mut cron = json!({
        "apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": { "namespace": "inference", "name": "reindex", "uid": "c1" },
        "spec": { "concurrencyPolicy": "Forbid", "jobTemplate": {
            "metadata": { "labels": { "app": "reindex" } },
            "spec": { "backoffLimit": 1, "template": { "spec": { "restartPolicy": "Never", "containers": [{ "name": "main", "image": "reindex:7" }] } } },
        } },
    });
    cron.as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    cron
}

fn host() -> Host {
    let host = Host::new();
    host.grant(&KubernetesJob::asks());
    host.object(cron(json!({})));
    host
}

fn params() -> Value {
    json!({ "namespace": "inference", "cron_job": "reindex" })
}

fn job(host: &Host) -> Named {
    let plan = host.plan::<KubernetesJob>(params()).unwrap();
    JOB.named("inference", plan.data["job"].as_str().unwrap())
}

/// The Job as the controller would have it then.
fn stands(host: &Host, job: &Named, status: Value) {
    let mut now = host.stored(job).unwrap().value().clone();
    now["status"] = status;
    host.object(now);
}

#[test]
fn the_plan_is_one_job_of_the_template_named_after_the_run_and_the_step() {
    let host = host();
    let plan = host.plan::<KubernetesJob>(params()).unwrap();
    let [action] = plan.actions.as_slice() else {
        panic!("{plan:?}")
    };
    let name = plan.data["job"].as_str().unwrap();
    assert!(
        name.starts_with("reindex-") && name.len() == "reindex-".len() + TOLD_APART,
        "{name}"
    );
    assert_eq!(
        (action.verb.as_str(), action.target.clone()),
        ("create", format!("kubernetes:inference/batch/jobs/{name}"))
    );
    let content: Value = serde_json::from_str(action.content.as_deref().unwrap()).unwrap();
    let body = &content["body"];
    assert_eq!(body["spec"], cron(json!({}))["spec"]["jobTemplate"]["spec"]);
    assert_eq!(body["metadata"]["labels"], json!({ "app": "reindex" }));
    assert_eq!(
        body["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"],
        "manual"
    );
    assert!(plan.summary.contains("running reindex:7"), "{}", plan.summary);
    assert_eq!(
        host.plan::<KubernetesJob>(params()).unwrap().actions,
        plan.actions,
        "the same each time"
    );
}

#[test]
fn it_is_done_when_the_job_has_run_to_its_end_and_not_before() {
    let host = host();
    let job = job(&host);
    let plan = host.plan::<KubernetesJob>(params()).unwrap();
    let verdict = || {
        let found = host.verify::<KubernetesJob>(params()).unwrap();
        (found.verdict, found.summary)
    };
    host.apply::<KubernetesJob>(params(), &plan).unwrap();
    assert_eq!(verdict().0, Verdict::No);
    let ended = |kind: &str| json!([{ "type": kind, "status": "True", "reason": "BackoffLimitExceeded", "message": "it crashed" }]);
    let table = [
        (json!({ "active": 1 }), Verdict::No, "1 pods at work"),
        (
            json!({ "failed": 2, "conditions": ended("Failed") }),
            Verdict::No,
            "has failed: it crashed (BackoffLimitExceeded)",
        ),
        (
            json!({ "startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:01:30Z", "conditions": ended("Complete") }),
            Verdict::Yes,
            "in 1m30s",
        ),
    ];
    for (status, verdict_then, says) in table {
        stands(&host, &job, status);
        let (verdict, said) = verdict();
        assert!(
            verdict == verdict_then && said.contains(says),
            "{verdict:?} {said}"
        );
    }
}

#[test]
fn a_lost_answer_makes_no_second_job() {
    let host = host();
    let plan = host.plan::<KubernetesJob>(params()).unwrap();
    host.apply::<KubernetesJob>(params(), &plan).unwrap();
    let failure = host.apply::<KubernetesJob>(params(), &plan).unwrap_err();
    assert_eq!(failure.code, FailureCode::Conflict, "{failure}");
    let again = host.plan::<KubernetesJob>(params()).unwrap();
    assert_eq!(again.actions, []);
    assert!(again.summary.contains("is there already"), "{}", again.summary);
}

#[test]
fn one_that_runs_already_is_waited_for_where_the_cronjob_says_so() {
    let host = host();
    host.object(cron(json!({ "status": { "active": [{ "name": "reindex-1" }] } })));
    let failure = host.plan::<KubernetesJob>(params()).unwrap_err();
    assert_eq!(failure.code, FailureCode::Unavailable);
    assert!(failure.message.contains("concurrencyPolicy: Forbid"), "{failure}");
    let mut allows = cron(json!({ "status": { "active": [{ "name": "reindex-1" }] } }));
    allows["spec"]["concurrencyPolicy"] = json!("Allow");
    host.object(allows);
    assert_eq!(host.plan::<KubernetesJob>(params()).unwrap().actions.len(), 1);
}

#[test]
fn another_cronjob_one_that_is_gone_and_a_grant_to_look_make_none() {
    let host = host();
    let other = json!({ "namespace": "inference", "cron_job": "drop-tables" });
    assert_eq!(
        host.plan::<KubernetesJob>(other).unwrap_err().code,
        FailureCode::Denied
    );
    host.remove_object(&CRON_JOB.named("inference", "reindex"));
    assert_eq!(
        host.plan::<KubernetesJob>(params()).unwrap_err().code,
        FailureCode::NotFound
    );

    let reader = Host::new();
    let mut asks = KubernetesJob::asks();
    asks["kubernetes"][1]["verbs"] = json!(["get"]);
    reader.grant(&asks);
    reader.object(cron(json!({})));
    assert_eq!(
        reader.plan::<KubernetesJob>(params()).unwrap_err().code,
        FailureCode::Denied
    );
}

#[test]
fn a_long_name_leaves_room_for_what_tells_jobs_apart() {
    let params = Params {
        namespace: "n".into(),
        cron_job: format!("{}-x", "a".repeat(ROOM - 1)),
    };
    let job = the_job(&Context::default(), &params);
    assert_eq!(job.name.len(), ROOM - 1 + 1 + TOLD_APART);
    assert!(!job.name.contains("--"), "{}", job.name);
    let of = |run: &str, step: &str| {
        let ctx = Context {
            run: run.into(),
            step: step.into(),
            ..Context::default()
        };
        the_job(&ctx, &params).name
    };
    assert_ne!(of("r1", "s"), of("r2", "s"));
    assert_ne!(of("r1", "s"), of("r1", "t"));
}
