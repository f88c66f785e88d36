//! A remediation whose effects are counted outside: a server counts its requests by idempotency key and path.
//!
//! The crash tests kill the engine around it and compare what the journal says with what the server saw. It is built twice,
//! from one source: `effect-safe` promises that a repeat has no second effect and `effect-once` does not, so that the rules
//! of doubt go both ways.
//!
//! What the server does:
//!
//! | request | |
//! |---|---|
//! | `METHOD URL/INDEX` with `{"index": INDEX}` | one effect; the header `idempotency-key` is the engine's |
//! | `GET URL/verify` | `yes`, `no` or anything else, which is unknown |
//! | `GET URL/INDEX` | `no` where the effect is not, or not any more, there |
//! | `DELETE URL/INDEX` | takes the effect back |

use stanch_plugin::prelude::*;

/// What to do and where.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The server's URL, without a slash at the end.
    pub url: Url,
    /// How many actions the plan has.
    #[serde(default = "one")]
    #[schemars(range(max = 100))]
    pub actions: u32,
    /// With which method.
    #[serde(default)]
    pub method: Method,
    /// Trap in `apply` after so many actions.
    pub trap_after: Option<usize>,
    /// Wait in `apply` so long before each action, so that a test can strike in between.
    pub wait: Option<Span>,
}

/// How an effect is made.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// `POST`.
    #[default]
    Post,
    /// `PUT`.
    Put,
}

fn one() -> u32 {
    1
}

/// The plugin, with or without the promise that a repeat has no second effect.
#[derive(Debug)]
pub struct Effect<const SAFE: bool>;

impl<const SAFE: bool> Remediation for Effect<SAFE> {
    type Params = Params;
    type Data = Nothing;
    const ABOUT: About = About::new(
        if SAFE { "effect-safe" } else { "effect-once" },
        env!("CARGO_PKG_VERSION"),
        "Makes effects that a server outside counts",
    )
    .idempotent(SAFE)
    .reversible()
    .verifies()
    .verifies_undo();

    fn asks() -> Value {
        json!({ "http": [{ "url": "http://127.0.0.1:8080/**", "read": ["GET"], "change": ["POST", "PUT", "DELETE"] }] })
    }

    fn plan(_: &Context, params: &Params) -> Result<Plan<Nothing>, Failure> {
        let actions = (0..params.actions).map(|index| {
            let body = json!({ "index": index });
            let url = format!("{}/{index}", params.url);
            match params.method {
                Method::Post => Action::post(url, &body),
                Method::Put => Action::put(url, &body),
            }
        });
        let actions = actions.collect::<Result<Vec<_>, _>>()?;
        Ok(Plan::new(format!("Make {} effects at `{}`", params.actions, params.url)).actions(actions))
    }

    /// One by one, so that a trap or a wait can come between.
    #[expect(clippy::panic, reason = "the trap is what the test asks for")]
    fn apply(ctx: &Context, params: &Params, plan: &Plan<Nothing>) -> Result<Outcome<Nothing>, Failure> {
        for (index, action) in plan.actions.iter().enumerate() {
            if params.trap_after == Some(index) {
                panic!("trapped after {index} actions, as asked");
            }
            if let Some(wait) = params.wait {
                host::sleep(wait.to_std());
            }
            let request = action.request().context("an action that is no request")?.clone();
            request
                .header("idempotency-key", ctx.key_of(index, plan.actions.len()))
                .send()?
                .ok()?;
        }
        Ok(Outcome::new(format!("Made {} effects", plan.actions.len())))
    }

    fn verify(_: &Context, params: &Params, _: &Attempt<Nothing>) -> Result<Finding<Nothing>, Failure> {
        let said = http::get(format!("{}/verify", params.url)).send()?.ok()?.text();
        let verdict = match said.trim() {
            "yes" => Verdict::Yes,
            "no" => Verdict::No,
            _ => Verdict::Unknown,
        };
        Ok(Finding::new(
            verdict,
            format!("The server says `{}`", said.trim()),
        ))
    }

