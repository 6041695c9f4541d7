import { ApiError } from "../api.js";
import { equal } from "../live/places.js";
import { freshId } from "./scene.js";

/**
 * @typedef {import("../api.js").Scene} Scene
 * @typedef {{ id: string, name: string, folder: string, tag: string, scene: any }} SceneFile a saved scene as it was read
 * @typedef {"waiting" | "new" | "saved" | "changed" | "overtaken"} DeskStatus `new`: it was never saved; `overtaken`:
 *   it is not as it was saved, and somebody else has saved since
 */

/**
 * Where the table's scene says which version of its file it came from: the file's entity tag. What begins
 * with `gm_` is the GM's alone; it is on the table only, never in a file.
 */
const BASE = "gm_file";
/** What a file may have otherwise than the table without anything having been changed. */
const APART = ["id", "name", "folder", "images", "_lastUpdated", BASE];
/** What is meant where a scene says nothing; the server writes it into files. */
const DEFAULTS = { maps: [], activeMapId: null, gridSettings: { showGrid: true, gridSize: 50 }, initiativeOrder: [], showCurrentPlayer: true };
/** What a new scene has. */
const EMPTY = { ...DEFAULTS, encounterHistory: [], aoeMarkers: [], fogOfWar: [] };
/** A page of SpellTable goes on under an id of its own when it has saved a scene: milliseconds. */
const OWN_ID = /^\d{12,16}$/;
/** So long after the last change it is looked whether anything differs from the file, in milliseconds. */
const CALM = 120;
const ANOTHER = "The table shows another scene by now.";

/**
 * The scene that lies on the table, and the file that it is saved in. Which file that is, is said by
 * the scene itself; so a reload, and a second page, know it too. Event: `change`.
 */
export class SceneDesk extends EventTarget {
  /** @type {SceneFile | null} */ file = null;
  /** @type {DeskStatus} */ status = "waiting";
  /** Whether something is being saved. */ isBusy = false;
  /** Why it is not known whether there is a file, in words; empty when it is, or is being asked. */ trouble = "";
  #live;
  #history;
  #api;
  #state;
  /** The table's id that `file` was looked for by. */ #liveId = /** @type {unknown} */ (undefined);
  /** Whether it is known if there is a file. */ #asked = false;
  /** A version of a file that was seen to be what is on the table, or to become so. */ #seen = { id: "", tag: "" };
  /** Counts what was read, so that what comes late is not taken for new. */ #turn = 0;
  #timer = 0;
  /** What was told last. */ #print = "";

