//! The command line's grammar.

mod plugin;

use std::path::PathBuf;

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use stanch_contract::{Digest, Span, Verdict};
use stanch_service::audit::Link;
use stanch_service::control::types::PauseScope;

pub use self::plugin::{
    BuildPlugin, DevPlugin, KindWord, LanguageWord, NewPlugin, Plugin, Rbac, Record, RunPlugin, TestPlugin,
};
use crate::client::Server;
use crate::error::EXITS;

/// A WebAssembly-plugin runbook engine: from the alert to the cure, with people deciding where they should.
#[derive(Debug, Parser)]
#[command(name = "stanch", version, propagate_version = true, after_help = exits(), max_term_width = 100)]
pub struct Args {
    /// The operator's file; the engine's data folder is the one that it names
    #[arg(
        long,
        global = true,
        env = "STANCH_CONFIG",
        default_value = "stanch.toml",
        value_name = "FILE"
    )]
    pub config: PathBuf,

    /// The engine's control socket, instead of the one in the data folder
    #[arg(long, global = true, env = "STANCH_SOCKET", value_name = "FILE")]
    pub socket: Option<PathBuf>,

    /// An engine's address, as `https://stanch.example:9440`, or `http://127.0.0.1:9440` on loopback, instead of a control
    /// socket; it takes a token in STANCH_TOKEN
    #[arg(
        long,
        global = true,
        env = "STANCH_SERVER",
        value_name = "URL",
        conflicts_with = "socket"
    )]
    pub server: Option<Server>,

    /// Authorities to trust besides the system's, where `--server` is reached by TLS: a file of PEM
    #[arg(long, global = true, env = "STANCH_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,

    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// `serve`
#[derive(Debug, ClapArgs)]
pub struct Serve {
    /// What is logged: a level, or `target=level` pairs
    #[arg(long, env = "STANCH_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// Log JSON, for programs
    #[arg(long, env = "STANCH_LOG_JSON")]
    pub log_json: bool,
}

fn exits() -> String {
    let mut text = String::from("Exit codes:\n");
    for (exit, meaning) in EXITS {
        text.push_str(&format!("  {}  {meaning}\n", exit as u8));
    }
    text.push_str("\nA token in STANCH_TOKEN says who is asking; without one it is the account that\nasks, and a --server refuses.");
    text
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the engine until it is told to end (SIGTERM); SIGHUP loads everything again
    Serve(Serve),
    /// Begin: a folder with a stanch.toml, a first runbook and what Alertmanager needs
    Init(Init),
    /// Say whether secrets, folders, clusters, their rights, clocks and calls for help are as they should be
    Doctor(Doctor),
    /// Check stanch.toml, runbooks and plugins as `serve` would load them
    Check(Paths),
    /// Print a runbook as the page that a person reads
    Show(Show),
    /// Run the tests beside the runbooks
    Test(Paths),
    /// Make a dry run: checks and plans for real, changes nothing
    Plan(Plan),
    /// Start a run by hand
    Run(Run),
    /// Hand an alert to the engine, as a sender would
    Alert(AlertFile),
    /// Say for each runbook whether an alert would start it, and what stopped it
    Explain(Explain),
    /// List runs, or show one
    Runs(Runs),
    /// Say how far each runbook can be trusted, from what its runs did and what people answered
    Report(Report),
    /// Who decided, stopped, loaded and was let in, and whether that was touched
    Audit(Audit),
    /// Say yes to what a run asks
    Approve(Approve),
    /// Say no to what a run asks
    Deny(Deny),
    /// Answer a check that a person answers
    Answer(AnswerCheck),
    /// Say that a step by hand is done
    Done(ByHand),
    /// Say that a step by hand is not done
    NotDone(ByHand),
    /// Say whether an action in doubt happened
    Settle(Settle),
    /// Put back what a run changed
    Undo(Undo),
    /// End a run
    Cancel(Cancel),
    /// Stop changes, until somebody resumes them
    Pause(Pause),
    /// Let changes go on
    Resume(Resume),
    /// Say what the engine is doing and what is wrong
    Status,
    /// Load runbooks, plugins and stanch.toml again
    Reload,
    /// Go back to an earlier generation
    Rollback(Rollback),
    /// Write, try and look at plugins
    #[command(subcommand)]
    Plugin(Plugin),
    /// Manage users
    #[command(subcommand)]
    User(User),
    /// Print a run as the draft of a post-mortem, or as JSON
    Export(Export),
    /// Compile a plugin for an engine, which starts this by itself
    #[command(hide = true)]
    CompilePlugin {
        /// How much memory it may take, in bytes
        memory: u64,
    },
    /// Print a completion script
    Completions {
        /// For this shell
        shell: Shell,
    },
}

