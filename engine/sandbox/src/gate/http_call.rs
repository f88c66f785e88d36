//! `http.send` at the gate.

use std::time::Duration;

use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, IF_MATCH};
use stanch_contract::plan::{CanonicalAction, Capability};
use stanch_contract::{ActionState, ByteSize, Failure, FailureCode, text};

use super::actions::ChangingCall;
use super::change::{Perform, Performed};
use super::entry::{HttpGrant, method};
use super::grant::Use;
use super::http_answer::{Route, filtered, of_answer, of_change_error, of_connect, of_missing, response};
use super::plan::etag;
use super::session::{LINGER, Session, Ticket, timed_out};
use super::{Asked, Layer, Phase, Refusal};
use crate::http::client::{NotSent, Outgoing, PoolKey, SendError};
use crate::http::connector::ConnectError;
use crate::http::target::HttpTarget;
use crate::http::{MOST_BODY, NoAnswer, Request, Response, content, headers, sign};
use crate::secret::Secret;
use crate::time::Until;

/// A request that may be sent, and how.
struct Prepared {
    outgoing: Outgoing,
    usage: Use,
    content: Option<String>,
    route: Route,
}

impl Session {
    /// `http.send`.
    ///
    /// # Errors
    /// `denied`, `budget`, `timeout`, `unavailable`, `conflict` or `failed`, in the contract's sense.
    pub async fn http_send(&self, request: Request) -> Result<Response, Failure> {
        self.http(request, false).await
    }

    /// As [`Session::http_send`], for what only reads: what an ordinary HTTP client of the plugin's language asks for.
    pub(crate) async fn http_read(&self, request: Request) -> Result<Response, Failure> {
        self.http(request, true).await
    }

    async fn http(&self, request: Request, reads_only: bool) -> Result<Response, Failure> {
        let ticket = self.begin(Capability::Http, &request.method, &request.url)?;
        let own = request.timeout_ms.map(|ms| Duration::from_millis(u64::from(ms)));
        let until = self.inner.parts.time.until(own);
        let prepared = self
            .prepare(ticket, request, reads_only)
            .map_err(|refusal| self.refuse(ticket, refusal))?;
        let notify = matches!(self.inner.parts.phase, Phase::Notify);
        if prepared.usage == Use::Read || notify {
            return Box::pin(self.send_now(ticket, prepared, until)).await;
        }
        let call = ChangingCall {
            capability: Capability::Http,
            verb: prepared.outgoing.method.as_str().to_owned(),
            target: prepared.outgoing.target.as_str().to_owned(),
            content: prepared.content.clone(),
            items: Vec::new(),
        };
        let perform = self.sending(prepared, until);
        Box::pin(self.change(ticket, call, until, perform))
            .await?
            .into_http()
    }

    /// Everything that is decided without looking at the plan.
    fn prepare(&self, ticket: Ticket, request: Request, reads_only: bool) -> Result<Prepared, Refusal> {
        let parts = &self.inner.parts;
        let unfit = |why: String| Refusal::new(Layer::Request, why);
        let notify = matches!(parts.phase, Phase::Notify);
        let method = method(&request.method).map_err(unfit)?;
        let target = HttpTarget::parse(&request.url).map_err(|error| unfit(error.to_string()))?;
        self.note(ticket, |call| {
            call.target = text::clean_line_to(target.as_str(), 2000)
        });
        let permit = parts.grant.http(notify, &method, &target)?;
        let changing = permit.usage == Use::Change && !notify;
        let line = permit.entry.line(parts.grant.plugin());
        if reads_only && permit.usage != Use::Read {
            return Err(unfit(format!(
                "{method} {target} is no read, and an ordinary HTTP client only reads: send it with `http.send` of the \
                 contract, whose body the plan binds"
            )));
        }
        if changing {
            self.check_phase(
                &format!("{method} {target}"),
                Some(format!("`read = [\"{method}\"]` in {line}")),
            )?;
        }
        if request.body.len() > MOST_BODY {
            return Err(Refusal::new(
                Layer::Limit,
                format!("the body is larger than {}", ByteSize(MOST_BODY as u64)),
            ));
        }
        if !request.body.is_empty() && [Method::GET, Method::HEAD, Method::OPTIONS].contains(&method) {
            return Err(unfit(format!("{method} carries no body")));
        }
        let bound = permit.entry.bound();
        let mut headers =
            headers::check(&request.headers, &bound, changing, request.body.len()).map_err(unfit)?;
        let (mut body, mut planned) = (request.body, None);
        if changing {
            let kind = headers.remove(CONTENT_TYPE);
            let kind = kind.as_ref().and_then(|kind| kind.to_str().ok());
            let canonical = content::of_call(&method, kind, body).map_err(unfit)?;
            if let Some(kind) = canonical
                .content_type
                .as_deref()
                .and_then(|kind| HeaderValue::from_str(kind).ok())
            {
                headers.insert(CONTENT_TYPE, kind);
            }
            (body, planned) = (canonical.body, canonical.text);
        }
        if !body.is_empty() {
            let digest = self.keep(&body);
            self.note(ticket, |call| call.request = Some(digest));
        }
        let body = self.bind(permit.entry, &mut headers, body)?;
        let route = Route {
            key: PoolKey(parts.grant.plugin().clone(), permit.digest),
            policy: permit.addresses,
            max_response: permit.max_response,
            bound,
            line,
        };
        Ok(Prepared {
            outgoing: Outgoing {
                method,
                target,
                headers,
                body,
            },
            usage: permit.usage,
            content: planned,
            route,
        })
    }