  /**
   * @param {{ live: import("../live.js").Live, history: import("./history.js").History, api: typeof import("../api.js"), state: import("../state.js").State }} parts
   * @param {AbortSignal} signal ends it
   */
  constructor({ live, history, api, state }, signal) {
    super();
    this.#live = live;
    this.#history = history;
    this.#api = api;
    this.#state = state;
    const later = () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#look(), CALM);
    };
    live.addEventListener("scene", later, { signal });
    state.addEventListener("change", (/** @type {any} */ { detail }) => {
      // With every look at the server, as others save too; lists that changed may bring the file.
      if (detail === "health" || detail === "scenes") this.refresh();
    }, { signal });
    signal.addEventListener("abort", () => clearTimeout(this.#timer));
  }

  /** The id of the file, also when the table knows it by another. */
  get id() {
    return this.file?.id ?? null;
  }

  /** The id by which the table knows its scene; null when there is none yet. @returns {string | null} */
  get tableId() {
    return this.#live.state.scene?.id ?? null;
  }

  get name() {
    const name = String(this.file?.name ?? this.#live.state.scene?.name ?? "").trim();
    return name || "Scene without a name";
  }

  /** Whether something would be lost if another scene came. */
  hasUnsaved() {
    this.#look();
    // Nothing is known to be saved while the file cannot be read.
    return this.status === "changed" || this.status === "overtaken" || (this.status !== "saved" && !isBare(this.#live.state.scene));
  }

  /** Whether a map lies on the table. @param {{ name: string, folder?: string | null }} map */
  shows({ name, folder }) {
    return (this.#live.state.scene?.maps ?? []).some((/** @type {any} */ map) => map?.name === name && (map.folder ?? "") === (folder ?? ""));
  }

  /** Reads the file again, if there is one. */
  async refresh() {
    const id = this.#live.state.scene?.id;
    const { scenes } = this.#state;
    if (scenes === null) return this.#fails(this.#state.errors.scenes ?? "");
    if (typeof id !== "string" || this.isBusy) return;
    const isKnown = (this.#liveId === id && this.file !== null) || scenes.some((one) => one.id === id);
    // Whether another name leads to a file, only the server knows; asking for nothing again and again is an error each time.
    const mayBe = isKnown || (OWN_ID.test(id) && scenes.length > 0 && !(this.#liveId === id && this.#asked));
    const turn = ++this.#turn;
    let file = null;
    try {
      if (mayBe) file = await this.#read(id);
    } catch (error) {
      // It is asked again soon; until then what was known counts.
      if (!(error instanceof ApiError) || error.status !== 404) {
        if (turn === this.#turn) this.#fails(error instanceof Error ? error.message : String(error));
        return;
      }
    }
    if (turn === this.#turn && this.#live.state.scene?.id === id && !this.isBusy) this.#take(id, file);
  }

  /**
   * Saves the table's scene into its file.
   *
   * @param {{ over?: boolean, of?: string | null }} [how] `over`: also over a version that the table does not come
   *   from; `of`: the `tableId` of the scene that was meant, which must still be there
   * @returns {Promise<"saved" | "overtaken" | "new">} what came of it; `new`: there is no file to save it in
   */
  async save({ over = false, of } = {}) {
    return this.#busy(of, async (scene) => {
      const old = await this.#read(scene.id).catch((error) => {
        if (error.status === 404) return null;
        throw error;
      });
      if (this.tableId !== scene.id) throw new Error(ANOTHER);
      this.#take(scene.id, old);
      if (!old) return "new";
      if (!over && this.#compared(old, scene) === "overtaken") return "overtaken";
      const saved = { ...bare(scene), id: old.id, name: old.name, folder: old.folder || null, images: old.scene.images };
      const tag = await this.#api.updateScene(saved, old.tag).catch((error) => {
        if (error.status === 412) return null;
        throw error;
      });
      if (tag === null) return "overtaken";
      if (this.tableId !== scene.id) throw new Error(`“${old.name}” is saved. ${ANOTHER}`);
      await this.#follow(scene.id, { ...old, tag, scene: saved });
      return "saved";
    });
  }

  /**
   * Saves the table's scene as a new one; the table goes on as that.
   *
   * @param {string} name
   * @param {string} folder
   * @param {string | null} [of] as with `save`
   */
  async saveAs(name, folder, of) {
    await this.#busy(of, async (scene) => {
      // Not under the table's id: that would make it another name of the new file.
      const saved = { ...bare(scene), id: "default", name, folder: folder || null };
      const { id, tag } = await this.#api.saveScene(saved);
      const set = (/** @type {string} */ key, /** @type {unknown} */ value) => /** @type {import("../live/edits.js").Edit} */ ({ op: "set", path: [key], value });
      // The file's name and version are not another scene's.
      if (this.tableId !== scene.id) throw new Error(`“${name}” is saved. ${ANOTHER}`);
      // Before the answer: what is done meanwhile is done on the scene of this name.
      this.#history.renamed(scene.id, id);
      await this.#live.change([set("id", id), set("name", name), set("folder", folder || null), set(BASE, tag)]).catch((error) => {
        this.#history.renamed(id, scene.id);
        throw new Error(`“${name}” is saved. ${ANOTHER}`, { cause: error });
      });
      this.#take(id, { id, name, folder, tag, scene: saved });
    }).finally(() => this.#state.reload("scenes"));
  }

  /** Puts a saved scene on the table, in place of what is there. @param {{ id: string }} which */
  async load({ id }) {
    const file = await this.#read(id);
    const answer = this.#history.load(`Loaded “${file.name}”`, { ...bare(file.scene), [BASE]: file.tag });
    this.#take(file.id, file);
    await answer;
    return file;
  }

  /** Puts an empty scene on the table. */
  async clear() {
    await this.#history.load("Started a new scene", { id: freshId(), name: "New scene", ...EMPTY });
  }

  /**
   * Does something that changes scenes' files and the table alike: what the table came from it comes
   * from still, and it lies in the folder where the file is.
   *
   * @template T
   * @param {() => Promise<T>} work
   */
  async along(work) {
    await this.refresh();
    const before = this.file;
    const isOurs = before !== null && this.status !== "overtaken";
    const done = await work();
    const id = this.#live.state.scene?.id;
    if (before === null || id !== this.#liveId) return done;
    const after = await this.#read(id).catch(() => null);
    if (!after || this.tableId !== id) return done;
    if (isOurs) await this.#follow(id, after);
    const { scene } = this.#live.state;
    if (scene?.id === id && (scene.folder ?? "") !== after.folder) await this.#live.change([{ op: "set", path: ["folder"], value: after.folder || null }]).catch(() => {});
    return done;
  }

  /** A file is gone. @param {string} id */
  forget(id) {
    if (this.file?.id === id) this.#take(this.#liveId, null);
  }

  /** The table's scene has another name. @param {string} name */
  async rename(name) {
    if (this.#live.state.scene?.name !== name) await this.#live.change([{ op: "set", path: ["name"], value: name }]);
  }

  /** @param {string} id @returns {Promise<SceneFile>} */
  async #read(id) {
    const { scene, tag } = await this.#api.loadScene(id);
    return { id: scene.id, name: String(scene.name ?? "").trim() || "Scene without a name", folder: scene.folder ?? "", tag, scene };
  }

  /** @param {unknown} liveId @param {SceneFile | null} file */
  #take(liveId, file) {
    this.#turn += 1;
    this.#liveId = liveId;
    this.#asked = true;
    this.trouble = "";
    this.file = file;
    this.#look();
  }

  /** @param {string} trouble */
  #fails(trouble) {
    this.trouble = trouble;
    this.#look();
  }

  /** The table comes from this version from now on, and says so. @param {string} liveId @param {SceneFile} file */
  async #follow(liveId, file) {
    this.#seen = file;
    this.#take(liveId, file);
    const { scene } = this.#live.state;
    // When another scene has come meanwhile, there is nothing to say.
    if (scene?.id === liveId && scene[BASE] !== file.tag) await this.#live.change([{ op: "set", path: [BASE], value: file.tag }]).catch(() => {});
  }

