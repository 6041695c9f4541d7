//! The GM signs in with a password, from anywhere.

use crate::support::{Answer, TestServer, start_in, start_with};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tablekeep::access::{Keys, Passes};
use tablekeep::config::Secret;
use tablekeep::tables::Directory;

/// Nobody is GM by place, as for a visitor from another device.
const FLAGS: &[&str] = &["--loopback-gm", "false", "--gm-password", "open sesame"];

fn sign_in_with(server: &TestServer, password: &str, headers: &[(&str, &str)]) -> Answer {
    let body = json!({ "password": password }).to_string();
    let headers = [headers, &[("content-type", "application/json")]].concat();
    server.send("POST", "/signin", &headers, body.as_bytes())
}

fn sign_in(server: &TestServer) -> String {
    let answer = sign_in_with(server, "open sesame", &[]);
    assert_eq!((answer.status, answer.text().as_str()), (204, ""));
    answer.cookies()
}

/// What a GM's request is answered with, for these headers.
fn gm_status(server: &TestServer, headers: &[(&str, &str)]) -> u16 {
    server.send("GET", "/maps/list", headers, b"").status
}

#[test]
fn the_password_makes_the_gm_for_rest_and_sockets() {
    let server = start_with(FLAGS);
    assert_eq!(gm_status(&server, &[]), 403);
    let answer = sign_in_with(&server, "open sesame", &[]);
    let line = answer.header("set-cookie").unwrap();
    assert!(line.starts_with("tablekeep-gm="), "{line}");
    assert!(line.ends_with("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict"));
    let cookies = answer.cookies();
    let cookie = ("cookie", cookies.as_str());
    assert_eq!(gm_status(&server, &[cookie]), 200);
    // Writing needs the role, too; and so does the socket.
    let folder = br#"{"folder_name":"a"}"#;
    let answer = server.send("POST", "/maps/folder", &[cookie], folder);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut tv = server.websocket();
    let mut gm = server.websocket_with(&[cookie]).unwrap();
    tv.hear();
    gm.hear();
    gm.say(r#"{"type":"scene_update","scene":{"fogOfWar":[]}}"#);
    assert_eq!(
        tv.hear(),
        r#"{"type":"scene_update","scene":{"fogOfWar":[]}}"#
    );
}

#[test]
fn a_wrong_password_is_a_sentence_and_no_cookie() {
    let server = start_with(FLAGS);
    for wrong in ["", "open sesam", "open sesame ", "OPEN SESAME"] {
        let answer = sign_in_with(&server, wrong, &[]);
        assert_eq!(
            answer.whole(),
            (401, json!({"detail": "the password is wrong"}))
        );
        assert_eq!(answer.header("set-cookie"), None);
        assert!(answer.header("www-authenticate").is_some());
    }
    for (body, status) in [
        ("{}", 422),
        (r#"{"password":1}"#, 422),
        ("[", 422),
        ("", 422),
    ] {
        assert_eq!(
            server.json("POST", "/signin", body).status,
            status,
            "{body}"
        );
    }
    let long = json!({"password": "x".repeat(20_000)});
    assert_eq!(server.post("/signin", &long).status, 413);
}

#[test]
fn without_a_password_the_refusal_names_the_setting() {
    let server = start_with(&[]);
    let answer = sign_in_with(&server, "anything", &[]);
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("--gm-password"), "{}", answer.text());
}

#[test]
fn the_password_that_the_server_made_works() {
    let server = start_with(&["--loopback-gm", "false"]);
    let log = server.wait_for_log("  found");
    let line = log.lines().find(|line| line.contains("GM password"));
    let password = line.unwrap().split_whitespace().last().unwrap().to_owned();
    let answer = sign_in_with(&server, &password, &[]);
    assert_eq!(answer.status, 204);
    assert_eq!(gm_status(&server, &[("cookie", &answer.cookies())]), 200);
}

#[test]
fn the_cookie_counts_on_the_servers_own_pages_only() {
    let server = start_with(&[FLAGS, &["--allow-origin", "https://t.example"]].concat());
    let cookies = sign_in(&server);
    let cookie = ("cookie", cookies.as_str());
    let own = format!("http://{}", server.addr);
    assert_eq!(gm_status(&server, &[cookie, ("origin", &own)]), 200);
    for origin in [
        "http://localhost:3000",
        "https://t.example",
        "https://evil.example",
        "null",
    ] {
        assert_eq!(
            gm_status(&server, &[cookie, ("origin", origin)]),
            403,
            "{origin}"
        );
        // And a page that cannot use the cookie cannot get it.
        let answer = sign_in_with(&server, "open sesame", &[("origin", origin)]);
        assert_eq!(
            (answer.status, answer.cookies().as_str()),
            (403, ""),
            "{origin}"
        );
    }
    for site in ["same-site", "cross-site"] {
        let headers = [cookie, ("sec-fetch-site", site)];
        assert_eq!(gm_status(&server, &headers), 403, "{site}");
    }
    // Over HTTPS, through a proxy, the cookie never goes without.
    let https = [
        ("origin", "https://table.example"),
        ("host", "table.example"),
    ];
    let behind = start_with(&[FLAGS, &["--allow-host", "table.example"]].concat());
    let answer = sign_in_with(&behind, "open sesame", &https);
    assert!(answer.header("set-cookie").unwrap().ends_with("; Secure"));
}

#[test]
fn a_sign_in_outlives_a_restart_but_not_another_password() {
    let folder = tempfile::tempdir().unwrap();
    let cookies = sign_in(&start_in(folder.path(), FLAGS));
    let cookie = [("cookie", cookies.as_str())];
    assert_eq!(gm_status(&start_in(folder.path(), FLAGS), &cookie), 200);
    let changed = ["--loopback-gm", "false", "--gm-password", "another"];
    assert_eq!(gm_status(&start_in(folder.path(), &changed), &cookie), 403);
    assert_eq!(gm_status(&start_in(folder.path(), FLAGS), &cookie), 200);
    std::fs::remove_file(folder.path().join(".tablekeep/key")).unwrap();
    assert_eq!(gm_status(&start_in(folder.path(), FLAGS), &cookie), 403);
}

#[test]
fn who_signs_out_is_out_here_and_not_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let server = start_in(folder.path(), FLAGS);
    let (laptop, tablet) = (sign_in(&server), sign_in(&server));
    let answer = server.send("POST", "/signout", &[("cookie", &laptop)], b"");
    assert_eq!(answer.status, 204);
    let line = answer.header("set-cookie").unwrap();
    assert!(
        line.starts_with("tablekeep-gm=; ") && line.contains("Max-Age=0"),
        "{line}"
    );
    assert_eq!(gm_status(&server, &[("cookie", &laptop)]), 403);
    assert_eq!(gm_status(&server, &[("cookie", &tablet)]), 200);
    drop(server);
    // A copy of the cookie is worth nothing after a restart, either.
    let server = start_in(folder.path(), FLAGS);
    assert_eq!(gm_status(&server, &[("cookie", &laptop)]), 403);
    assert_eq!(gm_status(&server, &[("cookie", &tablet)]), 200);
    assert_eq!(server.send("POST", "/signout", &[], b"").status, 204);
}

