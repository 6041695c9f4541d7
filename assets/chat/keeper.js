// `wrap-v1`: who hands the room's key to whom, and when the owner makes a new one.

import { fromBase64, randomBytes, toBase64 } from "../e2e.js";

/** The first key holder hands the key over at once, each further one so much later. */
const TURN = 3_000;
/** How many members in a row stand by. */
const TURNS = 5;
/** Several who leave together cost one new key. */
const REKEY_PAUSE = 1_000;
const REKEY_RETRY = 3_000;

/**
 * @typedef {object} House what a keeper needs of its room
 * @property {() => string} roomId
 * @property {() => string} me
 * @property {() => import("./room.js").Member[]} members in joining order
 * @property {() => number} epoch
 * @property {(message: Record<string, unknown>, id?: string) => Promise<any>} ask
 * @property {(message: Record<string, unknown>) => void} mention says what has no answer
 * @property {(epoch: number, key: Uint8Array<ArrayBuffer>) => Promise<void>} keyCame
 * @property {() => void} changed something to be kept has changed
 * @property {(run: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 */

export class Keeper {
  #house;
  pair;
  /** @type {Map<number, Uint8Array<ArrayBuffer>>} */ #keys = new Map();
  /** A new key that is under way to the server. @type {{ epoch: number, key: Uint8Array<ArrayBuffer> } | null} */ #next = null;
  /** @type {Map<string, any>} */ #turns = new Map();
  #rekeyTimer = null;
  #rekeying = false;
  #rekeyWanted = false;

  /**
   * @param {House} house
   * @param {import("../e2e.js").KeyPair} pair this member's
   */
  constructor(house, pair) {
    this.#house = house;
    this.pair = pair;
  }

