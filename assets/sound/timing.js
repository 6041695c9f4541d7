// Where a track is, and how to get there: what the table says of it, as numbers.

/** A listener is moved when it is so far off, in seconds; below, it plays a little faster or slower. */
const JUMP = 0.1;
/** Off by less is as good as together. */
const NEAR = 0.015;
/** The most by which a sound is hurried or held up: nobody hears it. */
const HASTE = 0.05;
/** A sound that has begun so shortly before begins at its beginning: what is struck is heard struck. */
const ATTACK = 0.1;

/**
 * Where a track is, in seconds; null when it is over.
 *
 * @param {Pick<import("../live/state.js").Track, "playing" | "position" | "started_at" | "loop">} track
 * @param {number} now the server's time, in milliseconds
 * @param {number} duration seconds; NaN or Infinity while nobody knows
 */
export function placeIn({ playing, position, started_at, loop }, now, duration) {
  const at = Math.max(0, position + (playing ? (now - started_at) / 1000 : 0));
  if (!Number.isFinite(duration) || duration <= 0 || at < duration) return at;
  return loop ? at % duration : null;
}

/**
 * By how many seconds somebody who hears `is` is ahead of `at`; around the end of what goes round the
 * shorter way.
 *
 * @param {number} is
 * @param {number} at
 * @param {{ loop: boolean, duration: number }} track
 */
export function aheadBy(is, at, { loop, duration }) {
  const ahead = is - at;
  if (!loop || !Number.isFinite(duration) || Math.abs(ahead) <= duration / 2) return ahead;
  return ahead - Math.sign(ahead) * duration;
}

/**
 * What to do about it: the rate to play at, or null to jump.
 *
 * @param {number} ahead seconds
 * @param {number} rate as it is
 */
export function rateFor(ahead, rate) {
  const off = Math.abs(ahead);
  if (off > JUMP) return null;
  // Once it is corrected, it is corrected until it fits.
  if (off < NEAR || (rate === 1 && off < 2 * NEAR)) return 1;
  return 1 - Math.max(-HASTE, Math.min(HASTE, ahead / 2));
}

/**
 * Where to begin so as to be right when it is heard.
 *
 * @param {number} at seconds
 * @param {number} lag how long this browser takes to begin, in seconds
 * @param {{ loop: boolean, duration: number }} track
 */
export function beginAt(at, lag, { loop, duration }) {
  if (!loop && at < ATTACK) return 0;
  const aim = at + lag;
  if (!Number.isFinite(duration) || aim < duration) return aim;
  return loop ? aim % duration : at;
}
