//! What should not be kept of a log: each kind of it by name.
//!
//! A detector finds ranges of a text; what it finds is replaced by its name in brackets. It looks for forms, so it finds what
//! looks like a secret, and neither everything that is one nor only what is one. Where two find the same, the first in the
//! order here names it. All that they match is ASCII, so a range never splits a character.

use std::collections::BTreeMap;
use std::ops::Range;

use stanch_plugin::prelude::*;

/// A kind of thing that should not be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Detector {
    /// A private key in PEM, or what is left of one.
    PrivateKey,
    /// A JSON Web Token.
    Jwt,
    /// What comes after `Bearer`.
    BearerToken,
    /// What comes after `Basic`.
    BasicAuth,
    /// The user and password of a URL.
    UrlCredentials,
    /// The id of an AWS access key.
    AwsKey,
    /// A key whose beginning says whose it is (`sk-…`, `ghp_…`, `xoxb-…`, `AIza…`, `hf_…`).
    ApiKey,
    /// The value of what is called password, secret, token, api_key and the like.
    Password,
    /// An e-mail address.
    Email,
    /// The number of a credit card, with a check digit that is right.
    CreditCard,
    /// An IPv4 address.
    Ipv4,
}

/// Those that are used where the operator does not say. Addresses are what one looks for in a log more often than not.
pub(crate) const USUAL: [Detector; 10] = [
    Detector::PrivateKey,
    Detector::Jwt,
    Detector::BearerToken,
    Detector::BasicAuth,
    Detector::UrlCredentials,
    Detector::AwsKey,
    Detector::ApiKey,
    Detector::Password,
    Detector::Email,
    Detector::CreditCard,
];

impl Detector {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::PrivateKey => "private-key",
            Self::Jwt => "jwt",
            Self::BearerToken => "bearer-token",
            Self::BasicAuth => "basic-auth",
            Self::UrlCredentials => "url-credentials",
            Self::AwsKey => "aws-key",
            Self::ApiKey => "api-key",
            Self::Password => "password",
            Self::Email => "email",
            Self::CreditCard => "credit-card",
            Self::Ipv4 => "ipv4",
        }
    }

    /// Whether it finds the whole of what was given to a name.
    fn is_of_a_value(self) -> bool {
        matches!(self, Self::BearerToken | Self::BasicAuth | Self::Password)
    }

    fn find(self, t: &Text<'_>) -> Vec<Range<usize>> {
        match self {
            Self::PrivateKey => private_keys(t),
            Self::Jwt => t.each("eyJ", |at| t.jwt(at)),
            Self::BearerToken => t.each_word("bearer", |end| t.after_word(end, 8, is_token)),
            Self::BasicAuth => t.each_word("basic", |end| t.after_word(end, 8, is_token)),
            Self::UrlCredentials => t.each("://", |at| t.credentials(at + 3)),
            Self::AwsKey => AWS
                .iter()
                .flat_map(|start| t.each(start, |at| t.prefixed(at, start, 16, Some(16))))
                .collect(),
            Self::ApiKey => KEYS
                .iter()
                .flat_map(|(start, least)| t.each(start, |at| t.prefixed(at, start, *least, None)))
                .collect(),
            Self::Password => NAMES
                .iter()
                .flat_map(|name| t.each_name(name, |end| t.value(end)))
                .collect(),
            Self::Email => t.each("@", |at| t.email(at)),
            Self::CreditCard => t.numbers(Text::card),
            Self::Ipv4 => t.numbers(Text::ipv4),
        }
    }
}

/// `text` without what these find, and where in it the names now stand.
pub(crate) fn redact(text: &str, detectors: &[Detector]) -> (String, Vec<(usize, Detector)>) {
    let mut ordered: Vec<Detector> = USUAL.to_vec();
    ordered.push(Detector::Ipv4);
    let whole = Text::new(text);
    // By where it begins. What overlaps an earlier detector's range is that one's.
    let mut found: BTreeMap<usize, (usize, Detector)> = BTreeMap::new();
    for detector in ordered
        .into_iter()
        .filter(|detector| detectors.contains(detector))
    {
        for mut range in detector.find(&whole) {
            let mut name = detector;
            let before = found.range(..range.end).rev();
            let over: Vec<usize> = before
                .take_while(|(_, (end, _))| *end > range.start)
                .map(|(start, _)| *start)
                .collect();
            // Of a value the rest is as secret; of an address it is the name of a host.
            if !over.is_empty() && !detector.is_of_a_value() {
                continue;
            }
            for start in over {
                if let Some((end, earlier)) = found.remove(&start) {
                    range = range.start.min(start)..range.end.max(end);
                    name = earlier;
                }
            }
            found.insert(range.start, (range.end, name));
        }
    }
    let (mut kept, mut from, mut places) = (String::with_capacity(text.len()), 0, Vec::new());
    for (start, (end, detector)) in found {
        kept.push_str(text.get(from..start).unwrap_or_default());
        places.push((kept.len(), detector));
        kept.push_str(&format!("[{}]", detector.as_str()));
        from = end;
    }
    kept.push_str(text.get(from..).unwrap_or_default());
    (kept, places)
}

