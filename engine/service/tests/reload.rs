//! Reloads of real files: what is good stays, what is taken away goes, and everybody is told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests stop here"
)]
#![allow(clippy::disallowed_methods, reason = "tests write the files that are read")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use stanch_contract::{Digest, PluginKey};
use stanch_runbook::model::Mode;
use stanch_service::reload::{LoadError, Reloader, RollbackError, Watch};
use stanch_service::{ProblemKind, Snapshot};
use support::files::{Site, plugin, runbook, swap_link, until};
use tokio_util::sync::CancellationToken;

fn look() -> PluginKey {
    PluginKey::from("look")
}

fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.runbooks.keys().map(String::as_str).collect()
}

fn now(reloader: &Reloader) -> Arc<Snapshot> {
    reloader.current().load()
}

/// The only problem.
fn problem(snapshot: &Snapshot) -> (ProblemKind, &str, Option<Digest>) {
    let [problem] = snapshot.problems.as_slice() else {
        panic!("{:#?}", snapshot.problems)
    };
    (problem.kind, problem.message.as_str(), problem.kept)
}

#[tokio::test]
async fn a_runbook_that_is_added_changed_or_removed_is_so_at_the_next_look_and_the_others_are_not_loaded_again()
 {
    let site = Site::new(&["a", "b"]);
    let reloader = site.start().await.unwrap();
    let first = now(&reloader);
    assert_eq!((first.generation, names(&first)), (1, vec!["a", "b"]));
    assert_eq!(first.problems, []);
    assert_eq!(first.index.len(), 2);

    assert_eq!(reloader.look().await.changes, Vec::<String>::new());
    assert_eq!(
        now(&reloader).generation,
        1,
        "nothing changed, nothing is swapped"
    );

    site.write(
        "runbooks/b.toml",
        runbook("b", "depth").replace("A runbook", "Another title"),
    );
    site.write("runbooks/c.toml", runbook("c", "depth"));
    assert_eq!(
        reloader.look().await.changes,
        ["changed runbook `b`", "added runbook `c`"]
    );
    let second = now(&reloader);
    assert_eq!((second.generation, names(&second)), (2, vec!["a", "b", "c"]));
    assert!(Arc::ptr_eq(&first.runbooks["a"], &second.runbooks["a"]));
    assert_eq!(second.runbooks["b"].runbook.title, "Another title");
    assert_eq!(second.index.get("b").unwrap().title, "Another title");
    assert_eq!(
        first.runbooks["b"].runbook.title, "A runbook",
        "who holds a snapshot keeps it"
    );

    site.remove("runbooks/a.toml");
    assert_eq!(reloader.look().await.changes, ["removed runbook `a`"]);
    assert_eq!(names(&now(&reloader)), ["b", "c"]);
    assert!(now(&reloader).index.get("a").is_none());
}

#[tokio::test]
async fn a_runbook_that_does_not_load_leaves_the_last_good_one_and_is_told_until_it_loads_again() {
    let site = Site::new(&["a"]);
    let reloader = site.start().await.unwrap();
    let good = now(&reloader).runbooks["a"].runbook.digest;
    for (what, broken) in [
        ("unknown key", runbook("a", "depth") + "colour = \"red\"\n"),
        ("parameters that do not fit", runbook("a", "width")),
        ("not TOML", "name = ".to_owned()),
        ("another name", runbook("b", "depth")),
    ] {
        site.write("runbooks/a.toml", broken);
        let reloaded = reloader.look().await;
        let snapshot = now(&reloader);
        assert_eq!(reloaded.changes, Vec::<String>::new(), "{what}");
        assert_eq!(
            snapshot.generation, 1,
            "{what}: the content is the same, and so is its number"
        );
        assert_eq!(snapshot.runbooks["a"].runbook.digest, good, "{what}");
        let (kind, message, kept) = problem(&snapshot);
        assert_eq!((kind, kept), (ProblemKind::Runbook, Some(good)), "{what}");
        assert!(message.starts_with("runbooks/a.toml:"), "{what}: {message}");
        assert!(
            snapshot.problems[0].rendered.contains("runbooks/a.toml"),
            "{what}"
        );
        assert_eq!(reloaded.problems, snapshot.problems);
    }
    site.write("runbooks/a.toml", [0xff, 0xfe]);
    reloader.look().await;
    assert!(problem(&now(&reloader)).1.contains("not UTF-8"));
    assert!(
        site.metrics
            .encode()
            .contains("stanch_load_problems{kind=\"runbook\"} 1")
    );

    site.write(
        "runbooks/a.toml",
        runbook("a", "depth").replace("A runbook", "Mended"),
    );
    assert_eq!(reloader.look().await.problems, []);
    assert_eq!(now(&reloader).runbooks["a"].runbook.title, "Mended");
    assert_eq!(now(&reloader).generation, 2);
    assert!(
        site.metrics
            .encode()
            .contains("stanch_load_problems{kind=\"runbook\"} 0")
    );
}

