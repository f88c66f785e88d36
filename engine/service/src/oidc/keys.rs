//! The provider's public keys, and a token's signature held against them.

use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{AlgorithmFamily, DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::signature::{ALLOWED, with_ring};
use super::token::Unfit;

/// Keys beyond this many are not looked at.
const MOST: usize = 64;

/// The keys of one look at the provider.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys(Vec<Jwk>);

/// A set of keys, as the provider serves it.
#[derive(Deserialize)]
struct Served {
    keys: Vec<Value>,
}

impl Keys {
    /// Of what the provider serves. A key of a kind that is not known is no reason to take none.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let served: Served = serde_json::from_slice(body)
            .map_err(|_| "what is at its `jwks_uri` is no set of keys".to_owned())?;
        let keys = served.keys.into_iter().take(MOST);
        Ok(Self(
            keys.filter_map(|key| serde_json::from_value(key).ok()).collect(),
        ))
    }

    /// How many of them may sign a token.
    pub(super) fn usable(&self) -> usize {
        let signs = |key: &&Jwk| {
            let way = key.common.public_key_use.as_ref();
            let kind = DecodingKey::from_jwk(key).map(|key| key.family());
            matches!(way, None | Some(PublicKeyUse::Signature))
                && kind.is_ok_and(|kind| kind != AlgorithmFamily::Hmac)
        };
        self.0.iter().filter(signs).count()
    }

    /// What a token says, where one of these keys signed it. Nothing of what it says is checked.
    ///
    /// # Errors
    /// [`Unfit::UnknownKey`] where it names a key that is not there: it may be a new one.
    pub(super) fn opened(&self, token: &str) -> Result<Map<String, Value>, Unfit> {
        with_ring();
        let header = header_of(token)?;
        let fitting: Vec<&Jwk> = self.0.iter().filter(|key| fits(key, &header)).collect();
        if fitting.is_empty() {
            return Err(Unfit::UnknownKey);
        }
        let mut validation = Validation::new(header.alg);
        // Time, issuer and audience are the caller's to judge, with the clock and the settings of now.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        // Without a name in the token each of the kind is tried.
        for key in fitting {
            let Ok(key) = DecodingKey::from_jwk(key) else {
                continue;
            };
            if let Ok(read) = decode::<Map<String, Value>>(token, &key, &validation) {
                return Ok(read.claims);
            }
        }
        Err(Unfit::Forged)
    }
}

/// The head of a token, where it is signed in a way that is allowed.
fn header_of(token: &str) -> Result<Header, Unfit> {
    let header = decode_header(token).map_err(|error| match error.kind() {
        // `none` and what nobody knows: the library has no such word.
        jsonwebtoken::errors::ErrorKind::Json(_) => Unfit::Algorithm,
        _ => Unfit::NoToken,
    })?;
    if !ALLOWED.contains(&header.alg) {
        return Err(Unfit::Algorithm);
    }
    // RFC 7515, 4.1.11: what must be understood and is not, refuses the token.
    if header.crit.is_some() {
        return Err(Unfit::NoToken);
    }
    Ok(header)
}

fn fits(key: &Jwk, header: &Header) -> bool {
    let named = header.kid.is_none() || key.common.key_id == header.kid;
    let signs = matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let same = key.common.key_algorithm.is_none_or(|of| of == header.alg.into());
    let kind = DecodingKey::from_jwk(key).is_ok_and(|key| key.family() == header.alg.family());
    named && signs && same && kind
}
