// Area markers, tokens and fog.

import { twiceArea } from "../geometry.js";
import { innerLinesOf, labelPlaceOf, outlineOf } from "../shapes.js";
import { INK, at, font, plate, playerColor, shortened, trace } from "./ink.js";

/** Below this radius, in CSS pixels, a token is a plain disc; below the second it has no name. */
const TINY = 7;
const SMALL = 13;
/** Areas have no words where a cell is smaller than this. */
const SMALL_CELL = 14;
/** The longest name under a token, in letters. */
const LONGEST_NAME = 22;
const HEALTH = /** @type {const} */ ({
  unhurt: { color: "#5fd18b", part: 1 },
  hurt: { color: "#f0c64e", part: 0.7 },
  bloodied: { color: "#ff7a52", part: 0.4 },
  dying: { color: "#ff4d3d", part: 0.12 },
  down: { color: "#9aa3a0", part: 0 },
});

/**
 * @param {CanvasRenderingContext2D} pen counts the scene's units
 * @param {import("../model.js").Marker} marker
 * @param {{ zoom: number, isChosen: boolean }} view
 */
export function paintMarker(pen, marker, { zoom, isChosen }) {
  const { color, opacity, label, isRevealed } = marker;
  pen.save();
  pen.beginPath();
  trace(pen, outlineOf(marker));
  pen.fillStyle = color;
  pen.globalAlpha = isRevealed ? opacity : opacity * 0.45;
  pen.fill();
  pen.globalAlpha = 1;
  pen.lineJoin = "round";
  pen.lineWidth = (isChosen ? 5 : 4) / zoom;
  pen.strokeStyle = isChosen ? INK.gold : INK.edge;
  if (!isRevealed) pen.setLineDash([10 / zoom, 7 / zoom]);
  pen.stroke();
  pen.lineWidth = 2 / zoom;
  pen.strokeStyle = color;
  pen.stroke();
  for (const line of innerLinesOf(marker)) {
    pen.beginPath();
    trace(pen, line, false);
    pen.stroke();
  }
  pen.restore();
}

/**
 * A marker's words.
 *
 * @param {CanvasRenderingContext2D} pen
 * @param {import("../model.js").Marker} marker
 * @param {number} zoom
 */
