//! The protocols that clients speak, one folder each: a codec and its rules.

pub mod chat;
pub mod nexus;
mod pace;
pub mod peerjs;
pub mod peershare;
pub mod session;
pub mod spelltable;
pub mod table;
