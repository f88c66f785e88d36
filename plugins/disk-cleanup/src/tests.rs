use super::*;
use stanch_plugin::testing::{Found, Host};

const DAY: i64 = 86_400_000;
const MIB: u64 = 1 << 20;

/// Four log files of 1 MiB, 1 to 4 days old, and what must never be taken.
fn host() -> Host {
    let host = Host::new();
    host.folder("scratch", 1000 * MIB, 0);
    for days in 1..=4 {
        host.file(&format!("scratch/{days}.log"), MIB, host.now() - days * DAY);
    }
    host.file("scratch/keep.db", MIB, host.now() - 9 * DAY);
    host.file("scratch/deep/9.log", MIB, host.now() - 9 * DAY);
    host.entry("scratch/link.log", EntryKind::Link, host.now() - 9 * DAY);
    host.entry("scratch/dir.log", EntryKind::Directory, host.now() - 9 * DAY);
    host
}

fn params(extra: Value) -> Value {
    let mut params = json!({ "folder": "scratch", "pattern": "*.log", "older_than": "36h" });
    params
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    params
}

fn planned(host: &Host, extra: Value) -> Vec<String> {
    let plan = host.plan::<DiskCleanup>(params(extra)).unwrap();
    let items = plan.actions.iter().flat_map(|action| &action.items);
    items
        .map(|item| {
            item.split('@')
                .next()
                .unwrap()
                .trim_start_matches("scratch/")
                .to_owned()
        })
        .collect()
}

#[test]
fn old_files_that_fit_are_planned_the_oldest_first_and_nothing_else() {
    assert_eq!(planned(&host(), json!({})), ["4.log", "3.log", "2.log"]);
    assert_eq!(
        planned(&host(), json!({ "recursive": true })),
        ["deep/9.log", "4.log", "3.log", "2.log"]
    );
    assert_eq!(planned(&host(), json!({ "pattern": "*.db" })), ["keep.db"]);
    assert_eq!(
        planned(&host(), json!({ "older_than": "90d" })),
        Vec::<String>::new()
    );
}

#[test]
fn the_limits_take_the_oldest_and_what_is_left_is_said() {
    let host = host();
    assert_eq!(planned(&host, json!({ "max_items": 2 })), ["4.log", "3.log"]);
    assert_eq!(planned(&host, json!({ "max_bytes": "1MiB" })), ["4.log"]);
    assert_eq!(
        planned(&host, json!({ "max_bytes": "1KiB" })),
        Vec::<String>::new()
    );
    let plan = host
        .plan::<DiskCleanup>(params(json!({ "max_items": 2 })))
        .unwrap();
    assert_eq!(
        (&plan.data["files"], &plan.data["left_files"]),
        (&json!(2), &json!(1))
    );
    assert!(plan.summary.contains("1 more"), "{}", plan.summary);
}

#[test]
fn the_plan_is_one_removal_of_the_folder_with_times() {
    let host = host();
    let plan = host
        .plan::<DiskCleanup>(params(json!({ "folder": "scratch/" , "max_items": 1 })))
        .unwrap();
    let [action] = plan.actions.as_slice() else {
        panic!("{plan:?}")
    };
    assert_eq!(
        (action.verb.as_str(), action.target.as_str()),
        ("remove", "file:scratch")
    );
    assert_eq!(action.items, [format!("scratch/4.log@{}", host.now() - 4 * DAY)]);
}

#[test]
fn a_plan_made_a_little_later_is_the_same_though_files_came_of_age() {
    let host = host();
    let now = host.now();
    host.file("scratch/of-age-soon.log", MIB, now - 36 * 3_600_000 + 60_000);
    let first = host.plan::<DiskCleanup>(params(json!({}))).unwrap();
    host.set_now(now + 5 * 60_000);
    assert_eq!(
        host.plan::<DiskCleanup>(params(json!({}))).unwrap().actions,
        first.actions
    );
    host.set_now(now + 2 * 3_600_000);
    assert_ne!(
        host.plan::<DiskCleanup>(params(json!({}))).unwrap().actions,
        first.actions
    );
}

