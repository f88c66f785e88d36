//! Folders: what may be looked at, written and removed, and what is never followed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use stanch_contract::{Action, Digest, FailureCode};
use stanch_sandbox::files::Entry;
use stanch_sandbox::gate::{Access, Cause, FilesGrantSpec, GrantSpec};
use tempfile::TempDir;

use crate::world::*;

struct Tree {
    root: TempDir,
    world: World,
}

impl Tree {
    /// `in/` is granted as `scratch`; `out/` is not.
    fn new(access: Access) -> Self {
        let root = TempDir::new().unwrap();
        fs::create_dir(root.path().join("in")).unwrap();
        fs::create_dir(root.path().join("out")).unwrap();
        put(&root.path().join("out/secret"), "outside", 1_600_000_000_000);
        let path = root.path().join("in").to_str().unwrap().to_owned();
        let files = vec![FilesGrantSpec {
            path,
            at: "scratch".into(),
            access,
        }];
        let world = World::new(GrantSpec {
            files,
            ..Default::default()
        });
        Self { root, world }
    }

    fn inside(&self, path: &str) -> std::path::PathBuf {
        self.root.path().join("in").join(path)
    }

    fn put(&self, path: &str, content: &str, modified_ms: u64) {
        put(&self.inside(path), content, modified_ms);
    }

    fn link(&self, to: impl AsRef<Path>, at: &str) {
        symlink(to, self.inside(at)).unwrap();
    }
}

#[allow(clippy::disallowed_methods, reason = "a test makes its own files")]
fn put(path: &Path, content: &str, modified_ms: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(modified_ms);
    fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(time)
        .unwrap();
}

fn entry(path: &str, content: &str, modified_ms: u64) -> Entry {
    Entry {
        path: path.into(),
        kind: "file".into(),
        bytes: content.len() as f64,
        modified_ms: modified_ms as f64,
    }
}

fn remove(items: &[&str]) -> Action {
    Action {
        items: items.iter().map(|item| (*item).to_owned()).collect(),
        ..action("remove", "file:scratch")
    }
}

fn write(path: &str, content: &str, expect: Option<&str>) -> Action {
    Action {
        content: Some(format!("sha256:{}", Digest::of(content.as_bytes()))),
        expect: expect.map(str::to_owned),
        ..action("write", &format!("file:{path}"))
    }
}

#[tokio::test]
async fn a_folder_is_measured_scanned_and_read_and_its_neighbour_is_not() {
    let tree = Tree::new(Access::Read);
    tree.put("a.log", "hello", 1_700_000_000_123);
    tree.put("deep/er/b.log", "b", 1_700_000_000_000);
    let session = tree.world.reading();
    let space = session.files_usage("scratch").await.unwrap();
    assert!(space.total_bytes >= space.free_bytes && space.total_bytes > 0.0);
    let flat = session.files_scan("scratch", false, None).await.unwrap();
    let mut names: Vec<_> = flat
        .items
        .iter()
        .map(|e| (e.path.as_str(), e.kind.as_str()))
        .collect();
    names.sort_unstable();
    assert_eq!(names, [("scratch/a.log", "file"), ("scratch/deep", "directory")]);
    let all = session.files_scan("scratch", true, None).await.unwrap();
    assert_eq!(all.next, None);
    assert!(
        all.items
            .contains(&entry("scratch/a.log", "hello", 1_700_000_000_123))
    );
    assert!(all.items.iter().any(|e| e.path == "scratch/deep/er/b.log"));
    let below = session.files_scan("scratch/deep", true, None).await.unwrap();
    assert_eq!(below.items.len(), 2);
    assert_eq!(session.files_read("scratch/a.log", 4).await.unwrap(), b"hell");

    for path in ["other", "out/secret"] {
        let failure = session.files_read(path, 9).await.unwrap_err();
        assert_eq!(layer(&failure), "grant", "{path}");
        assert!(
            failure.message.contains("[[plugins.waf.grant.files]]"),
            "{failure}"
        );
    }
    assert_eq!(
        session.files_read("scratch/none", 9).await.unwrap_err().code,
        FailureCode::NotFound
    );
    assert_eq!(
        session.files_read("scratch/deep", 9).await.unwrap_err().code,
        FailureCode::Failed
    );
}

