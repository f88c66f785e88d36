//! `stanch test` of the built binary, on a runbook whose every step a person does.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(clippy::disallowed_methods, reason = "tests write the files that are read")]

use stanch_outside::serve::command;
use std::path::Path;

const RUNBOOK: &str = r#"
name = "by-hand"
title = "By hand"
owner = "tests"
mode = "ask"
[trigger]
alert = "Broken"
[impact]
severity = "low"
summary = "None."
[[mitigation]]
id = "mend"
do = "Mend it"
by_hand = "With glue"
[recovery]
stable_for = "5m"
"#;

fn test_of(ending: &str) -> String {
    format!(
        "[[test]]\nname = \"mended by hand\"\n[[test.alert]]\nlabels = {{ alertname = \"Broken\" }}\n\
         [[test.person]]\nat = \"2m\"\nstep = \"mend\"\ndoes = \"done\"\n\
         [[test.alert]]\nat = \"4m\"\nstatus = \"resolved\"\nlabels = {{ alertname = \"Broken\" }}\n\
         [test.expect]\nending = \"{ending}\"\nwithin = \"9m\"\nsteps = {{ mend = \"yes\" }}\n"
    )
}

/// The exit code, the standard output and the standard error stream of `stanch test` with these paths.
fn stanch_test(folder: &Path, paths: &[&str]) -> (i32, String, String) {
    let stanch = env!("CARGO_BIN_EXE_stanch").as_ref();
    let output = command(stanch, folder, &[&["test"], paths].concat())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn a_test_that_passes_is_a_line_and_one_that_fails_says_what_was_expected_and_what_happened() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| std::fs::write(folder.path().join(path), text).unwrap();
    std::fs::create_dir(folder.path().join("runbooks")).unwrap();
    write("stanch.toml", "[[runbooks]]\npath = \"runbooks\"\n");
    write("runbooks/by-hand.toml", RUNBOOK);

    write("runbooks/by-hand.test.toml", &test_of("healed"));
    let (code, out, err) = stanch_test(folder.path(), &[]);
    assert_eq!(
        out, "ok     by-hand: mended by hand\n\n1 passed, 0 failed\n",
        "{err}"
    );
    assert_eq!((code, err.as_str()), (0, ""));

    write("runbooks/by-hand.test.toml", &test_of("mitigated"));
    let (code, out, err) = stanch_test(folder.path(), &["runbooks/by-hand.toml"]);
    assert_eq!(code, 4, "{err}");
    for says in [
        "failed by-hand: mended by hand",
        "`ending` is expected to be mitigated, and is healed",
        "done by hand, says `dana`",
        "0 passed, 1 failed",
    ] {
        assert!(out.contains(says), "{says}: {out}");
    }
}

#[test]
fn what_cannot_be_played_does_not_pass() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| std::fs::write(folder.path().join(path), text).unwrap();
    std::fs::create_dir(folder.path().join("runbooks")).unwrap();
    write("stanch.toml", "[[runbooks]]\npath = \"runbooks\"\n");
    write("runbooks/by-hand.toml", RUNBOOK);

    write("runbooks/by-hnad.test.toml", &test_of("healed"));
    let (code, _, err) = stanch_test(folder.path(), &[]);
    assert_eq!(code, 4);
    assert!(
        err.contains("by-hnad.test.toml` tests no runbook"),
        "a misspelt name: {err}"
    );
    std::fs::rename(
        folder.path().join("runbooks/by-hnad.test.toml"),
        folder.path().join("away"),
    )
    .unwrap();

    write(
        "runbooks/by-hand.test.toml",
        &test_of("healed").replace("mend", "mned"),
    );
    let (code, _, err) = stanch_test(folder.path(), &[]);
    assert_eq!(code, 4);
    assert!(err.contains("no check or step `mned`"), "a misspelt step: {err}");

    write("runbooks/by-hand.toml", &RUNBOOK.replace("[trigger]", "[triger]"));
    let (code, _, err) = stanch_test(folder.path(), &[]);
    assert_eq!(code, 4);
    assert!(
        err.contains("triger"),
        "a runbook that does not load has no test that passes: {err}"
    );
}
