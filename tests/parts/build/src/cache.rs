//! Where parts are kept: outside the checkout, so that the next one finds them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::BuildError;

/// What nobody asked for in so long is removed when something takes its place: other checkouts may use it until then.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

/// `$XDG_CACHE_HOME/stanch`, or `~/.cache/stanch`.
pub(crate) fn folder() -> PathBuf {
    let absolute = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    cache.unwrap_or_else(std::env::temp_dir).join("stanch")
}

/// A short name for everything that something is made of.
pub(crate) fn key<'a>(inputs: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut digest = Sha256::new();
    for input in inputs {
        digest.update((input.len() as u64).to_be_bytes());
        digest.update(input);
    }
    let mut text = hex::encode(digest.finalize());
    text.truncate(16);
    text
}

/// Makes what is kept at `place`, unless it is there; one at a time on this machine. `make` fills a folder, which becomes
/// `place` when it is whole.
pub(crate) fn kept(
    place: &Path,
    make: impl FnOnce(&Path) -> Result<(), BuildError>,
) -> Result<(), BuildError> {
    let failed = |place: &Path| {
        let place = place.to_owned();
        move |why| BuildError::Cache { place, why }
    };
    if place.exists() {
        return Ok(());
    }
    let lock = place.with_extension("lock");
    if let Some(above) = place.parent() {
        fs::create_dir_all(above).map_err(failed(above))?;
    }
    let file = File::create(&lock).map_err(failed(&lock))?;
    file.lock().map_err(failed(&lock))?;
    if place.exists() {
        return Ok(());
    }
    let unfinished = place.with_extension("unfinished");
    remove(&unfinished)?;
    fs::create_dir(&unfinished).map_err(failed(&unfinished))?;
    make(&unfinished)?;
    // The folder is as old as this, whatever was unpacked over it.
    File::create(unfinished.join("made")).map_err(failed(&unfinished))?;
    fs::rename(&unfinished, place).map_err(failed(place))?;
    forget(place);
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "a folder of our own")]
fn remove(folder: &Path) -> Result<(), BuildError> {
    match fs::remove_dir_all(folder) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(BuildError::Cache {
            place: folder.to_owned(),
            why,
        }),
        _ => Ok(()),
    }
}

/// Removes what `place` took the place of: folders of the same name with another key.
fn forget(place: &Path) {
    let name = |path: &Path| {
        let name = path.file_name()?.to_str()?;
        Some(name.rsplit_once('-')?.0.to_owned())
    };
    let (Some(above), Some(own)) = (place.parent(), name(place)) else {
        return;
    };
    for other in fs::read_dir(above).into_iter().flatten().flatten() {
        let path = other.path();
        let is_old = || {
            let made = other.metadata().ok()?.modified().ok()?;
            made.elapsed().ok().map(|age| age > KEPT)
        };
        if path != place && path.is_dir() && name(&path).as_ref() == Some(&own) && is_old() == Some(true) {
            // What cannot be removed now is in nobody's way, and met again the next time.
            let _ = remove(&path);
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a folder of the test's own")]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_key_is_another_one_for_other_inputs_however_they_are_cut() {
        let keys: Vec<String> = [&[b"ab".as_slice(), b"c"] as &[&[u8]], &[b"a", b"bc"], &[b"abc"]]
            .iter()
            .map(|inputs| key(inputs.iter().copied()))
            .collect();
        assert_eq!(keys[0].len(), 16);
        assert!(
            keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2],
            "{keys:?}"
        );
        assert_eq!(keys[0], key([b"ab".as_slice(), b"c"]));
    }

    #[test]
    fn what_several_want_at_once_is_made_once_and_all_have_it() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("part-1");
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    kept(&place, |unfinished| {
                        made.fetch_add(1, Ordering::SeqCst);
                        fs::write(unfinished.join("program"), "whole").unwrap();
                        Ok(())
                    })
                    .unwrap();
                    assert_eq!(fs::read_to_string(place.join("program")).unwrap(), "whole");
                });
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn what_was_made_by_half_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("part-1");
        let broken = kept(&place, |unfinished| {
            fs::write(unfinished.join("half"), "").unwrap();
            Err(BuildError::Failed("go build".into()))
        });
        assert!(broken.is_err() && !place.exists());
        kept(&place, |unfinished| {
            assert!(!unfinished.join("half").exists());
            Ok(())
        })
        .unwrap();
        assert!(place.exists());
    }

    #[test]
    fn old_ones_of_the_same_name_go_when_a_new_one_comes() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str| folder.path().join(name);
        for name in ["part-old", "part-new", "other-old"] {
            fs::create_dir(of(name)).unwrap();
        }
        for name in ["part-old", "other-old"] {
            let long_ago = std::time::SystemTime::UNIX_EPOCH;
            File::open(of(name)).unwrap().set_modified(long_ago).unwrap();
        }
        kept(&of("part-newest"), |_| Ok(())).unwrap();
        let left = ["part-old", "part-new", "other-old", "part-newest"].map(|name| of(name).exists());
        assert_eq!(left, [false, true, true, true]);
    }
}
