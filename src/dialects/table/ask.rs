//! What other parts of the server want of a table: REST, the libraries, the stop.

use super::TableRules;
use super::aside::Why;
use super::commit::{Held, Settling, Told, Waiting};
use super::sound;
use super::view::View;
use super::wire::Refusal;
use crate::access::Role;
use crate::json::JsonText;
use crate::live::{CloseCode, Now, Outgoing};
use crate::model::MapMove;
use serde_json::Value;
use tokio::sync::oneshot;

/// A question to a table; the answer goes to `reply`.
pub enum Request {
    /// The members that are here.
    Members {
        /// A list of members as clients see them.
        reply: oneshot::Sender<Vec<Value>>,
    },
    /// Removes a member.
    Kick {
        /// Its id.
        member: String,
        /// Whether it was known; once it is durable.
        reply: oneshot::Sender<Result<bool, Refusal>>,
    },
    /// The scene as a view shows it.
    Scene {
        /// For whom.
        view: View,
        /// The scene; an empty one when nothing was ever shown.
        reply: oneshot::Sender<JsonText>,
    },
    /// The sound as `role` may know it.
    Playback {
        /// For whom.
        role: Role,
        /// `{"tracks": [...]}`.
        reply: oneshot::Sender<Value>,
    },
    /// A write; it is answered when it is durable.
    Put(Put),
    /// Brings everything to disk.
    Save {
        /// Whether that worked.
        reply: oneshot::Sender<bool>,
    },
    /// Brings everything to disk for the last time.
    Stop {
        /// Whether that worked.
        reply: oneshot::Sender<bool>,
    },
    /// The table is closed for good.
    Close {
        /// Done.
        reply: oneshot::Sender<()>,
    },
}

/// Whether a caller has seen the scene that is there.
pub type Fits = dyn FnOnce(&JsonText) -> bool + Send;

/// A write from elsewhere than a socket.
pub enum Put {
    /// The scene, whole.
    Scene {
        /// The new one.
        scene: JsonText,
        /// Whether the present one is what the caller has seen.
        fits: Box<Fits>,
        /// Its number. `Err` with the code `precondition` when it does not fit.
        reply: oneshot::Sender<Result<u64, Refusal>>,
    },
    /// A map has another name or folder.
    MapMoved {
        /// How.
        map_move: MapMove,
        /// The file operation's own id, so that a crash applies it once.
        id: String,
        /// Whether the scene showed it.
        reply: oneshot::Sender<Result<bool, Refusal>>,
    },
    /// One `audio` action.
    Sound {
        /// Which.
        action: sound::Action,
        /// The sound as the GM knows it.
        reply: oneshot::Sender<Result<Value, Refusal>>,
    },
}

impl Put {
    /// Answers that it cannot be done.
    pub(super) fn refuse(self, refusal: Refusal) {
        match self {
            Self::Scene { reply, .. } => drop(reply.send(Err(refusal))),
            Self::MapMoved { reply, .. } => drop(reply.send(Err(refusal))),
            Self::Sound { reply, .. } => drop(reply.send(Err(refusal))),
        }
    }
}

impl TableRules {
    pub(super) fn answer(&mut self, request: Request, now: Now, out: &mut Outgoing) {
        match request {
            Request::Members { reply } => {
                let assigned = &self.durable_side().assigned;
                let members = self.people.present().map(|p| p.to_json(assigned));
                let _ = reply.send(members.collect());
            }
            Request::Kick { member, reply } => self.remove(member, Told::Caller(reply), now, out),
            Request::Scene { view, reply } => {
                let _ = reply.send(self.doc.seen_by(view));
            }
            Request::Playback { role, reply } => {
                let _ = reply.send(self.durable_side().sound.seen_by(role));
            }
            Request::Put(put) => self.submit(Waiting::Put(put), now, out),
            Request::Save { reply } => self.save_for(reply, false, now, out),
            Request::Stop { reply } => {
                self.aside.write(&self.settings.aside, out);
                self.save_for(reply, true, now, out);
            }
            Request::Close { reply } => {
                self.close_all(out);
                let _ = reply.send(());
            }
        }
    }

    pub(super) fn write_put(&mut self, put: Put, now: Now) {
        match put {
            Put::Scene { scene, fits, reply } => {
                let shown = self.doc.is_shown();
                let (seq, present) = self.doc.tip();
                if !fits(present) {
                    let refusal = Refusal::new("precondition", "the scene has changed since");
                    let _ = reply.send(Err(refusal));
                    return;
                }
                if shown && present.as_str() == scene.as_str() {
                    let _ = reply.send(Ok(seq));
                    return;
                }
                let replaced = present.clone();
                self.aside.keep(Why::Replaced, replaced, now);
                let settling = Settling {
                    by: "server".into(),
                    ..Settling::default()
                };
                self.add_step(scene, None, None, settling, now);
                self.hold_reply(move |outcome| drop(reply.send(outcome)));
            }
            Put::MapMoved {
                map_move,
                id,
                reply,
            } => {
                let done = self.receipts.get(&id).is_some();
                let moved = if done || !self.doc.is_shown() {
                    None
                } else {
                    map_move.rewrite(self.doc.tip().1)
                };
                let Some(scene) = moved else {
                    let _ = reply.send(Ok(done));
                    return;
                };
                let settling = Settling {
                    by: "server".into(),
                    id: Some(id),
                    ..Settling::default()
                };
                self.add_step(scene, None, None, settling, now);
                self.hold_reply(move |outcome| drop(reply.send(outcome.map(|_| true))));
            }
            Put::Sound { action, reply } => match self.play(None, &action, now) {
                Err(refusal) => drop(reply.send(Err(refusal))),
                Ok(()) => {
                    let sound = self.side.sound.seen_by(Role::Gm);
                    self.hold_reply(move |outcome| drop(reply.send(outcome.map(|_| sound))));
                }
            },
        }
    }

    pub(super) fn hold_reply(&mut self, reply: impl FnOnce(Result<u64, Refusal>) + Send + 'static) {
        self.held.push(Held::Reply(Box::new(reply)));
    }

    fn close_all(&mut self, out: &mut Outgoing) {
        self.gone = true;
        for conn in self.seats.keys() {
            out.close(*conn, CloseCode::NoTable, "the table was closed");
        }
    }
}
