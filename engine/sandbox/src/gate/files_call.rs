//! The functions of `files` at the gate.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use stanch_contract::plan::{CanonicalAction, Capability};
use stanch_contract::{ActionState, ByteSize, Digest, Failure, FailureCode};

use super::actions::ChangingCall;
use super::answer::Reply;
use super::change::{Perform, Performed};
use super::grant::Use;
use super::plan::modified_ms;
use super::session::{Session, Ticket, timed_out};
use super::{Layer, Phase, Refusal};
use crate::files::alter::{self, Removal, Written};
use crate::files::folder::{Folder, failure};
use crate::files::look::{self, Scan};
use crate::files::path::{FilePath, Item, whole};
use crate::files::threads;
use crate::files::{Entries, Entry, Folders, Removed, Space};

/// Scans that one plugin call can have open; the oldest is forgotten for the next.
const MOST_SCANS: usize = 8;
/// A content beyond this is not written.
const MOST_WRITE: usize = 16 << 20;

/// The scans of a session that are not at their end, by what `continue-from` says.
#[derive(Default)]
pub(super) struct Scans {
    open: BTreeMap<String, (String, Scan)>,
    order: VecDeque<String>,
    last: u32,
}

impl Scans {
    fn take(&mut self, token: &str, folder: &str) -> Option<Scan> {
        if self.open.get(token).is_none_or(|(of, _)| of != folder) {
            return None;
        }
        self.order.retain(|other| other != token);
        self.open.remove(token).map(|(_, scan)| scan)
    }

    fn put(&mut self, folder: String, scan: Scan) -> String {
        self.last = self.last.wrapping_add(1);
        let token = format!("scan-{}", self.last);
        if self.order.len() >= MOST_SCANS
            && let Some(oldest) = self.order.pop_front()
        {
            self.open.remove(&oldest);
        }
        self.order.push_back(token.clone());
        self.open.insert(token.clone(), (folder, scan));
        token
    }
}

/// A path that the grant has, and the folder's place.
struct Granted {
    path: FilePath,
    place: std::path::PathBuf,
    folders: Folders,
}

impl Session {
    /// `files.usage`.
    ///
    /// # Errors
    /// `denied`, `not-found`, `budget`, `timeout` or `failed`, in the contract's sense.
    pub async fn files_usage(&self, folder: &str) -> Result<Space, Failure> {
        let ticket = self.begin(Capability::Files, "usage", folder)?;
        let granted = self.granted(ticket, folder, Use::Read)?;
        let space = self
            .look(ticket, granted, "measured", |folder, path| {
                look::usage(folder, path)
            })
            .await?;
        self.answered(
            ticket,
            &format!("{} of {} free", size(space.free_bytes), size(space.total_bytes)),
            None,
        );
        if let Some(tape) = self.tape() {
            tape.space(folder, space);
        }
        Ok(space)
    }

    /// `files.scan`. Pages of at most 1,000 entries; `continue_from` is good for one use within the same plugin call.
    ///
    /// # Errors
    /// As [`Session::files_usage`].
    pub async fn files_scan(
        &self,
        folder: &str,
        recursive: bool,
        continue_from: Option<&str>,
    ) -> Result<Entries, Failure> {
        let ticket = self.begin(Capability::Files, "scan", folder)?;
        let granted = self.granted(ticket, folder, Use::Read)?;
        let under_way = match continue_from {
            None => None,
            Some(token) => {
                let scan = self.state().scans.take(token, folder);
                let message = format!(
                    "there is no scan of `{}` to continue from here: begin again",
                    granted.path
                );
                Some(scan.ok_or_else(|| self.fail(ticket, Failure::new(FailureCode::NotFound, message)))?)
            }
        };
        let page = self.look(ticket, granted, "scanned", move |folder, path| {
            let mut scan = under_way.map_or_else(|| Scan::start(folder, path, recursive), Ok)?;
            Ok((scan.page()?, scan))
        });
        let (items, scan) = page.await?;
        self.answered(ticket, &format!("{} entries", items.len()), None);
        if let Some(tape) = self.tape() {
            tape.entries(&items);
        }
        let next = (!scan.is_done()).then(|| self.state().scans.put(folder.to_owned(), scan));
        Ok(Entries { items, next })
    }

