//! The way to a [`Journal`] from async code: batches go in, in order, and share the disk's syncs.
//!
//! Whatever waits when a sync returns goes into the next one; an idle journal commits at once, on a
//! thread that may block, which answers by itself: no other thread has to wake up in between. A
//! batch counts on those before it. So when one fails, everything that waits behind it fails with
//! it, and so does whatever still comes, until the sender has taken back what it built on the
//! failed batch and says [`Committer::proceed`]. Without that a change could become durable whose
//! predecessor is not.
//!
//! | from -> to | holds | when full | because |
//! |---|---|---|---|
//! | sender -> committer | 1,024 batches, 64 MiB (one larger batch alone passes) | the batch fails as `WouldBlock` | the sender takes it back and tells its author to try again |

use super::Journaling;
use super::journal::{Commit, Disk, Journal, MAX_RECORD_BYTES};
use crate::error::Error;
use bytes::Bytes;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Batches that may wait.
const MAX_WAITING: usize = 1024;
/// Bytes that may wait: with the largest record this is still less than the journal looks through
/// when it judges what an unclean end has left of one append.
pub const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// Why a batch is not durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct CommitError {
    /// What the disk said (`StorageFull`), `WouldBlock` when too much waits, `InvalidInput` for a
    /// record that is too large, `BrokenPipe` when the committer has ended.
    pub kind: ErrorKind,
    /// One sentence for the log.
    pub text: String,
}

impl CommitError {
    fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { kind, text }
    }

    pub(super) fn ended() -> Self {
        Self::new(ErrorKind::BrokenPipe, "the journal has been closed")
    }
}

impl From<io::Error> for CommitError {
    fn from(error: io::Error) -> Self {
        Self::new(error.kind(), error.to_string())
    }
}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Self {
        match error.kind {
            ErrorKind::WouldBlock | ErrorKind::BrokenPipe => Self::Unavailable(error.text),
            kind => io::Error::new(kind, error.text).into(),
        }
    }
}

/// What becomes of a batch.
pub type Committed = Result<Commit, CommitError>;

/// Takes batches for one journal. Cloning is cheap; what waits when the last one is dropped is written.
#[derive(Clone)]
pub struct Committer {
    shared: Arc<Shared>,
    /// Has the threads that may block.
    runtime: Handle,
}

/// Writes records, behind the others or in place of them (`true`). Blocks.
type Writer = dyn FnMut(&[Bytes], bool) -> io::Result<Commit> + Send;

struct Shared {
    /// Held for a few lines only, never across an await or a write.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The journal while nobody writes; nothing waits then.
    idle: Option<Box<Writer>>,
    waiting: VecDeque<Request>,
    waiting_bytes: usize,
    /// Why nothing is taken until [`Committer::proceed`].
    halted: Option<CommitError>,
    /// The last failure, until something succeeds.
    trouble: Option<CommitError>,
    /// The journal is lost: its threads have ended, or writing panicked.
    ended: bool,
}

struct Request {
    records: Vec<Bytes>,
    bytes: usize,
    /// The records take the place of everything before.
    is_rewrite: bool,
    reply: oneshot::Sender<Committed>,
}

impl Committer {
    /// On the current tokio runtime.
    pub fn start<D: Disk>(mut journal: Journal<D>) -> Self {
        Self::with(Box::new(move |records, is_rewrite| match is_rewrite {
            true => journal.restart(records),
            false => journal.append(records),
        }))
    }

    fn with(write: Box<Writer>) -> Self {
        let state = State {
            idle: Some(write),
            ..State::default()
        };
        let shared = Shared {
            state: Mutex::new(state),
        };
        Self {
            shared: Arc::new(shared),
            runtime: Handle::current(),
        }
    }

    /// Does all of this, in order, behind everything given before it; each piece has an answer.
    ///
    /// Of [`Journaling::Append`] all records become durable, or none. The answer says what the whole
    /// group was that one sync made durable. After a failed one nothing is taken before
    /// [`Committer::proceed`].
    ///
    /// The records of [`Journaling::Restart`] must say the same as everything given before. A failure
    /// changes nothing and halts nothing; but it fails like a batch when one before fails.
    pub fn take(&self, work: Vec<Journaling>) -> Vec<oneshot::Receiver<Committed>> {
        let mut refused = Vec::new();
        let mut state = self.shared.state();
        // All of it before anything is written, so that it shares a sync.
        let answers = work.into_iter().map(|journaling| {
            let (reply, answer) = oneshot::channel();
            refused.extend(state.enqueue(Request::new(journaling, reply)));
            answer
        });
        let answers = answers.collect();
        let idle = match state.waiting.is_empty() {
            true => None,
            false => state.idle.take(),
        };
        drop(state);
        for (request, error) in refused {
            // Nobody waits for the answer yet: it stays in the channel.
            let _ = request.reply.send(Err(error));
        }
        if let Some(write) = idle {
            Turn::take(self.clone(), write);
        }
        answers
    }

