//! The program's command line: the server, and what can be done beside it.

use crate::access::{AccountRole, hash_now, random};
use crate::accounts::{
    AccountFile, Book, Changes, Email, FileError, NewUser, Refused, User, UserName, check_password,
};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::server::chosen_folder;
use crate::store::PRIVATE_DIR;
use clap::{Args, Parser, Subcommand};
use std::io::{BufRead, ErrorKind, IsTerminal, Read, Write, stderr, stdin, stdout};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// No password is longer, so no more is read of one that is piped in.
const MAX_LINE: u64 = 16 << 10;
/// Shorter ones are taken, with a word about it.
const SHORT_PASSWORD: usize = 8;

/// Keeps a game table: maps, scenes and sounds on your own disk, every screen in step.
///
/// Started without any flag it serves the current folder when that has maps/, scenes/ and sounds/,
/// else your own data folder, on port 8010. Every flag also exists as an environment variable.
#[derive(Debug, Parser)]
#[command(name = "tablekeep", version, max_term_width = 100)]
pub struct Cli {
    /// The server's settings.
    #[command(flatten)]
    pub config: Config,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What can be done beside the server.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Keep the accounts with which people sign in
    ///
    /// Works whether or not the server runs; a running one notices within a second.
    User(UserArgs),
}

/// Of the accounts.
#[derive(Debug, Args)]
pub struct UserArgs {
    /// Folder with maps/, scenes/ and sounds/, as the server has it
    #[arg(
        id = "of-data-dir",
        long = "data-dir",
        env = "TABLEKEEP_DATA_DIR",
        value_name = "DIR",
        global = true
    )]
    data_dir: Option<PathBuf>,
    #[command(subcommand)]
    what: UserCommand,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Add an account; its password is asked for, or read from standard input
    Add {
        /// What it signs in with
        #[arg(value_parser = |text: &str| UserName::parse(text))]
        name: UserName,
        /// admin (the GM, who also keeps the accounts) or viewer (a player)
        ///
        /// Default: the first account is an admin, others are viewers.
        #[arg(long, value_enum)]
        role: Option<AccountRole>,
        /// Its email address; nobody writes to it
        #[arg(long, value_parser = |text: &str| Email::parse(text))]
        email: Option<Email>,
    },
    /// Give an account another password; its sign-ins end
    Passwd {
        /// What it signs in with
        #[arg(value_parser = |text: &str| UserName::parse(text))]
        name: UserName,
    },
    /// List the accounts
    List,
    /// Delete an account; its sign-ins end
    Remove {
        /// What it signs in with
        #[arg(value_parser = |text: &str| UserName::parse(text))]
        name: UserName,
    },
}

impl UserArgs {
    /// Does it. Errors are sentences for the person who asked.
    pub fn run(self, config: &Config) -> Result<()> {
        let folder = self.data_dir.as_deref().or(config.data_dir.as_deref());
        let folder = chosen_folder(folder)?;
        let file = AccountFile::below(&folder.join(PRIVATE_DIR));
        self.what.run(&file, config)?;
        // Beside the outcome, which programs may read.
        let folder = folder.canonicalize().unwrap_or(folder);
        let _ = writeln!(stderr(), "in the data folder {}", folder.display());
        Ok(())
    }
}

impl UserCommand {
    fn run(self, file: &AccountFile, config: &Config) -> Result<()> {
        match self {
            Self::Add { name, role, email } => {
                let most = config.limits.accounts.max_accounts.into();
                let email = email.unwrap_or_else(|| Email::made_for(&name));
                let wish = Wish { name, role, email };
                // Before the password is asked for.
                let mut trial = file.read().map_err(|error| explain(file, error))?;
                wish.add(&mut trial, String::new(), 0, most)
                    .map_err(|error| explain(file, error.into()))?;
                let password = hash(&ask()?)?;
                file.make_folder()
                    .map_err(|error| explain(file, error.into()))?;
                let generation = u32::from_be_bytes(random()?);
                let user = change(file, |book| {
                    wish.add(book, password.clone(), generation, most)
                })?;
                say(&format!("added {}", describe(&user)))
            }
            Self::Passwd { name } => {
                let book = file.read().map_err(|error| explain(file, error))?;
                find(&book, &name).map_err(|error| explain(file, error.into()))?;
                let password = hash(&ask()?)?;
                let user = change(file, |book| {
                    let changes = Changes {
                        password: Some(password.clone()),
                        ..Changes::default()
                    };
                    book.change(find(book, &name)?, changes, now())
                })?;
                say(&format!("{} has another password", describe(&user)))
            }
            Self::List => {
                let book = file.read().map_err(|error| explain(file, error))?;
                say(&list(&book))
            }
            Self::Remove { name } => {
                let user = change(file, |book| book.remove(find(book, &name)?, None))?;
                say(&format!("removed {}", describe(&user)))
            }
        }
    }
}

