//! Components put together by hand: worlds that are none of ours, and code that no compiler writes.

use std::fmt::Write as _;

use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve};

/// A component to be.
#[derive(Debug, Clone, Default)]
pub struct Craft {
    /// WIT text that stands beside plugin-sdk/wit; packages in it are written with braces, after the first.
    pub wit: String,
    /// The world in it, as `package:name/world`.
    pub world: String,
    /// The core module as WAT; none: one whose functions trap.
    pub core: Option<String>,
    /// The section `stanch:manifest`; none: no such section.
    pub manifest: Option<String>,
}

impl Craft {
    /// A component of `world` of plugin-sdk/wit.
    pub fn of(world: &str) -> Self {
        Self {
            wit: String::new(),
            world: format!("runbook:plugin/{world}"),
            ..Self::default()
        }
    }

    /// A component of the world `it` of the package `test:craft`, with this in it.
    pub fn world(body: &str) -> Self {
        Self {
            wit: format!("package test:craft;\nworld it {{ {body} }}"),
            world: "test:craft/it".into(),
            ..Self::default()
        }
    }

    /// The component.
    ///
    /// # Panics
    /// Where the parts do not fit.
    #[allow(clippy::expect_used, reason = "only tests call this, and they must stop here")]
    pub fn build(&self) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let (package, _) = resolve
            .push_dir(crate::root().join("plugin-sdk/wit"))
            .expect("the contract");
        let package = match self.wit.as_str() {
            "" => package,
            wit => resolve.push_str("craft.wit", wit).expect("the craft's WIT"),
        };
        let world = resolve
            .select_world(&[package], Some(&self.world))
            .expect("the craft's world");
        let mut core = match &self.core {
            Some(text) => wat::parse_str(text).expect("the craft's WAT"),
            None => dummy_module(&resolve, world, ManglingAndAbi::Legacy(LiftLowerAbi::Sync)),
        };
        embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8, false).expect("metadata");
        let component = ComponentEncoder::default()
            .module(&core)
            .expect("a module")
            .encode()
            .expect("a component");
        match &self.manifest {
            None => component,
            Some(manifest) => {
                stanch_plugin_pack::add_manifest_section(&component, manifest).expect("room for the manifest")
            }
        }
    }
}

/// The core module of a diagnosis plugin: `describe` answers `manifest`, `diagnose` runs `body` and must not return.
/// `extra` are further fields of the module.
pub fn core_diagnosis(manifest: &str, extra: &str, body: &str) -> String {
    let mut data = String::new();
    for byte in manifest.bytes() {
        let _ = write!(data, "\\{byte:02x}");
    }
    format!(
        r#"(module
            {extra}
            (memory (export "memory") 8)
            (data (i32.const 16) "{data}")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 65536)
            (func (export "runbook:plugin/manifest@0.1.0#describe") (result i32)
                (i32.store (i32.const 0) (i32.const 16))
                (i32.store (i32.const 4) (i32.const {length}))
                i32.const 0)
            (func (export "runbook:plugin/diagnosis@0.1.0#diagnose")
                (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
                {body}
                unreachable))"#,
        length = manifest.len(),
    )
}
