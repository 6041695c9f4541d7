// What the GM's hands do to the table's sound, and what is known of it there.

import { byTrack } from "../sound/catalogue.js";
import { placeIn } from "../sound/timing.js";

/** An effect that is shorter has no strip of its own, so that the list does not jump; in seconds. */
const SHORT = 15;
/** How often a slider that is dragged is heard, in milliseconds. */
const PACE = 100;
/** Stopping everything is no cut, in seconds. */
const STOP = 0.8;
/** What has been over for so long is told to stand still, in seconds. */
const LATE = 2;
const KEPT = "tablekeep.console/sound";

/**
 * @typedef {import("../live/state.js").Track} Track
 * @typedef {import("../sound/catalogue.js").Listed} Listed
 * @typedef {"all" | "display" | "gm"} Route
 */

/** Event: `change`, of the list of sounds or what plays. */
export class SoundDesk extends EventTarget {
  sound;
  #table;
  #state;
  /** @type {Map<string, Listed>} */ #listed = new Map();
  /** What was sent last of each slider, and what waits. @type {Map<string, { timer: any, next: (() => void) | null }>} */ #paced = new Map();
  #tidied = new Set();
  #kept = read();

  /**
   * @param {import("./table.js").GmTable} table
   * @param {import("../state.js").State} state
   * @param {import("../table-sound.js").TableSound} sound what is heard on this page
   * @param {AbortSignal} signal
   */
  constructor(table, state, sound, signal) {
    super();
    this.#table = table;
    this.#state = state;
    this.sound = sound;
    state.addEventListener("change", () => this.#list(), { signal });
    for (const type of ["audio", "members", "display", "status"]) table.live.addEventListener(type, () => this.#changed(), { signal });
    for (const type of ["change", "trouble"]) sound.addEventListener(type, () => this.#changed(), { signal });
    signal.addEventListener("abort", () => {
      for (const { timer } of this.#paced.values()) clearTimeout(timer);
    });
    this.#list();
  }

  #list() {
    this.#listed = byTrack(this.#state.sounds);
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  // What there is

  /** Whether the library is known yet. */
  get isListed() {
    return this.#state.sounds !== null;
  }

  /** @returns {Listed[]} */
  get all() {
    return [...this.#listed.values()];
  }

  /** @param {string} track */
  listed(track) {
    return this.#listed.get(track);
  }

  /** @param {string} track */
  nameOf(track) {
    return this.#listed.get(track)?.name ?? track;
  }

  /** @param {string} track seconds, or NaN */
  durationOf(track) {
    return this.#listed.get(track)?.sound.duration ?? this.sound.durationOf(track) ?? NaN;
  }

  /** @param {string} track @returns {Track | undefined} */
  track(track) {
    return this.#table.live.state.audio.tracks.find((one) => one.track === track);
  }

  /** Where a track is, in seconds; null when it is over. @param {Track} track */
  placeOf(track) {
    return placeIn(track, this.#table.live.now(), this.durationOf(track.track));
  }

  /** Whether it is to be heard now. @param {string} name */
  plays(name) {
    const track = this.track(name);
    return track?.playing === true && this.placeOf(track) !== null;
  }

  /** Those that have a strip of their own. @returns {Track[]} */
  get strips() {
    return this.#table.live.state.audio.tracks.filter((track) => {
      const isShort = this.#listed.get(track.track)?.category === "oneshot" && this.durationOf(track.track) < SHORT;
      return !isShort || track.loop;
    });
  }

  get playing() {
    return this.#table.live.state.audio.tracks.filter(({ track }) => this.plays(track));
  }

  get master() {
    return this.#table.live.state.audio.master ?? 1;
  }

  /** Where the sound comes out. @returns {Route} */
  get route() {
    return this.#table.live.state.audio.route ?? "all";
  }

  /** Screens at the table, by what the GM calls them. */
  get screens() {
    const { members, displays } = this.#table.live.state;
    return /** @type {any[]} */ (members).filter(({ role }) => role === "display")
      .map(({ id, name, device }) => ({ name: displays[id]?.name ?? name, sound: device?.sound, isMuted: displays[id]?.muted === true }));
  }

  /** How long fades take, in seconds. */
  get fadeSeconds() {
    return this.#kept.fade;
  }

  set fadeSeconds(fade) {
    this.#keep({ fade: Math.max(0.5, Math.min(60, fade)) });
  }

  /** How loud effects are. */
  get effects() {
    return this.#kept.effects;
  }

  /** What is open of the library. @returns {{ category: "loop" | "oneshot", folder: string }} */
  get open() {
    return { category: this.#kept.category, folder: this.#kept.folder };
  }

  set open({ category, folder }) {
    this.#keep({ category, folder });
    this.#changed();
  }

  /** @param {Partial<ReturnType<typeof read>>} news */
  #keep(news) {
    this.#kept = { ...this.#kept, ...news };
    try {
      localStorage.setItem(KEPT, JSON.stringify(this.#kept));
    } catch {
      // A private window: it is remembered until the page goes.
    }
  }

  // What is done

  /** @param {Record<string, any> & { action: any }} action */
  #act(action) {
    return this.#table.live.audio(action).catch((error) => this.#table.trouble(error));
  }

  /** Plays from where it is, or pauses. @param {string} track @param {number} [duration] of a fade, in seconds */
  toggle(track, duration) {
    if (this.plays(track)) return this.#act({ action: "pause", track, duration });
    const known = this.track(track);
    const begins = !known || this.placeOf(known) === null;
    const isLoop = this.#listed.get(track)?.category === "loop";
    return this.#act({ action: "play", track, duration, ...(begins && { position: 0 }), ...(!known && { loop: isLoop }) });
  }

  /** Plays an effect, also one that is playing. @param {string} track */
  fire(track) {
    return this.#act({ action: "play", track, position: 0, loop: false, volume: this.effects });
  }

  /** @param {string} track */
  remove(track) {
    return this.#act({ action: "remove", track, ...(this.plays(track) && { duration: 0.3 }) });
  }

  /** @param {string} track @param {number} seconds */
  seek(track, seconds) {
    // An effect from its very beginning would be another shot.
    this.#pace(`seek ${track}`, () => this.#act({ action: "seek", track, position: Math.max(0.001, seconds) }));
  }

  /** @param {string} track @param {number} volume */
  turn(track, volume) {
    this.#pace(`volume ${track}`, () => this.#act({ action: "volume", track, volume }));
  }

  /** @param {string} track @param {boolean} loop */
  loop(track, loop) {
    return this.#act({ action: "loop", track, loop });
  }

  /** @param {number} volume on top of all */
  turnAll(volume) {
    this.#pace("master", () => this.#act({ action: "master", volume }));
  }

  /** @param {Route} route */
  send(route) {
    return this.#act({ action: "master", route });
  }

  /** @param {number} volume of effects, those that are heard and those to come */
  turnEffects(volume) {
    this.#keep({ effects: volume });
    for (const { track, loop } of this.playing) {
      if (!loop && this.#listed.get(track)?.category === "oneshot") this.turn(track, volume);
    }
  }

  /** @param {"all" | "oneshot"} [which] */
  stop(which = "all") {
    const tracks = this.playing.filter(({ track }) => which === "all" || this.#listed.get(track)?.category === "oneshot");
    return Promise.all(tracks.map(({ track }) => this.#act({ action: "stop", track, duration: STOP })));
  }

  /** What is over stands still: the server does not know how long a sound is, and has room for so many that play. */
  tidy() {
    const { status, audio } = this.#table.live.state;
    if (status !== "live") return;
    for (const track of audio.tracks) {
      if (!track.playing || track.loop) continue;
      const over = track.position + (this.#table.live.now() - track.started_at) / 1000 - this.durationOf(track.track);
      const print = `${track.track} ${track.started_at}`;
      if (!(over > LATE) || this.#tidied.has(print)) continue;
      this.#tidied.add(print);
      this.#act({ action: "stop", track: track.track });
    }
  }

  /**
   * Does at once what has not been done for a moment, else the newest of a kind a little later.
   *
   * @param {string} kind
   * @param {() => void} act
   */
  #pace(kind, act) {
    const waits = this.#paced.get(kind);
    if (waits) {
      waits.next = act;
      return;
    }
    act();
    const entry = { timer: setTimeout(() => {
      this.#paced.delete(kind);
      if (entry.next) this.#pace(kind, entry.next);
    }, PACE), next: /** @type {(() => void) | null} */ (null) };
    this.#paced.set(kind, entry);
  }
}

/** What this browser remembers. @returns {{ fade: number, effects: number, category: "loop" | "oneshot", folder: string }} */
function read() {
  const kept = (() => {
    try {
      return JSON.parse(localStorage.getItem(KEPT) ?? "{}") ?? {};
    } catch {
      return {};
    }
  })();
  return {
    fade: kept.fade > 0 ? kept.fade : 3, effects: kept.effects >= 0 && kept.effects <= 1 ? kept.effects : 1,
    category: kept.category === "oneshot" ? "oneshot" : "loop", folder: typeof kept.folder === "string" ? kept.folder : "",
  };
}
