//! What an author gets: templates that build in every language and kind, kits that travel whole, bad input that is told.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops there, and makes files"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use stanch_contract::{FailureCode, PluginKind, Verdict};
use stanch_plugin_tools::{Language, Project, ToolError, begin, kit_of, make};
use stanch_recorded::case::{Case, play};
use stanch_sandbox::{CallFault, Sandbox};
use stanch_tests::{Installed, Server, compiled, kept, toolbox};

const KINDS: [PluginKind; 3] = [
    PluginKind::Diagnosis,
    PluginKind::Remediation,
    PluginKind::Notification,
];

fn begun(folder: &Path, language: Language, kind: PluginKind) -> PathBuf {
    let place = folder.join(format!("my-{}-{}", language.as_str(), kind.as_str()));
    begin(&place, language, kind).unwrap();
    if language == Language::Rust {
        // The kit of this checkout in the place of the published one; nothing is fetched.
        let root = stanch_test_support::root();
        let config = format!(
            "[net]\noffline = true\n[build]\ntarget-dir = {:?}\n",
            root.join("target/authoring")
        );
        std::fs::create_dir(place.join(".cargo")).unwrap();
        std::fs::write(place.join(".cargo/config.toml"), config).unwrap();
        let manifest = std::fs::read_to_string(place.join("Cargo.toml")).unwrap();
        let published = "git = \"https://github.com/stanch/stanch\"";
        assert!(manifest.contains(published), "{manifest}");
        let here = format!("path = {:?}", root.join("plugin-sdk/rust"));
        std::fs::write(place.join("Cargo.toml"), manifest.replace(published, &here)).unwrap();
        // The versions of the workspace, which are there.
        std::fs::copy(root.join("Cargo.lock"), place.join("Cargo.lock")).unwrap();
    }
    place
}

/// A new project of a kind builds, and does what its template says it does.
async fn works(language: Language) {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = compiled();
    let server = Server::start(|request| match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/list/192.0.2.7") => (404, String::new()),
        ("GET", "/busy") => (503, String::new()),
        _ => (200, "{}".into()),
    })
    .await;
    let url = format!("{}/**", server.url);
    let open = json!(["127.0.0.0/8"]);
    for kind in KINDS {
        let place = begun(folder.path(), language, kind);
        let project = Project::read(&place).unwrap();
        let name = place.file_name().unwrap().to_str().unwrap();
        let component = if language == Language::Rust {
            // Cargo knows best what is old.
            let made = make(&project, &toolbox(), &sandbox).await;
            made.unwrap_or_else(|error| panic!("{name}: {error}")).0.into()
        } else {
            kept(name, project).await
        };
        let manifest = sandbox
            .install(component.clone())
            .await
            .unwrap()
            .manifest()
            .clone();
        assert_eq!(manifest.name, name);
        cases_pass(&sandbox, component.clone(), &place).await;
        match kind {
            PluginKind::Diagnosis => {
                let grant = json!({ "http": [{ "url": url, "read": ["GET"], "addresses": open }] });
                let plugin = Installed::of(&sandbox, component, grant, json!({})).await;
                for (path, verdict) in [("/health", Verdict::Yes), ("/busy", Verdict::No)] {
                    let asked = json!({ "url": format!("{}{path}", server.url) });
                    assert_eq!(plugin.diagnose(asked).await.unwrap().verdict, verdict);
                }
                let denied = plugin
                    .diagnose(json!({ "url": "https://elsewhere.example/" }))
                    .await;
                let denied = denied.unwrap_err();
                assert_eq!(
                    denied.clone().into_failure().code,
                    FailureCode::Denied,
                    "{denied}"
                );
            }
            PluginKind::Remediation => {
                assert!(manifest.idempotent && manifest.reversible && manifest.verifies);
                let grant = json!({ "http": [{ "url": url, "read": ["GET"], "change": ["PUT", "DELETE"], "addresses": open }] });
                let plugin = Installed::of(&sandbox, component, grant, json!({})).await;
                let params = json!({ "list": format!("{}/list", server.url), "address": "192.0.2.7" });
                let before = server.received().len();
                let plan = plugin.check(plugin.plan(&params).await.unwrap()).await.unwrap();
                plugin.apply(&params, plan).await.unwrap();
                assert_eq!(plugin.verify(&params).await.unwrap().verdict, Verdict::No);
                let undo = plugin
                    .check(plugin.plan_undo(&params).await.unwrap())
                    .await
                    .unwrap();
                plugin.apply(&params, undo).await.unwrap();
                let sent: Vec<_> = server.received()[before..]
                    .iter()
                    .map(|r| r.method.clone())
                    .collect();
                assert_eq!(sent, ["GET", "PUT", "GET", "DELETE"]);
            }
            PluginKind::Notification => {
                let hook = format!("{}/hook", server.url);
                let grant = json!({ "notify": [{ "url": hook, "addresses": open }] });
                let plugin = Installed::of(&sandbox, component, grant, json!({ "url": hook })).await;
                plugin.notify(&json!({}), &message()).await.unwrap();
                let body: serde_json::Value =
                    serde_json::from_slice(&server.received().last().unwrap().body).unwrap();
                assert_eq!(body["text"], "A disk is almost full\nNobody answered.");
            }
        }
    }
}