    /// `files.read`: at most the first `limit_bytes`, and at most 16 MiB.
    ///
    /// # Errors
    /// As [`Session::files_usage`].
    pub async fn files_read(&self, path: &str, limit_bytes: u32) -> Result<Vec<u8>, Failure> {
        let ticket = self.begin(Capability::Files, "read", path)?;
        let granted = self.granted(ticket, path, Use::Read)?;
        let limit = u64::from(limit_bytes);
        let content = self
            .look(ticket, granted, "read", move |folder, path| {
                look::read(folder, path, limit)
            })
            .await?;
        let content = self.redactor().bytes(content);
        self.answered(ticket, &format!("{} bytes", content.len()), Some(&content));
        if let Some(tape) = self.tape() {
            tape.content(path, &content);
        }
        Ok(content)
    }

    /// `files.write`: the whole file, in place of what is there.
    ///
    /// # Errors
    /// As [`Session::files_usage`], and `conflict`.
    pub async fn files_write(&self, path: &str, content: Vec<u8>) -> Result<(), Failure> {
        let ticket = self.begin(Capability::Files, "write", path)?;
        let granted = self.granted(ticket, path, Use::Change)?;
        if content.len() > MOST_WRITE {
            let why = format!(
                "a file of more than {} is not written",
                ByteSize(MOST_WRITE as u64)
            );
            return Err(self.refuse(ticket, Refusal::new(Layer::Limit, why)));
        }
        let digest = Digest::of(&content);
        self.note(ticket, |call| call.request = Some(digest));
        let call = ChangingCall {
            capability: Capability::Files,
            verb: "write".to_owned(),
            target: granted.path.to_target(),
            content: Some(format!("sha256:{digest}")),
            items: Vec::new(),
        };
        let perform: Perform = Box::new(move |turn| {
            Box::pin(in_folder(granted, turn.action, move |folder, path, action| {
                written(folder, path, &content, action)
            }))
        });
        Box::pin(self.change(ticket, call, self.inner.parts.time.until(None), perform))
            .await?
            .into_written()
    }

    /// `files.remove`: one call, one action; each file only if it is still the one that was seen.
    ///
    /// # Errors
    /// As [`Session::files_usage`], and `conflict`.
    pub async fn files_remove(&self, folder: &str, files: Vec<Entry>) -> Result<Removed, Failure> {
        let ticket = self.begin(Capability::Files, "remove", folder)?;
        let granted = self.granted(ticket, folder, Use::Change)?;
        let removals = removals(&granted.path, &files);
        let removals = removals.map_err(|why| self.refuse(ticket, Refusal::new(Layer::Request, why)))?;
        let call = ChangingCall {
            capability: Capability::Files,
            verb: "remove".to_owned(),
            target: granted.path.to_target(),
            content: None,
            items: removals.iter().map(|removal| removal.item.to_string()).collect(),
        };
        let perform: Perform = Box::new(move |turn| {
            Box::pin(in_folder(granted, turn.action, move |folder, _, _| {
                removed(alter::remove(folder, &removals))
            }))
        });
        Box::pin(self.change(ticket, call, self.inner.parts.time.until(None), perform))
            .await?
            .into_removed()
    }

    /// The layers before the plan: path, grant, phase.
    fn granted(&self, ticket: Ticket, path: &str, usage: Use) -> Result<Granted, Failure> {
        let checked = (|| {
            let path =
                FilePath::parse(path).map_err(|error| Refusal::new(Layer::Request, error.to_string()))?;
            let parts = &self.inner.parts;
            if matches!(parts.phase, Phase::Notify) {
                return Err(Refusal::new(Layer::Phase, "a notification has no files"));
            }
            let entry = parts.grant.files(path.at(), usage)?;
            if usage == Use::Change {
                self.check_phase(&format!("writing or removing in `{path}`"), None)?;
            }
            Ok(Granted {
                place: entry.path.clone(),
                folders: parts.facilities.folders.clone(),
                path,
            })
        })();
        checked.map_err(|refusal| self.refuse(ticket, refusal))
    }

    /// Looks, on the threads for that. What is looked at after the plugin's time is up is thrown away.
    async fn look<T: Send + 'static>(
        &self,
        ticket: Ticket,
        granted: Granted,
        verb: &'static str,
        look: impl FnOnce(&Folder, &FilePath) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let shown = granted.path.to_string();
        let task = threads::look(move || look(&granted.folders.open(&granted.place)?, &granted.path));
        let time = &self.inner.parts.time;
        let failed = match time.within(time.until(None), task).await {
            Some(Ok(Ok(found))) => return Ok(found),
            Some(Ok(Err(error))) => failure(verb, &shown, &error),
            Some(Err(error)) => Failure::new(
                FailureCode::Failed,
                format!("`{shown}` cannot be {verb}: {error}"),
            ),
            None => timed_out(&shown),
        };
        Err(self.fail(ticket, failed))
    }
}

