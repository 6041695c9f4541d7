//! Ends, beginnings, and the quiet in between.

use super::super::world::text;
use super::Storm;
use crate::access::Role;
use crate::model::player_view;
use serde_json::{Value, json};

impl Storm {
    pub(super) fn crash(&mut self) {
        let waiting = self.world.disk.waiting();
        let kept = if self.dice.chance(2) {
            0
        } else {
            self.dice.below(waiting + 1)
        };
        // The scene's own file may be one write behind.
        if self.world.files.len() > 1 && self.dice.chance(2) {
            self.world.files.pop();
        }
        self.oracle.before_end(&self.world, kept);
        self.world.die(kept);
        self.restart();
    }

    pub(super) fn stop(&mut self) {
        let in_order = self.world.stop();
        self.oracle.observe(&self.world);
        self.oracle.before_end(&self.world, 0);
        self.oracle.in_order = in_order;
        if !in_order {
            // The disk was just failing; the server ends anyway.
            self.world.die(0);
        }
        self.restart();
    }

    pub(super) fn restart(&mut self) {
        for actor in &mut self.actors {
            actor.cut();
        }
        for page in &mut self.pages {
            page.cut();
        }
        self.puts.clear();
        let damaged = self.dice.chance(10) && self.world.disk.records.len() > 2;
        if damaged {
            let left = 1 + self.dice.below(self.world.disk.records.len() - 1);
            self.world.disk.records.truncate(left);
        }
        let mut file = self.world.files.last().cloned();
        let mut other = None;
        if self.dice.chance(8)
            && let Some(ours) = &file
        {
            let mut scene = ours.root().to_value();
            scene["gridSettings"]["k1"] = json!(self.fresh());
            other = Some(text(&scene.to_string()));
            file.clone_from(&other);
        }
        // Nothing had been promised to anybody yet.
        let anew = self.world.disk.records.is_empty();
        self.world.files = file.iter().cloned().collect();
        self.world.start(damaged, file);
        self.oracle
            .after_end(&self.world, damaged, anew, other.as_ref());
        // Of scenes that are not in the journal the server knows nothing any more.
        let doc = &self.world.rules.doc;
        let known = doc.past().filter_map(|step| step.scene.as_ref());
        let known = known.chain(doc.before_past().map(|(_, scene)| scene));
        let known: Vec<Value> = known.map(|scene| scene.root().to_value()).collect();
        for page in &mut self.pages {
            let shows = page.page.doc.as_ref();
            if damaged || anew || shows.is_some_and(|doc| !known.contains(doc)) {
                page.reload();
            }
        }
        if other.is_some() || damaged {
            // Until that is on disk its number is not.
            self.world.advance(1_000);
            self.world.settle_disk();
        }
    }

    /// Everything is delivered, nobody writes: all must see the same.
    pub(super) fn quiet(&mut self) {
        for round in 0..40 {
            for n in 0..self.actors.len() + self.pages.len() {
                // Whoever was removed finds out first.
                while self.read_one(n) {}
                self.come(n);
            }
            let mut busy = false;
            while self.world.answer(true) {
                self.oracle.observe(&self.world);
                busy = true;
            }
            for n in 0..self.actors.len() + self.pages.len() {
                let conn = match self.actors.get(n) {
                    Some(actor) => actor.member.conn,
                    None => self.pages[n - self.actors.len()].page.conn,
                };
                if let Some(conn) = conn {
                    self.world.stick(conn, false);
                }
                while self.take_one(n) {
                    self.oracle.observe(&self.world);
                    busy = true;
                }
                while self.read_one(n) {
                    busy = true;
                }
            }
            self.world.advance(1_000);
            self.oracle.observe(&self.world);
            if !busy && round > 3 {
                break;
            }
        }
        // A scene that crossed another one is not sent back to its page, which shows the other one.
        for n in 0..self.pages.len() {
            if std::mem::take(&mut self.pages[n].crossed) {
                let conn = self.pages[n].page.conn();
                self.world.say(conn, r#"{"type":"request_scene_update"}"#);
                while self.read_one(self.actors.len() + n) {}
            }
        }
        let scene = self.world.rules.doc.scene();
        let all = scene.root().to_value();
        let seen = player_view(scene).root().to_value();
        for actor in &self.actors {
            let member = &actor.member;
            let view = if member.asks == Some(Role::Gm) {
                &all
            } else {
                &seen
            };
            assert_eq!(&member.doc, view, "{} at {}", member.name, member.seq);
            assert_eq!(member.lost, 0, "{} lost the thread", member.name);
            let open: Vec<&String> = member.mine.keys().collect();
            assert!(open.is_empty(), "{} got no answer to {open:?}", member.name);
        }
        for actor in &self.pages {
            let page = &actor.page;
            let view = if page.role == Role::Gm { &all } else { &seen };
            if self.world.rules.doc.is_shown() {
                assert_eq!(page.doc.as_ref(), Some(view), "a page of {:?}", page.role);
            }
        }
        for put in &mut self.puts {
            assert!(put.try_recv().is_ok(), "a put without an answer");
        }
        self.puts.clear();
        self.oracle.check_refused(&self.actors);
    }
}
