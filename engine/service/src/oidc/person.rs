//! Who somebody is whom the provider knows, and what they may do here. Pure, and looked up at each request: who leaves a group at the
//! provider loses the role at the next log-in, whom the operator takes it from loses it at once.
//!
//! Deny by default: the provider says who somebody is, stanch.toml says what that is worth. It is worth something by a `[[users]]` entry
//! with this `oidc`, else by the `[[oidc.rules]]` of the groups; else nothing.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use stanch_contract::text;
use stanch_run::{Actor, Bound};

use crate::config::Settings;
use crate::config::settings::Oidc;
use crate::control::actor::{of_user, role_of};
use crate::control::types::{Code, Problem};

/// The claim that says whether an address was found to be its owner's.
const VERIFIED: &str = "email_verified";
/// The longest name, in bytes.
const LONGEST: usize = 200;
/// So many groups of one person are looked at.
const MOST_GROUPS: usize = 1_000;

/// What the provider says of somebody, as far as it is wanted here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claimed {
    /// Who says it.
    issuer: String,
    /// Who it is, by the claim that `person` names.
    name: String,
    /// Their groups, by the claim that `groups` names.
    groups: BTreeSet<String>,
}

/// Why somebody whom the provider knows is nobody here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotKnown {
    /// stanch.toml has another provider by now, or none.
    Provider,
    /// The claim is not there, or not text that a name can be.
    NoName {
        /// The claim.
        claim: String,
    },
    /// An e-mail address that may be anybody's.
    NotVerified {
        /// The address.
        name: String,
    },
    /// A `[[users]]` entry has this name, and does not say that it is this person.
    Taken {
        /// The name.
        name: String,
    },
    /// No entry and no rule.
    NoRule {
        /// Who it is.
        name: String,
        /// How many groups the provider said; absent where none are asked for.
        groups: Option<usize>,
    },
}

impl Claimed {
    /// What the claims of a token say.
    pub(super) fn of(oidc: &Oidc, claims: &Map<String, Value>) -> Result<Self, NotKnown> {
        let no_name = || NotKnown::NoName {
            claim: oidc.person.clone(),
        };
        let said = found(claims, &oidc.person).and_then(Value::as_str);
        let mut name = said.ok_or_else(no_name)?.to_owned();
        // `group:` and `os:` mean something, and a name stands in lines of text.
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != ':';
        if name.is_empty() || name.len() > LONGEST || !name.chars().all(plain) || text::clean(&name) != name {
            return Err(no_name());
        }
        if oidc.person == "email" {
            // One mailbox is one person, however the provider writes it.
            name = name.to_lowercase();
            if claims.get(VERIFIED) != Some(&Value::Bool(true)) {
                return Err(NotKnown::NotVerified { name });
            }
        }
        let groups = oidc.groups.as_deref().and_then(|claim| found(claims, claim));
        let groups = match groups {
            Some(Value::String(one)) => BTreeSet::from([one.clone()]),
            Some(Value::Array(several)) => several
                .iter()
                .take(MOST_GROUPS)
                .filter_map(|group| group.as_str().map(str::to_owned))
                .collect(),
            _ => BTreeSet::new(),
        };
        Ok(Self {
            issuer: oidc.issuer.clone(),
            name,
            groups,
        })
    }
}

/// A claim: of this very name, else at the end of this path of names, as in `realm_access.roles`.
fn found<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    claims.get(name).or_else(|| {
        let (first, rest) = name.split_once('.')?;
        found(claims.get(first)?.as_object()?, rest)
    })
}

/// Who this is here, and what they may do.
///
/// # Errors
/// Where nothing in stanch.toml knows them.
pub(crate) fn who(settings: &Settings, claimed: &Claimed) -> Result<Actor, NotKnown> {
    let oidc = settings.oidc.as_ref().ok_or(NotKnown::Provider)?;
    if oidc.issuer != claimed.issuer {
        return Err(NotKnown::Provider);
    }
    let name = &claimed.name;
    if let Some(user) = settings.user_by_oidc(name) {
        return Ok(of_user(user));
    }
    if settings.users.iter().any(|user| user.name == *name) {
        return Err(NotKnown::Taken { name: name.clone() });
    }
    let rules: Vec<_> = oidc
        .rules
        .iter()
        .filter(|rule| claimed.groups.contains(&rule.group))
        .collect();
    let role = rules.iter().map(|rule| rule.role).max();
    let role = role.ok_or_else(|| NotKnown::NoRule {
        name: name.clone(),
        groups: oidc.groups.is_some().then_some(claimed.groups.len()),
    })?;
    let groups: BTreeSet<&String> = rules.iter().flat_map(|rule| &rule.groups).collect();
    Ok(Actor {
        name: name.clone(),
        role: role_of(role),
        groups: groups.into_iter().cloned().collect(),
        bounds: match rules.iter().any(|rule| !rule.scope.is_all()) {
            false => Vec::new(),
            true => rules
                .iter()
                .map(|rule| Bound {
                    role: role_of(rule.role),
                    scope: rule.scope.clone(),
                })
                .collect(),
        },
        via: String::new(),
    })
}