#[tokio::test]
async fn at_the_start_what_is_broken_is_left_out_and_told_and_without_stanch_toml_there_is_none() {
    let site = Site::new(&["a", "b"]);
    site.write("runbooks/b.toml", "name = 3");
    let reloader = site.start().await.unwrap();
    assert_eq!(names(&now(&reloader)), ["a"]);
    assert_eq!(problem(&now(&reloader)).2, None);

    site.settings("colour = \"red\"\n");
    let Err(LoadError::Wrong(errors)) = site.start().await else {
        panic!()
    };
    assert!(errors.render(false, 100).contains("colour"));
    site.remove("stanch.toml");
    assert!(matches!(site.start().await, Err(LoadError::Unreadable { .. })));
}

#[tokio::test]
async fn a_broken_stanch_toml_changes_nothing_and_a_good_one_everything() {
    let site = Site::new(&["a"]);
    let reloader = site.start().await.unwrap();
    for broken in ["[guardrails]\nmax_open = 0\n", "[sever]\n", "= ="] {
        site.settings(broken);
        reloader.look().await;
        let snapshot = now(&reloader);
        let (kind, _, kept) = problem(&snapshot);
        assert_eq!(
            (kind, kept),
            (ProblemKind::Settings, Some(snapshot.settings.digest))
        );
        assert_eq!(
            (snapshot.generation, snapshot.settings.guardrails.max_open),
            (1, 5)
        );
    }
    site.remove("stanch.toml");
    reloader.look().await;
    assert_eq!(problem(&now(&reloader)).1, "there is no such file");
    assert_eq!(names(&now(&reloader)), ["a"]);

    site.settings("[guardrails]\nmax_open = 2\n[vars]\nplace = \"here\"\n");
    assert_eq!(
        reloader.look().await.changes,
        ["changed stanch.toml", "changed runbook `a`"]
    );
    let snapshot = now(&reloader);
    assert_eq!(
        (snapshot.problems.len(), snapshot.settings.guardrails.max_open),
        (0, 2)
    );
    assert_eq!(
        snapshot.runbooks["a"].source.vars["place"], "here",
        "what a runbook means depends on vars"
    );
}

#[tokio::test]
async fn what_cannot_change_while_running_keeps_its_value_and_says_so() {
    let site = Site::new(&["a"]);
    let reloader = site.start().await.unwrap();
    site.settings("[server]\nlisten = \"127.0.0.1:1\"\n[guardrails]\nmax_open = 3\n");
    reloader.look().await;
    let snapshot = now(&reloader);
    assert_eq!(snapshot.settings.server.listen.port(), 9440);
    assert_eq!(snapshot.settings.guardrails.max_open, 3, "the rest takes hold");
    assert!(
        problem(&snapshot)
            .1
            .contains("`[server]` cannot change while the engine runs")
    );
    site.settings("[guardrails]\nmax_open = 3\n");
    reloader.look().await;
    assert_eq!(now(&reloader).problems, []);
}

