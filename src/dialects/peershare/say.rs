//! What the server says.

use super::ids::{Version, user_text};
use super::refusal::{Details, Refusal};
use crate::live::Frame;
use serde::Serialize;
use uuid::Uuid;

/// One message of the server. Ids are written as the receiver's version has them.
#[derive(Debug, Serialize)]
#[serde(
    tag = "type",
    content = "payload",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum Say<'a> {
    /// First of all, in the newest version.
    ConnectionEstablished { user_id: String },
    /// To who created a group.
    GroupCreated {
        group_id: String,
        group_name: &'a str,
        user: Person<'a>,
    },
    /// To who joined; the members are the others.
    GroupJoined {
        group_id: String,
        group_name: &'a str,
        user: Person<'a>,
        members: Vec<Person<'a>>,
    },
    /// To the others.
    UserJoined { user: Person<'a> },
    /// To the others.
    UserLeft { user_id: String, username: &'a str },
    /// To the others: where somebody is reached from now on.
    PeerJoined { peer_id: &'a str, username: &'a str },
    /// To who has said where it is reached.
    ExistingPeers { peers: Vec<Peer<'a>> },
    /// To who is called.
    IncomingCallRequest {
        from_peer_id: &'a str,
        from_username: &'a str,
    },
    /// To who called.
    CallResponse {
        accepted: bool,
        from_peer_id: &'a str,
        to_peer_id: &'a str,
    },
    /// To who has asked for something that cannot be.
    Error {
        code: &'static str,
        message: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        details: Option<Details<'a>>,
    },
    /// Ours, to who has asked: who moderates, and whether others may join.
    Moderation { owner_id: String, locked: bool },
    /// Ours, to who is asked to be silent.
    MuteRequested { user: Person<'a> },
}

/// A member as others see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Person<'a> {
    id: String,
    username: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_id: Option<&'a str>,
}

impl<'a> Person<'a> {
    /// With the id under which it is reached, if that is to be said.
    pub fn new(user: Uuid, username: &'a str, peer_id: Option<&'a str>, to: Version) -> Self {
        Self {
            id: user_text(user, to),
            username,
            peer_id,
        }
    }
}

/// Where a member is reached.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Peer<'a> {
    /// Its id at the broker.
    pub peer_id: &'a str,
    /// Its name.
    pub username: &'a str,
}

#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(flatten)]
    say: &'a Say<'a>,
    timestamp: u64,
}

impl Say<'_> {
    /// As it goes out at this time.
    pub fn frame(&self, unix_ms: u64) -> Frame {
        let envelope = Envelope {
            say: self,
            timestamp: unix_ms,
        };
        let text = serde_json::to_vec(&envelope).expect("texts and numbers can be written");
        Frame::text(&[&text])
    }
}

impl Refusal {
    /// As it goes out at this time.
    pub fn frame(&self, unix_ms: u64) -> Frame {
        let (code, message) = self.words();
        let details = self.details();
        Say::Error {
            code,
            message,
            details,
        }
        .frame(unix_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::peershare::issue::Issue;

    #[test]
    fn messages_are_written_as_clients_read_them() {
        let user = Uuid::nil();
        let id = "00000000-0000-0000-0000-000000000000";
        let person = |peer| Person::new(user, "ann", peer, Version::Seed);
        for (say, expected) in [
            (
                Say::ConnectionEstablished {
                    user_id: user_text(user, Version::Newest),
                },
                format!(r#"{{"type":"connection-established","payload":{{"userId":"user_{id}"}},"timestamp":17}}"#),
            ),
            (
                Say::GroupJoined {
                    group_id: "G".into(),
                    group_name: "a \"b\"",
                    user: person(None),
                    members: vec![person(Some("p"))],
                },
                format!(
                    r#"{{"type":"group-joined","payload":{{"groupId":"G","groupName":"a \"b\"","user":{{"id":"{id}","username":"ann"}},"members":[{{"id":"{id}","username":"ann","peerId":"p"}}]}},"timestamp":17}}"#
                ),
            ),
            (
                Say::IncomingCallRequest {
                    from_peer_id: "p",
                    from_username: "ann",
                },
                r#"{"type":"incoming-call-request","payload":{"fromPeerId":"p","fromUsername":"ann"},"timestamp":17}"#.into(),
            ),
        ] {
            assert_eq!(say.frame(17).payload(), expected);
        }
    }

    #[test]
    fn errors_have_details_where_there_are_some() {
        let refusal = Refusal::Invalid(Some(vec![Issue::empty(&["payload", "groupName"])]));
        let frame = refusal.frame(17);
        let value: serde_json::Value = serde_json::from_str(frame.payload()).unwrap();
        let issue = &value["payload"]["details"]["validationErrors"][0];
        assert_eq!(
            (&value["payload"]["code"], &issue["code"]),
            (&"INVALID_MESSAGE".into(), &"too_small".into())
        );
        let frame = Refusal::RateLimited { retry_after_ms: 70 }.frame(17);
        assert!(frame.payload().contains(r#""details":{"retryAfterMs":70}"#));
        assert!(
            !Refusal::GroupNotFound
                .frame(17)
                .payload()
                .contains("details")
        );
    }
}
