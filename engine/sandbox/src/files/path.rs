//! Paths in a plugin's words, taken apart before anything is opened.

use std::fmt;

use stanch_contract::text;

/// A path under a grant's `at`: one name each, none of them `.`, `..` or empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FilePath {
    at: String,
    rest: Vec<String>,
}

/// Why a text is not a path that is opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the path `{path}` {why}")]
pub struct UnfitPath {
    path: String,
    why: &'static str,
}

impl FilePath {
    /// Takes it apart.
    ///
    /// # Errors
    /// Where a part is `.`, `..` or empty, it is absolute, or it has a character that cannot be shown to a person: what is
    /// decided on has to be what is done.
    pub fn parse(path: &str) -> Result<Self, UnfitPath> {
        let unfit = |why| UnfitPath {
            path: text::clean_line_to(path, 200),
            why,
        };
        if path.len() > 4096 {
            return Err(unfit("is longer than 4,096 bytes"));
        }
        if !is_showable(path) {
            return Err(unfit("has a control or direction character"));
        }
        if path.starts_with('/') {
            return Err(unfit("is absolute: it starts with the grant's `at`"));
        }
        let mut parts = path.split('/');
        let at = parts.next().unwrap_or_default();
        if at.is_empty() {
            return Err(unfit("is empty: it starts with the grant's `at`"));
        }
        let rest: Vec<String> = parts.map(str::to_owned).collect();
        for part in std::iter::once(at).chain(rest.iter().map(String::as_str)) {
            match part {
                "" => return Err(unfit("has an empty part")),
                "." | ".." => return Err(unfit("has a `.` or `..`")),
                part if part.len() > 255 => return Err(unfit("has a part of more than 255 bytes")),
                _ => {}
            }
        }
        Ok(Self {
            at: at.to_owned(),
            rest,
        })
    }

    /// From an action's target, `file:PATH`.
    ///
    /// # Errors
    /// As [`FilePath::parse`].
    pub fn of_target(target: &str) -> Result<Self, UnfitPath> {
        Self::parse(target.strip_prefix("file:").unwrap_or(target))
    }

    /// The grant's name of the folder.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// The names below the folder; none for the folder itself.
    pub fn rest(&self) -> &[String] {
        &self.rest
    }

    /// The names of the folder that it is in, and its own; `None` for the granted folder itself.
    pub fn split_last(&self) -> Option<(&[String], &str)> {
        self.rest
            .split_last()
            .map(|(last, before)| (before, last.as_str()))
    }

    /// Whether it is below `folder`.
    pub fn is_below(&self, folder: &Self) -> bool {
        self.at == folder.at && self.rest.len() > folder.rest.len() && self.rest.starts_with(&folder.rest)
    }

    /// As an action's target.
    pub fn to_target(&self) -> String {
        format!("file:{self}")
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.at)?;
        self.rest.iter().try_for_each(|part| write!(f, "/{part}"))
    }
}

/// Whether a name can be shown as it is.
pub fn is_showable(name: &str) -> bool {
    text::clean_line(name) == name
}

/// One member of a removal: `PATH@MODIFIED-MS`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// The file.
    pub path: FilePath,
    /// When it was last modified, in milliseconds since 1970.
    pub modified_ms: i64,
}

impl Item {
    /// Reads it.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn parse(item: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{}` is not an item: write `PATH@MODIFIED-MS`",
                text::clean_line_to(item, 200)
            )
        };
        let (path, modified) = item.rsplit_once('@').ok_or_else(wrong)?;
        let modified_ms: i64 = modified.parse().map_err(|_| wrong())?;
        // `+5` and `007` would be second writings of one item.
        if modified_ms.to_string() != modified {
            return Err(wrong());
        }
        Ok(Self {
            path: FilePath::parse(path).map_err(|error| error.to_string())?,
            modified_ms,
        })
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.path, self.modified_ms)
    }
}

/// A whole number that came as a float.
pub fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_is_names_under_the_folder() {
        for path in [
            "scratch",
            "scratch/a",
            "scratch/a/b.log",
            "scratch/..a",
            "scratch/a b@c",
            "scratch/...",
            "scratch/ü",
        ] {
            assert_eq!(FilePath::parse(path).unwrap().to_string(), path);
        }
        let folder = FilePath::parse("scratch/a").unwrap();
        assert!(FilePath::parse("scratch/a/b").unwrap().is_below(&folder));
        for path in ["scratch/a", "scratch/ab", "scratch/b/a", "other/a/b"] {
            assert!(!FilePath::parse(path).unwrap().is_below(&folder), "{path}");
        }
    }

    #[test]
    fn what_leads_elsewhere_or_cannot_be_shown_is_refused() {
        let table = [
            "",
            "/",
            "/etc/passwd",
            "//scratch",
            "scratch/",
            "scratch//a",
            "scratch/.",
            "scratch/..",
            "scratch/../etc",
            "..",
            ".",
            "../scratch",
            "scratch/a/../../b",
            "scratch/a\0b",
            "scratch/a\nb",
            "scratch/\u{202e}gol",
            "scratch/a\u{7f}",
        ];
        for path in table {
            assert!(FilePath::parse(path).is_err(), "{path:?}");
        }
        assert!(FilePath::parse(&format!("scratch/{}", "a".repeat(256))).is_err());
        assert!(FilePath::parse(&"a/".repeat(3000)).is_err());
    }

    #[test]
    fn an_item_has_one_writing() {
        let item = Item::parse("scratch/a@b.log@1700000000123").unwrap();
        assert_eq!(item.path.to_string(), "scratch/a@b.log");
        assert_eq!(item.to_string(), "scratch/a@b.log@1700000000123");
        for text in [
            "scratch/a",
            "scratch/a@",
            "scratch/a@1.5",
            "scratch/a@+1",
            "scratch/a@01",
            "scratch/../a@1",
            "@1",
        ] {
            assert!(Item::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_whole_numbers_are_whole() {
        assert_eq!(whole(1_700_000_000_123.0), Some(1_700_000_000_123));
        for number in [0.5, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(whole(number), None, "{number}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_has_no_way_up(path in "[a./\\\\@\u{0}\u{202e}]{0,24}") {
            if let Ok(path) = FilePath::parse(&path) {
                prop_assert!(path.rest().iter().all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains(['/', '\0'])));
                prop_assert_eq!(FilePath::parse(&path.to_string()).unwrap(), path);
            }
        }
    }
}
