// Fog as the scene keeps it: polygons that cover. To uncover is to leave other polygons behind.

import { distance, meet, rectAround, twiceArea } from "./geometry.js";

/** @typedef {import("./geometry.js").Point} Point */

/** Pieces smaller than this, in square units of the scene, are not worth keeping. */
const CRUMB = 1;
/** Corners of a half circle at the ends of a brush's stroke. */
const ROUND = 8;

/**
 * An upright rectangle between two corners.
 *
 * @param {Point} a
 * @param {Point} b
 * @returns {Point[]}
 */
export function rectangle(a, b) {
  const [left, right] = [Math.min(a.x, b.x), Math.max(a.x, b.x)];
  const [top, bottom] = [Math.min(a.y, b.y), Math.max(a.y, b.y)];
  return [{ x: left, y: top }, { x: right, y: top }, { x: right, y: bottom }, { x: left, y: bottom }];
}

/**
 * What a round brush covers on its way, in convex pieces.
 *
 * @param {Point[]} points
 * @param {number} radius
 * @returns {Point[][]}
 */
export function strokePieces(points, radius) {
  if (points.length === 0) return [];
  if (points.length === 1) return [capsule(points[0], points[0], radius)];
  return points.slice(1).map((point, i) => capsule(points[i], point, radius));
}

/**
 * The same as one polygon. It overlaps itself, which is filled like anything else.
 *
 * @param {Point[]} points
 * @param {number} radius
 * @returns {Point[]}
 */
export function strokeOutline(points, radius) {
  const loops = strokePieces(points, radius).map((piece) => [...piece, piece[0]]);
  // Back along the line on which one came, so that the way between the pieces covers nothing.
  return [...loops.flat(), ...loops.slice(0, -1).map(([first]) => first).reverse()];
}

/**
 * A polygon without what a convex one covers. Pieces may touch, and have edges that lie upon each other.
 *
 * @param {Point[]} polygon may overlap itself
 * @param {Point[]} convex
 * @returns {Point[][]} `[polygon]` itself when they do not meet
 */
export function without(polygon, convex) {
  const [one, other] = [rectAround(polygon), rectAround(convex)];
  if (!one || !other || !meet(one, other)) return [polygon];
  const hole = twiceArea(convex) < 0 ? [...convex].reverse() : convex;
  /** @type {Point[][]} */
  const pieces = [];
  let rest = polygon;
  for (let i = 0; i < hole.length; i++) {
    const [a, b] = [hole[i], hole[(i + 1) % hole.length]];
    const beyond = half(rest, b, a);
    if (isWorthKeeping(beyond)) pieces.push(beyond);
    rest = half(rest, a, b);
    if (rest.length < 3) break;
  }
  return isWorthKeeping(rest) ? pieces : [polygon];
}

/**
 * A polygon without what another covers, whatever its form.
 *
 * @param {Point[]} polygon
 * @param {Point[]} hole
 * @returns {Point[][]}
 */
export function withoutAny(polygon, hole) {
  return triangles(hole).reduce((pieces, triangle) => pieces.flatMap((piece) => without(piece, triangle)), [polygon]);
}

/**
 * A simple polygon cut into triangles.
 *
 * @param {Point[]} polygon
 * @returns {Point[][]}
 */
export function triangles(polygon) {
  const left = twiceArea(polygon) < 0 ? [...polygon].reverse() : [...polygon];
  /** @type {Point[][]} */
  const found = [];
  while (left.length >= 3) {
    const at = left.findIndex((_, i) => isEar(left, i));
    // One that crosses itself may have none; then any corner will do.
    const i = Math.max(0, at);
    const [a, b, c] = corner(left, i);
    if (Math.abs(twiceArea([a, b, c])) > 1e-9) found.push([a, b, c]);
    left.splice(i, 1);
  }
  return found;
}

/** @param {Point[]} polygon @param {number} i */
function corner(polygon, i) {
  const { length } = polygon;
  return [polygon[(i + length - 1) % length], polygon[i], polygon[(i + 1) % length]];
}

/** @param {Point[]} polygon clockwise @param {number} i */
function isEar(polygon, i) {
  const [a, b, c] = corner(polygon, i);
  if (sideOf(a, b, c) <= 0) return false;
  return polygon.every((point) => point === a || point === b || point === c
    || !(sideOf(a, b, point) >= 0 && sideOf(b, c, point) >= 0 && sideOf(c, a, point) >= 0));
}

/**
 * What of a polygon lies on the inner side of a line.
 *
 * @param {Point[]} polygon
 * @param {Point} a
 * @param {Point} b
 */
function half(polygon, a, b) {
  /** @type {Point[]} */
  const kept = [];
  for (let i = 0; i < polygon.length; i++) {
    const [from, to] = [polygon[i], polygon[(i + 1) % polygon.length]];
    const [before, after] = [sideOf(a, b, from), sideOf(a, b, to)];
    if (before >= 0) kept.push(from);
    if ((before > 0 && after < 0) || (before < 0 && after > 0)) {
      const part = before / (before - after);
      kept.push({ x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part });
    }
  }
  return kept;
}

/** Positive for points to the right of the way from a to b, as seen on the screen. @param {Point} a @param {Point} b @param {Point} point */
function sideOf(a, b, point) {
  return (b.x - a.x) * (point.y - a.y) - (b.y - a.y) * (point.x - a.x);
}

/** @param {Point[]} polygon */
function isWorthKeeping(polygon) {
  return polygon.length >= 3 && Math.abs(twiceArea(polygon)) / 2 >= CRUMB;
}

/**
 * Everything near a line, clockwise.
 *
 * @param {Point} a
 * @param {Point} b
 * @param {number} radius
 * @returns {Point[]}
 */
function capsule(a, b, radius) {
  const along = distance(a, b) === 0 ? 0 : Math.atan2(b.y - a.y, b.x - a.x);
  const arc = (/** @type {Point} */ centre, /** @type {number} */ start) => Array.from({ length: ROUND + 1 }, (_, i) => {
    const angle = start + Math.PI * i / ROUND;
    return { x: centre.x + Math.cos(angle) * radius, y: centre.y + Math.sin(angle) * radius };
  });
  return [...arc(b, along - Math.PI / 2), ...arc(a, along + Math.PI / 2)];
}
