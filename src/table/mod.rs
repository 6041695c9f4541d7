//! What happens at a game table whatever protocol its guests speak; plain values, no sockets, no files.

pub mod dice;
