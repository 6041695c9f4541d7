//! Scenes to send: many small members, as scenes are, so that reading one costs what it costs.

use super::swarm::stamp;
use std::fmt::Write;

const START: &str = "{\"id\":\"bench\",\"name\":\"";
const MIDDLE: &str = "\",\"maps\":[],\"activeMapId\":null,\
    \"gridSettings\":{\"showGrid\":true,\"gridSize\":50},\"initiativeOrder\":[\
    {\"id\":\"t0\",\"name\":\"Mira\",\"isPlayer\":true,\"mapPosition\":{\"x\":";
const FIRST_END: &str = ",\"y\":0}}";
const END: &str = "],\"aoeMarkers\":[],\"fogOfWar\":[]}";
/// What a page of SpellTable has around its scene.
const UPDATE: &str = "{\"type\":\"scene_update\",\"scene\":";

/// A scene with tokens `t0`, `t1` and so on, in which `t0` is being dragged.
pub struct Scene {
    /// What stands behind the position of `t0`.
    rest: String,
}

impl Scene {
    /// One of about so many bytes.
    pub fn of(bytes: usize) -> Self {
        let around = UPDATE.len() + START.len() + stamp(0).len() + MIDDLE.len() + END.len() + 2;
        let mut rest = String::from(FIRST_END);
        for nth in 1.. {
            let before = rest.len();
            let _ = write!(
                rest,
                ",{{\"id\":\"t{nth}\",\"name\":\"Goblin {nth}\",\"initiative\":{},\
                 \"isPlayer\":false,\"mapPosition\":{{\"x\":{},\"y\":{}}}}}",
                nth % 20,
                nth * 7919 % 4000,
                f64::from(nth * 104_729 % 30_000) / 10.0,
            );
            if around + rest.len() > bytes {
                rest.truncate(before);
                break;
            }
        }
        rest.push_str(END);
        Self { rest }
    }

    /// The scene at one moment of the drag, with the [`stamp`] of `number`.
    pub fn at(&self, number: u64) -> String {
        [
            START,
            &stamp(number),
            MIDDLE,
            &number.to_string(),
            &self.rest,
        ]
        .concat()
    }

    /// The same as a page of SpellTable says it.
    pub fn update(&self, number: u64) -> Vec<u8> {
        let number_text = number.to_string();
        let stamp = stamp(number);
        [UPDATE, START, &stamp, MIDDLE, &number_text, &self.rest, "}"]
            .concat()
            .into_bytes()
    }
}
