// How things get from where they were to where they are: no clock, no drawing.

import { upToHalfTurn } from "./geometry.js";

/** The longest that anything is under way, in milliseconds. */
const LONGEST = 160;
/** News of a thing within this time are a movement that goes on. */
const STREAM = 200;
/** News that come so fast are shown as they come: there is no frame in between to draw. */
const FRAME = 25;

/** What of a pose changes evenly, beside its place. */
const PARTS = /** @type {const} */ (["scale", "feet", "opacity"]);

/**
 * @typedef {{ x: number, y: number, rotation?: number, scale?: number, feet?: number, opacity?: number }} Pose `feet` and
 *   `opacity` are an area's
 * @typedef {{ from: Pose, to: Pose, start: number, duration: number, told: number, pause: number, flows: boolean }} Track `pause`:
 *   since the news before
 */

/**
 * The poses of things by key. A thing that jumps glides; one of which news come all the time is
 * always as far behind as the next news are away, so that it neither stutters nor lags more; and
 * not at all when they come with every frame.
 */
export class Motion {
  /** Whether nothing glides. */ still = false;
  /** @type {Map<string, Track>} */ #tracks = new Map();

  /**
   * Says where a thing is now.
   *
   * @param {string} key
   * @param {Pose} to
   * @param {number} now milliseconds
   * @param {boolean} [atOnce] it is moved by whoever looks on
   */
  aim(key, to, now, atOnce = false) {
    const track = this.#tracks.get(key);
    if (track === undefined || this.still || atOnce) {
      this.#tracks.set(key, { from: to, to, start: now, duration: 0, told: now, pause: Infinity, flows: false });
      return;
    }
    if (isSame(track.to, to)) return;
    const pause = now - track.told;
    const flows = pause < STREAM;
    // One that comes late makes no slower stream.
    const usual = Math.min(pause, track.pause);
    const duration = !flows ? LONGEST : usual < FRAME ? 0 : Math.min(usual, LONGEST);
    this.#tracks.set(key, { from: this.at(key, now) ?? to, to, start: now, duration, told: now, pause, flows });
  }

  /**
   * Where to draw a thing.
   *
   * @param {string} key
   * @param {number} now
   * @returns {Pose | null} null for one that is not known
   */
  at(key, now) {
    const track = this.#tracks.get(key);
    if (track === undefined) return null;
    const { from, to, start, duration, flows } = track;
    const part = duration <= 0 ? 1 : Math.min(1, Math.max(0, (now - start) / duration));
    if (part >= 1) return to;
    // What stops by itself slows down; what goes on does not.
    const done = flows ? part : 1 - (1 - part) ** 3;
    const between = (/** @type {number} */ a, /** @type {number} */ b) => a + (b - a) * done;
    /** @type {Pose} */
    const pose = { x: between(from.x, to.x), y: between(from.y, to.y) };
    if (to.rotation !== undefined) {
      const before = from.rotation ?? to.rotation;
      pose.rotation = before + upToHalfTurn(to.rotation - before) * done;
    }
    for (const part of PARTS) {
      const end = to[part];
      if (end !== undefined) pose[part] = between(from[part] ?? end, end);
    }
    return pose;
  }

  /**
   * Whether anything is under way, or one thing is.
   *
   * @param {number} now
   * @param {string} [key]
   */
  isMoving(now, key) {
    const track = key === undefined ? undefined : this.#tracks.get(key);
    const meant = key === undefined ? [...this.#tracks.values()] : track ? [track] : [];
    return meant.some(({ start, duration }) => now < start + duration);
  }

  /** Forgets all but these. @param {Set<string>} keys */
  keep(keys) {
    for (const key of this.#tracks.keys()) if (!keys.has(key)) this.#tracks.delete(key);
  }
}

/** @param {Pose} a @param {Pose} b */
export function isSame(a, b) {
  return a.x === b.x && a.y === b.y && a.rotation === b.rotation && PARTS.every((part) => a[part] === b[part]);
}
