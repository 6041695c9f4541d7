//! The `tablekeep` program: read the settings, bind, serve until told to stop.

use clap::Parser;
use std::process::ExitCode;
use tablekeep::command::{Cli, Command};
use tablekeep::config::Config;
use tablekeep::error::Result;
use tablekeep::server::{Server, stop_signal};
use tablekeep::telemetry;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => serve(cli.config),
        Some(Command::User(user)) => user.run(&cli.config),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tablekeep: {error}");
            ExitCode::from(2)
        }
    }
}

fn serve(config: Config) -> Result<()> {
    telemetry::start(&config.log)?;
    actix_rt::System::new().block_on(async {
        let server = Server::bind(config)?;
        server.run(stop_signal()).await
    })
}
