// Fingers, mouse and wheel: a tool's, or else they move the view.

import { distance } from "./geometry.js";

/**
 * @typedef {import("./geometry.js").Point} Point
 * @typedef {import("./stage.js").TableStage} TableStage
 * @typedef {{ start: Point, at: Point, isTools: boolean, hasMoved: boolean, downAt: number, event: PointerEvent }} Finger
 */

/** CSS pixels within which a press has not moved. */
const STEADY = 9;
/** How long a press lasts until it is a long one, in milliseconds. */
const LONG = 480;

export class Gestures {
  #stage;
  #surface;
  /** @type {Map<number, Finger>} */ #fingers = new Map();
  /** @type {any} */ #long = null;

  /**
   * @param {TableStage} stage
   * @param {HTMLElement} surface what is touched
   * @param {AbortSignal} signal
   */
  constructor(stage, surface, signal) {
    this.#stage = stage;
    this.#surface = surface;
    surface.style.touchAction = "none";
    const on = (/** @type {string} */ type, /** @type {(event: any) => void} */ listener) =>
      surface.addEventListener(type, listener, { signal, passive: false });
    on("pointerdown", (event) => this.#down(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", (event) => this.#up(event));
    on("pointercancel", (event) => this.#cancel(event));
    on("wheel", (event) => this.#wheel(event));
    // Long presses are the stage's own.
    on("contextmenu", (event) => event.preventDefault());
    signal.addEventListener("abort", () => clearTimeout(this.#long));
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (event.pointerType === "mouse" && event.button > 1) return;
    this.#stage.focus({ preventScroll: true });
    this.#surface.setPointerCapture(event.pointerId);
    const at = this.#place(event);
    /** @type {Finger} */
    const finger = { start: at, at, isTools: false, hasMoved: false, downAt: performance.now(), event };
    this.#fingers.set(event.pointerId, finger);
    clearTimeout(this.#long);
    if (this.#fingers.size === 1) {
      const isMiddle = event.pointerType === "mouse" && event.button === 1;
      finger.isTools = !isMiddle && (this.#stage.tool?.down?.(this.#press(at, event)) ?? false);
      if (!finger.isTools) this.#long = setTimeout(() => this.#held(finger), LONG);
      return;
    }
    // Two fingers always move the view.
    for (const other of this.#fingers.values()) {
      if (other.isTools) this.#stage.tool?.cancel?.();
      other.isTools = false;
      other.hasMoved = true;
    }
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const finger = this.#fingers.get(event.pointerId);
    const at = this.#place(event);
    if (!finger) {
      this.#stage.tool?.hover?.(this.#press(at, event));
      return;
    }
    if (!finger.hasMoved && distance(finger.start, at) > STEADY) {
      finger.hasMoved = true;
      clearTimeout(this.#long);
    }
    const { camera } = this.#stage;
    if (finger.isTools) {
      finger.at = at;
      this.#stage.tool?.move?.(this.#press(at, event));
    } else if (this.#fingers.size === 2) {
      const other = /** @type {Finger} */ ([...this.#fingers.values()].find((one) => one !== finger));
      const [before, after] = [distance(finger.at, other.at), distance(at, other.at)];
      camera.pan((at.x - finger.at.x) / 2, (at.y - finger.at.y) / 2);
      if (before > 1 && after > 1) camera.zoomBy(after / before, middle(at, other.at));
      finger.at = at;
      this.#stage.moved();
    } else if (this.#fingers.size === 1 && finger.hasMoved) {
      camera.pan(at.x - finger.at.x, at.y - finger.at.y);
      finger.at = at;
      this.#stage.moved();
    }
  }

  /** @param {PointerEvent} event */
  #up(event) {
    const finger = this.#fingers.get(event.pointerId);
    if (!finger) return;
    this.#fingers.delete(event.pointerId);
    clearTimeout(this.#long);
    const at = this.#place(event);
    const press = this.#press(at, event);
    if (finger.isTools) {
      // A browser with much to do may let go without having told of the last step. A hand that only
      // trembles has made none.
      const isStep = distance(finger.at, at) > 0 && (finger.hasMoved || distance(finger.start, at) > STEADY);
      if (isStep) this.#stage.tool?.move?.(press);
      this.#stage.tool?.up?.(press);
    } else if (!finger.hasMoved && performance.now() - finger.downAt < LONG) this.#tell("tap", press);
  }

  /** @param {PointerEvent} event */
  #cancel(event) {
    const finger = this.#fingers.get(event.pointerId);
    this.#fingers.delete(event.pointerId);
    clearTimeout(this.#long);
    if (finger?.isTools) this.#stage.tool?.cancel?.();
  }

  /** @param {Finger} finger */
  #held(finger) {
    if (finger.hasMoved || this.#fingers.size !== 1) return;
    // What was a long press is no tap.
    finger.hasMoved = true;
    this.#tell("hold", this.#press(finger.at, finger.event));
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    event.preventDefault();
    // Lines and pages, as some mice count, are about so many pixels.
    const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
    // A pinch on a touchpad comes as a wheel with the control key, in small steps.
    const speed = event.ctrlKey ? 0.01 : 0.0016;
    this.#stage.camera.zoomBy(Math.exp(-event.deltaY * unit * speed), this.#place(event));
    this.#stage.moved();
  }

  /** @param {string} type @param {import("./stage.js").Press} press */
  #tell(type, press) {
    const hits = this.#stage.hitsAt(press.scene, press.event.pointerType !== "mouse");
    this.#stage.dispatchEvent(new CustomEvent(type, { detail: { ...press, hits } }));
  }

  /** @param {MouseEvent} event @returns {Point} */
  #place(event) {
    const { left, top } = this.#surface.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  /** @param {Point} screen @param {PointerEvent} event */
  #press(screen, event) {
    return { screen, scene: this.#stage.camera.toScene(screen), event };
  }
}

/** @param {Point} a @param {Point} b @returns {Point} */
const middle = (a, b) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
