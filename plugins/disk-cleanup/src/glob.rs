//! Patterns for paths: `*` and `?` within one segment, `**` across segments.
//!
//! A pattern without a slash is about the file's name, at any depth; one with a slash is about the whole path below the
//! folder. Matching goes back at most to the last star, so no pattern takes more than pattern times path steps for `*`.

/// Whether `path` (below the folder) fits.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    if pattern.contains('/') {
        let pattern: Vec<&str> = pattern.split('/').collect();
        let path: Vec<&str> = path.split('/').collect();
        return segments(&pattern, &path);
    }
    segment(pattern, path.rsplit('/').next().unwrap_or(path))
}

/// `**` stands for any number of segments.
fn segments(pattern: &[&str], path: &[&str]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while seen < path.len() {
        let wanted = pattern.get(at).copied();
        if wanted == Some("**") {
            back = Some((at, seen));
            at += 1;
        } else if let (Some(wanted), Some(part)) = (wanted, path.get(seen))
            && segment(wanted, part)
        {
            at += 1;
            seen += 1;
        } else if let Some((star, from)) = back {
            at = star + 1;
            seen = from + 1;
            back = Some((star, seen));
        } else {
            return false;
        }
    }
    pattern
        .get(at..)
        .unwrap_or_default()
        .iter()
        .all(|rest| *rest == "**")
}

/// `*` stands for any number of characters, `?` for one.
fn segment(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut seen) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while seen < name.len() {
        match pattern.get(at) {
            Some('*') => {
                back = Some((at, seen));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || Some(wanted) == name.get(seen) => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((star, from)) = back else { return false };
                at = star + 1;
                seen = from + 1;
                back = Some((star, seen));
            }
        }
    }
    pattern
        .get(at..)
        .unwrap_or_default()
        .iter()
        .all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_what_it_says_and_nothing_else() {
        let table = [
            ("*.log", "a.log", true),
            ("*.log", "deep/down/a.log", true),
            ("*.log", "a.log.gz", false),
            ("*.log", ".log", true),
            ("?.log", "ab.log", false),
            ("*", "anything", true),
            ("core.*", "core.123", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("*aab", "aaaab", true),
            ("tmp/*", "tmp/a", true),
            ("tmp/*", "tmp/deep/a", false),
            ("tmp/**", "tmp/deep/a", true),
            ("**/cache/*.bin", "a/b/cache/x.bin", true),
            ("**/cache/*.bin", "cache/x.bin", true),
            ("**/cache/*.bin", "a/cached/x.bin", false),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("a/**/b", "a/x/y/c", false),
            ("ü?", "üß", true),
        ];
        for (pattern, path, expected) in table {
            assert_eq!(matches(pattern, path), expected, "`{pattern}` on `{path}`");
        }
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let pattern = "a*".repeat(30) + "b";
        assert!(!matches(&pattern, &"a".repeat(2000)));
    }
}