#[test]
fn expired_and_forged_cookies_prove_nothing() {
    let server = start_with(FLAGS);
    let private = server.path(".tablekeep");
    let tables = Arc::new(Directory::open(private.join("tables.json"), 200).unwrap());
    let password = Secret::new("open sesame".into());
    let made_at = |keys: &Keys, hours_ago: u64| {
        let passes = Passes::new(keys, Some(&password), tables.clone(), &private);
        let at = SystemTime::now() - Duration::from_secs(hours_ago * 60 * 60);
        let [line, _] = passes.sign_in("open sesame", at, false).unwrap();
        line.split(';').next().unwrap().to_owned()
    };
    let keys = Keys::open(&private).unwrap();
    let fresh = made_at(&keys, 11);
    assert_eq!(gm_status(&server, &[("cookie", &fresh)]), 200);
    for (why, cookie) in [
        ("expired", made_at(&keys, 13)),
        ("of another key", made_at(&Keys::new(&[1; 32]), 0)),
        ("cut", fresh[..fresh.len() - 1].to_owned()),
        ("changed", fresh.replace("gm=", "gm=A")),
        ("empty", "tablekeep-gm=".to_owned()),
        ("made up", "tablekeep-gm=true".to_owned()),
        (
            "of another name",
            fresh.replace("tablekeep-gm", "tablekeep-table"),
        ),
    ] {
        assert_eq!(gm_status(&server, &[("cookie", &cookie)]), 403, "{why}");
    }
}

