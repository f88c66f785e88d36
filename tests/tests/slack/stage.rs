//! An engine with a runbook that removes old files, a channel of Slack and a plugin that tells people.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use stanch_outside::run::asked;
use stanch_outside::serve::{Engine, Scratch, program};
use stanch_tests::{Server, disk, packed, sandbox};

use super::workspace::{APP_TOKEN, Message, SIGNING, TOKEN, Workspace};

const RUNBOOK: &str = r#"
name = "disk-full"
title = "A disk is almost full"
owner = "platform-oncall"
[trigger]
alert = "DiskFull"
group_by = ["instance"]
[impact]
severity = "high"
summary = "Writes fail next. What is on the disk is safe."
[[diagnosis]]
id = "scratch_large"
ask = "Do scratch files take much of it?"
uses = "disk-usage"
with = { folder = "scratch", larger_than = "100KiB" }
CHECK
[[mitigation]]
id = "clean"
do = "Remove old scratch files"
when = "diagnosis.scratch_large.yes"
uses = "disk-cleanup"
with = { folder = "scratch", pattern = "*.log", older_than = "1d" }
[mitigation.approval]
ask = "Remove old scratch files for good?"
APPROVAL
[recovery]
stable_for = "1s"
trust = "alert"
"#;

/// A check whose answer has a curve, which rises for as long as time does.
const CURVE: &str = r#"[[diagnosis]]
id = "filling"
ask = "Does it fill up?"
uses = "prometheus"
with = { query = "time() - 1700000000", above = 1.0, range = "10m", step = "1m" }
"#;

/// What a stage has besides the usual.
#[derive(Default)]
struct More {
    runbook: Option<String>,
    check: String,
    settings: String,
    server: &'static str,
    plugins: &'static [&'static str],
}

pub(crate) struct Stage {
    pub(crate) slack: Workspace,
    pub(crate) url: String,
    scratch: Scratch,
    listens: SocketAddr,
    engine: Option<Engine>,
    hook: Server,
}

/// Waits for it.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{what} did not come")
}

impl Stage {
    /// With more of the step's `approval`, and more channels.
    pub(crate) async fn new(approval: &str, channels: &str) -> Self {
        Self::with_trouble(approval, channels, &[]).await
    }

