//! Just enough HTTP for loopback: a client that keeps its connection, and a place that answers yes to everything.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The longest answer or request that is read.
const MOST: usize = 16 << 20;

/// A connection that is kept.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
    host: SocketAddr,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: String,
}

impl Connection {
    /// Connects.
    #[allow(
        clippy::disallowed_methods,
        reason = "not the engine's socket, but that of one who talks to the engine"
    )]
    pub fn open(host: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self {
            stream: BufReader::new(stream),
            host,
        })
    }

    /// Asks for a page.
    pub fn get(&mut self, path: &str) -> std::io::Result<Answer> {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.host))
    }

    /// Posts JSON with a bearer token.
    pub fn post(&mut self, path: &str, token: &str, body: &str) -> std::io::Result<Answer> {
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        ))
    }

    fn send(&mut self, request: &str) -> std::io::Result<Answer> {
        self.stream.get_mut().write_all(request.as_bytes())?;
        let Message { first, body, .. } = message(&mut self.stream)?;
        let status = first
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .ok_or_else(odd)?;
        Ok(Answer {
            status,
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }
}

/// A request or an answer.
#[derive(Debug)]
pub(crate) struct Message {
    /// The first line.
    pub(crate) first: String,
    /// By name in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// Reads one.
pub(crate) fn message(stream: &mut impl BufRead) -> std::io::Result<Message> {
    let mut first = String::new();
    if stream.read_line(&mut first)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(Ok(0), |value| value.parse());
    let length = length.map_err(|_| odd())?;
    let coding = headers.get("transfer-encoding");
    let chunked = coding.is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked"));
    let mut body = Vec::new();
    if !chunked {
        let read = stream.take(length).read_to_end(&mut body)? as u64;
        return if read == length {
            Ok(Message { first, headers, body })
        } else {
            Err(std::io::ErrorKind::UnexpectedEof.into())
        };
    }
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim(), 16).map_err(|_| odd())?;
        stream.by_ref().take(size).read_to_end(&mut body)?;
        stream.read_line(&mut line)?;
        if size == 0 || body.len() > MOST {
            return Ok(Message { first, headers, body });
        }
    }
}

fn odd() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, "not an answer of HTTP")
}

/// What came to a [`Sink`].
#[derive(Debug, Default)]
pub struct Came {
    /// Requests that change something.
    pub changes: AtomicU64,
    /// Requests that only look.
    pub looks: AtomicU64,
}

/// A place on loopback that answers 200 to every request and counts them. Its threads end with the program.
#[derive(Debug)]
pub struct Sink {
    /// Where it is.
    pub address: SocketAddr,
    /// What came.
    pub came: Arc<Came>,
}

impl Sink {
    /// Opens it; `body` is what it answers.
    pub fn open(body: &'static str) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let came = Arc::new(Came::default());
        let counter = Arc::clone(&came);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                std::thread::spawn(move || answer(stream, body, &counter));
            }
        });
        Ok(Self { address, came })
    }
}

fn answer(stream: TcpStream, body: &str, came: &Came) {
    let _ = stream.set_nodelay(true);
    let mut stream = BufReader::new(stream);
    while let Ok(Message { first, .. }) = message(&mut stream) {
        let counter = if first.starts_with("GET ") {
            &came.looks
        } else {
            &came.changes
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// A port of loopback that was free a moment ago.
pub fn free_port() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_posted_and_got_is_answered_and_counted() {
        let sink = Sink::open("yes").unwrap();
        let mut connection = Connection::open(sink.address).unwrap();
        for _ in 0..3 {
            let answer = connection.post("/act/0", "a token", "{\"index\":0}").unwrap();
            assert_eq!((answer.status, answer.body.as_str()), (200, "yes"));
        }
        assert_eq!(connection.get("/verify").unwrap().status, 200);
        assert_eq!(
            (
                sink.came.changes.load(Ordering::Relaxed),
                sink.came.looks.load(Ordering::Relaxed)
            ),
            (3, 1)
        );
    }

    #[test]
    fn an_answer_in_chunks_is_put_together() {
        let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nstan\r\n2\r\nch\r\n0\r\n\r\n";
        let Message { first, body, .. } = message(&mut text.as_bytes()).unwrap();
        assert_eq!(
            (first.trim(), body.as_slice()),
            ("HTTP/1.1 200 OK", b"stanch".as_slice())
        );
    }

    #[test]
    fn what_ends_early_or_is_not_http_is_an_error() {
        assert!(message(&mut "".as_bytes()).is_err());
        assert!(message(&mut "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nstanch".as_bytes()).is_err());
        assert!(message(&mut "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n".as_bytes()).is_err());
    }
}
