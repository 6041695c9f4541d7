//! What the live side costs: messages to many, beside a loop that only sends; compression; durable
//! changes; memory; readers that do not read; many tables at once.
//!
//! `cargo bench --bench live`, or with words behind `--` only the rows whose key contains one of
//! them; `--json` prints the table as JSON. `TABLEKEEP_LONG=1` measures longer, and kills the server
//! again and again.
//! See the README beside this file.

#[path = "live/mod.rs"]
mod suites;
#[allow(dead_code, reason = "each benchmark uses its part")]
mod support;

use std::path::Path;
use std::process::ExitCode;
use support::Result;
use support::report::{Report, Wanted};

/// The variable that asks for long runs.
const LONG: &str = "TABLEKEEP_LONG";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // The floor is this program once more, so that its CPU time can be told apart.
    let outcome = match args.as_slice() {
        [first, mode, folder @ ..] if first == suites::FLOOR => {
            suites::serve_floor(mode, folder.first().map(Path::new))
        }
        _ => run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("live: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A missed goal is a row of the table, not a failure: this machine may only have been busy.
fn run(args: &[String]) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Err("CPU time and memory are read from /proc: this benchmark needs Linux".into());
    }
    let wanted = Wanted::parse(args, suites::KEYS)?;
    let long = std::env::var_os(LONG).is_some_and(|value| value == "1");
    let mut report = Report::beside("floor");
    for suite in suites::ALL {
        suite(&wanted, long, &mut report)?;
    }
    if args.iter().any(|arg| arg == "--json") {
        println!("{}", report.json());
    } else {
        print!("{}", report.table());
    }
    Ok(())
}
