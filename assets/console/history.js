// Undo and redo of one's own changes: by the edits that take them back, and never over somebody else's work.

import { applyEdits, selectorOf, valueAt } from "../live/edits.js";
import { sameAt } from "../live/places.js";

/**
 * @typedef {import("../live/edits.js").Edit} Edit
 * @typedef {import("../live/edits.js").Step} Step
 * @typedef {{ back: Edit[], after: any, words: string }} Done `after`: the scene when it was done
 */

/** So many steps can be taken back. */
const MOST = 100;

/**
 * The edits that lead from a document with `edits` back to it.
 *
 * @param {any} document before them
 * @param {Edit[]} edits
 * @returns {Edit[]}
 */
export function inverse(document, edits) {
  /** @type {Edit[]} */
  const back = [];
  let now = document;
  for (const edit of edits) {
    back.unshift(inverseOf(now, edit));
    now = applyEdits(now, [edit]);
  }
  return back;
}

/** @param {any} document @param {Edit} edit @returns {Edit} */
function inverseOf(document, edit) {
  const { path } = edit;
  if (edit.op === "insert") return { op: "delete", path: [...path, /** @type {any} */ (selectorOf(edit.value, path))] };
  const before = valueAt(document, path);
  const parent = path.slice(0, -1);
  if (edit.op === "set") return before === undefined ? { op: "delete", path } : { op: "set", path, value: before };
  const list = valueAt(document, parent);
  if (!Array.isArray(list)) return { op: "set", path, value: before };
  const next = list[list.indexOf(before) + 1];
  const anchor = next === undefined ? null : selectorOf(next, parent);
  return edit.op === "delete" ? { op: "insert", path: parent, value: before, before: anchor } : { op: "move", path, before: anchor };
}

/** What the GM has done in this session. Event: `change` when there is more or less to take back. */
export class History extends EventTarget {
  #live;
  /** @type {Done[]} */ #undo = [];
  /** @type {Done[]} */ #redo = [];

  /** @param {{ state: { scene: any }, change: (edits: Edit[]) => Promise<unknown> }} live */
  constructor(live) {
    super();
    this.#live = live;
  }

  /** What would be taken back next. */
  get undoes() {
    return this.#undo.at(-1)?.words ?? null;
  }

  get redoes() {
    return this.#redo.at(-1)?.words ?? null;
  }

  /**
   * Makes a change that can be taken back.
   *
   * @param {string} words what it does
   * @param {Edit[]} edits
   * @returns {Promise<unknown>}
   */
  change(words, edits) {
    this.#redo = [];
    return this.#make(edits, words, this.#undo);
  }

  /** @returns {Promise<string | null>} what was taken back; null when there was nothing */
  undo() {
    return this.#back(this.#undo, this.#redo);
  }

  redo() {
    return this.#back(this.#redo, this.#undo);
  }

  /** Another scene is on the table: nothing of this belongs to it. */
  clear() {
    this.#undo = [];
    this.#redo = [];
    this.dispatchEvent(new Event("change"));
  }

  /** @param {Done[]} from @param {Done[]} to */
  async #back(from, to) {
    const done = from.pop();
    if (!done) return null;
    this.dispatchEvent(new Event("change"));
    if (!sameAt(done.after, this.#live.state.scene, done.back)) throw new Error(`“${done.words}” was changed by somebody else since; it stays.`);
    await this.#make(done.back, done.words, to);
    return done.words;
  }

  /** @param {Edit[]} edits @param {string} words @param {Done[]} kept */
  #make(edits, words, kept) {
    const { scene } = this.#live.state;
    let done = /** @type {Done | null} */ (null);
    try {
      done = { back: inverse(scene, edits), after: applyEdits(scene, edits), words };
    } catch {
      // The change itself says what is wrong with it.
    }
    const answer = this.#live.change(edits);
    if (done) {
      kept.push(done);
      kept.splice(0, kept.length - MOST);
      this.dispatchEvent(new Event("change"));
      answer.catch(() => {
        const at = kept.indexOf(/** @type {Done} */ (done));
        if (at >= 0) kept.splice(at, 1);
        this.dispatchEvent(new Event("change"));
      });
    }
    return answer;
  }
}
