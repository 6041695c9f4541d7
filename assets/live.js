// A table, live: the browser's end of the protocol `tablekeep.v1`.
//
//   const live = new Live({ name: "Ada", role: "player" });
//   live.addEventListener("scene", ({ detail }) => draw(detail.scene));
//   live.connect();
//   await live.change([{ op: "set", path: ["gridSettings", "gridSize"], value: 70 }]);

import { Clock, KEPT } from "./live/clock.js";
import { Link } from "./live/link.js";
import { OwnChange } from "./live/own-change.js";
import { Position } from "./live/position.js";
import { LiveError, Request, Requests, newId } from "./live/requests.js";
import { TableState } from "./live/state.js";

export { LiveError } from "./live/requests.js";

/**
 * @typedef {import("./live/edits.js").Edit} Edit
 * @typedef {{ id: string, epoch?: string, seq?: number, prev?: number, rebased?: boolean, edits?: Edit[] }} Ack
 *
 * @typedef {{ width: number, height: number, dpr: number, rtt?: number, sound?: "on" | "blocked" | "off" }} Device
 *   one's own screen; `blocked`: somebody has to tap it before it can be heard
 *
 * @typedef {object} Options
 * @property {string} [url] the socket's address; else `/ws/table` of the page's own server
 * @property {string} [table]
 * @property {string} name how the others see this member
 * @property {"gm" | "player" | "display"} [role] what to be at most
 * @property {string} [token] proves a role or opens the table
 * @property {Device} [device]
 * @property {Pick<Storage, "getItem" | "setItem"> | null} [storage] remembers who one is; the page's own when left out
 * @property {Pick<Crypto, "getRandomValues">} [crypto]
 * @property {() => number} [now] local milliseconds since 1970
 */

const PROTOCOL = "tablekeep.v1";
/** How many edits the server takes in one change. */
const MAX_EDITS = 1_000;
/** How many requests may be on their way at once. */
const AT_ONCE = 32;
/** The shortest time between two `resync`s, in milliseconds. */
const RESYNC_PAUSE = 2_000;
/** How long an acknowledged change waits for what comes before it, until the whole scene is asked for. */
const LONGEST_HOLD = 5_000;
/** How often the clock asks again while its answers come slowly, and after how many milliseconds each time. */
const DOUBTS = 10;
const DOUBT = 1_000;
/** Hints are worth nothing late: none is sent while so many bytes wait. */
const HINT_BACKLOG = 64 * 1024;
/** The server knows an `id` again for ten minutes; nothing is repeated that might be older for it. */
const REPEATABLE = 9 * 60_000;

/**
 * A connection to a table, which is made again for ever. What is known stands in `state`.
 *
 * What has an answer gives a promise of it, and is sent again with the same `id` after a break, so that
 * it is done once. A promise fails with a `LiveError`; who does not look at it hears of it by the events
 * `conflict`, `reset` and `error`.
 */
export class Live {
  /** The events of this are the events of `Live`. */ state = new TableState();
  #options;
  /** Where the proof is kept of being the same member as last time. */ #storageKey;
  #crypto;
  #now;
  #around;
  /** @type {Link} */ #link;
  #position = new Position();
  #requests = new Requests();
  #clock;
  /** How many answers of the clock are still wanted at once. */ #roundTrips = 0;
  /** How often it may still be asked for better ones. */ #doubts = 0;
  /** The next such question. @type {any} */ #doubt = null;
  /** Whether this connection has had its welcome. */ #ready = false;
  /** @type {string | null} */ #resumeToken = null;
  /** The pause after a `resync`. @type {any} */ #resyncPause = null;
  /** Since when something is held. @type {any} */ #holding = null;

