//! How the gate signs a notification, so that who gets it can tell that the engine sent it, and when.
//!
//! The header's value is `t=SECONDS,v1=HEX`: SECONDS is the time of sending since 1970, HEX the HMAC-SHA-256, in lower-case
//! hex, of the bytes `SECONDS.BODY` (the digits, a dot, the body as sent) under the secret of the grant. A receiver computes
//! it again, compares in constant time, and refuses what is older than some minutes. `v1` names this form; another would get
//! another name beside it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use stanch_contract::Timestamp;

use crate::secret::Secret;

/// The value of the signature's header for this body sent at this time.
pub fn signature(key: &Secret, at: Timestamp, body: &[u8]) -> String {
    let seconds = at.0.div_euclid(1000).to_string();
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose()) else {
        // HMAC takes a key of any length; without one nothing may look signed.
        return format!("t={seconds}");
    };
    mac.update(seconds.as_bytes());
    mac.update(b".");
    mac.update(body);
    format!("t={seconds},v1={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_time_and_body_under_the_key() {
        let key = Secret::new("It's a Secret to Everybody").unwrap();
        let at = Timestamp(1_700_000_000_999);
        let value = signature(&key, at, b"{\"a\":1}");
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac "It's a Secret to Everybody"
        let expected = "51538ab6f6314bb1f45de59d49edd93447bd4ca11fd52ee2fc1bb150735de0c6";
        assert_eq!(value, format!("t=1700000000,v1={expected}"));
        assert_ne!(signature(&key, at, b"{\"a\":2}"), value);
        assert_ne!(signature(&key, Timestamp(1_700_000_001_000), b"{\"a\":1}"), value);
        assert_ne!(
            signature(&Secret::new("another").unwrap(), at, b"{\"a\":1}"),
            value
        );
    }
}
