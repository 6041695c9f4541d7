//! The saved scene: both maps, fog over what the party has not seen, the
//! order of initiative and the markers on the table.

use crate::crypt::{ARCHIVE, Edges, FLOODED, OSSUARY, SHRINE, TREASURY};
use serde_json::{Value, json};

/// The scene's id, which is also its file name.
pub const ID: &str = "5f0c6c1e-7d0a-4c1b-9a54-3f8f2f6f7a10";

/// The crypt's file name.
pub const CRYPT: &str = "crypt.jpg";
/// The forest road's folder and file name.
pub const FOREST: (&str, &str) = ("wilds", "forest-road.jpg");

/// Ids of the scene's parts: fixed, told apart by their last group.
fn part_id(kind: u32, number: usize) -> String {
    format!("5f0c6c1e-7d0a-4c1b-9a54-{kind:04x}{number:08x}")
}

fn map(name: &str, folder: Option<&str>, hidden: bool) -> Value {
    json!({
        "name": name,
        "folder": folder,
        "data": {
            "position": {"x": 16, "y": 9},
            "useGridCoordinates": true,
            "useGridScaling": true,
            "scale": 1,
            "rotation": 0,
            "isHidden": hidden,
        },
    })
}

/// One line of the initiative order.
struct Fighter {
    name: &'static str,
    initiative: i32,
    player: bool,
    hp: i32,
    full_hp: i32,
    at: (f32, f32),
    footprint: u32,
}

const FIGHTERS: [Fighter; 9] = [
    Fighter {
        name: "Brenna",
        initiative: 21,
        player: true,
        hp: 31,
        full_hp: 38,
        at: (12.5, 8.5),
        footprint: 1,
    },
    Fighter {
        name: "Skeleton Archer",
        initiative: 18,
        player: false,
        hp: 13,
        full_hp: 13,
        at: (20.5, 7.5),
        footprint: 1,
    },
    Fighter {
        name: "Tamsin Quickstep",
        initiative: 17,
        player: true,
        hp: 22,
        full_hp: 27,
        at: (12.5, 11.5),
        footprint: 1,
    },
    Fighter {
        name: "Bone Colossus",
        initiative: 14,
        player: false,
        hp: 59,
        full_hp: 76,
        at: (16.0, 9.0),
        footprint: 2,
    },
    Fighter {
        name: "Orrin of the Lamp",
        initiative: 13,
        player: true,
        hp: 19,
        full_hp: 24,
        at: (9.5, 8.5),
        footprint: 1,
    },
    Fighter {
        name: "Ghoul",
        initiative: 11,
        player: false,
        hp: 22,
        full_hp: 22,
        at: (18.5, 10.5),
        footprint: 1,
    },
    Fighter {
        name: "Ghoul Packmate",
        initiative: 11,
        player: false,
        hp: 0,
        full_hp: 22,
        at: (14.5, 7.5),
        footprint: 1,
    },
    Fighter {
        name: "Wren Ashdown",
        initiative: 8,
        player: true,
        hp: 34,
        full_hp: 34,
        at: (11.5, 9.5),
        footprint: 1,
    },
    Fighter {
        name: "Cult Acolyte",
        initiative: 5,
        player: false,
        hp: 9,
        full_hp: 18,
        at: (18.5, 7.5),
        footprint: 1,
    },
];

fn initiative() -> Vec<Value> {
    FIGHTERS
        .iter()
        .enumerate()
        .map(|(i, fighter)| {
            json!({
                "id": part_id(1, i + 1),
                "name": fighter.name,
                "initiative": fighter.initiative,
                "isPlayer": fighter.player,
                "isCurrentTurn": i == 0,
                "isKilled": fighter.hp == 0,
                "hp": fighter.hp,
                "initialHP": fighter.full_hp,
                "mapPosition": {"x": fighter.at.0, "y": fighter.at.1, "useGridCoordinates": true},
                "tokenFootprint": fighter.footprint,
            })
        })
        .collect()
}

