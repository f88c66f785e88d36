//! The content of a request in canonical form, as a plan names it and as a call sends it.
//!
//! `{"body":…,"contentType":…}`: of a JSON content type the body is the JSON value, and its canonical bytes are what is sent,
//! so that two writings of one value are one content; of any other type it is `"sha256:…"` of the bytes. No body at all is
//! `{}`. Which of the two a string is follows from the content type alone.

use http::Method;
use serde_json::{Map, Value, json};
use stanch_contract::{Digest, canonical};

/// The content of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// As a plan's action has it; `None` where there is no body and the method needs none.
    pub text: Option<String>,
    /// The content type that is sent.
    pub content_type: Option<String>,
    /// The bytes that are sent.
    pub body: Vec<u8>,
}

/// Whether a plan has to name the content for this method.
pub fn is_required(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(method)
}

/// The content of a changing call.
///
/// # Errors
/// A sentence that says what would be right.
pub fn of_call(method: &Method, content_type: Option<&str>, body: Vec<u8>) -> Result<Content, String> {
    if body.is_empty() {
        let text = is_required(method).then(|| "{}".to_owned());
        return Ok(Content {
            text,
            content_type: None,
            body,
        });
    }
    let content_type = content_type.map(normal_type).transpose()?;
    let (value, body) = match &content_type {
        Some(kind) if is_json(kind) => {
            let value: Value = serde_json::from_slice(&body)
                .map_err(|error| format!("the body is not JSON, as its content type says: {error}"))?;
            let bytes = canonical::to_string(&value).into_bytes();
            (value, bytes)
        }
        _ => (Value::from(format!("sha256:{}", Digest::of(&body))), body),
    };
    Ok(Content {
        text: Some(text_of(content_type.as_deref(), value)),
        content_type,
        body,
    })
}

/// The content of a planned action in canonical form.
///
/// # Errors
/// A sentence that says what would be right.
pub fn of_plan(method: &Method, text: Option<&str>) -> Result<Option<String>, String> {
    const FORM: &str = "write {\"contentType\":\"application/json\",\"body\":…}, with \"sha256:…\" as body where it is not JSON";
    let Some(text) = text else {
        if is_required(method) {
            return Err(format!(
                "{method} needs its content in the plan: {FORM}, or {{}} where there is no body"
            ));
        }
        return Ok(None);
    };
    let value: Value =
        serde_json::from_str(text).map_err(|error| format!("the content is not JSON ({error}): {FORM}"))?;
    let Value::Object(mut members) = value else {
        return Err(format!("the content is not an object: {FORM}"));
    };
    if members.is_empty() {
        return Ok(is_required(method).then(|| "{}".to_owned()));
    }
    let body = members
        .remove("body")
        .ok_or_else(|| format!("the content has no body: {FORM}, or {{}}"))?;
    let content_type = match members.remove("contentType") {
        None => None,
        Some(Value::String(kind)) => Some(normal_type(&kind)?),
        Some(_) => return Err(format!("contentType is not a string: {FORM}")),
    };
    if let Some(name) = members.keys().next() {
        return Err(format!("the content has a member `{name}`: {FORM}"));
    }
    if !content_type.as_deref().is_some_and(is_json) {
        let digest = body
            .as_str()
            .and_then(|body| body.strip_prefix("sha256:"))
            .and_then(|hex| hex.parse::<Digest>().ok());
        let digest =
            digest.ok_or_else(|| format!("the body is not of a JSON type and not \"sha256:…\": {FORM}"))?;
        return Ok(Some(text_of(
            content_type.as_deref(),
            Value::from(format!("sha256:{digest}")),
        )));
    }
    Ok(Some(text_of(content_type.as_deref(), body)))
}

fn text_of(content_type: Option<&str>, body: Value) -> String {
    let mut members = Map::new();
    if let Some(kind) = content_type {
        members.insert("contentType".to_owned(), json!(kind));
    }
    members.insert("body".to_owned(), body);
    canonical::to_string(&Value::Object(members))
}

fn is_json(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or_default();
    essence == "application/json" || essence.ends_with("+json")
}

