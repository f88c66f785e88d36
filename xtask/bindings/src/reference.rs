//! The contract as a page: docs/contract.md, written out of plugin.wit, so that it cannot be old.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use wit_parser::{Interface, Resolve, Type, TypeDef, TypeDefKind, WorldItem};

/// Where the page is in the checkout.
pub(crate) const PAGE: &str = "docs/contract.md";

const START: &str = "\
# The contract

What a plugin exports, what it can call, and the words of both: `runbook:plugin@VERSION`. Written out of
[plugin.wit](../plugin-sdk/wit/plugin.wit) by `cargo run -p xtask-bindings`; how to use it is in [plugin-author.md](plugin-author.md).
In each language's kit the names are those of the language (`idempotency-key` is `idempotency_key` in Python, `idempotencyKey` in
JavaScript, `IdempotencyKey` in Go).
";

/// The page.
///
/// # Errors
/// Where the contract cannot be read.
pub(crate) fn page(root: &Path) -> Result<String, Box<dyn Error>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root.join("plugin-sdk/wit"))?;
    let package = resolve.packages.get(package).ok_or("no package")?;
    let version = package.name.version.as_ref().ok_or("no version")?;
    let mut out = START.replace("VERSION", &version.to_string());
    if let Some(docs) = &package.docs.contents {
        writeln!(out, "\n{}", docs.trim())?;
    }
    out.push_str("\n## Kinds of plugin\n");
    for world in package.worlds.values().filter_map(|id| resolve.worlds.get(*id)) {
        let names = |items: &mut dyn Iterator<Item = &WorldItem>| {
            let names: Vec<String> = items
                .filter_map(|item| match item {
                    WorldItem::Interface { id, .. } => resolve.interfaces.get(*id)?.name.clone(),
                    _ => None,
                })
                .map(|name| format!("[`{name}`](#{name})"))
                .collect();
            names.join(", ")
        };
        writeln!(
            out,
            "\n**`{}`** exports {}; may import {}.",
            world.name,
            names(&mut world.exports.values()),
            names(&mut world.imports.values())
        )?;
    }
    for interface in package
        .interfaces
        .values()
        .filter_map(|id| resolve.interfaces.get(*id))
    {
        section(&mut out, &resolve, interface)?;
    }
    Ok(out)
}

fn section(out: &mut String, resolve: &Resolve, interface: &Interface) -> Result<(), Box<dyn Error>> {
    writeln!(out, "\n## {}", interface.name.as_deref().unwrap_or_default())?;
    if let Some(docs) = &interface.docs.contents {
        writeln!(out, "\n{}", docs.trim())?;
    }
    for function in interface.functions.values() {
        let params: Vec<String> = function
            .params
            .iter()
            .map(|param| format!("{}: {}", param.name, spelled(resolve, &param.ty)))
            .collect();
        let result = function
            .result
            .as_ref()
            .map(|result| format!(" -> {}", spelled(resolve, result)))
            .unwrap_or_default();
        writeln!(out, "\n### `{}({}){result}`", function.name, params.join(", "))?;
        if let Some(docs) = &function.docs.contents {
            writeln!(out, "\n{}", docs.trim())?;
        }
    }
    for made in interface.types.values().filter_map(|id| resolve.types.get(*id)) {
        the_type(out, resolve, made)?;
    }
    Ok(())
}

fn the_type(out: &mut String, resolve: &Resolve, made: &TypeDef) -> Result<(), Box<dyn Error>> {
    let name = made.name.as_deref().unwrap_or_default();
    let word = match &made.kind {
        // Of another interface.
        TypeDefKind::Type(Type::Id(_)) => return Ok(()),
        TypeDefKind::Type(plain) => format!("`{name}`, a {}", spelled(resolve, plain)),
        TypeDefKind::Enum(cases) => {
            let cases: Vec<&str> = cases.cases.iter().map(|case| case.name.as_str()).collect();
            format!("`{name}`: one of `{}`", cases.join("`, `"))
        }
        _ => format!("`{name}`"),
    };
    writeln!(out, "\n### {word}")?;
    if let Some(docs) = &made.docs.contents {
        writeln!(out, "\n{}", docs.trim())?;
    }
    if let TypeDefKind::Record(record) = &made.kind {
        out.push_str("\n| | | |\n|---|---|---|\n");
        for field in &record.fields {
            let docs = field.docs.contents.as_deref().unwrap_or_default().trim();
            let docs = docs.replace('\n', "<br>").replace('|', "\\|");
            writeln!(
                out,
                "| `{}` | `{}` | {docs} |",
                field.name,
                spelled(resolve, &field.ty)
            )?;
        }
    }
    Ok(())
}

/// A type as WIT writes it: by its name where it has one.
fn spelled(resolve: &Resolve, of: &Type) -> String {
    let side = |of: &Option<Type>| {
        of.as_ref()
            .map_or_else(|| "_".to_owned(), |of| spelled(resolve, of))
    };
    match of {
        Type::Id(id) => match resolve.types.get(*id) {
            Some(found) => match (&found.name, &found.kind) {
                (Some(name), _) => name.clone(),
                (None, TypeDefKind::List(inner)) => format!("list<{}>", spelled(resolve, inner)),
                (None, TypeDefKind::Option(inner)) => format!("option<{}>", spelled(resolve, inner)),
                (None, TypeDefKind::Result(result)) => {
                    format!("result<{}, {}>", side(&result.ok), side(&result.err))
                }
                (None, kind) => kind.as_str().to_owned(),
            },
            None => "unknown".to_owned(),
        },
        Type::String => "string".to_owned(),
        Type::Bool => "bool".to_owned(),
        other => format!("{other:?}").to_ascii_lowercase(),
    }
}
