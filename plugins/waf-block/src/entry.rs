//! An entry of a blocklist: what it stops, until when, and how Caddy is told.
//!
//! Caddy has no place for a remark in a route, so what an entry is stands in variables that its first handler sets and that
//! nothing reads but this plugin and a person. When it ends is a condition of the route itself: an entry that has expired stops
//! nothing any more, whether or not somebody takes it out.

use stanch_plugin::prelude::*;

/// The variable that has what an entry is.
const MARK: &str = "stanch_entry";

/// What is stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stops {
    /// Requests whose body fits this expression.
    Pattern(String),
    /// Requests from these addresses.
    Address(String),
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Entry {
    /// What it is called; one of a name.
    pub id: String,
    /// When it stops nothing any more, in seconds since 1970.
    pub until: i64,
    /// What it stops.
    #[serde(flatten)]
    pub stops: Stops,
}

impl Entry {
    pub(crate) fn has_expired(&self, now_ms: i64) -> bool {
        self.until.saturating_mul(1000) <= now_ms
    }

    /// What a person calls it: never what it stops, which may be a prompt that not everybody is to read.
    pub(crate) fn told(&self) -> String {
        let what = match &self.stops {
            Stops::Pattern(_) => "a signature".to_owned(),
            Stops::Address(address) => format!("the address {address}"),
        };
        format!(
            "`{}` ({what}, until {})",
            self.id,
            Timestamp(self.until.saturating_mul(1000))
        )
    }

    /// As a route of Caddy.
    pub(crate) fn route(&self) -> Value {
        let end = format!("int({{time.now.unix}}) < {}", self.until);
        let condition = match &self.stops {
            // https://caddyserver.com/docs/json/apps/http/servers/routes/match/vars_regexp
            Stops::Pattern(pattern) => {
                json!({ "vars_regexp": { "{http.request.body}": { "pattern": pattern } }, "expression": end })
            }
            Stops::Address(range) => json!({ "remote_ip": { "ranges": [range] }, "expression": end }),
        };
        json!({
            "match": [condition],
            "handle": [
                { "handler": "vars", MARK: json!({ "id": self.id, "until": self.until }).to_string() },
                { "handler": "static_response", "status_code": 403, "body": "This request is blocked." },
            ],
            "terminal": true,
        })
    }

    /// Of a route of Caddy; none where it is no entry of ours, or somebody changed it.
    pub(crate) fn of(route: &Value) -> Option<Self> {
        #[derive(Deserialize)]
        struct Mark {
            id: String,
            until: i64,
        }
        let mark = route.pointer("/handle/0")?.get(MARK)?.as_str()?;
        let Mark { id, until } = stanch_plugin::serde_json::from_str(mark).ok()?;
        let condition = route.pointer("/match/0")?;
        let text = |pointer: &str| Some(condition.pointer(pointer)?.as_str()?.to_owned());
        let stops = text("/vars_regexp/{http.request.body}/pattern")
            .map(Stops::Pattern)
            .or_else(|| text("/remote_ip/ranges/0").map(Stops::Address))?;
        Some(Self { id, until, stops })
    }
}

/// What a route is called, also where it stops something else by now: its id is taken all the same.
pub(crate) fn id_of(route: &Value) -> Option<String> {
    let mark = route.pointer("/handle/0")?.get(MARK)?.as_str()?;
    let mark: Value = stanch_plugin::serde_json::from_str(mark).ok()?;
    Some(mark.get("id")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_says_which_entry_it_is_and_another_route_is_none() {
        for stops in [
            Stops::Pattern("(?i)a+".into()),
            Stops::Address("10.0.0.1/32".into()),
        ] {
            let entry = Entry {
                id: "e".into(),
                until: 1_800_000_000,
                stops,
            };
            let route = entry.route();
            assert_eq!(
                (Entry::of(&route), id_of(&route)),
                (Some(entry), Some("e".into()))
            );
            let end = route.pointer("/match/0/expression").unwrap();
            assert_eq!(end, "int({time.now.unix}) < 1800000000");
        }
        let theirs = json!({ "match": [{ "path": ["/x"] }], "handle": [{ "handler": "static_response" }] });
        assert_eq!((Entry::of(&theirs), id_of(&theirs)), (None, None));
    }

    #[test]
    fn an_entry_ends_when_it_says() {
        let entry = Entry {
            id: "e".into(),
            until: 10,
            stops: Stops::Address("::1/128".into()),
        };
        assert!(!entry.has_expired(9_999) && entry.has_expired(10_000));
        assert!(!entry.told().contains("Pattern"));
    }
}
