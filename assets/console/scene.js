// The edits that a GM's doings are: from the scene and what is wanted, without a page.

import { newId } from "../live/requests.js";
import { strokePieces, without, withoutAny } from "../stage/fog.js";
import { keyOf } from "../stage/hit.js";
import { entriesOf, fogsOf, gridOf, isOut, positionOf, snapped, tokensOf } from "../stage/model.js";

/**
 * @typedef {import("../live/edits.js").Edit} Edit
 * @typedef {import("../stage/geometry.js").Point} Point
 * @typedef {import("../stage/hit.js").Hit} Hit
 */

/** Above so many edits a list is written as one. */
const MOST_EDITS = 300;

export const freshId = () => newId(crypto);

/**
 * A list of the scene, made first when it is missing.
 *
 * @param {any} scene
 * @param {string} list
 * @returns {Edit[]}
 */
export const withList = (scene, list) => (Array.isArray(scene?.[list]) ? [] : [{ op: "set", path: [list], value: [] }]);

/** How edits name a map. @param {{ name: string, nth?: number }} map @returns {{ name: string, nth?: number }} */
export const mapStep = ({ name, nth = 0 }) => (nth > 0 ? { name, nth } : { name });

/**
 * Puts a map on the table.
 *
 * @param {any} scene
 * @param {{ name: string, folder: string | null }} map
 * @param {Point} at its centre
 * @returns {Edit[]} none when it lies there already
 */
export function addMap(scene, { name, folder }, at) {
  if ((scene?.maps ?? []).some((/** @type {any} */ map) => map?.name === name)) return [];
  const grid = gridOf(scene);
  const data = { position: positionOf(at, grid, true), useGridCoordinates: true, useGridScaling: true, scale: 1, rotation: 0, isHidden: false };
  return [
    ...withList(scene, "maps"),
    { op: "insert", path: ["maps"], value: { name, folder: folder ?? null, data } },
    ...(scene.activeMapId == null ? [/** @type {Edit} */ ({ op: "set", path: ["activeMapId"], value: name })] : []),
  ];
}

/** @param {any} scene @param {{ name: string, nth: number }} map @returns {Edit[]} */
export function removeMap(scene, map) {
  const others = scene.maps.filter((/** @type {any} */ other) => other.name !== map.name);
  return [
    { op: "delete", path: ["maps", mapStep(map)] },
    ...(scene.activeMapId === map.name ? [/** @type {Edit} */ ({ op: "set", path: ["activeMapId"], value: others[0]?.name ?? null })] : []),
  ];
}

/**
 * Sets what a map has in its `data`.
 *
 * @param {any} scene
 * @param {{ name: string, nth: number }} map
 * @param {Record<string, unknown>} values
 * @returns {Edit[]}
 */
export function setMap(scene, map, values) {
  const step = mapStep(map);
  const there = scene.maps.filter((/** @type {any} */ one) => one?.name === map.name)[map.nth ?? 0];
  if (typeof there?.data !== "object" || there.data === null) return [{ op: "set", path: ["maps", step, "data"], value: values }];
  return Object.entries(values).map(([key, value]) => ({ op: "set", path: ["maps", step, "data", key], value }));
}

/** Whether a map stays where it is. @param {any} scene @param {{ name: string, nth: number }} map */
export function isLocked(scene, map) {
  const there = (scene?.maps ?? []).filter((/** @type {any} */ one) => one?.name === map.name)[map.nth ?? 0];
  return scene?.gridSettings?.mapsLocked === true || there?.data?.isLocked === true;
}

/**
 * Puts a thing elsewhere.
 *
 * @param {any} scene
 * @param {Hit} hit
 * @param {Point} to
 * @returns {Edit[]}
 */
