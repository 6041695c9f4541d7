//! A large library: how long a list takes, and a rename that many scenes must be looked at for.

use crate::support::folders::{MAPS, SHOWN_BY, SHOWN_MAP, large_library};
use crate::support::report::{Goal, Report, Row, Wanted};
use crate::support::tablekeep::Tablekeep;
use crate::support::talk::{Answer, Talk};
use crate::support::{Result, median};
use serde_json::Value;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::{Instant, SystemTime};

const LISTS: usize = 20;
/// There and back again, so an even number leaves the name as it was.
const RENAMES: usize = 4;

pub fn run(wanted: &Wanted, report: &mut Report) -> Result<()> {
    if !wanted.has("list") && !wanted.has("rename") {
        return Ok(());
    }
    let data = large_library()?;
    let server = Tablekeep::start(data.path())?;
    let mut talk = Talk::to(server.addr())?;
    if wanted.has("list") {
        let times: Result<Vec<f64>> = (0..LISTS).map(|_| list(&mut talk)).collect();
        report.add(Row::alone(
            "list of 10,000 maps, ms",
            median(times?),
            Goal::AtMost(50.0),
        ));
    }
    if wanted.has("rename") {
        let scenes = data.path().join("scenes");
        let times: Result<Vec<f64>> = (0..RENAMES)
            .map(|nth| rename(&mut talk, &scenes, nth))
            .collect();
        report.add(Row::alone(
            "rename of a map in 10 of 1,000 scenes, ms",
            median(times?),
            Goal::None,
        ));
    }
    Ok(())
}

fn list(talk: &mut Talk) -> Result<f64> {
    let (time, answer) = timed(talk, "GET", "/maps/list", "")?;
    let list: Value = serde_json::from_slice(&answer.body)?;
    let found = list["maps"].as_array().map_or(0, Vec::len);
    if found != MAPS {
        return Err(format!("the list has {found} maps instead of {MAPS}").into());
    }
    Ok(time)
}

/// Renames the map, and makes sure that the scenes that show it, and no others, were written.
fn rename(talk: &mut Talk, scenes: &Path, nth: usize) -> Result<f64> {
    let (old, new) = match nth.is_multiple_of(2) {
        true => (SHOWN_MAP, "castle.png"),
        false => ("castle.png", SHOWN_MAP),
    };
    let before = times_of(scenes)?;
    let path = format!("/maps/rename/{old}");
    let body = format!(r#"{{"new_name":"{new}"}}"#);
    let (time, _) = timed(talk, "PUT", &path, &body)?;
    let after = times_of(scenes)?;
    let written = after
        .iter()
        .filter(|(name, time)| before.get(*name) != Some(time))
        .count();
    if written != SHOWN_BY || before.len() != after.len() {
        return Err(format!("a rename wrote {written} scenes instead of {SHOWN_BY}").into());
    }
    Ok(time)
}

fn times_of(folder: &Path) -> Result<HashMap<OsString, SystemTime>> {
    let mut times = HashMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        times.insert(entry.file_name(), entry.metadata()?.modified()?);
    }
    Ok(times)
}

/// Milliseconds from the question to the last byte of a good answer.
fn timed(talk: &mut Talk, method: &str, path: &str, body: &str) -> Result<(f64, Answer)> {
    let start = Instant::now();
    let answer = talk.ask(method, path, body)?;
    let time = start.elapsed().as_secs_f64() * 1e3;
    if answer.head.status != 200 {
        let body = String::from_utf8_lossy(&answer.body);
        return Err(format!("{path}: {} {body}", answer.head.status).into());
    }
    Ok((time, answer))
}
