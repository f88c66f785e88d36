use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use proptest::prelude::*;
use stanch_contract::{ChangePlan, CheckedPlan};

use super::super::phase::{ActionLog, Stop};
use super::*;

/// The first action, for the first time.
const SEND: Admission = Admission::Send {
    action: 0,
    again: false,
};

struct NoLog;

#[async_trait]
impl ActionLog for NoLog {
    async fn started(&self, _: u32) -> Result<(), Stop> {
        Ok(())
    }
    async fn ended(&self, _: u32, _: ActionState, _: Option<Vec<u8>>) {}
}

fn action(verb: &str, target: &str, content: Option<&str>, items: &[&str]) -> CanonicalAction {
    CanonicalAction {
        dry_run: None,
        capability: Capability::Http,
        verb: verb.into(),
        target: target.into(),
        identity: target.into(),
        expect: None,
        content: content.map(str::to_owned),
        items: items.iter().map(|item| (*item).to_owned()).collect(),
        bytes: None,
        repeat_safe: false,
        before: None,
        reason: String::new(),
    }
}

fn call(verb: &str, target: &str, content: Option<&str>, items: &[&str]) -> ChangingCall {
    let CanonicalAction {
        capability,
        verb,
        target,
        content,
        items,
        ..
    } = action(verb, target, content, items);
    ChangingCall {
        capability,
        verb,
        target,
        content,
        items,
    }
}

fn apply(actions: Vec<CanonicalAction>, earlier: BTreeMap<u32, EarlierAction>) -> Apply {
    let offered = ChangePlan {
        summary: String::new(),
        actions: vec![],
        population: None,
        data: serde_json::Value::Null,
        extra: serde_json::Value::Null,
    };
    Apply {
        plan: CheckedPlan {
            population: None,
            summary: String::new(),
            actions,
            offered,
        },
        earlier,
        log: Arc::new(NoLog),
    }
}

fn earlier(state: ActionState, answer: Option<Reply>) -> BTreeMap<u32, EarlierAction> {
    BTreeMap::from([(
        0,
        EarlierAction {
            state,
            answer: answer.and_then(|reply| reply.to_bytes()),
        },
    )])
}

#[test]
fn each_action_is_sent_once() {
    let apply = apply(
        vec![action("POST", "https://a/", Some("{}"), &[])],
        BTreeMap::new(),
    );
    let mut actions = Actions::new(&apply);
    let post = call("POST", "https://a/", Some("{}"), &[]);
    assert_eq!(actions.admit(&apply.plan.actions, &post).unwrap(), SEND);
    assert!(
        actions
            .admit(&apply.plan.actions, &post)
            .unwrap_err()
            .why
            .contains("is under way")
    );
    actions.end(
        0,
        &ActionState::Done {
            detail: String::new(),
        },
    );
    let again = actions.admit(&apply.plan.actions, &post).unwrap_err();
    assert_eq!(again.layer, Layer::Action);
    assert!(again.why.contains("was used already (done)"), "{again}");
}

#[test]
fn what_was_not_sent_can_be_tried_again() {
    let apply = apply(
        vec![action("POST", "https://a/", Some("{}"), &[])],
        BTreeMap::new(),
    );
    let mut actions = Actions::new(&apply);
    let post = call("POST", "https://a/", Some("{}"), &[]);
    for _ in 0..2 {
        assert_eq!(actions.admit(&apply.plan.actions, &post).unwrap(), SEND);
        actions.end(0, &ActionState::NotSent);
    }
    actions.admit(&apply.plan.actions, &post).unwrap();
    actions.release(0);
    assert_eq!(actions.admit(&apply.plan.actions, &post).unwrap(), SEND);
    actions.end(
        0,
        &ActionState::Unknown {
            detail: "lost".into(),
        },
    );
    assert!(actions.admit(&apply.plan.actions, &post).is_err());
}

