// What stands in a scene, as things with a place and a size. A scene is an open document that many
// programs write: whatever is missing or odd gets a default here, and nothing throws.
//
// The scene's unit is a pixel of SpellTable's stage. What counts in cells (`useGridCoordinates`) is
// multiplied by the size of a cell: `gridSize`, or with a fixed number of cells, whose size then
// depends on the screen, 50.

import { cornersOf, rectAround, union } from "./geometry.js";
import { outlineOf } from "./shapes.js";

/**
 * @typedef {import("./geometry.js").Point} Point
 * @typedef {import("./geometry.js").Rect} Rect
 * @typedef {import("./geometry.js").Box} Box
 *
 * @typedef {object} Grid
 * @property {boolean} isShown
 * @property {number} cell a cell's side, in units of the scene
 * @property {boolean} isFixed whether the table has a number of cells
 * @property {number} columns
 * @property {number} rows
 * @property {string} color
 * @property {number} opacity
 *
 * @typedef {object} MapThing
 * @property {string} key tells it from the others
 * @property {string} name
 * @property {number} nth of several with this name
 * @property {string} folder
 * @property {number} x its centre
 * @property {number} y
 * @property {boolean} inCells whether it is placed by cells
 * @property {number} scale
 * @property {number} rotation
 * @property {boolean} isHidden
 * @property {"none" | "grid" | "table"} scaling what a scale of 1 is: the picture's own size, that by cells of 50, or
 *   as large as the table
 *
 * @typedef {"unhurt" | "hurt" | "bloodied" | "down"} Health
 * @typedef {Health | "dying"} Looks how a token looks: who is down and still has turns is dying
 *
 * @typedef {object} Token an entry of the initiative order that has a place
 * @property {string} id
 * @property {string} name
 * @property {number} x its centre
 * @property {number} y
 * @property {boolean} inCells
 * @property {number} size its diameter
 * @property {boolean} isPlayer
 * @property {boolean} isCurrent whether it is its turn, and that may be seen
 * @property {Looks | null} health
 * @property {string[]} conditions
 * @property {number} number counts players, to tell their colours apart
 *
 * @typedef {"circle" | "cone" | "line" | "square" | "cube" | "cylinder"} MarkerShape
 *
 * @typedef {object} Marker
 * @property {string} id
 * @property {MarkerShape} shape
 * @property {number} x where it starts (cone, line), else its centre
 * @property {number} y
 * @property {boolean} inCells
 * @property {number} length its size, in units of the scene
 * @property {number} breadth of a line
 * @property {number} feet its size as written
 * @property {number} rotation
 * @property {string} color
 * @property {number} opacity
 * @property {string} label
 * @property {boolean} isRevealed whether players see it
 *
 * @typedef {object} Fog
 * @property {string} id
 * @property {Point[]} points
 * @property {string} color
 * @property {number} opacity
 */

/** A cell's side where the scene does not tell. */
export const CELL = 50;
/** Feet across a cell. */
export const FEET = 5;
/** No area is larger. */
export const MOST_FEET = 1e4;
/** A table without a number of cells is so large, until something lies on it. */
const COLUMNS = 32;
const ROWS = 18;
/** Cells that are worth drawing lines for. */
const MOST_CELLS = 1000;
const SHAPES = ["circle", "cone", "line", "square", "cube", "cylinder"];
const HEALTH = ["unhurt", "hurt", "bloodied", "down"];

/** @param {any} scene @returns {Grid} */
export function gridOf(scene) {
  const settings = object(scene?.gridSettings);
  const isFixed = settings.useFixedGrid === true;
  const size = number(settings.gridSize, CELL);
  return {
    isShown: settings.showGrid !== false,
    cell: isFixed || size <= 0 ? CELL : size,
    isFixed,
    columns: cells(settings.gridCellsX, COLUMNS),
    rows: cells(settings.gridCellsY, ROWS),
    color: color(settings.gridColor, "#ffffff"),
    opacity: fraction(settings.gridOpacity, 0.25),
  };
}

/** The table itself. @param {Grid} grid @returns {Rect} */
export function tableOf({ cell, columns, rows }) {
  return { x: 0, y: 0, width: columns * cell, height: rows * cell };
}

/**
 * The maps, the lowest first.
 *
 * @param {any} scene
 * @param {Grid} grid
 * @returns {MapThing[]}
 */
export function mapsOf(scene, grid) {
  /** @type {Map<string, number>} */
  const seen = new Map();
  return list(scene?.maps).filter((map) => typeof map.name === "string").map((map) => {
    const data = object(map.data);
    const nth = seen.get(map.name) ?? 0;
    seen.set(map.name, nth + 1);
    const inCells = data.useGridCoordinates === true || object(data.position).useGridCoordinates === true;
    const scale = number(data.scale, 1);
    return {
      key: `${nth} ${map.name}`, name: map.name, nth, folder: text(map.folder),
      ...(placeOf(data.position, grid, inCells) ?? { x: 0, y: 0 }), inCells,
      scale: scale > 0 ? scale : 1,
      rotation: number(data.rotation, 0),
      isHidden: (data.isHidden ?? false) !== false,
      scaling: data.useGridScaling !== true ? "none" : grid.isFixed ? "table" : "grid",
    };
  });
}

