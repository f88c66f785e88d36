//! Who sends: the credential of a request against the intake's, in constant time.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use sha2::{Digest as _, Sha256};
use stanch_sandbox::secret::Secret;
use subtle::{Choice, ConstantTimeEq as _};

use crate::config::settings::IntakeAuth;
use crate::secrets::Secrets;

/// Why a request is not from who may send.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// No credential, or not the right one. Which of them is nobody's business.
    Wrong,
    /// The intake's own credential has no value, so nobody can present it.
    NoValue(String),
}

/// Whether the request presents what the intake asks for.
pub(super) fn check(auth: Option<&IntakeAuth>, headers: &HeaderMap, secrets: &Secrets) -> Result<(), Denied> {
    let Some(auth) = auth else { return Ok(()) };
    let secret = match auth {
        IntakeAuth::Bearer { secret } | IntakeAuth::Basic { secret, .. } => secret,
    };
    let expected: Arc<Secret> = secrets.value(secret).map_err(Denied::NoValue)?;
    // Several are ambiguous: a proxy may have looked at another one.
    let mut presented = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(presented), None) = (presented.next(), presented.next()) else {
        return Err(Denied::Wrong);
    };
    let (scheme, value) = split(presented.as_bytes()).ok_or(Denied::Wrong)?;
    let right = match auth {
        IntakeAuth::Bearer { .. } if scheme.eq_ignore_ascii_case(b"bearer") => same(value, expected.expose()),
        IntakeAuth::Basic { user, .. } if scheme.eq_ignore_ascii_case(b"basic") => {
            let decoded = STANDARD.decode(value).map_err(|_| Denied::Wrong)?;
            let colon = decoded
                .iter()
                .position(|byte| *byte == b':')
                .ok_or(Denied::Wrong)?;
            let (name, password) = decoded.split_at(colon);
            same(name, user.as_bytes()) & same(password.get(1..).unwrap_or_default(), expected.expose())
        }
        _ => return Err(Denied::Wrong),
    };
    if right.into() { Ok(()) } else { Err(Denied::Wrong) }
}

/// What `WWW-Authenticate` says.
pub(super) fn challenge(auth: Option<&IntakeAuth>) -> &'static str {
    match auth {
        Some(IntakeAuth::Basic { .. }) => r#"Basic realm="stanch", charset="UTF-8""#,
        _ => r#"Bearer realm="stanch""#,
    }
}

fn split(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = value.split_at(space);
    Some((scheme, rest.trim_ascii()))
}

/// Compares digests, so that neither content nor length shows in the time that it takes.
fn same(a: &[u8], b: &[u8]) -> Choice {
    Sha256::digest(a).as_slice().ct_eq(Sha256::digest(b).as_slice())
}