impl NotKnown {
    /// What is said to the one who is not known: and what to ask for.
    pub(crate) fn problem(&self) -> Problem {
        let (detail, hint) = match self {
            Self::Provider => (
                "stanch.toml does not name this provider any more".to_owned(),
                "log in again".to_owned(),
            ),
            Self::NoName { claim } => (
                format!("the provider does not say who you are: its token has no `{claim}` that can be a name"),
                format!("ask whoever runs the provider to add the claim `{claim}` to the tokens of this client, or whoever runs the engine to set another `oidc.person`"),
            ),
            Self::NotVerified { name } => (
                format!("the provider does not say that `{name}` is your address"),
                "verify the address at the provider (`email_verified` has to be true), or have whoever runs the engine set another `oidc.person`".to_owned(),
            ),
            Self::Taken { name } => (
                format!("`{name}` is somebody in stanch.toml, and their entry does not say that it is you"),
                format!("if it is you, ask whoever runs the engine to add `oidc = \"{name}\"` to that [[users]] entry"),
            ),
            Self::NoRule { name, groups } => {
                let groups = match groups {
                    None => String::new(),
                    Some(0) => ", in no group".to_owned(),
                    Some(1) => ", in one group".to_owned(),
                    Some(count) => format!(", in {count} groups"),
                };
                (
                    format!("you are `{name}`{groups}, and no rule here knows you"),
                    format!("ask whoever runs the engine for `[[oidc.rules]]` with one of your groups, or for a [[users]] entry with `oidc = \"{name}\"`"),
                )
            }
        };
        Problem::new(Code::Forbidden, detail).hint(hint)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use stanch_run::Role;

    use super::*;

    const TOML: &str = r#"
        [oidc]
        issuer = "https://login.example"
        client_id = "stanch"
        redirect = "https://stanch.example/login/callback"
        person = "preferred_username"
        groups = "realm_access.roles"
        [[oidc.rules]]
        group = "everybody"
        role = "viewer"
        groups = []
        [[oidc.rules]]
        group = "oncall"
        role = "approver"
        groups = ["sre", "inference"]
        [[oidc.rules]]
        group = "leads"
        role = "operator"
        [[users]]
        name = "dana"
        oidc = "dana.k"
        role = "admin"
        groups = ["own"]
        [[users]]
        name = "kim"
        os_user = "kim"
        role = "admin"
    "#;

    fn settings(toml: &str) -> Settings {
        crate::config::parse("stanch.toml".as_ref(), toml)
            .map_err(|errors| errors.render(false, 110))
            .unwrap()
    }

    fn known(settings: &Settings, claims: Value) -> Result<Actor, NotKnown> {
        let oidc = settings.oidc.as_ref().unwrap();
        who(settings, &Claimed::of(oidc, claims.as_object().unwrap())?)
    }

    #[test]
    fn what_somebody_may_is_what_an_entry_or_the_rules_of_their_groups_say_and_nothing_else() {
        let settings = settings(TOML);
        type Row = (
            &'static str,
            &'static [&'static str],
            Option<(&'static str, Role, &'static [&'static str])>,
        );
        let table: [Row; 9] = [
            ("eve", &["everybody"], Some(("eve", Role::Viewer, &[]))),
            (
                "eve",
                &["oncall", "everybody"],
                Some(("eve", Role::Approver, &["inference", "sre"])),
            ),
            // A rule without groups gives its own.
            (
                "eve",
                &["leads", "oncall"],
                Some(("eve", Role::Operator, &["inference", "leads", "sre"])),
            ),
            // Groups of the provider that no rule names are nothing here, whatever runbooks call theirs.
            ("eve", &["sre"], None),
            ("eve", &["Oncall", "on", "oncall "], None),
            ("eve", &[], None),
            // An entry has the say, whatever the groups.
            ("dana.k", &["everybody"], Some(("dana", Role::Admin, &["own"]))),
            // The name of an entry that does not say so is nobody's at the provider.
            ("dana", &["oncall"], None),
            ("kim", &["oncall"], None),
        ];
        for (name, groups, expected) in table {
            let claims = json!({ "preferred_username": name, "realm_access": { "roles": groups } });
            let got = known(&settings, claims).ok();
            let got = got
                .as_ref()
                .map(|actor| (actor.name.as_str(), actor.role, actor.groups.as_slice()));
            let expected = expected.map(|(name, role, groups)| {
                (
                    name,
                    role,
                    groups.iter().map(|group| (*group).to_owned()).collect::<Vec<_>>(),
                )
            });
            let expected = expected
                .as_ref()
                .map(|(name, role, groups)| (*name, *role, groups.as_slice()));
            assert_eq!(got, expected, "{name} {groups:?}");
        }
    }

    #[test]
    fn each_rule_reaches_as_far_as_its_teams() {
        let folders = "[[runbooks]]\npath = \"a\"\nteam = \"a\"\n[[runbooks]]\npath = \"b\"\nteam = \"b\"\n";
        let toml = TOML.replace("group = \"leads\"", "group = \"leads\"\n        teams = [\"a\"]");
        let settings = settings(&format!("{toml}{folders}"));
        let of = |groups: &[&str]| {
            let claims = json!({ "preferred_username": "eve", "realm_access": { "roles": groups } });
            let eve = known(&settings, claims).unwrap();
            let role = |team: &str| eve.within(team, "oncall").map(|eve| eve.role);
            (eve.role, role("a"), role("b"), eve.everywhere())
        };
        let (viewer, approver, operator) = (Some(Role::Viewer), Some(Role::Approver), Some(Role::Operator));
        assert_eq!(of(&["leads"]), (Role::Operator, operator, None, None));
        assert_eq!(
            of(&["leads", "everybody"]),
            (Role::Operator, operator, viewer, viewer)
        );
        assert_eq!(of(&["oncall"]), (Role::Approver, approver, approver, approver));
    }

    #[test]
    fn a_name_is_text_of_one_word_that_no_other_word_is_hidden_in() {
        let settings = settings(TOML);
        for (name, fit) in [
            (json!("eve"), true),
            (json!("Eve@Example.com"), true),
            (json!(""), false),
            (json!("os:root"), false),
            (json!("group:sre"), false),
            (json!("eve smith"), false),
            (json!("eve\n"), false),
            (json!("eve\u{202e}"), false),
            (json!("e".repeat(201)), false),
            (json!(7), false),
            (json!(["eve"]), false),
            (Value::Null, false),
        ] {
            let claims = json!({ "preferred_username": name, "realm_access": { "roles": "everybody" } });
            let got = known(&settings, claims);
            assert_eq!(got.is_ok(), fit, "{name:?}: {got:?}");
        }
    }

    #[test]
    fn an_address_counts_where_the_provider_found_it_to_be_theirs_however_it_is_written() {
        let settings = settings(&TOML.replace("preferred_username", "email"));
        let of = |email: &str, verified: Value| {
            let claims = json!({ "email": email, "email_verified": verified, "realm_access": { "roles": ["everybody"] } });
            known(&settings, claims).map(|actor| actor.name)
        };
        assert_eq!(
            of("Eve@Example.com", json!(true)).as_deref(),
            Ok("eve@example.com")
        );
        for verified in [json!(false), json!("true"), json!(1), Value::Null] {
            assert!(matches!(
                of("eve@example.com", verified),
                Err(NotKnown::NotVerified { .. })
            ));
        }
    }

    #[test]
    fn who_was_known_by_another_provider_or_a_rule_that_is_gone_is_nobody() {
        let before = settings(TOML);
        let claims = json!({ "preferred_username": "eve", "realm_access": { "roles": ["oncall"] } });
        let claimed = Claimed::of(before.oidc.as_ref().unwrap(), claims.as_object().unwrap()).unwrap();
        assert!(who(&before, &claimed).is_ok());
        let moved = settings(&TOML.replace("login.example", "login2.example"));
        assert_eq!(who(&moved, &claimed), Err(NotKnown::Provider));
        let none = settings("");
        assert_eq!(who(&none, &claimed), Err(NotKnown::Provider));
        let without = settings(&TOML.replace("\"oncall\"", "\"offcall\""));
        assert!(matches!(
            who(&without, &claimed),
            Err(NotKnown::NoRule { groups: Some(1), .. })
        ));
    }

    #[test]
    fn who_is_not_known_is_told_why_and_what_to_ask_for() {
        let settings = settings(TOML);
        for (name, groups, says) in [
            (
                "eve",
                vec!["a", "b"],
                "you are `eve`, in 2 groups, and no rule here knows you",
            ),
            ("eve", vec![], "you are `eve`, in no group"),
            ("kim", vec!["oncall"], "`kim` is somebody in stanch.toml"),
            ("", vec![], "no `preferred_username` that can be a name"),
        ] {
            let claims = json!({ "preferred_username": name, "realm_access": { "roles": groups } });
            let problem = known(&settings, claims).unwrap_err().problem();
            assert!(problem.detail.contains(says), "{problem:?}");
            assert!(
                problem
                    .hint
                    .is_some_and(|hint| hint.contains("whoever runs the engine"))
            );
            assert_eq!(problem.code, Code::Forbidden);
        }
    }
}
