//! The way to a [`Journal`] from async code: batches go in, in order, and share the disk's syncs.
//!
//! Whatever waits when a sync returns goes into the next one; an idle journal commits at once. A
//! batch counts on those before it. So when one fails, everything that waits behind it fails with
//! it, and so does whatever still comes, until the sender has taken back what it built on the
//! failed batch and says [`Committer::proceed`]. Without that a change could become durable whose
//! predecessor is not.
//!
//! | from -> to | holds | when full | because |
//! |---|---|---|---|
//! | sender -> committer | 1,024 batches, 64 MiB (one larger batch alone passes) | the batch fails as `WouldBlock` | the sender takes it back and tells its author to try again |

use super::journal::{Commit, Disk, Journal, MAX_RECORD_BYTES};
use crate::error::Error;
use bytes::Bytes;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};
use tokio::task::spawn_blocking;

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

/// Handle to the task that writes. Cloning is cheap; when the last one is dropped the task writes
/// what waits and ends.
#[derive(Clone)]
pub struct Committer(Arc<Handle>);

struct Handle(Arc<Shared>);

struct Shared {
    /// Held for a few lines only, never across an await or a write.
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Request>,
    waiting_bytes: usize,
    /// Why nothing is taken until [`Committer::proceed`].
    halted: Option<CommitError>,
    /// The last failure, until something succeeds.
    trouble: Option<CommitError>,
    /// No handle is left.
    closed: bool,
    /// The task is gone.
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
    /// Starts the task on the current tokio runtime.
    pub fn start<D: Disk>(journal: Journal<D>) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            wake: Notify::new(),
        });
        let task = Task(shared.clone());
        tokio::spawn(task.run(journal));
        Self(Arc::new(Handle(shared)))
    }

    /// Commits `batch` behind everything given before it; all its records become durable, or none.
    ///
    /// The answer says what the whole group of batches was that one sync made durable. After a
    /// failed one nothing is taken before [`Committer::proceed`].
    pub fn commit(&self, batch: Vec<Bytes>) -> oneshot::Receiver<Committed> {
        self.request(batch, false)
    }

    /// Puts `records` in place of everything in the journal, once the batches given before are
    /// durable. They must say the same: what a snapshot with those batches in it says.
    ///
    /// A failure changes nothing and halts nothing; but it fails like a batch when one before fails.
    pub fn rewrite(&self, records: Vec<Bytes>) -> oneshot::Receiver<Committed> {
        self.request(records, true)
    }

    /// Goes on after a failure: what was built on the failed batch has been taken back.
    pub fn proceed(&self) {
        self.0.0.state().halted = None;
    }

    /// Why the last write failed, while none has succeeded since.
    pub fn trouble(&self) -> Option<CommitError> {
        let state = self.0.0.state();
        let ended = state.ended.then(CommitError::ended);
        ended.or_else(|| state.trouble.clone())
    }

    fn request(&self, records: Vec<Bytes>, is_rewrite: bool) -> oneshot::Receiver<Committed> {
        let (reply, answer) = oneshot::channel();
        let request = Request {
            bytes: records.iter().map(Bytes::len).sum(),
            records,
            is_rewrite,
            reply,
        };
        let refused = self.0.0.state().enqueue(request);
        match refused {
            // Nobody waits for the answer yet: it stays in the channel.
            Some((request, error)) => drop(request.reply.send(Err(error))),
            None => self.0.0.wake.notify_one(),
        }
        answer
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.wake.notify_one();
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

/// The task's side; when it ends, for whatever reason, nobody waits for ever.
struct Task(Arc<Shared>);

impl Task {
    async fn run<D: Disk>(self, mut journal: Journal<D>) {
        loop {
            let (group, closed) = {
                let mut state = self.0.state();
                (state.next_group(), state.closed)
            };
            if group.is_empty() {
                if closed {
                    return;
                }
                self.0.wake.notified().await;
                continue;
            }
            let written = spawn_blocking(move || write(journal, group)).await;
            let Ok((back, replies, outcome)) = written else {
                tracing::error!("writing the journal panicked; it stays closed");
                return;
            };
            journal = back;
            self.conclude(replies, outcome);
        }
    }

    fn conclude(&self, replies: Vec<oneshot::Sender<Committed>>, outcome: Outcome) {
        let mut behind = Vec::new();
        {
            let mut state = self.0.state();
            state.trouble = outcome.result.as_ref().err().cloned();
            if let (Err(error), false) = (&outcome.result, outcome.is_rewrite) {
                // Before anybody learns of it, so that what comes next cannot slip in between.
                state.halted = Some(error.clone());
                behind = state.take_all();
            }
        }
        let replies = replies.into_iter();
        for reply in replies.chain(behind.into_iter().map(|request| request.reply)) {
            // Whoever asked may have gone.
            let _ = reply.send(outcome.result.clone());
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let left = {
            let mut state = self.0.state();
            state.ended = true;
            state.take_all()
        };
        for request in left {
            let _ = request.reply.send(Err(CommitError::ended()));
        }
    }
}

struct Outcome {
    is_rewrite: bool,
    result: Committed,
}

/// Writes one group. Blocks.
fn write<D: Disk>(
    mut journal: Journal<D>,
    group: Vec<Request>,
) -> (Journal<D>, Vec<oneshot::Sender<Committed>>, Outcome) {
    let is_rewrite = group.iter().any(|request| request.is_rewrite);
    let mut records = Vec::new();
    let mut replies = Vec::with_capacity(group.len());
    for request in group {
        records.extend(request.records);
        replies.push(request.reply);
    }
    let written = match is_rewrite {
        true => journal.restart(&records),
        false => journal.append(&records),
    };
    let result = written.map_err(CommitError::from);
    (journal, replies, Outcome { is_rewrite, result })
}

#[cfg(test)]
mod tests {
    use super::super::journal::sim::Sim;
    use super::*;
    use std::path::Path;

    const PATH: &str = "/main.journal";

    fn start() -> (Sim, Committer) {
        let sim = Sim::default();
        let (journal, _) = Journal::open_on(sim.clone(), Path::new(PATH)).unwrap();
        (sim, Committer::start(journal))
    }

    fn batch(text: &'static str) -> Vec<Bytes> {
        let own = |letter: char| Bytes::from(letter.to_string());
        text.chars().map(own).collect()
    }

    /// What the disk holds once the committer is gone, after a power cut.
    async fn found(sim: Sim, committer: Committer) -> String {
        let last = committer.commit(Vec::new());
        drop(committer);
        let _ = last.await;
        sim.heal();
        sim.cut_power(&mut |_| 0);
        let (_, opened) = Journal::open_on(sim, Path::new(PATH)).unwrap();
        opened.records.iter().map(|r| r[0] as char).collect()
    }

    #[tokio::test]
    async fn batches_that_wait_share_one_sync_and_keep_their_order() {
        let (sim, committer) = start();
        let answers = [batch("a"), batch("bc"), batch("d")].map(|b| committer.commit(b));
        let mut commits = Vec::new();
        for answer in answers {
            commits.push(answer.await.unwrap().unwrap());
        }
        assert_eq!(commits, [commits[0]; 3]);
        assert_eq!(commits[0].bytes, 4 * 9);
        let alone = committer.commit(batch("e")).await.unwrap().unwrap();
        assert_eq!(alone.bytes, 9);
        assert_eq!(found(sim, committer).await, "abcde");
    }

    #[tokio::test]
    async fn a_rewrite_keeps_its_place_among_the_batches() {
        let (sim, committer) = start();
        let first = committer.commit(batch("a"));
        let rewrite = committer.rewrite(batch("S"));
        let second = committer.commit(batch("b"));
        for answer in [first, rewrite, second] {
            answer.await.unwrap().unwrap();
        }
        assert_eq!(found(sim, committer).await, "Sb");
    }

    #[tokio::test]
    async fn nothing_built_on_a_failed_batch_becomes_durable() {
        let (sim, committer) = start();
        committer.commit(batch("a")).await.unwrap().unwrap();
        sim.fail(0, 1, ErrorKind::StorageFull);
        let failed = committer.commit(batch("b"));
        // Each in a group of its own, and the disk has room again.
        let rewrite = committer.rewrite(batch("S"));
        let behind = committer.commit(batch("c"));
        for answer in [failed, rewrite, behind] {
            let error = answer.await.unwrap().unwrap_err();
            assert_eq!(error.kind, ErrorKind::StorageFull);
            assert!(matches!(Error::from(error), Error::DiskFull));
        }
        let later = committer.commit(batch("d")).await.unwrap();
        assert_eq!(later.unwrap_err().kind, ErrorKind::StorageFull);
        assert!(committer.trouble().is_some());
        committer.proceed();
        committer.commit(batch("e")).await.unwrap().unwrap();
        assert_eq!(committer.trouble(), None);
        assert_eq!(found(sim, committer).await, "ae");
    }

    #[tokio::test]
    async fn a_failed_rewrite_halts_nothing() {
        let (sim, committer) = start();
        committer.commit(batch("a")).await.unwrap().unwrap();
        sim.fail(0, 1, ErrorKind::StorageFull);
        let rewrite = committer.rewrite(batch("S"));
        let next = committer.commit(batch("b"));
        assert!(rewrite.await.unwrap().is_err());
        next.await.unwrap().unwrap();
        assert_eq!(found(sim, committer).await, "ab");
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_lets_nothing_slip_in_behind() {
        let (sim, committer) = start();
        let taken: Vec<_> = (0..MAX_WAITING)
            .map(|_| committer.commit(batch("a")))
            .collect();
        let mut refused = committer.commit(batch("x"));
        let error = refused.try_recv().unwrap().unwrap_err();
        assert_eq!(error.kind, ErrorKind::WouldBlock);
        for answer in taken {
            answer.await.unwrap().unwrap();
        }
        let behind = committer.commit(batch("y")).await.unwrap();
        assert_eq!(behind.unwrap_err(), error);
        committer.proceed();
        let half = Bytes::from(vec![b'h'; MAX_WAITING_BYTES / 2 + 1]);
        let mut large = [(); 2].map(|()| committer.commit(vec![half.clone()]));
        assert!(large[1].try_recv().unwrap().is_err());
        assert!((&mut large[0]).await.unwrap().is_ok());
        committer.proceed();
        let huge = Bytes::from(vec![0; MAX_RECORD_BYTES + 1]);
        let error = committer.commit(vec![huge]).await.unwrap().unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidInput);
        committer.proceed();
        let all = found(sim, committer).await;
        assert_eq!(all, "a".repeat(MAX_WAITING) + "h");
    }

    #[tokio::test]
    async fn what_waits_when_the_last_handle_goes_is_written() {
        let (sim, committer) = start();
        let other = committer.clone();
        drop(committer);
        // From any thread.
        let answer = std::thread::spawn(move || other.commit(batch("z")));
        let answer = answer.join().unwrap();
        answer.await.unwrap().unwrap();
        sim.cut_power(&mut |_| 0);
        let (_, opened) = Journal::open_on(sim, Path::new(PATH)).unwrap();
        assert_eq!(opened.records, batch("z"));
    }

    #[test]
    fn nobody_waits_for_a_committer_whose_runtime_is_gone() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let (_, committer) = runtime.block_on(async { start() });
        let waiting = committer.commit(batch("a"));
        drop(runtime);
        let later = committer.commit(batch("b"));
        for answer in [waiting, later] {
            let error = answer.blocking_recv().unwrap().unwrap_err();
            assert_eq!(error.kind, ErrorKind::BrokenPipe);
        }
        assert!(committer.trouble().is_some());
    }
}
