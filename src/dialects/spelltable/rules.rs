//! Who gets what, in both versions of the protocol.

use super::wire::{self, ClientMessage, Relay, ViewerState};
use crate::access::Role;
use crate::config::Echo;
use crate::json::JsonText;
use crate::live::{ConnId, Frame, Lane, Member, Outgoing, Rules, To};
use crate::model::MapMove;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Whoever may not write is shown the true scene at most this often.
const CORRECTION: Duration = Duration::from_secs(1);

/// The rules of the table that SpellTable's pages share.
pub struct SpellTable {
    echo: Echo,
    scene: Option<JsonText>,
    /// The scene as a frame, shared by all who join until it changes.
    frame: Option<Frame>,
    blank: bool,
    rotated: bool,
    members: HashMap<ConnId, Seat>,
}

struct Seat {
    role: Role,
    /// Has said something that only the newest frontend says.
    newest: bool,
    corrected: Option<Instant>,
}

impl SpellTable {
    /// A table that shows `scene`.
    pub fn new(echo: Echo, scene: Option<JsonText>) -> Self {
        Self {
            echo,
            frame: scene.as_ref().map(wire::scene_update),
            scene,
            blank: false,
            rotated: false,
            members: HashMap::new(),
        }
    }

    fn show(&self, to: ConnId, out: &mut Outgoing) {
        if let Some(frame) = &self.frame {
            out.send(To::One(to), Lane::State, frame.clone());
        }
    }

    fn set(&mut self, scene: JsonText, frame: Frame, out: &mut Outgoing) {
        self.frame = Some(frame);
        out.document = Some(scene.clone());
        self.scene = Some(scene);
    }

    /// Someone without the right moved something: let it snap back, visibly.
    fn correct(&mut self, conn: ConnId, now: Instant, out: &mut Outgoing) {
        let Some(seat) = self.members.get_mut(&conn) else {
            return;
        };
        if seat
            .corrected
            .is_some_and(|last| now.duration_since(last) < CORRECTION)
        {
            return;
        }
        seat.corrected = Some(now);
        tracing::warn!(
            conn = conn.0,
            "a page that is not the GM's tried to change the scene; --gm-from ADDRESS or --access open would allow it"
        );
        self.show(conn, out);
    }

    fn relay(&mut self, from: ConnId, relay: Relay, out: &mut Outgoing) {
        match relay.viewer {
            Some(ViewerState::Blank(on)) => self.blank = on,
            Some(ViewerState::Rotated(on)) => self.rotated = on,
            None => {}
        }
        out.send(To::AllBut(from), Lane::Control, relay.frame);
    }
}

impl Rules for SpellTable {
    type Message = ClientMessage;

    fn join(&mut self, member: Member, out: &mut Outgoing) {
        let seat = Seat {
            role: member.role,
            newest: false,
            corrected: None,
        };
        self.members.insert(member.conn, seat);
        let to = To::One(member.conn);
        out.send(to, Lane::Control, wire::connected());
        self.show(member.conn, out);
        // The original says nothing of these; a TV that was reloaded would show what it must not.
        if self.blank {
            out.send(to, Lane::Control, ViewerState::Blank(true).frame());
        }
        if self.rotated {
            out.send(to, Lane::Control, ViewerState::Rotated(true).frame());
        }
    }