/// `init`.
#[derive(Debug, ClapArgs)]
pub struct Init {
    /// Where; it is made where it is not there
    #[arg(default_value = ".")]
    pub folder: PathBuf,
}

/// `doctor`.
#[derive(Debug, ClapArgs)]
pub struct Doctor {
    /// Send a test message by each way that runbooks call for help
    #[arg(long)]
    pub send: bool,
}

/// Files and folders.
#[derive(Debug, ClapArgs)]
pub struct Paths {
    /// Runbooks or folders of them; without any, all that stanch.toml names
    pub paths: Vec<PathBuf>,
}

/// `show`.
#[derive(Debug, ClapArgs)]
pub struct Show {
    /// The runbook's name
    pub name: String,
    /// Print every value that applies, with where it comes from
    #[arg(long)]
    pub resolved: bool,
}

/// `plan`.
#[derive(Debug, ClapArgs)]
pub struct Plan {
    /// The runbook's name
    pub runbook: String,
    /// The alert, as JSON: Alertmanager's webhook, its list of alerts, or one alert; - is the standard input
    #[arg(long, value_name = "FILE")]
    pub alert: Option<PathBuf>,
    #[command(flatten)]
    pub sent: Sent,
    #[command(flatten)]
    pub inputs: Inputs,
}

/// How the file of an alert is read.
#[derive(Debug, ClapArgs)]
pub struct Sent {
    /// The file is what is sent to this intake of stanch.toml: the engine reads it as it would there
    #[arg(long, value_name = "PATH")]
    pub intake: Option<String>,
}

/// Inputs of a runbook.
#[derive(Debug, ClapArgs)]
pub struct Inputs {
    /// An input as NAME=VALUE, or @FILE: a JSON object of them
    #[arg(long = "input", short = 'i', value_name = "NAME=VALUE|@FILE", action = ArgAction::Append)]
    pub inputs: Vec<String>,
}

/// `run`.
#[derive(Debug, ClapArgs)]
pub struct Run {
    /// The runbook's name
    pub runbook: String,
    #[command(flatten)]
    pub inputs: Inputs,
    /// Start another run of an episode that has had one
    #[arg(long)]
    pub again: bool,
    /// Show the run until it is closed
    #[arg(long, short)]
    pub follow: bool,
}

/// `alert`.
#[derive(Debug, ClapArgs)]
pub struct AlertFile {
    /// The alert, as JSON: Alertmanager's webhook, its list of alerts, or one alert; - is the standard input
    pub file: PathBuf,
    #[command(flatten)]
    pub sent: Sent,
    /// Show the first run that it leads to until that is closed
    #[arg(long, short)]
    pub follow: bool,
}

/// `explain`.
#[derive(Debug, ClapArgs)]
pub struct Explain {
    /// A file with an alert, - for the standard input, or the fingerprint of one that came in
    pub alert: String,
    #[command(flatten)]
    pub sent: Sent,
}

/// `runs`.
#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Runs {
    /// Of this runbook only
    #[arg(long, value_name = "NAME")]
    pub runbook: Option<String>,
    /// Open ones only
    #[arg(long)]
    pub open: bool,
    /// Those that wait for a person only
    #[arg(long)]
    pub waiting: bool,
    /// At most this many, the newest
    #[arg(long, short = 'n', value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: Option<u32>,
    /// One run.
    #[command(subcommand)]
    pub command: Option<RunsCommand>,
}

/// Commands on one run.
#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// Show a run: how bad, what was found, what is asked
    Show(ShowRun),
}

/// `runs show`.
#[derive(Debug, ClapArgs)]
pub struct ShowRun {
    /// The run's id, or a beginning or end of it that no other run has
    pub run: String,
    /// Show it until it is closed
    #[arg(long, short)]
    pub follow: bool,
    /// Every action, item, call and event
    #[arg(long, short, conflicts_with = "follow")]
    pub all: bool,
}

