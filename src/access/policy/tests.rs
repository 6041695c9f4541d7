//! Who is who, by heads and addresses.

use super::*;
use crate::access::Keys;
use crate::access::passes::tests::{Book, cookies};
use crate::config::Secret;
use actix_http::header::HeaderValue;
use clap::Parser;

fn other() -> TableId {
    TableId::parse("k3v9x2qa").unwrap()
}

fn policy(flags: &[&str]) -> Policy {
    with_password(flags, None)
}

fn with_password(flags: &[&str], password: Option<&str>) -> Policy {
    let mut given = vec!["tablekeep"];
    if !flags.contains(&"--loopback-gm") {
        given.extend(["--loopback-gm", "true"]);
    }
    given.extend(flags);
    let book = Book::default();
    book.0.lock().unwrap().insert(TableId::MAIN, 1);
    book.0.lock().unwrap().insert(other(), 1);
    let password = password.map(|text| Secret::new(text.to_owned()));
    let folder = std::env::temp_dir().join("a folder that is not there");
    let keys = Keys::new(&[1; 32]);
    let passes = Passes::new(&keys, password.as_ref(), Arc::new(book), &folder);
    Policy::new(&Config::parse_from(given), passes)
}

fn head(method: Method, headers: &[(&'static str, &str)]) -> RequestHead {
    let mut head = RequestHead::default();
    head.method = method;
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).unwrap();
        head.headers.insert(HeaderName::from_static(name), value);
    }
    head
}

fn from(peer: &str, local: &str) -> SocketAddrs {
    SocketAddrs {
        peer: format!("{peer}:5000").parse().unwrap(),
        local: format!("{local}:8010").parse().unwrap(),
    }
}

