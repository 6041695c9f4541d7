//! What members do besides the scene: hints, signals, chat, dice, sound, screens, assignments.

use super::commit::{Held, Told, Waiting};
use super::dice::{Expr, os_die};
use super::people::Person;
use super::record::{Line, Receipt, Record};
use super::sound::{self, Done, Route};
use super::view::{View, Watcher};
use super::wire::{self, ClientMessage, DisplayAction, Refusal};
use super::{DISPLAYS, GMS, MEMBERS, PLAYERS, REMOVED, TableRules};
use crate::access::Role;
use crate::json::{JsonText, Node, NodeKind};
use crate::live::{CloseCode, ConnId, Delivery, Frame, Groups, Lane, Now, Outgoing, To, Topic};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;

/// Lines of chat that are kept, half of them for everybody and half for some at least; a newcomer is
/// shown fewer.
pub const LINES: usize = 200;
/// Screens that have a state.
pub const SCREENS: usize = 64;
/// Assigned entries.
pub const ASSIGNED: usize = 500;
/// Members that were put out while the disk takes nothing; of more the oldest cannot be asked for again.
const UNSURE: usize = 1000;

impl TableRules {
    pub(super) fn hint(
        &mut self,
        from: ConnId,
        kind: &str,
        key: &str,
        data: &JsonText,
        out: &mut Outgoing,
    ) -> Result<(), Refusal> {
        let role = self.role_of(from);
        let id = self.id_of(from);
        let allowed = match (role, kind) {
            (Role::Gm, _) | (Role::Player, "pointer" | "ping" | "typing") => true,
            (Role::Player, "drag") => self.durable_side().assigned.get(key) == Some(&id),
            (Role::Player | Role::Display, _) => false,
        };
        if !allowed {
            let message = format!("as a {} you may not send this hint", wire::role_word(role));
            return Err(Refusal::new("forbidden", message));
        }
        let mut groups = GMS;
        let watchers = PLAYERS.and(DISPLAYS);
        if self.count(watchers) > 0 {
            let scene = self.doc.scene().clone();
            let view = self.doc.view(View::Player);
            let hidden = view.hidden(&scene);
            let is_named =
                !hidden.is_empty() && (hidden.contains(key) || names_hidden(data.root(), hidden));
            // Where somebody points is meant to be seen.
            let points = matches!(kind, "ping" | "pointer");
            let mut tells_place =
                || !points && view.cover(&scene).hides(key, data.root(), kind == "drag");
            if !is_named && !tells_place() {
                groups = groups.and(watchers);
            }
        }
        let frame = wire::hint(&id, kind, key, data);
        let topic = Topic(Arc::new((from.0, format!("{kind}\n{key}").into())));
        out.send(To::But(groups, from), Lane::Passing(topic), frame);
        Ok(())
    }

    /// A member's screen was turned, or may be heard now; the others are told when that is news.
    pub(super) fn turned_to(&mut self, from: ConnId, device: Value, out: &mut Outgoing) {
        let Some(person) = self.people.of_mut(from) else {
            return;
        };
        if person.device == device {
            return;
        }
        person.device = device;
        let id = person.id.clone();
        self.tell_person("member_updated", &id, Some(from), out);
    }

    pub(super) fn signal(
        &mut self,
        from: ConnId,
        to: &str,
        data: &JsonText,
        out: &mut Outgoing,
    ) -> Result<(), Refusal> {
        if self.role_of(from) == Role::Display {
            let message = "a display may not send signals";
            return Err(Refusal::new("forbidden", message));
        }
        let is_here = self.people.get(to).is_some_and(|one| one.is_present());
        if !is_here {
            let message = format!("there is no member {to} here to signal to");
            return Err(Refusal::new("not_found", message));
        }
        let frame = wire::signal(&self.id_of(from), data);
        self.tell_one(to, &frame, out);
        Ok(())
    }

    fn tell_one(&self, id: &str, frame: &Frame, out: &mut Outgoing) {
        for conn in self.people.get(id).map(Person::conns).unwrap_or_default() {
            out.send(To::One(*conn), Lane::Control, frame.clone());
        }
    }

