//! Clients' messages, from text to meaning, and everything that can be wrong with them.

use super::ids::{GroupId, NoId, Version, is_word, parse_user};
use super::issue::{Issue, TYPES};
use crate::json::{LooseJson, Node, NodeKind};
use bytes::Bytes;
use uuid::Uuid;

/// What a client says. The last four are ours: PeerShare's own clients do not know them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMessage {
    /// Wants a group of its own.
    CreateGroup {
        /// What the group is called.
        name: String,
        /// What its creator is called.
        username: String,
    },
    /// Wants into a group.
    JoinGroup {
        /// Which.
        group: GroupId,
        /// What it is called.
        username: String,
        /// Under which id it is reached at the broker, if it knows already.
        peer: Option<String>,
    },
    /// Goes.
    LeaveGroup {
        /// Who it says it is; `None`: nobody.
        user: Option<Uuid>,
    },
    /// Is reached at the broker under this id from now on.
    UpdatePeerId {
        /// The id.
        peer: String,
    },
    /// Calls.
    CallRequest {
        /// Whom.
        target: String,
        /// As whom; counts only while the server knows no id.
        from: String,
    },
    /// Answers a call.
    CallResponse {
        /// Whether it takes it.
        accepted: bool,
        /// Who called.
        caller: String,
        /// Who answers; counts only while the server knows no id.
        from: String,
    },
    /// Wants to know who moderates, now and whenever it changes.
    Moderation,
    /// Closes the group to others, or opens it again.
    LockGroup {
        /// Closes it.
        locked: bool,
    },
    /// Asks a member's client to be silent.
    MuteRequest {
        /// Whom; `None`: nobody.
        user: Option<Uuid>,
    },
    /// Sends a member away.
    RemoveUser {
        /// Whom; `None`: nobody.
        user: Option<Uuid>,
        /// Why, for that member.
        reason: Option<String>,
    },
}

/// Why a text is no message: not JSON, or the issues in the order of the fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Invalid(pub Option<Vec<Issue>>);

/// What a text must be.
struct Text {
    most: usize,
    /// `^[a-zA-Z0-9_-]+$`
    word: bool,
    /// White space around it does not count, and it is nothing without the rest.
    trimmed: bool,
}

/// Most UTF-16 code units of a user's name.
pub const NAME_CHARS: usize = 50;
/// The same of a group's name.
pub const GROUP_NAME_CHARS: usize = 100;
/// The same of an id at the broker.
pub const PEER_ID_CHARS: usize = 100;
/// The same of the reason why somebody is removed.
pub const REASON_CHARS: usize = 100;

const NAME: Text = Text {
    most: NAME_CHARS,
    word: true,
    trimmed: false,
};
const GROUP_NAME: Text = Text {
    most: GROUP_NAME_CHARS,
    word: false,
    trimmed: true,
};
const PEER_ID: Text = Text {
    most: PEER_ID_CHARS,
    word: false,
    trimmed: false,
};
const REASON: Text = Text {
    most: REASON_CHARS,
    word: false,
    trimmed: false,
};

/// Whether a connection whose first message this is speaks PeerShare.
pub fn is_peershare(text: &Bytes) -> bool {
    let Ok(text) = LooseJson::parse(text.clone()) else {
        return false;
    };
    let kind = member(text.root(), "type");
    kind.is_some_and(|kind| TYPES.iter().any(|known| kind.means(known)))
}

