//! What the cases are made of: a server that counts, a resolver with fixed answers, a journal in memory, a session.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response as AxumResponse};
use stanch_contract::{Action, ActionState, ChangePlan, CheckedPlan, Span};
use stanch_sandbox::CallTime;
use stanch_sandbox::gate::{
    ActionLog, Apply, EarlierAction, Facilities, Grant, GrantSpec, HttpGrantSpec, Phase, Session,
    SessionParts, Stop, check_plan,
};
use stanch_sandbox::http::{HttpClients, HttpSettings, Request, Resolver, Response};
use stanch_sandbox::secret::{Secret, SecretSource};

pub(crate) const TOKEN: &str = "correct-horse-battery";

/// One request as a server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

type Answer = Arc<dyn Fn(&Got) -> AxumResponse + Send + Sync>;

/// A server on loopback that writes down what it gets.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) got: Arc<Mutex<Vec<Got>>>,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&Got) -> AxumResponse + Send + Sync + 'static) -> Self {
        let got = Arc::new(Mutex::new(Vec::new()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = app(got.clone(), Arc::new(answer));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, got }
    }

    pub(crate) async fn ok() -> Self {
        Self::start(|_| (StatusCode::OK, "fine").into_response()).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn count(&self) -> usize {
        self.got.lock().unwrap().len()
    }

    pub(crate) fn last(&self) -> Got {
        self.got.lock().unwrap().last().unwrap().clone()
    }
}

pub(crate) fn app(got: Arc<Mutex<Vec<Got>>>, answer: Answer) -> Router {
    Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
        let (got, answer) = (got.clone(), answer.clone());
        async move {
            let one = Got {
                method,
                uri,
                headers,
                body,
            };
            got.lock().unwrap().push(one.clone());
            answer(&one)
        }
    })
}

/// Names with fixed answers; each look-up takes the next, and the last stays.
#[derive(Default)]
pub(crate) struct Names(pub(crate) Mutex<BTreeMap<String, Vec<Vec<IpAddr>>>>);

impl Names {
    pub(crate) fn with(name: &str, answers: &[&[&str]]) -> Arc<Self> {
        let answers = answers
            .iter()
            .map(|ips| ips.iter().map(|ip| ip.parse().unwrap()).collect())
            .collect();
        Arc::new(Self(Mutex::new(BTreeMap::from([(name.to_owned(), answers)]))))
    }
}

#[async_trait]
impl Resolver for Names {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut names = self.0.lock().unwrap();
        let answers = names
            .get_mut(name)
            .ok_or_else(|| io::Error::other("no such name"))?;
        Ok(if answers.len() > 1 {
            answers.remove(0)
        } else {
            answers[0].clone()
        })
    }
}

struct Secrets;

impl SecretSource for Secrets {
    fn get(&self, name: &str) -> Option<Arc<Secret>> {
        (name == "token").then(|| Arc::new(Secret::new(TOKEN).unwrap()))
    }
}

type Ended = (ActionState, Option<Vec<u8>>);

/// A journal that writes down what it is told, and may say stop.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) events: Mutex<Vec<String>>,
    pub(crate) ended: Mutex<BTreeMap<u32, Ended>>,
    pub(crate) stop: Mutex<Option<String>>,
}

#[async_trait]
impl ActionLog for Log {
    async fn started(&self, action: u32) -> Result<(), Stop> {
        if let Some(reason) = self.stop.lock().unwrap().clone() {
            return Err(Stop { reason });
        }
        self.events.lock().unwrap().push(format!("started {action}"));
        Ok(())
    }

    async fn ended(&self, action: u32, state: ActionState, answer: Option<Vec<u8>>) {
        self.events
            .lock()
            .unwrap()
            .push(format!("ended {action} {}", state.as_str()));
        self.ended.lock().unwrap().insert(action, (state, answer));
    }
}

impl Log {
    pub(crate) fn events(&self) -> Vec<String> {
        self.events.lock().unwrap().clone()
    }

    /// What a second attempt is handed.
    pub(crate) fn earlier(&self) -> BTreeMap<u32, EarlierAction> {
        let ended = self.ended.lock().unwrap();
        let of = |(index, (state, answer)): (&u32, &Ended)| {
            (
                *index,
                EarlierAction {
                    state: state.clone(),
                    answer: answer.clone(),
                },
            )
        };
        ended.iter().map(of).collect()
    }
}

