//! A log-in on the pages: what is sent along to the provider, and what has to come back.
//!
//! Authorization code with PKCE (RFC 7636) and a nonce. What a log-in began with is held by the browser that began it, in a cookie
//! sealed with a key of this process: so it is that browser that has to come back, nobody can fill the engine's memory with log-ins
//! that they never end, and a restart asks people to begin again. Each counts once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use stanch_contract::{Span, Timestamp};
use subtle::ConstantTimeEq as _;
use url::Url;

use super::provider::Metadata;
use crate::config::settings::Oidc;

/// How long somebody may take at the provider.
pub(crate) const LASTS: Span = Span::from_secs(10 * 60);
/// Log-ins that are remembered as done; what is forgotten first makes room. The provider takes a code once anyway.
const MOST: usize = 4_096;

/// What a log-in began with.
#[derive(Serialize, Deserialize)]
pub(super) struct Begun {
    issuer: String,
    state: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
    /// Where to go afterwards.
    pub(super) next: Option<String>,
    until: Timestamp,
}

/// What comes back from the provider, in the address.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Returned {
    #[serde(default)]
    pub(super) code: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    pub(super) error: String,
    #[serde(default)]
    iss: String,
}

/// Why what comes back does not end what was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Astray {
    /// No cookie, or not one of ours.
    #[error("this log-in was not begun in this browser, or before the engine was started again")]
    NotBegun,
    /// The state is another.
    #[error("this is the end of another log-in than the one that was begun here")]
    Another,
    /// Too late.
    #[error("this log-in took too long")]
    Late,
    /// Again.
    #[error("this log-in was done already")]
    Again,
    /// Another provider sent it.
    #[error("another provider sent this")]
    Provider,
}

/// What log-ins are sealed with, and which are done.
pub(super) struct Flows {
    key: LessSafeKey,
    done: Mutex<BTreeMap<String, Timestamp>>,
}

impl Flows {
    /// With a new key.
    ///
    /// # Errors
    /// Where the operating system has no randomness.
    pub(super) fn new() -> Result<Self, String> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &random::<32>()?).map_err(|_| "no key can be made")?;
        Ok(Self {
            key: LessSafeKey::new(key),
            done: Mutex::default(),
        })
    }

    /// Begins a log-in: where the browser goes, and what it holds meanwhile.
    ///
    /// # Errors
    /// Where the operating system has no randomness.
    pub(super) fn begin(
        &self,
        oidc: &Oidc,
        metadata: &Metadata,
        next: Option<String>,
        now: Timestamp,
    ) -> Result<(String, String), String> {
        let text = || Ok::<_, String>(BASE64_URL_SAFE_NO_PAD.encode(random::<32>()?));
        let begun = Begun {
            issuer: oidc.issuer.clone(),
            state: text()?,
            nonce: text()?,
            verifier: text()?,
            next,
            until: now.plus(LASTS),
        };
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&begun.verifier));
        let scope = std::iter::once("openid")
            .chain(
                oidc.scopes
                    .iter()
                    .map(String::as_str)
                    .filter(|scope| *scope != "openid"),
            )
            .collect::<Vec<_>>()
            .join(" ");
        let mut url = Url::parse(&metadata.authorization_endpoint).map_err(|error| error.to_string())?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &oidc.client_id)
            .append_pair("redirect_uri", &oidc.redirect)
            .append_pair("scope", &scope)
            .append_pair("state", &begun.state)
            .append_pair("nonce", &begun.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok((url.into(), self.seal(&begun)?))
    }

    /// What was begun, where what comes back ends it. From now on it is done. Where the provider says who it is (`says_who`, RFC 9207),
    /// that has to come along, and be the one that was gone to.
    pub(super) fn end(
        &self,
        oidc: &Oidc,
        held: Option<&str>,
        returned: &Returned,
        says_who: bool,
        now: Timestamp,
    ) -> Result<Begun, Astray> {
        let begun = held.and_then(|held| self.open(held)).ok_or(Astray::NotBegun)?;
        if !bool::from(begun.state.as_bytes().ct_eq(returned.state.as_bytes())) {
            return Err(Astray::Another);
        }
        if begun.until <= now {
            return Err(Astray::Late);
        }
        let other = match returned.iss.as_str() {
            "" => says_who,
            issuer => issuer != oidc.issuer,
        };
        if other || begun.issuer != oidc.issuer {
            return Err(Astray::Provider);
        }
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.retain(|_, until| *until > now);
        while done.len() >= MOST {
            let first = done.iter().min_by_key(|(_, until)| **until);
            let Some(first) = first.map(|(state, _)| state.clone()) else {
                break;
            };
            done.remove(&first);
        }
        match done.insert(begun.state.clone(), begun.until) {
            None => Ok(begun),
            Some(_) => Err(Astray::Again),
        }
    }

    fn seal(&self, begun: &Begun) -> Result<String, String> {
        let nonce = random::<NONCE_LEN>()?;
        let mut sealed = serde_json::to_vec(begun).map_err(|error| error.to_string())?;
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
            .map_err(|_| "a log-in cannot be sealed")?;
        Ok(BASE64_URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    fn open(&self, held: &str) -> Option<Begun> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(held).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let open = self.key.open_in_place(nonce, Aad::empty(), &mut sealed).ok()?;
        serde_json::from_slice(open).ok()
    }
}