/// Reads one message.
pub fn read(text: Bytes, version: Version) -> Result<ClientMessage, Invalid> {
    let text = LooseJson::parse(text).map_err(|_| Invalid(None))?;
    let root = text.root();
    if root.kind() != NodeKind::Object {
        let issue = Issue::wrong_type("object", Some(root), &[]);
        return Err(Invalid(Some(vec![issue])));
    }
    let kind = member(root, "type").and_then(|kind| kind.as_str());
    let mut fields = Fields {
        payload: member(root, "payload"),
        version,
        issues: Vec::new(),
    };
    let is_object = |payload: Node<'_>| payload.kind() == NodeKind::Object;
    let message = match kind.as_deref().and_then(reader) {
        None => return Err(Invalid(Some(vec![Issue::unknown_type()]))),
        Some(read) if fields.payload.is_some_and(is_object) => read(&mut fields),
        Some(_) => {
            let issue = Issue::wrong_type("object", fields.payload, &["payload"]);
            fields.issues.push(issue);
            None
        }
    };
    if let Some(timestamp) = member(root, "timestamp")
        && timestamp.kind() != NodeKind::Number
    {
        let issue = Issue::wrong_type("number", Some(timestamp), &["timestamp"]);
        fields.issues.push(issue);
    }
    message
        .filter(|_| fields.issues.is_empty())
        .ok_or(Invalid(Some(fields.issues)))
}

/// Reads the fields of one type of message. Each looks at all of its fields before it gives up.
type Reader = fn(&mut Fields<'_>) -> Option<ClientMessage>;

fn reader(kind: &str) -> Option<Reader> {
    use ClientMessage as M;
    Some(match kind {
        "create-group" => |fields| {
            let (name, username) = (
                fields.text("groupName", &GROUP_NAME),
                fields.text("username", &NAME),
            );
            Some(M::CreateGroup {
                name: name?,
                username: username?,
            })
        },
        "join-group" => |fields| {
            let (group, username) = (fields.group("groupId"), fields.text("username", &NAME));
            let peer = fields.optional("peerId", &PEER_ID);
            Some(M::JoinGroup {
                group: group?,
                username: username?,
                peer,
            })
        },
        "leave-group" => |fields| {
            let user = fields.user("userId")?;
            Some(M::LeaveGroup { user })
        },
        "update-peer-id" => |fields| {
            let peer = fields.text("peerId", &PEER_ID)?;
            Some(M::UpdatePeerId { peer })
        },
        "call-request" => |fields| {
            let target = fields.text("targetPeerId", &PEER_ID);
            let from = fields.text("fromPeerId", &PEER_ID);
            // The session's name is what others are told.
            fields.text("fromUsername", &NAME)?;
            Some(M::CallRequest {
                target: target?,
                from: from?,
            })
        },
        "call-response" => |fields| {
            let accepted = fields.boolean("accepted");
            let caller = fields.text("fromPeerId", &PEER_ID);
            let from = fields.text("toPeerId", &PEER_ID);
            Some(M::CallResponse {
                accepted: accepted?,
                caller: caller?,
                from: from?,
            })
        },
        "moderation" => |_| Some(M::Moderation),
        "lock-group" => |fields| {
            let locked = fields.boolean("locked")?;
            Some(M::LockGroup { locked })
        },
        "mute-request" => |fields| {
            let user = fields.user("userId")?;
            Some(M::MuteRequest { user })
        },
        "remove-user" => |fields| {
            let user = fields.user("userId");
            let reason = fields.optional("reason", &REASON);
            Some(M::RemoveUser {
                user: user?,
                reason,
            })
        },
        _ => return None,
    })
}

/// A payload that is read field by field, and what was wrong so far.
struct Fields<'a> {
    payload: Option<Node<'a>>,
    version: Version,
    issues: Vec<Issue>,
}

