//! Telling what a commit came to, each in the own view and dialect.

use super::commit::Settling;
use super::document::ViewChange;
use super::record::Receipt;
use super::view::View;
use super::wire::{self, ChangeAck};
use super::{DISPLAYS, GMS, PLAYERS, READERS, TableRules, WRITERS};
use crate::access::Role;
use crate::dialects::spelltable;
use crate::live::{ConnId, Delivery, Frame, Groups, Lane, Now, Outgoing, To};
use crate::model::edit::Edit;
use serde_json::json;

impl TableRules {
    pub(super) fn ack_frame(&self, id: &str, receipt: &Receipt, edits: Option<&str>) -> Frame {
        match receipt {
            Receipt::Change(seq, prev, rebased) => ChangeAck {
                id,
                epoch: self.doc.epoch(),
                seq: *seq,
                prev: *prev,
                rebased: *rebased,
                edits,
            }
            .frame(),
            Receipt::Line(chat_seq) => {
                let id = wire::client_id(id);
                wire::small(&json!({ "type": "ack", "id": id, "chat_seq": chat_seq }))
            }
            Receipt::Removed(member) => {
                let id = wire::client_id(id);
                wire::small(
                    &json!({ "type": "ack", "id": id, "kicked": member, "offer": "new_code" }),
                )
            }
            Receipt::Plain => {
                let id = wire::client_id(id);
                wire::small(&json!({ "type": "ack", "id": id }))
            }
        }
    }

    /// The next waiting step counts: everybody is told in their own way.
    pub(super) fn settle(&mut self, settling: Settling, now: Now, out: &mut Outgoing) {
        let mut is_first = !self.doc.is_shown();
        let first = out.deliveries.len();
        let Some(settled) = self.doc.settle(now) else {
            return;
        };
        out.shown = Some(self.doc.scene().clone());
        let epoch = self.doc.epoch();
        let sender = settling.sender;
        let member = sender.filter(|conn| self.is_member(*conn));
        let sender_view = View::of(member.map_or(Role::Gm, |conn| self.role_of(conn)));
        let mut own_prev = None;
        let mut own_edits = None;
        for (view, change) in View::ALL.into_iter().zip(settled.views) {
            if member.is_some() && view == sender_view {
                own_prev = change.as_ref().map(|change| change.prev);
                own_edits = news_for_sender(&settling, change.as_ref());
            }
            let Some(change) = change else {
                continue;
            };
            if let Some(news) = &change.news {
                let frame = wire::view_change(epoch, &change, news, &settling.by);
                let whole = wire::scene(epoch, change.seq, &change.scene);
                self.doc.keep_frame(view, &change, frame.clone(), now);
                let groups = match view {
                    View::Gm => GMS,
                    View::Player => PLAYERS.and(DISPLAYS),
                };
                self.tell(groups, member, Lane::State(Some(whole)), frame, out);
            }
            is_first &= view != View::Player;
            if view == View::Player && self.count(READERS) > 0 {
                let frame = spelltable::scene_update(&change.scene);
                self.tell(READERS, None, Lane::State(None), frame, out);
            }
        }
        if is_first && self.count(READERS) > 0 {
            // They have been shown nothing at all, which is not what they see of it now.
            let frame = spelltable::scene_update(&self.doc.seen_by(View::Player));
            self.tell(READERS, None, Lane::State(None), frame, out);
        }
        if self.count(WRITERS) > 0 {
            let page = sender.filter(|_| member.is_none() && !settling.echo);
            let frame = match settling.relayed {
                Some(frame) => frame,
                None => spelltable::scene_update(self.doc.scene()),
            };
            self.tell(WRITERS, page, Lane::State(None), frame, out);
        }
        let Some(id) = settling.id else {
            return;
        };
        let prev = own_prev.unwrap_or_else(|| self.prev_of(member));
        let receipt = Receipt::Change(settled.seq, prev, settling.rebased);
        if let Some(conn) = member {
            let (to, lane) = (To::One(conn), Lane::Control);
            let frame = self.ack_frame(&id, &receipt, own_edits.as_deref());
            // In front: its sender waits for it, and telling everybody else takes a while.
            out.deliveries.insert(first, Delivery { to, lane, frame });
        }
        self.receipts.add(id, receipt, now);
    }

    fn tell(
        &self,
        groups: Groups,
        but: Option<ConnId>,
        lane: Lane,
        frame: Frame,
        out: &mut Outgoing,
    ) {
        if self.count(groups) > 0 {
            let to = but.map_or(To::Groups(groups), |conn| To::But(groups, conn));
            out.send(to, lane, frame);
        }
    }
}

/// What a change came to in the sender's own view, when that is not what was sent.
fn news_for_sender(settling: &Settling, change: Option<&ViewChange>) -> Option<String> {
    let Some(news) = change.and_then(|change| change.news.as_ref()) else {
        return Some("[]".to_owned());
    };
    let differs = match &settling.sent {
        Some(sent) => Edit::list_to_json(sent) != news.edits,
        None => settling.rebased,
    };
    differs.then(|| news.edits.clone())
}
