//! What differs between the interfaces that a component is built for and the contract's, in plain words.
//!
//! The linker says that something does not fit, in the words of its own types. This is asked only then: it reads the
//! interfaces out of the component, goes through them beside the contract, and says which function and which type differ
//! first, with both sides.

use stanch_contract::text;
use wit_parser::decoding::{DecodedWasm, decode};
use wit_parser::{Function, Interface, InterfaceId, Record, Resolve, Result_, Type, TypeDefKind, WorldItem};

const CONTRACT: &str = include_str!("../../../plugin-sdk/wit/plugin.wit");
const PACKAGE: &str = "runbook:plugin/";

/// Where it differs, and how.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The interface and the function, as the component names them.
    pub(crate) place: String,
    /// What differs, with both sides.
    pub(crate) why: String,
}

/// The first difference; none where there is none, or the component's interfaces cannot be read.
pub(crate) fn difference(component: &[u8]) -> Option<Difference> {
    let DecodedWasm::Component(plugin, world) = decode(component).ok()? else {
        return None;
    };
    let mut contract = Resolve::default();
    contract.push_str("plugin.wit", CONTRACT).ok()?;
    let world = plugin.worlds.get(world)?;
    let sides = Sides {
        contract: &contract,
        plugin: &plugin,
    };
    let imports = world.imports.values().filter_map(|item| sides.import(item));
    let exports = world.exports.values().filter_map(|item| sides.export(item));
    let mut found = imports.chain(exports);
    found.next().map(|found| Difference {
        place: text::clean_line_to(&found.place, 200),
        why: text::clean_line_to(&found.why, 400),
    })
}

#[derive(Clone, Copy)]
struct Sides<'a> {
    contract: &'a Resolve,
    plugin: &'a Resolve,
}

impl<'a> Sides<'a> {
    /// What the plugin calls has to be there, as it calls it.
    fn import(self, item: &WorldItem) -> Option<Difference> {
        let (name, theirs, ours) = self.of_the_contract(item)?;
        theirs.functions.values().find_map(|called| {
            let place = format!("{name}#{}", called.name);
            let why = match ours.functions.get(&called.name) {
                Some(offered) => self.function(offered, called)?,
                None => {
                    "the plugin calls it, and this engine does not have it: it was built with a newer kit"
                        .to_owned()
                }
            };
            Some(Difference { place, why })
        })
    }

    /// What the engine calls has to be there, as it calls it.
    fn export(self, item: &WorldItem) -> Option<Difference> {
        let (name, theirs, ours) = self.of_the_contract(item)?;
        ours.functions.values().find_map(|called| {
            let place = format!("{name}#{}", called.name);
            let why = match theirs.functions.get(&called.name) {
                Some(offered) => self.function(called, offered)?,
                None => "the component does not export it".to_owned(),
            };
            Some(Difference { place, why })
        })
    }

    /// An interface of the contract: as the component names it, the component's and ours.
    fn of_the_contract(self, item: &WorldItem) -> Option<(String, &'a Interface, &'a Interface)> {
        let WorldItem::Interface { id, .. } = item else {
            return None;
        };
        let named = |resolve: &Resolve, id: InterfaceId| resolve.id_of(id);
        let bare = |name: &str| {
            let name = name.strip_prefix(PACKAGE)?;
            Some(name.split('@').next().unwrap_or(name).to_owned())
        };
        let name = named(self.plugin, *id)?;
        let wanted = bare(&name)?;
        let ours = self.contract.interfaces.iter().find(|(id, _)| {
            named(self.contract, *id).as_deref().and_then(bare).as_deref() == Some(&wanted)
        })?;
        Some((name, self.plugin.interfaces.get(*id)?, ours.1))
    }

    fn function(self, ours: &Function, theirs: &Function) -> Option<String> {
        if ours.params.len() != theirs.params.len() {
            let names = |function: &Function| {
                let names: Vec<&str> = function.params.iter().map(|param| param.name.as_str()).collect();
                match names.as_slice() {
                    [] => "nothing".to_owned(),
                    names => format!("`{}`", names.join("`, `")),
                }
            };
            return Some(format!(
                "the plugin's takes {}, and the contract's {}",
                names(theirs),
                names(ours)
            ));
        }
        for (our, their) in ours.params.iter().zip(&theirs.params) {
            let at = format!("the parameter `{}`", our.name);
            if let Some(why) = self.types(&our.ty, &their.ty, &at) {
                return Some(why);
            }
        }
        match (&ours.result, &theirs.result) {
            (Some(our), Some(their)) => self.types(our, their, "what it gives back"),
            (None, None) => None,
            (Some(our), None) => Some(format!(
                "the plugin's gives nothing back, and the contract's {}",
                spelled(self.contract, our)
            )),
            (None, Some(their)) => Some(format!(
                "the plugin's gives {} back, and the contract's nothing",
                spelled(self.plugin, their)
            )),
        }
    }

