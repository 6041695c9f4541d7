// Where a screen looks: what the GM says of it, and its true size.

/**
 * @typedef {import("../stage/camera.js").Camera} Camera
 * @typedef {import("../stage/geometry.js").Rect} Rect
 * @typedef {{ rotation?: number, view?: Rect | null }} Direction what the GM keeps for a screen
 */

/**
 * Turns a camera to what is to be seen.
 *
 * @param {Camera} camera
 * @param {Direction} direction
 * @param {{ extent: Rect, cell: number, inch: number | null }} scene `inch`: CSS pixels in an inch, if a cell is to be one
 */
export function aim(camera, { rotation = 0, view = null }, { extent, cell, inch }) {
  camera.rotation = Number.isFinite(rotation) ? rotation : 0;
  const rect = rectOf(view) ?? extent;
  camera.fit(rect);
  if (inch !== null) camera.zoomBy(inch / cell / camera.zoom);
}

/**
 * @param {any} view as the server tells it, whatever that is
 * @returns {Rect | null} null: everything
 */
function rectOf(view) {
  const { x, y, width, height } = view ?? {};
  return [x, y, width, height].every(Number.isFinite) && width > 0 && height > 0 ? { x, y, width, height } : null;
}
