// The layer of maps: their pictures, where they lie, and the grid on them.

import { mapUrl } from "../api.js";
import { cornersOf, meet, rectAround } from "./geometry.js";
import { keyOf } from "./hit.js";
import { boxOf } from "./model.js";
import { paintGrid, paintMap, paintMissing } from "./paint/ground.js";
import { Pictures } from "./pictures.js";
import { Tiles } from "./tiles.js";

/**
 * @typedef {import("./geometry.js").Box} Box
 * @typedef {import("./geometry.js").Rect} Rect
 * @typedef {import("./model.js").MapThing} MapThing
 * @typedef {{ map: MapThing, url: string, box: Box | null, drawable: import("./pictures.js").Drawable | null, moves: boolean }} Laid
 * @typedef {{ camera: import("./camera.js").Camera, ratio: number, grid: import("./model.js").Grid, now: number }} View
 */

/** Draws maps. Those that lie still are drawn once, below and above those that move. */
export class Ground {
  pictures = new Pictures();
  #places;
  /** @type {Laid[]} */ #under = [];
  /** @type {Laid[]} */ #over = [];
  #underTiles = new Tiles((pen, area) => paintTile(this.#under, pen, area));
  #overTiles = new Tiles((pen, area) => paintTile(this.#over, pen, area));

  /** @param {import("./places.js").Places} places */
  constructor(places) {
    this.#places = places;
  }

  /** @param {MapThing} map @returns {import("./levels.js").Size | null} its picture's, once it is known */
  sizeOf(map) {
    return this.pictures.sizeOf(mapUrl(map));
  }

  /** Whether all pictures have come, or will not. @param {MapThing[]} maps */
  isComplete(maps) {
    return maps.every((map) => (this.pictures.stateOf(mapUrl(map)) ?? "loading") !== "loading");
  }

  /** Gives up pictures of other maps. @param {MapThing[]} maps */
  keep(maps) {
    this.pictures.keep(new Set(maps.map((map) => mapUrl(map))));
  }

  /**
   * @param {CanvasRenderingContext2D} pen
   * @param {MapThing[]} maps
   * @param {View} view
   * @returns {boolean} whether it has to be drawn again with the next frame
   */
  paint(pen, maps, view) {
    const { camera, ratio, grid, now } = view;
    const matrix = camera.matrix(ratio);
    const seen = camera.seen();
    const laid = maps.map((map) => this.#lay(map, seen, view));
    const first = laid.findIndex(({ moves }) => moves);
    const last = laid.findLastIndex(({ moves }) => moves);
    this.#under = first < 0 ? laid : laid.slice(0, first);
    this.#over = first < 0 ? [] : laid.slice(last + 1);
    let goesOn = this.#underTiles.draw(pen, matrix, versionOf(this.#under), now);
    if (first >= 0) {
      pen.setTransform(...matrix);
      for (const map of laid.slice(first, last + 1)) paintLaid(pen, map);
      if (this.#over.length > 0) goesOn = this.#overTiles.draw(pen, matrix, versionOf(this.#over), now) || goesOn;
    }
    pen.setTransform(...matrix);
    for (const { map, url, drawable } of laid) {
      if (!drawable && this.pictures.stateOf(url) === "failed") paintMissing(pen, map, grid.cell, camera.zoom);
    }
    paintGrid(pen, grid, seen, camera.zoom);
    return goesOn || this.pictures.hasFilm;
  }

  /** Frees everything. */
  stop() {
    this.pictures.stop();
    this.#underTiles.stop();
    this.#overTiles.stop();
  }

  /**
   * Where a map lies now, and with what it is drawn.
   *
   * @param {MapThing} map
   * @param {Rect} seen
   * @param {View} view
   * @returns {Laid}
   */
  #lay(map, seen, { camera, ratio, grid, now }) {
    const url = mapUrl(map);
    const key = keyOf("map", map.key);
    const posed = { ...map, ...this.#places.at(key, now) };
    const size = this.pictures.sizeOf(url);
    const box = size && boxOf(posed, size, grid);
    const isSeen = box !== null && meet(/** @type {Rect} */ (rectAround(cornersOf(box))), seen);
    const scale = box && size && isSeen ? box.width / size.width * camera.zoom * ratio : 0;
    const moves = this.#places.draggedTo(key) !== null || posed.x !== map.x || posed.y !== map.y || posed.rotation !== map.rotation
      || posed.scale !== map.scale || this.pictures.isFilm(url);
    return { map, url, box, drawable: this.pictures.look(url, scale), moves };
  }
}

/** @param {CanvasRenderingContext2D} pen @param {Laid} laid */
function paintLaid(pen, { map, box, drawable }) {
  if (box && drawable) paintMap(pen, drawable.image, box, map.isHidden);
}

/**
 * @param {Laid[]} laid
 * @param {CanvasRenderingContext2D} pen
 * @param {import("./tiles.js").Area} area
 */
function paintTile(laid, pen, area) {
  const { a, b, c, d } = pen.getTransform();
  const onPlane = (/** @type {Box} */ box) =>
    /** @type {Rect} */ (rectAround(cornersOf(box).map(({ x, y }) => ({ x: a * x + c * y, y: b * x + d * y }))));
  const onTile = laid.filter(({ box, drawable }) => box && drawable && meet(area, onPlane(box)));
  for (const map of onTile) paintLaid(pen, map);
  return onTile.length > 0;
}

/** Tells what lies still from what lay still before, and how fine it is. @param {Laid[]} laid */
function versionOf(laid) {
  return {
    lie: laid.map(({ map, url, box, drawable }) => [url, map.isHidden, drawable !== null, box?.x, box?.y, box?.width, box?.rotation].join(" ")).join("\n"),
    look: laid.map(({ drawable }) => `${drawable?.width} ${drawable?.height}`).join("\n"),
  };
}
