//! Evictions: past no disruption budget, except for a pod that does not count for one.

use serde_json::Value;
use stanch_contract::Timestamp;
use stanch_sandbox::kubernetes::selects;

use super::answer::{Reply, done, over_budget, status};
use super::kinds::text;
use super::request::Request;
use super::state::{Key, State};

impl State {
    /// What the server answers to an eviction, and what it does.
    pub(super) fn evict(&mut self, request: &Request<'_>, key: Key, live: Value, now: Timestamp) -> Reply {
        let options = request.body.get("deleteOptions").cloned().unwrap_or_default();
        let counts = text(&live, "/metadata/deletionTimestamp").is_empty()
            && !matches!(text(&live, "/status/phase"), "Succeeded" | "Failed" | "Pending");
        let expected = text(&options, "/preconditions/uid");
        let is_meant = expected.is_empty() || expected == text(&live, "/metadata/uid");
        if counts && is_meant {
            let budgets = self.budgets(&key, &live);
            match budgets.as_slice() {
                [] => {}
                [budget] => {
                    if let Some(refused) = self.spend(budget, &live, request.dry_run) {
                        return refused;
                    }
                }
                _ => {
                    let why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not \
                               support.";
                    return status(500, "InternalError", why.to_owned(), Value::Null);
                }
            }
        }
        match self.delete(request, &options, key, live, now) {
            Reply::Json(code, _) if code < 300 => done(201, None),
            refused => refused,
        }
    }

    /// The budgets that cover a pod.
    fn budgets(&self, pod: &Key, live: &Value) -> Vec<Key> {
        let all = self.objects().filter(|(key, object)| {
            key.plural == "poddisruptionbudgets" && key.namespace == pod.namespace && covers(object, live)
        });
        all.map(|(key, _)| key.clone()).collect()
    }

    /// Takes one eviction of a budget; what the server says where it has none.
    fn spend(&mut self, budget: &Key, pod: &Value, dry_run: bool) -> Option<Reply> {
        let mut live = self.get(budget)?.clone();
        let number = |name: &str| {
            live.pointer(&format!("/status/{name}"))
                .and_then(Value::as_i64)
                .unwrap_or(0)
        };
        let (allowed, wanted, healthy) = (
            number("disruptionsAllowed"),
            number("desiredHealthy"),
            number("currentHealthy"),
        );
        let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
        let mut ready = conditions
            .into_iter()
            .flatten()
            .filter(|one| text(one, "/type") == "Ready");
        let is_ready = ready.next().is_some_and(|one| text(one, "/status") == "True");
        let always = text(&live, "/spec/unhealthyPodEvictionPolicy") == "AlwaysAllow";
        // A pod that is not healthy is not among those that the budget keeps.
        if !is_ready && (always || (wanted > 0 && healthy >= wanted)) {
            return None;
        }
        if allowed <= 0 {
            return Some(over_budget(&budget.name, wanted, healthy));
        }
        if let Some(left) = live.pointer_mut("/status/disruptionsAllowed")
            && !dry_run
        {
            *left = (allowed - 1).into();
            self.put(budget.clone(), live);
        }
        None
    }
}

/// Whether a budget is about this pod: an empty selector means all, and none means nothing.
fn covers(budget: &Value, pod: &Value) -> bool {
    let Some(selector) = budget.pointer("/spec/selector").filter(|one| !one.is_null()) else {
        return false;
    };
    let labels = selector.get("matchLabels").and_then(Value::as_object);
    let labels = labels.into_iter().flatten();
    let labels = labels.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()));
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    let expressions = expressions.into_iter().flatten().map(|one| {
        let values: Vec<&str> = one
            .get("values")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let (name, values) = (text(one, "/key"), values.join(","));
        match text(one, "/operator") {
            "In" => format!("{name} in ({values})"),
            "NotIn" => format!("{name} notin ({values})"),
            "DoesNotExist" => format!("!{name}"),
            _ => name.to_owned(),
        }
    });
    let all: Vec<String> = labels.chain(expressions).collect();
    all.is_empty() || selects(&all.join(","), pod).unwrap_or(false)
}
