import { cornersOf } from "../stage/geometry.js";
import { positionOf } from "../stage/model.js";
import { isLocked, place } from "./scene.js";

/**
 * @typedef {import("../stage/stage.js").Press} Press
 * @typedef {import("../stage/hit.js").Hit} Hit
 * @typedef {import("./table.js").GmTable} GmTable
 */

/** Hints of a drag are so far apart, in milliseconds. */
const EVERY = 40;
/** CSS pixels that a press may move and still only choose. */
const STEADY = 4;
const RIM = "#f2c76b";

/** Chooses things and moves them. */
export class MoveTool {
  #table;
  /** @type {{ hit: Hit, grab: import("../stage/geometry.js").Point, at: import("../stage/geometry.js").Point, start: import("../stage/geometry.js").Point, moved: boolean } | null} */ #held = null;
  #hinted = 0;

  /** @param {GmTable} table */
  constructor(table) {
    this.#table = table;
  }

  /** @param {Press} press */
  down({ scene, screen, event }) {
    const { stage, live } = this.#table;
    const hits = stage.hitsAt(scene, event.pointerType !== "mouse").filter(({ kind }) => kind !== "fog");
    const hit = hits.find(({ kind, thing }) => kind !== "map" || !isLocked(live.state.scene, thing));
    if (!hit) {
      this.#table.choose(hits[0] ?? null);
      return false;
    }
    const { x, y } = hit.thing;
    this.#held = { hit, grab: { x: scene.x - x, y: scene.y - y }, at: { x, y }, start: screen, moved: false };
    this.#table.choose(hit);
    return true;
  }

  /** @param {Press} press */
  move({ scene, screen }) {
    const held = this.#held;
    if (!held) return;
    if (!held.moved && Math.hypot(screen.x - held.start.x, screen.y - held.start.y) < STEADY) return;
    held.moved = true;
    held.at = { x: scene.x - held.grab.x, y: scene.y - held.grab.y };
    this.#table.stage.drag(held.hit.key, held.at, { own: true });
    this.#table.stage.invalidate("overlay");
    const now = performance.now();
    if (now - this.#hinted < EVERY) return;
    this.#hinted = now;
    this.#hint(held.hit, held.at);
  }

  up() {
    const held = this.#held;
    this.#held = null;
    if (!held?.moved) return;
    const { stage, live } = this.#table;
    this.#table.change(`Moved ${nameOf(held.hit)}`, place(live.state.scene, held.hit, held.at));
    stage.drag(held.hit.key, null);
    this.#hint(held.hit, null);
  }

  cancel() {
    const held = this.#held;
    this.#held = null;
    if (!held?.moved) return;
    this.#table.stage.drag(held.hit.key, null);
    this.#hint(held.hit, null);
  }

  /** What is chosen stands in a frame. @param {CanvasRenderingContext2D} pen @param {import("../stage/stage.js").TableStage} stage */
  paint(pen, stage) {
    const { chosen } = this.#table;
    if (chosen?.kind !== "map") return;
    const map = stage.maps.find(({ key }) => `map:${key}` === chosen.key);
    if (!map?.box) return;
    pen.beginPath();
    for (const { x, y } of cornersOf(map.box)) pen.lineTo(x, y);
    pen.closePath();
    for (const [color, width] of /** @type {[string, number][]} */ ([["#1b1405", 5], [RIM, 2.5]])) {
      pen.strokeStyle = color;
      pen.lineWidth = width / stage.camera.zoom;
      pen.stroke();
    }
  }

  /** @param {Hit} hit @param {import("../stage/geometry.js").Point | null} at */
  #hint({ kind, id, thing }, at) {
    const { stage, live } = this.#table;
    const inCells = kind === "token" || thing.inCells;
    live.hint("drag", id, at && { thing: kind, position: { ...positionOf(at, stage.grid, inCells), useGridCoordinates: inCells } });
  }
}

/** @param {Hit} hit */
export const nameOf = ({ kind, thing }) => (kind === "marker" ? thing.label || `the ${thing.shape}` : thing.name);
