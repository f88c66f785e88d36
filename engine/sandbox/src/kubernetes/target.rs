//! What a change is about, in the words of plugin.wit: `kubernetes:NAMESPACE/GROUP/RESOURCE/NAME`, with `_` where there is none.
//!
//! RESOURCE is the plural. Each part is checked for what it may be before it comes near a URL, so that a target is read in
//! one way: no encoding, no empty part, nothing that a path could be climbed with.

use std::fmt;

use super::selector::Selector;

/// One object of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectTarget {
    pub(crate) place: Place,
    pub(crate) name: String,
}

/// Where objects of one resource are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// `None`: not in a namespace.
    pub(crate) namespace: Option<String>,
    /// Empty for the core group.
    pub(crate) group: String,
    /// The plural.
    pub(crate) resource: String,
}

/// Objects that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PopulationTarget {
    pub(crate) place: Place,
    pub(crate) selector: Selector,
}

const SCHEME: &str = "kubernetes:";

impl ObjectTarget {
    /// Reads an action's target. A subresource that says only what the verb says is taken away.
    pub(crate) fn parse(text: &str, verb: &str) -> Result<Self, String> {
        const RIGHT: &str = "write `kubernetes:NAMESPACE/GROUP/RESOURCE/NAME`, with `_` where there is none";
        let shown = || stanch_contract::text::clean_line_to(text, 200);
        let rest = text
            .strip_prefix(SCHEME)
            .ok_or_else(|| format!("`{}` is not a target: {RIGHT}", shown()))?;
        let parts: Vec<&str> = rest.split('/').collect();
        let (place, name, sub) = match parts.as_slice() {
            [namespace, group, resource, name] => ((*namespace, *group, *resource), *name, None),
            [namespace, group, resource, name, sub] => ((*namespace, *group, *resource), *name, Some(*sub)),
            _ => return Err(format!("`{}` is not a target: {RIGHT}", shown())),
        };
        match (verb, sub) {
            (_, None) | ("evict", Some("eviction")) | ("scale", Some("scale")) => {}
            (_, Some(sub)) => {
                let sub = stanch_contract::text::clean_line_to(sub, 40);
                return Err(format!(
                    "`{}` names the subresource `{sub}`, and no verb acts on it: only `evict` and `scale` have one",
                    shown()
                ));
            }
        }
        Ok(Self {
            place: Place::new(place).map_err(|why| format!("`{}`: {why}", shown()))?,
            name: object_name(name).map_err(|why| format!("`{}`: {why}", shown()))?,
        })
    }
}

impl Place {
    fn new((namespace, group, resource): (&str, &str, &str)) -> Result<Self, String> {
        Ok(Self {
            namespace: (namespace != "_")
                .then(|| self::namespace(namespace))
                .transpose()?,
            group: if group == "_" {
                String::new()
            } else {
                self::group(group)?
            },
            resource: self::resource(resource)?,
        })
    }

    /// `pods`, `deployments.apps`: as a grant names it.
    pub(crate) fn granted_as(&self) -> String {
        granted_as(&self.group, &self.resource)
    }
}

/// `pods`, `deployments.apps`: as a grant names a resource.
pub(crate) fn granted_as(group: &str, resource: &str) -> String {
    if group.is_empty() {
        resource.to_owned()
    } else {
        format!("{resource}.{group}")
    }
}

impl PopulationTarget {
    /// Reads `kubernetes:NAMESPACE/GROUP/RESOURCE?LABEL-SELECTOR`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        const RIGHT: &str = "write `kubernetes:NAMESPACE/GROUP/RESOURCE?LABEL-SELECTOR`";
        let wrong = || {
            format!(
                "`{}` is not a population: {RIGHT}",
                stanch_contract::text::clean_line_to(text, 200)
            )
        };
        let (place, selector) = text
            .strip_prefix(SCHEME)
            .and_then(|rest| rest.split_once('?'))
            .ok_or_else(wrong)?;
        let mut parts = place.split('/');
        let (Some(namespace), Some(group), Some(resource), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        Ok(Self {
            place: Place::new((namespace, group, resource))
                .map_err(|why| format!("the population: {why}"))?,
            selector: Selector::parse(selector).map_err(|error| format!("the population: {error}"))?,
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = self.namespace.as_deref().unwrap_or("_");
        let group = if self.group.is_empty() { "_" } else { &self.group };
        write!(f, "{SCHEME}{namespace}/{group}/{}", self.resource)
    }
}

impl fmt::Display for ObjectTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.place, self.name)
    }
}

