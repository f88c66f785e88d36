use proptest::prelude::*;

use super::super::pattern::UrlPattern;
use super::*;

fn target(text: &str) -> HttpTarget {
    HttpTarget::parse(text).unwrap()
}

#[test]
fn a_url_has_one_normal_form() {
    let table = [
        ("https://Example.COM", "https://example.com/"),
        ("HTTPS://example.com:443/a", "https://example.com/a"),
        ("http://example.com:80/a", "http://example.com/a"),
        ("https://example.com/a/./b/../c", "https://example.com/a/c"),
        ("https://example.com/%41%7e%3a", "https://example.com/A~%3A"),
        ("https://example.com/a?x=%2f%2E", "https://example.com/a?x=%2F."),
        ("https://example.com/a?", "https://example.com/a?"),
        ("https://example.com/ü", "https://example.com/%C3%BC"),
        ("https://10.2.0.1:8443/a", "https://10.2.0.1:8443/a"),
        ("https://[2606:4700::1111]/a", "https://[2606:4700::1111]/a"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
    ];
    for (text, normal) in table {
        assert_eq!(target(text).as_str(), normal, "{text}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let table = [
        // Another form of the host.
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.0.1./",
        "http://0/",
        "http://[::127.0.0.1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://[0:0:0:0:0:0:0:1]/",
        "http://ｅxample.com/",
        "http://example%2ecom/",
        "http://①②⑦.0.0.1/",
        "http://bücher.example/",
        "http://[fe80::1%25eth0]/",
        "http:///a",
        "http://:80/",
        "http://?a",
        "https://exa\u{ad}mple.com/",
        // Another owner.
        "https://user@example.com/",
        "https://user:pw@example.com/",
        "https://@example.com/",
        "https://example.com@evil.example/",
        "https://example.com\\@evil.example/",
        // Another shape.
        "//example.com/",
        "/a",
        "example.com",
        "https:example.com",
        "https:/example.com",
        "https:\\\\example.com",
        "file:///etc/passwd",
        "ftp://example.com/",
        "gopher://example.com/",
        "javascript://example.com/%0aalert(1)",
        "https://example.com/#a",
        "https://example.com/a b",
        " https://example.com/",
        "https://example.com/\n",
        "https://exa\tmple.com/",
        "https://example.com/a\r\nHost: evil",
        "https://example.com:99999/",
        // Another path.
        "https://example.com/a/%2e%2e/b",
        "https://example.com/a/%2E/b",
        "https://example.com/a/.%2e/b",
        "https://example.com/a%2fb",
        "https://example.com/a%2Fb",
        "https://example.com/a%5cb",
        "https://example.com/a\\b",
        "https://example.com/a/%252e%252e/b",
        "https://example.com/a%252fb",
        "https://example.com/a/..;/b",
        "https://example.com/a/..;x=1/b",
        "https://example.com/a/;/b",
        "https://example.com/%c0%ae%c0%ae/b",
        "https://example.com/%00",
        "https://example.com/%0d%0a",
        "https://example.com/%",
        "https://example.com/%zz",
        "https://example.com/%2%65",
        "https://example.com/a?%zz",
        "https://example.com/%7f",
        "https://example.com/%ff",
    ];
    for text in table {
        assert!(
            HttpTarget::parse(text).is_err(),
            "{text}: {:?}",
            HttpTarget::parse(text).map(|t| t.to_string())
        );
    }
    assert!(HttpTarget::parse(&format!("https://example.com/{}", "a".repeat(9000))).is_err());
}

#[test]
fn a_pattern_matches_its_paths_and_their_neighbours_are_outside() {
    let table = [
        (
            "https://waf:8443/api/blocklist/**",
            "https://waf:8443/api/blocklist/1",
            true,
        ),
        (
            "https://waf:8443/api/blocklist/**",
            "https://waf:8443/api/blocklist/1/2?x",
            true,
        ),
        (
            "https://waf:8443/api/blocklist/**",
            "https://waf:8443/api/blocklist/",
            true,
        ),
        (
            "https://waf:8443/api/blocklist/**",
            "https://waf:8443/api/blocklist",
            false,
        ),
        (
            "https://waf:8443/api/blocklist/**",
            "https://waf:8443/api/blocklistx/1",
            false,
        ),
        (
            "https://waf:8443/api/blocklist/**",
            "https://waf:8443/api/blocklist/../admin",
            false,
        ),
        (
            "https://waf:8443/api/blocklist/**",
            "https://waf:8443/API/blocklist/1",
            false,
        ),
        (
            "https://waf:8443/api/blocklist/**",
            "https://waf/api/blocklist/1",
            false,
        ),
        (
            "https://waf:8443/api/blocklist/**",
            "http://waf:8443/api/blocklist/1",
            false,
        ),
        (
            "https://waf:8443/api/blocklist/**",
            "https://waf.evil:8443/api/blocklist/1",
            false,
        ),
        (
            "https://waf:8443/api/blocklist/**",
            "https://xwaf:8443/api/blocklist/1",
            false,
        ),
        ("https://h/a/*/c", "https://h/a/b/c", true),
        ("https://h/a/*/c", "https://h/a//c", false),
        ("https://h/a/*/c", "https://h/a/b/b/c", false),
        ("https://h/a/*/c", "https://h/a/b/c/", false),
        ("https://h/a/*", "https://h/a/b", true),
        ("https://h/a/*", "https://h/a/", false),
        ("https://h/a", "https://h/a?any=query", true),
        ("https://h/a", "https://h/a/", false),
        ("https://h/a", "https://h:443/%61", true),
        ("https://h/a%2A", "https://h/a*", true),
        ("https://h", "https://h/", true),
        ("https://h", "https://h/a", false),
        ("https://h.example/**", "https://h.example./a", false),
    ];
    for (pattern, url, expected) in table {
        assert_eq!(
            UrlPattern::parse(pattern).unwrap().matches(&target(url)),
            expected,
            "{pattern} {url}"
        );
    }
}

#[test]
fn a_pattern_that_promises_too_much_is_refused_with_what_would_be_right() {
    let table = [
        ("https://*.example.com/a", "are exact"),
        ("https://example.com/**/a", "at its end"),
        ("https://example.com/a*", "one whole segment"),
        ("https://example.com/a?b=c", "no query"),
        ("https://example.com./a", "empty part"),
        ("*://example.com/a", "neither https nor http"),
        ("https://example.com:*/a", "cannot be read"),
        ("https://u@example.com/a", "user name"),
        ("https://example.com:0/a", "port 0"),
        ("example.com/**", "is not absolute"),
    ];
    for (pattern, part) in table {
        let error = UrlPattern::parse(pattern).unwrap_err();
        assert!(error.contains(part), "{pattern}: {error}");
    }
}

proptest! {
    #[test]
    fn reading_never_panics_and_the_normal_form_is_stable(text in "https?://[a-z0-9.@\\[\\]:%]{0,12}[/?#%;.\\\\a-z0-9%A-F*ü ]{0,30}") {
        if let Ok(target) = HttpTarget::parse(&text) {
            prop_assert_eq!(HttpTarget::parse(target.as_str()).unwrap(), target);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,60}") {
        let _ = HttpTarget::parse(&text).is_ok();
        let _ = UrlPattern::parse(&text).is_ok();
    }

    #[test]
    fn what_matches_is_inside_for_a_reader_that_decodes_twice(path in "[/%.;a-z2ef5cA-F\\\\]{0,40}") {
        let pattern = UrlPattern::parse("https://h/safe/**").unwrap();
        if let Ok(target) = HttpTarget::parse(&format!("https://h/safe/{path}"))
            && pattern.matches(&target)
        {
            let mut seen = target.as_str().trim_start_matches("https://h").to_owned();
            for _ in 0..2 {
                seen = lenient_decode(&seen);
                let mut depth = 0;
                for segment in seen.split(['/', '\\']).filter(|s| !s.is_empty()) {
                    match segment.split(';').next().unwrap() {
                        ".." => depth -= 1,
                        "." => {}
                        _ => depth += 1,
                    }
                    prop_assert!(depth >= 1 , "{} leaves the grant", target);
                }
                prop_assert!(seen.starts_with("/safe/"), "{} leaves the grant", target);
            }
        }
    }
}

fn lenient_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match (
            bytes[at],
            hex_pair(bytes.get(at + 1).copied(), bytes.get(at + 2).copied()),
        ) {
            (b'%', Some(value)) => {
                out.push(value);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
