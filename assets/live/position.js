// Where a client stands in the order of a table's changes: no socket, no timer.

import { applyEdits } from "./edits.js";

/**
 * @typedef {import("./own-change.js").OwnChange} OwnChange
 * @typedef {{ change: OwnChange, seq: number, prev: number }} Held a change of one's own that is
 *   acknowledged, and waits for what comes before it
 */

/** The scene as confirmed by the server, and its number. */
export class Position {
  /** Names the history that `seq` counts in. @type {string | null} */ epoch = null;
  seq = 0;
  /** @type {any} */ scene = null;
  /** Whether a scene was received yet. */ loaded = false;
  /** Whether something is missing, so that a `resync` has to be sent. */ behind = false;
  /** Whether the server counts in another epoch: nothing but a new `hello` helps. */ estranged = false;
  /** Own changes that wait, by `seq`. @type {Held[]} */ held = [];
  /** Whether a `resync` was sent and not answered. */ #asked = false;

  /** @param {{ mode: string, epoch: string, seq?: number, scene?: any }} message `resumed` leaves the scene as it is */
  welcome({ mode, epoch, seq, scene }) {
    if (mode === "reset") this.held = [];
    this.behind = this.#asked = this.estranged = false;
    if (mode === "resumed") {
      // Without a scene there is nothing to go on from.
      this.behind = !this.loaded;
      return;
    }
    this.epoch = epoch;
    this.#put(scene, Number(seq));
  }

  /** @param {{ epoch?: string, seq: number, prev: number, edits: import("./edits.js").Edit[] }} message */
  change({ epoch, seq, prev, edits }) {
    if (this.#isForeign(epoch)) return;
    // A scene has brought it already.
    if (seq <= this.seq) return;
    if (!(prev <= this.seq && this.seq < seq)) {
      this.behind = true;
      return;
    }
    try {
      this.scene = applyEdits(this.scene, edits);
    } catch {
      this.behind = true;
      return;
    }
    this.seq = seq;
    this.#settle();
  }

  /** A whole scene. @param {{ epoch?: string, seq: number, scene: any }} message */
  replace({ epoch, seq, scene }) {
    if (this.#isForeign(epoch)) return;
    if (!(this.#asked ? seq >= this.seq : seq > this.seq)) return;
    this.behind = this.#asked = false;
    this.#put(scene, seq);
  }

  /**
   * The server has taken a change of one's own: it counts once all before it is there.
   *
   * @param {{ epoch?: string, seq: number, prev?: number, rebased?: boolean }} ack
   * @param {OwnChange} change
   */
  acknowledge({ epoch, seq, prev = seq - 1, rebased }, change) {
    if (this.#isForeign(epoch)) return;
    if (rebased && change.edits === null) {
      // The answer to a repetition does not say what a whole scene was merged to.
      this.behind ||= seq > this.seq;
      return;
    }
    this.held.push({ change, seq, prev });
    this.held.sort((a, b) => a.seq - b.seq);
    this.#settle();
  }

  /** A `resync` is on its way: a scene of the same number is the answer. */
  asked() {
    this.#asked = true;
  }

  /**
   * @param {any} scene
   * @param {number} seq
   */
  #put(scene, seq) {
    this.scene = scene ?? null;
    this.seq = seq;
    this.loaded = true;
    this.#settle();
  }

  /** Takes what no longer has to wait. */
  #settle() {
    for (;;) {
      this.held = this.held.filter(({ seq }) => seq > this.seq);
      const [next] = this.held;
      if (!next || next.prev > this.seq) return;
      try {
        this.scene = next.change.apply(this.scene);
      } catch {
        this.behind = true;
        return;
      }
      this.seq = next.seq;
    }
  }

  /** @param {string | undefined} epoch */
  #isForeign(epoch) {
    if (epoch === undefined || epoch === this.epoch) return false;
    this.estranged = true;
    return true;
  }
}
