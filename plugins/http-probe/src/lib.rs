//! `http-probe`: does a URL answer as it should?
//!
//! A probe is about the way to the server, too: a refused connection, a timeout and a wrong answer are a no. What keeps the
//! probe itself from looking (the gate refuses, an answer over the size limit) is unknown.

use regex_lite::Regex as Pattern;
use stanch_plugin::prelude::*;

/// One or several.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

/// A status (`204`) or a class (`"2xx"`).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Status {
    Number(#[schemars(range(min = 100, max = 599))] u16),
    Class(#[schemars(regex(pattern = "^([1-5]xx|[1-5][0-9]{2})$"))] String),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// What to ask.
    url: Url,
    /// What the status must be: a number, a class such as "2xx", or a list of them.
    #[serde(default = "success")]
    status: OneOrMany<Status>,
    /// The longest that an answer may take.
    within: Option<Span>,
    /// What the body must contain somewhere, as a regular expression.
    body: Option<Regex>,
    /// GET or HEAD.
    #[serde(default)]
    method: Method,
    /// How often to ask.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 20))]
    tries: u32,
    /// How many of the tries must pass; all, where it is not said.
    #[schemars(range(min = 1, max = 20))]
    passes: Option<u32>,
    /// How long to wait between tries.
    #[serde(default = "second")]
    every: Span,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Method {
    #[default]
    Get,
    Head,
}

fn success() -> OneOrMany<Status> {
    OneOrMany::One(Status::Class("2xx".into()))
}

fn three() -> u32 {
    3
}

fn second() -> Span {
    Span::from_millis(1000)
}

/// What the tries came to.
#[derive(Default, Serialize, JsonSchema)]
struct Data {
    /// How many tries were made.
    tries: u32,
    /// How many passed.
    passed: u32,
    /// The last status; none where nothing answered.
    status: Option<u16>,
    /// The slowest answer, in milliseconds.
    slowest_ms: Option<i64>,
}

struct HttpProbe;

impl Diagnosis for HttpProbe {
    type Params = Params;
    type Data = Data;
    const ABOUT: About = about!("Asks a URL several times and judges status, time and body");

    fn asks() -> Value {
        json!({ "http": [{ "url": "https://shop.example/health", "read": ["GET", "HEAD"] }] })
    }

    fn diagnose(_: &Context, params: Params) -> Result<Finding<Data>, Failure> {
        let need = params.passes.unwrap_or(params.tries);
        if params.tries == 0 || need == 0 || need > params.tries {
            let message = format!(
                "`passes` is {need}, and must be from 1 to `tries`, which is {}",
                params.tries
            );
            return Err(Failure::invalid_params(message));
        }
        let body = params.body.as_deref().map(Pattern::new).transpose();
        let body = body.map_err(|error| {
            Failure::invalid_params(format!("`body` is not a regular expression: {error}"))
        })?;
        let mut data = Data::default();
        let mut times = Vec::new();
        let mut wrong = None;
        let mut evidence = Vec::new();
        for index in 0..params.tries {
            // Another try that could not end in time would turn a no into a timeout.
            if index > 0 && (host::is_cancelled() || host::remaining() < params.every.to_std() * 2) {
                break;
            }
            if index > 0 {
                host::sleep(params.every.to_std());
            }
            let started = host::now();
            data.tries += 1;
            match ask(&params, body.as_ref()) {
                Ok(Seen { status, wrong: None }) => {
                    data.status = Some(status);
                    data.passed += 1;
                    evidence.push(Evidence::value(format!("Try {}", data.tries), status));
                }
                Ok(Seen {
                    status,
                    wrong: Some(why),
                }) => {
                    data.status = Some(status);
                    evidence.push(Evidence::value(format!("Try {}", data.tries), &why));
                    wrong = Some(why);
                }
                Err(failure) if matches!(failure.code, FailureCode::Unavailable | FailureCode::Timeout) => {
                    evidence.push(Evidence::value(format!("Try {}", data.tries), &failure.message));
                    wrong = Some(failure.message);
                }
                Err(failure) => {
                    let summary = format!("`{}` could not be probed: {}", params.url, failure.message);
                    return Ok(Finding::unknown(summary).data(data));
                }
            }
            let took = host::now().since(started).as_millis();
            data.slowest_ms = data.slowest_ms.max(Some(took));
            times.push((started.0, took as f64));
            if data.passed >= need || data.passed + (params.tries - data.tries) < need {
                break;
            }
        }
        Ok(finding(&params, data, need, wrong, evidence, times))
    }
}

fn finding(
    params: &Params,
    data: Data,
    need: u32,
    wrong: Option<String>,
    evidence: Vec<Evidence>,
    times: Vec<(i64, f64)>,
) -> Finding<Data> {
    let Data { tries, passed, .. } = data;
    let verdict = if passed >= need {
        Verdict::Yes
    } else if passed + (params.tries - tries) < need {
        Verdict::No
    } else {
        Verdict::Unknown
    };
    let summary = match (verdict, wrong) {
        (Verdict::Yes, _) => format!(
            "`{}` answers as it should ({passed} of {tries} tries)",
            params.url
        ),
        (Verdict::Unknown, _) => format!(
            "Time was over after {tries} of {} tries of `{}`",
            params.tries, params.url
        ),
        (Verdict::No, why) => {
            format!(
                "`{}` passed {passed} of {tries} tries: {}",
                params.url,
                why.unwrap_or_default()
            )
        }
    };
    let curve = Evidence::curve("Time to answer", times)
        .unit("ms")
        .link(params.url.as_ref());
    Finding::new(verdict, summary)
        .evidences(evidence)
        .evidence(curve)
        .data(data)
}

/// The status that came, and what is wrong with the answer.
struct Seen {
    status: u16,
    wrong: Option<String>,
}

fn ask(params: &Params, body: Option<&Pattern>) -> Result<Seen, Failure> {
    let mut request = match params.method {
        Method::Get => http::get(&params.url),
        Method::Head => http::head(&params.url),
    };
    if let Some(within) = params.within {
        request = request.timeout(within.to_std());
    }
    let started = host::now();
    let answer = request.send()?;
    let took = host::now().since(started);
    let status = answer.status;
    let wrong = if !params.status.matches(status) {
        Some(format!("answered {status}"))
    } else if let Some(within) = params.within.filter(|within| took > within.0) {
        Some(format!("took {took}, more than {within}"))
    } else {
        body.filter(|body| !body.is_match(&answer.text()))
            .map(|body| format!("the body does not contain `{body}`"))
    };
    Ok(Seen { status, wrong })
}

impl OneOrMany<Status> {
    fn matches(&self, status: u16) -> bool {
        match self {
            Self::One(one) => one.matches(status),
            Self::Many(many) => many.iter().any(|one| one.matches(status)),
        }
    }
}

impl Status {
    fn matches(&self, status: u16) -> bool {
        match self {
            Self::Number(number) => *number == status,
            Self::Class(class) => match class.strip_suffix("xx") {
                Some(hundreds) => hundreds.parse() == Ok(status / 100),
                None => class.parse() == Ok(status),
            },
        }
    }
}

stanch_plugin::export!(HttpProbe as diagnosis);

#[cfg(test)]
mod tests;
