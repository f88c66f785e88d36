//! What a project is made of, so that a change of it is seen.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::{Project, ToolError};

/// What tools make, in folders or files of these names, and whatever begins with a dot.
const MADE: [&str; 7] = [
    "build",
    "target",
    "node_modules",
    "__pycache__",
    "Cargo.lock",
    "go.sum",
    "package-lock.json",
];

/// The files of a project with when and how large they were written. Two that are equal are of the same project, unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources(BTreeMap<PathBuf, (SystemTime, u64)>);

impl Sources {
    /// Of a project as it is now.
    ///
    /// # Errors
    /// Where its folder cannot be read.
    pub fn of(project: &Project) -> Result<Self, ToolError> {
        let mut found = BTreeMap::new();
        look(&project.folder, &mut found)?;
        if !project.kit.starts_with(&project.folder) && project.kit.is_dir() {
            look(&project.kit, &mut found)?;
        }
        Ok(Self(found))
    }
}

fn look(folder: &Path, found: &mut BTreeMap<PathBuf, (SystemTime, u64)>) -> Result<(), ToolError> {
    for entry in fs::read_dir(folder).map_err(ToolError::file(folder))? {
        let entry = entry.map_err(ToolError::file(folder))?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if name.starts_with('.') || MADE.contains(&name.as_ref()) {
            continue;
        }
        // What is gone between the two looks is another change, which the next look sees.
        let Ok(metadata) = fs::metadata(&path) else {
            continue;
        };
        if metadata.is_dir() {
            look(&path, found)?;
        } else {
            let written = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            found.insert(path, (written, metadata.len()));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test stops there, and makes files"
)]
mod tests {
    use stanch_contract::PluginKind;

    use super::*;
    use crate::{Language, begin};

    #[test]
    fn what_an_author_writes_is_seen_and_what_tools_make_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("health");
        begin(&place, Language::Python, PluginKind::Diagnosis).unwrap();
        let project = Project::read(&place).unwrap();
        let before = Sources::of(&project).unwrap();
        for made in ["build/health.wasm", "__pycache__/plugin.pyc", ".venv/bin/python"] {
            fs::create_dir_all(place.join(made).parent().unwrap()).unwrap();
            fs::write(place.join(made), "made").unwrap();
        }
        assert_eq!(Sources::of(&project).unwrap(), before);
        for written in ["plugin.py", "other.py", "kit/stanch/http.py"] {
            let before = Sources::of(&project).unwrap();
            fs::write(place.join(written), "written").unwrap();
            assert_ne!(Sources::of(&project).unwrap(), before, "{written}");
        }
    }
}
