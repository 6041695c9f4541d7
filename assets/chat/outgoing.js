// What was typed and is not delivered yet, in the order in which it was typed.

/** How much may wait. */
const MAX_WAITING = 200;

/**
 * @typedef {object} Item
 * @property {number} id
 * @property {string} text what it says; of a file, its name
 * @property {File | null} file
 * @property {import("./files.js").FileCard | null} card of a file that the server has
 * @property {number | null} ctr the message's number; it keeps it, however often it is sent
 * @property {string | null} sealed the envelope, once it may have been sent: the same again is known as a repetition
 * @property {number} typedAt local milliseconds since 1970
 */

export class Outgoing {
  /** @type {Item[]} */ items = [];
  #last = 0;

  /**
   * @param {{ text: string, file?: File }} what
   * @returns {Item | null} null when too much waits already
   */
  add({ text, file }) {
    if (this.items.length >= MAX_WAITING) return null;
    const item = { id: ++this.#last, text, file: file ?? null, card: null, ctr: null, sealed: null, typedAt: Date.now() };
    this.items.push(item);
    return item;
  }

  get first() {
    return this.items.at(0);
  }

  /** @param {Item} item */
  remove(item) {
    this.items = this.items.filter((other) => other !== item);
  }

  /** For another participant, room key or stay, nothing is sealed or numbered yet. */
  reset() {
    for (const item of this.items) Object.assign(item, { ctr: null, sealed: null, card: null });
  }

  /** Texts are kept while the page reloads; files are not. */
  toJSON() {
    return this.items.filter(({ file }) => file === null).map(({ text, ctr, sealed, typedAt }) => ({ text, ctr, sealed, typedAt }));
  }

  /** @param {any[]} kept */
  static fromJSON(kept) {
    const outgoing = new Outgoing();
    for (const one of kept) Object.assign(outgoing.add({ text: String(one.text) }) ?? {}, one);
    return outgoing;
  }
}
