//! How others find the table: the invitation over REST, and what the terminal shows.

use crate::support::{TestServer, start_with};
use rqrr::{Grid, SimpleGrid};
use serde_json::{Value, json};

/// On all interfaces, but unknown to the network.
const EVERYWHERE: &[&str] = &["--listen", "0.0.0.0:0", "--mdns", "false"];
const GM: &[&str] = &["--loopback-gm", "false", "--gm-password", "sesame"];

/// What a phone reads of a picture of these modules, which has a quiet zone.
fn read(is_dark: impl Fn(usize, usize) -> bool, size: usize) -> String {
    let dark = (0..size).flat_map(|y| (0..size).map(move |x| (x, y)));
    let dark: Vec<_> = dark.filter(|(x, y)| is_dark(*x, *y)).collect();
    let first = dark.iter().map(|(x, _)| *x).min().unwrap();
    let last = dark.iter().map(|(x, _)| *x).max().unwrap();
    assert!(
        first >= 4 && size - 1 - last >= 4,
        "a quiet zone of four modules"
    );
    let inner = SimpleGrid::from_func(last - first + 1, |x, y| is_dark(x + first, y + first));
    Grid::new(inner).decode().unwrap().1
}

/// What a phone reads of an SVG: squares of one size, dark on light.
fn read_svg(svg: &str) -> String {
    assert!(!svg.contains("<script") && !svg.contains("http://localhost"));
    let number = |text: &str| -> usize {
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        text[..end].parse().unwrap()
    };
    let after = |mark: &str| number(svg.split_once(mark).unwrap().1);
    let width = after("width=\"");
    let path = svg.rsplit_once("d=\"").unwrap().1;
    let squares: Vec<_> = path.split('M').skip(1).collect();
    let side = number(squares[0].split_once('h').unwrap().1);
    let dark: std::collections::HashSet<_> = squares
        .iter()
        .map(|square| {
            let (x, rest) = square.split_once(' ').unwrap();
            (number(x) / side, number(rest) / side)
        })
        .collect();
    read(|x, y| dark.contains(&(x, y)), width / side)
}

/// What a phone reads of half blocks: light ones are drawn.
fn read_terminal(banner: &str) -> String {
    let is_code = |line: &&str| line.contains(['█', '▀', '▄']);
    let rows: Vec<Vec<char>> = banner
        .lines()
        .filter(is_code)
        .map(|line| line.chars().skip(2).collect())
        .collect();
    let size = rows[0].len();
    let is_dark = |x: usize, y: usize| match rows.get(y / 2).and_then(|row| row.get(x)) {
        Some('█') => false,
        Some('▀') => y % 2 == 1,
        Some('▄') => y.is_multiple_of(2),
        _ => rows.len() > y / 2,
    };
    read(is_dark, size)
}

fn signed_in(server: &TestServer) -> String {
    server
        .post("/signin", &json!({"password": "sesame"}))
        .cookies()
}

