//! URLs: parsed and normalised once; that value is matched, shown, planned and sent.
//!
//! Two programs that read one URL differently are a way around a grant, so what is read in more than one way is refused
//! rather than repaired: a host that is not in its canonical form (decimal, octal and short IPv4 addresses, full-width
//! letters), user names, fragments, backslashes, white space, `%2f`, `%5c` and `%2e` in the path, double encoding, overlong
//! UTF-8, and path parameters on dots (`..;`). The rest is put into one form: WHATWG parsing, then RFC 3986 §6.2.2
//! (percent-encoded unreserved characters decoded, hex digits in upper case).

use std::fmt;

use url::{Host, Url};

/// Longer ones are refused.
const LONGEST: usize = 8 * 1024;

/// A URL that may be matched against grants and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTarget {
    url: Url,
}

/// Why a URL is not sent to anybody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the URL `{url}` {why}")]
pub struct UnfitUrl {
    url: String,
    why: String,
}

impl HttpTarget {
    /// Reads and normalises.
    ///
    /// # Errors
    /// Where the URL is not absolute http(s), or could be read in two ways.
    pub fn parse(text: &str) -> Result<Self, UnfitUrl> {
        let unfit = |why: &str| {
            let shown = stanch_contract::text::clean_line_to(text, 200);
            UnfitUrl {
                url: shown,
                why: why.to_owned(),
            }
        };
        if text.len() > LONGEST {
            return Err(unfit("is longer than 8 KiB"));
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(unfit(
                "contains white space or a control character: percent-encode it",
            ));
        }
        if text.contains('\\') {
            return Err(unfit("contains a backslash"));
        }
        if text.contains('#') {
            return Err(unfit("has a fragment, which is never sent"));
        }
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| unfit("is not absolute: write `https://HOST/PATH`"))?;
        if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
            return Err(unfit("is neither https nor http"));
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path_and_query) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let path = path_and_query.split('?').next().unwrap_or_default();
        check_authority(authority).map_err(unfit)?;
        check_path(path).map_err(unfit)?;
        let parsed = Url::parse(text).map_err(|error| unfit(&format!("cannot be read: {error}")))?;
        if let Some(canonical) = parsed.host_str()
            && !host_of(authority).eq_ignore_ascii_case(canonical)
        {
            return Err(unfit(&format!(
                "names its host in another form than its own: write `{canonical}`"
            )));
        }
        let normal =
            normalised(&parsed).ok_or_else(|| unfit("has a `%` that is not followed by two hex digits"))?;
        let url = Url::parse(&normal).map_err(|error| unfit(&format!("cannot be read: {error}")))?;
        // Parameters and encodings may hide dots that normalising brings out; what is sent is checked once more.
        check_path(url.path()).map_err(unfit)?;
        if url.as_str() != normal || url.host() != parsed.host() || url.cannot_be_a_base() {
            return Err(unfit("has no single normal form"));
        }
        if url.as_str().parse::<http::Uri>().is_err() {
            return Err(unfit("has a character that HTTP cannot carry: percent-encode it"));
        }
        Ok(Self { url })
    }

    /// The URL in its normal form: what is matched, planned and sent.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Whether it goes over TLS.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The host.
    pub fn host(&self) -> Host<&str> {
        self.url.host().unwrap_or(Host::Domain(""))
    }

    /// The port, that of the scheme where the URL names none.
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(0)
    }

    pub(super) fn segments(&self) -> Vec<&str> {
        self.url
            .path_segments()
            .map(Iterator::collect)
            .unwrap_or_default()
    }
}

impl fmt::Display for HttpTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn host_of(authority: &str) -> &str {
    match authority.rfind(']') {
        Some(end) => authority.get(..=end).unwrap_or(authority),
        None => authority.split(':').next().unwrap_or(authority),
    }
}

fn check_authority(authority: &str) -> Result<(), &'static str> {
    if authority.contains('@') {
        return Err("has a user name: credentials are the grant's `headers`");
    }
    if !authority.is_ascii() || authority.contains('%') {
        return Err("names its host in another form than its own: write it in ASCII (`xn--…`)");
    }
    if host_of(authority).is_empty() {
        return Err("names no host");
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), &'static str> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let encoded = hex_pair(bytes.next(), bytes.next());
        match encoded.ok_or("has a `%` in its path that is not followed by two hex digits")? {
            b'/' | b'\\' => return Err("has an encoded slash or backslash in its path"),
            b'.' => return Err("has an encoded dot in its path"),
            b'%' => return Err("has an encoded percent sign in its path"),
            byte => decoded.push(byte),
        }
    }
    let decoded =
        std::str::from_utf8(&decoded).map_err(|_| "has an encoding in its path that is not UTF-8")?;
    if decoded.chars().any(char::is_control) {
        return Err("has an encoded control character in its path");
    }
    let hides_dots =
        |segment: &str| segment.contains(';') && matches!(segment.split(';').next(), Some("." | ".." | ""));
    if decoded.split('/').any(hides_dots) {
        return Err("has path parameters on dots or on nothing (`..;`)");
    }
    Ok(())
}

fn hex_pair(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// The URL with unreserved characters decoded and hex digits in upper case; `None` where a `%` stands alone.
fn normalised(url: &Url) -> Option<String> {
    let mut out = url.origin().ascii_serialization();
    out.push_str(&decode_unreserved(url.path())?);
    if let Some(query) = url.query() {
        out.push('?');
        out.push_str(&decode_unreserved(query)?);
    }
    Some(out)
}

fn decode_unreserved(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let byte = |c: Option<char>| c.and_then(|c| u8::try_from(c).ok());
        let value = hex_pair(byte(chars.next()), byte(chars.next()))?;
        if value.is_ascii_alphanumeric() || b"-._~".contains(&value) {
            out.push(char::from(value));
        } else {
            out.push_str(&format!("%{value:02X}"));
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests;
