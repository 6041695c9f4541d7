//! Work that outlasts a handler, or that must not hold up its thread.

use crate::error::{Error, Result};
use actix_web::web;

/// Does on another thread what blocks. Goes on to its end also when nobody waits for it any more.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let panicked = |_| Error::Internal(std::io::Error::other("file work panicked"));
    web::block(work).await.map_err(panicked)?
}

/// Goes on to its end also when whoever asked has gone: for what must follow upon [`blocking`] work.
pub async fn to_the_end<T: 'static>(work: impl Future<Output = Result<T>> + 'static) -> Result<T> {
    let panicked = |_| Error::Internal(std::io::Error::other("a task panicked"));
    actix_rt::spawn(work).await.map_err(panicked)?
}
