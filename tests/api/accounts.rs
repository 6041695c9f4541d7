//! Accounts: signing in with a name, over REST, sockets and the command line.

use crate::support::{Answer, Socket, TestServer, start_in, start_with, write_file};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tablekeep::access::{AccountPasses, Keys};
use tablekeep::accounts::{AccountFile, Ledger};

/// Nobody is GM by place, as for a visitor from another device.
pub const FLAGS: &[&str] = &["--loopback-gm", "false", "--gm-password", "open sesame"];

/// Runs `tablekeep user ...`, with this on standard input.
pub fn user(folder: &Path, words: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tablekeep"))
        .arg("user")
        .args(words)
        .arg("--data-dir")
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Whoever has nothing to ask closes it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// The same, which must work.
pub fn keep(folder: &Path, words: &[&str], input: &str) -> String {
    let output = user(folder, words, input);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

pub fn login(server: &TestServer, name: &str, password: &str) -> Answer {
    let body = json!({"username": name, "password": password});
    server.post("/auth/login", &body)
}

/// The token of somebody who signs in, which must work.
pub fn token(server: &TestServer, name: &str, password: &str) -> String {
    let answer = login(server, name, password);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.value()["access_token"].as_str().unwrap().to_owned()
}

/// A request with a token.
pub fn with(server: &TestServer, token: &str, method: &str, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("content-type", "application/json"),
        ("authorization", bearer.as_str()),
    ];
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    server.send(method, path, &headers, body.as_bytes())
}

fn get(server: &TestServer, token: &str, path: &str) -> Answer {
    with(server, token, "GET", path, &Value::Null)
}

fn put(server: &TestServer, token: &str, path: &str, body: Value) -> Answer {
    with(server, token, "PUT", path, &body)
}

fn delete(server: &TestServer, token: &str, path: &str) -> Answer {
    with(server, token, "DELETE", path, &Value::Null)
}

fn register(server: &TestServer, token: &str, name: &str, role: &str) -> Value {
    let body = json!({"username": name, "email": format!("{name}@example.org"), "password": "secret word", "role": role});
    let answer = with(server, token, "POST", "/auth/register", &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.value()
}

/// A server whose admin is Anna.
pub struct House {
    pub server: TestServer,
    pub admin: String,
    folder: tempfile::TempDir,
}

impl House {
    pub fn open(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        keep(folder.path(), &["add", "Anna"], "open sesame\n");
        let server = start_in(folder.path(), &[FLAGS, flags].concat());
        let admin = token(&server, "Anna", "open sesame");
        Self {
            server,
            admin,
            folder,
        }
    }

    /// A viewer's token.
    pub fn viewer(&self, name: &str) -> String {
        register(&self.server, &self.admin, name, "viewer");
        token(&self.server, name, "secret word")
    }

    /// The admin's token of eight days ago.
    pub fn expired(&self) -> String {
        self.older_by(Duration::from_secs(8 * 24 * 60 * 60))
    }

    /// What the admin's token would be, had it been made so long ago.
    pub fn older_by(&self, age: Duration) -> String {
        let private = self.folder.path().join(".tablekeep");
        let book = AccountFile::below(&private).read().unwrap();
        let passes = AccountPasses::new(
            &Keys::open(&private).unwrap(),
            Arc::new(Ledger::new(AccountFile::below(&private))),
        );
        let anna = book.get(1).unwrap();
        let then = SystemTime::now() - age;
        let made = |at| {
            passes
                .issue(1, anna.generation, "Anna", at, false)
                .unwrap()
                .token
        };
        // Were it younger it would count.
        let fresh = get(&self.server, &made(SystemTime::now()), "/auth/me");
        assert_eq!(fresh.status, 200);
        made(then)
    }

    fn id(&self, name: &str) -> u64 {
        let users = get(&self.server, &self.admin, "/auth/users").value();
        let mut users = users.as_array().unwrap().iter();
        let user = users.find(|user| user["username"] == name).unwrap();
        user["id"].as_u64().unwrap()
    }
}

fn detail(text: &str) -> Value {
    json!({ "detail": text })
}

#[test]
fn the_first_admin_comes_from_the_command_line_and_is_the_gm() {
    // The folder stays as long as the house does.
    let house = House::open(&[]);
    let server = &house.server;
    let answer = login(server, "anna", "open sesame");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let value = answer.value();
    let keys: Vec<_> = value.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["access_token", "token_type", "user"]);
    assert_eq!(value["token_type"], "bearer");
    let user = value["user"].as_object().unwrap();
    let keys: Vec<_> = user.keys().collect();
    let expected = [
        "id",
        "username",
        "email",
        "role",
        "is_active",
        "created_at",
        "updated_at",
        "admin_state",
    ];
    assert_eq!(keys, expected);
    assert_eq!(user["id"], 1);
    assert_eq!(user["username"], "Anna");
    assert_eq!(user["email"], "anna@tablekeep.local");
    assert_eq!(
        (&user["role"], &user["is_active"]),
        (&json!("admin"), &json!(true))
    );
    assert_eq!(user["admin_state"], Value::Null);
    let created = user["created_at"].as_str().unwrap();
    assert_eq!(created.len(), "2026-11-20T09:23:46.216488".len());
    assert_eq!(&created[10..11], "T");
    let token = value["access_token"].as_str().unwrap();
    let me = get(server, token, "/auth/me");
    assert_eq!(me.whole(), (200, value["user"].clone()));
    // As its page asks when one address serves both.
    let me = get(server, token, "/api/auth/me");
    assert_eq!(me.whole(), (200, value["user"].clone()));
    // It is the GM's sign-in, over REST and for sockets.
    assert_eq!(server.get("/maps/list").status, 403);
    assert_eq!(get(server, token, "/maps/list").status, 200);
    let folder = json!({"folder_name": "a"});
    assert_eq!(
        with(server, token, "POST", "/maps/folder", &folder).status,
        200
    );
    let bearer = format!("Bearer {token}");
    let mut tv = server.websocket();
    let mut gm = server
        .websocket_with(&[("authorization", &bearer)])
        .unwrap();
    tv.hear();
    gm.hear();
    gm.say(r#"{"type":"scene_update","scene":{"fogOfWar":[]}}"#);
    assert!(tv.hear().contains("fogOfWar"));
}

#[test]
fn without_any_account_the_gms_password_makes_the_first_one() {
    let server = start_with(FLAGS);
    let private = server.path(".tablekeep/accounts.redb");
    let wrong = (401, detail("Incorrect username or password"));
    assert_eq!(login(&server, "Gabi", "wrong").whole(), wrong);
    assert!(!private.exists());
    let answer = login(&server, " ", "open sesame");
    assert_eq!(answer.status, 422, "{}", answer.text());
    let answer = login(&server, "Gabi", "open sesame");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let user = &answer.value()["user"];
    assert_eq!((&user["id"], &user["role"]), (&json!(1), &json!("admin")));
    // From then on it is an account like any other.
    assert_eq!(login(&server, "Somebody", "open sesame").whole(), wrong);
    assert_eq!(login(&server, "gabi", "open sesame").status, 200);
    // And the GM's password is what it was.
    let signed_in = server.post("/signin", &json!({"password": "open sesame"}));
    assert_eq!(signed_in.status, 204);
    let server = start_with(&["--loopback-gm", "true"]);
    assert_eq!(login(&server, "Gabi", "").whole(), wrong);
}

#[test]
fn two_who_come_first_at_once_make_one_account() {
    let server = start_with(FLAGS);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let logins: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| login(&server, "Gabi", "open sesame").status))
            .collect();
        logins
            .into_iter()
            .map(|login| login.join().unwrap())
            .collect()
    });
    assert_eq!(outcomes, [200; 4]);
    let token = token(&server, "Gabi", "open sesame");
    let users = get(&server, &token, "/auth/users").value();
    assert_eq!(users.as_array().unwrap().len(), 1);
}

