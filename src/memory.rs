//! Memory that many connections took goes back to the system when they have gone.
//!
//! The C library keeps what is freed for later, in pieces all over its heaps. That is right while
//! people come and go, and wrong after a busy evening on a laptop that has other things to do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// So many connections must have gone for it to be worth while.
const WORTH: usize = 128;
/// How long their last work may take.
const AFTER: Duration = Duration::from_secs(1);

/// The most connections since memory was given back last.
static MOST: AtomicUsize = AtomicUsize::new(0);

/// There are `now` connections, one more than before.
pub fn one_more(now: usize) {
    MOST.fetch_max(now, Ordering::Relaxed);
}

/// There are `now` connections, one less than before. When half of them have gone, what they took
/// is given back, a second later and on a thread of its own.
pub fn one_less(now: usize) {
    let most = MOST.load(Ordering::Relaxed);
    let due = most - most.min(now) >= WORTH && now <= most / 2;
    let is_mine = || {
        let swapped = MOST.compare_exchange(most, now, Ordering::Relaxed, Ordering::Relaxed);
        swapped.is_ok()
    };
    if due && is_mine() {
        let thread = std::thread::Builder::new().name("memory".into());
        // Without a thread it stays as it is, which harms nobody.
        let _ = thread.spawn(|| {
            std::thread::sleep(AFTER);
            give_back();
        });
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn give_back() {
    // SAFETY: takes no pointers, and may be called at any time by any thread (malloc_trim(3)).
    #[allow(unsafe_code)]
    let released = unsafe { libc::malloc_trim(0) };
    tracing::debug!(released, "gave unused memory back");
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn give_back() {}
