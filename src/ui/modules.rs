//! Which modules a page's script needs: the page names them all, so that a browser asks for them at
//! once instead of finding them one import after the other.

use std::collections::HashSet;

/// Where the pages' files are.
const ROOT: &str = "/ui/";

/// The page with a `modulepreload` for each module that its script imports, itself or through others.
/// `read` gives a script without its comments.
pub(super) fn with_preloads(page: &str, read: impl Fn(&str) -> Option<String>) -> String {
    let (Some(script), Some(end)) = (script_of(page), page.find("</head>")) else {
        return page.to_owned();
    };
    let preloads = modules_of(script, read)
        .into_iter()
        .map(|name| format!("  <link rel=\"modulepreload\" href=\"{ROOT}{name}\">\n"));
    let (head, rest) = page.split_at(end);
    [head, &preloads.collect::<String>(), rest].concat()
}

/// The module that a page starts, by its name below [`ROOT`].
fn script_of(page: &str) -> Option<&str> {
    let (_, from) = page.split_once("<script type=\"module\" src=\"/ui/")?;
    Some(from.split_once('"')?.0)
}

/// What a module imports, itself or through others, the nearest first.
fn modules_of(script: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut found = vec![script.to_owned()];
    let mut known: HashSet<_> = found.iter().cloned().collect();
    let mut at = 0;
    while let Some(name) = found.get(at).cloned() {
        at += 1;
        let text = read(&name).unwrap_or_default();
        let imports = text.lines().filter_map(imported);
        found.extend(
            imports
                .map(|path| resolve(&name, path))
                .filter(|name| known.insert(name.clone())),
        );
    }
    found.split_off(1)
}

/// The path in a line such as `import { h } from "../dom.js";`. Imports in the middle of a program,
/// `import("./later.js")`, are for later.
fn imported(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let is_import = ["import ", "export ", "} from "]
        .iter()
        .any(|word| line.starts_with(word));
    let (_, path) = line
        .split_once(" from \"")
        .or_else(|| line.split_once("import \""))?;
    let (path, _) = path.split_once('"')?;
    (is_import && path.starts_with('.')).then_some(path)
}

/// A path as one module writes it of another.
fn resolve(from: &str, path: &str) -> String {
    let mut parts: Vec<_> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> Option<String> {
        let script = match name {
            "app.js" => {
                "import { a } from \"./a/a.js\";\nimport {\n  b,\n} from \"./b.js\";\nif (x) import(\"./later.js\");\n"
            }
            "a/a.js" => {
                "import \"../b.js\";\nexport { c } from \"./c.js\";\nconst from = \" from \\\"./no.js\\\"\";\n"
            }
            "a/c.js" => "import { a } from \"./a.js\";\n",
            "b.js" => "",
            _ => return None,
        };
        Some(script.to_owned())
    }

    #[test]
    fn all_that_is_imported_at_once_is_found_the_nearest_first_and_once() {
        assert_eq!(modules_of("app.js", read), ["a/a.js", "b.js", "a/c.js"]);
    }

    #[test]
    fn a_page_names_the_modules_of_its_script_in_its_head() {
        let page =
            "<head>\n  <script type=\"module\" src=\"/ui/a/c.js\"></script>\n</head>\n<body>";
        let expected = "<head>\n  <script type=\"module\" src=\"/ui/a/c.js\"></script>\n  \
            <link rel=\"modulepreload\" href=\"/ui/a/a.js\">\n  <link rel=\"modulepreload\" href=\"/ui/b.js\">\n</head>\n<body>";
        assert_eq!(with_preloads(page, read), expected);
        assert_eq!(with_preloads("<body>", read), "<body>");
    }
}
