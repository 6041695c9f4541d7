// What is in hand: what dragging makes of a thing, shown to all while it lasts and kept on release.

import { inPolygon } from "../stage/geometry.js";
import { sizedFeet, sizedMap, turnedBy } from "../stage/handles.js";
import { areaPlace, areasSnap, positionOf } from "../stage/model.js";
import { homeOf, nameOf, poseEdits } from "./pose.js";

/**
 * @typedef {import("../stage/stage.js").Press} Press
 * @typedef {import("../stage/hit.js").Hit} Hit
 * @typedef {import("../stage/handles.js").Handle} Handle
 * @typedef {import("../stage/motion.js").Pose} Pose
 * @typedef {import("./table.js").GmTable} GmTable
 *
 * @typedef {object} Grip
 * @property {(press: Press) => void} drag
 * @property {() => void} drop keeps what the drag has made
 * @property {() => void} stop takes it back
 * @property {string} words what it comes to, for the eye
 * @property {Handle | null} handle
 */

/** Hints of a drag are so far apart, in milliseconds: with every frame of a usual screen, as what waits here is seen late. */
const EVERY = 12;

/** @implements {Grip} */
export class ThingGrip {
  words = "";
  handle;
  #table;
  #hit;
  #from;
  /** Beside the middle of what is held. */ #beside;
  /** @type {Partial<Pose>} */ #pose = {};
  /** @type {any} */ #hinting = null;
  #hinted = -Infinity;

  /**
   * @param {GmTable} table
   * @param {Hit} hit what is held, where it is drawn now
   * @param {Handle | null} handle null: the thing itself
   * @param {import("../stage/geometry.js").Point} at where it was taken
   */
  constructor(table, hit, handle, at) {
    this.#table = table;
    this.#hit = hit;
    this.handle = handle;
    this.#from = at;
    const { x, y } = handle?.does === "size" ? handle : hit.thing;
    this.#beside = { x: at.x - x, y: at.y - y };
  }

  /** @param {Press} press */
  drag({ scene, event }) {
    const { stage } = this.#table;
    this.#pose = this.#poseAt(scene, event.shiftKey);
    stage.drag(this.#hit.key, this.#pose, { own: true });
    const wait = this.#hinted + EVERY - performance.now();
    if (wait <= 0) return this.#show();
    // The last of several counts: where the hand rests, others see the thing rest.
    this.#hinting ??= setTimeout(() => this.#show(), wait);
  }

  #show() {
    clearTimeout(this.#hinting);
    this.#hinting = null;
    this.#hinted = performance.now();
    this.#hint(this.#pose);
  }

  drop() {
    clearTimeout(this.#hinting);
    const { stage, live } = this.#table;
    const { scene } = live.state;
    const home = homeOf(scene, this.#hit);
    const edits = home === null ? [] : poseEdits(scene, this.#hit, this.#pose);
    const words = this.handle === null ? "Moved" : this.handle.does === "turn" ? "Turned" : "Scaled";
    // Others hear that the drag is over when they have heard what came of it, lest the thing goes back and forth.
    this.#table.change(`${words} ${nameOf(this.#hit)}`, edits).then(() => this.#hint(null));
    stage.drag(this.#hit.key, null);
  }

  stop() {
    clearTimeout(this.#hinting);
    this.#table.stage.drag(this.#hit.key, null);
    this.#hint(null);
  }

  /** @param {import("../stage/geometry.js").Point} point @param {boolean} snaps @returns {Partial<Pose>} */
  #poseAt(point, snaps) {
    const { kind, thing } = this.#hit;
    const { stage, live } = this.#table;
    const to = { x: point.x - this.#beside.x, y: point.y - this.#beside.y };
    if (this.handle === null) {
      return kind === "marker" && areasSnap(live.state.scene) ? areaPlace(to, thing, stage.grid) : to;
    }
    if (this.handle.does === "turn") {
      const rotation = turnedBy(thing, this.#from, point, snaps);
      this.words = `${rotation}°`;
      return { rotation };
    }
    if (kind === "map") {
      const pose = sizedMap(thing, this.handle.nth, to, { cell: stage.grid.cell, snaps });
      const cells = Math.round(thing.box.width / thing.scale * pose.scale / stage.grid.cell * 10) / 10;
      this.words = `${Math.round(pose.scale * 1000) / 10} %, ${cells} cells across`;
      return pose;
    }
    const feet = sizedFeet(thing, to, stage.grid.cell);
    this.words = `${feet} ft`;
    return { feet };
  }

  /** @param {Partial<Pose> | null} pose */
  #hint(pose) {
    const { kind, id, thing } = this.#hit;
    const { stage, live } = this.#table;
    if (pose === null) return void live.hint("drag", id, null);
    const inCells = kind === "token" || thing.inCells;
    const { x = thing.x, y = thing.y, ...more } = pose;
    // Until it is let go, the scene says that it is seen: nobody is told which way it went in the fog.
    if (kind === "token" && !thing.isPlayer && stage.fogs.some(({ points }) => inPolygon(points, { x, y }))) return void live.hint("drag", id, null);
    live.hint("drag", id, { thing: kind, position: { ...positionOf({ x, y }, stage.grid, inCells), useGridCoordinates: inCells }, ...more });
  }
}
