//! Who has logged in: sessions, kept by the engine.
//!
//! A browser holds 256 random bits, the engine their SHA-256 and what the session was opened with. It counts for half a day at most,
//! and as long as stanch.toml has that user with the same token, or knows whom the provider named: a revoked token ends what was
//! opened with it at once, and so does a rule that is gone. They are in memory only, so a restart of the engine logs everybody out;
//! nothing that matters is lost with them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stanch_contract::{Digest, Span, Timestamp};
use stanch_run::Actor;

use crate::config::Settings;
use crate::config::settings::User;
use crate::control::actor::of_user;
use crate::oidc::person::{Claimed, who};

/// How long somebody stays logged in.
pub(super) const LASTS: Span = Span::from_secs(12 * 3_600);
/// Sessions at the same time; the one that ends first makes room.
const MOST: usize = 4_096;
/// So many wrong tokens from one address within [`WINDOW`], and it has to wait.
pub(super) const TRIES: u32 = 10;
/// How long wrong tokens are remembered.
pub(super) const WINDOW: Span = Span::from_secs(5 * 60);
/// Addresses that are remembered; the one that is forgotten first makes room.
const ADDRESSES: usize = 4_096;

/// What somebody logged in with.
#[derive(Debug, Clone)]
pub(super) enum Proof {
    /// The token of a user of stanch.toml.
    Token {
        /// The user's name.
        user: String,
        /// Of the token, as stanch.toml has it.
        token: Digest,
    },
    /// What the provider of `[oidc]` says.
    Provider(Claimed),
}

impl Proof {
    /// The token of this user; absent where there is none.
    pub(super) fn token(user: &User) -> Option<Self> {
        Some(Self::Token {
            user: user.name.clone(),
            token: user.token?,
        })
    }

    /// Who that is now; nobody where it counts no more.
    fn who(&self, settings: &Settings) -> Option<Actor> {
        match self {
            Self::Token { user, token } => {
                let user = settings.users.iter().find(|known| known.name == *user)?;
                (user.token == Some(*token)).then(|| of_user(user))
            }
            Self::Provider(claimed) => who(settings, claimed).ok(),
        }
    }
}

/// One who has logged in.
#[derive(Debug, Clone)]
struct Session {
    proof: Proof,
    /// What each form of this session carries.
    csrf: String,
    until: Timestamp,
}

/// Wrong tokens of one address.
#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    until: Timestamp,
}

#[derive(Debug, Default)]
struct Inner {
    sessions: BTreeMap<Digest, Session>,
    failures: BTreeMap<IpAddr, Failures>,
}

/// All who have logged in.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<Inner>);

/// Whose session it is, and what its forms carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) who: Actor,
    pub(super) csrf: String,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session for who proved that, for so long: what the browser is to hold.
    ///
    /// # Errors
    /// Where the operating system has no randomness.
    pub(super) fn open(&self, proof: Proof, lasts: Span, now: Timestamp) -> Result<String, String> {
        let (held, csrf) = (random()?, random()?);
        let session = Session {
            proof,
            csrf,
            until: now.plus(lasts.min(LASTS)),
        };
        let mut inner = self.lock();
        inner.sessions.retain(|_, session| session.until > now);
        while inner.sessions.len() >= MOST {
            let first = inner.sessions.iter().min_by_key(|(_, session)| session.until);
            let Some(first) = first.map(|(key, _)| *key) else {
                break;
            };
            inner.sessions.remove(&first);
        }
        inner.sessions.insert(Digest::of(held.as_bytes()), session);
        Ok(held)
    }

    /// Whose session this is. Looked up by digest, so how long it takes says nothing of what the engine holds.
    pub(super) fn find(&self, held: &str, settings: &Settings, now: Timestamp) -> Option<Known> {
        let key = Digest::of(held.as_bytes());
        let mut inner = self.lock();
        let session = inner.sessions.get(&key)?;
        let who = session.proof.who(settings).filter(|_| session.until > now);
        let Some(who) = who else {
            inner.sessions.remove(&key);
            return None;
        };
        Some(Known {
            who,
            csrf: session.csrf.clone(),
        })
    }

    /// Ends a session.
    pub(super) fn close(&self, held: &str) {
        self.lock().sessions.remove(&Digest::of(held.as_bytes()));
    }

    /// How long this address has to wait before another token of it is looked at; absent where it need not.
    pub(super) fn must_wait(&self, address: IpAddr, now: Timestamp) -> Option<Span> {
        let inner = self.lock();
        let failures = inner.failures.get(&address)?;
        (failures.count >= TRIES && failures.until > now).then(|| failures.until.since(now))
    }

    /// A wrong token came from this address.
    pub(super) fn failed(&self, address: IpAddr, now: Timestamp) {
        let mut inner = self.lock();
        inner.failures.retain(|_, failures| failures.until > now);
        while inner.failures.len() >= ADDRESSES && !inner.failures.contains_key(&address) {
            let first = inner.failures.iter().min_by_key(|(_, failures)| failures.until);
            let Some(first) = first.map(|(address, _)| *address) else {
                break;
            };
            inner.failures.remove(&first);
        }
        let failures = inner.failures.entry(address).or_insert(Failures {
            count: 0,
            until: now.plus(WINDOW),
        });
        failures.count = failures.count.saturating_add(1);
    }

    /// A right token came from this address.
    pub(super) fn succeeded(&self, address: IpAddr) {
        self.lock().failures.remove(&address);
    }
}

