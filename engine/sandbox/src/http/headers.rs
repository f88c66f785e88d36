//! Which headers a plugin may set.
//!
//! What frames the message, names the host, carries credentials, claims an origin or overrides the method is the gate's. A
//! changing call carries only what the plan can vouch for: `accept`, `content-type` and `idempotency-key`. Names are compared
//! with `_` as `-`, because CGI and what grew from it cannot tell the two apart.

use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};

/// Refused by exact name.
const RESERVED: [&str; 22] = [
    "host",
    "authorization",
    "cookie",
    "cookie2",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "expect",
    "http2-settings",
    "forwarded",
    "via",
    "x-real-ip",
    "x-method-override",
    "x-original-url",
    "x-original-host",
    "x-rewrite-url",
    "x-host",
    "content-encoding",
];

/// Refused by how the name begins.
const RESERVED_PREFIXES: [&str; 6] = [
    "proxy-",
    "x-forwarded-",
    "x-http-method",
    "if-",
    "sec-",
    "x-stanch-",
];

/// What a changing call may carry.
const ON_A_CHANGE: [&str; 3] = ["accept", "content-type", "idempotency-key"];

/// Whether a header is the gate's, whatever a grant says.
pub fn is_reserved(name: &HeaderName) -> bool {
    let name = name.as_str().replace('_', "-");
    RESERVED.contains(&name.as_str()) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The plugin's headers, checked. `bound` are those that the grant sets; `body` is what the length has to agree with.
///
/// # Errors
/// A sentence that names the header and says who sets it.
pub fn check(
    given: &[(String, String)],
    bound: &[HeaderName],
    changing: bool,
    body: usize,
) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let shown = stanch_contract::text::clean_line_to(name, 60);
        let name: HeaderName = name
            .parse()
            .map_err(|_| format!("`{shown}` is not a header name"))?;
        let value = HeaderValue::from_str(value).map_err(|_| {
            format!("the value of the header `{shown}` has a character that HTTP cannot carry")
        })?;
        let plain = name.as_str().replace('_', "-");
        if bound
            .iter()
            .any(|bound| bound.as_str().replace('_', "-") == plain)
        {
            return Err(format!("the header `{shown}` is set by the grant"));
        }
        if is_reserved(&name) {
            return Err(format!(
                "the header `{shown}` is the gate's and cannot be set by a plugin"
            ));
        }
        if changing && !ON_A_CHANGE.contains(&name.as_str()) {
            return Err(format!(
                "the header `{shown}` is not part of the plan: a change carries only accept, content-type and idempotency-key"
            ));
        }
        if changing && headers.contains_key(&name) {
            return Err(format!("the header `{shown}` is given twice"));
        }
        if plain == CONTENT_LENGTH.as_str() {
            if value.to_str().ok().and_then(|v| v.parse::<usize>().ok()) != Some(body) {
                return Err("the header `content-length` does not agree with the body".to_owned());
            }
            continue;
        }
        if plain == ACCEPT_ENCODING.as_str() {
            if !value.as_bytes().eq_ignore_ascii_case(b"identity") {
                return Err(
                    "the header `accept-encoding` is the gate's: answers come uncompressed".to_owned(),
                );
            }
            continue;
        }
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, value: &str, changing: bool) -> Result<HeaderMap, String> {
        let bound = [HeaderName::from_static("x-api-key")];
        check(&[(name.into(), value.into())], &bound, changing, 3)
    }

    #[test]
    fn a_read_may_carry_what_asks_and_nothing_that_claims() {
        for name in [
            "accept",
            "content-type",
            "x-trace",
            "range",
            "user-agent",
            "accept-language",
            "idempotency-key",
        ] {
            assert!(one(name, "a", false).is_ok(), "{name}");
        }
        let refused = [
            "host",
            "Host",
            "authorization",
            "Authorization",
            "cookie",
            "Cookie2",
            "proxy-authorization",
            "Proxy-Connection",
            "x-forwarded-for",
            "X-Forwarded-Host",
            "X_Forwarded_For",
            "forwarded",
            "x-http-method",
            "X-HTTP-Method-Override",
            "x-method-override",
            "x-original-url",
            "x-rewrite-url",
            "if-match",
            "If-None-Match",
            "if-modified-since",
            "if-range",
            "connection",
            "keep-alive",
            "te",
            "trailer",
            "transfer-encoding",
            "Transfer_Encoding",
            "upgrade",
            "expect",
            "http2-settings",
            "x-api-key",
            "X-API-Key",
            "x_api_key",
            "content-encoding",
            "bad name",
            "bad:name",
            "",
            ":authority",
            "a\r\nb",
        ];
        for name in refused {
            assert!(one(name, "a", false).is_err(), "{name}");
            assert!(one(name, "a", true).is_err(), "{name} on a change");
        }
    }

    #[test]
    fn a_change_carries_three_headers_each_once() {
        for name in ["accept", "Content-Type", "idempotency-key"] {
            assert!(one(name, "a", true).is_ok(), "{name}");
        }
        for name in [
            "x-trace",
            "range",
            "user-agent",
            "content-length",
            "accept-encoding",
        ] {
            assert!(one(name, "3", true).is_err(), "{name}");
        }
        let twice = [
            ("accept".to_owned(), "a".to_owned()),
            ("Accept".to_owned(), "b".to_owned()),
        ];
        assert!(check(&twice, &[], true, 0).is_err());
        assert_eq!(
            check(&twice, &[], false, 0)
                .unwrap()
                .get_all("accept")
                .iter()
                .count(),
            2
        );
    }

    #[test]
    fn a_value_cannot_end_its_header() {
        for value in ["a\r\nauthorization: x", "a\nb", "a\rb", "a\0b", "\u{7f}"] {
            assert!(one("x-trace", value, false).is_err(), "{value:?}");
        }
    }

    #[test]
    fn length_and_encoding_are_the_gates_and_may_only_agree() {
        assert!(one("content-length", "3", false).unwrap().is_empty());
        assert!(one("content-length", "4", false).is_err());
        assert!(one("content_length", "4", false).is_err());
        assert!(one("accept-encoding", "identity", false).unwrap().is_empty());
        assert!(one("accept-encoding", "gzip", false).is_err());
    }
}
