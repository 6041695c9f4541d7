//! The accounts of a running server: in memory, in step with the file.

use super::Refused;
use super::book::Book;
use super::file::{AccountFile, FileError, Mark};
use crate::access::{self, Session, Standing};
use crate::error::{Error, Result};
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};
use std::time::SystemTime;

/// All accounts. Read when they are first asked for, and again when the command line has changed them.
pub struct Ledger {
    file: AccountFile,
    /// Held while the disk is asked, so that what is remembered is what is there last.
    asking: Mutex<()>,
    /// Never held while the disk is asked: every request with a token reads it.
    state: RwLock<State>,
}

#[derive(Clone, Default)]
enum State {
    #[default]
    Unread,
    /// With the file's mark at that time, unless it may have changed since without another one.
    Read(Arc<Book>, Option<Option<Mark>>),
    /// Not to be read, with what is known from before.
    Broken(Option<Arc<Book>>, Option<Mark>),
}

impl Ledger {
    /// Of this file, which is not looked at yet.
    pub fn new(file: AccountFile) -> Self {
        Self {
            file,
            asking: Mutex::default(),
            state: RwLock::default(),
        }
    }

    /// All accounts. Blocks where they have not been read yet.
    ///
    /// Errors: 503 when they cannot be read.
    pub fn book(&self) -> Result<Arc<Book>> {
        match self.state() {
            State::Read(book, _) | State::Broken(Some(book), _) => return Ok(book),
            State::Unread | State::Broken(None, _) => {}
        }
        self.refresh()?;
        match self.state() {
            State::Read(book, _) | State::Broken(Some(book), _) => Ok(book),
            State::Unread | State::Broken(None, _) => Err(unreadable()),
        }
    }

    /// Reads them again if the file has changed. Whether they may be others now. Blocks.
    ///
    /// Errors: 503 when they cannot be read; what was known before still counts.
    pub fn refresh(&self) -> Result<bool> {
        let _guard = self.ask();
        let mark = match self.file.mark() {
            Ok(mark) => mark,
            Err(error) => return Err(self.broken(None, FileError::Io(error))),
        };
        let known = match self.state() {
            State::Read(_, known) => known == Some(mark),
            State::Broken(_, known) if known.is_some() && known == mark => {
                return Err(unreadable());
            }
            State::Broken(..) | State::Unread => false,
        };
        if known {
            return Ok(false);
        }
        let book = match self.file.read() {
            Ok(book) => book,
            Err(error) => {
                // What is wrong with the file stays until it is another one; all else may pass.
                let lasts = matches!(error, FileError::Broken(_));
                return Err(self.broken(mark.filter(|_| lasts), error));
            }
        };
        let settled = mark.is_none_or(|mark| mark.is_settled(SystemTime::now()));
        let mut state = self.write();
        let changed = !matches!(&*state, State::Read(old, _) if **old == book);
        *state = State::Read(Arc::new(book), settled.then_some(mark));
        Ok(changed)
    }

    /// Whether [`Ledger::refresh`] has something to do; costs one look at the file.
    pub fn is_behind(&self) -> bool {
        match self.state() {
            State::Unread => self.file.mark().is_ok_and(|mark| mark.is_some()),
            State::Read(_, known) => self.file.mark().is_ok_and(|mark| known != Some(mark)),
            State::Broken(_, known) => self.file.mark().is_ok_and(|mark| known != mark),
        }
    }

    /// Changes them, durably. Blocks.
    ///
    /// Errors: `Refused` in `Ok`; 503 when they cannot be read, 507 when the disk is full.
    pub fn change<T>(
        &self,
        change: impl FnMut(&mut Book) -> Result<T, Refused>,
    ) -> Result<Result<T, Refused>> {
        let _guard = self.ask();
        match self.file.change(change) {
            Ok((outcome, book)) => {
                // The next refresh reads it again: somebody else may have written right behind.
                *self.write() = State::Read(Arc::new(book), None);
                Ok(Ok(outcome))
            }
            Err(FileError::Refused(refused)) => Ok(Err(refused)),
            Err(FileError::Io(error)) => Err(error.into()),
            Err(FileError::Held) => Err(Error::Unavailable(
                "another program holds the accounts: try again in a moment".into(),
            )),
            Err(error @ FileError::Broken(_)) => {
                let mark = self.file.mark().ok().flatten();
                Err(self.broken(mark, error))
            }
        }
    }

