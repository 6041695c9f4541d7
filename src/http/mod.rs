//! HTTP manners that all routes share: the gate in front, bodies in, files in and out.

mod body;
mod cache;
mod client_build;
pub mod docs;
mod download;
mod fallback;
mod gate;
mod multipart;
mod precondition;
mod registrar;
mod socket;
mod spool;
mod tail;
mod upload;
mod work;

pub use body::{Fields, JsonBody, SHORT_BYTES, ShortBody};
pub use cache::FileCache;
pub use client_build::{ClientBuild, ClientBuilds};
pub use docs::{
    AccountErrors, AdminErrors, FileErrors, GmErrors, GuestErrors, Message, PublicErrors,
    SeatErrors, UploadErrors, WriteErrors,
};
pub use download::{
    Disposition, MAX_RANGES, etag_of, send_at_once, send_bytes, send_document, send_file,
};
pub use fallback::{RouteList, fallback};
pub use gate::{Asked, AtOnce, Guesthouse, Guesthouses, at_once, gate};
pub use precondition::Precondition;
pub use registrar::Registrar;
pub use socket::{Outlet, Socket};
pub use tail::{FilesBelow, Tail};
pub use upload::{MAX_PIXELS, MAX_SIDE, TEXT_BYTES, UploadLimits, UploadSlots, Uploaded, receive};
pub use work::{blocking, to_the_end};
