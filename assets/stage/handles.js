// The handles of what is chosen: where they are, and what dragging one makes of the thing. No drawing.

import { cornersOf, distance, turned } from "./geometry.js";
import { FEET, MOST_FEET } from "./model.js";

/**
 * @typedef {import("./geometry.js").Point} Point
 * @typedef {import("./geometry.js").Rect} Rect
 * @typedef {import("./geometry.js").Box} Box
 * @typedef {import("./camera.js").Camera} Camera
 * @typedef {import("./model.js").Marker} Marker
 * @typedef {Point & { does: "size" | "turn", nth: number, from: Point }} Handle in the scene's units; `nth` corner; `from`:
 *   where on the thing it sits
 */

/** How far beside the thing the handle is that turns it, in CSS pixels. */
const OUT = 30;
/** So far from the view's edge a handle can be taken, in CSS pixels. */
const EDGE = 12;
/** Steps of an angle that snaps. */
const SNAP = 15;
/** A map's scale. */
export const LEAST_SCALE = 0.01;
export const MOST_SCALE = 20;
/** Steps of a size that is dragged, in feet. */
const STEP_FEET = 5;
/** Cells across of what a screen shows. */
const LEAST_CELLS = 2;
const MOST_CELLS = 2000;

/**
 * A map's: its corners, and one that turns it.
 *
 * @param {Box} box
 * @param {Camera} camera
 * @returns {Handle[]}
 */
export function handlesOfMap(box, camera) {
  const corners = cornersOf(box);
  return [...corners.map((corner, nth) => size(corner, nth)), turning(middle(corners[0], corners[1]), box.rotation - 90, camera)];
}

/**
 * An area's: those that size it, and where it has a direction one that turns it.
 *
 * @param {Marker} marker
 * @param {Camera} camera
 * @returns {Handle[]}
 */
export function handlesOfMarker({ shape, x, y, length, rotation }, camera) {
  const at = (/** @type {number} */ along, /** @type {number} */ across) => turned({ x: x + along, y: y + across }, rotation, { x, y });
  switch (shape) {
    case "cone":
    case "line":
      return [size(at(length, 0), 0), turning(at(length, 0), rotation, camera)];
    case "square":
    case "cube":
      return handlesOfMap({ x, y, width: length, height: length, rotation }, camera);
    default:
      return [[1, 0], [0, 1], [-1, 0], [0, -1]].map(([along, across], nth) => size(at(along * length, across * length), nth));
  }
}

/** The corners of what a screen shows. @param {Rect} rect @returns {Handle[]} */
export function handlesOfFrame(rect) {
  return cornersOf(boxAround(rect)).map((corner, nth) => size(corner, nth));
}

/** @param {Rect} rect @returns {Box} */
export const boxAround = ({ x, y, width, height }) => ({ x: x + width / 2, y: y + height / 2, width, height, rotation: 0 });

/**
 * The handle under a point.
 *
 * @param {Handle[]} handles
 * @param {Point} point
 * @param {number} reach in the scene's units
 */
export function handleAt(handles, point, reach) {
  const [nearest] = [...handles].sort((a, b) => distance(a, point) - distance(b, point));
  return nearest && distance(nearest, point) <= reach ? nearest : null;
}

/**
 * A box whose corner is dragged: as broad for its height as before, and the opposite corner stays.
 *
 * @param {Box} box
 * @param {number} nth corner
 * @param {Point} to
 * @param {(width: number) => number} fit what becomes of its width
 * @returns {Box}
 */
export function sized(box, nth, to, fit) {
  const corners = cornersOf(box);
  const [corner, fixed] = [corners[nth], corners[(nth + 2) % 4]];
  const [across, down] = [corner.x - fixed.x, corner.y - fixed.y];
  const part = ((to.x - fixed.x) * across + (to.y - fixed.y) * down) / Math.max(1e-9, across * across + down * down);
  const width = fit(box.width * part);
  const share = width / box.width;
  return { ...box, x: fixed.x + across * share / 2, y: fixed.y + down * share / 2, width, height: box.height * share };
}