impl<'a> Fields<'a> {
    fn find(&self, name: &str) -> Option<Node<'a>> {
        self.payload.and_then(|payload| member(payload, name))
    }

    /// A string; `None` is told as an issue.
    fn string(&mut self, name: &str) -> Option<std::borrow::Cow<'a, str>> {
        let found = self.find(name);
        let text = found.and_then(|node| node.as_str());
        if text.is_none() {
            let path = ["payload", name];
            self.issues.push(match found.map(|node| node.kind()) {
                // Half of a surrogate pair: a text for JavaScript, and none that anybody means.
                Some(NodeKind::String) => Issue::shape("regex", &path),
                _ => Issue::wrong_type("string", found, &path),
            });
        }
        text
    }

    fn boolean(&mut self, name: &str) -> Option<bool> {
        let found = self.find(name);
        let value = found.filter(|node| node.kind() == NodeKind::Bool);
        if value.is_none() {
            let issue = Issue::wrong_type("boolean", found, &["payload", name]);
            self.issues.push(issue);
        }
        value.map(|node| node.raw() == "true")
    }

    fn text(&mut self, name: &str, rule: &Text) -> Option<String> {
        let text = self.string(name)?;
        let path = ["payload", name];
        let kept = match rule.trimmed {
            true => text.trim_matches(is_space),
            false => &text,
        };
        let issues = [
            kept.is_empty().then(|| Issue::empty(&path)),
            (utf16_len(&text) > rule.most).then(|| Issue::too_long(rule.most, &path)),
            (rule.word && !is_word(kept)).then(|| Issue::shape("regex", &path)),
        ];
        let before = self.issues.len();
        self.issues.extend(issues.into_iter().flatten());
        (self.issues.len() == before).then(|| kept.to_owned())
    }

    /// A text that may be absent, which is told apart from one that is wrong by the issues.
    fn optional(&mut self, name: &str, rule: &Text) -> Option<String> {
        self.find(name)?;
        self.text(name, rule)
    }

    fn group(&mut self, name: &str) -> Option<GroupId> {
        let text = self.string(name)?;
        self.id(name, GroupId::parse(&text))
    }

    fn user(&mut self, name: &str) -> Option<Option<Uuid>> {
        let text = self.string(name)?;
        self.id(name, parse_user(&text))
    }

    fn id<T>(&mut self, name: &str, parsed: Result<T, NoId>) -> Option<T> {
        if parsed.is_err() {
            let issue = Issue::shape(validation(self.version), &["payload", name]);
            self.issues.push(issue);
        }
        parsed.ok()
    }
}

/// How this version checks its ids.
pub(super) fn validation(version: Version) -> &'static str {
    match version {
        Version::Seed => "uuid",
        Version::Newest => "regex",
    }
}

/// Of a repeated member the last one counts, as for those who wrote it.
fn member<'a>(object: Node<'a>, name: &str) -> Option<Node<'a>> {
    let named = |entry: &crate::json::Entry<'a>| entry.key.is_some_and(|key| key.means(name));
    (object.kind() == NodeKind::Object)
        .then(|| object.entries().filter(named).last())
        .flatten()
        .map(|entry| entry.value)
}

/// JavaScript's idea of a text's length.
pub(super) fn utf16_len(text: &str) -> usize {
    text.encode_utf16().count()
}