    /// The same, with a Slack that answers so at first.
    pub(crate) async fn with_trouble(
        approval: &str,
        channels: &str,
        trouble: &[(u16, Option<u32>, &'static str)],
    ) -> Self {
        Self::made(
            approval,
            channels,
            trouble,
            "signing = \"${secret:slack_signing}\"",
        )
        .await
    }

    /// With one more check, whose answer has a curve: from a Prometheus. And with an address of its pages.
    pub(crate) async fn with_a_curve(approval: &str, prometheus: &str) -> Self {
        let more = More {
            runbook: None,
            check: CURVE.to_owned(),
            settings: format!(
                "[plugins.prometheus]\nsource = \"plugins/prometheus-query.wasm\"\nsettings = {{ url = \"{prometheus}\" }}\n\
                 [[plugins.prometheus.grant.http]]\nurl = \"{prometheus}/api/v1/*\"\nread = [\"GET\"]\n\
                 addresses = [\"127.0.0.1/32\"]\n"
            ),
            server: "public = \"https://stanch.example\"\n",
            plugins: &["prometheus-query"],
        };
        let way = "signing = \"${secret:slack_signing}\"";
        Self::made_with(approval, "", &[], way, more).await
    }

    /// With another runbook in the place of the usual one, for the same alert, and more of stanch.toml.
    pub(crate) async fn with_runbook(
        runbook: &str,
        channels: &str,
        settings: &str,
        plugins: &'static [&'static str],
    ) -> Self {
        let more = More {
            runbook: Some(runbook.to_owned()),
            settings: settings.to_owned(),
            plugins,
            ..More::default()
        };
        Self::made_with("", channels, &[], "signing = \"${secret:slack_signing}\"", more).await
    }

    /// Every message in the channels that is about this.
    pub(crate) fn about(&self, text: &str) -> Vec<Message> {
        let all = self.slack.questions().into_iter();
        all.filter(|message| message.blocks.to_string().contains(text))
            .collect()
    }

    /// What this message says by now. Two messages come in any order, and one may name what the other asks.
    pub(crate) fn says(&self, message: &Message) -> String {
        let all = self.slack.questions().into_iter();
        let mut same = all.filter(|other| (&other.channel, &other.ts) == (&message.channel, &message.ts));
        same.next().unwrap().blocks.to_string()
    }

    /// Waits until this is said below a message.
    pub(crate) fn said_below(&self, message: &Message, text: &str) {
        until(text, || {
            let thread = self.slack.thread(&message.ts);
            thread.iter().any(|said| said.contains(text)).then_some(())
        });
    }

    /// With Socket Mode, and no way in.
    pub(crate) async fn over_a_socket(approval: &str) -> Self {
        Self::made(approval, "", &[], "app_token = \"${secret:slack_app}\"").await
    }

    async fn made(
        approval: &str,
        channels: &str,
        trouble: &[(u16, Option<u32>, &'static str)],
        way: &str,
    ) -> Self {
        Self::made_with(approval, channels, trouble, way, More::default()).await
    }

    async fn made_with(
        approval: &str,
        channels: &str,
        trouble: &[(u16, Option<u32>, &'static str)],
        way: &str,
        more: More,
    ) -> Self {
        let slack = Workspace::start().await;
        slack.trouble(trouble);
        let hook = Server::start(|_| (200, String::new())).await;
        let scratch = Scratch::new("slack").unwrap();
        let sandbox = sandbox();
        for plugin in ["disk-usage", "disk-cleanup", "webhook"]
            .iter()
            .chain(more.plugins)
        {
            let bytes = packed(&sandbox, plugin).await;
            scratch.write(&format!("plugins/{plugin}.wasm"), bytes).unwrap();
        }
        scratch.write("files/new.log", "new").unwrap();
        fs::create_dir(scratch.path().join("others")).unwrap();
        scratch.write("slack-token", TOKEN).unwrap();
        scratch.write("slack-signing", SIGNING).unwrap();
        scratch.write("slack-app", APP_TOKEN).unwrap();
        let usual = || {
            RUNBOOK
                .replace("APPROVAL", approval)
                .replace("CHECK\n", &more.check)
        };
        let runbook = more.runbook.clone().unwrap_or_else(usual);
        scratch.write("runbooks/disk-full.toml", runbook).unwrap();
        let instance = |instance: &str, status: &str| {
            json!({
                "name": "DiskFull", "fingerprint": instance, "status": status, "starts_at": "2026-11-24T00:00:00Z",
                "labels": { "alertname": "DiskFull", "instance": instance },
            })
            .to_string()
        };
        let hostile = "<!channel> <@U0DANA> <https://evil.example|approve>";
        for (name, instance) in [
            ("firing", instance("node-1", "firing")),
            ("resolved", instance("node-1", "resolved")),
            ("hostile", instance(hostile, "firing")),
        ] {
            scratch.write(&format!("{name}.json"), instance).unwrap();
        }
        let listens = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let channels = if channels.is_empty() {
            String::new()
        } else {
            format!(", {channels}")
        };
        let settings = settings(scratch.path(), listens, (&slack.api, way), &hook.url, &channels);
        let settings = settings.replacen("[store]", &format!("{}[store]", more.server), 1) + &more.settings;
        scratch.write("stanch.toml", settings).unwrap();
        let mut stage = Self {
            slack,
            url: format!("http://{listens}"),
            scratch,
            listens,
            engine: None,
            hook,
        };
        for name in ["old-1.log", "old-2.log"] {
            stage.old_file(name);
        }
        stage.start();
        stage
    }

    fn start(&mut self) {
        let stanch = program("stanch").unwrap();
        self.engine = Some(Engine::start(&stanch, self.scratch.path(), self.listens, "unused").unwrap());
    }

    /// Ends the engine as an operator would, and starts it again.
    pub(crate) fn restart(&mut self) {
        self.engine.take().unwrap().stop().unwrap();
        self.start();
    }

    /// Puts an old file into the folder.
    pub(crate) fn old_file(&self, name: &str) {
        disk::old_file(&self.scratch, name, 100_000);
    }

    /// How many files are in the folder.
    pub(crate) fn files(&self) -> usize {
        fs::read_dir(self.scratch.path().join("files")).unwrap().count()
    }

    /// An alert comes in; gives the newest run.
    pub(crate) fn alert(&self, name: &str) -> String {
        self.tell(&["alert", &format!("{name}.json")]);
        let runs: Value = serde_json::from_str(&self.tell(&["--json", "runs"])).unwrap();
        runs[0]["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn run(&self, run: &str) -> Value {
        serde_json::from_str(&self.tell(&["--json", "runs", "show", run])).unwrap()
    }

    /// Waits until the run's change is so far.
    pub(crate) fn step_is(&self, run: &str, state: &str) {
        until(state, || {
            (self.run(run)["steps"][0]["state"] == state).then_some(())
        });
    }

    /// Waits until the run has ended so.
    pub(crate) fn ends(&self, run: &str, ending: &str) {
        until(ending, || (self.run(run)["ending"] == ending).then_some(()));
    }

    /// Waits until the first question's message says this.
    pub(crate) fn message_says(&self, text: &str) {
        let says = || self.slack.questions()[0].blocks.to_string().contains(text);
        until(text, || says().then_some(()));
    }

    /// The newest run, once there is one.
    pub(crate) fn newest(&self) -> String {
        until("a run", || {
            let runs: Value = serde_json::from_str(&self.tell(&["--json", "runs"])).unwrap();
            runs[0]["id"].as_str().map(str::to_owned)
        })
    }

    /// Waits until the audit has all of this: what did not count is written a moment after it was said.
    pub(crate) fn audited(&self, texts: &[&str]) {
        until(&format!("{texts:?} in the audit"), || {
            let audit = self.tell(&["audit", "list"]);
            texts.iter().all(|text| audit.contains(text)).then_some(())
        });
    }

    /// The plan that is asked about.
    pub(crate) fn digest(&self, run: &str) -> String {
        until("the question", || asked(&self.run(run))).digest.unwrap()
    }

    /// The first message in Slack.
    pub(crate) fn question(&self) -> Message {
        until("the question in Slack", || {
            self.slack.questions().first().cloned()
        })
    }

    /// What the webhook was told.
    pub(crate) fn told(&self) -> Vec<Value> {
        let received = self.hook.received();
        received
            .iter()
            .map(|told| serde_json::from_slice(&told.body).unwrap())
            .collect()
    }

    /// What a command says that is done.
    pub(crate) fn tell(&self, words: &[&str]) -> String {
        let output = self.output(None, words);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command of somebody says, done or not.
    pub(crate) fn said(&self, token: Option<&str>, words: &[&str]) -> String {
        let output = self.output(token, words);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    fn output(&self, token: Option<&str>, words: &[&str]) -> std::process::Output {
        let mut command = self.engine.as_ref().unwrap().command(words);
        command.current_dir(self.scratch.path());
        if let Some(token) = token {
            command.env("STANCH_TOKEN", token);
        }
        command.output().unwrap()
    }
}

fn settings(
    folder: &Path,
    listens: SocketAddr,
    (api, way): (&str, &str),
    hook: &str,
    channels: &str,
) -> String {
    let files = folder.join("files");
    let grant = |plugin: &str, access: &str| {
        format!(
            "[plugins.{plugin}]\nsource = \"plugins/{plugin}.wasm\"\n[[plugins.{plugin}.grant.files]]\n\
             path = {files:?}\nat = \"scratch\"\naccess = \"{access}\"\n"
        )
    };
    let user = |name: &str, slack: &str, groups: &str| {
        let token = hex::encode(Sha256::digest(format!("{name}'s token")));
        format!(
            "[[users]]\nname = \"{name}\"\ntoken_sha256 = \"{token}\"\nslack = \"{slack}\"\ngroups = [{groups}]\n\
             role = \"approver\"\n"
        )
    };
    [
        format!("[server]\nlisten = \"{listens}\"\n[store]\npath = \"data\"\nreserve = \"1MiB\"\n"),
        "[[intake]]\nkind = \"alertmanager\"\npath = \"/alerts/alertmanager\"\n".to_owned(),
        "[[runbooks]]\npath = \"runbooks\"\nteam = \"platform\"\nplugins = [\"*\"]\nmax_mode = \"auto\"\n".to_owned(),
        "[[runbooks]]\npath = \"others\"\nteam = \"web\"\n".to_owned(),
        "[secrets]\nslack_token = { file = \"slack-token\" }\nslack_signing = { file = \"slack-signing\" }\nslack_app = { file = \"slack-app\" }\n".to_owned(),
        format!(
            "[slack]\ntoken = \"${{secret:slack_token}}\"\n{way}\napi = \"{api}\"\n\
             addresses = [\"127.0.0.1/32\"]\n"
        ),
        format!("[approvals]\nchannels = [\"slack:#incidents\"{channels}]\nnext_after = \"1s\"\n"),
        user("dana", "U0DANA", "\"sre\""),
        user("kim", "U0KIM", "\"sre\""),
        user("eli", "U0ELI", ""),
        user("zoe", "U0ZOE", "\"sre\"") + "teams = [\"web\"]\n",
        grant("disk-usage", "read"),
        grant("disk-cleanup", "change"),
        format!(
            "[plugins.tell]\nsource = \"plugins/webhook.wasm\"\nsettings = {{ url = \"{hook}/tell\" }}\n\
             [[plugins.tell.grant.notify]]\nurl = \"{hook}/tell\"\naddresses = [\"127.0.0.1/32\"]\n"
        ),
    ]
    .concat()
}