#[tokio::test]
async fn a_plugin_is_swapped_and_a_broken_one_is_not() {
    let site = Site::new(&["a"]);
    let reloader = site.start().await.unwrap();
    let first = now(&reloader);
    let one = first.plugins[&look()].digest;
    assert_eq!(one, Digest::of(&plugin(1, "depth")));
    for broken in [b"not wasm".to_vec(), vec![], plugin(2, "depth")[..200].to_vec()] {
        site.write("plugins/look.wasm", broken);
        reloader.look().await;
        let snapshot = now(&reloader);
        assert!(Arc::ptr_eq(&snapshot.plugins[&look()], &first.plugins[&look()]));
        let (kind, _, kept) = problem(&snapshot);
        assert_eq!((kind, kept), (ProblemKind::Plugin, Some(one)));
    }
    site.write("plugins/look.wasm", plugin(2, "depth"));
    reloader.look().await;
    let snapshot = now(&reloader);
    assert_eq!((snapshot.generation, snapshot.problems.len()), (2, 0));
    assert_eq!(snapshot.plugins[&look()].facts.manifest.version, "2.0.0");
    let lock = std::fs::read_to_string(site.at("stanch.lock")).unwrap();
    assert!(
        lock.contains(&Digest::of(&plugin(2, "depth")).to_string()),
        "{lock}"
    );
}

#[tokio::test]
async fn a_plugin_whose_new_version_does_not_fit_a_loaded_runbook_stays_until_both_are_changed() {
    let site = Site::new(&["a", "b"]);
    let reloader = site.start().await.unwrap();
    let one = now(&reloader).plugins[&look()].digest;
    site.write("plugins/look.wasm", plugin(2, "width"));
    reloader.look().await;
    let snapshot = now(&reloader);
    assert_eq!((snapshot.generation, names(&snapshot)), (1, vec!["a", "b"]));
    assert_eq!(snapshot.plugins[&look()].digest, one);
    let held = snapshot
        .problems
        .iter()
        .find(|problem| problem.kind == ProblemKind::Plugin)
        .unwrap();
    assert!(
        held.message.contains("does not fit the runbook"),
        "{}",
        held.message
    );
    assert_eq!(held.kept, Some(one));

    // One runbook alone is not enough: the other would be left without a version that loads.
    site.write("runbooks/a.toml", runbook("a", "width"));
    reloader.look().await;
    assert_eq!(now(&reloader).plugins[&look()].digest, one);
    site.write("runbooks/b.toml", runbook("b", "width"));
    reloader.look().await;
    let snapshot = now(&reloader);
    assert_eq!((snapshot.generation, snapshot.problems.len()), (2, 0));
    assert_eq!(snapshot.plugins[&look()].facts.manifest.version, "2.0.0");
}

#[tokio::test]
async fn a_pin_that_does_not_fit_is_told_and_the_loaded_plugin_stays() {
    let site = Site::new(&["a"]);
    let reloader = site.start().await.unwrap();
    let (one, two) = (Digest::of(&plugin(1, "depth")), Digest::of(&plugin(2, "depth")));
    site.settings(&format!("sha256 = \"{two}\"\n"));
    reloader.look().await;
    let snapshot = now(&reloader);
    assert_eq!(snapshot.plugins[&look()].digest, one);
    assert!(
        problem(&snapshot)
            .1
            .contains("is not what `sha256` of stanch.toml says")
    );
    site.write("plugins/look.wasm", plugin(2, "depth"));
    reloader.look().await;
    assert_eq!(now(&reloader).plugins[&look()].digest, two);
    assert_eq!(now(&reloader).problems, []);
}

#[tokio::test]
async fn a_removed_plugin_is_gone_at_once_and_its_runbooks_say_so() {
    let site = Site::new(&["a"]);
    let reloader = site.start().await.unwrap();
    site.remove("plugins/look.wasm");
    reloader.look().await;
    let snapshot = now(&reloader);
    assert!(snapshot.plugins.is_empty());
    assert_eq!(
        names(&snapshot),
        ["a"],
        "the runbook did nothing wrong: what it asks of the plugin is refused"
    );
    let kinds: Vec<_> = snapshot.problems.iter().map(|problem| problem.kind).collect();
    assert_eq!(kinds, [ProblemKind::Plugin, ProblemKind::Runbook]);
    site.write("plugins/look.wasm", plugin(1, "depth"));
    reloader.look().await;
    assert_eq!(now(&reloader).problems, []);
    assert_eq!(now(&reloader).plugins.len(), 1);
}