#[test]
fn a_call_that_is_not_in_the_plan_is_refused_with_what_differs() {
    let planned = vec![
        action("POST", "https://a/x", Some("{\"body\":1}"), &[]),
        action("remove", "file:s", None, &["s/a@1", "s/b@2"]),
    ];
    let apply = apply(planned, BTreeMap::new());
    let table = [
        (
            call("POST", "https://a/y", Some("{\"body\":1}"), &[]),
            "which names POST https://a/x, remove file:s",
        ),
        (
            call("POST", "https://a/x?q", Some("{\"body\":1}"), &[]),
            "is not in the plan",
        ),
        (
            call("DELETE", "https://a/x", None, &[]),
            "which names POST on this target",
        ),
        (
            call("POST", "https://a/x", Some("{\"body\":2}"), &[]),
            "its content is `{\"body\":2}` where the plan has",
        ),
        (call("POST", "https://a/x", None, &[]), "its content is none"),
        (
            call("remove", "file:s", None, &["s/a@1", "s/b@2", "s/c@3"]),
            "does not name s/c@3",
        ),
        (
            call("remove", "file:s", None, &["s/a@1", "s/b@9"]),
            "does not name s/b@9",
        ),
        (call("remove", "file:s", None, &["s/a@1"]), "leaves out s/b@2"),
        (call("remove", "file:s", None, &[]), "leaves out s/a@1"),
    ];
    for (call, part) in table {
        let refusal = Actions::new(&apply)
            .admit(&apply.plan.actions, &call)
            .unwrap_err();
        assert_eq!(refusal.layer, Layer::Plan);
        assert!(refusal.why.contains(part), "{refusal}");
    }
    let other = ChangingCall {
        capability: Capability::Files,
        ..call("POST", "https://a/x", Some("{\"body\":1}"), &[])
    };
    assert!(Actions::new(&apply).admit(&apply.plan.actions, &other).is_err());
}

#[test]
fn a_repeat_gets_the_definite_answer_and_is_not_sent() {
    let done = || ActionState::Done { detail: "200".into() };
    let refused = || ActionState::refused("409");
    let for_now = || ActionState::Refused {
        detail: "429".into(),
        for_now: true,
    };
    let http = |status| Reply::Http {
        status,
        headers: vec![],
        body: String::new(),
    };
    let table = [
        (done(), Some(http(201)), Some(http(201))),
        (done(), None, Some(http(200))),
        (refused(), Some(http(409)), Some(http(409))),
        // Turned away for now: definite, and may be sent again.
        (for_now(), Some(http(429)), None),
        (ActionState::NotSent, None, None),
    ];
    for (state, kept, expected) in table {
        let apply = apply(
            vec![action("POST", "https://a/", Some("{}"), &[])],
            earlier(state.clone(), kept),
        );
        let mut actions = Actions::new(&apply);
        let admission = actions
            .admit(&apply.plan.actions, &call("POST", "https://a/", Some("{}"), &[]))
            .unwrap();
        match expected {
            Some(reply) => {
                assert_eq!(admission, Admission::Replay(0, Box::new(reply)));
                assert_eq!(actions.progress().get(&0), Some(&state));
                assert!(
                    actions
                        .admit(&apply.plan.actions, &call("POST", "https://a/", Some("{}"), &[]))
                        .is_err()
                );
            }
            None => assert_eq!(admission, SEND, "{state:?}"),
        }
    }
}

#[test]
fn what_was_turned_away_for_now_can_be_tried_again_in_the_same_call() {
    let apply = apply(
        vec![action("POST", "https://a/", Some("{}"), &[])],
        BTreeMap::new(),
    );
    let mut actions = Actions::new(&apply);
    let post = call("POST", "https://a/", Some("{}"), &[]);
    let for_now = ActionState::Refused {
        detail: "429".into(),
        for_now: true,
    };
    for _ in 0..3 {
        assert_eq!(actions.admit(&apply.plan.actions, &post).unwrap(), SEND);
        assert!(
            actions.admit(&apply.plan.actions, &post).is_err(),
            "it is under way"
        );
        actions.end(0, &for_now);
        assert_eq!(actions.progress().get(&0), Some(&for_now));
    }
    actions.admit(&apply.plan.actions, &post).unwrap();
    actions.end(0, &ActionState::refused("403"));
    assert!(
        actions.admit(&apply.plan.actions, &post).is_err(),
        "a refusal for good is one"
    );
}

