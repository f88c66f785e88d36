//! What is not a plugin is not installed, and the reason is said; what is one is compiled once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "helpers of tests fail the test, as tests do, and tests harm files on purpose"
)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{context, installation, sandbox};
use serde_json::json;
use stanch_contract::PluginKind;
use stanch_sandbox::{Allocation, InstallError, Limits, Plugin, Sandbox, SandboxOptions};
use stanch_test_support::{Craft, core_diagnosis, guest};

const MANIFEST: &str = r#"{"name":"crafted","version":"0.1.0","summary":"Made by hand.","params":{}}"#;

async fn refused(component: Vec<u8>) -> InstallError {
    sandbox()
        .install(component.into())
        .await
        .expect_err("it was installed")
}

async fn why(component: Vec<u8>) -> String {
    refused(component).await.to_string()
}

/// A diagnosis plugin that says `said` and carries `section`.
fn saying(said: &str, section: &str) -> Vec<u8> {
    let craft = Craft {
        core: Some(core_diagnosis(said, "", "")),
        manifest: Some(section.into()),
        ..Craft::of("diagnosis-plugin")
    };
    craft.build()
}

fn manifest_with(member: &str, value: serde_json::Value) -> String {
    let mut manifest: serde_json::Value = serde_json::from_str(MANIFEST).unwrap();
    manifest[member] = value;
    manifest.to_string()
}

