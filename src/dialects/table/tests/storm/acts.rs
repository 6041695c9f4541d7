//! What people do.

use super::super::clients::new_id;
use super::super::world::text;
use super::Storm;
use super::people::Actor;
use super::scene::{first_scene, insert, marks};
use crate::access::Role;
use crate::dialects::table::{Put, Request};
use crate::json::JsonText;
use crate::model::MapMove;
use crate::store::AssetPath;
use serde_json::{Value, json};

impl Storm {
    pub(super) fn online(&mut self, role: Option<Role>) -> Option<usize> {
        let fits = |actor: &Actor| {
            let member = &actor.member;
            member.conn.is_some()
                && !member.mode.is_empty()
                && role.is_none_or(|role| member.asks == Some(role))
        };
        let all: Vec<usize> = (0..self.actors.len())
            .filter(|n| fits(&self.actors[*n]))
            .collect();
        self.dice.pick(&all).copied()
    }

    pub(super) fn send(&mut self, n: usize, text: String) {
        let at = self.world.now.instant;
        self.actors[n].uplink.push_back((text, at));
    }

    pub(super) fn somebody_changes(&mut self) {
        let Some(n) = self.online(None) else { return };
        let count = if self.dice.chance(4) { 3 } else { 1 };
        let doc = self.actors[n].member.doc.clone();
        let role = self.actors[n].member.asks;
        let edits: Vec<Value> = match role {
            Some(Role::Gm) => (0..count).map(|_| self.gm_edit(&doc)).collect(),
            _ => (0..count).map(|_| self.player_edit(n)).collect(),
        };
        let marks = edits.iter().flat_map(marks).collect();
        let force = role == Some(Role::Gm) && self.dice.chance(12);
        let mut body = json!({ "edits": edits });
        if force {
            body["force"] = json!(true);
        }
        self.change(n, body, marks, force);
    }

    pub(super) fn change(&mut self, n: usize, body: Value, marks: Vec<u64>, force: bool) {
        let id = new_id();
        let actor = &mut self.actors[n];
        let mut body = body;
        if self.mark.is_multiple_of(5) && body.get("base").is_none() {
            body["epoch"] = json!(actor.member.epoch);
        }
        let message = actor.member.change(&id, body);
        let made = &actor.member.mine[&id];
        self.oracle
            .made(&id, &actor.member.epoch, made, marks, force);
        actor.asked.push((id.clone(), message.clone()));
        actor.since.insert(id, self.world.now.instant);
        self.send(n, message);
    }

