//! The engine is killed while it appends: everything that was confirmed is there, and nothing in part.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use stanch_journal::{Append, Durability, Store, Write};

use crate::{NOW, alert, events, id, open, run};

/// Given to the process that is going to be killed.
const FOLDER: &str = "STANCH_TEST_JOURNAL_TO_DIE_IN";
/// Each appends to two runs at once: `pair` and `pair + PAIRS`.
const PAIRS: usize = 8;

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_was_confirmed_survives_a_kill_and_nothing_is_there_in_part() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        append_until_killed(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut confirmed = [0_u64; PAIRS];
    for round in 1..=6 {
        let mut child = Killed(
            Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "crash::what_was_confirmed_survives_a_kill_and_nothing_is_there_in_part",
                ])
                .arg("--nocapture")
                .env(FOLDER, folder.path())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap(),
        );
        let mut lines = 0;
        for line in BufReader::new(child.0.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let Some((pair, count)) = line
                .strip_prefix("confirmed ")
                .and_then(|rest| rest.split_once(' '))
            else {
                continue;
            };
            confirmed[pair.parse::<usize>().unwrap()] = count.parse().unwrap();
            lines += 1;
            // Killed at another point of the work in each round; what is said after is still read.
            if lines == round * 37 {
                child.0.kill().unwrap();
            }
        }
        drop(child);
        assert!(lines >= round * 37, "killed after {lines} lines");
        tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(look(folder.path(), &confirmed));
    }
}

async fn look(folder: &Path, confirmed: &[u64; PAIRS]) {
    let store = open(folder);
    store.verify().await.unwrap();
    for (pair, confirmed) in confirmed.iter().enumerate() {
        let mut counts = Vec::new();
        for n in [pair, pair + PAIRS] {
            let mut next = 0;
            for row in store.events(&id(n), 0).await.unwrap() {
                assert_eq!(row.first_seq, next, "run {n}");
                next += u64::from(row.count);
            }
            counts.push(next);
        }
        assert_eq!(counts[0], counts[1], "both runs of a batch or neither");
        assert!(
            counts[0] >= *confirmed,
            "pair {pair}: {} events, {confirmed} confirmed",
            counts[0]
        );
    }
}

/// Never returns.
fn append_until_killed(folder: &Path) {
    let store = open(folder);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let tasks: Vec<_> = (0..PAIRS)
            .map(|pair| tokio::spawn(append_to(pair, Arc::clone(&store))))
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

async fn append_to(pair: usize, store: Arc<dyn Store>) {
    let both = [pair, pair + PAIRS];
    store
        .append(Append::new_work(NOW, both.map(|n| Write::Run(run(n))).to_vec()))
        .await
        .unwrap();
    let rows = store.events(&id(pair), 0).await.unwrap();
    let mut seq = rows.last().map_or(0, |row| row.first_seq + u64::from(row.count));
    loop {
        let durability = if seq % 3 == 0 {
            Durability::Lazy
        } else {
            Durability::Barrier
        };
        let count = u32::try_from(seq % 4 + 1).unwrap();
        let mut writes = both.map(|n| events(n, seq, count)).to_vec();
        writes.insert(1, Write::Alert(alert("repeat", &both)));
        store
            .append(Append {
                durability,
                ..Append::barrier(NOW, writes)
            })
            .await
            .unwrap();
        seq += u64::from(count);
        if durability == Durability::Barrier {
            let mut out = std::io::stdout().lock();
            writeln!(out, "confirmed {pair} {seq}")
                .and_then(|()| out.flush())
                .unwrap();
        }
    }
}
