//! What a snapshot of a session room costs, beside a server that does it as one would at first.
//!
//! `cargo bench --bench sessions`. See the README beside this file.

#[path = "sessions/mod.rs"]
mod sessions;
#[allow(dead_code, reason = "each benchmark uses its part")]
mod support;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // The other server is this program once more, so that its CPU time can be told apart.
    let outcome = match args.first().map(String::as_str) {
        Some(sessions::PLAIN) => sessions::serve_plain(),
        _ => sessions::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sessions: {error}");
            ExitCode::FAILURE
        }
    }
}
