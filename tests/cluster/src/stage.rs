//! The stage of one test: its pods, their metrics, who watches them, the engine, and the person at the command line.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use stanch_outside::alertmanager::{notification, now};
use stanch_outside::control::Control;
use stanch_outside::http::{Connection, Server, free_port};
use stanch_outside::run::{Asked, asked, ending};
use stanch_outside::serve::{Engine, program};
use stanch_parts::{Alertmanager, Metrics, Place, Prometheus, Space, alertmanager, prometheus, until};

use crate::kept;
use crate::setting::{Around, Setting, TOKEN};

/// Requests that a pod has accepted and not answered.
const WAITING: &str = "requests_waiting";

/// Every part of it is running.
#[derive(Debug)]
pub struct Stage<'a> {
    /// The pods.
    pub space: &'a Space<'a>,
    /// What Prometheus scrapes.
    pub metrics: Metrics,
    /// What fires.
    pub prometheus: Prometheus,
    /// What posts.
    pub alertmanager: Alertmanager,
    runbook: String,
    pages: Arc<Mutex<Vec<Value>>>,
    control: Control,
    listens: SocketAddr,
    engine: Mutex<Option<Engine>>,
    place: Place,
}

/// What differs from one stage to the next, but for the engine's settings.
#[derive(Debug, Clone, Copy)]
pub struct Scenery<'a> {
    /// The runbook's name, and its text.
    pub runbook: &'a (String, String),
    /// The rules of Prometheus.
    pub rules: &'a str,
    /// What Alertmanager groups alerts by.
    pub groups: &'a [&'a str],
    /// What Prometheus scrapes besides the stage's own metrics.
    pub scraped: &'a [SocketAddr],
}

impl<'a> Stage<'a> {
    /// Starts it: Prometheus with these rules, and the engine with this setting.
    ///
    /// # Panics
    /// Where a part does not start.
    pub fn start(space: &'a Space<'a>, rules: &str, setting: &Setting) -> Self {
        Self::set(
            space,
            &Scenery {
                runbook: &setting.runbook,
                rules,
                groups: &["alertname", "namespace"],
                scraped: &[],
            },
            |around| setting.settings(around),
        )
    }

    /// Starts it with this scenery, and the engine with what `settings` makes of where everything is.
    ///
    /// # Panics
    /// Where a part does not start.
    pub fn set(
        space: &'a Space<'a>,
        scenery: &Scenery<'_>,
        settings: impl FnOnce(&Around<'_>) -> String,
    ) -> Self {
        let pages: Arc<Mutex<Vec<Value>>> = Arc::default();
        let came = Arc::clone(&pages);
        let pager = Server::open(move |request| {
            let page = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
            came.lock().unwrap_or_else(PoisonError::into_inner).push(page);
            (200, String::new())
        });
        let metrics = Metrics::open().unwrap();
        let listens = free_port().unwrap();
        let hook = format!("http://{listens}/alerts/alertmanager");
        let config = alertmanager::config(&hook, TOKEN, scenery.groups);
        let alertmanager = Alertmanager::start(&config).unwrap();
        let scraped = [scenery.scraped, &[metrics.address]].concat();
        let config = prometheus::config(&scraped, Some(alertmanager.address));
        let prometheus = Prometheus::start(&config, scenery.rules).unwrap();
        let place = Place::new("stage").unwrap();
        let around = Around {
            listens,
            namespace: space.name(),
            prometheus: prometheus.address,
            pages: pager.unwrap().address,
        };
        place.write("stanch.toml", settings(&around)).unwrap();
        let (runbook, text) = scenery.runbook;
        place.write(&format!("runbooks/{runbook}.toml"), text).unwrap();
        let stage = Self {
            space,
            metrics,
            prometheus,
            alertmanager,
            runbook: runbook.clone(),
            pages,
            control: Control::of(&place.path().join("data")),
            listens,
            engine: Mutex::new(None),
            place,
        };
        stage.start_engine();
        stage
    }

    /// Starts the engine, on whatever the last one left, and waits until it is ready.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start_engine(&self) {
        let folder = self.place.path();
        let engine = Engine::start(&program("stanch").unwrap(), folder, self.listens, TOKEN);
        *self.locked() = Some(engine.unwrap_or_else(|why| panic!("{why}")));
    }

    /// Kills the engine with SIGKILL.
    pub fn kill_engine(&self) {
        drop(self.locked().take());
    }