    fn receive(&mut self, from: ConnId, message: ClientMessage, now: Instant, out: &mut Outgoing) {
        let Some(seat) = self.members.get_mut(&from) else {
            return;
        };
        seat.newest |= match &message {
            ClientMessage::SceneUpdate { newest, .. } => *newest,
            ClientMessage::RequestScene | ClientMessage::Relay(_) | ClientMessage::KeepAlive => {
                true
            }
        };
        let (newest, may_write) = (seat.newest, seat.role == Role::Gm);
        match message {
            ClientMessage::SceneUpdate { .. } if !may_write => self.correct(from, now, out),
            ClientMessage::SceneUpdate { scene, message, .. } => {
                let echo = match self.echo {
                    Echo::Auto => !newest,
                    Echo::Always => true,
                    Echo::Never => false,
                };
                let frame = wire::scene_update(&scene);
                // The newest version relays the message whole, the seed only the scene.
                let relayed = if newest {
                    wire::as_it_came(&message)
                } else {
                    frame.clone()
                };
                let to = if echo { To::All } else { To::AllBut(from) };
                out.send(to, Lane::State, relayed);
                self.set(scene, frame, out);
            }
            ClientMessage::RequestScene => self.show(from, out),
            ClientMessage::Relay(relay) if may_write => self.relay(from, relay, out),
            ClientMessage::Relay(_) | ClientMessage::KeepAlive => {}
        }
    }

    fn leave(&mut self, conn: ConnId) {
        self.members.remove(&conn);
    }