  /** As it is kept while a page reloads; without the pair. */
  toJSON() {
    const keys = [...this.#keys].map(([epoch, key]) => [epoch, toBase64(key)]);
    return { keys, next: this.#next && [this.#next.epoch, toBase64(this.#next.key)] };
  }

  /** @param {any} kept */
  async restore({ keys, next }) {
    for (const [epoch, key] of keys) await this.#install(epoch, /** @type {Uint8Array<ArrayBuffer>} */ (fromBase64(key)));
    if (next) this.#next = { epoch: next[0], key: /** @type {Uint8Array<ArrayBuffer>} */ (fromBase64(next[1])) };
  }

  /** The creator draws the first key. */
  draw() {
    return this.#install(this.#house.epoch(), randomBytes(32));
  }

  /**
   * Takes a key that another member hands over.
   *
   * @param {{ from: string, epoch: number, wrapped_key: string, public_key: import("../e2e/wrap.js").PublicKey }} message
   * @returns {Promise<boolean>} whether it was in order
   */
  async receive({ from, epoch, wrapped_key, public_key }) {
    const giver = this.#house.members().find((member) => member.participant_id === from);
    // After a break a key may be handed over twice; the first one counts.
    if (this.#keys.has(epoch)) return true;
    // Later keys are the owner's alone; and who gives one has the key that stands in the list, on which
    // the safety code rests.
    if (!giver || !Number.isSafeInteger(epoch)) return false;
    if (this.#keys.size > 0 && !giver.is_owner) return false;
    if (giver.public_key?.key !== public_key?.key || giver.public_key?.alg !== public_key?.alg) return false;
    try {
      const handover = { roomId: this.#house.roomId(), epoch, from, to: this.#house.me() };
      await this.#install(epoch, await this.pair.unwrap(wrapped_key, public_key, handover));
      return true;
    } catch {
      return false;
    }
  }

  /** Somebody is here who may not have the key. @param {import("./room.js").Member} member */
  joined(member) {
    if (!member.public_key || member.participant_id === this.#house.me()) return;
    const turn = this.#turn(member.participant_id);
    if (turn >= TURNS) return;
    this.#house.clearTimeout(this.#turns.get(member.participant_id));
    if (turn === 0) this.#share(member.participant_id);
    else this.#turns.set(member.participant_id, this.#house.setTimeout(() => this.#share(member.participant_id), turn * TURN));
  }

  /** This member has shown that it has the key. @param {string} id */
  hasKey(id) {
    this.#house.clearTimeout(this.#turns.get(id));
    this.#turns.delete(id);
  }

  /** Somebody who had the key is gone. @param {string} id */
  left(id) {
    this.hasKey(id);
    this.wantRekey();
  }

  /** Makes a new key soon, if that is ours to do. */
  wantRekey() {
    const me = this.#house.members().find((member) => member.participant_id === this.#house.me());
    if (!me?.is_owner) return;
    this.#rekeyWanted = true;
    this.#rekeySoon(REKEY_PAUSE);
  }

  /** @param {number} epoch */
  async epochChanged(epoch) {
    // It covers everybody who was gone before it: the server lets nobody forget or add one.
    this.#rekeyWanted = false;
    this.#house.clearTimeout(this.#rekeyTimer);
    await this.#applied(epoch);
  }

  /** After a new connection: hands over what was missed, and goes on with what was under way. */
  async back() {
    await this.#applied(this.#house.epoch());
    // A key under way that was not applied is wanted still; another one, because somebody may be gone since.
    const wanted = this.#next !== null || this.#rekeyWanted;
    this.#next = null;
    if (wanted) this.wantRekey();
    for (const member of this.#house.members()) this.joined(member);
  }

  /** The connection is gone. What is wanted stays so. */
  stop() {
    for (const timer of this.#turns.values()) this.#house.clearTimeout(timer);
    this.#turns.clear();
    this.#house.clearTimeout(this.#rekeyTimer);
  }

  /** @param {number} epoch */
  async #applied(epoch) {
    if (this.#next?.epoch !== epoch) return;
    const { key } = this.#next;
    this.#next = null;
    await this.#install(epoch, key);
  }

  /** @param {string} joiner */
  #turn(joiner) {
    const others = this.#house.members().filter((member) => member.participant_id !== joiner);
    const byRank = [...others.filter((member) => member.is_owner), ...others.filter((member) => !member.is_owner)];
    return byRank.findIndex((member) => member.participant_id === this.#house.me());
  }

  /** @param {string} to */
  async #share(to) {
    this.#turns.delete(to);
    const epoch = this.#house.epoch();
    const key = this.#keys.get(epoch);
    const member = this.#house.members().find((one) => one.participant_id === to);
    if (!key || !member?.public_key) return;
    try {
      const wrapped_key = await this.pair.wrap(key, member.public_key, { roomId: this.#house.roomId(), epoch, from: this.#house.me(), to });
      // It may be gone meanwhile; and if the connection breaks, `back` does it again.
      this.#house.mention({ type: "ShareKey", to, epoch, wrapped_key });
    } catch {
      // Its public key is none: it gets nothing.
    }
  }

  /** @param {number} pause */
  #rekeySoon(pause) {
    this.#house.clearTimeout(this.#rekeyTimer);
    this.#rekeyTimer = this.#house.setTimeout(() => this.#rekey(), pause);
  }

  async #rekey() {
    if (this.#rekeying || !this.#rekeyWanted) return;
    this.#rekeying = true;
    this.#rekeyWanted = false;
    const [roomId, from, epoch] = [this.#house.roomId(), this.#house.me(), this.#house.epoch() + 1];
    const key = randomBytes(32);
    try {
      const others = this.#house.members().filter((member) => member.participant_id !== from);
      const keys = await Promise.all(others.map(async ({ participant_id: to, public_key }) => (
        { to, wrapped_key: await this.pair.wrap(key, /** @type {any} */ (public_key), { roomId, epoch, from, to }) })));
      // It is kept before it is sent: without it the owner would be out of its own room.
      this.#next = { epoch, key };
      this.#house.changed();
      await this.#house.ask({ type: "RekeyRoom", epoch, keys }, rekeyId(epoch));
    } catch (error) {
      // Somebody came or went at that moment; or the connection broke, then `back` asks again.
      const { code } = /** @type {any} */ (error);
      if (code !== "broken" && code !== "ended") {
        this.#rekeyWanted = true;
        this.#rekeySoon(REKEY_RETRY);
      }
    } finally {
      this.#rekeying = false;
      if (this.#rekeyWanted) this.#rekeySoon(REKEY_RETRY);
    }
  }

  /**
   * @param {number} epoch
   * @param {Uint8Array<ArrayBuffer>} key
   */
  async #install(epoch, key) {
    this.#keys.set(epoch, key);
    await this.#house.keyCame(epoch, key);
    this.#house.changed();
  }
}

/** The request that is answered by everybody's `EpochChanged`. @param {number} epoch */
export function rekeyId(epoch) {
  return `rekey-${epoch}`;
}
