//! What is wrong with a file, for the person who wrote it: one [`Problem`] for each mistake, all of them at once, each with
//! file, line, column, the text underlined and what would be right.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use stanch_contract::text::near;

/// The widest line that is shown with what is wrong in it, in bytes.
const MOST_WIDE: usize = 2_000;

/// Where something was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// In the file, by byte offsets.
    File(Range<usize>),
    /// In the file, in a line that may hold a credential and is therefore not shown.
    Hidden(Range<usize>),
    /// In the folder's defaults, which are in the operator's file: a path of keys.
    Defaults(String),
}

impl At {
    /// The beginning of the file.
    pub fn start() -> Self {
        Self::File(0..0)
    }
}

/// One mistake in a file.
#[derive(Debug, Clone)]
pub struct Problem {
    message: String,
    label: String,
    help: Option<String>,
    at: At,
    line: usize,
    column: usize,
    source: Arc<NamedSource<String>>,
}

impl Problem {
    /// What failed, on what, and why; one sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What would be right, where the engine can tell.
    pub fn hint(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The file, as the operator wrote its folder.
    pub fn path(&self) -> &str {
        self.source.name()
    }

    /// The line, from 1; absent where the mistake is in the folder's defaults.
    pub fn line(&self) -> Option<usize> {
        matches!(self.at, At::File(_) | At::Hidden(_)).then_some(self.line)
    }

    /// The column in characters, from 1; absent where the mistake is in the folder's defaults.
    pub fn column(&self) -> Option<usize> {
        matches!(self.at, At::File(_) | At::Hidden(_)).then_some(self.column)
    }
}

impl fmt::Display for Problem {
    /// The sentence, with its place where no excerpt tells it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let At::Hidden(_) = self.at {
            write!(f, "{}:{}:{}: ", self.path(), self.line, self.column)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        matches!(self.at, At::File(_)).then_some(&*self.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let At::File(span) = &self.at else { return None };
        let label = (!self.label.is_empty()).then(|| self.label.clone());
        Some(Box::new(std::iter::once(LabeledSpan::new(
            label,
            span.start,
            span.len(),
        ))))
    }
}

/// Everything that is wrong with one file.
#[derive(Debug, Clone)]
pub struct LoadErrors {
    path: String,
    problems: Vec<Problem>,
}

impl LoadErrors {
    /// The file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The mistakes, in the order of the file; at least one.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The mistakes as a terminal shows them, each with its line underlined, `width` columns wide.
    pub fn render(&self, colours: bool, width: usize) -> String {
        let theme = if colours {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(width)
            .with_links(false);
        let mut out = String::new();
        for problem in &self.problems {
            // Writing to a String cannot fail; were it to, the plain message still tells.
            if handler.render_report(&mut out, problem).is_err() {
                out.push_str(&problem.message);
            }
        }
        out
    }
}

impl fmt::Display for LoadErrors {
    /// One line for each mistake: `file:line:column: what (what would be right)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            match &problem.at {
                At::File(_) | At::Hidden(_) => write!(
                    f,
                    "{}:{}:{}: {}",
                    self.path, problem.line, problem.column, problem.message
                )?,
                At::Defaults(_) => write!(f, "{}: {}", self.path, problem.message)?,
            }
            if let Some(help) = &problem.help {
                write!(f, " ({help})")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for LoadErrors {}

impl Diagnostic for LoadErrors {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(
            self.problems.iter().map(|problem| problem as &dyn Diagnostic),
        ))
    }
}

/// Collects what is wrong while a file is read.
pub struct Problems<'t> {
    path: &'t str,
    text: &'t str,
    found: Vec<Found>,
}

struct Found {
    at: At,
    message: String,
    label: String,
    help: Option<String>,
}

impl<'t> Problems<'t> {
    /// For this file.
    pub fn new(path: &'t str, text: &'t str) -> Self {
        Self {
            path,
            text,
            found: Vec::new(),
        }
    }

    /// The file's text.
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// Something is wrong at `at`: the sentence, the words under the underlined text, what would be right.
    pub fn add(
        &mut self,
        at: &At,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        let message = match at {
            At::File(_) | At::Hidden(_) => message.into(),
            At::Defaults(path) => format!(
                "{} (`{path}` of the folder's defaults in stanch.toml)",
                message.into()
            ),
        };
        self.found.push(Found {
            at: at.clone(),
            message,
            label: label.into(),
            help: help.into(),
        });
    }