#[test]
fn what_is_in_doubt_is_sent_again_only_if_repeat_safe() {
    let doubt = || {
        earlier(
            ActionState::Unknown {
                detail: "lost".into(),
            },
            None,
        )
    };
    let post = call("POST", "https://a/", Some("{}"), &[]);
    let unsafe_apply = apply(vec![action("POST", "https://a/", Some("{}"), &[])], doubt());
    let refusal = Actions::new(&unsafe_apply)
        .admit(&unsafe_apply.plan.actions, &post)
        .unwrap_err();
    assert_eq!(refusal.layer, Layer::Action);
    assert!(refusal.why.contains("in doubt"), "{refusal}");
    let safe = CanonicalAction {
        repeat_safe: true,
        ..action("POST", "https://a/", Some("{}"), &[])
    };
    let safe_apply = apply(vec![safe], doubt());
    assert_eq!(
        Actions::new(&safe_apply)
            .admit(&safe_apply.plan.actions, &post)
            .unwrap(),
        Admission::Send {
            action: 0,
            again: true
        }
    );
}

#[test]
fn progress_says_what_is_known_and_doubts_what_is_under_way() {
    let planned = ["a", "b", "c"].map(|name| action("DELETE", &format!("https://h/{name}"), None, &[]));
    let apply = apply(
        planned.to_vec(),
        earlier(
            ActionState::Done {
                detail: "before".into(),
            },
            None,
        ),
    );
    let mut actions = Actions::new(&apply);
    actions
        .admit(&apply.plan.actions, &call("DELETE", "https://h/b", None, &[]))
        .unwrap();
    let progress = actions.progress();
    assert_eq!(
        progress.get(&0),
        Some(&ActionState::Done {
            detail: "before".into()
        })
    );
    assert!(matches!(progress.get(&1), Some(ActionState::Unknown { .. })));
    assert_eq!(progress.get(&2), None);
}

proptest! {
    /// Whatever a plugin calls in whatever order, and however each call ends: no action is sent again after it may have had an
    /// effect, and nothing is sent that is not an action.
    #[test]
    fn no_order_of_calls_sends_an_action_twice(steps in prop::collection::vec((0..4_u32, 0..5_u8, prop::bool::ANY), 0..60)) {
        let names = ["a", "b", "c"];
        let planned = names.map(|name| action("DELETE", &format!("https://h/{name}"), None, &[]));
        let apply = apply(planned.to_vec(), BTreeMap::new());
        let mut actions = Actions::new(&apply);
        let mut may_have_had_an_effect = [false; 3];
        let mut under_way = Vec::new();
        let for_now = ActionState::Refused { detail: String::new(), for_now: true };
        for (which, ending, ends_now) in steps {
            let target = names.get(which as usize).unwrap_or(&"beyond");
            match actions.admit(&apply.plan.actions, &call("DELETE", &format!("https://h/{target}"), None, &[])) {
                Ok(Admission::Send { action: number, .. }) => {
                    prop_assert_eq!(number, which);
                    prop_assert!(!may_have_had_an_effect[number as usize]);
                    may_have_had_an_effect[number as usize] = true;
                    under_way.push((number, ending));
                }
                Ok(Admission::Replay(..)) => prop_assert!(false, "nothing was answered before"),
                Err(refusal) => prop_assert!(which == 3 || may_have_had_an_effect[which as usize], "{}", refusal),
            }
            if !ends_now {
                continue;
            }
            for (number, ending) in under_way.drain(..) {
                let detail = String::new();
                match ending {
                    0 => actions.end(number, &ActionState::Done { detail }),
                    1 => actions.end(number, &ActionState::Unknown { detail }),
                    2 => actions.end(number, &ActionState::NotSent),
                    3 => actions.end(number, &for_now),
                    _ => actions.release(number),
                }
                may_have_had_an_effect[number as usize] = ending < 2;
            }
        }
    }
}