    /// Remembers that the file cannot be read, and says so once.
    fn broken(&self, mark: Option<Mark>, error: FileError) -> Error {
        let file = self.file.path().display();
        let mut state = self.write();
        if !matches!(&*state, State::Broken(..)) {
            let advice = advice(&error);
            tracing::error!(%error, "the accounts in {file} cannot be read: {error}; {advice}");
        }
        let known = match &*state {
            State::Read(book, _) => Some(book.clone()),
            State::Broken(known, _) => known.clone(),
            State::Unread => None,
        };
        *state = State::Broken(known, mark);
        unreadable()
    }

    fn ask(&self) -> MutexGuard<'_, ()> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> State {
        let state = self.state.read();
        state.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What somebody may do whose accounts cannot be read for this reason.
fn advice(error: &FileError) -> &'static str {
    match error {
        FileError::Io(error) if error.kind() == ErrorKind::PermissionDenied => {
            "give the file to the user who runs the server (chown), as the others in that folder are"
        }
        _ => BROKEN,
    }
}

/// What somebody may do whose file of accounts is broken.
const BROKEN: &str = "put a copy in its place, or move it away to begin without accounts";

fn unreadable() -> Error {
    Error::Unavailable("the accounts cannot be read; the server's log has the cause".into())
}

impl access::Accounts for Ledger {
    fn standing(&self, session: &Session) -> Standing {
        let book = self.book();
        book.map_or(Standing::Ended, |book| book.standing(session))
    }

    fn end(&self, session: &Session) -> Result<()> {
        let now = super::stamp::micros(SystemTime::now()) / 1_000_000;
        let ended = self.change(|book| {
            book.end(session, now);
            Ok(())
        })?;
        debug_assert_eq!(ended, Ok(()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::book::tests::new_user;
    use super::*;
    use crate::access::{AccountRole, Accounts};
    use std::fs;

    fn add(file: &AccountFile, name: &str) {
        file.change(|book| book.add(new_user(name, AccountRole::Viewer), 9, 1))
            .unwrap();
    }

    #[test]
    fn what_the_command_line_changes_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let file = AccountFile::below(folder.path());
        let ledger = Ledger::new(file.clone());
        assert!(!ledger.is_behind());
        assert!(ledger.book().unwrap().is_empty());
        assert!(!ledger.is_behind() && !ledger.refresh().unwrap());
        add(&file, "Anna");
        assert!(ledger.is_behind() && ledger.refresh().unwrap());
        assert_eq!(ledger.book().unwrap().users().len(), 1);
        // In the same moment, so that the file may look as before.
        add(&file, "Ben");
        assert!(ledger.is_behind() && ledger.refresh().unwrap());
        assert_eq!(ledger.book().unwrap().users().len(), 2);
        ledger
            .change(|book| book.add(new_user("Cleo", AccountRole::Admin), 9, 1))
            .unwrap()
            .unwrap();
        assert_eq!(ledger.book().unwrap().users().len(), 3);
        assert!(!ledger.refresh().unwrap());
        // Once it is old enough, one look is enough.
        let file = fs::File::options().write(true).open(file.path()).unwrap();
        let old = SystemTime::now() - std::time::Duration::from_secs(60);
        file.set_modified(old).unwrap();
        assert!(ledger.is_behind() && !ledger.refresh().unwrap());
        assert!(!ledger.is_behind());
    }

    #[test]
    fn a_file_of_somebody_else_is_not_thrown_away() {
        let denied = FileError::Io(ErrorKind::PermissionDenied.into());
        assert!(advice(&denied).contains("chown"));
        let broken = FileError::Broken("it is torn".into());
        assert!(advice(&broken).contains("move it away"));
    }

    #[test]
    fn a_broken_file_ends_nobodys_sign_in_that_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let file = AccountFile::below(folder.path());
        add(&file, "Anna");
        let whole = fs::read(file.path()).unwrap();
        let session = Session {
            account: 1,
            generation: 7,
            id: [0; 16],
            until: 9,
        };
        let ledger = Ledger::new(file.clone());
        let viewer = Standing::Good(AccountRole::Viewer);
        assert_eq!(ledger.standing(&session), viewer);
        fs::write(file.path(), b"broken").unwrap();
        assert!(ledger.is_behind() && ledger.refresh().is_err());
        assert!(!ledger.is_behind() && ledger.refresh().is_err());
        assert_eq!(ledger.standing(&session), viewer);
        assert!(ledger.change(|book| book.remove(1, None)).is_err());
        // A server that starts with it knows nobody, until it is mended.
        let started = Ledger::new(file.clone());
        assert!(matches!(started.book(), Err(Error::Unavailable(_))));
        assert_eq!(started.standing(&session), Standing::Ended);
        fs::write(file.path(), whole).unwrap();
        assert!(started.refresh().unwrap());
        assert_eq!(started.standing(&session), viewer);
        Accounts::end(&started, &session).unwrap();
        assert_eq!(started.standing(&session), Standing::Ended);
    }
}
