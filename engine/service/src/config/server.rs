//! `[server]` and `[store]`: what cannot change while running.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use stanch_contract::{ByteSize, Span, text};
use url::Url;

use super::settings::{Intake, Server, Store, TlsFiles};
use super::values;
use stanch_runbook::reading::{At, Data, Fields, Got, Node, Problems};

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9440);
const KEEP: Span = Span::from_secs(90 * 86_400);
const RESERVE: ByteSize = ByteSize(64 << 20);

/// `tls = { cert, key }`.
fn tls_files(node: &Node, base: &Path, problems: &mut Problems<'_>) -> Option<TlsFiles> {
    let mut fields = Fields::of(node, "`server.tls`", problems)?;
    let cert = fields.needed_text("cert", "cert = \"cert.pem\"", problems);
    let key = fields.needed_text("key", "key = \"key.pem\"", problems);
    fields.finish(problems);
    Some(TlsFiles {
        cert: values::path(base, cert?.value),
        key: values::path(base, key?.value),
    })
}

pub(super) fn server(top: &mut Fields<'_, '_>, base: &Path, problems: &mut Problems<'_>) -> Got<Server> {
    let mut server = Server {
        listen: LISTEN,
        tls_upstream: false,
        tls: None,
        public: None,
        frame_ancestors: Vec::new(),
    };
    let mut listen_at = At::start();
    if let Some(mut fields) = top
        .node("server")
        .and_then(|node| Fields::of(node, "`[server]`", problems))
    {
        if let Some(listen) = fields.text("listen", problems) {
            listen_at = listen.at.clone();
            match listen.value.parse() {
                Ok(address) => server.listen = address,
                Err(_) => problems.add(
                    &listen.at,
                    format!("`listen` cannot be `{}`", listen.value),
                    "not an address and a port",
                    "write an IP address and a port, as in `127.0.0.1:9440` or `[::1]:9440`".to_owned(),
                ),
            }
        }
        if let Some(written) = fields.text("public", problems) {
            server.public = public(written.value);
            if server.public.is_none() {
                let help = "write where browsers reach the engine, such as `https://stanch.example`: scheme and host, without a path".to_owned();
                let message = format!("`public` cannot be `{}`", written.value);
                problems.add(&written.at, message, "not an address of pages", help);
            }
        }
        if let Some(tls) = fields.node("tls") {
            match &tls.data {
                Data::Text(word) if word == "terminated-upstream" => server.tls_upstream = true,
                Data::Table(_) => server.tls = tls_files(tls, base, problems),
                _ => problems.add(
                    &tls.at,
                    "`tls` is not what it has to be",
                    "here",
                    "write `tls = { cert = \"cert.pem\", key = \"key.pem\" }`, or `tls = \"terminated-upstream\"` where a proxy in front speaks it".to_owned(),
                ),
            }
        }
        for origin in fields.texts("frame_ancestors", problems).unwrap_or_default() {
            if is_origin(origin.value) {
                server.frame_ancestors.push(origin.value.to_owned());
            } else {
                problems.add(
                    &origin.at,
                    format!("`frame_ancestors` cannot have `{}`", text::clean_line_to(origin.value, 80)),
                    "not the origin of a page",
                    "write scheme, host and port exactly, as in `https://desk.example` or, on this machine, `http://127.0.0.1:8080`"
                        .to_owned(),
                );
            }
        }
        fields.finish(problems);
    }
    Got {
        value: server,
        at: listen_at,
    }
}

/// `https://stanch.example`, or with a port; `http` too, as on this machine. Pages are at the root, so it has no path.
fn public(written: &str) -> Option<String> {
    let url = Url::parse(written).ok()?;
    let fit = matches!(url.scheme(), "https" | "http")
        && url.has_host()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    fit.then(|| url.as_str().trim_end_matches('/').to_owned())
}

/// Whether this is one origin and nothing more: it goes into a header as it is, where a star would be a pattern and a semicolon the
/// end. A page that came in the clear may be anybody's, so that is for this machine alone.
fn is_origin(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:/[]".contains(&byte);
    if !text.bytes().all(fits) {
        return false;
    }
    let Ok(url) = Url::parse(text) else { return false };
    values::is_private(&url) && url.origin().ascii_serialization() == text
}

/// Who can be reached from elsewhere proves who sends, and does not do so in the clear.
pub(super) fn beyond_loopback(server: &Got<Server>, intakes: &[Got<Intake>], problems: &mut Problems<'_>) {
    if server.value.listen.ip().to_canonical().is_loopback() {
        return;
    }
    if !server.value.is_secure() {
        problems.add(
            &server.at,
            format!("`listen` is `{}`, which is beyond loopback, without TLS", server.value.listen),
            "reachable from elsewhere",
            "listen on `127.0.0.1`, write `tls = { cert = \"cert.pem\", key = \"key.pem\" }`, or put a proxy that speaks TLS in front and write `tls = \"terminated-upstream\"`"
                .to_owned(),
        );
    }
    for intake in intakes.iter().filter(|intake| intake.value.auth.is_none()) {
        problems.add(
            &intake.at,
            format!(
                "the intake `{}` takes alerts from anybody, and `listen` is beyond loopback",
                intake.value.path
            ),
            "no `auth`",
            "add `auth = { bearer = \"${secret:NAME}\" }`".to_owned(),
        );
    }
}

pub(super) fn store(top: &mut Fields<'_, '_>, base: &Path, problems: &mut Problems<'_>) -> Store {
    let mut store = Store {
        path: values::path(base, "data"),
        keep: KEEP,
        reserve: RESERVE,
    };
    if let Some(mut fields) = top
        .node("store")
        .and_then(|node| Fields::of(node, "`[store]`", problems))
    {
        if let Some(path) = fields.text("path", problems) {
            store.path = values::path(base, path.value);
        }
        if let Some(keep) = fields.parsed::<Span>("keep", problems) {
            store.keep = keep.value;
            if keep.value < Span::from_secs(3600) {
                let help = "write at least `1h`".to_owned();
                problems.add(
                    &keep.at,
                    "`keep` is too short for anybody to look at what happened",
                    "here",
                    help,
                );
            }
        }
        if let Some(reserve) = fields.parsed::<ByteSize>("reserve", problems) {
            store.reserve = reserve.value;
        }
        fields.finish(problems);
    }
    store
}
