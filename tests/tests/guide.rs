//! What docs/plugin-author.md and the kits' pages show is what a new project has, and who follows the guide gets there.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops there, and writes an author's files"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stanch_contract::PluginKind;
use stanch_outside::serve::{Scratch, program};
use stanch_plugin_tools::{Language, begin, setup};
use stanch_service::serve::{self, Served};
use stanch_tests::{Server, tools_path};

/// The kits that have a page, with the file that an author writes.
const PAGES: [(Language, &str, &str); 5] = [
    (Language::Rust, "rust", "src/lib.rs"),
    (Language::Python, "python", "plugin.py"),
    (Language::TypeScript, "typescript", "plugin.ts"),
    (Language::Go, "go", "plugin.go"),
    (Language::C, "c", "plugin.c"),
];

fn page(path: &str) -> String {
    std::fs::read_to_string(stanch_test_support::root().join(path)).unwrap()
}

#[test]
fn what_the_pages_show_is_what_a_new_project_has() {
    let folder = tempfile::tempdir().unwrap();
    let guide = page("docs/plugin-author.md");
    for (language, kit, file) in PAGES {
        let place = folder.path().join(kit).join("health");
        begin(&place, language, PluginKind::Diagnosis).unwrap();
        let text = std::fs::read_to_string(place.join(file)).unwrap();
        // Without the comment above it.
        let (_, code) = text.split_once('\n').unwrap();
        let of_kit = page(&format!("plugin-sdk/{kit}/README.md"));
        assert!(
            of_kit.contains(code.trim()),
            "plugin-sdk/{kit}/README.md does not show\n{code}"
        );
        // Of Rust the guide shows an example of the kit, with more in it.
        if !matches!(language, Language::C | Language::Rust) {
            assert!(guide.contains(code.trim()), "the guide does not show\n{code}");
        }
        let new = format!("stanch plugin new --lang {kit} health");
        assert!(of_kit.contains(&new), "{kit}: {new}");
        for line in setup(language) {
            assert!(of_kit.contains(line), "{kit}: {line}");
        }
    }
    for language in Language::ALL {
        for line in setup(language) {
            assert!(guide.contains(line), "{}: {line}", language.as_str());
        }
        assert!(
            guide.contains(&format!("| `{}` |", language.as_str())),
            "{}",
            language.as_str()
        );
    }
}

fn stanch(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = stanch_outside::serve::command(&program("stanch").unwrap(), folder, arguments);
    command.env("PATH", tools_path());
    command
}

