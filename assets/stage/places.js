// Where things are: where the scene has them, where somebody drags them, and on the way between.

import { Motion, isSame } from "./motion.js";

/**
 * @typedef {import("./motion.js").Pose} Pose
 * @typedef {"token" | "marker" | "map"} Kind
 */

/** A thing that somebody else drags goes back when nothing is heard of it, in milliseconds. */
const DRAG_ENDS = 4_000;

/** The places of things by their keys (`token:...`, `marker:...`, `map:...`). */
export class Places {
  motion = new Motion();
  /** Where the scene has things. @type {Map<string, Pose>} */ #home = new Map();
  /** Where they are dragged that the scene has elsewhere. @type {Map<string, { pose: Pose, until: number }>} */ #dragged = new Map();

  /**
   * A new scene is there.
   *
   * @param {[string, Pose][]} homes
   * @param {number} now
   * @param {boolean} atOnce it is quite another scene
   */
  settle(homes, now, atOnce) {
    const keys = new Set();
    for (const [key, home] of homes) {
      keys.add(key);
      const dragged = this.#dragged.get(key);
      // The scene has moved it: the drag is over.
      if (dragged && dragged.until !== Infinity && !isSame(this.#home.get(key) ?? home, home)) this.#dragged.delete(key);
      this.#home.set(key, home);
      this.motion.aim(key, this.#dragged.get(key)?.pose ?? home, now, atOnce);
    }
    this.motion.keep(keys);
    for (const known of [this.#dragged, this.#home]) {
      for (const key of known.keys()) if (!keys.has(key)) known.delete(key);
    }
  }

  /**
   * Something is dragged, or is not any more.
   *
   * @param {string} key
   * @param {Partial<Pose> | null} pose
   * @param {number} now
   * @param {boolean} own by whoever looks on: it follows at once, and stays until told otherwise
   */
  drag(key, pose, now, own) {
    const home = this.#home.get(key);
    if (home === undefined) return;
    if (pose === null) {
      if (this.#dragged.delete(key)) this.motion.aim(key, home, now);
      return;
    }
    const whole = { ...home, ...pose };
    this.#dragged.set(key, { pose: whole, until: own ? Infinity : now + DRAG_ENDS });
    this.motion.aim(key, whole, now, own);
  }

  /** Where a thing is dragged to. @param {string} key @returns {Pose | null} */
  draggedTo(key) {
    return this.#dragged.get(key)?.pose ?? null;
  }

  /** Where to draw a thing. @param {string} key @param {number} now @returns {Pose | null} */
  at(key, now) {
    return this.motion.at(key, now);
  }

  /** Ends drags of which nothing is heard any more. @param {number} now */
  endDrags(now) {
    for (const [key, { until }] of this.#dragged) if (now > until) this.drag(key, null, now, false);
  }

  /**
   * Whether anything of these kinds is, or may soon be, elsewhere than it was drawn.
   *
   * @param {number} now
   * @param {...Kind} kinds
   */
  isRestless(now, ...kinds) {
    const isMeant = (/** @type {string} */ key) => kinds.some((kind) => key.startsWith(`${kind}:`));
    for (const [key, { until }] of this.#dragged) if (until !== Infinity && isMeant(key)) return true;
    for (const key of this.#home.keys()) if (isMeant(key) && this.motion.isMoving(now, key)) return true;
    return false;
  }
}
