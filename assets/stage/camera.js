// From the scene to the screen and back.

import { rectAround, turned } from "./geometry.js";

/**
 * @typedef {import("./geometry.js").Point} Point
 * @typedef {import("./geometry.js").Rect} Rect
 */

/** Screen pixels (of CSS) per unit of the scene. */
const SMALLEST = 0.01;
const LARGEST = 40;
/** A scene whose numbers went astray must not take the view with them. */
const FARTHEST = 1e7;

/** Where one looks at the scene from. Screen points are CSS pixels from the view's upper left corner. */
export class Camera {
  /** The point of the scene in the middle of the view. */ x = 0;
  y = 0;
  zoom = 1;
  /** How far the scene is turned on the screen, in degrees. */ rotation = 0;
  width = 1;
  height = 1;

  /** @param {Point} point @returns {Point} */
  toScreen(point) {
    const { x, y } = turned({ x: (point.x - this.x) * this.zoom, y: (point.y - this.y) * this.zoom }, this.rotation);
    return { x: x + this.width / 2, y: y + this.height / 2 };
  }

  /** @param {Point} point @returns {Point} */
  toScene(point) {
    const { x, y } = turned({ x: point.x - this.width / 2, y: point.y - this.height / 2 }, -this.rotation);
    return { x: x / this.zoom + this.x, y: y / this.zoom + this.y };
  }

  /**
   * What `CanvasRenderingContext2D.setTransform` wants.
   *
   * @param {number} ratio canvas pixels per CSS pixel
   * @returns {[number, number, number, number, number, number]}
   */
  matrix(ratio) {
    const scale = this.zoom * ratio;
    const { x: cos, y: sin } = turned({ x: scale, y: 0 }, this.rotation);
    const origin = this.toScreen({ x: 0, y: 0 });
    return [cos, sin, -sin, cos, origin.x * ratio, origin.y * ratio];
  }

  /** What of the scene can be seen at most: the upright rectangle around the view. @returns {Rect} */
  seen() {
    const { width, height } = this;
    const corners = [{ x: 0, y: 0 }, { x: width, y: 0 }, { x: width, y: height }, { x: 0, y: height }];
    return /** @type {Rect} */ (rectAround(corners.map((corner) => this.toScene(corner))));
  }

  /** Moves the scene on the screen. @param {number} dx @param {number} dy CSS pixels */
  pan(dx, dy) {
    const { x, y } = turned({ x: dx, y: dy }, -this.rotation);
    this.lookAt({ x: this.x - x / this.zoom, y: this.y - y / this.zoom });
  }

  /**
   * Zooms so that what is under a point of the screen stays there.
   *
   * @param {number} factor
   * @param {Point} [at] else the middle
   */
  zoomBy(factor, at = { x: this.width / 2, y: this.height / 2 }) {
    if (!Number.isFinite(factor) || factor <= 0) return;
    const before = this.toScene(at);
    this.zoom = clamp(this.zoom * factor, SMALLEST, LARGEST);
    const after = this.toScene(at);
    this.lookAt({ x: this.x + before.x - after.x, y: this.y + before.y - after.y });
  }

  /** @param {Point} point comes into the middle */
  lookAt({ x, y }) {
    if (!Number.isFinite(x) || !Number.isFinite(y)) return;
    this.x = clamp(x, -FARTHEST, FARTHEST);
    this.y = clamp(y, -FARTHEST, FARTHEST);
  }

  /**
   * Shows all of a rectangle, as large as it goes, turned as the view is.
   *
   * @param {Rect} rect
   * @param {number} [margin] CSS pixels that stay free on every side
   */
  fit({ x, y, width, height }, margin = 0) {
    const { x: cos, y: sin } = turned({ x: 1, y: 0 }, this.rotation);
    const across = Math.abs(width * cos) + Math.abs(height * sin);
    const down = Math.abs(width * sin) + Math.abs(height * cos);
    const free = (/** @type {number} */ side) => Math.max(1, side - 2 * margin);
    const zoom = Math.min(free(this.width) / Math.max(across, 1e-6), free(this.height) / Math.max(down, 1e-6));
    this.zoom = clamp(zoom, SMALLEST, LARGEST);
    this.lookAt({ x: x + width / 2, y: y + height / 2 });
  }

  /** @param {number} width @param {number} height the view's, in CSS pixels */
  resize(width, height) {
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
  }
}

/** @param {number} value @param {number} low @param {number} high */
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