    pub(super) fn kick(
        &mut self,
        from: ConnId,
        id: Option<String>,
        member: &str,
        now: Now,
        out: &mut Outgoing,
    ) {
        let refusal = if self.role_of(from) != Role::Gm {
            Refusal::new("forbidden", "only the GM may remove somebody")
        } else if let Some(id) = &id
            && let Some(receipt) = self.receipts.get(id).cloned()
        {
            let frame = self.ack_frame(id, &receipt, None);
            return out.send(To::One(from), Lane::Control, frame);
        } else {
            return self.remove(member.to_owned(), Told::Member(from, id), now, out);
        };
        Told::Member(from, id).refuse(refusal, out);
    }

    /// Puts a member out at once, and sees to it that it stays so; says so when that is sure. Whoever
    /// is out, but not for sure, can be removed again.
    pub(super) fn remove(&mut self, member: String, told: Told, now: Now, out: &mut Outgoing) {
        if self.remove_member(&member, now, out) {
            self.unsure.push_back(member.clone());
            while self.unsure.len() > UNSURE {
                self.unsure.pop_front();
            }
        } else if !self.unsure.contains(&member) {
            return match told {
                Told::Caller(reply) => drop(reply.send(Ok(false))),
                told @ Told::Member(..) => {
                    told.refuse(Refusal::new("not_found", "there is no such member"), out);
                }
            };
        }
        self.submit(Waiting::Removed { member, told }, now, out);
    }

    /// Makes a removal durable.
    pub(super) fn write_removed(&mut self, member: String, told: Told, now: Now) {
        let record = Record::Removed {
            member: member.clone(),
            id: told.id().map(str::to_owned),
            at_ms: now.unix_ms,
        };
        self.records.push(record.encode(b""));
        self.held.push(Held::Removed { member, told });
    }

    /// A removal is on disk.
    pub(super) fn removed(&mut self, member: String, told: Told, now: Now, out: &mut Outgoing) {
        self.unsure.retain(|unsure| *unsure != member);
        match told {
            Told::Member(conn, Some(id)) => {
                let receipt = Receipt::Removed(member);
                let frame = self.ack_frame(&id, &receipt, None);
                out.send(To::One(conn), Lane::Control, frame);
                self.receipts.add(id, receipt, now);
            }
            Told::Member(_, None) => {}
            Told::Caller(reply) => drop(reply.send(Ok(true))),
        }
    }

    /// Closes all connections of a member and forgets it. Returns whether it was known.
    pub(super) fn remove_member(&mut self, id: &str, now: Now, out: &mut Outgoing) -> bool {
        let Some((person, conns)) = self.people.remove(id) else {
            return false;
        };
        // Should the commit fail that is about it, a later one will do.
        let record = Record::Removed {
            member: id.to_owned(),
            id: None,
            at_ms: now.unix_ms,
        };
        self.disk.remember(record.encode(b""));
        self.departed_members.retain(|_, (_, member)| *member != id);
        for conn in &conns {
            out.close(*conn, CloseCode::Removed, REMOVED);
            // Nothing more reaches it, and nothing it says is heard.
            let seat = self.seats.remove(conn);
            if let Some(seat) = seat {
                self.count_in(super::group_of(seat.role), false);
                self.doc
                    .close_view(View::of(seat.role), Watcher::Member, now);
            }
        }
        (self.settings.removed)(person.proofs());
        if !conns.is_empty() {
            // What it held is nobody's: who comes back is somebody else.
            let member = person.to_json(&Default::default());
            self.tell_member("member_left", member, None, out);
        }
        true
    }

