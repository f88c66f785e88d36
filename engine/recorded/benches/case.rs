//! What one case costs: read, its world made, the plugin asked at the gate, what came of it compared.

#![allow(missing_docs, clippy::expect_used, reason = "a benchmark")]

use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use stanch_contract::PluginKind;
use stanch_recorded::case::{Case, play};
use stanch_sandbox::{Sandbox, SandboxOptions};

/// A question to a server.
const ASKS: &str = r#"
name = "a busy page"
params = { verdict = "no", do = [{ http = { url = "https://api.example/health" } }] }
[[grant.http]]
url = "https://api.example/**"
read = ["GET"]
[[http]]
url = "https://api.example/health"
status = 503
[expect]
calls = ["GET https://api.example/health"]
[expect.finding]
verdict = "no"
"#;

/// A change of a file: planned twice, applied, verified.
const CHANGES: &str = r#"
name = "a file is written"
[params.plan]
actions = [{ verb = "write", target = "file:scratch/log", content = "sha256:a4c3ed04a95a3da14a9d235c83d868bed7c0f45cf7f3faa751ee8f50598d2211" }]
[[grant.files]]
path = "/var/tmp/app"
at = "scratch"
access = "change"
[[file]]
path = "scratch/other"
[expect]
left = ["scratch/other"]
[expect.verify]
verdict = "yes"
"#;

fn cases(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let sandbox = Sandbox::new(&SandboxOptions {
        cache: None,
        calls: 1,
        ..SandboxOptions::default()
    })
    .expect("a sandbox");
    for (name, guest, kind, text) in [
        (
            "case of a question",
            "scripted-diagnosis",
            PluginKind::Diagnosis,
            ASKS,
        ),
        (
            "case of a change",
            "scripted-remediation",
            PluginKind::Remediation,
            CHANGES,
        ),
    ] {
        let plugin = runtime
            .block_on(sandbox.install(stanch_test_support::guest(guest)))
            .expect("the plugin is installed");
        criterion.bench_function(name, |bench| {
            bench.iter_custom(|times| {
                runtime.block_on(async {
                    let began = Instant::now();
                    for _ in 0..times {
                        let case = Case::read("bench.case.toml", text, kind).expect("a case");
                        let played = Box::pin(play(&sandbox, &plugin, &case))
                            .await
                            .expect("it is played");
                        assert_eq!(played.wrong, []);
                    }
                    began.elapsed()
                })
            });
        });
    }
}

criterion_group!(benches, cases);
criterion_main!(benches);
