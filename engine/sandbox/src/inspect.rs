//! What a component says of itself before anything of it is compiled or run.
//!
//! One pass over the binary finds the plugin's kind from its exports, what it imports, its manifest and how much there is
//! to compile. Nothing is taken from what the file claims: the kind is what it exports. wasmtime validates the rest
//! when it compiles; what is found here has a clearer sentence than a linker's error.

use stanch_contract::{Manifest, PluginKind, text};
use wasmparser::{Encoding, Parser, Payload};

use crate::error::InstallError;

/// The version of the contract that is linked.
pub(crate) const CONTRACT: &str = "0.1.0";
/// The largest component that is read at all.
pub(crate) const MOST_BYTES: u64 = 32 << 20;
/// The largest manifest.
pub(crate) const MOST_MANIFEST: u64 = 256 << 10;
/// The most functions that are compiled. A Python component has about 30,000.
const MOST_FUNCTIONS: u64 = 200_000;
/// The largest function: the compiler's memory grows faster than the function does.
const MOST_FUNCTION_BYTES: u64 = 1 << 20;

const SECTION: &str = "section `stanch:manifest`";
const PACKAGE: &str = "runbook:plugin/";
/// The contract's interfaces that a plugin may import.
const OFFERED: [&str; 5] = ["common", "host", "kubernetes", "http", "files"];
/// The WASI 0.2 packages that are linked (and empty).
const WASI: [&str; 6] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
];
/// What a client of HTTP needs. What it sends goes through the gate.
const CLIENT: [&str; 2] = ["wasi:http/types", "wasi:http/outgoing-handler"];

/// What was found.
#[derive(Debug)]
pub(crate) struct Inspected {
    pub(crate) kind: PluginKind,
    pub(crate) manifest: Manifest,
    /// Every import, in order.
    pub(crate) imports: Vec<String>,
}

/// Looks through `bytes`.
pub(crate) fn inspect(bytes: &[u8]) -> Result<Inspected, InstallError> {
    let (kind, found) = exports_and_imports(bytes)?;
    let manifest = match found.sections.as_slice() {
        [] => return Err(InstallError::NoManifestSection),
        [section] => manifest(section, SECTION)?,
        _ => {
            return Err(InstallError::BadManifest {
                place: SECTION,
                why: "there is more than one of it".into(),
            });
        }
    };
    Ok(Inspected {
        kind,
        manifest,
        imports: found.imports,
    })
}

/// The kind of a component that may have no manifest section yet.
pub(crate) fn kind_of(bytes: &[u8]) -> Result<PluginKind, InstallError> {
    exports_and_imports(bytes).map(|(kind, _)| kind)
}

fn exports_and_imports(bytes: &[u8]) -> Result<(PluginKind, Found<'_>), InstallError> {
    if !bytes.starts_with(b"\0asm") {
        return Err(InstallError::NotWasm);
    }
    let found = walk(bytes)?;
    for name in found.imports.iter().chain(&found.exports) {
        check_version(name)?;
    }
    let kind = kind(&found.exports)?;
    if let Some(name) = found.imports.iter().find(|name| !is_offered(name)) {
        return Err(InstallError::UnknownImport {
            name: text::clean_line_to(name, 200),
        });
    }
    Ok((kind, found))
}

/// Reads a manifest from where it was found.
pub(crate) fn manifest(json: &[u8], place: &'static str) -> Result<Manifest, InstallError> {
    if json.len() as u64 > MOST_MANIFEST {
        return Err(InstallError::ManifestTooLarge {
            place,
            bytes: json.len() as u64,
            most: MOST_MANIFEST,
        });
    }
    let bad = |why: String| InstallError::BadManifest {
        place,
        why: text::clean_line_to(&why, 300),
    };
    let manifest: Manifest = serde_json::from_slice(json).map_err(|error| bad(error.to_string()))?;
    let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if manifest.name.is_empty() || manifest.name.len() > 64 || !manifest.name.chars().all(kebab) {
        return Err(bad(format!(
            "`name` is `{}`: write lower-case letters, digits and hyphens, at most 64",
            manifest.name
        )));
    }
    if manifest.version.is_empty() || manifest.version.len() > 64 || !manifest.version.is_ascii() {
        return Err(bad(
            "`version` is not a version: write it as semver, as in `1.2.0`".into(),
        ));
    }
    if manifest.summary.chars().count() > 500 {
        return Err(bad(
            "`summary` has more than 500 characters: write one sentence".into()
        ));
    }
    for (name, value) in [("version", &manifest.version), ("summary", &manifest.summary)] {
        if text::clean_line(value) != *value {
            return Err(bad(format!("`{name}` holds control or direction characters")));
        }
    }
    Ok(manifest)
}

