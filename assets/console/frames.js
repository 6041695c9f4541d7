// What screens show, as frames on the GM's table that can be moved.

import { aim } from "../display/aim.js";
import { Camera } from "../stage/camera.js";
import { colorOf } from "../stage/follow.js";
import { cornersOf, distanceToLine, inRect, meet } from "../stage/geometry.js";
import { boxAround, sizedFrame } from "../stage/handles.js";
import { keyOf } from "../stage/hit.js";
import { INK, font, plate, trace, widthOf } from "../stage/paint/ink.js";

/**
 * @typedef {import("../stage/geometry.js").Point} Point
 * @typedef {import("../stage/geometry.js").Rect} Rect
 * @typedef {{ id: string, name: string, rect: Rect, isOwn: boolean }} Frame `isOwn`: the GM has framed it, else the screen
 *   shows everything
 */

/** The others' screens are told no more often, in milliseconds. */
const EVERY = 80;
/** CSS pixels beside a frame's line that are still on it. */
const REACH = 7;
const REACH_OF_FINGERS = 16;
const TAG = { size: 14, height: 26 };
/** What a screen is taken for that has not told its size. */
const USUAL = { width: 1920, height: 1080 };

/**
 * What of the scene can be seen on a screen.
 *
 * @param {{ width?: number, height?: number } | undefined} device in CSS pixels
 * @param {{ view?: Rect | null, rotation?: number }} state as the GM has set it
 * @param {{ extent: Rect, cell: number }} scene
 * @returns {Rect}
 */
export function rectOn(device, state, { extent, cell }) {
  const camera = new Camera();
  const { width, height } = device && Number(device.width) > 0 && Number(device.height) > 0 ? /** @type {any} */ (device) : USUAL;
  camera.resize(width, height);
  aim(camera, state, { extent, cell, inch: null });
  return camera.seen();
}

export class Frames {
  isShown = true;
  #table;
  /** Where frames are while they are moved. @type {Map<string, Rect>} */ #moved = new Map();
  /** Where the names are drawn, on the stage. @type {Map<string, Rect>} */ #tags = new Map();
  /** What is on its way to a screen. @type {Map<string, { rect: Rect | null, isNew: boolean }>} */ #told = new Map();

  /** @param {import("./table.js").GmTable} table */
  constructor(table) {
    this.#table = table;
  }