/// Guesses until it is slowed down.
fn guess_on(server: &TestServer) -> Answer {
    for _ in 0..20 {
        let answer = sign_in_with(server, "wrong", &[]);
        if answer.status != 401 {
            return answer;
        }
    }
    panic!("nobody minds the guessing");
}

#[test]
fn the_right_password_may_come_any_number_of_times() {
    let server = start_with(FLAGS);
    for _ in 0..30 {
        assert_eq!(sign_in_with(&server, "open sesame", &[]).status, 204);
    }
}

#[test]
fn guessing_is_slowed_down() {
    let server = start_with(FLAGS);
    let known = sign_in(&server);
    let answer = guess_on(&server);
    assert_eq!(answer.status, 429);
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=6).contains(&wait), "{wait}");
    assert!(
        answer.text().contains("too many attempts"),
        "{}",
        answer.text()
    );
    // Also with the right password: else guessing would go on.
    assert_eq!(sign_in_with(&server, "open sesame", &[]).status, 429);
    let forwarded = [("x-forwarded-for", "203.0.113.7")];
    assert_eq!(sign_in_with(&server, "open sesame", &forwarded).status, 429);
    // Whoever has signed in before is still let in, from the same address.
    let cookie = [("cookie", known.as_str())];
    assert_eq!(sign_in_with(&server, "open sesame", &cookie).status, 204);
    // Neither joining nor the cookie itself suffers.
    assert_eq!(gm_status(&server, &cookie), 200);
    assert_eq!(server.json("POST", "/tables/join", "{}").status, 200);
}

#[cfg(target_os = "linux")]
#[test]
fn guessing_locks_nobody_out_at_another_address() {
    let server = start_with(FLAGS);
    guess_on(&server);
    let body = r#"{"password":"open sesame"}"#;
    let request = format!(
        "POST /signin HTTP/1.1\r\nconnection: close\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        server.addr,
        body.len()
    );
    let answer = crate::support::raw_from("127.0.0.2", server.addr, request.as_bytes());
    assert_eq!(answer.status, 204);
}

#[cfg(unix)]
#[test]
fn the_key_and_what_was_whispered_are_for_nobody_elses_eyes() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    const PRIVATE: [(&str, u32); 4] = [
        ("key", 0o600),
        ("tables.json", 0o600),
        ("tables", 0o700),
        ("tables/main/journal", 0o600),
    ];
    let folder = tempfile::tempdir().unwrap();
    let mut server = start_in(folder.path(), FLAGS);
    // As an older version, or a copy, has left them.
    for again in [false, true] {
        for (name, mode) in PRIVATE {
            let path = server.path(".tablekeep").join(name);
            let found = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(found, mode, "{name}");
            set_permissions(&path, Permissions::from_mode(mode | 0o044)).unwrap();
        }
        if !again {
            server.terminate();
            set_permissions(
                server.path(".tablekeep/tables.json"),
                Permissions::from_mode(0o600),
            )
            .unwrap();
            server = start_in(folder.path(), FLAGS);
        }
    }
    assert_eq!(
        std::fs::read(server.path(".tablekeep/key")).unwrap().len(),
        32
    );
}

#[test]
fn nothing_secret_is_logged() {
    let mut server = start_with(&[FLAGS, &["--log", "trace"]].concat());
    let cookies = sign_in(&server);
    let cookie = ("cookie", cookies.as_str());
    sign_in_with(&server, "wrong but telling", &[]);
    let tables = server.send("GET", "/tables", &[cookie], b"").value();
    let code = tables["tables"][0]["code"].as_str().unwrap().to_owned();
    let joined = server.post("/tables/join", &json!({"code": code, "role": "player"}));
    server.post("/tables/join", &json!({"code": "ZZZZ"}));
    let asked = server.post("/tables/main/pair", &json!({}));
    server.send("POST", "/signout", &[cookie], b"");
    assert_eq!(server.terminate(), 0);
    let log = server.log();
    assert!(log.contains("the GM has signed in") && log.contains("wrong password"));
    let number = asked.value()["number"].as_str().unwrap().to_owned();
    for secret in ["open sesame", "wrong but telling", "ZZZZ", &code, &number] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    for answer in [cookies, joined.cookies(), asked.cookies()] {
        for pair in answer.split("; ") {
            let (name, value) = pair.split_once('=').unwrap();
            assert!(!log.contains(value), "{name} in {log}");
        }
    }
}
