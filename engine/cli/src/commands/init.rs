//! `stanch init`: a folder that an engine serves at once, without a plugin, a cluster or a variable of the environment.

use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::user::token;
use crate::args::Init;
use crate::console::Console;
use crate::error::{CliError, Exit};

/// What is written: path, content, and who may read it. `TOKEN` is the one that the sender shows.
const FILES: [(&str, &str, u32); 7] = [
    ("stanch.toml", include_str!("../../init/stanch.toml"), 0o644),
    (
        "runbooks/first-alert.toml",
        include_str!("../../init/first-alert.toml"),
        0o644,
    ),
    (
        "runbooks/first-alert.test.toml",
        include_str!("../../init/first-alert.test.toml"),
        0o644,
    ),
    (
        "first-alert.json",
        include_str!("../../init/first-alert.json"),
        0o644,
    ),
    ("secrets/alertmanager", "TOKEN\n", 0o600),
    (
        "alertmanager.yml",
        include_str!("../../init/alertmanager.yml"),
        0o600,
    ),
    (".gitignore", include_str!("../../init/gitignore"), 0o644),
];

pub fn init(it: &Init, console: &Console) -> Result<Exit, CliError> {
    let folder = &it.folder;
    let taken = FILES
        .iter()
        .map(|(path, ..)| folder.join(path))
        .find(|path| path.symlink_metadata().is_ok());
    if let Some(taken) = taken {
        return Err(CliError::Usage {
            message: format!(
                "`{}` is there already, and nothing is written over",
                taken.display()
            ),
            hint: "name another folder: stanch init FOLDER".to_owned(),
        });
    }
    let token = token()?;
    for (path, content, mode) in FILES {
        write(&folder.join(path), &content.replace("TOKEN", &token), mode)?;
    }
    if console.is_json() {
        let files: Vec<PathBuf> = FILES.iter().map(|(path, ..)| folder.join(path)).collect();
        console.json(&json!({ "folder": folder, "files": files }))?;
        return Ok(Exit::Done);
    }
    let shown = folder.display();
    console.say(&format!("In `{shown}` are:"))?;
    for (path, what) in [
        (
            "stanch.toml",
            "what the engine reads; plugins and clusters go there",
        ),
        ("runbooks/first-alert.toml", "a runbook, with its test beside it"),
        ("alertmanager.yml", "what your Alertmanager needs, with its token"),
    ] {
        console.say(&format!("  {path:26} {what}"))?;
    }
    let go = if folder == Path::new(".") {
        String::new()
    } else {
        format!("  cd {shown}\n")
    };
    console.say(&format!(
        "Next:\n{go}  stanch test                    # plays the runbook\n  stanch serve                   # in a terminal of its own\n  \
         stanch alert first-alert.json  # as Alertmanager would; then `stanch runs`"
    ))?;
    Ok(Exit::Done)
}

fn write(path: &Path, content: &str, mode: u32) -> Result<(), CliError> {
    let failed = |error: io::Error| CliError::File {
        path: path.display().to_string(),
        why: error.to_string(),
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let mode = if mode == 0o600 && folder.ends_with("secrets") {
            0o700
        } else {
            0o755
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(folder)
            .map_err(failed)?;
    }
    // New or not at all: another process may have made it since it was looked for.
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(failed)?;
    file.write_all(content.as_bytes()).map_err(failed)
}
