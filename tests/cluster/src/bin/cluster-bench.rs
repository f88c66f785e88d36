//! How long it takes to recycle a pod on a real cluster: from the alert to the verified recycle, beside what `kubectl delete pod
//! --wait` and a watch take for the same, on the same control plane, in turns. `cargo xtask bench` calls it.
//!
//! Each line of its output is a figure: its name, its value, its unit, with tabs between.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that cannot measure must stop there"
)]

use std::time::{Duration, Instant};

use serde_json::Value;
use stanch_cluster_tests::Stage;
use stanch_cluster_tests::hangs::{self, Ceilings, NAMED};
use stanch_parts::{ControlPlane, Space, User, is_ready, until};

/// How often each is done; the first two are not counted.
const TURNS: usize = 22;

fn main() {
    let plane = ControlPlane::start().unwrap_or_else(|why| panic!("{why}"));
    let space = plane.space("bench").unwrap();
    hangs::workers(&space, 3, 2).unwrap();
    hangs::allowed(&space).unwrap();
    let mut setting = hangs::setting(plane.kubeconfig(User::Engine), NAMED, Ceilings::Raised);
    let (_, text) = &mut setting.runbook;
    *text = text
        .replace("owner = \"tests\"", "owner = \"tests\"\nmode = \"auto\"")
        .replace(
            "[mitigation.approval]\nask = \"Recycle them?\"\nexpires = \"10m\"\n",
            "",
        )
        .replace("every = \"200ms\"", "every = \"50ms\"");
    let stage = Stage::start(&space, "groups: []", &setting);

    let (mut engine, mut kubectl, mut watch) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..TURNS {
        let taken = [
            recycled(&space, |pod| {
                plane
                    .kubectl(&["--namespace", "bench", "delete", "pod", pod, "--wait"], "")
                    .unwrap();
            }),
            recycled(&space, |pod| {
                space
                    .admin()
                    .delete(&space.path(&format!("pods/{pod}")))
                    .unwrap()
                    .good()
                    .unwrap();
            }),
            healed(&stage, &space),
        ];
        if turn >= 2 {
            kubectl.push(taken[0]);
            watch.push(taken[1]);
            engine.push(taken[2]);
        }
    }
    let ms = |took: Duration| took.as_secs_f64() * 1e3;
    let (engine, kubectl, watch) = (median(engine), median(kubectl), median(watch));
    println!("alert to verified recycle, p50 of 20\t{}\tms", ms(engine));
    println!(
        "kubectl delete pod --wait, and a watch, p50 of 20\t{}\tms",
        ms(kubectl)
    );
    println!("a deletion and a watch, p50 of 20\t{}\tms", ms(watch));
    println!(
        "alert to verified recycle, in kubectl's time\t{}\t×",
        ms(engine) / ms(kubectl)
    );
    println!(
        "alert to verified recycle, in the watch's time\t{}\t×",
        ms(engine) / ms(watch)
    );
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort_unstable();
    values[values.len() / 2]
}

/// A pod that is well, and all uids there are.
fn one(space: &Space<'_>) -> (String, Vec<String>) {
    let pods = space.ready("app=worker", 3).unwrap();
    (hangs::names(&pods).remove(0), hangs::uids(&pods))
}

/// How long it takes until a pod is gone by these means and a fresh one is seen to be Ready.
fn recycled(space: &Space<'_>, delete: impl FnOnce(&str)) -> Duration {
    let (pod, known) = one(space);
    std::thread::scope(|scope| {
        let (begins, begun) = std::sync::mpsc::channel();
        let known = &known;
        let watcher = scope.spawn(move || {
            let mut seen = 0;
            let fresh = space
                .admin()
                .watch(&space.path("pods?labelSelector=app%3Dworker"), |event| {
                    seen += 1;
                    if seen == known.len() {
                        begins.send(()).unwrap();
                    }
                    let pod = &event["object"];
                    let is_known = pod["metadata"]["uid"]
                        .as_str()
                        .is_some_and(|uid| known.iter().any(|one| one == uid));
                    (!is_known && is_ready(pod)).then(Instant::now)
                });
            fresh.unwrap()
        });
        begun.recv().unwrap();
        let began = Instant::now();
        delete(&pod);
        let returned = Instant::now();
        watcher.join().unwrap().max(returned) - began
    })
}

/// How long it takes from the first byte of the alert until its change is verified.
fn healed(stage: &Stage<'_>, space: &Space<'_>) -> Duration {
    let (pod, _) = one(space);
    stage.hang(std::slice::from_ref(&pod));
    until("Prometheus to know", || {
        (stage.prometheus.value("max(requests_waiting)")? > 5.0).then_some(())
    })
    .unwrap();
    let before = stage.runs();
    let began = Instant::now();
    stage.post("PodHangs", &pod, true);
    let done = until("a verified recycle", || {
        let run = stage.runs().into_iter().find(|run| !before.contains(run))?;
        let view = stage.view(&run)?;
        (view["steps"][0]["state"] == "done").then(|| (Instant::now(), run))
    });
    let (done, run) = done.unwrap_or_else(|why| panic!("{why}"));
    stage.post("PodHangs", &pod, false);
    let (ending, view): (String, Value) = stage.ended(&run);
    assert_eq!(ending, "healed", "{view:#}");
    done - began
}