    /// Adds what the grant binds: credentials and the signature. Gives the body as it is sent.
    fn bind(&self, entry: &HttpGrant, headers: &mut HeaderMap, body: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        let parts = &self.inner.parts;
        let missing = |error: crate::secret::MissingSecret| {
            Refusal::new(Layer::Grant, error.to_string()).hint(format!("`{}` in [secrets]", error.0))
        };
        for (name, template) in &entry.headers {
            let value = template
                .fill(parts.facilities.secrets.as_ref())
                .map_err(missing)?;
            let mut value = HeaderValue::from_bytes(value.expose()).map_err(|_| {
                Refusal::new(
                    Layer::Grant,
                    format!("the value of the header `{name}` cannot be sent"),
                )
            })?;
            value.set_sensitive(true);
            headers.insert(name.clone(), value);
        }
        let mut added = Vec::with_capacity(entry.members.len());
        for (name, template) in &entry.members {
            let value = template
                .fill(parts.facilities.secrets.as_ref())
                .map_err(missing)?;
            added.push((name.as_str(), value));
        }
        let body = with_members(body, &added).map_err(|why| Refusal::new(Layer::Request, why))?;
        if let Some((name, template)) = &entry.sign {
            let key = template
                .fill(parts.facilities.secrets.as_ref())
                .map_err(missing)?;
            let value = sign::signature(&key, parts.time.now(), &body);
            let value = HeaderValue::from_str(&value)
                .map_err(|_| Refusal::new(Layer::Grant, "the signature cannot be sent".to_owned()))?;
            headers.insert(name.clone(), value);
        }
        Ok(body)
    }

