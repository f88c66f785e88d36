//! The disk full under the running engine: what it cannot keep it does not take, what it took it keeps, and runs that are open
//! come to their end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops there, and makes room on its own disk"
)]

mod world;

use std::time::{Duration, Instant};

use stanch_outside::counter::Counter;
use stanch_outside::http::{Answer, Connection};
use stanch_outside::run::ending;
use stanch_test_support::disk::{SmallDisk, where_one_may_mount};
use world::{PATIENCE, TOKEN, World, about};

const RUNBOOK: &str = r#"
name = "by-hand"
title = "Done by hand"
owner = "nobody"
[trigger]
alert = "ByHand"
group_by = ["case"]
[impact]
severity = "low"
summary = "None."
[[diagnosis]]
id = "well"
ask = "Is it well?"
by_hand = "Look"
[[mitigation]]
id = "tell"
do = "Tell somebody"
when = "diagnosis.well.no"
"#;

fn sent(world: &World, case: &str) -> Answer {
    let body = about("ByHand", &[case.to_owned()], true).to_string();
    let mut engine = Connection::open(world.listens).unwrap();
    engine.post("/alerts/alertmanager", TOKEN, &body).unwrap()
}

#[test]
fn what_is_acknowledged_is_kept_and_what_is_not_is_asked_for_again_while_the_disk_is_full() {
    let test = "what_is_acknowledged_is_kept_and_what_is_not_is_asked_for_again_while_the_disk_is_full";
    where_one_may_mount(test, || {
        let counter = Counter::open(1, Duration::ZERO).unwrap();
        let world = World::new(counter, &[("by-hand", RUNBOOK.to_owned())], &[]);
        let data = world.scratch.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let disk = SmallDisk::over(&data, 8).unwrap();
        let engine = world.start();
        assert_eq!(sent(&world, "open").status, 202);

        let ballast = disk.fill().unwrap();
        // What still has room in the journal's own files is taken.
        let mut taken = vec!["open".to_owned()];
        let refused = (0..1000).find_map(|n| {
            let case = format!("full-{n:03}");
            let answer = sent(&world, &case);
            if answer.status == 202 {
                taken.push(case);
                return None;
            }
            Some((case, answer))
        });
        let (refused, answer) = refused.expect("the disk does not get full");
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert!(answer.header("retry-after").is_some());
        assert!(answer.body.contains("full"), "{}", answer.body);
        assert_eq!(world.run_of(&refused), None, "what is refused leaves nothing");
        let ready = Connection::open(world.listens).unwrap().get("/readyz").unwrap();
        assert_eq!(ready.status, 503);
        assert!(
            ready.body.contains("the disk under the journal is full"),
            "{}",
            ready.body
        );

        // A run that is open is answered and ends.
        let open = world.run_of("open").unwrap()["id"].as_str().unwrap().to_owned();
        engine.tell(&["answer", &open, "well", "yes"]).unwrap();
        let began = Instant::now();
        while ending(&world.run(&open).unwrap()).is_none() {
            assert!(began.elapsed() < PATIENCE, "{:#}", world.run(&open).unwrap());
            std::thread::sleep(Duration::from_millis(10));
        }

        // There is room again: what was refused comes again, as its sender does, and is taken.
        std::fs::remove_file(ballast).unwrap();
        world.deliver(&about("ByHand", std::slice::from_ref(&refused), true));
        taken.push(refused);
        engine.stop().unwrap();
        let engine = world.start();
        for case in &taken {
            assert!(
                world.run_of(case).is_some(),
                "{case} was acknowledged and is lost"
            );
        }
        assert_eq!(world.runs().len(), taken.len());
        assert_eq!(ending(&world.run(&open).unwrap()), Some("nothing-to-do"));
        engine.stop().unwrap();
    });
}