fn invitation(server: &TestServer, headers: &[(&str, &str)]) -> Value {
    let answer = server.send("GET", "/tables/main/invite", headers, b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.value()
}

#[test]
fn an_invitation_has_the_code_and_a_picture_for_every_address() {
    let server = start_with(&[EVERYWHERE, &["--players", "code"]].concat());
    let invited = invitation(&server, &[]);
    let tables = server.get("/tables").value();
    let code = tables["tables"][0]["code"].as_str().unwrap();
    assert_eq!(invited["code"], code);
    assert_eq!(
        (&invited["needs_code"], &invited["local_only"]),
        (&json!(true), &json!(false))
    );
    let port = server.addr.port();
    let addresses = invited["addresses"].as_array().unwrap();
    for address in addresses {
        let origin = address["origin"].as_str().unwrap();
        assert!(origin.starts_with("http://") && origin.ends_with(&format!(":{port}")));
        assert!(!origin.contains("localhost") && !origin.contains("127.0.0.1"));
        assert_eq!(address["join"], format!("{origin}/join#{code}"));
        assert_eq!(read_svg(address["qr"].as_str().unwrap()), address["join"]);
    }
    let nowhere = server.get("/tables/k3v9x2qa/invite");
    let detail = json!({"detail": "there is no table 'k3v9x2qa'"});
    assert_eq!(nowhere.whole(), (404, detail));
}

#[test]
fn who_listens_on_this_machine_only_invites_nobody_and_says_so() {
    let server = start_with(&[]);
    let invited = invitation(&server, &[]);
    assert_eq!(
        (&invited["local_only"], &invited["addresses"]),
        (&json!(true), &json!([]))
    );
    assert_eq!(
        (&invited["needs_code"], &invited["reached"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(server.delete("/tables/main/invite").status, 405);
}

/// A container or a tunnel knows its own address, which nobody else can use.
#[test]
fn a_gm_who_came_through_something_in_front_is_shown_that_way_first() {
    let flags = [GM, &["--allow-host", "table.example"]].concat();
    let server = start_with(&flags);
    let cookie = signed_in(&server);
    let host = ("host", "table.example:8010");
    let cookie = ("cookie", cookie.as_str());
    let first = |headers: &[(&str, &str)]| {
        let invited = invitation(&server, headers);
        invited["addresses"][0]["origin"].clone()
    };
    assert_eq!(first(&[host, cookie]), "http://table.example:8010");
    // There is a way, whatever network the machine is in, and its picture can be read.
    let invited = invitation(&server, &[host, cookie]);
    let (way, code) = (&invited["addresses"][0], invited["code"].as_str().unwrap());
    let join = format!("http://table.example:8010/join#{code}");
    assert_eq!(way["join"], join);
    assert_eq!(read_svg(way["qr"].as_str().unwrap()), join);
    let secure = ("x-forwarded-proto", "https");
    let host = ("host", "table.example");
    assert_eq!(first(&[host, cookie, secure]), "https://table.example");
    assert_eq!(first(&[cookie]), Value::Null);
}

#[test]
fn the_gm_is_told_that_somebody_has_found_the_way() {
    let server = start_with(GM);
    let cookie = signed_in(&server);
    let gm = [("cookie", cookie.as_str())];
    let reached = || invitation(&server, &gm)["reached"].clone();
    // The GM's own browser is nobody who has come.
    server.send("GET", "/join", &gm, b"");
    server.get("/ui/join.html");
    server.get("/health");
    assert_eq!(reached(), Value::Null);
    let origin = format!("http://{}", server.addr);
    for (count, page) in [(1, "display"), (2, "join")] {
        assert_eq!(server.get(&format!("/{page}")).status, 200);
        let last = reached();
        assert_eq!(last["origin"], origin);
        assert_eq!(
            (&last["page"], &last["count"]),
            (&json!(page), &json!(count))
        );
        assert!(last["seconds"].as_u64().unwrap() < 20);
    }
    // As an open server has no other roles, there it is the place that counts.
    let open = start_with(&["--access", "open"]);
    open.get("/join");
    assert_eq!(invitation(&open, &[])["reached"], Value::Null);
}

#[test]
fn the_terminal_shows_phones_where_to_join() {
    for (players, fragment) in [("open", false), ("code", true)] {
        let flags = [EVERYWHERE, &["--players", players, "--qr", "true"]].concat();
        let server = start_with(&flags);
        let said = server.wait_for_log("  found");
        let tables = server.get("/tables").value();
        let code = tables["tables"][0]["code"].as_str().unwrap();
        let coded = said.lines().find(|line| line.contains("table code"));
        assert_eq!(coded.is_some_and(|line| line.ends_with(code)), fragment);
        // A machine without any network has no way to show.
        let Some(line) = said.lines().find(|line| line.contains("on the network")) else {
            panic!("{said}");
        };
        let first = line.split_whitespace().last().unwrap();
        if !first.starts_with("http") {
            continue;
        }
        let said = server.wait_for_log("Phones join at");
        let own = invitation(&server, &[])["addresses"][0]["origin"].clone();
        assert_eq!(own, first, "the page and the terminal say the same");
        let join = format!("{first}/join");
        let fragment = if fragment {
            format!("#{code}")
        } else {
            String::new()
        };
        assert_eq!(read_terminal(&said), format!("{join}{fragment}"));
        assert!(said.contains(&format!("Phones join at {join}\n")), "{said}");
        assert!(
            !said.contains('\x1b') || !said.contains("\x1b[97;40m"),
            "no colours in a file"
        );
    }
}