#[tokio::test]
async fn what_is_not_a_component_is_named_for_what_it_is() {
    assert_eq!(refused(b"#!/bin/sh".to_vec()).await, InstallError::NotWasm);
    assert_eq!(refused(vec![]).await, InstallError::NotWasm);
    assert_eq!(
        refused(wat::parse_str("(module)").unwrap()).await,
        InstallError::CoreModule
    );
    let whole = guest("scripted-diagnosis");
    let half = whole[..whole.len() / 2].to_vec();
    assert!(matches!(refused(half).await, InstallError::Truncated { .. }));
    let mut damaged = whole.to_vec();
    damaged[5000..5100].fill(0xff);
    let error = refused(damaged).await;
    assert!(
        matches!(
            error,
            InstallError::Malformed { .. } | InstallError::Compile { .. } | InstallError::Truncated { .. }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_huge_file_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.wasm");
    // 200 MB of nothing: a file with a hole, which reading would fill memory with.
    fs::File::create(&path).unwrap().set_len(200 << 20).unwrap();
    let error = sandbox().install_file(&path).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the file has 200.0 MiB, and a plugin may have 32.0 MiB"
    );
    let error = sandbox()
        .install_file(Path::new("/nowhere/plugin.wasm"))
        .await
        .unwrap_err();
    assert!(matches!(error, InstallError::Unreadable { .. }), "{error}");
}

#[tokio::test]
async fn what_would_take_long_to_compile_is_refused_before_it_is_compiled() {
    let component = |functions: String| wat::parse_str(format!("(component (core module {functions}))"));
    let table = [
        (200_000, 1, None),
        (200_001, 1, Some("functions")),
        (1, 1 << 20, Some("bytes in one function")),
    ];
    for (functions, instructions, refuses) in table {
        let function = format!("(func{})", " nop".repeat(instructions));
        let error = refused(component(function.repeat(functions)).unwrap()).await;
        match (refuses, &error) {
            (Some(what), InstallError::TooComplex { what: told, .. }) => assert_eq!(*told, what),
            // It has no kind of plugin, which is found out after that.
            (None, error) => assert!(!matches!(error, InstallError::TooComplex { .. }), "{error}"),
            (Some(what), error) => panic!("{what}: {error}"),
        }
    }
}

#[tokio::test]
async fn a_component_of_another_world_is_told_what_it_lacks() {
    let other = Craft {
        manifest: Some(MANIFEST.into()),
        ..Craft::world("export run: func();")
    };
    assert_eq!(
        why(other.build()).await,
        "the component exports none of the interfaces `diagnosis`, `remediation` and `notification` of \
         `runbook:plugin@0.1.0`; it exports `run`"
    );
    let both = "export runbook:plugin/manifest@0.1.0; export runbook:plugin/diagnosis@0.1.0; export runbook:plugin/remediation@0.1.0;";
    let both = Craft {
        manifest: Some(MANIFEST.into()),
        ..Craft::world(both)
    };
    assert_eq!(
        refused(both.build()).await,
        InstallError::SeveralKinds {
            one: "diagnosis",
            other: "remediation"
        }
    );
    let no_manifest = Craft {
        manifest: Some(MANIFEST.into()),
        ..Craft::world("export runbook:plugin/diagnosis@0.1.0;")
    };
    assert_eq!(
        refused(no_manifest.build()).await,
        InstallError::NoManifestInterface
    );
}

#[tokio::test]
async fn a_contract_that_this_engine_does_not_know_is_named() {
    let wit = "package test:craft;
        world it { export runbook:plugin/diagnosis@0.2.0; }
        package runbook:plugin@0.2.0 { interface diagnosis { diagnose: func() -> string; } }";
    let craft = Craft {
        wit: wit.into(),
        world: "test:craft/it".into(),
        manifest: Some(MANIFEST.into()),
        core: None,
    };
    assert_eq!(
        why(craft.build()).await,
        "the plugin is built for `runbook:plugin/diagnosis@0.2.0`, and this engine offers `runbook:plugin@0.1.0`"
    );
}

#[tokio::test]
async fn an_import_that_is_not_offered_is_named() {
    let wit = "package test:craft;
        world it { include runbook:plugin/diagnosis-plugin@0.1.0; import wasi:keyvalue/store@0.2.0; }
        package wasi:keyvalue@0.2.0 { interface store { f: func(); } }";
    let craft = Craft {
        wit: wit.into(),
        world: "test:craft/it".into(),
        manifest: Some(MANIFEST.into()),
        core: None,
    };
    let error = refused(craft.build()).await;
    assert_eq!(
        error,
        InstallError::UnknownImport {
            name: "wasi:keyvalue/store@0.2.0".into()
        }
    );
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn an_interface_in_another_shape_is_named_with_the_function() {
    let wit = "package test:craft;
        world it { export runbook:plugin/manifest@0.1.1; export runbook:plugin/diagnosis@0.1.1; }
        package runbook:plugin@0.1.1 {
            interface manifest { describe: func() -> string; }
            interface diagnosis { diagnose: func(params: string) -> string; }
        }";
    let craft = Craft {
        wit: wit.into(),
        world: "test:craft/it".into(),
        manifest: Some(MANIFEST.into()),
        core: None,
    };
    let error = refused(craft.build()).await;
    assert!(matches!(&error, InstallError::Mismatch { .. }), "{error}");
    insta::assert_snapshot!(error.to_string());

    let wit = "package test:craft;
        world it {
            import runbook:plugin/host@0.1.1;
            export runbook:plugin/manifest@0.1.0;
            export runbook:plugin/diagnosis@0.1.0;
        }
        package runbook:plugin@0.1.1 { interface host { settings: func(name: string) -> string; } }";
    let craft = Craft {
        wit: wit.into(),
        world: "test:craft/it".into(),
        manifest: Some(MANIFEST.into()),
        core: None,
    };
    insta::assert_snapshot!(refused(craft.build()).await.to_string());
}

#[tokio::test]
async fn a_manifest_is_there_once_small_and_true() {
    let craft = Craft {
        core: Some(core_diagnosis(MANIFEST, "", "")),
        ..Craft::of("diagnosis-plugin")
    };
    assert_eq!(refused(craft.build()).await, InstallError::NoManifestSection);

    let error = refused(saying(
        MANIFEST,
        &manifest_with("summary", json!("Something else.")),
    ))
    .await;
    assert_eq!(
        error,
        InstallError::ManifestDiffers {
            member: "summary".into()
        }
    );

    let huge = manifest_with("summary", json!("x".repeat(200 << 10)));
    assert!(
        why(saying(MANIFEST, &huge))
            .await
            .contains("more than 500 characters")
    );
    let error = refused(saying(&huge, MANIFEST)).await;
    assert!(
        matches!(
            error,
            InstallError::BadManifest {
                place: "answer of `describe`",
                ..
            }
        ),
        "{error}"
    );

    for (member, value) in [
        ("name", json!("Über")),
        ("idempotnet", json!(true)),
        ("summary", json!("a\u{202e}b")),
    ] {
        let bad = manifest_with(member, value);
        let error = refused(saying(&bad, &bad)).await;
        assert!(
            matches!(error, InstallError::BadManifest { .. }),
            "{member}: {error}"
        );
    }
    assert!(
        why(saying(MANIFEST, "not json"))
            .await
            .contains("is not a manifest")
    );
    sandbox()
        .install(saying(MANIFEST, MANIFEST).into())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_description_of_ten_megabytes_is_not_taken() {
    // The text is longer than the module's own data: `describe` says that ten megabytes from address 16 on are it.
    let core = core_diagnosis(MANIFEST, "", "")
        .replace(
            "(memory (export \"memory\") 8)",
            "(memory (export \"memory\") 200)",
        )
        .replace(&format!("(i32.const {})", MANIFEST.len()), "(i32.const 10485760)");
    let craft = Craft {
        core: Some(core),
        manifest: Some(MANIFEST.into()),
        ..Craft::of("diagnosis-plugin")
    };
    let error = refused(craft.build()).await;
    assert!(
        error.to_string().contains("output") || matches!(error, InstallError::ManifestTooLarge { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_schema_that_is_none_is_named() {
    let bad = manifest_with("params", json!({ "type": "strnig" }));
    assert!(matches!(
        refused(saying(&bad, &bad)).await,
        InstallError::BadSchema { which: "params", .. }
    ));
    let bad = manifest_with("data", json!({ "$ref": "#" }));
    assert!(matches!(
        refused(saying(&bad, &bad)).await,
        InstallError::BadSchema { which: "data", .. }
    ));
}

#[tokio::test]
async fn a_plugin_that_is_not_packed_yet_can_be_asked_what_it_is() {
    let craft = Craft {
        core: Some(core_diagnosis(MANIFEST, "", "")),
        ..Craft::of("diagnosis-plugin")
    };
    assert_eq!(sandbox().describe(craft.build().into()).await.unwrap(), MANIFEST);
}

fn cached(folder: &Path) -> Sandbox {
    Sandbox::new(&SandboxOptions {
        cache: Some(folder.to_owned()),
        calls: 4,
        ..SandboxOptions::default()
    })
    .unwrap()
}

async fn install(sandbox: &Sandbox) -> Arc<Plugin> {
    sandbox.install(guest("scripted-diagnosis")).await.unwrap()
}

type Harm<'a> = Box<dyn Fn() + 'a>;

fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.to_string_lossy().ends_with(end)).collect()
}

#[tokio::test]
async fn the_same_bytes_are_installed_once_and_compiled_once() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("compiled");
    let sandbox = cached(&cache);
    let (one, two) = tokio::join!(install(&sandbox), install(&sandbox));
    assert!(Arc::ptr_eq(&one, &two));
    assert_eq!(
        (
            one.kind(),
            one.imports()
                .iter()
                .any(|name| name.starts_with("runbook:plugin/host"))
        ),
        (PluginKind::Diagnosis, true)
    );
    assert_eq!(fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o700);
    let compiled = files(&cache, ".cwasm");
    assert_eq!(compiled.len(), 1);
    assert_eq!(
        fs::metadata(&compiled[0]).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let written = fs::metadata(&compiled[0]).unwrap().modified().unwrap();
    install(&cached(&cache)).await;
    assert_eq!(
        fs::metadata(&compiled[0]).unwrap().modified().unwrap(),
        written,
        "it was compiled again"
    );
}

#[tokio::test]
async fn a_compiled_plugin_that_was_touched_is_not_loaded_but_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("compiled");
    install(&cached(&cache)).await;
    let compiled = files(&cache, ".cwasm").remove(0);
    let good = fs::read(&compiled).unwrap();
    let seal = files(&cache, ".seal").remove(0);
    assert!(fs::read_to_string(&seal).unwrap().ends_with("described"));

    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let harm: [(&str, Harm<'_>); 7] = [
        ("one bit", Box::new(|| fs::write(&compiled, &flipped).unwrap())),
        (
            "cut short",
            Box::new(|| fs::write(&compiled, &good[..good.len() / 2]).unwrap()),
        ),
        ("no seal", Box::new(|| fs::remove_file(&seal).unwrap())),
        (
            "another file of the same content, with the times of the first",
            Box::new(|| {
                let times = fs::metadata(&compiled).unwrap().modified().unwrap();
                let copy = folder.path().join("copy");
                fs::copy(&compiled, &copy).unwrap();
                fs::File::open(&copy).unwrap().set_modified(times).unwrap();
                fs::rename(&copy, &compiled).unwrap();
            }),
        ),
        (
            "a seal of somebody's own making",
            Box::new(|| {
                fs::write(&compiled, &flipped).unwrap();
                fs::write(&seal, "0:0:0 0.000000000 described").unwrap();
            }),
        ),
        (
            "open to others",
            Box::new(|| fs::set_permissions(&compiled, fs::Permissions::from_mode(0o666)).unwrap()),
        ),
        (
            "a link",
            Box::new(|| {
                let elsewhere = folder.path().join("elsewhere");
                fs::rename(&compiled, &elsewhere).unwrap();
                std::os::unix::fs::symlink(&elsewhere, &compiled).unwrap();
            }),
        ),
    ];
    for (what, harm) in harm {
        harm();
        let sandbox = cached(&cache);
        let plugin = installation(&sandbox, install(&sandbox).await, Limits::default());
        plugin.diagnose(&context(), &json!({})).await.result.unwrap();
        let meta = fs::symlink_metadata(&compiled).unwrap();
        assert!(
            meta.is_file() && meta.permissions().mode() & 0o777 == 0o600,
            "{what}"
        );
        assert_eq!(
            fs::read(&compiled).unwrap(),
            good,
            "{what}: it was not compiled again"
        );
    }
}

#[tokio::test]
async fn a_compiled_plugin_is_asked_what_it_is_once_and_one_that_says_something_else_never_loads() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("compiled");
    let liar = Craft {
        core: Some(core_diagnosis(&MANIFEST.replace("by hand", "by foot"), "", "")),
        manifest: Some(MANIFEST.to_owned()),
        ..Craft::of("diagnosis-plugin")
    };
    let liar: Arc<[u8]> = liar.build().into();
    // Its code is compiled and kept; that it lies is found out each time.
    for _ in 0..2 {
        let refused = cached(&cache).install(liar.clone()).await;
        assert!(
            matches!(refused, Err(InstallError::ManifestDiffers { .. })),
            "{refused:?}"
        );
        let seal = fs::read_to_string(files(&cache, ".seal").remove(0)).unwrap();
        assert!(!seal.contains("described"), "{seal}");
    }
}

#[tokio::test]
async fn compiled_code_that_nobody_used_for_a_month_is_removed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("compiled");
    install(&cached(&cache)).await;
    let (compiled, seal) = (
        files(&cache, ".cwasm").remove(0),
        files(&cache, ".seal").remove(0),
    );
    let of_an_old_engine = cache.join("00ff-0123456789abcdef.cwasm");
    let (half, own) = (cache.join("0011.new"), cache.join("notes.txt"));
    for path in [&of_an_old_engine, &half, &own] {
        fs::write(path, "old").unwrap();
    }
    let now = fs::metadata(&seal).unwrap().modified().unwrap();
    let age = |path: &Path, days: u64| {
        let at = now - std::time::Duration::from_secs(days * 86_400);
        fs::File::open(path).unwrap().set_modified(at).unwrap();
    };
    for path in [&compiled, &seal, &of_an_old_engine, &half, &own] {
        age(path, 29);
    }
    let sandbox = cached(&cache);
    assert!(of_an_old_engine.exists() && half.exists() && compiled.exists());
    // Used: it is young again.
    install(&sandbox).await;
    for path in [&compiled, &of_an_old_engine, &half, &own] {
        age(path, 31);
    }
    cached(&cache);
    assert!(!of_an_old_engine.exists() && !half.exists());
    assert!(compiled.exists() && seal.exists() && own.exists());
    age(&seal, 31);
    cached(&cache);
    assert!(!compiled.exists() && !seal.exists());
    // And is compiled again where it is wanted.
    install(&cached(&cache)).await;
    assert!(compiled.exists());
}

#[tokio::test]
async fn where_address_space_is_short_there_is_a_smaller_pool_or_none_and_plugins_run() {
    if std::env::var_os("STANCH_TEST_SMALL").is_none() {
        // Itself again, with less address space than a pool of this size needs.
        for (space, expected) in [("400000000", "Pooled"), ("12000000", "OnDemand")] {
            let output = std::process::Command::new("sh")
                .args(["-c", r#"ulimit -v "$1" && exec "$0" --exact "$2" --nocapture"#])
                .arg(std::env::current_exe().unwrap())
                .args([
                    space,
                    "where_address_space_is_short_there_is_a_smaller_pool_or_none_and_plugins_run",
                ])
                .env("STANCH_TEST_SMALL", "yes")
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(
                output.status.success(),
                "{said} {}",
                String::from_utf8_lossy(&output.stderr)
            );
            assert!(said.contains(expected), "{space}: {said}");
        }
        return;
    }
    let sandbox = Sandbox::new(&SandboxOptions {
        cache: None,
        calls: 256,
        ..SandboxOptions::default()
    })
    .unwrap();
    println!("{:?}", sandbox.allocation());
    assert_ne!(sandbox.allocation(), &Allocation::Pooled { calls: 256 });
    let plugin = installation(&sandbox, install(&sandbox).await, Limits::default());
    plugin.diagnose(&context(), &json!({})).await.result.unwrap();
}

#[tokio::test]
async fn a_folder_that_others_can_enter_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let options = SandboxOptions {
        cache: Some(folder.path().to_owned()),
        calls: 4,
        ..SandboxOptions::default()
    };
    let error = Sandbox::new(&options).unwrap_err().to_string();
    assert!(error.contains("others can enter it (mode 755)"), "{error}");
}
