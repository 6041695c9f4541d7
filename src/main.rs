//! The `tablekeep` program: read the settings, bind, serve until told to stop.

use clap::Parser;
use std::process::ExitCode;
use tablekeep::config::Config;
use tablekeep::server::{Server, stop_signal};
use tablekeep::telemetry;

fn main() -> ExitCode {
    let config = Config::parse();
    let outcome = telemetry::start(&config.log).and_then(|()| {
        actix_rt::System::new().block_on(async {
            let server = Server::bind(config)?;
            server.run(stop_signal()).await
        })
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tablekeep: {error}");
            ExitCode::from(2)
        }
    }
}
