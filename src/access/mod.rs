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
//! - **GM** is who sits at this machine (or in `--gm-from`), or has signed in with the password;
//!   with `--access open` everybody.
//! - **Cookies** ([`Passes`]) count on the server's own pages and for programs only. They are signed
//!   with keys from one key file ([`Keys`]) and carry all that they prove.
//! - **Guessing** takes time ([`Attempts`]).

mod attempts;
mod cookie;
mod keys;
mod machine;
mod origin;
mod passes;
mod policy;
mod presence;
mod role;
mod signed_out;

pub use attempts::{ATTEMPTS_PER_MINUTE, Attempt, Attempts, Client, Guesses};
pub use cookie::{find as find_cookie, set as set_cookie};
pub use keys::{Keys, random};
pub use machine::Machine;
pub use passes::{Generations, Grant, Passes, SIGN_IN, own_password};
pub use policy::{Policy, SocketAddrs, Verdict};
pub use presence::{Presence, Present};
pub use role::{Gm, OwnPage, Role, Seat, Visitor};