  /** @param {Options & Partial<import("./live/link.js").Surroundings>} options the latter for tests */
  constructor(options) {
    this.#options = { ...options, table: options.table ?? "main" };
    this.#crypto = options.crypto ?? globalThis.crypto;
    this.#now = options.now ?? Date.now;
    this.#clock = new Clock(this.#now);
    this.#around = {
      WebSocket: options.WebSocket ?? globalThis.WebSocket,
      setTimeout: options.setTimeout ?? globalThis.setTimeout.bind(globalThis),
      clearTimeout: options.clearTimeout ?? globalThis.clearTimeout.bind(globalThis),
      random: options.random ?? Math.random,
      window: options.window ?? globalThis.window,
      document: options.document ?? globalThis.document,
    };
    const url = options.url ?? ownAddress(globalThis.location);
    const { table, role = "" } = this.#options;
    this.#storageKey = ["tablekeep.resume", new URL(url).host, encodeURIComponent(table), role].join("/");
    this.#link = new Link(url, PROTOCOL, this.#around, {
      greet: () => this.#greet(),
      receive: (text) => this.#receive(text),
      beat: () => this.#askTime(),
      became: (status) => this.#became(status),
      broke: (code) => this.#broke(code),
      ended: (code, reason) => this.#ended(code, reason),
    });
  }

  /**
   * @param {string} type
   * @param {any} listener
   * @param {AddEventListenerOptions | boolean} [options]
   */
  addEventListener(type, listener, options) {
    this.state.addEventListener(type, listener, options);
  }

  /**
   * @param {string} type
   * @param {any} listener
   * @param {EventListenerOptions | boolean} [options]
   */
  removeEventListener(type, listener, options) {
    this.state.removeEventListener(type, listener, options);
  }

  /** Connects; also again after `ended`. */
  connect() {
    this.#link.open();
  }

  /** Leaves. What has no answer yet fails with `ended`. */
  close() {
    this.#link.close();
  }

  /** The server's time, in milliseconds since 1970. */
  now() {
    return this.#clock.now();
  }

  /** The time to the server and back, in milliseconds; null when it is not known yet. */
  get trip() {
    return this.#clock.trip;
  }

  /** What was asked for and has no answer yet, oldest first, as it is sent. @returns {(Record<string, any> & { type: string, id: string })[]} */
  get waiting() {
    return this.#requests.list().map(({ message }) => message);
  }

  /** Tells the others that one's own screen is another now. @param {Device} device */
  turnTo(device) {
    this.#options.device = device;
    this.#send({ type: "device", device });
  }

  /**
   * Changes the scene, at once for this page; all edits or none.
   *
   * @param {Edit[]} edits
   * @param {{ force?: boolean }} [options] `force`: for the GM, whatever others have changed meanwhile
   * @returns {Promise<Ack>} when the change is safe on the server's disk
   */
  change(edits, { force = false } = {}) {
    return attempt(() => {
      if (!Array.isArray(edits) || edits.length === 0) throw new LiveError("invalid", "A change needs edits.");
      if (edits.length > MAX_EDITS) throw new LiveError("invalid", `A change has at most ${MAX_EDITS} edits.`);
      return this.#propose({ edits: copy(edits) }, force);
    });
  }

  /**
   * Replaces the whole scene.
   *
   * @param {Record<string, any>} scene
   * @param {{ force?: boolean }} [options]
   * @returns {Promise<Ack>}
   */
  changeScene(scene, { force = false } = {}) {
    return attempt(() => {
      if (typeof scene !== "object" || scene === null || Array.isArray(scene)) {
        throw new LiveError("invalid", "A scene is an object.");
      }
      return this.#propose({ scene: copy(scene) }, force);
    });
  }

  /**
   * Shows the others something that passes: a drag, a pointer. Nothing is sent while not connected.
   *
   * @param {string} kind
   * @param {string} key the newest of a kind and key counts
   * @param {unknown} data
   * @returns {boolean} whether it was sent
   */
  hint(kind, key, data) {
    return this.#link.waiting <= HINT_BACKLOG && this.#send({ type: "hint", kind, key, data });
  }

  /**
   * @param {string} text
   * @param {string} [to] a member, or `gm`; else all
   */
  chat(text, to) {
    return attempt(() => this.#ask({ type: "chat", text, to }));
  }

  /**
   * Lets the server roll.
   *
   * @param {string} expr such as `2d20kh1+5`
   * @param {string} [to] a member, or `gm`; else all
   */
  roll(expr, to) {
    return attempt(() => this.#ask({ type: "roll", expr, to }));
  }

  /**
   * Plays sounds on the screens that are to hear them; `master` is for all tracks, and names none.
   *
   * @param {{ action: "load" | "play" | "pause" | "stop" | "seek" | "volume" | "fade" | "loop" | "remove" | "master",
   *   track?: string } & Record<string, any>} action
   */
  audio(action) {
    return attempt(() => this.#ask({ ...action, type: "audio" }));
  }

  /**
   * Drives a screen.
   *
   * @param {{ target?: string, action: "blank" | "unblank" | "rotate" | "view" | "identify" | "mute" | "name" }
   *   & Record<string, any>} action
   */
  display(action) {
    return attempt(() => this.#ask({ ...action, type: "display" }));
  }

  /**
   * Gives an entry of the initiative order to a member, or takes it back.
   *
   * @param {string} entry
   * @param {string | null} member
   */
  assign(entry, member) {
    return attempt(() => this.#ask({ type: "assign", entry, member }));
  }

  /** Sends a member away. @param {string} member */
  kick(member) {
    return attempt(() => this.#ask({ type: "kick", member }));
  }

  /**
   * Hands a WebRTC offer, answer or candidate to a member.
   *
   * @param {string} to
   * @param {unknown} data
   * @returns {boolean} whether it was sent
   */
  signal(to, data) {
    return this.#send({ type: "signal", to, data });
  }

  // What is asked of the server

  /**
   * @param {{ edits: Edit[] } | { scene: any }} content
   * @param {boolean} force
   * @returns {Promise<Ack>}
   */
  #propose(content, force) {
    if (!this.#position.loaded) throw new LiveError("not_loaded", "The table is not here yet.");
    const { seq } = this.#position;
    const change = new OwnChange(content, { seq, saw: this.state.scene, above: this.#unsettled(), force });
    try {
      change.apply(this.state.scene);
    } catch (error) {
      const { code, message } = /** @type {import("./live/edits.js").EditError} */ (error);
      const isInvalid = code === "invalid" || code === "too_deep";
      throw new LiveError(isInvalid ? "invalid" : "conflict", sentenceOf(message), { cause: error });
    }
    return this.#ask({ type: "change", base: seq, ...content, ...(force && { force }) }, change);
  }

  /**
   * @param {{ type: string } & Record<string, any>} message without its `id`
   * @param {OwnChange | null} [change]
   * @returns {Promise<any>} the `ack`
   */
  #ask(message, change = null) {
    if (this.state.status === "ended") throw new LiveError("ended", "There is no connection to the table any more.");
    const request = new Request({ ...message, id: newId(this.#crypto) }, change);
    this.#requests.add(request, { frameBytes: this.state.limits.frame_bytes ?? Infinity, connected: this.#ready });
    if (change) this.#show(change.edits);
    this.#sendWaiting();
    this.state.tell("waiting");
    return request.answer;
  }

  /** Sends what waits and may go. */
  #sendWaiting() {
    if (!this.#ready) return;
    const requests = this.#requests.list();
    const sent = requests.filter(({ sentAt }) => sentAt !== null);
    const unsettled = [...this.#position.held.map(({ change }) => change), ...sent.flatMap(({ change }) => change ?? [])];
    let room = AT_ONCE - sent.length;
    let stuck = false;
    for (const request of requests) {
      if (request.sentAt !== null) continue;
      if (room <= 0) return;
      const { change } = request;
      if (change) {
        // The server would take one's own earlier change for somebody else's that this one had not seen.
        stuck ||= unsettled.some((earlier) => change.waitsFor(earlier));
        if (stuck) continue;
        unsettled.push(change);
        request.message.base = change.baseAt(this.#position);
      }
      request.sentAt = this.#now();
      room -= 1;
      this.#send(request.message);
    }
  }

  /** Sends again what may not have arrived. */
  #sendAgain() {
    for (const request of this.#requests.list()) {
      if (request.sentAt === null) continue;
      // A change too old to be known again is refused for its base.
      if (request.change || this.#now() - request.sentAt < REPEATABLE) this.#send(request.message);
      else this.#fail(request, new LiveError("unknown", "It is not known whether this arrived before the connection broke."));
    }
  }

  /**
   * @param {Record<string, any> & { type: string }} message
   * @returns {boolean} whether there was a connection to send it on
   */
  #send(message) {
    return this.#ready && this.#link.send(JSON.stringify(message));
  }

  /**
   * @param {Request} request
   * @param {LiveError} error
   */
  #fail(request, error) {
    this.#requests.take(request.id);
    request.reject(error);
    this.state.tell("waiting");
    if (error.code === "conflict" && request.change) {
      this.state.tell("conflict", { id: request.id, ...request.change.content, error });
    } else if (error.code !== "reset" && error.code !== "ended") {
      this.state.tell("error", error);
    }
  }

  // What the connection does

  #greet() {
    const { table, name, role, token, device } = this.#options;
    const { loaded, epoch, seq } = this.#position;
    this.#resumeToken ??= this.#stored();
    const place = loaded ? { epoch, seq } : {};
    const resume_token = this.#resumeToken ?? undefined;
    this.#link.send(JSON.stringify({ type: "hello", proto: 1, table, name, role, token, resume_token, device, ...place }));
  }

  /** @param {import("./live/link.js").Status} status */
  #became(status) {
    // The page learns of `live` when everything else of the welcome is in place.
    if (status === "live") return;
    this.#ready = false;
    this.state.status = status;
    this.state.tell("status", status);
  }

  /** @param {number} code */
  #broke(code) {
    if (code !== 1009) return;
    // Something was too big for the server; sent again it would break the next connection too.
    const sent = this.#requests.list().filter(({ sentAt }) => sentAt !== null);
    if (sent.length === 0) return;
    const biggest = sent.reduce((one, other) => (other.bytes > one.bytes ? other : one));
    this.#fail(biggest, new LiveError("too_large", "This is more than the server takes at once."));
    this.#show(null);
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #ended(code, reason) {
    this.#around.clearTimeout(this.#resyncPause);
    this.#around.clearTimeout(this.#holding);
    this.#around.clearTimeout(this.#doubt);
    this.#resyncPause = this.#holding = this.#doubt = null;
    const error = new LiveError("ended", reason || "There is no connection to the table any more.");
    for (const request of this.#requests.list()) this.#fail(request, error);
    this.#show(null);
    this.state.tell("ended", { code, reason });
  }

  // What the server says

  /** @param {string} text */
  #receive(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    if (message?.type === "welcome") this.#welcome(message);
    else if (message?.type === "error") this.state.tell("error", new LiveError("error", String(message.message)));
    else if (this.#ready) this.#take(message);
  }

  /** @param {any} message */
  #take(message) {
    const { state } = this;
    switch (message?.type) {
      case "change":
        this.#position.change(message);
        // With changes of one's own on top, these edits need not be what makes the difference.
        return this.#moved(state.pending === 0 ? message.edits : null, message.by);
      case "scene":
        this.#position.replace(message);
        return this.#moved(null);
      case "ack":
        return this.#acknowledged(message);
      case "nack":
        return this.#refused(message);
      case "time":
        return this.#told(message);
      case "chat":
      case "rolled":
        if (state.addLine(message)) state.tell(message.type, message);
        return;
      case "audio":
        state.putAudio(message);
        return state.tell("audio", message);
      case "display":
        state.putDisplay(message);
        return state.tell("display", message);
      case "member_joined":
      case "member_updated":
        state.putMember(message.member);
        return state.tell("members", state.members);
      case "member_left":
        state.removeMember(message.member);
        return state.tell("members", state.members);
      case "hint":
      case "signal":
        return state.tell(message.type, message);
    }
  }

  /** @param {any} message */
  #welcome(message) {
    const { state } = this;
    const { resume_token, ...you } = message.you ?? {};
    this.#remember(resume_token);
    const past = message.mode === "reset" ? this.#requests.list().filter(({ change }) => change) : [];
    for (const request of past) this.#fail(request, new LiveError("reset", "The table went back to an earlier state."));
    this.#position.welcome(message);
    this.#clock.restart(message.server_time);
    if (message.mode === "reset") state.chat = [];
    const lines = (message.chat ?? []).filter((/** @type {any} */ line) => state.addLine(line));
    state.you = you;
    for (const [id, name] of Object.entries(message.names ?? {})) state.names.set(id, String(name));
    state.members = message.members ?? [];
    state.away = message.away ?? [];
    state.limits = message.limits ?? {};
    state.putAudio({ tracks: [], ...message.audio });
    state.putDisplay({ displays: message.displays ?? {} });

    this.#ready = true;
    this.#link.welcomed();
    this.#sendAgain();
    this.#roundTrips = KEPT;
    this.#doubts = DOUBTS;
    this.#askTime();

    if (message.mode === "reset") state.tell("reset", { changes: past.map(({ id, change }) => ({ id, ...change?.content })) });
    this.#moved(null);
    state.tell("members", state.members);
    for (const line of lines) state.tell("expr" in line ? "rolled" : "chat", line);
    state.tell("audio", state.audio);
    state.tell("display", state.displays);
    if (!this.#ready) return;
    state.status = "live";
    state.tell("status", "live");
  }

  /** @param {any} ack */
  #acknowledged(ack) {
    const request = this.#requests.take(ack.id);
    if (!request) return;
    const { change } = request;
    if (change && typeof ack.seq === "number") {
      if (Array.isArray(ack.edits)) change.becomes(ack.edits);
      this.#position.acknowledge(ack, change);
    }
    request.resolve(ack);
    this.state.tell("waiting");
    if (change) this.#moved(null);
    else this.#sendWaiting();
  }

  /** @param {any} nack */
  #refused({ id, code, message, retry, current, head }) {
    const error = new LiveError(String(code), sentenceOf(String(message)), { cause: message });
    Object.assign(error, { current, head, retry: retry === true });
    const request = this.#requests.list().find((other) => other.id === id);
    if (!request) return this.state.tell("error", error);
    this.#fail(request, error);
    this.#moved(null);
  }

  /** @param {any} time */
  #told(time) {
    this.#clock.take(time);
    this.#roundTrips -= 1;
    if (this.#roundTrips > 0) return this.#askTime();
    // A page that is just being built answers late: what five answers say then may be off by much.
    if (this.#clock.isSure || this.#doubts === 0 || this.#doubt !== null) return;
    this.#doubts -= 1;
    this.#doubt = this.#around.setTimeout(() => {
      this.#doubt = null;
      this.#askTime();
    }, DOUBT);
  }

  #askTime() {
    this.#send({ type: "time", t0: this.#clock.local() });
  }

  // The scene

  /**
   * The position may have moved: shows it, and does what that makes possible or necessary.
   *
   * @param {Edit[] | null} edits
   * @param {unknown} [by]
   */
  #moved(edits, by) {
    if (this.#position.estranged) return this.#link.drop("another epoch");
    this.#show(edits, by);
    this.#sendWaiting();
    this.#resync();
    this.#watchHeld();
  }

  /**
   * Puts what is confirmed and one's own changes on top into the state.
   *
   * @param {Edit[] | null} edits what leads from the scene shown before to this one, if that is known
   * @param {unknown} [by]
   */
  #show(edits, by) {
    const { state } = this;
    const { scene: confirmed, seq } = this.#position;
    const pending = this.#unsettled();
    let scene = confirmed;
    for (const change of pending) {
      try {
        scene = change.apply(scene);
      } catch {
        // It does not fit what others have done: the server will say so, and until then it is not shown.
      }
    }
    const isOther = scene !== state.scene;
    const isMore = pending.length !== state.pending;
    Object.assign(state, { confirmed, seq, scene, pending: pending.length });
    if (isMore) state.tell("pending", pending.length);
    if (isOther) state.tell("scene", { scene, edits, by });
  }

  /** One's own changes that are not in the confirmed scene, in their order. */
  #unsettled() {
    const unanswered = this.#requests.list().flatMap(({ change }) => change ?? []);
    return [...this.#position.held.map(({ change }) => change), ...unanswered];
  }

  /** Asks for the whole scene if something is missing, and again when no answer comes. */
  #resync() {
    if (!this.#position.behind || !this.#ready || this.#resyncPause !== null) return;
    this.#position.asked();
    this.#send({ type: "resync", seq: this.#position.seq });
    this.#resyncPause = this.#around.setTimeout(() => {
      this.#resyncPause = null;
      this.#resync();
    }, RESYNC_PAUSE);
  }

  /** An acknowledged change must not wait for ever for what comes before it. */
  #watchHeld() {
    const waits = this.#position.held.length > 0;
    if (waits === (this.#holding !== null)) return;
    this.#around.clearTimeout(this.#holding);
    this.#holding = !waits
      ? null
      : this.#around.setTimeout(() => {
          this.#holding = null;
          this.#position.behind = true;
          this.#resync();
          this.#watchHeld();
        }, LONGEST_HOLD);
  }

  // Who one is

  /** @returns {string | null} */
  #stored() {
    try {
      return this.#storage()?.getItem(this.#storageKey) ?? null;
    } catch {
      return null;
    }
  }

  /** @param {unknown} token */
  #remember(token) {
    if (typeof token !== "string" || token === this.#resumeToken) return;
    this.#resumeToken = token;
    try {
      this.#storage()?.setItem(this.#storageKey, token);
    } catch {
      // A private window, or a full one: this page knows who it is as long as it is open.
    }
  }

  #storage() {
    const { storage } = this.#options;
    return storage === undefined ? globalThis.localStorage : storage;
  }
}

/**
 * A promise also of what fails at once.
 *
 * @param {() => Promise<any>} run
 * @returns {Promise<any>}
 */
function attempt(run) {
  try {
    return run();
  } catch (error) {
    return Promise.reject(error);
  }
}

/** @param {Location} location */
function ownAddress({ protocol, host }) {
  return `${protocol === "https:" ? "wss:" : "ws:"}//${host}/ws/table`;
}

/**
 * What the server will read, and what the caller cannot change any more.
 *
 * @param {any} value
 */
function copy(value) {
  return JSON.parse(JSON.stringify(value));
}

/** A place in a scene is written as JSON, which says nothing to people. @param {string} message */
function sentenceOf(message) {
  if (message.endsWith(" exists already")) return "It is there already.";
  return message.endsWith(" is not there") ? "It is not there any more." : message;
}
