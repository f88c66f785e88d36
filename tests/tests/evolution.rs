//! What was built against a released contract goes on working, and a released contract stays as it is.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test stops there, and reads files"
)]

use std::path::{Path, PathBuf};

use stanch_contract::PluginKind;
use stanch_plugin_tools::Language;
use stanch_tests::{Released, compiled, first};

fn versions() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(Released::folder()).unwrap();
    let versions: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    assert!(versions.iter().any(|version| version.ends_with("0.1.0")));
    versions
}

async fn goes_on_working(language: Language) {
    let sandbox = compiled();
    let mut tried = 0;
    for version in versions() {
        for (_, kind) in Released::all().into_iter().filter(|(of, _)| *of == language) {
            let path = version.join(Released::name(language, kind));
            assert_eq!(
                first::told(&sandbox, Released::read(&path)).await,
                first::expected(kind),
                "{}",
                path.display()
            );
            tried += 1;
        }
    }
    assert!(tried > 0);
}

macro_rules! released {
    ($($name:ident = $language:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            Box::pin(goes_on_working(Language::$language)).await;
        }
    )*};
}

released! {
    a_released_plugin_in_rust_goes_on_working = Rust;
    a_released_plugin_in_typescript_goes_on_working = TypeScript;
    a_released_plugin_in_go_goes_on_working = Go;
    a_released_plugin_in_c_goes_on_working = C;
    a_released_plugin_in_python_goes_on_working = Python;
}

/// What of a contract counts: all but its comments.
fn words(contract: &Path) -> String {
    let text = std::fs::read_to_string(contract).unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap());
    lines
        .flat_map(str::split_whitespace)
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn a_released_contract_does_not_change() {
    let now = Released::now();
    assert!(
        now.is_dir(),
        "{} was released without its plugins: `cargo run --package stanch-tests --example released` keeps them",
        now.display()
    );
    assert_eq!(
        words(&Released::contract()),
        words(&now.join("plugin.wit")),
        "plugins are built against this version: what is new is a new version, and the engine links both"
    );
}

#[test]
fn every_kind_and_every_kit_is_kept() {
    let all = Released::all();
    for kind in [
        PluginKind::Diagnosis,
        PluginKind::Remediation,
        PluginKind::Notification,
    ] {
        assert!(all.iter().any(|(_, of)| *of == kind));
    }
    // JavaScript has the kit and the engine of TypeScript.
    for language in Language::ALL
        .into_iter()
        .filter(|one| *one != Language::JavaScript)
    {
        assert!(all.iter().any(|(of, _)| *of == language));
    }
}
