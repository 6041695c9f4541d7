//! What the server says, in both spellings.

use super::wire::Tagging;
use crate::json::quote;
use crate::live::{Frame, Lane};
use bytes::Bytes;

/// One message of the server: its name and its fields as JSON, still without a spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    name: &'static str,
    /// `"a":1,"b":2`
    fields: String,
}

impl Said {
    /// Without fields.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            fields: String::new(),
        }
    }

    /// With one more field, whose value is JSON.
    pub fn raw(mut self, key: &str, json: &str) -> Self {
        if !self.fields.is_empty() {
            self.fields.push(',');
        }
        self.fields.push('"');
        self.fields.push_str(key);
        self.fields.push_str("\":");
        self.fields.push_str(json);
        self
    }

    /// With one more field, whose value is a text.
    pub fn text(self, key: &str, text: &str) -> Self {
        self.raw(key, &quote(text))
    }

    /// With one more field, whose value is a number.
    pub fn number(self, key: &str, number: u64) -> Self {
        self.raw(key, &number.to_string())
    }

    /// Which message it is.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Bytes in memory, roughly.
    pub fn bytes(&self) -> usize {
        self.fields.len() + size_of::<Self>()
    }

    /// As an object.
    pub fn object(&self) -> String {
        format!("{{{}}}", self.fields)
    }

    /// As a frame; `request_id`: of the message that it answers.
    pub fn frame(&self, tagging: Tagging, request_id: Option<&str>) -> Frame {
        let (open, close) = self.around(tagging, request_id);
        Frame::text(&[open.as_bytes(), self.fields.as_bytes(), close.as_bytes()])
    }

    /// As a frame with one more field at its end: a text that needs no escapes, in a buffer that
    /// is shared.
    pub fn large(
        &self,
        tagging: Tagging,
        request_id: Option<&str>,
        key: &str,
        text: Bytes,
    ) -> (Frame, Lane) {
        let (open, close) = self.around(tagging, request_id);
        let comma = if self.fields.is_empty() { "" } else { "," };
        let beginning = format!("{open}{}{comma}\"{key}\":\"", self.fields);
        let end = Bytes::from(format!("\"{close}"));
        Frame::large(beginning.as_bytes(), &[text, end])
    }

    /// What stands in front of the fields and behind them.
    fn around(&self, tagging: Tagging, request_id: Option<&str>) -> (String, String) {
        let name = self.name;
        let comma = if self.fields.is_empty() { "" } else { "," };
        let id = request_id.map(|id| format!("\"request_id\":{}", quote(id)));
        match (tagging, id) {
            (Tagging::Internal, None) => (format!("{{\"type\":\"{name}\"{comma}"), "}".into()),
            (Tagging::Internal, Some(id)) => {
                (format!("{{\"type\":\"{name}\"{comma}"), format!(",{id}}}"))
            }
            // What has no fields is a unit variant there.
            (Tagging::External, None) if self.fields.is_empty() => {
                (format!("\"{name}\""), String::new())
            }
            (Tagging::External, None) => (format!("{{\"{name}\":{{"), "}}".into()),
            (Tagging::External, Some(id)) => {
                (format!("{{\"{name}\":{{"), format!("{comma}{id}}}}}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_say_the_same() {
        let said = Said::new("Error").text("message", "a\"b");
        let say = |said: &Said, tagging, id| said.frame(tagging, id).payload().to_owned();
        let (internal, external) = (Tagging::Internal, Tagging::External);
        assert_eq!(
            say(&said, internal, None),
            r#"{"type":"Error","message":"a\"b"}"#
        );
        assert_eq!(
            say(&said, internal, Some("7")),
            r#"{"type":"Error","message":"a\"b","request_id":"7"}"#
        );
        assert_eq!(
            say(&said, external, None),
            r#"{"Error":{"message":"a\"b"}}"#
        );
        assert_eq!(
            say(&said, external, Some("7")),
            r#"{"Error":{"message":"a\"b","request_id":"7"}}"#
        );
        let pong = Said::new("Pong");
        assert_eq!(say(&pong, internal, None), r#"{"type":"Pong"}"#);
        assert_eq!(
            say(&pong, internal, Some("7")),
            r#"{"type":"Pong","request_id":"7"}"#
        );
        assert_eq!(say(&pong, external, None), r#""Pong""#);
        assert_eq!(
            say(&pong, external, Some("7")),
            r#"{"Pong":{"request_id":"7"}}"#
        );
    }

    #[test]
    fn a_large_answer_is_the_same_message_in_pieces() {
        for tagging in [Tagging::Internal, Tagging::External] {
            for id in [None, Some("7")] {
                let said = Said::new("FileContent").number("size", 2);
                let whole = said.clone().text("content", "QUJD").frame(tagging, id);
                let (head, lane) = said.large(tagging, id, "content", Bytes::from("QUJD"));
                let Lane::Large(rest) = lane else {
                    panic!("another lane")
                };
                let mut bytes = head.bytes().to_vec();
                for part in &*rest {
                    bytes.extend(part);
                }
                assert_eq!(bytes, whole.bytes().to_vec());
            }
        }
    }
}
