//! A chat behind a real Caddy with an empty blocklist, its keys, and an engine whose people have tokens.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use stanch_city::Keys;
use stanch_cluster_tests::{kept, packed, shipped};
use stanch_outside::http::{Connection, Server, free_port};
use stanch_outside::run::{Asked, asked, ending};
use stanch_outside::serve::{Engine, program};
use stanch_outside::settings;
use stanch_parts::{Caddy, Place, until};

const RUNBOOK: &str = "toxic-loop";
const TOKEN: &str = "a-token-for-the-tests-only";
const LIST: &str = "/id/blocklist/routes";

/// Who has a token, with its SHA-256, their groups and role.
const PEOPLE: [(&str, &str, &str, &str); 3] = [
    (
        "mira",
        "6756c3189bf0e9b8ef7d03f63e0b3eb606c1a3f6e4ffd0062d98f592cd25c4e3",
        "trust-and-safety",
        "operator",
    ),
    (
        "noor",
        "2944206028e703f1b9527c056c5d688e9ad6441ab95f3de6d9d4102b35705426",
        "trust-and-safety",
        "approver",
    ),
    (
        "vic",
        "4dc34b7802131ff272718447a57ec10e2e4b22cf07eeda8b667d2df451bb8667",
        "sre",
        "admin",
    ),
];

/// The token of one of them.
pub(crate) fn token(name: &str) -> String {
    format!("the-token-of-{name}-for-the-tests-only")
}

/// Every part of it is running.
pub(crate) struct Edge {
    pub(crate) caddy: Caddy,
    pub(crate) keys: Keys,
    pub(crate) pages: Arc<Mutex<Vec<Value>>>,
    pub(crate) listens: SocketAddr,
    engine: Mutex<Option<Engine>>,
    pub(crate) place: Place,
}

/// Ordinary prompts: none is like another.
pub(crate) fn ordinary(count: usize) -> Vec<String> {
    let (verbs, things) = (
        ["Summarise", "Translate", "Explain", "Rewrite", "Print"],
        ["letter", "poem", "question", "recipe", "contract"],
    );
    (0..count)
        .map(|at| {
            format!(
                "{} the {} number {at} for me, and answer in short sentences.",
                verbs[at % 5],
                things[at / 5 % 5]
            )
        })
        .collect()
}

impl Edge {
    /// Entries of the list last so long.
    pub(crate) fn start(lasts: &str) -> Self {
        let keys = Keys::open(&["mallory/k1", "dana/k2"]).unwrap();
        let caddy = Caddy::start(&json!([
            { "handle": [{ "@id": "blocklist", "handler": "subroute", "routes": [] }] },
            { "handle": [{ "handler": "reverse_proxy", "upstreams": [{ "dial": keys.chat.to_string() }] }] },
        ]))
        .unwrap();
        let pages: Arc<Mutex<Vec<Value>>> = Arc::default();
        let came = Arc::clone(&pages);
        let pager = Server::open(move |request| {
            let page = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
            came.lock().unwrap_or_else(PoisonError::into_inner).push(page);
            (200, String::new())
        })
        .unwrap();
        let listens = free_port().unwrap();
        let place = Place::new("toxic").unwrap();
        place
            .write("samples/prompts.txt", ordinary(1_000).join("\n"))
            .unwrap();
        let runbook = shipped(
            &format!("{RUNBOOK}.toml"),
            &[
                ("for = \"24h\"", &format!("for = \"{lasts}\"")),
                ("https://keys.example", &format!("http://{}", keys.address)),
            ],
        );
        place.write(&format!("runbooks/{RUNBOOK}.toml"), runbook).unwrap();
        let edge = Self {
            caddy,
            keys,
            pages,
            listens,
            engine: Mutex::default(),
            place,
        };
        edge.place
            .write("stanch.toml", edge.operators(pager.address))
            .unwrap();
        edge.start_engine();
        edge
    }

    /// The operator's file: the grants are no wider than those of stanch.example.toml.
    fn operators(&self, pages: SocketAddr) -> String {
        let people = PEOPLE.iter().map(|(name, token, group, role)| {
            format!(
                "[[users]]\nname = \"{name}\"\ntoken_sha256 = \"{token}\"\ngroups = [\"{group}\"]\nrole = \"{role}\"\n"
            )
        });
        let key = format!("http://{}/users/*/keys/*", self.keys.address);
        let list = format!("http://{}{LIST}", self.caddy.admin);
        let waf = format!(
            "settings = {{ caddy = \"http://{}\", list = \"blocklist\", sample = {{ file = \"samples/prompts.txt\" }} }}",
            self.caddy.admin
        );
        let revoke = "revoke = { method = \"DELETE\" }";
        let keys = format!(
            "settings = {{ url = \"http://{}/users/{{user}}/keys/{{key}}\", {revoke} }}",
            self.keys.address
        );
        [
            settings::engine(self.listens, "tests", "ask"),
            people.collect(),
            settings::plugin("http-probe", &packed("http-probe"), ""),
            settings::http("http-probe", &key, "read = [\"GET\"]"),
            settings::plugin("waf-block", &packed("waf-block"), &waf),
            settings::http(
                "waf-block",
                &list,
                "read = [\"GET\"]\nchange = [\"POST\", \"PATCH\"]",
            ),
            format!(
                "[[plugins.waf-block.grant.files]]\npath = {}\nat = \"samples\"\naccess = \"read\"\n",
                settings::quoted(&self.place.path().join("samples"))
            ),
            settings::plugin("key-revoke", &packed("key-revoke"), &keys),
            settings::http("key-revoke", &key, "read = [\"GET\"]\nchange = [\"DELETE\"]"),
            settings::page(&packed("webhook"), pages, ""),
        ]
        .concat()
    }

