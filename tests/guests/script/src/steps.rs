//! The steps of a script.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::imports::runbook::plugin::common::Failure;
use crate::imports::runbook::plugin::{files, host, http, kubernetes};
use crate::text;

pub(crate) fn run(script: &Value, strict: bool, calls: &mut Vec<Value>) -> Result<(), Failure> {
    for step in script["do"].as_array().into_iter().flatten() {
        for (name, with) in step.as_object().into_iter().flatten() {
            match one(name, with, strict, calls)? {
                Some(Err(refused)) if strict => return Err(refused),
                Some(answer) => calls.push(match answer {
                    Ok(value) => json!({ "ok": value }),
                    Err(failure) => json!({ "err": { "code": failure.code, "message": failure.message } }),
                }),
                None => {}
            }
        }
    }
    Ok(())
}

type Answered = Option<Result<Value, Failure>>;

fn one(name: &str, with: &Value, strict: bool, calls: &mut Vec<Value>) -> Result<Answered, Failure> {
    Ok(match name {
        "http" => Some(send(with)),
        "usage" => {
            Some(files::usage(&text(with)).map(|space| json!({ "total": space.total_bytes, "free": space.free_bytes })))
        }
        "scan" => Some(
            files::scan(&text(&with["folder"]), with["recursive"] == true, with["from"].as_str())
                .map(|found| json!({ "items": found.items.iter().map(entry).collect::<Vec<_>>(), "next": found.next })),
        ),
        "read" => {
            let limit = with["limit"].as_u64().unwrap_or(65_536) as u32;
            Some(files::read(&text(&with["path"]), limit).map(|content| json!(String::from_utf8_lossy(&content))))
        }
        "write" => {
            Some(files::write(&text(&with["path"]), text(&with["content"]).as_bytes()).map(|()| Value::Null))
        }
        "remove" => Some(remove(with)),
        "kubernetes" => Some(cluster(with)),
        "log" => {
            host::log(host::Level::Info, &text(with));
            None
        }
        "print" => {
            println!("{}", text(with));
            None
        }
        "complain" => {
            eprintln!("{}", text(with));
            None
        }
        "now" => Some(Ok(json!(host::now_ms()))),
        "wall" => Some(Ok(json!(SystemTime::now().duration_since(UNIX_EPOCH).map(|d| d.as_millis() as u64).ok()))),
        "monotonic" => {
            let began = Instant::now();
            Some(Ok(json!(began.elapsed().as_nanos() as u64)))
        }
        "random" => Some(Ok(json!(crate::chance()))),
        "remember" => {
            static REMEMBERED: AtomicU32 = AtomicU32::new(0);
            Some(Ok(json!(REMEMBERED.fetch_add(1, Ordering::Relaxed))))
        }
        "settings" => Some(Ok(serde_json::from_str(&host::settings()).unwrap_or(Value::Null))),
        "rest_ms" => {
            host::sleep(with.as_u64().unwrap_or(0) as u32);
            None
        }
        "remaining" => Some(Ok(json!(host::remaining_ms()))),
        "cancelled" => Some(Ok(json!(host::is_cancelled()))),
        "environment" => Some(Ok(environment())),
        "repeat" => {
            for _ in 0..with["times"].as_u64().unwrap_or(0) {
                run(with, strict, calls)?;
            }
            None
        }
        misdeed => {
            misbehave(misdeed, with);
            None
        }
    })
}

fn misbehave(name: &str, with: &Value) {
    match name {
        "sleep_ms" => std::thread::sleep(Duration::from_millis(with.as_u64().unwrap_or(0))),
        "spin" => loop {
            black_box(0);
        },
        "spin_ms" => {
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(with.as_u64().unwrap_or(0)) {
                (0..100_000).for_each(|n| {
                    black_box(n);
                });
            }
        }
        "grow_mib" => {
            let hoard: Vec<Vec<u8>> = (0..with.as_u64().unwrap_or(0))
                .map(|_| vec![1_u8; 1 << 20])
                .collect();
            black_box(&hoard);
        }
        "flood_log" => loop {
            host::log(host::Level::Debug, &text(with));
        },
        "flood_print" => loop {
            println!("{}", text(with));
        },
        "flood_calls" => loop {
            black_box(http::send(&request(with)).is_ok());
        },
        "huge_call" => host::log(
            host::Level::Info,
            &"x".repeat(with.as_u64().unwrap_or(0) as usize),
        ),
        "recurse" => {
            black_box(recurse(0));
        }
        "trap" => panic!("{}", text(with)),
        "exit" => std::process::exit(with.as_i64().unwrap_or(0) as i32),
        unknown => panic!("the script has no step `{unknown}`"),
    }
}

