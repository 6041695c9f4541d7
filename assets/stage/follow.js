// Leads what a table's connection tells to a stage, and what one does there to the others.

import { keyOf } from "./hit.js";
import { MOST_FEET, placeOf } from "./model.js";

/**
 * What stands in hints. A `drag` has the id of the entry, or the name of the map, or the id of the
 * marker as its key; a thing's place is written as the scene would, so that it counts the same
 * everywhere. `pointer`, `ping` and `measure` have places in the scene's units.
 *
 * @typedef {{ thing: "token" | "marker" | "map", position: { x: number, y: number, useGridCoordinates?: boolean },
 *   rotation?: number, scale?: number, feet?: number, opacity?: number }} DragData `null` takes it back; `scale` is a
 *   map's, `feet` (its size) and `opacity` are an area's
 * @typedef {{ x: number, y: number }} PointData
 * @typedef {{ points: { x: number, y: number }[] }} WayData
 */

/** Who points is told apart by colour; all can be read on maps of every colour. */
const COLORS = ["#f2c76b", "#8fe0ff", "#ff9ec2", "#a7f08f", "#ffb07a", "#c9b3ff"];
/** Points of a measured way. */
const MOST_POINTS = 200;

/**
 * @param {import("./stage.js").TableStage} stage
 * @param {import("../live.js").Live} live
 * @param {AbortSignal} signal ends it
 */
export function follow(stage, live, signal) {
  const { state } = live;
  const on = (/** @type {string} */ type, /** @type {(detail: any) => void} */ listener) =>
    live.addEventListener(type, (/** @type {CustomEvent} */ event) => listener(event.detail), { signal });
  on("scene", ({ scene }) => { stage.scene = scene; });
  on("hint", (hint) => show(stage, state, hint));
  // Pictures that did not come while the server was away.
  on("status", (status) => status === "live" && stage.retryPictures());
  const whose = () => {
    stage.mine = new Set(/** @type {any} */ (state.you)?.entries ?? ownEntries(state));
    stage.invalidate("things");
  };
  on("members", whose);
  stage.scene = state.scene;
  whose();
}

/** The entries that are given to oneself. @param {import("../live/state.js").TableState} state @returns {string[]} */
export function ownEntries({ you, members }) {
  const me = /** @type {any} */ (members.find(({ id }) => id === you?.id));
  return me?.entries ?? [];
}

/** @param {string} id of a member */
export function colorOf(id) {
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + letter.charCodeAt(0)) % 9973;
  return COLORS[sum % COLORS.length];
}

/**
 * @param {import("./stage.js").TableStage} stage
 * @param {import("../live/state.js").TableState} state
 * @param {{ from: string, kind: string, key: string, data: any }} hint
 */
function show(stage, state, { from, kind, key, data }) {
  const at = performance.now();
  const name = state.members.find(({ id }) => id === from)?.name ?? "";
  const color = colorOf(from);
  if (kind === "drag") {
    showDrag(stage, key, data);
  } else if (kind === "ping" && isPoint(data)) {
    stage.passing.ping({ x: data.x, y: data.y, at, name, color });
    stage.invalidate("overlay");
  } else if (kind === "pointer") {
    stage.passing.point(from, isPoint(data) ? { x: data.x, y: data.y, at, name, color } : null);
    stage.invalidate("overlay");
  } else if (kind === "measure") {
    const points = Array.isArray(data?.points) ? data.points.filter(isPoint).slice(0, MOST_POINTS) : [];
    stage.passing.measure(from, points.length > 1 ? { points, at } : null);
    stage.invalidate("overlay");
  }
}

/**
 * @param {import("./stage.js").TableStage} stage
 * @param {string} id
 * @param {any} data
 */
function showDrag(stage, id, data) {
  const kind = data?.thing ?? "token";
  if (kind !== "token" && kind !== "marker" && kind !== "map") return;
  const key = keyOf(kind, kind === "map" ? `0 ${id}` : id);
  const place = placeOf(data?.position, stage.grid);
  if (place === null) return stage.drag(key, null);
  const { rotation, scale, feet, opacity } = data;
  stage.drag(key, {
    ...place,
    ...(kind !== "token" && Number.isFinite(rotation) && { rotation }),
    ...(kind === "map" && Number.isFinite(scale) && scale > 0 && { scale }),
    ...(kind === "marker" && Number.isFinite(feet) && feet > 0 && feet <= MOST_FEET && { feet }),
    ...(kind === "marker" && Number.isFinite(opacity) && opacity >= 0 && opacity <= 1 && { opacity }),
  });
}

/** @param {any} data */
const isPoint = (data) => Number.isFinite(data?.x) && Number.isFinite(data?.y);
