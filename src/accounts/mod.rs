//! Accounts: who may sign in with a name, as SpellTable's newest frontend has it.
//!
//! - [`Book`]: the accounts and the rules about them, in memory.
//! - [`AccountFile`]: the same in one small database, which the server and the command line share.
//! - [`Ledger`]: the accounts of a running server. Tokens are judged by it
//!   ([`crate::access::AccountPasses`]), so that whatever is revoked counts no more.
//! - [`Accounts`]: from a name and a password to a sign-in, without haste.

mod book;
mod file;
mod ledger;
mod login;
mod routes;
mod stamp;
mod user;

pub use book::{Book, Changes, NewUser, Refused};
pub use file::{AccountFile, FileError};
pub use ledger::Ledger;
pub use login::Accounts;
pub use routes::routes;
pub use user::{
    ADMIN_STATE_BYTES, EMAIL_CHARS, Email, NAME_CHARS, PASSWORD_CHARS, User, UserName,
    check_password,
};