#[allow(unconditional_recursion, reason = "the point of it")]
fn recurse(depth: u64) -> u64 {
    let here = black_box([depth; 16]);
    black_box(recurse(here[3] + 1)) + here[5]
}

fn environment() -> Value {
    json!({
        "variables": std::env::vars().count(),
        "arguments": std::env::args().count(),
        "passwd": std::fs::read("/etc/passwd").map_err(|error| error.to_string()).err(),
        "here": std::fs::read_dir(".").map_err(|error| error.to_string()).err(),
        "socket": std::net::TcpStream::connect("127.0.0.1:9").map_err(|error| error.to_string()).err(),
        "lookup": std::net::ToSocketAddrs::to_socket_addrs("localhost:80").map_err(|error| error.to_string()).err(),
    })
}

fn request(with: &Value) -> http::Request {
    let header = |(name, value): (&String, &Value)| http::Header {
        name: name.clone(),
        value: text(value),
    };
    http::Request {
        method: with["method"].as_str().unwrap_or("GET").to_owned(),
        url: text(&with["url"]),
        headers: with["headers"]
            .as_object()
            .into_iter()
            .flatten()
            .map(header)
            .collect(),
        body: text(&with["body"]).into_bytes(),
        timeout_ms: with["timeout_ms"].as_u64().map(|ms| ms as u32),
    }
}

fn send(with: &Value) -> Result<Value, Failure> {
    let answer = http::send(&request(with))?;
    let headers: serde_json::Map<String, Value> = answer
        .headers
        .into_iter()
        .map(|header| (header.name, json!(header.value)))
        .collect();
    Ok(json!({ "status": answer.status, "headers": headers, "body": String::from_utf8_lossy(&answer.body) }))
}

fn entry(entry: &files::Entry) -> Value {
    json!({ "path": entry.path, "kind": entry.kind, "bytes": entry.bytes, "modified_ms": entry.modified_ms })
}

fn remove(with: &Value) -> Result<Value, Failure> {
    let entry = |one: &Value| files::Entry {
        path: text(&one["path"]),
        kind: one["kind"].as_str().unwrap_or("file").to_owned(),
        bytes: one["bytes"].as_f64().unwrap_or(0.0),
        modified_ms: one["modified_ms"].as_f64().unwrap_or(0.0),
    };
    let entries: Vec<_> = with["files"]
        .as_array()
        .into_iter()
        .flatten()
        .map(entry)
        .collect();
    let removed = files::remove(&text(&with["folder"]), &entries)?;
    Ok(json!({ "paths": removed.paths, "bytes": removed.bytes, "refused": removed.refused }))
}

fn cluster(with: &Value) -> Result<Value, Failure> {
    let what = kubernetes::Object {
        api_version: with["api_version"].as_str().unwrap_or("v1").to_owned(),
        kind: with["kind"].as_str().unwrap_or("Pod").to_owned(),
        namespace: with["namespace"].as_str().map(str::to_owned),
        name: text(&with["name"]),
    };
    let number = |name: &str| with[name].as_u64().map(|number| number as u32);
    let object = |json: String| serde_json::from_str(&json).unwrap_or(Value::String(json));
    match with["verb"].as_str().unwrap_or("get") {
        "list" => {
            let query = kubernetes::Query {
                api_version: what.api_version,
                kind: what.kind,
                namespace: what.namespace,
                label_selector: with["labels"].as_str().map(str::to_owned),
                field_selector: with["fields"].as_str().map(str::to_owned),
                limit: number("limit"),
                continue_from: with["from"].as_str().map(str::to_owned),
            };
            let page = kubernetes::find(&query)?;
            Ok(json!({ "items": page.items.into_iter().map(object).collect::<Vec<_>>(), "next": page.next }))
        }
        "logs" => {
            let tail = number("tail").unwrap_or(100);
            kubernetes::logs(&what, with["container"].as_str(), with["previous"] == true, tail)
                .map(Value::String)
        }
        "delete" => kubernetes::delete(&what, number("grace")).map(|()| Value::Null),
        "evict" => kubernetes::evict(&what, number("grace")).map(|()| Value::Null),
        "patch" => kubernetes::patch(
            &what,
            with["how"].as_str().unwrap_or("merge"),
            &with["body"].to_string(),
        )
        .map(object),
        "create" => kubernetes::create(&what, &with["body"].to_string()).map(object),
        "scale" => kubernetes::scale(&what, number("replicas").unwrap_or(0)).map(|()| Value::Null),
        _ => kubernetes::get(&what).map(object),
    }
}
