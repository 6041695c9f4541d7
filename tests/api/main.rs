//! The product over real sockets, against the real binary.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod access;
mod accounts;
mod audio;
mod chat_ws;
mod cors;
mod crash;
mod defects;
mod deflate;
mod disk;
mod files;
mod hathora;
mod hostile;
mod ice;
mod invite;
mod login;
mod maps;
mod nexus_assets;
mod nexus_ws;
mod openapi;
mod peek;
mod peerjs_ws;
mod peershare_rest;
mod peershare_ws;
mod revocation;
mod scenes;
mod session_processes;
mod session_ws;
mod sign_in;
mod spelltable_ws;
mod startup;
mod support;
mod table_client;
mod table_storm;
mod table_ws;
mod tables;
mod token_attacks;
#[cfg(target_os = "linux")]
mod unreadable;
