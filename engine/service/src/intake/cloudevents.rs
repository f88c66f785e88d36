//! CloudEvents 1.0 over HTTP: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>.
//!
//! The content type says how an event comes: whole in a JSON body (structured), several in a list (batched), or its data as the
//! body and the rest in headers (binary). All three become the same object: the attributes and `data`. What an event means,
//! the intake's mapping says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use serde_json::{Map, Value};
use stanch_contract::{Timestamp, text};

use super::form::{self, Malformed, Unreadable};

/// What the names of an event's attributes begin with among headers.
const PREFIX: &str = "ce-";
/// What an event has to have, besides its version.
const NEEDED: [&str; 3] = ["id", "source", "type"];

/// The events of a request.
///
/// # Errors
/// Where it is of another type, or says something that no event may say, with what and where.
pub(super) fn of_request(headers: &HeaderMap, body: &[u8]) -> Result<Vec<Value>, Unreadable> {
    let kind = form::content_type(headers)?;
    match kind.as_deref() {
        Some("application/cloudevents+json" | "application/cloudevents-batch+json") => Ok(of_text(body)?),
        Some(other) if other.starts_with("application/cloudevents") => Err(Unreadable::kind(format!(
            "events come as `application/cloudevents+json`, not as `{other}`"
        ))),
        kind if headers.contains_key("ce-specversion") => Ok(vec![binary(headers, kind, body)?]),
        _ => Err(Unreadable::kind(
            "this is no CloudEvent: neither the type `application/cloudevents+json` nor a header `ce-specversion`",
        )),
    }
}

/// The events of a JSON text: one, or a list of them.
///
/// # Errors
/// Where something in it is none.
pub(super) fn of_text(body: &[u8]) -> Result<Vec<Value>, Malformed> {
    match form::json(body)? {
        Value::Array(events) => events
            .into_iter()
            .enumerate()
            .map(|(index, event)| structured(event, &format!("[{index}]")))
            .collect(),
        event => Ok(vec![structured(event, "")?]),
    }
}

/// An event in JSON: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>.
fn structured(event: Value, at: &str) -> Result<Value, Malformed> {
    let within = |member: &str| match at {
        "" => member.to_owned(),
        at => format!("{at}.{member}"),
    };
    let Value::Object(mut event) = event else {
        return Err(Malformed::new(at, "an event has to be an object"));
    };
    // An attribute that is null is one that is not there; data may be null.
    event.retain(|name, value| name == "data" || !value.is_null());
    if let Some(encoded) = event.get("data_base64") {
        if event.contains_key("data") {
            let why = "an event has `data` or `data_base64`, not both";
            return Err(Malformed::new(within("data_base64"), why));
        }
        let bytes = encoded.as_str().and_then(|encoded| STANDARD.decode(encoded).ok());
        let bytes = bytes.ok_or_else(|| Malformed::new(within("data_base64"), "this is not base64"))?;
        let kind = event.get("datacontenttype").and_then(Value::as_str);
        let kind = kind.map(form::essence);
        if let Some(data) = data(kind.as_deref(), &bytes).map_err(|m| m.under(&within("data_base64")))? {
            event.remove("data_base64");
            event.insert("data".to_owned(), data);
        }
    }
    checked(event, within)
}

/// An event whose data is the body.
fn binary(headers: &HeaderMap, kind: Option<&str>, body: &[u8]) -> Result<Value, Unreadable> {
    let mut event = Map::new();
    for name in headers.keys() {
        let Some(attribute) = name.as_str().strip_prefix(PREFIX) else {
            continue;
        };
        let mut values = headers.get_all(name).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(Malformed::new(name.as_str(), "the header is there twice").into());
        };
        let value = value.to_str().ok().and_then(decoded);
        let value = value.ok_or_else(|| {
            Malformed::new(
                name.as_str(),
                "the value is not percent-encoded text as CloudEvents has it",
            )
        })?;
        event.insert(attribute.to_owned(), Value::String(value));
    }
    if let Some(written) = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    {
        event.insert("datacontenttype".to_owned(), Value::from(written));
    } else if !body.is_empty() {
        return Err(Unreadable::kind(
            "say with `Content-Type` what the event's data is",
        ));
    }
    if !body.is_empty() {
        match data(kind, body)? {
            Some(data) => event.insert("data".to_owned(), data),
            None => event.insert("data_base64".to_owned(), Value::String(STANDARD.encode(body))),
        };
    }
    Ok(checked(event, |member| format!("{PREFIX}{member}"))?)
}

/// Data of this type: JSON as what it says, other text as text; nothing where it is neither.
fn data(kind: Option<&str>, bytes: &[u8]) -> Result<Option<Value>, Malformed> {
    match kind {
        Some(kind) if form::is_json(kind) => form::json(bytes).map(Some),
        Some(kind) if kind.starts_with("text/") || kind == "application/xml" || kind.ends_with("+xml") => {
            form::text_of(bytes).map(|text| Some(Value::from(text)))
        }
        _ => Ok(None),
    }
}

/// Whether it has what every event has.
fn checked(mut event: Map<String, Value>, at: impl Fn(&str) -> String) -> Result<Value, Malformed> {
    match event.get("specversion").and_then(Value::as_str) {
        Some("1.0") => {}
        Some(other) => {
            let other = text::clean_line_to(other, 20);
            let why = format!("version `{other}` is not understood: `1.0` is");
            return Err(Malformed::new(at("specversion"), why));
        }
        None => {
            let why = "there is no `specversion`: this is not a CloudEvent";
            return Err(Malformed::new(at("specversion"), why));
        }
    }
    for name in NEEDED {
        match event.get(name) {
            Some(Value::String(text)) if !text.is_empty() => {}
            _ => return Err(Malformed::new(at(name), format!("`{name}` has to be text"))),
        }
    }
    if let Some(time) = event.get("time")
        && time.as_str().and_then(Timestamp::parse_rfc3339).is_none()
    {
        let why = "`time` has to be a time as RFC 3339 writes it";
        return Err(Malformed::new(at("time"), why));
    }
    form::clean_members(&mut event);
    Ok(Value::Object(event))
}

/// A header's value: quotes taken off (older senders), then percent-decoded once. What is not UTF-8 then is nothing.
fn decoded(value: &str) -> Option<String> {
    let inner = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .map(unescaped);
    let value = inner.as_deref().unwrap_or(value);
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// Without the backslashes of a quoted string.
fn unescaped(quoted: &str) -> String {
    let mut text = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.extend(chars.next()),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_headers_value_is_unquoted_and_decoded_once_and_only_where_it_is_utf8() {
        // The example of the specification, 3.1.3.2.
        assert_eq!(
            decoded("Euro%20%E2%82%AC%20%F0%9F%98%80").as_deref(),
            Some("Euro \u{20ac} \u{1f600}")
        );
        for (value, expected) in [
            ("/mycontext", Some("/mycontext")),
            ("%2fa", Some("/a")),
            ("%252F", Some("%2F")),
            (r#""a \"b\"""#, Some(r#"a "b""#)),
            (r#""%41""#, Some("A")),
            ("%C0%A0", None),
            ("100%", None),
            ("%4", None),
            ("%zz", None),
        ] {
            assert_eq!(decoded(value).as_deref(), expected, "{value}");
        }
    }
}
