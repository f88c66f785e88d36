//! Folders that grants name, each a real one in a temporary place, filled as a test says.
//!
//! The files capability works on them as on any folder: what a plugin removes is gone and what it writes is there. Their
//! times are set from the world's clock. Sizes are the files' own, and take no room: what has no content is sparse.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use stanch_contract::Timestamp;
use stanch_runbook::given::{self, Content, FileIs, Given};
use stanch_runbook::problem::did_you_mean;
use stanch_sandbox::GivenTime;
use stanch_sandbox::files::path::FilePath;
use stanch_sandbox::files::{GivenFolders, Space};
use tempfile::TempDir;

use crate::WorldError;
use crate::clock::{Clock, Visitor};
use crate::missing::{Misses, Missing};
use crate::toml::quoted;

/// All folders of a world.
pub(crate) struct Disk {
    clock: Clock,
    misses: Arc<Misses>,
    /// By the path that grants name.
    places: BTreeMap<PathBuf, Place>,
    state: Mutex<BTreeMap<PathBuf, State>>,
    /// Removed with the world.
    _root: TempDir,
}

/// One folder.
struct Place {
    /// Where it really is.
    dir: PathBuf,
    /// What grants call it; the first is what messages call it.
    names: Vec<String>,
    /// What happens in it, by time.
    events: Vec<(Timestamp, Event)>,
}

enum Event {
    File { rest: Vec<String>, what: FileIs },
    Space { total: u64, free: u64 },
}

/// How far a folder is.
#[derive(Default)]
struct State {
    /// So many of its events happened.
    happened: usize,
    /// How full its file system was said to be, and how much the files had then.
    space: Option<(u64, u64, u64)>,
}

impl Disk {
    pub(crate) fn new<'g>(
        given: &Given,
        clock: Clock,
        folders: impl Iterator<Item = (&'g str, &'g Path)>,
        misses: Arc<Misses>,
    ) -> Result<Self, WorldError> {
        let root = tempfile::tempdir()?;
        let mut places: BTreeMap<PathBuf, Place> = BTreeMap::new();
        for (at, path) in folders {
            let dir = root.path().join(places.len().to_string());
            let place = places.entry(path.to_owned()).or_insert_with(|| Place {
                dir,
                names: Vec::new(),
                events: Vec::new(),
            });
            if !place.names.iter().any(|name| name == at) {
                place.names.push(at.to_owned());
            }
        }
        for place in places.values() {
            fs::create_dir(&place.dir)?;
        }
        let start = clock.now();
        for file in &given.files {
            let path = FilePath::parse(&file.path).map_err(|error| WorldError::Unknown(error.to_string()))?;
            for place in named(&mut places, path.at(), &file.path)? {
                let rest = path.rest().to_vec();
                let what = file.what.clone();
                place
                    .events
                    .push((start.plus(file.at), Event::File { rest, what }));
            }
        }
        for given::Space {
            at,
            folder,
            total,
            free,
        } in &given.spaces
        {
            for place in named(&mut places, folder, folder)? {
                let (total, free) = (*total, *free);
                place.events.push((start.plus(*at), Event::Space { total, free }));
            }
        }
        for place in places.values_mut() {
            // Stable: files before spaces, each in the order of the test.
            place.events.sort_by_key(|(at, _)| *at);
        }
        Ok(Self {
            clock,
            misses,
            places,
            state: Mutex::default(),
            _root: root,
        })
    }

    /// The files in all folders, by the names that grants give them.
    pub(crate) fn files(&self) -> io::Result<Vec<String>> {
        Ok(self.traces()?.into_keys().collect())
    }

    /// The files with what tells whether they were changed.
    pub(crate) fn traces(&self) -> io::Result<BTreeMap<String, Trace>> {
        let mut files = BTreeMap::new();
        for (granted, place) in &self.places {
            if place.events.is_empty() {
                continue;
            }
            self.catch_up(granted, place)?;
            let name = place.names.first().map_or("", String::as_str);
            walk(&place.dir, name, &mut |path, trace| {
                files.insert(path, trace);
            })?;
        }
        Ok(files)
    }

    /// The folder with everything in it that has happened until now.
    fn place(&self, granted: &Path, who: &str) -> io::Result<&Place> {
        let place = self
            .places
            .get(granted)
            .ok_or_else(|| io::Error::other("the folder is not part of the test"))?;
        if place.events.is_empty() {
            let name = place.names.first().map_or("", String::as_str);
            let prefix = self.misses.prefix;
            self.misses.add(Missing {
                what: format!(
                    "{who} looked into the folder `{name}`, and the test does not say what is in it"
                ),
                write: format!(
                    "[[{prefix}file]]\npath = {}\nbytes = \"10MiB\"\nage = \"2d\"",
                    quoted(&format!("{name}/old.log"))
                ),
            });
            return Err(io::Error::other("the test does not give this folder"));
        }
        self.catch_up(granted, place)?;
        Ok(place)
    }

    fn catch_up(&self, granted: &Path, place: &Place) -> io::Result<()> {
        let now = self.clock.now();
        let mut states = self.states();
        let state = states.entry(granted.to_owned()).or_default();
        while let Some((at, event)) = place.events.get(state.happened).filter(|(at, _)| *at <= now) {
            match event {
                Event::File { rest, what } => happen(&place.dir, rest, what, *at)?,
                Event::Space { total, free } => state.space = Some((*total, *free, size(&place.dir)?)),
            }
            state.happened += 1;
        }
        Ok(())
    }

    fn space(&self, granted: &Path, who: &str) -> io::Result<Space> {
        let place = self.place(granted, who)?;
        let space = self.states().get(granted).and_then(|state| state.space);
        let Some((total, free, before)) = space else {
            let name = place.names.first().map_or("", String::as_str);
            let prefix = self.misses.prefix;
            self.misses.add(Missing {
                what: format!("{who} asked how full the disk of `{name}` is, and the test does not say it"),
                write: format!(
                    "[[{prefix}space]]\nfolder = {}\ntotal = \"100GiB\"\nfree = \"5GiB\"",
                    quoted(name)
                ),
            });
            return Err(io::Error::other("the test does not say how full the disk is"));
        };
        // What was removed since is free, and what was written is not.
        let free = free.saturating_add(before).saturating_sub(size(&place.dir)?);
        Ok(Space {
            total_bytes: total as f64,
            free_bytes: free.min(total) as f64,
        })
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<PathBuf, State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The folders that grants call so; at least one.
fn named<'p>(
    places: &'p mut BTreeMap<PathBuf, Place>,
    name: &str,
    given: &str,
) -> Result<impl Iterator<Item = &'p mut Place>, WorldError> {
    let known: Vec<String> = places.values().flat_map(|place| place.names.clone()).collect();
    if !known.iter().any(|known| known == name) {
        let hint = did_you_mean(name, known.iter().map(String::as_str));
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        return Err(WorldError::Unknown(format!(
            "the test gives `{given}`, and no plugin is granted a folder `{name}`{hint}"
        )));
    }
    let name = name.to_owned();
    Ok(places
        .values_mut()
        .filter(move |place| place.names.contains(&name)))
}

