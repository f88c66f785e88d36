//! What a cluster lets the engine do, as the cluster itself says it: who the engine is there, which of its rights it has,
//! and what time it is.

use std::collections::BTreeSet;

use http::HeaderMap;
use http::header::DATE;
use serde::Deserialize;
use serde_json::json;
use stanch_contract::{Span, Timestamp};
use tokio::time::Instant;

use super::cluster::{Cluster, MOST_OBJECT, ReadError, success};
use super::clusters::Clusters;
use super::discovery::KindError;
use super::request;
use super::target::Place;
use crate::clock;

/// One thing that a cluster has to allow, in the words of its authorization (RBAC).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Right {
    /// `None`: in all namespaces, or of what is in none.
    pub namespace: Option<String>,
    /// The group; empty for the core group, `*` for all.
    pub group: String,
    /// The plural, `*` for all, with its subresource: `pods/eviction`.
    pub resource: String,
    /// The verb.
    pub verb: &'static str,
    /// `None`: of any name.
    pub name: Option<String>,
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, " of {}", self.group)?;
        }
        if let Some(name) = &self.name {
            write!(f, " `{name}`")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in {namespace}"),
            None => Ok(()),
        }
    }
}

/// A cluster that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// Its version: `v1.37.0`.
    pub version: String,
    /// Who the engine is there; `None` where the cluster does not say.
    pub user: Option<String>,
    /// How long the first answer took.
    pub took: Span,
    /// How far the clock of this machine is ahead of the cluster's, in milliseconds, at the least; negative where it is
    /// behind. `None` where the cluster does not say what time it is.
    pub ahead_ms: Option<i64>,
    /// The rights that it does not give, each with why where it says so.
    pub refused: Vec<(Right, String)>,
    /// The rights to what the cluster does not have, each with what is near it.
    pub unknown: Vec<(Right, String)>,
}

impl Clusters {
    /// Looks at the cluster of this name, and asks it for each of these rights.
    ///
    /// # Errors
    /// Why it cannot be asked, in a sentence that names it.
    pub async fn examine(
        &self,
        name: &str,
        rights: &BTreeSet<Right>,
        until: Instant,
    ) -> Result<Examined, String> {
        let cluster = self.get(name)?;
        let examined = cluster.examine(rights, until).await;
        examined.map_err(|error| error.failure("a look at it", &cluster).message)
    }
}

impl Cluster {
    async fn examine(&self, rights: &BTreeSet<Right>, until: Instant) -> Result<Examined, ReadError> {
        let before = clock::now();
        let answer = self
            .read(request::plain("/version"), MOST_OBJECT, until)
            .await
            .map_err(ReadError::Send)?;
        let after = clock::now();
        let ahead_ms = date(&answer.headers).map(|date| ahead(before, after, date));
        let version: Version = parsed(&success(answer)?)?;
        let user = self.who_am_i(until).await?;
        let (mut refused, mut unknown) = (Vec::new(), Vec::new());
        for right in rights {
            if let Some(why) = self.lacks(right, until).await? {
                unknown.push((right.clone(), why));
            } else if let Some(why) = self.refuses(right, until).await? {
                refused.push((right.clone(), why));
            }
        }
        Ok(Examined {
            version: version.git_version,
            user,
            took: after.since(before),
            ahead_ms,
            refused,
            unknown,
        })
    }

    /// Why the cluster does not know a right's resource; `None` where it does, and where that cannot be said.
    async fn lacks(&self, right: &Right, until: Instant) -> Result<Option<String>, ReadError> {
        let resource = right.resource.split('/').next().unwrap_or_default();
        if resource.contains('*') || right.group.contains('*') {
            return Ok(None);
        }
        let place = Place {
            namespace: right.namespace.clone(),
            group: right.group.clone(),
            resource: resource.to_owned(),
        };
        match self.resource(&place, None, until).await {
            Ok(_) => Ok(None),
            Err(KindError::Unknown(why)) => Ok(Some(why)),
            // Who may not ask for the kinds may have rights to them all the same.
            Err(KindError::Read(ReadError::Refused(refused))) if refused.code() == 403 => Ok(None),
            Err(KindError::Read(error)) => Err(error),
        }
    }

