//! A chat in the terminal.
//!
//! ```text
//! cargo run --example chat_client -- localhost:8010 create "Dragon Hoard" Ann
//! cargo run --example chat_client -- localhost:8010 join 'XXXX-XXXX-XXXX-XXXX#k=...' Bob
//! ```
//!
//! The first prints the invitation for the second. The room is end-to-end encrypted; with
//! `create-server-key` the server manages the key, and whoever runs it can read along.

#[allow(dead_code, reason = "the tests use all of it")]
mod client;
#[allow(dead_code, reason = "the tests use all of it")]
mod e2e;

use client::{ChatClient, Event, Keys, Result};
use std::io::BufRead;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

const USAGE: &str = "usage: chat_client HOST:PORT create|create-server-key ROOM NAME
       chat_client HOST:PORT join INVITATION NAME";
/// How often what was typed is looked for.
const BEAT: Duration = Duration::from_millis(100);

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let [addr, verb, what, name] = args[..] else {
        return Err(USAGE.into());
    };
    let mut client = ChatClient::connect(addr, "/ws/chat", Duration::from_secs(10))?;
    let invitation = match verb {
        "create" => client.create(what, name, Keys::Link)?,
        "create-server-key" => client.create(what, name, Keys::Server)?,
        "join" => {
            client.join(what, name)?;
            what.to_owned()
        }
        _ => return Err(USAGE.into()),
    };
    println!("Others join with: {invitation}");
    client.set_patience(BEAT)?;
    talk(&mut client, &typed())
}

/// Lines from the keyboard.
fn typed() -> Receiver<String> {
    let (lines, typed) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    typed
}

fn talk(client: &mut ChatClient, typed: &Receiver<String>) -> Result<()> {
    let mut wait = Duration::from_millis(500);
    loop {
        match typed.try_recv() {
            Ok(line) if line.is_empty() => {}
            Ok(line) => client.say(&line)?,
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Ok(()),
        }
        if !client.is_connected() {
            // At random, so that a whole table does not come back at once.
            std::thread::sleep(wait.mul_f64(chance()));
            wait = (wait * 2).min(Duration::from_secs(15));
            match client.resume() {
                Ok(()) => wait = Duration::from_millis(500),
                Err(error) => eprintln!("* {error}"),
            }
            continue;
        }
        match client.next() {
            Ok(Some(Event::Closed)) => {
                println!("* the room is closed");
                return Ok(());
            }
            Ok(Some(event)) => show(event),
            Ok(None) => {}
            Err(error) => eprintln!("* {error}; what you type is sent when the connection is back"),
        }
    }
}

/// A number from 0 to 1.
fn chance() -> f64 {
    let mut byte = [0];
    let _ = getrandom::fill(&mut byte);
    f64::from(byte[0]) / 255.0
}

fn show(event: Event) {
    match event {
        Event::Said { name, text } => println!("{name}: {text}"),
        Event::Joined(name) => println!("* {name} is here"),
        Event::Left(name) => println!("* {name} has left"),
        Event::Suspect(name) => println!("* a message in the name of {name} is not genuine"),
        Event::Closed | Event::Other(_) => {}
    }
}