/// Changes something in the folder that the plan was made for, on the pool for blocking work.
async fn in_folder(
    granted: Granted,
    action: CanonicalAction,
    alter: impl FnOnce(&Folder, &FilePath, &CanonicalAction) -> Performed + Send + 'static,
) -> Performed {
    let task = tokio::task::spawn_blocking(move || {
        let folder = match granted.folders.open(&granted.place) {
            Ok(folder) => folder,
            Err(error) => {
                return Performed::failed(
                    ActionState::NotSent,
                    failure("opened", &granted.path.at(), &error),
                );
            }
        };
        if folder.real.to_string_lossy() != action.identity {
            let message = format!(
                "the folder `{}` is another one than when the plan was made",
                granted.path.at()
            );
            return Performed::failed(ActionState::NotSent, Failure::new(FailureCode::Conflict, message));
        }
        alter(&folder, &granted.path, &action)
    });
    task.await.unwrap_or_else(|error| {
        let message = format!("the host failed in it: {error}");
        let state = ActionState::Unknown {
            detail: message.clone(),
        };
        Performed::failed(state, Failure::new(FailureCode::Failed, message))
    })
}

/// The files of a removal, sorted as a plan's items are.
fn removals(folder: &FilePath, files: &[Entry]) -> Result<Vec<Removal>, String> {
    if files.is_empty() {
        return Err("it names no files, and nothing is never everything".to_owned());
    }
    let mut removals = Vec::with_capacity(files.len());
    for entry in files {
        let path = FilePath::parse(&entry.path).map_err(|error| error.to_string())?;
        if !path.is_below(folder) {
            return Err(format!("`{path}` is not in `{folder}`"));
        }
        if entry.kind != "file" {
            return Err(format!(
                "`{path}` is not said to be a file: only files are removed"
            ));
        }
        let modified_ms =
            whole(entry.modified_ms).ok_or_else(|| format!("the time of `{path}` is not a whole number"))?;
        let bytes = whole(entry.bytes).and_then(|bytes| u64::try_from(bytes).ok());
        let bytes = bytes.ok_or_else(|| format!("the size of `{path}` is not a whole number"))?;
        removals.push((Item { path, modified_ms }, bytes));
    }
    let mut named: Vec<(String, Removal)> = removals
        .into_iter()
        .map(|(item, bytes)| {
            (
                item.to_string(),
                Removal {
                    item,
                    bytes: Some(bytes),
                },
            )
        })
        .collect();
    named.sort_by(|one, other| one.0.cmp(&other.0));
    if let Some(twice) = named.windows(2).find_map(|pair| match pair {
        [one, other] if one.1.item.path == other.1.item.path => Some(&one.0),
        _ => None,
    }) {
        return Err(format!("`{twice}` is named twice"));
    }
    Ok(named.into_iter().map(|(_, removal)| removal).collect())
}

fn removed(removed: Removed) -> Performed {
    let mut summary = format!("removed {} files, {}", removed.paths.len(), size(removed.bytes));
    if let Some(first) = removed.refused.first() {
        summary.push_str(&format!("; left {}, the first {first}", removed.refused.len()));
    }
    let detail = stanch_contract::text::clean_line_to(&summary, 300);
    let state = if removed.paths.is_empty() {
        ActionState::refused(detail)
    } else {
        ActionState::Done { detail }
    };
    let content = serde_json::to_vec(&removed).ok();
    Performed {
        state,
        summary,
        content,
        reply: Reply::Removed(removed),
    }
}

fn written(folder: &Folder, path: &FilePath, content: &[u8], action: &CanonicalAction) -> Performed {
    let expect = match action.expect.as_deref().map(modified_ms).transpose() {
        Ok(expect) => expect,
        Err(why) => return Performed::failed(ActionState::NotSent, Failure::new(FailureCode::Denied, why)),
    };
    let done = |detail: &str| Performed {
        state: ActionState::Done {
            detail: detail.to_owned(),
        },
        reply: Reply::Written,
        summary: detail.to_owned(),
        content: None,
    };
    match alter::write(folder, path, content, expect) {
        Ok(Written::Done) => done("written"),
        Ok(Written::Already) => done("it had this content already"),
        Ok(Written::Changed(why)) => {
            let message = format!("`{path}` was not written: {why}");
            let state = ActionState::refused(message.clone());
            Performed::failed(state, Failure::new(FailureCode::Conflict, message))
        }
        // The new content is put in place by one rename as the last step: an error before it left the old file.
        Err(error) => {
            let failure = failure("written", path, &error);
            Performed::failed(ActionState::refused(failure.message.clone()), failure)
        }
    }
}

fn size(bytes: f64) -> ByteSize {
    ByteSize(bytes.max(0.0) as u64)
}
