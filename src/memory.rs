//! Memory goes back to the system when what needed it is over: many connections, their arrival, and
//! the start.
//!
//! The C library keeps what is freed for later, in pieces all over its heaps. That is right while
//! people come and go, and wrong after a busy evening on a laptop that has other things to do. And
//! the system keeps the pages of code in memory that only the start runs through, which is two
//! thirds of what an idle server would hold.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// So many connections must have gone for it to be worth while.
const WORTH: usize = 128;
/// So many are a crowd: what they took only to come in is worth while, too.
const CROWD: usize = 1024;
/// How long their last work may take.
const AFTER: Duration = Duration::from_secs(1);
/// So often more may come meanwhile.
const PATIENCE: usize = 30;

/// When the start is surely over.
const STARTED: Duration = Duration::from_millis(400);

/// The most connections since memory was given back last.
static MOST: AtomicUsize = AtomicUsize::new(0);
/// Memory will be given back.
static PENDING: AtomicBool = AtomicBool::new(false);

/// There are `now` connections, one more than before. At each power of two of a crowd, what they
/// took only to come in is given back when no more come.
pub fn one_more(now: usize) {
    let before = MOST.fetch_max(now, Ordering::Relaxed);
    if is_a_step(before, now) {
        give_back_soon();
    }
}

/// Whether there is a power of two of a crowd above `before` and not above `now`.
fn is_a_step(before: usize, now: usize) -> bool {
    now >= CROWD && before < 1 << now.ilog2()
}

/// There are `now` connections, one less than before. When half of them have gone, what they took
/// is given back.
pub fn one_less(now: usize) {
    let most = MOST.load(Ordering::Relaxed);
    let due = most - most.min(now) >= WORTH && now <= most / 2;
    let is_mine = || {
        let swapped = MOST.compare_exchange(most, now, Ordering::Relaxed, Ordering::Relaxed);
        swapped.is_ok()
    };
    if due && is_mine() {
        give_back_soon();
    }
}

/// Gives memory back once a second passes in which no more came, on a thread of its own.
fn give_back_soon() {
    if PENDING.swap(true, Ordering::Relaxed) {
        return;
    }
    let thread = std::thread::Builder::new().name("memory".into());
    let started = thread.spawn(|| {
        for _ in 0..PATIENCE {
            let most = MOST.load(Ordering::Relaxed);
            std::thread::sleep(AFTER);
            if MOST.load(Ordering::Relaxed) <= most {
                break;
            }
        }
        PENDING.store(false, Ordering::Relaxed);
        give_back();
    });
    if started.is_err() {
        // Without a thread it stays as it is, which harms nobody.
        PENDING.store(false, Ordering::Relaxed);
    }
}

/// The server has started: a moment later, the code that it went through on the way is let go.
pub fn started() {
    actix_rt::spawn(async {
        actix_rt::time::sleep(STARTED).await;
        let_code_go();
    });
}

/// Takes this program's pages of code out of memory; those in use come back from the system's cache
/// one by one, in less than a millisecond altogether.
#[cfg(target_os = "linux")]
fn let_code_go() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else {
        return;
    };
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    for (from, bytes) in maps.lines().filter_map(|line| code_in(line, &program)) {
        // SAFETY: the range is code of this program, mapped from its file and never written to, so
        // dropping its pages changes nothing of what is read there (madvise(2), MADV_DONTNEED).
        #[allow(unsafe_code)]
        let outcome = unsafe { libc::madvise(from as *mut _, bytes, libc::MADV_DONTNEED) };
        tracing::debug!(bytes, outcome, "let go of the code of the start");
    }
}

#[cfg(not(target_os = "linux"))]
fn let_code_go() {}

/// Where a line of `/proc/self/maps` says that code of `program` is: its address and length.
#[cfg(target_os = "linux")]
fn code_in(line: &str, program: &std::path::Path) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (from, to) = words.next()?.split_once('-')?;
    let is_code = words.next()? == "r-xp";
    // What follows is offset, device and inode.
    let is_ours = line.ends_with(program.to_str()?) && words.nth(3)?.starts_with('/');
    let number = |text| usize::from_str_radix(text, 16).ok();
    let (from, to) = (number(from)?, number(to)?);
    (is_code && is_ours).then_some((from, to.checked_sub(from)?))
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::{code_in, is_a_step};
    use std::path::Path;

    #[test]
    fn each_power_of_two_of_a_crowd_is_one_step() {
        let steps = (1..10_000).filter(|&now| is_a_step(now - 1, now));
        assert_eq!(steps.collect::<Vec<_>>(), [1024, 2048, 4096, 8192]);
        // Counted in another order than they came.
        assert!(is_a_step(1023, 1025));
        assert!(!is_a_step(1025, 1024));
        assert!(!is_a_step(1024, 1024));
    }

    #[test]
    fn only_code_of_this_program_is_let_go() {
        let program = Path::new("/opt/table keep");
        let at = |rest: &str| code_in(&format!("7f00-8000 {rest}"), program);
        assert_eq!(
            at("r-xp 00001000 08:01 77 /opt/table keep"),
            Some((0x7f00, 0x100))
        );
        for other in [
            "r--p 00001000 08:01 77 /opt/table keep",
            "rw-p 00001000 08:01 77 /opt/table keep",
            "r-xp 00001000 08:01 78 /usr/lib/libc.so.6",
            "r-xp 00000000 00:00 0 [vdso]",
            "r-xp",
        ] {
            assert_eq!(at(other), None, "{other}");
        }
        super::let_code_go();
    }
}
