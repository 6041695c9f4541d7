//! What the table sounds like: tracks, where they are, who hears them.

use super::wire::WORD_BYTES;
use crate::access::Role;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Tracks that a table knows at the same time; one that is silent makes room for another.
pub const TRACKS: usize = 64;

/// Who hears a track.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// Everybody.
    #[default]
    All,
    /// The screens at the table, and the GM.
    Display,
    /// The GM alone.
    Gm,
}

impl Route {
    /// Whether `role` hears it.
    pub fn reaches(self, role: Role) -> bool {
        match self {
            Self::All => true,
            Self::Display => matches!(role, Role::Gm | Role::Display),
            Self::Gm => role == Role::Gm,
        }
    }
}

/// One track as it is now (live-sync, section 8).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sounding {
    /// Which sound, as `/audio/list` calls it.
    pub track: String,
    /// Whether it plays.
    pub playing: bool,
    /// Seconds into the sound at `started_at`, or where it stands still.
    pub position: f64,
    /// Server time in milliseconds since 1970 at which it was at `position`.
    pub started_at: u64,
    /// 0 to 1.
    pub volume: f64,
    /// Whether it starts again at its end.
    #[serde(rename = "loop")]
    pub looped: bool,
    /// Who hears it.
    pub route: Route,
}

impl Sounding {
    fn new(track: String, route: Route) -> Self {
        Self {
            track,
            playing: false,
            position: 0.0,
            started_at: 0,
            volume: 1.0,
            looped: false,
            route,
        }
    }

    /// Where it is at `now_ms`.
    fn position_at(&self, now_ms: u64) -> f64 {
        if !self.playing {
            return self.position;
        }
        self.position + now_ms.saturating_sub(self.started_at) as f64 / 1000.0
    }

    /// As clients see it.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Get ready.
    Load,
    /// From where it is, or from `position`.
    Play,
    /// Stand still.
    Pause,
    /// Stand still at the beginning.
    Stop,
    /// Go to `position`.
    Seek,
    /// Set `volume`.
    Volume,
    /// Go to `volume` within `duration` seconds.
    Fade,
    /// Set whether it starts again at its end.
    Loop,
    /// Forget the track.
    Remove,
    /// Set what holds for all tracks: `volume` on top of theirs, `route` of them and of those to come.
    Master,
}

/// One `audio` action.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// What.
    pub what: What,
    /// With which sound; with all for [`What::Master`].
    pub track: String,
    /// Seconds.
    pub position: Option<f64>,
    /// 0 to 1.
    pub volume: Option<f64>,
    /// Who hears it from now on.
    pub route: Option<Route>,
    /// Whether it starts again at its end.
    pub looped: Option<bool>,
    /// Of a fade, in seconds; also of one at a beginning or an end.
    pub duration: Option<f64>,
}

impl Action {
    /// In how many seconds listeners come to what it says, if not at once.
    pub fn fade(&self) -> Option<f64> {
        match self.what {
            What::Fade => Some(self.duration.unwrap_or(1.0)),
            What::Play | What::Pause | What::Stop | What::Remove => {
                self.duration.filter(|seconds| *seconds > 0.0)
            }
            What::Load | What::Seek | What::Volume | What::Loop | What::Master => None,
        }
    }

    /// Whether the numbers make sense; the error is a sentence.
    pub fn check(&self) -> Result<(), String> {
        let names_track = !self.track.is_empty() && self.track.len() <= WORD_BYTES;
        if self.what != What::Master && !names_track {
            return Err(format!("track must have 1 to {WORD_BYTES} bytes"));
        }
        let within = |name: &str, value: Option<f64>, most: f64| match value {
            Some(value) if !(0.0..=most).contains(&value) => {
                Err(format!("{name} must be between 0 and {most}"))
            }
            _ => Ok(()),
        };
        within("volume", self.volume, 1.0)?;
        within("position", self.position, 1e7)?;
        within("duration", self.duration, 3600.0)?;
        match self.what {
            What::Seek if self.position.is_none() => Err("seek needs a position".into()),
            What::Volume | What::Fade if self.volume.is_none() => {
                Err("volume and fade need a volume".into())
            }
            What::Master if self.volume.is_none() && self.route.is_none() => {
                Err("master needs a volume or a route".into())
            }
            _ => Ok(()),
        }
    }
}

/// The sound of one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sound {
    tracks: Vec<Sounding>,
    /// On top of each track's volume, 0 to 1.
    #[serde(default = "full")]
    master: f64,
    /// Who hears a track that is new.
    #[serde(default)]
    route: Route,
}

