//! Who is asking, and may they?
//!
//! Decided once per request or upgrade from the request's head and the socket's two addresses, for
//! every dialect alike ([`Policy::judge`]). Handlers that change things take a [`Gm`], which only
//! this module makes.
//!
//! - **Host** must be a name of this server, else 421: a page that resolves its own name to this
//!   address (DNS rebinding) gets nothing.
//! - **Origin** of a page must be this server, this machine or an allowed origin; others get no
//!   CORS headers and no role, and can neither change anything nor open a socket.
//! - **GM** is who sits at this machine (or in `--gm-from`); with `--access open` everybody.

mod machine;
mod origin;
mod policy;
mod role;

pub use machine::Machine;
pub use policy::{Policy, SocketAddrs, Verdict};
pub use role::{Gm, Role, Visitor};
