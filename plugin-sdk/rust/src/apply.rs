//! Carrying a plan out.

use std::fmt;

use crate::files::{self, Removed};
use crate::http::Response;
use crate::plan::Work;
use crate::{Action, Context, Failure, FailureContext, Plan};

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
        .map(|(index, action)| perform(action, &ctx.key_of(index, count)))
        .collect()
}

fn perform(action: &Action, key: &str) -> Result<Answer, Failure> {
    match &action.work {
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
    }
}
