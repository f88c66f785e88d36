//! Just enough HTTP for loopback: a client that keeps its connection, a server that answers as it is told, and a place
//! that answers yes to everything.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The longest answer or request that is read.
const MOST: usize = 16 << 20;

/// A connection that is kept; over TCP, or over what is made of it.
#[derive(Debug)]
pub struct Connection<S: Read = TcpStream> {
    stream: BufReader<S>,
    host: String,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: String,
    headers: BTreeMap<String, String>,
}

impl Answer {
    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Its body as JSON; `null` where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl Connection {
    /// Connects.
    pub fn open(host: SocketAddr) -> std::io::Result<Self> {
        Ok(Self::over(connected(host)?, host))
    }
}

/// A stream that does not wait to fill a packet, nor for ever.
#[allow(
    clippy::disallowed_methods,
    reason = "not the engine's socket, but that of one who talks to the engine"
)]
pub fn connected(host: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(host)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(stream)
}

impl<S: Read + Write> Connection<S> {
    /// Over a stream that is connected to this host.
    pub fn over(stream: S, host: impl ToString) -> Self {
        Self {
            stream: BufReader::new(stream),
            host: host.to_string(),
        }
    }

    /// Asks for a page.
    pub fn get(&mut self, path: &str) -> std::io::Result<Answer> {
        self.send("GET", path, &[], "")
    }

    /// Posts JSON with a bearer token.
    pub fn post(&mut self, path: &str, token: &str, body: &str) -> std::io::Result<Answer> {
        let authorization = format!("Bearer {token}");
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
        ];
        self.send("POST", path, &headers, body)
    }

    /// Asks the API with a user's token; `null` is no body.
    pub fn api(
        &mut self,
        method: &str,
        path: &str,
        token: &str,
        body: &serde_json::Value,
    ) -> std::io::Result<Answer> {
        let authorization = format!("Bearer {token}");
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
        ];
        let body = match body {
            serde_json::Value::Null => String::new(),
            body => body.to_string(),
        };
        self.send(method, &format!("/api/v1{path}"), &headers, &body)
    }

    /// Asks for what goes on coming, and is given each line of it, until there is something or no more comes.
    pub fn follow<T>(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        mut look: impl FnMut(&str) -> Option<T>,
    ) -> std::io::Result<Option<T>> {
        self.ask("GET", path, headers, "")?;
        head(&mut self.stream)?;
        let mut text = Vec::new();
        loop {
            let bytes = chunk(&mut self.stream)?;
            text.extend(&bytes);
            while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = text.drain(..=end).collect();
                if let Some(found) = look(&String::from_utf8_lossy(&line)) {
                    return Ok(Some(found));
                }
            }
            if bytes.is_empty() {
                return Ok(None);
            }
        }
    }

    /// Sends a request with these headers, besides those that every request has, and reads the answer.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> std::io::Result<Answer> {
        self.ask(method, path, headers, body)?;
        let Message { first, headers, body } = message(&mut self.stream)?;
        let status = first
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .ok_or_else(odd)?;
        Ok(Answer {
            status,
            body: String::from_utf8_lossy(&body).into_owned(),
            headers,
        })
    }

    fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> std::io::Result<()> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.host);
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if method != "GET" {
            request.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        request.push_str(body);
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.stream.get_mut().flush()
    }
}

/// A request or an answer.
#[derive(Debug)]
pub struct Message {
    /// The first line.
    pub first: String,
    /// By name in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, put together where it came in chunks.
    pub body: Vec<u8>,
}

impl Message {
    /// The method and the path of a request.
    pub fn asked(&self) -> (&str, &str) {
        let mut words = self.first.split(' ');
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }
}

/// Reads the first line and the headers of one.
fn head(stream: &mut impl BufRead) -> std::io::Result<(String, BTreeMap<String, String>)> {
    let mut first = String::new();
    if stream.read_line(&mut first)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else {
            return Ok((first, headers));
        };
        let (name, value) = (name.to_ascii_lowercase(), value.trim());
        // The one header that may come several times and is not a list: a line for each.
        match headers.get_mut(&name) {
            Some(before) if name == "set-cookie" => {
                before.push('\n');
                before.push_str(value);
            }
            _ => drop(headers.insert(name, value.to_owned())),
        }
    }
}

/// Reads the next chunk of a body; an empty one is the last.
fn chunk(stream: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let size = u64::from_str_radix(line.trim(), 16).map_err(|_| odd())?;
    let mut bytes = Vec::new();
    if stream.by_ref().take(size).read_to_end(&mut bytes)? as u64 != size {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    stream.read_line(&mut line)?;
    Ok(bytes)
}

/// Reads one.
///
/// # Errors
/// Where the stream ends before the message does, or what comes is none.
pub fn message(stream: &mut impl BufRead) -> std::io::Result<Message> {
    let (first, headers) = head(stream)?;
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
        let bytes = chunk(stream)?;
        body.extend(&bytes);
        if bytes.is_empty() || body.len() > MOST {
            return Ok(Message { first, headers, body });
        }
    }
}

fn odd() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, "not an answer of HTTP")
}

/// A server on loopback that answers as it is told. Its threads end with the program.
#[derive(Debug)]
pub struct Server {
    /// Where it is.
    pub address: SocketAddr,
}

