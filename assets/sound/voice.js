import { aheadBy, beginAt, rateFor } from "./timing.js";

/** How often a fade takes a step, in milliseconds. */
const STEP = 40;
/** How long a browser needs until its place can be trusted, and between two jumps, in milliseconds. */
const SETTLE = 200;
const BREATH = 1_500;
/** The most that is believed of how long a browser takes to begin, in seconds. */
const LONGEST_LAG = 0.6;

/** How long this browser took, the last times, to begin and to go on elsewhere, in seconds. */
const lags = { begin: 0.1, jump: 0.05 };
/** So often it may miss before it takes a breath. */
const TRIES = 2;

/**
 * One sound that is to be heard where the others are in it. Events: `ready` when its length is known,
 * `settled` when its place should be looked at, `over`, and `broken` when it cannot be played.
 */
export class Voice extends EventTarget {
  element = new Audio();
  /** The volume that it has or comes to. */ target = 0;
  #level = 0;
  #master = 1;
  /** @type {any} */ #ramp = null;
  /** A fade that waits for the first sound, in seconds. */ #waiting = 0;
  /** @type {any} */ #settling = null;
  #jumpedAt = -Infinity;
  #tries = 0;
  /** How it came to where it is, until somebody has looked how well. @type {keyof typeof lags | null} */ #came = null;
  #isEnded = false;

  /** @param {string} url @param {{ volume: number, fadeIn: number, isMuted: boolean }} start `fadeIn` in seconds */
  constructor(url, { volume, fadeIn, isMuted }) {
    super();
    this.target = volume;
    this.#level = fadeIn > 0 ? 0 : volume;
    this.#waiting = fadeIn;
    const { element } = this;
    Object.assign(element, { preload: "auto", muted: isMuted });
    element.addEventListener("loadedmetadata", () => this.#tell("ready"));
    for (const type of ["playing", "seeked"]) element.addEventListener(type, () => this.#settle());
    element.addEventListener("ended", () => this.#tell("over"));
    element.addEventListener("error", () => this.#tell("broken"));
    element.src = url;
    this.#apply();
  }

  /** Whether its length is known. */
  get isReady() {
    return this.element.readyState > 0;
  }

  /** Whether it is to be heard now. */
  get sounds() {
    return !this.element.paused && !this.element.ended;
  }

  /** @param {number} master on top of its own volume */
  set master(master) {
    if (this.#master === master) return;
    this.#master = master;
    this.#apply();
  }

  /** @param {number} volume @param {number} [seconds] to come there; else at once */
  turnTo(volume, seconds = 0) {
    if (seconds <= 0 && volume === this.target) return;
    this.target = volume;
    this.#waiting = 0;
    this.#fade(seconds);
  }

  /**
   * Is at a place from now on, as well as it can.
   *
   * @param {number} at seconds
   * @returns {Promise<void>} fails when the browser does not let it be heard
   */
  async keep(at) {
    const { element } = this;
    const { loop, duration } = element;
    if (this.#isEnded) return;
    // Its last moment twice would be an echo.
    if (element.ended && !loop && at > Math.max(duration / 2, duration - LONGEST_LAG)) return;
    if (!this.sounds) {
      this.#tries = 0;
      this.#go(at, "begin");
      if (this.#waiting > 0) this.#fade(this.#waiting);
      this.#waiting = 0;
      return element.play();
    }
    if (element.seeking || this.#settling !== null || element.readyState < 3) return;
    const ahead = aheadBy(element.currentTime, at, { loop, duration });
    // It has just come here: by so much that took longer than thought.
    const came = this.#came;
    if (came && Math.abs(ahead) < LONGEST_LAG) lags[came] = Math.max(0, Math.min(LONGEST_LAG, lags[came] - ahead * 0.7));
    this.#came = null;
    const rate = rateFor(ahead, element.playbackRate);
    if (rate !== null) {
      this.#tries = 0;
      if (element.playbackRate !== rate) element.playbackRate = rate;
    } else if (this.#tries < TRIES || performance.now() - this.#jumpedAt > BREATH) {
      this.#tries += 1;
      this.#go(at, "jump");
    }
  }

  /** Whether it is not merely late. @param {number} at seconds */
  isElsewhere(at) {
    const { loop, duration, currentTime } = this.element;
    return this.sounds && Math.abs(aheadBy(currentTime, at, { loop, duration })) > LONGEST_LAG;
  }

  /** @param {number} at seconds */
  jump(at) {
    this.#tries = 0;
    this.#go(at, "jump");
  }

  /** @param {number} at seconds @param {keyof typeof lags} how */
  #go(at, how) {
    const { element } = this;
    const { loop, duration } = element;
    const start = beginAt(at, lags[how], { loop, duration });
    this.#jumpedAt = performance.now();
    // From the very beginning nothing was made up for.
    this.#came = start > 0 ? how : null;
    element.playbackRate = 1;
    element.currentTime = start;
  }

  /** Stands still. */
  rest() {
    this.element.pause();
  }

  /** Goes quiet within so many seconds, and ends. @param {number} seconds */
  leave(seconds) {
    if (!this.sounds) return this.end();
    this.target = 0;
    this.#fade(seconds, () => this.end());
  }

  /** Is silent for ever. */
  end() {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearInterval(this.#ramp);
    clearTimeout(this.#settling);
    this.element.pause();
    this.element.removeAttribute("src");
    this.#tell("over");
  }

  /** @param {number} seconds @param {() => void} [then] */
  #fade(seconds, then = () => {}) {
    clearInterval(this.#ramp);
    const [from, to, start] = [this.#level, this.target, performance.now()];
    const step = () => {
      const part = seconds > 0 ? Math.min(1, (performance.now() - start) / (seconds * 1000)) : 1;
      this.#level = from + (to - from) * part;
      this.#apply();
      if (part < 1) return false;
      clearInterval(this.#ramp);
      this.#ramp = null;
      then();
      return true;
    };
    if (!step()) this.#ramp = setInterval(step, STEP);
  }

  #apply() {
    this.element.volume = Math.max(0, Math.min(1, this.#level * this.#master));
  }

  #settle() {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => {
      this.#settling = null;
      this.#tell("settled");
    }, SETTLE);
  }

  /** @param {string} type */
  #tell(type) {
    if (!this.#isEnded || type === "over") this.dispatchEvent(new Event(type));
  }
}