/// JavaScript's idea of white space: with the byte order mark, without NEL.
fn is_space(c: char) -> bool {
    (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    const ID: &str = "0b6fe7ab-3b1f-41ee-be56-0242ac120002";
    const BOTH: [Version; 2] = [Version::Seed, Version::Newest];

    fn read_text(text: &str, version: Version) -> Result<ClientMessage, Invalid> {
        read(Bytes::copy_from_slice(text.as_bytes()), version)
    }

    /// The issues without the words for people.
    fn issues(text: &str, version: Version) -> Value {
        let issues = read_text(text, version).unwrap_err().0;
        let mut issues = serde_json::to_value(issues).unwrap();
        for issue in issues.as_array_mut().into_iter().flatten() {
            let message = issue.as_object_mut().unwrap().shift_remove("message");
            assert!(message.unwrap().is_string());
        }
        issues
    }

    /// A message with one field of its payload set, or without it.
    fn with(kind: &str, field: &str, value: Option<Value>) -> String {
        let mut payload = match kind {
            "create-group" => json!({"groupName": "G", "username": "ann"}),
            "join-group" => json!({"groupId": ID, "username": "ann"}),
            "leave-group" | "mute-request" | "remove-user" => json!({"userId": ID}),
            "update-peer-id" => json!({"peerId": "p"}),
            "call-request" => {
                json!({"targetPeerId": "p", "fromPeerId": "q", "fromUsername": "ann"})
            }
            "call-response" => json!({"accepted": true, "fromPeerId": "p", "toPeerId": "q"}),
            "lock-group" => json!({"locked": true}),
            _ => json!({}),
        };
        match value {
            Some(value) => payload[field] = value,
            None => drop(payload.as_object_mut().unwrap().shift_remove(field)),
        }
        json!({"type": kind, "payload": payload}).to_string()
    }

    #[test]
    fn every_message_is_read() {
        let user = Uuid::try_parse(ID).ok();
        let group = GroupId::parse(ID).unwrap();
        let text = |text: &str| text.to_owned();
        for (said, meant) in [
            (
                json!({"type": "create-group", "payload": {"groupName": " My Group\u{feff}", "username": "alice"}}),
                ClientMessage::CreateGroup {
                    name: text("My Group"),
                    username: text("alice"),
                },
            ),
            (
                json!({"type": "join-group", "payload": {"groupId": ID, "username": "bob", "peerId": "peer-b", "x": null}, "timestamp": 1.5}),
                ClientMessage::JoinGroup {
                    group: group.clone(),
                    username: text("bob"),
                    peer: Some(text("peer-b")),
                },
            ),
            (
                json!({"payload": {"username": "b_-9", "groupId": format!("group_{ID}")}, "type": "join-group"}),
                ClientMessage::JoinGroup {
                    group,
                    username: text("b_-9"),
                    peer: None,
                },
            ),
            (
                json!({"type": "leave-group", "payload": {"userId": ID}}),
                ClientMessage::LeaveGroup { user },
            ),
            (
                json!({"type": "leave-group", "payload": {"userId": format!("user_{ID}")}}),
                ClientMessage::LeaveGroup { user },
            ),
            (
                json!({"type": "update-peer-id", "payload": {"peerId": " any ü "}}),
                ClientMessage::UpdatePeerId {
                    peer: text(" any ü "),
                },
            ),
            (
                json!({"type": "call-request", "payload": {"targetPeerId": "b", "fromPeerId": "a", "fromUsername": "alice"}}),
                ClientMessage::CallRequest {
                    target: text("b"),
                    from: text("a"),
                },
            ),
            (
                json!({"type": "call-response", "payload": {"accepted": false, "fromPeerId": "a", "toPeerId": "b"}}),
                ClientMessage::CallResponse {
                    accepted: false,
                    caller: text("a"),
                    from: text("b"),
                },
            ),
            (
                json!({"type": "moderation", "payload": {}}),
                ClientMessage::Moderation,
            ),
            (
                json!({"type": "lock-group", "payload": {"locked": true}}),
                ClientMessage::LockGroup { locked: true },
            ),
            (
                json!({"type": "mute-request", "payload": {"userId": ID}}),
                ClientMessage::MuteRequest { user },
            ),
            (
                json!({"type": "remove-user", "payload": {"userId": ID, "reason": "late"}}),
                ClientMessage::RemoveUser {
                    user,
                    reason: Some(text("late")),
                },
            ),
        ] {
            for version in BOTH {
                assert_eq!(
                    read_text(&said.to_string(), version),
                    Ok(meant.clone()),
                    "{said}"
                );
            }
        }
        let word = json!({"type": "leave-group", "payload": {"userId": "user_x"}});
        let nobody = ClientMessage::LeaveGroup { user: None };
        assert_eq!(read_text(&word.to_string(), Version::Newest), Ok(nobody));
    }

    #[test]
    fn the_last_of_repeated_members_counts() {
        let text = r#"{"type":"x","payload":7,"payload":{"peerId":1,"peerId":"p"},"type":"update-peer-id"}"#;
        let meant = ClientMessage::UpdatePeerId { peer: "p".into() };
        assert_eq!(read_text(text, Version::Seed), Ok(meant));
    }

    #[rstest]
    fn what_is_not_json_has_no_issues(
        #[values("", "{", "hello", "{\"type\":}", "\u{feff}{}", "[1,]", "'x'")] text: &str,
    ) {
        assert_eq!(read_text(text, Version::Seed), Err(Invalid(None)));
        assert!(!is_peershare(&Bytes::copy_from_slice(text.as_bytes())));
    }

    #[rstest]
    #[case("null", "null")]
    #[case("[]", "array")]
    #[case("7", "number")]
    #[case("\"x\"", "string")]
    #[case(" true ", "boolean")]
    fn json_that_is_no_object_is_one_issue(#[case] text: &str, #[case] received: &str) {
        let expected = json!([{"code": "invalid_type", "expected": "object", "received": received, "path": []}]);
        assert_eq!(issues(text, Version::Seed), expected);
    }

    #[rstest]
    fn an_unknown_type_is_one_issue_with_all_options(
        #[values(
            "{}",
            r#"{"type":"ping"}"#,
            r#"{"type":7,"timestamp":"x"}"#,
            r#"{"type":null,"payload":{}}"#,
            r#"{"type":["create-group"]}"#,
            r#"{"type":"Create-Group","payload":{}}"#
        )]
        text: &str,
    ) {
        let options = [
            "create-group",
            "join-group",
            "leave-group",
            "update-peer-id",
            "call-request",
            "call-response",
        ];
        let expected =
            json!([{"code": "invalid_union_discriminator", "options": options, "path": ["type"]}]);
        for version in BOTH {
            assert_eq!(issues(text, version), expected);
        }
    }

    #[rstest]
    fn a_payload_must_be_an_object(
        #[values(
            "create-group",
            "join-group",
            "leave-group",
            "update-peer-id",
            "call-request",
            "call-response",
            "moderation"
        )]
        kind: &str,
    ) {
        for (payload, received) in [
            (None, "undefined"),
            (Some(json!(null)), "null"),
            (Some(json!([])), "array"),
            (Some(json!("x")), "string"),
        ] {
            let mut message = json!({"type": kind});
            if let Some(payload) = payload {
                message["payload"] = payload;
            }
            let wrong = json!({"code": "invalid_type", "expected": "object", "received": received, "path": ["payload"]});
            assert_eq!(issues(&message.to_string(), Version::Seed), json!([wrong]));
            message["timestamp"] = json!("now");
            let late = json!({"code": "invalid_type", "expected": "number", "received": "string", "path": ["timestamp"]});
            assert_eq!(
                issues(&message.to_string(), Version::Seed),
                json!([wrong, late])
            );
        }
    }

    #[rstest]
    fn a_timestamp_is_a_number_or_absent(
        #[values(json!(null), json!("1"), json!(true), json!({}), json!([]))] value: Value,
    ) {
        let message =
            json!({"type": "update-peer-id", "payload": {"peerId": "p"}, "timestamp": value});
        let issues = issues(&message.to_string(), Version::Seed);
        assert_eq!(issues[0]["path"], json!(["timestamp"]));
        assert_eq!(issues.as_array().unwrap().len(), 1);
    }

    /// Every field of every message, with values of every other type.
    #[rstest]
    #[case("create-group", "groupName", "string")]
    #[case("create-group", "username", "string")]
    #[case("join-group", "groupId", "string")]
    #[case("join-group", "username", "string")]
    #[case("join-group", "peerId", "string")]
    #[case("leave-group", "userId", "string")]
    #[case("update-peer-id", "peerId", "string")]
    #[case("call-request", "targetPeerId", "string")]
    #[case("call-request", "fromPeerId", "string")]
    #[case("call-request", "fromUsername", "string")]
    #[case("call-response", "accepted", "boolean")]
    #[case("call-response", "fromPeerId", "string")]
    #[case("call-response", "toPeerId", "string")]
    #[case("lock-group", "locked", "boolean")]
    #[case("mute-request", "userId", "string")]
    #[case("remove-user", "userId", "string")]
    #[case("remove-user", "reason", "string")]
    fn a_field_of_another_type_is_one_issue(
        #[case] kind: &str,
        #[case] field: &str,
        #[case] expected: &str,
    ) {
        for (value, received) in [
            (Some(json!(7)), "number"),
            (Some(json!(null)), "null"),
            (Some(json!({})), "object"),
            (Some(json!([])), "array"),
            (Some(json!(true)), "boolean"),
            (Some(json!("x")), "string"),
            (None, "undefined"),
        ] {
            let optional = matches!(field, "peerId" if kind == "join-group") || field == "reason";
            if received == expected || (value.is_none() && optional) {
                continue;
            }
            let issue = json!({"code": "invalid_type", "expected": expected, "received": received, "path": ["payload", field]});
            assert_eq!(
                issues(&with(kind, field, value), Version::Seed),
                json!([issue])
            );
        }
    }

    fn small(field: &str) -> Value {
        json!({"code": "too_small", "minimum": 1, "type": "string", "inclusive": true, "exact": false, "path": ["payload", field]})
    }

    fn big(field: &str, most: usize) -> Value {
        json!({"code": "too_big", "maximum": most, "type": "string", "inclusive": true, "exact": false, "path": ["payload", field]})
    }

    fn shape(field: &str, validation: &str) -> Value {
        json!({"code": "invalid_string", "validation": validation, "path": ["payload", field]})
    }

    #[rstest]
    #[case("create-group", "username", 50)]
    #[case("join-group", "username", 50)]
    #[case("call-request", "fromUsername", 50)]
    fn names_are_words(#[case] kind: &str, #[case] field: &str, #[case] most: usize) {
        let long = |n: usize, c: &str| c.repeat(n);
        for (value, expected) in [
            (String::new(), json!([small(field), shape(field, "regex")])),
            ("a b".into(), json!([shape(field, "regex")])),
            (" ann ".into(), json!([shape(field, "regex")])),
            ("ann\n".into(), json!([shape(field, "regex")])),
            ("änn".into(), json!([shape(field, "regex")])),
            (long(most + 1, "x"), json!([big(field, most)])),
            (
                format!("{} x", long(most, "x")),
                json!([big(field, most), shape(field, "regex")]),
            ),
            // An emoji counts twice.
            (
                long(most / 2 + 1, "🎲"),
                json!([big(field, most), shape(field, "regex")]),
            ),
            (long(most / 2, "🎲"), json!([shape(field, "regex")])),
        ] {
            assert_eq!(
                issues(&with(kind, field, Some(json!(value))), Version::Seed),
                expected,
                "{value}"
            );
        }
        assert!(
            read_text(
                &with(kind, field, Some(json!(long(most, "x")))),
                Version::Seed
            )
            .is_ok()
        );
    }

    #[test]
    fn group_names_are_measured_before_and_kept_after_trimming() {
        let field = "groupName";
        for (value, expected) in [
            (String::new(), json!([small(field)])),
            (" \t\u{a0}\u{feff}\u{2028}".into(), json!([small(field)])),
            (format!(" {}", "x".repeat(100)), json!([big(field, 100)])),
            ("🎲".repeat(51), json!([big(field, 100)])),
        ] {
            assert_eq!(
                issues(
                    &with("create-group", field, Some(json!(value))),
                    Version::Seed
                ),
                expected
            );
        }
        let name = |value: &str| match read_text(
            &with("create-group", field, Some(json!(value))),
            Version::Seed,
        ) {
            Ok(ClientMessage::CreateGroup { name, .. }) => name,
            other => panic!("{other:?}"),
        };
        assert_eq!(name(&"🎲".repeat(50)), "🎲".repeat(50));
        // Not white space there.
        assert_eq!(name("\u{85}"), "\u{85}");
    }

    #[rstest]
    #[case("join-group", "peerId")]
    #[case("update-peer-id", "peerId")]
    #[case("call-request", "targetPeerId")]
    #[case("call-request", "fromPeerId")]
    #[case("call-response", "fromPeerId")]
    #[case("call-response", "toPeerId")]
    fn peer_ids_are_any_text_of_a_hundred(#[case] kind: &str, #[case] field: &str) {
        for (value, expected) in [
            (String::new(), small(field)),
            ("x".repeat(101), big(field, 100)),
        ] {
            assert_eq!(
                issues(&with(kind, field, Some(json!(value))), Version::Newest),
                json!([expected])
            );
        }
        for value in ["x".repeat(100), " ".into(), "ü\u{0}".into()] {
            assert!(read_text(&with(kind, field, Some(json!(value))), Version::Newest).is_ok());
        }
    }

    #[rstest]
    #[case("join-group", "groupId")]
    #[case("leave-group", "userId")]
    fn ids_are_checked_as_their_version_does(#[case] kind: &str, #[case] field: &str) {
        for value in [
            "",
            "nonsense",
            "0b6fe7ab-3b1f-41ee-be56-0242ac12000",
            "group_",
            "user_a b",
        ] {
            for (version, validation) in [(Version::Seed, "uuid"), (Version::Newest, "regex")] {
                let found = issues(&with(kind, field, Some(json!(value))), version);
                assert_eq!(found, json!([shape(field, validation)]), "{value}");
            }
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_in_the_order_of_the_fields() {
        let text = r#"{"type":"join-group","timestamp":"x","payload":{"peerId":"","username":"a b","groupId":7}}"#;
        let paths: Vec<_> = issues(text, Version::Seed)
            .as_array()
            .unwrap()
            .iter()
            .map(|issue| issue["path"].clone())
            .collect();
        assert_eq!(
            paths,
            [
                json!(["payload", "groupId"]),
                json!(["payload", "username"]),
                json!(["payload", "peerId"]),
                json!(["timestamp"])
            ]
        );
        let text = r#"{"type":"call-response","payload":{}}"#;
        assert_eq!(issues(text, Version::Seed).as_array().unwrap().len(), 3);
    }

    #[test]
    fn the_first_message_tells_the_protocol() {
        for kind in TYPES {
            let text = json!({"type": kind, "payload": 7}).to_string();
            assert!(is_peershare(&text.into()));
        }
        for text in [
            "{}",
            r#"{"type":"CreateRoom"}"#,
            r#"{"create-group":{}}"#,
            "[]",
            r#"{"type":"moderation"}"#,
        ] {
            assert!(
                !is_peershare(&Bytes::from_static(text.as_bytes())),
                "{text}"
            );
        }
    }

    /// Nothing makes it panic, what is refused says why, and what is read obeys the rules.
    fn reads_soundly(bytes: &[u8]) {
        for version in BOTH {
            match read(Bytes::copy_from_slice(bytes), version) {
                Err(Invalid(issues)) => assert!(issues.is_none_or(|issues| !issues.is_empty())),
                Ok(ClientMessage::CreateGroup { name, username }) => {
                    assert!(!name.is_empty() && utf16_len(&name) <= GROUP_NAME_CHARS);
                    assert!(is_word(&username) && username.len() <= NAME_CHARS);
                }
                Ok(ClientMessage::JoinGroup { username, peer, .. }) => {
                    assert!(is_word(&username) && username.len() <= NAME_CHARS);
                    assert!(
                        peer.is_none_or(
                            |peer| !peer.is_empty() && utf16_len(&peer) <= PEER_ID_CHARS
                        )
                    );
                }
                Ok(_) => {}
            }
        }
        let _ = is_peershare(&Bytes::copy_from_slice(bytes));
    }

    #[test]
    fn fuzz_the_codec() {
        bolero::check!().for_each(reads_soundly);
    }

    proptest! {
        #[test]
        fn hostile_json_is_read_soundly(
            kind in prop::sample::select(&["create-group", "join-group", "leave-group", "call-request", "call-response", "remove-user"][..]),
            members in prop::collection::vec(
                (
                    prop::sample::select(&["groupName", "username", "groupId", "userId", "peerId", "accepted", "\\u0070eerId"][..]),
                    prop_oneof![
                        Just("null".to_owned()), Just("1e999".into()), Just("\"\"".into()), Just("\"\\ud800\"".into()),
                        Just(format!("\"{ID}\"")), "\"[ a-zü🎲_-]{0,60}\"", "[\\[\\]{}\",:0-9a-e\\\\ut.+-]{0,12}",
                    ],
                ),
                0..8,
            ),
            cut in 0usize..400,
        ) {
            let members: Vec<_> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
            let text = format!("{{\"type\":\"{kind}\",\"payload\":{{{}}}}}", members.join(","));
            reads_soundly(text.as_bytes());
            let cut = cut.min(text.len());
            reads_soundly(&text.as_bytes()[..cut]);
        }
    }
}