/// What a server answers.
#[derive(Debug, Default)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its headers, besides those that every answer has.
    pub headers: Vec<(&'static str, String)>,
    /// Its body.
    pub body: String,
}

impl Server {
    /// Opens it; each request is answered with a status and a body.
    pub fn open(answer: impl Fn(&Message) -> (u16, String) + Send + Sync + 'static) -> std::io::Result<Self> {
        Self::replying(move |request| {
            let (status, body) = answer(request);
            Reply {
                status,
                body,
                ..Reply::default()
            }
        })
    }

    /// Opens it; each request is answered with a status, headers and a body.
    pub fn replying(answer: impl Fn(&Message) -> Reply + Send + Sync + 'static) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || answered(stream, &*answer));
            }
        });
        Ok(Self { address })
    }
}

fn answered(stream: TcpStream, answer: &impl Fn(&Message) -> Reply) {
    let _ = stream.set_nodelay(true);
    let mut stream = BufReader::new(stream);
    while let Ok(request) = message(&mut stream) {
        let Reply {
            status,
            headers,
            body,
        } = answer(&request);
        let kind = match body.get(..1) {
            Some("{" | "[") => "application/json",
            Some("<") => "text/html; charset=utf-8",
            _ => "text/plain; charset=utf-8",
        };
        let more: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let head = format!(
            "HTTP/1.1 {status} -\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n{more}\r\n",
            body.len()
        );
        if stream.get_mut().write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}

/// What came to a [`Sink`].
#[derive(Debug, Default)]
pub struct Came {
    /// Requests that change something.
    pub changes: AtomicU64,
    /// Requests that only look.
    pub looks: AtomicU64,
}

/// A place on loopback that answers 200 to every request and counts them.
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
        let came = Arc::new(Came::default());
        let counter = Arc::clone(&came);
        let server = Server::open(move |request| {
            let counted = match request.asked() {
                ("GET", _) => &counter.looks,
                _ => &counter.changes,
            };
            counted.fetch_add(1, Ordering::Relaxed);
            (200, body.to_owned())
        })?;
        Ok(Self {
            address: server.address,
            came,
        })
    }
}

/// A port of loopback that was free a moment ago, and that no outgoing connection takes meanwhile: those of the range that
/// the system gives to such connections are left alone. Else whoever knocks at a port whose server is down may, once in a
/// while, be answered by himself, and the server not come up again.
pub fn free_port() -> std::io::Result<SocketAddr> {
    const LOWEST: u16 = 10_000;
    static TURN: AtomicU64 = AtomicU64::new(0);
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let highest = range
        .split_whitespace()
        .next()
        .and_then(|first| first.parse().ok());
    let room = highest.unwrap_or(LOWEST).saturating_sub(LOWEST);
    // Each process begins elsewhere, and goes through all by steps of a prime, so that two seldom meet.
    for _ in 0..room {
        let turn = TURN.fetch_add(1, Ordering::Relaxed);
        let step = (u64::from(std::process::id()) * 131 + turn).wrapping_mul(7_919) % u64::from(room);
        let port = LOWEST + u16::try_from(step).unwrap_or_default();
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener.local_addr();
        }
    }
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
    fn a_server_answers_what_it_is_told_to_each_request_of_a_connection() {
        let server = Server::open(|request| {
            let (method, path) = request.asked();
            let status = if path == "/no" { 404 } else { 200 };
            (
                status,
                format!("{method} {path} {}", String::from_utf8_lossy(&request.body)),
            )
        })
        .unwrap();
        let mut connection = Connection::open(server.address).unwrap();
        let said = connection
            .send("PATCH", "/yes", &[("accept", "*/*")], "it")
            .unwrap();
        assert_eq!((said.status, said.body.as_str()), (200, "PATCH /yes it"));
        assert_eq!(connection.get("/no").unwrap().status, 404);
    }

    #[test]
    fn free_ports_are_other_ones_and_none_that_an_outgoing_connection_takes() {
        let ports: Vec<u16> = (0..50).map(|_| free_port().unwrap().port()).collect();
        let others: std::collections::BTreeSet<u16> = ports.iter().copied().collect();
        assert_eq!(others.len(), ports.len(), "{ports:?}");
        let own = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let given = own.local_addr().unwrap().port();
        assert!(ports.iter().all(|port| *port < given), "{ports:?}, {given}");
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
    fn what_goes_on_coming_is_given_line_by_line_however_it_is_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            head(&mut BufReader::new(stream.try_clone().unwrap())).unwrap();
            let body = "3\r\none\r\n6\r\n\ntwo\nt\r\n5\r\nhree\n\r\n0\r\n\r\n";
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        });
        let mut came = Vec::new();
        let mut connection = Connection::open(address).unwrap();
        let found = connection.follow("/", &[], |line| {
            came.push(line.trim().to_owned());
            (line == "three\n").then_some(3)
        });
        assert_eq!(found.unwrap(), Some(3));
        assert_eq!(came, ["one", "two", "three"]);
        server.join().unwrap();
    }

    #[test]
    fn what_ends_early_or_is_not_http_is_an_error() {
        assert!(message(&mut "".as_bytes()).is_err());
        assert!(message(&mut "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nstanch".as_bytes()).is_err());
        assert!(message(&mut "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n".as_bytes()).is_err());
    }
}
