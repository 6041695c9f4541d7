//! What is the same for maps, scenes and sounds: finding, naming, folders, serving, and telling
//! the table.

mod names;

pub use names::{Wanted, new_file, new_folder};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::http::{Asked, Disposition, FileCache, UploadSlots, send_at_once, send_file};
use crate::live::Stage;
use crate::model::{MapMove, TableId, map_refs};
use crate::store::{AssetPath, FolderPath, Kind, PendingIntent, Shelf, Store};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;
use utoipa::ToSchema;

/// Pause between attempts to write the table's scene to a full disk.
const RETRY: Duration = Duration::from_secs(2);
/// How long a request waits for the first scan.
const FIRST_SCAN: Duration = Duration::from_secs(20);

/// The libraries, as the routes use them.
pub struct Library {
    /// The settings.
    pub config: Config,
    store: Arc<Store>,
    cache: FileCache,
    slots: UploadSlots,
    stage: Arc<dyn Stage>,
    scanned: watch::Receiver<bool>,
}

/// One folder, as SpellTable's pages build their tree from it.
#[derive(Serialize, ToSchema)]
pub struct FolderItem<P: ToSchema> {
    /// Last name.
    #[schema(example = "level1")]
    pub name: String,
    /// Always `folder`.
    #[serde(rename = "type")]
    #[schema(example = "folder")]
    pub kind: &'static str,
    /// Path below the library.
    #[schema(example = "dungeons/level1")]
    pub path: String,
    /// Path of the folder around it; empty or `null` in the root, as the library has it.
    #[schema(example = "dungeons")]
    pub parent: P,
}

impl Library {
    /// Puts the parts together; `scanned` turns true after the first scan.
    pub fn new(
        config: Config,
        store: Arc<Store>,
        stage: Arc<dyn Stage>,
        scanned: watch::Receiver<bool>,
    ) -> Self {
        Self {
            cache: FileCache::new(config.limits.file_cache),
            slots: UploadSlots::new(config.limits.max_uploads),
            config,
            store,
            stage,
            scanned,
        }
    }

    /// The files.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The upload slots.
    pub fn slots(&self) -> &UploadSlots {
        &self.slots
    }

    /// The tables.
    pub fn stage(&self) -> &dyn Stage {
        &*self.stage
    }

    /// The shelf of `kind`, once its index is complete.
    pub async fn shelf(&self, kind: &'static Kind) -> Result<&Shelf> {
        let shelf = self.store.shelf(kind);
        if !shelf.is_scanned() {
            let mut scanned = self.scanned.clone();
            let waited = timeout(FIRST_SCAN, scanned.wait_for(|done| *done)).await;
            if !matches!(waited, Ok(Ok(_))) {
                let text = format!("the folder {} is still being read, try again", kind.dir);
                return Err(Error::Unavailable(text));
            }
        }
        Ok(shelf)
    }

    /// The same for a list, which must be complete: pages throw out of their scene what it lacks.
    pub async fn complete_shelf(&self, kind: &'static Kind) -> Result<&Shelf> {
        let shelf = self.shelf(kind).await?;
        shelf.check_read(|_| true)?;
        Ok(shelf)
    }

    /// Does file work where it may block.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = self.store.clone();
        web::block(move || work(&store))
            .await
            .map_err(|_| Error::Internal(std::io::Error::other("file work panicked")))?
    }

    /// Sends a file.
    pub async fn send(
        &self,
        req: &HttpRequest,
        kind: &'static Kind,
        path: &AssetPath,
        disposition: Disposition,
    ) -> Result<HttpResponse> {
        let (asked, shelf) = (Asked::of(req), self.store.shelf(kind));
        send_file(&asked, &self.cache, shelf, path, disposition).await
    }

    /// Sends a file that is in memory; `locate` finds it, as for [`Library::send`].
    pub fn send_at_once(
        &self,
        asked: &Asked<'_>,
        kind: &'static Kind,
        locate: impl FnOnce(&Shelf) -> Result<AssetPath>,
        disposition: Disposition,
    ) -> Option<HttpResponse> {
        let shelf = Some(self.store.shelf(kind)).filter(|shelf| shelf.is_scanned())?;
        let path = locate(shelf).ok()?;
        send_at_once(asked, &self.cache, shelf, &path, disposition)
    }

    /// Lets the tables follow a map whose files are in place; returns how many scenes followed,
    /// the tables' own among them.
    pub async fn announce(
        &self,
        map_move: MapMove,
        intent: PendingIntent,
        scenes: usize,
    ) -> Result<usize> {
        match self.stage.map_moved(&map_move, &intent.id()).await {
            Ok(live) => {
                self.run(|_| intent.finish()).await?;
                Ok(scenes + live)
            }
            Err(error) => {
                // The intent stays until the tables have followed, so the move counts all the same.
                tracing::warn!(%error, "the tables follow a moved map once they can be written: {error}");
                actix_web::rt::spawn(follow_later(self.stage.clone(), map_move, intent));
                Ok(scenes)
            }
        }
    }

    /// Whether players of this table see `asked`, which was found at `found`: written so, or found
    /// by the same search.
    pub fn is_shown(&self, table: TableId, shelf: &Shelf, asked: &str, found: &AssetPath) -> bool {
        let Some(scene) = self.stage.player_view(table) else {
            return false;
        };
        map_refs(&scene).any(|map| {
            let folder = FolderPath::parse(map.folder.as_deref().unwrap_or_default());
            let Some(written) = folder.ok().and_then(|f| f.join(&map.name).ok()) else {
                return false;
            };
            written.as_str() == asked
                || Wanted::Searched(&written).find(shelf).as_ref() == Some(found)
        })
    }
}

async fn follow_later(stage: Arc<dyn Stage>, map_move: MapMove, intent: PendingIntent) {
    while stage.map_moved(&map_move, &intent.id()).await.is_err() {
        tokio::time::sleep(RETRY).await;
    }
    let finished = web::block(move || intent.finish()).await;
    if let Ok(Err(error)) = finished {
        tracing::warn!(%error, "an operation that is done could not be forgotten: {error}");
    }
}

/// Folders of a shelf, each turned into a list's item.
pub fn folders<P: ToSchema>(
    shelf: &Shelf,
    below: &FolderPath,
    parent: impl Fn(&str) -> P,
) -> Vec<FolderItem<P>> {
    let cut = if below.is_root() {
        0
    } else {
        below.as_str().len() + 1
    };
    let index = shelf.index();
    index
        .folders()
        .filter(|folder| below.contains(folder.as_str()))
        .map(|folder| FolderItem {
            name: folder.name().to_owned(),
            kind: "folder",
            path: folder.as_str()[cut..].to_owned(),
            parent: parent(folder.parent().as_str().get(cut..).unwrap_or_default()),
        })
        .collect()
}