/// The project's own cases, which are the same in every language.
async fn cases_pass(sandbox: &Sandbox, component: Arc<[u8]>, project: &Path) {
    let plugin = sandbox.install(component).await.unwrap();
    let mut played = 0;
    for entry in std::fs::read_dir(project.join("cases")).unwrap() {
        let path = entry.unwrap().path().display().to_string();
        let text = std::fs::read_to_string(&path).unwrap();
        let case = Case::read(&path, &text, plugin.kind()).unwrap();
        let wrong = Box::pin(play(sandbox, &plugin, &case)).await.unwrap().wrong;
        assert_eq!(wrong, [], "{path}");
        played += 1;
    }
    assert_eq!(played, 2, "{}", project.display());
}

fn message() -> stanch_sandbox::Message {
    stanch_sandbox::Message {
        kind: "escalation".into(),
        severity: "high".into(),
        title: "A disk is almost full".into(),
        text: "Nobody answered.".into(),
        link: None,
        report: json!({}),
        thread: "run0000000000000".into(),
        extra: serde_json::Value::Null,
    }
}

macro_rules! templates {
    ($($name:ident = $language:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            Box::pin(works(Language::$language)).await;
        }
    )*};
}

templates! {
    a_new_project_in_rust_works = Rust;
    a_new_project_in_python_works = Python;
    a_new_project_in_javascript_works = JavaScript;
    a_new_project_in_typescript_works = TypeScript;
    a_new_project_in_go_works = Go;
    a_new_project_in_c_works = C;
}

#[test]
fn every_file_of_a_kit_travels_with_it() {
    let root = stanch_test_support::root().join("plugin-sdk");
    for (language, folder) in [
        (Language::Python, "python"),
        (Language::TypeScript, "typescript"),
        (Language::Go, "go"),
        (Language::C, "c"),
    ] {
        let listed = kit_of(language);
        let mut folders = vec![root.join(folder)];
        let mut found = 0;
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.ends_with("__pycache__") {
                } else if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path
                        .strip_prefix(root.join(folder))
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned();
                    let text = std::fs::read_to_string(&path).unwrap();
                    let is_listed = listed.iter().any(|(path, kept)| *path == name && *kept == text);
                    assert!(
                        is_listed,
                        "{folder}/{name} is missing in plugin-sdk/tools/src/template.rs"
                    );
                    found += 1;
                }
            }
        }
        assert_eq!(found, listed.len(), "{folder}");
    }
}

#[test]
fn a_name_that_is_taken_or_is_none_leaves_everything_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("health");
    std::fs::create_dir(&place).unwrap();
    std::fs::write(place.join("mine"), "mine").unwrap();
    let error = begin(&place, Language::Python, PluginKind::Diagnosis).unwrap_err();
    assert!(
        matches!(&error, ToolError::Taken(taken) if *taken == place),
        "{error}"
    );
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 1);
    for name in ["Health", "1st", "a b", "a_b"] {
        let error = begin(
            &folder.path().join("x").join(name),
            Language::C,
            PluginKind::Diagnosis,
        )
        .unwrap_err();
        assert!(
            matches!(error, ToolError::BadName(_)) || name.is_empty(),
            "{name}: {error}"
        );
    }
}