  /** Compares the table with the file. */
  #look() {
    const { scene } = this.#live.state;
    if (scene === null) return this.#is("waiting");
    if (scene.id !== this.#liveId) {
      this.#liveId = scene.id;
      this.#asked = false;
      this.trouble = "";
      this.file = null;
      this.refresh();
    }
    const { file } = this;
    if (!file) return this.#is(this.#asked || typeof scene.id !== "string" ? "new" : "waiting");
    this.#is(this.#compared(file, scene));
  }

  /** How a scene on the table stands to its file. @param {SceneFile} file @param {any} scene @returns {DeskStatus} */
  #compared(file, scene) {
    const seen = this.#seen.id === file.id ? this.#seen.tag : "";
    // Where neither the scene nor this page knows what it came from, it is what is there now.
    const isSame = same(file.scene, scene);
    if (isSame || (seen === "" && scene[BASE] === undefined)) this.#seen = file;
    return isSame ? "saved" : [this.#seen.tag, scene[BASE]].includes(file.tag) ? "changed" : "overtaken";
  }

  /** @param {DeskStatus} status */
  #is(status) {
    this.status = status;
    const print = JSON.stringify([status, this.id, this.tableId, this.name, this.isBusy, this.trouble]);
    if (print === this.#print) return;
    this.#print = print;
    this.dispatchEvent(new Event("change"));
  }

  /**
   * Saves something of the table's scene.
   *
   * @template T
   * @param {string | null | undefined} of the scene that was meant, if that was asked
   * @param {(scene: any) => Promise<T>} work
   */
  async #busy(of, work) {
    const { scene, you } = this.#live.state;
    // A player's scene lacks what is hidden; saved, it would be lost.
    if (you?.role !== "gm") throw new Error("You are not signed in as the GM any more.");
    if (this.isBusy) throw new Error("It is being saved already.");
    if (scene === null) throw new Error("The table is not here yet.");
    if (of !== undefined && of !== this.tableId) throw new Error(ANOTHER);
    this.isBusy = true;
    this.#is(this.status);
    try {
      return await work(scene);
    } finally {
      this.isBusy = false;
      this.#look();
      // What came meanwhile was not asked for.
      if (!this.#asked) this.refresh();
    }
  }
}

/** A scene without what only the table has. @param {any} scene */
function bare({ [BASE]: _, ...scene }) {
  return scene;
}

/** @param {any} one @param {any} other */
function same(one, other) {
  const core = (/** @type {any} */ scene) => {
    const copy = { ...DEFAULTS, ...scene };
    for (const key of APART) delete copy[key];
    return copy;
  };
  return equal(core(one), core(other));
}

/** Whether nothing is lost with a scene. @param {any} scene */
function isBare(scene) {
  return ["maps", "initiativeOrder", "aoeMarkers", "fogOfWar"].every((list) => (scene?.[list] ?? []).length === 0);
}
