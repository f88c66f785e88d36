//! The grammar of `stanch plugin`: what is installed, and what an author does.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

/// Plugins: those that are installed, and what an author does.
#[derive(Debug, Subcommand)]
pub enum Plugin {
    /// Begin a new plugin
    New(NewPlugin),
    /// Build a plugin with its language's own tools
    Build(BuildPlugin),
    /// Check a component as an engine does when it installs it, and look closer
    Check {
        /// The .wasm file
        file: PathBuf,
    },
    /// Write its manifest into a component that other tools built
    Pack {
        /// The component
        from: PathBuf,
        /// Where the plugin goes
        to: PathBuf,
    },
    /// Say what another version of a plugin asks for, promises and takes that this one did not
    Diff {
        /// The .wasm file that is there
        old: PathBuf,
        /// The one that is to take its place
        new: PathBuf,
    },
    /// Make one call of a plugin: a question, or a plan; nothing is changed
    Run(RunPlugin),
    /// Print the smallest grant for what a plugin asks for in one call, or asked for in a run, for stanch.toml
    Suggest(SuggestPlugin),
    /// Build a plugin each time that it is saved, play its cases, and swap it into a running engine
    Dev(DevPlugin),
    /// Print the Kubernetes roles that grants need in a cluster, for `kubectl apply -f -`
    Rbac(Rbac),
    /// List the installed plugins
    List,
    /// Show what a plugin says of itself, and what it may do
    Inspect {
        /// A plugin's key in stanch.toml, or a .wasm file (which takes no engine)
        plugin: String,
    },
    /// Play a plugin's cases, or make one of a live call
    Test(TestPlugin),
}

/// `plugin test`.
#[derive(Debug, ClapArgs)]
pub struct TestPlugin {
    /// A .wasm file, or a plugin's key in stanch.toml
    pub plugin: String,
    /// Cases (NAME.case.toml) or folders of them; without any, the folder `cases`
    #[arg(conflicts_with = "record")]
    pub cases: Vec<PathBuf>,
    #[command(flatten)]
    pub record: Record,
}

/// Making a case of a live call.
#[derive(Debug, ClapArgs)]
pub struct Record {
    /// Make this case of a live call, secrets removed: a question, or a plan; nothing is changed. The plugin is a key in
    /// stanch.toml, with its grant and settings
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// The parameters, as JSON
    #[arg(long, value_name = "JSON|@FILE", requires = "record")]
    pub with: Option<String>,
    /// The alert, as JSON: Alertmanager's webhook, its list of alerts, or one alert; - is the standard input
    #[arg(long, value_name = "FILE", requires = "record")]
    pub alert: Option<PathBuf>,
    /// The cluster that it is about
    #[arg(long, value_name = "CLUSTER", requires = "record")]
    pub on: Option<String>,
    /// What the case shows, in words; without it the file's name
    #[arg(long, value_name = "TEXT", requires = "record")]
    pub name: Option<String>,
}

/// `plugin rbac`.
#[derive(Debug, ClapArgs)]
pub struct Rbac {
    /// Of these plugins, by their keys in stanch.toml; without any, of all
    pub plugins: Vec<String>,
    /// In this cluster of stanch.toml; needed where there are grants for more than one
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Who the engine logs in as there: a user, or system:serviceaccount:NAMESPACE:NAME
    #[arg(
        long,
        value_name = "USER",
        default_value = "system:serviceaccount:stanch:stanch"
    )]
    pub user: String,
    /// What the roles and bindings are called
    #[arg(long, value_name = "NAME", default_value = "stanch")]
    pub name: String,
}

/// `plugin new`.
#[derive(Debug, ClapArgs)]
pub struct NewPlugin {
    /// The plugin's name, and the folder that is made for it
    pub name: PathBuf,
    /// The language
    #[arg(long, short, value_name = "LANGUAGE")]
    pub lang: LanguageWord,
    /// What the plugin does
    #[arg(long, short, value_name = "KIND", default_value = "diagnosis")]
    pub kind: KindWord,
}

/// `plugin build`.
#[derive(Debug, ClapArgs)]
pub struct BuildPlugin {
    /// The plugin's folder
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub project: PathBuf,
}

/// `plugin run`.
#[derive(Debug, ClapArgs)]
pub struct RunPlugin {
    /// A .wasm file, or a plugin's key in stanch.toml, with its grant and settings
    pub plugin: String,
    /// The parameters, as JSON
    #[arg(long, value_name = "JSON|@FILE")]
    pub with: Option<String>,
    /// Call it in the world of this case, with its parameters, grant and alert, and show what comes of it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["alert", "on", "grant", "settings", "tell"])]
    pub case: Option<PathBuf>,
    /// The alert, as JSON: Alertmanager's webhook, its list of alerts, or one alert; - is the standard input
    #[arg(long, value_name = "FILE")]
    pub alert: Option<PathBuf>,
    /// The cluster that it is about
    #[arg(long, value_name = "CLUSTER")]
    pub on: Option<String>,
    /// What a .wasm file may do, as stanch.toml has it, as JSON; `asked` is what it asks for; without it nothing
    #[arg(long, value_name = "JSON|@FILE|asked")]
    pub grant: Option<String>,
    /// The settings of a .wasm file, as JSON
    #[arg(long, value_name = "JSON|@FILE")]
    pub settings: Option<String>,
    /// Let a notification plugin tell people that it is being tried
    #[arg(long)]
    pub tell: bool,
}

/// `plugin suggest`.
#[derive(Debug, ClapArgs)]
pub struct SuggestPlugin {
    /// The call
    #[command(flatten)]
    pub call: RunPlugin,
    /// Make no call: take what it asked for in this run of the engine, one in shadow too
    #[arg(long, value_name = "RUN", conflicts_with_all = ["with", "case", "alert", "on", "grant", "settings", "tell"])]
    pub run: Option<String>,
}

/// `plugin dev`.
#[derive(Debug, ClapArgs)]
pub struct DevPlugin {
    /// The plugin's folder
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub project: PathBuf,
    /// Put what was built there, too: the file that the engine's stanch.toml names as its source
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
}

/// A language with a kit.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LanguageWord {
    /// Rust
    Rust,
    /// Python
    #[value(alias = "py")]
    Python,
    /// JavaScript
    #[value(name = "javascript", alias = "js")]
    JavaScript,
    /// TypeScript
    #[value(name = "typescript", alias = "ts")]
    TypeScript,
    /// Go
    Go,
    /// C
    C,
}

/// A kind of plugin.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum KindWord {
    /// Answers one question, read-only
    Diagnosis,
    /// Plans, then applies one change
    Remediation,
    /// Tells people
    Notification,
}
