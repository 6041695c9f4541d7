// The keys that move the view, with their words for those who look them up.

/** How far arrow keys move the view, in CSS pixels. */
const STEP = 60;
/** A step of zooming. */
const ZOOM = 1.25;

/**
 * @typedef {object} ViewKey
 * @property {string[]} shown as they are printed on keyboards
 * @property {string} words
 * @property {Record<string, (stage: import("./stage.js").TableStage) => void>} keys by `KeyboardEvent.key`
 */

/** @type {ViewKey[]} */
export const VIEW_KEYS = [
  { shown: ["←", "→", "↑", "↓"], words: "Move the view", keys: { ArrowLeft: pan(STEP, 0), ArrowRight: pan(-STEP, 0), ArrowUp: pan(0, STEP), ArrowDown: pan(0, -STEP) } },
  { shown: ["+", "−"], words: "Zoom in and out", keys: { "+": zoom(ZOOM), "=": zoom(ZOOM), "-": zoom(1 / ZOOM) } },
  { shown: ["0"], words: "Show everything", keys: { 0: (stage) => stage.fit() } },
];

/** @param {number} dx @param {number} dy @returns {(stage: import("./stage.js").TableStage) => void} */
function pan(dx, dy) {
  return (stage) => {
    stage.camera.pan(dx, dy);
    stage.moved();
  };
}

/** @param {number} factor @returns {(stage: import("./stage.js").TableStage) => void} */
function zoom(factor) {
  return (stage) => {
    stage.camera.zoomBy(factor);
    stage.moved();
  };
}