fn full() -> f64 {
    1.0
}

impl Default for Sound {
    fn default() -> Self {
        Self {
            tracks: Vec::new(),
            master: full(),
            route: Route::default(),
        }
    }
}

/// What an action did.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    /// Something to one track.
    Track {
        /// As it is now.
        now: Sounding,
        /// Its route before; none when it is new.
        before: Option<Route>,
        /// A silent one that had to make room for it.
        gone: Option<Box<Sounding>>,
    },
    /// A track is no more.
    Removed {
        /// Which.
        track: String,
        /// Its route; none when there was none of that name.
        before: Option<Route>,
    },
    /// Something to all of them.
    All,
}

impl Sound {
    /// Does it. Errors: a sentence, when there are too many tracks.
    pub fn apply(&mut self, action: &Action, now_ms: u64) -> Result<Done, String> {
        if action.what == What::Master {
            self.set_all(action);
            return Ok(Done::All);
        }
        let known = self.tracks.iter().position(|t| t.track == action.track);
        let before = known.map(|n| self.tracks[n].route);
        if action.what == What::Remove {
            if let Some(known) = known {
                self.tracks.remove(known);
            }
            let track = action.track.clone();
            return Ok(Done::Removed { track, before });
        }
        let mut gone = None;
        let position = match known {
            Some(position) => position,
            None => {
                gone = self.make_room()?.map(Box::new);
                let track = Sounding::new(action.track.clone(), self.route);
                self.tracks.push(track);
                self.tracks.len() - 1
            }
        };
        let track = &mut self.tracks[position];
        // What follows counts from this moment.
        track.position = track.position_at(now_ms);
        track.started_at = now_ms;
        if let Some(position) = action.position {
            track.position = position;
        }
        if let Some(volume) = action.volume {
            track.volume = volume;
        }
        if let Some(route) = action.route {
            track.route = route;
        }
        if let Some(looped) = action.looped {
            track.looped = looped;
        }
        match action.what {
            What::Play => track.playing = true,
            What::Pause => track.playing = false,
            What::Stop => {
                track.playing = false;
                track.position = 0.0;
            }
            What::Loop => track.looped = action.looped.unwrap_or(true),
            What::Load | What::Seek | What::Volume | What::Fade | What::Remove | What::Master => {}
        }
        let now = track.clone();
        Ok(Done::Track { now, before, gone })
    }

    fn set_all(&mut self, action: &Action) {
        if let Some(volume) = action.volume {
            self.master = volume;
        }
        if let Some(route) = action.route {
            self.route = route;
            for track in &mut self.tracks {
                track.route = route;
            }
        }
    }

    fn make_room(&mut self) -> Result<Option<Sounding>, String> {
        if self.tracks.len() < TRACKS {
            return Ok(None);
        }
        let silent = self.tracks.iter().position(|track| !track.playing);
        let silent =
            silent.ok_or_else(|| format!("{TRACKS} tracks are playing; stop one first"))?;
        Ok(Some(self.tracks.remove(silent)))
    }

