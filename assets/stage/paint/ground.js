// Maps and the grid on them.

import { at, plate } from "./ink.js";

/** A grid is not drawn with lines closer than this, in CSS pixels. */
const CLOSEST = 5;
/** What stands for a picture that did not come, in cells. */
const MISSING = { width: 8, height: 5 };

/**
 * @param {CanvasRenderingContext2D} pen counts the scene's units
 * @param {CanvasImageSource} image
 * @param {import("../geometry.js").Box} box
 * @param {boolean} ghost whether it is hidden from players
 */
export function paintMap(pen, image, { x, y, width, height, rotation }, ghost) {
  pen.save();
  pen.translate(x, y);
  pen.rotate(rotation * Math.PI / 180);
  if (ghost) pen.globalAlpha = 0.35;
  pen.drawImage(image, -width / 2, -height / 2, width, height);
  pen.restore();
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {import("../model.js").MapThing} map
 * @param {number} cell
 * @param {number} zoom
 */
export function paintMissing(pen, map, cell, zoom) {
  const [width, height] = [MISSING.width * cell, MISSING.height * cell];
  pen.save();
  pen.setLineDash([8 / zoom, 6 / zoom]);
  pen.lineWidth = 2 / zoom;
  pen.strokeStyle = "rgb(240 235 222 / 60%)";
  pen.strokeRect(map.x - width / 2, map.y - height / 2, width, height);
  pen.restore();
  at(pen, map, zoom, () => plate(pen, "This map's picture did not come", { y: 0, size: 14 }));
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {import("../model.js").Grid} grid
 * @param {import("../geometry.js").Rect} seen what of the scene is on the screen
 * @param {number} zoom
 */
export function paintGrid(pen, { isShown, cell, isFixed, columns, rows, color, opacity }, seen, zoom) {
  if (!isShown || opacity === 0 || cell * zoom < CLOSEST) return;
  const first = (/** @type {number} */ low, /** @type {number} */ least) => Math.max(least, Math.floor(low / cell));
  const last = (/** @type {number} */ high, /** @type {number} */ most) => Math.min(most, Math.ceil(high / cell));
  const [left, top] = isFixed ? [first(seen.x, 0), first(seen.y, 0)] : [first(seen.x, -Infinity), first(seen.y, -Infinity)];
  const right = last(seen.x + seen.width, isFixed ? columns : Infinity);
  const bottom = last(seen.y + seen.height, isFixed ? rows : Infinity);
  if (right < left || bottom < top) return;
  pen.beginPath();
  for (let column = left; column <= right; column++) {
    pen.moveTo(column * cell, top * cell);
    pen.lineTo(column * cell, bottom * cell);
  }
  for (let row = top; row <= bottom; row++) {
    pen.moveTo(left * cell, row * cell);
    pen.lineTo(right * cell, row * cell);
  }
  pen.save();
  pen.globalAlpha = opacity;
  pen.strokeStyle = color;
  pen.lineWidth = Math.max(1, Math.min(2, cell * zoom / 60)) / zoom;
  pen.stroke();
  pen.restore();
}