    /// What a command of the engine says, where it is done.
    ///
    /// # Panics
    /// Where it is not.
    pub fn tell(&self, words: &[&str]) -> String {
        let engine = self.locked();
        let engine = engine.as_ref().expect("a running engine");
        engine.tell(words).unwrap_or_else(|why| panic!("{why}"))
    }

    /// Every byte that the engine keeps or says.
    ///
    /// # Panics
    /// Where that cannot be read.
    pub fn kept(&self) -> Vec<(String, Vec<u8>)> {
        kept(self.place.path())
    }

    /// Pods accept requests and answer none: the metric says so from now on.
    pub fn hang(&self, pods: &[String]) {
        for pod in pods {
            self.metrics.set(&self.series(pod), 9.0);
        }
    }

    /// Pods answer.
    pub fn answer(&self, pods: &[String]) {
        for pod in pods {
            self.metrics.set(&self.series(pod), 0.0);
        }
    }

    fn series(&self, pod: &str) -> String {
        format!("{WAITING}{{namespace=\"{}\",pod=\"{pod}\"}}", self.space.name())
    }

    /// Posts an alert about a pod, as Alertmanager would.
    ///
    /// # Panics
    /// Where it is not taken.
    pub fn post(&self, alert: &str, pod: &str, firing: bool) {
        let labels = [
            ("namespace", self.space.name()),
            ("pod", pod),
            ("severity", "high"),
        ];
        let body = notification(alert, &labels, firing, &now().unwrap()).to_string();
        let answer = Connection::open(self.listens)
            .and_then(|mut engine| engine.post("/alerts/alertmanager", TOKEN, &body))
            .unwrap();
        assert_eq!(answer.status, 202, "{}", answer.body);
    }

    /// The runs that there are, the newest first.
    pub fn runs(&self) -> Vec<String> {
        let runs = self
            .control
            .get(&format!("/runs?runbook={}&limit=1000", self.runbook));
        let runs = runs.and_then(|runs| runs.as_array().cloned()).unwrap_or_default();
        let id = |run: &Value| run["id"].as_str().map(str::to_owned);
        runs.iter().filter_map(id).collect()
    }

    /// The run of the alert, once there is one.
    ///
    /// # Panics
    /// Where the alert starts none.
    pub fn run(&self) -> String {
        let run = until("a run", || self.runs().into_iter().next());
        run.unwrap_or_else(|why| panic!("{why}: Prometheus fires {:?}", self.prometheus.firing()))
    }

    /// A run, whole.
    pub fn view(&self, run: &str) -> Option<Value> {
        self.control.get(&format!("/runs/{run}"))
    }

    /// Waits until a run is as is wanted. Pods that are gone report nothing any more.
    ///
    /// # Panics
    /// Where it does not come to be so.
    pub fn becomes<T>(&self, run: &str, what: &str, look: impl Fn(&Value) -> Option<T>) -> T {
        let mut last = Value::Null;
        let found = until(what, || {
            self.forget();
            last = self.view(run)?;
            look(&last)
        });
        found.unwrap_or_else(|why| panic!("{why}: {last:#}"))
    }

    /// What a person is asked, once that is so.
    ///
    /// # Panics
    /// Where nobody is asked.
    pub fn question(&self, run: &str) -> Asked {
        self.becomes(run, "a question", asked)
    }

    /// Says yes at the command line.
    ///
    /// # Panics
    /// Where that is not taken.
    pub fn approve(&self, run: &str, asked: &Asked) {
        let engine = self.locked();
        let engine = engine.as_ref().expect("a running engine");
        asked
            .answer(engine, run, true)
            .unwrap_or_else(|why| panic!("{why}"));
    }

    /// The run, once it has ended, and how.
    ///
    /// # Panics
    /// Where it does not end.
    pub fn ended(&self, run: &str) -> (String, Value) {
        self.becomes(run, "the end of the run", |view| {
            Some((ending(view)?.to_owned(), view.clone()))
        })
    }

    /// What people were told, in order.
    pub fn pages(&self) -> Vec<Value> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn forget(&self) {
        let Some(pods) = self.space.pods("") else { return };
        let alive: Vec<&str> = pods
            .iter()
            .filter_map(|pod| pod["metadata"]["name"].as_str())
            .collect();
        self.metrics.retain(|series| {
            let pod = series
                .split("pod=\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next());
            pod.is_none_or(|pod| alive.contains(&pod))
        });
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Option<Engine>> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        // Before the folder that it works in.
        self.kill_engine();
    }
}