/// 256 random bits, in hexadecimal.
fn random() -> Result<String, String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| format!("the operating system has no randomness: {error}"))?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::config::settings::Role;
    use crate::control::fixtures::{settings, user};

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    #[test]
    fn a_session_counts_while_the_user_has_the_same_token_and_for_half_a_day() {
        let dana = |token| settings(vec![user("dana", token, "dana", &[], Role::Approver)]);
        let with = dana(Some("first"));
        let later = |by: i64| Timestamp(NOW.0 + by);
        let table = [
            (dana(Some("first")), NOW, true),
            (dana(Some("first")), later(LASTS.as_millis() - 1), true),
            (dana(Some("first")), later(LASTS.as_millis()), false),
            (dana(Some("second")), NOW, false),
            (dana(None), NOW, false),
            (settings(vec![]), NOW, false),
        ];
        for (then, at, counts) in table {
            let sessions = Sessions::default();
            let held = sessions
                .open(Proof::token(&with.users[0]).unwrap(), LASTS, NOW)
                .unwrap();
            assert_eq!(
                sessions.find(&held, &then, at).is_some(),
                counts,
                "{:?} {at:?}",
                then.users
            );
            // What does not count is gone, also for who comes back with the old token.
            assert_eq!(sessions.find(&held, &with, NOW).is_some(), counts);
        }
    }

    #[test]
    fn another_value_the_csrf_token_and_a_closed_session_open_nothing() {
        let settings = settings(vec![user("dana", Some("t"), "dana", &[], Role::Approver)]);
        let sessions = Sessions::default();
        let held = sessions
            .open(Proof::token(&settings.users[0]).unwrap(), LASTS, NOW)
            .unwrap();
        let known = sessions.find(&held, &settings, NOW).unwrap();
        assert_eq!(
            (known.who.name.as_str(), known.csrf.len(), held.len()),
            ("dana", 64, 64)
        );
        for wrong in ["", "t", "0", known.csrf.as_str(), &held[..63]] {
            assert_eq!(sessions.find(wrong, &settings, NOW), None, "{wrong}");
        }
        sessions.close(&held);
        assert_eq!(sessions.find(&held, &settings, NOW), None);
    }

    #[test]
    fn who_sends_wrong_tokens_has_to_wait_and_others_do_not() {
        let (bad, good) = (
            IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
            IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)),
        );
        let sessions = Sessions::default();
        for _ in 0..TRIES {
            assert_eq!(sessions.must_wait(bad, NOW), None);
            sessions.failed(bad, NOW);
        }
        assert_eq!(sessions.must_wait(bad, NOW), Some(WINDOW));
        assert_eq!(sessions.must_wait(good, NOW), None);
        assert_eq!(sessions.must_wait(bad, NOW.plus(WINDOW)), None);
        // A right one in between clears the count.
        sessions.succeeded(bad);
        assert_eq!(sessions.must_wait(bad, NOW), None);
    }

    #[test]
    fn sessions_and_addresses_are_bounded() {
        let settings = settings(vec![user("dana", Some("t"), "dana", &[], Role::Approver)]);
        let sessions = Sessions::default();
        let first = sessions
            .open(Proof::token(&settings.users[0]).unwrap(), LASTS, NOW)
            .unwrap();
        for at in 1..=MOST {
            sessions
                .open(
                    Proof::token(&settings.users[0]).unwrap(),
                    LASTS,
                    Timestamp(NOW.0 + at as i64),
                )
                .unwrap();
        }
        assert_eq!(sessions.find(&first, &settings, NOW), None);
        for at in 0..=ADDRESSES as u32 {
            sessions.failed(
                IpAddr::V4(Ipv4Addr::from_bits(at)),
                Timestamp(NOW.0 + i64::from(at)),
            );
        }
        let inner = sessions.lock();
        assert_eq!((inner.sessions.len(), inner.failures.len()), (MOST, ADDRESSES));
    }
}