    /// Starts the engine, on whatever the last one left.
    pub(crate) fn start_engine(&self) {
        let engine = Engine::start(
            &program("stanch").unwrap(),
            self.place.path(),
            self.listens,
            TOKEN,
        );
        *self.engine.lock().unwrap() = Some(engine.unwrap_or_else(|why| panic!("{why}")));
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill_engine(&self) {
        drop(self.engine.lock().unwrap().take());
    }

    /// What a command says to the owner of the socket, who may do everything.
    pub(crate) fn owner(&self, words: &[&str]) -> String {
        let engine = self.engine.lock().unwrap();
        engine
            .as_ref()
            .unwrap()
            .tell(words)
            .unwrap_or_else(|why| panic!("{why}"))
    }

    /// What a command says to somebody with a token.
    pub(crate) fn said_to(&self, name: &str, words: &[&str]) -> Result<String, String> {
        let engine = self.engine.lock().unwrap();
        let mut command = engine.as_ref().unwrap().command(words);
        let said = command.env("STANCH_TOKEN", token(name)).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if said.status.success() {
            Ok(text(&said.stdout))
        } else {
            Err(text(&said.stderr))
        }
    }

    /// What the API answers somebody.
    pub(crate) fn get(&self, name: &str, path: &str) -> Value {
        let bearer = format!("Bearer {}", token(name));
        let mut api = Connection::open(self.listens).unwrap();
        let headers = [("authorization", bearer.as_str())];
        let answer = api.send("GET", &format!("/api/v1{path}"), &headers, "").unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Mira starts the runbook about this prompt of Mallory's; the run.
    pub(crate) fn reported(&self, prompt: &str) -> String {
        let inputs = json!({ "prompt": prompt, "user": "mallory", "key": "k1" });
        let body = json!({ "runbook": RUNBOOK, "inputs": inputs }).to_string();
        let mut api = Connection::open(self.listens).unwrap();
        let answer = api.post("/api/v1/runs", &token("mira"), &body).unwrap();
        assert_eq!(answer.status, 201, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Waits until the run, as somebody sees it, is as is wanted.
    pub(crate) fn becomes<T>(
        &self,
        name: &str,
        run: &str,
        what: &str,
        look: impl Fn(&Value) -> Option<T>,
    ) -> T {
        let mut last = Value::Null;
        let found = until(what, || {
            last = self.get(name, &format!("/runs/{run}"));
            look(&last)
        });
        found.unwrap_or_else(|why| panic!("{why}: {last:#}"))
    }

    /// Waits for what is asked about a step.
    pub(crate) fn question(&self, run: &str, step: &str) -> Asked {
        let what = format!("the question about `{step}`");
        self.becomes("vic", run, &what, |view| {
            asked(view).filter(|asked| asked.step == step)
        })
    }

    /// Noor says something about it at the command line.
    pub(crate) fn noor_says(&self, word: &str, run: &str, step: &str) {
        let asked = self.question(run, step);
        let digest = asked.digest.unwrap_or_default();
        let mut words = vec![word, run, step];
        if !digest.is_empty() {
            words.extend(["--digest", &digest]);
        }
        self.said_to("noor", &words).unwrap_or_else(|why| panic!("{why}"));
    }

    /// The run, once it has ended.
    pub(crate) fn ended(&self, run: &str) -> String {
        self.becomes("vic", run, "the end of the run", |view| {
            ending(view).map(str::to_owned)
        })
    }

    /// The status of a chat with this prompt, as a client sends it.
    pub(crate) fn chat(&self, key: &str, prompt: &str) -> u16 {
        let body = json!({ "messages": [{ "role": "user", "content": prompt }] }).to_string();
        let bearer = format!("Bearer {key}");
        let headers = [
            ("content-type", "application/json"),
            ("authorization", bearer.as_str()),
        ];
        let mut edge = Connection::open(self.caddy.address).unwrap();
        edge.send("POST", "/v1/chat", &headers, &body).unwrap().status
    }

    /// Every byte that the engine keeps or says.
    pub(crate) fn kept(&self) -> Vec<(String, Vec<u8>)> {
        kept(self.place.path())
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        // Before the folder that it works in.
        self.kill_engine();
    }
}
