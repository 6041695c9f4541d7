/** How many answers count: the one that travelled fastest of the last five says what time it is. */
export const KEPT = 5;
/** A way to the server and back, in milliseconds, that leaves no doubt worth asking again: the clock is off by half of it at most, which leaves room for rounding below 10. */
const SHORT = 16;

/** The server's clock, by answers to `time`. */
export class Clock {
  #local;
  /** Server's minus local time, in milliseconds. */ #offset = 0;
  /** @type {{ trip: number, offset: number }[]} */ #answers = [];

  /** @param {() => number} local milliseconds since 1970 here */
  constructor(local) {
    this.#local = local;
  }

  /** The server's time in milliseconds since 1970. */
  now() {
    return this.#local() + this.#offset;
  }

  /** The shortest of the last ways to the server and back, in milliseconds; null before the first. */
  get trip() {
    return this.#answers.length === 0 ? null : Math.min(...this.#answers.map(({ trip }) => trip));
  }

  /** Whether one of the last answers came so fast that it is right within `SHORT / 2`. */
  get isSure() {
    return (this.trip ?? Infinity) <= SHORT;
  }

  /** What to send as `t0`. */
  local() {
    return this.#local();
  }

  /** Begins anew, with a first guess from the welcome. @param {unknown} serverTime */
  restart(serverTime) {
    this.#answers = [];
    if (typeof serverTime === "number") this.#offset = serverTime - this.#local();
  }

  /**
   * Takes an answer.
   *
   * @param {{ t0: number, t1: number }} answer
   */
  take({ t0, t1 }) {
    const now = this.#local();
    const trip = now - t0;
    if (!(trip >= 0) || !Number.isFinite(t1)) return;
    this.#answers = [...this.#answers, { trip, offset: t1 - (t0 + now) / 2 }].slice(-KEPT);
    this.#offset = this.#answers.reduce((best, other) => (other.trip < best.trip ? other : best)).offset;
  }
}