    fn map_moved(&mut self, map_move: &MapMove, out: &mut Outgoing) -> bool {
        let Some(scene) = self
            .scene
            .as_ref()
            .and_then(|scene| map_move.rewrite(scene))
        else {
            return false;
        };
        let frame = wire::scene_update(&scene);
        out.send(To::All, Lane::State, frame.clone());
        self.set(scene, frame, out);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::spelltable::Wire;
    use crate::live::Dialect;
    use crate::store::AssetPath;
    use bytes::Bytes;

    const GM: ConnId = ConnId(1);
    const TV: ConnId = ConnId(2);

    fn table(scene: Option<&'static str>) -> SpellTable {
        let scene = scene.map(|s| JsonText::parse(Bytes::from_static(s.as_bytes())).unwrap());
        let mut table = SpellTable::new(Echo::Auto, scene);
        join(&mut table, GM, Role::Gm);
        join(&mut table, TV, Role::Player);
        table
    }

    fn told(out: Outgoing) -> Vec<(To, String)> {
        out.deliveries
            .into_iter()
            .map(|(to, _, frame)| (to, frame.payload().to_owned()))
            .collect()
    }

    fn join(table: &mut SpellTable, conn: ConnId, role: Role) -> Vec<(To, String)> {
        let mut out = Outgoing::default();
        table.join(Member { conn, role }, &mut out);
        told(out)
    }

    fn say(table: &mut SpellTable, from: ConnId, text: &str) -> Vec<(To, String)> {
        let mut out = Outgoing::default();
        if let Some(message) = Wire::default().read(Bytes::copy_from_slice(text.as_bytes())) {
            table.receive(from, message, Instant::now(), &mut out);
        }
        told(out)
    }

    #[test]
    fn whoever_connects_is_greeted_and_sees_the_scene() {
        let mut table = table(Some(r#"{"id":"a"}"#));
        let told = join(&mut table, ConnId(3), Role::Player);
        assert_eq!(
            told,
            [
                (
                    To::One(ConnId(3)),
                    r#"{"type":"connection_status","status":"connected"}"#.to_owned()
                ),
                (
                    To::One(ConnId(3)),
                    r#"{"type":"scene_update","scene":{"id":"a"}}"#.to_owned()
                ),
            ]
        );
    }

    #[test]
    fn the_old_frontend_gets_its_scene_back_and_the_new_one_does_not() {
        let mut table = table(None);
        assert_eq!(
            say(
                &mut table,
                GM,
                r#"{"extra":1,"type":"scene_update","scene":{"n":1.0}}"#
            ),
            [(
                To::All,
                r#"{"type":"scene_update","scene":{"n":1.0}}"#.to_owned()
            )]
        );
        let newest = r#"{"type":"scene_update","scene":{"fogOfWar":[]}}"#;
        assert_eq!(
            say(&mut table, GM, newest),
            [(To::AllBut(GM), newest.to_owned())]
        );
        // It has shown itself: from now on no echo for anything.
        let plain = r#"{"type":"scene_update","scene":{}}"#;
        assert_eq!(
            say(&mut table, GM, plain),
            [(To::AllBut(GM), plain.to_owned())]
        );
    }

    #[test]
    fn only_known_members_of_events_reach_the_others() {
        let mut table = table(None);
        for (said, heard) in [
            (
                r#"{"type":"highlight_marker","markerId":"m1","x":1}"#,
                Some(r#"{"type":"highlight_marker","markerId":"m1"}"#),
            ),
            (r#"{"type":"highlight_marker"}"#, None),
            (
                r#"{"type":"blank_viewer","isBlank":false,"y":1}"#,
                Some(r#"{"type":"blank_viewer","isBlank":true}"#),
            ),
            (
                r#"{"type":"unblank_viewer"}"#,
                Some(r#"{"type":"unblank_viewer","isBlank":false}"#),
            ),
            (
                r#"{"type":"rotate_viewer"}"#,
                Some(r#"{"type":"rotate_viewer","isRotated":true}"#),
            ),
            (
                r#"{"type":"unrotate_viewer"}"#,
                Some(r#"{"type":"unrotate_viewer","isRotated":false}"#),
            ),
            (
                r#"{"points":[1],"z":2,"type":"scene_event","eventType":"ripple_effect","y":2.50,"x":1}"#,
                Some(
                    r#"{"type":"scene_event","eventType":"ripple_effect","x":1,"y":2.50,"points":[1]}"#,
                ),
            ),
            (r#"{"type":"scene_event"}"#, None),
            (r#"{"type":"ping"}"#, None),
            (r#"{"type":"what"}"#, None),
            ("{}", None),
            ("not json", None),
            ("[1]", None),
            (r#"{"type":"scene_update"}"#, None),
            (r#"{"type":"scene_update","scene":null}"#, None),
            (r#"{"type":"scene_update","scene":{"a":1,"a":2}}"#, None),
        ] {
            let heard = heard.map(|h| (To::AllBut(GM), h.to_owned()));
            assert_eq!(say(&mut table, GM, said), Vec::from_iter(heard), "{said}");
        }
    }

    #[test]
    fn a_player_changes_nothing_and_is_shown_the_truth_once_a_second() {
        let mut table = table(Some(r#"{"id":"a"}"#));
        let truth = (
            To::One(TV),
            r#"{"type":"scene_update","scene":{"id":"a"}}"#.to_owned(),
        );
        let attempt = r#"{"type":"scene_update","scene":{"id":"b"}}"#;
        assert_eq!(say(&mut table, TV, attempt), std::slice::from_ref(&truth));
        assert_eq!(say(&mut table, TV, attempt), []);
        assert_eq!(say(&mut table, TV, r#"{"type":"blank_viewer"}"#), []);
        assert_eq!(
            say(&mut table, TV, r#"{"type":"request_scene_update"}"#),
            [truth]
        );
    }

    #[test]
    fn a_reloaded_viewer_is_still_blank() {
        let mut table = table(None);
        say(&mut table, GM, r#"{"type":"blank_viewer"}"#);
        assert_eq!(join(&mut table, ConnId(3), Role::Player).len(), 2);
        say(&mut table, GM, r#"{"type":"unblank_viewer"}"#);
        assert_eq!(join(&mut table, ConnId(4), Role::Player).len(), 1);
    }

    #[test]
    fn a_renamed_map_is_told_to_everyone_as_one_scene() {
        let mut table = table(Some(r#"{"maps":[{"name":"a.png"}]}"#));
        let path = |p: &str| AssetPath::parse(p).unwrap();
        let map_move = MapMove {
            from: path("a.png"),
            to: path("b.png"),
            namesakes: vec![path("a.png")],
        };
        let mut out = Outgoing::default();
        assert!(table.map_moved(&map_move, &mut out));
        assert!(out.document.is_some());
        assert_eq!(
            told(out),
            [(
                To::All,
                r#"{"type":"scene_update","scene":{"maps":[{"name":"b.png"}]}}"#.to_owned()
            )]
        );
        assert!(!table.map_moved(&map_move, &mut Outgoing::default()));
    }
}
