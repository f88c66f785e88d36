use stanch_runbook::model::Severity;

use super::*;

fn card() -> Card {
    Card {
        run: "2t8c".into(),
        step: Some("reroute".into()),
        severity: Severity::High,
        title: "High latency".into(),
        impact: "Users will experience timeouts.".into(),
        ask: "Re-route traffic?".into(),
        standing: Standing::Open {
            digest: "ab".repeat(32),
            expires: Timestamp(1_795_478_400_000),
        },
        found: vec![("yes".into(), "Is the GPU memory full? · 0.98".into())],
        facts: vec![("Would do", "patch kubernetes:edge/route/inference".into())],
        says: Some(("traffic-reroute".into(), "moves all traffic".into())),
        link: None,
    }
}

/// Everything that Slack would render as mrkdwn, and every text.
fn texts(value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            if let (Some(kind), Some(text)) =
                (members.get("type"), members.get("text").and_then(Value::as_str))
            {
                found.push((kind.as_str().unwrap().to_owned(), text.to_owned()));
            }
            members.values().for_each(|member| texts(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        _ => {}
    }
}

/// What Slack would take for an entity: <…>, but for the engine's own dates.
fn entities(text: &str) -> Vec<&str> {
    let parts = text
        .split('<')
        .skip(1)
        .map(|part| part.split('>').next().unwrap());
    parts.filter(|part| !part.starts_with("!date^")).collect()
}

#[test]
fn nothing_from_outside_is_a_mention_a_link_or_a_button_of_its_own() {
    let hostile =
        "<!channel> <!here> <@U024BE7LH> <#C1|x> <https://evil.example|approve> & ``` <!subteam^S1>";
    let mut all = card();
    for text in [&mut all.title, &mut all.impact, &mut all.ask] {
        *text = hostile.to_owned();
    }
    all.found = vec![(hostile.to_owned(), hostile.to_owned())];
    all.facts = vec![("Would do", hostile.to_owned()), ("", hostile.to_owned())];
    all.says = Some((hostile.to_owned(), hostile.to_owned()));
    all.run = hostile.into();
    let over = Card {
        standing: Standing::Over {
            what: hostile.to_owned(),
            tone: Tone::Good,
        },
        ..all.clone()
    };
    for blocks in [message(&all), message(&over), details(hostile)] {
        let mut found = Vec::new();
        texts(&blocks, &mut found);
        assert!(!found.is_empty());
        for (kind, text) in found {
            if kind == "mrkdwn" {
                assert_eq!(entities(&text), Vec::<&str>::new(), "{text}");
                assert!(
                    !text
                        .trim_start_matches("```")
                        .trim_end_matches("```")
                        .contains('`'),
                    "{text}"
                );
            }
        }
    }
    assert_eq!(entities(&line(&all)), Vec::<&str>::new());
    assert!(line(&all).contains("&lt;!channel&gt;"));
}

#[test]
fn an_open_question_has_its_buttons_with_the_plan_that_they_are_about_and_an_answered_one_has_none() {
    let blocks = message(&card());
    let buttons = &blocks
        .as_array()
        .unwrap()
        .iter()
        .find(|block| block["type"] == "actions")
        .unwrap()["elements"];
    let said: Vec<&str> = buttons
        .as_array()
        .unwrap()
        .iter()
        .map(|button| button["text"]["text"].as_str().unwrap())
        .collect();
    assert_eq!(said, ["Yes", "No", "Show plan"]);
    for button in buttons.as_array().unwrap() {
        let value: Value = serde_json::from_str(button["value"].as_str().unwrap()).unwrap();
        assert_eq!(value["plan"], "ab".repeat(32));
        assert_eq!(
            (&value["run"], &value["step"]),
            (&json!("2t8c"), &json!("reroute"))
        );
    }
    let over = Card {
        standing: Standing::Over {
            what: "approved by dana → done".into(),
            tone: Tone::Good,
        },
        ..card()
    };
    let text = message(&over).to_string();
    assert!(
        !text.contains("\"actions\"") && text.contains("approved by dana → done"),
        "{text}"
    );
}

#[test]
fn what_is_too_long_for_slack_is_cut_and_that_is_said() {
    let mut long = card();
    long.title = "t".repeat(5_000);
    long.impact = "&".repeat(5_000);
    long.facts = (0..60)
        .map(|n| ("Would do", format!("{n} {}", "<".repeat(200))))
        .collect();
    long.says = Some(("p".into(), ">".repeat(5_000)));
    for blocks in [message(&long), details(&"<&>\n".repeat(20_000))] {
        let blocks = blocks.as_array().unwrap();
        assert!(blocks.len() <= 50);
        for block in blocks {
            let text = block["text"]["text"]
                .as_str()
                .or(block["elements"][0]["text"].as_str())
                .unwrap_or_default();
            let most = if block["type"] == "header" { 150 } else { 3_000 };
            assert!(
                text.chars().count() <= most,
                "{} of {most}: {}",
                text.chars().count(),
                block["type"]
            );
        }
    }
    assert!(message(&long).to_string().contains("more with «Show plan»"));
    assert!(
        details(&"x\n".repeat(40_000))
            .to_string()
            .contains("the rest with")
    );
}

#[test]
fn a_message_leads_to_the_runs_page_where_there_is_an_address_for_it() {
    let last = |card: &Card| {
        let blocks = message(card);
        blocks.as_array().unwrap().last().unwrap()["elements"][0]["text"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(last(&card()), "run 2t8c · step reroute");
    let linked = Card {
        link: Some("https://stanch.example/runs/2t8c".into()),
        ..card()
    };
    assert_eq!(
        last(&linked),
        "<https://stanch.example/runs/2t8c|Open the run> · run 2t8c · step reroute"
    );
    assert!(linked.text().contains("https://stanch.example/runs/2t8c\n"));
}
