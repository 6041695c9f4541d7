// What the GM's keys and buttons do to what is chosen.

import { MOST_SCALE, LEAST_SCALE, feetWithin, fullTurn } from "../stage/handles.js";
import { keyOf } from "../stage/hit.js";
import { gridOf } from "../stage/model.js";
import { homeOf, nameOf, poseEdits, setMarker } from "./pose.js";
import { isLocked, place, removeMap, setEntry, setMap } from "./scene.js";

/** @typedef {import("../live/edits.js").Edit} Edit */

/** A step of a size, and a fine one. */
const STEP = { coarse: 1.1, fine: 1.01 };
const STEP_FEET = { coarse: 5, fine: 1 };
/** Footprints of tokens, in cells across. */
export const FOOTPRINTS = [1, 2, 3];

export class Hands {
  #table;
  #frames;

  /** @param {import("./table.js").GmTable} table @param {import("./frames.js").Frames} frames */
  constructor(table, frames) {
    this.#table = table;
    this.#frames = frames;
  }

  get #scene() {
    return this.#table.live.state.scene;
  }

  /** Moves it by cells. @param {[number, number]} by @param {boolean} fine @returns {boolean} whether there was something to move */
  nudge([across, down], fine) {
    const { chosen, stage } = this.#table;
    if (!chosen) return false;
    const { cell } = stage.grid;
    const far = chosen.kind === "token" || !fine ? cell : cell / 10;
    if (chosen.kind === "frame") {
      const { rect } = chosen.thing;
      this.#frames.show(chosen.id, { ...rect, x: rect.x + across * far, y: rect.y + down * far });
      return true;
    }
    if (this.#isFixed(chosen)) return true;
    // Where it is going to be, and not where it is drawn on its way there.
    const home = homeOf(this.#scene, chosen);
    if (home) this.#table.change(`Moved ${nameOf(chosen)}`, place(this.#scene, chosen, { x: home.x + across * far, y: home.y + down * far }));
    return true;
  }

  /** Makes it larger or smaller. @param {1 | -1} step @param {boolean} fine @returns {boolean} whether there was something */
  grow(step, fine) {
    const { chosen } = this.#table;
    if (!chosen) return false;
    const factor = STEP[fine ? "fine" : "coarse"] ** step;
    if (chosen.kind === "frame") {
      const { x, y, width, height } = chosen.thing.rect;
      this.#frames.show(chosen.id, { x: x + width * (1 - factor) / 2, y: y + height * (1 - factor) / 2, width: width * factor, height: height * factor });
      return true;
    }
    const home = homeOf(this.#scene, chosen);
    if (!home) return true;
    if (chosen.kind === "map") this.scale(home.scale * factor);
    else if (chosen.kind === "marker") this.feet(home.feet + step * STEP_FEET[fine ? "fine" : "coarse"]);
    else if (chosen.kind === "token") {
      const at = FOOTPRINTS.indexOf(Math.round(home.size / gridOf(this.#scene).cell));
      this.footprint(FOOTPRINTS[Math.min(FOOTPRINTS.length - 1, Math.max(0, at + step))]);
    }
    return true;
  }

  /** @param {number} scale of a map */
  scale(scale) {
    this.#pose("Scaled", { scale: Math.round(Math.min(MOST_SCALE, Math.max(LEAST_SCALE, scale)) * 1e4) / 1e4 });
  }

  /** @param {number} feet of an area */
  feet(feet) {
    this.#pose("Scaled", { feet: feetWithin(Math.round(feet)) });
  }

  /** @param {number} cells across a token */
  footprint(cells) {
    const { chosen } = this.#table;
    if (chosen?.kind === "token") this.#table.change(`Scaled ${nameOf(chosen)}`, setEntry(chosen.id, { tokenFootprint: cells }));
  }

  /** @param {number} degrees @returns {boolean} whether there was something to turn */
  turn(degrees) {
    const { chosen } = this.#table;
    if (chosen?.kind !== "map" && chosen?.kind !== "marker") return false;
    const home = homeOf(this.#scene, chosen);
    if (home) this.turnTo(home.rotation + degrees);
    return true;
  }

  /** @param {number} degrees */
  turnTo(degrees) {
    this.#pose("Turned", { rotation: fullTurn(degrees) });
  }

  /** Hides an area or a map from players, or shows it. @returns {boolean} whether there was one */
  flip() {
    const { chosen } = this.#table;
    if (chosen?.kind !== "marker" && chosen?.kind !== "map") return false;
    const home = homeOf(this.#scene, chosen);
    if (!home) return true;
    const isHidden = chosen.kind === "map" ? home.isHidden : !home.isRevealed;
    this.#table.change(isHidden ? `Showed ${nameOf(chosen)}` : `Hid ${nameOf(chosen)}`,
      chosen.kind === "map" ? setMap(this.#scene, home, { isHidden: !isHidden }) : setMarker(chosen.id, { revealed: isHidden }));
    return true;
  }

  /** Other things of an area. @param {string} words @param {Record<string, unknown>} values */
  setMarker(words, values) {
    const { chosen } = this.#table;
    if (chosen?.kind === "marker") this.#table.change(`${words} ${nameOf(chosen)}`, setMarker(chosen.id, values));
  }

  /** Takes it off the table. @returns {boolean} whether there was something */
  remove() {
    const { chosen, stage } = this.#table;
    if (!chosen) return false;
    if (chosen.kind === "frame") {
      this.#frames.show(chosen.id, null);
      this.#table.say(`${chosen.thing.name} shows everything.`);
      return true;
    }
    const name = nameOf(chosen);
    const edits = this.#removal(chosen);
    this.#table.choose(null);
    this.#table.change(chosen.kind === "marker" ? `Removed ${name}` : `Took ${name} off the map`, edits);
    this.#table.say(`${name} is gone; Undo brings it back.`);
    stage.focus({ preventScroll: true });
    return true;
  }

  /** Chooses another thing, one after the other: areas, tokens, maps that are not locked, screens. @param {1 | -1} step */
  next(step) {
    const { stage, chosen } = this.#table;
    const things = [
      ...stage.markers.map((thing) => ({ kind: "marker", key: keyOf("marker", thing.id), id: thing.id, thing })),
      ...stage.tokens.map((thing) => ({ kind: "token", key: keyOf("token", thing.id), id: thing.id, thing })),
      ...stage.maps.filter((map) => !isLocked(this.#scene, map)).map((thing) => ({ kind: "map", key: keyOf("map", thing.key), id: thing.name, thing })),
      ...(this.#frames.isShown ? this.#frames.list.map(({ id }) => this.#frames.hit(id)) : []),
    ];
    if (things.length === 0) return this.#table.say("There is nothing to choose.");
    const at = things.findIndex(({ key }) => key === chosen?.key);
    const next = things[at < 0 ? (step > 0 ? 0 : things.length - 1) : (at + step + things.length) % things.length];
    this.#table.choose(next);
    this.#table.say(`${nameOf(next)}, ${{ marker: "an area", token: "a token", map: "a map", frame: "a screen" }[/** @type {string} */ (next.kind)]}`, "spoken");
  }

  /** Shows all where what is chosen is, or else the middle of the view. */
  ping() {
    const { thing, middle } = this.#table;
    this.#table.ping(thing ?? middle);
  }

  /** @param {string} words @param {Partial<import("../stage/motion.js").Pose>} pose */
  #pose(words, pose) {
    const { chosen } = this.#table;
    if (!chosen || chosen.kind === "frame" || this.#isFixed(chosen)) return;
    this.#table.change(`${words} ${nameOf(chosen)}`, poseEdits(this.#scene, chosen, pose));
  }

  /** @param {import("../stage/hit.js").Hit} chosen */
  #isFixed({ kind, thing }) {
    if (kind !== "map" || !isLocked(this.#scene, thing)) return false;
    this.#table.say(`${thing.name} is locked.`);
    return true;
  }

  /** @param {import("../stage/hit.js").Hit} chosen @returns {Edit[]} */
  #removal({ kind, id, thing }) {
    if (kind === "map") return removeMap(this.#scene, thing);
    if (kind === "marker") return [{ op: "delete", path: ["aoeMarkers", { id }] }];
    return [{ op: "delete", path: ["initiativeOrder", { id }, "mapPosition"] }];
  }
}