    fn plan_undo(_: &Context, _: &Params, made: &Attempt<Nothing>) -> Result<Plan<Nothing>, Failure> {
        let mut back = Vec::new();
        for request in made.maybe_done().filter_map(Action::request) {
            if http::get(&request.url).send()?.ok()?.text().trim() != "no" {
                back.push(Action::delete(&request.url));
            }
        }
        Ok(Plan::new(format!("Take {} effects back", back.len())).actions(back.into_iter().rev()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stanch_plugin::testing::{Host, reply};

    type Once = Effect<false>;
    const URL: &str = "http://127.0.0.1:8080/e";

    fn host() -> Host {
        let host = Host::new();
        host.answer("POST", &format!("{URL}/*"), reply(201, ""));
        host
    }

    /// What the server says of each effect.
    fn stand(host: &Host, effects: [&str; 2]) {
        for (index, is) in effects.iter().enumerate() {
            host.answer("GET", &format!("{URL}/{index}"), reply(200, is));
        }
    }

    #[test]
    fn each_effect_has_a_key_of_its_own_and_is_taken_back_newest_first() {
        let host = host();
        let params = json!({ "url": URL, "actions": 2 });
        let plan = host.plan::<Once>(params.clone()).unwrap();
        host.apply::<Once>(params.clone(), &plan).unwrap();
        let keys: Vec<_> = host
            .sent()
            .iter()
            .map(|r| r.header_value("idempotency-key").unwrap().to_owned())
            .collect();
        assert_eq!(keys, ["key-0", "key-1"]);
        stand(&host, ["yes", "yes"]);
        let undo = host.plan_undo::<Once>(params).unwrap();
        let targets: Vec<_> = undo
            .actions
            .iter()
            .map(|a| (a.verb.as_str(), a.target.as_str()))
            .collect();
        assert_eq!(
            targets,
            [
                ("DELETE", "http://127.0.0.1:8080/e/1"),
                ("DELETE", "http://127.0.0.1:8080/e/0")
            ]
        );
    }

    #[test]
    fn what_is_not_there_any_more_needs_no_way_back() {
        let host = host();
        let params = json!({ "url": URL, "actions": 2 });
        let plan = host.plan::<Once>(params.clone()).unwrap();
        host.apply::<Once>(params.clone(), &plan).unwrap();
        stand(&host, ["yes", "no"]);
        let undo = host.plan_undo::<Once>(params).unwrap();
        assert_eq!(undo.actions.len(), 1);
    }

    #[test]
    fn what_was_not_sent_is_not_taken_back() {
        let host = host();
        let params = json!({ "url": URL, "actions": 2 });
        let plan = host.plan::<Once>(params.clone()).unwrap();
        let trapping = json!({ "url": URL, "actions": 2, "trap_after": 1 });
        let trapped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            host.apply::<Once>(trapping, &plan)
        }));
        assert!(trapped.is_err());
        stand(&host, ["yes", "yes"]);
        assert_eq!(host.plan_undo::<Once>(params).unwrap().actions.len(), 1);
    }

    #[test]
    fn verify_is_what_the_server_says() {
        for (said, expected) in [
            ("yes", Verdict::Yes),
            ("no\n", Verdict::No),
            ("hm", Verdict::Unknown),
        ] {
            let host = host();
            host.answer("GET", &format!("{URL}/verify"), reply(200, said));
            assert_eq!(
                host.verify::<Once>(json!({ "url": URL })).unwrap().verdict,
                expected
            );
        }
    }

    #[test]
    fn an_effect_outside_of_apply_is_refused() {
        let _host = host();
        assert_eq!(
            http::post(format!("{URL}/0")).send().unwrap_err().code,
            FailureCode::Denied
        );
    }
}
