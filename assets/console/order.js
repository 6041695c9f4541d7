// The initiative order, put in order: edits from the scene and what is wanted.

import { entriesOf } from "../stage/model.js";

/** @typedef {import("../live/edits.js").Edit} Edit */

/**
 * Puts an entry before another, whatever their initiative.
 *
 * @param {any} scene
 * @param {string} id
 * @param {string | null} before null: to the end
 * @returns {Edit[]} none when it stands there already
 */
export function moveEntry(scene, id, before) {
  const ids = entriesOf(scene).map((entry) => entry.id);
  const at = ids.indexOf(id);
  if (at < 0 || before === id || (ids[at + 1] ?? null) === before) return [];
  return [{ op: "move", path: ["initiativeOrder", { id }], before: before === null ? null : { id: before } }];
}

/**
 * Moves an entry up or down by one.
 *
 * @param {any} scene
 * @param {string} id
 * @param {1 | -1} step 1: later
 * @returns {Edit[]}
 */
export function stepEntry(scene, id, step) {
  const ids = entriesOf(scene).map((entry) => entry.id);
  const at = ids.indexOf(id);
  if (at < 0 || at + step < 0 || at + step >= ids.length) return [];
  return moveEntry(scene, id, (step > 0 ? ids[at + 2] : ids[at - 1]) ?? null);
}

/**
 * Sorts by initiative, the highest first. Those who have the same stay as they are.
 *
 * @param {any} scene
 * @returns {Edit[]} none when they are sorted
 */
export function sortEntries(scene) {
  const now = entriesOf(scene);
  // Nobody knows where those belong who have no number: behind the others.
  const rank = (/** @type {any} */ { initiative }) => (initiative === null || !Number.isFinite(Number(initiative)) ? -Infinity : Number(initiative));
  const sorted = now.map((entry) => ({ entry, by: rank(entry) })).sort((a, b) => (a.by === b.by ? 0 : b.by - a.by)).map(({ entry }) => entry);
  if (new Set(now.map(({ id }) => id)).size < now.length) {
    return sorted.every((entry, i) => entry === now[i]) ? [] : [{ op: "set", path: ["initiativeOrder"], value: sorted }];
  }
  /** @type {Edit[]} */
  const edits = [];
  const work = [...now];
  for (const [i, entry] of sorted.entries()) {
    if (work[i] === entry) continue;
    edits.push({ op: "move", path: ["initiativeOrder", { id: entry.id }], before: { id: work[i].id } });
    work.splice(work.indexOf(entry), 1);
    work.splice(i, 0, entry);
  }
  return edits;
}
