//! People decide in Slack: the real program, the Web API's shapes on loopback, and clicks that Slack's own SDK signs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

mod stage;
mod workspace;

use serde_json::{Value, json};
use stanch_outside::http::Connection;
use stanch_outside::run::asked;
use stanch_parts::{Alertmanager, Prometheus, alertmanager, prometheus};

use self::stage::{Stage, until};
use self::workspace::{How, button, judged, press, pressed};

/// The member's id of dana, who is an approver in group sre; of eli, who is in no group; of nobody that stanch.toml knows.
const DANA: &str = "U0DANA";
const ELI: &str = "U0ELI";
/// Of group sre, and with a role for another team's runbooks.
const ZOE: &str = "U0ZOE";
const STRANGER: &str = "U0STRANGER";

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_click_is_a_yes_and_the_message_follows_the_run() {
    let stage = Stage::new("from = [\"group:sre\"]", "").await;
    let run = stage.alert("firing");
    let question = stage.question();
    let text = question.blocks.to_string();
    for told in [
        "HIGH: A disk is almost full",
        "Remove old scratch files for good?",
        "Do scratch files take much of it?",
        "*Would do:* remove file:scratch",
        "*Touches:* 1 target, 2 files",
        "*Who:* group:sre",
        "nobody checked this",
    ] {
        assert!(text.contains(told), "{told}\n{text}");
    }
    assert!(
        question
            .text
            .contains("[high] A disk is almost full: Remove old scratch files for good?")
    );
    stage.said_below(&question, "old-1.log");
    let before = stage.run(&run);
    assert_eq!(before["steps"][0]["state"], "asked");

    let yes = button(&question, "Yes");
    assert_eq!(press(&stage.url, DANA, &question, &yes, How::default()), [200]);

    stage.step_is(&run, "done");
    assert_eq!(stage.files(), 1, "the old files are gone, the new one is not");
    until("the message to say so", || {
        let message = stage.slack.questions().remove(0);
        let text = message.blocks.to_string();
        (text.contains("approved by dana → done") && !text.contains("\"actions\"")).then_some(())
    });
    stage.said_below(&question, "approved by dana");
    assert_eq!(stage.slack.questions().len(), 1, "it was asked once");
    stage.alert("resolved");
    stage.ends(&run, "healed");
    let timeline = stage.run(&run)["timeline"].to_string();
    for told in [
        "asked `slack:#incidents` about clean",
        "yes to clean in slack:C024BE91L",
    ] {
        assert!(timeline.contains(told), "{told}\n{timeline}");
    }
    let audit = stage.tell(&["audit", "list"]);
    assert!(
        audit.contains(&format!("yes to clean of run {run}")) && audit.contains("(slack:C024BE91L)"),
        "{audit}"
    );
    stage.tell(&["audit", "verify"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_clicks_in_slack_reaches_as_far_as_their_teams() {
    let stage = Stage::new("from = [\"group:sre\"]", "").await;
    let run = stage.alert("firing");
    let question = stage.question();
    for word in ["Yes", "Show plan"] {
        let before = stage.slack.whispers().len();
        press(
            &stage.url,
            ZOE,
            &question,
            &button(&question, word),
            How::default(),
        );
        let whisper = until("what only they see", || {
            stage.slack.whispers().get(before).cloned()
        });
        assert_eq!(whisper.user, ZOE);
        assert!(
            whisper.text.contains("which the role of") && !whisper.text.contains("old-1.log"),
            "{whisper:?}"
        );
    }
    assert_eq!(stage.files(), 3, "nothing was done");
    // The same group, and a role that is for all.
    press(
        &stage.url,
        DANA,
        &question,
        &button(&question, "Yes"),
        How::default(),
    );
    stage.step_is(&run, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_real_alertmanager_to_a_yes_in_slack_and_healed() {
    let stage = Stage::new("from = [\"group:sre\"]", "").await;
    let intake = format!("{}/alerts/alertmanager", stage.url);
    let config = alertmanager::config(&intake, "unused", &["alertname", "instance"]);
    let alertmanager = Alertmanager::start(&config).unwrap();
    let post = |ends: &str| {
        let alert = format!(
            r#"[{{"labels":{{"alertname":"DiskFull","instance":"node-1"}},"startsAt":"2026-11-24T00:00:00Z"{ends}}}]"#
        );
        let mut connection = Connection::open(alertmanager.address).unwrap();
        let answer = connection.post("/api/v2/alerts", "unused", &alert).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    post("");
    let question = stage.question();
    let run = stage.newest();
    assert!(
        asked(&stage.run(&run)).is_some(),
        "it is asked everywhere else at once too"
    );
    press(
        &stage.url,
        DANA,
        &question,
        &button(&question, "Yes"),
        How::default(),
    );
    stage.step_is(&run, "done");
    post(r#","endsAt":"2026-11-24T00:01:00Z""#);
    stage.ends(&run, "healed");
    stage.message_says("approved by dana → done");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_curves_of_the_checks_are_images_below_the_question_and_the_message_leads_to_the_page() {
    let prometheus = Prometheus::start(&prometheus::config(&[], None), "groups: []").unwrap();
    let stage = Stage::with_a_curve("from = [\"group:sre\"]", &prometheus.url()).await;
    let run = stage.alert("firing");
    let question = stage.question();
    let link = format!("<https://stanch.example/runs/{run}|Open the run>");
    assert!(question.blocks.to_string().contains(&link), "{}", question.blocks);
    let image = until("the curve", || stage.slack.images(&question.ts).first().cloned());
    let drawn = tiny_skia::Pixmap::decode_png(&image.bytes).unwrap();
    assert_eq!((drawn.width(), drawn.height()), (1040, 220));
    assert!(image.title.contains("over 10m"), "{}", image.title);
    let blue = drawn
        .pixels()
        .iter()
        .filter(|pixel| pixel.blue() > 150 && pixel.red() < 60);
    assert!(blue.count() > 1_000, "there is a curve in it");
    until("the details", || {
        (!stage.slack.thread(&question.ts).is_empty()).then_some(())
    });
    assert_eq!(stage.slack.images(&question.ts).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_uploaded_keeps_nobody() {
    let prometheus = Prometheus::start(&prometheus::config(&[], None), "groups: []").unwrap();
    let stage = Stage::with_a_curve("from = [\"group:sre\"]", &prometheus.url()).await;
    stage.slack.fill();
    let run = stage.alert("firing");
    let question = stage.question();
    until("the details", || {
        (!stage.slack.thread(&question.ts).is_empty()).then_some(())
    });
    assert!(
        stage.slack.asked("files.getUploadURLExternal") > 0,
        "it was tried"
    );
    assert_eq!(stage.slack.asked("files.completeUploadExternal"), 0);
    let yes = button(&question, "Yes");
    assert_eq!(press(&stage.url, DANA, &question, &yes, How::default()), [200]);
    stage.step_is(&run, "done");
    assert_eq!(stage.slack.images(&question.ts).len(), 0);
}

/// Clicks that Slack did not sign, or not now.
fn forged() -> [(&'static str, How); 3] {
    let how = How::default();
    [
        ("another body than was signed", How { forge: true, ..how }),
        (
            "another secret",
            How {
                secret: Some("00000000000000000000000000000000"),
                ..how
            },
        ),
        ("signed too long ago", How { skew: -400, ..how }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn slacks_own_framework_takes_and_refuses_the_same_clicks() {
    let stage = Stage::new("from = [\"group:sre\"]", "").await;
    let run = stage.alert("firing");
    let question = stage.question();
    let yes = button(&question, "Yes");
    for (why, how) in forged() {
        let (ours, bolts, handed) = judged(&stage.url, DANA, &question, &yes, how);
        assert_eq!(
            (ours.as_slice(), bolts, handed.len()),
            ([401].as_slice(), 401, 0),
            "{why}"
        );
    }
    assert_eq!(stage.run(&run)["steps"][0]["state"], "asked");
    let (ours, bolts, handed) = judged(&stage.url, DANA, &question, &yes, How::default());
    assert_eq!((ours.as_slice(), bolts), ([200].as_slice(), 200));
    assert_eq!(
        handed,
        [yes["value"].clone()],
        "what an app would be handed is what the engine decided on"
    );
    stage.step_is(&run, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_in_slack_is_a_no() {
    let stage = Stage::new("from = [\"group:sre\"]", "").await;
    let run = stage.alert("firing");
    let question = stage.question();
    press(
        &stage.url,
        DANA,
        &question,
        &button(&question, "No"),
        How::default(),
    );
    stage.step_is(&run, "rejected");
    stage.message_says("denied by dana");
    assert_eq!(stage.files(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_slack_did_not_sign_or_signed_long_ago_or_sent_before_is_refused() {
    let stage = Stage::new("from = [\"group:sre\"]", "").await;
    let run = stage.alert("firing");
    let question = stage.question();
    let yes = button(&question, "Yes");
    let how = How::default();
    let early = ("signed in the future", How { skew: 400, ..how });
    for (why, how) in forged().into_iter().chain([early]) {
        assert_eq!(press(&stage.url, DANA, &question, &yes, how), [401], "{why}");
    }
    assert_eq!(
        stage.run(&run)["steps"][0]["state"],
        "asked",
        "nothing of that was a yes"
    );
    assert_eq!(stage.slack.whispers().len(), 0);

    let twice = How {
        times: Some(2),
        ..how
    };
    assert_eq!(
        press(&stage.url, DANA, &question, &yes, twice),
        [200, 401],
        "the same request again"
    );
    stage.step_is(&run, "done");
    stage.audited(&["could not prove who they are (slack)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_decide_is_told_so_alone_and_a_second_click_changes_nothing() {
    let stage = Stage::new("from = [\"group:sre\"]", "").await;
    let run = stage.alert("firing");
    let question = stage.question();
    let yes = button(&question, "Yes");
    let how = How::default();
    let foreign = How {
        team: Some("T0002"),
        ..how
    };
    for (member, how, told) in [
        (STRANGER, how, "nobody in stanch.toml is U0STRANGER"),
        (ELI, how, "may not decide on ’clean’: it asks group:sre"),
        (DANA, foreign, "you are a member of another workspace"),
    ] {
        let before = stage.slack.whispers().len();
        assert_eq!(press(&stage.url, member, &question, &yes, how), [200]);
        let whisper = until("what only they see", || {
            stage.slack.whispers().get(before).cloned()
        });
        assert_eq!(whisper.user, member);
        assert!(whisper.text.contains(told), "{told}\n{}", whisper.text);
    }
    assert_eq!(stage.run(&run)["steps"][0]["state"], "asked");
    stage.audited(&["slack:U0STRANGER", "does not count", ", plan "]);

    press(&stage.url, ELI, &question, &button(&question, "Show plan"), how);
    let plan = until("the plan", || stage.slack.whispers().get(3).cloned());
    assert!(plan.user == ELI && plan.text.contains("old-1.log"), "{plan:?}");

    press(&stage.url, DANA, &question, &yes, how);
    stage.step_is(&run, "done");
    press(&stage.url, DANA, &question, &yes, how);
    let again = until("the answer to the second click", || {
        stage.slack.whispers().get(4).cloned()
    });
    assert!(again.text.contains("asks nothing"), "{again:?}");
    assert_eq!(stage.files(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_is_one_yes_from_wherever_it_comes() {
    let stage = Stage::new("from = [\"group:sre\"]\nquorum = 2", "").await;
    let run = stage.alert("firing");
    let question = stage.question();
    press(
        &stage.url,
        DANA,
        &question,
        &button(&question, "Yes"),
        How::default(),
    );
    stage.message_says("yes so far: dana");
    let digest = stage.digest(&run);
    let again = stage.said(
        Some("dana's token"),
        &["approve", &run, "clean", "--digest", &digest],
    );
    assert!(again.contains("said yes to this plan already"), "{again}");
    assert_eq!(
        (stage.run(&run)["steps"][0]["state"].as_str(), stage.files()),
        (Some("asked"), 3)
    );
    stage.said(
        Some("kim's token"),
        &["approve", &run, "clean", "--digest", &digest],
    );
    stage.step_is(&run, "done");
    stage.message_says("approved by dana, kim");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_answers_they_are_warned_and_then_it_is_a_no() {
    let stage = Stage::new("from = [\"group:sre\"]\nexpires = \"8s\"", "").await;
    let run = stage.alert("firing");
    let question = stage.question();
    stage.said_below(&question, "Nobody answered yet");
    stage.step_is(&run, "rejected");
    until("the message to say so", || {
        let text = stage.slack.questions()[0].blocks.to_string();
        (text.contains("nobody answered in time") && !text.contains("\"actions\"")).then_some(())
    });
    press(
        &stage.url,
        DANA,
        &question,
        &button(&question, "Yes"),
        How::default(),
    );
    let late = until("the answer to a late click", || {
        stage.slack.whispers().first().cloned()
    });
    assert!(late.text.contains("does not count"), "{late:?}");
    assert_eq!(stage.files(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_plan_is_asked_again_and_the_old_button_decides_nothing() {
    let stage = Stage::new("from = [\"group:sre\"]", "").await;
    let run = stage.alert("firing");
    let first = stage.question();
    // Since the plan was made there is more to remove: the fresh plan before the change is another one.
    stage.old_file("old-3.log");
    press(&stage.url, DANA, &first, &button(&first, "Yes"), How::default());
    let second = until("the question about the new plan", || {
        stage.slack.questions().get(1).cloned()
    });
    assert_eq!(stage.files(), 4, "nothing was done on what was true then");
    until("the old message to say so", || {
        let text = stage.slack.questions()[0].blocks.to_string();
        (text.contains("the plan changed") && !text.contains("\"actions\"")).then_some(())
    });
    press(&stage.url, DANA, &first, &button(&first, "Yes"), How::default());
    let whisper = until("the answer to the old button", || {
        stage.slack.whispers().first().cloned()
    });
    assert!(whisper.text.contains("is another one by now"), "{whisper:?}");
    assert_eq!(stage.run(&run)["steps"][0]["state"], "asked");

    press(&stage.url, DANA, &second, &button(&second, "Yes"), How::default());
    stage.step_is(&run, "done");
    assert_eq!(stage.files(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_slack_down_the_run_goes_on_and_the_next_channel_is_asked() {
    let stage = Stage::with_trouble(
        "from = [\"group:sre\"]",
        "\"tell:night\"",
        &[(503, None, "service_unavailable"); 40],
    )
    .await;
    let run = stage.alert("firing");
    let told = until("the next channel", || stage.told().first().cloned());
    assert_eq!(
        (&told["kind"], &told["to"]),
        (&Value::from("question"), &Value::from("night")),
        "{told}"
    );
    assert!(told.to_string().contains("stanch approve"), "{told}");
    let digest = stage.digest(&run);
    stage.said(
        Some("dana's token"),
        &["approve", &run, "clean", "--digest", &digest],
    );
    stage.step_is(&run, "done");
    assert_eq!(stage.slack.questions().len(), 0);
    let timeline = stage.run(&run)["timeline"].to_string();
    assert!(
        timeline.contains("`slack:#incidents` could not be asked"),
        "{timeline}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_reacts_the_next_channel_is_asked_too() {
    let stage = Stage::new("from = [\"group:sre\"]", "\"tell:night\"").await;
    stage.alert("firing");
    let question = stage.question();
    let told = until("the next channel", || stage.told().first().cloned());
    assert!(
        told.to_string().contains("Remove old scratch files for good?"),
        "{told}"
    );
    assert!(
        stage.slack.questions()[0]
            .blocks
            .to_string()
            .contains("\"actions\""),
        "the first still asks"
    );
    press(
        &stage.url,
        DANA,
        &question,
        &button(&question, "No"),
        How::default(),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_that_says_when_it_may_be_asked_again_is_asked_then() {
    let stage = Stage::with_trouble("from = [\"group:sre\"]", "", &[(429, Some(2), "ratelimited")]).await;
    stage.alert("firing");
    let question = stage.question();
    assert!(button(&question, "Yes").is_object());
    assert!(stage.slack.asked("chat.postMessage") >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_slack_cannot_reach_the_engine_clicks_come_over_a_connection_of_the_engines() {
    let stage = Stage::over_a_socket("from = [\"group:sre\"]").await;
    let run = stage.alert("firing");
    let question = stage.question();
    let yes = button(&question, "Yes");
    assert_eq!(
        press(&stage.url, DANA, &question, &yes, How::default()),
        [404],
        "nothing comes in over HTTP"
    );
    let envelope = |id: &str, member: &str| {
        json!({
            "type": "interactive", "envelope_id": id, "accepts_response_payload": false,
            "payload": pressed(member, &question, &yes, "T0001"),
        })
    };
    stage.slack.send(&envelope("e-1", ELI));
    let whisper = until("what only they see", || stage.slack.whispers().first().cloned());
    assert!(whisper.text.contains("’eli’ may not decide"), "{whisper:?}");

    stage.slack.cut();
    stage.slack.send(&envelope("e-2", DANA));
    stage.step_is(&run, "done");
    // What Slack did not hear of is sent again, and is the same click.
    stage.slack.send(&envelope("e-2", DANA));
    until("both confirmations", || {
        (stage.slack.confirmed("e-2") == 2).then_some(())
    });
    assert_eq!(stage.slack.confirmed("e-1"), 1);
    stage.slack.send(&envelope("e-3", DANA));
    let late = until("the answer to another click", || {
        stage.slack.whispers().get(1).cloned()
    });
    assert!(late.text.contains("asks nothing"), "{late:?}");
    assert_eq!(
        stage.slack.whispers().len(),
        2,
        "the click that came twice was one"
    );
    assert!(stage.slack.asked("apps.connections.open") >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_the_message_that_is_there_goes_on() {
    let mut stage = Stage::new("from = [\"group:sre\"]", "").await;
    let run = stage.alert("firing");
    let question = stage.question();
    until("that the run knows of it", || {
        stage.run(&run)["timeline"]
            .to_string()
            .contains("asked `slack:#incidents`")
            .then_some(())
    });
    stage.restart();

    press(
        &stage.url,
        DANA,
        &question,
        &button(&question, "Yes"),
        How::default(),
    );

    stage.step_is(&run, "done");
    until("the message to say so", || {
        let questions = stage.slack.questions();
        assert_eq!(questions.len(), 1, "it was not asked again");
        questions[0]
            .blocks
            .to_string()
            .contains("approved by dana → done")
            .then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn text_from_outside_is_only_text() {
    let stage = Stage::new("from = [\"group:sre\"]", "").await;
    stage.alert("hostile");
    let question = stage.question();
    until("the details", || {
        (!stage.slack.thread(&question.ts).is_empty()).then_some(())
    });
    let text = format!(
        "{} {} {:?}",
        question.text,
        question.blocks,
        stage.slack.thread(&question.ts)
    );
    assert!(
        !text.contains("<!channel>") && !text.contains("<@U0") && !text.contains("<https"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_steps_own_channel_is_asked_first_and_the_operators_when_nobody_reacts() {
    let stage = Stage::new("from = [\"group:sre\"]\nchannels = [\"slack:#storage\"]", "").await;
    let run = stage.alert("firing");
    let first = stage.question();
    assert_eq!(first.channel, "C0STORAGE");
    let second = until("the operator's channel", || {
        stage.slack.questions().get(1).cloned()
    });
    assert_eq!(second.channel, "C024BE91L");
    press(&stage.url, DANA, &second, &button(&second, "Yes"), How::default());
    stage.step_is(&run, "done");
    until("both messages to say so", || {
        let all = stage.about("approved by dana → done");
        (all.len() == 2).then_some(())
    });
    assert_eq!(stage.slack.questions().len(), 2, "each was asked once");
}

const BY_HAND: &str = r#"
name = "disk-full"
title = "A disk is almost full"
owner = "platform-oncall"
[trigger]
alert = "DiskFull"
group_by = ["instance"]
[impact]
severity = "high"
summary = "Writes fail next."
[[diagnosis]]
id = "one_bad_disk"
ask = "Does the graph show one bad disk?"
by_hand = "Grafana, Disks by node"
[[mitigation]]
id = "call_the_vendor"
do = "Call the vendor"
by_hand = "The number is on the rack"
approval = { expires = "10m" }
[recovery]
stable_for = "1s"
trust = "alert"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_has_to_answer_or_do_is_a_message_with_buttons_that_follows_it() {
    let stage = Stage::with_runbook(BY_HAND, "\"tell:night\"", "", &[]).await;
    let run = stage.alert("firing");
    let check = until("the check's message", || {
        stage.about("Does the graph show one bad disk?").pop()
    });
    let text = check.blocks.to_string();
    assert!(text.contains("*Look at:* Grafana, Disks by node"), "{text}");
    assert!(
        text.contains(&format!("stanch answer {run} one_bad_disk yes|no|unknown")),
        "{text}"
    );
    let step = until("the step's message", || {
        stage.about("To be done by hand: Call the vendor").pop()
    });
    assert!(
        step.blocks
            .to_string()
            .contains("*How:* The number is on the rack")
    );

    // Who is nobody's user says nothing, and who is one says it for all to see.
    press(
        &stage.url,
        STRANGER,
        &check,
        &button(&check, "Yes"),
        How::default(),
    );
    let whisper = until("what only they see", || stage.slack.whispers().first().cloned());
    assert!(
        whisper.text.contains("nobody in stanch.toml is U0STRANGER"),
        "{whisper:?}"
    );
    press(&stage.url, DANA, &check, &button(&check, "Yes"), How::default());
    until("the answer in the message", || {
        let text = stage.says(&check);
        (text.contains("yes, by dana") && !text.contains("\"actions\"")).then_some(())
    });
    assert_eq!(stage.run(&run)["checklist"][0]["by"], "dana");

    // Nobody said that it is done: the next channel hears of it, of the check it did not.
    let told = until("the next channel", || stage.told().first().cloned());
    assert!(told.to_string().contains("Call the vendor"), "{told}");
    press(&stage.url, DANA, &step, &button(&step, "Done"), How::default());
    stage.step_is(&run, "done");
    until("the step's message to say so", || {
        let text = stage.says(&step);
        (text.contains("done") && !text.contains("\"actions\"")).then_some(())
    });
    assert_eq!(stage.about("Call the vendor").len(), 1, "it was told once");
    assert!(
        stage
            .told()
            .iter()
            .all(|told| !told["title"].to_string().contains("bad disk")),
        "nobody is woken for a check that keeps nothing up"
    );
    let timeline = stage.run(&run)["timeline"].to_string();
    assert!(
        timeline.contains("told `slack:#incidents` that call_the_vendor is to be done by hand"),
        "{timeline}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doubt_that_a_person_has_to_settle_and_an_escalation_are_each_told_once_and_edited() {
    // Takes the request, and is gone before it answered.
    let service = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = service.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in service.incoming().flatten() {
            let mut head = [0; 4096];
            let _ = std::io::Read::read(&mut stream, &mut head);
        }
    });
    let runbook = format!(
        r#"
name = "disk-full"
title = "A disk is almost full"
owner = "platform-oncall"
mode = "auto"
[trigger]
alert = "DiskFull"
group_by = ["instance"]
[impact]
severity = "high"
summary = "Writes fail next."
[[mitigation]]
id = "grow"
do = "Have the disk grown"
uses = "call"
with = {{ url = "http://{address}/grow" }}
verify = {{ within = "1s", every = "1s" }}
[recovery]
stable_for = "1s"
trust = "alert"
"#
    );
    let grant = format!(
        "[plugins.call]\nsource = \"plugins/http-call.wasm\"\n[[plugins.call.grant.http]]\nurl = \"http://{address}/grow\"\n\
         change = [\"POST\"]\naddresses = [\"127.0.0.1/32\"]\n"
    );
    let stage = Stage::with_runbook(&runbook, "", &grant, &["http-call"]).await;
    let run = stage.alert("firing");
    let doubt = until("the doubt", || stage.about("In doubt: Have the disk grown").pop());
    let text = doubt.blocks.to_string();
    for told in [
        "*Was sent:* POST".to_owned(),
        format!("{address}/grow"),
        format!("stanch settle {run} grow --happened|--not-happened --go-on|--stop"),
    ] {
        assert!(text.contains(&told), "{told}\n{text}");
    }
    assert!(!text.contains("\"actions\""), "two answers at once are no button");
    stage.tell(&["settle", &run, "grow", "--not-happened", "--stop"]);
    until("the doubt to be over", || {
        let text = stage.says(&doubt);
        (!text.contains("stanch settle")).then_some(())
    });
    let escalated = until("that it is escalated", || stage.about("Needs a person").pop());
    assert!(
        escalated.blocks.to_string().contains("*Why:*"),
        "{}",
        escalated.blocks
    );
    // It may be over by itself.
    stage.said(None, &["cancel", &run, "--leave"]);
    until("the message to say how it ended", || {
        let text = stage.says(&escalated);
        (!text.contains("stanch runs show")).then_some(())
    });
    for what in ["In doubt: Have the disk grown", "Needs a person"] {
        assert_eq!(stage.about(what).len(), 1, "{what} was told once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_host_knows_comes_before_what_the_plugin_says() {
    let stage = Stage::new("from = [\"group:sre\"]", "\"tell:night\"").await;
    stage.alert("firing");
    let told = until("the next channel", || stage.told().first().cloned());
    let order = |text: &str| {
        let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
        assert!(
            at("Would do") < at("Touches") && at("Touches") < at("nobody checked this"),
            "{text}"
        );
    };
    order(told["text"].as_str().unwrap());
    let question = stage.question();
    order(&question.blocks.to_string());
}
