//! A new project: a first plugin that builds, its cases, and the kit.
//!
//! The kits for Python, TypeScript, Go and C travel in this program and are written into the project. So a first plugin needs
//! no registry, what a project builds with stands in its own history, and a newer engine changes nothing of it. The kit for
//! Rust is a crate, as Rust has it.

use std::fs;
use std::path::{Path, PathBuf};

use stanch_contract::PluginKind;

use crate::project::Language;
use crate::{FILE, ToolError};

/// One file of a kit or a template: its path, and what is in it.
pub type KitFile = (&'static str, &'static str);

macro_rules! files {
    ($folder:literal: $($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../", $folder, "/", $path)))),*]
    };
}

const PYTHON: &[KitFile] = files!["python":
    "README.md",
    "stanch/__init__.py", "stanch/_component.py", "stanch/_wire.py", "stanch/about.py", "stanch/apply.py",
    "stanch/context.py", "stanch/failure.py", "stanch/files.py", "stanch/finding.py", "stanch/host.py",
    "stanch/http.py", "stanch/kinds.py", "stanch/kubernetes.py", "stanch/params.py", "stanch/plan.py",
    "stanch/py.typed", "stanch/urlopen.py", "stanch/values.py",
    "stanch_diagnosis.py", "stanch_notification.py", "stanch_remediation.py",
];

const TYPESCRIPT: &[KitFile] = files!["typescript":
    "README.md",
    "src/absent.ts", "src/apply.ts", "src/component.ts", "src/context.ts", "src/contract.d.ts", "src/entry-diagnosis.ts",
    "src/entry-notification.ts", "src/entry-remediation.ts", "src/failure.ts", "src/files.ts", "src/finding.ts",
    "src/host.ts", "src/http.ts", "src/index.ts", "src/kinds.ts", "src/kubernetes.ts", "src/plan.ts", "src/schema.ts",
    "src/sha256.ts", "src/text.ts", "src/the-plugin.d.ts", "tsconfig.json",
];

const GO: &[KitFile] = files!["go":
    "README.md", "diagnosis/diagnosis.go", "go.mod", "internal/bridge/bridge.go",
    "internal/wit/export_runbook_plugin_diagnosis/hook.go", "internal/wit/export_runbook_plugin_manifest/hook.go",
    "internal/wit/export_runbook_plugin_notification/hook.go",
    "internal/wit/export_runbook_plugin_remediation/hook.go", "internal/wit/exports/diagnosis/wit_exports.go",
    "internal/wit/exports/notification/wit_exports.go", "internal/wit/exports/remediation/wit_exports.go",
    "internal/wit/runbook_plugin_common/empty.s", "internal/wit/runbook_plugin_common/wit_bindings.go",
    "internal/wit/runbook_plugin_diagnosis/empty.s", "internal/wit/runbook_plugin_diagnosis/wit_bindings.go",
    "internal/wit/runbook_plugin_files/empty.s", "internal/wit/runbook_plugin_files/wit_bindings.go",
    "internal/wit/runbook_plugin_host/empty.s", "internal/wit/runbook_plugin_host/wit_bindings.go",
    "internal/wit/runbook_plugin_http/empty.s", "internal/wit/runbook_plugin_http/wit_bindings.go",
    "internal/wit/runbook_plugin_kubernetes/empty.s", "internal/wit/runbook_plugin_kubernetes/wit_bindings.go",
    "internal/wit/runbook_plugin_notification/empty.s", "internal/wit/runbook_plugin_notification/wit_bindings.go",
    "internal/wit/runbook_plugin_remediation/empty.s", "internal/wit/runbook_plugin_remediation/wit_bindings.go",
    "internal/wit/runtime/empty.s", "internal/wit/runtime/runtime.go", "internal/wit/types/option.go",
    "internal/wit/types/result.go", "internal/wit/types/unit.go", "nethttp/nethttp.go", "notification/notification.go",
    "remediation/remediation.go", "stanch/about.go", "stanch/apply.go", "stanch/context.go", "stanch/doc.go",
    "stanch/failure.go", "stanch/files.go", "stanch/finding.go", "stanch/host.go", "stanch/http.go",
    "stanch/kubernetes.go", "stanch/params.go", "stanch/plan.go", "stanch/schema.go",
];

const C: &[KitFile] = files!["c":
    "README.md", "bindings/diagnosis_plugin.c", "bindings/diagnosis_plugin.h", "bindings/notification_plugin.c",
    "bindings/notification_plugin.h", "bindings/remediation_plugin.c", "bindings/remediation_plugin.h",
    "include/stanch.h", "src/changes.c", "src/json.c", "src/kit.c", "src/looks.c", "src/wire.h",
];

/// The contract that this engine's kits are made for.
const WIT: &str = include_str!("../../wit/plugin.wit");

/// The kit of a language; none for Rust, whose kit is a crate.
pub fn kit_of(language: Language) -> &'static [KitFile] {
    match language {
        Language::Rust => &[],
        Language::Python => PYTHON,
        Language::JavaScript | Language::TypeScript => TYPESCRIPT,
        Language::Go => GO,
        Language::C => C,
    }
}