fn role(policy: &Policy, headers: &[(&'static str, &str)], addrs: SocketAddrs) -> Role {
    policy
        .judge(&head(Method::GET, headers), addrs)
        .unwrap()
        .role
}

#[test]
fn a_stranger_name_is_refused_whatever_is_asked() {
    let policy = policy(&["--allow-host", "table.example"]);
    let here = from("127.0.0.1", "127.0.0.1");
    for (host, fine) in [
        ("localhost:8010", true),
        ("127.0.0.1", true),
        ("192.168.7.7:8010", true),
        ("[::1]:8010", true),
        ("table.example", true),
        ("TABLE.example:1", true),
        ("evil.example", false),
        ("localhost.evil.example", false),
        ("", false),
    ] {
        let judged = policy.judge(&head(Method::GET, &[("host", host)]), here);
        assert_eq!(judged.is_ok(), fine, "{host}");
    }
}

#[test]
fn the_gm_sits_at_this_machine() {
    let policy = policy(&[]);
    let here = from("127.0.0.1", "127.0.0.1");
    let localhost = ("host", "localhost:8010");
    assert_eq!(role(&policy, &[localhost], here), Role::Gm);
    assert_eq!(
        role(
            &policy,
            &[("host", "192.0.2.9")],
            from("192.168.1.9", "192.168.1.5")
        ),
        Role::Player
    );
    // This machine by its network address.
    assert_eq!(
        role(&policy, &[localhost], from("192.168.1.5", "192.168.1.5")),
        Role::Gm
    );
    let forwarded = [
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-port",
        "x-forwarded-server",
        "x-forwarded",
        "x-real-ip",
        "via",
    ];
    for name in forwarded {
        assert_eq!(
            role(&policy, &[localhost, (name, "x")], here),
            Role::Player,
            "{name}"
        );
    }
    assert_eq!(
        role(
            &policy,
            &[localhost, ("origin", "http://localhost:3000")],
            here
        ),
        Role::Gm
    );
    assert_eq!(
        role(
            &policy,
            &[localhost, ("origin", "http://evil.example")],
            here
        ),
        Role::Player
    );
    assert_eq!(
        role(&policy, &[localhost, ("origin", "null")], here),
        Role::Player
    );
    // A name that leads here, but is an address of somebody else.
    assert_eq!(
        role(&policy, &[("host", "198.51.100.1")], here),
        Role::Player
    );
}

#[test]
fn a_name_that_others_can_answer_for_makes_nobody_gm() {
    let policy = policy(&["--gm-from", "192.0.2.0/24"]);
    policy.machine().announce_as("wlan0", "tablekeep.local");
    let short = gethostname::gethostname().to_string_lossy().to_lowercase();
    let short = short.split('.').next().unwrap_or_default().to_owned();
    let here = from("127.0.0.1", "127.0.0.1");
    let allowed = from("192.0.2.7", "192.0.2.5");
    for name in [
        "tablekeep.local",
        &format!("{short}.local"),
        &short,
        "a.localhost",
    ] {
        let host = format!("{name}:8010");
        let origin = format!("http://{host}");
        for addrs in [here, allowed] {
            // What a page there sends of itself, with and without a say of where it comes from.
            for page in [
                &[("host", &*host)][..],
                &[("host", &host), ("origin", &origin)],
            ] {
                assert_eq!(role(&policy, page, addrs), Role::Player, "{name}");
            }
        }
    }
    assert_eq!(
        role(&policy, &[("host", "LOCALHOST.:8010")], here),
        Role::Gm
    );
    assert_eq!(role(&policy, &[("host", "127.0.0.1")], allowed), Role::Gm);
    let never = head(Method::GET, &[("host", "other.local")]);
    assert!(policy.judge(&never, here).is_err());
}

#[test]
fn settings_widen_or_narrow_who_is_gm() {
    let here = from("127.0.0.1", "127.0.0.1");
    let far = from("192.168.1.9", "192.168.1.5");
    let localhost = [("host", "localhost")];
    assert_eq!(
        role(&policy(&["--access", "open"]), &localhost, far),
        Role::Gm
    );
    assert_eq!(
        role(&policy(&["--gm-from", "192.168.1.0/24"]), &localhost, far),
        Role::Gm
    );
    assert_eq!(
        role(&policy(&["--gm-from", "192.168.2.0/24"]), &localhost, far),
        Role::Player
    );
    let off = policy(&["--loopback-gm", "false"]);
    assert_eq!(role(&off, &localhost, here), Role::Player);
}

#[test]
fn foreign_pages_change_nothing_even_in_open_mode() {
    let policy = policy(&["--access", "open", "--allow-origin", "https://ok.example"]);
    let here = from("127.0.0.1", "127.0.0.1");
    let host = ("host", "localhost");
    let judge =
        |method, headers: &[(&'static str, &str)]| policy.judge(&head(method, headers), here);
    assert!(judge(Method::POST, &[host, ("origin", "https://evil.example")]).is_err());
    assert!(judge(Method::POST, &[host, ("origin", "https://ok.example")]).is_ok());
    assert!(
        judge(
            Method::GET,
            &[host, ("origin", "null"), ("upgrade", "websocket")]
        )
        .is_err()
    );
    assert!(judge(Method::POST, &[host, ("sec-fetch-site", "cross-site")]).is_err());
    let link = [
        host,
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    assert!(judge(Method::GET, &link).unwrap().trusted);
    let image = [
        host,
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "no-cors"),
    ];
    let verdict = judge(Method::GET, &image).unwrap();
    assert_eq!((verdict.trusted, verdict.role), (false, Role::Player));
}

#[test]
fn a_picture_is_for_the_page_that_it_is_on() {
    let policy = policy(&["--loopback-gm", "true"]);
    let here = from("127.0.0.1", "127.0.0.1");
    let judge = |headers: &[(&'static str, &str)]| {
        let headers = [&[("host", "127.0.0.1:8010")], headers].concat();
        let verdict = policy.judge(&head(Method::GET, &headers), here).unwrap();
        (verdict.embeds, verdict.own_page, verdict.role)
    };
    let across = ("sec-fetch-site", "cross-site");
    for (headers, expected) in [
        // SpellTable's page at another name of this machine, and at another port.
        (
            vec![across, ("referer", "http://localhost:3000/viewer?x#y")],
            (true, false, Role::Gm),
        ),
        (
            vec![("referer", "http://127.0.0.1:3000")],
            (true, true, Role::Gm),
        ),
        (
            vec![("origin", "http://localhost:3000")],
            (true, false, Role::Gm),
        ),
        // Nobody says where it is to be shown.
        (vec![], (false, true, Role::Gm)),
        (vec![across], (false, false, Role::Player)),
        (
            vec![across, ("referer", "http://evil.example/localhost:3000")],
            (false, false, Role::Player),
        ),
        (
            vec![across, ("referer", "http://localhost@evil.example/")],
            (false, false, Role::Player),
        ),
        (
            vec![("origin", "null"), ("referer", "http://localhost:3000/")],
            (false, false, Role::Player),
        ),
    ] {
        assert_eq!(judge(&headers), expected, "{headers:?}");
    }
}

#[test]
fn a_cookie_makes_the_gm_on_our_own_pages_only() {
    let flags = [
        "--loopback-gm",
        "false",
        "--allow-origin",
        "https://ok.example",
    ];
    let policy = with_password(&flags, Some("secret"));
    let far = from("192.168.1.9", "192.168.1.5");
    let lines = policy.passes().sign_in("secret", SystemTime::now(), false);
    let browser = cookies(&lines.unwrap());
    let cookie = browser.get(header::COOKIE).unwrap().to_str().unwrap();
    let (host, cookie) = (("host", "192.168.1.5:8010"), ("cookie", cookie));
    for (headers, expected) in [
        (vec![], Role::Gm),
        (vec![("origin", "http://192.168.1.5:8010")], Role::Gm),
        // A proxy with a certificate in front.
        (vec![("x-forwarded-for", "203.0.113.9")], Role::Gm),
        (vec![("sec-fetch-site", "same-origin")], Role::Gm),
        (vec![("origin", "http://192.168.1.5:3000")], Role::Player),
        (vec![("origin", "http://localhost:3000")], Role::Player),
        (vec![("origin", "https://ok.example")], Role::Player),
        (vec![("origin", "https://evil.example")], Role::Player),
        (vec![("origin", "null")], Role::Player),
        (vec![("sec-fetch-site", "same-site")], Role::Player),
        (vec![("sec-fetch-site", "cross-site")], Role::Player),
    ] {
        let all = [&headers[..], &[host, cookie]].concat();
        assert_eq!(role(&policy, &all, far), expected, "{headers:?}");
    }
    assert_eq!(role(&policy, &[host], far), Role::Player);
}

#[test]
fn a_seat_needs_a_cookie_where_codes_are_asked_for() {
    let far = from("192.168.1.9", "192.168.1.5");
    let host = ("host", "192.168.1.5");
    for (players, without) in [("open", Some(TableId::MAIN)), ("code", None)] {
        let policy = policy(&["--players", players]);
        let seat = |headers: &[(&'static str, &str)]| {
            let all = [headers, &[host]].concat();
            let verdict = policy.judge(&head(Method::GET, &all), far).unwrap();
            (verdict.role, verdict.table)
        };
        assert_eq!(seat(&[]).1, without);
        assert_eq!(seat(&[("cookie", "tablekeep-table=forged")]).1, without);
        for (table, role) in [(TableId::MAIN, Role::Display), (other(), Role::Player)] {
            let line = policy
                .passes()
                .admit(table, role, true, SystemTime::now(), false);
            let browser = cookies(&[line.unwrap()]);
            let cookie = browser.get(header::COOKIE).unwrap().to_str().unwrap();
            assert_eq!(seat(&[("cookie", cookie)]), (role, Some(table)));
            let elsewhere = ("origin", "http://localhost:3000");
            assert_eq!(seat(&[("cookie", cookie), elsewhere]).1, without);
        }
    }
}

#[test]
fn the_gm_sits_at_main_or_where_a_cookie_says() {
    let policy = policy(&["--players", "code"]);
    let here = from("127.0.0.1", "127.0.0.1");
    let line = policy
        .passes()
        .admit(other(), Role::Display, true, SystemTime::now(), false);
    let browser = cookies(&[line.unwrap()]);
    let cookie = (
        "cookie",
        browser.get(header::COOKIE).unwrap().to_str().unwrap(),
    );
    let host = ("host", "localhost");
    let judge =
        |headers: &[(&'static str, &str)]| policy.judge(&head(Method::GET, headers), here).unwrap();
    let plain = judge(&[host]);
    assert_eq!((plain.role, plain.table), (Role::Gm, Some(TableId::MAIN)));
    let joined = judge(&[host, cookie]);
    assert_eq!((joined.role, joined.table), (Role::Gm, Some(other())));
    assert!(joined.visitor().may_see(TableId::MAIN));
}
