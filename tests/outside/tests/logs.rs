//! What the engine says while it works, at the most talkative level: for a program each line is JSON, and a secret is in none,
//! nor in the journal.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

mod world;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use stanch_outside::counter::Counter;
use stanch_outside::run::ending;
use stanch_outside::serve::{Engine, program};
use world::story::{Said, attend, runbook};
use world::{PATIENCE, TOKEN, World, about, packed};

/// Every file under a folder that has this in it.
fn with(folder: &Path, what: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(with(&path, what));
        } else if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            if bytes.windows(what.len()).any(|window| window == what.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

/// A whole run, logged as these words say; what was logged.
fn logged(words: &[&str]) -> String {
    let counter = Counter::open(1, Duration::ZERO).unwrap();
    let runbooks = [("effects", runbook("effects", "Effects", "effect", 1, ""))];
    let plugins = [("effect", packed("effect-once")), ("probe", packed("http-probe"))];
    let world = World::new(counter, &runbooks, &plugins);
    // The gate adds the secret to every call.
    let settings = world.scratch.path().join("stanch.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let text = text.replace(
        "[secrets]\n",
        "[secrets]\nserver = { env = \"WEBHOOK_SECRET\" }\n",
    );
    let with_header = "headers = { authorization = \"Bearer ${secret:server}\" }\nread = [\"GET\"]";
    let text = text.replace("read = [\"GET\"]", with_header);
    world.scratch.write("stanch.toml", text).unwrap();

    let stanch = program("stanch").unwrap();
    let engine = Engine::start_with(&stanch, world.scratch.path(), world.listens, TOKEN, words)
        .unwrap_or_else(|why| panic!("{why}"));
    world.deliver(&about("Effects", &["case".to_owned()], true));
    let (began, mut said) = (Instant::now(), Said::default());
    loop {
        let view = world.run_of("case").unwrap();
        if ending(&view) == Some("healed") {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{view:#}");
        attend(&world, &engine, "Effects", "case", &view, &mut said).unwrap();
        std::thread::sleep(Duration::from_millis(10));
    }
    let made = world.counter.made();
    assert!(
        !made.is_empty() && made.iter().all(|effect| effect.authorization.ends_with(TOKEN)),
        "the secret went where it belongs: {made:?}"
    );
    engine.stop().unwrap();
    let log = std::fs::read_to_string(world.scratch.path().join("engine.log")).unwrap();
    assert_eq!(with(world.scratch.path(), TOKEN), Vec::<String>::new());
    log
}

#[test]
fn for_a_program_each_line_is_json_and_no_secret_is_in_a_log_or_in_the_journal() {
    let log = logged(&["--log", "trace", "--log-json"]);
    assert!(log.contains("\"TRACE\""), "{log}");
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
        for key in ["timestamp", "level", "target"] {
            assert!(line[key].is_string(), "{line}");
        }
    }
    assert!(log.contains("\"serving\""), "{log}");
}

#[test]
fn for_a_person_a_line_is_text_without_colours_where_nobody_looks() {
    let log = logged(&[]);
    assert!(log.contains("INFO") && log.contains("serving"), "{log}");
    assert!(!log.contains('\u{1b}'), "{log}");
    assert!(!log.contains("TRACE"), "{log}");
}
