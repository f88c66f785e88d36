//! TOML text to a checked [`Runbook`].
//!
//! The file is read once from top to bottom; whatever is wrong is collected and reading goes on, so that its author sees
//! every mistake at once. Nothing is guessed: a key that is not known, a plugin that is not there, a name that nothing
//! has are errors. A file with one error gives no runbook.

mod checks;
mod defaults;
pub(crate) mod fields;
pub(crate) mod node;
mod params;
mod schema_at;
mod steps;
mod text;
mod trigger;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value;
use stanch_contract::{PluginKey, PluginKind};

use crate::expr::{InputFacts, Part, Readable, StepFacts, Steps};
use crate::model::{Impact, Link, Mode, Origin, Runbook, Setting, Severity};
use crate::problem::{At, LoadErrors, Problems, did_you_mean};
use crate::schema::Schema;
use crate::source::{Catalogue, PluginFacts, RunbookSource};

pub(crate) use params::expression;

use defaults::Defaults;
use fields::{Fields, Got};

/// The longest file, in bytes.
pub const MOST_LONG: usize = 1 << 20;

/// Loads runbooks against one catalogue. It keeps the plugins' schemas compiled, so many files are loaded with one loader;
/// it can be used from several threads.
#[derive(Debug)]
pub struct Loader<'c> {
    catalogue: &'c Catalogue,
    schemas: BTreeMap<&'c PluginKey, OnceLock<Result<Schema, String>>>,
}

impl<'c> Loader<'c> {
    /// For this catalogue.
    pub fn new(catalogue: &'c Catalogue) -> Self {
        Self {
            catalogue,
            schemas: catalogue
                .plugins
                .keys()
                .map(|key| (key, OnceLock::new()))
                .collect(),
        }
    }

    /// Loads one runbook.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn load(&self, source: &RunbookSource) -> Result<Runbook, LoadErrors> {
        load_one(self, source)
    }

    fn schema(&self, key: &PluginKey) -> Option<&Result<Schema, String>> {
        let facts = self.catalogue.plugins.get(key)?;
        let schema = self.schemas.get(key)?;
        Some(schema.get_or_init(|| Schema::new(&facts.manifest.params).map_err(|error| error.to_string())))
    }
}

/// Loads one runbook; for many, make one [`Loader`].
///
/// # Errors
/// Everything that is wrong with the file.
pub fn load(source: &RunbookSource, catalogue: &Catalogue) -> Result<Runbook, LoadErrors> {
    Loader::new(catalogue).load(source)
}

/// What is carried along while one file is read.
pub(crate) struct Cx<'a> {
    pub(crate) problems: Problems<'a>,
    loader: &'a Loader<'a>,
    known: Known<'a>,
    defaults: Defaults<'a>,
    mode: Mode,
    settings: Vec<Setting>,
    /// There is something to tell that the recovery is good: recovery checks, or `trust = "alert"`.
    knows_recovery: bool,
}

/// The names that expressions can read.
pub(crate) struct Known<'a> {
    vars: &'a Value,
    steps: Steps,
    inputs: BTreeMap<String, InputFacts>,
}

impl Known<'_> {
    /// What can be read where the results before `before` are known.
    fn in_run<'r>(&'r self, before: Option<StepFacts>, place: &'r str) -> Readable<'r> {
        Readable {
            inputs: Some(&self.inputs),
            vars: self.vars,
            run: true,
            steps: &self.steps,
            before,
            place,
            hidden: false,
            gives: false,
            given: None,
        }
    }

    /// What can be read before there is a run.
    fn before_run<'r>(&'r self, place: &'r str) -> Readable<'r> {
        Readable {
            inputs: None,
            vars: self.vars,
            run: false,
            steps: &self.steps,
            before: None,
            place,
            hidden: false,
            gives: false,
            given: None,
        }
    }
}

impl<'a> Cx<'a> {
    fn set(&mut self, key: String, value: impl ToString, from: Origin) {
        self.settings.push(Setting {
            key,
            value: value.to_string(),
            from,
        });
    }

