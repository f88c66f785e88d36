//! How far people reach: a role may be bounded to the runbooks of some teams and owners.
//!
//! Whose a runbook is its folder and its `owner` say now, and a run is its runbook's, so who joins or leaves a team reaches its runs or does
//! not from the next request on. A runbook that is not loaded any more is nobody's but theirs whose role goes everywhere. What people do to runs passes
//! here, from wherever they say it; the run itself knows the role that they have there, and nothing of teams and owners.

use stanch_contract::RunId;
use stanch_run::{Actor, Role};

use super::engine::Engine;
use super::mail::Refusal;

/// Why something is not this person's to see or do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct NotTheirs(Box<Reason>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Reason {
    /// Their role does not go there.
    #[error("the runbook `{runbook}` is {team}'s, which the role of `{who}` does not reach")]
    Team {
        /// The person.
        who: String,
        /// The runbook.
        runbook: String,
        /// Whose it is, in words.
        team: String,
        /// Who answers for it.
        owner: String,
    },
    /// It goes to some runbooks of the team, and not to this owner's.
    #[error("the runbook `{runbook}` is `{owner}`'s, which the role of `{who}` does not reach")]
    Owner {
        /// The person.
        who: String,
        /// The runbook.
        runbook: String,
        /// Who answers for it.
        owner: String,
    },
    /// It goes there, and not so far.
    #[error("in the runbook `{runbook}` `{who}` has role {has}; to {what} takes role {least}")]
    Role {
        /// The person.
        who: String,
        /// The runbook.
        runbook: String,
        /// Who answers for it.
        owner: String,
        /// Their role there.
        has: &'static str,
        /// The one that it takes.
        least: &'static str,
        /// What they wanted.
        what: String,
    },
    /// Nobody can say whose it is.
    #[error("the runbook `{runbook}` is not loaded any more, and whose it is nobody can say")]
    Unloaded {
        /// The runbook.
        runbook: String,
    },
}

impl NotTheirs {
    /// Whom to ask, and what to ask for.
    pub fn ask(&self) -> String {
        match self.0.as_ref() {
            Reason::Team { owner, team, .. } => {
                format!(
                    "ask its owner, `{owner}`, or have `teams` of your entry or rule in stanch.toml name {team}"
                )
            }
            Reason::Owner { owner, .. } => {
                format!("ask it, or have `owners` of your entry or rule in stanch.toml name `{owner}`")
            }
            Reason::Role { owner, least, .. } => {
                format!("ask its owner, `{owner}`, or somebody with role {least} there")
            }
            Reason::Unloaded { .. } => {
                "ask somebody whose role is not bounded by `teams` or `owners`".to_owned()
            }
        }
    }
}

/// A role's word.
pub(crate) fn word(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Approver => "approver",
        Role::Operator => "operator",
        Role::Admin => "admin",
    }
}

impl Engine {
    /// This person as far as they go in a runbook, where that is far enough. Whose role is not bounded is not looked at: what it takes
    /// was asked at the door.
    ///
    /// # Errors
    /// Where it is not theirs.
    pub fn in_runbook(&self, by: &Actor, runbook: &str, least: Role, what: &str) -> Result<Actor, NotTheirs> {
        if by.bounds.is_empty() {
            return Ok(by.clone());
        }
        let refused = |reason| Err(NotTheirs(Box::new(reason)));
        let snapshot = self.current().load();
        let loaded = snapshot.runbooks.get(runbook);
        let Some(book) = loaded.map(|loaded| &loaded.runbook) else {
            return match by.everywhere() {
                Some(role) if role >= least => Ok(by.with(role)),
                _ => refused(Reason::Unloaded {
                    runbook: runbook.to_owned(),
                }),
            };
        };
        let (who, runbook, owner) = (by.name.clone(), runbook.to_owned(), book.owner.clone());
        match by.within(&book.team, &book.owner) {
            Some(there) if there.role >= least => Ok(there),
            Some(there) => refused(Reason::Role {
                who,
                runbook,
                owner,
                has: word(there.role),
                least: word(least),
                what: what.to_owned(),
            }),
            None if by.has_some_of(&book.team) => refused(Reason::Owner { who, runbook, owner }),
            None => refused(Reason::Team {
                who,
                runbook,
                team: match book.team.as_str() {
                    "" => "no team".to_owned(),
                    team => format!("the team `{team}`"),
                },
                owner,
            }),
        }
    }

    /// The same, for a run.
    ///
    /// # Errors
    /// Where it is not theirs, or there is none.
    pub async fn in_run(&self, by: &Actor, run: &RunId, least: Role, what: &str) -> Result<Actor, Refusal> {
        if by.bounds.is_empty() {
            return Ok(by.clone());
        }
        let known = self
            .inner
            .board
            .lock()
            .members
            .get(run)
            .map(|member| member.runbook.clone());
        let runbook = match known {
            Some(runbook) => runbook,
            None => {
                let record = self.store().run(run).await;
                let record = record.map_err(|error| Refusal::NotDurable(error.to_string()))?;
                record.ok_or_else(|| Refusal::NoRun(run.to_string()))?.runbook
            }
        };
        Ok(self.in_runbook(by, &runbook, least, what)?)
    }
}