#[tokio::test]
async fn paths_that_lead_elsewhere_are_refused_before_anything_is_opened() {
    let tree = Tree::new(Access::Change);
    let session = tree.world.reading();
    for path in [
        "scratch/../out/secret",
        "/etc/passwd",
        "scratch//etc/passwd",
        "scratch/./a",
        "..",
        "",
        "scratch/a\0",
        "scratch/\n",
    ] {
        for failure in [
            session.files_read(path, 9).await.unwrap_err(),
            session.files_usage(path).await.unwrap_err(),
            session.files_scan(path, true, None).await.unwrap_err(),
            session.files_write(path, vec![]).await.unwrap_err(),
            session
                .files_remove(path, vec![entry("scratch/a", "", 1)])
                .await
                .unwrap_err(),
        ] {
            assert_eq!(layer(&failure), "request", "{path:?}");
        }
    }
}

#[tokio::test]
async fn links_never_lead_out_and_are_shown_as_links() {
    let tree = Tree::new(Access::Change);
    tree.put("real/a.log", "inside", 1_700_000_000_000);
    tree.link(tree.root.path().join("out"), "absolute");
    tree.link("../out", "relative");
    tree.link("../out/secret", "file");
    tree.link("real", "within");
    tree.link("loop", "loop");
    let session = tree.world.reading();
    for path in [
        "scratch/absolute/secret",
        "scratch/relative/secret",
        "scratch/file",
        "scratch/loop",
    ] {
        let failure = session.files_read(path, 99).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::Denied, "{path}: {failure}");
    }
    for path in ["scratch/absolute", "scratch/relative"] {
        assert!(session.files_scan(path, true, None).await.is_err(), "{path}");
        assert!(session.files_usage(path).await.is_err(), "{path}");
    }
    // The twin: a link that stays inside may be read through.
    assert_eq!(
        session.files_read("scratch/within/a.log", 99).await.unwrap(),
        b"inside"
    );
    let all = session.files_scan("scratch", true, None).await.unwrap();
    assert!(
        !all.items
            .iter()
            .any(|e| e.path.contains("secret") || e.path.starts_with("scratch/within/"))
    );
    assert_eq!(all.items.iter().filter(|e| e.kind == "link").count(), 5);
}

#[tokio::test]
async fn changes_go_through_no_link_not_even_one_that_stays_inside() {
    let tree = Tree::new(Access::Change);
    tree.put("real/a.log", "inside", 1_700_000_000_000);
    tree.link("real", "within");
    tree.link("../out", "relative");
    let check = |action| {
        stanch_sandbox::gate::check_plan(
            offer(vec![action]),
            &tree.world.grant,
            &tree.world.facilities,
            None,
            false,
        )
    };
    for item in [
        "scratch/within/a.log@1700000000000",
        "scratch/relative/secret@1600000000000",
        "scratch/within@1700000000000",
    ] {
        let refusal = check(remove(&[item])).await.unwrap_err();
        assert_eq!(refusal.cause, Cause::Rule, "{item}: {refusal}");
    }
    assert!(check(write("scratch/within/new", "x", None)).await.is_err());
    assert!(check(write("scratch/relative/new", "x", None)).await.is_err());
    assert!(check(write("scratch/within", "x", None)).await.is_err());
    assert!(check(remove(&["scratch/real/a.log@1700000000000"])).await.is_ok());
    assert!(check(write("scratch/real/new", "x", None)).await.is_ok());
}