/// Makes a file what a test says that it is.
fn happen(dir: &Path, rest: &[String], what: &FileIs, at: Timestamp) -> io::Result<()> {
    let path = rest.iter().fold(dir.to_owned(), |path, part| path.join(part));
    let (content, changed) = match what {
        FileIs::There { content, age } => (content, Timestamp(at.0.saturating_sub(age.as_millis()))),
        FileIs::Gone => {
            remove(&path)?;
            return stamp(path.parent(), at);
        }
    };
    let above = rest.split_last().map_or(&[][..], |(_, above)| above);
    let mut folders = vec![dir.to_owned()];
    for part in above {
        let folder = folders.last().map_or_else(PathBuf::new, |last| last.join(part));
        if !folder.is_dir() {
            fs::create_dir(&folder)?;
        }
        folders.push(folder);
    }
    let mut file = File::create(&path)?;
    match content {
        Content::Bytes(bytes) => file.set_len(*bytes)?,
        Content::Text(text) => file.write_all(text.as_bytes())?,
    }
    file.set_modified(time(changed))?;
    for folder in &folders {
        stamp(Some(folder), changed)?;
    }
    Ok(())
}

#[allow(
    clippy::disallowed_methods,
    reason = "a file that this module made, in the temporary folder of a test"
)]
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn stamp(folder: Option<&Path>, at: Timestamp) -> io::Result<()> {
    match folder {
        Some(folder) => File::open(folder)?.set_modified(time(at)),
        None => Ok(()),
    }
}

fn time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.0).unwrap_or(0))
}

/// The sizes of all files below, added up.
fn size(dir: &Path) -> io::Result<u64> {
    let mut sum = 0_u64;
    walk(dir, "", &mut |_, trace| sum = sum.saturating_add(trace.bytes))?;
    Ok(sum)
}

/// What tells whether a file was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trace {
    bytes: u64,
    modified: SystemTime,
}

/// Every file below, with its path.
fn walk(dir: &Path, shown: &str, each: &mut dyn FnMut(String, Trace)) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let shown = format!("{shown}/{}", entry.file_name().to_string_lossy());
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            walk(&entry.path(), &shown, each)?;
        } else {
            let trace = Trace {
                bytes: metadata.len(),
                modified: metadata.modified()?,
            };
            each(shown, trace);
        }
    }
    Ok(())
}

/// The folders, as one plugin call reaches them.
pub(crate) struct Hands {
    pub(crate) disk: Arc<Disk>,
    pub(crate) visitor: Arc<Visitor>,
}

impl GivenFolders for Hands {
    fn place(&self, granted: &Path) -> io::Result<PathBuf> {
        let place = self.disk.place(granted, self.visitor.who())?;
        Ok(place.dir.clone())
    }

    fn space(&self, granted: &Path) -> io::Result<Space> {
        self.disk.space(granted, self.visitor.who())
    }

    fn now(&self) -> Timestamp {
        GivenTime::now(self.visitor.as_ref())
    }
}