/// Random bytes.
fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| format!("the operating system has no randomness: {error}"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn oidc() -> Oidc {
        let toml = "[oidc]\nissuer = \"https://login.example\"\nclient_id = \"stanch\"\nredirect = \"https://s.example/login/callback\"\nperson = \"sub\"\n";
        crate::config::parse("stanch.toml".as_ref(), toml)
            .unwrap()
            .oidc
            .unwrap()
    }

    fn metadata() -> Metadata {
        serde_json::from_value(json!({
            "issuer": "https://login.example", "authorization_endpoint": "https://login.example/auth?tenant=1",
            "token_endpoint": "https://login.example/token", "jwks_uri": "https://login.example/keys",
        }))
        .unwrap()
    }

    fn begun(flows: &Flows) -> (BTreeMap<String, String>, String) {
        let next = Some("/runs/abc".to_owned());
        let (url, held) = flows.begin(&oidc(), &metadata(), next, NOW).unwrap();
        let url = Url::parse(&url).unwrap();
        (url.query_pairs().into_owned().collect(), held)
    }

    fn back(state: &str) -> Returned {
        Returned {
            code: "c".into(),
            state: state.into(),
            ..Returned::default()
        }
    }

    #[test]
    fn what_is_sent_along_is_for_this_client_and_back_to_where_it_is_registered_and_the_verifier_stays() {
        let flows = Flows::new().unwrap();
        let (sent, held) = begun(&flows);
        for (name, value) in [
            ("tenant", "1"),
            ("response_type", "code"),
            ("client_id", "stanch"),
            ("redirect_uri", "https://s.example/login/callback"),
            ("scope", "openid email profile"),
            ("code_challenge_method", "S256"),
        ] {
            assert_eq!(sent[name], value);
        }
        let begun = flows
            .end(&oidc(), Some(&held), &back(&sent["state"]), false, NOW)
            .ok()
            .unwrap();
        assert_eq!(begun.nonce, sent["nonce"]);
        assert_eq!(
            sent["code_challenge"],
            BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&begun.verifier))
        );
        assert_eq!(begun.next.as_deref(), Some("/runs/abc"));
        for secret in [&begun.verifier, "/runs/abc"] {
            assert!(!sent.values().any(|value| value.contains(secret)), "{secret}");
        }
        assert!(begun.verifier.len() >= 43, "RFC 7636, 4.1");
    }

    #[test]
    fn a_log_in_ends_once_in_the_browser_that_began_it_with_its_own_state_in_time() {
        let flows = Flows::new().unwrap();
        let end = |held: Option<&str>, returned: &Returned, now| {
            flows.end(&oidc(), held, returned, false, now).err()
        };
        let (sent, held) = begun(&flows);
        let (other, _) = begun(&flows);
        let right = back(&sent["state"]);
        assert_eq!(end(None, &right, NOW), Some(Astray::NotBegun));
        assert_eq!(end(Some(""), &right, NOW), Some(Astray::NotBegun));
        let turned = format!(
            "{}{}",
            &held[..held.len() - 1],
            if held.ends_with('A') { 'B' } else { 'A' }
        );
        assert_eq!(end(Some(&turned), &right, NOW), Some(Astray::NotBegun));
        let before = Flows::new().unwrap();
        assert_eq!(
            before.end(&oidc(), Some(&held), &right, false, NOW).err(),
            Some(Astray::NotBegun),
            "sealed by another process"
        );
        assert_eq!(
            end(Some(&held), &back(&other["state"]), NOW),
            Some(Astray::Another)
        );
        assert_eq!(end(Some(&held), &back(""), NOW), Some(Astray::Another));
        assert_eq!(end(Some(&held), &right, NOW.plus(LASTS)), Some(Astray::Late));
        let from_elsewhere = Returned {
            iss: "https://evil.example".into(),
            ..back(&sent["state"])
        };
        assert_eq!(end(Some(&held), &from_elsewhere, NOW), Some(Astray::Provider));
        let silent = flows.end(&oidc(), Some(&held), &right, true, NOW).err();
        assert_eq!(silent, Some(Astray::Provider), "it says who it is, and did not");
        let mut moved = oidc();
        moved.issuer = "https://login2.example".into();
        assert_eq!(
            flows.end(&moved, Some(&held), &right, false, NOW).err(),
            Some(Astray::Provider)
        );
        assert_eq!(end(Some(&held), &right, NOW), None);
        assert_eq!(end(Some(&held), &right, NOW), Some(Astray::Again));
    }

    #[test]
    fn what_is_remembered_of_log_ins_that_are_done_is_bounded() {
        let flows = Flows::new().unwrap();
        for _ in 0..MOST + 10 {
            let (sent, held) = begun(&flows);
            assert!(
                flows
                    .end(&oidc(), Some(&held), &back(&sent["state"]), false, NOW)
                    .is_ok()
            );
        }
        assert_eq!(flows.done.lock().unwrap().len(), MOST);
    }
}
