// A picture of everything that lies still, in pieces, so that moving the view costs little more than
// copying. Pieces stand in a plane that is scaled and turned as the view is, but not moved.

/** A piece's side, in canvas pixels. */
const SIDE = 512;
/** While the scale changes, old pieces are stretched; new ones are made when it has rested, and now and then, in milliseconds. */
const REST = 90;
const AT_LEAST = 400;

/**
 * @typedef {[number, number, number, number, number, number]} Matrix as of `setTransform`
 * @typedef {{ x: number, y: number, width: number, height: number }} Area of the plane
 * @typedef {{ column: number, row: number, canvas: HTMLCanvasElement | null }} Tile null: there is nothing on it
 */

export class Tiles {
  #paint;
  /** @type {Map<string, Tile>} */ #tiles = new Map();
  /** Canvases without work. @type {HTMLCanvasElement[]} */ #idle = [];
  /** What the pieces are made for. */ #version = "";
  /** @type {Matrix | null} */ #basis = null;
  /** What the view is now, while the pieces are for another scale. */ #asked = "";
  #askedAt = 0;
  #madeAt = 0;

  /** @param {(pen: CanvasRenderingContext2D, area: Area) => boolean} paint paints what lies still, and says whether there is any; the pen counts the scene's units */
  constructor(paint) {
    this.#paint = paint;
  }

  /**
   * Draws the pieces.
   *
   * @param {CanvasRenderingContext2D} pen
   * @param {Matrix} matrix from the scene to the canvas
   * @param {string} version another one: other things lie still, or lie elsewhere
   * @param {number} now
   * @returns {boolean} whether it has to be drawn again soon, because the scale is changing
   */
  draw(pen, matrix, version, now) {
    const [a, b, c, d, e, f] = matrix;
    /** @type {Matrix} */
    const basis = [a, b, c, d, 0, 0];
    const isOther = this.#basis === null || basis.some((value, i) => value !== /** @type {Matrix} */ (this.#basis)[i]);
    if (isOther && this.#basis !== null && version === this.#version && this.#tiles.size > 0 && !this.#isDue(basis.join(), now)) {
      this.#stretch(pen, matrix, this.#basis);
      return true;
    }
    if (isOther || version !== this.#version) {
      this.#forget(() => true);
      [this.#basis, this.#version, this.#madeAt, this.#asked] = [basis, version, now, ""];
    }
    const { width, height } = pen.canvas;
    const [x, y] = [Math.round(e), Math.round(f)];
    const [left, top] = [Math.floor(-x / SIDE), Math.floor(-y / SIDE)];
    const [right, bottom] = [Math.floor((width - 1 - x) / SIDE), Math.floor((height - 1 - y) / SIDE)];
    const columns = right - left + 1;
    this.#forget(({ column, row }) =>
      column < left - columns || column > right + columns || row < top - 2 || row > bottom + 2);
    pen.setTransform(1, 0, 0, 1, 0, 0);
    for (let row = top; row <= bottom; row++) {
      for (let column = left; column <= right; column++) {
        const { canvas } = this.#tile(column, row, basis);
        if (canvas) pen.drawImage(canvas, column * SIDE + x, row * SIDE + y);
      }
    }
    return false;
  }

  /** Makes everything anew next time. */
  clear() {
    this.#forget(() => true);
    this.#basis = null;
    this.#idle = [];
  }

  /** @param {string} asked @param {number} now */
  #isDue(asked, now) {
    if (asked !== this.#asked) [this.#asked, this.#askedAt] = [asked, now];
    return now - this.#askedAt > REST || now - this.#madeAt > AT_LEAST;
  }

  /** @param {CanvasRenderingContext2D} pen @param {Matrix} matrix @param {Matrix} made */
  #stretch(pen, matrix, made) {
    const from = new DOMMatrix(made).invertSelf();
    pen.setTransform(new DOMMatrix(matrix).multiplySelf(from));
    for (const { column, row, canvas } of this.#tiles.values()) {
      // A little larger, or lines would show between them.
      if (canvas) pen.drawImage(canvas, column * SIDE - 0.5, row * SIDE - 0.5, SIDE + 1, SIDE + 1);
    }
  }

  /** @param {number} column @param {number} row @param {Matrix} basis @returns {Tile} */
  #tile(column, row, basis) {
    const key = `${column} ${row}`;
    const known = this.#tiles.get(key);
    if (known) return known;
    const canvas = this.#idle.pop() ?? document.createElement("canvas");
    [canvas.width, canvas.height] = [SIDE, SIDE];
    const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    pen.imageSmoothingQuality = "low";
    const [a, b, c, d] = basis;
    pen.setTransform(a, b, c, d, -column * SIDE, -row * SIDE);
    const isMarked = this.#paint(pen, { x: column * SIDE, y: row * SIDE, width: SIDE, height: SIDE });
    if (!isMarked) this.#idle.push(canvas);
    const tile = { column, row, canvas: isMarked ? canvas : null };
    this.#tiles.set(key, tile);
    return tile;
  }

  /** @param {(tile: Tile) => boolean} isGone */
  #forget(isGone) {
    for (const [key, tile] of this.#tiles) {
      if (!isGone(tile)) continue;
      this.#tiles.delete(key);
      if (tile.canvas && this.#idle.length < 32) this.#idle.push(tile.canvas);
    }
  }
}
