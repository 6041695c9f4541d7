//! The tables that are open: each a room with a journal of its own.

use super::{Put, Refusal, Request, Settings, TableRules, recover};
use crate::error::{Error, Result};
use crate::json::JsonText;
use crate::live::{
    Committer, Couriers, Durability, Journal, Keeper, Later, Now, RoomHandle, Stage, Tail,
    open_room,
};
use crate::model::{MapMove, TableId, player_view};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::spawn_blocking;

/// One open table.
#[derive(Clone)]
pub struct OpenTable {
    /// The way into its room.
    pub room: RoomHandle<TableRules>,
    committer: Committer,
    keeper: Option<Keeper>,
    /// What players see, of the scene that it was made of.
    seen: Arc<Mutex<Option<(JsonText, JsonText)>>>,
}

impl OpenTable {
    /// What players see of it now; `None`: nothing was ever shown.
    pub fn player_view(&self) -> Option<JsonText> {
        let scene = self.room.shown()?;
        // Held while a view is made, so that many who ask at once make it once.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match &*seen {
            Some((of, view)) if of.as_str().as_ptr() == scene.as_str().as_ptr() => {
                Some(view.clone())
            }
            _ => {
                let view = player_view(&scene);
                *seen = Some((scene, view.clone()));
                Some(view)
            }
        }
    }

    /// Asks for a write and waits until it is durable.
    pub async fn put<T>(
        &self,
        put: impl FnOnce(tokio::sync::oneshot::Sender<Result<T, Refusal>>) -> Put,
    ) -> Result<T> {
        let outcome = self.room.ask(|reply| Request::Put(put(reply))).await?;
        outcome.map_err(Error::from)
    }

    async fn flush(
        &self,
        request: impl FnOnce(tokio::sync::oneshot::Sender<bool>) -> Request,
    ) -> Result<()> {
        if !self.room.ask(request).await? {
            return Err(match self.committer.trouble() {
                Some(trouble) => trouble.into(),
                None => Error::NotSaved("it could not be saved".into()),
            });
        }
        match &self.keeper {
            Some(keeper) => keeper.flush().await,
            None => Ok(()),
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal.code {
            "storage" => Self::NotSaved(refusal.message),
            "busy" => Self::Unavailable(refusal.message),
            "precondition" => Self::PreconditionFailed(refusal.message),
            "conflict" => Self::Conflict(refusal.message),
            "not_found" => Self::NotFound(refusal.message),
            _ => Self::Invalid(refusal.message),
        }
    }
}

/// Says which tables there are, open or not.
pub type Known = dyn Fn() -> Vec<TableId> + Send + Sync;

/// The open tables, and what it takes to open another.
pub struct OpenTables {
    known: Box<Known>,
    folder: PathBuf,
    settings: Settings,
    couriers: Couriers,
    open: Mutex<HashMap<TableId, OpenTable>>,
    /// One table is opened at a time.
    opening: tokio::sync::Mutex<()>,
}

impl OpenTables {
    /// With none open; their journals are below `folder`.
    pub fn new(
        folder: PathBuf,
        settings: Settings,
        couriers: Couriers,
        known: impl Fn() -> Vec<TableId> + Send + Sync + 'static,
    ) -> Self {
        Self {
            known: Box::new(known),
            folder,
            settings,
            couriers,
            open: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
        }
    }

    // A lock for a small map, never held across an await.
    fn lock(&self) -> MutexGuard<'_, HashMap<TableId, OpenTable>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The table, if it is open.
    pub fn get(&self, id: TableId) -> Option<OpenTable> {
        self.lock().get(&id).cloned()
    }

    /// The table `main`, with the scene's own file and the task that writes it. Blocks.
    pub fn open_main(&self, file: Option<JsonText>, keeper: Keeper) -> Result<OpenTable> {
        let folder = self.folder(TableId::MAIN);
        let settings = self.settings_of(TableId::MAIN, true);
        let read = read(TableId::MAIN, &folder, file, settings);
        let (journal, rules) = read.map_err(|error| {
            let advice = "mend that, or choose another folder with --data-dir";
            Error::Invalid(format!("{error}; {advice}"))
        })?;
        Ok(self.start(TableId::MAIN, journal, rules, Some(keeper)))
    }

    /// The table, opened when it is not. Errors: 404 when there is no such table, 503 or 507 when
    /// its journal cannot be used.
    pub async fn open(&self, id: TableId) -> Result<OpenTable> {
        if let Some(table) = self.get(id) {
            return Ok(table);
        }
        let _one_at_a_time = self.opening.lock().await;
        if let Some(table) = self.get(id) {
            return Ok(table);
        }
        if !(self.known)().contains(&id) {
            return Err(Error::NotFound(format!("there is no table '{id}'")));
        }
        let folder = self.folder(id);
        let settings = self.settings_of(id, false);
        let read = spawn_blocking(move || read(id, &folder, None, settings)).await;
        let read = read.map_err(|_| std::io::Error::other("reading a journal panicked"))?;
        let (journal, rules) = read.map_err(|error| {
            tracing::error!(table = %id, %error, "{error}");
            match Error::from(error) {
                Error::Internal(_) => Error::Unavailable(format!(
                    "the table '{id}' cannot be opened now; the server's log has the cause"
                )),
                told => told,
            }
        })?;
        Ok(self.start(id, journal, rules, None))
    }