    fn types(self, ours: &Type, theirs: &Type, at: &str) -> Option<String> {
        let unlike = || {
            Some(format!(
                "{at} is {} in the plugin, and {} in the contract",
                spelled(self.plugin, theirs),
                spelled(self.contract, ours)
            ))
        };
        let (our, their) = match (kind(self.contract, ours), kind(self.plugin, theirs)) {
            (Kind::Plain(our), Kind::Plain(their)) if our == their => return None,
            (Kind::Made(our), Kind::Made(their)) => (our, their),
            _ => return unlike(),
        };
        match (our, their) {
            (TypeDefKind::Record(our), TypeDefKind::Record(their)) => self.records(our, their, at),
            (TypeDefKind::List(our), TypeDefKind::List(their)) => {
                self.types(our, their, &format!("an item of {at}"))
            }
            (TypeDefKind::Option(our), TypeDefKind::Option(their)) => self.types(our, their, at),
            (TypeDefKind::Result(our), TypeDefKind::Result(their)) => self.results(our, their, at),
            (TypeDefKind::Enum(our), TypeDefKind::Enum(their)) => {
                let names = |cases: &[wit_parser::EnumCase]| {
                    cases.iter().map(|case| case.name.clone()).collect::<Vec<_>>()
                };
                let (our, their) = (names(&our.cases), names(&their.cases));
                (our != their).then(|| {
                    format!(
                        "{at} is one of `{}` in the plugin, and of `{}` in the contract",
                        their.join("`, `"),
                        our.join("`, `")
                    )
                })
            }
            // The contract has no other kinds.
            _ => unlike(),
        }
    }

    fn records(self, ours: &Record, theirs: &Record, at: &str) -> Option<String> {
        let names = |record: &Record| {
            record
                .fields
                .iter()
                .map(|field| field.name.clone())
                .collect::<Vec<_>>()
        };
        let (our, their) = (names(ours), names(theirs));
        if let Some(more) = their.iter().find(|name| !our.contains(name)) {
            return Some(format!(
                "{at} has a field `{more}` in the plugin, which the contract does not have"
            ));
        }
        if let Some(missing) = our.iter().find(|name| !their.contains(name)) {
            return Some(format!(
                "{at} has no field `{missing}` in the plugin, and the contract has it"
            ));
        }
        if our != their {
            return Some(format!("the fields of {at} are in another order in the plugin"));
        }
        ours.fields.iter().zip(&theirs.fields).find_map(|(our, their)| {
            self.types(&our.ty, &their.ty, &format!("the field `{}` of {at}", our.name))
        })
    }

    fn results(self, ours: &Result_, theirs: &Result_, at: &str) -> Option<String> {
        let side = |our: &Option<Type>, their: &Option<Type>, at: &str| match (our, their) {
            (Some(our), Some(their)) => self.types(our, their, at),
            (None, None) => None,
            (Some(our), None) => Some(format!(
                "{at} is nothing in the plugin, and {} in the contract",
                spelled(self.contract, our)
            )),
            (None, Some(their)) => Some(format!(
                "{at} is {} in the plugin, and nothing in the contract",
                spelled(self.plugin, their)
            )),
        };
        side(&ours.ok, &theirs.ok, at).or_else(|| side(&ours.err, &theirs.err, "its failure"))
    }
}

enum Kind<'a> {
    Plain(Type),
    Made(&'a TypeDefKind),
}

/// What a type is, behind its names.
fn kind<'a>(resolve: &'a Resolve, of: &Type) -> Kind<'a> {
    let mut of = *of;
    loop {
        let Type::Id(id) = of else {
            return Kind::Plain(of);
        };
        match resolve.types.get(id).map(|found| &found.kind) {
            Some(TypeDefKind::Type(inner)) => of = *inner,
            Some(made) => return Kind::Made(made),
            None => return Kind::Plain(of),
        }
    }
}

