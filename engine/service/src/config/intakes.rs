//! `[[intake]]`: who may send, and how they prove it.

use stanch_runbook::reading::{Data, Fields, Got, Node, Problems};

use super::settings::{Encoding, Intake, IntakeAuth, IntakeKind, SignedHeader, SignedTime};
use super::values::Names;
use super::{intake_map, intake_watch};

/// The first parts of the paths of what is neither an intake nor a page.
const TAKEN: [&str; 5] = ["api", "healthz", "readyz", "metrics", "slack"];

/// Whether the service has something there itself.
fn is_taken(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    TAKEN.contains(&first) || crate::web::PLACES.contains(&first)
}

pub(super) fn intakes(
    top: &mut Fields<'_, '_>,
    names: &Names,
    installed: &[&str],
    problems: &mut Problems<'_>,
) -> Vec<Got<Intake>> {
    let mut intakes: Vec<Got<Intake>> = Vec::new();
    for node in top.tables("intake", "intake", problems) {
        let Some(mut fields) = Fields::of(node, "`[[intake]]`", problems) else {
            continue;
        };
        let kind = kind(&mut fields, problems);
        let path = fields.needed_text("path", "path = \"/alerts/alertmanager\"", problems);
        let auth = fields
            .node("auth")
            .and_then(|node| Fields::of(node, "`auth`", problems))
            .and_then(|mut fields| {
                let auth = auth(&mut fields, kind, names, problems);
                fields.finish(problems);
                auth
            });
        let mapping = intake_map::mapping(&mut fields, kind, problems);
        let reconcile = intake_watch::reconcile(&mut fields, kind, names, problems);
        let expects = intake_watch::expects(&mut fields, installed, problems);
        let at = fields.at().clone();
        fields.finish(problems);
        let (Some(kind), Some(path)) = (kind, path) else {
            continue;
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
        if !path.value.starts_with('/') || !path.value.chars().all(plain) || path.value.contains("//") {
            let help = "write a path such as `/alerts/alertmanager`: letters, digits and `-._~/`".to_owned();
            problems.add(
                &path.at,
                format!("an intake's `path` cannot be `{}`", path.value),
                "not a path",
                help,
            );
        } else if is_taken(path.value) {
            let help = "write another, such as `/alerts/alertmanager`".to_owned();
            problems.add(
                &path.at,
                format!("`{}` is the service's own", path.value),
                "taken",
                help,
            );
        } else if intakes.iter().any(|other| other.value.path == path.value) {
            let help = "give each intake a path of its own".to_owned();
            problems.add(
                &path.at,
                format!("the path `{}` is there twice", path.value),
                "again",
                help,
            );
        }
        intakes.push(Got {
            value: Intake {
                kind,
                path: path.value.to_owned(),
                auth,
                mapping,
                reconcile,
                expects,
            },
            at,
        });
    }
    intakes
}

fn kind(fields: &mut Fields<'_, '_>, problems: &mut Problems<'_>) -> Option<IntakeKind> {
    let word = fields.needed_text("kind", "kind = \"alertmanager\"", problems)?;
    let kind = IntakeKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == word.value);
    if kind.is_none() {
        let known = IntakeKind::ALL.map(|kind| format!("`{}`", kind.as_str()));
        problems.add(
            &word.at,
            format!("there is no intake of kind `{}`", word.value),
            "unknown word",
            format!("write one of {}", known.join(", ")),
        );
    }
    kind
}