#[test]
fn a_login_that_does_not_fit_is_told_no_more_than_that() {
    let house = House::open(&[]);
    let server = &house.server;
    for (name, password) in [
        ("Anna", "open sesam"),
        ("Anna", ""),
        ("Nobody", "open sesame"),
        ("", ""),
        ("Anna\n", "open sesame"),
    ] {
        let answer = login(server, name, password);
        let expected = (401, detail("Incorrect username or password"));
        assert_eq!(answer.whole(), expected, "{name}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert_eq!(answer.header("set-cookie"), None);
    }
    for (body, place) in [
        ("{}", "username"),
        (r#"{"username":"Anna"}"#, "password"),
        (r#"{"username":1,"password":"x"}"#, "username"),
        (r#"{"username":null,"password":"x"}"#, "username"),
    ] {
        let answer = server.json("POST", "/auth/login", body);
        assert_eq!(answer.status, 422, "{body}");
        let problem = &answer.value()["detail"][0];
        assert_eq!(problem["loc"], json!(["body", place]), "{body}");
    }
    assert_eq!(server.json("POST", "/auth/login", "").status, 422);
    assert_eq!(server.json("POST", "/auth/login", "[").status, 422);
    let long = json!({"username": "Anna", "password": "x".repeat(20_000)});
    assert_eq!(server.post("/auth/login", &long).status, 413);
}

#[test]
fn errors_are_what_spelltables_frontend_knows() {
    let house = House::open(&[]);
    let server = &house.server;
    let viewer = house.viewer("vera");
    let me = |headers: &[(&str, &str)]| server.send("GET", "/auth/me", headers, b"");
    for (value, status, text) in [
        (None, 403, "Not authenticated"),
        (Some("Bearer"), 403, "Not authenticated"),
        (
            Some("Basic YTpi"),
            403,
            "Invalid authentication credentials",
        ),
        (
            Some("Bearer nonsense"),
            401,
            "Could not validate credentials",
        ),
    ] {
        let headers: Vec<_> = value
            .map(|value| ("authorization", value))
            .into_iter()
            .collect();
        let answer = me(&headers);
        assert_eq!(answer.whole(), (status, detail(text)), "{value:?}");
        let bearer = (status == 401).then_some("Bearer");
        assert_eq!(answer.header("www-authenticate"), bearer);
    }
    let new = json!({"username": "x", "email": "x@y", "password": "z"});
    for (method, path, body) in [
        ("GET", "/auth/users", &Value::Null),
        ("GET", "/auth/users/1", &Value::Null),
        ("PUT", "/auth/users/1", &json!({})),
        ("DELETE", "/auth/users/1", &Value::Null),
        ("POST", "/auth/register", &new),
    ] {
        let answer = with(server, &viewer, method, path, body);
        assert_eq!(
            answer.whole(),
            (403, detail("Admin access required")),
            "{path}"
        );
        let headers = [("content-type", "application/json")];
        let answer = server.send(method, path, &headers, body.to_string().as_bytes());
        assert_eq!(answer.whole(), (403, detail("Not authenticated")), "{path}");
    }
    let state = get(server, &viewer, "/auth/me/admin-state");
    assert_eq!(state.status, 403);
    for path in [
        "/auth/users/9",
        "/auth/users/-1",
        "/auth/users/99999999999999999999",
    ] {
        let answer = get(server, &house.admin, path);
        assert_eq!(answer.whole(), (404, detail("User not found")), "{path}");
    }
    let answer = get(server, &house.admin, "/auth/users/x");
    let problem = json!({
        "type": "int_parsing",
        "loc": ["path", "user_id"],
        "msg": "Input should be a valid integer, unable to parse string as an integer",
        "input": "x",
    });
    assert_eq!(answer.whole(), (422, json!({"detail": [problem]})));
    // The pages come from another origin, and their answers can be read there.
    let bearer = format!("Bearer {viewer}");
    let page = [
        ("origin", "http://localhost:3000"),
        ("authorization", bearer.as_str()),
    ];
    let answer = me(&page);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let foreign = [
        ("origin", "https://evil.example"),
        ("authorization", bearer.as_str()),
    ];
    assert_eq!(me(&foreign).whole(), (403, detail("Not authenticated")));
}

#[test]
fn admins_keep_the_accounts() {
    let house = House::open(&[]);
    let (server, admin) = (&house.server, house.admin.as_str());
    let ben = register(server, admin, "Ben", "viewer");
    assert_eq!((&ben["id"], &ben["role"]), (&json!(2), &json!("viewer")));
    // Without a role it is a viewer.
    let body = json!({"username": "Cleo", "email": "c@example.org", "password": "x"});
    let cleo = with(server, admin, "POST", "/auth/register", &body).value();
    assert_eq!(cleo["role"], "viewer");
    for (change, text) in [
        (json!({"username": "BEN"}), "Username already registered"),
        (
            json!({"email": "C@example.org"}),
            "Email already registered",
        ),
    ] {
        let mut body = json!({"username": "Dora", "email": "d@example.org", "password": "x"});
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = with(server, admin, "POST", "/auth/register", &body);
        assert_eq!(answer.whole(), (400, detail(text)));
    }
    let users = get(server, admin, "/auth/users").value();
    assert_eq!(users[1], ben);
    assert_eq!(get(server, admin, "/auth/users/2").value(), ben);
    for (change, text) in [
        (json!({"username": "anna"}), "Username already exists"),
        (json!({"email": "c@example.org"}), "Email already exists"),
    ] {
        let answer = put(server, admin, "/auth/users/2", change);
        assert_eq!(answer.whole(), (400, detail(text)));
    }
    let changed = put(
        server,
        admin,
        "/auth/users/2",
        json!({"username": "Benno", "email": null, "password": "", "is_active": "yes", "other": 1}),
    );
    let changed = changed.value();
    assert_eq!(changed["username"], "Benno");
    assert_eq!(changed["email"], ben["email"]);
    assert_eq!(changed["created_at"], ben["created_at"]);
    assert_ne!(changed["updated_at"], ben["updated_at"]);
    assert_eq!(login(server, "benno", "secret word").status, 200);
    let deleted = json!({"message": "User deleted successfully"});
    assert_eq!(
        delete(server, admin, "/auth/users/2").whole(),
        (200, deleted)
    );
    let missing = (404, detail("User not found"));
    assert_eq!(delete(server, admin, "/auth/users/2").whole(), missing);
    assert_eq!(
        put(server, admin, "/auth/users/2", json!({})).whole(),
        missing
    );
    // Numbers are not given twice.
    assert_eq!(register(server, admin, "Dora", "viewer")["id"], 4);
}

#[test]
fn fields_that_do_not_fit_are_named() {
    let house = House::open(&[]);
    let (server, admin) = (&house.server, house.admin.as_str());
    let good = json!({"username": "Ben", "email": "b@example.org", "password": "x"});
    for (name, value, kind) in [
        ("username", json!(null), "string_type"),
        ("username", json!(""), "value_error"),
        ("username", json!(" x"), "value_error"),
        ("username", json!("x".repeat(65)), "value_error"),
        ("email", json!("nowhere"), "value_error"),
        ("password", json!(""), "value_error"),
        ("password", json!(5), "string_type"),
        ("role", json!("gm"), "enum"),
        ("role", json!(null), "enum"),
    ] {
        let mut body = good.clone();
        body[name] = value.clone();
        let answer = with(server, admin, "POST", "/auth/register", &body);
        assert_eq!(answer.status, 422, "{name} {value}");
        let problem = &answer.value()["detail"][0];
        assert_eq!(problem["type"], kind, "{name} {value}");
        assert_eq!(problem["loc"], json!(["body", name]));
    }
    let answer = put(
        server,
        admin,
        "/auth/users/1",
        json!({"role": "gm", "is_active": "maybe"}),
    );
    let problems = answer.value()["detail"].clone();
    assert_eq!(problems[0]["msg"], "Input should be 'admin' or 'viewer'");
    assert_eq!(
        problems[0]["ctx"],
        json!({"expected": "'admin' or 'viewer'"})
    );
    assert_eq!(problems[1]["type"], "bool_parsing");
    assert_eq!(
        get(server, admin, "/auth/users")
            .value()
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn the_last_admin_stays() {
    let house = House::open(&[]);
    let (server, admin) = (&house.server, house.admin.as_str());
    let yourself = (400, detail("Cannot delete yourself"));
    assert_eq!(delete(server, admin, "/auth/users/1").whole(), yourself);
    let last = "this is the only admin who can sign in: make another one first";
    for change in [json!({"role": "viewer"}), json!({"is_active": false})] {
        let answer = put(server, admin, "/auth/users/1", change);
        assert_eq!(answer.whole(), (400, detail(last)));
    }
    assert_eq!(get(server, admin, "/auth/me").status, 200);
    register(server, admin, "Ben", "admin");
    let ben = token(server, "Ben", "secret word");
    assert_eq!(
        put(server, &ben, "/auth/users/1", json!({"role": "viewer"})).status,
        200
    );
    assert_eq!(get(server, admin, "/auth/me").status, 401);
    assert_eq!(delete(server, &ben, "/auth/users/1").status, 200);
    let said = user(house.folder.path(), &["remove", "Ben"], "");
    assert_eq!(said.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&said.stderr).contains(last));
}

#[test]
fn an_admins_page_keeps_its_state() {
    let house = House::open(&[]);
    let (server, admin) = (&house.server, house.admin.as_str());
    let path = "/auth/me/admin-state";
    assert_eq!(
        get(server, admin, path).value(),
        json!({"admin_state": null})
    );
    let state = json!({"open": ["maps"], "zoom": 1.50, "ü": null});
    let answer = put(server, admin, path, state.clone());
    let done = json!({"message": "Admin state updated successfully"});
    assert_eq!(answer.whole(), (200, done));
    assert_eq!(
        get(server, admin, path).value(),
        json!({"admin_state": state})
    );
    assert_eq!(get(server, admin, "/auth/me").value()["admin_state"], state);
    assert_eq!(put(server, admin, path, json!([])).status, 422);
    assert_eq!(
        put(server, admin, path, json!({"x": "y".repeat(70_000)})).status,
        413
    );
    assert_eq!(
        get(server, admin, path).value(),
        json!({"admin_state": state})
    );
}

#[test]
fn a_viewer_is_a_player_where_codes_are_asked_for() {
    let house = House::open(&["--players", "code"]);
    let server = &house.server;
    let viewer = house.viewer("vera");
    assert_eq!(server.get("/audio/list").status, 403);
    assert_eq!(get(server, &viewer, "/audio/list").status, 200);
    assert_eq!(get(server, &viewer, "/tables/main/scene").status, 200);
    assert_eq!(get(server, &viewer, "/maps/list").status, 403);
    let bearer = format!("Bearer {viewer}");
    let mut page = server
        .websocket_with(&[("authorization", &bearer)])
        .unwrap();
    page.hear();
    let shown = json!({"name": "shown"});
    assert_eq!(
        put(server, &house.admin, "/tables/main/scene", shown).status,
        200
    );
    assert!(page.hear().contains("shown"));
    // What it may not write snaps back.
    page.say(r#"{"type":"scene_update","scene":{"name":"other"}}"#);
    assert!(page.hear().contains("shown"));
    let mut member = server
        .websocket_at("/ws/table", &[("authorization", &bearer)])
        .unwrap();
    member.say(r#"{"type":"hello","proto":1,"table":"main","name":"Vera"}"#);
    assert!(member.hear().contains(r#""role":"player""#));
}

#[test]
fn on_the_servers_own_pages_a_cookie_is_the_sign_in() {
    let house = House::open(&["--allow-origin", "https://t.example"]);
    let server = &house.server;
    let own = format!("http://{}", server.addr);
    let body = br#"{"username":"Anna","password":"open sesame"}"#;
    let sign_in = |origin: &str| {
        let headers = [("content-type", "application/json"), ("origin", origin)];
        server.send("POST", "/auth/login", &headers, body)
    };
    let answer = sign_in(&own);
    let line = answer.header("set-cookie").unwrap();
    assert!(line.starts_with("tablekeep-account="), "{line}");
    assert!(line.ends_with("; Path=/; Max-Age=604800; HttpOnly; SameSite=Strict"));
    let cookies = answer.cookies();
    let cookie = ("cookie", cookies.as_str());
    let status = |headers: &[(&str, &str)]| server.send("GET", "/maps/list", headers, b"").status;
    assert_eq!(status(&[cookie, ("origin", &own)]), 200);
    assert_eq!(server.send("GET", "/auth/me", &[cookie], b"").status, 200);
    server.websocket_with(&[cookie]).unwrap().hear();
    for origin in ["http://localhost:3000", "https://t.example"] {
        assert_eq!(sign_in(origin).status, 200);
        assert_eq!(sign_in(origin).header("set-cookie"), None);
        assert_eq!(status(&[cookie, ("origin", origin)]), 403);
    }
    // Signing out is for good, and for all that came of that sign-in.
    let answer = server.send("POST", "/signout", &[cookie], b"");
    assert_eq!((answer.status, answer.cookies().as_str()), (204, ""));
    assert_eq!(status(&[cookie]), 403);
    let token = cookies
        .split("; ")
        .next()
        .unwrap()
        .split_once('=')
        .unwrap()
        .1;
    assert_eq!(get(server, token, "/auth/me").status, 401);
    assert_eq!(get(server, &house.admin, "/auth/me").status, 200);
}

/// SpellTable's socket and one of our own protocol, opened with a token.
fn sockets(server: &TestServer, token: &str) -> [Socket; 2] {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let mut page = server.websocket_with(&headers).unwrap();
    page.hear();
    let mut member = server.websocket_at("/ws/table", &headers).unwrap();
    member.say(r#"{"type":"hello","proto":1,"table":"main","name":"x"}"#);
    assert!(member.hear().contains("welcome"));
    [page, member]
}

fn expect_closed(sockets: [Socket; 2]) {
    for mut socket in sockets {
        assert_eq!(socket.close_code(), 4401);
    }
}

#[test]
fn what_is_revoked_ends_at_once_with_its_sockets() {
    let house = House::open(&[]);
    let (server, admin) = (&house.server, house.admin.as_str());
    let mut admins = sockets(server, admin);
    let void = (401, "Could not validate credentials");
    for (name, change, (status, text)) in [
        ("otto", json!({"password": "another"}), void),
        ("rita", json!({"role": "admin"}), void),
        ("ines", json!({"is_active": false}), (400, "Inactive user")),
    ] {
        let viewer = house.viewer(name);
        let open = sockets(server, &viewer);
        let path = format!("/auth/users/{}", house.id(name));
        // What changes nothing ends nothing.
        let same = json!({"role": "viewer", "is_active": true, "username": name});
        assert_eq!(put(server, admin, &path, same).status, 200);
        assert_eq!(get(server, &viewer, "/auth/me").status, 200);
        assert_eq!(put(server, admin, &path, change).status, 200);
        let answer = get(server, &viewer, "/auth/me");
        assert_eq!(answer.whole(), (status, detail(text)), "{name}");
        expect_closed(open);
    }
    let viewer = house.viewer("vera");
    let open = sockets(server, &viewer);
    let path = format!("/auth/users/{}", house.id("vera"));
    assert_eq!(delete(server, admin, &path).status, 200);
    assert_eq!(get(server, &viewer, "/auth/me").status, 401);
    expect_closed(open);
    // One who is let in again signs in again.
    let path = format!("/auth/users/{}", house.id("ines"));
    let refused = login(server, "ines", "secret word");
    assert_eq!(refused.whole(), (400, detail("Inactive user")));
    let active = json!({"is_active": true});
    assert_eq!(put(server, admin, &path, active).status, 200);
    assert_eq!(login(server, "ines", "secret word").status, 200);
    for socket in &mut admins {
        socket
            .0
            .send(tungstenite::Message::Ping(b"x".as_slice().into()))
            .unwrap();
        while !matches!(socket.0.read().unwrap(), tungstenite::Message::Pong(_)) {}
    }
    let metrics = get(server, admin, "/metrics").text();
    for line in [
        "tablekeep_revoked_sockets_total 8",
        "tablekeep_logins_total{outcome=\"accepted\"} 6",
        "tablekeep_logins_total{outcome=\"refused\"} 1",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} in {metrics}"
        );
    }
}

#[test]
fn signing_out_ends_one_sign_in_and_its_sockets() {
    let house = House::open(&[]);
    let server = &house.server;
    let other = token(server, "Anna", "open sesame");
    let (open, mut stay) = (sockets(server, &house.admin), sockets(server, &other));
    let bearer = format!("Bearer {}", house.admin);
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(server.send("POST", "/signout", &headers, b"").status, 204);
    expect_closed(open);
    assert_eq!(get(server, &house.admin, "/auth/me").status, 401);
    assert_eq!(get(server, &other, "/auth/me").status, 200);
    for socket in &mut stay {
        socket
            .0
            .send(tungstenite::Message::Ping(b"x".as_slice().into()))
            .unwrap();
        while !matches!(socket.0.read().unwrap(), tungstenite::Message::Pong(_)) {}
    }
}

#[test]
fn what_the_command_line_does_a_running_server_notices() {
    let house = House::open(&[]);
    let (server, folder) = (&house.server, house.folder.path());
    let open = sockets(server, &house.admin);
    let said = keep(folder, &["add", "Ben", "--role", "admin"], "a long word\n");
    assert_eq!(said, "added admin 'Ben' (account 2)\n");
    let ben = loop {
        // Signing in is slowed down, looking is not.
        let users = get(server, &house.admin, "/auth/users").value();
        if users.as_array().unwrap().len() == 2 {
            break token(server, "Ben", "a long word");
        }
        std::thread::yield_now();
    };
    assert_eq!(
        keep(folder, &["passwd", "anna"], "new\r\n"),
        "admin 'Anna' (account 1) has another password\n"
    );
    expect_closed(open);
    assert_eq!(get(server, &house.admin, "/auth/me").status, 401);
    assert_eq!(login(server, "Anna", "open sesame").status, 401);
    assert_eq!(login(server, "Anna", "new").status, 200);
    let open = sockets(server, &ben);
    assert_eq!(
        keep(folder, &["remove", "BEN"], ""),
        "removed admin 'Ben' (account 2)\n"
    );
    expect_closed(open);
    assert_eq!(get(server, &ben, "/auth/me").status, 401);
}

#[test]
fn accounts_and_sign_ins_outlive_a_restart_and_a_kill() {
    let mut house = House::open(&[]);
    let viewer = house.viewer("vera");
    let gone = house.viewer("gone");
    let path = format!("/auth/users/{}", house.id("gone"));
    assert_eq!(delete(&house.server, &house.admin, &path).status, 200);
    house.server.kill();
    let server = start_in(house.folder.path(), FLAGS);
    assert_eq!(get(&server, &viewer, "/auth/me").status, 200);
    assert_eq!(get(&server, &house.admin, "/auth/me").status, 200);
    assert_eq!(get(&server, &gone, "/auth/me").status, 401);
    drop(server);
    // Another key file makes every token void; the passwords stay.
    std::fs::remove_file(house.folder.path().join(".tablekeep/key")).unwrap();
    let server = start_in(house.folder.path(), FLAGS);
    assert_eq!(get(&server, &viewer, "/auth/me").status, 401);
    assert_eq!(login(&server, "vera", "secret word").status, 200);
}

#[test]
fn a_broken_file_of_accounts_ends_no_game() {
    let folder = tempfile::tempdir().unwrap();
    keep(folder.path(), &["add", "Anna"], "open sesame\n");
    write_file(folder.path(), ".tablekeep/accounts.redb", b"broken");
    let server = start_in(folder.path(), FLAGS);
    let log = server.wait_for_log("cannot be read");
    assert!(
        log.contains("accounts.redb") && log.contains("put a copy in its place"),
        "{log}"
    );
    let answer = login(&server, "Anna", "open sesame");
    let text = "the accounts cannot be read; the server's log has the cause";
    assert_eq!(answer.whole(), (503, detail(text)));
    // The table runs, and the GM's password is not in that file.
    let signed_in = server.post("/signin", &json!({"password": "open sesame"}));
    let cookies = signed_in.cookies();
    assert_eq!(
        server
            .send("GET", "/maps/list", &[("cookie", &cookies)], b"")
            .status,
        200
    );
    server.websocket().hear();
    let said = user(folder.path(), &["list"], "");
    assert_eq!(said.status.code(), Some(2));
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("accounts.redb"), "{said}");
    let kept = std::fs::read(folder.path().join(".tablekeep/accounts.redb"));
    assert_eq!(kept.unwrap(), b"broken");
}

#[test]
fn without_accounts_nothing_of_them_is_on_disk() {
    let server = start_with(FLAGS);
    assert_eq!(server.get("/auth/me").status, 403);
    assert_eq!(login(&server, "x", "y").status, 401);
    assert!(!server.path(".tablekeep/accounts.redb").exists());
}

/// `sudo tablekeep user add`, where another user runs the server.
#[cfg(unix)]
#[test]
fn accounts_that_root_adds_belong_to_whom_the_table_belongs_to() {
    use std::os::unix::fs::{MetadataExt, chown};
    let folder = tempfile::tempdir().unwrap();
    // Where the tests are not root's, nothing can be made that is somebody else's.
    let is_root = std::fs::metadata(folder.path()).unwrap().uid() == 0;
    if is_root {
        chown(folder.path(), Some(12_345), Some(12_346)).unwrap();
    }
    let output = user(folder.path(), &["add", "Anna"], "open sesame\n");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let shown = folder.path().canonicalize().unwrap();
    assert!(said.contains(shown.to_str().unwrap()), "{said}");
    let owner = |name: &str| {
        let data = std::fs::metadata(folder.path().join(name)).unwrap();
        (data.uid(), data.gid(), data.mode() & 0o077)
    };
    let (uid, gid, _) = owner("");
    let (of_folder, of_file) = (owner(".tablekeep"), owner(".tablekeep/accounts.redb"));
    assert_eq!((of_folder.0, of_folder.1), (uid, gid));
    assert_eq!(of_file, (uid, gid, 0));
    assert_eq!(uid, if is_root { 12_345 } else { uid });
}

#[test]
fn the_command_line_says_what_it_did_and_what_it_cannot_do() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("new");
    assert_eq!(keep(&below, &["list"], ""), "there are no accounts\n");
    let said = user(&below, &["add", "Anna"], "");
    assert_eq!(said.status.code(), Some(2));
    assert!(!below.exists());
    assert_eq!(
        keep(&below, &["add", "Anna"], "open sesame"),
        "added admin 'Anna' (account 1)\n"
    );
    assert_eq!(
        keep(&below, &["add", "Ben"], "open sesame"),
        "added viewer 'Ben' (account 2)\n"
    );
    let words = ["add", "Cleo", "--role", "admin", "--email", "c@example.org"];
    keep(&below, &words, "x\n");
    let list = keep(&below, &["list"], "");
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(
        lines[3].contains("admin") && lines[3].ends_with("c@example.org"),
        "{list}"
    );
    for (words, text) in [
        (&["add", "ANNA"][..], "another account has this name"),
        (
            &["add", "Dora", "--email", "C@example.org"],
            "this email address",
        ),
        (&["passwd", "Dora"], "there is no such account"),
        (&["remove", "Dora"], "there is no such account"),
    ] {
        let output = user(&below, words, "open sesame\n");
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(text) && said.lines().count() == 1, "{said}");
    }
    // A password on the command line could be read by others.
    assert!(
        !user(&below, &["add", "Eve", "open sesame"], "")
            .status
            .success()
    );
    assert!(keep(&below, &["remove", "ben"], "").contains("'Ben'"));
    assert!(keep(&below, &["remove", "cleo"], "").contains("'Cleo'"));
}

#[test]
fn guessing_is_slowed_down_and_locks_nobody_out() {
    let house = House::open(&[]);
    let server = &house.server;
    // Right ones cost nothing.
    for _ in 0..12 {
        assert_eq!(login(server, "Anna", "open sesame").status, 200);
    }
    let known = login(server, "Anna", "open sesame").cookies();
    let mut statuses = (0..20).map(|_| login(server, "Anna", "wrong"));
    let refused = statuses.find(|answer| answer.status != 401).unwrap();
    assert_eq!(refused.status, 429);
    assert!(refused.header("retry-after").is_some());
    // Also with the right password: else guessing would go on.
    assert_eq!(login(server, "Anna", "open sesame").status, 429);
    let body = br#"{"username":"Anna","password":"open sesame"}"#;
    let json = ("content-type", "application/json");
    // Where she has signed in before she still can, and only she.
    let headers = [json, ("cookie", known.as_str())];
    assert_eq!(
        server.send("POST", "/auth/login", &headers, body).status,
        200
    );
    let other = br#"{"username":"Ben","password":"open sesame"}"#;
    assert_eq!(
        server.send("POST", "/auth/login", &headers, other).status,
        429
    );
    // Neither the token nor the GM's own sign-in suffers.
    assert_eq!(get(server, &house.admin, "/auth/me").status, 200);
    let signed_in = server.post("/signin", &json!({"password": "open sesame"}));
    assert_eq!(signed_in.status, 204);
}

#[cfg(target_os = "linux")]
fn login_from(server: &TestServer, ip: &str, name: &str, password: &str) -> Answer {
    let body = json!({"username": name, "password": password}).to_string();
    let request = format!(
        "POST /auth/login HTTP/1.1\r\nconnection: close\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        server.addr,
        body.len()
    );
    crate::support::raw_from(ip, server.addr, request.as_bytes())
}

#[cfg(target_os = "linux")]
#[test]
fn guessing_one_name_from_everywhere_makes_it_slow_and_not_impossible() {
    use std::time::Instant;
    let house = House::open(&[]);
    let server = &house.server;
    let known = login(server, "Anna", "open sesame").cookies();
    for n in 0..25 {
        let ip = format!("127.0.1.{}", n + 1);
        assert_eq!(login_from(server, &ip, "Anna", "wrong").status, 401);
    }
    let before = Instant::now();
    assert_eq!(
        login_from(server, "127.0.0.9", "Anna", "open sesame").status,
        200
    );
    assert!(before.elapsed().as_secs_f64() >= 2.0);
    let body = br#"{"username":"Anna","password":"open sesame"}"#;
    let headers = [
        ("content-type", "application/json"),
        ("cookie", known.as_str()),
    ];
    // Known here, it is not slow, but where the machine is.
    let quick = || {
        let before = Instant::now();
        let answer = server.send("POST", "/auth/login", &headers, body);
        assert_eq!(answer.status, 200);
        before.elapsed().as_secs_f64() < 2.0
    };
    assert!((0..5).any(|_| quick()));
}

#[cfg(target_os = "linux")]
#[test]
fn many_logins_at_once_are_served_refused_or_put_off_and_the_table_goes_on() {
    let house = House::open(&["--login-queue", "8"]);
    let server = &house.server;
    let [mut page, _] = sockets(server, &house.admin);
    let mut statuses = Vec::new();
    std::thread::scope(|scope| {
        let logins: Vec<_> = (0..200)
            .map(|n| {
                scope.spawn(move || {
                    let ip = format!("127.0.{}.{}", 1 + n / 100, 1 + n % 100);
                    login_from(server, &ip, "Anna", "open sesame").status
                })
            })
            .collect();
        for n in 0..50 {
            page.say(&json!({"type": "ping", "n": n}).to_string());
            page.expect_silence();
        }
        statuses.extend(logins.into_iter().map(|login| login.join().unwrap()));
    });
    let count = |status| statuses.iter().filter(|found| **found == status).count();
    assert_eq!(count(200) + count(503), 200, "{statuses:?}");
    assert!(count(200) >= 8 && count(503) > 0, "{statuses:?}");
}

#[test]
fn there_are_only_as_many_accounts_as_there_may_be() {
    let house = House::open(&["--max-accounts", "2"]);
    let server = &house.server;
    register(server, &house.admin, "Ben", "viewer");
    let body = json!({"username": "Cleo", "email": "c@example.org", "password": "x"});
    let answer = with(server, &house.admin, "POST", "/auth/register", &body);
    assert_eq!(answer.status, 409);
    assert!(
        answer.text().contains("--max-accounts"),
        "{}",
        answer.text()
    );
    let limits = server.get("/limits").value();
    assert_eq!(limits["accounts"]["accounts"], 2);
}

#[test]
fn nothing_secret_is_logged() {
    let house = House::open(&["--log", "trace"]);
    let mut server = house.server;
    let answer = login(&server, "Anna", "open sesame");
    let cookies = answer.cookies();
    login(&server, "Anna", "wrong but telling");
    put(
        &server,
        &house.admin,
        "/auth/users/1",
        json!({"password": "a new one"}),
    );
    server.send("POST", "/signout", &[("cookie", &cookies)], b"");
    assert_eq!(server.terminate(), 0);
    let log = server.log();
    assert!(log.contains("has signed in") && log.contains("wrong name or password"));
    let token = answer.value()["access_token"].as_str().unwrap().to_owned();
    for secret in [
        "open sesame",
        "wrong but telling",
        "a new one",
        "$argon2id",
        &token,
        &house.admin,
    ] {
        assert!(!log.contains(secret), "{secret}");
    }
}

#[cfg(unix)]
#[test]
fn the_accounts_are_for_nobody_elses_eyes() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::open(&[]);
    house.viewer("vera");
    let file = house.folder.path().join(".tablekeep/accounts.redb");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let bytes = std::fs::read(&file).unwrap();
    for secret in ["open sesame", "secret word"] {
        let found = bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
        assert!(!found, "{secret}");
    }
}
