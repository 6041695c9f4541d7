//! Who is asking, and may they?
//!
//! Decided once per request or upgrade from the request's head and the socket's two addresses, for
//! every dialect alike ([`Policy::judge`]). Handlers that change things take a [`Gm`], handlers that
//! show what a table shows take a [`Seat`]; only this module makes either.
//!
//! - **Host** must be a name of this server, else 421: a page that resolves its own name to this
//!   address (DNS rebinding) gets nothing.
//! - **Origin** of a page must be this server, this machine or an allowed origin; others get no
//!   CORS headers and no role, and can neither change anything nor open a socket.
//! - **GM** is who sits at this machine (or in `--gm-from`), or has signed in, with the password or
//!   with an admin's account ([`AccountPasses`]); with `--access open` everybody. A viewer's account is
//!   a player's seat.
//! - **Cookies** ([`Passes`]) count on the server's own pages and for programs only. They are signed
//!   with keys from one key file ([`Keys`]) and carry all that they prove.
//! - **Tokens** ([`Tokens`]) prove the same for programs, each for one use and for a time.
//! - A **socket** ends when the proof ends with which it was opened: when that is revoked
//!   ([`Policy::close_ended`]), and when it runs out ([`Policy::close_expired`]).
//! - **Guessing** takes time ([`Attempts`]).

mod account;
mod attempts;
mod checkers;
mod cookie;
mod keys;
mod machine;
mod origin;
mod passes;
mod passwords;
mod policy;
mod presence;
mod role;
mod seats;
mod signed_out;
mod tally;
mod tokens;

pub use account::{
    ACCOUNT_SIGN_IN, AccountPasses, AccountProof, AccountRole, Accounts, Issued, Session, SignedIn,
    Standing,
};
pub use attempts::{ATTEMPTS_PER_MINUTE, Attempt, Attempts, Client, Guesses, Wrongs};
pub use cookie::{find as find_cookie, is_secure, set as set_cookie};
pub use keys::{Keys, random};
pub use machine::{Machine, leads_out};
pub use passes::{Generations, GmSession, Grant, Passes, SIGN_IN, own_password};
pub use passwords::{Busy, NOBODYS, Passwords, hash_now};
pub use policy::{Policy, SocketAddrs, Verdict, host_header};
pub use presence::{Presence, Present};
pub use role::{Admin, Gm, OwnPage, Role, Seat, Visitor};
pub use seats::{Basis, Farewell, Line, SeatTaken, SignIn};
pub use tally::Tally;
pub use tokens::{LEEWAY, MAX_TOKEN_BYTES, Stamp, TokenError, Tokens, Verified};
