//! `[[http]]`.

use std::net::IpAddr;

use serde_json::Value;
use stanch_contract::Span;

use super::{Body, Exchange, NoAnswer, ServerAnswer, at, moment};
use crate::load::fields::{self, Fields};
use crate::load::node::{Data, Node};
use crate::problem::Problems;

pub(super) fn exchange(node: &Node<'_>, problems: &mut Problems<'_>) -> Option<Exchange> {
    let mut fields = Fields::of(node, "an answer of a server", problems)?;
    let at = at(&mut fields, problems);
    let since = fields.text("since", problems).map(|got| {
        if !got.value.contains(' ') {
            let help = "write its method and its URL, as in `PUT https://api.example/*`".to_owned();
            let message = format!("`{}` is not a request", got.value);
            problems.add(&got.at, message, "method or URL?", help);
        }
        got.value.to_owned()
    });
    let method = fields
        .text("method", problems)
        .map_or("GET".to_owned(), |got| got.value.to_owned());
    let url = fields.needed_text("url", "url = \"https://api.example/*\"", problems);
    let sent = fields.node("sent").map(|node| match &node.data {
        Data::Text(text) => Value::String(text.clone().into_owned()),
        _ => node.to_json(problems),
    });
    let times = fields.count("times", 1, 1_000_000, problems).map(|got| got.value);
    let after = fields
        .parsed::<Span>("after", problems)
        .map_or(Span::ZERO, |got| got.value);
    let address = fields.text("address", problems).and_then(|got| {
        let parsed: Result<IpAddr, _> = got.value.parse();
        if parsed.is_err() {
            let help = "write one address, as in `10.2.0.7`".to_owned();
            let message = format!("`{}` is not an address", got.value);
            problems.add(&got.at, message, "no address", help);
        }
        parsed.ok()
    });
    let answer = answer(&mut fields, problems);
    fields.finish(problems);
    Some(Exchange {
        at,
        since,
        method,
        url: url?.value.to_owned(),
        sent,
        times,
        after,
        address,
        answer,
    })
}

fn answer(fields: &mut Fields<'_, '_>, problems: &mut Problems<'_>) -> ServerAnswer {
    let words = [
        ("refused", NoAnswer::Refused),
        ("unknown-host", NoAnswer::UnknownHost),
        ("timeout", NoAnswer::Timeout),
        ("lost", NoAnswer::Lost),
    ];
    let error = fields.word("error", &words, problems);
    let status = fields.count("status", 100, 599, problems);
    let headers = headers(fields, problems);
    let text = fields.node("body");
    let json = fields.node("json");
    let answered = [
        status.as_ref().map(|got| &got.at),
        text.or(json).map(|node| &node.at),
    ];
    if let (Some(error), Some(at)) = (&error, answered.into_iter().flatten().next()) {
        let message = "an answer is an `error`, or has `status` and a body";
        problems.add(&error.at, message, "no answer", None);
        problems.add(at, message, "an answer", None);
    }
    if let (Some(_), Some(json)) = (text, json) {
        let message = "a body is `body` or `json`, not both";
        problems.add(&json.at, message, "besides `body`", None);
    }
    if let Some(error) = error {
        return ServerAnswer::Not(error.value);
    }
    ServerAnswer::Response {
        status: status
            .and_then(|got| u16::try_from(got.value).ok())
            .unwrap_or(200),
        headers,
        body: body(text, json, problems),
    }
}

fn body(text: Option<&Node<'_>>, json: Option<&Node<'_>>, problems: &mut Problems<'_>) -> Body {
    let (body, at) = match (text, json) {
        (Some(node), _) => match &node.data {
            Data::Text(text) => (Body::Text(text.clone().into_owned()), &node.at),
            _ => {
                fields::wrong_type::<()>(node, "`body`", "text; write `json` for JSON", problems);
                return Body::Text(String::new());
            }
        },
        (None, Some(node)) => (Body::Json(node.to_json(problems)), &node.at),
        (None, None) => return Body::Text(String::new()),
    };
    let checked = match &body {
        Body::Text(text) => moment::check(text),
        Body::Json(value) => moment::check_json(value),
    };
    if let Err(why) = checked {
        problems.add(at, why, "in here", None);
    }
    body
}

fn headers(fields: &mut Fields<'_, '_>, problems: &mut Problems<'_>) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    let Some(node) = fields.node("headers") else {
        return headers;
    };
    let Data::Table(table) = &node.data else {
        fields::wrong_type::<()>(node, "`headers`", "a table of texts", problems);
        return headers;
    };
    for entry in &table.entries {
        let Some(value) = fields::text(&entry.node, &entry.key, problems) else {
            continue;
        };
        if let Err(why) = moment::check(value.value) {
            problems.add(&value.at, why, "in here", None);
        }
        let is_name = !entry.key.is_empty()
            && entry
                .key
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !is_name {
            let message = format!("`{}` is not the name of a header", entry.key);
            problems.add(&entry.key_at, message, "no name", None);
        }
        headers.push((entry.key.to_ascii_lowercase(), value.value.to_owned()));
    }
    headers
}
