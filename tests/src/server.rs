//! A local HTTP server that answers as a test says and remembers what it was asked.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// In upper case.
    pub method: String,
    /// With the query.
    pub path: String,
    /// By name in lower case.
    pub headers: std::collections::BTreeMap<String, String>,
    /// As it was sent.
    pub body: Bytes,
}

type Answer = Arc<dyn Fn(&Received) -> (u16, String) + Send + Sync>;

/// A server on a free port of the loopback address, until it is dropped.
#[derive(Debug)]
pub struct Server {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    received: Arc<Mutex<Vec<Received>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Starts one that answers each request with a status and a body.
    ///
    /// # Panics
    /// Where there is no port.
    pub async fn start(answer: impl Fn(&Received) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let (seen, answer): (_, Answer) = (received.clone(), Arc::new(answer));
        let app =
            Router::new().fallback(move |request: Request| handle(request, seen.clone(), answer.clone()));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, received, task }
    }

    /// What arrived until now.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn handle(request: Request, seen: Arc<Mutex<Vec<Received>>>, answer: Answer) -> Response {
    let (parts, body) = request.into_parts();
    let headers = parts.headers.iter();
    let received = Received {
        method: parts.method.to_string(),
        path: parts
            .uri
            .path_and_query()
            .map(ToString::to_string)
            .unwrap_or_default(),
        headers: headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
        body: to_bytes(body, 1 << 20).await.unwrap(),
    };
    let (status, body) = answer(&received);
    seen.lock().unwrap().push(received);
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}
