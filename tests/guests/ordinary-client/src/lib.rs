//! Asks with `wstd`, an HTTP client that knows nothing of stanch: what it sends passes the gate all the same.

#![cfg(target_arch = "wasm32")]

use stanch_plugin::prelude::*;
use wstd::http::{Body, Client, Request, Response};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// What is asked for; all at the same time.
    urls: Vec<String>,
    /// How.
    #[serde(default = "get")]
    method: String,
    /// With this body.
    #[serde(default)]
    body: String,
    /// How many to send after another, of the first, before the first answer is read; instead of all at the same time.
    #[serde(default)]
    unread: usize,
}

fn get() -> String {
    "GET".into()
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Data {
    /// Status and body of each, or the client's error.
    answers: Vec<String>,
}

struct Ordinary;

impl Diagnosis for Ordinary {
    type Params = Params;
    type Data = Data;
    const ABOUT: About = about!("Asks with an ordinary HTTP client");

    fn diagnose(_: &Context, params: Params) -> Result<Finding<Data>, Failure> {
        let answers = wstd::runtime::block_on(async {
            if let (1.., Some(url)) = (params.unread, params.urls.first()) {
                return hoard(&params, url).await;
            }
            let asked = params
                .urls
                .iter()
                .map(|url| wstd::runtime::spawn(ask(&params, url)));
            let mut answers = Vec::new();
            for answer in asked.collect::<Vec<_>>() {
                answers.push(answer.await);
            }
            answers
        });
        Ok(Finding::yes("asked").data(Data { answers }))
    }
}

/// Sends requests and reads no answer before the last was sent; then one more.
async fn hoard(params: &Params, url: &str) -> Vec<String> {
    let (mut kept, mut answers) = (Vec::new(), Vec::new());
    for _ in 0..params.unread {
        match begin(url).await {
            Ok(answer) => kept.push(answer),
            Err(error) => answers.push(format!("error: {error:?}")),
        }
    }
    let lengths = async |mut answer: Response<Body>| Ok(answer.body_mut().contents().await?.len());
    let said = |length: Result<usize, wstd::http::Error>| match length {
        Ok(length) => length.to_string(),
        Err(error) => format!("error: {error:?}"),
    };
    for answer in kept {
        answers.push(said(lengths(answer).await));
    }
    let last = async { lengths(begin(url).await?).await };
    answers.push(said(last.await));
    answers
}

async fn begin(url: &str) -> Result<Response<Body>, wstd::http::Error> {
    Client::new().send(Request::get(url).body(Body::empty())?).await
}

/// Sends one request. The future owns what it needs.
fn ask(params: &Params, url: &str) -> impl Future<Output = String> + 'static {
    let request = Request::builder()
        .method(params.method.as_str())
        .uri(url)
        .header("accept-encoding", "gzip")
        .body(Body::from(params.body.clone()));
    async move {
        let sent = async {
            let mut answer = Client::new().send(request?).await?;
            let status = answer.status().as_u16();
            let body = answer.body_mut().str_contents().await?.to_owned();
            Ok::<_, wstd::http::Error>(format!("{status} {body}"))
        };
        sent.await.unwrap_or_else(|error| format!("error: {error:?}"))
    }
}

stanch_plugin::export!(Ordinary as diagnosis);
