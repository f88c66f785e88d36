//! The demo's city: two regions of an AI service behind a router, an assistant that a provider's model answers for, users who never
//! stop asking, a flag, a status page, a chat behind a WAF with its keys and one who abuses it, workers in pods, a folder of scratch
//! files, and who watches all that. Ordinary HTTP services on loopback, in a process of their own; nothing of the engine is in it.
//!
//! `stanch-city ENGINE FOLDER` tells the engine at that address of its alerts, with the token in `ALERTMANAGER_TOKEN`. It says in
//! one line of JSON where everything is, and ends when its standard input does.

mod folder;
mod keeper;
mod mallory;
mod pods;
mod region;
mod router;
mod users;
mod waf;
mod watch;

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use stanch_city::{Assistant, Document, Keys, Model};
use stanch_outside::http::{Message, Server};

use keeper::Keeper;
use mallory::Mallory;
use pods::Pods;
use region::Region;
use router::Router;
use users::Noticed;
use waf::Waf;
use watch::Rule;

/// Slower than this is bad.
const PATIENCE: Duration = Duration::from_secs(1);
/// More than this in the folder is bad.
const ROOM: u64 = 32 << 20;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [engine, folder] = arguments.as_slice() else {
        eprintln!("stanch-city ENGINE FOLDER");
        return ExitCode::from(2);
    };
    let keeper = Arc::new(Keeper::default());
    let token = std::env::var("ALERTMANAGER_TOKEN").unwrap_or_default();
    let opened = engine
        .parse()
        .map_err(std::io::Error::other)
        .and_then(|engine| City::open(engine, Path::new(folder), &token, &keeper));
    match opened {
        Ok(places) => println!("{places}"),
        Err(why) => {
            eprintln!("the city cannot be opened: {why}");
            return ExitCode::FAILURE;
        }
    }
    // Until whoever started it ends.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    keeper.end();
    ExitCode::SUCCESS
}