/// Type and subtype in lower case, parameters as `;name=value`; of JSON, which is always UTF-8, none.
fn normal_type(text: &str) -> Result<String, String> {
    let wrong = || {
        format!(
            "`{}` is not a content type",
            stanch_contract::text::clean_line_to(text, 80)
        )
    };
    let is_token = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    let mut parts = text.split(';');
    let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let (kind, sub) = essence.split_once('/').ok_or_else(wrong)?;
    if !is_token(kind) || !is_token(sub) {
        return Err(wrong());
    }
    let mut out = essence.clone();
    for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').ok_or_else(wrong)?;
        let bare = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'))
            .unwrap_or(value);
        if !is_token(name) || !is_token(bare) {
            return Err(wrong());
        }
        if is_json(&essence) {
            if name.eq_ignore_ascii_case("charset") && bare.eq_ignore_ascii_case("utf-8") {
                continue;
            }
            return Err(format!("`{name}` is not a parameter of a JSON content type"));
        }
        out.push_str(&format!(
            ";{}={}",
            name.to_ascii_lowercase(),
            bare.to_ascii_lowercase()
        ));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn call(kind: Option<&str>, body: &str) -> Content {
        of_call(&Method::POST, kind, body.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_json_body_is_its_value_and_is_sent_in_canonical_bytes() {
        let content = call(
            Some("Application/JSON; charset=UTF-8"),
            "{ \"b\": 1.0, \"a\": [ ] }",
        );
        assert_eq!(
            content.text.as_deref(),
            Some(r#"{"body":{"a":[],"b":1},"contentType":"application/json"}"#)
        );
        assert_eq!(content.body, br#"{"a":[],"b":1}"#);
        assert_eq!(content.content_type.as_deref(), Some("application/json"));
        let planned = r#"{"contentType":"application/json","body":{"b":1,"a":[]}}"#;
        assert_eq!(of_plan(&Method::POST, Some(planned)).unwrap(), content.text);
    }

    #[test]
    fn another_body_is_its_digest_and_never_passes_for_json() {
        let digest = Digest::of(b"plain");
        let content = call(Some("text/plain"), "plain");
        assert_eq!(
            content.text,
            Some(format!(
                r#"{{"body":"sha256:{digest}","contentType":"text/plain"}}"#
            ))
        );
        let planned = format!(r#"{{"contentType":"text/plain","body":"sha256:{digest}"}}"#);
        assert_eq!(of_plan(&Method::POST, Some(&planned)).unwrap(), content.text);
        let string = call(Some("application/json"), &format!("\"sha256:{digest}\""));
        assert_ne!(string.text, content.text);
    }

    #[test]
    fn no_body_has_one_form() {
        assert_eq!(call(Some("application/json"), "").text.as_deref(), Some("{}"));
        assert_eq!(of_plan(&Method::POST, Some("{}")).unwrap().as_deref(), Some("{}"));
        assert_eq!(of_plan(&Method::DELETE, Some("{}")).unwrap(), None);
        assert_eq!(of_call(&Method::DELETE, None, vec![]).unwrap().text, None);
    }

    #[test]
    fn a_content_that_is_missing_or_malformed_is_refused() {
        for method in [Method::POST, Method::PUT, Method::PATCH] {
            assert!(
                of_plan(&method, None).unwrap_err().contains("needs its content"),
                "{method}"
            );
        }
        assert_eq!(of_plan(&Method::DELETE, None).unwrap(), None);
        let table = [
            ("nonsense", "is not JSON"),
            ("[]", "is not an object"),
            (r#"{"contentType":"application/json"}"#, "no body"),
            (r#"{"contentType":7,"body":1}"#, "not a string"),
            (
                r#"{"contentType":"application/json","body":1,"more":2}"#,
                "`more`",
            ),
            (
                r#"{"contentType":"text/plain","body":"plain"}"#,
                "not of a JSON type",
            ),
            (r#"{"body":{}}"#, "not of a JSON type"),
            (r#"{"contentType":"text","body":"x"}"#, "not a content type"),
            (
                r#"{"contentType":"a/b\r\nx: y","body":"x"}"#,
                "not a content type",
            ),
        ];
        for (text, part) in table {
            let error = of_plan(&Method::POST, Some(text)).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(of_call(&Method::POST, Some("application/json"), b"{".to_vec()).is_err());
        assert!(
            of_call(
                &Method::POST,
                Some("application/json; charset=utf-7"),
                b"{}".to_vec()
            )
            .is_err()
        );
    }

    proptest! {
        #[test]
        fn what_a_call_sends_is_a_content_that_a_plan_can_name_and_one_alone(
            kind in "(application/json|Application/JSON; charset=utf-8|text/plain;a=b|application/x+json)?",
            body in "([0-9]{1,3}|\"[a-z]{0,3}\"|\\{\"b\": [0-9],\"a\":null\\})?",
        ) {
            let kind = (!kind.is_empty()).then_some(kind);
            let content = of_call(&Method::POST, kind.as_deref(), body.clone().into_bytes());
            prop_assume!(content.is_ok());
            let content = content.unwrap();
            let text = content.text.clone().unwrap();
            prop_assert_eq!(of_plan(&Method::POST, Some(&text)).unwrap(), Some(text.clone()));
            // What is sent is the same content once more.
            let again = of_call(&Method::POST, content.content_type.as_deref(), content.body.clone()).unwrap();
            prop_assert_eq!(again, content);
        }
    }
}
