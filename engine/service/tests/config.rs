//! stanch.toml: every broken case with the message that a person sees, and a whole one with what it says.

use std::path::Path;

use stanch_contract::plan::Capability;
use stanch_contract::{ByteSize, Span};
use stanch_runbook::model::Mode;
use stanch_sandbox::kubernetes::{Access as ClusterAccess, ClusterSpec};
use stanch_service::config::settings::{Encoding, IntakeAuth, Role, SecretPlace, SignedHeader, SignedTime};
use stanch_service::config::{self, LoadErrors, Settings};

fn parse(text: &str) -> Result<Settings, LoadErrors> {
    config::parse(Path::new("conf/stanch.toml"), text)
}

#[test]
fn every_broken_file_is_told_with_its_place_and_what_would_be_right() {
    let mut paths: Vec<_> = std::fs::read_dir("tests/config/broken")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() > 50);
    let mut accepted = Vec::new();
    for path in paths {
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let Err(errors) = parse(&text) else {
            accepted.push(stem);
            continue;
        };
        let rendered = errors.render(false, 110);
        assert!(
            !rendered.contains("hunter2"),
            "{stem} shows a credential: {rendered}"
        );
        assert!(
            !errors.to_string().contains("hunter2"),
            "{stem} shows a credential"
        );
        let rendered: String = rendered
            .lines()
            .map(|line| format!("{}\n", line.trim_end()))
            .collect();
        insta::with_settings!({snapshot_path => "config/snapshots", prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(stem, rendered);
        });
    }
    assert_eq!(accepted, Vec::<String>::new(), "these broken files load");
}

#[test]
fn an_empty_file_has_every_default() {
    let settings = parse("").unwrap();
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:9440");
    assert_eq!(settings.server.page_of(&"2t8c".into()), None);
    assert_eq!(settings.store.path, Path::new("conf/data"));
    assert_eq!(settings.store.keep, "90d".parse().unwrap());
    assert_eq!(settings.store.reserve, ByteSize(64 << 20));
    assert_eq!(settings.guardrails, Default::default());
    assert_eq!(
        settings
            .guardrails
            .target_ceiling(&"any".into(), Capability::Files),
        1
    );
    assert!(settings.intakes.is_empty() && settings.users.is_empty() && settings.plugins.is_empty());
    assert_eq!((settings.break_glass, &settings.slack), (None, &None));
    assert_eq!(settings.oidc, None);
    assert_eq!(
        (settings.approvals.channels.len(), settings.approvals.next_after),
        (0, Span::from_secs(180))
    );
}

