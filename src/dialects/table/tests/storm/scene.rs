//! Scenes of the storm: everything that is hidden says so, and every number is written once.

use serde_json::{Value, json};

pub(super) fn insert(list: &str, value: Value, before: Option<Value>) -> Value {
    let mut edit = json!({ "op": "insert", "path": [list], "value": value });
    if let Some(before) = before {
        edit["before"] = before;
    }
    edit
}

/// The values of an edit that nothing else writes.
pub(super) fn marks(edit: &Value) -> Vec<u64> {
    let value = &edit["value"];
    let number = value.as_u64().or_else(|| value["x"].as_u64());
    number.into_iter().filter(|n| *n > 20_000).collect()
}

/// A scene with something of everything, hidden and not; numbers are new.
pub(super) fn first_scene(mark: &mut u64) -> Value {
    let mut next = || {
        *mark += 1;
        *mark
    };
    let entry = |id: &str, player: bool, n: u64| {
        let hp = if player { 7 } else { 7_770_007_700_000 + n };
        json!({ "id": id, "name": id, "isPlayer": player, "initiative": n, "hp": hp,
            "mapPosition": { "x": n, "y": n } })
    };
    json!({
        "id": "s",
        "name": "A scene",
        "maps": [
            { "name": format!("u{}.png", next()), "data": { "position": { "x": next(), "y": 1 }, "isHidden": false } },
            { "name": format!("SECRETu{}.png", next()), "data": { "position": { "x": next(), "y": 1 }, "isHidden": true } },
        ],
        "activeMapId": null,
        "gridSettings": { "showGrid": true, "gridSize": next(), "k0": next(), "k1": next() },
        "initiativeOrder": [
            entry("p0", true, next()), entry("p1", true, next()), entry("p2", true, next()),
            entry("m0", false, next()), entry("m1", false, next()),
        ],
        "encounterHistory": [{ "id": 0, "text": "SECRET" }],
        "aoeMarkers": [{ "id": format!("u{}", next()), "label": "fire" }],
        "fogOfWar": [{ "id": "fog", "points": [
            { "x": 7_600_000_000_000u64, "y": 0 }, { "x": 7_900_000_000_000u64, "y": 0 },
            { "x": 7_900_000_000_000u64, "y": 10 }, { "x": 7_600_000_000_000u64, "y": 10 },
        ] }],
        "gm_notes": "SECRET",
    })
}
