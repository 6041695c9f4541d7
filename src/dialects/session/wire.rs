//! Clients' messages: the raw text of what is said, no JSON around it.

use super::rules::RoomRules;
use crate::config::SessionLimits;
use crate::live::{CloseCode, Dialect, Heard, Pace};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// Of those that are too fast, so often one is told.
const TELL: Duration = Duration::from_secs(1);

/// What a member says, as far as the room is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A text that is not blank, of valid UTF-8 and not too long.
    Said(Bytes),
    /// Something was too long and is dropped.
    TooLong,
    /// Something came too fast and is dropped.
    TooFast,
}

/// Reads the messages of one connection.
pub struct Wire {
    pace: Pace,
    most_chars: usize,
    told: Option<Instant>,
}

impl Wire {
    /// Of somebody who has not said anything yet.
    pub fn new(limits: &SessionLimits) -> Self {
        Self {
            pace: Pace::new(limits.messages_per_second),
            most_chars: limits.message_chars as usize,
            told: None,
        }
    }

    fn read_at(&mut self, text: Bytes, now: Instant) -> Heard<Message> {
        // As text it has been checked; as a binary message it has not.
        let Ok(said) = std::str::from_utf8(&text) else {
            return Heard::End(CloseCode::NotUtf8, "a message must be UTF-8".into());
        };
        if !self.pace.take(0, now) {
            let told = self.told.is_some_and(|told| now - told < TELL);
            return if told {
                Heard::Nothing
            } else {
                self.told = Some(now);
                Heard::Message(Message::TooFast)
            };
        }
        if said.trim().is_empty() {
            return Heard::Nothing;
        }
        // No text has more characters than bytes.
        if said.len() > self.most_chars && said.chars().nth(self.most_chars).is_some() {
            return Heard::Message(Message::TooLong);
        }
        Heard::Message(Message::Said(text))
    }
}

impl Dialect for Wire {
    type Rules = RoomRules;

    const TAKES_BINARY: bool = true;

    fn read(&mut self, text: Bytes) -> Heard<Message> {
        self.read_at(text, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::settings;

    fn wire() -> Wire {
        Wire::new(&settings(&[]).limits.sessions)
    }

    fn read(wire: &mut Wire, text: &[u8], now: Instant) -> Option<Message> {
        match wire.read_at(Bytes::copy_from_slice(text), now) {
            Heard::Message(message) => Some(message),
            Heard::Nothing => None,
            _ => panic!("neither a message nor nothing"),
        }
    }

    #[test]
    fn texts_are_taken_as_they_are() {
        let now = Instant::now();
        let long = "ä".repeat(1000);
        for text in ["x", " x ", "{\"a\":1}", "<b>", "a\nb", "🎲", "\0x", &long] {
            let said = Message::Said(Bytes::copy_from_slice(text.as_bytes()));
            assert_eq!(read(&mut wire(), text.as_bytes(), now), Some(said));
        }
        for text in ["", " ", "\n\t", "\u{a0}\u{2003}"] {
            assert_eq!(read(&mut wire(), text.as_bytes(), now), None, "{text:?}");
        }
        let longer = "ä".repeat(1001);
        assert_eq!(
            read(&mut wire(), longer.as_bytes(), now),
            Some(Message::TooLong)
        );
        let invalid = wire().read_at(Bytes::from_static(b"\xff"), now);
        assert!(matches!(invalid, Heard::End(CloseCode::NotUtf8, _)));
    }

    #[test]
    fn a_burst_passes_and_who_goes_on_is_told_once_a_second() {
        let mut wire = wire();
        let start = Instant::now();
        let mut say = |millis| read(&mut wire, b"x", start + Duration::from_millis(millis));
        for _ in 0..200 {
            assert!(matches!(say(0), Some(Message::Said(_))));
        }
        assert_eq!(say(0), Some(Message::TooFast));
        assert_eq!(say(1), None);
        assert!(matches!(say(25), Some(Message::Said(_))));
        assert_eq!(say(25), None);
        for _ in 0..50 {
            assert!(matches!(say(1025), Some(Message::Said(_))));
        }
        assert_eq!(say(1025), Some(Message::TooFast));
    }

    #[test]
    fn fuzz_the_session_codec() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let mut wire = wire();
            match wire.read(Bytes::copy_from_slice(bytes)) {
                Heard::Message(Message::Said(text)) => {
                    let said = std::str::from_utf8(&text).unwrap();
                    assert!(!said.trim().is_empty() && said.chars().count() <= 1000);
                    assert_eq!(text, bytes);
                }
                Heard::Message(_) => assert!(bytes.len() > 1000),
                Heard::Nothing => {
                    assert!(std::str::from_utf8(bytes).unwrap().trim().is_empty());
                }
                Heard::End(..) => assert!(std::str::from_utf8(bytes).is_err()),
                Heard::Answer(_) | Heard::Last(_) => panic!("nothing is answered at once"),
            }
        });
    }
}
