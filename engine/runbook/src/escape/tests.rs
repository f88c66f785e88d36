//! Values from outside try to break out of what they are put into.

use serde_json::{Value, json};

use crate::escape::{Format, Refused, Scanner, Way};
use crate::expr::Trust;

/// Renders literal, value, literal as the engine would: each value from outside, all of them the same.
fn put(format: Format, literals: &[&str], value: &str) -> Result<Result<String, String>, Refused> {
    let mut scanner = Scanner::new(format);
    let mut out = String::new();
    for (index, literal) in literals.iter().enumerate() {
        if index > 0 {
            let way = scanner.value(Trust::Outside)?;
            if let Err(reason) = way.put(&json!(value), &mut out) {
                return Ok(Err(reason));
            }
        }
        scanner.literal(literal);
        out.push_str(literal);
    }
    Ok(Ok(out))
}

fn rendered(format: Format, literals: &[&str], value: &str) -> String {
    put(format, literals, value).unwrap().unwrap()
}

const ATTACKS: [&str; 16] = [
    "\"} or vector(1) #",
    "\\\"} or vector(1) #",
    "\\",
    "\\\\",
    "'} or vector(1) #",
    "a\nb",
    "a\r\nb",
    "`",
    "x\",\"admin\":true,\"y\":\"",
    "/../../admin?x=1#y",
    "a&b=c",
    "%2e%2e%2f",
    ".*",
    "a|b)|(c",
    "[a-z]+",
    "é\u{7f}\u{0}",
];

/// Reads a PromQL string as Prometheus does (strutil.Unquote): its value and what follows.
fn promql_string(text: &str) -> (String, &str) {
    let quote = text.chars().next().unwrap();
    let mut chars = text.char_indices().skip(1);
    let mut out = String::new();
    while let Some((at, c)) = chars.next() {
        assert_ne!(c, '\n', "a line feed ends a PromQL string");
        if c == quote {
            return (out, &text[at + 1..]);
        }
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next().unwrap().1 {
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            '\\' => out.push('\\'),
            'u' => {
                let digits: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                out.push(char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap());
            }
            c => {
                assert_eq!(c, quote, "PromQL knows no such escape");
                out.push(c);
            }
        }
    }
    panic!("the string is not closed: {text}");
}

#[test]
fn a_label_value_in_promql_stays_one() {
    for attack in ATTACKS {
        for (before, after) in [
            ("up{a=\"", "\"} > 1"),
            ("up{a!='", "'} > 1"),
            ("up{b=\"c\", a = \"x-", "-y\"}"),
        ] {
            let query = rendered(Format::Promql, &[before, after], attack);
            let start = before.rfind(['"', '\'']).unwrap();
            let (value, rest) = promql_string(&query[start..]);
            assert_eq!(
                value,
                format!(
                    "{}{attack}{}",
                    &before[start + 1..],
                    after.split(['"', '\'']).next().unwrap()
                )
            );
            assert_eq!(rest, &after[after.find(['"', '\'']).unwrap() + 1..]);
        }
    }
}

#[test]
fn a_label_pattern_in_promql_matches_the_value_and_nothing_else() {
    for attack in ATTACKS {
        let query = rendered(Format::Promql, &["up{a=~\"x-", ".*\"}"], attack);
        let (pattern, rest) = promql_string(&query[6..]);
        assert_eq!(rest, "}");
        let regex = regex::Regex::new(&format!("^(?s:{pattern})$")).unwrap();
        assert!(
            regex.is_match(&format!("x-{attack}-anything")),
            "{attack}: {pattern}"
        );
        assert!(!regex.is_match("x-other"), "{attack}: {pattern}");
    }
}

#[test]
fn where_promql_has_no_safe_place_a_value_from_outside_is_refused() {
    let refused = [
        "",
        "up > ",
        "up{",
        "up{a",
        "up{a=",
        "up{a=`",
        "up{\"",
        "up # ",
        "label_replace(up, \"",
        "up{a=\"\\",
        "up{a=~\"[",
        "up{a=~\"x{",
        "up{a=~\"\\\\",
        "up{a=\"b\"}[",
        "up{a=\"#\"} > ",
    ];
    for before in refused {
        assert!(put(Format::Promql, &[before, ""], "x").is_err(), "{before}");
    }
    // The author's own values may stand anywhere.
    for before in refused {
        let mut scanner = Scanner::new(Format::Promql);
        scanner.literal(before);
        assert!(scanner.value(Trust::Ours).is_ok(), "{before}");
    }
    // After a comment's line the code goes on.
    assert!(put(Format::Promql, &["# it's \"quoted\n up{a=\"", "\"}"], "x").is_ok());
}

