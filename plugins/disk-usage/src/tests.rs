use super::*;
use stanch_plugin::testing::Host;

const MIB: u64 = 1 << 20;

/// A disk of 100 MiB, 10 of them free, with three files of 1, 2 and 3 MiB.
fn host() -> Host {
    let host = Host::new();
    host.folder("scratch", 100 * MIB, 10 * MIB);
    for (name, size, modified) in [("a.log", 1, 3000), ("deep/b.log", 3, 1000), ("c.log", 2, 2000)] {
        host.file(&format!("scratch/{name}"), size * MIB, modified);
    }
    host
}

fn ask(host: &Host, params: Value) -> stanch_plugin::testing::Found {
    host.diagnose::<DiskUsage>(params).unwrap()
}

#[test]
fn above_the_share_is_a_yes_and_at_it_is_a_no() {
    for (above, expected) in [(0.89, Verdict::Yes), (0.9, Verdict::No), (0.95, Verdict::No)] {
        let finding = ask(&host(), json!({ "folder": "scratch", "above": above }));
        assert_eq!(finding.verdict, expected, "{above}: {}", finding.summary);
    }
}

#[test]
fn larger_than_the_size_is_a_yes_and_as_large_is_a_no() {
    for (bound, expected) in [("5MiB", Verdict::Yes), ("6MiB", Verdict::No)] {
        let finding = ask(&host(), json!({ "folder": "scratch", "larger_than": bound }));
        assert_eq!(finding.verdict, expected, "{bound}: {}", finding.summary);
    }
}

#[test]
fn one_bound_of_two_is_enough_for_a_yes() {
    let params = json!({ "folder": "scratch", "above": 0.99, "larger_than": "5MiB" });
    assert_eq!(ask(&host(), params).verdict, Verdict::Yes);
}

#[test]
fn the_largest_and_the_oldest_are_listed_in_order() {
    let host = host();
    host.set_page(1);
    let finding = ask(&host, json!({ "folder": "scratch", "above": 0.5, "list": 2 }));
    let paths = |list: &str| {
        let files = finding.data[list].as_array().unwrap();
        files
            .iter()
            .map(|file| file["path"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(paths("largest"), ["scratch/deep/b.log", "scratch/c.log"]);
    assert_eq!(paths("oldest"), ["scratch/deep/b.log", "scratch/c.log"]);
    assert_eq!(
        (&finding.data["files"], &finding.data["files_bytes"]),
        (&json!(3), &json!(6 * MIB))
    );
}

#[test]
fn an_incomplete_sum_proves_a_yes_and_never_a_no() {
    let host = host();
    host.set_page(1);
    host.set_remaining(1000);
    let verdict = |bound: &str| ask(&host, json!({ "folder": "scratch", "larger_than": bound })).verdict;
    assert_eq!(verdict("512KiB"), Verdict::Yes);
    assert_eq!(verdict("5MiB"), Verdict::Unknown);
}

#[test]
fn a_folder_without_a_grant_is_a_failure_and_not_an_answer() {
    let failure = host()
        .diagnose::<DiskUsage>(json!({ "folder": "other", "above": 0.5 }))
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::Denied);
}

#[test]
fn a_question_without_a_bound_is_refused() {
    let failure = host()
        .diagnose::<DiskUsage>(json!({ "folder": "scratch" }))
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::InvalidParams);
}