    /// As [`Problems::add`], where the line may hold a credential: its place is told, its text is not shown.
    pub fn add_hidden(&mut self, at: &At, message: impl Into<String>, help: impl Into<Option<String>>) {
        let at = match at {
            At::File(span) => At::Hidden(span.clone()),
            other => other.clone(),
        };
        self.add(&at, message, "", help);
    }

    /// How many so far.
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// All of them; none is good.
    pub fn finish(self) -> Result<(), LoadErrors> {
        if self.found.is_empty() {
            Ok(())
        } else {
            Err(self.into_errors())
        }
    }

    /// One about the file as a whole, with those found so far.
    pub fn whole(mut self, message: &str) -> LoadErrors {
        self.add(&At::start(), message, "", None);
        self.into_errors()
    }

    /// In the order of the file.
    fn into_errors(mut self) -> LoadErrors {
        self.found.sort_by_key(|found| match &found.at {
            At::File(span) | At::Hidden(span) => (0, span.start),
            At::Defaults(_) => (1, 0),
        });
        // Beyond some width an excerpt helps nobody, and beyond 65,535 columns it cannot be laid out at all.
        let is_wide = self.text.lines().any(|line| line.len() > MOST_WIDE);
        // An excerpt shows the lines beside its own too: where one of them may hold a credential, there is none.
        let line_of = |at: usize| self.text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        let secret: Vec<usize> = self
            .found
            .iter()
            .filter_map(|found| match &found.at {
                At::Hidden(span) => Some(line_of(span.start)),
                _ => None,
            })
            .collect();
        let shows_secret = |span: &std::ops::Range<usize>| {
            let lines = line_of(span.start).saturating_sub(1)..=line_of(span.end) + 1;
            secret.iter().any(|line| lines.contains(line))
        };
        let source = Arc::new(NamedSource::new(self.path, shown(self.text)));
        let problems = self
            .found
            .into_iter()
            .map(|found| {
                let at = match found.at {
                    At::File(span) if is_wide || shows_secret(&span) => At::Hidden(within(self.text, span)),
                    At::File(span) => At::File(within(self.text, span)),
                    At::Hidden(span) => At::Hidden(within(self.text, span)),
                    at => at,
                };
                let (line, column) = match &at {
                    At::File(span) | At::Hidden(span) => line_and_column(self.text, span.start),
                    At::Defaults(_) => (0, 0),
                };
                let Found {
                    message, label, help, ..
                } = found;
                Problem {
                    message,
                    label,
                    help,
                    at,
                    line,
                    column,
                    source: Arc::clone(&source),
                }
            })
            .collect();
        LoadErrors {
            path: self.path.to_owned(),
            problems,
        }
    }
}

/// `text` as it can be shown: what would move the cursor or turn the direction is replaced by something as many bytes long.
fn shown(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' | '\r' => c,
            c if stanch_contract::text::clean(c.encode_utf8(&mut [0; 4])).is_empty() => match c.len_utf8() {
                1 => '?',
                2 => '¿',
                3 => '\u{fffd}',
                _ => '🚫',
            },
            c => c,
        })
        .collect()
}

/// `span`, cut to the text and to whole characters, so that showing it cannot fail.
fn within(text: &str, span: Range<usize>) -> Range<usize> {
    let floor = |mut offset: usize| {
        offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    };
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

/// Line and column in characters of a byte offset, from 1.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// "did you mean `x`?", else the list of what there is.
pub fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(meant) = near(word, known.iter().copied()) {
        return Some(format!("did you mean `{meant}`?"));
    }
    if known.is_empty() {
        return None;
    }
    let shown: Vec<String> = known.iter().take(24).map(|name| format!("`{name}`")).collect();
    let more = if known.len() > 24 { ", …" } else { "" };
    Some(format!("known here: {}{more}", shown.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_cut_to_whole_characters() {
        assert_eq!(within("aé", 1..2), 1..1);
        assert_eq!(within("aé", 0..9), 0..3);
        assert_eq!(line_and_column("a\né x", 5), (2, 3));
    }
}
