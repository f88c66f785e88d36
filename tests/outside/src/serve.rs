//! A running engine, in a folder of its own, that ends with whoever started it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::http::Connection;

/// Why the engine does not do as it was told; with the end of what it said itself.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Trouble(String);

/// A folder that is removed at the end.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes it.
    pub fn new(name: &str) -> std::io::Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let turn = MADE.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("stanch-{name}-{}-{turn}", std::process::id()));
        fs::create_dir(&folder)?;
        Ok(Self(folder.canonicalize()?))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in it.
    #[allow(clippy::disallowed_methods, reason = "a folder of our own")]
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> std::io::Result<()> {
        let file = self.0.join(name);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, content)
    }
}

impl Drop for Scratch {
    #[allow(clippy::disallowed_methods, reason = "a folder of our own")]
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A program of the workspace that cargo built in the folder of whoever asks: `target/debug/NAME` for a test in
/// `target/debug/deps`.
///
/// # Errors
/// Where it is not there: a test's package cannot make cargo build a program of another one.
pub fn program(name: &str) -> Result<PathBuf, Trouble> {
    let own = std::env::current_exe().unwrap_or_default();
    let found = own
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    found.ok_or_else(|| {
        Trouble(format!(
            "`{name}` is not built: `cargo build --workspace --bins` builds it"
        ))
    })
}

/// Packs a component as it is installed, with the tool that authors use.
///
/// # Errors
/// What the tool says against it.
pub fn pack(stanch: &Path, component: &Path, to: &Path) -> Result<(), Trouble> {
    let mut pack = Command::new(stanch);
    let said = pack.args(["plugin", "pack"]).arg(component).arg(to).output();
    let said = said.map_err(|why| Trouble(format!("`{}`: {why}", stanch.display())))?;
    if said.status.success() {
        Ok(())
    } else {
        Err(Trouble(String::from_utf8_lossy(&said.stderr).into_owned()))
    }
}

/// A command of `stanch` in this folder, which no variable of whoever runs the test leads elsewhere.
pub fn command(stanch: &Path, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(stanch);
    command.args(arguments).current_dir(folder);
    for variable in ["STANCH_CONFIG", "STANCH_SOCKET", "STANCH_SERVER", "STANCH_TOKEN"] {
        command.env_remove(variable);
    }
    command
}

/// The engine: `stanch serve`. It ends with this value.
#[derive(Debug)]
pub struct Engine {
    child: Child,
    program: PathBuf,
    settings: PathBuf,
    log: PathBuf,
    /// How long it took from its start until it was ready.
    pub started_in: Duration,
}

impl Engine {
    /// Starts it with the `stanch.toml` of the folder and waits until it is ready.
    pub fn start(program: &Path, folder: &Path, listens: SocketAddr, token: &str) -> Result<Self, Trouble> {
        Self::start_with(program, folder, listens, token, &[])
    }

    /// The same, with more arguments of `serve`.
    pub fn start_with(
        program: &Path,
        folder: &Path,
        listens: SocketAddr,
        token: &str,
        arguments: &[&str],
    ) -> Result<Self, Trouble> {
        let failed = |why: std::io::Error| Trouble(format!("the engine cannot be started: {why}"));
        let log = folder.join("engine.log");
        let settings = folder.join("stanch.toml");
        let file = File::create(&log).map_err(failed)?;
        let began = Instant::now();
        let child = Command::new(program)
            .arg("serve")
            .arg("--config")
            .arg(&settings)
            .args(arguments)
            .current_dir(folder)
            .env("ALERTMANAGER_TOKEN", token)
            .env("WEBHOOK_SECRET", token)
            .env_remove("STANCH_TOKEN")
            .stdin(Stdio::null())
            .stdout(file.try_clone().map_err(failed)?)
            .stderr(file)
            .spawn()
            .map_err(failed)?;
        let mut engine = Self {
            child,
            program: program.to_owned(),
            settings,
            log,
            started_in: Duration::ZERO,
        };
        while began.elapsed() < Duration::from_secs(60) {
            if let Ok(Some(status)) = engine.child.try_wait() {
                return Err(engine.trouble(&format!("the engine ended with {status}")));
            }
            let ready = Connection::open(listens).and_then(|mut engine| engine.get("/readyz"));
            if ready.is_ok_and(|answer| answer.status == 200) {
                engine.started_in = began.elapsed();
                return Ok(engine);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(engine.trouble("the engine is not ready after a minute"))
    }

    /// Commands are given to it with this program, where it was started as another.
    pub fn commanded_by(mut self, program: &Path) -> Self {
        self.program = program.to_owned();
        self
    }

    /// Whether it ended.
    pub fn is_gone(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// A command for it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--config")
            .arg(&self.settings)
            .args(arguments)
            .env_remove("STANCH_SERVER")
            .env_remove("STANCH_TOKEN");
        command
    }

    /// What a command says, as JSON.
    pub fn ask(&self, arguments: &[&str]) -> Result<serde_json::Value, Trouble> {
        let text = self.tell(&[&["--json"], arguments].concat())?;
        serde_json::from_str(&text).map_err(|why| Trouble(format!("`stanch {}`: {why}", arguments.join(" "))))
    }

    /// What a command says, where it is done.
    pub fn tell(&self, arguments: &[&str]) -> Result<String, Trouble> {
        let said = self.command(arguments).stdin(Stdio::null()).output();
        let failed = |why: String| Trouble(format!("`stanch {}`: {why}", arguments.join(" ")));
        let said = said.map_err(|why| failed(why.to_string()))?;
        if !said.status.success() {
            return Err(failed(String::from_utf8_lossy(&said.stderr).into_owned()));
        }
        Ok(String::from_utf8_lossy(&said.stdout).into_owned())
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// An error with the end of the engine's log.
    pub fn trouble(&self, what: &str) -> Trouble {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines
            .get(lines.len().saturating_sub(20)..)
            .unwrap_or_default()
            .join("\n");
        Trouble(format!("{what}; it said last:\n{end}"))
    }

    /// Asks it to end, as an operator would, and waits.
    pub fn stop(mut self) -> Result<(), Trouble> {
        let asked = Command::new("kill")
            .arg("-TERM")
            .arg(self.child.id().to_string())
            .status();
        if asked.is_ok_and(|status| status.success()) {
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(30) {
                if let Ok(Some(status)) = self.child.try_wait() {
                    return match status.success() {
                        true => Ok(()),
                        false => Err(self.trouble(&format!("the engine ended with {status}"))),
                    };
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        Err(self.trouble("the engine did not end within 30 seconds of SIGTERM"))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