    /// A write that is no change of the scene.
    pub(super) fn write_side(
        &mut self,
        conn: ConnId,
        message: ClientMessage,
        now: Now,
    ) -> Result<(), Refusal> {
        let role = self.role_of(conn);
        let gm_only = || {
            let forbidden = || Refusal::new("forbidden", "only the GM may do this");
            (role == Role::Gm).then_some(()).ok_or_else(forbidden)
        };
        match message {
            ClientMessage::Chat { id, text, to } => {
                self.say(conn, id, to, json!({ "text": text }), now)
            }
            ClientMessage::Roll { id, expr, to } => {
                let parsed = Expr::parse(&expr);
                let parsed = parsed.map_err(|e| Refusal::new("invalid", e.to_string()))?;
                let roll = parsed.roll(&mut os_die);
                let said = json!({ "expr": expr, "dice": roll.dice, "total": roll.total });
                self.say(conn, id, to, said, now)
            }
            ClientMessage::Audio { id, action } => {
                gm_only()?;
                self.play(Some(&id), &action, now)?;
                self.hold_ack(conn, id, Receipt::Plain);
                Ok(())
            }
            ClientMessage::Display { id, target, action } => {
                gm_only()?;
                self.direct(&id, target.as_deref(), &action, now)?;
                self.hold_ack(conn, id, Receipt::Plain);
                Ok(())
            }
            ClientMessage::Assign { id, entry, member } => {
                gm_only()?;
                self.assign(id.clone(), entry, member, now)?;
                match id {
                    Some(id) => self.hold_ack(conn, id, Receipt::Plain),
                    None => self.held.push(Held::Quiet(conn)),
                }
                Ok(())
            }
            ClientMessage::Change(_)
            | ClientMessage::Hint { .. }
            | ClientMessage::Resync
            | ClientMessage::Device { .. }
            | ClientMessage::Kick { .. }
            | ClientMessage::Signal { .. }
            | ClientMessage::Broken { .. } => Ok(()),
        }
    }

    fn hold_ack(&mut self, conn: ConnId, id: String, receipt: Receipt) {
        self.held.push(Held::Ack { conn, id, receipt });
    }

    fn hold(&mut self, to: To, frame: Frame) {
        let lane = Lane::Control;
        self.held.push(Held::Tell(Delivery { to, lane, frame }));
    }

    /// What is beside the scene, to be changed; taken back when the commit fails.
    fn side_mut(&mut self) -> &mut super::record::Side {
        if self.side_before.is_none() {
            self.side_before = Some(self.side.clone());
        }
        &mut self.side
    }

    fn say(
        &mut self,
        conn: ConnId,
        id: String,
        to: Option<String>,
        said: Value,
        now: Now,
    ) -> Result<(), Refusal> {
        if self.role_of(conn) == Role::Display {
            return Err(Refusal::new("forbidden", "a display does not talk"));
        }
        if let Some(to) = to.as_deref().filter(|to| *to != "gm")
            && self.people.get(to).is_none()
        {
            let message = "there is no such member to say this to";
            return Err(Refusal::new("not_found", message));
        }
        let from = self.id_of(conn);
        let side = self.side_mut();
        side.chat_seq += 1;
        let line = Line {
            chat_seq: side.chat_seq,
            from,
            to,
            at: now.unix_ms,
            said,
        };
        keep_line(&mut side.lines, line.clone());
        self.held.push(Held::Line(line.clone()));
        let receipt = Receipt::Line(line.chat_seq);
        let record = Record::Line {
            id: id.clone(),
            line,
        };
        self.records.push(record.encode(b""));
        self.hold_ack(conn, id, receipt);
        Ok(())
    }

    /// Tells a line to those it is for. With `gm` is meant who is here as that, not a screen of the
    /// same member.
    pub(super) fn tell_line(&self, line: &Line, out: &mut Outgoing) {
        let frame = wire::small(&line_json(line));
        if line.to.is_none() {
            return out.send(To::Groups(MEMBERS), Lane::Control, frame);
        }
        for (conn, seat) in &self.seats {
            let person = self.people.of(*conn);
            if person.is_some_and(|person| self.may_hear(line, &person.id, seat.role)) {
                out.send(To::One(*conn), Lane::Control, frame.clone());
            }
        }
    }