fn cleaned(host: &Host, meanwhile: impl FnOnce(&Host)) -> (Result<String, Failure>, Found) {
    let plan = host.plan::<DiskCleanup>(params(json!({}))).unwrap();
    meanwhile(host);
    let outcome = host
        .apply::<DiskCleanup>(params(json!({})), &plan)
        .map(|outcome| outcome.summary);
    (outcome, host.verify::<DiskCleanup>(params(json!({}))).unwrap())
}

#[test]
fn what_was_planned_is_removed_and_verified() {
    let host = host();
    let (outcome, found) = cleaned(&host, |_| ());
    assert_eq!(outcome.unwrap(), "Removed 3 files, 3.0 MiB, from `scratch`");
    assert_eq!(
        (found.verdict, &found.data["bytes"]),
        (Verdict::Yes, &json!(3 * MIB))
    );
    assert_eq!(found.data["free_bytes"], json!(3 * MIB));
    assert!(host.paths().contains(&"scratch/keep.db".to_owned()));
    assert!(!host.paths().contains(&"scratch/4.log".to_owned()));
}

#[test]
fn a_file_that_changed_since_the_plan_is_left_and_the_others_go() {
    let host = host();
    let (outcome, found) = cleaned(&host, |host| host.file("scratch/4.log", MIB, host.now()));
    assert_eq!(outcome.unwrap(), "Removed 2 files, 2.0 MiB, from `scratch`");
    assert_eq!(found.verdict, Verdict::Yes, "{}", found.summary);
    assert!(found.summary.contains("1 changed meanwhile"), "{}", found.summary);
    assert!(host.paths().contains(&"scratch/4.log".to_owned()));
}

#[test]
fn where_every_file_changed_the_world_is_planned_again() {
    let host = host();
    let (outcome, found) = cleaned(&host, |host| {
        for days in 2..=4 {
            host.file(&format!("scratch/{days}.log"), MIB, host.now());
        }
    });
    assert_eq!(outcome.unwrap_err().code, FailureCode::Conflict);
    assert_eq!(found.verdict, Verdict::No);
}

#[test]
fn verify_says_no_while_a_planned_file_is_still_there() {
    let host = host();
    let (_, found) = cleaned(&host, |_| ());
    assert_eq!(found.verdict, Verdict::Yes);
    host.file("scratch/4.log", MIB, host.now() - 4 * DAY);
    let found = host.verify::<DiskCleanup>(params(json!({}))).unwrap();
    assert_eq!(found.verdict, Verdict::No, "{}", found.summary);
}

#[test]
fn nothing_is_removed_outside_of_apply_or_beyond_the_plan() {
    let host = host();
    let plan = host
        .plan::<DiskCleanup>(params(json!({ "max_items": 1 })))
        .unwrap();
    let entry = Entry {
        path: "scratch/3.log".into(),
        kind: EntryKind::File,
        bytes: MIB,
        modified_ms: 0,
    };
    assert_eq!(
        files::remove("scratch", &[entry]).unwrap_err().code,
        FailureCode::Denied
    );
    let mut other = plan.clone();
    other.actions[0].items = vec!["scratch/keep.db@0".into()];
    host.apply::<DiskCleanup>(params(json!({})), &plan).unwrap();
    let twice = host.paths().len();
    host.apply::<DiskCleanup>(params(json!({})), &other).unwrap_err();
    assert_eq!(host.paths().len(), twice);
}

#[test]
fn it_cannot_be_undone_and_a_folder_without_a_grant_is_refused() {
    let host = host();
    cleaned(&host, |_| ()).0.unwrap();
    assert_eq!(
        host.plan_undo::<DiskCleanup>(params(json!({}))).unwrap_err().code,
        FailureCode::Failed
    );
    let elsewhere = params(json!({ "folder": "etc" }));
    assert_eq!(
        host.plan::<DiskCleanup>(elsewhere).unwrap_err().code,
        FailureCode::Denied
    );
    assert_eq!(
        host.plan::<DiskCleanup>(json!({ "folder": "scratch" }))
            .unwrap_err()
            .code,
        FailureCode::InvalidParams
    );
}
