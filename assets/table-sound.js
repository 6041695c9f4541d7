// Plays what the table sounds like, where the others are in it.

import { sounds } from "./api.js";
import { byTrack } from "./sound/catalogue.js";
import { placeIn } from "./sound/timing.js";
import { Voice } from "./sound/voice.js";

/** How often the places are compared, in milliseconds. */
const EVERY = 1_000;
/** How long a browser may think about whether it lets a page be heard. */
const THOUGHT = 400;
/** A list of sounds that lacks one is asked for again after so long, in milliseconds. */
const STALE = 5_000;
/** Sounds that are still heard when their track has gone on: what fades, and shots that overlap. */
const TAILS = 16;

/**
 * @typedef {import("./live/state.js").Track} Track
 * @typedef {"gone" | "format" | "silent"} Trouble why a track is not heard here: no such file, nothing this browser plays, or
 *   no loudspeaker to play it on
 */

/**
 * The table's sound. Browsers let a page be heard only after somebody has touched it: until then
 * `state` is `blocked`, and `unlock` is to be called with the first touch. Events: `change` of `state`,
 * `trouble` of `troubles`.
 */
export class TableSound extends EventTarget {
  /** @type {"on" | "blocked" | "off"} */ state = "on";
  /** Tracks that should be heard here and cannot. @type {Map<string, Trouble>} */ troubles = new Map();
  #live;
  #signal;
  #routes;
  /** What is heard or loads, by track. @type {Map<string, Voice | null>} */ #voices = new Map();
  /** What is heard beside its track. @type {Map<Voice, { track: string, isLeaving: boolean }>} */ #tails = new Map();
  /** Fades in that wait for their voice, in seconds. @type {Map<string, number>} */ #fadesIn = new Map();
  /** @type {Promise<Map<string, import("./sound/catalogue.js").Listed>> | null} */ #list = null;
  #listedAt = -Infinity;
  #muted = false;

