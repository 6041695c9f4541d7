// The table on the screen: maps, grid, markers, tokens, fog, and what passes, on three canvases.

import { Camera } from "./camera.js";
import { meet } from "./geometry.js";
import { Gestures } from "./gestures.js";
import { Ground } from "./ground.js";
import { asPainted, hitsAt, keyOf } from "./hit.js";
import { VIEW_KEYS } from "./keys.js";
import { feetAlong, inFeet, ruleOf } from "./measure.js";
import { boxOf, extentOf, fogsOf, gridOf, lengthOf, mapsOf, markersOf, tokensOf } from "./model.js";
import { paintPing, paintPointer, paintWay } from "./paint/passing.js";
import { fogPaths, paintFog, paintMarker, paintMarkerName, paintToken, paintTokenName } from "./paint/things.js";
import { Passing } from "./passing.js";
import { Places } from "./places.js";

/**
 * @typedef {import("./geometry.js").Point} Point
 * @typedef {import("./geometry.js").Rect} Rect
 * @typedef {import("./model.js").Token} Token
 * @typedef {import("./hit.js").Hit} Hit
 * @typedef {import("./motion.js").Pose} Pose
 * @typedef {"ground" | "things" | "overlay"} Layer
 *
 * @typedef {{ screen: Point, scene: Point, event: PointerEvent }} Press
 *
 * @typedef {object} Tool what pointers do instead of moving the view; all are optional
 * @property {(press: Press) => boolean} [down] whether the tool takes this pointer; then it hears of the rest
 * @property {(press: Press) => void} [move]
 * @property {(press: Press) => void} [up]
 * @property {() => void} [cancel] a second finger came, or the browser took the pointer away
 * @property {(press: Press) => void} [hover] a pointer moves without being pressed
 * @property {(pen: CanvasRenderingContext2D, stage: TableStage, now: number) => void} [paint] over everything, in the scene's units
 * @property {string} [cursor]
 */

/** @type {Layer[]} */
const LAYERS = ["ground", "things", "overlay"];
/** Canvas pixels of one layer; a screen with more is drawn a little coarser. */
const MOST_PIXELS = 8.5e6;
/** CSS pixels beside a thing that still count as on it. */
const REACH = 6;
const REACH_OF_FINGERS = 18;

/**
 * Draws a scene, and tells what is done to it with pointers. Draws only when something has changed.
 *
 * Set `scene` (a document of the contract's model, never changed in place) whenever it is another.
 * Events: `tap` `{screen, scene, hits}`, `hold` (a long press) with the same, `look` when the view
 * has moved, `extent` when what there is to see has become another size.
 */
export class TableStage extends HTMLElement {
  camera = new Camera();
  passing = new Passing();
  /** What others see of fog is seen through by the GM: the share of its opacity. */ fogShare = 1;
  /** Whether hidden maps are drawn, as ghosts. */ showsHidden = false;
  /** Whether tokens have their names. */ names = true;
  /** Whether pointers and keys move the view. */ isInteractive = true;
  /** Keys of things that stand out. @type {Set<string>} */ chosen = new Set();
  /** Entries that belong to whoever looks. @type {Set<string>} */ mine = new Set();
  /** @type {Tool | null} */ #tool = null;
  /** What else stands over everything, whatever the tool. @type {Tool["paint"] | null} */ above = null;
  #places = new Places();
  #ground = new Ground(this.#places);
  /** @type {Record<Layer, HTMLCanvasElement>} */ #canvas;
  /** Layers to be drawn again. @type {Set<Layer>} */ #dirty = new Set(LAYERS);
  #frame = 0;
  #ratio = 1;
  #gone = new AbortController();
  /** @type {any} */ #scene = null;
  #grid = gridOf(null);
  /** @type {import("./model.js").MapThing[]} */ #maps = [];
  /** @type {Token[]} */ #tokens = [];
  /** @type {import("./model.js").Marker[]} */ #markers = [];
  /** @type {import("./model.js").Fog[]} */ #fogs = [];
  /** @type {import("./paint/things.js").FogPaths} */ #fogPaths = [];
  #extent = "";
  /** Whether the view follows what there is to see; ends when somebody moves it. */ #follows = true;
  /** Frames drawn, and the time it took: for measurements. */ drawn = { frames: 0, milliseconds: 0 };

