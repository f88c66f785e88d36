use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// A chain of so many entries that begins somewhere.
fn chain(first: Link, count: u64) -> (Vec<AuditEntry>, Link) {
    let mut last = first;
    let entry = |n: u64, last: &mut Link| {
        let is = json!({ "kind": "decision", "by": format!("user-{n}"), "yes": n.is_multiple_of(3) });
        let entry = AuditEntry::after(*last, Timestamp(1_000 + i64::try_from(n).unwrap()), is);
        *last = entry.link();
        entry
    };
    let entries = (0..count).map(|n| entry(n, &mut last)).collect();
    (entries, last)
}

fn somewhere(no: u64) -> Link {
    Link {
        no,
        digest: Digest::of(&no.to_be_bytes()),
    }
}

/// One thing that somebody may do to the entries in the file.
#[derive(Debug, Clone)]
enum Harm {
    Change(Index, String),
    Backdate(Index),
    /// Changed, with a digest that fits what is in it now.
    Redigest(Index),
    Remove(Index),
    CutOff(Index),
    Insert(Index),
    Swap(Index, Index),
    Repeat(Index),
    Append,
}

fn harm() -> impl Strategy<Value = Harm> {
    let at = any::<Index>;
    prop_oneof![
        (at(), "[a-z]{1,8}").prop_map(|(at, by)| Harm::Change(at, by)),
        at().prop_map(Harm::Backdate),
        at().prop_map(Harm::Redigest),
        at().prop_map(Harm::Remove),
        at().prop_map(Harm::CutOff),
        at().prop_map(Harm::Insert),
        (at(), at()).prop_map(|(a, b)| Harm::Swap(a, b)),
        at().prop_map(Harm::Repeat),
        Just(Harm::Append),
    ]
}

impl Harm {
    /// Does it; gives the place of the first entry that is not what it was.
    fn to(&self, entries: &mut Vec<AuditEntry>) -> Option<usize> {
        let len = entries.len();
        match self {
            Self::Change(at, by) => {
                let at = at.index(len);
                entries[at].is["by"] = json!(by);
                Some(at)
            }
            Self::Backdate(at) => {
                let at = at.index(len);
                entries[at].at.0 -= 1;
                Some(at)
            }
            Self::Redigest(at) => {
                let at = at.index(len);
                entries[at].is["yes"] = json!("perhaps");
                entries[at].digest = entries[at].computed();
                Some(at)
            }
            Self::Remove(at) => {
                let at = at.index(len);
                entries.remove(at);
                Some(at)
            }
            Self::CutOff(at) => {
                let at = at.index(len);
                entries.truncate(at);
                Some(at)
            }
            Self::Insert(at) => {
                let at = at.index(len);
                let mut link = entries[at].link();
                link.no -= 1;
                entries.insert(
                    at,
                    AuditEntry::after(link, Timestamp(7), json!({ "kind": "forged" })),
                );
                Some(at)
            }
            Self::Swap(a, b) => {
                let (a, b) = (a.index(len), b.index(len));
                entries.swap(a, b);
                (a != b).then(|| a.min(b))
            }
            Self::Repeat(at) => {
                let at = at.index(len);
                let again = entries[at].clone();
                entries.insert(at, again);
                Some(at + 1)
            }
            Self::Append => {
                let last = entries[len - 1].link();
                entries.push(AuditEntry::after(last, Timestamp(7), json!({ "kind": "forged" })));
                Some(len)
            }
        }
    }
}