    /// The plugin that `uses` names, where it can do what is asked of it here.
    fn plugin(&mut self, uses: &Got<&str>, kind: PluginKind) -> Option<(PluginKey, &'a PluginFacts)> {
        let catalogue = self.loader.catalogue;
        let key = PluginKey::from(uses.value);
        let Some(facts) = catalogue.plugins.get(&key) else {
            let (message, help) = if catalogue.withheld.contains(&key) {
                (
                    format!(
                        "the plugin `{key}` is installed, but the runbooks of this folder may not use it"
                    ),
                    Some(format!(
                        "add `{key}` to `plugins` of this folder's `[[runbooks]]` in stanch.toml"
                    )),
                )
            } else {
                let fitting = catalogue.plugins.iter().filter(|(_, facts)| facts.kind == kind);
                let help = did_you_mean(uses.value, fitting.map(|(key, _)| key.as_str()))
                    .unwrap_or_else(|| format!("install it: `[plugins.{key}]` in stanch.toml"));
                (format!("there is no plugin `{key}`"), Some(help))
            };
            self.problems
                .add(&uses.at, message, "not installed for this folder", help);
            return None;
        };
        if facts.kind != kind {
            let (is, needed) = (facts.kind.as_str(), kind.as_str());
            let fitting = catalogue.plugins.iter().filter(|(_, facts)| facts.kind == kind);
            let names: Vec<String> = fitting.map(|(key, _)| format!("`{key}`")).collect();
            let help = if names.is_empty() {
                format!("no {needed} plugin is installed")
            } else {
                format!("the {needed} plugins are {}", names.join(", "))
            };
            let message = format!("`{key}` is a {is} plugin; here a {needed} plugin is needed");
            self.problems
                .add(&uses.at, message, format!("a {is} plugin"), help);
            return None;
        }
        Some((key, facts))
    }
}

fn load_one(loader: &Loader<'_>, source: &RunbookSource) -> Result<Runbook, LoadErrors> {
    let mut problems = Problems::new(&source.path, &source.text);
    if source.text.len() > MOST_LONG {
        return Err(problems.whole(&format!("the file is longer than {MOST_LONG} bytes")));
    }
    let table = node::parse(&source.text, &mut problems);
    if problems.count() > 0 {
        // Half a file would only add mistakes that are none.
        problems.finish()?;
        problems = Problems::new(&source.path, &source.text);
    }
    let mut cx = Cx {
        defaults: Defaults::default(),
        problems,
        loader,
        known: Known {
            vars: &source.vars,
            steps: Steps::new(),
            inputs: BTreeMap::new(),
        },
        mode: Mode::default(),
        settings: Vec::new(),
        knows_recovery: false,
    };
    let defaults_node = node::from_json(&source.defaults, "");
    cx.defaults = Defaults::read(&defaults_node, &mut cx.problems);
    let mut top = Fields::new(&table, &At::start(), "a runbook");

    let name = read_name(&mut top, source, &mut cx);
    let title = text::line(
        &mut top,
        "title",
        "title = \"High latency in cluster B\"",
        &mut cx,
    );
    let owner = text::line(&mut top, "owner", "owner = \"inference-oncall\"", &mut cx);
    let mode = read_mode(&mut top, source, &mut cx);
    cx.mode = mode;

    cx.known.steps = checks::ids(&table, &mut cx.problems);
    let trigger = trigger::trigger(&mut top, &mut cx);
    let inputs = trigger::inputs(&mut top, trigger.is_some(), &mut cx);
    let impact = read_impact(&mut top, &mut cx);
    let links = read_links(&mut top, &mut cx);
    let diagnosis = checks::diagnosis(&mut top, &mut cx);
    let recovery = checks::recovery(&mut top, &mut cx);
    let mitigation = steps::steps(&mut top, Part::Mitigation, &mut cx);
    let resolution = steps::steps(&mut top, Part::Resolution, &mut cx);
    let escalation = checks::escalation(&mut top, &mut cx);
    let guardrails = defaults::guardrails(&mut top, &mut cx);
    top.finish(&mut cx.problems);

    let settings = std::mem::take(&mut cx.settings);
    cx.problems.finish()?;
    // Without a problem each of these is there.
    let (Some(name), Some(title), Some(owner), Some(impact)) = (name, title, owner, impact) else {
        return Err(Problems::new(&source.path, &source.text).whole("the runbook could not be read"));
    };
    Ok(Runbook {
        name,
        title,
        owner,
        team: source.team.clone(),
        mode,
        digest: source.digest(),
        vars: source.vars.clone(),
        trigger,
        inputs,
        impact,
        links,
        diagnosis,
        mitigation,
        resolution,
        recovery,
        escalation,
        guardrails,
        path: source.path.clone(),
        settings,
    })
}

