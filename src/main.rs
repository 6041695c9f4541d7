//! The `tablekeep` program: read the settings, bind, serve until told to stop.

use clap::Parser;
use std::process::ExitCode;
use tablekeep::config::Config;
use tablekeep::error::Error;
use tablekeep::server::{Server, stop_signal};
use tablekeep::telemetry;

fn main() -> ExitCode {
    let mut config = Config::parse();
    let adopted = config.adopt(|name| std::env::var(name).ok());
    let outcome = adopted.map_err(Error::Invalid).and_then(|()| {
        telemetry::start(&config.log)?;
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
