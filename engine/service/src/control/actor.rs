//! Who is asking, and how far their role reaches.
//!
//! The rule, in this order: who the provider of `[oidc]` says it is, where a token of its making came along; the user whose token
//! came along; else the `[[users]]` entry with the peer's `os_user`; else
//! the socket's owner, as `os:NAME`, admin, in no group; anybody else is refused. A token that nobody has is refused and
//! does not fall through to the peer, so that a revoked one is noticed. The kernel says who the peer is (SO_PEERCRED).
//! Over the network there is no peer that counts: a token, or nobody.

use stanch_contract::{RunId, StepId};
use stanch_run::{Actor, Bound, Role, Scope};

use super::types::{Code, Decide, Problem};
use super::{Answer, Control};
use crate::config::Settings;
use crate::config::settings::{self, User};
use crate::executor::reach::word;

/// Refuses unless the actor's role reaches.
///
/// # Errors
/// [`Code::Forbidden`], with the role that is needed.
pub fn must_be(actor: &Actor, least: Role, what: &str) -> Result<(), Problem> {
    if actor.role >= least {
        return Ok(());
    }
    let (name, role, least) = (&actor.name, word(actor.role), word(least));
    Err(Problem::new(
        Code::Forbidden,
        format!("`{name}` has role {role}; to {what} takes role {least}"),
    )
    .hint(format!(
        "ask somebody with role {least}, or have `role` raised in this user's [[users]] entry"
    )))
}

/// The run that somebody's yes or no is for; that they may not say it is audited.
///
/// # Errors
/// [`Code::Forbidden`], with the role that is needed or whose the run is; where there is no such run.
pub(crate) async fn to_decide(
    control: &dyn Control,
    actor: &Actor,
    run: &str,
    step: &StepId,
    request: &Decide,
) -> Answer<RunId> {
    let found = match must_be(actor, Role::Approver, "decide") {
        Ok(()) => control.find_run(actor, run).await,
        Err(why) => Err(why),
    };
    found.inspect_err(|why| {
        if why.code == Code::Forbidden {
            control.not_taken(actor, run, step, request, why);
        }
    })
}

/// Refuses unless the actor's role reaches everywhere: for what is of no team, such as a reload.
///
/// # Errors
/// [`Code::Forbidden`], with the role that is needed.
pub fn must_be_everywhere(actor: &Actor, least: Role, what: &str) -> Result<(), Problem> {
    must_be(actor, least, what)?;
    if actor.everywhere().is_some_and(|role| role >= least) {
        return Ok(());
    }
    let (name, least) = (&actor.name, word(least));
    Err(Problem::new(
        Code::Forbidden,
        format!("the role of `{name}` is for some runbooks; to {what} takes role {least} for all"),
    )
    .hint(format!(
        "ask somebody with role {least} whose entry or rule in stanch.toml has no `teams` and no `owners`"
    )))
}

/// An account of this machine, as the kernel told it of the other end of the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub uid: u32,
    /// Its name, where the machine knows one.
    pub name: Option<String>,
}

impl Account {
    /// Its name, else its number.
    fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.uid.to_string())
    }
}

/// The user whose token this is.
///
/// # Errors
/// [`Code::NotAuthenticated`], where it is nobody's.
pub fn by_token(settings: &Settings, token: &str) -> Result<Actor, Problem> {
    settings.user_by_token(token.trim()).map(|user| of_user(user)).ok_or_else(|| {
        Problem::new(Code::NotAuthenticated, "the token is none of stanch.toml's users'").hint(
            "check STANCH_TOKEN, or make a token with `stanch user token NAME` and put its line in stanch.toml",
        )
    })
}

/// Who is asking on the control socket, by the rule at the top of this file.
///
/// # Errors
/// [`Code::NotAuthenticated`], where nobody is recognised.
pub fn recognise(
    settings: &Settings,
    owner: &Account,
    peer: &Account,
    token: Option<&str>,
) -> Result<Actor, Problem> {
    if let Some(token) = token {
        return by_token(settings, token);
    }
    let by_name = peer
        .name
        .as_deref()
        .and_then(|name| settings.user_by_os_user(name));
    if let Some(user) = by_name.or_else(|| settings.user_by_os_user(&peer.uid.to_string())) {
        return Ok(of_user(user));
    }
    if peer.uid == owner.uid {
        return Ok(Actor {
            name: format!("os:{}", owner.label()),
            role: Role::Admin,
            groups: Vec::new(),
            bounds: Vec::new(),
            via: String::new(),
        });
    }
    Err(Problem::new(
        Code::NotAuthenticated,
        format!("the account `{}` is none of stanch.toml's users", peer.label()),
    )
    .hint("set STANCH_TOKEN, or have `os_user` set in your [[users]] entry"))
}

