//! What a real engine answers is what its OpenAPI document says.

use serde_json::{Value, json};
use stanch_outside::http::Connection;
use stanch_outside::run::asked;
use stanch_outside::serve::{Engine, program};

use super::{TOKEN, alert, laid_out, until};

/// The document that the engine serves, and the engine.
struct Api {
    connection: Connection,
    document: Value,
}

impl Api {
    fn ask(&mut self, method: &str, path: &str, body: &Value) -> (u16, String) {
        let answer = self.connection.api(method, path, TOKEN, body).unwrap();
        (answer.status, answer.body)
    }

    /// The answer, once it is found to be as the document says of this route.
    fn checked(&mut self, method: &str, path: &str, route: &str, body: &Value) -> Value {
        let (status, text) = self.ask(method, path, body);
        let operation = &self.document["paths"][route][method.to_lowercase()];
        assert!(operation.is_object(), "the document has no {method} {route}");
        if !body.is_null() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            self.holds(schema, body, &format!("what is sent to {method} {path}"));
        }
        let responses = &operation["responses"];
        let (response, kind) = match &responses[status.to_string()] {
            Value::Null => (&responses["default"], "application/problem+json"),
            known => (known, "application/json"),
        };
        let schema = &response["content"][kind]["schema"];
        if schema.is_null() {
            assert_eq!(text, "", "{method} {path} answers {status} with a body");
            return Value::Null;
        }
        let answer: Value = serde_json::from_str(&text).unwrap();
        self.holds(schema, &answer, &format!("the {status} of {method} {path}"));
        answer
    }

    fn holds(&self, schema: &Value, value: &Value, what: &str) {
        let mut whole = schema.clone();
        whole["components"] = self.document["components"].clone();
        let validator = jsonschema::draft202012::new(&whole).unwrap();
        let wrong: Vec<String> = validator
            .iter_errors(value)
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        assert_eq!(wrong, Vec::<String>::new(), "{what}: {value:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_answers_is_as_its_openapi_document_says() {
    let (scratch, listens) = laid_out().await;
    let engine = Engine::start(&program("stanch").unwrap(), scratch.path(), listens, "unused").unwrap();
    let mut api = Api {
        connection: Connection::open(listens).unwrap(),
        document: Value::Null,
    };
    let (status, document) = api.ask("GET", "/openapi.json", &Value::Null);
    assert_eq!(status, 200, "{document}");
    api.document = serde_json::from_str(&document).unwrap();

    engine
        .tell(&["alert", scratch.path().join("firing.json").to_str().unwrap()])
        .unwrap();
    let run = engine.ask(&["runs"]).unwrap()[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    until("the question", || {
        asked(&engine.ask(&["runs", "show", &run]).ok()?)
    });

    let none = Value::Null;
    let view = api.checked("GET", &format!("/runs/{run}"), "/runs/{run}", &none);
    let digest = asked(&view).unwrap().digest.unwrap();
    let alert: Value = serde_json::from_str(&alert("firing")).unwrap();
    for (path, route) in [
        ("/status", "/status"),
        ("/runs", "/runs"),
        ("/runs?waiting=true&limit=1", "/runs"),
        ("/alerts", "/alerts"),
        ("/runbooks", "/runbooks"),
        ("/runbooks/disk-full", "/runbooks/{name}"),
        ("/plugins", "/plugins"),
        ("/plugins/disk-cleanup", "/plugins/{key}"),
        ("/report", "/report"),
    ] {
        let answer = api.checked("GET", path, route, &none);
        assert!(!answer.as_array().is_some_and(Vec::is_empty), "{path} is empty");
    }
    let suggested = format!("/runs/{run}/suggested/disk-usage");
    api.checked("GET", &suggested, "/runs/{run}/suggested/{plugin}", &none);
    api.checked("POST", "/explain", "/explain", &json!({ "alert": alert }));

    // What is refused, too: not found, beyond the role, not understood.
    for (method, path, route, body, code) in [
        (
            "GET",
            "/runs/nothing",
            "/runs/{run}",
            none.clone(),
            "run-not-found",
        ),
        ("POST", "/reload", "/reload", none.clone(), "forbidden"),
        ("GET", "/audit", "/audit", none.clone(), "forbidden"),
        (
            "POST",
            "/explain",
            "/explain",
            json!({ "fingerprint": "nobody's" }),
            "alert-not-found",
        ),
    ] {
        let answer = api.checked(method, path, route, &body);
        assert_eq!(answer["code"], code, "{method} {path}");
    }

    let decision = format!("/runs/{run}/steps/clean/decision");
    let route = "/runs/{run}/steps/{step}/decision";
    api.checked(
        "POST",
        &decision,
        route,
        &json!({ "yes": true, "digest": digest }),
    );
    // With all that comes after a yes: actions, an outcome, what verify says.
    until("the change", || {
        let view = api.checked("GET", &format!("/runs/{run}"), "/runs/{run}", &none);
        (view["steps"][0]["state"] == "done").then_some(())
    });
    engine.stop().unwrap();
}
