//! The committed description is the true one.

use crate::support::start;
use serde_json::Value;
use std::path::PathBuf;

#[test]
fn the_committed_document_is_what_the_routes_make() {
    for (name, made) in [
        ("openapi.json", tablekeep::server::api_document()),
        ("nexus-assets.json", tablekeep::server::assets_document()),
    ] {
        let made = made.unwrap();
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("openapi")
            .join(name);
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(&file, &made).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap();
        assert!(
            made == committed,
            "openapi/{name} is out of date: run UPDATE_OPENAPI=1 cargo test --test api openapi"
        );
    }
}

#[test]
fn the_documents_and_the_viewer_are_served() {
    let server = start();
    let api = server.get("/openapi.json").value();
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(server.get("/docs").status, 307);
    let page = server.get("/docs/");
    assert_eq!(page.status, 200);
    assert!(page.text().contains("swagger"));
    // Everything that the page loads comes from here: it works without internet.
    let text = page.text();
    let elsewhere: Vec<_> = text
        .split('"')
        .filter(|part| part.starts_with("http"))
        .collect();
    assert!(elsewhere.is_empty(), "the page loads {elsewhere:?}");
    assert!(server.get("/docs/swagger-ui-bundle.js").body.len() > 100_000);
    let asyncapi = server.get("/asyncapi.yaml");
    assert!(asyncapi.text().starts_with("asyncapi: 3."));
    let cut: Vec<_> = asyncapi
        .text()
        .lines()
        .flat_map(keys_without_value)
        .collect();
    assert!(cut.is_empty(), "quote what has a comma: {cut:?}");
}

/// The parts of a line's flow mappings (`{a: b, c}`) that are keys alone: a comma in a text that is not
/// quoted cuts it off there (YAML 1.2, section 7.4.2).
fn keys_without_value(line: &str) -> Vec<String> {
    // A line of a text that runs over several has no mapping.
    let before_it = line.split(['{', '[']).next().unwrap_or_default();
    if before_it.trim().trim_start_matches("- ").contains(' ') {
        return Vec::new();
    }
    let mut found = Vec::new();
    // The brackets that are open, with the part behind each that has begun.
    let mut open: Vec<(char, String)> = Vec::new();
    let mut quoted = false;
    let mut before = ' ';
    for c in line.chars() {
        quoted ^= c == '\'';
        // Elsewhere a bracket is a text's own.
        let opens = matches!(c, '{' | '[') && ":-,{[".contains(before);
        let closes = matches!(c, '}' | ']');
        if quoted || (open.is_empty() && !opens) {
            if let Some((_, part)) = open.last_mut() {
                part.push(c);
            }
        } else if opens {
            open.push((c, String::new()));
        } else if c == ',' || closes {
            let (bracket, part) = open.last_mut().expect("a bracket is open");
            let is_bare = !part.contains(':') && !part.trim().is_empty();
            if *bracket == '{' && is_bare {
                found.push(part.trim().to_owned());
            }
            part.clear();
            if closes {
                open.pop();
            }
        } else if let Some((_, part)) = open.last_mut() {
            part.push(c);
        }
        if c != ' ' {
            before = c;
        }
    }
    found
}

#[test]
fn a_comma_that_cuts_a_text_off_is_found() {
    let bare = |line| keys_without_value(line);
    assert_eq!(
        bare("a: {b: {type: string, description: One, or more.}}"),
        ["or more."]
    );
    for good in [
        "a: {b: {type: [x, y], description: 'One, or {more}.'}, c: {}}",
        "    what, is {this} in a text, then",
        "    client may write `{\"JoinRoom\":{...}}`, which",
    ] {
        assert!(bare(good).is_empty(), "{good}: {:?}", bare(good));
    }
}

#[test]
fn every_documented_path_answers() {
    let server = start();
    let api = server.get("/openapi.json").value();
    let mut count = 0;
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let mut path = path.clone();
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap();
                let example = parameter["example"].as_str().unwrap_or("x");
                path = path.replace(&format!("{{{name}}}"), example);
            }
            let answer = server.send(&method.to_uppercase(), &path, &[], b"");
            assert!(answer.status < 500, "{method} {path}: {}", answer.text());
            // The name is looked at before anything else.
            let misdirected = operation["responses"].get("421");
            assert!(misdirected.is_some(), "{method} {path}");
            assert_ne!(answer.status, 405, "{method} {path}");
            if answer.status == 404 {
                assert_ne!(
                    answer.text(),
                    "{\"detail\":\"Not Found\"}",
                    "{method} {path}"
                );
            }
            count += 1;
        }
    }
    assert!(count > 30, "only {count} operations");
}

#[test]
fn every_error_answer_in_the_document_has_a_body() {
    let documents = [
        tablekeep::server::OPENAPI,
        tablekeep::server::ASSETS_OPENAPI,
    ];
    let documents = documents.map(|document| serde_json::from_str::<Value>(document).unwrap());
    for (path, item) in documents
        .iter()
        .flat_map(|api| api["paths"].as_object().unwrap())
    {
        for (method, operation) in item.as_object().unwrap() {
            for (status, answer) in operation["responses"].as_object().unwrap() {
                if status.starts_with(['4', '5']) {
                    let json = &answer["content"]["application/json"]["schema"]["$ref"];
                    // Scalable Chat's own words are bare text.
                    let text = &answer["content"]["text/plain"]["schema"]["type"];
                    assert!(
                        json.is_string() || text == "string",
                        "{method} {path} {status}"
                    );
                }
            }
        }
    }
}
