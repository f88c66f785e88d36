//! What ships: plugins, built for size and with what they say of themselves in them; runbooks and what comes with them.

use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use stanch_outside::serve::{pack, program};
use stanch_parts::Place;

/// The component of a crate, as it is installed.
///
/// # Panics
/// Where it does not build.
pub fn packed(name: &str) -> PathBuf {
    static FOLDER: OnceLock<Place> = OnceLock::new();
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = FOLDER.get_or_init(|| Place::new("plugins").unwrap());
    let to = folder.path().join(format!("{name}.wasm"));
    if !to.exists() {
        let component = stanch_test_support::component(name);
        pack(&program("stanch").unwrap(), &component, &to).unwrap();
    }
    to
}

/// A file of `runbooks/`, with some of it written otherwise; each has to be there.
///
/// # Panics
/// Where it is not.
pub fn shipped(name: &str, otherwise: &[(&str, &str)]) -> String {
    let path = stanch_test_support::root().join("runbooks").join(name);
    let mut text = std::fs::read_to_string(path).unwrap();
    for (is, shall) in otherwise {
        assert!(text.contains(is), "{name} does not say `{is}`");
        text = text.replace(is, shall);
    }
    text
}