#[tokio::test]
async fn a_folder_that_becomes_a_link_after_the_plan_is_not_followed() {
    let tree = Tree::new(Access::Change);
    tree.put("sub/secret", "outside", 1_600_000_000_000);
    let plan = tree
        .world
        .plan(vec![remove(&["scratch/sub/secret@1600000000000"])])
        .await;
    fs::rename(tree.inside("sub"), tree.inside("was")).unwrap();
    tree.link(tree.root.path().join("out"), "sub");
    let session = tree.world.applying(plan, BTreeMap::new());
    let removed = session
        .files_remove(
            "scratch",
            vec![entry("scratch/sub/secret", "outside", 1_600_000_000_000)],
        )
        .await
        .unwrap();
    assert!(removed.paths.is_empty());
    assert!(removed.refused[0].contains("link"), "{removed:?}");
    assert!(tree.root.path().join("out/secret").exists() && tree.inside("was/secret").exists());
    assert_eq!(tree.world.log.events(), ["started 0", "ended 0 refused"]);
}

#[tokio::test]
async fn a_granted_folder_that_is_exchanged_after_the_plan_is_another_one() {
    let tree = Tree::new(Access::Change);
    tree.put("a", "x", 1_700_000_000_000);
    let plan = tree.world.plan(vec![remove(&["scratch/a@1700000000000"])]).await;
    fs::rename(tree.root.path().join("in"), tree.root.path().join("was")).unwrap();
    put(&tree.root.path().join("out/a"), "x", 1_700_000_000_000);
    symlink(tree.root.path().join("out"), tree.root.path().join("in")).unwrap();
    let session = tree.world.applying(plan, BTreeMap::new());
    let failure = session
        .files_remove("scratch", vec![entry("scratch/a", "x", 1_700_000_000_000)])
        .await
        .unwrap_err();
    assert_eq!(failure.code, FailureCode::Conflict);
    assert!(tree.root.path().join("out/a").exists());
}

#[tokio::test]
async fn the_planned_files_are_removed_in_one_call_and_what_changed_stays() {
    let tree = Tree::new(Access::Change);
    for (name, content) in [("a", "1"), ("b", "22"), ("c", "333"), ("keep", "4")] {
        tree.put(name, content, 1_700_000_000_000);
    }
    let plan = tree
        .world
        .plan(vec![remove(&[
            "scratch/b@1700000000000",
            "scratch/a@1700000000000",
            "scratch/c@1700000000000",
        ])])
        .await;
    let action = &plan.actions[0];
    assert_eq!(
        action.items,
        [
            "scratch/a@1700000000000",
            "scratch/b@1700000000000",
            "scratch/c@1700000000000"
        ]
    );
    assert_eq!((action.bytes, action.repeat_safe), (Some(6), true));
    assert_eq!(
        action.identity,
        fs::canonicalize(tree.inside("")).unwrap().to_str().unwrap()
    );
    assert!(
        action.before.as_ref().unwrap().starts_with("3 files of 6 B in `"),
        "{:?}",
        action.before
    );
    tree.put("b", "22", 1_700_000_000_999);
    let all = |files: &[(&str, &str)]| {
        files
            .iter()
            .map(|(n, c)| entry(&format!("scratch/{n}"), c, 1_700_000_000_000))
            .collect::<Vec<_>>()
    };
    let session = tree.world.applying(plan, BTreeMap::new());
    for (files, part) in [
        (all(&[("a", "1"), ("b", "22")]), "leaves out"),
        (
            all(&[("a", "1"), ("b", "22"), ("c", "333"), ("keep", "4")]),
            "does not name scratch/keep",
        ),
    ] {
        let failure = session.files_remove("scratch", files).await.unwrap_err();
        assert_eq!(layer(&failure), "plan");
        assert!(failure.message.contains(part), "{failure}");
    }
    let removed = session
        .files_remove("scratch", all(&[("c", "9"), ("b", "22"), ("a", "1")]))
        .await
        .unwrap();
    assert_eq!(
        (removed.paths, removed.bytes),
        (vec!["scratch/a".to_owned()], 1.0)
    );
    // b has another time, c another size than was seen.
    assert_eq!(removed.refused.len(), 2);
    assert!(
        removed
            .refused
            .iter()
            .all(|why| why.contains("changed since it was seen"))
    );
    assert!(
        !tree.inside("a").exists()
            && tree.inside("b").exists()
            && tree.inside("c").exists()
            && tree.inside("keep").exists()
    );
    let failure = session
        .files_remove("scratch", all(&[("a", "1"), ("b", "22"), ("c", "9")]))
        .await
        .unwrap_err();
    assert_eq!(layer(&failure), "action");
    assert_eq!(tree.world.log.events(), ["started 0", "ended 0 done"]);
}

