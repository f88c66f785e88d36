//! What a token has to say to be taken: by whom it was made, for whom, when, and about whom. Pure: the time is an argument.

use serde_json::{Map, Value};
use stanch_contract::{Span, Timestamp};

/// How far the provider's clock may be off.
pub(super) const SKEW: Span = Span::from_secs(60);
/// A token that is good for longer than this from now on is not one that somebody logs in with.
const LONGEST: Span = Span::from_secs(7 * 86_400);

/// Why a token is not taken. It is never shown what it says: only that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    /// It cannot be read.
    #[error("it is no token that can be read")]
    NoToken,
    /// `none`, a shared secret, or what nobody knows.
    #[error("it is not signed in a way that is taken: RS, PS, ES and EdDSA are")]
    Algorithm,
    /// No key of the provider has this name and kind.
    #[error("the provider has no such key")]
    UnknownKey,
    /// The signature is another one.
    #[error("its signature is not the provider's")]
    Forged,
    /// Another issuer.
    #[error("another issuer made it")]
    Issuer,
    /// It is for somebody else.
    #[error("it was made for another audience")]
    Audience,
    /// It is over.
    #[error("it has expired")]
    Expired,
    /// It is not good yet.
    #[error("it is not good yet: are both clocks right?")]
    Early,
    /// It does not say when it ends, or says nonsense.
    #[error("it does not say until when it is good, or for too long")]
    Timeless,
    /// It belongs to another log-in.
    #[error("it belongs to another log-in")]
    Nonce,
}

/// What it has to be.
pub(super) struct Wanted<'a> {
    /// The issuer, letter by letter.
    pub(super) issuer: &'a str,
    /// One of whom it is made for.
    pub(super) audience: &'a str,
    /// Of an ID token of the pages: what this log-in began with. It is then for this client and no other.
    pub(super) nonce: Option<&'a str>,
}

/// Whether a token whose signature is right may be taken now.
pub(super) fn check(claims: &Map<String, Value>, wanted: &Wanted<'_>, now: Timestamp) -> Result<(), Unfit> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(wanted.issuer) {
        return Err(Unfit::Issuer);
    }
    let audiences: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !audiences.contains(&wanted.audience) {
        return Err(Unfit::Audience);
    }
    if let Some(nonce) = wanted.nonce {
        if text("nonce") != Some(nonce) {
            return Err(Unfit::Nonce);
        }
        // OpenID Connect Core 3.1.3.7, 4 and 5: for several, it says for which of them it was made.
        let party = text("azp");
        if party.is_some_and(|party| party != wanted.audience) || (audiences.len() > 1 && party.is_none()) {
            return Err(Unfit::Audience);
        }
    }
    let until = time(claims, "exp")?.ok_or(Unfit::Timeless)?;
    if until.plus(SKEW) <= now {
        return Err(Unfit::Expired);
    }
    if until > now.plus(LONGEST) {
        return Err(Unfit::Timeless);
    }
    for name in ["nbf", "iat"] {
        if time(claims, name)?.is_some_and(|from| from > now.plus(SKEW)) {
            return Err(Unfit::Early);
        }
    }
    Ok(())
}

/// Seconds since 1970, a fraction allowed (RFC 7519, 2). What is there and no time refuses the token.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, Unfit> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let seconds = value.as_f64().ok_or(Unfit::Timeless)?;
    if !(0.0..1e12).contains(&seconds) {
        return Err(Unfit::Timeless);
    }
    #[allow(
        clippy::cast_possible_truncation,
        reason = "bounded just above; a fraction of a millisecond is nothing"
    )]
    Ok(Some(Timestamp((seconds * 1_000.0) as i64)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);
    const SECONDS: i64 = 1_790_000_000;

    fn claims() -> Value {
        json!({
            "iss": "https://login.example", "aud": "stanch", "sub": "1", "nonce": "n",
            "iat": SECONDS, "exp": SECONDS + 300,
        })
    }

    #[test]
    fn a_token_is_taken_for_its_issuer_audience_time_and_log_in_and_otherwise_not() {
        type Row = (&'static str, Value, Result<(), Unfit>);
        let table: [Row; 27] = [
            ("iss", json!("https://login.example"), Ok(())),
            ("iss", json!("https://login.example/"), Err(Unfit::Issuer)),
            ("iss", json!("https://other.example"), Err(Unfit::Issuer)),
            ("iss", json!(["https://login.example"]), Err(Unfit::Issuer)),
            ("iss", Value::Null, Err(Unfit::Issuer)),
            ("aud", json!(["stanch"]), Ok(())),
            ("aud", json!("stanch2"), Err(Unfit::Audience)),
            ("aud", json!([]), Err(Unfit::Audience)),
            ("aud", json!({"stanch": true}), Err(Unfit::Audience)),
            ("aud", Value::Null, Err(Unfit::Audience)),
            // For several, without saying for whom.
            ("aud", json!(["stanch", "other"]), Err(Unfit::Audience)),
            ("azp", json!("stanch"), Ok(())),
            ("azp", json!("other"), Err(Unfit::Audience)),
            ("nonce", json!("m"), Err(Unfit::Nonce)),
            ("nonce", Value::Null, Err(Unfit::Nonce)),
            ("exp", json!(SECONDS - 59), Ok(())),
            ("exp", json!(SECONDS - 60), Err(Unfit::Expired)),
            ("exp", json!(SECONDS as f64 + 0.5), Ok(())),
            ("exp", json!("1790000300"), Err(Unfit::Timeless)),
            ("exp", json!(-1), Err(Unfit::Timeless)),
            ("exp", json!(SECONDS + 8 * 86_400), Err(Unfit::Timeless)),
            ("exp", Value::Null, Err(Unfit::Timeless)),
            ("nbf", json!(SECONDS + 60), Ok(())),
            ("nbf", json!(SECONDS + 61), Err(Unfit::Early)),
            ("nbf", json!("now"), Err(Unfit::Timeless)),
            ("iat", json!(SECONDS + 61), Err(Unfit::Early)),
            ("iat", Value::Null, Ok(())),
        ];
        for (name, value, expected) in table {
            let mut claims = claims();
            let claims = claims.as_object_mut().unwrap();
            if value.is_null() {
                claims.remove(name);
            } else {
                claims.insert(name.to_owned(), value.clone());
            }
            let wanted = Wanted {
                issuer: "https://login.example",
                audience: "stanch",
                nonce: Some("n"),
            };
            assert_eq!(check(claims, &wanted, NOW), expected, "{name} {value}");
        }
    }

    #[test]
    fn who_comes_with_a_token_of_another_client_for_this_audience_is_taken_at_the_api_alone() {
        let mut claims = claims();
        let claims = claims.as_object_mut().unwrap();
        claims.insert("azp".to_owned(), json!("a command line"));
        let wanted = |nonce| Wanted {
            issuer: "https://login.example",
            audience: "stanch",
            nonce,
        };
        assert_eq!(check(claims, &wanted(None), NOW), Ok(()));
        assert_eq!(check(claims, &wanted(Some("n")), NOW), Err(Unfit::Audience));
    }
}
