//! Files by https: resumed where they broke off, retried a bounded number of times, complete or not there.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};
use ureq::{
    Body,
    config::ConfigBuilder,
    http::{Response, header::HeaderName},
    typestate::AgentScope,
};

use crate::{
    error::NotReachable,
    progress::{Progress, Task, Unit},
};

/// Bytes that count as headway: a connection that gave so many may break once more.
const HEADWAY: u64 = 1 << 20;
/// Requests for one file, whatever their headway.
const MOST_REQUESTS: u32 = 100;

/// Sends requests, and is as patient as it is told.
pub struct Client {
    agent: ureq::Agent,
    patience: Patience,
}

/// How long to wait, and how often to try again.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Failures in a row, without headway, before the file is given up.
    pub failures: u32,
    /// Pause after the first failure; it doubles with each.
    pub pause: Duration,
    /// Longest wait for a connection, and for each next piece of an answer.
    pub timeout: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { failures: 4, pause: Duration::from_secs(1), timeout: Duration::from_secs(20) }
    }
}

/// Why a request did not bring the rest of the file.
enum Failure {
    /// Worth another request, after the pause that the server asks for.
    Passing { why: String, wait: Option<Duration> },
    /// Not worth one.
    Lasting(anyhow::Error),
}

impl Client {
    /// A client that follows https addresses alone.
    pub fn new(patience: Patience) -> Self {
        Self { agent: config(patience).https_only(true).build().new_agent(), patience }
    }

    /// A client for servers on this machine.
    pub fn local(patience: Patience) -> Self {
        Self { agent: config(patience).proxy(None).build().new_agent(), patience }
    }

    /// Fetches `url` into the file `part` until it is complete and on disk; what is there already is resumed.
    /// The caller checks the content and gives the file its name.
    ///
    /// # Errors
    /// [`NotReachable`] where the server cannot be reached or does not have the file.
    pub fn get(&self, url: &str, part: &Path, progress: &Progress) -> Result<()> {
        let task = progress.begin(format!("downloading {}", super::last_part(url)), Unit::Bytes);
        let mut part = Part::open(part, url);
        let mut failures = 0;
        for _ in 0..MOST_REQUESTS {
            let before = part.len();
            match self.request(&mut part, &task) {
                Ok(()) => {
                    task.finish();
                    return Ok(());
                }
                Err(Failure::Lasting(error)) => return Err(error),
                Err(Failure::Passing { why, wait }) => {
                    failures = if part.len() >= before + HEADWAY { 1 } else { failures + 1 };
                    if failures >= self.patience.failures {
                        return Err(NotReachable(format!(
                            "{url}: {why}; gave up after {failures} attempts in a row"
                        ))
                        .into());
                    }
                    let pause = wait.unwrap_or(self.patience.pause * 2_u32.pow(failures - 1));
                    progress.say(&format!(
                        "{why}; trying again in {:.0} s",
                        pause.as_secs_f64().ceil()
                    ));
                    thread::sleep(pause);
                }
            }
        }
        Err(NotReachable(format!("{url}: not complete after {MOST_REQUESTS} requests")).into())
    }

    fn request(&self, part: &mut Part, task: &Task<'_>) -> Result<(), Failure> {
        let offset = part.resume_at();
        if part.is_complete() {
            return Ok(());
        }
        let mut request = self.agent.get(&part.state.url);
        if offset > 0 {
            request = request.header("Range", format!("bytes={offset}-"));
            if let Some(validator) = &part.state.validator {
                request = request.header("If-Range", validator);
            }
        }
        let response = request.call().map_err(|error| failure(&part.state.url, error))?;
        let response = part.accept(offset, response)?;
        copy(response.into_body(), part, task)
    }
}

fn config(patience: Patience) -> ConfigBuilder<AgentScope> {
    let timeout = Some(patience.timeout);
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .user_agent(concat!("modality-bench/", env!("CARGO_PKG_VERSION")))
        // A compressed answer has another length than the file, and cannot be resumed.
        .accept_encoding("identity")
        .timeout_resolve(timeout)
        .timeout_connect(timeout)
        .timeout_recv_response(timeout)
        .timeout_per_read(timeout)
}

/// A file under way, and beside it what the server said of it.
struct Part {
    path: PathBuf,
    state: State,
}

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
struct State {
    url: String,
    /// The strong entity tag, else the date of the last change.
    validator: Option<String>,
    total: Option<u64>,
}

impl Part {
    fn open(path: &Path, url: &str) -> Self {
        let fresh = State { url: url.to_owned(), ..State::default() };
        let kept =
            fs::read(state_path(path)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let state = kept.filter(|state: &State| state.url == url).unwrap_or(fresh);
        Self { path: path.to_owned(), state }
    }

    fn len(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |meta| meta.len())
    }

    /// The bytes that can be kept: none where it is unknown what they are part of.
    fn resume_at(&self) -> u64 {
        match self.state.total {
            Some(total) if self.len() <= total => self.len(),
            _ => 0,
        }
    }

    fn is_complete(&self) -> bool {
        self.path.is_file() && self.state.total == Some(self.len())
    }

