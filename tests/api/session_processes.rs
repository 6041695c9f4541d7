//! A backend and session servers as processes of their own, started with their variables alone.

use crate::login::SECRET;
use crate::support::{Answer, PATIENCE, Socket, exchange_within, send_to, websocket_on};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A process; killed when dropped.
struct Process {
    addr: SocketAddr,
    child: Child,
    lines: Vec<String>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts `tablekeep` as its operators do; `lines` of its output are waited for.
fn start(vars: &[(&str, &str)], lines: usize) -> Process {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tablekeep"))
        .env("TABLEKEEP_WORKERS", "2")
        .envs(vars.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
    let lines: Vec<String> = stdout.take(lines).map(Result::unwrap).collect();
    let port = lines[0]
        .rsplit_once(':')
        .expect("it says where it listens")
        .1;
    let addr = SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()));
    Process { addr, child, lines }
}

fn free_port() -> String {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    listener.local_addr().unwrap().port().to_string()
}

fn session(port: &str) -> Process {
    let host = format!("localhost:{port}");
    let vars = [
        ("ROLE", "session"),
        ("PORT", port),
        ("JWT_SECRET", SECRET),
        ("PUBLIC_HOST", &host),
    ];
    start(&vars, 1)
}

fn backend(hosts: &str) -> Process {
    let vars = [
        ("ROLE", "backend"),
        ("PORT", "0"),
        ("JWT_SECRET", SECRET),
        ("SESSION_SERVER_HOST", hosts),
    ];
    start(&vars, 2)
}

fn log_in(backend: &Process, user: &str) -> String {
    let body = json!({"userId": user}).to_string();
    let headers = [("content-type", "application/json")];
    let answer = send_to(
        backend.addr,
        "POST",
        "/api/login",
        &headers,
        body.as_bytes(),
    );
    answer.value()["token"].as_str().unwrap().to_owned()
}

fn ask(backend: &Process, method: &str, path: &str, user: &str) -> Answer {
    let token = format!("Bearer {}", log_in(backend, user));
    send_to(
        backend.addr,
        method,
        path,
        &[("authorization", &token)],
        b"",
    )
}

fn make_room(backend: &Process) -> String {
    let answer = ask(backend, "POST", "/api/rooms", "maker");
    answer.value()["roomId"].as_str().unwrap().to_owned()
}

/// What the client does when one clicks on "connect": lookup, then the socket.
fn connect(backend: &Process, user: &str, room: &str) -> Option<(String, Socket)> {
    let place = ask(backend, "GET", &format!("/api/rooms/{room}"), user).value();
    let (host, token) = (
        place["host"].as_str().unwrap(),
        place["token"].as_str().unwrap(),
    );
    let stream = TcpStream::connect(host).ok()?;
    let url = format!("ws://{host}/?token={token}");
    let (socket, _) = websocket_on(stream, &url, &[("origin", "http://localhost:3000")]).ok()?;
    Some((host.to_owned(), socket))
}

fn hear(socket: &mut Socket) -> Value {
    serde_json::from_str(&socket.hear()).unwrap()
}

fn status(process: &Process, path: &str) -> u16 {
    send_to(process.addr, "GET", path, &[], b"").status
}

