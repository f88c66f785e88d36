//! What the tests need besides cargo, and how it is installed.

use std::process::Command;

use crate::parts;
use crate::plugins::TARGET;
use crate::shell::{TaskError, output, run, step, succeeds};

/// Something that has to be there.
struct Need {
    what: &'static str,
    why: &'static str,
    there: fn() -> bool,
    /// The command that installs it.
    install: &'static [&'static str],
}

const NEEDS: [Need; 4] = [
    Need {
        what: "the Rust target wasm32-wasip2",
        why: "plugins are built for it",
        there: has_target,
        install: &["rustup", "target", "add", TARGET],
    },
    Need {
        what: "a C compiler",
        why: "SQLite and the cryptography are built with it",
        there: has_compiler,
        install: &["apt-get", "install", "--yes", "gcc", "libc6-dev"],
    },
    Need {
        what: "mount and unshare, and leave to use them",
        why: "a test fills a file system of its own",
        there: can_mount,
        install: &["apt-get", "install", "--yes", "mount", "util-linux"],
    },
    Need {
        what: "setpriv that knows --pdeathsig",
        why: "what tests start ends with them",
        there: has_setpriv,
        install: &["apt-get", "install", "--yes", "util-linux"],
    },
];

/// Sees to it that everything is there, but for the parts that tests start, which are got while cargo builds. Without
/// `install` it says what is missing.
pub(crate) fn met(install: bool) -> Result<(), TaskError> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !(need.there)()).collect();
    if !install {
        let needs = missing
            .iter()
            .map(|need| format!("  {}: {} (`{}`)", need.what, need.why, need.install.join(" ")));
        let parts = parts::missing().into_iter().map(|part| {
            let (words, how) = (part.words(), part.how());
            format!("  {words}: tests start it ({how}: `cargo xtask parts`)")
        });
        let list: Vec<String> = needs.chain(parts).collect();
        if list.is_empty() {
            return Ok(());
        }
        return Err(TaskError::Other(format!(
            "missing:\n{}\nhint: `cargo xtask test --install` installs it",
            list.join("\n")
        )));
    }
    for need in missing {
        step(&format!("install {}", need.what), || {
            if let [program, arguments @ ..] = need.install {
                run(Command::new(program).args(arguments))?;
            }
            if (need.there)() {
                Ok(())
            } else {
                Err(TaskError::Other(format!(
                    "{} is still missing after `{}`",
                    need.what,
                    need.install.join(" ")
                )))
            }
        })?;
    }
    Ok(())
}

fn has_target() -> bool {
    output(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]))
        .is_ok_and(|folder| std::path::Path::new(folder.trim()).exists())
}

fn has_compiler() -> bool {
    let named = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    succeeds(Command::new(named).arg("--version"))
}

fn has_setpriv() -> bool {
    succeeds(Command::new("setpriv").args(["--pdeathsig", "KILL", "--", "true"]))
}

/// As the test does it: as root here, as anybody else in a user namespace. In a namespace that ends at once, over /tmp.
fn can_mount() -> bool {
    let is_root = output(Command::new("id").arg("--user")).is_ok_and(|user| user.trim() == "0");
    let mut unshare = Command::new("unshare");
    if !is_root {
        unshare.args(["--user", "--map-root-user"]);
    }
    succeeds(unshare.args(["--mount", "mount", "-t", "tmpfs", "stanch-test", "/tmp"]))
}
