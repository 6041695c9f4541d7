//! The tables as the libraries know them: what is shown, and a map that moves.

use crate::error::Result;
use crate::json::JsonText;
use crate::model::{MapMove, TableId};
use std::pin::Pin;

/// An answer that has to be waited for.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + 'a>>;

/// All tables, whichever dialects they speak.
pub trait Stage: Send + Sync {
    /// What players see of a table; `None`: it is not open, or nothing was ever shown on it.
    fn player_view(&self, table: TableId) -> Option<JsonText>;

    /// Opens a table, so that [`Stage::player_view`] knows it.
    fn open(&self, table: TableId) -> Later<'_, ()>;

    /// Lets every table follow a map; `id` names the operation, so that a crash applies it once.
    /// Answers how many scenes showed the map, when they are durable.
    fn map_moved<'a>(&'a self, map_move: &'a MapMove, id: &'a str) -> Later<'a, usize>;
}