export function paintMarkerName(pen, marker, zoom) {
  const words = [marker.label, marker.isRevealed ? "" : "(hidden)"].filter(Boolean).join(" ");
  const size = Math.min(22, Math.max(11, marker.breadth * zoom * 0.28));
  if (words === "" || marker.breadth * zoom < SMALL_CELL) return;
  at(pen, labelPlaceOf(marker), zoom, () => plate(pen, shortened(words, 30), { y: 0, size, rim: marker.color }));
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {import("../model.js").Token} token
 * @param {{ zoom: number, isMine: boolean, isChosen: boolean }} view
 */
export function paintToken(pen, token, { zoom, isMine, isChosen }) {
  const radius = radiusOf(token, zoom);
  at(pen, token, zoom, () => {
    const isDown = token.health === "down";
    if (isDown) pen.globalAlpha = 0.75;
    if (token.isCurrent || isChosen) paintGlow(pen, radius, isChosen && !token.isCurrent ? INK.mine : INK.gold);
    disc(pen, radius, token.isPlayer ? playerColor(token.number) : INK.foe);
    pen.lineWidth = Math.max(1.5, radius * 0.1);
    pen.strokeStyle = token.isCurrent ? INK.gold : isMine ? INK.mine : token.isPlayer ? INK.letters : INK.foeRim;
    pen.stroke();
    if (radius >= TINY) {
      pen.font = font(radius * (token.isPlayer ? 0.8 : 0.72), 700);
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      pen.fillStyle = INK.letters;
      pen.fillText(initials(token.name), 0, radius * 0.05);
    }
    if (token.health !== null) paintHealth(pen, radius, token.health);
    pen.globalAlpha = 1;
    if (token.isCurrent) paintArrow(pen, radius);
  });
}

/**
 * A token's words, over all other tokens.
 *
 * @param {CanvasRenderingContext2D} pen
 * @param {import("../model.js").Token} token
 * @param {{ zoom: number, isMine: boolean, isChosen: boolean }} view
 */
export function paintTokenName(pen, token, { zoom, isMine, isChosen }) {
  const radius = radiusOf(token, zoom);
  at(pen, token, zoom, () => {
    if (token.conditions.length > 0 && radius >= SMALL) paintConditions(pen, radius, token.conditions);
    if (token.name === "" || (radius < SMALL && !token.isCurrent && !isMine && !isChosen)) return;
    const size = Math.min(24, Math.max(10, radius * 0.5));
    const rim = token.isCurrent ? INK.gold : isMine ? INK.mine : undefined;
    plate(pen, shortened(token.name, LONGEST_NAME), { y: radius + size * 1.15, size, rim });
  });
}

/** @param {import("../model.js").Token} token @param {number} zoom in CSS pixels */
const radiusOf = (token, zoom) => Math.max(3, token.size * zoom / 2 * 0.9);

/**
 * All fog, each colour in one go, so that pieces that overlap do not get darker.
 *
 * @param {CanvasRenderingContext2D} pen
 * @param {FogPaths} paths
 * @param {number} share of its opacity: the GM sees through it
 */
export function paintFog(pen, paths, share) {
  pen.save();
  for (const { path, color, opacity } of paths) {
    pen.globalAlpha = opacity * share;
    pen.fillStyle = color;
    pen.fill(path, "nonzero");
  }
  pen.restore();
}

/** @typedef {{ path: Path2D, color: string, opacity: number }[]} FogPaths */

/**
 * @param {import("../model.js").Fog[]} fogs
 * @returns {FogPaths}
 */
export function fogPaths(fogs) {
  /** @type {Map<string, FogPaths[number]>} */
  const groups = new Map();
  for (const { points, color, opacity } of fogs) {
    const key = `${opacity} ${color}`;
    const group = groups.get(key) ?? { path: new Path2D(), color, opacity };
    groups.set(key, group);
    // Pieces that go round in opposite ways would undo each other where they overlap.
    trace(group.path, twiceArea(points) < 0 ? [...points].reverse() : points);
  }
  return [...groups.values()];
}

/** The first letters of a name, with the number that tells goblins apart. @param {string} name */
export function initials(name) {
  const words = name.trim().split(/\s+/).filter(Boolean);
  if (words.length === 0) return "?";
  const number = words.length > 1 && /^#?\d{1,2}$/.test(words[words.length - 1]) ? words[words.length - 1].replace("#", "") : null;
  const first = [...words[0]][0];
  const second = number ?? (words.length > 1 ? [...words[words.length - 1]][0] : "");
  return (first + second).toUpperCase();
}

/** @param {CanvasRenderingContext2D} pen @param {number} radius @param {string} color */
function disc(pen, radius, color) {
  pen.beginPath();
  pen.arc(0, 0, radius + Math.max(1, radius * 0.08), 0, 2 * Math.PI);
  pen.fillStyle = INK.edge;
  pen.fill();
  pen.beginPath();
  pen.arc(0, 0, radius * 0.96, 0, 2 * Math.PI);
  pen.fillStyle = color;
  pen.fill();
}

/** @param {CanvasRenderingContext2D} pen @param {number} radius @param {string} color */
function paintGlow(pen, radius, color) {
  pen.save();
  pen.globalAlpha = 0.45;
  pen.beginPath();
  pen.arc(0, 0, radius * 1.22 + 2, 0, 2 * Math.PI);
  pen.fillStyle = color;
  pen.fill();
  pen.restore();
}

/** A bar that is shorter the worse it is, so that it does not speak by colour alone; a cross for who is down.
 * @param {CanvasRenderingContext2D} pen @param {number} radius @param {import("../model.js").Looks} health */
function paintHealth(pen, radius, health) {
  const { color, part } = HEALTH[health];
  if (health === "down") {
    const arm = radius * 0.62;
    for (const [width, style] of /** @type {const} */ ([[0.3, INK.edge], [0.17, "#ff8d78"]])) {
      pen.beginPath();
      pen.moveTo(-arm, -arm);
      pen.lineTo(arm, arm);
      pen.moveTo(arm, -arm);
      pen.lineTo(-arm, arm);
      pen.lineCap = "round";
      pen.lineWidth = radius * width;
      pen.strokeStyle = style;
      pen.stroke();
    }
    return;
  }
  if (radius < TINY) return;
  const [width, height] = [radius * 1.3, Math.max(3, radius * 0.17)];
  const y = radius * 0.6;
  pen.beginPath();
  pen.roundRect(-width / 2 - 1, y - 1, width + 2, height + 2, height);
  pen.fillStyle = INK.edge;
  pen.fill();
  pen.beginPath();
  pen.roundRect(-width / 2, y, width * part, height, height);
  pen.fillStyle = color;
  pen.fill();
}

/** @param {CanvasRenderingContext2D} pen @param {number} radius */
function paintArrow(pen, radius) {
  const size = Math.max(5, radius * 0.34);
  const tip = -radius * 1.2;
  pen.beginPath();
  pen.moveTo(0, tip);
  pen.lineTo(-size, tip - size * 1.2);
  pen.lineTo(size, tip - size * 1.2);
  pen.closePath();
  pen.fillStyle = INK.gold;
  pen.strokeStyle = INK.edge;
  pen.lineWidth = 2;
  pen.stroke();
  pen.fill();
}

/** @param {CanvasRenderingContext2D} pen @param {number} radius @param {string[]} conditions */
function paintConditions(pen, radius, conditions) {
  const size = Math.max(9, radius * 0.36);
  const words = shortened(conditions.join(", "), 24);
  plate(pen, words, { y: -radius - size, size, ground: "rgb(60 25 80 / 90%)" });
}
