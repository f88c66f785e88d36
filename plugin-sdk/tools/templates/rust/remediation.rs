//! Puts an address on a blocklist, and takes it off again.

use stanch_plugin::prelude::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The blocklist's URL.
    list: Url,
    /// What to block.
    address: String,
}

struct Plugin;

impl Remediation for Plugin {
    type Params = Params;
    type Data = Nothing;
    const ABOUT: About = about!("Puts an address on a blocklist")
        .idempotent(true)
        .reversible()
        .verifies();

    fn asks() -> Value {
        json!({ "http": [{ "url": "https://edge.example/blocked/*", "read": ["GET"], "change": ["PUT", "DELETE"] }] })
    }

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

stanch_plugin::export!(Plugin as remediation);