    /// What `role` may know of it: `{"tracks": [...]}`, with `master` unless it is 1, and for the GM
    /// the `route` of what is to come unless that is everybody.
    pub fn seen_by(&self, role: Role) -> Value {
        let heard = self.tracks.iter().filter(|track| track.route.reaches(role));
        let mut seen = json!({ "tracks": heard.map(Sounding::to_json).collect::<Vec<_>>() });
        if self.master < full() {
            seen["master"] = json!(self.master);
        }
        if role == Role::Gm && self.route != Route::default() {
            seen["route"] = json!(self.route);
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(what: What) -> Action {
        Action {
            what,
            track: "rain".into(),
            position: None,
            volume: None,
            route: None,
            looped: None,
            duration: None,
        }
    }

    fn applied(sound: &mut Sound, action: &Action, now_ms: u64) -> Sounding {
        match sound.apply(action, now_ms).unwrap() {
            Done::Track { now, .. } => now,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn who_joins_later_can_tell_where_the_track_is() {
        let mut sound = Sound::default();
        sound.apply(&action(What::Play), 1_000).unwrap();
        let paused = applied(&mut sound, &action(What::Pause), 3_500);
        assert_eq!((paused.playing, paused.position), (false, 2.5));
        let mut seek = action(What::Seek);
        seek.position = Some(60.0);
        sound.apply(&seek, 4_000).unwrap();
        let playing = applied(&mut sound, &action(What::Play), 9_000);
        assert_eq!((playing.position, playing.started_at), (60.0, 9_000));
        assert_eq!(playing.position_at(10_500), 61.5);
        let stopped = applied(&mut sound, &action(What::Stop), 12_000);
        assert_eq!((stopped.playing, stopped.position), (false, 0.0));
    }

    #[test]
    fn a_secret_track_is_the_gms_alone() {
        let mut sound = Sound::default();
        let mut secret = action(What::Play);
        secret.route = Some(Route::Gm);
        sound.apply(&secret, 0).unwrap();
        assert_eq!(sound.seen_by(Role::Player), json!({ "tracks": [] }));
        assert_eq!(sound.seen_by(Role::Display), json!({ "tracks": [] }));
        assert_ne!(sound.seen_by(Role::Gm), json!({ "tracks": [] }));
        secret.route = Some(Route::Display);
        let done = sound.apply(&secret, 0).unwrap();
        let heard_before = matches!(
            done,
            Done::Track {
                before: Some(Route::Gm),
                ..
            }
        );
        assert!(heard_before, "{done:?}");
        assert_ne!(sound.seen_by(Role::Display), json!({ "tracks": [] }));
    }

    #[test]
    fn there_is_room_for_another_track_while_one_is_silent() {
        let mut sound = Sound::default();
        let mut play = action(What::Play);
        for n in 0..TRACKS {
            play.track = n.to_string();
            sound.apply(&play, 0).unwrap();
        }
        play.track = "one more".into();
        assert!(sound.apply(&play, 0).is_err());
        let mut pause = action(What::Pause);
        pause.track = "3".into();
        sound.apply(&pause, 0).unwrap();
        assert!(sound.apply(&play, 0).is_ok());
    }

    #[test]
    fn what_holds_for_all_tracks_holds_for_those_to_come() {
        let mut sound = Sound::default();
        sound.apply(&action(What::Play), 0).unwrap();
        let mut master = action(What::Master);
        assert!(master.check().is_err(), "nothing to set");
        (master.track, master.volume) = (String::new(), Some(0.5));
        master.route = Some(Route::Gm);
        assert_eq!(master.check(), Ok(()));
        assert_eq!(sound.apply(&master, 0), Ok(Done::All));
        let mut wind = action(What::Play);
        wind.track = "wind".into();
        assert_eq!(applied(&mut sound, &wind, 0).route, Route::Gm);
        assert_eq!(
            sound.seen_by(Role::Player),
            json!({ "tracks": [], "master": 0.5 })
        );
        let seen = sound.seen_by(Role::Gm);
        assert_eq!(
            (&seen["route"], &seen["master"]),
            (&json!("gm"), &json!(0.5))
        );
        let kept = serde_json::to_string(&sound).unwrap();
        assert_eq!(serde_json::from_str::<Sound>(&kept).unwrap(), sound);
        let older: Sound = serde_json::from_str(r#"{"tracks":[]}"#).unwrap();
        assert_eq!(older, Sound::default());
    }

    #[test]
    fn a_track_that_is_removed_is_forgotten_once() {
        let mut sound = Sound::default();
        let mut quiet = action(What::Play);
        quiet.volume = Some(0.1);
        sound.apply(&quiet, 0).unwrap();
        let remove = action(What::Remove);
        for before in [Some(Route::All), None] {
            let track = "rain".to_owned();
            let done = sound.apply(&remove, 0).unwrap();
            assert_eq!(done, Done::Removed { track, before });
        }
        assert_eq!(applied(&mut sound, &action(What::Play), 0).volume, 1.0);
    }

    #[test]
    fn what_begins_or_ends_may_take_its_time() {
        let mut action = action(What::Stop);
        assert_eq!(action.fade(), None);
        action.duration = Some(2.0);
        assert_eq!(action.fade(), Some(2.0));
        action.what = What::Seek;
        assert_eq!(action.fade(), None);
        (action.what, action.duration) = (What::Fade, None);
        assert_eq!(action.fade(), Some(1.0));
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        for (what, volume, position) in [
            (What::Play, Some(1.5), None),
            (What::Play, Some(f64::NAN), None),
            (What::Play, None, Some(-1.0)),
            (What::Seek, None, None),
            (What::Fade, None, None),
        ] {
            let mut action = action(what);
            (action.volume, action.position) = (volume, position);
            assert!(action.check().is_err(), "{action:?}");
        }
    }
}
