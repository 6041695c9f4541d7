import { boxAround, handleAt, handlesOfFrame, handlesOfMap, handlesOfMarker } from "../stage/handles.js";
import { paintFrame, paintHandles, paintReadout } from "../stage/paint/handles.js";
import { ThingGrip } from "./grips.js";
import { isLocked } from "./scene.js";

/**
 * @typedef {import("../stage/stage.js").Press} Press
 * @typedef {import("../stage/hit.js").Hit} Hit
 * @typedef {import("../stage/handles.js").Handle} Handle
 * @typedef {import("./table.js").GmTable} GmTable
 */

/** CSS pixels that a press may move and still only choose. */
const STEADY = 4;
/** CSS pixels around a handle that are its own. */
const REACH = 11;
const REACH_OF_FINGERS = 22;

/** Chooses things and moves them, turns and sizes them by their handles. */
export class MoveTool {
  #table;
  #frames;
  /** @type {{ grip: import("./grips.js").Grip, start: import("../stage/geometry.js").Point, at: import("../stage/geometry.js").Point, moved: boolean } | null} */ #held = null;

  /** @param {GmTable} table @param {import("./frames.js").Frames} frames */
  constructor(table, frames) {
    this.#table = table;
    this.#frames = frames;
  }

  /** @param {Press} press */
  down({ scene, screen, event }) {
    if (event.button !== 0) return false;
    const grip = this.#gripAt(scene, screen, event.pointerType !== "mouse");
    if (grip === null) return false;
    this.#held = { grip, start: screen, at: scene, moved: false };
    return true;
  }

  /** @param {Press} press */
  move(press) {
    const held = this.#held;
    if (!held) return;
    const { screen } = press;
    if (!held.moved && Math.hypot(screen.x - held.start.x, screen.y - held.start.y) < STEADY) return;
    held.moved = true;
    held.at = press.scene;
    held.grip.drag(press);
    this.#table.stage.invalidate("overlay");
  }

  /** Chooses what was not gripped; beside everything it lets go. @param {Press & { hits: Hit[] }} press */
  tap({ hits, event }) {
    if (event.button !== 0) return;
    const things = thingsOf(hits);
    this.#table.choose(this.#freeOf(things) ?? things[0] ?? null);
  }

  up() {
    const held = this.#held;
    this.#held = null;
    this.#table.stage.invalidate("overlay");
    if (held?.moved) held.grip.drop();
  }

  cancel() {
    const held = this.#held;
    this.#held = null;
    this.#table.stage.invalidate("overlay");
    if (held?.moved) held.grip.stop();
  }

  /** @param {Press} press */
  hover({ scene, screen, event }) {
    const byFinger = event.pointerType !== "mouse";
    const { handle } = this.#handleAt(scene, byFinger) ?? {};
    const isOnTag = !handle && this.#frames.tagAt(screen) !== null;
    this.#table.stage.pointerAs(handle ? this.#cursorFor(handle) : isOnTag ? "move" : null);
  }

  /** What is chosen stands in a frame, with its handles. @param {CanvasRenderingContext2D} pen @param {import("../stage/stage.js").TableStage} stage */
  paint(pen, stage) {
    const { chosen } = this.#table;
    if (!chosen) return;
    const { zoom } = stage.camera;
    const { thing } = chosen;
    const box = chosen.kind === "map" ? this.#table.thing?.box : chosen.kind === "frame" ? boxAround(thing.rect) : null;
    if (box) paintFrame(pen, box, zoom);
    const held = this.#held;
    paintHandles(pen, this.#handles(), { zoom, held: held?.grip.handle ?? null });
    if (held?.moved && held.grip.words !== "") paintReadout(pen, held.at, held.grip.words, zoom);
  }

  /** @param {import("../stage/geometry.js").Point} scene @param {import("../stage/geometry.js").Point} screen @param {boolean} byFinger */
  #gripAt(scene, screen, byFinger) {
    const table = this.#table;
    const { stage } = table;
    const handled = this.#handleAt(scene, byFinger);
    if (handled) {
      const { hit, handle } = handled;
      return hit.kind === "frame" ? this.#frames.grip(hit.id, handle, scene) : new ThingGrip(table, hit, handle, scene);
    }
    const frame = this.#frames.tagAt(screen) ?? this.#frames.edgeAt(scene, byFinger);
    if (frame !== null) {
      table.choose(this.#frames.hit(frame));
      return this.#frames.grip(frame, null, scene);
    }
    const hit = this.#freeOf(thingsOf(stage.hitsAt(scene, byFinger)));
    // Whoever drags a map that is not chosen means to look elsewhere: what lies on it would not fit it any more.
    if (!hit || (hit.kind === "map" && hit.key !== table.chosen?.key)) return null;
    table.choose(hit);
    return new ThingGrip(table, hit, null, scene);
  }

  /** The topmost that may be moved. @param {Hit[]} hits */
  #freeOf(hits) {
    return hits.find(({ kind, thing }) => kind !== "map" || !isLocked(this.#table.live.state.scene, thing));
  }

  /** @returns {Handle[]} */
  #handles() {
    const { chosen, thing, stage, live } = this.#table;
    if (!chosen) return [];
    if (chosen.kind === "frame") return handlesOfFrame(chosen.thing.rect);
    if (chosen.kind === "marker" && thing) return handlesOfMarker(thing, stage.camera);
    if (chosen.kind === "map" && thing?.box && !isLocked(live.state.scene, thing)) return handlesOfMap(thing.box, stage.camera);
    return [];
  }

  /** @param {import("../stage/geometry.js").Point} point @param {boolean} byFinger */
  #handleAt(point, byFinger) {
    const { chosen, thing, stage } = this.#table;
    const handle = handleAt(this.#handles(), point, (byFinger ? REACH_OF_FINGERS : REACH) / stage.camera.zoom);
    return handle && chosen ? { handle, hit: { ...chosen, thing: thing ?? chosen.thing } } : null;
  }

  /** @param {Handle} handle */
  #cursorFor({ does, x, y }) {
    if (does === "turn") return "grab";
    const { chosen, thing } = this.#table;
    const middle = chosen?.kind === "frame" ? boxAround(chosen.thing.rect) : thing;
    if (!middle) return "move";
    const eighth = Math.round(Math.atan2(y - middle.y, x - middle.x) / (Math.PI / 4));
    return ["ew", "nwse", "ns", "nesw"][((eighth % 4) + 4) % 4] + "-resize";
  }
}

/** Fog is not taken by hand. @param {Hit[]} hits */
const thingsOf = (hits) => hits.filter(({ kind }) => kind !== "fog");
