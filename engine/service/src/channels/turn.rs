//! Whose turn it is: which channels a question is put to now, and when that changes. Pure.
//!
//! The first channel is asked at once; the next one too when nobody reacted in time, or when the one before could not be
//! asked. A channel that could not be asked is tried again a few times: Slack that comes back is where people look. Before
//! the question becomes a no, whoever was asked is warned.

use std::cmp;

use stanch_contract::{Span, Timestamp};
use stanch_run::{Post, Posting};

use super::matter::{Matter, Open};

/// How long a channel that could not be asked is left alone, where it does not say.
const AGAIN: Span = Span::from_secs(60);
/// How often a channel is tried.
const MOST_TRIES: usize = 5;
/// The warning comes when a fifth of the time is left, and no earlier than so long before the end.
const LONGEST_WARNING: Span = Span::from_secs(300);

/// What is to be done now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Turn {
    /// These channels are asked, by their place.
    pub(super) ask: Vec<usize>,
    /// These are warned.
    pub(super) warn: Vec<usize>,
    /// Then it is looked again, where nothing happens before.
    pub(super) next: Option<Timestamp>,
}

impl Turn {
    fn at(&mut self, time: Timestamp) {
        self.next = Some(self.next.map_or(time, |next| cmp::min(next, time)));
    }
}

/// What became of the question in one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nobody tried.
    New,
    /// It is there, since then.
    There(Timestamp),
    /// It was tried so often, and may be tried again then.
    Failed(usize, Timestamp),
}

fn fate(question: &Matter, channel: &str) -> Fate {
    let asked = question
        .posts
        .iter()
        .filter(|(_, post)| post.what == Posting::Asked && post.channel == channel);
    let (mut failed, mut again) = (0, Timestamp::default());
    for (at, post) in asked {
        match &post.failure {
            None => return Fate::There(*at),
            Some(failure) => {
                failed += 1;
                let wait = failure
                    .retry_after_ms
                    .map_or(AGAIN, |ms| Span::from_millis(i64::from(ms)));
                again = at.plus(wait);
            }
        }
    }
    if failed == 0 {
        Fate::New
    } else {
        Fate::Failed(failed, again)
    }
}

fn was_warned(question: &Matter, channel: &str) -> bool {
    let warned = |post: &Post| post.what == Posting::Warned && post.channel == channel;
    question.posts.iter().any(|(_, post)| warned(post))
}

/// When those who were asked are warned, where there is an end to it.
fn warning(question: &Matter, open: &Open) -> Option<Timestamp> {
    let expires = open.expires?;
    let whole = expires.since(question.asked).as_millis();
    let lead = cmp::min(whole / 5, LONGEST_WARNING.as_millis());
    Some(Timestamp(expires.0.saturating_sub(lead)))
}

/// Whose turn it is.
pub(super) fn turn(question: &Matter, channels: &[String], next_after: Span, now: Timestamp) -> Turn {
    let mut turn = Turn::default();
    let Some(open) = question
        .open
        .as_ref()
        .filter(|open| open.expires.is_none_or(|expires| now < expires))
    else {
        return turn;
    };
    let warning = warning(question, open);
    // When the channel may be asked: the first at once.
    let mut due = Some(question.asked);
    for (index, channel) in channels.iter().enumerate() {
        let fate = fate(question, channel);
        match fate {
            Fate::New => match due {
                Some(at) if at <= now => turn.ask.push(index),
                Some(at) => turn.at(at),
                None => {}
            },
            Fate::There(_) if was_warned(question, channel) => {}
            Fate::There(_) => match warning {
                Some(warning) if warning <= now => turn.warn.push(index),
                Some(warning) => turn.at(warning),
                None => {}
            },
            Fate::Failed(tries, _) if tries >= MOST_TRIES => {}
            Fate::Failed(_, again) if again <= now => turn.ask.push(index),
            Fate::Failed(_, again) => turn.at(again),
        }
        due = match fate {
            // What becomes of it is not known yet.
            Fate::New => None,
            Fate::There(_) if open.heard => None,
            Fate::There(at) => Some(at.plus(next_after)),
            Fate::Failed(..) => Some(now),
        };
    }
    turn
}

#[cfg(test)]
mod tests {
    use stanch_contract::{Failure, FailureCode};
    use stanch_run::Side;

    use super::super::matter::About;
    use super::*;

    const NAMES: [&str; 3] = ["slack:#a", "page:b", "page:c"];
    const NEXT: Span = Span::from_secs(180);

    fn minutes(n: i64) -> Timestamp {
        Timestamp(n * 60_000)
    }

