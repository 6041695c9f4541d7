// A thing's place, angle and size: as the scene has them, and as edits.

import { keyOf } from "../stage/hit.js";
import { gridOf, mapsOf, markersOf, tokensOf } from "../stage/model.js";
import { place, setMap } from "./scene.js";

/**
 * @typedef {import("../live/edits.js").Edit} Edit
 * @typedef {import("../stage/hit.js").Hit} Hit
 * @typedef {import("../stage/motion.js").Pose} Pose
 */

/** How edits call what a pose has, beside its place. */
const NAMES = /** @type {Record<string, Record<string, string>>} */ ({
  map: { rotation: "rotation", scale: "scale" },
  marker: { rotation: "rotation", feet: "sizeInFeet", opacity: "opacity" },
});

/**
 * Puts a thing elsewhere, turns and sizes it.
 *
 * @param {any} scene
 * @param {Hit} hit
 * @param {Partial<Pose>} pose what is to change
 * @returns {Edit[]}
 */
export function poseEdits(scene, hit, pose) {
  const { x, y } = pose;
  const edits = x === undefined || y === undefined ? [] : place(scene, hit, { x, y });
  const values = Object.fromEntries(Object.entries(NAMES[hit.kind] ?? {}).flatMap(([part, name]) => {
    const value = pose[/** @type {keyof Pose} */ (part)];
    return value === undefined ? [] : [[name, value]];
  }));
  return [...edits, ...(hit.kind === "map" ? setMap(scene, hit.thing, values) : setMarker(hit.id, values))];
}

/** @param {string} id @param {Record<string, unknown>} values @returns {Edit[]} */
export const setMarker = (id, values) => Object.entries(values).map(([key, value]) => ({ op: "set", path: ["aoeMarkers", { id }, key], value }));

/**
 * A thing as the scene has it, whatever is drawn on its way there.
 *
 * @param {any} scene
 * @param {Hit} hit
 * @returns {any} null when it is gone
 */
export function homeOf(scene, { kind, key, id }) {
  const grid = gridOf(scene);
  if (kind === "map") return mapsOf(scene, grid).find((map) => keyOf("map", map.key) === key) ?? null;
  /** @type {{ id: string }[]} */
  const things = kind === "token" ? tokensOf(scene, grid) : kind === "marker" ? markersOf(scene, grid) : [];
  return things.find((thing) => thing.id === id) ?? null;
}

/** @param {Hit} hit */
export const nameOf = ({ kind, thing }) => (kind === "marker" ? thing.label || `the ${thing.shape}` : thing.name);
