//! Whether a request is Slack's: <https://docs.slack.dev/authentication/verifying-requests-from-slack>.
//!
//! HMAC-SHA256 of `v0:TIME:BODY` with the app's signing secret, compared in constant time, and a time no further than five
//! minutes from now. What was signed within that window could be sent again by who recorded it, so each signature is taken
//! once. A restart forgets which: then the run refuses, because its question was answered.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use sha2::Sha256;
use stanch_contract::{Span, Timestamp};

const SIGNATURE: &str = "x-slack-signature";
const TIME: &str = "x-slack-request-timestamp";
/// How far a signed time may be from now, either way.
const WINDOW: Span = Span::from_secs(300);

/// Why it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forged {
    /// No signature, or not the right one.
    Wrong,
    /// Signed too long ago, or a clock is wrong.
    Stale,
    /// It came before.
    Again,
}

impl Forged {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Wrong => "signature",
            Self::Stale => "stale",
            Self::Again => "replay",
        }
    }
}

/// The signatures that came within the window. Only Slack can add to them.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<BTreeMap<Vec<u8>, Timestamp>>);

impl Seen {
    /// Whether this request is Slack's, for the first time.
    pub(super) fn check(
        &self,
        key: &[u8],
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), Forged> {
        let one = |name: &str| {
            let mut values = headers.get_all(name).iter();
            match (values.next(), values.next()) {
                (Some(value), None) => value.to_str().map_err(|_| Forged::Wrong),
                _ => Err(Forged::Wrong),
            }
        };
        let time = one(TIME)?;
        let presented = one(SIGNATURE)?.strip_prefix("v0=").ok_or(Forged::Wrong)?;
        let presented = hex::decode(presented).map_err(|_| Forged::Wrong)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| Forged::Wrong)?;
        for part in [b"v0:".as_slice(), time.as_bytes(), b":", body] {
            mac.update(part);
        }
        mac.verify_slice(&presented).map_err(|_| Forged::Wrong)?;
        // Only now: of a time that nobody signed there is nothing to say.
        let seconds: i64 = time.parse().map_err(|_| Forged::Wrong)?;
        let then = Timestamp(seconds.saturating_mul(1_000));
        if now.since(then).max(then.since(now)) > WINDOW {
            return Err(Forged::Stale);
        }
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, signed| now.since(*signed) <= WINDOW);
        match seen.insert(presented, then) {
            None => Ok(()),
            Some(_) => Err(Forged::Again),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Slack's documentation.
    const KEY: &[u8] = b"8f742231b10e8888abcd99yyyzzz85a5";
    const BODY: &[u8] = b"token=xyzz0WbapA4vBCDEFabcdefghi&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRy7kRPMh5&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SIGNED: &str = "v0=c5d1843903f1f7248967259a966d25ca63a4bb2d4f310ee46b94bb60ca37e31f";
    const AT: Timestamp = Timestamp(1_531_420_618_000);

    fn headers(signature: &str, time: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(SIGNATURE, signature.parse().unwrap());
        headers.insert(TIME, time.parse().unwrap());
        headers
    }

    fn check(headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), Forged> {
        Seen::default().check(KEY, headers, body, now)
    }

    #[test]
    fn what_slack_signed_is_taken_and_a_change_of_anything_is_not() {
        let right = headers(SIGNED, "1531420618");
        assert_eq!(check(&right, BODY, AT), Ok(()));
        assert_eq!(check(&right, b"token=another", AT), Err(Forged::Wrong));
        assert_eq!(
            check(&headers(SIGNED, "1531420619"), BODY, AT),
            Err(Forged::Wrong)
        );
        assert_eq!(
            check(&headers(&SIGNED.replace("v0=", "v1="), "1531420618"), BODY, AT),
            Err(Forged::Wrong)
        );
        assert_eq!(
            check(&headers(&SIGNED[..40], "1531420618"), BODY, AT),
            Err(Forged::Wrong)
        );
        assert_eq!(check(&HeaderMap::new(), BODY, AT), Err(Forged::Wrong));
        assert_eq!(
            Seen::default().check(b"another key", &right, BODY, AT),
            Err(Forged::Wrong)
        );
        let mut twice = right.clone();
        twice.append(SIGNATURE, SIGNED.parse().unwrap());
        assert_eq!(check(&twice, BODY, AT), Err(Forged::Wrong));
    }

    #[test]
    fn it_is_good_for_five_minutes_either_way_and_once() {
        let right = headers(SIGNED, "1531420618");
        for (apart, expected) in [
            (299_000, Ok(())),
            (-299_000, Ok(())),
            (301_000, Err(Forged::Stale)),
            (-301_000, Err(Forged::Stale)),
        ] {
            assert_eq!(check(&right, BODY, Timestamp(AT.0 + apart)), expected, "{apart}");
        }
        let seen = Seen::default();
        assert_eq!(seen.check(KEY, &right, BODY, AT), Ok(()));
        assert_eq!(
            seen.check(KEY, &right, BODY, Timestamp(AT.0 + 1_000)),
            Err(Forged::Again)
        );
    }
}
