//! `kubernetes.get`, `.find` and `.logs`.

use serde::Deserialize;
use serde_json::Value;
use stanch_contract::plan::Capability;
use stanch_contract::{ByteSize, Failure, text};

use super::super::session::{Session, Ticket};
use super::super::{AskedLog, Layer, Refusal};
use super::entry::Verb;
use super::permit::Permit;
use super::{Denied, Located, wanted};
use crate::kubernetes::cluster::{Cluster, MOST_OBJECT, ReadError};
use crate::kubernetes::discovery::Kind;
use crate::kubernetes::object;
use crate::kubernetes::request::{self, ListQuery, LogQuery};
use crate::kubernetes::selector::Selector;
use crate::kubernetes::target::{Place, object_name};
use crate::kubernetes::{Object, Page, Query};
use crate::secret::Secret;

/// Objects of a page where a plugin does not say how many, and the most that it gets.
const PAGE: u32 = 100;
const MOST_PAGE: u32 = 500;
/// A page beyond this is not handed over.
const MOST_PAGE_BYTES: u64 = 16 << 20;
/// A field selector or a token beyond this is not sent.
const MOST_FIELDS: usize = 1024;
const MOST_TOKEN: usize = 8192;
/// Lines of a log that can be asked for, and how much of their end is handed over.
const MOST_LINES: u32 = 10_000;
const MOST_LOG: usize = 1 << 20;

impl Session {
    /// `kubernetes.get`: the object as JSON, without managedFields.
    ///
    /// # Errors
    /// `denied`, `not-found`, `budget`, `timeout`, `unavailable` or `failed`, in the contract's sense.
    pub async fn kubernetes_get(&self, what: Object) -> Result<String, Failure> {
        let ticket = self.begin_on(Verb::Get, &what)?;
        let located = self.locate(ticket, Verb::Get, &what).await?;
        let live = self.live(ticket, Verb::Get, &located).await?;
        let version = text::clean_line_to(object::version(&live), 40);
        let permit = self
            .permit(&located, Verb::Get)
            .map_err(|refusal| self.refuse(ticket, refusal))?;
        let json = self.hand_over(&located.kind, live, &permit);
        let summary = format!(
            "{} `{}`, version {version}",
            located.kind.kind, located.target.name
        );
        self.answered_with(ticket, &located.kind, &summary, &json);
        if let Some(tape) = self.tape() {
            tape.objects(located.cluster.name(), std::slice::from_ref(&json));
        }
        Ok(json)
    }

    /// `kubernetes.find`: a page of at most 500 objects, only of those that the grant covers.
    ///
    /// # Errors
    /// As [`Session::kubernetes_get`]; `conflict` where `continue_from` is too old.
    pub async fn kubernetes_find(&self, query: Query) -> Result<Page, Failure> {
        let namespace = query.namespace.as_deref().unwrap_or("_");
        let target = format!("kubernetes:{namespace}/{}/{}", query.api_version, query.kind);
        let ticket = self.begin(Capability::Kubernetes, Verb::List.as_str(), &target)?;
        let found = self.try_find(ticket, &query).await;
        let (kind, page) = found.map_err(|denied| self.denied(ticket, denied))?;
        let more = if page.next.is_some() {
            ", and there are more"
        } else {
            ""
        };
        let summary = format!("{} {}{more}", page.items.len(), kind.plural);
        self.answered_with(ticket, &kind, &summary, &format!("[{}]", page.items.join(",")));
        Ok(page)
    }

