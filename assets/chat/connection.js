// The chat's socket: asks, gets answers, and comes back for ever.

import { Link } from "../live/link.js";
import { newId } from "../live/requests.js";

/** Done, or told not to come back: too many mistakes, or the room is open elsewhere. */
const FINAL = [1000, 1008];
const EVENTS = ["ChatMessage", "ParticipantJoined", "ParticipantLeft", "EpochChanged"];
const MENTIONED = "mentioned";

/**
 * Why the server did not do something. `code` is the server's, or one of our own: `broken` (the
 * connection went before the answer came), `ended` (and it will not be made again).
 */
export class ChatError extends Error {
  /**
   * @param {string} code
   * @param {string} message a sentence for people
   * @param {number | null} [retryAfter] milliseconds
   */
  constructor(code, message, retryAfter = null) {
    super(message);
    this.name = "ChatError";
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/**
 * @typedef {object} Duties
 * @property {() => void} up a new connection can be spoken on
 * @property {() => void} down it is gone, and will be made again
 * @property {(message: any) => void} heard something that is no answer
 * @property {(code: number, reason: string) => void} ended it will not be made again
 * @property {(status: import("../live/link.js").Status) => void} became
 */

export class Connection {
  #link;
  #duties;
  /** @type {Map<string, { resolve: (answer: any) => void, reject: (error: ChatError) => void }>} */ #asked = new Map();
  #isUp = false;

  /**
   * @param {string} url
   * @param {import("../live/link.js").Surroundings} around
   * @param {Duties} duties
   */
  constructor(url, around, duties) {
    this.#duties = duties;
    this.#link = new Link(url, undefined, around, {
      greet: () => {
        this.#isUp = true;
        duties.up();
      },
      receive: (text) => this.#receive(text),
      beat: () => this.say({ type: "Ping" }),
      became: (status) => duties.became(status),
      broke: () => {
        this.#lost("broken", "The connection broke.");
        duties.down();
      },
      ended: (code, reason) => {
        this.#lost("ended", "The connection has ended.");
        duties.ended(code, reason);
      },
    }, FINAL);
  }

  get status() {
    return this.#link.status;
  }

  open() {
    this.#link.open();
  }

  close() {
    this.#link.close();
  }

  /** Gives the connection up, for a better one. @param {string} reason */
  drop(reason) {
    this.#link.drop(reason);
  }

  /** @param {Record<string, unknown>} message */
  say(message) {
    return this.#link.send(JSON.stringify(message));
  }

  /**
   * Says what has no answer; whether it is refused does not matter.
   *
   * @param {Record<string, unknown>} message
   */
  mention(message) {
    return this.say({ ...message, request_id: MENTIONED });
  }

  /**
   * @param {Record<string, unknown>} message
   * @param {string} [id]
   * @returns {Promise<any>} the server's direct answer, or what {@link answer} is given
   * @throws {ChatError}
   */
  ask(message, id = newId(crypto)) {
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      if (!this.#isUp || !this.say({ ...message, request_id: id })) {
        this.#asked.delete(id);
        reject(new ChatError("broken", "There is no connection."));
      }
    });
  }

  /**
   * Some things are answered with what everybody hears; whoever recognises that says so.
   *
   * @param {string} id
   * @param {any} message
   */
  answer(id, message) {
    const asked = this.#asked.get(id);
    if (!asked) return;
    this.#asked.delete(id);
    if (message.type === "Error") asked.reject(new ChatError(message.code ?? "error", String(message.message), message.retry_after_ms ?? null));
    else asked.resolve(message);
  }

  /** @param {string} text */
  #receive(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    if (typeof message?.type !== "string") return;
    // The first word of the server makes a connection a good one: the next wait is short again.
    if (this.#link.status !== "live") this.#link.welcomed();
    if (message.request_id === MENTIONED || (message.type === "Pong" && message.request_id === undefined)) return;
    // Events are for everybody's log, also where they answer this member's request.
    if (!EVENTS.includes(message.type) && this.#asked.has(message.request_id)) this.answer(message.request_id, message);
    else this.#duties.heard(message);
  }

  /**
   * @param {string} code
   * @param {string} text
   */
  #lost(code, text) {
    this.#isUp = false;
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const { reject } of asked) reject(new ChatError(code, text));
  }
}
