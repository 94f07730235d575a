//! A server on this machine that answers as a test says.

#![expect(clippy::unwrap_used, reason = "tests may unwrap")]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// A request, as far as tests look at it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub path: String,
    /// First byte of a `Range`.
    pub range: Option<u64>,
    /// The condition that goes with a range.
    pub if_range: Option<String>,
}

/// An answer; the connection is closed after it.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    /// `Content-Length`, true or not.
    announced: usize,
    body: Vec<u8>,
    hangs: bool,
}

impl Reply {
    /// All of the body.
    pub fn new(status: u16, body: &[u8]) -> Self {
        Self {
            status,
            headers: Vec::new(),
            announced: body.len(),
            body: body.to_vec(),
            hangs: false,
        }
    }

    /// With a header more.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sends no more than so many bytes of the body.
    pub fn cut(mut self, bytes: usize) -> Self {
        self.body.truncate(bytes);
        self
    }

    /// Says that the body has so many bytes.
    pub fn announcing(mut self, bytes: usize) -> Self {
        self.announced = bytes;
        self
    }

    /// Keeps the connection open after what was sent, and silent.
    pub fn hanging(mut self) -> Self {
        self.hangs = true;
        self
    }

    /// The whole file, or from the byte that is asked for.
    pub fn file(content: &[u8], request: &Request) -> Self {
        match request.range {
            None => Self::new(200, content),
            Some(start) => {
                let range = format!("bytes {start}-{}/{}", content.len() - 1, content.len());
                Self::new(206, &content[start as usize..]).header("Content-Range", range)
            }
        }
    }
}

/// Listens until it is dropped.
pub struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// `answer` is given the number of the request, from 0, and the request.
    pub fn start(answer: impl Fn(usize, &Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (log, end) = (Arc::clone(&seen), Arc::clone(&over));
        let thread = thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.unwrap();
                let request = read(&stream);
                let mut log = log.lock().unwrap();
                let reply = answer(log.len(), &request);
                log.push(request);
                drop(log);
                send(&stream, &reply);
                if reply.hangs {
                    held.push(stream);
                }
            }
        });
        Self { address, seen, over, thread: Some(thread) }
    }

    /// Where a file of it is.
    pub fn url(&self, file: &str) -> String {
        format!("http://{}/{file}", self.address)
    }

    /// The requests so far, in order.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect_timeout(&self.address, Duration::from_secs(5)));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn read(stream: &TcpStream) -> Request {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let mut request = Request {
        path: first.split(' ').nth(1).unwrap_or_default().to_owned(),
        ..Request::default()
    };
    for line in lines.take_while(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once(": ") else { continue };
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                request.range =
                    value.trim_start_matches("bytes=").trim_end_matches('-').parse().ok()
            }
            "if-range" => request.if_range = Some(value.to_owned()),
            _ => {}
        }
    }
    request
}

fn send(mut stream: &TcpStream, reply: &Reply) {
    let mut head = format!(
        "HTTP/1.1 {} x\r\nContent-Length: {}\r\nConnection: close\r\n",
        reply.status, reply.announced
    );
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    // The client may have gone away, which is its right.
    drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&reply.body)));
}