    /// Goes on after a failure: what was built on the failed batch has been taken back.
    pub fn proceed(&self) {
        self.shared.state().halted = None;
    }

    /// Why the last write failed, while none has succeeded since.
    pub fn trouble(&self) -> Option<CommitError> {
        let state = self.shared.state();
        let ended = state.ended.then(CommitError::ended);
        ended.or_else(|| state.trouble.clone())
    }
}

impl Request {
    fn new(journaling: Journaling, reply: oneshot::Sender<Committed>) -> Self {
        let (records, is_rewrite) = match journaling {
            Journaling::Append(records) => (records, false),
            Journaling::Restart(records) => (records, true),
        };
        Self {
            bytes: records.iter().map(Bytes::len).sum(),
            records,
            is_rewrite,
            reply,
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic happens while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes a request, or gives it back with the reason.
    fn enqueue(&mut self, request: Request) -> Option<(Request, CommitError)> {
        if self.ended {
            return Some((request, CommitError::ended()));
        }
        if let Some(error) = &self.halted {
            return Some((request, error.clone()));
        }
        if let Some(error) = self.objection(&request) {
            if !request.is_rewrite {
                self.halted = Some(error.clone());
            }
            return Some((request, error));
        }
        self.waiting_bytes += request.bytes;
        self.waiting.push_back(request);
        None
    }

    fn objection(&self, request: &Request) -> Option<CommitError> {
        let mut sizes = request.records.iter().map(Bytes::len);
        if sizes.any(|bytes| bytes > MAX_RECORD_BYTES) {
            let text = format!("a record is larger than {MAX_RECORD_BYTES} bytes");
            return Some(CommitError::new(ErrorKind::InvalidInput, text));
        }
        let bytes = self.waiting_bytes + request.bytes;
        let is_full = self.waiting.len() >= MAX_WAITING || bytes > MAX_WAITING_BYTES;
        (is_full && !self.waiting.is_empty()).then(|| {
            let text = "the disk is too slow: too much waits to be written";
            CommitError::new(ErrorKind::WouldBlock, text)
        })
    }

    /// What goes to the disk together: one rewrite, or all batches up to the next one.
    fn next_group(&mut self) -> Vec<Request> {
        let rewrites = |request: &Request| request.is_rewrite;
        let count = match self.waiting.iter().position(rewrites) {
            Some(0) => 1,
            Some(at) => at,
            None => self.waiting.len(),
        };
        let group: Vec<_> = self.waiting.drain(..count).collect();
        self.waiting_bytes -= group.iter().map(|request| request.bytes).sum::<usize>();
        group
    }

    fn take_all(&mut self) -> Vec<Request> {
        self.waiting_bytes = 0;
        self.waiting.drain(..).collect()
    }
}

/// One group's turn at the journal; when it ends without a result, for whatever reason, nobody waits
/// for ever.
struct Turn {
    committer: Committer,
    /// Gone once the next turn, or the state, has it.
    write: Option<Box<Writer>>,
}

impl Turn {
    fn take(committer: Committer, write: Box<Writer>) {
        let runtime = committer.runtime.clone();
        let write = Some(write);
        let turn = Self { committer, write };
        // Each group queues for a thread anew, so that busy journals leave some to the others.
        let queued = catch_unwind(AssertUnwindSafe(|| {
            drop(runtime.spawn_blocking(move || turn.run()));
        }));
        // Tokio panics when it can start no thread at all. The turn stays in its queue until it can.
        if queued.is_err() {
            tracing::error!("the system gives no thread for the journal: changes wait for one");
        }
    }

    /// Blocks.
    fn run(mut self) {
        let group = self.committer.shared.state().next_group();
        let is_rewrite = group.iter().any(|request| request.is_rewrite);
        let mut records = Vec::new();
        let mut replies = Vec::with_capacity(group.len());
        for request in group {
            records.extend(request.records);
            replies.push(request.reply);
        }
        let Some(write) = &mut self.write else { return };
        let written = write(&records, is_rewrite).map_err(CommitError::from);
        self.conclude(replies, written, is_rewrite);
    }

    fn conclude(
        mut self,
        replies: Vec<oneshot::Sender<Committed>>,
        written: Committed,
        is_rewrite: bool,
    ) {
        let mut behind = Vec::new();
        let is_last = {
            let mut state = self.committer.shared.state();
            state.trouble = written.as_ref().err().cloned();
            if let (Err(error), false) = (&written, is_rewrite) {
                // Before anybody learns of it, so that what comes next cannot slip in between.
                state.halted = Some(error.clone());
                behind = state.take_all();
            }
            let is_last = state.waiting.is_empty();
            if is_last {
                state.idle = self.write.take();
            }
            is_last
        };
        let replies = replies.into_iter();
        for reply in replies.chain(behind.into_iter().map(|request| request.reply)) {
            // Whoever asked may have gone.
            let _ = reply.send(written.clone());
        }
        if let (false, Some(write)) = (is_last, self.write.take()) {
            Self::take(self.committer.clone(), write);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.write.is_none() {
            return;
        }
        let left = {
            let mut state = self.committer.shared.state();
            state.ended = true;
            state.take_all()
        };
        if std::thread::panicking() {
            tracing::error!("writing the journal panicked; it stays closed");
        }
        for request in left {
            let _ = request.reply.send(Err(CommitError::ended()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::journal::sim::Sim;
    use super::*;
    use std::path::Path;
    use std::sync::mpsc;
    use tokio::runtime::{Builder, Runtime};

    const PATH: &str = "/main.journal";

    struct Rig {
        sim: Sim,
        committer: Committer,
        runtime: Runtime,
    }

    impl Rig {
        fn new() -> Self {
            let sim = Sim::default();
            let (journal, _) = Journal::open_on(sim.clone(), Path::new(PATH)).unwrap();
            let mut builder = Builder::new_current_thread();
            let runtime = builder.max_blocking_threads(1).build().unwrap();
            let entered = runtime.enter();
            let committer = Committer::start(journal);
            drop(entered);
            Self {
                sim,
                committer,
                runtime,
            }
        }

        /// Keeps the only thread that writes until the answer is dropped.
        fn hold(&self) -> mpsc::Sender<()> {
            let (release, held) = mpsc::channel();
            self.runtime.spawn_blocking(move || held.recv());
            release
        }

        fn commit(&self, text: &'static str) -> Answer {
            commit(&self.committer, batch(text))
        }

        fn rewrite(&self, text: &'static str) -> Answer {
            let work = vec![Journaling::Restart(batch(text))];
            Answer(self.committer.take(work).remove(0))
        }

        /// What the disk holds once the committer and its threads are gone, after a power cut.
        fn found(self) -> String {
            drop(self.committer);
            drop(self.runtime);
            self.sim.heal();
            self.sim.cut_power(&mut |_| 0);
            let (_, opened) = Journal::open_on(self.sim, Path::new(PATH)).unwrap();
            opened.records.iter().map(|r| r[0] as char).collect()
        }
    }

    struct Answer(oneshot::Receiver<Committed>);

    impl Answer {
        fn wait(self) -> Committed {
            self.0.blocking_recv().unwrap()
        }

        fn now(&mut self) -> Committed {
            self.0.try_recv().unwrap()
        }
    }

    fn commit(committer: &Committer, records: Vec<Bytes>) -> Answer {
        Answer(committer.take(vec![Journaling::Append(records)]).remove(0))
    }

    fn batch(text: &'static str) -> Vec<Bytes> {
        let own = |letter: char| Bytes::from(letter.to_string());
        text.chars().map(own).collect()
    }

    #[test]
    fn batches_that_wait_share_one_sync_and_keep_their_order() {
        let rig = Rig::new();
        let held = rig.hold();
        let answers = ["a", "bc", "d"].map(|text| rig.commit(text));
        drop(held);
        let commits = answers.map(|answer| answer.wait().unwrap());
        assert_eq!(commits, [commits[0]; 3]);
        assert_eq!(commits[0].bytes, 4 * 9);
        let alone = rig.commit("e").wait().unwrap();
        assert_eq!(alone.bytes, 9);
        assert_eq!(rig.found(), "abcde");
    }

    #[test]
    fn what_is_given_together_shares_one_sync_even_of_an_idle_disk() {
        let rig = Rig::new();
        let work = ["a", "bc", "d"].map(|text| Journaling::Append(batch(text)));
        let answers = rig.committer.take(work.into());
        for answer in answers {
            assert_eq!(Answer(answer).wait().unwrap().bytes, 4 * 9);
        }
        assert_eq!(rig.found(), "abcd");
    }

    #[test]
    fn a_rewrite_keeps_its_place_among_the_batches() {
        let rig = Rig::new();
        let held = rig.hold();
        let answers = [rig.commit("a"), rig.rewrite("S"), rig.commit("b")];
        drop(held);
        for answer in answers {
            answer.wait().unwrap();
        }
        assert_eq!(rig.found(), "Sb");
    }

    #[test]
    fn nothing_built_on_a_failed_batch_becomes_durable() {
        let rig = Rig::new();
        rig.commit("a").wait().unwrap();
        rig.sim.fail(0, 1, ErrorKind::StorageFull);
        let held = rig.hold();
        // Each in a group of its own, and the disk has room again.
        let answers = [rig.commit("b"), rig.rewrite("S"), rig.commit("c")];
        drop(held);
        for answer in answers {
            let error = answer.wait().unwrap_err();
            assert_eq!(error.kind, ErrorKind::StorageFull);
            assert!(matches!(Error::from(error), Error::DiskFull));
        }
        let later = rig.commit("d").wait();
        assert_eq!(later.unwrap_err().kind, ErrorKind::StorageFull);
        assert!(rig.committer.trouble().is_some());
        rig.committer.proceed();
        rig.commit("e").wait().unwrap();
        assert_eq!(rig.committer.trouble(), None);
        assert_eq!(rig.found(), "ae");
    }

    #[test]
    fn a_failed_rewrite_halts_nothing() {
        let rig = Rig::new();
        rig.commit("a").wait().unwrap();
        rig.sim.fail(0, 1, ErrorKind::StorageFull);
        let held = rig.hold();
        let (rewrite, next) = (rig.rewrite("S"), rig.commit("b"));
        drop(held);
        assert!(rewrite.wait().is_err());
        next.wait().unwrap();
        assert_eq!(rig.found(), "ab");
    }

    #[test]
    fn a_full_queue_refuses_and_lets_nothing_slip_in_behind() {
        let rig = Rig::new();
        let held = rig.hold();
        let taken: Vec<_> = (0..MAX_WAITING).map(|_| rig.commit("a")).collect();
        let error = rig.commit("x").now().unwrap_err();
        assert_eq!(error.kind, ErrorKind::WouldBlock);
        drop(held);
        for answer in taken {
            answer.wait().unwrap();
        }
        let behind = rig.commit("y").wait();
        assert_eq!(behind.unwrap_err(), error);
        rig.committer.proceed();
        let half = Bytes::from(vec![b'h'; MAX_WAITING_BYTES / 2 + 1]);
        let held = rig.hold();
        let [first, mut second] = [(); 2].map(|()| commit(&rig.committer, vec![half.clone()]));
        assert!(second.now().is_err());
        drop(held);
        assert!(first.wait().is_ok());
        rig.committer.proceed();
        let huge = Bytes::from(vec![0; MAX_RECORD_BYTES + 1]);
        let error = commit(&rig.committer, vec![huge]).now().unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidInput);
        rig.committer.proceed();
        assert_eq!(rig.found(), "a".repeat(MAX_WAITING) + "h");
    }

    #[test]
    fn what_waits_when_the_last_handle_goes_is_written() {
        let rig = Rig::new();
        let held = rig.hold();
        let waiting = rig.commit("y");
        let other = rig.committer.clone();
        // From any thread.
        let answer = std::thread::spawn(move || commit(&other, batch("z")));
        let answer = answer.join().unwrap();
        let Rig {
            sim,
            committer,
            runtime,
        } = rig;
        drop(committer);
        drop(held);
        waiting.wait().unwrap();
        answer.wait().unwrap();
        drop(runtime);
        sim.cut_power(&mut |_| 0);
        let (_, opened) = Journal::open_on(sim, Path::new(PATH)).unwrap();
        assert_eq!(opened.records, batch("yz"));
    }

    #[test]
    fn nobody_waits_for_a_committer_whose_runtime_is_gone() {
        let rig = Rig::new();
        rig.runtime.shutdown_background();
        for text in ["a", "b"] {
            let answer = commit(&rig.committer, batch(text));
            assert_eq!(answer.wait().unwrap_err().kind, ErrorKind::BrokenPipe);
        }
        assert!(rig.committer.trouble().is_some());
    }

    #[test]
    fn nobody_waits_for_a_committer_whose_disk_panics() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let entered = runtime.enter();
        let committer = Committer::with(Box::new(|_, _| unreachable!("a broken disk")));
        drop(entered);
        let answer = commit(&committer, batch("a"));
        assert!(answer.0.blocking_recv().is_err());
        let later = commit(&committer, batch("b"));
        assert_eq!(later.wait().unwrap_err().kind, ErrorKind::BrokenPipe);
    }
}
