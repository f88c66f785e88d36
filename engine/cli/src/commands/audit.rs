//! `stanch audit`.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use serde_json::json;
use stanch_contract::Digest;
use stanch_service::audit::{Broken, Chain, Link};
use stanch_service::control::types::{AuditEntry, AuditPage};

use crate::args::{Audit, AuditCommand, Known};
use crate::client::Client;
use crate::commands::Whereabouts;
use crate::console::Console;
use crate::error::{CliError, Exit};
use crate::screens;

/// Entries in one answer of the engine.
const PAGE: usize = 1_000;

pub fn run(audit: Audit, at: &Whereabouts, console: &Console) -> Result<Exit, CliError> {
    match audit.command {
        AuditCommand::List { limit } => at.ask(async |client| list(client, console, limit).await),
        AuditCommand::Export { after } => at.ask(async |client| export(client, console, after).await),
        AuditCommand::Verify {
            file: Some(file),
            known,
        } => verify_file(&file, known, console),
        AuditCommand::Verify { file: None, known } => {
            at.ask(async |client| verify(client, known, console).await)
        }
    }
}

async fn page(client: &Client, after: u64, limit: usize) -> Result<AuditPage, CliError> {
    client.get(&format!("/audit?after={after}&limit={limit}")).await
}

async fn list(client: &Client, console: &Console, limit: u64) -> Result<Exit, CliError> {
    let ends = page(client, 0, 1).await?;
    let mut after = ends.first.no.max(ends.last.no.saturating_sub(limit));
    let mut entries: Vec<AuditEntry> = Vec::new();
    loop {
        let more = page(client, after, PAGE).await?;
        let Some(last) = more.entries.last() else { break };
        after = last.no;
        entries.extend(more.entries);
    }
    console.show(&entries, |width| screens::audit(&entries, width))?;
    Ok(Exit::Done)
}

async fn export(client: &Client, console: &Console, mut after: u64) -> Result<Exit, CliError> {
    loop {
        let more = page(client, after, PAGE).await?;
        let Some(last) = more.entries.last() else {
            return Ok(Exit::Done);
        };
        after = last.no;
        for entry in &more.entries {
            console.json_line(entry)?;
        }
    }
}

async fn verify(client: &Client, known: Option<Known>, console: &Console) -> Result<Exit, CliError> {
    let mut more = page(client, 0, PAGE).await?;
    let first = more.first;
    let mut chain = Chain::from(first, known.map(|known| known.0));
    while !more.entries.is_empty() {
        for entry in &more.entries {
            chain.next(entry).map_err(broken)?;
        }
        more = page(client, chain.at().no, PAGE).await?;
    }
    chain.end(more.last).map_err(broken)?;
    holds(first, chain.at(), console)
}

/// An export says where it begins and not where it ends: that its last entries are not missing, only `--known` shows.
fn verify_file(path: &Path, known: Option<Known>, console: &Console) -> Result<Exit, CliError> {
    let wrong = |why: String| CliError::File {
        path: path.display().to_string(),
        why,
    };
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let mut chain: Option<(Link, Chain)> = None;
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|error| wrong(error.to_string()))?;
        let entry: AuditEntry = serde_json::from_str(&line).map_err(|error| {
            wrong(format!(
                "line {} is not an entry of the audit: {error}",
                number + 1
            ))
        })?;
        let (_, chain) = chain.get_or_insert_with(|| {
            let first = Link {
                no: entry.no.saturating_sub(1),
                digest: entry.previous,
            };
            (first, Chain::from(first, known.map(|known| known.0)))
        });
        chain.next(&entry).map_err(broken)?;
    }
    let Some((first, chain)) = chain else {
        return Err(wrong("there is no entry in it".to_owned()));
    };
    chain.end(chain.at()).map_err(broken)?;
    holds(first, chain.at(), console)
}

fn holds(first: Link, last: Link, console: &Console) -> Result<Exit, CliError> {
    let count = last.no - first.no;
    if console.is_json() {
        console.json(&json!({ "entries": count, "first": first, "last": last }))?;
        return Ok(Exit::Done);
    }
    let before = match first.no {
        0 => String::new(),
        no => format!("; the {no} before them were dropped because of their age"),
    };
    console.say(&format!(
        "{count} entries, and each is as it was written{before}\n\
         the last is {}:{}: keep that elsewhere and give it to --known the next time, which shows that the chain was not made anew",
        last.no, last.digest
    ))?;
    Ok(Exit::Done)
}

fn broken(broken: Broken) -> CliError {
    CliError::Audit(broken)
}

impl std::str::FromStr for Known {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a place in the audit: write NUMBER:SHA256, as `stanch audit verify` prints it"
            )
        };
        let (no, digest) = text.split_once(':').ok_or_else(wrong)?;
        let no = no.parse().map_err(|_| wrong())?;
        let digest: Digest = digest.parse().map_err(|_| wrong())?;
        Ok(Self(Link { no, digest }))
    }
}