/// `report`.
#[derive(Debug, ClapArgs)]
pub struct Report {
    /// Look at runs that were open within this time
    #[arg(long, value_name = "TIME", default_value = "30d")]
    pub since: Span,
    /// Of this runbook only
    #[arg(long, value_name = "NAME")]
    pub runbook: Option<String>,
}

/// `audit`.
#[derive(Debug, ClapArgs)]
pub struct Audit {
    /// Which.
    #[command(subcommand)]
    pub command: AuditCommand,
}

/// The commands of `audit`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Show the newest entries
    List {
        /// So many
        #[arg(long, value_name = "NUMBER", default_value_t = 50)]
        limit: u64,
    },
    /// Look whether an entry was changed, removed or put in
    Verify {
        /// An export, instead of the engine's journal
        file: Option<PathBuf>,
        /// A place that the chain must pass through, as an earlier verify printed it
        #[arg(long, value_name = "NUMBER:SHA256")]
        known: Option<Known>,
    },
    /// Print all entries as JSON lines
    Export {
        /// Those after this number only
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        after: u64,
    },
}

/// A place in the audit that somebody kept.
#[derive(Debug, Clone, Copy)]
pub struct Known(pub Link);

/// `approve`.
#[derive(Debug, ClapArgs)]
pub struct Approve {
    /// The run's id, or a beginning or end of it that no other run has
    pub run: String,
    /// The step; without it the one that is asked about
    pub step: Option<String>,
    /// The plan that was looked at; without it the plan is shown and asked about here
    #[arg(long, value_name = "SHA256")]
    pub digest: Option<Digest>,
    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Decide alone, whoever is asked: audited, and everybody is told
    #[arg(long)]
    pub break_glass: bool,
    /// Show the run until it is closed
    #[arg(long, short)]
    pub follow: bool,
}

/// `deny`.
#[derive(Debug, ClapArgs)]
pub struct Deny {
    /// The run's id, or a beginning or end of it that no other run has
    pub run: String,
    /// The step; without it the one that is asked about
    pub step: Option<String>,
    /// The plan that was looked at; without it the one that is asked about now
    #[arg(long, value_name = "SHA256")]
    pub digest: Option<Digest>,
    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// Yes, no or unknown.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum VerdictWord {
    /// It is so
    Yes,
    /// It is not so
    No,
    /// It cannot be found out
    Unknown,
}

impl From<VerdictWord> for Verdict {
    fn from(word: VerdictWord) -> Self {
        match word {
            VerdictWord::Yes => Self::Yes,
            VerdictWord::No => Self::No,
            VerdictWord::Unknown => Self::Unknown,
        }
    }
}

/// `answer`.
#[derive(Debug, ClapArgs)]
pub struct AnswerCheck {
    /// The run's id, or a beginning or end of it that no other run has
    pub run: String,
    /// The check
    pub check: String,
    /// The answer
    pub verdict: VerdictWord,
}

/// `done` and `not-done`.
#[derive(Debug, ClapArgs)]
pub struct ByHand {
    /// The run's id, or a beginning or end of it that no other run has
    pub run: String,
    /// The step
    pub step: String,
}

/// `settle`.
#[derive(Debug, ClapArgs)]
#[command(group = clap::ArgGroup::new("fact").required(true).args(["happened", "not_happened"]))]
#[command(group = clap::ArgGroup::new("then").args(["go_on", "stop"]))]
pub struct Settle {
    /// The run's id, or a beginning or end of it that no other run has
    pub run: String,
    /// The step
    pub step: String,
    /// The action took effect
    #[arg(long)]
    pub happened: bool,
    /// The action took no effect
    #[arg(long)]
    pub not_happened: bool,
    /// The run goes on
    #[arg(long)]
    pub go_on: bool,
    /// The step fails; this is what happens where neither is said
    #[arg(long)]
    pub stop: bool,
}

/// `undo`.
#[derive(Debug, ClapArgs)]
pub struct Undo {
    /// The run's id, or a beginning or end of it that no other run has
    pub run: String,
    /// Only what this step changed; without it everything, newest first
    pub step: Option<String>,
    /// Show the run until it is closed
    #[arg(long, short)]
    pub follow: bool,
}

