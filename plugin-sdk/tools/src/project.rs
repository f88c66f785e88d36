//! What a plugin's project is: a folder with a file that says in which language it is and of which kind.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use stanch_contract::PluginKind;

use crate::ToolError;

/// The file's name.
pub const FILE: &str = "stanch-plugin.toml";

/// A language that there is a kit for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust.
    Rust,
    /// Python.
    Python,
    /// JavaScript, with the kit for TypeScript.
    JavaScript,
    /// TypeScript.
    TypeScript,
    /// Go.
    Go,
    /// C.
    C,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Rust,
        Self::Python,
        Self::JavaScript,
        Self::TypeScript,
        Self::Go,
        Self::C,
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::JavaScript => "javascript",
            Self::TypeScript => "typescript",
            Self::Go => "go",
            Self::C => "c",
        }
    }
}

/// A plugin's project.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its folder.
    pub folder: PathBuf,
    /// The language.
    pub language: Language,
    /// The kind.
    pub kind: PluginKind,
    /// The folder of the language's kit. Rust has none: its kit is a crate.
    pub kit: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    language: Language,
    kind: PluginKind,
    #[serde(default = "kit")]
    kit: PathBuf,
}

fn kit() -> PathBuf {
    "kit".into()
}

impl Project {
    /// Reads the project in `folder`.
    ///
    /// # Errors
    /// Where there is none, or its file is wrong.
    pub fn read(folder: &Path) -> Result<Self, ToolError> {
        let file = folder.join(FILE);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
                return Err(ToolError::NoProject(folder.to_owned()));
            }
            Err(why) => return Err(ToolError::File { path: file, why }),
        };
        let File { language, kind, kit } = toml::from_str(&text).map_err(|error| ToolError::BadProject {
            file: file.clone(),
            why: error.to_string().trim_end().to_owned(),
        })?;
        let folder = fs::canonicalize(folder).map_err(ToolError::file(folder))?;
        let kit = folder.join(kit);
        if language != Language::Rust && !kit.is_dir() {
            return Err(ToolError::BadProject {
                file,
                why: format!("the kit is not there: `{}` is no folder", kit.display()),
            });
        }
        let kit = fs::canonicalize(&kit).unwrap_or(kit);
        Ok(Self {
            folder,
            language,
            kind,
            kit,
        })
    }

    /// The contract that the kit was made for: it travels with the kit, so that a project goes on building as it did whatever
    /// the engine has learned since.
    pub(crate) fn wit(&self) -> Result<PathBuf, ToolError> {
        let places = [self.kit.join("wit"), self.kit.join("../wit")];
        places
            .into_iter()
            .find(|place| place.join("plugin.wit").is_file())
            .ok_or_else(|| ToolError::BadProject {
                file: self.folder.join(FILE),
                why: format!("the kit `{}` has no wit/plugin.wit", self.kit.display()),
            })
    }

    /// The world of the contract.
    pub(crate) fn world(&self) -> String {
        format!("{}-plugin", self.kind.as_str())
    }

    /// Where what is built goes.
    pub fn output(&self) -> PathBuf {
        self.folder.join("build")
    }
}