    /// Whether a line is for this member.
    pub(super) fn may_hear(&self, line: &Line, id: &str, role: Role) -> bool {
        match line.to.as_deref() {
            None => true,
            Some(to) if to == id => true,
            // A screen is for all to see, also one of the member who whispers.
            Some(_) if role == Role::Display => false,
            Some("gm") if role == Role::Gm => true,
            Some(_) => line.from == id,
        }
    }

    /// Changes the table's sound.
    pub(super) fn play(
        &mut self,
        id: Option<&str>,
        action: &sound::Action,
        now: Now,
    ) -> Result<(), Refusal> {
        let done = self.side_mut().sound.apply(action, now.unix_ms);
        let done = done.map_err(|message| Refusal::new("invalid", message))?;
        let fade = action.fade();
        for (group, role) in ROLES {
            let heard_before = |before: &Option<Route>| before.is_some_and(|b| b.reaches(role));
            if let Done::Track {
                gone: Some(gone), ..
            } = &done
                && gone.route.reaches(role)
            {
                self.hold(To::Groups(group), wire::audio_removed(&gone.track, None));
            }
            let frame = match &done {
                Done::Track { now, .. } if now.route.reaches(role) => wire::audio(now, fade),
                Done::Track { now, before, .. } if heard_before(before) => {
                    wire::audio_removed(&now.track, None)
                }
                Done::Removed { track, before } if heard_before(before) => {
                    wire::audio_removed(track, fade)
                }
                Done::All => wire::audio_all(self.side.sound.seen_by(role)),
                Done::Track { .. } | Done::Removed { .. } => continue,
            };
            self.hold(To::Groups(group), frame);
        }
        let sound = Some(self.side.sound.clone());
        self.keep_side(id, now, |record| {
            if let Record::Side { sound: slot, .. } = record {
                *slot = sound;
            }
        });
        Ok(())
    }

    fn keep_side(&mut self, id: Option<&str>, now: Now, fill: impl FnOnce(&mut Record)) {
        let mut record = Record::Side {
            id: id.map(str::to_owned),
            at_ms: now.unix_ms,
            sound: None,
            displays: None,
            assigned: None,
        };
        fill(&mut record);
        self.records.push(record.encode(b""));
    }

    fn direct(
        &mut self,
        id: &str,
        target: Option<&str>,
        action: &DisplayAction,
        now: Now,
    ) -> Result<(), Refusal> {
        let is_screen = |person: &&Person| person.role() == Role::Display;
        let targets: Vec<String> = match target {
            Some(target) => {
                let screen = self.people.get(target).filter(is_screen);
                let screen =
                    screen.ok_or_else(|| Refusal::new("not_found", "there is no such screen"))?;
                vec![screen.id.clone()]
            }
            None => {
                let screens = self.people.present().filter(is_screen);
                screens.map(|person| person.id.clone()).collect()
            }
        };
        for target in targets {
            if *action == DisplayAction::Identify {
                let message = json!({ "type": "display", "target": target, "action": "identify" });
                self.hold_screen(target, &message);
                continue;
            }
            self.make_room_for_screen(&target);
            let displays = &mut self.side_mut().displays;
            let state = displays.entry(target.clone()).or_default();
            match action {
                DisplayAction::Blank(on) => state.blank = *on,
                DisplayAction::Rotate(degrees) => state.rotation = *degrees,
                DisplayAction::View(view) => state.view = *view,
                DisplayAction::Mute(on) => state.muted = *on,
                DisplayAction::Name(name) => state.name = Some(name.clone()),
                DisplayAction::Identify => {}
            }
            let message = json!({ "type": "display", "target": target, "state": state });
            self.hold_screen(target, &message);
        }
        let displays = Some(self.side.displays.clone());
        self.keep_side(Some(id), now, |record| {
            if let Record::Side { displays: slot, .. } = record {
                *slot = displays;
            }
        });
        Ok(())
    }

