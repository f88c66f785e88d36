//! Asking the provider: what it says of itself, its keys, and a code for a token. Over the connector that all else leaves by.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;
use stanch_contract::{Timestamp, text};
use stanch_sandbox::gate::Facilities;
use stanch_sandbox::http::address::AddressPolicy;
use stanch_sandbox::http::{OwnAnswer, OwnRequest};
use url::form_urlencoded;

use super::keys::Keys;
use crate::clock;
use crate::config::oidc::secure;
use crate::config::settings::Oidc;
use crate::secrets::Secrets;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The way of RFC 6749, 2.3.1 that a provider has where it names none.
const BASIC: &str = "client_secret_basic";
const POST: &str = "client_secret_post";

/// What a provider says of itself (OpenID Connect Discovery 1.0, 3), as far as it is wanted.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    pub(super) authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    code_challenge_methods_supported: Option<Vec<String>>,
    /// It says who it is when it sends people back.
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

/// What is known of the provider since a look at it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) metadata: Metadata,
    pub(super) keys: Keys,
    /// When it was looked at.
    pub(super) at: Timestamp,
}

impl Known {
    /// Whether it is this provider that is known.
    pub(super) fn is_of(&self, oidc: &Oidc) -> bool {
        self.metadata.issuer == oidc.issuer
    }
}

/// What requests go out with.
pub(super) struct Out {
    pub(super) facilities: std::sync::Arc<Facilities>,
    pub(super) secrets: std::sync::Arc<Secrets>,
}

/// What a provider says of a code.
#[derive(Default, Deserialize)]
struct Exchanged {
    #[serde(default)]
    id_token: String,
    #[serde(default)]
    error: String,
}

/// Why a code was not exchanged.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotExchanged {
    /// The provider takes the code, or this engine, for another.
    Refused(String),
    /// It does not answer as it should.
    Down(String),
}

impl Out {
    /// Looks at the provider.
    ///
    /// # Errors
    /// In a sentence, why nothing is known of it.
    pub(super) async fn look(&self, oidc: &Oidc) -> Result<Known, String> {
        let url = format!(
            "{}/.well-known/openid-configuration",
            oidc.issuer.trim_end_matches('/')
        );
        let body = self.read(oidc, &url).await?;
        let metadata: Metadata = serde_json::from_slice(&body)
            .map_err(|_| format!("what is at `{url}` does not describe a provider"))?;
        metadata.fit(oidc)?;
        let keys = Keys::read(&self.read(oidc, &metadata.jwks_uri).await?)?;
        Ok(Known {
            metadata,
            keys,
            at: clock::now(),
        })
    }

    async fn read(&self, oidc: &Oidc, url: &str) -> Result<Vec<u8>, String> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let answer = self.send(oidc, Method::GET, url, headers, Vec::new()).await?;
        if answer.status != StatusCode::OK {
            return Err(format!("`{url}` answers {}", answer.status.as_u16()));
        }
        Ok(answer.body)
    }

    /// The ID token for a code.
    pub(super) async fn exchange(
        &self,
        oidc: &Oidc,
        metadata: &Metadata,
        code: &str,
        verifier: &str,
    ) -> Result<String, NotExchanged> {
        let (headers, body) = self
            .proof(oidc, metadata, code, verifier)
            .map_err(NotExchanged::Down)?;
        let url = &metadata.token_endpoint;
        let answer = self
            .send(oidc, Method::POST, url, headers, body)
            .await
            .map_err(NotExchanged::Down)?;
        let said: Exchanged = serde_json::from_slice(&answer.body).unwrap_or_default();
        match answer.status {
            StatusCode::OK if !said.id_token.is_empty() => Ok(said.id_token),
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED if !said.error.is_empty() => {
                Err(NotExchanged::Refused(text::clean_line_to(&said.error, 60)))
            }
            status => Err(NotExchanged::Down(format!(
                "`{url}` answers {} and gives no token",
                status.as_u16()
            ))),
        }
    }

    /// What is sent for a token: the code with its verifier, and what shows that this is the client.
    fn proof(
        &self,
        oidc: &Oidc,
        metadata: &Metadata,
        code: &str,
        verifier: &str,
    ) -> Result<(HeaderMap, Vec<u8>), String> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &oidc.redirect)
            .append_pair("code_verifier", verifier);
        match &oidc.client_secret {
            None => {
                form.append_pair("client_id", &oidc.client_id);
            }
            Some(name) => {
                let secret = self.secrets.value(name)?;
                let secret = std::str::from_utf8(secret.expose())
                    .map_err(|_| format!("the secret `{name}` is not text"))?;
                if metadata.takes(BASIC) {
                    headers.insert(AUTHORIZATION, basic(&oidc.client_id, secret)?);
                } else {
                    form.append_pair("client_id", &oidc.client_id)
                        .append_pair("client_secret", secret);
                }
            }
        }
        Ok((headers, form.finish().into_bytes()))
    }

    async fn send(
        &self,
        oidc: &Oidc,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<OwnAnswer, String> {
        let request = OwnRequest {
            client: "oidc",
            addresses: AddressPolicy::new(oidc.addresses.clone()),
            method,
            url: url.to_owned(),
            headers,
            body,
            patience: PATIENCE,
        };
        let sent = self.facilities.http.send(request).await;
        sent.map_err(|error| format!("`{url}`: {}", error.why))
    }
}

