//! The scheduler that asks Hathora's cloud, against a fake of it on loopback.

use crate::support::PATIENCE;
use serde_json::json;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tablekeep::access::Client;
use tablekeep::config::{Secret, Sessions};
use tablekeep::dialects::session::{Hathora, RoomId, SchedError, Scheduler, Timing};

/// What the fake does with one request.
#[derive(Clone, Debug)]
enum Act {
    Answer(u16, &'static str, String),
    Hang,
    Close,
}

/// One request, as it came.
#[derive(Clone, Debug)]
struct Asked {
    line: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A fake that acts as it is told, the last thing again and again.
struct Fake {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    fn new(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/base/", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let acts = Arc::new(Mutex::new(VecDeque::from(acts)));
        let book = asked.clone();
        // Ends with the process; it holds nothing but its port.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (book, acts) = (book.clone(), acts.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &book, &acts));
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn hathora(&self) -> Hathora {
        hathora(&self.url, PATIENT).unwrap()
    }

    /// For answers that do not come.
    fn hasty_hathora(&self) -> Hathora {
        let hasty = Timing {
            request: Duration::from_millis(300),
            whole: Duration::from_millis(2500),
            ..PATIENT
        };
        hathora(&self.url, hasty).unwrap()
    }
}

/// Waits for answers, however busy the machine is.
const PATIENT: Timing = Timing {
    connect: PATIENCE,
    request: PATIENCE,
    whole: PATIENCE,
    poll: Duration::from_millis(5),
    pause: Duration::from_millis(5),
    longest_pause: Duration::from_millis(20),
    remembered: PATIENCE,
};

fn serve(mut stream: TcpStream, book: &Mutex<Vec<Asked>>, acts: &Mutex<VecDeque<Act>>) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    let (head, mut body) = loop {
        let mut some = [0; 4096];
        match stream.read(&mut some) {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&some[..read]),
        }
        let text = String::from_utf8(bytes.clone()).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            break (head.to_owned(), body.to_owned());
        }
    };
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap().to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().unwrap());
    while body.len() < length {
        let mut some = [0; 4096];
        let read = stream.read(&mut some).unwrap();
        body.push_str(std::str::from_utf8(&some[..read]).unwrap());
    }
    book.lock().unwrap().push(Asked {
        line,
        headers,
        body,
    });
    let act = {
        let mut acts = acts.lock().unwrap();
        let act = acts.pop_front().unwrap();
        if acts.is_empty() {
            acts.push_back(act.clone());
        }
        act
    };
    match act {
        Act::Answer(status, headers, body) => {
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
        }
        // Until the other side has had enough.
        Act::Hang => drop(stream.read(&mut [0])),
        Act::Close => {}
    }
}

fn hathora(url: &str, timing: Timing) -> tablekeep::error::Result<Hathora> {
    let settings = Sessions {
        hathora_app_id: Some("app 1/2".into()),
        hathora_token: Some(Secret::new("the-token".into())),
        hathora_api_url: Some(url.into()),
        ..Sessions::default()
    };
    Hathora::new(&settings, timing)
}

fn json(status: u16, body: serde_json::Value) -> Act {
    Act::Answer(
        status,
        "content-type: application/json\r\n",
        body.to_string(),
    )
}

fn starting() -> Act {
    json(
        200,
        json!({"roomId": "r", "status": "starting", "additionalExposedPorts": []}),
    )
}

fn active() -> Act {
    json(
        200,
        json!({
            "roomId": "r", "status": "active", "additionalExposedPorts": [],
            "exposedPort": {"name": "default", "host": "a.example", "port": 34567, "transportType": "tls"},
        }),
    )
}

fn failed(status: u16) -> Act {
    json(status, json!({"message": "no"}))
}