pub(crate) struct World {
    pub(crate) grant: Arc<Grant>,
    pub(crate) facilities: Arc<Facilities>,
    pub(crate) log: Arc<Log>,
    pub(crate) wall: Duration,
    pub(crate) calls: u32,
}

impl World {
    pub(crate) fn new(spec: GrantSpec) -> Self {
        Self::with(
            spec,
            HttpSettings {
                system_roots: false,
                resolver: Arc::new(Names::default()),
                ..Default::default()
            },
        )
    }

    pub(crate) fn with(spec: GrantSpec, settings: HttpSettings) -> Self {
        let grant = Arc::new(Grant::new("waf".into(), spec).unwrap());
        let facilities = Arc::new(Facilities {
            secrets: Arc::new(Secrets),
            http: HttpClients::new(settings).unwrap(),
            clusters: Default::default(),
            folders: Default::default(),
            time: Default::default(),
            tape: None,
        });
        Self {
            grant,
            facilities,
            log: Arc::default(),
            wall: Duration::from_secs(10),
            calls: 100,
        }
    }

    pub(crate) fn session(&self, phase: Phase) -> Session {
        Session::new(SessionParts {
            grant: self.grant.clone(),
            run: "run".into(),
            step: "step".into(),
            on: None,
            quiet: false,
            phase,
            facilities: self.facilities.clone(),
            max_calls: self.calls,
            time: CallTime::begin(
                &self.facilities.time,
                Span::from_millis(self.wall.as_millis() as i64),
            ),
        })
    }

    pub(crate) fn reading(&self) -> Session {
        self.session(Phase::Read)
    }

    pub(crate) async fn plan(&self, actions: Vec<Action>) -> CheckedPlan {
        check_plan(offer(actions), &self.grant, &self.facilities, None, false)
            .await
            .unwrap()
    }

    pub(crate) fn applying(&self, plan: CheckedPlan, earlier: BTreeMap<u32, EarlierAction>) -> Session {
        self.session(Phase::Apply(Apply {
            plan,
            earlier,
            log: self.log.clone(),
        }))
    }
}

pub(crate) fn offer(actions: Vec<Action>) -> ChangePlan {
    let null = serde_json::Value::Null;
    ChangePlan {
        summary: "one sentence".into(),
        actions,
        population: None,
        data: null.clone(),
        extra: null,
    }
}

pub(crate) fn action(verb: &str, target: &str) -> Action {
    Action {
        verb: verb.into(),
        target: target.into(),
        expect: None,
        content: None,
        items: vec![],
        reason: String::new(),
        extra: serde_json::Value::Null,
    }
}

/// A grant for what is at this URL, on loopback.
pub(crate) fn http(url: &str) -> HttpGrantSpec {
    HttpGrantSpec {
        url: url.into(),
        read: vec!["GET".into(), "HEAD".into()],
        change: vec!["POST".into(), "PUT".into(), "DELETE".into()],
        addresses: vec!["127.0.0.0/8".into()],
        ..Default::default()
    }
}

pub(crate) fn only_http(entry: HttpGrantSpec) -> GrantSpec {
    GrantSpec {
        http: vec![entry],
        ..Default::default()
    }
}

pub(crate) fn request(method: &str, url: &str) -> Request {
    Request {
        method: method.into(),
        url: url.into(),
        headers: vec![],
        body: vec![],
        timeout_ms: None,
    }
}

pub(crate) fn get(url: &str) -> Request {
    request("GET", url)
}

pub(crate) fn with_header(mut request: Request, name: &str, value: &str) -> Request {
    request.headers.push((name.into(), value.into()));
    request
}

pub(crate) fn json(method: &str, url: &str, body: &str) -> Request {
    let mut request = with_header(request(method, url), "content-type", "application/json");
    request.body = body.as_bytes().to_vec();
    request
}

pub(crate) fn text(response: &Response) -> String {
    String::from_utf8(response.body.clone()).unwrap()
}

/// Which layer refused, from what the plugin gets.
pub(crate) fn layer(failure: &stanch_contract::Failure) -> &str {
    failure
        .extra
        .get("layer")
        .and_then(|layer| layer.as_str())
        .unwrap_or_else(|| panic!("not a refusal: {failure}"))
}
