//! `http-call`: sends one request that the runbook writes down, and waits until what it started is done.
//!
//! It starts what a team already has: a job of Rundeck, a template of AWX, a workflow. The runbook says which answers are good, and,
//! where the answer only says that something was begun, where to ask for its state. It is asked by `verify`, so that a run that is
//! interrupted goes on waiting and starts nothing twice.
//!
//! What a second request would do nobody but the service knows. So no request is repeated by itself when its answer is lost, and
//! what is undone about it is another step.

use stanch_plugin::http::{Request, Response};
use stanch_plugin::prelude::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// `POST`, `PUT`, `PATCH` or `DELETE`.
    #[serde(default = "post")]
    #[schemars(regex(pattern = "^(POST|PUT|PATCH|DELETE)$"))]
    method: String,
    /// Where to.
    url: Url,
    /// What is sent, as JSON.
    body: Option<Value>,
    /// Which answers are good, of those between 200 and 299; all of them where none is named.
    #[serde(default)]
    expect: Vec<u16>,
    /// How to find out that what was started is done.
    done: Option<Done>,
}

fn post() -> String {
    "POST".to_owned()
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Done {
    /// Where its state is, read with `GET`; `{id}` is what `id` says.
    #[schemars(length(min = 1))]
    url: String,
    /// Where the answer to the request has the id of what was started, as a JSON pointer.
    id: Option<String>,
    /// Where its state is in the document, as a JSON pointer.
    #[schemars(length(min = 1))]
    state: String,
    /// What it says of one that ended well.
    #[serde(rename = "is")]
    #[schemars(length(min = 1))]
    well: Vec<String>,
    /// What it says of one that ended badly.
    #[serde(default)]
    failed: Vec<String>,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Data {
    /// The status of the answer.
    status: Option<u16>,
    /// The id of what was started.
    id: Option<String>,
    /// Its state, once it was asked for.
    state: Option<String>,
}

struct HttpCall;

impl Remediation for HttpCall {
    type Params = Params;
    type Data = Data;
    // Neither `idempotent`, which only the service could keep, nor `reversible`.
    const ABOUT: About =
        about!("Sends a request, and waits until what it started is done; cannot be undone").verifies();

    fn asks() -> Value {
        json!({ "http": [
            { "url": "https://rundeck.example/api/14/job/*/run", "change": ["POST"] },
            { "url": "https://rundeck.example/api/14/execution/*", "read": ["GET"] },
        ] })
    }

    fn plan(_: &Context, params: &Params) -> Result<Plan<Data>, Failure> {
        if let Some(done) = &params.done
            && done.url.contains("{id}") != done.id.is_some()
        {
            let why = "`done.url` has `{id}` exactly where `done.id` says what that is";
            return Err(Failure::invalid_params(why));
        }
        if let Some(odd) = params.expect.iter().find(|status| !(200..300).contains(*status)) {
            let why = format!(
                "`expect` has {odd}: only an answer between 200 and 299 says that something was done"
            );
            return Err(Failure::invalid_params(why));
        }
        let request = Request::new(&params.method, &params.url);
        let request = match &params.body {
            Some(body) => request.json(body)?,
            None => request,
        };
        let waits = match &params.done {
            Some(_) => ", and wait until what it starts is done",
            None => "",
        };
        let summary = format!(
            "Send {} {}{waits}. It is not known how to undo this.",
            params.method, params.url
        );
        Ok(Plan::new(summary).action(Action::send(request)))
    }

    fn apply(ctx: &Context, params: &Params, plan: &Plan<Data>) -> Result<Outcome<Data>, Failure> {
        let answers = carry_out(ctx, plan)?;
        let Some(Answer::Sent { what, response }) = answers.first() else {
            return Err(Failure::failed("the plan has no request"));
        };
        let status = response.status;
        if !params.expect.is_empty() && !params.expect.contains(&status) {
            return Err(Failure::failed(format!(
                "{what} answered {status}, which is none that the runbook expects"
            )));
        }
        let id = match params.done.as_ref().and_then(|done| done.id.as_ref()) {
            Some(pointer) => Some(id_in(response, pointer).context(what)?),
            None => None,
        };
        let said = match &id {
            Some(id) => format!("{what} answered {status} and started `{id}`"),
            None => format!("{what} answered {status}"),
        };
        let data = Data {
            status: Some(status),
            id,
            state: None,
        };
        Ok(Outcome::new(said).data(data))
    }

    fn verify(_: &Context, params: &Params, made: &Attempt<Data>) -> Result<Finding<Data>, Failure> {
        let data = made.outcome.as_ref().and_then(|outcome| outcome.data.clone());
        let Some(done) = &params.done else {
            return Ok(match data {
                Some(data) => Finding::yes("The answer was one that the runbook expects").data(data),
                None => Finding::unknown("There was no answer, and the runbook does not say where to ask"),
            });
        };
        let mut data = data.unwrap_or_default();
        if done.id.is_some() && data.id.is_none() {
            return Ok(Finding::unknown(
                "There was no answer, so it is not known whether something was started, and which",
            ));
        }
        let url = match &data.id {
            Some(id) => done.url.replace("{id}", &http::encode(id)),
            None => done.url.clone(),
        };
        let answer = http::get(&url).send().and_then(Response::ok).context(&url)?;
        let document: Value = answer.json().context(&url)?;
        let Some(state) = document.pointer(&done.state) else {
            return Ok(Finding::unknown(format!("`{url}` answers without `{}`", done.state)).data(data));
        };
        let state = word(state);
        data.state = Some(state.clone());
        let summary = format!(
            "`{url}` says `{}`",
            stanch_plugin::text::clean_line_to(&state, 80)
        );
        Ok(if done.well.contains(&state) {
            Finding::yes(summary)
        } else if done.failed.contains(&state) {
            Finding::no(format!("It ended badly: {summary}"))
        } else {
            Finding::no(format!("It is not done: {summary}"))
        }
        .data(data))
    }
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What the answer calls what it started. It is from outside and becomes one segment of a path.
fn id_in(response: &Response, pointer: &str) -> Result<String, Failure> {
    let document: Value = response.json()?;
    let id = document
        .pointer(pointer)
        .filter(|id| id.is_string() || id.is_number())
        .map(word);
    let id = id.context(format!("the answer has no id at `{pointer}`"))?;
    if id.len() > 200 || !http::is_segment(&id) {
        let why = format!(
            "The id `{}` is no name of one thing",
            stanch_plugin::text::clean_line_to(&id, 80)
        );
        return Err(Failure::failed(why));
    }
    Ok(id)
}

stanch_plugin::export!(HttpCall as remediation);

#[cfg(test)]
mod tests;
