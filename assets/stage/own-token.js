import { inFeet, feetAlong, ruleOf } from "./measure.js";
import { entriesOf, placeOf, positionOf, snapped } from "./model.js";
import { paintWay } from "./paint/passing.js";

/**
 * @typedef {import("./stage.js").Press} Press
 * @typedef {import("./stage.js").TableStage} TableStage
 */

/** Hints of a drag are so far apart, in milliseconds. */
const EVERY = 40;

/** The tool with which a player moves what is theirs: `stage.mine`. */
export class OwnTokenTool {
  #stage;
  #live;
  #trouble;
  /** @type {{ token: import("./model.js").Token, key: string, grab: import("./geometry.js").Point, at: import("./geometry.js").Point } | null} */ #held = null;
  #hinted = 0;

  /**
   * @param {TableStage} stage
   * @param {import("../live.js").Live} live
   * @param {(error: Error) => void} trouble hears why a move was not taken
   */
  constructor(stage, live, trouble) {
    this.#stage = stage;
    this.#live = live;
    this.#trouble = trouble;
  }

  /** @param {Press} press */
  down({ scene, event }) {
    const hit = this.#stage.hitsAt(scene, event.pointerType !== "mouse").find(({ kind, id }) => kind === "token" && this.#stage.mine.has(id));
    if (!hit) return false;
    const { x, y } = hit.thing;
    this.#held = { token: hit.thing, key: hit.key, grab: { x: scene.x - x, y: scene.y - y }, at: { x, y } };
    this.#stage.chosen = new Set([hit.key]);
    this.#stage.invalidate("things", "overlay");
    return true;
  }

  /** @param {Press} press */
  move({ scene }) {
    const held = this.#held;
    if (!held) return;
    held.at = { x: scene.x - held.grab.x, y: scene.y - held.grab.y };
    this.#stage.drag(held.key, held.at, { own: true });
    this.#stage.invalidate("overlay");
    const now = performance.now();
    if (now - this.#hinted < EVERY) return;
    this.#hinted = now;
    this.#hint(held.token.id, held.at);
  }

  up() {
    const held = this.#held;
    this.#end();
    if (!held) return;
    const moved = this.moveTo(held.token, held.at);
    this.#stage.drag(held.key, null);
    if (!moved) this.#hint(held.token.id, null);
  }

  cancel() {
    const held = this.#held;
    this.#end();
    if (!held) return;
    this.#stage.drag(held.key, null);
    this.#hint(held.token.id, null);
  }

  /**
   * Moves a token, for everybody and for good.
   *
   * @param {Pick<import("./model.js").Token, "id" | "size">} token
   * @param {import("./geometry.js").Point} to in the scene's units
   * @returns {boolean} whether that is another place
   */
  moveTo({ id, size }, to) {
    const { grid, scene } = this.#stage;
    const place = scene?.gridSettings?.tokenSnapToGrid === false ? to : snapped(to, size, grid);
    const value = { ...positionOf(place, grid, true), useGridCoordinates: true };
    // An id may be a number there.
    const entry = entriesOf(scene).find((entry) => String(entry.id) === id);
    const before = placeOf(entry?.mapPosition, grid);
    const after = placeOf(value, grid);
    if (before && after && before.x === after.x && before.y === after.y) return false;
    this.#live.change([{ op: "set", path: ["initiativeOrder", { id: entry?.id ?? id }, "mapPosition"], value }]).catch(this.#trouble);
    return true;
  }

  /** @param {CanvasRenderingContext2D} pen @param {TableStage} stage */
  paint(pen, stage) {
    if (!this.#held) return;
    const { token, at } = this.#held;
    const end = snapped(at, token.size, stage.grid);
    const way = [{ x: token.x, y: token.y }, end];
    if (end.x === token.x && end.y === token.y) return;
    paintWay(pen, way, inFeet(feetAlong(way, stage.grid.cell, ruleOf(stage.scene))), stage.camera.zoom);
  }

  #end() {
    this.#held = null;
    this.#stage.chosen = new Set();
    this.#stage.invalidate("things", "overlay");
  }

  /** @param {string} id @param {import("./geometry.js").Point | null} at */
  #hint(id, at) {
    const position = at && { ...positionOf(at, this.#stage.grid, true), useGridCoordinates: true };
    this.#live.hint("drag", id, position && { thing: "token", position });
  }
}
