//! Carrying a plan out.

use std::fmt;

use crate::files::{self, Removed};
use crate::http::Response;
use crate::kubernetes::{self, Change, Object};
use crate::plan::{ClusterWork, Work};
use crate::{Action, Context, Failure, FailureCode, FailureContext, Plan};

/// What one action came to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// A 2xx answer; for `DELETE` also 404 and 410, which say that it is gone.
    Sent {
        /// The method and the URL, for the summary.
        what: String,
        /// The answer.
        response: Response,
    },
    /// Files are gone.
    Removed(Removed),
    /// A file is written.
    Written(String),
    /// An object of a cluster is changed.
    Changed {
        /// What was done to which, for the summary.
        what: String,
        /// What a patch or a creation made of it.
        object: Option<Object>,
    },
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent { what, response } => write!(f, "{what} answered {}", response.status),
            Self::Removed(removed) => {
                let bytes = stanch_contract::ByteSize(removed.bytes);
                write!(f, "Removed {} files, {bytes}", removed.paths.len())?;
                match removed.refused.len() {
                    0 => Ok(()),
                    left => write!(f, "; left {left} that are no longer what was seen"),
                }
            }
            Self::Written(path) => write!(f, "Wrote `{path}`"),
            Self::Changed { what, .. } => f.write_str(what),
        }
    }
}

/// Carries each action of the plan out, in order, each request with its idempotency key. The first failure ends it; what
/// was done until then the host knows.
pub fn carry_out<Data>(ctx: &Context, plan: &Plan<Data>) -> Result<Vec<Answer>, Failure> {
    let count = plan.actions.len();
    plan.actions
        .iter()
        .enumerate()
        .map(|(index, action)| action.carry_out(&ctx.key_of(index, count)))
        .collect()
}

impl Action {
    /// Carries this one out, a request with this idempotency key ([`Context::key_of`]).
    pub fn carry_out(&self, key: &str) -> Result<Answer, Failure> {
        perform(&self.work, key)
    }
}

fn perform(work: &Work, key: &str) -> Result<Answer, Failure> {
    match work {
        Work::Send(request) => {
            let what = format!("{} {}", request.method, request.url);
            let response = request
                .clone()
                .header("idempotency-key", key)
                .send()
                .context(&what)?;
            let gone = request.method == "DELETE" && matches!(response.status, 404 | 410);
            let response = if gone {
                response
            } else {
                response.ok().context(&what)?
            };
            Ok(Answer::Sent { what, response })
        }
        Work::Remove { folder, files } => {
            let removed = files::remove(folder, files).context(format!("removing files of `{folder}`"))?;
            if removed.paths.is_empty() && !removed.refused.is_empty() {
                let message = format!(
                    "None of the {} files of `{folder}` is still what was planned",
                    files.len()
                );
                return Err(Failure::conflict(message));
            }
            Ok(Answer::Removed(removed))
        }
        Work::Write { path, content } => {
            files::write(path, content).context(format!("writing `{path}`"))?;
            Ok(Answer::Written(path.clone()))
        }
        Work::Cluster(work) => change(work),
    }
}

/// One that was to be deleted and is not there is gone, whoever deleted it.
fn change(work: &ClusterWork) -> Result<Answer, Failure> {
    let removes = matches!(work.change, Change::Delete { .. } | Change::Evict { .. });
    let (what, object) = match kubernetes::change(&work.object, &work.change) {
        Ok(object) => (format!("{} {}", work.change.done(), work.object), object),
        Err(failure) if removes && failure.code == FailureCode::NotFound => {
            (format!("{} was gone already", work.object), None)
        }
        Err(failure) => return Err(failure),
    };
    Ok(Answer::Changed { what, object })
}
