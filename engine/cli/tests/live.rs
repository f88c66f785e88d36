//! A run as it is followed on a terminal: the built binary on a pseudo-terminal (of `script`, which every Debian has), and a
//! terminal of a few lines that does what it is told.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test, as tests do"
)]

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use stanch_outside::http::free_port;
use stanch_outside::serve::{Engine, Scratch};
use stanch_outside::settings;

const COLUMNS: usize = 80;
const RUNBOOK: &str = r#"name = "mended"
title = "Mended by hand"
owner = "tests"
mode = "ask"
[trigger]
alert = "Broken"
[impact]
severity = "low"
summary = "Nobody notices."
[[mitigation]]
id = "glue"
do = "Glue it"
by_hand = "With glue"
[[mitigation]]
id = "paint"
do = "Paint it"
by_hand = "With paint"
"#;

/// What a terminal shows. It knows what is used here, and fails on everything else.
struct Terminal {
    rows: usize,
    /// All lines since the beginning; the last `rows` of them are seen.
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
    escape: Option<String>,
    /// How often lines that were seen were taken away.
    cleared: usize,
}

impl Terminal {
    fn new(rows: usize) -> Self {
        Self {
            rows,
            lines: vec![Vec::new()],
            row: 0,
            column: 0,
            escape: None,
            cleared: 0,
        }
    }

    fn top(&self) -> usize {
        self.lines.len().saturating_sub(self.rows)
    }

    fn take(&mut self, c: char) {
        if let Some(mut escape) = self.escape.take() {
            escape.push(c);
            if escape == "[" || !c.is_ascii_alphabetic() {
                self.escape = Some(escape);
            } else {
                self.obey(&escape);
            }
            return;
        }
        match c {
            '\u{1b}' => self.escape = Some(String::new()),
            '\r' => self.column = 0,
            '\n' => self.down(),
            c => {
                if self.column == COLUMNS {
                    self.down();
                    self.column = 0;
                }
                let line = &mut self.lines[self.row];
                line.resize(line.len().max(self.column + 1), ' ');
                line[self.column] = c;
                self.column += 1;
            }
        }
    }

    fn down(&mut self) {
        self.row += 1;
        if self.row == self.lines.len() {
            self.lines.push(Vec::new());
        }
    }

    fn obey(&mut self, escape: &str) {
        let (numbers, what) = escape[1..].split_at(escape.len() - 2);
        match what {
            "m" => {}
            "F" => {
                let up: usize = numbers.parse().unwrap();
                assert!(self.row - self.top() >= up, "it goes up beyond what is seen");
                self.row -= up;
                self.column = 0;
            }
            "J" if numbers.is_empty() || numbers == "0" => {
                self.lines.truncate(self.row + 1);
                self.lines[self.row].truncate(self.column);
                self.cleared += 1;
            }
            _ => panic!("an escape that nobody expects: {escape:?}"),
        }
    }

    fn seen(&self) -> String {
        let lines = self.lines[self.top()..].iter();
        lines.map(|line| line.iter().collect::<String>() + "\n").collect()
    }

    fn all(&self) -> String {
        let lines = self.lines.iter();
        lines.map(|line| line.iter().collect::<String>() + "\n").collect()
    }
}

/// Somebody who follows a run on a terminal of so many rows.
struct Viewer {
    child: Child,
    terminal: Arc<Mutex<Terminal>>,
    reads: Option<std::thread::JoinHandle<()>>,
}

impl Viewer {
    fn follow(folder: &Path, run: &str, rows: usize) -> Self {
        let line = format!(
            "stty rows {rows} cols {COLUMNS} && exec {} --config {} runs show {run} --follow",
            env!("CARGO_BIN_EXE_stanch"),
            folder.join("stanch.toml").display()
        );
        let mut script = Command::new("script");
        script
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .env_remove("STANCH_SOCKET")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = script.spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let terminal = Arc::new(Mutex::new(Terminal::new(rows)));
        let shows = Arc::clone(&terminal);
        let reads = std::thread::spawn(move || {
            let (mut bytes, mut held) = ([0; 4096], Vec::new());
            while let Ok(count @ 1..) = out.read(&mut bytes) {
                held.extend(&bytes[..count]);
                let whole = match std::str::from_utf8(&held) {
                    Ok(text) => text.len(),
                    Err(cut) => cut.valid_up_to(),
                };
                let text = String::from_utf8(held.drain(..whole).collect()).unwrap();
                let mut terminal = shows.lock().unwrap();
                text.chars().for_each(|c| terminal.take(c));
            }
        });
        Self {
            child,
            terminal,
            reads: Some(reads),
        }
    }

    /// Waits until this is seen.
    fn sees(&self, words: &str) -> String {
        let began = Instant::now();
        loop {
            let seen = self.terminal.lock().unwrap().seen();
            if seen.contains(words) {
                return seen;
            }
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "`{words}` is not in\n{seen}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn ends(mut self) -> (Option<i32>, Arc<Mutex<Terminal>>) {
        let status = self.child.wait().unwrap();
        self.reads.take().unwrap().join().unwrap();
        (status.code(), Arc::clone(&self.terminal))
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_run_is_drawn_over_in_place_as_it_goes_on_and_its_whole_page_stays() {
    let scratch = Scratch::new("live").unwrap();
    let listens = free_port().unwrap();
    scratch.write("runbooks/mended.toml", RUNBOOK).unwrap();
    scratch
        .write("stanch.toml", settings::engine(listens, "tests", "ask"))
        .unwrap();
    let engine = Engine::start(
        Path::new(env!("CARGO_BIN_EXE_stanch")),
        scratch.path(),
        listens,
        "a-token-of-a-test",
    )
    .unwrap();
    let run = engine.ask(&["run", "mended"]).unwrap();
    let run = run.as_str().unwrap();

    let wide = Viewer::follow(scratch.path(), run, 40);
    // So low that no page fits.
    let low = Viewer::follow(scratch.path(), run, 8);
    let asks = wide.sees("With glue");
    assert_eq!(asks.matches("Mended by hand").count(), 1, "{asks}");
    low.sees("Mended by hand");
    engine.tell(&["done", run, "glue"]).unwrap();
    let later = wide.sees("With paint");
    assert_eq!(
        later.matches("Mended by hand").count(),
        1,
        "the page is there once:\n{later}"
    );
    assert!(
        !later.contains("With glue"),
        "what is done is not asked any more:\n{later}"
    );
    // A countdown moves although nothing happens.
    let drawn = wide.terminal.lock().unwrap().cleared;
    let began = Instant::now();
    while wide.terminal.lock().unwrap().cleared < drawn + 2 {
        assert!(began.elapsed() < Duration::from_secs(60), "it is not drawn again");
        std::thread::sleep(Duration::from_millis(20));
    }
    engine.tell(&["done", run, "paint"]).unwrap();
    engine.tell(&["cancel", run, "--leave"]).ok();

    for (viewer, rows) in [(wide, 40), (low, 8)] {
        let (code, terminal) = viewer.ends();
        assert_eq!(code, Some(0));
        let terminal = terminal.lock().unwrap();
        let all = terminal.all();
        assert_eq!(all.matches("Mended by hand").count(), 1, "{rows} rows:\n{all}");
        for step in ["Glue it", "Paint it"] {
            assert!(all.contains(step), "{rows} rows: the whole page stays:\n{all}");
        }
    }
}