#[derive(Default)]
struct Found<'a> {
    imports: Vec<String>,
    exports: Vec<String>,
    sections: Vec<&'a [u8]>,
}

fn walk(bytes: &[u8]) -> Result<Found<'_>, InstallError> {
    let mut found = Found::default();
    let (mut depth, mut functions) = (0_u32, 0_u64);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(unreadable)? {
            Payload::Version { encoding, .. } => {
                depth += 1;
                if depth == 1 && encoding == Encoding::Module {
                    return Err(InstallError::CoreModule);
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    found
                        .imports
                        .push(import.map_err(unreadable)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    found
                        .exports
                        .push(export.map_err(unreadable)?.name.name.to_owned());
                }
            }
            Payload::CustomSection(section) if depth == 1 && section.name() == "stanch:manifest" => {
                found.sections.push(section.data());
            }
            Payload::CodeSectionEntry(body) => {
                functions += 1;
                let size = body.range().end - body.range().start;
                too_complex("bytes in one function", size, MOST_FUNCTION_BYTES)?;
                too_complex("functions", functions, MOST_FUNCTIONS)?;
            }
            _ => {}
        }
    }
    Ok(found)
}

fn too_complex(what: &'static str, count: u64, most: u64) -> Result<(), InstallError> {
    if count > most {
        Err(InstallError::TooComplex { what, count, most })
    } else {
        Ok(())
    }
}

fn unreadable(error: wasmparser::BinaryReaderError) -> InstallError {
    if error.message().contains("unexpected end") {
        return InstallError::Truncated { at: error.offset() };
    }
    InstallError::Malformed {
        why: text::clean_line_to(&error.to_string(), 300),
    }
}

fn check_version(name: &str) -> Result<(), InstallError> {
    let Some((_, version)) = name.strip_prefix(PACKAGE).and_then(|rest| rest.split_once('@')) else {
        return Ok(());
    };
    // 0.1.x are one: semver, and how the linker matches names.
    if version.starts_with("0.1.") && !version.contains('-') {
        return Ok(());
    }
    Err(InstallError::UnknownContract {
        found: text::clean_line_to(name, 200),
        offered: CONTRACT,
    })
}

fn is_offered(name: &str) -> bool {
    let bare = name.split('@').next().unwrap_or(name);
    match bare.strip_prefix(PACKAGE) {
        Some(interface) => OFFERED.contains(&interface),
        None => CLIENT.contains(&bare) || WASI.iter().any(|package| bare.starts_with(package)),
    }
}

fn kind(exports: &[String]) -> Result<PluginKind, InstallError> {
    let exported = |interface: &str| {
        exports.iter().any(|name| {
            name.strip_prefix(PACKAGE)
                .is_some_and(|rest| rest.split('@').next().unwrap_or(rest) == interface)
        })
    };
    let kinds = [
        PluginKind::Diagnosis,
        PluginKind::Remediation,
        PluginKind::Notification,
    ];
    let mut of = kinds.into_iter().filter(|kind| exported(kind.as_str()));
    let Some(kind) = of.next() else {
        let found = match exports {
            [] => "nothing".to_owned(),
            names => names
                .iter()
                .take(5)
                .map(|name| format!("`{}`", text::clean_line_to(name, 80)))
                .collect::<Vec<_>>()
                .join(", "),
        };
        return Err(InstallError::NoKind { found });
    };
    if let Some(other) = of.next() {
        return Err(InstallError::SeveralKinds {
            one: kind.as_str(),
            other: other.as_str(),
        });
    }
    if !exported("manifest") {
        return Err(InstallError::NoManifestInterface);
    }
    Ok(kind)
}
