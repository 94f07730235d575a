use std::net::{TcpListener, TcpStream};

use super::*;
use modality_testing::{Reply, Request, Server};

const TAG: &str = "\"v1\"";
/// Longer than any answer of a test's server takes, however busy the machine is.
const UNHURRIED: Duration = Duration::from_secs(120);

fn content() -> Vec<u8> {
    (0..100_000_u32).map(|byte| (byte.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn patience() -> Patience {
    Patience { failures: 3, pause: Duration::from_millis(1), timeout: UNHURRIED }
}

/// A folder for one download.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn part(&self) -> PathBuf {
        self.0.path().join("f.part")
    }

    fn get(&self, url: &str) -> Result<Vec<u8>> {
        self.get_with(patience(), url)
    }

    fn get_with(&self, patience: Patience, url: &str) -> Result<Vec<u8>> {
        Client::local(patience).get(url, &self.part(), &Progress::stderr(true))?;
        Ok(fs::read(self.part())?)
    }
}

fn unreachable(result: Result<Vec<u8>>) -> String {
    let error = result.unwrap_err();
    assert!(error.is::<NotReachable>(), "{error:#}");
    error.to_string()
}

#[test]
fn a_whole_answer_is_kept_and_not_asked_for_again() {
    let server = Server::start(|_, request| Reply::file(&content(), request));
    let place = Place::new();
    assert_eq!(place.get(&server.url("f")).unwrap(), content());
    assert_eq!(place.get(&server.url("f")).unwrap(), content());
    assert_eq!(server.seen(), [Request { path: "/f".to_owned(), ..Request::default() }]);
    forget(&place.part());
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 1);
}

#[test]
fn a_broken_connection_is_taken_up_where_it_broke() {
    let server = Server::start(|number, request| {
        let reply = Reply::file(&content(), request).header("ETag", TAG);
        if number < 2 { reply.cut(30_000) } else { reply }
    });
    assert_eq!(Place::new().get(&server.url("f")).unwrap(), content());
    let ranges: Vec<Option<u64>> = server.seen().iter().map(|request| request.range).collect();
    assert_eq!(ranges, [None, Some(30_000), Some(60_000)]);
    assert!(server.seen()[1..].iter().all(|request| request.if_range.as_deref() == Some(TAG)));
}

#[test]
fn another_process_takes_up_what_the_first_left() {
    let server = Server::start(|number, request| {
        if number > 0 && number < 4 {
            Reply::new(503, b"")
        } else {
            Reply::file(&content(), request).cut(70_000)
        }
    });
    let place = Place::new();
    unreachable(place.get(&server.url("f")));
    assert_eq!(place.get(&server.url("f")).unwrap(), content());
    assert_eq!(server.seen().last().unwrap().range, Some(70_000));
}

#[test]
fn what_belongs_to_another_address_is_not_taken_up() {
    let server = Server::start(|number, request| {
        let reply = Reply::file(&content(), request);
        if number < 3 { reply.cut(10) } else { reply }
    });
    let place = Place::new();
    unreachable(place.get(&server.url("f")));
    assert_eq!(place.get(&server.url("g")).unwrap(), content());
    assert_eq!(server.seen().last().unwrap().range, None);
}

#[test]
fn the_date_stands_in_for_a_weak_tag() {
    let date = "Sun, 01 Jan 2023 00:00:00 GMT";
    let server = Server::start(move |number, request| {
        let reply = Reply::file(&content(), request)
            .header("ETag", "W/\"v1\"")
            .header("Last-Modified", date);
        if number == 0 { reply.cut(10) } else { reply }
    });
    assert_eq!(Place::new().get(&server.url("f")).unwrap(), content());
    assert_eq!(server.seen()[1].if_range.as_deref(), Some(date));
}

#[test]
fn a_server_that_ignores_ranges_makes_it_start_again() {
    let server = Server::start(|number, _| {
        let reply = Reply::new(200, &content());
        if number == 0 { reply.cut(30_000) } else { reply }
    });
    assert_eq!(Place::new().get(&server.url("f")).unwrap(), content());
    assert_eq!(server.seen()[1].range, Some(30_000));
}