    async fn try_find(&self, ticket: Ticket, query: &Query) -> Result<(Kind, Page), Denied> {
        let unfit = |why: String| Denied::Refused(Refusal::new(Layer::Request, why));
        let cluster = self.cluster(Verb::List)?;
        let kind = self.kind(&cluster, &query.api_version, &query.kind).await?;
        let place = match &query.namespace {
            None => Place {
                namespace: None,
                group: kind.group.clone(),
                resource: kind.plural.clone(),
            },
            named => kind.place(named.as_deref()).map_err(unfit)?,
        };
        self.note(ticket, |call| call.target = place.to_string());
        let wanted = wanted(&cluster, Verb::List, &kind, &place, None);
        let permit = self
            .inner
            .parts
            .grant
            .kubernetes(&wanted)
            .map_err(Denied::Refused)?;
        let asked = query.label_selector.as_deref().map(Selector::parse).transpose();
        let asked = asked.map_err(|error| unfit(error.to_string()))?;
        let labels = match (asked, permit.selector()) {
            (Some(asked), Some(granted)) => Some(asked.and(&granted)),
            (asked, granted) => asked.or(granted),
        };
        let too_long = |what: &str| unfit(format!("`{what}` is longer than any is"));
        if query
            .field_selector
            .as_ref()
            .is_some_and(|fields| fields.len() > MOST_FIELDS)
        {
            return Err(too_long("field-selector"));
        }
        if query
            .continue_from
            .as_ref()
            .is_some_and(|token| token.len() > MOST_TOKEN)
        {
            return Err(too_long("continue-from"));
        }
        let list = ListQuery {
            labels: labels.map(|labels| labels.to_string()),
            fields: query.field_selector.as_deref(),
            limit: query.limit.unwrap_or(PAGE).clamp(1, MOST_PAGE),
            continue_from: query.continue_from.as_deref(),
        };
        let request = request::list(&kind, &place, &list);
        let what = format!("list {place}");
        let read = cluster
            .read_json::<List>(request, MOST_PAGE_BYTES, self.until())
            .await;
        let list = read.map_err(|error| {
            self.tape_no(&cluster, &what, &error);
            Denied::Failed(error.failure(&what, &cluster))
        })?;
        let next = list.next();
        let covered = list.items.into_iter().filter(|item| {
            let in_place = place.namespace.is_none()
                || place.namespace.as_deref() == Some(object::text(item, "/metadata/namespace"));
            in_place && permit.covers(object::text(item, "/metadata/name"), &object::labels(item))
        });
        let items = covered.map(|mut item| {
            // Members of a list do not say what they are.
            if let Some(members) = item.as_object_mut() {
                members.insert("apiVersion".to_owned(), kind.api_version().into());
                members.insert("kind".to_owned(), kind.kind.as_str().into());
            }
            self.hand_over(&kind, item, &permit)
        });
        let page = Page {
            items: items.collect(),
            next,
        };
        if let Some(tape) = self.tape() {
            tape.objects(cluster.name(), &page.items);
        }
        Ok((kind, page))
    }

    /// `kubernetes.logs`: the end of a container's log, at most 10,000 lines and 1 MiB.
    ///
    /// # Errors
    /// As [`Session::kubernetes_get`].
    pub async fn kubernetes_logs(
        &self,
        pod: Object,
        container: Option<&str>,
        previous: bool,
        tail_lines: u32,
    ) -> Result<String, Failure> {
        let ticket = self.begin_on(Verb::Logs, &pod)?;
        let located = self.locate(ticket, Verb::Logs, &pod).await?;
        if let Some(container) = container {
            object_name(container).map_err(|_| {
                self.refuse(
                    ticket,
                    Refusal::new(Layer::Request, "the container's name is not one"),
                )
            })?;
        }
        let permit = self
            .permit(&located, Verb::Logs)
            .map_err(|refusal| self.refuse(ticket, refusal))?;
        if permit.needs_labels() {
            self.live(ticket, Verb::Logs, &located).await?;
        }
        let query = LogQuery {
            container,
            previous,
            tail_lines: tail_lines.min(MOST_LINES),
        };
        let request = request::logs(&located.kind, &located.target, query);
        let read = located.cluster.read_end(request, MOST_LOG, self.until()).await;
        let (log, all) = read.map_err(|error| {
            self.tape_no(&located.cluster, &located.what, &error);
            self.fail(ticket, error.failure(&located.what, &located.cluster))
        })?;
        let of = if all > log.len() as u64 {
            format!(", the end of {}", ByteSize(all))
        } else {
            String::new()
        };
        let log = self.redactor().text(String::from_utf8_lossy(&log).into_owned());
        let summary = format!("{} lines{of}", log.lines().count());
        self.answered(ticket, &summary, Some(log.as_bytes()));
        if let Some(tape) = self.tape() {
            let asked = AskedLog {
                pod: &located.target.to_string(),
                container,
                previous,
            };
            tape.log(located.cluster.name(), asked, &log);
        }
        Ok(log)
    }

