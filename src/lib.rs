//! Tablekeep: one binary that keeps a game table.
//!
//! The map of the house, lowest floor first; arrows go down only:
//!
//! - [`error`], [`json`], [`config`]: words that everybody uses.
//! - [`metrics`]: what is counted.
//! - [`store`]: files on disk, atomic and indexed. [`model`]: what is known of a scene.
//! - [`access`]: who is asking. [`http`]: manners of all routes.
//! - [`live`]: rooms, order, sockets. [`library`]: the verbs of all libraries.
//! - [`scenes`], [`maps`], [`audio`]: a row of data, some rules and the routes of each.
//! - [`accounts`]: who may sign in with a name.
//! - [`tables`]: which tables there are, and the ways to them.
//! - [`dialects`]: the protocols that clients speak over WebSockets.
//! - [`ice`]: how browsers reach each other. [`mdns`]: the server's name on the local network.
//! - [`sockets`]: from a handshake to a room. [`ui`]: the browser pages. [`server`]: puts it all
//!   together. [`command`]: the command line.

pub mod access;
pub mod accounts;
pub mod audio;
pub mod banner;
pub mod command;
pub mod config;
pub mod demo;
pub mod dialects;
pub mod error;
pub mod http;
pub mod ice;
pub mod json;
pub mod library;
pub mod live;
pub mod maps;
pub mod mdns;
pub mod memory;
pub mod metrics;
pub mod model;
#[cfg(unix)]
pub mod open_files;
pub mod scenes;
pub mod server;
pub mod sockets;
pub mod store;
pub mod tables;
pub mod telemetry;
pub mod ui;
