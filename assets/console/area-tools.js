// The tools that draw: fog and areas; and those that show: measuring and pointing.

import { rectangle, strokeOutline } from "../stage/fog.js";
import { colorOf } from "../stage/follow.js";
import { feetAlong, inFeet, ruleOf } from "../stage/measure.js";
import { areaPlace, areasSnap, lengthOf, positionOf } from "../stage/model.js";
import { paintWay } from "../stage/paint/passing.js";
import { cover, freshId, reveal, withList } from "./scene.js";

/**
 * @typedef {import("../stage/stage.js").Press} Press
 * @typedef {import("../stage/stage.js").TableStage} TableStage
 * @typedef {import("../stage/geometry.js").Point} Point
 * @typedef {import("./table.js").GmTable} GmTable
 */

const EVERY = 40;

/** Covers and uncovers. */
export class FogTool {
  cursor = "crosshair";
  isCover = true;
  /** @type {"rectangle" | "polygon" | "brush"} */ form = "rectangle";
  /** The brush's radius, in cells. */ breadth = 1;
  #table;
  /** @type {Point[]} */ #points = [];
  /** @type {Point | null} */ #at = null;
  #isDrawing = false;

  /** @param {GmTable} table */
  constructor(table) {
    this.#table = table;
  }

  get #radius() {
    return this.breadth * this.#table.stage.grid.cell;
  }

  /** @param {Press} press */
  down({ scene, event }) {
    if (event.button !== 0) return false;
    this.#at = scene;
    if (this.form === "polygon") {
      const [first] = this.#points;
      const near = first && Math.hypot(first.x - scene.x, first.y - scene.y) * this.#table.stage.camera.zoom < 14;
      if (near && this.#points.length > 2) this.finish();
      else this.#points.push(scene);
    } else {
      this.#points = [scene];
      this.#isDrawing = true;
    }
    this.#table.stage.invalidate("overlay");
    return true;
  }

  /** @param {Press} press */
  move({ scene }) {
    this.#at = scene;
    const last = this.#points.at(-1);
    if (this.form === "brush" && this.#isDrawing && last && Math.hypot(last.x - scene.x, last.y - scene.y) >= this.#radius / 2) this.#points.push(scene);
    this.#table.stage.invalidate("overlay");
  }

  /** @param {Press} press */
  hover(press) {
    this.#at = press.scene;
    this.#table.stage.invalidate("overlay");
  }

  up() {
    if (this.form === "polygon" || !this.#isDrawing) return;
    this.finish();
  }

  cancel() {
    this.#points = [];
    this.#isDrawing = false;
    this.#table.stage.invalidate("overlay");
  }

  /** Whether a polygon waits to be closed. */
  get isUnfinished() {
    return this.#points.length > 0;
  }

  /** Closes what is drawn. */
  finish() {
    const { live } = this.#table;
    const points = this.#points;
    const [start, end] = [points[0], this.#at];
    this.cancel();
    if (!start || !end) return;
    const { scene } = live.state;
    if (this.form === "brush") {
      const edits = this.isCover ? cover(scene, [strokeOutline(points, this.#radius)]) : reveal(scene, { stroke: points, radius: this.#radius });
      return this.#do(edits);
    }
    const area = this.form === "polygon" ? points : rectangle(start, end);
    if (area.length < 3 || (this.form === "rectangle" && (start.x === end.x || start.y === end.y))) return;
    this.#do(this.isCover ? cover(scene, [area]) : reveal(scene, { area }));
  }

  /** @param {import("../live/edits.js").Edit[]} edits */
  #do(edits) {
    if (edits.length > 0) this.#table.change(this.isCover ? "Covered with fog" : "Uncovered", edits);
  }

  /** @param {CanvasRenderingContext2D} pen @param {TableStage} stage */
  paint(pen, stage) {
    const at = this.#at;
    if (!at) return;
    pen.fillStyle = this.isCover ? "rgb(0 0 0 / 55%)" : "rgb(255 240 200 / 35%)";
    pen.strokeStyle = "#f2c76b";
    pen.lineWidth = 2 / stage.camera.zoom;
    pen.beginPath();
    if (this.form === "brush") {
      if (this.#isDrawing) for (const point of this.#points) pen.lineTo(point.x, point.y);
      if (this.#points.length > 1) {
        pen.lineCap = pen.lineJoin = "round";
        pen.lineWidth = 2 * this.#radius;
        pen.strokeStyle = pen.fillStyle;
        pen.stroke();
        pen.lineWidth = 2 / stage.camera.zoom;
        pen.strokeStyle = "#f2c76b";
      }
      pen.beginPath();
      pen.arc(at.x, at.y, this.#radius, 0, 2 * Math.PI);
    } else if (this.form === "rectangle") {
      if (!this.#isDrawing) return;
      for (const { x, y } of rectangle(this.#points[0], at)) pen.lineTo(x, y);
      pen.closePath();
    } else {
      for (const { x, y } of [...this.#points, at]) pen.lineTo(x, y);
      if (this.#points.length > 1) pen.closePath();
    }
    pen.fill();
    pen.stroke();
  }
}

/** Puts areas of spells and the like on the table: pressed where it is, drawn to where it points. */
export class MarkerTool {
  cursor = "crosshair";
  shape = "circle";
  feet = 20;
  color = "#ff5a36";
  #table;
  /** @type {{ start: Point, at: Point } | null} */ #held = null;

  /** @param {GmTable} table */
  constructor(table) {
    this.#table = table;
  }

  /** Whether players see areas only when they are revealed. */
  get isHidden() {
    return this.#table.live.state.scene?.gridSettings?.aoeStagedReveal === true;
  }

  /** @param {Press} press */
  down({ scene, event }) {
    if (event.button !== 0) return false;
    this.#held = { start: scene, at: scene };
    return true;
  }

  /** @param {Press} press */
  move({ scene }) {
    if (this.#held) this.#held.at = scene;
    this.#table.stage.invalidate("overlay");
  }

  up() {
    const held = this.#held;
    this.cancel();
    if (held) this.place(held.start, Math.hypot(held.at.x - held.start.x, held.at.y - held.start.y) < 4 ? 0 : Math.round(Math.atan2(held.at.y - held.start.y, held.at.x - held.start.x) * 180 / Math.PI));
  }

  cancel() {
    this.#held = null;
    this.#table.stage.invalidate("overlay");
  }

  /** @param {Point} point @param {number} rotation */
  place(point, rotation) {
    const { live, stage } = this.#table;
    const { grid } = stage;
    const area = { shape: /** @type {import("../stage/model.js").MarkerShape} */ (this.shape), length: lengthOf(this.feet, grid) };
    const at = areasSnap(live.state.scene) ? areaPlace(point, area, grid) : point;
    const value = {
      id: freshId(), shape: this.shape, sizeInFeet: this.feet, color: this.color, position: positionOf(at, grid, true),
      useGridCoordinates: true, rotation, opacity: 0.4, label: "", revealed: !this.isHidden,
    };
    this.#table.change(`Placed a ${this.shape}`, [...withList(live.state.scene, "aoeMarkers"), { op: "insert", path: ["aoeMarkers"], value }]);
  }

  /** @param {CanvasRenderingContext2D} pen @param {TableStage} stage */
  paint(pen, stage) {
    if (this.#held) paintWay(pen, [this.#held.start, this.#held.at], `${this.feet} ft`, stage.camera.zoom);
  }
}

/** Measures a way, for all to see. */
export class MeasureTool {
  cursor = "crosshair";
  #table;
  /** @type {Point[]} */ #points = [];
  /** @type {any} */ #hinting = null;

  /** @param {GmTable} table */
  constructor(table) {
    this.#table = table;
  }

  /** @param {Press} press */
  down({ scene, event }) {
    if (event.button !== 0) return false;
    this.#points = [scene, scene];
    return true;
  }

  /** @param {Press} press */
  move({ scene }) {
    if (this.#points.length === 0) return;
    this.#points[1] = scene;
    this.#table.stage.invalidate("overlay");
    // The last of several counts: where the hand rests, others read the same distance.
    this.#hinting ??= setTimeout(() => {
      this.#hinting = null;
      this.#table.live.hint("measure", "", { points: this.#points });
    }, EVERY);
  }

  up() {
    this.cancel();
  }

  cancel() {
    clearTimeout(this.#hinting);
    this.#hinting = null;
    this.#points = [];
    this.#table.live.hint("measure", "", null);
    this.#table.stage.invalidate("overlay");
  }

  /** @param {CanvasRenderingContext2D} pen @param {TableStage} stage */
  paint(pen, stage) {
    if (this.#points.length < 2) return;
    paintWay(pen, this.#points, inFeet(feetAlong(this.#points, stage.grid.cell, ruleOf(stage.scene))), stage.camera.zoom);
  }
}

/** Shows the others where: the pointer moves along, a press pings. */
export class PointTool {
  cursor = "crosshair";
  #table;
  #hinted = 0;

  /** @param {GmTable} table */
  constructor(table) {
    this.#table = table;
  }

  /** @param {Press} press */
  down({ scene, event }) {
    if (event.button !== 0) return false;
    this.#table.ping(scene);
    return true;
  }

  /** @param {Press} press */
  hover({ scene }) {
    const now = performance.now();
    if (now - this.#hinted < EVERY) return;
    this.#hinted = now;
    const { live, stage } = this.#table;
    live.hint("pointer", "", { x: scene.x, y: scene.y });
    stage.passing.point("me", { ...scene, at: now, name: "", color: colorOf(live.state.you?.id ?? "") });
    stage.invalidate("overlay");
  }

  /** @param {Press} press */
  move(press) {
    this.hover(press);
  }

  cancel() {
    this.#table.live.hint("pointer", "", null);
    this.#table.stage.passing.point("me", null);
  }
}