impl Metadata {
    /// Whether it is of this provider, and log-ins can be had there as they are done here.
    fn fit(&self, oidc: &Oidc) -> Result<(), String> {
        if self.issuer != oidc.issuer {
            return Err(format!(
                "it calls itself `{}`, and `oidc.issuer` is `{}`: write it letter by letter",
                text::clean_line_to(&self.issuer, 200),
                oidc.issuer
            ));
        }
        for url in [&self.authorization_endpoint, &self.token_endpoint, &self.jwks_uri] {
            if secure(url).is_none() {
                let url = text::clean_line_to(url, 200);
                return Err(format!("`{url}` is neither https nor on this machine"));
            }
        }
        if let Some(ways) = &self.code_challenge_methods_supported
            && !ways.iter().any(|way| way == "S256")
        {
            return Err("it does not take PKCE with S256".to_owned());
        }
        if oidc.client_secret.is_some() && !self.takes(BASIC) && !self.takes(POST) {
            return Err(format!("it takes neither `{BASIC}` nor `{POST}`"));
        }
        Ok(())
    }

    fn takes(&self, way: &str) -> bool {
        match &self.token_endpoint_auth_methods_supported {
            Some(ways) => ways.iter().any(|known| known == way),
            None => way == BASIC,
        }
    }
}

/// RFC 6749, 2.3.1: both are written as in a form, first.
fn basic(client: &str, secret: &str) -> Result<HeaderValue, String> {
    let written = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", written(client), written(secret));
    let mut value = HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(pair)))
        .map_err(|_| "the client's secret cannot be sent".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn oidc() -> Oidc {
        let toml = "[oidc]\nissuer = \"https://login.example\"\nclient_id = \"a:b c\"\nredirect = \"https://s.example/login/callback\"\nperson = \"sub\"\nclient_secret = \"${secret:s}\"\n[secrets]\ns = { env = \"S\" }\n";
        let settings = crate::config::parse("stanch.toml".as_ref(), toml).unwrap();
        settings.oidc.unwrap()
    }

    #[test]
    fn a_provider_that_is_another_or_cannot_do_what_is_needed_is_said_and_not_used() {
        type Row = (&'static str, serde_json::Value, Option<&'static str>);
        let table: [Row; 9] = [
            ("issuer", json!("https://login.example"), None),
            (
                "issuer",
                json!("https://login.example/"),
                Some("letter by letter"),
            ),
            (
                "token_endpoint",
                json!("http://login.example/token"),
                Some("neither https"),
            ),
            ("jwks_uri", json!("http://127.0.0.1:1/keys"), None),
            ("jwks_uri", json!("file:///etc/passwd"), Some("neither https")),
            ("code_challenge_methods_supported", json!(["plain"]), Some("PKCE")),
            ("code_challenge_methods_supported", json!(["plain", "S256"]), None),
            (
                "token_endpoint_auth_methods_supported",
                json!(["private_key_jwt"]),
                Some("takes neither"),
            ),
            (
                "token_endpoint_auth_methods_supported",
                json!(["client_secret_post"]),
                None,
            ),
        ];
        for (name, value, says) in table {
            let mut said = json!({
                "issuer": "https://login.example",
                "authorization_endpoint": "https://login.example/auth",
                "token_endpoint": "https://login.example/token",
                "jwks_uri": "https://keys.example/keys",
            });
            said[name] = value.clone();
            let metadata: Metadata = serde_json::from_value(said).unwrap();
            let fit = metadata.fit(&oidc());
            match (&fit, says) {
                (Ok(()), None) => {}
                (Err(why), Some(says)) => assert!(why.contains(says), "{name}: {why}"),
                _ => panic!("{name} {value}: {fit:?}"),
            }
        }
    }

    #[test]
    fn the_client_proves_itself_with_both_written_as_in_a_form() {
        let value = basic("a:b c", "s/ü").unwrap();
        assert!(value.is_sensitive());
        let pair = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
        assert_eq!(BASE64_STANDARD.decode(pair).unwrap(), b"a%3Ab+c:s%2F%C3%BC");
    }
}
