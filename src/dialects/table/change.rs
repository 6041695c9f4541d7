//! Judging a member's change: who may make it, what it fits, what comes of it.

use super::TableRules;
use super::aside::Why;
use super::commit::Settling;
use super::document::{Stale, mark_of};
use super::view::View;
use super::wire::{ChangeRequest, Refusal, Wish};
use crate::access::Role;
use crate::json::{JsonText, Node, NodeKind};
use crate::live::{ConnId, Now};
use crate::model::diff;
use crate::model::edit::{Edit, Path, Step, apply, value_at};
use std::sync::Arc;

/// Bytes of a value that a player may set.
const PLAYERS_VALUE: usize = 256;

/// Whether what a player does to an entry leaves it in the shape that everybody counts on.
fn is_sound(edit: &Edit) -> bool {
    let path = edit.path().steps();
    let Some(value) = edit.value() else {
        return matches!(path, [_, _, Step::Key(_)]);
    };
    let node = value.root();
    let fits = match path {
        [_, _, Step::Key(member)] if member == "mapPosition" => node.is_null() || is_place(node),
        [_, _, Step::Key(_)] => matches!(node.kind(), NodeKind::Number | NodeKind::Null),
        [_, _, Step::Key(member), Step::Key(name)] if member == "mapPosition" => {
            fits_place(name, node)
        }
        _ => false,
    };
    fits && value.as_str().len() <= PLAYERS_VALUE
}

/// Whether it has all that a place needs, and nothing else.
fn is_place(node: Node<'_>) -> bool {
    node.kind() == NodeKind::Object
        && node.members().all(|(name, node)| fits_place(&name, node))
        && ["x", "y"].iter().all(|name| node.get(name).is_some())
}

fn fits_place(name: &str, node: Node<'_>) -> bool {
    match name {
        "x" | "y" => node.kind() == NodeKind::Number,
        "useGridCoordinates" => node.kind() == NodeKind::Bool,
        _ => false,
    }
}

impl TableRules {
    pub(super) fn write_change(
        &mut self,
        conn: ConnId,
        request: ChangeRequest,
        now: Now,
    ) -> Result<(), Refusal> {
        let role = self.role_of(conn);
        self.authorise(conn, role, &request)?;
        let ChangeRequest {
            id,
            base,
            epoch,
            force,
            body,
        } = request;
        if epoch.is_some_and(|epoch| epoch != self.doc.epoch()) {
            let message = "the scene has been replaced since; look at it again";
            return Err(self.conflict_at(role, None, message));
        }
        let force = force && role == Role::Gm;
        if !self.doc.knows(base) {
            // Not even by force: it may be a repeat of something that is long done.
            return Err(self.stale(role, Stale::Unknown));
        }
        let newest = base == self.doc.head() && !self.doc.has_waiting_steps();
        let is_whole = matches!(body, Wish::Scene(_));
        let (edits, scene, rebased, sent) = match body {
            Wish::Edits(edits) => {
                let rebased = self.check(base, &edits, force, role)?;
                let scene = self.apply(&edits, role)?;
                let edits: Arc<[Edit]> = edits.into();
                (Some(edits.clone()), scene, rebased, Some(edits))
            }
            // Insisting helps against what others did, not against another past.
            Wish::Scene(scene) if newest || force && self.doc.since(base).is_ok() => {
                (None, scene, false, None)
            }
            Wish::Scene(scene) => {
                let old = self.doc.scene_at(base);
                let old = old.ok_or_else(|| self.stale(role, Stale::Unknown))?;
                let edits = diff(&old, &scene);
                let rebased = self.check(base, &edits, force, role)?;
                let scene = self.apply(&edits, role)?;
                (Some(edits.into()), scene, rebased, None)
            }
        };
        if scene.as_str().len() as u64 > self.settings.frame_bytes {
            let message = format!(
                "the scene would be larger than {} bytes",
                self.settings.frame_bytes
            );
            return Err(Refusal::new("too_large", message));
        }
        let present = self.doc.tip().1;
        if is_whole && self.doc.is_shown() && mark_of(present) != mark_of(&scene) {
            // Another scene is loaded: the one that goes may have been saved nowhere.
            let replaced = present.clone();
            self.aside.keep(Why::Replaced, replaced, now);
        }
        let by = self.id_of(conn);
        let settling = Settling {
            by,
            sender: Some(conn),
            id: Some(id),
            rebased,
            sent,
            ..Settling::default()
        };
        self.add_step(scene, edits, Some(conn), settling, now);
        Ok(())
    }

