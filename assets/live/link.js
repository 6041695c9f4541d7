// One connection that is made again whenever it breaks.

/** Reasons of the server not to come back: done, not signed in, removed, no such table. */
const FINAL = [1000, 4401, 4403, 4404];
/** The wait before the first new attempt; it doubles, up to the longest. */
const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;
/** How long a new connection may take until the welcome. */
const OPENING = 30_000;
/** How often a sign of life is asked for, and how long it may take. Pages do not see the protocol's own pings. */
const BEAT = 20_000;
const PATIENCE = 10_000;

/** @typedef {"connecting" | "live" | "waiting" | "ended"} Status */

/**
 * @typedef {object} Surroundings what a browser has, and a test replaces
 * @property {new (url: string, protocol?: string) => WebSocket} WebSocket
 * @property {(run: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {() => number} random from 0 to below 1
 * @property {EventTarget | undefined} window tells when the network is back
 * @property {(EventTarget & { visibilityState?: string }) | undefined} document tells when the page is seen again
 *
 * @typedef {object} Duties
 * @property {() => void} greet the socket is open: say hello
 * @property {(text: string) => void} receive
 * @property {() => void} beat ask for a sign of life
 * @property {(status: Status) => void} became
 * @property {(code: number) => void} broke the connection is gone and will be made again
 * @property {(code: number, reason: string) => void} ended it will not
 */

/** A WebSocket with back-off and watchdog. */
export class Link {
  /** @type {Status} */ status = "waiting";
  #url;
  #protocol;
  #around;
  #duties;
  #final;
  /** @type {WebSocket | null} */ #socket = null;
  /** Listeners of the page. */ #gone = new AbortController();
  /** Whether a connection is wanted. */ #open = false;
  #failures = 0;
  /** The next attempt, the next beat or the end of the opening: only one of them is due. @type {any} */ #next;
  /** The end of the patience. @type {any} */ #deadline;

  /**
   * @param {string} url
   * @param {string | undefined} protocol
   * @param {Surroundings} around
   * @param {Duties} duties
   * @param {number[]} final close codes after which it does not come back
   */
  constructor(url, protocol, around, duties, final = FINAL) {
    this.#final = final;
    this.#url = url;
    this.#protocol = protocol;
    this.#around = around;
    this.#duties = duties;
  }

  /** Connects, and keeps doing so until `close` or a final answer. */
  open() {
    if (this.#open) return;
    this.#failures = 0;
    this.#dial();
    this.#open = true;
    this.#gone = new AbortController();
    const { window, document } = this.#around;
    const { signal } = this.#gone;
    window?.addEventListener("online", () => this.#hurry(), { signal });
    document?.addEventListener("visibilitychange", () => document.visibilityState !== "hidden" && this.#hurry(), { signal });
  }

  /** Leaves for good. */
  close() {
    const socket = this.#socket;
    this.#end(1000, "");
    socket?.close(1000);
  }

  /** Gives the connection up and makes a new one. @param {string} reason */
  drop(reason) {
    const socket = this.#socket;
    if (!socket) return;
    this.#lost(1006);
    // A dead connection's `close` event may take minutes; it is not waited for.
    socket.close(4000, reason);
  }

  /** The server has said welcome. */
  welcomed() {
    this.#failures = 0;
    this.#become("live");
    this.#scheduleBeat();
  }

  /**
   * @param {string} text
   * @returns {boolean} whether there was a connection to send it on
   */
  send(text) {
    if (this.#socket?.readyState !== 1) return false;
    this.#socket.send(text);
    return true;
  }

  /** How many bytes wait in the browser. */
  get waiting() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  #dial() {
    this.#around.clearTimeout(this.#next);
    const socket = new this.#around.WebSocket(this.#url, this.#protocol);
    this.#socket = socket;
    // What an earlier socket still tells is not heard; Node's `ws` has no `signal` for its listeners.
    const isCurrent = () => this.#socket === socket;
    socket.addEventListener("open", () => isCurrent() && this.#duties.greet());
    socket.addEventListener("message", (e) => isCurrent() && this.#heard(e.data));
    socket.addEventListener("close", (e) => isCurrent() && this.#closed(e.code, e.reason));
    this.#next = this.#around.setTimeout(() => this.drop("no welcome"), OPENING);
    this.#become("connecting");
  }

  /** @param {unknown} data */
  #heard(data) {
    // Whatever arrives shows that the connection lives.
    this.#around.clearTimeout(this.#deadline);
    this.#deadline = undefined;
    if (typeof data === "string") this.#duties.receive(data);
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #closed(code, reason) {
    if (this.#final.includes(code)) this.#end(code, reason);
    else this.#lost(code);
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #end(code, reason) {
    if (this.status === "ended") return;
    this.#open = false;
    this.#forget();
    this.#gone.abort();
    this.#become("ended");
    this.#duties.ended(code, reason);
  }

  /** @param {number} code */
  #lost(code) {
    this.#forget();
    const longest = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#failures);
    this.#failures += 1;
    this.#next = this.#around.setTimeout(() => this.#dial(), this.#around.random() * longest);
    this.#become("waiting");
    this.#duties.broke(code);
  }

  #forget() {
    this.#socket = null;
    this.#around.clearTimeout(this.#next);
    this.#around.clearTimeout(this.#deadline);
    this.#deadline = undefined;
  }

  /** The network is back, or somebody looks: no time to wait, and a connection may have died unnoticed. */
  #hurry() {
    if (this.status === "waiting") this.#dial();
    else if (this.status === "live") this.#beat();
  }

  #scheduleBeat() {
    this.#around.clearTimeout(this.#next);
    this.#next = this.#around.setTimeout(() => this.#beat(), BEAT);
  }

  #beat() {
    this.#scheduleBeat();
    this.#duties.beat();
    if (this.#deadline === undefined) this.#expectAnswer();
  }

  #expectAnswer() {
    const before = this.waiting;
    this.#deadline = this.#around.setTimeout(() => {
      // The question waits behind an upload; as long as that gets on, the connection lives.
      if (this.waiting < before) this.#expectAnswer();
      else this.drop("no answer");
    }, PATIENCE);
  }

  /** @param {Status} status */
  #become(status) {
    if (this.status === status) return;
    this.status = status;
    this.#duties.became(status);
  }
}
