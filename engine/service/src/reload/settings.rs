//! stanch.toml's part of a reload.

use std::path::Path;
use std::sync::Arc;

use stanch_contract::Digest;

use super::LoadError;
use super::disk::{Content, Disk};
use crate::config::{self, Settings};
use crate::snapshot::{Problem, ProblemKind};

/// The largest stanch.toml.
const MOST: u64 = 4 << 20;

/// stanch.toml between reloads.
#[derive(Debug, Default)]
pub(super) struct File {
    /// What is wrong with it now.
    problems: Vec<Problem>,
    /// What it had when it was last looked at.
    mark: Option<Digest>,
}

/// What a look at stanch.toml found.
pub(super) enum Look {
    /// It says what it said.
    Same,
    /// It says something else.
    New(Box<Settings>),
    /// It is no good.
    Wrong,
}

impl File {
    pub(super) fn forget(&mut self) {
        self.mark = None;
    }

    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// What tells its content from another one.
    pub(super) fn mark(&self) -> Option<Digest> {
        self.mark
    }

    /// The first look: without it there is nothing.
    pub(super) fn first(&mut self, path: &Path, disk: &mut Disk, now_ms: i64) -> Result<Settings, LoadError> {
        let content = disk.read(path, MOST, now_ms);
        self.mark = Some(content.mark());
        match content {
            Content::New(_, bytes) => {
                let text = String::from_utf8(bytes).map_err(|_| unreadable(path, "it is not UTF-8"))?;
                config::parse(path, &text).map_err(LoadError::Wrong)
            }
            Content::Unreadable(why) => Err(unreadable(path, &why)),
            Content::Same(_) | Content::Missing => Err(unreadable(path, "there is no such file")),
        }
    }

    /// A later look. What cannot change while running stays as in `before`, and is told.
    pub(super) fn look(&mut self, path: &Path, before: &Arc<Settings>, disk: &mut Disk, now_ms: i64) -> Look {
        let content = disk.read(path, MOST, now_ms);
        if self.mark == Some(content.mark()) {
            return Look::Same;
        }
        self.mark = Some(content.mark());
        let text = match content {
            Content::New(_, bytes) => String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned()),
            Content::Same(_) => std::fs::read_to_string(path).map_err(|error| error.to_string()),
            Content::Missing => Err("there is no such file".to_owned()),
            Content::Unreadable(why) => Err(why),
        };
        let wrong = |message: String, rendered: String| Problem {
            kind: ProblemKind::Settings,
            path: path.to_owned(),
            name: String::new(),
            message,
            rendered,
            kept: Some(before.digest),
            since: Default::default(),
        };
        let mut settings = match text {
            Err(why) => {
                self.problems = vec![wrong(why.clone(), format!("{}: {why}\n", path.display()))];
                return Look::Wrong;
            }
            Ok(text) => match config::parse(path, &text) {
                Ok(settings) => settings,
                Err(errors) => {
                    let line = errors.to_string();
                    let line = line.lines().next().unwrap_or_default().to_owned();
                    self.problems = vec![wrong(line, errors.render(false, 110))];
                    return Look::Wrong;
                }
            },
        };
        self.problems.clear();
        for (section, changed) in [
            ("[server]", settings.server != before.server),
            ("[store]", settings.store != before.store),
        ] {
            if changed {
                let message = format!(
                    "`{section}` cannot change while the engine runs: what it had stays until the next start"
                );
                self.problems
                    .push(wrong(message.clone(), format!("{}: {message}\n", path.display())));
            }
        }
        settings.server = before.server.clone();
        settings.store = before.store.clone();
        if settings == **before {
            Look::Same
        } else {
            Look::New(Box::new(settings))
        }
    }
}

fn unreadable(path: &Path, why: &str) -> LoadError {
    LoadError::Unreadable {
        path: path.to_owned(),
        why: why.to_owned(),
    }
}
