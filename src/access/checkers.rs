//! The threads that check passwords: behind all others, with memory that they keep, from several
//! lanes in turn.

use argon2::Block;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// How much less than the rest of the server a check counts with the system's scheduler: a tenth remains to
/// it where all cores are busy, so that nobody waits a minute for a login then.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// What a check fills: kept from one to the next, as taking 19 MiB from the system and giving them back
/// each time holds up the threads that serve the table.
pub(super) type Memory = Vec<Block>;
pub(super) type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// Threads of their own, because only a thread as a whole can stand behind the others. They are there
/// as long as there is something to check.
pub(super) struct Checkers {
    at_once: usize,
    desk: Mutex<Desk>,
}

struct Desk {
    /// What waits, a lane for each queue.
    lanes: Vec<VecDeque<Job>>,
    /// The lane that is looked at next.
    turn: usize,
    threads: usize,
}

impl Desk {
    fn next(&mut self) -> Option<Job> {
        let count = self.lanes.len();
        let job = (0..count).find_map(|nth| {
            let lane = (self.turn + nth) % count;
            Some((lane, self.lanes.get_mut(lane)?.pop_front()?))
        });
        let (lane, job) = job?;
        self.turn = lane + 1;
        Some(job)
    }

    /// One thread less. With none left, who waits hears that the server is busy.
    fn leave(&mut self) {
        self.threads -= 1;
        if self.threads == 0 {
            self.lanes.iter_mut().for_each(VecDeque::clear);
        }
    }
}

impl Checkers {
    /// With one lane.
    pub fn new(at_once: usize) -> Self {
        Self {
            at_once,
            desk: Mutex::new(Desk {
                lanes: vec![VecDeque::new()],
                turn: 0,
                threads: 0,
            }),
        }
    }

    /// How many are checked at the same time.
    pub fn at_once(&self) -> usize {
        self.at_once
    }

    /// One more; all are served in turn.
    pub fn another_lane(&self) -> usize {
        let mut desk = self.desk();
        desk.lanes.push(VecDeque::new());
        desk.lanes.len() - 1
    }

    /// Puts a job into a lane; dropped when no thread can be started.
    pub fn take_on(self: &Arc<Self>, lane: usize, job: Job) {
        let is_manned = {
            let mut desk = self.desk();
            if let Some(lane) = desk.lanes.get_mut(lane) {
                lane.push_back(job);
            }
            let is_manned = desk.threads >= self.at_once;
            desk.threads += usize::from(!is_manned);
            is_manned
        };
        if is_manned {
            return;
        }
        let checkers = self.clone();
        let started = thread::Builder::new()
            .name("password".into())
            .spawn(move || checkers.work());
        if started.is_err() {
            self.desk().leave();
        }
    }

    fn work(&self) {
        let _working = Working(self);
        stand_behind();
        let mut memory = Memory::new();
        while let Some(job) = self.next() {
            job(&mut memory);
        }
    }

    fn next(&self) -> Option<Job> {
        let mut desk = self.desk();
        let job = desk.next();
        if job.is_none() {
            desk.leave();
        }
        job
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that fails is no longer there.
struct Working<'a>(&'a Checkers);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.desk().leave();
        }
    }
}

fn stand_behind() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICENESS);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_served_in_turn() {
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut desk = Desk {
            lanes: vec![VecDeque::new(), VecDeque::new()],
            turn: 0,
            threads: 1,
        };
        for (lane, name) in [(0, "a1"), (0, "a2"), (0, "a3"), (1, "b1")] {
            let order = order.clone();
            let job: Job = Box::new(move |_| order.lock().unwrap().push(name));
            desk.lanes[lane].push_back(job);
        }
        while let Some(job) = desk.next() {
            job(&mut Memory::new());
        }
        assert_eq!(*order.lock().unwrap(), ["a1", "b1", "a2", "a3"]);
    }
}