    /// A read, or a notification: sent without being planned.
    async fn send_now(&self, ticket: Ticket, prepared: Prepared, until: Until) -> Result<Response, Failure> {
        let Prepared {
            outgoing,
            usage,
            route,
            ..
        } = prepared;
        let clients = &self.inner.parts.facilities.http;
        let what = format!("{} {}", outgoing.method, outgoing.target);
        let (key, policy, most) = (&route.key, &route.policy, route.max_response);
        let asked = self
            .inner
            .parts
            .facilities
            .tape
            .as_ref()
            .map(|_| outgoing.clone());
        let sent = match usage {
            Use::Read => clients.read(key, policy, outgoing, most, until).await,
            Use::Change => {
                clients
                    .change(key, policy, outgoing, most, until, Duration::ZERO)
                    .await
            }
        };
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) => {
                if let (Some(asked), Some(why)) = (&asked, no_answer(&error)) {
                    self.taped(asked, Err(why));
                }
                return Err(self.of_error(ticket, &what, &route, error));
            }
        };
        // A notification was delivered when its status came; a read is worth as much as its body.
        if usage == Use::Read
            && let Some(missing) = &answer.missing
        {
            let failure = of_missing(&what, missing, &route);
            return Err(self.fail(ticket, failure));
        }
        let response = response(answer, &route.bound, &self.redactor());
        self.answered(ticket, &response.status.to_string(), Some(&response.body));
        if let Some(asked) = &asked {
            self.taped(asked, Ok(&response));
        }
        Ok(response)
    }

    /// For who makes a test of it, secrets removed.
    fn taped(&self, asked: &Outgoing, came: Result<&Response, NoAnswer>) {
        let Some(tape) = self.tape() else { return };
        let redactor = self.redactor();
        let body = redactor.bytes(asked.body.clone());
        let asked = Asked {
            method: asked.method.as_str(),
            url: &redactor.text(asked.target.as_str().to_owned()),
            body: &body,
        };
        tape.http(asked, came);
    }

    fn of_error(&self, ticket: Ticket, what: &str, route: &Route, error: SendError) -> Failure {
        match error {
            SendError::NotSent(NotSent::Connect(error @ ConnectError::Filtered { .. })) => {
                self.refuse(ticket, filtered(what, route, &error))
            }
            SendError::NotSent(NotSent::Connect(error)) => self.fail(ticket, of_connect(what, &error)),
            SendError::NotSent(NotSent::TooLate) => self.fail(ticket, timed_out(what)),
            SendError::NotSent(NotSent::Closed(why)) => self.fail(
                ticket,
                Failure::new(FailureCode::Unavailable, format!("{what}: {why}")),
            ),
            SendError::Lost { code, why } => self.fail(ticket, Failure::new(code, format!("{what}: {why}"))),
        }
    }

    /// The sending of a change, for [`Session::change`].
    fn sending(&self, prepared: Prepared, until: Until) -> Perform {
        let session = self.clone();
        Box::new(move |turn| Box::pin(async move { session.send_change(prepared, turn.action, until).await }))
    }

    async fn send_change(&self, prepared: Prepared, action: CanonicalAction, until: Until) -> Performed {
        let Prepared {
            mut outgoing, route, ..
        } = prepared;
        let what = format!("{} {}", outgoing.method, outgoing.target);
        if let Some(expect) = &action.expect {
            match etag(expect).ok().and_then(|tag| HeaderValue::from_str(tag).ok()) {
                Some(tag) => outgoing.headers.insert(IF_MATCH, tag),
                None => {
                    let failure =
                        Failure::new(FailureCode::Denied, format!("{what}: `{expect}` cannot be sent"));
                    return Performed::failed(ActionState::NotSent, failure);
                }
            };
        }
        let clients = &self.inner.parts.facilities.http;
        let sent = clients
            .change(
                &route.key,
                &route.policy,
                outgoing,
                route.max_response,
                until,
                LINGER,
            )
            .await;
        let redactor = self.redactor();
        match sent {
            Ok(answer) => of_answer(&what, answer, &action, &route, &redactor),
            Err(error) => of_change_error(&what, &route, error, &redactor),
        }
    }
}

/// Why there was no answer, where it was not the gate that refused.
fn no_answer(error: &SendError) -> Option<NoAnswer> {
    Some(match error {
        SendError::NotSent(NotSent::Connect(ConnectError::Filtered { .. })) => return None,
        SendError::NotSent(NotSent::Connect(ConnectError::Unresolved { why, .. })) => {
            NoAnswer::Unresolved(why.clone())
        }
        SendError::NotSent(NotSent::Connect(other)) => NoAnswer::Refused(other.to_string()),
        SendError::NotSent(NotSent::Closed(why)) => NoAnswer::Refused(why.clone()),
        SendError::NotSent(NotSent::TooLate) => NoAnswer::TimedOut,
        SendError::Lost { code, .. } if *code == FailureCode::Timeout => NoAnswer::TimedOut,
        SendError::Lost { why, .. } => NoAnswer::Lost(why.clone()),
    })
}

/// The JSON object that a plugin sends, with the members that its grant adds. A plugin cannot set one of them itself.
fn with_members(body: Vec<u8>, added: &[(&str, Secret)]) -> Result<Vec<u8>, String> {
    if added.is_empty() {
        return Ok(body);
    }
    let mut object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&body)
        .map_err(|_| "the body is no JSON object, and the grant adds members to it".to_owned())?;
    for (name, value) in added {
        let value = std::str::from_utf8(value.expose())
            .map_err(|_| format!("the value of the member `{name}` is not text"))?;
        if object.insert((*name).to_owned(), value.into()).is_some() {
            return Err(format!("the member `{name}` is set by the grant"));
        }
    }
    serde_json::to_vec(&object).map_err(|error| error.to_string())
}
