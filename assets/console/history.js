// Undo and redo of one's own changes: by the edits that take them back, and never over somebody else's work.

import { applyEdits, selectorOf, valueAt } from "../live/edits.js";
import { saysAt, seenAt } from "../live/places.js";

/**
 * @typedef {import("../live/edits.js").Edit} Edit
 * @typedef {import("../live/edits.js").Step} Step
 *
 * @typedef {object} Done something that can be taken back
 * @property {string} words what it was
 * @property {string} [of] the `id` of the scene that it can be taken back on
 * @property {Edit[]} [back] the edits that take it back
 * @property {import("../live/places.js").Seen[]} [saw] what it left at the places of `back`
 * @property {any} [scene] instead of edits: the whole scene that was there before
 * @property {string} [text] as it is kept, made when it is needed
 */

/** So many steps can be taken back. */
const MOST = 100;
/** So many of them replaced the whole scene. */
const MOST_SCENES = 10;
/** So many characters are kept for the page's next opening; browsers keep about five million. */
const MOST_KEPT = 1_000_000;

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

/**
 * What the GM has done in this session, also when the page was opened again in it. What was done on
 * one scene is taken back only while that scene is on the table. Event: `change` when there is more
 * or less to take back.
 */
export class History extends EventTarget {
  #live;
  #storage;
  #key;
  /** @type {Done[]} */ #undo = [];
  /** @type {Done[]} */ #redo = [];

  /**
   * @param {{ state: { scene: any, status: string }, change: (edits: Edit[]) => Promise<unknown>, changeScene: (scene: any, options: { force: boolean }) => Promise<unknown> }} live
   * @param {{ storage?: Pick<Storage, "getItem" | "setItem" | "removeItem"> | null, key?: string }} [kept] where it lasts, if anywhere
   */
  constructor(live, { storage = null, key = "tablekeep.history" } = {}) {
    super();
    this.#live = live;
    this.#storage = storage;
    this.#key = key;
    this.#recall();
  }

  /** What would be taken back next. */
  get undoes() {
    return this.#next(this.#undo)?.words ?? null;
  }

  get redoes() {
    return this.#next(this.#redo)?.words ?? null;
  }

  /**
   * Makes a change that can be taken back.
   *
   * @param {string} words what it does
   * @param {Edit[]} edits
   * @returns {Promise<unknown>}
   */
  change(words, edits) {
    return this.#anew(() => this.#make(edits, words, this.#undo));
  }

  /**
   * Puts another scene on the table, whole; so it is taken back too.
   *
   * @param {string} words
   * @param {any} scene
   * @returns {Promise<unknown>}
   */
  load(words, scene) {
    return this.#anew(() => this.#put(scene, words, this.#undo));
  }

  /** @returns {Promise<string | null>} what was taken back; null when there was nothing */
  undo() {
    return this.#back(this.#undo, this.#redo);
  }

  redo() {
    return this.#back(this.#redo, this.#undo);
  }

  /** The scene on the table has another `id` now and is the same otherwise. @param {string} from @param {string} to */
  renamed(from, to) {
    for (const steps of [this.#undo, this.#redo]) {
      // Down to where another scene was put on the table: below it, the id is an older scene's.
      for (const done of steps.toReversed()) {
        if (done.of !== from) break;
        done.of = to;
        delete done.text;
        if (done.scene) break;
      }
    }
    this.#changed();
  }

  /** Keeps what fits for the page's next opening: the newest. */
  keep() {
    let room = MOST_KEPT;
    const fitting = (/** @type {Done[]} */ steps) => {
      const texts = [];
      for (const done of steps.toReversed()) {
        const text = done.text ??= JSON.stringify(done);
        room -= text.length + 1;
        // What is older can only be taken back after this.
        if (room < 0) break;
        texts.unshift(text);
      }
      return `[${texts}]`;
    };
    try {
      this.#storage?.setItem(this.#key, `{"undo":${fitting(this.#undo)},"redo":${fitting(this.#redo)}}`);
    } catch {
      // A full storage must not hold what is older than the table either.
      this.#forget();
    }
  }

  #recall() {
    try {
      const { undo, redo } = JSON.parse(this.#storage?.getItem(this.#key) ?? "{}");
      const steps = (/** @type {any} */ list) => (Array.isArray(list) ? list : []).filter((one) => typeof one?.words === "string" && (one.scene || (Array.isArray(one.back) && Array.isArray(one.saw)))).slice(-MOST);
      this.#undo = steps(undo);
      this.#redo = steps(redo);
    } catch {
      this.#forget();
    }
  }

  #forget() {
    try {
      this.#storage?.removeItem(this.#key);
    } catch {
      // There is no storage at all.
    }
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** @param {Done[]} steps */
  #next(steps) {
    const done = steps.at(-1);
    return done && this.#live.state.scene && done.of === this.#live.state.scene.id ? done : null;
  }

  /** @param {Done[]} from @param {Done[]} to */
  async #back(from, to) {
    const done = this.#next(from);
    if (!done) return null;
    from.pop();
    this.#changed();
    const { words, scene, back = [], saw = [] } = done;
    if (!scene && !saysAt(this.#live.state.scene, back, saw)) throw new Error(`“${words}” was changed by somebody else since; it stays.`);
    const at = from.length;
    try {
      // A scene that goes is kept for the way back: nobody's work in it is lost.
      await (scene ? this.#put(scene, words, to) : this.#make(back, words, to));
    } catch (error) {
      // Where it was: others may have gone and come meanwhile.
      from.splice(at, 0, done);
      this.#changed();
      throw error;
    }
    return words;
  }

  /** Does something new, after which nothing is done again, unless it is refused. @param {() => Promise<unknown>} work */
  #anew(work) {
    const older = this.#redo;
    /** @type {Done[]} */
    const redo = this.#redo = [];
    const answer = work();
    answer.catch(() => {
      redo.unshift(...older);
      this.#changed();
    });
    return answer;
  }

  /** @param {Edit[]} edits @param {string} words @param {Done[]} kept */
  #make(edits, words, kept) {
    const { scene } = this.#live.state;
    let done = /** @type {Done | null} */ (null);
    try {
      const back = inverse(scene, edits);
      const after = applyEdits(scene, edits);
      done = { words, of: after.id, back, saw: seenAt(after, back) };
    } catch {
      // The change itself says what is wrong with it.
    }
    return this.#made(this.#live.change(edits), done, kept);
  }

  /** @param {any} scene @param {string} words @param {Done[]} kept */
  #put(scene, words, kept) {
    // What waits for a connection would take the place of whatever others have done until then.
    if (this.#live.state.status !== "live") return Promise.reject(new Error("There is no connection to the table now; another scene can be put on it when it is back."));
    const before = this.#live.state.scene;
    return this.#made(this.#live.changeScene(scene, { force: true }), before && { words, of: scene.id, scene: before }, kept);
  }

  /** @param {Promise<unknown>} answer @param {Done | null} done @param {Done[]} kept */
  #made(answer, done, kept) {
    if (!done) return answer;
    kept.push(done);
    const scenes = kept.filter(({ scene }) => scene);
    const tooOld = scenes.length > MOST_SCENES ? kept.indexOf(scenes[scenes.length - MOST_SCENES]) : 0;
    kept.splice(0, Math.max(tooOld, kept.length - MOST));
    this.#changed();
    answer.catch(() => {
      const at = kept.indexOf(done);
      if (at >= 0) kept.splice(at, 1);
      this.#changed();
    });
    return answer;
  }
}