#[test]
fn a_whole_file_says_what_it_says() {
    let settings = parse(include_str!("config/whole.toml"))
        .map_err(|errors| errors.render(false, 110))
        .unwrap();
    assert!(settings.server.tls_upstream);
    assert_eq!(
        settings.server.page_of(&"2t8c".into()).as_deref(),
        Some("https://stanch.example/runs/2t8c")
    );
    assert_eq!(settings.store.path, Path::new("/var/lib/stanch"));
    let [inference, others] = settings.folders.as_slice() else {
        panic!("{:?}", settings.folders)
    };
    assert_eq!(
        (inference.path.as_path(), inference.written.as_str()),
        (Path::new("conf/runbooks"), "runbooks")
    );
    assert_eq!(inference.defaults["approval"]["from"][0], "group:sre");
    assert_eq!(
        (others.path.as_path(), others.max_mode),
        (Path::new("/etc/stanch/others"), Mode::Shadow)
    );
    assert!(others.plugins.allows(&"prometheus-eu".into()) && !others.plugins.allows(&"waf-block".into()));
    assert_eq!(settings.vars["fallback_region"], "us-east");
    assert_eq!(
        settings.secrets["waf_token"],
        SecretPlace::File("conf/secrets/waf".into())
    );
    assert_eq!(
        settings.intakes[1].auth,
        Some(IntakeAuth::Basic {
            user: "am".into(),
            secret: "webhook".into()
        })
    );
    assert_eq!(
        (settings.users[0].role, settings.users[1].role),
        (Role::Approver, Role::Admin)
    );
    assert_eq!(settings.break_glass.unwrap().role, Role::Admin);
    let reconcile = settings.intakes[0].reconcile.as_ref().unwrap();
    assert_eq!(
        (reconcile.url.as_str(), reconcile.receiver.as_deref()),
        ("http://alertmanager:9093", Some("engine"))
    );
    let expects = settings.intakes[0].expects.as_ref().unwrap();
    assert_eq!(
        (expects.alert.as_str(), expects.within, expects.tell.len()),
        ("Watchdog", Span::from_secs(300), 1)
    );
    assert!(settings.intakes[1].reconcile.is_none() && settings.intakes[1].expects.is_none());
    let checks = &settings.intakes[2];
    let map = checks.mapping.as_ref().unwrap();
    assert_eq!(
        (
            map.each.as_ref().unwrap().source(),
            map.status.source(),
            map.labels["cluster"].source()
        ),
        ("body.checks", "item.open", "body.cluster")
    );
    let header = |index: usize| match &settings.intakes[index].auth {
        Some(IntakeAuth::Signature { secret, header }) if secret == "webhook" => header.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        header(2),
        SignedHeader {
            name: "x-hub-signature-256".into(),
            prefix: "sha256=".into(),
            encoding: Encoding::Hex,
            time: None,
        }
    );
    assert_eq!(
        (header(3).encoding, header(3).time),
        (
            Encoding::Base64,
            Some(SignedTime {
                header: None,
                prefix: "t=".into(),
                between: ".".into(),
            })
        )
    );
    let channels: Vec<String> = settings
        .approvals
        .channels
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(channels, ["slack:#incidents", "page:inference-oncall", "page"]);
    assert_eq!(settings.approvals.next_after, Span::from_secs(90));
    assert_eq!(settings.user_by_slack("U024BE7LH").unwrap().name, "dana");
    assert!(settings.user_by_slack("U0").is_none());
    let slack = settings.slack.as_ref().unwrap();
    assert_eq!(
        (slack.token.as_str(), slack.api.as_str()),
        ("slack_token", "https://slack.com/api/")
    );
    assert_eq!(
        (slack.signing.as_deref(), &slack.app_token),
        (Some("slack_signing"), &None)
    );
    let oidc = settings.oidc.as_ref().unwrap();
    assert_eq!(
        (oidc.name.as_str(), oidc.client_secret.as_deref(), oidc.session),
        ("login.example", Some("webhook"), Span::from_secs(8 * 3_600))
    );
    assert_eq!(oidc.scopes, ["email", "groups"]);
    let rules: Vec<_> = oidc
        .rules
        .iter()
        .map(|rule| (rule.group.as_str(), rule.role, rule.groups.join(" ")))
        .collect();
    assert_eq!(
        rules,
        [
            ("oncall", Role::Approver, "sre inference".to_owned()),
            ("staff", Role::Viewer, "staff".to_owned())
        ]
    );
    assert_eq!(settings.user_by_oidc("max@example.com").unwrap().name, "max");
    assert!(settings.user_by_oidc("dana").is_none());
    assert_eq!(settings.guardrails.storm.within, Span::from_secs(30));
    assert_eq!(
        settings
            .guardrails
            .target_ceiling(&"waf-block".into(), Capability::Http),
        9
    );
    assert_eq!(
        settings
            .guardrails
            .target_ceiling(&"page".into(), Capability::Http),
        2
    );
    assert_eq!(
        (
            settings.guardrails.share.to_string().as_str(),
            settings.guardrails.keep_ready
        ),
        ("12.5%", 2)
    );
    assert_eq!(
        settings.clusters["eu-b"],
        ClusterSpec {
            access: ClusterAccess::Kubeconfig {
                path: "conf/clusters/eu-b.yaml".into(),
                context: Some("prod".into())
            },
            impersonate: Some("system:serviceaccount:stanch:engine".into()),
        }
    );
    assert_eq!(settings.clusters["here"].access, ClusterAccess::InCluster);
    let recycle = settings.plugins[&"pod-recycle".into()].grant.spec();
    assert_eq!(recycle.kubernetes[0].verbs, ["get", "list", "evict"]);
    assert_eq!(recycle.kubernetes[0].selector.as_deref(), Some("app=worker"));
    let waf = &settings.plugins[&"waf-block".into()];
    assert_eq!(
        (waf.limits.calls, waf.limits.output),
        (20, Some(ByteSize(128 << 10)))
    );
    assert_eq!(waf.settings["list"], "blocked");
    assert_eq!(
        settings.plugins[&"disk-cleanup".into()].path,
        Path::new("/opt/plugins/disk-cleanup.wasm")
    );
}

#[test]
fn a_user_is_known_by_token_and_by_the_systems_user_and_not_by_the_tokens_digest() {
    let settings = parse(include_str!("config/whole.toml")).unwrap();
    assert_eq!(settings.user_by_token("test").unwrap().name, "dana");
    assert!(
        settings
            .user_by_token("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
            .is_none()
    );
    assert!(settings.user_by_token("").is_none());
    assert_eq!(settings.user_by_os_user("kim").unwrap().name, "kim");
    assert!(settings.user_by_os_user("root").is_none());
}