fn read_name(top: &mut Fields<'_, '_>, source: &RunbookSource, cx: &mut Cx<'_>) -> Option<String> {
    let example = format!("name = \"{}\"", source.stem);
    let got = top.needed_text("name", &example, &mut cx.problems)?;
    if got.value != source.stem {
        let message = format!(
            "the runbook is called `{}`, but its file `{}.toml`",
            got.value, source.stem
        );
        cx.problems.add(
            &got.at,
            message,
            "not the file's name",
            format!("write `{example}`, or rename the file"),
        );
    } else if !is_kebab(got.value) {
        let help =
            "write lower-case letters and digits with `-` between: `high-latency-cluster-b`".to_owned();
        cx.problems.add(
            &got.at,
            format!("the name `{}` is not kebab-case", got.value),
            "not kebab-case",
            help,
        );
    }
    Some(got.value.to_owned())
}

fn read_mode(top: &mut Fields<'_, '_>, source: &RunbookSource, cx: &mut Cx<'_>) -> Mode {
    const WORDS: [(&str, Mode); 3] = [("shadow", Mode::Shadow), ("ask", Mode::Ask), ("auto", Mode::Auto)];
    let word = |mode: Mode| {
        WORDS
            .iter()
            .find(|(_, m)| *m == mode)
            .map_or("ask", |(word, _)| word)
    };
    let most = source.max_mode;
    let written = top.word("mode", &WORDS, &mut cx.problems);
    let (mode, from, at) = match (written, cx.defaults.mode.clone()) {
        (Some(got), _) => (got.value, Origin::Runbook, Some(got.at)),
        (None, Some(got)) => (got.value, Origin::Folder, Some(got.at)),
        (None, None) => (Mode::Ask.min(most), Origin::Engine, None),
    };
    if let Some(at) = at
        && mode > most
    {
        let message = format!(
            "the mode `{}` is more than its folder allows, which is `{}`",
            word(mode),
            word(most)
        );
        let help = format!(
            "write `mode = \"{}\"`, or raise `max_mode` in stanch.toml",
            word(most)
        );
        cx.problems.add(&at, message, "more than `max_mode`", help);
    }
    cx.set("mode".to_owned(), word(mode), from);
    mode
}

fn read_impact(top: &mut Fields<'_, '_>, cx: &mut Cx<'_>) -> Option<Impact> {
    let Some(node) = top.node("impact") else {
        top.missing(
            "[impact]",
            "[impact]` with `severity` and `summary",
            &mut cx.problems,
        );
        return None;
    };
    let mut fields = Fields::of(node, "`[impact]`", &mut cx.problems)?;
    const WORDS: [(&str, Severity); 4] = [
        ("low", Severity::Low),
        ("medium", Severity::Medium),
        ("high", Severity::High),
        ("critical", Severity::Critical),
    ];
    let severity = match fields.needed_text("severity", "severity = \"medium\"", &mut cx.problems) {
        Some(got) => fields::one_of(&got, "severity", &WORDS, &mut cx.problems),
        None => None,
    };
    let summary = text::line(&mut fields, "summary", "summary = \"what users notice\"", cx);
    fields.finish(&mut cx.problems);
    Some(Impact {
        severity: severity?,
        summary: summary?,
    })
}

fn read_links(top: &mut Fields<'_, '_>, cx: &mut Cx<'_>) -> Vec<Link> {
    let mut links = Vec::new();
    for node in top.tables("links", "links", &mut cx.problems) {
        let Some(mut fields) = Fields::of(node, "a link", &mut cx.problems) else {
            continue;
        };
        let title = text::line(&mut fields, "title", "title = \"Latency\"", cx);
        let url = fields.needed_text("url", "url = \"https://…\"", &mut cx.problems);
        fields.finish(&mut cx.problems);
        let url = url.and_then(|url| params::url(&url, &cx.known.in_run(None, "a link"), &mut cx.problems));
        if let (Some(title), Some(url)) = (title, url) {
            links.push(Link { title, url });
        }
    }
    links
}

pub(crate) fn is_kebab(name: &str) -> bool {
    !name.is_empty()
        && name.split('-').all(|part| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        })
        && name.starts_with(|c: char| c.is_ascii_lowercase())
}

pub(crate) fn is_snake(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