#[test]
fn an_empty_label_value_is_refused_as_it_would_select_what_has_no_label() {
    assert!(put(Format::Promql, &["up{a=\"", "\"}"], "").unwrap().is_err());
    assert!(put(Format::Promql, &["up{a=~\"", "\"}"], "").unwrap().is_err());
}

#[test]
fn a_part_of_a_url_stays_that_part() {
    for attack in ATTACKS {
        let text = rendered(
            Format::Url,
            &["https://a.example/x/", "/y?q=", "&r=1#", ""],
            attack,
        );
        let url = ::url::Url::parse(&text).unwrap();
        assert_eq!(
            (url.scheme(), url.host_str(), url.port()),
            ("https", Some("a.example"), None)
        );
        assert_eq!(url.path_segments().unwrap().count(), 3, "{text}");
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        assert_eq!(
            pairs,
            [
                ("q".to_owned(), attack.to_owned()),
                ("r".to_owned(), "1".to_owned())
            ]
        );
        assert_eq!(crate::escape::check_url(&text), Ok(()));
    }
}

#[test]
fn a_value_from_outside_never_chooses_where_a_url_leads() {
    for before in [
        "",
        "https:",
        "https://",
        "https://a.",
        "https://a.example:",
        "https://user@",
        "//",
        "\\\\",
    ] {
        assert!(
            put(Format::Url, &[before, "/x"], "evil.example").is_err(),
            "{before}"
        );
    }
    for value in ["", ".", "..", "..."] {
        assert!(
            put(Format::Url, &["https://a.example/x/", "/y"], value)
                .unwrap()
                .is_err(),
            "{value}"
        );
    }
    assert!(crate::escape::check_url("https://a.example/x/../y").is_err());
    assert!(crate::escape::check_url("javascript:alert(1)").is_err());
    // A base of the operator's, then a part of the path.
    let mut scanner = Scanner::new(Format::Url);
    assert_eq!(scanner.value(Trust::Ours), Ok(Way::AsIs));
    assert!(scanner.value(Trust::Outside).is_err());
    scanner.literal("/d/");
    assert_eq!(scanner.value(Trust::Outside), Ok(Way::UrlPath));
}

#[test]
fn in_a_regular_expression_a_value_stands_for_itself() {
    for attack in ATTACKS {
        for (before, after) in [
            ("^a ", " b$"),
            ("^(?:a ", " b)$"),
            ("^(a |c )", "( b)?$"),
            ("^[abc] ", " b$"),
        ] {
            let pattern = rendered(Format::Regex, &[before, after], attack);
            let regex = regex::Regex::new(&pattern).unwrap();
            assert!(regex.is_match(&format!("a {attack} b")), "{pattern}");
            assert!(!regex.is_match("a other b"), "{pattern}");
        }
    }
    for before in [
        "[", "[^a", "a{", "\\", "(?", "(?P<", "(?x) ", "\\Q", "\\p{", "[\\",
    ] {
        assert!(put(Format::Regex, &[before, ""], "x").is_err(), "{before}");
    }
    // A bracket that is escaped opens nothing.
    assert!(put(Format::Regex, &["\\[", "\\(?", ""], "x").is_ok());
}

#[test]
fn in_json_a_value_stays_a_value() {
    for attack in ATTACKS {
        let text = rendered(Format::Json, &["{\"a\": \"x ", "\", \"b\": ", "}"], attack);
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read, json!({"a": format!("x {attack}"), "b": attack}), "{text}");
    }
    for before in ["{\"a\": \"\\", "{\"a\": \"\\u00"] {
        assert!(put(Format::Json, &[before, "\"}"], "x").is_err(), "{before}");
    }
    assert!(put(Format::Json, &["{\"a\": \"\\\\", "\"}"], "x").is_ok());
}

#[test]
fn what_no_escape_is_known_for_takes_nothing_from_outside() {
    for format in [Format::Text, Format::Unclear] {
        assert!(put(format, &["a ", ""], "x").is_err());
        let mut scanner = Scanner::new(format);
        assert_eq!(scanner.value(Trust::Ours), Ok(Way::AsIs));
    }
    // `text(…)` is enough for people and names, not for another language.
    assert!(Scanner::new(Format::Text).value(Trust::Outside).is_err());
    assert_eq!(Scanner::new(Format::Text).value(Trust::Text), Ok(Way::AsIs));
    assert!(Scanner::new(Format::Promql).value(Trust::Text).is_err());
    assert!(Scanner::new(Format::Url).value(Trust::Text).is_err());
}
