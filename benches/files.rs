//! What serving files costs, side by side with nginx on the same files in the same minutes.
//!
//! `cargo bench --bench files`, or with words behind `--` only the rows whose key contains one of
//! them; `--json` prints the table as JSON. See the README beside this file.

mod suites;
#[allow(dead_code, reason = "each benchmark uses its part")]
mod support;

use std::process::ExitCode;
use support::Result;
use support::report::{Report, Wanted};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("files: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A missed goal is a row of the table, not a failure: this machine may only have been busy.
fn run() -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Err("CPU time and memory are read from /proc: this benchmark needs Linux".into());
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let wanted = Wanted::parse(&args, suites::KEYS)?;
    let mut report = Report::beside("nginx");
    for suite in suites::ALL {
        suite(&wanted, &mut report)?;
    }
    if args.iter().any(|arg| arg == "--json") {
        println!("{}", report.json());
    } else {
        print!("{}", report.table());
    }
    Ok(())
}
