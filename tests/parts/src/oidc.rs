//! A provider of OpenID Connect, and somebody who goes to it with a browser that is little more than a jar of cookies.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Value, json};
use stanch_outside::http::{Answer, Connection, free_port};
use stanch_parts_build::node;

use crate::place::Place;
use crate::process::Process;
use crate::wait::until;
use crate::{Part, PartError, program};

/// What starts it; its packages are elsewhere.
const SCRIPT: &str = include_str!("oidc/provider.mjs");
/// Whom its tokens for APIs are made for.
pub const AUDIENCE: &str = "urn:stanch:test";
/// The client that an engine is.
pub const CLIENT: &str = "stanch";
/// That client's secret.
pub const SECRET: &str = "a secret/of a test: +&";
/// Another client: a command line's.
pub const OTHER_CLIENT: &str = "a-command-line";
/// So many redirects are followed.
const MOST_STEPS: usize = 8;

/// A running provider. It ends with this value.
#[derive(Debug)]
pub struct OidcProvider {
    at: SocketAddr,
    process: Process,
    place: Place,
}

impl OidcProvider {
    /// Starts it for an engine to which people come back at this address, with these people: by name, each with the claims that
    /// are said of them.
    ///
    /// # Errors
    /// Where it is not there, or does not come up.
    pub fn start(redirect: &str, people: &Value) -> Result<Self, PartError> {
        let at = free_port().map_err(|why| PartError::of("a free port", why))?;
        Self::start_at(at, redirect, people)
    }