/// Who is to be added.
struct Wish {
    name: UserName,
    role: Option<AccountRole>,
    email: Email,
}

impl Wish {
    fn add(
        &self,
        book: &mut Book,
        password: String,
        generation: u32,
        most: usize,
    ) -> Result<User, Refused> {
        let first = match book.is_empty() {
            true => AccountRole::Admin,
            false => AccountRole::Viewer,
        };
        let new = NewUser {
            username: self.name.clone(),
            email: self.email.clone(),
            role: self.role.unwrap_or(first),
            password,
            generation,
        };
        book.add(new, most, now())
    }
}

fn change<T>(file: &AccountFile, change: impl FnMut(&mut Book) -> Result<T, Refused>) -> Result<T> {
    let changed = file.change(change).map_err(|error| explain(file, error));
    changed.map(|(outcome, _)| outcome)
}

fn find(book: &Book, name: &UserName) -> Result<u64, Refused> {
    book.by_name(name)
        .map(|user| user.id)
        .ok_or(Refused::Missing)
}

fn explain(file: &AccountFile, error: FileError) -> Error {
    let path = file.path().display();
    Error::Invalid(match error {
        FileError::Refused(refused) => refused.to_string(),
        FileError::Held => format!("another program holds the accounts in {path}: try again"),
        FileError::Io(error) if error.kind() == ErrorKind::PermissionDenied => format!(
            "the accounts in {path} cannot be used: {error}; run this as the user who runs the server, or with sudo"
        ),
        FileError::Io(error) => format!("the accounts in {path} cannot be used: {error}"),
        FileError::Broken(why) => format!(
            "the accounts in {path} cannot be used ({why}): put a copy in its place, or move it \
             away to begin without accounts"
        ),
    })
}

fn describe(user: &User) -> String {
    format!(
        "{} '{}' (account {})",
        role_of(user),
        user.username,
        user.id
    )
}

fn role_of(user: &User) -> &'static str {
    match user.role {
        AccountRole::Admin => "admin",
        AccountRole::Viewer => "viewer",
    }
}

fn list(book: &Book) -> String {
    if book.is_empty() {
        return "there are no accounts".into();
    }
    let mut lines = vec![format!(
        "{:>5}  {:<6}  {:<8}  {:<24}  {}",
        "id", "role", "", "name", "email"
    )];
    for user in book.users() {
        let active = if user.is_active { "" } else { "inactive" };
        let (name, email) = (user.username.as_str(), user.email.as_str());
        lines.push(format!(
            "{:>5}  {:<6}  {active:<8}  {name:<24}  {email}",
            user.id,
            role_of(user)
        ));
    }
    lines.join("\n")
}

fn say(text: &str) -> Result<()> {
    // Whoever closes the pipe has heard enough.
    let _ = writeln!(stdout(), "{text}");
    Ok(())
}

/// Asks for a new password, twice, at a terminal; else reads a line of standard input.
fn ask() -> Result<String> {
    let password = if stdin().is_terminal() {
        let password = rpassword::prompt_password("Password: ")?;
        if rpassword::prompt_password("The same again: ")? != password {
            return Err(Error::Invalid("the two passwords differ".into()));
        }
        password
    } else {
        let mut line = String::new();
        let mut input = stdin().lock().take(MAX_LINE);
        input.read_line(&mut line).map_err(|error| {
            Error::Invalid(format!(
                "no password could be read from standard input: {error}"
            ))
        })?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    check_password(&password).map_err(|why| Error::Invalid(why.into()))?;
    if password.chars().count() < SHORT_PASSWORD {
        eprintln!("that is a short password: it is easily guessed");
    }
    Ok(password)
}

fn hash(password: &str) -> Result<String> {
    let failed = || Error::Internal(std::io::Error::other("the password could not be hashed"));
    hash_now(password).ok_or_else(failed)
}

/// Microseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_commands_are_consistent() {
        Cli::command().debug_assert();
        let cli = Cli::parse_from(["tablekeep"]);
        assert!(cli.command.is_none());
        let cli = Cli::parse_from(["tablekeep", "--data-dir", "a", "user", "list"]);
        assert_eq!(cli.config.data_dir, Some("a".into()));
        for bad in [
            &["user"][..],
            &["user", "add"],
            &["user", "add", " x"],
            &["user", "add", "x", "--role", "gm"],
            &["user", "add", "x", "--password", "y"],
            &["user", "add", "x", "--email", "y"],
            &["users"],
        ] {
            let words = [&["tablekeep"], bad].concat();
            assert!(Cli::try_parse_from(words).is_err(), "{bad:?}");
        }
    }
}
