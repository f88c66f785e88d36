//! Who sends: the credential of a request against the intake's, in constant time.
//!
//! A signature can be judged only with the whole body, so those are looked at twice: whether there is one at all before
//! anything of the body is read ([`check`]), and whether it is right after it ([`signed`]).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, header};
use sha2::{Digest as _, Sha256};
use stanch_contract::{Span, Timestamp};
use stanch_sandbox::secret::Secret;
use subtle::{Choice, ConstantTimeEq as _};

use crate::config::settings::{Encoding, Intake, IntakeAuth, SignedHeader};
use crate::secrets::Secrets;

/// How far a signed time may be from now, either way: what was recorded on the way is worth nothing after that.
const WINDOW: Span = Span::from_secs(300);
/// Signatures that are tried of one request.
const MOST_SIGNATURES: usize = 8;

/// Why a request is not from who may send.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// No credential, or not the right one. Which of them is nobody's business.
    Wrong,
    /// The intake's own credential has no value, so nobody can present it.
    NoValue(String),
    /// It was signed too long ago, or a clock is wrong.
    Stale,
}

/// Whether the request presents what the intake asks for.
pub(super) fn check(intake: &Intake, headers: &HeaderMap, secrets: &Secrets) -> Result<(), Denied> {
    let Some(auth) = &intake.auth else {
        return Ok(());
    };
    let expected: Arc<Secret> = secrets.value(auth.secret()).map_err(Denied::NoValue)?;
    if let IntakeAuth::Signature { header, .. } = auth {
        return presented(header, headers).map(drop);
    }
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

/// Whether the body is signed as the intake asks for. Nothing to see where it asks for no signature.
pub(super) fn signed(
    intake: &Intake,
    headers: &HeaderMap,
    body: &[u8],
    secrets: &Secrets,
    now: Timestamp,
) -> Result<(), Denied> {
    let Some(IntakeAuth::Signature { secret, header }) = &intake.auth else {
        return Ok(());
    };
    let key: Arc<Secret> = secrets.value(secret).map_err(Denied::NoValue)?;
    let Presented { time, signatures } = presented(header, headers)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).map_err(|_| Denied::Wrong)?;
    if let Some((time, between)) = time {
        mac.update(time.as_bytes());
        mac.update(between.as_bytes());
    }
    mac.update(body);
    let right = signatures.iter().fold(Choice::from(0), |right, presented| {
        right | same(presented, mac.clone().finalize().into_bytes().as_slice())
    });
    if !bool::from(right) {
        return Err(Denied::Wrong);
    }
    // Only now: of a time that nobody signed there is nothing to say.
    match time.map(|(time, _)| time.parse::<i64>()) {
        None => Ok(()),
        Some(Ok(seconds)) => {
            let then = Timestamp(seconds.saturating_mul(1_000));
            let apart = now.since(then).max(then.since(now));
            if apart <= WINDOW {
                Ok(())
            } else {
                Err(Denied::Stale)
            }
        }
        Some(Err(_)) => Err(Denied::Wrong),
    }
}

/// What a request presents as its signatures, and the time that they are of with what stands between it and the body.
struct Presented<'a> {
    time: Option<(&'a str, &'a str)>,
    signatures: Vec<Vec<u8>>,
}

fn presented<'a>(header: &'a SignedHeader, headers: &'a HeaderMap) -> Result<Presented<'a>, Denied> {
    let one = |name: &str| {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().map_err(|_| Denied::Wrong),
            _ => Err(Denied::Wrong),
        }
    };
    // What begins otherwise is a signature of another form, or the time.
    let value = one(&header.name)?;
    let signatures = parts(value, &header.prefix).take(MOST_SIGNATURES);
    let signatures: Vec<Vec<u8>> = signatures
        .map(|written| match header.encoding {
            Encoding::Hex => hex::decode(written).map_err(|_| Denied::Wrong),
            Encoding::Base64 => STANDARD.decode(written).map_err(|_| Denied::Wrong),
        })
        .collect::<Result<_, _>>()?;
    if signatures.is_empty() {
        return Err(Denied::Wrong);
    }
    let time = match &header.time {
        None => None,
        Some(time) => {
            let value = match &time.header {
                Some(name) => one(name)?,
                None => value,
            };
            let mut times = parts(value, &time.prefix);
            match (times.next(), times.next()) {
                (Some(found), None) => Some((found, time.between.as_str())),
                _ => return Err(Denied::Wrong),
            }
        }
    };
    Ok(Presented { time, signatures })
}

/// What is behind `prefix` in each part of a header's value, with commas between them.
fn parts<'a>(value: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    value
        .split(',')
        .filter_map(move |part| part.trim().strip_prefix(prefix))
}

/// What `WWW-Authenticate` says.
pub(super) fn challenge(auth: Option<&IntakeAuth>) -> &'static str {
    match auth {
        Some(IntakeAuth::Signature { .. }) => r#"Signature realm="stanch""#,
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
