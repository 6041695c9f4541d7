//! What holds for edits, case by case.

use super::*;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

fn text(json: &str) -> JsonText {
    JsonText::parse(Bytes::copy_from_slice(json.as_bytes())).unwrap()
}

fn edits(json: &str) -> Result<Vec<Edit>, EditError> {
    let text = text(json);
    Edit::parse_list(text.root(), &text)
}

#[derive(Deserialize)]
struct Case<'a> {
    name: String,
    #[serde(borrow)]
    doc: &'a RawValue,
    #[serde(borrow)]
    edits: &'a RawValue,
    result: Option<Value>,
    error: Option<String>,
}

#[test]
fn the_shared_cases_hold() {
    let cases = include_str!("../../../tests/vectors/edits.json");
    let cases: Vec<Case<'_>> = serde_json::from_str(cases).unwrap();
    for case in &cases {
        let doc = text(case.doc.get());
        let outcome = match edits(case.edits.get()) {
            Ok(edits) => apply(&doc, &edits).map_err(|refused| refused.reason.code()),
            Err(_) => Err("invalid"),
        };
        match (outcome, &case.result, &case.error) {
            (Ok(new), Some(result), None) => {
                // What was made passes the scan again.
                assert_eq!(
                    text(new.as_str()).root().to_value(),
                    *result,
                    "{}",
                    case.name
                );
            }
            (Err(code), None, Some(error)) => assert_eq!(code, error, "{}", case.name),
            (outcome, ..) => panic!("{}: {outcome:?}", case.name),
        }
    }
    assert!(cases.len() >= 40);
}