    /// Players change where their own entries stand and their initiative, nothing else.
    pub(super) fn authorise(
        &self,
        conn: ConnId,
        role: Role,
        request: &ChangeRequest,
    ) -> Result<(), Refusal> {
        let own = |edit: &Edit| {
            let [Step::Key(list), Step::Select(entry), Step::Key(member), ..] = edit.path().steps()
            else {
                return false;
            };
            // Entries are assigned by the text of their id, also when that is a number.
            let text = entry.value.as_str().map(str::to_owned);
            let assigned = self
                .side
                .assigned
                .get(&text.unwrap_or_else(|| entry.value.to_json()));
            let mine = assigned.is_some_and(|member| *member == self.id_of(conn));
            let setting = matches!(edit, Edit::Set { .. } | Edit::Delete { .. });
            list == "initiativeOrder"
                && mine
                && setting
                && entry.member == "id"
                && matches!(member.as_str(), "mapPosition" | "initiative")
        };
        let allowed = match (role, &request.body) {
            (Role::Gm, _) => true,
            (Role::Player, Wish::Edits(edits)) => edits.iter().all(own),
            (Role::Player | Role::Display, _) => false,
        };
        if !allowed {
            let message = "only the GM may change this; a player moves what is assigned to them";
            return Err(Refusal::new("forbidden", message));
        }
        match (role, &request.body) {
            (Role::Player, Wish::Edits(edits)) if !edits.iter().all(is_sound) => {
                let message =
                    "a place is {\"x\",\"y\",\"useGridCoordinates\"}, and initiative a number";
                Err(Refusal::new("invalid", message))
            }
            _ => Ok(()),
        }
    }

    fn check(
        &mut self,
        base: u64,
        edits: &[Edit],
        force: bool,
        role: Role,
    ) -> Result<bool, Refusal> {
        match self.doc.check(base, edits) {
            Ok(rebased) => Ok(rebased),
            Err(Stale::Conflict(_)) if force => Ok(true),
            Err(stale) => Err(self.stale(role, stale)),
        }
    }

    fn stale(&mut self, role: Role, stale: Stale) -> Refusal {
        match stale {
            Stale::Unknown => {
                let message = "it was made on a scene that is too old; look at it again";
                self.conflict_at(role, None, message)
            }
            Stale::Counted => {
                let message = "a place named by counting only fits the newest scene";
                self.conflict_at(role, None, message)
            }
            Stale::Conflict(place) => {
                let message = "somebody else has changed the same place";
                self.conflict_at(role, Some(&place), message)
            }
        }
    }

    fn apply(&mut self, edits: &[Edit], role: Role) -> Result<JsonText, Refusal> {
        let applied = apply(self.doc.tip().1, edits);
        applied.map_err(|refused| {
            let message = refused.to_string();
            match refused.reason.code() {
                "no_match" | "exists" => self.conflict_at(role, Some(&refused.path), &message),
                _ => Refusal::new("invalid", message),
            }
        })
    }

    /// A conflict, with the head and what stands at `place` as `role` sees it.
    fn conflict_at(&mut self, role: Role, place: Option<&Path>, message: &str) -> Refusal {
        let seen = self.doc.seen_by(View::of(role));
        let current = place.and_then(|place| value_at(&seen, place));
        let current = current.map_or_else(|| "null".to_owned(), |node| node.raw().to_owned());
        Refusal {
            current: Some((self.doc.head(), current)),
            ..Refusal::new("conflict", message)
        }
    }
}
