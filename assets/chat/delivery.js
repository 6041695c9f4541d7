// Sends what waits, one after the other: each is delivered before the next is numbered.

import { MAX_ENVELOPE, toBase64 } from "../e2e.js";
import { ChatError } from "./connection.js";
import { cardText, fileName, mimeType } from "./files.js";

/** @typedef {import("./outgoing.js").Item} Item */

/** How often the same thing is tried against a server that is busy or has another key already. */
const TRIES = 20;
const SHORT_WAIT = 2_000;
const PASSING = ["rate_limited", "server_busy", "stale_epoch"];

/**
 * @typedef {object} House what a delivery needs of its room
 * @property {() => import("../e2e.js").RoomCipher | null} cipher
 * @property {() => { me: string, epoch: number, sealsFiles: boolean }} now
 * @property {() => boolean} ready whether something can be sent now
 * @property {(message: Record<string, unknown>, id?: string) => Promise<any>} ask
 * @property {(ms: number) => Promise<unknown>} wait
 * @property {() => void} keep something to be kept has changed
 * @property {(item: Item, why: string) => void} failed it was refused for good
 */

export class Delivery {
  /** How many messages this participant has sent. */ sent = 0;
  #house;
  #outgoing;
  #busy = false;

  /**
   * @param {import("./outgoing.js").Outgoing} outgoing
   * @param {House} house
   */
  constructor(outgoing, house) {
    this.#outgoing = outgoing;
    this.#house = house;
  }

  /** For another participant nothing is sealed or numbered yet. */
  reset() {
    this.sent = 0;
    this.#outgoing.reset();
  }

  /** Goes on until nothing waits or nothing can be sent. */
  async run() {
    if (this.#busy) return;
    this.#busy = true;
    let tries = 0;
    let last;
    for (let item; this.#house.ready() && (item = this.#outgoing.first); last = item) {
      if (item !== last) tries = 0;
      try {
        await this.#deliver(item);
      } catch (error) {
        const { code, message, retryAfter } = /** @type {any} */ (error);
        // Whether it arrived is found out after the break.
        if (code === "broken" || code === "ended") break;
        item.sealed = null;
        tries += 1;
        if (PASSING.includes(code) && tries < TRIES) await this.#house.wait(retryAfter ?? SHORT_WAIT);
        else this.#giveUp(item, message);
      }
    }
    this.#busy = false;
  }

  /**
   * @param {Item} item
   * @param {string} why
   */
  #giveUp(item, why) {
    // Its number was not used; the next message gets it.
    if (item.ctr !== null && item.ctr === this.sent) this.sent -= 1;
    this.#outgoing.remove(item);
    this.#house.keep();
    this.#house.failed(item, why);
  }

  /** @param {Item} item */
  async #deliver(item) {
    if (item.file && !item.card) item.card = await this.#upload(item.file);
    if (item.sealed === null) {
      item.ctr ??= this.sent + 1;
      const { card, text, ctr } = item;
      const plaintext = card ? { v: 1, kind: "file", body: cardText(card), ctr, file: card } : { v: 1, kind: "text", body: text, ctr };
      const { epoch, me } = this.#house.now();
      const sealed = await this.#cipher().seal(epoch, me, /** @type {any} */ (plaintext));
      if (sealed.length > MAX_ENVELOPE) throw new ChatError("too_large", "Message is too large");
      // Withdrawn, or another participant's now.
      if (this.#outgoing.first !== item || item.ctr === null) return;
      item.sealed = sealed;
      this.sent = Math.max(this.sent, item.ctr);
      this.#house.keep();
    }
    await this.#house.ask({ type: "ChatMessage", content: item.sealed }, receiptId(item));
  }

  /**
   * @param {File} file
   * @returns {Promise<import("./files.js").FileCard>}
   */
  async #upload(file) {
    const bytes = new Uint8Array(await file.arrayBuffer());
    const { epoch, sealsFiles } = this.#house.now();
    const card = { id: "", name: fileName(file.name), mime_type: mimeType(file.type), size: bytes.length, epoch };
    const asked = sealsFiles
      // The server is not told what it keeps.
      ? { name: "file.enc", mime_type: "application/octet-stream", content: toBase64(await this.#cipher().sealFile(epoch, bytes)) }
      : { name: card.name, mime_type: card.mime_type, content: toBase64(bytes) };
    const { metadata } = await this.#house.ask({ type: "UploadFile", ...asked });
    return { ...card, id: metadata.id };
  }

  #cipher() {
    return /** @type {import("../e2e.js").RoomCipher} */ (this.#house.cipher());
  }
}

/** The request that is answered by everybody's `ChatMessage`. @param {Item} item */
export function receiptId(item) {
  return `message-${item.id}`;
}
