//! A run as it goes on: redrawn in place where somebody looks, line by line where not.

use std::io::Write as _;
use std::time::{Duration, Instant};

use stanch_contract::{Span, Timestamp};
use stanch_service::control::types::{Ending, RunView};
use stanch_service::report::{Detail, run_page, words};

use crate::client::{Client, Following};
use crate::console::{Console, painted};
use crate::error::{CliError, Exit};

/// How often countdowns move.
const BEAT: Duration = Duration::from_secs(1);

/// Follows a run until it is closed, or the engine ends.
pub async fn follow(client: &Client, console: &Console, run: &str) -> Result<Exit, CliError> {
    let mut following = client.follow(run).await?;
    let last = if console.is_watched() {
        redrawn(&mut following, console).await?
    } else {
        lines(&mut following, console).await?
    };
    Ok(match last.and_then(|run| run.summary.ending) {
        Some(Ending::Failed) => Exit::Failed,
        _ => Exit::Done,
    })
}

/// The engine's time now: its own when the view was made, and what passed here since.
fn engine_now(run: &RunView, received: Instant) -> Timestamp {
    let passed = i64::try_from(received.elapsed().as_millis()).unwrap_or(i64::MAX);
    run.now.plus(Span::from_millis(passed))
}

async fn redrawn(following: &mut Following, console: &Console) -> Result<Option<RunView>, CliError> {
    let mut screen = Screen { drawn: 0 };
    let mut current: Option<(RunView, Instant)> = None;
    loop {
        match tokio::time::timeout(BEAT, following.next()).await {
            Ok(Ok(Some(run))) => current = Some((run, Instant::now())),
            Ok(Ok(None)) => break,
            Ok(Err(error)) => return Err(error),
            Err(_) => {}
        }
        if let Some((run, received)) = &current {
            screen.draw(run, engine_now(run, *received), console)?;
        }
    }
    // What stays in the terminal is the whole page, not the part that fitted.
    if let Some((run, received)) = &current {
        screen.clear()?;
        console.page(&run_page(
            run,
            engine_now(run, *received),
            console.width(),
            Detail::Short,
        ))?;
    }
    Ok(current.map(|(run, _)| run))
}

/// The lines that were drawn last, to be drawn over.
struct Screen {
    drawn: usize,
}

impl Screen {
    fn draw(&mut self, run: &RunView, now: Timestamp, console: &Console) -> Result<(), CliError> {
        let (columns, rows) = console.size().unwrap_or((80, 24));
        let page =
            run_page(run, now, console.width(), Detail::Short).clipped(columns, rows.saturating_sub(1));
        let frame = painted(&page);
        self.clear()?;
        let mut out = anstream::stdout().lock();
        out.write_all(frame.as_bytes())?;
        out.flush()?;
        self.drawn = page.lines().len();
        Ok(())
    }

    fn clear(&mut self) -> Result<(), CliError> {
        if self.drawn > 0 {
            let mut out = std::io::stdout().lock();
            let up = u16::try_from(self.drawn).unwrap_or(u16::MAX);
            crossterm::queue!(
                out,
                crossterm::cursor::MoveToPreviousLine(up),
                crossterm::terminal::Clear(crossterm::terminal::ClearType::FromCursorDown)
            )?;
            out.flush()?;
            self.drawn = 0;
        }
        Ok(())
    }
}

/// For a log or a pipe each new entry of the timeline; for a program each state of the run.
async fn lines(following: &mut Following, console: &Console) -> Result<Option<RunView>, CliError> {
    let mut told = 0;
    let mut last = None;
    while let Some(run) = following.next().await? {
        if console.is_json() {
            console.json_line(&run)?;
        } else {
            for entry in run.timeline.iter().skip(told) {
                let who = entry
                    .who
                    .as_ref()
                    .map(|who| format!(" ({who})"))
                    .unwrap_or_default();
                console.say(&format!("{}  {}{who}", words::date(entry.at), entry.text))?;
            }
        }
        told = run.timeline.len();
        last = Some(run);
    }
    Ok(last)
}