#[test]
fn a_backend_and_two_session_servers_share_their_rooms() {
    let ports = [free_port(), free_port()];
    let hosts = ports.each_ref().map(|port| format!("localhost:{port}"));
    let mut sessions = ports.each_ref().map(|port| session(port));
    let one = backend(&hosts.join(", "));
    assert_eq!(one.lines[1], format!("Listening on *:{}", one.addr.port()));
    // Another one with the same secret and list knows the same rooms.
    let two = backend(&hosts.join(","));
    for process in [&one, &two, &sessions[0], &sessions[1]] {
        assert_eq!(
            (status(process, "/healthz"), status(process, "/readyz")),
            (200, 200)
        );
        assert_eq!(status(process, "/maps/list"), 404);
    }
    let mut rooms = vec![make_room(&one)];
    let host_of = |room: &str| {
        let place = ask(&two, "GET", &format!("/api/rooms/{room}"), "x");
        place.value()["host"].as_str().unwrap().to_owned()
    };
    let start = Instant::now();
    while host_of(rooms.last().unwrap()) == host_of(&rooms[0]) || rooms.len() < 2 {
        assert!(start.elapsed() < PATIENCE);
        rooms.push(make_room(&two));
    }
    let here = [
        rooms.first().unwrap().clone(),
        rooms.last().unwrap().clone(),
    ];
    assert_eq!(
        ask(&two, "GET", "/api/rooms/k3v9x2qa7m1c5t8z", "x").status,
        404
    );

    let mut members = Vec::new();
    for room in &here {
        let (host, mut alice) = connect(&one, "alice", room).unwrap();
        // Who is answered is on the way in: another one might overtake.
        hear(&mut alice);
        let (again, mut bob) = connect(&two, "bob", room).unwrap();
        assert!(host == again && hosts.contains(&host));
        assert_eq!(hear(&mut alice), hear(&mut bob));
        bob.say("hello");
        assert_eq!(hear(&mut alice)["messages"][0]["msg"], "hello");
        hear(&mut bob);
        members.push((host, alice, bob));
    }

    // A token for one server is nothing on the other.
    let place = ask(&one, "GET", &format!("/api/rooms/{}", here[0]), "eve").value();
    let other = hosts
        .iter()
        .find(|host| *host != place["host"].as_str().unwrap())
        .unwrap();
    let url = format!("ws://{other}/?token={}", place["token"].as_str().unwrap());
    assert!(websocket_on(TcpStream::connect(other.as_str()).unwrap(), &url, &[]).is_err());

    // One of them dies.
    let dead = hosts.iter().position(|host| *host == members[0].0).unwrap();
    sessions[dead].child.kill().unwrap();
    sessions[dead].child.wait().unwrap();
    assert!(members[0].1.0.read().is_err());
    // The backend answers meanwhile, and the other server's rooms notice nothing.
    assert_eq!(
        ask(&one, "GET", &format!("/api/rooms/{}", here[0]), "alice").status,
        200
    );
    assert!(connect(&one, "alice", &here[0]).is_none());
    let (_, alice, bob) = &mut members[1];
    alice.say("still here");
    assert_eq!(hear(bob)["messages"][1]["msg"], "still here");

    // It comes back, and clients that try again are in their room: what was said is lost.
    sessions[dead] = session(&ports[dead]);
    let start = Instant::now();
    let (host, mut alice) = loop {
        match connect(&two, "alice", &here[0]) {
            Some(found) => break found,
            None => assert!(start.elapsed() < PATIENCE),
        }
    };
    assert_eq!(host, hosts[dead]);
    let snapshot = hear(&mut alice);
    assert_eq!(
        snapshot,
        json!({"messages": [], "connectedUsers": ["alice"]})
    );
}

#[test]
fn a_scheduler_that_cannot_be_reached_is_503_and_never_404() {
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let backend = start(
        &[
            ("ROLE", "backend"),
            ("PORT", "0"),
            ("JWT_SECRET", SECRET),
            ("HATHORA_APP_ID", "app"),
            ("HATHORA_TOKEN", "secret-token"),
            ("HATHORA_API_URL", &nowhere),
        ],
        2,
    );
    let token = format!("Bearer {}", log_in(&backend, "alice"));
    let addr = backend.addr;
    let asked = ["POST", "GET"].map(|method| {
        let token = token.clone();
        std::thread::spawn(move || {
            let path = if method == "POST" { "/api/rooms" } else { "/api/rooms/x" };
            let stream = TcpStream::connect(addr).unwrap();
            let head = format!("{method} {path} HTTP/1.1\r\nhost: {addr}\r\nauthorization: {token}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            exchange_within(Duration::from_secs(40), stream, head.as_bytes())
        })
    });
    // It answers everybody else meanwhile.
    assert_eq!(status(&backend, "/healthz"), 200);
    for answer in asked {
        let answer = answer.join().unwrap();
        assert_eq!(
            (answer.status, &answer.value()["error"]),
            (503, &json!("scheduler_unavailable"))
        );
        assert!(answer.header("retry-after").is_some());
    }
}

/// What is said of settings with which it does not start.
fn refusal(vars: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tablekeep"));
    let output = command.envs(vars.iter().copied()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

#[test]
fn what_is_missing_is_said_in_a_sentence() {
    for (vars, words) in [
        (
            vec![("ROLE", "backend"), ("JWT_SECRET", SECRET)],
            "SESSION_SERVER_HOST",
        ),
        (
            vec![
                ("ROLE", "backend"),
                ("SESSION_SERVER_HOST", "localhost:8000"),
            ],
            "JWT_SECRET",
        ),
        (
            vec![("ROLE", "session"), ("JWT_SECRET", SECRET)],
            "PUBLIC_HOST",
        ),
        (
            vec![("ROLE", "session"), ("PUBLIC_HOST", "localhost:8000")],
            "SESSION_JWT_SECRET",
        ),
        (
            vec![
                ("ROLE", "session"),
                ("JWT_SECRET", "short"),
                ("PUBLIC_HOST", "x:1"),
            ],
            "at least 16 bytes",
        ),
        (
            vec![("ROLE", "backend"), ("SCHEDULER", "nats")],
            "not there yet",
        ),
    ] {
        let said = refusal(&vars);
        assert!(said.contains(words), "{said}");
    }
}
