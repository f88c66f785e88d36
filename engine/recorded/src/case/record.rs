//! Makes a case of a live call: what the plugin was answered becomes the case's world, and what it made of it is expected.
//!
//! Only calls that look are recorded: a question, or a plan. Secrets are out of what a tape hears; the whole text is gone
//! over once more. What is expected is what comes out when the case is played, because that is what it will be compared
//! with; where that differs from what came out live, the person who records is told.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use stanch_contract::{Alert, Failure, IdempotencyKey, PluginKind, RunId, Span, StepId, Timestamp};
use stanch_runbook::LoadErrors;
use stanch_runbook::testfile::Call;
use stanch_sandbox::files::{Entry, Space};
use stanch_sandbox::gate::{Asked, AskedLog, Tape, check_plan};
use stanch_sandbox::http::{NoAnswer, Response};
use stanch_sandbox::secret::Redactor;
use stanch_sandbox::{CallContext, Installation, Sandbox};
use tokio_util::sync::CancellationToken;

use super::play::{as_json, plan_json};
use super::wrong::differences;
use super::{Case, Unplayable, Wrong, play};
use crate::toml::{inline, key, quoted, sayable};

/// Response headers that plugins act on; others only make a case long.
const HEADERS: [&str; 6] = [
    "content-type",
    "etag",
    "last-modified",
    "location",
    "retry-after",
    "link",
];

/// A recorder: the tape of the facilities that a live call goes through.
#[derive(Default)]
pub struct Recorder(Mutex<Heard>);

#[derive(Default)]
struct Heard {
    http: Vec<Exchanged>,
    spaces: BTreeMap<String, Space>,
    files: BTreeMap<String, Entry>,
    contents: BTreeMap<String, String>,
    clusters: BTreeMap<String, HeardOf>,
}

/// What was heard of a cluster.
#[derive(Default)]
struct HeardOf {
    /// In the order in which they came, each as it was first.
    objects: Vec<Value>,
    /// Tables of their own: logs, and what was answered with no object.
    tables: Vec<String>,
}

/// What a server was asked, and what came each time.
struct Exchanged {
    asked: Question,
    came: Vec<Came>,
}

/// What a server was asked.
#[derive(Debug, Clone, PartialEq)]
struct Question {
    method: String,
    url: String,
    body: Vec<u8>,
}

/// What came, as the lines of a case, and how often in a row.
struct Came {
    lines: Vec<String>,
    times: u32,
}

/// A live call.
pub struct Live<'a> {
    /// What the case shows, in words.
    pub name: &'a str,
    /// What is called, through facilities that have the recorder as their tape.
    pub installation: &'a Installation,
    /// The parameters.
    pub params: Value,
    /// The alerts of the run.
    pub alerts: Vec<Alert>,
    /// The cluster that it is about.
    pub on: Option<String>,
    /// When it is made.
    pub now: Timestamp,
}

/// A case that was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Its text.
    pub text: String,
    /// Where it comes out otherwise when it is played.
    pub otherwise: Vec<Wrong>,
}