#[tokio::test]
async fn what_the_operator_takes_away_is_gone_also_where_a_runbook_is_broken() {
    let site = Site::new(&["a"]);
    let reloader = site.start().await.unwrap();
    assert_eq!(now(&reloader).runbooks["a"].runbook.mode, Mode::Auto);
    // A plugin is withdrawn from the folder: nothing that uses it stays.
    site.write(
        "stanch.toml",
        support::files::SETTINGS.replace("\"runbooks\"", "\"runbooks\"\nplugins = [\"other\"]"),
    );
    reloader.look().await;
    assert!(now(&reloader).runbooks.is_empty());
}

#[tokio::test]
async fn a_runbook_that_may_do_less_than_it_says_only_plans_until_it_says_less() {
    let site = Site::new(&["a"]);
    let reloader = site.start().await.unwrap();
    site.write(
        "stanch.toml",
        support::files::SETTINGS.replace("\"runbooks\"", "\"runbooks\"\nmax_mode = \"ask\""),
    );
    reloader.look().await;
    assert_eq!(now(&reloader).runbooks["a"].runbook.mode, Mode::Shadow);
    assert!(problem(&now(&reloader)).1.contains("more than its folder allows"));
    site.write(
        "runbooks/a.toml",
        runbook("a", "depth").replace("\"auto\"", "\"ask\""),
    );
    reloader.look().await;
    assert_eq!(now(&reloader).runbooks["a"].runbook.mode, Mode::Ask);
    assert_eq!(now(&reloader).problems, []);
}

