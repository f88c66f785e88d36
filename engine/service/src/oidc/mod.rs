//! Who people are by OpenID Connect: a provider of the operator's says it, stanch.toml says what it is worth (`person.rs`).
//!
//! On the pages somebody is sent to the provider and comes back with a code (`flow.rs`); at the API they come with a token that the
//! provider made for it. Both end in claims that are held against the provider's keys (`keys.rs`), for this issuer, audience and time
//! (`token.rs`). The library reads and the engine judges: jsonwebtoken's own checks read the machine's clock, and take several issuers.
//! openidconnect would do more of it, with a second cryptography and a client of its own beside the connector that all else leaves by.
//!
//! What is known of the provider is looked at anew every few minutes, and once when a token names a key that is not known, never more
//! often than every ten seconds: who sends tokens cannot have the engine flood the provider. While it is down nobody new comes in by it;
//! who has a token of stanch.toml's does, and tokens that it made before are good for a day, as far as they themselves are.

pub(crate) mod flow;
mod keys;
pub(crate) mod person;
mod provider;
mod signature;
mod token;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use serde_json::{Map, Value};
use stanch_contract::{Span, Timestamp, text};
use stanch_run::Actor;
use stanch_sandbox::gate::Facilities;

use self::flow::{Begun, Flows, Returned};
use self::person::Claimed;
use self::provider::{Known, NotExchanged, Out};
use self::token::{Unfit, Wanted, check};
use crate::clock;
use crate::config::Settings;
use crate::config::settings::Oidc;
use crate::control::Answer;
use crate::control::types::{Code, Problem};
use crate::secrets::Secrets;
use crate::snapshot::{Problem as LoadProblem, ProblemKind};
use crate::telemetry::Metrics;

/// What is known is looked at anew after this long.
const REFRESH: Span = Span::from_secs(5 * 60);
/// Before somebody is sent there, what is known is looked at anew after this long.
const FRESH: Span = Span::from_secs(30);
/// The time between two looks, whatever asks for them.
const APART: Span = Span::from_secs(10);
/// For so long what is known counts while the provider does not answer.
const TRUSTED: Span = Span::from_secs(24 * 3_600);
/// How often it is found out whether it is time.
const EVERY: Duration = Duration::from_secs(20);

/// The provider of `[oidc]`, whichever that is now.
pub struct Provider {
    out: Out,
    flows: Flows,
    known: ArcSwapOption<Known>,
    /// One looks at a time.
    turn: tokio::sync::Mutex<Turn>,
    down: Mutex<Option<Down>>,
}

/// The last look.
#[derive(Default)]
struct Turn {
    issuer: String,
    at: Option<Timestamp>,
}

/// The provider does not answer, or not as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Down {
    /// Which.
    pub(crate) issuer: String,
    /// Since when.
    pub(crate) since: Timestamp,
    /// Why, in a sentence.
    pub(crate) why: String,
}

/// A log-in that came back.
pub(crate) struct Ended {
    begun: Begun,
    returned: Returned,
}

/// Somebody who came back from the provider.
pub(crate) struct Entered {
    /// Whom it says that they are.
    pub(crate) claimed: Claimed,
    /// Where they wanted to go.
    pub(crate) next: Option<String>,
}

impl Provider {
    /// Asked with these.
    ///
    /// # Errors
    /// Where the operating system has no randomness.
    pub fn new(facilities: Arc<Facilities>, secrets: Arc<Secrets>) -> Result<Self, String> {
        Ok(Self {
            out: Out { facilities, secrets },
            flows: Flows::new()?,
            known: ArcSwapOption::empty(),
            turn: tokio::sync::Mutex::default(),
            down: Mutex::default(),
        })
    }