    fn folder(&self, id: TableId) -> PathBuf {
        self.folder.join(id.as_str())
    }

    /// Where a table's replaced and refused scenes are kept.
    pub fn aside(&self, id: TableId) -> PathBuf {
        aside(&self.folder(id))
    }

    fn settings_of(&self, id: TableId, has_file: bool) -> Settings {
        Settings {
            aside: self.aside(id),
            has_file,
            ..self.settings.clone()
        }
    }

    fn start(
        &self,
        id: TableId,
        journal: Journal,
        rules: TableRules,
        keeper: Option<Keeper>,
    ) -> OpenTable {
        let scene = rules.scene();
        let committer = Committer::start(journal);
        let disk = Durability {
            committer: committer.clone(),
            keeper: keeper.clone(),
        };
        // Tables spread over the threads; their sockets follow them.
        let home = match keeper {
            Some(_) => 0,
            None => u64::from_le_bytes(id.to_bytes()),
        };
        let table = OpenTable {
            room: open_room(rules, scene, &self.couriers, Some(disk), Some(home)),
            committer,
            keeper,
            seen: Arc::default(),
        };
        self.lock().insert(id, table.clone());
        table
    }

    /// Why some table cannot be saved, if so.
    pub fn trouble(&self) -> Option<String> {
        let troubled = self.lock();
        let mut troubled = troubled.iter();
        troubled.find_map(|(id, table)| {
            let error = table.committer.trouble()?;
            Some(format!("table {id} cannot be saved: {error}"))
        })
    }

    /// Brings every table to disk for the last time; the log says of which that failed.
    pub async fn stop(&self) {
        let tables: Vec<_> = self.lock().clone().into_iter().collect();
        let stops = tables.iter().map(async |(id, table)| {
            if let Err(error) = table.flush(|reply| Request::Stop { reply }).await {
                let cause = error.cause();
                tracing::error!(table = %id, cause, "table {id} could not be saved: {cause}");
            }
        });
        futures_util::future::join_all(stops).await;
    }

    /// Closes a table for good: its members are sent away, its journal goes.
    pub async fn remove(&self, id: TableId) -> Result<()> {
        // Nobody opens it while it goes, and then it is known no more.
        let _one_at_a_time = self.opening.lock().await;
        let table = self.lock().remove(&id);
        if let Some(table) = table {
            table.room.ask(|reply| Request::Close { reply }).await?;
        }
        let folder = self.folder(id);
        let removed = spawn_blocking(move || std::fs::remove_dir_all(folder)).await;
        match removed {
            Ok(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl Stage for OpenTables {
    fn player_view(&self, table: TableId) -> Option<JsonText> {
        self.get(table)?.player_view()
    }

    fn open(&self, table: TableId) -> Later<'_, ()> {
        Box::pin(async move { self.open(table).await.map(drop) })
    }

    fn map_moved<'a>(&'a self, map_move: &'a MapMove, id: &'a str) -> Later<'a, usize> {
        Box::pin(async move {
            let mut followed = 0;
            for table in (self.known)() {
                let table = self.open(table).await?;
                let moved = |reply| Put::MapMoved {
                    map_move: map_move.clone(),
                    id: id.to_owned(),
                    reply,
                };
                if table.put(moved).await? {
                    followed += 1;
                    // It is safe in the journal; who reads the scene's own file finds it there, too.
                    let _ = table.flush(|reply| Request::Save { reply }).await;
                }
            }
            Ok(followed)
        })
    }
}

/// Opens a table's journal and reads what it is. Blocks. Errors name the table and the path.
fn read(
    id: TableId,
    folder: &Path,
    file: Option<JsonText>,
    settings: Settings,
) -> std::io::Result<(Journal, TableRules)> {
    let path = folder.join("journal");
    let opened = std::fs::create_dir_all(folder).and_then(|()| Journal::open(&path));
    let (mut journal, opened) = opened.map_err(|e| {
        let shown = path.display();
        let text = format!("the journal {shown} of table {id} cannot be used ({e})");
        std::io::Error::new(e.kind(), text)
    })?;
    let damaged = match opened.tail {
        Tail::Clean => false,
        Tail::Torn { lost_bytes } => {
            tracing::warn!(table = %id, lost_bytes, "the last write of table {id} was cut off by a crash; it was never acknowledged");
            false
        }
        Tail::Damaged { at } => {
            tracing::error!(table = %id, at, "the journal of table {id} is damaged at byte {at}; going on with what is before it, the file is kept beside it");
            true
        }
    };
    let recovered = recover(&opened.records, damaged, file, Now::read());
    if let Some(replaced) = &recovered.replaced {
        tracing::warn!(table = %id, "the scene of table {id} was changed by another program; that one is shown now, the replaced one is kept below .tablekeep/");
        super::aside::keep_now(&aside(folder), replaced);
    }
    let restart = |record| journal.restart(&[record]).map(drop);
    let rules = TableRules::begin(settings, recovered, restart);
    Ok((journal, rules))
}

/// Where a table's replaced and refused scenes are kept.
fn aside(folder: &Path) -> PathBuf {
    folder.join("aside")
}