fn id(text: &str) -> RoomId {
    RoomId::parse(text).unwrap()
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

fn found() -> Result<Option<String>, SchedError> {
    Ok(Some("a.example:34567".into()))
}

#[test]
fn a_room_is_made_as_the_api_wants_it() {
    let made = json!({"roomId": "2swovpy1fnunu", "processId": "p", "status": "scheduling", "additionalExposedPorts": []});
    let fake = Fake::new(vec![json(201, made)]);
    assert_eq!(
        wait(fake.hathora().create_room(Client::Others)),
        Ok(id("2swovpy1fnunu"))
    );
    let asked = fake.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        asked[0].line,
        "POST /base/rooms/v2/app%201%2F2/create HTTP/1.1"
    );
    assert_eq!(asked[0].header("authorization"), Some("Bearer the-token"));
    assert_eq!(asked[0].header("content-type"), Some("application/json"));
    assert_eq!(asked[0].header("accept"), Some("application/json"));
    assert_eq!(asked[0].body, r#"{"region":"Chicago"}"#);
}

#[test]
fn a_room_that_starts_is_looked_at_until_it_has() {
    let fake = Fake::new(vec![starting(), starting(), active()]);
    assert_eq!(wait(fake.hathora().room_host(&id("r_1-2"))), found());
    let asked = fake.asked();
    assert_eq!(asked.len(), 3);
    for one in asked {
        assert_eq!(
            one.line,
            "GET /base/rooms/v2/app%201%2F2/connectioninfo/r_1-2 HTTP/1.1"
        );
        // It is nobody's secret where a room is, and the token is none of that call's business.
        assert_eq!(one.header("authorization"), None);
        assert_eq!(one.header("accept"), Some("application/json"));
        assert_eq!(one.body, "");
    }
}

#[test]
fn words_that_nobody_knew_do_not_matter() {
    let odd = json!({
        "roomId": "r", "status": "dreaming", "more": [1],
        "exposedPort": {"name": "default", "host": "a.example", "port": 34567, "transportType": "pigeon"},
    });
    let waits = json!({"roomId": "r", "status": "dreaming", "exposedPort": null});
    let fake = Fake::new(vec![json(200, waits), json(200, odd)]);
    assert_eq!(wait(fake.hathora().room_host(&id("r"))), found());
}

#[test]
fn a_room_that_is_not_there_is_an_answer() {
    let fake = Fake::new(vec![failed(404)]);
    assert_eq!(wait(fake.hathora().room_host(&id("r"))), Ok(None));
    assert_eq!(fake.asked().len(), 1);
    // An application that is not there is none.
    assert_eq!(
        wait(fake.hathora().create_room(Client::Others)),
        Err(SchedError::Unavailable)
    );
}

#[test]
fn what_passes_is_tried_again() {
    let again = [
        failed(502),
        failed(503),
        failed(504),
        Act::Close,
        Act::Hang,
        active(),
    ];
    let fake = Fake::new(again.to_vec());
    let persistent = Timing {
        request: Duration::from_secs(1),
        ..PATIENT
    };
    let hathora = hathora(&fake.url, persistent).unwrap();
    assert_eq!(wait(hathora.room_host(&id("r"))), found());
    assert!(fake.asked().len() >= 6);
}

#[test]
fn who_is_told_to_wait_waits() {
    let later = Act::Answer(429, "retry-after: 1\r\n", "slow down".into());
    let fake = Fake::new(vec![later, active()]);
    let start = Instant::now();
    assert_eq!(wait(fake.hathora().room_host(&id("r"))), found());
    assert!(start.elapsed() >= Duration::from_secs(1));
    // Not longer than anybody would.
    let ages = "retry-after: 4000000000\r\n";
    let fake = Fake::new(vec![Act::Answer(429, ages, String::new()), active()]);
    assert_eq!(
        wait(fake.hathora().room_host(&id("r"))),
        Err(SchedError::RateLimited)
    );
    // A moment that has passed, in the other way of writing one.
    let date = "retry-after: Wed, 21 Oct 2026\r\n";
    let fake = Fake::new(vec![Act::Answer(429, date, String::new()), active()]);
    assert_eq!(wait(fake.hathora().room_host(&id("r"))), found());
    assert_eq!(fake.asked().len(), 2);
}

#[test]
fn what_stays_broken_is_never_a_missing_room() {
    let html = |status| Act::Answer(status, "content-type: text/html\r\n", "<h1>oops".into());
    for (act, tries_again) in [
        (html(500), false),
        (failed(400), false),
        (failed(401), false),
        (failed(402), false),
        (failed(422), false),
        (html(418), false),
        (
            Act::Answer(302, "location: http://127.0.0.1:9/\r\n", String::new()),
            false,
        ),
        (html(200), true),
        (html(503), true),
        (starting(), true),
        (Act::Hang, true),
        (Act::Close, true),
    ] {
        let fake = Fake::new(vec![act.clone()]);
        let hathora = if tries_again {
            fake.hasty_hathora()
        } else {
            fake.hathora()
        };
        let start = Instant::now();
        assert_eq!(
            wait(hathora.room_host(&id("r"))),
            Err(SchedError::Unavailable),
            "{act:?}"
        );
        assert!(start.elapsed() < PATIENCE);
        assert_eq!(fake.asked().len() > 1, tries_again, "{act:?}");
    }
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let short = Timing {
        whole: Duration::from_millis(300),
        ..PATIENT
    };
    let nobody = hathora(&format!("http://{closed}"), short).unwrap();
    assert_eq!(
        wait(nobody.room_host(&id("r"))),
        Err(SchedError::Unavailable)
    );
}

#[test]
fn ids_that_no_client_could_use_are_refused() {
    let fake = Fake::new(vec![json(201, json!({"roomId": "../../x"}))]);
    assert_eq!(
        wait(fake.hathora().create_room(Client::Others)),
        Err(SchedError::Unavailable)
    );
    let large = Act::Answer(
        201,
        "",
        format!("{{\"roomId\":\"{}\"}}", "x".repeat(1 << 20)),
    );
    let fake = Fake::new(vec![large]);
    assert_eq!(
        wait(fake.hathora().create_room(Client::Others)),
        Err(SchedError::Unavailable)
    );
}

#[test]
fn equal_lookups_are_one_call_and_what_was_found_is_remembered_for_a_while() {
    let fake = Fake::new(vec![starting(), starting(), active()]);
    let hathora = fake.hathora();
    wait(async {
        let room = id("r");
        let all = (0..50).map(|_| hathora.room_host(&room));
        for answer in futures_util::future::join_all(all).await {
            assert_eq!(answer, found());
        }
        assert_eq!(fake.asked().len(), 3);
        assert_eq!(hathora.room_host(&room).await, found());
        assert_eq!(fake.asked().len(), 3);
        assert_eq!(hathora.room_host(&id("other")).await, found());
        assert_eq!(fake.asked().len(), 4);
    });
    // Later it may be elsewhere.
    let forgetful = Timing {
        remembered: Duration::from_millis(100),
        ..PATIENT
    };
    let fake = Fake::new(vec![active()]);
    let hathora = self::hathora(&fake.url, forgetful).unwrap();
    wait(async {
        let start = Instant::now();
        while fake.asked().len() < 2 {
            assert_eq!(hathora.room_host(&id("r")).await, found());
            assert!(start.elapsed() < PATIENCE);
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_lookup_that_everybody_has_left_holds_nobody_up() {
    let fake = Fake::new(vec![Act::Hang, active()]);
    let hathora = fake.hasty_hathora();
    wait(async {
        let room = id("r");
        let left = tokio::time::timeout(Duration::from_millis(50), hathora.room_host(&room));
        assert!(left.await.is_err());
        assert_eq!(hathora.room_host(&room).await, found());
    });
}

#[test]
fn addresses_that_are_none_are_refused_with_a_sentence() {
    for bad in [
        "",
        "nonsense",
        "ftp://a.example",
        "http://",
        "http://u:p@a.example",
        "https://a.example/?x=1",
    ] {
        let said = hathora(bad, PATIENT).err().unwrap().to_string();
        assert!(said.contains("HATHORA_API_URL"), "{bad}: {said}");
    }
}