proptest! {
    #[test]
    fn an_untouched_chain_holds_wherever_it_begins(begins in 0_u64..1_000, count in 0_u64..40) {
        let first = somewhere(begins);
        let (entries, last) = chain(first, count);
        prop_assert_eq!(verify(first, &entries, last, None), Ok(()));
        for entry in &entries {
            prop_assert_eq!(verify(first, &entries, last, Some(entry.link())), Ok(()));
        }
    }

    #[test]
    fn any_change_removal_or_insertion_is_found_no_later_than_one_entry_after_it(
        begins in 0_u64..1_000,
        count in 1_u64..40,
        harm in harm(),
    ) {
        let first = somewhere(begins);
        let (mut entries, last) = chain(first, count);
        let Some(place) = harm.to(&mut entries) else { return Ok(()) };
        let mut chain = Chain::from(first, None);
        let good = entries.iter().take_while(|entry| chain.next(entry).is_ok()).count();
        let found = verify(first, &entries, last, None);
        prop_assert!(found.is_err(), "{:?} was not found", harm);
        prop_assert!(good >= place.min(entries.len()), "{:?} at {place} was found at {good}", harm);
        prop_assert!(good <= place + 1, "{:?} at {place} was found at {good}", harm);
    }

    #[test]
    fn a_chain_made_anew_does_not_pass_through_a_place_that_somebody_kept(
        count in 2_u64..40,
        at in any::<Index>(),
        kept in any::<Index>(),
    ) {
        let first = Link::start();
        let (entries, _) = chain(first, count);
        let at = at.index(entries.len());
        let known = entries[at + kept.index(entries.len() - at)].link();
        // Everything from the change on is chained again, ends included: in itself it is whole.
        let mut last = first;
        let anew: Vec<AuditEntry> = entries.iter().enumerate().map(|(index, entry)| {
            let mut is = entry.is.clone();
            if index == at {
                is["by"] = json!("somebody else");
            }
            let entry = AuditEntry::after(last, entry.at, is);
            last = entry.link();
            entry
        }).collect();
        prop_assert_eq!(verify(first, &anew, last, None), Ok(()));
        prop_assert_eq!(verify(first, &anew, last, Some(known)), Err(Broken::Other { no: known.no }));
    }
}

#[test]
fn what_is_broken_is_said_with_its_place() {
    let first = Link::start();
    let (entries, last) = chain(first, 4);
    let mut changed = entries.clone();
    changed[1].is = json!({});
    let mut unlinked = entries.clone();
    unlinked[1] = AuditEntry::after(somewhere(1), Timestamp(0), json!({}));
    let table: [(&[AuditEntry], Option<Link>, Broken); 7] = [
        (&changed, None, Broken::Changed { no: 2 }),
        (&unlinked, None, Broken::Unlinked { no: 2 }),
        (
            &entries[1..],
            None,
            Broken::Order {
                expected: 1,
                found: 2,
            },
        ),
        (
            &entries[..3],
            None,
            Broken::End {
                expected: 4,
                found: 3,
            },
        ),
        (
            &[],
            None,
            Broken::End {
                expected: 4,
                found: 0,
            },
        ),
        (&entries, Some(somewhere(2)), Broken::Other { no: 2 }),
        (
            &entries,
            Some(somewhere(9)),
            Broken::End {
                expected: 9,
                found: 4,
            },
        ),
    ];
    for (entries, known, expected) in table {
        assert_eq!(verify(first, entries, last, known), Err(expected));
    }
}

#[test]
fn a_place_that_is_older_than_what_is_kept_cannot_be_compared_and_that_is_said() {
    let first = somewhere(10);
    let (entries, last) = chain(first, 2);
    assert_eq!(verify(first, &entries, last, Some(first)), Ok(()));
    assert_eq!(
        verify(first, &entries, last, Some(somewhere(9))),
        Err(Broken::Forgotten { no: 9, first: 10 })
    );
    let other = Link {
        no: 10,
        ..somewhere(9)
    };
    assert_eq!(
        verify(first, &entries, last, Some(other)),
        Err(Broken::Other { no: 10 })
    );
}

#[test]
fn an_entry_is_read_back_as_it_was_exported_and_anybody_can_compute_its_digest() {
    let entry = AuditEntry::after(Link::start(), Timestamp(5), json!({ "b": 1, "a": "x" }));
    let line = serde_json::to_string(&entry).unwrap();
    assert_eq!(serde_json::from_str::<AuditEntry>(&line).unwrap(), entry);
    let zeros = "0".repeat(64);
    let text = format!(r#"{{"at":5,"is":{{"a":"x","b":1}},"no":1,"previous":"{zeros}"}}"#);
    assert_eq!(entry.digest, Digest::of(text.as_bytes()));
}
