import { say } from "../dom.js";
import { colorOf } from "../stage/follow.js";
import { keyOf } from "../stage/hit.js";
import { History } from "./history.js";
import { turn } from "./scene.js";

/** What an entry of the order is called that is dragged onto the map. */
export const ENTRY_TYPE = "application/x-tablekeep-entry";

/**
 * @typedef {import("../stage/hit.js").Hit | { kind: "frame", key: string, id: string, thing: import("./frames.js").Frame }} Chosen
 */

/**
 * What the parts of the console share: the connection, the stage, what is chosen, and the way to
 * change something. Event: `chosen`.
 */
export class GmTable extends EventTarget {
  live;
  stage;
  history;
  /** @type {Chosen | null} */ chosen = null;
  #page;

  /**
   * @param {import("../live.js").Live} live
   * @param {import("../stage/stage.js").TableStage} stage
   * @param {Element} page hears what there is to say
   */
  constructor(live, stage, page) {
    super();
    this.live = live;
    this.stage = stage;
    this.#page = page;
    // With the window, so that it lasts over a reload and no longer.
    this.history = new History(live, { storage: sessionOf(globalThis), key: "tablekeep.history/main" });
  }

  /**
   * @param {string} words what it does, as the GM reads it in “Undo”
   * @param {import("../live/edits.js").Edit[]} edits
   * @returns {Promise<void>} when it is safe, or was refused
   */
  async change(words, edits) {
    if (edits.length === 0) return;
    await this.history.change(words, edits).then(() => this.say("", "done"), (error) => this.trouble(error));
  }

  /** Goes to the next turn, or back. @param {1 | -1} step */
  turn(step) {
    this.change(step > 0 ? "Next turn" : "Previous turn", turn(this.live.state.scene, step));
  }

  /** @param {unknown} error */
  trouble(error) {
    const { message } = /** @type {Error} */ (error);
    this.say(message, "error");
  }

  /** @param {string} text @param {"note" | "error" | "spoken" | "done"} [kind] */
  say(text, kind = "note") {
    say(this.#page, text, kind);
  }

  /** @param {Chosen | null} hit */
  choose(hit) {
    this.chosen = hit;
    this.stage.chosen = new Set(hit ? [hit.key] : []);
    this.stage.invalidate("things", "overlay");
    this.dispatchEvent(new Event("chosen"));
  }

  /** What is chosen has changed, and is still the same. @param {Chosen} hit */
  renew(hit) {
    this.chosen = hit;
    this.stage.invalidate("overlay");
    this.dispatchEvent(new Event("chosen"));
  }

  /** What is chosen where it is drawn now, if it is a thing of the scene. @returns {any} */
  get thing() {
    const { chosen, stage } = this;
    if (chosen === null) return null;
    if (chosen.kind === "map") return stage.maps.find(({ key }) => keyOf("map", key) === chosen.key) ?? null;
    /** @type {{ id: string }[]} */
    const things = chosen.kind === "token" ? stage.tokens : chosen.kind === "marker" ? stage.markers : [];
    return things.find(({ id }) => id === chosen.id) ?? null;
  }

  /** @param {import("../stage/geometry.js").Point} point */
  ping({ x, y }) {
    this.live.hint("ping", "", { x: Math.round(x * 10) / 10, y: Math.round(y * 10) / 10 });
    this.#mark({ x, y });
  }

  /** Pings on this page alone. @param {import("../stage/geometry.js").Point} point */
  #mark({ x, y }) {
    this.stage.passing.ping({ x, y, at: performance.now(), name: "", color: colorOf(this.live.state.you?.id ?? "") });
    this.stage.invalidate("overlay");
  }

  /** The middle of what the GM sees. @returns {import("../stage/geometry.js").Point} */
  get middle() {
    const { x, y } = this.stage.camera;
    return { x, y };
  }

  /** Shows the GM a thing in the middle; nobody else, as it may be hidden. @param {import("../stage/geometry.js").Point} point */
  lookAt(point) {
    this.stage.camera.lookAt(point);
    this.stage.moved();
    this.#mark(point);
  }
}

/** A browser may forbid any storage. @param {{ sessionStorage?: Storage }} page */
function sessionOf(page) {
  try {
    return page.sessionStorage ?? null;
  } catch {
    return null;
  }
}