macro_rules! template {
    ($folder:literal: $($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../templates/", $folder, "/", $path)))),*]
    };
}

/// The files of a template; of the sources only those of the kind that is begun.
fn template_of(language: Language) -> &'static [KitFile] {
    match language {
        Language::Rust => template!["rust":
            "Cargo.toml", "gitignore", "diagnosis.rs", "remediation.rs", "notification.rs",
        ],
        Language::Python => template!["python":
            "requirements.txt", "pyproject.toml", "gitignore", "diagnosis.py", "remediation.py", "notification.py",
        ],
        Language::JavaScript => template!["javascript":
            "package.json", "package-lock.json", "gitignore", "diagnosis.js", "remediation.js", "notification.js",
        ],
        Language::TypeScript => template!["typescript":
            "package.json", "package-lock.json", "tsconfig.json", "gitignore", "diagnosis.ts", "remediation.ts",
            "notification.ts",
        ],
        Language::Go => template!["go":
            "go.mod.template", "gitignore", "diagnosis.go", "remediation.go", "notification.go",
        ],
        Language::C => template!["c":
            "requirements.txt", "gitignore", "diagnosis.c", "remediation.c", "notification.c",
        ],
    }
}

/// The cases of a template, which are the same in every language.
fn cases_of(kind: PluginKind) -> &'static [KitFile] {
    match kind {
        PluginKind::Diagnosis => template!["cases/diagnosis": "busy.case.toml", "refused.case.toml"],
        PluginKind::Remediation => template!["cases/remediation": "blocked.case.toml", "refused.case.toml"],
        PluginKind::Notification => template!["cases/notification": "told.case.toml", "down.case.toml"],
    }
}

/// Begins a project in the new folder `folder`, called as the folder is.
///
/// # Errors
/// Where the name cannot be one, or something is there already.
#[allow(clippy::disallowed_methods, reason = "this makes a new project's files")]
pub fn begin(folder: &Path, language: Language, kind: PluginKind) -> Result<Vec<PathBuf>, ToolError> {
    let name = folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    if !is_name(&name) {
        return Err(ToolError::BadName(name));
    }
    if folder.exists() {
        return Err(ToolError::Taken(folder.to_owned()));
    }
    let mut files: Vec<(PathBuf, String)> = vec![(
        FILE.into(),
        format!(
            "# What `stanch plugin build` builds.\nlanguage = \"{}\"\nkind = \"{}\"\n",
            language.as_str(),
            kind.as_str()
        ),
    )];
    for (path, text) in template_of(language) {
        if let Some(path) = placed(path, language, kind) {
            files.push((path, text.replace("{{name}}", &name)));
        }
    }
    let cases = cases_of(kind).iter();
    files.extend(cases.map(|(path, text)| (Path::new("cases").join(path), (*text).to_owned())));
    let kit = kit_of(language);
    files.extend(
        kit.iter()
            .map(|(path, text)| (Path::new("kit").join(path), (*text).to_owned())),
    );
    if !kit.is_empty() {
        files.push(("kit/wit/plugin.wit".into(), WIT.to_owned()));
    }
    for (path, text) in &files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(ToolError::file(parent))?;
        }
        fs::write(&path, text).map_err(ToolError::file(&path))?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

/// What an author runs in a new project before it can be built.
pub fn setup(language: Language) -> &'static [&'static str] {
    match language {
        Language::Rust => &["rustup target add wasm32-wasip2"],
        Language::Python | Language::C => {
            &["python3 -m venv .venv && .venv/bin/pip install --requirement requirements.txt"]
        }
        Language::JavaScript | Language::TypeScript => &["npm install"],
        Language::Go => &[],
    }
}

/// Where a file of a template goes; none where it is for another kind.
fn placed(path: &str, language: Language, kind: PluginKind) -> Option<PathBuf> {
    match path {
        "gitignore" => return Some(".gitignore".into()),
        "go.mod.template" => return Some("go.mod".into()),
        _ => {}
    }
    let (stem, end) = path.rsplit_once('.').unwrap_or((path, ""));
    let kinds = [
        PluginKind::Diagnosis,
        PluginKind::Remediation,
        PluginKind::Notification,
    ];
    if !kinds.iter().any(|one| one.as_str() == stem) {
        return Some(path.into());
    }
    (stem == kind.as_str()).then(|| match language {
        Language::Rust => "src/lib.rs".into(),
        _ => format!("plugin.{end}").into(),
    })
}

fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}