/**
 * A map whose corner is dragged.
 *
 * @param {{ box: Box, scale: number }} map
 * @param {number} nth
 * @param {Point} to
 * @param {{ cell: number, snaps: boolean }} how `snaps`: it is a whole number of cells broad
 * @returns {{ x: number, y: number, scale: number }}
 */
export function sizedMap({ box, scale }, nth, to, { cell, snaps }) {
  const unit = box.width / scale;
  const { x, y, width } = sized(box, nth, to, (width) => {
    const wanted = snaps ? Math.max(1, Math.round(width / cell)) * cell : Math.round(width / unit * 1000) / 1000 * unit;
    return clamp(wanted, LEAST_SCALE * unit, MOST_SCALE * unit);
  });
  return { x, y, scale: Math.round(width / unit * 1e6) / 1e6 };
}

/**
 * What a screen shows, when a corner of its frame is dragged.
 *
 * @param {Rect} rect
 * @param {number} nth
 * @param {Point} to
 * @param {number} cell
 * @returns {Rect}
 */
export function sizedFrame(rect, nth, to, cell) {
  const { x, y, width, height } = sized(boxAround(rect), nth, to, (width) => clamp(width, LEAST_CELLS * cell, MOST_CELLS * cell));
  return { x: x - width / 2, y: y - height / 2, width, height };
}

/**
 * How many feet an area has when a handle of it is dragged.
 *
 * @param {Marker} marker
 * @param {Point} to
 * @param {number} cell
 */
export function sizedFeet({ shape, x, y, rotation }, to, cell) {
  const there = turned(to, -rotation, { x, y });
  const [along, across] = [there.x - x, there.y - y];
  const length = { cone: along, line: along, square: 2 * Math.max(Math.abs(along), Math.abs(across)), cube: 2 * Math.max(Math.abs(along), Math.abs(across)) }[
    /** @type {string} */ (shape)] ?? Math.hypot(along, across);
  return feetWithin(Math.round(length / cell * FEET / STEP_FEET) * STEP_FEET, STEP_FEET);
}

/** @param {number} feet @param {number} [least] */
export const feetWithin = (feet, least = 1) => clamp(feet, least, MOST_FEET);

/**
 * The angle of a thing that is turned about its place.
 *
 * @param {{ x: number, y: number, rotation: number }} thing before
 * @param {Point} from where it was taken
 * @param {Point} to
 * @param {boolean} snaps
 * @returns {number} degrees, from 0 to 360 (excluded)
 */
export function turnedBy({ x, y, rotation }, from, to, snaps) {
  const angle = (/** @type {Point} */ point) => Math.atan2(point.y - y, point.x - x) * 180 / Math.PI;
  const there = rotation + angle(to) - angle(from);
  return fullTurn(snaps ? Math.round(there / SNAP) * SNAP : Math.round(there));
}

/** The same angle from 0 to 360 (excluded). @param {number} degrees */
export const fullTurn = (degrees) => ((degrees % 360) + 360) % 360;

/** @param {Point} at @param {number} nth @returns {Handle} */
const size = ({ x, y }, nth) => ({ x, y, does: "size", nth, from: { x, y } });

/**
 * The handle that turns: outside, or inside where it would be out of sight.
 *
 * @param {Point} from
 * @param {number} degrees where outside is
 * @param {Camera} camera
 * @returns {Handle}
 */
function turning(from, degrees, camera) {
  const away = (/** @type {number} */ far) => {
    const { x, y } = turned({ x: far / camera.zoom, y: 0 }, degrees);
    return { x: from.x + x, y: from.y + y };
  };
  const screen = camera.toScreen(away(OUT));
  const isSeen = screen.x > EDGE && screen.y > EDGE && screen.x < camera.width - EDGE && screen.y < camera.height - EDGE;
  return { ...away(isSeen ? OUT : -OUT), does: "turn", nth: 0, from };
}

/** @param {Point} a @param {Point} b @returns {Point} */
const middle = (a, b) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
/** @param {number} value @param {number} low @param {number} high */
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
