//! `provider-outage`, as it ships but for its times, on real parts: a Prometheus that fires, an Alertmanager that posts, the flag
//! in a ConfigMap of a control plane, users who never stop asking. The assistant, the models behind it and the status page are
//! those of the demo's city.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

mod city;

use city::City;
use serde_json::json;
use stanch_cluster_tests::Users;
use stanch_parts::{ControlPlane, until};

const BANNER: &str = "Creative Writing is not available for the moment. Search works as always.";

#[test]
fn in_an_outage_the_local_model_answers_and_a_quiet_alert_ends_nothing_before_the_provider_itself_is_well() {
    let plane = ControlPlane::start().unwrap();
    let space = plane.space("inference").unwrap();
    let city = City::start(&plane, &space);
    let before = Users::come(4, city.assistant.address, "/v1/search");
    until("answers", || (before.served() > 20).then_some(())).unwrap();
    assert_eq!(before.leave(), Vec::<String>::new());

    let (search, write) = city.users();
    city.provider.set_down(true);
    let run = city.stage.run();
    let asked = city.approve(&run, "fall_back");
    assert_eq!(
        asked.ask,
        "The provider is down. Fall back to the local model, without Creative Writing?"
    );
    city.has("true");
    let asked = city.approve(&run, "tell_users");
    assert_eq!(
        asked.ask,
        "Put up a banner that Creative Writing is not available?"
    );
    until("the banner", || {
        (city.page.body() == json!({ "text": BANNER, "by": "web" })).then_some(())
    })
    .unwrap();
    assert!(
        search.leave().iter().all(|wrong| wrong.starts_with("503")),
        "only the provider failed them"
    );

    // From here on nobody is failed, and nobody asks the provider but who looks after it.
    let search = Users::come(4, city.assistant.address, "/v1/search");
    let prompts = city.provider.prompts();
    city.quiet();
    city.stage.kill_engine();
    city.stage.start_engine();
    let probes = city.provider.probes();
    until("probes of the provider", || {
        (city.provider.probes() >= probes + 9).then_some(())
    })
    .unwrap();
    city.has("true");
    assert_eq!(city.provider.prompts(), prompts);

    city.provider.set_down(false);
    let (ending, view) = city.stage.ended(&run);
    assert_eq!(ending, "healed", "{view:#}");
    city.has("false");
    assert_eq!(
        city.page.body(),
        json!({ "text": "Maintenance on Sunday", "by": "web" })
    );
    until("prompts of the provider", || {
        (city.provider.prompts() > prompts).then_some(())
    })
    .unwrap();
    assert!(search.served() > 20);
    assert_eq!(search.leave(), Vec::<String>::new());
    assert!(write.served() > 20);
    assert_eq!(city.stage.pages(), Vec::<serde_json::Value>::new());
}

#[test]
fn without_a_local_model_that_answers_nothing_is_switched_and_people_are_paged() {
    let plane = ControlPlane::start().unwrap();
    let space = plane.space("inference").unwrap();
    let city = City::start(&plane, &space);
    let (search, _write) = city.users();
    city.local.set_down(true);
    city.provider.set_down(true);
    let run = city.stage.run();
    until("the page", || (!city.stage.pages().is_empty()).then_some(())).unwrap();
    let view = city.stage.view(&run).unwrap();
    assert!(
        view["steps"]
            .as_array()
            .unwrap()
            .iter()
            .all(|step| step["question"].is_null()),
        "{view:#}"
    );
    city.has("false");
    assert_eq!(city.page.body()["text"], "Maintenance on Sunday");
    drop(search);
}