impl fmt::Display for PopulationTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}?{}", self.place, self.selector)
    }
}

/// A namespace: a DNS label.
pub(crate) fn namespace(text: &str) -> Result<String, String> {
    if is_dns(text, 63, false) {
        return Ok(text.to_owned());
    }
    Err(format!("`{}` is not a namespace", shown(text)))
}

/// An API group: a DNS name.
pub(crate) fn group(text: &str) -> Result<String, String> {
    if is_dns(text, 253, true) {
        return Ok(text.to_owned());
    }
    Err(format!("`{}` is not an API group", shown(text)))
}

fn resource(text: &str) -> Result<String, String> {
    if is_dns(text, 63, false) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "`{}` is not a resource: write the plural in lower case, as in `pods`",
        shown(text)
    ))
}

/// An object's name, as it can be put into a path as it is.
pub(crate) fn object_name(text: &str) -> Result<String, String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._:~@".contains(&b);
    if !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(fits)
        && text != "."
        && text != ".."
        && text != "_"
    {
        return Ok(text.to_owned());
    }
    Err(format!("`{}` is not the name of an object", shown(text)))
}

/// Lower-case letters, digits, hyphens, and dots where it is a name of several labels; no part empty or with a hyphen at
/// an end.
fn is_dns(text: &str, longest: usize, dots: bool) -> bool {
    let is_label = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.len() <= longest && (dots || !text.contains('.')) && text.split('.').all(is_label)
}

fn shown(text: &str) -> String {
    stanch_contract::text::clean_line_to(text, 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_read_back_from_what_it_prints() {
        for text in [
            "kubernetes:inference/_/pods/worker-0",
            "kubernetes:shop/apps/deployments/web",
            "kubernetes:_/_/nodes/node-1.example",
            "kubernetes:_/rbac.authorization.k8s.io/clusterroles/system:node",
        ] {
            assert_eq!(ObjectTarget::parse(text, "delete").unwrap().to_string(), text);
        }
        let population = "kubernetes:inference/_/pods?app=worker,tier in (cpu,gpu)";
        assert_eq!(
            PopulationTarget::parse(population).unwrap().to_string(),
            population
        );
    }

    #[test]
    fn a_subresource_that_says_what_the_verb_says_is_taken_away_and_any_other_refused() {
        let parse = |verb, sub: &str| ObjectTarget::parse(&format!("kubernetes:a/_/pods/b/{sub}"), verb);
        assert_eq!(
            parse("evict", "eviction").unwrap().to_string(),
            "kubernetes:a/_/pods/b"
        );
        assert_eq!(
            parse("scale", "scale").unwrap().to_string(),
            "kubernetes:a/_/pods/b"
        );
        for (verb, sub) in [
            ("delete", "eviction"),
            ("evict", "scale"),
            ("create", "exec"),
            ("patch", "ephemeralcontainers"),
            ("patch", "status"),
            ("create", "token"),
            ("evict", ""),
        ] {
            let error = parse(verb, sub).unwrap_err();
            assert!(error.contains("subresource"), "{verb} {sub}: {error}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_no_target() {
        for text in [
            "",
            "kubernetes:",
            "pods/worker-0",
            "kubernetes:a/_/pods",
            "kubernetes:a/_/pods/b/eviction/c",
            "kubernetes://_/pods/b",
            "kubernetes:a//pods/b",
            "kubernetes:a/_//b",
            "kubernetes:a/_/pods/",
            "kubernetes:a/_/pods/..",
            "kubernetes:a/_/pods/.",
            "kubernetes:a/_/pods/_",
            "kubernetes:a/_/pods/b%2f..",
            "kubernetes:a/_/pods/b?dryRun=All",
            "kubernetes:a/_/pods/b c",
            "kubernetes:a/_/Pods/b",
            "kubernetes:A/_/pods/b",
            "kubernetes:-a/_/pods/b",
            "kubernetes:a.b/_/pods/b",
            "kubernetes:a/Apps/deployments/b",
            "kubernetes:a/apps./deployments/b",
            "Kubernetes:a/_/pods/b",
        ] {
            assert!(ObjectTarget::parse(text, "evict").is_err(), "{text}");
        }
        for text in [
            "kubernetes:a/_/pods",
            "kubernetes:a/_/pods?",
            "kubernetes:a/_/pods/b?app=x",
            "kubernetes:a/_?app=x",
            "http://a/_/pods?app=x",
        ] {
            assert!(PopulationTarget::parse(text).is_err(), "{text}");
        }
    }
}