struct City {
    eu: Region,
    us_east: Region,
    router: Router,
    noticed: Noticed,
    provider: Model,
    flag: Document,
    page: Document,
    searched: Noticed,
    keys: Keys,
    waf: Waf,
    mallory: Mallory,
    pods: Pods,
    completed: Noticed,
    folder: PathBuf,
    keeper: Arc<Keeper>,
    fires: [(&'static str, Arc<AtomicBool>); 4],
}

impl City {
    /// Opens all of it; says where it is.
    fn open(engine: SocketAddr, folder: &Path, token: &str, keeper: &Arc<Keeper>) -> std::io::Result<Value> {
        let (eu, us_east) = (Region::open("eu")?, Region::open("us-east")?);
        let router = Router::open(&[eu.address, us_east.address], &[1, 0])?;
        std::fs::create_dir_all(folder)?;
        let noticed = Noticed::of(8, router.address, "/v1/generate");
        let (provider, local) = (Model::open("provider")?, Model::open("local")?);
        let flag = Document::open(json!({ "value": false, "owner": "platform" }))?;
        let page = Document::open(json!({ "text": "" }))?;
        let read = flag.clone();
        let local_only = move || read.body().get("value") == Some(&json!(true));
        let assistant = Assistant::open(provider.address, local.address, local_only)?;
        let keys = Keys::open(&[mallory::KEY])?;
        let waf = Waf::open(keys.chat)?;
        let mallory = Mallory::at(waf.address);
        let searched = Noticed::of(4, assistant.address, "/v1/search");
        let pods = Pods::open()?;
        let completed = Noticed::of(4, pods.front, "/v1/complete");
        let (slow, full, watched) = (noticed.clone(), folder.to_owned(), assistant.clone());
        let workers = pods.clone();
        let rules = [
            Rule {
                alert: "HighLatency_Cluster_B",
                labels: &[("cluster", "b"), ("region", "eu"), ("severity", "warning")],
                // Without traffic nobody waits, so that a quiet alert proves nothing.
                is_bad: Box::new(move || {
                    let (_, slowest) = slow.of_region("eu");
                    slowest.is_some_and(|slowest| slowest > PATIENCE)
                }),
            },
            Rule {
                alert: "DiskFull",
                labels: &[
                    ("instance", "demo:9100"),
                    ("mountpoint", "/var/tmp/app"),
                    ("severity", "high"),
                ],
                is_bad: Box::new(move || folder::held(&full) > ROOM),
            },
            Rule {
                alert: "ProviderOutage",
                labels: &[("provider", "acme"), ("severity", "critical")],
                // In fallback it is asked nothing, so that here too a quiet alert proves nothing.
                is_bad: Box::new(move || watched.provider_fails()),
            },
            Rule {
                alert: "GPUWorkerHangs",
                labels: &[
                    ("namespace", "inference"),
                    ("app", "llm"),
                    ("pod", pods::HANGS),
                    ("severity", "high"),
                ],
                is_bad: Box::new(move || workers.is_zombie()),
            },
        ];
        let places = json!({
            "eu": eu.address.to_string(),
            "us_east": us_east.address.to_string(),
            "router": router.address.to_string(),
            "admin": router.admin.to_string(),
            "assistant": assistant.address.to_string(),
            "provider": provider.address.to_string(),
            "local": local.address.to_string(),
            "flag": flag.address.to_string(),
            "page": page.address.to_string(),
            "keys": keys.address.to_string(),
            "waf": waf.admin.to_string(),
            "workers": pods.front.to_string(),
            "cluster": pods.api.to_string(),
            "cluster_token": pods::TOKEN,
        });
        let fires = rules.map(|rule| (rule.alert, watch::by(rule, engine, token.to_owned())));
        let city = Self {
            eu,
            us_east,
            router,
            noticed,
            provider,
            flag,
            page,
            searched,
            keys,
            waf,
            mallory,
            pods,
            completed,
            folder: folder.to_owned(),
            keeper: Arc::clone(keeper),
            fires,
        };
        let control = Server::open(move |request| city.told(request))?;
        let mut places = places;
        if let Some(places) = places.as_object_mut() {
            places.insert("control".to_owned(), json!(control.address.to_string()));
        }
        Ok(places)
    }

    /// The buttons, and what they do.
    fn told(&self, request: &Message) -> (u16, String) {
        match request.asked() {
            ("GET", "/state") => return (200, self.state().to_string()),
            ("POST", "/keep") => {
                if let Err(why) = self.keeper.told(&request.body) {
                    return (400, why);
                }
            }
            ("POST", "/break/latency") => self.eu.hangs(true),
            ("POST", "/mend/latency") => self.eu.hangs(false),
            ("POST", "/break/provider") => self.provider.set_down(true),
            ("POST", "/mend/provider") => self.provider.set_down(false),
            // What is said is the prompt: somebody has to report it.
            ("POST", "/break/toxic") => {
                self.keys.issue(mallory::KEY);
                self.mallory.begins();
                return (200, mallory::PROMPT.to_owned());
            }
            ("POST", "/break/pod") => self.pods.hang(),
            ("POST", "/break/disk-full") => {
                if let Err(why) = folder::filled(&self.folder) {
                    return (500, why.to_string());
                }
            }
            _ => return (404, "not in this city".to_owned()),
        }
        (200, String::new())
    }

    fn state(&self) -> Value {
        let shares = self.router.shares();
        let regions = [("eu", &self.eu), ("us-east", &self.us_east)];
        let regions: Vec<Value> = regions
            .iter()
            .zip(shares)
            .map(|((name, region), share)| {
                let (answered, slowest) = self.noticed.of_region(name);
                json!({
                    "name": name,
                    "share": share,
                    "answered": answered,
                    "slowest_ms": slowest.map(|slowest| u64::try_from(slowest.as_millis()).unwrap_or(u64::MAX)),
                    "hangs": region.is_hung(),
                })
            })
            .collect();
        let fires = self
            .fires
            .iter()
            .filter(|(_, fires)| fires.load(Ordering::SeqCst));
        let pods: Vec<Value> = self
            .pods
            .seen()
            .into_iter()
            .map(|pod| {
                json!({ "name": pod.name, "ready": pod.ready, "hangs": pod.hangs, "answered": pod.answered })
            })
            .collect();
        json!({
            "regions": regions,
            "pods": pods,
            "dropped": self.noticed.failed() + self.completed.failed(),
            "provider_down": self.provider.is_down(),
            "local_only": self.flag.body().get("value"),
            "searches_failed": self.searched.failed_of_late(),
            "banner": self.page.body().get("text"),
            "mallory": self.mallory.gets(),
            "key_valid": self.keys.has(mallory::KEY),
            "blocklist": self.waf.seen().0,
            "blocked": self.waf.seen().1,
            "folder_mib": folder::held(&self.folder) >> 20,
            "alerts": fires.map(|(alert, _)| *alert).collect::<Vec<_>>(),
        })
    }
}