    /// Forgets how a screen was that has long been away; those that are here keep what they have.
    fn make_room_for_screen(&mut self, target: &str) {
        let displays = &self.side.displays;
        if displays.len() < SCREENS || displays.contains_key(target) {
            return;
        }
        let absent = displays.keys().filter_map(|id| match self.people.get(id) {
            Some(person) if person.is_present() => None,
            Some(person) => Some((person.seen_ms, id)),
            None => Some((0, id)),
        });
        if let Some(id) = absent.min().map(|(_, id)| id.clone()) {
            self.side_mut().displays.remove(&id);
        }
    }

    /// A screen's own matters reach the screen and the GM.
    pub(super) fn tell_screen(&self, target: &str, frame: &Frame, out: &mut Outgoing) {
        self.tell_one(target, frame, out);
        out.send(To::Groups(GMS), Lane::Control, frame.clone());
    }

    fn hold_screen(&mut self, target: String, message: &Value) {
        let frame = wire::small(message);
        self.held.push(Held::Screen { target, frame });
    }

    fn assign(
        &mut self,
        id: Option<String>,
        entry: String,
        member: Option<String>,
        now: Now,
    ) -> Result<(), Refusal> {
        if let Some(member) = &member
            && self.people.get(member).is_none()
        {
            return Err(Refusal::new("not_found", "there is no such member"));
        }
        let assigned = &mut self.side_mut().assigned;
        if assigned.len() >= ASSIGNED && !assigned.contains_key(&entry) {
            let message = format!("{ASSIGNED} entries are assigned, which is the limit");
            return Err(Refusal::new("invalid", message));
        }
        let before = match &member {
            Some(member) => assigned.insert(entry, member.clone()),
            None => assigned.remove(&entry),
        };
        let assigned = self.side.assigned.clone();
        let changed: HashSet<String> = before.into_iter().chain(member).collect();
        self.held.extend(changed.into_iter().map(Held::Member));
        self.keep_side(id.as_deref(), now, |record| {
            if let Record::Side { assigned: slot, .. } = record {
                *slot = Some(assigned);
            }
        });
        Ok(())
    }
}

/// Keeps one line more; the oldest goes of those that are for everybody, or of the others, whichever
/// has more than its half.
pub(super) fn keep_line(lines: &mut Vec<Line>, line: Line) {
    lines.push(line);
    if lines.len() > LINES {
        let open = lines.iter().filter(|line| line.to.is_none()).count();
        let crowds = |line: &Line| line.to.is_none() == (open > LINES / 2);
        let oldest = lines.iter().position(crowds).unwrap_or_default();
        lines.remove(oldest);
    }
}

/// Each group of our members with its role.
const ROLES: [(Groups, Role); 3] = [
    (GMS, Role::Gm),
    (PLAYERS, Role::Player),
    (DISPLAYS, Role::Display),
];

/// A line of chat as clients get it: `chat` or `rolled`.
pub(super) fn line_json(line: &Line) -> Value {
    let kind = if line.said.get("expr").is_some() {
        "rolled"
    } else {
        "chat"
    };
    let mut message = json!({
        "type": kind,
        "chat_seq": line.chat_seq,
        "from": line.from,
        "at": line.at,
    });
    if let (Value::Object(message), Value::Object(said)) = (&mut message, &line.said) {
        message.extend(said.clone());
        if let Some(to) = &line.to {
            message.insert("to".into(), json!(to));
        }
    }
    message
}

/// Whether a text or a key anywhere in `node` is one of the hidden names.
fn names_hidden(node: Node<'_>, hidden: &HashSet<String>) -> bool {
    match node.kind() {
        NodeKind::String => node.as_str().is_some_and(|s| hidden.contains(s.as_ref())),
        NodeKind::Array => node.elements().any(|e| names_hidden(e, hidden)),
        NodeKind::Object => node
            .members()
            .any(|(key, value)| hidden.contains(key.as_ref()) || names_hidden(value, hidden)),
        NodeKind::Number => hidden.contains(node.raw()),
        NodeKind::Bool | NodeKind::Null => false,
    }
}