#[test]
fn a_file_that_changed_meanwhile_is_not_mixed_with_the_old_one() {
    let server = Server::start(|number, request| match number {
        0 => Reply::new(200, &[0; 50_000]).cut(20_000),
        _ => Reply::file(&content(), request),
    });
    assert_eq!(Place::new().get(&server.url("f")).unwrap(), content());
    let ranges: Vec<Option<u64>> = server.seen().iter().map(|request| request.range).collect();
    assert_eq!(ranges, [None, Some(20_000), None]);
}

#[test]
fn a_range_that_is_refused_makes_it_start_again() {
    let server = Server::start(|number, request| match number {
        0 => Reply::file(&content(), request).cut(20_000),
        1 => Reply::new(416, b"no"),
        _ => Reply::file(&content(), request),
    });
    assert_eq!(Place::new().get(&server.url("f")).unwrap(), content());
    assert_eq!(server.seen()[2].range, None);
}

#[test]
fn more_than_was_announced_is_thrown_away() {
    let server = Server::start(|number, request| match number {
        0 => Reply::file(&content(), request).cut(20_000),
        1 => Reply::new(206, &[7; 90_000]).header("Content-Range", "bytes 20000-99999/100000"),
        _ => Reply::file(&content(), request),
    });
    assert_eq!(Place::new().get(&server.url("f")).unwrap(), content());
    assert_eq!(server.seen()[2].range, None);
}

#[test]
fn a_length_that_never_comes_true_is_given_up() {
    let server = Server::start(|_, request| match request.range {
        None => Reply::new(200, b"short").announcing(50),
        Some(_) => Reply::new(206, b"").announcing(45).header("Content-Range", "bytes 5-49/50"),
    });
    let place = Place::new();
    let message = unreachable(place.get(&server.url("f")));
    assert!(message.contains("gave up after 3 attempts"), "{message}");
    assert_eq!(server.seen().len(), 3);
    assert_eq!(fs::read(place.part()).unwrap(), b"short");
}

#[test]
fn passing_troubles_are_waited_out() {
    let server = Server::start(|number, request| match number {
        0 => Reply::new(500, b"oh"),
        1 => Reply::new(429, b"slow down").header("Retry-After", "0"),
        _ => Reply::file(&content(), request),
    });
    assert_eq!(Place::new().get(&server.url("f")).unwrap(), content());
}

#[test]
fn a_missing_file_is_a_sentence_at_once() {
    for (status, meaning) in
        [(404, "is not there"), (403, "is not public"), (416, "a file was expected")]
    {
        let server = Server::start(move |_, _| Reply::new(status, b"no"));
        let place = Place::new();
        let message = unreachable(place.get(&server.url("f")));
        assert!(message.contains(&status.to_string()) && message.contains(meaning), "{message}");
        assert_eq!(server.seen().len(), 1);
        assert!(!place.part().exists());
    }
}

#[test]
fn a_silent_server_is_a_sentence_and_not_a_hang() {
    let hurried = Patience { failures: 2, timeout: Duration::from_millis(100), ..patience() };
    let silent = Server::start(|_, _| Reply::new(200, b"").announcing(10).hanging());
    unreachable(Place::new().get_with(hurried, &silent.url("f")));
    let stuck = Server::start(|_, _| Reply::new(200, &content()).cut(10).hanging());
    unreachable(Place::new().get_with(hurried, &stuck.url("f")));
}

#[test]
fn a_dead_server_is_a_sentence() {
    // A port that is taken by one end of a connection: nobody listens there, nor can a server of another test.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let address = connection.local_addr().unwrap();
    let message = unreachable(Place::new().get(&format!("http://{address}/f")));
    assert!(message.contains("the connection failed"), "{message}");
}

#[test]
fn the_usual_client_refuses_plain_http() {
    let place = Place::new();
    let error = Client::new(patience())
        .get("http://127.0.0.1:1/f", &place.part(), &Progress::stderr(true))
        .unwrap_err();
    assert!(error.is::<NotReachable>() && error.to_string().contains("https"), "{error}");
}

#[test]
fn wherever_it_breaks_the_file_comes_out_whole() {
    for seed in 1..=20_usize {
        let server = Server::start(move |number, request| {
            let cut = (seed * 7_919 + number * 104_729) % 40_000 + 1;
            Reply::file(&content(), request).header("ETag", TAG).cut(cut)
        });
        let patient = Patience { failures: 90, pause: Duration::ZERO, ..patience() };
        assert_eq!(
            Place::new().get_with(patient, &server.url("f")).unwrap(),
            content(),
            "seed {seed}"
        );
    }
}