    pub(super) fn gm_edit(&mut self, doc: &Value) -> Value {
        let mark = self.fresh();
        let names = |list: &str, member: &str| -> Vec<Value> {
            let things = doc[list].as_array().into_iter().flatten();
            things.map(|thing| thing[member].clone()).collect()
        };
        let maps = names("maps", "name");
        let markers = names("aoeMarkers", "id");
        let entries = names("initiativeOrder", "id");
        let set = |path: Value, value: Value| json!({ "op": "set", "path": path, "value": value });
        let place = json!({ "x": mark, "y": mark });
        match self.dice.below(17) {
            0..=2 => {
                let key = format!("k{}", self.dice.below(4));
                set(json!(["gridSettings", key]), json!(mark))
            }
            3 => set(json!(["gridSettings", "gridSize"]), json!(mark)),
            4 => set(json!(["gm_notes"]), json!(format!("SECRET{mark}"))),
            5 => {
                let mut marker = json!({ "id": format!("u{mark}"), "label": format!("u{mark}") });
                if self.dice.chance(2) {
                    marker = json!({ "id": format!("SECRETu{mark}"), "revealed": false });
                }
                let before = self.dice.pick(&markers).map(|id| json!({ "id": id }));
                insert("aoeMarkers", marker, before)
            }
            6 => {
                let hidden = self.dice.chance(2);
                let name = if hidden { "SECRETu" } else { "u" };
                let data = json!({ "position": place, "isHidden": hidden });
                let map = json!({ "name": format!("{name}{mark}.png"), "data": data });
                let before = self.dice.pick(&maps).map(|name| json!({ "name": name }));
                insert("maps", map, before)
            }
            7 if !maps.is_empty() => {
                let name = &maps[self.dice.below(maps.len())];
                let path = json!(["maps", { "name": name }, "data", "position"]);
                set(path, place)
            }
            8 if !maps.is_empty() => {
                let name = &maps[self.dice.below(maps.len())];
                let secret = name.as_str().unwrap().contains("SECRET");
                let hide = secret || self.dice.chance(2);
                set(
                    json!(["maps", { "name": name }, "data", "isHidden"]),
                    json!(hide),
                )
            }
            9 if !maps.is_empty() => {
                let name = &maps[self.dice.below(maps.len())];
                let before = json!({ "name": maps[self.dice.below(maps.len())] });
                json!({ "op": "move", "path": ["maps", { "name": name }], "before": before })
            }
            10 if maps.len() > 2 => {
                let name = &maps[self.dice.below(maps.len())];
                json!({ "op": "delete", "path": ["maps", { "name": name }] })
            }
            11 if markers.len() > 2 => {
                let id = &markers[self.dice.below(markers.len())];
                json!({ "op": "delete", "path": ["aoeMarkers", { "id": id }] })
            }
            12 => {
                let name = self.dice.pick(&maps).cloned().unwrap_or_default();
                set(json!(["activeMapId"]), name)
            }
            13 => {
                let told = json!([{ "id": 1, "text": format!("SECRET{mark}") }]);
                set(json!(["encounterHistory"]), told)
            }
            14 if self.dice.chance(3) => {
                // Twice the same thing, or nothing that is there.
                let plain: Vec<Value> = (markers.into_iter())
                    .filter(|id| !id.to_string().contains("SECRET"))
                    .collect();
                let thing = self.dice.pick(&plain).cloned().unwrap_or(json!("none"));
                insert(
                    "aoeMarkers",
                    json!({ "id": thing, "label": format!("u{mark}") }),
                    None,
                )
            }
            _ if !entries.is_empty() => {
                let id = &entries[self.dice.below(entries.len())];
                let entry = json!({ "id": id });
                let monster = id.as_str().unwrap().starts_with('m');
                match self.dice.below(4) {
                    0 => set(json!(["initiativeOrder", entry, "initiative"]), json!(mark)),
                    1 if monster => {
                        let hp = 7_770_007_700_000 + mark;
                        set(json!(["initiativeOrder", entry, "hp"]), json!(hp))
                    }
                    2 if monster => {
                        // Under the fog.
                        let at = json!({ "x": 7_770_007_700_000 + mark, "y": 5 });
                        set(json!(["initiativeOrder", entry, "mapPosition"]), at)
                    }
                    _ => set(json!(["initiativeOrder", entry, "mapPosition"]), place),
                }
            }
            _ => set(json!(["gridSettings", "gridSize"]), json!(mark)),
        }
    }

    pub(super) fn player_edit(&mut self, n: usize) -> Value {
        let mark = self.fresh();
        let me = &self.actors[n].member.id;
        let assigned = &self.world.rules.side.assigned;
        let own: Vec<&String> = assigned
            .iter()
            .filter(|(_, m)| *m == me)
            .map(|(e, _)| e)
            .collect();
        let entry = match own.first() {
            Some(entry) if !self.dice.chance(8) => (*entry).clone(),
            _ => format!("p{}", self.dice.below(3)),
        };
        let (member, value) = match self.dice.below(3) {
            0 => ("initiative", json!(mark)),
            1 if self.dice.chance(6) => ("name", json!(format!("u{mark}"))),
            _ => ("mapPosition", json!({ "x": mark, "y": mark })),
        };
        json!({ "op": "set", "path": ["initiativeOrder", { "id": entry }, member], "value": value })
    }

    /// The whole document: a little changed, from now or from a while ago, or another one.
    pub(super) fn somebody_replaces(&mut self) {
        let Some(n) = self.online(Some(Role::Gm)) else {
            return;
        };
        let actor = &mut self.actors[n];
        let (base, mut doc) = match actor.earlier.front().cloned() {
            Some(earlier) if self.dice.chance(2) => earlier,
            _ => (actor.member.seq, actor.member.doc.clone()),
        };
        actor.earlier.clear();
        let mark = self.fresh();
        let mut force = false;
        let mut values = vec![mark];
        if self.dice.chance(8) {
            let mut marks = self.mark;
            doc = first_scene(&mut marks);
            doc["id"] = json!(format!("u{mark}"));
            values = (self.mark..=marks).collect();
            self.mark = marks;
            force = self.dice.chance(2);
        } else {
            doc["gridSettings"][format!("k{}", self.dice.below(4))] = json!(mark);
        }
        let mut body = json!({ "scene": doc, "base": base });
        if force {
            body["force"] = json!(true);
        }
        self.change(n, body, values, force);
    }

