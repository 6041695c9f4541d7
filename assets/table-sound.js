// Plays what the table sounds like, where the others are in it.

import { sounds } from "./api.js";

/** How far a sound may be from where it should be, in seconds, and how often that is looked at, in milliseconds. */
const DRIFT = 0.35;
const EVERY = 5_000;
/** How long a browser may think about whether it lets a page be heard. */
const THOUGHT = 400;

/**
 * @typedef {import("./live/state.js").Track} Track
 * @typedef {{ element: HTMLAudioElement, ramp: any }} Player
 */

/**
 * The table's sound. Browsers let a page be heard only after somebody has touched it: until then
 * `state` is `blocked`, and `unlock` is to be called with the first touch. Event: `change` of `state`.
 */
export class TableSound extends EventTarget {
  /** @type {"on" | "blocked" | "off"} */ state = "on";
  #live;
  #signal;
  /** @type {Map<string, Player>} */ #players = new Map();
  /** Where sounds are, by their id. @type {Promise<Map<string, string>> | null} */ #urls = null;
  #muted = false;

  /**
   * @param {import("./live.js").Live} live
   * @param {AbortSignal} signal ends it
   */
  constructor(live, signal) {
    super();
    this.#live = live;
    this.#signal = signal;
    live.addEventListener("audio", (/** @type {CustomEvent} */ { detail }) => this.#told(detail), { signal });
    live.addEventListener("status", () => this.#sync(), { signal });
    const timer = setInterval(() => this.#sync(), EVERY);
    signal.addEventListener("abort", () => {
      clearInterval(timer);
      for (const track of this.#players.keys()) this.#silence(track);
    });
    this.#probe();
  }

  set muted(muted) {
    if (this.#muted === muted) return;
    this.#muted = muted;
    for (const { element } of this.#players.values()) element.muted = muted;
  }

  /** Somebody has touched the page. */
  unlock() {
    if (this.state !== "blocked") return;
    this.#become("on");
    this.#sync();
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
    if (typeof told?.track === "string" && told.fade > 0) this.#fade(told.track, told.volume, told.fade);
    this.#sync();
  }

  #sync() {
    if (this.#signal.aborted) return;
    const { tracks } = this.#live.state.audio;
    for (const track of this.#players.keys()) {
      if (!tracks.some((other) => other.track === track && other.playing)) this.#silence(track);
    }
    for (const track of tracks) if (track.playing) this.#play(track);
  }

  /** @param {Track} track */
  async #play(track) {
    let player = this.#players.get(track.track);
    if (!player) {
      player = { element: new Audio(), ramp: null };
      Object.assign(player.element, { preload: "auto", muted: this.#muted });
      this.#players.set(track.track, player);
      const url = await this.#urlOf(track.track);
      if (this.#players.get(track.track) !== player) return;
      if (url === undefined) return this.#silence(track.track);
      player.element.addEventListener("loadedmetadata", () => this.#sync());
      player.element.src = url;
    }
    const { element } = player;
    element.loop = track.loop;
    if (player.ramp === null) element.volume = track.volume;
    if (element.readyState === 0) return;
    const at = this.#placeIn(track, element.duration);
    if (at === null) return element.pause();
    if (Math.abs(element.currentTime - at) > DRIFT) element.currentTime = at;
    if (!element.paused || this.state !== "on") return;
    try {
      await element.play();
    } catch (error) {
      if (/** @type {Error} */ (error).name === "NotAllowedError") this.#become("blocked");
    }
  }

  /**
   * Where a track is now, in seconds; null when it is over.
   *
   * @param {Track} track
   * @param {number} duration
   */
  #placeIn({ position, started_at, loop }, duration) {
    const at = Math.max(0, position + (this.#live.now() - started_at) / 1000);
    if (!Number.isFinite(duration) || at < duration) return at;
    return loop && duration > 0 ? at % duration : null;
  }

  /** @param {string} track @param {number} volume @param {number} seconds */
  #fade(track, volume, seconds) {
    const player = this.#players.get(track);
    if (!player) return;
    clearInterval(player.ramp);
    const [from, start] = [player.element.volume, performance.now()];
    player.ramp = setInterval(() => {
      const part = Math.min(1, (performance.now() - start) / (seconds * 1000));
      player.element.volume = Math.min(1, Math.max(0, from + (volume - from) * part));
      if (part < 1) return;
      clearInterval(player.ramp);
      player.ramp = null;
    }, 50);
  }

  /** @param {string} track */
  #silence(track) {
    const player = this.#players.get(track);
    if (!player) return;
    this.#players.delete(track);
    clearInterval(player.ramp);
    player.element.pause();
    player.element.removeAttribute("src");
  }

  /** @param {string} track */
  async #urlOf(track) {
    const known = await this.#list();
    if (known.has(track)) return known.get(track);
    // It may have come since.
    this.#urls = null;
    return (await this.#list()).get(track);
  }

  /** @returns {Promise<Map<string, string>>} */
  async #list() {
    this.#urls ??= sounds().then(({ loop, oneshot }) =>
      new Map([loop, oneshot].flatMap((folders) => Object.values(folders).flat()).map(({ id, url }) => [id, url])));
    try {
      return await this.#urls;
    } catch {
      this.#urls = null;
      return new Map();
    }
  }

  /** @param {"on" | "blocked" | "off"} state */
  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }
}
