//! The `tablekeep` program: read the settings, bind, serve until told to stop.

use clap::Parser;
use std::process::ExitCode;
use tablekeep::command::{Cli, Command};
use tablekeep::config::Config;
use tablekeep::error::{Error, Result};
use tablekeep::server::{self, stop_signal};
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

fn serve(mut config: Config) -> Result<()> {
    let adopted = config.adopt(|name| std::env::var(name).ok());
    adopted.map_err(Error::Invalid)?;
    telemetry::start(&config.log)?;
    #[cfg(unix)]
    tablekeep::open_files::take_all();
    actix_rt::System::new().block_on(async { server::serve(config, stop_signal()).await })
}
