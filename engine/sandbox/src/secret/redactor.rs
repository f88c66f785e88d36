//! Takes the values of secrets out of what is shown, stored or handed to a plugin: as they are, and as base64 (also in the
//! middle of a longer text), percent-encoded, hexadecimal, and with JSON's or HTML's escapes. A server that echoes a secret in
//! another form (compressed, reversed, encrypted) defeats this; compressed answers are therefore not handed over (see
//! `http::client`).

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::{SHORTEST, Secret};

/// What stands where a secret was.
pub const REDACTED: &str = "[secret]";

/// Takes the values of secrets out of bytes and texts.
pub struct Redactor(Search);

enum Search {
    Nothing,
    For(Box<AhoCorasick>),
    /// The search could not be built: then nothing is let through.
    Everything,
}

impl Redactor {
    /// Finds nothing.
    pub const fn none() -> Self {
        Self(Search::Nothing)
    }

    /// Finds these secrets, in the forms that the module names.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut forms: Vec<Vec<u8>> = secrets
            .into_iter()
            .flat_map(|secret| forms_of(secret.expose()))
            .collect();
        forms.sort_unstable();
        forms.dedup();
        if forms.is_empty() {
            return Self::none();
        }
        match AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(forms)
        {
            Ok(search) => Self(Search::For(Box::new(search))),
            Err(error) => {
                tracing::error!(%error, "secrets cannot be searched for: what a plugin gets is withheld");
                Self(Search::Everything)
            }
        }
    }

    /// Finds these values, whatever is in them, in the same forms.
    pub fn of_values(values: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let values: Vec<Secret> = values.into_iter().map(Secret::of_any).collect();
        Self::new(&values)
    }

    /// Whether a text has one of them.
    pub fn finds(&self, text: &str) -> bool {
        match &self.0 {
            Search::Nothing => false,
            Search::Everything => true,
            Search::For(search) => search.is_match(text),
        }
    }

    /// The bytes without the secrets.
    pub fn bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        match &self.0 {
            Search::Everything => REDACTED.as_bytes().to_vec(),
            Search::For(search) if search.is_match(&bytes) => {
                let mut out = Vec::with_capacity(bytes.len());
                search.replace_all_with_bytes(&bytes, &mut out, |_, _, out| {
                    out.extend_from_slice(REDACTED.as_bytes());
                    true
                });
                out
            }
            _ => bytes,
        }
    }

    /// The text without the secrets.
    pub fn text(&self, text: String) -> String {
        match String::from_utf8(self.bytes(text.into_bytes())) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        }
    }
}

/// The forms in which a server echoes what it was sent.
fn forms_of(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![
        secret.to_vec(),
        hex::encode(secret).into_bytes(),
        hex::encode_upper(secret).into_bytes(),
    ];
    forms.extend(base64_forms(secret));
    forms.push(percent(secret, false));
    forms.push(percent(secret, true));
    if let Ok(text) = std::str::from_utf8(secret) {
        let json = serde_json::Value::from(text).to_string();
        let json = json
            .strip_prefix('"')
            .and_then(|json| json.strip_suffix('"'))
            .unwrap_or(text);
        forms.push(json.as_bytes().to_vec());
        forms.push(json.replace('/', "\\/").into_bytes());
        let html = text
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;");
        forms.push(html.replace('\'', "&#39;").into_bytes());
        // A secret that is base64 itself (basic authentication) may come back as what it stands for.
        if let Ok(decoded) = STANDARD.decode(text)
            && decoded.len() >= SHORTEST
        {
            forms.push(decoded);
        }
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

/// Base64 of the secret, on its own and at each of the three places it can have within a longer text. In the middle of a text
/// the first and last characters depend on the neighbours and are left out; a rest too short to be told from chance too.
fn base64_forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![STANDARD.encode(secret).into_bytes()];
    for shift in 0..3_usize {
        let mut text = vec![0; shift];
        text.extend_from_slice(secret);
        let first = (shift * 8).div_ceil(6);
        let end = text.len() * 8 / 6;
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            if let Some(core) = engine.encode(&text).as_bytes().get(first..end)
                && core.len() >= 6
            {
                forms.push(core.to_vec());
            }
        }
    }
    forms
}

fn percent(secret: &[u8], lower: bool) -> Vec<u8> {
    let mut out = String::new();
    for byte in secret {
        match byte {
            b if b.is_ascii_alphanumeric() || b"-._~".contains(b) => out.push(char::from(*b)),
            b if lower => out.push_str(&format!("%{b:02x}")),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out.into_bytes()
}

#[cfg(test)]
mod tests;