/**
 * Where a map's picture lies.
 *
 * @param {Pick<MapThing, "x" | "y" | "scale" | "rotation" | "scaling">} map
 * @param {{ width: number, height: number }} picture its size in pixels
 * @param {Grid} grid
 * @returns {Box}
 */
export function boxOf({ x, y, scale, rotation, scaling }, picture, grid) {
  const table = tableOf(grid);
  const unit = {
    none: 1,
    grid: grid.cell / CELL,
    table: Math.min(table.width / picture.width, table.height / picture.height),
  }[scaling];
  return { x, y, width: picture.width * unit * scale, height: picture.height * unit * scale, rotation };
}

/**
 * Entries that stand on the table.
 *
 * @param {any} scene
 * @param {Grid} grid
 * @returns {Token[]}
 */
export function tokensOf(scene, grid) {
  const settings = object(scene?.gridSettings);
  const showsTurn = scene?.showCurrentPlayer !== false;
  let players = 0;
  return entriesOf(scene).flatMap((entry) => {
    const isPlayer = entry.isPlayer === true;
    const count = isPlayer ? players++ : 0;
    const inCells = object(entry.mapPosition).useGridCoordinates === true;
    const place = placeOf(entry.mapPosition, grid);
    if (place === null) return [];
    const footprint = number(entry.tokenFootprint, 0) || (entry.tokenSize === undefined ? number(settings.defaultTokenFootprint, 1) : 0);
    const size = footprint > 0 ? footprint * grid.cell : number(entry.tokenSize, grid.cell);
    return [{
      id: text(entry.id), name: text(entry.name), ...place, inCells,
      size: size > 0 ? size : grid.cell,
      isPlayer,
      isCurrent: showsTurn && entry.isCurrentTurn === true,
      health: healthOf(entry) === "down" && !isOut(entry) ? "dying" : healthOf(entry),
      conditions: Array.isArray(entry.conditions) ? entry.conditions.filter((/** @type {unknown} */ c) => typeof c === "string") : [],
      number: count,
    }];
  });
}

/**
 * All entries of the initiative order that are things.
 *
 * @param {any} scene
 * @returns {Record<string, any>[]}
 */
export const entriesOf = (scene) => list(scene?.initiativeOrder);

/**
 * How somebody looks from outside: as the server says it of those who are not players, and by the
 * same rule from the hit points of those whose points are known.
 *
 * @param {Record<string, any>} entry
 * @returns {Health | null}
 */
export function healthOf(entry) {
  if (entry.isKilled === true) return "down";
  if (HEALTH.includes(entry.health)) return entry.health;
  const hp = numeric(entry.hp);
  if (hp === null) return null;
  const full = numeric(entry.initialHP);
  if (hp <= 0) return "down";
  if (full === null || hp >= full) return "unhurt";
  return hp <= full / 2 ? "bloodied" : "hurt";
}

/**
 * Whether somebody has no turn any more. A player without hit points has one, to fight for their life.
 *
 * @param {Record<string, any>} entry
 */
export const isOut = (entry) => entry.isKilled === true || (entry.isPlayer !== true && healthOf(entry) === "down");

/**
 * @param {any} scene
 * @param {Grid} grid
 * @returns {Marker[]}
 */
export function markersOf(scene, grid) {
  return list(scene?.aoeMarkers).flatMap((marker) => {
    const inCells = marker.useGridCoordinates === true || object(marker.position).useGridCoordinates === true;
    const place = placeOf(marker.position, grid, inCells);
    if (place === null) return [];
    const feet = Math.min(MOST_FEET, Math.max(0, number(marker.sizeInFeet, 20)));
    return [{
      id: text(marker.id),
      shape: SHAPES.includes(marker.shape) ? marker.shape : "circle",
      ...place, inCells, feet,
      length: lengthOf(feet, grid),
      breadth: grid.cell,
      rotation: number(marker.rotation, 0),
      color: color(marker.color, "#ff5a36"),
      opacity: fraction(marker.opacity, 0.4),
      label: text(marker.label),
      isRevealed: (marker.revealed ?? true) === true,
    }];
  });
}

/** So many feet, in units of the scene. @param {number} feet @param {Grid} grid */
export const lengthOf = (feet, { cell }) => feet / FEET * cell;

/**
 * @param {any} scene
 * @param {Grid} grid
 * @returns {Fog[]}
 */
export function fogsOf(scene, grid) {
  return list(scene?.fogOfWar).flatMap((fog) => {
    const inCells = fog.useGridCoordinates === true;
    const points = list(fog.points).flatMap((point) => placeOf(point, grid, inCells) ?? []);
    if (points.length < 3) return [];
    return [{ id: text(fog.id), points, color: color(fog.color, "#000000"), opacity: fraction(fog.opacity, 1) }];
  });
}

