// A picture of everything that lies still, in pieces, so that moving the view costs little more than
// copying. Pieces stand in a plane that is scaled and turned as the view is, but not moved.

/** A piece's side, in canvas pixels. */
const SIDE = 512;
/** While the scale changes, old pieces are stretched; new ones are made when it has rested, and now and then, in milliseconds. */
const REST = 90;
const AT_LEAST = 400;
/** So long of every frame new ones are made while the old ones are still shown, in milliseconds. */
const SHARE = 6;
/** Canvases that are kept for later. */
const MOST_IDLE = 32;

/**
 * @typedef {[number, number, number, number, number, number]} Matrix as of `setTransform`
 * @typedef {{ x: number, y: number, width: number, height: number }} Area of the plane
 * @typedef {{ column: number, row: number, canvas: HTMLCanvasElement | null }} Tile null: there is nothing on it
 * @typedef {{ left: number, top: number, right: number, bottom: number }} Span columns and rows, all included
 */

export class Tiles {
  #paint;
  /** Canvases without work. @type {HTMLCanvasElement[]} */ #idle = [];
  /** What the pieces are made for. */ #version = "";
  /** What is shown. @type {Plane | null} */ #shown = null;
  /** What is made meanwhile, for a view there was. @type {{ plane: Plane, wanted: Tile[] } | null} */ #coming = null;
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
   * @param {{ lie: string, look: string }} version another `lie`: other things lie still, or lie elsewhere; another `look`:
   *   the same, and finer or coarser
   * @param {number} now
   * @returns {boolean} whether it has to be drawn again soon, because better pieces come
   */
  draw(pen, matrix, { lie, look }, now) {
    if (this.#shown === null || lie !== this.#version) {
      this.clear();
      [this.#shown, this.#version, this.#madeAt] = [this.#plane(matrix, look), lie, now];
    }
    if (!this.#shown.isFor(matrix, look)) this.#prepare(pen, matrix, look, now);
    const isRight = this.#shown.isFor(matrix, look);
    if (isRight) {
      this.#drop(this.#coming?.plane);
      [this.#coming, this.#asked] = [null, ""];
    }
    if (this.#shown.isAt(matrix)) this.#shown.draw(pen, matrix);
    else this.#shown.stretch(pen, matrix);
    return !isRight;
  }

  /** Makes everything anew next time. */
  clear() {
    this.#drop(this.#shown);
    this.#drop(this.#coming?.plane);
    [this.#shown, this.#coming, this.#asked] = [null, null, ""];
  }

  /** Frees everything. */
  stop() {
    this.clear();
    this.#idle = [];
  }

  /**
   * Makes pieces for another scale, a few with every frame, and shows them when there are all.
   *
   * @param {CanvasRenderingContext2D} pen
   * @param {Matrix} matrix
   * @param {string} look
   * @param {number} now
   */
  #prepare({ canvas }, matrix, look, now) {
    if (this.#coming === null) {
      if (!this.#isDue(matrix.slice(0, 4).join() + look, now)) return;
      const plane = this.#plane(matrix, look);
      this.#coming = { plane, wanted: plane.missing(spanOf(canvas, matrix)) };
    }
    const { plane, wanted } = this.#coming;
    const end = performance.now() + SHARE;
    while (wanted.length > 0) {
      plane.make(/** @type {Tile} */ (wanted.pop()));
      if (performance.now() > end) break;
    }
    if (wanted.length > 0) return;
    this.#drop(this.#shown);
    [this.#shown, this.#coming, this.#madeAt] = [plane, null, now];
  }

  /** @param {string} asked @param {number} now */
  #isDue(asked, now) {
    if (asked !== this.#asked) [this.#asked, this.#askedAt] = [asked, now];
    return now - this.#askedAt > REST || now - this.#madeAt > AT_LEAST;
  }

  /** @param {Matrix} matrix @param {string} look */
  #plane(matrix, look) {
    return new Plane(matrix, look, this.#paint, this.#idle);
  }

  /** @param {Plane | null | undefined} plane */
  #drop(plane) {
    plane?.forget(() => true);
  }
}

/** The pieces of one scale. */
class Plane {
  #basis;
  #look;
  #paint;
  #idle;
  /** @type {Map<string, Tile>} */ #tiles = new Map();

  /** @param {Matrix} matrix @param {string} look @param {(pen: CanvasRenderingContext2D, area: Area) => boolean} paint @param {HTMLCanvasElement[]} idle */
  constructor([a, b, c, d], look, paint, idle) {
    this.#look = look;
    this.#basis = /** @type {Matrix} */ ([a, b, c, d, 0, 0]);
    this.#paint = paint;
    this.#idle = idle;
  }

  /** Whether it is for this scale. @param {Matrix} matrix */
  isAt(matrix) {
    return this.#basis.every((value, i) => i > 3 || value === matrix[i]);
  }

  /** Whether it is just what is wanted. @param {Matrix} matrix @param {string} look */
  isFor(matrix, look) {
    return look === this.#look && this.isAt(matrix);
  }

  /** Draws the pieces as they are, and makes those that are not there. @param {CanvasRenderingContext2D} pen @param {Matrix} matrix */
  draw(pen, matrix) {
    const span = spanOf(pen.canvas, matrix);
    const columns = span.right - span.left + 1;
    this.forget(({ column, row }) => column < span.left - columns || column > span.right + columns || row < span.top - 2 || row > span.bottom + 2);
    for (const tile of this.missing(span)) this.make(tile);
    const [x, y] = [Math.round(matrix[4]), Math.round(matrix[5])];
    pen.setTransform(1, 0, 0, 1, 0, 0);
    for (const { column, row, canvas } of this.#tiles.values()) {
      if (canvas && column >= span.left && column <= span.right && row >= span.top && row <= span.bottom) pen.drawImage(canvas, column * SIDE + x, row * SIDE + y);
    }
  }

  /** Draws the pieces at another scale than they are made for. @param {CanvasRenderingContext2D} pen @param {Matrix} matrix */
  stretch(pen, matrix) {
    const from = new DOMMatrix(this.#basis).invertSelf();
    pen.setTransform(new DOMMatrix(matrix).multiplySelf(from));
    for (const { column, row, canvas } of this.#tiles.values()) {
      // A little larger, or lines would show between them.
      if (canvas) pen.drawImage(canvas, column * SIDE - 0.5, row * SIDE - 0.5, SIDE + 1, SIDE + 1);
    }
  }

  /** What is yet to be made. @param {Span} span @returns {Tile[]} */
  missing({ left, top, right, bottom }) {
    /** @type {Tile[]} */
    const tiles = [];
    for (let row = top; row <= bottom; row++) {
      for (let column = left; column <= right; column++) if (!this.#tiles.has(`${column} ${row}`)) tiles.push({ column, row, canvas: null });
    }
    return tiles;
  }

  /** @param {Tile} tile */
  make(tile) {
    const { column, row } = tile;
    const canvas = this.#idle.pop() ?? document.createElement("canvas");
    [canvas.width, canvas.height] = [SIDE, SIDE];
    const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    pen.imageSmoothingQuality = "low";
    const [a, b, c, d] = this.#basis;
    pen.setTransform(a, b, c, d, -column * SIDE, -row * SIDE);
    if (this.#paint(pen, { x: column * SIDE, y: row * SIDE, width: SIDE, height: SIDE })) tile.canvas = canvas;
    else this.#idle.push(canvas);
    this.#tiles.set(`${column} ${row}`, tile);
  }

  /** @param {(tile: Tile) => boolean} isGone */
  forget(isGone) {
    for (const [key, tile] of this.#tiles) {
      if (!isGone(tile)) continue;
      this.#tiles.delete(key);
      if (tile.canvas && this.#idle.length < MOST_IDLE) this.#idle.push(tile.canvas);
    }
  }
}

/** What of a plane is seen. @param {{ width: number, height: number }} canvas @param {Matrix} matrix @returns {Span} */
function spanOf({ width, height }, [, , , , e, f]) {
  const [x, y] = [Math.round(e), Math.round(f)];
  return { left: Math.floor(-x / SIDE), top: Math.floor(-y / SIDE), right: Math.floor((width - 1 - x) / SIDE), bottom: Math.floor((height - 1 - y) / SIDE) };
}
