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

/// Which runbooks: all, unless it is bounded. A runbook has to be within each bound that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Those in these teams' folders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teams: Option<Vec<String>>,
    /// Those that name one of these as `owner`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owners: Option<Vec<String>>,
}

impl Scope {
    /// Whether it is all of them, and the engine as a whole with them.
    pub fn is_all(&self) -> bool {
        self.teams.is_none() && self.owners.is_none()
    }

    fn has_team(&self, team: &str) -> bool {
        admits(self.teams.as_deref(), team)
    }

    fn has_owner(&self, owner: &str) -> bool {
        admits(self.owners.as_deref(), owner)
    }
}

fn admits(bound: Option<&[String]>, name: &str) -> bool {
    bound.is_none_or(|names| names.iter().any(|own| own == name))
}

/// How far a role goes, where it does not go everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// What they may do there.
    pub role: Role,
    /// Where.
    #[serde(flatten)]
    pub scope: Scope,
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
    /// Where they may do what; the role is for everywhere where this is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bounds: Vec<Bound>,
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

    /// The same person as far as their role goes in a runbook of this team and owner; nobody where it does not go there.
    pub fn within(&self, team: &str, owner: &str) -> Option<Self> {
        self.as_far_as(|scope| scope.has_team(team) && scope.has_owner(owner))
    }

    /// The same, in every runbook of this team, whoever its owner is.
    pub fn within_team(&self, team: &str) -> Option<Self> {
        self.as_far_as(|scope| scope.has_team(team) && scope.owners.is_none())
    }

    /// Whether their role goes to some runbooks of this team, if not to those of every owner.
    pub fn has_some_of(&self, team: &str) -> bool {
        self.as_far_as(|scope| scope.has_team(team)).is_some()
    }

    fn as_far_as(&self, reaches: impl Fn(&Scope) -> bool) -> Option<Self> {
        if self.bounds.is_empty() {
            return Some(self.clone());
        }
        let there = self.bounds.iter().filter(|bound| reaches(&bound.scope));
        there.map(|bound| bound.role).max().map(|role| self.with(role))
    }

    /// The same person with this role and no bounds: as far as they go in one place.
    pub fn with(&self, role: Role) -> Self {
        Self {
            role,
            bounds: Vec::new(),
            ..self.clone()
        }
    }

    /// What they may do with what is of no runbook: the engine as a whole.
    pub fn everywhere(&self) -> Option<Role> {
        if self.bounds.is_empty() {
            return Some(self.role);
        }
        let all = self.bounds.iter().filter(|bound| bound.scope.is_all());
        all.map(|bound| bound.role).max()
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

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    fn person(name: &str, groups: &[&str], role: Role) -> Actor {
        Actor {
            name: name.into(),
            groups: groups.iter().map(ToString::to_string).collect(),
            role,
            bounds: vec![],
            via: String::new(),
        }
    }

    #[test]
    fn a_role_goes_as_far_as_its_bounds_and_the_highest_that_reaches_counts() {
        let bound = |role, teams: Option<&[&str]>| Bound {
            role,
            scope: Scope {
                teams: teams.map(words),
                owners: None,
            },
        };
        let mut dana = person("dana", &["sre"], Role::Operator);
        assert_eq!(
            (dana.within("web", "web-oncall"), dana.everywhere()),
            (Some(dana.clone()), Some(Role::Operator))
        );
        dana.bounds = vec![
            bound(Role::Operator, Some(&["web", "mail"])),
            bound(Role::Approver, Some(&["web", "db"])),
        ];
        let within = |dana: &Actor, team: &str| dana.within(team, "web-oncall").map(|dana| dana.role);
        for (team, role) in [
            ("web", Some(Role::Operator)),
            ("mail", Some(Role::Operator)),
            ("db", Some(Role::Approver)),
            ("webb", None),
            ("", None),
        ] {
            assert_eq!(within(&dana, team), role, "{team}");
        }
        assert_eq!(dana.everywhere(), None);
        dana.bounds.push(bound(Role::Viewer, None));
        assert_eq!(
            (within(&dana, "webb"), within(&dana, "")),
            (Some(Role::Viewer), Some(Role::Viewer))
        );
        assert_eq!(dana.everywhere(), Some(Role::Viewer));
        let there = dana.within("db", "").unwrap();
        assert_eq!(
            (there.name.as_str(), there.groups.len(), there.bounds.len()),
            ("dana", 1, 0)
        );
    }

    #[test]
    fn a_bound_of_teams_and_owners_holds_for_both_and_its_role_is_not_for_the_rest_of_the_team() {
        let mut dana = person("dana", &["sre"], Role::Operator);
        let bound = |role, teams: Option<&[&str]>, owners: Option<&[&str]>| Bound {
            role,
            scope: Scope {
                teams: teams.map(words),
                owners: owners.map(words),
            },
        };
        dana.bounds = vec![
            bound(Role::Operator, Some(&["web"]), Some(&["cdn"])),
            bound(Role::Approver, None, Some(&["dns"])),
            bound(Role::Viewer, Some(&["mail"]), None),
        ];
        let role = |actor: Option<Actor>| actor.map(|actor| actor.role);
        for (team, owner, expected) in [
            ("web", "cdn", Some(Role::Operator)),
            ("web", "dns", Some(Role::Approver)),
            ("db", "dns", Some(Role::Approver)),
            ("mail", "dns", Some(Role::Approver)),
            ("mail", "cdn", Some(Role::Viewer)),
            ("web", "shop", None),
            ("db", "cdn", None),
            ("", "", None),
        ] {
            assert_eq!(role(dana.within(team, owner)), expected, "{team} {owner}");
        }
        let team = |team| (role(dana.within_team(team)), dana.has_some_of(team));
        assert_eq!(team("web"), (None, true));
        assert_eq!(team("mail"), (Some(Role::Viewer), true));
        assert_eq!(dana.everywhere(), None);
        let kept = serde_json::to_value(&dana).unwrap();
        assert_eq!(
            kept["bounds"][1],
            serde_json::json!({ "role": "approver", "owners": ["dns"] })
        );
        assert_eq!(serde_json::from_value::<Actor>(kept).unwrap(), dana);
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