/// A role of stanch.toml, as runs know it.
pub(crate) fn role_of(role: settings::Role) -> Role {
    match role {
        settings::Role::Viewer => Role::Viewer,
        settings::Role::Approver => Role::Approver,
        settings::Role::Operator => Role::Operator,
        settings::Role::Admin => Role::Admin,
    }
}

/// A `[[users]]` entry, as the one who does something.
pub fn of_user(user: &User) -> Actor {
    Actor {
        name: user.name.clone(),
        role: role_of(user.role),
        groups: user.groups.clone(),
        bounds: if user.scope.is_all() {
            Vec::new()
        } else {
            let own = Bound {
                role: role_of(user.role),
                scope: user.scope.clone(),
            };
            let elsewhere = user.elsewhere.map(|role| Bound {
                role: role_of(role),
                scope: Scope::default(),
            });
            std::iter::once(own).chain(elsewhere).collect()
        },
        via: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::fixtures;

    const TOKEN: &str = "5d41402abc4b2a76b9719d911017c592";

    fn account(uid: u32, name: &str) -> Account {
        Account {
            uid,
            name: Some(name.into()),
        }
    }

    fn settings() -> Settings {
        fixtures::settings(vec![
            fixtures::user("dana", Some(TOKEN), "dana-os", &["sre"], settings::Role::Approver),
            fixtures::user("eve", None, "1003", &[], settings::Role::Viewer),
        ])
    }

    #[test]
    fn who_is_asking_is_found_by_token_then_account_then_ownership() {
        let owner = account(1000, "stanch");
        type Row = (Account, Option<&'static str>, Option<(&'static str, Role)>);
        let table: [Row; 10] = [
            // The token counts, whoever's account it comes from.
            (
                account(1000, "stanch"),
                Some(TOKEN),
                Some(("dana", Role::Approver)),
            ),
            (
                account(4242, "stranger"),
                Some(TOKEN),
                Some(("dana", Role::Approver)),
            ),
            // A wrong token is refused, also from an account that would be let in.
            (account(1000, "stanch"), Some("0000"), None),
            (account(1001, "dana-os"), Some(""), None),
            // The digest itself is no token.
            (
                account(1000, "stanch"),
                Some("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
                None,
            ),
            // The account, by name and by number.
            (account(1001, "dana-os"), None, Some(("dana", Role::Approver))),
            (account(1003, "eve-os"), None, Some(("eve", Role::Viewer))),
            // A user's name is not an account's name.
            (account(1002, "dana"), None, None),
            // The owner; nobody else, root neither.
            (account(1000, "stanch"), None, Some(("os:stanch", Role::Admin))),
            (account(0, "root"), None, None),
        ];
        for (peer, token, expected) in table {
            let got = recognise(&settings(), &owner, &peer, token).ok();
            assert_eq!(
                got.as_ref().map(|a| (a.name.as_str(), a.role)),
                expected,
                "{peer:?} {token:?}"
            );
        }
    }

    #[test]
    fn the_owner_with_an_entry_of_its_own_is_that_user_and_not_admin() {
        let owner = account(1001, "dana-os");
        let actor = recognise(&settings(), &owner, &owner, None).unwrap();
        assert_eq!((actor.name.as_str(), actor.role), ("dana", Role::Approver));
        assert_eq!(actor.groups, ["sre"]);
    }

    #[test]
    fn the_owner_is_in_no_group_and_an_account_without_a_name_goes_by_its_number() {
        let owner = Account { uid: 77, name: None };
        let actor = recognise(&settings(), &owner, &owner, None).unwrap();
        assert_eq!((actor.name.as_str(), actor.groups.len()), ("os:77", 0));
    }

    #[test]
    fn a_role_may_do_what_lower_roles_may_and_nothing_above() {
        let roles = [Role::Viewer, Role::Approver, Role::Operator, Role::Admin];
        for (has, role) in roles.iter().enumerate() {
            let actor = Actor {
                name: "x".into(),
                role: *role,
                groups: vec![],
                bounds: Vec::new(),
                via: String::new(),
            };
            for (needs, least) in roles.iter().enumerate() {
                assert_eq!(
                    must_be(&actor, *least, "do it").is_ok(),
                    has >= needs,
                    "{role:?} {least:?}"
                );
            }
        }
    }
}