/// What it printed; it was to be done.
fn done(output: Output) -> String {
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

async fn health() -> Server {
    Server::start(|request| match request.path.as_str() {
        "/busy" => (503, String::new()),
        _ => (200, "{}".into()),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_the_guide_has_a_plugin_that_answers() {
    let server = health().await;
    let scratch = Scratch::new("guide").unwrap();
    let folder = scratch.path();
    let next = done(stanch(folder, &["plugin", "new", "--lang", "c", "health"]));
    assert!(
        next.contains("cd health") && next.contains("stanch plugin build"),
        "{next}"
    );

    let project = folder.join("health");
    let built = done(stanch(&project, &["plugin", "build"]));
    assert!(built.contains("build/health.wasm"), "{built}");
    let checked = done(stanch(&project, &["plugin", "check", "build/health.wasm"]));
    assert!(checked.contains("an engine would install it"), "{checked}");

    let grant = json!({ "http": [{ "url": format!("{}/**", server.url), "read": ["GET"], "addresses": ["127.0.0.0/8"] }] });
    let (grant, url) = (grant.to_string(), |path: &str| {
        json!({ "url": format!("{}{path}", server.url) }).to_string()
    });
    let call = |with: &str, grant: &[&str]| {
        stanch(
            &project,
            &[&["plugin", "run", "build/health.wasm", "--with", with][..], grant].concat(),
        )
    };
    let yes = done(call(&url("/health"), &["--grant", &grant]));
    assert!(
        yes.contains("yes") && yes.contains("answers 200") && yes.contains("At the gate"),
        "{yes}"
    );
    let no = done(call(&url("/busy"), &["--grant", &grant]));
    assert!(no.contains("no") && no.contains("answers 503"), "{no}");
    assert_eq!(server.received().len(), 2);

    // Nothing is granted by default, and what it asks for is another host.
    let denied = call(&url("/health"), &[]);
    let said = String::from_utf8(denied.stdout).unwrap();
    assert_eq!(denied.status.code(), Some(1), "{said}");
    assert!(said.contains("denied") && said.contains("refused"), "{said}");
    let asked = call(&url("/health"), &["--grant", "asked"]);
    let said = String::from_utf8(asked.stdout).unwrap();
    assert_eq!(asked.status.code(), Some(1), "{said}");
    assert!(said.contains("denied") && said.contains("refused"), "{said}");
    let wrong = call(r#"{"ulr": "x"}"#, &["--grant", &grant]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("ulr"));
    assert_eq!(server.received().len(), 2, "what is refused is not sent");

    // In a case's world, of which a new project has two.
    let played = done(stanch(
        &project,
        &[
            "plugin",
            "run",
            "build/health.wasm",
            "--case",
            "cases/busy.case.toml",
        ],
    ));
    assert!(
        played.contains("diagnose") && played.contains("answers 503"),
        "{played}"
    );

    // Another version asks for more, and says so.
    let source = project.join("plugin.c");
    std::fs::copy(project.join("build/health.wasm"), project.join("old.wasm")).unwrap();
    let text = std::fs::read_to_string(&source).unwrap();
    std::fs::write(
        &source,
        text.replace("\"read\": [\"GET\"]", "\"read\": [\"GET\", \"HEAD\"]"),
    )
    .unwrap();
    done(stanch(&project, &["plugin", "build"]));
    let differs = done(stanch(
        &project,
        &["plugin", "diff", "old.wasm", "build/health.wasm"],
    ));
    assert!(differs.contains("read with HEAD"), "{differs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_shown_and_nothing_is_changed_and_people_are_told_only_where_that_is_meant() {
    let server = Server::start(|_| (404, String::new())).await;
    let scratch = Scratch::new("guide").unwrap();
    let folder = scratch.path();
    for kind in ["remediation", "notification"] {
        done(stanch(
            folder,
            &["plugin", "new", "--lang", "c", "--kind", kind, kind],
        ));
        done(stanch(folder, &["plugin", "build", "--project", kind]));
    }
    let open = json!(["127.0.0.0/8"]);
    let grant = json!({ "http": [{
        "url": format!("{}/**", server.url), "read": ["GET"], "change": ["PUT"], "addresses": open,
    }] });
    let with = json!({ "list": format!("{}/list", server.url), "address": "192.0.2.7" });
    let plan = done(stanch(
        folder,
        &[
            "plugin",
            "run",
            "remediation/build/remediation.wasm",
            "--with",
            &with.to_string(),
            "--grant",
            &grant.to_string(),
        ],
    ));
    assert!(
        plan.contains("Block `192.0.2.7`") && plan.contains("PUT ") && plan.contains("nothing was changed"),
        "{plan}"
    );
    let methods: Vec<_> = server
        .received()
        .iter()
        .map(|request| request.method.clone())
        .collect();
    assert_eq!(methods, ["GET"]);

    let hook = format!("{}/hook", server.url);
    let grant = json!({ "notify": [{ "url": hook, "addresses": open }] }).to_string();
    let settings = json!({ "url": hook }).to_string();
    let tell = [
        "plugin",
        "run",
        "notification/build/notification.wasm",
        "--grant",
        &grant,
        "--settings",
        &settings,
        "--tell",
    ];
    let quiet = stanch(folder, &tell[..tell.len() - 1]);
    assert_eq!(quiet.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&quiet.stderr).contains("--tell"));
    assert_eq!(server.received().len(), 1);
    // It answers 404, which is said.
    let told = stanch(folder, &tell);
    assert_eq!(told.status.code(), Some(1));
    assert_eq!(server.received().last().unwrap().method, "POST");
}

/// `stanch plugin dev`, until the test is over.
struct Dev {
    child: Child,
    rounds: Receiver<Value>,
    errors: Receiver<String>,
}

impl Drop for Dev {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Dev {
    fn start(folder: &Path) -> Self {
        let mut child = command(
            folder,
            &[
                "--json",
                "plugin",
                "dev",
                "--project",
                "health",
                "--to",
                "plugins/health.wasm",
            ],
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
        let (said, rounds) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                said.send(serde_json::from_str(&line).unwrap()).ok();
            }
        });
        let (complained, errors) = channel();
        let err = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in err.lines().map_while(Result::ok) {
                complained.send(line).ok();
            }
        });
        Self {
            child,
            rounds,
            errors,
        }
    }

    fn round(&self) -> Value {
        let round = self.rounds.recv_timeout(Duration::from_secs(120));
        round.unwrap_or_else(|_| {
            panic!(
                "nothing was built: {:?}",
                self.errors.try_iter().collect::<Vec<_>>()
            )
        })
    }
}

fn in_service(served: &Served) -> Option<String> {
    let snapshot = served.reloader().current().load();
    let plugin = snapshot.plugins.get(&"health".into())?;
    Some(plugin.facts.manifest.version.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_saved_is_built_and_swapped_into_the_running_engine_and_what_is_broken_is_not() {
    let scratch = Scratch::new("dev").unwrap();
    let folder = scratch.path().to_owned();
    done(stanch(&folder, &["plugin", "new", "--lang", "c", "health"]));
    done(stanch(&folder, &["plugin", "build", "--project", "health"]));
    std::fs::create_dir(folder.join("plugins")).unwrap();
    std::fs::copy(
        folder.join("health/build/health.wasm"),
        folder.join("plugins/health.wasm"),
    )
    .unwrap();
    let settings = "[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"data\"\nreserve = \"1MiB\"\n\
                    [plugins.health]\nsource = \"plugins/health.wasm\"\n";
    scratch.write("stanch.toml", settings).unwrap();
    let served = serve::start(&folder.join("stanch.toml")).await.unwrap();
    assert_eq!(in_service(&served).as_deref(), Some("0.1.0"));

    let dev = Dev::start(&folder);
    let round = tokio::task::block_in_place(|| dev.round());
    assert_eq!(round["engine"]["in-service"], "health", "{round}");

    let source = folder.join("health/plugin.c");
    let text = std::fs::read_to_string(&source).unwrap();
    let version = |to: &str| text.replace("\"version\": \"0.1.0\"", &format!("\"version\": \"{to}\""));
    std::fs::write(&source, version("0.2.0")).unwrap();
    let round = tokio::task::block_in_place(|| dev.round());
    assert_eq!(round["engine"]["in-service"], "health", "{round}");
    assert_eq!(in_service(&served).as_deref(), Some("0.2.0"));

    // It builds, and does not do what its cases say.
    std::fs::write(
        &source,
        version("0.2.1").replace("status == 200", "status == 503"),
    )
    .unwrap();
    let round = tokio::task::block_in_place(|| dev.round());
    assert_eq!(round["cases"].as_array().unwrap().len(), 2, "{round}");
    assert_eq!(in_service(&served).as_deref(), Some("0.2.0"));

    std::fs::write(&source, version("0.3.0").replace("stanch_send(", "stanch_sned(")).unwrap();
    let began = Instant::now();
    let mut complained = String::new();
    while !complained.contains("stanch_sned") {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "nothing was said: {complained}"
        );
        complained.push_str(&dev.errors.try_iter().collect::<Vec<_>>().join("\n"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(in_service(&served).as_deref(), Some("0.2.0"));

    std::fs::write(&source, version("0.4.0")).unwrap();
    let round = tokio::task::block_in_place(|| dev.round());
    assert_eq!(
        (&round["engine"]["in-service"], &round["cases"]),
        (&json!("health"), &json!(2)),
        "{round}"
    );
    assert_eq!(in_service(&served).as_deref(), Some("0.4.0"));
    drop(dev);
    served.drain().await;
}