/// The project of a template, with another text in the place of a piece of it.
fn altered(folder: &Path, language: Language, file: &str, from: &str, to: &str) -> Project {
    let place = begun(folder, language, PluginKind::Diagnosis);
    let text = std::fs::read_to_string(place.join(file)).unwrap();
    assert!(text.contains(from), "{file} has no `{from}`");
    std::fs::write(place.join(file), text.replace(from, to)).unwrap();
    Project::read(&place).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_plugin_is_told_when_it_is_built() {
    let table = [
        (
            Language::TypeScript,
            "plugin.ts",
            "status === 200",
            "status === \"200\"",
            "plugin.ts(",
        ),
        (
            Language::JavaScript,
            "plugin.js",
            "export default diagnosis(",
            "export default (",
            "not one",
        ),
        (
            Language::Python,
            "plugin.py",
            "Annotated[Url",
            "Annotated[set",
            "the kit has no schema for",
        ),
        (
            Language::Python,
            "plugin.py",
            "class Plugin(Diagnosis[Params, Nothing])",
            "class Plugin",
            "exactly one class",
        ),
        (
            Language::Go,
            "plugin.go",
            "answer.Status == 200",
            "answer.Statsu == 200",
            "answer.Statsu undefined",
        ),
        (
            Language::C,
            "plugin.c",
            "stanch_send(",
            "stanch_sned(",
            "stanch_sned",
        ),
        (
            Language::C,
            "plugin.c",
            "\"version\": \"0.1.0\",",
            "\"version\": 1,",
            "is not a manifest",
        ),
    ];
    for (language, file, from, to, told) in table {
        let folder = tempfile::tempdir().unwrap();
        let project = altered(folder.path(), language, file, from, to);
        let error = make(&project, &toolbox(), &compiled())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(told), "{}: {to}: {error}", language.as_str());
        assert!(!project.output().exists(), "nothing is half built");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_or_a_panic_is_a_failure_with_its_message_and_no_path() {
    let table = [
        (
            Language::Python,
            "plugin.py",
            "status = http",
            "raise KeyError('lost'); status = http",
            "KeyError: 'lost'",
        ),
        (
            Language::TypeScript,
            "plugin.ts",
            "const { status }",
            "if (url) throw new RangeError('lost');\n    const { status }",
            "RangeError: lost",
        ),
        (
            Language::Go,
            "plugin.go",
            "answer, err :=",
            "var lost map[string]int; lost[\"lost\"] = 1\n\tanswer, err :=",
            "panic: assignment to entry in nil map",
        ),
    ];
    for (language, file, from, to, told) in table {
        let folder = tempfile::tempdir().unwrap();
        let project = altered(folder.path(), language, file, from, to);
        let (component, _) = make(&project, &toolbox(), &compiled()).await.unwrap();
        let plugin = Installed::of(&compiled(), component.into(), json!({}), json!({})).await;
        let fault = plugin
            .diagnose(json!({ "url": "https://x.example/" }))
            .await
            .unwrap_err();
        let CallFault::Guest(failure) = fault else {
            panic!("{fault}")
        };
        assert_eq!(failure.code, FailureCode::Failed);
        assert!(failure.message.contains(told), "{}", failure.message);
        let folder = folder.path().to_str().unwrap();
        assert!(
            !failure.message.contains(folder) && !failure.message.contains("/kit/"),
            "{}",
            failure.message
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_is_missing_is_named_with_how_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = stanch_plugin_tools::Toolbox::of_environment().only([folder.path().to_owned()]);
    for (language, tool, install) in [
        (Language::Rust, "cargo", "rustup"),
        (Language::Python, "componentize-py", "pip install"),
        (Language::JavaScript, "esbuild", "npm install"),
        (Language::Go, "go", "install Go"),
        (Language::C, "zig", "pip install"),
    ] {
        let project = Project::read(&begun(folder.path(), language, PluginKind::Diagnosis)).unwrap();
        let error = make(&project, &nothing, &compiled()).await.unwrap_err();
        assert!(
            matches!(&error, ToolError::MissingTool { tool: named, .. } if named == tool),
            "{error}"
        );
        assert!(error.hint().unwrap().contains(install), "{:?}", error.hint());
    }
}
