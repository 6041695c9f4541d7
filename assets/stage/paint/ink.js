// Letters and colours on the map. Maps are light and dark by night and by day, so these are the same in
// both: light letters on a dark ground of their own.

export const INK = {
  letters: "#f7f2e6",
  ground: "rgb(13 18 19 / 82%)",
  edge: "rgb(13 18 19 / 90%)",
  gold: "#f2c76b",
  mine: "#8fe0ff",
  foe: "#6d2b23",
  foeRim: "#e08a78",
};

/** What players' tokens are filled with; all carry light letters. */
const PLAYERS = ["#1f5a7a", "#5b3a86", "#1d6a4c", "#8a3a5c", "#7a5012", "#2d4fa0", "#116a6e", "#7a3328"];
const FONT = 'system-ui, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "DejaVu Sans", sans-serif';
/** How many widths of words are remembered. */
const KEPT = 500;

/** @param {number} number of the player */
export const playerColor = (number) => PLAYERS[number % PLAYERS.length];

/** @param {number} size CSS pixels @param {number} [weight] */
export const font = (size, weight = 600) => `${weight} ${size}px ${FONT}`;

/** @type {Map<string, number>} */
const widths = new Map();

/**
 * How broad words are, in the pen's present font.
 *
 * @param {CanvasRenderingContext2D} pen
 * @param {string} words
 */
export function widthOf(pen, words) {
  const key = `${pen.font} ${words}`;
  let width = widths.get(key);
  if (width === undefined) {
    width = pen.measureText(words).width;
    if (widths.size >= KEPT) widths.clear();
    widths.set(key, width);
  }
  return width;
}

/**
 * Words on a ground of their own, around the origin. The pen counts CSS pixels.
 *
 * @param {CanvasRenderingContext2D} pen
 * @param {string} words
 * @param {{ x?: number, y: number, size: number, color?: string, ground?: string, rim?: string }} how
 */
export function plate(pen, words, { x = 0, y, size, color = INK.letters, ground = INK.ground, rim }) {
  pen.font = font(size);
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  const width = widthOf(pen, words) + size * 0.9;
  const height = size * 1.45;
  pen.beginPath();
  pen.roundRect(x - width / 2, y - height / 2, width, height, height / 3);
  pen.fillStyle = ground;
  pen.fill();
  if (rim) {
    pen.strokeStyle = rim;
    pen.lineWidth = Math.max(1, size * 0.1);
    pen.stroke();
  }
  pen.fillStyle = color;
  pen.fillText(words, x, y + size * 0.04);
}

/**
 * Words that are not longer than so many letters.
 *
 * @param {string} words
 * @param {number} most
 */
export function shortened(words, most) {
  const letters = [...words];
  return letters.length <= most ? words : `${letters.slice(0, most - 1).join("").trimEnd()}…`;
}

/**
 * Draws in CSS pixels around a point of the scene, turned as the scene is.
 *
 * @param {CanvasRenderingContext2D} pen
 * @param {import("../geometry.js").Point} point
 * @param {number} zoom
 * @param {() => void} draw
 */
export function at(pen, { x, y }, zoom, draw) {
  pen.save();
  pen.translate(x, y);
  pen.scale(1 / zoom, 1 / zoom);
  draw();
  pen.restore();
}

/**
 * @param {CanvasRenderingContext2D | Path2D} path
 * @param {import("../geometry.js").Point[]} points
 * @param {boolean} [closes]
 */
export function trace(path, points, closes = true) {
  points.forEach(({ x, y }, i) => (i === 0 ? path.moveTo(x, y) : path.lineTo(x, y)));
  if (closes) path.closePath();
}
