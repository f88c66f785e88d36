//! Where a command writes: pages and lines for people, JSON for programs.

use std::io::{self, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style as Ansi};
use serde::Serialize;
use stanch_contract::text::clean;
use stanch_service::control::types::Tone;
use stanch_service::report::{Page, Style};

use crate::error::CliError;

/// Columns where nobody says how many there are.
const WIDTH: usize = 100;
/// Longer rows are hard to read.
const WIDEST: usize = 120;

/// The standard streams of a command.
#[derive(Debug)]
pub struct Console {
    json: bool,
    terminal: bool,
}

impl Console {
    /// For people, or with `json` for programs.
    pub fn new(json: bool) -> Self {
        Self {
            json,
            terminal: io::stdout().is_terminal(),
        }
    }

    /// Whether a program reads.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether somebody looks at what is written.
    pub fn is_watched(&self) -> bool {
        self.terminal && !self.json
    }

    /// Whether somebody is there to be asked.
    pub fn is_interactive(&self) -> bool {
        self.is_watched() && io::stdin().is_terminal()
    }

    /// Columns that a page may take.
    pub fn width(&self) -> usize {
        self.size().map_or(WIDTH, |(columns, _)| columns.min(WIDEST))
    }

    /// The terminal's columns and rows.
    pub fn size(&self) -> Option<(usize, usize)> {
        let (columns, rows) = self.terminal.then(crossterm::terminal::size)?.ok()?;
        Some((usize::from(columns), usize::from(rows)))
    }

    /// A page.
    pub fn page(&self, page: &Page) -> Result<(), CliError> {
        let mut out = anstream::stdout().lock();
        out.write_all(painted(page).as_bytes())?;
        Ok(out.flush()?)
    }

    /// One or several lines.
    pub fn say(&self, text: &str) -> Result<(), CliError> {
        let mut out = anstream::stdout().lock();
        writeln!(out, "{}", clean(text))?;
        Ok(out.flush()?)
    }

    /// Text as it is: a completion script, a Markdown export.
    pub fn raw(&self, text: &str) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    /// One JSON document.
    pub fn json(&self, value: &impl Serialize) -> Result<(), CliError> {
        let text =
            serde_json::to_string_pretty(value).map_err(|error| CliError::Answer(error.to_string()))?;
        self.raw(&format!("{text}\n"))
    }

    /// One JSON document in one line, for streams.
    pub fn json_line(&self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string(value).map_err(|error| CliError::Answer(error.to_string()))?;
        self.raw(&format!("{text}\n"))
    }

    /// For programs the value, for people the page.
    pub fn show(&self, value: &impl Serialize, page: impl FnOnce(usize) -> Page) -> Result<(), CliError> {
        if self.json {
            self.json(value)
        } else {
            self.page(&page(self.width()))
        }
    }

    /// What was done: a line for people; for programs `{}`, because the exit code says it.
    pub fn done(&self, text: &str) -> Result<(), CliError> {
        if self.json {
            self.json(&serde_json::json!({}))
        } else {
            self.say(text)
        }
    }

    /// Asks somebody who is there; only `y` and `yes` are a yes.
    pub fn confirm(&self, question: &str) -> Result<bool, CliError> {
        let mut out = anstream::stdout().lock();
        write!(out, "{} [y/N] ", clean(question))?;
        out.flush()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Whether colours are shown on the standard error stream.
    pub fn is_coloured(&self) -> bool {
        anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
    }

    /// Several lines on the standard error stream: what is wrong with a file. They were made by the engine's own renderer,
    /// which cleans what it quotes.
    pub fn aside(&self, text: &str) {
        // Where the standard error stream is gone, the exit code is all that is left.
        writeln!(anstream::stderr().lock(), "{}", text.trim_end()).ok();
    }

    /// Why the command was not done, on the standard error stream.
    pub fn error(&self, error: &CliError) {
        if matches!(error, CliError::Output(output) if output.kind() == io::ErrorKind::BrokenPipe) {
            return;
        }
        let mut out = anstream::stderr().lock();
        // Where the standard error stream is gone too, the exit code is all that is left.
        if self.json {
            let value = match error {
                CliError::Problem(problem) => serde_json::to_value(problem).unwrap_or_default(),
                other => serde_json::json!({
                    "code": "command-line", "title": "the command was not done",
                    "detail": other.to_string(), "hint": other.hint(),
                }),
            };
            writeln!(out, "{value}").ok();
            return;
        }
        let bad = paint(Style::State(Tone::Bad));
        writeln!(out, "{bad}error{bad:#}: {}", clean(&error.to_string())).ok();
        if let Some(hint) = error.hint() {
            writeln!(out, "hint: {}", clean(hint)).ok();
        }
    }
}

/// A page with the terminal's codes for its styles.
pub fn painted(page: &Page) -> String {
    let mut out = String::new();
    for line in page.lines() {
        for piece in line {
            let style = paint(piece.style);
            out.push_str(&format!("{style}{}{style:#}", piece.text));
        }
        out.push('\n');
    }
    out
}

/// Colour for states only.
fn paint(style: Style) -> Ansi {
    let colour = |colour: AnsiColor| Ansi::new().bold().fg_color(Some(colour.into()));
    match style {
        Style::Plain | Style::State(Tone::Plain) => Ansi::new(),
        Style::Strong => Ansi::new().bold(),
        Style::Faint => Ansi::new().dimmed(),
        Style::State(Tone::Good) => colour(AnsiColor::Green),
        Style::State(Tone::Attention) => colour(AnsiColor::Yellow),
        Style::State(Tone::Bad) => colour(AnsiColor::Red),
    }
}
