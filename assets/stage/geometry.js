// Points, boxes and polygons. Angles are degrees, clockwise, as the scene has them; y grows downwards.

/**
 * @typedef {{ x: number, y: number }} Point
 * @typedef {{ x: number, y: number, width: number, height: number }} Rect from its upper left corner
 * @typedef {{ x: number, y: number, width: number, height: number, rotation: number }} Box turned about its centre `x`, `y`
 */

const DEGREE = Math.PI / 180;

/**
 * @param {Point} a
 * @param {Point} b
 */
export const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);

/**
 * A point turned about another.
 *
 * @param {Point} point
 * @param {number} degrees
 * @param {Point} [about]
 * @returns {Point}
 */
export function turned(point, degrees, about = { x: 0, y: 0 }) {
  const [sin, cos] = [Math.sin(degrees * DEGREE), Math.cos(degrees * DEGREE)];
  const [x, y] = [point.x - about.x, point.y - about.y];
  return { x: about.x + x * cos - y * sin, y: about.y + x * sin + y * cos };
}

/** The same angle from -180 (excluded) to 180. @param {number} degrees */
export function upToHalfTurn(degrees) {
  const rest = ((degrees % 360) + 360) % 360;
  return rest > 180 ? rest - 360 : rest;
}

/**
 * The smallest upright rectangle around points.
 *
 * @param {Point[]} points
 * @returns {Rect | null} null without points
 */
export function rectAround(points) {
  if (points.length === 0) return null;
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const { x, y } of points) {
    [left, top] = [Math.min(left, x), Math.min(top, y)];
    [right, bottom] = [Math.max(right, x), Math.max(bottom, y)];
  }
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/**
 * The smallest rectangle around rectangles.
 *
 * @param {Rect[]} rects
 * @returns {Rect | null}
 */
export function union(rects) {
  return rectAround(rects.flatMap(({ x, y, width, height }) => [{ x, y }, { x: x + width, y: y + height }]));
}

/**
 * Whether two rectangles have more than an edge in common.
 *
 * @param {Rect} a
 * @param {Rect} b
 */
export function meet(a, b) {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

/** @param {Rect} rect @param {Point} point */
export function inRect({ x, y, width, height }, point) {
  return point.x >= x && point.x <= x + width && point.y >= y && point.y <= y + height;
}

/** The corners, clockwise from the upper left one of the box before it was turned. @param {Box} box */
export function cornersOf({ x, y, width, height, rotation }) {
  const [w, h] = [width / 2, height / 2];
  return [[-w, -h], [w, -h], [w, h], [-w, h]].map(([dx, dy]) => turned({ x: x + dx, y: y + dy }, rotation, { x, y }));
}

/** @param {Box} box @param {Point} point */
export function inBox(box, point) {
  const { x, y } = turned(point, -box.rotation, box);
  return Math.abs(x - box.x) <= box.width / 2 && Math.abs(y - box.y) <= box.height / 2;
}

/**
 * Whether a point is in a polygon or on its edge. Where the polygon overlaps itself counts as inside:
 * so it is filled, and so the server decides what lies under fog.
 *
 * @param {Point[]} polygon
 * @param {Point} point
 */
export function inPolygon(polygon, point) {
  let turns = 0;
  for (let i = 0; i < polygon.length; i++) {
    const [a, b] = [polygon[i], polygon[(i + 1) % polygon.length]];
    const side = (b.x - a.x) * (point.y - a.y) - (point.x - a.x) * (b.y - a.y);
    if (side === 0 && isBetween(point.x, a.x, b.x) && isBetween(point.y, a.y, b.y)) return true;
    if (a.y <= point.y && b.y > point.y && side > 0) turns += 1;
    else if (a.y > point.y && b.y <= point.y && side < 0) turns -= 1;
  }
  return turns !== 0;
}

/** Twice the area, positive when the points go clockwise on the screen. @param {Point[]} polygon */
export function twiceArea(polygon) {
  let sum = 0;
  for (let i = 0; i < polygon.length; i++) {
    const [a, b] = [polygon[i], polygon[(i + 1) % polygon.length]];
    sum += a.x * b.y - b.x * a.y;
  }
  return sum;
}

/**
 * How far a point is from a line of several parts.
 *
 * @param {Point[]} line
 * @param {Point} point
 */
export function distanceToLine(line, point) {
  if (line.length === 1) return distance(line[0], point);
  let nearest = Infinity;
  for (let i = 1; i < line.length; i++) {
    const [a, b] = [line[i - 1], line[i]];
    const [dx, dy] = [b.x - a.x, b.y - a.y];
    const length = dx * dx + dy * dy;
    const along = length === 0 ? 0 : Math.min(1, Math.max(0, ((point.x - a.x) * dx + (point.y - a.y) * dy) / length));
    nearest = Math.min(nearest, distance(point, { x: a.x + along * dx, y: a.y + along * dy }));
  }
  return nearest;
}

/** @param {number} value @param {number} a @param {number} b */
const isBetween = (value, a, b) => value >= Math.min(a, b) && value <= Math.max(a, b);
