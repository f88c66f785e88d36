//! An engine whose people a real provider knows, and somebody with a browser that is little more than a jar of cookies.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use stanch_outside::http::{Answer, Connection};
use stanch_outside::serve::{Engine, Scratch, program};
use stanch_outside::settings;
use stanch_parts::OidcProvider;
use stanch_parts::oidc::{AUDIENCE, CLIENT, SECRET};

/// The token of `dana`, whom stanch.toml knows.
pub(crate) const TOKEN: &str = "dana's token";

/// Whom the provider knows.
pub(crate) fn people() -> Value {
    json!({
        "eve": { "preferred_username": "eve", "groups": ["oncall", "staff"] },
        "vic": { "preferred_username": "vic", "groups": ["staff"] },
        "nina": { "preferred_username": "nina", "groups": ["sales"] },
        "nobody": { "groups": ["oncall"] },
        "dana": { "preferred_username": "dana", "groups": ["oncall"] },
        "d.keller": { "preferred_username": "d.keller", "groups": [] },
    })
}

pub(crate) struct Stage {
    pub(crate) engine: Engine,
    pub(crate) provider: Option<OidcProvider>,
    pub(crate) scratch: Scratch,
    pub(crate) listens: SocketAddr,
}

impl Stage {
    pub(crate) fn start() -> Self {
        let listens = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let provider = OidcProvider::start(&redirect(listens), &people()).unwrap();
        let at = provider.address();
        Self::with(listens, Some(provider), at)
    }

    /// With a provider that is to be there, and may not.
    pub(crate) fn with(listens: SocketAddr, provider: Option<OidcProvider>, at: SocketAddr) -> Self {
        let scratch = Scratch::new("oidc").unwrap();
        let digest = hex::encode(Sha256::digest(TOKEN));
        let secrets = "[secrets]\noidc = { file = \"oidc.secret\" }\n";
        let mut toml = settings::engine(listens, "platform", "auto").replace("[secrets]\n", secrets);
        toml += &format!(
            r#"
[[users]]
name = "dana"
token_sha256 = "{digest}"
role = "admin"
[[users]]
name = "keller"
oidc = "d.keller"
role = "operator"
groups = ["sre"]
[oidc]
issuer = "http://{at}"
name = "Test Log-in"
client_id = "{CLIENT}"
client_secret = "${{secret:oidc}}"
redirect = "{redirect}"
person = "preferred_username"
groups = "groups"
audience = "{AUDIENCE}"
addresses = ["127.0.0.1"]
[[oidc.rules]]
group = "oncall"
role = "operator"
groups = ["sre"]
[[oidc.rules]]
group = "staff"
role = "viewer"
"#,
            redirect = redirect(listens)
        );
        scratch.write("stanch.toml", toml).unwrap();
        scratch.write("oidc.secret", SECRET).unwrap();
        std::fs::create_dir(scratch.path().join("runbooks")).unwrap();
        let engine = Engine::start(&program("stanch").unwrap(), scratch.path(), listens, "unused").unwrap();
        Self {
            engine,
            provider,
            scratch,
            listens,
        }
    }

    pub(crate) fn provider(&self) -> &OidcProvider {
        self.provider.as_ref().unwrap()
    }

    /// What the API answers to this token.
    pub(crate) fn api(&self, method: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let mut engine = Connection::open(self.listens).unwrap();
        let answer = engine.api(method, path, token, body).unwrap();
        (answer.status, answer.json())
    }

    /// What `stanch doctor` finds of the provider, whatever else it finds.
    pub(crate) fn doctor(&self) -> Value {
        let said = self.engine.command(&["--json", "doctor"]).output().unwrap();
        let found: Value = serde_json::from_slice(&said.stdout).unwrap();
        let found = found.as_array().unwrap();
        let provider = found.iter().find(|finding| finding["area"] == "provider");
        let provider = provider.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&said.stderr)));
        provider.clone()
    }

    /// Everything that the engine said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.scratch.path().join("engine.log")).unwrap()
    }
}

fn redirect(listens: SocketAddr) -> String {
    format!("http://{listens}/login/callback")
}

/// Somebody with a browser, on the engine's pages.
pub(crate) struct Visitor<'a> {
    stage: &'a Stage,
    pub(crate) jar: BTreeMap<String, String>,
}

impl<'a> Visitor<'a> {
    pub(crate) fn new(stage: &'a Stage) -> Self {
        Self {
            stage,
            jar: BTreeMap::new(),
        }
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, "")
    }

    pub(crate) fn send(&mut self, method: &str, path: &str, body: &str) -> Answer {
        let cookies: Vec<String> = self
            .jar
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let cookies = cookies.join("; ");
        let answer = Connection::open(self.stage.listens)
            .and_then(|mut engine| engine.send(method, path, &[("cookie", &cookies)], body))
            .unwrap();
        for line in answer.header("set-cookie").unwrap_or_default().lines() {
            let (pair, rest) = line.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            assert!(
                rest.contains("HttpOnly") && rest.contains("SameSite=Lax") && rest.contains("Path=/"),
                "{line}"
            );
            if rest.contains("Max-Age=0") {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Where the engine sends who wants to log in and come to this page.
    pub(crate) fn go(&mut self, next: &str) -> String {
        let answer = self.get(&format!("/login/provider?next={next}"));
        assert_eq!(answer.status, 303, "{}", answer.body);
        answer.header("location").unwrap().to_owned()
    }

    /// Comes back from the provider to this address.
    pub(crate) fn back(&mut self, address: &str) -> Answer {
        let path = address.strip_prefix(&format!("http://{}", self.stage.listens));
        self.get(path.expect(address))
    }

    /// The whole way.
    pub(crate) fn log_in(&mut self, login: &str) -> Answer {
        let to = self.go("/r");
        let back = self.stage.provider().enter(&to, login).unwrap();
        self.back(&back)
    }

    pub(crate) fn is_in(&mut self) -> bool {
        self.get("/r").status == 200
    }
}

/// An address with another value of one of its parameters.
pub(crate) fn with(address: &str, name: &str, value: &str) -> String {
    let (before, query) = address.split_once('?').unwrap();
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((key, _)) if key == name => format!("{key}={value}"),
        _ => pair.to_owned(),
    });
    let changed = pairs.collect::<Vec<_>>().join("&");
    assert_ne!(changed, query, "{name} is there, and was another");
    format!("{before}?{changed}")
}

/// What an address says of a parameter.
pub(crate) fn of<'a>(address: &'a str, name: &str) -> &'a str {
    let (_, query) = address.split_once('?').unwrap();
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).expect(address).1
}
