//! What an author gets: templates that build in every language and kind, kits that travel whole, bad input that is told.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops there, and makes files"
)]

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use stanch_contract::{FailureCode, PluginKind};
use stanch_plugin_tools::{Language, Project, ToolError, begin, kit_of, make};
use stanch_recorded::case::{Case, play};
use stanch_sandbox::{CallFault, Sandbox};
use stanch_tests::{Installed, begun, compiled, first, kept, toolbox};

const KINDS: [PluginKind; 3] = [
    PluginKind::Diagnosis,
    PluginKind::Remediation,
    PluginKind::Notification,
];

/// A new project of each kind builds, and does what first plugins do in every language.
async fn works(language: Language) {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = compiled();
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
        let plugin = sandbox.install(component.clone()).await.unwrap();
        assert_eq!((plugin.manifest().name.as_str(), plugin.kind()), (name, kind));
        cases_pass(&sandbox, component.clone(), &place).await;
        assert_eq!(
            first::told(&sandbox, component).await,
            first::expected(kind),
            "{name}"
        );
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