  /** @returns {Frame[]} */
  get list() {
    const { stage, live } = this.#table;
    const { members, displays, scene } = live.state;
    if (scene === null) return [];
    const place = { extent: stage.extentFor(false), cell: stage.grid.cell };
    return /** @type {any[]} */ (members).filter(({ role }) => role === "display").map(({ id, name, device }) => {
      const state = displays[id] ?? {};
      return { id, name: state.name ?? name, rect: this.#moved.get(id) ?? rectOn(device, state, place), isOwn: this.#moved.has(id) || Boolean(state.view) };
    });
  }

  /** As something to choose. @param {string} id @returns {any} null for a screen that is gone */
  hit(id) {
    const thing = this.list.find((frame) => frame.id === id);
    return thing ? { kind: "frame", key: keyOf(/** @type {any} */ ("frame"), id), id, thing } : null;
  }

  /** The frame whose name is there. @param {Point} screen on the stage @returns {string | null} */
  tagAt(screen) {
    if (!this.isShown) return null;
    for (const [id, tag] of this.#tags) if (inRect(tag, screen)) return id;
    return null;
  }

  /** Whether the frame that is chosen has its line there. @param {Point} point @param {boolean} byFinger @returns {string | null} */
  edgeAt(point, byFinger) {
    const { chosen, stage } = this.#table;
    if (chosen?.kind !== "frame") return null;
    const corners = cornersOf(boxAround(chosen.thing.rect));
    const reach = (byFinger ? REACH_OF_FINGERS : REACH) / stage.camera.zoom;
    return distanceToLine([...corners, corners[0]], point) <= reach ? chosen.id : null;
  }

  /**
   * @param {string} id
   * @param {import("../stage/handles.js").Handle | null} handle null: the frame itself
   * @param {Point} from
   * @returns {import("./grips.js").Grip}
   */
  grip(id, handle, from) {
    const { rect } = /** @type {any} */ (this.hit(id)).thing;
    const { cell } = this.#table.stage.grid;
    const before = this.#table.live.state.displays[id]?.view ?? null;
    const grip = {
      handle,
      words: "",
      drag: (/** @type {import("../stage/stage.js").Press} */ { scene }) => {
        const by = { x: scene.x - from.x, y: scene.y - from.y };
        const to = handle === null ? { ...rect, x: rect.x + by.x, y: rect.y + by.y }
          : sizedFrame(rect, handle.nth, { x: handle.x + by.x, y: handle.y + by.y }, cell);
        grip.words = `${Math.round(to.width / cell * 10) / 10} × ${Math.round(to.height / cell * 10) / 10} cells`;
        this.show(id, to);
      },
      drop: () => {},
      stop: () => {
        this.#moved.delete(id);
        this.#tell(id, before);
      },
    };
    return grip;
  }

  /** Lets a screen show a part. @param {string} id @param {Rect | null} rect null: everything */
  show(id, rect) {
    if (rect) this.#moved.set(id, rect);
    else this.#moved.delete(id);
    this.#tell(id, rect);
    this.#refresh();
  }

  /** The screens, or what they show, are others now. */
  refresh() {
    for (const id of this.#moved.keys()) if (!this.#told.has(id)) this.#moved.delete(id);
    this.#refresh();
  }

  /**
   * Draws the frames.
   *
   * @param {CanvasRenderingContext2D} pen
   * @param {import("../stage/stage.js").TableStage} stage
   */
  paint = (pen, stage) => {
    this.#tags.clear();
    if (!this.isShown) return;
    const { camera } = stage;
    const { zoom } = camera;
    const seen = camera.seen();
    for (const { id, name, rect, isOwn } of this.list) {
      const color = colorOf(id);
      pen.save();
      pen.beginPath();
      trace(pen, cornersOf(boxAround(rect)));
      for (const [ink, width] of /** @type {[string, number][]} */ ([[INK.edge, 4], [color, 2]])) {
        pen.strokeStyle = ink;
        pen.lineWidth = width / zoom;
        if (!isOwn) pen.setLineDash([12 / zoom, 8 / zoom]);
        pen.stroke();
      }
      pen.restore();
      if (meet(rect, seen)) this.#paintTag(pen, camera, { id, color, words: isOwn ? name : `${name}: everything`, corner: camera.toScreen(rect) });
    }
  };

  /** @param {CanvasRenderingContext2D} pen @param {Camera} camera @param {{ id: string, color: string, words: string, corner: Point }} tag */
  #paintTag(pen, camera, { id, color, words, corner }) {
    pen.save();
    pen.font = font(TAG.size);
    const width = widthOf(pen, words) + TAG.size * 1.5;
    const tag = {
      x: Math.min(Math.max(4, corner.x + 4), camera.width - width - 4),
      y: Math.min(Math.max(4, corner.y + 4), camera.height - TAG.height - 4), width, height: TAG.height,
    };
    // Of several screens that show the same, each has its name below the other's.
    while ([...this.#tags.values()].some((other) => meet(other, tag))) tag.y += TAG.height + 2;
    this.#tags.set(id, tag);
    const middle = camera.toScene({ x: tag.x + tag.width / 2, y: tag.y + tag.height / 2 });
    pen.translate(middle.x, middle.y);
    pen.scale(1 / camera.zoom, 1 / camera.zoom);
    plate(pen, words, { y: 0, size: TAG.size, rim: color });
    pen.restore();
  }

  /** One at a time, the newest always; a screen that lags does not make others wait. @param {string} id @param {Rect | null} rect */
  #tell(id, rect) {
    const told = this.#told.get(id);
    if (told) {
      Object.assign(told, { rect, isNew: true });
      return;
    }
    const news = { rect, isNew: true };
    this.#told.set(id, news);
    const send = async () => {
      news.isNew = false;
      const view = news.rect && { x: round(news.rect.x), y: round(news.rect.y), width: round(news.rect.width), height: round(news.rect.height) };
      await this.#table.live.display({ target: id, action: "view", ...(view && { view }) }).catch((error) => this.#table.trouble(error));
      if (news.isNew) return void setTimeout(send, EVERY);
      this.#told.delete(id);
      this.refresh();
    };
    send();
  }

  #refresh() {
    const { chosen } = this.#table;
    if (chosen?.kind === "frame") {
      const hit = this.hit(chosen.id);
      if (hit === null) this.#table.choose(null);
      else this.#table.renew(hit);
    }
    this.#table.stage.invalidate("overlay");
  }
}

/** @param {number} value */
const round = (value) => Math.round(value * 100) / 100;