/**
 * A place in the scene's units.
 *
 * @param {any} position
 * @param {Grid} grid
 * @param {boolean} [inCells] else as the position says
 * @returns {Point | null} null for none
 */
export function placeOf(position, grid, inCells = object(position).useGridCoordinates === true) {
  const { x, y } = object(position);
  if (!Number.isFinite(x) || !Number.isFinite(y)) return null;
  const unit = inCells ? grid.cell : 1;
  return { x: x * unit, y: y * unit };
}

/**
 * A place as the scene writes it.
 *
 * @param {Point} point in the scene's units
 * @param {Grid} grid
 * @param {boolean} inCells
 * @returns {Point}
 */
export function positionOf({ x, y }, grid, inCells) {
  const unit = inCells ? grid.cell : 1;
  const tidy = (/** @type {number} */ value) => Math.round(value / unit * 1000) / 1000;
  return { x: tidy(x), y: tidy(y) };
}

/**
 * The place next to a point where a token of this size stands on whole cells.
 *
 * @param {Point} point
 * @param {number} size the token's, in the scene's units
 * @param {Grid} grid
 * @returns {Point}
 */
export function snapped({ x, y }, size, { cell }) {
  const across = Math.max(1, Math.round(size / cell));
  const middle = across % 2 === 1 ? cell / 2 : 0;
  const snap = (/** @type {number} */ value) => Math.round((value - middle) / cell) * cell + middle;
  return { x: snap(x), y: snap(y) };
}

/**
 * The place next to a point where an area lies by the grid: squares on whole cells, others with their
 * middle, or where they start, on a corner, a side or the middle of a cell.
 *
 * @param {Point} point
 * @param {Pick<Marker, "shape" | "length">} marker
 * @param {Grid} grid
 * @returns {Point}
 */
export function areaPlace(point, { shape, length }, grid) {
  if (shape === "square" || shape === "cube") return snapped(point, length, grid);
  const half = grid.cell / 2;
  return { x: Math.round(point.x / half) * half, y: Math.round(point.y / half) * half };
}

/** Whether areas stay at such places: they do where a scene says nothing. @param {any} scene */
export const areasSnap = (scene) => object(scene?.gridSettings).aoeSnapToGrid !== false;

/**
 * What to show when nobody says otherwise: the table with its number of cells, else everything that
 * lies on it.
 *
 * @param {any} scene
 * @param {Grid} grid
 * @param {(map: MapThing) => { width: number, height: number } | null} sizeOf a picture's pixels, once they are known
 * @returns {Rect}
 */
export function extentOf(scene, grid, sizeOf) {
  const table = tableOf(grid);
  if (grid.isFixed) return table;
  const maps = mapsOf(scene, grid).flatMap((map) => {
    const size = sizeOf(map);
    return size ? cornersOf(boxOf(map, size, grid)) : [];
  });
  const aroundMaps = rectAround(maps);
  if (aroundMaps) return aroundMaps;
  const things = [
    ...tokensOf(scene, grid).map(({ x, y, size }) => ({ x: x - size, y: y - size, width: 2 * size, height: 2 * size })),
    ...markersOf(scene, grid).flatMap((marker) => rectAround(outlineOf(marker)) ?? []),
    ...fogsOf(scene, grid).flatMap(({ points }) => rectAround(points) ?? []),
  ];
  // Whoever moves about on an empty table does not move the table.
  return /** @type {Rect} */ (union([table, ...things]));
}

/** Whether there is anything to look at. @param {any} scene */
export function isEmpty(scene) {
  const grid = gridOf(scene);
  return list(scene?.maps).length === 0 && tokensOf(scene, grid).length === 0 && markersOf(scene, grid).length === 0
    && fogsOf(scene, grid).length === 0;
}

/** @param {any} value @returns {Record<string, any>} */
const object = (value) => (typeof value === "object" && value !== null && !Array.isArray(value) ? value : {});
/** @param {any} value @returns {Record<string, any>[]} */
const list = (value) => (Array.isArray(value) ? value.filter((element) => typeof element === "object" && element !== null) : []);
/** @param {any} value */
const text = (value) => (typeof value === "string" ? value : typeof value === "number" ? String(value) : "");
/** @param {any} value @param {number} fallback */
const number = (value, fallback) => (Number.isFinite(value) ? value : fallback);
/** Also a number that a form field left as text. @param {any} value */
const numeric = (value) => {
  const read = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return Number.isFinite(read) ? /** @type {number} */ (read) : null;
};
/** @param {any} value @param {number} fallback */
const fraction = (value, fallback) => Math.min(1, Math.max(0, number(value, fallback)));
/** @param {any} value @param {number} fallback */
const cells = (value, fallback) => Math.min(MOST_CELLS, Math.max(1, number(value, fallback)));
/** Any other text might mean "keep the last colour" to a canvas. @param {any} value @param {string} fallback */
const color = (value, fallback) =>
  typeof value === "string" && /^(#[0-9a-f]{3,8}|[a-z]+|(rgb|hsl)a?\([\d\s,.%/]+\))$/i.test(value) ? value : fallback;