/// Fog over one room. It reaches over half the wall, so that the masonry does
/// not give the room's outline away.
fn veil(number: usize, corners: &[(f32, f32)]) -> Value {
    let points: Vec<Value> = corners
        .iter()
        .map(|(x, y)| json!({"x": x, "y": y}))
        .collect();
    json!({
        "id": part_id(2, number),
        "points": points,
        "useGridCoordinates": true,
        "color": "#000000",
        "opacity": 1,
    })
}

fn outline(room: Edges, margin: f32) -> Vec<(f32, f32)> {
    let (left, top) = (room.0 - margin, room.1 - margin);
    let (right, bottom) = (room.2 + margin, room.3 + margin);
    vec![(left, top), (right, top), (right, bottom), (left, bottom)]
}

fn fog() -> Vec<Value> {
    // The hall's eastern doors are still shut: everything behind them,
    // passages included, is one dark region.
    let east = vec![
        (22.45, FLOODED.1 - 0.45),
        (FLOODED.2 + 0.45, FLOODED.1 - 0.45),
        (SHRINE.2 + 0.45, SHRINE.3 + 0.45),
        (SHRINE.0 - 0.45, SHRINE.3 + 0.45),
        (SHRINE.0 - 0.45, 13.45),
        (22.95, 13.45),
        (22.95, 10.55),
        (22.45, 10.55),
    ];
    let mut regions = vec![east];
    regions.extend([ARCHIVE, TREASURY, OSSUARY].map(|room| outline(room, 0.45)));
    regions
        .iter()
        .enumerate()
        .map(|(i, corners)| veil(i + 1, corners))
        .collect()
}

fn marker(
    number: usize,
    shape: &str,
    feet: u32,
    color: &str,
    at: (f32, f32),
    turn: i32,
    label: &str,
) -> Value {
    json!({
        "id": part_id(3, number),
        "shape": shape,
        "sizeInFeet": feet,
        "color": color,
        "position": {"x": at.0, "y": at.1},
        "rotation": turn,
        "opacity": 0.45,
        "label": label,
        "useGridCoordinates": true,
    })
}

/// The whole scene.
pub fn sunken_crypt() -> Value {
    json!({
        "id": ID,
        "name": "The Sunken Crypt",
        "folder": null,
        // The later lies above: what is hidden is half to be seen by the GM, and would make the crypt muddy.
        "maps": [map(FOREST.1, Some(FOREST.0), true), map(CRYPT, None, false)],
        "activeMapId": CRYPT,
        "gridSettings": {
            "showGrid": true,
            "gridSize": 50,
            "gridColor": "#ffffff",
            "gridOpacity": 0.25,
            "useFixedGrid": true,
            "gridCellsX": 32,
            "gridCellsY": 18,
        },
        "initiativeOrder": initiative(),
        "encounterHistory": [],
        "showCurrentPlayer": true,
        "aoeMarkers": [
            marker(1, "circle", 15, "#ff5a36", (19.5, 8.5), 0, "Fireball"),
            marker(2, "cone", 15, "#4fb3ff", (13.5, 8.5), 0, "Frost Breath"),
        ],
        "fogOfWar": fog(),
        "images": [],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scene_shows_the_crypt_and_hides_the_forest() {
        let scene = sunken_crypt();
        assert_eq!(scene["maps"][1]["name"], CRYPT);
        assert_eq!(scene["maps"][0]["name"], FOREST.1);
        assert_eq!(scene["maps"][0]["folder"], FOREST.0);
        assert_eq!(scene["maps"][0]["data"]["isHidden"], true);
        assert_eq!(scene["activeMapId"], CRYPT);
    }

    #[test]
    fn everything_lies_on_the_stage() {
        let scene = sunken_crypt().to_string();
        let scene: Value = serde_json::from_str(&scene).unwrap_or_default();
        let empty = Vec::new();
        for region in scene["fogOfWar"].as_array().unwrap_or(&empty) {
            for point in region["points"].as_array().unwrap_or(&empty) {
                assert!((0.0..=32.0).contains(&point["x"].as_f64().unwrap_or(-1.0)));
                assert!((0.0..=18.0).contains(&point["y"].as_f64().unwrap_or(-1.0)));
            }
        }
    }
}
