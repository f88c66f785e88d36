//! Where the blocklist is: the routes of a subroute in Caddy, or the keys of a ConfigMap.

use stanch_plugin::http::Response;
use stanch_plugin::kubernetes::{Object, Patch};
use stanch_plugin::prelude::*;

use crate::entry::{Entry, id_of};

/// What a list has, and what its next change is pinned to.
pub(crate) struct List {
    /// For people.
    pub name: String,
    /// Ours, in order.
    pub entries: Vec<Entry>,
    /// Names that are taken, also by what is no entry of ours any more.
    taken: Vec<String>,
    at: At,
}

enum At {
    Caddy {
        url: String,
        etag: String,
        routes: Vec<Value>,
    },
    Map(Object),
}

impl List {
    /// The list in Caddy: the routes of the subroute with this `@id`.
    pub(crate) fn in_caddy(admin: &str, id: &str) -> Result<Self, Failure> {
        let url = format!("{}/id/{}/routes", admin.trim_end_matches('/'), http::encode(id));
        let name = format!("the blocklist `{id}` of Caddy");
        let answer = http::get(&url).send().and_then(Response::ok).context(&name)?;
        let etag = answer.header("etag").map(str::to_owned);
        let etag = etag.context("Caddy's answer has no ETag, so a change could overwrite somebody else's")?;
        let routes: Value = answer.json()?;
        let Value::Array(routes) = routes else {
            let why = format!("{name} has no `routes`: give the subroute `\"routes\": []` to begin with");
            return Err(Failure::failed(why));
        };
        Ok(Self {
            name,
            entries: routes.iter().filter_map(Entry::of).collect(),
            taken: routes.iter().filter_map(id_of).collect(),
            at: At::Caddy { url, etag, routes },
        })
    }

    /// The list in a ConfigMap: a key for each entry.
    pub(crate) fn in_map(namespace: &str, name: &str) -> Result<Self, Failure> {
        let map = kubernetes::config_map(namespace, name)?;
        let data = map.at("/data").as_object().cloned().unwrap_or_default();
        let of = |value: &Value| stanch_plugin::serde_json::from_str::<Entry>(value.as_str()?).ok();
        Ok(Self {
            name: format!("the blocklist in {}", map.named()),
            entries: data
                .iter()
                .filter_map(|(key, value)| of(value).filter(|entry| entry.id == *key))
                .collect(),
            taken: data.keys().cloned().collect(),
            at: At::Map(map),
        })
    }

    pub(crate) fn entry(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    /// Whether something else has this name.
    pub(crate) fn is_foreign(&self, id: &str) -> bool {
        self.entry(id).is_none() && self.taken.iter().any(|taken| taken == id)
    }

    /// The list without the entries of these names and with this one, only while all of it is as it was read.
    pub(crate) fn change(&self, without: &[&str], with: Option<&Entry>) -> Result<Action, Failure> {
        match &self.at {
            At::Caddy { url, etag, routes } => {
                if let (Some(entry), []) = (with, without) {
                    return Ok(Action::post(url, &entry.route())?.expect_etag(etag));
                }
                let goes = |route: &Value| {
                    Entry::of(route).is_some_and(|entry| without.contains(&entry.id.as_str()))
                };
                let kept = routes.iter().filter(|route| !goes(route)).cloned();
                let routes: Vec<Value> = kept.chain(with.map(Entry::route)).collect();
                Ok(Action::patch(url, &routes)?.expect_etag(etag))
            }
            At::Map(map) => {
                let mut data: stanch_plugin::serde_json::Map<String, Value> =
                    without.iter().map(|id| ((*id).to_owned(), Value::Null)).collect();
                if let Some(entry) = with {
                    data.insert(entry.id.clone(), json!(json!(entry).to_string()));
                }
                Ok(Action::patch_object(map, Patch::merge(json!({ "data": data }))))
            }
        }
    }
}
