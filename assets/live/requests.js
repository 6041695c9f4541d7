// What was asked of the server and is not answered yet, in the order in which it was asked.

/** @typedef {import("./own-change.js").OwnChange} OwnChange */

/** How many may wait for an answer, and how many bytes together. */
const MAX_COUNT = 1_000;
const MAX_BYTES = 8 * 1024 * 1024;

/**
 * Why something was not done.
 *
 * `code` is the server's (`conflict`, `forbidden`, ...), or one of our own: `reset` (the table's past
 * is another now), `queue_full`, `too_large`, `invalid`, `not_loaded` (no scene yet), `unknown`
 * (sent, but whether it arrived cannot be found out), `ended` (not connected any more).
 */
export class LiveError extends Error {
  /** With `conflict`: what stands at the place now. @type {any} */ current = undefined;
  /** With `conflict`: the scene's number now. @type {number | undefined} */ head = undefined;
  /** Whether the server says that the same may succeed later. */ retry = false;

  /**
   * @param {string} code
   * @param {string} message a sentence for people
   * @param {ErrorOptions} [options]
   */
  constructor(code, message, options) {
    super(message, options);
    this.name = "LiveError";
    this.code = code;
  }
}

/** Something that has an `id` and gets an answer. */
export class Request {
  /** When it was sent first, in local milliseconds; null when it never was. @type {number | null} */ sentAt = null;
  /** Settled by the answer. @type {Promise<any>} */ answer;
  /** @type {(ack: any) => void} */ resolve;
  /** @type {(error: LiveError) => void} */ reject;

  /**
   * @param {Record<string, any> & { type: string, id: string }} message as it is sent
   * @param {OwnChange | null} change
   */
  constructor(message, change) {
    this.id = message.id;
    this.message = message;
    this.change = change;
    this.bytes = new TextEncoder().encode(JSON.stringify(message)).length;
    this.answer = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Whoever does not wait for the answer hears of a refusal by an event.
    this.answer.catch(() => {});
  }
}

/** Requests without an answer, oldest first. */
export class Requests {
  /** @type {Map<string, Request>} */ #byId = new Map();
  #bytes = 0;

  /**
   * @param {Request} request
   * @param {{ frameBytes: number, connected: boolean }} now a connection takes one frame of any size it allows
   * @throws {LiveError}
   */
  add(request, { frameBytes, connected }) {
    if (request.bytes > frameBytes) {
      throw new LiveError("too_large", `This has ${request.bytes} bytes; the server takes up to ${frameBytes} at once.`);
    }
    const full = this.#byId.size >= MAX_COUNT || this.#bytes + request.bytes > MAX_BYTES;
    if (full && !(connected && this.#byId.size === 0)) {
      throw new LiveError("queue_full", "Too much waits for the server already; this was not kept.");
    }
    this.#byId.set(request.id, request);
    this.#bytes += request.bytes;
  }

  /** Takes out what was answered. @param {unknown} id */
  take(id) {
    const request = this.#byId.get(/** @type {string} */ (id));
    if (!request) return null;
    this.#byId.delete(request.id);
    this.#bytes -= request.bytes;
    return request;
  }

  /** @returns {Request[]} a copy, so that requests may be taken out meanwhile */
  list() {
    return [...this.#byId.values()];
  }
}

/**
 * A UUID, version 4. (`crypto.randomUUID` does not exist on addresses without TLS.)
 *
 * @param {Pick<Crypto, "getRandomValues">} crypto
 */
export function newId(crypto) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