    /// The same at this address, where one may have been before.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_at(at: SocketAddr, redirect: &str, people: &Value) -> Result<Self, PartError> {
        let modules = program(Part::OidcProvider)?;
        let place = Place::new("provider")?;
        let client = |id: &str, secret: &str, redirect: &str| {
            json!({
                "client_id": id, "client_secret": secret, "redirect_uris": [redirect],
                "grant_types": ["authorization_code"], "response_types": ["code"],
            })
        };
        let settings = json!({
            "issuer": format!("http://{at}"),
            "port": at.port(),
            "audience": AUDIENCE,
            "people": people,
            "clients": [
                client(CLIENT, SECRET, redirect),
                client(OTHER_CLIENT, SECRET, "http://127.0.0.1:1/back"),
            ],
        });
        place.write("settings.json", settings.to_string())?;
        place.write("provider.mjs", SCRIPT)?;
        let arguments = [
            "provider.mjs".into(),
            modules.clone().into_os_string(),
            "settings.json".into(),
        ];
        let mut process = Process::start(place.path(), "oidc", &node(&modules), &arguments)?;
        let ready = until("the provider to answer", || {
            if !process.is_running() {
                return Some(Err(process.trouble("it ended")));
            }
            let answer = Connection::open(at).and_then(|mut to| to.get("/.well-known/openid-configuration"));
            answer.is_ok_and(|answer| answer.status == 200).then_some(Ok(()))
        });
        ready.map_err(|why| process.trouble(&why.to_string()))??;
        Ok(Self { at, process, place })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.at
    }

    /// How it calls itself.
    pub fn issuer(&self) -> String {
        format!("http://{}", self.at)
    }

    /// Ends it; another may take its place.
    pub fn kill(mut self) -> SocketAddr {
        self.process.kill();
        self.at
    }

    /// A token with these claims, besides issuer, audience and time, which `null` takes away; `header` is added to what its head
    /// says. Where it is forged, another key signed it under the same name.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn mint(&self, claims: &Value, header: &Value, forged: bool) -> Result<String, PartError> {
        self.test(
            "mint",
            &json!({ "claims": claims, "header": header, "forged": forged }),
        )
    }

    /// Turns its keys: from now on it signs with others, and does not know those before.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn turn(&self) -> Result<(), PartError> {
        self.test("turn", &Value::Null).map(drop)
    }

    /// How often its keys were looked at.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn looks(&self) -> Result<u64, PartError> {
        let said = self.test("looks", &Value::Null)?;
        said.parse()
            .map_err(|why| PartError::of("how often keys were looked at", why))
    }

    fn test(&self, what: &str, body: &Value) -> Result<String, PartError> {
        let answer = Connection::open(self.at)
            .and_then(|mut to| to.send("POST", &format!("/test/{what}"), &[], &body.to_string()))
            .map_err(|why| self.process.trouble(&why.to_string()))?;
        match answer.status {
            200 => Ok(answer.body),
            status => Err(self
                .process
                .trouble(&format!("/test/{what}: {status} {}", answer.body))),
        }
    }

    /// Somebody goes to this address of the provider, says that they are this, and is sent back: to where.
    ///
    /// # Errors
    /// Where it does not send them back; with what it says instead.
    pub fn enter(&self, url: &str, login: &str) -> Result<String, PartError> {
        let own = self.issuer();
        let mut jar: BTreeMap<String, String> = BTreeMap::new();
        let mut next = url.to_owned();
        for _ in 0..MOST_STEPS {
            let Some(path) = next
                .strip_prefix(&own)
                .map(str::to_owned)
                .or_else(|| next.starts_with('/').then(|| next.clone()))
            else {
                return Ok(next);
            };
            let cookies: Vec<String> = jar
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let cookies = cookies.join("; ");
            let (method, body) = match path.starts_with("/person/") {
                true => ("POST", format!("login={login}")),
                false => ("GET", String::new()),
            };
            let headers = [
                ("cookie", cookies.as_str()),
                ("content-type", "application/x-www-form-urlencoded"),
            ];
            let answer = Connection::open(self.at)
                .and_then(|mut to| to.send(method, &path, &headers, &body))
                .map_err(|why| self.process.trouble(&why.to_string()))?;
            keep(&mut jar, &answer);
            next = match answer.header("location") {
                Some(location) => location.to_owned(),
                None => {
                    let said = format!("{path} answers {}: {}", answer.status, answer.body);
                    return Err(PartError::from(said));
                }
            };
        }
        Err(PartError::from(format!("it sends around in circles: {next}")))
    }

    /// An access token for [`AUDIENCE`] that the provider gives to this person, by another client than an engine.
    ///
    /// # Errors
    /// Where it gives none.
    pub fn access_token(&self, login: &str) -> Result<String, PartError> {
        // RFC 7636, appendix B.
        let (verifier, challenge) = (
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        );
        let back = "http://127.0.0.1:1/back";
        let query = format!(
            "response_type=code&client_id={OTHER_CLIENT}&redirect_uri={back}&scope=openid+email+profile+api&resource={AUDIENCE}\
             &code_challenge={challenge}&code_challenge_method=S256"
        );
        let back_at = self.enter(&format!("{}/auth?{query}", self.issuer()), login)?;
        let code = back_at
            .split_once("code=")
            .map(|(_, rest)| rest.split('&').next().unwrap_or_default());
        let code = code.ok_or_else(|| PartError::from(format!("no code: {back_at}")))?;
        let body = format!(
            "grant_type=authorization_code&code={code}&redirect_uri={back}&code_verifier={verifier}&resource={AUDIENCE}\
             &client_id={OTHER_CLIENT}"
        );
        let proof = "Basic YS1jb21tYW5kLWxpbmU6YStzZWNyZXQlMkZvZithK3Rlc3QlM0ErJTJCJTI2";
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("authorization", proof),
        ];
        let answer = Connection::open(self.at)
            .and_then(|mut to| to.send("POST", "/token", &headers, &body))
            .map_err(|why| self.process.trouble(&why.to_string()))?;
        let said: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let token = said.get("access_token").and_then(Value::as_str);
        token
            .map(str::to_owned)
            .ok_or_else(|| PartError::from(format!("no access token: {}", answer.body)))
    }

    /// An error with the end of what it said; its folder stays.
    pub fn trouble(&self, what: &str) -> PartError {
        self.place.keep();
        self.process.trouble(what)
    }
}

/// What the answer has a browser hold. Several cookies come as lines of one header.
fn keep(jar: &mut BTreeMap<String, String>, answer: &Answer) {
    for line in answer.header("set-cookie").unwrap_or_default().split('\n') {
        let pair = line.split(';').next().unwrap_or_default();
        if let Some((name, value)) = pair.split_once('=') {
            jar.insert(name.trim().to_owned(), value.to_owned());
        }
    }
}
