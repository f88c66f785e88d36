//! A whole remediation plugin: puts an address on a blocklist, and takes it off again.

use stanch_plugin::prelude::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The blocklist's URL.
    list: Url,
    /// What to block.
    address: String,
}

struct Block;

impl Remediation for Block {
    type Params = Params;
    type Data = Nothing;
    const ABOUT: About = About::new("block", "0.1.0", "Puts an address on a blocklist")
        .idempotent(true)
        .reversible()
        .verifies();

    fn plan(_: &Context, params: &Params) -> Result<Plan<Nothing>, Failure> {
        if http::get(entry(params)).send()?.status == 200 {
            return Ok(Plan::new(format!("`{}` is blocked already", params.address)));
        }
        let put = Action::put(entry(params), &json!({ "reason": "stanch" }))?;
        Ok(Plan::new(format!("Block `{}`", params.address)).action(put))
    }

    fn verify(_: &Context, params: &Params, _: &Attempt<Nothing>) -> Result<Finding<Nothing>, Failure> {
        Ok(match http::get(entry(params)).send()?.status {
            200 => Finding::yes("It is on the list"),
            404 => Finding::no("It is not on the list"),
            status => Finding::unknown(format!("The list answers {status}")),
        })
    }

    fn plan_undo(_: &Context, _: &Params, made: &Attempt<Nothing>) -> Result<Plan<Nothing>, Failure> {
        let blocked = made.maybe_done().filter_map(Action::request);
        Ok(Plan::new("Unblock").actions(blocked.map(|request| Action::delete(&request.url))))
    }
}

fn entry(params: &Params) -> String {
    format!("{}/{}", params.list, http::encode(&params.address))
}

stanch_plugin::export!(Block as remediation);

#[cfg(test)]
mod tests {
    use super::*;
    use stanch_plugin::testing::{Host, reply};

    const ENTRY: &str = "https://waf.example/list/192.0.2.7";

    fn params() -> Value {
        json!({ "list": "https://waf.example/list", "address": "192.0.2.7" })
    }

    #[test]
    fn an_address_is_blocked_and_unblocked() {
        let host = Host::new();
        host.answer("GET", ENTRY, reply(404, ""));
        host.answer("GET", ENTRY, reply(200, "{}"));
        host.answer("PUT", ENTRY, reply(201, ""));
        host.answer("DELETE", ENTRY, reply(204, ""));

        let plan = host.plan::<Block>(params()).unwrap();
        host.apply::<Block>(params(), &plan).unwrap();
        assert_eq!(host.verify::<Block>(params()).unwrap().verdict, Verdict::Yes);

        let undo = host.plan_undo::<Block>(params()).unwrap();
        host.apply::<Block>(params(), &undo).unwrap();
        let sent: Vec<_> = host.sent().iter().map(|request| request.method.clone()).collect();
        assert_eq!(sent, ["GET", "PUT", "GET", "DELETE"]);
    }

    #[test]
    fn an_address_that_is_blocked_is_left_alone() {
        let host = Host::new();
        host.answer("GET", ENTRY, reply(200, "{}"));
        assert!(host.plan::<Block>(params()).unwrap().actions.is_empty());
    }
}
