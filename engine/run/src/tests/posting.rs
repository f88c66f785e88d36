//! What a run remembers of where its questions were put.

use super::basics::ONE;
use super::sim::*;
use crate::*;

fn post(of: &Posted, what: Posting, channel: &str) -> Input {
    Input::Posted {
        step: of.step.clone(),
        post: Post {
            side: of.side,
            asked: of.asked,
            channel: channel.to_owned(),
            what,
            reference: format!("{channel}/1"),
            failure: None,
        },
    }
}

fn channels(of: &Posted) -> Vec<(&str, Posting)> {
    of.posts
        .iter()
        .map(|(_, post)| (post.channel.as_str(), post.what))
        .collect()
}

#[test]
fn where_a_question_was_put_is_known_after_a_crash_and_when_it_is_answered() {
    let mut sim = Sim::new("ask", ONE);
    assert!(sim.state.posted().is_empty());
    sim.settle();
    let asked = sim.state.posted();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].posts.is_empty() && asked[0].open.is_some());
    sim.input(post(&asked[0], Posting::Asked, "slack:#a")).unwrap();
    sim.crash();
    sim.settle();
    assert_eq!(channels(&sim.state.posted()[0]), [("slack:#a", Posting::Asked)]);

    sim.decide("dana", true).unwrap();
    sim.settle();

    let over = &sim.state.posted()[0];
    assert_eq!(over.open, None);
    assert_eq!(over.posts[0].1.reference, "slack:#a/1");
}

#[test]
fn a_question_that_is_asked_again_was_put_nowhere_yet() {
    let mut sim = Sim::new("ask", ONE);
    sim.script("fix").plans = [Ok(vec!["t1"]), Ok(vec!["t2"])].into();
    sim.settle();
    let first = sim.state.posted().remove(0);
    sim.input(post(&first, Posting::Asked, "slack:#a")).unwrap();
    sim.now = sim.now.plus(stanch_contract::Span::from_secs(5));
    sim.decide("dana", true).unwrap();
    sim.settle();

    let [over, second] = <[_; 2]>::try_from(sim.state.posted()).unwrap();

    assert!(!over.last && over.open.is_none());
    assert_ne!(second.asked, first.asked);
    assert!(second.open.is_some() && second.posts.is_empty());
    // What became of the first comes late, and is not taken for the second's.
    sim.input(post(&first, Posting::Warned, "slack:#a")).unwrap();
    let counts: Vec<usize> = sim.state.posted().iter().map(|of| of.posts.len()).collect();
    assert_eq!(counts, [2, 0]);
}

#[test]
fn who_answered_where_is_in_the_events_with_the_plan() {
    for yes in [true, false] {
        let mut sim = Sim::new("ask", ONE);
        sim.settle();
        let digest = sim.state.posted()[0].open.as_ref().unwrap().digest;
        let by = person("dana").on("slack:#incidents");
        sim.person(Input::Decide {
            by,
            step: None,
            digest: Some(digest),
            yes,
            reason: String::new(),
        })
        .unwrap();
        let said = sim.events.iter().find_map(|event| match &event.kind {
            EventKind::DecisionGiven { via, digest, .. } => Some((true, via.clone(), Some(*digest))),
            EventKind::DecisionRefused { via, digest, .. } => Some((false, via.clone(), *digest)),
            _ => None,
        });
        assert_eq!(said, Some((yes, "slack:#incidents".to_owned(), Some(digest))));
    }
}

#[test]
fn a_journal_from_before_there_were_channels_is_still_read() {
    let digest = "0".repeat(64);
    let row = format!(
        r#"{{"v":1,"events":[
            {{"at":1,"is":{{"DecisionGiven":{{"step":"fix","side":"do","by":"dana","digest":"{digest}"}}}}}},
            {{"at":2,"is":{{"DecisionRefused":{{"step":"fix","side":"do","by":"eli"}}}}}}]}}"#
    );
    let events = decode(row.as_bytes()).unwrap();
    assert!(matches!(&events[0].kind, EventKind::DecisionGiven { via, .. } if via.is_empty()));
    assert!(
        matches!(&events[1].kind, EventKind::DecisionRefused { via, digest: None, .. } if via.is_empty())
    );
}

#[test]
fn what_people_were_told_besides_questions_is_known_after_a_crash() {
    let mut sim = Sim::new("ask", ONE);
    sim.settle();
    let notice = Notice {
        kind: NoticeKind::Escalated,
        step: None,
        since: sim.now,
    };
    let post = Post {
        side: Side::Do,
        asked: sim.now,
        channel: "slack:#a".to_owned(),
        what: Posting::Asked,
        reference: "C1/1".to_owned(),
        failure: None,
    };
    sim.input(Input::Noticed {
        notice: notice.clone(),
        post: post.clone(),
    })
    .unwrap();
    sim.crash();
    sim.settle();
    let known: Vec<_> = sim
        .state
        .notices()
        .iter()
        .map(|(_, of, post)| (of, post))
        .collect();
    assert_eq!(known, [(&notice, &post)]);
    // It is no question's, and keeps nothing up.
    assert!(sim.state.posted().iter().all(|of| of.posts.is_empty()));
}
