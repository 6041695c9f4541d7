// How finely a picture is to be decoded: level 0 is as it is, every further level is half of that.

/** @typedef {{ width: number, height: number }} Size */

/** No coarser than this. */
const COARSEST = 6;
/** A picture is drawn up to this much larger than it was decoded, before it is decoded finer. */
const SLACK = 1.15;

/**
 * The level for a picture that is drawn at a scale.
 *
 * @param {number} scale pixels on the screen for each of the picture's; 0 when that is not known
 * @param {Size} size
 * @param {number} maxPixels
 */
export function levelFor(scale, size, maxPixels) {
  let level = scale > 0 ? clamp(Math.floor(Math.log2(SLACK / scale)), 0, COARSEST) : 0;
  // Something that is not looked at closely yet is begun with no finer than a screen.
  if (scale <= 0) while (level < COARSEST && sizeAt(size, level).width > 2048) level += 1;
  while (level < 16 && pixels(sizeAt(size, level)) > maxPixels) level += 1;
  return level;
}

/**
 * The levels at which pictures fit into memory together: the largest are halved first.
 *
 * @param {number} budget bytes
 * @param {{ size: Size, level: number }[]} wanted
 * @returns {number[]}
 */
export function levelsWithin(budget, wanted) {
  const levels = wanted.map(({ level }) => level);
  const bytes = () => wanted.map(({ size }, i) => pixels(sizeAt(size, levels[i])) * 4);
  for (;;) {
    const all = bytes();
    if (all.reduce((sum, one) => sum + one, 0) <= budget) return levels;
    const largest = all.indexOf(Math.max(...all));
    if (all[largest] <= 4) return levels;
    levels[largest] += 1;
  }
}

/** @param {Size} size @param {number} level @returns {Size} */
export function sizeAt({ width, height }, level) {
  return { width: Math.max(1, Math.round(width / 2 ** level)), height: Math.max(1, Math.round(height / 2 ** level)) };
}

/** @param {Size} size */
const pixels = ({ width, height }) => width * height;
/** @param {number} value @param {number} low @param {number} high */
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
