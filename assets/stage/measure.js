// Distances on the grid, in feet.

import { FEET } from "./model.js";

/**
 * @typedef {import("./geometry.js").Point} Point
 * @typedef {{ mode: "dnd" | "euclidean", diagonals: "fiveFeet" | "tenFeet" | "alternating" }} Rule
 *   `dnd`: cells are counted, and a step to a diagonal neighbour is 5 ft, 10 ft, or these in turn; `fiveFeet` is
 *   known to these pages only: SpellTable's read it as `tenFeet`, which is also what a scene means that says nothing
 */

/** How a scene wants distances measured. @param {any} scene @returns {Rule} */
export function ruleOf(scene) {
  const { distanceMode, dndDiagonalRule } = scene?.gridSettings ?? {};
  const known = dndDiagonalRule === "fiveFeet" || dndDiagonalRule === "alternating";
  return { mode: distanceMode === "euclidean" ? "euclidean" : "dnd", diagonals: known ? dndDiagonalRule : "tenFeet" };
}

/**
 * The length of a way, in feet.
 *
 * @param {Point[]} points in units of the scene
 * @param {number} cell a cell's side in those units
 * @param {Rule} rule
 */
export function feetAlong(points, cell, { mode, diagonals }) {
  let feet = 0;
  let diagonalSteps = 0;
  for (let i = 1; i < points.length; i++) {
    const across = Math.abs(points[i].x - points[i - 1].x) / cell;
    const down = Math.abs(points[i].y - points[i - 1].y) / cell;
    if (mode === "euclidean") {
      feet += Math.hypot(across, down) * FEET;
      continue;
    }
    const [long, short] = [Math.max(across, down), Math.min(across, down)].map(Math.round);
    feet += (long - short) * FEET + diagonalFeet(diagonals, short, diagonalSteps);
    diagonalSteps += short;
  }
  return feet;
}

/** A distance as people write it. @param {number} feet */
export function inFeet(feet) {
  return `${Number.isInteger(feet) ? feet : feet.toFixed(1)} ft`;
}

/**
 * @param {Rule["diagonals"]} rule
 * @param {number} steps
 * @param {number} before how many diagonal steps the way has had already
 */
function diagonalFeet(rule, steps, before) {
  if (rule === "tenFeet") return steps * 2 * FEET;
  if (rule === "fiveFeet") return steps * FEET;
  // Every second one is twice as long.
  const long = Math.floor((before + steps) / 2) - Math.floor(before / 2);
  return (steps + long) * FEET;
}
