//! The socket's file: made so that nobody but its owner ever reaches it, and removed only where nobody listens.
//!
//! Mode 0600 is set between `bind` and `listen`, so that there is no moment at which somebody else could connect. A file
//! that an engine left behind when it was killed is removed; one that an engine answers on is an error, because two
//! engines on one data folder would be two writers of one journal.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener as StdListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, chmod};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use tokio::net::UnixListener;

/// Connections that the kernel keeps waiting.
const BACKLOG: i32 = 128;

/// Where the control socket of a data folder is.
pub fn path_in(data: &Path) -> PathBuf {
    data.join("control.sock")
}

/// The control socket of the engine that an operator's file is for. Only `[store] path` is read, so that a file that does
/// not load does not stand between a person and a running engine. A relative path is from where the file is, as it is for
/// the engine.
///
/// # Errors
/// Where the file cannot be read or is not TOML.
pub fn of_config(config: &Path) -> io::Result<PathBuf> {
    let text = fs::read_to_string(config)?;
    let table: toml::Table =
        toml::from_str(&text).map_err(|error| io::Error::other(error.message().to_owned()))?;
    let data = table
        .get("store")
        .and_then(|store| store.get("path"))
        .and_then(toml::Value::as_str);
    let base = config.parent().unwrap_or(Path::new(""));
    Ok(path_in(&base.join(data.unwrap_or("data"))))
}

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another engine answers on it.
    #[error("an engine is running on `{}` already", .0.display())]
    InUse(PathBuf),
    /// Something else is in its place.
    #[error("`{}` is not a socket; move it away, the control socket belongs there", .0.display())]
    NotASocket(PathBuf),
    /// The kernel takes no path of this length (107 bytes on Linux).
    #[error("`{}` is too long for a socket's path; choose a shorter `[store] path`", .0.display())]
    TooLong(PathBuf),
    /// The operating system refused.
    #[error("cannot {what} the control socket `{}`: {source}", path.display())]
    System {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A socket that is listened on; its file goes when this does.
#[derive(Debug)]
pub struct Bound {
    /// What accepts.
    pub listener: UnixListener,
    /// The file.
    pub file: SocketFile,
}

/// The socket's file; removed when dropped, unless another has taken its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl SocketFile {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            remove(&self.path).ok();
        }
    }
}

/// Makes the socket and listens on it. Must be called within a tokio runtime.
///
/// # Errors
/// Where an engine listens there already, or the operating system refuses.
pub fn listen_at(path: &Path) -> Result<Bound, SocketError> {
    let failed = |what| {
        move |source: io::Error| SocketError::System {
            what,
            path: path.to_owned(),
            source,
        }
    };
    clear_stale(path)?;
    let address = SocketAddrUnix::new(path).map_err(|_| SocketError::TooLong(path.to_owned()))?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map_err(|errno| failed("make")(errno.into()))?;
    bind(&socket, &address).map_err(|errno| failed("bind")(errno.into()))?;
    let inode = fs::symlink_metadata(path).map_err(failed("look at"))?.ino();
    let file = SocketFile {
        path: path.to_owned(),
        inode,
    };
    chmod(path, Mode::RUSR | Mode::WUSR).map_err(|errno| failed("protect")(errno.into()))?;
    listen(&socket, BACKLOG).map_err(|errno| failed("listen on")(errno.into()))?;
    let listener = UnixListener::from_std(StdListener::from(socket)).map_err(failed("listen on"))?;
    Ok(Bound { listener, file })
}

fn clear_stale(path: &Path) -> Result<(), SocketError> {
    let system = |what, source| SocketError::System {
        what,
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(system("look at", error)),
        Ok(found) if !found.file_type().is_socket() => return Err(SocketError::NotASocket(path.to_owned())),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(SocketError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            remove(path).map_err(|error| system("remove", error))
        }
        Err(error) => Err(system("try", error)),
    }
}

#[expect(clippy::disallowed_methods, reason = "the socket's file is this module's own")]
fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_socket_is_found_although_the_rest_of_the_file_does_not_load() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("stanch.toml");
        let table = [
            ("", Some(folder.path().join("data/control.sock"))),
            (
                "[store]\npath = \"s\"\n",
                Some(folder.path().join("s/control.sock")),
            ),
            (
                "[store]\npath = \"/var/lib/stanch\"\n[nonsense]\n",
                Some("/var/lib/stanch/control.sock".into()),
            ),
            ("[store", None),
        ];
        for (text, expected) in table {
            io::Write::write_all(&mut fs::File::create(&config).unwrap(), text.as_bytes()).unwrap();
            assert_eq!(of_config(&config).ok(), expected, "{text}");
        }
        assert!(of_config(&folder.path().join("nowhere.toml")).is_err());
    }

    #[tokio::test]
    async fn only_the_owner_reaches_the_socket_and_its_file_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_in(folder.path());
        let bound = listen_at(&path).unwrap();
        let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(bound);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_socket_that_is_answered_on_is_left_alone_and_a_stale_one_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_in(folder.path());
        let first = listen_at(&path).unwrap();
        assert!(matches!(listen_at(&path), Err(SocketError::InUse(_))));
        assert!(UnixStream::connect(&path).is_ok(), "the first one still answers");

        // Killed: the file stays and nobody listens.
        let Bound { listener, file } = first;
        drop(listener);
        std::mem::forget(file);
        assert!(path.exists());
        let second = listen_at(&path).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
        drop(second);
    }

    #[tokio::test]
    async fn the_file_of_another_engine_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_in(folder.path());
        let first = listen_at(&path).unwrap();
        fs::rename(&path, folder.path().join("moved")).unwrap();
        let second = listen_at(&path).unwrap();
        drop(first);
        assert!(UnixStream::connect(&path).is_ok());
        drop(second);
    }

    #[tokio::test]
    async fn what_is_not_a_socket_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_in(folder.path());
        fs::create_dir(&path).unwrap();
        assert!(matches!(listen_at(&path), Err(SocketError::NotASocket(_))));
        assert!(path.is_dir());
    }

    #[tokio::test]
    async fn a_path_that_no_socket_can_have_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x".repeat(120));
        assert!(matches!(listen_at(&path), Err(SocketError::TooLong(_))));
    }
}
