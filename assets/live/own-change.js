import { applyEdits } from "./edits.js";
import { dependsOn, equal, sameAt } from "./places.js";

/** @typedef {import("./edits.js").Edit} Edit */

/** A change that was made here: edits, or a whole scene. */
export class OwnChange {
  /** @type {Edit[] | null} null for a whole scene */ edits;
  /** @type {any} */ scene;
  /** What the scene looked like to whoever made the change. @type {any} */ #saw;
  /** The number of the newest scene of which its maker had seen what this touches. */ #base;
  /** The last application. @type {{ from: any, to: any } | null} */ #done = null;

  /**
   * @param {{ edits: Edit[] } | { scene: any }} content
   * @param {{ seq: number, saw: any, above: OwnChange[], force: boolean }} made where: the number of the confirmed
   *   scene, what was shown, and the unsettled changes that were shown with it
   */
  constructor(content, { seq, saw, above, force }) {
    this.edits = "edits" in content ? content.edits : null;
    this.scene = "edits" in content ? undefined : content.scene;
    this.force = force;
    // Where an unsettled change lies on top, it hides what others have done there since it was made.
    this.#base = Math.min(seq, ...above.filter((earlier) => this.waitsFor(earlier)).map((earlier) => earlier.#base));
    this.#saw = saw;
  }

  /** What it consists of, as it is sent. */
  get content() {
    return this.edits ? { edits: this.edits } : { scene: this.scene };
  }

  /**
   * The document with this change. Gives the same document for the same document.
   *
   * @param {any} document
   * @returns {any}
   * @throws {import("./edits.js").EditError}
   */
  apply(document) {
    if (this.#done === null || this.#done.from !== document) {
      this.#done = { from: document, to: this.edits ? applyEdits(document, this.edits) : this.scene };
    }
    return this.#done.to;
  }

  /** The server made other edits of it. @param {Edit[]} edits */
  becomes(edits) {
    this.edits = edits;
    this.scene = undefined;
    this.#done = null;
  }

  /** Whether this may only be sent when `earlier` is settled. @param {OwnChange} earlier */
  waitsFor(earlier) {
    return this.edits === null || earlier.edits === null || dependsOn(earlier.edits, this.edits);
  }

  /**
   * The number of a scene that has, where this touches it, what its maker saw: the newest one, or
   * the one that it was made on. To be asked once, when it is sent for the first time: the
   * server must be able to tell a repetition by its old number.
   *
   * @param {import("./position.js").Position} position
   */
  baseAt({ scene, seq }) {
    const saw = this.#saw;
    this.#saw = null;
    const seen = this.force || (this.edits ? sameAt(saw, scene, this.edits) : equal(saw, scene));
    return seen ? seq : this.#base;
  }
}