    /// Whether a token is of the kind that a provider makes: three parts. Those of stanch.toml's users have one.
    pub(crate) fn makes(token: &str) -> bool {
        token.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// Why the provider of `[oidc]` is of no use now; absent where it is, as far as is known.
    pub(crate) fn down(&self, oidc: &Oidc) -> Option<Down> {
        let down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        down.clone().filter(|down| down.issuer == oidc.issuer)
    }

    /// The same, as whoever asks how the engine stands is told it.
    pub(crate) fn problem(&self, settings: &Settings) -> Option<LoadProblem> {
        let Down { issuer, since, why } = self.down(settings.oidc.as_ref()?)?;
        let message = format!("nobody can log in by {issuer}: {why}");
        Some(LoadProblem {
            kind: ProblemKind::Provider,
            path: settings.path.clone(),
            name: "oidc".to_owned(),
            rendered: format!("{message}\n"),
            message,
            kept: None,
            since,
        })
    }

    /// Who comes to the API with this token.
    pub(crate) async fn by_bearer(&self, settings: &Settings, token: &str) -> Answer<Actor> {
        let oidc = settings.oidc.as_ref();
        let Some((oidc, audience)) = oidc.and_then(|oidc| Some((oidc, oidc.audience.as_deref()?))) else {
            return Err(refused(
                "the API takes no tokens of a provider here: `oidc.audience` is not set".to_owned(),
            )
            .hint("use the token that `stanch user token NAME` printed"));
        };
        let wanted = Wanted {
            issuer: &oidc.issuer,
            audience,
            nonce: None,
        };
        let claims = self.taken(oidc, token, &wanted).await?;
        let claimed = Claimed::of(oidc, &claims);
        claimed
            .and_then(|claimed| person::who(settings, &claimed))
            .map_err(|not_known| not_known.problem())
    }

    /// Sends somebody to the provider: where to, and what the browser holds until they come back.
    pub(crate) async fn begin(&self, oidc: &Oidc, next: Option<String>) -> Answer<(String, String)> {
        let known = self.known(oidc).await?;
        // Nobody is sent to a provider that went away.
        let known = match clock::now().since(known.at) < FRESH {
            true => known,
            false => self.look(oidc, known.at).await.unwrap_or(known),
        };
        if let Some(down) = self.down(oidc) {
            return Err(unavailable(oidc, &down.why));
        }
        self.flows
            .begin(oidc, &known.metadata, next, clock::now())
            .map_err(|why| Problem::new(Code::Internal, why))
    }

    /// What came back from the provider, where it ends what this browser began. From now on that log-in is done.
    pub(crate) fn end(&self, settings: &Settings, held: Option<&str>, returned: Returned) -> Answer<Ended> {
        let oidc = settings.oidc.as_ref();
        let oidc = oidc.ok_or_else(|| refused("stanch.toml names no provider any more".to_owned()))?;
        let says_who = self
            .held(oidc)
            .is_some_and(|known| known.metadata.authorization_response_iss_parameter_supported);
        let begun = self
            .flows
            .end(oidc, held, &returned, says_who, clock::now())
            .map_err(|astray| refused(astray.to_string()))?;
        Ok(Ended { begun, returned })
    }

    /// Who it is that came back.
    pub(crate) async fn entered(&self, settings: &Settings, ended: Ended) -> Answer<Entered> {
        let Ended { begun, returned } = ended;
        let oidc = settings.oidc.as_ref();
        let oidc = oidc.ok_or_else(|| refused("stanch.toml names no provider any more".to_owned()))?;
        if !returned.error.is_empty() {
            let error = text::clean_line_to(&returned.error, 60);
            return Err(refused(format!("{} says `{error}`", oidc.name)));
        }
        let known = self.known(oidc).await?;
        let exchanged = self
            .out
            .exchange(oidc, &known.metadata, &returned.code, &begun.verifier)
            .await;
        let token = exchanged.map_err(|why| match why {
            NotExchanged::Refused(error) => {
                tracing::warn!(error, "the provider of `[oidc]` does not take what somebody came back with");
                let hint = "log in again; where it stays so, whoever runs the engine compares `client_id`, `client_secret` and `redirect` with the provider's";
                refused(format!("{} does not take the code: `{error}`", oidc.name)).hint(hint)
            }
            NotExchanged::Down(why) => unavailable(oidc, &why),
        })?;
        let wanted = Wanted {
            issuer: &oidc.issuer,
            audience: &oidc.client_id,
            nonce: Some(&begun.nonce),
        };
        let claims = self.taken(oidc, &token, &wanted).await?;
        let claimed = Claimed::of(oidc, &claims).map_err(|not_known| not_known.problem())?;
        Ok(Entered {
            claimed,
            next: begun.next,
        })
    }

    /// What a token says, where the provider made it, for this, and it is good now.
    async fn taken(&self, oidc: &Oidc, token: &str, wanted: &Wanted<'_>) -> Answer<Map<String, Value>> {
        let known = self.known(oidc).await?;
        let opened = match known.keys.opened(token) {
            // It may be signed with a key that is newer than what is known.
            Err(Unfit::UnknownKey) => {
                let known = self.look(oidc, known.at).await.unwrap_or(known);
                known.keys.opened(token)
            }
            opened => opened,
        };
        let checked = opened.and_then(|claims| check(&claims, wanted, clock::now()).map(|()| claims));
        checked.map_err(|unfit| {
            let detail = format!("the token of {} is not taken: {unfit}", oidc.name);
            Problem::new(Code::NotAuthenticated, detail).hint(format!("get a new one from {}", oidc.name))
        })
    }

    /// What is known of the provider; looked for where nothing is.
    async fn known(&self, oidc: &Oidc) -> Answer<Arc<Known>> {
        match self.held(oidc) {
            Some(known) => Ok(known),
            None => self
                .look(oidc, Timestamp(i64::MIN))
                .await
                .ok_or_else(|| unavailable(oidc, &self.down(oidc).map(|down| down.why).unwrap_or_default())),
        }
    }

    /// What is known, while it counts.
    fn held(&self, oidc: &Oidc) -> Option<Arc<Known>> {
        let known = self.known.load_full().filter(|known| known.is_of(oidc))?;
        (clock::now().since(known.at) < TRUSTED).then_some(known)
    }

    /// What is known since after this time: looked for, unless that was done just now. Where it does not answer, what was known.
    async fn look(&self, oidc: &Oidc, after: Timestamp) -> Option<Arc<Known>> {
        let mut turn = self.turn.lock().await;
        let held = self.held(oidc);
        // Somebody else may have looked meanwhile.
        if held.as_ref().is_some_and(|known| known.at > after) {
            return held;
        }
        let now = clock::now();
        if turn.issuer == oidc.issuer && turn.at.is_some_and(|at| now.since(at) < APART) {
            return held;
        }
        let looked = self.out.look(oidc).await;
        // From its end on: who waited for a slow one does not begin another.
        *turn = Turn {
            issuer: oidc.issuer.clone(),
            at: Some(clock::now()),
        };
        self.note(oidc, looked.as_ref().err());
        match looked {
            Ok(known) => {
                let known = Arc::new(known);
                self.known.store(Some(known.clone()));
                Some(known)
            }
            Err(_) => held,
        }
    }

    /// Says in the log when the provider goes and comes, and keeps why.
    fn note(&self, oidc: &Oidc, why: Option<&String>) {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        let before = down.take().filter(|down| down.issuer == oidc.issuer);
        match (why, &before) {
            (Some(why), None) => {
                tracing::error!(
                    issuer = oidc.issuer,
                    why,
                    "the provider of `[oidc]` is of no use; tokens of stanch.toml are"
                );
            }
            (None, Some(_)) => tracing::info!(issuer = oidc.issuer, "the provider of `[oidc]` answers again"),
            _ => {}
        }
        *down = why.map(|why| Down {
            issuer: oidc.issuer.clone(),
            since: before.map_or_else(clock::now, |before| before.since),
            why: why.clone(),
        });
    }

    /// Looks at the provider of now where it is time, for as long as somebody waits for this. `settings` gives those of now.
    pub(crate) async fn watch(&self, settings: impl Fn() -> Arc<Settings>, metrics: &Metrics) {
        loop {
            if let Some(oidc) = &settings().oidc {
                let due = match self.held(oidc) {
                    Some(known) => clock::now().since(known.at) >= REFRESH || self.down(oidc).is_some(),
                    None => true,
                };
                if due {
                    self.look(oidc, clock::now()).await;
                }
                metrics.provider(self.down(oidc).is_none());
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// How many keys a provider has that may sign tokens, where it can be used.
///
/// # Errors
/// In a sentence, why it cannot.
pub(crate) async fn examined(
    oidc: &Oidc,
    facilities: &Arc<Facilities>,
    secrets: &Arc<Secrets>,
) -> Result<usize, String> {
    let out = Out {
        facilities: facilities.clone(),
        secrets: secrets.clone(),
    };
    match out.look(oidc).await?.keys.usable() {
        0 => Err("it has no key that a token may be signed with: RS, PS, ES and EdDSA are".to_owned()),
        keys => Ok(keys),
    }
}

fn refused(detail: String) -> Problem {
    Problem::new(Code::NotAuthenticated, detail).hint("log in again")
}

fn unavailable(oidc: &Oidc, why: &str) -> Problem {
    Problem::new(
        Code::Unavailable,
        format!("{} cannot say who you are: {why}", oidc.name),
    )
    .hint("log in with a token that `stanch user token NAME` made, or try again in a minute")
}
