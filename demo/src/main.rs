//! Makes Tablekeep's demo table from nothing but this program: two battle
//! maps, six sounds and a saved scene. Every run writes the same files.

mod canvas;
mod crypt;
mod forest;
mod light;
mod noise;
mod output;
mod plants;
mod props;
mod scene;
mod shapes;
mod sounds;
mod synth;

use output::{Failure, Folder};
use std::path::PathBuf;
use std::process::ExitCode;

/// Largest size of one map file in bytes.
const MAP_LIMIT: usize = 3_200_000;

const USAGE: &str = "usage: demo-table [OUTPUT-FOLDER]";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let target = arguments
        .next()
        .map_or_else(|| PathBuf::from("."), PathBuf::from);
    if target.as_os_str() == "--help" || target.as_os_str() == "-h" {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    if arguments.next().is_some() {
        eprintln!("error: more than one output folder was given; {USAGE}");
        return ExitCode::from(2);
    }
    match make_table(Folder::new(target)) {
        Ok(total) => {
            println!("{total:>9}  in total");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(2)
        }
    }
}

/// Writes everything and returns the number of bytes written.
fn make_table(mut folder: Folder) -> Result<usize, Failure> {
    let scene = format!("{:#}\n", scene::sunken_crypt());
    folder.save(&format!("scenes/{}.json", scene::ID), scene.as_bytes())?;
    for piece in &sounds::PIECES {
        let path = format!("sounds/{}", piece.path);
        let ogg = output::vorbis(&path, &(piece.make)(), piece.title, piece.quality)?;
        folder.save(&path, &ogg)?;
    }
    let crypt = format!("maps/{}", scene::CRYPT);
    folder.save(&crypt, &output::jpeg(&crypt, &crypt::draw(), MAP_LIMIT)?)?;
    let forest = format!("maps/{}/{}", scene::FOREST.0, scene::FOREST.1);
    folder.save(&forest, &output::jpeg(&forest, &forest::draw(), MAP_LIMIT)?)?;
    Ok(folder.written())
}
