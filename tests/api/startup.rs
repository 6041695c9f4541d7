//! What the person sees who starts it.

#[cfg(target_os = "linux")]
use crate::support::start_through;
use crate::support::{start, start_with, write_file};
use rstest::rstest;
use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn run(flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tablekeep"))
        .args(flags)
        .output()
        .unwrap()
}

/// One sentence on standard error, and exit code 2.
fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let said = String::from_utf8_lossy(&output.stderr)
        .trim_end()
        .to_owned();
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

#[test]
fn a_taken_port_is_one_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let said = complaint(&run(&[
        "--listen",
        &addr,
        "--data-dir",
        folder.path().to_str().unwrap(),
    ]));
    assert!(
        said.contains("is taken") && said.contains("--listen"),
        "{said}"
    );
}

#[test]
fn a_further_listener_that_cannot_be_is_one_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let nexus = format!("nexus@{}", taken.local_addr().unwrap().port());
    let here = format!("nexus={data}");
    for (flags, words) in [
        (
            &["--speak", &nexus][..],
            &["is taken", "--speak nexus@PORT"][..],
        ),
        (&["--client", &here], &["--speak nexus@PORT"]),
        (
            &["--speak", "nexus@0", "--client", &here],
            &["index.html", "--client nexus=DIR"],
        ),
    ] {
        let main = ["--listen", "127.0.0.1:0", "--data-dir", data];
        let said = complaint(&run(&[&main, flags].concat()));
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
}

#[test]
fn every_listener_has_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--speak", "nexus@0,nexus-assets@0", "--speak", "nexus@0"];
    let mut server = crate::support::start_in(folder.path(), &flags);
    let ports = ["nexus", "nexus-assets", "nexus"].map(|name| server.listener(name));
    assert!(
        ports
            .iter()
            .all(|addr| addr.ip() == server.addr.ip() && addr.port() != 0)
    );
    server.get("/health");
    assert_eq!(server.terminate(), 0);
    assert_eq!(server.rest_of_output(), "");
}

#[test]
fn a_folder_that_cannot_be_used_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    write_file(folder.path(), "file", b"");
    let file = folder.path().join("file");
    let said = complaint(&run(&[
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        file.to_str().unwrap(),
    ]));
    assert!(
        said.contains("--data-dir") && said.contains("file"),
        "{said}"
    );
    let said = complaint(&run(&[
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        "/proc/nowhere",
    ]));
    assert!(said.contains("--data-dir"), "{said}");
}

#[test]
fn a_broken_list_of_tables_or_key_is_one_sentence() {
    for (file, words) in [("tables.json", "list of tables"), ("key", "key file")] {
        let folder = tempfile::tempdir().unwrap();
        write_file(folder.path(), &format!(".tablekeep/{file}"), b"{");
        let data = folder.path().to_str().unwrap();
        let said = complaint(&run(&["--listen", "127.0.0.1:0", "--data-dir", data]));
        assert!(said.contains(words) && said.contains(file), "{said}");
        let kept = std::fs::read(folder.path().join(".tablekeep").join(file));
        assert_eq!(kept.unwrap(), b"{");
    }
}

