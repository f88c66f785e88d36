//! What each command does; one file for each group.

mod audit;
mod author;
mod call;
mod cases;
mod cluster;
mod compile;
mod completions;
mod decide;
mod dev;
mod engine;
mod files;
mod grant;
mod init;
mod plugin;
mod runs;
mod serve;
mod start;
mod user;

pub use call::{Called, Came};
pub use cases::Tried;

use std::path::PathBuf;

use stanch_service::control::socket;

use crate::args::{Args, Command};
use crate::client::{Client, Place, Server};
use crate::console::Console;
use crate::error::{CliError, Exit};

/// Does what the command line says.
pub fn run(args: Args, console: &Console) -> Result<Exit, CliError> {
    let at = Whereabouts {
        config: args.config,
        socket: args.socket,
        server: args.server,
        ca: args.ca,
    };
    match args.command {
        Command::Serve(it) => serve::serve(&at.config, &it),
        Command::Init(it) => init::init(&it, console),
        Command::Doctor(it) => block_on(cluster::doctor(&at.config, &it, console)),
        Command::Check(it) => block_on(files::check(&at.config, it, console)),
        Command::Show(it) => block_on(files::show(&at.config, it, console)),
        Command::Test(it) => block_on(files::test(&at.config, it, console)),
        Command::Plan(it) => at.ask(async |client| start::plan(client, console, it).await),
        Command::Run(it) => at.ask(async |client| start::run(client, console, it).await),
        Command::Alert(it) => at.ask(async |client| start::alert(client, console, it).await),
        Command::Explain(it) => at.ask(async |client| start::explain(client, console, it).await),
        Command::Runs(it) => at.ask(async |client| runs::run(client, console, it).await),
        Command::Report(it) => at.ask(async |client| runs::report(client, console, it).await),
        Command::Export(it) => at.ask(async |client| runs::export(client, console, it).await),
        Command::Approve(it) => at.ask(async |client| decide::approve(client, console, it).await),
        Command::Deny(it) => at.ask(async |client| decide::deny(client, console, it).await),
        Command::Answer(it) => at.ask(async |client| decide::answer(client, console, it).await),
        Command::Done(it) => at.ask(async |client| decide::by_hand(client, console, it, true).await),
        Command::NotDone(it) => at.ask(async |client| decide::by_hand(client, console, it, false).await),
        Command::Settle(it) => at.ask(async |client| decide::settle(client, console, it).await),
        Command::Undo(it) => at.ask(async |client| decide::undo(client, console, it).await),
        Command::Cancel(it) => at.ask(async |client| decide::cancel(client, console, it).await),
        Command::Pause(it) => at.ask(async |client| engine::pause(client, console, it).await),
        Command::Resume(it) => at.ask(async |client| engine::resume(client, console, it).await),
        Command::Status => at.ask(async |client| engine::status(client, console).await),
        Command::Reload => at.ask(async |client| engine::reload(client, console).await),
        Command::Rollback(it) => at.ask(async |client| engine::rollback(client, console, it).await),
        Command::Audit(it) => audit::run(it, &at, console),
        Command::Plugin(it) => plugin::run(it, &at, console),
        Command::User(it) => user::run(&it, console),
        Command::CompilePlugin { memory } => compile::compile(memory, console),
        Command::Completions { shell } => completions::print(shell, console),
    }
}

/// One thread is enough for a command that asks or looks.
fn block_on(work: impl Future<Output = Result<Exit, CliError>>) -> Result<Exit, CliError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

/// Where the engine is to be found.
#[derive(Debug)]
struct Whereabouts {
    config: PathBuf,
    socket: Option<PathBuf>,
    server: Option<Server>,
    ca: Option<PathBuf>,
}

impl Whereabouts {
    /// Asks the engine.
    fn ask(&self, work: impl AsyncFnOnce(&Client) -> Result<Exit, CliError>) -> Result<Exit, CliError> {
        let client = self.client()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(work(&client))
    }

    fn client(&self) -> Result<Client, CliError> {
        let place = match &self.server {
            Some(server) => Place::Server(server.clone()),
            None => Place::Socket(self.socket()?),
        };
        Ok(Client::new(
            place,
            std::env::var("STANCH_TOKEN").ok(),
            self.ca.clone(),
        ))
    }

    /// The socket in the data folder that the operator's file names. A file that no longer loads does not stand between
    /// a person and a running engine: only `[store] path` is read.
    fn socket(&self) -> Result<PathBuf, CliError> {
        if let Some(socket) = &self.socket {
            return Ok(socket.clone());
        }
        socket::of_config(&self.config).map_err(|why| CliError::NoConfig {
            config: self.config.clone(),
            why: why.to_string(),
        })
    }
}
