// What others point at, as long as it is to be seen: no drawing, the time is told.

/**
 * @typedef {import("./geometry.js").Point} Point
 * @typedef {Point & { at: number, name: string, color: string }} Ping
 * @typedef {Point & { at: number, name: string, color: string }} Pointer
 * @typedef {{ points: Point[], at: number }} Way
 */

/** How long a ping and a resting pointer are seen, in milliseconds. */
export const PING = 2_400;
export const POINTER = 2_500;
/** As many pings at once. */
const PINGS = 24;
/** A way that nobody measures any more goes, in milliseconds. */
const WAY = 6_000;

/** Pings, pointers and measured ways, by who shows them. */
export class Passing {
  /** @type {Ping[]} */ pings = [];
  /** @type {Map<string, Pointer>} */ pointers = new Map();
  /** @type {Map<string, Way>} */ ways = new Map();

  /** @param {Ping} ping */
  ping(ping) {
    this.pings = [...this.pings, ping].slice(-PINGS);
  }

  /** @param {string} who @param {Pointer | null} pointer */
  point(who, pointer) {
    if (pointer) this.pointers.set(who, pointer);
    else this.pointers.delete(who);
  }

  /** @param {string} who @param {Way | null} way */
  measure(who, way) {
    if (way) this.ways.set(who, way);
    else this.ways.delete(who);
  }

  /**
   * Forgets what is over.
   *
   * @param {number} now
   * @returns {boolean} whether anything is left
   */
  fade(now) {
    this.pings = this.pings.filter(({ at }) => now < at + PING);
    for (const [who, { at }] of this.pointers) if (now >= at + POINTER) this.pointers.delete(who);
    for (const [who, { at }] of this.ways) if (now >= at + WAY) this.ways.delete(who);
    return this.pings.length > 0 || this.pointers.size > 0 || this.ways.size > 0;
  }
}