export function place(scene, { kind, id, thing }, to) {
  const grid = gridOf(scene);
  const settings = scene?.gridSettings ?? {};
  if (kind === "token") {
    const there = settings.tokenSnapToGrid === false ? to : snapped(to, thing.size ?? grid.cell, grid);
    return [{ op: "set", path: ["initiativeOrder", { id }, "mapPosition"], value: { ...positionOf(there, grid, true), useGridCoordinates: true } }];
  }
  if (kind === "marker") {
    const marker = scene.aoeMarkers.find((/** @type {any} */ one) => one.id === id);
    return [{ op: "set", path: ["aoeMarkers", { id }, "position"], value: { ...marker?.position, ...positionOf(to, grid, thing.inCells) } }];
  }
  const old = scene.maps.filter((/** @type {any} */ one) => one?.name === thing.name)[thing.nth]?.data?.position;
  return setMap(scene, thing, { position: { ...old, ...positionOf(to, grid, thing.inCells) } });
}

/** So many cells around a point it is looked for a free one. */
const FAR = 15;
const AROUND = Array.from({ length: (2 * FAR + 1) ** 2 }, (_, i) => ({ x: i % (2 * FAR + 1) - FAR, y: Math.floor(i / (2 * FAR + 1)) - FAR }))
  .sort((a, b) => Math.hypot(a.x, a.y) - Math.hypot(b.x, b.y));

/**
 * Puts an entry where nobody stands, as near to a point as there is room.
 *
 * @param {any} scene
 * @param {Record<string, any>} entry
 * @param {Point} near
 * @returns {Edit[]}
 */
export function placeFree(scene, entry, near) {
  const grid = gridOf(scene);
  const { id } = entry;
  const [{ size }] = tokensOf({ ...scene, initiativeOrder: [{ ...entry, mapPosition: near }] }, grid);
  const others = tokensOf(scene, grid);
  const middle = snapped(near, size, grid);
  const places = AROUND.map(({ x, y }) => ({ x: middle.x + x * grid.cell, y: middle.y + y * grid.cell }));
  // What touches does not overlap, however places are rounded.
  const isFree = (/** @type {Point} */ { x, y }) => others.every((other) => {
    const room = (size + other.size) / 2 - grid.cell / 100;
    return Math.abs(other.x - x) >= room || Math.abs(other.y - y) >= room;
  });
  return place(scene, { kind: "token", key: keyOf("token", id), id, thing: { size } }, places.find(isFree) ?? middle);
}

// Fog

/** @param {any} scene @param {Point[][]} polygons @returns {Edit[]} */
export function cover(scene, polygons) {
  return [...withList(scene, "fogOfWar"), ...polygons.map((points) => /** @type {Edit} */ ({ op: "insert", path: ["fogOfWar"], value: fogOf(scene, points) }))];
}

/**
 * Takes fog away where an area or the stroke of a brush is.
 *
 * @param {any} scene
 * @param {{ area: Point[] } | { stroke: Point[], radius: number }} what
 * @returns {Edit[]}
 */
export function reveal(scene, what) {
  const cut = "area" in what
    ? (/** @type {Point[]} */ polygon) => withoutAny(polygon, what.area)
    : (/** @type {Point[]} */ polygon) => strokePieces(what.stroke, what.radius).reduce((pieces, hole) => pieces.flatMap((piece) => without(piece, hole)), [polygon]);
  /** @type {Edit[]} */
  const edits = [];
  const raw = new Map((scene?.fogOfWar ?? []).map((/** @type {any} */ fog) => [fog.id, fog]));
  for (const { id, points } of fogsOf(scene, gridOf(scene))) {
    const pieces = cut(points);
    if (pieces.length === 1 && pieces[0] === points) continue;
    edits.push({ op: "delete", path: ["fogOfWar", { id }] });
    for (const piece of pieces) edits.push({ op: "insert", path: ["fogOfWar"], value: { ...raw.get(id), ...fogOf(scene, piece, raw.get(id)) } });
  }
  if (edits.length <= MOST_EDITS) return edits;
  let list = scene.fogOfWar;
  for (const edit of edits) {
    if (edit.op === "insert") list = [...list, edit.value];
    else list = list.filter((/** @type {any} */ fog) => fog.id !== /** @type {any} */ (edit.path[1]).id);
  }
  return [{ op: "set", path: ["fogOfWar"], value: list }];
}

/** @param {any} scene @param {Point[]} points @param {any} [like] */
function fogOf(scene, points, like) {
  const grid = gridOf(scene);
  return { id: freshId(), points: points.map((point) => positionOf(point, grid, true)), useGridCoordinates: true, color: like?.color ?? "#000000", opacity: like?.opacity ?? 1 };
}

