//! What others may know of the broker's calls, and do about them.

use std::sync::Arc;
use std::time::Duration;

/// A look at the broker from outside. Without a broker nobody is registered and there is nothing to
/// hang up.
#[derive(Clone, Default)]
pub struct Switchboard(Arc<()>);

impl Switchboard {
    /// Waits until a media offer between these two has been passed on, at most for `within`; not at
    /// all if one of the two is not registered.
    pub async fn offered(&self, _caller: &str, _callee: &str, _within: Duration) {
        let _ = &self.0;
    }

    /// Ends what `target` has with `mates`.
    pub fn hang_up(&self, _target: &str, _mates: &[String]) {}
}
