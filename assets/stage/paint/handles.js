// The frame of what is chosen, and its handles.

import { cornersOf } from "../geometry.js";
import { INK, at, plate, trace } from "./ink.js";

/** A handle's half, in CSS pixels. */
const HALF = 6;

/** @param {CanvasRenderingContext2D} pen @param {import("../geometry.js").Box} box @param {number} zoom */
export function paintFrame(pen, box, zoom) {
  pen.beginPath();
  trace(pen, cornersOf(box));
  twice(pen, 2.5, zoom);
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {import("../handles.js").Handle[]} handles
 * @param {{ zoom: number, held: import("../handles.js").Handle | null }} view
 */
export function paintHandles(pen, handles, { zoom, held }) {
  for (const { does, x, y, from } of handles) {
    if (does !== "turn") continue;
    pen.beginPath();
    trace(pen, [from, { x, y }], false);
    twice(pen, 2, zoom);
  }
  for (const handle of handles) {
    at(pen, handle, zoom, () => {
      const isHeld = held !== null && held.does === handle.does && held.nth === handle.nth;
      const half = isHeld ? HALF + 2 : HALF;
      pen.beginPath();
      if (handle.does === "turn") pen.arc(0, 0, half + 1, 0, 2 * Math.PI);
      else pen.rect(-half, -half, 2 * half, 2 * half);
      pen.fillStyle = isHeld ? INK.gold : INK.letters;
      pen.fill();
      pen.lineWidth = 2;
      pen.strokeStyle = INK.edge;
      pen.stroke();
    });
  }
}

/**
 * What a drag comes to, in words beside the pointer.
 *
 * @param {CanvasRenderingContext2D} pen
 * @param {import("../geometry.js").Point} point
 * @param {string} words
 * @param {number} zoom
 */
export function paintReadout(pen, point, words, zoom) {
  at(pen, point, zoom, () => plate(pen, words, { y: -30, size: 15, rim: INK.gold }));
}

/** @param {CanvasRenderingContext2D} pen @param {number} width @param {number} zoom */
function twice(pen, width, zoom) {
  for (const [color, by] of /** @type {[string, number][]} */ ([[INK.edge, 2], [INK.gold, 1]])) {
    pen.strokeStyle = color;
    pen.lineWidth = width * by / zoom;
    pen.stroke();
  }
}
