// Which places of a document edits touch, and whether two documents say the same there.

import { selectorOf, valueAt } from "./edits.js";

/**
 * @typedef {import("./edits.js").Edit} Edit
 * @typedef {import("./edits.js").Step} Step
 * @typedef {import("./edits.js").Selector} Selector
 * @typedef {{ value?: any, order?: any }} Seen what is at a place; no `value`: nothing
 */

/**
 * The place that an edit touches: a `set` what it sets and all below; `insert`, `move` and `delete`
 * the element and not its list.
 *
 * @param {Edit} edit
 * @returns {Step[]}
 */
function placeOf(edit) {
  if (edit.op !== "insert") return edit.path;
  return [...edit.path, /** @type {Selector} */ (selectorOf(edit.value, edit.path))];
}

/**
 * Whether of two changes by the same person the later one has to wait for the earlier one: it
 * touches the same place, puts something before what the earlier one brought, or counts elements,
 * which is only understood of the newest scene.
 *
 * @param {Edit[]} earlier
 * @param {Edit[]} later
 */
export function dependsOn(earlier, later) {
  const touched = earlier.map(placeOf);
  const counts = (/** @type {Step} */ step) => typeof step !== "string" && step.nth !== undefined;
  if (later.some((edit) => [edit.path, ...anchorOf(edit)].flat().some(counts))) return true;
  return later.flatMap((edit) => [placeOf(edit), ...anchorOf(edit)]).some((place) => touched.some((other) => overlap(place, other)));
}

/**
 * Whether two documents are the same at all places that `edits` touch.
 *
 * @param {any} one
 * @param {any} other
 * @param {Edit[]} edits
 */
export function sameAt(one, other, edits) {
  return one === other || saysAt(other, edits, seenAt(one, edits));
}

/**
 * What a document has where `edits` touch it, an edit each; as JSON it stays the same.
 *
 * @param {any} document
 * @param {Edit[]} edits
 * @returns {Seen[]}
 */
export function seenAt(document, edits) {
  return edits.map((edit) => {
    const value = valueAt(document, placeOf(edit));
    // Somebody else's moving leaves the element as it is, but not the order.
    const order = edit.op === "move" ? orderAt(document, edit.path.slice(0, -1)) : undefined;
    return { ...(value !== undefined && { value }), ...(order !== undefined && { order }) };
  });
}

/**
 * Whether a document still has there what was seen.
 *
 * @param {any} document
 * @param {Edit[]} edits
 * @param {Seen[]} seen
 */
export function saysAt(document, edits, seen) {
  return edits.every((edit, i) => equal(seenAt(document, [edit])[0], seen[i]));
}

/**
 * Whether two JSON values are the same; the order of an object's keys does not matter.
 *
 * @param {any} one
 * @param {any} other
 * @returns {boolean}
 */
export function equal(one, other) {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  if (Array.isArray(one)) return one.length === other.length && one.every((value, i) => equal(value, other[i]));
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && equal(one[key], other[key]))
  );
}

/**
 * What an edit puts its element before.
 *
 * @param {Edit} edit
 * @returns {Step[][]}
 */
function anchorOf(edit) {
  if ((edit.op !== "insert" && edit.op !== "move") || edit.before == null) return [];
  const list = edit.op === "insert" ? edit.path : edit.path.slice(0, -1);
  return [[...list, edit.before]];
}

/**
 * The names of a list's elements, as they stand.
 *
 * @param {any} document
 * @param {Step[]} path of the list
 */
function orderAt(document, path) {
  const list = valueAt(document, path);
  return Array.isArray(list) ? list.map((element) => selectorOf(element, path)) : null;
}

/**
 * @param {Step[]} one
 * @param {Step[]} other
 */
function overlap(one, other) {
  for (let i = 0; i < Math.min(one.length, other.length); i++) if (differ(one[i], other[i])) return false;
  return true;
}

/**
 * Whether two steps from one place surely lead to different places.
 *
 * @param {any} one
 * @param {any} other
 */
function differ(one, other) {
  if (typeof one === "string" || typeof other === "string") return one !== other;
  return one.id !== other.id || one.name !== other.name;
}
