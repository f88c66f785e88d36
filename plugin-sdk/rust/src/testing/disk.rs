//! The fake host's files: a map from path to entry.

use std::collections::BTreeMap;

use super::State;
use crate::files::{Entry, EntryKind, Page, Removed, Space};
use crate::{Action, Failure};

#[derive(Debug)]
pub(crate) struct Disk {
    folders: BTreeMap<String, Space>,
    entries: BTreeMap<String, Entry>,
    written: BTreeMap<String, Vec<u8>>,
    pub(super) page: usize,
}

impl Default for Disk {
    fn default() -> Self {
        Self {
            folders: BTreeMap::new(),
            entries: BTreeMap::new(),
            written: BTreeMap::new(),
            page: 1000,
        }
    }
}

impl Disk {
    pub(super) fn folder(&mut self, at: &str, total_bytes: u64, free_bytes: u64) {
        self.folders.insert(
            at.to_owned(),
            Space {
                total_bytes,
                free_bytes,
            },
        );
    }

    pub(super) fn file(&mut self, path: &str, bytes: u64, modified_ms: i64) {
        let entry = Entry {
            path: path.to_owned(),
            kind: EntryKind::File,
            bytes,
            modified_ms,
        };
        self.entries.insert(path.to_owned(), entry);
        let above: Vec<String> = path
            .match_indices('/')
            .skip(1)
            .filter_map(|(at, _)| path.get(..at))
            .map(str::to_owned)
            .collect();
        for folder in above {
            self.entry(&folder, EntryKind::Directory, modified_ms);
        }
    }

    pub(super) fn entry(&mut self, path: &str, kind: EntryKind, modified_ms: i64) {
        self.entries.insert(
            path.to_owned(),
            Entry {
                path: path.to_owned(),
                kind,
                bytes: 0,
                modified_ms,
            },
        );
    }

    pub(super) fn paths(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    fn granted(&self, path: &str) -> Result<&str, Failure> {
        let at = path.split('/').next().unwrap_or_default();
        match self.folders.get_key_value(at) {
            Some((at, _)) if !path.split('/').any(|part| part == "..") => Ok(at),
            _ => Err(Failure::denied(format!("No grant names the folder `{path}`"))),
        }
    }
}

impl State {
    pub(crate) fn usage(&self, folder: &str) -> Result<Space, Failure> {
        let disk = self.disk.borrow();
        let at = disk.granted(folder)?;
        disk.folders
            .get(at)
            .copied()
            .ok_or_else(|| Failure::not_found(folder))
    }

    pub(crate) fn scan(
        &self,
        folder: &str,
        recursive: bool,
        continue_from: Option<&str>,
    ) -> Result<Page, Failure> {
        let disk = self.disk.borrow();
        disk.granted(folder)?;
        let beginning = format!("{}/", folder.trim_end_matches('/'));
        let mut found = disk.entries.values().filter(|entry| {
            entry
                .path
                .strip_prefix(&beginning)
                .is_some_and(|rest| recursive || !rest.contains('/'))
                && continue_from.is_none_or(|from| entry.path.as_str() >= from)
        });
        let items: Vec<Entry> = found.by_ref().take(disk.page).cloned().collect();
        Ok(Page {
            items,
            next: found.next().map(|entry| entry.path.clone()),
        })
    }

    pub(crate) fn read(&self, path: &str, limit: u32) -> Result<Vec<u8>, Failure> {
        let disk = self.disk.borrow();
        disk.granted(path)?;
        let content = disk
            .written
            .get(path)
            .ok_or_else(|| Failure::not_found(format!("`{path}` is not there")))?;
        Ok(content.iter().copied().take(limit as usize).collect())
    }

    pub(crate) fn write(&self, path: &str, content: &[u8]) -> Result<(), Failure> {
        self.disk.borrow().granted(path)?;
        let index = self
            .gate
            .borrow_mut()
            .pass(&Action::write(path, content).to_wire())?;
        let mut disk = self.disk.borrow_mut();
        disk.file(path, content.len() as u64, self.now_ms());
        disk.written.insert(path.to_owned(), content.to_vec());
        self.gate.borrow_mut().done(index);
        Ok(())
    }

    pub(crate) fn remove(&self, folder: &str, files: &[Entry]) -> Result<Removed, Failure> {
        self.disk.borrow().granted(folder)?;
        let index = self
            .gate
            .borrow_mut()
            .pass(&Action::remove(folder, files.iter().cloned()).to_wire())?;
        let mut disk = self.disk.borrow_mut();
        let mut removed = Removed::default();
        for file in files {
            match disk.entries.get(&file.path) {
                Some(now) if now.modified_ms == file.modified_ms => {
                    removed.bytes += now.bytes;
                    removed.paths.push(file.path.clone());
                    disk.entries.remove(&file.path);
                }
                _ => removed.refused.push(file.path.clone()),
            }
        }
        if let Some(space) = disk.folders.get_mut(folder.split('/').next().unwrap_or_default()) {
            space.free_bytes += removed.bytes;
        }
        self.gate.borrow_mut().done(index);
        Ok(removed)
    }
}
