//! The rules of a table, driven without any I/O: time, disk and sockets are made up here.

mod beside;
mod clients;
mod crash;
mod edits;
mod pages;
mod position;
mod roles;
mod storm;
mod world;
mod writing;