    /// The live object, where the grant covers its labels.
    async fn live(&self, ticket: Ticket, verb: Verb, located: &Located) -> Result<Value, Failure> {
        let Located {
            cluster,
            kind,
            target,
            what,
            ..
        } = located;
        let request = request::get(kind, target);
        let read = cluster
            .read_json::<Value>(request, MOST_OBJECT, self.until())
            .await;
        let live = read.map_err(|error: ReadError| {
            self.tape_no(cluster, what, &error);
            self.fail(ticket, error.failure(what, cluster))
        })?;
        let permit = self
            .permit(located, verb)
            .map_err(|refusal| self.refuse(ticket, refusal))?;
        if !permit.covers(&target.name, &object::labels(&live)) {
            let plugin = self.inner.parts.grant.plugin();
            return Err(self.refuse(ticket, permit.labels_refused(plugin, &target.to_string())));
        }
        Ok(live)
    }

    /// An object as the plugin gets it. The values of a Secret are secrets of this call from now on: they are taken out of
    /// whatever the plugin logs, answers or is shown later. Where the grant is for its keys, it gets none of them.
    pub(super) fn hand_over(&self, kind: &Kind, mut live: Value, permit: &Permit<'_>) -> String {
        object::tidy(&mut live);
        if !is_secret(kind) {
            return self.redactor().text(live.to_string());
        }
        let name = object::text(&live, "/metadata/name");
        let given = match permit.gives_values(name, &object::labels(&live)) {
            true => self.redactor().text(live.to_string()),
            false => self.redactor().text(object::keys_only(&live).to_string()),
        };
        self.learn(secret_values(&live));
        given
    }

    /// Tells the tape that there is no such object, or why there was no answer.
    fn tape_no(&self, cluster: &Cluster, what: &str, error: &ReadError) {
        let Some(tape) = self.tape() else { return };
        match error.code() {
            Some(404) => tape.objects(cluster.name(), &[]),
            status => tape.withheld(cluster.name(), what, status, &self.redactor().text(error.said())),
        }
    }

    /// Writes an answer down; of a Secret its digest alone.
    fn answered_with(&self, ticket: Ticket, kind: &Kind, summary: &str, json: &str) {
        if is_secret(kind) {
            self.answered_unkept(ticket, summary, json.as_bytes());
        } else {
            self.answered(ticket, summary, Some(json.as_bytes()));
        }
    }
}

pub(super) fn is_secret(kind: &Kind) -> bool {
    (kind.group.as_str(), kind.plural.as_str()) == ("", "secrets")
}

/// The values of a Secret, as they are kept (base64) and as they are meant.
fn secret_values(live: &Value) -> Vec<Secret> {
    use base64::Engine as _;
    let data = live.get("data").and_then(Value::as_object);
    let encoded = data
        .into_iter()
        .flat_map(|data| data.values())
        .filter_map(Value::as_str);
    let mut values = Vec::new();
    for value in encoded {
        let meant = base64::engine::general_purpose::STANDARD
            .decode(value)
            .unwrap_or_default();
        values.extend([Secret::of_any(value.as_bytes().to_vec()), Secret::of_any(meant)]);
    }
    values
}

/// A page as a server answers it.
#[derive(Deserialize)]
pub(super) struct List {
    #[serde(default)]
    metadata: ListMetadata,
    #[serde(default)]
    pub(super) items: Vec<Value>,
}

#[derive(Default, Deserialize)]
struct ListMetadata {
    #[serde(default, rename = "continue")]
    continue_from: Option<String>,
}

impl List {
    /// Where the next page begins; `None` at the end.
    pub(super) fn next(&self) -> Option<String> {
        self.metadata
            .continue_from
            .clone()
            .filter(|token| !token.is_empty())
    }
}