/// The prefixes of AWS access key ids, each with 16 more.
const AWS: [&str; 6] = ["AKIA", "ASIA", "AROA", "AIDA", "ABIA", "ACCA"];

/// Beginnings that say whose key it is, and how much there is of it at least.
const KEYS: [(&str, usize); 18] = [
    ("sk-", 20),
    ("sk_live_", 16),
    ("sk_test_", 16),
    ("rk_live_", 16),
    ("ghp_", 30),
    ("gho_", 30),
    ("ghu_", 30),
    ("ghs_", 30),
    ("ghr_", 30),
    ("github_pat_", 30),
    ("glpat-", 16),
    ("xoxb-", 16),
    ("xoxa-", 16),
    ("xoxp-", 16),
    ("xapp-", 16),
    ("AIza", 30),
    ("hf_", 30),
    ("npm_", 30),
];

/// How the names of secrets end.
const NAMES: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "secret_key",
    "private_key",
    "credentials",
];

/// A text to look through.
struct Text<'a> {
    text: &'a str,
    bytes: &'a [u8],
    /// In lower case, as far as it is ASCII: every place in it is one of the text.
    lower: String,
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// RFC 6750's token68, and what is around it in JSON is not among it.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

impl<'a> Text<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            lower: text.to_ascii_lowercase(),
        }
    }

    fn at(&self, index: usize) -> u8 {
        self.bytes.get(index).copied().unwrap_or(0)
    }

    /// The end of what is `is` from there on.
    fn run(&self, from: usize, is: impl Fn(u8) -> bool) -> usize {
        let rest = self.bytes.get(from..).unwrap_or_default();
        from + rest.iter().position(|byte| !is(*byte)).unwrap_or(rest.len())
    }

    /// The start of what is `is` up to there.
    fn run_back(&self, to: usize, is: impl Fn(u8) -> bool) -> usize {
        let before = self.bytes.get(..to).unwrap_or_default();
        before.iter().rposition(|byte| !is(*byte)).map_or(0, |at| at + 1)
    }

    /// What `find` makes of each place of `what`, written exactly so. What it found is not looked through again.
    fn each(&self, what: &str, find: impl Fn(usize) -> Option<Range<usize>>) -> Vec<Range<usize>> {
        places(self.text, what, find)
    }

    /// The same with each end of the word `what`, however it is written.
    fn each_word(&self, what: &str, find: impl Fn(usize) -> Option<Range<usize>>) -> Vec<Range<usize>> {
        let starts = |at: usize| at == 0 || !is_word(self.at(at - 1));
        places(&self.lower, what, |at| {
            starts(at).then(|| find(at + what.len())).flatten()
        })
    }

    /// The same with each end of a name that ends so.
    fn each_name(&self, what: &str, find: impl Fn(usize) -> Option<Range<usize>>) -> Vec<Range<usize>> {
        let ends = |at: usize| !is_word(self.at(at));
        places(&self.lower, what, |at| {
            let end = at + what.len();
            ends(end).then(|| find(end)).flatten()
        })
    }

    /// Parts in base64url with points between: a header and at least a payload.
    fn jwt(&self, at: usize) -> Option<Range<usize>> {
        if at > 0 && is_base64url(self.at(at - 1)) {
            return None;
        }
        let (mut end, mut parts) = (self.run(at, is_base64url), 1);
        let header = end - at;
        while parts < 5 && self.at(end) == b'.' && is_base64url(self.at(end + 1)) {
            end = self.run(end + 1, is_base64url);
            parts += 1;
        }
        (header >= 10 && parts >= 2).then_some(at..end)
    }

    /// At least so much of `is` after white space.
    fn after_word(&self, end: usize, least: usize, is: impl Fn(u8) -> bool) -> Option<Range<usize>> {
        let from = self.run(end, |byte| byte == b' ');
        let to = self.run(from, is);
        (from > end && to - from >= least).then_some(from..to)
    }

    /// `user:password` before an `@`, within one authority.
    fn credentials(&self, from: usize) -> Option<Range<usize>> {
        let end = self.run(from, |byte| {
            byte.is_ascii_graphic() && !b"/?#\"'<>".contains(&byte)
        });
        let authority = self.bytes.get(from..end)?;
        let at = authority.iter().rposition(|byte| *byte == b'@')?;
        (at > 0).then_some(from..from + at)
    }

    /// A beginning that says what it is, at the beginning of a word, and what follows.
    fn prefixed(&self, at: usize, start: &str, least: usize, most: Option<usize>) -> Option<Range<usize>> {
        if at > 0 && is_base64url(self.at(at - 1)) {
            return None;
        }
        let from = at + start.len();
        let end = self.run(from, is_base64url);
        let length = end - from;
        (length >= least && most.is_none_or(|most| length <= most)).then_some(at..end)
    }

    /// What is given to a name that ends here: `: "…"`, `=…`. Small numbers are counts and no secrets.
    fn value(&self, end: usize) -> Option<Range<usize>> {
        let quote = |byte: u8| matches!(byte, b'"' | b'\'' | b'\\');
        let sign = self.run(self.run(end, quote), |byte| byte == b' ');
        if !matches!(self.at(sign), b':' | b'=') {
            return None;
        }
        let from = self.run(sign + 1, |byte| byte == b' ');
        let opened = self.run(from, quote);
        let to = if opened > from {
            self.run(opened, |byte| !quote(byte) && byte != b'\n')
        } else {
            self.run(opened, |byte| {
                byte.is_ascii_graphic() && !b"\"',;&)}]".contains(&byte) || byte >= 0x80
            })
        };
        let value = self.bytes.get(opened..to)?;
        let is_count = value.len() < 6 && value.iter().all(u8::is_ascii_digit);
        let is_nothing = [b"null".as_slice(), b"none", b"nil", b"true", b"false"]
            .iter()
            .any(|nothing| value.eq_ignore_ascii_case(nothing));
        (!is_count && !is_nothing && !value.is_empty()).then_some(opened..to)
    }

    fn email(&self, at: usize) -> Option<Range<usize>> {
        let local = |byte: u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(&byte);
        let domain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        let start = self.run_back(at, local);
        let mut end = self.run(at + 1, domain);
        while end > at && !self.at(end - 1).is_ascii_alphanumeric() {
            end -= 1;
        }
        let host = self.bytes.get(at + 1..end)?;
        let point = host.iter().rposition(|byte| *byte == b'.')?;
        let top = host.get(point + 1..)?;
        let real = top.len() >= 2 && top.iter().all(u8::is_ascii_alphabetic) && point > 0;
        (start < at && real).then_some(start..end)
    }

    /// What `find` makes of each place where a number begins.
    fn numbers(&self, find: impl Fn(&Self, usize) -> Option<Range<usize>>) -> Vec<Range<usize>> {
        let begins = |at: usize| {
            let before = if at == 0 { b' ' } else { self.at(at - 1) };
            self.at(at).is_ascii_digit() && !is_word(before) && before != b'.'
        };
        let (mut found, mut at): (Vec<Range<usize>>, usize) = (Vec::new(), 0);
        while at < self.bytes.len() {
            match begins(at).then(|| find(self, at)).flatten() {
                Some(range) => {
                    at = range.end.max(at + 1);
                    found.push(range);
                }
                None => at += 1,
            }
        }
        found
    }

    /// Four numbers up to 255 with points between, and neither more nor less.
    fn ipv4(&self, at: usize) -> Option<Range<usize>> {
        let mut from = at;
        for part in 0..4 {
            let end = self.run(from, |byte| byte.is_ascii_digit());
            let number = std::str::from_utf8(self.bytes.get(from..end)?).ok()?;
            if number.len() > 3 || number.parse::<u16>().ok()? > 255 {
                return None;
            }
            match (part, self.at(end)) {
                (3, b'.') if self.at(end + 1).is_ascii_digit() => return None,
                (3, after) => return (!is_word(after)).then_some(at..end),
                (_, b'.') => from = end + 1,
                _ => return None,
            }
        }
        None
    }

    /// 13 to 19 digits, in groups or not, that a card may have; of several groups as many as make one.
    fn card(&self, at: usize) -> Option<Range<usize>> {
        let (mut digits, mut end, mut card) = (Vec::new(), at, None);
        while let byte @ (b'0'..=b'9' | b' ' | b'-') = self.at(end) {
            end += 1;
            if byte.is_ascii_digit() {
                digits.push(byte - b'0');
            } else if !self.at(end).is_ascii_digit() {
                break;
            }
            if digits.len() > 19 {
                break;
            }
            let issued = match digits.as_slice() {
                [4, ..] => matches!(digits.len(), 13 | 16 | 19),
                [5, 1..=5, ..] | [2, 2..=7, ..] | [6, ..] => digits.len() == 16,
                [3, 4 | 7, ..] => digits.len() == 15,
                _ => false,
            };
            if byte.is_ascii_digit() && issued && !is_word(self.at(end)) && luhn(&digits) {
                card = Some(at..end);
            }
        }
        card
    }
}