  constructor() {
    super();
    this.#canvas = { ground: canvas(), things: canvas(), overlay: canvas() };
    this.#places.motion.still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  }

  connectedCallback() {
    this.#gone = new AbortController();
    const { signal } = this.#gone;
    // What somebody has put inside, such as buttons, stays in front.
    this.prepend(...LAYERS.map((layer) => this.#canvas[layer]));
    const sizes = new ResizeObserver(() => this.#resize());
    sizes.observe(this);
    signal.addEventListener("abort", () => sizes.disconnect());
    this.#ground.pictures.addEventListener("change", () => this.#picturesCame(), { signal });
    matchMedia("(prefers-reduced-motion: reduce)").addEventListener("change", ({ matches }) => { this.#places.motion.still = matches; }, { signal });
    // A page that was not seen had no frames.
    document.addEventListener("visibilitychange", () => this.invalidate(), { signal });
    if (this.isInteractive) {
      new Gestures(this, this.#canvas.overlay, signal);
      this.addEventListener("keydown", (event) => this.#key(event), { signal });
    }
    this.#resize();
  }

  disconnectedCallback() {
    this.#gone.abort();
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#ground.stop();
  }

  /** The document that is shown. */
  get scene() {
    return this.#scene;
  }

  set scene(scene) {
    const before = this.#scene;
    if (scene === before) return;
    this.#scene = scene;
    const now = performance.now();
    const isOtherScene = before?.id !== scene?.id;
    const oldGrid = this.#grid;
    if (before?.gridSettings !== scene?.gridSettings || before === null) this.#grid = gridOf(scene);
    const isOtherGrid = oldGrid.cell !== this.#grid.cell;
    const changed = (/** @type {string} */ list) => isOtherGrid || before?.[list] !== scene?.[list];
    if (changed("maps") || oldGrid !== this.#grid) {
      this.#maps = mapsOf(scene, this.#grid);
      this.#dirty.add("ground");
    }
    if (changed("initiativeOrder") || oldGrid !== this.#grid || before?.showCurrentPlayer !== scene?.showCurrentPlayer) {
      this.#tokens = tokensOf(scene, this.#grid);
    }
    if (changed("aoeMarkers")) this.#markers = markersOf(scene, this.#grid);
    if (changed("fogOfWar")) {
      this.#fogs = fogsOf(scene, this.#grid);
      this.#fogPaths = fogPaths(this.#fogs);
    }
    this.#places.settle(this.#homes(), now, isOtherScene);
    if (isOtherScene) this.#follows = true;
    this.#ground.keep(this.#shownMaps());
    this.#extentMayChange();
    this.#dirty.add("things").add("overlay");
    this.#schedule();
  }

  get grid() {
    return this.#grid;
  }

  /** The tokens where they are drawn now. */
  get tokens() {
    return this.#posed("token", this.#tokens, ({ id }) => id);
  }

  get markers() {
    return this.#posed("marker", this.#markers, ({ id }) => id).map((marker) => ({ ...marker, length: lengthOf(marker.feet, this.#grid) }));
  }

  get fogs() {
    return this.#fogs;
  }

  /** The maps where they are drawn now, each with its box once its picture's size is known. */
  get maps() {
    return this.#posed("map", this.#shownMaps(), ({ key }) => key).map((map) => {
      const size = this.#ground.sizeOf(map);
      return { ...map, box: size && boxOf(map, size, this.#grid) };
    });
  }

  /** @returns {Tool | null} */
  get tool() {
    return this.#tool;
  }

  set tool(tool) {
    this.#tool?.cancel?.();
    this.#tool = tool;
    this.pointerAs(null);
    this.invalidate("overlay");
  }

  /** Shows the pointer otherwise than the tool has it. @param {string | null} cursor null: as the tool has it */
  pointerAs(cursor) {
    this.#canvas.overlay.style.cursor = cursor ?? this.#tool?.cursor ?? "";
  }

  /** Whether all pictures that are to be seen have come, or will not. */
  get isComplete() {
    return this.#ground.isComplete(this.#shownMaps());
  }

  /** Bytes of decoded pictures. */
  get pictureBytes() {
    return this.#ground.pictures.bytes;
  }

  /**
   * Everything under a point of the scene, the topmost first.
   *
   * @param {Point} point
   * @param {boolean} [byFinger]
   * @returns {Hit[]}
   */
  hitsAt(point, byFinger = false) {
    const { tokens, markers, fogs, maps } = this;
    return hitsAt({ tokens, markers, fogs, maps }, point, (byFinger ? REACH_OF_FINGERS : REACH) / this.camera.zoom);
  }

  /**
   * Shows a thing elsewhere than the scene has it, while it is dragged.
   *
   * @param {string} key as in a hit
   * @param {Partial<Pose> | null} pose null: where the scene has it
   * @param {{ own?: boolean }} [by] `own`: by whoever looks on; it follows at once, and stays until told otherwise
   */
  drag(key, pose, { own = false } = {}) {
    this.#places.drag(key, pose, performance.now(), own);
    this.invalidate(key.startsWith("map:") ? "ground" : "things");
  }

  /** Where a thing is dragged to. @param {string} key @returns {Pose | null} */
  draggedTo(key) {
    return this.#places.draggedTo(key);
  }

  /** Whether the view still shows everything, because nobody has moved it. */
  get isUntouched() {
    return this.#follows;
  }

  /** What there is to see. @returns {Rect} */
  get extent() {
    return this.extentFor(this.showsHidden);
  }

  /** What there is to see for somebody else. @param {boolean} withHidden whether hidden maps count @returns {Rect} */
  extentFor(withHidden) {
    const maps = { ...this.#scene, maps: (this.#scene?.maps ?? []).filter((/** @type {any} */ map) => withHidden || map?.data?.isHidden !== true) };
    return extentOf(maps, this.#grid, (map) => this.#ground.sizeOf(map));
  }

  /** Shows everything, and goes on doing so. @param {number} [margin] CSS pixels */
  fit(margin = 0) {
    this.#follows = true;
    this.camera.fit(this.extent, margin);
    this.#looked();
  }

  /** Shows a part, and stays there. @param {Rect} rect @param {number} [margin] */
  frame(rect, margin = 0) {
    this.#follows = false;
    this.camera.fit(rect, margin);
    this.#looked();
  }

  /** The view was moved from outside: by `camera`'s own methods. */
  moved() {
    this.#follows = false;
    this.#looked();
  }

  /**
   * To be drawn again with the next frame.
   *
   * @param {...Layer} layers all when none is named
   */
  invalidate(...layers) {
    for (const layer of layers.length > 0 ? layers : LAYERS) this.#dirty.add(layer);
    this.#schedule();
  }

  /** Asks again for pictures that did not come. */
  retryPictures() {
    this.#ground.pictures.retry();
  }

  // Where things are

  #shownMaps() {
    return this.showsHidden ? this.#maps : this.#maps.filter(({ isHidden }) => !isHidden);
  }

  /** @returns {[string, Pose][]} */
  #homes() {
    return [
      ...this.#tokens.map(({ id, x, y }) => /** @type {[string, Pose]} */ ([keyOf("token", id), { x, y }])),
      ...this.#markers.map(({ id, x, y, rotation, feet, opacity }) => /** @type {[string, Pose]} */ ([keyOf("marker", id), { x, y, rotation, feet, opacity }])),
      ...this.#maps.map(({ key, x, y, rotation, scale }) => /** @type {[string, Pose]} */ ([keyOf("map", key), { x, y, rotation, scale }])),
    ];
  }

  /**
   * @template {{ x: number, y: number }} T
   * @param {import("./hit.js").Kind} kind
   * @param {T[]} things
   * @param {(thing: T) => string} idOf
   * @returns {T[]}
   */
  #posed(kind, things, idOf) {
    const now = performance.now();
    return things.map((thing) => {
      const pose = this.#places.at(keyOf(kind, idOf(thing)), now);
      return pose ? { ...thing, ...pose } : thing;
    });
  }

  // The view

  #resize() {
    const { clientWidth: width, clientHeight: height } = this;
    if (width === 0 || height === 0) return;
    const before = { ...this.camera.toScene({ x: this.camera.width / 2, y: this.camera.height / 2 }) };
    this.camera.resize(width, height);
    this.#ratio = Math.min(devicePixelRatio || 1, 3, Math.sqrt(MOST_PIXELS / (width * height)));
    for (const layer of LAYERS) {
      this.#canvas[layer].width = Math.round(width * this.#ratio);
      this.#canvas[layer].height = Math.round(height * this.#ratio);
    }
    if (this.#follows) this.camera.fit(this.extent);
    else this.camera.lookAt(before);
    this.#looked();
    // A canvas whose size is set is empty: not until the next frame, but now.
    this.#paint();
  }

  #looked() {
    this.invalidate();
    this.dispatchEvent(new Event("look"));
  }

  #picturesCame() {
    this.#extentMayChange();
    this.invalidate("ground");
  }

  #extentMayChange() {
    const { extent } = this;
    const print = [extent.x, extent.y, extent.width, extent.height].join(" ");
    if (print === this.#extent) return;
    this.#extent = print;
    if (this.#follows) {
      this.camera.fit(extent);
      this.#looked();
    }
    this.dispatchEvent(new Event("extent"));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.target !== this || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const move = VIEW_KEYS.find(({ keys }) => Object.hasOwn(keys, event.key))?.keys[event.key];
    if (!move) return;
    move(this);
    event.preventDefault();
  }

  // Drawing

  #schedule() {
    if (this.#frame !== 0 || !this.isConnected) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#paint();
    });
  }

  #paint() {
    const now = performance.now();
    this.#places.endDrags(now);
    const passes = this.passing.fade(now);
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    if (dirty.includes("ground")) this.#paintGround(this.#begin("ground"), now);
    if (dirty.includes("things")) this.#paintThings(this.#begin("things"), now);
    if (dirty.includes("overlay")) this.#paintOverlay(this.#begin("overlay"), now);
    this.drawn.frames += 1;
    this.drawn.milliseconds += performance.now() - now;

    if (this.#places.isRestless(now, "token", "marker")) this.#dirty.add("things");
    if (this.#places.isRestless(now, "map")) this.#dirty.add("ground");
    if (passes) this.#dirty.add("overlay");
    if (this.#dirty.size > 0) this.#schedule();
  }

  /**
   * A pen on an empty layer that counts the scene's units.
   *
   * @param {Layer} layer
   * @returns {CanvasRenderingContext2D}
   */
  #begin(layer) {
    const { width, height } = this.#canvas[layer];
    const pen = /** @type {CanvasRenderingContext2D} */ (this.#canvas[layer].getContext("2d"));
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.setTransform(...this.camera.matrix(this.#ratio));
    return pen;
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} now */
  #paintGround(pen, now) {
    const view = { camera: this.camera, ratio: this.#ratio, grid: this.#grid, now };
    if (this.#ground.paint(pen, this.#shownMaps(), view)) this.#dirty.add("ground");
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} now */
  #paintThings(pen, now) {
    const { zoom } = this.camera;
    const seen = this.camera.seen();
    const isChosen = (/** @type {string} */ key) => this.chosen.has(key);
    const { markers } = this;
    for (const marker of markers) paintMarker(pen, marker, { zoom, isChosen: isChosen(keyOf("marker", marker.id)) });
    if (this.names) for (const marker of markers) paintMarkerName(pen, marker, zoom);
    // No player disappears in the fog.
    const tokens = asPainted(this.#tokens.map((token) => ({ ...token, ...this.#places.at(keyOf("token", token.id), now) }))
      .filter(({ x, y, size }) => meet({ x: x - 2 * size, y: y - 2 * size, width: 4 * size, height: 4 * size }, seen)));
    const viewOf = (/** @type {Token} */ { id }) => ({ zoom, isMine: this.mine.has(id), isChosen: isChosen(keyOf("token", id)) });
    for (const token of tokens) if (!token.isPlayer) paintToken(pen, token, viewOf(token));
    paintFog(pen, this.#fogPaths, this.fogShare);
    for (const token of tokens) if (token.isPlayer) paintToken(pen, token, viewOf(token));
    if (this.names) for (const token of tokens) paintTokenName(pen, token, viewOf(token));
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} now */
  #paintOverlay(pen, now) {
    const { zoom } = this.camera;
    this.above?.(pen, this, now);
    this.#tool?.paint?.(pen, this, now);
    const rule = ruleOf(this.#scene);
    for (const { points } of this.passing.ways.values()) {
      paintWay(pen, points, points.length > 1 ? inFeet(feetAlong(points, this.#grid.cell, rule)) : "", zoom);
    }
    for (const ping of this.passing.pings) paintPing(pen, ping, { zoom, now, still: this.#places.motion.still });
    for (const pointer of this.passing.pointers.values()) paintPointer(pen, pointer, { zoom, now });
  }
}

function canvas() {
  const element = document.createElement("canvas");
  element.setAttribute("aria-hidden", "true");
  return element;
}