/// A type as WIT writes it: by its name where it has one.
fn spelled(resolve: &Resolve, of: &Type) -> String {
    let inside = |of: &Type| spelled(resolve, of).trim_matches('`').to_owned();
    let side = |of: &Option<Type>| of.as_ref().map_or_else(|| "_".to_owned(), inside);
    let word = match of {
        Type::Id(id) => match resolve.types.get(*id) {
            Some(found) => match (&found.name, &found.kind) {
                (Some(name), _) => name.clone(),
                (None, TypeDefKind::List(inner)) => format!("list<{}>", inside(inner)),
                (None, TypeDefKind::Option(inner)) => format!("option<{}>", inside(inner)),
                (None, TypeDefKind::Result(result)) => {
                    format!("result<{}, {}>", side(&result.ok), side(&result.err))
                }
                (None, kind) => kind.as_str().to_owned(),
            },
            None => "unknown".to_owned(),
        },
        Type::Bool => "bool".to_owned(),
        Type::U8 => "u8".to_owned(),
        Type::U16 => "u16".to_owned(),
        Type::U32 => "u32".to_owned(),
        Type::U64 => "u64".to_owned(),
        Type::S8 => "s8".to_owned(),
        Type::S16 => "s16".to_owned(),
        Type::S32 => "s32".to_owned(),
        Type::S64 => "s64".to_owned(),
        Type::F32 => "f32".to_owned(),
        Type::F64 => "f64".to_owned(),
        Type::Char => "char".to_owned(),
        Type::String => "string".to_owned(),
        Type::ErrorContext => "error-context".to_owned(),
    };
    format!("`{word}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first difference of the function `f` of an interface, ours first.
    fn between(ours: &str, theirs: &str) -> Option<String> {
        let of = |body: &str| {
            let mut resolve = Resolve::default();
            let wit = format!("package runbook:plugin@0.1.0; interface host {{ {body} }}");
            resolve.push_str("test.wit", &wit).unwrap();
            resolve
        };
        let (contract, plugin) = (of(ours), of(theirs));
        let function = |resolve: &Resolve| {
            resolve
                .interfaces
                .iter()
                .next()
                .unwrap()
                .1
                .functions
                .get("f")
                .unwrap()
                .clone()
        };
        let sides = Sides {
            contract: &contract,
            plugin: &plugin,
        };
        sides.function(&function(&contract), &function(&plugin))
    }

    #[test]
    fn what_differs_is_said_with_both_sides() {
        let label = "record label { name: string, value: string }";
        let table = [
            (
                "f: func(a: string);",
                "f: func(a: string, b: u32);",
                "the plugin's takes `a`, `b`, and the contract's `a`",
            ),
            (
                "f: func(a: string);",
                "f: func();",
                "the plugin's takes nothing, and the contract's `a`",
            ),
            (
                "f: func(a: string);",
                "f: func(a: list<u8>);",
                "the parameter `a` is `list<u8>` in the plugin, and `string` in the contract",
            ),
            (
                "f: func() -> f64;",
                "f: func() -> s64;",
                "what it gives back is `s64` in the plugin, and `f64` in the contract",
            ),
            (
                "f: func() -> f64;",
                "f: func();",
                "the plugin's gives nothing back, and the contract's `f64`",
            ),
            (
                &format!("{label} f: func(l: list<label>);"),
                "record label { name: string, value: string, kind: u8 } f: func(l: list<label>);",
                "an item of the parameter `l` has a field `kind` in the plugin, which the contract does not have",
            ),
            (
                &format!("{label} f: func() -> result<label, string>;"),
                "record label { name: string } f: func() -> result<label, string>;",
                "what it gives back has no field `value` in the plugin, and the contract has it",
            ),
            (
                "f: func() -> result<u8, string>;",
                "f: func() -> result<u8>;",
                "its failure is nothing in the plugin, and `string` in the contract",
            ),
            (
                "enum e { a, b } f: func(e: e);",
                "enum e { a, b, c } f: func(e: e);",
                "the parameter `e` is one of `a`, `b`, `c` in the plugin, and of `a`, `b` in the contract",
            ),
        ];
        for (ours, theirs, why) in table {
            assert_eq!(between(ours, theirs).as_deref(), Some(why), "{ours} | {theirs}");
        }
    }

    #[test]
    fn other_names_of_the_same_type_are_no_difference() {
        let json = "type json = string; f: func(a: json) -> result<json, json>;";
        assert_eq!(
            between(json, "f: func(a: string) -> result<string, string>;"),
            None
        );
    }
}