/// `cancel`.
#[derive(Debug, ClapArgs)]
#[command(group = clap::ArgGroup::new("then").args(["undo", "leave"]))]
pub struct Cancel {
    /// The run's id, or a beginning or end of it that no other run has
    pub run: String,
    /// Put back what was changed
    #[arg(long)]
    pub undo: bool,
    /// Leave what was changed
    #[arg(long)]
    pub leave: bool,
    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `pause`.
#[derive(Debug, ClapArgs)]
pub struct Pause {
    /// What: all, runbook:NAME, plugin:KEY or namespace:NAME
    #[arg(default_value = "all")]
    pub scope: PauseScope,
    /// Why: everybody who looks will read it
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// `resume`.
#[derive(Debug, ClapArgs)]
pub struct Resume {
    /// What: all, runbook:NAME, plugin:KEY or namespace:NAME
    #[arg(default_value = "all")]
    pub scope: PauseScope,
}

/// `rollback`.
#[derive(Debug, ClapArgs)]
pub struct Rollback {
    /// Which generation; without it the one before this
    pub generation: Option<u64>,
}

/// Users.
#[derive(Debug, Subcommand)]
pub enum User {
    /// Make a token: printed once, with the lines for stanch.toml
    Token {
        /// The user's name in stanch.toml
        name: String,
    },
}

/// The forms of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Markdown: the draft of a post-mortem
    Md,
    /// JSON: everything, for programs
    Json,
}

/// `export`.
#[derive(Debug, ClapArgs)]
pub struct Export {
    /// The run's id, or a beginning or end of it that no other run has
    pub run: String,
    /// The form; JSON where --json is given
    #[arg(long, default_value = "md")]
    pub format: ExportFormat,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_holds_together() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn command_lines_are_understood_or_refused() {
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let table = [
            ("runs", true),
            ("runs --open --runbook disk-full -n 5", true),
            ("runs -n 0", false),
            ("runs show r1 --follow", true),
            ("runs --open show r1", false),
            ("runs show r1 --follow --all", false),
            (&format!("approve r1 clean --digest {digest}"), true),
            ("approve r1 clean --digest e3b0c44298fc", false),
            ("approve r1 --break-glass", true),
            ("approve r1 --break-glass --reason fire", true),
            ("answer r1 one_node unknown", true),
            ("answer r1 one_node maybe", false),
            ("settle r1 clean", false),
            ("settle r1 clean --happened", true),
            ("settle r1 clean --happened --not-happened", false),
            ("settle r1 clean --not-happened --go-on --stop", false),
            ("cancel r1 --undo --leave", false),
            ("pause --reason maintenance", true),
            ("pause runbook:disk-full", false),
            ("pause everything --reason x", false),
            ("resume plugin:waf", true),
            ("run disk-full -i node=a -i @more.json --again --follow", true),
            ("export r1 --format json", true),
            ("export r1 --format pdf", false),
            ("--config /etc/stanch.toml status --json", true),
            ("not-done r1 step", true),
            ("rollback 7", true),
            ("rollback seven", false),
            ("plugin test a.wasm", true),
            ("plugin test a.wasm cases/one.case.toml more", true),
            ("plugin test a.wasm cases --record b.case.toml", false),
            ("plugin test a --record b.case.toml --with {} --name it", true),
            ("plugin test a --with {}", false),
            ("plugin run a.wasm --with {} --grant asked", true),
            ("plugin run a.wasm --case cases/busy.case.toml", true),
            ("plugin run a.wasm --case cases/busy.case.toml --grant {}", false),
            ("plugin run --with {}", false),
            ("plugin dev --to plugins/a.wasm", true),
            ("completions fish", true),
            ("plugin new --lang python health", true),
            ("plugin new -l ts -k remediation block", true),
            ("plugin new health", false),
            ("plugin new --lang cobol health", false),
            ("plugin build --project health", true),
            ("plugin diff old.wasm new.wasm", true),
            ("plugin diff old.wasm", false),
            ("plugin rbac", true),
            (
                "plugin rbac recycle scale --cluster eu-b --user engine --name stanch-eu",
                true,
            ),
            ("plugin rbac --cluster", false),
            ("doctor --send --json", true),
            ("init", true),
            ("init /tmp/a /tmp/b", false),
            ("", false),
        ];
        for (line, understood) in table {
            let words = std::iter::once("stanch").chain(line.split_whitespace());
            let parsed = Args::try_parse_from(words);
            assert_eq!(parsed.is_ok(), understood, "{line}: {:?}", parsed.err());
        }
    }
}