    async fn who_am_i(&self, until: Instant) -> Result<Option<String>, ReadError> {
        let body = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
        let request = request::review("/apis/authentication.k8s.io/v1/selfsubjectreviews", &body);
        match self
            .read_json::<SelfSubjectReview>(request, MOST_OBJECT, until)
            .await
        {
            Ok(review) => Ok(Some(review.status.user_info.username)),
            // An older server has no such thing, and one may be kept from asking.
            Err(ReadError::Refused(refused)) if refused.code() != 401 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Why it does not give a right; `None` where it does.
    async fn refuses(&self, right: &Right, until: Instant) -> Result<Option<String>, ReadError> {
        let (resource, sub) = match right.resource.split_once('/') {
            Some((resource, sub)) => (resource, sub),
            None => (right.resource.as_str(), ""),
        };
        let body = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": {
                "namespace": right.namespace.as_deref().unwrap_or_default(), "verb": right.verb,
                "group": right.group, "version": "*", "resource": resource, "subresource": sub,
                "name": right.name.as_deref().unwrap_or_default(),
            } },
        });
        let request = request::review("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &body);
        let review: AccessReview = self.read_json(request, MOST_OBJECT, until).await?;
        if review.status.allowed {
            return Ok(None);
        }
        let said = [review.status.reason, review.status.evaluation_error];
        let said: Vec<String> = said.into_iter().filter(|text| !text.is_empty()).collect();
        Ok(Some(stanch_contract::text::clean_line_to(&said.join("; "), 200)))
    }
}

fn parsed<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, ReadError> {
    serde_json::from_slice(body).map_err(|error| ReadError::Unfit(error.to_string()))
}

/// The time that an answer was made at, to the second (RFC 9110, section 5.6.7).
fn date(headers: &HeaderMap) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut words = headers.get(DATE)?.to_str().ok()?.split_ascii_whitespace().skip(1);
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = 1 + MONTHS.iter().position(|name| *name == month)?;
    Timestamp::parse_rfc3339(&format!("{year}-{month:02}-{day}T{time}Z"))
}

/// How far ahead of a server's clock ours is, at the least: it said `date`, cut to the second, at some moment between ours
/// of `before` and `after`.
fn ahead(before: Timestamp, after: Timestamp, date: Timestamp) -> i64 {
    let (least, most) = (before.0 - (date.0 + 999), after.0 - date.0);
    if least > 0 {
        least
    } else if most < 0 {
        most
    } else {
        0
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    git_version: String,
}

#[derive(Deserialize)]
struct SelfSubjectReview {
    status: WhoAmI,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WhoAmI {
    user_info: UserInfo,
}

#[derive(Deserialize)]
struct UserInfo {
    #[serde(default)]
    username: String,
}

#[derive(Deserialize)]
struct AccessReview {
    status: Access,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Access {
    allowed: bool,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    evaluation_error: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_an_answer_is_read() {
        let with = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(DATE, text.parse().unwrap());
            date(&headers).map(|date| date.to_string())
        };
        assert_eq!(
            with("Wed, 25 Nov 2026 22:38:23 GMT").as_deref(),
            Some("2026-11-25T22:38:23.000Z")
        );
        assert_eq!(with("yesterday"), None);
        assert_eq!(with("Wed, 25 Foo 2026 22:38:23 GMT"), None);
        assert_eq!(date(&HeaderMap::new()), None);
    }

    #[test]
    fn a_clock_is_ahead_or_behind_by_what_is_certain() {
        let at = Timestamp;
        // The server's second is from 10,000 to 10,999.
        for (before, after, ahead_ms) in [
            (10_200, 10_300, 0),
            (9_000, 10_000, 0),
            (10_999, 11_400, 0),
            (12_000, 12_100, 1_001),
            (5_000, 5_100, -4_900),
        ] {
            assert_eq!(ahead(at(before), at(after), at(10_000)), ahead_ms, "{before}");
        }
    }

    #[test]
    fn a_right_is_told_in_a_few_words() {
        let mut right = Right {
            namespace: Some("inference".into()),
            group: "apps".into(),
            resource: "deployments/scale".into(),
            verb: "patch",
            name: Some("web".into()),
        };
        assert_eq!(
            right.to_string(),
            "patch deployments/scale of apps `web` in inference"
        );
        (right.namespace, right.group, right.name) = (None, String::new(), None);
        assert_eq!(right.to_string(), "patch deployments/scale");
    }
}
