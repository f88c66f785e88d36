//! What docs/plugin-author.md shows is what compiles here.

#![allow(clippy::unwrap_used, reason = "a test stops there")]

#[test]
fn the_first_plugin_of_the_guide_is_the_example() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let guide = std::fs::read_to_string(format!("{root}/docs/plugin-author.md")).unwrap();
    let example =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/health.rs")).unwrap();
    // An example has the name of its crate, the kit's, and so says its own.
    let example = example.replace("About::new(\"health\", \"0.1.0\", ", "about!(");
    let code = example.split_once("\n\n").unwrap().1;
    assert!(guide.contains(code), "the guide does not show:\n{code}");
    let lines = code
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.trim().starts_with("//"))
        .count();
    assert!(lines <= 22, "the first plugin has {lines} lines");
}

#[test]
fn the_cases_of_the_guide_are_those_of_a_new_project_and_of_a_shipped_plugin() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let guide = std::fs::read_to_string(format!("{root}/docs/plugin-author.md")).unwrap();
    for case in [
        "plugin-sdk/tools/templates/cases/diagnosis/busy",
        "plugin-sdk/tools/templates/cases/remediation/blocked",
        "plugins/config-switch/cases/switched",
    ] {
        let path = format!("{root}/{case}.case.toml");
        let text = std::fs::read_to_string(path).unwrap();
        assert!(
            guide.contains(&format!("```toml\n{text}```")),
            "the guide does not show:\n{text}"
        );
    }
}