fn auth(
    fields: &mut Fields<'_, '_>,
    kind: Option<IntakeKind>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<IntakeAuth> {
    let bearer = fields.text("bearer", problems);
    let basic = fields.node("basic");
    let signature = fields.node("signature");
    match (bearer, basic, signature) {
        (Some(bearer), None, None) => names
            .whole("bearer", &bearer, problems)
            .map(|secret| IntakeAuth::Bearer { secret }),
        (None, None, Some(node)) => signed(node, kind, names, problems),
        (None, Some(node), None) => {
            let mut fields = Fields::of(node, "`basic`", problems)?;
            let user = fields.needed_text("user", "user = \"alertmanager\"", problems);
            let password = fields.needed_text("password", "password = \"${secret:NAME}\"", problems);
            fields.finish(problems);
            let (user, password) = (user?, password?);
            if user.value.contains(':') {
                let help = "leave the colon out: basic authentication ends the name there".to_owned();
                problems.add(&user.at, "a user's name cannot have a colon", "here", help);
            }
            let secret = names.whole("password", &password, problems)?;
            Some(IntakeAuth::Basic {
                user: user.value.to_owned(),
                secret,
            })
        }
        _ => {
            let help = "write one of `bearer = \"${secret:NAME}\"`, `basic = { user = \"…\", password = \"${secret:NAME}\" }` and `signature = …`";
            let at = fields.at().clone();
            problems.add(&at, "`auth` needs exactly one way", "here", help.to_owned());
            None
        }
    }
}

/// Grafana and PagerDuty sign in ways of their own, which the engine knows; of another sender the file has to say how.
fn signed(
    node: &Node<'_>,
    kind: Option<IntakeKind>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<IntakeAuth> {
    let known = match kind? {
        IntakeKind::Alertmanager => {
            let help = "write `bearer` or `basic`, and the same in its `http_config`".to_owned();
            problems.add(
                &node.at,
                "Alertmanager does not sign what it sends",
                "would refuse every alert",
                help,
            );
            return None;
        }
        IntakeKind::Grafana => Some(SignedHeader::grafana()),
        IntakeKind::Pagerduty => Some(SignedHeader::pagerduty()),
        IntakeKind::Cloudevents | IntakeKind::Generic => None,
    };
    let Some(header) = known else {
        return told(node, names, problems);
    };
    if let Data::Table(_) = node.data {
        let help =
            "write `signature = \"${secret:NAME}\"`: where it is and how it is made is known".to_owned();
        problems.add(&node.at, "this sender signs in a way of its own", "here", help);
        return None;
    }
    let written = stanch_runbook::reading::text(node, "signature", problems)?;
    let secret = names.whole("signature", &written, problems)?;
    Some(IntakeAuth::Signature { secret, header })
}

/// `{ secret, header, prefix, encoding, time }`.
fn told(node: &Node<'_>, names: &Names, problems: &mut Problems<'_>) -> Option<IntakeAuth> {
    if let Data::Text(_) = node.data {
        let help = "write `signature = { secret = \"${secret:NAME}\", header = \"x-hub-signature-256\", prefix = \"sha256=\" }`";
        problems.add_hidden(
            &node.at,
            "it is not said in which header the signature is".to_owned(),
            help.to_owned(),
        );
        return None;
    }
    let mut fields = Fields::of(node, "`signature`", problems)?;
    let secret = fields.needed_text("secret", "secret = \"${secret:NAME}\"", problems);
    let secret = secret.and_then(|written| names.whole("secret", &written, problems));
    let name = fields.needed_text("header", "header = \"x-hub-signature-256\"", problems);
    let name = name.and_then(|written| header(&written, problems));
    let prefix = fields.text("prefix", problems).map(|got| got.value.to_owned());
    let words = [("hex", Encoding::Hex), ("base64", Encoding::Base64)];
    let encoding = fields.word("encoding", &words, problems);
    let time = fields.node("time").map(|node| time(node, problems));
    fields.finish(problems);
    let time = match time {
        None => None,
        Some(read) => Some(read?),
    };
    Some(IntakeAuth::Signature {
        secret: secret?,
        header: SignedHeader {
            name: name?,
            prefix: prefix.unwrap_or_default(),
            encoding: encoding.map_or(Encoding::Hex, |got| got.value),
            time,
        },
    })
}

fn time(node: &Node<'_>, problems: &mut Problems<'_>) -> Option<SignedTime> {
    let mut fields = Fields::of(node, "`time`", problems)?;
    let name = fields.text("header", problems);
    let named = name.is_some();
    let name = name.and_then(|written| header(&written, problems));
    let prefix = fields.text("prefix", problems).map(|got| got.value.to_owned());
    if !fields.has("between") {
        fields.missing("between", "between = \".\"", problems);
    }
    let between = fields.text("between", problems).map(|got| got.value.to_owned());
    let at = fields.at().clone();
    fields.finish(problems);
    if !named && prefix.is_none() {
        let help =
            "write the time's own `header`, or what it begins with in the signature's: `prefix = \"t=\"`"
                .to_owned();
        problems.add(&at, "it is not said where the signed time is", "here", help);
        return None;
    }
    Some(SignedTime {
        header: if named { Some(name?) } else { None },
        prefix: prefix.unwrap_or_default(),
        between: between?,
    })
}

/// A header's name in lower case.
fn header(written: &Got<&str>, problems: &mut Problems<'_>) -> Option<String> {
    let name: Result<http::HeaderName, _> = written.value.parse();
    if let Ok(name) = name {
        return Some(name.as_str().to_owned());
    }
    let help = "write its name alone, such as `x-hub-signature-256`".to_owned();
    let message = format!("`{}` is no header's name", written.value);
    problems.add(&written.at, message, "not a name", help);
    None
}

impl SignedHeader {
    /// Grafana's: hex digits, of `TIME:BODY`. The name is the one that Grafana has unless told otherwise; it has none for the time's
    /// header unless told one, and this is the one of its documentation. Without a time, a request that somebody recorded could be
    /// sent again for ever, so there has to be one.
    fn grafana() -> Self {
        Self {
            name: "x-grafana-alerting-signature".to_owned(),
            prefix: String::new(),
            encoding: Encoding::Hex,
            time: Some(SignedTime {
                header: Some("x-grafana-alerting-signature-timestamp".to_owned()),
                prefix: String::new(),
                between: ":".to_owned(),
            }),
        }
    }

    /// PagerDuty's, of the body: `v1=HEX`, several while the secret is changed.
    fn pagerduty() -> Self {
        Self {
            name: "x-pagerduty-signature".to_owned(),
            prefix: "v1=".to_owned(),
            encoding: Encoding::Hex,
            time: None,
        }
    }
}
