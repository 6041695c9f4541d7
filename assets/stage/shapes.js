// The outlines of area markers, as the rules of the game have them: a cone is as broad at its end as
// it is long, a line is one cell broad, circles and cylinders have a radius, squares and cubes a side.

import { rectAround, turned } from "./geometry.js";

/**
 * @typedef {import("./geometry.js").Point} Point
 * @typedef {Pick<import("./model.js").Marker, "shape" | "x" | "y" | "length" | "breadth" | "rotation">} Area
 */

/** Half the angle at a cone's tip. */
const HALF_CONE = Math.atan(0.5) * 180 / Math.PI;
/** Corners of what stands for a circle. */
const CORNERS = 64;
/** Parts of a cone's round end. */
const PARTS = 12;

/**
 * The outline of a marker, as a polygon.
 *
 * @param {Area} marker
 * @returns {Point[]}
 */
export function outlineOf({ shape, x, y, length, breadth, rotation }) {
  const about = { x, y };
  const at = (/** @type {number} */ dx, /** @type {number} */ dy) => turned({ x: x + dx, y: y + dy }, rotation, about);
  switch (shape) {
    case "cone":
      return [about, ...arc(about, length, rotation - HALF_CONE, rotation + HALF_CONE, PARTS)];
    case "line":
      return [at(0, -breadth / 2), at(length, -breadth / 2), at(length, breadth / 2), at(0, breadth / 2)];
    case "square":
    case "cube": {
      const half = length / 2;
      return [at(-half, -half), at(half, -half), at(half, half), at(-half, half)];
    }
    default:
      return arc(about, length, 0, 360, CORNERS).slice(1);
  }
}

/**
 * What is drawn inside the outline, so that solid bodies differ from flat ones: lines of points.
 *
 * @param {Area} marker
 * @returns {Point[][]}
 */
export function innerLinesOf(marker) {
  const { shape, x, y, length } = marker;
  if (shape === "cylinder") return [closed(arc({ x, y }, length * 0.82, 0, 360, CORNERS))];
  if (shape !== "cube") return [];
  const outer = outlineOf(marker);
  const inner = outlineOf({ ...marker, length: length * 0.72 });
  return [closed(inner), ...outer.map((corner, i) => [corner, inner[i]])];
}

/** Where a marker's words stand: on its upper edge, since tokens stand in its middle. @param {Area} marker @returns {Point} */
export function labelPlaceOf(marker) {
  const { x, y, width } = /** @type {import("./geometry.js").Rect} */ (rectAround(outlineOf(marker)));
  return { x: x + width / 2, y };
}

/**
 * @param {Point} centre
 * @param {number} radius
 * @param {number} from degrees
 * @param {number} to
 * @param {number} parts
 */
function arc({ x, y }, radius, from, to, parts) {
  return Array.from({ length: parts + 1 }, (_, i) =>
    turned({ x: x + radius, y }, from + (to - from) * i / parts, { x, y }));
}

/** @param {Point[]} points */
const closed = (points) => [...points, points[0]];