#[test]
fn bad_flags_say_what_was_expected() {
    for (flag, value, expected) in [
        ("--listen", "nonsense", "--listen"),
        ("--listen", "localhost:8010", "127.0.0.1:8010"),
        ("--listen", ":8010", "0.0.0.0:8010"),
        ("--listen", "8010", "0.0.0.0:8010"),
        ("--allow-host", "good.example:8080", "table.example"),
        ("--allow-host", "http://chat.example", "table.example"),
        ("--allow-host", "*", "table.example"),
        ("--public-host", "a:b", "localhost:8000"),
        ("--session-server-host", "a:8000,:8001", "localhost:8000"),
        ("--max-uploads", "0", "--max-uploads"),
        ("--max-connections", "0", "--max-connections"),
        ("--log", "[", "--log"),
        ("--gm-from", "10.0.0.0/99", "192.168.1.0/24"),
        (
            "--allow-origin",
            "example.com/",
            "https://table.example:3000",
        ),
        ("--max-image", "much", "64M"),
        ("--access", "maybe", "closed"),
        ("--players", "maybe", "code"),
        ("--gm-password", "", "--gm-password"),
        ("--max-tables", "0", "--max-tables"),
        ("--log", "a=b=c", "--log"),
        ("--speak", "morse@1", "nexus or nexus-assets"),
        ("--speak", "morse@8000", "so far"),
        ("--speak", "nexus", "nexus@5000"),
        ("--client", "nexus", "nexus=/srv"),
        ("--nexus-max-rooms", "0", "--nexus-max-rooms"),
        ("--nonsense", "x", "--nonsense"),
    ] {
        let output = run(&[flag, value]);
        assert_eq!(output.status.code(), Some(2), "{flag}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_misspelt_role_starts_nothing() {
    let output = Command::new(env!("CARGO_BIN_EXE_tablekeep"))
        .args(["--listen", "127.0.0.1:0"])
        .env("ROLE", "sesion")
        .output()
        .unwrap();
    let said = complaint(&output);
    assert!(said.contains("all, backend or session"), "{said}");
}

/// What a connection takes, too.
#[cfg(target_os = "linux")]
#[test]
fn as_many_files_may_be_open_as_the_system_allows() {
    let folder = tempfile::tempdir().unwrap();
    let limits = |shell: &str| {
        let words = ["sh", "-c", &format!("{shell}; exec \"$@\""), "sh"];
        let server = start_through(&words, folder.path());
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let words: Vec<_> = line
            .unwrap()
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        (words[3].clone(), words[4].clone(), server)
    };
    let (soft, hard, _) = limits("ulimit -Sn 300");
    assert_eq!(soft, hard);
    let (soft, _, server) = limits("ulimit -n 1000");
    assert_eq!(soft, "1000");
    let log = server.wait_for_log("LimitNOFILE");
    assert!(log.contains("only 1000 files"), "{log}");
}

#[test]
fn help_and_version_are_for_reading() {
    let help = run(&["--help"]);
    let text = String::from_utf8(help.stdout).unwrap();
    for word in [
        "--listen",
        "--data-dir",
        "--access",
        "--gm-from",
        "--gm-password",
        "--players",
        "--max-tables",
        "--speak",
        "--nexus-host-grace",
        "TABLEKEEP_LISTEN",
        "Limits",
        "8010",
    ] {
        assert!(text.contains(word), "{word}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100));
    assert!(run(&["--version"]).stdout.starts_with(b"tablekeep "));
}

/// Starts with `flags`, waits for the banner, and returns it.
fn banner(flags: &[&str], home: &Path, current: &Path) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tablekeep"))
        .args(flags)
        .env("HOME", home)
        .env_remove("XDG_DATA_HOME")
        .current_dir(current)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let mut said = Vec::new();
    let mut byte = [0];
    while stderr.read(&mut byte).unwrap() == 1 {
        said.push(byte[0]);
        // The banner ends with an empty line.
        if said.ends_with(b"\n\n") && said.windows(7).any(|w| w == b"  found") {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    String::from_utf8(said).unwrap()
}

#[test]
fn each_further_port_has_its_name_apart_from_its_address() {
    let folder = tempfile::tempdir().unwrap();
    let flags = [
        "--listen",
        "127.0.0.1:0",
        "--mdns",
        "false",
        "--speak",
        "chat@0",
        "--speak",
        "peershare-socket@0",
        "--data-dir",
        folder.path().to_str().unwrap(),
    ];
    let said = banner(&flags, folder.path(), folder.path());
    for name in ["chat", "peershare-socket"] {
        let line = said.lines().find(|line| line.trim().starts_with(name));
        let (shown, address) = line.unwrap().trim().split_once("  ").unwrap();
        assert_eq!(shown, name, "{said}");
        assert!(address.trim().starts_with("http://"), "{said}");
    }
}

#[test]
fn the_first_lines_say_where_it_is_and_what_it_found() {
    let folder = tempfile::tempdir().unwrap();
    write_file(folder.path(), "data/scenes/broken.json", b"{");
    write_file(folder.path(), "data/maps/a.png", b"x");
    let data = folder.path().join("data");
    let flags = [
        "--listen",
        "0.0.0.0:0",
        "--mdns",
        "false",
        "--loopback-gm",
        "true",
        "--data-dir",
        data.to_str().unwrap(),
    ];
    let said = banner(&flags, folder.path(), folder.path());
    for words in [
        "on this machine",
        "http://localhost:",
        "on the network",
        "data folder",
        "the GM is whoever opens it on this machine",
        "1 map, 0 scenes, 0 sounds (1 left out",
    ] {
        assert!(said.contains(words), "{words} not in {said}");
    }
    assert!(said.contains("broken.json"), "{said}");
    let open = banner(
        &[&flags[..], &["--access", "open"]].concat(),
        folder.path(),
        folder.path(),
    );
    assert!(open.contains("OPEN: everybody"), "{open}");
    let nobody = [
        "--listen",
        "0.0.0.0:0",
        "--mdns",
        "false",
        "--loopback-gm",
        "false",
        "--data-dir",
        data.to_str().unwrap(),
    ];
    // Nobody could be GM, so there is a password, the same at every start.
    let password = |said: &str| {
        let line = said.lines().find(|line| line.contains("GM password"));
        line.map(|line| line.split_whitespace().last().unwrap().to_owned())
    };
    let said = banner(&nobody, folder.path(), folder.path());
    assert!(said.contains("signs in with the password"), "{said}");
    let made = password(&said).unwrap();
    assert_eq!(made.len(), "abcd-efgh-jkmn".len());
    let again = banner(&nobody, folder.path(), folder.path());
    assert_eq!(password(&again).unwrap(), made);
    // One that was given is not shown.
    let given = [&nobody[..], &["--gm-password", "opensesame"]].concat();
    let said = banner(&given, folder.path(), folder.path());
    assert!(said.contains("signs in with the password"), "{said}");
    assert!(password(&said).is_none() && !said.contains("opensesame"));
}

#[test]
fn a_first_start_anywhere_has_the_demo_table() {
    let home = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let said = banner(&["--listen", "127.0.0.1:0"], home.path(), elsewhere.path());
    assert!(said.contains("2 maps, 1 scene, 6 sounds"), "{said}");
    assert!(
        home.path()
            .join(".local/share/tablekeep/maps/crypt.jpg")
            .exists()
    );
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    // What somebody has changed stays, also when a folder is missing.
    let own = home.path().join(".local/share/tablekeep");
    std::fs::write(own.join("maps/crypt.jpg"), b"mine").unwrap();
    std::fs::remove_dir_all(own.join("sounds")).unwrap();
    banner(&["--listen", "127.0.0.1:0"], home.path(), elsewhere.path());
    assert_eq!(std::fs::read(own.join("maps/crypt.jpg")).unwrap(), b"mine");
    // In a folder with the three, that folder is the table.
    for dir in ["maps", "scenes", "sounds"] {
        std::fs::create_dir(elsewhere.path().join(dir)).unwrap();
    }
    let said = banner(&["--listen", "127.0.0.1:0"], home.path(), elsewhere.path());
    assert!(said.contains("0 maps, 0 scenes, 0 sounds"), "{said}");
}

#[rstest]
#[case::chat("/chat")]
#[case::a_screen("/display")]
#[case::players("/join")]
fn pages_are_for_everybody_and_run_no_script_from_elsewhere(#[case] path: &str) {
    let server = start_with(&["--players", "code", "--loopback-gm", "false"]);
    let page = server.get(path);
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'self'; img-src 'self' data: blob:;"));
    // The link that led here has a key or a code at its end.
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert!(!page.text().contains("<script>"));
}

#[test]
fn the_pages_files_are_packed_for_those_who_can_unpack_them() {
    let server = start();
    let get = |headers: &[(&str, &str)]| server.send("GET", "/ui/live.js", headers, b"");
    let plain = get(&[]);
    assert_eq!(plain.header("content-encoding"), None);
    for refusing in ["identity", "gzip;q=0", "br"] {
        let answer = get(&[("accept-encoding", refusing)]);
        assert_eq!(answer.header("content-encoding"), None, "{refusing}");
        assert_eq!(answer.body, plain.body);
    }
    for _ in 0..2 {
        let packed = get(&[("accept-encoding", "gzip, deflate, br")]);
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        assert!(packed.header("vary").unwrap().contains("Accept-Encoding"));
        assert!(packed.body.len() < plain.body.len() / 2);
        let mut text = Vec::new();
        let mut unpacked = flate2::read::GzDecoder::new(&packed.body[..]);
        unpacked.read_to_end(&mut text).unwrap();
        assert_eq!(text, plain.body);
        // Another representation is another entity, and each is known again.
        let tag = packed.header("etag").unwrap();
        assert_ne!(Some(tag), plain.header("etag"));
        let again = get(&[("accept-encoding", "gzip"), ("if-none-match", tag)]);
        assert_eq!((again.status, again.body.len()), (304, 0));
    }
}

#[test]
fn the_start_page_is_for_browsers_and_the_greeting_for_programs() {
    let server = start();
    assert_eq!(
        server.get("/").text(),
        r#"{"message":"Welcome to SpellTable API"}"#
    );
    let page = server.send(
        "GET",
        "/",
        &[("accept", "text/html,application/xhtml+xml")],
        b"",
    );
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .contains("frame-ancestors 'self'")
    );
    assert_eq!(
        page.header("cross-origin-opener-policy"),
        Some("same-origin")
    );
    let etag = page.header("etag").unwrap();
    let again = server.send(
        "GET",
        "/",
        &[("accept", "text/html"), ("if-none-match", etag)],
        b"",
    );
    assert_eq!(again.status, 304);
}

#[test]
fn nothing_more_is_printed_to_standard_output_than_the_address() {
    let mut server = start();
    server.get("/health");
    assert_eq!(server.terminate(), 0);
    assert_eq!(server.rest_of_output(), "");
}