  /**
   * @param {import("./live.js").Live} live
   * @param {AbortSignal} signal ends it
   * @param {{ routes?: string[] }} [options] `routes`: what is to be heard here of what is told; all when left out
   */
  constructor(live, signal, { routes = ["all", "display", "gm"] } = {}) {
    super();
    this.#live = live;
    this.#signal = signal;
    this.#routes = routes;
    live.addEventListener("audio", (/** @type {CustomEvent} */ { detail }) => this.#told(detail), { signal });
    live.addEventListener("status", () => this.#sync(), { signal });
    const timer = setInterval(() => this.#sync(), EVERY);
    signal.addEventListener("abort", () => {
      clearInterval(timer);
      for (const track of [...this.#voices.keys()]) this.#silence(track);
      for (const voice of [...this.#tails.keys()]) voice.end();
    });
    this.#probe();
  }

  /** @param {boolean} muted */
  set muted(muted) {
    if (this.#muted === muted) return;
    this.#muted = muted;
    for (const voice of [...this.#voices.values(), ...this.#tails.keys()]) if (voice) voice.element.muted = muted;
  }

  /** Somebody has touched the page. */
  unlock() {
    if (this.state !== "blocked") return;
    this.#become("on");
    this.#sync();
  }

  /** The length of a track that is heard here, in seconds; null when it is not known. @param {string} track */
  durationOf(track) {
    const duration = this.#voices.get(track)?.element.duration;
    return duration !== undefined && Number.isFinite(duration) ? duration : null;
  }

  async #probe() {
    if (typeof AudioContext !== "function") return;
    const context = new AudioContext();
    await Promise.race([context.resume(), new Promise((resolve) => setTimeout(resolve, THOUGHT))]).catch(() => {});
    const isAllowed = context.state === "running" || navigator.userActivation?.hasBeenActive === true;
    // Left open it would be another thing that plays.
    context.close().catch(() => {});
    if (!isAllowed && this.state === "on" && !this.#signal.aborted) this.#become("blocked");
  }

  /** @param {any} told */
  #told(told) {
    if (typeof told?.track !== "string") {
      this.#forgive([...this.troubles.keys()]);
      return this.#sync();
    }
    const { track, playing, removed, position, loop, volume, fade = 0 } = told;
    this.#forgive([track]);
    const voice = this.#voices.get(track);
    if (removed || !playing) {
      this.#fadesIn.delete(track);
      if (voice && fade > 0) this.#release(track, voice);
      if (fade > 0) this.#fadeTails(track, fade);
    } else if (voice && position === 0 && voice.element.ended) {
      // From the beginning, with a fade if there is one.
      this.#silence(track);
      if (fade > 0) this.#fadesIn.set(track, fade);
    } else if (voice && position === 0 && !loop && voice.sounds && isShot(voice)) {
      // Another shot; the one before is heard to its end.
      this.#release(track, voice);
    } else if (voice && fade > 0) {
      voice.turnTo(volume, fade);
    }
    if (playing && fade > 0 && !voice) this.#fadesIn.set(track, fade);
    this.#sync(track);
  }

  /** @param {string} [told] the track of which there is news: it goes where it should be without delay */
  #sync(told) {
    if (this.#signal.aborted) return;
    const { tracks, master = 1 } = this.#live.state.audio;
    for (const voice of [...this.#voices.values(), ...this.#tails.keys()]) if (voice) voice.master = master;
    const heard = tracks.filter(({ playing, route }) => playing && this.#routes.includes(route));
    const names = new Set(heard.map(({ track }) => track));
    for (const track of [...this.#voices.keys()]) if (!names.has(track)) this.#silence(track);
    // Shots of a track that is over, or is heard elsewhere now.
    for (const [voice, { track, isLeaving }] of [...this.#tails]) if (!isLeaving && !names.has(track)) voice.end();
    for (const track of heard) this.#play(track, track.track === told);
  }

  /** @param {Track} track @param {boolean} isNews */
  async #play(track, isNews) {
    const name = track.track;
    if (this.troubles.has(name)) return;
    let voice = this.#voices.get(name);
    if (voice === undefined) {
      this.#voices.set(name, null);
      const sound = await this.#soundOf(name);
      if (this.#voices.get(name) !== null) return;
      this.#voices.delete(name);
      const now = this.#live.state.audio.tracks.find((other) => other.track === name);
      if (this.#signal.aborted || !now?.playing || !this.#routes.includes(now.route)) return;
      // The list did not come: it is asked for again.
      if (sound === null) return;
      if (sound === undefined) return this.#fail(name, "gone");
      // Nothing is loaded of what is over.
      if (placeIn(now, this.#live.now(), sound.duration ?? NaN) === null) return;
      voice = this.#begin(now, sound.url);
    }
    if (voice === null) return;
    const { element } = voice;
    element.loop = track.loop;
    voice.turnTo(track.volume);
    if (!voice.isReady || this.state !== "on") return;
    const at = placeIn(track, this.#live.now(), element.duration);
    if (at === null) return voice.rest();
    try {
      if (isNews && voice.isElsewhere(at)) voice.jump(at);
      await voice.keep(at);
    } catch (error) {
      if (/** @type {Error} */ (error).name === "NotAllowedError") this.#become("blocked");
    }
  }

  /** @param {Track} track @param {string} url */
  #begin({ track, volume, loop }, url) {
    const { master = 1 } = this.#live.state.audio;
    const voice = new Voice(url, { volume, fadeIn: this.#fadesIn.get(track) ?? 0, isMuted: this.#muted });
    voice.element.loop = loop;
    voice.master = master;
    this.#fadesIn.delete(track);
    this.#voices.set(track, voice);
    const isCurrent = () => this.#voices.get(track) === voice;
    for (const type of ["ready", "settled"]) voice.addEventListener(type, () => isCurrent() && this.#sync());
    voice.addEventListener("broken", () => isCurrent() && this.#explain(track, voice.element.error));
    return voice;
  }

  /**
   * Lets a voice be heard beside its track, until it is over.
   *
   * @param {string} track
   * @param {Voice} voice
   */
  #release(track, voice) {
    this.#voices.delete(track);
    const [oldest] = this.#tails.keys();
    if (this.#tails.size >= TAILS) oldest.end();
    this.#tails.set(voice, { track, isLeaving: false });
    voice.addEventListener("over", () => this.#tails.delete(voice));
  }

  /** @param {string} track @param {number} fade in seconds */
  #fadeTails(track, fade) {
    for (const [voice, tail] of [...this.#tails]) {
      if (tail.track !== track || tail.isLeaving) continue;
      tail.isLeaving = true;
      voice.leave(fade);
    }
  }

  /** @param {string} track */
  #silence(track) {
    this.#voices.get(track)?.end();
    this.#voices.delete(track);
    this.#fadesIn.delete(track);
  }

  // What cannot be played

  /** @param {string} track @param {MediaError | null} error why its element gave up */
  async #explain(track, error) {
    this.#silence(track);
    // A connection that broke comes back: the next look tries again.
    if (error?.code === MediaError.MEDIA_ERR_NETWORK) return;
    // As Firefox calls it: the file is well, but the machine has no loudspeaker.
    if (error?.message.includes("MediaSink")) return this.#fail(track, "silent");
    this.#list = null;
    const sound = await this.#soundOf(track);
    if (sound !== null) this.#fail(track, sound === undefined ? "gone" : "format");
  }

  /** @param {string} track @param {Trouble} why */
  #fail(track, why) {
    this.troubles.set(track, why);
    this.dispatchEvent(new Event("trouble"));
  }

  /** Tries again. @param {string[]} tracks */
  #forgive(tracks) {
    const known = tracks.filter((track) => this.troubles.delete(track));
    if (known.length > 0) this.dispatchEvent(new Event("trouble"));
  }

  /** @param {string} track @returns {Promise<import("./api.js").Sound | null | undefined>} null when the list cannot be had */
  async #soundOf(track) {
    const known = await this.#sounds();
    if (known === null || known.has(track) || performance.now() - this.#listedAt < STALE) return known && known.get(track)?.sound;
    // It may have come since.
    this.#list = null;
    const fresh = await this.#sounds();
    return fresh && fresh.get(track)?.sound;
  }

  async #sounds() {
    if (this.#list === null) {
      this.#listedAt = performance.now();
      this.#list = sounds().then(byTrack);
    }
    try {
      return await this.#list;
    } catch {
      if (performance.now() - this.#listedAt > STALE) this.#list = null;
      return null;
    }
  }

  /** @param {"on" | "blocked" | "off"} state */
  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }
}

/** Whether a voice is an effect's. @param {Voice} voice */
function isShot({ element }) {
  return new URL(element.src, location.href).pathname.startsWith("/audio/file/oneshot/");
}