/// Why nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum Unrecordable {
    /// It would tell people.
    #[error(
        "`{0}` is a notification plugin, and a live call of it would tell people: write its case by hand"
    )]
    TellsPeople(String),
    /// The parameters do not fit.
    #[error("the parameters do not fit `{key}`: {why}")]
    Params {
        /// The installation.
        key: String,
        /// Why not.
        why: String,
    },
    /// What was recorded cannot be played: something that cannot be written down.
    #[error("what was recorded cannot be played: {0}")]
    Unplayable(#[from] Unplayable),
    /// What was recorded cannot be read.
    #[error("what was recorded cannot be read:\n{0}")]
    Unreadable(#[from] LoadErrors),
}

impl Recorder {
    /// Makes the call, and a case of it.
    ///
    /// # Errors
    /// Where the plugin is one that tells people, or the case that came of it cannot be played.
    pub async fn record(&self, sandbox: &Sandbox, live: Live<'_>) -> Result<Recorded, Unrecordable> {
        let Live {
            installation, params, ..
        } = &live;
        let plugin = installation.plugin();
        let key = installation.key();
        if plugin.kind() == PluginKind::Notification {
            return Err(Unrecordable::TellsPeople(key.to_string()));
        }
        if let Some(why) = plugin.check_params(params) {
            let key = key.to_string();
            return Err(Unrecordable::Params { key, why });
        }
        let (function, came) = call(&live).await;
        let given = self.given(&live);
        // Whatever comes out, to begin with.
        let anything = format!("{given}\n[expect.{}]\nsummary = \"*\"\n", name_of(function));
        let case = Case::read("the recording", &anything, plugin.kind())?;
        let played = play(sandbox, plugin, &case).await?;
        let (expect, mut otherwise) = expected(function, &came, played.came.get(&function));
        let text = redactor(installation).text(format!("{given}\n{expect}"));
        let case = Case::read("the recording", &text, plugin.kind())?;
        otherwise.extend(play(sandbox, plugin, &case).await?.wrong);
        Ok(Recorded { text, otherwise })
    }

    /// Everything of the case but what is expected.
    fn given(&self, live: &Live<'_>) -> String {
        let mut text = format!(
            "name = {}\nnow = {}\n",
            quoted(live.name),
            quoted(&live.now.to_string())
        );
        if let Some(on) = &live.on {
            let _ = writeln!(text, "on = {}", quoted(on));
        }
        table(&mut text, "params", &live.params);
        table(&mut text, "settings", live.installation.settings());
        grant(&mut text, &as_json(live.installation.grant().spec()));
        for alert in &live.alerts {
            let mut members = as_json(alert);
            if let Some(members) = members.as_object_mut() {
                members.remove("name");
            }
            let _ = write!(text, "\n[[alert]]\n{}", lines(&members));
        }
        let heard = self.heard();
        for Exchanged { asked, came } in &heard.http {
            for (index, one) in came.iter().enumerate() {
                // The last one is given as often as it is asked for.
                let times = (index + 1 < came.len()).then_some(one.times);
                let _ = write!(text, "\n{}", asked.table(&one.lines, times));
            }
        }
        for (cluster, of) in &heard.clusters {
            of.write(&mut text, cluster);
        }
        for (folder, space) in &heard.spaces {
            let _ = write!(
                text,
                "\n[[space]]\nfolder = {}\ntotal = \"{}B\"\nfree = \"{}B\"\n",
                quoted(folder),
                space.total_bytes as u64,
                space.free_bytes as u64
            );
        }
        for (path, entry) in &heard.files {
            let age = live.now.since(Timestamp(entry.modified_ms as i64));
            let _ = write!(text, "\n[[file]]\npath = {}\n", quoted(path));
            match heard.contents.get(path) {
                Some(content) => {
                    let _ = writeln!(text, "content = {}", quoted(content));
                }
                None => {
                    let _ = writeln!(text, "bytes = \"{}B\"", entry.bytes as u64);
                }
            }
            if age > Span::ZERO {
                let _ = writeln!(text, "age = \"{age}\"");
            }
        }
        text
    }

    fn table(&self, cluster: &str, table: String) {
        let mut heard = self.heard();
        let of = heard.clusters.entry(cluster.to_owned()).or_default();
        if !of.tables.contains(&table) {
            of.tables.push(table);
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeardOf {
    fn write(&self, text: &mut String, cluster: &str) {
        let cluster = quoted(cluster);
        // A cluster in which nothing was found is one that is there.
        let documents: Vec<String> = self.objects.iter().map(document).collect();
        let _ = write!(
            text,
            "\n[[kubernetes]]\ncluster = {cluster}\nobjects = \'\'\'\n{}\'\'\'\n",
            documents.join("---\n")
        );
        for table in &self.tables {
            let _ = write!(text, "\n[[kubernetes]]\ncluster = {cluster}\n{table}");
        }
    }
}

/// An object as a document of YAML, which JSON is: one line for each of its members. What ends a text of TOML is escaped.
fn document(object: &Value) -> String {
    let members = object.as_object().into_iter().flatten();
    let line = |(name, value): (&String, &Value)| {
        let value = literal_text(&value.to_string()).replace("\'\'\'", "\'\'\\u0027");
        format!("{name}: {value}\n")
    };
    members.map(line).collect()
}

/// A Secret without its values: nobody has to decide that they are kept.
fn without_values(object: &mut Value) {
    if object.get("kind").and_then(Value::as_str) != Some("Secret") {
        return;
    }
    if let Some(data) = object.get_mut("data").and_then(Value::as_object_mut) {
        // Base64 of «a secret of a test».
        data.values_mut()
            .for_each(|value| *value = "YSBzZWNyZXQgb2YgYSB0ZXN0".into());
    }
}

impl Question {
    fn table(&self, came: &[String], times: Option<u32>) -> String {
        let mut text = "[[http]]\n".to_owned();
        if self.method != "GET" {
            let _ = writeln!(text, "method = {}", quoted(&self.method));
        }
        let _ = writeln!(text, "url = {}", quoted(&self.url));
        if !self.body.is_empty() {
            let json = serde_json::from_slice(&self.body).ok().as_ref().and_then(inline);
            let sent = json.unwrap_or_else(|| quoted(&String::from_utf8_lossy(&self.body)));
            let _ = writeln!(text, "sent = {sent}");
        }
        if let Some(times) = times {
            let _ = writeln!(text, "times = {times}");
        }
        for line in came {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

impl Tape for Recorder {
    fn http(&self, asked: Asked<'_>, came: Result<&Response, NoAnswer>) {
        let lines = match came {
            Ok(response) => response_lines(response),
            Err(why) => {
                let word = match why {
                    NoAnswer::Unresolved(_) => "unknown-host",
                    NoAnswer::Refused(_) => "refused",
                    NoAnswer::TimedOut => "timeout",
                    NoAnswer::Lost(_) => "lost",
                };
                vec![format!("error = \"{word}\"")]
            }
        };
        let question = Question {
            method: asked.method.to_owned(),
            url: asked.url.to_owned(),
            body: asked.body.to_vec(),
        };
        let mut heard = self.heard();
        match heard.http.iter_mut().find(|one| one.asked == question) {
            None => heard.http.push(Exchanged {
                asked: question,
                came: vec![Came { lines, times: 1 }],
            }),
            Some(Exchanged { came, .. }) => match came.last_mut() {
                Some(last) if last.lines == lines => last.times = last.times.saturating_add(1),
                _ => came.push(Came { lines, times: 1 }),
            },
        }
    }

    fn space(&self, folder: &str, space: Space) {
        // The first is how it was; a folder's own name is the grant's.
        let at = folder.split('/').next().unwrap_or_default().to_owned();
        self.heard().spaces.entry(at).or_insert(space);
    }

    fn entries(&self, entries: &[Entry]) {
        let mut heard = self.heard();
        for entry in entries.iter().filter(|entry| entry.kind == "file") {
            heard
                .files
                .entry(entry.path.clone())
                .or_insert_with(|| entry.clone());
        }
    }

    fn content(&self, path: &str, content: &[u8]) {
        let text = String::from_utf8_lossy(content).into_owned();
        let mut heard = self.heard();
        heard.files.entry(path.to_owned()).or_insert_with(|| Entry {
            path: path.to_owned(),
            kind: "file".to_owned(),
            bytes: content.len() as f64,
            modified_ms: f64::MAX,
        });
        heard.contents.entry(path.to_owned()).or_insert(text);
    }

    fn objects(&self, cluster: &str, objects: &[String]) {
        let mut heard = self.heard();
        let of = heard.clusters.entry(cluster.to_owned()).or_default();
        let uid = |object: &Value| object.pointer("/metadata/uid").cloned();
        for object in objects {
            let Ok(mut object) = serde_json::from_str::<Value>(object) else {
                continue;
            };
            without_values(&mut object);
            if !of.objects.iter().any(|known| uid(known) == uid(&object)) {
                of.objects.push(object);
            }
        }
    }

    fn log(&self, cluster: &str, asked: AskedLog<'_>, log: &str) {
        let mut table = format!("log = {}\n", quoted(asked.pod));
        if let Some(container) = asked.container {
            let _ = writeln!(table, "container = {}", quoted(container));
        }
        if asked.previous {
            table.push_str("previous = true\n");
        }
        let _ = writeln!(table, "text = {}", quoted(log));
        self.table(cluster, table);
    }

    fn withheld(&self, cluster: &str, call: &str, status: Option<u16>, said: &str) {
        let mut table = format!("call = {}\n", quoted(call));
        match status {
            Some(status) => {
                let _ = writeln!(table, "status = {status}\nmessage = {}", quoted(said));
            }
            None => table.push_str("error = \"refused\"\n"),
        }
        self.table(cluster, table);
    }
}

/// Makes the call; what came of it is as a case would say it.
async fn call(live: &Live<'_>) -> (Call, Result<Value, Failure>) {
    let context = CallContext {
        run: RunId::from("case000000000000"),
        step: StepId::from("case"),
        attempt: 1,
        idempotency_key: IdempotencyKey::from("case000000000000.case.do"),
        alerts: live.alerts.clone().into(),
        on: live.on.clone(),
        quiet: false,
        extra: Value::Null,
        cancel: CancellationToken::new(),
    };
    let installation = live.installation;
    if installation.plugin().kind() == PluginKind::Diagnosis {
        let report = Box::pin(installation.diagnose(&context, &live.params)).await;
        return (Call::Diagnose, report.result.map(as_json).map_err(Failure::from));
    }
    let report = Box::pin(installation.plan(&context, &live.params)).await;
    let offered = match report.result {
        Ok(offered) => offered,
        Err(fault) => return (Call::Plan, Err(fault.into())),
    };
    let idempotent = installation.plugin().manifest().idempotent;
    let (grant, facilities) = (installation.grant(), installation.facilities());
    let checked = check_plan(offered, grant, facilities, live.on.as_deref(), idempotent).await;
    let plan = checked.map_err(|refusal| refusal.to_failure());
    (Call::Plan, plan.map(|plan| plan_json(&plan)))
}

/// What a case calls what a function gives.
fn name_of(function: Call) -> &'static str {
    if function == Call::Diagnose {
        "finding"
    } else {
        "plan"
    }
}

/// `[expect.…]` of what came when it was played, and where that is not what came live.
fn expected(
    function: Call,
    live: &Result<Value, Failure>,
    played: Option<&Result<Value, Failure>>,
) -> (String, Vec<Wrong>) {
    let as_failure = |failure: &Failure| json!({ "code": failure.code.as_str(), "message": failure.message });
    let name = name_of(function);
    let shown = |came: &Result<Value, Failure>| match came {
        Ok(value) => (name, pruned(value)),
        Err(failure) => ("failure", as_failure(failure)),
    };
    let (live_is, live) = shown(live);
    let (played_is, played) = played.map_or_else(|| (live_is, live.clone()), shown);
    let otherwise = if live_is == played_is {
        differences(live_is, &live, &played)
    } else {
        vec![Wrong::Differs {
            at: live_is.to_owned(),
            expected: live.to_string(),
            found: Some(format!("{played_is}: {played}")),
        }]
    };
    (format!("[expect.{played_is}]\n{}", lines(&played)), otherwise)
}

/// What of a finding or a plan a person would hold a plugin to: no curves, nothing that the host adds for people.
fn pruned(value: &Value) -> Value {
    const KEPT: [&str; 6] = ["verdict", "summary", "evidence", "actions", "population", "data"];
    const OF_ACTION: [&str; 6] = ["verb", "target", "expect", "content", "items", "reason"];
    const OF_EVIDENCE: [&str; 4] = ["label", "value", "unit", "link"];
    let only = |value: &Value, kept: &[&str]| -> Value {
        let members = value.as_object().into_iter().flatten();
        let kept = members.filter(|(name, _)| kept.contains(&name.as_str()));
        kept.map(|(name, value)| (name.clone(), value.clone()))
            .collect::<Map<_, _>>()
            .into()
    };
    let mut value = only(value, &KEPT);
    for (list, kept) in [("actions", &OF_ACTION[..]), ("evidence", &OF_EVIDENCE[..])] {
        if let Some(items) = value.get_mut(list).and_then(Value::as_array_mut) {
            for item in items {
                *item = only(item, kept);
            }
        }
    }
    sayable(&value)
}

/// A table of its own, where there is something in it.
fn table(text: &mut String, name: &str, value: &Value) {
    let lines = lines(value);
    if !lines.is_empty() {
        let _ = write!(text, "\n[{name}]\n{lines}");
    }
}

/// The members of a table, one a line; those that TOML cannot say are left out.
fn lines(value: &Value) -> String {
    let value = sayable(value);
    let members = value.as_object().into_iter().flatten();
    let lines = members.filter_map(|(name, value)| Some(format!("{} = {}\n", key(name), inline(value)?)));
    lines.collect()
}

/// `[[grant.http]]` and the others.
fn grant(text: &mut String, spec: &Value) {
    let tables = spec.as_object().into_iter().flatten();
    let entries = tables.flat_map(|(name, entries)| {
        let entries = entries.as_array().into_iter().flatten();
        entries.map(move |entry| format!("\n[[grant.{name}]]\n{}", lines(entry)))
    });
    let before = text.len();
    entries.for_each(|entry| text.push_str(&entry));
    // Nothing granted is something else than what the manifest asks for.
    if text.len() == before {
        text.push_str("\n[grant]\n");
    }
}

fn response_lines(response: &Response) -> Vec<String> {
    let mut lines = Vec::new();
    if response.status != 200 {
        lines.push(format!("status = {}", response.status));
    }
    let json = serde_json::from_slice::<Value>(&response.body).ok();
    let json = json.filter(|value| value.is_object() || value.is_array());
    let json = json.as_ref().map(literal).as_ref().and_then(inline);
    let mut headers: Vec<String> = Vec::new();
    for (name, value) in &response.headers {
        let is_known = name == "content-type" && json.is_some() && value.starts_with("application/json");
        if HEADERS.contains(&name.as_str()) && !is_known && !headers.iter().any(|line| line.starts_with(name))
        {
            headers.push(format!("{} = {}", key(name), quoted(&literal_text(value))));
        }
    }
    if !headers.is_empty() {
        lines.push(format!("headers = {{ {} }}", headers.join(", ")));
    }
    match json {
        Some(json) => lines.push(format!("json = {json}")),
        None if response.body.is_empty() => {}
        None => {
            let body = literal_text(&String::from_utf8_lossy(&response.body));
            lines.push(format!("body = {}", quoted(&body)));
        }
    }
    lines
}

/// The value with its `${` as literals.
fn literal(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(literal_text(text)),
        Value::Array(items) => items.iter().map(literal).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), literal(value)))
            .collect(),
        other => other.clone(),
    }
}

fn literal_text(text: &str) -> String {
    text.replace("${", "$${")
}

/// Takes the values of the grant's secrets out of the whole.
fn redactor(installation: &Installation) -> Redactor {
    let names = installation.grant().secret_names();
    let secrets: Vec<Arc<_>> = names
        .into_iter()
        .filter_map(|name| installation.facilities().secrets.get(name))
        .collect();
    Redactor::new(secrets.iter().map(AsRef::as_ref))
}