    pub(super) fn page_edits(&mut self) {
        let n = self.dice.below(self.pages.len());
        let now = self.world.now.instant;
        let mark = self.fresh();
        let kind = self.dice.below(24);
        let which = self.dice.below(4);
        let page = &mut self.pages[n];
        let settled = page.is_settled(now);
        let Some(doc) = &mut page.page.doc else {
            let empty = !self.world.rules.doc.is_shown();
            if empty && page.page.conn.is_some() && page.page.role == Role::Gm && kind == 0 {
                page.page.doc = Some(first_scene(&mut self.mark));
            }
            return;
        };
        let before = doc.clone();
        match kind {
            0 => {}
            1 if page.page.role == Role::Gm && page.page.conn.is_some() && settled => {
                *doc = first_scene(&mut self.mark);
                doc["id"] = json!(format!("u{mark}"));
            }
            2..=5 => {
                let marker = json!({ "id": format!("u{mark}"), "label": format!("u{mark}") });
                if let Some(markers) = doc["aoeMarkers"].as_array_mut() {
                    if markers.len() > 4 {
                        markers.remove(which);
                    }
                    markers.push(marker);
                }
            }
            6..=11 => {
                if let Some(entry) = doc["initiativeOrder"].get_mut(which) {
                    entry["initiative"] = json!(mark);
                }
            }
            12 => {
                if let Some(entry) = doc["initiativeOrder"].get_mut(which)
                    && entry["isPlayer"] != true
                {
                    entry["hp"] = json!(7_770_007_700_000 + mark);
                }
            }
            _ => doc["gridSettings"][format!("k{which}")] = json!(mark),
        }
        if *doc == before && page.page.role == Role::Gm {
            return self.page_repeats(n);
        }
        self.oracle.page_made(mark, page.page.seen);
        let message = json!({ "type": "scene_update", "scene": doc }).to_string();
        if let Some(conn) = page.page.conn {
            page.uplink.push_back((message, now));
            let link = &self.world.links[&conn];
            page.crossed |= !link.inbox.is_empty() || link.stuck;
        } else if page.queued.len() < 3 && page.page.role == Role::Gm {
            page.queued.push((message, now));
        }
    }

    /// A page sends what it shows once more. The others get that, too, and it takes the place of what
    /// they have just done and not told yet: that dialect is like this. So only in a quiet moment.
    pub(super) fn page_repeats(&mut self, n: usize) {
        self.touch_all();
        if self.world.disk.is_idle()
            && let page = &mut self.pages[n].page
            && let Some(doc) = page.doc.clone().filter(|_| page.conn.is_some())
        {
            page.shows(&mut self.world, doc);
        }
        self.touch_all();
    }

    /// Names what is there at this moment, hidden or not.
    pub(super) fn somebody_hints(&mut self) {
        let scene = self.world.scene();
        let mut names = Vec::new();
        for (list, member) in [
            ("maps", "name"),
            ("aoeMarkers", "id"),
            ("initiativeOrder", "id"),
        ] {
            let things = scene[list].as_array().into_iter().flatten();
            names.extend(things.map(|thing| thing[member].clone()));
        }
        let Some(name) = self.dice.pick(&names).cloned() else {
            return;
        };
        if self.dice.chance(3) {
            let page = &self.pages[self.dice.below(self.pages.len())].page;
            if let (Some(conn), Role::Gm) = (page.conn, page.role) {
                let relay = json!({ "type": "highlight_marker", "markerId": name });
                self.world.say(conn, &relay.to_string());
            }
            return;
        }
        let Some(n) = self.online(None) else { return };
        let kinds = ["drag", "pointer", "ping", "other"];
        let kind = kinds[self.dice.below(4)];
        let gm = self.actors[n].member.asks == Some(Role::Gm);
        let hint = match gm && self.dice.chance(2) {
            true => json!({ "type": "hint", "kind": kind, "key": name, "data": { "x": 1 } }),
            false => json!({ "type": "hint", "kind": kind, "data": { "of": [name] } }),
        };
        if let Some(conn) = self.actors[n].member.conn {
            self.world.say(conn, &hint.to_string());
        }
    }

    pub(super) fn ask(&mut self, n: usize, mut message: Value) {
        let id = new_id();
        message["id"] = json!(id);
        let actor = &mut self.actors[n];
        actor.member.mine.insert(id.clone(), message.clone());
        actor.asked.push((id.clone(), message.to_string()));
        actor.since.insert(id, self.world.now.instant);
        self.send(n, message.to_string());
    }

    pub(super) fn somebody_talks(&mut self) {
        let Some(n) = self.online(None) else { return };
        let mark = self.fresh();
        let member = &self.actors[n].member;
        let mut message = match self.dice.chance(2) {
            true => json!({ "type": "roll", "expr": "2d20kh1+3" }),
            false => json!({ "type": "chat", "text": format!("u{mark}") }),
        };
        if member.asks == Some(Role::Gm) && self.dice.chance(3) {
            message = json!({ "type": "chat", "text": "SECRET plan", "to": "gm" });
        } else if self.dice.chance(3) {
            let others: Vec<String> = self.actors.iter().map(|a| a.member.id.clone()).collect();
            let to = others[self.dice.below(others.len())].clone();
            message["to"] = json!(if to.is_empty() { "gm".into() } else { to });
        }
        self.ask(n, message);
    }

