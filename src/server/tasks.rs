//! What goes on beside the requests, from the start to the stop.

use super::{GOODBYE, LOOK};
use crate::access::Policy;
use crate::accounts::Ledger;
use crate::dialects::table::OpenTables;
use crate::live::{Couriers, Stage};
use crate::model::MapMove;
use crate::sockets::open_sockets;
use crate::store::{PendingIntent, Store};
use actix_server::ServerHandle;
use actix_web::web::{self, Data};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::timeout;

/// How long the tables may take to be saved.
const SAVE: Duration = Duration::from_millis(1500);
/// How often the file of the accounts is looked at, which the command line changes, too, and whether
/// a sign-in has run out.
const PROOFS_PAUSE: Duration = Duration::from_secs(1);
/// How often the trash is looked through.
const TRASH_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// Lets the tables follow maps that were renamed or moved just before a crash.
pub(super) async fn follow_moves(open: Arc<OpenTables>, moved: Vec<PendingIntent>) {
    for intent in moved {
        let map_move: Option<MapMove> =
            serde_json::from_value(intent.note["map_moved"].clone()).ok();
        if let Some(map_move) = map_move
            && let Err(error) = open.map_moved(&map_move, &intent.id()).await
        {
            tracing::error!(%error, "a table could not follow a moved map; it is tried again at the next start: {error}");
            return;
        }
        if let Ok(Err(error)) = web::block(move || intent.finish()).await {
            tracing::warn!(%error, "an operation that is done could not be forgotten: {error}");
        }
    }
}

/// Says goodbye, saves, and only then stops the threads on which rooms and sockets live.
pub(super) async fn drain(couriers: &Couriers, handle: &ServerHandle, open: &OpenTables) {
    tracing::info!("stopping");
    let gone = async {
        couriers.close_all().await;
        while open_sockets() > 0 {
            tokio::time::sleep(LOOK).await;
        }
    };
    let _ = timeout(GOODBYE, gone).await;
    if timeout(SAVE, open.stop()).await.is_err() {
        tracing::error!("the tables could not be saved in time");
    }
    handle.stop(true).await;
}

pub(super) fn empty_trash(store: Arc<Store>, days: u32) {
    let keep = TRASH_PAUSE * days;
    actix_rt::spawn(async move {
        loop {
            let store = store.clone();
            let _ = web::block(move || store.empty_trash(keep)).await;
            tokio::time::sleep(TRASH_PAUSE).await;
        }
    });
}

/// Notices what the command line does to the accounts, and what runs out: sockets end with it.
pub(super) fn follow_proofs(ledger: Arc<Ledger>, policy: Data<Policy>) {
    actix_rt::spawn(async move {
        loop {
            if ledger.is_behind() {
                let ledger = ledger.clone();
                // What cannot be read has been said in the log.
                let _ = web::block(move || ledger.refresh()).await;
                policy.close_ended();
            }
            policy.close_expired(SystemTime::now());
            tokio::time::sleep(PROOFS_PAUSE).await;
        }
    });
}