#[tokio::test]
async fn a_name_belongs_to_who_had_it_first() {
    let site = Site::new(&["a"]);
    std::fs::create_dir(site.at("aaa")).unwrap();
    let reloader = site.start().await.unwrap();
    site.write(
        "aaa/a.toml",
        runbook("a", "depth").replace("A runbook", "A usurper"),
    );
    site.write(
        "stanch.toml",
        format!("[[runbooks]]\npath = \"aaa\"\n{}", support::files::SETTINGS),
    );
    reloader.look().await;
    assert_eq!(now(&reloader).runbooks["a"].runbook.title, "A runbook");
    assert!(problem(&now(&reloader)).1.contains("the name `a` is taken"));
    site.remove("runbooks/a.toml");
    reloader.look().await;
    assert_eq!(now(&reloader).runbooks["a"].runbook.title, "A usurper");
    assert_eq!(now(&reloader).problems, []);
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_keeps_what_was_read_of_it() {
    let site = Site::new(&["a"]);
    let reloader = site.start().await.unwrap();
    std::fs::rename(site.at("runbooks"), site.at("elsewhere")).unwrap();
    reloader.look().await;
    assert_eq!(names(&now(&reloader)), ["a"]);
    assert!(
        problem(&now(&reloader))
            .1
            .starts_with("the folder cannot be read")
    );
    std::fs::create_dir(site.at("runbooks")).unwrap();
    reloader.look().await;
    assert_eq!(
        names(&now(&reloader)),
        Vec::<&str>::new(),
        "an empty folder is an answer"
    );
}

#[tokio::test]
async fn a_rollback_puts_back_what_was_there_and_holds_until_a_file_changes() {
    let site = Site::new(&["a"]);
    let reloader = site.start().await.unwrap();
    assert_eq!(
        reloader.rollback(None).await.unwrap_err(),
        RollbackError::NothingBefore
    );
    for title in ["two", "three"] {
        site.write(
            "runbooks/a.toml",
            runbook("a", "depth").replace("A runbook", title),
        );
        reloader.look().await;
    }
    let title = || now(&reloader).runbooks["a"].runbook.title.clone();
    assert_eq!((now(&reloader).generation, title().as_str()), (3, "three"));

    let back = reloader.rollback(None).await.unwrap();
    assert_eq!(
        (back.generation, back.changes.as_slice()),
        (4, ["changed runbook `a`".to_owned()].as_slice())
    );
    assert_eq!((title().as_str(), now(&reloader).held), ("two", Some(2)));
    assert_eq!(now(&reloader).index.get("a").unwrap().title, "two");
    reloader.look().await;
    assert_eq!(title(), "two", "it holds while no file changes");
    reloader.rollback(None).await.unwrap();
    assert_eq!((title().as_str(), now(&reloader).held), ("A runbook", Some(1)));
    assert_eq!(
        reloader.rollback(Some(5)).await.unwrap_err(),
        RollbackError::IsLoaded(5)
    );
    assert_eq!(
        reloader.rollback(Some(77)).await.unwrap_err(),
        RollbackError::NotKept {
            wanted: 77,
            kept: vec![1, 2, 3, 4]
        }
    );
    reloader.rollback(Some(3)).await.unwrap();
    assert_eq!(title(), "three");

    reloader.rollback(Some(2)).await.unwrap();
    site.write("runbooks/b.toml", runbook("b", "depth"));
    reloader.look().await;
    assert_eq!(
        (title().as_str(), now(&reloader).held),
        ("three", None),
        "a file changed: all files count"
    );
    reloader.rollback(Some(2)).await.unwrap();
    reloader.reload().await;
    assert_eq!(
        (title().as_str(), now(&reloader).held),
        ("three", None),
        "a person asked for what the files say"
    );
}

#[tokio::test]
async fn a_secret_has_its_new_value_without_another_generation() {
    let site = Site::new(&["a"]);
    site.write("token", "first-value");
    site.settings("[secrets]\ntoken = { file = \"token\" }\n");
    let reloader = site.start().await.unwrap();
    assert_eq!(site.secrets.value("token").unwrap().expose(), b"first-value");
    site.write("token", "second-value");
    reloader.look().await;
    assert_eq!(site.secrets.value("token").unwrap().expose(), b"second-value");
    assert_eq!(now(&reloader).generation, 1);
}

#[tokio::test]
async fn a_kubeconfig_that_breaks_is_told_and_what_was_read_before_stays() {
    let site = Site::new(&["a"]);
    // That nobody is there is no mistake of the file.
    let good = r#"{ "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{ "name": "c", "cluster": { "server": "https://127.0.0.1:1" } }],
        "users": [{ "name": "c", "user": { "token": "hunter2hunter2" } }],
        "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "c" } }] }"#;
    site.write("eu.kubeconfig", good);
    let settings = "[clusters.eu]\nkubeconfig = \"eu.kubeconfig\"\n";
    site.settings(settings);
    let reloader = site.start().await.unwrap();
    assert_eq!(now(&reloader).problems, []);
    let server = || reloader.clusters().states()[0].server.clone();
    assert!(server().is_some_and(|server| server.starts_with("https://127.0.0.1:1")));

    site.write("eu.kubeconfig", "token: hunter2hunter2: }");
    reloader.look().await;
    let broken = now(&reloader);
    let (kind, message, _) = problem(&broken);
    assert_eq!(kind, ProblemKind::Cluster);
    assert!(
        message.contains("eu.kubeconfig") && !message.contains("hunter2"),
        "{message}"
    );
    assert!(broken.problems[0].rendered.contains("what was read before stays"));
    assert!(server().is_some());
    assert_eq!(names(&now(&reloader)), ["a"], "runbooks are loaded all the same");

    // A setting that names something else keeps nothing.
    site.settings(&settings.replace("eu.kubeconfig", "other.kubeconfig"));
    reloader.look().await;
    assert!(server().is_none() && !now(&reloader).problems[0].rendered.contains("stays"));

    site.settings(settings);
    site.write("eu.kubeconfig", good);
    reloader.look().await;
    assert_eq!(now(&reloader).problems, []);
    site.settings("");
    reloader.look().await;
    assert_eq!(reloader.clusters().states(), [], "one that is taken away is gone");
}

fn watch(reloader: &Arc<Reloader>, watch: Watch) -> CancellationToken {
    let ending = CancellationToken::new();
    tokio::spawn(watch.run(Arc::clone(reloader), ending.clone()));
    ending
}

/// Events alone: nothing is looked at without one.
const EVENTS: Watch = Watch {
    events: true,
    settle: Duration::from_millis(20),
    poll: Duration::from_secs(3600),
    sweep: Duration::from_secs(3600),
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_noticed_by_the_systems_event() {
    let site = Site::new(&["a"]);
    let reloader = site.start().await.unwrap();
    let mut generations = reloader.generations();
    let ending = watch(&reloader, EVENTS);
    tokio::time::sleep(Duration::from_millis(200)).await;
    site.write(
        "runbooks/a.toml",
        runbook("a", "depth").replace("A runbook", "By rename"),
    );
    until("renamed in its place", || {
        now(&reloader).runbooks["a"].runbook.title == "By rename"
    })
    .await;
    assert!(generations.has_changed().unwrap());
    assert_eq!(*generations.borrow_and_update(), 2);
    std::fs::write(
        site.at("runbooks/a.toml"),
        runbook("a", "depth").replace("A runbook", "Written over"),
    )
    .unwrap();
    until("written over", || {
        now(&reloader).runbooks["a"].runbook.title == "Written over"
    })
    .await;
    site.write("plugins/look.wasm", plugin(2, "depth"));
    until("a plugin", || {
        now(&reloader).plugins[&look()].facts.manifest.version == "2.0.0"
    })
    .await;
    site.settings("[guardrails]\nmax_open = 2\n");
    until("stanch.toml", || now(&reloader).settings.guardrails.max_open == 2).await;
    // A folder that stanch.toml names from now on is watched from now on.
    std::fs::create_dir(site.at("more")).unwrap();
    site.settings("[[runbooks]]\npath = \"more\"\n");
    until("another folder", || now(&reloader).settings.folders.len() == 2).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    site.write("more/b.toml", runbook("b", "depth"));
    until("a file in it", || now(&reloader).runbooks.contains_key("b")).await;
    ending.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mounted_config_map_is_swapped_as_kubernetes_does() {
    let site = Site::new(&[]);
    // runbooks/a.toml → ..data/a.toml, runbooks/..data → ..one; then ..data → ..two by rename.
    for (version, title) in [("..one", "First"), ("..two", "Second")] {
        std::fs::create_dir(site.at("runbooks").join(version)).unwrap();
        let text = runbook("a", "depth").replace("A runbook", title);
        std::fs::write(site.at("runbooks").join(version).join("a.toml"), text).unwrap();
    }
    std::os::unix::fs::symlink("..one", site.at("runbooks/..data")).unwrap();
    std::os::unix::fs::symlink("..data/a.toml", site.at("runbooks/a.toml")).unwrap();
    let reloader = site.start().await.unwrap();
    assert_eq!(now(&reloader).runbooks["a"].runbook.title, "First");
    assert_eq!(names(&now(&reloader)), ["a"]);
    let ending = watch(&reloader, EVENTS);
    tokio::time::sleep(Duration::from_millis(200)).await;
    swap_link("..two".as_ref(), &site.at("runbooks/..data"));
    until("the second version", || {
        now(&reloader).runbooks["a"].runbook.title == "Second"
    })
    .await;
    ending.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_events_a_change_is_found_by_looking() {
    let site = Site::new(&["a"]);
    let reloader = site.start().await.unwrap();
    let poll = Watch {
        events: false,
        poll: Duration::from_millis(50),
        ..EVENTS
    };
    let ending = watch(&reloader, poll);
    site.write(
        "runbooks/a.toml",
        runbook("a", "depth").replace("A runbook", "Found"),
    );
    until("found by looking", || {
        now(&reloader).runbooks["a"].runbook.title == "Found"
    })
    .await;
    ending.cancel();
}