#[tokio::test]
async fn nothing_is_never_everything_and_only_files_are_removed() {
    let tree = Tree::new(Access::Change);
    tree.put("a", "1", 1_700_000_000_000);
    tree.put("folder/x", "1", 1_700_000_000_000);
    let session = tree.world.applying(
        tree.world.plan(vec![remove(&["scratch/a@1700000000000"])]).await,
        BTreeMap::new(),
    );
    let with = |change: fn(&mut Entry)| {
        let mut one = entry("scratch/a", "1", 1_700_000_000_000);
        change(&mut one);
        vec![one]
    };
    let twice = vec![entry("scratch/a", "1", 1), entry("scratch/a", "1", 2)];
    let table = [
        vec![],
        with(|e| e.kind = "directory".into()),
        with(|e| e.kind = "link".into()),
        with(|e| e.modified_ms = 0.5),
        with(|e| e.bytes = f64::NAN),
        with(|e| e.bytes = -1.0),
        with(|e| e.path = "scratch".into()),
        with(|e| e.path = "scratch/../a".into()),
        twice,
    ];
    for files in table {
        assert_eq!(
            layer(&session.files_remove("scratch", files.clone()).await.unwrap_err()),
            "request",
            "{files:?}"
        );
    }
    assert!(tree.world.log.events().is_empty());
    let check = |action| {
        stanch_sandbox::gate::check_plan(
            offer(vec![action]),
            &tree.world.grant,
            &tree.world.facilities,
            None,
            false,
        )
    };
    assert!(
        check(remove(&[]))
            .await
            .unwrap_err()
            .to_string()
            .contains("nothing is never everything")
    );
    assert!(check(remove(&["scratch/folder@1700000000000"])).await.is_err());
}

#[tokio::test]
async fn a_file_is_written_whole_where_it_is_the_one_that_was_seen() {
    let tree = Tree::new(Access::Change);
    tree.put("conf", "old", 1_700_000_000_000);
    let plan = tree
        .world
        .plan(vec![
            write("scratch/conf", "new", Some("modified-ms:1700000000000")),
            write("scratch/more", "m", None),
        ])
        .await;
    assert_eq!(
        plan.actions.iter().map(|a| a.repeat_safe).collect::<Vec<_>>(),
        [true, false]
    );
    assert_eq!(plan.actions[1].before.as_deref(), Some("no file"));
    let session = tree.world.applying(plan.clone(), BTreeMap::new());
    let failure = session
        .files_write("scratch/conf", b"other".to_vec())
        .await
        .unwrap_err();
    assert_eq!(layer(&failure), "plan");
    session
        .files_write("scratch/conf", b"new".to_vec())
        .await
        .unwrap();
    session.files_write("scratch/more", b"m".to_vec()).await.unwrap();
    assert_eq!(fs::read(tree.inside("conf")).unwrap(), b"new");
    assert_eq!(
        fs::read_dir(tree.inside("")).unwrap().count(),
        2,
        "no temporary file is left"
    );

    // Sent again after a doubt: it has this content already, which is as good as written.
    let doubt = stanch_sandbox::gate::EarlierAction {
        state: stanch_contract::ActionState::Unknown {
            detail: "killed".into(),
        },
        answer: None,
    };
    let again = tree.world.applying(plan.clone(), BTreeMap::from([(0, doubt)]));
    again.files_write("scratch/conf", b"new".to_vec()).await.unwrap();
    // Another content is there: a conflict, and it stays.
    tree.put("conf", "somebody's", 1_700_000_000_500);
    let late = tree.world.applying(plan, BTreeMap::new());
    assert_eq!(
        late.files_write("scratch/conf", b"new".to_vec())
            .await
            .unwrap_err()
            .code,
        FailureCode::Conflict
    );
    assert_eq!(fs::read(tree.inside("conf")).unwrap(), b"somebody's");
}

