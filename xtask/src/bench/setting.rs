//! The engine as it is measured: the guardrails raised, so that it is the engine that is measured and not its patience.

use std::net::SocketAddr;
use std::path::Path;

use stanch_outside::serve::Scratch;

use super::figure::Goal;

/// What the intake is told.
pub(super) const TOKEN: &str = "a-token-for-the-bench-only";

/// The token of who looks.
pub(super) const VIEWER: &str = "a-token-of-one-who-looks-only";
/// Its SHA-256, as stanch.toml has it.
const VIEWER_SHA256: &str = "45543b24e1e64334a78703d13d432aa3b019ee74c03cf32170453e5eafede386";

/// Installed plugins.
const PLUGINS: u8 = 10;

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing: ten plugins and a hundred runbooks that nothing fits.
    Idle,
    /// Three checks.
    Checks,
    /// One check, and one change: plan, apply with one HTTP action, verify.
    Change,
    /// One check, and a question about that change, which nobody answers.
    Asked,
}

/// What is to be reached.
pub(super) struct Goals {
    pub(super) probes: Goal,
    pub(super) rate: Goal,
    pub(super) cpu: Goal,
    pub(super) flushes: Goal,
}

impl Kind {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Idle => "nothing to do",
            Self::Checks => "three checks",
            Self::Change => "one check and one change",
            Self::Asked => "one check and one question",
        }
    }

    pub(super) fn goals(self) -> Goals {
        let goals = |probes, rate, cpu, flushes| Goals {
            probes: Goal::AtMost(probes, "probes"),
            rate: Goal::AtLeast(rate, "/s"),
            cpu: Goal::AtMost(cpu, "ms"),
            flushes: Goal::AtMost(flushes, ""),
        };
        match self {
            Self::Idle | Self::Checks => goals(15.0, 2_500.0, 0.3, 0.6),
            Self::Change | Self::Asked => goals(25.0, 800.0, 1.0, 1.5),
        }
    }

    fn runbook(self, effects: SocketAddr) -> String {
        let check = |id: &str| {
            format!(
                "[[diagnosis]]\nid = \"{id}\"\nask = \"Is it so?\"\nuses = \"disk-usage-0\"\nwith = {{ folder = \"scratch\", above = 0.0 }}\n"
            )
        };
        let mode = if self == Self::Asked { "ask" } else { "auto" };
        let head = format!(
            "name = \"bench\"\ntitle = \"Bench\"\nowner = \"nobody\"\nmode = \"{mode}\"\n[trigger]\nalert = \"Bench\"\n\
                    group_by = [\"instance\"]\n[impact]\nseverity = \"low\"\nsummary = \"None.\"\n"
        );
        match self {
            Self::Idle => String::new(),
            Self::Checks => format!("{head}{}{}{}", check("a"), check("b"), check("c")),
            // Each run has a target of its own: those of one target wait for its lock, one after another.
            Self::Change | Self::Asked => format!(
                "{head}{}[[mitigation]]\nid = \"act\"\ndo = \"Act once\"\nwhen = \"diagnosis.a.yes\"\nuses = \"effect\"\n\
                 with = {{ url = \"http://{effects}/${{alert.labels.instance}}\" }}\n",
                check("a")
            ),
        }
    }
}

/// Everything that the engine reads.
pub(super) struct Setting<'a> {
    pub(super) target: &'a Path,
    pub(super) listens: SocketAddr,
    pub(super) effects: SocketAddr,
    pub(super) kind: Kind,
}

impl Setting<'_> {
    /// Writes it.
    pub(super) fn write(&self, scratch: &Scratch) -> std::io::Result<()> {
        let plugin = std::fs::read(self.target.join("plugins/disk-usage.wasm"))?;
        for n in 0..PLUGINS {
            // A custom section of its own makes each another plugin; the same one would be compiled and held once.
            let mut other = plugin.clone();
            other.extend([0, 3, 1, b'n', n]);
            scratch.write(&format!("plugins/disk-usage-{n}.wasm"), &other)?;
        }
        // Not beside stanch.toml, whose folder is watched: the system would tell of every look into it.
        scratch.write("granted/scratch/keep", "")?;
        match self.kind {
            Kind::Idle => {
                for n in 0..100 {
                    let text = Kind::Checks
                        .runbook(self.effects)
                        .replace("\"bench\"", &format!("\"bench-{n}\""));
                    let text = text.replace("alert = \"Bench\"", &format!("alert = \"Other{n}\""));
                    scratch.write(&format!("runbooks/bench-{n}.toml"), &text)?;
                }
            }
            kind => scratch.write("runbooks/bench.toml", kind.runbook(self.effects))?,
        }
        scratch.write("stanch.toml", self.settings(scratch.path()))
    }

    fn settings(&self, folder: &Path) -> String {
        let quoted = |path: &Path| serde_json::Value::from(path.to_string_lossy()).to_string();
        let (listens, effects) = (self.listens, self.effects);
        let mut text = format!(
            "[server]\nlisten = \"{listens}\"\n[store]\npath = \"data\"\nreserve = \"1MiB\"\n\
             [[runbooks]]\npath = \"runbooks\"\nteam = \"bench\"\nplugins = [\"*\"]\nmax_mode = \"auto\"\n\
             [secrets]\nalertmanager = {{ env = \"ALERTMANAGER_TOKEN\" }}\n\
             [[intake]]\nkind = \"alertmanager\"\npath = \"/alerts/alertmanager\"\n\
             auth = {{ bearer = \"${{secret:alertmanager}}\" }}\n\
             [[users]]\nname = \"viewer\"\ntoken_sha256 = \"{VIEWER_SHA256}\"\nrole = \"viewer\"\n\
             [guardrails]\nactions = \"1000000/1s\"\nmax_open = 1000000\n\
             storm = {{ alerts = 1000000000, within = \"1m\" }}\n"
        );
        let scratch = quoted(&folder.join("granted/scratch"));
        for n in 0..PLUGINS {
            let usage = quoted(&folder.join(format!("plugins/disk-usage-{n}.wasm")));
            text.push_str(&format!(
                "[plugins.disk-usage-{n}]\nsource = {usage}\n[[plugins.disk-usage-{n}.grant.files]]\n\
                 path = {scratch}\nat = \"scratch\"\naccess = \"read\"\n"
            ));
        }
        let effect = quoted(&self.target.join("guests/effect-once.wasm"));
        text.push_str(&format!(
            "[plugins.effect]\nsource = {effect}\n[[plugins.effect.grant.http]]\nurl = \"http://{effects}/**\"\n\
             read = [\"GET\"]\nchange = [\"POST\", \"DELETE\"]\naddresses = [\"127.0.0.1/32\"]\n"
        ));
        text
    }
}
