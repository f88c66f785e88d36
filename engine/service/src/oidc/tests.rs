//! Tokens held against keys: each that is taken beside those that are not. Log-ins at a real provider are in `tests/tests/oidc`.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::keys::Keys;
use super::token::Unfit;

fn text(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Somebody who signs with Ed25519.
struct Signer(Ed25519KeyPair);

impl Signer {
    fn new() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap())
    }

    fn jwk(&self, kid: &str) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "alg": "EdDSA", "use": "sig", "x": text(self.0.public_key()) })
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", text(header.to_string()), text(claims.to_string()));
        let signed = text(self.0.sign(message.as_bytes()));
        format!("{message}.{signed}")
    }
}

fn keys(keys: &[Value]) -> Keys {
    Keys::read(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

fn what(keys: &Keys, token: &str) -> Result<String, Unfit> {
    keys.opened(token).map(|claims| claims["sub"].to_string())
}

#[test]
fn a_token_is_opened_by_the_key_that_signed_it_and_by_no_other() {
    let (right, wrong) = (Signer::new(), Signer::new());
    let known = keys(&[
        json!({ "kty": "of tomorrow", "kid": "z" }),
        json!("no key at all"),
        wrong.jwk("b"),
        right.jwk("a"),
    ]);
    let claims = json!({ "sub": "eve" });
    let header = |kid: &str| json!({ "alg": "EdDSA", "kid": kid });
    assert_eq!(
        what(&known, &right.token(&header("a"), &claims)),
        Ok("\"eve\"".into())
    );
    // Without a name each is tried.
    let nameless = right.token(&json!({ "alg": "EdDSA" }), &claims);
    assert_eq!(what(&known, &nameless), Ok("\"eve\"".into()));
    assert_eq!(
        what(&known, &wrong.token(&header("a"), &claims)),
        Err(Unfit::Forged)
    );
    assert_eq!(
        what(&known, &right.token(&header("b"), &claims)),
        Err(Unfit::Forged)
    );
    assert_eq!(
        what(&known, &right.token(&header("c"), &claims)),
        Err(Unfit::UnknownKey)
    );
    assert_eq!(what(&keys(&[]), &nameless), Err(Unfit::UnknownKey));
    // The key that comes along in a token says nothing.
    let own = json!({ "alg": "EdDSA", "kid": "a", "jwk": wrong.jwk("a"), "jku": "https://evil.example" });
    assert_eq!(what(&known, &wrong.token(&own, &claims)), Err(Unfit::Forged));
}

#[test]
fn what_is_changed_cut_or_longer_is_not_opened() {
    let signer = Signer::new();
    let known = keys(&[signer.jwk("a")]);
    let token = signer.token(&json!({ "alg": "EdDSA", "kid": "a" }), &json!({ "sub": "eve" }));
    assert!(what(&known, &token).is_ok());
    let parts: Vec<&str> = token.split('.').collect();
    let [head, body, signed] = parts[..] else {
        panic!("{token}")
    };
    let other = text(json!({ "sub": "admin" }).to_string());
    for (changed, why) in [
        (format!("{head}.{other}.{signed}"), Unfit::Forged),
        (format!("{head}.{body}."), Unfit::Forged),
        (format!("{head}.{body}"), Unfit::NoToken),
        (format!("{token}.{signed}"), Unfit::NoToken),
        (format!("%%.{body}.{signed}"), Unfit::NoToken),
        ("..".into(), Unfit::NoToken),
        (String::new(), Unfit::NoToken),
    ] {
        let got = what(&known, &changed);
        // What is no JSON at all is read as a head without an algorithm.
        assert!(
            got == Err(why) || got == Err(Unfit::Algorithm),
            "{changed}: {got:?}"
        );
        assert!(got.is_err());
    }
    let critical = json!({ "alg": "EdDSA", "kid": "a", "crit": ["exp"], "exp": 1 });
    assert_eq!(
        what(&known, &signer.token(&critical, &json!({}))),
        Err(Unfit::NoToken)
    );
}

#[test]
fn no_signature_and_a_shared_secret_are_refused_whatever_the_keys_are() {
    let signer = Signer::new();
    let public = signer.0.public_key().as_ref().to_vec();
    let known = keys(&[
        signer.jwk("a"),
        json!({ "kty": "oct", "kid": "a", "alg": "HS256", "k": text(&public) }),
    ]);
    let body = text(json!({ "sub": "admin" }).to_string());
    for algorithm in ["none", "None", "HS256", "HS384", "HS512", "RS1", ""] {
        let head = text(json!({ "alg": algorithm, "kid": "a" }).to_string());
        let message = format!("{head}.{body}");
        // Signed with the public key as if it were a secret.
        let hmac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &public), message.as_bytes());
        for signed in [String::new(), text(hmac)] {
            assert_eq!(
                what(&known, &format!("{message}.{signed}")),
                Err(Unfit::Algorithm),
                "{algorithm}"
            );
        }
    }
}

#[test]
fn a_key_is_used_for_its_own_kind_and_for_signatures_alone() {
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random).unwrap();
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    let jwk = |change: &[(&str, &str)]| {
        let mut jwk = json!({ "kty": "EC", "crv": "P-256", "kid": "a", "x": text(x), "y": text(y) });
        for (name, value) in change {
            jwk[*name] = json!(value);
        }
        jwk
    };
    let token = |algorithm: &str| {
        let message = format!(
            "{}.{}",
            text(json!({ "alg": algorithm, "kid": "a" }).to_string()),
            text(json!({ "sub": "eve" }).to_string())
        );
        let signed = text(key.sign(&random, message.as_bytes()).unwrap());
        format!("{message}.{signed}")
    };
    for (change, algorithm, expected) in [
        (vec![], "ES256", Ok("\"eve\"".to_owned())),
        (
            vec![("use", "sig"), ("alg", "ES256")],
            "ES256",
            Ok("\"eve\"".to_owned()),
        ),
        (vec![("use", "enc")], "ES256", Err(Unfit::UnknownKey)),
        (vec![("alg", "ES384")], "ES256", Err(Unfit::UnknownKey)),
        (vec![], "ES384", Err(Unfit::Forged)),
        (vec![], "EdDSA", Err(Unfit::UnknownKey)),
        (vec![], "RS256", Err(Unfit::UnknownKey)),
    ] {
        let known = keys(&[jwk(&change)]);
        assert_eq!(
            what(&known, &token(algorithm)),
            expected,
            "{change:?} {algorithm}"
        );
    }
}
