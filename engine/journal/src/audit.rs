//! The audit: who did what to the engine, each entry with the digest of the one before.
//!
//! An entry's digest is the SHA-256 of the canonical JSON of all else in it, so that who has an export can compute it
//! without this code. The one writer of a store makes the chain as it commits, in the same transaction as what the entry is
//! about: there is no decision without its entry, and no entry without its decision.
//!
//! What it protects against: a change, a removal or an insertion made in the file behind the engine's back is found, and
//! said where. What it does not: somebody who may write the file can make the whole chain anew. Against that, an earlier
//! [`Link`] kept elsewhere helps, because a chain that was made anew does not pass through it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stanch_contract::{Digest, Timestamp};

#[cfg(test)]
mod tests;

/// A place in the chain: the number of an entry, and its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Link {
    /// The number of the entry; 0 before the first.
    pub no: u64,
    /// Its digest.
    pub digest: Digest,
}

impl Link {
    /// Before the first entry.
    pub fn start() -> Self {
        Self {
            no: 0,
            digest: Digest::from_bytes([0; 32]),
        }
    }
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AuditEntry {
    /// Its number, from 1, without gaps.
    pub no: u64,
    /// When it was recorded, in milliseconds since 1970.
    pub at: Timestamp,
    /// The digest of the entry before.
    pub previous: Digest,
    /// What happened; the store does not look into it.
    pub is: Value,
    /// Of all of the above.
    pub digest: Digest,
}

impl AuditEntry {
    /// The entry after this place.
    pub fn after(link: Link, at: Timestamp, is: Value) -> Self {
        let mut entry = Self {
            no: link.no + 1,
            at,
            previous: link.digest,
            is,
            digest: link.digest,
        };
        entry.digest = entry.computed();
        entry
    }

    /// Its place in the chain.
    pub fn link(&self) -> Link {
        Link {
            no: self.no,
            digest: self.digest,
        }
    }

    /// What its digest has to be.
    fn computed(&self) -> Digest {
        let Self {
            no, at, previous, is, ..
        } = self;
        Digest::of_json(&json!({ "no": no, "at": at, "previous": previous, "is": is }))
    }
}

/// A part of the audit, with the ends of all of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditPage {
    /// Where what is kept begins: the last entry that was dropped because of its age.
    pub first: Link,
    /// The last entry.
    pub last: Link,
    /// The entries asked for, in order.
    pub entries: Vec<AuditEntry>,
}

/// Where the chain is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Some are gone, or one was put in.
    #[error(
        "entry {expected} should come next and entry {found} does: entries were removed, put in or moved there"
    )]
    Order {
        /// The number that should come.
        expected: u64,
        /// The one that does.
        found: u64,
    },
    /// What is in it is not what was written.
    #[error("entry {no} was changed: its digest is not that of what is in it")]
    Changed {
        /// Its number.
        no: u64,
    },
    /// It does not follow the one before.
    #[error("entry {no} does not follow the entry before it: one of the two was replaced")]
    Unlinked {
        /// Its number.
        no: u64,
    },
    /// The last ones are gone, or some were put after them.
    #[error("the chain ends with entry {found}, and the journal says that entry {expected} is the last")]
    End {
        /// The last, as the journal says.
        expected: u64,
        /// The last that is there.
        found: u64,
    },
    /// What somebody knows of it is older than what is kept.
    #[error("entry {no} is known, and what is kept begins after entry {first}: keep a later one")]
    Forgotten {
        /// Its number.
        no: u64,
        /// The last entry that was dropped.
        first: u64,
    },
    /// Not the same as what somebody knows of it.
    #[error("entry {no} is another one than the one that is known: the chain was made anew")]
    Other {
        /// Its number.
        no: u64,
    },
}

/// Follows the chain, entry by entry.
#[derive(Debug, Clone)]
pub struct Chain {
    first: Link,
    at: Link,
    known: Option<Link>,
}

impl Chain {
    /// From this place on. `known`: a place that the chain must pass through, where somebody kept one.
    pub fn from(first: Link, known: Option<Link>) -> Self {
        Self {
            first,
            at: first,
            known,
        }
    }

    /// Where it is.
    pub fn at(&self) -> Link {
        self.at
    }

    /// The next entry.
    ///
    /// # Errors
    /// Where it is not the one that was written there.
    pub fn next(&mut self, entry: &AuditEntry) -> Result<(), Broken> {
        let (no, expected) = (entry.no, self.at.no + 1);
        if no != expected {
            return Err(Broken::Order { expected, found: no });
        }
        if entry.previous != self.at.digest {
            return Err(Broken::Unlinked { no });
        }
        if entry.digest != entry.computed() {
            return Err(Broken::Changed { no });
        }
        if self
            .known
            .is_some_and(|known| known.no == no && known.digest != entry.digest)
        {
            return Err(Broken::Other { no });
        }
        self.at = entry.link();
        Ok(())
    }

    /// After the last entry.
    ///
    /// # Errors
    /// Where it is not the last that was written.
    pub fn end(&self, last: Link) -> Result<(), Broken> {
        if self.at.no != last.no {
            return Err(Broken::End {
                expected: last.no,
                found: self.at.no,
            });
        }
        if self.at != last {
            return Err(Broken::Unlinked { no: last.no });
        }
        match self.known {
            Some(Link { no, .. }) if no < self.first.no => Err(Broken::Forgotten {
                no,
                first: self.first.no,
            }),
            Some(known) if known.no == self.first.no && known != self.first => {
                Err(Broken::Other { no: known.no })
            }
            Some(known) if known.no > last.no => Err(Broken::End {
                expected: known.no,
                found: last.no,
            }),
            _ => Ok(()),
        }
    }
}

/// The whole chain at once.
///
/// # Errors
/// The first place where it is not what was written.
pub fn verify<'a>(
    first: Link,
    entries: impl IntoIterator<Item = &'a AuditEntry>,
    last: Link,
    known: Option<Link>,
) -> Result<(), Broken> {
    let mut chain = Chain::from(first, known);
    for entry in entries {
        chain.next(entry)?;
    }
    chain.end(last)
}
