//! Who does something: a person as the service knows them.

use serde::{Deserialize, Serialize};

/// What a person may do. Each includes the ones before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    Viewer,
    /// Decide, answer, settle.
    Approver,
    /// Start, undo, cancel, pause.
    Operator,
    /// Everything.
    Admin,
}

/// A person, or the socket's owner as `os:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Unique.
    pub name: String,
    /// Without `group:`.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The most they may do.
    pub role: Role,
    /// Where they say it: `socket`, `api`, `web`, `slack:#incidents`; empty where nobody asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub via: String,
}

impl Actor {
    /// The same person, who says it there.
    pub fn on(mut self, via: &str) -> Self {
        via.clone_into(&mut self.via);
        self
    }

    /// Whether this person is one of `from`: names, or `group:NAME`. Where `from` is empty: whoever has role approver or
    /// more. A viewer never is.
    pub fn is_among(&self, from: &[String]) -> bool {
        self.role >= Role::Approver && (from.is_empty() || self.is_named(from))
    }

    /// Whether this person is one of these, by name or as one of `group:NAME`, whatever the role.
    pub fn is_named(&self, among: &[String]) -> bool {
        among.iter().any(|entry| match entry.strip_prefix("group:") {
            Some(group) => self.groups.iter().any(|g| g == group),
            None => *entry == self.name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str, groups: &[&str], role: Role) -> Actor {
        Actor {
            name: name.into(),
            groups: groups.iter().map(ToString::to_string).collect(),
            role,
            via: String::new(),
        }
    }

    #[test]
    fn who_is_named_or_in_a_named_group_is_among_them_and_others_are_not() {
        let from = ["group:sre".to_owned(), "dana".to_owned()];
        assert!(person("dana", &[], Role::Approver).is_among(&from));
        assert!(person("eli", &["sre"], Role::Approver).is_among(&from));
        assert!(!person("eli", &["web"], Role::Admin).is_among(&from));
        assert!(!person("sre", &[], Role::Admin).is_among(&from));
        assert!(!person("dana", &["sre"], Role::Viewer).is_among(&from));
    }

    #[test]
    fn what_is_visible_to_a_few_is_so_by_name_and_never_by_role() {
        let few = ["group:trust".to_owned(), "dana".to_owned()];
        assert!(person("dana", &[], Role::Viewer).is_named(&few));
        assert!(person("eli", &["trust"], Role::Viewer).is_named(&few));
        assert!(!person("eli", &[], Role::Admin).is_named(&few));
        assert!(!person("eli", &[], Role::Admin).is_named(&[]));
    }

    #[test]
    fn where_nobody_is_named_the_role_decides() {
        assert!(person("eli", &[], Role::Approver).is_among(&[]));
        assert!(!person("eli", &[], Role::Viewer).is_among(&[]));
    }
}
