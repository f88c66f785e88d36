//! A plugin that was found good: compiled, linked, and its manifest read and compared with what its code says.

use std::fmt;
use std::sync::Arc;

use jsonschema::Validator;
use serde_json::Value;
use stanch_contract::{ByteSize, Digest, Manifest, PluginKind, Span, text};
use tokio_util::sync::CancellationToken;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::bindings::diagnosis::DiagnosisPluginPre;
use crate::bindings::notification::NotificationPluginPre;
use crate::bindings::remediation::RemediationPluginPre;
use crate::call::{self, Answer, Ask, CallParts};
use crate::error::{CallFault, InstallError};
use crate::host::State;
use crate::inspect::{self, Inspected, MOST_MANIFEST};
use crate::limits::{Limits, MOST_MEMORY};
use crate::schema;
use crate::shape::{self, Difference};
use crate::time::{CallTime, Time};

/// An installed plugin. Shared by all its installations; holds no state between calls.
pub struct Plugin {
    digest: Digest,
    kind: PluginKind,
    manifest: Manifest,
    component: Arc<[u8]>,
    imports: Vec<String>,
    pub(crate) params: Option<Validator>,
    pub(crate) data: Option<Validator>,
    pub(crate) code: Code,
}

/// The compiled component, linked, ready to make instances of.
pub(crate) enum Code {
    Diagnosis(DiagnosisPluginPre<State>),
    Remediation(RemediationPluginPre<State>),
    Notification(NotificationPluginPre<State>),
}

impl Code {
    pub(crate) fn link(
        linker: &Linker<State>,
        component: &Component,
        kind: PluginKind,
        source: &[u8],
    ) -> Result<Self, InstallError> {
        code(linker, component, kind).map_err(|error| mismatch(&error, source))
    }

    pub(crate) fn kind(&self) -> PluginKind {
        match self {
            Self::Diagnosis(_) => PluginKind::Diagnosis,
            Self::Remediation(_) => PluginKind::Remediation,
            Self::Notification(_) => PluginKind::Notification,
        }
    }
}

impl Plugin {
    /// SHA-256 of the component.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What it exports.
    pub fn kind(&self) -> PluginKind {
        self.kind
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The component's size in bytes.
    pub fn bytes(&self) -> u64 {
        self.component.len() as u64
    }

    /// The component itself, as it was installed: what a run pins.
    pub fn component(&self) -> &Arc<[u8]> {
        &self.component
    }

    /// Every interface that it imports, as it names them: what it could ask for, granted or not.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// Why `params` are not what the manifest's schema says, in one line; `None` where they are.
    pub fn check_params(&self, params: &Value) -> Option<String> {
        self.params
            .as_ref()
            .and_then(|schema| schema::violations(schema, params))
    }

    /// Links `component` and, in this engine, compares what its code says of itself with what its section says; without one
    /// that was done before.
    pub(crate) async fn link(
        engine: Option<&Engine>,
        linker: &Linker<State>,
        component: &Component,
        inspected: Inspected,
        digest: Digest,
        source: Arc<[u8]>,
    ) -> Result<Self, InstallError> {
        let Inspected {
            kind,
            manifest,
            imports,
        } = inspected;
        let params = schema::compile(&manifest.params, "params")?;
        let data = schema::compile(&manifest.data, "data")?;
        let code = Code::link(linker, component, kind, &source)?;
        if let Some(engine) = engine {
            let said = describe(engine, &code, &source).await?;
            let said = inspect::manifest(said.as_bytes(), "answer of `describe`")?;
            compare(&manifest, &said)?;
        }
        Ok(Self {
            digest,
            kind,
            manifest,
            component: source,
            imports,
            params,
            data,
            code,
        })
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} ({}, {:?})",
            self.manifest.name,
            self.manifest.version,
            self.kind.as_str(),
            self.digest
        )
    }
}

fn code(linker: &Linker<State>, component: &Component, kind: PluginKind) -> wasmtime::Result<Code> {
    let pre = linker.instantiate_pre(component)?;
    Ok(match kind {
        PluginKind::Diagnosis => Code::Diagnosis(DiagnosisPluginPre::new(pre)?),
        PluginKind::Remediation => Code::Remediation(RemediationPluginPre::new(pre)?),
        PluginKind::Notification => Code::Notification(NotificationPluginPre::new(pre)?),
    })
}

/// A linker's error, in plain words: which function, and which type differs; in the linker's own words only where the
/// component's interfaces cannot be read.
fn mismatch(error: &wasmtime::Error, source: &[u8]) -> InstallError {
    differs(source).unwrap_or_else(|| {
        let named = |cause: &dyn fmt::Display| cause.to_string().split('`').nth(1).map(str::to_owned);
        let interface = error.chain().find_map(|cause| named(&cause));
        InstallError::Mismatch {
            interface: interface.unwrap_or_else(|| "the component".to_owned()),
            why: text::clean_line_to(&error.root_cause().to_string(), 300),
        }
    })
}

fn differs(source: &[u8]) -> Option<InstallError> {
    let Difference { place, why } = shape::difference(source)?;
    Some(InstallError::Mismatch {
        interface: place,
        why,
    })
}

/// Asks the code what it is. `source` is the component that it was compiled from.
pub(crate) async fn describe(engine: &Engine, code: &Code, source: &[u8]) -> Result<String, InstallError> {
    match ask(engine, code, Ask::Describe).await {
        Ok(Answer::Text(json)) => Ok(json),
        Ok(_) => Err(InstallError::Host {
            why: "`describe` was answered with something else".into(),
        }),
        // Exports are compared when an instance is made: without one it may be that a function has another shape.
        Err(fault @ CallFault::Host { .. }) => Err(differs(source).unwrap_or(InstallError::Describe(fault))),
        Err(fault) => Err(InstallError::Describe(fault)),
    }
}

/// Runs the code with nothing in reach and little to use. Memory is the exception: what a Python plugin needs to start is
/// more than what most need to work.
async fn ask(engine: &Engine, code: &Code, ask: Ask) -> Result<Answer, CallFault> {
    let limits = Limits {
        memory: MOST_MEMORY,
        cpu: Span::from_millis(500),
        wall: Span::from_secs(10),
        calls: 0,
        log: ByteSize(4 << 10),
        output: Some(ByteSize(MOST_MANIFEST)),
    };
    let parts = CallParts {
        engine,
        code,
        limits: &limits,
        settings: "{}".into(),
        session: None,
        cancel: CancellationToken::new(),
        time: CallTime::begin(&Time::Machine, limits.wall),
    };
    call::call(parts, ask).await.result
}

fn compare(section: &Manifest, said: &Manifest) -> Result<(), InstallError> {
    let members = |manifest: &Manifest| match serde_json::to_value(manifest) {
        Ok(Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    };
    let (section, said) = (members(section), members(said));
    match section
        .iter()
        .find(|(name, value)| said.get(*name) != Some(*value))
    {
        None => Ok(()),
        Some((member, _)) => Err(InstallError::ManifestDiffers {
            member: member.clone(),
        }),
    }
}