    fn question(posts: &[(i64, usize, Posting, bool)]) -> Matter {
        let post = |(at, channel, what, well): &(i64, usize, Posting, bool)| {
            let post = Post {
                side: Side::Do,
                asked: minutes(0),
                channel: NAMES[*channel].to_owned(),
                what: *what,
                reference: String::new(),
                failure: (!well).then(|| Failure::new(FailureCode::Unavailable, "down")),
            };
            (minutes(*at), post)
        };
        Matter {
            about: About::Plan("fix".into(), Side::Do),
            asked: minutes(0),
            open: Some(Open {
                digest: Some("plan".to_owned()),
                expires: Some(minutes(15)),
                heard: false,
            }),
            last: true,
            posts: posts.iter().map(post).collect(),
        }
    }

    fn at(question: &Matter, now: i64) -> Turn {
        turn(question, &NAMES.map(str::to_owned), NEXT, minutes(now))
    }

    fn told(ask: &[usize], warn: &[usize], next: Option<i64>) -> Turn {
        Turn {
            ask: ask.to_vec(),
            warn: warn.to_vec(),
            next: next.map(minutes),
        }
    }

    use Posting::{Asked, Warned};

    #[test]
    fn channels_are_asked_one_after_the_other_for_as_long_as_nobody_reacts() {
        assert_eq!(at(&question(&[]), 0), told(&[0], &[], None));
        let one = question(&[(0, 0, Asked, true)]);
        assert_eq!(at(&one, 1), told(&[], &[], Some(3)));
        assert_eq!(at(&one, 3), told(&[1], &[], Some(12)));
        let two = question(&[(0, 0, Asked, true), (3, 1, Asked, true)]);
        assert_eq!(at(&two, 4), told(&[], &[], Some(6)));
        assert_eq!(at(&two, 6), told(&[2], &[], Some(12)));
        let three = question(&[(0, 0, Asked, true), (3, 1, Asked, true), (6, 2, Asked, true)]);
        assert_eq!(at(&three, 7), told(&[], &[], Some(12)));
    }

    #[test]
    fn where_one_cannot_be_asked_the_next_one_is_at_once_and_the_first_is_tried_again() {
        let down = question(&[(0, 0, Asked, false)]);
        assert_eq!(at(&down, 0), told(&[1], &[], Some(1)));
        let next = question(&[(0, 0, Asked, false), (0, 1, Asked, true)]);
        assert_eq!(at(&next, 1), told(&[0], &[], Some(3)));
        let mut never: Vec<_> = (0..5).map(|n| (n, 0, Asked, false)).collect();
        never.push((0, 1, Asked, true));
        never.push((3, 2, Asked, true));
        assert_eq!(at(&question(&never), 9), told(&[], &[], Some(12)));
    }

    #[test]
    fn a_channel_that_says_when_it_may_be_asked_again_is_left_alone_until_then() {
        let mut limited = question(&[(0, 0, Asked, false)]);
        limited.posts[0].1.failure.as_mut().unwrap().retry_after_ms = Some(120_000);
        assert_eq!(at(&limited, 1).ask, [1]);
        assert_eq!(at(&limited, 2).ask, [0, 1]);
    }

    #[test]
    fn who_was_asked_is_warned_once_before_it_is_a_no_and_nobody_else_is() {
        let one = question(&[(0, 0, Asked, true), (3, 1, Asked, false)]);
        assert_eq!(at(&one, 12).warn, [0]);
        let warned = question(&[(0, 0, Asked, true), (12, 0, Warned, true)]);
        assert_eq!(at(&warned, 13).warn, [0_usize; 0]);
        assert_eq!(at(&warned, 15), Turn::default());
    }

    #[test]
    fn once_somebody_reacted_no_further_channel_is_asked() {
        let mut heard = question(&[(0, 0, Asked, true)]);
        heard.open.as_mut().unwrap().heard = true;
        assert_eq!(at(&heard, 9), told(&[], &[], Some(12)));
        heard.open = None;
        assert_eq!(at(&heard, 9), Turn::default());
    }

    #[test]
    fn what_has_no_end_warns_nobody_and_goes_on_to_the_next_channel_all_the_same() {
        let mut doubt = question(&[(0, 0, Asked, true)]);
        doubt.open.as_mut().unwrap().expires = None;
        assert_eq!(at(&doubt, 1), told(&[], &[], Some(3)));
        assert_eq!(at(&doubt, 900), told(&[1], &[], None));
        doubt.open.as_mut().unwrap().heard = true;
        assert_eq!(at(&doubt, 900), Turn::default());
    }
}
