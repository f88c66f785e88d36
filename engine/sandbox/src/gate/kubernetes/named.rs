//! What can be said of a planned action where there is no cluster to look at: its own words, and whether a grant covers its
//! object by name. For tests of runbooks, which say what is planned; a plan that is applied passes [`check_plan`].
//!
//! [`check_plan`]: crate::gate::check_plan

use stanch_contract::plan::{Action, CanonicalAction, Capability};
use stanch_contract::text;

use super::super::grant::Grant;
use super::super::record::{Layer, Refusal};
use super::entry::Scope;
use super::permit::Wanted;
use super::plan::{Words, is_repeat_safe};

/// The action as people would be shown it, but for what only the cluster knows: what is there, its labels, the dry run.
///
/// # Errors
/// Where its words do not fit, or no grant covers the object by its name in the cluster `on`.
pub fn named(offered: &Action, grant: &Grant, on: &str) -> Result<CanonicalAction, Refusal> {
    let request = |why: String| Refusal::new(Layer::Request, why);
    let Words {
        verb,
        target,
        content,
        expect,
    } = Words::read(offered).map_err(request)?;
    let scope = match &target.place.namespace {
        Some(namespace) => Scope::Namespace(namespace),
        None => Scope::Cluster,
    };
    grant.kubernetes(&Wanted {
        cluster: on,
        verb,
        group: &target.place.group,
        resource: &target.place.resource,
        scope,
        name: Some(&target.name),
    })?;
    Ok(CanonicalAction {
        capability: Capability::Kubernetes,
        verb: verb.as_str().to_owned(),
        target: target.to_string(),
        identity: super::plan::identity(on, &target),
        expect: offered.expect.clone(),
        content: content.to_text(),
        items: Vec::new(),
        bytes: None,
        repeat_safe: is_repeat_safe(&content, expect.as_ref()),
        before: None,
        dry_run: None,
        reason: text::clean_line_to(&offered.reason, 300),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::{GrantSpec, KubernetesGrantSpec};
    use serde_json::Value;

    fn grant() -> Grant {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let entry = KubernetesGrantSpec {
            clusters: owned(&["eu"]),
            verbs: owned(&["evict"]),
            resources: owned(&["pods"]),
            namespaces: owned(&["inference"]),
            names: owned(&["llm-*"]),
            selector: None,
            keys_only: false,
        };
        let spec = GrantSpec {
            kubernetes: vec![entry],
            ..GrantSpec::default()
        };
        Grant::new("recycle".into(), spec).unwrap()
    }

    fn evict(target: &str, expect: Option<&str>) -> Action {
        Action {
            verb: "evict".into(),
            target: target.into(),
            expect: expect.map(str::to_owned),
            content: None,
            items: vec![],
            reason: String::new(),
            extra: Value::Null,
        }
    }

    #[test]
    fn what_a_grant_names_is_planned_and_what_it_does_not_name_is_refused_by_the_same_words_as_at_the_gate() {
        let (llm, grant) = ("kubernetes:inference/_/pods/llm-1", grant());
        let action = named(&evict(llm, Some("uid:1")), &grant, "eu").unwrap();
        assert_eq!(
            (
                action.target.as_str(),
                action.repeat_safe,
                action.expect.as_deref()
            ),
            (llm, true, Some("uid:1"))
        );
        let refused = |action: &Action, on| named(action, &grant, on).unwrap_err().why;
        let table = [
            (evict(llm, None), "eu", "says in `expect` which object"),
            (evict(llm, Some("uid:1")), "us", "cluster `us`"),
            (
                evict("kubernetes:other/_/pods/llm-1", Some("uid:1")),
                "eu",
                "namespace `other`",
            ),
            (
                evict("kubernetes:inference/_/pods/db-1", Some("uid:1")),
                "eu",
                "db-1",
            ),
            (
                evict("kubernetes:inference/_/pods", Some("uid:1")),
                "eu",
                "not a target",
            ),
        ];
        for (action, on, says) in table {
            let why = refused(&action, on);
            assert!(why.contains(says), "{says}: {why}");
        }
    }
}