    pub(super) fn gm_plays(&mut self) {
        let Some(n) = self.online(None) else { return };
        let actions = ["load", "play", "pause", "stop"];
        let action = actions[self.dice.below(4)];
        let message = match self.dice.below(3) {
            0 => json!({ "type": "audio", "action": action, "track": "SECRET", "route": "gm" }),
            1 => json!({ "type": "audio", "action": action, "track": "rain", "route": "display" }),
            _ => json!({ "type": "audio", "action": action, "track": "wind", "volume": 0.5 }),
        };
        // Only the GM may name that one, to anybody.
        if self.actors[n].member.asks == Some(Role::Gm) || message["track"] != "SECRET" {
            self.ask(n, message);
        }
    }

    pub(super) fn gm_assigns(&mut self) {
        let Some(n) = self.online(Some(Role::Gm)) else {
            return;
        };
        let id = self.actors[2 + self.dice.below(2)].member.id.clone();
        let member = if id.is_empty() || self.dice.chance(5) {
            Value::Null
        } else {
            json!(id)
        };
        let entry = format!("p{}", self.dice.below(3));
        let message = json!({ "type": "assign", "entry": entry, "member": member });
        if self.dice.chance(2) {
            self.ask(n, message);
        } else {
            self.send(n, message.to_string());
        }
    }

    pub(super) fn gm_directs(&mut self) {
        let Some(n) = self.online(Some(Role::Gm)) else {
            return;
        };
        let actions = ["blank", "unblank", "rotate", "identify", "mute"];
        let action = actions[self.dice.below(5)];
        self.ask(n, json!({ "type": "display", "action": action }));
    }

    /// Sends something again that has been answered. (What has not goes out again with every new
    /// connection; nobody repeats what was refused.)
    pub(super) fn somebody_repeats(&mut self) {
        let Some(n) = self.online(None) else { return };
        let actor = &self.actors[n];
        let done = |(id, _): &&(String, String)| actor.done.contains(id);
        let asked: Vec<(String, String)> = actor.asked.iter().filter(done).cloned().collect();
        if let Some((_, message)) = self.dice.pick(&asked).cloned() {
            self.send(n, message);
        }
    }

    pub(super) fn gm_removes(&mut self) {
        if !self.dice.chance(4) {
            return;
        }
        let Some(n) = self.online(Some(Role::Gm)) else {
            return;
        };
        let other = 2 + self.dice.below(4);
        let id = self.actors[other].member.id.clone();
        if id.is_empty() || id == self.actors[n].member.id {
            return;
        }
        let conn = self.actors[n].member.conn();
        self.world
            .say(conn, &json!({ "type": "kick", "member": id }).to_string());
        // Whoever was that member is somebody new from now on.
        for actor in &mut self.actors {
            let conn = actor.member.conn;
            // One that has not read its welcome yet may be somebody else by now.
            let closed = conn.is_none_or(|conn| self.world.links[&conn].closed.is_some());
            if actor.member.id == id && closed {
                actor.removed(&mut self.world);
            }
        }
    }

    /// REST and the libraries.
    pub(super) fn server_writes(&mut self) {
        let mark = self.fresh();
        let head = self.world.rules.doc.scene().clone();
        let maps = self.world.scene()["maps"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let plain = |map: &&Value| !map["name"].as_str().unwrap_or("SECRET").contains("SECRET");
        let (reply, answer) = tokio::sync::oneshot::channel();
        if let (Some(map), true) = (maps.iter().find(plain), self.dice.chance(2)) {
            let from = AssetPath::parse(map["name"].as_str().unwrap()).unwrap();
            let map_move = MapMove {
                to: AssetPath::parse(&format!("u{mark}.png")).unwrap(),
                namesakes: vec![from.clone()],
                from,
            };
            let (reply, _) = tokio::sync::oneshot::channel();
            let id = new_id();
            self.world.ask(Request::Put(Put::MapMoved {
                map_move,
                id,
                reply,
            }));
            return;
        }
        let mut scene = head.root().to_value();
        scene["gridSettings"]["k0"] = json!(mark);
        let seen = head.clone();
        let fits = Box::new(move |present: &JsonText| *present == seen);
        let scene = text(&scene.to_string());
        self.world
            .ask(Request::Put(Put::Scene { scene, fits, reply }));
        self.puts.push(answer);
    }
}
