//! Data folders to measure with; every name and byte is the same in every run.

use super::Result;
use super::crowd::Dice;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Maps of the large library.
pub const MAPS: usize = 10_000;
const FOLDERS: usize = 500;
const SCENES: usize = 1_000;
/// Every so many scenes one shows [`SHOWN_MAP`].
const SHOWN_EVERY: usize = 100;
/// How many scenes show [`SHOWN_MAP`].
pub const SHOWN_BY: usize = SCENES / SHOWN_EVERY;
/// The map that is renamed. Outside of the numbered ones, so that no other scene shows it.
pub const SHOWN_MAP: &str = "keep.png";

/// Size of the largest picture that is compared.
pub const TEN_MEGABYTES: u64 = 10 << 20;
/// Size of the long sound: far beyond what the server keeps in memory.
pub const LONG_SOUND: u64 = 1 << 30;

/// A PNG up to the size of its picture, 4096 by 4096: an upload's size is looked at.
pub const PNG_HEAD: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x10\0\0\0\x10\0";

/// An empty data folder, deleted when dropped.
pub fn empty() -> Result<TempDir> {
    Ok(tempfile::tempdir()?)
}

/// Three maps of different size, and the long sound.
pub fn few_files() -> Result<TempDir> {
    let folder = empty()?;
    let maps = folder.path().join("maps");
    fs::create_dir(&maps)?;
    for (name, size) in [
        ("2k.png", 2 << 10),
        ("100k.png", 100 << 10),
        ("10m.png", TEN_MEGABYTES as usize),
    ] {
        fs::write(maps.join(name), picture(size))?;
    }
    Ok(folder)
}

/// One sound of a gibibyte that takes no room on the disk.
pub fn long_sound() -> Result<TempDir> {
    let folder = empty()?;
    let sounds = folder.path().join("sounds/loop");
    fs::create_dir_all(&sounds)?;
    let mut file = File::create(sounds.join("long.wav"))?;
    let rest = u32::try_from(LONG_SOUND - 8)?;
    file.write_all(b"RIFF")?;
    file.write_all(&rest.to_le_bytes())?;
    file.write_all(b"WAVEfmt ")?;
    file.set_len(LONG_SOUND)?;
    Ok(folder)
}

/// Ten thousand maps in five hundred folders, a thousand scenes, ten of which show [`SHOWN_MAP`].
pub fn large_library() -> Result<TempDir> {
    let folder = empty()?;
    let (maps, scenes) = (folder.path().join("maps"), folder.path().join("scenes"));
    fs::create_dir(&maps)?;
    fs::create_dir(&scenes)?;
    for nth in 0..FOLDERS {
        fs::create_dir(maps.join(map_folder(nth)))?;
    }
    let picture = picture(64);
    fs::write(maps.join(SHOWN_MAP), &picture)?;
    for nth in 1..MAPS {
        fs::write(maps.join(map_folder(nth)).join(map_name(nth)), &picture)?;
    }
    for nth in 0..SCENES {
        let id = scene_id(nth);
        fs::write(scenes.join(format!("{id}.json")), scene(nth, &id))?;
    }
    Ok(folder)
}

/// The table that a first start shows: the repository's maps, scenes and sounds.
pub fn demo() -> Result<TempDir> {
    let folder = empty()?;
    for kind in ["maps", "scenes", "sounds"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(kind);
        copy(&from, &folder.path().join(kind))?;
    }
    Ok(folder)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Looks like a PNG and does not compress.
pub fn picture(size: usize) -> Vec<u8> {
    let mut bytes = PNG_HEAD.to_vec();
    let mut dice = Dice::new(1);
    while bytes.len() < size {
        bytes.extend_from_slice(&dice.next().to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

fn map_folder(nth: usize) -> String {
    format!("region-{:03}", nth % FOLDERS)
}

fn map_name(nth: usize) -> String {
    format!("chamber-{nth:05}.png")
}

fn scene_id(nth: usize) -> String {
    format!("6d1f0c52-3b7e-4a18-9c40-{nth:012}")
}

/// A fight in the middle of a dungeon, as SpellTable saves it: about 16 KB.
fn scene(nth: usize, id: &str) -> String {
    let shows = nth.is_multiple_of(SHOWN_EVERY);
    let other = 1 + nth * 7 % (MAPS - 1);
    let second = 1 + nth * 13 % (MAPS - 1);
    let (name, folder) = match shows {
        true => (SHOWN_MAP.to_owned(), Value::Null),
        false => (map_name(other), json!(map_folder(other))),
    };
    let scene = json!({
        "id": id,
        "name": format!("Chapter {nth}"),
        "folder": null,
        "maps": [
            placed_map(&name, &folder),
            placed_map(&map_name(second), &json!(map_folder(second))),
        ],
        "activeMapId": name,
        "gridSettings": {
            "showGrid": true, "gridSize": 50, "gridColor": "#ffffff", "gridOpacity": 0.25,
            "useFixedGrid": true, "gridCellsX": 32, "gridCellsY": 18
        },
        "initiativeOrder": (0..24).map(creature).collect::<Vec<_>>(),
        "encounterHistory": [],
        "showCurrentPlayer": true,
        "aoeMarkers": [],
        "fogOfWar": (0..10).map(fog).collect::<Vec<_>>(),
        "images": []
    });
    format!("{scene:#}")
}

fn placed_map(name: &str, folder: &Value) -> Value {
    json!({
        "name": name,
        "folder": folder,
        "data": {
            "position": { "x": 16, "y": 9 },
            "useGridCoordinates": true, "useGridScaling": true,
            "scale": 1, "rotation": 0, "isHidden": false
        }
    })
}

fn creature(nth: usize) -> Value {
    json!({
        "id": format!("8a52e1d4-0b3f-4c77-8e21-{nth:012}"),
        "name": format!("Bone guard {nth}"),
        "initiative": 24 - nth, "isPlayer": nth.is_multiple_of(5),
        "isCurrentTurn": nth == 0, "isKilled": false,
        "hp": 13, "initialHP": 13,
        "mapPosition": { "x": nth as f64 + 0.5, "y": 8.5, "useGridCoordinates": true },
        "tokenFootprint": 1
    })
}

fn fog(nth: usize) -> Value {
    let corner = |side: usize| {
        let turn = side as f64 / 8.0 * std::f64::consts::TAU;
        json!({ "x": 3.0 * nth as f64 + turn.cos(), "y": 9.0 + turn.sin() })
    };
    json!({
        "id": format!("f3c9a7b6-51d8-4e02-a6f4-{nth:012}"),
        "points": (0..8).map(corner).collect::<Vec<_>>(),
        "useGridCoordinates": true, "color": "#000000", "opacity": 1
    })
}