// Turns

/**
 * Adds entries where their initiative puts them.
 *
 * @param {any} scene
 * @param {{ name: string, initiative: number, hp: number | null, isPlayer: boolean }[]} some
 * @returns {Edit[]}
 */
export function addEntries(scene, some) {
  const there = entriesOf(scene);
  return [...withList(scene, "initiativeOrder"), ...some.map(({ hp, ...entry }) => {
    const after = there.find(({ initiative }) => Number(initiative) < entry.initiative);
    const value = { id: freshId(), ...entry, isCurrentTurn: false, isKilled: false, ...(hp !== null && { hp, initialHP: hp }) };
    return /** @type {Edit} */ ({ op: "insert", path: ["initiativeOrder"], value, ...(after && { before: { id: after.id } }) });
  })];
}

/**
 * Makes it the turn of the next one who is not out of the fight.
 *
 * @param {any} scene
 * @param {1 | -1} step
 * @returns {Edit[]}
 */
export function turn(scene, step) {
  const all = entriesOf(scene);
  if (all.length === 0) return [];
  const at = all.findIndex(({ isCurrentTurn }) => isCurrentTurn === true);
  const { length } = all;
  let next = at < 0 ? (step > 0 ? 0 : length - 1) : (at + step + length) % length;
  for (let i = 0; i < length && isOut(all[next]); i++) next = (next + step + length) % length;
  const set = (/** @type {any} */ { id }, /** @type {boolean} */ value) => /** @type {Edit} */ ({ op: "set", path: ["initiativeOrder", { id }, "isCurrentTurn"], value });
  return [...all.filter((one, i) => one.isCurrentTurn === true && i !== next).map((one) => set(one, false)), ...(all[next].isCurrentTurn === true ? [] : [set(all[next], true)])];
}

/** @param {string} id @param {Record<string, unknown>} values @returns {Edit[]} */
export const setEntry = (id, values) =>
  Object.entries(values).map(([key, value]) => ({ op: "set", path: ["initiativeOrder", { id }, key], value }));

/**
 * What hit points are after somebody has written `text` over them, or behind them: a number as it is, or with a sign
 * so many more or less. Of points below nothing a number with a minus is one as it is.
 *
 * @param {string} text
 * @param {number} now
 * @param {number} [shown] what stood there
 * @returns {number} NaN when it is neither
 */
export function pointsAfter(text, now, shown = now) {
  const behind = text.trim().startsWith(String(shown)) ? text.trim().slice(String(shown).length) : "";
  const isBehind = /^\s*[+\-−]/.test(behind);
  const [, sign, number] = /^([+\-−]?)\s*(\d+(?:[.,]\d+)?)$/.exec((isBehind ? behind : text).trim()) ?? [];
  const value = Number(number?.replace(",", "."));
  if (sign === "+") return now + value;
  if (sign === "") return value;
  return shown < 0 && !isBehind ? -value : now - value;
}

/**
 * Rolls for an entry: a number as it is, or dice such as `1d20+3`.
 *
 * @param {string} text
 * @param {(sides: number) => number} [die]
 * @returns {number | null} null when it is neither
 */
export function rolled(text, die = roll) {
  const plain = text.replace(/\s+/g, "");
  if (!/^[+-]?(\d{0,2}d\d{1,3}|\d{1,5})([+-](\d{0,2}d\d{1,3}|\d{1,5}))*$/i.test(plain)) return null;
  let sum = 0;
  for (const [, sign, count, sides, number] of plain.matchAll(/([+-]?)(?:(\d*)d(\d+)|(\d+))/gi)) {
    let value = Number(number ?? 0);
    if (sides !== undefined) for (let i = 0; i < Number(count || 1); i++) value += die(Math.max(1, Number(sides)));
    sum += sign === "-" ? -value : value;
  }
  return sum;
}

/** @param {number} sides */
function roll(sides) {
  const [number] = crypto.getRandomValues(new Uint32Array(1));
  return 1 + Math.floor(number / 2 ** 32 * sides);
}