/// What `find` makes of each place of `what` in a text. What it found is not looked through again.
fn places(text: &str, what: &str, find: impl Fn(usize) -> Option<Range<usize>>) -> Vec<Range<usize>> {
    let (mut found, mut from): (Vec<Range<usize>>, usize) = (Vec::new(), 0);
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(what)) {
        let at = from + at;
        from = at + what.len();
        if let Some(range) = find(at) {
            // What it found may reach back, as from the `@` of an address.
            from = from.max(range.end);
            found.push(range);
        }
    }
    found
}

/// ISO/IEC 7812's check digit.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(*digit)) {
            (1, digit @ 5..) => digit * 2 - 9,
            (1, digit) => digit * 2,
            (_, digit) => digit,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// From `-----BEGIN … PRIVATE KEY-----` to its end. A log may begin or end in the middle of one: then what is before its end or
/// after its beginning and looks like one.
fn private_keys(t: &Text<'_>) -> Vec<Range<usize>> {
    const END: &str = "PRIVATE KEY-----";
    let text = t.text;
    let body = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=\n\r \\".contains(&byte);
    let (mut found, mut open, mut from): (Vec<Range<usize>>, Option<usize>, usize) = (Vec::new(), None, 0);
    while let Some(label) = text
        .get(from..)
        .and_then(|rest| rest.find(END))
        .map(|at| from + at)
    {
        let after = label + END.len();
        let dashes = text
            .get(from..label)
            .and_then(|before| before.rfind("-----"))
            .map(|at| from + at);
        let word = dashes.and_then(|at| text.get(at + 5..label)).unwrap_or_default();
        match (dashes, open) {
            (Some(at), _) if word.starts_with("BEGIN ") => open = Some(open.unwrap_or(at)),
            (Some(at), begun) if word.starts_with("END ") => {
                found.push(begun.unwrap_or_else(|| t.run_back(at, body))..after);
                open = None;
            }
            _ => {}
        }
        from = after;
    }
    if let Some(begun) = open {
        found.push(begun..t.run(from, body));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str, detector: Detector) -> String {
        redact(text, &[detector]).0
    }

    #[test]
    fn each_detector_finds_what_it_is_called_after_and_leaves_what_only_looks_a_little_like_it() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
        let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nAbc+/=\n-----END RSA PRIVATE KEY-----";
        let table = [
            (Detector::PrivateKey, format!("a {key} b"), "a [private-key] b".to_owned()),
            (Detector::PrivateKey, "{\"key\":\"-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----\\n\"}".into(), "{\"key\":\"[private-key]\\n\"}".into()),
            (Detector::PrivateKey, "MIIEow\nAbc=\n-----END PRIVATE KEY-----\nnext".into(), "[private-key]\nnext".into()),
            (Detector::PrivateKey, "12:00 reading\n-----BEGIN PRIVATE KEY-----\nMIIEow\nAbc".into(), "12:00 reading\n[private-key]".into()),
            (Detector::PrivateKey, "-----BEGIN PRIVATE KEY----- was not found: giving up".into(), "[private-key]: giving up".into()),
            (Detector::PrivateKey, "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----".into(), "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----".into()),
            (Detector::PrivateKey, "no PRIVATE KEY----- here".into(), "no PRIVATE KEY----- here".into()),
            (Detector::Jwt, format!("t={jwt}, next"), "t=[jwt], next".into()),
            (Detector::Jwt, "eyJhbGciOiJIUzI1NiJ9 keyJunction.eyJx".into(), "eyJhbGciOiJIUzI1NiJ9 keyJunction.eyJx".into()),
            (Detector::BearerToken, "Authorization: bearer abc.DEF-123_~+/= x".into(), "Authorization: bearer [bearer-token] x".into()),
            (Detector::BearerToken, "the bearer of this; forbearer abcdefghij".into(), "the bearer of this; forbearer abcdefghij".into()),
            (Detector::BasicAuth, "authorization: Basic dXNlcjpwYXNz".into(), "authorization: Basic [basic-auth]".into()),
            (Detector::BasicAuth, "basic auth failed".into(), "basic auth failed".into()),
            (Detector::UrlCredentials, "GET https://user:p%40ss@host/x postgres://u:p@db".into(), "GET https://[url-credentials]@host/x postgres://[url-credentials]@db".into()),
            (Detector::UrlCredentials, "https://host/a@b mailto:x@y".into(), "https://host/a@b mailto:x@y".into()),
            (Detector::AwsKey, "id AKIAIOSFODNN7EXAMPLE.".into(), "id [aws-key].".into()),
            (Detector::AwsKey, "XAKIAIOSFODNN7EXAMPLE AKIAIOSFODNN7EXAMPLEX ASIA".into(), "XAKIAIOSFODNN7EXAMPLE AKIAIOSFODNN7EXAMPLEX ASIA".into()),
            (Detector::ApiKey, format!("key sk-{} and ghp_{}", "a1".repeat(12), "b2".repeat(18)), "key [api-key] and [api-key]".into()),
            (Detector::ApiKey, "disk-usage-of-the-whole-file-system hf_model".into(), "disk-usage-of-the-whole-file-system hf_model".into()),
            (Detector::Password, "password=hunter2&x=1 db_password: 'a b' \"client_secret\": \"x y\", API_KEY = abc".into(), "password=[password]&x=1 db_password: '[password]' \"client_secret\": \"[password]\", API_KEY = [password]".into()),
            (Detector::Password, "{\\\"token\\\":\\\"abcdef\\\"}".into(), "{\\\"token\\\":\\\"[password]\\\"}".into()),
            (Detector::Password, "max_tokens=4096 token=12 token: null secret santa passwords: 3 token_id=7".into(), "max_tokens=4096 token=12 token: null secret santa passwords: 3 token_id=7".into()),
            (Detector::Email, "from dana.x+1@mail.example.com, to <a@b.io>.".into(), "from [email], to <[email]>.".into()),
            (Detector::Email, "pod@uid a@b @x user@host ü@example.com".into(), "pod@uid a@b @x user@host ü@example.com".into()),
            (Detector::CreditCard, "4111 1111 1111 1111, 5500-0000-0000-0004 378282246310005".into(), "[credit-card], [credit-card] [credit-card]".into()),
            (Detector::CreditCard, "4111111111111112 1767225600000000000 id-4111111111111111x 0x4111111111111111".into(), "4111111111111112 1767225600000000000 id-4111111111111111x 0x4111111111111111".into()),
            (Detector::Ipv4, "from 10.0.0.1:8080 to 192.168.255.254.".into(), "from [ipv4]:8080 to [ipv4].".into()),
            (Detector::Ipv4, "version 1.2.3.4.5, 1.2.3, 256.1.1.1, v1.2.3.4, 1.2.3.4a".into(), "version 1.2.3.4.5, 1.2.3, 256.1.1.1, v1.2.3.4, 1.2.3.4a".into()),
        ];
        for (detector, text, expected) in table {
            assert_eq!(kept(&text, detector), expected, "{}", detector.as_str());
        }
    }

    #[test]
    fn what_several_find_is_replaced_once_and_counted_once() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
        let text = format!("authorization: Bearer {jwt} token={jwt} mail a@b.io");
        let (kept, places) = redact(&text, &USUAL);
        assert_eq!(kept, "authorization: Bearer [jwt] token=[jwt] mail [email]");
        assert_eq!(
            places,
            [(22, Detector::Jwt), (34, Detector::Jwt), (45, Detector::Email)]
        );
    }

    #[test]
    fn of_a_value_nothing_is_left_and_of_an_address_the_host_is() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
        let text = format!("secret=\"mine {jwt} too\" https://user:pass@db.example.com/x");
        let (kept, _) = redact(&text, &USUAL);
        assert_eq!(
            kept,
            "secret=\"[jwt]\" https://[url-credentials]@db.example.com/x"
        );
    }

    #[test]
    fn a_secret_is_found_wherever_it_stands_in_a_text_of_any_kind() {
        for (before, after) in [("", ""), ("ü", "ü"), ("\n", "\n"), ("→ ", " ←")] {
            let text = format!("{before}AKIAIOSFODNN7EXAMPLE{after}");
            assert_eq!(kept(&text, Detector::AwsKey), format!("{before}[aws-key]{after}"));
        }
    }

    #[test]
    fn what_is_not_asked_for_is_left() {
        let (kept, places) = redact("10.0.0.1 a@b.io", &USUAL);
        assert_eq!((kept.as_str(), places.len()), ("10.0.0.1 [email]", 1));
        assert_eq!(redact("10.0.0.1 a@b.io", &[]).0, "10.0.0.1 a@b.io");
    }
}
