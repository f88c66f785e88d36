//! Plugins as they were built when a version of the contract was released: tests/released/VERSION, compressed.
//!
//! They are kept as they were, and not built again by a pinned kit: what has to go on working is the file that an operator
//! has, and a build of today has the tools of today in it. Of the large languages one plugin of the kind with most functions
//! is kept, of the small ones all three. The one of Python has its interpreter in it: 18 MB, less than 5 MB as it is kept.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ruzstd::decoding::StreamingDecoder;
use stanch_contract::PluginKind;
use stanch_plugin_tools::Language;

/// What is kept.
#[derive(Debug)]
pub struct Released;

impl Released {
    /// What is kept of a version.
    pub fn all() -> Vec<(Language, PluginKind)> {
        use PluginKind::{Diagnosis, Notification, Remediation};
        let of = |language: Language, kinds: &[PluginKind]| {
            let kinds = kinds.iter().map(move |kind| (language, *kind));
            kinds.collect::<Vec<_>>()
        };
        [
            of(Language::Rust, &[Diagnosis, Remediation, Notification]),
            of(Language::C, &[Diagnosis, Remediation, Notification]),
            of(Language::Go, &[Remediation]),
            of(Language::TypeScript, &[Remediation]),
            of(Language::Python, &[Remediation]),
        ]
        .concat()
    }

    /// A component's file.
    pub fn name(language: Language, kind: PluginKind) -> String {
        format!("{}-{}.wasm.zst", language.as_str(), kind.as_str())
    }

    /// A component as it was.
    ///
    /// # Panics
    /// Where it is not there, or damaged.
    pub fn read(path: &Path) -> Arc<[u8]> {
        let small = std::fs::read(path).unwrap();
        let mut component = Vec::new();
        let mut decoder = StreamingDecoder::new(small.as_slice()).unwrap();
        decoder.read_to_end(&mut component).unwrap();
        component.into()
    }

    /// The contract of now.
    pub fn contract() -> PathBuf {
        stanch_test_support::root().join("plugin-sdk/wit/plugin.wit")
    }

    /// Where all versions are.
    pub fn folder() -> PathBuf {
        stanch_test_support::root().join("tests/released")
    }

    /// The folder of the version of now.
    ///
    /// # Panics
    /// Where the contract names no version.
    pub fn now() -> PathBuf {
        let text = std::fs::read_to_string(Self::contract()).unwrap();
        let version = text.lines().find_map(|line| {
            let named = line.strip_prefix("package runbook:plugin@")?;
            named.strip_suffix(';')
        });
        Self::folder().join(version.unwrap())
    }
}