    /// Looks at status and headers: goes on with a `bytes` answer that fits, starts again with a whole one.
    fn accept(&mut self, offset: u64, response: Response<Body>) -> Result<Response<Body>, Failure> {
        let status = response.status().as_u16();
        match status {
            206 if offset > 0 => match content_range(&response) {
                Some((start, total)) if start == offset && self.state.total == Some(total) => {
                    Ok(response)
                }
                _ => Err(self.discard("the server answers with another part than was asked for")),
            },
            200 => {
                self.start_again(&response)?;
                Ok(response)
            }
            416 if offset > 0 => Err(self.discard("the server does not go on with this file")),
            408 | 429 | 500..=599 => Err(Failure::Passing {
                why: format!("the server answers {}", response.status()),
                wait: retry_after(&response).map(|wait| wait.min(Duration::from_secs(60))),
            }),
            _ => Err(Failure::Lasting(not_there(&self.state.url, &response).into())),
        }
    }

    fn start_again(&mut self, response: &Response<Body>) -> Result<(), Failure> {
        let strong = header(response, "etag").filter(|tag| tag.starts_with('"'));
        self.state.validator =
            strong.or_else(|| header(response, "last-modified")).map(str::to_owned);
        self.state.total = response.body().content_length();
        let write = || -> io::Result<()> {
            File::create(&self.path)?;
            fs::write(state_path(&self.path), serde_json::to_vec(&self.state)?)
        };
        write().map_err(|error| self.disk(error))
    }

    fn discard(&mut self, why: &str) -> Failure {
        // Whatever is left is overwritten by the next whole answer.
        drop(fs::remove_file(&self.path));
        drop(fs::remove_file(state_path(&self.path)));
        self.state = State { url: self.state.url.clone(), ..State::default() };
        Failure::Passing { why: why.to_owned(), wait: None }
    }

    fn disk(&self, error: io::Error) -> Failure {
        Failure::Lasting(anyhow!(error).context(self.path.display().to_string()))
    }
}

/// Removes what [`Client::get`] leaves beside `part`, after the caller has renamed it.
pub fn forget(part: &Path) {
    // A leftover is harmless: without its part it resumes nothing.
    drop(fs::remove_file(state_path(part)));
}

/// Removes `part` and what [`Client::get`] leaves beside it.
pub fn discard(part: &Path) {
    // What stays is overwritten by the next fetch.
    drop(fs::remove_file(part));
    forget(part);
}

fn state_path(part: &Path) -> PathBuf {
    let mut name = part.as_os_str().to_owned();
    name.push(".json");
    PathBuf::from(name)
}

fn copy(body: Body, part: &mut Part, task: &Task<'_>) -> Result<(), Failure> {
    let mut file =
        File::options().append(true).open(&part.path).map_err(|error| part.disk(error))?;
    let mut reader = body.into_reader();
    let mut buffer = vec![0; 1 << 16];
    let mut done = part.len();
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(broken(&error)),
        };
        file.write_all(&buffer[..read]).map_err(|error| part.disk(error))?;
        done += read as u64;
        task.set(done, part.state.total);
    }
    match part.state.total {
        Some(total) if done < total => {
            return Err(broken(&format!("{done} of {total} bytes came")));
        }
        Some(total) if done > total => {
            return Err(
                part.discard(&format!("the server sent {done} bytes where it announced {total}"))
            );
        }
        _ => {}
    }
    file.sync_all().map_err(|error| part.disk(error))
}

fn broken(why: &dyn std::fmt::Display) -> Failure {
    Failure::Passing { why: format!("the connection broke off ({why})"), wait: None }
}

fn failure(url: &str, error: ureq::Error) -> Failure {
    use ureq::Error::{ConnectionFailed, HostNotFound, Io, Protocol, Timeout};
    match error {
        Timeout(_) => {
            Failure::Passing { why: "the server does not answer in time".to_owned(), wait: None }
        }
        Io(_) | Protocol(_) | ConnectionFailed | HostNotFound => {
            Failure::Passing { why: format!("the connection failed ({error})"), wait: None }
        }
        _ => Failure::Lasting(NotReachable(format!("{url}: {error}")).into()),
    }
}

fn not_there(url: &str, response: &Response<Body>) -> NotReachable {
    let meaning = match response.status().as_u16() {
        404 | 410 => "the file is not there",
        401 | 403 => "the file is not public, or not there",
        _ => "a file was expected",
    };
    NotReachable(format!("{url}: the server answers {}: {meaning}", response.status()))
}

fn header<'a>(response: &'a Response<Body>, name: &'static str) -> Option<&'a str> {
    response.headers().get(HeaderName::from_static(name)).and_then(|value| value.to_str().ok())
}

/// First byte and length of the whole from `bytes 5-9/10`.
fn content_range(response: &Response<Body>) -> Option<(u64, u64)> {
    let (range, total) =
        header(response, "content-range")?.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, total.trim().parse().ok()?))
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    header(response, "retry-after")?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
#[path = "download_tests.rs"]
mod tests;
