// A world without network and time for the live client: both go on only when the test says so.

import { Live } from "../../assets/live.js";

/** Numbers from 0 to below 1, the same for the same seed. (mulberry32) */
export function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class Timers {
  now = 1_000_000;
  #due = new Map();
  #last = 0;

  setTimeout = (run, ms) => {
    this.#due.set(++this.#last, { at: this.now + ms, run });
    return this.#last;
  };

  clearTimeout = (timer) => {
    this.#due.delete(timer);
  };

  /** Lets time go by, and what is due happen in order. */
  advance(ms) {
    const end = this.now + ms;
    for (;;) {
      const due = [...this.#due].filter(([, { at }]) => at <= end).sort(([a, one], [b, other]) => one.at - other.at || a - b);
      if (due.length === 0) break;
      const [timer, { at, run }] = due[0];
      this.#due.delete(timer);
      this.now = Math.max(this.now, at);
      run();
    }
    this.now = end;
  }
}

export class FakeSocket extends EventTarget {
  readyState = 0;
  bufferedAmount = 0;
  /** Every message that the client has sent. */ sent = [];
  closedWith = null;

  constructor(url, protocol) {
    super();
    this.url = url;
    this.protocol = protocol;
  }

  // As Node's `ws` does, without the options.
  addEventListener(type, listener) {
    super.addEventListener(type, listener);
  }

  send(text) {
    if (this.readyState !== 1) throw new Error("not open");
    this.sent.push(JSON.parse(text));
  }

  close(code, reason) {
    this.closedWith ??= { code, reason };
    this.readyState = 3;
  }

  opens() {
    this.readyState = 1;
    this.dispatchEvent(new Event("open"));
  }

  says(message) {
    this.dispatchEvent(Object.assign(new Event("message"), { data: JSON.stringify(message) }));
  }

  breaks(code = 1006, reason = "") {
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
  }

  /** What the client sent of one type. */
  all(type) {
    return this.sent.filter((message) => message.type === type);
  }

  last(type) {
    return this.all(type).at(-1);
  }
}

export const SCENE = {
  id: "s",
  gridSettings: { gridSize: 50, showGrid: true },
  maps: [{ name: "crypt.png", data: { position: { x: 9, y: 16 } } }],
  fogOfWar: [{ id: "f1", points: [] }, { id: "f2", points: [] }],
};

export const set = (value, ...path) => ({ op: "set", path, value });
export const size = (value) => set(value, "gridSettings", "gridSize");

/** A page: one `Live` with its timers and the sockets it makes. */
export class Page {
  timers = new Timers();
  /** @type {FakeSocket[]} */ sockets = [];
  /** Every event, in order. */ events = [];
  window = new EventTarget();
  document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  /** What `random` gives: 1 makes every wait as long as it can be. */ luck = 1;

  constructor(options = {}) {
    const { sockets, timers } = this;
    class Socket extends FakeSocket {
      constructor(url, protocol) {
        super(url, protocol);
        sockets.push(this);
      }
    }
    this.live = new Live({
      url: "ws://table.test/ws/table",
      name: "Ada",
      role: "gm",
      storage: null,
      WebSocket: Socket,
      setTimeout: timers.setTimeout,
      clearTimeout: timers.clearTimeout,
      now: () => timers.now,
      random: () => this.luck,
      window: this.window,
      document: this.document,
      ...options,
    });
    const types = ["scene", "pending", "waiting", "chat", "rolled", "members", "audio", "display", "hint", "signal", "status", "conflict", "reset", "error", "ended"];
    for (const type of types) this.live.addEventListener(type, ({ detail }) => this.events.push({ type, detail }));
  }

  get socket() {
    return this.sockets.at(-1);
  }

  get state() {
    return this.live.state;
  }

  heard(type) {
    return this.events.filter((event) => event.type === type).map(({ detail }) => detail);
  }

  welcome(more = {}) {
    this.socket.says({
      type: "welcome", mode: "snapshot", epoch: "e", seq: 5, scene: SCENE,
      you: { id: "m1", role: "gm", name: "Ada", resume_token: "secret" },
      members: [{ id: "m1", role: "gm", name: "Ada" }],
      chat: [], audio: { tracks: [] }, displays: {}, limits: { frame_bytes: 16 * 1024 * 1024 }, server_time: this.timers.now,
      ...more,
    });
  }

  /** Connected, at seq 5. */
  static live(options) {
    const page = new Page(options);
    page.live.connect();
    page.socket.opens();
    page.welcome();
    return page;
  }

  /** The connection breaks and is made again; the welcome is still to come. */
  reconnect() {
    this.socket.breaks();
    this.timers.advance(15_000);
    this.socket.opens();
  }
}

/** Lets promises that are settled run their reactions. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));

/** How a promise stands: its value, its error's code, or `waiting`. */
export async function outcome(promise) {
  let now = "waiting";
  promise.then((value) => (now = { value }), (error) => (now = { code: error.code, error }));
  await settle();
  return now;
}
