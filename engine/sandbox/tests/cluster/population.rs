//! What the host counts.

use serde_json::Value;
use stanch_contract::Action;
use stanch_sandbox::gate::{Cause, Layer};

use crate::world::*;

fn evictions(world: &World, pods: &[Value]) -> Vec<Action> {
    let one = |pod: &Value| {
        on_uid(
            "evict",
            &world.target(&format!("_/pods/{}", pod["metadata"]["name"].as_str().unwrap())),
            pod,
        )
    };
    pods.iter().map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_counts_what_there_is_and_what_of_it_is_ready() {
    let world = World::new("population");
    world.space.apply(&pods(&["a", "b", "c", "d"], "worker")).unwrap();
    world.space.apply(&pods(&["other"], "db")).unwrap();
    world.space.ready("app=worker", 4).unwrap();
    world.space.set("b", "not-ready").unwrap();
    world.space.set("d", "crash-loop").unwrap();
    let all = world.space.pods("app=worker").unwrap();
    let gate = world.gate(&["list", "evict"], &["pods"]).await;
    let population = world.target("_/pods?app=worker");
    let plan = gate
        .try_plan(evictions(&world, &all[..2]), Some(&population))
        .await
        .unwrap();
    let counted = plan.population.clone().unwrap();
    assert_eq!(
        (counted.what, counted.total, counted.ready),
        (population.clone(), 4, 2)
    );
    assert_eq!(
        counted.ready_targets,
        [plan.actions[0].identity.clone()],
        "`a` is Ready, `b` is not"
    );
    assert_eq!(plan.population.unwrap().ready_besides(&plan.actions), 1);

    let other = world.space.pods("app=db").unwrap();
    let cases = [
        (
            evictions(&world, &other),
            population.as_str(),
            Layer::Request,
            "is not among the population",
        ),
        (
            evictions(&world, &all[..1]),
            &world.target("_/pods?"),
            Layer::Request,
            "is empty",
        ),
        (
            evictions(&world, &all[..1]),
            &world.target("_/pods"),
            Layer::Request,
            "is not a population",
        ),
        (
            evictions(&world, &all[..1]),
            &world.target("_/pods?app=nothing"),
            Layer::Request,
            "is not among the population",
        ),
        (
            evictions(&world, &all[..1]),
            "kubernetes:_/_/pods?app=worker",
            Layer::Request,
            "is in a namespace",
        ),
        (
            evictions(&world, &all[..1]),
            "kubernetes:default/_/pods?app=worker",
            Layer::Grant,
            "for namespaces = ",
        ),
        (
            evictions(&world, &all[..1]),
            &world.target("_/pod?app=worker"),
            Layer::Request,
            "did you mean `pods`?",
        ),
    ];
    for (actions, named, layer, words) in cases {
        let refused = gate.try_plan(actions, Some(named)).await.unwrap_err();
        assert_eq!(
            (refused.refusal.layer, refused.cause),
            (layer, Cause::Rule),
            "{refused}"
        );
        assert!(refused.to_string().contains(words), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counting_needs_list_in_the_grant_and_in_the_cluster() {
    let rules = r#"[{apiGroups: [""], resources: [pods], verbs: [get]}, {apiGroups: [""], resources: [pods/eviction], verbs: [create]}]"#;
    let world = World::allowing("uncounted", rules);
    world.space.apply(&pods(&["a", "b"], "worker")).unwrap();
    let all = world.space.ready("app=worker", 2).unwrap();
    let population = world.target("_/pods?app=worker");
    let without = world.gate(&["evict"], &["pods"]).await;
    let refused = without
        .try_plan(evictions(&world, &all), Some(&population))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("no grant names `list`"), "{refused}");
    let gate = world.gate(&["list", "evict"], &["pods"]).await;
    let refused = gate
        .try_plan(evictions(&world, &all), Some(&population))
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains(r#"cannot list resource "pods""#),
        "{refused}"
    );
    // No share is taken of one target, so nothing hangs on how many there are.
    let plan = gate
        .try_plan(evictions(&world, &all[..1]), Some(&population))
        .await
        .unwrap();
    assert_eq!(plan.population, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_population_of_many_pages_is_counted_whole() {
    let world = World::new("many");
    let many: Vec<String> = (0..1100)
        .map(|n| config_map(&format!("m-{n:04}"), "{many: x}", "{}"))
        .collect();
    for part in many.chunks(550) {
        world.space.apply(&part.join("---\n")).unwrap();
    }
    let gate = world.gate(&["list", "patch"], &["configmaps"]).await;
    let patch = with(
        action("patch", &world.target("_/configmaps/m-1099")),
        merge(serde_json::json!({ "data": { "a": "b" } })),
    );
    let plan = gate
        .try_plan(vec![patch], Some(&world.target("_/configmaps?many=x")))
        .await
        .unwrap();
    let counted = plan.population.unwrap();
    assert_eq!(
        (counted.total, counted.ready),
        (1100, 1100),
        "what has no readiness is ready while it is there"
    );
}
