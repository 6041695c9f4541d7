// What passes: pings, pointers, a way that is measured.

import { PING, POINTER } from "../passing.js";
import { INK, at, plate, trace } from "./ink.js";

const RINGS = 3;

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {import("../passing.js").Ping} ping
 * @param {{ zoom: number, now: number, still: boolean }} view
 */
export function paintPing(pen, { x, y, at: start, name, color }, { zoom, now, still }) {
  const age = (now - start) / PING;
  at(pen, { x, y }, zoom, () => {
    pen.globalAlpha = Math.min(1, (1 - age) * 3);
    dot(pen, 7, color);
    for (let i = 0; i < RINGS; i++) {
      // Three rings, one after the other; a single one that stands still for whom movement disturbs.
      const part = still ? 0.5 : (age * 2.5 + i / RINGS) % 1;
      if (still && i > 0) break;
      pen.beginPath();
      pen.arc(0, 0, 10 + part * 46, 0, 2 * Math.PI);
      pen.globalAlpha = Math.min(1, (1 - age) * 3) * (still ? 1 : 1 - part);
      outlined(pen, color, 4);
    }
    pen.globalAlpha = Math.min(1, (1 - age) * 3);
    if (name !== "") plate(pen, name, { y: -26, size: 14, rim: color });
  });
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {import("../passing.js").Pointer} pointer
 * @param {{ zoom: number, now: number }} view
 */
export function paintPointer(pen, { x, y, at: start, name, color }, { zoom, now }) {
  at(pen, { x, y }, zoom, () => {
    pen.globalAlpha = Math.min(1, Math.max(0, (POINTER - (now - start)) / 600));
    dot(pen, 8, color);
    if (name !== "") plate(pen, name, { y: 24, size: 13, rim: color });
  });
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {import("../geometry.js").Point[]} points
 * @param {string} words at its end
 * @param {number} zoom
 */
export function paintWay(pen, points, words, zoom) {
  if (points.length === 0) return;
  pen.save();
  pen.lineJoin = pen.lineCap = "round";
  pen.beginPath();
  trace(pen, points, false);
  outlined(pen, INK.gold, 4 / zoom);
  pen.restore();
  for (const point of points) at(pen, point, zoom, () => dot(pen, 5, INK.gold));
  if (words !== "") at(pen, points[points.length - 1], zoom, () => plate(pen, words, { y: -24, size: 16, rim: INK.gold }));
}

/** @param {CanvasRenderingContext2D} pen @param {number} radius @param {string} color */
function dot(pen, radius, color) {
  pen.beginPath();
  pen.arc(0, 0, radius, 0, 2 * Math.PI);
  pen.fillStyle = color;
  pen.fill();
  pen.lineWidth = 2;
  pen.strokeStyle = INK.edge;
  pen.stroke();
}

/** @param {CanvasRenderingContext2D} pen @param {string} color @param {number} width */
function outlined(pen, color, width) {
  pen.lineWidth = width * 1.9;
  pen.strokeStyle = INK.edge;
  pen.stroke();
  pen.lineWidth = width;
  pen.strokeStyle = color;
  pen.stroke();
}