#[tokio::test]
async fn a_folder_that_may_be_read_is_not_written_and_a_check_changes_nothing() {
    let tree = Tree::new(Access::Read);
    tree.put("a", "1", 1_700_000_000_000);
    let check = stanch_sandbox::gate::check_plan(
        offer(vec![remove(&["scratch/a@1700000000000"])]),
        &tree.world.grant,
        &tree.world.facilities,
        None,
        false,
    );
    let refusal = check.await.unwrap_err();
    assert!(
        refusal
            .refusal
            .allow_hint
            .unwrap()
            .contains("access = \"change\"")
    );
    let session = tree.world.reading();
    assert_eq!(
        layer(&session.files_write("scratch/a", vec![]).await.unwrap_err()),
        "grant"
    );
    let writable = Tree::new(Access::Change);
    writable.put("a", "1", 1_700_000_000_000);
    let session = writable.world.reading();
    assert_eq!(
        layer(&session.files_write("scratch/a", vec![]).await.unwrap_err()),
        "phase"
    );
    let files = vec![entry("scratch/a", "1", 1_700_000_000_000)];
    assert_eq!(
        layer(&session.files_remove("scratch", files).await.unwrap_err()),
        "phase"
    );
    assert!(writable.inside("a").exists());
}

#[tokio::test]
async fn a_large_folder_comes_in_pages_within_one_call() {
    let tree = Tree::new(Access::Read);
    for index in 0..2500 {
        tree.put(&format!("{}/{index}", index % 7), "", 1_700_000_000_000);
    }
    let session = tree.world.reading();
    let (mut seen, mut next, mut pages) = (std::collections::BTreeSet::new(), None, 0);
    loop {
        let page = session
            .files_scan("scratch", true, next.as_deref())
            .await
            .unwrap();
        assert!(page.items.len() <= 1000);
        pages += 1;
        seen.extend(
            page.items
                .into_iter()
                .filter(|e| e.kind == "file")
                .map(|e| e.path),
        );
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!((seen.len(), pages), (2500, 3));
    let first = session
        .files_scan("scratch", true, None)
        .await
        .unwrap()
        .next
        .unwrap();
    assert_eq!(
        session
            .files_scan("scratch/1", true, Some(&first))
            .await
            .unwrap_err()
            .code,
        FailureCode::NotFound
    );
    assert!(session.files_scan("scratch", true, Some(&first)).await.is_ok());
    assert_eq!(
        session
            .files_scan("scratch", true, Some(&first))
            .await
            .unwrap_err()
            .code,
        FailureCode::NotFound
    );
    assert!(
        tree.world
            .reading()
            .files_scan("scratch", true, Some("scan-1"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn names_that_cannot_be_shown_are_neither_seen_nor_removed() {
    let tree = Tree::new(Access::Change);
    tree.put("plain", "1", 1_700_000_000_000);
    tree.put("\u{202e}gol.a", "1", 1_700_000_000_000);
    tree.put("two\nlines", "1", 1_700_000_000_000);
    let all = tree
        .world
        .reading()
        .files_scan("scratch", true, None)
        .await
        .unwrap();
    assert_eq!(
        all.items.iter().map(|e| e.path.as_str()).collect::<Vec<_>>(),
        ["scratch/plain"]
    );
    let item = "scratch/\u{202e}gol.a@1700000000000";
    assert!(
        stanch_sandbox::gate::check_plan(
            offer(vec![remove(&[item])]),
            &tree.world.grant,
            &tree.world.facilities,
            None,
            false
        )
        .await
        .is_err()
    );
}
