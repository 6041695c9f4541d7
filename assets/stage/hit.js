// What is under a point.

import { distance, distanceToLine, inBox, inPolygon } from "./geometry.js";
import { outlineOf } from "./shapes.js";

/**
 * @typedef {import("./geometry.js").Point} Point
 * @typedef {"token" | "marker" | "map" | "fog"} Kind
 * @typedef {{ kind: Kind, key: string, id: string, thing: any }} Hit `id`: the entry's, the marker's, the fog's, the map's name
 * @typedef {{ tokens: import("./model.js").Token[], markers: import("./model.js").Marker[], fogs: import("./model.js").Fog[],
 *   maps: (import("./model.js").MapThing & { box: import("./geometry.js").Box | null })[] }} Things the last is on top
 */

/** @param {Kind} kind @param {string} id */
export const keyOf = (kind, id) => `${kind}:${id}`;

/**
 * Tokens in the order in which they are painted, the last on top: nobody whose turn it is disappears below others.
 *
 * @template {Pick<import("./model.js").Token, "isCurrent" | "health">} T
 * @param {T[]} tokens
 * @returns {T[]}
 */
export const asPainted = (tokens) => [...tokens].sort((a, b) => Number(a.isCurrent) - Number(b.isCurrent) || Number(b.health === "down") - Number(a.health === "down"));

/**
 * Everything under a point, the topmost first: players, fog, other tokens, markers, maps.
 *
 * @param {Things} things as they are drawn
 * @param {Point} point in the scene's units
 * @param {number} reach how far beside a thing still counts, in those units
 * @returns {Hit[]}
 */
export function hitsAt({ tokens, markers, fogs, maps }, point, reach) {
  /** @type {Hit[]} */
  const hits = [];
  const add = (/** @type {Kind} */ kind, /** @type {string} */ id, /** @type {any} */ thing, key = keyOf(kind, id)) => {
    hits.push({ kind, key, id, thing });
  };
  const isOn = (/** @type {import("./model.js").Token} */ token) => distance(token, point) <= Math.max(token.size / 2, reach);
  const near = (/** @type {typeof tokens} */ some) => topFirst(asPainted(some)).filter(isOn).sort((a, b) => distance(a, point) - distance(b, point));
  for (const token of near(tokens.filter(({ isPlayer }) => isPlayer))) add("token", token.id, token);
  for (const fog of topFirst(fogs)) if (inPolygon(fog.points, point)) add("fog", fog.id, fog);
  for (const token of near(tokens.filter(({ isPlayer }) => !isPlayer))) add("token", token.id, token);
  for (const marker of topFirst(markers)) {
    const outline = outlineOf(marker);
    if (inPolygon(outline, point) || distanceToLine([...outline, outline[0]], point) <= reach) add("marker", marker.id, marker);
  }
  for (const map of topFirst(maps)) if (map.box && inBox(map.box, point)) add("map", map.name, map, keyOf("map", map.key));
  return hits;
}

/** @template T @param {T[]} things @returns {T[]} */
const topFirst = (things) => [...things].reverse();
