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

fn verdict(host: &Host, bound: Value) -> Verdict {
    let mut params = bound;
    params["folder"] = json!("scratch");
    ask(host, params).verdict
}

fn ask(host: &Host, params: Value) -> stanch_plugin::testing::Found {
    host.diagnose::<DiskUsage>(params).unwrap()
}

#[test]
fn the_share_is_compared_with_the_bound() {
    let table = [
        (json!({ "above": 0.89 }), Verdict::Yes),
        (json!({ "above": 0.9 }), Verdict::No),
        (json!({ "below": 0.91 }), Verdict::Yes),
        (json!({ "below": 0.9 }), Verdict::No),
    ];
    for (bound, expected) in table {
        assert_eq!(verdict(&host(), bound.clone()), expected, "{bound}");
    }
}

#[test]
fn the_size_is_compared_with_the_bound() {
    let table = [
        (json!({ "larger_than": "5MiB" }), Verdict::Yes),
        (json!({ "larger_than": "6MiB" }), Verdict::No),
        (json!({ "smaller_than": "7MiB" }), Verdict::Yes),
        (json!({ "smaller_than": "6MiB" }), Verdict::No),
    ];
    for (bound, expected) in table {
        assert_eq!(verdict(&host(), bound.clone()), expected, "{bound}");
    }
}

#[test]
fn every_bound_that_is_given_has_to_hold() {
    assert_eq!(
        verdict(&host(), json!({ "above": 0.8, "larger_than": "5MiB" })),
        Verdict::Yes
    );
    assert_eq!(
        verdict(&host(), json!({ "above": 0.99, "larger_than": "5MiB" })),
        Verdict::No
    );
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
fn an_incomplete_sum_proves_what_is_larger_and_never_what_is_smaller() {
    let host = host();
    host.set_page(1);
    host.set_remaining(1000);
    let table = [
        (json!({ "larger_than": "512KiB" }), Verdict::Yes),
        (json!({ "larger_than": "5MiB" }), Verdict::Unknown),
        (json!({ "smaller_than": "512KiB" }), Verdict::No),
        (json!({ "smaller_than": "1GiB" }), Verdict::Unknown),
        (json!({ "smaller_than": "1GiB", "below": 0.5 }), Verdict::No),
    ];
    for (bound, expected) in table {
        assert_eq!(verdict(&host, bound.clone()), expected, "{bound}");
    }
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
